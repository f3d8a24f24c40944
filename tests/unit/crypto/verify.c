/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "crypto.h"
#include "short_memory.h"

/* clang-format off */
/* RFC 6979 appendix A.2.5: the key, and "sample" signed with SHA-256. */
static const uint8_t p256_point[65] = {
    0x04,
    0x60, 0xfe, 0xd4, 0xba, 0x25, 0x5a, 0x9d, 0x31, 0xc9, 0x61, 0xeb, 0x74, 0xc6, 0x35, 0x6d, 0x68,
    0xc0, 0x49, 0xb8, 0x92, 0x3b, 0x61, 0xfa, 0x6c, 0xe6, 0x69, 0x62, 0x2e, 0x60, 0xf2, 0x9f, 0xb6,
    0x79, 0x03, 0xfe, 0x10, 0x08, 0xb8, 0xbc, 0x99, 0xa4, 0x1a, 0xe9, 0xe9, 0x56, 0x28, 0xbc, 0x64,
    0xf2, 0xf1, 0xb2, 0x0c, 0x2d, 0x7e, 0x9f, 0x51, 0x77, 0xa3, 0xc2, 0x94, 0xd4, 0x46, 0x22, 0x99};
#define P256_R                                                                                      \
    0xef, 0xd4, 0x8b, 0x2a, 0xac, 0xb6, 0xa8, 0xfd, 0x11, 0x40, 0xdd, 0x9c, 0xd4, 0x5e, 0x81, 0xd6, \
    0x9d, 0x2c, 0x87, 0x7b, 0x56, 0xaa, 0xf9, 0x91, 0xc3, 0x4d, 0x0e, 0xa8, 0x4e, 0xaf, 0x37, 0x16
#define P256_S                                                                                      \
    0xf7, 0xcb, 0x1c, 0x94, 0x2d, 0x65, 0x7c, 0x41, 0xd4, 0x36, 0xc7, 0xa1, 0xb6, 0xe2, 0x9f, 0x65, \
    0xf3, 0xe9, 0x00, 0xdb, 0xb9, 0xaf, 0xf4, 0x06, 0x4d, 0xc4, 0xab, 0x2f, 0x84, 0x3a, 0xcd, 0xa8
/* the order of the curve */
#define P256_N                                                                                      \
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, \
    0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51
#define R 0x02, 0x21, 0x00, P256_R
#define S 0x02, 0x21, 0x00, P256_S
static const uint8_t p256_good[] = {0x30, 0x46, R, S};

/* RFC 6979 appendix A.2.6: the key, and "sample" signed with SHA-384. */
static const uint8_t p384_point[97] = {
    0x04,
    0xec, 0x3a, 0x4e, 0x41, 0x5b, 0x4e, 0x19, 0xa4, 0x56, 0x86, 0x18, 0x02, 0x9f, 0x42, 0x7f, 0xa5,
    0xda, 0x9a, 0x8b, 0xc4, 0xae, 0x92, 0xe0, 0x2e, 0x06, 0xaa, 0xe5, 0x28, 0x6b, 0x30, 0x0c, 0x64,
    0xde, 0xf8, 0xf0, 0xea, 0x90, 0x55, 0x86, 0x60, 0x64, 0xa2, 0x54, 0x51, 0x54, 0x80, 0xbc, 0x13,
    0x80, 0x15, 0xd9, 0xb7, 0x2d, 0x7d, 0x57, 0x24, 0x4e, 0xa8, 0xef, 0x9a, 0xc0, 0xc6, 0x21, 0x89,
    0x67, 0x08, 0xa5, 0x93, 0x67, 0xf9, 0xdf, 0xb9, 0xf5, 0x4c, 0xa8, 0x4b, 0x3f, 0x1c, 0x9d, 0xb1,
    0x28, 0x8b, 0x23, 0x1c, 0x3a, 0xe0, 0xd4, 0xfe, 0x73, 0x44, 0xfd, 0x25, 0x33, 0x26, 0x47, 0x20};
