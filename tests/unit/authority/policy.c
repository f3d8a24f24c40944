/* SPDX-License-Identifier: MIT */
#include "parties.h"

#include "policy.h"
#include "text.h"

static struct party ca, device, plain, nameless, odd;
static estoc_profile profile = {.name = "", .validity_s = DAY};
static estoc_grant grant;
static estoc_ruling why;
static estoc_slice unique; /* of the client's association */

static int set_up(void **state)
{
    party_make(&ca, (struct plan){.subject = "CN=CA", .ca = true});
    party_make(&device, (struct plan){.issuer = &ca,
                                      .subject = "CN=dev-1,O=Example",
                                      .dns = "dev-1.example alias.example"});
    party_make(&plain, (struct plan){.issuer = &ca, .subject = "CN=dev-2"});
    party_make(&nameless, (struct plan){.issuer = &ca, .subject = "", .dns = "dev-3.example"});
    return folder_make(state);
}

static int tear_down(void **state)
{
    party_drop(&ca);
    party_drop(&device);
    party_drop(&plain);
    party_drop(&nameless);
    party_drop(&odd);
    return folder_remove(state);
}

static uint8_t *exact;

static estoc_err ask(estoc_op op, const struct party *client, estoc_slice csr)
{
    free(exact); /* not before: a grant may point into the request */
    exact = malloc(csr.len > 0 ? csr.len : 1);
    assert_non_null(exact);
    if (csr.len > 0) {
        memcpy(exact, csr.ptr, csr.len);
    }
    const estoc_petition p = {
        op, &profile, &client->cert, &ca.cert, estoc_slice_of(exact, csr.len), unique};
    memset(&grant, 0xa5, sizeof grant);
    memset(&why, 0, sizeof why);
    estoc_err err = estoc_policy_grant(&p, &grant, &why);
    if (err) {
        assert_null(grant.subject.ptr);
        assert_null(grant.spki.ptr);
        assert_in_range(strlen(why.text), 1, 64);
        assert_in_range(strlen(why.rule), 1, 8);
    } else if (!profile.any_names && !profile.change_subject && !profile.registrars) {
        assert_ptr_equal(grant.subject.ptr, client->cert.subject.ptr);
    }
    return err;
}

static void assert_granted(estoc_op op, const struct party *client, const struct bytes *csr)
{
    if (ask(op, client, bytes_slice(csr))) {
        fail_msg("%s: %s", why.rule, why.text);
    }
}

static void assert_refused(estoc_op op, const struct party *client, const struct bytes *csr,
                           estoc_err want, const char *rule)
{
    estoc_err err = ask(op, client, bytes_slice(csr));
    if (err != want || strcmp(why.rule, rule) != 0) {
        fail_msg("%#x, not %#x; %s, not %s: %s", err, want, why.rule, rule, why.text);
    }
}

/* What comes after these bytes. */
static uint8_t *find(struct bytes *csr, const char *bytes, size_t len)
{
    uint8_t *at = memmem(csr->ptr, csr->len, bytes, len);
    assert_non_null(at);
    return at + len;
}

#define SEN  ESTOC_OP_SEN
#define SREN ESTOC_OP_SREN

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
    odd = plain;
    odd.key = NULL;
    odd.cert.subject = estoc_slice_of(name, sizeof name);
    struct bytes csr = csr_of(plain.key, "", NULL);
    assert_refused(SEN, &odd, &csr, ESTOC_E_FORBIDDEN, "212");
}

static const uint8_t ca_true[] = {0x30, 0x03, 0x01, 0x01, 0xff};
static const uint8_t ca_true_path[] = {0x30, 0x06, 0x01, 0x01, 0xff, 0x02, 0x01, 0x00};
static const uint8_t ca_absent[] = {0x30, 0x00};
static const uint8_t ca_false[] = {0x30, 0x03, 0x01, 0x01, 0x00};
static const uint8_t basic_long[] = {0x30, 0x05, 0x01, 0x01, 0x00, 0x05, 0x00};
static const uint8_t basic_after[] = {0x30, 0x00, 0x00};
static const uint8_t usage_sign[] = {0x03, 0x02, 0x07, 0x80};
static const uint8_t usage_more[] = {0x03, 0x02, 0x03, 0xa8};
static const uint8_t usage_cert_sign[] = {0x03, 0x02, 0x02, 0x84};
static const uint8_t usage_crl_sign[] = {0x03, 0x02, 0x01, 0x02};
static const uint8_t usage_long[] = {0x03, 0x03, 0x07, 0x04, 0x80};
static const uint8_t usage_none[] = {0x03, 0x01, 0x00};
static const uint8_t usage_unused[] = {0x03, 0x02, 0x08, 0x80};
static const uint8_t eku_client[] = {0x30, 0x0a, 0x06, 0x08, 0x2b, 0x06,
                                     0x01, 0x05, 0x05, 0x07, 0x03, 0x02};
