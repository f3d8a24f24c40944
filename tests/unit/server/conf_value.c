/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "ca.h"
#include "conf_value.h"

static void numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t value;
    } good[] = {{"5", 5}, {"0010", 10}, {"4294967295", UINT32_MAX}};
    static const char *const bad[] = {"",
                                      "4",
                                      "4294967296",
                                      "-5",
                                      "+5",
                                      " 5",
                                      "5 ",
                                      "5k",
                                      "0x5",
                                      "5.0",
                                      "9223372036854775808",
                                      "18446744073709551621",
                                      "99999999999999999999999999"};
    uint64_t n;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(estoc_conf_number(good[i].text, 5, UINT32_MAX, &n));
        assert_true(n == good[i].value);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (estoc_conf_number(bad[i], 5, UINT32_MAX, &n)) {
            fail_msg("took \"%s\"", bad[i]);
        }
    }
}

static void times(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t ms;
    } good[] = {
        {"0", 0},
        {"7", 7000},
        {"500ms", 500},
        {"9s", 9000},
        {"3m", 180000},
        {"12h", 43200000},
        {"90d", 7776000000u},
        {"2w", 1209600000},
        {"1y", 31536000000u},
        {"292471208y", UINT64_C(292471208) * 31536000000u},
    };
    static const char *const bad[] = {
        "",     "d",    "-1d", "1 d", "1D",  "1.5h",       "1d12h",
        "1min", "1sec", "1ds", " 1d", "1d ", "292471209y", "99999999999999999999d"};
    uint64_t ms;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(estoc_conf_time(good[i].text, &ms));
        assert_true(ms == good[i].ms);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (estoc_conf_time(bad[i], &ms)) {
            fail_msg("took \"%s\"", bad[i]);
        }
    }
}

static void bits(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint32_t bits;
    } good[] = {{"0", 0},           {"100k", 100000},           {"100000", 100000}, {"2M", 2000000},
                {"4G", 4000000000}, {"4294967295", UINT32_MAX}, {"0G", 0}};
    static const char *const bad[] = {"",
                                      "k",
                                      "100K",
                                      "100kb",
                                      "100 k",
                                      "-1",
                                      "1.5M",
                                      "5G",
                                      "4294967296",
                                      "4294968k",
                                      "4294967295G",
                                      "1m",
                                      "99999999999999999999k"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        uint32_t n = 7;
        assert_true(estoc_conf_bits(good[i].text, &n));
        assert_int_equal(n, good[i].bits);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint32_t n;
        if (estoc_conf_bits(bad[i], &n)) {
            fail_msg("took \"%s\"", bad[i]);
        }
    }
}

static void times_as_text(void **state)
{
    (void)state;
    static const char *const texts[] = {"0ms", "50ms", "1s",  "90s", "1m", "61m",
                                        "1h",  "25h",  "30d", "2w",  "1y", "100y"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        uint64_t ms;
        char text[24];
        assert_true(estoc_conf_time(texts[i], &ms));
        assert_string_equal(estoc_conf_time_text(ms, text, sizeof text), texts[i]);
    }
}

