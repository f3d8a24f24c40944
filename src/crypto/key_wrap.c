/* SPDX-License-Identifier: MIT
 *
 * What OpenSSL is given of a key in a token: the public half, and private operations that go to wherever
 * the key is at that time. So nobody but key_token.c holds what the engine has found, and it can be given
 * up when the token was away, with a handshake under way or not.
 */
#define OPENSSL_SUPPRESS_DEPRECATED /* methods of keys: what an engine's key has in OpenSSL 3.0 */

#include <pthread.h>

#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/rsa.h>

#include "key_parts.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static EC_KEY_METHOD *ec_method;
static RSA_METHOD *rsa_method;
static int ec_index = -1;
static int rsa_index = -1;

/* ----------------------------------------------------------------------------------------- ECDSA, ECDH */

struct ecdsa {
    const unsigned char *digest;
    int len;
    ECDSA_SIG *made;
};

static bool ecdsa(void *ctx, EVP_PKEY *real)
{
    struct ecdsa *e = ctx;
    EC_KEY *ec = (EC_KEY *)(uintptr_t)EVP_PKEY_get0_EC_KEY(real);
    e->made = ec != NULL ? ECDSA_do_sign(e->digest, e->len, ec) : NULL;
    return e->made != NULL;
}

static ECDSA_SIG *ec_sign(const unsigned char *digest, int len, const BIGNUM *kinv, const BIGNUM *r,
                          EC_KEY *ec)
{
    struct ecdsa e = {digest, len, NULL};
    (void)kinv;
    (void)r;
    return estoc_key_token_use(EC_KEY_get_ex_data(ec, ec_index), ecdsa, &e) ? e.made : NULL;
}

struct ecdh {
    unsigned char **secret;
    size_t *len;
    const EC_POINT *point;
};

static bool ecdh(void *ctx, EVP_PKEY *real)
{
    const struct ecdh *e = ctx;
    const EC_KEY *ec = EVP_PKEY_get0_EC_KEY(real);
    int (*compute)(unsigned char **, size_t *, const EC_POINT *, const EC_KEY *) = NULL;
    if (ec != NULL) {
        EC_KEY_METHOD_get_compute_key(EC_KEY_get_method(ec), &compute);
    }
    return compute != NULL && compute(e->secret, e->len, e->point, ec) == 1;
}

/* its type is OpenSSL's. NOLINTNEXTLINE(readability-non-const-parameter) */
static int ec_agree(unsigned char **secret, size_t *len, const EC_POINT *point, const EC_KEY *ec)
{
    struct ecdh e = {secret, len, point};
    return estoc_key_token_use(EC_KEY_get_ex_data(ec, ec_index), ecdh, &e);
}

static EVP_PKEY *wrap_ec(const EC_KEY *real, struct estoc_key_token *t)
{
    EC_KEY *ec = EC_KEY_new();
    EVP_PKEY *wrapped = EVP_PKEY_new();
    bool good = ec != NULL && wrapped != NULL &&
                EC_KEY_set_group(ec, EC_KEY_get0_group(real)) == 1 &&
                EC_KEY_set_public_key(ec, EC_KEY_get0_public_key(real)) == 1 &&
                EC_KEY_set_method(ec, ec_method) == 1 &&
                EC_KEY_set_ex_data(ec, ec_index, estoc_key_token_hold(t)) == 1 &&
                EVP_PKEY_set1_EC_KEY(wrapped, ec) == 1;
    EC_KEY_free(ec);
    if (!good) {
        EVP_PKEY_free(wrapped);
    }
    return good ? wrapped : NULL;
}

/* ------------------------------------------------------------------------------------------------ RSA */

struct rsa {
    int (*operation)(int len, const unsigned char *from, unsigned char *to, RSA *rsa, int padding);
    int len;
    const unsigned char *from;
    unsigned char *to;
    int padding, made;
};

static bool rsa(void *ctx, EVP_PKEY *real)
{
    struct rsa *r = ctx;
    RSA *key = (RSA *)(uintptr_t)EVP_PKEY_get0_RSA(real);
    r->made = key != NULL ? r->operation(r->len, r->from, r->to, key, r->padding) : -1;
    return r->made > 0;
}

