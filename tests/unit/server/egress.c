/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "egress.h"

enum { HEADER = 28, LANES = 40 };

static estoc_egress e;
static estoc_queue q;
static estoc_lane lanes[LANES];
static estoc_us now;

static int set_up(void **state)
{
    (void)state;
    memset(&e, 0, sizeof e);
    memset(&q, 0, sizeof q);
    memset(lanes, 0, sizeof lanes);
    q.egress = &e;
    now = 1000000000;
    atomic_store(&e.bits, 100000);
    return 0;
}

static bool put(estoc_lane *l, estoc_lane_kind kind, size_t bytes)
{
    static uint8_t dg[ESTOC_EGRESS_LANE_MAX];
    dg[0] = (uint8_t)(l - lanes);
    return estoc_queue_put(&q, l, kind, now, estoc_slice_of(dg, bytes - HEADER), HEADER, false);
}

/* The lane whose datagram leaves now, or NULL. */
static estoc_lane *next(void)
{
    estoc_slice dg;
    estoc_lane *l = estoc_queue_next(&q, now, &dg);
    if (l != NULL) {
        assert_int_equal(dg.ptr[0], l - lanes);
        estoc_queue_left(&q, l);
    }
    return l;
}

static estoc_lane *next_in_time(void)
{
    estoc_us due = estoc_queue_due(&q);
    assert_true(due != UINT64_MAX);
    now = due > now ? due : now;
    estoc_lane *l = next();
    assert_non_null(l);
    return l;
}

/* An hour of demand for more than there is, with wakes that come late: within 5 % below. */
static void the_pace(void **state)
{
    (void)state;
    uint64_t sent = 0;
    estoc_us from = now;
    for (unsigned i = 0; now < from + UINT64_C(3600000000); i++) {
        while (q.bytes < 10000) {
            assert_true(put(&lanes[i % 7], ESTOC_LANE_ANSWER, 100 + i * 37 % 1200));
        }
        size_t before = q.bytes;
        now = estoc_queue_due(&q) > now ? estoc_queue_due(&q) : now;
        now += i * 7919 % 20000; /* up to 20 ms late */
        assert_non_null(next());
        sent += before - q.bytes;
    }
    uint64_t bits = sent * 8 / 3600;
    assert_in_range(bits, 95000, 100000);
    assert_true(atomic_load(&e.bytes) == sent);
    for (size_t i = 0; i < 7; i++) {
        estoc_queue_drop(&q, &lanes[i]);
    }
    assert_int_equal(q.bytes, 0);
    assert_true(atomic_load(&e.waiting) == 0);
}

/* A way that was free for a day has not saved it up. */
static void nothing_saved(void **state)
{
    (void)state;
    now += UINT64_C(86400000000);
    size_t sent = 0;
    while (estoc_egress_take(&e, now, 1000, 0)) {
        sent += 1000;
    }
    assert_int_equal(sent,
                     1000); /* 80 ms of the wire, and a wake that comes 50 ms late is made up */
    assert_false(estoc_egress_take(&e, now + 30000, 1000, 0));
    assert_true(estoc_egress_take(&e, now + 35000, 1000, 0));
    assert_false(estoc_egress_take(&e, now + 110000, 1000, 0));
    assert_true(estoc_egress_take(&e, now + 120000, 1000, 0));
}

static void no_budget(void **state)
{
    (void)state;
    atomic_store(&e.bits, 0);
    for (int i = 0; i < 1000; i++) {
        assert_true(estoc_egress_take(&e, now, 1400, 0));
    }
    assert_int_equal(estoc_egress_wait_ms(&e, now), 0);
    assert_true(estoc_queue_due(&q) == UINT64_MAX);
}

/* A reload that takes the budget away lets out what waits. */
static void budget_taken_away(void **state)
{
    (void)state;
    for (size_t i = 0; i < 20; i++) {
        assert_true(put(&lanes[i], ESTOC_LANE_HANDSHAKE, 1000));
    }
    assert_non_null(next());
    assert_null(next());
    atomic_store(&e.bits, 0);
    assert_true(estoc_queue_due(&q) == 0);
    for (size_t i = 1; i < 20; i++) {
        assert_ptr_equal(next(), &lanes[i]);
    }
    assert_null(next());
    assert_true(estoc_queue_due(&q) == UINT64_MAX);
}

