/* SPDX-License-Identifier: MIT
 *
 * Where an EST-coaps server is: coaps://HOST[:PORT][/ROOT]; where to ask for one: coap://HOST[:PORT].
 *                                                          RFC 9148 section 4.1, RFC 7252 section 6
 */
#ifndef ESTOC_URI_H
#define ESTOC_URI_H

#include <estoc/client.h>

#include "sys.h"

#define ESTOC_URI_PORT      5684
#define ESTOC_URI_PORT_COAP 5683
#define ESTOC_URI_ROOT_MAX  (ESTOC_CALL_PATH_MAX - 2) /* room is left for a label and a resource */
#define ESTOC_URI_HOST_MAX  255
#define ESTOC_URI_ROOT_SIZE 256
#define ESTOC_URI_ZONE_MAX  15

typedef struct estoc_uri {
    char host[ESTOC_URI_HOST_MAX + 1]; /* a name or an address, an IPv6 literal without brackets */
    uint16_t port;
    char zone[ESTOC_URI_ZONE_MAX + 1];       /* the interface of a link-local address, or "" */
    bool literal6;                           /* the host stood in brackets */
    bool own_root;                           /* the URI names a root */
    bool plain;                              /* coap: without DTLS, for discovery only */
    char root[ESTOC_URI_ROOT_SIZE];          /* the segments' bytes */
    estoc_slice segment[ESTOC_URI_ROOT_MAX]; /* of the root, decoded; they point into `root` */
    size_t segment_n;
} estoc_uri;

/** Parse a server's URI. Without a root: /.well-known/est. `uri` must not be moved afterwards.
 *  @return 0; ESTOC_E_CONFIG with `why` filled                                                     */
ESTOC_MUST_USE estoc_err estoc_uri_parse(const char *text, estoc_uri *uri, estoc_why *why);
/** The same, where coap://HOST[:PORT] will do. */
ESTOC_MUST_USE estoc_err estoc_uri_parse_plain(const char *text, estoc_uri *uri, estoc_why *why);

#endif
