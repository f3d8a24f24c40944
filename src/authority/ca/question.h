/* SPDX-License-Identifier: MIT
 *
 * What a program is asked: one JSON object about a request that the rules grant.
 */
#ifndef ESTOC_QUESTION_H
#define ESTOC_QUESTION_H

#include "policy.h"

/** @param peer  its address  @param own  the client's certificate is one of ours
 *  @return 0 and text that the caller frees; ESTOC_E_MEMORY; ESTOC_E_CRYPTO                         */
ESTOC_MUST_USE estoc_err estoc_question_write(const estoc_petition *p, const estoc_grant *grant,
                                              const char *peer, bool own, estoc_blob *out);

#endif
