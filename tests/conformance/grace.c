/* SPDX-License-Identifier: MIT
 *
 * A device that was away until its certificate had expired, and the grace a profile may give it. (E4)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/bn.h>

#include "device.h"

#define GRACED "/.well-known/est/graced"

/* A certificate of four seconds, as NAME.crt and so on. */
static void enroll_short(const fixture *f, const char *name)
{
    output o;
    run_as(&o, f, "dev", "enroll", f->uri, "--label", "graced", "--out", path_in(f, "%s", name),
           NULL);
    if (o.code != 0) {
        print_error("%s", o.err);
    }
    assert_int_equal(o.code, 0);
}

static void await_end(const fixture *f, const char *name, int seconds_more)
{
    X509 *cert = cert_read(path_in(f, "%s.crt", name));
    time_t now = time(NULL) - 1 - seconds_more;
    while (X509_cmp_time(X509_get0_notAfter(cert), &now) >= 0) {
        usleep(100000);
        now = time(NULL) - 1 - seconds_more;
    }
    X509_free(cert);
}

static bool gets_through(const fixture *f, const char *name)
{
    peer_cfg cfg = device_cfg(f, name);
    peer *p = peer_new(&cfg);
    bool through = peer_handshake(p, 5000);
    peer_free(p);
    return through;
}

static uint8_t get(peer *p, const char *path)
{
    wire_out o;
    reply r;
    ask(p, &o, GET);
    wire_path(&o, path);
    answer_to(p, &o, &r);
    if (r.m.code >= CODE(4, 0)) {
        check_diagnostic(&r.m);
    }
    return (uint8_t)r.m.code;
}

static uint8_t post(peer *p, const char *path)
{
    body csr, out;
    EVP_PKEY *key = key_new("P-256");
    csr_new(key, "CN=dev", NULL, &csr);
    EVP_PKEY_free(key);
    return enroll(p, path, &csr, -1, -1, &out);
}

static void renewal_only(void **state)
{
    const fixture *f = *state;
    enroll_short(f, "late");
    await_end(f, "late", 0);
    peer *p = connect_as(f, "late");
    unsigned before = issued(f);
    assert_int_equal(get(p, GRACED "/crts"), CODE(2, 5));
    assert_int_equal(get(p, GRACED "/att"), CODE(2, 5));
    assert_int_equal(get(p, EST "/crts"), CODE(4, 3)); /* a profile without */
    assert_int_equal(get(p, "/.well-known/core"), CODE(4, 3));
    assert_int_equal(post(p, GRACED "/sen"), CODE(4, 3));
    assert_int_equal(post(p, EST "/sren"), CODE(4, 3));
    assert_int_equal(issued(f), before);
    assert_int_equal(post(p, GRACED "/sren"), CODE(2, 4));
    assert_int_equal(issued(f), before + 1);
    peer_free(p);
}

static void by_estoc(void **state)
{
    const fixture *f = *state;
    output o;
    enroll_short(f, "away");
    await_end(f, "away", 0);
    run(&o, "estoc", "renew", f->uri, "--label", "graced", "--out", path_in(f, "away"), "--if-due",
        NULL);
    if (o.code != 0) {
        print_error("%s", o.err);
    }
    assert_int_equal(o.code, 0);
    check_pair(f, "away");
}

/* An association that was open when the certificate ended has no more than a new one. */
static void ended_since(void **state)
{
    const fixture *f = *state;
    enroll_short(f, "open");
    peer *p = connect_as(f, "open");
    await_end(f, "open", 0);
    assert_int_equal(get(p, EST "/crts"), CODE(4, 3));
    assert_int_equal(post(p, GRACED "/sen"), CODE(4, 3));
    assert_int_equal(post(p, GRACED "/sren"), CODE(2, 4));
    peer_free(p);
}

static void never_revoked(void **state)
{
    const fixture *f = *state;
    output o;
    enroll_short(f, "lost");
    peer *p = connect_as(f, "lost");
    X509 *cert = cert_read(path_in(f, "lost.crt"));
    BIGNUM *n = ASN1_INTEGER_to_BN(X509_get0_serialNumber(cert), NULL);
    char *hex = BN_bn2hex(n);
    run(&o, "estocd", "revoke", hex, "--dir", f->srv, NULL);
    assert_int_equal(o.code, 0);
    OPENSSL_free(hex);
    BN_free(n);
    X509_free(cert);
    await_end(f, "lost", 0);
    unsigned before = issued(f);
    long long until = now_ms() + 10000; /* a second is promised; this only bounds the test */
    while (get(p, GRACED "/crts") == CODE(2, 5)) {
        assert_true(now_ms() < until);
        usleep(20000);
    }
    assert_int_equal(get(p, GRACED "/crts"), CODE(4, 3));
    assert_int_equal(post(p, GRACED "/sren"), CODE(4, 3));
    assert_int_equal(issued(f), before);
    peer_free(p);
    peer_cfg cfg = device_cfg(f, "lost");
    p = peer_new(&cfg);
    assert_false(peer_handshake(p, 10000));
    assert_int_equal(p->alert_in, 2 << 8 | 44); /* fatal, certificate_revoked */
    peer_free(p);
}

/* Neither another CA's, nor one that is yet to come. */
static void never_others(void **state)
{
    const fixture *f = *state;
    static const cert_cfg odd[] = {{.cn = "dev", .from_s = -7200, .until_s = -10},
                                   {.cn = "dev", .from_s = 3600, .until_s = 7200}};
    for (size_t i = 0; i < 2; i++) {
        EVP_PKEY *key;
        X509 *cert = maker_cert(f, &odd[i], &key);
        peer_cfg cfg = {.port = f->port, .own = cert, .own_key = key};
        peer *p = peer_new(&cfg);
        assert_false(peer_handshake(p, 5000));
        peer_free(p);
        X509_free(cert);
        EVP_PKEY_free(key);
    }
}

static void off(void **state)
{
    fixture *f = *state;
    fixture_conf(f, "profile graced", "validity", "4s");
    fixture_start(f);
    enroll_short(f, "off");
    await_end(f, "off", 0);
    assert_false(gets_through(f, "off")); /* the default */
    fixture_stop(f);
    fixture_conf(f, "profile graced", "grace", "1s");
    fixture_start(f);
    await_end(f, "off", 2);
    assert_false(gets_through(f, "off")); /* over, too */
    fixture_stop(f);
    fixture_conf(f, "profile graced", "grace", "1d");
    fixture_start(f);
    assert_true(gets_through(f, "off"));
    fixture_stop(f);
}

static int start(void **state)
{
    fixture_set_up(state);
    fixture_conf(*state, "profile graced", "validity", "4s");
    fixture_conf(*state, "profile graced", "grace", "1h");
    fixture_conf(*state, "profile graced", "attributes", "1.2.3");
    fixture_start(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        NAMED("E4 an expired certificate within the grace: its renewal and nothing else",
              renewal_only),
        NAMED("E4 K3 estoc renews an expired certificate within the grace", by_estoc),
        NAMED("E4 a certificate that expires during an association", ended_since),
        NAMED("E4 HC 171 a revoked certificate has no grace", never_revoked),
        NAMED("E4 D6 another CA's certificate has no grace", never_others),
        NAMED_ALONE("E4 D6 no grace by default, and none beyond its end", off),
    };
    return cmocka_run_group_tests_name("grace", tests, start, group_stop);
}