static void keys(void **state)
{
    (void)state;
    unsigned bits;
    uint32_t rsa;
    const unsigned p256 = ESTOC_KEY_BIT(ESTOC_KEY_P256);
    assert_true(estoc_conf_keys("P-256", &bits, &rsa));
    assert_int_equal(bits, p256);
    assert_int_equal(rsa, 0);
    assert_true(estoc_conf_keys("secp256r1,prime256v1", &bits, &rsa));
    assert_int_equal(bits, p256);
    assert_true(estoc_conf_keys(" ed25519 , p-384,RSA", &bits, &rsa));
    assert_int_equal(bits, ESTOC_KEY_BIT(ESTOC_KEY_ED25519) | ESTOC_KEY_BIT(ESTOC_KEY_P384) |
                               ESTOC_KEY_BIT(ESTOC_KEY_RSA));
    assert_int_equal(rsa, 2048);
    assert_true(estoc_conf_keys("secp384r1", &bits, &rsa));
    assert_int_equal(bits, ESTOC_KEY_BIT(ESTOC_KEY_P384));
    assert_true(estoc_conf_keys("P-256, rsa-3072", &bits, &rsa));
    assert_int_equal(bits, p256 | ESTOC_KEY_BIT(ESTOC_KEY_RSA));
    assert_int_equal(rsa, 3072);
    static const char *const bad[] = {"",
                                      " ",
                                      "P-256,",
                                      ",P-256",
                                      "P-256 P-384",
                                      "DSA",
                                      "P-25",
                                      "RSA-2047",
                                      "RSA-4097",
                                      "RSA-",
                                      "RSA-2048x",
                                      "RSA-3072,RSA-4096",
                                      "RSA,RSA-4096",
                                      "RSA-00003072"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (estoc_conf_keys(bad[i], &bits, &rsa)) {
            fail_msg("took \"%s\"", bad[i]);
        }
    }
}

static uint8_t der[1024];
static size_t der_len;
static const char *what;

static estoc_err encode(const char *text)
{
    return estoc_conf_attributes(text, (estoc_buf){der, sizeof der}, &der_len, &what);
}

#define assert_encodes(text, ...)                    \
    do {                                             \
        static const uint8_t want[] = {__VA_ARGS__}; \
        assert_int_equal(encode(text), 0);           \
        assert_int_equal(der_len, sizeof want);      \
        assert_memory_equal(der, want, sizeof want); \
    } while (0)

/* The example of RFC 7030 section 4.5.2. */
static void example_of_rfc7030(void **state)
{
    (void)state;
    /* clang-format off */
    assert_encodes(
        "challengePassword, ecPublicKey:secp384r1, extensionRequest:macAddress, ecdsa-with-SHA384",
        0x30, 0x41,
        0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x07, /* challengePassword */
        0x30, 0x12,
        0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,             /* ecPublicKey */
        0x31, 0x07,
        0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22,                         /* secp384r1 */
        0x30, 0x16,
        0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x0e, /* extensionRequest */
        0x31, 0x09,
        0x06, 0x07, 0x2b, 0x06, 0x01, 0x01, 0x01, 0x01, 0x16,             /* macAddress */
        0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03);      /* ecdsa-with-SHA384 */
    /* clang-format on */
}

static void oids_and_numbers(void **state)
{
    (void)state;
    /* clang-format off */
    assert_encodes("1.2.3", 0x30, 0x04, 0x06, 0x02, 0x2a, 0x03);
    assert_encodes("RSAencryption:3072",
        0x30, 0x13, 0x30, 0x11,
        0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01,
        0x31, 0x04, 0x02, 0x02, 0x0c, 0x00);
    /* values of a SET stand in the order of their bytes: X.690 section 11.6 */
    assert_encodes("1.2.3 : 2.5.29.37 : 7 : 1.2.4",
        0x30, 0x14, 0x30, 0x12, 0x06, 0x02, 0x2a, 0x03,
        0x31, 0x0c,
        0x02, 0x01, 0x07,
        0x06, 0x02, 0x2a, 0x04,
        0x06, 0x03, 0x55, 0x1d, 0x25);
    /* clang-format on */
}

