/* SPDX-License-Identifier: MIT
 *
 * What must never be lost: certificates issued, and requests that wait for a person. One interface,
 * one file per database.
 * A store handle is used by one thread; open another for another thread or process.
 */
#ifndef ESTOC_STORE_H
#define ESTOC_STORE_H

#include "sys.h"

#define ESTOC_SERIAL_MAX 20

typedef struct estoc_store estoc_store;

/** CRLReason. Those that can be taken back, or are of no end entity, have no use here.
 *                                                                      RFC 5280 section 5.3.1 */
typedef enum estoc_crl_reason {
    ESTOC_CRL_UNSPECIFIED = 0,
    ESTOC_CRL_KEY_COMPROMISE = 1,
    ESTOC_CRL_AFFILIATION_CHANGED = 3,
    ESTOC_CRL_SUPERSEDED = 4,
    ESTOC_CRL_CESSATION = 5,
    ESTOC_CRL_PRIVILEGE_WITHDRAWN = 9
} estoc_crl_reason;

/** A certificate as the store keeps it. Slices and texts live until the call that gave them ends. */
typedef struct estoc_record {
    uint8_t serial[ESTOC_SERIAL_MAX];
    size_t serial_len;
    const char *profile;  /* "" is the default profile */
    const char *subject;  /* text */
    uint8_t identity[32]; /* SHA-256 of the client certificate that asked */
    uint8_t csr[32];      /* SHA-256 of the request; of one for a key, of "skg" and that */
    uint8_t key[32];      /* SHA-256 of the SubjectPublicKeyInfo */
    int64_t issued_at, not_before, not_after;
    int64_t revoked_at; /* 0: not revoked */
    estoc_crl_reason reason;
    estoc_slice cert; /* DER */
} estoc_record;

typedef enum estoc_decision {
    ESTOC_UNDECIDED = 0,
    ESTOC_APPROVED = 1,
    ESTOC_REJECTED = 2
} estoc_decision;

/** A request that waits, or waited, for a person to decide (L2). Identity, profile, request and
 *  operation together are its name: no two are alike in all four.                                  */
typedef struct estoc_pending {
    int64_t id; /* never used again */
    uint8_t identity[32], csr[32];
    const char *profile, *op; /* "sen": the resource */
    const char *subject;
    int64_t asked_at, decided_at; /* 0: not decided */
    estoc_decision decision;
    uint8_t serial[ESTOC_SERIAL_MAX]; /* of what it led to */
    size_t serial_len;                /* 0: nothing so far */
    estoc_slice client, request;      /* DER: the certificate that asked, and what for */
} estoc_pending;

/** Open, and create or migrate the schema. A new file has mode 0600.
 *  @param url  "sqlite:PATH"
 *  @return 0; ESTOC_E_CONFIG (no such kind of store); ESTOC_E_MEMORY; ESTOC_E_STORE (cannot be opened,
 *          is none of ours, or of a later version); `why` is filled                                */
ESTOC_MUST_USE estoc_err estoc_store_open(const char *url, estoc_store **out, estoc_why *why);
void estoc_store_close(estoc_store *s);
/** What the database said about the last ESTOC_E_STORE; for operators only. */
const char *estoc_store_why(const estoc_store *s);
/** Everything between begin and commit is durable together when commit returns 0. When a call fails
 *  with ESTOC_E_STORE, roll back, close the store and open it again: what a failed write left in the
 *  system's cache must not be taken for written (X9).                                              */
ESTOC_MUST_USE estoc_err estoc_store_begin(estoc_store *s);
ESTOC_MUST_USE estoc_err estoc_store_commit(estoc_store *s);
void estoc_store_rollback(estoc_store *s);
/** @return 0; ESTOC_E_STATE (this serial exists already); ESTOC_E_STORE */
ESTOC_MUST_USE estoc_err estoc_store_put(estoc_store *s, const estoc_record *rec);
/** @param[out] rec   its texts live until the next call on this store; its `cert` is `cert`
 *  @param[out] cert  DER, the caller frees
 *  @return 0; ESTOC_E_NOT_FOUND; ESTOC_E_STORE; ESTOC_E_MEMORY                                     */
ESTOC_MUST_USE estoc_err estoc_store_by_serial(estoc_store *s, estoc_slice serial,
                                               estoc_record *rec, estoc_blob *cert);
