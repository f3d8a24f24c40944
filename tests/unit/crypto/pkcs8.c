/* SPDX-License-Identifier: MIT */
#include "folder.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

static const estoc_key_kind kinds[] = {ESTOC_KEY_P256, ESTOC_KEY_P384, ESTOC_KEY_ED25519,
                                       ESTOC_KEY_RSA};
#define KINDS (sizeof kinds / sizeof kinds[0])

static estoc_key *generated(estoc_key_kind kind)
{
    estoc_key *key = NULL;
    assert_int_equal(estoc_key_generate(kind, &key), 0);
    return key;
}

static estoc_slice encoded(const estoc_key *key, uint8_t out[ESTOC_PKCS8_MAX])
{
    size_t len;
    assert_int_equal(estoc_key_pkcs8(key, (estoc_buf){out, ESTOC_PKCS8_MAX}, &len), 0);
    assert_int_equal(ERR_peek_error(), 0);
    return estoc_slice_of(out, len);
}

static void as_openssl_writes_it(void **state)
{
    (void)state;
    uint8_t room[ESTOC_PKCS8_MAX];
    for (size_t i = 0; i < KINDS; i++) {
        estoc_key *key = generated(kinds[i]);
        estoc_slice mine = encoded(key, room);
        PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(estoc_key_native(key));
        uint8_t *theirs = NULL;
        int len = i2d_PKCS8_PRIV_KEY_INFO(info, &theirs);
        assert_int_equal(mine.len, len);
        assert_memory_equal(mine.ptr, theirs, mine.len);
        OPENSSL_free(theirs);
        PKCS8_PRIV_KEY_INFO_free(info);
        estoc_key_free(key);
    }
}

/* A number that begins with a zero keeps it in an EC key, which has a fixed length. RFC 5915 */
static void fixed_length(void **state)
{
    (void)state;
    uint8_t room[ESTOC_PKCS8_MAX];
    bool zero = false;
    for (int i = 0; i < 20000 && !zero; i++) {
        estoc_key *key = generated(ESTOC_KEY_P256);
        estoc_slice der = encoded(key, room);
        assert_int_equal(der.len, 138); /* RFC 9148 Appendix A.3 */
        zero = der.ptr[36] == 0;
        estoc_key_free(key);
    }
    assert_true(zero);
}

static void there_and_back(void **state)
{
    (void)state;
    uint8_t room[ESTOC_PKCS8_MAX], again[ESTOC_PKCS8_MAX];
    for (size_t i = 0; i < KINDS; i++) {
        estoc_why why = {""};
        estoc_key *back = NULL;
        estoc_key *key = generated(kinds[i]);
        estoc_slice der = encoded(key, room);
        assert_int_equal(estoc_key_parse(der, &back, &why), 0);
        assert_int_equal(estoc_key_kind_of(back), kinds[i]);
        assert_true(estoc_slice_eq(der, encoded(back, again)));
        estoc_key_free(back);
        estoc_key_free(key);
    }
}

static void too_little_room(void **state)
{
    (void)state;
    uint8_t room[ESTOC_PKCS8_MAX];
    for (size_t i = 0; i < KINDS; i++) {
        size_t len = 1;
        estoc_key *key = generated(kinds[i]);
        size_t cap = encoded(key, room).len - 1;
        assert_int_equal(estoc_key_pkcs8(key, (estoc_buf){room, cap}, &len), ESTOC_E_SPACE);
        assert_int_equal(len, 0);
        for (size_t at = 0; at < cap; at++) {
            assert_int_equal(room[at], 0);
        }
        estoc_key_free(key);
    }
}

static void no_key(void **state)
{
    (void)state;
    uint8_t room[ESTOC_PKCS8_MAX];
    estoc_why why = {""};
    estoc_key *key = generated(ESTOC_KEY_P256);
    estoc_key *back = key;
    estoc_slice der = encoded(key, room);
    assert_int_equal(estoc_key_parse(estoc_slice_sub(der, 0, der.len - 1), &back, &why),
                     ESTOC_E_KEY);
    assert_null(back);
    assert_non_null(strstr(why.text, "cannot be read"));
    room[36] ^= 1; /* the private half of another key */
    assert_int_equal(estoc_key_parse(der, &back, &why), ESTOC_E_KEY);
    assert_int_equal(ERR_peek_error(), 0);
    estoc_key_free(key);
}

/* ---- the public half ---- */

