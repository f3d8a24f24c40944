/* SPDX-License-Identifier: MIT
 *
 * Discovery without DTLS: GET /.well-known/core over plain CoAP and over multicast, and nothing else.
 *                                                  R2; RFC 9148 section 4.1, RFC 7252 section 8
 * No state for any peer: each datagram is answered by itself, and with at most ESTOC_PLAIN_MAX bytes,
 * since its source may be forged (RFC 9175 section 2.4); longer lists go in blocks. Only a multicast
 * query waits a moment for its answer, among a few others. Used by one worker.
 */
#ifndef ESTOC_PLAIN_H
#define ESTOC_PLAIN_H

#include <poll.h>

#include "egress.h"
#include "generation.h"

#define ESTOC_PLAIN_MAX 136u /* bytes of CoAP in an answer. RFC 9175 section 2.4 */

typedef struct estoc_plain estoc_plain;

/** Open what the configuration asks for.
 *  @param listen  where CoAPS is served, "ADDR:PORT" with real ports: what links lead to
 *  @return 0 (`*out` is NULL if discovery is off); ESTOC_E_SYSTEM, ESTOC_E_CONFIG with `why` filled;
 *          ESTOC_E_MEMORY                                                                          */
ESTOC_MUST_USE estoc_err estoc_plain_open(const estoc_config *conf, const char (*listen)[80],
                                          size_t listen_n, estoc_egress *egress, estoc_plain **out,
                                          estoc_why *why);
void estoc_plain_free(estoc_plain *p);
/** "0.0.0.0:5683" of the i-th socket. @return NULL past the last one, or for no p */
const char *estoc_plain_address(const estoc_plain *p, size_t i);

/** What to poll: at most ESTOC_LISTEN_MAX. @return how many; 0 for no p */
size_t estoc_plain_fds(const estoc_plain *p, struct pollfd *fds);
/** The i-th of them can be read. */
void estoc_plain_read(estoc_plain *p, size_t i, const estoc_generation *g, estoc_ms now);
/** Send what is due. */
void estoc_plain_tick(estoc_plain *p, estoc_ms now);
/** @return when tick() must be called; ESTOC_NEVER for no p */
estoc_ms estoc_plain_deadline(const estoc_plain *p);

#endif
