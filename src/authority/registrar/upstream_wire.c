/* SPDX-License-Identifier: MIT
 *
 * libcurl stays in here: how a call becomes a transfer, and a transfer an answer.
 */
#include <malloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <curl/curl.h>

#include "upstream_parts.h"

enum {
    HEADERS_MAX = 65536, /* bytes of all of an answer */
    TEXT_KEPT = 256,     /* of the body of what is no success */
    BODY_FIRST = 4096,
    DEAD_MS = 20000, /* what was sent and nobody acknowledges: the connection is gone */
    IDLE_S =
        60, /* before a connection is asked whether it is alive; and after which it is not used */
    URL_MAX = 1024,
    MARK_MAX = 48,
};
#define OPS (ESTOC_UPSTREAM_KEYGEN + 1)

struct wire {
    struct wire *next;
    struct estoc_wires *all;
    CURL *easy;
    estoc_upstream_job
        *job;    /* until it is finished: it may be gone before the wire is given back */
    bool secret; /* the answer has a private key */
    estoc_upstream_answer answer;
    size_t given;       /* of the request's body */
    size_t headers_len; /* of the answer */
    size_t body_cap, body_seen;
    bool headers_over; /* the body has begun: trailers are not looked at */
    bool large;
    char error[CURL_ERROR_SIZE];
};

struct estoc_wires {
    CURLM *multi;
    struct curl_slist *headers[OPS];
    struct wire *busy, *idle;
    atomic_uint connections;
};

/* ------------------------------------------------------------------------------------------- memory */

/* Answers may hold private keys: nothing of libcurl's is given back unwiped. */
static void wipe_free(void *ptr)
{
    if (ptr != NULL) {
        explicit_bzero(ptr, malloc_usable_size(ptr));
        free(ptr);
    }
}

