/* SPDX-License-Identifier: MIT */
#include <estoc/csrattrs.h>

#include "coap/rows.h"
#include "est/answers.h"
#include "text.h"

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

/* clang-format off */
static const struct CMUnitTest tests[] = {
    {"E3 RFC 9148 A.4: read, and built byte for byte",     rfc9148_a4, NULL, NULL, NULL},
    {"E3 RFC 7030 4.5.2: read, and built byte for byte",   rfc7030_example, NULL, NULL, NULL},
    {"E3 nothing asked for",                               nothing, NULL, NULL, NULL},
    {"cut at every byte",                                  every_truncation, NULL, NULL, NULL},
    {"built into every size of buffer",                    builds_into_every_room, NULL, NULL, NULL},
    {"built of what is no OID or no value",                builds_no_nonsense, NULL, NULL, NULL},
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
