/* SPDX-License-Identifier: MIT
 *
 * What is negotiated, and who gets through the handshake.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/x509v3.h>

#include "fixture.h"

/* TLS alert descriptions. */
enum {
    HANDSHAKE_FAILURE = 40,
    BAD_CERTIFICATE = 42,
    UNSUPPORTED_CERTIFICATE = 43,
    CERTIFICATE_EXPIRED = 45,
    CERTIFICATE_UNKNOWN = 46,
    UNKNOWN_CA = 48,
    PROTOCOL_VERSION = 70,
    INSUFFICIENT_SECURITY = 71,
    FATAL = 2
};

/* A handshake with this suite; the bits of the server's key for this exchange. */
static int expect_suite(const fixture *f, const char *openssl_name, const char *groups)
{
    char ciphers[128];
    snprintf(ciphers, sizeof ciphers, "%s:@SECLEVEL=0", openssl_name);
    peer_cfg cfg = device_cfg(f, "dev");
    cfg.ciphers = ciphers;
    cfg.groups = groups;
    peer *p = peer_connect(&cfg);
    assert_string_equal(SSL_get_version(p->ssl), "DTLSv1.2");
    assert_string_equal(SSL_get_cipher_name(p->ssl), openssl_name);
    expect_alive(p);
    EVP_PKEY *exchange;
    assert_int_equal(SSL_get_peer_tmp_key(p->ssl, &exchange), 1);
    int bits = EVP_PKEY_get_bits(exchange);
    EVP_PKEY_free(exchange);
    peer_free(p);
    return bits;
}

static void suites(void **state)
{
    expect_suite(*state, "ECDHE-ECDSA-AES128-CCM8", NULL);
    expect_suite(*state, "ECDHE-ECDSA-AES128-CCM", NULL);
    expect_suite(*state, "ECDHE-ECDSA-AES128-GCM-SHA256", NULL);
    expect_suite(*state, "ECDHE-ECDSA-CHACHA20-POLY1305", NULL);
}

static void curves(void **state)
{
    /* P-256 is in every list for the certificate's key. RFC 8422 section 5.1 */
    assert_int_equal(expect_suite(*state, "ECDHE-ECDSA-AES128-CCM8", "P-256"), 256);
    assert_int_equal(expect_suite(*state, "ECDHE-ECDSA-AES128-CCM8", "P-384:P-256"), 384);
    assert_int_equal(expect_suite(*state, "ECDHE-ECDSA-AES128-CCM8", "X25519:P-256"), 253);
}

/* Refused, by a fatal alert. */
static int refused(const peer_cfg *cfg)
{
    peer *p = peer_new(cfg);
    assert_false(peer_handshake(p, 10000));
    assert_true(p->closed);
    assert_int_equal(p->alert_in >> 8, FATAL);
    int description = p->alert_in & 0xff;
    peer_free(p);
    return description;
}

/* Refused, and the log says why: in one line, with the peer. */
static int refused_and_logged(const fixture *f, const peer_cfg *cfg, const char *why)
{
    static char log[1 << 20];
    char *line = NULL;
    size_t before = read_file(path_in(f, "estocd.log"), log, sizeof log);
    int description = refused(cfg);
    for (int i = 0; i < 100 && (line == NULL || strchr(line, '\n') == NULL); i++) {
        usleep(20000);
        read_file(path_in(f, "estocd.log"), log, sizeof log);
        line = strstr(log + before, "result=refused");
    }
    assert_non_null(line);
    char *end = strchr(line, '\n');
    assert_non_null(end);
    *end = '\0';
    assert_non_null(strstr(line, why));
    assert_non_null(strstr(log + before, "peer=127.0.0.1:"));
    assert_null(strstr(end + 1, "result=refused"));
    return description;
}

