/* SPDX-License-Identifier: MIT */
#include <string.h>

#include <estoc/block.h>

#include "options.h"
#include "requester_blocks.h"

/* Header, token, ETag, Content-Format, Max-Age, both Blocks, payload marker of an answer: what a
 * block of it must leave room for. */
#define ANSWER_HEAD 32u
/* Block1 and Size1 of the first block of a body. */
#define BLOCK1_HEAD   8u
#define BLOCK_NUM_MAX 0xfffffu
#define MAX_AGE_S     60u /* RFC 7252 section 5.10.5 */

/* ---- requests ---- */

struct parts {
    bool has_block1, has_block2, has_size1;
    estoc_block block1, block2;
    estoc_slice payload;
};

static estoc_err write_request(estoc_requester *q, const struct parts *p)
{
    const estoc_call *call = &q->call;
    estoc_coap_writer cw =
        estoc_coap_write_begin((estoc_buf){q->message, q->cfg.message_max}, ESTOC_COAP_CON,
                               call->method, q->mid, estoc_slice_of(q->token, sizeof q->token));
    if (call->etag.len > 0) {
        estoc_coap_write_option(&cw, ESTOC_OPT_ETAG, call->etag);
    }
    for (size_t i = 0; i < call->path_n; i++) {
        estoc_coap_write_option(&cw, ESTOC_OPT_URI_PATH, call->path[i]);
    }
    if (call->content_format != ESTOC_FORMAT_NONE) {
        estoc_coap_write_uint(&cw, ESTOC_OPT_CONTENT_FORMAT, call->content_format);
    }
    if (call->query.len > 0) {
        estoc_coap_write_option(&cw, ESTOC_OPT_URI_QUERY, call->query);
    }
    if (call->accept != ESTOC_FORMAT_NONE) {
        estoc_coap_write_uint(&cw, ESTOC_OPT_ACCEPT, call->accept);
    }
    if (p->has_block2) {
        estoc_coap_write_uint(&cw, ESTOC_OPT_BLOCK2, estoc_block_value(p->block2));
    }
    if (p->has_block1) {
        estoc_coap_write_uint(&cw, ESTOC_OPT_BLOCK1, estoc_block_value(p->block1));
    }
    if (p->has_size1) {
        estoc_coap_write_uint(&cw, ESTOC_OPT_SIZE1, (uint32_t)call->body.len);
    }
    estoc_coap_write_payload(&cw, p->payload);
    size_t len;
    estoc_err err = estoc_coap_write_end(&cw, &len);
    q->message_len = (uint16_t)len;
    return err;
}

/* Where the block in flight ends in the body. */
static size_t sent_end(const estoc_requester *q)
{
    size_t size = q->blockwise1 ? ESTOC_BLOCK_SIZE(q->szx) : q->call.body.len;
    size_t left = q->call.body.len - q->sent_off;
    return q->sent_off + (size < left ? size : left);
}

static bool is_last(const estoc_requester *q)
{
    return sent_end(q) == q->call.body.len;
}

static uint32_t sent_num(const estoc_requester *q)
{
    return q->sent_off >> (q->szx + 4u);
}

estoc_err estoc_requester_build(estoc_requester *q)
{
    struct parts p;
    memset(&p, 0, sizeof p);
    if (q->blockwise2) {
        /* the same options again, but no payload. RFC 7959 sections 2.4 and 2.7 */
        p.has_block2 = true;
        p.block2 = (estoc_block){q->answer_len >> (q->szx2 + 4u), false, q->szx2};
        return write_request(q, &p);
    }
    p.payload = estoc_slice_sub(q->call.body, q->sent_off, sent_end(q) - q->sent_off);
    if (q->blockwise1) {
        p.has_block1 = true;
        p.block1 = (estoc_block){sent_num(q), !is_last(q), q->szx};
        p.has_size1 = q->sent_off == 0;
    }
    if (is_last(q) && q->szx2 < ESTOC_SZX_MAX) {
        /* B1: else the first block could be larger than what passes. RFC 7959 Figure 11 */
        p.has_block2 = true;
        p.block2 = (estoc_block){0, false, q->szx2};
    }
    return write_request(q, &p);
}

static uint8_t min_szx(uint8_t a, uint8_t b)
{
    return a < b ? a : b;
}

estoc_err estoc_requester_plan(estoc_requester *q)
{
    q->szx = q->cfg.szx;
    q->szx2 = min_szx(q->cfg.szx, estoc_block_szx_for(q->cfg.message_max - ANSWER_HEAD));
    struct parts longest; /* a request for the last block there can be */
    memset(&longest, 0, sizeof longest);
    longest.has_block2 = true;
    longest.block2 = (estoc_block){BLOCK_NUM_MAX, false, q->szx2};
    estoc_err err = write_request(q, &longest);
    if (err) {
        return err;
    }
    if (q->szx == ESTOC_SZX_MAX || q->call.body.len <= ESTOC_BLOCK_SIZE(q->szx)) {
        err = estoc_requester_build(q);
        if (err != ESTOC_E_SPACE) {
            return err;
        }
    }
    /* A later block is no longer than the first: its number takes up to two bytes more and Block2
     * in the last one up to two, but Size1 is gone, which takes three, and four for a body past 255
     * bytes, five for one of more than 4,096 blocks. */
    q->blockwise1 = true;
    err = estoc_requester_build(q);
    while (err == ESTOC_E_SPACE && q->szx > 0) {
        q->szx--;
        err = estoc_requester_build(q);
    }
    return err;
}

