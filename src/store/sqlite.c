/* SPDX-License-Identifier: MIT
 *
 * A database in one SQLite file: write-ahead log, each commit synced, so that what commit() has
 * returned from survives a power cut, and `estocd list` can read while the server writes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sqlite3.h>

#include "db.h"
#include "text.h"

#define BUSY_MS      2000 /* another process may hold the write lock that long */
#define BUSY_STEP_MS 20

struct sqlite_db {
    estoc_db base;
    sqlite3 *db;
    sqlite3_stmt *begin, *snapshot, *commit, *rollback;
    sqlite3_stmt *st[]; /* by statement; NULL: not used so far */
};

struct sqlite_row {
    estoc_db_row base;
    sqlite3_stmt *st;
};

static estoc_err failed(struct sqlite_db *d)
{
    snprintf(d->base.why, sizeof d->base.why, "%s", sqlite3_errmsg(d->db));
    return ESTOC_E_STORE;
}

/* -------------------------------------------------------------------------------------- statements */

/* The values of a statement are $1, $2, ..., which to SQLite are names, in the order in which it meets
 * them; ?1, ?2, ... are numbers. */
static estoc_err prepare(struct sqlite_db *d, const char *text, sqlite3_stmt **st)
{
    if (*st != NULL) {
        return ESTOC_OK;
    }
    char *numbered = strdup(text);
    if (numbered == NULL) {
        return ESTOC_E_MEMORY;
    }
    for (char *at = numbered; (at = strchr(at, '$')) != NULL;) {
        *at = '?';
    }
    int rc = sqlite3_prepare_v3(d->db, numbered, -1, SQLITE_PREPARE_PERSISTENT, st, NULL);
    free(numbered);
    return rc == SQLITE_OK ? ESTOC_OK : failed(d);
}

static int bind(sqlite3_stmt *st, const estoc_db_value *values, size_t n)
{
    int rc = SQLITE_OK;
    for (size_t i = 0; rc == SQLITE_OK && i < n; i++) {
        const estoc_db_value *v = &values[i];
        int at = (int)i + 1;
        switch (v->kind) {
        case ESTOC_DB_INT:
            rc = sqlite3_bind_int64(st, at, v->number);
            break;
        case ESTOC_DB_BLOB:
            rc = sqlite3_bind_blob64(st, at, v->ptr, v->len, SQLITE_STATIC);
            break;
        case ESTOC_DB_TEXT:
            rc = sqlite3_bind_text64(st, at, v->ptr, v->len, SQLITE_STATIC, SQLITE_UTF8);
            break;
        }
    }
    return rc;
}

static estoc_err run_once(struct sqlite_db *d, sqlite3_stmt *st, const estoc_db_run *r, size_t i)
{
    struct sqlite_row row = {.base = {&d->base}, .st = st};
    int rc = bind(st, r->values_n > 0 ? r->values + i * r->values_n : NULL, r->values_n);
    bool more = rc == SQLITE_OK;
    while (more && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        more = r->row != NULL && r->row(r->ctx, i, &row.base);
    }
    estoc_err err = rc == SQLITE_DONE || rc == SQLITE_ROW ? ESTOC_OK : failed(d);
    if (!err && r->changed != NULL) {
        r->changed(r->ctx, i, (uint64_t)sqlite3_changes64(d->db));
    }
    /* it keeps no pointer to the caller's bytes, nor a read lock, once the call is over */
    sqlite3_reset(st);
    sqlite3_clear_bindings(st);
    return err;
}

static estoc_err run(estoc_db *db, const estoc_db_run *r)
{
    struct sqlite_db *d = (struct sqlite_db *)db;
    estoc_err err = prepare(d, d->base.sql[r->statement].text, &d->st[r->statement]);
    for (size_t i = 0; !err && i < r->times; i++) {
        err = run_once(d, d->st[r->statement], r, i);
    }
    return err;
}

