/* estoc: EST over CoAPS (RFC 9148).  SPDX-License-Identifier: MIT
 *
 * PKCS#10 certification requests: a strict parser and a builder.        RFC 2986, RFC 2985
 * Not checked here: the self-signature (crypto.h of the server does), key sizes, and policy.
 */
#ifndef ESTOC_CSR_H
#define ESTOC_CSR_H

#include <estoc/der.h>

#ifdef __cplusplus
extern "C" {
#endif

/* clang-format off */
/** Keys and signatures by name; what the library parses is recognised, the rest is UNKNOWN. */
typedef enum estoc_key_kind {
    ESTOC_KEY_UNKNOWN = 0, ESTOC_KEY_P256, ESTOC_KEY_P384, ESTOC_KEY_ED25519, ESTOC_KEY_RSA
} estoc_key_kind;
typedef enum estoc_sig_kind {
    ESTOC_SIG_UNKNOWN = 0, ESTOC_SIG_ECDSA_SHA256, ESTOC_SIG_ECDSA_SHA384, ESTOC_SIG_ED25519,
    ESTOC_SIG_RSA_SHA256, ESTOC_SIG_RSA_SHA384, ESTOC_SIG_RSA_SHA512
} estoc_sig_kind;
/* clang-format on */

/** A SubjectPublicKeyInfo. */
typedef struct estoc_spki {
    estoc_key_kind kind;
    estoc_slice der; /**< whole */
    estoc_slice
        key; /**< the subjectPublicKey bits: for EC the uncompressed point (65 or 97 bytes) */
} estoc_spki;

/** Parse one SubjectPublicKeyInfo. EC keys by named curve, points uncompressed and of the right
 *  length only (X3).
 *  @return 0; ESTOC_E_MALFORMED; ESTOC_E_TRUNCATED; ESTOC_E_UNSUPPORTED (other algorithms, explicit
 *          parameters, compressed or hybrid points)                                                */
ESTOC_MUST_USE estoc_err estoc_spki_parse(estoc_spki *spki, estoc_slice der);
/** Parse an AlgorithmIdentifier of a signature. Unknown ones give ESTOC_SIG_UNKNOWN and 0. */
ESTOC_MUST_USE estoc_err estoc_sig_alg_parse(estoc_slice der, estoc_sig_kind *kind);
void estoc_sig_alg_put(estoc_writer *w, estoc_sig_kind kind);
/** Whether a signature of this kind can be made with a key of that kind. */
bool estoc_sig_fits_key(estoc_sig_kind sig, estoc_key_kind key);

#define ESTOC_NAME_RDNS_MAX 16

/** Strict check of a Name: RDNs in DER, attribute value types known, UTF-8 well formed, no control
 *  characters, common name at most 64 characters, at most ESTOC_NAME_RDNS_MAX RDNs, single-valued.  RFC 5280 appendix A
 *  @return 0; ESTOC_E_MALFORMED; ESTOC_E_TRUNCATED; ESTOC_E_LIMIT                                   */
ESTOC_MUST_USE estoc_err estoc_name_check(estoc_slice name_der);
bool estoc_name_is_empty(estoc_slice name_der);
/** Whether this is what a subjectAltName may hold: GeneralNames, one at least, none empty or of
 *  characters that have no place in it.                              RFC 5280 section 4.2.1.6 */
bool estoc_san_good(estoc_slice general_names_der);

/** A parsed request. Slices point into the input. Absent parts are empty. */
typedef struct estoc_csr {
    estoc_slice info;    /**< CertificationRequestInfo, whole: what is signed */
    estoc_slice subject; /**< Name, whole */
    estoc_spki spki;
    estoc_sig_kind sig;
    estoc_slice signature;          /**< the BIT STRING's bytes */
    estoc_slice extensions;         /**< value of the extensionRequest: Extensions, whole */
    estoc_slice san;                /**< subjectAltName: GeneralNames, whole */
    estoc_slice challenge_password; /**< its string bytes; secret (tls-unique) */
    bool has_challenge_password;
    estoc_slice attributes; /**< the value of [0], to walk for anything else */
} estoc_csr;

/** Parse a request, strictly: DER, no trailing bytes, SETs in order, each attribute and each
 *  extension at most once (16 and 32 of them at most), subject checked by estoc_name_check, the
 *  alternative names by RFC 5280 section 4.2.1.6, the password 1 to 255 bytes of UTF8String or
 *  PrintableString. The values of other extensions and attributes are not looked into.
 *  @param[out] csr  points into `der`; zeroed on failure
 *  @return 0; ESTOC_E_TRUNCATED; ESTOC_E_MALFORMED; ESTOC_E_TRAILING; ESTOC_E_UNSUPPORTED (the key,
 *          or a signature algorithm that does not fit it); ESTOC_E_LIMIT                            */
ESTOC_MUST_USE estoc_err estoc_csr_parse(estoc_csr *csr, estoc_slice der);

/** The same for a request whose key and signature are to be ignored, those of /skg and /skc: they must
 *  be DER of the right shape, and what they say is not looked into. `spki.kind` and `sig` tell what they
 *  are if that is known, else they are UNKNOWN.                       RFC 9148 section 4.8 */
ESTOC_MUST_USE estoc_err estoc_csr_parse_keyless(estoc_csr *csr, estoc_slice der);

/** One extension of an Extensions list. */
typedef struct estoc_ext {
    estoc_slice oid; /**< value bytes */
    bool critical;
    estoc_slice value; /**< the OCTET STRING's content */
    estoc_slice whole;
} estoc_ext;
/** Next extension of a reader over the inside of an Extensions SEQUENCE. False, and `ext` zeroed, at
 *  the end or, with r->err set, at a malformed one.                                                 */
bool estoc_ext_next(estoc_reader *r, estoc_ext *ext);

/** Sign `msg` with the device's key; ECDSA signatures DER-encoded. May be hardware.
 *  @return 0 and the length; any error ends the build                                              */
typedef struct estoc_signer {
    void *ctx;
    estoc_sig_kind kind;
    estoc_err (*sign)(void *ctx, estoc_slice msg, estoc_buf sig, size_t *sig_len);
} estoc_signer;

typedef struct estoc_csr_plan {
    estoc_slice subject;            /**< Name DER; empty: an empty Name */
    estoc_slice spki;               /**< SubjectPublicKeyInfo DER */
    estoc_slice extensions;         /**< Extensions DER for the extensionRequest, or empty */
    estoc_slice challenge_password; /**< printable text, or empty */
    estoc_slice more_attributes;    /**< further Attributes, DER one after another, or empty */
} estoc_csr_plan;

/** Build and sign a request into `out`. The largest signature taken is 512 bytes. Attributes are
 *  brought into the order of DER. What the plan has in DER is taken as it is. On failure `out` is wiped.
 *  @return 0; ESTOC_E_SPACE; ESTOC_E_USAGE (a password over 255 bytes); ESTOC_E_MALFORMED (more_attributes
 *          are not DER); ESTOC_E_UNSUPPORTED (the signer's kind); what the signer returned; ESTOC_E_LIMIT
 *          (the signer claims more than there was room for)                                         */
ESTOC_MUST_USE estoc_err estoc_csr_build(const estoc_csr_plan *plan, const estoc_signer *signer,
                                         estoc_buf out, size_t *len);

#ifdef __cplusplus
}
#endif
#endif