/* NOLINTNEXTLINE(readability-non-const-parameter) */
static int rsa_sign(int len, const unsigned char *from, unsigned char *to, RSA *key, int padding)
{
    struct rsa r = {RSA_private_encrypt, len, from, to, padding, -1};
    return estoc_key_token_use(RSA_get_ex_data(key, rsa_index), rsa, &r) ? r.made : -1;
}

/* NOLINTNEXTLINE(readability-non-const-parameter) */
static int rsa_decrypt(int len, const unsigned char *from, unsigned char *to, RSA *key, int padding)
{
    struct rsa r = {RSA_private_decrypt, len, from, to, padding, -1};
    return estoc_key_token_use(RSA_get_ex_data(key, rsa_index), rsa, &r) ? r.made : -1;
}

static EVP_PKEY *wrap_rsa(const RSA *real, struct estoc_key_token *t)
{
    RSA *key = RSA_new();
    EVP_PKEY *wrapped = EVP_PKEY_new();
    BIGNUM *n = BN_dup(RSA_get0_n(real));
    BIGNUM *e = BN_dup(RSA_get0_e(real));
    bool good = key != NULL && wrapped != NULL && n != NULL && e != NULL &&
                RSA_set0_key(key, n, e, NULL) == 1;
    if (!good) {
        BN_free(n);
        BN_free(e);
    }
    good = good && RSA_set_method(key, rsa_method) == 1 &&
           RSA_set_ex_data(key, rsa_index, estoc_key_token_hold(t)) == 1;
    if (good) {
        RSA_set_flags(key, RSA_FLAG_EXT_PKEY); /* the private half is not here */
        good = EVP_PKEY_set1_RSA(wrapped, key) == 1;
    }
    RSA_free(key);
    if (!good) {
        EVP_PKEY_free(wrapped);
    }
    return good ? wrapped : NULL;
}

/* ---------------------------------------------------------------------------------------------- set up */

static int share(CRYPTO_EX_DATA *to, const CRYPTO_EX_DATA *from, void **data, int index, long argl,
                 void *argp)
{
    (void)to;
    (void)from;
    (void)index;
    (void)argl;
    (void)argp;
    if (*data != NULL) {
        *data = estoc_key_token_hold(*data);
    }
    return 1;
}

static void let_go(void *parent, void *data, CRYPTO_EX_DATA *all, int index, long argl, void *argp)
{
    (void)parent;
    (void)all;
    (void)index;
    (void)argl;
    (void)argp;
    if (data != NULL) {
        estoc_key_token_release(data);
    }
}

static void make_methods(void)
{
    int (*sign)(int, const unsigned char *, int, unsigned char *, unsigned int *, const BIGNUM *,
                const BIGNUM *, EC_KEY *) = NULL;
    int (*setup)(EC_KEY *, BN_CTX *, BIGNUM **, BIGNUM **) = NULL;
    ec_method = EC_KEY_METHOD_new(EC_KEY_OpenSSL());
    rsa_method = RSA_meth_dup(RSA_PKCS1_OpenSSL());
    ec_index = EC_KEY_get_ex_new_index(0, NULL, NULL, share, let_go);
    rsa_index = RSA_get_ex_new_index(0, NULL, NULL, share, let_go);
    if (ec_method != NULL) {
        EC_KEY_METHOD_get_sign(ec_method, &sign, &setup, NULL);
        EC_KEY_METHOD_set_sign(ec_method, sign, setup, ec_sign);
        EC_KEY_METHOD_set_compute_key(ec_method, ec_agree);
    }
    if (rsa_method != NULL) {
        RSA_meth_set_priv_enc(rsa_method, rsa_sign);
        RSA_meth_set_priv_dec(rsa_method, rsa_decrypt);
    }
}

EVP_PKEY *estoc_key_wrap(EVP_PKEY *real, struct estoc_key_token *t)
{
    pthread_once(&once, make_methods);
    if (EVP_PKEY_get_base_id(real) == EVP_PKEY_EC && ec_method != NULL && ec_index >= 0) {
        return wrap_ec(EVP_PKEY_get0_EC_KEY(real), t);
    }
    if (EVP_PKEY_get_base_id(real) == EVP_PKEY_RSA && rsa_method != NULL && rsa_index >= 0) {
        return wrap_rsa(EVP_PKEY_get0_RSA(real), t);
    }
    return NULL;
}
