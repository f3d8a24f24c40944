/* SPDX-License-Identifier: MIT
 *
 * Which certificates are revoked, as of at most a second ago, for those who may not wait for the
 * store: a copy in memory, which a thread of its own keeps up to date (D8).
 */
#ifndef ESTOC_REVOKED_H
#define ESTOC_REVOKED_H

#include "store.h"

typedef struct estoc_revoked estoc_revoked;

/** Read the store once, then follow it.
 *  @param store_url  must outlive it
 *  @return 0; what opening the store returns; ESTOC_E_MEMORY; ESTOC_E_SYSTEM; `why` is filled        */
ESTOC_MUST_USE estoc_err estoc_revoked_open(const char *store_url, estoc_revoked **out,
                                            estoc_why *why);
void estoc_revoked_close(estoc_revoked *r);

/** Any thread; never waits for the store. A certificate is known by its TBSCertificate: who holds
 *  one can write its signature in another way that verifies, but not what is signed.
 *  @param cert  DER, whose signature was verified                                                  */
bool estoc_revoked_has(estoc_revoked *r, estoc_slice cert);

#endif
