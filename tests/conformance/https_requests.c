/* SPDX-License-Identifier: MIT
 *
 * EST over HTTPS (RFC 7030) by the same authority, over real TLS: requests, their answers, and when
 * they come.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "keys.h"
#include "web.h"

#define ROOT "/.well-known/est/"

enum { SOON_MS = 10000 };

/* ---- requests ---- */

static void kept_alive(void **state)
{
    const fixture *f = *state;
    for (int v = TLS1_2_VERSION; v <= TLS1_3_VERSION; v++) {
        web_cfg cfg = web_as(f, "dev");
        cfg.version = v;
        web *w = web_open(&cfg);
        body csr;
        EVP_PKEY *key = web_csr("CN=dev", &csr);
        assert_int_equal(web_ask(w, ROOT "cacerts", NULL, &got), 200);
        assert_string_equal(web_header(&got, "Cache-Control"), "max-age=86400");
        assert_int_equal(web_post(w, ROOT "simpleenroll", &csr, &got), 200);
        assert_string_equal(web_header(&got, "Cache-Control"), "no-store");
        X509 *one = web_cert(f, key);
        assert_int_equal(web_ask(w, ROOT "simpleenroll", "!", &got), 400);
        assert_int_equal(web_post(w, ROOT "simpleenroll", &csr, &got), 200);
        X509 *two = web_cert(f, key); /* E6 */
        assert_int_equal(X509_cmp(one, two), 0);
        X509_free(one);
        X509_free(two);
        EVP_PKEY_free(key);
        web_free(w);
    }
}

/* RFC 8951 section 3.1: blanks anywhere; nothing else is looked over. */
static void base64(void **state)
{
    body csr;
    static char line[sizeof csr.bytes * 2], text[sizeof line];
    static const char *const ends[] = {"\n", "\r\n", " ", "\t"};
    EVP_PKEY_free(web_csr("CN=dev", &csr));
    EVP_EncodeBlock((uint8_t *)line, csr.bytes, (int)csr.len);
    web *w = web_open_as(*state, "dev");
    for (size_t i = 0; i < 4; i++) {
        size_t n = 0;
        for (size_t at = 0; at < strlen(line); at += 64) {
            n += (size_t)snprintf(text + n, sizeof text - n, "%.64s%s", line + at, ends[i]);
        }
        assert_int_equal(web_ask(w, ROOT "simpleenroll", text, &got), 200);
    }
    snprintf(text, sizeof text, "-----BEGIN CERTIFICATE REQUEST-----\n%s\n", line);
    web_ask(w, ROOT "simpleenroll", text, &got);
    web_refused(400);
    snprintf(text, sizeof text, "%.*s", (int)strlen(line) - 5, line);
    assert_int_equal(web_ask(w, ROOT "simpleenroll", text, &got), 400);
    assert_int_equal(web_ask(w, ROOT "simpleenroll", "", &got), 400);
    web_free(w);
}

static void paths(void **state)
{
    static const struct {
        const char *line;
        unsigned status;
    } cases[] = {
        {"GET " ROOT "cacerts", 200},
        {"GET " ROOT "cacerts?any=thing", 200},
        {"GET " ROOT "keys/cacerts", 200},
        {"GET " ROOT "cac%65rts", 200},
        {"HEAD " ROOT "keys/csrattrs", 204},
        {"GET " ROOT "cacerts%00", 404},
        {"GET " ROOT "cacerts%00/simpleenroll", 404},
        {"GET " ROOT, 404},
        {"GET " ROOT "cacerts/", 404},
        {"GET " ROOT "/cacerts", 404},
        {"GET " ROOT "nobody/cacerts", 404},
        {"GET " ROOT "keys/keys/cacerts", 404},
        {"GET " ROOT "crts", 404},
        {"GET /est/cacerts", 404},
        {"GET /", 404},
        {"POST " ROOT "fullcmc", 404},
        {"POST " ROOT "serverkeygen", 404}, /* not by this profile */
        {"POST " ROOT "cacerts", 405},
        {"PUT " ROOT "simpleenroll", 405},
        {"GET " ROOT "keys/serverkeygen", 405},
        {"DELETE " ROOT "csrattrs", 405},
    };
    web *w = web_open_as(*state, "dev");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char request[256];
        int n = snprintf(request, sizeof request,
                         "%s HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", cases[i].line);
        web_send(w, request, (size_t)n);
        assert_true(web_hear(w, &got));
        if (got.status != cases[i].status) {
            fail_msg("%s: %u", cases[i].line, got.status);
        }
        assert_int_equal(web_header(&got, "Allow") != NULL, got.status == 405);
    }
    web_free(w);
}

