/* SPDX-License-Identifier: MIT
 *
 * Re-enrollment: names kept or changed, the key kept or new, the identical request again. (E4, E6)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/x509v3.h>

#include "device.h"

#define LABEL "/.well-known/est/free"

typedef struct operational {
    EVP_PKEY *key;
    X509 *cert;
    peer *p;
} operational;

static uint8_t post_to(peer *p, const char *path, const body *csr, body *answer)
{
    wire_out o;
    reply r;
    ask(p, &o, POST);
    wire_path(&o, path);
    wire_uint(&o, OPT_FORMAT, 286);
    wire_uint(&o, OPT_ACCEPT, 287);
    wire_payload(&o, csr->bytes, csr->len);
    answer_to(p, &o, &r);
    answer->len = r.m.payload_len;
    memcpy(answer->bytes, r.m.payload, r.m.payload_len);
    if (r.m.code >= CODE(4, 0)) {
        check_diagnostic(&r.m);
    }
    return (uint8_t)r.m.code;
}

/* An association with the certificate `der`. */
static peer *as(EVP_PKEY *key, X509 *cert)
{
    return peer_connect(&(peer_cfg){.port = server->port, .own = cert, .own_key = key});
}

static operational enrolled(void)
{
    operational o = {.key = key_new("P-256")};
    body csr, answer;
    csr_new(o.key, "CN=dev", NULL, &csr);
    assert_int_equal(post_to(dev, EST "/sen", &csr, &answer), CODE(2, 4));
    o.cert = cert_for(&answer, 287, o.key);
    o.p = as(o.key, o.cert);
    return o;
}

static void release(operational *o)
{
    peer_free(o->p);
    X509_free(o->cert);
    EVP_PKEY_free(o->key);
}

static void name_of(const char *cn, body *out)
{
    X509_NAME *name = X509_NAME_new();
    uint8_t *der = NULL;
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const uint8_t *)cn, -1, -1, 0);
    int len = i2d_X509_NAME(name, &der);
    out->len = 0;
    der_add(out, der, (size_t)len);
    OPENSSL_free(der);
    X509_NAME_free(name);
}

/* A request by "dev" with a ChangeSubjectName. @param dns  NULL: none    RFC 6402 section 2.8 */
static void change_csr(EVP_PKEY *key, const char *cn, const char *dns, body *out)
{
    body subject, attrs = {.len = 0}, change = {.len = 0}, oid = {.len = 0}, part = {.len = 0};
    if (cn != NULL) {
        name_of(cn, &part);
        der_add(&change, part.bytes, part.len);
    }
    if (dns != NULL) {
        part.len = 0;
        der_tlv(&part, 0x82, dns, strlen(dns));
        der_wrap(&part, 0x30);
        der_add(&change, part.bytes, part.len);
    }
    der_wrap(&change, 0x30);
    der_wrap(&change, 0x31);
    der_oid(&oid, "1.3.6.1.5.5.7.7.36");
    der_add(&attrs, oid.bytes, oid.len);
    der_add(&attrs, change.bytes, change.len);
    der_wrap(&attrs, 0x30);
    name_of("dev", &subject);
    csr_build(&(csr_parts){.key = key, .subject = &subject, .attrs = &attrs}, out);
}

static void check_names(X509 *cert, const char *cn, const char *dns)
{
    char text[64] = "";
    X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, text, sizeof text);
    assert_string_equal(text, cn);
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    assert_int_equal(names != NULL, dns != NULL);
    if (dns != NULL) {
        assert_int_equal(sk_GENERAL_NAME_num(names), 1);
        assert_int_equal(X509_check_host(cert, dns, 0, 0, NULL), 1);
        int critical = X509_get_ext_by_NID(cert, NID_subject_alt_name, -1);
        assert_int_equal(X509_EXTENSION_get_critical(X509_get_ext(cert, critical)), cn[0] == '\0');
    }
    GENERAL_NAMES_free(names);
}

static void change_refused(void **state)
{
    (void)state;
    operational o = enrolled();
    unsigned before = issued(server);
    body csr, answer;
    change_csr(o.key, "other", NULL, &csr);
    assert_int_equal(post_to(o.p, EST "/sren", &csr, &answer), CODE(4, 3)); /* the default */
    assert_int_equal(post_to(o.p, EST "/sen", &csr, &answer), CODE(4, 3));
    assert_int_equal(post_to(o.p, LABEL "/sen", &csr, &answer), CODE(4, 3));
    change_csr(o.key, NULL, NULL, &csr); /* asks for nothing */
    assert_int_equal(post_to(o.p, LABEL "/sren", &csr, &answer), CODE(4, 0));
    change_csr(o.key, "other\x01", NULL, &csr); /* row 212 */
    assert_int_equal(post_to(o.p, LABEL "/sren", &csr, &answer), CODE(4, 0));
    change_csr(o.key, "other", NULL, &csr);
    assert_int_equal(post_to(dev, LABEL "/sren", &csr, &answer), CODE(4, 3)); /* bootstrap */
    assert_int_equal(issued(server), before);
    release(&o);
}

