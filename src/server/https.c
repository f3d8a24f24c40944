/* SPDX-License-Identifier: MIT
 *
 * libmicrohttpd stays in here, and in http.c. A connection belongs to one thread of it. While the
 * authority decides, the connection is suspended; the authority's thread puts the answer into the
 * request and resumes it.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <gnutls/gnutls.h>

#include <gnutls/abstract.h>
#include <microhttpd.h>

#include <estoc/mime.h>

#include "est_http.h"
#include "https.h"
#include "https_tls.h"
#include "permit.h"
#include "tcp.h"
#include "text.h"

enum {
    CONNECTIONS_MAX = 1024, /* of all addresses together */
    PER_ADDRESS_MAX = 256,  /* of one client's address, at one of ours */
    TIMEOUT_S = 30,         /* without a byte */
    HEADERS_MAX = 32768,    /* of a request, and of its answer */
    SWALLOW_MAX = 262144,   /* bytes of a body that is of no use, before the connection is closed */
    THREADS_MAX = 8
};

struct listener {
    struct MHD_Daemon *daemon;
    char address[80];
};

struct estoc_https {
    struct listener at[ESTOC_LISTEN_MAX];
    size_t n;
    estoc_table keys; /* its seed only */
    pthread_mutex_t lock;
    pthread_cond_t less; /* of the next two */
    size_t active;       /* requests that are not answered yet */
    size_t asked;        /* of them with the authority */
    bool stopping, closing;
    estoc_limits limits;
    estoc_tls_identity *identity; /* for new connections */
    estoc_generation *newest;     /* for new requests */
};

/* A connection. */
struct link {
    estoc_https *https;
    void *session; /* of TLS */
    estoc_path path;
    estoc_tls_identity *identity;
    bool looked;             /* `chain` is what the client has shown */
    estoc_blobs chain;       /* empty: nothing */
    estoc_generation *judge; /* whose judgement this is: */
    estoc_dtls_peer peer;
    int64_t not_after;
    uint64_t key; /* of the client, for the limits */
};

struct request {
    struct MHD_Connection *connection;
    struct link *link;
    estoc_generation *generation; /* that serves it */
    estoc_route route;
    estoc_ms began_at;
    estoc_buf text;   /* of the body */
    size_t len, seen; /* taken of it; come of it */
    bool known;       /* who asks has shown a certificate that is recognised */
    bool answered;    /* `answer` is there */
    estoc_est_answer answer;
};

/* ------------------------------------------------------------------------------------- connections */

static void end_link(struct link *l)
{
    estoc_dtls_peer_free(&l->peer);
    estoc_generation_release(l->judge);
    estoc_tls_identity_release(l->identity);
    estoc_blobs_free(&l->chain);
    free(l);
}

