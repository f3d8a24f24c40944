/* SPDX-License-Identifier: MIT
 *
 * Scripts for the responder, in the notation of RFC 7959 section 3: ask() is what the client sends,
 * expect() what it gets, expect_request() what the owner is told, owner_says() its answer, with a virtual
 * clock between. Options in the order of the wire. A token, if none is given, is the message ID.
 *
 *   ask("CON 1 POST /soap ct=286 1:0/1/128 +128");
 *   expect("ACK 1 2.31 1:0/1/128");
 */
#ifndef TESTS_RESPONDER_RIG_H
#define TESTS_RESPONDER_RIG_H

#include "coap/rows.h"

#include <estoc/responder.h>

enum { OUR_MID = 0x5000, BODY_MAX = 20000, OWNERS_MAX = 400, REPLIES_LEN = 2560 };

/* Of an answer. Its body goes when it is put, so that a sanitizer sees a read after that. */
struct owner {
    unsigned puts;
    uint8_t *body;
};

struct rig {
    estoc_responder r;
    estoc_responder_cfg cfg;
    estoc_ms now;
    uint16_t jitter;
    bool random_fails;
    uint8_t *replies; /* of exactly cfg.replies.cap bytes */
    /* what the owner counts */
    unsigned admitted, raised;
    size_t admit_path_n, admit_body_len; /* what admit() saw */
    uint8_t admit_last[256];             /* last segment of the path */
    unsigned rooms, bodies;              /* body_room calls; bodies out */
    bool no_room;
    const char *refuse; /* admit() says no, with this text */
    uint8_t refuse_code;
    bool refuse_static; /* with an answer that has no owner */
    unsigned owners_n;
    struct owner owners[OWNERS_MAX];
    /* contents of bodies and answers */
    uint8_t body[BODY_MAX], answer[BODY_MAX];
    size_t answer_len;
    /* the last datagrams */
    uint8_t asked[2000], got[ESTOC_MESSAGE_MAX];
    size_t asked_len, got_len;
    uint8_t etag[8]; /* of the answer in blocks that is being fetched */
    size_t etag_len;
};

static struct rig rig;

/* ---- the owner ---- */

/* An answer with a body of its own. */
static inline estoc_answer owned(uint8_t code, uint16_t format, estoc_slice body)
{
    assert_true(rig.owners_n < OWNERS_MAX);
    struct owner *o = &rig.owners[rig.owners_n++];
    o->body = exact_copy(body);
    return (estoc_answer){.code = code, .format = format, .body = {o->body, body.len}, .owner = o};
}

static inline bool rig_fill(void *ctx, uint8_t *out, size_t len)
{
    (void)ctx;
    assert_int_equal(len, 2);
    uint16_t v = rig.r.cfg.ops == NULL ? OUR_MID : rig.jitter;
    out[0] = (uint8_t)(v >> 8);
    out[1] = (uint8_t)v;
    return !rig.random_fails;
}

static inline bool rig_admit(void *ctx, const estoc_request *req, estoc_answer *refusal)
{
    assert_ptr_equal(ctx, &rig);
    rig.admit_path_n = req->path_n;
    rig.admit_body_len = req->body.len;
    memset(rig.admit_last, 0, sizeof rig.admit_last);
    if (req->path_n > 0 && req->path_n <= ESTOC_REQUEST_PATH_MAX) {
        estoc_slice last = req->path[req->path_n - 1];
        memcpy(rig.admit_last, last.ptr, last.len);
    }
    assert_int_equal(refusal->code, 0);
    assert_null(refusal->owner);
    rig.admitted++;
    if (rig.refuse == NULL) {
        return true;
    }
    if (rig.refuse_static) {
        *refusal = (estoc_answer){.code = rig.refuse_code, .body = estoc_slice_str(rig.refuse)};
        return false;
    }
    *refusal = owned(rig.refuse_code, ESTOC_FORMAT_NONE, estoc_slice_str(rig.refuse));
    return false;
}

