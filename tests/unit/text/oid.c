/* SPDX-License-Identifier: MIT */
#include "coap/rows.h"

#include "est/answers.h"
#include "text.h"

static uint8_t room[1024];
static char text[128];

static const char *oid_text(estoc_slice oid)
{
    return estoc_oid_text(oid, (estoc_buf){(uint8_t *)text, sizeof text});
}

/* clang-format off */
static const struct oid_row {
    const char *text;
    estoc_slice oid;
} oids[] = {
    {"0.0",                     BYTES(0x00)},
    {"0.39",                    BYTES(0x27)},
    {"1.0",                     BYTES(0x28)},
    {"1.39",                    BYTES(0x4f)},
    {"2.0",                     BYTES(0x50)},
    {"2.39",                    BYTES(0x77)},
    {"2.40",                    BYTES(0x78)},
    {"2.47",                    BYTES(0x7f)},
    {"2.48",                    BYTES(0x81, 0x00)},
    {"2.999",                   BYTES(0x88, 0x37)},
    {"1.2.840.10045.3.1.7",     BYTES(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07)},
    {"1.3.6.1.5.5.7.3.28",      BYTES(0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x1c)},
    {"1.3.4294967295.0",        BYTES(0x2b, 0x8f, 0xff, 0xff, 0xff, 0x7f, 0x00)},
    {"1.3.4294967296",          BYTES(0x2b, 0x90, 0x80, 0x80, 0x80, 0x00)},
    {"1.3.1000000000000000000", BYTES(0x2b, 0x8d, 0xf0, 0xad, 0xd6, 0xba, 0xbb, 0x90, 0x80, 0x00)},
    {"1.3.9223372036854775807", BYTES(0x2b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f)},
    {"2.9223372036854775727",   BYTES(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f)},
};

static const char *const no_oids[] = {
    "", ".", "1", "1.", "2", ".1.2", "1..2", "1.2.", "1.2.3.", "1.2..3", "3.1", "10.1", "0.40", "1.40", "1.2.03",
    "01.2", "1.02", "00.1", "-1.2", "1.-2", "+1.2", "1.2 ", " 1.2", "1.2a", "1.2.x", "1,2", "1.2\n", "0x1.2", "OID.1.2",
    "1.3.9223372036854775808", "1.3.9223372036854775810", "1.3.18446744073709551617",
    "1.3.99999999999999999999", "2.9223372036854775728", "2.9223372036854775807", "18446744073709551617.3",
};
/* clang-format on */

static void oids_both_ways(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(oids); i++) {
        size_t len = 9;
        assert_string_equal(oid_text(oids[i].oid), oids[i].text);
        assert_int_equal(estoc_oid_build(oids[i].text, (estoc_buf){room, sizeof room}, &len), 0);
        assert_bytes(estoc_slice_of(room, len), oids[i].oid);
        for (size_t cap = 0; cap < oids[i].oid.len; cap++) {
            len = 9;
            assert_int_equal(estoc_oid_build(oids[i].text, (estoc_buf){room, cap}, &len),
                             ESTOC_E_SPACE);
            assert_int_equal(len, 0);
        }
    }
}

static void text_that_is_no_oid(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(no_oids); i++) {
        size_t len = 9;
        estoc_err err = estoc_oid_build(no_oids[i], (estoc_buf){room, sizeof room}, &len);
        if (err != ESTOC_E_MALFORMED || len != 0) {
            fail_msg("\"%s\" gave %d", no_oids[i], (int)err);
        }
    }
}

static void oid_that_is_none(void **state)
{
    (void)state;
    static const uint8_t padded[] = {0x2b, 0x80, 0x01};
    static const uint8_t cut[] = {0x2b, 0x81};
    static const uint8_t too_large[] = {0x2b, 0x81, 0x80, 0x80, 0x80, 0x80,
                                        0x80, 0x80, 0x80, 0x80, 0x00};
    assert_string_equal(oid_text(estoc_slice_of(NULL, 0)), "?");
    assert_string_equal(oid_text(SLICE(padded)), "?");
    assert_string_equal(oid_text(SLICE(cut)), "?");
    assert_string_equal(oid_text(SLICE(too_large)), "?");
}

static void text_is_cut_to_fit(void **state)
{
    (void)state;
    static const char whole[] = "1.2.840.10045.3.1.7";
    static const uint8_t oid[] = {0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
    for (size_t cap = 1; cap <= sizeof whole + 1; cap++) {
        char *exact = malloc(cap);
        assert_non_null(exact);
        const char *got = estoc_oid_text(SLICE(oid), (estoc_buf){(uint8_t *)exact, cap});
        assert_ptr_equal(got, exact);
        assert_int_equal(strlen(got), cap < sizeof whole ? cap - 1 : sizeof whole - 1);
        assert_memory_equal(got, whole, strlen(got));
        free(exact);
    }
    assert_string_equal(estoc_oid_text(SLICE(oid), (estoc_buf){NULL, 0}), "");
    assert_string_equal(estoc_oid_text(SLICE(oid), (estoc_buf){room, 1}), "");
}

/* As long as an OID may be, and longer. */
static void long_oids(void **state)
{
    (void)state;
    static uint8_t oid[10240];
    char dotted[2 + 2 * 129] = "0.1";
    size_t len = 9;
    memset(oid, 1, sizeof oid);
    assert_int_equal(strlen(oid_text(estoc_slice_of(oid, 128))), sizeof text - 1);
    assert_memory_equal(text, "0.1.1.1.1", 9);
    assert_string_equal(oid_text(SLICE(oid)), "?");
    for (size_t n = 1; n < 128; n++) {
        strcat(dotted, ".1");
    }
    assert_int_equal(estoc_oid_build(dotted, (estoc_buf){room, sizeof room}, &len), 0);
    assert_bytes(estoc_slice_of(room, len), estoc_slice_of(oid, 128));
    strcat(dotted, ".1");
    assert_int_equal(estoc_oid_build(dotted, (estoc_buf){room, sizeof room}, &len),
                     ESTOC_E_MALFORMED);
    assert_int_equal(len, 0);
}

/* clang-format off */
static const struct CMUnitTest tests[] = {
    {"OIDs as text and from text",         oids_both_ways, NULL, NULL, NULL},
    {"text that is no OID",                text_that_is_no_oid, NULL, NULL, NULL},
    {"227 an OID that is none",            oid_that_is_none, NULL, NULL, NULL},
    {"an OID's text cut to fit",           text_is_cut_to_fit, NULL, NULL, NULL},
    {"227 OIDs of 128 bytes and of 10 KiB", long_oids, NULL, NULL, NULL},
};
/* clang-format on */

int main(void)
{
    return rows_run("oid", tests, COUNT(tests));
}