static void *wipe_realloc(void *ptr, size_t size)
{
    void *more = malloc(size > 0 ? size : 1);
    if (more != NULL && ptr != NULL) {
        size_t had = malloc_usable_size(ptr);
        memcpy(more, ptr, had < size ? had : size);
        wipe_free(ptr);
    }
    return more;
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool ready;

static void begin(void)
{
    ready = curl_global_init_mem(CURL_GLOBAL_DEFAULT, malloc, wipe_free, wipe_realloc, strdup,
                                 calloc) == CURLE_OK;
}

static void wipe_answer(struct wire *x)
{
    if (x->answer.body != NULL) {
        estoc_wipe(x->answer.body, x->body_cap);
        free(x->answer.body);
    }
    x->answer = (estoc_upstream_answer){.end = ESTOC_END_ANSWERED};
}

/* ------------------------------------------------------------------------------ what libcurl calls */

static size_t give_body(char *to, size_t size, size_t n, void *ctx)
{
    struct wire *x = ctx;
    estoc_slice rest = estoc_slice_sub(x->job->body, x->given, size * n);
    if (rest.len > 0) {
        memcpy(to, rest.ptr, rest.len);
    }
    x->given += rest.len;
    return rest.len;
}

/* @return false: no memory */
static bool make_room(struct wire *x, size_t need)
{
    if (need <= x->body_cap) {
        return true;
    }
    size_t cap = x->body_cap > 0 ? x->body_cap * 2 : BODY_FIRST;
    cap = cap < need ? need : cap;
    uint8_t *more = malloc(cap);
    if (more == NULL) {
        return false;
    }
    if (x->answer.body != NULL) {
        memcpy(more, x->answer.body, x->answer.body_len);
        estoc_wipe(x->answer.body, x->body_cap);
        free(x->answer.body);
    }
    x->answer.body = more;
    x->body_cap = cap;
    return true;
}

static size_t take_body(char *from, size_t size, size_t n, void *ctx)
{
    struct wire *x = ctx;
    size_t len = size * n;
    size_t keep = len;
    x->body_seen += len;
    x->large = x->body_seen > ESTOC_UPSTREAM_BODY_MAX;
    if (x->answer.status != 200) {
        size_t room = TEXT_KEPT - x->answer.body_len;
        keep = len < room ? len : room;
    }
    if (x->large || !make_room(x, x->answer.body_len + keep)) {
        return CURL_WRITEFUNC_ERROR;
    }
    if (keep > 0) {
        memcpy(x->answer.body + x->answer.body_len, from, keep);
        x->answer.body_len += keep;
    }
    return len;
}

/* The first of its name. What is too long is cut, and then means something else or nothing. */
static void take_field(estoc_slice line, const char *name, char to[FIELD_MAX])
{
    size_t n = strlen(name);
    if (to[0] != '\0' || line.len <= n || line.ptr[n] != ':' ||
        strncasecmp((const char *)line.ptr, name, n) != 0) {
        return;
    }
    estoc_slice value = estoc_slice_sub(line, n + 1, line.len);
    while (value.len > 0 && (value.ptr[0] == ' ' || value.ptr[0] == '\t')) {
        value = estoc_slice_sub(value, 1, value.len);
    }
    while (value.len > 0 && value.ptr[value.len - 1] <= ' ') {
        value.len--;
    }
    snprintf(to, FIELD_MAX, "%.*s", (int)value.len, value.len > 0 ? (const char *)value.ptr : "");
}

/* A 1xx may come before. */
static void take_status(struct wire *x, estoc_slice line)
{
    estoc_upstream_answer *a = &x->answer;
    const uint8_t *blank = memchr(line.ptr, ' ', line.len);
    estoc_slice digits = blank != NULL ? estoc_slice_sub(line, (size_t)(blank - line.ptr) + 1, 3)
                                       : (estoc_slice){NULL, 0};
    a->status = 0;
    a->type[0] = a->retry_after[0] = a->date[0] = a->cache_control[0] = '\0';
    for (size_t i = 0; i < digits.len && digits.ptr[i] >= '0' && digits.ptr[i] <= '9'; i++) {
        a->status = a->status * 10 + (unsigned)(digits.ptr[i] - '0');
    }
}

static size_t take_header(char *from, size_t size, size_t n, void *ctx)
{
    struct wire *x = ctx;
    estoc_upstream_answer *a = &x->answer;
    estoc_slice line = estoc_slice_of(from, size * n);
    x->headers_len += line.len;
    if (x->headers_len > HEADERS_MAX) {
        x->large = true;
        return 0;
    }
    if (x->headers_over) {
        return line.len;
    }
    if (line.len > 5 && memcmp(line.ptr, "HTTP/", 5) == 0) {
        take_status(x, line);
    } else if (line.len <= 2) {
        x->headers_over = a->status >= 200;
    } else {
        take_field(line, "Content-Type", a->type);
        take_field(line, "Retry-After", a->retry_after);
        take_field(line, "Date", a->date);
        take_field(line, "Cache-Control", a->cache_control);
    }
    return line.len;
}

/* TLS is there, and the name is right. */
/* its type is libcurl's. NOLINTNEXTLINE(readability-non-const-parameter) */
static int on_connected(void *ctx, char *peer, char *local, int peer_port, int local_port)
{
    struct wire *x = ctx;
    (void)peer, (void)local, (void)peer_port, (void)local_port;
    x->answer.connected = true;
    return CURL_PREREQFUNC_OK;
}

static CURLcode on_tls(CURL *easy, void *ssl_ctx, void *ctx)
{
    (void)easy;
    return estoc_tls_client_apply(ctx, ssl_ctx) ? CURLE_SSL_CERTPROBLEM : CURLE_OK;
}

static curl_socket_t open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *a)
{
    struct estoc_wires *w = ctx;
    (void)purpose;
    int fd = socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
    if (fd < 0) {
        return CURL_SOCKET_BAD;
    }
    unsigned dead_ms = DEAD_MS;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &dead_ms, sizeof dead_ms);
    atomic_fetch_add(&w->connections, 1);
    return fd;
}

static int close_socket(void *ctx, curl_socket_t fd)
{
    struct estoc_wires *w = ctx;
    atomic_fetch_sub(&w->connections, 1);
    return close(fd);
}

/* ---------------------------------------------------------------------------------------- a transfer */

