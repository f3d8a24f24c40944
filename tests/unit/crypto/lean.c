/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/provider.h>
#include <openssl/x509.h>

#include "crypto.h"

static OSSL_LIB_CTX *lean(void)
{
    OSSL_LIB_CTX *lib = estoc_crypto_lean();
    assert_non_null(lib);
    return lib;
}

/* A SubjectPublicKeyInfo as the certificate that holds it is read: X509_PUBKEY asks for decoders. */
static EVP_PKEY *read_spki(OSSL_LIB_CTX *lib, const uint8_t *der, int len)
{
    const uint8_t *p = der;
    X509_PUBKEY *holder = X509_PUBKEY_new_ex(lib, NULL);
    assert_non_null(d2i_X509_PUBKEY(&holder, &p, len));
    assert_ptr_equal(p, der + len);
    EVP_PKEY *key = X509_PUBKEY_get(holder);
    X509_PUBKEY_free(holder);
    return key;
}

static EVP_PKEY *new_key(const char *type, const char *group)
{
    EVP_PKEY *key = group != NULL              ? EVP_EC_gen(group)
                    : strcmp(type, "RSA") == 0 ? EVP_RSA_gen(2048)
                                               : EVP_PKEY_Q_keygen(NULL, NULL, type);
    assert_non_null(key);
    return key;
}

static const struct {
    const char *type, *group;
} made[] = {{"EC", "P-256"},     {"EC", "P-384"},   {"EC", "P-521"}, {"EC", "secp256k1"},
            {"EC", "sect283r1"}, {"ED25519", NULL}, {"ED448", NULL}, {"RSA", NULL}};

/* Of curves that our decoder knows, and of all that it leaves to others. */
static void test_reads_what_certificates_hold(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof made / sizeof made[0]; i++) {
        uint8_t *der = NULL;
        EVP_PKEY *key = new_key(made[i].type, made[i].group);
        int len = i2d_PUBKEY(key, &der);
        EVP_PKEY *read = read_spki(lean(), der, len);
        assert_non_null(read);
        assert_true(EVP_PKEY_is_a(read, made[i].type));
        assert_int_equal(EVP_PKEY_eq(read, key), 1);
        assert_string_equal(OSSL_PROVIDER_get0_name(EVP_PKEY_get0_provider(read)), "estoc");
        EVP_PKEY_free(read);
        EVP_PKEY_free(key);
        OPENSSL_free(der);
    }
}

static EVP_PKEY_CTX *context_of(EVP_PKEY *key)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(lean(), key, NULL);
    assert_non_null(ctx);
    return ctx;
}

/* The shortcut is for two curves: what another one's cofactor asks for is still done. */
static void test_checks_keys(void **state)
{
    (void)state;
    for (size_t i = 0; i < 5; i++) {
        EVP_PKEY *key = EVP_PKEY_Q_keygen(lean(), NULL, "EC", made[i].group);
        assert_non_null(key);
        EVP_PKEY_CTX *ctx = context_of(key);
        assert_int_equal(EVP_PKEY_public_check(ctx), 1);
        assert_int_equal(EVP_PKEY_check(ctx), 1);
        EVP_PKEY_CTX_free(ctx);
        EVP_PKEY_free(key);
    }
}

/* By whatever name of its curve. */
static void test_makes_keys(void **state)
{
    static const char *const names[][2] = {{"prime256v1", "prime256v1"},
                                           {"P-256", "prime256v1"},
                                           {"secp384r1", "secp384r1"},
                                           {"P-521", "secp521r1"}};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char group[32];
        size_t len;
        uint8_t *one = NULL, *other = NULL;
        EVP_PKEY *key = EVP_PKEY_Q_keygen(lean(), NULL, "EC", names[i][0]);
        EVP_PKEY *second = EVP_PKEY_Q_keygen(lean(), NULL, "EC", names[i][0]);
        assert_int_equal(EVP_PKEY_get_group_name(key, group, sizeof group, &len), 1);
        assert_string_equal(group, names[i][1]);
        EVP_PKEY_CTX *ctx = context_of(key);
        assert_int_equal(EVP_PKEY_check(ctx), 1); /* both halves, and that they fit */
        size_t n = EVP_PKEY_get1_encoded_public_key(key, &one);
        assert_int_equal(EVP_PKEY_get1_encoded_public_key(second, &other), n);
        assert_memory_not_equal(one, other, n);
        EVP_PKEY_CTX_free(ctx);
        OPENSSL_free(one);
        OPENSSL_free(other);
        EVP_PKEY_free(key);
        EVP_PKEY_free(second);
    }
}

