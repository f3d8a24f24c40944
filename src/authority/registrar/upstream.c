/* SPDX-License-Identifier: MIT
 *
 * The thread of the upstreams' client: what waits, what is under way, and who gets the answers.
 */
#include <stdlib.h>
#include <string.h>

#include <estoc/mime.h>

#include "text.h"
#include "upstream_parts.h"

enum {
    CONNECTIONS_MAX = 16, /* unless configured */
    QUEUE_MAX = 1024,     /* likewise */
    UNITS = 16,           /* of room that a connection is; a call by HTTP/2 takes one */
    WAIT_MS = 1000,
    LINE = 48 /* octets to a line of base64: 64 characters */
};

struct estoc_upstreams {
    estoc_upstream_service *services;
    size_t n;
    estoc_wires *wires;
    uint32_t room, used; /* in units */
    size_t queue_max;
    pthread_t thread;
    bool started;
    /* shared, under the lock; the state of the servers, too */
    pthread_mutex_t lock;
    estoc_upstream_job *first, *last; /* that came since */
    size_t alive;                     /* calls of any kind */
    bool hurry, stop;
};

/* -------------------------------------------------------------------------------------------- queues */

static void put_last(estoc_upstream_job **first, estoc_upstream_job **last, estoc_upstream_job *job)
{
    job->next = NULL;
    if (*last != NULL) {
        (*last)->next = job;
    } else {
        *first = job;
    }
    *last = job;
}

static estoc_upstream_job *take_first(estoc_upstream_job **first, estoc_upstream_job **last)
{
    estoc_upstream_job *job = *first;
    if (job != NULL) {
        *first = job->next;
        *last = *first != NULL ? *last : NULL;
    }
    return job;
}

/* One that began and is to go on. */
static void put_first(estoc_upstream_service *s, estoc_upstream_job *job)
{
    job->next = s->first;
    s->first = job;
    s->last = s->last != NULL ? s->last : job;
}

/* ------------------------------------------------------------------------------------------- answers */

static void log_failure(const estoc_upstream_job *job, const estoc_upstream_reply *r,
                        const char *why)
{
    const char *name = job->service->cfg->name;
    estoc_log(ESTOC_LOG_WARN, "upstream", "upstream", name[0] != '\0' ? name : NULL, "url", r->url,
              "op", estoc_upstream_op_name(job->op), "label",
              job->label[0] != '\0' ? job->label : NULL, "about",
              job->about[0] != '\0' ? job->about : NULL, "why", why, "hint",
              r->status == 401 ? "it is this registrar's own credential that was not accepted; see "
                                 "certificate and key of [upstream]"
                               : NULL,
              NULL);
}

static void give(estoc_upstreams *u, estoc_upstream_job *job, const estoc_upstream_reply *r)
{
    job->service->calls--;
    pthread_mutex_lock(&u->lock);
    u->alive--;
    pthread_mutex_unlock(&u->lock);
    job->done(job->ctx, r);
    free(job);
}

/* One that was not sent, or not again. */
static void give_up(estoc_upstreams *u, estoc_upstream_job *job, estoc_upstream_end end)
{
    char why[WHY_MAX];
    estoc_upstream_answer a = {.end = end};
    estoc_upstream_reply r = {.url = job->service->at[job->server].url};
    estoc_upstream_read(job->op, &a, &r, why);
    if (end != ESTOC_END_HURRIED) {
        log_failure(job, &r, why);
    }
    give(u, job, &r);
}

/* Nobody is there: who waits need not wait for that to be found out once for each. */
static void give_up_waiting(estoc_upstreams *u, estoc_upstream_service *s, estoc_upstream_end end)
{
    estoc_upstream_job *job;
    while ((job = take_first(&s->first, &s->last)) != NULL) {
        give_up(u, job, end);
    }
}

/* Whether the request has not been carried out for sure, so that another server may have it. */
static bool may_go_on(const estoc_upstream_job *job, const estoc_upstream_answer *a,
                      const estoc_upstream_reply *r)
{
    bool elsewhere = r->err && a->end != ESTOC_END_HURRIED &&
                     (estoc_upstream_is_get(job->op) ? a->status < 400 || a->status >= 500
                      : a->status == 503             ? true
                                                     : a->status == 0 && !a->sent);
    for (size_t i = 0; elsewhere && i < job->service->cfg->url_n; i++) {
        if ((job->tried & 1u << i) == 0) {
            return estoc_now_ms() < job->deadline;
        }
    }
    return false;
}

