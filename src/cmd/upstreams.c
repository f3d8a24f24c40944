/* SPDX-License-Identifier: MIT */
#include "upstreams.h"

#include <stdio.h>

#include "counts.h"
#include "relay.h"
#include "text.h"

/* ------------------------------------------------------------------------------------------- whether */

static bool note_relay(void *ctx, const estoc_relay *r)
{
    (void)r;
    *(bool *)ctx = true;
    return false;
}

static bool note_health(void *ctx, const estoc_health *h)
{
    (void)h;
    *(bool *)ctx = true;
    return false;
}

estoc_err estocd_upstreams_any(estoc_store *store, bool *any)
{
    *any = false;
    estoc_err err = estoc_relay_each(store, NULL, note_relay, any);
    return err || *any ? err : estoc_health_each(store, note_health, any);
}

/* -------------------------------------------------------------------------------------- certificates */

static void add_issued(void *ctx, const estoc_relay_tally *t)
{
    *(uint64_t *)ctx += t->issued;
}

estoc_err estocd_issued(estoc_store *store, uint64_t *n)
{
    estoc_err err = estoc_store_count(store, n);
    return err ? err : estoc_relay_count(store, 0, 0, add_issued, n);
}

static void each_profile(void *ctx, const estoc_relay_tally *t)
{
    const estocd_counts counts = {.issued = t->issued,
                                  .valid = t->valid,
                                  .expired = t->expired,
                                  .more = {t->waiting, t->lost},
                                  .recent = t->recent};
    estocd_table_add(ctx, t->profile, &counts);
}

/* @param[out] any  whether there were some */
static estoc_err count(estoc_store *store, int64_t now, int64_t since, cJSON *json, bool *any)
{
    estocd_table t = {.head = "BY UPSTREAMS",
                      .column = {"WAITING", "LOST"},
                      .member = {"waiting", "lost"},
                      .profiles = json != NULL ? cJSON_CreateArray() : NULL};
    estoc_err err = estoc_relay_count(store, now, since, each_profile, &t);
    *any = t.n > 0;
    if (t.profiles != NULL && t.n > 0) {
        cJSON *counts = cJSON_AddObjectToObject(json, "relayed");
        estocd_table_json_all(&t, counts);
        cJSON_AddItemToObject(counts, "profiles", t.profiles);
        t.profiles = NULL;
    } else if (json == NULL && t.n > 1) {
        estocd_table_print_all(&t);
    }
    cJSON_Delete(t.profiles);
    return err;
}

/* -------------------------------------------------------------------------------------------- health */

struct view {
    cJSON *to; /* an array; NULL: print */
    size_t n;
    bool behind; /* another table */
};

static void add(cJSON *to, const char *name, uint64_t n)
{
    cJSON_AddNumberToObject(to, name, (double)n);
}

static const char *state_of(const estoc_health *h)
{
    return h->calls == 0 ? "unused" : h->up ? "up" : "down";
}

static void add_time(cJSON *json, const char *name, int64_t at)
{
    char text[32];
    if (at != 0) {
        cJSON_AddStringToObject(json, name, estoc_time_text(at, text, sizeof text));
    }
}

static cJSON *health_json(const estoc_health *h)
{
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "upstream", h->upstream);
    cJSON_AddStringToObject(json, "url", h->url);
    cJSON_AddStringToObject(json, "node", h->node);
    cJSON_AddStringToObject(json, "state", state_of(h));
    add(json, "calls", h->calls);
    add(json, "failures", h->failures);
    add(json, "median_ms", h->median_ms);
    add(json, "p99_ms", h->p99_ms);
    add(json, "connections", h->connections);
    add_time(json, "noted_at", h->noted_at);
    add_time(json, "ok_at", h->ok_at);
    add_time(json, "failed_at", h->failed_at);
    if (h->failed_at != 0) {
        cJSON_AddStringToObject(json, "why", h->why);
    }
    return json;
}

static void print_health(const struct view *v, const estoc_health *h)
{
    char at[32];
    if (v->n == 0) {
        printf("%s%-12s %-12s %-6s %9s %9s %9s %9s %5s  %-20s  %s\n", v->behind ? "\n" : "",
               "UPSTREAM", "NODE", "STATE", "CALLS", "FAILED", "MEDIAN ms", "P99 ms", "CONN",
               "NOTED", "URL");
    }
    printf("%-12s %-12s %-6s %9llu %9llu %9llu %9llu %5llu  %-20s  %s\n",
           h->upstream[0] != '\0' ? h->upstream : "-", h->node, state_of(h),
           (unsigned long long)h->calls, (unsigned long long)h->failures,
           (unsigned long long)h->median_ms, (unsigned long long)h->p99_ms,
           (unsigned long long)h->connections, estoc_time_text(h->noted_at, at, sizeof at), h->url);
    if (h->failed_at != 0) {
        printf("%-12s last failure %s: %s\n", "", estoc_time_text(h->failed_at, at, sizeof at),
               h->why);
    }
}

static bool each_server(void *ctx, const estoc_health *h)
{
    struct view *v = ctx;
    if (v->to != NULL) {
        cJSON_AddItemToArray(v->to, health_json(h));
    } else {
        print_health(v, h);
    }
    v->n++;
    return true;
}

static estoc_err tell_health(estoc_store *store, cJSON *json, bool behind)
{
    struct view v = {.to = NULL, .behind = behind};
    if (json != NULL) {
        v.to = cJSON_CreateArray();
    }
    estoc_err err = estoc_health_each(store, each_server, &v);
    if (v.n > 0 && v.to != NULL) {
        cJSON_AddItemToObject(json, "upstreams", v.to);
    } else {
        cJSON_Delete(v.to);
    }
    return err;
}

estoc_err estocd_upstreams_stats(estoc_store *store, int64_t now, int64_t since, cJSON *json)
{
    bool any;
    estoc_err err = count(store, now, since, json, &any);
    return err ? err : tell_health(store, json, any);
}