static void weak_suites(void **state)
{
    static const char *const weak[] = {
        "ECDHE-ECDSA-NULL-SHA",
        "AECDH-AES128-SHA",
        "AECDH-NULL-SHA",
        "NULL-SHA256",
        "ADH-AES128-GCM-SHA256",
        "AES128-SHA",
        "AES128-GCM-SHA256",
        "AES128-CCM8",
        "ECDHE-ECDSA-AES128-SHA",
        "ECDHE-ECDSA-AES128-SHA256",
        "ECDHE-ECDSA-AES256-SHA384",
        "ECDHE-RSA-AES128-GCM-SHA256",
        "DHE-RSA-AES128-GCM-SHA256",
        "PSK-AES128-CCM8",
        "DHE-PSK-AES128-CCM8",
        "ECDHE-PSK-AES128-CBC-SHA256",
    };
    for (size_t i = 0; i < sizeof weak / sizeof weak[0]; i++) {
        char ciphers[128];
        snprintf(ciphers, sizeof ciphers, "%s:@SECLEVEL=0", weak[i]);
        peer_cfg cfg = device_cfg(*state, "dev");
        cfg.ciphers = ciphers;
        SSL_CTX *probe = SSL_CTX_new(DTLS_client_method());
        bool have = SSL_CTX_set_cipher_list(probe, ciphers) == 1;
        SSL_CTX_free(probe);
        if (have && strstr(weak[i], "PSK") == NULL) {
            int alert = refused(&cfg);
            assert_true(alert == HANDSHAKE_FAILURE || alert == INSUFFICIENT_SECURITY);
        }
    }
}

static void foreign_curve(void **state)
{
    peer_cfg cfg = device_cfg(*state, "dev");
    cfg.groups = "P-521";
    assert_int_equal(refused(&cfg), HANDSHAKE_FAILURE);
    cfg.groups = "brainpoolP256r1";
    assert_int_equal(refused(&cfg), HANDSHAKE_FAILURE);
}

static void old_version(void **state)
{
    peer_cfg cfg = device_cfg(*state, "dev");
    cfg.max_version = DTLS1_VERSION;
    cfg.ciphers = "ALL:@SECLEVEL=0";
    assert_int_equal(refused(&cfg), PROTOCOL_VERSION);
}

static void no_certificate(void **state)
{
    peer_cfg cfg = device_cfg(*state, "dev");
    cfg.cert = NULL;
    assert_int_equal(refused_and_logged(*state, &cfg, "no certificate"), HANDSHAKE_FAILURE);
}

static void stranger(void **state)
{
    const fixture *f = *state;
    EVP_PKEY *ca_key = key_new("P-256"), *key = key_new("P-256");
    X509 *ca = cert_new(ca_key, &(cert_cfg){.cn = "Nobody", .ca = true});
    X509 *cert = cert_new(key, &(cert_cfg){.cn = "dev", .issuer = ca, .issuer_key = ca_key});
    peer_cfg cfg = {.port = f->port, .own = cert, .own_key = key};
    assert_int_equal(refused_and_logged(f, &cfg, "issuer"), UNKNOWN_CA);
    X509_free(cert);
    X509_free(ca);
    EVP_PKEY_free(key);
    EVP_PKEY_free(ca_key);
}

/* (a) anyone, (b) a root's name, (c) a root's name and key identifier; HC 299. */
static void self_signed(void **state)
{
    const fixture *f = *state;
    EVP_PKEY *key = key_new("P-256");
    const ASN1_OCTET_STRING *ski = X509_get0_subject_key_id(f->maker);
    char *hex = OPENSSL_buf2hexstr(ski->data, ski->length);
    const cert_cfg kinds[] = {
        {.cn = "anyone"},
        {.cn = "Maker", .ca = true},
        {.cn = "Maker", .ca = true, .ski_hex = hex},
        {.cn = "Maker", .ski_hex = hex},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        X509 *cert = cert_new(key, &kinds[i]);
        peer_cfg cfg = {.port = f->port, .own = cert, .own_key = key};
        int alert = refused_and_logged(f, &cfg, "self-signed");
        assert_true(alert == UNKNOWN_CA || alert == BAD_CERTIFICATE ||
                    alert == UNSUPPORTED_CERTIFICATE || alert == CERTIFICATE_UNKNOWN ||
                    alert == 51 /* decrypt_error: its signature is not the root's */);
        X509_free(cert);
    }
    OPENSSL_free(hex);
    EVP_PKEY_free(key);
}

/* A certificate under the root's name, signed by another key of that name. */
static void forged_issuer(void **state)
{
    const fixture *f = *state;
    EVP_PKEY *fake_key = key_new("P-256"), *key = key_new("P-256");
    X509 *fake = cert_new(fake_key, &(cert_cfg){.cn = "Maker", .ca = true});
    X509 *cert = cert_new(key, &(cert_cfg){.cn = "dev", .issuer = fake, .issuer_key = fake_key});
    peer_cfg cfg = {.port = f->port, .own = cert, .own_key = key};
    refused(&cfg);
    X509_free(cert);
    X509_free(fake);
    EVP_PKEY_free(key);
    EVP_PKEY_free(fake_key);
}

