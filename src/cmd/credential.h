/* SPDX-License-Identifier: MIT
 *
 * A device's credential in files: PREFIX.crt (its certificate, then intermediates), PREFIX.key and
 * PREFIX.ta (trust anchors). A pair is replaced so that a run killed at any point leaves, after
 * recover(), one usable pair: the old one or the new one (K2).
 *
 * On the way: PREFIX.key.new and PREFIX.csr.new are written before the request is sent, so that a
 * later run repeats the identical request (RFC 9148 section 4.7); PREFIX.crt.new, once it exists, is
 * complete, and the pair is only copied to its place from there.
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
/** A certificate file and the key that belongs to it.
 *  @return 0; ESTOC_E_FILE, ESTOC_E_KEY or another with `why` filled: nothing is held then         */
ESTOC_MUST_USE estoc_err estoc_credential_load(const char *cert_path, const char *key_path,
                                               estoc_blobs *chain, estoc_key **key, estoc_why *why);

/** Finish what an interrupted run began, or put aside what it left unusable.
 *  @return 0; ESTOC_E_FILE                                                                         */
ESTOC_MUST_USE estoc_err estoc_credential_recover(const char *prefix, estoc_why *why);
/** The request of an earlier run that got no certificate, and the new key made for it (NULL if it
 *  was for the present key). The caller frees both.
 *  @return whether there is one                                                                    */
bool estoc_credential_pending(const char *prefix, estoc_key **key, estoc_blob *csr);
/** Keep a new key (NULL: the present one stays) and the request about to be sent.
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
