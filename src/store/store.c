/* SPDX-License-Identifier: MIT
 *
 * The handle: which kind of database, transactions, and what the other files need.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "store_parts.h"
#include "text.h"

static const char sqlite_scheme[] = "sqlite:";

static bool begins(const char *url, const char *scheme)
{
    return strncmp(url, scheme, strlen(scheme)) == 0;
}

const char *estoc_store_path(const char *url)
{
    return begins(url, sqlite_scheme) ? url + strlen(sqlite_scheme) : NULL;
}

bool estoc_store_is_shared(const char *url)
{
    return begins(url, "postgresql://") || begins(url, "postgres://");
}

estoc_err estoc_store_open(const char *url, estoc_store **out, estoc_why *why)
{
    const char *path = estoc_store_path(url);
    *out = NULL;
    if ((path == NULL || path[0] == '\0') && !estoc_store_is_shared(url)) {
        estoc_why_set(why, "store %.100s: write sqlite:PATH or postgresql://...", url);
        return ESTOC_E_CONFIG;
    }
    estoc_store *s = calloc(1, sizeof *s);
    if (s == NULL) {
        estoc_why_set(why, "store: %s", estoc_err_text(ESTOC_E_MEMORY));
        return ESTOC_E_MEMORY;
    }
    estoc_err err = path != NULL ? estoc_db_open_sqlite(path, &estoc_store_schema, estoc_store_sql,
                                                        ESTOC_SQL_N, &s->db, why)
                                 : estoc_db_open_postgres(url, &estoc_store_schema, estoc_store_sql,
                                                          ESTOC_SQL_N, &s->db, why);
    if (err) {
        free(s);
        return err;
    }
    *out = s;
    return ESTOC_OK;
}

estoc_err estoc_store_open_again(const char *url, estoc_store **out, estoc_why *why)
{
    const char *path = estoc_store_path(url);
    if (path != NULL && access(path, F_OK) != 0) {
        *out = NULL;
        estoc_why_set(why, "store %s: %s; put it back", path, strerror(errno));
        return ESTOC_E_STORE;
    }
    return estoc_store_open(url, out, why);
}

void estoc_store_close(estoc_store *s)
{
    if (s == NULL) {
        return;
    }
    s->db->ops->close(s->db);
    free(s->profile);
    free(s->subject);
    free(s);
}

const char *estoc_store_why(const estoc_store *s)
{
    return s->db->why;
}

/* ------------------------------------------------------------------------------------ the only one */

estoc_err estoc_store_claim_url(const char *url, estoc_store_claim *claim, estoc_why *why)
{
    const char *path = estoc_store_path(url);
    char lock[640];
    claim->fd = -1;
    if (path == NULL) {
        return ESTOC_OK;
    }
    if ((size_t)snprintf(lock, sizeof lock, "%s-lock", path) >= sizeof lock) {
        estoc_why_set(why, "store %.100s: too long a path", path);
        return ESTOC_E_STORE;
    }
    claim->fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (claim->fd >= 0 && flock(claim->fd, LOCK_EX | LOCK_NB) == 0) {
        return ESTOC_OK;
    }
    bool other = claim->fd >= 0 && errno == EWOULDBLOCK;
    estoc_why_set(why,
                  other ? "store %s: another estocd serves from it; stop that one first"
                        : "store %s: cannot be claimed: %s",
                  path, strerror(errno));
    estoc_store_unclaim(claim);
    return other ? ESTOC_E_BUSY : ESTOC_E_STORE;
}

void estoc_store_unclaim(estoc_store_claim *claim)
{
    if (claim->fd >= 0) {
        close(claim->fd); /* the file stays: another may have it open, waiting to lock it */
    }
    claim->fd = -1;
}

/* ----------------------------------------------------------------------------------- transactions */

static estoc_err logged(estoc_store *s, estoc_err err, const char *what)
{
    if (err == ESTOC_E_STORE) {
        estoc_log(ESTOC_LOG_ERROR, "store", "event", what, "why", s->db->why, NULL);
    }
    return err;
}

static estoc_err begin(estoc_store *s, bool snapshot)
{
    estoc_err err = logged(s, s->db->ops->begin(s->db, snapshot), "begin");
    s->in_transaction = !err;
    s->snapshot = snapshot;
    return err;
}

estoc_err estoc_store_begin(estoc_store *s)
{
    return begin(s, false);
}

