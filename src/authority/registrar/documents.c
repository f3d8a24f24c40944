/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <estoc/cert.h>
#include <estoc/coap.h>

#include "documents.h"

#define CERTS_MAX   16
#define FRESH_MIN_S 60    /* an upstream's max-age below this is not followed */
#define FRESH_MAX_S 86400 /* nor above that */
#define RETRY_MIN_S 1     /* after a failure, and twice as long after each further one */
#define RETRY_MAX_S 60

/* One resource of a service. */
struct doc {
    estoc_documents *of;
    size_t upstream;
    char label[32];
    estoc_op op; /* ESTOC_OP_CRTS or ESTOC_OP_ATT */
    char name[128];
    estoc_blob bytes; /* as settled: certs-only, or CsrAttrs; empty: none */
    estoc_blobs anchors;
    bool known; /* as settled */
    bool asking;
    unsigned failed; /* times in a row */
    estoc_ms next_at;
    bool changed;
    /* under the lock */
    estoc_verdict lack;
    bool replied;
    estoc_upstream_reply reply; /* but for its slices */
    estoc_blob body;
};

struct estoc_documents {
    estoc_upstreams *upstreams;
    uint32_t refresh_s;
    void (*signal)(void *ctx);
    void *ctx;
    struct doc *at;
    size_t n;
    size_t *crts, *att; /* of each errand; att: SIZE_MAX, it has its own */
    pthread_mutex_t lock;
};

/* ---------------------------------------------------------------------------------------- in order */

static bool is_root(estoc_slice der)
{
    estoc_cert c;
    return !estoc_cert_parse(&c, der) && estoc_cert_self_issued(&c) &&
           !estoc_verify(&c.spki, c.sig, c.tbs, c.signature);
}

/* Whether the issuer of this one stands in the list. */
static bool has_issuer(const estoc_slice *list, size_t n, estoc_slice der)
{
    estoc_cert c, other;
    for (size_t i = 0; i < n && !estoc_cert_parse(&c, der); i++) {
        if (!estoc_cert_parse(&other, list[i]) && estoc_slice_eq(other.subject, c.issuer)) {
            return true;
        }
    }
    return false;
}

/* The first of those that are left that what stands there has issued; or else the first of them. */
static size_t next_cert(const estoc_slice *in, const bool *taken, size_t n, const estoc_slice *out,
                        size_t done)
{
    size_t left = n;
    for (size_t i = n; i > 0; i--) {
        left = taken[i - 1] ? left : i - 1;
    }
    for (size_t i = left; i < n; i++) {
        if (!taken[i] && has_issuer(out, done, in[i])) {
            return i;
        }
    }
    return left;
}

/* Root first (E2), then whatever follows from what stands there. */
static void sort_certs(const estoc_slice *in, size_t n, estoc_slice *out)
{
    bool taken[CERTS_MAX] = {false};
    size_t done = 0;
    for (size_t i = 0; i < n; i++) {
        taken[i] = is_root(in[i]);
        if (taken[i]) {
            out[done++] = in[i];
        }
    }
    while (done < n) {
        size_t i = next_cert(in, taken, n, out, done);
        taken[i] = true;
        out[done++] = in[i];
    }
}

/* Certificates as we serve them. @return false: they are none, or too many */
static bool put_in_order(estoc_slice cms, estoc_blob *out)
{
    estoc_slice list[CERTS_MAX], sorted[CERTS_MAX];
    estoc_cert cert;
    size_t n = CERTS_MAX;
    size_t room = cms.len + 64;
    *out = (estoc_blob){NULL, 0};
    if (estoc_certs_parse(cms, list, &n)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (estoc_cert_parse(&cert, list[i])) {
            return false;
        }
    }
    sort_certs(list, n, sorted);
    out->ptr = malloc(room);
    if (out->ptr == NULL || estoc_certs_build(sorted, n, (estoc_buf){out->ptr, room}, &out->len)) {
        out->len = out->ptr != NULL ? room : 0;
        estoc_blob_free(out);
        return false;
    }
    return true;
}

/* ----------------------------------------------------------------------------------------- replies */

