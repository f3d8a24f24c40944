/* SPDX-License-Identifier: MIT
 *
 * EST over HTTPS (RFC 7030) by the same authority, over real TLS: who may have what, and by which TLS.
 * What curl and openssl alone can do is in tests/interop/https.sh.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/x509v3.h>

#include "web.h"

#define ROOT "/.well-known/est/"

enum { SOON_MS = 10000 };

/* ---- who may have what ---- */

static void without_certificate(void **state)
{
    const fixture *f = *state;
    unsigned before = issued(f);
    web *w = web_open_as(f, NULL);
    assert_int_equal(web_ask(w, ROOT "cacerts", NULL, &got), 200);
    assert_int_equal(web_ask(w, ROOT "csrattrs", NULL, &got), 204);
    assert_int_equal(got.len, 0);
    for (int i = 0; i < 3; i++) { /* and no number of them makes a client of it */
        web_enroll(w, ROOT "simpleenroll", "CN=dev");
        web_refused(401);
        assert_non_null(web_header(&got, "WWW-Authenticate"));
        web_enroll(w, ROOT "simplereenroll", "CN=dev");
        web_refused(401);
        web_enroll(w, ROOT "ra/simpleenroll", "CN=dev");
        web_refused(401);
    }
    web_free(w);
    assert_int_equal(issued(f), before);
}

/* HC 299: no name that anybody can write gives trust. */
static void strangers(void **state)
{
    const fixture *f = *state;
    unsigned before = issued(f);
    X509 *root = cert_read(path_in(f, "srv/ca.crt"));
    char cn[128];
    X509_NAME_get_text_by_NID(X509_get_subject_name(root), NID_commonName, cn, sizeof cn);
    const cert_cfg cases[] = {{.cn = "dev"},
                              {.cn = cn, .ca = true, .key_usage = "digitalSignature,keyCertSign"}};
    for (size_t i = 0; i < 2; i++) {
        EVP_PKEY *key = key_new("P-256");
        X509 *cert = cert_new(key, &cases[i]);
        web *w = web_open_with(f, cert, key);
        web_enroll(w, ROOT "simpleenroll", "CN=dev");
        web_refused(401);
        assert_int_equal(web_ask(w, ROOT "cacerts", NULL, &got), 200);
        web_free(w);
        X509_free(cert);
        EVP_PKEY_free(key);
    }
    X509_free(root);
    assert_int_equal(issued(f), before);
}

static void with_intermediate(void **state)
{
    const fixture *f = *state;
    EVP_PKEY *ca_key, *key = key_new("P-256");
    X509 *ca = maker_cert(
        f, &(cert_cfg){.cn = "Line 1", .ca = true, .key_usage = "keyCertSign", .eku = ""}, &ca_key);
    X509 *cert = cert_new(key, &(cert_cfg){.cn = "dev", .issuer = ca, .issuer_key = ca_key});
    for (int with = 0; with < 2; with++) {
        web_cfg cfg = web_as(f, NULL);
        cfg.own = cert;
        cfg.own_key = key;
        cfg.between = with ? ca : NULL;
        web *w = web_open(&cfg);
        assert_int_equal(web_enroll(w, ROOT "simpleenroll", "CN=dev"), with ? 200 : 401);
        web_free(w);
    }
    X509_free(ca);
    X509_free(cert);
    EVP_PKEY_free(ca_key);
    EVP_PKEY_free(key);
}

static unsigned enroll_with(const fixture *f, X509 *cert, EVP_PKEY *key)
{
    web *w = web_open_with(f, cert, key);
    unsigned status = web_enroll(w, ROOT "simpleenroll", "CN=dev");
    web_free(w);
    return status;
}

static void restart(fixture *f)
{
    fixture_stop(f);
    fixture_start(f);
    web_port = fixture_https_port(f);
}

