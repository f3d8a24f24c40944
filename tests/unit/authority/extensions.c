/* SPDX-License-Identifier: MIT */
#include "petition.h"

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

static const uint8_t eku_ocsp[] = {0x30, 0x0a, 0x06, 0x08, 0x2b, 0x06,
                                   0x01, 0x05, 0x05, 0x07, 0x03, 0x09};
static const uint8_t eku_turned[] = {0x30, 0x14, 0x06, 0x08, 0x2b, 0x06, 0x01, 0x05,
                                     0x05, 0x07, 0x03, 0x09, 0x06, 0x08, 0x2b, 0x06,
                                     0x01, 0x05, 0x05, 0x07, 0x03, 0x02};
static const uint8_t eku_twice[] = {0x30, 0x14, 0x06, 0x08, 0x2b, 0x06, 0x01, 0x05,
                                    0x05, 0x07, 0x03, 0x02, 0x06, 0x08, 0x2b, 0x06,
                                    0x01, 0x05, 0x05, 0x07, 0x03, 0x02};

static void assert_purposes(estoc_slice asked, estoc_slice want)
{
    const struct asked one = {CE_EKU, false, asked};
    struct bytes ext = {.len = 0};
    if (asked.len > 0) {
        ext = extensions_of(&one, 1);
    }
    struct bytes csr = csr_with(plain.key, estoc_slice_of(NULL, 0), bytes_slice(&ext));
    if (want.len > 0) {
        assert_granted(SEN, &plain, &csr);
        assert_slice(grant.purposes, want);
    } else {
        assert_refused(SEN, &plain, &csr, ESTOC_E_FORBIDDEN, "214");
    }
}

/* All that the profile has, or what is asked for, in the profile's order and once. */
static void purposes(void **state)
{
    (void)state;
    const estoc_slice none = {NULL, 0};
    const estoc_slice both = estoc_slice_of(eku_both + 2, 20);
    assert_purposes(none, estoc_slice_of(eku_client + 2, 10));
    memcpy(profile.contents.purposes, both.ptr, both.len);
    profile.contents.purposes_len = both.len;
    assert_purposes(none, both);
    assert_purposes(VALUE(eku_both), both);
    assert_purposes(VALUE(eku_turned), both);
    assert_purposes(VALUE(eku_ocsp), estoc_slice_of(eku_ocsp + 2, 10));
    assert_purposes(VALUE(eku_twice), estoc_slice_of(eku_client + 2, 10));
    assert_purposes(VALUE(eku_ra), none);
    assert_purposes(VALUE(eku_any), none);
    profile.contents.purposes_len = 10; /* clientAuth */
    assert_purposes(VALUE(eku_both), none);
    profile.contents.purposes_len = 0;
}

/* Of the profile's usages those that the key can have. */
static void usages(void **state)
{
    (void)state;
    static const struct {
        estoc_key_kind kind;
        uint8_t profile, want; /* 0: refused */
    } rows[] = {
        {ESTOC_KEY_P256, 0x88, 0x88}, {ESTOC_KEY_P256, 0xf8, 0xc8},    {ESTOC_KEY_P384, 0x08, 0x08},
        {ESTOC_KEY_P384, 0x20, 0},    {ESTOC_KEY_RSA, 0xf8, 0xf0},     {ESTOC_KEY_RSA, 0x08, 0},
        {ESTOC_KEY_RSA, 0x30, 0x30},  {ESTOC_KEY_ED25519, 0xf8, 0xc0}, {ESTOC_KEY_ED25519, 0x38, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        profile.contents.usage = rows[i].profile;
        estoc_err err = estoc_policy_usage(&profile, rows[i].kind, &grant, &why);
        if (err != (rows[i].want != 0 ? ESTOC_OK : ESTOC_E_KEY) || grant.usage != rows[i].want) {
            fail_msg("row %zu: %#x, %#x", i, err, grant.usage);
        }
    }
    struct bytes csr = csr_of(plain.key, "", NULL);
    profile.contents.usage = ESTOC_USAGE_KEY_ENCIPHERMENT;
    assert_refused(SEN, &plain, &csr, ESTOC_E_KEY, "X3");
    profile.keygen = true;
    assert_refused(ESTOC_OP_SKG, &plain, &csr, ESTOC_E_KEY, "X3");
    profile.contents.usage = ESTOC_USAGE_KEY_AGREEMENT;
    assert_granted(ESTOC_OP_SKG, &plain, &csr);
    assert_int_equal(grant.usage, ESTOC_USAGE_KEY_AGREEMENT);
    profile.keygen = false;
    profile.contents.usage = 0;
    assert_granted(SEN, &plain, &csr);
    assert_int_equal(grant.usage, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(extensions),
        cmocka_unit_test(second_extension),
        cmocka_unit_test(purposes),
        cmocka_unit_test(usages),
    };
    return cmocka_run_group_tests_name("authority extensions", tests, set_up, tear_down);
}
