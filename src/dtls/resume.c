/* SPDX-License-Identifier: MIT
 *
 * Sessions resumed by their ID, at both ends. D8; RFC 5246 section 7.3, RFC 7627 section 5.3.
 *
 * The server keeps a session, with the client's certificate, for as long as the certificates of the
 * client's chain last, and no longer than configured. It does so for clients it recognises only. A
 * session carries the digest of the anchors it was made under: a server with others (a reload, another
 * node) does not know it. Who has been revoked since does not resume: the full handshake says why. Who is
 * revoked later than that is told at each request.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>

#include "association.h"

/* --------------------------------------------------------------------------------------- the server */

/* Half of what is usual is as hard to meet by chance, and an ID travels three times. */
static int make_id(SSL *ssl, unsigned char *id, unsigned *len)
{
    (void)ssl;
    estoc_random random = estoc_random_system();
    *len = ESTOC_SESSION_ID_LEN;
    return random.fill(random.ctx, id, ESTOC_SESSION_ID_LEN);
}

/* The session as OpenSSL writes it, less the client's certificate, which stands in [3]: a session with one
 * in it costs half a handshake to be read. */
static estoc_err put_session(SSL_SESSION *session, estoc_writer *w)
{
    uint8_t whole[ESTOC_SESSION_MAX];
    uint8_t *end = whole;
    estoc_reader in;
    estoc_der field;
    int len = i2d_SSL_SESSION(session, NULL);
    if (len <= 0 || len > (int)sizeof whole) {
        return ESTOC_E_LIMIT;
    }
    (void)i2d_SSL_SESSION(session, &end);
    estoc_err err = estoc_der_begin(estoc_slice_of(whole, (size_t)len), &in);
    size_t all = estoc_der_open(w, ESTOC_DER_SEQUENCE);
    while (!err && estoc_der_more(&in, &field)) {
        if (field.tag != ESTOC_DER_CONTEXT_CONSTRUCTED(3)) {
            estoc_der_put_raw(w, field.whole);
        }
    }
    estoc_der_close(w, all);
    err = err ? err : estoc_reader_end(&in);
    estoc_wipe(whole, (size_t)len);
    return err;
}

/* A full handshake is over: the session, the client's certificate, the trail. @return 0: the reference
 * stays OpenSSL's */
static int keep(SSL *ssl, SSL_SESSION *session)
{
    const estoc_dtls *d = SSL_get_app_data(ssl);
    unsigned id_len;
    const uint8_t *id = SSL_SESSION_get_id(session, &id_len);
    uint8_t bytes[ESTOC_SESSION_MAX];
    estoc_writer w = estoc_writer_of((estoc_buf){bytes, sizeof bytes});
    size_t len;
    int64_t now = estoc_unix_s();
    int64_t until = now + d->context->resume_s;
    if (d->stranger || id_len != ESTOC_SESSION_ID_LEN || put_session(session, &w)) {
        return 0;
    }
    until = until < d->good_until ? until : d->good_until;
    estoc_write_bytes(&w, estoc_blob_slice(d->cert));
    estoc_write_bytes(&w, estoc_blob_slice(d->trail));
    if (!estoc_writer_end(&w, &len)) {
        (void)estoc_dtls_cache_put(d->context->sessions, id, estoc_slice_of(bytes, len), now,
                                   until);
    }
    estoc_wipe(bytes, w.len);
    return 0;
}

static bool may_resume(const estoc_dtls *d)
{
    const estoc_dtls_context *c = d->context;
    return c->revoked == NULL || !c->revoked(c->revoked_ctx, estoc_blob_slice(d->cert));
}

/* One that another node keeps for longer than we would. */
static bool too_old(const estoc_dtls_context *c, const SSL_SESSION *session, int64_t now)
{
    return now - (int64_t)SSL_SESSION_get_time(session) >= (int64_t)c->resume_s;
}

/* What stands behind the session. @return false: it is something else, or there is no memory */
static bool take_client(estoc_dtls *d, estoc_slice bytes)
{
    estoc_reader r = estoc_reader_of(bytes);
    estoc_slice cert = estoc_der_whole(&r, ESTOC_DER_SEQUENCE);
    estoc_blob_free(&d->cert);
    return !r.err && !estoc_blob_copy(cert, &d->cert) &&
           estoc_dtls_take_trail(d, estoc_read_bytes(&r, estoc_reader_left(&r)));
}

/* A session whose client was not kept, or may not have it, is none: then there is a full handshake.
 * OpenSSL compares the digest of the anchors. */
