/* SPDX-License-Identifier: MIT
 *
 * Sessions that may be resumed, by their ID: shared by all threads of a process, bounded in number and
 * in time. The oldest makes room for the newest. Those made here can be taken out, for other nodes;
 * and theirs put in.
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
/** Keep a copy of the bytes of a session made here until that time (seconds since 1970). What had
 *  this ID before is gone.
 *  @return whether it is kept: there was memory, and it is not too large                           */
bool estoc_dtls_cache_put(estoc_dtls_cache *c, const uint8_t id[ESTOC_SESSION_ID_LEN],
                          estoc_slice session, int64_t now, int64_t until);
/** @param[out] out  ESTOC_SESSION_MAX bytes; a secret  @param[out] len  0: not there, or over */
void estoc_dtls_cache_get(estoc_dtls_cache *c, const uint8_t id[ESTOC_SESSION_ID_LEN], int64_t now,
                          uint8_t *out, size_t *len);
/** It stays removed, whoever adds it again, and the other nodes are told. */
void estoc_dtls_cache_remove(estoc_dtls_cache *c, const uint8_t id[ESTOC_SESSION_ID_LEN]);

/** As estoc_dtls_cache_put, of a session made at another node. An empty one has been removed there, and
 *  is here.
 *  @return false also if there is, or has just been, one of this ID                                */
bool estoc_dtls_cache_add(estoc_dtls_cache *c, const uint8_t id[ESTOC_SESSION_ID_LEN],
                          estoc_slice session, int64_t now, int64_t until);
/** A session for the other nodes. */
typedef struct estoc_dtls_made {
    uint8_t id[ESTOC_SESSION_ID_LEN];
    int64_t until;
    estoc_blob session; /* the caller frees; a secret; empty: it was removed */
} estoc_dtls_made;
/** The oldest of those made here that was not taken before: once each, in their order. Those that had
 *  to make room meanwhile are left out. Then those removed.
 *  @return false: none so far, or there is no memory                                               */
bool estoc_dtls_cache_take(estoc_dtls_cache *c, int64_t now, estoc_dtls_made *out);

/** Who brings what other nodes have made is told when there is something to be taken, and when somebody
 *  asks: on any thread, with the cache locked.                                                     */
void estoc_dtls_cache_watch(estoc_dtls_cache *c, void (*tell)(void *ctx), void *ctx);
/** After it returns `ctx` is not told any more. */
void estoc_dtls_cache_unwatch(estoc_dtls_cache *c, const void *ctx);
/** A client names a session that another node may have made a moment ago.
 *  @return the number of this question; 0: it is here, or was, or nobody watches                   */
uint64_t estoc_dtls_cache_ask(estoc_dtls_cache *c, const uint8_t id[ESTOC_SESSION_ID_LEN],
                              int64_t now);
/** Whether it has come, or all is here that there was anywhere when this question was asked. */
bool estoc_dtls_cache_answered(estoc_dtls_cache *c, const uint8_t id[ESTOC_SESSION_ID_LEN],
                               uint64_t question);
/** For who watches: the number of the last question. Then, once all is here that is to be had: */
uint64_t estoc_dtls_cache_questions(estoc_dtls_cache *c);
void estoc_dtls_cache_answer(estoc_dtls_cache *c, uint64_t question);

#endif
