/* SPDX-License-Identifier: MIT */
#include "exchange.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

void ask(peer *p, wire_out *o, unsigned method)
{
    unsigned t = ++p->token;
    uint8_t token[4] = {0x7e, (uint8_t)(t >> 16), (uint8_t)(t >> 8), (uint8_t)t};
    p->mid = (p->mid + 1) & 0xffff;
    wire_begin(o, CON, method, p->mid, token, sizeof token);
}

static bool same_token(const wire_msg *request, const wire_msg *m)
{
    return m->token_len == request->token_len &&
           memcmp(m->token, request->token, m->token_len) == 0;
}

static void acknowledge(peer *p, unsigned mid)
{
    wire_out o;
    wire_begin(&o, ACK, 0, mid, NULL, 0);
    peer_send(p, o.bytes, o.len);
}

void answer_to(peer *p, const wire_out *o, reply *r)
{
    wire_msg request;
    assert_true(wire_parse(&request, o->bytes, o->len));
    peer_send(p, o->bytes, o->len);
    for (;;) {
        r->len = peer_recv(p, r->bytes, sizeof r->bytes, ANSWER_MS);
        assert_int_not_equal(r->len, 0);
        assert_true(wire_parse(&r->m, r->bytes, r->len));
        if (r->m.type == ACK) {
            assert_int_equal(r->m.mid, request.mid);
        }
        if (r->m.type == CON) {
            acknowledge(p, r->m.mid);
        }
        if (r->m.type == ACK && r->m.code == 0) {
            continue; /* the answer comes separately */
        }
        assert_int_not_equal(r->m.type, RST);
        assert_true(same_token(&request, &r->m));
        return;
    }
}

static bool is_utf8(const uint8_t *b, size_t len)
{
    for (size_t i = 0; i < len;) {
        size_t more = b[i] < 0x80 ? 0 : b[i] >> 5 == 6 ? 1 : b[i] >> 4 == 14 ? 2 : 99;
        if (more >= len - i || (b[i] < 0x20 && b[i] != '\n')) {
            return false;
        }
        for (size_t k = 1; k <= more; k++) {
            if (b[i + k] >> 6 != 2) {
                return false;
            }
        }
        i += 1 + more;
    }
    return true;
}

void check_diagnostic(const wire_msg *m)
{
    static const char *const inside[] = {"/tmp", "/home", "/var", ".c:", "SELECT", "0x", "sqlite"};
    char text[65] = "";
    assert_in_range(m->payload_len, 1, 64);
    assert_true(is_utf8(m->payload, m->payload_len));
    assert_null(wire_find(m, OPT_FORMAT));
    memcpy(text, m->payload, m->payload_len);
    for (size_t i = 0; i < sizeof inside / sizeof inside[0]; i++) {
        assert_null(strstr(text, inside[i]));
    }
}

void expect_code(peer *p, const wire_out *o, uint8_t code)
{
    reply r;
    answer_to(p, o, &r);
    assert_int_equal(r.m.code, code);
    if (code >= CODE(4, 0)) {
        check_diagnostic(&r.m);
    }
}

void expect_silence(peer *p, const void *bytes, size_t len)
{
    uint8_t in[DATAGRAM_MAX];
    peer_send(p, bytes, len);
    assert_int_equal(peer_recv(p, in, sizeof in, SILENCE_MS), 0);
    assert_false(p->closed);
}

void expect_reset(peer *p, const void *bytes, size_t len)
{
    uint8_t in[DATAGRAM_MAX];
    const uint8_t *b = bytes;
    peer_send(p, bytes, len);
    assert_int_equal(peer_recv(p, in, sizeof in, ANSWER_MS), 4);
    const uint8_t rst[4] = {0x70, 0, b[2], b[3]};
    assert_memory_equal(in, rst, 4);
}

void expect_alive(peer *p)
{
    wire_out o;
    ask(p, &o, GET);
    wire_path(&o, "/.well-known/core");
    expect_code(p, &o, CODE(2, 5));
}

