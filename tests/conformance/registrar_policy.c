/* SPDX-License-Identifier: MIT
 *
 * Who may have what is decided at the registrar: what is refused never reaches the upstream, and what is granted
 * goes to the server, label and operation that the profile names.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "upstream.h"

enum { LINK_LEN = 16 }; /* tls-unique in Base64 */

static registrar *reg;

static int start(void **state)
{
    static const registrar_cfg cfg = {
        .patience = "5s",
        .more = "[profile linked]\npop = required\nupstream-label =\n"
                "[profile maybe]\npop = optional\nupstream-label =\n"
                "[profile sensors]\nallow-subjects = CN=sensor-*\nupstream-label =\n"
                "[profile denied]\ndeny-subjects = CN=dev\nupstream-label =\n"
                "[profile any]\nnames = any\nupstream-label =\n"
                "[profile change]\nchange-subject = yes\nupstream-label =\n"
                "[profile re]\nreenroll = simplereenroll\nupstream-label =\n"
                "[profile ok]\n" /* its own name is the label */
                "[profile other]\nupstream-label = delay-1\n"
                "[profile second]\nupstream = second\nupstream-label =\n"
                "[profile spare]\nupstream = spare\nupstream-label =\n"
                "[profile away]\nupstream = away\nupstream-label =\n"
                "[upstream away]\n"
                "url = https://127.0.0.1:1/.well-known/est\n"
                "url = https://127.0.0.1:%{second}/.well-known/est\n"
                "anchors = %U/upstream.ta\n"
                "certificate = %U/registrar.crt\n"
                "key = %U/registrar.key\n"
                "[upstream second]\n"
                "url = https://127.0.0.1:%{second}/.well-known/est\n"
                "anchors = %U/upstream.ta\n"
                "certificate = %U/other.crt\n"
                "key = %U/other.key\n"
                "[upstream spare]\n"
                "url = https://127.0.0.1:%P/.well-known/est\n"
                "url = https://127.0.0.1:%{second}/.well-known/est\n"
                "anchors = %U/upstream.ta\n"
                "certificate = %U/registrar.crt\n"
                "key = %U/registrar.key\n"
                "connect-timeout = 1s\n"
                "timeout = 2s\n"};
    reg = calloc(1, sizeof *reg);
    *state = reg;
    registrar_init(reg, &cfg);
    /* another credential by the same CA */
    EVP_PKEY *key = key_new("P-256");
    char file[PATH_LEN + 32];
    snprintf(file, sizeof file, "%s/client-ca.key", reg->u.dir);
    EVP_PKEY *ca_key = key_read(file);
    snprintf(file, sizeof file, "%s/client-ca.crt", reg->u.dir);
    X509 *ca = cert_read(file);
    X509 *cert = cert_new(key, &(cert_cfg){.cn = "other", .issuer = ca, .issuer_key = ca_key});
    snprintf(file, sizeof file, "%s/other.crt", reg->u.dir);
    cert_write(cert, file, "w");
    snprintf(file, sizeof file, "%s/other.key", reg->u.dir);
    key_write(key, file);
    X509_free(cert);
    X509_free(ca);
    EVP_PKEY_free(ca_key);
    EVP_PKEY_free(key);
    fixture_start(&reg->f);
    return 0;
}

static int begin(void **state)
{
    upstream_does(&reg->u, NULL);
    return connect_dev(state);
}
#define POLICY(name, function)                \
    {                                         \
        name, function, begin, drop_dev, NULL \
    }

static void expect(peer *p, const char *path, const body *csr, uint8_t code)
{
    reply r;
    uint8_t got = post(p, path, csr, 287, &r);
    if (got != code) {
        fail_msg("%s: %u.%02u %.*s", path, got >> 5, got & 31u, (int)r.m.payload_len,
                 (const char *)r.m.payload);
    }
}

/* Refused here: the upstream hears nothing of it. */
static void expect_refused(peer *p, const char *path, const body *csr, uint8_t code)
{
    unsigned before = upstream_posts(&reg->u);
    expect(p, path, csr, code);
    assert_int_equal(upstream_posts(&reg->u), before);
}

