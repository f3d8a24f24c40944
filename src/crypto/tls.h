/* SPDX-License-Identifier: MIT
 *
 * What a client of TLS shows, and whom it trusts, for libraries that make their own SSL_CTX (libcurl).
 */
#ifndef ESTOC_TLS_H
#define ESTOC_TLS_H

#include "crypto.h"

typedef struct estoc_tls_client estoc_tls_client;

/** Parse all of it once.
 *  @param chain    our certificate first, or empty: none is shown
 *  @param key      its key, in a file or a token; must outlive the object; NULL with an empty chain
 *  @param anchors  at least one; each is trusted by itself, a root or not, and nobody else is
 *  @return 0; ESTOC_E_USAGE (no anchors); ESTOC_E_MALFORMED; ESTOC_E_KEY (does not fit the
 *          certificate); ESTOC_E_CRYPTO; ESTOC_E_MEMORY. `why` is filled                            */
ESTOC_MUST_USE estoc_err estoc_tls_client_new(const estoc_blobs *chain, const estoc_key *key,
                                              const estoc_blobs *anchors, estoc_tls_client **out,
                                              estoc_why *why);
/** Into a context that no connection was made of yet: credential, anchors in place of all that were there,
 *  the rules of estoc_chain_verify for servers, TLS 1.2 and 1.3, plaintext wiped once it was read.
 *  Not set: whether and by which name the peer is checked; the library around it does that.
 *  @param ssl_ctx  an SSL_CTX *
 *  @return 0; ESTOC_E_KEY (its token is away); ESTOC_E_CRYPTO                                      */
ESTOC_MUST_USE estoc_err estoc_tls_client_apply(const estoc_tls_client *t, void *ssl_ctx);
/** NULL is taken. */
void estoc_tls_client_free(estoc_tls_client *t);

#endif
