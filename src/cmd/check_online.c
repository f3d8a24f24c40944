/* SPDX-License-Identifier: MIT
 *
 * estocd check --online: what the servers behind a registrar say.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "progress.h"
#include "text.h"

#define SERVERS_MAX ((size_t)ESTOC_UPSTREAMS_MAX * ESTOC_UPSTREAM_URLS)
#define CALLS_MAX   (SERVERS_MAX * ESTOC_PROFILES_MAX)
#define CERTS_MAX   64
#define TICK_MS     200

struct asking;

/* One server, by one label. */
struct call {
    struct asking *of;
    size_t server, upstream;
    const char *label;
    estoc_ms began, ended;
    estoc_upstream_reply reply; /* without what does not outlive the callback */
    estoc_blob body;
};

struct asking {
    estocd_checking *c;
    estoc_upstream server[SERVERS_MAX]; /* each a service of its own: no other is asked for it */
    size_t servers_n;
    struct call call[CALLS_MAX];
    size_t calls_n;
    char why[SERVERS_MAX][128];
    pthread_mutex_t lock;
    pthread_cond_t wake;
    size_t done; /* under the lock */
};

/* ---- whom to ask ---- */

static bool has_call(const struct asking *a, size_t server, const char *label)
{
    for (size_t i = 0; i < a->calls_n; i++) {
        if (a->call[i].server == server && strcmp(a->call[i].label, label) == 0) {
            return true;
        }
    }
    return false;
}

/* By the labels of the profiles that it is for. */
static void add_calls(struct asking *a, size_t server, size_t upstream)
{
    const estoc_config *conf = &a->c->conf;
    for (size_t i = 0; i < conf->profiles_n; i++) {
        const estoc_profile_conf *p = &conf->profiles[i];
        bool asks = strcmp(p->upstream, a->c->services.at[upstream].name) == 0;
        if (asks && !has_call(a, server, p->label)) {
            a->call[a->calls_n++] =
                (struct call){.of = a, .server = server, .upstream = upstream, .label = p->label};
        }
    }
}

static void add_servers(struct asking *a)
{
    const estoc_services *s = &a->c->services;
    for (size_t i = 0; i < s->n; i++) {
        for (size_t n = 0; n < s->at[i].url_n; n++) {
            estoc_upstream *server = &a->server[a->servers_n];
            *server = s->at[i];
            server->url[0] = s->at[i].url[n];
            server->url_n = 1;
            add_calls(a, a->servers_n++, i);
        }
    }
}

/* ---- asking ---- */

static void take_reply(void *ctx, const estoc_upstream_reply *reply)
{
    struct call *call = ctx;
    struct asking *a = call->of;
    estoc_blob body = {NULL, 0};
    bool kept = reply->err || !estoc_blob_copy(reply->body, &body);
    pthread_mutex_lock(&a->lock);
    call->ended = estoc_now_ms();
    call->reply = *reply;
    call->body = body;
    if (!kept) {
        call->reply.err = ESTOC_E_MEMORY;
    }
    a->done++;
    pthread_cond_signal(&a->wake);
    pthread_mutex_unlock(&a->lock);
}

static void ask(estoc_upstreams *upstreams, struct call *call)
{
    const estoc_upstream_call question = {.upstream = call->server,
                                          .op = ESTOC_UPSTREAM_CACERTS,
                                          .label = call->label,
                                          .about = "estocd check",
                                          .done = take_reply,
                                          .ctx = call};
    call->began = estoc_now_ms();
    estoc_err err = estoc_upstreams_ask(upstreams, &question);
    if (err) {
        take_reply(call, &(estoc_upstream_reply){.err = err});
    }
}

static void wait_for_all(struct asking *a)
{
    estocd_progress progress;
    estocd_progress_begin(&progress, "servers");
    pthread_mutex_lock(&a->lock);
    while (a->done < a->calls_n) {
        (void)estoc_wait_until(&a->wake, &a->lock, estoc_now_ms() + TICK_MS);
        estocd_progress_at(&progress, a->done, a->calls_n);
    }
    pthread_mutex_unlock(&a->lock);
    estocd_progress_end(&progress);
}

static void take_why(void *ctx, const estoc_upstream_state *s)
{
    struct asking *a = ctx;
    for (size_t i = 0; i < a->servers_n; i++) {
        if (strcmp(a->server[i].url[0], s->url) == 0 &&
            strcmp(a->server[i].name, s->upstream) == 0) {
            snprintf(a->why[i], sizeof a->why[i], "%s", s->why);
        }
    }
}

