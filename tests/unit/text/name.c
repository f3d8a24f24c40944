/* SPDX-License-Identifier: MIT */
#include "coap/rows.h"

#include "est/malformed.h"
#include "text.h"

static uint8_t room[1024];

static const char *text_of(estoc_slice name)
{
    static uint8_t text[512];
    return estoc_name_text(name, (estoc_buf){text, sizeof text});
}

static void malformed(void **state)
{
    const struct malformed_value *row = *state;
    assert_string_equal(text_of(row->bytes), "?"); /* never copied raw into a log */
}

static void wellformed(void **state)
{
    const struct wellformed_name *row = *state;
    assert_string_equal(text_of(row->bytes), row->text);
    if (strncmp(row->text, "OID.", 4) != 0) { /* and back, as far as types and strings are ours */
        size_t len = 0;
        assert_int_equal(estoc_name_build(row->text, (estoc_buf){room, sizeof room}, &len), 0);
        assert_bytes(estoc_slice_of(room, len), row->bytes);
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

/* Of as many bytes as one value may have, and of one more. */
static void build_longest(void **state)
{
    (void)state;
    char text[2 + 129 + 1] = "O=";
    size_t len = 0;
    memset(text + 2, 'x', 128);
    assert_int_equal(estoc_name_build(text, (estoc_buf){room, sizeof room}, &len), 0);
    text[2 + 128] = 'x';
    assert_int_equal(estoc_name_build(text, (estoc_buf){room, sizeof room}, &len), ESTOC_E_LIMIT);
    assert_int_equal(len, 0);
}

static void build_empty(void **state)
{
    (void)state;
    size_t len = 0;
    assert_int_equal(estoc_name_build("", (estoc_buf){room, 2}, &len), 0);
    assert_true(estoc_name_is_empty(estoc_slice_of(room, len)));
    assert_int_equal(estoc_name_build("/", (estoc_buf){room, 2}, &len), 0);
    assert_true(estoc_name_is_empty(estoc_slice_of(room, len)));
    assert_string_equal(text_of(estoc_slice_of(room, len)), "");
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
    {"text into every size of buffer",    text_in_every_room, NULL, NULL, NULL},
    {"built: every type, both forms",     build_types, NULL, NULL, NULL},
    {"built: escapes",                    build_escapes, NULL, NULL, NULL},
    {"built: no RDN at all",              build_empty, NULL, NULL, NULL},
    {"built: a value of 128 bytes",       build_longest, NULL, NULL, NULL},
    {"built: texts that are no names",    build_refused, NULL, NULL, NULL},
    {"built into every size of buffer",   build_into_every_room, NULL, NULL, NULL},
};
/* clang-format on */

int main(void)
{
    for (size_t i = 0; i < COUNT(malformed_names); i++) {
        rows_add("no text:", malformed_names[i].name, malformed, &malformed_names[i]);
    }
    for (size_t i = 0; i < COUNT(wellformed_names); i++) {
        rows_add("both ways:", wellformed_names[i].name, wellformed, &wellformed_names[i]);
    }
    return rows_run("name", tests, COUNT(tests));
}
