/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "crypto.h"
#include "nodes.h"
#include "text.h"

#define POLL_MS      300  /* a third of what is promised */
#define PAUSE_MS     50   /* between rounds, however much there is to do; ASK_MS (dtls) is longer */
#define AWAY_MS      5000 /* at most so long until a store that is away is tried again */
#define CLAIM_MS     30000 /* that the database needs to find a connection dead */
#define EXPIRE_MS    60000
#define LOST_MS      1000
#define LOST_S       2 /* intents of a node that is gone, younger ones may be of one that just comes */
#define AT_ONCE      64 /* sessions in a transaction */
#define COOKIES_NAME "cookie"

struct estoc_nodes {
    char store_url[600], node[ESTOC_NODE_MAX];
    uint8_t run[ESTOC_RUN_LEN];
    estoc_dtls_cache *sessions;
    size_t sessions_max;
    uint32_t claim_ms;
    bool share;
    estoc_dtls_cookies cookies;
    void (*published)(void *ctx, int64_t version);
    void *ctx;
    atomic_llong followed; /* 0: nothing is */
    pthread_t thread;
    bool started;
    /* of the thread, once it runs */
    estoc_store *store; /* NULL: away */
    uint32_t wait_ms;   /* until the next round */
    estoc_ms expire_at, lost_at;
    int64_t seq, told;             /* what has been taken, and told */
    estoc_dtls_made made[AT_ONCE]; /* taken out of the cache, and not in the store yet */
    size_t made_n;
    uint64_t questions; /* up to the last round */
    /* shared, under the lock */
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stop, wanted; /* wanted: a round before its time */
};

/* On whatever thread: there is something to be given, or to be had. */
static void on_wanted(void *ctx)
{
    estoc_nodes *n = ctx;
    pthread_mutex_lock(&n->lock);
    if (!n->wanted) {
        n->wanted = true;
        pthread_cond_signal(&n->wake);
    }
    pthread_mutex_unlock(&n->lock);
}

/* ---------------------------------------------------------------------------------------- sessions */

static void drop_made(estoc_nodes *n)
{
    for (size_t i = 0; i < n->made_n; i++) {
        estoc_blob_free(&n->made[i].session);
    }
    n->made_n = 0;
}

/* What fails stays, to be given later: those behind it wait in the cache, and make room there. */
static estoc_err give(estoc_nodes *n)
{
    for (;;) {
        int64_t now = estoc_unix_s();
        while (n->made_n < AT_ONCE &&
               estoc_dtls_cache_take(n->sessions, now, &n->made[n->made_n])) {
            n->made_n++;
        }
        if (n->made_n == 0) {
            return ESTOC_OK;
        }
        estoc_kept_session list[AT_ONCE];
        for (size_t i = 0; i < n->made_n; i++) {
            list[i] = (estoc_kept_session){.until = n->made[i].until,
                                           .bytes = estoc_blob_slice(n->made[i].session)};
            memcpy(list[i].id, n->made[i].id, sizeof list[i].id);
        }
        estoc_err err = estoc_store_sessions_put(n->store, n->node, n->run, list, n->made_n);
        if (err) {
            return err;
        }
        drop_made(n);
    }
}

struct taking {
    estoc_dtls_cache *sessions;
    int64_t now;
};

static bool put_in(void *ctx, const estoc_kept_session *k)
{
    const struct taking *t = ctx;
    (void)estoc_dtls_cache_add(t->sessions, k->id, k->bytes, t->now, k->until);
    return true;
}

static estoc_err take(estoc_nodes *n)
{
    struct taking t = {n->sessions, estoc_unix_s()};
    int64_t before = n->seq - 1;
    estoc_err err = ESTOC_OK;
    while (!err && n->seq != before) { /* in portions */
        before = n->seq;
        err = estoc_store_sessions_each(n->store, n->run, &n->seq, t.now, put_in, &t);
    }
    return err;
}

/* More than a node keeps need not be kept for those to come either. */
static estoc_err expire(estoc_nodes *n, estoc_ms now)
{
    if (now < n->expire_at) {
        return ESTOC_OK;
    }
    n->expire_at = now + EXPIRE_MS;
    return estoc_store_sessions_expire(n->store, estoc_unix_s(), n->seq - (int64_t)n->sessions_max);
}

/* Who asks another node for what one that is gone was about to sign need not wait long (X9). */
static estoc_err give_up_lost(estoc_nodes *n, estoc_ms now)
{
    uint64_t count = 0;
    if (now < n->lost_at) {
        return ESTOC_OK;
    }
    n->lost_at = now + LOST_MS;
    estoc_err err = estoc_store_void_lost(n->store, n->node, estoc_unix_s() - LOST_S, &count);
    if (!err && count > 0) {
        char number[24];
        snprintf(number, sizeof number, "%llu", (unsigned long long)count);
        estoc_log(ESTOC_LOG_WARN, "nodes", "event", "recovery", "void", number, "why",
                  "another node was about to sign them, and is gone", NULL);
    }
    return err;
}

