/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <estoc/link.h>

#include "roots.h"

#define TARGET_MAX 600 /* bytes of a coaps URI: its host, its path */

/* A link's target as a URI of this server. */
static bool take_target(estoc_slice target, const estoc_uri *server, const char *address,
                        estoc_uri *out)
{
    char text[TARGET_MAX];
    estoc_why ignored;
    bool path = target.len > 0 && target.ptr[0] == '/' &&
                !estoc_slice_eq(estoc_slice_sub(target, 0, 2), estoc_slice_str("//"));
    int n = snprintf(text, sizeof text, "%s%.*s", path ? "coaps://server" : "", (int)target.len,
                     (const char *)target.ptr);
    if (n < 0 || (size_t)n >= sizeof text || estoc_uri_parse(text, out, &ignored)) {
        return false;
    }
    bool ours =
        out->port == server->port && (strcasecmp(out->host, server->host) == 0 ||
                                      (address != NULL && strcasecmp(out->host, address) == 0));
    return out->own_root && (path || ours);
}

/* ROOT/NAME: then the name goes. */
static bool take_root(const char *name, const char *label, estoc_uri *uri)
{
    size_t labels = label != NULL ? 1 : 0;
    if (uri->segment_n < 2 + labels ||
        !estoc_slice_eq(uri->segment[uri->segment_n - 1], estoc_slice_str(name))) {
        return false;
    }
    uri->segment_n--;
    return label == NULL ||
           estoc_slice_eq(uri->segment[uri->segment_n - 1], estoc_slice_str(label));
}

bool estoc_root_find(estoc_slice document, estoc_op op, const char *label, const estoc_uri *server,
                     const char *address, estoc_uri *root)
{
    const estoc_resource *resource = estoc_resource_for(op);
    estoc_slice best = {NULL, 0};
    size_t fewest = ESTOC_URI_ROOT_MAX + 1;
    char wanted[32];
    estoc_link link;
    snprintf(wanted, sizeof wanted, "rt=%s", resource->rt);
    for (estoc_reader r = estoc_reader_of(document); estoc_link_next(&r, &link);) {
        if (estoc_link_matches(&link, estoc_slice_str(wanted)) &&
            take_target(link.target, server, address, root) &&
            take_root(resource->name, label, root) && root->segment_n < fewest) {
            best = link.target;
            fewest = root->segment_n;
        }
    }
    /* once more, since the last one tried is in `root` */
    return best.len > 0 && take_target(best, server, address, root) &&
           take_root(resource->name, label, root);
}
