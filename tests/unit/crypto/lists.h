/* SPDX-License-Identifier: MIT
 *
 * Revocation lists by OpenSSL.
 */
#ifndef ESTOC_TEST_LISTS_H
#define ESTOC_TEST_LISTS_H

#include <openssl/x509v3.h>

struct list_plan {
    X509 *issuer;
    EVP_PKEY *key;
    X509 *listed[4];     /* until NULL */
    long from_s, next_s; /* from now; 0: an hour back, a day on */
    bool endless;        /* no nextUpdate */
    bool old;            /* version 1, no extensions */
    int ext;             /* NID of one more extension; 0: none */
    const char *value;   /* "critical,..."; not for a delta's */
};

static inline void list_extend(X509_CRL *crl, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, NULL, NULL, crl, 0);
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    assert_non_null(ext);
    assert_int_equal(X509_CRL_add_ext(crl, ext, -1), 1);
    X509_EXTENSION_free(ext);
}

/* Extensions that OpenSSL does not make from text. */
static inline void list_number(X509_CRL *crl, int nid, int critical)
{
    ASN1_INTEGER *n = ASN1_INTEGER_new();
    ASN1_INTEGER_set(n, 7);
    assert_int_equal(X509_CRL_add1_ext_i2d(crl, nid, n, critical, X509V3_ADD_DEFAULT), 1);
    ASN1_INTEGER_free(n);
}

static inline estoc_blob list_new(const struct list_plan *p)
{
    estoc_blob out;
    X509_CRL *crl = X509_CRL_new();
    ASN1_TIME *at = X509_gmtime_adj(NULL, p->from_s != 0 ? p->from_s : -3600);
    ASN1_TIME *next = X509_gmtime_adj(NULL, p->next_s != 0 ? p->next_s : 86400);
    X509_CRL_set_version(crl, p->old ? 0 : 1);
    X509_CRL_set_issuer_name(crl, X509_get_subject_name(p->issuer));
    X509_CRL_set1_lastUpdate(crl, at);
    if (!p->endless) {
        X509_CRL_set1_nextUpdate(crl, next);
    }
    for (size_t i = 0; i < 4 && p->listed[i] != NULL; i++) {
        X509_REVOKED *r = X509_REVOKED_new();
        X509_REVOKED_set_serialNumber(r, X509_get_serialNumber(p->listed[i]));
        X509_REVOKED_set_revocationDate(r, at);
        X509_CRL_add0_revoked(crl, r);
    }
    if (!p->old) {
        list_number(crl, NID_crl_number, 0);
    }
    if (p->ext == NID_delta_crl) {
        list_number(crl, p->ext, 1);
    } else if (p->ext != 0) {
        list_extend(crl, p->issuer, p->ext, p->value);
    }
    assert_true(X509_CRL_sign(crl, p->key, EVP_sha256()) > 0);
    uint8_t *der = NULL;
    int len = i2d_X509_CRL(crl, &der);
    assert_int_equal(estoc_blob_copy(estoc_slice_of(der, (size_t)len), &out), 0);
    OPENSSL_free(der);
    ASN1_TIME_free(at);
    ASN1_TIME_free(next);
    X509_CRL_free(crl);
    return out;
}

#endif
