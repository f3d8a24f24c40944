/* SPDX-License-Identifier: MIT
 *
 * What `estoc bench` counts, apart from how it makes the load.
 */
#ifndef ESTOC_BENCH_H
#define ESTOC_BENCH_H

#include <cjson/cJSON.h>

#include "connection.h"

#define ESTOC_REASONS_MAX 16

typedef struct estoc_reason {
    char text[96];
    uint32_t n;
    int code; /* exit code of one such failure */
} estoc_reason;

typedef struct estoc_tally {
    uint32_t *us; /* of each enrollment that succeeded; room for all of them */
    uint32_t done, failed;
    uint32_t repeated;     /* associations begun anew for a request that had no answer */
    estoc_figures figures; /* of those that succeeded */
    uint64_t elapsed_us;
    estoc_reason reason[ESTOC_REASONS_MAX]; /* the last one collects what found no place */
    size_t reasons;
} estoc_tally;

ESTOC_MUST_USE estoc_err estoc_tally_make(estoc_tally *t, uint32_t count);
void estoc_tally_free(estoc_tally *t);
void estoc_tally_done(estoc_tally *t, uint64_t us, const estoc_figures *f);
void estoc_tally_failed(estoc_tally *t, int code, const char *reason);
/** Sort the times; before the functions below. */
void estoc_tally_sort(estoc_tally *t);
/** Milliseconds that `permil` thousandths of the enrollments did not exceed (nearest rank); 0 if
 *  there is none.                                                                                  */
double estoc_tally_ms(const estoc_tally *t, unsigned permil);
double estoc_tally_rate(const estoc_tally *t); /* per second */
/** The exit code of the most frequent failure; 0 if there was none. */
int estoc_tally_code(const estoc_tally *t);
cJSON *estoc_tally_json(const estoc_tally *t);
void estoc_tally_print(const estoc_tally *t, FILE *f);

#endif
