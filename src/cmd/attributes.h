/* SPDX-License-Identifier: MIT
 *
 * CSR attributes for people and for the next request.                    RFC 7030 section 4.5.2
 */
#ifndef ESTOC_ATTRIBUTES_H
#define ESTOC_ATTRIBUTES_H

#include <stdio.h>

#include <estoc/csr.h>
#include <estoc/csrattrs.h>

/** What of an answer of /att matters to `enroll`. */
typedef struct estoc_wishes {
    estoc_key_kind key;      /* ESTOC_KEY_UNKNOWN: the server leaves it open */
    bool unsupported_key;    /* it asks for a key that estoc does not make */
    bool challenge_password; /* it asks for proof of possession linked to the session */
} estoc_wishes;

/** @param[in] der  may be empty: no wishes. @return 0; the errors of estoc_csrattrs_begin */
ESTOC_MUST_USE estoc_err estoc_wishes_read(estoc_slice der, estoc_wishes *out);

/** The common name of an OID ("secp384r1"), or NULL. */
const char *estoc_oid_name(estoc_slice oid);
/** One line for each attribute: its name or OID, and its values. @return 0; an error of parsing, after
 *  what could be printed                                                                           */
ESTOC_MUST_USE estoc_err estoc_attributes_print(estoc_slice der, FILE *f);
/** One value of an attribute as text, printable characters only, cut to fit. @return out */
const char *estoc_value_text(estoc_slice der, char *out, size_t cap);

#endif
