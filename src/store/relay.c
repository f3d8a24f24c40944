/* SPDX-License-Identifier: MIT
 *
 * Requests that went upstream, and what came back (relay.h): a batch in few round trips. As with our own
 * certificates, one place for each name has slot 0, which is what a repeated request gets.
 */
#include "relay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store_parts.h"

#define NAME_VALUES  4
#define RELAY_VALUES 15

static void put_name(const uint8_t *identity, const uint8_t *csr, const char *profile,
                     const char *op, estoc_db_value *v)
{
    v[0] = estoc_db_bytes(identity, 32);
    v[1] = estoc_db_bytes(csr, 32);
    v[2] = estoc_db_text(profile);
    v[3] = estoc_db_text(op);
}

static void put_name_of(const estoc_relay *r, estoc_db_value *v)
{
    put_name(r->identity, r->csr, r->profile, r->op, v);
}

static void put_relay(const estoc_relay *r, estoc_db_value *v)
{
    bool issued = r->state == ESTOC_RELAY_ISSUED;
    put_name_of(r, v);
    v[4] = estoc_db_int((int64_t)r->state);
    v[5] = estoc_db_text(r->subject);
    v[6] = estoc_db_text(r->upstream);
    v[7] = estoc_db_text(r->node);
    v[8] = estoc_db_int(r->asked_at);
    v[9] = estoc_db_int(r->changed_at);
    v[10] = estoc_db_int(r->state == ESTOC_RELAY_WAITING ? r->retry_at : 0);
    v[11] = estoc_db_bytes(r->serial, issued ? r->serial_len : 0);
    v[12] = estoc_db_int(issued ? r->not_before : 0);
    v[13] = estoc_db_int(issued ? r->not_after : 0);
    v[14] = issued ? estoc_db_blob(r->cert) : estoc_db_bytes("", 0);
}

/* ------------------------------------------------------------------------------------------ reading */

static bool read_state(const estoc_db_row *row, int column, estoc_relay_state *state)
{
    int64_t n = estoc_row_int(row, column);
    bool known = n >= ESTOC_RELAY_SENT && n <= ESTOC_RELAY_LOST;
    *state = known ? (estoc_relay_state)n : ESTOC_RELAY_SENT;
    return known;
}

static bool read_row(const estoc_db_row *row, estoc_relay *r)
{
    memset(r, 0, sizeof *r);
    r->profile = estoc_row_text(row, 2);
    r->op = estoc_row_text(row, 3);
    r->subject = estoc_row_text(row, 5);
    r->upstream = estoc_row_text(row, 6);
    r->node = estoc_row_text(row, 7);
    r->asked_at = estoc_row_int(row, 8);
    r->changed_at = estoc_row_int(row, 9);
    r->retry_at = estoc_row_int(row, 10);
    r->not_before = estoc_row_int(row, 12);
    r->not_after = estoc_row_int(row, 13);
    r->cert = estoc_row_blob(row, 14);
    r->id = estoc_row_int(row, 15);
    return estoc_row_bytes(row, 0, r->identity, sizeof r->identity) &&
           estoc_row_bytes(row, 1, r->csr, sizeof r->csr) && read_state(row, 4, &r->state) &&
           estoc_row_serial(row, 11, r->serial, &r->serial_len);
}

struct asking {
    estoc_relay_question *q;
    estoc_err err; /* no memory for an answer, or no row of ours */
};

static bool answer(void *ctx, size_t i, const estoc_db_row *row)
{
    struct asking *a = ctx;
    estoc_relay_question *q = &a->q[i];
    if (!read_state(row, 0, &q->state)) {
        a->err = ESTOC_E_STORE;
        return false;
    }
    q->found = true;
    snprintf(q->upstream, sizeof q->upstream, "%s", estoc_row_text(row, 1));
    snprintf(q->node, sizeof q->node, "%s", estoc_row_text(row, 2));
    q->asked_at = estoc_row_int(row, 3);
    q->changed_at = estoc_row_int(row, 4);
    q->retry_at = estoc_row_int(row, 5);
    q->not_after = estoc_row_int(row, 6);
    estoc_blob_free(&q->cert);
    estoc_err err = estoc_blob_copy(estoc_row_blob(row, 7), &q->cert);
    a->err = a->err ? a->err : err;
    return false;
}

