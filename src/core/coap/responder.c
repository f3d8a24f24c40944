/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "responder_parts.h"

#define BODY_MAX     8192
#define ACK_DELAY_MS 1000
#define BODY_MS      600000

/* ------------------------------------------------------------------------------- birth and death */

static uint32_t or_default(uint32_t value, uint32_t other)
{
    return value > 0 ? value : other;
}

static bool usable(const estoc_responder_cfg *cfg)
{
    const estoc_responder_ops *ops = cfg->ops;
    return ops != NULL && ops->admit != NULL && ops->body_room != NULL && ops->body_put != NULL &&
           ops->answer_put != NULL && cfg->random.fill != NULL && cfg->replies.ptr != NULL &&
           cfg->replies.cap >= ESTOC_REPLIES_MIN && cfg->message_max >= ESTOC_RESPONDER_MESSAGE_MIN;
}

estoc_err estoc_responder_init(estoc_responder *r, const estoc_responder_cfg *cfg)
{
    memset(r, 0, sizeof *r);
    if (!usable(cfg)) {
        return ESTOC_E_USAGE;
    }
    uint8_t mid[2];
    if (!cfg->random.fill(cfg->random.ctx, mid, sizeof mid)) {
        return ESTOC_E_RANDOM;
    }
    r->cfg = *cfg;
    r->next_mid = (uint16_t)(mid[0] << 8 | mid[1]);
    if (r->cfg.message_max > ESTOC_MESSAGE_MAX) {
        r->cfg.message_max = ESTOC_MESSAGE_MAX;
    }
    if (r->cfg.replies.cap > UINT16_MAX) { /* what reply_off can say */
        r->cfg.replies.cap = UINT16_MAX;
    }
    if (r->cfg.body_max == 0) {
        r->cfg.body_max = BODY_MAX;
    }
    r->cfg.ack_delay_ms = or_default(cfg->ack_delay_ms, ACK_DELAY_MS);
    r->cfg.block_ms = or_default(cfg->block_ms, ESTOC_LIFETIME_MS);
    r->cfg.body_ms = or_default(cfg->body_ms, BODY_MS);
    r->cfg.answer_ms = or_default(cfg->answer_ms, ESTOC_LIFETIME_MS);
    return ESTOC_OK;
}

void estoc_responder_close(estoc_responder *r)
{
    if (r->cfg.ops == NULL) {
        return;
    }
    if (r->request_body.ptr != NULL) {
        r->cfg.ops->body_put(r->cfg.ctx, r->request_body);
    }
    estoc_rsp_drop_body(r);
    for (size_t i = 0; i < 2; i++) {
        estoc_rsp_drop_snapshot(r, &r->snapshot[i]);
    }
    estoc_wipe(r->cfg.replies.ptr, r->cfg.replies.cap);
    estoc_wipe(r, sizeof *r);
}

/* ------------------------------------------------------------------------------------------ time */

estoc_ms estoc_rsp_after(const estoc_responder *r, uint32_t ms)
{
    return r->now < ESTOC_NEVER - ms ? r->now + ms : ESTOC_NEVER;
}

static void expire(estoc_responder *r)
{
    if (r->assembling && (r->now >= r->body_expires || r->now >= r->block_expires)) {
        estoc_rsp_drop_body(r);
    }
    for (size_t i = 0; i < 2; i++) {
        if (r->snapshot[i].valid && r->now >= r->snapshot[i].expires) {
            estoc_rsp_drop_snapshot(r, &r->snapshot[i]);
        }
    }
}

static bool ack_wanted(const estoc_responder *r)
{
    return r->awaiting && r->asked.type == ESTOC_COAP_CON && !r->asked.acked;
}

static estoc_ms earlier(estoc_ms a, bool counts, estoc_ms b)
{
    return counts && b < a ? b : a;
}

estoc_ms estoc_responder_deadline(const estoc_responder *r)
{
    estoc_ms at = r->out_len > 0 ? 0 : ESTOC_NEVER;
    at = earlier(at, ack_wanted(r), r->ack_due);
    at = earlier(at, r->separate_active, r->separate_due);
    at = earlier(at, r->assembling, r->body_expires);
    at = earlier(at, r->assembling, r->block_expires);
    at = earlier(at, r->snapshot[0].valid, r->snapshot[0].expires);
    return earlier(at, r->snapshot[1].valid, r->snapshot[1].expires);
}

/* ------------------------------------------------------------------------------------ duplicates */

struct estoc_seen *estoc_rsp_seen(estoc_responder *r, uint16_t mid)
{
    for (size_t i = 0; i < ESTOC_RESPONDER_SEEN; i++) {
        struct estoc_seen *s = &r->seen[i];
        if (s->valid && s->mid == mid && r->now - s->at < ESTOC_LIFETIME_MS) {
            return s;
        }
    }
    return NULL;
}

