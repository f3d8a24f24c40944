/* SPDX-License-Identifier: MIT
 *
 * Where a profile leaves the decision to a person: requests that wait for it are kept in the store,
 * so that they outlive the server, and the device asks again until there is one (L2).
 */
#ifndef ESTOC_APPROVAL_H
#define ESTOC_APPROVAL_H

#include "advice.h"
#include "policy.h"

/** What came of it. */
typedef struct estoc_approval {
    bool ask;         /* with ESTOC_E_LATER: a program is to be asked first; nothing is kept */
    int64_t id;       /* of the request that waits, or waited; 0: it was not taken */
    bool asked;       /* it is new */
    uint32_t retry_s; /* with ESTOC_E_LATER, _QUOTA and _BUSY */
    estoc_blob cert;  /* what was issued for it before; the caller frees it */
} estoc_approval;

/** Look for the decision about a request, and keep the request if there is none of its kind yet: the
 *  same bytes, from the same identity, for the same profile and operation (181). Where a program is to
 *  decide, its word is taken for a request about which no person has decided: yes is an approval, no is
 *  good for this time, and otherwise the request is kept for a person. To be called within a
 *  transaction, whose commit makes it last.
 *  @param[in]  rec     identity, profile, subject and digest of the request
 *  @param[in]  advice  what the program said; `why` may point into it
 *  @return 0: approved (with `cert`: and issued already); ESTOC_E_LATER (not decided yet);
 *          ESTOC_E_FORBIDDEN (rejected); ESTOC_E_QUOTA, ESTOC_E_BUSY (too many of this client, or
 *          of all, wait); ESTOC_E_STORE;
 *          ESTOC_E_MEMORY; with an error other than the last two, `why` is filled                  */
ESTOC_MUST_USE estoc_err estoc_approval_consult(const estoc_petition *p, estoc_store *store,
                                                const estoc_pending_rules *rules,
                                                const estoc_record *rec, int64_t now,
                                                const estoc_advice *advice, estoc_approval *out,
                                                estoc_ruling *why);

#endif
