/* SPDX-License-Identifier: MIT
 *
 * EST over an association: trust anchors, enrollment, renewal, and who may have what.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "device.h"

static uint8_t post(peer *p, const char *path, const body *csr, int accept, body *answer)
{
    return enroll(p, path, csr, accept, -1, answer);
}

/* Enroll "CN=dev" for a new key and connect with what comes. */
static peer *as_enrolled(EVP_PKEY **key, X509 **cert)
{
    body csr, answer;
    *key = key_new("P-256");
    csr_new(*key, "CN=dev", NULL, &csr);
    assert_int_equal(post(dev, EST "/sen", &csr, 287, &answer), CODE(2, 4));
    *cert = cert_for(&answer, 287, *key);
    return peer_connect(&(peer_cfg){.port = server->port, .own = *cert, .own_key = *key});
}

static void crts_281(void **state)
{
    (void)state;
    body b;
    X509 *root = cert_read(path_in(server, "dev.ta"));
    fetch(dev, EST "/crts", 281, -1, &b);
    STACK_OF(X509) *certs = certs_of(&b);
    assert_true(sk_X509_num(certs) >= 1);
    assert_int_equal(X509_cmp(sk_X509_value(certs, 0), root), 0); /* root first: E2 */
    for (int i = 0; i < sk_X509_num(certs); i++) {
        assert_true(chains_to(sk_X509_value(certs, i), path_in(server, "dev.ta")));
    }
    sk_X509_pop_free(certs, X509_free);
    X509_free(root);
}

static void crts_287(void **state)
{
    (void)state;
    body b, all;
    reply r;
    fetch(dev, EST "/crts", 281, -1, &all);
    STACK_OF(X509) *certs = certs_of(&all);
    transfer t = {.method = GET, .path = EST "/crts", .format = -1, .accept = 287, .szx = -1};
    uint8_t code = transact(dev, &t, &b, &r);
    if (sk_X509_num(certs) != 1) {
        assert_int_equal(code, CODE(4, 6));
    } else {
        assert_int_equal(code, CODE(2, 5));
        assert_int_equal(wire_uint_of(&r.m, OPT_FORMAT, 0), 287);
        X509 *root = cert_read(path_in(server, "dev.ta"));
        const unsigned char *at = b.bytes;
        X509 *got = d2i_X509(NULL, &at, (long)b.len);
        assert_non_null(got);
        assert_int_equal(X509_cmp(got, root), 0);
        X509_free(got);
        X509_free(root);
    }
    sk_X509_pop_free(certs, X509_free);
}

static void sen_formats(void **state)
{
    (void)state;
    static const int accepts[] = {-1, 281, 287};
    for (size_t i = 0; i < 3; i++) {
        body csr, answer;
        reply r;
        EVP_PKEY *key = key_new("P-256");
        csr_new(key, "CN=dev", NULL, &csr);
        transfer t = {.method = POST, .path = EST "/sen", .format = 286, .szx = -1};
        t.accept = accepts[i];
        t.data = csr.bytes;
        t.len = csr.len;
        assert_int_equal(transact(dev, &t, &answer, &r), CODE(2, 4));
        int format = accepts[i] == 287 ? 287 : 281;
        assert_int_equal(wire_uint_of(&r.m, OPT_FORMAT, 0), format);
        X509 *cert = cert_for(&answer, format, key);
        assert_true(chains_to(cert, path_in(server, "dev.ta")));
        X509_free(cert);
        EVP_PKEY_free(key);
    }
}

