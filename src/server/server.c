/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "https.h"
#include "lists.h"
#include "nodes.h"
#include "relay.h"
#include "server.h"
#include "store.h"
#include "udp.h"
#include "worker.h"

/* The store that is served from, and what this server is there. */
typedef struct estoc_place {
    estoc_store_claim claim;
    estoc_nodes *nodes;
} estoc_place;

struct estoc_server {
    estoc_egress egress;
    estoc_common common;
    estoc_generation *generation;
    estoc_worker *workers;
    size_t workers_n;
    char addresses[ESTOC_LISTEN_MAX][80];
    size_t addresses_n;
    estoc_plain *plain; /* used by the first worker; NULL: off */
    estoc_place place;
    estoc_lists *lists;
    estoc_https *https; /* NULL: off */
    size_t sessions_max;
    void (*news)(void *ctx);
    void *news_ctx;
};

static size_t count_workers(const estoc_config *conf)
{
    long n = conf->workers > 0 ? (long)conf->workers : sysconf(_SC_NPROCESSORS_ONLN);
    return n < 1 ? 1 : (size_t)n;
}

/* Every worker binds the same addresses; a port of 0 is chosen once, by the first. */
static estoc_err open_sockets(estoc_server *s, const estoc_config *conf, estoc_why *why)
{
    for (size_t i = 0; i < conf->listen_n; i++) {
        uint16_t port = 0;
        for (size_t n = 0; n < s->workers_n; n++) {
            estoc_worker *w = &s->workers[n];
            estoc_err err =
                estoc_udp_open(conf->listen[i], port, &w->sockets[i], &w->ipv6[i], &port);
            if (err) {
                estoc_why_set(why, "cannot listen on %s: %s", conf->listen[i],
                              err == ESTOC_E_CONFIG ? "not ADDRESS:PORT" : strerror(errno));
                return err;
            }
            w->sockets_n = i + 1;
        }
        char host[64];
        uint16_t unused;
        if (estoc_address_split(conf->listen[i], host, sizeof host, &unused)) {
            return ESTOC_E_CONFIG;
        }
        snprintf(s->addresses[i], sizeof s->addresses[i],
                 strchr(host, ':') != NULL ? "[%s]:%u" : "%s:%u", host, port);
        s->addresses_n = i + 1;
    }
    return ESTOC_OK;
}

static estoc_err start_workers(estoc_server *s, const estoc_config *conf)
{
    for (size_t n = 0; n < s->workers_n; n++) {
        estoc_err err =
            estoc_worker_init(&s->workers[n], s->generation, conf->sessions_max / s->workers_n + 1);
        if (err) {
            return err;
        }
    }
    for (size_t n = 0; n < s->workers_n; n++) {
        estoc_err err = estoc_worker_start(&s->workers[n]);
        if (err) {
            return err;
        }
    }
    return ESTOC_OK;
}

static void log_recovery(const char *source, const char *what, uint64_t n, const char *why)
{
    char number[24];
    if (n > 0) {
        snprintf(number, sizeof number, "%llu", (unsigned long long)n);
        estoc_log(ESTOC_LOG_WARN, source, "event", "recovery", what, number, "why", why, NULL);
    }
}

/* What an earlier run has begun and not finished came to nothing (X9), or to something that only the
 * upstream knows. */
static estoc_err recover(const char *url, const char *node, estoc_why *why)
{
    estoc_store *store;
    uint64_t voided = 0, lost = 0;
    estoc_err err = estoc_store_open(url, &store, why);
    if (err) {
        return err;
    }
    err =
        estoc_store_void(store, estoc_store_is_shared(url) ? node : NULL, NULL, INT64_MAX, &voided);
    err = err ? err : estoc_relay_lose(store, node, estoc_unix_s(), &lost);
    if (err) {
        estoc_why_set(why, "store: %.200s", estoc_store_why(store));
    }
    estoc_store_close(store);
    log_recovery("ca", "void", voided,
                 "about to be signed when an earlier run ended; `estocd list --match void`");
    log_recovery("registrar", "lost", lost,
                 "sent upstream when an earlier run ended: it may have issued");
    return err;
}

