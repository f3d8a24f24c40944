/* SPDX-License-Identifier: MIT
 *
 * Signatures checked, digests and random bytes: OpenSSL.
 */
#include <limits.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rand.h>

#include "crypto.h"

#define P384_BYTES 48

/* What is fetched or built once and then only read, by any thread. */
static CRYPTO_ONCE once = CRYPTO_ONCE_STATIC_INIT;
static EVP_PKEY *p256, *p384; /* the curve, no key */
static EVP_MD *sha256, *sha384, *sha512;

static EVP_PKEY *curve(const char *name)
{
    EVP_PKEY *out = NULL;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    if (ctx == NULL || EVP_PKEY_paramgen_init(ctx) != 1 ||
        EVP_PKEY_CTX_set_group_name(ctx, name) != 1 || EVP_PKEY_paramgen(ctx, &out) != 1) {
        out = NULL;
    }
    EVP_PKEY_CTX_free(ctx);
    return out;
}

static void init(void)
{
    p256 = curve("P-256");
    p384 = curve("P-384");
    sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    sha384 = EVP_MD_fetch(NULL, "SHA384", NULL);
    sha512 = EVP_MD_fetch(NULL, "SHA512", NULL);
}

static bool ready(void)
{
    return CRYPTO_THREAD_run_once(&once, init) == 1 && p256 != NULL && p384 != NULL &&
           sha256 != NULL && sha384 != NULL && sha512 != NULL;
}

/* The peer's fault, unless it was our memory. */
static estoc_err fault(estoc_err theirs)
{
    unsigned long code = 0;
    while ((code = ERR_get_error()) != 0) {
        if (ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE) {
            return ESTOC_E_CRYPTO;
        }
    }
    return theirs;
}

/* A copy of the curve with the point set: 4 us, where d2i_PUBKEY takes 113 and EVP_PKEY_fromdata,
 * which makes the group anew, 17. The point is checked to be on the curve.                        */
static estoc_err ec_key(const EVP_PKEY *group, size_t len, estoc_slice point, EVP_PKEY **out)
{
    if (point.len != len || point.ptr[0] != 4) {
        return ESTOC_E_KEY;
    }
    EVP_PKEY *key = EVP_PKEY_dup((EVP_PKEY *)(uintptr_t)group);
    if (key == NULL) {
        return ESTOC_E_CRYPTO;
    }
    if (EVP_PKEY_set1_encoded_public_key(key, point.ptr, point.len) != 1) {
        EVP_PKEY_free(key);
        return fault(ESTOC_E_KEY);
    }
    *out = key;
    return ESTOC_OK;
}

/* The encodings of points whose order divides 8, without the sign bit: signatures "by" them are
 * anybody's. RFC 8032 section 8.9 leaves the check to the application.                            */
static bool ed25519_small_order(estoc_slice key)
{
    /* clang-format off */
    static const uint8_t order_8[2][32] = {
        {0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
         0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05},
        {0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
         0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a}};
    /* clang-format on */
    uint8_t y[32];
    memcpy(y, key.ptr, sizeof y);
    y[31] &= 0x7f;
    if (!memcmp(y, order_8[0], sizeof y) || !memcmp(y, order_8[1], sizeof y)) {
        return true;
    }
    uint8_t low = 0, high = 0xff;
    for (size_t i = 1; i < 31; i++) {
        low |= y[i];
        high &= y[i];
    }
    return (low == 0 && y[31] == 0 && y[0] <= 1) ||
           (high == 0xff && y[31] == 0x7f && y[0] >= 0xec); /* -1, and 0 and 1 not reduced */
}

static estoc_err ed25519_key(estoc_slice bits, EVP_PKEY **out)
{
    if (bits.len != 32 || ed25519_small_order(bits)) {
        return ESTOC_E_KEY;
    }
    *out = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, bits.ptr, bits.len);
    return *out != NULL ? ESTOC_OK : ESTOC_E_CRYPTO;
}

/* Larger ones only cost time, exponents without an inverse or of 1 sign nothing. */
static bool rsa_usable(const BIGNUM *n, const BIGNUM *e)
{
    int bits = BN_num_bits(n);
    return bits >= ESTOC_RSA_MIN_BITS && bits <= ESTOC_RSA_MAX_BITS && BN_is_odd(n) &&
           BN_is_odd(e) && !BN_is_one(e) && BN_num_bits(e) <= 64;
}

