/* SPDX-License-Identifier: MIT
 *
 * Keys, certificates and certificate requests, right and wrong, by OpenSSL and by hand.
 */
#ifndef ESTOC_TEST_PKI_H
#define ESTOC_TEST_PKI_H

#include <openssl/x509.h>

#include "exchange.h"

EVP_PKEY *key_new(const char *group); /* "P-256", "ED25519", "RSA2048", "X25519", "DSA" */
EVP_PKEY *key_read(const char *file);
X509 *cert_read(const char *file);
void key_write(EVP_PKEY *key, const char *file);
void cert_write(X509 *cert, const char *file, const char *mode); /* mode as of fopen */

/** What a test's certificate is to have; zero means an ordinary end entity. */
typedef struct cert_cfg {
    const char *cn;
    X509 *issuer; /* NULL: self-signed */
    EVP_PKEY *issuer_key;
    const char *san;       /* "DNS:x,IP:127.0.0.1" */
    const char *key_usage; /* default digitalSignature; "" : none */
    const char *eku;       /* default clientAuth; "": none */
    const char *ski_hex;   /* default: the hash of the key */
    bool ca;
    long from_s, until_s; /* from now; default an hour ago until tomorrow */
} cert_cfg;
X509 *cert_new(EVP_PKEY *key, const cert_cfg *cfg);

/** The signature (r, s) verifies as (r, n - s), too: another certificate to the byte, and the same.
 *  The issuer's key is on P-256.                                                                   */
void cert_turn_signature(X509 *cert);

/** A PKCS#10 request for the key, in DER. @param san  NULL: none */
void csr_new(EVP_PKEY *key, const char *subject, const char *san, body *out);
/** Subject of a certificate in DER. */
void subject_of(const X509 *cert, body *out);

/* DER by hand. */
void der_add(body *b, const void *bytes, size_t len);
void der_wrap(body *b, unsigned tag); /* what is in it becomes the content of one value */
void der_tlv(body *b, unsigned tag, const void *content, size_t len);

/** A request from parts that may be wrong, signed over what it then is. */
typedef struct csr_parts {
    EVP_PKEY *key;         /* signs */
    const body *subject;   /* Name */
    const body *spki;      /* NULL: the key's */
    const body *attrs;     /* content of [0]; NULL: empty */
    const body *algorithm; /* AlgorithmIdentifier; NULL: ecdsa-with-SHA256 */
    const body *signature; /* content of the BIT STRING with the unused-bits byte; NULL: made */
} csr_parts;
void csr_build(const csr_parts *parts, body *out);
/** An extensionRequest attribute with one extension, e.g. "2.5.29.19", DER value. */
void attr_extension(body *out, const char *oid, const void *value, size_t len);
void der_oid(body *out, const char *oid);

/** The certificates of a certs-only CMS (281). Fails the test if it is anything else.
 *  @return a stack the caller frees with everything in it */
STACK_OF(X509) * certs_of(const body *cms);
/** The certificate of a 281 or 287 answer whose key is this; fails the test if there is none. */
X509 *cert_for(const body *answer, int format, EVP_PKEY *key);
/** Verifies the certificate up to the anchors in the PEM file. */
bool chains_to(X509 *cert, const char *ta_file);

#endif
