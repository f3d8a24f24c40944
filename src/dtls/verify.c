/* SPDX-License-Identifier: MIT
 *
 * Whether the certificate a peer shows may pass, by the rules of estoc_chain_verify (crypto.h), with
 * the anchors parsed once for all associations. D1, D3, D4, K1; RFC 5280 section 6, RFC 8422 section 5.
 */
#include <limits.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "association.h"
#include "text.h"

#define DEPTH_MAX      8 /* certificates between the leaf and its anchor */
#define LEVEL_112_BITS 2

static int refuse(X509_STORE_CTX *store, estoc_dtls *d, X509 *x, int error, const char *text)
{
    uint8_t name[160];
    uint8_t *der = NULL;
    int len = x != NULL ? i2d_X509_NAME(X509_get_subject_name(x), &der) : 0;
    estoc_slice subject = estoc_slice_of(der, len > 0 ? (size_t)len : 0);
    if (len <= 0 || estoc_name_is_empty(subject)) {
        estoc_why_set(&d->why, "%s", text);
    } else {
        estoc_why_set(&d->why, "%s (%s)", text,
                      estoc_name_text(subject, (estoc_buf){name, sizeof name}));
    }
    OPENSSL_free(der);
    X509_STORE_CTX_set_error(store, error);
    return 0;
}

/* Only keys of D1, curves by name: explicit parameters are refused. RFC 5480 section 2.1.1 */
static bool parse(X509 *x, estoc_cert *cert, uint8_t **der)
{
    *der = NULL;
    int len = i2d_X509(x, der);
    return len > 0 && estoc_cert_parse(cert, estoc_slice_of(*der, (size_t)len)) == ESTOC_OK &&
           cert->spki.kind != ESTOC_KEY_UNKNOWN;
}

static int bad_key(X509_STORE_CTX *store, estoc_dtls *d, X509 *x)
{
    return refuse(store, d, x, X509_V_ERR_EC_KEY_EXPLICIT_PARAMS,
                  "certificate malformed, or its key is of a kind not supported");
}

/* What the peer added between its certificate and the anchor. */
static bool good_chain_keys(X509_STORE_CTX *store, estoc_dtls *d)
{
    STACK_OF(X509) *chain = X509_STORE_CTX_get0_chain(store);
    for (int i = 1; i < sk_X509_num(chain) - 1; i++) {
        estoc_cert cert;
        uint8_t *der;
        bool good = parse(sk_X509_value(chain, i), &cert, &der);
        OPENSSL_free(der);
        if (!good) {
            bad_key(store, d, sk_X509_value(chain, i));
            return false;
        }
    }
    return true;
}

static bool set_rules(X509_STORE_CTX *store, const estoc_dtls_context *c, int64_t at)
{
    X509_VERIFY_PARAM *p = X509_STORE_CTX_get0_param(store);
    X509_VERIFY_PARAM_set_time(p, (time_t)at);
    X509_VERIFY_PARAM_set_depth(p, DEPTH_MAX);
    X509_VERIFY_PARAM_set_auth_level(p, LEVEL_112_BITS);
    return X509_VERIFY_PARAM_set_flags(p, X509_V_FLAG_PARTIAL_CHAIN) == 1 &&
           X509_VERIFY_PARAM_set_purpose(p, c->server ? X509_PURPOSE_SSL_CLIENT
                                                      : X509_PURPOSE_SSL_SERVER) == 1;
}

bool estoc_dtls_is_host(const estoc_dtls_context *c, const estoc_cert *cert)
{
    return c->host == NULL || (c->accept_ra && cert->cmc_ra) ||
           estoc_cert_names_host(cert->der, c->host);
}

/* When the first of the certificates that led to the anchor ends. */
static int64_t chain_ends(X509_STORE_CTX *store)
{
    STACK_OF(X509) *chain = X509_STORE_CTX_get0_chain(store);
    int64_t ends = INT64_MAX;
    for (int i = 0; i < sk_X509_num(chain); i++) {
        struct tm tm;
        if (ASN1_TIME_to_tm(X509_get0_notAfter(sk_X509_value(chain, i)), &tm) != 1) {
            return 0;
        }
        int64_t end = (int64_t)timegm(&tm);
        ends = end < ends ? end : ends;
    }
    return ends;
}

/* D6: a client's certificate that has expired, where there are anchors that allow it, or a leeway.
 * Whether it leads to one of them is known at the end. */
static int on_fault(int good, X509_STORE_CTX *store)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    estoc_dtls *d = SSL_get_app_data(ssl);
    if (!good && (d->context->expired.n > 0 || d->context->leeway != NULL) &&
        X509_STORE_CTX_get_error(store) == X509_V_ERR_CERT_HAS_EXPIRED &&
        X509_STORE_CTX_get_error_depth(store) == 0) {
        d->expired = true;
        return 1;
    }
    return good;
}

static bool may_be_expired(X509_STORE_CTX *store, const estoc_dtls_context *c)
{
    STACK_OF(X509) *chain = X509_STORE_CTX_get0_chain(store);
    bool may = false;
    for (int i = 1; !may && i < sk_X509_num(chain); i++) {
        uint8_t *der = NULL;
        int len = i2d_X509(sk_X509_value(chain, i), &der);
        for (size_t k = 0; len > 0 && k < c->expired.n; k++) {
            may |= estoc_slice_eq(estoc_slice_of(der, (size_t)len),
                                  estoc_blob_slice(c->expired.at[k]));
        }
        OPENSSL_free(der);
    }
    return may;
}