static void forget_reply(estoc_responder *r, struct estoc_seen *s)
{
    if (s->secret) {
        estoc_wipe(r->cfg.replies.ptr + s->reply_off, s->reply_len);
    }
    s->secret = false;
    s->reply_len = 0;
}

void estoc_rsp_forget_secrets(estoc_responder *r)
{
    for (size_t i = 0; i < ESTOC_RESPONDER_SEEN; i++) {
        if (r->seen[i].secret) {
            forget_reply(r, &r->seen[i]);
        }
    }
}

/* In the place of what is over, else of the oldest that changed nothing, else of the oldest. DTLS
 * drops a record that comes 64 or more behind, so a late copy of what was forgotten is rare. */
static void remember(estoc_responder *r, uint16_t mid)
{
    size_t best = r->seen_next;
    for (size_t i = 0; i < ESTOC_RESPONDER_SEEN; i++) {
        size_t at = (r->seen_next + i) % ESTOC_RESPONDER_SEEN;
        const struct estoc_seen *s = &r->seen[at];
        const struct estoc_seen *b = &r->seen[best];
        if (!s->valid || r->now - s->at >= ESTOC_LIFETIME_MS) {
            best = at;
            break;
        }
        if (s->acted == b->acted ? s->at < b->at : b->acted) {
            best = at;
        }
    }
    forget_reply(r, &r->seen[best]);
    r->seen[best] = (struct estoc_seen){.at = r->now, .mid = mid, .valid = true};
    r->seen_next = (uint16_t)((best + 1) % ESTOC_RESPONDER_SEEN);
}

void estoc_rsp_keep_reply(estoc_responder *r, uint16_t mid)
{
    struct estoc_seen *mine = estoc_rsp_seen(r, mid);
    if (mine == NULL) {
        return;
    }
    uint32_t off = r->replies_next;
    uint32_t len = r->out_len;
    if (off + len > r->cfg.replies.cap) {
        off = 0;
    }
    forget_reply(r, mine);
    for (size_t i = 0; i < ESTOC_RESPONDER_SEEN; i++) {
        struct estoc_seen *s = &r->seen[i];
        if (s->reply_off < off + len && off < (uint32_t)s->reply_off + s->reply_len) {
            forget_reply(r, s);
        }
    }
    memcpy(r->cfg.replies.ptr + off, r->out, len);
    mine->secret = r->out_secret;
    mine->reply_off = (uint16_t)off;
    mine->reply_len = (uint16_t)len;
    r->replies_next = (uint16_t)(off + len);
}

/* RFC 7252 sections 4.2, 4.3 and 4.5. @return false if there is no reply to send any more */
static bool answer_duplicate(estoc_responder *r, const estoc_coap_msg *msg,
                             const struct estoc_seen *seen)
{
    bool pending = r->awaiting && r->asked.mid == msg->mid;
    if (msg->type == ESTOC_COAP_NON) {
        return true;
    }
    if (pending ? r->asked.acked : seen->acked) {
        estoc_rsp_empty(r, ESTOC_COAP_ACK, msg->mid); /* row 82: the answer is not in this ACK */
        return true;
    }
    if (pending) {
        return true; /* the ACK is on its way */
    }
    if (seen->reply_len == 0) {
        return false;
    }
    memcpy(r->out, r->cfg.replies.ptr + seen->reply_off, seen->reply_len);
    r->out_len = seen->reply_len;
    r->out_secret = seen->secret;
    r->traffic.retransmitted++;
    return true;
}

/* ----------------------------------------------------------------------------------------- input */

void estoc_rsp_empty(estoc_responder *r, uint8_t type, uint16_t mid)
{
    r->out_len = (uint16_t)estoc_coap_empty(r->out, type, mid);
    r->out_secret = false;
}

static void end_separate(estoc_responder *r)
{
    if (r->separate_secret) {
        estoc_wipe(r->separate, sizeof r->separate);
    }
    r->separate_active = false;
    r->separate_secret = false;
}

static void take_request(estoc_responder *r, const estoc_coap_msg *msg)
{
    const struct estoc_seen *seen = estoc_rsp_seen(r, msg->mid);
    bool again = seen != NULL || (r->awaiting && r->asked.mid == msg->mid);
    if (again && answer_duplicate(r, msg, seen)) {
        return;
    }
    if (!again) {
        remember(r, msg->mid);
    }
    estoc_incoming in;
    estoc_rsp_read(&in, msg);
    in.again = again;
    if (!again) {
        estoc_rsp_drop_delivered(r, &in);
    }
    estoc_rsp_request(r, &in);
}

