/* SPDX-License-Identifier: MIT
 *
 * Input: the life of an association. A byte of configuration, then steps, each begun by a byte whose
 * low two bits say what it is; what is cut off at the end counts as zero:
 *   0  a datagram: its length in 2 bytes, and the datagram
 *   1  time passes: 2 bytes, times 16 ms (bit 2 set: times 1 ms)
 *   2  the owner answers, if it is asked: a code, 2 bytes of body length, options, ownership, secrecy
 *   3  what the owner says to admit() and body_room() from now on: a byte
 * Between steps all output is taken. Every body and every answer must come back once, every message
 * be well-formed and of the right size, and no POST be handed out twice under one message ID.
 */
#include <string.h>

#include <estoc/responder.h>

#include "check.h"

enum { OWNERS_MAX = 512, ANSWER_MAX = 4096, POSTS_MAX = 1024, SECRET = 0x5e, TRACE = 24 };

struct owner {
    unsigned puts;
    bool secret;
    uint8_t *body;
};

static struct {
    estoc_responder r;
    estoc_ms now;
    estoc_reader in;
    uint8_t replies[ESTOC_REPLIES_MIN];
    struct owner owners[OWNERS_MAX];
    size_t owners_n;
    size_t bodies;
    bool refuses, no_room;
    uint32_t admitted, raised;
    /* requests other than GET that were handed out */
    struct {
        estoc_ms at;
        size_t datagrams;
        uint16_t mid;
    } posts[POSTS_MAX];
    size_t posts_n, datagrams;
    uint32_t sum; /* of all bytes a request points to: they must be readable */
} f;

static bool fill(void *ctx, uint8_t *out, size_t len)
{
    (void)ctx;
    memset(out, 0x55, len);
    return true;
}

static void touch(estoc_slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        f.sum += s.ptr[i];
    }
}

static void touch_request(const estoc_request *req)
{
    for (size_t i = 0; i < req->path_n && i < ESTOC_REQUEST_PATH_MAX; i++) {
        touch(req->path[i]);
    }
    for (size_t i = 0; i < req->query_n && i < ESTOC_REQUEST_QUERY_MAX; i++) {
        touch(req->query[i]);
    }
    CHECK(req->etag_n <= ESTOC_REQUEST_ETAG_MAX);
    for (size_t i = 0; i < req->etag_n; i++) {
        CHECK(req->etag[i].len > 0 && req->etag[i].len <= 8);
        touch(req->etag[i]);
    }
    touch(req->body);
}

/* A body of its exact size; NULL when there are too many. */
static struct owner *new_owner(size_t len)
{
    if (f.owners_n == OWNERS_MAX) {
        return NULL;
    }
    struct owner *o = &f.owners[f.owners_n++];
    o->body = malloc(len > 0 ? len : 1);
    CHECK(o->body != NULL);
    memset(o->body, 0xa7, len);
    return o;
}

static bool admit(void *ctx, const estoc_request *req, estoc_answer *refusal)
{
    (void)ctx;
    f.admitted++;
    touch_request(req);
    if (!f.refuses) {
        return true;
    }
    struct owner *o = new_owner(70);
    *refusal = (estoc_answer){.code = ESTOC_COAP_NOT_FOUND, .format = ESTOC_FORMAT_NONE};
    if (o != NULL) {
        refusal->body = estoc_slice_of(o->body, 70);
        refusal->owner = o;
    }
    return false;
}

static bool body_room(void *ctx, size_t need, estoc_buf *body)
{
    (void)ctx;
    CHECK(need > body->cap && need <= 2048);
    if (f.no_room) {
        return false;
    }
    f.bodies += body->ptr == NULL;
    CHECK(f.bodies <= 2);
    body->ptr = realloc(body->ptr, need);
    CHECK(body->ptr != NULL);
    body->cap = need;
    return true;
}

static void body_put(void *ctx, estoc_buf body)
{
    (void)ctx;
    CHECK(body.ptr != NULL && f.bodies > 0);
    f.bodies--;
    free(body.ptr);
}

static void answer_put(void *ctx, void *owner)
{
    (void)ctx;
    struct owner *o = owner;
    CHECK(o != NULL && o->puts == 0);
    o->puts++;
    free(o->body);
    o->body = NULL;
}

/* Answers out are those in the two snapshots. */
static void check_owners(void)
{
    size_t out = 0;
    for (size_t i = 0; i < f.owners_n; i++) {
        out += f.owners[i].puts == 0;
    }
    CHECK(out <= 2);
}

/* Whether so many bytes of a secret stand there; a token or an option of the input is shorter. */
static bool traces(const uint8_t *memory, size_t len)
{
    size_t run = 0;
    for (size_t i = 0; i < len && run < TRACE; i++) {
        run = memory[i] == SECRET ? run + 1 : 0;
    }
    return run == TRACE;
}

/* E5: once the owners of all secret answers have them back, nothing of these is left. */
static void check_secrets(void)
{
    CHECK(!traces(f.r.out, sizeof f.r.out));
    for (size_t i = 0; i < f.owners_n; i++) {
        if (f.owners[i].secret && f.owners[i].puts == 0) {
            return;
        }
    }
    CHECK(!traces(f.replies, sizeof f.replies));
    CHECK(f.r.separate_active || !traces(f.r.separate, sizeof f.r.separate));
}

