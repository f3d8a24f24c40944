/* SPDX-License-Identifier: MIT
 *
 * Input: one datagram. What is taken is written again byte for byte: the format has one encoding.
 */
#include <string.h>

#include <estoc/coap.h>

#include "check.h"

static void check_refused(const estoc_coap_msg *msg, estoc_err err)
{
    static const estoc_coap_msg zero;
    CHECK(err == ESTOC_E_TRUNCATED || err == ESTOC_E_MALFORMED);
    CHECK(memcmp(msg, &zero, sizeof zero) == 0);
}

static estoc_err write_again(const estoc_coap_msg *msg, estoc_buf out, size_t *len)
{
    estoc_coap_writer cw = estoc_coap_write_begin(out, msg->type, msg->code, msg->mid,
                                                  estoc_slice_of(msg->token, msg->token_len));
    estoc_coap_opts it = estoc_coap_opts_of(msg->options);
    estoc_coap_opt opt;
    while (estoc_coap_opts_next(&it, &opt)) {
        estoc_coap_write_option(&cw, opt.number, opt.value);
    }
    CHECK(it.rest.len == 0);
    estoc_coap_write_payload(&cw, msg->payload);
    return estoc_coap_write_end(&cw, len);
}

/* In a block of `cap` bytes, so that a sanitizer sees a write past it. */
static void check_room(const estoc_coap_msg *msg, estoc_slice dg, size_t cap)
{
    uint8_t *room = malloc(cap);
    CHECK(room != NULL);
    size_t len;
    estoc_err err = write_again(msg, (estoc_buf){room, cap}, &len);
    if (cap < dg.len) {
        CHECK(err == ESTOC_E_SPACE && len == 0);
    } else {
        CHECK(err == ESTOC_OK && len == dg.len && memcmp(room, dg.ptr, len) == 0);
    }
    free(room);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 65535) {
        return 0;
    }
    estoc_slice dg = estoc_slice_of(data, size);
    estoc_coap_msg msg;
    uint8_t type;
    uint16_t mid;
    memset(&msg, 0xa5, sizeof msg);
    estoc_err err = estoc_coap_parse(&msg, dg);
    bool addressed = estoc_coap_peek(dg, &type, &mid);
    CHECK(addressed == (size >= 4 && data[0] >> 6 == 1));
    if (err != ESTOC_OK) {
        check_refused(&msg, err);
        return 0;
    }
    CHECK(addressed && type == msg.type && mid == msg.mid);
    CHECK(check_inside(msg.options, dg) && check_inside(msg.payload, dg));
    CHECK(msg.code != ESTOC_COAP_EMPTY || size == 4);
    check_room(&msg, dg, size);
    check_room(&msg, dg, size - 1);
    return 0;
}
