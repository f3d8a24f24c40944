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
#define TIDY_UP 4   /* old entries looked at for each new one */
#define GONE    256 /* removed ones that others are still to hear of */

typedef struct entry {
    uint8_t id[ESTOC_SESSION_ID_LEN];
    int64_t until;
    estoc_blob session; /* NULL: removed */
    bool linked;        /* to its bucket; false: another has this ID now */
    uint32_t next;      /* in its bucket */
    uint32_t next_made; /* of those to be taken */
} entry;

struct estoc_dtls_cache {
    pthread_mutex_t lock;
    entry *ring;
    uint32_t most, oldest, n;       /* n entries from `oldest` on, removed ones among them */
    uint32_t first_made, last_made; /* not taken yet; all in the ring, in its order */
    estoc_dtls_made gone[GONE];     /* oldest first; what is too many the others keep */
    size_t gone_n;
    void (*wake)(void *ctx); /* NULL: nobody watches */
    void *wake_ctx;
    uint64_t questions, answered;
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
    c->first_made = c->last_made = NONE;
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
    e->linked = false;
    estoc_blob_free(&e->session);
}

static void drop_oldest(estoc_dtls_cache *c)
{
    const entry *e = &c->ring[c->oldest];
    if (e->linked) {
        forget(c, find(c, e->id));
    }
    if (c->first_made == c->oldest) {
        c->first_made = e->next_made;
    }
    c->oldest = (c->oldest + 1) % c->most;
    c->n--;
}

static void wake(const estoc_dtls_cache *c)
{
    if (c->wake != NULL) {
        c->wake(c->wake_ctx);
    }
}

/* The places of the oldest entries that are over, and in any case one if the ring is full. */
static void make_room(estoc_dtls_cache *c, int64_t now)
{
    for (int i = 0; i < TIDY_UP && c->n > 0; i++) {
        const entry *e = &c->ring[c->oldest];
        if (e->linked && e->until > now && c->n < c->most) {
            return;
        }
        drop_oldest(c);
    }
}

