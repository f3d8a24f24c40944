/* SPDX-License-Identifier: MIT
 *
 * Input: the value of a Block option.
 */
#include <estoc/block.h>
#include <estoc/coap.h>

#include "check.h"

/* The same block written as an option again, in the fewest bytes. */
static void check_written(estoc_block b)
{
    uint8_t room[16];
    estoc_coap_writer cw = estoc_coap_write_begin((estoc_buf){room, sizeof room}, ESTOC_COAP_CON,
                                                  ESTOC_COAP_GET, 1, estoc_slice_of(NULL, 0));
    estoc_coap_write_uint(&cw, ESTOC_OPT_BLOCK2, estoc_block_value(b));
    size_t len;
    CHECK(estoc_coap_write_end(&cw, &len) == ESTOC_OK);
    estoc_coap_msg msg;
    estoc_slice value;
    estoc_block again;
    CHECK(estoc_coap_parse(&msg, estoc_slice_of(room, len)) == ESTOC_OK);
    CHECK(estoc_coap_opt_find(msg.options, ESTOC_OPT_BLOCK2, &value));
    CHECK(value.len <= 3 && (value.len == 0 || value.ptr[0] != 0));
    CHECK(estoc_block_parse(value, &again) == ESTOC_OK);
    CHECK(again.num == b.num && again.more == b.more && again.szx == b.szx);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    estoc_block b = {9, true, 9};
    estoc_err err = estoc_block_parse(estoc_slice_of(data, size), &b);
    CHECK((err == ESTOC_E_OPTION) == (size > 3));
    CHECK((err == ESTOC_E_MALFORMED) == (size > 0 && size <= 3 && (data[size - 1] & 7) == 7));
    if (err != ESTOC_OK) {
        CHECK(b.num == 0 && !b.more && b.szx == 0);
        return 0;
    }
    CHECK(b.num < 1u << 20 && b.szx <= ESTOC_SZX_MAX);
    CHECK(estoc_block_offset(b) == (uint64_t)b.num * ESTOC_BLOCK_SIZE(b.szx));
    CHECK(estoc_block_szx_for(ESTOC_BLOCK_SIZE(b.szx)) == b.szx);
    check_written(b);
    return 0;
}