static void csr_for(const char *kind, const char *subject, const char *san, body *csr)
{
    EVP_PKEY *key = key_new(kind);
    csr_new(key, subject, san, csr);
    EVP_PKEY_free(key);
}

/* ---- whose names ---- */

static void own_names(void **state)
{
    (void)state;
    body csr;
    csr_for("P-256", "CN=other", NULL, &csr);
    expect_refused(dev, EST "/sen", &csr, CODE(4, 3));
    expect_refused(dev, EST "/sren", &csr, CODE(4, 3));
    csr_for("P-256", "CN=dev", "DNS:other.example", &csr);
    expect_refused(dev, EST "/sen", &csr, CODE(4, 3));
    csr_for("P-256", "CN=other", "DNS:other.example", &csr);
    expect(dev, EST "/any/sen", &csr, CODE(2, 4)); /* widened */
    assert_int_equal(upstream_saw(&reg->u, "issued", &csr), 1);
}

/* It cannot be filled in here: the signature is the device's, and the upstream does not know its name. */
static void empty_subject(void **state)
{
    (void)state;
    body csr;
    csr_for("P-256", "", NULL, &csr);
    expect_refused(dev, EST "/sen", &csr, CODE(4, 3));
}

static void broken_requests(void **state)
{
    (void)state;
    body csr;
    fresh_csr(&csr);
    csr.bytes[csr.len - 1] ^= 1;
    expect_refused(dev, EST "/sen", &csr, CODE(4, 0));
    fresh_csr(&csr);
    csr.bytes[csr.len++] = 0;
    expect_refused(dev, EST "/sen", &csr, CODE(4, 0));
    csr.len = 0;
    csr_for("RSA2048", "CN=dev", NULL, &csr);
    expect_refused(dev, EST "/sen", &csr, CODE(4, 0)); /* not a kind of key of this profile */
}

static void allowed_and_denied(void **state)
{
    (void)state;
    body csr;
    fresh_csr(&csr);
    expect_refused(dev, EST "/sensors/sen", &csr, CODE(4, 3));
    expect_refused(dev, EST "/denied/sen", &csr, CODE(4, 3));
    expect_refused(dev, EST "/nobody/sen", &csr, CODE(4, 4));
    peer *p = connect_as(&reg->f, "sensor");
    csr_for("P-256", "CN=sensor-1", NULL, &csr);
    expect(p, EST "/sensors/sen", &csr, CODE(2, 4));
    expect(p, EST "/denied/sen", &csr, CODE(2, 4));
    peer_free(p);
}

/* ---- proof of possession ---- */

static void link_of(const peer *p, char *out)
{
    uint8_t finished[EVP_MAX_MD_SIZE];
    assert_int_equal(SSL_get_finished(p->ssl, finished, sizeof finished), 12);
    assert_int_equal(EVP_EncodeBlock((uint8_t *)out, finished, 12), LINK_LEN);
}

static void csr_linked(const char *password, body *out)
{
    EVP_PKEY *key = key_new("P-256");
    body name = {.len = 0}, attr = {.len = 0}, value = {.len = 0};
    X509 *cert = cert_new(key, &(cert_cfg){.cn = "dev"});
    subject_of(cert, &name);
    der_tlv(&value, 0x0c, password, strlen(password));
    der_wrap(&value, 0x31);
    der_oid(&attr, "1.2.840.113549.1.9.7");
    der_add(&attr, value.bytes, value.len);
    der_wrap(&attr, 0x30);
    csr_build(&(csr_parts){.key = key, .subject = &name, .attrs = &attr}, out);
    X509_free(cert);
    EVP_PKEY_free(key);
}