static void expired(void **state)
{
    fixture *f = *state;
    EVP_PKEY *key;
    X509 *cert = maker_cert(f, &(cert_cfg){.cn = "dev", .from_s = -7200, .until_s = -60}, &key);
    web_serve(f);
    assert_int_equal(enroll_with(f, cert, key), 401);
    fixture_conf(f, "server", "expired-client-anchors", f->maker_file);
    restart(f);
    assert_int_equal(enroll_with(f, cert, key), 200);
    cert_write(cert, path_in(f, "denied.pem"), "w");
    fixture_conf(f, "server", "deny", path_in(f, "denied.pem"));
    restart(f);
    assert_int_equal(enroll_with(f, cert, key), 403);
    web_refused(403);
    X509_free(cert);
    EVP_PKEY_free(key);
}

/* As /sren over CoAPS: what is over is good for its own renewal, as long as the profile says. */
static void grace(void **state)
{
    fixture *f = *state;
    fixture_conf(f, "profile", "validity", "2s");
    fixture_conf(f, "profile late", "grace", "1h");
    web_serve(f);
    web_enroll_as(f, "own");
    sleep(3);
    web *w = web_open_as(f, "own");
    assert_int_equal(web_enroll(w, ROOT "simplereenroll", "CN=dev"), 403);
    assert_int_equal(web_enroll(w, ROOT "late/simpleenroll", "CN=dev"), 403);
    assert_int_equal(web_enroll(w, ROOT "late/simplereenroll", "CN=dev"), 200);
    web_free(w);
}

static void revoke_cert(const fixture *f, const char *name)
{
    output o;
    X509 *cert = cert_read(path_in(f, "%s.crt", name));
    BIGNUM *n = ASN1_INTEGER_to_BN(X509_get0_serialNumber(cert), NULL);
    char *hex = BN_bn2hex(n);
    run(&o, "estocd", "revoke", hex, "--dir", f->srv, NULL);
    assert_int_equal(o.code, 0);
    OPENSSL_free(hex);
    BN_free(n);
    X509_free(cert);
}

static void revoked(void **state)
{
    const fixture *f = *state;
    web_enroll_as(f, "own");
    web *w = web_open_as(f, "own");
    assert_int_equal(web_enroll(w, ROOT "simplereenroll", "CN=dev"), 200);
    revoke_cert(f, "own");
    long long end = now_ms() + SOON_MS;
    while (web_enroll(w, ROOT "simplereenroll", "CN=dev") == 200) {
        assert_true(now_ms() < end);
        usleep(100000);
    }
    web_refused(403);
    web *other = web_open_as(f, "own");
    web_enroll(other, ROOT "simplereenroll", "CN=dev");
    web_refused(403);
    web_free(other);
    web_free(w);
}

static void access_rules(void **state)
{
    web *w = web_open_as(*state, "dev");
    assert_int_equal(web_enroll(w, ROOT "meters/simpleenroll", "CN=dev"), 403);
    assert_int_equal(web_enroll(w, ROOT "simpleenroll", "CN=other"), 403);
    web_free(w);
}

/* A certificate by our CA. */
static X509 *our_cert(const fixture *f, cert_cfg *cfg, EVP_PKEY *key)
{
    cfg->issuer = cert_read(path_in(f, "srv/ca.crt"));
    cfg->issuer_key = key_read(ca_key_file(f));
    X509 *cert = cert_new(key, cfg);
    X509_free(cfg->issuer);
    EVP_PKEY_free(cfg->issuer_key);
    return cert;
}

/* `ra` wants a proof of possession too, and a registrar's session has nothing to do with it. */
static void registrar(void **state)
{
    const fixture *f = *state;
    EVP_PKEY *key = key_new("P-256");
    X509 *cert = our_cert(f, &(cert_cfg){.cn = "RA", .eku = "clientAuth,1.3.6.1.5.5.7.3.28"}, key);
    web *w = web_open_with(f, cert, key);
    assert_int_equal(web_enroll(w, ROOT "simpleenroll", "CN=a device"), 403);
    assert_int_equal(web_enroll(w, ROOT "ra/simpleenroll", "CN=a device"), 200);
    web_free(w);
    EVP_PKEY_free(key);
    X509_free(cert);
}

/* ---- TLS ---- */

