/* SPDX-License-Identifier: MIT
 *
 * Whether a certificate can be trusted, and for which host. OpenSSL.      RFC 5280 section 6, RFC 6125
 *
 * Anchors are what the caller says, roots or not: a CA below a root may be trusted without it. Not
 * checked here: revocation.
 */
#include <limits.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "crypto.h"
#include "text.h"

#define DEPTH_MAX      8  /* certificates between the leaf and its anchor */
#define CHAIN_MAX      32 /* certificates of the peer that are looked at */
#define LEVEL_112_BITS 2  /* of SSL_CTX_set_security_level(3) */

static X509 *decode(estoc_slice der)
{
    const unsigned char *p = der.ptr;
    X509 *x = der.len <= LONG_MAX ? d2i_X509(NULL, &p, (long)der.len) : NULL;
    if (x != NULL && p != der.ptr + der.len) {
        X509_free(x);
        x = NULL;
    }
    return x;
}

/* A peer's certificate. Its key is looked at before OpenSSL does: curves by name only, no explicit
 * parameters to compute with (CVE-2022-0778).                                RFC 5480 section 2.1.1 */
static X509 *decode_untrusted(estoc_slice der, const char **fault)
{
    estoc_cert cert;
    X509 *x = NULL;
    if (estoc_cert_parse(&cert, der)) {
        *fault = "cannot be read";
    } else if (cert.spki.kind == ESTOC_KEY_UNKNOWN) {
        *fault = "has a key of a kind not supported";
    } else {
        x = decode(der);
        *fault = x != NULL ? NULL : "cannot be read";
    }
    return x;
}

static estoc_err add_anchors(X509_STORE *store, const estoc_blobs *anchors)
{
    for (size_t i = 0; i < anchors->n; i++) {
        X509 *x = decode(estoc_blob_slice(anchors->at[i]));
        if (x == NULL) {
            continue; /* trusts less, never more */
        }
        int added = X509_STORE_add_cert(store, x); /* takes a reference of its own */
        X509_free(x);
        if (added != 1) {
            return ESTOC_E_MEMORY;
        }
    }
    return ESTOC_OK;
}

static estoc_err add_chain(STACK_OF(X509) * stack, const estoc_blobs *chain)
{
    for (size_t i = 0; chain != NULL && i < chain->n && i < CHAIN_MAX; i++) {
        const char *fault = NULL;
        X509 *x = decode_untrusted(estoc_blob_slice(chain->at[i]), &fault);
        if (x != NULL && sk_X509_push(stack, x) == 0) {
            X509_free(x);
            return ESTOC_E_MEMORY;
        }
    }
    return ESTOC_OK;
}

static bool set_rules(X509_STORE_CTX *ctx, estoc_purpose purpose, int64_t at)
{
    X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);
    X509_VERIFY_PARAM_set_time(param, (time_t)at);
    X509_VERIFY_PARAM_set_depth(param, DEPTH_MAX);
    X509_VERIFY_PARAM_set_auth_level(param, LEVEL_112_BITS);
    if (X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN) != 1) {
        return false;
    }
    switch (purpose) {
    case ESTOC_PURPOSE_SERVER:
        return X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_SSL_SERVER) == 1;
    case ESTOC_PURPOSE_CLIENT:
        return X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_SSL_CLIENT) == 1;
    case ESTOC_PURPOSE_ANY:
        return true;
    }
    return false;
}

/* "CN=dev-1: certificate has expired" */
static void tell(estoc_why *why, X509 *x, const char *text)
{
    uint8_t name[160];
    uint8_t *der = NULL;
    int len = x != NULL ? i2d_X509_NAME(X509_get_subject_name(x), &der) : 0;
    if (len > 0) {
        estoc_slice subject = estoc_slice_of(der, (size_t)len);
        estoc_why_set(why, "%s: %s",
                      estoc_name_is_empty(subject)
                          ? "certificate without a subject"
                          : estoc_name_text(subject, (estoc_buf){name, sizeof name}),
                      text);
    } else {
        estoc_why_set(why, "%s", text);
    }
    OPENSSL_free(der);
}

static bool key_good(X509 *x)
{
    uint8_t *der = NULL;
    estoc_spki spki;
    int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &der);
    bool good = len > 0 && estoc_spki_parse(&spki, estoc_slice_of(der, (size_t)len)) == ESTOC_OK;
    OPENSSL_free(der);
    return good;
}

