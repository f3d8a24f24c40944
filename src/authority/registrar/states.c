/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "states.h"

#define STATES_MAX 64

struct states {
    const char *node;
    estoc_health at[STATES_MAX];
    char why[STATES_MAX][sizeof((estoc_upstream_state *)0)->why];
    size_t n;
    uint64_t calls;
    int64_t now;
};

static void take(void *ctx, const estoc_upstream_state *s)
{
    struct states *all = ctx;
    if (all->n == STATES_MAX) {
        return;
    }
    memcpy(all->why[all->n], s->why, sizeof all->why[0]);
    all->at[all->n] = (estoc_health){.node = all->node,
                                     .upstream = s->upstream,
                                     .url = s->url,
                                     .noted_at = all->now,
                                     .up = s->up,
                                     .calls = s->calls,
                                     .failures = s->failures,
                                     .ok_at = s->ok_at,
                                     .failed_at = s->failed_at,
                                     .median_ms = s->median_ms,
                                     .p99_ms = s->p99_ms,
                                     .connections = s->connections,
                                     .why = all->why[all->n]};
    all->calls += s->calls;
    all->n++;
}

estoc_err estoc_states_note(estoc_upstreams *u, estoc_store *store, const char *node, bool all,
                            uint64_t *noted)
{
    struct states *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return ESTOC_E_MEMORY;
    }
    s->node = node;
    s->now = estoc_unix_s();
    estoc_upstreams_each(u, take, s);
    estoc_err err = ESTOC_OK;
    if (all || s->calls != *noted) {
        err = estoc_health_put(store, s->at, s->n);
        err = err || !all ? err : estoc_health_expire(store, node, s->now);
        *noted = err ? *noted : s->calls;
    }
    free(s);
    return err;
}
