/* estoc: EST over CoAPS (RFC 9148).  SPDX-License-Identifier: MIT
 *
 * CoAP messages: the codec of RFC 7252 section 3, and the numbers EST-coaps uses.
 * Not checked here: whether an option is known, repeated or allowed (requester.h and responder.h do).
 */
#ifndef ESTOC_COAP_H
#define ESTOC_COAP_H

#include <estoc/bytes.h>

#ifdef __cplusplus
extern "C" {
#endif

/* clang-format off */
/** Message types.                                                       RFC 7252 section 3 */
enum { ESTOC_COAP_CON = 0, ESTOC_COAP_NON = 1, ESTOC_COAP_ACK = 2, ESTOC_COAP_RST = 3 };

#define ESTOC_COAP_CODE(class_, detail) ((uint8_t)(((class_) << 5) | (detail)))
#define ESTOC_COAP_CLASS(code) ((uint8_t)((code) >> 5))
#define ESTOC_COAP_DETAIL(code) ((uint8_t)((code) & 0x1f))

/** Codes.                                             RFC 7252 section 12.1, RFC 7959, RFC 8516 */
enum {
    ESTOC_COAP_EMPTY              = ESTOC_COAP_CODE(0, 0),
    ESTOC_COAP_GET                = ESTOC_COAP_CODE(0, 1),
    ESTOC_COAP_POST               = ESTOC_COAP_CODE(0, 2),
    ESTOC_COAP_PUT                = ESTOC_COAP_CODE(0, 3),
    ESTOC_COAP_DELETE             = ESTOC_COAP_CODE(0, 4),
    ESTOC_COAP_VALID              = ESTOC_COAP_CODE(2, 3),
    ESTOC_COAP_CHANGED            = ESTOC_COAP_CODE(2, 4),
    ESTOC_COAP_CONTENT            = ESTOC_COAP_CODE(2, 5),
    ESTOC_COAP_CONTINUE           = ESTOC_COAP_CODE(2, 31),
    ESTOC_COAP_BAD_REQUEST        = ESTOC_COAP_CODE(4, 0),
    ESTOC_COAP_UNAUTHORIZED       = ESTOC_COAP_CODE(4, 1),
    ESTOC_COAP_BAD_OPTION         = ESTOC_COAP_CODE(4, 2),
    ESTOC_COAP_FORBIDDEN          = ESTOC_COAP_CODE(4, 3),
    ESTOC_COAP_NOT_FOUND          = ESTOC_COAP_CODE(4, 4),
    ESTOC_COAP_METHOD_NOT_ALLOWED = ESTOC_COAP_CODE(4, 5),
    ESTOC_COAP_NOT_ACCEPTABLE     = ESTOC_COAP_CODE(4, 6),
    ESTOC_COAP_INCOMPLETE         = ESTOC_COAP_CODE(4, 8),
    ESTOC_COAP_TOO_LARGE          = ESTOC_COAP_CODE(4, 13),
    ESTOC_COAP_UNSUPPORTED_FORMAT = ESTOC_COAP_CODE(4, 15),
    ESTOC_COAP_TOO_MANY_REQUESTS  = ESTOC_COAP_CODE(4, 29),
    ESTOC_COAP_INTERNAL_ERROR     = ESTOC_COAP_CODE(5, 0),
    ESTOC_COAP_BAD_GATEWAY        = ESTOC_COAP_CODE(5, 2),
    ESTOC_COAP_UNAVAILABLE        = ESTOC_COAP_CODE(5, 3),
    ESTOC_COAP_GATEWAY_TIMEOUT    = ESTOC_COAP_CODE(5, 4),
    ESTOC_COAP_NO_PROXY           = ESTOC_COAP_CODE(5, 5)
};

/** Option numbers.                    RFC 7252 section 12.2, RFC 7959 section 6, RFC 9175, RFC 7967 */
enum {
    ESTOC_OPT_IF_MATCH       = 1,
    ESTOC_OPT_URI_HOST       = 3,
    ESTOC_OPT_ETAG           = 4,
    ESTOC_OPT_IF_NONE_MATCH  = 5,
    ESTOC_OPT_OBSERVE        = 6,
    ESTOC_OPT_URI_PORT       = 7,
    ESTOC_OPT_LOCATION_PATH  = 8,
    ESTOC_OPT_OSCORE         = 9,
    ESTOC_OPT_URI_PATH       = 11,
    ESTOC_OPT_CONTENT_FORMAT = 12,
    ESTOC_OPT_MAX_AGE        = 14,
    ESTOC_OPT_URI_QUERY      = 15,
    ESTOC_OPT_HOP_LIMIT      = 16,
    ESTOC_OPT_ACCEPT         = 17,
    ESTOC_OPT_LOCATION_QUERY = 20,
    ESTOC_OPT_BLOCK2         = 23,
    ESTOC_OPT_BLOCK1         = 27,
    ESTOC_OPT_SIZE2          = 28,
    ESTOC_OPT_PROXY_URI      = 35,
    ESTOC_OPT_PROXY_SCHEME   = 39,
    ESTOC_OPT_SIZE1          = 60,
    ESTOC_OPT_ECHO           = 252,
    ESTOC_OPT_NO_RESPONSE    = 258,
    ESTOC_OPT_REQUEST_TAG    = 292
};
/* clang-format on */

/** An odd option number is critical: not understood, it must not be ignored. RFC 7252 section 5.4.6 */
#define ESTOC_OPT_IS_CRITICAL(number) (((number)&1u) != 0)

#define ESTOC_COAP_TOKEN_MAX 8

/** One message. `options` is the raw, validated option part; walk it with estoc_coap_opts_next. */
typedef struct estoc_coap_msg {
    uint8_t type;
    uint8_t code;
    uint16_t mid;
    uint8_t token_len;
    uint8_t token[ESTOC_COAP_TOKEN_MAX];
    estoc_slice options;
    estoc_slice payload;
} estoc_coap_msg;

/** Type and message ID of anything that is long enough to be answered with RST or ignored.
 *  @return false for fewer than 4 bytes or a version other than 1: silence is the only answer     */
bool estoc_coap_peek(estoc_slice dg, uint8_t *type, uint16_t *mid);

/** Parse one CoAP message.                                              RFC 7252 section 3
 *  The whole option part is checked: nibble 15, lengths, numbers past 65,535, the payload marker.
 *  @param[out] msg  slices point into `dg` and live as long as its bytes; zeroed on failure
 *  @param[in]  dg   one datagram, untrusted
 *  @return 0; ESTOC_E_TRUNCATED; ESTOC_E_MALFORMED (a version other than 1, a reserved nibble or
 *          token length, an option number past 65,535, an empty message with anything behind its
 *          header, a payload marker with nothing behind it, a code class 1, 6 or 7, a code its
 *          message type cannot carry: RFC 7252 Table 1). On failure, reset the peer's message if
 *          estoc_coap_peek says it is a CON; stay silent otherwise.                                */
ESTOC_MUST_USE estoc_err estoc_coap_parse(estoc_coap_msg *msg, estoc_slice dg);

/** Write an empty message: an acknowledgement or a reset.
 *  @return its length, 4 bytes                                                                     */
size_t estoc_coap_empty(uint8_t out[4], uint8_t type, uint16_t mid);

typedef struct estoc_coap_opt {
    uint16_t number;
    estoc_slice value;
} estoc_coap_opt;

/** Walks an option part that estoc_coap_parse accepted (or any bytes: it stops at the first fault). */
typedef struct estoc_coap_opts {
    estoc_slice rest;
    uint32_t number;
} estoc_coap_opts;

static inline estoc_coap_opts estoc_coap_opts_of(estoc_slice options)
{
    return (estoc_coap_opts){options, 0};
}
bool estoc_coap_opts_next(estoc_coap_opts *it, estoc_coap_opt *opt);
/** First option with this number. @return false if there is none */
bool estoc_coap_opt_find(estoc_slice options, uint16_t number, estoc_slice *value);

/** An unsigned integer of 0 to 4 bytes; leading zeros are allowed.       RFC 7252 section 3.2
 *  @return 0; ESTOC_E_MALFORMED for more than 4 bytes (`*v` is then 0)                             */
ESTOC_MUST_USE estoc_err estoc_coap_uint(estoc_slice value, uint32_t *v);

/** Builds one message front to back; options in ascending order. The first error sticks. */
typedef struct estoc_coap_writer {
    estoc_writer w;
    uint32_t last_number;
} estoc_coap_writer;

/** ESTOC_E_USAGE sticks for a type above 3 or a token above 8 bytes. */
estoc_coap_writer estoc_coap_write_begin(estoc_buf out, uint8_t type, uint8_t code, uint16_t mid,
                                         estoc_slice token);
/** ESTOC_E_USAGE sticks if `number` is below the one before it, or follows the payload. */
void estoc_coap_write_option(estoc_coap_writer *cw, uint16_t number, estoc_slice value);
void estoc_coap_write_uint(estoc_coap_writer *cw, uint16_t number, uint32_t value);
/** Payload marker and payload; nothing at all for an empty payload. Once, the last call before the
 *  end (else ESTOC_E_USAGE sticks).                                                                */
void estoc_coap_write_payload(estoc_coap_writer *cw, estoc_slice payload);
ESTOC_MUST_USE estoc_err estoc_coap_write_end(const estoc_coap_writer *cw, size_t *len);

/** Known option lengths and repetition, as one table.                   RFC 7252 section 5.10
 *  @return false if `number` is not one estoc knows                                                */
typedef struct estoc_coap_opt_rule {
    uint16_t number;
    uint16_t max_len;
    uint8_t min_len;
    bool repeatable;
} estoc_coap_opt_rule;
bool estoc_coap_opt_rule_of(uint16_t number, estoc_coap_opt_rule *rule);

#ifdef __cplusplus
}
#endif
#endif
