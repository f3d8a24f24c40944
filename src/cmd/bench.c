/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

estoc_err estoc_tally_make(estoc_tally *t, uint32_t count)
{
    memset(t, 0, sizeof *t);
    t->us = calloc(count, sizeof *t->us);
    return t->us != NULL ? ESTOC_OK : ESTOC_E_MEMORY;
}

void estoc_tally_free(estoc_tally *t)
{
    free(t->us);
    t->us = NULL;
}

void estoc_tally_done(estoc_tally *t, uint64_t us, const estoc_figures *f)
{
    t->us[t->done++] = us < UINT32_MAX ? (uint32_t)us : UINT32_MAX;
    t->figures.sent += f->sent;
    t->figures.received += f->received;
    t->figures.sent_bytes += f->sent_bytes;
    t->figures.received_bytes += f->received_bytes;
    t->figures.again_bytes += f->again_bytes;
}

void estoc_tally_failed(estoc_tally *t, int code, const char *reason)
{
    t->failed++;
    size_t i = 0;
    while (i < t->reasons &&
           (t->reason[i].code != code || strcmp(t->reason[i].text, reason) != 0)) {
        i++;
    }
    if (i == ESTOC_REASONS_MAX) {
        i--;
        reason = "other";
    }
    if (i == t->reasons || strcmp(reason, "other") == 0) {
        t->reasons = i + 1;
        t->reason[i].code = code;
        snprintf(t->reason[i].text, sizeof t->reason[i].text, "%s", reason);
    }
    t->reason[i].n++;
}

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

void estoc_tally_sort(estoc_tally *t)
{
    qsort(t->us, t->done, sizeof *t->us, by_size);
}

double estoc_tally_ms(const estoc_tally *t, unsigned permil)
{
    if (t->done == 0) {
        return 0;
    }
    uint64_t rank = ((uint64_t)t->done * permil + 999) / 1000;
    return (double)t->us[rank > 0 ? rank - 1 : 0] / 1000.0;
}

double estoc_tally_rate(const estoc_tally *t)
{
    return t->elapsed_us > 0 ? (double)t->done * 1e6 / (double)t->elapsed_us : 0;
}

int estoc_tally_code(const estoc_tally *t)
{
    size_t most = 0;
    for (size_t i = 1; i < t->reasons; i++) {
        most = t->reason[i].n > t->reason[most].n ? i : most;
    }
    return t->reasons > 0 ? t->reason[most].code : 0;
}

static double each(const estoc_tally *t, uint64_t sum)
{
    return t->done > 0 ? (double)sum / (double)t->done : 0;
}

cJSON *estoc_tally_json(const estoc_tally *t)
{
    cJSON *json = cJSON_CreateObject();
    cJSON_AddNumberToObject(json, "done", t->done);
    cJSON_AddNumberToObject(json, "failed", t->failed);
    cJSON_AddNumberToObject(json, "repeated", t->repeated);
    cJSON_AddNumberToObject(json, "seconds", (double)t->elapsed_us / 1e6);
    cJSON_AddNumberToObject(json, "per_second", estoc_tally_rate(t));
    cJSON *ms = cJSON_AddObjectToObject(json, "ms");
    cJSON_AddNumberToObject(ms, "p50", estoc_tally_ms(t, 500));
    cJSON_AddNumberToObject(ms, "p90", estoc_tally_ms(t, 900));
    cJSON_AddNumberToObject(ms, "p99", estoc_tally_ms(t, 990));
    cJSON_AddNumberToObject(ms, "max", estoc_tally_ms(t, 1000));
    cJSON *one = cJSON_AddObjectToObject(json, "per_enrollment");
    cJSON_AddNumberToObject(one, "sent", each(t, t->figures.sent));
    cJSON_AddNumberToObject(one, "received", each(t, t->figures.received));
    cJSON_AddNumberToObject(one, "bytes_sent", each(t, t->figures.sent_bytes));
    cJSON_AddNumberToObject(one, "bytes_received", each(t, t->figures.received_bytes));
    cJSON_AddNumberToObject(one, "bytes_sent_again", each(t, t->figures.again_bytes));
    cJSON *list = cJSON_AddArrayToObject(json, "failures");
    for (size_t i = 0; i < t->reasons; i++) {
        cJSON *reason = cJSON_CreateObject();
        cJSON_AddStringToObject(reason, "reason", t->reason[i].text);
        cJSON_AddNumberToObject(reason, "count", t->reason[i].n);
        cJSON_AddItemToArray(list, reason);
    }
    return json;
}

void estoc_tally_print(const estoc_tally *t, FILE *f)
{
    fprintf(f, "enrollments  %u done, %u failed, in %.2f s: %.1f per second\n", (unsigned)t->done,
            (unsigned)t->failed, (double)t->elapsed_us / 1e6, estoc_tally_rate(t));
    fprintf(f, "latency      p50 %.2f ms, p90 %.2f ms, p99 %.2f ms, max %.2f ms\n",
            estoc_tally_ms(t, 500), estoc_tally_ms(t, 900), estoc_tally_ms(t, 990),
            estoc_tally_ms(t, 1000));
    fprintf(
        f, "each         %.1f datagrams, %.0f bytes of IP (%.0f up, %.0f down; %.0f sent again)\n",
        each(t, t->figures.sent + t->figures.received),
        each(t, t->figures.sent_bytes + t->figures.received_bytes), each(t, t->figures.sent_bytes),
        each(t, t->figures.received_bytes), each(t, t->figures.again_bytes));
    if (t->repeated > 0) {
        fprintf(f, "repeated     %u associations begun anew with the same request\n",
                (unsigned)t->repeated);
    }
    for (size_t i = 0; i < t->reasons; i++) {
        fprintf(f, "failed       %u: %s\n", (unsigned)t->reason[i].n, t->reason[i].text);
    }
}
