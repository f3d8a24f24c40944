/* SPDX-License-Identifier: MIT */
#include <estoc/block.h>

#include "coap/rows.h"

static void assert_block(estoc_slice value, uint32_t num, bool more, uint8_t szx)
{
    uint8_t *exact = exact_copy(value);
    estoc_block b = {9, true, 9};
    assert_int_equal(estoc_block_parse(estoc_slice_of(exact, value.len), &b), 0);
    free(exact);
    assert_int_equal(b.num, num);
    assert_int_equal(b.more, more);
    assert_int_equal(b.szx, szx);
}

static void malformed(void **state)
{
    const struct malformed_value *row = *state;
    uint8_t *exact = exact_copy(row->bytes);
    estoc_block b = {9, true, 9};
    assert_int_equal(estoc_block_parse(estoc_slice_of(exact, row->bytes.len), &b), row->err);
    free(exact);
    assert_int_equal(b.num, 0);
    assert_false(b.more);
    assert_int_equal(b.szx, 0);
}

static void examples(void **state)
{
    (void)state;
    assert_block(estoc_slice_of("\x0a", 1), 0, true, 2); /* RFC 9148 B.1 */
    assert_block(estoc_slice_of("\x1a", 1), 1, true, 2);
    assert_block(estoc_slice_of("\x92", 1), 9, false, 2);
    assert_block(estoc_slice_of("\x01\x0e", 2), 16, true, 6);
    assert_block(estoc_slice_of("\xff\xff\xfe", 3), 0xfffff, true, 6);
}

/* RFC 7959 section 2.2: the empty value is 0/0/16. */
static void empty_value(void **state)
{
    (void)state;
    assert_block(estoc_slice_of(NULL, 0), 0, false, 0);
}

static void leading_zeros(void **state)
{
    (void)state;
    assert_block(estoc_slice_of("\x00\x04", 2), 0, false, 4);
    assert_block(estoc_slice_of("\x00\x00\x0e", 3), 0, true, 6);
    assert_block(estoc_slice_of("\x00\x00\x00", 3), 0, false, 0);
}

static void every_value(void **state)
{
    (void)state;
    for (uint32_t v = 0; v < 1u << 24; v += v < 1u << 12 ? 1 : 257) {
        const uint8_t value[3] = {(uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};
        estoc_block b;
        estoc_err err = estoc_block_parse(SLICE(value), &b);
        if (v % 8 == 7) {
            assert_int_equal(err, ESTOC_E_MALFORMED);
            continue;
        }
        assert_int_equal(err, 0);
        assert_int_equal(b.num, v / 16);
        assert_int_equal(b.more, v / 8 % 2);
        assert_int_equal(b.szx, v % 8);
        assert_int_equal(estoc_block_value(b), v);
        assert_int_equal(estoc_block_offset(b), v / 16 * (16u << v % 8));
    }
}

static void offsets(void **state)
{
    (void)state;
    for (uint8_t szx = 0; szx <= ESTOC_SZX_MAX; szx++) {
        assert_int_equal(ESTOC_BLOCK_SIZE(szx), 16u << szx);
        assert_int_equal(estoc_block_offset((estoc_block){0, true, szx}), 0);
        assert_int_equal(estoc_block_offset((estoc_block){3, false, szx}), 48u << szx);
    }
    assert_int_equal(estoc_block_offset((estoc_block){0xfffff, false, 6}), 0x3ffffc00);
}

/* A client that goes from 1,024 to 64 bytes after the first block asks for block 16 next. */
static void smaller_size(void **state)
{
    (void)state;
    estoc_block large = {1, true, 6};
    estoc_block small = {16, true, 2};
    assert_int_equal(estoc_block_offset(large), estoc_block_offset(small));
}

static void szx_for(void **state)
{
    (void)state;
    for (size_t bytes = 16; bytes < 3000; bytes++) {
        uint8_t szx = estoc_block_szx_for(bytes);
        assert_true(ESTOC_BLOCK_SIZE(szx) <= bytes);
        assert_true(szx == ESTOC_SZX_MAX || ESTOC_BLOCK_SIZE(szx + 1u) > bytes);
    }
    for (size_t bytes = 0; bytes < 16; bytes++) {
        assert_int_equal(estoc_block_szx_for(bytes), 0);
    }
    assert_int_equal(estoc_block_szx_for(SIZE_MAX), ESTOC_SZX_MAX);
}

/* clang-format off */
static const struct CMUnitTest tests[] = {
    {"B1 the examples of RFC 9148 B.1",             examples, NULL, NULL, NULL},
    {"B1 the empty value",                          empty_value, NULL, NULL, NULL},
    {"B1 101 leading zeros mean the same",          leading_zeros, NULL, NULL, NULL},
    {"B1 126 values of three bytes, there and back", every_value, NULL, NULL, NULL},
    {"B1 offsets at every size",                    offsets, NULL, NULL, NULL},
    {"B1 122 a smaller size at the same offset",    smaller_size, NULL, NULL, NULL},
    {"B4 the largest size that fits",               szx_for, NULL, NULL, NULL},
};
/* clang-format on */

int main(void)
{
    for (size_t i = 0; i < COUNT(malformed_blocks); i++) {
        rows_add("B1 refused:", malformed_blocks[i].name, malformed, &malformed_blocks[i]);
    }
    return rows_run("block", tests, COUNT(tests));
}