/* ---- what came of it ---- */

static bool has_any(const estoc_blobs *list, const estoc_slice *certs, size_t n)
{
    for (size_t i = 0; i < list->n; i++) {
        for (size_t k = 0; k < n; k++) {
            if (estoc_slice_eq(estoc_blob_slice(list->at[i]), certs[k])) {
                return true;
            }
        }
    }
    return false;
}

/* K1: after /crts a device checks this server against what it got. */
static bool vouch_for_server(const estocd_checking *c, const estoc_slice *certs, size_t n)
{
    estoc_blob list[CERTS_MAX];
    for (size_t i = 0; i < n; i++) {
        list[i] = (estoc_blob){(uint8_t *)(uintptr_t)certs[i].ptr, certs[i].len};
    }
    const estoc_blobs anchors = {list, n};
    return c->server.n == 0 || !estoc_chain_verify(estoc_blob_slice(c->server.at[0]), &c->server,
                                                   &anchors, ESTOC_PURPOSE_SERVER, c->now, NULL);
}

static void judge_certs(struct asking *a, const struct call *call, const char *where)
{
    estocd_checking *c = a->c;
    estoc_slice certs[CERTS_MAX];
    size_t n = CERTS_MAX;
    estoc_err err = estoc_certs_parse(estoc_blob_slice(call->body), certs, &n);
    if (err) {
        estocd_fault(c, "%s: what it has as its certificates is not certs-only CMS: %s", where,
                     estoc_err_text(err));
        return;
    }
    printf("%-8s %s: %zu certificate%s, %llu ms\n", "upstream", where, n, n == 1 ? "" : "s",
           (unsigned long long)(call->ended - call->began));
    if (c->anchors.n > 0 && !has_any(&c->anchors, certs, n)) {
        char text[320];
        snprintf(text, sizeof text,
                 "has none of the certificates of %.200s: devices cannot come back to renew",
                 where);
        estocd_note(c->conf.client_anchors, text);
    }
    if (!vouch_for_server(c, certs, n)) {
        char text[320];
        snprintf(text, sizeof text,
                 "does not lead to the certificates of %.200s: devices that have asked for the "
                 "trust anchors will not go on",
                 where);
        estocd_note(c->conf.server_chain, text);
    }
}

static void tell(struct asking *a, const struct call *call)
{
    char where[ESTOC_URL_MAX + 40];
    const estoc_upstream_reply *r = &call->reply;
    const char *why = a->why[call->server];
    snprintf(where, sizeof where, "%s%s%s", a->server[call->server].url[0],
             call->label[0] != '\0' ? "/" : "", call->label);
    if (!r->err) {
        judge_certs(a, call, where);
        return;
    }
    why = why[0] != '\0' ? why : r->text != NULL ? r->text : estoc_err_text(r->err);
    if (r->status != 0 && r->status != 200) {
        estocd_fault(a->c, "%s: HTTP %u: %s", where, r->status, why);
    } else {
        estocd_fault(a->c, "%s: %s", where, why);
    }
}

static void ask_all(struct asking *a)
{
    const estoc_upstreams_cfg cfg = {
        .at = a->server, .n = a->servers_n, .queue_max = (uint32_t)CALLS_MAX};
    estoc_upstreams *upstreams;
    estoc_why why = {""};
    estoc_err err = estoc_upstreams_open(&cfg, &upstreams, &why);
    if (err) {
        estocd_fault(a->c, "%s", why.text[0] != '\0' ? why.text : estoc_err_text(err));
        return;
    }
    for (size_t i = 0; i < a->calls_n; i++) {
        ask(upstreams, &a->call[i]);
    }
    wait_for_all(a);
    estoc_upstreams_each(upstreams, take_why, a);
    estoc_upstreams_close(upstreams);
    for (size_t i = 0; i < a->calls_n; i++) {
        tell(a, &a->call[i]);
        estoc_blob_free(&a->call[i].body);
    }
}

void estocd_check_online(estocd_checking *c)
{
    struct asking *a = calloc(1, sizeof *a);
    if (a == NULL) {
        estocd_fault(c, "%s", estoc_err_text(ESTOC_E_MEMORY));
        return;
    }
    a->c = c;
    pthread_mutex_init(&a->lock, NULL);
    estoc_wait_init(&a->wake);
    add_servers(a);
    if (a->calls_n > 0) {
        ask_all(a);
    }
    pthread_cond_destroy(&a->wake);
    pthread_mutex_destroy(&a->lock);
    free(a);
}
