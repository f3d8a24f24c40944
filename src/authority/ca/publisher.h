/* SPDX-License-Identifier: MIT
 *
 * Keeps the CA's revocation list up to date: a thread of its own makes a new one soon after a
 * revocation, and at half of the time that the last one is good for. HC 237
 */
#ifndef ESTOC_PUBLISHER_H
#define ESTOC_PUBLISHER_H

#include "crypto.h"
#include "store.h"

typedef struct estoc_publisher estoc_publisher;

/** All but the numbers must outlive the publisher. */
typedef struct estoc_publisher_cfg {
    const char *store_url;
    const estoc_blobs *chain; /* the CA's own certificate first */
    const estoc_key *key;
    uint32_t good_s;  /* from thisUpdate to nextUpdate */
    const char *file; /* where each list is written (estoc_crl_write); "" or NULL: nowhere */
    /** Each list that comes into force, once; on the publisher's thread, or within
     *  estoc_publisher_open; NULL: nobody asks                                                     */
    void (*published)(void *ctx, const estoc_crl_record *crl);
    void *ctx;
} estoc_publisher_cfg;

/** The list that is in force now is published before it returns, if that can be: the thread tries again
 *  what could not.
 *  @return 0; ESTOC_E_CONFIG (no certificate that may sign lists), ESTOC_E_SYSTEM with `why` filled;
 *          ESTOC_E_MEMORY                                                                          */
ESTOC_MUST_USE estoc_err estoc_publisher_open(const estoc_publisher_cfg *cfg, estoc_publisher **out,
                                              estoc_why *why);
/** Ends soon, also in the middle of a list. NULL is taken. */
void estoc_publisher_close(estoc_publisher *p);

#endif
