/* SPDX-License-Identifier: MIT
 *
 * Makes each row of a table (malformed.h, wellformed.h) a test with a name of its own.
 */
#ifndef TESTS_ROWS_H
#define TESTS_ROWS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <estoc/coap.h>

#include "coap/wellformed.h"

#define SLICE(array) estoc_slice_of((array), sizeof(array))
#define COUNT(array) (sizeof(array) / sizeof(array)[0])

enum { ROWS_MAX = 200 };
static struct CMUnitTest rows[ROWS_MAX];
static char row_names[ROWS_MAX][96];
static size_t row_n;

/* `row` is what the test finds in *state; it is only read. */
static inline void rows_add(const char *prefix, const char *name, CMUnitTestFunction test,
                            const void *row)
{
    if (row_n == ROWS_MAX) {
        abort();
    }
    snprintf(row_names[row_n], sizeof row_names[0], "%s %s", prefix, name);
    rows[row_n].name = row_names[row_n];
    rows[row_n].test_func = test;
    memcpy(&rows[row_n].initial_state, &row, sizeof row);
    row_n++;
}

static inline int rows_run(const char *group, const struct CMUnitTest *tests, size_t n)
{
    if (n > ROWS_MAX - row_n) {
        abort();
    }
    memcpy(rows + row_n, tests, n * sizeof *tests);
    return _cmocka_run_group_tests(group, rows, row_n + n, NULL, NULL);
}

static inline void assert_bytes(estoc_slice got, estoc_slice expected)
{
    assert_int_equal(got.len, expected.len);
    if (expected.len > 0) {
        assert_memory_equal(got.ptr, expected.ptr, expected.len);
    }
}

static inline void assert_text(estoc_slice got, const char *expected)
{
    assert_bytes(got, estoc_slice_str(expected));
}

/* A copy in a block of its exact size, so that a sanitizer sees a read past the end. */
static inline uint8_t *exact_copy(estoc_slice s)
{
    uint8_t *copy = malloc(s.len > 0 ? s.len : 1);
    assert_non_null(copy);
    if (s.len > 0) {
        memcpy(copy, s.ptr, s.len);
    }
    return copy;
}

static inline void assert_next(estoc_coap_opts *it, uint16_t number, estoc_slice value)
{
    estoc_coap_opt opt;
    assert_true(estoc_coap_opts_next(it, &opt));
    assert_int_equal(opt.number, number);
    assert_bytes(opt.value, value);
}

static inline void assert_next_text(estoc_coap_opts *it, uint16_t number, const char *value)
{
    assert_next(it, number, estoc_slice_str(value));
}

static inline void assert_no_more(estoc_coap_opts *it)
{
    estoc_coap_opt opt = {7, {NULL, 7}};
    assert_false(estoc_coap_opts_next(it, &opt));
    assert_int_equal(opt.number, 0);
    assert_int_equal(opt.value.len, 0);
    assert_false(estoc_coap_opts_next(it, &opt));
}

#endif
