/* estoc: EST over CoAPS (RFC 9148).  SPDX-License-Identifier: MIT
 *
 * The value of a Block1 or Block2 option.                                  RFC 7959 section 2.2
 */
#ifndef ESTOC_BLOCK_H
#define ESTOC_BLOCK_H

#include <estoc/bytes.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ESTOC_SZX_MAX 6u
/** Bytes in a block of size exponent `szx` (0 to 6): 16 to 1,024. */
#define ESTOC_BLOCK_SIZE(szx) ((size_t)1 << ((szx) + 4u))

typedef struct estoc_block {
    uint32_t num; /**< block number, below 2^20 */
    bool more;    /**< more blocks follow */
    uint8_t szx;  /**< size exponent 0 to 6 */
} estoc_block;

/** @return 0; ESTOC_E_OPTION for more than 3 bytes (treat as an unrecognised option);
 *          ESTOC_E_MALFORMED for the reserved size exponent 7. Zeroed on failure.                  */
ESTOC_MUST_USE estoc_err estoc_block_parse(estoc_slice value, estoc_block *b);
/** The block that an option value below 2^24 stands for, of a size exponent that is not reserved. */
static inline estoc_block estoc_block_of(uint32_t value)
{
    return (estoc_block){value >> 4, (value & 8) != 0, (uint8_t)(value & 7)};
}
/** The option value as an unsigned integer, to be written with estoc_coap_write_uint. */
uint32_t estoc_block_value(estoc_block b);
/** Offset of the block in its body: num * size. */
size_t estoc_block_offset(estoc_block b);
/** Largest exponent whose block is at most `bytes` long.
 *  @return 0 to 6; 0 also for anything below 16 bytes                                              */
uint8_t estoc_block_szx_for(size_t bytes);

#ifdef __cplusplus
}
#endif
#endif
