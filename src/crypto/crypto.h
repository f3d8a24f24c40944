/* SPDX-License-Identifier: MIT
 *
 * The cryptography the programs need, on OpenSSL. Vendor headers
 * appear only there. Functions may be called from several threads on different objects; signing
 * with one key from several threads is safe.
 */
#ifndef ESTOC_CRYPTO_H
#define ESTOC_CRYPTO_H

#include <estoc/cert.h>
#include <estoc/csr.h>

#include "sys.h"

#define ESTOC_SIG_MAX      512 /* bytes of the largest signature (RSA 4096) */
#define ESTOC_SPKI_MAX     600 /* bytes of the largest SubjectPublicKeyInfo */
#define ESTOC_RSA_MIN_BITS 2048
#define ESTOC_RSA_MAX_BITS 4096

typedef struct estoc_key estoc_key;

ESTOC_MUST_USE estoc_err estoc_key_generate(estoc_key_kind kind, estoc_key **out);
/** An unencrypted PEM private key. @return 0; ESTOC_E_FILE; ESTOC_E_KEY */
ESTOC_MUST_USE estoc_err estoc_key_load(const char *path, estoc_key **out, estoc_why *why);
/** As PEM PKCS#8, mode 0600, atomically. */
ESTOC_MUST_USE estoc_err estoc_key_save(const estoc_key *key, const char *path);
ESTOC_MUST_USE estoc_err estoc_key_spki(const estoc_key *key, estoc_buf out, size_t *len);
estoc_key_kind estoc_key_kind_of(const estoc_key *key);
/** The signature this key makes: P-256 with SHA-256, P-384 with SHA-384, Ed25519, RSA with SHA-256. */
estoc_sig_kind estoc_key_sig(const estoc_key *key);
ESTOC_MUST_USE estoc_err estoc_key_sign(const estoc_key *key, estoc_slice msg, estoc_buf sig,
                                        size_t *sig_len);
/** The same as the core's callback: ctx is the key, which must outlive the signer. */
estoc_signer estoc_key_signer(estoc_key *key);
/** The library's own object (EVP_PKEY *), borrowed; for src/dtls of the same library. */
void *estoc_key_native(const estoc_key *key);
void estoc_key_free(estoc_key *key);

/** @return 0; ESTOC_E_SIGNATURE; ESTOC_E_UNSUPPORTED; ESTOC_E_KEY (point not on the curve, RSA under
 *          2,048 bits); ESTOC_E_CRYPTO                                                             */
ESTOC_MUST_USE estoc_err estoc_verify(const estoc_spki *spki, estoc_sig_kind sig_kind,
                                      estoc_slice msg, estoc_slice sig);
ESTOC_MUST_USE estoc_err estoc_sha256(estoc_slice msg, uint8_t out[32]);
/** The system's cryptographic random source. */
estoc_random estoc_random_system(void);

/** All CERTIFICATE blocks of a PEM file (or one DER certificate). */
ESTOC_MUST_USE estoc_err estoc_certs_load(const char *path, estoc_blobs *out, estoc_why *why);
/** PEM text of certificates, one after another. */
ESTOC_MUST_USE estoc_err estoc_certs_pem(const estoc_slice *certs, size_t n, estoc_blob *out);
/** A CSR file, PEM or DER, as DER. */
ESTOC_MUST_USE estoc_err estoc_csr_load(const char *path, estoc_blob *out, estoc_why *why);
ESTOC_MUST_USE estoc_err estoc_csr_pem(estoc_slice der, estoc_blob *out);
/** What `openssl x509 -text` would print. */
ESTOC_MUST_USE estoc_err estoc_cert_text(estoc_slice der, estoc_blob *out);

typedef enum estoc_purpose {
    ESTOC_PURPOSE_ANY,
    ESTOC_PURPOSE_SERVER,
    ESTOC_PURPOSE_CLIENT
} estoc_purpose;
/** Whether `leaf` leads through `chain` to one of `anchors` at time `at` (seconds since 1970; 0 fails
 *  closed). Nothing weaker than 112 bits of security in the chain.
 *  @return 0; ESTOC_E_UNTRUSTED with `why` filled                                                  */
ESTOC_MUST_USE estoc_err estoc_chain_verify(estoc_slice leaf, const estoc_blobs *chain,
                                            const estoc_blobs *anchors, estoc_purpose purpose,
                                            int64_t at, estoc_why *why);
/** Whether `leaf` names this DNS name or IP address in its subjectAltName. */
bool estoc_cert_names_host(estoc_slice leaf, const char *host);

#endif
