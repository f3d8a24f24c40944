/* SPDX-License-Identifier: MIT
 *
 * What of a datagram OpenSSL gets to see. It ends an association for some records that anybody could
 * have sent (one of the next epoch too short for its nonce and tag, application data in the clear), where
 * RFC 6347 section 4.1.2.7 wants invalid ones dropped and the association kept.
 */
#include <string.h>

#include "association.h"

enum {
    CHANGE_CIPHER_SPEC = 20,
    ALERT = 21,
    HANDSHAKE = 22,
    CLIENT_HELLO = 1,
    MESSAGE_HEADER_LEN = 12,
    EARLY_MAX = 16 /* records: OpenSSL keeps each in 17 KB until the handshake is done */
};

bool estoc_dtls_is_client_hello(estoc_slice dg)
{
    const uint8_t *b = dg.ptr;
    return dg.len >= RECORD_HEADER_LEN + MESSAGE_HEADER_LEN && b[0] == HANDSHAKE && b[1] == 254 &&
           b[3] == 0 && b[4] == 0 && b[RECORD_HEADER_LEN] == CLIENT_HELLO;
}

/* One fragment of a handshake message. RFC 6347 section 4.2.2 */
typedef struct fragment {
    uint32_t message_len, offset, len;
} fragment;

static uint32_t read_u24(estoc_reader *r)
{
    uint32_t high = estoc_read_u8(r);
    return high << 16 | estoc_read_u16(r);
}

static fragment read_fragment(estoc_reader *r)
{
    fragment f;
    (void)estoc_read_u8(r); /* type */
    f.message_len = read_u24(r);
    (void)estoc_read_u16(r); /* message_seq */
    f.offset = read_u24(r);
    f.len = read_u24(r);
    (void)estoc_read_bytes(r, f.len);
    if (f.offset + f.len > f.message_len) {
        estoc_reader_fail(r, ESTOC_E_MALFORMED);
    }
    return f;
}

bool estoc_dtls_is_whole_message(estoc_slice dg)
{
    estoc_reader r = estoc_reader_of(estoc_slice_sub(dg, RECORD_HEADER_LEN - 2, dg.len));
    size_t len = estoc_read_u16(&r);
    r = estoc_reader_of(estoc_read_bytes(&r, len));
    fragment f = read_fragment(&r);
    return estoc_reader_end(&r) == ESTOC_OK && f.len == f.message_len;
}

static bool good_fragments(estoc_slice body)
{
    estoc_reader r = estoc_reader_of(body);
    while (!r.err && estoc_reader_left(&r) > 0) {
        (void)read_fragment(&r);
    }
    return !r.err;
}

/* In the clear, so only before the handshake is done, and never data. */
static bool keep_plain(const estoc_dtls *d, uint8_t type, estoc_slice body)
{
    if (d->state != ESTOC_DTLS_HANDSHAKE) {
        return false;
    }
    return type == CHANGE_CIPHER_SPEC || type == ALERT ||
           (type == HANDSHAKE && good_fragments(body));
}

/* Bytes that nonce and tag take, for the suites of D1. RFC 6655 section 3, RFC 5288, RFC 7905 */
static size_t expansion(const SSL_CIPHER *suite)
{
    switch (SSL_CIPHER_get_protocol_id(suite)) {
    case 0xc0ae: /* CCM_8 */
        return 8 + 8;
    case 0xcca9: /* ChaCha20-Poly1305 */
        return 16;
    default:
        return 8 + 16;
    }
}

static bool keep_protected(estoc_dtls *d, estoc_slice body)
{
    const SSL_CIPHER *suite = SSL_get_current_cipher(d->ssl);
    suite = suite != NULL ? suite : SSL_get_pending_cipher(d->ssl);
    if (suite == NULL && d->context->session != NULL) {
        /* a server that resumes sends its Finished with its hello, before the suite is known here */
        suite = SSL_SESSION_get0_cipher(d->context->session);
    }
    if (suite == NULL || body.len < expansion(suite)) {
        return false;
    }
    if (d->state == ESTOC_DTLS_HANDSHAKE) {
        if (d->early >= EARLY_MAX) {
            return false;
        }
        d->early++;
    }
    return true;
}

size_t estoc_dtls_sift(estoc_dtls *d, estoc_slice dg, uint8_t *out)
{
    size_t at = 0, kept = 0;
    while (dg.len - at >= RECORD_HEADER_LEN) {
        const uint8_t *r = dg.ptr + at;
        size_t len = RECORD_HEADER_LEN + ((size_t)r[11] << 8 | r[12]);
        if (len > dg.len - at) {
            break;
        }
        estoc_slice body = estoc_slice_of(r + RECORD_HEADER_LEN, len - RECORD_HEADER_LEN);
        bool plain = r[3] == 0 && r[4] == 0;
        if (plain ? keep_plain(d, r[0], body) : keep_protected(d, body)) {
            memcpy(out + kept, r, len);
            kept += len;
        }
        at += len;
    }
    return kept;
}
