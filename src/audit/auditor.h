/* SPDX-License-Identifier: MIT
 *
 * The thread that brings a server's audit lines from its store to its file.
 */
#ifndef ESTOC_AUDITOR_H
#define ESTOC_AUDITOR_H

#include "sys.h"

typedef struct estoc_auditor estoc_auditor;

typedef struct estoc_auditor_cfg {
    const char *store_url, *node;
    const char *path; /* of the file */
    bool syslog;
} estoc_auditor_cfg;

/** See that store and file are of one piece, then follow the store.
 *  @return 0; what estoc_store_open and estoc_audit_start return; ESTOC_E_SYSTEM; ESTOC_E_MEMORY;
 *          `why` is filled                                                                         */
ESTOC_MUST_USE estoc_err estoc_auditor_open(const estoc_auditor_cfg *cfg, estoc_auditor **out,
                                            estoc_why *why);
/** There are new lines, or there may be. Any thread; does not wait. */
void estoc_auditor_wake(estoc_auditor *a);
/** The number of the last line that is on the disk. Any thread. */
int64_t estoc_auditor_written(const estoc_auditor *a);
/** Bring what is there, then stop. */
void estoc_auditor_close(estoc_auditor *a);

#endif
