/* SPDX-License-Identifier: MIT
 *
 * The tables, as a list of steps: each makes the next version out of the one before.
 */
#include "sqlite_parts.h"

/* clang-format off */
static const char *const steps[] = {
    "CREATE TABLE cert ("
    " id INTEGER PRIMARY KEY,"
    " serial BLOB NOT NULL UNIQUE,"
    " profile TEXT NOT NULL,"
    " subject TEXT NOT NULL,"
    " identity BLOB NOT NULL,"
    " csr BLOB NOT NULL,"
    " key BLOB NOT NULL,"
    " issued_at INTEGER NOT NULL,"
    " not_before INTEGER NOT NULL,"
    " not_after INTEGER NOT NULL,"
    " revoked_at INTEGER NOT NULL,"
    " der BLOB NOT NULL);"
    "CREATE INDEX cert_request ON cert (identity, csr, profile, issued_at);"
    "CREATE INDEX cert_key ON cert (key);"
    "PRAGMA user_version = 1;",
    /* 2: reasons of revocation; requests that wait for a person. AUTOINCREMENT: what a person saw
     * under a number is never another one's. changed_at: asked, or decided. */
    "ALTER TABLE cert ADD COLUMN reason INTEGER NOT NULL DEFAULT 0;"
    "CREATE INDEX cert_revoked ON cert (revoked_at) WHERE revoked_at <> 0;"
    "CREATE TABLE pending ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " identity BLOB NOT NULL,"
    " csr BLOB NOT NULL,"
    " profile TEXT NOT NULL,"
    " op TEXT NOT NULL,"
    " subject TEXT NOT NULL,"
    " asked_at INTEGER NOT NULL,"
    " changed_at INTEGER NOT NULL,"
    " decision INTEGER NOT NULL,"
    " serial BLOB NOT NULL,"
    " client BLOB NOT NULL,"
    " request BLOB NOT NULL,"
    " UNIQUE (identity, csr, profile, op));"
    "CREATE INDEX pending_decision ON pending (decision, identity);"
    "CREATE INDEX pending_changed ON pending (changed_at);"
    "PRAGMA user_version = 2;",
};
/* clang-format on */

#define SCHEMA_VERSION ((int)(sizeof steps / sizeof steps[0]))

static int int_pragma(sqlite3 *db, const char *query, int *value)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(db, query, -1, &st, NULL);
    if (rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        *value = sqlite3_column_int(st, 0);
        rc = SQLITE_OK;
    }
    sqlite3_finalize(st);
    return rc;
}

/* All steps or none, and under the write lock, so that two processes that open a store do not both
 * take them. */
estoc_err estoc_sqlite_migrate(sqlite3 *db, const char *path, estoc_why *why)
{
    int version = 0;
    int tables = 0;
    int rc = int_pragma(db, "PRAGMA user_version", &version);
    if (rc == SQLITE_OK && version == SCHEMA_VERSION) {
        return ESTOC_OK;
    }
    rc = rc == SQLITE_OK ? sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL) : rc;
    rc = rc == SQLITE_OK ? int_pragma(db, "PRAGMA user_version", &version) : rc;
    rc = rc == SQLITE_OK ? int_pragma(db, "SELECT count(*) FROM sqlite_schema", &tables) : rc;
    bool ours = version > 0 || (version == 0 && tables == 0);
    while (rc == SQLITE_OK && ours && version < SCHEMA_VERSION) {
        rc = sqlite3_exec(db, steps[version++], NULL, NULL, NULL);
    }
    rc = rc == SQLITE_OK ? sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) : rc;
    if (rc != SQLITE_OK) {
        estoc_why_set(why, "store %s: %s", path, sqlite3_errmsg(db));
        return ESTOC_E_STORE;
    }
    if (!ours) {
        estoc_why_set(why, "store %s: a database of something else", path);
        return ESTOC_E_STORE;
    }
    if (version != SCHEMA_VERSION) {
        estoc_why_set(why, "store %s: schema %d, this estocd knows %d; use the newer estocd", path,
                      version, SCHEMA_VERSION);
        return ESTOC_E_STORE;
    }
    return ESTOC_OK;
}