static const uint8_t eku_ra[] = {0x30, 0x0a, 0x06, 0x08, 0x2b, 0x06,
                                 0x01, 0x05, 0x05, 0x07, 0x03, 0x1c};
static const uint8_t eku_both[] = {0x30, 0x14, 0x06, 0x08, 0x2b, 0x06, 0x01, 0x05,
                                   0x05, 0x07, 0x03, 0x02, 0x06, 0x08, 0x2b, 0x06,
                                   0x01, 0x05, 0x05, 0x07, 0x03, 0x09};
static const uint8_t eku_any[] = {0x30, 0x06, 0x06, 0x04, 0x55, 0x1d, 0x25, 0x00};
static const uint8_t eku_empty[] = {0x30, 0x00};
static const uint8_t eku_bad[] = {0x30, 0x03, 0x02, 0x01, 0x00};
static const uint8_t octets[] = {0x04, 0x02, 0x01, 0x02};

#define VALUE(array) estoc_slice_of(array, sizeof(array))
#define CE_BASIC     OID("\x55\x1d\x13")
#define CE_USAGE     OID("\x55\x1d\x0f")
#define CE_EKU       OID("\x55\x1d\x25")
#define CE_SKI       OID("\x55\x1d\x0e")
#define CE_AKI       OID("\x55\x1d\x23")
#define CE_CONSTR    OID("\x55\x1d\x1e")
#define CE_CRL       OID("\x55\x1d\x1f")
#define CE_POLICY    OID("\x55\x1d\x20")
#define PE_AIA       OID("\x2b\x06\x01\x05\x05\x07\x01\x01")
#define PRIVATE      OID("\x2b\x06\x01\x04\x01\x82\x37\x01")

