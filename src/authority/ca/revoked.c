/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <estoc/cert.h>

#include "crypto.h"
#include "revoked.h"
#include "text.h"

#define FOLLOW_MS  500 /* half of what is promised */
#define DIGEST_LEN 32

/* Digests of what was signed, sorted. */
struct set {
    uint8_t (*at)[DIGEST_LEN];
    size_t n, cap;
    bool full; /* no memory for more */
};

struct estoc_revoked {
    const char *store_url;
    estoc_store *store; /* the thread's own, once it runs; NULL: failed, to be opened again */
    int64_t revision;   /* what the set was made of */
    pthread_t thread;
    atomic_size_t n; /* of the set: most often none, and then nobody needs the lock */
    /* shared, under the lock, which nobody holds for long */
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct set set;
    bool stop;
};

static int compare(const void *a, const void *b)
{
    return memcmp(a, b, DIGEST_LEN); /* nothing secret */
}

/* @return false: it is no certificate, or there is no digest */
static bool digest_of(estoc_slice der, uint8_t out[DIGEST_LEN])
{
    estoc_cert cert;
    return estoc_cert_parse(&cert, der) == ESTOC_OK && estoc_sha256(cert.tbs, out) == ESTOC_OK;
}

bool estoc_revoked_has(estoc_revoked *r, estoc_slice cert)
{
    uint8_t digest[DIGEST_LEN];
    if (atomic_load(&r->n) == 0) {
        return false;
    }
    if (!digest_of(cert, digest)) {
        return true; /* unknown is no reason to trust */
    }
    pthread_mutex_lock(&r->lock);
    bool has = bsearch(digest, r->set.at, r->set.n, DIGEST_LEN, compare) != NULL;
    pthread_mutex_unlock(&r->lock);
    return has;
}

/* ---------------------------------------------------------------------------------- the thread */

static bool add(void *ctx, const estoc_record *rec)
{
    struct set *set = ctx;
    if (set->n == set->cap) {
        size_t cap = set->cap > 0 ? 2 * set->cap : 64;
        uint8_t(*at)[DIGEST_LEN] = realloc(set->at, cap * DIGEST_LEN);
        if (at == NULL) {
            set->full = true;
            return false;
        }
        set->at = at;
        set->cap = cap;
    }
    /* an intent may have been signed; what cannot be read, cannot be shown */
    set->n += rec->state == ESTOC_RECORD_ISSUED
                  ? digest_of(rec->cert, set->at[set->n])
                  : estoc_sha256(rec->cert, set->at[set->n]) == ESTOC_OK;
    return true;
}

/* A copy with what has come since. */
static estoc_err grow(const struct set *from, estoc_revoked *r, struct set *to)
{
    *to = (struct set){.cap = from->n + 64};
    to->at = malloc(to->cap * DIGEST_LEN);
    if (to->at == NULL) {
        return ESTOC_E_MEMORY;
    }
    if (from->n > 0) {
        memcpy(to->at, from->at, from->n * DIGEST_LEN);
    }
    to->n = from->n;
    estoc_err err = estoc_store_each_revoked(r->store, r->revision, add, to);
    err = err ? err : to->full ? ESTOC_E_MEMORY : ESTOC_OK;
    if (err) {
        free(to->at);
    } else {
        qsort(to->at, to->n, DIGEST_LEN, compare);
    }
    return err;
}

/* What was revoked since the last time. Only this thread writes the set, and so may read it. */
static estoc_err refresh(estoc_revoked *r)
{
    int64_t revision = 0;
    struct set set;
    estoc_err err = estoc_store_revision(r->store, &revision);
    if (err || revision == r->revision) {
        return err;
    }
    err = grow(&r->set, r, &set);
    if (err) {
        return err;
    }
    pthread_mutex_lock(&r->lock);
    struct set old = r->set;
    r->set = set;
    pthread_mutex_unlock(&r->lock);
    atomic_store(&r->n, set.n);
    r->revision = revision;
    free(old.at);
    return ESTOC_OK;
}

/* What was known stays known while the store fails; nothing is issued then (X9). */
static void follow(estoc_revoked *r)
{
    if (r->store == NULL && estoc_store_open_again(r->store_url, &r->store, NULL)) {
        return;
    }
    estoc_err err = refresh(r);
    if (err) {
        estoc_log(ESTOC_LOG_ERROR, "ca", "event", "revoked", "why", estoc_err_text(err), NULL);
        estoc_store_close(r->store);
        r->store = NULL;
    }
}

static void *run(void *arg)
{
    estoc_revoked *r = arg;
    pthread_mutex_lock(&r->lock);
    while (!r->stop) {
        (void)estoc_wait_until(&r->wake, &r->lock, estoc_now_ms() + FOLLOW_MS);
        if (!r->stop) {
            pthread_mutex_unlock(&r->lock);
            follow(r);
            pthread_mutex_lock(&r->lock);
        }
    }
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

/* --------------------------------------------------------------------------------- birth and death */

static void free_revoked(estoc_revoked *r)
{
    estoc_store_close(r->store);
    free(r->set.at);
    pthread_cond_destroy(&r->wake);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

estoc_err estoc_revoked_open(const char *store_url, estoc_revoked **out, estoc_why *why)
{
    *out = NULL;
    estoc_revoked *r = calloc(1, sizeof *r);
    if (r == NULL) {
        estoc_why_set(why, "CA: %s", estoc_err_text(ESTOC_E_MEMORY));
        return ESTOC_E_MEMORY;
    }
    pthread_mutex_init(&r->lock, NULL);
    estoc_wait_init(&r->wake);
    r->store_url = store_url;
    estoc_err err = estoc_store_open(store_url, &r->store, why);
    if (!err && (err = refresh(r)) != ESTOC_OK) {
        estoc_why_set(why, "CA: the revoked certificates: %s", estoc_err_text(err));
    }
    if (!err && pthread_create(&r->thread, NULL, run, r) != 0) {
        estoc_why_set(why, "CA: no thread");
        err = ESTOC_E_SYSTEM;
    }
    if (err) {
        free_revoked(r);
        return err;
    }
    *out = r;
    return ESTOC_OK;
}

void estoc_revoked_close(estoc_revoked *r)
{
    if (r == NULL) {
        return;
    }
    pthread_mutex_lock(&r->lock);
    r->stop = true;
    pthread_cond_signal(&r->wake);
    pthread_mutex_unlock(&r->lock);
    pthread_join(r->thread, NULL);
    free_revoked(r);
}
