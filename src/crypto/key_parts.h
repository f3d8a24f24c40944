/* SPDX-License-Identifier: MIT
 *
 * What the files about private keys share: key.c, and key_token.c and key_wrap.c for those in a token.
 */
#ifndef ESTOC_KEY_PARTS_H
#define ESTOC_KEY_PARTS_H

#include <openssl/evp.h>

#include "crypto.h"

struct estoc_key {
    EVP_PKEY *native; /* of one in a token: what estoc_key_wrap made */
    estoc_key_kind kind;
    struct estoc_key_token *token; /* else NULL */
    size_t spki_len;
    uint8_t spki[ESTOC_SPKI_MAX];
};

/** Take a reference of its own, and see that both halves fit; `path` is what it is called.
 *  @return 0; ESTOC_E_KEY; ESTOC_E_MEMORY; with `why` filled. `out` may be a key all the same         */
ESTOC_MUST_USE estoc_err estoc_key_take_native(const char *path, EVP_PKEY *native, estoc_key **out,
                                               estoc_why *why);

/** Find the key of a URI. @return as estoc_key_load */
ESTOC_MUST_USE estoc_err estoc_key_take_token(const char *uri, estoc_key **out, estoc_why *why);
const char *estoc_key_uri(const estoc_key *key);

/* key_token.c, for key_wrap.c and key.c */
struct estoc_key_token *estoc_key_token_hold(struct estoc_key_token *t);
void estoc_key_token_release(struct estoc_key_token *t);
/** Do something with what the engine has found. If that fails, or it is not there, it is looked for again,
 *  at most once a second, and it is done again. Any thread.
 *  @return whether it was done                                                                     */
bool estoc_key_token_use(struct estoc_key_token *t, bool (*use)(void *ctx, EVP_PKEY *real),
                         void *ctx);

/** The public half of `real`, with private operations by estoc_key_token_use. Holds `t`.
 *  @return NULL: no memory, or of a kind that engines do not have                                    */
EVP_PKEY *estoc_key_wrap(EVP_PKEY *real, struct estoc_key_token *t);

#endif
