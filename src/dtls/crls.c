/* SPDX-License-Identifier: MIT
 *
 * Revocation lists of those who vouch for clients (D6): verified once, when the server is made, and
 * looked into in each full handshake. Who is on one is refused; a list whose time is over still says who
 * was revoked, and who is on none passes.
 */
#include <limits.h>
#include <stdlib.h>

#include <openssl/x509v3.h>

#include "association.h"
#include "text.h"

struct estoc_dtls_crls {
    struct {
        X509_CRL *crl;
        X509 *issuer;
    } * at;
    size_t n;
};

/* Only whole lists, by whom they are about. RFC 5280 section 5.2 */
static bool is_plain(X509_CRL *crl)
{
    int flags = -1; /* critical of the extension; -1: not there */
    ISSUING_DIST_POINT *point =
        X509_CRL_get_ext_d2i(crl, NID_issuing_distribution_point, &flags, NULL);
    bool plain = flags == -1 || (point != NULL && point->indirectCRL <= 0 && point->onlyattr <= 0);
    ISSUING_DIST_POINT_free(point);
    for (int i = 0; i < X509_CRL_get_ext_count(crl); i++) {
        X509_EXTENSION *ext = X509_CRL_get_ext(crl, i);
        plain &= X509_EXTENSION_get_critical(ext) == 0 ||
                 OBJ_obj2nid(X509_EXTENSION_get_object(ext)) == NID_issuing_distribution_point;
    }
    return plain && X509_CRL_get_ext_by_NID(crl, NID_delta_crl, -1) < 0;
}

/* The anchor that has signed it, borrowed. */
static X509 *find_issuer(X509_STORE *anchors, X509_CRL *crl)
{
    STACK_OF(X509_OBJECT) *list = X509_STORE_get0_objects(anchors);
    for (int i = 0; i < sk_X509_OBJECT_num(list); i++) {
        X509 *x = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(list, i));
        if (x != NULL && X509_NAME_cmp(X509_get_subject_name(x), X509_CRL_get_issuer(crl)) == 0 &&
            X509_CRL_verify(crl, X509_get0_pubkey(x)) == 1) {
            return x;
        }
    }
    return NULL;
}

static estoc_err take(struct estoc_dtls_crls *crls, estoc_slice der, X509_STORE *anchors,
                      estoc_why *why)
{
    const uint8_t *p = der.ptr;
    X509_CRL *crl = der.len <= LONG_MAX ? d2i_X509_CRL(NULL, &p, (long)der.len) : NULL;
    X509 *issuer = crl != NULL ? find_issuer(anchors, crl) : NULL;
    estoc_err err = ESTOC_OK;
    if (crl == NULL) {
        estoc_why_set(why, "revocation list %zu cannot be read", crls->n + 1);
        err = ESTOC_E_MALFORMED;
    } else if (issuer == NULL) {
        estoc_why_set(why, "revocation list %zu is signed by none of the client anchors",
                      crls->n + 1);
        err = ESTOC_E_UNTRUSTED;
    } else if (!is_plain(crl)) {
        estoc_why_set(why, "revocation list %zu is a delta, indirect, or has a critical extension",
                      crls->n + 1);
        err = ESTOC_E_UNSUPPORTED;
    }
    if (err) {
        X509_CRL_free(crl);
        return err;
    }
    X509_up_ref(issuer);
    crls->at[crls->n].crl = crl;
    crls->at[crls->n].issuer = issuer;
    crls->n++;
    return ESTOC_OK;
}

estoc_err estoc_dtls_crls_new(const estoc_blobs *lists, X509_STORE *anchors, estoc_dtls_crls **out,
                              estoc_why *why)
{
    *out = NULL;
    if (lists == NULL || lists->n == 0) {
        return ESTOC_OK;
    }
    struct estoc_dtls_crls *crls = calloc(1, sizeof *crls);
    estoc_err err = ESTOC_E_MEMORY;
    if (crls != NULL) {
        crls->at = calloc(lists->n, sizeof *crls->at);
        err = crls->at != NULL ? ESTOC_OK : ESTOC_E_MEMORY;
    }
    for (size_t i = 0; !err && i < lists->n; i++) {
        err = take(crls, estoc_blob_slice(lists->at[i]), anchors, why);
    }
    if (err) {
        estoc_dtls_crls_free(crls);
        crls = NULL;
    }
    *out = crls;
    return err;
}

void estoc_dtls_crls_free(estoc_dtls_crls *crls)
{
    if (crls == NULL) {
        return;
    }
    for (size_t i = 0; i < crls->n; i++) {
        X509_CRL_free(crls->at[i].crl);
        X509_free(crls->at[i].issuer);
    }
    free(crls->at);
    free(crls);
}

/* One CA may have several certificates for its key. */
static bool is_same_ca(const X509 *a, const X509 *b)
{
    const ASN1_BIT_STRING *key = X509_get0_pubkey_bitstr(a);
    const ASN1_BIT_STRING *other = X509_get0_pubkey_bitstr(b);
    return X509_NAME_cmp(X509_get_subject_name(a), X509_get_subject_name(b)) == 0 && key != NULL &&
           other != NULL && ASN1_STRING_cmp(key, other) == 0;
}

static bool lists(const estoc_dtls_crls *crls, const X509 *x, const X509 *issuer)
{
    X509_REVOKED *entry;
    bool listed = false;
    for (size_t i = 0; !listed && i < crls->n; i++) {
        listed = is_same_ca(issuer, crls->at[i].issuer) &&
                 X509_CRL_get0_by_serial(crls->at[i].crl, &entry, X509_get0_serialNumber(x)) != 0;
    }
    return listed;
}

bool estoc_dtls_crls_name(const estoc_dtls_crls *crls, const X509 *x)
{
    X509_REVOKED *entry;
    bool listed = false;
    for (size_t i = 0; crls != NULL && !listed && i < crls->n; i++) {
        X509_CRL *crl = crls->at[i].crl;
        listed = X509_NAME_cmp(X509_get_issuer_name(x), X509_CRL_get_issuer(crl)) == 0 &&
                 X509_CRL_get0_by_serial(crl, &entry, X509_get0_serialNumber(x)) != 0;
    }
    return listed;
}

X509 *estoc_dtls_crls_find(const estoc_dtls_crls *crls, STACK_OF(X509) * chain)
{
    for (int i = 0; crls != NULL && i + 1 < sk_X509_num(chain); i++) {
        if (lists(crls, sk_X509_value(chain, i), sk_X509_value(chain, i + 1))) {
            return sk_X509_value(chain, i);
        }
    }
    return NULL;
}
