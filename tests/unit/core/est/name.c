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

static const char *text_of(estoc_slice name)
{
    static uint8_t text[512];
    return estoc_name_text(name, (estoc_buf){text, sizeof text});
}

static void malformed(void **state)
{
    const struct malformed_value *row = *state;
    assert_int_equal(check_exact(row->bytes), row->err);
    assert_string_equal(text_of(row->bytes), "?"); /* never copied raw into a log */
}

static void wellformed(void **state)
{
    const struct wellformed_name *row = *state;
    assert_int_equal(check_exact(row->bytes), 0);
    assert_string_equal(text_of(row->bytes), row->text);
    if (strncmp(row->text, "OID.", 4) != 0) { /* and back, as far as types and strings are ours */
        size_t len = 0;
        assert_int_equal(estoc_name_build(row->text, (estoc_buf){room, sizeof room}, &len), 0);
        assert_bytes(estoc_slice_of(room, len), row->bytes);
    }
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

static estoc_err check_value(uint8_t tag, estoc_slice value)
{
    estoc_writer w = estoc_writer_of((estoc_buf){room, sizeof room});
    size_t name = estoc_der_open(&w, ESTOC_DER_SEQUENCE);
    size_t set = estoc_der_open(&w, ESTOC_DER_SET);
    size_t pair = estoc_der_open(&w, ESTOC_DER_SEQUENCE);
    estoc_der_put(&w, ESTOC_DER_OID, estoc_slice_of("\x55\x04\x0a", 3));
    estoc_der_put(&w, tag, value);
    estoc_der_close(&w, pair);
    estoc_der_close(&w, set);
    estoc_der_close(&w, name);
    return estoc_name_check(estoc_writer_slice(&w));
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

/* A text cut by its buffer: never too long, always terminated, never half a character. */
static void text_in_every_room(void **state)
{
    (void)state;
    static const uint8_t name[] = {TLV(0x30, RDN(OID_O, TLV(0x0c, 'a', ',', 0xe2, 0x82, 0xac, 'b')),
                                       CN(0xf0, 0x9f, 0x94, 0x91))};
    static const char whole[] = "CN=\xf0\x9f\x94\x91,O=a\\,\xe2\x82\xac"
                                "b";
    assert_string_equal(estoc_name_text(SLICE(name), (estoc_buf){NULL, 0}), "");
    for (size_t cap = 1; cap <= sizeof whole + 2; cap++) {
        char *exact = malloc(cap);
        assert_non_null(exact);
        memset(exact, 'Z', cap);
        assert_ptr_equal(estoc_name_text(SLICE(name), (estoc_buf){(uint8_t *)exact, cap}), exact);
        size_t n = strnlen(exact, cap);
        assert_true(n < cap);
        assert_true(strncmp(exact, whole, n) == 0);
        assert_true(((uint8_t)whole[n] & 0xc0) != 0x80); /* no continuation is missing */
        assert_true(n == 0 || whole[n - 1] != '\\');
        assert_true(cap < sizeof whole || n == sizeof whole - 1);
        free(exact);
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
    char text[3 + 65 * 2 + 1] = "CN=";
    size_t len = 0;
    for (size_t i = 0; i < 63; i++) {
        memcpy(text + 3 + 2 * i, "\xc3\xa9", 3);
    }
    assert_int_equal(estoc_name_build(text, (estoc_buf){room, sizeof room}, &len), 0);
    assert_int_equal(check_exact(estoc_slice_of(room, len)), 0);
    memcpy(text + strlen(text), "\xc3\xa9", 3); /* 128 bytes: as much as one value may have */
    assert_int_equal(estoc_name_build(text, (estoc_buf){room, sizeof room}, &len), 0);
    memcpy(text + strlen(text), "x", 2);
    assert_int_equal(estoc_name_build(text, (estoc_buf){room, sizeof room}, &len), ESTOC_E_LIMIT);
    assert_int_equal(len, 0);
}

static void empty(void **state)
{
    (void)state;
    static const uint8_t other[] = {0x31, 0x00};
    static const uint8_t long_form[] = {0x30, 0x81, 0x00};
    static const uint8_t one[] = {TLV(0x30, CN('d'))};
    size_t len = 0;
    assert_int_equal(estoc_name_build("", (estoc_buf){room, 2}, &len), 0);
    assert_true(estoc_name_is_empty(estoc_slice_of(room, len)));
    assert_int_equal(estoc_name_build("/", (estoc_buf){room, 2}, &len), 0);
    assert_true(estoc_name_is_empty(estoc_slice_of(room, len)));
    assert_false(estoc_name_is_empty(estoc_slice_of(NULL, 0)));
    assert_false(estoc_name_is_empty(SLICE(other)));
    assert_false(estoc_name_is_empty(SLICE(long_form)));
    assert_false(estoc_name_is_empty(SLICE(one)));
}

/* Every type, with the string type it is written in; both forms. As `openssl req -subj` writes them. */
static void build_types(void **state)
{
    (void)state;
    static const uint8_t all[] = {TLV_81(
        0x30,
        RDN(TLV(0x06, 0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x19), TLV(0x16, 'e')),
        RDN(TLV(0x06, 0x55, 0x04, 0x06), TLV(0x13, 'D', 'E')),
        RDN(TLV(0x06, 0x55, 0x04, 0x08), TLV(0x0c, 's')),
        RDN(TLV(0x06, 0x55, 0x04, 0x07), TLV(0x0c, 'l')), RDN(OID_O, TLV(0x0c, 'o')),
        RDN(TLV(0x06, 0x55, 0x04, 0x0b), TLV(0x0c, 'u')), RDN(OID_SERIAL, TLV(0x13, '4')),
        RDN(TLV(0x06, 0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x01), TLV(0x0c, 'i')),
        RDN(OID_EMAIL, TLV(0x16, 'm')), CN('n'))};
    static const char *const texts[] = {
        "/DC=e/C=DE/ST=s/L=l/O=o/OU=u/serialNumber=4/UID=i/emailAddress=m/CN=n",
        "CN=n,emailAddress=m,UID=i,SN=4,OU=u,O=o,L=l,ST=s,C=DE,DC=e",
    };
    size_t len = 0;
    for (size_t i = 0; i < COUNT(texts); i++) {
        assert_int_equal(estoc_name_build(texts[i], (estoc_buf){room, sizeof room}, &len), 0);
        assert_bytes(estoc_slice_of(room, len), SLICE(all));
    }
    assert_string_equal(text_of(SLICE(all)),
                        "CN=n,emailAddress=m,UID=i,serialNumber=4,OU=u,O=o,L=l,ST=s,C=DE,DC=e");
}

static void build_escapes(void **state)
{
    (void)state;
    static const uint8_t expected[] = {
        TLV(0x30, CN('a', ',', '/', '+', '\\', 0xc3, 0xa9, 'g', '='))};
    static const char *const texts[] = {
        "CN=a\\,/\\+\\\\\\C3\\a9g=",
        "CN=a\\2c\\/\\2b\\\\\xc3\xa9\\g\\=",
        "/CN=a,\\/\\+\\\\\\c3\\A9\\g=",
    };
    size_t len = 0;
    for (size_t i = 0; i < COUNT(texts); i++) {
        assert_int_equal(estoc_name_build(texts[i], (estoc_buf){room, sizeof room}, &len), 0);
        assert_bytes(estoc_slice_of(room, len), SLICE(expected));
    }
}

static void build_refused(void **state)
{
    (void)state;
    static const char most[] =
        "/O=1/O=2/O=3/O=4/O=5/O=6/O=7/O=8/O=9/O=10/O=11/O=12/O=13/O=14/O=15/O=16";
    size_t n = 0;
    assert_int_equal(estoc_name_build(most, (estoc_buf){room, sizeof room}, &n), 0);
    static const struct {
        const char *text;
        estoc_err err;
    } bad[] = {
        {"dev", ESTOC_E_MALFORMED},
        {"=dev", ESTOC_E_MALFORMED},
        {"cn=dev", ESTOC_E_MALFORMED},
        {"XX=dev", ESTOC_E_MALFORMED},
        {"CNX=dev", ESTOC_E_MALFORMED},
        {"CN=", ESTOC_E_MALFORMED},
        {"CN=a,", ESTOC_E_MALFORMED},
        {",CN=a", ESTOC_E_MALFORMED},
        {"CN=a,,O=b", ESTOC_E_MALFORMED},
        {"CN=a, O=b", ESTOC_E_MALFORMED},
        {"CN=a,CN=b", ESTOC_E_MALFORMED},
        {"CN=a\\", ESTOC_E_MALFORMED},
        {"CN=a+O=b", ESTOC_E_MALFORMED},
        {"CN=a\nb", ESTOC_E_MALFORMED},
        {"CN=a\\00", ESTOC_E_MALFORMED},
        {"CN=\\ff", ESTOC_E_MALFORMED},
        {"CN=\xc0\xaf", ESTOC_E_MALFORMED},
        {"C=D_", ESTOC_E_MALFORMED},
        {"DC=\xc3\xa9", ESTOC_E_MALFORMED},
        {"serialNumber=a@b", ESTOC_E_MALFORMED},
        {"//CN=a", ESTOC_E_MALFORMED},
        {"/CN=a/", ESTOC_E_MALFORMED},
        {"/CN=a,O=b/O=c/CN=d", ESTOC_E_MALFORMED},
        {"/O=1/O=2/O=3/O=4/O=5/O=6/O=7/O=8/O=9/O=10/O=11/O=12/O=13/O=14/O=15/O=16/O=17",
         ESTOC_E_LIMIT},
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        size_t len = 9;
        assert_int_equal(estoc_name_build(bad[i].text, (estoc_buf){room, sizeof room}, &len),
                         bad[i].err);
        assert_int_equal(len, 0);
    }
}

static void build_into_every_room(void **state)
{
    (void)state;
    static const char text[] = "/O=Example/CN=dev-1";
    size_t whole = 0;
    assert_int_equal(estoc_name_build(text, (estoc_buf){room, sizeof room}, &whole), 0);
    for (size_t cap = 0; cap <= whole; cap++) {
        uint8_t *exact = malloc(cap > 0 ? cap : 1);
        assert_non_null(exact);
        size_t len = 9;
        estoc_err err = estoc_name_build(text, (estoc_buf){exact, cap}, &len);
        assert_int_equal(err, cap < whole ? ESTOC_E_SPACE : 0);
        assert_int_equal(len, cap < whole ? 0 : whole);
        free(exact);
    }
    size_t len = 9;
    assert_int_equal(estoc_name_build(text, (estoc_buf){NULL, 0}, &len), ESTOC_E_SPACE);
    assert_int_equal(len, 0);
}

/* clang-format off */
static const struct CMUnitTest tests[] = {
    {"E4 HC 224 a name cut at every byte",            every_truncation, NULL, NULL, NULL},
    {"E4 HC 209 HC 227 names, values and OIDs too long", sizes, NULL, NULL, NULL},
    {"E4 HC 209 64 characters, not bytes",            sixty_four_characters, NULL, NULL, NULL},
    {"E4 HC 212 every byte in every string",          every_byte, NULL, NULL, NULL},
    {"E4 HC 212 every character to U+FFFF",           every_character, NULL, NULL, NULL},
    {"empty names",                                   empty, NULL, NULL, NULL},
    {"text into every size of buffer",                text_in_every_room, NULL, NULL, NULL},
    {"built: every type, both forms",                 build_types, NULL, NULL, NULL},
    {"built: escapes",                                build_escapes, NULL, NULL, NULL},
    {"built: texts that are no names",                build_refused, NULL, NULL, NULL},
    {"built into every size of buffer",               build_into_every_room, NULL, NULL, NULL},
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
