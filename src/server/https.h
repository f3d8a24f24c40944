/* SPDX-License-Identifier: MIT
 *
 * EST over HTTPS (RFC 7030) for the authority that is served over CoAPS, too. On threads of
 * libmicrohttpd. Clients are asked for a certificate; what is public may be had without one, and whose
 * certificate may enroll is judged as by the CoAPS server.
 */
#ifndef ESTOC_HTTPS_H
#define ESTOC_HTTPS_H

#include "generation.h"

typedef struct estoc_https estoc_https;

/** Listen at all addresses of the configuration.
 *  @param g        held as long as needed
 *  @param threads  for each address
 *  @param[out] out NULL if there are no addresses
 *  @return 0; an error with `why` filled                                                           */
ESTOC_MUST_USE estoc_err estoc_https_open(estoc_generation *g, unsigned threads, estoc_https **out,
                                          estoc_why *why);
/** "127.0.0.1:8443" of the i-th address with its real port. @return NULL past the last one, or no h */
const char *estoc_https_address(const estoc_https *h, size_t i);
/** Requests from now on are served by this generation; new connections see its certificate, and those
 *  that are older are closed behind their next answer. The addresses stay what they were. What fails is
 *  logged, and then the certificate stays, too.                                                     */
void estoc_https_follow(estoc_https *h, estoc_generation *g);
/** Take no new connections. */
void estoc_https_quiesce(estoc_https *h);
/** Wait until what is in flight is answered, but not longer than until this time. */
void estoc_https_drain(estoc_https *h, estoc_ms until);
/** Wait for the authority's verdicts, then close all connections and free. */
void estoc_https_close(estoc_https *h);
/* NULL is taken by all of them. */

#endif
