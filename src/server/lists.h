/* SPDX-License-Identifier: MIT
 *
 * What the server does for those who verify the CA's certificates: revocation lists kept up to date, in a
 * file and over HTTP, as far as the configuration asks for them.
 */
#ifndef ESTOC_LISTS_H
#define ESTOC_LISTS_H

#include "generation.h"

typedef struct estoc_lists estoc_lists;

/** @param g  held as long as needed
 *  @return 0; an error with `why` filled                                                           */
ESTOC_MUST_USE estoc_err estoc_lists_open(estoc_generation *g, estoc_lists **out, estoc_why *why);
/** Go on with another generation. The address stays what it was; what fails is logged. */
void estoc_lists_follow(estoc_lists *l, estoc_generation *g);
/** "127.0.0.1:8080" with its real port. @return NULL: nothing is served, or no l */
const char *estoc_lists_address(const estoc_lists *l);
/** NULL is taken. */
void estoc_lists_close(estoc_lists *l);

#endif
