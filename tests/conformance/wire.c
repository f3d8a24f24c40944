/* SPDX-License-Identifier: MIT */
#include "wire.h"

#include <stdlib.h>
#include <string.h>

void wire_raw(wire_out *o, const void *bytes, size_t len)
{
    if (len > sizeof o->bytes - o->len) {
        abort(); /* a test that builds more than there is room for is wrong */
    }
    if (len > 0) {
        memcpy(o->bytes + o->len, bytes, len);
    }
    o->len += len;
}

static void put(wire_out *o, unsigned byte)
{
    uint8_t b = (uint8_t)byte;
    wire_raw(o, &b, 1);
}

void wire_begin(wire_out *o, unsigned type, unsigned code, unsigned mid, const void *token,
                size_t token_len)
{
    o->len = 0;
    o->last = 0;
    put(o, 0x40u | type << 4 | (unsigned)token_len);
    put(o, code);
    put(o, mid >> 8 & 0xff);
    put(o, mid & 0xff);
    wire_raw(o, token, token_len);
}

static unsigned nibble(size_t v)
{
    return v < 13 ? (unsigned)v : v < 269 ? 13 : 14;
}

static void extended(wire_out *o, size_t v)
{
    if (v >= 269) {
        put(o, (unsigned)((v - 269) >> 8));
        put(o, (unsigned)((v - 269) & 0xff));
    } else if (v >= 13) {
        put(o, (unsigned)(v - 13));
    }
}

void wire_opt(wire_out *o, unsigned number, const void *value, size_t len)
{
    if (number < o->last) {
        abort();
    }
    size_t delta = number - o->last;
    o->last = number;
    put(o, nibble(delta) << 4 | nibble(len));
    extended(o, delta);
    extended(o, len);
    wire_raw(o, value, len);
}

void wire_text(wire_out *o, unsigned number, const char *text)
{
    wire_opt(o, number, text, strlen(text));
}

void wire_uint(wire_out *o, unsigned number, uint32_t value)
{
    uint8_t b[4];
    size_t len = 0;
    for (int shift = 24; shift >= 0; shift -= 8) {
        uint8_t byte = (uint8_t)(value >> shift);
        if (len > 0 || byte != 0) {
            b[len++] = byte;
        }
    }
    wire_opt(o, number, b, len);
}

static const char *segments(wire_out *o, unsigned number, const char *at, const char *stop)
{
    for (;;) {
        size_t len = strcspn(at, stop);
        wire_opt(o, number, at, len);
        at += len;
        if (*at == '\0' || *at == '?') {
            return at;
        }
        at++;
    }
}

void wire_path(wire_out *o, const char *path)
{
    const char *at = path + (*path == '/');
    if (*at != '\0' && *at != '?') {
        at = segments(o, OPT_URI_PATH, at, "/?");
    }
    if (*at == '?') {
        segments(o, OPT_URI_QUERY, at + 1, "&");
    }
}

void wire_block(wire_out *o, unsigned number, unsigned num, bool more, unsigned szx)
{
    wire_uint(o, number, num << 4 | (more ? 8u : 0u) | szx);
}

void wire_payload(wire_out *o, const void *payload, size_t len)
{
    if (len > 0) {
        put(o, 0xff);
        wire_raw(o, payload, len);
    }
}

/* One half of an option's head. Returns false at a reserved nibble or when bytes run out. */
static bool take(unsigned nib, const uint8_t *b, size_t len, size_t *at, unsigned *value)
{
    *value = nib;
    if (nib < 13) {
        return true;
    }
    if (nib == 13 && *at < len) {
        *value = 13u + b[(*at)++];
        return true;
    }
    if (nib == 14 && len - *at >= 2) {
        *value = 269u + ((unsigned)b[*at] << 8 | b[*at + 1]);
        *at += 2;
        return true;
    }
    return false;
}

static bool parse_options(wire_msg *m, const uint8_t *b, size_t len, size_t at)
{
    unsigned number = 0;
    while (at < len && b[at] != 0xff) {
        unsigned head = b[at++];
        unsigned delta, size;
        if (!take(head >> 4, b, len, &at, &delta) || !take(head & 15, b, len, &at, &size) ||
            size > len - at || m->opts_n == sizeof m->opts / sizeof m->opts[0]) {
            return false;
        }
        number += delta;
        m->opts[m->opts_n++] = (wire_field){number, b + at, size};
        at += size;
    }
    if (at == len) {
        return true;
    }
    m->payload = b + at + 1;
    m->payload_len = len - at - 1;
    return m->payload_len > 0; /* a marker must be followed by something */
}

bool wire_parse(wire_msg *m, const uint8_t *b, size_t len)
{
    memset(m, 0, sizeof *m);
    if (len < 4 || b[0] >> 6 != 1 || (b[0] & 15) > 8 || len < 4u + (b[0] & 15)) {
        return false;
    }
    m->type = b[0] >> 4 & 3;
    m->token_len = b[0] & 15;
    m->code = b[1];
    m->mid = (unsigned)b[2] << 8 | b[3];
    memcpy(m->token, b + 4, m->token_len);
    if (m->code == 0) {
        return len == 4;
    }
    return parse_options(m, b, len, 4 + m->token_len);
}

const wire_field *wire_find(const wire_msg *m, unsigned number)
{
    for (size_t i = 0; i < m->opts_n; i++) {
        if (m->opts[i].number == number) {
            return &m->opts[i];
        }
    }
    return NULL;
}

uint32_t wire_uint_of(const wire_msg *m, unsigned number, uint32_t otherwise)
{
    const wire_field *f = wire_find(m, number);
    if (f == NULL) {
        return otherwise;
    }
    uint32_t v = 0;
    for (size_t i = 0; i < f->len; i++) {
        v = v << 8 | f->value[i];
    }
    return v;
}

wire_blk wire_block_of(const wire_msg *m, unsigned number)
{
    uint32_t v = wire_uint_of(m, number, 0);
    return (wire_blk){wire_find(m, number) != NULL, (v & 8) != 0, v >> 4, v & 7};
}