#define P384_R                                                                                      \
    0x94, 0xed, 0xbb, 0x92, 0xa5, 0xec, 0xb8, 0xaa, 0xd4, 0x73, 0x6e, 0x56, 0xc6, 0x91, 0x91, 0x6b, \
    0x3f, 0x88, 0x14, 0x06, 0x66, 0xce, 0x9f, 0xa7, 0x3d, 0x64, 0xc4, 0xea, 0x95, 0xad, 0x13, 0x3c, \
    0x81, 0xa6, 0x48, 0x15, 0x2e, 0x44, 0xac, 0xf9, 0x6e, 0x36, 0xdd, 0x1e, 0x80, 0xfa, 0xbe, 0x46
#define P384_S                                                                                      \
    0x99, 0xef, 0x4a, 0xeb, 0x15, 0xf1, 0x78, 0xce, 0xa1, 0xfe, 0x40, 0xdb, 0x26, 0x03, 0x13, 0x8f, \
    0x13, 0x0e, 0x74, 0x0a, 0x19, 0x62, 0x45, 0x26, 0x20, 0x3b, 0x63, 0x51, 0xd0, 0xa3, 0xa9, 0x4f, \
    0xa3, 0x29, 0xc1, 0x45, 0x78, 0x6e, 0x67, 0x9e, 0x7b, 0x82, 0xc7, 0x1a, 0x38, 0x62, 0x8a, 0xc8
#define P384_N                                                                                      \
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, \
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xc7, 0x63, 0x4d, 0x81, 0xf4, 0x37, 0x2d, 0xdf, \
    0x58, 0x1a, 0x0d, 0xb2, 0x48, 0xb0, 0xa7, 0x7a, 0xec, 0xec, 0x19, 0x6a, 0xcc, 0xc5, 0x29, 0x73
static const uint8_t p384_good[] = {0x30, 0x66, 0x02, 0x31, 0x00, P384_R, 0x02, 0x31, 0x00, P384_S};
static const uint8_t p384_r_is_n[] = {0x30, 0x66, 0x02, 0x31, 0x00, P384_N, 0x02, 0x31, 0x00, P384_S};

/* RFC 8032 section 7.1, tests 1 (no message) and 2 (0x72). */
static const uint8_t ed_key_1[32] = {
    0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5, 0x4b, 0xfe, 0xd3, 0xc9, 0x64, 0x07, 0x3a,
    0x0e, 0xe1, 0x72, 0xf3, 0xda, 0xa6, 0x23, 0x25, 0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07, 0x51, 0x1a};
static const uint8_t ed_sig_1[64] = {
    0xe5, 0x56, 0x43, 0x00, 0xc3, 0x60, 0xac, 0x72, 0x90, 0x86, 0xe2, 0xcc, 0x80, 0x6e, 0x82, 0x8a,
    0x84, 0x87, 0x7f, 0x1e, 0xb8, 0xe5, 0xd9, 0x74, 0xd8, 0x73, 0xe0, 0x65, 0x22, 0x49, 0x01, 0x55,
    0x5f, 0xb8, 0x82, 0x15, 0x90, 0xa3, 0x3b, 0xac, 0xc6, 0x1e, 0x39, 0x70, 0x1c, 0xf9, 0xb4, 0x6b,
    0xd2, 0x5b, 0xf5, 0xf0, 0x59, 0x5b, 0xbe, 0x24, 0x65, 0x51, 0x41, 0x43, 0x8e, 0x7a, 0x10, 0x0b};
static const uint8_t ed_key_2[32] = {
    0x3d, 0x40, 0x17, 0xc3, 0xe8, 0x43, 0x89, 0x5a, 0x92, 0xb7, 0x0a, 0xa7, 0x4d, 0x1b, 0x7e, 0xbc,
    0x9c, 0x98, 0x2c, 0xcf, 0x2e, 0xc4, 0x96, 0x8c, 0xc0, 0xcd, 0x55, 0xf1, 0x2a, 0xf4, 0x66, 0x0c};
static const uint8_t ed_sig_2[64] = {
    0x92, 0xa0, 0x09, 0xa9, 0xf0, 0xd4, 0xca, 0xb8, 0x72, 0x0e, 0x82, 0x0b, 0x5f, 0x64, 0x25, 0x40,
    0xa2, 0xb2, 0x7b, 0x54, 0x16, 0x50, 0x3f, 0x8f, 0xb3, 0x76, 0x22, 0x23, 0xeb, 0xdb, 0x69, 0xda,
    0x08, 0x5a, 0xc1, 0xe4, 0x3e, 0x15, 0x99, 0x6e, 0x45, 0x8f, 0x36, 0x13, 0xd0, 0xf1, 0x1d, 0x8c,
    0x38, 0x7b, 0x2e, 0xae, 0xb4, 0x30, 0x2a, 0xee, 0xb0, 0x0d, 0x29, 0x16, 0x12, 0xbb, 0x0c, 0x00};

