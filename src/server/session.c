/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <estoc/cert.h>

#include "permit.h"
#include "session.h"
#include "text.h"
#include "verdict.h"
#include "worker.h"

/* ------------------------------------------------------------------ what the responder asks for */

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
static bool permit(const estoc_session *s, const estoc_request *req, estoc_route *route,
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
static void follow(estoc_session *s)
{
    estoc_generation *newest = s->worker->generation;
    if (s->pending == 0 && s->serving != newest) {
        estoc_generation_release(s->serving);
        s->serving = estoc_generation_hold(newest);
    }
}

static const char *code_text(uint8_t code, char out[8])
{
    snprintf(out, 8, "%u.%02u", ESTOC_COAP_CLASS(code), ESTOC_COAP_DETAIL(code));
    return out;
}

static bool admit(void *ctx, const estoc_request *req, estoc_answer *refusal)
{
    estoc_session *s = ctx;
    estoc_route route;
    follow(s);
    bool ok = permit(s, req, &route, refusal) && within_limits(s, refusal);
    if (!ok) {
        char code[8], peer[ESTOC_PATH_TEXT_MAX];
        /* strangers have their line already, and do not fill the log with more */
        estoc_log(estoc_dtls_recognised(s->dtls) ? ESTOC_LOG_INFO : ESTOC_LOG_DEBUG, "coap", "peer",
                  estoc_path_text(&s->entry.path, peer, sizeof peer), "result", "refused", "code",
                  code_text(refusal->code, code), "why", (const char *)refusal->body.ptr, NULL);
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

/* ------------------------------------------------------------------------------- birth and death */

estoc_session *estoc_session_new(struct estoc_worker *w, estoc_generation *g)
{
    estoc_session *s = calloc(1, sizeof *s);
    if (s != NULL) {
        s->worker = w;
        s->generation = estoc_generation_hold(g);
        s->serving = estoc_generation_hold(g);
    }
    return s;
}

static void free_session(estoc_session *s)
{
    if (s->open != NULL) {
        estoc_responder_close(&s->open->responder);
        estoc_wipe(s->open, sizeof *s->open);
        free(s->open);
    }
    if (s->dtls != NULL) {
        estoc_dtls_free(s->dtls);
    }
    estoc_generation_release(s->serving);
    estoc_generation_release(s->generation);
    free(s);
}

void estoc_session_end(estoc_session *s)
{
    s->gone = true;
    estoc_queue_drop(&s->worker->queue, &s->lane);
    if (s->pending == 0) {
        free_session(s);
    }
}

/* A ClientHello record: header of 13 bytes, handshake header of 12, version of 2, then the random. */
#define HELLO_RANDOM_AT 27u

void estoc_session_begin(estoc_session *s, estoc_ms now, estoc_slice hello)
{
    s->idle_at = now + (estoc_ms)s->generation->conf.handshake_s * 1000u;
    if (hello.len >= HELLO_RANDOM_AT + sizeof s->hello_random) {
        memcpy(s->hello_random, hello.ptr + HELLO_RANDOM_AT, sizeof s->hello_random);
    }
}

bool estoc_session_same_hello(const estoc_session *s, estoc_slice dg)
{
    return dg.len >= HELLO_RANDOM_AT + sizeof s->hello_random &&
           memcmp(dg.ptr + HELLO_RANDOM_AT, s->hello_random, sizeof s->hello_random) == 0;
}

/* --------------------------------------------------------------------------------- the handshake */

/* Hard to guess, and never 0 for who is recognised. */
static uint64_t identity_of(const estoc_session *s)
{
    uint8_t digest[32];
    uint64_t id[2];
    if (!estoc_dtls_recognised(s->dtls) || estoc_sha256(estoc_dtls_peer_cert(s->dtls), digest)) {
        return 0;
    }
    memcpy(id, digest, sizeof id);
    return estoc_table_hash(&s->worker->table, id[0], id[1]) | 1;
}

static bool opened(estoc_session *s)
{
    const estoc_config *conf = &s->generation->conf;
    s->open = calloc(1, sizeof *s->open);
    if (s->open == NULL) {
        return false;
    }
    estoc_responder_cfg cfg = {
        .ops = &responder_ops,
        .ctx = s,
        .random = estoc_random_system(),
        .tx = estoc_transmission_default(),
        .replies = {s->open->replies, sizeof s->open->replies},
        .message_max = estoc_dtls_message_max(s->dtls),
        .body_max = conf->body_max,
        .ack_delay_ms = conf->answer_delay_ms,
    };
    if (estoc_responder_init(&s->open->responder, &cfg)) {
        free(s->open);
        s->open = NULL;
        return false;
    }
    s->open->identity = identity_of(s);
    estoc_cert cert;
    estoc_buf text = {(uint8_t *)s->open->subject, sizeof s->open->subject};
    if (estoc_cert_parse(&cert, estoc_dtls_peer_cert(s->dtls)) == ESTOC_OK) {
        estoc_name_text(cert.subject, text);
        s->open->not_after = cert.not_after;
    }
    char peer[ESTOC_PATH_TEXT_MAX];
    bool known = estoc_dtls_recognised(s->dtls);
    estoc_log(known ? ESTOC_LOG_DEBUG : ESTOC_LOG_WARN, "dtls", "peer",
              estoc_path_text(&s->entry.path, peer, sizeof peer), "result",
              known ? "open" : "unrecognised", "subject", s->open->subject, "cipher",
              estoc_dtls_cipher(s->dtls), "resumed", estoc_dtls_resumed(s->dtls) ? "yes" : NULL,
              "expired", estoc_dtls_expired(s->dtls) ? "yes" : NULL, "why",
              known ? NULL : estoc_dtls_why(s->dtls), NULL);
    return true;
}

static void log_refused(const estoc_session *s)
{
    char peer[ESTOC_PATH_TEXT_MAX];
    estoc_log(ESTOC_LOG_WARN, "dtls", "peer", estoc_path_text(&s->entry.path, peer, sizeof peer),
              "result", "refused", "why", estoc_dtls_why(s->dtls), NULL);
}

/* --------------------------------------------------------------------------------- the exchanges */

/* On the authority's thread: encode, and hand over to the worker. */
static void decided(void *ctx, const estoc_verdict *v)
{
    estoc_late *late = ctx;
    estoc_verdict_answer(v, late);
    estoc_worker_late(late->session->worker, late);
}

static estoc_err ask_authority(estoc_session *s, const estoc_request *req)
{
    estoc_late *late = calloc(1, sizeof *late);
    if (late == NULL) {
        return ESTOC_E_MEMORY;
    }
    late->session = s;
    late->route = s->route;
    char peer[ESTOC_PATH_TEXT_MAX];
    uint8_t unique[ESTOC_UNIQUE_MAX];
    size_t unique_len;
    if (estoc_dtls_unique(s->dtls, (estoc_buf){unique, sizeof unique}, &unique_len)) {
        unique_len = 0; /* then no request is linked to this association */
    }
    estoc_enrollment e = {.op = s->route.op,
                          .profile = s->route.served->profile,
                          .client_cert = estoc_dtls_peer_cert(s->dtls),
                          .csr = req->body,
                          .unique = {unique, unique_len},
                          .peer = estoc_path_text(&s->entry.path, peer, sizeof peer),
                          .done = decided,
                          .ctx = late};
    s->pending++;
    s->worker->pending++;
    estoc_err err = s->serving->authority->ops->enroll(s->serving->authority, &e);
    if (err) {
        s->pending--;
        s->worker->pending--;
        free(late);
    }
    return err;
}

static void log_request(const estoc_session *s, const estoc_answer *a, estoc_ms now)
{
    char peer[ESTOC_PATH_TEXT_MAX], code[8], bytes[24], ms[24];
    snprintf(bytes, sizeof bytes, "%zu", a->body.len);
    snprintf(ms, sizeof ms, "%llu", (unsigned long long)(now - s->asked_at));
    estoc_log(ESTOC_LOG_DEBUG, "coap", "peer", estoc_path_text(&s->entry.path, peer, sizeof peer),
              "op", estoc_route_name(&s->route), "code", code_text(a->code, code), "bytes", bytes,
              "ms", ms, NULL);
}

/* What waits its turn is not sent a second time meanwhile: its copy would wait behind it. */
static bool flush(estoc_session *s, estoc_ms now)
{
    estoc_responder *r = &s->open->responder;
    uint8_t message[ESTOC_MESSAGE_MAX];
    for (;;) {
        size_t len;
        if (estoc_responder_output(r, now, (estoc_buf){message, sizeof message}, &len) !=
                ESTOC_OK ||
            len == 0) {
            return true;
        }
        s->again = r->traffic.retransmitted != s->open->retransmitted;
        s->open->retransmitted = r->traffic.retransmitted;
        bool held = s->again && estoc_lane_waits(&s->lane);
        bool written = held || !estoc_dtls_write(s->dtls, (estoc_slice){message, len});
        estoc_wipe(message, len); /* E5: it may hold a key */
        s->again = false;
        if (!written) {
            return estoc_dtls_state_of(s->dtls) == ESTOC_DTLS_OPEN;
        }
    }
}

/* On a busy way out a larger answer is acknowledged first, or the client would ask again. L1 */
static void give_answer(estoc_session *s, estoc_ms now, const estoc_answer *a)
{
    estoc_responder *r = &s->open->responder;
    if (a->body.len > ESTOC_EGRESS_SMALL &&
        estoc_egress_wait_ms(s->worker->queue.egress, estoc_now_us()) > ESTOC_EGRESS_ACK_MS) {
        estoc_responder_acknowledge(r);
        (void)flush(s, now);
    }
    if (estoc_responder_answer(r, now, a)) {
        estoc_log(ESTOC_LOG_ERROR, "coap", "result", "the responder did not take an answer", NULL);
    }
}

/* What stands ready in a generation is sent from there, unless the association may outlive it. */
static estoc_err get(const estoc_session *s, const estoc_request *req, estoc_answer *a)
{
    estoc_err err = estoc_route_get(s->serving, &s->route, req, a);
    if (err || a->owner != NULL || a->body.len == 0 || s->serving == s->generation) {
        return err;
    }
    estoc_body *copy = estoc_body_new(a->body.len);
    if (copy == NULL) {
        return ESTOC_E_MEMORY;
    }
    memcpy(copy->bytes, a->body.ptr, a->body.len);
    a->body = estoc_slice_of(copy->bytes, a->body.len);
    a->owner = copy;
    return ESTOC_OK;
}

static void serve(estoc_session *s, estoc_ms now)
{
    const estoc_request *req = estoc_responder_request(&s->open->responder);
    estoc_answer answer = {0};
    s->asked_at = now;
    follow(s);
    if (permit(s, req, &s->route, &answer)) {
        estoc_err err;
        if (req->method == ESTOC_COAP_POST) {
            err = ask_authority(s, req);
            if (!err) {
                return; /* the verdict comes later */
            }
        } else {
            err = get(s, req, &answer);
        }
        if (err) {
            estoc_refuse_for(&answer, err, estoc_err_text(err), 0);
        }
    }
    log_request(s, &answer, now);
    give_answer(s, now, &answer);
}

static bool read_messages(estoc_session *s, estoc_ms now)
{
    uint8_t message[ESTOC_DATAGRAM_MAX];
    for (;;) {
        size_t len;
        if (estoc_dtls_read(s->dtls, (estoc_buf){message, sizeof message}, &len) != ESTOC_OK ||
            len == 0) {
            return true;
        }
        s->idle_at = now + (estoc_ms)s->generation->conf.idle_s * 1000u;
        if (estoc_responder_input(&s->open->responder, now, (estoc_slice){message, len})) {
            estoc_log(ESTOC_LOG_ERROR, "coap", "result", "the responder did not take input", NULL);
        }
        if ((estoc_responder_state(&s->open->responder) & ESTOC_RESPONDER_REQUEST) != 0 &&
            s->pending == 0) {
            serve(s, now);
        }
        if (!flush(s, now)) {
            return false;
        }
    }
}

/* What both a datagram and a deadline may lead to. */
static bool settle(estoc_session *s, estoc_dtls_state state, estoc_ms now)
{
    if (state == ESTOC_DTLS_FAILED && s->open == NULL) {
        log_refused(s);
    }
    if (state == ESTOC_DTLS_FAILED || (state == ESTOC_DTLS_CLOSED && s->open == NULL)) {
        return false;
    }
    if (s->open == NULL && state == ESTOC_DTLS_OPEN) {
        s->idle_at = now + (estoc_ms)s->generation->conf.idle_s * 1000u;
        if (!opened(s)) {
            return false;
        }
    }
    if (s->open != NULL && !read_messages(s, now)) {
        return false;
    }
    return estoc_dtls_state_of(s->dtls) == ESTOC_DTLS_OPEN ||
           estoc_dtls_state_of(s->dtls) == ESTOC_DTLS_HANDSHAKE;
}

bool estoc_session_input(estoc_session *s, estoc_ms now, estoc_slice dg)
{
    return settle(s, estoc_dtls_input(s->dtls, now, dg), now);
}

void estoc_session_sent(estoc_session *s, estoc_ms now)
{
    estoc_dtls_restart(s->dtls, now);
    if (s->open != NULL) {
        estoc_responder_restart(&s->open->responder, now);
    }
}

#define LEAVE_MS 1000u /* time at least for what waits to be sent */

bool estoc_session_tick(estoc_session *s, estoc_ms now)
{
    if (estoc_lane_waits(&s->lane)) { /* nobody can answer yet what has not left */
        estoc_session_sent(s, now);
        s->idle_at = s->idle_at > now ? s->idle_at : now + LEAVE_MS;
    }
    if (now >= s->idle_at && s->pending == 0) {
        estoc_dtls_close(s->dtls);
        if (s->open == NULL) {
            log_refused(s);
        }
        return false;
    }
    s->again = true;
    estoc_dtls_state state = estoc_dtls_tick(s->dtls, now);
    s->again = false;
    if (!settle(s, state, now)) {
        return false;
    }
    return s->open == NULL || flush(s, now);
}

bool estoc_session_answer(estoc_session *s, estoc_ms now, const estoc_late *late)
{
    s->route = late->route;
    log_request(s, &late->answer, now);
    give_answer(s, now, &late->answer);
    return flush(s, now);
}

estoc_ms estoc_session_deadline(const estoc_session *s)
{
    estoc_ms at = s->idle_at;
    estoc_ms dtls = estoc_dtls_deadline(s->dtls);
    estoc_ms coap = s->open != NULL ? estoc_responder_deadline(&s->open->responder) : ESTOC_NEVER;
    at = dtls < at ? dtls : at;
    return coap < at ? coap : at;
}

#define BUSY_MS 300u /* a peer that wrote this recently may be fetching blocks */

bool estoc_session_busy(const estoc_session *s, estoc_ms now)
{
    estoc_ms idle = (estoc_ms)s->generation->conf.idle_s * 1000u;
    return s->pending > 0 || s->open == NULL || estoc_lane_waits(&s->lane) ||
           now + idle < s->idle_at + BUSY_MS;
}