static SSL_SESSION *find(SSL *ssl, const unsigned char *id, int id_len, int *copy)
{
    estoc_dtls *d = SSL_get_app_data(ssl);
    uint8_t bytes[ESTOC_SESSION_MAX];
    const uint8_t *at = bytes;
    size_t len = 0;
    *copy = 0;
    if (id_len != ESTOC_SESSION_ID_LEN) {
        return NULL;
    }
    int64_t now = estoc_unix_s();
    estoc_dtls_cache_get(d->context->sessions, id, now, bytes, &len);
    ERR_set_mark(); /* bytes of another node may be anything: that is no error of this handshake */
    SSL_SESSION *session = len > 0 ? d2i_SSL_SESSION(NULL, &at, (long)len) : NULL;
    ERR_pop_to_mark();
    bool good = session != NULL && !too_old(d->context, session, now) &&
                take_client(d, estoc_slice_of(at, len - (size_t)(at - bytes)));
    estoc_wipe(bytes, len);
    if (good && !may_resume(d)) {
        estoc_dtls_cache_remove(d->context->sessions, id);
        good = false;
    }
    if (!good) {
        estoc_blob_free(&d->cert);
        estoc_blob_free(&d->trail);
        SSL_SESSION_free(session);
        session = NULL;
    }
    return session;
}

#define ASK_MS 200u /* a full handshake costs a slow network more than that */

bool estoc_dtls_hold(estoc_dtls *d, estoc_slice id)
{
    estoc_dtls_cache *sessions = d->context->sessions;
    if (d->context->resume_s == 0 || sessions == NULL || id.len != ESTOC_SESSION_ID_LEN) {
        return false;
    }
    if (d->question == 0) {
        d->question = estoc_dtls_cache_ask(sessions, id.ptr, estoc_unix_s());
        d->ask_until = d->now + ASK_MS;
    }
    return d->question != 0 && !estoc_dtls_cache_answered(sessions, id.ptr, d->question) &&
           d->now < d->ask_until;
}

/* A fatal alert ends the session, too. RFC 5246 section 7.2.2 */
static void forget(SSL_CTX *ctx, SSL_SESSION *session)
{
    unsigned id_len;
    const uint8_t *id = SSL_SESSION_get_id(session, &id_len);
    const estoc_dtls_context *c = SSL_CTX_get_app_data(ctx);
    if (id_len == ESTOC_SESSION_ID_LEN) {
        estoc_dtls_cache_remove(c->sessions, id);
    }
}

