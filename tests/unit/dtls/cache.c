/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cache.h"

/* Entry i: its ID, and a session of its own length and bytes. */
static void id_of(uint32_t i, uint8_t id[ESTOC_SESSION_ID_LEN])
{
    memset(id, 0, ESTOC_SESSION_ID_LEN);
    uint32_t spread = i * 2654435761u;
    memcpy(id, &spread, sizeof spread);
    memcpy(id + 8, &i, sizeof i);
}

static size_t session_of(uint32_t i, uint8_t *out)
{
    size_t len = 1 + i % 600;
    memset(out, (int)(i & 0xff), len);
    return len;
}

static bool put(estoc_dtls_cache *c, uint32_t i, int64_t now, int64_t until)
{
    uint8_t id[ESTOC_SESSION_ID_LEN], bytes[ESTOC_SESSION_MAX];
    id_of(i, id);
    size_t len = session_of(i, bytes);
    return estoc_dtls_cache_put(c, id, estoc_slice_of(bytes, len), now, until);
}

static bool has(estoc_dtls_cache *c, uint32_t i, int64_t now)
{
    uint8_t id[ESTOC_SESSION_ID_LEN], want[ESTOC_SESSION_MAX], got[ESTOC_SESSION_MAX];
    size_t len = 1;
    id_of(i, id);
    estoc_dtls_cache_get(c, id, now, got, &len);
    if (len == 0) {
        return false;
    }
    assert_int_equal(len, session_of(i, want));
    assert_memory_equal(got, want, len);
    return true;
}

static void drop(estoc_dtls_cache *c, uint32_t i)
{
    uint8_t id[ESTOC_SESSION_ID_LEN];
    id_of(i, id);
    estoc_dtls_cache_remove(c, id);
}

static void kept_until(void **state)
{
    (void)state;
    estoc_dtls_cache *c = estoc_dtls_cache_new(10);
    assert_non_null(c);
    assert_false(has(c, 1, 100));
    assert_true(put(c, 1, 100, 200));
    assert_true(has(c, 1, 100));
    assert_true(has(c, 1, 199));
    assert_false(has(c, 1, 200));
    assert_false(has(c, 2, 100));
    assert_false(put(c, 3, 100, 100)); /* over before it begins */
    drop(c, 1);
    drop(c, 1);
    drop(c, 7);
    assert_false(has(c, 1, 100));
    uint8_t large[ESTOC_SESSION_MAX + 1] = {0}, id[ESTOC_SESSION_ID_LEN] = {9};
    assert_false(estoc_dtls_cache_put(c, id, estoc_slice_of(large, sizeof large), 100, 200));
    assert_true(estoc_dtls_cache_put(c, id, estoc_slice_of(large, sizeof large - 1), 100, 200));
    estoc_dtls_cache_free(c);
    estoc_dtls_cache_free(NULL);
    assert_null(estoc_dtls_cache_new(0));
    assert_null(estoc_dtls_cache_new(SIZE_MAX));
}

static void oldest_go_first(void **state)
{
    (void)state;
    for (uint32_t most = 1; most <= 40; most += 13) {
        estoc_dtls_cache *c = estoc_dtls_cache_new(most);
        assert_non_null(c);
        for (uint32_t i = 0; i < 500; i++) {
            assert_true(put(c, i, 100, 200));
            for (uint32_t k = 0; k <= i; k++) {
                assert_int_equal(has(c, k, 100), i - k < most);
            }
        }
        estoc_dtls_cache_free(c);
    }
}

/* Whatever is removed in between, what was put last is there. */
static void holes(void **state)
{
    (void)state;
    enum { MOST = 8, N = 2000 };
    static bool dropped[N];
    estoc_dtls_cache *c = estoc_dtls_cache_new(MOST);
    assert_non_null(c);
    uint32_t seed = 1;
    for (uint32_t i = 0; i < N; i++) {
        assert_true(put(c, i, 100, 200));
        seed = seed * 1664525u + 1013904223u;
        uint32_t k = seed >> 24 & 15;
        if (k <= i) {
            drop(c, i - k);
            dropped[i - k] = true;
        }
        for (uint32_t j = i < MOST ? 0 : i - MOST + 1; j <= i; j++) {
            assert_true(dropped[j] ? !has(c, j, 100) : has(c, j, 100) || i - j >= MOST);
        }
    }
    estoc_dtls_cache_free(c);
}

