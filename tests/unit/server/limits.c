/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "limits.h"

#define SECOND UINT64_C(1000000)

static estoc_limits l;
static estoc_us now;
static const estoc_limit limit = {60, 5}; /* one a second, five at once */

static int set_up(void **state)
{
    (void)state;
    now = 1000 * SECOND;
    return estoc_limits_init(&l) ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    estoc_limits_free(&l);
    return l.buckets != NULL;
}

static unsigned taken(uint64_t key, unsigned tries)
{
    unsigned n = 0;
    for (unsigned i = 0; i < tries; i++) {
        n += estoc_limits_take(&l, key, limit, now) == 0;
    }
    return n;
}

static void burst_and_rate(void **state)
{
    (void)state;
    assert_int_equal(taken(7, 20), 5);
    assert_int_equal(estoc_limits_take(&l, 7, limit, now), 1000);
    now += SECOND / 4;
    assert_int_equal(estoc_limits_take(&l, 7, limit, now), 750);
    now += SECOND * 3 / 4;
    assert_int_equal(taken(7, 20), 1); /* those that were refused did not count */
    now += 3 * SECOND;
    assert_int_equal(taken(7, 20), 3);
    now += 3600 * SECOND;
    assert_int_equal(taken(7, 20), 5); /* and no more than that is saved up */
}

static void keys_apart(void **state)
{
    (void)state;
    assert_int_equal(taken(7, 20), 5);
    assert_int_equal(taken(8, 20), 5);
    assert_int_equal(taken(7 + ESTOC_BUCKETS, 20), 5); /* of the same places in the table */
    assert_int_equal(taken(7, 20), 0);
}

static void no_limit(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(estoc_limits_take(&l, 7, (estoc_limit){0, 1}, now), 0);
    }
}

/* Fixed memory: others take the place of a key, those with the most left first. */
static void table_full(void **state)
{
    (void)state;
    for (uint64_t i = 1; i <= 3; i++) {
        assert_int_equal(taken(i * ESTOC_BUCKETS, 20), 5); /* used up */
    }
    for (uint64_t i = 10; i < 1000; i++) {
        assert_int_equal(taken(i * ESTOC_BUCKETS, 1), 1);
    }
    for (uint64_t i = 1; i <= 3; i++) {
        assert_int_equal(taken(i * ESTOC_BUCKETS, 20), 0); /* and not forgotten for the others */
    }
}

static void extremes(void **state)
{
    (void)state;
    const estoc_limit slow = {1, 1000000};
    const estoc_limit fast = {1000000, 1000000};
    for (int i = 0; i < 1000000; i++) {
        assert_int_equal(estoc_limits_take(&l, 1, slow, now), 0);
        assert_int_equal(estoc_limits_take(&l, 2, fast, now), 0);
    }
    assert_int_equal(estoc_limits_take(&l, 1, slow, now), 60000);
    assert_int_equal(estoc_limits_take(&l, 2, fast, now), 1);
}

#define TEST(name, function)                    \
    {                                           \
        name, function, set_up, tear_down, NULL \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST("X11 a burst, then the rate", burst_and_rate),
        TEST("X11 keys do not count for each other", keys_apart),
        TEST("X11 no limit", no_limit),
        TEST("X11 more keys than there are places", table_full),
        TEST("X11 the least and the most", extremes),
    };
    return cmocka_run_group_tests_name("server/limits", tests, NULL, NULL);
}
