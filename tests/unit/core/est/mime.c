/* SPDX-License-Identifier: MIT */
#include <estoc/mime.h>

#include "../../../vectors/rfc7030.h"
#include "coap/rows.h"
#include "est/mime_rows.h"

enum { PARTS = 2, WIDTH = 76 };
static estoc_mime_part parts[PARTS];
static uint8_t room[8192];

static void decode(void **state)
{
    const struct text_row *row = *state;
    estoc_slice text = estoc_slice_str(row->text);
    uint8_t *exact = exact_copy(text);
    uint8_t *in_place = exact_copy(text);
    size_t len = 9;
    estoc_slice from = estoc_slice_of(exact, text.len);
    assert_int_equal(estoc_base64_read(from, (estoc_buf){room, sizeof room}, &len), row->err);
    assert_text(estoc_slice_of(room, len), row->want != NULL ? row->want : "");
    estoc_buf here = {in_place, text.len};
    assert_int_equal(estoc_base64_read(estoc_slice_of(in_place, text.len), here, &len), row->err);
    assert_text(estoc_slice_of(in_place, len), row->want != NULL ? row->want : "");
    free(exact);
    free(in_place);
}

/* Every length, in lines of every width, is what it was. */
static void there_and_back(void **state)
{
    (void)state;
    uint8_t bytes[64], text[256], back[64];
    for (size_t n = 0; n <= sizeof bytes; n++) {
        estoc_writer w = estoc_writer_of((estoc_buf){text, sizeof text});
        for (size_t i = 0; i < n; i++) {
            bytes[i] = (uint8_t)(i * 37 + n);
        }
        estoc_base64_put(&w, estoc_slice_of(bytes, n));
        assert_int_equal(w.err, 0);
        assert_int_equal(w.len, (n + 2) / 3 * 4);
        for (size_t width = 1; width <= w.len; width += 5) {
            uint8_t lines[512];
            size_t len = 0;
            for (size_t i = 0; i < w.len; i++) {
                lines[len++] = text[i];
                if (i % width == width - 1) {
                    lines[len++] = '\r';
                    lines[len++] = '\n';
                }
            }
            size_t got;
            assert_int_equal(
                estoc_base64_read(estoc_slice_of(lines, len), (estoc_buf){back, sizeof back}, &got),
                0);
            assert_bytes(estoc_slice_of(back, got), estoc_slice_of(bytes, n));
        }
    }
}

static void every_room(void **state)
{
    (void)state;
    estoc_slice text = estoc_slice_str("Zm9v YmE=");
    for (size_t cap = 0; cap <= 5; cap++) {
        uint8_t *exact = malloc(cap > 0 ? cap : 1);
        size_t len = 9;
        assert_non_null(exact);
        assert_int_equal(estoc_base64_read(text, (estoc_buf){exact, cap}, &len),
                         cap < 5 ? ESTOC_E_SPACE : ESTOC_OK);
        assert_int_equal(len, cap < 5 ? 0 : 5);
        free(exact);
    }
    size_t len = 9;
    assert_int_equal(estoc_base64_read((estoc_slice){NULL, 0}, (estoc_buf){NULL, 0}, &len), 0);
    assert_int_equal(len, 0);
    for (size_t cap = 0; cap < 8; cap++) {
        estoc_writer w = estoc_writer_of((estoc_buf){room, cap});
        estoc_base64_put(&w, estoc_slice_str("fooba"));
        assert_int_equal(w.err, ESTOC_E_SPACE);
    }
}

static void media(void **state)
{
    (void)state;
    static const char *const same[] = {"application/pkcs8", "Application/PKCS8; a=b",
                                       "\tapplication/pkcs8 ;", " application/pkcs8\r\n "};
    static const char *const other[] = {"",
                                        "application/pkcs81",
                                        "application/pkcs",
                                        "application",
                                        "application/pkcs8, text/plain",
                                        "application/pkcs8 x",
                                        "\"application/pkcs8\""};
    for (size_t i = 0; i < COUNT(same); i++) {
        assert_true(estoc_media_is(estoc_slice_str(same[i]), "application/pkcs8"));
    }
    for (size_t i = 0; i < COUNT(other); i++) {
        assert_false(estoc_media_is(estoc_slice_str(other[i]), "application/pkcs8"));
    }
}

static void param(void **state)
{
    const struct param_row *row = *state;
    estoc_slice value = estoc_slice_str(row->value);
    uint8_t *exact = exact_copy(value);
    uint8_t out[16];
    size_t len = 9;
    bool found = estoc_media_param(estoc_slice_of(exact, value.len), row->param,
                                   (estoc_buf){out, sizeof out}, &len);
    assert_int_equal(found, row->want != NULL);
    assert_text(estoc_slice_of(out, len), row->want != NULL ? row->want : "");
    free(exact);
}

