/* SPDX-License-Identifier: MIT
 *
 * The folder that `estocd init` makes. A marker stands in it until all is there, so that an init that was
 * cut off is told from a folder in use; estocd.conf comes last.
 */
#ifndef ESTOC_FOLDER_H
#define ESTOC_FOLDER_H

#include "sys.h"

#define ESTOCD_FOLDER_MAX \
    480 /* bytes of its path: with the names in it, less than estocd.conf can hold */

typedef struct estocd_folder {
    const char *dir;
    const char *const *made; /* the files it will have, estocd.conf the last of them */
    size_t made_n;
    bool own; /* made by us */
} estocd_folder;

/* Each says on stderr what fails, and returns 1 then, and 0 otherwise. */

/** Make it, if it is not there, and the marker in it. Fails where one of the files is there. */
int estocd_folder_open(estocd_folder *f);
/** A file in it. @return valid until the next call */
const char *estocd_folder_path(const estocd_folder *f, const char *file);
int estocd_folder_certs(const estocd_folder *f, const char *file, const estoc_slice *certs,
                        size_t n);
/** An empty store.db. */
int estocd_folder_store(const estocd_folder *f);
/** estocd.conf, and then the marker goes. */
int estocd_folder_finish(const estocd_folder *f, estoc_slice conf, unsigned mode);
/** A text with `to` in place of the first `from`. @return 0; ESTOC_E_NOT_FOUND; ESTOC_E_MEMORY */
ESTOC_MUST_USE estoc_err estocd_fill_in(const char *text, const char *from, const char *to,
                                        estoc_blob *out);
/** What failed with a file. @return 1 */
int estocd_folder_fail(const estocd_folder *f, const char *file, estoc_err err);
/** After a failure: none of these files was there before. */
void estocd_folder_undo(const estocd_folder *f);

#endif
