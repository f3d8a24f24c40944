/* SPDX-License-Identifier: MIT
 *
 * What an audit log has and a store has forgotten, put into the store.
 */
#ifndef ESTOC_REPLAY_H
#define ESTOC_REPLAY_H

#include "audit.h"
#include "store.h"

typedef struct estoc_replay {
    estoc_store *store;                   /* in a transaction */
    uint64_t issued, revoked;             /* put in */
    uint64_t issued_there, revoked_there; /* were in it */
    uint64_t unknown;                     /* revocations of certificates that are in neither */
    uint64_t decided;                     /* by a person, about a request: to be done again */
    int64_t policy;                       /* the last version that was looked for */
    bool has_policy;
} estoc_replay;

/** One line; what the store has already stays as it is.
 *  @return 0; ESTOC_E_NOT_FOUND (a revocation of an unknown certificate, which is counted);
 *          ESTOC_E_MALFORMED (a certificate that cannot be read, or is not the one the line is about);
 *          ESTOC_E_STORE; ESTOC_E_MEMORY; ESTOC_E_CRYPTO                                            */
ESTOC_MUST_USE estoc_err estoc_replay_entry(estoc_replay *r, const estoc_audit_entry *e);

#endif