static void append(estoc_dtls_cache *c, const uint8_t *id, estoc_blob session, int64_t now,
                   int64_t until, bool made)
{
    make_room(c, now);
    uint32_t at = (c->oldest + c->n) % c->most;
    uint32_t *bucket = bucket_of(c, id);
    c->n++;
    c->ring[at] = (entry){
        .until = until, .session = session, .linked = true, .next = *bucket, .next_made = NONE};
    memcpy(c->ring[at].id, id, ESTOC_SESSION_ID_LEN);
    *bucket = at;
    if (made) {
        *(c->first_made == NONE ? &c->first_made : &c->ring[c->last_made].next_made) = at;
        c->last_made = at;
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
    append(c, id, copy, now, until, true);
    wake(c);
    pthread_mutex_unlock(&c->lock);
    return true;
}

bool estoc_dtls_cache_add(estoc_dtls_cache *c, const uint8_t id[ESTOC_SESSION_ID_LEN],
                          estoc_slice session, int64_t now, int64_t until)
{
    estoc_blob copy;
    if (session.len > ESTOC_SESSION_MAX || until <= now || estoc_blob_copy(session, &copy)) {
        return false;
    }
    pthread_mutex_lock(&c->lock);
    uint32_t at = *find(c, id);
    bool fresh = at == NONE && copy.len > 0;
    if (at != NONE && copy.len == 0) {
        estoc_blob_free(&c->ring[at].session);
    }
    if (fresh) {
        append(c, id, copy, now, until, false);
    }
    pthread_mutex_unlock(&c->lock);
    if (!fresh) {
        estoc_blob_free(&copy);
    }
    return fresh;
}

void estoc_dtls_cache_get(estoc_dtls_cache *c, const uint8_t id[ESTOC_SESSION_ID_LEN], int64_t now,
                          uint8_t *out, size_t *len)
{
    *len = 0;
    pthread_mutex_lock(&c->lock);
    uint32_t at = *find(c, id);
    if (at != NONE && c->ring[at].session.ptr != NULL && c->ring[at].until > now) {
        *len = c->ring[at].session.len;
        memcpy(out, c->ring[at].session.ptr, *len);
    }
    pthread_mutex_unlock(&c->lock);
}

static bool take_gone(estoc_dtls_cache *c, estoc_dtls_made *out)
{
    if (c->gone_n == 0) {
        return false;
    }
    *out = c->gone[0];
    memmove(c->gone, c->gone + 1, --c->gone_n * sizeof c->gone[0]);
    return true;
}

bool estoc_dtls_cache_take(estoc_dtls_cache *c, int64_t now, estoc_dtls_made *out)
{
    bool found = false, room = true;
    pthread_mutex_lock(&c->lock);
    while (!found && room && c->first_made != NONE) {
        const entry *e = &c->ring[c->first_made];
        if (e->session.ptr != NULL && e->until > now) {
            room = !estoc_blob_copy(estoc_blob_slice(e->session), &out->session);
            found = room;
            out->until = e->until;
            memcpy(out->id, e->id, sizeof out->id);
        }
        if (room) {
            c->first_made = e->next_made;
        }
    }
    found = found || (room && take_gone(c, out));
    pthread_mutex_unlock(&c->lock);
    return found;
}

/* The entry keeps its ID. */
void estoc_dtls_cache_remove(estoc_dtls_cache *c, const uint8_t id[ESTOC_SESSION_ID_LEN])
{
    pthread_mutex_lock(&c->lock);
    uint32_t at = *find(c, id);
    if (at != NONE && c->ring[at].session.ptr != NULL) {
        estoc_blob_free(&c->ring[at].session);
        if (c->gone_n < GONE) {
            estoc_dtls_made *gone = &c->gone[c->gone_n++];
            *gone = (estoc_dtls_made){.until = c->ring[at].until};
            memcpy(gone->id, id, sizeof gone->id);
        }
    }
    pthread_mutex_unlock(&c->lock);
}

/* --------------------------------------------------------------------------------- the other nodes */

void estoc_dtls_cache_watch(estoc_dtls_cache *c, void (*tell)(void *ctx), void *ctx)
{
    pthread_mutex_lock(&c->lock);
    c->wake = tell;
    c->wake_ctx = ctx;
    pthread_mutex_unlock(&c->lock);
}

void estoc_dtls_cache_unwatch(estoc_dtls_cache *c, const void *ctx)
{
    pthread_mutex_lock(&c->lock);
    if (c->wake_ctx == ctx) {
        c->wake = NULL;
        c->answered = c->questions;
    }
    pthread_mutex_unlock(&c->lock);
}

uint64_t estoc_dtls_cache_ask(estoc_dtls_cache *c, const uint8_t id[ESTOC_SESSION_ID_LEN],
                              int64_t now)
{
    pthread_mutex_lock(&c->lock);
    uint32_t at = *find(c, id);
    bool here = at != NONE && c->ring[at].until > now;
    uint64_t question = here || c->wake == NULL ? 0 : ++c->questions;
    if (question != 0) {
        wake(c);
    }
    pthread_mutex_unlock(&c->lock);
    return question;
}

bool estoc_dtls_cache_answered(estoc_dtls_cache *c, const uint8_t id[ESTOC_SESSION_ID_LEN],
                               uint64_t question)
{
    pthread_mutex_lock(&c->lock);
    bool answered = c->answered >= question || *find(c, id) != NONE;
    pthread_mutex_unlock(&c->lock);
    return answered;
}

uint64_t estoc_dtls_cache_questions(estoc_dtls_cache *c)
{
    pthread_mutex_lock(&c->lock);
    uint64_t questions = c->questions;
    pthread_mutex_unlock(&c->lock);
    return questions;
}

void estoc_dtls_cache_answer(estoc_dtls_cache *c, uint64_t question)
{
    pthread_mutex_lock(&c->lock);
    c->answered = question > c->answered ? question : c->answered;
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