static inline bool rig_body_room(void *ctx, size_t need, estoc_buf *body)
{
    assert_ptr_equal(ctx, &rig);
    assert_true(need > body->cap);
    rig.rooms++;
    if (rig.no_room) {
        return false;
    }
    rig.bodies += body->ptr == NULL;
    body->ptr = realloc(body->ptr, need); /* exact: a sanitizer sees a write past it */
    assert_non_null(body->ptr);
    body->cap = need;
    return true;
}

static inline void rig_body_put(void *ctx, estoc_buf body)
{
    assert_ptr_equal(ctx, &rig);
    assert_non_null(body.ptr);
    assert_true(rig.bodies > 0);
    rig.bodies--;
    free(body.ptr);
}

static inline void rig_answer_put(void *ctx, void *owner)
{
    assert_ptr_equal(ctx, &rig);
    struct owner *o = owner;
    assert_non_null(o);
    o->puts++;
    free(o->body);
    o->body = NULL;
}

static inline unsigned answers_out(void)
{
    unsigned n = 0;
    for (unsigned i = 0; i < rig.owners_n; i++) {
        assert_true(rig.owners[i].puts <= 1);
        n += rig.owners[i].puts == 0;
    }
    return n;
}

static inline void rig_configure(void)
{
    static const estoc_responder_ops ops = {rig_admit, rig_body_room, rig_body_put, rig_answer_put};
    memset(&rig, 0, sizeof rig);
    rig.now = 1000000;
    for (size_t i = 0; i < BODY_MAX; i++) {
        rig.body[i] = (uint8_t)(i * 7 + (i >> 8));
        rig.answer[i] = (uint8_t)(i * 13 + (i >> 8));
    }
    rig.replies = malloc(REPLIES_LEN);
    assert_non_null(rig.replies);
    rig.cfg = (estoc_responder_cfg){.ops = &ops,
                                    .ctx = &rig,
                                    .random = {NULL, rig_fill},
                                    .tx = {2000, 1500, 4, 0},
                                    .replies = {rig.replies, REPLIES_LEN},
                                    .message_max = 1200};
}

static inline void rig_start(void)
{
    assert_int_equal(estoc_responder_init(&rig.r, &rig.cfg), 0);
}

static inline int rig_make(void **state)
{
    (void)state;
    rig_configure();
    rig_start();
    return 0;
}

/* Every body and every answer has come back, once. */
static inline int rig_free(void **state)
{
    (void)state;
    estoc_responder_close(&rig.r);
    assert_int_equal(rig.bodies, 0);
    assert_int_equal(answers_out(), 0);
    free(rig.replies);
    rig.replies = NULL;
    return 0;
}

#define IN_RIG(name, function)                   \
    {                                            \
        name, function, rig_make, rig_free, NULL \
    }

/* ---- datagrams as text ---- */

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

static inline void add_text(char *text, size_t cap, const char *before, estoc_slice s)
{
    add(text, cap, "%s%.*s", before, (int)s.len, s.len > 0 ? (const char *)s.ptr : "");
}

static inline void add_etag(char *text, size_t cap, estoc_slice etag)
{
    if (etag.len > 0 && etag.len < 4) { /* the tests' own */
        add_text(text, cap, " etag=", etag);
        return;
    }
    if (rig.etag_len > 0) {
        assert_bytes(etag, estoc_slice_of(rig.etag, rig.etag_len));
    }
    memcpy(rig.etag, etag.ptr, etag.len);
    rig.etag_len = etag.len;
    add(text, cap, " etag=#");
}

