/* SPDX-License-Identifier: MIT */
#include <string.h>

#include <estoc/block.h>

#include "requester_blocks.h"

/* Phases are named for what is awaited. */
enum {
    IDLE,     /* start() */
    SENDING,  /* output(), for the first time */
    ACK,      /* an acknowledgement, alone or with the answer */
    SEPARATE, /* the answer, after an empty acknowledgement */
    DONE,
    FAILED
};

#define SEGMENT_MAX     255u /* RFC 7252 section 5.10 */
#define ETAG_MAX        8u
#define BODY_MAX        ((size_t)1 << 24) /* 2^20 blocks of 16 bytes: what any size can number */
#define MESSAGE_MAX_MIN 64u

static const estoc_reply no_reply = {.content_format = ESTOC_FORMAT_NONE};

estoc_transmission estoc_transmission_default(void)
{
    return (estoc_transmission){2000, 1500, 4, 247000};
}

static uint32_t capped(uint64_t ms)
{
    return ms < UINT32_MAX ? (uint32_t)ms : UINT32_MAX;
}

uint32_t estoc_transmission_first_ms(const estoc_transmission *tx, uint16_t random)
{
    uint32_t permil = tx->ack_random_permil > 1000 ? tx->ack_random_permil - 1000 : 0;
    uint32_t spread = capped(estoc_divide((uint64_t)tx->ack_timeout_ms * permil, 1000));
    return capped(tx->ack_timeout_ms + estoc_divide((uint64_t)spread * random, UINT16_MAX));
}

static estoc_err fail(estoc_requester *q, estoc_err err)
{
    estoc_requester_drop(q);
    q->phase = FAILED;
    q->err = err;
    return err;
}

static uint16_t big_endian(const uint8_t b[2])
{
    return (uint16_t)(b[0] << 8 | b[1]);
}

static bool cfg_ok(const estoc_requester_cfg *cfg)
{
    return cfg->random.fill != NULL && cfg->szx <= ESTOC_SZX_MAX && cfg->tx.ack_timeout_ms > 0 &&
           cfg->tx.ack_random_permil >= 1000 &&
           (cfg->message_max == 0 ||
            (cfg->message_max >= MESSAGE_MAX_MIN && cfg->message_max <= ESTOC_MESSAGE_MAX));
}

estoc_err estoc_requester_init(estoc_requester *q, const estoc_requester_cfg *cfg)
{
    memset(q, 0, sizeof *q);
    if (!cfg_ok(cfg)) {
        return ESTOC_E_USAGE;
    }
    uint8_t mid[2];
    if (!cfg->random.fill(cfg->random.ctx, mid, sizeof mid)) {
        return ESTOC_E_RANDOM;
    }
    q->mid = big_endian(mid);
    q->cfg = *cfg;
    q->cfg.message_max = cfg->message_max > 0 ? cfg->message_max : ESTOC_MESSAGE_MAX;
    return ESTOC_OK;
}

static bool call_ok(const estoc_call *call)
{
    if (ESTOC_COAP_CLASS(call->method) != 0 || call->method == ESTOC_COAP_EMPTY ||
        call->path_n > ESTOC_CALL_PATH_MAX || call->query.len > SEGMENT_MAX ||
        call->etag.len > ETAG_MAX || call->body.len > BODY_MAX ||
        (call->answer.ptr == NULL && call->answer.cap > 0)) {
        return false;
    }
    for (size_t i = 0; i < call->path_n; i++) {
        if (call->path[i].len > SEGMENT_MAX) {
            return false;
        }
    }
    return true;
}

/* C6: what is due goes out under a message ID and a token of its own. */
static estoc_err next_message(estoc_requester *q)
{
    uint8_t r[sizeof q->token + 2];
    if (!q->cfg.random.fill(q->cfg.random.ctx, r, sizeof r)) {
        return ESTOC_E_RANDOM;
    }
    memcpy(q->token, r, sizeof q->token);
    q->timeout_ms = estoc_transmission_first_ms(&q->cfg.tx, big_endian(r + sizeof q->token));
    q->mid++;
    estoc_err err = estoc_requester_build(q);
    if (err) {
        return err;
    }
    q->retransmits = 0;
    q->deadline = q->now;
    q->phase = SENDING;
    return ESTOC_OK;
}

