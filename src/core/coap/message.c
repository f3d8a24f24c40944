/* SPDX-License-Identifier: MIT */
#include <string.h>

#include <estoc/coap.h>

enum { VERSION_1 = 0x40, PAYLOAD_MARKER = 0xff, NUMBER_MAX = 0xffff };

/* Which kind of code a type may carry: empty, request, response.   RFC 7252 section 4.3, Table 1 */
enum { EMPTY = 1, REQUEST = 2, RESPONSE = 4 };
static const uint8_t carries[4] = {
    [ESTOC_COAP_CON] = EMPTY | REQUEST | RESPONSE,
    [ESTOC_COAP_NON] = REQUEST | RESPONSE,
    [ESTOC_COAP_ACK] = EMPTY | RESPONSE,
    [ESTOC_COAP_RST] = EMPTY,
};

bool estoc_coap_peek(estoc_slice dg, uint8_t *type, uint16_t *mid)
{
    *type = 0;
    *mid = 0;
    if (dg.len < 4 || (dg.ptr[0] & 0xc0) != VERSION_1) {
        return false;
    }
    *type = dg.ptr[0] >> 4 & 3;
    *mid = (uint16_t)(dg.ptr[2] << 8 | dg.ptr[3]);
    return true;
}

/* Classes 2 to 5 are responses (3 has no meaning yet: section 12.1.2); 1, 6 and 7 are reserved. */
static unsigned kind_of(uint8_t code)
{
    unsigned class_ = ESTOC_COAP_CLASS(code);
    if (class_ == 0) {
        return code == ESTOC_COAP_EMPTY ? EMPTY : REQUEST;
    }
    return class_ >= 2 && class_ <= 5 ? RESPONSE : 0;
}

/* Row 72. An empty message is its header alone: section 4.1 (row 62). */
static bool header_ok(uint8_t first, uint8_t code, size_t left)
{
    unsigned token_len = first & 0x0fu;
    return (first & 0xc0) == VERSION_1 && token_len <= ESTOC_COAP_TOKEN_MAX &&
           (carries[first >> 4 & 3] & kind_of(code)) != 0 &&
           (code != ESTOC_COAP_EMPTY || (token_len == 0 && left == 0));
}

/* Delta or length behind its nibble.                                     RFC 7252 section 3.1 */
static uint32_t read_extended(estoc_reader *r, unsigned nibble)
{
    switch (nibble) {
    case 13:
        return estoc_read_u8(r) + 13u;
    case 14:
        return estoc_read_u16(r) + 269u;
    case 15:
        estoc_reader_malformed(r); /* row 69 */
        return 0;
    default:
        return nibble;
    }
}

/* One option; r->err tells of a fault. A number past 65,535 would wrap to a known one (row 71). */
static estoc_slice read_option(estoc_reader *r, uint32_t *number)
{
    unsigned head = estoc_read_u8(r);
    *number += read_extended(r, head >> 4);
    uint32_t len = read_extended(r, head & 0x0f);
    if (*number > NUMBER_MAX) {
        estoc_reader_malformed(r);
    }
    return estoc_read_bytes(r, r->err == ESTOC_OK ? len : 0);
}

static estoc_slice read_options(estoc_reader *r)
{
    estoc_slice all = r->rest;
    uint32_t number = 0;
    while (r->rest.len > 0 && r->rest.ptr[0] != PAYLOAD_MARKER) {
        (void)read_option(r, &number);
    }
    all.len -= r->rest.len;
    return all;
}

estoc_err estoc_coap_parse(estoc_coap_msg *msg, estoc_slice dg)
{
    memset(msg, 0, sizeof *msg);
    estoc_reader r = estoc_reader_of(dg);
    uint8_t first = estoc_read_u8(&r);
    uint8_t code = estoc_read_u8(&r);
    uint16_t mid = estoc_read_u16(&r);
    if (r.err == ESTOC_OK && !header_ok(first, code, r.rest.len)) {
        estoc_reader_malformed(&r);
    }
    estoc_slice token = estoc_read_bytes(&r, first & 0x0f);
    estoc_slice options = read_options(&r);
    if (r.rest.len == 1) { /* the marker alone: section 3, "MUST be processed as a format error" */
        estoc_reader_malformed(&r);
    }
    if (r.err != ESTOC_OK) {
        return r.err;
    }
    msg->type = first >> 4 & 3;
    msg->code = code;
    msg->mid = mid;
    msg->token_len = (uint8_t)token.len;
    memcpy(msg->token, token.ptr, token.len);
    msg->options = options;
    msg->payload = estoc_slice_sub(r.rest, 1, r.rest.len);
    return ESTOC_OK;
}

