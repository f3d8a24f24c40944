/* SPDX-License-Identifier: MIT
 *
 * Certificate revocation lists, built one entry after another: nothing is held in memory but the list
 * itself. Version 2, with cRLNumber and authorityKeyIdentifier; whole lists, never deltas.
 *                                                                               RFC 5280 section 5
 */
#ifndef ESTOC_CRL_H
#define ESTOC_CRL_H

#include <estoc/cert.h>

#include "crypto.h"
#include "store.h"

/** A list under construction; its fields are not the caller's. */
typedef struct estoc_crl {
    estoc_writer w; /* memory of its own, which grows */
    const estoc_key *key;
    size_t outer, tbs, list; /* what is open */
    uint64_t entries;
} estoc_crl;

/** Begin a list, as of `at`, that is good until `next`. What fails is told by estoc_crl_end.
 *  @param issuer  the certificate of `key`, which must outlive the list                            */
void estoc_crl_begin(estoc_crl *crl, const estoc_cert *issuer, const estoc_key *key, int64_t at,
                     int64_t next);
/** @return false: no more need be given, it has failed */
bool estoc_crl_add(estoc_crl *crl, estoc_slice serial, int64_t revoked_at, estoc_crl_reason reason);
/** Sign it. The list is over in any case.
 *  @param number   from 0 on
 *  @param[out] out  DER; the caller frees
 *  @return 0; ESTOC_E_MEMORY; ESTOC_E_USAGE (no serial, a time that cannot be written, a number below
 *          0); ESTOC_E_LIMIT (4 GiB); what estoc_key_sign returns                                   */
ESTOC_MUST_USE estoc_err estoc_crl_end(estoc_crl *crl, const estoc_cert *issuer, int64_t number,
                                       estoc_blob *out);
/** Instead of estoc_crl_end, or after it. */
void estoc_crl_drop(estoc_crl *crl);

#endif