/* ---- answers ---- */

struct options {
    estoc_opt_numbers n;
    estoc_block block1, block2;
    estoc_slice etag;
};

/* Only what may stand in an answer; anything else is unrecognised there.  RFC 7252 section 5.4 */
static bool belongs(uint16_t number)
{
    switch (number) {
    case ESTOC_OPT_ETAG:
    case ESTOC_OPT_CONTENT_FORMAT:
    case ESTOC_OPT_MAX_AGE:
    case ESTOC_OPT_BLOCK2:
    case ESTOC_OPT_BLOCK1:
    case ESTOC_OPT_SIZE1:
        return true;
    default:
        return false;
    }
}

/* A wrong length and a repetition make an option unrecognised.
 *                                                   RFC 7252 sections 5.4.1, 5.4.3 and 5.4.5 */
static estoc_err read_options(const estoc_coap_msg *msg, struct options *o)
{
    *o = (struct options){.n = {.v = {[FORMAT] = ESTOC_FORMAT_NONE, [MAX_AGE] = MAX_AGE_S}}};
    estoc_coap_opts it = estoc_coap_opts_of(msg->options);
    estoc_coap_opt opt;
    uint32_t before = UINT32_MAX;
    estoc_err err = ESTOC_OK;
    while (estoc_coap_opts_next(&it, &opt)) {
        bool recognised = belongs(opt.number) && estoc_opt_recognised(&opt, before);
        before = opt.number;
        if (!recognised && ESTOC_OPT_IS_CRITICAL(opt.number)) {
            return ESTOC_E_OPTION; /* before any other fault: the message is reset */
        }
        if (recognised && opt.number == ESTOC_OPT_ETAG) {
            o->etag = o->etag.len > 0 ? o->etag : opt.value;
        } else if (recognised && !estoc_opt_take(&o->n, &opt)) {
            err = ESTOC_E_BLOCK;
        }
    }
    o->block1 = estoc_block_of(o->n.v[BLOCK1]);
    o->block2 = estoc_block_of(o->n.v[BLOCK2]);
    return err;
}

static void note(estoc_requester *q, uint8_t code, const struct options *o)
{
    q->reply.code = code;
    q->reply.content_format = (uint16_t)o->n.v[FORMAT];
    q->reply.has_max_age = o->n.has[MAX_AGE];
    q->reply.max_age_s = o->n.v[MAX_AGE];
    q->reply.etag_len = (uint8_t)o->etag.len;
    if (o->etag.len > 0) {
        memcpy(q->reply.etag, o->etag.ptr, o->etag.len);
    }
}

void estoc_requester_drop(estoc_requester *q)
{
    if (q->answer_len > 0) {
        estoc_wipe(q->call.answer.ptr, q->answer_len); /* it may be a key. RFC 9148 section 4.8 */
    }
    q->answer_len = 0;
    memset(&q->reply, 0, sizeof q->reply);
    q->reply.content_format = ESTOC_FORMAT_NONE;
}

/* Send the body again from its start.
 * 4.08: the server lost it, or never had it all; once, and not if it was the first block.
 * 4.13: it asks for blocks, or for smaller ones (RFC 7959 section 2.9.3); not if it says that the
 * whole is too large. Each time the blocks get smaller, so this ends. */
static bool restart(estoc_requester *q, uint8_t code, const struct options *o)
{
    if (q->blockwise2 || q->call.body.len == 0) {
        return false;
    }
    if (code == ESTOC_COAP_INCOMPLETE && q->sent_off > 0 && !q->restarted) {
        q->restarted = true;
        q->sent_off = 0;
        return true;
    }
    if (code != ESTOC_COAP_TOO_LARGE || (o->n.has[SIZE1] && o->n.v[SIZE1] < q->call.body.len)) {
        return false;
    }
    uint8_t szx = o->n.has[BLOCK1] ? min_szx(q->szx, o->block1.szx) : q->szx;
    bool smaller = szx < q->szx;
    if (!q->blockwise1) { /* the whole fits a message: its first block must do so too */
        size_t len = q->call.body.len;
        szx = min_szx(szx, estoc_block_szx_for(len > BLOCK1_HEAD ? len - BLOCK1_HEAD : 0));
        smaller = ESTOC_BLOCK_SIZE(szx) + BLOCK1_HEAD <= len;
    }
    if (smaller) {
        q->blockwise1 = true;
        q->szx = szx;
        q->sent_off = 0;
    }
    return smaller;
}