estoc_err estoc_requester_start(estoc_requester *q, estoc_ms now, const estoc_call *call)
{
    q->now = now;
    q->phase = IDLE;
    q->err = ESTOC_OK;
    q->sent_off = 0;
    q->answer_len = 0;
    q->blockwise1 = false;
    q->blockwise2 = false;
    q->restarted = false;
    q->reply = no_reply;
    if (q->cfg.random.fill == NULL || !call_ok(call)) {
        return ESTOC_E_USAGE;
    }
    q->call = *call;
    estoc_err err = estoc_requester_plan(q);
    return err ? err : next_message(q);
}

/* One of each may wait for output(). What a newer one replaces, the peer asks for again. */
static void reset(estoc_requester *q, uint16_t mid)
{
    q->send_rst = true;
    q->peer_mid = mid;
}

static void acknowledge(estoc_requester *q, uint16_t mid)
{
    q->send_ack = true;
    q->last_peer_mid = mid;
    q->has_last_peer_mid = true;
}

static estoc_err take_empty(estoc_requester *q, const estoc_coap_msg *msg)
{
    bool ours = (q->phase == ACK || q->phase == SEPARATE) && msg->mid == q->mid;
    if (msg->type == ESTOC_COAP_CON) {
        reset(q, msg->mid); /* a ping. RFC 7252 section 4.3 */
    } else if (msg->type == ESTOC_COAP_RST && ours) {
        return fail(q, ESTOC_E_RESET);
    } else if (msg->type == ESTOC_COAP_ACK && ours && q->phase == ACK) {
        q->phase = SEPARATE; /* L1; a second one does not prolong it */
        q->deadline = q->now + q->cfg.tx.response_ms;
    }
    return ESTOC_OK;
}

/* RFC 7252 section 5.3.2 */
static bool is_awaited(const estoc_requester *q, const estoc_coap_msg *msg)
{
    return (q->phase == ACK || q->phase == SEPARATE) &&
           (msg->type != ESTOC_COAP_ACK || msg->mid == q->mid) &&
           estoc_slice_eq(estoc_slice_of(msg->token, msg->token_len),
                          estoc_slice_of(q->token, sizeof q->token));
}

static void take_unexpected(estoc_requester *q, const estoc_coap_msg *msg)
{
    if (msg->type != ESTOC_COAP_CON) {
        return;
    }
    bool repeated = q->has_last_peer_mid && msg->mid == q->last_peer_mid;
    if (repeated && ESTOC_COAP_CLASS(msg->code) != 0) {
        acknowledge(q, msg->mid);
    } else {
        reset(q, msg->mid);
    }
}

static estoc_err take_response(estoc_requester *q, const estoc_coap_msg *msg)
{
    bool more;
    estoc_err err = estoc_requester_take(q, msg, &more);
    if (msg->type == ESTOC_COAP_CON) {
        if (err == ESTOC_E_OPTION) {
            reset(q, msg->mid); /* RFC 7252 section 5.4.1 */
        } else {
            acknowledge(q, msg->mid);
        }
    }
    if (!err && more) {
        err = next_message(q);
    } else if (!err) {
        q->phase = DONE;
    }
    return err ? fail(q, err) : ESTOC_OK;
}

estoc_err estoc_requester_input(estoc_requester *q, estoc_ms now, estoc_slice dg)
{
    q->now = now;
    q->traffic.received++;
    q->traffic.received_bytes += (uint32_t)dg.len;
    estoc_coap_msg msg;
    if (estoc_coap_parse(&msg, dg)) {
        uint8_t type;
        uint16_t mid;
        if (estoc_coap_peek(dg, &type, &mid) && type == ESTOC_COAP_CON) {
            reset(q, mid); /* C2 */
        }
        return ESTOC_OK;
    }
    if (msg.code == ESTOC_COAP_EMPTY) {
        return take_empty(q, &msg);
    }
    if (ESTOC_COAP_CLASS(msg.code) != 0 && is_awaited(q, &msg)) {
        return take_response(q, &msg);
    }
    take_unexpected(q, &msg);
    return ESTOC_OK;
}