static void time_makes_room(void **state)
{
    (void)state;
    estoc_dtls_cache *c = estoc_dtls_cache_new(4);
    assert_non_null(c);
    for (uint32_t i = 0; i < 4; i++) {
        assert_true(put(c, i, 100, 200 + i));
    }
    assert_true(put(c, 4, 202, 300)); /* three are over: they go, and the last stays */
    assert_true(has(c, 3, 202));
    assert_true(put(c, 5, 202, 300));
    assert_true(put(c, 6, 202, 300));
    assert_true(has(c, 3, 202));
    assert_false(has(c, 2, 100));
    estoc_dtls_cache_free(c);
}

static bool add(estoc_dtls_cache *c, uint32_t i, int64_t now, int64_t until)
{
    uint8_t id[ESTOC_SESSION_ID_LEN], bytes[ESTOC_SESSION_MAX];
    id_of(i, id);
    size_t len = session_of(i, bytes);
    return estoc_dtls_cache_add(c, id, estoc_slice_of(bytes, len), now, until);
}

/* The next one to be taken is entry i. */
static void expect_taken(estoc_dtls_cache *c, uint32_t i, int64_t now, int64_t until)
{
    estoc_dtls_made made;
    uint8_t id[ESTOC_SESSION_ID_LEN], want[ESTOC_SESSION_MAX];
    id_of(i, id);
    assert_true(estoc_dtls_cache_take(c, now, &made));
    assert_memory_equal(made.id, id, sizeof id);
    assert_int_equal(made.until, until);
    assert_int_equal(made.session.len, session_of(i, want));
    assert_memory_equal(made.session.ptr, want, made.session.len);
    estoc_blob_free(&made.session);
}

static void expect_none(estoc_dtls_cache *c, int64_t now)
{
    estoc_dtls_made made;
    assert_false(estoc_dtls_cache_take(c, now, &made));
}

static void expect_gone(estoc_dtls_cache *c, uint32_t i, int64_t until)
{
    estoc_dtls_made made;
    uint8_t id[ESTOC_SESSION_ID_LEN];
    id_of(i, id);
    assert_true(estoc_dtls_cache_take(c, 100, &made));
    assert_memory_equal(made.id, id, sizeof id);
    assert_int_equal(made.until, until);
    assert_int_equal(made.session.len, 0);
}

static void taken_once(void **state)
{
    (void)state;
    estoc_dtls_cache *c = estoc_dtls_cache_new(4);
    assert_non_null(c);
    expect_none(c, 100);
    assert_true(put(c, 1, 100, 200));
    assert_true(put(c, 2, 100, 201));
    expect_taken(c, 1, 100, 200);
    assert_true(has(c, 1, 100)); /* a copy */
    expect_taken(c, 2, 100, 201);
    expect_none(c, 100);
    assert_true(put(c, 3, 100, 200)); /* what is over, removed or replaced is not given */
    assert_true(put(c, 4, 100, 300));
    assert_true(put(c, 5, 100, 300));
    assert_true(put(c, 5, 100, 301));
    drop(c, 4);
    expect_taken(c, 5, 200, 301);
    expect_gone(c, 4, 300);
    expect_none(c, 200);
    for (uint32_t i = 10; i < 21; i++) { /* nor what had to make room */
        assert_true(put(c, i, 200, 300));
    }
    for (uint32_t i = 17; i < 21; i++) {
        expect_taken(c, i, 200, 300);
    }
    expect_none(c, 200);
    assert_true(put(c, 30, 200, 300));
    expect_taken(c, 30, 200, 300);
    estoc_dtls_cache_free(c);
}