/* HC 167, and RFC 5280. */
static void certificate(void **state)
{
    (void)state;
    body csr, answer;
    EVP_PKEY *key = key_new("P-256");
    X509 *ca = cert_read(path_in(server, "dev.ta"));
    csr_new(key, "CN=dev", NULL, &csr);
    assert_int_equal(post(dev, EST "/sen", &csr, 287, &answer), CODE(2, 4));
    X509 *cert = cert_for(&answer, 287, key);
    assert_int_equal(X509_get_version(cert), X509_VERSION_3);
    const ASN1_INTEGER *serial = X509_get0_serialNumber(cert);
    assert_int_equal(ASN1_STRING_type(serial), V_ASN1_INTEGER); /* positive */
    assert_in_range(ASN1_STRING_length(serial), 8, 20);
    assert_true(X509_cmp_time(X509_get0_notBefore(cert), NULL) < 0);
    assert_true(X509_cmp_time(X509_get0_notAfter(cert), NULL) > 0);
    assert_true(ASN1_TIME_compare(X509_get0_notAfter(cert), X509_get0_notAfter(ca)) <= 0);
    assert_int_equal(X509_check_ca(cert), 0);
    assert_non_null(X509_get0_authority_key_id(cert));
    assert_int_equal(X509_check_issued(ca, cert), X509_V_OK);
    assert_int_equal(X509_check_purpose(cert, X509_PURPOSE_SSL_CLIENT, 0), 1);
    assert_int_equal(X509_check_purpose(cert, X509_PURPOSE_SSL_SERVER, 0), 0);
    assert_true(X509_get_key_usage(cert) & KU_DIGITAL_SIGNATURE);
    assert_false(X509_get_key_usage(cert) & KU_KEY_CERT_SIGN);
    body name, wanted;
    X509 *device = cert_read(path_in(server, "dev.crt"));
    subject_of(cert, &name);
    subject_of(device, &wanted);
    assert_int_equal(name.len, wanted.len);
    assert_memory_equal(name.bytes, wanted.bytes, name.len);
    X509_free(device);
    X509_free(cert);
    X509_free(ca);
    EVP_PKEY_free(key);
}

static void empty_subject(void **state)
{
    (void)state;
    body csr, answer, name;
    EVP_PKEY *key = key_new("P-256");
    csr_new(key, "", NULL, &csr);
    assert_int_equal(post(dev, EST "/sen", &csr, 287, &answer), CODE(2, 4));
    X509 *cert = cert_for(&answer, 287, key);
    subject_of(cert, &name); /* filled in: X10 */
    X509 *device = cert_read(path_in(server, "dev.crt"));
    body wanted;
    subject_of(device, &wanted);
    assert_int_equal(name.len, wanted.len);
    assert_memory_equal(name.bytes, wanted.bytes, name.len);
    X509_free(device);
    X509_free(cert);
    EVP_PKEY_free(key);
}

static void other_names(void **state)
{
    (void)state;
    static const struct {
        const char *subject, *san;
    } wrong[] = {
        {"CN=other", NULL},
        {"CN=dev,O=more", NULL},
        {"O=dev", NULL},
        {"CN=de", NULL},
        {"CN=dev2", NULL},
        {"CN=Test CA", NULL},
        {"CN=dev", "DNS:dev.example"},
        {"CN=dev", "IP:192.0.2.1"},
        {"", "DNS:dev"},
        {"CN=dev", "email:a@dev.example"},
    };
    unsigned before = issued(server);
    EVP_PKEY *key = key_new("P-256");
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        body csr, answer;
        csr_new(key, wrong[i].subject, wrong[i].san, &csr);
        assert_int_equal(post(dev, EST "/sen", &csr, -1, &answer), CODE(4, 3));
    }
    assert_int_equal(issued(server), before);
    EVP_PKEY_free(key);
}

/* The SAN of a manufacturer's certificate may be asked for again, and no other. */
static void own_san(void **state)
{
    (void)state;
    EVP_PKEY *own_key, *key = key_new("P-256");
    X509 *own = maker_cert(
        server, &(cert_cfg){.cn = "serial-7", .san = "DNS:seven.example,DNS:7.example"}, &own_key);
    peer *p = peer_connect(&(peer_cfg){.port = server->port, .own = own, .own_key = own_key});
    body csr, answer;
    csr_new(key, "CN=serial-7", "DNS:seven.example", &csr);
    assert_int_equal(post(p, EST "/sen", &csr, 287, &answer), CODE(2, 4));
    X509 *cert = cert_for(&answer, 287, key);
    assert_int_equal(X509_check_host(cert, "seven.example", 0, 0, NULL), 1);
    X509_free(cert);
    csr_new(key, "CN=serial-7", "DNS:eight.example", &csr);
    assert_int_equal(post(p, EST "/sen", &csr, -1, &answer), CODE(4, 3));
    csr_new(key, "CN=dev", NULL, &csr);
    assert_int_equal(post(p, EST "/sen", &csr, -1, &answer), CODE(4, 3));
    peer_free(p);
    X509_free(own);
    EVP_PKEY_free(own_key);
    EVP_PKEY_free(key);
}