/* At most the diagnostic's room, and no cut inside a character.          RFC 7252 section 5.5.2 */
static estoc_slice keep_text(estoc_requester *q, estoc_slice text)
{
    size_t len = text.len;
    if (len > sizeof q->diagnostic) {
        len = sizeof q->diagnostic;
        while (len > 0 && (text.ptr[len] & 0xc0) == 0x80) {
            len--;
        }
    }
    if (len > 0) {
        memcpy(q->diagnostic, text.ptr, len);
    }
    return estoc_slice_of(q->diagnostic, len);
}

static estoc_err take_refusal(estoc_requester *q, const estoc_coap_msg *msg,
                              const struct options *o, bool *more)
{
    estoc_requester_drop(q);
    if (restart(q, msg->code, o)) {
        *more = true;
        return ESTOC_OK;
    }
    note(q, msg->code, o);
    q->reply.body = keep_text(q, msg->payload);
    return ESTOC_OK;
}

/* To a block that is not the last: 2.31, or 2.xx from a server that acts on each.
 *                                               RFC 7959 sections 2.3 and 2.5, Figures 7 to 9 */
static estoc_err take_continue(estoc_requester *q, const struct options *o, bool *more)
{
    if (!o->n.has[BLOCK1] || o->block1.num != sent_num(q) || o->n.has[BLOCK2]) {
        return ESTOC_E_BLOCK;
    }
    q->sent_off = (uint32_t)sent_end(q);
    q->szx = min_szx(q->szx, o->block1.szx);
    *more = true;
    return ESTOC_OK;
}

static estoc_err append(estoc_requester *q, estoc_slice payload)
{
    if (payload.len > q->call.answer.cap - q->answer_len) {
        return ESTOC_E_LIMIT;
    }
    if (payload.len > 0) {
        memcpy(q->call.answer.ptr + q->answer_len, payload.ptr, payload.len);
    }
    q->answer_len += (uint32_t)payload.len;
    q->reply.body = estoc_slice_of(q->call.answer.ptr, q->answer_len);
    return ESTOC_OK;
}

/* Whether this block is of the body we have the first part of.    RFC 7959 sections 2.3, 2.4 */
static bool same_body(const estoc_requester *q, const estoc_coap_msg *msg, const struct options *o)
{
    return msg->code == q->reply.code && o->n.v[FORMAT] == q->reply.content_format &&
           estoc_slice_eq(o->etag, estoc_slice_of(q->reply.etag, q->reply.etag_len));
}

static estoc_err take_block(estoc_requester *q, const estoc_coap_msg *msg, const struct options *o,
                            bool *more)
{
    const estoc_block *b = &o->block2;
    if (b->szx > q->szx2 || estoc_block_offset(*b) != q->answer_len ||
        (b->more && msg->payload.len != ESTOC_BLOCK_SIZE(b->szx)) ||
        (q->blockwise2 && !same_body(q, msg, o))) {
        return ESTOC_E_BLOCK;
    }
    note(q, msg->code, o); /* Max-Age is that of the last block: RFC 7959 section 2.10 */
    estoc_err err = append(q, msg->payload);
    if (!err && b->more && b->num == BLOCK_NUM_MAX) {
        err = ESTOC_E_LIMIT;
    }
    q->szx2 = b->szx;
    q->blockwise2 = true;
    *more = !err && b->more;
    return err;
}

static estoc_err take_success(estoc_requester *q, const estoc_coap_msg *msg,
                              const struct options *o, bool *more)
{
    bool uploading = q->blockwise1 && !q->blockwise2;
    if (uploading && !is_last(q)) {
        return take_continue(q, o, more);
    }
    if (msg->code == ESTOC_COAP_CONTINUE) {
        return ESTOC_E_PROTOCOL;
    }
    if (uploading && o->n.has[BLOCK1] && o->block1.num != sent_num(q)) {
        return ESTOC_E_BLOCK;
    }
    if (o->n.has[BLOCK2] && msg->code != ESTOC_COAP_VALID) {
        return take_block(q, msg, o, more);
    }
    if (q->blockwise2) {
        return ESTOC_E_BLOCK;
    }
    note(q, msg->code, o);
    /* E2: 2.03 has no payload. RFC 7252 section 5.9.1.3 */
    return msg->code == ESTOC_COAP_VALID ? ESTOC_OK : append(q, msg->payload);
}

estoc_err estoc_requester_take(estoc_requester *q, const estoc_coap_msg *msg, bool *more)
{
    *more = false;
    struct options o;
    estoc_err err = read_options(msg, &o);
    if (err) {
        return err;
    }
    return ESTOC_COAP_CLASS(msg->code) == 2 ? take_success(q, msg, &o, more)
                                            : take_refusal(q, msg, &o, more);
}