static void settle(estoc_upstreams *u, estoc_upstream_job *job, estoc_upstream_answer *a)
{
    char why[WHY_MAX];
    estoc_upstream_service *s = job->service;
    estoc_upstream_server *server = &s->at[job->server];
    estoc_upstream_reply r = {.url = server->url};
    estoc_ms now = estoc_now_ms();
    estoc_upstream_read(job->op, a, &r, why);
    s->running--;
    s->used -= job->cost;
    u->used -= job->cost;
    server->probes -= job->probe;
    pthread_mutex_lock(&u->lock);
    estoc_upstream_note(server, a, &r, why, now, (uint32_t)(now - job->begun));
    pthread_mutex_unlock(&u->lock);
    if (r.err && !r.accepted && a->end != ESTOC_END_HURRIED) {
        log_failure(job, &r, why);
    }
    bool gone = a->end != ESTOC_END_HURRIED && a->status == 0 && !a->connected;
    if (may_go_on(job, a, &r)) {
        estoc_wires_forget(u->wires, a);
        put_first(s, job);
        return;
    }
    give(u, job, &r);
    estoc_wires_forget(u->wires, a); /* what the reply pointed to: after the callback */
    if (gone && s->running == 0 && estoc_upstream_all_out(s)) { /* else somebody may be there */
        give_up_waiting(u, s, ESTOC_END_UNREACHABLE);
    }
}

/* ------------------------------------------------------------------------------------------- sending */

static uint32_t cost_of(const estoc_upstream_job *job, const estoc_upstream_server *server)
{
    return server->http2 && job->op != ESTOC_UPSTREAM_KEYGEN ? 1 : UNITS;
}

/* A service that does not answer leaves one connection for each of the others; and whoever has nothing
 * under way may begin. libcurl sees to it that there are no more connections than there may be. */
static bool has_room(const estoc_upstreams *u, const estoc_upstream_service *s, uint32_t cost)
{
    uint32_t others = (uint32_t)(u->n - 1) * UNITS;
    uint32_t share = u->room > others + UNITS ? u->room - others : UNITS;
    return s->running == 0 || (u->used + cost <= u->room && s->used + cost <= share);
}

static void send_to(estoc_upstreams *u, estoc_upstream_job *job, size_t server, estoc_ms now)
{
    estoc_upstream_service *s = job->service;
    job->server = server;
    job->tried |= 1u << server;
    job->begun = now;
    job->cost = cost_of(job, &s->at[server]);
    job->probe = s->at[server].out;
    if (estoc_wires_send(u->wires, job, (uint32_t)(job->deadline - now))) {
        give_up(u, job, ESTOC_END_MEMORY);
        return;
    }
    s->at[server].probes += job->probe;
    s->running++;
    s->used += job->cost;
    u->used += job->cost;
}

/* @param[in,out] until  made smaller to when to look again */
static void send_waiting(estoc_upstreams *u, estoc_upstream_service *s, estoc_ms *until)
{
    estoc_ms now = estoc_now_ms();
    while (s->first != NULL) {
        estoc_upstream_job *job = s->first;
        size_t server = NO_SERVER;
        if (now < job->deadline) {
            server = estoc_upstream_choose(s, job->tried, job->url, now, until);
            if (server == NO_SERVER || !has_room(u, s, cost_of(job, &s->at[server]))) {
                *until = job->deadline < *until ? job->deadline : *until;
                return;
            }
        }
        (void)take_first(&s->first, &s->last);
        if (server != NO_SERVER) {
            send_to(u, job, server, now);
        } else {
            give_up(u, job, ESTOC_END_TIMEOUT);
        }
    }
}

/* -------------------------------------------------------------------------------------- the thread */

/* @return false: it is over */
static bool take_new(estoc_upstreams *u, bool *hurry)
{
    estoc_upstream_job *job;
    pthread_mutex_lock(&u->lock);
    while ((job = take_first(&u->first, &u->last)) != NULL) {
        put_last(&job->service->first, &job->service->last, job);
        job->service->calls++;
    }
    *hurry = u->hurry || u->stop;
    u->hurry = false;
    bool go_on = !u->stop;
    pthread_mutex_unlock(&u->lock);
    return go_on;
}

