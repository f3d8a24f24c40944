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

static void add_option(struct text *t, const estoc_coap_opt *opt)
{
    /* clang-format off */
    static const struct {
        uint16_t number;
        const char *name;
    } numbers[] = {
        {ESTOC_OPT_CONTENT_FORMAT, "format"}, {ESTOC_OPT_ACCEPT, "accept"},
        {ESTOC_OPT_MAX_AGE, "max-age"},       {ESTOC_OPT_SIZE1, "size1"},
        {ESTOC_OPT_SIZE2, "size2"},
    };
    /* clang-format on */
    if (opt->number == ESTOC_OPT_BLOCK1 || opt->number == ESTOC_OPT_BLOCK2) {
        add_block(t, opt->number == ESTOC_OPT_BLOCK1 ? "block1" : "block2", opt->value);
        return;
    }
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        uint32_t v;
        if (numbers[i].number == opt->number && !estoc_coap_uint(opt->value, &v)) {
            add(t, " %s=%u", numbers[i].name, (unsigned)v);
            return;
        }
    }
    if (opt->number == ESTOC_OPT_URI_QUERY) {
        add(t, " query=");
        add_bytes(t, opt->value);
    } else if (opt->number != ESTOC_OPT_URI_PATH) {
        add(t, " option%u=%zuB", opt->number, opt->value.len);
    }
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
    estoc_coap_opts it = estoc_coap_opts_of(msg.options);
    estoc_coap_opt opt;
    while (estoc_coap_opts_next(&it, &opt)) {
        add_option(&t, &opt);
    }
    add_payload(&t, &msg);
    return out;
}
