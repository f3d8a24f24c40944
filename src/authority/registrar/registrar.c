/* SPDX-License-Identifier: MIT
 *
 * The registrar's thread: takes what devices ask for and what upstreams have answered to the passage,
 * round by round; and looks after the documents and after how the upstreams do.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "documents.h"
#include "passage.h"
#include "states.h"
#include "text.h"

#define QUEUE_MAX       1024 /* unless configured */
#define FIRST_WAIT_MS   3000 /* for documents, at the start */
#define HEALTH_MS       2000 /* between two notes, where there is something new */
#define HOUSEKEEPING_MS 3600000
#define STALE_MARGIN_S  10

struct registrar {
    estoc_authority base;
    estoc_errand *errands;
    size_t errands_n;
    char *store_url, *node;
    estoc_upstreams *upstreams;
    estoc_documents *documents;
    uint32_t queue_max, pending_keep_s;
    void (*news)(void *ctx);
    void *news_ctx;
    pthread_t thread;
    /* the thread's own, once it runs */
    estoc_passage passage;
    uint64_t calls_noted;
    estoc_ms health_at, housekeeping_at;
    bool told_news, ending;
    /* shared, under the lock */
    pthread_mutex_t lock;
    pthread_cond_t wake;
    estoc_parcels queue;
    estoc_parcel *back; /* those that have a reply */
    size_t alive;       /* parcels of any kind */
    bool replied;       /* a document */
    bool stop;
};

/* --------------------------------------------------------------------------------------- answering */

static void log_verdict(const estoc_parcel *p)
{
    const estoc_resource *r = estoc_resource_for(p->op);
    const char *profile = p->errand->profile.name;
    bool bad = p->err && !estoc_parcel_waits(p);
    estoc_log(bad ? ESTOC_LOG_WARN : ESTOC_LOG_INFO, "registrar", "peer", p->peer, "op",
              r != NULL ? r->name : NULL, "profile", profile[0] != '\0' ? profile : NULL, "subject",
              p->parsed ? p->subject : NULL, "result", estoc_parcel_result(p), "serial",
              p->err ? NULL : p->serial, "client_ca", p->parsed ? p->issuer : NULL, "upstream",
              p->url[0] != '\0' ? p->url : NULL, "rule", bad ? p->ruling.rule : NULL, "why",
              p->err ? p->ruling.text : NULL, NULL);
}

static void tell(estoc_parcel *p)
{
    bool made = p->made.len > 0;
    estoc_verdict v = {
        .err = p->err, .code = p->code, .retry_s = p->retry_s, .accepted = estoc_parcel_waits(p)};
    log_verdict(p);
    if (p->err) {
        v.text = p->ruling.text;
    } else {
        v.cert = estoc_blob_slice(p->cert);
        v.key = estoc_blob_slice(made ? p->made : p->key);
        v.key_format = made ? p->made_format : p->reply.key_format;
    }
    p->done(p->ctx, &v);
}

static void answer_all(struct registrar *r, estoc_parcels *answered)
{
    estoc_parcel *p;
    size_t n = answered->n;
    while ((p = estoc_parcels_take(answered)) != NULL) {
        if (p->answered) {
            log_verdict(p); /* the device will learn it when it comes again */
        } else {
            tell(p);
        }
        estoc_parcel_free(p);
    }
    pthread_mutex_lock(&r->lock);
    r->alive -= n;
    pthread_mutex_unlock(&r->lock);
}

/* ----------------------------------------------------------------------------------------- sending */

static void put_back(estoc_parcel *p)
{
    struct registrar *r = p->registrar;
    pthread_mutex_lock(&r->lock);
    p->back = r->back;
    r->back = p;
    pthread_cond_signal(&r->wake);
    pthread_mutex_unlock(&r->lock);
}

/* On the upstreams' thread. */
static void take_reply(void *ctx, const estoc_upstream_reply *reply)
{
    estoc_parcel *p = ctx;
    estoc_parcel_keep(p, reply);
    put_back(p);
}

static void send_one(struct registrar *r, estoc_parcel *p)
{
    static const estoc_upstream_reply busy = {.err = ESTOC_E_BUSY,
                                              .code = ESTOC_COAP_UNAVAILABLE,
                                              .text = "busy, try again later",
                                              .retry_s = 5};
    estoc_upstream_call call = {.upstream = p->errand->upstream,
                                .op = estoc_parcel_operation(p),
                                .label = p->errand->label,
                                .csr = estoc_parcel_request(p),
                                .url = p->url,
                                .about = p->subject,
                                .done = take_reply,
                                .ctx = p};
    if (estoc_upstreams_ask(r->upstreams, &call)) {
        estoc_parcel_keep(p, &busy);
        put_back(p);
    }
}