static void on_published(void *ctx, int64_t version)
{
    const estoc_server *s = ctx;
    (void)version;
    s->news(s->news_ctx);
}

static void leave_store(estoc_place *p)
{
    estoc_nodes_free(p->nodes);
    estoc_store_unclaim(&p->claim);
    p->nodes = NULL;
}

/* The only server on its store, or the only one of its name where that is for several. */
static estoc_err take_store(estoc_server *s, const estoc_config *conf, estoc_place *p,
                            estoc_why *why)
{
    estoc_nodes_cfg cfg = {.store_url = conf->store,
                           .node = s->common.node,
                           .sessions = s->common.sessions,
                           .sessions_max = s->sessions_max,
                           .published = on_published,
                           .ctx = s};
    p->nodes = NULL;
    estoc_err err = estoc_store_claim_url(conf->store, &p->claim, why);
    err = err ? err : estoc_nodes_new(&cfg, &p->nodes, why);
    err = err ? err : recover(conf->store, s->common.node, why);
    if (err) {
        leave_store(p);
    }
    return err;
}

static void follow(estoc_server *s)
{
    const estoc_generation *g = s->generation;
    char version[24];
    if (g->conf.authority != ESTOC_AUTHORITY_CA) {
        estoc_nodes_follow(s->place.nodes, 0);
        return;
    }
    snprintf(version, sizeof version, "%lld", (long long)g->policy);
    estoc_log(ESTOC_LOG_INFO, "server", "event", "profiles", "version", version, "from",
              g->conf.profiles_in_store ? "store" : "file", NULL);
    estoc_nodes_follow(s->place.nodes, g->conf.profiles_in_store ? g->policy : 0);
}

static estoc_err begin(estoc_server *s, const estoc_config *conf, estoc_why *why)
{
    s->sessions_max = conf->sessions_max;
    s->common.news = s->news;
    s->common.news_ctx = s->news_ctx;
    s->common.node = strdup(conf->node);
    s->common.sessions = estoc_dtls_cache_new(conf->sessions_max);
    if (s->common.sessions == NULL || s->common.node == NULL) {
        return ESTOC_E_MEMORY;
    }
    estoc_err err = take_store(s, conf, &s->place, why);
    if (err) {
        return err;
    }
    s->common.cookies = estoc_nodes_cookies(s->place.nodes);
    err = estoc_generation_new(conf, &s->common, &s->generation, why);
    err = err ? err : open_sockets(s, conf, why);
    err = err ? err
              : estoc_plain_open(conf, (const char(*)[80])s->addresses, s->addresses_n, &s->egress,
                                 &s->plain, why);
    s->workers[0].plain = s->plain;
    err = err ? err : start_workers(s, conf);
    if (!err) {
        follow(s);
        err = estoc_nodes_start(s->place.nodes);
    }
    err = err ? err : estoc_lists_open(s->generation, &s->lists, why);
    return err ? err : estoc_https_open(s->generation, (unsigned)s->workers_n, &s->https, why);
}

estoc_err estoc_server_start(const estoc_config *conf, void (*news)(void *ctx), void *ctx,
                             estoc_server **out, estoc_why *why)
{
    *out = NULL;
    estoc_server *s = calloc(1, sizeof *s);
    size_t n = count_workers(conf);
    if (s != NULL) {
        s->workers = calloc(n, sizeof *s->workers);
    }
    if (s == NULL || s->workers == NULL) {
        free(s);
        return ESTOC_E_MEMORY;
    }
    s->workers_n = n;
    s->place.claim.fd = -1;
    s->news = news;
    s->news_ctx = ctx;
    for (size_t i = 0; i < n; i++) {
        estoc_worker_prepare(&s->workers[i]);
        s->workers[i].queue.egress = &s->egress;
        s->workers[i].of = (unsigned)n;
    }
    atomic_store(&s->egress.bits, conf->egress);
    estoc_err err = begin(s, conf, why);
    if (err) {
        estoc_server_stop(s);
        return err;
    }
    *out = s;
    return ESTOC_OK;
}

