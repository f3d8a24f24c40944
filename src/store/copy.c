/* SPDX-License-Identifier: MIT
 *
 * All of a store into another one, of whatever kind each is.
 */
#include "store_parts.h"

#define STEP_ROWS 1000
#define COLUMNS   19 /* of the widest table */

/* i: number, b: bytes, t: text. As the statements have them. */
static const char *const tables[] = {
    "ibttbbbiiiibiiiiitb", /* cert */
    "ibbtttiiibbb",        /* pending */
    "ibti",                /* policy */
    "iiiib",               /* crl */
    "tib",                 /* audit_head */
    "tibt",                /* audit */
    "ibbttitttiiibiibi",   /* relay */
    "tiiib",               /* document */
    "it",                  /* counter */
};

#define TABLES (sizeof tables / sizeof tables[0])
_Static_assert(2 * TABLES == ESTOC_SQL_COPY_END - ESTOC_SQL_COPY, "a SELECT and an INSERT each");

struct copying {
    estoc_store *to;
    size_t table;
    uint64_t rows;
    void (*step)(void *ctx, uint64_t rows);
    void *ctx;
    estoc_err err;
};

static bool copy_row(void *ctx, size_t i, const estoc_db_row *row)
{
    struct copying *c = ctx;
    const char *kinds = tables[c->table];
    estoc_db_value values[COLUMNS];
    size_t n = 0;
    (void)i;
    for (; kinds[n] != '\0'; n++) {
        estoc_slice bytes = kinds[n] == 'i' ? (estoc_slice){NULL, 0} : estoc_row_blob(row, (int)n);
        values[n] =
            kinds[n] == 'i' ? estoc_db_int(estoc_row_int(row, (int)n)) : estoc_db_blob(bytes);
        values[n].kind = kinds[n] == 't' ? ESTOC_DB_TEXT : values[n].kind;
    }
    c->err = estoc_store_change(c->to, (estoc_statement)(ESTOC_SQL_COPY + 2 * c->table + 1), values,
                                n, NULL);
    if (++c->rows % STEP_ROWS == 0 && c->step != NULL) {
        c->step(c->ctx, c->rows);
    }
    return !c->err;
}

estoc_err estoc_store_copy(estoc_store *from, estoc_store *to,
                           void (*step)(void *ctx, uint64_t rows), void *ctx)
{
    struct copying c = {.to = to, .step = step, .ctx = ctx};
    int64_t n = 0;
    estoc_err err = estoc_store_number(to, ESTOC_SQL_EMPTY, NULL, 0, &n);
    if (!err && n != 0) {
        return ESTOC_E_STATE;
    }
    for (c.table = 0; !err && c.table < TABLES; c.table++) {
        const estoc_db_run run = {
            .statement = ESTOC_SQL_COPY + 2 * c.table, .times = 1, .row = copy_row, .ctx = &c};
        err = estoc_store_run(from, &run);
        err = err ? err : c.err;
    }
    for (estoc_statement q = ESTOC_SQL_SEQUENCE_CERT; !err && q < ESTOC_SQL_N; q++) {
        err = estoc_store_number(to, q, NULL, 0, &n);
    }
    return err;
}
