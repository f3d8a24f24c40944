/* SPDX-License-Identifier: MIT
 *
 * Scripts for the requester, in the notation of RFC 7959 section 3: expect() is what it sends, said() is
 * what its peer answers, with a virtual clock between. Options in the order of the wire.
 *
 *   expect("CON 1234 POST /est/sen ct=286 1:0/1/128 size1=300 +128");
 *   said("ACK 2.31 1:0/1/128");
 */
#ifndef TESTS_REQUESTER_RIG_H
#define TESTS_REQUESTER_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <estoc/block.h>
#include <estoc/requester.h>

#define SLICE(array) estoc_slice_of((array), sizeof(array))
#define COUNT(array) (sizeof(array) / sizeof(array)[0])

#define TEST(name, function)                 \
    {                                        \
        name, function, NULL, rig_free, NULL \
    }
#define PEER_MID_BYTES PEER_MID >> 8, PEER_MID & 0xff
#define TOKEN          0xa0, 0xa1, 0xa2, 0xa3 /* of the first message */

enum { FIRST_MID = 1234, PEER_MID = 7000, BODY_MAX = 5000, ROOM_MAX = 5000 };

struct rig {
    estoc_requester q;
    estoc_requester_cfg cfg;
    estoc_call call;
    estoc_ms now;
    uint8_t token[4]; /* of the next message; counts up */
    uint16_t jitter;  /* 0: none, 65,535: all */
    int random_left;  /* calls of fill() that succeed; negative: all */
    uint8_t *room;    /* of exactly call.answer.cap bytes */
    uint8_t body[BODY_MAX], answer[ROOM_MAX];
    uint8_t sent[ESTOC_MESSAGE_MAX]; /* the last request */
    size_t sent_len;
    estoc_coap_msg req;
    uint16_t peer_mid;
    uint8_t last_said[2000];
    size_t last_said_len;
};

static struct rig rig;

/* Two bytes are the first message ID, six are a token and the jitter. */
static inline bool rig_fill(void *ctx, uint8_t *out, size_t len)
{
    (void)ctx;
    if (rig.random_left == 0) {
        return false;
    }
    rig.random_left -= rig.random_left > 0;
    if (len == 2) {
        out[0] = (FIRST_MID - 1) >> 8;
        out[1] = (FIRST_MID - 1) & 0xff;
        return true;
    }
    assert_int_equal(len, 6);
    memcpy(out, rig.token, 4);
    rig.token[3]++;
    out[4] = (uint8_t)(rig.jitter >> 8);
    out[5] = (uint8_t)rig.jitter;
    return true;
}

static inline void rig_make(size_t room)
{
    free(rig.room);
    memset(&rig, 0, sizeof rig);
    rig.now = 1000;
    rig.random_left = -1;
    memcpy(rig.token, "\xa0\xa1\xa2\xa3", 4);
    rig.peer_mid = PEER_MID;
    for (size_t i = 0; i < BODY_MAX; i++) {
        rig.body[i] = (uint8_t)(i * 7 + (i >> 8));
        rig.answer[i] = (uint8_t)(i * 13 + (i >> 8));
    }
    rig.cfg = (estoc_requester_cfg){
        .random = {NULL, rig_fill}, .tx = estoc_transmission_default(), .szx = ESTOC_SZX_MAX};
    rig.room = malloc(room > 0 ? room : 1);
    assert_non_null(rig.room);
    memset(rig.room, 0x5a, room);
    rig.call = (estoc_call){.method = ESTOC_COAP_GET,
                            .path_n = 1,
                            .content_format = ESTOC_FORMAT_NONE,
                            .accept = ESTOC_FORMAT_NONE,
                            .answer = {rig.room, room}};
    rig.call.path[0] = estoc_slice_str("status");
}

static inline int rig_free(void **state)
{
    (void)state;
    free(rig.room);
    rig.room = NULL;
    return 0;
}

static inline void rig_post(size_t body_len)
{
    rig.call.method = ESTOC_COAP_POST;
    rig.call.path[0] = estoc_slice_str("soap");
    rig.call.body = estoc_slice_of(rig.body, body_len);
}

