/* SPDX-License-Identifier: MIT
 *
 * libmicrohttpd stays in here.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <microhttpd.h>

#include "crypto.h"
#include "http.h"
#include "tcp.h"
#include "text.h"

enum {
    PATHS_MAX = 4,
    CONNECTIONS_MAX = 128,
    PER_ADDRESS_MAX = 32,
    TIMEOUT_S = 15,
    HEADERS_MAX = 16384,
    FRESH_S = 3600, /* a cache asks again then, for there may be a newer one */
};
#define RETRY_S "60"

/* Held by its place, and by each answer that is on its way. */
struct shelf {
    estoc_blob bytes;
    int64_t until;
    unsigned refs; /* under the lock */
    char path[32], type[48];
    char tag[24], modified[40];
};

struct estoc_http {
    struct MHD_Daemon *daemon;
    char address[80];
    pthread_mutex_t lock;
    struct shelf *at[PATHS_MAX];
    size_t n;
};

/* What an answer holds while it is sent. */
struct loan {
    estoc_http *http;
    struct shelf *shelf;
};

/* --------------------------------------------------------------------------------------- documents */

static void give_back(estoc_http *h, struct shelf *s)
{
    pthread_mutex_lock(&h->lock);
    bool last = --s->refs == 0;
    pthread_mutex_unlock(&h->lock);
    if (last) {
        estoc_blob_free(&s->bytes);
        free(s);
    }
}

static struct shelf *borrow(estoc_http *h, const char *path)
{
    struct shelf *s = NULL;
    pthread_mutex_lock(&h->lock);
    for (size_t i = 0; i < h->n && s == NULL; i++) {
        s = strcmp(h->at[i]->path, path) == 0 ? h->at[i] : NULL;
    }
    if (s != NULL) {
        s->refs++;
    }
    pthread_mutex_unlock(&h->lock);
    return s;
}

static bool set_text(struct shelf *s, const estoc_document *doc)
{
    uint8_t digest[32];
    char hex[17];
    struct tm tm;
    time_t at = (time_t)doc->modified;
    if (estoc_sha256(doc->bytes, digest) || gmtime_r(&at, &tm) == NULL) {
        return false;
    }
    snprintf(s->path, sizeof s->path, "%s", doc->path);
    snprintf(s->type, sizeof s->type, "%s", doc->type);
    snprintf(s->tag, sizeof s->tag, "\"%s\"",
             estoc_hex(estoc_slice_of(digest, sizeof digest), hex, sizeof hex));
    return strftime(s->modified, sizeof s->modified, "%a, %d %b %Y %H:%M:%S GMT", &tm) > 0;
}

/* @return what has no place any more, or NULL */
static struct shelf *place(estoc_http *h, struct shelf *s, estoc_err *err)
{
    size_t i = 0;
    while (i < h->n && strcmp(h->at[i]->path, s->path) != 0) {
        i++;
    }
    if (i == PATHS_MAX) {
        *err = ESTOC_E_LIMIT;
        return s;
    }
    struct shelf *old = i < h->n ? h->at[i] : NULL;
    h->n += i == h->n;
    h->at[i] = s;
    return old;
}

estoc_err estoc_http_put(estoc_http *h, const estoc_document *doc)
{
    struct shelf *s = calloc(1, sizeof *s);
    estoc_err err = ESTOC_OK;
    if (s == NULL || estoc_blob_copy(doc->bytes, &s->bytes) || !set_text(s, doc)) {
        err = ESTOC_E_MEMORY;
        if (s != NULL) {
            estoc_blob_free(&s->bytes);
            free(s);
        }
        return err;
    }
    s->until = doc->until;
    s->refs = 1;
    pthread_mutex_lock(&h->lock);
    struct shelf *out = place(h, s, &err);
    pthread_mutex_unlock(&h->lock);
    if (out != NULL) {
        give_back(h, out);
    }
    return err;
}

/* ----------------------------------------------------------------------------------------- answers */

static enum MHD_Result send_response(struct MHD_Connection *c, unsigned code,
                                     struct MHD_Response *r)
{
    enum MHD_Result done = r != NULL ? MHD_queue_response(c, code, r) : MHD_NO;
    if (r != NULL) {
        MHD_destroy_response(r);
    }
    return done; /* MHD_NO: the connection is closed */
}

static enum MHD_Result say(struct MHD_Connection *c, unsigned code, const char *header,
                           const char *value, const char *text)
{
    struct MHD_Response *r = MHD_create_response_from_buffer(strlen(text), (void *)(uintptr_t)text,
                                                             MHD_RESPMEM_PERSISTENT);
    if (r != NULL) {
        (void)MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, "text/plain");
        if (header != NULL) {
            (void)MHD_add_response_header(r, header, value);
        }
    }
    return send_response(c, code, r);
}

static void loan_over(void *ctx)
{
    struct loan *l = ctx;
    give_back(l->http, l->shelf);
    free(l);
}

