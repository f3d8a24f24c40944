/* SPDX-License-Identifier: MIT
 *
 * Requests that wait for a person (L2).
 */
#include <string.h>

#include "store_parts.h"

/* Number, times, decision and outcome stand in the first columns. */
static bool read_state(const estoc_db_row *row, estoc_pending *p)
{
    p->id = estoc_row_int(row, 0);
    p->asked_at = estoc_row_int(row, 1);
    int64_t decision = estoc_row_int(row, 3);
    p->decision = decision == ESTOC_APPROVED   ? ESTOC_APPROVED
                  : decision == ESTOC_REJECTED ? ESTOC_REJECTED
                                               : ESTOC_UNDECIDED;
    p->decided_at = p->decision != ESTOC_UNDECIDED ? estoc_row_int(row, 2) : 0;
    return estoc_row_serial(row, 4, p->serial, &p->serial_len);
}

static bool read_row(const estoc_db_row *row, estoc_pending *p)
{
    memset(p, 0, sizeof *p);
    p->profile = estoc_row_text(row, 7);
    p->op = estoc_row_text(row, 8);
    p->subject = estoc_row_text(row, 9);
    p->client = estoc_row_blob(row, 10);
    p->request = estoc_row_blob(row, 11);
    return read_state(row, p) && estoc_row_bytes(row, 5, p->identity, sizeof p->identity) &&
           estoc_row_bytes(row, 6, p->csr, sizeof p->csr);
}

estoc_err estoc_store_pend(estoc_store *s, const estoc_pending *p, int64_t *id)
{
    const estoc_db_value values[] = {estoc_db_bytes(p->identity, 32), estoc_db_bytes(p->csr, 32),
                                     estoc_db_text(p->profile),       estoc_db_text(p->op),
                                     estoc_db_text(p->subject),       estoc_db_int(p->asked_at),
                                     estoc_db_bytes("", 0),           estoc_db_blob(p->client),
                                     estoc_db_blob(p->request)};
    estoc_err err =
        estoc_store_number(s, ESTOC_SQL_PEND, values, sizeof values / sizeof values[0], id);
    return err == ESTOC_E_NOT_FOUND ? ESTOC_E_STATE : err;
}

/* ----------------------------------------------------------------------------------------- reading */

struct found {
    estoc_pending *p;
    bool any, foreign;
};

static bool take_state(void *ctx, size_t i, const estoc_db_row *row)
{
    struct found *f = ctx;
    (void)i;
    f->any = true;
    f->foreign = !read_state(row, f->p);
    return false;
}

estoc_err estoc_store_pending_find(estoc_store *s, estoc_pending *p)
{
    struct found f = {p, false, false};
    const estoc_db_value values[] = {estoc_db_bytes(p->identity, 32), estoc_db_bytes(p->csr, 32),
                                     estoc_db_text(p->profile), estoc_db_text(p->op)};
    const estoc_db_run run = {.statement = ESTOC_SQL_PENDING_FIND,
                              .values = values,
                              .values_n = 4,
                              .times = 1,
                              .row = take_state,
                              .ctx = &f};
    estoc_err err = estoc_store_run(s, &run);
    return err ? err : f.foreign ? estoc_store_foreign(s) : f.any ? ESTOC_OK : ESTOC_E_NOT_FOUND;
}

estoc_err estoc_store_pending_count(estoc_store *s, const uint8_t *identity, uint64_t *n)
{
    int64_t count = 0;
    const estoc_db_value value = estoc_db_bytes(identity, 32);
    estoc_err err = identity != NULL
                        ? estoc_store_number(s, ESTOC_SQL_PENDING_COUNT_OF, &value, 1, &count)
                        : estoc_store_number(s, ESTOC_SQL_PENDING_COUNT, NULL, 0, &count);
    *n = (uint64_t)count;
    return err;
}

struct walk {
    bool (*each)(void *ctx, const estoc_pending *p);
    void *ctx;
    bool foreign;
};

static bool give(void *ctx, size_t i, const estoc_db_row *row)
{
    struct walk *w = ctx;
    estoc_pending p;
    (void)i;
    w->foreign = !read_row(row, &p);
    return !w->foreign && w->each(w->ctx, &p);
}

estoc_err estoc_store_pending_each(estoc_store *s, int64_t id,
                                   bool (*each)(void *ctx, const estoc_pending *p), void *ctx)
{
    struct walk w = {each, ctx, false};
    const estoc_db_value value = estoc_db_int(id);
    const estoc_db_run run = {.statement = id != 0 ? ESTOC_SQL_PENDING_ONE : ESTOC_SQL_PENDING_EACH,
                              .values = &value,
                              .values_n = id != 0,
                              .times = 1,
                              .row = give,
                              .ctx = &w};
    estoc_err err = estoc_store_run(s, &run);
    return err ? err : w.foreign ? estoc_store_foreign(s) : ESTOC_OK;
}

/* ---------------------------------------------------------------------------------------- deciding */

static bool note_found(void *ctx, const estoc_pending *p)
{
    bool *found = ctx;
    (void)p;
    *found = true;
    return false;
}

estoc_err estoc_store_decide(estoc_store *s, int64_t id, estoc_decision decision, int64_t at)
{
    bool found = false;
    uint64_t n = 0;
    const estoc_db_value values[] = {estoc_db_int(id), estoc_db_int((int64_t)decision),
                                     estoc_db_int(at)};
    estoc_err err = estoc_store_change(s, ESTOC_SQL_DECIDE, values, 3, &n);
    if (err || n > 0) {
        return err;
    }
    err = id != 0 ? estoc_store_pending_each(s, id, note_found, &found) : ESTOC_OK;
    return err ? err : found ? ESTOC_E_STATE : ESTOC_E_NOT_FOUND;
}

estoc_err estoc_store_pending_issued(estoc_store *s, int64_t id, estoc_slice serial)
{
    const estoc_db_value values[] = {estoc_db_int(id), estoc_db_blob(serial)};
    return estoc_store_change(s, ESTOC_SQL_PENDING_ISSUED, values, 2, NULL);
}

estoc_err estoc_store_pending_drop(estoc_store *s, int64_t id)
{
    const estoc_db_value value = estoc_db_int(id);
    return estoc_store_change(s, ESTOC_SQL_PENDING_DROP, &value, 1, NULL);
}

estoc_err estoc_store_pending_expire(estoc_store *s, int64_t before)
{
    const estoc_db_value value = estoc_db_int(before);
    return estoc_store_change(s, ESTOC_SQL_PENDING_EXPIRE, &value, 1, NULL);
}