static void versions(void **state)
{
    static const struct {
        int version;
        const char *ciphers;
        bool good;
    } cases[] = {
        {TLS1_3_VERSION, NULL, true},
        {TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256", true},
        {TLS1_2_VERSION, "ECDHE-ECDSA-AES256-GCM-SHA384", true},
        {TLS1_2_VERSION, "ECDHE-ECDSA-CHACHA20-POLY1305", true},
        {TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA256", false},
        {TLS1_2_VERSION, "ECDHE-ECDSA-AES256-SHA", false},
        {TLS1_2_VERSION, "AES128-GCM-SHA256", false},
        {TLS1_2_VERSION, "aNULL", false},
        {TLS1_1_VERSION, "DEFAULT", false},
        {TLS1_VERSION, "DEFAULT", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        web_cfg cfg = web_as(*state, "dev");
        cfg.version = cases[i].version;
        cfg.ciphers = cases[i].ciphers;
        web *w = web_try(&cfg);
        if ((w != NULL) != cases[i].good) {
            fail_msg("case %zu", i);
        }
        if (w != NULL) {
            web_free(w);
        }
    }
}

static void renegotiation(void **state)
{
    web_cfg cfg = web_as(*state, "dev");
    cfg.version = TLS1_2_VERSION;
    web *w = web_open(&cfg);
    assert_int_equal(web_ask(w, ROOT "cacerts", NULL, &got), 200);
    (void)SSL_renegotiate(w->ssl);
    (void)SSL_do_handshake(w->ssl);
    assert_int_equal(web_ask(w, ROOT "cacerts", NULL, &got), 0);
    web_free(w);
}

static void other_curve(void **state)
{
    fixture *f = *state;
    EVP_PKEY *key = key_new("P-384");
    X509 *cert =
        our_cert(f, &(cert_cfg){.cn = "server", .san = "IP:127.0.0.1", .eku = "serverAuth"}, key);
    web_write_pair(f, "srv/server", cert, key);
    web_serve(f);
    for (int v = TLS1_2_VERSION; v <= TLS1_3_VERSION; v++) {
        web_cfg cfg = web_as(f, "dev");
        cfg.version = v;
        web *w = web_open(&cfg);
        assert_int_equal(web_enroll(w, ROOT "simpleenroll", "CN=dev"), 200);
        web_free(w);
    }
    X509_free(cert);
    EVP_PKEY_free(key);
}

/* A request with this password. */
static void csr_linked(EVP_PKEY *key, const char *cn, const char *password, body *out)
{
    body name = {.len = 0}, attr = {.len = 0}, value = {.len = 0};
    X509 *cert = cert_new(key, &(cert_cfg){.cn = cn});
    subject_of(cert, &name);
    der_tlv(&value, 0x0c, password, strlen(password)); /* UTF8String */
    der_wrap(&value, 0x31);
    der_oid(&attr, "1.2.840.113549.1.9.7");
    der_add(&attr, value.bytes, value.len);
    der_wrap(&attr, 0x30);
    csr_build(&(csr_parts){.key = key, .subject = &name, .attrs = &attr}, out);
    X509_free(cert);
}

/* RFC 5929 section 3.1: the client's Finished is the first of a full handshake. */
static void linked(void **state)
{
    for (int v = TLS1_2_VERSION; v <= TLS1_3_VERSION; v++) {
        web_cfg cfg = web_as(*state, "dev");
        cfg.version = v;
        web *w = web_open(&cfg), *other = web_open(&cfg);
        uint8_t finished[EVP_MAX_MD_SIZE];
        char link[2 * EVP_MAX_MD_SIZE];
        size_t n = SSL_get_finished(w->ssl, finished, sizeof finished);
        EVP_EncodeBlock((uint8_t *)link, finished, (int)n);
        EVP_PKEY *key = key_new("P-256");
        body csr;
        csr_linked(key, "dev", link, &csr);
        assert_int_equal(web_post(other, ROOT "linked/simpleenroll", &csr, &got), 400);
        assert_int_equal(web_enroll(w, ROOT "linked/simpleenroll", "CN=dev"), 400);
        assert_int_equal(strstr(got.text, "TLS 1.2") != NULL, v == TLS1_3_VERSION);
        assert_int_equal(web_post(w, ROOT "linked/simpleenroll", &csr, &got),
                         v == TLS1_2_VERSION ? 200 : 400);
        EVP_PKEY_free(key);
        web_free(other);
        web_free(w);
    }
}

/* ---- reload ---- */

static void reload(const fixture *f, unsigned nth)
{
    static char log[1 << 20];
    long long end = now_ms() + SOON_MS;
    assert_int_equal(kill(f->pid, SIGHUP), 0);
    for (;;) {
        unsigned n = 0;
        read_file(path_in(f, "estocd.log"), log, sizeof log);
        for (const char *at = log; (at = strstr(at, "event=reload result=done")) != NULL; at++) {
            n++;
        }
        if (n == nth) {
            return;
        }
        assert_true(now_ms() < end);
        usleep(20000);
    }
}

/* Rules hold from the next request on; the new certificate is what new connections see, and old ones
 * are ended behind their next answer. */
static void reloads(void **state)
{
    fixture *f = *state;
    web_serve(f);
    web *w = web_open_as(f, "dev"), *idle = web_open_as(f, "dev");
    assert_int_equal(web_enroll(w, ROOT "simpleenroll", "CN=dev"), 200);
    assert_null(web_header(&got, "Connection"));
    EVP_PKEY *key = key_new("P-256");
    X509 *cert =
        our_cert(f, &(cert_cfg){.cn = "server", .san = "IP:127.0.0.1", .eku = "serverAuth"}, key);
    web_write_pair(f, "srv/server", cert, key);
    fixture_conf(f, "server", "deny", path_in(f, "dev.crt"));
    reload(f, 1);
    assert_int_equal(web_enroll(w, ROOT "simpleenroll", "CN=dev"), 403);
    assert_string_equal(web_header(&got, "Connection"), "close");
    assert_false(web_hear(w, &got));
    web *fresh = web_open_as(f, "dev");
    X509 *seen = SSL_get1_peer_certificate(fresh->ssl);
    assert_int_equal(X509_cmp(seen, cert), 0);
    assert_int_equal(web_ask(idle, ROOT "cacerts", NULL, &got), 200);
    assert_string_equal(web_header(&got, "Connection"), "close");
    web_free(fresh);
    web_free(idle);
    web_free(w);
    X509_free(seen);
    X509_free(cert);
    EVP_PKEY_free(key);
}

static int start(void **state)
{
    fixture_set_up(state);
    fixture *f = *state;
    fixture_conf(f, "profile meters", "allow-subjects", "CN=meter-*");
    fixture_conf(f, "profile linked", "pop", "required");
    fixture_conf(f, "profile ra", "registrars", "yes");
    fixture_conf(f, "profile ra", "pop", "required");
    web_serve(f);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        NAMED("D2 D4 HTTPS without a certificate: cacerts and csrattrs, and no more",
              without_certificate),
        NAMED("D3 HC 299 HTTPS: who leads to no anchor does not enroll", strangers),
        NAMED("D3 HC 311 HTTPS: an intermediate that the client sends", with_intermediate),
        NAMED("D8 HTTPS: a revoked certificate, on an open connection, too", revoked),
        NAMED("D4 X10 HTTPS: who may use a profile, and for which names", access_rules),
        NAMED("E4 D9 HTTPS: a registrar of this CA enrolls others, where it may", registrar),
        NAMED("D1 HTTPS: TLS 1.2 and 1.3, with forward secrecy and AEAD", versions),
        NAMED("D8 HTTPS: renegotiation is refused", renegotiation),
        NAMED("D9 HC 174 HTTPS: tls-unique, which only TLS 1.2 has", linked),
        /* these have the port from here on */
        NAMED_ALONE("D6 HTTPS: expired, below anchors that allow it; denied", expired),
        NAMED_ALONE("E4 HTTPS: a certificate that is over is good for its own renewal", grace),
        NAMED_ALONE("D1 HTTPS: a server's key on P-384", other_curve),
        NAMED_ALONE("D8 HC 276 HTTPS: a reload: rules at once, the certificate for new connections",
                    reloads),
    };
    return cmocka_run_group_tests_name("https", tests, start, group_stop);
}
