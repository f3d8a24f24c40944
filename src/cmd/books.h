/* SPDX-License-Identifier: MIT
 *
 * A store with its audit log, for commands by which a person decides.
 */
#ifndef ESTOC_BOOKS_H
#define ESTOC_BOOKS_H

#include "estocd.h"
#include "trail.h"

typedef struct estocd_books {
    const char *command;
    estoc_config conf;
    estoc_store *store;
    const estoc_audit_chain *behind; /* go on there, not at the store's last line; NULL: do not */
} estocd_books;

/** Read the configuration of DIR, open its store, see that its audit log goes together with it, and
 *  begin a transaction. What fails is told.
 *  @return false then, with nothing open                                                           */
bool estocd_books_open(const char *command, const char *dir, estocd_books *b);
/** Note what was done in the transaction, and by whom, and commit both; or with `err`, roll back.
 *  What is noted is brought to the file then; if that fails it waits in the store, and this is told.
 *  @return `err`, or why it could not be committed                                                 */
ESTOC_MUST_USE estoc_err estocd_books_enter(estocd_books *b, estoc_err err,
                                            const estoc_audit_entry *e);
void estocd_books_close(estocd_books *b);

#endif
