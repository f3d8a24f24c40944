/* SPDX-License-Identifier: MIT
 *
 * Private keys made for devices (E5). They are wiped wherever they have been.
 */
#ifndef ESTOC_KEYMAKER_H
#define ESTOC_KEYMAKER_H

#include "policy.h"

/** Make a key of the granted kind, and encode it for its journey. The caller frees both.
 *  @param[out] spki    its SubjectPublicKeyInfo
 *  @param[out] body    the private key in this format
 *  @return 0; ESTOC_E_MEMORY; ESTOC_E_CRYPTO. Both are empty then                                  */
ESTOC_MUST_USE estoc_err estoc_made_key(const estoc_grant *grant, estoc_blob *spki,
                                        estoc_blob *body, uint16_t *format);

#endif
