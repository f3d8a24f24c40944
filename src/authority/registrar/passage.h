/* SPDX-License-Identifier: MIT
 *
 * Where the registrar keeps its books, in rounds. Used by one thread. A request is in the store before
 * it is sent, and what came back before it is told: so no two are sent for the same, at any node, and
 * what a device could not take is there when it comes again (L2, E6; rows 261, 262).
 */
#ifndef ESTOC_PASSAGE_H
#define ESTOC_PASSAGE_H

#include "parcel.h"

typedef struct estoc_passage {
    const char *store_url, *node;
    estoc_cms_from keygen_signer;
    const estoc_shared_keys *decrypt_keys;
    uint32_t retry_window_s, patience_s;
    uint32_t stale_s; /* after which one that was sent by somebody else is not under way any more */
    estoc_store *store; /* NULL: failed, to be opened again */
    /* between the rounds */
    estoc_parcels away;   /* upstream */
    estoc_parcels behind; /* wait for one of those, which is the same */
    estoc_parcels
        unsaved; /* came back, and the store could not take it: their devices have been told */
    estoc_ms failed_at; /* when the store was last tried in vain; 0: it is there */
    int64_t now;        /* of the round in hand */
} estoc_passage;

/** Take a round.
 *  @param[in,out] fresh  examined ones
 *  @param[in] returned   those of `away` that have a reply, through `back`
 *  @param[out] answered  to be told to their devices now, unless they are `answered`, and freed
 *  @param[out] leaving   to be sent: they are in `away` already; room for as many as there are in `fresh`
 *                        and `behind`                                                               */
void estoc_passage_round(estoc_passage *d, estoc_parcels *fresh, estoc_parcel *returned,
                         estoc_parcels *answered, estoc_parcel **leaving, size_t *leaving_n);
/** Those that have waited long enough are to come again.
 *  @param[in] tell       called for those that stay upstream
 *  @param[out] answered  the others, as above                                                       */
void estoc_passage_lose_patience(estoc_passage *d, estoc_ms now, void (*tell)(estoc_parcel *p),
                                 estoc_parcels *answered);
/** When the next one will have. @return ESTOC_NEVER: none */
estoc_ms estoc_passage_deadline(const estoc_passage *d);
/** Open the store again if it has failed. @return whether it is there */
bool estoc_passage_has_store(estoc_passage *d);
/** Close it: it has failed. */
void estoc_passage_drop_store(estoc_passage *d);

#endif
