/* SPDX-License-Identifier: MIT
 *
 * Whether the certificate a peer shows may pass, by the rules of estoc_chain_verify (crypto.h), with
 * the anchors parsed once for all associations. D1, D3, D4, K1; RFC 5280 section 6, RFC 8422 section 5.
 */
#include <limits.h>
#include <string.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "association.h"
#include "text.h"

#define DEPTH_MAX      8 /* certificates between the leaf and its anchor */
#define LEVEL_112_BITS 2

/* One look at a chain. */
struct trial {
    X509_STORE_CTX *store;
    const estoc_dtls_context *context;
    estoc_dtls_peer *peer; /* what is found */
};

static int refuse(const struct trial *t, X509 *x, int error, const char *text)
{
    uint8_t name[160];
    uint8_t *der = NULL;
    int len = x != NULL ? i2d_X509_NAME(X509_get_subject_name(x), &der) : 0;
    estoc_slice subject = estoc_slice_of(der, len > 0 ? (size_t)len : 0);
    if (len <= 0 || estoc_name_is_empty(subject)) {
        estoc_why_set(&t->peer->why, "%s", text);
    } else {
        estoc_why_set(&t->peer->why, "%s (%s)", text,
                      estoc_name_text(subject, (estoc_buf){name, sizeof name}));
    }
    OPENSSL_free(der);
    X509_STORE_CTX_set_error(t->store, error);
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

static int bad_key(const struct trial *t, X509 *x)
{
    return refuse(t, x, X509_V_ERR_EC_KEY_EXPLICIT_PARAMS,
                  "certificate malformed, or its key is of a kind not supported");
}

/* What the peer added between its certificate and the anchor. */
static bool good_chain_keys(const struct trial *t)
{
    STACK_OF(X509) *chain = X509_STORE_CTX_get0_chain(t->store);
    for (int i = 1; i < sk_X509_num(chain) - 1; i++) {
        estoc_cert cert;
        uint8_t *der;
        bool good = parse(sk_X509_value(chain, i), &cert, &der);
        OPENSSL_free(der);
        if (!good) {
            bad_key(t, sk_X509_value(chain, i));
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
    const struct trial *t = X509_STORE_CTX_get_app_data(store);
    const estoc_dtls_context *c = t->context;
    if (!good && (c->expired.n > 0 || c->leeway != NULL) &&
        X509_STORE_CTX_get_error(store) == X509_V_ERR_CERT_HAS_EXPIRED &&
        X509_STORE_CTX_get_error_depth(store) == 0) {
        t->peer->expired = true;
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
    estoc_cert cert;
    if (c->denied.n == 0 && c->crls == NULL) {
        return false;
    }
    X509 *x = estoc_dtls_decode(c, leaf);
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

static int judge(const struct trial *t, const estoc_cert *cert)
{
    X509_STORE_CTX *store = t->store;
    const estoc_dtls_context *c = t->context;
    X509 *leaf = X509_STORE_CTX_get0_cert(store);
    int64_t at = estoc_unix_s();
    if (at <= 0 || !set_rules(store, c, at)) {
        return refuse(t, leaf, X509_V_ERR_UNSPECIFIED, "certificate cannot be checked");
    }
    if (is_denied(c, cert)) {
        t->peer->denied = true;
        return refuse(t, leaf, X509_V_ERR_CERT_REVOKED, "certificate is denied");
    }
    X509_STORE_CTX_set_verify_cb(store, on_fault);
    if (X509_verify_cert(store) != 1) {
        int error = X509_STORE_CTX_get_error(store);
        X509 *x = X509_STORE_CTX_get_current_cert(store);
        return refuse(t, x != NULL ? x : leaf, error, X509_verify_cert_error_string(error));
    }
    X509 *revoked = find_revoked(store, c, cert);
    if (revoked != NULL) {
        t->peer->revoked = true;
        return refuse(t, revoked, X509_V_ERR_CERT_REVOKED, "certificate is revoked");
    }
    if (t->peer->expired && !may_be_expired(store, c) && !within_leeway(c, cert, at)) {
        t->peer->expired = false;
        return refuse(t, leaf, X509_V_ERR_CERT_HAS_EXPIRED,
                      X509_verify_cert_error_string(X509_V_ERR_CERT_HAS_EXPIRED));
    }
    X509_STORE_CTX_set_error(store, X509_V_OK);
    if (!good_chain_keys(t)) {
        return 0;
    }
    /* OpenSSL lets key agreement alone pass; with ECDHE_ECDSA both ends sign. RFC 8422 section 5.3 */
    if ((X509_get_key_usage(leaf) & KU_DIGITAL_SIGNATURE) == 0) {
        return refuse(t, leaf, X509_V_ERR_INVALID_PURPOSE,
                      "key usage does not allow digital signatures");
    }
    if (!estoc_dtls_is_host(c, cert)) {
        return refuse(t, leaf, X509_V_ERR_HOSTNAME_MISMATCH, "certificate is for another host");
    }
    t->peer->good_until = chain_ends(store);
    if (c->server) {
        estoc_dtls_note_trail(X509_STORE_CTX_get0_chain(store), &t->peer->trail);
    }
    return 1;
}

/* The certificate, if it can be read, and by which way it leads to an anchor.
 * @param[out] cert  points into `der`, which is OpenSSL's; zeroed if it cannot be read */
static int examine(struct trial *t, estoc_cert *cert, uint8_t **der)
{
    X509 *leaf = X509_STORE_CTX_get0_cert(t->store);
    bool parsed = parse(leaf, cert, der);
    if (!parsed) {
        memset(cert, 0, sizeof *cert);
    }
    X509_STORE_CTX_set_app_data(t->store, t);
    int good = parsed ? judge(t, cert) : bad_key(t, leaf);
    X509_STORE_CTX_set_app_data(t->store, NULL);
    t->peer->recognised = good == 1;
    return good;
}

/* What was found is the association's. */
static void take_over(estoc_dtls *d, estoc_dtls_peer *peer)
{
    estoc_blob_free(&d->trail);
    d->trail = peer->trail;
    d->expired = peer->expired;
    d->revoked = peer->revoked;
    d->good_until = peer->good_until;
    if (peer->why.text[0] != '\0') {
        d->why = peer->why;
    }
}

int estoc_dtls_verify(X509_STORE_CTX *store, void *arg)
{
    const SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    estoc_dtls *d = SSL_get_app_data(ssl);
    const estoc_dtls_context *c = arg;
    estoc_dtls_peer peer = {.recognised = false};
    struct trial t = {store, c, &peer};
    estoc_cert cert;
    uint8_t *der;
    int good = examine(&t, &cert, &der);
    bool parsed = cert.der.len > 0;
    estoc_blob_free(&d->cert);
    if (parsed && estoc_blob_copy(cert.der, &d->cert)) {
        good = refuse(&t, NULL, X509_V_ERR_OUT_OF_MEM, "out of memory");
    } else if (parsed && good != 1 && c->let_strangers_in && !peer.revoked) {
        d->stranger = true; /* the reason stays in `why` */
        X509_STORE_CTX_set_error(store, X509_V_OK);
        good = 1;
    }
    take_over(d, &peer);
    OPENSSL_free(der);
    return good;
}

/* ------------------------------------------------------------------------- outside of a handshake */

static bool decode(const estoc_dtls_context *c, const estoc_blobs *chain, X509 **leaf,
                   STACK_OF(X509) * between)
{
    for (size_t i = 0; i < chain->n; i++) {
        X509 *x = estoc_dtls_decode(c, estoc_blob_slice(chain->at[i]));
        bool good = x != NULL && (i == 0 || sk_X509_push(between, x) > 0);
        if (!good) {
            X509_free(x);
            return false;
        }
        *leaf = i == 0 ? x : *leaf;
    }
    return *leaf != NULL;
}

static estoc_err try_chain(const estoc_dtls_context *c, X509 *leaf, STACK_OF(X509) * between,
                           estoc_dtls_peer *out)
{
    X509_STORE_CTX *store = X509_STORE_CTX_new_ex(c->lib, NULL);
    struct trial t = {store, c, out};
    estoc_cert cert;
    uint8_t *der = NULL;
    estoc_err err = ESTOC_E_MEMORY;
    if (store != NULL &&
        X509_STORE_CTX_init(store, SSL_CTX_get_cert_store(c->ssl), leaf, between) == 1 &&
        X509_STORE_CTX_set_default(store, "ssl_client") == 1) { /* as OpenSSL does for a server */
        (void)examine(&t, &cert, &der);
        err = ESTOC_OK;
    }
    OPENSSL_free(der);
    X509_STORE_CTX_free(store);
    return err;
}

estoc_err estoc_dtls_server_judge(const estoc_dtls_server *s, const estoc_blobs *chain,
                                  estoc_dtls_peer *out)
{
    X509 *leaf = NULL;
    STACK_OF(X509) *between = sk_X509_new_null();
    estoc_err err = between != NULL ? ESTOC_OK : ESTOC_E_MEMORY;
    memset(out, 0, sizeof *out);
    if (!err && (chain->n > ESTOC_JUDGE_MAX || !decode(&s->context, chain, &leaf, between))) {
        err = ESTOC_E_MALFORMED;
    }
    err = err ? err : try_chain(&s->context, leaf, between, out);
    X509_free(leaf);
    sk_X509_pop_free(between, X509_free);
    ERR_clear_error();
    return err;
}

void estoc_dtls_peer_free(estoc_dtls_peer *peer)
{
    estoc_blob_free(&peer->trail);
}
