/* estoc: EST over CoAPS (RFC 9148).  SPDX-License-Identifier: MIT
 *
 * CoRE link format: what /.well-known/core says.                     RFC 6690; RFC 9148 section 4.1
 */
#ifndef ESTOC_LINK_H
#define ESTOC_LINK_H

#include <estoc/bytes.h>

#ifdef __cplusplus
extern "C" {
#endif

/** One link. Attribute values without their quotes; absent: empty. */
typedef struct estoc_link {
    estoc_slice target; /**< between < and > */
    estoc_slice rt;
    estoc_slice ct;
    estoc_slice attributes; /**< all of them, raw */
} estoc_link;

/** Next link of a document. False at the end or, with r->err set, at malformed text. */
bool estoc_link_next(estoc_reader *r, estoc_link *link);
/** Append one link with rt= and ct=; a comma first if the writer is not empty. `ct` is quoted if it
 *  has a space. Values must not contain a quote (ESTOC_E_USAGE sticks).                            */
void estoc_link_put(estoc_writer *w, estoc_slice target, estoc_slice rt, estoc_slice ct);
/** Whether a link answers a query such as `rt=ace.est*`, `href=/est/sen`, `ct=281` or `rt=*`.  A
 *  trailing * matches any rest; rt and ct are lists of words, any of which may match.
 *  RFC 6690 section 4.1. A query without '=' or with an attribute the link lacks does not match.  */
bool estoc_link_matches(const estoc_link *link, estoc_slice query);

#ifdef __cplusplus
}
#endif
#endif
