/* SPDX-License-Identifier: MIT
 *
 * What the files of the SQLite store share; nobody else includes it.
 */
#ifndef ESTOC_SQLITE_PARTS_H
#define ESTOC_SQLITE_PARTS_H

#include <sqlite3.h>

#include "store.h"

/* clang-format off */
enum { BEGIN, COMMIT, ROLLBACK,
       PUT, BY_SERIAL, BY_CSR, KEY_USED, REVOKE, EACH, EACH_OF, COUNT, REVOKED_COUNT, EACH_REVOKED,
       PEND, PENDING_FIND, PENDING_COUNT, PENDING_EACH, DECIDE, PENDING_ISSUED, PENDING_DROP,
       PENDING_EXPIRE,
       STATEMENTS };
/* clang-format on */

struct estoc_store {
    sqlite3 *db;
    sqlite3_stmt *st[STATEMENTS];
    char *profile, *subject; /* of the last by_serial() */
    char why[128];           /* of the last failure */
};

/** Make the tables of a new file, or bring those of an older version up to date. */
ESTOC_MUST_USE estoc_err estoc_sqlite_migrate(sqlite3 *db, const char *path, estoc_why *why);

/** Log what SQLite says. @return ESTOC_E_STORE */
estoc_err estoc_sqlite_failed(estoc_store *s, const char *what);
int estoc_sqlite_bind_blob(sqlite3_stmt *st, int i, const uint8_t *ptr, size_t len);
int estoc_sqlite_bind_text(sqlite3_stmt *st, int i, const char *text); /**< NULL binds NULL */
estoc_slice estoc_sqlite_blob(sqlite3_stmt *st, int i);
const char *estoc_sqlite_text(sqlite3_stmt *st, int i);
/** Exactly 32 bytes, or false. */
bool estoc_sqlite_digest(sqlite3_stmt *st, int i, uint8_t out[32]);
/** Of at most ESTOC_SERIAL_MAX bytes, or false. */
bool estoc_sqlite_serial(sqlite3_stmt *st, int i, uint8_t out[ESTOC_SERIAL_MAX], size_t *len);
/** Statements keep no pointer to the caller's bytes, nor a read lock, once their call is over. */
void estoc_sqlite_release(sqlite3_stmt *st);
/** Run a bound statement that gives no rows, if `rc` is good, and release it. */
ESTOC_MUST_USE estoc_err estoc_sqlite_run(estoc_store *s, int rc, int which, const char *what);
/** Run a bound statement that gives one number, and release it. */
ESTOC_MUST_USE estoc_err estoc_sqlite_number(estoc_store *s, int rc, int which, uint64_t *n);

#endif
