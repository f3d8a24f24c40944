/* SPDX-License-Identifier: MIT */
#include <estoc/multipart.h>

#include "coap/rows.h"
#include "est/answers.h"

enum { PARTS = 4 };
static estoc_part parts[PARTS];
static uint8_t room[70000];

static estoc_err parse(estoc_slice cbor, size_t *n)
{
    memset(parts, 0xa5, sizeof parts);
    *n = PARTS;
    return estoc_multipart_parse(cbor, parts, n);
}

/* From memory of the exact size. */
static estoc_err parse_exact(estoc_slice cbor)
{
    size_t n;
    uint8_t *exact = exact_copy(cbor);
    estoc_err err = parse(estoc_slice_of(exact, cbor.len), &n);
    for (size_t i = 0; i < n; i++) {
        const estoc_slice *body = &parts[i].body;
        assert_true(body->ptr >= exact && body->ptr + body->len <= exact + cbor.len);
    }
    for (size_t i = 0; err && i < PARTS; i++) {
        assert_null(parts[i].body.ptr);
        assert_int_equal(parts[i].body.len, 0);
        assert_int_equal(parts[i].format, 0);
        assert_false(parts[i].absent);
    }
    assert_true(!err || n == 0);
    free(exact);
    return err;
}

static estoc_slice build(const estoc_part *list, size_t n)
{
    size_t len = 9;
    assert_int_equal(estoc_multipart_build(list, n, (estoc_buf){room, sizeof room}, &len), 0);
    return estoc_slice_of(room, len);
}

/* A key in PKCS #8, then its certificate. */
static void rfc9148_a3(void **state)
{
    (void)state;
    size_t n;
    assert_int_equal(parse(SLICE(rfc9148_a3_skg), &n), 0);
    assert_int_equal(n, 2);
    assert_int_equal(parts[0].format, 284);
    assert_int_equal(parts[0].body.len, 138);
    assert_ptr_equal(parts[0].body.ptr, rfc9148_a3_skg + 6);
    assert_false(parts[0].absent);
    assert_int_equal(parts[1].format, 281);
    assert_int_equal(parts[1].body.len, 467);
    assert_ptr_equal(parts[1].body.ptr, rfc9148_a3_skg + sizeof rfc9148_a3_skg - 467);
    assert_bytes(build(parts, n), SLICE(rfc9148_a3_skg));
}

static void rfc8710_example(void **state)
{
    (void)state;
    size_t n;
    estoc_slice vector = wellformed_parts[1].bytes;
    assert_int_equal(parse(vector, &n), 0);
    assert_int_equal(n, 2);
    assert_int_equal(parts[0].format, 42);
    assert_bytes(parts[0].body, estoc_slice_of("\x01\x23\x45\x67\x89\xab\xcd\xef", 8));
    assert_int_equal(parts[1].format, 0);
    assert_text(parts[1].body, "01234");
    assert_bytes(build(parts, n), vector);
}

static void no_parts(void **state)
{
    (void)state;
    static const uint8_t empty[] = {0x80};
    size_t n = 0;
    assert_int_equal(estoc_multipart_parse(SLICE(empty), NULL, &n), 0);
    assert_int_equal(n, 0);
    assert_bytes(build(NULL, 0), SLICE(empty));
}

/* Not given is another thing than of no bytes. */
static void absent_part(void **state)
{
    (void)state;
    static const uint8_t cbor[] = {0x84, 0x19, 0x01, 0x1c, 0xf6, 0x19, 0x01, 0x1f, 0x40};
    size_t n;
    assert_int_equal(parse(SLICE(cbor), &n), 0);
    assert_int_equal(n, 2);
    assert_int_equal(parts[0].format, 284);
    assert_true(parts[0].absent);
    assert_int_equal(parts[0].body.len, 0);
    assert_int_equal(parts[1].format, 287);
    assert_false(parts[1].absent);
    assert_int_equal(parts[1].body.len, 0);
    assert_bytes(build(parts, n), SLICE(cbor));
}

static void malformed(void **state)
{
    const struct malformed_value *row = *state;
    assert_int_equal(parse_exact(row->bytes), row->err);
}

static void wellformed(void **state)
{
    const struct wellformed *row = *state;
    size_t n;
    assert_int_equal(parse_exact(row->bytes), 0);
    assert_int_equal(parse(row->bytes, &n), 0);
    if (row - wellformed_parts >= 3) {
        assert_int_equal(n, 1);
        assert_int_equal(parts[0].format, 284);
        assert_text(parts[0].body, "a");
        assert_bytes(build(parts, n), wellformed_parts[3].bytes);
    }
}

static void every_truncation(void **state)
{
    (void)state;
    for (size_t len = 0; len < sizeof rfc9148_a3_skg; len++) {
        assert_int_equal(parse_exact(estoc_slice_of(rfc9148_a3_skg, len)), ESTOC_E_TRUNCATED);
    }
}

