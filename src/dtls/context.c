/* SPDX-License-Identifier: MIT
 *
 * What is negotiated, and with which credentials. D1, D8; RFC 7925, RFC 9148 section 3.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>

#include "association.h"
#include "text.h"

/* AES128-CCM8 is off above security level 0. Level 0 lets everything pass, so everything is named. */
#define CIPHERS                                       \
    "ECDHE-ECDSA-AES128-CCM8:ECDHE-ECDSA-AES128-CCM:" \
    "ECDHE-ECDSA-AES128-GCM-SHA256:"                  \
    "ECDHE-ECDSA-CHACHA20-POLY1305:@SECLEVEL=0"
#define GROUPS     "P-256:X25519:P-384"
#define SIGNATURES "ECDSA+SHA256:ECDSA+SHA384:ed25519"

enum {
    PAYLOAD_MIN = 208,       /* D7: an IP datagram of 256 bytes with an IPv6 header */
    CHAIN_BYTES_MAX = 16384, /* of a peer's Certificate message */
    EXT_MASTER_SECRET = 23   /* RFC 7627 section 5.1 */
};

static bool set_rules(SSL_CTX *ctx)
{
    /* No tickets: they travel twice (docs/adr/0002). CBC, the reason for encrypt-then-MAC, is not
     * among the ciphers: 4 bytes less in each hello. */
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_NO_ENCRYPT_THEN_MAC | SSL_OP_CLEANSE_PLAINTEXT);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(ctx, SSL_MODE_NO_AUTO_CHAIN | SSL_MODE_AUTO_RETRY);
    SSL_CTX_set_max_cert_list(ctx, CHAIN_BYTES_MAX);
    return SSL_CTX_set_min_proto_version(ctx, DTLS1_2_VERSION) == 1 &&
           SSL_CTX_set_max_proto_version(ctx, DTLS1_2_VERSION) == 1 &&
           SSL_CTX_set_cipher_list(ctx, CIPHERS) == 1 &&
           SSL_CTX_set1_groups_list(ctx, GROUPS) == 1 &&
           SSL_CTX_set1_sigalgs_list(ctx, SIGNATURES) == 1 &&
           /* no record is larger than a datagram: this is the size of OpenSSL's buffer */
           SSL_CTX_set_max_send_fragment(ctx, ESTOC_DATAGRAM_MAX) == 1;
}

X509 *estoc_dtls_decode(const estoc_dtls_context *c, estoc_slice der)
{
    const unsigned char *p = der.ptr;
    X509 *x = der.len > 0 && der.len <= LONG_MAX ? X509_new_ex(c->lib, NULL) : NULL;
    if (x != NULL && (d2i_X509(&x, &p, (long)der.len) == NULL || p != der.ptr + der.len)) {
        X509_free(x); /* NULL, if it could not be read */
        x = NULL;
    }
    return x;
}

static estoc_err copy_certs(const estoc_blobs *from, estoc_blobs *to)
{
    estoc_err err = ESTOC_OK;
    for (size_t i = 0; !err && from != NULL && i < from->n; i++) {
        err = estoc_blobs_add(to, estoc_blob_slice(from->at[i]));
    }
    return err;
}

static estoc_err add_anchors(const estoc_dtls_context *c, const estoc_blobs *anchors,
                             estoc_why *why)
{
    X509_STORE *store = SSL_CTX_get_cert_store(c->ssl);
    for (size_t i = 0; i < anchors->n; i++) {
        X509 *x = estoc_dtls_decode(c, estoc_blob_slice(anchors->at[i]));
        if (x == NULL) {
            estoc_why_set(why, "trust anchor %zu is not a certificate", i + 1);
            return ESTOC_E_MALFORMED;
        }
        int added = X509_STORE_add_cert(store, x);
        X509_free(x);
        if (added != 1) {
            return ESTOC_E_CRYPTO;
        }
    }
    return ESTOC_OK;
}

/* The root stays at home: whoever trusts it has it. RFC 5246 section 7.4.2 */
static estoc_err add_chain(const estoc_dtls_context *c, const estoc_blobs *chain, estoc_why *why)
{
    SSL_CTX *ctx = c->ssl;
    for (size_t i = 0; i < chain->n; i++) {
        X509 *x = estoc_dtls_decode(c, estoc_blob_slice(chain->at[i]));
        if (x == NULL) {
            estoc_why_set(why, "certificate %zu of the chain cannot be read", i + 1);
            return ESTOC_E_MALFORMED;
        }
        bool root = X509_NAME_cmp(X509_get_subject_name(x), X509_get_issuer_name(x)) == 0;
        bool good = true;
        if (i == 0) {
            good = SSL_CTX_use_certificate(ctx, x) == 1;
        } else if (!root) {
            good = SSL_CTX_add1_chain_cert(ctx, x) == 1;
        }
        X509_free(x);
        if (!good) {
            estoc_why_set(why, "certificate %zu of the chain cannot be used", i + 1);
            return ESTOC_E_KEY;
        }
    }
    return ESTOC_OK;
}

