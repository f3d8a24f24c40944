/* SPDX-License-Identifier: MIT
 *
 * Manufacturers' certificates that have expired, and ones that are denied.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/pem.h>

#include "device.h"

/* TLS alert descriptions. */
enum { CERTIFICATE_REVOKED = 44, CERTIFICATE_EXPIRED = 45, FATAL = 2 };

typedef struct holder {
    EVP_PKEY *key;
    X509 *cert;
} holder;

static holder holder_of(const fixture *f, long until_s)
{
    holder h;
    h.cert = maker_cert(f, &(cert_cfg){.cn = "old", .from_s = -7200, .until_s = until_s}, &h.key);
    return h;
}

static void holder_free(holder *h)
{
    X509_free(h->cert);
    EVP_PKEY_free(h->key);
}

static peer_cfg cfg_of(const fixture *f, const holder *h)
{
    return (peer_cfg){
        .port = f->port, .ta = path_in(f, "dev.ta"), .own = h->cert, .own_key = h->key};
}

static int refused(const fixture *f, const holder *h)
{
    peer_cfg cfg = cfg_of(f, h);
    peer *p = peer_new(&cfg);
    assert_false(peer_handshake(p, 10000));
    assert_int_equal(p->alert_in >> 8, FATAL);
    int description = p->alert_in & 0xff;
    peer_free(p);
    return description;
}

static uint8_t ask_for(peer *p, const char *path)
{
    EVP_PKEY *key = key_new("P-256");
    body csr, answer;
    csr_new(key, "CN=old", NULL, &csr);
    uint8_t code = enroll(p, path, &csr, -1, -1, &answer);
    EVP_PKEY_free(key);
    return code;
}

static void off(void **state)
{
    fixture *f = *state;
    fixture_start(f);
    holder old = holder_of(f, -60);
    assert_int_equal(refused(f, &old), CERTIFICATE_EXPIRED);
    holder_free(&old);
    assert_int_equal(issued(f), 0);
}

static void on(void **state)
{
    fixture *f = *state;
    static char log[1 << 16];
    fixture_conf(f, "server", "expired-client-anchors", f->maker_file);
    fixture_conf(f, "server", "log", "debug");
    fixture_start(f);
    holder old = holder_of(f, -60);
    peer_cfg cfg = cfg_of(f, &old);
    for (int i = 0; i < 2; i++) { /* never resumed: each time its certificate is looked at */
        peer *p = peer_connect(&cfg);
        assert_false(SSL_session_reused(p->ssl));
        body certs;
        fetch(p, EST "/crts", -1, -1, &certs);
        assert_int_equal(ask_for(p, EST "/sen"), CODE(2, 4));
        assert_int_equal(ask_for(p, EST "/sren"), CODE(4, 3));
        SSL_SESSION_free(cfg.session);
        cfg.session = SSL_get1_session(p->ssl);
        peer_close(p);
        peer_free(p);
    }
    SSL_SESSION_free(cfg.session);
    read_file(path_in(f, "estocd.log"), log, sizeof log);
    assert_non_null(strstr(log, "expired=yes"));
    holder_free(&old);
    old = holder_of(f, 86400); /* and devices in their time */
    cfg = cfg_of(f, &old);
    peer *p = peer_connect(&cfg);
    assert_int_equal(ask_for(p, EST "/sen"), CODE(2, 4));
    peer_free(p);
    holder_free(&old);
}

/* Of our own CA, which is an anchor like others. */
static void another_anchor(void **state)
{
    fixture *f = *state;
    fixture_conf(f, "server", "expired-client-anchors", f->maker_file);
    fixture_start(f);
    EVP_PKEY *ca_key = key_read(ca_key_file(f));
    X509 *ca = cert_read(path_in(f, "srv/ca.crt"));
    holder ours = {.key = key_new("P-256")};
    ours.cert = cert_new(
        ours.key,
        &(cert_cfg){
            .cn = "old", .issuer = ca, .issuer_key = ca_key, .from_s = -7200, .until_s = -60});
    assert_int_equal(refused(f, &ours), CERTIFICATE_EXPIRED);
    holder_free(&ours);
    X509_free(ca);
    EVP_PKEY_free(ca_key);
}