static void of_others(void **state)
{
    (void)state;
    estoc_dtls_cache *c = estoc_dtls_cache_new(4);
    assert_non_null(c);
    assert_false(add(c, 1, 100, 100));
    assert_true(add(c, 1, 100, 200));
    assert_true(has(c, 1, 199));
    assert_false(has(c, 1, 200));
    assert_false(add(c, 1, 100, 300)); /* given again */
    assert_false(has(c, 1, 200));
    expect_none(c, 100); /* it is theirs */
    drop(c, 1);
    assert_false(add(c, 1, 100, 200)); /* a fatal alert is final */
    assert_false(has(c, 1, 100));
    expect_gone(c, 1, 200); /* whoever made it */
    expect_none(c, 100);
    assert_true(put(c, 2, 100, 200));
    assert_false(add(c, 2, 100, 300)); /* what was made here stays as it is */
    drop(c, 2);
    assert_false(add(c, 2, 100, 300));
    expect_gone(c, 2, 200);
    uint8_t large[ESTOC_SESSION_MAX + 1] = {0}, id[ESTOC_SESSION_ID_LEN] = {9};
    assert_false(estoc_dtls_cache_add(c, id, estoc_slice_of(large, sizeof large), 100, 200));
    for (uint32_t i = 3; i < 9; i++) {
        assert_true(add(c, i, 100, 200));
    }
    assert_false(has(c, 4, 100));
    assert_true(has(c, 5, 100));
    expect_none(c, 100);
    estoc_dtls_cache_free(c);
}

/* A fatal alert at one node is one at all. */
static void removed_elsewhere(void **state)
{
    (void)state;
    estoc_dtls_cache *c = estoc_dtls_cache_new(4);
    const estoc_slice nothing = {NULL, 0};
    uint8_t id[ESTOC_SESSION_ID_LEN];
    assert_non_null(c);
    assert_true(add(c, 1, 100, 200));
    assert_true(put(c, 2, 100, 200));
    for (uint32_t i = 1; i < 4; i++) { /* the third is not known here */
        id_of(i, id);
        assert_false(estoc_dtls_cache_add(c, id, nothing, 100, 200));
        assert_false(has(c, i, 100));
    }
    expect_none(c, 100); /* those who removed it know */
    assert_false(add(c, 1, 100, 200));
    assert_true(add(c, 3, 100, 200)); /* of this one nothing was kept */
    estoc_dtls_cache_free(c);
    c = estoc_dtls_cache_new(1000);
    assert_non_null(c);
    for (uint32_t i = 0; i < 300; i++) {
        assert_true(put(c, i, 100, 200));
        drop(c, i);
        drop(c, i);
    }
    for (uint32_t i = 0; i < 256; i++) {
        expect_gone(c, i, 200);
    }
    expect_none(c, 100);
    estoc_dtls_cache_free(c);
}

static void count(void *ctx)
{
    (*(unsigned *)ctx)++;
}

static uint64_t ask(estoc_dtls_cache *c, uint32_t i, int64_t now)
{
    uint8_t id[ESTOC_SESSION_ID_LEN];
    id_of(i, id);
    return estoc_dtls_cache_ask(c, id, now);
}

static bool answered(estoc_dtls_cache *c, uint32_t i, uint64_t question)
{
    uint8_t id[ESTOC_SESSION_ID_LEN];
    id_of(i, id);
    return estoc_dtls_cache_answered(c, id, question);
}