/* An invalid curve attack: a point that is not on the curve, in a certificate, or of a peer. */
static void test_refuses_points_off_the_curve(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        uint8_t *der = NULL;
        EVP_PKEY *key = EVP_PKEY_Q_keygen(lean(), NULL, "EC", made[i].group);
        EVP_PKEY *same = EVP_EC_gen(made[i].group);
        int len = i2d_PUBKEY(same, &der);
        assert_true(len > 0);
        der[len - 1] ^= 1;
        assert_null(read_spki(lean(), der, len));

        uint8_t *point = NULL;
        size_t point_len = EVP_PKEY_get1_encoded_public_key(key, &point);
        assert_true(point_len > 0);
        assert_int_equal(EVP_PKEY_set1_encoded_public_key(key, point, point_len), 1);
        point[point_len - 1] ^= 1;
        assert_int_not_equal(EVP_PKEY_set1_encoded_public_key(key, point, point_len), 1);
        uint8_t infinity = 0;
        if (EVP_PKEY_set1_encoded_public_key(key, &infinity, 1) == 1) {
            EVP_PKEY_CTX *ctx = context_of(key);
            assert_int_not_equal(EVP_PKEY_public_check(ctx), 1);
            EVP_PKEY_CTX_free(ctx);
        }
        OPENSSL_free(point);
        OPENSSL_free(der);
        EVP_PKEY_free(same);
        EVP_PKEY_free(key);
    }
}

/* Both ends of an agreement: one in the lean context, one in the usual one. */
static void test_agrees(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        uint8_t secret[2][64];
        size_t len[2] = {sizeof secret[0], sizeof secret[1]};
        EVP_PKEY *here = EVP_PKEY_Q_keygen(lean(), NULL, "EC", made[i].group);
        EVP_PKEY *there = EVP_EC_gen(made[i].group);
        EVP_PKEY *const pair[2][2] = {{here, there}, {there, here}};
        for (size_t k = 0; k < 2; k++) {
            EVP_PKEY_CTX *ctx =
                k == 0 ? context_of(pair[k][0]) : EVP_PKEY_CTX_new(pair[k][0], NULL);
            assert_int_equal(EVP_PKEY_derive_init(ctx), 1);
            assert_int_equal(EVP_PKEY_derive_set_peer(ctx, pair[k][1]), 1);
            assert_int_equal(EVP_PKEY_derive(ctx, secret[k], &len[k]), 1);
            EVP_PKEY_CTX_free(ctx);
        }
        assert_int_equal(len[0], len[1]);
        assert_memory_equal(secret[0], secret[1], len[0]);
        EVP_PKEY_free(here);
        EVP_PKEY_free(there);
    }
}

/* What is malformed is no key, and no harm. */
static void test_refuses_garbage(void **state)
{
    (void)state;
    uint8_t *der = NULL;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    int len = i2d_PUBKEY(key, &der);
    assert_int_equal(len, 91);
    der[26] = 2; /* what says that the point is not compressed */
    assert_null(read_spki(lean(), der, len));
    der[26] = 4;
    der[22] ^= 1; /* the curve's name */
    assert_null(read_spki(lean(), der, len));
    OPENSSL_free(der);
    EVP_PKEY_free(key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_what_certificates_hold),
        cmocka_unit_test(test_checks_keys),
        cmocka_unit_test(test_makes_keys),
        cmocka_unit_test(test_refuses_points_off_the_curve),
        cmocka_unit_test(test_agrees),
        cmocka_unit_test(test_refuses_garbage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