static void mixed(void **state)
{
    const struct mime_row *row = *state;
    estoc_slice type = estoc_slice_str(row->type);
    estoc_slice body = estoc_slice_str(row->body);
    uint8_t *exact_type = exact_copy(type);
    uint8_t *exact = exact_copy(body);
    size_t n = PARTS;
    memset(parts, 0xa5, sizeof parts);
    assert_int_equal(estoc_mime_parse(estoc_slice_of(exact_type, type.len),
                                      estoc_slice_of(exact, body.len), parts, &n),
                     row->err);
    for (size_t i = 0; i < PARTS; i++) {
        bool there = row->want[2 * i] != NULL;
        assert_int_equal(i < n, there);
        assert_text(parts[i].type, there ? row->want[2 * i] : "");
        assert_text(parts[i].body, there ? row->want[2 * i + 1] : "");
    }
    free(exact_type);
    free(exact);
}

static void every_cut(void **state)
{
    (void)state;
    const struct mime_row *row = &mime_rows[0];
    const char *close = strstr(row->body, "Boundary--");
    size_t whole = (size_t)(close - row->body) + 10;
    for (size_t len = 0; len < whole; len++) {
        uint8_t *exact = exact_copy(estoc_slice_of(row->body, len));
        size_t n = PARTS;
        estoc_err err =
            estoc_mime_parse(estoc_slice_str(row->type), estoc_slice_of(exact, len), parts, &n);
        /* cut before the last two dashes it looks like one more part */
        assert_int_equal(err, len < whole - 2 || len == whole - 1 ? ESTOC_E_TRUNCATED : err);
        assert_true(err == ESTOC_E_TRUNCATED || err == ESTOC_E_LIMIT);
        assert_int_equal(n, 0);
        free(exact);
    }
}

/* As /serverkeygen has them: taken apart and decoded it is the same. */
static void built(void **state)
{
    (void)state;
    static const estoc_mime_part from[PARTS] = {
        {{(const uint8_t *)PKCS8, sizeof PKCS8 - 1}, {(const uint8_t *)"\0key", 4}},
        {{(const uint8_t *)CERTS_ONLY, sizeof CERTS_ONLY - 1},
         {rfc7030_a1_cacerts, sizeof rfc7030_a1_cacerts}}};
    size_t len, n = PARTS;
    assert_int_equal(estoc_mime_build(from, PARTS, "b", (estoc_buf){room, sizeof room}, &len), 0);
    assert_int_equal(estoc_mime_parse(estoc_slice_str(MIXED), estoc_slice_of(room, len), parts, &n),
                     0);
    assert_int_equal(n, PARTS);
    for (size_t i = 0; i < PARTS; i++) {
        uint8_t back[4096];
        size_t got;
        assert_true(estoc_media_is(parts[i].type, i == 0 ? PKCS8 : "application/pkcs7-mime"));
        assert_int_equal(estoc_base64_read(parts[i].body, (estoc_buf){back, sizeof back}, &got), 0);
        assert_bytes(estoc_slice_of(back, got), from[i].body);
    }
    for (size_t cap = 0; cap < len; cap += WIDTH) {
        size_t got = 9;
        assert_int_equal(estoc_mime_build(from, PARTS, "b", (estoc_buf){room, cap}, &got),
                         ESTOC_E_SPACE);
        assert_int_equal(got, 0);
    }
}

/* clang-format off */
static const struct CMUnitTest tests[] = {
    {"G1 base64: there and back, in lines of every width",  there_and_back, NULL, NULL, NULL},
    {"G1 base64: every room",                               every_room, NULL, NULL, NULL},
    {"G1 media types",                                      media, NULL, NULL, NULL},
    {"G1 multipart/mixed: cut at every byte",               every_cut, NULL, NULL, NULL},
    {"G1 multipart/mixed: what is built is read",           built, NULL, NULL, NULL},
};
/* clang-format on */

int main(void)
{
    for (size_t i = 0; i < COUNT(base64_rows); i++) {
        rows_add("G1 HC 254 base64:", base64_rows[i].name, decode, &base64_rows[i]);
    }
    for (size_t i = 0; i < COUNT(param_rows); i++) {
        rows_add("G1 parameter:", param_rows[i].name, param, &param_rows[i]);
    }
    for (size_t i = 0; i < COUNT(mime_rows); i++) {
        rows_add("G1 multipart/mixed:", mime_rows[i].name, mixed, &mime_rows[i]);
    }
    return rows_run("mime", tests, COUNT(tests));
}
