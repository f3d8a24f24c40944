/* estoc: EST over CoAPS (RFC 9148).  SPDX-License-Identifier: MIT
 *
 * Errors. One type for the whole library; 0 is success. The numbers stand in bands that never move,
 * so that a log written by one version can be read by another.
 */
#ifndef ESTOC_ERR_H
#define ESTOC_ERR_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define ESTOC_MUST_USE __attribute__((warn_unused_result))
#else
#define ESTOC_MUST_USE
#endif

/* clang-format off */
typedef enum estoc_err {
    ESTOC_OK            = 0,
    /* 0x01xx usage: the caller passed what the declaration forbids */
    ESTOC_E_USAGE       = 0x0101, /**< an argument is out of its documented range */
    ESTOC_E_STATE       = 0x0102, /**< the call does not fit the state the object is in */
    ESTOC_E_CONFIG      = 0x0103, /**< a configuration file or a command line is wrong */
    /* 0x02xx limit: well-formed, but larger than what was provided for it */
    ESTOC_E_SPACE       = 0x0201, /**< the caller's buffer is too small */
    ESTOC_E_LIMIT       = 0x0202, /**< a named limit is passed (body, path, nesting, count) */
    ESTOC_E_MEMORY      = 0x0203, /**< no memory (server and tools; the core never asks for any) */
    ESTOC_E_BUSY        = 0x0204, /**< a queue is full at this moment */
    ESTOC_E_QUOTA       = 0x0205, /**< one peer asks for more than its share, for now */
    /* 0x03xx malformed: the bytes are not what the format asks */
    ESTOC_E_TRUNCATED   = 0x0301, /**< the input ends before the structure does */
    ESTOC_E_MALFORMED   = 0x0302, /**< the input breaks a rule of its format */
    ESTOC_E_TRAILING    = 0x0303, /**< bytes follow where the structure ends */
    ESTOC_E_UNSUPPORTED = 0x0304, /**< well-formed, but an algorithm or a variant we do not take */
    /* 0x04xx protocol: the peer's messages do not fit together */
    ESTOC_E_PROTOCOL    = 0x0401, /**< an answer that no rule of the protocol allows here */
    ESTOC_E_OPTION      = 0x0402, /**< a critical option that is unknown or repeated */
    ESTOC_E_BLOCK       = 0x0403, /**< blocks that do not make one body */
    ESTOC_E_FORMAT      = 0x0404, /**< an unexpected or missing Content-Format */
    ESTOC_E_TIMEOUT     = 0x0405, /**< no answer after all retransmissions */
    ESTOC_E_RESET       = 0x0406, /**< the peer answered with RST */
    ESTOC_E_CLOSED      = 0x0407, /**< the association is closed */
    /* 0x05xx refused by the peer, or by policy */
    ESTOC_E_REFUSED     = 0x0501, /**< the peer answered 4.xx */
    ESTOC_E_LATER       = 0x0502, /**< the peer answered 5.03 or 4.29: try again after Max-Age */
    ESTOC_E_PEER        = 0x0503, /**< the peer answered 5.xx: its own failure */
    ESTOC_E_FORBIDDEN   = 0x0504, /**< policy does not let this identity have this */
    ESTOC_E_NOT_FOUND   = 0x0505, /**< no such resource, profile or record */
    ESTOC_E_UPSTREAM    = 0x0506, /**< the server behind this one refused or failed */
    /* 0x06xx crypto */
    ESTOC_E_SIGNATURE   = 0x0601, /**< a signature does not verify */
    ESTOC_E_UNTRUSTED   = 0x0602, /**< a chain does not lead to a trust anchor, or is not valid */
    ESTOC_E_KEY         = 0x0603, /**< a key that cannot be read, used, or does not match */
    ESTOC_E_RANDOM      = 0x0604, /**< the random source failed */
    ESTOC_E_CRYPTO      = 0x0605, /**< the cryptographic library failed */
    /* 0x07xx storage */
    ESTOC_E_STORE       = 0x0701, /**< the store did not take or did not give the data */
    ESTOC_E_FILE        = 0x0702, /**< a file cannot be read or written */
    /* 0x08xx internal */
    ESTOC_E_INTERNAL    = 0x0801, /**< a defect in estoc */
    ESTOC_E_SYSTEM      = 0x0802  /**< the operating system refused a call */
} estoc_err;
/* clang-format on */

#ifdef __cplusplus
}
#endif
#endif