static inline void add_option(char *text, size_t cap, const estoc_coap_opt *opt,
                              estoc_block *block2)
{
    uint32_t v = 0;
    estoc_block b;
    switch (opt->number) {
    case ESTOC_OPT_ETAG:
        add_etag(text, cap, opt->value);
        return;
    case ESTOC_OPT_BLOCK1:
    case ESTOC_OPT_BLOCK2:
        assert_int_equal(estoc_block_parse(opt->value, &b), 0);
        add(text, cap, " %d:%u/%d/%u", opt->number == ESTOC_OPT_BLOCK1 ? 1 : 2, (unsigned)b.num,
            b.more, 16u << b.szx);
        *block2 = opt->number == ESTOC_OPT_BLOCK2 ? b : *block2;
        return;
    default:
        assert_int_equal(estoc_coap_uint(opt->value, &v), 0);
        add(text, cap, " %s=%u",
            opt->number == ESTOC_OPT_CONTENT_FORMAT ? "ct"
            : opt->number == ESTOC_OPT_MAX_AGE      ? "age"
            : opt->number == ESTOC_OPT_SIZE1        ? "size1"
            : opt->number == ESTOC_OPT_SIZE2        ? "size2"
                                                    : "unknown",
            (unsigned)v);
    }
}

/* Of a success the payload must be the part of the answer that Block2 names; of an error it is text. */
static inline const char *describe(const estoc_coap_msg *m)
{
    static const char *const types[] = {"CON", "NON", "ACK", "RST"};
    static char text[400];
    text[0] = '\0';
    add(text, sizeof text, "%s %u", types[m->type], m->mid);
    uint16_t token = m->token_len == 2 ? (uint16_t)(m->token[0] << 8 | m->token[1]) : 0;
    if (m->token_len > 0 && (m->token_len != 2 || token != m->mid)) {
        if (m->token_len == 2) {
            add(text, sizeof text, " for %u", token);
        } else {
            add_text(text, sizeof text, " T=", estoc_slice_of(m->token, m->token_len));
        }
    }
    add(text, sizeof text, " %u.%02u", ESTOC_COAP_CLASS(m->code), ESTOC_COAP_DETAIL(m->code));
    estoc_coap_opts it = estoc_coap_opts_of(m->options);
    estoc_coap_opt opt;
    estoc_block block2 = {0, false, 0};
    while (estoc_coap_opts_next(&it, &opt)) {
        add_option(text, sizeof text, &opt, &block2);
    }
    if (m->payload.len > 0 && ESTOC_COAP_CLASS(m->code) == 2) {
        assert_bytes(m->payload,
                     estoc_slice_of(rig.answer + estoc_block_offset(block2), m->payload.len));
        add(text, sizeof text, " +%u", (unsigned)m->payload.len);
    } else if (m->payload.len > 0) {
        add_text(text, sizeof text, " \"", m->payload);
        add(text, sizeof text, "\"");
    }
    return text;
}

/* ---- what the client says ---- */

static inline size_t write_block(estoc_coap_writer *cw, const char *word)
{
    unsigned kind, num, more, size;
    assert_int_equal(sscanf(word, "%u:%u/%u/%u", &kind, &num, &more, &size), 4);
    uint8_t szx = size == 2048 ? 7 : estoc_block_szx_for(size);
    uint32_t value = num << 4 | (more != 0 ? 8u : 0) | szx;
    estoc_coap_write_uint(cw, kind == 1 ? ESTOC_OPT_BLOCK1 : ESTOC_OPT_BLOCK2, value);
    size_t from = (size_t)num * size;
    return kind == 1 && from < BODY_MAX - 2048 ? from : 0;
}

