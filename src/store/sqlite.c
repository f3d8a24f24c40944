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

#include "sqlite_parts.h"
#include "text.h"

#define BUSY_MS      2000 /* another process may hold the write lock that long */
#define BUSY_STEP_MS 20

#define COLUMNS                                                                                   \
    "serial, profile, subject, identity, csr, key, issued_at, not_before, not_after, revoked_at," \
    " der, reason"
#define PENDING_STATE "id, asked_at, changed_at, decision, serial"

/* clang-format off */
static const char *const sql[STATEMENTS] = {
    [BEGIN]     = "BEGIN IMMEDIATE",
    [COMMIT]    = "COMMIT",
    [ROLLBACK]  = "ROLLBACK",
    [PUT]       = "INSERT INTO cert (" COLUMNS ") VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,"
                  "?12)",
    [BY_SERIAL] = "SELECT " COLUMNS " FROM cert WHERE serial = ?1",
    [BY_CSR]    = "SELECT der FROM cert WHERE identity = ?1 AND csr = ?2 AND profile = ?3"
                  " AND issued_at >= ?4 AND revoked_at = 0 ORDER BY issued_at DESC, id DESC LIMIT 1",
    [KEY_USED]  = "SELECT 1 FROM cert WHERE key = ?1 AND subject <> ?2 AND not_after >= ?3"
                  " AND revoked_at = 0 LIMIT 1",
    [REVOKE]    = "UPDATE cert SET revoked_at = ?2, reason = ?3 WHERE serial = ?1 AND revoked_at = 0",
    [EACH]      = "SELECT " COLUMNS " FROM cert WHERE ?1 IS NULL OR instr(lower(subject), lower(?1))"
                  " OR instr(lower(hex(serial)), lower(?1)) ORDER BY id",
    [COUNT]     = "SELECT count(*) FROM cert",
    [REVOKED_COUNT]  = "SELECT count(*) FROM cert WHERE revoked_at <> 0",
    [EACH_OF]   = "SELECT " COLUMNS " FROM cert WHERE identity = ?1 AND not_after >= ?2"
                  " AND revoked_at = 0 ORDER BY id DESC",
    [EACH_REVOKED]   = "SELECT " COLUMNS " FROM cert WHERE revoked_at <> 0",
    [PEND]           = "INSERT INTO pending (identity, csr, profile, op, subject, asked_at, changed_at,"
                       " decision, serial, client, request)"
                       " VALUES (?1,?2,?3,?4,?5,?6,?6,0,x'',?7,?8)",
    [PENDING_FIND]   = "SELECT " PENDING_STATE " FROM pending"
                       " WHERE identity = ?1 AND csr = ?2 AND profile = ?3 AND op = ?4",
    [PENDING_COUNT]  = "SELECT count(*) FROM pending WHERE decision = 0"
                       " AND (?1 IS NULL OR identity = ?1)",
    [PENDING_EACH]   = "SELECT " PENDING_STATE ", identity, csr, profile, op, subject, client, request"
                       " FROM pending WHERE ?1 = 0 OR id = ?1 ORDER BY id",
    [DECIDE]         = "UPDATE pending SET decision = ?2, changed_at = ?3"
                       " WHERE id = ?1 AND serial = x''",
    [PENDING_ISSUED] = "UPDATE pending SET serial = ?2 WHERE id = ?1",
    [PENDING_DROP]   = "DELETE FROM pending WHERE id = ?1",
    [PENDING_EXPIRE] = "DELETE FROM pending WHERE changed_at < ?1",
};
/* clang-format on */

estoc_err estoc_sqlite_failed(estoc_store *s, const char *what)
{
    snprintf(s->why, sizeof s->why, "%s", sqlite3_errmsg(s->db));
    estoc_log(ESTOC_LOG_ERROR, "store", "event", what, "why", s->why, NULL);
    return ESTOC_E_STORE;
}

/* ---------------------------------------------------------------------------------------- opening */

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
        rc = set_modes(s->db);
    }
    if (rc != SQLITE_OK) {
        estoc_why_set(why, "store %s: %s", path,
                      s->db != NULL ? sqlite3_errmsg(s->db) : sqlite3_errstr(rc));
        return ESTOC_E_STORE;
    }
    estoc_err err = estoc_sqlite_migrate(s->db, path, why);
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

const char *estoc_store_why(const estoc_store *s)
{
    return s->why;
}

/* ----------------------------------------------------------------------------------- transactions */

