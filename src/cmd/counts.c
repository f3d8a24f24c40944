/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "counts.h"

static void add(cJSON *to, const char *name, uint64_t n)
{
    cJSON_AddNumberToObject(to, name, (double)n);
}

static void put(const estocd_table *t, const estocd_counts *c, cJSON *to)
{
    add(to, "issued", c->issued);
    add(to, "valid", c->valid);
    add(to, "expired", c->expired);
    add(to, t->member[0], c->more[0]);
    add(to, t->member[1], c->more[1]);
    add(to, "issued_last_day", c->recent);
}

static void print(const char *name, const estocd_counts *c)
{
    printf("%-20s %10llu %10llu %10llu %10llu %10llu %10llu\n", name, (unsigned long long)c->issued,
           (unsigned long long)c->valid, (unsigned long long)c->expired,
           (unsigned long long)c->more[0], (unsigned long long)c->more[1],
           (unsigned long long)c->recent);
}

void estocd_table_add(estocd_table *t, const char *profile, const estocd_counts *counts)
{
    if (t->profiles != NULL) {
        cJSON *json = cJSON_CreateObject();
        cJSON_AddStringToObject(json, "profile", profile);
        put(t, counts, json);
        cJSON_AddItemToArray(t->profiles, json);
    } else {
        if (t->n == 0) {
            printf("%-20s %10s %10s %10s %10s %10s %10s\n", t->head, "ISSUED", "VALID", "EXPIRED",
                   t->column[0], t->column[1], "LAST DAY");
        }
        print(profile[0] != '\0' ? profile : "-", counts);
    }
    t->n++;
    t->all.issued += counts->issued;
    t->all.valid += counts->valid;
    t->all.expired += counts->expired;
    t->all.more[0] += counts->more[0];
    t->all.more[1] += counts->more[1];
    t->all.recent += counts->recent;
}

void estocd_table_print_all(const estocd_table *t)
{
    print("all", &t->all);
}

void estocd_table_json_all(const estocd_table *t, cJSON *to)
{
    put(t, &t->all, to);
}
