/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include <estoc/cert.h>

#include "http.h"
#include "lists.h"
#include "publisher.h"
#include "text.h"

struct estoc_lists {
    estoc_http *http;           /* NULL: off */
    estoc_publisher *publisher; /* NULL: nobody wants a list */
    estoc_generation *generation;
};

static void put(estoc_http *http, const estoc_document *doc)
{
    estoc_err err = estoc_http_put(http, doc);
    if (err) {
        estoc_log(ESTOC_LOG_ERROR, "http", "path", doc->path, "result", "not served", "why",
                  estoc_err_text(err), NULL);
    }
}

static void published(void *ctx, const estoc_crl_record *crl)
{
    const estoc_lists *l = ctx;
    if (l->http != NULL) {
        put(l->http, &(estoc_document){.path = "/crl",
                                       .type = "application/pkix-crl",
                                       .bytes = crl->der,
                                       .modified = crl->this_update,
                                       .until = crl->next_update});
    }
}

/* RFC 2585 */
static void serve_issuer(const estoc_lists *l)
{
    estoc_slice der = estoc_blob_slice(l->generation->ca_chain.at[0]);
    estoc_cert cert;
    if (l->http != NULL && !estoc_cert_parse(&cert, der)) {
        put(l->http, &(estoc_document){.path = "/ca.crt",
                                       .type = "application/pkix-cert",
                                       .bytes = der,
                                       .modified = cert.not_before,
                                       .until = cert.not_after});
    }
}

static estoc_err begin(estoc_lists *l, estoc_generation *g, estoc_why *why)
{
    const estoc_publisher_cfg cfg = {.store_url = g->conf.store,
                                     .chain = &g->ca_chain,
                                     .key = g->ca_key,
                                     .good_s = g->conf.crl_good_s,
                                     .file = g->conf.crl_file,
                                     .published = published,
                                     .ctx = l};
    l->generation = estoc_generation_hold(g);
    if (g->conf.authority != ESTOC_AUTHORITY_CA) {
        return ESTOC_OK; /* who is revoked is the upstream's to say */
    }
    serve_issuer(l);
    if (l->http == NULL && g->conf.crl_file[0] == '\0') {
        return ESTOC_OK;
    }
    return estoc_publisher_open(&cfg, &l->publisher, why);
}

static void end(estoc_lists *l)
{
    estoc_publisher_close(l->publisher);
    estoc_generation_release(l->generation);
    l->publisher = NULL;
    l->generation = NULL;
}

estoc_err estoc_lists_open(estoc_generation *g, estoc_lists **out, estoc_why *why)
{
    *out = NULL;
    estoc_lists *l = calloc(1, sizeof *l);
    if (l == NULL) {
        return ESTOC_E_MEMORY;
    }
    estoc_err err = ESTOC_OK;
    if (g->conf.crl_listen[0] != '\0') {
        err = estoc_http_open(g->conf.crl_listen, &l->http, why);
    }
    err = err ? err : begin(l, g, why);
    if (err) {
        estoc_lists_close(l);
        return err;
    }
    *out = l;
    return ESTOC_OK;
}

void estoc_lists_follow(estoc_lists *l, estoc_generation *g)
{
    estoc_why why = {""};
    end(l);
    estoc_err err = begin(l, g, &why);
    if (err) {
        estoc_log(ESTOC_LOG_ERROR, "ca", "event", "crl", "result", "no lists from now on", "why",
                  why.text[0] != '\0' ? why.text : estoc_err_text(err), NULL);
    }
}

const char *estoc_lists_address(const estoc_lists *l)
{
    return l != NULL && l->http != NULL ? estoc_http_address(l->http) : NULL;
}

void estoc_lists_close(estoc_lists *l)
{
    if (l == NULL) {
        return;
    }
    end(l);
    estoc_http_close(l->http);
    free(l);
}