static void questions(void **state)
{
    (void)state;
    unsigned told = 0, other = 0;
    estoc_dtls_cache *c = estoc_dtls_cache_new(4);
    assert_non_null(c);
    assert_int_equal(ask(c, 1, 100), 0); /* nobody could know more */
    estoc_dtls_cache_watch(c, count, &told);
    assert_true(put(c, 1, 100, 200));
    assert_int_equal(told, 1);
    assert_int_equal(ask(c, 1, 100), 0); /* it is here */
    drop(c, 1);
    assert_int_equal(ask(c, 1, 100), 0); /* and was */
    assert_int_equal(told, 1);
    assert_int_equal(ask(c, 2, 100), 1);
    assert_int_equal(ask(c, 3, 100), 2);
    assert_int_equal(told, 3);
    assert_int_equal(estoc_dtls_cache_questions(c), 2);
    assert_false(answered(c, 2, 1));
    estoc_dtls_cache_answer(c, 1);
    assert_true(answered(c, 2, 1));
    assert_false(answered(c, 3, 2));
    assert_true(add(c, 7, 100, 200));
    assert_true(answered(c, 7, 2));      /* it has come */
    estoc_dtls_cache_unwatch(c, &other); /* is somebody else */
    assert_false(answered(c, 3, 2));
    estoc_dtls_cache_unwatch(c, &told);
    assert_true(answered(c, 3, 2));
    assert_int_equal(ask(c, 4, 100), 0);
    assert_true(put(c, 5, 100, 200));
    assert_int_equal(told, 3);
    estoc_dtls_cache_free(c);
}

static bool take_gone(estoc_dtls_cache *c)
{
    estoc_dtls_made made;
    bool taken = estoc_dtls_cache_take(c, 100, &made);
    assert_true(!taken || made.session.len == 0);
    return taken;
}

/* A model beside it: the last MOST that were put or added, those put and not taken in their order. */
static void made_and_added(void **state)
{
    (void)state;
    enum { MOST = 8, N = 5000 };
    static bool made[N], gone[N];
    estoc_dtls_cache *c = estoc_dtls_cache_new(MOST);
    assert_non_null(c);
    uint32_t seed = 7, next = 0;
    for (uint32_t i = 0; i < N; i++) {
        seed = seed * 1664525u + 1013904223u;
        made[i] = (seed >> 30 & 1) != 0;
        assert_true(made[i] ? put(c, i, 100, 200) : add(c, i, 100, 200));
        uint32_t k = seed >> 24 & 15;
        if (k <= i && (seed >> 20 & 3) == 0) {
            drop(c, i - k);
            gone[i - k] = true;
        }
        if ((seed >> 16 & 7) != 0) {
            continue;
        }
        uint32_t first = i < MOST ? 0 : i - MOST + 1;
        for (next = next < first ? first : next; next <= i; next++) {
            if (made[next] && !gone[next]) {
                expect_taken(c, next, 100, 200);
            }
        }
        while (take_gone(c)) {
        }
        expect_none(c, 100);
    }
    estoc_dtls_cache_free(c);
}

static void *hammer(void *arg)
{
    estoc_dtls_cache *c = arg;
    for (uint32_t i = 0; i < 20000; i++) {
        estoc_dtls_made made;
        (void)add(c, 300 + i % 200, 100, 200);
        if (estoc_dtls_cache_take(c, 100, &made)) {
            estoc_blob_free(&made.session);
        }
        (void)put(c, i % 300, 100, 200);
        (void)has(c, (i * 7) % 300, 100);
        drop(c, (i * 3) % 300);
    }
    return NULL;
}

static void threads(void **state)
{
    (void)state;
    estoc_dtls_cache *c = estoc_dtls_cache_new(64);
    pthread_t t[4];
    assert_non_null(c);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&t[i], NULL, hammer, c), 0);
    }
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(t[i], NULL), 0);
    }
    estoc_dtls_cache_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"D8 a session is kept until its time is over", kept_until, NULL, NULL, NULL},
        {"D8 a full cache lets the oldest go", oldest_go_first, NULL, NULL, NULL},
        {"D8 sessions removed in between", holes, NULL, NULL, NULL},
        {"D8 what is over makes room first", time_makes_room, NULL, NULL, NULL},
        {"D8 what was made here is given to others once", taken_once, NULL, NULL, NULL},
        {"D8 what others made is put in once", of_others, NULL, NULL, NULL},
        {"D8 what is removed at one node is at all", removed_elsewhere, NULL, NULL, NULL},
        {"D8 questions to other nodes", questions, NULL, NULL, NULL},
        {"D8 made here and there, taken and removed", made_and_added, NULL, NULL, NULL},
        {"D8 several threads at once", threads, NULL, NULL, NULL},
    };
    return cmocka_run_group_tests_name("dtls cache", tests, NULL, NULL);
}
