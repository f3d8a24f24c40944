/* SPDX-License-Identifier: MIT
 *
 * The revocation list that is kept in the store: whether it still will do, and a new one in its place.
 * Several processes and nodes may do so at once; each takes what another has made meanwhile.
 *
 * On the list is what was revoked of the certificates whose issuer has the CA's present name, whatever
 * its key was then: a list is that of a name (RFC 5280 section 6.3.3 f). What has expired leaves it once
 * a list that was made after its end has had it (section 3.3).
 */
#ifndef ESTOC_CRL_STORE_H
#define ESTOC_CRL_STORE_H

#include <stdatomic.h>

#include "crl.h"

typedef struct estoc_crl_rules {
    estoc_cert issuer;
    const estoc_key *key;       /* for estoc_crl_make only */
    uint32_t good_s;            /* from thisUpdate to nextUpdate */
    const atomic_bool *give_up; /* NULL, or: set by another thread, a list under way is dropped */
} estoc_crl_rules;

/** The newest list, if it is by this issuer and its key, covers every revocation, and is in the first
 *  half of its time.
 *  @param now   seconds since 1970
 *  @param[out] der  what crl->der points to; the caller frees
 *  @return 0; ESTOC_E_NOT_FOUND (a new one is due); ESTOC_E_STORE; ESTOC_E_MEMORY                  */
ESTOC_MUST_USE estoc_err estoc_crl_find(estoc_store *s, const estoc_crl_rules *rules, int64_t now,
                                        estoc_crl_record *crl, estoc_blob *der);
/** Make a list, of a higher number than all before, and keep it; or take the one that another has made
 *  meanwhile.
 *  @return as estoc_crl_find, or ESTOC_E_BUSY (`give_up`), or what signing returns                  */
ESTOC_MUST_USE estoc_err estoc_crl_make(estoc_store *s, const estoc_crl_rules *rules, int64_t now,
                                        estoc_crl_record *crl, estoc_blob *der);
/** Write it to a file, atomically: PEM if its name ends in .pem, else DER; mode 0644.
 *  @return 0; ESTOC_E_FILE (errno tells); ESTOC_E_MEMORY; ESTOC_E_CRYPTO                           */
ESTOC_MUST_USE estoc_err estoc_crl_write(const char *path, estoc_slice der);

#endif
