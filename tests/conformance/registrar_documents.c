/* SPDX-License-Identifier: MIT
 *
 * What a registrar serves from its cache: the upstream's anchors and attributes, stale rather than none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "upstream.h"

enum { FOLLOW_MS = 10000 };

#define OFTEN "[registrar]\nrefresh = 1s\n"

static registrar *reg;
static peer *p;

static void start_with(void **state, const char *more)
{
    reg = *state;
    registrar_conf(reg, &(registrar_cfg){.more = more});
    fixture_start(&reg->f);
    p = connect_as(&reg->f, "dev");
}

static void restart(void)
{
    peer_free(p);
    fixture_restart(&reg->f);
    p = connect_as(&reg->f, "dev");
}

static uint8_t get(const char *path, reply *r)
{
    wire_out o;
    ask(p, &o, GET);
    wire_path(&o, path);
    answer_to(p, &o, r);
    if (r->m.code >= CODE(4, 0)) {
        check_diagnostic(&r->m);
    }
    return (uint8_t)r->m.code;
}

/* Until it is answered with that code. */
static void await(const char *path, uint8_t code, reply *r)
{
    long long end = now_ms() + FOLLOW_MS;
    while (get(path, r) != code) {
        if (now_ms() > end) {
            fail_msg("%s: still %u.%02u", path, r->m.code >> 5, r->m.code & 31u);
        }
        usleep(100000);
    }
}

/* /crts has just these certificates, root first. Files of the scripted server's directory. */
static bool crts_are(const char *const *files, int n)
{
    body cms;
    fetch(p, EST "/crts", 281, 2, &cms);
    STACK_OF(X509) *certs = certs_of(&cms);
    bool same = sk_X509_num(certs) == n;
    for (int i = 0; same && i < n; i++) {
        char file[PATH_LEN + 32];
        snprintf(file, sizeof file, "%s/%s", reg->u.dir, files[i]);
        X509 *want = cert_read(file);
        same = X509_cmp(want, sk_X509_value(certs, i)) == 0;
        X509_free(want);
    }
    sk_X509_pop_free(certs, X509_free);
    return same;
}

static const char *const as_made[] = {"root.crt", "issuing.crt"};

static void put_cacerts(const char *const *files, size_t n)
{
    char pem[16384], file[PATH_LEN + 32];
    size_t len = 0;
    for (size_t i = 0; i < n; i++) {
        snprintf(file, sizeof file, "%s/%s", reg->u.dir, files[i]);
        len += read_file(file, pem + len, sizeof pem - len);
    }
    upstream_put(&reg->u, "cacerts.pem", pem, len);
}

static unsigned asked(const char *what)
{
    return upstream_count(&reg->u, "\"event\":\"request\"", what);
}

/* ---- /crts ---- */

static void from_the_cache(void **state)
{
    reply r;
    start_with(state, NULL);
    assert_true(crts_are(as_made, 2));
    unsigned before = asked("/cacerts");
    assert_in_range(before, 1, 2);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(get(EST "/crts", &r), CODE(2, 5));
    }
    assert_int_equal(asked("/cacerts"), before);
    assert_non_null(wire_find(&r.m, OPT_ETAG));
    assert_int_equal(max_age(&r), 3600); /* no longer than until it is asked for again */
    peer_free(p);
}

static void follows(void **state)
{
    static const char *const more[] = {"root.crt", "issuing.crt", "client-ca.crt"};
    reply before, after;
    start_with(state, OFTEN);
    assert_true(crts_are(as_made, 2));
    assert_int_equal(get(EST "/crts", &before), CODE(2, 5));
    wire_field etag = *wire_find(&before.m, OPT_ETAG);
    assert_int_equal(max_age(&before), 1);
    put_cacerts(more, 3);
    long long end = now_ms() + FOLLOW_MS;
    do {
        usleep(200000);
        assert_true(now_ms() < end);
        assert_int_equal(get(EST "/crts", &after), CODE(2, 5));
    } while (wire_find(&after.m, OPT_ETAG)->len == etag.len &&
             memcmp(wire_find(&after.m, OPT_ETAG)->value, etag.value, etag.len) == 0);
    body cms;
    fetch(p, EST "/crts", 281, 2, &cms);
    STACK_OF(X509) *certs = certs_of(&cms);
    assert_int_equal(sk_X509_num(certs), 3);
    sk_X509_pop_free(certs, X509_free);
    expect_alive(p); /* the association went on */
    peer_free(p);
}

