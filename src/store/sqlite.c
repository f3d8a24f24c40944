/* SPDX-License-Identifier: MIT
 *
 * The store in one SQLite file: write-ahead log, each commit synced, so that what commit() has
 * returned from survives a power cut, and `estocd list` can read while the server writes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sqlite3.h>

#include "store.h"

#define SCHEMA_VERSION 1
#define BUSY_MS        2000 /* another process may hold the write lock that long */

enum { BEGIN, COMMIT, ROLLBACK, PUT, BY_SERIAL, BY_CSR, KEY_USED, REVOKE, EACH, COUNT, STATEMENTS };

#define COLUMNS                                                                                   \
    "serial, profile, subject, identity, csr, key, issued_at, not_before, not_after, revoked_at," \
    " der"

/* clang-format off */
static const char *const sql[STATEMENTS] = {
    [BEGIN]     = "BEGIN IMMEDIATE",
    [COMMIT]    = "COMMIT",
    [ROLLBACK]  = "ROLLBACK",
    [PUT]       = "INSERT INTO cert (" COLUMNS ") VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11)",
    [BY_SERIAL] = "SELECT " COLUMNS " FROM cert WHERE serial = ?1",
    [BY_CSR]    = "SELECT der FROM cert WHERE identity = ?1 AND csr = ?2 AND profile = ?3"
                  " AND issued_at >= ?4 AND revoked_at = 0 ORDER BY issued_at DESC, id DESC LIMIT 1",
    [KEY_USED]  = "SELECT 1 FROM cert WHERE key = ?1 AND subject <> ?2 AND not_after >= ?3"
                  " AND revoked_at = 0 LIMIT 1",
    [REVOKE]    = "UPDATE cert SET revoked_at = ?2 WHERE serial = ?1 AND revoked_at = 0",
    [EACH]      = "SELECT " COLUMNS " FROM cert WHERE ?1 IS NULL OR instr(lower(subject), lower(?1))"
                  " OR instr(lower(hex(serial)), lower(?1)) ORDER BY id",
    [COUNT]     = "SELECT count(*) FROM cert",
};

static const char schema[] =
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
    "PRAGMA user_version = 1;";
/* clang-format on */

struct estoc_store {
    sqlite3 *db;
    sqlite3_stmt *st[STATEMENTS];
    char *profile, *subject; /* of the last by_serial() */
};

static estoc_err failed(estoc_store *s, const char *what)
{
    estoc_log(ESTOC_LOG_ERROR, "store", "event", what, "why", sqlite3_errmsg(s->db), NULL);
    return ESTOC_E_STORE;
}

/* ---------------------------------------------------------------------------------------- opening */

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

