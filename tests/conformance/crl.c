/* SPDX-License-Identifier: MIT
 *
 * The list of the revoked: in a file, over HTTP, by `estocd crl`; read by OpenSSL.
 */
#include <arpa/inet.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/bn.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "device.h"

enum { SOON_MS = 20000 }; /* a second or two is promised; this only bounds the test */

/* ---- certificates ---- */

/* As NAME.crt; its serial number in one of 8 rotating texts. */
static const char *enroll_as(const fixture *f, const char *name)
{
    static char serials[8][64];
    static unsigned next;
    char *serial = serials[next++ % 8];
    output o;
    run_as(&o, f, "dev", "enroll", f->uri, "--out", path_in(f, "%s", name), NULL);
    if (o.code != 0) {
        print_error("%s", o.err);
    }
    assert_int_equal(o.code, 0);
    X509 *cert = cert_read(path_in(f, "%s.crt", name));
    BIGNUM *n = ASN1_INTEGER_to_BN(X509_get0_serialNumber(cert), NULL);
    char *hex = BN_bn2hex(n);
    snprintf(serial, sizeof serials[0], "%s", hex);
    OPENSSL_free(hex);
    BN_free(n);
    X509_free(cert);
    return serial;
}

static void revoked(const fixture *f, const char *serial, const char *reason)
{
    output o;
    run(&o, "estocd", "revoke", serial, "--dir", f->srv, "--reason", reason, NULL);
    if (o.code != 0) {
        print_error("%s", o.err);
    }
    assert_int_equal(o.code, 0);
}

/* ---- lists ---- */

typedef struct list {
    X509_CRL *crl;
    long long number;
    int n;
} list;

/* A whole list that this CA has signed, PEM or DER. @return false: there is no file */
static bool read_list(const char *file, const char *ca_file, list *l)
{
    FILE *in = fopen(file, "r");
    if (in == NULL) {
        return false;
    }
    X509_CRL *crl = strstr(file, ".pem") != NULL ? PEM_read_X509_CRL(in, NULL, NULL, NULL)
                                                 : d2i_X509_CRL_fp(in, NULL);
    assert_int_equal(fgetc(in), EOF);
    fclose(in);
    assert_non_null(crl);
    X509 *ca = cert_read(ca_file);
    assert_int_equal(X509_CRL_verify(crl, X509_get0_pubkey(ca)), 1);
    X509_free(ca);
    ASN1_INTEGER *number = X509_CRL_get_ext_d2i(crl, NID_crl_number, NULL, NULL);
    assert_non_null(number);
    int64_t n = 0;
    assert_int_equal(ASN1_INTEGER_get_int64(&n, number), 1);
    ASN1_INTEGER_free(number);
    STACK_OF(X509_REVOKED) *entries = X509_CRL_get_REVOKED(crl);
    *l = (list){crl, n, entries != NULL ? sk_X509_REVOKED_num(entries) : 0};
    return true;
}

static list list_of(const fixture *f, const char *file)
{
    list l = {NULL, 0, 0};
    char path[PATH_LEN];
    snprintf(path, sizeof path, "%s", file);
    assert_true(read_list(path, path_in(f, "srv/ca.crt"), &l));
    return l;
}

/* @return the reason; -1: it is not on it, -2: no reason is given */
static long reason_of(const list *l, const char *serial)
{
    BIGNUM *n = NULL;
    X509_REVOKED *entry = NULL;
    BN_hex2bn(&n, serial);
    ASN1_INTEGER *i = BN_to_ASN1_INTEGER(n, NULL);
    int found = X509_CRL_get0_by_serial(l->crl, &entry, i);
    ASN1_INTEGER_free(i);
    BN_free(n);
    if (found == 0) {
        return -1;
    }
    ASN1_ENUMERATED *reason = X509_REVOKED_get_ext_d2i(entry, NID_crl_reason, NULL, NULL);
    long value = reason != NULL ? ASN1_ENUMERATED_get(reason) : -2;
    ASN1_ENUMERATED_free(reason);
    return value;
}