/* C1: not twice within its lifetime, as far as 64 message IDs reach back. */
static void note_post(const estoc_request *req)
{
    uint16_t mid = f.r.asked.mid;
    touch_request(req);
    f.raised++;
    if (req->method == ESTOC_COAP_GET || f.posts_n == POSTS_MAX) {
        return;
    }
    for (size_t i = 0; i < f.posts_n; i++) {
        CHECK(f.posts[i].mid != mid || f.now - f.posts[i].at >= ESTOC_LIFETIME_MS ||
              f.datagrams - f.posts[i].datagrams >= ESTOC_RESPONDER_SEEN);
    }
    f.posts[f.posts_n].at = f.now;
    f.posts[f.posts_n].mid = mid;
    f.posts[f.posts_n++].datagrams = f.datagrams;
}

static void take_output(void)
{
    uint8_t out[ESTOC_MESSAGE_MAX];
    size_t len;
    for (unsigned n = 0;; n++) {
        CHECK(n < 4);
        CHECK(estoc_responder_output(&f.r, f.now, (estoc_buf){out, f.r.cfg.message_max}, &len) ==
              ESTOC_OK);
        if (len == 0) {
            break;
        }
        estoc_coap_msg msg;
        CHECK(len <= f.r.cfg.message_max);
        CHECK(estoc_coap_parse(&msg, estoc_slice_of(out, len)) == ESTOC_OK);
        CHECK(ESTOC_COAP_CLASS(msg.code) != 0 || msg.code == ESTOC_COAP_EMPTY);
        CHECK(ESTOC_COAP_CLASS(msg.code) < 4 || (msg.payload.len > 0 && msg.payload.len <= 64));
    }
    CHECK((estoc_responder_state(&f.r) & ESTOC_RESPONDER_WANT_SEND) == 0);
    CHECK(estoc_responder_deadline(&f.r) > f.now);
}

static void step_datagram(void)
{
    size_t len = estoc_read_u16(&f.in);
    len = len < f.in.rest.len ? len : f.in.rest.len;
    estoc_slice bytes = estoc_read_bytes(&f.in, len);
    uint8_t *exact = malloc(len > 0 ? len : 1);
    CHECK(exact != NULL);
    if (len > 0) {
        memcpy(exact, bytes.ptr, len);
    }
    bool awaited = estoc_responder_request(&f.r) != NULL;
    f.datagrams++;
    CHECK(estoc_responder_input(&f.r, f.now, estoc_slice_of(exact, len)) == ESTOC_OK);
    free(exact);
    const estoc_request *req = estoc_responder_request(&f.r);
    CHECK(!awaited || req != NULL); /* it waits until answered */
    if (!awaited && req != NULL) {
        note_post(req);
    }
}

static void step_answer(void)
{
    uint8_t code = estoc_read_u8(&f.in);
    size_t len = estoc_read_u16(&f.in) % ANSWER_MAX;
    uint8_t flags = estoc_read_u8(&f.in);
    estoc_answer a = {.code = code,
                      .format = (flags & 1) != 0 ? ESTOC_FORMAT_CERTS : ESTOC_FORMAT_NONE,
                      .etag = "etag-val",
                      .etag_len = (flags & 2) != 0 ? 8 : 0,
                      .has_max_age = (flags & 4) != 0,
                      .max_age_s = UINT32_MAX};
    static const uint8_t fixed[ANSWER_MAX];
    struct owner *o = (flags & 8) != 0 ? NULL : new_owner(len);
    a.body = estoc_slice_of(o != NULL ? o->body : fixed, len);
    a.owner = o;
    if (o != NULL && (flags & 16) != 0 && ESTOC_COAP_CLASS(code) == 2) {
        o->secret = a.secret = true;
        memset(o->body, SECRET, len);
    }
    bool awaited = estoc_responder_request(&f.r) != NULL;
    if (awaited) {
        touch_request(estoc_responder_request(&f.r));
    }
    estoc_err err = estoc_responder_answer(&f.r, f.now, &a);
    CHECK(err == (awaited ? ESTOC_OK : ESTOC_E_STATE));
    CHECK(err == ESTOC_OK || o == NULL || o->puts == 1);
    CHECK(estoc_responder_request(&f.r) == NULL);
}

static void step(void)
{
    uint8_t kind = estoc_read_u8(&f.in);
    switch (kind & 3) {
    case 0:
        step_datagram();
        break;
    case 1:
        f.now += (estoc_ms)estoc_read_u16(&f.in) * ((kind & 4) != 0 ? 1u : 16u);
        break;
    case 2:
        step_answer();
        break;
    default:
        kind = estoc_read_u8(&f.in);
        f.refuses = (kind & 1) != 0;
        f.no_room = (kind & 2) != 0;
        break;
    }
    take_output();
    check_owners();
    check_secrets();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const estoc_responder_ops ops = {admit, body_room, body_put, answer_put};
    memset(&f, 0, sizeof f);
    f.in = estoc_reader_of(estoc_slice_of(data, size));
    f.now = 5000;
    estoc_responder_cfg cfg = {
        .ops = &ops,
        .random = {NULL, fill},
        .tx = estoc_transmission_default(),
        .replies = {f.replies, sizeof f.replies},
        .message_max = ESTOC_RESPONDER_MESSAGE_MIN + 5u * estoc_read_u8(&f.in),
        .body_max = 2048,
    };
    CHECK(estoc_responder_init(&f.r, &cfg) == ESTOC_OK);
    while (f.in.rest.len > 0) {
        step();
    }
    CHECK(f.raised <= f.admitted);
    estoc_responder_close(&f.r);
    CHECK(!traces(f.replies, sizeof f.replies) && !traces((uint8_t *)&f.r, sizeof f.r));
    CHECK(f.bodies == 0);
    for (size_t i = 0; i < f.owners_n; i++) {
        CHECK(f.owners[i].puts == 1);
    }
    return 0;
}