estoc_err estoc_responder_input(estoc_responder *r, estoc_ms now, estoc_slice dg)
{
    if (r->cfg.ops == NULL || r->out_len > 0) {
        return ESTOC_E_STATE;
    }
    r->now = now;
    expire(r);
    r->traffic.received++;
    r->traffic.received_bytes += (uint32_t)dg.len;
    uint8_t type;
    uint16_t mid;
    estoc_coap_msg msg;
    if (!estoc_coap_peek(dg, &type, &mid)) {
        return ESTOC_OK;
    }
    bool malformed = estoc_coap_parse(&msg, dg) != ESTOC_OK;
    if (!malformed && ESTOC_COAP_CLASS(msg.code) == 0 && msg.code != ESTOC_COAP_EMPTY) {
        take_request(r, &msg);
    } else if (type == ESTOC_COAP_CON) { /* a ping, an answer to nothing, or no message: C2 */
        estoc_rsp_empty(r, ESTOC_COAP_RST, mid);
    } else if (!malformed && msg.code == ESTOC_COAP_EMPTY && mid == r->separate_mid) {
        end_separate(r); /* acknowledged, or not wanted any more */
    }
    return ESTOC_OK;
}

/* ---------------------------------------------------------------------------------------- output */

void estoc_rsp_start_separate(estoc_responder *r, uint16_t mid)
{
    end_separate(r);
    memcpy(r->separate, r->out, r->out_len);
    r->separate_len = r->out_len;
    r->separate_secret = r->out_secret;
    r->separate_mid = mid;
    r->separate_active = true;
    r->separate_retransmits = 0;
    uint8_t b[2];
    uint16_t random = UINT16_MAX; /* without randomness the longest wait is the polite one */
    if (r->cfg.random.fill(r->cfg.random.ctx, b, sizeof b)) {
        random = (uint16_t)(b[0] << 8 | b[1]);
    }
    r->separate_timeout_ms = estoc_transmission_first_ms(&r->cfg.tx, random);
    r->separate_due = estoc_rsp_after(r, r->separate_timeout_ms);
}

/* RFC 7252 section 4.2: the wait doubles each time. */
static void send_separate_again(estoc_responder *r)
{
    if (r->separate_retransmits >= r->cfg.tx.max_retransmit) {
        end_separate(r);
        return;
    }
    memcpy(r->out, r->separate, r->separate_len);
    r->out_len = r->separate_len;
    r->out_secret = r->separate_secret;
    r->separate_retransmits++;
    r->traffic.retransmitted++;
    r->separate_timeout_ms =
        r->separate_timeout_ms < UINT32_MAX / 2 ? r->separate_timeout_ms * 2 : UINT32_MAX;
    r->separate_due = estoc_rsp_after(r, r->separate_timeout_ms);
}

/* L1: the answer is not there yet, so the request is acknowledged without it. */
static void acknowledge(estoc_responder *r)
{
    estoc_rsp_empty(r, ESTOC_COAP_ACK, r->asked.mid);
    r->asked.acked = true;
    struct estoc_seen *seen = estoc_rsp_seen(r, r->asked.mid);
    if (seen != NULL) {
        seen->acked = true;
    }
}

void estoc_responder_acknowledge(estoc_responder *r)
{
    if (ack_wanted(r)) {
        r->ack_due = 0;
    }
}

void estoc_responder_restart(estoc_responder *r, estoc_ms now)
{
    r->now = now;
    r->separate_due = estoc_rsp_after(r, r->separate_timeout_ms);
}

estoc_err estoc_responder_output(estoc_responder *r, estoc_ms now, estoc_buf out, size_t *len)
{
    *len = 0;
    if (r->cfg.ops == NULL) {
        return ESTOC_OK;
    }
    r->now = now;
    expire(r);
    if (r->out_len == 0 && ack_wanted(r) && r->now >= r->ack_due) {
        acknowledge(r);
    }
    if (r->out_len == 0 && r->separate_active && r->now >= r->separate_due) {
        send_separate_again(r);
    }
    if (r->out_len > out.cap) {
        return ESTOC_E_SPACE;
    }
    if (r->out_len == 0) {
        return ESTOC_OK;
    }
    memcpy(out.ptr, r->out, r->out_len);
    *len = r->out_len;
    if (r->out_secret) {
        estoc_wipe(r->out, r->out_len);
        r->out_secret = false;
    }
    r->out_len = 0;
    r->traffic.sent++;
    r->traffic.sent_bytes += (uint32_t)*len;
    return ESTOC_OK;
}

/* ----------------------------------------------------------------------------------------- state */

unsigned estoc_responder_state(const estoc_responder *r)
{
    return (r->out_len > 0 ? (unsigned)ESTOC_RESPONDER_WANT_SEND : 0u) |
           (r->awaiting ? (unsigned)ESTOC_RESPONDER_REQUEST : 0u);
}

const estoc_request *estoc_responder_request(const estoc_responder *r)
{
    return r->awaiting ? &r->request : NULL;
}
