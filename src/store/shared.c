/* SPDX-License-Identifier: MIT
 *
 * What stands beside certificates and requests: counters, CRLs, the audit's lines, and what nodes share.
 */
#include <string.h>

#include "store_parts.h"

estoc_err estoc_store_next(estoc_store *s, const char *counter, int64_t by, int64_t *value)
{
    const estoc_db_value values[] = {estoc_db_text(counter), estoc_db_int(by)};
    estoc_err err = estoc_store_change(s, ESTOC_SQL_COUNTER_ADD, values, 2, NULL);
    return err ? err : estoc_store_number(s, ESTOC_SQL_COUNTER, values, 1, value);
}

/* -------------------------------------------------------------------------------------------- CRLs */

estoc_err estoc_store_crl_number(estoc_store *s, int64_t at, int64_t *number)
{
    const estoc_db_value values[] = {estoc_db_text("crl"), estoc_db_int(at)};
    estoc_err err = estoc_store_change(s, ESTOC_SQL_COUNTER_RAISE, values, 2, NULL);
    return err ? err : estoc_store_number(s, ESTOC_SQL_COUNTER, values, 1, number);
}

estoc_err estoc_store_crl_put(estoc_store *s, const estoc_crl_record *crl)
{
    estoc_store_scope scope;
    const estoc_db_value values[] = {estoc_db_int(crl->number), estoc_db_int(crl->this_update),
                                     estoc_db_int(crl->next_update), estoc_db_int(crl->revision),
                                     estoc_db_blob(crl->der)};
    estoc_err err = estoc_store_enter(s, &scope);
    if (err) {
        return err;
    }
    err = estoc_store_change(s, ESTOC_SQL_CRL_DROP, values, 1, NULL);
    err = err ? err : estoc_store_change(s, ESTOC_SQL_CRL_PUT, values, 5, NULL);
    return estoc_store_leave(s, &scope, err);
}

struct crl {
    estoc_crl_record *out;
    estoc_blob *der;
    estoc_err err;
};

static bool take_crl(void *ctx, size_t i, const estoc_db_row *row)
{
    struct crl *c = ctx;
    (void)i;
    *c->out = (estoc_crl_record){.number = estoc_row_int(row, 0),
                                 .this_update = estoc_row_int(row, 1),
                                 .next_update = estoc_row_int(row, 2),
                                 .revision = estoc_row_int(row, 3)};
    c->err = c->der != NULL ? estoc_blob_copy(estoc_row_blob(row, 4), c->der) : ESTOC_OK;
    c->out->der = c->der != NULL ? estoc_blob_slice(*c->der) : estoc_slice_of(NULL, 0);
    return false;
}

estoc_err estoc_store_crl_newest(estoc_store *s, estoc_crl_record *crl, estoc_blob *der)
{
    struct crl c = {crl, der, ESTOC_E_NOT_FOUND};
    const estoc_db_run run = {
        .statement = ESTOC_SQL_CRL_NEWEST, .times = 1, .row = take_crl, .ctx = &c};
    if (der != NULL) {
        *der = (estoc_blob){NULL, 0};
    }
    *crl = (estoc_crl_record){.number = 0};
    estoc_err err = estoc_store_run(s, &run);
    return err ? err : c.err;
}

/* ------------------------------------------------------------------------------------------- audit */

struct head {
    int64_t seq;
    uint8_t *hash;
    bool foreign;
};

static bool take_head(void *ctx, size_t i, const estoc_db_row *row)
{
    struct head *h = ctx;
    (void)i;
    h->seq = estoc_row_int(row, 0);
    h->foreign = !estoc_row_bytes(row, 1, h->hash, 32);
    return false;
}

estoc_err estoc_store_audit_head(estoc_store *s, const char *node, int64_t *seq, uint8_t hash[32])
{
    struct head h = {0, hash, false};
    bool lock = s->in_transaction && !s->snapshot;
    memset(hash, 0, 32);
    const estoc_db_value values[] = {estoc_db_text(node), estoc_db_bytes(hash, 32)};
    const estoc_db_run run = {.statement = lock ? ESTOC_SQL_HEAD_LOCK : ESTOC_SQL_HEAD,
                              .values = values,
                              .values_n = 1,
                              .times = 1,
                              .row = take_head,
                              .ctx = &h};
    estoc_err err = ESTOC_OK;
    if (lock) {
        err = estoc_store_change(s, ESTOC_SQL_HEAD_NEW, values, 2, NULL);
    }
    err = err ? err : estoc_store_run(s, &run);
    *seq = h.seq;
    return err ? err : h.foreign ? estoc_store_foreign(s) : ESTOC_OK;
}

