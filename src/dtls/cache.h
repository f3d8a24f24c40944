/* SPDX-License-Identifier: MIT
 *
 * Sessions that may be resumed, by their ID: shared by all threads of a server, bounded in number and
 * in time. The oldest makes room for the newest.
 */
#ifndef ESTOC_DTLS_CACHE_H
#define ESTOC_DTLS_CACHE_H

#include "sys.h"

#define ESTOC_SESSION_ID_LEN 16
#define ESTOC_SESSION_MAX    2048 /* bytes of the largest session kept */

typedef struct estoc_dtls_cache estoc_dtls_cache;

/** @param most  sessions kept, 1 and more. NULL: no memory */
estoc_dtls_cache *estoc_dtls_cache_new(size_t most);
void estoc_dtls_cache_free(estoc_dtls_cache *c);
/** Keep a copy of a session's bytes until that time (seconds since 1970). What had
 *  this ID before is gone.
 *  @return whether it is kept: there was memory, and it is not too large                           */
bool estoc_dtls_cache_put(estoc_dtls_cache *c, const uint8_t id[ESTOC_SESSION_ID_LEN],
                          estoc_slice session, int64_t now, int64_t until);
/** @param[out] out  ESTOC_SESSION_MAX bytes; a secret  @param[out] len  0: not there, or over */
void estoc_dtls_cache_get(estoc_dtls_cache *c, const uint8_t id[ESTOC_SESSION_ID_LEN], int64_t now,
                          uint8_t *out, size_t *len);
void estoc_dtls_cache_remove(estoc_dtls_cache *c, const uint8_t id[ESTOC_SESSION_ID_LEN]);

#endif