const char *estoc_server_address(const estoc_server *s, size_t i)
{
    return i < s->addresses_n ? s->addresses[i] : NULL;
}

const char *estoc_server_plain_address(const estoc_server *s, size_t i)
{
    return estoc_plain_address(s->plain, i);
}

const char *estoc_server_http_address(const estoc_server *s)
{
    return estoc_lists_address(s->lists);
}

const char *estoc_server_https_address(const estoc_server *s, size_t i)
{
    return estoc_https_address(s->https, i);
}

/* Where the new generation is on another store, `fresh` is that. */
static estoc_err regenerate(estoc_server *s, const estoc_config *conf, estoc_place *fresh,
                            estoc_generation **g, estoc_why *why)
{
    bool same = strcmp(conf->store, s->generation->conf.store) == 0;
    estoc_err err = same ? ESTOC_OK : take_store(s, conf, fresh, why);
    if (err) {
        return err;
    }
    estoc_common common = s->common;
    if (!same) {
        common.cookies = estoc_nodes_cookies(fresh->nodes);
    }
    err = estoc_generation_new(conf, &common, g, why);
    if (!err && !same && (err = estoc_nodes_start(fresh->nodes)) != ESTOC_OK) {
        estoc_generation_release(*g);
    }
    if (err) {
        leave_store(fresh);
    } else {
        s->common = common;
    }
    return err;
}

estoc_err estoc_server_reload(estoc_server *s, const estoc_config *conf, estoc_why *why)
{
    estoc_place fresh = {.claim = {-1}};
    estoc_generation *g;
    if (conf->authority != s->generation->conf.authority) {
        estoc_why_set(why, "authority is not changed by a reload: start estocd anew");
        return ESTOC_E_CONFIG;
    }
    estoc_err err = regenerate(s, conf, &fresh, &g, why);
    if (err) {
        return err;
    }
    if (fresh.nodes != NULL) {
        leave_store(&s->place);
        s->place = fresh;
    }
    atomic_store(&s->egress.bits, conf->egress);
    for (size_t n = 0; n < s->workers_n; n++) {
        estoc_worker_reload(&s->workers[n], estoc_generation_hold(g));
    }
    estoc_generation_release(s->generation);
    s->generation = g;
    follow(s);
    estoc_lists_follow(s->lists, g);
    estoc_https_follow(s->https, g);
    return ESTOC_OK;
}

estoc_err estoc_server_follow(estoc_server *s, estoc_why *why)
{
    const estoc_config *conf = &s->generation->conf;
    bool follows = conf->profiles_in_store || conf->authority == ESTOC_AUTHORITY_REGISTRAR;
    return follows ? estoc_server_reload(s, conf, why) : ESTOC_OK;
}

void estoc_server_stop(estoc_server *s)
{
    const estoc_ms until = estoc_now_ms() + ESTOC_DRAIN_MS;
    estoc_https_quiesce(s->https);
    estoc_lists_close(s->lists);
    for (size_t n = 0; n < s->workers_n; n++) {
        if (s->workers[n].started) {
            estoc_worker_stop(&s->workers[n]);
        }
    }
    for (size_t n = 0; n < s->workers_n; n++) {
        if (s->workers[n].started) {
            pthread_join(s->workers[n].thread, NULL);
        }
    }
    estoc_https_drain(s->https, until);
    if (s->generation != NULL) {
        s->generation->authority->ops->hurry(s->generation->authority);
    }
    for (size_t n = 0; n < s->workers_n; n++) {
        estoc_worker_free(&s->workers[n]);
    }
    estoc_https_close(s->https);
    estoc_plain_free(s->plain);
    estoc_egress_log(&s->egress);
    estoc_generation_release(s->generation);
    leave_store(&s->place);
    estoc_dtls_cache_free(s->common.sessions);
    free(s->common.node);
    free(s->workers);
    free(s);
}
