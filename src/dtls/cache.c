/* SPDX-License-Identifier: MIT
 *
 * A ring of entries, oldest to newest, and a hash table over it. One lock: it is taken once or twice in
 * a handshake, which costs a thousand times as much, and never for a packet of an open association.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "cache.h"

#define NONE    UINT32_MAX
#define TIDY_UP 4 /* old entries looked at for each new one */

typedef struct entry {
    uint8_t id[ESTOC_SESSION_ID_LEN];
    int64_t until;
    estoc_blob session; /* NULL: removed */
    uint32_t next;      /* in its bucket */
} entry;

struct estoc_dtls_cache {
    pthread_mutex_t lock;
    entry *ring;
    uint32_t most, oldest, n; /* n entries from `oldest` on, removed ones among them */
    uint32_t *bucket;
    uint32_t mask;
};

estoc_dtls_cache *estoc_dtls_cache_new(size_t most)
{
    uint32_t buckets = 1;
    estoc_dtls_cache *c = most > 0 && most < NONE / 2 ? calloc(1, sizeof *c) : NULL;
    if (c == NULL) {
        return NULL;
    }
    while (buckets < most) {
        buckets *= 2;
    }
    pthread_mutex_init(&c->lock, NULL);
    c->most = (uint32_t)most;
    c->mask = buckets - 1;
    c->ring = calloc(most, sizeof *c->ring);
    c->bucket = malloc(buckets * sizeof *c->bucket);
    if (c->ring == NULL || c->bucket == NULL) {
        estoc_dtls_cache_free(c);
        return NULL;
    }
    memset(c->bucket, 0xff, buckets * sizeof *c->bucket);
    return c;
}

/* IDs that we made are random, so any four bytes of one are a hash. */
static uint32_t *bucket_of(const estoc_dtls_cache *c, const uint8_t *id)
{
    uint32_t hash;
    memcpy(&hash, id, sizeof hash);
    return &c->bucket[hash & c->mask];
}

/* What points to the entry with this ID, or to NONE. */
static uint32_t *find(const estoc_dtls_cache *c, const uint8_t *id)
{
    uint32_t *at = bucket_of(c, id);
    while (*at != NONE && memcmp(c->ring[*at].id, id, ESTOC_SESSION_ID_LEN) != 0) {
        at = &c->ring[*at].next;
    }
    return at;
}

static void forget(estoc_dtls_cache *c, uint32_t *at)
{
    if (*at == NONE) {
        return;
    }
    entry *e = &c->ring[*at];
    *at = e->next;
    estoc_blob_free(&e->session);
}

/* The places of the oldest entries that are over, and in any case one if the ring is full. */
static void make_room(estoc_dtls_cache *c, int64_t now)
{
    for (int i = 0; i < TIDY_UP && c->n > 0; i++) {
        const entry *e = &c->ring[c->oldest];
        if (e->session.ptr != NULL && e->until > now && c->n < c->most) {
            return;
        }
        if (e->session.ptr != NULL) {
            forget(c, find(c, e->id));
        }
        c->oldest = (c->oldest + 1) % c->most;
        c->n--;
    }
}

bool estoc_dtls_cache_put(estoc_dtls_cache *c, const uint8_t id[ESTOC_SESSION_ID_LEN],
                          estoc_slice session, int64_t now, int64_t until)
{
    estoc_blob copy;
    if (session.len > ESTOC_SESSION_MAX || until <= now || estoc_blob_copy(session, &copy)) {
        return false;
    }
    pthread_mutex_lock(&c->lock);
    forget(c, find(c, id));
    make_room(c, now);
    uint32_t at = (c->oldest + c->n) % c->most;
    uint32_t *bucket = bucket_of(c, id);
    c->n++;
    c->ring[at] = (entry){.until = until, .session = copy, .next = *bucket};
    memcpy(c->ring[at].id, id, ESTOC_SESSION_ID_LEN);
    *bucket = at;
    pthread_mutex_unlock(&c->lock);
    return true;
}

void estoc_dtls_cache_get(estoc_dtls_cache *c, const uint8_t id[ESTOC_SESSION_ID_LEN], int64_t now,
                          uint8_t *out, size_t *len)
{
    *len = 0;
    pthread_mutex_lock(&c->lock);
    uint32_t at = *find(c, id);
    if (at != NONE && c->ring[at].until > now) {
        *len = c->ring[at].session.len;
        memcpy(out, c->ring[at].session.ptr, *len);
    }
    pthread_mutex_unlock(&c->lock);
}

void estoc_dtls_cache_remove(estoc_dtls_cache *c, const uint8_t id[ESTOC_SESSION_ID_LEN])
{
    pthread_mutex_lock(&c->lock);
    forget(c, find(c, id));
    pthread_mutex_unlock(&c->lock);
}

void estoc_dtls_cache_free(estoc_dtls_cache *c)
{
    if (c == NULL) {
        return;
    }
    for (uint32_t i = 0; c->ring != NULL && i < c->most; i++) {
        estoc_blob_free(&c->ring[i].session);
    }
    free(c->ring);
    free(c->bucket);
    pthread_mutex_destroy(&c->lock);
    free(c);
}