static inline void rig_start(void)
{
    assert_int_equal(estoc_requester_init(&rig.q, &rig.cfg), 0);
    assert_int_equal(estoc_requester_start(&rig.q, rig.now, &rig.call), 0);
    assert_int_equal(estoc_requester_state(&rig.q),
                     ESTOC_REQUESTER_WAITING | ESTOC_REQUESTER_WANT_SEND);
    assert_true(estoc_requester_deadline(&rig.q) <= rig.now);
}

static inline void rig_put(size_t body_len, uint8_t szx)
{
    rig_make(64);
    rig.call.method = ESTOC_COAP_PUT;
    rig.call.path[0] = estoc_slice_str("options");
    rig.call.body = estoc_slice_of(rig.body, body_len);
    rig.cfg.szx = szx;
    rig_start();
}

/* A GET of /status, sent. */
static inline void rig_get(void)
{
    rig_make(64);
    rig_start();
}

/* ---- what it sends ---- */

static inline estoc_err output(size_t *len)
{
    static uint8_t out[ESTOC_MESSAGE_MAX];
    estoc_err err = estoc_requester_output(&rig.q, rig.now, (estoc_buf){out, sizeof out}, len);
    memcpy(rig.sent, out, *len);
    rig.sent_len = *len;
    return err;
}

static inline void expect_nothing(void)
{
    size_t len = 77;
    assert_int_equal(output(&len), 0);
    assert_int_equal(len, 0);
}

static inline void expect_bytes(estoc_slice bytes)
{
    size_t len = 77;
    assert_true((estoc_requester_state(&rig.q) & ESTOC_REQUESTER_WANT_SEND) != 0 ||
                estoc_requester_deadline(&rig.q) <= rig.now);
    assert_int_equal(output(&len), 0);
    assert_int_equal(len, bytes.len);
    assert_memory_equal(rig.sent, bytes.ptr, len);
    estoc_coap_msg m;
    assert_int_equal(estoc_coap_parse(&m, estoc_slice_of(rig.sent, len)), 0);
    if (m.code != ESTOC_COAP_EMPTY) {
        rig.req = m;
    }
}

