/* SPDX-License-Identifier: MIT
 *
 * What the upstreams serve to all: their certificates and CSR attributes, kept in the store and asked for
 * again now and then (G3). Used by the registrar's thread, except where it says otherwise. Those that
 * were there when it was opened do not change; that others have come is news.
 */
#ifndef ESTOC_DOCUMENTS_H
#define ESTOC_DOCUMENTS_H

#include "registrar.h"
#include "relay.h"

typedef struct estoc_documents estoc_documents;

/** Begin to ask for what the store does not have. `upstreams` and what the configuration points to
 *  outlive it.
 *  @param store   the caller's; used in the calls that have it
 *  @param signal  a reply has come: from another thread
 *  @param[out] out  also after a failure, to be closed; or NULL
 *  @return 0; ESTOC_E_MEMORY; ESTOC_E_STORE                                                         */
ESTOC_MUST_USE estoc_err estoc_documents_open(const estoc_registrar_cfg *cfg,
                                              estoc_upstreams *upstreams, estoc_store *store,
                                              void (*signal)(void *ctx), void *ctx,
                                              estoc_documents **out);
/** Whether nothing is missing that has not at least been asked for in vain. Any thread. */
bool estoc_documents_ready(estoc_documents *d);
/** Take in what has come, for those that read it from now on: before anybody does. */
void estoc_documents_settle(estoc_documents *d, estoc_store *store);
/** Take in what has come since; ask for what is due.
 *  @return whether something is not as it was when settled                                          */
bool estoc_documents_tick(estoc_documents *d, estoc_store *store, estoc_ms now);
/** When to call that again at the latest. */
estoc_ms estoc_documents_deadline(const estoc_documents *d);
/** As settled, root first (E2); empty: not known. Any thread. */
const estoc_blobs *estoc_documents_anchors(const estoc_documents *d, size_t errand);
/** As settled; empty: none, or not known. Any thread. */
estoc_slice estoc_documents_attributes(const estoc_documents *d, size_t errand);
/** Whether it is not known, as settled, and what to tell then. Any thread. */
bool estoc_documents_lack(estoc_documents *d, size_t errand, estoc_op op, estoc_verdict *v);
/** After the upstreams are closed. NULL is taken. */
void estoc_documents_close(estoc_documents *d);

#endif