static struct link *begin_link(estoc_https *h, struct MHD_Connection *c)
{
    const union MHD_ConnectionInfo *tls =
        MHD_get_connection_info(c, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    const union MHD_ConnectionInfo *from =
        MHD_get_connection_info(c, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    struct link *l = calloc(1, sizeof *l);
    if (l == NULL || tls == NULL || from == NULL) {
        free(l);
        return NULL;
    }
    l->https = h;
    l->session = tls->tls_session;
    estoc_tcp_path(from->client_addr, &l->path);
    pthread_mutex_lock(&h->lock);
    l->identity = estoc_tls_identity_hold(h->identity);
    pthread_mutex_unlock(&h->lock);
    if (!estoc_tls_prepare(l->session, l->identity)) {
        end_link(l);
        return NULL;
    }
    return l;
}

/* Without a link there is no certificate of ours either, and the handshake comes to nothing. */
static void on_connection(void *ctx, struct MHD_Connection *c, void **link,
                          enum MHD_ConnectionNotificationCode what)
{
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        *link = begin_link(ctx, c);
    } else if (*link != NULL) {
        end_link(*link);
        *link = NULL;
    }
}

static uint64_t address_key(const estoc_https *h, const estoc_path *path)
{
    return estoc_table_hash(&h->keys, estoc_path_prefix(path, false), 0);
}

/* A handshake costs more than a request, and counts as one. @param key  0: only the address */
static uint32_t wait_ms(estoc_https *h, const estoc_config *conf, const estoc_path *path,
                        uint64_t key)
{
    estoc_us now = estoc_now_us();
    uint32_t wait = 0;
    pthread_mutex_lock(&h->lock);
    if (key != 0) {
        wait = estoc_limits_take(&h->limits, key, conf->identity, now);
    }
    wait =
        wait > 0 ? wait : estoc_limits_take(&h->limits, address_key(h, path), conf->address, now);
    pthread_mutex_unlock(&h->lock);
    return wait;
}

static estoc_generation *newest(estoc_https *h)
{
    pthread_mutex_lock(&h->lock);
    estoc_generation *g = estoc_generation_hold(h->newest);
    pthread_mutex_unlock(&h->lock);
    return g;
}

static enum MHD_Result on_accept(void *ctx, const struct sockaddr *from, socklen_t len)
{
    estoc_https *h = ctx;
    estoc_path path;
    (void)len;
    estoc_tcp_path(from, &path);
    estoc_generation *g = newest(h);
    bool may = wait_ms(h, &g->conf, &path, 0) == 0;
    estoc_generation_release(g);
    return may ? MHD_YES : MHD_NO;
}

/* ------------------------------------------------------------------------------------- who it is */

static void log_judgement(const struct link *l)
{
    estoc_cert cert;
    char subject[256] = "", peer[ESTOC_PATH_TEXT_MAX];
    bool known = l->peer.recognised;
    if (!estoc_cert_parse(&cert, estoc_blob_slice(l->chain.at[0]))) {
        estoc_name_text(cert.subject, (estoc_buf){(uint8_t *)subject, sizeof subject});
    }
    estoc_log(known ? ESTOC_LOG_DEBUG : ESTOC_LOG_WARN, "https", "peer",
              estoc_path_text(&l->path, peer, sizeof peer), "result",
              known ? "open" : "unrecognised", "subject", subject, "tls",
              estoc_tls_version(l->session), "expired", l->peer.expired ? "yes" : NULL, "why",
              known ? NULL : l->peer.why.text, NULL);
}

static void take_client(struct link *l)
{
    estoc_cert cert;
    uint8_t digest[32];
    uint64_t id[2];
    estoc_slice der = estoc_blob_slice(l->chain.at[0]);
    if (estoc_cert_parse(&cert, der) || estoc_sha256(der, digest)) {
        l->peer.recognised = false;
        return;
    }
    memcpy(id, digest, sizeof id);
    l->not_after = cert.not_after;
    l->key = estoc_table_hash(&l->https->keys, id[0], id[1]) | 1;
}

/* Once for a connection and a generation: by each new one it is judged anew. */
static estoc_err judge(struct link *l, estoc_generation *g)
{
    if (!l->looked) {
        estoc_err err = estoc_tls_chain(l->session, &l->chain);
        if (err) {
            estoc_blobs_free(&l->chain);
            return err;
        }
        l->looked = true;
    }
    if (l->chain.n == 0 || l->judge == g) {
        return ESTOC_OK;
    }
    estoc_dtls_peer_free(&l->peer);
    estoc_generation_release(l->judge);
    l->judge = NULL;
    estoc_err err = estoc_dtls_server_judge(g->dtls, &l->chain, &l->peer);
    if (err == ESTOC_E_MEMORY) {
        return err;
    }
    if (err) {
        estoc_why_set(&l->peer.why, "a chain of %zu certificates: %s", l->chain.n,
                      estoc_err_text(err));
    }
    if (l->peer.recognised) {
        take_client(l);
    }
    l->judge = estoc_generation_hold(g);
    log_judgement(l);
    return ESTOC_OK;
}

/* Why who asks may not, or NULL. @param[out] status  of the answer then */
static const char *objection(const struct request *r, unsigned *status)
{
    const struct link *l = r->link;
    const estoc_client client = {.cert = l->chain.n > 0 ? estoc_blob_slice(l->chain.at[0])
                                                        : estoc_slice_of(NULL, 0),
                                 .trail = estoc_blob_slice(l->peer.trail),
                                 .not_after = l->not_after};
    *status = MHD_HTTP_UNAUTHORIZED;
    if (l->chain.n == 0) {
        return "show a certificate to enroll";
    }
    if (!l->peer.recognised && !l->peer.revoked && !l->peer.denied) {
        return "certificate not recognised";
    }
    *status = MHD_HTTP_FORBIDDEN;
    if (l->peer.denied) {
        return "your certificate is denied";
    }
    if (l->peer.revoked || estoc_permit_revoked(r->generation, &client)) {
        return "your certificate is revoked";
    }
    return estoc_permit_refusal(r->generation, &client, r->route.op, r->route.served);
}

/* ----------------------------------------------------------------------------------------- answers */

static void log_answer(const struct request *r)
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
static bool is_last(const struct link *l)
{
    estoc_https *h = l->https;
    pthread_mutex_lock(&h->lock);
    bool last = h->stopping || l->identity != h->identity;
    pthread_mutex_unlock(&h->lock);
    return last;
}

static enum MHD_Result reply(struct request *r)
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
    struct request *r = ctx;
    estoc_https *h = r->link->https;
    estoc_est_verdict(v, &r->route, &r->answer);
    r->answered = true;
    MHD_resume_connection(r->connection);
    pthread_mutex_lock(&h->lock);
    h->asked--;
    pthread_cond_broadcast(&h->less);
    pthread_mutex_unlock(&h->lock);
}

