/* SPDX-License-Identifier: MIT
 *
 * Where the embedded CA decides: a batch of enrollments, one transaction. Used by one thread.
 */
#ifndef ESTOC_DESK_H
#define ESTOC_DESK_H

#include "policy.h"

/** One enrollment, from the queue to its answer. */
typedef struct estoc_job {
    struct estoc_job *next;
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
    estoc_blob cert;
    estoc_blob key; /* E5: private, as it goes to the client */
    uint16_t key_format;
    char subject[512];
    char issuer[256];    /* of the client's certificate */
    char registrar[256]; /* who asks for the subject, if it is another */
    char serial[2 * ESTOC_SERIAL_MAX + 1];
    char superseded[2 * ESTOC_SERIAL_MAX + 1]; /* X2: revoked for this one */
    uint8_t bytes[];                           /* what the slices and `peer` point to */
} estoc_job;

typedef struct estoc_desk {
    estoc_cert issuer; /* points into the CA's chain */
    const estoc_key *key;
    estoc_cms_from keygen_signer;
    const estoc_shared_keys *decrypt_keys;
    uint32_t retry_window_s;
    estoc_pending_rules pending;
    estoc_slice crl_url;
    const char *store_url;
    estoc_store *store; /* NULL: failed, to be opened again */
    /* of the batch in hand */
    bool in_transaction, broken;
    int64_t now;
} estoc_desk;

/** Decide each job of a list and commit: a job without an error afterwards is durable. If the store
 *  fails, none of the batch is issued, and the store is opened again for the next one (X9).         */
void estoc_desk_decide(estoc_desk *d, estoc_job *batch);

#endif
