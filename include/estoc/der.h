/* estoc: EST over CoAPS (RFC 9148).  SPDX-License-Identifier: MIT
 *
 * A bounded DER reader and writer: definite minimal lengths, single-byte tags, values checked where
 * DER fixes them. No recursion; nesting is the caller's code.                    X.690 section 10
 * Not checked here: what the values mean.
 */
#ifndef ESTOC_DER_H
#define ESTOC_DER_H

#include <estoc/bytes.h>

#ifdef __cplusplus
extern "C" {
#endif

/* clang-format off */
enum {
    ESTOC_DER_BOOLEAN = 0x01, ESTOC_DER_INTEGER = 0x02, ESTOC_DER_BIT_STRING = 0x03,
    ESTOC_DER_OCTET_STRING = 0x04, ESTOC_DER_NULL = 0x05, ESTOC_DER_OID = 0x06,
    ESTOC_DER_UTF8_STRING = 0x0c, ESTOC_DER_PRINTABLE_STRING = 0x13, ESTOC_DER_T61_STRING = 0x14,
    ESTOC_DER_IA5_STRING = 0x16, ESTOC_DER_UTC_TIME = 0x17, ESTOC_DER_GENERALIZED_TIME = 0x18,
    ESTOC_DER_BMP_STRING = 0x1e, ESTOC_DER_SEQUENCE = 0x30, ESTOC_DER_SET = 0x31
};
#define ESTOC_DER_CONTEXT(n)             ((uint8_t)(0x80 | (n))) /* primitive   */
#define ESTOC_DER_CONTEXT_CONSTRUCTED(n) ((uint8_t)(0xa0 | (n)))
/* clang-format on */

/** One element. `whole` is tag, length and value; `value` the value alone. */
typedef struct estoc_der {
    uint8_t tag;
    estoc_slice value;
    estoc_slice whole;
} estoc_der;

/** Next element of any tag. False, with the reader's error set, if there is none or it is not DER.
 *  Errors: ESTOC_E_TRUNCATED, ESTOC_E_MALFORMED (multi-byte tag, indefinite or non-minimal length,
 *  a universal type constructed that is primitive or the other way round).                          */
bool estoc_der_next(estoc_reader *r, estoc_der *el);
/** Like next, but false without an error at the end. */
bool estoc_der_more(estoc_reader *r, estoc_der *el);
/** Next element, which must have this tag: its value, or an empty slice with the error set. */
estoc_slice estoc_der_expect(estoc_reader *r, uint8_t tag);
/** Like expect, but the whole element. */
estoc_slice estoc_der_whole(estoc_reader *r, uint8_t tag);
/** Like expect, and a reader over the value. */
estoc_reader estoc_der_enter(estoc_reader *r, uint8_t tag);
/** What was entered must have been read to its end. Since it is all there, what ends too early or too
 *  late within it is malformed.
 *  @return 0; ESTOC_E_MALFORMED; another error of the reader than ESTOC_E_TRUNCATED               */
ESTOC_MUST_USE estoc_err estoc_der_end(estoc_reader *inner);
/** The same, and the error is that of `outer` too. */
void estoc_der_leave(estoc_reader *outer, estoc_reader *inner);
/** A reader over the inside of the one SEQUENCE that `der` must be.
 *  @return 0; ESTOC_E_TRUNCATED; ESTOC_E_MALFORMED; ESTOC_E_TRAILING. `inner` has failed then too   */
ESTOC_MUST_USE estoc_err estoc_der_begin(estoc_slice der, estoc_reader *inner);
/** The tag of the next element, 0 if nothing is left or the reader has failed. Consumes nothing. */
uint8_t estoc_der_peek(const estoc_reader *r);
/** An INTEGER's value bytes, minimally encoded; it may be negative. */
estoc_slice estoc_der_integer(estoc_reader *r);
/** An INTEGER from 0 to 2^32-1, minimally encoded. */
uint32_t estoc_der_u32(estoc_reader *r);
/** The bits of a BIT STRING with no unused bits. */
estoc_slice estoc_der_bits(estoc_reader *r);
/** An OID's value, at most 128 bytes, sub-identifiers checked: not empty, minimal, complete, each
 *  below 2^63.                                                                                      */
estoc_slice estoc_der_oid(estoc_reader *r);
/** Whether a value is a well-formed OID (as estoc_der_oid checks). */
bool estoc_der_oid_valid(estoc_slice value);
/** Whether an element of `list` before the one that `oid` lies in has the same OID. The elements are
 *  SEQUENCEs that begin with one: attributes, extensions.                                           */
bool estoc_der_oid_before(estoc_slice list, estoc_slice oid);
/** A BOOLEAN, 0x00 or 0xff. */
bool estoc_der_bool(estoc_reader *r);
/** UTCTime or GeneralizedTime as RFC 5280 section 4.1.2.5 restricts them (Z, seconds, no fraction).
 *  @return seconds since 1970-01-01 UTC; the reader's error is set if it is no such time           */
int64_t estoc_der_time(estoc_reader *r);

/** Writing. Constructed values are opened and closed; the length is put in when they close (the
 *  value is moved then if its length needs more than one byte). Sticky error in the writer.        */
size_t estoc_der_open(estoc_writer *w, uint8_t tag);
void estoc_der_close(estoc_writer *w, size_t mark);
void estoc_der_write(estoc_writer *w, uint8_t tag, const uint8_t *value, size_t len);
static inline void estoc_der_put(estoc_writer *w, uint8_t tag, estoc_slice value)
{
    estoc_der_write(w, tag, value.ptr, value.len);
}
/** Bytes that are DER already. */
void estoc_der_put_raw(estoc_writer *w, estoc_slice der);
void estoc_der_put_u32(estoc_writer *w, uint32_t v);
/** A non-negative INTEGER from big-endian bytes: leading zeros dropped, one added where needed. */
void estoc_der_put_unsigned(estoc_writer *w, estoc_slice v);
void estoc_der_put_bits(estoc_writer *w, estoc_slice bits); /**< no unused bits */
void estoc_der_put_bool(estoc_writer *w, bool v);

#ifdef __cplusplus
}
#endif
#endif
