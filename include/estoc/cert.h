/* estoc: EST over CoAPS (RFC 9148).  SPDX-License-Identifier: MIT
 *
 * The fields of an X.509 certificate that EST needs to look at, and certs-only CMS (content format
 * 281) made of certificates.                                     RFC 5280 section 4.1, RFC 5652
 * Not checked here: signatures, chains, validity (the TLS library does), meaning of extensions,
 * what names are made of (estoc_name_check).
 */
#ifndef ESTOC_CERT_H
#define ESTOC_CERT_H

#include <estoc/csr.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct estoc_cert {
    estoc_slice der;               /**< whole certificate */
    estoc_slice tbs;               /**< TBSCertificate, whole */
    estoc_slice serial;            /**< INTEGER value bytes */
    estoc_slice issuer;            /**< Name, whole */
    estoc_slice subject;           /**< Name, whole */
    int64_t not_before, not_after; /**< seconds since 1970 UTC */
    estoc_spki spki;        /**< kind ESTOC_KEY_UNKNOWN for keys we do not take, `der` still set */
    estoc_slice extensions; /**< Extensions SEQUENCE, whole, or empty */
    estoc_slice san;        /**< GeneralNames, whole, or empty */
    estoc_slice ski;        /**< subjectKeyIdentifier bytes, or empty */
    bool ca;                /**< basicConstraints cA */
    bool cmc_ra;            /**< extendedKeyUsage has id-kp-cmcRA. RFC 6402 section 2.10 */
    estoc_sig_kind sig;
    estoc_slice signature;
} estoc_cert;

/** Parse one certificate in DER, of version 1 (old roots), 2 or 3. The serial number is not negative
 *  and at most 20 bytes; both algorithm fields agree; no extension twice. Two lapses are taken, for
 *  there are many: a cA that is FALSE and written out, a GeneralizedTime before 2050.
 *  @param[out] cert  points into `der`; zeroed on failure
 *  @return 0; ESTOC_E_TRUNCATED; ESTOC_E_MALFORMED; ESTOC_E_TRAILING; ESTOC_E_LIMIT (more than 64
 *          extensions)                                                                           */
ESTOC_MUST_USE estoc_err estoc_cert_parse(estoc_cert *cert, estoc_slice der);
/** Issuer equals subject. */
bool estoc_cert_self_issued(const estoc_cert *cert);
/** Length of the one SEQUENCE at the front, to split concatenated certificates; 0 if malformed. */
size_t estoc_cert_length(estoc_slice der);

/** Walk the certificates of a certs-only message: SignedData version 1, no digest algorithms, no
 *  content, no signers, at least one certificate, no trailing bytes. CRLs are passed over. The
 *  certificates may stand in any order and are not looked into. Definite lengths only, as
 *  RFC 9148 section 4.3 has it: BER of other lengths is ESTOC_E_MALFORMED.
 *  @return 0; ESTOC_E_TRUNCATED; ESTOC_E_MALFORMED; ESTOC_E_TRAILING; ESTOC_E_LIMIT (over the room)
 *  @param[out] certs  slices into `cms`, emptied on failure
 *  @param[in,out] n   in: room in `certs`; out: how many                                         */
ESTOC_MUST_USE estoc_err estoc_certs_parse(estoc_slice cms, estoc_slice *certs, size_t *n);
/** Build a certs-only message of these certificates, in this order. As in the examples of RFC 7030
 *  and RFC 9148 Appendix A.1, the SET is not sorted and an empty set of CRLs follows it.
 *  @return 0; ESTOC_E_SPACE; ESTOC_E_USAGE (none, or something that is not one SEQUENCE)         */
ESTOC_MUST_USE estoc_err estoc_certs_build(const estoc_slice *certs, size_t n, estoc_buf out,
                                           size_t *len);

#ifdef __cplusplus
}
#endif
#endif
