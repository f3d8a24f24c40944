/* SPDX-License-Identifier: MIT
 *
 * The certification request that `enroll`, `renew` and `bench` send.
 */
#ifndef ESTOC_REQUEST_H
#define ESTOC_REQUEST_H

#include "crypto.h"

#define ESTOC_CSR_MAX 4096

/** What a request is to say. All slices are the caller's. */
typedef struct estoc_request_plan {
    estoc_slice subject;    /* Name DER; may be an empty Name */
    estoc_slice san;        /* GeneralNames DER, or empty */
    bool san_critical;      /* also where there is a subject */
    estoc_slice extensions; /* further Extensions, DER one after another, or empty */
    estoc_slice password;   /* challengePassword, or empty */
    estoc_slice attributes; /* further Attributes, DER one after another, or empty */
} estoc_request_plan;

/** GeneralNames from texts: `dns:NAME`, `ip:ADDRESS`, `uri:URI`, `email:ADDRESS`; without a prefix an
 *  address if it reads as one, else a DNS name.
 *  @return 0; ESTOC_E_CONFIG with `why` filled; ESTOC_E_SPACE                                      */
ESTOC_MUST_USE estoc_err estoc_san_build(const char *const *names, size_t n, estoc_buf out,
                                         size_t *len, estoc_why *why);
/** Build and sign. @return 0; ESTOC_E_SPACE; ESTOC_E_KEY; ESTOC_E_CRYPTO */
ESTOC_MUST_USE estoc_err estoc_request_build(const estoc_request_plan *plan, estoc_key *key,
                                             estoc_buf out, size_t *len);
/** Whether a stored request says the same as this plan for this key, the password aside: then it is
 *  sent again, byte for byte, and the server knows it.                 RFC 9148 section 4.7          */
bool estoc_request_same(estoc_slice csr, const estoc_request_plan *plan, const estoc_key *key);
/** Whether a stored request has this password, or none if it is empty. */
bool estoc_request_linked(estoc_slice csr, estoc_slice password);

#endif