static void denied(void **state)
{
    fixture *f = *state;
    output o;
    holder lost = holder_of(f, 86400), old = holder_of(f, -60), good = holder_of(f, 86400);
    cert_write(lost.cert, path_in(f, "srv/lost.pem"), "w");
    cert_write(old.cert, path_in(f, "srv/lost.pem"), "a");
    fixture_conf(f, "server", "expired-client-anchors", f->maker_file);
    fixture_conf(f, "server", "deny", "lost.pem");
    fixture_start(f);
    assert_int_equal(refused(f, &lost), CERTIFICATE_REVOKED);
    assert_int_equal(refused(f, &old), CERTIFICATE_REVOKED);
    cert_turn_signature(lost.cert);
    assert_int_equal(refused(f, &lost), CERTIFICATE_REVOKED);
    peer_cfg cfg = cfg_of(f, &good);
    peer *p = peer_connect(&cfg);
    expect_alive(p);
    peer_free(p);
    holder_free(&lost);
    holder_free(&old);
    holder_free(&good);
    write_file(path_in(f, "srv/lost.pem"), "nothing", 7, "w");
    run(&o, "estocd", "check", "--dir", f->srv, NULL);
    assert_int_equal(o.code, 1);
    assert_non_null(strstr(o.err, "lost.pem"));
}

/* What the manufacturer publishes, in PEM. */
static void publish(const fixture *f, X509 *issuer, EVP_PKEY *key, X509 *const *listed, size_t n,
                    long next_s)
{
    X509_CRL *crl = X509_CRL_new();
    ASN1_TIME *at = X509_gmtime_adj(NULL, -7200), *next = X509_gmtime_adj(NULL, next_s);
    X509_CRL_set_version(crl, X509_CRL_VERSION_2);
    X509_CRL_set_issuer_name(crl, X509_get_subject_name(issuer));
    X509_CRL_set1_lastUpdate(crl, at);
    X509_CRL_set1_nextUpdate(crl, next);
    for (size_t i = 0; i < n; i++) {
        X509_REVOKED *r = X509_REVOKED_new();
        X509_REVOKED_set_serialNumber(r, X509_get_serialNumber(listed[i]));
        X509_REVOKED_set_revocationDate(r, at);
        X509_CRL_add0_revoked(crl, r);
    }
    assert_true(X509_CRL_sign(crl, key, EVP_sha256()) > 0);
    FILE *out = fopen(path_in(f, "srv/lists.pem"), "w");
    assert_int_equal(PEM_write_X509_CRL(out, crl), 1);
    fclose(out);
    ASN1_TIME_free(at);
    ASN1_TIME_free(next);
    X509_CRL_free(crl);
}

static void listed(void **state)
{
    fixture *f = *state;
    holder old = holder_of(f, -60), lost = holder_of(f, 86400), good = holder_of(f, 86400);
    X509 *const both[] = {old.cert, lost.cert};
    publish(f, f->maker, f->maker_key, both, 2, 86400);
    fixture_conf(f, "server", "expired-client-anchors", f->maker_file);
    fixture_conf(f, "server", "client-crls", "lists.pem");
    fixture_conf(f, "server", "unrecognised", "answer");
    fixture_start(f);
    assert_int_equal(refused(f, &old), CERTIFICATE_REVOKED);
    assert_int_equal(refused(f, &lost), CERTIFICATE_REVOKED);
    peer_cfg cfg = cfg_of(f, &good);
    peer *p = peer_connect(&cfg);
    assert_int_equal(ask_for(p, EST "/sen"), CODE(2, 4));
    peer_free(p);
    p = connect_as(f, "dev"); /* another issuer's */
    expect_alive(p);
    peer_free(p);
    assert_int_equal(issued(f), 1);
    holder_free(&old);
    holder_free(&lost);
    holder_free(&good);
}

