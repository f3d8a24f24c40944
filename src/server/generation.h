/* SPDX-License-Identifier: MIT
 *
 * All that one reading of the configuration gives: settings, credentials, anchors, authority. A
 * reload (SIGHUP) makes a new one; associations keep the DTLS of the one they began with until they
 * end, and each request is answered by the newest.
 * Immutable once made; counted references, any thread.
 */
#ifndef ESTOC_GENERATION_H
#define ESTOC_GENERATION_H

#include <stdatomic.h>

#include "access.h"
#include "authority.h"
#include "config.h"
#include "dtls.h"
#include "services.h"

#define ESTOC_ETAG_LEN 4

/** What a profile serves, ready to send. */
typedef struct estoc_served {
    const char *profile; /* "" for the default */
    estoc_blob certs;    /* format 281 */
    estoc_slice cert;    /* format 287: the only anchor, or empty if there are several */
    estoc_slice attributes;
    /* of these three: digests of the bytes. E2 */
    uint8_t certs_etag[ESTOC_ETAG_LEN], cert_etag[ESTOC_ETAG_LEN];
    uint8_t attributes_etag[ESTOC_ETAG_LEN];
    /* not known yet, behind a registrar: what stands for it above is empty, and is an error to ask for */
    bool lacks_certs, lacks_attributes;
    bool keygen;          /* /skg and /skc */
    estoc_access *access; /* who may use it; NULL: all who may connect */
    uint32_t grace_s;
} estoc_served;

/** What all generations of a server have in common, and outlives them. */
typedef struct estoc_common {
    estoc_dtls_cache *sessions;        /* D8: a reload that changes nobody's trust forgets none */
    const estoc_dtls_cookies *cookies; /* of all nodes, or NULL: this one's own */
    char *node;
    void (*news)(
        void *ctx); /* a generation from the same configuration would serve something else */
    void *news_ctx;
} estoc_common;

typedef struct estoc_generation {
    estoc_config conf;
    estoc_blobs ca_chain, server_chain, anchors;
    estoc_blobs expired, denied, crls; /* D6 */
    estoc_blobs rollover;              /* E2: besides the chain, in /crts */
    estoc_key *ca_key, *server_key;
    estoc_shared_keys decrypt_keys;
    estoc_services services; /* of a registrar, which has no ca_chain and ca_key */
    estoc_authority *authority;
    int64_t policy;     /* version of the profiles; 0 behind a registrar */
    uint32_t max_age_s; /* of /crts and /att */
    estoc_dtls_server *dtls;
    estoc_served served[ESTOC_PROFILES_MAX];
    size_t served_n;
    atomic_uint refs;
    atomic_uint bodies; /* request bodies in assembly, all workers (B2) */
} estoc_generation;

/** Takes over `conf` by copy. @return 0 with one reference; else `why` is filled */
ESTOC_MUST_USE estoc_err estoc_generation_new(const estoc_config *conf, const estoc_common *common,
                                              estoc_generation **out, estoc_why *why);
estoc_generation *estoc_generation_hold(estoc_generation *g);
/** The last release finishes the authority's queue and frees everything. */
void estoc_generation_release(estoc_generation *g);
/** What a profile serves. @return NULL: there is none of this name */
const estoc_served *estoc_generation_served(const estoc_generation *g, estoc_slice profile);
/** Whether our CA has signed this certificate; a registrar has none. */
bool estoc_generation_signed(const estoc_generation *g, estoc_slice cert);

#endif