/* The new names are those of the next renewal; with the same key, too. */
static void change_granted(void **state)
{
    (void)state;
    static const struct {
        const char *cn, *dns;
    } rows[] = {{"other", NULL}, {"other", "other.example"}, {NULL, "other.example"}}; /* row 211 */
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        operational o = enrolled();
        body csr, answer;
        change_csr(o.key, rows[i].cn, rows[i].dns, &csr);
        assert_int_equal(post_to(o.p, LABEL "/sren", &csr, &answer), CODE(2, 4));
        X509 *cert = cert_for(&answer, 287, o.key);
        check_names(cert, rows[i].cn != NULL ? rows[i].cn : "", rows[i].dns);
        peer *p = as(o.key, cert);
        csr_new(o.key, "CN=dev", NULL, &csr);
        assert_int_equal(post_to(p, EST "/sren", &csr, &answer), CODE(4, 3)); /* not any more */
        if (rows[i].cn != NULL) {
            char san[64];
            snprintf(san, sizeof san, "DNS:%s", rows[i].dns != NULL ? rows[i].dns : "");
            csr_new(o.key, "CN=other", rows[i].dns != NULL ? san : NULL, &csr);
            assert_int_equal(post_to(p, EST "/sren", &csr, &answer), CODE(2, 4));
        }
        peer_free(p);
        X509_free(cert);
        release(&o);
    }
}

static void any_name(void **state)
{
    (void)state;
    EVP_PKEY *key = key_new("P-256");
    body csr, answer;
    csr_new(key, "CN=whoever", "DNS:whoever.example", &csr);
    assert_int_equal(post_to(dev, EST "/sen", &csr, &answer), CODE(4, 3));
    assert_int_equal(post_to(dev, LABEL "/sen", &csr, &answer), CODE(2, 4));
    X509 *cert = cert_for(&answer, 287, key);
    check_names(cert, "whoever", "whoever.example");
    X509_free(cert);
    EVP_PKEY_free(key);
}

/* E6 for /sren: in one association, in the next, after a restart; and not for another identity. */
static void identical(void **state)
{
    fixture *f = *state;
    EVP_PKEY *next = key_new("P-256");
    body csr, first, again;
    dev = connect_as(f, "dev");
    server = f;
    operational o = enrolled();
    unsigned before = issued(f);
    csr_new(next, "CN=dev", NULL, &csr);
    assert_int_equal(post_to(o.p, EST "/sren", &csr, &first), CODE(2, 4));
    for (int i = 0; i < 3; i++) {
        if (i == 2) {
            fixture_restart(f);
        }
        if (i > 0) {
            peer_free(o.p);
            o.p = as(o.key, o.cert);
        }
        assert_int_equal(post_to(o.p, EST "/sren", &csr, &again), CODE(2, 4));
        assert_int_equal(again.len, first.len);
        assert_memory_equal(again.bytes, first.bytes, first.len);
    }
    assert_int_equal(issued(f), before + 1);
    X509 *cert = cert_for(&first, 287, next); /* the certificate it has got asks for the same */
    peer *p = as(next, cert);
    assert_int_equal(post_to(p, EST "/sren", &csr, &again), CODE(2, 4));
    assert_true(again.len != first.len || memcmp(again.bytes, first.bytes, first.len) != 0);
    peer_free(p);
    X509_free(cert);
    EVP_PKEY_free(next);
    release(&o);
    drop_dev(NULL);
}

static int start(void **state)
{
    fixture_set_up(state);
    fixture_conf(*state, "profile free", "names", "any");
    fixture_conf(*state, "profile free", "change-subject", "yes");
    fixture_start(*state);
    return 0;
}

static int start_alone(void **state)
{
    fixture_set_up(state);
    fixture_start(*state);
    return 0;
}

/* The same by the program. */
static void by_estoc(void **state)
{
    const fixture *f = *state;
    output o;
    run_as(&o, f, "dev", "enroll", f->uri, "--out", path_in(f, "c"), NULL);
    assert_int_equal(o.code, 0);
    run(&o, "estoc", "renew", f->uri, "--out", path_in(f, "c"), "--subject", "CN=c2", NULL);
    assert_int_equal(o.code, 4);
    assert_non_null(strstr(o.err, "a change of name is not granted"));
    check_pair(f, "c");
    run(&o, "estoc", "renew", f->uri, "--label", "free", "--out", path_in(f, "c"), "--subject",
        "CN=c2", "--san", "c2.example", NULL);
    assert_int_equal(o.code, 0);
    check_pair(f, "c");
    run(&o, "estoc", "renew", f->uri, "--label", "free", "--out", path_in(f, "c"), "--same-key",
        "--subject", "CN=c3", NULL); /* keeps the other names */
    assert_int_equal(o.code, 0);
    run(&o, "estoc", "renew", f->uri, "--out", path_in(f, "c"), "--same-key", NULL);
    assert_int_equal(o.code, 0);
    check_pair(f, "c");
    X509 *cert = cert_read(path_in(f, "c.crt"));
    check_names(cert, "c3", "c2.example");
    X509_free(cert);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OVER_DTLS("E4 HC 169 ChangeSubjectName where the profile does not allow it",
                  change_refused),
        OVER_DTLS("E4 HC 211 ChangeSubjectName where the profile allows it", change_granted),
        OVER_DTLS("E4 X10 a profile may grant any name", any_name),
        NAMED("E4 estoc renew with --subject and --san", by_estoc),
        {"E6 sren: an identical CSR in one association, in another, after a restart", identical,
         start_alone, fixture_tear_down, NULL},
    };
    return cmocka_run_group_tests_name("reenroll", tests, start, group_stop);
}