#define BYTES(array) estoc_slice_of(array, sizeof(array))
#define ROW(...)     estoc_slice_of((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))
/* clang-format on */

static const estoc_spki p256_spki = {ESTOC_KEY_P256, {NULL, 0}, {p256_point, sizeof p256_point}};
static const estoc_spki p384_spki = {ESTOC_KEY_P384, {NULL, 0}, {p384_point, sizeof p384_point}};

static estoc_slice sample(void)
{
    return estoc_slice_str("sample");
}

/* From memory that ends where the bytes end. */
static estoc_err verify(const estoc_spki *spki, estoc_sig_kind kind, estoc_slice msg,
                        estoc_slice sig)
{
    estoc_blob exact;
    assert_int_equal(estoc_blob_copy(sig, &exact), 0);
    estoc_err err = estoc_verify(spki, kind, msg, estoc_blob_slice(exact));
    estoc_blob_free(&exact);
    assert_int_equal(ERR_peek_error(), 0);
    return err;
}

static void known_answers(void **state)
{
    (void)state;
    assert_int_equal(verify(&p256_spki, ESTOC_SIG_ECDSA_SHA256, sample(), BYTES(p256_good)), 0);
    assert_int_equal(verify(&p384_spki, ESTOC_SIG_ECDSA_SHA384, sample(), BYTES(p384_good)), 0);
    estoc_spki ed = {ESTOC_KEY_ED25519, {NULL, 0}, BYTES(ed_key_1)};
    assert_int_equal(verify(&ed, ESTOC_SIG_ED25519, estoc_slice_of("", 0), BYTES(ed_sig_1)), 0);
    ed.key = BYTES(ed_key_2);
    assert_int_equal(verify(&ed, ESTOC_SIG_ED25519, estoc_slice_of("\x72", 1), BYTES(ed_sig_2)), 0);
}

static void other_message_key_or_digest(void **state)
{
    (void)state;
    uint8_t sig[sizeof p256_good];
    estoc_slice msg = sample();
    for (size_t i = 0; i < 3; i++) { /* of r, of s, and both ways round */
        static const size_t at[] = {10, 60, 71};
        memcpy(sig, p256_good, sizeof sig);
        sig[at[i]] ^= 1;
        assert_int_equal(verify(&p256_spki, ESTOC_SIG_ECDSA_SHA256, msg, BYTES(sig)),
                         ESTOC_E_SIGNATURE);
    }
    assert_int_equal(
        verify(&p256_spki, ESTOC_SIG_ECDSA_SHA256, estoc_slice_str("Sample"), BYTES(p256_good)),
        ESTOC_E_SIGNATURE);
    assert_int_equal(verify(&p256_spki, ESTOC_SIG_ECDSA_SHA384, msg, BYTES(p256_good)),
                     ESTOC_E_SIGNATURE);
    assert_int_equal(verify(&p384_spki, ESTOC_SIG_ECDSA_SHA256, msg, BYTES(p384_good)),
                     ESTOC_E_SIGNATURE);
    estoc_spki ed = {ESTOC_KEY_ED25519, {NULL, 0}, BYTES(ed_key_1)};
    assert_int_equal(verify(&ed, ESTOC_SIG_ED25519, estoc_slice_of("", 0), BYTES(ed_sig_2)),
                     ESTOC_E_SIGNATURE);
    assert_int_equal(verify(&ed, ESTOC_SIG_ED25519, estoc_slice_of("", 0),
                            estoc_slice_of(ed_sig_1, sizeof ed_sig_1 - 1)),
                     ESTOC_E_SIGNATURE);
}

