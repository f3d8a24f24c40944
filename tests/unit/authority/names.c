/* SPDX-License-Identifier: MIT */
#include "petition.h"

/* X10, E4: who is asking, what subject and names are asked for, what comes of it. */
static void names(void **state)
{
    (void)state;
    static const struct {
        estoc_op op;
        const struct party *client;
        const char *subject, *dns;
        estoc_err want;
        const char *rule;
    } rows[] = {
        /* clang-format off */
        {SEN,  &device,   "",                      NULL,                        0, ""},
        {SEN,  &device,   "CN=dev-1,O=Example",    NULL,                        0, ""},
        {SEN,  &device,   "CN=dev-1,O=Example",    "dev-1.example",             0, ""},
        {SEN,  &device,   "",                      "alias.example dev-1.example", 0, ""},
        {SEN,  &plain,    "CN=dev-2",              NULL,                        0, ""},
        {SEN,  &nameless, "",                      "dev-3.example",             0, ""},
        {SEN,  &nameless, "",                      NULL,                        ESTOC_E_FORBIDDEN, "211"},
        {SEN,  &device,   "CN=dev-2",              NULL,                        ESTOC_E_FORBIDDEN, "X10"},
        {SEN,  &device,   "CN=dev-1",              NULL,                        ESTOC_E_FORBIDDEN, "X10"},
        {SEN,  &device,   "CN=dev-1,O=Example,C=DE", NULL,                      ESTOC_E_FORBIDDEN, "X10"},
        {SEN,  &device,   "O=Example,CN=dev-1",    NULL,                        ESTOC_E_FORBIDDEN, "X10"},
        {SEN,  &device,   "CN=dev-1,O=example",    NULL,                        ESTOC_E_FORBIDDEN, "X10"},
        {SEN,  &device,   "OU=dev-1,O=Example",    NULL,                        ESTOC_E_FORBIDDEN, "X10"},
        {SEN,  &nameless, "CN=dev-3",              "dev-3.example",             ESTOC_E_FORBIDDEN, "X10"},
        {SEN,  &device,   "",                      "dev-2.example",             ESTOC_E_FORBIDDEN, "X10"},
        {SEN,  &device,   "",                      "dev-1.example x.example",   ESTOC_E_FORBIDDEN, "X10"},
        {SEN,  &device,   "",                      "dev-1.exampl",              ESTOC_E_FORBIDDEN, "X10"},
        {SEN,  &device,   "",                      "DEV-1.example",             ESTOC_E_FORBIDDEN, "X10"},
        {SEN,  &plain,    "",                      "dev-2.example",             ESTOC_E_FORBIDDEN, "X10"},
        {SREN, &device,   "CN=dev-1,O=Example",    "dev-1.example alias.example", 0, ""},
        {SREN, &plain,    "CN=dev-2",              NULL,                        0, ""},
        {SREN, &nameless, "",                      "dev-3.example",             0, ""},
        {SREN, &device,   "CN=dev-2",              "dev-1.example alias.example", ESTOC_E_FORBIDDEN, "E4"},
        {SREN, &device,   "",                      "dev-1.example alias.example", ESTOC_E_FORBIDDEN, "E4"},
        {SREN, &device,   "CN=dev-1,O=Example",    NULL,                        ESTOC_E_FORBIDDEN, "E4"},
        {SREN, &device,   "CN=dev-1,O=Example",    "dev-1.example",             ESTOC_E_FORBIDDEN, "E4"},
        {SREN, &device,   "CN=dev-1,O=Example",    "alias.example dev-1.example", ESTOC_E_FORBIDDEN, "E4"},
        {SREN, &plain,    "CN=dev-2",              "dev-2.example",             ESTOC_E_FORBIDDEN, "E4"},
        /* clang-format on */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bytes csr = csr_of(device.key, rows[i].subject, rows[i].dns);
        estoc_err err = ask(rows[i].op, rows[i].client, bytes_slice(&csr));
        if (err != rows[i].want || strcmp(why.rule, rows[i].rule) != 0) {
            fail_msg("row %zu: %#x %s %s", i, err, why.rule, why.text);
        }
    }
}

