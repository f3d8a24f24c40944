/* SPDX-License-Identifier: MIT
 *
 * What the authority asks and keeps while it issues (X9, E6): a batch in few round trips.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store_parts.h"

/* --------------------------------------------------------------------------------------- questions */

struct asking {
    estoc_question *q;
    estoc_err err; /* no memory for an answer */
};

static bool answer_own(void *ctx, size_t i, const estoc_db_row *row)
{
    struct asking *a = ctx;
    estoc_question *q = &a->q[i];
    q->own_found = estoc_row_int(row, 2) == ESTOC_RECORD_ISSUED;
    q->own_revoked_at = estoc_row_int(row, 0);
    if (q->own_found) {
        estoc_blob_free(&q->own);
        a->err = a->err ? a->err : estoc_blob_copy(estoc_row_blob(row, 1), &q->own);
        snprintf(q->own_profile, sizeof q->own_profile, "%s", estoc_row_text(row, 3));
    }
    return false;
}

static bool answer_again(void *ctx, size_t i, const estoc_db_row *row)
{
    struct asking *a = ctx;
    estoc_blob_free(&a->q[i].again);
    a->err = a->err ? a->err : estoc_blob_copy(estoc_row_blob(row, 0), &a->q[i].again);
    return false;
}

static bool answer_key(void *ctx, size_t i, const estoc_db_row *row)
{
    (void)row;
    ((struct asking *)ctx)->q[i].key_used = true;
    return false;
}

static bool answer_recent(void *ctx, size_t i, const estoc_db_row *row)
{
    estoc_question *q = &((struct asking *)ctx)->q[i];
    q->recent = (uint64_t)estoc_row_int(row, 0);
    q->recent_from = estoc_row_int(row, 1);
    return false;
}

#define PER_QUESTION 4 /* values of the longest statement */

/* The four statements, each for all questions. */
static const struct {
    estoc_statement statement;
    size_t values_n;
    bool (*row)(void *ctx, size_t i, const estoc_db_row *row);
} asked[] = {{ESTOC_SQL_ASK_OWN, 1, answer_own},
             {ESTOC_SQL_ASK_AGAIN, 4, answer_again},
             {ESTOC_SQL_ASK_KEY, 3, answer_key},
             {ESTOC_SQL_ASK_RECENT, 3, answer_recent}};

static void put_values(const estoc_question *q, estoc_statement which, estoc_db_value *v)
{
    static const uint8_t no_key[32]; /* of no certificate */
    if (which == ESTOC_SQL_ASK_OWN) {
        v[0] = estoc_db_blob(q->client_serial);
    } else if (which == ESTOC_SQL_ASK_AGAIN) {
        v[0] = estoc_db_bytes(q->identity, 32);
        v[1] = estoc_db_bytes(q->csr, 32);
        v[2] = estoc_db_text(q->profile);
        v[3] = estoc_db_int(q->since);
    } else if (which == ESTOC_SQL_ASK_KEY) {
        v[0] = estoc_db_bytes(q->key != NULL ? q->key : no_key, 32);
        v[1] = estoc_db_text(q->subject);
        v[2] = estoc_db_int(q->now);
    } else {
        v[0] = estoc_db_text(q->subject);
        v[1] = estoc_db_text(q->profile);
        v[2] = estoc_db_int(q->day_since);
    }
}

/* Nobody has a limit, most often. */
static bool wanted(const estoc_question *q, size_t n, estoc_statement which)
{
    bool any = which != ESTOC_SQL_ASK_RECENT;
    for (size_t i = 0; i < n && !any; i++) {
        any = q[i].day_since > 0;
    }
    return any;
}

estoc_err estoc_store_ask(estoc_store *s, estoc_question *q, size_t n)
{
    struct asking a = {q, ESTOC_OK};
    estoc_err err = ESTOC_OK;
    for (size_t i = 0; i < n; i++) {
        q[i].own_found = q[i].key_used = false;
        q[i].own_revoked_at = 0;
        q[i].own_profile[0] = '\0';
        q[i].recent = 0;
        q[i].recent_from = 0;
        q[i].own = q[i].again = (estoc_blob){NULL, 0};
    }
    estoc_db_value *values = calloc(n > 0 ? n : 1, PER_QUESTION * sizeof *values);
    if (values == NULL) {
        return ESTOC_E_MEMORY;
    }
    for (size_t k = 0; !err && n > 0 && k < sizeof asked / sizeof asked[0]; k++) {
        if (!wanted(q, n, asked[k].statement)) {
            continue;
        }
        for (size_t i = 0; i < n; i++) {
            put_values(&q[i], asked[k].statement, values + i * asked[k].values_n);
        }
        const estoc_db_run run = {.statement = asked[k].statement,
                                  .values = values,
                                  .values_n = asked[k].values_n,
                                  .times = n,
                                  .row = asked[k].row,
                                  .ctx = &a};
        err = estoc_store_run(s, &run);
        err = err ? err : a.err;
    }
    free(values);
    return err;
}

