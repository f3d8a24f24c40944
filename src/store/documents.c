/* SPDX-License-Identifier: MIT
 *
 * What upstreams serve, and how they do (relay.h).
 */
#include <stdlib.h>
#include <string.h>

#include "relay.h"
#include "store_parts.h"

/* ---------------------------------------------------------------------------------------- documents */

estoc_err estoc_document_put(estoc_store *s, const char *name, const estoc_document_kept *doc,
                             estoc_slice bytes)
{
    const estoc_db_value values[] = {estoc_db_text(name), estoc_db_int(doc->none ? 1 : 0),
                                     estoc_db_int(doc->fetched_at), estoc_db_int(doc->good_until),
                                     estoc_db_blob(bytes)};
    return estoc_store_change(s, ESTOC_SQL_DOCUMENT_PUT, values, 5, NULL);
}

struct document {
    estoc_document_kept *out;
    estoc_blob *bytes;
    estoc_err err;
};

static bool take_document(void *ctx, size_t i, const estoc_db_row *row)
{
    struct document *d = ctx;
    (void)i;
    *d->out = (estoc_document_kept){.none = estoc_row_int(row, 0) != 0,
                                    .fetched_at = estoc_row_int(row, 1),
                                    .good_until = estoc_row_int(row, 2)};
    d->err = estoc_blob_copy(estoc_row_blob(row, 3), d->bytes);
    return false;
}

estoc_err estoc_document_get(estoc_store *s, const char *name, estoc_document_kept *doc,
                             estoc_blob *bytes)
{
    struct document d = {doc, bytes, ESTOC_E_NOT_FOUND};
    const estoc_db_value value = estoc_db_text(name);
    const estoc_db_run run = {.statement = ESTOC_SQL_DOCUMENT_GET,
                              .values = &value,
                              .values_n = 1,
                              .times = 1,
                              .row = take_document,
                              .ctx = &d};
    *doc = (estoc_document_kept){.none = false};
    *bytes = (estoc_blob){NULL, 0};
    estoc_err err = estoc_store_run(s, &run);
    err = err ? err : d.err;
    if (err) {
        estoc_blob_free(bytes);
        *doc = (estoc_document_kept){.none = false};
    }
    return err;
}

/* ------------------------------------------------------------------------------------------- health */

#define HEALTH_VALUES 13

static void put_values(const estoc_health *h, estoc_db_value *v)
{
    const estoc_db_value values[HEALTH_VALUES] = {
        estoc_db_text(h->node),
        estoc_db_text(h->upstream),
        estoc_db_text(h->url),
        estoc_db_int(h->noted_at),
        estoc_db_int(h->up ? 1 : 0),
        estoc_db_int((int64_t)h->calls),
        estoc_db_int((int64_t)h->failures),
        estoc_db_int(h->ok_at),
        estoc_db_int(h->failed_at),
        estoc_db_int((int64_t)h->median_ms),
        estoc_db_int((int64_t)h->p99_ms),
        estoc_db_int((int64_t)h->connections),
        estoc_db_text(h->why != NULL ? h->why : ""),
    };
    memcpy(v, values, sizeof values);
}

estoc_err estoc_health_put(estoc_store *s, const estoc_health *list, size_t n)
{
    if (n == 0) {
        return ESTOC_OK;
    }
    estoc_db_value *values = calloc(n, HEALTH_VALUES * sizeof *values);
    if (values == NULL) {
        return ESTOC_E_MEMORY;
    }
    for (size_t i = 0; i < n; i++) {
        put_values(&list[i], values + i * HEALTH_VALUES);
    }
    const estoc_db_run run = {
        .statement = ESTOC_SQL_HEALTH_PUT, .values = values, .values_n = HEALTH_VALUES, .times = n};
    estoc_err err = estoc_store_run(s, &run);
    free(values);
    return err;
}

struct walk {
    bool (*each)(void *ctx, const estoc_health *h);
    void *ctx;
};

static bool give_health(void *ctx, size_t i, const estoc_db_row *row)
{
    const struct walk *w = ctx;
    const estoc_health h = {.node = estoc_row_text(row, 0),
                            .upstream = estoc_row_text(row, 1),
                            .url = estoc_row_text(row, 2),
                            .noted_at = estoc_row_int(row, 3),
                            .up = estoc_row_int(row, 4) != 0,
                            .calls = (uint64_t)estoc_row_int(row, 5),
                            .failures = (uint64_t)estoc_row_int(row, 6),
                            .ok_at = estoc_row_int(row, 7),
                            .failed_at = estoc_row_int(row, 8),
                            .median_ms = (uint32_t)estoc_row_int(row, 9),
                            .p99_ms = (uint32_t)estoc_row_int(row, 10),
                            .connections = (uint32_t)estoc_row_int(row, 11),
                            .why = estoc_row_text(row, 12)};
    (void)i;
    return w->each(w->ctx, &h);
}

estoc_err estoc_health_each(estoc_store *s, bool (*each)(void *ctx, const estoc_health *h),
                            void *ctx)
{
    struct walk w = {each, ctx};
    const estoc_db_run run = {
        .statement = ESTOC_SQL_HEALTH_EACH, .times = 1, .row = give_health, .ctx = &w};
    return estoc_store_run(s, &run);
}

estoc_err estoc_health_expire(estoc_store *s, const char *node, int64_t before)
{
    const estoc_db_value values[] = {estoc_db_text(node), estoc_db_int(before)};
    return estoc_store_change(s, ESTOC_SQL_HEALTH_EXPIRE, values, 2, NULL);
}
