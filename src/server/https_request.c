/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include <estoc/mime.h>

#include "https_parts.h"

enum {
    SWALLOW_MAX = 262144
}; /* bytes of a body that is of no use, before the connection is closed */

/* ----------------------------------------------------------------------------------------- answers */

static void log_answer(const struct estoc_https_request *r)
{
    const estoc_est_answer *a = &r->answer;
    char peer[ESTOC_PATH_TEXT_MAX], code[8], bytes[24], ms[24];
    const char *profile = r->route.served != NULL ? r->route.served->profile : "";
    bool refused = a->status >= MHD_HTTP_BAD_REQUEST;
    snprintf(code, sizeof code, "%u", a->status);
    snprintf(bytes, sizeof bytes, "%zu", a->len);
    snprintf(ms, sizeof ms, "%llu", (unsigned long long)(estoc_now_ms() - r->began_at));
    /* strangers do not fill the log */
    estoc_log(refused && r->known ? ESTOC_LOG_INFO : ESTOC_LOG_DEBUG, "https", "peer",
              estoc_path_text(&r->link->path, peer, sizeof peer), "op", estoc_est_name(r->route.op),
              "profile", profile[0] != '\0' ? profile : NULL, "result", refused ? "refused" : NULL,
              "code", code, "bytes", bytes, "ms", ms, "why", a->why[0] != '\0' ? a->why : NULL,
              NULL);
}

static void add(struct MHD_Response *r, const char *name, const char *value)
{
    (void)MHD_add_response_header(r, name, value); /* fails without memory: then it is not there */
}

static void add_headers(struct MHD_Response *r, const estoc_est_answer *a, bool last)
{
    char text[48];
    if (a->type != NULL) {
        add(r, MHD_HTTP_HEADER_CONTENT_TYPE, a->type);
    }
    if (a->allow != NULL) {
        add(r, MHD_HTTP_HEADER_ALLOW, a->allow);
    }
    if (a->wants_cert) { /* there has to be one. RFC 9110 section 15.5.2 */
        add(r, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "ClientCertificate");
    }
    if (a->retry_s > 0) {
        snprintf(text, sizeof text, "%u", a->retry_s);
        add(r, MHD_HTTP_HEADER_RETRY_AFTER, text);
    }
    snprintf(text, sizeof text, "max-age=%u", a->max_age_s);
    add(r, MHD_HTTP_HEADER_CACHE_CONTROL, a->may_be_kept ? text : "no-store");
    if (last) {
        add(r, MHD_HTTP_HEADER_CONNECTION, "close");
    }
}

/* Whether the connection has seen another certificate than new ones see, or the server ends. */
static bool is_last(const struct estoc_https_link *l)
{
    estoc_https *h = l->https;
    pthread_mutex_lock(&h->lock);
    bool last = h->stopping || l->identity != h->identity;
    pthread_mutex_unlock(&h->lock);
    return last;
}

static enum MHD_Result reply(struct estoc_https_request *r)
{
    estoc_est_answer *a = &r->answer;
    struct MHD_Response *response = MHD_create_response_from_buffer_with_free_callback_cls(
        a->len, a->body != NULL ? a->body->bytes : NULL, estoc_body_free, a->body);
    if (response == NULL) {
        return MHD_NO; /* the connection is closed */
    }
    a->body = NULL; /* it is the response's */
    add_headers(response, a, is_last(r->link));
    log_answer(r);
    enum MHD_Result done = MHD_queue_response(r->connection, a->status, response);
    MHD_destroy_response(response);
    return done;
}

/* ---------------------------------------------------------------------------------------- requests */

/* On the authority's thread. The request may be gone as soon as its connection is resumed. */
static void decided(void *ctx, const estoc_verdict *v)
{
    struct estoc_https_request *r = ctx;
    estoc_https *h = r->link->https;
    estoc_est_verdict(v, &r->route, &r->answer);
    r->answered = true;
    MHD_resume_connection(r->connection);
    pthread_mutex_lock(&h->lock);
    h->asked--;
    pthread_cond_broadcast(&h->less);
    pthread_mutex_unlock(&h->lock);
}

