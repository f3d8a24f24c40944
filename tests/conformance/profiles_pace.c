/* SPDX-License-Identifier: MIT
 *
 * How often a profile gives a certificate: so many for one subject and day, and a renewal not before it
 * is time. (X11, E6)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "device.h"

static int start(void **state)
{
    fixture_set_up(state);
    fixture *f = *state;
    fixture_device(f, "CN=other", "other");
    fixture_conf(f, "profile few", "per-day", "2");
    fixture_conf(f, "profile few", "keygen", "yes");
    fixture_conf(f, "profile late", "renew-window", "50%");
    fixture_conf(f, "profile late", "validity", "10d");
    fixture_conf(f, "profile soon", "renew-window", "50%"); /* of 400 s: the first 300 lie behind */
    fixture_conf(f, "profile soon", "validity", "100s");
    fixture_conf(f, "profile days", "renew-window", "11d");
    fixture_conf(f, "profile days", "validity", "10d");
    fixture_start(f);
    server = f;
    return 0;
}

static uint8_t post(peer *p, const char *path, const body *csr, reply *r)
{
    wire_out o;
    ask(p, &o, POST);
    wire_path(&o, path);
    wire_uint(&o, OPT_FORMAT, 286);
    wire_uint(&o, OPT_ACCEPT, 287);
    wire_payload(&o, csr->bytes, csr->len);
    answer_to(p, &o, r);
    if (r->m.code >= CODE(4, 0)) {
        check_diagnostic(&r->m);
    }
    return (uint8_t)r->m.code;
}

static uint8_t enroll_as(peer *p, const char *path, reply *r)
{
    body csr;
    EVP_PKEY *key = key_new("P-256");
    csr_new(key, "", NULL, &csr);
    EVP_PKEY_free(key);
    return post(p, path, &csr, r);
}

/* ---------------------------------------------------------------------------------- so many a day */

#define FEW "/.well-known/est/few"

static void a_few(void **state)
{
    (void)state;
    reply r;
    body csr;
    EVP_PKEY *key = key_new("P-256");
    csr_new(key, "CN=dev", NULL, &csr);
    unsigned before = issued(server);
    assert_int_equal(post(dev, FEW "/sen", &csr, &r), CODE(2, 4));
    assert_int_equal(enroll_as(dev, FEW "/sen", &r), CODE(2, 4));
    assert_int_equal(post(dev, FEW "/sen", &csr, &r), CODE(2, 4)); /* E6: it is none more */
    assert_int_equal(issued(server), before + 2);
    EVP_PKEY_free(key);
}

static void no_more(void **state)
{
    (void)state;
    reply r;
    assert_int_equal(enroll_as(dev, FEW "/sen", &r), CODE(4, 29));
    assert_in_range(wire_uint_of(&r.m, OPT_MAX_AGE, 0), 80000, 86400);
    body csr, answer;
    EVP_PKEY *key = key_new("P-256");
    csr_new(key, "", NULL, &csr);
    EVP_PKEY_free(key);
    assert_int_equal(enroll(dev, FEW "/skg", &csr, -1, 6, &answer), CODE(4, 29));
    /* others, and elsewhere */
    peer *p = connect_as(server, "other");
    assert_int_equal(enroll_as(p, FEW "/sen", &r), CODE(2, 4));
    peer_free(p);
    assert_int_equal(enroll_as(dev, EST "/sen", &r), CODE(2, 4));
}

