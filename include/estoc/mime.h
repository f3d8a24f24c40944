/* estoc: EST over CoAPS (RFC 9148).  SPDX-License-Identifier: MIT
 *
 * What EST over HTTPS wraps around its DER: base64, media types with parameters, multipart/mixed.
 * RFC 7030 section 4, RFC 8951 section 3, RFC 2045, RFC 2046. For what stands between both kinds of EST,
 * and of no use to a device.
 * Not checked here: what is inside, and Content-Transfer-Encoding, which says nothing (RFC 8951 section
 * 3.1): every body and every part is base64.
 */
#ifndef ESTOC_MIME_H
#define ESTOC_MIME_H

#include <estoc/bytes.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ESTOC_BOUNDARY_MAX 70 /**< characters between parts. RFC 2046 section 5.1.1 */

/** Decode base64. CR, LF, space and tab may stand anywhere, everything else is strict: padding is complete
 *  and at the end, unused bits are zero.                  RFC 8951 section 3.1, RFC 4648 section 4
 *  @param out  3 bytes for 4 digits; may be the memory of `text` itself
 *  @param[out] len  0 on failure, and `out` is undefined then; no text at all is no bytes
 *  @return 0; ESTOC_E_TRUNCATED (digits are missing); ESTOC_E_MALFORMED; ESTOC_E_SPACE             */
ESTOC_MUST_USE estoc_err estoc_base64_read(estoc_slice text, estoc_buf out, size_t *len);
/** Encode in one line, padded, without a line's end. */
void estoc_base64_put(estoc_writer *w, estoc_slice bytes);

/** Whether the value of a Content-Type is this type, whatever its parameters are; in any case.
 *  @param type  in lower case, such as "application/pkcs8"                   RFC 9110 section 8.3.1 */
bool estoc_media_is(estoc_slice value, const char *type);
/** A parameter of a Content-Type, or a directive such as Cache-Control's, without quotes. Of several of
 *  this name the first; what is behind a fault is not looked at.
 *  @param name      in lower case
 *  @param[out] len  0 if there is none, or if it has no value
 *  @return whether it is there, and fits                                                          */
bool estoc_media_param(estoc_slice value, const char *name, estoc_buf out, size_t *len);

/** A part of multipart/mixed. */
typedef struct estoc_mime_part {
    estoc_slice
        type; /**< value of its Content-Type, as it came, folded or not; empty: there is none */
    estoc_slice body; /**< read: base64; to write: what it stands for */
} estoc_mime_part;

/** Take a multipart/mixed apart. Lines may end in CRLF or LF; what is before the first and after the last
 *  delimiter is passed over; header fields other than Content-Type are, too. Parts are not looked into.
 *  @param type        value of the Content-Type, which has the boundary, quoted or not
 *  @param[out] parts  point into `body`; zeroed on failure
 *  @param[in,out] n   in: room in `parts`; out: how many, at least one
 *  @return 0; ESTOC_E_TRUNCATED (no closing delimiter); ESTOC_E_MALFORMED (no multipart/mixed, no
 *          boundary or one that is too long, a header that is none, two Content-Types); ESTOC_E_LIMIT */
ESTOC_MUST_USE estoc_err estoc_mime_parse(estoc_slice type, estoc_slice body,
                                          estoc_mime_part *parts, size_t *n);
/** Write one: each body in base64, with Content-Type and the Content-Transfer-Encoding that older
 *  readers want.                                                            RFC 7030 section 4.4.2
 *  @param boundary  1 to ESTOC_BOUNDARY_MAX letters and digits; that of the Content-Type outside
 *  @return 0; ESTOC_E_SPACE                                                                       */
ESTOC_MUST_USE estoc_err estoc_mime_build(const estoc_mime_part *parts, size_t n,
                                          const char *boundary, estoc_buf out, size_t *len);

#ifdef __cplusplus
}
#endif
#endif
