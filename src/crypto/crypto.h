/* SPDX-License-Identifier: MIT
 *
 * The cryptography the programs need, on OpenSSL, whose headers appear only in the files beside this
 * one. Functions may be called from several threads on different objects; signing with one key from
 * several threads is safe. The calling thread's error queue of OpenSSL is empty afterwards.
 */
#ifndef ESTOC_CRYPTO_H
#define ESTOC_CRYPTO_H

#include <estoc/cert.h>
#include <estoc/csr.h>

#include "sys.h"

#define ESTOC_SIG_MAX      512  /* bytes of the largest signature (RSA 4096) */
#define ESTOC_SPKI_MAX     600  /* bytes of the largest SubjectPublicKeyInfo */
#define ESTOC_PKCS8_MAX    2432 /* bytes of the largest private key (RSA 4096) */
#define ESTOC_RSA_MIN_BITS 2048
#define ESTOC_RSA_MAX_BITS 4096

#define ESTOC_PASSPHRASE_MAX     1023 /* bytes of one */
#define ESTOC_PASSPHRASE_SOURCES "file:PATH, credential:NAME (systemd's) or fd:N"
typedef struct estoc_passphrase {
    char text[ESTOC_PASSPHRASE_MAX + 1];
    size_t len;
} estoc_passphrase;
/** Whether this is one of ESTOC_PASSPHRASE_SOURCES. */
bool estoc_passphrase_is_source(const char *text);
/** The path of a file:PATH, which may be relative. @return NULL: it is another source */
const char *estoc_passphrase_path(const char *source);
/** The first line. What a descriptor gave is kept, and given again, as long as the process lives.
 *  @param[out] out  the caller's to wipe; zeroed on failure
 *  @return 0; ESTOC_E_USAGE (no source); ESTOC_E_FILE (cannot be read, or is empty); `why` is filled */
ESTOC_MUST_USE estoc_err estoc_passphrase_read(const char *source, estoc_passphrase *out,
                                               estoc_why *why);

typedef struct estoc_key estoc_key;

/** RSA keys get 3,072 bits. @return 0; ESTOC_E_UNSUPPORTED; ESTOC_E_CRYPTO; ESTOC_E_MEMORY */
ESTOC_MUST_USE estoc_err estoc_key_generate(estoc_key_kind kind, estoc_key **out);
/** An RSA key of a size of one's own. @return 0; ESTOC_E_UNSUPPORTED (from ESTOC_RSA_MIN_BITS to
 *  ESTOC_RSA_MAX_BITS can be had); ESTOC_E_CRYPTO; ESTOC_E_MEMORY                                  */
ESTOC_MUST_USE estoc_err estoc_key_generate_rsa(uint32_t bits, estoc_key **out);
#define ESTOC_KEY_URI_MAX 511 /* bytes of a pkcs11: URI */

/** The first unencrypted private key of a PEM file: PKCS#8, or SEC 1 or PKCS#1 by kind. Or a key that
 *  stays in a PKCS#11 token: `path` is its pkcs11: URI, or the file holds that and nothing else.
 *  Used once to see that both halves fit.                                                  RFC 7512
 *  @return 0; ESTOC_E_FILE (cannot be read); ESTOC_E_KEY (none, encrypted, damaged, or of a kind or
 *          size not supported); ESTOC_E_MEMORY. `why` is filled                                     */
ESTOC_MUST_USE estoc_err estoc_key_load(const char *path, estoc_key **out, estoc_why *why);
/** The same, and the key may be encrypted (PKCS#8; no other way), by a passphrase from this source.
 *  @param passphrase  estoc_passphrase_is_source, or "": an encrypted one is not taken
 *  @return as estoc_key_load, and what estoc_passphrase_read returns                               */
ESTOC_MUST_USE estoc_err estoc_key_load_sealed(const char *path, const char *passphrase,
                                               estoc_key **out, estoc_why *why);
/** Whether this is the URI of a key in a token, not a path. */
bool estoc_key_is_uri(const char *text);
/** Whether the key stays in a token. */
bool estoc_key_in_token(const estoc_key *key);
/** As PEM PKCS#8, or as the URI of one in a token; mode 0600, atomically. @return 0; ESTOC_E_FILE (errno tells); ESTOC_E_CRYPTO */
ESTOC_MUST_USE estoc_err estoc_key_save(const estoc_key *key, const char *path);
/** The same, encrypted with AES-256 by a passphrase from this source; "": not encrypted.
 *  @return as estoc_key_save, and what estoc_passphrase_read returns; `why` may be filled          */