/** The newest certificate for this identity, profile and request, issued at `since` or later and not
 *  revoked (E6).
 *  @return 0; ESTOC_E_NOT_FOUND; ESTOC_E_STORE; ESTOC_E_MEMORY                                     */
ESTOC_MUST_USE estoc_err estoc_store_by_csr(estoc_store *s, const uint8_t identity[32],
                                            const char *profile, const uint8_t csr[32],
                                            int64_t since, estoc_blob *cert);
/** Whether a certificate that is neither revoked nor over at `at` has this key (SHA-256 of its
 *  SubjectPublicKeyInfo) under another subject.                                                     */
ESTOC_MUST_USE estoc_err estoc_store_key_used(estoc_store *s, const uint8_t key[32],
                                              const char *subject, int64_t at, bool *used);
/** Revoke at this time. A certificate that is revoked already stays as it is.
 *  @return 0; ESTOC_E_NOT_FOUND; ESTOC_E_STATE (revoked already); ESTOC_E_STORE                    */
ESTOC_MUST_USE estoc_err estoc_store_revoke(estoc_store *s, estoc_slice serial,
                                            estoc_crl_reason reason, int64_t at);
/** Oldest first. `each` returns false to stop. @param match  part of subject or serial hex; NULL: all */
ESTOC_MUST_USE estoc_err estoc_store_each(estoc_store *s, const char *match,
                                          bool (*each)(void *ctx, const estoc_record *rec),
                                          void *ctx);
/** As estoc_store_each, the newest first: what was issued to this identity and is neither revoked nor
 *  over at `at`.                                                                                   */
ESTOC_MUST_USE estoc_err estoc_store_each_of(estoc_store *s, const uint8_t identity[32], int64_t at,
                                             bool (*each)(void *ctx, const estoc_record *rec),
                                             void *ctx);
ESTOC_MUST_USE estoc_err estoc_store_count(estoc_store *s, uint64_t *n);
/** How many are revoked: this number only ever grows. */
ESTOC_MUST_USE estoc_err estoc_store_revoked_count(estoc_store *s, uint64_t *n);
/** As estoc_store_each, those that are revoked. */
ESTOC_MUST_USE estoc_err estoc_store_each_revoked(estoc_store *s,
                                                  bool (*each)(void *ctx, const estoc_record *rec),
                                                  void *ctx);

/* Requests that wait for a person */

/** Keep a new, undecided one. @param[out] id
 *  @return 0; ESTOC_E_STATE (there is one of this name); ESTOC_E_STORE                             */
ESTOC_MUST_USE estoc_err estoc_store_pend(estoc_store *s, const estoc_pending *p, int64_t *id);
/** The one of this identity, profile, request and operation, which `p` has; the rest is filled, but
 *  for `subject`, `client` and `request`.
 *  @return 0; ESTOC_E_NOT_FOUND; ESTOC_E_STORE                                                     */
ESTOC_MUST_USE estoc_err estoc_store_pending_find(estoc_store *s, estoc_pending *p);
/** How many are undecided. @param identity  of this one only; NULL: of all */
ESTOC_MUST_USE estoc_err estoc_store_pending_count(estoc_store *s, const uint8_t *identity,
                                                   uint64_t *n);
/** Oldest first; what `p` points to lives until `each` returns. @param id  this one only; 0: all */
ESTOC_MUST_USE estoc_err estoc_store_pending_each(estoc_store *s, int64_t id,
                                                  bool (*each)(void *ctx, const estoc_pending *p),
                                                  void *ctx);
/** Decide, or decide anew as long as nothing was issued.
 *  @return 0; ESTOC_E_NOT_FOUND; ESTOC_E_STATE (a certificate was issued); ESTOC_E_STORE           */
ESTOC_MUST_USE estoc_err estoc_store_decide(estoc_store *s, int64_t id, estoc_decision decision,
                                            int64_t at);
/** Note what an approved one led to. @return 0; ESTOC_E_STORE */
ESTOC_MUST_USE estoc_err estoc_store_pending_issued(estoc_store *s, int64_t id, estoc_slice serial);
/** Drop one. @return 0; ESTOC_E_STORE */
ESTOC_MUST_USE estoc_err estoc_store_pending_drop(estoc_store *s, int64_t id);
/** Drop those that were asked or, if decided, decided before this time. @return 0; ESTOC_E_STORE */
ESTOC_MUST_USE estoc_err estoc_store_pending_expire(estoc_store *s, int64_t before);

#endif
