/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <estoc/block.h>
#include <estoc/est.h>

#include "trace.h"

#define DIAGNOSTIC_MAX 64

struct text {
    char *at;
    size_t cap, len;
};

__attribute__((format(printf, 2, 3))) static void add(struct text *t, const char *fmt, ...)
{
    if (t->len + 1 >= t->cap) {
        return;
    }
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(t->at + t->len, t->cap - t->len, fmt, args);
    va_end(args);
    size_t room = t->cap - t->len - 1;
    t->len += n < 0 ? 0 : (size_t)n < room ? (size_t)n : room;
}

/* The peer's bytes reach a terminal: only what is printable, the rest as a dot. */
static void add_bytes(struct text *t, estoc_slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        bool plain = s.ptr[i] >= 0x20 && s.ptr[i] < 0x7f;
        add(t, "%c", plain ? s.ptr[i] : '.');
    }
}

static void add_code(struct text *t, uint8_t code)
{
    static const char *const method[] = {"empty", "GET", "POST", "PUT", "DELETE"};
    if (code < sizeof method / sizeof method[0]) {
        add(t, "%s", method[code]);
    } else {
        add(t, "%u.%02u", ESTOC_COAP_CLASS(code), ESTOC_COAP_DETAIL(code));
    }
}

static void add_block(struct text *t, const char *name, estoc_slice value)
{
    estoc_block b;
    if (estoc_block_parse(value, &b)) {
        add(t, " %s=?", name);
        return;
    }
    add(t, " %s=%u/%u/%zu", name, (unsigned)b.num, b.more ? 1u : 0u, ESTOC_BLOCK_SIZE(b.szx));
}

static void add_hex(struct text *t, estoc_slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        add(t, "%02x", s.ptr[i]);
    }
}

typedef enum shape { NUMBER, TEXT, HEX, BLOCK, PATH } shape;

/* clang-format off */
static const struct {
    uint16_t number;
    shape shape;
    const char *name;
} known[] = {
    {ESTOC_OPT_IF_MATCH, HEX, "if-match"},            {ESTOC_OPT_URI_HOST, TEXT, "uri-host"},
    {ESTOC_OPT_ETAG, HEX, "etag"},                    {ESTOC_OPT_IF_NONE_MATCH, HEX, "if-none-match"},
    {ESTOC_OPT_OBSERVE, NUMBER, "observe"},           {ESTOC_OPT_URI_PORT, NUMBER, "uri-port"},
    {ESTOC_OPT_LOCATION_PATH, TEXT, "location-path"}, {ESTOC_OPT_OSCORE, HEX, "oscore"},
    {ESTOC_OPT_URI_PATH, PATH, "uri-path"},           {ESTOC_OPT_CONTENT_FORMAT, NUMBER, "format"},
    {ESTOC_OPT_MAX_AGE, NUMBER, "max-age"},           {ESTOC_OPT_URI_QUERY, TEXT, "query"},
    {ESTOC_OPT_HOP_LIMIT, NUMBER, "hop-limit"},       {ESTOC_OPT_ACCEPT, NUMBER, "accept"},
    {ESTOC_OPT_LOCATION_QUERY, TEXT, "location-query"}, {ESTOC_OPT_BLOCK2, BLOCK, "block2"},
    {ESTOC_OPT_BLOCK1, BLOCK, "block1"},              {ESTOC_OPT_SIZE2, NUMBER, "size2"},
    {ESTOC_OPT_PROXY_URI, TEXT, "proxy-uri"},         {ESTOC_OPT_PROXY_SCHEME, TEXT, "proxy-scheme"},
    {ESTOC_OPT_SIZE1, NUMBER, "size1"},               {ESTOC_OPT_ECHO, HEX, "echo"},
    {ESTOC_OPT_NO_RESPONSE, NUMBER, "no-response"},   {ESTOC_OPT_REQUEST_TAG, HEX, "request-tag"},
};
/* clang-format on */

static void add_value(struct text *t, const char *name, shape how, estoc_slice value)
{
    uint32_t v;
    switch (how) {
    case NUMBER:
        if (estoc_coap_uint(value, &v)) {
            add(t, " %s=?", name);
        } else {
            add(t, " %s=%u", name, (unsigned)v);
        }
        break;
    case TEXT:
        add(t, " %s=", name);
        add_bytes(t, value);
        break;
    case HEX:
        add(t, " %s=", name);
        add_hex(t, value);
        break;
    case BLOCK:
        add_block(t, name, value);
        break;
    case PATH: /* shown already */
        break;
    }
}

static void add_option(struct text *t, const estoc_coap_opt *opt)
{
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (known[i].number == opt->number) {
            add_value(t, known[i].name, known[i].shape, opt->value);
            return;
        }
    }
    add(t, " option%u=%zuB", opt->number, opt->value.len);
}