/* The upstream says how long: not the second that is configured. */
static void for_as_long_as_it_says(void **state)
{
    reg = *state;
    upstream_put(&reg->u, "max-age", "3600", 4);
    start_with(state, OFTEN);
    assert_true(crts_are(as_made, 2));
    unsigned before = asked("/cacerts");
    sleep(3);
    assert_int_equal(asked("/cacerts"), before);
    assert_true(crts_are(as_made, 2));
    peer_free(p);
}

/* Asked once more than it was, and answered the way it is. */
static void expect_asked(unsigned before)
{
    long long end = now_ms() + FOLLOW_MS;
    while (asked("/cacerts") == before) {
        assert_true(now_ms() < end);
        usleep(20000);
    }
}

static void stale_if_error(void **state)
{
    static const char *const broken[] = {"get-status-500", "get-garbage", "get-junk", "get-big",
                                         "get-nocerts"};
    reply r;
    start_with(state, OFTEN);
    assert_true(crts_are(as_made, 2));
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        size_t from = log_end(&reg->f);
        upstream_does(&reg->u, broken[i]);
        expect_asked(asked("/cacerts"));
        assert_true(log_says(&reg->f, from, "upstream", "why="));
        assert_true(crts_are(as_made, 2));
        upstream_does(&reg->u, NULL); /* and once as it should be, or pauses grow */
        expect_asked(asked("/cacerts"));
    }
    upstream_kill(&reg->u);
    sleep(2);
    assert_true(crts_are(as_made, 2));
    assert_int_equal(get(EST "/att", &r), CODE(4, 4)); /* it has none: that is known, too */
    restart();                                         /* from the store */
    assert_true(crts_are(as_made, 2));
    assert_int_equal(get(EST "/att", &r), CODE(4, 4));
    upstream_start(&reg->u, reg->u.dir);
    peer_free(p);
}

static void not_known_yet(void **state)
{
    reply r;
    body csr;
    reg = *state;
    upstream_kill(&reg->u);
    start_with(state, OFTEN);
    assert_int_equal(get(EST "/crts", &r), CODE(5, 3));
    assert_in_range(max_age(&r), 1, 86400);
    EVP_PKEY *key = key_new("P-256");
    csr_new(key, "CN=dev", NULL, &csr);
    assert_int_equal(post(p, EST "/sen", &csr, 287, &r), CODE(5, 3));
    assert_in_range(max_age(&r), 1, 86400);
    expect_alive(p);
    upstream_start(&reg->u, reg->u.dir);
    await(EST "/crts", CODE(2, 5), &r);
    assert_true(crts_are(as_made, 2));
    assert_int_equal(post_until(p, EST "/sen", &csr, 287, &r), CODE(2, 4));
    assert_int_equal(upstream_saw(&reg->u, "issued", &csr), 1);
    EVP_PKEY_free(key);
    peer_free(p);
}

/* The codes of the table, where nothing is known. */
static void failures(void **state)
{
    static const struct {
        const char *does;
        uint8_t crts, att;
    } rows[] = {{"get-status-503-33", CODE(5, 3), CODE(5, 3)},
                {"get-status-404", CODE(4, 4), CODE(4, 4)},
                {"get-status-401", CODE(4, 1), CODE(4, 1)},
                {"get-garbage", CODE(5, 0), CODE(5, 0)}};
    reg = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        reply r;
        upstream_does(&reg->u, rows[i].does);
        unlink(path_in(&reg->f, "srv/store.db"));
        start_with(state, NULL);
        assert_int_equal(get(EST "/crts", &r), rows[i].crts);
        assert_int_equal(get(EST "/att", &r), rows[i].att);
        if (i == 0) {
            assert_in_range(max_age(&r), 1, 33);
        }
        peer_free(p);
        fixture_stop(&reg->f);
    }
}

static void one_certificate(void **state)
{
    static const char *const root[] = {"root.crt"};
    reply r;
    wire_out o;
    reg = *state;
    put_cacerts(root, 1);
    start_with(state, NULL);
    ask(p, &o, GET);
    wire_path(&o, EST "/crts");
    wire_uint(&o, OPT_ACCEPT, 287);
    answer_to(p, &o, &r);
    assert_int_equal(r.m.code, CODE(2, 5));
    peer_free(p);
}

