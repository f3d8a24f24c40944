/* SPDX-License-Identifier: MIT
 *
 * Which of a service's servers is asked, and how each does. Nothing here waits or locks.
 */
#include <stdlib.h>
#include <string.h>

#include "upstream_parts.h"

enum { BACKOFF_MIN_MS = 1000, BACKOFF_MAX_MS = 60000 };

bool estoc_upstream_all_out(const estoc_upstream_service *s)
{
    bool out = true;
    for (size_t i = 0; i < s->cfg->url_n; i++) {
        out = out && s->at[i].out && s->at[i].unreachable;
    }
    return out;
}

/* A server that was out may be tried by one call when its time is over. */
static bool is_open(const estoc_upstream_server *s, estoc_ms now)
{
    return !s->out || (s->out_until <= now && s->probes == 0);
}

static size_t first_open(const estoc_upstream_service *s, unsigned tried, const char *url,
                         estoc_ms now)
{
    size_t found = NO_SERVER;
    for (size_t i = 0; i < s->cfg->url_n; i++) {
        bool liked = url != NULL && strcmp(url, s->at[i].url) == 0;
        if ((tried & 1u << i) == 0 && is_open(&s->at[i], now) && (found == NO_SERVER || liked)) {
            found = i;
        }
    }
    return found;
}

/* Of those that are out: the one liked best, or the first that is not being tried. */
static size_t first_out(const estoc_upstream_service *s, unsigned tried, const char *url)
{
    size_t found = NO_SERVER;
    for (size_t i = 0; i < s->cfg->url_n; i++) {
        bool liked = url != NULL && strcmp(url, s->at[i].url) == 0;
        if ((tried & 1u << i) == 0 && (found == NO_SERVER || liked)) {
            found = i;
        }
    }
    return found;
}

/* If none can be reached, one call at a time finds out whether that is still so, and the others wait for
 * it: not all of them shall wait for a connection that never comes. While answers are still awaited, some
 * server is alive, and refuses perhaps because it has too much to do. */
static bool may_probe(const estoc_upstream_service *s, estoc_ms now, estoc_ms *until)
{
    bool ripe = s->running == 0;
    for (size_t i = 0; i < s->cfg->url_n; i++) {
        const estoc_upstream_server *v = &s->at[i];
        if (v->probes > 0) {
            return false;
        }
        ripe = ripe || v->out_until <= now;
        *until = !ripe && v->out_until < *until ? v->out_until : *until;
    }
    return ripe;
}

size_t estoc_upstream_choose(const estoc_upstream_service *s, unsigned tried, const char *url,
                             estoc_ms now, estoc_ms *until)
{
    size_t open = first_open(s, tried, url, now);
    if (open != NO_SERVER) {
        return open;
    }
    /* one that began goes on; one that has not begun may have to wait */
    if (tried == 0 && estoc_upstream_all_out(s) && !may_probe(s, now, until)) {
        return NO_SERVER;
    }
    return first_out(s, tried, url);
}

static void leave_out(estoc_upstream_server *s, bool unreachable, estoc_ms now)
{
    if (s->out && s->out_until > now) { /* by another call, at the same time */
        s->unreachable = s->unreachable || unreachable;
        return;
    }
    s->backoff_ms = s->backoff_ms == 0                   ? BACKOFF_MIN_MS
                    : s->backoff_ms > BACKOFF_MAX_MS / 2 ? BACKOFF_MAX_MS
                                                         : s->backoff_ms * 2;
    s->out = true;
    s->unreachable = unreachable;
    s->out_until = now + s->backoff_ms;
}

void estoc_upstream_note(estoc_upstream_server *s, const estoc_upstream_answer *a,
                         const estoc_upstream_reply *r, const char *why, estoc_ms now, uint32_t ms)
{
    bool useless = r->err && !r->accepted && a->status < 300;
    bool failed =
        a->end != ESTOC_END_HURRIED && (useless || (a->status >= 500 && a->status != 503));
    s->state.calls++;
    s->state.failures += failed;
    if (a->end != ESTOC_END_HURRIED) {
        s->state.up = a->end == ESTOC_END_ANSWERED || a->status >= 300;
    }
    if (s->state.up && a->end != ESTOC_END_HURRIED) {
        s->state.ok_at = estoc_unix_s();
        s->ms[s->answers++ % SAMPLES_MAX] = ms;
        s->out = false;
        s->unreachable = false;
        s->backoff_ms = 0;
    }
    if (failed) {
        s->state.failed_at = estoc_unix_s();
        memcpy(s->state.why, why, WHY_MAX);
    }
    if (a->end == ESTOC_END_UNREACHABLE || a->end == ESTOC_END_TLS ||
        (a->end == ESTOC_END_TIMEOUT && a->status == 0)) {
        leave_out(s, !a->connected, now);
    }
    if (a->end == ESTOC_END_TIMEOUT && a->connected) { /* its connection may be a dead one */
        s->generation++;
    }
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

void estoc_upstream_median(const uint32_t *ms, size_t n, estoc_upstream_state *state)
{
    uint32_t sorted[SAMPLES_MAX];
    memcpy(sorted, ms, n * sizeof *ms);
    qsort(sorted, n, sizeof *sorted, compare);
    state->median_ms = n > 0 ? sorted[n / 2] : 0;
    state->p99_ms = n > 0 ? sorted[(n * 99 + 99) / 100 - 1] : 0;
}