/* OpenSSL signs as a DTLS client with Ed25519, but not as a server: it then finds no shared cipher. */
static estoc_err add_key(SSL_CTX *ctx, const estoc_key *key, bool server, estoc_why *why)
{
    estoc_key_kind kind = key != NULL ? estoc_key_kind_of(key) : ESTOC_KEY_UNKNOWN;
    if (kind != ESTOC_KEY_P256 && kind != ESTOC_KEY_P384 && (server || kind != ESTOC_KEY_ED25519)) {
        estoc_why_set(why, "DTLS needs a key on P-256 or P-384%s", server ? "" : ", or Ed25519");
        return ESTOC_E_KEY;
    }
    if (SSL_CTX_use_PrivateKey(ctx, estoc_key_native(key)) != 1 ||
        SSL_CTX_check_private_key(ctx) != 1) {
        estoc_why_set(why, "the key does not belong to the certificate");
        return ESTOC_E_KEY;
    }
    return ESTOC_OK;
}

/* D8. RFC 7627 section 5.3: a server that asks for the extended master secret aborts without. */
static int on_client_hello(SSL *ssl, int *alert, void *arg)
{
    (void)arg;
    estoc_dtls *d = SSL_get_app_data(ssl);
    const unsigned char *ext, *id;
    size_t len;
    if (SSL_client_hello_get0_ext(ssl, EXT_MASTER_SECRET, &ext, &len) != 1) {
        estoc_why_set(&d->why, "no extended master secret offered");
        *alert = SSL_AD_HANDSHAKE_FAILURE;
        return SSL_CLIENT_HELLO_ERROR;
    }
    len = SSL_client_hello_get0_session_id(ssl, &id);
    return estoc_dtls_hold(d, estoc_slice_of(id, len)) ? SSL_CLIENT_HELLO_RETRY
                                                       : SSL_CLIENT_HELLO_SUCCESS;
}

static estoc_err check_arguments(const estoc_dtls_context *c, const estoc_dtls_credentials *id,
                                 estoc_why *why)
{
    if (c->payload_max < PAYLOAD_MIN) {
        estoc_why_set(why, "datagrams of %zu bytes are too small; %d is the least", c->payload_max,
                      PAYLOAD_MIN);
        return ESTOC_E_USAGE;
    }
    if (c->timeout_ms == 0) {
        estoc_why_set(why, "the time until a flight is repeated must not be 0");
        return ESTOC_E_USAGE;
    }
    if (c->server && id->chain->n == 0) {
        estoc_why_set(why, "the server has no certificate");
        return ESTOC_E_USAGE;
    }
    return ESTOC_OK;
}

static estoc_err fill(estoc_dtls_context *c, const estoc_dtls_credentials *id, estoc_why *why)
{
    c->bio = estoc_dtls_bio();
    /* keys in tokens are OpenSSL's of old, which know its usual context only */
    bool lean = c->server && id->key != NULL && !estoc_key_in_token(id->key);
    c->lib = lean ? estoc_crypto_lean() : NULL;
    c->ssl = SSL_CTX_new_ex(c->lib, NULL, c->server ? DTLS_server_method() : DTLS_client_method());
    if (c->bio == NULL || c->ssl == NULL) {
        return ESTOC_E_MEMORY;
    }
    if (!set_rules(c->ssl)) {
        return ESTOC_E_CRYPTO;
    }
    estoc_err err = add_anchors(c, id->anchors, why);
    err = err ? err : copy_certs(id->expired, &c->expired);
    err = err ? err : copy_certs(id->denied, &c->denied);
    err = err ? err : add_anchors(c, &c->expired, why);
    err = err ? err : estoc_dtls_crls_new(id->crls, SSL_CTX_get_cert_store(c->ssl), &c->crls, why);
    err = err ? err : add_chain(c, id->chain, why);
    if (!err && id->chain->n > 0) {
        err = add_key(c->ssl, id->key, c->server, why);
    }
    /* no names of CAs in the request for a certificate: bytes, and devices have but one */
    SSL_CTX_set_verify(c->ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_cert_verify_callback(c->ssl, estoc_dtls_verify, c);
    if (c->server) {
        SSL_CTX_set_client_hello_cb(c->ssl, on_client_hello, NULL);
        SSL_CTX_set_msg_callback(c->ssl, estoc_dtls_note_scratch);
    }
    return err;
}

estoc_err estoc_dtls_context_init(estoc_dtls_context *c, const estoc_dtls_credentials *id,
                                  estoc_why *why)
{
    why->text[0] = '\0';
    if (c->payload_max > ESTOC_DATAGRAM_MAX) {
        c->payload_max = ESTOC_DATAGRAM_MAX;
    }
    estoc_err err = check_arguments(c, id, why);
    if (!err) {
        ERR_clear_error();
        err = fill(c, id, why);
        ERR_clear_error();
    }
    if (err && why->text[0] == '\0') {
        estoc_why_set(why, "DTLS cannot be set up: %s", estoc_err_text(err));
    }
    return err;
}

void estoc_dtls_context_free(estoc_dtls_context *c)
{
    SSL_SESSION_free(c->session);
    SSL_CTX_free(c->ssl);
    estoc_blobs_free(&c->session_chain);
    estoc_blobs_free(&c->expired);
    estoc_blobs_free(&c->denied);
    estoc_dtls_crls_free(c->crls);
    BIO_meth_free(c->bio);
    free(c->host);
    estoc_wipe(&c->cookies, sizeof c->cookies);
    memset(c, 0, sizeof *c);
}
