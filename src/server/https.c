/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <gnutls/gnutls.h>

#include <gnutls/abstract.h>

#include "https_parts.h"
#include "text.h"

enum {
    CONNECTIONS_MAX = 1024, /* of all addresses together */
    OTHER_FILES = 256,      /* descriptors that are none of theirs */
    PER_ADDRESS_MAX = 256,  /* of one client's address, at one of ours */
    TIMEOUT_S = 30,         /* without a byte */
    HEADERS_MAX = 32768,    /* of a request, and of its answer */
    THREADS_MAX = 8
};

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

/* Without NULs, which would hide what follows: such a path stays as it is, and is none of ours (X6). */
static size_t unescape(void *ctx, struct MHD_Connection *c, char *text)
{
    (void)ctx;
    (void)c;
    return strstr(text, "%00") != NULL ? strlen(text) : MHD_http_unescape(text);
}

/* As many connections as leave descriptors for everything else: the store, files, upstreams. */
static unsigned connections_max(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur >= CONNECTIONS_MAX + OTHER_FILES) {
        return CONNECTIONS_MAX;
    }
    return files.rlim_cur > 2 * OTHER_FILES ? (unsigned)files.rlim_cur - OTHER_FILES
                                            : (unsigned)files.rlim_cur / 2;
}

static estoc_err start(estoc_https *h, struct estoc_https_listener *l, const char *address,
                       unsigned threads, unsigned connections, estoc_why *why)
{
    int fd;
    estoc_err err = estoc_tcp_listen(address, &fd, l->address, sizeof l->address, why);
    if (err) {
        return err;
    }
    /* the socket is the library's, whatever comes of it */
    l->daemon = MHD_start_daemon(
        MHD_USE_POLL_INTERNAL_THREAD | MHD_USE_TLS | MHD_ALLOW_SUSPEND_RESUME, 0,
        estoc_https_on_accept, h, estoc_https_on_request, h, MHD_OPTION_LISTEN_SOCKET, fd,
        MHD_OPTION_HTTPS_PRIORITIES, ESTOC_TLS_PRIORITIES, MHD_OPTION_HTTPS_CERT_CALLBACK,
        no_identity, MHD_OPTION_UNESCAPE_CALLBACK, unescape, NULL, MHD_OPTION_NOTIFY_CONNECTION,
        estoc_https_on_connection, h, MHD_OPTION_NOTIFY_COMPLETED, estoc_https_on_completed, h,
        MHD_OPTION_CONNECTION_LIMIT, connections > threads ? connections : threads,
        MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)PER_ADDRESS_MAX,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)TIMEOUT_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)HEADERS_MAX, MHD_OPTION_THREAD_POOL_SIZE, threads > 1 ? threads : 0u,
        MHD_OPTION_END);
    if (l->daemon == NULL) {
        estoc_why_set(why, "cannot serve on %s: %s", address, strerror(errno));
        return ESTOC_E_SYSTEM;
    }
    return ESTOC_OK;
}

static estoc_err begin(estoc_https *h, estoc_generation *g, unsigned threads, estoc_why *why)
{
    estoc_random random = estoc_random_system();
    pthread_mutex_init(&h->lock, NULL);
    estoc_wait_init(&h->less);
    h->newest = estoc_generation_hold(g);
    if (!random.fill(random.ctx, (uint8_t *)&h->keys.seed, sizeof h->keys.seed)) {
        return ESTOC_E_RANDOM;
    }
    estoc_err err = estoc_limits_init(&h->limits);
    err = err ? err : estoc_tls_identity_new(g, &h->identity, why);
    threads = threads < THREADS_MAX ? threads : THREADS_MAX;
    for (size_t i = 0; !err && i < g->conf.https_n; i++) {
        err = start(h, &h->at[i], g->conf.https[i], threads,
                    connections_max() / (unsigned)g->conf.https_n, why);
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
    pthread_mutex_lock(&h->lock);
    while (h->active > 0 && estoc_wait_until(&h->less, &h->lock, until)) {
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