static void request_part(peer *p, const transfer *t, wire_out *o, unsigned block2, int szx,
                         bool with_block2)
{
    ask(p, o, t->method);
    char path[256];
    size_t end = strcspn(t->path, "?");
    memcpy(path, t->path, end);
    path[end] = '\0';
    wire_path(o, path);
    if (t->format >= 0 && t->method == POST) {
        wire_uint(o, OPT_FORMAT, (uint32_t)t->format);
    }
    for (const char *q = t->path + end; *q != '\0'; q += strcspn(q, "&")) {
        q++;
        wire_opt(o, OPT_URI_QUERY, q, strcspn(q, "&"));
    }
    if (t->accept >= 0) {
        wire_uint(o, OPT_ACCEPT, (uint32_t)t->accept);
    }
    if (with_block2) {
        wire_block(o, OPT_BLOCK2, block2, false, (unsigned)szx);
    }
}

/* The body up, block by block. Leaves the first answer that is not 2.31 in `r`. */
static void upload(peer *p, const transfer *t, reply *r)
{
    wire_out o;
    int szx = t->szx;
    if (szx < 0 || t->len == 0) {
        request_part(p, t, &o, 0, szx, szx >= 0);
        wire_payload(&o, t->data, t->len);
        answer_to(p, &o, r);
        return;
    }
    for (size_t at = 0; at < t->len;) {
        size_t size = (size_t)16 << szx;
        bool more = t->len - at > size;
        size_t n = more ? size : t->len - at;
        request_part(p, t, &o, 0, szx, !more);
        wire_block(&o, OPT_BLOCK1, (unsigned)(at / size), more, (unsigned)szx);
        wire_payload(&o, t->data + at, n);
        answer_to(p, &o, r);
        wire_blk b = wire_block_of(&r->m, OPT_BLOCK1);
        if (r->m.code != CODE(2, 31)) {
            return;
        }
        assert_true(more && b.present && b.more && b.num == at / size);
        assert_int_equal(r->m.payload_len, 0);
        assert_false(wire_block_of(&r->m, OPT_BLOCK2).present); /* HC 131 */
        at += n;
        szx = (int)b.szx < szx ? (int)b.szx : szx;
    }
}

static bool same_field(const wire_msg *a, const wire_msg *b, unsigned number)
{
    const wire_field *x = wire_find(a, number);
    const wire_field *y = wire_find(b, number);
    return (x == NULL && y == NULL) ||
           (x != NULL && y != NULL && x->len == y->len && memcmp(x->value, y->value, x->len) == 0);
}

static void append(body *out, const wire_msg *m)
{
    assert_true(m->payload_len <= sizeof out->bytes - out->len);
    if (m->payload_len > 0) {
        memcpy(out->bytes + out->len, m->payload, m->payload_len);
        out->len += m->payload_len;
    }
}

uint8_t transact(peer *p, const transfer *t, body *out, reply *last)
{
    reply first;
    wire_out o;
    out->len = 0;
    upload(p, t, last);
    first = *last;
    if (last->m.code >= CODE(4, 0)) {
        check_diagnostic(&last->m);
        return (uint8_t)last->m.code;
    }
    append(out, &last->m);
    wire_blk b = wire_block_of(&last->m, OPT_BLOCK2);
    while (b.present && b.more) {
        unsigned size = 16u << b.szx;
        assert_int_equal(last->m.payload_len, size);
        assert_int_equal(out->len, (size_t)(b.num + 1) * size);
        request_part(p, t, &o, b.num + 1, (int)b.szx, true);
        answer_to(p, &o, last);
        wire_blk next = wire_block_of(&last->m, OPT_BLOCK2);
        assert_int_equal(last->m.code, first.m.code);
        assert_true(next.present && next.num == b.num + 1 && next.szx == b.szx);
        assert_true(same_field(&first.m, &last->m, OPT_FORMAT));
        assert_true(same_field(&first.m, &last->m, OPT_ETAG));
        append(out, &last->m);
        b = next;
    }
    return (uint8_t)last->m.code;
}

void fetch(peer *p, const char *path, int accept, int szx, body *out)
{
    reply r;
    transfer t = {.method = GET, .path = path, .format = -1, .accept = accept, .szx = szx};
    assert_int_equal(transact(p, &t, out, &r), CODE(2, 5));
}

uint8_t enroll(peer *p, const char *path, const body *csr, int accept, int szx, body *out)
{
    reply r;
    transfer t = {.method = POST,
                  .path = path,
                  .format = 286,
                  .accept = accept,
                  .data = csr->bytes,
                  .len = csr->len,
                  .szx = szx};
    return transact(p, &t, out, &r);
}
