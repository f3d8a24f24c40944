/* SPDX-License-Identifier: MIT
 *
 * What OpenSSL takes for a socket. One read is the one datagram that was given to the association.
 * Writes are put together, record by record, into as few datagrams as they fit in, and go out when the
 * call ends: a flight costs fewer packets, and never one above payload_max (D7). OpenSSL counts the
 * bytes of a datagram without nonce and tag, so it cannot be trusted with the last one of a flight.
 */
#include <string.h>

#include "association.h"

/* OpenSSL takes no MTU under 256 bytes less this; RFC 8200 and RFC 768: 40 and 8. */
enum { IP_UDP_LEN = 48 };

void estoc_dtls_flush(estoc_dtls *d)
{
    if (d->used > 0 && d->out.send != NULL) {
        d->out.send(d->out.ctx, estoc_slice_of(d->room, d->used));
    }
    d->used = 0;
}

static bool put(estoc_dtls *d, const uint8_t *record, size_t len)
{
    if (d->room == NULL || len > d->context->payload_max) {
        return false;
    }
    if (len > d->context->payload_max - d->used) {
        estoc_dtls_flush(d);
    }
    memcpy(d->room + d->used, record, len);
    d->used += len;
    return true;
}

static size_t record_len(const uint8_t *b, size_t left)
{
    size_t len =
        left >= RECORD_HEADER_LEN ? RECORD_HEADER_LEN + ((size_t)b[11] << 8 | b[12]) : left;
    return len < left ? len : left;
}

static int bio_write(BIO *bio, const char *bytes, int len)
{
    estoc_dtls *d = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    const uint8_t *b = (const uint8_t *)bytes;
    size_t left = len > 0 ? (size_t)len : 0;
    while (left > 0) {
        size_t n = record_len(b, left);
        if (!put(d, b, n)) {
            return -1;
        }
        b += n;
        left -= n;
    }
    return len;
}

static int bio_read(BIO *bio, char *bytes, int room)
{
    estoc_dtls *d = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    estoc_slice dg = d->in;
    if (dg.len == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    d->in = (estoc_slice){NULL, 0};
    size_t n = room > 0 && dg.len > (size_t)room ? (size_t)room : dg.len;
    memcpy(bytes, dg.ptr, n);
    return (int)n;
}

static long bio_ctrl(BIO *bio, int cmd, long num, void *ptr)
{
    (void)num;
    estoc_dtls *d = BIO_get_data(bio);
    switch (cmd) {
    case BIO_CTRL_FLUSH: /* at the end of the call, together with what follows */
        return 1;
    case BIO_CTRL_WPENDING:
        return (long)d->used;
    case BIO_CTRL_DGRAM_QUERY_MTU:
    case BIO_CTRL_DGRAM_GET_FALLBACK_MTU:
        return (long)d->context->payload_max;
    case BIO_CTRL_DGRAM_GET_MTU_OVERHEAD:
        return IP_UDP_LEN;
    case BIO_CTRL_DGRAM_SET_NEXT_TIMEOUT:
        estoc_dtls_timer(d, ptr);
        return 1;
    default:
        return 0;
    }
}

BIO_METHOD *estoc_dtls_bio(void)
{
    BIO_METHOD *m = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "datagrams");
    if (m != NULL) {
        BIO_meth_set_write(m, bio_write);
        BIO_meth_set_read(m, bio_read);
        BIO_meth_set_ctrl(m, bio_ctrl);
    }
    return m;
}