static void every_room(void **state)
{
    (void)state;
    for (size_t n = 0; n < 2; n++) {
        memset(parts, 0xa5, sizeof parts);
        size_t got = n;
        assert_int_equal(estoc_multipart_parse(SLICE(rfc9148_a3_skg), parts, &got), ESTOC_E_LIMIT);
        assert_int_equal(got, 0);
        for (size_t i = 0; i < PARTS; i++) { /* zeroed, and nothing behind the room touched */
            assert_int_equal(parts[i].format == 0, i < n);
        }
    }
}

static void every_format(void **state)
{
    (void)state;
    for (unsigned format = 0; format <= 65535; format++) {
        const estoc_part part = {.format = (uint16_t)format, .body = {(const uint8_t *)"x", 1}};
        estoc_slice built = build(&part, 1);
        size_t n;
        assert_int_equal(built.len, format < 24 ? 4 : format < 256 ? 5 : 6);
        assert_int_equal(parse(built, &n), 0);
        assert_int_equal(n, 1);
        assert_int_equal(parts[0].format, format);
        assert_text(parts[0].body, "x");
    }
}

static void every_head(void **state)
{
    (void)state;
    static uint8_t body[65536];
    static const struct {
        size_t len, head;
    } rows_of_len[] = {{0, 1},   {1, 1},   {23, 1},    {24, 2},
                       {255, 2}, {256, 3}, {65535, 3}, {65536, 5}};
    for (size_t i = 0; i < COUNT(rows_of_len); i++) {
        const estoc_part part = {.format = 60, .body = {body, rows_of_len[i].len}};
        estoc_slice built = build(&part, 1);
        size_t n;
        assert_int_equal(built.len, 3 + rows_of_len[i].head + rows_of_len[i].len);
        assert_int_equal(parse(built, &n), 0);
        assert_int_equal(parts[0].body.len, rows_of_len[i].len);
    }
}

/* An array of 24 items needs a second byte. */
static void many_parts(void **state)
{
    (void)state;
    estoc_part many[200] = {{.format = 1}};
    for (size_t n = 11; n <= COUNT(many); n++) {
        estoc_slice built = build(many, n);
        size_t got = n;
        estoc_part again[200];
        assert_int_equal(built.len, (n < 12 ? 1 : n < 128 ? 2 : 3) + 2 * n);
        assert_int_equal(estoc_multipart_parse(built, again, &got), 0);
        assert_int_equal(got, n);
        got = n - 1;
        assert_int_equal(estoc_multipart_parse(built, again, &got), ESTOC_E_LIMIT);
    }
}

static void builds_into_every_room(void **state)
{
    (void)state;
    size_t n;
    const size_t need = sizeof rfc9148_a3_skg;
    assert_int_equal(parse(SLICE(rfc9148_a3_skg), &n), 0);
    for (size_t cap = 0; cap <= need; cap++) {
        uint8_t *exact = malloc(cap > 0 ? cap : 1);
        assert_non_null(exact);
        size_t len = 9;
        estoc_err err = estoc_multipart_build(parts, n, (estoc_buf){exact, cap}, &len);
        assert_int_equal(err, cap < need ? ESTOC_E_SPACE : ESTOC_OK);
        assert_int_equal(len, cap < need ? 0 : need);
        free(exact);
    }
}

static void a_body_of_4_gib(void **state)
{
    (void)state;
#if SIZE_MAX > UINT32_MAX
    /* refused by its length: nothing is read of it */
    const estoc_part part = {.format = 0, .body = {room, (size_t)UINT32_MAX + 1}};
    size_t len = 9;
    assert_int_equal(estoc_multipart_build(&part, 1, (estoc_buf){room, sizeof room}, &len),
                     ESTOC_E_LIMIT);
    assert_int_equal(len, 0);
#else
    skip();
#endif
}

/* clang-format off */
static const struct CMUnitTest tests[] = {
    {"E5 RFC 9148 A.3: read, and built byte for byte",       rfc9148_a3, NULL, NULL, NULL},
    {"E5 RFC 8710's example: read, and built byte for byte", rfc8710_example, NULL, NULL, NULL},
    {"E5 no parts",                                          no_parts, NULL, NULL, NULL},
    {"E5 a part that is not given, and one of no bytes",     absent_part, NULL, NULL, NULL},
    {"cut at every byte",                                    every_truncation, NULL, NULL, NULL},
    {"every room that is too small",                         every_room, NULL, NULL, NULL},
    {"every format",                                         every_format, NULL, NULL, NULL},
    {"bodies of lengths of every size",                      every_head, NULL, NULL, NULL},
    {"many parts",                                           many_parts, NULL, NULL, NULL},
    {"built into every size of buffer",                      builds_into_every_room, NULL, NULL, NULL},
    {"a body of 4 GiB is not built",                         a_body_of_4_gib, NULL, NULL, NULL},
};
/* clang-format on */

int main(void)
{
    for (size_t i = 0; i < COUNT(malformed_parts); i++) {
        rows_add("E5 refused:", malformed_parts[i].name, malformed, &malformed_parts[i]);
    }
    for (size_t i = 0; i < COUNT(wellformed_parts); i++) {
        rows_add("E5 taken:", wellformed_parts[i].name, wellformed, &wellformed_parts[i]);
    }
    return rows_run("multipart", tests, COUNT(tests));
}