static void count_retransmission(estoc_requester *q)
{
    q->retransmits++;
    q->timeout_ms = q->timeout_ms <= UINT32_MAX / 2 ? q->timeout_ms * 2 : UINT32_MAX;
    q->deadline += q->timeout_ms;
}

/* A caller that comes late misses what was due before: all copies stay inside MAX_TRANSMIT_SPAN,
 * and ACK_TIMEOUT apart.                                                 RFC 7252 section 4.2 */
static bool due_again(estoc_requester *q)
{
    const estoc_transmission *tx = &q->cfg.tx;
    if (q->now < q->deadline) {
        return false;
    }
    while (q->now >= q->deadline) {
        if (q->retransmits >= tx->max_retransmit) {
            fail(q, ESTOC_E_TIMEOUT);
            return false;
        }
        count_retransmission(q);
    }
    if (q->deadline - q->now < tx->ack_timeout_ms && q->retransmits < tx->max_retransmit) {
        count_retransmission(q);
    }
    q->traffic.retransmitted++;
    return true;
}

/* Whether the message in flight is to go out now. */
static bool due(estoc_requester *q)
{
    if (q->phase == SENDING) {
        q->phase = ACK;
        q->deadline = q->now + q->timeout_ms;
        return true;
    }
    if (q->phase == SEPARATE && q->now >= q->deadline) {
        fail(q, ESTOC_E_TIMEOUT);
    }
    return q->phase == ACK && due_again(q);
}

estoc_err estoc_requester_output(estoc_requester *q, estoc_ms now, estoc_buf out, size_t *len)
{
    *len = 0;
    if (out.cap < q->cfg.message_max || out.cap < MESSAGE_MAX_MIN) {
        return ESTOC_E_SPACE;
    }
    q->now = now;
    if (q->send_ack) {
        q->send_ack = false;
        *len = estoc_coap_empty(out.ptr, ESTOC_COAP_ACK, q->last_peer_mid);
    } else if (q->send_rst) {
        q->send_rst = false;
        *len = estoc_coap_empty(out.ptr, ESTOC_COAP_RST, q->peer_mid);
    } else if (due(q)) {
        memcpy(out.ptr, q->message, q->message_len);
        *len = q->message_len;
    } else {
        return q->phase == FAILED && q->err == ESTOC_E_TIMEOUT ? q->err : ESTOC_OK;
    }
    q->traffic.sent++;
    q->traffic.sent_bytes += (uint32_t)*len;
    return ESTOC_OK;
}

static bool wants_send(const estoc_requester *q)
{
    return q->send_ack || q->send_rst || q->phase == SENDING;
}

estoc_ms estoc_requester_deadline(const estoc_requester *q)
{
    if (wants_send(q)) {
        return 0; /* now */
    }
    return q->phase == ACK || q->phase == SEPARATE ? q->deadline : ESTOC_NEVER;
}

unsigned estoc_requester_state(const estoc_requester *q)
{
    static const uint8_t shows[] = {
        [SENDING] = ESTOC_REQUESTER_WAITING,  [ACK] = ESTOC_REQUESTER_WAITING,
        [SEPARATE] = ESTOC_REQUESTER_WAITING, [DONE] = ESTOC_REQUESTER_DONE,
        [FAILED] = ESTOC_REQUESTER_FAILED,
    };
    return shows[q->phase] | (wants_send(q) ? (unsigned)ESTOC_REQUESTER_WANT_SEND : 0u);
}

const estoc_reply *estoc_requester_reply(const estoc_requester *q)
{
    return q->phase == DONE ? &q->reply : &no_reply;
}

estoc_err estoc_requester_error(const estoc_requester *q)
{
    return q->err;
}

const estoc_traffic *estoc_requester_traffic(const estoc_requester *q)
{
    return &q->traffic;
}