static estoc_err rsa_from(const BIGNUM *n, const BIGNUM *e, EVP_PKEY **out)
{
    OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    OSSL_PARAM *params = NULL;
    if (bld != NULL && OSSL_PARAM_BLD_push_BN(bld, "n", n) == 1 &&
        OSSL_PARAM_BLD_push_BN(bld, "e", e) == 1) {
        params = OSSL_PARAM_BLD_to_param(bld);
    }
    if (ctx == NULL || params == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, out, EVP_PKEY_PUBLIC_KEY, params) != 1) {
        *out = NULL;
    }
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(bld);
    EVP_PKEY_CTX_free(ctx);
    return *out != NULL ? ESTOC_OK : ESTOC_E_CRYPTO;
}

static estoc_err rsa_key(estoc_slice bits, EVP_PKEY **out)
{
    estoc_reader r = estoc_reader_of(bits);
    estoc_reader in = estoc_der_enter(&r, ESTOC_DER_SEQUENCE);
    estoc_slice ns = estoc_der_expect(&in, ESTOC_DER_INTEGER);
    estoc_slice es = estoc_der_expect(&in, ESTOC_DER_INTEGER);
    if (estoc_reader_end(&in) || estoc_reader_end(&r) || ns.len == 0 || es.len == 0 ||
        ns.len > ESTOC_RSA_MAX_BITS / 8 + 1 || es.len > 9 || ((ns.ptr[0] | es.ptr[0]) & 0x80)) {
        return ESTOC_E_KEY;
    }
    BIGNUM *n = BN_bin2bn(ns.ptr, (int)ns.len, NULL);
    BIGNUM *e = BN_bin2bn(es.ptr, (int)es.len, NULL);
    estoc_err err = ESTOC_E_CRYPTO;
    if (n != NULL && e != NULL) {
        err = rsa_usable(n, e) ? rsa_from(n, e, out) : ESTOC_E_KEY;
    }
    BN_free(n);
    BN_free(e);
    return err;
}

static estoc_err public_key(const estoc_spki *spki, EVP_PKEY **out)
{
    *out = NULL;
    switch (spki->kind) {
    case ESTOC_KEY_P256:
        return ec_key(p256, 65, spki->key, out);
    case ESTOC_KEY_P384:
        return ec_key(p384, 97, spki->key, out);
    case ESTOC_KEY_ED25519:
        return ed25519_key(spki->key, out);
    case ESTOC_KEY_RSA:
        return rsa_key(spki->key, out);
    case ESTOC_KEY_UNKNOWN:
        break;
    }
    return ESTOC_E_UNSUPPORTED;
}

/* An INTEGER in 1..n-1, as DER writes it. */
static bool scalar_good(estoc_slice v, estoc_slice n)
{
    if (v.len == 0 || (v.ptr[0] & 0x80) != 0) {
        return false;
    }
    if (v.ptr[0] == 0) {
        if (v.len == 1 || (v.ptr[1] & 0x80) == 0) {
            return false;
        }
        v = estoc_slice_sub(v, 1, v.len - 1);
    }
    return v.len < n.len || (v.len == n.len && memcmp(v.ptr, n.ptr, n.len) < 0);
}

/* Ecdsa-Sig-Value (RFC 3279 section 2.2.3), before any arithmetic. OpenSSL checks this too; what it
 * then reports is told apart from its own failures here.                                          */
static bool ecdsa_good(estoc_key_kind kind, estoc_slice sig)
{
    /* clang-format off */
    static const uint8_t n256[32] = {
        0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51};
    static const uint8_t n384[P384_BYTES] = {
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xc7, 0x63, 0x4d, 0x81, 0xf4, 0x37, 0x2d, 0xdf,
        0x58, 0x1a, 0x0d, 0xb2, 0x48, 0xb0, 0xa7, 0x7a, 0xec, 0xec, 0x19, 0x6a, 0xcc, 0xc5, 0x29, 0x73};
    /* clang-format on */
    estoc_slice n = kind == ESTOC_KEY_P256 ? estoc_slice_of(n256, sizeof n256)
                                           : estoc_slice_of(n384, sizeof n384);
    estoc_reader outer = estoc_reader_of(sig);
    estoc_reader in = estoc_der_enter(&outer, ESTOC_DER_SEQUENCE);
    estoc_slice r = estoc_der_expect(&in, ESTOC_DER_INTEGER);
    estoc_slice s = estoc_der_expect(&in, ESTOC_DER_INTEGER);
    return !estoc_reader_end(&in) && !estoc_reader_end(&outer) && scalar_good(r, n) &&
           scalar_good(s, n);
}