#define LINES_AT_ONCE 64

static estoc_err add_lines(estoc_store *s, const char *node, const estoc_audit_line *lines,
                           size_t n)
{
    estoc_db_value values[LINES_AT_ONCE * 4];
    for (size_t i = 0; i < n; i++) {
        estoc_db_value *v = &values[4 * i];
        v[0] = estoc_db_text(node);
        v[1] = estoc_db_int(lines[i].seq);
        v[2] = estoc_db_bytes(lines[i].hash, 32);
        v[3] = estoc_db_text(lines[i].text);
    }
    const estoc_db_run run = {
        .statement = ESTOC_SQL_AUDIT_ADD, .values = values, .values_n = 4, .times = n};
    return estoc_store_run(s, &run);
}

estoc_err estoc_store_audit_add(estoc_store *s, const char *node, const estoc_audit_line *lines,
                                size_t n)
{
    estoc_store_scope scope;
    if (n == 0) {
        return ESTOC_OK;
    }
    estoc_err err = estoc_store_enter(s, &scope);
    if (err) {
        return err;
    }
    for (size_t i = 0; !err && i < n; i += LINES_AT_ONCE) {
        size_t part = n - i < LINES_AT_ONCE ? n - i : LINES_AT_ONCE;
        err = add_lines(s, node, lines + i, part);
    }
    const estoc_audit_line *last = &lines[n - 1];
    const estoc_db_value head[] = {estoc_db_text(node), estoc_db_int(last->seq),
                                   estoc_db_bytes(last->hash, 32)};
    err = err ? err : estoc_store_change(s, ESTOC_SQL_HEAD_SET, head, 3, NULL);
    return estoc_store_leave(s, &scope, err);
}

struct lines {
    bool (*each)(void *ctx, const estoc_audit_line *l);
    void *ctx;
    bool foreign;
};

static bool give_line(void *ctx, size_t i, const estoc_db_row *row)
{
    struct lines *w = ctx;
    estoc_audit_line l = {.seq = estoc_row_int(row, 0), .text = estoc_row_text(row, 2)};
    (void)i;
    w->foreign = !estoc_row_bytes(row, 1, l.hash, sizeof l.hash);
    return !w->foreign && w->each(w->ctx, &l);
}

estoc_err estoc_store_audit_each(estoc_store *s, const char *node, int64_t after,
                                 bool (*each)(void *ctx, const estoc_audit_line *l), void *ctx)
{
    struct lines w = {each, ctx, false};
    const estoc_db_value values[] = {estoc_db_text(node), estoc_db_int(after)};
    const estoc_db_run run = {.statement = ESTOC_SQL_AUDIT_EACH,
                              .values = values,
                              .values_n = 2,
                              .times = 1,
                              .row = give_line,
                              .ctx = &w};
    estoc_err err = estoc_store_run(s, &run);
    return err ? err : w.foreign ? estoc_store_foreign(s) : ESTOC_OK;
}

estoc_err estoc_store_audit_trim(estoc_store *s, const char *node, int64_t seq)
{
    const estoc_db_value values[] = {estoc_db_text(node), estoc_db_int(seq)};
    return estoc_store_change(s, ESTOC_SQL_AUDIT_TRIM, values, 2, NULL);
}

/* ------------------------------------------------------------------------------- secrets, sessions */

#define SESSIONS_AT_ONCE 1000
#define PUT_AT_ONCE      64

static bool take_secret(void *ctx, size_t i, const estoc_db_row *row)
{
    struct head *h = ctx;
    (void)i;
    h->foreign = !estoc_row_bytes(row, 0, h->hash, 32);
    return false;
}

estoc_err estoc_store_secret(estoc_store *s, const char *name, uint8_t key[32])
{
    struct head h = {0, key, true};
    const estoc_db_value values[] = {estoc_db_text(name), estoc_db_bytes(key, 32)};
    const estoc_db_run run = {.statement = ESTOC_SQL_SECRET,
                              .values = values,
                              .values_n = 1,
                              .times = 1,
                              .row = take_secret,
                              .ctx = &h};
    estoc_err err = estoc_store_change(s, ESTOC_SQL_SECRET_NEW, values, 2, NULL);
    err = err ? err : estoc_store_run(s, &run);
    return err ? err : h.foreign ? estoc_store_foreign(s) : ESTOC_OK;
}

