/* SPDX-License-Identifier: MIT
 *
 * The registrar: an authority that checks who asks for what, and has EST servers over HTTPS issue
 * (G1 to G3). What they issued is kept, so that a device that asks again gets the same.
 */
#ifndef ESTOC_REGISTRAR_H
#define ESTOC_REGISTRAR_H

#include "authority.h"
#include "ca.h"
#include "upstream.h"

/** Where the keys come from that devices ask for (/skg, /skc). */
typedef enum estoc_keygen {
    ESTOC_KEYGEN_NO,
    ESTOC_KEYGEN_HERE,
    ESTOC_KEYGEN_UPSTREAM
} estoc_keygen;

/** A profile, and what is behind it. */
typedef struct estoc_errand {
    estoc_profile
        profile; /* of it: name, keys, names, change_subject, pop, attributes, contents.purposes */
    size_t upstream; /* index into the services */
    char label[32];  /* upstream; "" for none */
    estoc_keygen keygen;
    bool reenroll; /* /sren goes to simplereenroll; else to simpleenroll */
} estoc_errand;

typedef struct estoc_registrar_cfg {
    const char *store_url;
    const char *node;
    const estoc_upstream *upstreams; /* what they point to must outlive it */
    size_t upstreams_n;
    const estoc_errand *errands; /* copied; the default profile first */
    size_t errands_n;
    estoc_cms_from keygen_signer;          /* as in estoc_ca_cfg */
    const estoc_shared_keys *decrypt_keys; /* likewise */
    uint32_t connections_max, queue_max;
    uint32_t patience_s; /* after which a device is told to come again, while the call goes on */
    uint32_t refresh_s;  /* /crts and /att are asked for again, unless the upstream says when */
    uint32_t retry_window_s; /* E6 */
    uint32_t pending_keep_s; /* what waits upstream is forgotten so long after it was asked for */
    /* The anchors or attributes are others than when it was opened: to be opened anew. From its thread,
     * at most once; may be NULL */
    void (*news)(void *ctx);
    void *news_ctx;
} estoc_registrar_cfg;

/** Opens the store, reads what it has of anchors and attributes, asks the upstreams for the rest (and
 *  waits some seconds for it, no more), starts the threads. An upstream that is away is no failure.
 *  @return 0; ESTOC_E_CONFIG, ESTOC_E_MEMORY, ESTOC_E_SYSTEM, or what the store returns; `why` is filled */
ESTOC_MUST_USE estoc_err estoc_registrar_open(const estoc_registrar_cfg *cfg, estoc_authority **out,
                                              estoc_why *why);

#endif
