/* estoc: EST over CoAPS (RFC 9148).  SPDX-License-Identifier: MIT
 *
 * The template of a request that a server may put among its CSR attributes: a partly filled in
 * CertificationRequestInfo.                                                       RFC 9908 section 3.4
 * For the programs: a device whose request is fixed has no use for it. Nothing here allocates or
 * keeps state.
 */
#ifndef ESTOC_TEMPLATE_H
#define ESTOC_TEMPLATE_H

#include <estoc/csr.h>

/** A parsed template. Slices point into the input; what is empty is not asked for. */
typedef struct estoc_template {
    estoc_slice
        subject; /**< inside of the RDNSequenceTemplate: walk with estoc_template_rdn_next */
    estoc_slice algorithm;  /**< AlgorithmIdentifier of the key, whole */
    estoc_slice key;        /**< a placeholder for its public key (RSA, for its size): bits */
    estoc_slice extensions; /**< inside of Extensions or ExtensionReqTemplate: walk with
                                 estoc_template_ext_next */
    estoc_slice attributes; /**< inside of [1]: walk with estoc_csrattrs_next for anything else */
} estoc_template;

/** The template among CSR attributes; empty if there is none.
 *  @return 0; what walking the attributes returns; ESTOC_E_MALFORMED (not one value, or a second one) */
ESTOC_MUST_USE estoc_err estoc_template_find(estoc_slice csrattrs, estoc_slice *der);
/** Parse and check all of it: version v1, at most 16 RDNs and 32 extensions, none of these twice, and
 *  not both kinds of extension requests. Only RDNs of one attribute are known here.
 *  @param[out] t  zeroed on failure
 *  @return 0; ESTOC_E_TRUNCATED; ESTOC_E_MALFORMED; ESTOC_E_TRAILING; ESTOC_E_LIMIT                */
ESTOC_MUST_USE estoc_err estoc_template_parse(estoc_template *t, estoc_slice der);
/** Next attribute of the subject. @param[out] value  whole element; empty: to be filled in
 *  False at the end or, with r->err set, at a malformed one.                                       */
bool estoc_template_rdn_next(estoc_reader *r, estoc_slice *type, estoc_slice *value);
/** Next extension; its value is empty where it is to be filled in. False as above. */
bool estoc_template_ext_next(estoc_reader *r, estoc_ext *ext);
/** Bits of an RSA key's modulus, from its RSAPublicKey; 0 if it is none. */
uint32_t estoc_template_rsa_bits(estoc_slice rsa_public_key);

/** OIDs as value bytes. */
#define ESTOC_OID_TEMPLATE     estoc_slice_of("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x02\x3d", 11)
#define ESTOC_OID_EXT_TEMPLATE estoc_slice_of("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x02\x3e", 11)
#define ESTOC_OID_EXT_REQUEST  estoc_slice_of("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x0e", 9)

#endif
