/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../vectors/rfc7030.h"
#include "../../vectors/rfc9148.h"
#include "../../vectors/rfc9908.h"
#include "attributes.h"
#include "template.h"

#define SLICE(array) estoc_slice_of((array), sizeof(array))
#define LIT(s)       estoc_slice_of((s), sizeof(s) - 1)

static estoc_wishes w;

static void examples(void **state)
{
    (void)state;
    assert_int_equal(estoc_wishes_read(estoc_slice_of(NULL, 0), &w), 0);
    assert_int_equal(w.key, ESTOC_KEY_UNKNOWN);
    assert_int_equal(estoc_wishes_read(SLICE(rfc7030_4_5_2), &w), 0);
    assert_int_equal(w.key, ESTOC_KEY_P384);
    assert_int_equal(w.sig, ESTOC_SIG_ECDSA_SHA384);
    assert_true(w.challenge_password);
    assert_int_equal(w.extensions_n, 0); /* macAddress is no extension */
    assert_int_equal(estoc_wishes_read(SLICE(rfc9148_a4_att), &w), 0);
    assert_int_equal(w.key, ESTOC_KEY_UNKNOWN); /* it names no key that is known here */
    assert_true(w.challenge_password);
}

static void template_alone(void **state)
{
    (void)state;
    assert_int_equal(estoc_wishes_read(SLICE(rfc9908_template), &w), 0);
    assert_int_equal(w.key, ESTOC_KEY_P256);
    assert_int_equal(w.extensions_n, 3);
    assert_true(w.extensions[1].critical);
    assert_int_equal(w.extensions[2].value.len, 0);
    assert_true(w.subject.len > 0);
    /* others beside it do not count */
    uint8_t both[sizeof rfc9908_template + 16];
    size_t len;
    estoc_writer x = estoc_writer_of((estoc_buf){both, sizeof both});
    size_t list = estoc_der_open(&x, ESTOC_DER_SEQUENCE);
    estoc_der_put_raw(&x,
                      LIT("\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x09\x07")); /* challengePassword */
    estoc_der_put_raw(&x, estoc_slice_of(rfc9908_template + 3, sizeof rfc9908_template - 3));
    estoc_der_close(&x, list);
    assert_int_equal(estoc_writer_end(&x, &len), 0);
    assert_int_equal(estoc_wishes_read(estoc_slice_of(both, len), &w), 0);
    assert_false(w.challenge_password);
    both[len - 1] ^= 0x80; /* an OID that does not end: the template is not what it should be */
    assert_int_equal(estoc_wishes_read(estoc_slice_of(both, len), &w), ESTOC_E_MALFORMED);
}

static void one_by_one(void **state)
{
    (void)state;
    static const struct {
        const char *der;
        size_t len;
        estoc_key_kind key;
        uint32_t bits;
        estoc_sig_kind sig;
        bool no_key, no_sig;
        size_t types, extensions;
    } rows[] = {
        /* clang-format off */
        {"\x30\x05\x06\x03\x2b\x65\x70", 7, ESTOC_KEY_ED25519, 0, 0, false, false, 0, 0},
        {"\x30\x05\x06\x03\x2b\x65\x71", 7, 0, 0, 0, true, false, 0, 0},
        {"\x30\x13\x30\x11\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x31\x04\x02\x02\x08\x00", 21,
            ESTOC_KEY_RSA, 2048, 0, false, false, 0, 0},
        {"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02", 12, 0, 0, ESTOC_SIG_ECDSA_SHA256, false, false, 0, 0},
        {"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x04", 12, 0, 0, 0, false, true, 0, 0},
        {"\x30\x0a\x06\x03\x55\x04\x03\x06\x03\x55\x04\x05", 12, 0, 0, 0, false, false, 2, 0},
        {"\x30\x0a\x06\x03\x55\x1d\x11\x06\x03\x55\x1d\x11", 12, 0, 0, 0, false, false, 0, 1},
        /* extensionRequest with an OID, and with Extensions */
        {"\x30\x14\x30\x12\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x09\x0e\x31\x05\x06\x03\x55\x1d\x25", 22,
            0, 0, 0, false, false, 0, 1},
        {"\x30\x1a\x30\x18\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x09\x0e\x31\x0b\x30\x09\x30\x07\x06\x03\x55\x1d\x25\x04\x00", 28,
            0, 0, 0, false, false, 0, 99},
        /* clang-format on */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        estoc_err err = estoc_wishes_read(estoc_slice_of(rows[i].der, rows[i].len), &w);
        if (rows[i].extensions == 99) {
            assert_int_equal(err, ESTOC_E_MALFORMED);
            continue;
        }
        assert_int_equal(err, 0);
        assert_int_equal(w.key, rows[i].key);
        assert_int_equal(w.rsa_bits, rows[i].bits);
        assert_int_equal(w.sig, rows[i].sig);
        assert_int_equal(w.unsupported_key, rows[i].no_key);
        assert_int_equal(w.unsupported_sig, rows[i].no_sig);
        assert_int_equal(w.types_n, rows[i].types);
        assert_int_equal(w.extensions_n, rows[i].extensions);
    }
}

static void too_many(void **state)
{
    (void)state;
    uint8_t list[2 + 17 * 5] = {0x30};
    for (size_t n = 16; n <= 17; n++) {
        list[1] = (uint8_t)(n * 5);
        for (size_t i = 0; i < n; i++) {
            memcpy(list + 2 + i * 5, "\x06\x03\x55\x04\x0b", 5);
        }
        assert_int_equal(estoc_wishes_read(estoc_slice_of(list, 2 + n * 5), &w),
                         n == 16 ? 0 : ESTOC_E_LIMIT);
    }
}

static void print(estoc_slice der, char **text, estoc_err want)
{
    size_t len;
    FILE *f = open_memstream(text, &len);
    assert_int_equal(estoc_attributes_print(der, f), want);
    fclose(f);
}

static void printed(void **state)
{
    (void)state;
    char *text;
    print(SLICE(rfc9908_template), &text, 0);
    assert_string_equal(text, "certificationRequestInfoTemplate\n"
                              "  subject: commonName=?\n"
                              "  subject: organizationalUnitName=myDept\n"
                              "  subject: organizationalUnitName=myGroup\n"
                              "  key: ecPublicKey secp256r1\n"
                              "  subjectAltName: dns:www.myServer.com, ip:?\n"
                              "  keyUsage (critical): digitalSignature, keyAgreement\n"
                              "  extendedKeyUsage: ?\n");
    free(text);
    print(SLICE(rfc7030_4_5_2), &text, 0);
    assert_string_equal(text, "challengePassword\n"
                              "ecPublicKey: secp384r1\n"
                              "extensionRequest: macAddress\n"
                              "ecdsa-with-SHA384\n");
    free(text);
    print(
        LIT("\x30\x13\x30\x11\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x02\x3d\x31\x02\x30\x00"),
        &text, 0);
    assert_string_equal(text, "certificationRequestInfoTemplate\n  malformed\n");
    free(text);
    print(LIT("\x30\x02\x04\x00"), &text, ESTOC_E_MALFORMED);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"E3 the examples of RFC 7030 and RFC 9148", examples, NULL, NULL, NULL},
        {"E3 where there is a template, it alone counts", template_alone, NULL, NULL, NULL},
        {"E3 each attribute", one_by_one, NULL, NULL, NULL},
        {"E3 16 parts of a subject", too_many, NULL, NULL, NULL},
        {"E3 attributes as text", printed, NULL, NULL, NULL},
    };
    return cmocka_run_group_tests_name("cmd/wishes", tests, NULL, NULL);
}
