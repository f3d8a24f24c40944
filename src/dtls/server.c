/* SPDX-License-Identifier: MIT
 *
 * The server's end: credentials, and the cookie exchange that keeps nothing (D5, D10, X12).
 *
 * A cookie is a MAC over the address and the number of the minute. It is taken in the minute it was
 * made in and in the next. Nothing is written on the way, so workers share a secret without a lock.
 * The key is the process's own: after a reload a client comes to another server with the cookie of the
 * one before, and a second HelloVerifyRequest, which has message_seq 0 too, it would not take. For the
 * same reason nodes may share a key: a balancer may send the second ClientHello to another.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/hmac.h>

#include "association.h"

enum {
    ADDRESS_MAX = 32,
    SECRET_MS = 60000 /* at most this long after its successor a secret still counts */
};

struct estoc_dtls_listener {
    const estoc_dtls_server *server;
    estoc_dtls *next; /* listens, and becomes the association that is accepted; NULL: to be made */
    BIO_ADDR *unused; /* OpenSSL wants somewhere to put an address */
};

/* ------------------------------------------------------------------------------------- the cookie */

static uint8_t secret[ESTOC_COOKIE_KEY];
static bool secret_made;

static void make_secret(void)
{
    estoc_random random = estoc_random_system();
    secret_made = random.fill(random.ctx, secret, sizeof secret);
}

static bool make_cookie(const estoc_dtls *d, uint64_t minute, uint8_t out[ESTOC_COOKIE_LEN])
{
    uint8_t data[8 + ADDRESS_MAX], mac[EVP_MAX_MD_SIZE];
    unsigned mac_len = 0;
    for (int i = 0; i < 8; i++) {
        data[i] = (uint8_t)(minute >> (56 - 8 * i));
    }
    memcpy(data + 8, d->address.ptr, d->address.len);
    const uint8_t *key = d->context->cookies_shared ? d->context->cookies.key : secret;
    if (HMAC(EVP_sha256(), key, ESTOC_COOKIE_KEY, data, 8 + d->address.len, mac, &mac_len) ==
            NULL ||
        mac_len < ESTOC_COOKIE_LEN) {
        return false;
    }
    memcpy(out, mac, ESTOC_COOKIE_LEN);
    estoc_wipe(mac, sizeof mac);
    return true;
}

static uint64_t minute_of(const estoc_dtls *d)
{
    return (d->now + d->context->cookies.offset_ms) / SECRET_MS;
}

static int on_make_cookie(SSL *ssl, unsigned char *cookie, unsigned *len)
{
    const estoc_dtls *d = SSL_get_app_data(ssl);
    *len = ESTOC_COOKIE_LEN;
    return d->address.ptr != NULL && make_cookie(d, minute_of(d), cookie);
}

static int on_check_cookie(SSL *ssl, const unsigned char *cookie, unsigned len)
{
    const estoc_dtls *d = SSL_get_app_data(ssl);
    if (d->address_good || d->address.ptr == NULL) {
        return d->address_good; /* OpenSSL asks once more when a handshake that was held goes on */
    }
    estoc_slice given = estoc_slice_of(cookie, len);
    uint64_t first = minute_of(d) - 1;
    bool good = false;
    for (uint64_t i = 0; i < (d->context->cookies_shared ? 3 : 2); i++) {
        uint8_t want[ESTOC_COOKIE_LEN];
        good |= make_cookie(d, first + i, want) &&
                estoc_slice_eq_secret(given, estoc_slice_of(want, sizeof want));
    }
    return good;
}

/* ------------------------------------------------------------------------------------- the server */

estoc_err estoc_dtls_server_new(const estoc_dtls_server_cfg *cfg, estoc_dtls_server **out,
                                estoc_why *why)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    *out = NULL;
    estoc_dtls_server *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return ESTOC_E_MEMORY;
    }
    s->context.server = true;
    s->context.payload_max = cfg->payload_max;
    s->context.timeout_ms = cfg->timeout_ms;
    s->context.let_strangers_in = cfg->let_strangers_in;
    s->context.resume_s = cfg->resume_s;
    s->context.sessions = cfg->sessions;
    if (cfg->cookies != NULL) {
        s->context.cookies = *cfg->cookies;
        s->context.cookies_shared = true;
    }
    s->context.leeway = cfg->leeway;
    s->context.leeway_ctx = cfg->leeway_ctx;
    s->context.revoked = cfg->revoked;
    s->context.revoked_ctx = cfg->revoked_ctx;
    estoc_dtls_credentials id = {cfg->chain,   cfg->key,    cfg->anchors,
                                 cfg->expired, cfg->denied, cfg->crls};
    estoc_err err = estoc_dtls_context_init(&s->context, &id, why);
    err = err ? err : estoc_dtls_keep_sessions(&s->context, &id);
    if (!err && (pthread_once(&once, make_secret) != 0 || !secret_made)) {
        estoc_why_set(why, "the random source failed");
        err = ESTOC_E_RANDOM;
    }
    if (err) {
        estoc_dtls_server_free(s);
        return err;
    }
    SSL_CTX_set_cookie_generate_cb(s->context.ssl, on_make_cookie);
    SSL_CTX_set_cookie_verify_cb(s->context.ssl, on_check_cookie);
    *out = s;
    return ESTOC_OK;
}