/* What was asked before the last round is answered by this one: in between there was time for the others
 * to give what they had made by then. */
static estoc_err share(estoc_nodes *n)
{
    uint64_t questions = estoc_dtls_cache_questions(n->sessions);
    estoc_err err = give(n);
    err = err ? err : take(n);
    if (err) {
        return err;
    }
    estoc_dtls_cache_answer(n->sessions, n->questions);
    if (questions != n->questions) {
        n->questions = questions;
        on_wanted(n);
    }
    err = give_up_lost(n, estoc_now_ms());
    return err ? err : expire(n, estoc_now_ms());
}

/* ---------------------------------------------------------------------------------------- profiles */

static estoc_err look(estoc_nodes *n)
{
    int64_t version = 0;
    int64_t followed = atomic_load(&n->followed);
    if (followed == 0) {
        return ESTOC_OK;
    }
    estoc_err err = estoc_store_policy_published(n->store, &version, NULL);
    if (!err && version != followed && version != n->told) {
        n->told = version;
        n->published(n->ctx, version);
    }
    return err == ESTOC_E_NOT_FOUND ? ESTOC_OK : err;
}

/* ------------------------------------------------------------------------------------------ rounds */

/* A store that has crashed has forgotten the secret: all nodes have the same, so whoever is first puts it
 * back. */
static estoc_err keep_cookies(estoc_nodes *n)
{
    uint8_t key[ESTOC_COOKIE_KEY];
    memcpy(key, n->cookies.key, sizeof key);
    estoc_err err = estoc_store_secret(n->store, COOKIES_NAME, key);
    if (!err && !estoc_slice_eq_secret(estoc_slice_of(key, sizeof key),
                                       estoc_slice_of(n->cookies.key, sizeof key))) {
        estoc_log(ESTOC_LOG_WARN, "nodes", "result", "other cookies than the other nodes have",
                  "next", "start this one again", NULL);
    }
    estoc_wipe(key, sizeof key);
    return err;
}

/* The newest sessions, as many as there is room for. */
static estoc_err greet(estoc_nodes *n)
{
    int64_t last = 0, most = (int64_t)n->sessions_max;
    n->told = 0;
    if (!n->share) {
        return ESTOC_OK;
    }
    estoc_err err = estoc_store_claim_node(n->store, n->node);
    if (err == ESTOC_E_BUSY) {
        estoc_log(ESTOC_LOG_ERROR, "nodes", "result", "another server has this node's name", "node",
                  n->node, "next", "give each its own `node`", NULL);
    }
    err = err ? err : keep_cookies(n);
    err = err ? err : estoc_store_sessions_last(n->store, &last);
    if (!err && (n->seq > last || n->seq < last - most)) {
        n->seq = last > most ? last - most : 0;
    }
    if (!err) {
        estoc_dtls_cache_watch(n->sessions, on_wanted, n);
    }
    return err;
}

static void went_away(estoc_nodes *n, const char *why)
{
    if (n->wait_ms == POLL_MS) { /* told once */
        estoc_log(ESTOC_LOG_ERROR, "nodes", "result", "the store is away", "why", why, NULL);
    }
    estoc_dtls_cache_unwatch(n->sessions, n); /* nobody is to wait for it */
    estoc_store_close(n->store);
    n->store = NULL;
    n->wait_ms = 2 * n->wait_ms < AWAY_MS ? 2 * n->wait_ms : AWAY_MS;
}

static void go_round(estoc_nodes *n)
{
    estoc_why why = {""};
    if (!n->share && atomic_load(&n->followed) == 0) {
        return;
    }
    bool away = n->store == NULL;
    estoc_err err = away ? estoc_store_open_again(n->store_url, &n->store, &why) : ESTOC_OK;
    if (err) {
        went_away(n, why.text);
        return;
    }
    err = away ? greet(n) : ESTOC_OK;
    err = !err && n->share ? share(n) : err;
    err = err ? err : look(n);
    if (err) {
        went_away(n, err == ESTOC_E_STORE ? estoc_store_why(n->store) : estoc_err_text(err));
    } else if (n->wait_ms > POLL_MS) {
        estoc_log(ESTOC_LOG_INFO, "nodes", "result", "the store is back", NULL);
        n->wait_ms = POLL_MS;
    }
}

/* Until it is time, or somebody wants a round. @return false: the end */
static bool wait_for_next(estoc_nodes *n)
{
    estoc_ms begun = estoc_now_ms(), now = begun;
    pthread_mutex_lock(&n->lock);
    for (;;) {
        estoc_ms at = begun + (n->wanted ? PAUSE_MS : n->wait_ms);
        if (n->stop || now >= at) {
            break;
        }
        (void)estoc_wait_until(&n->wake, &n->lock, at);
        now = estoc_now_ms();
    }
    n->wanted = false;
    bool stop = n->stop;
    pthread_mutex_unlock(&n->lock);
    return !stop;
}