/* What is the same for all. */
static bool set_rules(struct wire *x)
{
    CURL *e = x->easy;
    bool good = true;
#define SET(option, value) good = curl_easy_setopt(e, option, value) == CURLE_OK && good
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_QUICK_EXIT, 1L); /* a look-up that takes too long is left to its own thread */
    SET(CURLOPT_PROTOCOLS_STR, "https");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_PROXY, ""); /* whatever the environment says */
    SET(CURLOPT_PATH_AS_IS, 1L);
    SET(CURLOPT_HTTP09_ALLOWED, 0L);
    SET(CURLOPT_TCP_NODELAY, 1L);
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    SET(CURLOPT_TCP_KEEPIDLE, (long)IDLE_S / 2);
    SET(CURLOPT_TCP_KEEPINTVL, 5L);
    SET(CURLOPT_MAXAGE_CONN, (long)IDLE_S);
    SET(CURLOPT_USERAGENT, "estocd/" ESTOC_VERSION);
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    SET(CURLOPT_CAPATH, NULL);
    SET(CURLOPT_SSL_CTX_FUNCTION, on_tls);
    SET(CURLOPT_OPENSOCKETFUNCTION, open_socket);
    SET(CURLOPT_OPENSOCKETDATA, x->all);
    SET(CURLOPT_CLOSESOCKETFUNCTION, close_socket);
    SET(CURLOPT_CLOSESOCKETDATA, x->all);
    SET(CURLOPT_PREREQFUNCTION, on_connected);
    SET(CURLOPT_PREREQDATA, x);
    SET(CURLOPT_READFUNCTION, give_body);
    SET(CURLOPT_READDATA, x);
    SET(CURLOPT_WRITEFUNCTION, take_body);
    SET(CURLOPT_WRITEDATA, x);
    SET(CURLOPT_HEADERFUNCTION, take_header);
    SET(CURLOPT_HEADERDATA, x);
    SET(CURLOPT_ERRORBUFFER, x->error);
    SET(CURLOPT_PRIVATE, x);
    return good;
}

/* Connections are told apart by what curl would trust: a mark in it keeps those of one service from
 * another's, which shows another credential, and leaves behind those that seem to be dead. What really
 * counts is set by on_tls. */
static bool set_marked_anchors(CURL *e, const estoc_upstream_service *s, unsigned generation)
{
    size_t len = MARK_MAX + s->anchors.len;
    char *pem = malloc(len + 1);
    if (pem == NULL) {
        return false;
    }
    int n = snprintf(pem, len + 1, "service %zu, %u\n%.*s", s->index, generation,
                     (int)s->anchors.len, (const char *)s->anchors.ptr);
    struct curl_blob blob = {pem, (size_t)n, CURL_BLOB_COPY};
    bool good = curl_easy_setopt(e, CURLOPT_CAINFO_BLOB, &blob) == CURLE_OK;
    free(pem);
    return good;
}

static bool set_url(CURL *e, const estoc_upstream_job *job, const char *base)
{
    char url[URL_MAX];
    size_t len = strlen(base);
    while (len > 0 && base[len - 1] == '/') {
        len--;
    }
    char *label = curl_easy_escape(e, job->label, 0);
    bool slash = job->label[0] != '\0';
    int n = snprintf(url, sizeof url, "%.*s/%s%s%s", (int)len, base,
                     slash && label != NULL ? label : "", slash ? "/" : "",
                     estoc_upstream_op_name(job->op));
    bool good = (label != NULL || !slash) && n > 0 && (size_t)n < sizeof url &&
                curl_easy_setopt(e, CURLOPT_URL, url) == CURLE_OK;
    curl_free(label);
    return good;
}

/* A connection that brought a private key is not kept, with its buffers, and has no other on it. */
static bool set_call(struct wire *x, uint32_t ms)
{
    CURL *e = x->easy;
    const estoc_upstream_job *job = x->job;
    const estoc_upstream *cfg = job->service->cfg;
    const estoc_upstream_server *server = &job->service->at[job->server];
    bool alone = job->op == ESTOC_UPSTREAM_KEYGEN;
    bool http1 = cfg->http1 || alone;
    bool good =
        set_url(e, job, server->url) && set_marked_anchors(e, job->service, server->generation);
    if (estoc_upstream_is_get(job->op)) {
        SET(CURLOPT_HTTPGET, 1L);
    } else {
        SET(CURLOPT_POST, 1L);
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)job->body.len);
    }
    SET(CURLOPT_HTTPHEADER, x->all->headers[job->op]);
    SET(CURLOPT_HTTP_VERSION, (long)(http1 ? CURL_HTTP_VERSION_1_1 : CURL_HTTP_VERSION_2TLS));
    SET(CURLOPT_PIPEWAIT, http1 ? 0L : 1L);
    SET(CURLOPT_FRESH_CONNECT, alone ? 1L : 0L);
    SET(CURLOPT_FORBID_REUSE, alone ? 1L : 0L);
    SET(CURLOPT_SSL_CTX_DATA, job->service->tls);
    SET(CURLOPT_TIMEOUT_MS, (long)ms);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)(cfg->connect_ms < ms ? cfg->connect_ms : ms));
    return good;
}
#undef SET

