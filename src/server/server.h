/* SPDX-License-Identifier: MIT
 *
 * The CoAPS server: sockets, workers, reload and stop.
 */
#ifndef ESTOC_SERVER_H
#define ESTOC_SERVER_H

#include "config.h"

typedef struct estoc_server estoc_server;

/** Open the sockets, make the first generation, start the workers.
 *  @param news  called on another thread when other profiles have been published than are served:
 *               estoc_server_follow takes them
 *  @return 0; or an error with `why` filled                                                        */
ESTOC_MUST_USE estoc_err estoc_server_start(const estoc_config *conf, void (*news)(void *ctx),
                                            void *ctx, estoc_server **out, estoc_why *why);
/** "127.0.0.1:5684" of the i-th socket with its real port. @return NULL past the last one */
const char *estoc_server_address(const estoc_server *s, size_t i);
/** The same for the sockets of plain CoAP, for discovery. */
const char *estoc_server_plain_address(const estoc_server *s, size_t i);
/** The same for the revocation list over HTTP. @return NULL: it is not served */
const char *estoc_server_http_address(const estoc_server *s);
/** The same for the i-th address of EST over HTTPS. @return NULL past the last one */
const char *estoc_server_https_address(const estoc_server *s, size_t i);
/** Use a new configuration for associations from now on. Listening addresses, those of discovery
 *  and HTTP too, the number of workers, sessions_max and the node's name stay what they were.
 *  @return 0; or an error with `why` filled, and the old configuration stays in force              */
ESTOC_MUST_USE estoc_err estoc_server_reload(estoc_server *s, const estoc_config *conf,
                                             estoc_why *why);
/** Serve the profiles published last, if that is what the configuration says: the same configuration,
 *  with them. @return as estoc_server_reload                                                       */
ESTOC_MUST_USE estoc_err estoc_server_follow(estoc_server *s, estoc_why *why);
/** Finish what is in flight (at most about 4 s), close all associations, free everything. */
void estoc_server_stop(estoc_server *s);

#endif
