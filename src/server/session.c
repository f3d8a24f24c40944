/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <estoc/cert.h>

#include "permit.h"
#include "talk.h"
#include "text.h"
#include "verdict.h"
#include "worker.h"

/* ------------------------------------------------------------------------------- birth and death */

estoc_session *estoc_session_new(struct estoc_worker *w, estoc_generation *g)
{
    estoc_session *s = calloc(1, sizeof *s);
    if (s != NULL) {
        s->worker = w;
        s->sleep_at = ESTOC_NEVER;
        s->generation = estoc_generation_hold(g);
        s->serving = estoc_generation_hold(g);
    }
    return s;
}

static void free_session(estoc_session *s)
{
    if (s->open != NULL && s->open->talk != NULL) {
        estoc_responder_close(&s->open->talk->responder); /* wipes what it has kept */
        free(s->open->talk);
    }
    free(s->open);
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

const char *estoc_session_subject(const estoc_session *s, char out[ESTOC_SUBJECT_MAX])
{
    estoc_cert cert;
    out[0] = '\0';
    return estoc_cert_parse(&cert, estoc_dtls_peer_cert(s->dtls))
               ? out
               : estoc_name_text(cert.subject, (estoc_buf){(uint8_t *)out, ESTOC_SUBJECT_MAX});
}

static bool opened(estoc_session *s)
{
    s->open = calloc(1, sizeof *s->open);
    if (s->open == NULL) {
        return false;
    }
    s->open->identity = identity_of(s);
    estoc_cert cert;
    if (estoc_cert_parse(&cert, estoc_dtls_peer_cert(s->dtls)) == ESTOC_OK) {
        s->open->not_after = cert.not_after;
    }
    char peer[ESTOC_PATH_TEXT_MAX], subject[ESTOC_SUBJECT_MAX];
    bool known = estoc_dtls_recognised(s->dtls);
    estoc_log(known ? ESTOC_LOG_DEBUG : ESTOC_LOG_WARN, "dtls", "peer",
              estoc_path_text(&s->entry.path, peer, sizeof peer), "result",
              known ? "open" : "unrecognised", "subject", estoc_session_subject(s, subject),
              "cipher", estoc_dtls_cipher(s->dtls), "resumed",
              estoc_dtls_resumed(s->dtls) ? "yes" : NULL, "expired",
              estoc_dtls_expired(s->dtls) ? "yes" : NULL, "why",
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
              "op", estoc_route_name(&s->route), "code", estoc_talk_code(a->code, code), "bytes",
              bytes, "ms", ms, NULL);
}

/* What waits its turn is not sent a second time meanwhile: its copy would wait behind it. */
static bool flush(estoc_session *s, estoc_ms now)
{
    if (s->open->talk == NULL) {
        return true;
    }
    estoc_responder *r = &s->open->talk->responder;
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
    estoc_responder *r = &s->open->talk->responder;
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
    const estoc_request *req = estoc_responder_request(&s->open->talk->responder);
    estoc_answer answer = {0};
    s->asked_at = now;
    estoc_talk_follow(s);
    if (estoc_talk_permit(s, req, &s->route, &answer)) {
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

#define SLEEP_MS 2000u /* most have enrolled, and left, by then */

static void put_off_idle(estoc_session *s, estoc_ms now)
{
    s->idle_at = now + (estoc_ms)s->generation->conf.idle_s * 1000u;
    s->sleep_at = now + SLEEP_MS;
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
        put_off_idle(s, now);
        if (s->open->talk == NULL && !estoc_talk_begin(s)) {
            return false;
        }
        estoc_responder *r = &s->open->talk->responder;
        if (estoc_responder_input(r, now, (estoc_slice){message, len})) {
            estoc_log(ESTOC_LOG_ERROR, "coap", "result", "the responder did not take input", NULL);
        }
        if ((estoc_responder_state(r) & ESTOC_RESPONDER_REQUEST) != 0 && s->pending == 0) {
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
        put_off_idle(s, now);
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
    if (s->open != NULL && s->open->talk != NULL) {
        estoc_responder_restart(&s->open->talk->responder, now);
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
    if (!settle(s, state, now) || (s->open != NULL && !flush(s, now))) {
        return false;
    }
    if (now >= s->sleep_at) {
        s->sleep_at = ESTOC_NEVER;
        estoc_dtls_sleep(s->dtls);
    }
    return true;
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
    bool talks = s->open != NULL && s->open->talk != NULL;
    estoc_ms coap = talks ? estoc_responder_deadline(&s->open->talk->responder) : ESTOC_NEVER;
    at = dtls < at ? dtls : at;
    at = s->sleep_at < at ? s->sleep_at : at;
    return coap < at ? coap : at;
}

#define BUSY_MS 300u /* a peer that wrote this recently may be fetching blocks */

bool estoc_session_busy(const estoc_session *s, estoc_ms now)
{
    estoc_ms idle = (estoc_ms)s->generation->conf.idle_s * 1000u;
    return s->pending > 0 || s->open == NULL || estoc_lane_waits(&s->lane) ||
           now + idle < s->idle_at + BUSY_MS;
}