/* ------------------------------------------------------------------------------- what is done besides */

/* What is done when no device waits for it may fail: it is done again. */
static void see_to(struct registrar *r, estoc_err err)
{
    if (err) {
        estoc_log(ESTOC_LOG_ERROR, "registrar", "event", "store", "why",
                  estoc_store_why(r->passage.store), NULL);
    }
    if (err == ESTOC_E_STORE) {
        estoc_passage_drop_store(&r->passage);
    }
}

static void keep_house(struct registrar *r, estoc_ms now)
{
    r->housekeeping_at = now + HOUSEKEEPING_MS;
    if (r->passage.store != NULL) {
        see_to(r,
               estoc_relay_expire(r->passage.store, estoc_unix_s() - (int64_t)r->pending_keep_s));
    }
}

/* For `estocd stats`. */
static void note_health(struct registrar *r, estoc_ms now, bool all_of_them)
{
    r->health_at = now + HEALTH_MS;
    if (r->passage.store != NULL) {
        see_to(r, estoc_states_note(r->upstreams, r->passage.store, r->node, all_of_them,
                                    &r->calls_noted));
    }
}

static void look_around(struct registrar *r, estoc_ms now)
{
    if (estoc_documents_tick(r->documents, r->passage.store, now) && !r->told_news) {
        r->told_news = true;
        estoc_log(ESTOC_LOG_INFO, "registrar", "event", "documents", "result",
                  "others than before; they are served from now on", NULL);
        if (r->news != NULL) {
            r->news(r->news_ctx);
        }
    }
    if (now >= r->health_at) {
        note_health(r, now, false);
    }
    if (now >= r->housekeeping_at) {
        keep_house(r, now);
    }
}

/* -------------------------------------------------------------------------------------- the thread */

static estoc_ms next_at(const struct registrar *r)
{
    estoc_ms at = r->health_at < r->housekeeping_at ? r->health_at : r->housekeeping_at;
    estoc_ms docs = estoc_documents_deadline(r->documents);
    estoc_ms passage = estoc_passage_deadline(&r->passage);
    at = docs < at ? docs : at;
    return passage < at ? passage : at;
}

static bool busy(const struct registrar *r)
{
    return r->passage.away.n > 0 || r->passage.behind.n > 0;
}

/* Waits for work, or for the time of something. @return false: there is none, and there will be none */
static bool take(struct registrar *r, estoc_parcels *fresh, estoc_parcel **back)
{
    estoc_ms until = next_at(r);
    pthread_mutex_lock(&r->lock);
    while (r->queue.n == 0 && r->back == NULL && !r->replied && !(r->stop && !busy(r)) &&
           estoc_now_ms() < until) {
        (void)estoc_wait_until(&r->wake, &r->lock, until);
    }
    *fresh = r->queue;
    *back = r->back;
    r->queue = (estoc_parcels){NULL, NULL, 0};
    r->back = NULL;
    r->replied = false;
    r->ending = r->stop;
    bool go_on = !r->stop || fresh->n > 0 || *back != NULL || busy(r);
    pthread_mutex_unlock(&r->lock);
    return go_on;
}

static void round_of(struct registrar *r, estoc_parcels *fresh, estoc_parcel *back)
{
    estoc_parcels answered = {NULL, NULL, 0};
    size_t n = 0;
    estoc_parcel **leaving = calloc(fresh->n + r->passage.behind.n + 1, sizeof *leaving);
    if (leaving == NULL) { /* nothing can leave then */
        for (estoc_parcel *p; (p = estoc_parcels_take(fresh)) != NULL;) {
            estoc_parcel_fail(p, ESTOC_E_MEMORY, 10, "out of memory, try again later");
            estoc_parcels_put(&answered, p);
        }
    } else {
        estoc_passage_round(&r->passage, fresh, back, &answered, leaving, &n);
    }
    for (size_t i = 0; i < n; i++) {
        send_one(r, leaving[i]);
    }
    free(leaving);
    answer_all(r, &answered);
}

static void *serve(void *arg)
{
    struct registrar *r = arg;
    estoc_parcels fresh;
    estoc_parcel *back;
    while (take(r, &fresh, &back)) {
        estoc_parcels answered = {NULL, NULL, 0};
        round_of(r, &fresh, back);
        if (r->ending) {
            estoc_upstreams_hurry(r->upstreams);
        }
        estoc_ms now = estoc_now_ms();
        estoc_passage_lose_patience(&r->passage, now, tell, &answered);
        answer_all(r, &answered);
        look_around(r, now);
    }
    return NULL;
}

