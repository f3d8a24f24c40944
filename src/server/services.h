/* SPDX-License-Identifier: MIT
 *
 * The EST servers behind a registrar, as the configuration has them, with their files read.
 */
#ifndef ESTOC_SERVICES_H
#define ESTOC_SERVICES_H

#include "config.h"

/** Zeroed is empty. */
typedef struct estoc_services {
    estoc_upstream at[ESTOC_UPSTREAMS_MAX]; /* points into the rest, and into the configuration */
    size_t n;
    estoc_blobs chain[ESTOC_UPSTREAMS_MAX], anchors[ESTOC_UPSTREAMS_MAX];
    estoc_key *key[ESTOC_UPSTREAMS_MAX];
} estoc_services;

/** Read one: our certificate and its key, which must belong together, and whom to trust there. Takes the
 *  place behind those that are there already.
 *  @param u  must outlive it @return 0; what the files return; ESTOC_E_KEY; with `why` filled, and no
 *            place taken                                                                             */
ESTOC_MUST_USE estoc_err estoc_services_add(estoc_services *s, const estoc_upstream_conf *u,
                                            estoc_why *why);
/** Read all of a configuration, in its order; of that of a CA, none. @return as that; what is there then is to
 *  be freed                                                                                        */
ESTOC_MUST_USE estoc_err estoc_services_load(estoc_services *s, const estoc_config *c,
                                             estoc_why *why);
/** And wipe. */
void estoc_services_free(estoc_services *s);

/** Open the registrar that asks these: its keys for devices are signed by `signer`, all else as the
 *  configuration says. What is pointed to must outlive it.
 *  @return as estoc_registrar_open                                                                 */
ESTOC_MUST_USE estoc_err estoc_services_open(const estoc_services *s, const estoc_config *c,
                                             const char *node, estoc_cms_from signer,
                                             const estoc_shared_keys *decrypt_keys,
                                             void (*news)(void *ctx), void *news_ctx,
                                             estoc_authority **out, estoc_why *why);

#endif
