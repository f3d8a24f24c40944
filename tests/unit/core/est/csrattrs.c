/* SPDX-License-Identifier: MIT */
#include <estoc/csrattrs.h>

#include "coap/rows.h"
#include "est/answers.h"

enum { ATTRS = 8 };
static estoc_csrattr attrs[ATTRS];
static uint8_t room[1024];
static char text[128];

/* All of a list. */
static estoc_err walk(estoc_slice der, size_t *n)
{
    estoc_reader r = {{room, 9}, ESTOC_OK};
    *n = 0;
    estoc_err err = estoc_csrattrs_begin(der, &r);
    while (*n < ATTRS && estoc_csrattrs_next(&r, &attrs[*n])) {
        assert_int_equal(r.err, 0);
        assert_true(attrs[*n].oid.len > 0);
        ++*n;
    }
    if (err) {
        assert_int_equal(*n, 0);
        assert_int_equal(r.err, err);
    }
    assert_int_equal(attrs[*n].oid.len, 0); /* zeroed at the end */
    assert_int_equal(attrs[*n].values.len, 0);
    assert_false(attrs[*n].is_attribute);
    assert_false(estoc_csrattrs_next(&r, &attrs[*n]));
    return r.err;
}

static const char *oid_text(estoc_slice oid)
{
    return estoc_oid_text(oid, (estoc_buf){(uint8_t *)text, sizeof text});
}

static void assert_attr(size_t i, const char *oid, size_t values_len)
{
    assert_string_equal(oid_text(attrs[i].oid), oid);
    assert_int_equal(attrs[i].is_attribute, values_len > 0);
    assert_int_equal(attrs[i].values.len, values_len);
}

static void assert_built(size_t n, estoc_slice expected)
{
    size_t len = 9;
    assert_int_equal(estoc_csrattrs_build(attrs, n, (estoc_buf){room, sizeof room}, &len), 0);
    assert_bytes(estoc_slice_of(room, len), expected);
}

static void rfc9148_a4(void **state)
{
    (void)state;
    size_t n;
    assert_int_equal(walk(SLICE(rfc9148_a4_att), &n), 0);
    assert_int_equal(n, 6);
    assert_attr(0, "1.3.6.1.1.1.1.22", 0);
    assert_attr(1, "2.999.1", 27);
    assert_text(estoc_slice_sub(attrs[1].values, 2, 99), "Parse SET as 2.999.1 data");
    assert_attr(2, "1.2.840.113549.1.9.7", 0);
    assert_attr(3, "2.999.2", 37);
    assert_attr(4, "1.3.36.3.3.2.8.1.1.11", 0);
    assert_attr(5, "2.16.840.1.101.3.4.2.2", 0);
    assert_built(n, SLICE(rfc9148_a4_att));
}

static void rfc7030_example(void **state)
{
    (void)state;
    size_t n;
    assert_int_equal(walk(SLICE(rfc7030_4_5_2), &n), 0);
    assert_int_equal(n, 4);
    assert_attr(0, "1.2.840.113549.1.9.7", 0);
    assert_attr(1, "1.2.840.10045.2.1", 7);
    estoc_reader values = estoc_reader_of(attrs[1].values);
    assert_string_equal(oid_text(estoc_der_oid(&values)), "1.3.132.0.34");
    assert_attr(2, "1.2.840.113549.1.9.14", 9);
    assert_attr(3, "1.2.840.10045.4.3.3", 0);
    assert_built(n, SLICE(rfc7030_4_5_2));
}

static void nothing(void **state)
{
    (void)state;
    static const uint8_t empty[] = {0x30, 0x00};
    size_t n;
    assert_int_equal(walk(SLICE(empty), &n), 0);
    assert_int_equal(n, 0);
    assert_built(0, SLICE(empty));
}

static estoc_err walk_exact(estoc_slice der)
{
    size_t n;
    uint8_t *exact = exact_copy(der);
    estoc_err err = walk(estoc_slice_of(exact, der.len), &n);
    free(exact);
    return err;
}

static void malformed(void **state)
{
    const struct malformed_value *row = *state;
    assert_int_equal(walk_exact(row->bytes), row->err);
}

