/* SPDX-License-Identifier: MIT
 *
 * One association, either end. D7, D8, D10, X5; RFC 6347 section 4.2.4, RFC 7925 section 11.
 */
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>

#include "association.h"

enum {
    COPIES_MAX = 5, /* X5: of a flight that is not answered */
    TIMEOUT_MAX_MS = 60000,
    HOLD_MS = 5 /* until a session is looked for again */
};

/* -------------------------------------------------------------------------------- retransmission */

/* OpenSSL measures by the wall clock. Up to 3.1 the time it shows the BIO is the one it compares: put
 * out of reach it never fires by itself, and in the past it fires when we say. From 3.2 on it is a
 * copy, so there OpenSSL's clock has to agree with the caller's. */
#if OPENSSL_VERSION_NUMBER < 0x30200000L && !defined(ESTOC_DTLS_WALL_CLOCK)

static void put_off(estoc_dtls *d, struct timeval *next)
{
    d->openssl_timer = next;
    next->tv_sec = (time_t)1 << 40;
    next->tv_usec = 0;
}

static void make_due(estoc_dtls *d)
{
    d->openssl_timer->tv_sec = 0;
    d->openssl_timer->tv_usec = 1; /* zero would be: not running */
}

static void set_clock(SSL *ssl)
{
    (void)ssl;
}

#else

static void put_off(estoc_dtls *d, struct timeval *next)
{
    (void)d;
    (void)next;
}

static void make_due(estoc_dtls *d)
{
    (void)d;
}

static unsigned wall_timeout(SSL *ssl, unsigned us)
{
    (void)us;
    const estoc_dtls *d = SSL_get_app_data(ssl);
    unsigned ms = d->waiting ? d->timeout_ms : d->context->timeout_ms;
    return ms * 1000u - ms * 10u; /* due when the caller's clock says so, not just after */
}

static void set_clock(SSL *ssl)
{
    DTLS_set_timer_cb(ssl, wall_timeout);
}

#endif

void estoc_dtls_timer(estoc_dtls *d, struct timeval *next)
{
    if (next->tv_sec == 0 && next->tv_usec == 0) {
        d->waiting = false;
        d->deadline = ESTOC_NEVER;
        return;
    }
    put_off(d, next);
    if (!d->waiting) {
        d->waiting = true;
        d->copies = 1;
        d->timeout_ms = d->context->timeout_ms;
        d->deadline = d->now + d->timeout_ms;
    }
}

/* -------------------------------------------------------------------------------- birth and death */

static bool set_up(estoc_dtls *d)
{
    d->ssl = SSL_new(d->context->ssl);
    BIO *bio = d->ssl != NULL ? BIO_new(d->context->bio) : NULL;
    if (bio == NULL) {
        return false;
    }
    BIO_set_data(bio, d);
    BIO_set_init(bio, 1);
    SSL_set_bio(d->ssl, bio, bio);
    if (SSL_set_app_data(d->ssl, d) != 1) { /* HC 277 */
        return false;
    }
    set_clock(d->ssl);
    if (d->context->server) {
        SSL_set_accept_state(d->ssl);
    } else {
        SSL_set_connect_state(d->ssl);
    }
    return true;
}

estoc_err estoc_dtls_new(const estoc_dtls_context *c, estoc_dtls **out)
{
    *out = NULL;
    estoc_dtls *d = calloc(1, sizeof *d);
    if (d == NULL) {
        return ESTOC_E_MEMORY;
    }
    d->context = c;
    d->deadline = ESTOC_NEVER;
    if (!set_up(d)) {
        estoc_dtls_free(d);
        ERR_clear_error();
        return ESTOC_E_MEMORY;
    }
    *out = d;
    return ESTOC_OK;
}