static const EVP_MD *digest_of(estoc_sig_kind kind)
{
    switch (kind) {
    case ESTOC_SIG_ECDSA_SHA256:
    case ESTOC_SIG_RSA_SHA256:
        return sha256;
    case ESTOC_SIG_ECDSA_SHA384:
    case ESTOC_SIG_RSA_SHA384:
        return sha384;
    case ESTOC_SIG_RSA_SHA512:
        return sha512;
    case ESTOC_SIG_ED25519: /* hashes by itself */
    case ESTOC_SIG_UNKNOWN:
        break;
    }
    return NULL;
}

static estoc_err check(EVP_PKEY *key, const EVP_MD *digest, estoc_slice msg, estoc_slice sig)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    estoc_err err = ESTOC_E_CRYPTO;
    if (ctx != NULL && EVP_DigestVerifyInit(ctx, NULL, digest, NULL, key) == 1) {
        int good = EVP_DigestVerify(ctx, sig.ptr, sig.len, msg.ptr, msg.len);
        err = good == 1 ? ESTOC_OK : fault(ESTOC_E_SIGNATURE);
    }
    EVP_MD_CTX_free(ctx);
    return err;
}

estoc_err estoc_verify(const estoc_spki *spki, estoc_sig_kind sig_kind, estoc_slice msg,
                       estoc_slice sig)
{
    if (!ready()) {
        return ESTOC_E_CRYPTO;
    }
    if (!estoc_sig_fits_key(sig_kind, spki->kind)) {
        return ESTOC_E_UNSUPPORTED;
    }
    ERR_clear_error();
    EVP_PKEY *key = NULL;
    estoc_err err = public_key(spki, &key);
    bool ecdsa = spki->kind == ESTOC_KEY_P256 || spki->kind == ESTOC_KEY_P384;
    if (!err && (sig.len == 0 || (ecdsa && !ecdsa_good(spki->kind, sig)))) {
        err = ESTOC_E_SIGNATURE;
    }
    err = err ? err : check(key, digest_of(sig_kind), msg, sig);
    EVP_PKEY_free(key);
    ERR_clear_error();
    return err;
}

estoc_err estoc_sha256(estoc_slice msg, uint8_t out[32])
{
    bool good = ready() && EVP_Digest(msg.ptr, msg.len, out, NULL, sha256, NULL) == 1;
    if (!good) {
        memset(out, 0, 32);
        ERR_clear_error();
    }
    return good ? ESTOC_OK : ESTOC_E_CRYPTO;
}

size_t estoc_base64(estoc_slice s, char *out)
{
    int len = EVP_EncodeBlock((unsigned char *)out, s.ptr, (int)s.len);
    return len > 0 ? (size_t)len : 0;
}

estoc_err estoc_base64_decode(const char *text, estoc_buf out, size_t *len)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t digits = strspn(text, alphabet);
    size_t pad = strspn(text + digits, "=");
    size_t all = digits + pad;
    *len = 0;
    /* OpenSSL takes blanks around it, and padding anywhere */
    if (text[all] != '\0' || all % 4 != 0 || pad > 2 || all > INT_MAX) {
        return ESTOC_E_MALFORMED;
    }
    if (out.cap < all / 4 * 3) {
        return ESTOC_E_SPACE;
    }
    int n = EVP_DecodeBlock(out.ptr, (const unsigned char *)text, (int)all);
    if (n < 0 || (size_t)n < pad) {
        return ESTOC_E_MALFORMED;
    }
    *len = (size_t)n - pad;
    return ESTOC_OK;
}

static bool fill(void *ctx, uint8_t *out, size_t len)
{
    (void)ctx;
    while (len > 0) {
        int part = len > 4096 ? 4096 : (int)len;
        if (RAND_bytes(out, part) != 1) {
            ERR_clear_error();
            return false;
        }
        out += part;
        len -= (size_t)part;
    }
    return true;
}

estoc_random estoc_random_system(void)
{
    return (estoc_random){NULL, fill};
}
