/* SPDX-License-Identifier: MIT
 *
 * What a person sees of a registrar by estocd's commands: certificates of upstreams, requests that wait
 * there, how these do. The server runs meanwhile.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "upstream.h"

enum { NOTED_MS = 15000 };

static registrar *reg;
static char url[96];

static int start(void **state)
{
    static const registrar_cfg cfg = {.patience = "1s", .timeout = "10s"};
    reg = calloc(1, sizeof *reg);
    *state = reg;
    registrar_init(reg, &cfg);
    snprintf(url, sizeof url, "https://127.0.0.1:%u/.well-known/est",
             (unsigned)upstream_port(&reg->u, "main"));
    fixture_start(&reg->f);
    return 0;
}

static int begin(void **state)
{
    upstream_does(&reg->u, NULL);
    return connect_dev(state);
}
#define SEEN(name, function)                  \
    {                                         \
        name, function, begin, drop_dev, NULL \
    }

/* `estocd COMMAND --dir DIR [more]`. @return its exit code */
static int look(output *o, const char *command, const char *more)
{
    run(o, "estocd", command, "--dir", reg->f.srv, more, NULL);
    return o->code;
}

static void assert_has(const char *text, const char *word)
{
    if (strstr(text, word) == NULL) {
        fail_msg("no \"%s\" in: %s", word, text);
    }
}

/* One line on stderr, nothing else, and exit code 1. */
static void assert_refused(const char *command, const char *id, const char *word)
{
    output o;
    run(&o, "estocd", command, id, "--dir", reg->f.srv, NULL);
    assert_int_equal(o.code, 1);
    assert_string_equal(o.out, "");
    assert_has(o.err, word);
    assert_ptr_equal(strchr(o.err, '\n'), o.err + strlen(o.err) - 1);
}

/* @param[out] own  its key; NULL: nobody keeps it */
static X509 *enrolled(body *csr, EVP_PKEY **own)
{
    reply r;
    body answer;
    EVP_PKEY *key = key_new("P-256");
    csr_new(key, "CN=dev", NULL, csr);
    assert_int_equal(post(dev, EST "/sen", csr, 287, &r), CODE(2, 4));
    answer.len = r.m.payload_len;
    memcpy(answer.bytes, r.m.payload, r.m.payload_len);
    X509 *cert = cert_for(&answer, 287, key);
    if (own != NULL) {
        *own = key;
    } else {
        EVP_PKEY_free(key);
    }
    return cert;
}

static void serial_of(const X509 *cert, char out[64])
{
    BIGNUM *n = ASN1_INTEGER_to_BN(X509_get0_serialNumber(cert), NULL);
    char *hex = BN_bn2hex(n);
    snprintf(out, 64, "%s", hex);
    OPENSSL_free(hex);
    BN_free(n);
}

/* ---- certificates ---- */

static void certificates(void **state)
{
    (void)state;
    output o;
    body csr;
    char serial[64];
    X509 *cert = enrolled(&csr, NULL);
    serial_of(cert, serial);
    run(&o, "estocd", "list", "--dir", reg->f.srv, "--match", serial, NULL);
    assert_int_equal(o.code, 0);
    assert_has(o.out, "  valid    -             CN=dev  by ");
    assert_has(o.out, url);
    run(&o, "estocd", "list", "--dir", reg->f.srv, "--json", "--match", serial, NULL);
    assert_has(o.out, "\"upstream\":\"https://127.0.0.1:");
    assert_has(o.out, "\"state\":\"valid\"");
    run(&o, "estocd", "show", serial, "--dir", reg->f.srv, NULL);
    assert_int_equal(o.code, 0);
    assert_has(o.out, url);
    const char *file = path_in(&reg->f, "shown.pem");
    write_file(file, o.out, strlen(o.out), "w");
    X509 *shown = cert_read(file);
    assert_int_equal(X509_cmp(cert, shown), 0);
    X509_free(shown);
    assert_refused("revoke", serial, "so whoever runs that CA must revoke it");
    assert_refused("revoke", serial, url);
    assert_int_equal(look(&o, "stats", NULL), 0);
    assert_has(o.out, "BY UPSTREAMS ");
    X509_free(cert);
}