static void enroll(struct estoc_https_request *r, estoc_slice csr)
{
    struct estoc_https_link *l = r->link;
    estoc_authority *a = r->generation->authority;
    char peer[ESTOC_PATH_TEXT_MAX];
    uint8_t unique[ESTOC_UNIQUE_MAX];
    size_t unique_len;
    estoc_tls_unique(l->session, (estoc_buf){unique, sizeof unique}, &unique_len);
    const estoc_enrollment e = {.op = r->route.op,
                                .profile = r->route.served->profile,
                                .client_cert = estoc_blob_slice(l->chain.at[0]),
                                .csr = csr,
                                .unique = {unique, unique_len},
                                .peer = estoc_path_text(&l->path, peer, sizeof peer),
                                .done = decided,
                                .ctx = r};
    pthread_mutex_lock(&l->https->lock);
    estoc_err err = l->https->closing ? ESTOC_E_BUSY : ESTOC_OK;
    l->https->asked++;
    pthread_mutex_unlock(&l->https->lock);
    MHD_suspend_connection(r->connection);
    err = err ? err : a->ops->enroll(a, &e);
    if (err) {
        const estoc_verdict refusal = {.err = err};
        decided(r, &refusal);
    }
}

/* The body as DER, in its own place. */
static bool decode(struct estoc_https_request *r, size_t *len)
{
    estoc_err err = ESTOC_E_LIMIT;
    if (r->seen == r->len) {
        err = estoc_base64_read(estoc_slice_of(r->text.ptr, r->len), r->text, len);
    }
    if (err == ESTOC_E_LIMIT || (!err && *len > r->generation->conf.body_max)) {
        estoc_est_refuse(&r->answer, MHD_HTTP_CONTENT_TOO_LARGE, "the request is too large");
        return false;
    }
    if (err) {
        estoc_est_refuse(&r->answer, MHD_HTTP_BAD_REQUEST, "the body is not base64");
    }
    return !err;
}

/* All of it has come. @return whether there is an answer now; otherwise it comes later */
static bool serve(struct estoc_https_request *r)
{
    size_t len = 0;
    if (r->route.op == ESTOC_OP_CRTS || r->route.op == ESTOC_OP_ATT) {
        estoc_est_get(r->generation, &r->route, &r->answer);
    } else if (decode(r, &len)) {
        enroll(r, estoc_slice_of(r->text.ptr, len));
        return false;
    }
    return true;
}

static bool refuse(struct estoc_https_request *r, unsigned status, const char *text)
{
    estoc_est_refuse(&r->answer, status, text);
    return false;
}

/* A registrar's own session says nothing about its device's: it is asked for no proof. */
static bool has_unique(const struct estoc_https_request *r)
{
    estoc_cert cert;
    uint8_t unique[ESTOC_UNIQUE_MAX];
    size_t len;
    estoc_tls_unique(r->link->session, (estoc_buf){unique, sizeof unique}, &len);
    return len > 0 || !estoc_est_wants_unique(r->generation, &r->route) ||
           (!estoc_cert_parse(&cert, estoc_blob_slice(r->link->chain.at[0])) && cert.cmc_ra);
}

static bool permit_enrollment(struct estoc_https_request *r)
{
    unsigned status;
    const char *type =
        MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_TYPE);
    estoc_err err = estoc_https_judge(r->link, r->generation);
    if (err) {
        estoc_est_refuse_for(&r->answer, err);
        return false;
    }
    r->known = r->link->peer.recognised;
    const char *why = estoc_https_objection(r, &status);
    if (why != NULL) {
        return refuse(r, status, why);
    }
    if (!estoc_est_is_csr(type)) {
        return refuse(r, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE, "send application/pkcs10");
    }
    return has_unique(r) ||
           refuse(r, MHD_HTTP_BAD_REQUEST, "use TLS 1.2: TLS 1.3 has no tls-unique to link to");
}

