/* SPDX-License-Identifier: MIT
 *
 * What an association is spoken to with: its responder, and what that asks for.
 */
#include <stdio.h>
#include <stdlib.h>

#include "permit.h"
#include "talk.h"
#include "text.h"
#include "worker.h"

/* Who asks. What its handshake has shown, or the one that this association resumes, may have been
 * revoked since, or denied by a configuration that came since (D8). */
static estoc_client client_of(const estoc_session *s)
{
    return (estoc_client){.cert = estoc_dtls_peer_cert(s->dtls),
                          .trail = estoc_dtls_peer_trail(s->dtls),
                          .not_after = s->open->not_after,
                          .elsewhere = s->serving != s->generation};
}

/* Who may ask what, and where it goes. A stranger may look at /.well-known/core (D4). */
bool estoc_talk_permit(const estoc_session *s, const estoc_request *req, estoc_route *route,
                       estoc_answer *refusal)
{
    bool known = estoc_dtls_recognised(s->dtls);
    if (!known && !estoc_route_is_core(req)) {
        estoc_refuse(refusal, ESTOC_COAP_UNAUTHORIZED, "certificate not recognised");
        return false;
    }
    const estoc_client client = client_of(s);
    if (known && estoc_permit_revoked(s->serving, &client)) {
        estoc_refuse(refusal, ESTOC_COAP_FORBIDDEN, "your certificate is revoked");
        return false;
    }
    if (!estoc_route_find(s->serving, req, route, refusal)) {
        return false;
    }
    const char *why =
        known ? estoc_permit_refusal(s->serving, &client, route->op, route->served) : NULL;
    if (why != NULL) {
        estoc_refuse(refusal, ESTOC_COAP_FORBIDDEN, why);
    }
    return why == NULL;
}

/* 4.29 and 5.03 say when to come again, and not the same to all. RFC 8516 */
static bool come_later(estoc_answer *refusal, uint8_t code, const char *text, uint32_t wait_ms)
{
    uint32_t wait_s = wait_ms / 1000u + 1;
    uint8_t spread = 0;
    estoc_random random = estoc_random_system();
    (void)random.fill(random.ctx, &spread, sizeof spread);
    estoc_refuse(refusal, code, text);
    refusal->has_max_age = true;
    refusal->max_age_s = wait_s + spread % (wait_s + 1);
    return false;
}

/* C4, X11: before the authority is asked, and before a body is taken. A copy of a message, or a block
 * of an answer, never comes this far. */
static bool within_limits(const estoc_session *s, estoc_answer *refusal)
{
    const estoc_config *conf = &s->serving->conf;
    estoc_worker *w = s->worker;
    estoc_us now = estoc_now_us();
    uint64_t address = estoc_table_hash(&w->table, estoc_path_prefix(&s->entry.path, false), 0);
    uint32_t wait_ms = estoc_egress_wait_ms(w->queue.egress, now);
    if (wait_ms > ESTOC_EGRESS_BUSY_MS) {
        return come_later(refusal, ESTOC_COAP_UNAVAILABLE, "the network is busy, come later",
                          wait_ms);
    }
    wait_ms = 0;
    if (s->open->identity != 0) {
        wait_ms = estoc_limits_take(&w->limits, s->open->identity, conf->identity, now);
    }
    wait_ms = wait_ms > 0 ? wait_ms : estoc_limits_take(&w->limits, address, conf->address, now);
    return wait_ms == 0 || come_later(refusal, ESTOC_COAP_TOO_MANY_REQUESTS,
                                      "too many requests, come later", wait_ms);
}

/* A request is judged by the rules that hold when it comes, however old the association is (D8). */
void estoc_talk_follow(estoc_session *s)
{
    estoc_generation *newest = s->worker->generation;
    if (s->pending == 0 && s->serving != newest) {
        estoc_generation_release(s->serving);
        s->serving = estoc_generation_hold(newest);
    }
}

const char *estoc_talk_code(uint8_t code, char out[8])
{
    snprintf(out, 8, "%u.%02u", ESTOC_COAP_CLASS(code), ESTOC_COAP_DETAIL(code));
    return out;
}

static bool admit(void *ctx, const estoc_request *req, estoc_answer *refusal)
{
    estoc_session *s = ctx;
    estoc_route route;
    estoc_talk_follow(s);
    bool ok = estoc_talk_permit(s, req, &route, refusal) && within_limits(s, refusal);
    if (!ok) {
        char code[8], peer[ESTOC_PATH_TEXT_MAX];
        /* strangers have their line already, and do not fill the log with more */
        estoc_log(estoc_dtls_recognised(s->dtls) ? ESTOC_LOG_INFO : ESTOC_LOG_DEBUG, "coap", "peer",
                  estoc_path_text(&s->entry.path, peer, sizeof peer), "result", "refused", "code",
                  estoc_talk_code(refusal->code, code), "why", (const char *)refusal->body.ptr,
                  NULL);
    }
    return ok;
}

/* B2: bodies in assembly are counted over all sessions. */
static bool body_room(void *ctx, size_t need, estoc_buf *body)
{
    estoc_session *s = ctx;
    estoc_generation *g = s->generation;
    if (body->ptr == NULL && atomic_fetch_add(&g->bodies, 1) >= g->conf.bodies_max) {
        atomic_fetch_sub(&g->bodies, 1);
        return false;
    }
    size_t cap = body->cap > 0 ? body->cap : 1024;
    while (cap < need) {
        cap *= 2;
    }
    uint8_t *more = realloc(body->ptr, cap);
    if (more == NULL) {
        if (body->ptr == NULL) {
            atomic_fetch_sub(&g->bodies, 1);
        }
        return false;
    }
    *body = (estoc_buf){more, cap};
    return true;
}

static void body_put(void *ctx, estoc_buf body)
{
    estoc_session *s = ctx;
    if (body.ptr != NULL) {
        estoc_wipe(body.ptr, body.cap);
        free(body.ptr);
        atomic_fetch_sub(&s->generation->bodies, 1);
    }
}

static void answer_put(void *ctx, void *owner)
{
    (void)ctx;
    estoc_body_free(owner);
}

static const estoc_responder_ops responder_ops = {admit, body_room, body_put, answer_put};

bool estoc_talk_begin(estoc_session *s)
{
    const estoc_config *conf = &s->generation->conf;
    estoc_talk *t = malloc(sizeof *t);
    if (t == NULL) {
        return false;
    }
    estoc_responder_cfg cfg = {
        .ops = &responder_ops,
        .ctx = s,
        .random = estoc_random_system(),
        .tx = estoc_transmission_default(),
        .replies = {t->replies, sizeof t->replies},
        .message_max = estoc_dtls_message_max(s->dtls),
        .body_max = conf->body_max,
        .ack_delay_ms = conf->answer_delay_ms,
    };
    if (estoc_responder_init(&t->responder, &cfg)) {
        free(t);
        return false;
    }
    s->open->talk = t;
    return true;
}
