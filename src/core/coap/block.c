/* SPDX-License-Identifier: MIT */
#include <estoc/block.h>
#include <estoc/coap.h>

estoc_err estoc_block_parse(estoc_slice value, estoc_block *b)
{
    *b = (estoc_block){0, false, 0};
    uint32_t v;
    if (value.len > 3 || estoc_coap_uint(value, &v) != ESTOC_OK) {
        return ESTOC_E_OPTION; /* row 127 */
    }
    if ((v & 7) > ESTOC_SZX_MAX) {
        return ESTOC_E_MALFORMED; /* row 126 */
    }
    *b = estoc_block_of(v);
    return ESTOC_OK;
}

uint32_t estoc_block_value(estoc_block b)
{
    return b.num << 4 | (b.more ? 8u : 0u) | b.szx;
}

size_t estoc_block_offset(estoc_block b)
{
    return (size_t)b.num << (b.szx + 4u);
}

uint8_t estoc_block_szx_for(size_t bytes)
{
    uint8_t szx = 0;
    while (szx < ESTOC_SZX_MAX && ESTOC_BLOCK_SIZE(szx + 1u) <= bytes) {
        szx++;
    }
    return szx;
}
