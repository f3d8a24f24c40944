/* SPDX-License-Identifier: MIT
 *
 * What the two files about private keys share: key.c, and key_token.c for those in a token.
 */
#ifndef ESTOC_KEY_PARTS_H
#define ESTOC_KEY_PARTS_H

#include <openssl/evp.h>

#include "crypto.h"

struct estoc_key {
    EVP_PKEY *native; /* NULL: in a token that is away */
    estoc_key_kind kind;
    struct estoc_key_token *token; /* else NULL */
    size_t spki_len;
    uint8_t spki[ESTOC_SPKI_MAX];
};

/** Take a reference of its own, and see that both halves fit; `path` is what it is called.
 *  @return 0; ESTOC_E_KEY; ESTOC_E_MEMORY; with `why` filled. `out` may be a key all the same         */
ESTOC_MUST_USE estoc_err estoc_key_take_native(const char *path, EVP_PKEY *native, estoc_key **out,
                                               estoc_why *why);
ESTOC_MUST_USE estoc_err estoc_key_sign_native(const estoc_key *key, estoc_slice msg, estoc_buf sig,
                                               size_t *sig_len);

/** Find the key of a URI. @return as estoc_key_load */
ESTOC_MUST_USE estoc_err estoc_key_take_token(const char *uri, estoc_key **out, estoc_why *why);
const char *estoc_key_uri(const estoc_key *key);
/** Sign with it. If that fails it is looked for again, at most once a second. */
ESTOC_MUST_USE estoc_err estoc_key_sign_token(const estoc_key *key, estoc_slice msg, estoc_buf sig,
                                              size_t *sig_len);
/** Give back what such a key has besides. */
void estoc_key_free_token(estoc_key *key);

#endif