static void reload(void)
{
    size_t from = log_end(&reg->f);
    kill(reg->f.pid, SIGHUP);
    assert_true(log_says(&reg->f, from, "event=reload", ""));
}

/* @return the alert; 0: it is let in */
static int comes(X509 *cert, EVP_PKEY *key)
{
    peer_cfg cfg = {
        .port = reg->f.port, .ta = path_in(&reg->f, "dev.ta"), .own = cert, .own_key = key};
    peer *p = peer_new(&cfg);
    bool in = peer_handshake(p, 10000);
    int alert = in ? 0 : p->alert_in & 0xff;
    assert_true(in || p->alert_in != 0);
    peer_free(p);
    return alert;
}

/* What `revoke` says instead: here a certificate of an upstream can be kept out. */
static void kept_out(void **state)
{
    (void)state;
    body csr;
    EVP_PKEY *key;
    X509 *cert = enrolled(&csr, &key);
    assert_int_equal(comes(cert, key), 0);
    cert_write(cert, path_in(&reg->f, "srv/lost.pem"), "w");
    fixture_conf(&reg->f, "server", "deny", "lost.pem");
    reload();
    assert_int_equal(comes(cert, key), SSL_AD_CERTIFICATE_REVOKED);
    fixture_conf(&reg->f, "server", "deny", "");
    reload();
    assert_int_equal(comes(cert, key), 0);
    X509_free(cert);
    EVP_PKEY_free(key);
}

/* A backup has them, and what is brought back goes on from there. */
static void copied(void **state)
{
    (void)state;
    output o;
    body csr;
    reply r;
    char serial[64], store[PATH_LEN + 16], old[PATH_LEN];
    X509 *cert = enrolled(&csr, NULL);
    serial_of(cert, serial);
    run(&o, "estocd", "backup", "--dir", reg->f.srv, "--out", path_in(&reg->f, "backup"), NULL);
    assert_int_equal(o.code, 0);
    snprintf(store, sizeof store, "sqlite:%s", path_in(&reg->f, "again.db"));
    run(&o, "estocd", "restore", "--in", path_in(&reg->f, "backup"), "--dir",
        path_in(&reg->f, "again"), "--store", store, NULL);
    if (o.code != 0) {
        fail_msg("%s", o.err);
    }
    fixture_stop(&reg->f);
    peer_free(dev);
    snprintf(old, sizeof old, "%s", reg->f.srv);
    snprintf(reg->f.srv, sizeof reg->f.srv, "%s", path_in(&reg->f, "again"));
    fixture_start(&reg->f);
    dev = connect_as(&reg->f, "dev");
    assert_int_equal(post(dev, EST "/sen", &csr, 287, &r), CODE(2, 4));
    assert_int_equal(upstream_saw(&reg->u, "request", &csr), 1);
    run(&o, "estocd", "list", "--dir", reg->f.srv, "--match", serial, NULL);
    assert_has(o.out, url);
    fixture_stop(&reg->f);
    peer_free(dev);
    snprintf(reg->f.srv, sizeof reg->f.srv, "%s", old);
    fixture_start(&reg->f);
    dev = connect_as(&reg->f, "dev");
    X509_free(cert);
}

/* ---- requests ---- */

/* The ID of the only request that is in this state. */
static void waits(const char *what, char id[24])
{
    output o;
    char state[48];
    assert_int_equal(look(&o, "pending", "--json"), 0);
    snprintf(state, sizeof state, "\"state\":\"%s\"", what);
    assert_has(o.out, state);
    assert_int_equal(sscanf(strstr(o.out, "\"id\":"), "\"id\":\"%20[^\"]", id), 1);
    assert_null(strstr(strstr(o.out, "\"id\":") + 1, "\"id\":"));
    assert_int_equal(look(&o, "pending", NULL), 0);
    assert_has(o.out, id);
    assert_has(o.out, what);
}