/* A ChangeSubjectName attribute around these bytes.                    RFC 6402 section 2.8 */
static struct bytes change_of(const char *inside, size_t len)
{
    struct bytes b = {.len = 0};
    estoc_writer w = estoc_writer_of((estoc_buf){b.ptr, sizeof b.ptr});
    size_t attribute = estoc_der_open(&w, ESTOC_DER_SEQUENCE);
    estoc_der_put(&w, ESTOC_DER_OID, estoc_slice_str("\x2b\x06\x01\x05\x05\x07\x07\x24"));
    size_t set = estoc_der_open(&w, ESTOC_DER_SET);
    estoc_der_put_raw(&w, estoc_slice_of(inside, len));
    estoc_der_close(&w, set);
    estoc_der_close(&w, attribute);
    assert_int_equal(estoc_writer_end(&w, &b.len), 0);
    return b;
}

#define NEW_NAME  "\x30\x0c\x31\x0a\x30\x08\x06\x03\x55\x04\x03\x0c\x01x"
#define NEW_NAMES "\x30\x05\x82\x03y.z"

/* E4: what stands in the attribute, and which names come of it. */
static void changes_of_name(void **state)
{
    (void)state;
    static const struct {
        const char *inside;
        size_t len;
        const char *subject; /* of the grant; NULL: refused */
        size_t subject_len;
        const char *san;
        size_t san_len;
        const char *rule;
    } rows[] = {
        /* clang-format off */
        {OID("\x30\x0e" NEW_NAME),                    OID(NEW_NAME),     OID(""),        ""},
        {OID("\x30\x15" NEW_NAME NEW_NAMES),          OID(NEW_NAME),     OID(NEW_NAMES), ""},
        {OID("\x30\x07" NEW_NAMES),                   OID("\x30\x00"),   OID(NEW_NAMES), ""},
        {OID("\x30\x09\x30\x00" NEW_NAMES),           OID("\x30\x00"),   OID(NEW_NAMES), ""},
        {OID("\x30\x02\x30\x00"),                     NULL, 0, NULL, 0, "211"},
        {OID("\x30\x00"),                             NULL, 0, NULL, 0, "E4"},
        {OID("\x31\x0e" NEW_NAME),                    NULL, 0, NULL, 0, "E4"},
        {OID("\x05\x00\x30\x0e" NEW_NAME),         NULL, 0, NULL, 0, "E4"}, /* two values */
        {OID("\x30\x10" NEW_NAME "\x05\x00"),         NULL, 0, NULL, 0, "E4"},
        {OID("\x30\x17" NEW_NAME NEW_NAMES "\x05\x00"), NULL, 0, NULL, 0, "E4"},
        {OID("\x30\x15" NEW_NAMES NEW_NAME),          NULL, 0, NULL, 0, "E4"}, /* wrong order */
        {OID("\x30\x1c" NEW_NAME NEW_NAME),           NULL, 0, NULL, 0, "E4"},
        {OID("\x30\x07\x30\x05\x82\x03y\x00z"),        NULL, 0, NULL, 0, "E4"}, /* a NUL in a name */
        {OID("\x04\x01x"),                            NULL, 0, NULL, 0, "E4"},
        /* clang-format on */
    };
    struct bytes name = name_of("CN=dev-1,O=Example");
    struct bytes san = dns_names("dev-1.example alias.example");
    const struct asked one = {CE_SAN, false, bytes_slice(&san)};
    struct bytes ext = extensions_of(&one, 1);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bytes change = change_of(rows[i].inside, rows[i].len);
        struct bytes csr =
            csr_with_more(device.key, bytes_slice(&name), bytes_slice(&ext), bytes_slice(&change));
        profile.change_subject = false;
        assert_refused(SREN, &device, &csr, ESTOC_E_FORBIDDEN, "E4");
        profile.change_subject = true;
        assert_refused(SEN, &device, &csr, ESTOC_E_FORBIDDEN, "E4");
        estoc_err err = ask(SREN, &device, bytes_slice(&csr));
        if ((err == 0) != (rows[i].subject != NULL) || strcmp(why.rule, rows[i].rule) != 0) {
            fail_msg("row %zu: %#x %s %s", i, err, why.rule, why.text);
        }
        if (!err) {
            assert_slice(grant.subject, estoc_slice_of(rows[i].subject, rows[i].subject_len));
            assert_slice(grant.san, estoc_slice_of(rows[i].san, rows[i].san_len));
        }
        /* the request itself keeps its names */
        csr = csr_with_more(device.key, bytes_slice(&name), estoc_slice_of(NULL, 0),
                            bytes_slice(&change));
        assert_refused(SREN, &device, &csr, ESTOC_E_FORBIDDEN, "E4");
    }
    profile.change_subject = false;
}

