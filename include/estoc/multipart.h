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
    bool absent; /**< null stands in its place: an optional part, not given. RFC 8710 section 2 */
} estoc_part;

/** Definite lengths only. Heads may be longer than needed: that is well-formed. RFC 8949 section 3
 *  @param[out] parts  bodies point into `cbor`; zeroed on failure
 *  @param[in,out] n   in: room in `parts`; out: how many, which may be none
 *  @return 0; ESTOC_E_TRUNCATED; ESTOC_E_MALFORMED (indefinite lengths included);
 *          ESTOC_E_TRAILING; ESTOC_E_LIMIT (more parts than room)                                */
ESTOC_MUST_USE estoc_err estoc_multipart_parse(estoc_slice cbor, estoc_part *parts, size_t *n);
/** In the fewest bytes.
 *  @return 0; ESTOC_E_SPACE; ESTOC_E_LIMIT (a body of 4 GiB)                                     */
ESTOC_MUST_USE estoc_err estoc_multipart_build(const estoc_part *parts, size_t n, estoc_buf out,
                                               size_t *len);

#ifdef __cplusplus
}
#endif
#endif
