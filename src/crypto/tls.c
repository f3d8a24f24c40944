/* SPDX-License-Identifier: MIT */
#include <limits.h>
#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "text.h"
#include "tls.h"

#define DEPTH_MAX      8 /* certificates between the leaf and its anchor */
#define LEVEL_112_BITS 2

struct estoc_tls_client {
    X509 *leaf;              /* NULL: none is shown */
    STACK_OF(X509) * others; /* of the chain */
    const estoc_key *key;
    X509_STORE *anchors;
};

static X509 *decode(estoc_slice der)
{
    const unsigned char *p = der.ptr;
    X509 *x = der.len > 0 && der.len <= LONG_MAX ? d2i_X509(NULL, &p, (long)der.len) : NULL;
    if (x != NULL && p != der.ptr + der.len) {
        X509_free(x);
        x = NULL;
    }
    return x;
}

static estoc_err add_anchors(estoc_tls_client *t, const estoc_blobs *anchors, estoc_why *why)
{
    if (anchors->n == 0) {
        estoc_why_set(why, "there are no trust anchors");
        return ESTOC_E_USAGE;
    }
    for (size_t i = 0; i < anchors->n; i++) {
        X509 *x = decode(estoc_blob_slice(anchors->at[i]));
        if (x == NULL) {
            estoc_why_set(why, "trust anchor %zu is not a certificate", i + 1);
            return ESTOC_E_MALFORMED;
        }
        int added = X509_STORE_add_cert(t->anchors, x);
        X509_free(x);
        if (added != 1) {
            return ESTOC_E_CRYPTO;
        }
    }
    return ESTOC_OK;
}

/* The root stays at home: whoever trusts it has it. RFC 8446 section 4.4.2 */
static estoc_err add_chain(estoc_tls_client *t, const estoc_blobs *chain, estoc_why *why)
{
    for (size_t i = 0; i < chain->n; i++) {
        X509 *x = decode(estoc_blob_slice(chain->at[i]));
        if (x == NULL) {
            estoc_why_set(why, "certificate %zu of the chain cannot be read", i + 1);
            return ESTOC_E_MALFORMED;
        }
        if (i == 0) {
            t->leaf = x;
        } else if (X509_NAME_cmp(X509_get_subject_name(x), X509_get_issuer_name(x)) == 0) {
            X509_free(x);
        } else if (sk_X509_push(t->others, x) <= 0) {
            X509_free(x);
            return ESTOC_E_MEMORY;
        }
    }
    return ESTOC_OK;
}

/* By the public half: a token that is away now may be back when it is needed. */
static estoc_err check_key(const estoc_tls_client *t, estoc_why *why)
{
    uint8_t have[ESTOC_SPKI_MAX];
    size_t len = 0;
    uint8_t *der = NULL;
    int want = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(t->leaf), &der);
    bool same = t->key != NULL && want > 0 &&
                !estoc_key_spki(t->key, (estoc_buf){have, sizeof have}, &len) &&
                estoc_slice_eq(estoc_slice_of(have, len), estoc_slice_of(der, (size_t)want));
    OPENSSL_free(der);
    if (!same) {
        estoc_why_set(why, "the key does not belong to the certificate");
        return ESTOC_E_KEY;
    }
    return ESTOC_OK;
}

static estoc_err fill(estoc_tls_client *t, const estoc_blobs *chain, const estoc_blobs *anchors,
                      estoc_why *why)
{
    t->anchors = X509_STORE_new();
    t->others = sk_X509_new_null();
    if (t->anchors == NULL || t->others == NULL) {
        return ESTOC_E_MEMORY;
    }
    estoc_err err = add_anchors(t, anchors, why);
    err = err ? err : add_chain(t, chain, why);
    return err || t->leaf == NULL ? err : check_key(t, why);
}

estoc_err estoc_tls_client_new(const estoc_blobs *chain, const estoc_key *key,
                               const estoc_blobs *anchors, estoc_tls_client **out, estoc_why *why)
{
    why->text[0] = '\0';
    *out = NULL;
    estoc_tls_client *t = calloc(1, sizeof *t);
    estoc_err err = t != NULL ? ESTOC_OK : ESTOC_E_MEMORY;
    if (!err) {
        t->key = key;
        err = fill(t, chain, anchors, why);
    }
    if (err) {
        estoc_tls_client_free(t);
        if (why->text[0] == '\0') {
            estoc_why_set(why, "TLS cannot be set up: %s", estoc_err_text(err));
        }
    } else {
        *out = t;
    }
    ERR_clear_error();
    return err;
}

static estoc_err show(const estoc_tls_client *t, SSL_CTX *ctx)
{
    EVP_PKEY *native = estoc_key_native(t->key);
    if (native == NULL) {
        return ESTOC_E_KEY;
    }
    bool good = SSL_CTX_use_certificate(ctx, t->leaf) == 1;
    for (int i = 0; good && i < sk_X509_num(t->others); i++) {
        good = SSL_CTX_add1_chain_cert(ctx, sk_X509_value(t->others, i)) == 1;
    }
    return good && SSL_CTX_use_PrivateKey(ctx, native) == 1 ? ESTOC_OK : ESTOC_E_CRYPTO;
}

static bool trust(const estoc_tls_client *t, SSL_CTX *ctx)
{
    X509_VERIFY_PARAM *p = SSL_CTX_get0_param(ctx);
    SSL_CTX_set1_cert_store(ctx, t->anchors);
    X509_VERIFY_PARAM_set_depth(p, DEPTH_MAX);
    X509_VERIFY_PARAM_set_auth_level(p, LEVEL_112_BITS);
    return X509_VERIFY_PARAM_set_flags(p, X509_V_FLAG_PARTIAL_CHAIN) == 1 &&
           X509_VERIFY_PARAM_set_purpose(p, X509_PURPOSE_SSL_SERVER) == 1;
}

estoc_err estoc_tls_client_apply(const estoc_tls_client *t, void *ssl_ctx)
{
    SSL_CTX *ctx = ssl_ctx;
    SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_CLEANSE_PLAINTEXT);
    SSL_CTX_set_mode(ctx, SSL_MODE_NO_AUTO_CHAIN);
    bool good = SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1 &&
                SSL_CTX_set_max_proto_version(ctx, 0) == 1 && trust(t, ctx);
    estoc_err err = !good ? ESTOC_E_CRYPTO : t->leaf != NULL ? show(t, ctx) : ESTOC_OK;
    ERR_clear_error();
    return err;
}

void estoc_tls_client_free(estoc_tls_client *t)
{
    if (t != NULL) {
        X509_free(t->leaf);
        sk_X509_pop_free(t->others, X509_free);
        X509_STORE_free(t->anchors);
        free(t);
    }
}