static estoc_slice spki_of(const estoc_key *key, uint8_t out[ESTOC_SPKI_MAX])
{
    size_t len;
    assert_int_equal(estoc_key_spki(key, (estoc_buf){out, ESTOC_SPKI_MAX}, &len), 0);
    return estoc_slice_of(out, len);
}

static void public_half(void **state)
{
    (void)state;
    uint8_t room[ESTOC_PKCS8_MAX], got[ESTOC_SPKI_MAX], want[ESTOC_SPKI_MAX];
    size_t len;
    for (size_t i = 0; i < KINDS; i++) {
        estoc_key *key = generated(kinds[i]);
        estoc_slice der = encoded(key, room);
        estoc_err err = estoc_pkcs8_public(der, (estoc_buf){got, sizeof got}, &len);
        if (kinds[i] == ESTOC_KEY_ED25519) { /* only the seed */
            assert_int_equal(err, ESTOC_E_NOT_FOUND);
            assert_int_equal(len, 0);
        } else {
            assert_int_equal(err, 0);
            assert_true(estoc_slice_eq(estoc_slice_of(got, len), spki_of(key, want)));
        }
        for (size_t n = 0; n < der.len; n++) { /* cut anywhere it is none */
            assert_int_not_equal(
                estoc_pkcs8_public(estoc_slice_sub(der, 0, n), (estoc_buf){got, sizeof got}, &len),
                0);
            assert_int_equal(len, 0);
        }
        estoc_key_free(key);
    }
}

/* RFC 8410 section 10.3: OneAsymmetricKey with attributes and the public key. */
static void public_half_beside(void **state)
{
    (void)state;
    static const uint8_t der[] = {
        0x30, 0x72, 0x02, 0x01, 0x01, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04,
        0x20, 0xd4, 0xee, 0x72, 0xdb, 0xf9, 0x13, 0x58, 0x4a, 0xd5, 0xb6, 0xd8, 0xf1, 0xf7, 0x69,
        0xf8, 0xad, 0x3a, 0xfe, 0x7c, 0x28, 0xcb, 0xf1, 0xd4, 0xfb, 0xe0, 0x97, 0xa8, 0x8f, 0x44,
        0x75, 0x58, 0x42, 0xa0, 0x1f, 0x30, 0x1d, 0x06, 0x0a, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d,
        0x01, 0x09, 0x09, 0x14, 0x31, 0x0f, 0x0c, 0x0d, 0x43, 0x75, 0x72, 0x64, 0x6c, 0x65, 0x20,
        0x43, 0x68, 0x61, 0x69, 0x72, 0x73, 0x81, 0x21, 0x00, 0x19, 0xbf, 0x44, 0x09, 0x69, 0x84,
        0xcd, 0xfe, 0x85, 0x41, 0xba, 0xc1, 0x67, 0xdc, 0x3b, 0x96, 0xc8, 0x50, 0x86, 0xaa, 0x30,
        0xb6, 0xb6, 0xcb, 0x0c, 0x5c, 0x38, 0xad, 0x70, 0x31, 0x66, 0xe1};
    static const uint8_t head[] = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03,
                                   0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};
    uint8_t got[ESTOC_SPKI_MAX];
    size_t len;
    assert_int_equal(
        estoc_pkcs8_public(estoc_slice_of(der, sizeof der), (estoc_buf){got, sizeof got}, &len), 0);
    assert_int_equal(len, 44);
    assert_memory_equal(got, head, sizeof head);
    assert_memory_equal(got + 12, der + sizeof der - 32, 32);
    assert_int_equal(
        estoc_pkcs8_public(estoc_slice_of(der, sizeof der), (estoc_buf){got, 43}, &len),
        ESTOC_E_SPACE);
    assert_int_equal(len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"E5 PKCS#8 as OpenSSL writes it, for each kind", as_openssl_writes_it, NULL, NULL, NULL},
        {"E5 the number of an EC key has its fixed length", fixed_length, NULL, NULL, NULL},
        {"E5 read back it is the same key", there_and_back, NULL, NULL, NULL},
        {"too little room is an error and leaves nothing", too_little_room, NULL, NULL, NULL},
        {"what is no key, or two halves, is refused", no_key, NULL, NULL, NULL},
        {"E5 the public half, by reading alone", public_half, NULL, NULL, NULL},
        {"E5 the public half where it stands beside the key", public_half_beside, NULL, NULL, NULL},
    };
    return cmocka_run_group_tests_name("crypto/pkcs8", tests, NULL, NULL);
}