static void add_path(struct text *t, estoc_slice options)
{
    estoc_coap_opts it = estoc_coap_opts_of(options);
    estoc_coap_opt opt;
    bool first = true;
    while (estoc_coap_opts_next(&it, &opt)) {
        if (opt.number == ESTOC_OPT_URI_PATH) {
            add(t, first ? " /" : "/");
            add_bytes(t, opt.value);
            first = false;
        }
    }
}

static void add_payload(struct text *t, const estoc_coap_msg *msg)
{
    if (msg->payload.len == 0) {
        return;
    }
    add(t, " payload=%zu", msg->payload.len);
    if (ESTOC_COAP_CLASS(msg->code) >= 4) {
        add(t, " \"");
        add_bytes(t, estoc_slice_sub(msg->payload, 0, DIAGNOSTIC_MAX));
        add(t, "\"");
    }
}

const char *estoc_trace_text(estoc_slice message, char *out, size_t cap)
{
    static const char *const type[] = {"CON", "NON", "ACK", "RST"};
    struct text t = {out, cap, 0};
    if (cap == 0) {
        return out;
    }
    out[0] = '\0';
    estoc_coap_msg msg;
    if (estoc_coap_parse(&msg, message)) {
        add(&t, "not a CoAP message, %zu bytes", message.len);
        return out;
    }
    add(&t, "%s %04x ", type[msg.type & 3u], msg.mid);
    add_code(&t, msg.code);
    add_path(&t, msg.options);
    if (msg.token_len > 0) {
        add(&t, " token=");
        add_hex(&t, estoc_slice_of(msg.token, msg.token_len));
    }
    estoc_coap_opts it = estoc_coap_opts_of(msg.options);
    estoc_coap_opt opt;
    while (estoc_coap_opts_next(&it, &opt)) {
        add_option(&t, &opt);
    }
    add_payload(&t, &msg);
    add(&t, " bytes=%zu", message.len);
    return out;
}

/* ------------------------------------------------------------------------------------------- DTLS */

enum { CHANGE_CIPHER_SPEC = 20, ALERT, HANDSHAKE, APPLICATION_DATA };

static const char *handshake_name(uint8_t type)
{
    switch (type) { /* RFC 6347 section 4.3.2 */
    case 0:
        return "HelloRequest";
    case 1:
        return "ClientHello";
    case 2:
        return "ServerHello";
    case 3:
        return "HelloVerifyRequest";
    case 4:
        return "NewSessionTicket";
    case 11:
        return "Certificate";
    case 12:
        return "ServerKeyExchange";
    case 13:
        return "CertificateRequest";
    case 14:
        return "ServerHelloDone";
    case 15:
        return "CertificateVerify";
    case 16:
        return "ClientKeyExchange";
    case 20:
        return "Finished";
    default:
        return "handshake";
    }
}

/* The messages of a record in the clear, or pieces of them. */
static void add_handshake(struct text *t, estoc_slice record)
{
    estoc_reader r = estoc_reader_of(record);
    while (r.rest.len > 0) {
        uint8_t type = estoc_read_u8(&r);
        uint32_t len = estoc_read_uint(&r, 3);
        (void)estoc_read_u16(&r); /* message_seq */
        uint32_t from = estoc_read_uint(&r, 3);
        uint32_t n = estoc_read_uint(&r, 3);
        (void)estoc_read_bytes(&r, n);
        if (r.err) {
            add(t, " handshake?");
            return;
        }
        add(t, " %s", handshake_name(type));
        if (n != len) {
            add(t, "[%u-%u/%u]", (unsigned)from, (unsigned)(from + n), (unsigned)len);
        }
    }
}

static void add_record(struct text *t, uint8_t type, bool secret, estoc_slice record)
{
    if (type == HANDSHAKE && !secret) {
        add_handshake(t, record);
    } else if (type == ALERT && !secret && record.len == 2) {
        add(t, " alert=%u", record.ptr[1]);
    } else {
        add(t, " %s%s",
            type == HANDSHAKE            ? "handshake"
            : type == ALERT              ? "alert"
            : type == CHANGE_CIPHER_SPEC ? "ChangeCipherSpec"
                                         : "record",
            secret ? "(encrypted)" : "");
    }
}

bool estoc_trace_dtls(estoc_slice datagram, char *out, size_t cap)
{
    struct text t = {out, cap, 0};
    if (cap > 0) {
        out[0] = '\0';
    }
    estoc_reader r = estoc_reader_of(datagram);
    bool shown = false;
    add(&t, "dtls");
    while (r.rest.len > 0) {
        uint8_t type = estoc_read_u8(&r);
        (void)estoc_read_u16(&r); /* version */
        uint16_t epoch = estoc_read_u16(&r);
        (void)estoc_read_bytes(&r, 6); /* sequence number */
        estoc_slice record = estoc_read_bytes(&r, estoc_read_u16(&r));
        if (r.err) {
            add(&t, " not a record");
            shown = true;
            break;
        }
        if (type != APPLICATION_DATA) {
            add_record(&t, type, epoch > 0, record);
            shown = true;
        }
    }
    add(&t, " bytes=%zu", datagram.len);
    return shown;
}
