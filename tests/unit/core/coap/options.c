/* SPDX-License-Identifier: MIT */
/* The option part of src/core/coap/message.c. */
#include <estoc/coap.h>

#include "coap/rows.h"

static estoc_coap_msg msg;
static uint8_t room[70000];

static void extended_deltas_and_lengths(void **state)
{
    (void)state;
    static const uint16_t at[] = {0, 1, 12, 13, 14, 268, 269, 270, 524, 525, 1034, 65534, 65535};
    static uint8_t value[65535];
    memset(value, 0x5a, sizeof value);
    for (size_t i = 0; i < COUNT(at); i++) {
        for (size_t j = 0; j < COUNT(at); j++) {
            estoc_coap_writer cw = estoc_coap_write_begin((estoc_buf){room, sizeof room}, 0, 1, 0,
                                                          estoc_slice_of(NULL, 0));
            estoc_coap_write_option(&cw, at[i], estoc_slice_of(value, at[j]));
            size_t len;
            assert_int_equal(estoc_coap_write_end(&cw, &len), 0);
            size_t extra = (at[i] < 13    ? 0u
                            : at[i] < 269 ? 1u
                                          : 2u) +
                           (at[j] < 13    ? 0u
                            : at[j] < 269 ? 1u
                                          : 2u);
            assert_int_equal(len, 5 + extra + at[j]);
            assert_int_equal(estoc_coap_parse(&msg, estoc_slice_of(room, len)), 0);
            estoc_coap_opts it = estoc_coap_opts_of(msg.options);
            assert_next(&it, at[i], estoc_slice_of(value, at[j]));
            assert_no_more(&it);
        }
    }
}

static void option_too_long(void **state)
{
    (void)state;
    estoc_coap_writer cw =
        estoc_coap_write_begin((estoc_buf){room, sizeof room}, 0, 1, 0, estoc_slice_of(NULL, 0));
    estoc_coap_write_option(&cw, 11, estoc_slice_of(room, 65536));
    size_t len;
    assert_int_equal(estoc_coap_write_end(&cw, &len), ESTOC_E_USAGE);
}

static void unknown_options(void **state)
{
    (void)state;
    /* elective 65,000, critical 65,001, then Uri-Path would be out of order: the end */
    static const uint8_t dg[] = {CON_GET, 0xe0, 0xfc, 0xdb, 0x11, 'x'};
    assert_int_equal(estoc_coap_parse(&msg, SLICE(dg)), 0);
    estoc_coap_opts it = estoc_coap_opts_of(msg.options);
    estoc_coap_opt opt;
    estoc_coap_opt_rule rule;
    assert_true(estoc_coap_opts_next(&it, &opt));
    assert_int_equal(opt.number, 65000);
    assert_false(ESTOC_OPT_IS_CRITICAL(opt.number));
    assert_true(estoc_coap_opts_next(&it, &opt));
    assert_int_equal(opt.number, 65001);
    assert_true(ESTOC_OPT_IS_CRITICAL(opt.number));
    memset(&rule, 0xff, sizeof rule);
    assert_false(estoc_coap_opt_rule_of(opt.number, &rule));
    assert_int_equal(rule.number | rule.min_len | rule.max_len | rule.repeatable, 0);
}

static void oscore_is_not_understood(void **state)
{
    (void)state;
    estoc_coap_opt_rule rule;
    assert_false(estoc_coap_opt_rule_of(ESTOC_OPT_OSCORE, &rule));
    assert_true(ESTOC_OPT_IS_CRITICAL(ESTOC_OPT_OSCORE));
    assert_true(estoc_coap_opt_rule_of(ESTOC_OPT_HOP_LIMIT, &rule));
    assert_false(ESTOC_OPT_IS_CRITICAL(ESTOC_OPT_HOP_LIMIT));
}

static void uri_options_accepted(void **state)
{
    (void)state;
    estoc_coap_opt_rule rule;
    assert_true(estoc_coap_opt_rule_of(ESTOC_OPT_URI_HOST, &rule));
    assert_false(rule.repeatable);
    assert_int_equal(rule.min_len, 1);
    assert_int_equal(rule.max_len, 255);
    assert_true(estoc_coap_opt_rule_of(ESTOC_OPT_URI_PORT, &rule));
    assert_int_equal(rule.max_len, 2);
}

static void repeated_options(void **state)
{
    (void)state;
    /* Content-Format 286, Content-Format 0, Accept 281, Accept 287 */
    static const uint8_t dg[] = {CON_GET, 0xc2, 0x01, 0x1e, 0x00, 0x52,
                                 0x01,    0x19, 0x02, 0x01, 0x1f};
    assert_int_equal(estoc_coap_parse(&msg, SLICE(dg)), 0);
    estoc_slice value;
    assert_true(estoc_coap_opt_find(msg.options, ESTOC_OPT_CONTENT_FORMAT, &value));
    assert_bytes(value, estoc_slice_of("\x01\x1e", 2));
    assert_true(estoc_coap_opt_find(msg.options, ESTOC_OPT_ACCEPT, &value));
    assert_bytes(value, estoc_slice_of("\x01\x19", 2));
    assert_false(estoc_coap_opt_find(msg.options, ESTOC_OPT_BLOCK1, &value));
    assert_null(value.ptr);
    assert_int_equal(value.len, 0);
    estoc_coap_opts it = estoc_coap_opts_of(msg.options);
    assert_next(&it, ESTOC_OPT_CONTENT_FORMAT, estoc_slice_of("\x01\x1e", 2));
    assert_next(&it, ESTOC_OPT_CONTENT_FORMAT, estoc_slice_of(NULL, 0));
}