estoc_err estoc_dtls_keep_sessions(estoc_dtls_context *c, const estoc_dtls_credentials *id)
{
    uint8_t trust[ESTOC_TRUST_LEN];
    if (c->resume_s == 0 || c->sessions == NULL) {
        return ESTOC_OK;
    }
    estoc_err err = estoc_dtls_trust(id, trust);
    if (err) {
        return err;
    }
    if (SSL_CTX_set_app_data(c->ssl, c) != 1) {
        return ESTOC_E_MEMORY;
    }
    SSL_CTX_set_session_cache_mode(c->ssl, SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_set_timeout(c->ssl, (long)c->resume_s);
    SSL_CTX_sess_set_new_cb(c->ssl, keep);
    SSL_CTX_sess_set_get_cb(c->ssl, find);
    SSL_CTX_sess_set_remove_cb(c->ssl, forget);
    return SSL_CTX_set_generate_session_id(c->ssl, make_id) == 1 &&
                   SSL_CTX_set_session_id_context(c->ssl, trust, sizeof trust) == 1
               ? ESTOC_OK
               : ESTOC_E_MEMORY;
}

bool estoc_dtls_take_peer(estoc_dtls *d)
{
    if (d->cert.len > 0 || d->context->server || SSL_session_reused(d->ssl) != 1) {
        return d->cert.len > 0;
    }
    const X509 *x = SSL_get0_peer_certificate(d->ssl);
    uint8_t *der = NULL;
    int len = x != NULL ? i2d_X509(x, &der) : 0;
    bool good = len > 0 && !estoc_blob_copy(estoc_slice_of(der, (size_t)len), &d->cert);
    OPENSSL_free(der);
    return good;
}

/* --------------------------------------------------------------------------------------- the client */

static estoc_err add_cert(estoc_blobs *chain, X509 *x)
{
    uint8_t *der = NULL;
    int len = i2d_X509(x, &der);
    estoc_err err =
        len > 0 ? estoc_blobs_add(chain, estoc_slice_of(der, (size_t)len)) : ESTOC_E_CRYPTO;
    OPENSSL_free(der);
    return err;
}

estoc_err estoc_dtls_peer_chain(const estoc_dtls *d, estoc_blobs *chain)
{
    estoc_err err = ESTOC_OK;
    if (SSL_session_reused(d->ssl) == 1) {
        const estoc_blobs *kept = &d->context->session_chain;
        for (size_t i = 0; !err && i < kept->n; i++) {
            err = estoc_blobs_add(chain, estoc_blob_slice(kept->at[i]));
        }
        return err;
    }
    STACK_OF(X509) *stack = SSL_get_peer_cert_chain(d->ssl);
    for (int i = 0; !err && i < sk_X509_num(stack); i++) {
        err = add_cert(chain, sk_X509_value(stack, i));
    }
    return err;
}

/* The session as OpenSSL writes it, then the chain: DER one after the other. */
estoc_err estoc_dtls_session(const estoc_dtls *d, estoc_blob *out)
{
    estoc_blobs chain = {NULL, 0};
    *out = (estoc_blob){NULL, 0};
    SSL_SESSION *session = SSL_get0_session(d->ssl);
    unsigned id_len = 0;
    if (d->state == ESTOC_DTLS_OPEN && session != NULL) {
        (void)SSL_SESSION_get_id(session, &id_len);
    }
    int len = id_len > 0 ? i2d_SSL_SESSION(session, NULL) : 0;
    if (len <= 0) {
        return ESTOC_E_STATE;
    }
    estoc_err err = estoc_dtls_peer_chain(d, &chain);
    size_t room = (size_t)len;
    for (size_t i = 0; i < chain.n; i++) {
        room += chain.at[i].len;
    }
    out->ptr = err ? NULL : malloc(room);
    if (out->ptr != NULL) {
        uint8_t *at = out->ptr;
        (void)i2d_SSL_SESSION(session, &at);
        for (size_t i = 0; i < chain.n; i++) {
            memcpy(at, chain.at[i].ptr, chain.at[i].len);
            at += chain.at[i].len;
        }
        out->len = room;
    }
    estoc_blobs_free(&chain);
    return err ? err : out->ptr != NULL ? ESTOC_OK : ESTOC_E_MEMORY;
}

static estoc_err read_chain(const uint8_t *at, const uint8_t *end, estoc_blobs *chain)
{
    estoc_err err = ESTOC_OK;
    while (!err && at < end) {
        X509 *x = d2i_X509(NULL, &at, (long)(end - at));
        err = x != NULL ? add_cert(chain, x) : ESTOC_E_MALFORMED;
        X509_free(x);
    }
    return err;
}

/* K1: whom we trust now, not whom we trusted then. */
static estoc_err check_server(const estoc_dtls_context *c, const SSL_SESSION *session,
                              const estoc_blobs *chain, const estoc_blobs *anchors, estoc_why *why)
{
    uint8_t *der = NULL;
    const X509 *x = SSL_SESSION_get0_peer((SSL_SESSION *)session);
    int len = x != NULL ? i2d_X509(x, &der) : 0;
    estoc_slice leaf = estoc_slice_of(der, len > 0 ? (size_t)len : 0);
    estoc_cert cert;
    estoc_err err = estoc_cert_parse(&cert, leaf) ? ESTOC_E_MALFORMED : ESTOC_OK;
    if (!err) {
        err = estoc_chain_verify(leaf, chain, anchors, ESTOC_PURPOSE_SERVER, estoc_unix_s(), why);
    }
    if (!err && !estoc_dtls_is_host(c, &cert)) {
        estoc_why_set(why, "certificate is for another host");
        err = ESTOC_E_UNTRUSTED;
    }
    OPENSSL_free(der);
    return err;
}

estoc_err estoc_dtls_client_resume(estoc_dtls_client *c, estoc_slice bytes,
                                   const estoc_blobs *anchors, estoc_why *why)
{
    estoc_blobs chain = {NULL, 0};
    const uint8_t *at = bytes.ptr;
    why->text[0] = '\0';
    SSL_SESSION *session =
        bytes.len > 0 && bytes.len <= LONG_MAX ? d2i_SSL_SESSION(NULL, &at, (long)bytes.len) : NULL;
    estoc_err err = session != NULL && SSL_SESSION_get_protocol_version(session) == DTLS1_2_VERSION
                        ? read_chain(at, bytes.ptr + bytes.len, &chain)
                        : ESTOC_E_MALFORMED;
    err = err ? err : check_server(&c->context, session, &chain, anchors, why);
    ERR_clear_error();
    if (err) {
        SSL_SESSION_free(session);
        estoc_blobs_free(&chain);
        return err;
    }
    SSL_SESSION_free(c->context.session);
    estoc_blobs_free(&c->context.session_chain);
    c->context.session = session;
    c->context.session_chain = chain;
    return ESTOC_OK;
}
