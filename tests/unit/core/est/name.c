/* SPDX-License-Identifier: MIT */
#include <estoc/csr.h>

#include "coap/rows.h"

#include "malformed.h"

static uint8_t room[70000];

static estoc_err check_exact(estoc_slice name)
{
    uint8_t *exact = exact_copy(name);
    estoc_err err = estoc_name_check(estoc_slice_of(exact, name.len));
    free(exact);
    return err;
}

static void malformed(void **state)
{
    const struct malformed_value *row = *state;
    assert_int_equal(check_exact(row->bytes), row->err);
}

static void wellformed(void **state)
{
    const struct wellformed_name *row = *state;
    assert_int_equal(check_exact(row->bytes), 0);
}

/* 224 */
static void every_truncation(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(wellformed_names); i++) {
        estoc_slice whole = wellformed_names[i].bytes;
        for (size_t len = 0; len < whole.len; len++) {
            assert_int_equal(check_exact(estoc_slice_sub(whole, 0, len)), ESTOC_E_TRUNCATED);
        }
    }
}

static estoc_err check_rdn(estoc_slice oid, uint8_t tag, estoc_slice value)
{
    estoc_writer w = estoc_writer_of((estoc_buf){room, sizeof room});
    size_t name = estoc_der_open(&w, ESTOC_DER_SEQUENCE);
    size_t set = estoc_der_open(&w, ESTOC_DER_SET);
    size_t pair = estoc_der_open(&w, ESTOC_DER_SEQUENCE);
    estoc_der_put(&w, ESTOC_DER_OID, oid);
    estoc_der_put(&w, tag, value);
    estoc_der_close(&w, pair);
    estoc_der_close(&w, set);
    estoc_der_close(&w, name);
    return estoc_name_check(estoc_writer_slice(&w));
}

static estoc_err check_value(uint8_t tag, estoc_slice value)
{
    return check_rdn(estoc_slice_of("\x55\x04\x0a", 3), tag, value);
}

static estoc_err check_cn(estoc_slice value)
{
    return check_rdn(estoc_slice_of("\x55\x04\x03", 3), ESTOC_DER_UTF8_STRING, value);
}

