/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "https_parts.h"
#include "permit.h"
#include "text.h"

/* ------------------------------------------------------------------------------------- connections */

static void end_link(struct estoc_https_link *l)
{
    estoc_dtls_peer_free(&l->peer);
    estoc_generation_release(l->judge);
    estoc_tls_identity_release(l->identity);
    estoc_blobs_free(&l->chain);
    free(l);
}

static struct estoc_https_link *begin_link(estoc_https *h, struct MHD_Connection *c)
{
    const union MHD_ConnectionInfo *tls =
        MHD_get_connection_info(c, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    const union MHD_ConnectionInfo *from =
        MHD_get_connection_info(c, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    struct estoc_https_link *l = calloc(1, sizeof *l);
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

/* Of a handshake that failed there is nothing else to tell: libmicrohttpd keeps the reason to itself. */
static void log_unused(const struct estoc_https_link *l)
{
    char peer[ESTOC_PATH_TEXT_MAX];
    if (!l->used) {
        estoc_log(ESTOC_LOG_DEBUG, "https", "peer", estoc_path_text(&l->path, peer, sizeof peer),
                  "result", "closed", "why", "no handshake, or no request in it", NULL);
    }
}

/* Without a link there is no certificate of ours either, and the handshake comes to nothing. */
void estoc_https_on_connection(void *ctx, struct MHD_Connection *c, void **link,
                               enum MHD_ConnectionNotificationCode what)
{
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        *link = begin_link(ctx, c);
    } else if (*link != NULL) {
        log_unused(*link);
        end_link(*link);
        *link = NULL;
    }
}

static uint64_t address_key(const estoc_https *h, const estoc_path *path)
{
    return estoc_table_hash(&h->keys, estoc_path_prefix(path, false), 0);
}

/* A handshake costs more than a request, and counts as one. @param key  0: only the address */
uint32_t estoc_https_wait_ms(estoc_https *h, const estoc_config *conf, const estoc_path *path,
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

estoc_generation *estoc_https_newest(estoc_https *h)
{
    pthread_mutex_lock(&h->lock);
    estoc_generation *g = estoc_generation_hold(h->newest);
    pthread_mutex_unlock(&h->lock);
    return g;
}

enum MHD_Result estoc_https_on_accept(void *ctx, const struct sockaddr *from, socklen_t len)
{
    estoc_https *h = ctx;
    estoc_path path;
    (void)len;
    estoc_tcp_path(from, &path);
    estoc_generation *g = estoc_https_newest(h);
    bool may = estoc_https_wait_ms(h, &g->conf, &path, 0) == 0;
    estoc_generation_release(g);
    return may ? MHD_YES : MHD_NO;
}

/* ------------------------------------------------------------------------------------- who it is */

static void log_judgement(const struct estoc_https_link *l)
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

static void take_client(struct estoc_https_link *l)
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
estoc_err estoc_https_judge(struct estoc_https_link *l, estoc_generation *g)
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
const char *estoc_https_objection(const struct estoc_https_request *r, unsigned *status)
{
    const struct estoc_https_link *l = r->link;
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