/* E4, hard cases 214 and 219. */
static void extensions(void **state)
{
    (void)state;
    const struct {
        struct asked ext;
        estoc_err want;
        const char *rule;
    } rows[] = {
        /* clang-format off */
        {{CE_BASIC,  true,  VALUE(ca_true)},         ESTOC_E_FORBIDDEN, "214"},
        {{CE_BASIC,  false, VALUE(ca_true)},         ESTOC_E_FORBIDDEN, "214"},
        {{CE_BASIC,  true,  VALUE(ca_true_path)},    ESTOC_E_FORBIDDEN, "214"},
        {{CE_BASIC,  true,  VALUE(ca_absent)},       0, ""},
        {{CE_BASIC,  false, VALUE(ca_false)},        0, ""},
        {{CE_BASIC,  false, VALUE(basic_long)},      ESTOC_E_MALFORMED, "E4"},
        {{CE_BASIC,  false, VALUE(basic_after)},     ESTOC_E_MALFORMED, "E4"},
        {{CE_BASIC,  false, VALUE(octets)},          ESTOC_E_MALFORMED, "E4"},
        {{CE_BASIC,  false, {NULL, 0}},              ESTOC_E_MALFORMED, "E4"},
        {{CE_USAGE,  true,  VALUE(usage_sign)},      0, ""},
        {{CE_USAGE,  true,  VALUE(usage_more)},      0, ""},
        {{CE_USAGE,  true,  VALUE(usage_long)},      ESTOC_E_FORBIDDEN, "214"},
        {{CE_USAGE,  true,  VALUE(usage_cert_sign)}, ESTOC_E_FORBIDDEN, "214"},
        {{CE_USAGE,  false, VALUE(usage_crl_sign)},  ESTOC_E_FORBIDDEN, "214"},
        {{CE_USAGE,  true,  VALUE(usage_none)},      ESTOC_E_MALFORMED, "E4"},
        {{CE_USAGE,  true,  VALUE(usage_unused)},    ESTOC_E_MALFORMED, "E4"},
        {{CE_USAGE,  true,  VALUE(octets)},          ESTOC_E_MALFORMED, "E4"},
        {{CE_EKU,    false, VALUE(eku_client)},      0, ""},
        {{CE_EKU,    false, VALUE(eku_ra)},          ESTOC_E_FORBIDDEN, "214"},
        {{CE_EKU,    false, VALUE(eku_both)},        ESTOC_E_FORBIDDEN, "214"},
        {{CE_EKU,    true,  VALUE(eku_any)},         ESTOC_E_FORBIDDEN, "214"},
        {{CE_EKU,    false, VALUE(eku_empty)},       ESTOC_E_MALFORMED, "E4"},
        {{CE_EKU,    false, VALUE(eku_bad)},         ESTOC_E_MALFORMED, "E4"},
        {{CE_SKI,    false, VALUE(octets)},          0, ""},
        {{CE_AKI,    false, VALUE(octets)},          0, ""},
        {{CE_CONSTR, true,  VALUE(octets)},          0, ""},
        {{CE_CRL,    false, VALUE(octets)},          0, ""},
        {{CE_POLICY, false, VALUE(octets)},          0, ""},
        {{PE_AIA,    false, VALUE(octets)},          0, ""},
        {{PRIVATE,   false, VALUE(octets)},          0, ""},
        {{PRIVATE,   true,  VALUE(octets)},          ESTOC_E_FORBIDDEN, "E4"},
        /* clang-format on */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bytes ext = extensions_of(&rows[i].ext, 1);
        struct bytes csr = csr_with(plain.key, estoc_slice_of(NULL, 0), bytes_slice(&ext));
        estoc_err err = ask(SEN, &plain, bytes_slice(&csr));
        if (err != rows[i].want || strcmp(why.rule, rows[i].rule) != 0) {
            fail_msg("row %zu: %#x %s %s", i, err, why.rule, why.text);
        }
    }
}

/* A refused extension is found before and behind granted ones. */
static void second_extension(void **state)
{
    (void)state;
    const struct asked list[] = {{CE_USAGE, true, VALUE(usage_sign)},
                                 {CE_BASIC, true, VALUE(ca_true)},
                                 {CE_EKU, false, VALUE(eku_client)}};
    for (size_t n = 1; n <= 3; n++) {
        struct bytes ext = extensions_of(list, n);
        struct bytes csr = csr_with(plain.key, estoc_slice_of(NULL, 0), bytes_slice(&ext));
        if (n == 1) {
            assert_granted(SEN, &plain, &csr);
        } else {
            assert_refused(SEN, &plain, &csr, ESTOC_E_FORBIDDEN, "214");
        }
    }
}

/* X3 */
static void kinds_of_keys(void **state)
{
    (void)state;
    static const estoc_key_kind kinds[] = {ESTOC_KEY_P256, ESTOC_KEY_P384, ESTOC_KEY_ED25519,
                                           ESTOC_KEY_RSA};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        estoc_key *key = NULL;
        assert_int_equal(estoc_key_generate(kinds[i], &key), 0);
        struct bytes csr = csr_of(key, "", NULL);
        profile.keys = 0;
        if (kinds[i] == ESTOC_KEY_P256) {
            assert_granted(SEN, &plain, &csr);
        } else {
            assert_refused(SEN, &plain, &csr, ESTOC_E_KEY, "X3");
        }
        profile.keys = ESTOC_KEY_BIT(kinds[i]);
        assert_granted(SEN, &plain, &csr);
        profile.keys = ~ESTOC_KEY_BIT(kinds[i]);
        assert_refused(SEN, &plain, &csr, ESTOC_E_KEY, "X3");
        profile.keys = 0;
        estoc_key_free(key);
    }
}

