/* SPDX-License-Identifier: MIT
 *
 * From a request to a resource: path, method, formats. Denies by default (X6). R1, R2, C4.
 * Pure functions of the request and the generation; any thread.
 */
#ifndef ESTOC_DISPATCH_H
#define ESTOC_DISPATCH_H

#include <estoc/responder.h>

#include "generation.h"

/** Where a request goes. */
typedef struct estoc_route {
    estoc_op op;                /* ESTOC_OP_NONE: /.well-known/core */
    const estoc_served *served; /* the profile; NULL for /.well-known/core */
    uint16_t format;            /* of the answer */
} estoc_route;

bool estoc_route_is_core(const estoc_request *req);
/** @param[out] refusal  filled when false is returned */
bool estoc_route_find(const estoc_generation *g, const estoc_request *req, estoc_route *route,
                      estoc_answer *refusal);

/** A body on the heap, to be an answer's owner. Freed it is wiped: it may hold a private key (E5). */
typedef struct estoc_body {
    size_t cap;
    uint8_t bytes[];
} estoc_body;
/** @return NULL without memory */
estoc_body *estoc_body_new(size_t cap);
void estoc_body_free(void *body);

/** Answer a GET route. /.well-known/core is built for the query: the answer's owner is an estoc_body.
 *  @return 0; ESTOC_E_MEMORY */
ESTOC_MUST_USE estoc_err estoc_route_get(const estoc_generation *g, const estoc_route *route,
                                         const estoc_request *req, estoc_answer *answer);

/** What GET /.well-known/core lists for this query, with `base`, such as "coaps://[2001:db8::1]:5684",
 *  before each path; "" for paths alone. RFC 9148 section 4.1.
 *  @return 0; ESTOC_E_MEMORY                                                                      */
ESTOC_MUST_USE estoc_err estoc_route_core(const estoc_generation *g, const char *base,
                                          const estoc_request *req, estoc_answer *answer);

/** An error answer with a diagnostic text (static, at most 64 bytes). */
void estoc_refuse(estoc_answer *a, uint8_t code, const char *text);

/** The operation's name for the log: "sen"; "core" for /.well-known/core. */
const char *estoc_route_name(const estoc_route *route);

#endif