/* ---- /att and discovery ---- */

/* ecPublicKey with secp256r1, ecdsa-with-SHA256 */
static const uint8_t plain[] = {0x30, 0x21, 0x30, 0x15, 0x06, 0x07, 0x2a, 0x86, 0x48,
                                0xce, 0x3d, 0x02, 0x01, 0x31, 0x0a, 0x06, 0x08, 0x2a,
                                0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x06, 0x08,
                                0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02};

static bool links_have(const char *text)
{
    body links;
    fetch(p, "/.well-known/core?rt=ace.est*", -1, 2, &links);
    return memmem(links.bytes, links.len, text, strlen(text)) != NULL;
}

static void attributes(void **state)
{
    reply r;
    start_with(state, OFTEN "[profile own]\n"
                            "attributes = challengePassword\n"
                            "upstream-label =\n");
    assert_int_equal(get(EST "/att", &r), CODE(4, 4));
    assert_true(links_have("ace.est.sen"));
    assert_false(links_have("</.well-known/est/att>"));
    upstream_put(&reg->u, "attributes.der", plain, sizeof plain);
    await(EST "/att", CODE(2, 5), &r);
    assert_int_equal(wire_uint_of(&r.m, OPT_FORMAT, 0), 285);
    assert_int_equal(r.m.payload_len, sizeof plain);
    assert_memory_equal(r.m.payload, plain, sizeof plain);
    assert_true(links_have("ace.est.att"));
    /* what stands in the configuration counts before it */
    assert_int_equal(get(EST "/own/att", &r), CODE(2, 5));
    assert_null(memmem(r.m.payload, r.m.payload_len, plain + 2, 23));
    upstream_does(&reg->u, "get-junk");
    sleep(2);
    assert_int_equal(get(EST "/att", &r), CODE(2, 5));
    assert_memory_equal(r.m.payload, plain, sizeof plain);
    peer_free(p);
}

static void discovery(void **state)
{
    reply r;
    start_with(state, "[profile made]\nkeygen = yes\nupstream-label =\n"
                      "[profile passed]\nkeygen = upstream\nupstream-label =\n"
                      "[profile plain]\nupstream-label =\n");
    static const char *const there[] = {"ace.est.crts", "ace.est.sen", "ace.est.sren", "/made/skg",
                                        "/made/skc",    "/passed/skg", "/plain/sen"};
    static const char *const not_there[] = {"/plain/skg", "est/skg>"};
    for (size_t i = 0; i < sizeof there / sizeof there[0]; i++) {
        if (!links_have(there[i])) {
            fail_msg("no %s", there[i]);
        }
    }
    for (size_t i = 0; i < sizeof not_there / sizeof not_there[0]; i++) {
        if (links_have(not_there[i])) {
            fail_msg("%s", not_there[i]);
        }
    }
    assert_int_equal(get(EST "/nobody/crts", &r), CODE(4, 4));
    assert_int_equal(get(EST "/plain/crts", &r), CODE(2, 5));
    peer_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        REGISTRAR_ALONE("G3 E2 the upstream's anchors, root first, from a cache", from_the_cache),
        REGISTRAR_ALONE("G3 E2 HC 267 another root at the upstream: /crts and its ETag follow",
                        follows),
        REGISTRAR_ALONE("G3 the upstream says how long its documents are good",
                        for_as_long_as_it_says),
        REGISTRAR_ALONE(
            "G3 an upstream that fails, lies or goes away: stale rather than none, also "
            "after a restart",
            stale_if_error),
        REGISTRAR_ALONE("G3 nothing known yet is 5.03 until the upstream is there", not_known_yet),
        REGISTRAR_ALONE("G1 G3 nothing known, and why: the code of the last failure", failures),
        REGISTRAR_ALONE("E1 G3 one certificate as 287", one_certificate),
        REGISTRAR_ALONE("E3 G3 the upstream's attributes, or those of the configuration",
                        attributes),
        REGISTRAR_ALONE("R1 R2 HC 266 discovery on a registrar", discovery),
    };
    return cmocka_run_group_tests_name("registrar_documents", tests, NULL, NULL);
}
