/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "responder_parts.h"

#define DIAGNOSTIC_MAX 64
#define BUSY_MAX_AGE_S 2
#define NUM_MAX        0xfffffu

/* What one message carries of an answer. */
typedef struct cut {
    estoc_slice payload;
    estoc_block block2;
    bool has_block2;
} cut;

uint32_t estoc_rsp_sum(estoc_slice s)
{
    uint32_t sum = 2166136261u;
    for (size_t i = 0; i < s.len; i++) {
        sum = (sum ^ s.ptr[i]) * 16777619u;
    }
    return sum;
}

/* Bytes of payload that fit beside the longest options. The same for each block of an answer, so
 * that they all have one size (RFC 7959 section 2.4). */
static size_t room_for(const estoc_responder *r, const estoc_answer *a)
{
    size_t etag = a->etag_len > 0 ? a->etag_len : 4;
    size_t header = 4 + ESTOC_COAP_TOKEN_MAX + 1 /* payload marker */;
    size_t options = 1 + etag + 3 /* Content-Format */ + (a->has_max_age ? 6 : 0) + 5 /* Block2 */ +
                     5 /* Block1 */ + 6 /* Size2 */;
    return r->cfg.message_max - header - options;
}

/* @return false if there is no such block */
static bool cut_body(const estoc_responder *r, const struct estoc_asked *asked,
                     const estoc_answer *a, cut *c)
{
    size_t room = room_for(r, a);
    uint8_t szx = estoc_block_szx_for(room);
    uint32_t num = asked->has_block2 ? asked->block2.num : 0;
    size_t offset = asked->has_block2 ? estoc_block_offset(asked->block2) : 0;
    /* B1, B4: ours, or what the client asked for; without Block2, what it used itself in Block1
     * (RFC 9148 Figures 3 and 4) */
    if (asked->has_block2 && asked->block2.szx < szx) {
        szx = asked->block2.szx;
    } else if (!asked->has_block2 && asked->has_block1 && asked->block1.szx < szx) {
        szx = asked->block1.szx;
        room = ESTOC_BLOCK_SIZE(szx);
    }
    *c = (cut){a->body, {0, false, szx}, asked->has_block2 && a->body.len > 0};
    if (!asked->has_block2 && a->body.len <= room) {
        return true;
    }
    if ((num > 0 && offset >= a->body.len) || offset >> (szx + 4u) > NUM_MAX) {
        return false;
    }
    size_t size = ESTOC_BLOCK_SIZE(szx);
    c->payload = estoc_slice_sub(a->body, offset, size);
    c->block2.num = (uint32_t)(offset >> (szx + 4u));
    c->block2.more = a->body.len - offset > size;
    c->has_block2 = a->body.len > 0;
    return true;
}

/* As an ACK, or as a message of our own if the request was a NON or has been acknowledged. */
static void send(estoc_responder *r, const struct estoc_asked *asked, const estoc_answer *a,
                 const cut *c)
{
    uint8_t type = asked->type == ESTOC_COAP_NON ? ESTOC_COAP_NON
                   : asked->acked                ? ESTOC_COAP_CON
                                                 : ESTOC_COAP_ACK;
    uint16_t mid = type == ESTOC_COAP_ACK ? asked->mid : r->next_mid++;
    estoc_coap_writer cw =
        estoc_coap_write_begin((estoc_buf){r->out, r->cfg.message_max}, type, a->code, mid,
                               estoc_slice_of(asked->token, asked->token_len));
    if (a->etag_len > 0) {
        estoc_coap_write_option(&cw, ESTOC_OPT_ETAG, estoc_slice_of(a->etag, a->etag_len));
    }
    if (a->format != ESTOC_FORMAT_NONE) {
        estoc_coap_write_uint(&cw, ESTOC_OPT_CONTENT_FORMAT, a->format);
    }
    if (a->has_max_age) {
        estoc_coap_write_uint(&cw, ESTOC_OPT_MAX_AGE, a->max_age_s);
    }
    if (c->has_block2) {
        estoc_coap_write_uint(&cw, ESTOC_OPT_BLOCK2, estoc_block_value(c->block2));
    }
    if (asked->has_block1) { /* "more" only says that this is not the final answer */
        estoc_block b = asked->block1;
        b.more = a->code == ESTOC_COAP_CONTINUE;
        estoc_coap_write_uint(&cw, ESTOC_OPT_BLOCK1, estoc_block_value(b));
    }
    if (asked->has_size2 && ESTOC_COAP_CLASS(a->code) == 2 && a->code != ESTOC_COAP_CONTINUE &&
        a->code != ESTOC_COAP_VALID) {
        estoc_coap_write_uint(&cw, ESTOC_OPT_SIZE2, (uint32_t)a->body.len);
    }
    if (a->code == ESTOC_COAP_TOO_LARGE) {
        estoc_coap_write_uint(&cw, ESTOC_OPT_SIZE1, (uint32_t)r->cfg.body_max);
    }
    estoc_coap_write_payload(&cw, c->payload);
    size_t len;
    if (estoc_coap_write_end(&cw, &len) != ESTOC_OK) {
        return; /* room_for and ESTOC_RESPONDER_MESSAGE_MIN see to it that everything fits */
    }
    r->out_len = (uint16_t)len;
    r->out_secret = a->secret;
    r->out_last = !c->block2.more;
    if (type == ESTOC_COAP_ACK) {
        estoc_rsp_keep_reply(r, mid);
    } else if (type == ESTOC_COAP_CON) {
        estoc_rsp_start_separate(r, mid);
    }
}