static inline void write_word(estoc_coap_writer *cw, char *word, size_t *from)
{
    static const struct {
        const char *name;
        uint16_t option;
        bool number;
    } names[] = {{"ct=", ESTOC_OPT_CONTENT_FORMAT, true}, {"accept=", ESTOC_OPT_ACCEPT, true},
                 {"size1=", ESTOC_OPT_SIZE1, true},       {"size2=", ESTOC_OPT_SIZE2, true},
                 {"etag=", ESTOC_OPT_ETAG, false},        {"tag=", ESTOC_OPT_REQUEST_TAG, false},
                 {"?", ESTOC_OPT_URI_QUERY, false}};
    for (size_t i = 0; i < COUNT(names); i++) {
        size_t len = strlen(names[i].name);
        if (strncmp(word, names[i].name, len) == 0 && names[i].number) {
            estoc_coap_write_uint(cw, names[i].option, (uint32_t)strtoul(word + len, NULL, 10));
            return;
        }
        if (strncmp(word, names[i].name, len) == 0) {
            estoc_coap_write_option(cw, names[i].option, estoc_slice_str(word + len));
            return;
        }
    }
    if (word[0] == '/') {
        char *save = NULL;
        for (char *s = strtok_r(word, "/", &save); s != NULL; s = strtok_r(NULL, "/", &save)) {
            estoc_coap_write_option(cw, ESTOC_OPT_URI_PATH, estoc_slice_str(s));
        }
    } else if (word[0] == '+') {
        estoc_coap_write_payload(cw, estoc_slice_of(rig.body + *from, strtoul(word + 1, NULL, 10)));
    } else if (strncmp(word, "opt=", 4) == 0) { /* a number, and as many bytes as letters follow */
        char *value;
        uint16_t option = (uint16_t)strtoul(word + 4, &value, 10);
        estoc_coap_write_option(cw, option, estoc_slice_str(value));
    } else {
        *from += write_block(cw, word);
    }
}

/* Type, message ID, method, then T=token, options and payload. */
static inline void compose(const char *text)
{
    static const char types[] = "CNAR";
    static const char *const methods[] = {"EMPTY", "GET", "POST", "PUT", "DELETE", "FETCH"};
    char copy[600];
    snprintf(copy, sizeof copy, "%s", text);
    char *save = NULL;
    uint8_t type = (uint8_t)(strchr(types, strtok_r(copy, " ", &save)[0]) - types);
    uint16_t mid = (uint16_t)strtoul(strtok_r(NULL, " ", &save), NULL, 10);
    const char *name = strtok_r(NULL, " ", &save);
    uint8_t code = 0;
    while (strcmp(methods[code], name) != 0) {
        code++;
        assert_true(code < COUNT(methods));
    }
    char *word = strtok_r(NULL, " ", &save);
    const uint8_t by_mid[2] = {(uint8_t)(mid >> 8), (uint8_t)mid};
    estoc_slice token = code != 0 ? SLICE(by_mid) : estoc_slice_of(NULL, 0);
    if (word != NULL && strncmp(word, "T=", 2) == 0) {
        token = estoc_slice_str(word + 2);
        word = strtok_r(NULL, " ", &save);
    }
    estoc_coap_writer cw =
        estoc_coap_write_begin((estoc_buf){rig.asked, sizeof rig.asked}, type, code, mid, token);
    size_t from = 0;
    for (; word != NULL; word = strtok_r(NULL, " ", &save)) {
        write_word(&cw, word, &from);
    }
    assert_int_equal(estoc_coap_write_end(&cw, &rig.asked_len), 0);
}

static inline void input(estoc_slice dg)
{
    uint8_t *exact = exact_copy(dg);
    bool awaited = estoc_responder_request(&rig.r) != NULL;
    assert_int_equal(estoc_responder_input(&rig.r, rig.now, estoc_slice_of(exact, dg.len)), 0);
    rig.raised += !awaited && estoc_responder_request(&rig.r) != NULL;
    memset(exact, 0xee, dg.len); /* a request lives longer than its datagram */
    free(exact);
}

static inline void ask(const char *text)
{
    compose(text);
    input(estoc_slice_of(rig.asked, rig.asked_len));
}

static inline void ask_again(void)
{
    input(estoc_slice_of(rig.asked, rig.asked_len));
}

/* ---- what it gets ---- */

