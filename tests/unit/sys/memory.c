/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "sys.h"

static void copies(void **state)
{
    (void)state;
    uint8_t bytes[] = {1, 2, 3};
    estoc_blob b;
    assert_int_equal(estoc_blob_copy(estoc_slice_of(bytes, 3), &b), 0);
    bytes[0] = 9;
    assert_ptr_not_equal(b.ptr, bytes);
    assert_memory_equal(b.ptr, "\1\2\3", 3);
    estoc_slice s = estoc_blob_slice(b);
    assert_ptr_equal(s.ptr, b.ptr);
    assert_int_equal(s.len, 3);
    estoc_blob_free(&b);
    assert_null(b.ptr);
    assert_int_equal(b.len, 0);
    estoc_blob_free(&b); /* again, and nothing happens */
}

static void empty_copy(void **state)
{
    (void)state;
    estoc_blob b;
    assert_int_equal(estoc_blob_copy(estoc_slice_of(NULL, 0), &b), 0);
    assert_non_null(b.ptr);
    assert_int_equal(b.len, 0);
    estoc_blob_free(&b);
}

static void lists(void **state)
{
    (void)state;
    estoc_blobs list = {NULL, 0};
    char text[16];
    for (int i = 0; i < 100; i++) {
        snprintf(text, sizeof text, "item %d", i);
        assert_int_equal(estoc_blobs_add(&list, estoc_slice_str(text)), 0);
    }
    assert_int_equal(list.n, 100);
    for (int i = 0; i < 100; i++) {
        snprintf(text, sizeof text, "item %d", i);
        assert_true(estoc_slice_eq(estoc_blob_slice(list.at[i]), estoc_slice_str(text)));
    }
    estoc_blobs_free(&list);
    assert_null(list.at);
    assert_int_equal(list.n, 0);
    estoc_blobs_free(&list);
}

static void why(void **state)
{
    (void)state;
    estoc_why w;
    memset(&w, 'x', sizeof w);
    estoc_why_set(&w, "%s:%d: %s", "estocd.conf", 7, "unknown key");
    assert_string_equal(w.text, "estocd.conf:7: unknown key");
    estoc_why_set(NULL, "%s", "nobody wants to know");
    estoc_why_set(&w, "%0500d", 1);
    assert_int_equal(strlen(w.text), sizeof w.text - 1);
}

static void hex(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {0x00, 0x9a, 0xff};
    static const char *const cut[] = {NULL, "", "", "00", "00", "009a", "009a", "009aff", "009aff"};
    estoc_slice s = estoc_slice_of(bytes, sizeof bytes);
    for (size_t cap = 1; cap < sizeof cut / sizeof cut[0]; cap++) {
        char out[10];
        memset(out, 'x', sizeof out);
        assert_ptr_equal(estoc_hex(s, out, cap), out);
        assert_string_equal(out, cut[cap]);
        assert_int_equal(out[cap], 'x');
    }
    char untouched = 'x';
    assert_ptr_equal(estoc_hex(s, &untouched, 0), &untouched);
    assert_int_equal(untouched, 'x');
    char out[4];
    assert_string_equal(estoc_hex(estoc_slice_of(NULL, 0), out, sizeof out), "");
}

int main(void)
{
    /* clang-format off */
    const struct CMUnitTest tests[] = {
        {"a blob is a copy",                     copies, NULL, NULL, NULL},
        {"a blob of nothing",                    empty_copy, NULL, NULL, NULL},
        {"a list of blobs",                      lists, NULL, NULL, NULL},
        {"why something failed, cut to fit",     why, NULL, NULL, NULL},
        {"hex, cut to fit",                      hex, NULL, NULL, NULL},
    };
    /* clang-format on */
    return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
