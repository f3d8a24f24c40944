/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server.h"
#include "store.h"
#include "udp.h"
#include "worker.h"

struct estoc_server {
    estoc_egress egress;
    estoc_common common;
    estoc_generation *generation;
    estoc_worker *workers;
    size_t workers_n;
    char addresses[ESTOC_LISTEN_MAX][80];
    size_t addresses_n;
    estoc_plain *plain; /* used by the first worker; NULL: off */
    estoc_store_claim claim;
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

/* What an earlier run has begun and not finished came to nothing (X9). */
static estoc_err recover(const char *url, const char *node, estoc_why *why)
{
    estoc_store *store;
    uint64_t n = 0;
    estoc_err err = estoc_store_open(url, &store, why);
    if (err) {
        return err;
    }
    err = estoc_store_void(store, estoc_store_is_shared(url) ? node : NULL, NULL, INT64_MAX, &n);
    if (err) {
        estoc_why_set(why, "store: %.200s", estoc_store_why(store));
    }
    estoc_store_close(store);
    if (n > 0) {
        char number[24];
        snprintf(number, sizeof number, "%llu", (unsigned long long)n);
        estoc_log(ESTOC_LOG_WARN, "ca", "event", "recovery", "void", number, "why",
                  "about to be signed when an earlier run ended; `estocd list --match void`", NULL);
    }
    return err;
}

/* The only server on its store, unless that is for several. */
static estoc_err take_store(estoc_server *s, const estoc_config *conf, estoc_why *why)
{
    estoc_store_claim claim;
    estoc_err err = estoc_store_claim_url(conf->store, &claim, why);
    if (err) {
        return err;
    }
    err = recover(conf->store, conf->node, why);
    if (err) {
        estoc_store_unclaim(&claim);
        return err;
    }
    estoc_store_unclaim(&s->claim);
    s->claim = claim;
    return ESTOC_OK;
}

estoc_err estoc_server_start(const estoc_config *conf, estoc_server **out, estoc_why *why)
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
    s->claim.fd = -1;
    for (size_t i = 0; i < n; i++) {
        estoc_worker_prepare(&s->workers[i]);
        s->workers[i].queue.egress = &s->egress;
        s->workers[i].of = (unsigned)n;
    }
    atomic_store(&s->egress.bits, conf->egress);
    s->common.sessions = estoc_dtls_cache_new(conf->sessions_max);
    estoc_err err = s->common.sessions != NULL ? ESTOC_OK : ESTOC_E_MEMORY;
    err = err ? err : take_store(s, conf, why);
    err = err ? err : estoc_generation_new(conf, &s->common, &s->generation, why);
    err = err ? err : open_sockets(s, conf, why);
    err = err ? err
              : estoc_plain_open(conf, (const char(*)[80])s->addresses, s->addresses_n, &s->egress,
                                 &s->plain, why);
    s->workers[0].plain = s->plain;
    err = err ? err : start_workers(s, conf);
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

estoc_err estoc_server_reload(estoc_server *s, const estoc_config *conf, estoc_why *why)
{
    estoc_generation *g;
    bool same = strcmp(conf->store, s->generation->conf.store) == 0;
    estoc_err err = same ? ESTOC_OK : take_store(s, conf, why);
    err = err ? err : estoc_generation_new(conf, &s->common, &g, why);
    if (err) {
        return err;
    }
    atomic_store(&s->egress.bits, conf->egress);
    for (size_t n = 0; n < s->workers_n; n++) {
        estoc_worker_reload(&s->workers[n], estoc_generation_hold(g));
    }
    estoc_generation_release(s->generation);
    s->generation = g;
    return ESTOC_OK;
}

void estoc_server_stop(estoc_server *s)
{
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
    for (size_t n = 0; n < s->workers_n; n++) {
        estoc_worker_free(&s->workers[n]);
    }
    estoc_plain_free(s->plain);
    estoc_egress_log(&s->egress);
    estoc_generation_release(s->generation);
    estoc_dtls_cache_free(s->common.sessions);
    estoc_store_unclaim(&s->claim);
    free(s->workers);
    free(s);
}
