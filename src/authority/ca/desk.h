/* SPDX-License-Identifier: MIT
 *
 * Where the embedded CA decides, in rounds. Used by one thread. The order is that of X9: what is to be
 * issued is committed as intents, then signed, then committed as certificates, and only then answered.
 * A round commits the certificates of the round before together with its own intents: one fsync for
 * both, and for as many enrollments as came meanwhile.
 */
#ifndef ESTOC_DESK_H
#define ESTOC_DESK_H

#include "advice.h"
#include "auditor.h"
#include "policy.h"

/** One enrollment, from the queue to its answer. */
typedef struct estoc_job {
    struct estoc_job *next;
    void *ca; /* whose queue it comes back to */
    estoc_op op;
    const estoc_profile *profile;
    estoc_slice client_cert, csr, unique;
    const char *peer;
    void (*done)(void *ctx, const estoc_verdict *verdict);
    void *ctx;
    /* the outcome */
    estoc_err err;
    estoc_ruling ruling;
    uint32_t retry_s;
    int64_t pending; /* the request that waits, or waited, for a person; 0: none */
    bool parsed;     /* the client's certificate: `subject` is known */
    bool own;        /* and it is one of ours */
    bool again;      /* E6: `cert` was issued before */
    bool
        asking; /* nothing is decided: a program is to be asked the question, and the job is to come
                        again with what it says */
    estoc_blob question;
    estoc_advice advice;
    char said[65]; /* what the ruling says, if it is about this very certificate */
    estoc_blob cert;
    estoc_blob key; /* E5: private, as it goes to the client */
    uint16_t key_format;
    char subject[512];
    char issuer[256];    /* of the client's certificate */
    char registrar[256]; /* who asks for the subject, if it is another */
    char serial[2 * ESTOC_SERIAL_MAX + 1];
    char superseded[2 * ESTOC_SERIAL_MAX + 1]; /* X2: revoked for this one */
    uint8_t old[ESTOC_SERIAL_MAX];             /* the same in bytes */
    size_t old_len;
    bool old_told; /* there is a line about it */
    bool asked;    /* `pending` is new */
    estoc_ms began;
    /* between the rounds */
    estoc_petition petition;
    estoc_cert client;
    estoc_grant grant;
    estoc_record
        rec;         /* its `cert` is the TBSCertificate, which stands at the beginning of `cert` */
    unsigned tries;  /* rounds in which somebody else's intent stood in the way */
    uint8_t bytes[]; /* what the slices and `peer` point to */
} estoc_job;

typedef struct estoc_jobs {
    estoc_job *first, *last;
    size_t n;
} estoc_jobs;
void estoc_jobs_put(estoc_jobs *list, estoc_job *j);
/** @return NULL: there is none */
estoc_job *estoc_jobs_take(estoc_jobs *list);

typedef struct estoc_desk {
    estoc_cert issuer; /* points into the CA's chain */
    const estoc_key *key;
    estoc_cms_from keygen_signer;
    const estoc_shared_keys *decrypt_keys;
    uint32_t retry_window_s;
    estoc_pending_rules pending;
    estoc_slice crl_url;
    const char *store_url;
    const char *node;
    int64_t policy; /* version of the profiles */
    uint8_t run[ESTOC_RUN_LEN];
    estoc_store *store;     /* NULL: failed, to be opened again */
    estoc_auditor *auditor; /* NULL: nothing is noted */
    /* between the rounds */
    estoc_jobs waiting; /* behind another's intent */
    estoc_jobs signed_; /* to be committed */
    estoc_jobs unable;  /* not to be signed: answered when that is noted */
    bool unsigned_;     /* there are intents that came to nothing, to be given up */
    estoc_ms failed_at; /* when the store was last tried in vain; 0: it is there */
    /* of the round in hand */
    bool in_transaction, broken;
    int64_t now;
} estoc_desk;

/** Whether a round without new jobs has something to do. */
bool estoc_desk_has_work(const estoc_desk *d);
/** Take a round. Each job of `batch`, and of earlier ones, is put into `answered` in this round or in one
 *  of the next: without an error it is durable then. If the store fails, none of the round is issued,
 *  and the store is opened again for the next one.                                                 */
void estoc_desk_round(estoc_desk *d, estoc_jobs *batch, estoc_jobs *answered);

/** The jobs of the round in hand. */
typedef struct estoc_round {
    estoc_jobs refused; /* without a look into the store */
    estoc_jobs asking, planned, decided;
} estoc_round;
/** Note what was decided, in the transaction of the round. @return false: the store has failed */
bool estoc_desk_tell(estoc_desk *d, const estoc_round *r);
/** "issued", "again", "pending", "refused" or "failed". */
const char *estoc_job_result(const estoc_job *j);

/* --------------------------------------------------------------------------- decide.c: one job's part */

/** Of its request, as a record has it. A request for a key is another than the same bytes to /sen, which
 *  must not find each other: its digest is that of "skg" and the other.                            */
ESTOC_MUST_USE estoc_err estoc_job_request_digest(const estoc_job *j, uint8_t out[32]);

void estoc_job_fail(estoc_job *j, estoc_err err, uint32_t retry_s, const char *text);
/** The store is not to be trusted any more in this state: none of the round will count as issued. */
void estoc_job_store_failed(estoc_desk *d, estoc_job *j);
/** What needs no store: names, key, proof of possession. Before the job comes to the desk, on any
 *  thread: it looks at nothing of the desk but what never changes.                                 */
void estoc_job_prepare(const estoc_desk *d, estoc_job *j);
/** What is to be asked about it. */
void estoc_job_question(const estoc_desk *d, const estoc_job *j, estoc_question *q);
/** The rest, with the answers. @return whether there is a TBSCertificate in its record, to be kept as an
 *  intent                                                                                          */
bool estoc_job_decide(estoc_desk *d, estoc_job *j, estoc_question *q);
/** Sign what the intent says. */
void estoc_job_sign(const estoc_desk *d, estoc_job *j);

#endif
