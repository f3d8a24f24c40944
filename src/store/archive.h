/* SPDX-License-Identifier: MIT
 *
 * A backup: one SQLite file that is a store, as estoc_store_copy makes one, with the files of a folder
 * in tables beside it. A handle is used by one thread.
 */
#ifndef ESTOC_ARCHIVE_H
#define ESTOC_ARCHIVE_H

#include "sys.h"

#define ESTOC_ARCHIVE_PART 1048576 /* bytes of a file that are kept in one row */

typedef struct estoc_archive estoc_archive;

typedef enum estoc_archive_kind {
    ESTOC_ARCHIVE_FILE = 0,
    ESTOC_ARCHIVE_FOLDER = 1,
    ESTOC_ARCHIVE_LINK = 2
} estoc_archive_kind;

typedef struct estoc_archive_entry {
    const char *name; /* relative, "a/b"; estoc_archive_each gives no other */
    estoc_archive_kind kind;
    unsigned mode;    /* permissions */
    const char *link; /* where a link leads; else NULL */
} estoc_archive_entry;

/** Whether this file is a backup, by its first bytes. */
bool estoc_archive_is(const char *path);

/** Begin to put files into a store, which nobody has open.
 *  @return 0; ESTOC_E_STORE; ESTOC_E_MEMORY; `why` is filled                                        */
ESTOC_MUST_USE estoc_err estoc_archive_create(const char *path, estoc_archive **out,
                                              estoc_why *why);
/** A folder comes before what is in it. @return 0; ESTOC_E_STORE */
ESTOC_MUST_USE estoc_err estoc_archive_put(estoc_archive *a, const estoc_archive_entry *e);
/** The next bytes of the file that was put last: at most ESTOC_ARCHIVE_PART. @return 0; ESTOC_E_STORE */
ESTOC_MUST_USE estoc_err estoc_archive_add(estoc_archive *a, estoc_slice bytes);
/** @return 0; ESTOC_E_STORE */
ESTOC_MUST_USE estoc_err estoc_archive_note(estoc_archive *a, const char *name, const char *value);
/** Make it the one file that it is from now on, and durable. @return 0; ESTOC_E_STORE */
ESTOC_MUST_USE estoc_err estoc_archive_finish(estoc_archive *a);

/** Open for reading; the file is not changed.
 *  @return 0; ESTOC_E_FILE (cannot be read); ESTOC_E_MALFORMED (no backup, or damaged); ESTOC_E_MEMORY;
 *          `why` is filled                                                                         */
ESTOC_MUST_USE estoc_err estoc_archive_open(const char *path, estoc_archive **out, estoc_why *why);
/** In the order in which they were put. @param each  false: stop @return 0; ESTOC_E_STORE;
 *  ESTOC_E_MALFORMED (a name that leads out of the folder)                                         */
ESTOC_MUST_USE estoc_err estoc_archive_each(estoc_archive *a,
                                            bool (*each)(void *ctx, const estoc_archive_entry *e),
                                            void *ctx);
/** The bytes of a file, part by part. @return 0; ESTOC_E_STORE */
ESTOC_MUST_USE estoc_err estoc_archive_parts(estoc_archive *a, const char *name,
                                             bool (*part)(void *ctx, estoc_slice bytes), void *ctx);
/** What was noted, cut to fit; "" if nothing was. @return out */
const char *estoc_archive_noted(estoc_archive *a, const char *name, char *out, size_t cap);
/** What SQLite said about the last failure. */
const char *estoc_archive_why(const estoc_archive *a);
void estoc_archive_close(estoc_archive *a);

#endif