/* -------------------------------------------------------------------------- what the server calls */

static size_t find_errand(const struct registrar *r, const char *profile)
{
    size_t i = 0;
    while (i < r->errands_n && strcmp(r->errands[i].profile.name, profile) != 0) {
        i++;
    }
    return i;
}

static bool has_profile(estoc_authority *a, const char *profile)
{
    const struct registrar *r = (struct registrar *)a;
    return find_errand(r, profile) < r->errands_n;
}

static bool makes_keys(estoc_authority *a, const char *profile)
{
    const struct registrar *r = (struct registrar *)a;
    size_t i = find_errand(r, profile);
    return i < r->errands_n && r->errands[i].keygen != ESTOC_KEYGEN_NO;
}

static const estoc_blobs *anchors(estoc_authority *a, const char *profile)
{
    static const estoc_blobs none;
    const struct registrar *r = (struct registrar *)a;
    size_t i = find_errand(r, profile);
    return i < r->errands_n ? estoc_documents_anchors(r->documents, i) : &none;
}

static estoc_slice attributes(estoc_authority *a, const char *profile)
{
    const struct registrar *r = (struct registrar *)a;
    size_t i = find_errand(r, profile);
    if (i == r->errands_n) {
        return estoc_slice_of(NULL, 0);
    }
    estoc_slice own = r->errands[i].profile.attributes;
    return own.len > 0 ? own : estoc_documents_attributes(r->documents, i);
}

static bool lacks(estoc_authority *a, const char *profile, estoc_op op, estoc_verdict *v)
{
    const struct registrar *r = (struct registrar *)a;
    size_t i = find_errand(r, profile);
    return i < r->errands_n && estoc_documents_lack(r->documents, i, op, v);
}

/* The upstream's lists, where it has some, are in `client-crls`. */
static bool revoked(estoc_authority *a, estoc_slice client_cert)
{
    (void)a;
    (void)client_cert;
    return false;
}

static estoc_err enroll(estoc_authority *a, const estoc_enrollment *e)
{
    struct registrar *r = (struct registrar *)a;
    size_t i = find_errand(r, e->profile);
    if (i == r->errands_n) {
        return ESTOC_E_NOT_FOUND;
    }
    if (e->client_cert.len == 0) {
        return ESTOC_E_UNTRUSTED;
    }
    if (e->csr.len == 0) {
        return ESTOC_E_TRUNCATED;
    }
    pthread_mutex_lock(&r->lock);
    bool room = r->alive < r->queue_max && !r->stop;
    r->alive += room;
    pthread_mutex_unlock(&r->lock);
    if (!room) {
        return ESTOC_E_BUSY;
    }
    estoc_parcel *p = estoc_parcel_new(&r->errands[i], e);
    if (p != NULL) { /* here, where there are several threads */
        p->registrar = r;
        estoc_parcel_examine(p, estoc_documents_anchors(r->documents, i));
    }
    pthread_mutex_lock(&r->lock);
    if (p != NULL) {
        estoc_parcels_put(&r->queue, p);
        pthread_cond_signal(&r->wake);
    } else {
        r->alive--;
    }
    pthread_mutex_unlock(&r->lock);
    return p != NULL ? ESTOC_OK : ESTOC_E_MEMORY;
}

static void hurry(estoc_authority *a)
{
    estoc_upstreams_hurry(((struct registrar *)a)->upstreams);
}

/* --------------------------------------------------------------------------------- birth and death */

static void free_registrar(struct registrar *r)
{
    estoc_upstreams_close(r->upstreams); /* before what its replies go to */
    estoc_documents_close(r->documents);
    estoc_store_close(r->passage.store);
    estoc_parcel *p;
    while ((p = estoc_parcels_take(&r->passage.unsaved)) != NULL) {
        estoc_parcel_free(p);
    }
    pthread_cond_destroy(&r->wake);
    pthread_mutex_destroy(&r->lock);
    free(r->store_url);
    free(r->node);
    free(r->errands);
    free(r);
}

/* What is upstream for devices that were told to come again is given up: they will ask for it anew. */
static void close_registrar(estoc_authority *a)
{
    struct registrar *r = (struct registrar *)a;
    hurry(a);
    pthread_mutex_lock(&r->lock);
    r->stop = true;
    pthread_cond_signal(&r->wake);
    pthread_mutex_unlock(&r->lock);
    pthread_join(r->thread, NULL);
    note_health(r, estoc_now_ms(), false);
    free_registrar(r);
}