/* At every moment the file is whole. @return the list once it has so many entries */
static list await_entries(const fixture *f, const char *file, int n)
{
    long long end = now_ms() + SOON_MS;
    for (;;) {
        list l = list_of(f, file);
        if (l.n == n) {
            return l;
        }
        X509_CRL_free(l.crl);
        assert_true(now_ms() < end);
        usleep(20000);
    }
}

static long long number_of(const fixture *f, const char *file)
{
    list l = list_of(f, file);
    X509_CRL_free(l.crl);
    return l.number;
}

/* What `openssl verify` says about NAME.crt. */
static bool verifies(const fixture *f, const char *list_file, const char *name)
{
    char command[1024];
    snprintf(command, sizeof command,
             "openssl verify -crl_check -CAfile %s -CRLfile %s %s >/dev/null 2>%s",
             path_in(f, "srv/ca.crt"), list_file, path_in(f, "%s.crt", name), path_in(f, "said"));
    int status = system(command);
    assert_true(WIFEXITED(status));
    char text[1024];
    read_file(path_in(f, "said"), text, sizeof text);
    if (WEXITSTATUS(status) != 0 && strstr(text, "certificate revoked") == NULL) {
        fail_msg("%s", text);
    }
    return WEXITSTATUS(status) == 0;
}

/* ---- tests ---- */

static void in_a_file(void **state)
{
    fixture *f = *state;
    fixture_conf(f, "ca", "crl-file", "lists.pem");
    fixture_start(f);
    char file[PATH_LEN];
    strcpy(file, path_in(f, "srv/lists.pem"));
    long long number = number_of(f, file); /* it is there before the server is ready */
    const char *a = enroll_as(f, "a"), *b = enroll_as(f, "b"), *c = enroll_as(f, "c");
    assert_true(verifies(f, file, "a"));
    revoked(f, a, "keyCompromise");
    list l = await_entries(f, file, 1);
    assert_int_equal(reason_of(&l, a), 1);
    assert_int_equal(reason_of(&l, b), -1);
    assert_true(l.number > number);
    number = l.number;
    assert_int_equal(X509_CRL_get_ext_by_NID(l.crl, NID_authority_key_identifier, -1) >= 0, 1);
    int days = 0, seconds = 0;
    assert_int_equal(ASN1_TIME_diff(&days, &seconds, X509_CRL_get0_lastUpdate(l.crl),
                                    X509_CRL_get0_nextUpdate(l.crl)),
                     1);
    assert_int_equal(days, 7);
    assert_int_equal(seconds, 0);
    X509_CRL_free(l.crl);
    assert_false(verifies(f, file, "a"));
    assert_true(verifies(f, file, "b"));
    revoked(f, b, "unspecified");
    revoked(f, c, "cessationOfOperation");
    l = await_entries(f, file, 3);
    assert_int_equal(reason_of(&l, b), -2);
    assert_int_equal(reason_of(&l, c), 5);
    assert_true(l.number > number);
    X509_CRL_free(l.crl);
    struct stat st;
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0644);
}

static void at_half_time(void **state)
{
    fixture *f = *state;
    fixture_conf(f, "ca", "crl-file", "crl.der");
    fixture_conf(f, "ca", "crl-next-update", "10s");
    fixture_start(f);
    long long number = number_of(f, path_in(f, "srv/crl.der"));
    long long end = now_ms() + SOON_MS;
    while (number_of(f, path_in(f, "srv/crl.der")) <= number) {
        assert_true(now_ms() < end);
        usleep(100000);
    }
}