static int64_t row_int(const estoc_db_row *row, int column)
{
    return sqlite3_column_int64(((const struct sqlite_row *)row)->st, column);
}

static estoc_slice row_blob(const estoc_db_row *row, int column)
{
    sqlite3_stmt *st = ((const struct sqlite_row *)row)->st;
    const void *ptr = sqlite3_column_blob(st, column);
    return estoc_slice_of(ptr, (size_t)sqlite3_column_bytes(st, column));
}

static const char *row_text(const estoc_db_row *row, int column)
{
    const unsigned char *text = sqlite3_column_text(((const struct sqlite_row *)row)->st, column);
    return text != NULL ? (const char *)text : "";
}

/* ----------------------------------------------------------------------------------- transactions */

static estoc_err step(struct sqlite_db *d, const char *text, sqlite3_stmt **st)
{
    estoc_err err = prepare(d, text, st);
    if (err) {
        return err;
    }
    err = sqlite3_step(*st) == SQLITE_DONE ? ESTOC_OK : failed(d);
    sqlite3_reset(*st);
    return err;
}

/* SQLite goes on with a file that has been moved away or deleted, where nobody will look for what is
 * in it. */
static estoc_err in_place(struct sqlite_db *d)
{
    int moved = 0;
    if (sqlite3_file_control(d->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK &&
        !moved) {
        return ESTOC_OK;
    }
    snprintf(d->base.why, sizeof d->base.why, "its file has been moved or deleted; put it back");
    return ESTOC_E_STORE;
}

static void rollback(estoc_db *db);

/* What a transaction sees is settled by its first read. */
static estoc_err begin(estoc_db *db, bool snapshot)
{
    struct sqlite_db *d = (struct sqlite_db *)db;
    estoc_err err =
        snapshot ? step(d, "BEGIN DEFERRED", &d->snapshot) : step(d, "BEGIN IMMEDIATE", &d->begin);
    if (!err && (err = in_place(d)) != ESTOC_OK) {
        rollback(db);
    }
    return err;
}

static estoc_err commit(estoc_db *db)
{
    struct sqlite_db *d = (struct sqlite_db *)db;
    estoc_err err = step(d, "COMMIT", &d->commit);
    return err ? err : in_place(d);
}

static void rollback(estoc_db *db)
{
    struct sqlite_db *d = (struct sqlite_db *)db;
    if (sqlite3_get_autocommit(d->db) == 0) { /* some failures have rolled back already */
        (void)step(d, "ROLLBACK", &d->rollback);
    }
}

/* ------------------------------------------------------------------------------------------ schema */

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

static int take_steps(sqlite3 *db, const estoc_db_schema *schema, int *version)
{
    char set[48];
    int rc = SQLITE_OK;
    while (rc == SQLITE_OK && *version < (int)schema->n) {
        rc = sqlite3_exec(db, schema->steps[*version].text, NULL, NULL, NULL);
        ++*version;
    }
    snprintf(set, sizeof set, "PRAGMA user_version = %d", *version);
    return rc == SQLITE_OK ? sqlite3_exec(db, set, NULL, NULL, NULL) : rc;
}

/* All steps or none, and under the write lock, so that two processes that open a store do not both
 * take them. */
static estoc_err migrate(sqlite3 *db, const char *path, const estoc_db_schema *schema,
                         estoc_why *why)
{
    int version = 0;
    int tables = 0;
    int rc = int_pragma(db, "PRAGMA user_version", &version);
    if (rc == SQLITE_OK && version == (int)schema->n) {
        return ESTOC_OK;
    }
    rc = rc == SQLITE_OK ? sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL) : rc;
    rc = rc == SQLITE_OK ? int_pragma(db, "PRAGMA user_version", &version) : rc;
    rc = rc == SQLITE_OK ? int_pragma(db, "SELECT count(*) FROM sqlite_schema", &tables) : rc;
    bool ours = version > 0 || (version == 0 && tables == 0);
    if (rc == SQLITE_OK && ours && version < (int)schema->n) {
        rc = take_steps(db, schema, &version);
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
    if (version != (int)schema->n) {
        estoc_why_set(why, "store %s: schema %d, this estocd knows %zu; use the newer estocd", path,
                      version, schema->n);
        return ESTOC_E_STORE;
    }
    return ESTOC_OK;
}

/* ----------------------------------------------------------------------------------------- opening */

/* Only ever a new file: closing a descriptor of a database that this process has open elsewhere
 * would drop its locks. SQLite gives the log beside it the same mode. */
static bool create_private(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0) {
        close(fd);
    }
    return fd >= 0 || errno == EEXIST;
}

