/* SPDX-License-Identifier: MIT
 *
 * estocd check: what its parts share.
 */
#ifndef ESTOC_CHECK_H
#define ESTOC_CHECK_H

#include <estoc/cert.h>

#include "config.h"
#include "services.h"

typedef struct estocd_checking {
    estoc_config conf;
    estoc_blobs ca, server, anchors, expired, crls;
    estoc_key *ca_key, *server_key;
    estoc_services services; /* behind a registrar: those that could be read */
    bool online;             /* ask them, too */
    int64_t now;
    unsigned faults;
} estocd_checking;

/** What `estocd run` would stumble over. */
void estocd_fault(estocd_checking *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/** What is no fault: it may be meant so. */
void estocd_note(const char *file, const char *text);
/** Whether a certificate is valid now, and for some time. */
void estocd_check_dates(estocd_checking *c, const char *file, const estoc_cert *cert);

/** The files of the services behind a registrar, and what stands in them. */
void estocd_check_upstreams(estocd_checking *c);
/** Ask each of their servers for its certificates, tell what came of it on stdout, and see whether devices
 *  will get along with them: whose certificate can be renewed, and who takes this server for what it is. */
void estocd_check_online(estocd_checking *c);

#endif