static int refused_maker_cert(const fixture *f, const cert_cfg *c, const char *why)
{
    EVP_PKEY *key;
    X509 *cert = maker_cert(f, c, &key);
    peer_cfg cfg = {.port = f->port, .own = cert, .own_key = key};
    int alert = refused_and_logged(f, &cfg, why);
    X509_free(cert);
    EVP_PKEY_free(key);
    return alert;
}

static void accepted_maker_cert(const fixture *f, const cert_cfg *c)
{
    EVP_PKEY *key;
    X509 *cert = maker_cert(f, c, &key);
    peer_cfg cfg = {.port = f->port, .own = cert, .own_key = key};
    peer *p = peer_connect(&cfg);
    expect_alive(p);
    peer_free(p);
    X509_free(cert);
    EVP_PKEY_free(key);
}

static void manufacturer(void **state)
{
    accepted_maker_cert(*state, &(cert_cfg){.cn = "serial-1"});
    /* RFC 5280: without these extensions nothing is restricted */
    accepted_maker_cert(*state, &(cert_cfg){.cn = "serial-2", .eku = "", .key_usage = ""});
}

static void wrong_purpose(void **state)
{
    const fixture *f = *state;
    refused_maker_cert(f, &(cert_cfg){.cn = "x", .key_usage = "critical,keyAgreement"},
                       "key usage");
    refused_maker_cert(f, &(cert_cfg){.cn = "x", .eku = "serverAuth"}, "purpose");
    refused_maker_cert(f, &(cert_cfg){.cn = "x", .eku = "codeSigning"}, "purpose");
}

static void out_of_time(void **state)
{
    const fixture *f = *state;
    assert_int_equal(
        refused_maker_cert(f, &(cert_cfg){.cn = "x", .from_s = -7200, .until_s = -3600}, "expired"),
        CERTIFICATE_EXPIRED);
    refused_maker_cert(f, &(cert_cfg){.cn = "x", .from_s = 3600, .until_s = 7200}, "not yet valid");
}

/* An end entity may not issue. */
static void leaf_as_issuer(void **state)
{
    const fixture *f = *state;
    EVP_PKEY *leaf_key, *key = key_new("P-256");
    X509 *leaf = maker_cert(f, &(cert_cfg){.cn = "leaf"}, &leaf_key);
    X509 *cert = cert_new(key, &(cert_cfg){.cn = "dev", .issuer = leaf, .issuer_key = leaf_key});
    peer_cfg cfg = {.port = f->port, .own = cert, .own_key = key};
    peer *p = peer_new(&cfg);
    assert_int_equal(SSL_CTX_add1_chain_cert(p->ssl_ctx, leaf), 1);
    SSL_add1_chain_cert(p->ssl, leaf);
    assert_false(peer_handshake(p, 10000));
    assert_int_equal(p->alert_in >> 8, FATAL);
    peer_free(p);
    X509_free(cert);
    X509_free(leaf);
    EVP_PKEY_free(key);
    EVP_PKEY_free(leaf_key);
}

/* HC 54: a leaf whose key has explicit parameters, refused, and quickly. */
static void explicit_curve(void **state)
{
    const fixture *f = *state;
    EVP_PKEY *key = key_new("P-256");
    EVP_PKEY_set_utf8_string_param(key, OSSL_PKEY_PARAM_EC_ENCODING,
                                   OSSL_PKEY_EC_ENCODING_EXPLICIT);
    X509 *cert =
        cert_new(key, &(cert_cfg){.cn = "dev", .issuer = f->maker, .issuer_key = f->maker_key});
    peer_cfg cfg = {.port = f->port, .own = cert, .own_key = key};
    peer *p = peer_new(&cfg);
    long long start = now_ms();
    assert_false(peer_handshake(p, 10000));
    assert_true(now_ms() - start < 5000);
    peer_free(p);
    X509_free(cert);
    EVP_PKEY_free(key);
}

static void server_certificate(void **state)
{
    peer *p = connect_as(*state, "dev"); /* verified against dev.ta */
    X509 *cert = SSL_get0_peer_certificate(p->ssl);
    assert_non_null(cert);
    assert_int_equal(X509_check_ip_asc(cert, "127.0.0.1", 0), 1);
    assert_int_equal(X509_check_host(cert, "localhost", 0, 0, NULL), 1);
    peer_free(p);
}

