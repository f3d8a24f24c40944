/* SPDX-License-Identifier: MIT
 *
 * Approval by a program: what it is asked, what becomes of its answer, and that nobody else waits for it.
 * (L2)
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "device.h"

#define ASKED "/.well-known/est/asked"

/* It keeps the question, waits while it is to, and answers what it is told to. */
static const char program[] = "#!/bin/sh\n"
                              "cat >\"$1/question\"\n"
                              "echo >>\"$1/asked\"\n"
                              "while [ -e \"$1/hold\" ]; do sleep 0.05; done\n"
                              "cat \"$1/answer\"\n"
                              "exit $(cat \"$1/status\")\n";

static void put(const fixture *f, const char *file, const char *text)
{
    write_file(path_in(f, "%s", file), text, strlen(text), "w");
}

static void configure(fixture *f, const char *timeout)
{
    char command[2 * PATH_LEN];
    put(f, "program", program);
    assert_int_equal(chmod(path_in(f, "program"), 0700), 0);
    put(f, "status", "0");
    put(f, "asked", "");
    snprintf(command, sizeof command, "%s %s", path_in(f, "program"), f->dir);
    fixture_conf(f, "profile asked", "approval", "command");
    fixture_conf(f, "profile asked", "approval-command", command);
    fixture_conf(f, "profile asked", "approval-timeout", timeout);
    fixture_conf(f, "profile asked", "keygen", "yes");
}

static int start(void **state)
{
    fixture_set_up(state);
    fixture *f = *state;
    configure(f, "30s");
    fixture_conf(f, "profile free", "validity", "1d");
    fixture_start(f);
    server = f;
    return 0;
}

static size_t times_asked(const fixture *f)
{
    char text[4096];
    return read_file(path_in(f, "asked"), text, sizeof text);
}

/* ------------------------------------------------------------------------------------ requests */

static void a_csr(body *csr)
{
    EVP_PKEY *key = key_new("P-256");
    csr_new(key, "CN=dev", NULL, csr);
    EVP_PKEY_free(key);
}

static void send_csr(peer *p, const char *path, const body *csr, wire_out *o)
{
    ask(p, o, POST);
    wire_path(o, path);
    wire_uint(o, OPT_FORMAT, 286);
    wire_payload(o, csr->bytes, csr->len);
}

static uint8_t post(peer *p, const char *path, const body *csr, reply *r)
{
    wire_out o;
    send_csr(p, path, csr, &o);
    answer_to(p, &o, r);
    if (r->m.code >= CODE(4, 0)) {
        check_diagnostic(&r->m);
    }
    return (uint8_t)r->m.code;
}

static bool says(const reply *r, const char *text)
{
    return r->m.payload_len == strlen(text) && memcmp(r->m.payload, text, strlen(text)) == 0;
}

/* What `estocd pending --json` has of the newest request; how many there are. */
static unsigned pending(const fixture *f, char id[24])
{
    output o;
    unsigned n = 0;
    run(&o, "estocd", "pending", "--dir", f->srv, "--json", NULL);
    assert_int_equal(o.code, 0);
    id[0] = '\0';
    for (const char *at = o.out; (at = strstr(at, "\"id\":\"")) != NULL; at++) {
        sscanf(at, "\"id\":\"%20[^\"]", id);
        n++;
    }
    return n;
}

static void decide(const fixture *f, const char *command, const char *id)
{
    output o;
    run(&o, "estocd", command, id, "--dir", f->srv, NULL);
    assert_int_equal(o.code, 0);
}

/* A line of the log that has all of these. */
static bool logged(const fixture *f, const char *a, const char *b)
{
    char line[1024];
    bool found = false;
    FILE *log = fopen(path_in(f, "estocd.log"), "r");
    assert_non_null(log);
    while (!found && fgets(line, sizeof line, log) != NULL) {
        found = strstr(line, a) != NULL && strstr(line, b) != NULL;
    }
    fclose(log);
    return found;
}

