/* SPDX-License-Identifier: MIT
 *
 * Documents over plain HTTP: GET and HEAD of what was put up, whole, and nothing else. For lists that
 * are signed and public; whoever asks is not known. On a thread of its own.
 */
#ifndef ESTOC_HTTP_H
#define ESTOC_HTTP_H

#include "sys.h"

typedef struct estoc_http estoc_http;

/** What is put up. */
typedef struct estoc_document {
    const char *path; /* "/crl" */
    const char *type; /* "application/pkix-crl" */
    estoc_slice bytes;
    int64_t modified; /* seconds since 1970 */
    int64_t until;    /* from then on it is not served any more; INT64_MAX: no such time */
} estoc_document;

/** Listen at "ADDR:PORT", "[::]:8080" (both families), port 0 for any. At most 128 connections, 32 of
 *  one address, each closed when nothing has moved for 15 s.
 *  @return 0; ESTOC_E_CONFIG (no such address), ESTOC_E_SYSTEM with `why` filled; ESTOC_E_MEMORY   */
ESTOC_MUST_USE estoc_err estoc_http_open(const char *address, estoc_http **out, estoc_why *why);
/** What is under way ends. NULL is taken. */
void estoc_http_close(estoc_http *h);
/** "127.0.0.1:8080" with its real port. */
const char *estoc_http_address(const estoc_http *h);
/** Put up a copy, in place of what was at its path: at no moment a half of it. Any thread.
 *  @return 0; ESTOC_E_MEMORY; ESTOC_E_LIMIT (more than 4 paths)                                    */
ESTOC_MUST_USE estoc_err estoc_http_put(estoc_http *h, const estoc_document *doc);

#endif