static void take_reply(void *ctx, const estoc_upstream_reply *reply)
{
    struct doc *doc = ctx;
    estoc_documents *d = doc->of;
    pthread_mutex_lock(&d->lock);
    doc->reply = *reply;
    estoc_blob_free(&doc->body);
    if (!reply->err && estoc_blob_copy(reply->body, &doc->body)) {
        doc->reply.err = ESTOC_E_LATER;
        doc->reply.code = ESTOC_COAP_UNAVAILABLE;
        doc->reply.text = "out of memory, try again later";
        doc->reply.retry_s = RETRY_MAX_S;
    }
    doc->replied = true;
    pthread_mutex_unlock(&d->lock);
    d->signal(d->ctx);
}

static void ask(estoc_documents *d, struct doc *doc, estoc_ms now)
{
    estoc_upstream_call call = {.upstream = doc->upstream,
                                .op = doc->op == ESTOC_OP_CRTS ? ESTOC_UPSTREAM_CACERTS
                                                               : ESTOC_UPSTREAM_CSRATTRS,
                                .label = doc->label,
                                .about = "",
                                .done = take_reply,
                                .ctx = doc};
    doc->asking = true;
    doc->next_at = ESTOC_NEVER;
    if (estoc_upstreams_ask(d->upstreams, &call)) {
        doc->asking = false;
        doc->next_at = now + RETRY_MAX_S * 1000u;
    }
}

/* Workers read it. */
static void remember(struct doc *doc, const estoc_upstream_reply *reply)
{
    pthread_mutex_lock(&doc->of->lock);
    doc->lack = (estoc_verdict){
        .err = reply->err, .code = reply->code, .text = reply->text, .retry_s = reply->retry_s};
    pthread_mutex_unlock(&doc->of->lock);
}

/* A document to be kept, out of a reply, which has the right form. @return false: it is of no use */
static bool read_document(struct doc *doc, const estoc_upstream_reply *reply, estoc_slice body,
                          estoc_blob *bytes)
{
    static const estoc_upstream_reply useless = {.err = ESTOC_E_UPSTREAM,
                                                 .code = ESTOC_COAP_INTERNAL_ERROR,
                                                 .text = "the CA's answer is of no use"};
    bool good = doc->op == ESTOC_OP_CRTS ? put_in_order(body, bytes)
                                         : body.len == 0 || !estoc_blob_copy(body, bytes);
    if (!good) {
        estoc_log(ESTOC_LOG_WARN, "upstream", "url", reply->url, "op",
                  doc->op == ESTOC_OP_CRTS ? "cacerts" : "csrattrs", "why",
                  "not what it should be, and not taken", NULL);
        remember(doc, &useless);
    }
    return good;
}

static uint32_t fresh_for(const estoc_documents *d, int32_t said_s)
{
    uint32_t least = d->refresh_s < FRESH_MIN_S ? d->refresh_s : FRESH_MIN_S;
    if (said_s < 0) {
        return d->refresh_s;
    }
    return (uint32_t)said_s < least         ? least
           : (uint32_t)said_s > FRESH_MAX_S ? FRESH_MAX_S
                                            : (uint32_t)said_s;
}

static void store_it(const struct doc *doc, estoc_store *store, estoc_slice bytes, uint32_t fresh_s)
{
    int64_t now = estoc_unix_s();
    estoc_document_kept kept = {
        .none = bytes.len == 0, .fetched_at = now, .good_until = now + (int64_t)fresh_s};
    estoc_err err =
        store != NULL ? estoc_document_put(store, doc->name, &kept, bytes) : ESTOC_E_STORE;
    if (err) {
        estoc_log(ESTOC_LOG_ERROR, "registrar", "event", "store", "document", doc->name, "why",
                  store != NULL ? estoc_store_why(store) : "not available", NULL);
    }
}

static uint32_t pause_after(unsigned failed)
{
    uint32_t s = RETRY_MIN_S;
    for (unsigned i = 1; i < failed && s < RETRY_MAX_S; i++) {
        s *= 2;
    }
    return s < RETRY_MAX_S ? s : RETRY_MAX_S;
}