static void identical_csr(void **state)
{
    (void)state;
    body csr, first, second;
    unsigned before = issued(server);
    EVP_PKEY *key = key_new("P-256");
    csr_new(key, "CN=dev", NULL, &csr);
    assert_int_equal(post(dev, EST "/sen", &csr, 287, &first), CODE(2, 4));
    assert_int_equal(post(dev, EST "/sen", &csr, 287, &second), CODE(2, 4));
    assert_int_equal(first.len, second.len);
    assert_memory_equal(first.bytes, second.bytes, first.len);
    peer_free(dev);
    dev = connect_as(server, "dev"); /* on another association too */
    assert_int_equal(post(dev, EST "/sen", &csr, 287, &second), CODE(2, 4));
    assert_memory_equal(first.bytes, second.bytes, first.len);
    assert_int_equal(issued(server), before + 1);
    EVP_PKEY_free(key);
}

/* HC 181: not from another identity. */
static void identical_csr_of_another(void **state)
{
    (void)state;
    body csr, answer;
    EVP_PKEY *key = key_new("P-256");
    csr_new(key, "CN=dev", NULL, &csr);
    assert_int_equal(post(dev, EST "/sen", &csr, 287, &answer), CODE(2, 4));
    peer *other = connect_as(server, "dev2");
    assert_int_equal(post(other, EST "/sen", &csr, 287, &answer), CODE(4, 3));
    peer_free(other);
    EVP_PKEY_free(key);
}

static void renew(void **state)
{
    (void)state;
    EVP_PKEY *key, *next = key_new("P-256");
    X509 *cert;
    body csr, answer;
    peer *p = as_enrolled(&key, &cert);
    unsigned before = issued(server);
    csr_new(next, "CN=dev", NULL, &csr);
    assert_int_equal(post(p, EST "/sren", &csr, 287, &answer), CODE(2, 4));
    X509 *renewed = cert_for(&answer, 287, next);
    assert_true(chains_to(renewed, path_in(server, "dev.ta")));
    assert_int_not_equal(X509_cmp(renewed, cert), 0);
    csr_new(key, "CN=dev", NULL, &csr); /* the same key again */
    assert_int_equal(post(p, EST "/sren", &csr, 281, &answer), CODE(2, 4));
    X509_free(cert_for(&answer, 281, key));
    assert_int_equal(issued(server), before + 2);
    peer_free(p);
    X509_free(renewed);
    X509_free(cert);
    EVP_PKEY_free(key);
    EVP_PKEY_free(next);
}

static void renew_other_name(void **state)
{
    (void)state;
    EVP_PKEY *key, *next = key_new("P-256");
    X509 *cert;
    peer *p = as_enrolled(&key, &cert);
    unsigned before = issued(server);
    static const struct {
        const char *subject, *san;
    } wrong[] = {{"CN=dev2", NULL}, {"CN=dev", "DNS:dev.example"}, {"CN=dev,O=x", NULL}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        body csr, answer;
        csr_new(next, wrong[i].subject, wrong[i].san, &csr);
        uint8_t code = post(p, EST "/sren", &csr, -1, &answer);
        assert_true(code == CODE(4, 3) || code == CODE(4, 0)); /* HC 169 */
    }
    assert_int_equal(issued(server), before);
    peer_free(p);
    X509_free(cert);
    EVP_PKEY_free(key);
    EVP_PKEY_free(next);
}

static void renew_bootstrap(void **state)
{
    (void)state;
    body csr, answer;
    unsigned before = issued(server);
    fresh_csr(&csr);
    assert_int_equal(post(dev, EST "/sren", &csr, -1, &answer), CODE(4, 3));
    EVP_PKEY *own_key; /* nor a manufacturer's: HC 307 */
    X509 *own = maker_cert(server, &(cert_cfg){.cn = "dev"}, &own_key);
    peer *p = peer_connect(&(peer_cfg){.port = server->port, .own = own, .own_key = own_key});
    assert_int_equal(post(p, EST "/sren", &csr, -1, &answer), CODE(4, 3));
    assert_int_equal(post(p, EST "/sen", &csr, -1, &answer), CODE(2, 4));
    assert_int_equal(issued(server), before + 1);
    peer_free(p);
    X509_free(own);
    EVP_PKEY_free(own_key);
}