static inline void add(char *text, size_t cap, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static inline void add(char *text, size_t cap, const char *format, ...)
{
    size_t at = strlen(text);
    va_list args;
    va_start(args, format);
    vsnprintf(text + at, cap - at, format, args);
    va_end(args);
}

static inline uint32_t number(estoc_slice value)
{
    uint32_t v = 0;
    assert_int_equal(estoc_coap_uint(value, &v), 0);
    return v;
}

static inline void add_block(char *text, size_t cap, int kind, estoc_slice value)
{
    estoc_block b;
    assert_int_equal(estoc_block_parse(value, &b), 0);
    add(text, cap, " %d:%u/%d/%u", kind, (unsigned)b.num, b.more, 16u << b.szx);
}

static inline void add_option(char *text, size_t cap, const estoc_coap_opt *opt)
{
    const char *name = opt->number == ESTOC_OPT_URI_PATH    ? " /"
                       : opt->number == ESTOC_OPT_URI_QUERY ? " ?"
                       : opt->number == ESTOC_OPT_ETAG      ? " etag="
                                                            : NULL;
    if (name != NULL) {
        add(text, cap, "%s%.*s", name, (int)opt->value.len, (const char *)opt->value.ptr);
    } else if (opt->number == ESTOC_OPT_BLOCK1 || opt->number == ESTOC_OPT_BLOCK2) {
        add_block(text, cap, opt->number == ESTOC_OPT_BLOCK1 ? 1 : 2, opt->value);
    } else {
        const char *other = opt->number == ESTOC_OPT_CONTENT_FORMAT ? "ct"
                            : opt->number == ESTOC_OPT_ACCEPT       ? "accept"
                            : opt->number == ESTOC_OPT_SIZE1        ? "size1"
                                                                    : "unknown";
        add(text, cap, " %s=%u", other, (unsigned)number(opt->value));
    }
}

static inline const char *describe(const estoc_coap_msg *m)
{
    static const char *const types[] = {"CON", "NON", "ACK", "RST"};
    static const char *const methods[] = {"EMPTY", "GET", "POST", "PUT", "DELETE"};
    static char text[400];
    text[0] = '\0';
    assert_true(m->code < COUNT(methods));
    add(text, sizeof text, "%s %u %s", types[m->type], m->mid, methods[m->code]);
    estoc_coap_opts it = estoc_coap_opts_of(m->options);
    estoc_coap_opt opt;
    while (estoc_coap_opts_next(&it, &opt)) {
        add_option(text, sizeof text, &opt);
    }
    if (m->payload.len > 0) {
        add(text, sizeof text, " +%u", (unsigned)m->payload.len);
    }
    return text;
}

/* The payload must be the part of the body that Block1 names. */
static inline void check_payload(const estoc_coap_msg *m)
{
    estoc_slice value;
    estoc_block b = {0, false, 0};
    if (estoc_coap_opt_find(m->options, ESTOC_OPT_BLOCK1, &value)) {
        assert_int_equal(estoc_block_parse(value, &b), 0);
    }
    estoc_slice part = estoc_slice_sub(rig.call.body, estoc_block_offset(b), m->payload.len);
    assert_true(estoc_slice_eq(part, m->payload));
}

static inline void expect(const char *text)
{
    size_t len = 77;
    assert_int_equal(output(&len), 0);
    assert_true(len > 0);
    assert_true(len <= rig.q.cfg.message_max);
    estoc_coap_msg m;
    assert_int_equal(estoc_coap_parse(&m, estoc_slice_of(rig.sent, len)), 0);
    assert_string_equal(describe(&m), text);
    if (m.code != ESTOC_COAP_EMPTY) {
        assert_int_equal(m.token_len, 4);
        check_payload(&m);
        rig.req = m;
    }
}

/* ---- what its peer says ---- */

static inline void say_block(estoc_coap_writer *cw, const char *word, size_t *from)
{
    unsigned kind, num, more, size;
    assert_int_equal(sscanf(word, "%u:%u/%u/%u", &kind, &num, &more, &size), 4);
    estoc_block b = {num, more != 0, estoc_block_szx_for(size)};
    if (kind == 2) {
        *from = estoc_block_offset(b);
    }
    estoc_coap_write_uint(cw, kind == 1 ? ESTOC_OPT_BLOCK1 : ESTOC_OPT_BLOCK2,
                          estoc_block_value(b));
}

static inline void say_word(estoc_coap_writer *cw, const char *word, size_t *from)
{
    static const struct {
        const char *name;
        uint16_t option;
    } uints[] = {{"ct=", ESTOC_OPT_CONTENT_FORMAT},
                 {"age=", ESTOC_OPT_MAX_AGE},
                 {"size1=", ESTOC_OPT_SIZE1},
                 {"size2=", ESTOC_OPT_SIZE2}};
    for (size_t i = 0; i < COUNT(uints); i++) {
        size_t len = strlen(uints[i].name);
        if (strncmp(word, uints[i].name, len) == 0) {
            estoc_coap_write_uint(cw, uints[i].option, (uint32_t)strtoul(word + len, NULL, 10));
            return;
        }
    }
    if (strncmp(word, "etag=", 5) == 0) {
        estoc_coap_write_option(cw, ESTOC_OPT_ETAG, estoc_slice_str(word + 5));
    } else if (strncmp(word, "opt=", 4) == 0) { /* a number, and the value */
        char *value;
        uint16_t option = (uint16_t)strtoul(word + 4, &value, 10);
        estoc_coap_write_option(cw, option, estoc_slice_str(value + (*value == ':')));
    } else if (word[0] == '+') {
        estoc_coap_write_payload(cw,
                                 estoc_slice_of(rig.answer + *from, strtoul(word + 1, NULL, 10)));
    } else {
        say_block(cw, word, from);
    }
}

/* Type, code, and more words. ACK and RST have the request's message ID. */
static inline size_t compose(const char *text, uint8_t *out, size_t cap)
{
    static const char types[] = "CNAR";
    char copy[400];
    snprintf(copy, sizeof copy, "%s", text);
    char *save = NULL;
    char *word = strtok_r(copy, " ", &save);
    uint8_t type = (uint8_t)(strchr(types, word[0]) - types);
    unsigned class_, detail;
    word = strtok_r(NULL, " ", &save);
    assert_int_equal(sscanf(word, "%u.%u", &class_, &detail), 2);
    uint8_t code = ESTOC_COAP_CODE(class_, detail);
    uint16_t mid = type < ESTOC_COAP_ACK ? rig.peer_mid++ : rig.req.mid;
    estoc_coap_writer cw =
        estoc_coap_write_begin((estoc_buf){out, cap}, type, code, mid,
                               estoc_slice_of(rig.req.token, code == 0 ? 0 : rig.req.token_len));
    size_t from = 0;
    while ((word = strtok_r(NULL, " ", &save)) != NULL) {
        say_word(&cw, word, &from);
    }
    size_t len;
    assert_int_equal(estoc_coap_write_end(&cw, &len), 0);
    return len;
}

static inline estoc_err input(estoc_slice dg)
{
    uint8_t *exact = malloc(dg.len > 0 ? dg.len : 1);
    assert_non_null(exact);
    if (dg.len > 0) {
        memcpy(exact, dg.ptr, dg.len);
    }
    estoc_err err = estoc_requester_input(&rig.q, rig.now, estoc_slice_of(exact, dg.len));
    free(exact);
    return err;
}

static inline estoc_err says(const char *text)
{
    rig.last_said_len = compose(text, rig.last_said, sizeof rig.last_said);
    return input(estoc_slice_of(rig.last_said, rig.last_said_len));
}

static inline void said(const char *text)
{
    assert_int_equal(says(text), 0);
}

static inline void said_again(void)
{
    assert_int_equal(input(estoc_slice_of(rig.last_said, rig.last_said_len)), 0);
}

/* ---- what has come of it ---- */

static inline void assert_waiting(void)
{
    assert_int_equal(estoc_requester_state(&rig.q) & ~(unsigned)ESTOC_REQUESTER_WANT_SEND,
                     ESTOC_REQUESTER_WAITING);
    assert_int_equal(estoc_requester_reply(&rig.q)->code, 0);
    assert_int_equal(estoc_requester_error(&rig.q), 0);
}

static inline const estoc_reply *assert_done(uint8_t code, size_t body_len)
{
    assert_int_equal(estoc_requester_state(&rig.q) & ~(unsigned)ESTOC_REQUESTER_WANT_SEND,
                     ESTOC_REQUESTER_DONE);
    assert_int_equal(estoc_requester_error(&rig.q), 0);
    const estoc_reply *reply = estoc_requester_reply(&rig.q);
    assert_int_equal(reply->code, code);
    assert_true(estoc_slice_eq(reply->body, estoc_slice_of(rig.answer, body_len)));
    if (ESTOC_COAP_CLASS(code) == 2 && body_len > 0) {
        assert_ptr_equal(reply->body.ptr, rig.room);
    }
    return reply;
}

/* Nothing is left of what was received. */
static inline void assert_failed(estoc_err err)
{
    assert_int_equal(estoc_requester_state(&rig.q) & ~(unsigned)ESTOC_REQUESTER_WANT_SEND,
                     ESTOC_REQUESTER_FAILED);
    assert_int_equal(estoc_requester_error(&rig.q), err);
    assert_int_equal(estoc_requester_reply(&rig.q)->code, 0);
    assert_int_equal(estoc_requester_reply(&rig.q)->content_format, ESTOC_FORMAT_NONE);
    for (size_t i = 0; i < rig.call.answer.cap; i++) {
        assert_true(rig.room[i] == 0 || rig.room[i] == 0x5a);
    }
}

#endif