static estoc_err set_bytes(struct doc *doc, estoc_blob *bytes)
{
    estoc_slice list[CERTS_MAX];
    size_t n = CERTS_MAX;
    estoc_blob_free(&doc->bytes);
    doc->bytes = *bytes;
    *bytes = (estoc_blob){NULL, 0};
    doc->known = true;
    estoc_err err = ESTOC_OK;
    if (doc->op == ESTOC_OP_CRTS) {
        estoc_blobs_free(&doc->anchors);
        err = estoc_certs_parse(estoc_blob_slice(doc->bytes), list, &n);
        for (size_t i = 0; !err && i < n; i++) {
            err = estoc_blobs_add(&doc->anchors, list[i]);
        }
    }
    return err;
}

/* @param settle  take it for what is served; else see whether it is that */
static void take(struct doc *doc, estoc_store *store, estoc_ms now, bool settle)
{
    estoc_documents *d = doc->of;
    estoc_blob body, bytes = {NULL, 0};
    pthread_mutex_lock(&d->lock);
    bool replied = doc->replied;
    estoc_upstream_reply reply = doc->reply;
    body = doc->body;
    doc->body = (estoc_blob){NULL, 0};
    doc->replied = false;
    pthread_mutex_unlock(&d->lock);
    if (!replied) {
        return;
    }
    doc->asking = false;
    bool good = !reply.err && read_document(doc, &reply, estoc_blob_slice(body), &bytes);
    if (reply.err) {
        remember(doc, &reply);
    }
    if (!good) {
        doc->failed++;
        doc->next_at = now + pause_after(doc->failed) * 1000u;
    } else {
        uint32_t fresh_s = fresh_for(d, reply.fresh_s);
        doc->failed = 0;
        doc->next_at = now + fresh_s * 1000u;
        store_it(doc, store, estoc_blob_slice(bytes), fresh_s);
        if (!settle) {
            doc->changed |= !doc->known ||
                            !estoc_slice_eq(estoc_blob_slice(bytes), estoc_blob_slice(doc->bytes));
        } else if (set_bytes(doc, &bytes)) {
            doc->known = false;
        }
    }
    estoc_blob_free(&bytes);
    estoc_blob_free(&body);
}

/* ---------------------------------------------------------------------------------- what callers see */

bool estoc_documents_ready(estoc_documents *d)
{
    bool ready = true;
    pthread_mutex_lock(&d->lock);
    for (size_t i = 0; i < d->n; i++) {
        ready &= d->at[i].known || d->at[i].replied;
    }
    pthread_mutex_unlock(&d->lock);
    return ready;
}

void estoc_documents_settle(estoc_documents *d, estoc_store *store)
{
    for (size_t i = 0; i < d->n; i++) {
        take(&d->at[i], store, estoc_now_ms(), true);
    }
}

bool estoc_documents_tick(estoc_documents *d, estoc_store *store, estoc_ms now)
{
    bool changed = false;
    for (size_t i = 0; i < d->n; i++) {
        struct doc *doc = &d->at[i];
        take(doc, store, now, false);
        if (!doc->asking && now >= doc->next_at) {
            ask(d, doc, now);
        }
        changed |= doc->changed;
    }
    return changed;
}

estoc_ms estoc_documents_deadline(const estoc_documents *d)
{
    estoc_ms at = ESTOC_NEVER;
    for (size_t i = 0; i < d->n; i++) {
        at = d->at[i].next_at < at ? d->at[i].next_at : at;
    }
    return at;
}

const estoc_blobs *estoc_documents_anchors(const estoc_documents *d, size_t errand)
{
    return &d->at[d->crts[errand]].anchors;
}

estoc_slice estoc_documents_attributes(const estoc_documents *d, size_t errand)
{
    return d->att[errand] < d->n ? estoc_blob_slice(d->at[d->att[errand]].bytes)
                                 : estoc_slice_of(NULL, 0);
}

bool estoc_documents_lack(estoc_documents *d, size_t errand, estoc_op op, estoc_verdict *v)
{
    size_t i = op == ESTOC_OP_CRTS ? d->crts[errand] : d->att[errand];
    if (i >= d->n || d->at[i].known) {
        return false;
    }
    pthread_mutex_lock(&d->lock);
    *v = d->at[i].lack;
    pthread_mutex_unlock(&d->lock);
    return true;
}

