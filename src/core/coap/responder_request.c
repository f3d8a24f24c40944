/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "options.h"
#include "responder_parts.h"

static void fault(estoc_incoming *in, uint8_t code, const char *why)
{
    if (in->fault == 0) {
        in->fault = code;
        in->why = why;
    }
}

/* No resource here has a condition to meet. */
static bool understood(const estoc_coap_opt *opt, uint32_t before)
{
    return opt->number != ESTOC_OPT_IF_MATCH && opt->number != ESTOC_OPT_IF_NONE_MATCH &&
           estoc_opt_recognised(opt, before);
}

/* Strings are read by estoc_rsp_strings, Uri-Host and Uri-Port name us anyhow. */
static void take(estoc_incoming *in, estoc_opt_numbers *n, const estoc_coap_opt *opt,
                 uint32_t before)
{
    if (opt->number == ESTOC_OPT_PROXY_URI || opt->number == ESTOC_OPT_PROXY_SCHEME) {
        fault(in, ESTOC_COAP_NO_PROXY, "this is no proxy"); /* section 5.10.2 */
    } else if (!understood(opt, before)) {
        if (ESTOC_OPT_IS_CRITICAL(opt->number)) {
            fault(in, ESTOC_COAP_BAD_OPTION, "a critical option is not understood");
        }
    } else if (!estoc_opt_take(n, opt)) {
        fault(in, ESTOC_COAP_BAD_REQUEST, "block size exponent 7 is reserved");
    } else if (opt->number == ESTOC_OPT_ACCEPT && n->v[ACCEPT] == ESTOC_FORMAT_NONE) {
        /* a reserved number, not an absent option */
        fault(in, ESTOC_COAP_NOT_ACCEPTABLE, "no answer in this content format");
    }
}

static void take_options(estoc_incoming *in, estoc_slice options)
{
    estoc_opt_numbers n = {.v = {[FORMAT] = ESTOC_FORMAT_NONE, [ACCEPT] = ESTOC_FORMAT_NONE}};
    estoc_coap_opts it = estoc_coap_opts_of(options);
    estoc_coap_opt opt;
    uint32_t before = UINT32_MAX;
    while (estoc_coap_opts_next(&it, &opt)) {
        take(in, &n, &opt, before);
        before = opt.number;
    }
    in->req.content_format = (uint16_t)n.v[FORMAT];
    in->req.accept = (uint16_t)n.v[ACCEPT];
    in->asked.block1 = estoc_block_of(n.v[BLOCK1]);
    in->asked.block2 = estoc_block_of(n.v[BLOCK2]);
    in->asked.has_block1 = n.has[BLOCK1];
    in->asked.has_block2 = n.has[BLOCK2];
    in->asked.has_size2 = n.has[SIZE2];
    in->size1 = in->req.method == ESTOC_COAP_GET ? 0 : n.v[SIZE1];
}

/* What RFC 7959 asks of the blocks of one message. */
static void check_blocks(estoc_incoming *in)
{
    const struct estoc_asked *a = &in->asked;
    if (!a->has_block1) {
        return;
    }
    size_t size = ESTOC_BLOCK_SIZE(a->block1.szx);
    size_t len = in->req.body.len;
    if (in->req.method == ESTOC_COAP_GET) {
        fault(in, ESTOC_COAP_BAD_REQUEST, "a GET has no body");
    } else if (a->block1.more ? len != size : len > size) { /* section 2.3; rows 136, 316 */
        fault(in, ESTOC_COAP_BAD_REQUEST, "the payload is not one block long");
    } else if (a->has_block2 && a->block2.num > 0) { /* section 2.7 */
        fault(in, ESTOC_COAP_BAD_REQUEST, "a later block of an answer not yet given");
    }
}

static bool identifies(uint16_t number)
{
    return (number & 0x1e) != 0x1c && /* NoCacheKey */
           number != ESTOC_OPT_BLOCK1 && number != ESTOC_OPT_BLOCK2 &&
           number != ESTOC_OPT_CONTENT_FORMAT && number != ESTOC_OPT_OBSERVE;
}

/* Content-Format is compared apart: it says nothing where there is no payload. */
static void make_key(estoc_incoming *in, estoc_slice options)
{
    estoc_coap_opts it = estoc_coap_opts_of(options);
    estoc_coap_opt opt;
    estoc_coap_writer cw = {estoc_writer_of((estoc_buf){in->key.bytes, sizeof in->key.bytes}), 0};
    while (estoc_coap_opts_next(&it, &opt)) {
        if (identifies(opt.number)) {
            estoc_coap_write_option(&cw, opt.number, opt.value);
        }
    }
    size_t len;
    in->key_fits = estoc_coap_write_end(&cw, &len) == ESTOC_OK;
    in->key.len = in->key_fits ? (uint16_t)len : UINT16_MAX; /* then it equals no other */
    in->key.method = in->req.method;
}

void estoc_rsp_strings(estoc_request *req, estoc_slice options)
{
    estoc_coap_opts it = estoc_coap_opts_of(options);
    estoc_coap_opt opt;
    req->path_n = 0;
    req->query_n = 0;
    req->etag_n = 0;
    while (estoc_coap_opts_next(&it, &opt)) {
        if (opt.number == ESTOC_OPT_URI_PATH) {
            if (req->path_n < ESTOC_REQUEST_PATH_MAX) {
                req->path[req->path_n] = opt.value;
            }
            req->path_n++;
        } else if (opt.number == ESTOC_OPT_URI_QUERY) {
            if (req->query_n < ESTOC_REQUEST_QUERY_MAX) {
                req->query[req->query_n] = opt.value;
            }
            req->query_n++;
        } else if (opt.number == ESTOC_OPT_ETAG && req->etag_n < ESTOC_REQUEST_ETAG_MAX &&
                   opt.value.len > 0 && opt.value.len <= 8) {
            req->etag[req->etag_n++] = opt.value;
        }
    }
}

void estoc_rsp_read(estoc_incoming *in, const estoc_coap_msg *msg)
{
    memset(in, 0, sizeof *in);
    in->asked.type = msg->type;
    in->asked.mid = msg->mid;
    in->asked.token_len = msg->token_len;
    memcpy(in->asked.token, msg->token, sizeof in->asked.token);
    in->req.type = msg->type;
    in->req.method = msg->code;
    if (msg->code != ESTOC_COAP_GET) { /* a payload of GET means nothing: RFC 7252 section 5.8.1 */
        in->req.body = msg->payload;
    }
    take_options(in, msg->options);
    estoc_rsp_strings(&in->req, msg->options);
    make_key(in, msg->options);
    check_blocks(in);
}

bool estoc_rsp_same_key(const struct estoc_request_key *a, const struct estoc_request_key *b)
{
    return a->method == b->method && a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
}