/* Hard case 201. */
static void ecdsa_edges(void **state)
{
    (void)state;
    /* clang-format off */
    const estoc_slice bad[] = {
        ROW(0x30, 0x26, 0x02, 0x01, 0x00, S),                  /* r = 0 */
        ROW(0x30, 0x26, R, 0x02, 0x01, 0x00),                  /* s = 0 */
        ROW(0x30, 0x06, 0x02, 0x01, 0x00, 0x02, 0x01, 0x00),   /* both: CVE-2022-21449 */
        ROW(0x30, 0x46, 0x02, 0x21, 0x00, P256_N, S),          /* r = n */
        ROW(0x30, 0x46, R, 0x02, 0x21, 0x00, P256_N),          /* s = n */
        ROW(0x30, 0x47, 0x02, 0x22, 0x01, 0x00, P256_R, S),    /* r over n, a byte more */
        ROW(0x30, 0x45, 0x02, 0x20, P256_R, S),                /* r negative */
        ROW(0x30, 0x45, R, 0x02, 0x20, P256_S),                /* s negative */
        ROW(0x30, 0x47, 0x02, 0x22, 0x00, 0x00, P256_R, S),    /* r with a zero too many */
        ROW(0x30, 0x46, R, S, 0x00),                           /* a byte after */
        ROW(0x30, 0x47, R, S, 0x00),                           /* a byte inside, after s */
        ROW(0x30, 0x48, R, S, 0x05, 0x00),                     /* an element inside, after s */
        ROW(0x30, 0x81, 0x46, R, S),                           /* length in the long form */
        ROW(0x30, 0x80, R, S, 0x00, 0x00),                     /* indefinite length */
        ROW(0x30, 0x47, 0x02, 0x81, 0x21, 0x00, P256_R, S),    /* r's length in the long form */
        ROW(0x31, 0x46, R, S),                                 /* a SET */
        ROW(0x30, 0x46, 0x04, 0x21, 0x00, P256_R, S),          /* r an OCTET STRING */
        ROW(0x30, 0x25, 0x02, 0x00, S),                        /* r of no bytes */
        ROW(0x30, 0x23, R),                                    /* no s */
        ROW(0x30, 0x00),
        ROW(P256_R, P256_S),                                   /* as JOSE and COSE write it */
        {NULL, 0},
    };
    /* clang-format on */
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        estoc_err err = verify(&p256_spki, ESTOC_SIG_ECDSA_SHA256, sample(), bad[i]);
        if (err != ESTOC_E_SIGNATURE) {
            fail_msg("row %zu: %#x", i, err);
        }
    }
    for (size_t len = 0; len < sizeof p256_good; len++) {
        assert_int_equal(
            verify(&p256_spki, ESTOC_SIG_ECDSA_SHA256, sample(), estoc_slice_of(p256_good, len)),
            ESTOC_E_SIGNATURE);
    }
    assert_int_equal(verify(&p384_spki, ESTOC_SIG_ECDSA_SHA384, sample(), BYTES(p384_r_is_n)),
                     ESTOC_E_SIGNATURE);
}

/* Hard case 202. */
static void points(void **state)
{
    (void)state;
    uint8_t point[98] = {0};
    estoc_spki spki = {ESTOC_KEY_P256, {NULL, 0}, estoc_slice_of(point, 65)};
    memcpy(point, p256_point, 65);
    point[64] ^= 1; /* not on the curve */
    assert_int_equal(verify(&spki, ESTOC_SIG_ECDSA_SHA256, sample(), BYTES(p256_good)),
                     ESTOC_E_KEY);
    memset(point, 0xff, 65); /* coordinates over p */
    point[0] = 4;
    assert_int_equal(verify(&spki, ESTOC_SIG_ECDSA_SHA256, sample(), BYTES(p256_good)),
                     ESTOC_E_KEY);
    memset(point, 0, 65); /* 0, 0 */
    point[0] = 4;
    assert_int_equal(verify(&spki, ESTOC_SIG_ECDSA_SHA256, sample(), BYTES(p256_good)),
                     ESTOC_E_KEY);
    spki.key.len = 1;
    point[0] = 0; /* infinity */
    assert_int_equal(verify(&spki, ESTOC_SIG_ECDSA_SHA256, sample(), BYTES(p256_good)),
                     ESTOC_E_KEY);
    memcpy(point, p256_point, 65);
    spki.key.len = 65;
    point[0] = 0x07; /* hybrid; y is odd */
    assert_int_equal(verify(&spki, ESTOC_SIG_ECDSA_SHA256, sample(), BYTES(p256_good)),
                     ESTOC_E_KEY);
    spki.key.len = 33;
    point[0] = 0x03; /* compressed */
    assert_int_equal(verify(&spki, ESTOC_SIG_ECDSA_SHA256, sample(), BYTES(p256_good)),
                     ESTOC_E_KEY);
    memcpy(point, p384_point, 97);
    point[96] ^= 1;
    spki = (estoc_spki){ESTOC_KEY_P384, {NULL, 0}, estoc_slice_of(point, 97)};
    assert_int_equal(verify(&spki, ESTOC_SIG_ECDSA_SHA384, sample(), BYTES(p384_good)),
                     ESTOC_E_KEY);
    spki.kind = ESTOC_KEY_P256; /* of the other length */
    assert_int_equal(verify(&spki, ESTOC_SIG_ECDSA_SHA256, sample(), BYTES(p256_good)),
                     ESTOC_E_KEY);
}