void estoc_dtls_free(estoc_dtls *d)
{
    if (d == NULL) {
        return;
    }
    if (d->ssl != NULL && d->state == ESTOC_DTLS_OPEN) {
        /* an association that just ends is no reason to forget its session. RFC 5246 section 7.2.1 */
        SSL_set_shutdown(d->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    }
    SSL_free(d->ssl);
    estoc_blob_free(&d->cert);
    estoc_blob_free(&d->trail);
    free(d);
}

/* ------------------------------------------------------------------------------------ the states */

static void end_waiting(estoc_dtls *d, estoc_dtls_state state)
{
    d->state = state;
    d->waiting = false;
    d->deadline = ESTOC_NEVER;
}

/* The first reason stands: who set one before knew better. */
static void fail(estoc_dtls *d, const char *text)
{
    if (d->why.text[0] == '\0') {
        estoc_why_set(&d->why, "%s", text);
    }
    end_waiting(d, ESTOC_DTLS_FAILED);
}

/* ----------------------------------------------------------------------------- around each call */

bool estoc_dtls_begin(estoc_dtls *d, estoc_ms now, uint8_t *room)
{
    ERR_clear_error();
    d->now = now;
    d->room = room;
    d->used = 0;
    if (SSL_alloc_buffers(d->ssl) == 1) {
        return true;
    }
    fail(d, "out of memory");
    d->room = NULL;
    ERR_clear_error();
    return false;
}

void estoc_dtls_end(estoc_dtls *d)
{
    estoc_dtls_flush(d);
    d->room = NULL;
    d->in = (estoc_slice){NULL, 0};
    ERR_clear_error();
}

/* They stay if they hold something. */
void estoc_dtls_rest(estoc_dtls *d)
{
    SSL_free_buffers(d->ssl);
}

/* ------------------------------------------------------------------------------- how calls end up */

static void fail_by_library(estoc_dtls *d)
{
    unsigned long e = ERR_peek_last_error();
    int reason = ERR_GET_REASON(e);
    const char *text = ERR_reason_error_string(e);
    if (ERR_GET_LIB(e) == ERR_LIB_SSL && reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE) {
        fail(d, "no certificate");
    } else if (ERR_GET_LIB(e) == ERR_LIB_SSL && reason > SSL_AD_REASON_OFFSET) {
        if (d->why.text[0] == '\0') {
            estoc_why_set(&d->why, "refused by the peer: %s",
                          SSL_alert_desc_string_long(reason - SSL_AD_REASON_OFFSET));
        }
        fail(d, "");
    } else {
        fail(d, text != NULL ? text : "DTLS failed");
    }
}

/* What a result that is no success means for the association. */
static void settle(estoc_dtls *d, int result)
{
    switch (SSL_get_error(d->ssl, result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return;
    case SSL_ERROR_WANT_CLIENT_HELLO_CB:
        d->held = true;
        d->deadline = d->now + HOLD_MS;
        return;
    case SSL_ERROR_ZERO_RETURN:
        if (d->state == ESTOC_DTLS_OPEN) {
            SSL_shutdown(d->ssl); /* close_notify for close_notify */
            end_waiting(d, ESTOC_DTLS_CLOSED);
        } else {
            fail(d, "closed by the peer");
        }
        return;
    default:
        fail_by_library(d);
    }
}

static size_t largest_message(const estoc_dtls *d)
{
    size_t most = DTLS_get_data_mtu(d->ssl);
    uint8_t mode = SSL_SESSION_get_max_fragment_length(SSL_get0_session(d->ssl));
    if (mode >= TLSEXT_max_fragment_length_512 && mode <= TLSEXT_max_fragment_length_4096) {
        size_t fragment = (size_t)256 << mode; /* RFC 6066 section 4 */
        most = fragment < most ? fragment : most;
    }
    return most;
}

void estoc_dtls_handshake(estoc_dtls *d)
{
    if (d->held) {
        d->held = false;
        d->deadline = ESTOC_NEVER;
    }
    int result = SSL_do_handshake(d->ssl);
    if (result != 1) {
        settle(d, result);
    } else if (!estoc_dtls_take_peer(d) || SSL_get_verify_result(d->ssl) != X509_V_OK) {
        fail(d, "no certificate");
    } else if (SSL_get_extms_support(d->ssl) != 1) { /* D8; a server has refused it before */
        SSL_shutdown(d->ssl);
        fail(d, "no extended master secret");
    } else {
        d->verified = true;
        d->message_max = largest_message(d);
        end_waiting(d, ESTOC_DTLS_OPEN);
    }
}

/* -------------------------------------------------------------------------------------- datagrams */

/* Alerts, repeated flights and what else is not for the application; stops at what is. */
static void look(estoc_dtls *d)
{
    uint8_t byte;
    size_t n = 0;
    int result;
    do {
        result = SSL_peek_ex(d->ssl, &byte, sizeof byte, &n);
    } while (result == 1 && n == 0); /* a record may be empty */
    if (result != 1) {
        settle(d, result);
    }
}

estoc_dtls_state estoc_dtls_input(estoc_dtls *d, estoc_ms now, estoc_slice dg)
{
    bool alive = d->state == ESTOC_DTLS_HANDSHAKE || d->state == ESTOC_DTLS_OPEN;
    if (!alive || dg.len == 0 || dg.len > ESTOC_DATAGRAM_MAX) {
        return d->state;
    }
    uint8_t room[ESTOC_DATAGRAM_MAX], sifted[ESTOC_DATAGRAM_MAX];
    size_t len = estoc_dtls_sift(d, dg, sifted);
    if (len > 0 && estoc_dtls_begin(d, now, room)) {
        d->in = estoc_slice_of(sifted, len);
        if (d->state == ESTOC_DTLS_HANDSHAKE) {
            estoc_dtls_handshake(d);
        }
        if (d->state == ESTOC_DTLS_OPEN) {
            look(d);
        }
        estoc_dtls_end(d);
    }
    return d->state;
}

estoc_err estoc_dtls_read(estoc_dtls *d, estoc_buf out, size_t *len)
{
    *len = 0;
    if (d->state != ESTOC_DTLS_OPEN) {
        return ESTOC_OK;
    }
    if (out.cap < ESTOC_DATAGRAM_MAX) {
        return ESTOC_E_SPACE;
    }
    uint8_t room[ESTOC_DATAGRAM_MAX];
    if (estoc_dtls_begin(d, d->now, room)) {
        int result;
        do {
            result = SSL_read_ex(d->ssl, out.ptr, out.cap, len);
        } while (result == 1 && *len == 0);
        if (result != 1) {
            *len = 0;
            settle(d, result);
        }
        estoc_dtls_end(d);
    }
    return ESTOC_OK;
}

estoc_err estoc_dtls_write(estoc_dtls *d, estoc_slice msg)
{
    if (d->state != ESTOC_DTLS_OPEN) {
        return ESTOC_E_STATE;
    }
    if (msg.len == 0 || msg.len > d->message_max) {
        return ESTOC_E_LIMIT;
    }
    uint8_t room[ESTOC_DATAGRAM_MAX];
    bool written = false;
    if (estoc_dtls_begin(d, d->now, room)) {
        size_t n;
        int result = SSL_write_ex(d->ssl, msg.ptr, msg.len, &n);
        written = result == 1;
        if (!written) {
            settle(d, result);
        }
        estoc_dtls_end(d);
    }
    return written ? ESTOC_OK : ESTOC_E_CRYPTO;
}

void estoc_dtls_restart(estoc_dtls *d, estoc_ms now)
{
    if (d->waiting) {
        d->deadline = now + d->timeout_ms;
    }
}

static void go_on(estoc_dtls *d, estoc_ms now)
{
    uint8_t room[ESTOC_DATAGRAM_MAX];
    if (estoc_dtls_begin(d, now, room)) {
        estoc_dtls_handshake(d);
        estoc_dtls_end(d);
    }
}

estoc_dtls_state estoc_dtls_tick(estoc_dtls *d, estoc_ms now)
{
    if (d->held && now >= d->deadline) {
        go_on(d, now);
        return d->state;
    }
    if (d->state != ESTOC_DTLS_HANDSHAKE || !d->waiting || now < d->deadline) {
        return d->state;
    }
    if (d->copies >= COPIES_MAX) {
        d->copies = COPIES_MAX + 1;
        fail(d, "no answer");
        return d->state;
    }
    uint8_t room[ESTOC_DATAGRAM_MAX];
    if (estoc_dtls_begin(d, now, room)) {
        d->copies++;
        d->timeout_ms = d->timeout_ms < TIMEOUT_MAX_MS / 2 ? d->timeout_ms * 2 : TIMEOUT_MAX_MS;
        d->deadline = now + d->timeout_ms;
        make_due(d);
        int result = (int)DTLSv1_handle_timeout(d->ssl);
        if (result < 0) {
            settle(d, result);
        }
        estoc_dtls_end(d);
    }
    return d->state;
}

void estoc_dtls_close(estoc_dtls *d)
{
    if (d->state == ESTOC_DTLS_HANDSHAKE) {
        fail(d, "handshake not finished in time");
    }
    if (d->state != ESTOC_DTLS_OPEN) {
        return;
    }
    uint8_t room[ESTOC_DATAGRAM_MAX];
    if (estoc_dtls_begin(d, d->now, room)) {
        SSL_shutdown(d->ssl);
        end_waiting(d, ESTOC_DTLS_CLOSED);
        estoc_dtls_end(d);
    }
}

/* -------------------------------------------------------------------------------------- questions */

size_t estoc_dtls_message_max(const estoc_dtls *d)
{
    return d->message_max;
}

estoc_ms estoc_dtls_deadline(const estoc_dtls *d)
{
    return d->deadline;
}

estoc_dtls_state estoc_dtls_state_of(const estoc_dtls *d)
{
    return d->state;
}

bool estoc_dtls_expired(const estoc_dtls *d)
{
    return d->verified && d->expired;
}

bool estoc_dtls_resumed(const estoc_dtls *d)
{
    return d->verified && SSL_session_reused(d->ssl) == 1;
}

bool estoc_dtls_recognised(const estoc_dtls *d)
{
    return d->verified && !d->stranger;
}

estoc_slice estoc_dtls_peer_cert(const estoc_dtls *d)
{
    return d->verified ? estoc_blob_slice(d->cert) : estoc_slice_of(NULL, 0);
}

/* The first Finished message of the handshake: the client's, or the server's if it resumed. */
estoc_err estoc_dtls_unique(const estoc_dtls *d, estoc_buf out, size_t *len)
{
    *len = 0;
    if (d->state != ESTOC_DTLS_OPEN) {
        return ESTOC_E_STATE;
    }
    bool by_server = SSL_session_reused(d->ssl) == 1;
    uint8_t finished[EVP_MAX_MD_SIZE];
    size_t n = by_server == d->context->server
                   ? SSL_get_finished(d->ssl, finished, sizeof finished)
                   : SSL_get_peer_finished(d->ssl, finished, sizeof finished);
    estoc_err err = n == 0 || n > sizeof finished ? ESTOC_E_STATE
                    : n > out.cap                 ? ESTOC_E_SPACE
                                                  : ESTOC_OK;
    if (!err) {
        memcpy(out.ptr, finished, n);
        *len = n;
    }
    estoc_wipe(finished, sizeof finished);
    return err;
}

const char *estoc_dtls_why(const estoc_dtls *d)
{
    return d->why.text;
}

bool estoc_dtls_unanswered(const estoc_dtls *d)
{
    return d->state == ESTOC_DTLS_FAILED && d->copies > COPIES_MAX;
}

const char *estoc_dtls_cipher(const estoc_dtls *d)
{
    const char *name = SSL_get_cipher_name(d->ssl);
    return name != NULL ? name : "";
}
