/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "sys.h"

static void assert_time(int64_t unix_s, const char *expected)
{
    char out[32];
    assert_ptr_equal(estoc_time_text(unix_s, out, sizeof out), out);
    assert_string_equal(out, expected);
}

static void texts(void **state)
{
    (void)state;
    assert_time(0, "1970-01-01T00:00:00Z");
    assert_time(-1, "1969-12-31T23:59:59Z");
    assert_time(951782400, "2000-02-29T00:00:00Z");
    assert_time(2147483648, "2038-01-19T03:14:08Z");
    assert_time(2524608000, "2050-01-01T00:00:00Z");
    assert_time(253402300799, "9999-12-31T23:59:59Z"); /* RFC 5280 section 4.1.2.5 */
}

static void no_text(void **state)
{
    (void)state;
    char out[21] = "x";
    assert_string_equal(estoc_time_text(0, out, 20), "");
    assert_string_equal(estoc_time_text(0, out, 21), "1970-01-01T00:00:00Z");
    assert_string_equal(estoc_time_text(INT64_MAX, out, sizeof out), "");
    out[0] = 'x';
    (void)estoc_time_text(0, out, 0);
    assert_int_equal(out[0], 'x');
}

static void clocks(void **state)
{
    (void)state;
    estoc_ms before = estoc_now_ms();
    time_t wall = time(NULL);
    int64_t unix_s = estoc_unix_s();
    assert_true(unix_s >= wall && unix_s <= time(NULL));
    estoc_ms after = estoc_now_ms();
    assert_true(after >= before && after - before < 60000);
    /* milliseconds, not another unit */
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    assert_in_range((uint64_t)t.tv_sec - after / 1000, 0, 60);
}

/* By the clock of estoc_now_ms, and not longer. */
static void waits(void **state)
{
    (void)state;
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t wake;
    estoc_wait_init(&wake);
    pthread_mutex_lock(&lock);
    estoc_ms at = estoc_now_ms() + 30;
    while (estoc_wait_until(&wake, &lock, at)) {
    }
    assert_true(estoc_now_ms() >= at);
    assert_false(estoc_wait_until(&wake, &lock, at)); /* it is over */
    assert_false(estoc_wait_until(&wake, &lock, 0));
    pthread_mutex_unlock(&lock);
    pthread_cond_destroy(&wake);
}

static void *signal_it(void *wake)
{
    pthread_cond_signal(wake);
    return NULL;
}

static void woken(void **state)
{
    (void)state;
    pthread_t thread;
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t wake;
    bool early = false;
    estoc_wait_init(&wake);
    pthread_mutex_lock(&lock);
    for (int i = 0; i < 100 && !early; i++) { /* it may be signalled before it is waited for */
        assert_int_equal(pthread_create(&thread, NULL, signal_it, &wake), 0);
        early = estoc_wait_until(&wake, &lock, estoc_now_ms() + 100);
        pthread_join(thread, NULL);
    }
    assert_true(early);
    pthread_mutex_unlock(&lock);
    pthread_cond_destroy(&wake);
}

int main(void)
{
    /* clang-format off */
    const struct CMUnitTest tests[] = {
        {"times as text",                    texts, NULL, NULL, NULL},
        {"no text where none fits",          no_text, NULL, NULL, NULL},
        {"the clocks go forward",            clocks, NULL, NULL, NULL},
        {"a wait ends in time",              waits, NULL, NULL, NULL},
        {"a wait ends when it is woken",     woken, NULL, NULL, NULL},
    };
    /* clang-format on */
    return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