static void end_all(estoc_upstreams *u)
{
    estoc_upstream_job *job;
    estoc_upstream_answer *a;
    while ((job = estoc_wires_stop(u->wires, &a)) != NULL) {
        settle(u, job, a);
    }
    for (size_t i = 0; i < u->n; i++) {
        give_up_waiting(u, &u->services[i], ESTOC_END_HURRIED);
    }
}

static void *serve(void *arg)
{
    estoc_upstreams *u = arg;
    bool hurry;
    while (take_new(u, &hurry)) {
        estoc_upstream_job *job;
        estoc_upstream_answer *a;
        estoc_ms until = estoc_now_ms() + WAIT_MS;
        if (hurry) {
            end_all(u);
        }
        for (size_t i = 0; i < u->n; i++) {
            send_waiting(u, &u->services[i], &until);
        }
        estoc_wires_run(u->wires);
        bool ended = false;
        while ((job = estoc_wires_next(u->wires, &a)) != NULL) {
            settle(u, job, a);
            ended = true;
        }
        estoc_ms now = estoc_now_ms();
        if (!ended && until > now) {
            estoc_wires_wait(u->wires, (int)(until - now));
        }
    }
    end_all(u);
    return NULL;
}

/* ------------------------------------------------------------------------------- what callers see */

static char *put_text(char **at, const char *text)
{
    size_t len = strlen(text) + 1;
    char *to = memcpy(*at, text, len);
    *at += len;
    return to;
}

/* In lines: RFC 8951 lets a reader pass over their ends, and ones that are older do not read base64 without
 * (libest, and whatever else uses OpenSSL's filter as it is). */
static estoc_slice put_body(char *at, estoc_slice csr)
{
    size_t len = 0;
    for (size_t i = 0; i < csr.len; i += LINE) {
        len += estoc_base64(estoc_slice_sub(csr, i, LINE), at + len);
        at[len++] = '\n';
    }
    return estoc_slice_of(at, len);
}

static estoc_upstream_job *new_job(estoc_upstream_service *s, const estoc_upstream_call *call)
{
    const char *url = call->url != NULL ? call->url : "";
    const char *about = call->about != NULL ? call->about : "";
    size_t texts = strlen(call->label) + strlen(url) + strlen(about) + 3;
    size_t body = ESTOC_BASE64_LEN(call->csr.len) + call->csr.len / LINE + 1;
    estoc_upstream_job *job = calloc(1, sizeof *job + texts + body);
    if (job == NULL) {
        return NULL;
    }
    char *at = job->text;
    job->service = s;
    job->op = call->op;
    job->done = call->done;
    job->ctx = call->ctx;
    job->deadline = estoc_now_ms() + s->cfg->answer_ms;
    job->label = put_text(&at, call->label);
    job->url = put_text(&at, url);
    job->about = put_text(&at, about);
    if (!estoc_upstream_is_get(call->op)) {
        job->body = put_body(at, call->csr);
    }
    return job;
}

estoc_err estoc_upstreams_ask(estoc_upstreams *u, const estoc_upstream_call *call)
{
    if (call->upstream >= u->n) {
        return ESTOC_E_USAGE;
    }
    pthread_mutex_lock(&u->lock);
    bool room = u->alive < u->queue_max && !u->stop;
    u->alive += room;
    pthread_mutex_unlock(&u->lock);
    if (!room) {
        return ESTOC_E_BUSY;
    }
    estoc_upstream_job *job = new_job(&u->services[call->upstream], call);
    pthread_mutex_lock(&u->lock);
    if (job != NULL) {
        put_last(&u->first, &u->last, job);
    } else {
        u->alive--;
    }
    pthread_mutex_unlock(&u->lock);
    estoc_wires_wake(u->wires);
    return job != NULL ? ESTOC_OK : ESTOC_E_MEMORY;
}