/* Hard cases 202, 204, 206. */
static void faulty_keys(void **state)
{
    (void)state;
    static const char bits[] = "\x03\x42\x00";
    struct bytes csr = csr_of(plain.key, "", NULL);
    uint8_t *point = find(&csr, bits, 3);
    point[64] ^= 1;
    assert_refused(SEN, &plain, &csr, ESTOC_E_KEY, "X3");
    point[64] ^= 1;
    point[0] = 0x06; /* hybrid */
    assert_refused(SEN, &plain, &csr, ESTOC_E_UNSUPPORTED, "X3");
    point[0] = 0x04;
    assert_granted(SEN, &plain, &csr);
    uint8_t *curve = find(&csr, "\x2a\x86\x48\xce\x3d\x03\x01", 7);
    *curve = 0x01; /* prime192v1 */
    assert_refused(SEN, &plain, &csr, ESTOC_E_UNSUPPORTED, "X3");
}

/* Hard cases 199, 201; C4: 4.00 */
static void faulty_signatures(void **state)
{
    (void)state;
    struct bytes csr = csr_of(plain.key, "", NULL);
    csr.ptr[csr.len - 1] ^= 1;
    assert_refused(SEN, &plain, &csr, ESTOC_E_SIGNATURE, "E4");
    assert_int_equal(estoc_err_coap_code(ESTOC_E_SIGNATURE), ESTOC_COAP_BAD_REQUEST);
    csr.ptr[csr.len - 1] ^= 1;
    uint8_t *alg = find(&csr, "\x2a\x86\x48\xce\x3d\x04\x03", 7);
    *alg = 3; /* SHA-384, where SHA-256 signed */
    assert_refused(SEN, &plain, &csr, ESTOC_E_SIGNATURE, "E4");
    *alg = 4; /* SHA-512: not taken */
    assert_refused(SEN, &plain, &csr, ESTOC_E_UNSUPPORTED, "X3");
    /* signed by another key than the one inside */
    struct bytes a = csr_of(plain.key, "", NULL);
    struct bytes b = csr_of(device.key, "", NULL);
    static const char bits[] = "\x03\x42\x00";
    memcpy(find(&a, bits, 3), find(&b, bits, 3), 65);
    assert_refused(SEN, &plain, &a, ESTOC_E_SIGNATURE, "E4");
}

/* Hard case 207. */
static void the_key_of_the_ca(void **state)
{
    (void)state;
    struct bytes csr = csr_of(ca.key, "", NULL);
    assert_refused(SEN, &plain, &csr, ESTOC_E_FORBIDDEN, "207");
}

/* Hard cases 109, 221, 222, 224, 231. */
static void not_requests(void **state)
{
    (void)state;
    struct bytes csr = csr_of(plain.key, "", NULL);
    for (size_t len = 0; len < csr.len; len++) {
        estoc_err err = ask(SEN, &plain, estoc_slice_of(csr.ptr, len));
        assert_int_equal(estoc_err_coap_code(err), ESTOC_COAP_BAD_REQUEST);
    }
    memcpy(csr.ptr + csr.len, csr.ptr, csr.len);
    csr.len += 1;
    assert_refused(SEN, &plain, &csr, ESTOC_E_TRAILING, "E4");
    csr.len += csr.len - 2;
    assert_refused(SEN, &plain, &csr, ESTOC_E_TRAILING, "E4");
    assert_int_equal(estoc_err_coap_code(ask(SEN, &plain, plain.cert.der)), ESTOC_COAP_BAD_REQUEST);
    assert_int_equal(estoc_err_coap_code(
                         ask(SEN, &plain, estoc_slice_str("-----BEGIN CERTIFICATE REQUEST-----"))),
                     ESTOC_COAP_BAD_REQUEST);
}

/* X6 */
static void other_operations(void **state)
{
    (void)state;
    struct bytes csr = csr_of(plain.key, "", NULL);
    static const estoc_op ops[] = {ESTOC_OP_NONE, ESTOC_OP_CRTS, ESTOC_OP_ATT, ESTOC_OP_SKG,
                                   ESTOC_OP_SKC};
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
        assert_refused(ops[i], &plain, &csr, ESTOC_E_FORBIDDEN, "X6");
    }
}

