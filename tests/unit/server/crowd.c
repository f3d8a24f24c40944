/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "crowd.h"

enum { MEMBERS = 300 };

static estoc_crowd c;
static estoc_member m[MEMBERS];

static int set_up(void **state)
{
    (void)state;
    memset(m, 0, sizeof m);
    return estoc_crowd_init(&c, 100) ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (size_t i = 0; i < MEMBERS; i++) {
        estoc_crowd_leave(&c, &m[i]);
    }
    estoc_crowd_free(&c);
    return c.buckets != NULL;
}

static void order(void **state)
{
    (void)state;
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(estoc_crowd_join(&c, &m[i], 7), i + 1);
        assert_ptr_equal(estoc_crowd_oldest(&m[i]), &m[0]);
    }
    estoc_crowd_leave(&c, &m[2]); /* between */
    estoc_crowd_leave(&c, &m[0]); /* the oldest */
    assert_ptr_equal(estoc_crowd_oldest(&m[4]), &m[1]);
    estoc_crowd_leave(&c, &m[4]); /* the newest */
    assert_int_equal(estoc_crowd_join(&c, &m[0], 7), 3);
    estoc_crowd_leave(&c, &m[1]);
    assert_ptr_equal(estoc_crowd_oldest(&m[0]), &m[3]);
    estoc_crowd_leave(&c, &m[3]);
    assert_ptr_equal(estoc_crowd_oldest(&m[0]), &m[0]);
    estoc_crowd_leave(&c, &m[0]);
    estoc_crowd_leave(&c, &m[0]); /* it is in none */
    assert_int_equal(estoc_crowd_join(&c, &m[0], 7), 1);
}

/* More groups than buckets, in one chain and in many. */
static void groups(void **state)
{
    (void)state;
    assert_int_equal(c.buckets_n, 128);
    for (size_t i = 0; i < MEMBERS; i++) {
        uint64_t key = i % 100 * (i % 2 == 0 ? 128 : 1);
        (void)estoc_crowd_join(&c, &m[i], key);
    }
    for (size_t i = 0; i < 100; i++) {
        assert_ptr_equal(estoc_crowd_oldest(&m[200 + i]), &m[i]);
    }
    for (size_t i = 0; i < 100; i++) {
        estoc_crowd_leave(&c, &m[i]);
        assert_ptr_equal(estoc_crowd_oldest(&m[200 + i]), &m[100 + i]);
    }
}

/* From one group to another, as a session does whose handshake ends. */
static void move(void **state)
{
    (void)state;
    assert_int_equal(estoc_crowd_join(&c, &m[0], 1), 1);
    assert_int_equal(estoc_crowd_join(&c, &m[1], 1), 2);
    assert_int_equal(estoc_crowd_join(&c, &m[0], 2), 1);
    assert_ptr_equal(estoc_crowd_oldest(&m[1]), &m[1]);
    assert_int_equal(estoc_crowd_join(&c, &m[0], 1), 2); /* back, as the newest */
    assert_ptr_equal(estoc_crowd_oldest(&m[0]), &m[1]);
    assert_int_equal(estoc_crowd_join(&c, &m[1], 1), 2); /* and once more into its own */
    assert_ptr_equal(estoc_crowd_oldest(&m[1]), &m[0]);
}

#define TEST(name, function)                    \
    {                                           \
        name, function, set_up, tear_down, NULL \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST("oldest and newest", order),
        TEST("many groups", groups),
        TEST("from group to group", move),
    };
    return cmocka_run_group_tests_name("server/crowd", tests, NULL, NULL);
}
