/* SPDX-License-Identifier: MIT
 *
 * What the files of the store share; nobody else includes it.
 */
#ifndef ESTOC_STORE_PARTS_H
#define ESTOC_STORE_PARTS_H

#include "db.h"
#include "store.h"

/* clang-format off */
typedef enum estoc_statement {
    /* issuing.c */
    ESTOC_SQL_ASK_OWN, ESTOC_SQL_ASK_AGAIN, ESTOC_SQL_ASK_KEY, ESTOC_SQL_ASK_RECENT,
    ESTOC_SQL_RELEASE, ESTOC_SQL_INTEND, ESTOC_SQL_ISSUE, ESTOC_SQL_VOID,
    ESTOC_SQL_VOID_LOST,
    ESTOC_SQL_POLICY_FIND, ESTOC_SQL_POLICY_ADD, ESTOC_SQL_POLICY_TEXT,
    ESTOC_SQL_POLICY_EACH,
    /* records.c */
    ESTOC_SQL_PUT, ESTOC_SQL_BY_SERIAL, ESTOC_SQL_REVOKE, ESTOC_SQL_EACH, ESTOC_SQL_EACH_OF,
    ESTOC_SQL_EACH_VOID, ESTOC_SQL_EACH_REVOKED, ESTOC_SQL_COUNT, ESTOC_SQL_TALLY,
    /* shared.c: counters, CRLs, audit, sessions */
    ESTOC_SQL_COUNTER, ESTOC_SQL_COUNTER_ADD, ESTOC_SQL_COUNTER_SET, ESTOC_SQL_COUNTER_RAISE,
    ESTOC_SQL_CRL_PUT, ESTOC_SQL_CRL_DROP, ESTOC_SQL_CRL_NEWEST,
    ESTOC_SQL_HEAD_NEW, ESTOC_SQL_HEAD, ESTOC_SQL_HEAD_LOCK, ESTOC_SQL_HEAD_SET,
    ESTOC_SQL_AUDIT_ADD, ESTOC_SQL_AUDIT_EACH, ESTOC_SQL_AUDIT_TRIM,
    ESTOC_SQL_SECRET_NEW, ESTOC_SQL_SECRET,
    ESTOC_SQL_SESSION_PUT, ESTOC_SQL_SESSION_EACH, ESTOC_SQL_SESSION_EXPIRE,
    ESTOC_SQL_CLAIM_NODE, ESTOC_SQL_KEEP_ALIVE,
    /* pending.c */
    ESTOC_SQL_PEND, ESTOC_SQL_PENDING_FIND, ESTOC_SQL_PENDING_COUNT, ESTOC_SQL_PENDING_COUNT_OF,
    ESTOC_SQL_PENDING_EACH, ESTOC_SQL_PENDING_ONE, ESTOC_SQL_DECIDE, ESTOC_SQL_PENDING_ISSUED,
    ESTOC_SQL_PENDING_DROP, ESTOC_SQL_PENDING_EXPIRE,
    /* relay.c */
    ESTOC_SQL_RELAY_ASK, ESTOC_SQL_RELAY_RELEASE, ESTOC_SQL_RELAY_CLAIM, ESTOC_SQL_RELAY_OUTDO,
    ESTOC_SQL_RELAY_PUT, ESTOC_SQL_RELAY_DROP, ESTOC_SQL_RELAY_LOSE, ESTOC_SQL_RELAY_EXPIRE,
    ESTOC_SQL_RELAY_EACH, ESTOC_SQL_RELAY_TALLY,
    /* documents.c */
    ESTOC_SQL_DOCUMENT_PUT, ESTOC_SQL_DOCUMENT_GET,
    ESTOC_SQL_HEALTH_PUT, ESTOC_SQL_HEALTH_EACH, ESTOC_SQL_HEALTH_EXPIRE,
    /* copy.c: a SELECT and an INSERT for each table */
    ESTOC_SQL_COPY, ESTOC_SQL_COPY_END = ESTOC_SQL_COPY + 18,
    ESTOC_SQL_EMPTY = ESTOC_SQL_COPY_END, ESTOC_SQL_SEQUENCE_CERT, ESTOC_SQL_SEQUENCE_PENDING,
    ESTOC_SQL_SEQUENCE_POLICY, ESTOC_SQL_SEQUENCE_RELAY,
    ESTOC_SQL_N
} estoc_statement;
/* clang-format on */

extern const estoc_db_sql estoc_store_sql[ESTOC_SQL_N];
extern const estoc_db_schema estoc_store_schema;

struct estoc_store {
    estoc_db *db;
    bool in_transaction, snapshot;
    char *profile, *subject; /* of the last by_serial() */
};

/** Run statements, and log what fails. */
ESTOC_MUST_USE estoc_err estoc_store_run(estoc_store *s, const estoc_db_run *run);
/** One run that gives no rows. @param[out] n  rows changed, or NULL */
ESTOC_MUST_USE estoc_err estoc_store_change(estoc_store *s, estoc_statement which,
                                            const estoc_db_value *values, size_t values_n,
                                            uint64_t *n);
/** One run that gives at most one number. @return 0; ESTOC_E_NOT_FOUND; ESTOC_E_STORE */
ESTOC_MUST_USE estoc_err estoc_store_number(estoc_store *s, estoc_statement which,
                                            const estoc_db_value *values, size_t values_n,
                                            int64_t *n);
/** A row that was not written by us. @return ESTOC_E_STORE, logged */
estoc_err estoc_store_foreign(estoc_store *s);

/** A transaction around some calls, unless the caller has one. */
typedef struct estoc_store_scope {
    bool own;
} estoc_store_scope;
ESTOC_MUST_USE estoc_err estoc_store_enter(estoc_store *s, estoc_store_scope *scope);
/** Commit, or roll back if `err`. @return err, or what the commit returns */
ESTOC_MUST_USE estoc_err estoc_store_leave(estoc_store *s, const estoc_store_scope *scope,
                                           estoc_err err);

/* A row's columns. */
int64_t estoc_row_int(const estoc_db_row *row, int i);
estoc_slice estoc_row_blob(const estoc_db_row *row, int i);
const char *estoc_row_text(const estoc_db_row *row, int i);
/** Exactly `len` bytes, or false. */
bool estoc_row_bytes(const estoc_db_row *row, int i, uint8_t *out, size_t len);
/** Of at most ESTOC_SERIAL_MAX bytes, or false. */
bool estoc_row_serial(const estoc_db_row *row, int i, uint8_t out[ESTOC_SERIAL_MAX], size_t *len);

/** The place of a record that no repeated request gets: one that no other has. */
int64_t estoc_store_slot(const estoc_record *rec);
/** Add to a counter, whose row stays locked until the transaction ends: what is numbered by it is
 *  committed in the order of the numbers.                                                          */
ESTOC_MUST_USE estoc_err estoc_store_next(estoc_store *s, const char *counter, int64_t by,
                                          int64_t *value);

#endif
