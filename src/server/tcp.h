/* SPDX-License-Identifier: MIT
 *
 * Listening TCP sockets, for the servers over HTTP.
 */
#ifndef ESTOC_TCP_H
#define ESTOC_TCP_H

#include "sys.h"
#include "table.h"

struct sockaddr;

/** Listen at "ADDR:PORT", "[::]:8080" (both families), port 0 for any. Non-blocking.
 *  @param[out] fd    the caller's; -1 on failure
 *  @param[out] text  the address with its real port
 *  @return 0; ESTOC_E_CONFIG (no such address), ESTOC_E_SYSTEM; `why` is filled                     */
ESTOC_MUST_USE estoc_err estoc_tcp_listen(const char *address, int *fd, char *text, size_t cap,
                                          estoc_why *why);
/** A peer's address as a path; the rest of it is zero. Unspecified if it is of no family known here. */
void estoc_tcp_path(const struct sockaddr *from, estoc_path *path);

#endif
