/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <estoc/link.h>

#include "dispatch.h"
#include "text.h"
#include "verdict.h"

#define LINK_MAX       256 /* bytes of a link's target */
#define ATTRIBUTES_MAX 64  /* and of what follows it */

void estoc_refuse(estoc_answer *a, uint8_t code, const char *text)
{
    *a = (estoc_answer){.code = code, .format = ESTOC_FORMAT_NONE, .body = estoc_slice_str(text)};
}

estoc_body *estoc_body_new(size_t cap)
{
    estoc_body *b = malloc(sizeof *b + cap);
    if (b != NULL) {
        b->cap = cap;
    }
    return b;
}

void estoc_body_free(void *body)
{
    estoc_body *b = body;
    if (b != NULL) {
        estoc_wipe(b->bytes, b->cap);
        free(b);
    }
}

const char *estoc_route_name(const estoc_route *route)
{
    const estoc_resource *r = estoc_resource_for(route->op);
    return r != NULL ? r->name : "core";
}

static bool is(estoc_slice segment, const char *text)
{
    return estoc_slice_eq(segment, estoc_slice_str(text));
}

/* Whether it is to be had, once it is known. */
static bool lacks(const estoc_served *s, estoc_op op)
{
    return op == ESTOC_OP_CRTS ? s->lacks_certs : op == ESTOC_OP_ATT && s->lacks_attributes;
}

/* What this server has for a profile, and says so. */
static bool offers(const estoc_served *s, estoc_op op)
{
    return op == ESTOC_OP_CRTS || op == ESTOC_OP_SEN || op == ESTOC_OP_SREN ||
           (op == ESTOC_OP_ATT && s->attributes.len > 0) ||
           ((op == ESTOC_OP_SKG || op == ESTOC_OP_SKC) && s->keygen);
}

/* R1: ROOT/NAME and ROOT/LABEL/NAME, where ROOT is .well-known/est or the short root. */
static const estoc_resource *find_resource(const estoc_generation *g, const estoc_request *req,
                                           const estoc_served **served)
{
    size_t root;
    if (req->path_n >= 2 && is(req->path[0], ".well-known") && is(req->path[1], "est")) {
        root = 2;
    } else if (req->path_n >= 1 && g->conf.root[0] != '\0' && is(req->path[0], g->conf.root)) {
        root = 1;
    } else {
        return NULL;
    }
    estoc_slice label = {NULL, 0};
    if (req->path_n == root + 2) {
        label = req->path[root];
        if (label.len == 0) {
            return NULL;
        }
    } else if (req->path_n != root + 1) {
        return NULL;
    }
    *served = estoc_generation_served(g, label);
    const estoc_resource *r = estoc_resource_named(req->path[req->path_n - 1]);
    return *served != NULL && r != NULL && (offers(*served, r->op) || lacks(*served, r->op)) ? r
                                                                                             : NULL;
}

/* The format of the answer, or ESTOC_FORMAT_NONE if Accept asks for one we do not have. E1. */
static uint16_t choose_format(const estoc_resource *r, const estoc_served *s, uint16_t accept)
{
    if (accept == ESTOC_FORMAT_NONE) {
        return r->response[0];
    }
    if (r->op == ESTOC_OP_CRTS && accept == ESTOC_FORMAT_CERT && s->cert.len == 0 &&
        !s->lacks_certs) {
        return ESTOC_FORMAT_NONE;
    }
    return accept == r->response[0] || accept == r->response[1] ? accept : ESTOC_FORMAT_NONE;
}

static bool route_core(const estoc_request *req, estoc_route *route, estoc_answer *refusal)
{
    if (req->method != ESTOC_COAP_GET) {
        estoc_refuse(refusal, ESTOC_COAP_METHOD_NOT_ALLOWED, "only GET here");
        return false;
    }
    if (req->accept != ESTOC_FORMAT_NONE && req->accept != ESTOC_FORMAT_LINK) {
        estoc_refuse(refusal, ESTOC_COAP_NOT_ACCEPTABLE, "only content format 40 here");
        return false;
    }
    route->format = ESTOC_FORMAT_LINK;
    return true;
}

bool estoc_route_is_core(const estoc_request *req)
{
    return req->path_n == 2 && is(req->path[0], ".well-known") && is(req->path[1], "core");
}

bool estoc_route_find(const estoc_generation *g, const estoc_request *req, estoc_route *route,
                      estoc_answer *refusal)
{
    *route = (estoc_route){ESTOC_OP_NONE, NULL, ESTOC_FORMAT_NONE};
    if (estoc_route_is_core(req)) {
        return route_core(req, route, refusal);
    }
    const estoc_resource *r = find_resource(g, req, &route->served);
    if (r == NULL) {
        estoc_refuse(refusal, ESTOC_COAP_NOT_FOUND, "no such resource");
        return false;
    }
    if (req->method != r->method) {
        estoc_refuse(refusal, ESTOC_COAP_METHOD_NOT_ALLOWED,
                     r->method == ESTOC_COAP_GET ? "only GET here" : "only POST here");
        return false;
    }
    if (r->request != ESTOC_FORMAT_NONE && req->content_format != r->request) {
        estoc_refuse(refusal, ESTOC_COAP_UNSUPPORTED_FORMAT, "send content format 286");
        return false;
    }
    route->op = r->op;
    route->format = choose_format(r, route->served, req->accept);
    if (route->format == ESTOC_FORMAT_NONE) {
        estoc_refuse(refusal, ESTOC_COAP_NOT_ACCEPTABLE, "no answer in this content format");
        return false;
    }
    return true;
}