/* A POST with this Content-Type, and as many bytes of a body. */
static void send_typed(web *w, const char *path, const char *type, const char *text)
{
    static char request[65536];
    int n = snprintf(request, sizeof request,
                     "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\n"
                     "Content-Length: %zu\r\n\r\n%s",
                     path, type, strlen(text), text);
    web_send(w, request, (size_t)n);
}

static void types(void **state)
{
    static const struct {
        const char *type;
        bool good;
    } cases[] = {{"application/pkcs10", true},
                 {"Application/PKCS10; charset=us-ascii", true},
                 {"application/pkcs10x", false},
                 {"application/x-www-form-urlencoded", false},
                 {"", false}};
    body csr;
    static char line[sizeof csr.bytes * 2];
    web *w = web_open_as(*state, "dev");
    EVP_PKEY_free(web_csr("CN=dev", &csr));
    EVP_EncodeBlock((uint8_t *)line, csr.bytes, (int)csr.len);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        send_typed(w, ROOT "simpleenroll", cases[i].type, line);
        assert_true(web_hear(w, &got));
        assert_int_equal(got.status, cases[i].good ? 200 : 415);
    }
    web_free(w);
}

#define HEAD "POST " ROOT "simpleenroll HTTP/1.1\r\nHost: x\r\nContent-Type: application/pkcs10\r\n"

/* Told in advance or not. */
static void too_large(void **state)
{
    static char text[40000], request[45000];
    memset(text, 'A', sizeof text - 1);
    web *w = web_open_as(*state, "dev");
    web_ask(w, ROOT "simpleenroll", text, &got);
    web_refused(413);
    int n = snprintf(request, sizeof request,
                     HEAD "Transfer-Encoding: chunked\r\n\r\n%zx\r\n%s\r\n0\r\n\r\n", strlen(text),
                     text);
    web_send(w, request, (size_t)n);
    assert_true(web_hear(w, &got));
    assert_int_equal(got.status, 413);
    assert_int_equal(web_enroll(w, ROOT "simpleenroll", "CN=dev"), 200); /* it goes on */
    n = snprintf(request, sizeof request, HEAD "Content-Length: 9999999999\r\n\r\n");
    web_send(w, request, (size_t)n);
    assert_true(web_hear(w, &got));
    web_refused(413);
    assert_string_equal(web_header(&got, "Connection"), "close");
    assert_false(web_hear(w, &got));
    web_free(w);
    w = web_open_as(*state, NULL); /* nor does it take a head without end */
    n = snprintf(request, sizeof request, "GET " ROOT "cacerts HTTP/1.1\r\nHost: %s\r\n\r\n", text);
    web_send(w, request, (size_t)n);
    assert_true(!web_hear(w, &got) || got.status >= 400);
    web_free(w);
}

/* ---- decisions that take their time ---- */

static void decide(const fixture *f, const char *command, const char *id)
{
    output o;
    run(&o, "estocd", command, id, "--dir", f->srv, NULL);
    assert_int_equal(o.code, 0);
}

static void waits(void **state)
{
    const fixture *f = *state;
    body one, two;
    EVP_PKEY *key = web_csr("CN=dev", &one), *other = web_csr("CN=dev", &two);
    web *w = web_open_as(f, "dev");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(web_post(w, ROOT "manual/simpleenroll", &one, &got), 202);
        long retry = atol(web_header(&got, "Retry-After"));
        assert_true(retry > 0 && retry <= 40);
    }
    assert_int_equal(web_post(w, ROOT "manual/simpleenroll", &two, &got), 202);
    decide(f, "approve", "r1");
    decide(f, "reject", "r2");
    assert_int_equal(web_post(w, ROOT "manual/simpleenroll", &one, &got), 200);
    X509_free(web_cert(f, key));
    assert_int_equal(web_post(w, ROOT "manual/simpleenroll", &two, &got), 403);
    web_free(w);
    EVP_PKEY_free(key);
    EVP_PKEY_free(other);
}

