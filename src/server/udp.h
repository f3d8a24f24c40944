/* SPDX-License-Identifier: MIT
 *
 * UDP sockets of a listening server. Datagrams leave from the address their peer wrote to, also on a
 * socket that listens on all addresses.
 */
#ifndef ESTOC_UDP_H
#define ESTOC_UDP_H

#include <sys/socket.h>

#include "table.h"

/** "192.0.2.1:5684", "[2001:db8::1]:5684", "[::]:5684" (both families), port 0 for any.
 *  Non-blocking, SO_REUSEPORT.
 *  @param port    if not 0, used instead of the one in `text`
 *  @param[out] actual  the port it is bound to
 *  @return 0; ESTOC_E_CONFIG (not an address); ESTOC_E_SYSTEM (errno tells)                       */
ESTOC_MUST_USE estoc_err estoc_udp_open(const char *text, uint16_t port, int *fd, bool *ipv6,
                                        uint16_t *actual);
/** @return false: nothing there now. Datagrams longer than the buffer are dropped. */
bool estoc_udp_receive(int fd, estoc_path *path, estoc_buf buf, size_t *len);
/** Best effort, as UDP is. */
void estoc_udp_send(int fd, bool ipv6, const estoc_path *path, estoc_slice dg);
/** "ADDR:PORT" as a socket's address; `port` as above. @return 0; ESTOC_E_CONFIG */
ESTOC_MUST_USE estoc_err estoc_address_parse(const char *text, uint16_t port,
                                             struct sockaddr_storage *ss, socklen_t *len);
/** Split "ADDR:PORT": address without brackets. @return 0; ESTOC_E_CONFIG */
ESTOC_MUST_USE estoc_err estoc_address_split(const char *text, char *host, size_t host_cap,
                                             uint16_t *port);

#endif