void estoc_dtls_server_free(estoc_dtls_server *s)
{
    if (s == NULL) {
        return;
    }
    estoc_dtls_context_free(&s->context);
    free(s);
}

estoc_err estoc_dtls_listener_new(estoc_dtls_server *s, estoc_dtls_listener **out)
{
    *out = NULL;
    estoc_dtls_listener *l = calloc(1, sizeof *l);
    if (l == NULL) {
        return ESTOC_E_MEMORY;
    }
    l->server = s;
    l->unused = BIO_ADDR_new();
    if (l->unused == NULL || estoc_dtls_new(&s->context, &l->next)) {
        estoc_dtls_listener_free(l);
        return ESTOC_E_MEMORY;
    }
    *out = l;
    return ESTOC_OK;
}

void estoc_dtls_listener_free(estoc_dtls_listener *l)
{
    if (l == NULL) {
        return;
    }
    estoc_dtls_free(l->next);
    BIO_ADDR_free(l->unused);
    free(l);
}

/* -------------------------------------------------------------------------------- first datagrams */

/* The address is verified: the handshake begins, and what it says goes to the peer. */
static void accept_hello(estoc_dtls_listener *l, estoc_dtls_out send, estoc_dtls **out)
{
    estoc_dtls *d = l->next;
    l->next = NULL;
    d->used = 0;
    d->out = send;
    d->address_good = true;
    estoc_dtls_handshake(d);
    d->address = (estoc_slice){NULL, 0};
    estoc_dtls_end(d);
    *out = d;
    if (estoc_dtls_new(&l->server->context, &l->next)) {
        return; /* the next datagram tries again */
    }
}

static estoc_dtls_verdict hear(estoc_dtls_listener *l, estoc_slice dg, estoc_buf reply,
                               size_t *reply_len, estoc_dtls_out send, estoc_dtls **out)
{
    estoc_dtls *d = l->next;
    d->in = dg;
    int result = DTLSv1_listen(d->ssl, l->unused);
    if (result == 1) {
        accept_hello(l, send, out);
        return ESTOC_DTLS_ACCEPT;
    }
    size_t n = d->used;
    bool say = result == 0 && n > 0 && n <= dg.len && n <= reply.cap;
    if (say) {
        memcpy(reply.ptr, d->room, n);
        *reply_len = n;
    }
    d->used = 0; /* whatever else it had to say stays unsaid */
    d->room = NULL;
    d->in = d->address = (estoc_slice){NULL, 0};
    if (result < 0) {
        estoc_dtls_free(d);
        l->next = NULL;
    }
    ERR_clear_error();
    return say ? ESTOC_DTLS_REPLY : ESTOC_DTLS_DROP;
}

estoc_dtls_verdict estoc_dtls_listen(estoc_dtls_listener *l, estoc_slice peer, estoc_ms now,
                                     estoc_slice dg, estoc_buf reply, size_t *reply_len,
                                     estoc_dtls_out send, estoc_dtls **out)
{
    *out = NULL;
    *reply_len = 0;
    if (peer.len == 0 || peer.len > ADDRESS_MAX || dg.len > ESTOC_DATAGRAM_MAX ||
        !estoc_dtls_is_client_hello(dg) || !estoc_dtls_is_whole_message(dg)) {
        return ESTOC_DTLS_DROP;
    }
    uint8_t room[ESTOC_DATAGRAM_MAX];
    if (l->next == NULL && estoc_dtls_new(&l->server->context, &l->next)) {
        return ESTOC_DTLS_DROP;
    }
    if (!estoc_dtls_begin(l->next, now, room)) {
        estoc_dtls_free(l->next);
        l->next = NULL;
        return ESTOC_DTLS_DROP;
    }
    l->next->address = peer;
    return hear(l, dg, reply, reply_len, send, out);
}