/* A misspelt number in the table would be another attribute. */
static void names(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint8_t len;
        uint8_t oid[9];
    } rows[] = {
        {"ecPublicKey", 7, {0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01}},
        {"secp256r1", 8, {0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07}},
        {"prime256v1", 8, {0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07}},
        {"P-256", 8, {0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07}},
        {"secp384r1", 5, {0x2b, 0x81, 0x04, 0x00, 0x22}},
        {"P-384", 5, {0x2b, 0x81, 0x04, 0x00, 0x22}},
        {"Ed25519", 3, {0x2b, 0x65, 0x70}},
        {"rsaEncryption", 9, {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01}},
        {"challengePassword", 9, {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x07}},
        {"extensionRequest", 9, {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x0e}},
        {"ecdsa-with-SHA256", 8, {0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02}},
        {"ecdsa-with-SHA384", 8, {0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03}},
        {"ecdsa-with-SHA512", 8, {0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x04}},
        {"sha256WithRSAEncryption", 9, {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b}},
        {"macAddress", 7, {0x2b, 0x06, 0x01, 0x01, 0x01, 0x01, 0x16}},
        {"commonName", 3, {0x55, 0x04, 0x03}},
        {"serialNumber", 3, {0x55, 0x04, 0x05}},
        {"keyUsage", 3, {0x55, 0x1d, 0x0f}},
        {"subjectAltName", 3, {0x55, 0x1d, 0x11}},
        {"extendedKeyUsage", 3, {0x55, 0x1d, 0x25}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(encode(rows[i].name), 0);
        assert_int_equal(der_len, 4u + rows[i].len);
        assert_memory_equal(der + 4, rows[i].oid, rows[i].len);
    }
}

static void wrong_attributes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        estoc_err err;
        const char *what;
    } rows[] = {
        {"", ESTOC_E_MALFORMED, ""},
        {"nonsense", ESTOC_E_MALFORMED, "nonsense"},
        {"challengePassword,", ESTOC_E_MALFORMED, ""},
        {"1.2.3,1.x", ESTOC_E_MALFORMED, "1.x"},
        {"9.9.9", ESTOC_E_MALFORMED, "9.9.9"},
        {"ecPublicKey:", ESTOC_E_MALFORMED, ""},
        {"ecPublicKey:curve", ESTOC_E_MALFORMED, "curve"},
        {"ecPublicKey:-5", ESTOC_E_MALFORMED, "-5"},
        {"1.2.3, 1.2.4, 1.2.3", ESTOC_E_STATE, "1.2.3"},
        {"P-256, prime256v1", ESTOC_E_STATE, "prime256v1"},
        {"1.2.3:7:8:7", ESTOC_E_STATE, "7"},
        {"1.2.3:1:2:3:4:5:6:7:8:9", ESTOC_E_LIMIT, "9"},
        {"1.2.1,1.2.2,1.2.3,1.2.4,1.2.5,1.2.6,1.2.7,1.2.8,1.2.9,1.2.10,1.2.11,1.2.12,1.2.13,"
         "1.2.14,1.2.15,1.2.16,1.2.17",
         ESTOC_E_LIMIT, "1.2.17"},
        {"12345678901234567890123456789012345678901234567890123456789012345", ESTOC_E_LIMIT,
         "1234567890123456789012345678901234567890123456789012345678901234..."},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(encode(rows[i].text), rows[i].err);
        assert_string_equal(what, rows[i].what);
        assert_int_equal(der_len, 0);
    }
    size_t len;
    assert_int_equal(estoc_conf_attributes("challengePassword", (estoc_buf){der, 12}, &len, &what),
                     ESTOC_E_SPACE);
    assert_int_equal(estoc_conf_attributes("challengePassword", (estoc_buf){der, 13}, &len, &what),
                     0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"numbers have a range and no decoration", numbers, NULL, NULL, NULL},
        {"times have one unit, or are seconds", times, NULL, NULL, NULL},
        {"times as text are read as the same", times_as_text, NULL, NULL, NULL},
        {"bits a second", bits, NULL, NULL, NULL},
        {"lists of keys", keys, NULL, NULL, NULL},
        {"RFC 7030 section 4.5.2 the example", example_of_rfc7030, NULL, NULL, NULL},
        {"OIDs and numbers as attributes and values", oids_and_numbers, NULL, NULL, NULL},
        {"each name is the OID it should be", names, NULL, NULL, NULL},
        {"what is wrong with attributes is named", wrong_attributes, NULL, NULL, NULL},
    };
    return cmocka_run_group_tests_name("server/conf_value", tests, NULL, NULL);
}
