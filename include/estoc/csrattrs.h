/* estoc: EST over CoAPS (RFC 9148).  SPDX-License-Identifier: MIT
 *
 * CSR attributes: what a server asks a client to put into its request (content format 285).
 * RFC 7030 section 4.5.2.
 */
#ifndef ESTOC_CSRATTRS_H
#define ESTOC_CSRATTRS_H

#include <estoc/der.h>

#ifdef __cplusplus
extern "C" {
#endif

/** One AttrOrOID. */
typedef struct estoc_csrattr {
    estoc_slice oid;    /**< OID value bytes */
    estoc_slice values; /**< the inside of the SET of values; empty for a bare OID */
    bool is_attribute;  /**< an Attribute, not a bare OID */
} estoc_csrattr;

/** Begin to walk: checks the outer SEQUENCE and that nothing follows it.
 *  @return 0; ESTOC_E_TRUNCATED; ESTOC_E_MALFORMED; ESTOC_E_TRAILING                             */
ESTOC_MUST_USE estoc_err estoc_csrattrs_begin(estoc_slice der, estoc_reader *r);
/** Next one, an attribute with one value or more, in any order. False at the end or, with r->err set
 *  (ESTOC_E_MALFORMED), at an element that is none.                                                */
bool estoc_csrattrs_next(estoc_reader *r, estoc_csrattr *attr);
/** Values stay in the order they are given in.
 *  @return 0; ESTOC_E_SPACE; ESTOC_E_MALFORMED (an OID that is none, an attribute whose values are
 *          not one or more DER elements, a bare OID with values)                                   */
ESTOC_MUST_USE estoc_err estoc_csrattrs_build(const estoc_csrattr *attrs, size_t n, estoc_buf out,
                                              size_t *len);

#ifdef __cplusplus
}
#endif
#endif