/* --------------------------------------------------------------------------------- birth and death */

static const estoc_verdict not_yet = {.err = ESTOC_E_LATER,
                                      .code = ESTOC_COAP_UNAVAILABLE,
                                      .text = "the CA has not been reached yet, try again later",
                                      .retry_s = 10};

/* The document that this errand needs; one for all that have the same service and label. */
static size_t add(estoc_documents *d, const estoc_registrar_cfg *cfg, const estoc_errand *e,
                  estoc_op op)
{
    size_t i = 0;
    while (i < d->n && (d->at[i].upstream != e->upstream || d->at[i].op != op ||
                        strcmp(d->at[i].label, e->label) != 0)) {
        i++;
    }
    if (i == d->n) {
        struct doc *doc = &d->at[d->n++];
        doc->of = d;
        doc->upstream = e->upstream;
        doc->op = op;
        doc->lack = not_yet;
        snprintf(doc->label, sizeof doc->label, "%s", e->label);
        snprintf(doc->name, sizeof doc->name, "%s %s/%s", op == ESTOC_OP_CRTS ? "crts" : "att",
                 cfg->upstreams[e->upstream].name, e->label);
    }
    return i;
}

/* What the store has of it, however old: better than nothing (G3). */
static estoc_err load(estoc_documents *d, struct doc *doc, estoc_store *store, estoc_ms now)
{
    estoc_document_kept kept;
    estoc_blob bytes;
    estoc_err err = estoc_document_get(store, doc->name, &kept, &bytes);
    if (err == ESTOC_E_NOT_FOUND) {
        ask(d, doc, now);
        return ESTOC_OK;
    }
    if (!err && set_bytes(doc, &bytes)) { /* not what we have put there */
        doc->known = false;
        ask(d, doc, now);
        return ESTOC_OK;
    }
    estoc_blob_free(&bytes);
    int64_t left = err ? 0 : kept.good_until - estoc_unix_s();
    left = left < 0 ? 0 : left > (int64_t)d->refresh_s ? (int64_t)d->refresh_s : left;
    doc->next_at = now + (estoc_ms)left * 1000u;
    return err;
}

estoc_err estoc_documents_open(const estoc_registrar_cfg *cfg, estoc_upstreams *upstreams,
                               estoc_store *store, void (*signal)(void *ctx), void *ctx,
                               estoc_documents **out)
{
    *out = NULL;
    estoc_documents *d = calloc(1, sizeof *d);
    if (d == NULL) {
        return ESTOC_E_MEMORY;
    }
    pthread_mutex_init(&d->lock, NULL);
    d->upstreams = upstreams;
    d->refresh_s = cfg->refresh_s;
    d->signal = signal;
    d->ctx = ctx;
    d->at = calloc(2 * cfg->errands_n + 1, sizeof *d->at);
    d->crts = calloc(cfg->errands_n + 1, sizeof *d->crts);
    d->att = calloc(cfg->errands_n + 1, sizeof *d->att);
    estoc_err err = d->at != NULL && d->crts != NULL && d->att != NULL ? ESTOC_OK : ESTOC_E_MEMORY;
    for (size_t i = 0; !err && i < cfg->errands_n; i++) {
        const estoc_errand *e = &cfg->errands[i];
        d->crts[i] = add(d, cfg, e, ESTOC_OP_CRTS);
        d->att[i] = e->profile.attributes.len > 0 ? SIZE_MAX : add(d, cfg, e, ESTOC_OP_ATT);
    }
    for (size_t i = 0; !err && i < d->n; i++) {
        err = load(d, &d->at[i], store, estoc_now_ms());
    }
    *out = d;
    return err;
}

void estoc_documents_close(estoc_documents *d)
{
    if (d == NULL) {
        return;
    }
    for (size_t i = 0; i < d->n; i++) {
        estoc_blob_free(&d->at[i].bytes);
        estoc_blob_free(&d->at[i].body);
        estoc_blobs_free(&d->at[i].anchors);
    }
    pthread_mutex_destroy(&d->lock);
    free(d->at);
    free(d->crts);
    free(d->att);
    free(d);
}
