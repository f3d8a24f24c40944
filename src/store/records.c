/* SPDX-License-Identifier: MIT
 *
 * Certificates: to look at, and to revoke.
 */
#include <stdlib.h>
#include <string.h>

#include "store_parts.h"

/* @return false: the row was not written by us */
static bool read_row(const estoc_db_row *row, estoc_record *rec)
{
    memset(rec, 0, sizeof *rec);
    if (!estoc_row_serial(row, 0, rec->serial, &rec->serial_len) || rec->serial_len == 0 ||
        !estoc_row_bytes(row, 3, rec->identity, sizeof rec->identity) ||
        !estoc_row_bytes(row, 4, rec->csr, sizeof rec->csr) ||
        !estoc_row_bytes(row, 5, rec->key, sizeof rec->key)) {
        return false;
    }
    rec->profile = estoc_row_text(row, 1);
    rec->subject = estoc_row_text(row, 2);
    rec->issued_at = estoc_row_int(row, 6);
    rec->not_before = estoc_row_int(row, 7);
    rec->not_after = estoc_row_int(row, 8);
    rec->revoked_at = estoc_row_int(row, 9);
    rec->cert = estoc_row_blob(row, 10);
    rec->reason = (estoc_crl_reason)estoc_row_int(row, 11);
    rec->state = (estoc_record_state)estoc_row_int(row, 12);
    rec->policy = estoc_row_int(row, 13);
    rec->revision = estoc_row_int(row, 14);
    return true;
}

/* --------------------------------------------------------------------------------------- one record */

/* What comes from elsewhere may be what its request gets when it is repeated, instead of what is here. */
estoc_err estoc_store_put(estoc_store *s, const estoc_record *rec)
{
    static const uint8_t no_run[ESTOC_RUN_LEN];
    bool live = rec->state == ESTOC_RECORD_ISSUED && rec->revoked_at == 0;
    int64_t slot = live ? 0 : estoc_store_slot(rec);
    int64_t revision = rec->revision;
    estoc_store_scope scope;
    const estoc_db_value name[] = {estoc_db_bytes(rec->identity, 32), estoc_db_bytes(rec->csr, 32),
                                   estoc_db_text(rec->profile), estoc_db_int(INT64_MAX),
                                   estoc_db_int(INT64_MAX)};
    estoc_err err = estoc_store_enter(s, &scope);
    if (err) {
        return err;
    }
    if (live) {
        err = estoc_store_change(s, ESTOC_SQL_RELEASE, name, 5, NULL);
    } else if (rec->revoked_at != 0 && revision == 0) {
        err = estoc_store_next(s, "revision", 1, &revision);
    }
    const estoc_db_value values[] = {estoc_db_bytes(rec->serial, rec->serial_len),
                                     name[2],
                                     estoc_db_text(rec->subject),
                                     name[0],
                                     name[1],
                                     estoc_db_bytes(rec->key, 32),
                                     estoc_db_int(rec->issued_at),
                                     estoc_db_int(rec->not_before),
                                     estoc_db_int(rec->not_after),
                                     estoc_db_int(rec->revoked_at),
                                     estoc_db_blob(rec->cert),
                                     estoc_db_int((int64_t)rec->reason),
                                     estoc_db_int((int64_t)rec->state),
                                     estoc_db_int(rec->policy),
                                     estoc_db_int(revision),
                                     estoc_db_int(slot),
                                     estoc_db_bytes(no_run, sizeof no_run)};
    uint64_t n = 1;
    err = err ? err
              : estoc_store_change(s, ESTOC_SQL_PUT, values, sizeof values / sizeof values[0], &n);
    return estoc_store_leave(s, &scope, err ? err : n == 0 ? ESTOC_E_STATE : ESTOC_OK);
}

struct one {
    estoc_store *s;
    estoc_record *rec;
    estoc_blob *cert;
    estoc_err err;
};

/* What a record points to, beyond the life of its row. */
static bool keep(void *ctx, size_t i, const estoc_db_row *row)
{
    struct one *one = ctx;
    estoc_store *s = one->s;
    (void)i;
    if (!read_row(row, one->rec)) {
        one->err = ESTOC_E_STORE;
        return false;
    }
    free(s->profile);
    free(s->subject);
    s->profile = strdup(one->rec->profile);
    s->subject = strdup(one->rec->subject);
    one->err = s->profile == NULL || s->subject == NULL
                   ? ESTOC_E_MEMORY
                   : estoc_blob_copy(one->rec->cert, one->cert);
    one->rec->profile = s->profile;
    one->rec->subject = s->subject;
    one->rec->cert = estoc_blob_slice(*one->cert);
    return false;
}

estoc_err estoc_store_by_serial(estoc_store *s, estoc_slice serial, estoc_record *rec,
                                estoc_blob *cert)
{
    struct one one = {s, rec, cert, ESTOC_E_NOT_FOUND};
    const estoc_db_value value = estoc_db_blob(serial);
    const estoc_db_run run = {.statement = ESTOC_SQL_BY_SERIAL,
                              .values = &value,
                              .values_n = 1,
                              .times = 1,
                              .row = keep,
                              .ctx = &one};
    *cert = (estoc_blob){NULL, 0};
    estoc_err err = estoc_store_run(s, &run);
    if (!err && one.err == ESTOC_E_STORE) {
        err = estoc_store_foreign(s);
    }
    err = err ? err : one.err;
    if (err) {
        estoc_blob_free(cert);
        memset(rec, 0, sizeof *rec);
    }
    return err;
}