static void *run(void *arg)
{
    estoc_nodes *n = arg;
    do {
        go_round(n);
    } while (wait_for_next(n));
    if (n->share && n->store != NULL && give(n)) {
        estoc_log(ESTOC_LOG_WARN, "nodes", "result", "the last sessions stay untold", NULL);
    }
    return NULL;
}

/* --------------------------------------------------------------------------------- birth and death */

/* By the clock as it is now: no step of it later on makes cookies worthless that were just given out. */
static uint64_t since_1970_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000u + (uint64_t)t.tv_nsec / 1000000u;
}

/* The connection of a run before this one may be some time in dying. */
static estoc_err claim(estoc_nodes *n, estoc_why *why)
{
    estoc_ms until = estoc_now_ms() + n->claim_ms;
    estoc_err err;
    while ((err = estoc_store_claim_node(n->store, n->node)) == ESTOC_E_BUSY &&
           estoc_now_ms() < until) {
        const struct timespec pause = {0, POLL_MS * 1000000L};
        (void)nanosleep(&pause, NULL);
    }
    if (err == ESTOC_E_BUSY) {
        estoc_why_set(why, "store: another server is node %s there; give each its own `node`",
                      n->node);
    }
    return err;
}

static estoc_err join(estoc_nodes *n, estoc_why *why)
{
    estoc_err err = estoc_store_open(n->store_url, &n->store, why);
    if (err) {
        return err;
    }
    why->text[0] = '\0';
    err = claim(n, why);
    err = err ? err : estoc_store_secret(n->store, COOKIES_NAME, n->cookies.key);
    err = err ? err : greet(n);
    if (err && why->text[0] == '\0') {
        estoc_why_set(why, "store: %.200s", estoc_store_why(n->store));
    }
    return err;
}

static void init(estoc_nodes *n, const estoc_nodes_cfg *cfg)
{
    pthread_mutex_init(&n->lock, NULL);
    estoc_wait_init(&n->wake);
    snprintf(n->store_url, sizeof n->store_url, "%s", cfg->store_url);
    snprintf(n->node, sizeof n->node, "%s", cfg->node);
    n->sessions = cfg->sessions;
    n->sessions_max = cfg->sessions_max;
    n->claim_ms = cfg->claim_ms > 0 ? cfg->claim_ms : CLAIM_MS;
    n->share = estoc_store_is_shared(cfg->store_url);
    n->cookies.offset_ms = since_1970_ms() - estoc_now_ms();
    n->published = cfg->published;
    n->ctx = cfg->ctx;
    n->wait_ms = POLL_MS;
    atomic_init(&n->followed, 0);
}

estoc_err estoc_nodes_new(const estoc_nodes_cfg *cfg, estoc_nodes **out, estoc_why *why)
{
    *out = NULL;
    estoc_random random = estoc_random_system();
    estoc_nodes *n = calloc(1, sizeof *n);
    if (n == NULL) {
        estoc_why_set(why, "nodes: %s", estoc_err_text(ESTOC_E_MEMORY));
        return ESTOC_E_MEMORY;
    }
    init(n, cfg);
    estoc_err err = ESTOC_OK;
    if (!random.fill(random.ctx, n->run, sizeof n->run) ||
        !random.fill(random.ctx, n->cookies.key, sizeof n->cookies.key)) {
        estoc_why_set(why, "the random source failed");
        err = ESTOC_E_RANDOM;
    } else if (n->share) {
        err = join(n, why);
    }
    if (err) {
        estoc_nodes_free(n);
        return err;
    }
    *out = n;
    return ESTOC_OK;
}

const estoc_dtls_cookies *estoc_nodes_cookies(const estoc_nodes *n)
{
    return n->share ? &n->cookies : NULL;
}

estoc_err estoc_nodes_start(estoc_nodes *n)
{
    n->started = pthread_create(&n->thread, NULL, run, n) == 0;
    return n->started ? ESTOC_OK : ESTOC_E_SYSTEM;
}

void estoc_nodes_follow(estoc_nodes *n, int64_t version)
{
    atomic_store(&n->followed, version);
}

void estoc_nodes_free(estoc_nodes *n)
{
    if (n == NULL) {
        return;
    }
    if (n->started) {
        pthread_mutex_lock(&n->lock);
        n->stop = true;
        pthread_cond_signal(&n->wake);
        pthread_mutex_unlock(&n->lock);
        pthread_join(n->thread, NULL);
    }
    estoc_dtls_cache_unwatch(n->sessions, n);
    drop_made(n);
    estoc_store_close(n->store);
    pthread_cond_destroy(&n->wake);
    pthread_mutex_destroy(&n->lock);
    estoc_wipe(&n->cookies, sizeof n->cookies);
    free(n);
}