static bool within_leeway(const estoc_dtls_context *c, const estoc_cert *cert, int64_t at)
{
    return c->leeway != NULL &&
           at - cert->not_after <= (int64_t)c->leeway(c->leeway_ctx, cert->der);
}

/* By what was signed: who holds a certificate can write its signature in another way. */
static bool is_denied(const estoc_dtls_context *c, const estoc_cert *cert)
{
    bool denied = false;
    for (size_t i = 0; !denied && i < c->denied.n; i++) {
        estoc_cert other;
        denied = !estoc_cert_parse(&other, estoc_blob_slice(c->denied.at[i])) &&
                 estoc_slice_eq(other.tbs, cert->tbs);
    }
    return denied;
}

bool estoc_dtls_server_denies(const estoc_dtls_server *s, estoc_slice leaf)
{
    const estoc_dtls_context *c = &s->context;
    const uint8_t *p = leaf.ptr;
    estoc_cert cert;
    if (c->denied.n == 0 && c->crls == NULL) {
        return false;
    }
    X509 *x = leaf.len <= LONG_MAX ? d2i_X509(NULL, &p, (long)leaf.len) : NULL;
    bool denied = x == NULL || estoc_cert_parse(&cert, leaf) || is_denied(c, &cert) ||
                  estoc_dtls_crls_name(c->crls, x);
    X509_free(x);
    ERR_clear_error();
    return denied;
}

/* By a list of whoever vouches for it (D6), or by us (D8). */
static X509 *find_revoked(X509_STORE_CTX *store, const estoc_dtls_context *c,
                          const estoc_cert *cert)
{
    X509 *listed = estoc_dtls_crls_find(c->crls, X509_STORE_CTX_get0_chain(store));
    bool ours = listed == NULL && c->revoked != NULL && c->revoked(c->revoked_ctx, cert->der);
    return ours ? X509_STORE_CTX_get0_cert(store) : listed;
}

static int judge(X509_STORE_CTX *store, const estoc_dtls_context *c, estoc_dtls *d,
                 const estoc_cert *cert)
{
    X509 *leaf = X509_STORE_CTX_get0_cert(store);
    int64_t at = estoc_unix_s();
    if (at <= 0 || !set_rules(store, c, at)) {
        return refuse(store, d, leaf, X509_V_ERR_UNSPECIFIED, "certificate cannot be checked");
    }
    if (is_denied(c, cert)) {
        return refuse(store, d, leaf, X509_V_ERR_CERT_REVOKED, "certificate is denied");
    }
    X509_STORE_CTX_set_verify_cb(store, on_fault);
    if (X509_verify_cert(store) != 1) {
        int error = X509_STORE_CTX_get_error(store);
        X509 *x = X509_STORE_CTX_get_current_cert(store);
        return refuse(store, d, x != NULL ? x : leaf, error, X509_verify_cert_error_string(error));
    }
    X509 *revoked = find_revoked(store, c, cert);
    if (revoked != NULL) {
        d->revoked = true;
        return refuse(store, d, revoked, X509_V_ERR_CERT_REVOKED, "certificate is revoked");
    }
    if (d->expired && !may_be_expired(store, c) && !within_leeway(c, cert, at)) {
        d->expired = false;
        return refuse(store, d, leaf, X509_V_ERR_CERT_HAS_EXPIRED,
                      X509_verify_cert_error_string(X509_V_ERR_CERT_HAS_EXPIRED));
    }
    X509_STORE_CTX_set_error(store, X509_V_OK);
    if (!good_chain_keys(store, d)) {
        return 0;
    }
    /* OpenSSL lets key agreement alone pass; with ECDHE_ECDSA both ends sign. RFC 8422 section 5.3 */
    if ((X509_get_key_usage(leaf) & KU_DIGITAL_SIGNATURE) == 0) {
        return refuse(store, d, leaf, X509_V_ERR_INVALID_PURPOSE,
                      "key usage does not allow digital signatures");
    }
    if (!estoc_dtls_is_host(c, cert)) {
        return refuse(store, d, leaf, X509_V_ERR_HOSTNAME_MISMATCH,
                      "certificate is for another host");
    }
    d->good_until = chain_ends(store);
    if (c->server) {
        estoc_dtls_note_trail(d, X509_STORE_CTX_get0_chain(store));
    }
    return 1;
}

int estoc_dtls_verify(X509_STORE_CTX *store, void *arg)
{
    const SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    estoc_dtls *d = SSL_get_app_data(ssl);
    X509 *leaf = X509_STORE_CTX_get0_cert(store);
    estoc_cert cert;
    uint8_t *der;
    bool parsed = parse(leaf, &cert, &der);
    estoc_blob_free(&d->cert);
    estoc_blob_free(&d->trail);
    int good;
    if (!parsed) {
        good = bad_key(store, d, leaf);
    } else if (estoc_blob_copy(cert.der, &d->cert)) {
        good = refuse(store, d, leaf, X509_V_ERR_OUT_OF_MEM, "out of memory");
    } else {
        const estoc_dtls_context *c = arg;
        good = judge(store, c, d, &cert);
        if (good != 1 && c->let_strangers_in && !d->revoked) { /* the reason stays in `why` */
            d->stranger = true;
            X509_STORE_CTX_set_error(store, X509_V_OK);
            good = 1;
        }
    }
    OPENSSL_free(der);
    return good;
}
