/* SPDX-License-Identifier: MIT
 *
 * Where -v and --trace put their lines: stderr, a file, both or neither.
 */
#ifndef ESTOC_TRACER_H
#define ESTOC_TRACER_H

#include <stdio.h>

#include "sys.h"

typedef struct estoc_tracer {
    bool verbose;
    FILE *file; /* or NULL */
    estoc_ms started;
} estoc_tracer;

/** @param path  of the file, or NULL
 *  @return 0; ESTOC_E_FILE (errno tells)                                                           */
ESTOC_MUST_USE estoc_err estoc_tracer_open(estoc_tracer *t, bool verbose, const char *path,
                                           estoc_ms started);
void estoc_tracer_close(estoc_tracer *t);
/** One line, with the time since the start before it. */
void estoc_tracer_note(estoc_tracer *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/** A CoAP message, without its payload. */
void estoc_tracer_message(estoc_tracer *t, bool sent, estoc_slice message);
/** A DTLS datagram, if there is more in it than CoAP. */
void estoc_tracer_datagram(estoc_tracer *t, bool sent, estoc_slice datagram);

#endif
