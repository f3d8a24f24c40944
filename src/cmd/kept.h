/* SPDX-License-Identifier: MIT
 *
 * An answer of /crts or /att in a file, with the ETag that asks whether it still holds (E2). A file
 * that is damaged, or about another resource or format, counts as none: the answer is fetched again.
 */
#ifndef ESTOC_KEPT_H
#define ESTOC_KEPT_H

#include "crypto.h"

typedef struct estoc_kept {
    estoc_blob file;
    estoc_slice etag, body; /* in it; both empty if there is nothing */
} estoc_kept;

/** @param where  the resource, as the file was written for */
void estoc_kept_load(const char *path, const char *where, uint16_t format, estoc_kept *out);
void estoc_kept_free(estoc_kept *k);
/** Atomically. @return 0; ESTOC_E_FILE; ESTOC_E_MEMORY; ESTOC_E_LIMIT; ESTOC_E_CRYPTO */
ESTOC_MUST_USE estoc_err estoc_kept_store(const char *path, const char *where, uint16_t format,
                                          estoc_slice etag, estoc_slice body);

#endif
