/* SPDX-License-Identifier: MIT
 *
 * How the upstreams do, as a node sees it, brought to the store for `estocd stats`.
 */
#ifndef ESTOC_STATES_H
#define ESTOC_STATES_H

#include "relay.h"
#include "upstream.h"

/** @param all          also where nothing is new, and forget servers that there are no more
 *  @param[in,out] noted  how many calls there were at the last note
 *  @return 0; ESTOC_E_STORE; ESTOC_E_MEMORY                                                        */
ESTOC_MUST_USE estoc_err estoc_states_note(estoc_upstreams *u, estoc_store *store, const char *node,
                                           bool all, uint64_t *noted);

#endif