/* 212: every byte alone, in the three types of string. X.680 section 41.4 */
static void every_byte(void **state)
{
    (void)state;
    static const char printable[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                    "0123456789 '()+,-./:=?";
    for (unsigned b = 0; b < 256; b++) {
        uint8_t byte = (uint8_t)b;
        bool ascii = b >= 0x20 && b < 0x7f;
        bool plain = b != 0 && strchr(printable, (int)b) != NULL;
        estoc_slice value = estoc_slice_of(&byte, 1);
        estoc_err bad = ESTOC_E_MALFORMED;
        assert_int_equal(check_value(ESTOC_DER_UTF8_STRING, value), ascii ? 0 : bad);
        assert_int_equal(check_value(ESTOC_DER_IA5_STRING, value), ascii ? 0 : bad);
        assert_int_equal(check_value(ESTOC_DER_PRINTABLE_STRING, value), plain ? 0 : bad);
    }
}

/* 212: all of U+0080 to U+FFFF. What controls, separates or turns is refused, surrogates are no UTF-8. */
static void every_character(void **state)
{
    (void)state;
    for (uint32_t c = 0x80; c < 0x10000; c++) {
        const uint8_t two[] = {(uint8_t)(0xc0 | c >> 6), (uint8_t)(0x80 | (c & 0x3f))};
        const uint8_t three[] = {(uint8_t)(0xe0 | c >> 12), (uint8_t)(0x80 | (c >> 6 & 0x3f)),
                                 (uint8_t)(0x80 | (c & 0x3f))};
        bool bad = c < 0xa0 || (c >= 0xd800 && c < 0xe000);
        static const uint16_t odd[] = {0x200e, 0x200f, 0x2028, 0x2029, 0x202a, 0x202b, 0x202c,
                                       0x202d, 0x202e, 0x2066, 0x2067, 0x2068, 0x2069, 0xfeff};
        for (size_t i = 0; i < COUNT(odd); i++) {
            bad = bad || c == odd[i];
        }
        estoc_slice value = c < 0x800 ? SLICE(two) : SLICE(three);
        assert_int_equal(check_value(ESTOC_DER_UTF8_STRING, value), bad ? ESTOC_E_MALFORMED : 0);
    }
}

static void put_rdn(estoc_writer *w, estoc_slice oid, uint8_t tag, size_t len)
{
    static uint8_t text[66000];
    memset(text, 'x', sizeof text);
    size_t set = estoc_der_open(w, ESTOC_DER_SET);
    size_t pair = estoc_der_open(w, ESTOC_DER_SEQUENCE);
    estoc_der_put(w, ESTOC_DER_OID, oid);
    estoc_der_put(w, tag, estoc_slice_of(text, len));
    estoc_der_close(w, pair);
    estoc_der_close(w, set);
}

static estoc_slice name_of(estoc_slice oid, size_t rdns, size_t len)
{
    estoc_writer w = estoc_writer_of((estoc_buf){room, sizeof room});
    size_t mark = estoc_der_open(&w, ESTOC_DER_SEQUENCE);
    for (size_t i = 0; i < rdns; i++) {
        put_rdn(&w, oid, ESTOC_DER_UTF8_STRING, len);
    }
    estoc_der_close(&w, mark);
    assert_int_equal(w.err, 0);
    return estoc_writer_slice(&w);
}

/* 209, 227 */
static void sizes(void **state)
{
    (void)state;
    static const uint8_t cn[] = {0x55, 0x04, 0x03};
    static const uint8_t o[] = {0x55, 0x04, 0x0a};
    static uint8_t long_oid[10240];
    memset(long_oid, 0x2a, sizeof long_oid);
    assert_int_equal(check_exact(name_of(SLICE(cn), 1, 64)), 0);
    assert_int_equal(check_exact(name_of(SLICE(cn), 1, 65)), ESTOC_E_LIMIT);
    assert_int_equal(check_exact(name_of(SLICE(cn), 1, 10000)), ESTOC_E_LIMIT);
    assert_int_equal(check_exact(name_of(SLICE(o), 16, 1)), 0);
    assert_int_equal(check_exact(name_of(SLICE(o), 17, 1)), ESTOC_E_LIMIT);
    assert_int_equal(check_exact(name_of(SLICE(o), 100, 600)), ESTOC_E_LIMIT);
    assert_int_equal(check_exact(name_of(estoc_slice_of(long_oid, 128), 1, 1)), 0);
    assert_int_equal(check_exact(name_of(SLICE(long_oid), 1, 1)), ESTOC_E_MALFORMED);
}

/* ub-common-name counts characters. */
static void sixty_four_characters(void **state)
{
    (void)state;
    uint8_t cn[65 * 2];
    for (size_t i = 0; i < sizeof cn; i += 2) {
        memcpy(cn + i, "\xc3\xa9", 2);
    }
    assert_int_equal(check_cn(estoc_slice_of(cn, 128)), 0);
    assert_int_equal(check_cn(estoc_slice_of(cn, 130)), ESTOC_E_LIMIT);
}

static void empty(void **state)
{
    (void)state;
    static const uint8_t none[] = {0x30, 0x00};
    static const uint8_t other[] = {0x31, 0x00};
    static const uint8_t long_form[] = {0x30, 0x81, 0x00};
    static const uint8_t one[] = {TLV(0x30, CN('d'))};
    assert_true(estoc_name_is_empty(SLICE(none)));
    assert_false(estoc_name_is_empty(estoc_slice_of(NULL, 0)));
    assert_false(estoc_name_is_empty(SLICE(other)));
    assert_false(estoc_name_is_empty(SLICE(long_form)));
    assert_false(estoc_name_is_empty(SLICE(one)));
}

/* clang-format off */
static const struct CMUnitTest tests[] = {
    {"E4 HC 224 a name cut at every byte",            every_truncation, NULL, NULL, NULL},
    {"E4 HC 209 HC 227 names, values and OIDs too long", sizes, NULL, NULL, NULL},
    {"E4 HC 209 64 characters, not bytes",            sixty_four_characters, NULL, NULL, NULL},
    {"E4 HC 212 every byte in every string",          every_byte, NULL, NULL, NULL},
    {"E4 HC 212 every character to U+FFFF",           every_character, NULL, NULL, NULL},
    {"empty names",                                   empty, NULL, NULL, NULL},
};
/* clang-format on */

int main(void)
{
    for (size_t i = 0; i < COUNT(malformed_names); i++) {
        rows_add("E4 refused:", malformed_names[i].name, malformed, &malformed_names[i]);
    }
    for (size_t i = 0; i < COUNT(wellformed_names); i++) {
        rows_add("taken:", wellformed_names[i].name, wellformed, &wellformed_names[i]);
    }
    return rows_run("name", tests, COUNT(tests));
}
