/* SPDX-License-Identifier: MIT
 *
 * A SQL database as the store needs it: numbered statements with values, rows one at a time, many runs
 * of a statement in one round trip. One file for each kind. A handle is used by one thread.
 */
#ifndef ESTOC_DB_H
#define ESTOC_DB_H

#include "sys.h"

typedef enum estoc_db_kind { ESTOC_DB_INT, ESTOC_DB_BLOB, ESTOC_DB_TEXT } estoc_db_kind;

/** A value for a statement; its bytes must live until the call returns. */
typedef struct estoc_db_value {
    estoc_db_kind kind;
    int64_t number;  /* ESTOC_DB_INT */
    const void *ptr; /* else; NULL: the NULL of this kind, but for a blob of no bytes */
    size_t len;
} estoc_db_value;

static inline estoc_db_value estoc_db_int(int64_t n)
{
    return (estoc_db_value){.kind = ESTOC_DB_INT, .number = n};
}
estoc_db_value estoc_db_blob(estoc_slice s);
estoc_db_value estoc_db_bytes(const void *ptr, size_t len);
/** NULL is NULL. */
estoc_db_value estoc_db_text(const char *text);

typedef struct estoc_db estoc_db;
typedef struct estoc_db_row estoc_db_row;

/** The same statement, as each kind of database has it. Values are $1, $2, ...: all of them, in every
 *  text; a number is BIGINT, a blob BYTEA to PostgreSQL. A statement gives numbers as BIGINT only.  */
typedef struct estoc_db_sql {
    const char *text;
    const char *postgres; /* where it differs; else NULL */
} estoc_db_sql;

/** A run of one statement, several times. */
typedef struct estoc_db_run {
    size_t statement;             /* index into the store's statements */
    const estoc_db_value *values; /* `times` rows of `values_n` */
    size_t values_n;
    size_t times;
    /** For each row: the run it belongs to, from 0. false: no more rows of this run, please. It must not
     *  use this database. NULL: there are no rows.                                                 */
    bool (*row)(void *ctx, size_t i, const estoc_db_row *row);
    /** After each run that gives no rows: how many it has changed. NULL: nobody asks. */
    void (*changed)(void *ctx, size_t i, uint64_t n);
    void *ctx;
} estoc_db_run;

typedef struct estoc_db_ops {
    /** @return 0; ESTOC_E_STORE; ESTOC_E_MEMORY. When a run fails, those after it do not take place; so
     *  that none fails because a row is there already, statements say ON CONFLICT DO NOTHING        */
    estoc_err (*run)(estoc_db *db, const estoc_db_run *r);
    estoc_err (*begin)(estoc_db *db, bool snapshot);
    estoc_err (*commit)(estoc_db *db);
    void (*rollback)(estoc_db *db);
    void (*close)(estoc_db *db);
    int64_t (*row_int)(const estoc_db_row *row, int column);
    /** Of text, too; lives until the next row. NULL is empty. */
    estoc_slice (*row_blob)(const estoc_db_row *row, int column);
    /** NUL-terminated; lives until the next row. NULL is "". */
    const char *(*row_text)(const estoc_db_row *row, int column);
} estoc_db_ops;

/** Every kind of database begins with this. */
struct estoc_db {
    const estoc_db_ops *ops;
    const estoc_db_sql *sql; /* the store's statements */
    size_t sql_n;
    char why[256]; /* of the last failure */
};
/** Every kind of row begins with this. */
struct estoc_db_row {
    estoc_db *db;
};

/** The schema: each step makes the next version out of the one before. */
typedef struct estoc_db_schema {
    const estoc_db_sql *steps;
    size_t n;
} estoc_db_schema;

/** Open, and create or migrate. @return 0; ESTOC_E_STORE with `why` filled; ESTOC_E_MEMORY */
ESTOC_MUST_USE estoc_err estoc_db_open_sqlite(const char *path, const estoc_db_schema *schema,
                                              const estoc_db_sql *sql, size_t sql_n, estoc_db **out,
                                              estoc_why *why);
ESTOC_MUST_USE estoc_err estoc_db_open_postgres(const char *url, const estoc_db_schema *schema,
                                                const estoc_db_sql *sql, size_t sql_n,
                                                estoc_db **out, estoc_why *why);

#endif
