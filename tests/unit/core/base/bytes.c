/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <estoc/bytes.h>

static const uint8_t bytes[] = {0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0x10};
static const estoc_slice empty = {NULL, 0};

static estoc_slice first(size_t n)
{
    return estoc_slice_of(bytes, n);
}

static void equality(bool (*eq)(estoc_slice, estoc_slice))
{
    assert_true(eq(estoc_slice_str("abc"), estoc_slice_of("abcd", 3)));
    assert_false(eq(estoc_slice_str("abc"), estoc_slice_str("abd")));
    assert_false(eq(estoc_slice_str("xbc"), estoc_slice_str("abc")));
    assert_false(eq(estoc_slice_str("abc"), estoc_slice_str("ab")));
    assert_false(eq(estoc_slice_str("ab"), estoc_slice_str("abc")));
    assert_false(eq(estoc_slice_of("a\0b", 3), estoc_slice_of("a\0c", 3)));
    assert_true(eq(empty, estoc_slice_str("")));
    assert_true(eq(empty, empty));
    assert_false(eq(empty, estoc_slice_str("a")));
}

static void slice_eq(void **state)
{
    (void)state;
    equality(estoc_slice_eq);
}

static void slice_eq_secret(void **state)
{
    (void)state;
    equality(estoc_slice_eq_secret);
    /* a difference in any bit of any byte is one */
    for (size_t bit = 0; bit < sizeof bytes * 8; bit++) {
        uint8_t other[sizeof bytes];
        memcpy(other, bytes, sizeof bytes);
        other[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_false(estoc_slice_eq_secret(first(sizeof bytes), estoc_slice_of(other, 9)));
    }
}

static void slice_sub(void **state)
{
    (void)state;
    estoc_slice s = first(4);
    assert_ptr_equal(estoc_slice_sub(s, 1, 2).ptr, bytes + 1);
    assert_int_equal(estoc_slice_sub(s, 1, 2).len, 2);
    assert_int_equal(estoc_slice_sub(s, 1, 4).len, 3);
    assert_int_equal(estoc_slice_sub(s, 1, SIZE_MAX).len, 3);
    assert_int_equal(estoc_slice_sub(s, 0, 0).len, 0);
    assert_int_equal(estoc_slice_sub(s, 4, 1).len, 0);
    assert_int_equal(estoc_slice_sub(s, 5, 1).len, 0);
    assert_int_equal(estoc_slice_sub(s, SIZE_MAX, SIZE_MAX).len, 0);
    assert_int_equal(estoc_slice_sub(empty, 0, 1).len, 0);
}

static void wipe(void **state)
{
    (void)state;
    uint8_t secret[sizeof bytes];
    memcpy(secret, bytes, sizeof bytes);
    estoc_wipe(secret + 1, sizeof secret - 2);
    assert_int_equal(secret[0], bytes[0]);
    for (size_t i = 1; i < sizeof secret - 1; i++) {
        assert_int_equal(secret[i], 0);
    }
    assert_int_equal(secret[8], bytes[8]);
    estoc_wipe(NULL, 0);
}

static void reads(void **state)
{
    (void)state;
    estoc_reader r = estoc_reader_of(first(sizeof bytes));
    assert_int_equal(estoc_reader_left(&r), 9);
    assert_int_equal(estoc_read_u8(&r), 0x01);
    assert_int_equal(estoc_read_u16(&r), 0x2345);
    assert_int_equal(estoc_read_uint(&r, 4), 0x6789abcd);
    estoc_slice s = estoc_read_bytes(&r, 2);
    assert_ptr_equal(s.ptr, bytes + 7);
    assert_int_equal(s.len, 2);
    assert_int_equal(estoc_read_bytes(&r, 0).len, 0);
    assert_int_equal(estoc_reader_left(&r), 0);
    assert_int_equal(estoc_reader_end(&r), 0);
}

static void high_bits(void **state)
{
    (void)state;
    static const uint8_t high[] = {0xff, 0xfe, 0xff, 0xff, 0xff, 0xfd};
    estoc_reader r = estoc_reader_of(estoc_slice_of(high, sizeof high));
    assert_int_equal(estoc_read_u16(&r), 0xfffe);
    assert_true(estoc_read_uint(&r, 4) == 0xfffffffdu);
}

/* Every read past the end fails alike, from a block of the exact size. */
static void reads_past_the_end(void **state)
{
    (void)state;
    static const size_t wants[] = {1, 2, 4, 5, SIZE_MAX};
    for (size_t have = 0; have < 4; have++) {
        for (size_t i = 0; i < sizeof wants / sizeof wants[0]; i++) {
            if (wants[i] <= have) {
                continue;
            }
            uint8_t *exact = calloc(1, have > 0 ? have : 1);
            assert_non_null(exact);
            memset(exact, 0xff, have);
            estoc_reader r = estoc_reader_of(estoc_slice_of(exact, have));
            uint64_t got = wants[i] == 1   ? estoc_read_u8(&r)
                           : wants[i] == 2 ? estoc_read_u16(&r)
                           : wants[i] == 4 ? estoc_read_uint(&r, 4)
                                           : estoc_read_bytes(&r, wants[i]).len;
            assert_int_equal(got, 0);
            assert_int_equal(r.err, ESTOC_E_TRUNCATED);
            assert_int_equal(estoc_reader_left(&r), 0);
            assert_int_equal(estoc_reader_end(&r), ESTOC_E_TRUNCATED);
            free(exact);
        }
    }
}

static void reader_error_sticks(void **state)
{
    (void)state;
    estoc_reader r = estoc_reader_of(first(9));
    estoc_reader_fail(&r, ESTOC_E_MALFORMED);
    estoc_reader_fail(&r, ESTOC_E_LIMIT);
    assert_int_equal(estoc_read_u8(&r), 0);
    assert_int_equal(estoc_read_u16(&r), 0);
    assert_int_equal(estoc_read_uint(&r, 4), 0);
    assert_int_equal(estoc_read_bytes(&r, 1).len, 0);
    assert_int_equal(estoc_read_bytes(&r, 0).len, 0);
    assert_int_equal(estoc_reader_end(&r), ESTOC_E_MALFORMED);
}

static void trailing(void **state)
{
    (void)state;
    estoc_reader r = estoc_reader_of(first(2));
    (void)estoc_read_u8(&r);
    assert_int_equal(estoc_reader_end(&r), ESTOC_E_TRAILING);
    assert_int_equal(estoc_reader_end(&r), ESTOC_E_TRAILING);
    r = estoc_reader_of(empty);
    assert_int_equal(estoc_reader_end(&r), 0);
}

static void write_all(estoc_writer *w)
{
    estoc_write_u8(w, 0x01);
    estoc_write_u16(w, 0x2345);
    estoc_write_uint(w, 0x6789abcd, 4);
    estoc_write_bytes(w, empty);
    estoc_write_bytes(w, estoc_slice_of(bytes + 7, 2));
}

static void writes(void **state)
{
    (void)state;
    uint8_t room[16];
    memset(room, 0x5a, sizeof room);
    estoc_writer w = estoc_writer_of((estoc_buf){room, 9});
    write_all(&w);
    size_t len = 0;
    assert_int_equal(estoc_writer_end(&w, &len), 0);
    assert_int_equal(len, 9);
    assert_memory_equal(room, bytes, 9);
    assert_int_equal(room[9], 0x5a);
    estoc_slice s = estoc_writer_slice(&w);
    assert_ptr_equal(s.ptr, room);
    assert_int_equal(s.len, 9);
}

static void writes_past_the_end(void **state)
{
    (void)state;
    for (size_t cap = 0; cap < 9; cap++) {
        uint8_t *exact = malloc(cap > 0 ? cap : 1);
        assert_non_null(exact);
        estoc_writer w = estoc_writer_of((estoc_buf){exact, cap});
        write_all(&w);
        size_t len = 99;
        assert_int_equal(estoc_writer_end(&w, &len), ESTOC_E_SPACE);
        assert_int_equal(len, 0);
        assert_int_equal(estoc_writer_slice(&w).len, 0);
        free(exact);
    }
}

/* What did not fit is not followed by something smaller that would. */
static void writer_error_sticks(void **state)
{
    (void)state;
    uint8_t room[3] = {0};
    estoc_writer w = estoc_writer_of((estoc_buf){room, sizeof room});
    estoc_write_uint(&w, 0xffffffff, 4);
    estoc_write_u8(&w, 0xff);
    estoc_writer_fail(&w, ESTOC_E_USAGE);
    size_t len;
    assert_int_equal(estoc_writer_end(&w, &len), ESTOC_E_SPACE);
    assert_int_equal(room[0], 0);
    w = estoc_writer_of((estoc_buf){room, sizeof room});
    estoc_writer_fail(&w, ESTOC_E_USAGE);
    estoc_write_u8(&w, 0xff);
    assert_int_equal(estoc_writer_end(&w, &len), ESTOC_E_USAGE);
    assert_int_equal(room[0], 0);
}

static void counting(void **state)
{
    (void)state;
    estoc_writer w = estoc_writer_counting();
    write_all(&w);
    size_t len;
    assert_int_equal(estoc_writer_end(&w, &len), 0);
    assert_int_equal(len, 9);
    assert_int_equal(estoc_writer_slice(&w).len, 0);
    /* a count that would wrap is an error */
    estoc_write_bytes(&w, estoc_slice_of(bytes, SIZE_MAX - 8));
    assert_int_equal(estoc_writer_end(&w, &len), ESTOC_E_SPACE);
}

/* A missing buffer must not be taken for counting. */
static void no_buffer(void **state)
{
    (void)state;
    estoc_writer w = estoc_writer_of((estoc_buf){NULL, 100});
    estoc_write_u8(&w, 1);
    size_t len = 9;
    assert_int_equal(estoc_writer_end(&w, &len), ESTOC_E_SPACE);
    assert_int_equal(len, 0);
}

static void divide(void **state)
{
    (void)state;
    static const uint64_t values[] = {
        0,          1,          999,           1000,           65535,
        65536,      0xffffffff, 0x100000000,   0x1234567890ab, INT64_MAX,
        UINT64_MAX, 1234567,    253402300799u, 0xffff0000ffff, 86400000};
    static const uint16_t by[] = {1, 2, 10, 999, 1000, 32768, 65534, 65535};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        for (size_t j = 0; j < sizeof by / sizeof by[0]; j++) {
            assert_true(estoc_divide(values[i], by[j]) == values[i] / by[j]);
        }
    }
}

