/* SPDX-License-Identifier: MIT
 *
 * Nodes on one PostgreSQL ($ESTOC_TEST_STORE), which the tests stop and start.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <libpq-fe.h>

#include "nodes.h"

enum { WAIT_MS = 20000, SESSIONS = 50 };

static char url[256];

static void database(const char *verb)
{
    char line[256];
    snprintf(line, sizeof line, "\"$ESTOC_POSTGRES\" %s \"$ESTOC_TEST_POSTGRES\"", verb);
    assert_int_equal(system(line), 0);
}

static void tell(const char *text)
{
    PGconn *conn = PQconnectdb(url);
    PGresult *res = PQexec(conn, text);
    if (PQresultStatus(res) != PGRES_COMMAND_OK) {
        fail_msg("%s", PQerrorMessage(conn));
    }
    PQclear(res);
    PQfinish(conn);
}

static int fresh(void **state)
{
    (void)state;
    snprintf(url, sizeof url, "%s?options=-csearch_path%%3Dnodes", getenv("ESTOC_TEST_STORE"));
    tell("SET client_min_messages = warning; DROP SCHEMA IF EXISTS nodes CASCADE");
    tell("CREATE SCHEMA nodes");
    return 0;
}

/* A node, and what it has heard of. */
typedef struct node {
    estoc_dtls_cache *sessions;
    estoc_nodes *nodes;
    atomic_llong version;
    atomic_uint told;
} node;

static void on_published(void *ctx, int64_t version)
{
    node *n = ctx;
    atomic_store(&n->version, version);
    atomic_fetch_add(&n->told, 1);
}

static estoc_err make(node *n, const char *name, const char *store, estoc_why *why)
{
    memset(n, 0, sizeof *n);
    n->sessions = estoc_dtls_cache_new(SESSIONS);
    assert_non_null(n->sessions);
    const estoc_nodes_cfg cfg = {.store_url = store,
                                 .node = name,
                                 .sessions = n->sessions,
                                 .sessions_max = SESSIONS,
                                 .claim_ms = 2000,
                                 .published = on_published,
                                 .ctx = n};
    estoc_err err = estoc_nodes_new(&cfg, &n->nodes, why);
    if (err) {
        estoc_dtls_cache_free(n->sessions);
    }
    return err;
}

static void start(node *n, const char *name)
{
    estoc_why why = {""};
    if (make(n, name, url, &why)) {
        fail_msg("%s", why.text);
    }
    assert_int_equal(estoc_nodes_start(n->nodes), 0);
}

static void stop(node *n)
{
    estoc_nodes_free(n->nodes);
    estoc_dtls_cache_free(n->sessions);
}

static void put(node *n, uint8_t i)
{
    const uint8_t id[ESTOC_SESSION_ID_LEN] = {i, 1};
    const uint8_t bytes[] = {i, i, i};
    int64_t now = estoc_unix_s();
    assert_true(estoc_dtls_cache_put(n->sessions, id, estoc_slice_of(bytes, 3), now, now + 3600));
}

static bool has(node *n, uint8_t i)
{
    const uint8_t id[ESTOC_SESSION_ID_LEN] = {i, 1};
    uint8_t bytes[ESTOC_SESSION_MAX];
    size_t len;
    estoc_dtls_cache_get(n->sessions, id, estoc_unix_s(), bytes, &len);
    assert_true(len == 0 || (len == 3 && bytes[0] == i));
    return len > 0;
}

static bool gets(node *n, uint8_t i, bool want)
{
    estoc_ms until = estoc_now_ms() + WAIT_MS;
    while (has(n, i) != want && estoc_now_ms() < until) {
        usleep(20000);
    }
    return has(n, i) == want;
}