/* HC 287, and that no kill leaves half a list. */
static void killed(void **state)
{
    fixture *f = *state;
    fixture_conf(f, "ca", "crl-file", "crl.der");
    fixture_start(f);
    char serials[6][64], file[PATH_LEN];
    long long number = 0;
    strcpy(file, path_in(f, "srv/crl.der"));
    for (int i = 0; i < 6; i++) {
        char name[8];
        snprintf(name, sizeof name, "k%d", i);
        strcpy(serials[i], enroll_as(f, name));
    }
    for (int i = 0; i < 6; i++) {
        revoked(f, serials[i], "superseded");
        usleep((useconds_t)i * 137000); /* also while the list is made, and after */
        kill(f->pid, SIGKILL);
        waitpid(f->pid, NULL, 0);
        close(f->out);
        f->pid = 0;
        long long left = number_of(f, file); /* whole, whatever it has */
        assert_true(left >= number);
        fixture_start(f);
        list l = list_of(f, file);
        assert_int_equal(l.n, i + 1);
        for (int k = 0; k <= i; k++) {
            assert_int_equal(reason_of(&l, serials[k]), 4);
        }
        assert_true(l.number >= left);
        number = l.number;
        X509_CRL_free(l.crl);
    }
}

/* HC 287 for the command: it is killed as soon as it says that it is done. */
static void revoke_killed(void **state)
{
    fixture *f = *state;
    output o;
    fixture_start(f);
    char serials[4][64];
    for (int i = 0; i < 4; i++) {
        char name[8];
        snprintf(name, sizeof name, "r%d", i);
        strcpy(serials[i], enroll_as(f, name));
    }
    fixture_stop(f);
    long long number = 0;
    for (int i = 0; i < 4; i++) {
        int fds[2];
        char byte;
        assert_int_equal(pipe(fds), 0);
        pid_t pid = fork();
        if (pid == 0) {
            dup2(fds[1], 2);
            const char *program = getenv("ESTOCD");
            execl(program, program, "revoke", serials[i], "--dir", f->srv, (char *)NULL);
            _exit(127);
        }
        close(fds[1]);
        assert_int_equal(read(fds[0], &byte, 1), 1);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        assert_int_equal(byte, 'r'); /* "revoked ...", nothing else */
        close(fds[0]);
        run(&o, "estocd", "crl", "--dir", f->srv, "--out", path_in(f, "crl.der"), NULL);
        assert_int_equal(o.code, 0);
        list l = list_of(f, path_in(f, "crl.der"));
        assert_int_equal(l.n, i + 1);
        assert_int_equal(reason_of(&l, serials[i]), -2);
        assert_true(l.number > number);
        number = l.number;
        X509_CRL_free(l.crl);
    }
}

static long long crl_command(const fixture *f, const char *file, const char *word)
{
    output o;
    char path[PATH_LEN];
    snprintf(path, sizeof path, "%s", file);
    run(&o, "estocd", "crl", "--dir", f->srv, "--out", path, "--json", NULL);
    if (o.code != 0) {
        print_error("%s", o.err);
    }
    assert_int_equal(o.code, 0);
    assert_non_null(strstr(o.out, word));
    long long number = number_of(f, path);
    char text[64];
    snprintf(text, sizeof text, "%lld", number);
    assert_non_null(strstr(o.out, text));
    return number;
}

static void the_command(void **state)
{
    fixture *f = *state;
    output o;
    char file[PATH_LEN];
    strcpy(file, path_in(f, "out.pem"));
    fixture_start(f);
    const char *a = enroll_as(f, "a"), *b = enroll_as(f, "b");
    long long first = crl_command(f, file, "\"new\":\ttrue");
    assert_int_equal(crl_command(f, path_in(f, "out.der"), "\"new\":\tfalse"), first);
    revoked(f, a, "superseded");
    long long second = crl_command(f, file, "\"new\":\ttrue");
    assert_true(second > first);
    assert_false(verifies(f, file, "a"));
    assert_true(verifies(f, file, "b"));
    fixture_stop(f);
    assert_int_equal(crl_command(f, file, "\"new\":\tfalse"), second);
    revoked(f, b, "superseded");
    long long third = crl_command(f, file, "\"new\":\ttrue");
    assert_true(third > second);
    /* the server takes what is there */
    fixture_conf(f, "ca", "crl-file", "crl.der");
    fixture_start(f);
    assert_int_equal(number_of(f, path_in(f, "srv/crl.der")), third);
    run(&o, "estocd", "crl", "--dir", f->srv, "--out", file, NULL);
    assert_int_equal(o.code, 0);
    assert_string_equal(o.out, "");
    assert_non_null(strstr(o.err, "good until 20"));
}

