/* SPDX-License-Identifier: MIT
 *
 * Certs-only CMS by OpenSSL, which reads BER. RFC 5652 asks for DER only where something is signed, and what
 * EST servers build with the usual libraries has indefinite lengths, or an empty content.
 */
#include <openssl/err.h>
#include <openssl/pkcs7.h>
#include <openssl/x509.h>

#include <estoc/cert.h>

#include "crypto.h"

enum { CERTS_MAX = 64 };

/* @return NULL: it is none */
static PKCS7 *read_cms(estoc_slice cms)
{
    const uint8_t *at = cms.ptr;
    PKCS7 *p7 = cms.len > 0 && cms.len <= INT32_MAX ? d2i_PKCS7(NULL, &at, (long)cms.len) : NULL;
    if (p7 != NULL &&
        (at != cms.ptr + cms.len || !PKCS7_type_is_signed(p7) || p7->d.sign == NULL)) {
        PKCS7_free(p7);
        p7 = NULL;
    }
    return p7;
}

estoc_err estoc_certs_normalise(estoc_slice cms, estoc_buf out, size_t *len)
{
    uint8_t *der[CERTS_MAX] = {NULL};
    estoc_slice list[CERTS_MAX];
    PKCS7 *p7 = read_cms(cms);
    int n = p7 != NULL ? sk_X509_num(p7->d.sign->cert) : 0;
    estoc_err err = n <= 0 ? ESTOC_E_MALFORMED : n > CERTS_MAX ? ESTOC_E_LIMIT : ESTOC_OK;
    *len = 0;
    for (int i = 0; !err && i < n; i++) {
        int size = i2d_X509(sk_X509_value(p7->d.sign->cert, i), &der[i]);
        err = size > 0 ? ESTOC_OK : ESTOC_E_MEMORY;
        list[i] = estoc_slice_of(der[i], size > 0 ? (size_t)size : 0);
    }
    if (!err) {
        err = estoc_certs_build(list, (size_t)n, out, len);
    }
    for (int i = 0; i < CERTS_MAX; i++) {
        OPENSSL_free(der[i]);
    }
    PKCS7_free(p7);
    ERR_clear_error();
    return err;
}
