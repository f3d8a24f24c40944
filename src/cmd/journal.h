/* SPDX-License-Identifier: MIT
 *
 * What `estoc bench` writes down of each certificate it receives, to be compared with a server's
 * store: a line "REQUEST SERIAL CERTIFICATE", the first and the last their SHA-256, all hexadecimal.
 */
#ifndef ESTOC_JOURNAL_H
#define ESTOC_JOURNAL_H

#include <stdio.h>

#include "sys.h"

/** Append to this file. @return 0; ESTOC_E_SYSTEM, errno tells */
ESTOC_MUST_USE estoc_err estoc_journal_open(const char *file, FILE **out);
/** One line, handed to the system before this returns; `cert` is DER.
 *  @return 0; ESTOC_E_SYSTEM (it could not be written); an error of reading the certificate        */
ESTOC_MUST_USE estoc_err estoc_journal_note(FILE *journal, estoc_slice request, estoc_slice cert);

#endif
