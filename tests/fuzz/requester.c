/* SPDX-License-Identifier: MIT
 *
 * Input: a request, then what its peer sends, message after message, with time between.
 *
 *   byte 0     bits 0-2 block size exponent (7: as 6), bit 3 POST with a body, bit 4 small messages
 *   bytes 1-2  length of the body
 *   bytes 3-4  room for the answer
 *   then records: byte 0   bits 0-1 type, bit 2 with the ID in flight, bit 3 with the token in flight,
 *                          bits 4-7 time before it
 *                 byte 1   length of what follows: bits 3 and 2 clear: a datagram; else code, options
 *                          and payload marker and payload
 *
 * The header of most messages is written here, as no fuzzer guesses a token.
 */
#include <string.h>

#include <estoc/block.h>
#include <estoc/requester.h>

#include "check.h"

enum { BODY_MAX = 3000, ROOM_MAX = 3000, GUARD = 32, SMALL = 80 };

struct run {
    estoc_requester q;
    estoc_call call;
    estoc_ms now;
    size_t message_max;
    estoc_coap_msg req; /* the last request; slices not used */
    unsigned requests;
    uint32_t random;
};

static uint8_t body[BODY_MAX];
static uint8_t room[ROOM_MAX + GUARD];

static bool fill(void *ctx, uint8_t *out, size_t len)
{
    struct run *r = ctx;
    for (size_t i = 0; i < len; i++) {
        r->random = r->random * 1664525u + 1013904223u;
        out[i] = (uint8_t)(r->random >> 24);
    }
    return true;
}

static void check_block1(const struct run *r, const estoc_coap_msg *m)
{
    estoc_slice value;
    estoc_block b = {0, false, 0};
    bool blocks = estoc_coap_opt_find(m->options, ESTOC_OPT_BLOCK1, &value);
    if (blocks) {
        CHECK(estoc_block_parse(value, &b) == ESTOC_OK);
        CHECK(!b.more || m->payload.len == ESTOC_BLOCK_SIZE(b.szx));
        CHECK(m->payload.len > 0 && m->payload.len <= ESTOC_BLOCK_SIZE(b.szx));
    }
    size_t from = estoc_block_offset(b);
    estoc_slice all = r->call.body;
    CHECK(estoc_slice_eq(m->payload, estoc_slice_sub(all, from, m->payload.len)));
    if (m->payload.len > 0) {
        CHECK(b.more == (from + m->payload.len < all.len));
    }
}

static void check_request(struct run *r, const estoc_coap_msg *m, bool again)
{
    estoc_slice value;
    estoc_block b;
    CHECK(m->type == ESTOC_COAP_CON && m->code == r->call.method && m->token_len == 4);
    if (estoc_coap_opt_find(m->options, ESTOC_OPT_BLOCK2, &value)) {
        CHECK(estoc_block_parse(value, &b) == ESTOC_OK && !b.more);
        CHECK(b.num == 0 || m->payload.len == 0);
    }
    check_block1(r, m);
    CHECK(again == (r->requests > 0 && m->mid == r->req.mid));
    r->requests += !again;
    r->req = *m;
}

static void check_sent(struct run *r, estoc_slice dg, bool again)
{
    estoc_coap_msg m;
    CHECK(dg.len <= r->message_max);
    CHECK(estoc_coap_parse(&m, dg) == ESTOC_OK);
    if (m.code == ESTOC_COAP_EMPTY) {
        CHECK(m.type == ESTOC_COAP_ACK || m.type == ESTOC_COAP_RST);
    } else {
        check_request(r, &m, again);
    }
}

static void check_state(const struct run *r)
{
    const estoc_requester *q = &r->q;
    unsigned state = estoc_requester_state(q);
    unsigned at = state & ~(unsigned)ESTOC_REQUESTER_WANT_SEND;
    CHECK(at == ESTOC_REQUESTER_WAITING || at == ESTOC_REQUESTER_DONE ||
          at == ESTOC_REQUESTER_FAILED);
    estoc_err err = estoc_requester_error(q);
    CHECK((err != ESTOC_OK) == (at == ESTOC_REQUESTER_FAILED));
    CHECK(err != ESTOC_E_SPACE && err != ESTOC_E_USAGE && err != ESTOC_E_INTERNAL);
    const estoc_reply *reply = estoc_requester_reply(q);
    CHECK((reply->code != 0) == (at == ESTOC_REQUESTER_DONE));
    CHECK(ESTOC_COAP_CLASS(reply->code) != 2 || reply->code != ESTOC_COAP_CONTINUE);
    bool refused = ESTOC_COAP_CLASS(reply->code) > 2;
    CHECK(!refused || reply->body.len <= sizeof q->diagnostic);
    CHECK(check_inside(reply->body, refused ? estoc_slice_of(q, sizeof *q)
                                            : estoc_slice_of(room, r->call.answer.cap)));
    CHECK(reply->etag_len <= 8);
    CHECK((estoc_requester_deadline(q) == ESTOC_NEVER) == (state == at && at > 2));
    for (size_t i = r->call.answer.cap; i < sizeof room; i++) {
        CHECK(room[i] == 0xa5);
    }
}

