/* SPDX-License-Identifier: MIT
 *
 * The client's end. K1; RFC 9148 section 3, RFC 7030 section 3.6.1.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>

#include "association.h"
#include "text.h"

estoc_err estoc_dtls_client_new(const estoc_dtls_client_cfg *cfg, estoc_dtls_client **out,
                                estoc_why *why)
{
    *out = NULL;
    estoc_dtls_client *c = calloc(1, sizeof *c);
    if (c == NULL) {
        return ESTOC_E_MEMORY;
    }
    c->context.payload_max = cfg->payload_max;
    c->context.timeout_ms = cfg->timeout_ms;
    c->context.accept_ra = cfg->accept_ra;
    estoc_dtls_credentials id = {.chain = cfg->chain, .key = cfg->key, .anchors = cfg->anchors};
    estoc_err err = estoc_dtls_context_init(&c->context, &id, why);
    if (!err && cfg->host != NULL) {
        c->context.host = strdup(cfg->host);
        err = c->context.host != NULL ? ESTOC_OK : ESTOC_E_MEMORY;
    }
    if (err) {
        estoc_dtls_client_free(c);
        return err;
    }
    *out = c;
    return ESTOC_OK;
}

void estoc_dtls_client_free(estoc_dtls_client *c)
{
    if (c == NULL) {
        return;
    }
    estoc_dtls_context_free(&c->context);
    free(c);
}

/* RFC 6066 section 3: names only, never addresses. */
static bool name_server(SSL *ssl, const char *host)
{
    uint8_t address[16];
    if (host == NULL || inet_pton(AF_INET, host, address) == 1 || strchr(host, ':') != NULL) {
        return true;
    }
    return SSL_set_tlsext_host_name(ssl, host) == 1;
}

estoc_err estoc_dtls_connect(estoc_dtls_client *c, estoc_ms now, estoc_dtls_out send,
                             estoc_dtls **out)
{
    uint8_t room[ESTOC_DATAGRAM_MAX];
    estoc_dtls *d;
    estoc_err err = estoc_dtls_new(&c->context, &d);
    *out = NULL;
    if (err) {
        return err;
    }
    d->out = send;
    if (!name_server(d->ssl, c->context.host)) {
        err = ESTOC_E_USAGE;
    } else if (c->context.session != NULL && SSL_set_session(d->ssl, c->context.session) != 1) {
        err = ESTOC_E_CRYPTO;
    } else if (!estoc_dtls_begin(d, now, room)) {
        err = ESTOC_E_MEMORY;
    } else {
        estoc_dtls_handshake(d);
        estoc_dtls_end(d);
        err = d->state == ESTOC_DTLS_HANDSHAKE ? ESTOC_OK : ESTOC_E_CRYPTO;
    }
    if (err) {
        estoc_dtls_free(d);
        ERR_clear_error();
        return err;
    }
    *out = d;
    return ESTOC_OK;
}

estoc_err estoc_dtls_recheck(const estoc_dtls *d, const estoc_blobs *anchors, estoc_why *why)
{
    if (!d->verified || d->context->server) {
        estoc_why_set(why, "no server has been verified yet");
        return ESTOC_E_STATE;
    }
    estoc_blobs chain = {NULL, 0};
    estoc_err err = estoc_dtls_peer_chain(d, &chain);
    if (err) {
        estoc_why_set(why, "%s", estoc_err_text(err));
    } else {
        err = estoc_chain_verify(estoc_blob_slice(d->cert), &chain, anchors, ESTOC_PURPOSE_SERVER,
                                 estoc_unix_s(), why);
    }
    estoc_blobs_free(&chain);
    return err;
}
