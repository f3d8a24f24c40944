/* SPDX-License-Identifier: MIT
 *
 * A table of estocd stats: certificates of each profile, and of all.
 */
#ifndef ESTOC_COUNTS_H
#define ESTOC_COUNTS_H

#include <stdint.h>

#include <cjson/cJSON.h>

typedef struct estocd_counts {
    uint64_t issued, valid, expired, more[2], recent;
} estocd_counts;

typedef struct estocd_table {
    const char *head;      /* of the names of profiles */
    const char *column[2]; /* of `more` */
    const char *member[2]; /* and in JSON */
    cJSON *profiles;       /* an array, the caller's; NULL: lines are printed as they come */
    size_t n;              /* profiles so far */
    estocd_counts all;     /* of them together */
} estocd_table;

/** One profile more. */
void estocd_table_add(estocd_table *t, const char *profile, const estocd_counts *counts);
void estocd_table_print_all(const estocd_table *t);
void estocd_table_json_all(const estocd_table *t, cJSON *to);

#endif