/* What is taken is built again byte for byte: DER has one encoding. */
static void wellformed(void **state)
{
    const struct wellformed *row = *state;
    size_t n;
    assert_int_equal(walk_exact(row->bytes), 0);
    assert_int_equal(walk(row->bytes, &n), 0);
    assert_built(n, row->bytes);
}

static void every_truncation(void **state)
{
    (void)state;
    for (size_t len = 0; len < sizeof rfc9148_a4_att; len++) {
        assert_int_equal(walk_exact(estoc_slice_of(rfc9148_a4_att, len)), ESTOC_E_TRUNCATED);
    }
}

static void builds_into_every_room(void **state)
{
    (void)state;
    size_t n;
    const size_t need = sizeof rfc7030_4_5_2;
    assert_int_equal(walk(SLICE(rfc7030_4_5_2), &n), 0);
    for (size_t cap = 0; cap <= need; cap++) {
        uint8_t *exact = malloc(cap > 0 ? cap : 1);
        assert_non_null(exact);
        size_t len = 9;
        estoc_err err = estoc_csrattrs_build(attrs, n, (estoc_buf){exact, cap}, &len);
        assert_int_equal(err, cap < need ? ESTOC_E_SPACE : ESTOC_OK);
        assert_int_equal(len, cap < need ? 0 : need);
        free(exact);
    }
}

static void builds_no_nonsense(void **state)
{
    (void)state;
    static const uint8_t oid[] = {0x2b, 0x06};
    static const uint8_t padded[] = {0x80, 0x01};
    static const uint8_t value[] = {0x05, 0x00, 0x05, 0x00};
    const estoc_csrattr bad[] = {
        {{NULL, 0}, {NULL, 0}, false},
        {SLICE(padded), {NULL, 0}, false},
        {SLICE(padded), SLICE(value), true},
        {SLICE(oid), {NULL, 0}, true},
        {SLICE(oid), estoc_slice_of(value, 3), true},
        {SLICE(oid), SLICE(value), false},
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        const estoc_csrattr list[] = {
            {SLICE(oid), SLICE(value), true}, bad[i], {SLICE(oid), {NULL, 0}, false}};
        size_t len = 9;
        estoc_buf out = {room, sizeof room};
        assert_int_equal(estoc_csrattrs_build(list, 3, out, &len), ESTOC_E_MALFORMED);
        assert_int_equal(len, 0);
        assert_int_equal(estoc_csrattrs_build(list, 1, out, &len), 0);
    }
}

/* ---- OIDs as text ---- */

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
    {"E3 RFC 9148 A.4: read, and built byte for byte",     rfc9148_a4, NULL, NULL, NULL},
    {"E3 RFC 7030 4.5.2: read, and built byte for byte",   rfc7030_example, NULL, NULL, NULL},
    {"E3 nothing asked for",                               nothing, NULL, NULL, NULL},
    {"cut at every byte",                                  every_truncation, NULL, NULL, NULL},
    {"built into every size of buffer",                    builds_into_every_room, NULL, NULL, NULL},
    {"built of what is no OID or no value",                builds_no_nonsense, NULL, NULL, NULL},
    {"OIDs as text and from text",                         oids_both_ways, NULL, NULL, NULL},
    {"text that is no OID",                                text_that_is_no_oid, NULL, NULL, NULL},
    {"227 an OID that is none",                            oid_that_is_none, NULL, NULL, NULL},
    {"an OID's text cut to fit",                           text_is_cut_to_fit, NULL, NULL, NULL},
    {"227 OIDs of 128 bytes and of 10 KiB",                long_oids, NULL, NULL, NULL},
};
/* clang-format on */

int main(void)
{
    for (size_t i = 0; i < COUNT(malformed_attrs); i++) {
        rows_add("E3 refused:", malformed_attrs[i].name, malformed, &malformed_attrs[i]);
    }
    for (size_t i = 0; i < COUNT(wellformed_attrs); i++) {
        rows_add("E3 taken:", wellformed_attrs[i].name, wellformed, &wellformed_attrs[i]);
    }
    return rows_run("csrattrs", tests, COUNT(tests));
}
