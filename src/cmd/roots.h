/* SPDX-License-Identifier: MIT
 *
 * Roots that are not the default one, from a list of links.              R1; RFC 9148 section 4.1
 */
#ifndef ESTOC_ROOTS_H
#define ESTOC_ROOTS_H

#include <estoc/est.h>

#include "uri.h"

/** The root under which a list offers this resource: ROOT/NAME, or with a label ROOT/LABEL/NAME, in
 *  paths or in coaps URIs of this server. Of several, that with the fewest segments. What leads to
 *  other hosts or ports is passed over.
 *  @param[in]  document  untrusted
 *  @param[in]  address   the server's, as text, which a link may have in place of the host; or NULL
 *  @param[out] root      its segments are the root, the label among them. It must not be moved
 *  @return whether there is one                                                                    */
bool estoc_root_find(estoc_slice document, estoc_op op, const char *label, const estoc_uri *server,
                     const char *address, estoc_uri *root);

#endif