static estoc_err run(estoc_store *s, int which)
{
    int rc = sqlite3_step(s->st[which]);
    estoc_err err = rc == SQLITE_DONE ? ESTOC_OK : estoc_sqlite_failed(s, sql[which]);
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

int estoc_sqlite_bind_blob(sqlite3_stmt *st, int i, const uint8_t *ptr, size_t len)
{
    return sqlite3_bind_blob64(st, i, ptr, len, SQLITE_STATIC);
}

int estoc_sqlite_bind_text(sqlite3_stmt *st, int i, const char *text)
{
    return sqlite3_bind_text(st, i, text, -1, SQLITE_STATIC);
}

void estoc_sqlite_release(sqlite3_stmt *st)
{
    sqlite3_reset(st);
    sqlite3_clear_bindings(st);
}

estoc_err estoc_sqlite_run(estoc_store *s, int rc, int which, const char *what)
{
    rc = rc == SQLITE_OK ? sqlite3_step(s->st[which]) : rc;
    estoc_err err = rc == SQLITE_DONE ? ESTOC_OK : estoc_sqlite_failed(s, what);
    estoc_sqlite_release(s->st[which]);
    return err;
}

estoc_err estoc_sqlite_number(estoc_store *s, int rc, int which, uint64_t *n)
{
    sqlite3_stmt *st = s->st[which];
    rc = rc == SQLITE_OK ? sqlite3_step(st) : rc;
    *n = rc == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(st, 0) : 0;
    estoc_err err = rc == SQLITE_ROW ? ESTOC_OK : estoc_sqlite_failed(s, "count");
    estoc_sqlite_release(st);
    return err;
}

estoc_err estoc_store_put(estoc_store *s, const estoc_record *rec)
{
    sqlite3_stmt *st = s->st[PUT];
    int rc = estoc_sqlite_bind_blob(st, 1, rec->serial, rec->serial_len);
    rc |= estoc_sqlite_bind_text(st, 2, rec->profile);
    rc |= estoc_sqlite_bind_text(st, 3, rec->subject);
    rc |= estoc_sqlite_bind_blob(st, 4, rec->identity, sizeof rec->identity);
    rc |= estoc_sqlite_bind_blob(st, 5, rec->csr, sizeof rec->csr);
    rc |= estoc_sqlite_bind_blob(st, 6, rec->key, sizeof rec->key);
    rc |= sqlite3_bind_int64(st, 7, rec->issued_at);
    rc |= sqlite3_bind_int64(st, 8, rec->not_before);
    rc |= sqlite3_bind_int64(st, 9, rec->not_after);
    rc |= sqlite3_bind_int64(st, 10, rec->revoked_at);
    rc |= estoc_sqlite_bind_blob(st, 11, rec->cert.ptr, rec->cert.len);
    rc |= sqlite3_bind_int(st, 12, (int)rec->reason);
    rc = rc == SQLITE_OK ? sqlite3_step(st) : rc;
    estoc_err err = rc == SQLITE_DONE                ? ESTOC_OK
                    : rc == SQLITE_CONSTRAINT_UNIQUE ? ESTOC_E_STATE
                                                     : estoc_sqlite_failed(s, "put");
    estoc_sqlite_release(st);
    return err;
}

estoc_slice estoc_sqlite_blob(sqlite3_stmt *st, int i)
{
    const void *ptr = sqlite3_column_blob(st, i);
    return estoc_slice_of(ptr, (size_t)sqlite3_column_bytes(st, i));
}

const char *estoc_sqlite_text(sqlite3_stmt *st, int i)
{
    const unsigned char *text = sqlite3_column_text(st, i);
    return text != NULL ? (const char *)text : "";
}

bool estoc_sqlite_digest(sqlite3_stmt *st, int i, uint8_t out[32])
{
    estoc_slice s = estoc_sqlite_blob(st, i);
    if (s.len == 32) {
        memcpy(out, s.ptr, 32);
    }
    return s.len == 32;
}

bool estoc_sqlite_serial(sqlite3_stmt *st, int i, uint8_t out[ESTOC_SERIAL_MAX], size_t *len)
{
    estoc_slice s = estoc_sqlite_blob(st, i);
    *len = s.len;
    if (s.len > ESTOC_SERIAL_MAX) {
        return false;
    }
    if (s.len > 0) {
        memcpy(out, s.ptr, s.len);
    }
    return true;
}

/* @return false: the row was not written by us */
static bool read_row(sqlite3_stmt *st, estoc_record *rec)
{
    memset(rec, 0, sizeof *rec);
    if (!estoc_sqlite_serial(st, 0, rec->serial, &rec->serial_len) || rec->serial_len == 0 ||
        !estoc_sqlite_digest(st, 3, rec->identity) || !estoc_sqlite_digest(st, 4, rec->csr) ||
        !estoc_sqlite_digest(st, 5, rec->key)) {
        return false;
    }
    rec->profile = estoc_sqlite_text(st, 1);
    rec->subject = estoc_sqlite_text(st, 2);
    rec->issued_at = sqlite3_column_int64(st, 6);
    rec->not_before = sqlite3_column_int64(st, 7);
    rec->not_after = sqlite3_column_int64(st, 8);
    rec->revoked_at = sqlite3_column_int64(st, 9);
    rec->cert = estoc_sqlite_blob(st, 10);
    rec->reason = (estoc_crl_reason)sqlite3_column_int(st, 11);
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
    int rc = estoc_sqlite_bind_blob(st, 1, serial.ptr, serial.len);
    rc = rc == SQLITE_OK ? sqlite3_step(st) : rc;
    estoc_err err;
    if (rc == SQLITE_DONE) {
        err = ESTOC_E_NOT_FOUND;
    } else if (rc == SQLITE_ROW && read_row(st, rec)) {
        err = keep(s, rec, cert);
    } else {
        err = estoc_sqlite_failed(s, "read");
    }
    estoc_sqlite_release(st);
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
    int rc = estoc_sqlite_bind_blob(st, 1, identity, 32);
    rc |= estoc_sqlite_bind_blob(st, 2, csr, 32);
    rc |= estoc_sqlite_bind_text(st, 3, profile);
    rc |= sqlite3_bind_int64(st, 4, since);
    rc = rc == SQLITE_OK ? sqlite3_step(st) : rc;
    estoc_err err = rc == SQLITE_ROW    ? estoc_blob_copy(estoc_sqlite_blob(st, 0), cert)
                    : rc == SQLITE_DONE ? ESTOC_E_NOT_FOUND
                                        : estoc_sqlite_failed(s, "read");
    estoc_sqlite_release(st);
    return err;
}

estoc_err estoc_store_key_used(estoc_store *s, const uint8_t key[32], const char *subject,
                               int64_t at, bool *used)
{
    sqlite3_stmt *st = s->st[KEY_USED];
    int rc = estoc_sqlite_bind_blob(st, 1, key, 32);
    rc |= estoc_sqlite_bind_text(st, 2, subject);
    rc |= sqlite3_bind_int64(st, 3, at);
    rc = rc == SQLITE_OK ? sqlite3_step(st) : rc;
    *used = rc == SQLITE_ROW;
    estoc_err err =
        rc == SQLITE_ROW || rc == SQLITE_DONE ? ESTOC_OK : estoc_sqlite_failed(s, "read");
    estoc_sqlite_release(st);
    return err;
}

estoc_err estoc_store_revoke(estoc_store *s, estoc_slice serial, estoc_crl_reason reason,
                             int64_t at)
{
    sqlite3_stmt *st = s->st[REVOKE];
    estoc_record rec;
    estoc_blob cert;
    int rc = estoc_sqlite_bind_blob(st, 1, serial.ptr, serial.len);
    rc |= sqlite3_bind_int64(st, 2, at);
    rc |= sqlite3_bind_int(st, 3, (int)reason);
    estoc_err err = estoc_sqlite_run(s, rc, REVOKE, "revoke");
    if (!err && sqlite3_changes(s->db) == 0) {
        err = estoc_store_by_serial(s, serial, &rec, &cert);
        estoc_blob_free(&cert);
        return err ? err : ESTOC_E_STATE;
    }
    return err;
}

/* The rows of a bound statement. */
static estoc_err walk(estoc_store *s, int rc, int which,
                      bool (*each)(void *ctx, const estoc_record *rec), void *ctx)
{
    sqlite3_stmt *st = s->st[which];
    estoc_record rec;
    bool more = rc == SQLITE_OK;
    while (more && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        if (!read_row(st, &rec)) {
            rc = SQLITE_CORRUPT;
            break;
        }
        more = each(ctx, &rec);
    }
    estoc_err err = rc == SQLITE_DONE || (rc == SQLITE_ROW && !more)
                        ? ESTOC_OK
                        : estoc_sqlite_failed(s, "read");
    estoc_sqlite_release(st);
    return err;
}

estoc_err estoc_store_each(estoc_store *s, const char *match,
                           bool (*each)(void *ctx, const estoc_record *rec), void *ctx)
{
    return walk(s, estoc_sqlite_bind_text(s->st[EACH], 1, match), EACH, each, ctx);
}

estoc_err estoc_store_each_of(estoc_store *s, const uint8_t identity[32], int64_t at,
                              bool (*each)(void *ctx, const estoc_record *rec), void *ctx)
{
    int rc = estoc_sqlite_bind_blob(s->st[EACH_OF], 1, identity, 32);
    rc |= sqlite3_bind_int64(s->st[EACH_OF], 2, at);
    return walk(s, rc, EACH_OF, each, ctx);
}

estoc_err estoc_store_each_revoked(estoc_store *s, bool (*each)(void *ctx, const estoc_record *rec),
                                   void *ctx)
{
    return walk(s, SQLITE_OK, EACH_REVOKED, each, ctx);
}

estoc_err estoc_store_count(estoc_store *s, uint64_t *n)
{
    return estoc_sqlite_number(s, SQLITE_OK, COUNT, n);
}

estoc_err estoc_store_revoked_count(estoc_store *s, uint64_t *n)
{
    return estoc_sqlite_number(s, SQLITE_OK, REVOKED_COUNT, n);
}