void estoc_question_free(estoc_question *q)
{
    estoc_blob_free(&q->own);
    estoc_blob_free(&q->again);
}

/* ----------------------------------------------------------------------------- intents, certificates */

/* By the serial, which is random; far above any number that the database gives a row. */
int64_t estoc_store_slot(const estoc_record *rec)
{
    uint64_t n = 0;
    for (size_t i = 0; i < rec->serial_len; i++) {
        n = (n << 8 | n >> 56) ^ rec->serial[i];
    }
    return (int64_t)(n >> 2 | UINT64_C(1) << 61);
}

#define RELEASE_VALUES 5
#define INTEND_VALUES  14

static void put_release(const estoc_intent *in, estoc_db_value *v)
{
    const estoc_record *rec = in->rec;
    v[0] = estoc_db_bytes(rec->identity, 32);
    v[1] = estoc_db_bytes(rec->csr, 32);
    v[2] = estoc_db_text(rec->profile);
    v[3] = estoc_db_int(in->since);
    v[4] = estoc_db_int(rec->issued_at);
}

static void put_intent(const estoc_intent *in, const char *node, const uint8_t *run,
                       estoc_db_value *v)
{
    const estoc_record *rec = in->rec;
    const estoc_db_value values[INTEND_VALUES] = {
        estoc_db_bytes(rec->serial, rec->serial_len),
        estoc_db_text(rec->profile),
        estoc_db_text(rec->subject),
        estoc_db_bytes(rec->identity, 32),
        estoc_db_bytes(rec->csr, 32),
        estoc_db_bytes(rec->key, 32),
        estoc_db_int(rec->issued_at),
        estoc_db_int(rec->not_before),
        estoc_db_int(rec->not_after),
        estoc_db_blob(rec->cert),
        estoc_db_int(rec->policy),
        estoc_db_int(in->only ? 0 : estoc_store_slot(rec)),
        estoc_db_text(node),
        estoc_db_bytes(run, ESTOC_RUN_LEN),
    };
    memcpy(v, values, sizeof values);
}

static void note_taken(void *ctx, size_t i, uint64_t n)
{
    ((estoc_intent *)ctx)[i].taken = n == 1;
}

estoc_err estoc_store_intend(estoc_store *s, const char *node, const uint8_t run[ESTOC_RUN_LEN],
                             estoc_intent *list, size_t n)
{
    size_t only = 0;
    if (n == 0) {
        return ESTOC_OK;
    }
    estoc_db_value *values = calloc(n, INTEND_VALUES * sizeof *values);
    if (values == NULL) {
        return ESTOC_E_MEMORY;
    }
    for (size_t i = 0; i < n; i++) {
        list[i].taken = false;
        if (list[i].only) {
            put_release(&list[i], values + only++ * RELEASE_VALUES);
        }
    }
    const estoc_db_run release = {.statement = ESTOC_SQL_RELEASE,
                                  .values = values,
                                  .values_n = RELEASE_VALUES,
                                  .times = only};
    estoc_err err = only > 0 ? estoc_store_run(s, &release) : ESTOC_OK;
    for (size_t i = 0; i < n; i++) {
        put_intent(&list[i], node, run, values + i * INTEND_VALUES);
    }
    const estoc_db_run intend = {.statement = ESTOC_SQL_INTEND,
                                 .values = values,
                                 .values_n = INTEND_VALUES,
                                 .times = n,
                                 .changed = note_taken,
                                 .ctx = list};
    err = err ? err : estoc_store_run(s, &intend);
    free(values);
    return err;
}

static void note_kept(void *ctx, size_t i, uint64_t n)
{
    ((estoc_signed *)ctx)[i].kept = n == 1;
}

estoc_err estoc_store_issue(estoc_store *s, estoc_signed *list, size_t n)
{
    if (n == 0) {
        return ESTOC_OK;
    }
    estoc_db_value *values = calloc(n, 2 * sizeof *values);
    if (values == NULL) {
        return ESTOC_E_MEMORY;
    }
    for (size_t i = 0; i < n; i++) {
        list[i].kept = false;
        values[2 * i] = estoc_db_blob(list[i].serial);
        values[2 * i + 1] = estoc_db_blob(list[i].cert);
    }
    const estoc_db_run run = {.statement = ESTOC_SQL_ISSUE,
                              .values = values,
                              .values_n = 2,
                              .times = n,
                              .changed = note_kept,
                              .ctx = list};
    estoc_err err = estoc_store_run(s, &run);
    free(values);
    return err;
}