static void leading_zeros(void **state)
{
    (void)state;
    uint32_t v = 9;
    assert_int_equal(estoc_coap_uint(estoc_slice_of("\x00\x28", 2), &v), 0);
    assert_int_equal(v, 40);
    assert_int_equal(estoc_coap_uint(estoc_slice_of("\x00\x00\x00\x00", 4), &v), 0);
    assert_int_equal(v, 0);
    assert_int_equal(estoc_coap_uint(estoc_slice_of("\xff\xff\xff\xff", 4), &v), 0);
    assert_int_equal(v, UINT32_MAX);
    assert_int_equal(estoc_coap_uint(estoc_slice_of(NULL, 0), &v), 0);
    assert_int_equal(v, 0);
    v = 9;
    assert_int_equal(estoc_coap_uint(estoc_slice_of("\0\0\0\0\1", 5), &v), ESTOC_E_MALFORMED);
    assert_int_equal(v, 0);
}

static void shortest_uints(void **state)
{
    (void)state;
    static const struct {
        uint32_t v;
        size_t len;
    } cases[] = {{0, 0},     {1, 1},        {255, 1},        {256, 2},       {65535, 2},
                 {65536, 3}, {0xffffff, 3}, {0x01000000, 4}, {0xffffffff, 4}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        estoc_coap_writer cw = estoc_coap_write_begin((estoc_buf){room, sizeof room}, 0, 1, 0,
                                                      estoc_slice_of(NULL, 0));
        estoc_coap_write_uint(&cw, ESTOC_OPT_MAX_AGE, cases[i].v);
        size_t len;
        assert_int_equal(estoc_coap_write_end(&cw, &len), 0);
        assert_int_equal(estoc_coap_parse(&msg, estoc_slice_of(room, len)), 0);
        estoc_slice value;
        uint32_t v;
        assert_true(estoc_coap_opt_find(msg.options, ESTOC_OPT_MAX_AGE, &value));
        assert_int_equal(value.len, cases[i].len);
        assert_int_equal(estoc_coap_uint(value, &v), 0);
        assert_int_equal(v, cases[i].v);
    }
}

static void odd_path_segments(void **state)
{
    (void)state;
    /* "", ".", "..", "%2e", 255 bytes, then 40 segments: handed over byte for byte */
    static const char *const odd[] = {"", ".", "..", "%2e", "crts/", "\xff"};
    char longest[256];
    memset(longest, 'a', 255);
    longest[255] = '\0';
    estoc_coap_writer cw =
        estoc_coap_write_begin((estoc_buf){room, sizeof room}, 0, 1, 0, estoc_slice_of(NULL, 0));
    for (size_t i = 0; i < COUNT(odd); i++) {
        estoc_coap_write_option(&cw, ESTOC_OPT_URI_PATH, estoc_slice_str(odd[i]));
    }
    estoc_coap_write_option(&cw, ESTOC_OPT_URI_PATH, estoc_slice_str(longest));
    for (size_t i = 0; i < 40; i++) {
        estoc_coap_write_option(&cw, ESTOC_OPT_URI_PATH, estoc_slice_str("x"));
    }
    size_t len;
    assert_int_equal(estoc_coap_write_end(&cw, &len), 0);
    assert_int_equal(estoc_coap_parse(&msg, estoc_slice_of(room, len)), 0);
    estoc_coap_opts it = estoc_coap_opts_of(msg.options);
    for (size_t i = 0; i < COUNT(odd); i++) {
        assert_next_text(&it, ESTOC_OPT_URI_PATH, odd[i]);
    }
    assert_next_text(&it, ESTOC_OPT_URI_PATH, longest);
    for (size_t i = 0; i < 40; i++) {
        assert_next_text(&it, ESTOC_OPT_URI_PATH, "x");
    }
    assert_no_more(&it);
}

/* The walk over bytes nobody has checked ends at the first fault, and stays there. */
static void walk_over_faults(void **state)
{
    const struct malformed_message *row = *state;
    estoc_coap_opts it = estoc_coap_opts_of(estoc_slice_sub(row->bytes, 4, SIZE_MAX));
    estoc_coap_opt opt;
    size_t n = 0;
    while (estoc_coap_opts_next(&it, &opt)) {
        n++;
    }
    assert_true(n <= row->bytes.len);
    assert_no_more(&it);
}

/* clang-format off */
static const struct CMUnitTest tests[] = {
    {"extended deltas and lengths",                           extended_deltas_and_lengths, NULL, NULL, NULL},
    {"an option value that cannot be written",                option_too_long, NULL, NULL, NULL},
    {"C3 97 unknown options are shown with their class",      unknown_options, NULL, NULL, NULL},
    {"C3 119 OSCORE is critical and unknown, Hop-Limit elective",
        oscore_is_not_understood, NULL, NULL, NULL},
    {"C3 Uri-Host and Uri-Port have rules",                   uri_options_accepted, NULL, NULL, NULL},
    {"C3 99 a repeated option: the first is found, both are walked",
        repeated_options, NULL, NULL, NULL},
    {"101 leading zeros in uint options",                     leading_zeros, NULL, NULL, NULL},
    {"uint options are written in the fewest bytes",          shortest_uints, NULL, NULL, NULL},
    {"111 odd path segments are not normalised",              odd_path_segments, NULL, NULL, NULL},
};
/* clang-format on */

int main(void)
{
    for (size_t i = 0; i < COUNT(malformed_messages); i++) {
        rows_add("walk over:", malformed_messages[i].name, walk_over_faults,
                 &malformed_messages[i]);
    }
    return rows_run("options", tests, COUNT(tests));
}