static void possession(void **state)
{
    (void)state;
    char right[LINK_LEN + 1], wrong[LINK_LEN + 1];
    body csr;
    link_of(dev, right);
    memcpy(wrong, right, sizeof wrong);
    wrong[3] = wrong[3] == 'A' ? 'B' : 'A';
    csr_linked(wrong, &csr);
    expect_refused(dev, EST "/linked/sen", &csr, CODE(4, 0));
    expect_refused(dev, EST "/maybe/sen", &csr, CODE(4, 0));
    fresh_csr(&csr);
    expect_refused(dev, EST "/linked/sen", &csr, CODE(4, 0));
    expect(dev, EST "/maybe/sen", &csr, CODE(2, 4));
    csr_linked(right, &csr);
    expect(dev, EST "/linked/sen", &csr, CODE(2, 4));
    assert_int_equal(upstream_saw(&reg->u, "request", &csr), 1); /* to the bit */
}

/* ---- re-enrollment ---- */

typedef struct operational {
    EVP_PKEY *key;
    X509 *cert;
    peer *p;
} operational;

static operational enrolled(void)
{
    operational o = {.key = key_new("P-256")};
    body csr, answer;
    reply r;
    csr_new(o.key, "CN=dev", NULL, &csr);
    assert_int_equal(post(dev, EST "/sen", &csr, 287, &r), CODE(2, 4));
    answer.len = r.m.payload_len;
    memcpy(answer.bytes, r.m.payload, r.m.payload_len);
    o.cert = cert_for(&answer, 287, o.key);
    o.p = peer_connect(&(peer_cfg){.port = reg->f.port, .own = o.cert, .own_key = o.key});
    return o;
}

static void reenroll(void **state)
{
    (void)state;
    operational o = enrolled();
    body csr;
    fresh_csr(&csr);
    expect(o.p, EST "/sren", &csr, CODE(2, 4));
    assert_int_equal(upstream_saw(&reg->u, "request", &csr), 1);
    unsigned again = upstream_count(&reg->u, "/simplereenroll", NULL);
    assert_int_equal(again, 0); /* the upstream sees the registrar, not the device */
    fresh_csr(&csr);
    expect(o.p, EST "/re/sren", &csr, CODE(2, 4));
    assert_true(upstream_count(&reg->u, "/simplereenroll", "\"event\":\"request\"") == 1);
    csr_for("P-256", "CN=dev", "DNS:dev.example", &csr);
    expect_refused(o.p, EST "/sren", &csr, CODE(4, 3));
    csr_for("P-256", "CN=other", NULL, &csr);
    expect_refused(o.p, EST "/sren", &csr, CODE(4, 3));
    csr_for("P-256", "", NULL, &csr);
    expect_refused(o.p, EST "/sren", &csr, CODE(4, 3));
    fresh_csr(&csr); /* a manufacturer's certificate is none of the upstream's */
    expect_refused(dev, EST "/sren", &csr, CODE(4, 3));
    peer_free(o.p);
    X509_free(o.cert);
    EVP_PKEY_free(o.key);
}

/* ---- where it goes ---- */

static void expect_at(const char *path, const char *port, const char *where, const char *client)
{
    body csr;
    fresh_csr(&csr);
    unsigned there = upstream_count(&reg->u, port, where);
    unsigned as = upstream_count(&reg->u, where, client);
    expect(dev, path, &csr, CODE(2, 4));
    assert_true(upstream_count(&reg->u, port, where) > there);
    assert_true(upstream_count(&reg->u, where, client) > as);
    assert_int_equal(upstream_saw(&reg->u, "issued", &csr), 1);
}

static void labels(void **state)
{
    (void)state;
    static const char registrar_name[] = "\"client\":\"commonName=registrar\"";
    expect_at(EST "/sen", "\"port\":\"main\"", "\"path\":\"/.well-known/est/simpleenroll\"",
              registrar_name);
    expect_at(EST "/ok/sen", "\"port\":\"main\"", "\"path\":\"/.well-known/est/ok/simpleenroll\"",
              registrar_name);
    expect_at(EST "/other/sen", "\"port\":\"main\"",
              "\"path\":\"/.well-known/est/delay-1/simpleenroll\"", registrar_name);
    expect_at(EST "/second/sen", "\"port\":\"second\"",
              "\"path\":\"/.well-known/est/simpleenroll\"", "\"client\":\"commonName=other\"");
}

