/* SPDX-License-Identifier: MIT
 *
 * Private keys as PKCS#8, written and looked into by hand: OpenSSL's own way there and back leaves copies
 * in memory that it has given back without wiping.          RFC 5958, RFC 5915, RFC 8017, RFC 8410
 */
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include "crypto.h"

#define NUMBER_MAX (ESTOC_RSA_MAX_BITS / 8)

/* One of the key's numbers, big-endian; `len` 0: as long as it is. */
static void put_number(estoc_writer *w, const estoc_key *key, const char *name, uint8_t tag,
                       size_t len)
{
    uint8_t bytes[NUMBER_MAX];
    BIGNUM *n = NULL;
    size_t need = len;
    bool got = EVP_PKEY_get_bn_param(estoc_key_native(key), name, &n) == 1;
    if (got && len == 0) {
        need = (size_t)BN_num_bytes(n);
    }
    got = got && need <= sizeof bytes && BN_bn2binpad(n, bytes, (int)need) == (int)need;
    BN_clear_free(n);
    if (!got) {
        estoc_writer_fail(w, ESTOC_E_CRYPTO);
    } else if (tag == ESTOC_DER_INTEGER) {
        estoc_der_put_unsigned(w, estoc_slice_of(bytes, need));
    } else {
        estoc_der_put(w, tag, estoc_slice_of(bytes, need));
    }
    estoc_wipe(bytes, sizeof bytes);
}

/* ECPrivateKey without the curve, which the algorithm names. */
static void put_ec(estoc_writer *w, const estoc_key *key, estoc_slice point)
{
    size_t mark = estoc_der_open(w, ESTOC_DER_SEQUENCE);
    estoc_der_put_u32(w, 1);
    put_number(w, key, OSSL_PKEY_PARAM_PRIV_KEY, ESTOC_DER_OCTET_STRING, point.len / 2);
    size_t public = estoc_der_open(w, ESTOC_DER_CONTEXT_CONSTRUCTED(1));
    estoc_der_put_bits(w, point);
    estoc_der_close(w, public);
    estoc_der_close(w, mark);
}

static void put_rsa(estoc_writer *w, const estoc_key *key)
{
    static const char *const numbers[] = {
        OSSL_PKEY_PARAM_RSA_N,         OSSL_PKEY_PARAM_RSA_E,
        OSSL_PKEY_PARAM_RSA_D,         OSSL_PKEY_PARAM_RSA_FACTOR1,
        OSSL_PKEY_PARAM_RSA_FACTOR2,   OSSL_PKEY_PARAM_RSA_EXPONENT1,
        OSSL_PKEY_PARAM_RSA_EXPONENT2, OSSL_PKEY_PARAM_RSA_COEFFICIENT1};
    size_t mark = estoc_der_open(w, ESTOC_DER_SEQUENCE);
    estoc_der_put_u32(w, 0);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        put_number(w, key, numbers[i], ESTOC_DER_INTEGER, 0);
    }
    estoc_der_close(w, mark);
}

static void put_ed25519(estoc_writer *w, const estoc_key *key)
{
    uint8_t seed[32];
    size_t len = 0;
    /* EVP_PKEY_get_raw_private_key would export the key into memory that it does not wipe */
    if (EVP_PKEY_get_octet_string_param(estoc_key_native(key), OSSL_PKEY_PARAM_PRIV_KEY, seed,
                                        sizeof seed, &len) != 1) {
        estoc_writer_fail(w, ESTOC_E_CRYPTO);
    }
    estoc_der_put(w, ESTOC_DER_OCTET_STRING, estoc_slice_of(seed, len));
    estoc_wipe(seed, sizeof seed);
}

static void put_private(estoc_writer *w, const estoc_key *key, estoc_slice public_bits)
{
    switch (estoc_key_kind_of(key)) {
    case ESTOC_KEY_P256:
    case ESTOC_KEY_P384:
        put_ec(w, key, public_bits);
        break;
    case ESTOC_KEY_ED25519:
        put_ed25519(w, key);
        break;
    case ESTOC_KEY_RSA:
        put_rsa(w, key);
        break;
    case ESTOC_KEY_UNKNOWN:
        estoc_writer_fail(w, ESTOC_E_UNSUPPORTED);
        break;
    }
}

estoc_err estoc_key_pkcs8(const estoc_key *key, estoc_buf out, size_t *len)
{
    uint8_t spki[ESTOC_SPKI_MAX];
    size_t spki_len;
    estoc_der algorithm;
    *len = 0;
    estoc_err err = estoc_key_spki(key, (estoc_buf){spki, sizeof spki}, &spki_len);
    if (err) {
        return err;
    }
    estoc_reader r = estoc_reader_of(estoc_slice_of(spki, spki_len));
    estoc_reader in = estoc_der_enter(&r, ESTOC_DER_SEQUENCE);
    estoc_der_next(&in, &algorithm);
    estoc_slice bits = estoc_der_bits(&in);
    estoc_writer w = estoc_writer_of(out);
    size_t mark = estoc_der_open(&w, ESTOC_DER_SEQUENCE);
    estoc_der_put_u32(&w, 0); /* v1 */
    estoc_der_put_raw(&w, algorithm.whole);
    size_t octets = estoc_der_open(&w, ESTOC_DER_OCTET_STRING);
    put_private(&w, key, bits);
    estoc_der_close(&w, octets);
    estoc_der_close(&w, mark);
    if (w.err) {
        estoc_wipe(out.ptr, out.cap);
    }
    ERR_clear_error();
    return estoc_writer_end(&w, len);
}