static inline void output(void)
{
    uint8_t *exact = malloc(rig.r.cfg.message_max);
    assert_non_null(exact);
    assert_int_equal(estoc_responder_output(
                         &rig.r, rig.now, (estoc_buf){exact, rig.r.cfg.message_max}, &rig.got_len),
                     0);
    memcpy(rig.got, exact, rig.got_len);
    free(exact);
}

static inline void expect_nothing(void)
{
    output();
    assert_int_equal(rig.got_len, 0);
}

static inline void expect_bytes(estoc_slice bytes)
{
    output();
    assert_bytes(estoc_slice_of(rig.got, rig.got_len), bytes);
}

static inline void expect(const char *text)
{
    estoc_coap_msg m;
    output();
    assert_int_not_equal(rig.got_len, 0);
    assert_int_equal(estoc_coap_parse(&m, estoc_slice_of(rig.got, rig.got_len)), 0);
    assert_string_equal(describe(&m), text);
}

static inline void ask_expect(const char *question, const char *answer)
{
    ask(question);
    expect(answer);
    expect_nothing();
}

/* Method, path, query, formats, and how much of rig.body. */
static inline void expect_request(const char *text)
{
    static const char *const methods[] = {"EMPTY", "GET", "POST", "PUT", "DELETE", "FETCH"};
    const estoc_request *q = estoc_responder_request(&rig.r);
    assert_non_null(q);
    assert_true((estoc_responder_state(&rig.r) & ESTOC_RESPONDER_REQUEST) != 0);
    char got[600] = "";
    add(got, sizeof got, "%s ", methods[q->method]);
    for (size_t i = 0; i < q->path_n && i < ESTOC_REQUEST_PATH_MAX; i++) {
        add_text(got, sizeof got, "/", q->path[i]);
    }
    if (q->content_format != ESTOC_FORMAT_NONE) {
        add(got, sizeof got, " ct=%u", q->content_format);
    }
    for (size_t i = 0; i < q->query_n && i < ESTOC_REQUEST_QUERY_MAX; i++) {
        add_text(got, sizeof got, " ?", q->query[i]);
    }
    if (q->accept != ESTOC_FORMAT_NONE) {
        add(got, sizeof got, " accept=%u", q->accept);
    }
    for (size_t i = 0; i < q->etag_n; i++) {
        add_text(got, sizeof got, " etag=", q->etag[i]);
    }
    if (q->body.len > 0) {
        assert_bytes(q->body, estoc_slice_of(rig.body, q->body.len));
        add(got, sizeof got, " +%u", (unsigned)q->body.len);
    }
    assert_string_equal(got, text);
}

static inline void expect_no_request(void)
{
    assert_null(estoc_responder_request(&rig.r));
    assert_int_equal(estoc_responder_state(&rig.r) & ESTOC_RESPONDER_REQUEST, 0);
}

/* ---- what the owner answers ---- */

/* The first `len` bytes of rig.answer. */
static inline estoc_answer answer_of(uint8_t code, size_t len)
{
    return owned(code, ESTOC_FORMAT_CERTS, estoc_slice_of(rig.answer, len));
}

static inline void owner_answers(const estoc_answer *a)
{
    assert_int_equal(estoc_responder_answer(&rig.r, rig.now, a), 0);
    expect_no_request();
}

static inline void owner_says(uint8_t code, size_t len)
{
    estoc_answer a = answer_of(code, len);
    owner_answers(&a);
}

static inline void owner_refuses(uint8_t code, const char *why)
{
    estoc_answer a = owned(code, ESTOC_FORMAT_CERTS, estoc_slice_str(why));
    owner_answers(&a);
    assert_int_equal(((struct owner *)a.owner)->puts, 1); /* at once: the text is copied */
}

/* Until the deadline, which must be this far away. */
static inline void wait_until_deadline(estoc_ms ms)
{
    assert_int_equal(estoc_responder_deadline(&rig.r), rig.now + ms);
    rig.now += ms - 1;
    expect_nothing();
    rig.now += 1;
}

#endif
