/* SPDX-License-Identifier: MIT
 *
 * Discovery without DTLS: GET /.well-known/core of one node over plain CoAP, or of all that listen to
 * a multicast group. Nobody vouches for the answers: a list says where to look, not whom to trust.
 *                                                    RFC 9148 section 4.1, RFC 7252 section 8
 */
#ifndef ESTOC_SEARCH_H
#define ESTOC_SEARCH_H

#include "talk.h"

#define ESTOC_SEARCH_TEXT_MAX 96

/** One list of links, and who sent it: "[fe80::1%eth0]:5683". @return 0 or an exit code */
typedef int (*estoc_search_take)(void *ctx, const char *from, estoc_slice document);

/** Ask what the URI names, a node or a group, and hand each list to `take`. What fails is told on
 *  stderr. Of a group there may be several.
 *  @return 0; an exit code, take's own among them                                                  */
ESTOC_MUST_USE int estoc_search(const estoc_options *opt, const estoc_uri *uri,
                                estoc_search_take take, void *ctx);
/** Whether the URI's host is the address of a group. */
bool estoc_uri_is_group(const estoc_uri *uri);

#endif
