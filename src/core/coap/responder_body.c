/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "responder_parts.h"

static void refuse(estoc_responder *r, const estoc_incoming *in, uint8_t code, const char *why)
{
    estoc_rsp_refuse(r, &in->asked, code, why);
}

static void put_body(estoc_responder *r, estoc_buf *body)
{
    if (body->ptr != NULL) {
        r->cfg.ops->body_put(r->cfg.ctx, *body);
    }
    *body = (estoc_buf){NULL, 0};
}

void estoc_rsp_drop_body(estoc_responder *r)
{
    put_body(r, &r->body);
    r->body_len = 0;
    r->assembling = false;
}

/* Append to a body. False: it has been answered why not. */
static bool append(estoc_responder *r, const estoc_incoming *in, estoc_buf *body, size_t *len)
{
    estoc_slice more = in->req.body;
    if (in->size1 > r->cfg.body_max || more.len > r->cfg.body_max - *len) {
        refuse(r, in, ESTOC_COAP_TOO_LARGE, "the body is too large"); /* C4, B2 */
        return false;
    }
    if (*len + more.len > body->cap && !r->cfg.ops->body_room(r->cfg.ctx, *len + more.len, body)) {
        refuse(r, in, ESTOC_COAP_UNAVAILABLE, "no room for the body now");
        return false;
    }
    if (more.len > 0) {
        memcpy(body->ptr + *len, more.ptr, more.len);
        *len += more.len;
    }
    return true;
}

/* The request is complete: hand it to the owner. `body` passes to the request. */
static void raise(estoc_responder *r, const estoc_incoming *in, estoc_buf body, size_t len)
{
    r->request = in->req;
    r->request_key = in->key;
    estoc_rsp_strings(&r->request, estoc_slice_of(r->request_key.bytes, r->request_key.len));
    if (in->asked.block2.num > 0) {
        r->request.etag_n = 0;
    }
    r->request_body = body;
    r->request.body = estoc_slice_of(body.ptr, len);
    r->request_final =
        (struct estoc_final){in->asked.block1, in->req.body.len, estoc_rsp_sum(in->req.body)};
    r->asked = in->asked;
    r->ack_due = estoc_rsp_after(r, r->cfg.ack_delay_ms);
    r->awaiting = true;
    if (in->req.method == ESTOC_COAP_GET) {
        return;
    }
    struct estoc_seen *seen = estoc_rsp_seen(r, in->asked.mid);
    if (seen != NULL) {
        seen->acted = true;
    }
    /* the answer to an earlier one like it is not the answer to this */
    struct estoc_snapshot *s = estoc_rsp_snapshot(r, in->req.method);
    if (s->valid && estoc_rsp_same_key(&s->key, &in->key)) {
        estoc_rsp_drop_snapshot(r, s);
    }
}

/* The next block of the body in assembly. */
static void add_block(estoc_responder *r, const estoc_incoming *in)
{
    if (!in->asked.block1.more && r->awaiting) { /* the block may come again */
        refuse(r, in, ESTOC_COAP_UNAVAILABLE, "another request is being answered");
        return;
    }
    if (!append(r, in, &r->body, &r->body_len)) {
        estoc_rsp_drop_body(r);
        return;
    }
    r->block_expires = estoc_rsp_after(r, r->cfg.block_ms);
    if (in->asked.block1.more) {
        estoc_rsp_continue(r, &in->asked);
        return;
    }
    estoc_buf body = r->body;
    size_t len = r->body_len;
    r->body = (estoc_buf){NULL, 0};
    estoc_rsp_drop_body(r);
    raise(r, in, body, len);
}

/* Whether the owner lets it go on. False: it has been answered why not. */
static bool admitted(estoc_responder *r, const estoc_incoming *in)
{
    estoc_answer refusal = {0};
    if (r->cfg.ops->admit(r->cfg.ctx, &in->req, &refusal)) {
        return true;
    }
    (void)estoc_rsp_respond(r, &in->asked, &refusal);
    if (refusal.owner != NULL) {
        r->cfg.ops->answer_put(r->cfg.ctx, refusal.owner);
    }
    return false;
}

/* A request that is new: its only or its first message. */
static void begin(estoc_responder *r, const estoc_incoming *in)
{
    if (!admitted(r, in)) {
        return;
    }
    if (!in->key_fits) {
        refuse(r, in, ESTOC_COAP_BAD_REQUEST, "too many options");
        return;
    }
    if (r->awaiting) { /* HC 194 */
        refuse(r, in, ESTOC_COAP_UNAVAILABLE, "another request is being answered");
        return;
    }
    if (in->asked.has_block1 && in->asked.block1.more) {
        estoc_rsp_drop_body(r); /* at most one in assembly: row 137 */
        r->key = in->key;
        r->body_format = in->req.content_format;
        r->body_expires = estoc_rsp_after(r, r->cfg.body_ms);
        r->assembling = true;
        add_block(r, in);
        return;
    }
    estoc_buf body = {NULL, 0};
    size_t len = 0;
    if (append(r, in, &body, &len)) {
        raise(r, in, body, len);
    }
}