/* E5, HC 187: key and signature say which kind is liked, and nothing else. */
static void keys_to_make(void **state)
{
    (void)state;
    struct bytes csr = csr_of(plain.key, "CN=dev-2", NULL);
    struct bytes own = csr_of(ca.key, "", NULL); /* 207 is about keys that are kept */
    profile.keygen = true;
    profile.keys = ESTOC_KEY_BIT(ESTOC_KEY_P384) | ESTOC_KEY_BIT(ESTOC_KEY_RSA);
    assert_granted(ESTOC_OP_SKG, &plain, &csr);
    assert_int_equal(grant.make, ESTOC_KEY_P384); /* no P-256: the first there is */
    assert_int_equal(grant.wish.cover, ESTOC_COVER_NONE);
    assert_int_equal(grant.spki.len, 0);
    profile.keys |= ESTOC_KEY_BIT(ESTOC_KEY_P256);
    csr.ptr[csr.len - 1] ^= 1; /* the signature */
    assert_granted(ESTOC_OP_SKC, &plain, &csr);
    assert_int_equal(grant.make, ESTOC_KEY_P256);
    assert_granted(ESTOC_OP_SKC, &plain, &own);
    profile.keys = ESTOC_KEY_BIT(ESTOC_KEY_RSA);
    assert_granted(ESTOC_OP_SKG, &plain, &csr);
    assert_int_equal(grant.make, ESTOC_KEY_RSA);
    struct bytes foreign = csr_of(plain.key, "CN=dev-1", NULL);
    assert_refused(ESTOC_OP_SKG, &plain, &foreign, ESTOC_E_FORBIDDEN, "X10");
    csr.len--;
    assert_int_equal(ask(ESTOC_OP_SKG, &plain, bytes_slice(&csr)), ESTOC_E_TRUNCATED);
    profile.keys = 0;
    profile.keygen = false;
}

static struct bytes csr_wishing(const estoc_key_wish *wish)
{
    struct bytes b = {.len = 0};
    uint8_t spki[ESTOC_SPKI_MAX], more[512];
    size_t spki_len = 0;
    estoc_writer w = estoc_writer_of((estoc_buf){more, sizeof more});
    estoc_key_wish_put(&w, wish);
    assert_int_equal(estoc_key_spki(plain.key, (estoc_buf){spki, sizeof spki}, &spki_len), 0);
    const estoc_csr_plan plan = {.spki = estoc_slice_of(spki, spki_len),
                                 .more_attributes = estoc_writer_slice(&w)};
    estoc_signer signer = estoc_key_signer(plain.key);
    assert_int_equal(estoc_csr_build(&plan, &signer, (estoc_buf){b.ptr, sizeof b.ptr}, &b.len), 0);
    return b;
}

static void decryption_keys(void **state)
{
    (void)state;
    const estoc_key_wish wish = {.cover = ESTOC_COVER_SYMMETRIC,
                                 .id = estoc_slice_str("kek-1"),
                                 .caps = ESTOC_CAP_AES128_CBC | ESTOC_CAP_AES128_WRAP};
    struct bytes csr = csr_wishing(&wish);
    profile.keygen = true;
    assert_granted(ESTOC_OP_SKG, &plain, &csr);
    assert_int_equal(grant.wish.cover, ESTOC_COVER_SYMMETRIC);
    assert_int_equal(grant.wish.id.len, 5);
    assert_int_equal(grant.wish.caps, wish.caps);
    for (size_t i = 0; i + 2 < csr.len; i++) { /* the OCTET STRING of the identifier */
        if (csr.ptr[i] == 0x04 && csr.ptr[i + 1] == 5 && csr.ptr[i + 2] == 'k') {
            csr.ptr[i] = 0x0c;
        }
    }
    assert_refused(ESTOC_OP_SKG, &plain, &csr, ESTOC_E_MALFORMED, "E5");
    profile.keygen = false;
}

/* ------------------------------------------------------------------- what has been issued before */

static estoc_store *store;

static int reopen_store(void)
{
    char url[600];
    estoc_why text = {""};
    snprintf(url, sizeof url, "sqlite:%s", in_folder("policy.db"));
    return estoc_store_open(url, &store, &text) ? -1 : 0;
}

static int open_store(void **state)
{
    (void)state;
    unlink(in_folder("policy.db"));
    unlink(in_folder("policy.db-wal"));
    unlink(in_folder("policy.db-shm"));
    return reopen_store();
}

static int close_store(void **state)
{
    (void)state;
    estoc_store_close(store);
    store = NULL;
    return 0;
}