ESTOC_MUST_USE estoc_err estoc_key_save_sealed(const estoc_key *key, const char *path,
                                               const char *passphrase, estoc_why *why);
/** As PKCS#8 in DER: at most ESTOC_PKCS8_MAX bytes, the caller's to wipe. The public half is with an
 *  EC key only.                                                      RFC 5958 section 2
 *  @return 0; ESTOC_E_SPACE; ESTOC_E_CRYPTO. `out` is wiped then                                    */
ESTOC_MUST_USE estoc_err estoc_key_pkcs8(const estoc_key *key, estoc_buf out, size_t *len);
/** The public half of such a key, as SubjectPublicKeyInfo, of at most ESTOC_SPKI_MAX bytes: by reading alone, so
 *  that no copy of the private half is made. Whether the halves belong together is not looked at.
 *  @return 0; ESTOC_E_NOT_FOUND: it is not with it, as with most of Ed25519; ESTOC_E_SPACE;
 *          ESTOC_E_TRUNCATED, ESTOC_E_MALFORMED, ESTOC_E_TRAILING. *len is 0 then                   */
ESTOC_MUST_USE estoc_err estoc_pkcs8_public(estoc_slice pkcs8, estoc_buf spki, size_t *len);
/** The other way. It leaves copies in memory. @return 0; as estoc_key_load, with `why` filled */
ESTOC_MUST_USE estoc_err estoc_key_parse(estoc_slice pkcs8, estoc_key **out, estoc_why *why);
ESTOC_MUST_USE estoc_err estoc_key_spki(const estoc_key *key, estoc_buf out, size_t *len);
estoc_key_kind estoc_key_kind_of(const estoc_key *key);
/** The signature this key makes: P-256 with SHA-256, P-384 with SHA-384, Ed25519, RSA with SHA-256. */
estoc_sig_kind estoc_key_sig(const estoc_key *key);
/** @return 0; ESTOC_E_SPACE; ESTOC_E_CRYPTO */
ESTOC_MUST_USE estoc_err estoc_key_sign(const estoc_key *key, estoc_slice msg, estoc_buf sig,
                                        size_t *sig_len);
/** The same signature over a message of which only the digest is at hand, by the hash of estoc_key_sig.
 *  @return as estoc_key_sign; ESTOC_E_UNSUPPORTED: not of this length, or Ed25519, which has no such    */
ESTOC_MUST_USE estoc_err estoc_key_sign_digest(const estoc_key *key, estoc_slice digest,
                                               estoc_buf sig, size_t *sig_len);
/** estoc_key_sign as the core's callback: ctx is the key, which must outlive the signer. */
estoc_signer estoc_key_signer(estoc_key *key);
/** The library's own object (EVP_PKEY *), borrowed; for src/dtls of the same library. */
void *estoc_key_native(const estoc_key *key);
void estoc_key_free(estoc_key *key);
/** The library's own object (OSSL_LIB_CTX *) for a server's DTLS, where reading certificates and agreeing
 *  on keys cost less: lean.c. Lives as long as the process. @return NULL: the usual one it is, since
 *  providers are configured, or this one cannot be made. Any thread                                  */
void *estoc_crypto_lean(void);

/** ECDSA signatures in DER only, both numbers in range.
 *  @return 0; ESTOC_E_SIGNATURE; ESTOC_E_UNSUPPORTED (does not fit the key); ESTOC_E_KEY (point not on
 *          the curve or of small order, RSA size or exponent out of bounds); ESTOC_E_CRYPTO        */
ESTOC_MUST_USE estoc_err estoc_verify(const estoc_spki *spki, estoc_sig_kind sig_kind,
                                      estoc_slice msg, estoc_slice sig);
ESTOC_MUST_USE estoc_err estoc_sha256(estoc_slice msg, uint8_t out[32]);
#define ESTOC_UNIQUE_MAX      64 /* bytes of a tls-unique */
#define ESTOC_BASE64_LEN(len) (((len) + 2) / 3 * 4 + 1)
/** Base64 in one line, with a NUL. `out` has ESTOC_BASE64_LEN(s.len). @return its length */
size_t estoc_base64(estoc_slice s, char *out);
/** The other way. `out` has 3 bytes for 4 of the text. @return 0; ESTOC_E_MALFORMED; ESTOC_E_SPACE */
ESTOC_MUST_USE estoc_err estoc_base64_decode(const char *text, estoc_buf out, size_t *len);
/** The system's cryptographic random source. */
estoc_random estoc_random_system(void);

