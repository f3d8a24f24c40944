/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "crowd.h"

struct estoc_group {
    estoc_group *next; /* in its bucket */
    estoc_member *oldest, *newest;
    uint64_t key;
    size_t n;
};

estoc_err estoc_crowd_init(estoc_crowd *c, size_t max)
{
    size_t n = 64;
    while (n < max) {
        n *= 2;
    }
    *c = (estoc_crowd){calloc(n, sizeof(estoc_group *)), n};
    return c->buckets != NULL ? ESTOC_OK : ESTOC_E_MEMORY;
}

void estoc_crowd_free(estoc_crowd *c)
{
    free(c->buckets);
    *c = (estoc_crowd){NULL, 0};
}

static estoc_group **bucket_of(const estoc_crowd *c, uint64_t key)
{
    return &c->buckets[key & (c->buckets_n - 1)];
}

static estoc_group *group_of(estoc_crowd *c, uint64_t key)
{
    estoc_group **bucket = bucket_of(c, key);
    estoc_group *g = *bucket;
    while (g != NULL && g->key != key) {
        g = g->next;
    }
    if (g == NULL) {
        g = calloc(1, sizeof *g);
        if (g != NULL) {
            *g = (estoc_group){.next = *bucket, .key = key};
            *bucket = g;
        }
    }
    return g;
}

size_t estoc_crowd_join(estoc_crowd *c, estoc_member *m, uint64_t key)
{
    estoc_crowd_leave(c, m);
    estoc_group *g = group_of(c, key);
    if (g == NULL) {
        return 0;
    }
    *m = (estoc_member){g, g->newest, NULL};
    if (g->newest != NULL) {
        g->newest->newer = m;
    } else {
        g->oldest = m;
    }
    g->newest = m;
    return ++g->n;
}

static void free_group(estoc_crowd *c, estoc_group *g)
{
    estoc_group **link = bucket_of(c, g->key);
    while (*link != g) {
        link = &(*link)->next;
    }
    *link = g->next;
    free(g);
}

void estoc_crowd_leave(estoc_crowd *c, estoc_member *m)
{
    estoc_group *g = m->group;
    if (g == NULL) {
        return;
    }
    *(m->older != NULL ? &m->older->newer : &g->oldest) = m->newer;
    *(m->newer != NULL ? &m->newer->older : &g->newest) = m->older;
    *m = (estoc_member){NULL, NULL, NULL};
    if (--g->n == 0) {
        free_group(c, g);
    }
}

estoc_member *estoc_crowd_oldest(const estoc_member *m)
{
    return m->group->oldest;
}
