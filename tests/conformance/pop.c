/* SPDX-License-Identifier: MIT
 *
 * Proof of possession linked to the session, and registrars, who stand between.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/evp.h>

#include "device.h"

enum { LINK_LEN = 16 }; /* of 12 bytes in Base64 */

/* RFC 5929 section 3.1: the first Finished of the handshake. */
static void link_of(const peer *p, char *out)
{
    uint8_t finished[EVP_MAX_MD_SIZE];
    size_t n = SSL_session_reused(p->ssl) ? SSL_get_peer_finished(p->ssl, finished, sizeof finished)
                                          : SSL_get_finished(p->ssl, finished, sizeof finished);
    assert_int_equal(n, 12);
    assert_int_equal(EVP_EncodeBlock((uint8_t *)out, finished, 12), LINK_LEN);
}

/* A request with this password, as it stands. NULL: without */
static void csr_linked(const char *subject, const char *password, size_t len, body *out)
{
    EVP_PKEY *key = key_new("P-256");
    body name = {.len = 0}, attr = {.len = 0}, value = {.len = 0};
    X509 *cert = cert_new(key, &(cert_cfg){.cn = subject});
    subject_of(cert, &name);
    der_tlv(&value, 0x0c, password, len); /* UTF8String */
    der_wrap(&value, 0x31);
    der_oid(&attr, "1.2.840.113549.1.9.7");
    der_add(&attr, value.bytes, value.len);
    der_wrap(&attr, 0x30);
    csr_build(&(csr_parts){.key = key, .subject = &name, .attrs = password != NULL ? &attr : NULL},
              out);
    X509_free(cert);
    EVP_PKEY_free(key);
}

static uint8_t send_linked(peer *p, const char *label, const char *password, size_t len, reply *r)
{
    body csr;
    wire_out o;
    char path[64];
    snprintf(path, sizeof path, EST "%s/sen", label);
    csr_linked("dev", password, len, &csr);
    ask(p, &o, POST);
    wire_path(&o, path);
    wire_uint(&o, OPT_FORMAT, 286);
    wire_payload(&o, csr.bytes, csr.len);
    answer_to(p, &o, r);
    if (r->m.code >= CODE(4, 0)) {
        check_diagnostic(&r->m);
    }
    return (uint8_t)r->m.code;
}

static void expect_wrong(peer *p, const char *password, size_t len)
{
    reply r;
    static const char *const labels[] = {"/linked", "/maybe"};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(send_linked(p, labels[i], password, len, &r), CODE(4, 0));
        assert_non_null(memmem(r.m.payload, r.m.payload_len, "identity linking", 16));
    }
    assert_int_equal(send_linked(p, "", password, len, &r), CODE(2, 4)); /* not compared there */
}

static void right_and_wrong(void **state)
{
    const fixture *f = *state;
    peer *p = connect_as(f, "dev");
    char right[LINK_LEN + 1], wrong[300];
    reply r;
    link_of(p, right);
    assert_int_equal(send_linked(p, "/linked", right, LINK_LEN, &r), CODE(2, 4));
    assert_int_equal(send_linked(p, "/maybe", right, LINK_LEN, &r), CODE(2, 4));
    assert_int_equal(send_linked(p, "/maybe", NULL, 0, &r), CODE(2, 4));
    assert_int_equal(send_linked(p, "/linked", NULL, 0, &r), CODE(4, 0));
    assert_non_null(memmem(r.m.payload, r.m.payload_len, "challengePassword", 17));
    unsigned before = issued(f);
    for (size_t n = 1; n < LINK_LEN; n += 4) {
        reply q;
        assert_int_equal(send_linked(p, "/linked", right, n, &q), CODE(4, 0)); /* a prefix */
    }
    snprintf(wrong, sizeof wrong, "%s%s", right, right);
    assert_int_equal(send_linked(p, "/linked", wrong, LINK_LEN + 1, &r), CODE(4, 0));
    assert_int_equal(send_linked(p, "/linked", wrong, 2 * LINK_LEN, &r), CODE(4, 0));
    memset(wrong, 'A', sizeof wrong);
    assert_int_equal(send_linked(p, "/linked", wrong, 255, &r), CODE(4, 0));
    assert_int_equal(send_linked(p, "/linked", wrong, 256, &r), CODE(4, 0));
    assert_int_equal(send_linked(p, "/linked", wrong, 0, &r), CODE(4, 0));
    assert_int_equal(issued(f), before);
    right[3] ^= 1;
    expect_wrong(p, right, LINK_LEN);
    peer_free(p);
}