/* In one round trip. */
static estoc_err put_sessions(estoc_store *s, const char *node, const uint8_t *run, int64_t seq,
                              const estoc_kept_session *list, size_t n)
{
    estoc_db_value values[PUT_AT_ONCE * 6];
    for (size_t i = 0; i < n; i++) {
        estoc_db_value *v = &values[6 * i];
        v[0] = estoc_db_int(seq + (int64_t)i);
        v[1] = estoc_db_bytes(list[i].id, sizeof list[i].id);
        v[2] = estoc_db_text(node);
        v[3] = estoc_db_bytes(run, ESTOC_RUN_LEN);
        v[4] = estoc_db_int(list[i].until);
        v[5] = estoc_db_blob(list[i].bytes);
    }
    const estoc_db_run r = {
        .statement = ESTOC_SQL_SESSION_PUT, .values = values, .values_n = 6, .times = n};
    return estoc_store_run(s, &r);
}

estoc_err estoc_store_sessions_put(estoc_store *s, const char *node,
                                   const uint8_t run[ESTOC_RUN_LEN], const estoc_kept_session *list,
                                   size_t n)
{
    estoc_store_scope scope;
    int64_t last = 0;
    if (n == 0) {
        return ESTOC_OK;
    }
    estoc_err err = estoc_store_enter(s, &scope);
    if (err) {
        return err;
    }
    err = estoc_store_next(s, "session", (int64_t)n, &last);
    for (size_t i = 0; !err && i < n; i += PUT_AT_ONCE) {
        size_t part = n - i < PUT_AT_ONCE ? n - i : PUT_AT_ONCE;
        err = put_sessions(s, node, run, last - (int64_t)n + 1 + (int64_t)i, list + i, part);
    }
    return estoc_store_leave(s, &scope, err);
}

struct sessions {
    bool (*each)(void *ctx, const estoc_kept_session *k);
    void *ctx;
    int64_t *seq;
    bool foreign, stopped;
};

static bool give_session(void *ctx, size_t i, const estoc_db_row *row)
{
    struct sessions *w = ctx;
    estoc_kept_session k = {.seq = estoc_row_int(row, 0),
                            .until = estoc_row_int(row, 2),
                            .bytes = estoc_row_blob(row, 3)};
    (void)i;
    w->foreign = !estoc_row_bytes(row, 1, k.id, sizeof k.id);
    if (w->foreign) {
        return false;
    }
    *w->seq = k.seq;
    w->stopped = !w->each(w->ctx, &k);
    return !w->stopped;
}

estoc_err estoc_store_sessions_last(estoc_store *s, int64_t *seq)
{
    const estoc_db_value name = estoc_db_text("session");
    return estoc_store_number(s, ESTOC_SQL_COUNTER, &name, 1, seq);
}

/* What the counter says is committed, is: see estoc_store_next. */
estoc_err estoc_store_sessions_each(estoc_store *s, const uint8_t run[ESTOC_RUN_LEN], int64_t *seq,
                                    int64_t now,
                                    bool (*each)(void *ctx, const estoc_kept_session *k), void *ctx)
{
    int64_t last = 0;
    struct sessions w = {.each = each, .ctx = ctx, .seq = seq};
    estoc_err err = estoc_store_sessions_last(s, &last);
    if (err || last <= *seq) {
        return err;
    }
    last = last - *seq < SESSIONS_AT_ONCE ? last : *seq + SESSIONS_AT_ONCE;
    const estoc_db_value values[] = {estoc_db_int(*seq), estoc_db_bytes(run, ESTOC_RUN_LEN),
                                     estoc_db_int(now), estoc_db_int(last)};
    const estoc_db_run r = {.statement = ESTOC_SQL_SESSION_EACH,
                            .values = values,
                            .values_n = 4,
                            .times = 1,
                            .row = give_session,
                            .ctx = &w};
    err = estoc_store_run(s, &r);
    if (!err && !w.stopped) {
        *seq = last;
    }
    return err ? err : w.foreign ? estoc_store_foreign(s) : ESTOC_OK;
}

estoc_err estoc_store_sessions_expire(estoc_store *s, int64_t now, int64_t seq)
{
    const estoc_db_value values[] = {estoc_db_int(now), estoc_db_int(seq)};
    return estoc_store_change(s, ESTOC_SQL_SESSION_EXPIRE, values, 2, NULL);
}

estoc_err estoc_store_claim_node(estoc_store *s, const char *node)
{
    const estoc_db_value name = estoc_db_text(node);
    int64_t n = 0;
    estoc_err err = estoc_store_number(s, ESTOC_SQL_KEEP_ALIVE, NULL, 0, &n);
    err = err ? err : estoc_store_number(s, ESTOC_SQL_CLAIM_NODE, &name, 1, &n);
    return err ? err : n == 1 ? ESTOC_OK : ESTOC_E_BUSY;
}
