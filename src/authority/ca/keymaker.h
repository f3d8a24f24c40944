/* SPDX-License-Identifier: MIT
 *
 * Private keys made for devices (E5). They are wiped wherever they have been.
 */
#ifndef ESTOC_KEYMAKER_H
#define ESTOC_KEYMAKER_H

#include "policy.h"

/** Whom a key is encrypted to. */
typedef struct estoc_key_reader {
    bool covered; /* false: it travels as it is */
    estoc_cms_to to;
    estoc_blob cert; /* what `to` points to, if it is from the store */
} estoc_key_reader;

/** Where to look for the key that a request names. */
typedef struct estoc_key_search {
    const estoc_key_wish *wish;
    const estoc_cms_from *signer;
    const estoc_shared_keys *keys;
    const estoc_cert *client; /* of the association; and what was issued to it, in the store */
    estoc_store *store;
    const uint8_t *identity;
    int64_t now;
} estoc_key_search;

/** Find it, and algorithms that the request can read.
 *  @return 0; ESTOC_E_KEY with `why` filled (unknown, not to be encrypted to, no algorithm in common);
 *          ESTOC_E_STORE; ESTOC_E_MEMORY. Nothing is held on failure                                 */
ESTOC_MUST_USE estoc_err estoc_key_reader_find(const estoc_key_search *s, estoc_key_reader *reader,
                                               estoc_ruling *why);
void estoc_key_reader_free(estoc_key_reader *reader);

/** Make a key. @param bits  of an RSA key @return 0; ESTOC_E_MEMORY; ESTOC_E_CRYPTO */
ESTOC_MUST_USE estoc_err estoc_key_make(estoc_key_kind kind, uint32_t bits, estoc_key **out);
/** Encode one for its journey. The caller frees both.
 *  @param[out] spki  its SubjectPublicKeyInfo
 *  @param[out] body  the private key in this format
 *  @return 0; ESTOC_E_MEMORY; ESTOC_E_CRYPTO; ESTOC_E_UNSUPPORTED (the signer). Both are empty then  */
ESTOC_MUST_USE estoc_err estoc_key_pack(const estoc_key *key, const estoc_key_reader *reader,
                                        const estoc_cms_from *signer, estoc_blob *spki,
                                        estoc_blob *body, uint16_t *format);

#endif