/* With one of these as the key, a signature of the identity point and zero is good for one message in
 * eight at the least, whoever made it.                                                            */
static void ed25519_small_order(void **state)
{
    (void)state;
    uint8_t key[32] = {0};
    uint8_t sig[64] = {1};
    estoc_spki spki = {ESTOC_KEY_ED25519, {NULL, 0}, estoc_slice_of(key, sizeof key)};
    /* clang-format off */
    static const struct { uint8_t first, fill, last; } points[] = {
        {0x00, 0x00, 0x00}, {0x01, 0x00, 0x00}, {0xec, 0xff, 0x7f}, /* order 4, 1, 2 */
        {0xed, 0xff, 0x7f}, {0xee, 0xff, 0x7f},                     /* 0 and 1, not reduced */
        {0x00, 0x00, 0x80}, {0xec, 0xff, 0xff},
    };
    /* clang-format on */
    for (size_t i = 0; i < sizeof points / sizeof points[0]; i++) {
        memset(key, points[i].fill, sizeof key);
        key[0] = points[i].first;
        key[31] = points[i].last;
        assert_int_equal(verify(&spki, ESTOC_SIG_ED25519, sample(), BYTES(sig)), ESTOC_E_KEY);
    }
    static const uint8_t order_8[] = {0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f,
                                      0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
                                      0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6,
                                      0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a};
    memcpy(key, order_8, sizeof key);
    unsigned accepted = 0; /* by OpenSSL, else the test would show nothing */
    EVP_PKEY *native = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key, sizeof key);
    for (uint8_t m = 0; m < 100; m++) {
        EVP_MD_CTX *ctx = EVP_MD_CTX_new();
        assert_int_equal(EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, native), 1);
        accepted += EVP_DigestVerify(ctx, sig, sizeof sig, &m, 1) == 1;
        EVP_MD_CTX_free(ctx);
        assert_int_equal(estoc_verify(&spki, ESTOC_SIG_ED25519, estoc_slice_of(&m, 1), BYTES(sig)),
                         ESTOC_E_KEY);
    }
    EVP_PKEY_free(native);
    ERR_clear_error();
    assert_true(accepted > 0);
    key[31] |= 0x80;
    assert_int_equal(verify(&spki, ESTOC_SIG_ED25519, sample(), BYTES(sig)), ESTOC_E_KEY);
    spki.key.len = 31;
    assert_int_equal(verify(&spki, ESTOC_SIG_ED25519, sample(), BYTES(sig)), ESTOC_E_KEY);
}

struct rsa {
    EVP_PKEY *key;
    uint8_t spki_der[ESTOC_SPKI_MAX + 600];
    estoc_spki spki;
};

static void rsa_make(struct rsa *r, unsigned bits)
{
    uint8_t *p = r->spki_der;
    r->key = EVP_RSA_gen(bits);
    assert_non_null(r->key);
    int len = i2d_PUBKEY(r->key, &p);
    assert_in_range(len, 1, sizeof r->spki_der);
    assert_int_equal(estoc_spki_parse(&r->spki, estoc_slice_of(r->spki_der, (size_t)len)), 0);
}