void estoc_upstreams_each(estoc_upstreams *u,
                          void (*each)(void *ctx, const estoc_upstream_state *s), void *ctx)
{
    for (size_t i = 0; i < u->n; i++) {
        const estoc_upstream_service *s = &u->services[i];
        for (size_t k = 0; k < s->cfg->url_n; k++) {
            const estoc_upstream_server *server = &s->at[k];
            pthread_mutex_lock(&u->lock);
            estoc_upstream_state state = server->state;
            uint64_t n = server->answers < SAMPLES_MAX ? server->answers : SAMPLES_MAX;
            estoc_upstream_median(server->ms, (size_t)n, &state);
            pthread_mutex_unlock(&u->lock);
            state.connections = estoc_wires_connections(u->wires);
            each(ctx, &state);
        }
    }
}

void estoc_upstreams_hurry(estoc_upstreams *u)
{
    pthread_mutex_lock(&u->lock);
    u->hurry = true;
    pthread_mutex_unlock(&u->lock);
    estoc_wires_wake(u->wires);
}

/* --------------------------------------------------------------------------------- birth and death */

static estoc_err open_service(estoc_upstream_service *s, const estoc_upstream *cfg, size_t index,
                              estoc_why *why)
{
    s->cfg = cfg;
    s->index = index;
    estoc_slice *anchors = calloc(cfg->anchors->n + 1, sizeof *anchors);
    if (anchors == NULL) {
        return ESTOC_E_MEMORY;
    }
    for (size_t i = 0; i < cfg->anchors->n; i++) {
        anchors[i] = estoc_blob_slice(cfg->anchors->at[i]);
    }
    for (size_t i = 0; i < cfg->url_n; i++) {
        s->at[i].url = cfg->url[i];
        s->at[i].state = (estoc_upstream_state){.upstream = cfg->name, .url = cfg->url[i]};
    }
    estoc_why fault = {""};
    estoc_err err = estoc_tls_client_new(cfg->chain, cfg->key, cfg->anchors, &s->tls, &fault);
    if (err) {
        estoc_why_set(why, "upstream %s: %.180s", cfg->name, fault.text);
    }
    err = err ? err : estoc_certs_pem(anchors, cfg->anchors->n, &s->anchors);
    free(anchors);
    return err;
}

estoc_err estoc_upstreams_open(const estoc_upstreams_cfg *cfg, estoc_upstreams **out,
                               estoc_why *why)
{
    *out = NULL;
    uint32_t connections = cfg->connections_max > 0 ? cfg->connections_max : CONNECTIONS_MAX;
    estoc_upstreams *u = calloc(1, sizeof *u);
    if (u == NULL) {
        return ESTOC_E_MEMORY;
    }
    pthread_mutex_init(&u->lock, NULL);
    u->room = connections * UNITS;
    u->queue_max = cfg->queue_max > 0 ? cfg->queue_max : QUEUE_MAX;
    u->services = calloc(cfg->n + 1, sizeof *u->services);
    if (u->services == NULL) {
        estoc_upstreams_close(u);
        return ESTOC_E_MEMORY;
    }
    estoc_err err = estoc_wires_open(connections, &u->wires);
    for (size_t i = 0; !err && i < cfg->n; i++) {
        u->n++;
        err = open_service(&u->services[i], &cfg->at[i], i, why);
    }
    if (!err && pthread_create(&u->thread, NULL, serve, u) != 0) {
        estoc_why_set(why, "upstreams: no thread");
        err = ESTOC_E_SYSTEM;
    }
    u->started = !err;
    if (err) {
        estoc_upstreams_close(u);
        return err;
    }
    *out = u;
    return ESTOC_OK;
}

void estoc_upstreams_close(estoc_upstreams *u)
{
    if (u == NULL) {
        return;
    }
    if (u->started) {
        pthread_mutex_lock(&u->lock);
        u->stop = true;
        pthread_mutex_unlock(&u->lock);
        estoc_wires_wake(u->wires);
        pthread_join(u->thread, NULL);
    }
    if (u->wires != NULL) {
        estoc_wires_close(u->wires);
    }
    for (size_t i = 0; u->services != NULL && i < u->n; i++) {
        estoc_tls_client_free(u->services[i].tls);
        estoc_blob_free(&u->services[i].anchors);
    }
    pthread_mutex_destroy(&u->lock);
    free(u->services);
    free(u);
}