/* X10, widened: whatever the request says, and the client's subject where it says nothing. */
static void any_names(void **state)
{
    (void)state;
    profile.any_names = true;
    struct bytes csr = csr_of(device.key, "CN=dev-9", "other.example");
    struct bytes name = name_of("CN=dev-9");
    struct bytes san = dns_names("other.example");
    assert_granted(SEN, &device, &csr);
    assert_slice(grant.subject, bytes_slice(&name));
    assert_slice(grant.san, bytes_slice(&san));
    assert_refused(SREN, &device, &csr, ESTOC_E_FORBIDDEN, "E4");
    csr = csr_of(device.key, "", NULL);
    assert_granted(SEN, &device, &csr);
    assert_slice(grant.subject, device.cert.subject);
    csr = csr_of(device.key, "", NULL);
    assert_refused(SEN, &nameless, &csr, ESTOC_E_FORBIDDEN, "211");
    profile.any_names = false;
}

static void what_is_granted(void **state)
{
    (void)state;
    struct bytes csr = csr_of(device.key, "", "alias.example");
    struct bytes want = dns_names("alias.example");
    const estoc_petition p = {SEN, &profile, &device.cert, &ca.cert, bytes_slice(&csr), unique};
    assert_int_equal(estoc_policy_grant(&p, &grant, &why), 0);
    assert_slice(grant.subject, device.cert.subject);
    assert_slice(grant.san, bytes_slice(&want));
    assert_slice(grant.spki, device.cert.spki.der);
    csr = csr_of(plain.key, "CN=dev-2", NULL);
    const estoc_petition q = {SEN, &profile, &plain.cert, &ca.cert, bytes_slice(&csr), unique};
    assert_int_equal(estoc_policy_grant(&q, &grant, &why), 0);
    assert_int_equal(grant.san.len, 0);
}

/* A library may write PrintableString where another writes UTF8String. */
static void other_kinds_of_string(void **state)
{
    (void)state;
    struct bytes name = name_of("CN=dev-2");
    uint8_t *kind = find(&name, "\x55\x04\x03", 3);
    assert_int_equal(*kind, ESTOC_DER_UTF8_STRING);
    *kind = ESTOC_DER_PRINTABLE_STRING;
    struct bytes csr = csr_with(plain.key, bytes_slice(&name), estoc_slice_of(NULL, 0));
    assert_granted(SEN, &plain, &csr);
    assert_granted(SREN, &plain, &csr);
}

/* Each alternative name but the last is one of the device's; there is an end to their number. */
static void many_names(void **state)
{
    (void)state;
    char dns[1200] = "";
    size_t len = 0;
    for (size_t i = 0; i < 65; i++) {
        len += (size_t)snprintf(dns + len, sizeof dns - len, "%sdev-1.example", i > 0 ? " " : "");
    }
    struct bytes csr = csr_of(device.key, "", dns);
    assert_refused(SEN, &device, &csr, ESTOC_E_FORBIDDEN, "X10");
    assert_non_null(strstr(why.text, "too many"));
    dns[len - strlen(" dev-1.example")] = '\0';
    csr = csr_of(device.key, "", dns);
    assert_granted(SEN, &device, &csr);
}

/* A subject that would not be taken from a request is not taken from a foreign certificate either. */
static void odd_client_subject(void **state)
{
    (void)state;
    /* CN = "a", newline, "b" */
    static const uint8_t name[] = {0x30, 0x0e, 0x31, 0x0c, 0x30, 0x0a, 0x06, 0x03,
                                   0x55, 0x04, 0x03, 0x0c, 0x03, 'a',  '\n', 'b'};
    struct party odd = plain;
    odd.key = NULL;
    odd.cert.subject = estoc_slice_of(name, sizeof name);
    struct bytes csr = csr_of(plain.key, "", NULL);
    assert_refused(SEN, &odd, &csr, ESTOC_E_FORBIDDEN, "212");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(changes_of_name),
        cmocka_unit_test(any_names),
        cmocka_unit_test(what_is_granted),
        cmocka_unit_test(other_kinds_of_string),
        cmocka_unit_test(many_names),
        cmocka_unit_test(odd_client_subject),
    };
    return cmocka_run_group_tests_name("authority names", tests, set_up, tear_down);
}