static bool alive(peer *p)
{
    wire_out o;
    reply r;
    ask(p, &o, GET);
    wire_path(&o, EST "/crts");
    answer_to(p, &o, &r);
    assert_true(r.m.code == CODE(2, 5) || r.m.code == CODE(4, 3));
    return r.m.code == CODE(2, 5);
}

static void reload_until_refused(const fixture *f, peer *p)
{
    long long end = now_ms() + 20000;
    assert_int_equal(kill(f->pid, SIGHUP), 0);
    while (alive(p)) {
        assert_true(now_ms() < end);
        usleep(20000);
    }
}

/* SIGHUP: for open associations, too, and for sessions of before. */
static void listed_since(void **state)
{
    fixture *f = *state;
    holder lost = holder_of(f, 86400), good = holder_of(f, 86400);
    publish(f, f->maker, f->maker_key, NULL, 0, 86400);
    fixture_conf(f, "server", "client-crls", "lists.pem");
    fixture_start(f);
    peer_cfg cfg = cfg_of(f, &lost), good_cfg = cfg_of(f, &good);
    peer *p = peer_connect(&cfg), *other = peer_connect(&good_cfg);
    assert_true(alive(p));
    cfg.session = SSL_get1_session(p->ssl);
    publish(f, f->maker, f->maker_key, &lost.cert, 1, 86400);
    reload_until_refused(f, p);
    assert_int_equal(ask_for(p, EST "/sen"), CODE(4, 3));
    assert_true(alive(other));
    cert_write(good.cert, path_in(f, "srv/denied.pem"), "w");
    fixture_conf(f, "server", "deny", "denied.pem");
    reload_until_refused(f, other);
    peer_free(p);
    peer_free(other);
    p = peer_new(&cfg);
    assert_false(peer_handshake(p, 10000));
    assert_int_equal(p->alert_in, FATAL << 8 | CERTIFICATE_REVOKED);
    peer_free(p);
    assert_int_equal(issued(f), 0);
    SSL_SESSION_free(cfg.session);
    holder_free(&lost);
    holder_free(&good);
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

static void lists_checked(void **state)
{
    fixture *f = *state;
    static char log[1 << 16];
    fixture_conf(f, "server", "client-crls", "lists.pem");
    check_says(f, 1, "lists.pem: cannot be read");
    EVP_PKEY *key = key_new("P-256");
    X509 *fake = cert_new(key, &(cert_cfg){.cn = "Maker", .ca = true});
    publish(f, fake, key, NULL, 0, 86400);
    check_says(f, 1, "signed by none of the client anchors");
    EVP_PKEY_free(key);
    X509_free(fake);
    publish(f, f->maker, f->maker_key, NULL, 0, -3600);
    check_says(f, 0, "lists.pem: a list in it is out of date");
    fixture_start(f);
    read_file(path_in(f, "estocd.log"), log, sizeof log);
    assert_non_null(strstr(log, "a list is out of date"));
    assert_non_null(strstr(log, "CN=Maker"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        NAMED_ALONE("D6 HC 52 an expired IDevID is certificate_expired by default", off),
        NAMED_ALONE("D6 HC 52 and is accepted below the anchors configured for it", on),
        NAMED_ALONE("D6 HC 52 below no other anchor", another_anchor),
        NAMED_ALONE("D6 a denied certificate is refused, however its signature is written", denied),
        NAMED_ALONE("D6 HC 52 on the list of its manufacturer: refused, expired or not", listed),
        NAMED_ALONE("D6 D8 on a list that came with a reload", listed_since),
        NAMED_ALONE("D6 cli check tells what is wrong with a list", lists_checked),
    };
    return cmocka_run_group_tests_name("expired", tests, NULL, NULL);
}
