/* SPDX-License-Identifier: MIT
 *
 * Private keys encrypted by a passphrase.                                   RFC 5958 section 3, RFC 8018
 */
#ifndef ESTOC_SEALED_H
#define ESTOC_SEALED_H

#include <openssl/bio.h>
#include <openssl/evp.h>

#include "crypto.h"

#define ESTOC_SEALED_ANEW \
    "write it anew with `openssl pkcs8 -topk8`, or decrypt it with `openssl pkey`"

/** An EncryptedPrivateKeyInfo in DER, by PBES2.
 *  @param path    for `why`
 *  @param source  of the passphrase
 *  @return 0 and a reference; ESTOC_E_KEY; what the source returns; with `why` filled               */
ESTOC_MUST_USE estoc_err estoc_sealed_open(const char *path, const uint8_t *der, long len,
                                           const char *source, EVP_PKEY **out, estoc_why *why);
/** As PEM: PBES2 with AES-256 and PBKDF2. @return 0; ESTOC_E_CRYPTO */
ESTOC_MUST_USE estoc_err estoc_sealed_write(BIO *out, const estoc_key *key,
                                            const estoc_passphrase *p);

#endif
