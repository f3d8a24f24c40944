/* SPDX-License-Identifier: MIT
 *
 * Private keys that travel encrypted: PKCS#8 in an AsymmetricKeyPackage, signed by who made the key,
 * encrypted to an AES key that both sides have or to the key of a certificate. OpenSSL.
 * RFC 7030 section 4.4.2, RFC 5958 section 4, RFC 5652, RFC 5753.
 */
#ifndef ESTOC_CMS_H
#define ESTOC_CMS_H

#include <estoc/keygen.h>

#include "crypto.h"

/** An AES key that both sides have, and its name. */
typedef struct estoc_shared_key {
    uint8_t id[ESTOC_KEYGEN_ID_MAX];
    size_t id_len;
    uint8_t key[32];
    size_t key_len; /* 16 or 32 */
} estoc_shared_key;

typedef struct estoc_shared_keys {
    estoc_shared_key *at;
    size_t n;
} estoc_shared_keys;

/** A file of lines IDENTIFIER KEY, both in hexadecimal; blank lines, and those that begin with #, are
 *  passed over. It must be its owner's alone (0600).
 *  @return 0 and at least one; ESTOC_E_FILE; ESTOC_E_CONFIG; ESTOC_E_LIMIT; ESTOC_E_MEMORY. `out` is
 *          empty then, and `why` filled                                                            */
ESTOC_MUST_USE estoc_err estoc_shared_keys_load(const char *path, estoc_shared_keys *out,
                                                estoc_why *why);
/** @return NULL if none has this name */
const estoc_shared_key *estoc_shared_key_find(const estoc_shared_keys *keys, estoc_slice id);
/** Wipes them. */
void estoc_shared_keys_free(estoc_shared_keys *keys);

/** How to encrypt to a certificate. */
typedef enum estoc_cms_way {
    ESTOC_CMS_NO_WAY,    /* a key that only signs, or whose usage excludes it */
    ESTOC_CMS_AGREEMENT, /* ECDH (P-256, P-384): X9.63 with SHA-256, and AES key wrap */
    ESTOC_CMS_TRANSPORT  /* RSA-OAEP with SHA-256 */
} estoc_cms_way;
/** By kind of key and key usage, which must name it or be absent.     RFC 7030 section 4.4.1.2 */
estoc_cms_way estoc_cms_way_to(estoc_slice cert);

/** Who signs. */
typedef struct estoc_cms_from {
    const estoc_key *key;     /* not Ed25519 */
    const estoc_blobs *chain; /* its certificate, then those between it and a root: sent along */
} estoc_cms_from;
/** Whom it is for: one of the two. */
typedef struct estoc_cms_to {
    const estoc_shared_key *shared;
    estoc_slice cert; /* DER, with a subjectKeyIdentifier: it is named by that */
    bool aes256; /* AES-256-CBC; else AES-128-CBC. With ECDH the wrapping key has as many bits */
} estoc_cms_to;
/** @return 0 and the CMS, which the caller frees; ESTOC_E_KEY (no way to this certificate);
 *          ESTOC_E_UNSUPPORTED (the signer's key); ESTOC_E_CRYPTO; ESTOC_E_MEMORY                  */
ESTOC_MUST_USE estoc_err estoc_cms_seal(estoc_slice pkcs8, const estoc_cms_from *from,
                                        const estoc_cms_to *to, estoc_blob *out);

/** What opens it: one of the two. */
typedef struct estoc_cms_opener {
    const estoc_shared_key *shared;
    const estoc_key *key;
    estoc_slice cert; /* of `key` */
} estoc_cms_opener;
/** Decrypt, and verify the signature by the certificate that came along.
 *  @param[out] pkcs8   the one key in it; the caller frees
 *  @param[out] signer  the certificate that signed, then the others that came along: whether it may is
 *                      the caller's to judge, and it frees them
 *  @return 0; ESTOC_E_MALFORMED; ESTOC_E_KEY (not for this key); ESTOC_E_SIGNATURE; ESTOC_E_MEMORY.
 *          Both are empty then                                                                     */
ESTOC_MUST_USE estoc_err estoc_cms_open(estoc_slice cms, const estoc_cms_opener *with,
                                        estoc_blob *pkcs8, estoc_blobs *signer);

#endif