/* Small ones run ahead, but not without end, and what they took is paid later. */
static void small_ones(void **state)
{
    (void)state;
    size_t sent = 0;
    assert_true(put(&lanes[0], ESTOC_LANE_ANSWER, 1000));
    while (estoc_egress_take_small(&e, now, 90)) {
        sent += 90;
    }
    assert_in_range(sent, 2000, 3200); /* a quarter of a second of 12,500 bytes */
    assert_null(next());
    estoc_us due = estoc_queue_due(&q);
    assert_in_range(due - now, 150000, 260000);
    assert_in_range(estoc_egress_wait_ms(&e, now), 230, 360);
    now = due;
    assert_non_null(next());
}

/* Associations of one kind take turns, whatever each has waiting. */
static void turns(void **state)
{
    (void)state;
    for (int i = 0; i < 6; i++) {
        assert_true(put(&lanes[0], ESTOC_LANE_ANSWER, 1000));
    }
    assert_true(put(&lanes[1], ESTOC_LANE_ANSWER, 1000));
    for (int i = 0; i < 20; i++) {
        assert_true(put(&lanes[2], ESTOC_LANE_ANSWER, 130));
    }
    size_t had[3] = {0};
    for (int i = 0; i < 14; i++) {
        had[next_in_time() - lanes]++;
    }
    assert_int_equal(had[0], 3); /* two of 1,000 bytes are a turn, */
    assert_int_equal(had[1], 1);
    assert_int_equal(had[2], 10); /* and ten of 130 */
    while (q.bytes > 0) {
        had[next_in_time() - lanes]++;
    }
    assert_int_equal(had[0], 6);
    assert_int_equal(had[2], 20);
}

/* Three parts in four for handshakes while both wait, and all of it while only one does. */
static void two_kinds(void **state)
{
    (void)state;
    for (size_t i = 0; i < 8; i++) {
        assert_true(put(&lanes[i], ESTOC_LANE_ANSWER, 500));
    }
    for (size_t i = 0; i < 4; i++) { /* it had all until now */
        assert_true(next_in_time()->kind == ESTOC_LANE_ANSWER);
    }
    for (size_t i = 8; i < LANES; i++) {
        assert_true(put(&lanes[i], ESTOC_LANE_HANDSHAKE, 500));
    }
    size_t had[ESTOC_LANES] = {0};
    for (int i = 0; i < 16; i++) {
        had[next_in_time()->kind]++;
    }
    assert_in_range(had[ESTOC_LANE_HANDSHAKE], 11, 13);
    assert_int_equal(had[ESTOC_LANE_ANSWER], 16 - had[ESTOC_LANE_HANDSHAKE]);
    while (q.bytes > 0) {
        had[next_in_time()->kind]++;
    }
    assert_int_equal(had[ESTOC_LANE_HANDSHAKE], LANES - 8);
}

static void bounds(void **state)
{
    (void)state;
    size_t n = 0;
    while (put(&lanes[0], ESTOC_LANE_ANSWER, 1024)) {
        n++;
    }
    assert_int_equal(n, ESTOC_EGRESS_LANE_MAX / 1024); /* of one association */
    assert_true(atomic_load(&e.dropped) == 1);
    for (size_t i = 1; i < LANES; i++) { /* and of all: what would leave too late is not kept */
        for (int j = 0; j < 16; j++) {
            (void)put(&lanes[i], ESTOC_LANE_ANSWER, 1024);
        }
    }
    assert_in_range(estoc_egress_wait_ms(&e, now), ESTOC_EGRESS_QUEUE_MS,
                    ESTOC_EGRESS_QUEUE_MS + 200);
    for (size_t i = 0; i < LANES; i++) {
        estoc_queue_drop(&q, &lanes[i]);
        assert_false(estoc_lane_waits(&lanes[i]));
    }
    assert_int_equal(q.bytes, 0);
    atomic_store(&e.bits, 4000000000u);
    for (size_t i = 0; i < LANES; i++) {
        for (int j = 0; j < 16; j++) {
            assert_true(put(&lanes[i], ESTOC_LANE_ANSWER, 1024));
        }
    }
    q.bytes = ESTOC_EGRESS_QUEUE_MAX - 100; /* as if there were more lanes */
    estoc_queue_drop(&q, &lanes[0]);
    q.bytes = ESTOC_EGRESS_QUEUE_MAX - 100;
    assert_false(put(&lanes[0], ESTOC_LANE_ANSWER, 101));
    assert_true(put(&lanes[0], ESTOC_LANE_ANSWER, 100));
    for (size_t i = 0; i < LANES; i++) {
        estoc_queue_drop(&q, &lanes[i]);
    }
}

