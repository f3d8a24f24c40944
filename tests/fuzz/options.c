/* SPDX-License-Identifier: MIT
 *
 * Input: an option part nobody has checked, which is walked; then the same bytes as a list of options
 * to write (delta of 2 bytes, length of 1), which must be found again.
 */
#include <string.h>

#include <estoc/coap.h>

#include "check.h"

static void check_rule(const estoc_coap_opt *opt)
{
    estoc_coap_opt_rule rule;
    if (estoc_coap_opt_rule_of(opt->number, &rule)) {
        CHECK(rule.number == opt->number && rule.min_len <= rule.max_len);
    } else {
        CHECK(rule.number == 0 && rule.max_len == 0);
    }
}

static void walk(estoc_slice part)
{
    estoc_coap_opts it = estoc_coap_opts_of(part);
    estoc_coap_opt opt;
    uint16_t before = 0;
    size_t left = part.len;
    bool first = true;
    while (estoc_coap_opts_next(&it, &opt)) {
        CHECK(opt.number >= before && it.rest.len < left);
        CHECK(check_inside(opt.value, part) && check_inside(it.rest, part));
        check_rule(&opt);
        uint32_t v = 1;
        CHECK((estoc_coap_uint(opt.value, &v) == ESTOC_OK) == (opt.value.len <= 4));
        estoc_slice found;
        CHECK(estoc_coap_opt_find(part, opt.number, &found));
        if (first || opt.number != before) {
            CHECK(found.ptr == opt.value.ptr && found.len == opt.value.len);
        }
        before = opt.number;
        left = it.rest.len;
        first = false;
    }
    CHECK(it.rest.len == 0 && opt.number == 0 && opt.value.len == 0);
    CHECK(!estoc_coap_opts_next(&it, &opt));
}

enum { OPTIONS_MAX = 64 };

/* @return how many options the input describes */
static size_t describe(estoc_slice input, estoc_coap_opt *opts)
{
    estoc_reader r = estoc_reader_of(input);
    uint32_t number = 0;
    size_t n = 0;
    while (n < OPTIONS_MAX && estoc_reader_left(&r) >= 3) {
        number += estoc_read_u16(&r);
        size_t len = estoc_read_u8(&r);
        if (number > UINT16_MAX || len > estoc_reader_left(&r)) {
            break;
        }
        opts[n++] = (estoc_coap_opt){(uint16_t)number, estoc_read_bytes(&r, len)};
    }
    return n;
}

static void there_and_back(estoc_slice input)
{
    static uint8_t room[OPTIONS_MAX * (255 + 5) + 4];
    estoc_coap_opt opts[OPTIONS_MAX];
    size_t n = describe(input, opts);
    estoc_coap_writer cw = estoc_coap_write_begin((estoc_buf){room, sizeof room}, ESTOC_COAP_CON,
                                                  ESTOC_COAP_GET, 1, estoc_slice_of(NULL, 0));
    for (size_t i = 0; i < n; i++) {
        estoc_coap_write_option(&cw, opts[i].number, opts[i].value);
    }
    size_t len;
    CHECK(estoc_coap_write_end(&cw, &len) == ESTOC_OK);
    estoc_coap_msg msg;
    CHECK(estoc_coap_parse(&msg, estoc_slice_of(room, len)) == ESTOC_OK);
    CHECK(msg.options.len == len - 4 && msg.payload.len == 0);
    estoc_coap_opts it = estoc_coap_opts_of(msg.options);
    estoc_coap_opt opt;
    for (size_t i = 0; i < n; i++) {
        CHECK(estoc_coap_opts_next(&it, &opt));
        CHECK(opt.number == opts[i].number && estoc_slice_eq(opt.value, opts[i].value));
    }
    CHECK(!estoc_coap_opts_next(&it, &opt));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    estoc_slice input = estoc_slice_of(data, size);
    /* each option is looked up from the start: keep that square small */
    walk(estoc_slice_sub(input, 0, 1024));
    there_and_back(input);
    return 0;
}
