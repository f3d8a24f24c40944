/* SPDX-License-Identifier: MIT
 *
 * How far a command is that takes its time, on stderr if that is a terminal.
 */
#ifndef ESTOC_PROGRESS_H
#define ESTOC_PROGRESS_H

#include "sys.h"

typedef struct estocd_progress {
    const char *what; /* "bytes" */
    bool terminal, shown;
    estoc_ms started, last;
} estocd_progress;

void estocd_progress_begin(estocd_progress *p, const char *what);
/** Shown after two seconds, and then now and then. @param all  0: unknown */
void estocd_progress_at(estocd_progress *p, uint64_t done, uint64_t all);
/** Leave the line empty. */
void estocd_progress_end(estocd_progress *p);

#endif