/* ---- the public half ---- */

static const uint8_t ec_key[] = {0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01};
static const uint8_t rsa_key[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01};

static bool is_of(estoc_slice algorithm, const uint8_t *oid, size_t len)
{
    estoc_reader r = estoc_reader_of(algorithm);
    return estoc_slice_eq(estoc_der_expect(&r, ESTOC_DER_OID), estoc_slice_of(oid, len));
}

/* ECPrivateKey: the point, if it is there. RFC 5915 section 3 */
static estoc_err ec_public(estoc_slice der, estoc_slice *point)
{
    estoc_reader r;
    estoc_err err = estoc_der_begin(der, &r);
    if (err) {
        return err;
    }
    if (estoc_der_u32(&r) != 1) {
        estoc_reader_malformed(&r);
    }
    estoc_der_expect(&r, ESTOC_DER_OCTET_STRING);
    if (estoc_der_peek(&r) == ESTOC_DER_CONTEXT_CONSTRUCTED(0)) {
        estoc_der_expect(&r, ESTOC_DER_CONTEXT_CONSTRUCTED(0));
    }
    if (estoc_der_peek(&r) == ESTOC_DER_CONTEXT_CONSTRUCTED(1)) {
        estoc_reader in = estoc_der_enter(&r, ESTOC_DER_CONTEXT_CONSTRUCTED(1));
        *point = estoc_der_bits(&in);
        estoc_der_leave(&r, &in);
    }
    return estoc_der_end(&r);
}

/* RSAPrivateKey: modulus and public exponent come first. RFC 8017 appendix A.1.2 */
static estoc_err rsa_public(estoc_slice der, estoc_slice *n, estoc_slice *e)
{
    estoc_reader r;
    estoc_der el;
    estoc_err err = estoc_der_begin(der, &r);
    if (err) {
        return err;
    }
    if (estoc_der_u32(&r) != 0) {
        estoc_reader_malformed(&r);
    }
    *n = estoc_der_whole(&r, ESTOC_DER_INTEGER);
    *e = estoc_der_whole(&r, ESTOC_DER_INTEGER);
    while (estoc_der_more(&r, &el)) {
    }
    return estoc_der_end(&r);
}

/* The fields of PrivateKeyInfo, or of OneAsymmetricKey, which may have the public key. RFC 5958 section 2 */
struct info {
    estoc_der algorithm;
    estoc_slice key, bits;
};

static estoc_err read_info(estoc_slice pkcs8, struct info *info)
{
    estoc_reader r;
    estoc_err err = estoc_der_begin(pkcs8, &r);
    if (err) {
        return err;
    }
    if (estoc_der_u32(&r) > 1) {
        estoc_reader_malformed(&r);
    }
    if (!estoc_der_next(&r, &info->algorithm) || info->algorithm.tag != ESTOC_DER_SEQUENCE) {
        estoc_reader_malformed(&r);
    }
    info->key = estoc_der_expect(&r, ESTOC_DER_OCTET_STRING);
    if (estoc_der_peek(&r) == ESTOC_DER_CONTEXT_CONSTRUCTED(0)) { /* attributes */
        estoc_der_expect(&r, ESTOC_DER_CONTEXT_CONSTRUCTED(0));
    }
    if (estoc_der_peek(&r) == ESTOC_DER_CONTEXT(1)) {
        estoc_slice value = estoc_der_expect(&r, ESTOC_DER_CONTEXT(1));
        if (value.len < 2 || value.ptr[0] != 0) {
            estoc_reader_malformed(&r);
        }
        info->bits = value.len > 1 ? estoc_slice_sub(value, 1, value.len) : info->bits;
    }
    return estoc_der_end(&r);
}

static void put_rsa_bits(estoc_writer *w, estoc_slice n, estoc_slice e)
{
    uint8_t room[ESTOC_SPKI_MAX];
    size_t len;
    estoc_writer in = estoc_writer_of((estoc_buf){room, sizeof room});
    size_t mark = estoc_der_open(&in, ESTOC_DER_SEQUENCE);
    estoc_der_put_raw(&in, n);
    estoc_der_put_raw(&in, e);
    estoc_der_close(&in, mark);
    estoc_err err = estoc_writer_end(&in, &len);
    if (err) {
        estoc_writer_fail(w, err);
    }
    estoc_der_put_bits(w, estoc_slice_of(room, len));
}

estoc_err estoc_pkcs8_public(estoc_slice pkcs8, estoc_buf spki, size_t *len)
{
    struct info info = {.key = {NULL, 0}};
    estoc_slice n = {NULL, 0}, e = {NULL, 0};
    *len = 0;
    estoc_err err = read_info(pkcs8, &info);
    if (!err && info.bits.len == 0) {
        if (is_of(info.algorithm.value, ec_key, sizeof ec_key)) {
            err = ec_public(info.key, &info.bits);
        } else if (is_of(info.algorithm.value, rsa_key, sizeof rsa_key)) {
            err = rsa_public(info.key, &n, &e);
        }
    }
    if (err || (info.bits.len == 0 && n.len == 0)) {
        return err ? err : ESTOC_E_NOT_FOUND;
    }
    estoc_writer w = estoc_writer_of(spki);
    size_t mark = estoc_der_open(&w, ESTOC_DER_SEQUENCE);
    estoc_der_put_raw(&w, info.algorithm.whole);
    if (n.len > 0) {
        put_rsa_bits(&w, n, e);
    } else {
        estoc_der_put_bits(&w, info.bits);
    }
    estoc_der_close(&w, mark);
    return estoc_writer_end(&w, len);
}
