/* SPDX-License-Identifier: MIT
 *
 * Certificates made on the command line, for `estocd init` and `estocd device`: signed there and
 * then, and in no store.
 */
#ifndef ESTOC_MINT_H
#define ESTOC_MINT_H

#include "ca.h"

#define ESTOC_MINT_YEAR INT64_C(31536000) /* 365 days, in seconds */

typedef struct estoc_mint {
    estoc_slice subject; /* Name DER */
    estoc_slice san;     /* GeneralNames DER, or empty */
    const estoc_key *key;
    estoc_slice spki;            /* in place of `key`, for another's: SubjectPublicKeyInfo DER */
    estoc_slice ski;             /* what it is called in another certificate, or empty */
    const estoc_key *issuer_key; /* NULL: signed by itself */
    estoc_slice issuer;          /* certificate DER of a CA, or empty */
    int64_t life_s;              /* from now; never beyond the issuer's */
    bool ca, server, encrypt, path_limited; /* as in estoc_cert_plan */
    uint8_t path_len;
} estoc_mint;

/** @return 0 and a certificate, the caller frees; what parsing the issuer and estoc_cert_issue return */
ESTOC_MUST_USE estoc_err estoc_mint_cert(const estoc_mint *m, estoc_blob *cert);

/** A Name that is one common name, whatever characters it has.
 *  @return 0; ESTOC_E_MALFORMED (empty, control characters, no UTF-8); ESTOC_E_LIMIT (over 64
 *          characters); ESTOC_E_SPACE                                                              */
ESTOC_MUST_USE estoc_err estoc_mint_name(const char *common_name, estoc_buf out, size_t *len);

/** Whether this is a DNS name in letters, digits and hyphens, or an IP address. */
bool estoc_mint_is_host(const char *host);
/** GeneralNames of DNS names and IP addresses (IPv6 with or without brackets).
 *  @return 0; ESTOC_E_MALFORMED (one is neither); ESTOC_E_SPACE                                    */
ESTOC_MUST_USE estoc_err estoc_mint_hosts(const char *const *hosts, size_t n, estoc_buf out,
                                          size_t *len);

#endif
