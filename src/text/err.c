/* SPDX-License-Identifier: MIT */
#include <estoc/coap.h>

#include "text.h"

/* One table: an error, what to tell a person, what to tell a CoAP client. RFC 9148 section 4.5. */
/* clang-format off */
static const struct {
    estoc_err err;
    uint8_t code;
    const char *text;
} table[] = {
    {ESTOC_OK,            ESTOC_COAP_INTERNAL_ERROR,   "no error"},
    {ESTOC_E_USAGE,       ESTOC_COAP_INTERNAL_ERROR,   "an argument is out of its range"},
    {ESTOC_E_STATE,       ESTOC_COAP_INTERNAL_ERROR,   "the call does not fit the state"},
    {ESTOC_E_CONFIG,      ESTOC_COAP_INTERNAL_ERROR,   "the configuration is wrong"},
    {ESTOC_E_SPACE,       ESTOC_COAP_INTERNAL_ERROR,   "a buffer is too small"},
    {ESTOC_E_LIMIT,       ESTOC_COAP_TOO_LARGE,        "a size limit is passed"},
    {ESTOC_E_MEMORY,      ESTOC_COAP_UNAVAILABLE,      "out of memory"},
    {ESTOC_E_BUSY,        ESTOC_COAP_UNAVAILABLE,      "busy, try again later"},
    {ESTOC_E_QUOTA,       ESTOC_COAP_TOO_MANY_REQUESTS, "too many requests, try again later"},
    {ESTOC_E_TRUNCATED,   ESTOC_COAP_BAD_REQUEST,      "the data ends too early"},
    {ESTOC_E_MALFORMED,   ESTOC_COAP_BAD_REQUEST,      "the data is malformed"},
    {ESTOC_E_TRAILING,    ESTOC_COAP_BAD_REQUEST,      "bytes follow where the data should end"},
    {ESTOC_E_UNSUPPORTED, ESTOC_COAP_BAD_REQUEST,      "an algorithm or variant that is not supported"},
    {ESTOC_E_PROTOCOL,    ESTOC_COAP_BAD_REQUEST,      "the peer broke the protocol"},
    {ESTOC_E_OPTION,      ESTOC_COAP_BAD_OPTION,       "a critical option is not understood"},
    {ESTOC_E_BLOCK,       ESTOC_COAP_INCOMPLETE,       "blocks do not fit together, start again"},
    {ESTOC_E_FORMAT,      ESTOC_COAP_UNSUPPORTED_FORMAT, "the content format is not the expected one"},
    {ESTOC_E_TIMEOUT,     ESTOC_COAP_GATEWAY_TIMEOUT,  "no answer"},
    {ESTOC_E_RESET,       ESTOC_COAP_INTERNAL_ERROR,   "the peer reset the exchange"},
    {ESTOC_E_CLOSED,      ESTOC_COAP_INTERNAL_ERROR,   "the connection is closed"},
    {ESTOC_E_REFUSED,     ESTOC_COAP_FORBIDDEN,        "the server refused the request"},
    {ESTOC_E_LATER,       ESTOC_COAP_UNAVAILABLE,      "not now, try again later"},
    {ESTOC_E_PEER,        ESTOC_COAP_BAD_GATEWAY,      "the server failed"},
    {ESTOC_E_FORBIDDEN,   ESTOC_COAP_FORBIDDEN,        "not allowed for this identity"},
    {ESTOC_E_NOT_FOUND,   ESTOC_COAP_NOT_FOUND,        "not found"},
    {ESTOC_E_UPSTREAM,    ESTOC_COAP_BAD_GATEWAY,      "the server behind this one failed"},
    {ESTOC_E_SIGNATURE,   ESTOC_COAP_BAD_REQUEST,      "a signature does not verify"},
    {ESTOC_E_UNTRUSTED,   ESTOC_COAP_UNAUTHORIZED,     "the certificate is not trusted"},
    {ESTOC_E_KEY,         ESTOC_COAP_BAD_REQUEST,      "the key is not acceptable or does not match"},
    {ESTOC_E_RANDOM,      ESTOC_COAP_INTERNAL_ERROR,   "the random source failed"},
    {ESTOC_E_CRYPTO,      ESTOC_COAP_INTERNAL_ERROR,   "a cryptographic operation failed"},
    {ESTOC_E_STORE,       ESTOC_COAP_UNAVAILABLE,      "the store is not available"},
    {ESTOC_E_FILE,        ESTOC_COAP_INTERNAL_ERROR,   "a file cannot be read or written"},
    {ESTOC_E_INTERNAL,    ESTOC_COAP_INTERNAL_ERROR,   "internal error"},
    {ESTOC_E_SYSTEM,      ESTOC_COAP_INTERNAL_ERROR,   "a system call failed"},
};
/* clang-format on */

const char *estoc_err_text(estoc_err err)
{
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (table[i].err == err) {
            return table[i].text;
        }
    }
    return "unknown error";
}

uint8_t estoc_err_coap_code(estoc_err err)
{
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (table[i].err == err) {
            return table[i].code;
        }
    }
    return ESTOC_COAP_INTERNAL_ERROR;
}