estoc_err estoc_store_begin_snapshot(estoc_store *s)
{
    return begin(s, true);
}

estoc_err estoc_store_commit(estoc_store *s)
{
    estoc_err err = logged(s, s->db->ops->commit(s->db), "commit");
    s->in_transaction = s->in_transaction && err;
    return err;
}

void estoc_store_rollback(estoc_store *s)
{
    s->db->ops->rollback(s->db);
    s->in_transaction = false;
}

estoc_err estoc_store_enter(estoc_store *s, estoc_store_scope *scope)
{
    scope->own = !s->in_transaction;
    return scope->own ? estoc_store_begin(s) : ESTOC_OK;
}

estoc_err estoc_store_leave(estoc_store *s, const estoc_store_scope *scope, estoc_err err)
{
    if (!scope->own) {
        return err;
    }
    err = err ? err : estoc_store_commit(s);
    if (err) {
        estoc_store_rollback(s);
    }
    return err;
}

/* -------------------------------------------------------------------------------------- statements */

estoc_db_value estoc_db_bytes(const void *ptr, size_t len)
{
    return (estoc_db_value){.kind = ESTOC_DB_BLOB, .ptr = ptr != NULL ? ptr : "", .len = len};
}

estoc_db_value estoc_db_blob(estoc_slice s)
{
    return estoc_db_bytes(s.ptr, s.len);
}

estoc_db_value estoc_db_text(const char *text)
{
    return (estoc_db_value){
        .kind = ESTOC_DB_TEXT, .ptr = text, .len = text != NULL ? strlen(text) : 0};
}

estoc_err estoc_store_run(estoc_store *s, const estoc_db_run *run)
{
    return logged(s, s->db->ops->run(s->db, run), estoc_store_sql[run->statement].text);
}

static void note_changed(void *ctx, size_t i, uint64_t n)
{
    (void)i;
    *(uint64_t *)ctx = n;
}

estoc_err estoc_store_change(estoc_store *s, estoc_statement which, const estoc_db_value *values,
                             size_t values_n, uint64_t *n)
{
    uint64_t changed = 0;
    const estoc_db_run run = {.statement = which,
                              .values = values,
                              .values_n = values_n,
                              .times = 1,
                              .changed = note_changed,
                              .ctx = &changed};
    estoc_err err = estoc_store_run(s, &run);
    if (n != NULL) {
        *n = changed;
    }
    return err;
}

struct number {
    int64_t value;
    bool found;
};

static bool read_number(void *ctx, size_t i, const estoc_db_row *row)
{
    (void)i;
    *(struct number *)ctx = (struct number){estoc_row_int(row, 0), true};
    return false;
}

estoc_err estoc_store_number(estoc_store *s, estoc_statement which, const estoc_db_value *values,
                             size_t values_n, int64_t *n)
{
    struct number got = {0, false};
    const estoc_db_run run = {.statement = which,
                              .values = values,
                              .values_n = values_n,
                              .times = 1,
                              .row = read_number,
                              .ctx = &got};
    estoc_err err = estoc_store_run(s, &run);
    *n = got.value;
    return err ? err : got.found ? ESTOC_OK : ESTOC_E_NOT_FOUND;
}

estoc_err estoc_store_foreign(estoc_store *s)
{
    snprintf(s->db->why, sizeof s->db->why, "a row that estocd has not written");
    return logged(s, ESTOC_E_STORE, "read");
}

int64_t estoc_row_int(const estoc_db_row *row, int i)
{
    return row->db->ops->row_int(row, i);
}

estoc_slice estoc_row_blob(const estoc_db_row *row, int i)
{
    return row->db->ops->row_blob(row, i);
}

const char *estoc_row_text(const estoc_db_row *row, int i)
{
    return row->db->ops->row_text(row, i);
}

bool estoc_row_bytes(const estoc_db_row *row, int i, uint8_t *out, size_t len)
{
    estoc_slice s = estoc_row_blob(row, i);
    if (s.len == len) {
        memcpy(out, s.ptr, len);
    }
    return s.len == len;
}

bool estoc_row_serial(const estoc_db_row *row, int i, uint8_t out[ESTOC_SERIAL_MAX], size_t *len)
{
    estoc_slice s = estoc_row_blob(row, i);
    *len = s.len;
    if (s.len > ESTOC_SERIAL_MAX) {
        return false;
    }
    if (s.len > 0) {
        memcpy(out, s.ptr, s.len);
    }
    return true;
}