/** All CERTIFICATE blocks of a PEM file, in their order (or one DER certificate); other blocks and the
 *  text around them are passed over.
 *  @return 0 and at least one; ESTOC_E_FILE (cannot be read); ESTOC_E_MALFORMED (none, or one that is
 *          none); ESTOC_E_LIMIT; ESTOC_E_MEMORY. `out` is empty then and `why` filled              */
ESTOC_MUST_USE estoc_err estoc_certs_load(const char *path, estoc_blobs *out, estoc_why *why);
/** PEM text of certificates, one after another. */
ESTOC_MUST_USE estoc_err estoc_certs_pem(const estoc_slice *certs, size_t n, estoc_blob *out);
/** A CSR file, PEM or DER, as DER. @return as estoc_certs_load; ESTOC_E_MALFORMED if not just one */
ESTOC_MUST_USE estoc_err estoc_csr_load(const char *path, estoc_blob *out, estoc_why *why);
ESTOC_MUST_USE estoc_err estoc_csr_pem(estoc_slice der, estoc_blob *out);

/** What a revocation list says of itself.                                  RFC 5280 section 5.1 */
typedef struct estoc_crl_head {
    estoc_slice issuer; /* Name, whole */
    estoc_slice key_id; /* of the issuer's key (authorityKeyIdentifier), or empty */
    int64_t at, next;   /* thisUpdate, nextUpdate; 0: it has none */
} estoc_crl_head;
/** @param[out] head  points into `der`; zeroed on failure
 *  @return 0; ESTOC_E_TRUNCATED; ESTOC_E_MALFORMED; ESTOC_E_TRAILING. Entries are not looked at     */
ESTOC_MUST_USE estoc_err estoc_crl_read(estoc_slice der, estoc_crl_head *head);
/** Whether a CA's certificate lets its key sign them: cRLSign, or no key usage at all. */
bool estoc_cert_signs_crls(estoc_slice der);
/** The lists of a file, PEM (each "X509 CRL") or one in DER. @return as estoc_certs_load */
ESTOC_MUST_USE estoc_err estoc_crls_load(const char *path, estoc_blobs *out, estoc_why *why);
ESTOC_MUST_USE estoc_err estoc_crl_pem(estoc_slice der, estoc_blob *out);

/** What `openssl x509 -text` would print. @return 0; ESTOC_E_MALFORMED; ESTOC_E_CRYPTO; ESTOC_E_MEMORY */
ESTOC_MUST_USE estoc_err estoc_cert_text(estoc_slice der, estoc_blob *out);

typedef enum estoc_purpose {
    ESTOC_PURPOSE_ANY,
    ESTOC_PURPOSE_SERVER,
    ESTOC_PURPOSE_CLIENT
} estoc_purpose;
/** Whether `leaf` leads through `chain` to one of `anchors` at time `at` (seconds since 1970; 0 fails
 *  closed). Each certificate in `anchors` is trusted by itself, a root or not. Nothing weaker than 112
 *  bits of security in the chain (an anchor's own signature is not looked at), no EC key but on
 *  P-256 and P-384 by name. For a purpose, extended and plain key usage must allow it.
 *  Not checked: revocation. `chain` may be NULL.
 *  @return 0; ESTOC_E_UNTRUSTED with `why` filled                                                  */
ESTOC_MUST_USE estoc_err estoc_chain_verify(estoc_slice leaf, const estoc_blobs *chain,
                                            const estoc_blobs *anchors, estoc_purpose purpose,
                                            int64_t at, estoc_why *why);
/** Whether `leaf` names this DNS name or IP address in its subjectAltName. A wildcard is a whole
 *  left-most label; the subject is not looked at.                       RFC 6125 section 6.4 */
bool estoc_cert_names_host(estoc_slice leaf, const char *host);

/** Certs-only CMS as servers write it, in BER perhaps, with an empty content, or signed: as we write it, its
 *  certificates alone. Untrusted; at most 64 certificates.
 *  @param out  may be where `cms` is
 *  @return 0; ESTOC_E_MALFORMED (also if it has no certificate); ESTOC_E_LIMIT; ESTOC_E_SPACE; ESTOC_E_MEMORY */
ESTOC_MUST_USE estoc_err estoc_certs_normalise(estoc_slice cms, estoc_buf out, size_t *len);

#endif