static bool of_body(const estoc_responder *r, const estoc_incoming *in)
{
    return r->assembling && estoc_rsp_same_key(&r->key, &in->key) &&
           r->body_format == in->req.content_format;
}

/* A block that the body in assembly has already: said to be taken once more, row 134. */
static bool has_block(const estoc_responder *r, const estoc_incoming *in)
{
    size_t offset = estoc_block_offset(in->asked.block1);
    estoc_slice body = estoc_slice_of(r->body.ptr, r->body_len);
    return of_body(r, in) && in->asked.has_block1 && in->asked.block1.more &&
           estoc_slice_eq(estoc_slice_sub(body, offset, in->req.body.len), in->req.body);
}

/* The last block of a body whose request has its answer: X4. */
static bool is_final_of(const struct estoc_snapshot *s, const estoc_incoming *in)
{
    estoc_block b = in->asked.block1;
    return s->valid && estoc_rsp_same_key(&s->key, &in->key) && s->final.block.num > 0 &&
           estoc_block_value(b) == estoc_block_value(s->final.block) &&
           in->req.body.len == s->final.len && estoc_rsp_sum(in->req.body) == s->final.sum;
}

static void answer_again(estoc_responder *r, const estoc_incoming *in, struct estoc_snapshot *s)
{
    (void)estoc_rsp_respond(r, &in->asked, &s->answer);
    estoc_rsp_hold(r, s);
}

void estoc_rsp_drop_delivered(estoc_responder *r, const estoc_incoming *in)
{
    if (r->separate_active && r->separate_secret) {
        return;
    }
    for (size_t i = 0; i < 2; i++) {
        struct estoc_snapshot *s = &r->snapshot[i];
        bool asked = (in->asked.has_block2 && in->asked.block2.num > 0) || is_final_of(s, in);
        if (s->done && !(asked && estoc_rsp_same_key(&s->key, &in->key))) {
            estoc_rsp_drop_snapshot(r, s);
        }
    }
}

static void later_block(estoc_responder *r, const estoc_incoming *in)
{
    struct estoc_snapshot *s = estoc_rsp_snapshot(r, in->req.method);
    if (of_body(r, in) && estoc_block_offset(in->asked.block1) == r->body_len) {
        add_block(r, in);
    } else if (is_final_of(s, in)) {
        answer_again(r, in, s);
    } else if (has_block(r, in)) {
        estoc_rsp_continue(r, &in->asked);
    } else if (admitted(r, in)) { /* RFC 7959 section 2.9.2 */
        refuse(r, in, ESTOC_COAP_INCOMPLETE, "earlier blocks are missing, start again");
    }
}

/* A further block of an answer. */
static void block_of_answer(estoc_responder *r, const estoc_incoming *in)
{
    struct estoc_snapshot *s = estoc_rsp_snapshot(r, in->req.method);
    if (s->valid && estoc_rsp_same_key(&s->key, &in->key)) {
        answer_again(r, in, s);
    } else if (in->req.method == ESTOC_COAP_GET) {
        begin(r, in); /* from a fresh answer, whose ETag tells if it is another: B3 */
    } else if (admitted(r, in)) {
        refuse(r, in, ESTOC_COAP_INCOMPLETE, "no answer is kept, send the request again");
    }
}

/* A duplicate whose reply had to make room for others. It must not act twice: what can be answered
 * without acting is, and for the rest silence. (GET is safe to serve anew: RFC 7252 section 4.5.) */
static void without_acting(estoc_responder *r, const estoc_incoming *in)
{
    struct estoc_snapshot *s = estoc_rsp_snapshot(r, in->req.method);
    if (s->valid && s->mid == in->asked.mid && estoc_rsp_same_key(&s->key, &in->key)) {
        answer_again(r, in, s);
    } else if (has_block(r, in)) {
        estoc_rsp_continue(r, &in->asked);
    }
}

void estoc_rsp_request(estoc_responder *r, const estoc_incoming *in)
{
    const struct estoc_asked *asked = &in->asked;
    if (in->fault == ESTOC_COAP_BAD_OPTION && asked->type == ESTOC_COAP_NON) {
        estoc_rsp_empty(r, ESTOC_COAP_RST, asked->mid); /* RFC 7252 section 5.4.1 */
    } else if (in->fault != 0) {
        refuse(r, in, in->fault, in->why);
    } else if (asked->has_block2 && asked->block2.num > 0) {
        block_of_answer(r, in);
    } else if (in->again && in->req.method != ESTOC_COAP_GET) {
        without_acting(r, in);
    } else if (asked->has_block1 && asked->block1.num > 0) {
        later_block(r, in);
    } else {
        begin(r, in);
    }
}