estoc_err estoc_relay_ask(estoc_store *s, estoc_relay_question *q, size_t n)
{
    struct asking a = {q, ESTOC_OK};
    for (size_t i = 0; i < n; i++) {
        const estoc_relay_question name = {
            .identity = q[i].identity, .csr = q[i].csr, .profile = q[i].profile, .op = q[i].op};
        q[i] = name;
    }
    if (n == 0) {
        return ESTOC_OK;
    }
    estoc_db_value *values = calloc(n, NAME_VALUES * sizeof *values);
    if (values == NULL) {
        return ESTOC_E_MEMORY;
    }
    for (size_t i = 0; i < n; i++) {
        put_name(q[i].identity, q[i].csr, q[i].profile, q[i].op, values + i * NAME_VALUES);
    }
    const estoc_db_run run = {.statement = ESTOC_SQL_RELAY_ASK,
                              .values = values,
                              .values_n = NAME_VALUES,
                              .times = n,
                              .row = answer,
                              .ctx = &a};
    estoc_err err = estoc_store_run(s, &run);
    free(values);
    return err ? err : a.err == ESTOC_E_STORE ? estoc_store_foreign(s) : a.err;
}

void estoc_relay_question_free(estoc_relay_question *q)
{
    estoc_blob_free(&q->cert);
}

struct walk {
    bool (*each)(void *ctx, const estoc_relay *r);
    void *ctx;
    bool foreign;
};

static bool give(void *ctx, size_t i, const estoc_db_row *row)
{
    struct walk *w = ctx;
    estoc_relay r;
    (void)i;
    w->foreign = !read_row(row, &r);
    return !w->foreign && w->each(w->ctx, &r);
}

estoc_err estoc_relay_each(estoc_store *s, const char *match,
                           bool (*each)(void *ctx, const estoc_relay *r), void *ctx)
{
    struct walk w = {each, ctx, false};
    const estoc_db_value value = estoc_db_text(match);
    const estoc_db_run run = {.statement = ESTOC_SQL_RELAY_EACH,
                              .values = &value,
                              .values_n = 1,
                              .times = 1,
                              .row = give,
                              .ctx = &w};
    estoc_err err = estoc_store_run(s, &run);
    return err ? err : w.foreign ? estoc_store_foreign(s) : ESTOC_OK;
}

struct tally {
    void (*each)(void *ctx, const estoc_relay_tally *t);
    void *ctx;
};

static bool give_tally(void *ctx, size_t i, const estoc_db_row *row)
{
    const struct tally *t = ctx;
    const estoc_relay_tally counted = {.profile = estoc_row_text(row, 0),
                                       .issued = (uint64_t)estoc_row_int(row, 1),
                                       .valid = (uint64_t)estoc_row_int(row, 2),
                                       .expired = (uint64_t)estoc_row_int(row, 3),
                                       .recent = (uint64_t)estoc_row_int(row, 4),
                                       .waiting = (uint64_t)estoc_row_int(row, 5),
                                       .lost = (uint64_t)estoc_row_int(row, 6)};
    (void)i;
    t->each(t->ctx, &counted);
    return true;
}

estoc_err estoc_relay_count(estoc_store *s, int64_t now, int64_t since,
                            void (*each)(void *ctx, const estoc_relay_tally *t), void *ctx)
{
    struct tally t = {each, ctx};
    const estoc_db_value values[] = {estoc_db_int(now), estoc_db_int(since)};
    const estoc_db_run run = {.statement = ESTOC_SQL_RELAY_TALLY,
                              .values = values,
                              .values_n = 2,
                              .times = 1,
                              .row = give_tally,
                              .ctx = &t};
    return estoc_store_run(s, &run);
}

/* ----------------------------------------------------------------------------------------- changing */

#define ONE_MORE       (NAME_VALUES + 1)
#define RELEASE_VALUES (NAME_VALUES + 2)
#define CLAIM_VALUES   (RELAY_VALUES + 1)

static void note_taken(void *ctx, size_t i, uint64_t n)
{
    ((estoc_relay_claim *)ctx)[i].taken = n == 1;
}

