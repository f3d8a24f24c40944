/* SPDX-License-Identifier: MIT
 *
 * What must never be lost: certificates issued. One interface, one file per database.
 * A store handle is used by one thread; open another for another thread or process.
 */
#ifndef ESTOC_STORE_H
#define ESTOC_STORE_H

#include "sys.h"

#define ESTOC_SERIAL_MAX 20

typedef struct estoc_store estoc_store;

/** A certificate as the store keeps it. Slices and texts live until the call that gave them ends. */
typedef struct estoc_record {
    uint8_t serial[ESTOC_SERIAL_MAX];
    size_t serial_len;
    const char *profile;  /* "" is the default profile */
    const char *subject;  /* text */
    uint8_t identity[32]; /* SHA-256 of the client certificate that asked */
    uint8_t csr[32];      /* SHA-256 of the request */
    uint8_t key[32];      /* SHA-256 of the SubjectPublicKeyInfo */
    int64_t issued_at, not_before, not_after;
    int64_t revoked_at; /* 0: not revoked */
    estoc_slice cert;   /* DER */
} estoc_record;

/** CRLReason, as far as it is used here.                               RFC 5280 section 5.3.1 */
typedef enum estoc_crl_reason { ESTOC_CRL_SUPERSEDED = 4 } estoc_crl_reason;

/** Open, and create or migrate the schema. A new file has mode 0600.
 *  @param url  "sqlite:PATH"
 *  @return 0; ESTOC_E_CONFIG (no such kind of store); ESTOC_E_MEMORY; ESTOC_E_STORE (cannot be opened,
 *          is none of ours, or of a later version); `why` is filled                                */
ESTOC_MUST_USE estoc_err estoc_store_open(const char *url, estoc_store **out, estoc_why *why);
void estoc_store_close(estoc_store *s);
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
/** Revoke at this time, for a CRLReason (RFC 5280 section 5.3.1); schema 1 does not keep the reason.
 *  A certificate that is revoked already stays as it is.
 *  @return 0; ESTOC_E_NOT_FOUND; ESTOC_E_STATE (revoked already); ESTOC_E_STORE                    */
ESTOC_MUST_USE estoc_err estoc_store_revoke(estoc_store *s, estoc_slice serial,
                                            estoc_crl_reason reason, int64_t at);
/** Oldest first. `each` returns false to stop. @param match  part of subject or serial hex; NULL: all */
ESTOC_MUST_USE estoc_err estoc_store_each(estoc_store *s, const char *match,
                                          bool (*each)(void *ctx, const estoc_record *rec),
                                          void *ctx);
ESTOC_MUST_USE estoc_err estoc_store_count(estoc_store *s, uint64_t *n);

#endif