/* The program that decides says yes once it may. */
static void configure_program(fixture *f)
{
    char command[2 * PATH_LEN];
    static const char program[] = "#!/bin/sh\ncat >/dev/null\ntouch \"$1/asked\"\n"
                                  "while [ -e \"$1/hold\" ]; do sleep 0.05; done\necho yes\n";
    write_file(path_in(f, "program"), program, sizeof program - 1, "w");
    assert_int_equal(chmod(path_in(f, "program"), 0700), 0);
    snprintf(command, sizeof command, "%s %s", path_in(f, "program"), f->dir);
    fixture_conf(f, "profile asked", "approval", "command");
    fixture_conf(f, "profile asked", "approval-command", command);
    fixture_conf(f, "profile asked", "approval-timeout", "20s");
    write_file(path_in(f, "hold"), "", 0, "w");
}

static void await_file(const char *file)
{
    long long end = now_ms() + SOON_MS;
    while (access(file, F_OK) != 0) {
        assert_true(now_ms() < end);
        usleep(20000);
    }
}

/* HC 276: what is in flight is answered, and nobody comes in any more. */
static void stops(void **state)
{
    fixture *f = *state;
    configure_program(f);
    web_serve(f);
    body csr;
    char text[2048];
    EVP_PKEY *key = web_csr("CN=dev", &csr);
    EVP_EncodeBlock((uint8_t *)text, csr.bytes, (int)csr.len);
    web *w = web_open_as(f, "dev"), *idle = web_open_as(f, NULL);
    send_typed(w, ROOT "asked/simpleenroll", "application/pkcs10", text);
    await_file(path_in(f, "asked"));
    assert_int_equal(kill(f->pid, SIGTERM), 0);
    usleep(300000);
    assert_int_equal(remove(path_in(f, "hold")), 0);
    assert_true(web_hear(w, &got));
    assert_int_equal(got.status, 200);
    assert_string_equal(web_header(&got, "Connection"), "close");
    X509_free(web_cert(f, key));
    assert_false(web_hear(idle, &got));
    EVP_PKEY_free(key);
    web_free(idle);
    web_free(w);
    fixture_stop(f); /* it has ended with 0 */
}

/* ---- many at once ---- */

enum { CLIENTS = 8, EACH = 12 };

/* Half of them on one connection. @return whether each got a certificate */
static bool enrolls(const fixture *f, int client)
{
    unsigned good = 0;
    web *w = web_open_as(f, "dev");
    for (int i = 0; i < EACH; i++) {
        bool last = web_enroll(w, ROOT "simpleenroll", "CN=dev") == 200 &&
                    web_header(&got, "Connection") != NULL;
        good += got.status == 200;
        if (last || client % 2 == 0) {
            web_free(w);
            w = web_open_as(f, "dev");
        }
    }
    web_free(w);
    return good == EACH;
}

static void many(void **state)
{
    const fixture *f = *state;
    unsigned before = issued(f);
    pid_t pids[CLIENTS];
    int status;
    for (int i = 0; i < CLIENTS; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            _exit(enrolls(f, i) ? 0 : 1);
        }
    }
    for (int i = 0; i < 3; i++) {
        usleep(150000);
        kill(f->pid, SIGHUP);
    }
    for (int i = 0; i < CLIENTS; i++) {
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_int_equal(status, 0);
    }
    assert_int_equal(issued(f), before + CLIENTS * EACH);
}

/* ---- keys made here ---- */