static const estoc_authority_ops ops = {
    .has_profile = has_profile,
    .makes_keys = makes_keys,
    .anchors = anchors,
    .attributes = attributes,
    .lacks = lacks,
    .revoked = revoked,
    .enroll = enroll,
    .hurry = hurry,
    .close = close_registrar,
};

static void document_replied(void *ctx)
{
    struct registrar *r = ctx;
    pthread_mutex_lock(&r->lock);
    r->replied = true;
    pthread_cond_signal(&r->wake);
    pthread_mutex_unlock(&r->lock);
}

/* A start with an upstream that answers serves all from the beginning. */
static void wait_for_documents(struct registrar *r)
{
    estoc_ms until = estoc_now_ms() + FIRST_WAIT_MS;
    while (!estoc_documents_ready(r->documents) && estoc_now_ms() < until) {
        pthread_mutex_lock(&r->lock);
        if (!r->replied) {
            (void)estoc_wait_until(&r->wake, &r->lock, until);
        }
        r->replied = false;
        pthread_mutex_unlock(&r->lock);
    }
    estoc_documents_settle(r->documents, r->passage.store);
}

static estoc_err copy_cfg(struct registrar *r, const estoc_registrar_cfg *cfg)
{
    uint32_t answer_ms = 0;
    r->errands = calloc(cfg->errands_n + 1, sizeof *r->errands);
    r->store_url = strdup(cfg->store_url);
    r->node = strdup(cfg->node != NULL ? cfg->node : "");
    if (r->errands == NULL || r->store_url == NULL || r->node == NULL) {
        return ESTOC_E_MEMORY;
    }
    for (size_t i = 0; i < cfg->errands_n; i++) {
        r->errands[i] = cfg->errands[i];
        r->errands[i].profile.keygen = cfg->errands[i].keygen != ESTOC_KEYGEN_NO;
    }
    for (size_t i = 0; i < cfg->upstreams_n; i++) {
        const estoc_upstream *u = &cfg->upstreams[i];
        uint32_t most = u->answer_ms + (uint32_t)u->url_n * u->connect_ms;
        answer_ms = most > answer_ms ? most : answer_ms;
    }
    r->errands_n = cfg->errands_n;
    r->queue_max = cfg->queue_max > 0 ? cfg->queue_max : QUEUE_MAX;
    r->pending_keep_s = cfg->pending_keep_s;
    r->news = cfg->news;
    r->news_ctx = cfg->news_ctx;
    r->passage.store_url = r->store_url;
    r->passage.node = r->node;
    r->passage.keygen_signer = cfg->keygen_signer;
    r->passage.decrypt_keys = cfg->decrypt_keys;
    r->passage.retry_window_s = cfg->retry_window_s;
    r->passage.patience_s = cfg->patience_s;
    r->passage.stale_s = answer_ms / 1000u + STALE_MARGIN_S;
    return ESTOC_OK;
}

static estoc_err begin(struct registrar *r, const estoc_registrar_cfg *cfg, estoc_why *why)
{
    const estoc_upstreams_cfg upstreams = {.at = cfg->upstreams,
                                           .n = cfg->upstreams_n,
                                           .connections_max = cfg->connections_max,
                                           .queue_max = r->queue_max + 64};
    estoc_err err = estoc_store_open(r->store_url, &r->passage.store, why);
    err = err ? err : estoc_upstreams_open(&upstreams, &r->upstreams, why);
    if (!err) {
        err = estoc_documents_open(cfg, r->upstreams, r->passage.store, document_replied, r,
                                   &r->documents);
        if (err) {
            estoc_why_set(why, "documents of the upstreams: %s", estoc_err_text(err));
        }
    }
    if (err) {
        return err;
    }
    wait_for_documents(r);
    estoc_ms now = estoc_now_ms();
    note_health(r, now, true);
    keep_house(r, now);
    if (pthread_create(&r->thread, NULL, serve, r) != 0) {
        estoc_why_set(why, "registrar: no thread");
        return ESTOC_E_SYSTEM;
    }
    return ESTOC_OK;
}

estoc_err estoc_registrar_open(const estoc_registrar_cfg *cfg, estoc_authority **out,
                               estoc_why *why)
{
    *out = NULL;
    struct registrar *r = calloc(1, sizeof *r);
    if (r == NULL) {
        return ESTOC_E_MEMORY;
    }
    r->base.ops = &ops;
    pthread_mutex_init(&r->lock, NULL);
    estoc_wait_init(&r->wake);
    estoc_err err = copy_cfg(r, cfg);
    err = err ? err : begin(r, cfg, why);
    if (err) {
        free_registrar(r);
        return err;
    }
    *out = &r->base;
    return ESTOC_OK;
}