static void fails(const fixture *f, const char *file, const char *word)
{
    output o;
    run(&o, "estocd", "crl", "--dir", f->srv, "--out", file, NULL);
    if (strstr(o.err, word) == NULL) {
        print_error("%s", o.err);
    }
    assert_int_equal(o.code, 1);
    assert_non_null(strstr(o.err, word));
    assert_ptr_equal(strchr(o.err, '\n'), o.err + strlen(o.err) - 1); /* one line */
}

static void check_says(const fixture *f, int code, const char *text)
{
    output o;
    run(&o, "estocd", "check", "--dir", f->srv, NULL);
    if (strstr(o.err, text) == NULL) {
        print_error("%s", o.err);
    }
    assert_int_equal(o.code, code);
    assert_non_null(strstr(o.err, text));
}

static void what_fails(void **state)
{
    fixture *f = *state;
    output o;
    run(&o, "estocd", "crl", "--dir", f->srv, NULL);
    assert_int_equal(o.code, 1);
    if (getenv("ESTOC_TEST_STORE") == NULL) { /* it is a file */
        char away[PATH_LEN];
        strcpy(away, path_in(f, "srv/store.away"));
        assert_int_equal(rename(path_in(f, "srv/store.db"), away), 0);
        fails(f, path_in(f, "crl.der"), "store.db: No such file");
        assert_int_equal(rename(away, path_in(f, "srv/store.db")), 0);
    }
    fails(f, path_in(f, "no/such/crl.der"), "cannot be written: No such file");
    const char *key = ca_key_file(f);
    assert_int_equal(rename(key, path_in(f, "away.key")), 0);
    (void)crl_command(f, path_in(f, "crl.der"), "\"new\":\tfalse"); /* it needs no key */
    fixture_conf(f, "ca", "crl-next-update", "10s");
    assert_int_equal(rename(path_in(f, "away.key"), key), 0);
    (void)crl_command(f, path_in(f, "crl.der"), "\"new\":\tfalse");
    /* a CA that may not sign lists */
    EVP_PKEY *ca_key = key_new("P-256");
    X509 *ca = cert_new(
        ca_key,
        &(cert_cfg){.cn = "No lists", .ca = true, .key_usage = "keyCertSign", .ski_hex = "0102"});
    fixture_ca_key(f, ca_key);
    cert_write(ca, path_in(f, "srv/ca.crt"), "w");
    fails(f, path_in(f, "crl.der"), "cRLSign");
    fixture_conf(f, "ca", "crl-file", "crl.der");
    check_says(f, 1, "cRLSign");
    run(&o, "estocd", "run", "--dir", f->srv, "--listen", "127.0.0.1:0", NULL);
    assert_int_equal(o.code, 1);
    assert_non_null(strstr(o.err, "cRLSign"));
    X509_free(ca);
    EVP_PKEY_free(ca_key);
}

/* ---- over HTTP ---- */

typedef struct http {
    int status;
    char text[65536]; /* all of the answer */
    const char *body;
    size_t len;
} http;

static void http_ask(uint16_t port, const char *request, http *h)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval wait = {.tv_sec = SOON_MS / 1000};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
    size_t n = 0;
    ssize_t got;
    while ((got = recv(fd, h->text + n, sizeof h->text - 1 - n, 0)) > 0) {
        n += (size_t)got;
    }
    close(fd);
    h->text[n] = '\0';
    assert_int_equal(sscanf(h->text, "HTTP/1.1 %d", &h->status), 1);
    const char *end = strstr(h->text, "\r\n\r\n");
    assert_non_null(end);
    h->body = end + 4;
    h->len = n - (size_t)(h->body - h->text);
}