/* The n-th part's body, between an empty line and the next delimiter. */
static void part_of(unsigned n, const char *type, body *out)
{
    const char *at = got.text;
    for (unsigned i = 0; i <= n; i++) {
        at = strstr(at, "--estServerKeyGen\r\n");
        assert_non_null(at);
        at += 2;
    }
    const char *head = strstr(at, "\r\n\r\n");
    const char *line = strstr(at, type);
    assert_true(head != NULL && line != NULL && line < head);
    head += 4;
    web_der(head, (size_t)(strstr(head, "\r\n--") - head), out);
}

static void made_here(void **state)
{
    const fixture *f = *state;
    body csr, der, certs;
    EVP_PKEY_free(web_csr("CN=dev", &csr));
    web *w = web_open_as(f, "dev");
    assert_int_equal(web_post(w, ROOT "keys/serverkeygen", &csr, &got), 200);
    assert_string_equal(web_header(&got, "Cache-Control"), "no-store");
    part_of(0, "Content-Type: application/pkcs8\r\n", &der);
    part_of(1, "smime-type=certs-only\r\n", &certs);
    EVP_PKEY *key = made_key(&der);
    X509 *cert = cert_for(&certs, 281, key);
    assert_true(chains_to(cert, path_in(f, "srv/ca.crt")));
    assert_int_equal(web_ask(w, ROOT "cacerts", NULL, &got), 200); /* it has left */
    assert_int_equal(key_in_process(f->pid, key), 0);
    assert_int_equal(key_in_file(path_in(f, "estocd.log"), key), 0);
    web_free(w);
    X509_free(cert);
    EVP_PKEY_free(key);
}

/* ---- limits ---- */

static void limited(void **state)
{
    fixture *f = *state;
    fixture_conf(f, "server", "identity-rate", "1");
    fixture_conf(f, "server", "identity-burst", "3");
    fixture_conf(f, "server", "address-rate", "1");
    fixture_conf(f, "server", "address-burst", "12");
    web_serve(f);
    fixture_device(f, "CN=two", "two");
    web *w = web_open_as(f, "dev");
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(web_enroll(w, ROOT "simpleenroll", "CN=dev"), 200);
    }
    web_enroll(w, ROOT "simpleenroll", "CN=dev");
    web_refused(429);
    assert_true(atol(web_header(&got, "Retry-After")) > 0);
    web *again = web_open_as(f, "dev"); /* it is the identity's */
    assert_int_equal(web_enroll(again, ROOT "simpleenroll", "CN=dev"), 429);
    web *two = web_open_as(f, "two");
    assert_int_equal(web_enroll(two, ROOT "simpleenroll", "CN=two"), 200);
    unsigned n = 7; /* so far: a connection and a request are one each */
    while (web_ask(two, ROOT "cacerts", NULL, &got) == 200) {
        n++;
    }
    web_refused(429);
    assert_int_equal(n, 12);
    web_free(two);
    web_free(again);
    web_free(w);
}

static int start(void **state)
{
    fixture_set_up(state);
    fixture *f = *state;
    fixture_conf(f, "profile keys", "keygen", "yes");
    fixture_conf(f, "profile manual", "approval", "manual");
    fixture_conf(f, "profile manual", "retry-after", "40s");
    web_serve(f);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        NAMED("E4 E6 HTTPS: any number of requests on a connection", kept_alive),
        NAMED("E4 HC 254 HTTPS: base64 in lines or not", base64),
        NAMED("R1 X6 HTTPS: paths, labels and methods", paths),
        NAMED("X6 HTTPS: the type of a request", types),
        NAMED("B2 HTTPS: what is too large is 413", too_large),
        NAMED("L2 HTTPS: a decision by a person: 202, then 200 or 403", waits),
        NAMED("E4 HC 276 HTTPS: many at once, while the configuration is read again", many),
        NAMED("E5 HC 327 HTTPS: a key that was made here is nowhere afterwards", made_here),
        /* these have the port from here on */
        NAMED_ALONE("L2 HC 276 HTTPS: a server that is told to stop answers first", stops),
        NAMED_ALONE("X11 C4 HTTPS: too many requests of an identity, or an address, are 429",
                    limited),
    };
    return cmocka_run_group_tests_name("https_requests", tests, start, group_stop);
}