int main(void)
{
    /* clang-format off */
    const struct CMUnitTest tests[] = {
        {"equality",                               slice_eq, NULL, NULL, NULL},
        {"equality of secrets",                    slice_eq_secret, NULL, NULL, NULL},
        {"part of a slice stays inside it",        slice_sub, NULL, NULL, NULL},
        {"division of 64 bits",                    divide, NULL, NULL, NULL},
        {"wipe",                                   wipe, NULL, NULL, NULL},
        {"reads are big-endian",                   reads, NULL, NULL, NULL},
        {"reads do not sign-extend",               high_bits, NULL, NULL, NULL},
        {"reads past the end",                     reads_past_the_end, NULL, NULL, NULL},
        {"the first error of a reader sticks",     reader_error_sticks, NULL, NULL, NULL},
        {"bytes left at the end",                  trailing, NULL, NULL, NULL},
        {"writes are big-endian",                  writes, NULL, NULL, NULL},
        {"writes past the end",                    writes_past_the_end, NULL, NULL, NULL},
        {"the first error of a writer sticks",     writer_error_sticks, NULL, NULL, NULL},
        {"counting",                               counting, NULL, NULL, NULL},
        {"a writer without a buffer",              no_buffer, NULL, NULL, NULL},
    };
    /* clang-format on */
    return cmocka_run_group_tests_name("bytes", tests, NULL, NULL);
}
