/* SPDX-License-Identifier: MIT
 *
 * What must never be lost: certificates issued, requests that wait for a person, decisions. One
 * interface over several databases.
 * A store handle is used by one thread; open another for another thread or process.
 */
#ifndef ESTOC_STORE_H
#define ESTOC_STORE_H

#include "sys.h"

#define ESTOC_SERIAL_MAX 20
#define ESTOC_RUN_LEN    8 /* bytes that tell one authority of a process from all others */

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

/** How far a certificate has come (X9). */
typedef enum estoc_record_state {
    ESTOC_RECORD_INTENT = 0, /* about to be signed; `cert` is the TBSCertificate */
    ESTOC_RECORD_ISSUED = 1,
    ESTOC_RECORD_VOID = 2 /* an intent that came to nothing: never signed again; `cert` is still the
                             TBSCertificate, for it may have been signed */
} estoc_record_state;

/** A certificate as the store keeps it. Slices and texts live until the call that gave them ends. */
typedef struct estoc_record {
    uint8_t serial[ESTOC_SERIAL_MAX];
    size_t serial_len;
    estoc_record_state state;
    const char *profile;  /* "" is the default profile */
    int64_t policy;       /* version of the profiles that it was decided by: estoc_store_policy */
    const char *subject;  /* text */
    uint8_t identity[32]; /* SHA-256 of the client certificate that asked */
    uint8_t csr[32];      /* SHA-256 of the request; of one for a key, of "skg" and that */
    uint8_t key[32];      /* SHA-256 of the SubjectPublicKeyInfo */
    int64_t issued_at, not_before, not_after;
    int64_t revoked_at; /* 0: not revoked */
    estoc_crl_reason reason;
    int64_t revision; /* of the revocation, as estoc_store_revision; 0: not revoked */
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

typedef bool (*estoc_store_each_fn)(void *ctx, const estoc_record *rec); /**< false: stop */

/* -------------------------------------------------------------------------------------- the handle */

/** Open, and create or migrate the schema. A new SQLite file has mode 0600.
 *  @param url  "sqlite:PATH", or "postgresql://..." as libpq takes it
 *  @return 0; ESTOC_E_CONFIG (no such kind of store); ESTOC_E_MEMORY; ESTOC_E_STORE (cannot be opened,
 *          is none of ours, or of a later version); `why` is filled                                */
ESTOC_MUST_USE estoc_err estoc_store_open(const char *url, estoc_store **out, estoc_why *why);
/** The same for one that was there before: a file that is gone is not made anew, empty, but
 *  ESTOC_E_STORE.                                                                                  */
ESTOC_MUST_USE estoc_err estoc_store_open_again(const char *url, estoc_store **out, estoc_why *why);
void estoc_store_close(estoc_store *s);
/** Whether this kind of store is for several nodes. */
bool estoc_store_is_shared(const char *url);
/** The file of a store that is one; NULL: it is none. */
const char *estoc_store_path(const char *url);
/** What the database said about the last ESTOC_E_STORE; for operators only. */
const char *estoc_store_why(const estoc_store *s);

/** Be the only server on a store that is not shared, until unclaimed or the process ends.
 *  @return 0 (at once for a shared store); ESTOC_E_BUSY (another is); ESTOC_E_STORE; `why` is filled */
typedef struct estoc_store_claim {
    int fd; /* -1: none */
} estoc_store_claim;
ESTOC_MUST_USE estoc_err estoc_store_claim_url(const char *url, estoc_store_claim *claim,
                                               estoc_why *why);
void estoc_store_unclaim(estoc_store_claim *claim);

/** Everything between begin and commit is durable together when commit returns 0. When a call fails
 *  with ESTOC_E_STORE, roll back, close the store and open it again: what a failed write left in the
 *  system's cache must not be taken for written (X9). Calls outside a transaction are each their own. */
ESTOC_MUST_USE estoc_err estoc_store_begin(estoc_store *s);
/** As begin, for reading all of the store as it is at one moment. */
ESTOC_MUST_USE estoc_err estoc_store_begin_snapshot(estoc_store *s);
ESTOC_MUST_USE estoc_err estoc_store_commit(estoc_store *s);
void estoc_store_rollback(estoc_store *s);

/* ----------------------------------------------------------------------------------------- issuing */

/** What the authority wants to know about an enrollment, and what the store knows. */
typedef struct estoc_question {
    estoc_slice client_serial;     /* of the client's certificate */
    const uint8_t *identity, *csr; /* 32 bytes each */
    const uint8_t *key;            /* 32 bytes, or NULL: a key to be made */
    const char *profile, *subject; /* as a record would have them */
    int64_t now;
    int64_t since;     /* E6: `again` was issued then or later */
    int64_t day_since; /* `recent` counts what was issued then or later */
    /* the answer */
    bool own_found;
    int64_t own_revoked_at; /* of the certificate of ours that has that serial */
    estoc_blob own;         /* and its DER; an intent has none */
    char own_profile[32];   /* and what it was issued under */
    estoc_blob again;       /* E6: the newest certificate for this identity, profile and request */
    bool key_used;   /* a certificate neither revoked nor over has this key under another subject */
    uint64_t recent; /* certificates for this subject and profile, intents included */
    int64_t recent_from; /* when the first of them was issued; 0: there is none */
} estoc_question;
/** Answer all, each as of now: few round trips, however many. Free each answer with
 *  estoc_question_free, also after a failure.  @return 0; ESTOC_E_STORE; ESTOC_E_MEMORY            */
ESTOC_MUST_USE estoc_err estoc_store_ask(estoc_store *s, estoc_question *q, size_t n);
void estoc_question_free(estoc_question *q);

/** An intent to issue: `rec->cert` is the TBSCertificate. */
typedef struct estoc_intent {
    const estoc_record *rec;
    bool only; /* there shall be no other for this identity, profile and request (E6): with what has
                  been issued at `since` or later, or is about to be, it is not taken */
    int64_t since;
    bool taken; /* the answer; false: its serial exists already, or `only` */
} estoc_intent;
/** Keep intents, in the name of this node and run. @return 0; ESTOC_E_STORE */
ESTOC_MUST_USE estoc_err estoc_store_intend(estoc_store *s, const char *node,
                                            const uint8_t run[ESTOC_RUN_LEN], estoc_intent *list,
                                            size_t n);
/** A signed certificate in place of its intent. */
typedef struct estoc_signed {
    estoc_slice serial;
    estoc_slice cert; /* DER */
    bool kept; /* the answer; false: there is no such intent any more, forget the certificate */
} estoc_signed;
ESTOC_MUST_USE estoc_err estoc_store_issue(estoc_store *s, estoc_signed *list, size_t n);
/** Give up intents: of this node and run; with a NULL run, all of this node; with a NULL node, all.
 *  @param before   only those kept before this time
 *  @param[out] n   how many, or NULL  @return 0; ESTOC_E_STORE                                      */
ESTOC_MUST_USE estoc_err estoc_store_void(estoc_store *s, const char *node, const uint8_t *run,
                                          int64_t before, uint64_t *n);

/** Give up intents of other nodes than this that nobody claims (estoc_store_claim_node): they are gone. On
 *  a store for one there are none.
 *  @param before, n  as above  @return 0; ESTOC_E_STORE                                             */
ESTOC_MUST_USE estoc_err estoc_store_void_lost(estoc_store *s, const char *node, int64_t before,
                                               uint64_t *n);

/** The version of these profiles, a new one if none before had this digest.
 *  @param text  what they are, for people  @param[out] version  from 1 on                          */
ESTOC_MUST_USE estoc_err estoc_store_policy(estoc_store *s, const uint8_t digest[32],
                                            const char *text, int64_t now, int64_t *version);
/** Make these profiles those of all nodes that follow (`profiles = store`). */
ESTOC_MUST_USE estoc_err estoc_store_policy_publish(estoc_store *s, const uint8_t digest[32],
                                                    const char *text, int64_t now,
                                                    int64_t *version);
/** What was published last. @param[out] text  the caller frees; empty if only the version is wanted: NULL
 *  @return 0; ESTOC_E_NOT_FOUND (nothing so far); ESTOC_E_STORE; ESTOC_E_MEMORY                     */
ESTOC_MUST_USE estoc_err estoc_store_policy_published(estoc_store *s, int64_t *version,
                                                      estoc_blob *text);
/** All versions in their order, without their text; false: stop. */
ESTOC_MUST_USE estoc_err estoc_store_policy_each(
    estoc_store *s, bool (*each)(void *ctx, int64_t version, int64_t made_at), void *ctx);
/** @return 0; ESTOC_E_NOT_FOUND; ESTOC_E_STORE; ESTOC_E_MEMORY */
ESTOC_MUST_USE estoc_err estoc_store_policy_text(estoc_store *s, int64_t version, estoc_blob *text);

/* ----------------------------------------------------------------------------------------- records */

/** Put a record as it is: for tests, and for what comes from elsewhere (restore, replay).
 *  @return 0; ESTOC_E_STATE (this serial exists already); ESTOC_E_STORE                             */
ESTOC_MUST_USE estoc_err estoc_store_put(estoc_store *s, const estoc_record *rec);
/** @param[out] rec   its texts live until the next call on this store; its `cert` is `cert`
 *  @param[out] cert  DER, the caller frees
 *  @return 0; ESTOC_E_NOT_FOUND; ESTOC_E_STORE; ESTOC_E_MEMORY                                     */
ESTOC_MUST_USE estoc_err estoc_store_by_serial(estoc_store *s, estoc_slice serial,
                                               estoc_record *rec, estoc_blob *cert);
/** Revoke at this time; an intent, or a void one, too. What is revoked already stays as it is.
 *  @return 0; ESTOC_E_NOT_FOUND; ESTOC_E_STATE (revoked already); ESTOC_E_STORE                    */
ESTOC_MUST_USE estoc_err estoc_store_revoke(estoc_store *s, estoc_slice serial,
                                            estoc_crl_reason reason, int64_t at);
/** Oldest first. @param match  part of subject or serial hex; NULL: all */
ESTOC_MUST_USE estoc_err estoc_store_each(estoc_store *s, const char *match,
                                          estoc_store_each_fn each, void *ctx);
/** As estoc_store_each, the newest first: what was issued to this identity and is neither revoked nor
 *  over at `at`.                                                                                   */
ESTOC_MUST_USE estoc_err estoc_store_each_of(estoc_store *s, const uint8_t identity[32], int64_t at,
                                             estoc_store_each_fn each, void *ctx);
/** Intents that were kept before this time and are still none or void. */
ESTOC_MUST_USE estoc_err estoc_store_each_void(estoc_store *s, int64_t before,
                                               estoc_store_each_fn each, void *ctx);
/** How many were issued. */
ESTOC_MUST_USE estoc_err estoc_store_count(estoc_store *s, uint64_t *n);
/** Certificates of a profile, counted. */
typedef struct estoc_tally_row {
    const char *profile;
    uint64_t issued;                  /* in all; of them: */
    uint64_t valid, expired, revoked; /* a revoked one is not counted as expired */
    uint64_t recent;                  /* issued at `since` or later */
    uint64_t voids;                   /* and besides, what was never signed */
} estoc_tally_row;
/** By name of profile. @return 0; ESTOC_E_STORE */
ESTOC_MUST_USE estoc_err estoc_store_tally(estoc_store *s, int64_t now, int64_t since,
                                           void (*each)(void *ctx, const estoc_tally_row *t),
                                           void *ctx);
/** Grows by one with each revocation, in the order in which they are committed. */
ESTOC_MUST_USE estoc_err estoc_store_revision(estoc_store *s, int64_t *revision);
/** As estoc_store_each, what was revoked after this revision, in that order. */
ESTOC_MUST_USE estoc_err estoc_store_each_revoked(estoc_store *s, int64_t after,
                                                  estoc_store_each_fn each, void *ctx);

/* -------------------------------------------------------------------------------------------- CRLs */

typedef struct estoc_crl_record {
    int64_t number, this_update, next_update;
    int64_t revision; /* what it covers */
    estoc_slice der;
} estoc_crl_record;
/** A number above all that were taken; not below `at`, so that a store that was restored does not give
 *  the same again (RFC 5280 section 5.2.3). To be called within a transaction.                     */
ESTOC_MUST_USE estoc_err estoc_store_crl_number(estoc_store *s, int64_t at, int64_t *number);
/** Keep as the newest; older ones are dropped. */
ESTOC_MUST_USE estoc_err estoc_store_crl_put(estoc_store *s, const estoc_crl_record *crl);
/** The newest. @param[out] der  the caller frees, what crl->der points to; NULL: it is not wanted, it
 *  may be many megabytes
 *  @return 0; ESTOC_E_NOT_FOUND; ESTOC_E_STORE; ESTOC_E_MEMORY                                     */
ESTOC_MUST_USE estoc_err estoc_store_crl_newest(estoc_store *s, estoc_crl_record *crl,
                                                estoc_blob *der);

/* ------------------------------------------------------------------------------------------- audit */

/** The last line of this node's chain: its number (0: none so far) and hash. Within a transaction it
 *  keeps others from adding to the chain until it ends.                                            */
ESTOC_MUST_USE estoc_err estoc_store_audit_head(estoc_store *s, const char *node, int64_t *seq,
                                                uint8_t hash[32]);
typedef struct estoc_audit_line {
    int64_t seq;
    uint8_t hash[32];
    const char *text;
} estoc_audit_line;
/** Add lines behind the head. */
ESTOC_MUST_USE estoc_err estoc_store_audit_add(estoc_store *s, const char *node,
                                               const estoc_audit_line *lines, size_t n);
/** Those after `after`, in their order; false: stop. */
ESTOC_MUST_USE estoc_err estoc_store_audit_each(estoc_store *s, const char *node, int64_t after,
                                                bool (*each)(void *ctx, const estoc_audit_line *l),
                                                void *ctx);
/** Drop those up to `seq`, which are elsewhere; the head stays. */
ESTOC_MUST_USE estoc_err estoc_store_audit_trim(estoc_store *s, const char *node, int64_t seq);

/* ----------------------------------------------------------------------- what several nodes share */

/** A secret of 32 bytes by its name: the one that is there, or else `key`, which is kept. */
ESTOC_MUST_USE estoc_err estoc_store_secret(estoc_store *s, const char *name, uint8_t key[32]);
typedef struct estoc_kept_session {
    int64_t seq; /* grows */
    uint8_t id[16];
    int64_t until;
    estoc_slice bytes; /* a secret */
} estoc_kept_session;
/** Sessions that may be resumed at any node. They do not outlive a crash of the database, and are in no
 *  backup.                                                                                         */
ESTOC_MUST_USE estoc_err estoc_store_sessions_put(estoc_store *s, const char *node,
                                                  const uint8_t run[ESTOC_RUN_LEN],
                                                  const estoc_kept_session *list, size_t n);
/** The number of the newest. */
ESTOC_MUST_USE estoc_err estoc_store_sessions_last(estoc_store *s, int64_t *seq);
/** Those of others than this run that are not over at `now`, after `*seq`, which moves on: a portion of
 *  them, until it does not move any more.                                                          */
ESTOC_MUST_USE estoc_err estoc_store_sessions_each(
    estoc_store *s, const uint8_t run[ESTOC_RUN_LEN], int64_t *seq, int64_t now,
    bool (*each)(void *ctx, const estoc_kept_session *k), void *ctx);
/** Drop those that are over at `now`, and all up to `seq`. */
ESTOC_MUST_USE estoc_err estoc_store_sessions_expire(estoc_store *s, int64_t now, int64_t seq);
/** Be the only one of this name on a store for several nodes, as long as this handle is open.
 *  @return 0 (always, where there is but one); ESTOC_E_BUSY (there is another); ESTOC_E_STORE       */
ESTOC_MUST_USE estoc_err estoc_store_claim_node(estoc_store *s, const char *node);

/* ------------------------------------------------------------------ requests that wait for a person */

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

/* ----------------------------------------------------------------------------------------- a copy */

/** Copy all of a store into an empty one, of whatever kind each is: records, revocations, policies,
 *  CRLs, audit lines, requests; secrets and sessions are left out. `from` is in a snapshot, `to` in a
 *  transaction. @param step  called now and then with the rows so far; may be NULL
 *  @return 0; ESTOC_E_STATE (`to` is not empty); ESTOC_E_STORE; ESTOC_E_MEMORY                      */
ESTOC_MUST_USE estoc_err estoc_store_copy(estoc_store *from, estoc_store *to,
                                          void (*step)(void *ctx, uint64_t rows), void *ctx);

#endif