/* Lines of the audit log for this path. */
static unsigned noted(const fixture *f, const char *result)
{
    output o;
    unsigned n = 0;
    run(&o, "estocd", "audit", "show", "--dir", f->srv, "--json", NULL);
    assert_int_equal(o.code, 0);
    for (char *line = strtok(o.out, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        n += strstr(line, "\"profile\":\"asked\"") != NULL && strstr(line, result) != NULL;
    }
    return n;
}

static void await_noted(const fixture *f, const char *result, unsigned n)
{
    for (int i = 0; i < 400 && noted(f, result) < n; i++) { /* they come within a second */
        usleep(25000);
    }
    assert_int_equal(noted(f, result), n);
}

/* ------------------------------------------------------------------------------------- answers */

static void yes(void **state)
{
    (void)state;
    body csr;
    reply r;
    char question[8192], id[24];
    a_csr(&csr);
    put(server, "answer", "yes\n");
    size_t before = times_asked(server);
    assert_int_equal(post(dev, ASKED "/sen", &csr, &r), CODE(2, 4));
    assert_int_equal(times_asked(server), before + 1);
    assert_int_equal(pending(server, id), 0);
    question[read_file(path_in(server, "question"), question, sizeof question)] = '\0';
    assert_ptr_equal(strstr(question, "{\"version\":1,\"op\":\"sen\",\"profile\":\"asked\","),
                     question);
    assert_non_null(strstr(question, "\"peer\":\"127.0.0.1:"));
    assert_non_null(strstr(question, "\"client\":{\"subject\":\"CN=dev\""));
    assert_non_null(strstr(question, "\"key\":\"P-256\""));
    assert_non_null(strstr(question, "\"grant\":{\"subject\":\"CN=dev\",\"names\":[]}}"));
    /* E6: what was issued is not asked about again */
    put(server, "answer", "no\n");
    unsigned n = issued(server);
    assert_int_equal(post(dev, ASKED "/sen", &csr, &r), CODE(2, 4));
    assert_int_equal(issued(server), n);
    assert_int_equal(times_asked(server), before + 1);
    /* one decision, one line */
    await_noted(server, "\"result\":\"again\"", 1);
    assert_int_equal(noted(server, "\"result\":\"issued\""), 1);
    assert_int_equal(noted(server, ""), 2);
}

static void no(void **state)
{
    (void)state;
    body csr;
    reply r;
    char id[24];
    a_csr(&csr);
    unsigned before = issued(server);
    put(server, "answer", "no not on site 3\n");
    assert_int_equal(post(dev, ASKED "/sen", &csr, &r), CODE(4, 3));
    assert_true(says(&r, "not on site 3"));
    assert_true(logged(server, "result=refused", "why=\"not on site 3\""));
    assert_int_equal(post(dev, ASKED "/skg", &csr, &r), CODE(4, 3));
    assert_int_equal(issued(server), before);
    assert_int_equal(pending(server, id), 0);
    await_noted(server, "\"why\":\"not on site 3\"", 2);
    put(server, "answer", "yes\n"); /* it may change its mind */
    assert_int_equal(post(dev, ASKED "/sen", &csr, &r), CODE(2, 4));
}

/* Then a person may decide, and the program may the next time. */
static void later(void **state)
{
    (void)state;
    body csr;
    reply r;
    char id[24];
    a_csr(&csr);
    unsigned before = issued(server);
    put(server, "answer", "later 30\n");
    assert_int_equal(post(dev, ASKED "/sen", &csr, &r), CODE(5, 3));
    assert_int_equal(wire_uint_of(&r.m, OPT_MAX_AGE, 0), 30);
    assert_int_equal(post(dev, ASKED "/sen", &csr, &r), CODE(5, 3));
    assert_int_equal(pending(server, id), 1);
    decide(server, "reject", id);
    put(server, "answer", "yes\n");
    assert_int_equal(post(dev, ASKED "/sen", &csr, &r), CODE(4, 3));
    decide(server, "approve", id);
    put(server, "answer", "no\n");
    assert_int_equal(post(dev, ASKED "/sen", &csr, &r), CODE(2, 4));
    assert_int_equal(issued(server), before + 1);
    a_csr(&csr);
    put(server, "answer", "later\n");
    assert_int_equal(post(dev, ASKED "/sen", &csr, &r), CODE(5, 3));
    put(server, "answer", "yes\n");
    assert_int_equal(post(dev, ASKED "/sen", &csr, &r), CODE(2, 4));
    assert_int_equal(issued(server), before + 2);
    assert_int_equal(pending(server, id), 0);
}

static void nonsense(void **state)
{
    (void)state;
    body csr;
    reply r;
    char id[24];
    a_csr(&csr);
    unsigned before = issued(server);
    put(server, "answer", "yes, of course\n");
    assert_int_equal(post(dev, ASKED "/sen", &csr, &r), CODE(5, 3));
    assert_true(logged(server, "event=approval profile=asked", "its answer is neither yes"));
    put(server, "answer", "yes\n");
    put(server, "status", "3");
    assert_int_equal(post(dev, ASKED "/sen", &csr, &r), CODE(5, 3));
    put(server, "status", "0");
    assert_true(logged(server, "event=approval profile=asked", "why=\"its exit status is 3\""));
    assert_int_equal(issued(server), before);
    assert_int_equal(pending(server, id), 1);
    decide(server, "reject", id);
}

/* What the rules refuse is no question for it. */
static void not_even_asked(void **state)
{
    (void)state;
    body csr;
    reply r;
    EVP_PKEY *key = key_new("P-256");
    size_t before = times_asked(server);
    put(server, "answer", "yes\n");
    csr_new(key, "CN=other", NULL, &csr);
    assert_int_equal(post(dev, ASKED "/sen", &csr, &r), CODE(4, 3));
    assert_int_equal(times_asked(server), before);
    EVP_PKEY_free(key);
}

/* ------------------------------------------------------------------------------------ time */

static void await_asked(const fixture *f, size_t n)
{
    for (int i = 0; i < 400 && times_asked(f) < n; i++) {
        usleep(25000);
    }
    assert_int_equal(times_asked(f), n);
}

/* The answer; if it takes its time, after an acknowledgement (L1). */
static void receive(peer *p, reply *r, uint8_t code)
{
    do {
        r->len = peer_recv(p, r->bytes, sizeof r->bytes, 20000);
        assert_int_not_equal(r->len, 0);
        assert_true(wire_parse(&r->m, r->bytes, r->len));
    } while (r->m.code == 0);
    assert_int_equal(r->m.code, code);
}

/* While it thinks, the authority serves others; and more of them think at a time. */
static void nobody_waits(void **state)
{
    (void)state;
    enum { THINKING = 3 };
    body csr[THINKING], other;
    peer *p[THINKING];
    reply r;
    wire_out o;
    size_t before = times_asked(server);
    put(server, "answer", "yes\n");
    put(server, "hold", "");
    for (int i = 0; i < THINKING; i++) {
        p[i] = connect_as(server, "dev");
        a_csr(&csr[i]);
        send_csr(p[i], ASKED "/sen", &csr[i], &o);
        peer_send(p[i], o.bytes, o.len);
    }
    await_asked(server, before + THINKING);
    a_csr(&other);
    assert_int_equal(post(dev, "/.well-known/est/free/sen", &other, &r), CODE(2, 4));
    unlink(path_in(server, "hold"));
    for (int i = 0; i < THINKING; i++) {
        receive(p[i], &r, CODE(2, 4));
        peer_free(p[i]);
    }
}

static void too_late(void **state)
{
    fixture *f = *state;
    body csr;
    reply r;
    char id[24];
    wire_out o;
    configure(f, "1s");
    fixture_start(f);
    put(f, "answer", "yes\n");
    put(f, "hold", "");
    a_csr(&csr);
    peer *p = connect_as(f, "dev");
    send_csr(p, ASKED "/sen", &csr, &o);
    peer_send(p, o.bytes, o.len);
    receive(p, &r, CODE(5, 3));
    assert_true(logged(f, "event=approval profile=asked", "why=\"no answer in time\""));
    assert_int_equal(pending(f, id), 1);
    assert_int_equal(issued(f), 0);
    peer_free(p);
}

/* HC 276: a stop does not wait for it either. */
static void at_the_end(void **state)
{
    fixture *f = *state;
    body csr;
    wire_out o;
    configure(f, "60s");
    fixture_start(f);
    put(f, "answer", "yes\n");
    put(f, "hold", "");
    a_csr(&csr);
    peer *p = connect_as(f, "dev");
    send_csr(p, ASKED "/sen", &csr, &o);
    peer_send(p, o.bytes, o.len);
    await_asked(f, 1);
    long long from = now_ms();
    fixture_stop(f);
    assert_in_range(now_ms() - from, 0, 30000);
    assert_int_equal(issued(f), 0);
    peer_free(p);
}

static void no_program(void **state)
{
    fixture *f = *state;
    output o;
    fixture_conf(f, "profile asked", "approval", "command");
    run(&o, "estocd", "check", "--dir", f->srv, NULL);
    assert_int_equal(o.code, 1);
    assert_non_null(strstr(o.err, "[profile asked]: approval = command needs approval-command"));
    fixture_conf(f, "profile asked", "approval-command", "not-there --really");
    run(&o, "estocd", "check", "--dir", f->srv, NULL);
    assert_int_equal(o.code, 1);
    assert_non_null(strstr(o.err, "srv/not-there: "));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OVER_DTLS("L2 a program says yes", yes),
        OVER_DTLS("L2 a program says no: 4.03", no),
        OVER_DTLS("L2 a program says later: 5.03, and a person may decide", later),
        OVER_DTLS("L2 what is no answer is later, and a line in the log", nonsense),
        OVER_DTLS("L2 it is asked only what the rules grant", not_even_asked),
        OVER_DTLS("L2 nobody else waits while it thinks", nobody_waits),
        NAMED_ALONE("L2 no answer in time is later", too_late),
        NAMED_ALONE("L2 HC 276 a stop ends it", at_the_end),
        NAMED_ALONE("X8 a program that is not there", no_program),
    };
    return cmocka_run_group_tests_name("conformance profiles_command", tests, start, group_stop);
}