static void another_day(void **state)
{
    (void)state;
    reply r;
    sqlite3 *db;
    if (getenv("ESTOC_TEST_STORE") != NULL) {
        return; /* what lies back is set in the file */
    }
    assert_int_equal(sqlite3_open(path_in(server, "srv/store.db"), &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 5000);
    assert_int_equal(
        sqlite3_exec(db, "UPDATE cert SET issued_at = issued_at - 86400", NULL, NULL, NULL),
        SQLITE_OK);
    sqlite3_close(db);
    assert_int_equal(enroll_as(dev, FEW "/sen", &r), CODE(2, 4));
}

/* Requests that come together are counted together. */
static void at_once(void **state)
{
    fixture *f = *state;
    enum { PEERS = 6 };
    peer *p[PEERS];
    body csr[PEERS];
    unsigned given = 0;
    fixture_conf(f, "profile", "per-day", "2");
    fixture_start(f);
    for (int i = 0; i < PEERS; i++) {
        EVP_PKEY *key = key_new("P-256");
        csr_new(key, "", NULL, &csr[i]);
        EVP_PKEY_free(key);
        p[i] = connect_as(f, "dev");
    }
    for (int i = 0; i < PEERS; i++) {
        wire_out o;
        ask(p[i], &o, POST);
        wire_path(&o, EST "/sen");
        wire_uint(&o, OPT_FORMAT, 286);
        wire_payload(&o, csr[i].bytes, csr[i].len);
        peer_send(p[i], o.bytes, o.len);
    }
    for (int i = 0; i < PEERS; i++) {
        reply r;
        do {
            r.len = peer_recv(p[i], r.bytes, sizeof r.bytes, ANSWER_MS);
            assert_true(wire_parse(&r.m, r.bytes, r.len));
        } while (r.m.code == 0);
        assert_true(r.m.code == CODE(2, 4) || r.m.code == CODE(4, 29));
        given += r.m.code == CODE(2, 4);
        peer_free(p[i]);
    }
    assert_int_equal(given, 2);
    assert_int_equal(issued(f), 2);
}

/* --------------------------------------------------------------------------------------- renewals */

/* A certificate by this label, and what comes of its renewal there. */
static uint8_t renewed(const char *label, reply *r, reply *again)
{
    char path[64];
    body csr, answer;
    EVP_PKEY *key = key_new("P-256");
    snprintf(path, sizeof path, EST "/%s/sen", label);
    csr_new(key, "CN=dev", NULL, &csr);
    assert_int_equal(enroll(dev, path, &csr, 287, -1, &answer), CODE(2, 4));
    X509 *cert = cert_for(&answer, 287, key);
    peer *p = peer_connect(&(peer_cfg){.port = server->port, .own = cert, .own_key = key});
    snprintf(path, sizeof path, EST "/%s/sren", label);
    EVP_PKEY *next = key_new("P-256");
    csr_new(next, "CN=dev", NULL, &csr);
    uint8_t code = post(p, path, &csr, r);
    assert_int_equal(post(p, path, &csr, again), code);
    peer_free(p);
    X509_free(cert);
    EVP_PKEY_free(key);
    EVP_PKEY_free(next);
    return code;
}

static void in_the_window(void **state)
{
    (void)state;
    static const char *const labels[] = {"soon", "days"};
    for (size_t i = 0; i < 2; i++) {
        reply r, again;
        assert_int_equal(renewed(labels[i], &r, &again), CODE(2, 4));
        assert_int_equal(r.m.payload_len, again.m.payload_len); /* E6 */
        assert_memory_equal(r.m.payload, again.m.payload, r.m.payload_len);
    }
}

static void too_early(void **state)
{
    (void)state;
    reply r, again;
    unsigned before = issued(server);
    assert_int_equal(renewed("late", &r, &again), CODE(4, 3));
    assert_memory_equal(r.m.payload, "too early to renew, come back after 2", 37);
    assert_int_equal(issued(server), before + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OVER_DTLS("X11 so many certificates for one subject and day", a_few),
        OVER_DTLS("X11 one more is 4.29 with Max-Age", no_more),
        OVER_DTLS("X11 the next day there are more", another_day),
        NAMED_ALONE("X11 requests that come together are counted together", at_once),
        OVER_DTLS("E6 a renewal when it is time, and the same again", in_the_window),
        OVER_DTLS("X11 a renewal before is 4.03, and says when", too_early),
    };
    return cmocka_run_group_tests_name("conformance profiles_pace", tests, start, group_stop);
}
