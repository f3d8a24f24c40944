/* SPDX-License-Identifier: MIT
 *
 * What the nodes on one store tell each other, on a thread of its own: sessions that devices may resume
 * at any of them (D8), and that other profiles were published. No worker waits for the store; while it
 * is away each node goes on with what it has.
 */
#ifndef ESTOC_NODES_H
#define ESTOC_NODES_H

#include "config.h"
#include "dtls.h"
#include "store.h"

typedef struct estoc_nodes estoc_nodes;

typedef struct estoc_nodes_cfg {
    const char *store_url; /* copied, like `node` */
    const char *node;
    estoc_dtls_cache *sessions; /* must outlive it; it has room for `sessions_max` */
    size_t sessions_max;
    uint32_t claim_ms; /* wait so long for one of that name to be found dead; 0: half a minute */
    /* Other profiles are published than those that were last followed: on its thread, once for each
     * version */
    void (*published)(void *ctx, int64_t version);
    void *ctx;
} estoc_nodes_cfg;

/** Be this node. On a store for several: the only one of that name, with the cookies of all, which
 *  whoever comes first makes. Nothing is told so far.
 *  @return 0; ESTOC_E_BUSY (there is one of that name); what opening the store returns;
 *          ESTOC_E_STORE; ESTOC_E_RANDOM; ESTOC_E_MEMORY; `why` is filled                            */
ESTOC_MUST_USE estoc_err estoc_nodes_new(const estoc_nodes_cfg *cfg, estoc_nodes **out,
                                         estoc_why *why);
/** They live as long as `n`. NULL: this node has its store for itself */
const estoc_dtls_cookies *estoc_nodes_cookies(const estoc_nodes *n);
/** Start the thread. @return 0; ESTOC_E_SYSTEM */
ESTOC_MUST_USE estoc_err estoc_nodes_start(estoc_nodes *n);
/** Any thread. @param version  of the published profiles that are served; 0: of none */
void estoc_nodes_follow(estoc_nodes *n, int64_t version);
/** Gives the others what it still has to give, if the store is there. */
void estoc_nodes_free(estoc_nodes *n);

#endif
