/* SPDX-License-Identifier: MIT
 *
 * CSR attributes for people and for the next request.   RFC 7030 section 4.5.2, RFC 9908 section 3
 */
#ifndef ESTOC_ATTRIBUTES_H
#define ESTOC_ATTRIBUTES_H

#include <stdio.h>

#include <estoc/csr.h>
#include <estoc/csrattrs.h>

/* What an OID is about. */
enum {
    OID_OTHER,
    OID_EC,
    OID_P256,
    OID_P384,
    OID_ED25519,
    OID_RSA,
    OID_CURVE,
    OID_ES256,
    OID_ES384,
    OID_RS256,
    OID_SIG,
    OID_CHALLENGE,
    OID_EXTENSIONS,
    OID_SAN,
    OID_USAGE,
    OID_PURPOSES,
    OID_NAME
};
unsigned estoc_oid_what(estoc_slice oid);

#define ESTOC_WISHES_MAX 16 /* extensions, and parts of the subject */

/** What of an answer of /att matters to `enroll`. Slices point into it. */
typedef struct estoc_wishes {
    estoc_key_kind key;   /* ESTOC_KEY_UNKNOWN: the server leaves it open */
    uint32_t rsa_bits;    /* 0: open */
    bool unsupported_key; /* it asks for a key that estoc does not make */
    estoc_sig_kind sig;   /* of the request; ESTOC_SIG_UNKNOWN: open */
    bool unsupported_sig;
    bool challenge_password; /* it asks for proof of possession linked to the session */
    estoc_slice subject;     /* of a template: inside of its RDNs, all the subject is to have */
    estoc_slice types[ESTOC_WISHES_MAX]; /* parts the subject must have, by OID */
    size_t types_n;
    estoc_ext extensions[ESTOC_WISHES_MAX]; /* without a value: to be filled in */
    size_t extensions_n;
} estoc_wishes;

/** Where there is a template, it alone counts (RFC 9908 section 4). What is not known is passed over.
 *  @param[in] der  may be empty: no wishes
 *  @return 0; what estoc_csrattrs_begin and estoc_template_parse return; ESTOC_E_LIMIT             */
ESTOC_MUST_USE estoc_err estoc_wishes_read(estoc_slice der, estoc_wishes *out);

/** The common name of an OID ("secp384r1"), or NULL. */
const char *estoc_oid_name(estoc_slice oid);
/** One line for each attribute: its name or OID, and its values; a template has more lines, indented.
 *  @return 0; an error of parsing, after what could be printed                                     */
ESTOC_MUST_USE estoc_err estoc_attributes_print(estoc_slice der, FILE *f);
/** One line for each part of a template. */
void estoc_template_lines(estoc_slice der, void (*line)(void *ctx, const char *text), void *ctx);
/** One value of an attribute as text, printable characters only, cut to fit. @return out */
const char *estoc_value_text(estoc_slice der, char *out, size_t cap);

#endif