static void of_another_session(void **state)
{
    const fixture *f = *state;
    char link[LINK_LEN + 1];
    peer *p = connect_as(f, "dev"), *other = connect_as(f, "dev");
    link_of(other, link);
    expect_wrong(p, link, LINK_LEN);
    peer_free(p);
    peer_free(other);
}

static void resumed(void **state)
{
    const fixture *f = *state;
    char before[LINK_LEN + 1], now[LINK_LEN + 1];
    reply r;
    peer *p = connect_as(f, "dev");
    link_of(p, before);
    SSL_SESSION *session = SSL_get1_session(p->ssl);
    peer_close(p);
    peer_free(p);
    peer_cfg cfg = device_cfg(f, "dev");
    cfg.session = session;
    p = peer_connect(&cfg);
    assert_true(SSL_session_reused(p->ssl));
    link_of(p, now); /* the server's Finished */
    assert_int_equal(send_linked(p, "/linked", now, LINK_LEN, &r), CODE(2, 4));
    expect_wrong(p, before, LINK_LEN);
    peer_free(p);
    SSL_SESSION_free(session);
}

/* HC 176 */
static void in_fragments(void **state)
{
    const fixture *f = *state;
    static const unsigned mtu[] = {256 - 28, 1280 - 28};
    for (size_t i = 0; i < 2; i++) {
        char link[LINK_LEN + 1];
        body csr, answer;
        peer_cfg cfg = device_cfg(f, "dev");
        cfg.mtu = mtu[i];
        peer *p = peer_connect(&cfg);
        link_of(p, link);
        csr_linked("dev", link, LINK_LEN, &csr);
        assert_int_equal(enroll(p, EST "/linked/sen", &csr, -1, 2, &answer), CODE(2, 4));
        peer_free(p);
    }
}

static void asked_for(void **state)
{
    static const uint8_t want[] = {0x30, 11, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 9, 7};
    body att;
    peer *p = connect_as(*state, "dev");
    fetch(p, EST "/linked/att", -1, -1, &att);
    assert_int_equal(att.len, sizeof want);
    assert_memory_equal(att.bytes, want, sizeof want);
    peer_free(p);
}

static void by_command(void **state)
{
    const fixture *f = *state;
    output o;
    char op[PATH_LEN], session[PATH_LEN];
    strcpy(op, path_in(f, "op"));
    strcpy(session, path_in(f, "session"));
    /* asked by /att; by --pop; in a resumed session; at 256 bytes */
    run_as(&o, f, "dev", "enroll", f->uri, "--label", "linked", "--out", op, NULL);
    assert_int_equal(o.code, 0);
    run(&o, "estoc", "renew", f->uri, "--label", "linked", "--out", op, "--pop", NULL);
    assert_int_equal(o.code, 0);
    for (int i = 0; i < 2; i++) {
        run_as(&o, f, "dev", "enroll", f->uri, "--label", "maybe", "--out", path_in(f, "r%d", i),
               "--pop", "--resume", session, "-v", NULL);
        assert_int_equal(o.code, 0);
        assert_true((strstr(o.err, "session resumed") != NULL) == (i == 1));
    }
    run_as(&o, f, "dev", "enroll", f->uri, "--label", "linked", "--mtu", "256", "--block-size",
           "64", "--out", path_in(f, "small"), NULL);
    assert_int_equal(o.code, 0);
    run_as(&o, f, "dev", "keygen", f->uri, "--label", "linked", "--subject", "CN=dev", "--out",
           path_in(f, "made"), NULL);
    assert_int_equal(o.code, 0);
    run_as(&o, f, "dev", "bench", f->uri, "--label", "linked", "--pop", "--count", "5", NULL);
    assert_int_equal(o.code, 0);
    run_as(&o, f, "dev", "bench", f->uri, "--label", "linked", "--count", "5", NULL);
    assert_int_equal(o.code, 4);
    write_file(path_in(f, "any.csr"), "x", 1, "w");
    run_as(&o, f, "dev", "sen", f->uri, "--csr", path_in(f, "any.csr"), "--pop", NULL);
    assert_int_equal(o.code, 1);
}

static EVP_PKEY *key_of_request(const char *file)
{
    static char text[8192];
    size_t len = read_file(file, text, sizeof text);
    const uint8_t *at = (const uint8_t *)text;
    X509_REQ *req = d2i_X509_REQ(NULL, &at, (long)len);
    if (req == NULL) {
        BIO *bio = BIO_new_mem_buf(text, (int)len);
        req = PEM_read_bio_X509_REQ(bio, NULL, NULL, NULL);
        BIO_free(bio);
    }
    assert_non_null(req);
    EVP_PKEY *key = X509_REQ_get_pubkey(req);
    X509_REQ_free(req);
    return key;
}