static estoc_slice rsa_sign(const struct rsa *r, const EVP_MD *md, uint8_t sig[512])
{
    size_t len = 512;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestSignInit(ctx, NULL, md, NULL, r->key), 1);
    assert_int_equal(EVP_DigestSign(ctx, sig, &len, (const uint8_t *)"sample", 6), 1);
    EVP_MD_CTX_free(ctx);
    return estoc_slice_of(sig, len);
}

static void rsa(void **state)
{
    (void)state;
    struct rsa r;
    uint8_t sig[512];
    rsa_make(&r, 2048);
    estoc_slice s = rsa_sign(&r, EVP_sha256(), sig);
    assert_int_equal(verify(&r.spki, ESTOC_SIG_RSA_SHA256, sample(), s), 0);
    assert_int_equal(verify(&r.spki, ESTOC_SIG_RSA_SHA384, sample(), s), ESTOC_E_SIGNATURE);
    assert_int_equal(verify(&r.spki, ESTOC_SIG_RSA_SHA256, estoc_slice_str("x"), s),
                     ESTOC_E_SIGNATURE);
    s.len--;
    assert_int_equal(verify(&r.spki, ESTOC_SIG_RSA_SHA256, sample(), s), ESTOC_E_SIGNATURE);
    s = rsa_sign(&r, EVP_sha384(), sig);
    assert_int_equal(verify(&r.spki, ESTOC_SIG_RSA_SHA384, sample(), s), 0);
    s = rsa_sign(&r, EVP_sha512(), sig);
    assert_int_equal(verify(&r.spki, ESTOC_SIG_RSA_SHA512, sample(), s), 0);
    memset(sig, 0xff, sizeof sig); /* over the modulus */
    assert_int_equal(verify(&r.spki, ESTOC_SIG_RSA_SHA512, sample(), s), ESTOC_E_SIGNATURE);
    EVP_PKEY_free(r.key);
    rsa_make(&r, 1024);
    s = rsa_sign(&r, EVP_sha256(), sig);
    assert_int_equal(verify(&r.spki, ESTOC_SIG_RSA_SHA256, sample(), s), ESTOC_E_KEY);
    EVP_PKEY_free(r.key);
}

/* An RSAPublicKey with a modulus of `bits` ones, but for the last bit, and an exponent. */
static estoc_slice rsa_bits(uint8_t *out, size_t cap, size_t bits, bool odd, estoc_slice exponent)
{
    static uint8_t n[2200];
    size_t len = (bits + 7) / 8;
    memset(n, 0xff, len);
    n[0] = (uint8_t)(0xff >> (8 * len - bits));
    n[len - 1] = odd ? 0xff : 0xfe;
    estoc_writer w = estoc_writer_of((estoc_buf){out, cap});
    size_t mark = estoc_der_open(&w, ESTOC_DER_SEQUENCE);
    estoc_der_put_unsigned(&w, estoc_slice_of(n, len));
    estoc_der_put(&w, ESTOC_DER_INTEGER, exponent);
    estoc_der_close(&w, mark);
    assert_int_equal(w.err, 0);
    return estoc_writer_slice(&w);
}

