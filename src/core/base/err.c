/* SPDX-License-Identifier: MIT */
#include <stddef.h>
#include <string.h>

#include <estoc/coap.h>
#include <estoc/err.h>

/* One table: an error, what to tell a CoAP client (RFC 9148 section 4.5), what to tell a person. Band
 * and number share a byte, and the texts stand in a row without pointers: errors in their order. */
/* clang-format off */
#define ERRORS(ROW) \
    ROW(ESTOC_OK,            INTERNAL_ERROR,     "no error") \
    ROW(ESTOC_E_USAGE,       INTERNAL_ERROR,     "argument out of its range") \
    ROW(ESTOC_E_STATE,       INTERNAL_ERROR,     "call does not fit the state") \
    ROW(ESTOC_E_CONFIG,      INTERNAL_ERROR,     "wrong configuration") \
    ROW(ESTOC_E_SPACE,       INTERNAL_ERROR,     "buffer too small") \
    ROW(ESTOC_E_LIMIT,       TOO_LARGE,          "over a size limit") \
    ROW(ESTOC_E_MEMORY,      UNAVAILABLE,        "out of memory") \
    ROW(ESTOC_E_BUSY,        UNAVAILABLE,        "busy, try again later") \
    ROW(ESTOC_E_QUOTA,       TOO_MANY_REQUESTS,  "too many requests, try again later") \
    ROW(ESTOC_E_TRUNCATED,   BAD_REQUEST,        "data ends too early") \
    ROW(ESTOC_E_MALFORMED,   BAD_REQUEST,        "malformed data") \
    ROW(ESTOC_E_TRAILING,    BAD_REQUEST,        "bytes behind the end of the data") \
    ROW(ESTOC_E_UNSUPPORTED, BAD_REQUEST,        "unsupported algorithm or variant") \
    ROW(ESTOC_E_PROTOCOL,    BAD_REQUEST,        "the peer broke the protocol") \
    ROW(ESTOC_E_OPTION,      BAD_OPTION,         "unknown critical option") \
    ROW(ESTOC_E_BLOCK,       INCOMPLETE,         "blocks do not fit, start again") \
    ROW(ESTOC_E_FORMAT,      UNSUPPORTED_FORMAT, "unexpected content format") \
    ROW(ESTOC_E_TIMEOUT,     GATEWAY_TIMEOUT,    "no answer") \
    ROW(ESTOC_E_RESET,       INTERNAL_ERROR,     "reset by the peer") \
    ROW(ESTOC_E_CLOSED,      INTERNAL_ERROR,     "connection closed") \
    ROW(ESTOC_E_REFUSED,     FORBIDDEN,          "refused by the server") \
    ROW(ESTOC_E_LATER,       UNAVAILABLE,        "not now, try again later") \
    ROW(ESTOC_E_PEER,        BAD_GATEWAY,        "the server failed") \
    ROW(ESTOC_E_FORBIDDEN,   FORBIDDEN,          "not allowed for this identity") \
    ROW(ESTOC_E_NOT_FOUND,   NOT_FOUND,          "not found") \
    ROW(ESTOC_E_SIGNATURE,   BAD_REQUEST,        "signature does not verify") \
    ROW(ESTOC_E_UNTRUSTED,   UNAUTHORIZED,       "certificate not trusted") \
    ROW(ESTOC_E_KEY,         BAD_REQUEST,        "key not acceptable, or another") \
    ROW(ESTOC_E_RANDOM,      INTERNAL_ERROR,     "random source failed") \
    ROW(ESTOC_E_CRYPTO,      INTERNAL_ERROR,     "cryptographic operation failed") \
    ROW(ESTOC_E_STORE,       UNAVAILABLE,        "store not available") \
    ROW(ESTOC_E_FILE,        INTERNAL_ERROR,     "file cannot be read or written") \
    ROW(ESTOC_E_INTERNAL,    INTERNAL_ERROR,     "internal error") \
    ROW(ESTOC_E_SYSTEM,      INTERNAL_ERROR,     "system call failed")
/* clang-format on */

#define SHORT(err)           ((uint8_t)((unsigned)(err) >> 4 | ((unsigned)(err)&0x0fu)))
#define CODE(err, code, txt) {SHORT(err), ESTOC_COAP_##code},
#define TEXT(err, code, txt) txt "\0"

static const struct {
    uint8_t err, code;
} table[] = {ERRORS(CODE)};
static const char texts[] = ERRORS(TEXT) "unknown error";

static unsigned number_of(uint8_t short_err)
{
    return (unsigned)short_err >> 4 << 8 | (short_err & 0x0fu);
}

/* The row of an error; one past the last if it has none. */
static size_t row_of(estoc_err err)
{
    size_t i = 0;
    while (i < sizeof table / sizeof table[0] && number_of(table[i].err) != (unsigned)err) {
        i++;
    }
    return i;
}

const char *estoc_err_text(estoc_err err)
{
    const char *text = texts;
    for (size_t n = row_of(err); n > 0; n--) {
        text += strlen(text) + 1;
    }
    return text;
}

uint8_t estoc_err_coap_code(estoc_err err)
{
    size_t i = row_of(err);
    return i < sizeof table / sizeof table[0] ? table[i].code : (uint8_t)ESTOC_COAP_INTERNAL_ERROR;
}
