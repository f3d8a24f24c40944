/* SPDX-License-Identifier: MIT
 *
 * Requests that wait for a person (L2).
 */
#include <string.h>

#include "sqlite_parts.h"

/* Number, times, decision and outcome stand in the columns from `at` on. */
static bool read_state(sqlite3_stmt *st, int at, estoc_pending *p)
{
    p->id = sqlite3_column_int64(st, at);
    p->asked_at = sqlite3_column_int64(st, at + 1);
    int decision = sqlite3_column_int(st, at + 3);
    p->decision = decision == ESTOC_APPROVED   ? ESTOC_APPROVED
                  : decision == ESTOC_REJECTED ? ESTOC_REJECTED
                                               : ESTOC_UNDECIDED;
    p->decided_at = p->decision != ESTOC_UNDECIDED ? sqlite3_column_int64(st, at + 2) : 0;
    return estoc_sqlite_serial(st, at + 4, p->serial, &p->serial_len);
}

static bool read_row(sqlite3_stmt *st, estoc_pending *p)
{
    memset(p, 0, sizeof *p);
    p->profile = estoc_sqlite_text(st, 7);
    p->op = estoc_sqlite_text(st, 8);
    p->subject = estoc_sqlite_text(st, 9);
    p->client = estoc_sqlite_blob(st, 10);
    p->request = estoc_sqlite_blob(st, 11);
    return read_state(st, 0, p) && estoc_sqlite_digest(st, 5, p->identity) &&
           estoc_sqlite_digest(st, 6, p->csr);
}

/* The four that name a request, as the first parameters. */
static int bind_name(sqlite3_stmt *st, const estoc_pending *p)
{
    int rc = estoc_sqlite_bind_blob(st, 1, p->identity, sizeof p->identity);
    rc |= estoc_sqlite_bind_blob(st, 2, p->csr, sizeof p->csr);
    rc |= estoc_sqlite_bind_text(st, 3, p->profile);
    rc |= estoc_sqlite_bind_text(st, 4, p->op);
    return rc;
}

estoc_err estoc_store_pend(estoc_store *s, const estoc_pending *p, int64_t *id)
{
    sqlite3_stmt *st = s->st[PEND];
    *id = 0;
    int rc = bind_name(st, p);
    rc |= estoc_sqlite_bind_text(st, 5, p->subject);
    rc |= sqlite3_bind_int64(st, 6, p->asked_at);
    rc |= estoc_sqlite_bind_blob(st, 7, p->client.ptr, p->client.len);
    rc |= estoc_sqlite_bind_blob(st, 8, p->request.ptr, p->request.len);
    rc = rc == SQLITE_OK ? sqlite3_step(st) : rc;
    estoc_err err = rc == SQLITE_DONE                ? ESTOC_OK
                    : rc == SQLITE_CONSTRAINT_UNIQUE ? ESTOC_E_STATE
                                                     : estoc_sqlite_failed(s, "put");
    estoc_sqlite_release(st);
    if (!err) {
        *id = sqlite3_last_insert_rowid(s->db);
    }
    return err;
}

estoc_err estoc_store_pending_find(estoc_store *s, estoc_pending *p)
{
    sqlite3_stmt *st = s->st[PENDING_FIND];
    int rc = bind_name(st, p);
    rc = rc == SQLITE_OK ? sqlite3_step(st) : rc;
    estoc_err err = rc == SQLITE_DONE                          ? ESTOC_E_NOT_FOUND
                    : rc == SQLITE_ROW && read_state(st, 0, p) ? ESTOC_OK
                                                               : estoc_sqlite_failed(s, "read");
    estoc_sqlite_release(st);
    return err;
}

estoc_err estoc_store_pending_count(estoc_store *s, const uint8_t *identity, uint64_t *n)
{
    int rc = identity != NULL ? estoc_sqlite_bind_blob(s->st[PENDING_COUNT], 1, identity, 32)
                              : sqlite3_bind_null(s->st[PENDING_COUNT], 1);
    return estoc_sqlite_number(s, rc, PENDING_COUNT, n);
}

estoc_err estoc_store_pending_each(estoc_store *s, int64_t id,
                                   bool (*each)(void *ctx, const estoc_pending *p), void *ctx)
{
    sqlite3_stmt *st = s->st[PENDING_EACH];
    estoc_pending p;
    int rc = sqlite3_bind_int64(st, 1, id);
    bool more = rc == SQLITE_OK;
    while (more && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        if (!read_row(st, &p)) {
            rc = SQLITE_CORRUPT;
            break;
        }
        more = each(ctx, &p);
    }
    estoc_err err = rc == SQLITE_DONE || (rc == SQLITE_ROW && !more)
                        ? ESTOC_OK
                        : estoc_sqlite_failed(s, "read");
    estoc_sqlite_release(st);
    return err;
}

static bool note_found(void *ctx, const estoc_pending *p)
{
    bool *found = ctx;
    (void)p;
    *found = true;
    return false;
}

estoc_err estoc_store_decide(estoc_store *s, int64_t id, estoc_decision decision, int64_t at)
{
    sqlite3_stmt *st = s->st[DECIDE];
    bool found = false;
    int rc = sqlite3_bind_int64(st, 1, id);
    rc |= sqlite3_bind_int(st, 2, (int)decision);
    rc |= sqlite3_bind_int64(st, 3, at);
    estoc_err err = estoc_sqlite_run(s, rc, DECIDE, "decide");
    if (!err && sqlite3_changes(s->db) == 0) {
        err = estoc_store_pending_each(s, id, note_found, &found);
        return err ? err : id != 0 && found ? ESTOC_E_STATE : ESTOC_E_NOT_FOUND;
    }
    return err;
}

estoc_err estoc_store_pending_issued(estoc_store *s, int64_t id, estoc_slice serial)
{
    sqlite3_stmt *st = s->st[PENDING_ISSUED];
    int rc = sqlite3_bind_int64(st, 1, id);
    rc |= estoc_sqlite_bind_blob(st, 2, serial.ptr, serial.len);
    return estoc_sqlite_run(s, rc, PENDING_ISSUED, "note");
}

estoc_err estoc_store_pending_drop(estoc_store *s, int64_t id)
{
    return estoc_sqlite_run(s, sqlite3_bind_int64(s->st[PENDING_DROP], 1, id), PENDING_DROP,
                            "drop");
}

estoc_err estoc_store_pending_expire(estoc_store *s, int64_t before)
{
    return estoc_sqlite_run(s, sqlite3_bind_int64(s->st[PENDING_EXPIRE], 1, before), PENDING_EXPIRE,
                            "expire");
}