static void sessions(void **state)
{
    (void)state;
    node a, b, c;
    start(&a, "a");
    start(&b, "b");
    put(&a, 1);
    put(&b, 2);
    assert_true(gets(&b, 1, true));
    assert_true(gets(&a, 2, true));
    const uint8_t id[ESTOC_SESSION_ID_LEN] = {1, 1};
    estoc_dtls_cache_remove(b.sessions, id); /* which has not made it */
    assert_true(gets(&a, 1, false));
    start(&c, "c"); /* one that comes later knows what there is */
    assert_true(gets(&c, 2, true));
    assert_true(gets(&c, 1, false));
    put(&c, 3);
    stop(&c); /* and what it made is not lost with it */
    assert_true(gets(&a, 3, true));
    for (uint8_t i = 10; i < 10 + 2 * SESSIONS; i++) {
        put(&b, i);
        if (i % SESSIONS == 9) {
            assert_true(gets(&a, i, true));
        }
    }
    assert_true(gets(&a, 9 + 2 * SESSIONS, true));
    start(&c, "c"); /* as many as there is room for, the newest */
    assert_true(gets(&c, 9 + 2 * SESSIONS, true));
    assert_true(gets(&c, 10 + SESSIONS, true));
    assert_false(has(&c, 9 + SESSIONS));
    stop(&c);
    stop(&b);
    stop(&a);
}

static void one_secret(void **state)
{
    (void)state;
    node a, b, alone;
    estoc_why why = {""};
    char file[64] = "sqlite:/nonexistent/store";
    assert_int_equal(make(&a, "a", url, &why), 0);
    assert_int_equal(make(&b, "b", url, &why), 0);
    const estoc_dtls_cookies *one = estoc_nodes_cookies(a.nodes);
    const estoc_dtls_cookies *two = estoc_nodes_cookies(b.nodes);
    static const uint8_t zeros[ESTOC_COOKIE_KEY];
    assert_memory_equal(one->key, two->key, sizeof one->key);
    assert_memory_not_equal(one->key, zeros, sizeof zeros);
    int64_t now = (int64_t)((estoc_now_ms() + one->offset_ms) / 1000u);
    assert_in_range(now, estoc_unix_s() - 2, estoc_unix_s() + 2);
    assert_int_equal(make(&alone, "a", file, &why), 0); /* has nothing to do with its store */
    assert_null(estoc_nodes_cookies(alone.nodes));
    stop(&alone);
    stop(&b);
    stop(&a);
}

static void one_of_a_name(void **state)
{
    (void)state;
    node a, b;
    estoc_why why = {""};
    start(&a, "same");
    assert_int_equal(make(&b, "same", url, &why), ESTOC_E_BUSY);
    assert_string_equal(why.text,
                        "store: another server is node same there; give each its own `node`");
    stop(&a);
    assert_int_equal(make(&b, "same", url, &why), 0);
    stop(&b);
}

/* An intent of this node for the request `i`. */
static void intend(const char *name, uint8_t i)
{
    estoc_store *s;
    estoc_why why;
    const uint8_t run[ESTOC_RUN_LEN] = {i};
    const estoc_record rec = {.serial = {0x40, i},
                              .serial_len = 2,
                              .profile = "",
                              .subject = "CN=x",
                              .csr = {i},
                              .issued_at = estoc_unix_s() - 5,
                              .not_after = estoc_unix_s() + 1000,
                              .cert = estoc_slice_of("\x30\0", 2)};
    estoc_intent in = {.rec = &rec};
    assert_int_equal(estoc_store_open(url, &s, &why), 0);
    assert_int_equal(estoc_store_intend(s, name, run, &in, 1), 0);
    assert_true(in.taken);
    estoc_store_close(s);
}

static estoc_record_state state_of(uint8_t i)
{
    estoc_store *s;
    estoc_why why;
    estoc_record rec;
    estoc_blob cert;
    const uint8_t serial[] = {0x40, i};
    assert_int_equal(estoc_store_open(url, &s, &why), 0);
    assert_int_equal(estoc_store_by_serial(s, estoc_slice_of(serial, 2), &rec, &cert), 0);
    estoc_blob_free(&cert);
    estoc_store_close(s);
    return rec.state;
}