/* Takes the loan over. */
static struct MHD_Response *lend(struct loan *l, bool whole)
{
    const struct shelf *s = l->shelf;
    struct MHD_Response *r = MHD_create_response_from_buffer_with_free_callback_cls(
        whole ? s->bytes.len : 0, s->bytes.ptr, loan_over, l);
    char text[64];
    if (r == NULL) {
        loan_over(l);
        return NULL;
    }
    int64_t fresh = s->until - estoc_unix_s();
    fresh = fresh < 0 ? 0 : fresh < FRESH_S ? fresh : FRESH_S;
    snprintf(text, sizeof text, "public, max-age=%lld, must-revalidate", (long long)fresh);
    (void)MHD_add_response_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, text);
    (void)MHD_add_response_header(r, MHD_HTTP_HEADER_ETAG, s->tag);
    (void)MHD_add_response_header(r, MHD_HTTP_HEADER_LAST_MODIFIED, s->modified);
    if (whole) {
        (void)MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, s->type);
    }
    return r;
}

/* RFC 9110 section 13.2.2: a tag counts before a date. Dates are compared as they were given out. */
static bool has_it(struct MHD_Connection *c, const struct shelf *s)
{
    const char *tags =
        MHD_lookup_connection_value(c, MHD_HEADER_KIND, MHD_HTTP_HEADER_IF_NONE_MATCH);
    const char *since =
        MHD_lookup_connection_value(c, MHD_HEADER_KIND, MHD_HTTP_HEADER_IF_MODIFIED_SINCE);
    if (tags != NULL) {
        return strcmp(tags, "*") == 0 || strstr(tags, s->tag) != NULL;
    }
    return since != NULL && strcmp(since, s->modified) == 0;
}

static enum MHD_Result answer_with(estoc_http *h, struct MHD_Connection *c, struct shelf *s)
{
    bool same = has_it(c, s);
    struct loan *l = malloc(sizeof *l);
    if (l == NULL) {
        give_back(h, s);
        return MHD_NO;
    }
    *l = (struct loan){h, s};
    return send_response(c, same ? MHD_HTTP_NOT_MODIFIED : MHD_HTTP_OK, lend(l, !same));
}

static bool has_header(struct MHD_Connection *c, const char *name)
{
    return MHD_lookup_connection_value(c, MHD_HEADER_KIND, name) != NULL;
}

/* Called for the head of a request, and once more when all of it is there: an answer to the head alone
 * closes the connection, and no body is taken. */
static enum MHD_Result answer(void *ctx, struct MHD_Connection *c, const char *path,
                              const char *method, const char *version, const char *body,
                              size_t *body_len, void **request)
{
    static char seen;
    estoc_http *h = ctx;
    (void)version;
    (void)body;
    *body_len = 0; /* whatever came of one is dropped */
    bool get =
        strcmp(method, MHD_HTTP_METHOD_GET) == 0 || strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
    if (get && *request == NULL && !has_header(c, MHD_HTTP_HEADER_CONTENT_LENGTH) &&
        !has_header(c, MHD_HTTP_HEADER_TRANSFER_ENCODING)) {
        *request = &seen;
        return MHD_YES;
    }
    struct shelf *s = borrow(h, path);
    if (s == NULL) {
        return say(c, MHD_HTTP_NOT_FOUND, NULL, NULL, "not found\n");
    }
    if (get && s->until > estoc_unix_s()) {
        return answer_with(h, c, s);
    }
    give_back(h, s);
    return get ? say(c, MHD_HTTP_SERVICE_UNAVAILABLE, MHD_HTTP_HEADER_RETRY_AFTER, RETRY_S,
                     "there is none that is in force\n")
               : say(c, MHD_HTTP_METHOD_NOT_ALLOWED, MHD_HTTP_HEADER_ALLOW, "GET, HEAD",
                     "GET or HEAD\n");
}

/* --------------------------------------------------------------------------------- birth and death */

estoc_err estoc_http_open(const char *address, estoc_http **out, estoc_why *why)
{
    *out = NULL;
    int fd = -1;
    estoc_http *h = calloc(1, sizeof *h);
    if (h == NULL) {
        return ESTOC_E_MEMORY;
    }
    pthread_mutex_init(&h->lock, NULL);
    estoc_err err = estoc_tcp_listen(address, &fd, h->address, sizeof h->address, why);
    if (!err) { /* the socket is the library's, whatever comes of it */
        h->daemon = MHD_start_daemon(MHD_USE_POLL_INTERNAL_THREAD, 0, NULL, NULL, answer, h,
                                     MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
                                     (unsigned)CONNECTIONS_MAX, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
                                     (unsigned)PER_ADDRESS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
                                     (unsigned)TIMEOUT_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                                     (size_t)HEADERS_MAX, MHD_OPTION_END);
        err = h->daemon != NULL ? ESTOC_OK : ESTOC_E_SYSTEM;
        if (err) {
            estoc_why_set(why, "cannot serve on %s: %s", address, strerror(errno));
        }
    }
    if (err) {
        estoc_http_close(h);
        return err;
    }
    *out = h;
    return ESTOC_OK;
}

void estoc_http_close(estoc_http *h)
{
    if (h == NULL) {
        return;
    }
    if (h->daemon != NULL) {
        MHD_stop_daemon(h->daemon); /* its socket, too */
    }
    for (size_t i = 0; i < h->n; i++) {
        give_back(h, h->at[i]);
    }
    pthread_mutex_destroy(&h->lock);
    free(h);
}

const char *estoc_http_address(const estoc_http *h)
{
    return h->address;
}