static void enroll(struct request *r, estoc_slice csr)
{
    struct link *l = r->link;
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
static bool decode(struct request *r, size_t *len)
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
static bool serve(struct request *r)
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

static bool refuse(struct request *r, unsigned status, const char *text)
{
    estoc_est_refuse(&r->answer, status, text);
    return false;
}

/* A registrar's own session says nothing about its device's: it is asked for no proof. */
static bool has_unique(const struct request *r)
{
    estoc_cert cert;
    uint8_t unique[ESTOC_UNIQUE_MAX];
    size_t len;
    estoc_tls_unique(r->link->session, (estoc_buf){unique, sizeof unique}, &len);
    return len > 0 || !estoc_est_wants_unique(r->generation, &r->route) ||
           (!estoc_cert_parse(&cert, estoc_blob_slice(r->link->chain.at[0])) && cert.cmc_ra);
}

static bool permit_enrollment(struct request *r)
{
    unsigned status;
    const char *type =
        MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_TYPE);
    estoc_err err = judge(r->link, r->generation);
    if (err) {
        estoc_est_refuse_for(&r->answer, err);
        return false;
    }
    r->known = r->link->peer.recognised;
    const char *why = objection(r, &status);
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
static bool permit(struct request *r, const char *method, const char *path)
{
    estoc_https *h = r->link->https;
    if (!estoc_est_route(r->generation, method, path, &r->route, &r->answer)) {
        return false;
    }
    bool post = r->route.op != ESTOC_OP_CRTS && r->route.op != ESTOC_OP_ATT;
    if (post && !permit_enrollment(r)) {
        return false;
    }
    uint32_t wait = wait_ms(h, &r->generation->conf, &r->link->path, r->known ? r->link->key : 0);
    if (wait > 0) {
        estoc_est_refuse_later(&r->answer, MHD_HTTP_TOO_MANY_REQUESTS,
                               "too many requests, come later", wait / 1000 + 1);
    }
    return wait == 0;
}

/* What is over the limit, or of no use, is only counted. @return false: it is too much even for that */
static bool take_body(struct request *r, const char *bytes, size_t len)
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

static struct request *begin_request(estoc_https *h, struct MHD_Connection *c)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct request *r = info != NULL && info->socket_context != NULL ? calloc(1, sizeof *r) : NULL;
    if (r == NULL) {
        return NULL;
    }
    r->connection = c;
    r->link = info->socket_context;
    r->began_at = estoc_now_ms();
    r->generation = newest(h);
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
static enum MHD_Result on_request(void *ctx, struct MHD_Connection *c, const char *path,
                                  const char *method, const char *version, const char *body,
                                  size_t *body_len, void **request)
{
    struct request *r = *request;
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

static void on_completed(void *ctx, struct MHD_Connection *c, void **request,
                         enum MHD_RequestTerminationCode how)
{
    estoc_https *h = ctx;
    struct request *r = *request;
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

/* --------------------------------------------------------------------------------- birth and death */

/* Each session gets the identity of its moment in begin_link; libmicrohttpd wants to be told one.
 * NOLINTBEGIN(readability-non-const-parameter) */
static int no_identity(gnutls_session_t session, const gnutls_datum_t *names, int names_n,
                       const gnutls_pk_algorithm_t *algos, int algos_n, gnutls_pcert_st **chain,
                       unsigned *chain_n, gnutls_privkey_t *key)
{
    (void)session, (void)names, (void)names_n, (void)algos, (void)algos_n;
    (void)chain, (void)chain_n, (void)key;
    return -1;
}
/* NOLINTEND(readability-non-const-parameter) */

static estoc_err start(estoc_https *h, struct listener *l, const char *address, unsigned threads,
                       unsigned connections, estoc_why *why)
{
    int fd;
    estoc_err err = estoc_tcp_listen(address, &fd, l->address, sizeof l->address, why);
    if (err) {
        return err;
    }
    /* the socket is the library's, whatever comes of it */
    l->daemon = MHD_start_daemon(
        MHD_USE_POLL_INTERNAL_THREAD | MHD_USE_TLS | MHD_ALLOW_SUSPEND_RESUME, 0, on_accept, h,
        on_request, h, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_HTTPS_PRIORITIES,
        ESTOC_TLS_PRIORITIES, MHD_OPTION_HTTPS_CERT_CALLBACK, no_identity,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, h, MHD_OPTION_NOTIFY_COMPLETED, on_completed,
        h, MHD_OPTION_CONNECTION_LIMIT, connections, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
        (unsigned)PER_ADDRESS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)TIMEOUT_S,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HEADERS_MAX, MHD_OPTION_THREAD_POOL_SIZE,
        threads > 1 ? threads : 0u, MHD_OPTION_END);
    if (l->daemon == NULL) {
        estoc_why_set(why, "cannot serve on %s: %s", address, strerror(errno));
        return ESTOC_E_SYSTEM;
    }
    return ESTOC_OK;
}

static estoc_err begin(estoc_https *h, estoc_generation *g, unsigned threads, estoc_why *why)
{
    estoc_random random = estoc_random_system();
    pthread_condattr_t monotonic;
    pthread_mutex_init(&h->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&h->less, &monotonic);
    pthread_condattr_destroy(&monotonic);
    h->newest = estoc_generation_hold(g);
    if (!random.fill(random.ctx, (uint8_t *)&h->keys.seed, sizeof h->keys.seed)) {
        return ESTOC_E_RANDOM;
    }
    estoc_err err = estoc_limits_init(&h->limits);
    err = err ? err : estoc_tls_identity_new(g, &h->identity, why);
    threads = threads < THREADS_MAX ? threads : THREADS_MAX;
    for (size_t i = 0; !err && i < g->conf.https_n; i++) {
        err = start(h, &h->at[i], g->conf.https[i], threads,
                    (unsigned)(CONNECTIONS_MAX / g->conf.https_n), why);
        h->n += !err;
    }
    return err;
}

estoc_err estoc_https_open(estoc_generation *g, unsigned threads, estoc_https **out, estoc_why *why)
{
    *out = NULL;
    if (g->conf.https_n == 0) {
        return ESTOC_OK;
    }
    estoc_https *h = calloc(1, sizeof *h);
    if (h == NULL) {
        return ESTOC_E_MEMORY;
    }
    estoc_err err = begin(h, g, threads, why);
    if (err) {
        estoc_https_close(h);
        return err;
    }
    *out = h;
    return ESTOC_OK;
}

const char *estoc_https_address(const estoc_https *h, size_t i)
{
    return h != NULL && i < h->n ? h->at[i].address : NULL;
}

void estoc_https_follow(estoc_https *h, estoc_generation *g)
{
    estoc_tls_identity *fresh;
    estoc_why why = {""};
    if (h == NULL) {
        return;
    }
    estoc_err err = estoc_tls_identity_new(g, &fresh, &why);
    if (err) {
        estoc_log(ESTOC_LOG_ERROR, "https", "event", "reload", "result", "certificate not changed",
                  "why", why.text[0] != '\0' ? why.text : estoc_err_text(err), NULL);
    }
    pthread_mutex_lock(&h->lock);
    estoc_generation *old = h->newest;
    estoc_tls_identity *stale = err ? NULL : h->identity;
    h->newest = estoc_generation_hold(g);
    h->identity = err ? h->identity : fresh;
    pthread_mutex_unlock(&h->lock);
    estoc_tls_identity_release(stale);
    estoc_generation_release(old);
}

void estoc_https_quiesce(estoc_https *h)
{
    if (h == NULL) {
        return;
    }
    pthread_mutex_lock(&h->lock);
    h->stopping = true;
    pthread_mutex_unlock(&h->lock);
    for (size_t i = 0; i < h->n; i++) {
        int fd = MHD_quiesce_daemon(h->at[i].daemon);
        if (fd >= 0) {
            close(fd); /* it is ours now */
        }
    }
}

void estoc_https_drain(estoc_https *h, estoc_ms until)
{
    if (h == NULL) {
        return;
    }
    const struct timespec at = {.tv_sec = (time_t)(until / 1000),
                                .tv_nsec = (long)(until % 1000) * 1000000};
    pthread_mutex_lock(&h->lock);
    while (h->active > 0 && pthread_cond_timedwait(&h->less, &h->lock, &at) == 0) {
    }
    pthread_mutex_unlock(&h->lock);
}

#define LAST_ANSWERS_MS 500u /* that the authority gave at the very end are still sent */

void estoc_https_close(estoc_https *h)
{
    if (h == NULL) {
        return;
    }
    pthread_mutex_lock(&h->lock);
    h->closing = true; /* no further requests */
    bool waited = h->asked > 0;
    while (h->asked > 0) {
        pthread_cond_wait(&h->less, &h->lock);
    }
    pthread_mutex_unlock(&h->lock);
    if (waited) {
        estoc_https_drain(h, estoc_now_ms() + LAST_ANSWERS_MS);
    }
    for (size_t i = 0; i < h->n; i++) {
        MHD_stop_daemon(h->at[i].daemon);
    }
    estoc_tls_identity_release(h->identity);
    estoc_generation_release(h->newest);
    estoc_limits_free(&h->limits);
    pthread_cond_destroy(&h->less);
    pthread_mutex_destroy(&h->lock);
    free(h);
}