/* href may be meant for the path, or for the whole URI. */
static bool matches(const estoc_link *link, estoc_slice path, estoc_slice query)
{
    estoc_link local = *link;
    local.target = path;
    return estoc_link_matches(link, query) || estoc_link_matches(&local, query);
}

static bool all_match(const estoc_link *link, estoc_slice path, const estoc_request *req)
{
    if (req->query_n > ESTOC_REQUEST_QUERY_MAX) { /* some of them are not at hand */
        return false;
    }
    for (size_t i = 0; i < req->query_n; i++) {
        if (!matches(link, path, req->query[i])) {
            return false;
        }
    }
    return true;
}

static void put_link(estoc_writer *w, const estoc_generation *g, const char *base,
                     const estoc_served *s, const estoc_resource *r, const estoc_request *req)
{
    char target[LINK_MAX];
    const char *root = g->conf.root[0] != '\0' ? g->conf.root : ".well-known/est";
    snprintf(target, sizeof target, "%s/%s%s%s/%s", base, root, s->profile[0] != '\0' ? "/" : "",
             s->profile, r->name);
    estoc_slice path = estoc_slice_str(target + strlen(base));
    /* crts as one certificate only where there is exactly one. E1 */
    const char *ct = r->op == ESTOC_OP_CRTS && s->cert.len == 0 ? "281" : r->ct;
    estoc_link link = {
        .target = estoc_slice_str(target), .rt = estoc_slice_str(r->rt), .ct = estoc_slice_str(ct)};
    if (all_match(&link, path, req)) {
        estoc_link_put(w, link.target, link.rt, link.ct);
    }
}

static void put_links(estoc_writer *w, const estoc_generation *g, const char *base,
                      const estoc_request *req)
{
    for (size_t p = 0; p < g->served_n; p++) {
        for (size_t i = 0; i < ESTOC_RESOURCES; i++) {
            const estoc_resource *r = estoc_resource_at(i);
            if (offers(&g->served[p], r->op)) {
                put_link(w, g, base, &g->served[p], r, req);
            }
        }
    }
}

estoc_err estoc_route_core(const estoc_generation *g, const char *base, const estoc_request *req,
                           estoc_answer *answer)
{
    *answer = (estoc_answer){.code = ESTOC_COAP_CONTENT, .format = ESTOC_FORMAT_LINK};
    size_t cap = g->served_n * ESTOC_RESOURCES * (LINK_MAX + ATTRIBUTES_MAX);
    estoc_body *body = estoc_body_new(cap);
    if (body == NULL) {
        return ESTOC_E_MEMORY;
    }
    estoc_writer w = estoc_writer_of((estoc_buf){body->bytes, cap});
    put_links(&w, g, base, req);
    size_t len;
    estoc_err err = estoc_writer_end(&w, &len);
    if (err) {
        estoc_body_free(body);
        return err;
    }
    answer->body = (estoc_slice){body->bytes, len};
    answer->owner = body;
    return ESTOC_OK;
}

/* E2: the body, or 2.03 to a client that has it already.                RFC 7252 section 5.10.6 */
static void put_kept(const estoc_generation *g, const estoc_request *req, estoc_slice body,
                     const uint8_t etag[ESTOC_ETAG_LEN], estoc_answer *a)
{
    memcpy(a->etag, etag, ESTOC_ETAG_LEN);
    a->etag_len = ESTOC_ETAG_LEN;
    a->has_max_age = true;
    a->max_age_s = g->max_age_s;
    a->body = body;
    for (size_t i = 0; i < req->etag_n; i++) {
        if (estoc_slice_eq(req->etag[i], estoc_slice_of(etag, ESTOC_ETAG_LEN))) {
            a->code = ESTOC_COAP_VALID;
            a->format = ESTOC_FORMAT_NONE;
            a->body = (estoc_slice){NULL, 0};
        }
    }
}

/* G3: the error by which the upstream was missed last. */
static void tell_lack(const estoc_generation *g, const estoc_route *route, estoc_answer *answer)
{
    estoc_verdict v = {.err = ESTOC_E_INTERNAL, .text = "the CA's certificates cannot be served"};
    estoc_authority *a = g->authority;
    if (!a->ops->lacks(a, route->served->profile, route->op, &v)) {
        v.code = 0; /* known, and of no use */
    }
    estoc_refuse_later(answer, estoc_verdict_code(&v), v.text, v.retry_s);
}

estoc_err estoc_route_get(const estoc_generation *g, const estoc_route *route,
                          const estoc_request *req, estoc_answer *answer)
{
    const estoc_served *s = route->served;
    *answer = (estoc_answer){.code = ESTOC_COAP_CONTENT, .format = route->format};
    if (lacks(s, route->op)) { /* of /.well-known/core, nothing */
        tell_lack(g, route, answer);
    } else if (route->op == ESTOC_OP_CRTS && route->format == ESTOC_FORMAT_CERT) {
        put_kept(g, req, s->cert, s->cert_etag, answer);
    } else if (route->op == ESTOC_OP_CRTS) {
        put_kept(g, req, estoc_blob_slice(s->certs), s->certs_etag, answer);
    } else if (route->op == ESTOC_OP_ATT) {
        put_kept(g, req, s->attributes, s->attributes_etag, answer);
    } else {
        return estoc_route_core(g, "", req, answer);
    }
    return ESTOC_OK;
}