static void record(const estoc_cert *cert, estoc_slice der, const char *subject, int64_t revoked)
{
    estoc_record rec = {.serial_len = cert->serial.len,
                        .profile = "",
                        .subject = subject,
                        .issued_at = 1,
                        .not_before = cert->not_before,
                        .not_after = cert->not_after,
                        .revoked_at = revoked,
                        .cert = der};
    memcpy(rec.serial, cert->serial.ptr, cert->serial.len);
    assert_int_equal(estoc_sha256(cert->spki.der, rec.key), 0);
    assert_int_equal(estoc_store_put(store, &rec), 0);
}

static estoc_err recorded(estoc_op op, const struct party *client, const estoc_key *key,
                          const char *subject, int64_t now, bool *own)
{
    uint8_t spki[ESTOC_SPKI_MAX];
    uint8_t digest[32];
    size_t len = 0;
    const estoc_petition p = {op, &profile, &client->cert, &ca.cert, {NULL, 0}, unique};
    assert_int_equal(estoc_key_spki(key, (estoc_buf){spki, sizeof spki}, &len), 0);
    assert_int_equal(estoc_sha256(estoc_slice_of(spki, len), digest), 0);
    memset(&why, 0, sizeof why);
    estoc_err err = estoc_policy_recorded(&p, store, digest, subject, now, own, &why);
    if (err == ESTOC_E_FORBIDDEN) {
        assert_in_range(strlen(why.text), 1, 64);
    }
    return err;
}

static void foreign_certificate(void **state)
{
    (void)state;
    bool own = true;
    int64_t now = estoc_unix_s();
    assert_int_equal(recorded(SEN, &plain, plain.key, "CN=dev-2", now, &own), 0);
    assert_false(own);
    assert_int_equal(recorded(SREN, &plain, plain.key, "CN=dev-2", now, &own), ESTOC_E_FORBIDDEN);
    assert_string_equal(why.rule, "E4");
    /* the serial number of ours in another's certificate */
    record(&plain.cert, device.cert.der, "CN=dev-2", 0);
    assert_int_equal(recorded(SREN, &plain, plain.key, "CN=dev-2", now, &own), ESTOC_E_FORBIDDEN);
    assert_false(own);
}

static void own_certificate(void **state)
{
    (void)state;
    bool own = false;
    int64_t now = estoc_unix_s();
    record(&plain.cert, plain.cert.der, "CN=dev-2", 0);
    assert_int_equal(recorded(SREN, &plain, plain.key, "CN=dev-2", now, &own), 0);
    assert_true(own);
    assert_int_equal(recorded(SEN, &plain, plain.key, "CN=dev-2", now, &own), 0);
    assert_true(own);
    assert_int_equal(recorded(SREN, &plain, plain.key, "CN=dev-2", plain.cert.not_after, &own), 0);
    assert_int_equal(recorded(SREN, &plain, plain.key, "CN=dev-2", plain.cert.not_after + 1, &own),
                     ESTOC_E_FORBIDDEN);
    assert_int_equal(recorded(SREN, &plain, plain.key, "CN=dev-2", plain.cert.not_before - 1, &own),
                     ESTOC_E_FORBIDDEN);
    assert_int_equal(recorded(SEN, &plain, plain.key, "CN=dev-2", plain.cert.not_after + 1, &own),
                     ESTOC_E_FORBIDDEN);
    /* a grace is for renewals, to its last second, and for what has been valid */
    profile.grace_s = 60;
    assert_int_equal(recorded(SREN, &plain, plain.key, "CN=dev-2", plain.cert.not_after + 60, &own),
                     0);
    assert_int_equal(recorded(SREN, &plain, plain.key, "CN=dev-2", plain.cert.not_after + 61, &own),
                     ESTOC_E_FORBIDDEN);
    assert_int_equal(recorded(SEN, &plain, plain.key, "CN=dev-2", plain.cert.not_after + 1, &own),
                     ESTOC_E_FORBIDDEN);
    assert_int_equal(recorded(SREN, &plain, plain.key, "CN=dev-2", plain.cert.not_before - 1, &own),
                     ESTOC_E_FORBIDDEN);
    profile.grace_s = 0;
}

/* Hard case 171. */
static void revoked_certificate(void **state)
{
    (void)state;
    bool own = false;
    record(&plain.cert, plain.cert.der, "CN=dev-2", 5);
    assert_int_equal(recorded(SREN, &plain, plain.key, "CN=dev-2", estoc_unix_s(), &own),
                     ESTOC_E_FORBIDDEN);
    assert_string_equal(why.rule, "171");
    assert_int_equal(recorded(SEN, &plain, plain.key, "CN=dev-2", estoc_unix_s(), &own),
                     ESTOC_E_FORBIDDEN);
    assert_string_equal(why.rule, "171");
}