/* A server that says 503, or is not there, makes way for the next. What may have been carried out does not. */
static void failover(void **state)
{
    (void)state;
    body csr;
    reply r;
    fresh_csr(&csr);
    upstream_put(&reg->u, "override", ":main status-503-9\n", 19);
    expect(dev, EST "/spare/sen", &csr, CODE(2, 4));
    assert_int_equal(upstream_saw(&reg->u, "issued", &csr), 1);
    fresh_csr(&csr);
    upstream_put(&reg->u, "override", ":main status-403\n", 17);
    expect(dev, EST "/spare/sen", &csr, CODE(4, 3)); /* that is an answer */
    assert_int_equal(upstream_saw(&reg->u, "request", &csr), 1);
    fresh_csr(&csr);
    upstream_put(&reg->u, "override", ":main drop\n", 11);
    assert_int_equal(post(dev, EST "/spare/sen", &csr, 287, &r), CODE(5, 3));
    assert_int_equal(upstream_saw(&reg->u, "request", &csr), 1);
    upstream_put(&reg->u, "override", ":main status-503-9\n:second status-503-8\n", 40);
    fresh_csr(&csr);
    assert_int_equal(post(dev, EST "/spare/sen", &csr, 287, &r), CODE(5, 3));
    assert_in_range(max_age(&r), 1, 9);
    assert_int_equal(upstream_saw(&reg->u, "request", &csr), 2);
}

static void first_is_away(void **state)
{
    (void)state;
    body csr;
    wire_out o;
    for (int i = 0; i < 3; i++) {
        fresh_csr(&csr);
        expect(dev, EST "/away/sen", &csr, CODE(2, 4));
        assert_int_equal(upstream_saw(&reg->u, "issued", &csr), 1);
    }
    ask(dev, &o, GET);
    wire_path(&o, EST "/away/crts");
    expect_code(dev, &o, CODE(2, 5));
}

/* The server that has the request is asked for it, though the better one is there again. */
static void waits_at_the_second(void **state)
{
    (void)state;
    body csr;
    reply r;
    fresh_csr(&csr);
    upstream_put(&reg->u, "override", ":main status-503-1\n:second status-202-1\n", 40);
    assert_int_equal(post(dev, EST "/spare/sen", &csr, 287, &r), CODE(5, 3));
    unsigned main_ones = upstream_count(&reg->u, "\"port\":\"main\"", "\"event\":\"request\"");
    upstream_does(&reg->u, NULL);
    assert_int_equal(post_until(dev, EST "/spare/sen", &csr, 287, &r), CODE(2, 4));
    assert_int_equal(upstream_saw(&reg->u, "issued", &csr), 1);
    assert_int_equal(upstream_count(&reg->u, "\"port\":\"main\"", "\"event\":\"request\""),
                     main_ones);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        POLICY("X10 E4 G1 a device enrolls as itself, or never gets past the registrar", own_names),
        POLICY("X10 G2 an empty subject cannot be filled in: refused here", empty_subject),
        POLICY("E4 G1 what is no good is refused here", broken_requests),
        POLICY("G1 who may use a profile is decided here", allowed_and_denied),
        POLICY("D9 G2 HC 259 proof of possession: wrong is refused here, right goes on unchanged",
               possession),
        POLICY("E4 G2 re-enrollment: names are checked here, the operation is the profile's",
               reenroll),
        POLICY("G1 R1 profiles go to their upstream, by its label, with its credential", labels),
        POLICY("G1 G3 a server that cannot serve makes way for the next", failover),
        POLICY("G1 G3 a server that is not there makes way for the next", first_is_away),
        POLICY("L2 G3 what waits at a server is asked for there", waits_at_the_second),
    };
    return cmocka_run_group_tests_name("registrar_policy", tests, start, registrar_tear_down);
}