estoc_err estoc_relay_claim_all(estoc_store *s, estoc_relay_claim *list, size_t n, int64_t stale,
                                int64_t since)
{
    if (n == 0) {
        return ESTOC_OK;
    }
    estoc_db_value *values = calloc(n, CLAIM_VALUES * sizeof *values);
    if (values == NULL) {
        return ESTOC_E_MEMORY;
    }
    for (size_t i = 0; i < n; i++) {
        estoc_db_value *v = values + i * RELEASE_VALUES;
        list[i].taken = false;
        put_name_of(list[i].relay, v);
        v[NAME_VALUES] = estoc_db_int(since);
        v[NAME_VALUES + 1] = estoc_db_int(list[i].relay->changed_at);
    }
    const estoc_db_run release = {.statement = ESTOC_SQL_RELAY_RELEASE,
                                  .values = values,
                                  .values_n = RELEASE_VALUES,
                                  .times = n};
    estoc_err err = estoc_store_run(s, &release);
    for (size_t i = 0; i < n; i++) {
        estoc_db_value *v = values + i * CLAIM_VALUES;
        put_relay(list[i].relay, v);
        v[RELAY_VALUES] = estoc_db_int(stale);
    }
    const estoc_db_run claim = {.statement = ESTOC_SQL_RELAY_CLAIM,
                                .values = values,
                                .values_n = CLAIM_VALUES,
                                .times = n,
                                .changed = note_taken,
                                .ctx = list};
    err = err ? err : estoc_store_run(s, &claim);
    free(values);
    return err;
}

/* One certificate in place of another, which stays in the list. */
static estoc_err outdo(estoc_store *s, const estoc_relay *list, size_t n, estoc_db_value *values)
{
    size_t issued = 0;
    for (size_t i = 0; i < n; i++) {
        if (list[i].state == ESTOC_RELAY_ISSUED) {
            estoc_db_value *v = values + issued++ * ONE_MORE;
            put_name_of(&list[i], v);
            v[NAME_VALUES] = estoc_db_bytes(list[i].serial, list[i].serial_len);
        }
    }
    const estoc_db_run run = {.statement = ESTOC_SQL_RELAY_OUTDO,
                              .values = values,
                              .values_n = ONE_MORE,
                              .times = issued};
    return issued > 0 ? estoc_store_run(s, &run) : ESTOC_OK;
}

estoc_err estoc_relay_put(estoc_store *s, const estoc_relay *list, size_t n)
{
    if (n == 0) {
        return ESTOC_OK;
    }
    estoc_db_value *values = calloc(n, RELAY_VALUES * sizeof *values);
    if (values == NULL) {
        return ESTOC_E_MEMORY;
    }
    estoc_err err = outdo(s, list, n, values);
    for (size_t i = 0; i < n; i++) {
        put_relay(&list[i], values + i * RELAY_VALUES);
    }
    const estoc_db_run run = {
        .statement = ESTOC_SQL_RELAY_PUT, .values = values, .values_n = RELAY_VALUES, .times = n};
    err = err ? err : estoc_store_run(s, &run);
    free(values);
    return err;
}

estoc_err estoc_relay_drop(estoc_store *s, const estoc_relay *list, size_t n)
{
    if (n == 0) {
        return ESTOC_OK;
    }
    estoc_db_value *values = calloc(n, ONE_MORE * sizeof *values);
    if (values == NULL) {
        return ESTOC_E_MEMORY;
    }
    for (size_t i = 0; i < n; i++) {
        estoc_db_value *v = values + i * ONE_MORE;
        put_name_of(&list[i], v);
        v[NAME_VALUES] = estoc_db_text(list[i].node);
    }
    const estoc_db_run run = {
        .statement = ESTOC_SQL_RELAY_DROP, .values = values, .values_n = ONE_MORE, .times = n};
    estoc_err err = estoc_store_run(s, &run);
    free(values);
    return err;
}

estoc_err estoc_relay_lose(estoc_store *s, const char *node, int64_t now, uint64_t *n)
{
    const estoc_db_value values[] = {estoc_db_text(node), estoc_db_int(now)};
    return estoc_store_change(s, ESTOC_SQL_RELAY_LOSE, values, 2, n);
}

estoc_err estoc_relay_expire(estoc_store *s, int64_t before)
{
    const estoc_db_value value = estoc_db_int(before);
    return estoc_store_change(s, ESTOC_SQL_RELAY_EXPIRE, &value, 1, NULL);
}
