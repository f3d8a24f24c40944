/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "egress.h"
#include "sys.h"

/* Of the budget: what stays free covers late timers and the short credits below, so that the budget
 * is never exceeded over more than a few datagrams. */
#define PACE_PERCENT  97u
#define LATE_US       50000u  /* a way that has been free for longer does not save it up */
#define CREDIT_US     200000u /* how far small ones run ahead */
#define TURN_BYTES    1300u   /* of one lane before the next one's */
#define ANSWER_WEIGHT 3u      /* a byte of an answer counts as so many of a handshake's */

struct estoc_parcel {
    estoc_parcel *next;
    uint32_t bytes; /* with headers */
    uint16_t len;
    bool again;
    uint8_t dg[];
};

estoc_us estoc_now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (estoc_us)t.tv_sec * 1000000u + (estoc_us)t.tv_nsec / 1000u;
}

/* ----------------------------------------------------------------------------------- the budget */

static estoc_us time_of(uint64_t bits, uint64_t bytes)
{
    return bytes * 8u * 1000000u / PACE_PERCENT * 100u / bits;
}

bool estoc_egress_take(estoc_egress *e, estoc_us now, size_t bytes, estoc_us ahead_us)
{
    uint64_t bits = atomic_load(&e->bits);
    if (bits == 0) {
        return true;
    }
    estoc_us floor = now > LATE_US ? now - LATE_US : 0;
    uint64_t free_at = atomic_load(&e->free_at);
    estoc_us from;
    do {
        from = free_at > floor ? free_at : floor;
        if (from > now + ahead_us) {
            return false;
        }
    } while (!atomic_compare_exchange_weak(&e->free_at, &free_at, from + time_of(bits, bytes)));
    return true;
}

bool estoc_egress_take_small(estoc_egress *e, estoc_us now, size_t bytes)
{
    return estoc_egress_take(e, now, bytes, CREDIT_US);
}

uint32_t estoc_egress_wait_ms(const estoc_egress *e, estoc_us now)
{
    uint64_t bits = atomic_load(&e->bits);
    if (bits == 0) {
        return 0;
    }
    estoc_us free_at = atomic_load(&e->free_at);
    estoc_us wait = (free_at > now ? free_at - now : 0) + time_of(bits, atomic_load(&e->waiting));
    return wait / 1000u < UINT32_MAX ? (uint32_t)(wait / 1000u) : UINT32_MAX;
}

void estoc_egress_count(estoc_egress *e, estoc_us now, size_t bytes, bool again)
{
    uint64_t never = 0;
    atomic_fetch_add(&e->datagrams, 1);
    atomic_fetch_add(&e->bytes, bytes);
    atomic_fetch_add(&e->again_bytes, again ? bytes : 0);
    atomic_compare_exchange_strong(&e->first_at, &never, now);
    atomic_store(&e->last_at, now);
}

void estoc_egress_log(const estoc_egress *e)
{
    char datagrams[24], bytes[24], again[24], dropped[24], ms[24];
    const struct {
        char *text;
        uint64_t value;
    } figures[] = {{datagrams, atomic_load(&e->datagrams)},
                   {bytes, atomic_load(&e->bytes)},
                   {again, atomic_load(&e->again_bytes)},
                   {dropped, atomic_load(&e->dropped)},
                   {ms, (atomic_load(&e->last_at) - atomic_load(&e->first_at)) / 1000u}};
    for (size_t i = 0; i < sizeof figures / sizeof figures[0]; i++) {
        snprintf(figures[i].text, sizeof datagrams, "%llu", (unsigned long long)figures[i].value);
    }
    estoc_log(ESTOC_LOG_INFO, "egress", "datagrams", datagrams, "bytes", bytes, "again", again,
              "dropped", dropped, "ms", ms, NULL);
}

/* ------------------------------------------------------------------------------------- the turns */

static void append(estoc_queue *q, estoc_lane *l)
{
    l->behind = NULL;
    l->before = q->last[l->kind];
    l->turn = 0;
    if (l->before != NULL) {
        l->before->behind = l;
    } else {
        q->next[l->kind] = l;
    }
    q->last[l->kind] = l;
}