/* All that is to be sent now: an acknowledgement, a reset and a request at most. */
static void drain(struct run *r)
{
    uint8_t out[ESTOC_MESSAGE_MAX];
    size_t len = 1;
    for (int i = 0; len > 0; i++) {
        uint32_t before = estoc_requester_traffic(&r->q)->retransmitted;
        estoc_err err =
            estoc_requester_output(&r->q, r->now, (estoc_buf){out, r->message_max}, &len);
        CHECK(err == ESTOC_OK || (err == ESTOC_E_TIMEOUT && len == 0));
        CHECK(i <= 3);
        if (len > 0) {
            bool again = estoc_requester_traffic(&r->q)->retransmitted != before;
            check_sent(r, estoc_slice_of(out, len), again);
        }
        check_state(r);
    }
    CHECK((estoc_requester_state(&r->q) & ESTOC_REQUESTER_WANT_SEND) == 0);
}

static size_t header(const struct run *r, uint8_t head, uint8_t code, uint8_t *out)
{
    uint8_t token_len = (head & 8) != 0 ? r->req.token_len : 1;
    uint16_t mid = (head & 4) != 0 ? r->req.mid : (uint16_t)(r->now & 3);
    out[0] = (uint8_t)(0x40 | (head & 3) << 4 | token_len);
    out[1] = code;
    out[2] = (uint8_t)(mid >> 8);
    out[3] = (uint8_t)mid;
    memcpy(out + 4, r->req.token, token_len);
    return 4u + token_len;
}

static void give(struct run *r, uint8_t head, estoc_slice rest)
{
    uint8_t dg[300];
    size_t len = 0;
    if ((head & 12) != 0 && rest.len > 0) {
        len = header(r, head, rest.ptr[0], dg);
        rest = estoc_slice_sub(rest, 1, rest.len);
        if (dg[1] == 0) { /* an empty message has no token */
            dg[0] &= 0xf0;
            len = 4;
        }
    }
    if (rest.len > 0) {
        memcpy(dg + len, rest.ptr, rest.len);
        len += rest.len;
    }
    uint8_t *exact = malloc(len > 0 ? len : 1);
    CHECK(exact != NULL);
    memcpy(exact, dg, len);
    unsigned before = estoc_requester_state(&r->q);
    estoc_err err = estoc_requester_input(&r->q, r->now, estoc_slice_of(exact, len));
    memset(exact, 0xee, len); /* nothing may point into it */
    free(exact);
    CHECK(err == ESTOC_OK ||
          (err == estoc_requester_error(&r->q) && (before & ESTOC_REQUESTER_WAITING) != 0));
    check_state(r);
}

static estoc_err begin(struct run *r, estoc_reader *in)
{
    uint8_t mode = estoc_read_u8(in);
    size_t body_len = estoc_read_u16(in) % (BODY_MAX + 1u);
    size_t cap = estoc_read_u16(in) % (ROOM_MAX + 1u);
    r->message_max = (mode & 16) != 0 ? SMALL : ESTOC_MESSAGE_MAX;
    estoc_requester_cfg cfg = {.random = {r, fill},
                               .tx = estoc_transmission_default(),
                               .message_max = r->message_max,
                               .szx = (mode & 7) <= ESTOC_SZX_MAX ? mode & 7 : ESTOC_SZX_MAX};
    r->call = (estoc_call){.method = (mode & 8) != 0 ? ESTOC_COAP_POST : ESTOC_COAP_GET,
                           .path_n = 2,
                           .content_format = ESTOC_FORMAT_PKCS10,
                           .accept = ESTOC_FORMAT_CERTS,
                           .answer = {room, cap}};
    r->call.path[0] = estoc_slice_str("est");
    r->call.path[1] = estoc_slice_str("sen");
    if ((mode & 8) != 0) {
        r->call.body = estoc_slice_of(body, body_len);
    }
    estoc_err err = estoc_requester_init(&r->q, &cfg);
    return err ? err : estoc_requester_start(&r->q, r->now, &r->call);
}

/* Silence now ends every exchange: at most MAX_RETRANSMIT copies and a time-out. */
static void fall_silent(struct run *r)
{
    for (int i = 0; (estoc_requester_state(&r->q) & ESTOC_REQUESTER_WAITING) != 0; i++) {
        CHECK(i <= 5);
        estoc_ms due = estoc_requester_deadline(&r->q);
        CHECK(due != ESTOC_NEVER && due > r->now);
        r->now = due;
        drain(r);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint32_t steps_ms[16] = {0,    0,    0,    0,    0,     1,     500,   1999,
                                          2000, 3000, 4500, 9000, 20000, 62000, 93000, 247000};
    static struct run r;
    estoc_reader in = estoc_reader_of(estoc_slice_of(data, size));
    memset(&r, 0, sizeof r);
    memset(room, 0xa5, sizeof room);
    for (size_t i = 0; i < BODY_MAX; i++) {
        body[i] = (uint8_t)(i * 7 + (i >> 8));
    }
    r.now = 1000;
    CHECK(begin(&r, &in) == ESTOC_OK);
    drain(&r);
    while (estoc_reader_left(&in) > 0 && in.err == ESTOC_OK) {
        uint8_t head = estoc_read_u8(&in);
        size_t len = estoc_read_u8(&in);
        estoc_slice rest = estoc_read_bytes(&in, len < in.rest.len ? len : in.rest.len);
        r.now += steps_ms[head >> 4];
        if ((head & 0x10) != 0) { /* else the caller was busy, and took this first */
            drain(&r);
        }
        give(&r, head, rest);
        drain(&r);
    }
    fall_silent(&r);
    return 0;
}
