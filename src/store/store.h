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
    int64_t issued_at, not_before, not_after;
    int64_t revoked_at; /* 0: not revoked */
    estoc_slice cert;   /* DER */
} estoc_record;

/** Open, and create or migrate the schema. @param url  "sqlite:PATH" */
ESTOC_MUST_USE estoc_err estoc_store_open(const char *url, estoc_store **out, estoc_why *why);
void estoc_store_close(estoc_store *s);
/** Everything between begin and commit is durable together when commit returns 0. */
ESTOC_MUST_USE estoc_err estoc_store_begin(estoc_store *s);
ESTOC_MUST_USE estoc_err estoc_store_commit(estoc_store *s);
void estoc_store_rollback(estoc_store *s);
/** @return 0; ESTOC_E_STATE (this serial exists already); ESTOC_E_STORE */
ESTOC_MUST_USE estoc_err estoc_store_put(estoc_store *s, const estoc_record *rec);
/** @param[out] cert  DER, the caller frees. @return 0; ESTOC_E_NOT_FOUND; ESTOC_E_STORE */
ESTOC_MUST_USE estoc_err estoc_store_by_serial(estoc_store *s, estoc_slice serial,
                                               estoc_record *rec, estoc_blob *cert);
/** The newest certificate for this identity, profile and request, issued at `since` or later (E6). */
ESTOC_MUST_USE estoc_err estoc_store_by_csr(estoc_store *s, const uint8_t identity[32],
                                            const char *profile, const uint8_t csr[32],
                                            int64_t since, estoc_blob *cert);
/** Oldest first. `each` returns false to stop. @param match  part of subject or serial hex; NULL: all */
ESTOC_MUST_USE estoc_err estoc_store_each(estoc_store *s, const char *match,
                                          bool (*each)(void *ctx, const estoc_record *rec),
                                          void *ctx);
ESTOC_MUST_USE estoc_err estoc_store_count(estoc_store *s, uint64_t *n);

#endif