static void rsa_bounds(void **state)
{
    (void)state;
    uint8_t key[2400] = {0};
    uint8_t sig[2048] = {1};
    estoc_slice f4 = ROW(1, 0, 1);
    /* clang-format off */
    const struct { size_t bits; bool odd; estoc_slice e; estoc_err want; } rows[] = {
        {2047, true, f4, ESTOC_E_KEY},
        {2048, true, f4, ESTOC_E_SIGNATURE}, /* the key is taken */
        {2048, true, ROW(3), ESTOC_E_SIGNATURE},
        {2048, true, ROW(0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), ESTOC_E_SIGNATURE},
        {2048, true, ROW(1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), ESTOC_E_KEY},
        {2048, true, ROW(1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), ESTOC_E_KEY},
        {2048, true, ROW(1), ESTOC_E_KEY},
        {2048, true, ROW(2), ESTOC_E_KEY},
        {2048, true, ROW(0), ESTOC_E_KEY},
        {2048, true, ROW(0x81), ESTOC_E_KEY}, /* negative */
        {2048, true, {NULL, 0}, ESTOC_E_KEY},
        {2048, false, f4, ESTOC_E_KEY},
        {4096, true, f4, ESTOC_E_SIGNATURE},
        {4097, true, f4, ESTOC_E_KEY},
        {16384, true, f4, ESTOC_E_KEY},
    };
    /* clang-format on */
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        estoc_spki spki = {ESTOC_KEY_RSA, {NULL, 0}, {NULL, 0}};
        spki.key = rsa_bits(key, sizeof key, rows[i].bits, rows[i].odd, rows[i].e);
        estoc_err err = verify(&spki, ESTOC_SIG_RSA_SHA256, sample(),
                               estoc_slice_of(sig, (rows[i].bits + 7) / 8));
        if (err != rows[i].want) {
            fail_msg("row %zu: %#x", i, err);
        }
    }
    estoc_spki spki = {ESTOC_KEY_RSA, {NULL, 0}, {NULL, 0}};
    spki.key = rsa_bits(key, sizeof key, 2048, true, f4);
    for (size_t len = 0; len < 300; len++) { /* cut, or with bytes after */
        if (len != spki.key.len) {
            estoc_spki cut = {ESTOC_KEY_RSA, {NULL, 0}, estoc_slice_of(key, len)};
            assert_int_equal(verify(&cut, ESTOC_SIG_RSA_SHA256, sample(), estoc_slice_of(sig, 256)),
                             ESTOC_E_KEY);
        }
    }
}

static void fitting_kinds_only(void **state)
{
    (void)state;
    estoc_slice sig = BYTES(p256_good);
    estoc_spki other = {ESTOC_KEY_UNKNOWN, {NULL, 0}, BYTES(p256_point)};
    assert_int_equal(verify(&p256_spki, ESTOC_SIG_RSA_SHA256, sample(), sig), ESTOC_E_UNSUPPORTED);
    assert_int_equal(verify(&p256_spki, ESTOC_SIG_ED25519, sample(), sig), ESTOC_E_UNSUPPORTED);
    assert_int_equal(verify(&p256_spki, ESTOC_SIG_UNKNOWN, sample(), sig), ESTOC_E_UNSUPPORTED);
    assert_int_equal(verify(&other, ESTOC_SIG_ECDSA_SHA256, sample(), sig), ESTOC_E_UNSUPPORTED);
    assert_int_equal(verify(&other, ESTOC_SIG_UNKNOWN, sample(), sig), ESTOC_E_UNSUPPORTED);
    other.kind = ESTOC_KEY_ED25519;
    assert_int_equal(verify(&other, ESTOC_SIG_ECDSA_SHA256, sample(), sig), ESTOC_E_UNSUPPORTED);
}

/* Memory that ends at any point never makes a bad signature good. (In a few places OpenSSL calls a good
 * one bad then, without a word; in all others the caller learns that it is our own failure.)      */
static void no_memory(void **state)
{
    (void)state;
    uint8_t bad[sizeof p256_good];
    memcpy(bad, p256_good, sizeof bad);
    bad[60] ^= 1;
    unsigned ours = 0;
    unsigned theirs = 0;
    for (long n = 1; n < 200; n++) {
        allocations_left = n;
        estoc_err err =
            estoc_verify(&p256_spki, ESTOC_SIG_ECDSA_SHA256, sample(), BYTES(p256_good));
        allocations_left = n;
        estoc_err err_bad = estoc_verify(&p256_spki, ESTOC_SIG_ECDSA_SHA256, sample(), BYTES(bad));
        allocations_left = -1;
        assert_true(err == 0 || err == ESTOC_E_CRYPTO || err == ESTOC_E_SIGNATURE);
        assert_true(err_bad == ESTOC_E_CRYPTO || err_bad == ESTOC_E_SIGNATURE);
        assert_int_equal(ERR_peek_error(), 0);
        ours += err == ESTOC_E_CRYPTO;
        theirs += err == ESTOC_E_SIGNATURE;
    }
    assert_in_range(ours, 20, 190);
    assert_in_range(theirs, 0, 10);
    uint8_t digest[32];
    memset(digest, 0xa5, sizeof digest);
    allocations_left = 1;
    estoc_err err = estoc_sha256(sample(), digest);
    allocations_left = -1;
    assert_int_equal(err, ESTOC_E_CRYPTO);
    assert_int_equal(digest[0], 0);
    assert_int_equal(ERR_peek_error(), 0);
}