estoc_err estoc_store_void(estoc_store *s, const char *node, const uint8_t *run, int64_t before,
                           uint64_t *n)
{
    const estoc_db_value values[] = {estoc_db_text(node),
                                     run != NULL
                                         ? estoc_db_bytes(run, ESTOC_RUN_LEN)
                                         : (estoc_db_value){.kind = ESTOC_DB_BLOB, .ptr = NULL},
                                     estoc_db_int(before)};
    return estoc_store_change(s, ESTOC_SQL_VOID, values, 3, n);
}

estoc_err estoc_store_void_lost(estoc_store *s, const char *node, int64_t before, uint64_t *n)
{
    const estoc_db_value values[] = {estoc_db_text(node), estoc_db_int(before)};
    return estoc_store_change(s, ESTOC_SQL_VOID_LOST, values, 2, n);
}

/* ---------------------------------------------------------------------------------------- profiles */

estoc_err estoc_store_policy(estoc_store *s, const uint8_t digest[32], const char *text,
                             int64_t now, int64_t *version)
{
    const estoc_db_value values[] = {estoc_db_bytes(digest, 32), estoc_db_text(text),
                                     estoc_db_int(now)};
    estoc_err err = estoc_store_number(s, ESTOC_SQL_POLICY_FIND, values, 1, version);
    if (err == ESTOC_E_NOT_FOUND) {
        err = estoc_store_change(s, ESTOC_SQL_POLICY_ADD, values, 3, NULL);
        err = err ? err : estoc_store_number(s, ESTOC_SQL_POLICY_FIND, values, 1, version);
    }
    return err;
}

estoc_err estoc_store_policy_publish(estoc_store *s, const uint8_t digest[32], const char *text,
                                     int64_t now, int64_t *version)
{
    estoc_store_scope scope;
    estoc_err err = estoc_store_enter(s, &scope);
    if (err) {
        return err;
    }
    err = estoc_store_policy(s, digest, text, now, version);
    const estoc_db_value values[] = {estoc_db_text("policy"), estoc_db_int(*version)};
    err = err ? err : estoc_store_change(s, ESTOC_SQL_COUNTER_SET, values, 2, NULL);
    return estoc_store_leave(s, &scope, err);
}

struct text {
    estoc_blob *out;
    estoc_err err;
};

static bool copy_text(void *ctx, size_t i, const estoc_db_row *row)
{
    struct text *t = ctx;
    (void)i;
    t->err = estoc_blob_copy(estoc_row_blob(row, 0), t->out);
    return false;
}

estoc_err estoc_store_policy_text(estoc_store *s, int64_t version, estoc_blob *text)
{
    struct text t = {text, ESTOC_E_NOT_FOUND};
    const estoc_db_value value = estoc_db_int(version);
    const estoc_db_run run = {.statement = ESTOC_SQL_POLICY_TEXT,
                              .values = &value,
                              .values_n = 1,
                              .times = 1,
                              .row = copy_text,
                              .ctx = &t};
    *text = (estoc_blob){NULL, 0};
    estoc_err err = estoc_store_run(s, &run);
    return err ? err : t.err;
}

estoc_err estoc_store_policy_published(estoc_store *s, int64_t *version, estoc_blob *text)
{
    const estoc_db_value name = estoc_db_text("policy");
    estoc_err err = estoc_store_number(s, ESTOC_SQL_COUNTER, &name, 1, version);
    err = err ? err : *version == 0 ? ESTOC_E_NOT_FOUND : ESTOC_OK;
    if (text != NULL) {
        *text = (estoc_blob){NULL, 0};
    }
    return err || text == NULL ? err : estoc_store_policy_text(s, *version, text);
}

struct versions {
    bool (*each)(void *ctx, int64_t version, int64_t made_at);
    void *ctx;
};

static bool give_version(void *ctx, size_t i, const estoc_db_row *row)
{
    const struct versions *w = ctx;
    (void)i;
    return w->each(w->ctx, estoc_row_int(row, 0), estoc_row_int(row, 1));
}

estoc_err estoc_store_policy_each(estoc_store *s,
                                  bool (*each)(void *ctx, int64_t version, int64_t made_at),
                                  void *ctx)
{
    struct versions w = {each, ctx};
    const estoc_db_run run = {
        .statement = ESTOC_SQL_POLICY_EACH, .times = 1, .row = give_version, .ctx = &w};
    return estoc_store_run(s, &run);
}