/* Under the write lock, so that two processes that open a new store do not both make the tables. */
static estoc_err migrate(sqlite3 *db, const char *path, estoc_why *why)
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
    if (rc == SQLITE_OK && version == 0 && tables == 0) {
        rc = sqlite3_exec(db, schema, NULL, NULL, NULL);
        version = SCHEMA_VERSION;
    }
    rc = rc == SQLITE_OK ? sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) : rc;
    if (rc != SQLITE_OK) {
        estoc_why_set(why, "store %s: %s", path, sqlite3_errmsg(db));
        return ESTOC_E_STORE;
    }
    if (version == 0) {
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

static estoc_err open_file(estoc_store *s, const char *path, estoc_why *why)
{
    if (!create_private(path)) {
        estoc_why_set(why, "store %s: %s", path, strerror(errno));
        return ESTOC_E_STORE;
    }
    int rc = sqlite3_open_v2(path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc == SQLITE_OK) {
        sqlite3_extended_result_codes(s->db, 1);
        sqlite3_busy_timeout(s->db, BUSY_MS);
        /* Half a MiB of pages, full after some hundred certificates: from then on memory does not
         * grow with the store (bench/soak). The system keeps the file in its own cache anyway. */
        rc = sqlite3_exec(s->db,
                          "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                          "PRAGMA cache_size = -512",
                          NULL, NULL, NULL);
    }
    if (rc != SQLITE_OK) {
        estoc_why_set(why, "store %s: %s", path,
                      s->db != NULL ? sqlite3_errmsg(s->db) : sqlite3_errstr(rc));
        return ESTOC_E_STORE;
    }
    estoc_err err = migrate(s->db, path, why);
    for (int i = 0; !err && i < STATEMENTS; i++) {
        if (sqlite3_prepare_v3(s->db, sql[i], -1, SQLITE_PREPARE_PERSISTENT, &s->st[i], NULL) !=
            SQLITE_OK) {
            estoc_why_set(why, "store %s: %s", path, sqlite3_errmsg(s->db));
            err = ESTOC_E_STORE;
        }
    }
    return err;
}

estoc_err estoc_store_open(const char *url, estoc_store **out, estoc_why *why)
{
    static const char scheme[] = "sqlite:";
    *out = NULL;
    if (strncmp(url, scheme, sizeof scheme - 1) != 0 || url[sizeof scheme - 1] == '\0') {
        estoc_why_set(why, "store %s: this version takes sqlite:PATH", url);
        return ESTOC_E_CONFIG;
    }
    estoc_store *s = calloc(1, sizeof *s);
    if (s == NULL) {
        estoc_why_set(why, "store: %s", estoc_err_text(ESTOC_E_MEMORY));
        return ESTOC_E_MEMORY;
    }
    estoc_err err = open_file(s, url + sizeof scheme - 1, why);
    if (err) {
        estoc_store_close(s);
        return err;
    }
    *out = s;
    return ESTOC_OK;
}

void estoc_store_close(estoc_store *s)
{
    if (s == NULL) {
        return;
    }
    for (int i = 0; i < STATEMENTS; i++) {
        sqlite3_finalize(s->st[i]);
    }
    sqlite3_close(s->db);
    free(s->profile);
    free(s->subject);
    free(s);
}

/* ----------------------------------------------------------------------------------- transactions */

static estoc_err run(estoc_store *s, int which)
{
    int rc = sqlite3_step(s->st[which]);
    estoc_err err = rc == SQLITE_DONE ? ESTOC_OK : failed(s, sql[which]);
    sqlite3_reset(s->st[which]);
    return err;
}

estoc_err estoc_store_begin(estoc_store *s)
{
    return run(s, BEGIN);
}

estoc_err estoc_store_commit(estoc_store *s)
{
    return run(s, COMMIT);
}

void estoc_store_rollback(estoc_store *s)
{
    if (sqlite3_get_autocommit(s->db) == 0) { /* some failures have rolled back already */
        (void)run(s, ROLLBACK);
    }
}

/* ----------------------------------------------------------------------------------------- records */

static int bind_blob(sqlite3_stmt *st, int i, const uint8_t *ptr, size_t len)
{
    return sqlite3_bind_blob64(st, i, ptr, len, SQLITE_STATIC);
}

static int bind_text(sqlite3_stmt *st, int i, const char *text)
{
    return sqlite3_bind_text(st, i, text, -1, SQLITE_STATIC);
}

/* Statements keep no pointer to the caller's bytes, nor a read lock, once their call is over. */
static void release(sqlite3_stmt *st)
{
    sqlite3_reset(st);
    sqlite3_clear_bindings(st);
}

estoc_err estoc_store_put(estoc_store *s, const estoc_record *rec)
{
    sqlite3_stmt *st = s->st[PUT];
    int rc = bind_blob(st, 1, rec->serial, rec->serial_len);
    rc |= bind_text(st, 2, rec->profile);
    rc |= bind_text(st, 3, rec->subject);
    rc |= bind_blob(st, 4, rec->identity, sizeof rec->identity);
    rc |= bind_blob(st, 5, rec->csr, sizeof rec->csr);
    rc |= bind_blob(st, 6, rec->key, sizeof rec->key);
    rc |= sqlite3_bind_int64(st, 7, rec->issued_at);
    rc |= sqlite3_bind_int64(st, 8, rec->not_before);
    rc |= sqlite3_bind_int64(st, 9, rec->not_after);
    rc |= sqlite3_bind_int64(st, 10, rec->revoked_at);
    rc |= bind_blob(st, 11, rec->cert.ptr, rec->cert.len);
    rc = rc == SQLITE_OK ? sqlite3_step(st) : rc;
    estoc_err err = rc == SQLITE_DONE                ? ESTOC_OK
                    : rc == SQLITE_CONSTRAINT_UNIQUE ? ESTOC_E_STATE
                                                     : failed(s, "put");
    release(st);
    return err;
}

static estoc_slice column_blob(sqlite3_stmt *st, int i)
{
    const void *ptr = sqlite3_column_blob(st, i);
    return estoc_slice_of(ptr, (size_t)sqlite3_column_bytes(st, i));
}

static const char *column_text(sqlite3_stmt *st, int i)
{
    const unsigned char *text = sqlite3_column_text(st, i);
    return text != NULL ? (const char *)text : "";
}

static bool fixed(sqlite3_stmt *st, int i, uint8_t out[32])
{
    estoc_slice s = column_blob(st, i);
    if (s.len == 32) {
        memcpy(out, s.ptr, 32);
    }
    return s.len == 32;
}

/* @return false: the row was not written by us */
static bool read_row(sqlite3_stmt *st, estoc_record *rec)
{
    memset(rec, 0, sizeof *rec);
    estoc_slice serial = column_blob(st, 0);
    if (serial.len == 0 || serial.len > sizeof rec->serial || !fixed(st, 3, rec->identity) ||
        !fixed(st, 4, rec->csr) || !fixed(st, 5, rec->key)) {
        return false;
    }
    memcpy(rec->serial, serial.ptr, serial.len);
    rec->serial_len = serial.len;
    rec->profile = column_text(st, 1);
    rec->subject = column_text(st, 2);
    rec->issued_at = sqlite3_column_int64(st, 6);
    rec->not_before = sqlite3_column_int64(st, 7);
    rec->not_after = sqlite3_column_int64(st, 8);
    rec->revoked_at = sqlite3_column_int64(st, 9);
    rec->cert = column_blob(st, 10);
    return true;
}

/* What a record points to, beyond the life of its row. */
static estoc_err keep(estoc_store *s, estoc_record *rec, estoc_blob *cert)
{
    free(s->profile);
    free(s->subject);
    s->profile = strdup(rec->profile);
    s->subject = strdup(rec->subject);
    if (s->profile == NULL || s->subject == NULL || estoc_blob_copy(rec->cert, cert)) {
        return ESTOC_E_MEMORY;
    }
    rec->profile = s->profile;
    rec->subject = s->subject;
    rec->cert = estoc_blob_slice(*cert);
    return ESTOC_OK;
}

estoc_err estoc_store_by_serial(estoc_store *s, estoc_slice serial, estoc_record *rec,
                                estoc_blob *cert)
{
    sqlite3_stmt *st = s->st[BY_SERIAL];
    *cert = (estoc_blob){NULL, 0};
    int rc = bind_blob(st, 1, serial.ptr, serial.len);
    rc = rc == SQLITE_OK ? sqlite3_step(st) : rc;
    estoc_err err;
    if (rc == SQLITE_DONE) {
        err = ESTOC_E_NOT_FOUND;
    } else if (rc == SQLITE_ROW && read_row(st, rec)) {
        err = keep(s, rec, cert);
    } else {
        err = failed(s, "read");
    }
    release(st);
    if (err) {
        memset(rec, 0, sizeof *rec);
    }
    return err;
}

estoc_err estoc_store_by_csr(estoc_store *s, const uint8_t identity[32], const char *profile,
                             const uint8_t csr[32], int64_t since, estoc_blob *cert)
{
    sqlite3_stmt *st = s->st[BY_CSR];
    *cert = (estoc_blob){NULL, 0};
    int rc = bind_blob(st, 1, identity, 32);
    rc |= bind_blob(st, 2, csr, 32);
    rc |= bind_text(st, 3, profile);
    rc |= sqlite3_bind_int64(st, 4, since);
    rc = rc == SQLITE_OK ? sqlite3_step(st) : rc;
    estoc_err err = rc == SQLITE_ROW    ? estoc_blob_copy(column_blob(st, 0), cert)
                    : rc == SQLITE_DONE ? ESTOC_E_NOT_FOUND
                                        : failed(s, "read");
    release(st);
    return err;
}

estoc_err estoc_store_key_used(estoc_store *s, const uint8_t key[32], const char *subject,
                               int64_t at, bool *used)
{
    sqlite3_stmt *st = s->st[KEY_USED];
    int rc = bind_blob(st, 1, key, 32);
    rc |= bind_text(st, 2, subject);
    rc |= sqlite3_bind_int64(st, 3, at);
    rc = rc == SQLITE_OK ? sqlite3_step(st) : rc;
    *used = rc == SQLITE_ROW;
    estoc_err err = rc == SQLITE_ROW || rc == SQLITE_DONE ? ESTOC_OK : failed(s, "read");
    release(st);
    return err;
}

estoc_err estoc_store_revoke(estoc_store *s, estoc_slice serial, estoc_crl_reason reason,
                             int64_t at)
{
    sqlite3_stmt *st = s->st[REVOKE];
    estoc_record rec;
    estoc_blob cert;
    (void)reason;
    int rc = bind_blob(st, 1, serial.ptr, serial.len);
    rc |= sqlite3_bind_int64(st, 2, at);
    rc = rc == SQLITE_OK ? sqlite3_step(st) : rc;
    estoc_err err = rc == SQLITE_DONE ? ESTOC_OK : failed(s, "revoke");
    release(st);
    if (!err && sqlite3_changes(s->db) == 0) {
        err = estoc_store_by_serial(s, serial, &rec, &cert);
        estoc_blob_free(&cert);
        return err ? err : ESTOC_E_STATE;
    }
    return err;
}

estoc_err estoc_store_each(estoc_store *s, const char *match,
                           bool (*each)(void *ctx, const estoc_record *rec), void *ctx)
{
    sqlite3_stmt *st = s->st[EACH];
    estoc_record rec;
    int rc = bind_text(st, 1, match); /* NULL binds NULL */
    bool more = rc == SQLITE_OK;
    while (more && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        if (!read_row(st, &rec)) {
            rc = SQLITE_CORRUPT;
            break;
        }
        more = each(ctx, &rec);
    }
    estoc_err err = rc == SQLITE_DONE || (rc == SQLITE_ROW && !more) ? ESTOC_OK : failed(s, "read");
    release(st);
    return err;
}

estoc_err estoc_store_count(estoc_store *s, uint64_t *n)
{
    sqlite3_stmt *st = s->st[COUNT];
    *n = 0;
    bool row = sqlite3_step(st) == SQLITE_ROW;
    estoc_err err = row ? ESTOC_OK : failed(s, "count");
    if (row) {
        *n = (uint64_t)sqlite3_column_int64(st, 0);
    }
    release(st);
    return err;
}
