/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "table.h"

static bool is_ipv4(const estoc_path *path)
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    return memcmp(path->peer, mapped, sizeof mapped) == 0;
}

size_t estoc_path_header(const estoc_path *path)
{
    return is_ipv4(path) ? 20 + 8 : 40 + 8;
}

uint64_t estoc_path_prefix(const estoc_path *path, bool wide)
{
    size_t from = is_ipv4(path) ? 8 : 0;
    size_t len = !is_ipv4(path) ? 8 : wide ? 7 : 8;
    uint64_t prefix = 0;
    for (size_t i = from; i < from + len; i++) {
        prefix = prefix << 8 | path->peer[i];
    }
    return prefix;
}

const char *estoc_path_text(const estoc_path *path, char *out, size_t cap)
{
    char address[INET6_ADDRSTRLEN] = "?";
    if (is_ipv4(path)) {
        inet_ntop(AF_INET, path->peer + 12, address, sizeof address);
        snprintf(out, cap, "%s:%u", address, path->port);
    } else {
        inet_ntop(AF_INET6, path->peer, address, sizeof address);
        snprintf(out, cap, "[%s]:%u", address, path->port);
    }
    return out;
}

estoc_err estoc_table_init(estoc_table *t, size_t max, uint64_t seed)
{
    size_t buckets = 64;
    while (buckets < max) {
        buckets *= 2;
    }
    *t = (estoc_table){.buckets_n = buckets, .cap = max, .seed = seed};
    t->buckets = calloc(buckets, sizeof *t->buckets);
    t->heap = calloc(max > 0 ? max : 1, sizeof(estoc_entry *));
    if (t->buckets == NULL || t->heap == NULL) {
        estoc_table_free(t);
        return ESTOC_E_MEMORY;
    }
    return ESTOC_OK;
}

void estoc_table_free(estoc_table *t)
{
    free(t->buckets);
    free(t->heap);
    *t = (estoc_table){0};
}

static uint64_t mix(uint64_t h, uint64_t v)
{
    h = (h ^ v) * 0x9e3779b97f4a7c15u;
    return h ^ (h >> 29);
}

uint64_t estoc_table_hash(const estoc_table *t, uint64_t a, uint64_t b)
{
    return mix(mix(mix(t->seed, a), b), t->seed);
}

static size_t bucket_of(const estoc_table *t, const estoc_path *p)
{
    uint64_t a[2], b[2];
    memcpy(a, p->peer, sizeof a);
    memcpy(b, p->local, sizeof b);
    uint64_t h = mix(mix(mix(t->seed, a[0]), a[1]), b[1]);
    h = mix(h, (uint64_t)p->port << 16 | p->socket);
    return (size_t)(mix(h, t->seed) & (t->buckets_n - 1));
}

static bool same_path(const estoc_path *a, const estoc_path *b)
{
    return a->port == b->port && a->socket == b->socket && a->scope == b->scope &&
           memcmp(a->peer, b->peer, sizeof a->peer) == 0 &&
           memcmp(a->local, b->local, sizeof a->local) == 0;
}

estoc_entry *estoc_table_find(const estoc_table *t, const estoc_path *path)
{
    estoc_entry *e = t->buckets[bucket_of(t, path)];
    while (e != NULL && !same_path(&e->path, path)) {
        e = e->next;
    }
    return e;
}

static void heap_set(estoc_table *t, size_t at, estoc_entry *e)
{
    t->heap[at] = e;
    e->at = at;
}

static void heap_up(estoc_table *t, size_t at, estoc_entry *e)
{
    while (at > 0 && t->heap[(at - 1) / 2]->deadline > e->deadline) {
        heap_set(t, at, t->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    heap_set(t, at, e);
}

static void heap_down(estoc_table *t, size_t at, estoc_entry *e)
{
    for (;;) {
        size_t child = 2 * at + 1;
        if (child + 1 < t->n && t->heap[child + 1]->deadline < t->heap[child]->deadline) {
            child++;
        }
        if (child >= t->n || t->heap[child]->deadline >= e->deadline) {
            break;
        }
        heap_set(t, at, t->heap[child]);
        at = child;
    }
    heap_set(t, at, e);
}

estoc_err estoc_table_add(estoc_table *t, estoc_entry *e, estoc_ms deadline)
{
    if (t->n == t->cap) {
        return ESTOC_E_LIMIT;
    }
    size_t b = bucket_of(t, &e->path);
    e->next = t->buckets[b];
    t->buckets[b] = e;
    e->deadline = deadline;
    heap_up(t, t->n++, e);
    return ESTOC_OK;
}

void estoc_table_remove(estoc_table *t, estoc_entry *e)
{
    estoc_entry **link = &t->buckets[bucket_of(t, &e->path)];
    while (*link != e) {
        link = &(*link)->next;
    }
    *link = e->next;
    estoc_entry *last = t->heap[--t->n];
    if (last != e) {
        size_t at = e->at;
        heap_set(t, at, last);
        estoc_table_move(t, last, last->deadline);
    }
}

void estoc_table_move(estoc_table *t, estoc_entry *e, estoc_ms deadline)
{
    e->deadline = deadline;
    heap_up(t, e->at, e);
    heap_down(t, e->at, e);
}

estoc_entry *estoc_table_first(const estoc_table *t)
{
    return t->n > 0 ? t->heap[0] : NULL;
}
