/* SPDX-License-Identifier: MIT
 *
 * A device's credential in files: PREFIX.crt (its certificate, then intermediates), PREFIX.key and
 * PREFIX.ta (trust anchors). The pair is replaced in one step, so that whoever opens it at any moment,
 * and after a run that was killed or a power cut, finds the old pair or the new one, whole (K2):
 *
 *   PREFIX.crt, PREFIX.key   links through PREFIX.d/now
 *   PREFIX.d/now             a link to the folder `a` or `b` beside it; the one thing that is replaced
 *   PREFIX.d/a, PREFIX.d/b   key, crt; the folder that is not `now` is where a new pair is prepared:
 *                            key and csr before the request leaves, so that a later run repeats the
 *                            identical request (RFC 9148 section 4.7), then crt. What has csr is on
 *                            its way; csr goes once the pair is in place
 *   PREFIX.d/crts, att       the last answers of these resources (kept.h)
 *   PREFIX.d/lock            held while a run is at work
 *
 * A pair of plain files, such as `estocd device` makes, is moved into this form before the first
 * request is sent for it.
 */
#ifndef ESTOC_CREDENTIAL_H
#define ESTOC_CREDENTIAL_H

#include "crypto.h"

#define ESTOC_PATH_MAX 4096

/** PREFIX and suffix in one. @return 0; ESTOC_E_LIMIT */
ESTOC_MUST_USE estoc_err estoc_credential_path(const char *prefix, const char *suffix,
                                               char out[ESTOC_PATH_MAX]);
/** Whether a certificate holds this key. */
bool estoc_key_matches(const estoc_key *key, estoc_slice cert_der);
/** Whether two keys have the same public half. */
bool estoc_key_same(const estoc_key *a, const estoc_key *b);
/** A certificate file and the key that belongs to it, a file or a pkcs11: URI.
 *  @return 0; ESTOC_E_FILE, ESTOC_E_KEY or another with `why` filled: nothing is held then         */
ESTOC_MUST_USE estoc_err estoc_credential_load(const char *cert_path, const char *key_path,
                                               estoc_blobs *chain, estoc_key **key, estoc_why *why);
/** The same with a key that may be encrypted.
 *  @param passphrase  as for estoc_key_load_sealed, or NULL: there is no way to name one           */
ESTOC_MUST_USE estoc_err estoc_credential_load_sealed(const char *cert_path, const char *key_path,
                                                      const char *passphrase, estoc_blobs *chain,
                                                      estoc_key **key, estoc_why *why);

/** Make PREFIX.d and hold its lock until the process ends.
 *  @return 0; ESTOC_E_BUSY (another run is at work); ESTOC_E_FILE; with `why` filled               */
ESTOC_MUST_USE estoc_err estoc_credential_lock(const char *prefix, estoc_why *why);
/** Finish what an interrupted run began, or clear away what it left unusable.
 *  @return 0; ESTOC_E_FILE                                                                         */
ESTOC_MUST_USE estoc_err estoc_credential_recover(const char *prefix, estoc_why *why);
/** The request of an earlier run that got no certificate, and the key it is for. The caller frees both.
 *  @return whether there is one                                                                    */
bool estoc_credential_pending(const char *prefix, estoc_key **key, estoc_blob *csr);
/** Keep a key (NULL: the present one, once more) and the request about to be sent for it.
 *  @return 0; ESTOC_E_FILE with `why` filled                                                       */
ESTOC_MUST_USE estoc_err estoc_credential_prepare(const char *prefix, const estoc_key *key,
                                                  estoc_slice csr, estoc_why *why);
/** Forget a pending request: the server has refused it. */
void estoc_credential_forget(const char *prefix);
/** Put the pair in place: the certificate first in `certs`, its key as prepared.
 *  @return 0; ESTOC_E_FILE; ESTOC_E_KEY (it is for another key: nothing has changed)               */
ESTOC_MUST_USE estoc_err estoc_credential_commit(const char *prefix, const estoc_slice *certs,
                                                 size_t n, estoc_why *why);

#endif