/* Half a MiB of pages, full after some hundred certificates: from then on memory does not grow with
 * the store (bench/soak). The system keeps the file in its own cache anyway. */
static const char modes[] = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                            "PRAGMA cache_size = -512";

/* Of several that open a new store at once only one may change its journal, and SQLite sends the
 * others away without a wait. */
static int set_modes(sqlite3 *db)
{
    int rc = SQLITE_BUSY;
    for (int waited = 0; (rc & 0xff) == SQLITE_BUSY && waited <= BUSY_MS; waited += BUSY_STEP_MS) {
        if (waited > 0) {
            sqlite3_sleep(BUSY_STEP_MS);
        }
        rc = sqlite3_exec(db, modes, NULL, NULL, NULL);
    }
    return rc;
}

static estoc_err open_file(struct sqlite_db *d, const char *path, const estoc_db_schema *schema,
                           estoc_why *why)
{
    if (!create_private(path)) {
        estoc_why_set(why, "store %s: %s", path, strerror(errno));
        return ESTOC_E_STORE;
    }
    int rc = sqlite3_open_v2(path, &d->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc == SQLITE_OK) {
        sqlite3_extended_result_codes(d->db, 1);
        sqlite3_busy_timeout(d->db, BUSY_MS);
        rc = set_modes(d->db);
    }
    if (rc != SQLITE_OK) {
        estoc_why_set(why, "store %s: %s", path,
                      d->db != NULL ? sqlite3_errmsg(d->db) : sqlite3_errstr(rc));
        return ESTOC_E_STORE;
    }
    return migrate(d->db, path, schema, why);
}

static void close_file(estoc_db *db)
{
    struct sqlite_db *d = (struct sqlite_db *)db;
    for (size_t i = 0; i < d->base.sql_n; i++) {
        sqlite3_finalize(d->st[i]);
    }
    sqlite3_finalize(d->begin);
    sqlite3_finalize(d->snapshot);
    sqlite3_finalize(d->commit);
    sqlite3_finalize(d->rollback);
    sqlite3_close(d->db);
    free(d);
}

static const estoc_db_ops ops = {
    .run = run,
    .begin = begin,
    .commit = commit,
    .rollback = rollback,
    .close = close_file,
    .row_int = row_int,
    .row_blob = row_blob,
    .row_text = row_text,
};

estoc_err estoc_db_open_sqlite(const char *path, const estoc_db_schema *schema,
                               const estoc_db_sql *sql, size_t sql_n, estoc_db **out,
                               estoc_why *why)
{
    *out = NULL;
    struct sqlite_db *d = calloc(1, sizeof *d + sql_n * sizeof d->st[0]);
    if (d == NULL) {
        estoc_why_set(why, "store: %s", estoc_err_text(ESTOC_E_MEMORY));
        return ESTOC_E_MEMORY;
    }
    d->base = (estoc_db){.ops = &ops, .sql = sql, .sql_n = sql_n};
    estoc_err err = open_file(d, path, schema, why);
    if (err) {
        close_file(&d->base);
        return err;
    }
    *out = &d->base;
    return ESTOC_OK;
}