/* At most DIAGNOSTIC_MAX bytes, whole UTF-8 characters, never nothing (C4). */
static estoc_slice diagnostic(estoc_slice text)
{
    if (text.len > DIAGNOSTIC_MAX) {
        text.len = DIAGNOSTIC_MAX;
        while (text.len > 0 && (text.ptr[text.len] & 0xc0) == 0x80) {
            text.len--;
        }
    }
    return text.len > 0 ? text : estoc_slice_str("no reason given");
}

static void send_text(estoc_responder *r, const struct estoc_asked *asked, uint8_t code,
                      estoc_slice text, uint32_t max_age_s, bool has_max_age)
{
    estoc_answer bare = {.code = code,
                         .format = ESTOC_FORMAT_NONE,
                         .has_max_age = has_max_age,
                         .max_age_s = max_age_s};
    send(r, asked, &bare, &(cut){text, {0, false, 0}, false});
}

static void send_error(estoc_responder *r, const struct estoc_asked *asked, const estoc_answer *a)
{
    bool error = ESTOC_COAP_CLASS(a->code) == 4 || ESTOC_COAP_CLASS(a->code) == 5;
    send_text(r, asked, error ? a->code : ESTOC_COAP_INTERNAL_ERROR, diagnostic(a->body),
              a->max_age_s, a->has_max_age);
}

void estoc_rsp_refuse(estoc_responder *r, const struct estoc_asked *asked, uint8_t code,
                      const char *why)
{
    send_text(r, asked, code, estoc_slice_str(why), BUSY_MAX_AGE_S, code == ESTOC_COAP_UNAVAILABLE);
}

void estoc_rsp_continue(estoc_responder *r, const struct estoc_asked *asked)
{
    send_text(r, asked, ESTOC_COAP_CONTINUE, estoc_slice_of(NULL, 0), 0, false);
}

bool estoc_rsp_respond(estoc_responder *r, const struct estoc_asked *asked, estoc_answer *a)
{
    if (ESTOC_COAP_CLASS(a->code) != 2) {
        send_error(r, asked, a);
        return false;
    }
    cut c;
    if (!cut_body(r, asked, a, &c)) { /* row 124 */
        estoc_rsp_refuse(r, asked, ESTOC_COAP_BAD_REQUEST, "the answer has no such block");
        return false;
    }
    bool more = c.payload.len < a->body.len;
    if (more && a->etag_len == 0) {
        uint32_t sum = estoc_rsp_sum(a->body);
        for (size_t i = 0; i < 4; i++) {
            a->etag[i] = (uint8_t)(sum >> (24 - 8 * i));
        }
        a->etag_len = 4;
    }
    send(r, asked, a, &c);
    return more;
}

/* ------------------------------------------------------------------------------------ snapshots */

struct estoc_snapshot *estoc_rsp_snapshot(estoc_responder *r, uint8_t method)
{
    return &r->snapshot[method == ESTOC_COAP_GET ? 0 : 1];
}

static void put_answer(estoc_responder *r, void *owner)
{
    if (owner != NULL) {
        r->cfg.ops->answer_put(r->cfg.ctx, owner);
    }
}

void estoc_rsp_drop_snapshot(estoc_responder *r, struct estoc_snapshot *s)
{
    if (s->valid) {
        put_answer(r, s->answer.owner);
    }
    if (s->answer.secret) {
        estoc_rsp_forget_secrets(r);
    }
    memset(s, 0, sizeof *s);
}

void estoc_rsp_hold(estoc_responder *r, struct estoc_snapshot *s)
{
    uint32_t ms = r->cfg.answer_ms;
    if (s->answer.secret && ms > ESTOC_SECRET_MS) {
        ms = ESTOC_SECRET_MS;
    }
    s->expires = estoc_rsp_after(r, ms);
    s->done = s->done || (r->out_secret && r->out_last);
}

/* What a client may ask for again: the rest of a body in blocks, and the answer to a body that came
 * in blocks, should its last block come once more (X4). And what must be wiped. */
static void keep_answer(estoc_responder *r, const estoc_answer *a, bool more)
{
    bool final = ESTOC_COAP_CLASS(a->code) == 2 && r->request.method != ESTOC_COAP_GET &&
                 r->request_final.block.num > 0;
    if (!more && !final && !a->secret) {
        put_answer(r, a->owner);
        return;
    }
    struct estoc_snapshot *s = estoc_rsp_snapshot(r, r->request.method);
    estoc_rsp_drop_snapshot(r, s);
    s->valid = true;
    s->mid = r->asked.mid;
    s->final = r->request_final;
    s->answer = *a;
    s->key = r->request_key;
    estoc_rsp_hold(r, s);
}

estoc_err estoc_responder_answer(estoc_responder *r, estoc_ms now, const estoc_answer *a)
{
    if (r->cfg.ops == NULL) { /* closed: nobody is left to give it back to */
        return ESTOC_E_STATE;
    }
    if (!r->awaiting || r->out_len > 0) {
        put_answer(r, a->owner);
        return ESTOC_E_STATE;
    }
    r->now = now;
    estoc_answer mine = *a;
    bool more = estoc_rsp_respond(r, &r->asked, &mine);
    keep_answer(r, &mine, more);
    if (r->request_body.ptr != NULL) {
        r->cfg.ops->body_put(r->cfg.ctx, r->request_body);
    }
    r->request_body = (estoc_buf){NULL, 0};
    memset(&r->request, 0, sizeof r->request);
    r->awaiting = false;
    return ESTOC_OK;
}