/* Hard case 207. */
static void key_of_another(void **state)
{
    (void)state;
    bool own = false;
    int64_t now = estoc_unix_s();
    record(&device.cert, device.cert.der, "CN=dev-1,O=Example", 0);
    assert_int_equal(recorded(SEN, &plain, device.key, "CN=dev-2", now, &own), ESTOC_E_FORBIDDEN);
    assert_string_equal(why.rule, "207");
    assert_int_equal(recorded(SEN, &device, device.key, "CN=dev-1,O=Example", now, &own), 0);
    /* under a name it had before, or is to have */
    assert_int_equal(recorded(SREN, &device, device.key, "CN=new", now, &own), 0);
    /* no longer in use */
    assert_int_equal(recorded(SEN, &plain, device.key, "CN=dev-2", device.cert.not_after + 1, &own),
                     0);
}

static void broken_store(void **state)
{
    (void)state;
    bool own = true;
    estoc_store_close(store); /* into the file */
    assert_int_equal(reopen_store(), 0);
    FILE *f = fopen(in_folder("policy.db"), "r+");
    assert_non_null(f);
    fseek(f, 4096, SEEK_SET); /* all pages but the one that says what the others are */
    for (size_t i = 0; i < 4 * 4096; i++) {
        fputc(0xff, f);
    }
    fclose(f);
    FILE *silent = fopen("/dev/null", "w");
    assert_non_null(silent);
    estoc_log_file(silent);
    assert_int_equal(recorded(SEN, &plain, plain.key, "CN=dev-2", 1, &own), ESTOC_E_STORE);
    assert_false(own);
    estoc_log_file(NULL);
    fclose(silent);
}

/* ---- D9 ---- */

static struct bytes csr_with_password(const struct party *p, const char *password)
{
    struct bytes b = {.len = 0}, name = name_of("CN=dev-2");
    uint8_t spki[ESTOC_SPKI_MAX];
    size_t spki_len = 0;
    assert_int_equal(estoc_key_spki(p->key, (estoc_buf){spki, sizeof spki}, &spki_len), 0);
    const estoc_csr_plan plan = {.subject = bytes_slice(&name),
                                 .spki = estoc_slice_of(spki, spki_len),
                                 .challenge_password = estoc_slice_str(password)};
    estoc_signer signer = estoc_key_signer(p->key);
    assert_int_equal(estoc_csr_build(&plan, &signer, (estoc_buf){b.ptr, sizeof b.ptr}, &b.len), 0);
    return b;
}

/* The unique value below in Base64 is "AAECAwQFBgcICQoL". */
static void linked_to_the_session(void **state)
{
    (void)state;
    static const uint8_t value[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
    static const char *const wrong[] = {
        "AAECAwQFBgcICQo",   "AAECAwQFBgcICQoLA", "AAECAwQFBgcICQoM", "aAECAwQFBgcICQoL", "A",
        "AAECAwQFBgcICQoL=", " AAECAwQFBgcICQoL"};
    const struct bytes right = csr_with_password(&plain, "AAECAwQFBgcICQoL");
    const struct bytes none = csr_of(plain.key, "CN=dev-2", NULL);
    unique = estoc_slice_of(value, sizeof value);
    for (profile.pop = ESTOC_POP_OFF; profile.pop <= ESTOC_POP_REQUIRED; profile.pop++) {
        assert_granted(SEN, &plain, &right);
        assert_granted(SREN, &plain, &right);
        for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
            const struct bytes csr = csr_with_password(&plain, wrong[i]);
            if (profile.pop == ESTOC_POP_OFF) {
                assert_granted(SEN, &plain, &csr);
            } else {
                assert_refused(SEN, &plain, &csr, ESTOC_E_SIGNATURE, "D9");
                assert_non_null(strstr(why.text, "identity linking"));
            }
        }
        if (profile.pop == ESTOC_POP_REQUIRED) {
            assert_refused(SEN, &plain, &none, ESTOC_E_SIGNATURE, "D9");
        } else {
            assert_granted(SEN, &plain, &none);
        }
    }
    profile.pop = ESTOC_POP_OPTIONAL;
    unique = estoc_slice_of(NULL, 0); /* an association that has none links nothing */
    assert_refused(SEN, &plain, &right, ESTOC_E_SIGNATURE, "D9");
    profile.pop = ESTOC_POP_OFF;
}

