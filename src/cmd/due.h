/* SPDX-License-Identifier: MIT
 *
 * When `estoc renew --if-due` renews, and when it tries again after a failure.              K3
 */
#ifndef ESTOC_DUE_H
#define ESTOC_DUE_H

#include <estoc/cert.h>

#include "credential.h"

/** When the certificate is due (seconds since 1970): after so many percent of its life, and up to a
 *  quarter of the rest later, by a number that follows from the certificate. A fleet enrolled in one
 *  night spreads, and each device comes to the same answer whenever it asks.
 *  @return 0; what hashing the certificate returns                                                 */
ESTOC_MUST_USE estoc_err estoc_due_at(const estoc_cert *cert, uint32_t percent, int64_t *at);

/** Failures in a row, kept in PREFIX.d/tries. */
typedef struct estoc_tries {
    uint32_t failed;
    int64_t next; /* seconds since 1970: not before */
} estoc_tries;
/** A file that is not there or cannot be read says: none have failed. */
estoc_tries estoc_tries_read(const char *prefix);
/** Count one more: 5 minutes after the first, twice as long after each, a day at most, nor more than a
 *  quarter of what is left of the certificate, nor less than the server asked for.
 *  @param ask_s  the server's Max-Age, or 0
 *  @return 0; ESTOC_E_FILE                                                                         */
ESTOC_MUST_USE estoc_err estoc_tries_failed(const char *prefix, int64_t now, int64_t not_after,
                                            uint32_t ask_s);
void estoc_tries_clear(const char *prefix);

#endif
