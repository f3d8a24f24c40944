/* SPDX-License-Identifier: MIT
 *
 * What the registrar must not lose: requests that went upstream, the certificates that came back, the
 * documents of the upstreams, and how these do. In the same store as all else (store.h).
 */
#ifndef ESTOC_RELAY_H
#define ESTOC_RELAY_H

#include "store.h"

/** How far a request has come. */
typedef enum estoc_relay_state {
    ESTOC_RELAY_SENT = 0,    /* on its way: what comes of it is not known yet */
    ESTOC_RELAY_WAITING = 1, /* the upstream has it and will decide: 202 (L2) */
    ESTOC_RELAY_ISSUED = 2,
    ESTOC_RELAY_LOST = 3 /* sent, but no answer came: the upstream may have issued */
} estoc_relay_state;

/** A request passed on. Identity, profile, request and operation are its name: no two are alike in all
 *  four, but for certificates issued earlier, which only estoc_relay_each and estoc_relay_count still
 *  know. Texts and slices live until the call that gave them ends.                                  */
typedef struct estoc_relay {
    int64_t id;                    /* for people, never used again; only estoc_relay_each says it */
    uint8_t identity[32], csr[32]; /* as in a record */
    const char *profile, *op;      /* "sen": the resource */
    estoc_relay_state state;
    const char *subject;
    const char *upstream; /* URL of the server that was asked last; "": none so far; given to
                                         a call: as it was */
    const char *node;     /* that passed it on */
    int64_t asked_at, changed_at;     /* first; last */
    int64_t retry_at;                 /* WAITING: not to be asked again before */
    uint8_t serial[ESTOC_SERIAL_MAX]; /* ISSUED, and the rest of it */
    size_t serial_len;
    int64_t not_before, not_after;
    estoc_slice cert; /* DER */
} estoc_relay;

/** What is known of one. */
typedef struct estoc_relay_question {
    const uint8_t *identity, *csr; /* its name */
    const char *profile, *op;
    bool found; /* the answer, and what follows */
    estoc_relay_state state;
    char upstream[256], node[64];
    int64_t asked_at, changed_at, retry_at, not_after;
    estoc_blob cert; /* freed with estoc_relay_question_free */
} estoc_relay_question;
/** Answer all: few round trips, however many. @return 0; ESTOC_E_STORE; ESTOC_E_MEMORY: each is to be
 *  freed in any case                                                                               */
ESTOC_MUST_USE estoc_err estoc_relay_ask(estoc_store *s, estoc_relay_question *q, size_t n);
void estoc_relay_question_free(estoc_relay_question *q);

/** A request about to be sent. */
typedef struct estoc_relay_claim {
    const estoc_relay *relay; /* as it is to stand: SENT */
    bool
        taken; /* the answer; false: another is at it, or was faster. Not taken is what stands there as
                   SENT since `stale` or later, or as ISSUED since `since` or later and not over */
} estoc_relay_claim;
/** `asked_at` of what stands there already stays, but for a certificate issued before `since`, or over at
 *  `changed_at` of the claim: that stays beside the new request. @return 0; ESTOC_E_STORE; ESTOC_E_MEMORY                                */
ESTOC_MUST_USE estoc_err estoc_relay_claim_all(estoc_store *s, estoc_relay_claim *list, size_t n,
                                               int64_t stale, int64_t since);
/** Note what came of them: state, upstream, times, certificate; by name. One that is not there (it took
 *  so long) is put there. `asked_at` stays. What has become ISSUED meanwhile, or SENT by another node,
 *  stays so, unless this is ISSUED; of two certificates for the same request both stay.
 *  @return 0; ESTOC_E_STORE; ESTOC_E_MEMORY                                                        */
ESTOC_MUST_USE estoc_err estoc_relay_put(estoc_store *s, const estoc_relay *list, size_t n);
/** Drop them: refused, or never sent. What is ISSUED, or SENT by another node, stays.
 *  @return 0; ESTOC_E_STORE; ESTOC_E_MEMORY                                                        */
ESTOC_MUST_USE estoc_err estoc_relay_drop(estoc_store *s, const estoc_relay *list, size_t n);
/** What this node had SENT when it ended is LOST. @param[out] n  how many, or NULL */
ESTOC_MUST_USE estoc_err estoc_relay_lose(estoc_store *s, const char *node, int64_t now,
                                          uint64_t *n);
/** Drop what is WAITING or LOST, and changed before this time; and what is SENT and changed a day before
 *  that, by a node that never came back.                                                           */
ESTOC_MUST_USE estoc_err estoc_relay_expire(estoc_store *s, int64_t before);
/** Oldest first. @param match  part of subject, serial hex or upstream; NULL: all */
ESTOC_MUST_USE estoc_err estoc_relay_each(estoc_store *s, const char *match,
                                          bool (*each)(void *ctx, const estoc_relay *r), void *ctx);
typedef struct estoc_relay_tally {
    const char *profile;
    uint64_t issued, valid, expired, recent; /* as in estoc_tally_row */
    uint64_t waiting, lost;                  /* SENT ones are neither */
} estoc_relay_tally;
/** By name of profile. @return 0; ESTOC_E_STORE */
ESTOC_MUST_USE estoc_err estoc_relay_count(estoc_store *s, int64_t now, int64_t since,
                                           void (*each)(void *ctx, const estoc_relay_tally *t),
                                           void *ctx);

/** What an upstream serves, as it was when it could last be had. */
typedef struct estoc_document_kept {
    bool none; /* the upstream has none */
    int64_t fetched_at, good_until;
} estoc_document_kept;
/** @param name  "crts", a blank, and the service and label; unique, any text
 *  @return 0; ESTOC_E_STORE                                                                       */
ESTOC_MUST_USE estoc_err estoc_document_put(estoc_store *s, const char *name,
                                            const estoc_document_kept *doc, estoc_slice bytes);
/** @param[out] bytes  the caller frees @return 0; ESTOC_E_NOT_FOUND; ESTOC_E_STORE; ESTOC_E_MEMORY */
ESTOC_MUST_USE estoc_err estoc_document_get(estoc_store *s, const char *name,
                                            estoc_document_kept *doc, estoc_blob *bytes);

/** How an upstream's server does, as a node sees it. */
typedef struct estoc_health {
    const char *node, *upstream, *url;
    int64_t noted_at; /* when this was so */
    bool up;
    uint64_t calls, failures;
    int64_t ok_at, failed_at;
    uint32_t median_ms, p99_ms, connections;
    const char *why; /* of the last failure */
} estoc_health;
/** In place of what stands there for the same node, upstream and URL. @return 0; ESTOC_E_STORE */
ESTOC_MUST_USE estoc_err estoc_health_put(estoc_store *s, const estoc_health *list, size_t n);
/** By node, upstream and URL. */
ESTOC_MUST_USE estoc_err estoc_health_each(estoc_store *s,
                                           bool (*each)(void *ctx, const estoc_health *h),
                                           void *ctx);
/** Drop what this node noted before this time: servers it does not have any more. */
ESTOC_MUST_USE estoc_err estoc_health_expire(estoc_store *s, const char *node, int64_t before);

#endif