/* A request left from a session that is over is made anew, for the same key. */
static void pending_request(void **state)
{
    fixture *f = *state;
    output o;
    char op[PATH_LEN];
    strcpy(op, path_in(f, "late"));
    run_as(&o, f, "dev", "enroll", f->uri, "--label", "slow", "--pop", "--out", op, NULL);
    assert_int_equal(o.code, 75);
    bool in_a = access(path_in(f, "late.d/a/csr"), R_OK) == 0;
    EVP_PKEY *first = key_of_request(path_in(f, in_a ? "late.d/a/csr" : "late.d/b/csr"));
    run_as(&o, f, "dev", "enroll", f->uri, "--label", "linked", "--out", op, NULL);
    assert_int_equal(o.code, 0);
    X509 *cert = cert_read(path_in(f, "late.crt"));
    assert_int_equal(EVP_PKEY_eq(X509_get0_pubkey(cert), first), 1);
    X509_free(cert);
    EVP_PKEY_free(first);
}

/* ---- registrars ---- */

static X509 *ra_cert(const fixture *f, bool ours, EVP_PKEY **key)
{
    cert_cfg cfg = {.cn = "RA", .eku = "clientAuth,1.3.6.1.5.5.7.3.28"};
    if (!ours) {
        return maker_cert(f, &cfg, key);
    }
    cfg.issuer = cert_read(path_in(f, "srv/ca.crt"));
    cfg.issuer_key = key_read(ca_key_file(f));
    *key = key_new("P-256");
    X509 *cert = cert_new(*key, &cfg);
    X509_free(cfg.issuer);
    EVP_PKEY_free(cfg.issuer_key);
    return cert;
}

static void registrar(void **state)
{
    const fixture *f = *state;
    for (int ours = 0; ours < 2; ours++) {
        EVP_PKEY *key;
        body csr, answer;
        X509 *cert = ra_cert(f, ours, &key);
        peer *p = peer_connect(
            &(peer_cfg){.port = f->port, .ta = path_in(f, "dev.ta"), .own = cert, .own_key = key});
        csr_linked("a device", NULL, 0, &csr);
        assert_int_equal(enroll(p, EST "/sen", &csr, -1, -1, &answer), CODE(4, 3));
        assert_int_equal(enroll(p, EST "/ra/sen", &csr, -1, -1, &answer),
                         ours ? CODE(2, 4) : CODE(4, 3));
        /* HC 307: the log tells whose certificate it was, and that it was for another */
        static char log[1 << 20];
        read_file(path_in(f, "estocd.log"), log, sizeof log);
        assert_non_null(strstr(log, ours ? "client_ca=\"CN=Test CA" : "client_ca=CN=Maker"));
        assert_true((strstr(log, "registrar=CN=RA") != NULL) == ours);
        peer_free(p);
        X509_free(cert);
        EVP_PKEY_free(key);
    }
}

static int start(void **state)
{
    fixture_set_up(state);
    fixture_conf(*state, "profile linked", "pop", "required");
    fixture_conf(*state, "profile linked", "keygen", "yes");
    fixture_conf(*state, "profile maybe", "pop", "optional");
    fixture_conf(*state, "profile slow", "pop", "required");
    fixture_conf(*state, "profile slow", "approval", "manual");
    fixture_conf(*state, "profile ra", "registrars", "yes");
    fixture_conf(*state, "profile ra", "pop", "required");
    fixture_start(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        NAMED("D9 HC 174 tls-unique is compared as a whole", right_and_wrong),
        NAMED("D9 HC 174 tls-unique of another session is wrong", of_another_session),
        NAMED("D9 D8 HC 174 in a resumed session it is the server's Finished", resumed),
        NAMED("D9 HC 176 the same at MTU 256 and 1280", in_fragments),
        NAMED("D9 E3 /att asks for challengePassword where it is required", asked_for),
        NAMED("D9 cli enroll, renew and bench link their requests", by_command),
        NAMED("D9 K2 a pending request of another session is made anew", pending_request),
        NAMED("D9 HC 307 a registrar of this CA enrolls others, where it may", registrar),
    };
    return cmocka_run_group_tests_name("pop", tests, start, group_stop);
}
