/* SPDX-License-Identifier: MIT
 *
 * A list of clients from a file: certificates in PEM, and lines `serial HEX`, `sha256 HEX`,
 * `subject PATTERN`; `#` begins a comment. Immutable once made; any thread.
 */
#ifndef ESTOC_ROSTER_H
#define ESTOC_ROSTER_H

#include <estoc/cert.h>

#include "sys.h"

typedef struct estoc_roster estoc_roster;

/** Where a list is at fault. */
typedef struct estoc_roster_fault {
    unsigned line;
    const char *text; /* static */
} estoc_roster_fault;

/** Read the lines; what is in PEM is passed over.
 *  @param[in]  denies  a list of who is refused: fingerprints are no use for it, since who holds a
 *                      certificate can write its signature in another way
 *  @param[out] pem     there is something in PEM
 *  @return 0; ESTOC_E_MALFORMED with `fault` filled; ESTOC_E_MEMORY. `*out` is NULL then            */
ESTOC_MUST_USE estoc_err estoc_roster_parse(estoc_slice text, bool denies, estoc_roster **out,
                                            bool *pem, estoc_roster_fault *fault);
/** Read a file. @return 0; as estoc_file_read, estoc_certs_load and estoc_roster_parse; `why` is filled */
ESTOC_MUST_USE estoc_err estoc_roster_load(const char *path, bool denies, estoc_roster **out,
                                           estoc_why *why);
/** Whether this certificate is in it: itself, as it was signed; its fingerprint; its serial number,
 *  whoever issued it; its subject. False for NULL.                                                 */
bool estoc_roster_has(const estoc_roster *r, const estoc_cert *cert);
void estoc_roster_free(estoc_roster *r);

/** The next pattern of a text with commas between, and `*text` behind it, or NULL. A comma behind a
 *  backslash is none. @return false: the list is over                                              */
bool estoc_patterns_next(const char **text, estoc_slice *pattern);

#endif