static void gone(void **state)
{
    (void)state;
    node a, b;
    start(&a, "a");
    start(&b, "b");
    intend("a", 1);
    intend("b", 2);
    intend("c", 3); /* which nobody is */
    estoc_ms until = estoc_now_ms() + WAIT_MS;
    while (state_of(3) == ESTOC_RECORD_INTENT && estoc_now_ms() < until) {
        usleep(50000);
    }
    assert_int_equal(state_of(3), ESTOC_RECORD_VOID);
    usleep(1500000);
    assert_int_equal(state_of(1), ESTOC_RECORD_INTENT);
    assert_int_equal(state_of(2), ESTOC_RECORD_INTENT);
    stop(&b); /* as if it had been killed */
    until = estoc_now_ms() + WAIT_MS;
    while (state_of(2) == ESTOC_RECORD_INTENT && estoc_now_ms() < until) {
        usleep(50000);
    }
    assert_int_equal(state_of(2), ESTOC_RECORD_VOID);
    assert_int_equal(state_of(1), ESTOC_RECORD_INTENT);
    stop(&a);
}

static int64_t publish(const char *text, uint8_t digest)
{
    estoc_store *s;
    estoc_why why;
    const uint8_t bytes[32] = {digest};
    int64_t version;
    assert_int_equal(estoc_store_open(url, &s, &why), 0);
    assert_int_equal(estoc_store_policy_publish(s, bytes, text, estoc_unix_s(), &version), 0);
    estoc_store_close(s);
    return version;
}

static bool hears(node *n, int64_t version)
{
    estoc_ms until = estoc_now_ms() + WAIT_MS;
    while (atomic_load(&n->version) != version && estoc_now_ms() < until) {
        usleep(20000);
    }
    return atomic_load(&n->version) == version;
}

static void published(void **state)
{
    (void)state;
    node a, b;
    start(&a, "a");
    start(&b, "b");
    int64_t one = publish("one", 1);
    estoc_nodes_follow(a.nodes, one);
    int64_t two = publish("two", 2);
    assert_true(hears(&a, two));
    usleep(1000000); /* some rounds more */
    assert_int_equal(atomic_load(&a.told), 1);
    estoc_nodes_follow(a.nodes, two);
    assert_int_equal(publish("one", 1), one); /* back again */
    assert_true(hears(&a, one));
    assert_int_equal(atomic_load(&b.told), 0); /* which does not follow */
    stop(&b);
    stop(&a);
}

static void without_the_database(void **state)
{
    (void)state;
    node a, b;
    estoc_why why = {""};
    start(&a, "a");
    start(&b, "b");
    put(&a, 1);
    assert_true(gets(&b, 1, true));
    database("kill"); /* what was not logged is gone: sessions, and the secret */
    usleep(1500000);
    put(&a, 2);
    assert_true(has(&a, 2)); /* nobody waits */
    assert_int_not_equal(make(&(node){0}, "c", url, &why), 0);
    assert_string_not_equal(why.text, "");
    estoc_dtls_cookies before = *estoc_nodes_cookies(a.nodes);
    database("again");
    assert_true(gets(&b, 2, true));
    assert_true(has(&b, 1));
    node c;
    start(&c, "c"); /* the secret is there again, and the same */
    assert_memory_equal(estoc_nodes_cookies(c.nodes)->key, before.key, sizeof before.key);
    assert_true(gets(&c, 2, true));
    put(&c, 3);
    assert_true(gets(&a, 3, true));
    stop(&c);
    database("stop");
    stop(&b); /* nor does the end wait */
    stop(&a);
    database("again");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"D8 what one node makes or removes, the others have", sessions, fresh, NULL, NULL},
        {"D5 D8 nodes on one store have one secret for cookies", one_secret, fresh, NULL, NULL},
        {"X9 one node of a name", one_of_a_name, fresh, NULL, NULL},
        {"X9 what a node that is gone was about to sign is void", gone, fresh, NULL, NULL},
        {"X9 other profiles are told once", published, fresh, NULL, NULL},
        {"D8 HC 284 a database that is away, and comes back without its sessions",
         without_the_database, fresh, NULL, NULL},
    };
    return cmocka_run_group_tests_name("server/nodes", tests, NULL, NULL);
}
