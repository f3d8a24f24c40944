/* SPDX-License-Identifier: MIT
 *
 * `estocd init --upstream URL`: the folder of a registrar.
 */
#ifndef ESTOC_INIT_REGISTRAR_H
#define ESTOC_INIT_REGISTRAR_H

#include "args.h"
#include "crypto.h"
#include "folder.h"

typedef struct estocd_init_registrar_cfg {
    const char *dir;
    const char *url, *anchors;    /* of the upstream: where, and whom to trust there, a file */
    const char *cert, *key;       /* files: what it knows the registrar by, and devices, too */
    const char *client_anchors;   /* a file, or NULL */
    const estoc_args_list *hosts; /* what devices call this server */
} estocd_init_registrar_cfg;

/** Whether an end entity's certificate may be used so, by its (extended) key usages. */
bool estocd_cert_is_for(estoc_blob cert, estoc_purpose purpose);
/** @return 0, or 1 and why on stderr: nothing is made then */
int estocd_init_registrar(const estocd_init_registrar_cfg *cfg);

#endif