/* What can be said to the head alone. @return false: the answer is there */
static bool permit(struct estoc_https_request *r, const char *method, const char *path)
{
    estoc_https *h = r->link->https;
    if (!estoc_est_route(r->generation, method, path, &r->route, &r->answer)) {
        return false;
    }
    bool post = r->route.op != ESTOC_OP_CRTS && r->route.op != ESTOC_OP_ATT;
    if (post && !permit_enrollment(r)) {
        return false;
    }
    uint32_t wait =
        estoc_https_wait_ms(h, &r->generation->conf, &r->link->path, r->known ? r->link->key : 0);
    if (wait > 0) {
        estoc_est_refuse_later(&r->answer, MHD_HTTP_TOO_MANY_REQUESTS,
                               "too many requests, come later", wait / 1000 + 1);
    }
    return wait == 0;
}

/* What is over the limit, or of no use, is only counted. @return false: it is too much even for that */
static bool take_body(struct estoc_https_request *r, const char *bytes, size_t len)
{
    size_t max = estoc_est_text_max(r->generation);
    r->seen += len;
    if (r->answered || r->seen > max) {
        return r->seen <= SWALLOW_MAX;
    }
    if (r->seen > r->text.cap) {
        size_t cap = r->seen < 2048 ? 2048 : r->seen * 2;
        uint8_t *more = realloc(r->text.ptr, cap);
        if (more == NULL) {
            return false;
        }
        r->text = (estoc_buf){more, cap};
    }
    memcpy(r->text.ptr + r->len, bytes, len);
    r->len += len;
    return true;
}

static struct estoc_https_request *begin_request(estoc_https *h, struct MHD_Connection *c)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct estoc_https_request *r =
        info != NULL && info->socket_context != NULL ? calloc(1, sizeof *r) : NULL;
    if (r == NULL) {
        return NULL;
    }
    r->connection = c;
    r->link = info->socket_context;
    r->link->used = true;
    r->began_at = estoc_now_ms();
    r->generation = estoc_https_newest(h);
    pthread_mutex_lock(&h->lock);
    h->active++;
    pthread_mutex_unlock(&h->lock);
    return r;
}

static bool is_too_long(struct MHD_Connection *c)
{
    const char *text =
        MHD_lookup_connection_value(c, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);
    return text != NULL && strtoull(text, NULL, 10) > SWALLOW_MAX;
}

/* Called for the head of a request, for each part of its body, and when all of it is there; and again
 * when the connection was suspended. An answer to the head alone would close the connection, with
 * what the client still sends; so it waits for the end, unless that is far away. */
enum MHD_Result estoc_https_on_request(void *ctx, struct MHD_Connection *c, const char *path,
                                       const char *method, const char *version, const char *body,
                                       size_t *body_len, void **request)
{
    struct estoc_https_request *r = *request;
    (void)version;
    if (r == NULL) {
        r = *request = begin_request(ctx, c);
        if (r == NULL) {
            return MHD_NO;
        }
        r->answered = !permit(r, method, path);
        if (!is_too_long(c)) {
            return MHD_YES;
        }
        if (!r->answered) {
            estoc_est_refuse(&r->answer, MHD_HTTP_CONTENT_TOO_LARGE, "the request is too large");
        }
        return reply(r);
    }
    if (*body_len > 0) {
        bool goes_on = take_body(r, body, *body_len);
        *body_len = 0;
        return goes_on ? MHD_YES : MHD_NO;
    }
    if (!r->answered) {
        bool now = serve(r);
        if (!now) {
            return MHD_YES; /* r may be answered, by another thread, and gone */
        }
        r->answered = true;
    }
    return reply(r);
}

void estoc_https_on_completed(void *ctx, struct MHD_Connection *c, void **request,
                              enum MHD_RequestTerminationCode how)
{
    estoc_https *h = ctx;
    struct estoc_https_request *r = *request;
    (void)c;
    (void)how;
    if (r == NULL) {
        return;
    }
    if (r->text.ptr != NULL) {
        estoc_wipe(r->text.ptr, r->text.cap);
        free(r->text.ptr);
    }
    estoc_est_answer_free(&r->answer);
    estoc_generation_release(r->generation);
    free(r);
    *request = NULL;
    pthread_mutex_lock(&h->lock);
    h->active--;
    pthread_cond_broadcast(&h->less);
    pthread_mutex_unlock(&h->lock);
}