static void waiting(void **state)
{
    (void)state;
    output o;
    body csr;
    reply r;
    char id[24];
    upstream_does(&reg->u, "pending-1");
    assert_int_equal(post_fresh(dev, &csr, &r), CODE(5, 3));
    waits("waiting", id);
    assert_int_equal(look(&o, "pending", NULL), 0);
    assert_has(o.out, url);
    run(&o, "estocd", "show", id, "--dir", reg->f.srv, NULL);
    assert_int_equal(o.code, 0);
    assert_has(o.out, "state     waiting");
    assert_refused("approve", id, "whoever runs that server decides");
    assert_refused("reject", id, "see `deny` in estocd.conf(5)");
    assert_int_equal(post_until(dev, EST "/sen", &csr, 287, &r), CODE(2, 4));
    assert_int_equal(look(&o, "pending", "--json"), 0);
    assert_string_equal(o.out, "[]\n");
    assert_refused("approve", id, "has a certificate of");
    run(&o, "estocd", "show", id, "--dir", reg->f.srv, NULL);
    assert_has(o.out, "-----BEGIN CERTIFICATE-----");
}

/* The server ends while the upstream has it: nobody knows, and a person can see that. */
static void lost(void **state)
{
    (void)state;
    output o;
    body csr;
    reply r;
    char id[24];
    upstream_does(&reg->u, "same.late-3");
    assert_int_equal(post_fresh(dev, &csr, &r), CODE(5, 3));
    assert_int_equal(look(&o, "pending", NULL), 0);
    assert_string_equal(o.out, "");
    assert_int_equal(look(&o, "pending", "--all"), 0);
    assert_has(o.out, "  sent      sen ");
    peer_free(dev);
    registrar_kill(reg);
    upstream_does(&reg->u, "same");
    fixture_start(&reg->f);
    dev = connect_as(&reg->f, "dev");
    waits("lost", id);
    assert_refused("approve", id, "was sent, without an answer, to ");
    assert_int_equal(post_until(dev, EST "/sen", &csr, 287, &r), CODE(2, 4));
    assert_int_equal(look(&o, "pending", "--json"), 0);
    assert_string_equal(o.out, "[]\n");
}

/* ---- servers ---- */

/* What is noted comes by and by. */
static void expect_stats(const char *word)
{
    output o;
    long long end = now_ms() + NOTED_MS;
    do {
        assert_int_equal(look(&o, "stats", "--json"), 0);
        if (strstr(o.out, word) != NULL) {
            return;
        }
        usleep(200000);
    } while (now_ms() < end);
    fail_msg("no %s in: %s", word, o.out);
}

static void health(void **state)
{
    (void)state;
    body csr;
    reply r;
    output o;
    X509_free(enrolled(&csr, NULL));
    expect_stats("\"state\":\t\"up\"");
    upstream_kill(&reg->u);
    assert_int_equal(post_fresh(dev, &csr, &r), CODE(5, 3));
    expect_stats("\"state\":\t\"down\"");
    assert_int_equal(look(&o, "stats", "--json"), 0);
    assert_has(o.out, "\"relayed\":");
    assert_has(o.out, "\"failed_at\":");
    assert_has(o.out, "\"why\":");
    assert_has(o.out, url);
    assert_int_equal(look(&o, "stats", NULL), 0);
    assert_has(o.out, "  last failure ");
    upstream_start(&reg->u, reg->u.dir);
    assert_int_equal(post_until(dev, EST "/sen", &csr, 287, &r), CODE(2, 4));
    expect_stats("\"state\":\t\"up\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SEEN("G1 certificates of an upstream are listed, shown, and revoked elsewhere",
             certificates),
        SEEN("G1 D6 deny keeps a certificate of an upstream out", kept_out),
        SEEN("L2 what waits upstream is listed, and decided there", waiting),
        SEEN("G1 HC 262 what was under way at a kill -9 is listed as lost", lost),
        SEEN("G1 HC 286 a backup of a registrar goes on where it was", copied),
        SEEN("G1 how an upstream does: up, down, and why", health),
    };
    return cmocka_run_group_tests_name("registrar_commands", tests, start, registrar_tear_down);
}