/* A registrar's association is not the device's. */
static void registrars_are_not_linked(void **state)
{
    (void)state;
    struct party ra = {.key = NULL};
    party_make(&ra, (struct plan){.issuer = &ca, .subject = "CN=dev-2"});
    ra.cert.cmc_ra = true;
    profile.pop = ESTOC_POP_REQUIRED;
    const struct bytes csr = csr_of(plain.key, "CN=dev-2", NULL);
    assert_refused(SEN, &plain, &csr, ESTOC_E_SIGNATURE, "D9");
    assert_granted(SEN, &ra, &csr);
    profile.pop = ESTOC_POP_OFF;
    party_drop(&ra);
}

/* Only where the profile says so, and only with a certificate of this CA. RFC 6402 section 2.10 */
static void registrars(void **state)
{
    (void)state;
    struct party ra = {.key = NULL}, foreign_ca = {.key = NULL}, foreign = {.key = NULL};
    party_make(&ra, (struct plan){.issuer = &ca, .subject = "CN=RA"});
    party_make(&foreign_ca, (struct plan){.subject = "CN=CA", .ca = true}); /* of the same name */
    party_make(&foreign, (struct plan){.issuer = &foreign_ca, .subject = "CN=RA"});
    const struct bytes csr = csr_of(plain.key, "CN=a device", "device.example");
    const struct bytes itself = csr_of(ra.key, "CN=RA", NULL);
    ra.cert.cmc_ra = foreign.cert.cmc_ra = true;
    assert_refused(SEN, &ra, &csr, ESTOC_E_FORBIDDEN, "X10");
    profile.registrars = true;
    profile.any_names = false;
    assert_refused(SEN, &foreign, &csr, ESTOC_E_FORBIDDEN, "X10");
    assert_refused(SEN, &plain, &csr, ESTOC_E_FORBIDDEN, "X10");
    assert_refused(SREN, &ra, &csr, ESTOC_E_FORBIDDEN, "E4");
    assert_granted(SEN, &ra, &itself);
    const estoc_petition p = {SEN, &profile, &ra.cert, &ca.cert, bytes_slice(&csr), unique};
    const struct bytes name = name_of("CN=a device");
    assert_true(estoc_policy_is_registrar(&p));
    assert_int_equal(estoc_policy_grant(&p, &grant, &why), 0);
    assert_slice(grant.subject, bytes_slice(&name));
    assert_true(grant.san.len > 0);
    profile.registrars = false;
    assert_false(estoc_policy_is_registrar(&p));
    party_drop(&ra);
    party_drop(&foreign_ca);
    party_drop(&foreign);
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
        cmocka_unit_test(extensions),
        cmocka_unit_test(second_extension),
        cmocka_unit_test(kinds_of_keys),
        cmocka_unit_test(faulty_keys),
        cmocka_unit_test(faulty_signatures),
        cmocka_unit_test(the_key_of_the_ca),
        cmocka_unit_test(not_requests),
        cmocka_unit_test(other_operations),
        {"D9 174 a request is linked to the session", linked_to_the_session, NULL, NULL, NULL},
        {"D9 not from a registrar", registrars_are_not_linked, NULL, NULL, NULL},
        {"D9 a registrar enrolls others, if it is ours", registrars, NULL, NULL, NULL},
        cmocka_unit_test(keys_to_make),
        cmocka_unit_test(decryption_keys),
        cmocka_unit_test_setup_teardown(foreign_certificate, open_store, close_store),
        cmocka_unit_test_setup_teardown(own_certificate, open_store, close_store),
        cmocka_unit_test_setup_teardown(revoked_certificate, open_store, close_store),
        cmocka_unit_test_setup_teardown(key_of_another, open_store, close_store),
        cmocka_unit_test_setup_teardown(broken_store, open_store, close_store),
    };
    return cmocka_run_group_tests_name("authority policy", tests, set_up, tear_down);
}