size_t estoc_coap_empty(uint8_t out[4], uint8_t type, uint16_t mid)
{
    out[0] = (uint8_t)(VERSION_1 | type << 4);
    out[1] = ESTOC_COAP_EMPTY;
    out[2] = (uint8_t)(mid >> 8);
    out[3] = (uint8_t)mid;
    return 4;
}

bool estoc_coap_opts_next(estoc_coap_opts *it, estoc_coap_opt *opt)
{
    *opt = (estoc_coap_opt){0, {NULL, 0}};
    if (it->rest.len == 0) {
        return false;
    }
    estoc_reader r = estoc_reader_of(it->rest);
    estoc_slice value = read_option(&r, &it->number);
    it->rest = r.rest;
    if (r.err != ESTOC_OK) {
        return false;
    }
    *opt = (estoc_coap_opt){(uint16_t)it->number, value};
    return true;
}

bool estoc_coap_opt_find(estoc_slice options, uint16_t number, estoc_slice *value)
{
    estoc_coap_opts it = estoc_coap_opts_of(options);
    estoc_coap_opt opt;
    while (estoc_coap_opts_next(&it, &opt)) {
        if (opt.number == number) {
            *value = opt.value;
            return true;
        }
    }
    *value = (estoc_slice){NULL, 0};
    return false;
}

estoc_err estoc_coap_uint(estoc_slice value, uint32_t *v)
{
    *v = 0;
    if (value.len > 4) {
        return ESTOC_E_MALFORMED;
    }
    for (size_t i = 0; i < value.len; i++) {
        *v = *v << 8 | value.ptr[i];
    }
    return ESTOC_OK;
}

estoc_coap_writer estoc_coap_write_begin(estoc_buf out, uint8_t type, uint8_t code, uint16_t mid,
                                         estoc_slice token)
{
    estoc_coap_writer cw = {estoc_writer_of(out), 0};
    if (type > ESTOC_COAP_RST || token.len > ESTOC_COAP_TOKEN_MAX) {
        estoc_writer_fail(&cw.w, ESTOC_E_USAGE);
    }
    estoc_write_u8(&cw.w, (uint8_t)(VERSION_1 | (type & 3u) << 4 | token.len));
    estoc_write_u8(&cw.w, code);
    estoc_write_u16(&cw.w, mid);
    estoc_write_bytes(&cw.w, token);
    return cw;
}

static unsigned nibble_of(size_t v)
{
    return v < 13 ? (unsigned)v : v < 269 ? 13 : 14;
}

static void write_extended(estoc_writer *w, size_t v)
{
    if (v >= 269) {
        estoc_write_u16(w, (uint16_t)(v - 269));
    } else if (v >= 13) {
        estoc_write_u8(w, (uint8_t)(v - 13));
    }
}

void estoc_coap_write_option(estoc_coap_writer *cw, uint16_t number, estoc_slice value)
{
    if (number < cw->last_number || value.len > NUMBER_MAX) {
        estoc_writer_fail(&cw->w, ESTOC_E_USAGE);
        return;
    }
    size_t delta = number - cw->last_number;
    cw->last_number = number;
    estoc_write_u8(&cw->w, (uint8_t)(nibble_of(delta) << 4 | nibble_of(value.len)));
    write_extended(&cw->w, delta);
    write_extended(&cw->w, value.len);
    estoc_write_bytes(&cw->w, value);
}

void estoc_coap_write_uint(estoc_coap_writer *cw, uint16_t number, uint32_t value)
{
    uint8_t b[4];
    size_t at = sizeof b;
    for (; value != 0; value >>= 8) {
        b[--at] = (uint8_t)value;
    }
    estoc_coap_write_option(cw, number, estoc_slice_of(b + at, sizeof b - at));
}

void estoc_coap_write_payload(estoc_coap_writer *cw, estoc_slice payload)
{
    if (cw->last_number > NUMBER_MAX) {
        estoc_writer_fail(&cw->w, ESTOC_E_USAGE);
    }
    cw->last_number = NUMBER_MAX + 1; /* no option and no second payload behind it */
    if (payload.len > 0) {
        estoc_write_u8(&cw->w, PAYLOAD_MARKER);
        estoc_write_bytes(&cw->w, payload);
    }
}

estoc_err estoc_coap_write_end(const estoc_coap_writer *cw, size_t *len)
{
    return estoc_writer_end(&cw->w, len);
}