static void no_attributes(void **state)
{
    (void)state;
    wire_out o;
    ask(dev, &o, GET);
    wire_path(&o, EST "/att");
    expect_code(dev, &o, CODE(4, 4)); /* X1, HC 184 */
}

static void survives_restart(void **state)
{
    fixture *f = *state;
    body csr, first, second;
    EVP_PKEY *key = key_new("P-256");
    fixture_start(f);
    peer *p = connect_as(f, "dev");
    csr_new(key, "CN=dev", NULL, &csr);
    assert_int_equal(post(p, EST "/sen", &csr, 287, &first), CODE(2, 4));
    peer_free(p);
    assert_int_equal(issued(f), 1);
    fixture_restart(f);
    p = connect_as(f, "dev");
    assert_int_equal(post(p, EST "/sen", &csr, 287, &second), CODE(2, 4));
    assert_int_equal(first.len, second.len);
    assert_memory_equal(first.bytes, second.bytes, first.len);
    peer_free(p);
    fixture_stop(f);
    assert_int_equal(issued(f), 1); /* the list works without the server too */
    EVP_PKEY_free(key);
}

/* HC 289: one request posted by several associations at once is one certificate. */
static void identical_in_parallel(void **state)
{
    (void)state;
    enum { N = 20 };
    peer *p[N];
    body csr;
    uint8_t first[DATAGRAM_MAX];
    size_t first_len = 0;
    unsigned before = issued(server);
    fresh_csr(&csr);
    for (int i = 0; i < N; i++) {
        p[i] = connect_as(server, "dev");
    }
    for (int i = 0; i < N; i++) {
        wire_out o;
        ask(p[i], &o, POST);
        wire_path(&o, EST "/sen");
        wire_uint(&o, OPT_FORMAT, 286);
        wire_uint(&o, OPT_ACCEPT, 287);
        wire_payload(&o, csr.bytes, csr.len);
        peer_send(p[i], o.bytes, o.len);
    }
    for (int i = 0; i < N; i++) {
        reply r = {.len = 0};
        do {
            r.len = peer_recv(p[i], r.bytes, sizeof r.bytes, ANSWER_MS);
            assert_true(wire_parse(&r.m, r.bytes, r.len));
        } while (r.m.code == 0);
        assert_int_equal(r.m.code, CODE(2, 4));
        if (i == 0) {
            first_len = r.m.payload_len;
            memcpy(first, r.m.payload, first_len);
        }
        assert_int_equal(r.m.payload_len, first_len);
        assert_memory_equal(r.m.payload, first, first_len);
        peer_free(p[i]);
    }
    assert_int_equal(issued(server), before + 1);
}

static int start_with_dev2(void **state)
{
    group_start(state);
    fixture_device(*state, "CN=dev2", "dev2");
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OVER_DTLS("E1 E2 crts as 281: certs-only, root first", crts_281),
        OVER_DTLS("E1 HC 104 crts as 287 only if it is one certificate", crts_287),
        OVER_DTLS("E1 E4 HC 166 sen as 281 (the default) and as 287", sen_formats),
        OVER_DTLS("E4 HC 167 the issued certificate", certificate),
        OVER_DTLS("E4 X10 an empty subject is filled in", empty_subject),
        OVER_DTLS("E4 X10 HC 172 names of others are 4.03", other_names),
        OVER_DTLS("E4 X10 names of the client's certificate", own_san),
        OVER_DTLS("E6 identical CSR twice gives the same certificate", identical_csr),
        OVER_DTLS("E6 HC 181 an identical CSR of another identity", identical_csr_of_another),
        OVER_DTLS("E6 HC 289 an identical CSR from 20 associations at once", identical_in_parallel),
        NAMED_ALONE("E6 an identical CSR after a restart", survives_restart),
        OVER_DTLS("E4 sren renews a certificate of our CA", renew),
        OVER_DTLS("E4 HC 169 sren under another name is refused", renew_other_name),
        OVER_DTLS("E4 HC 307 sren with a bootstrap or manufacturer certificate is 4.03",
                  renew_bootstrap),
        OVER_DTLS("E3 X1 HC 184 att without attributes is 4.04", no_attributes),
    };
    return cmocka_run_group_tests_name("est", tests, start_with_dev2, group_stop);
}