/* Failures leave nothing: 50 of them, and good ones among them succeed. HC 44. */
static void failures_leave_nothing(void **state)
{
    const fixture *f = *state;
    for (int i = 0; i < 50; i++) {
        peer_cfg bad = device_cfg(f, "dev");
        bad.ciphers = "ECDHE-ECDSA-AES128-SHA256:@SECLEVEL=0";
        refused(&bad);
        if (i % 10 == 0) {
            peer *p = connect_as(f, "dev");
            expect_alive(p);
            peer_free(p);
        }
    }
    assert_int_equal(issued(f), 0);
}

/* A stranger who pipelines requests behind its last flight gets an alert and nothing else. D2. */
static void with_requests(peer *p, flight *fl)
{
    static const uint8_t crts[] = {0x40, 1,   0,   1, 0xbb, '.', 'w', 'e', 'l', 'l', '-', 'k', 'n',
                                   'o',  'w', 'n', 3, 'e',  's', 't', 4,   'c', 'r', 't', 's'};
    const peer_cfg *cfg = &p->cfg;
    for (size_t i = 0; i < fl->n && fl->n < FLIGHT_MAX; i++) {
        if (flight_find(fl, i, 16) < 0) {
            continue; /* the datagram with ClientKeyExchange */
        }
        for (int k = 0; k < 20; k++) { /* in epoch 0, where nothing is protected */
            datagram *d = &fl->at[i];
            uint8_t head[13] = {23, 254, 253, 0, 0, 0, 0, 0, 0, 1, (uint8_t)k, 0, sizeof crts};
            if (d->len + sizeof head + sizeof crts < DATAGRAM_MAX) {
                memcpy(d->bytes + d->len, head, sizeof head);
                memcpy(d->bytes + d->len + sizeof head, crts, sizeof crts);
                d->len += sizeof head + sizeof crts;
            }
        }
        *(int *)cfg->ctx += 1;
    }
}

static bool no_application_data(peer *p, const uint8_t *bytes, size_t len)
{
    (void)p;
    for (size_t at = 0; at + 13 <= len; at += record_len(bytes + at)) {
        assert_int_not_equal(bytes[at], 23);
    }
    return true;
}

static void pipelined_stranger(void **state)
{
    const fixture *f = *state;
    unsigned before = issued(f);
    int injected = 0;
    peer_cfg cfg = device_cfg(f, "dev");
    cfg.cert = NULL;
    cfg.out = with_requests;
    cfg.in = no_application_data;
    cfg.ctx = &injected;
    peer *p = peer_new(&cfg);
    assert_false(peer_handshake(p, 10000));
    assert_true(injected > 0);
    uint8_t in[DATAGRAM_MAX];
    wire_out o;
    ask(p, &o, GET);
    wire_path(&o, "/.well-known/est/crts");
    for (int i = 0; i < 20; i++) {
        peer_raw(p, o.bytes, o.len); /* and without any DTLS */
    }
    assert_int_equal(udp_recv(p->fd, in, sizeof in, SILENCE_MS), 0);
    peer_free(p);
    assert_int_equal(issued(f), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        NAMED("D1 each of the four cipher suites is accepted", suites),
        NAMED("D1 P-256, P-384 and X25519 are accepted", curves),
        NAMED("D1 HC 14 a suite without ECDHE and AEAD is refused", weak_suites),
        NAMED("D1 HC 16 a curve the server lacks is refused", foreign_curve),
        NAMED("D1 HC 17 DTLS 1.0 is refused with protocol_version", old_version),
        NAMED("D1 the server's certificate names its hosts", server_certificate),
        NAMED("D2 D3 no certificate is a fatal alert", no_certificate),
        NAMED("D2 pipelined requests of a stranger get nothing", pipelined_stranger),
        NAMED("D3 a certificate of an unknown CA is a fatal alert", stranger),
        NAMED("D3 HC 299 self-signed under a trusted name is a fatal alert", self_signed),
        NAMED("D3 a forged issuer of a trusted name is a fatal alert", forged_issuer),
        NAMED("D3 a certificate of a configured manufacturer is accepted", manufacturer),
        NAMED("D3 HC 51 a certificate for another purpose is refused", wrong_purpose),
        NAMED("D6 HC 52 an expired certificate is refused by default", out_of_time),
        NAMED("D3 an end entity's certificate issues nothing", leaf_as_issuer),
        NAMED("D3 HC 54 explicit curve parameters are refused in bounded time", explicit_curve),
        NAMED("D3 HC 44 failed handshakes leave nothing behind", failures_leave_nothing),
    };
    return cmocka_run_group_tests_name("dtls", tests, group_start, group_stop);
}