static void take_out(estoc_queue *q, estoc_lane *l)
{
    if (l->before != NULL) {
        l->before->behind = l->behind;
    } else {
        q->next[l->kind] = l->behind;
    }
    if (l->behind != NULL) {
        l->behind->before = l->before;
    } else {
        q->last[l->kind] = l->before;
    }
}

static bool has_room(const estoc_queue *q, const estoc_lane *l, estoc_us now, size_t bytes)
{
    return l->bytes + bytes <= ESTOC_EGRESS_LANE_MAX &&
           q->bytes + bytes <= ESTOC_EGRESS_QUEUE_MAX &&
           estoc_egress_wait_ms(q->egress, now) < ESTOC_EGRESS_QUEUE_MS;
}

bool estoc_queue_put(estoc_queue *q, estoc_lane *l, estoc_lane_kind kind, estoc_us now,
                     estoc_slice dg, size_t header, bool again)
{
    size_t bytes = dg.len + header;
    estoc_parcel *p = has_room(q, l, now, bytes) ? malloc(sizeof *p + dg.len) : NULL;
    if (p == NULL) {
        atomic_fetch_add(&q->egress->dropped, 1);
        return false;
    }
    *p = (estoc_parcel){NULL, (uint32_t)bytes, (uint16_t)dg.len, again};
    memcpy(p->dg, dg.ptr, dg.len);
    if (l->first != NULL) {
        l->last->next = p;
    } else {
        /* a kind of which nothing waited has not saved up its share meanwhile */
        uint64_t other =
            q->spent[kind == ESTOC_LANE_ANSWER ? ESTOC_LANE_HANDSHAKE : ESTOC_LANE_ANSWER];
        if (q->next[kind] == NULL && q->spent[kind] < other) {
            q->spent[kind] = other;
        }
        l->first = p;
        l->kind = kind;
        append(q, l);
    }
    l->last = p;
    l->bytes += (uint32_t)bytes;
    q->bytes += bytes;
    atomic_fetch_add(&q->egress->waiting, bytes);
    return true;
}

static estoc_lane *next_lane(const estoc_queue *q)
{
    estoc_lane *handshake = q->next[ESTOC_LANE_HANDSHAKE];
    estoc_lane *answer = q->next[ESTOC_LANE_ANSWER];
    if (handshake == NULL || answer == NULL) {
        return handshake != NULL ? handshake : answer;
    }
    return q->spent[ESTOC_LANE_ANSWER] < q->spent[ESTOC_LANE_HANDSHAKE] ? answer : handshake;
}

estoc_lane *estoc_queue_next(estoc_queue *q, estoc_us now, estoc_slice *dg)
{
    estoc_lane *l = next_lane(q);
    if (l == NULL || !estoc_egress_take(q->egress, now, l->first->bytes, 0)) {
        return NULL;
    }
    estoc_egress_count(q->egress, now, l->first->bytes, l->first->again);
    *dg = estoc_slice_of(l->first->dg, l->first->len);
    return l;
}

static void remove_first(estoc_queue *q, estoc_lane *l)
{
    estoc_parcel *p = l->first;
    l->first = p->next;
    l->bytes -= p->bytes;
    q->bytes -= p->bytes;
    atomic_fetch_sub(&q->egress->waiting, p->bytes);
    free(p);
}

void estoc_queue_left(estoc_queue *q, estoc_lane *l)
{
    uint32_t bytes = l->first->bytes;
    q->spent[l->kind] += bytes * (l->kind == ESTOC_LANE_ANSWER ? ANSWER_WEIGHT : 1u);
    l->turn += bytes;
    remove_first(q, l);
    if (l->first == NULL) {
        take_out(q, l);
    } else if (l->turn >= TURN_BYTES) {
        take_out(q, l);
        append(q, l);
    }
}

void estoc_queue_drop(estoc_queue *q, estoc_lane *l)
{
    if (l->first == NULL) {
        return;
    }
    take_out(q, l);
    while (l->first != NULL) {
        remove_first(q, l);
        atomic_fetch_add(&q->egress->dropped, 1);
    }
}

estoc_us estoc_queue_due(const estoc_queue *q)
{
    if (next_lane(q) == NULL) {
        return UINT64_MAX;
    }
    return atomic_load(&q->egress->bits) == 0 ? 0 : atomic_load(&q->egress->free_at);
}