static void free_wire(struct wire *x)
{
    wipe_answer(x);
    curl_easy_cleanup(x->easy);
    free(x);
}

static struct wire *new_wire(struct estoc_wires *w)
{
    struct wire *x = calloc(1, sizeof *x);
    if (x == NULL) {
        return NULL;
    }
    x->all = w;
    x->easy = curl_easy_init();
    if (x->easy == NULL || !set_rules(x)) {
        free_wire(x);
        x = NULL;
    }
    return x;
}

static struct wire *get_wire(struct estoc_wires *w)
{
    struct wire *x = w->idle;
    if (x == NULL) {
        return new_wire(w);
    }
    w->idle = x->next;
    x->given = x->headers_len = x->body_cap = x->body_seen = 0;
    x->headers_over = x->large = false;
    x->error[0] = '\0';
    return x;
}

static void put_wire(struct wire *x)
{
    x->job = NULL;
    if (x->secret) { /* libcurl has a buffer in it */
        free_wire(x);
        return;
    }
    wipe_answer(x);
    x->next = x->all->idle;
    x->all->idle = x;
}

estoc_err estoc_wires_send(estoc_wires *w, estoc_upstream_job *job, uint32_t ms)
{
    struct wire *x = get_wire(w);
    if (x == NULL) {
        return ESTOC_E_MEMORY;
    }
    x->job = job;
    x->secret = job->op == ESTOC_UPSTREAM_KEYGEN;
    if (!set_call(x, ms) || curl_multi_add_handle(w->multi, x->easy) != CURLM_OK) {
        put_wire(x);
        return ESTOC_E_MEMORY;
    }
    x->next = w->busy;
    w->busy = x;
    return ESTOC_OK;
}

/* ------------------------------------------------------------------------------------- how it ended */

static bool says(const struct wire *x, const char *words)
{
    return strstr(x->error, words) != NULL;
}

/* A server that closes instead of a handshake is no impostor. */
static estoc_upstream_end end_of_handshake(const struct wire *x)
{
    return says(x, "SSL_ERROR_SYSCALL") || says(x, "unexpected eof") || says(x, "reset by peer")
               ? ESTOC_END_UNREACHABLE
               : ESTOC_END_TLS;
}

static estoc_upstream_end end_of(const struct wire *x, CURLcode code)
{
    if (x->large || code == CURLE_FILESIZE_EXCEEDED) {
        return ESTOC_END_LARGE;
    }
    switch ((int)code) {
    case CURLE_OK:
        return x->answer.status >= 200 && x->headers_over ? ESTOC_END_ANSWERED : ESTOC_END_GARBAGE;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
        return ESTOC_END_UNREACHABLE;
    case CURLE_SSL_CONNECT_ERROR:
        return end_of_handshake(x);
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_SSL_CLIENTCERT:
    case CURLE_USE_SSL_FAILED:
        return ESTOC_END_TLS;
    case CURLE_OPERATION_TIMEDOUT:
        return ESTOC_END_TIMEOUT;
    case CURLE_OUT_OF_MEMORY:
    case CURLE_WRITE_ERROR: /* take_body */
        return ESTOC_END_MEMORY;
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR: /* with TLS 1.3 a server says what it thinks of our certificate afterwards */
        return says(x, " alert ") ? ESTOC_END_TLS : ESTOC_END_BROKEN;
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
    case CURLE_SEND_FAIL_REWIND: /* libcurl would have sent it again */
        return x->answer.connected ? ESTOC_END_BROKEN : ESTOC_END_UNREACHABLE;
    default:
        return ESTOC_END_GARBAGE;
    }
}

