/* SPDX-License-Identifier: MIT
 *
 * A registrar's folder, as `estocd init --upstream` makes it; and what a command says.
 */
#ifndef ESTOC_TEST_REGISTRAR_FOLDER_H
#define ESTOC_TEST_REGISTRAR_FOLDER_H

#include "fixture.h"

#define CMC_RA       "1.3.6.1.5.5.7.3.28"
#define ALL_PURPOSES "clientAuth,serverAuth," CMC_RA
#define URL          "https://localhost:8443/.well-known/est"
#define LONG_S       (90 * 86400L)

/** Fail the test unless the words are there. @return where */
const char *says(const char *text, const char *words);
void says_not(const char *text, const char *words);
void good(const output *o);
/** One line on stderr with these words, nothing on stdout, 1. */
void bad(const output *o, const char *words);

/** NAME.crt and NAME.key for localhost, by the fixture's CA, which is the upstream's. */
void credential(const fixture *f, const char *name, const char *eku, long until_s);
/** `estocd init --upstream` with that credential, in a folder of this name. */
void init_folder(const fixture *f, output *o, const char *dir, const char *name);
/** The same with a good credential. */
void made_folder(const fixture *f, const char *dir);
/** `estocd check` there. */
void check_folder(const fixture *f, output *o, const char *dir);
void put_conf(const fixture *f, const char *dir, const char *text);
/** How many certificates a file has. */
unsigned certs_in(const char *file);

#endif