static int http_get(uint16_t port, const char *method, const char *path, http *h)
{
    char request[256];
    snprintf(request, sizeof request, "%s %s HTTP/1.1\r\nHost: ca\r\nConnection: close\r\n\r\n",
             method, path);
    http_ask(port, request, h);
    return h->status;
}

static bool says(const http *h, const char *header)
{
    const char *at = strstr(h->text, header);
    return at != NULL && at < h->body;
}

static void served(void **state)
{
    fixture *f = *state;
    static http h, again;
    fixture_conf(f, "ca", "crl-listen", "127.0.0.1:0");
    fixture_conf(f, "ca", "crl-url", "http://ca.example/crl");
    fixture_start(f);
    uint16_t port = fixture_http_port(f);
    assert_int_equal(http_get(port, "GET", "/crl", &h), 200);
    assert_true(says(&h, "Content-Type: application/pkix-crl\r\n"));
    assert_true(says(&h, "ETag: \""));
    assert_true(says(&h, "Last-Modified: "));
    assert_true(says(&h, "Cache-Control: public, max-age="));
    write_file(path_in(f, "got.der"), h.body, h.len, "w");
    long long number = number_of(f, path_in(f, "got.der"));
    const char *a = enroll_as(f, "a");
    X509 *cert = cert_read(path_in(f, "a.crt"));
    CRL_DIST_POINTS *points = X509_get_ext_d2i(cert, NID_crl_distribution_points, NULL, NULL);
    assert_int_equal(sk_DIST_POINT_num(points), 1);
    GENERAL_NAME *name =
        sk_GENERAL_NAME_value(sk_DIST_POINT_value(points, 0)->distpoint->name.fullname, 0);
    assert_int_equal(name->type, GEN_URI);
    assert_memory_equal(name->d.uniformResourceIdentifier->data, "http://ca.example/crl", 21);
    CRL_DIST_POINTS_free(points);
    X509_free(cert);
    revoked(f, a, "superseded");
    long long end = now_ms() + SOON_MS;
    list l = {NULL, 0, 0};
    do {
        X509_CRL_free(l.crl);
        assert_true(now_ms() < end);
        usleep(50000);
        assert_int_equal(http_get(port, "GET", "/crl", &h), 200);
        write_file(path_in(f, "got.der"), h.body, h.len, "w");
        l = list_of(f, path_in(f, "got.der"));
    } while (l.n == 0);
    assert_true(l.number > number);
    assert_int_equal(reason_of(&l, a), 4);
    X509_CRL_free(l.crl);
    assert_int_equal(http_get(port, "HEAD", "/crl", &again), 200);
    assert_int_equal(again.len, 0);
    assert_int_equal(http_get(port, "POST", "/crl", &again), 405);
    assert_true(says(&again, "Allow: GET, HEAD\r\n"));
    assert_int_equal(http_get(port, "GET", "/", &again), 404);
    assert_int_equal(http_get(port, "GET", "/.well-known/est/cacerts", &again), 404);
    assert_int_equal(http_get(port, "GET", "/ca.crt", &again), 200);
    assert_true(says(&again, "Content-Type: application/pkix-cert\r\n"));
    const uint8_t *p = (const uint8_t *)again.body;
    X509 *issuer = d2i_X509(NULL, &p, (long)again.len), *ca = cert_read(path_in(f, "srv/ca.crt"));
    assert_int_equal(X509_cmp(issuer, ca), 0);
    X509_free(issuer);
    X509_free(ca);
}

/* CoAPS goes on beside idle and odd HTTP connections, and the server ends in time. */
static void beside(void **state)
{
    fixture *f = *state;
    fixture_conf(f, "ca", "crl-listen", "127.0.0.1:0");
    fixture_start(f);
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(fixture_http_port(f)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fds[50];
    for (size_t i = 0; i < 50; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(fds[i], (struct sockaddr *)&to, sizeof to), 0);
        (void)send(fds[i], "GET /crl HT", i % 12, MSG_NOSIGNAL);
    }
    (void)enroll_as(f, "a");
    fixture_stop(f);
    for (size_t i = 0; i < 50; i++) {
        close(fds[i]);
    }
}

