/* SPDX-License-Identifier: MIT
 *
 * EST over HTTP: requests as operations of an authority, and what comes of them as answers. RFC 7030
 * section 4, RFC 8951. No socket and no TLS in here; any thread.
 */
#ifndef ESTOC_EST_HTTP_H
#define ESTOC_EST_HTTP_H

#include "dispatch.h"

/** An answer. */
typedef struct estoc_est_answer {
    unsigned status;
    const char *type; /* Content-Type, static; NULL: there is no body */
    estoc_body *body; /* on the heap, may hold a private key */
    size_t len;
    char why[72];      /* what an error's body says, for the log; else "" */
    const char *allow; /* Allow, static; or NULL */
    uint32_t retry_s;  /* Retry-After; 0: none */
    bool may_be_kept;  /* by caches, for max_age_s; otherwise not at all */
    bool wants_cert;   /* 401 */
    uint32_t max_age_s;
} estoc_est_answer;

/** Give back what the answer has. */
void estoc_est_answer_free(estoc_est_answer *a);
/** An error for a person to read: one line. */
void estoc_est_refuse(estoc_est_answer *a, unsigned status, const char *text);
/** The same for 503 and 429: when to come again; 0: a few seconds. */
void estoc_est_refuse_later(estoc_est_answer *a, unsigned status, const char *text,
                            uint32_t retry_s);
/** The same for an error of ours. */
void estoc_est_refuse_for(estoc_est_answer *a, estoc_err err);

/** Where a request goes: "/.well-known/est/OPERATION" or "/.well-known/est/LABEL/OPERATION".
 *  @param[out] route    its `format` says nothing
 *  @param[out] refusal  404 or 405, when false is returned                                         */
bool estoc_est_route(const estoc_generation *g, const char *method, const char *path,
                     estoc_route *route, estoc_est_answer *refusal);
/** The operation's name: "simpleenroll". */
const char *estoc_est_name(estoc_op op);
/** Whether a request of this Content-Type (or NULL) may be one for a certificate. */
bool estoc_est_is_csr(const char *content_type);
/** The most characters that a body of a request may have. */
size_t estoc_est_text_max(const estoc_generation *g);
/** Answer an operation without a request in it: cacerts, csrattrs. */
void estoc_est_get(const estoc_generation *g, const estoc_route *route, estoc_est_answer *a);
/** Whether the profile wants what TLS 1.3 does not have: a proof of possession that is linked to the
 *  session (D9).                                                              RFC 7030 section 3.5 */
bool estoc_est_wants_unique(const estoc_generation *g, const estoc_route *route);
/** What the authority decided, as an answer. */
void estoc_est_verdict(const estoc_verdict *v, const estoc_route *route, estoc_est_answer *a);

#endif