/* Lanes that end while others wait: first, last, between, alone, and those that never waited. */
static void ends(void **state)
{
    (void)state;
    estoc_queue_drop(&q, &lanes[0]);
    for (size_t i = 0; i < 5; i++) {
        assert_true(put(&lanes[i], ESTOC_LANE_ANSWER, 100));
    }
    estoc_queue_drop(&q, &lanes[2]);
    estoc_queue_drop(&q, &lanes[0]);
    estoc_queue_drop(&q, &lanes[4]);
    assert_ptr_equal(next_in_time(), &lanes[1]);
    assert_true(put(&lanes[4], ESTOC_LANE_ANSWER, 100));
    assert_ptr_equal(next_in_time(), &lanes[3]);
    assert_ptr_equal(next_in_time(), &lanes[4]);
    assert_null(next());
    assert_true(put(&lanes[1], ESTOC_LANE_HANDSHAKE, 100));
    estoc_queue_drop(&q, &lanes[1]);
    assert_true(estoc_queue_due(&q) == UINT64_MAX);
    assert_true(atomic_load(&e.waiting) == 0);
}

/* Two queues, as two workers have: together no more than the budget. */
static void shared(void **state)
{
    (void)state;
    estoc_queue other = {.egress = &e};
    estoc_lane far = {.first = NULL};
    static const uint8_t dg[1000];
    estoc_slice out;
    estoc_us from = now;
    size_t mine = 0;
    size_t theirs = 0;
    for (int i = 0; now < from + 60000000; i++) {
        if (!estoc_lane_waits(&lanes[0])) {
            assert_true(put(&lanes[0], ESTOC_LANE_ANSWER, 1000));
        }
        if (!estoc_lane_waits(&far)) {
            assert_true(estoc_queue_put(&other, &far, ESTOC_LANE_ANSWER, now,
                                        estoc_slice_of(dg, 972), HEADER, false));
        }
        now += 1000;
        for (int j = 0; j < 2; j++) {
            if ((i + j) % 2 == 0) {
                mine += next() != NULL;
            } else if (estoc_queue_next(&other, now, &out) != NULL) {
                estoc_queue_left(&other, &far);
                theirs++;
            }
        }
    }
    assert_in_range((mine + theirs) * 8000 / 60, 95000, 100000);
    assert_true(mine > theirs / 4 && theirs > mine / 4);
    estoc_queue_drop(&other, &far);
    estoc_queue_drop(&q, &lanes[0]);
}

static void figures(void **state)
{
    (void)state;
    estoc_egress_count(&e, now, 100, false);
    estoc_egress_count(&e, now + 2000000, 50, true);
    assert_true(atomic_load(&e.datagrams) == 2);
    assert_true(atomic_load(&e.bytes) == 150);
    assert_true(atomic_load(&e.again_bytes) == 50);
    assert_true(atomic_load(&e.last_at) - atomic_load(&e.first_at) == 2000000);
    assert_true(estoc_now_us() <= estoc_now_us());
}

#define TEST(name, function)               \
    {                                      \
        name, function, set_up, NULL, NULL \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST("an hour at the budget's pace", the_pace),
        TEST("time without traffic is not saved up", nothing_saved),
        TEST("no budget", no_budget),
        TEST("a budget taken away", budget_taken_away),
        TEST("small datagrams run ahead, and are paid for", small_ones),
        TEST("associations take turns", turns),
        TEST("handshakes and answers share", two_kinds),
        TEST("what waits is bounded", bounds),
        TEST("associations that end", ends),
        TEST("two workers share the budget", shared),
        TEST("figures for the log", figures),
    };
    return cmocka_run_group_tests_name("server/egress", tests, NULL, NULL);
}
