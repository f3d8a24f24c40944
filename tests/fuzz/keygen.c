/* SPDX-License-Identifier: MIT
 *
 * Input: the attributes of a request. What is read of them is written, and reads back the same.
 */
#include <estoc/keygen.h>

#include "check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    estoc_slice input = estoc_slice_of(data, size);
    estoc_key_wish wish, back;
    estoc_err err = estoc_key_wish_parse(input, &wish);
    CHECK(!err || err == ESTOC_E_MALFORMED || err == ESTOC_E_LIMIT);
    CHECK(check_inside(wish.id, input) && wish.id.len <= ESTOC_KEYGEN_ID_MAX);
    CHECK((wish.cover == ESTOC_COVER_NONE) == (wish.id.len == 0));
    if (err || wish.cover == ESTOC_COVER_NONE) {
        CHECK(wish.cover == ESTOC_COVER_NONE && wish.caps == 0 && !wish.aes256_first);
        return 0;
    }
    uint8_t room[512];
    estoc_writer w = estoc_writer_of((estoc_buf){room, sizeof room});
    estoc_key_wish_put(&w, &wish);
    CHECK(!w.err && estoc_key_wish_parse(estoc_writer_slice(&w), &back) == ESTOC_OK);
    CHECK(back.cover == wish.cover && back.caps == wish.caps);
    CHECK(back.aes256_first == wish.aes256_first && estoc_slice_eq(back.id, wish.id));
    return 0;
}