static estoc_upstream_job *finish(struct wire *x, estoc_upstream_end end,
                                  estoc_upstream_answer **answer)
{
    struct estoc_wires *w = x->all;
    struct wire **at = &w->busy;
    estoc_upstream_job *job = x->job;
    long version = 0;
    while (*at != x) {
        at = &(*at)->next;
    }
    *at = x->next;
    (void)curl_easy_getinfo(x->easy, CURLINFO_HTTP_VERSION, &version);
    if (end == ESTOC_END_ANSWERED) {
        job->service->at[job->server].http2 = version == CURL_HTTP_VERSION_2_0;
    }
    (void)curl_multi_remove_handle(w->multi, x->easy);
    x->answer.end = end;
    x->answer.sent = job->body.len > 0 && x->given == job->body.len;
    x->answer.error = x->error;
    *answer = &x->answer;
    return job;
}

estoc_upstream_job *estoc_wires_next(estoc_wires *w, estoc_upstream_answer **answer)
{
    CURLMsg *msg;
    int left;
    while ((msg = curl_multi_info_read(w->multi, &left)) != NULL) {
        char *ptr = NULL;
        CURLcode code = msg->data.result;
        if (msg->msg == CURLMSG_DONE &&
            curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &ptr) == CURLE_OK) {
            struct wire *x = (struct wire *)(void *)ptr;
            if (code != CURLE_OK && x->error[0] == '\0') {
                snprintf(x->error, sizeof x->error, "%s", curl_easy_strerror(code));
            }
            return finish(x, end_of(x, code), answer);
        }
    }
    return NULL;
}

estoc_upstream_job *estoc_wires_stop(estoc_wires *w, estoc_upstream_answer **answer)
{
    return w->busy != NULL ? finish(w->busy, ESTOC_END_HURRIED, answer) : NULL;
}

void estoc_wires_forget(estoc_wires *w, estoc_upstream_answer *answer)
{
    (void)w;
    put_wire((struct wire *)(void *)((char *)answer - offsetof(struct wire, answer)));
}

/* --------------------------------------------------------------------------------------------- the rest */

void estoc_wires_run(estoc_wires *w)
{
    int running;
    (void)curl_multi_perform(w->multi, &running);
}

void estoc_wires_wait(estoc_wires *w, int ms)
{
    (void)curl_multi_poll(w->multi, NULL, 0, ms, NULL);
}

void estoc_wires_wake(estoc_wires *w)
{
    (void)curl_multi_wakeup(w->multi);
}

unsigned estoc_wires_connections(const estoc_wires *w)
{
    return atomic_load(&w->connections);
}

static bool add_header(struct curl_slist **list, const char *line)
{
    struct curl_slist *more = curl_slist_append(*list, line);
    *list = more != NULL ? more : *list;
    return more != NULL;
}

static bool make_headers(estoc_wires *w)
{
    bool good = true;
    for (unsigned op = 0; op < OPS; op++) {
        char accept[64];
        snprintf(accept, sizeof accept, "Accept: %s", estoc_upstream_accept((estoc_upstream_op)op));
        good = good && add_header(&w->headers[op], accept);
        if (!estoc_upstream_is_get((estoc_upstream_op)op)) {
            good = good && add_header(&w->headers[op], "Content-Type: application/pkcs10") &&
                   add_header(&w->headers[op], "Expect:");
        }
    }
    return good;
}

estoc_err estoc_wires_open(uint32_t connections_max, estoc_wires **out)
{
    *out = NULL;
    (void)pthread_once(&once, begin);
    estoc_wires *w = calloc(1, sizeof *w);
    if (w == NULL) {
        return ESTOC_E_MEMORY;
    }
    long most = (long)connections_max;
    w->multi = ready ? curl_multi_init() : NULL;
    if (w->multi == NULL || !make_headers(w) ||
        curl_multi_setopt(w->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, most) != CURLM_OK ||
        curl_multi_setopt(w->multi, CURLMOPT_MAX_HOST_CONNECTIONS, most) != CURLM_OK ||
        curl_multi_setopt(w->multi, CURLMOPT_MAXCONNECTS, most) != CURLM_OK) {
        estoc_wires_close(w);
        return ESTOC_E_MEMORY;
    }
    *out = w;
    return ESTOC_OK;
}

void estoc_wires_close(estoc_wires *w)
{
    while (w->idle != NULL) {
        struct wire *x = w->idle;
        w->idle = x->next;
        free_wire(x);
    }
    if (w->multi != NULL) {
        (void)curl_multi_cleanup(w->multi);
    }
    for (unsigned op = 0; op < OPS; op++) {
        curl_slist_free_all(w->headers[op]);
    }
    free(w);
}
