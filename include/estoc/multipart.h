/* estoc: EST over CoAPS (RFC 9148).  SPDX-License-Identifier: MIT
 *
 * application/multipart-core (content format 62): a CBOR array of format, bytes, format, bytes, ...
 * RFC 8710; RFC 9148 section 4.3 (Figure 2).
 */
#ifndef ESTOC_MULTIPART_H
#define ESTOC_MULTIPART_H

#include <estoc/bytes.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct estoc_part {
    uint16_t format;
    estoc_slice body;
} estoc_part;

/** @param[out] parts  bodies point into `cbor`;  @param[in,out] n  in: room; out: how many
 *  @return 0; ESTOC_E_TRUNCATED; ESTOC_E_MALFORMED (indefinite lengths included);
 *          ESTOC_E_TRAILING; ESTOC_E_LIMIT (more parts than room)                                  */
ESTOC_MUST_USE estoc_err estoc_multipart_parse(estoc_slice cbor, estoc_part *parts, size_t *n);
ESTOC_MUST_USE estoc_err estoc_multipart_build(const estoc_part *parts, size_t n, estoc_buf out,
                                               size_t *len);

#ifdef __cplusplus
}
#endif
#endif
