/* SPDX-License-Identifier: MIT
 *
 * Who may use a profile (D4): asked at each request, for an association may be older than the rule.
 * Immutable once made; any thread.
 */
#ifndef ESTOC_ACCESS_H
#define ESTOC_ACCESS_H

#include <estoc/cert.h>

#include "config.h"

typedef struct estoc_access estoc_access;

/** The rules of a profile, with the files they name.
 *  @param[in]  anchors  the server's own: one that leads to an anchor of the profile stands for it
 *  @param[out] out      NULL if whoever may connect may use the profile
 *  @return 0; what reading a file returns, with `why` filled; ESTOC_E_MEMORY                        */
ESTOC_MUST_USE estoc_err estoc_access_load(const estoc_profile_conf *conf,
                                           const estoc_blobs *anchors, estoc_access **out,
                                           estoc_why *why);
void estoc_access_free(estoc_access *a);
/** Whether a client may not. NULL has no rules.
 *  @param[in] trail  how the client's certificate led to an anchor (estoc_dtls_peer_trail)
 *  @return NULL: it may; else why not: a static text of at most 64 bytes for the client            */
const char *estoc_access_refusal(const estoc_access *a, const estoc_cert *client,
                                 estoc_slice trail);

#endif
