/* SPDX-License-Identifier: MIT
 *
 * Whether a client whose certificate leads to an anchor may have what it asks for: asked at each request,
 * by the rules that hold then, over CoAPS and over HTTPS. Any thread.
 */
#ifndef ESTOC_PERMIT_H
#define ESTOC_PERMIT_H

#include "generation.h"

/** Who asks. */
typedef struct estoc_client {
    estoc_slice cert;  /* DER */
    estoc_slice trail; /* as of estoc_dtls_peer_trail */
    int64_t not_after;
    bool elsewhere; /* the certificate was verified by another generation than is asked now */
} estoc_client;

/** Whether its certificate is revoked, or denied by a configuration that came since (D8). */
bool estoc_permit_revoked(const estoc_generation *g, const estoc_client *c);
/** @param served  the profile; NULL for /.well-known/core
 *  @return NULL: it may; else why not: a static text of at most 64 bytes for the client, with 4.03  */
const char *estoc_permit_refusal(const estoc_generation *g, const estoc_client *c, estoc_op op,
                                 const estoc_served *served);

#endif