estoc_err estoc_store_revoke(estoc_store *s, estoc_slice serial, estoc_crl_reason reason,
                             int64_t at)
{
    estoc_store_scope scope;
    estoc_record rec;
    estoc_blob cert;
    int64_t revision = 0;
    uint64_t n = 0;
    estoc_err err = estoc_store_enter(s, &scope);
    if (err) {
        return err;
    }
    err = estoc_store_next(s, "revision", 1, &revision);
    const estoc_db_value values[] = {estoc_db_blob(serial), estoc_db_int(at),
                                     estoc_db_int((int64_t)reason), estoc_db_int(revision)};
    err = err ? err : estoc_store_change(s, ESTOC_SQL_REVOKE, values, 4, &n);
    if (!err && n == 0) {
        err = estoc_store_by_serial(s, serial, &rec, &cert);
        estoc_blob_free(&cert);
        err = err ? err : ESTOC_E_STATE;
    }
    return estoc_store_leave(s, &scope, err);
}

/* ------------------------------------------------------------------------------------------- many */

struct walk {
    estoc_store_each_fn each;
    void *ctx;
    bool foreign;
};

static bool give(void *ctx, size_t i, const estoc_db_row *row)
{
    struct walk *w = ctx;
    estoc_record rec;
    (void)i;
    w->foreign = !read_row(row, &rec);
    return !w->foreign && w->each(w->ctx, &rec);
}

static estoc_err walk(estoc_store *s, estoc_statement which, const estoc_db_value *values,
                      size_t values_n, estoc_store_each_fn each, void *ctx)
{
    struct walk w = {each, ctx, false};
    const estoc_db_run run = {.statement = which,
                              .values = values,
                              .values_n = values_n,
                              .times = 1,
                              .row = give,
                              .ctx = &w};
    estoc_err err = estoc_store_run(s, &run);
    return err ? err : w.foreign ? estoc_store_foreign(s) : ESTOC_OK;
}

estoc_err estoc_store_each(estoc_store *s, const char *match, estoc_store_each_fn each, void *ctx)
{
    const estoc_db_value value = estoc_db_text(match);
    return walk(s, ESTOC_SQL_EACH, &value, 1, each, ctx);
}

estoc_err estoc_store_each_of(estoc_store *s, const uint8_t identity[32], int64_t at,
                              estoc_store_each_fn each, void *ctx)
{
    const estoc_db_value values[] = {estoc_db_bytes(identity, 32), estoc_db_int(at)};
    return walk(s, ESTOC_SQL_EACH_OF, values, 2, each, ctx);
}

estoc_err estoc_store_each_void(estoc_store *s, int64_t before, estoc_store_each_fn each, void *ctx)
{
    const estoc_db_value value = estoc_db_int(before);
    return walk(s, ESTOC_SQL_EACH_VOID, &value, 1, each, ctx);
}

estoc_err estoc_store_each_revoked(estoc_store *s, int64_t after, estoc_store_each_fn each,
                                   void *ctx)
{
    const estoc_db_value value = estoc_db_int(after);
    return walk(s, ESTOC_SQL_EACH_REVOKED, &value, 1, each, ctx);
}

estoc_err estoc_store_count(estoc_store *s, uint64_t *n)
{
    int64_t count = 0;
    estoc_err err = estoc_store_number(s, ESTOC_SQL_COUNT, NULL, 0, &count);
    *n = count > 0 ? (uint64_t)count : 0;
    return err;
}

estoc_err estoc_store_revision(estoc_store *s, int64_t *revision)
{
    const estoc_db_value name = estoc_db_text("revision");
    return estoc_store_number(s, ESTOC_SQL_COUNTER, &name, 1, revision);
}

struct tally {
    void (*each)(void *ctx, const estoc_tally_row *t);
    void *ctx;
};

static bool give_tally(void *ctx, size_t i, const estoc_db_row *row)
{
    const struct tally *t = ctx;
    const estoc_tally_row counted = {.profile = estoc_row_text(row, 0),
                                     .issued = (uint64_t)estoc_row_int(row, 1),
                                     .valid = (uint64_t)estoc_row_int(row, 2),
                                     .expired = (uint64_t)estoc_row_int(row, 3),
                                     .revoked = (uint64_t)estoc_row_int(row, 4),
                                     .recent = (uint64_t)estoc_row_int(row, 5),
                                     .voids = (uint64_t)estoc_row_int(row, 6)};
    (void)i;
    t->each(t->ctx, &counted);
    return true;
}

estoc_err estoc_store_tally(estoc_store *s, int64_t now, int64_t since,
                            void (*each)(void *ctx, const estoc_tally_row *t), void *ctx)
{
    struct tally t = {each, ctx};
    const estoc_db_value values[] = {estoc_db_int(now), estoc_db_int(since)};
    const estoc_db_run run = {.statement = ESTOC_SQL_TALLY,
                              .values = values,
                              .values_n = 2,
                              .times = 1,
                              .row = give_tally,
                              .ctx = &t};
    return estoc_store_run(s, &run);
}