/* What OpenSSL does not ask by itself. */
static estoc_err judge_more(X509_STORE_CTX *ctx, X509 *leaf, estoc_purpose purpose, estoc_why *why)
{
    STACK_OF(X509) *built = X509_STORE_CTX_get0_chain(ctx);
    for (int i = 0; i < sk_X509_num(built); i++) { /* the anchor was not looked at before */
        if (!key_good(sk_X509_value(built, i))) {
            tell(why, sk_X509_value(built, i), "key of a kind not supported");
            return ESTOC_E_UNTRUSTED;
        }
    }
    /* OpenSSL lets key agreement alone pass; with ECDHE_ECDSA both ends sign. RFC 8422 section 5.3 */
    if (purpose != ESTOC_PURPOSE_ANY && (X509_get_key_usage(leaf) & KU_DIGITAL_SIGNATURE) == 0) {
        tell(why, leaf, "key usage does not allow digital signatures");
        return ESTOC_E_UNTRUSTED;
    }
    return ESTOC_OK;
}

static estoc_err judge(X509_STORE_CTX *ctx, X509 *leaf, estoc_purpose purpose, estoc_why *why)
{
    if (X509_verify_cert(ctx) != 1) {
        int error = X509_STORE_CTX_get_error(ctx);
        X509 *at = X509_STORE_CTX_get_current_cert(ctx);
        tell(why, at != NULL ? at : leaf, X509_verify_cert_error_string(error));
        return ESTOC_E_UNTRUSTED;
    }
    return judge_more(ctx, leaf, purpose, why);
}

static estoc_err verify(X509 *leaf, const estoc_blobs *chain, const estoc_blobs *anchors,
                        estoc_purpose purpose, int64_t at, estoc_why *why)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    STACK_OF(X509) *stack = sk_X509_new_null();
    estoc_err err = ESTOC_E_MEMORY;
    if (store != NULL && ctx != NULL && stack != NULL) {
        err = add_anchors(store, anchors);
        err = err ? err : add_chain(stack, chain);
    }
    if (!err &&
        (X509_STORE_CTX_init(ctx, store, leaf, stack) != 1 || !set_rules(ctx, purpose, at))) {
        err = ESTOC_E_CRYPTO;
    }
    err = err ? err : judge(ctx, leaf, purpose, why);
    X509_STORE_CTX_free(ctx);
    sk_X509_pop_free(stack, X509_free);
    X509_STORE_free(store);
    return err;
}

estoc_err estoc_chain_verify(estoc_slice leaf, const estoc_blobs *chain, const estoc_blobs *anchors,
                             estoc_purpose purpose, int64_t at, estoc_why *why)
{
    if (at <= 0) {
        estoc_why_set(why, "the time is not known, so no certificate can be checked");
        return ESTOC_E_UNTRUSTED;
    }
    const char *fault = NULL;
    X509 *x = decode_untrusted(leaf, &fault);
    if (x == NULL) {
        estoc_why_set(why, "the certificate %s", fault);
        ERR_clear_error();
        return ESTOC_E_UNTRUSTED;
    }
    estoc_err err = verify(x, chain, anchors, purpose, at, why);
    if (err && err != ESTOC_E_UNTRUSTED) { /* what cannot be checked is not trusted */
        estoc_why_set(why, "the certificate cannot be checked: %s", estoc_err_text(err));
        err = ESTOC_E_UNTRUSTED;
    }
    X509_free(x);
    ERR_clear_error();
    return err;
}

/* Names and addresses of the subjectAltName; the subject is not looked at. A wildcard stands for the
 * whole left-most label, or is none.                                      RFC 6125 sections 6.4.3, 6.4.4 */
static bool names_host(X509 *x, const char *host)
{
    char name[256];
    size_t len = strlen(host);
    ASN1_OCTET_STRING *ip = a2i_IPADDRESS(host);
    if (ip != NULL) {
        bool same =
            X509_check_ip(x, ASN1_STRING_get0_data(ip), (size_t)ASN1_STRING_length(ip), 0) == 1;
        ASN1_OCTET_STRING_free(ip);
        return same;
    }
    if (len > 0 && host[len - 1] == '.') { /* the DNS root */
        len--;
    }
    /* a dot in front would stand for every name below */
    if (len == 0 || len >= sizeof name || host[0] == '.') {
        return false;
    }
    memcpy(name, host, len);
    name[len] = '\0';
    return X509_check_host(x, name, len,
                           X509_CHECK_FLAG_NEVER_CHECK_SUBJECT |
                               X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS,
                           NULL) == 1;
}

bool estoc_cert_names_host(estoc_slice leaf, const char *host)
{
    const char *fault = NULL;
    X509 *x = decode_untrusted(leaf, &fault);
    bool named = x != NULL && names_host(x, host);
    X509_free(x);
    ERR_clear_error();
    return named;
}
