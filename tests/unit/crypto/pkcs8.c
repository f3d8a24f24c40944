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

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"E5 PKCS#8 as OpenSSL writes it, for each kind", as_openssl_writes_it, NULL, NULL, NULL},
        {"E5 the number of an EC key has its fixed length", fixed_length, NULL, NULL, NULL},
        {"E5 read back it is the same key", there_and_back, NULL, NULL, NULL},
        {"too little room is an error and leaves nothing", too_little_room, NULL, NULL, NULL},
        {"what is no key, or two halves, is refused", no_key, NULL, NULL, NULL},
    };
    return cmocka_run_group_tests_name("crypto/pkcs8", tests, NULL, NULL);
}