static void digest(void **state)
{
    (void)state;
    static const uint8_t abc[32] = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea,
                                    0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23,
                                    0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c,
                                    0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad};
    uint8_t out[32];
    assert_int_equal(estoc_sha256(estoc_slice_str("abc"), out), 0); /* FIPS 180-4 */
    assert_memory_equal(out, abc, sizeof out);
    assert_int_equal(estoc_sha256(estoc_slice_of(NULL, 0), out), 0);
    assert_int_equal(out[0], 0xe3);
    assert_int_equal(out[31], 0x55);
}

static void random_bytes(void **state)
{
    (void)state;
    estoc_random random = estoc_random_system();
    uint8_t a[10001] = {0};
    uint8_t b[32];
    uint8_t sum = 0;
    assert_true(random.fill(random.ctx, a, 10000));
    assert_true(random.fill(random.ctx, b, sizeof b));
    assert_memory_not_equal(a, b, sizeof b);
    assert_int_equal(a[10000], 0);
    for (size_t i = 9984; i < 10000; i++) { /* filled to its end */
        sum |= a[i];
    }
    assert_int_not_equal(sum, 0);
    assert_true(random.fill(random.ctx, b, 0));
}

static void *verify_often(void *failures)
{
    for (int i = 0; i < 200; i++) {
        if (estoc_verify(&p256_spki, ESTOC_SIG_ECDSA_SHA256, sample(), BYTES(p256_good)) ||
            estoc_verify(&p384_spki, ESTOC_SIG_ECDSA_SHA384, sample(), BYTES(p384_r_is_n)) !=
                ESTOC_E_SIGNATURE) {
            ++*(unsigned *)failures;
        }
    }
    return NULL;
}

/* First in the list: the curves are made while all of them ask for them. */
static void from_several_threads(void **state)
{
    (void)state;
    pthread_t threads[4];
    unsigned failures[4] = {0};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, verify_often, &failures[i]), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(failures[i], 0);
    }
}

/* RFC 4648 section 10 */
static void base64(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {{"", ""},
                                           {"f", "Zg=="},
                                           {"fo", "Zm8="},
                                           {"foo", "Zm9v"},
                                           {"foob", "Zm9vYg=="},
                                           {"fooba", "Zm9vYmE="},
                                           {"foobar", "Zm9vYmFy"}};
    static const char *const bad[] = {"Z",        "Zg",    "Zg=",   "Zg===",  "====", "=Zg=",
                                      "Zg==Zg==", " Zm9v", "Zm9v ", "Zm9v\n", "Zm-v", "Zm9"};
    uint8_t out[16];
    char text[16];
    size_t len;
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        const char *plain = pairs[i][0];
        assert_int_equal(estoc_base64(estoc_slice_str(plain), text), strlen(pairs[i][1]));
        assert_string_equal(text, pairs[i][1]);
        assert_int_equal(estoc_base64_decode(text, (estoc_buf){out, sizeof out}, &len), 0);
        assert_int_equal(len, strlen(plain));
        assert_memory_equal(out, plain, len);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(estoc_base64_decode(bad[i], (estoc_buf){out, sizeof out}, &len),
                         ESTOC_E_MALFORMED);
        assert_int_equal(len, 0);
    }
    assert_int_equal(estoc_base64_decode("Zm9v", (estoc_buf){out, 2}, &len), ESTOC_E_SPACE);
}

int main(void)
{
    if (!short_memory_ready()) {
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(from_several_threads),
        cmocka_unit_test(known_answers),
        cmocka_unit_test(other_message_key_or_digest),
        cmocka_unit_test(ecdsa_edges),
        cmocka_unit_test(points),
        cmocka_unit_test(ed25519_small_order),
        cmocka_unit_test(rsa),
        cmocka_unit_test(rsa_bounds),
        cmocka_unit_test(fitting_kinds_only),
        cmocka_unit_test(no_memory),
        cmocka_unit_test(digest),
        cmocka_unit_test(base64),
        cmocka_unit_test(random_bytes),
    };
    return cmocka_run_group_tests_name("crypto verify", tests, NULL, NULL);
}