/* A reload takes up a file, and another key of the CA. */
static void reloaded(void **state)
{
    fixture *f = *state;
    fixture_start(f);
    const char *a = enroll_as(f, "a");
    revoked(f, a, "superseded");
    fixture_conf(f, "ca", "crl-file", "crl.der");
    assert_int_equal(kill(f->pid, SIGHUP), 0);
    long long end = now_ms() + SOON_MS;
    while (access(path_in(f, "srv/crl.der"), R_OK) != 0) {
        assert_true(now_ms() < end);
        usleep(20000);
    }
    list l = list_of(f, path_in(f, "srv/crl.der"));
    assert_int_equal(reason_of(&l, a), 4);
    long long number = l.number;
    X509_CRL_free(l.crl);
    /* the same name, another key */
    EVP_PKEY *key = key_new("P-256");
    X509 *ca =
        cert_new(key, &(cert_cfg){.cn = "Test CA", .ca = true, .key_usage = "keyCertSign,cRLSign"});
    fixture_ca_key(f, key);
    cert_write(ca, path_in(f, "next.crt"), "w");
    assert_int_equal(rename(path_in(f, "next.crt"), path_in(f, "srv/ca.crt")), 0);
    assert_int_equal(kill(f->pid, SIGHUP), 0);
    end = now_ms() + SOON_MS;
    X509_CRL *crl;
    bool ours;
    do {
        assert_true(now_ms() < end);
        usleep(20000);
        FILE *in = fopen(path_in(f, "srv/crl.der"), "r");
        crl = d2i_X509_CRL_fp(in, NULL);
        fclose(in);
        assert_non_null(crl);
        ours = X509_CRL_verify(crl, key) == 1;
        X509_CRL_free(crl);
    } while (!ours);
    l = list_of(f, path_in(f, "srv/crl.der"));
    assert_true(l.number > number);
    assert_int_equal(reason_of(&l, a), 4);
    X509_CRL_free(l.crl);
    X509_free(ca);
    EVP_PKEY_free(key);
}

static void configuration(void **state)
{
    fixture *f = *state;
    output o;
    fixture_conf(f, "ca", "crl-listen", "somewhere");
    check_says(f, 1, "must be ADDRESS:PORT");
    fixture_conf(f, "ca", "crl-listen", "192.0.2.1:80"); /* nobody's here */
    run(&o, "estocd", "run", "--dir", f->srv, "--listen", "127.0.0.1:0", NULL);
    assert_int_equal(o.code, 1);
    assert_non_null(strstr(o.err, "cannot listen on 192.0.2.1:80"));
    fixture_conf(f, "ca", "crl-listen", "");
    fixture_conf(f, "ca", "crl-next-update", "5s");
    check_says(f, 1, "from 10s to 1y");
    fixture_conf(f, "ca", "crl-next-update", "1d");
    fixture_conf(f, "ca", "crl-url", "http://ca.example/crl");
    check_says(f, 0, "no list is made here");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        NAMED_ALONE("cli HC 237 a list in a file, verified with", in_a_file),
        NAMED_ALONE("cli HC 237 a new list at half of its time", at_half_time),
        NAMED_ALONE("X9 HC 287 the server killed after a revocation", killed),
        NAMED_ALONE("X9 HC 287 estocd revoke killed when it has said so", revoke_killed),
        NAMED_ALONE("cli HC 237 crl, while the server runs and when it does not", the_command),
        NAMED_ALONE("cli crl: what fails", what_fails),
        NAMED_ALONE("cli HC 237 a list over HTTP, and the certificate it belongs to", served),
        NAMED_ALONE("X11 idle connections of HTTP", beside),
        NAMED_ALONE("cli HC 237 a reload, and a new key of the CA", reloaded),
        NAMED_ALONE("X8 what is configured wrong for lists", configuration),
    };
    return cmocka_run_group_tests_name("crl", tests, NULL, NULL);
}
