/* SPDX-License-Identifier: MIT */
#include "peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/err.h>

#define SUITES                                                                      \
    "ECDHE-ECDSA-AES128-CCM8:ECDHE-ECDSA-AES128-CCM:ECDHE-ECDSA-AES128-GCM-SHA256:" \
    "ECDHE-ECDSA-CHACHA20-POLY1305:@SECLEVEL=0"

enum { RECORD_HEADER = 13, RETRANSMIT_US = 250000 };

long long now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

int udp_open(uint16_t port)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

size_t udp_recv(int fd, uint8_t *bytes, size_t room, int timeout_ms)
{
    long long end = now_ms() + timeout_ms;
    for (;;) {
        long long left = end - now_ms();
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (poll(&p, 1, left > 0 ? (int)left : 0) > 0) {
            ssize_t n = recv(fd, bytes, room, MSG_DONTWAIT);
            if (n > 0) {
                return (size_t)n;
            }
        }
        if (left <= 0) {
            return 0;
        }
    }
}

/* The BIO: write collects, read gives what has come. */

static int bio_write(BIO *bio, const char *bytes, int len)
{
    peer *p = BIO_get_data(bio);
    assert_true(len > 0 && len <= DATAGRAM_MAX && p->queue.n < FLIGHT_MAX);
    datagram *d = &p->queue.at[p->queue.n++];
    memcpy(d->bytes, bytes, (size_t)len);
    d->len = (size_t)len;
    return len;
}

static void note_records(peer *p, const uint8_t *b, size_t len)
{
    p->longest = len > p->longest ? len : p->longest;
    while (len >= RECORD_HEADER && record_len(b) <= len) {
        size_t n = record_len(b);
        size_t body = n - RECORD_HEADER;
        p->longest_record = body > p->longest_record ? body : p->longest_record;
        b += n;
        len -= n;
    }
}

static int bio_read(BIO *bio, char *bytes, int room)
{
    peer *p = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    for (;;) {
        ssize_t n = recv(p->fd, bytes, (size_t)room, MSG_DONTWAIT);
        if (n <= 0) {
            BIO_set_retry_read(bio);
            return -1;
        }
        p->got += (size_t)n;
        p->got_n++;
        note_records(p, (const uint8_t *)bytes, (size_t)n);
        if (p->cfg.in == NULL || p->cfg.in(p, (const uint8_t *)bytes, (size_t)n)) {
            return (int)n;
        }
    }
}

static long bio_ctrl(BIO *bio, int cmd, long num, void *ptr)
{
    (void)num;
    (void)ptr;
    const peer *p = BIO_get_data(bio);
    switch (cmd) {
    case BIO_CTRL_FLUSH:
        return 1;
    case BIO_CTRL_DGRAM_QUERY_MTU:
        return p->cfg.mtu;
    case BIO_CTRL_DGRAM_GET_MTU_OVERHEAD:
        return 28; /* IPv4 and UDP; OpenSSL takes no MTU below 256 less this */
    default:
        return 0;
    }
}

static BIO *bio_of(peer *p)
{
    static BIO_METHOD *method;
    if (method == NULL) {
        method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "test datagrams");
        BIO_meth_set_write(method, bio_write);
        BIO_meth_set_read(method, bio_read);
        BIO_meth_set_ctrl(method, bio_ctrl);
    }
    BIO *bio = BIO_new(method);
    BIO_set_data(bio, p);
    BIO_set_init(bio, 1);
    return bio;
}

static void on_info(const SSL *ssl, int where, int value)
{
    peer *p = SSL_get_app_data(ssl);
    if ((where & SSL_CB_READ_ALERT) == SSL_CB_READ_ALERT) {
        p->alert_in = value;
    }
}

/* Short, so that tests that lose datagrams are quick. */
static unsigned on_timer(SSL *ssl, unsigned us)
{
    (void)ssl;
    return us == 0 ? RETRANSMIT_US : us < 2000000 ? us * 2 : us;
}

static void credentials(peer *p)
{
    const peer_cfg *c = &p->cfg;
    if (c->cert != NULL) {
        assert_int_equal(SSL_CTX_use_certificate_chain_file(p->ssl_ctx, c->cert), 1);
        assert_int_equal(SSL_CTX_use_PrivateKey_file(p->ssl_ctx, c->key, SSL_FILETYPE_PEM), 1);
    } else if (c->own != NULL) {
        assert_int_equal(SSL_CTX_use_certificate(p->ssl_ctx, c->own), 1);
        assert_int_equal(SSL_CTX_use_PrivateKey(p->ssl_ctx, c->own_key), 1);
    }
    if (c->ta != NULL) {
        assert_int_equal(SSL_CTX_load_verify_locations(p->ssl_ctx, c->ta, NULL), 1);
        SSL_CTX_set_verify(p->ssl_ctx, SSL_VERIFY_PEER, NULL);
    }
}

static void set_up(peer *p)
{
    const peer_cfg *c = &p->cfg;
    p->ssl_ctx = SSL_CTX_new(DTLS_client_method());
    int version = c->max_version != 0 ? c->max_version : DTLS1_2_VERSION;
    assert_int_equal(SSL_CTX_set_min_proto_version(p->ssl_ctx, DTLS1_VERSION), 1);
    assert_int_equal(SSL_CTX_set_max_proto_version(p->ssl_ctx, version), 1);
    assert_int_equal(SSL_CTX_set_cipher_list(p->ssl_ctx, c->ciphers ? c->ciphers : SUITES), 1);
    if (c->groups != NULL) {
        assert_int_equal(SSL_CTX_set1_groups_list(p->ssl_ctx, c->groups), 1);
    }
    if (c->max_fragment != 0) {
        assert_int_equal(SSL_CTX_set_tlsext_max_fragment_length(p->ssl_ctx, c->max_fragment), 1);
    }
    SSL_CTX_set_options(p->ssl_ctx, SSL_OP_NO_QUERY_MTU);
    if (!c->keep_ticket) {
        SSL_CTX_set_options(p->ssl_ctx, SSL_OP_NO_TICKET);
    }
    if (c->no_ems) {
        SSL_CTX_set_options(p->ssl_ctx, SSL_OP_NO_EXTENDED_MASTER_SECRET);
    }
    credentials(p);
    p->ssl = SSL_new(p->ssl_ctx);
    if (c->session != NULL) {
        assert_int_equal(SSL_set_session(p->ssl, c->session), 1);
    }
    BIO *bio = bio_of(p);
    SSL_set_bio(p->ssl, bio, bio);
    SSL_set_app_data(p->ssl, p);
    SSL_set_info_callback(p->ssl, on_info);
    DTLS_set_timer_cb(p->ssl, on_timer);
    SSL_set_mtu(p->ssl, (long)c->mtu);
    SSL_set_connect_state(p->ssl);
}

static peer *peer_on(int fd, const peer_cfg *cfg)
{
    peer *p = calloc(1, sizeof *p);
    assert_non_null(p);
    p->cfg = *cfg;
    p->cfg.mtu = cfg->mtu != 0 ? cfg->mtu : 1200;
    p->fd = fd;
    p->mid = (unsigned)getpid() & 0xffff;
    p->token = 0x1000;
    set_up(p);
    return p;
}

peer *peer_new(const peer_cfg *cfg)
{
    return peer_on(udp_open(cfg->port), cfg);
}

peer *peer_again(peer *old, const peer_cfg *cfg)
{
    int fd = old->fd;
    old->fd = -1;
    peer_free(old);
    return peer_on(fd, cfg);
}

void peer_free(peer *p)
{
    if (p == NULL) {
        return;
    }
    SSL_free(p->ssl);
    SSL_CTX_free(p->ssl_ctx);
    if (p->fd >= 0) {
        close(p->fd);
    }
    free(p);
    ERR_clear_error();
}

void peer_raw(peer *p, const void *bytes, size_t len)
{
    ssize_t n = send(p->fd, bytes, len, 0);
    if (n < 0 && errno == ECONNREFUSED) {
        n = send(p->fd, bytes, len, 0); /* the error belonged to an earlier datagram */
    }
    p->sent += len;
    p->sent_n++;
}

void peer_flush(peer *p)
{
    if (p->cfg.out != NULL) {
        p->cfg.out(p, &p->queue);
    }
    for (size_t i = 0; i < p->queue.n; i++) {
        if (p->queue.at[i].len > 0) {
            peer_raw(p, p->queue.at[i].bytes, p->queue.at[i].len);
        }
    }
    p->queue.n = 0;
}

/* Wait for a datagram, until the deadline or DTLS's own retransmission time. */
static void wait_for_datagram(peer *p, long long end)
{
    struct timeval tv;
    long long left = end - now_ms();
    if (DTLSv1_get_timeout(p->ssl, &tv)) {
        long long dtls = tv.tv_sec * 1000LL + tv.tv_usec / 1000 + 1;
        left = dtls < left ? dtls : left;
    }
    struct pollfd fd = {.fd = p->fd, .events = POLLIN};
    if (poll(&fd, 1, left > 0 ? (int)left : 0) == 0) {
        DTLSv1_handle_timeout(p->ssl);
        peer_flush(p);
    }
}

bool peer_handshake(peer *p, int timeout_ms)
{
    long long end = now_ms() + timeout_ms;
    do {
        ERR_clear_error();
        int ok = SSL_do_handshake(p->ssl);
        peer_flush(p);
        if (ok == 1) {
            return true;
        }
        if (SSL_get_error(p->ssl, ok) != SSL_ERROR_WANT_READ) {
            p->closed = true;
            return false;
        }
        wait_for_datagram(p, end);
    } while (now_ms() < end);
    return false;
}

peer *peer_connect(const peer_cfg *cfg)
{
    peer *p = peer_new(cfg);
    assert_true(peer_handshake(p, 10000));
    return p;
}

void peer_send(peer *p, const void *bytes, size_t len)
{
    ERR_clear_error();
    assert_int_equal(SSL_write(p->ssl, bytes, (int)len), (int)len);
    peer_flush(p);
}

size_t peer_recv(peer *p, uint8_t *bytes, size_t room, int timeout_ms)
{
    long long end = now_ms() + timeout_ms;
    while (!p->closed) {
        ERR_clear_error();
        int n = SSL_read(p->ssl, bytes, (int)room);
        peer_flush(p);
        if (n > 0) {
            return (size_t)n;
        }
        if (SSL_get_error(p->ssl, n) != SSL_ERROR_WANT_READ) {
            p->closed = true;
        } else if (now_ms() >= end) {
            return 0;
        } else {
            wait_for_datagram(p, end);
        }
    }
    return 0;
}

void peer_close(peer *p)
{
    ERR_clear_error();
    SSL_shutdown(p->ssl);
    peer_flush(p);
}

size_t client_hello(uint8_t *bytes, size_t room)
{
    peer *p = peer_on(-1, &(peer_cfg){.port = 0});
    SSL_do_handshake(p->ssl);
    assert_int_equal(p->queue.n, 1);
    size_t len = p->queue.at[0].len;
    assert_true(len <= room);
    memcpy(bytes, p->queue.at[0].bytes, len);
    p->queue.n = 0;
    peer_free(p);
    return len;
}

static void add16(uint8_t *at, size_t n)
{
    size_t v = ((size_t)at[0] << 8 | at[1]) + n;
    at[0] = (uint8_t)(v >> 8);
    at[1] = (uint8_t)v;
}

size_t client_hello_cookie(const uint8_t *hello, size_t len, const uint8_t *cookie,
                           size_t cookie_len, uint8_t *out)
{
    /* record header 13, handshake header 12, version 2, random 32, session ID, cookie */
    size_t at = 13 + 12 + 2 + 32;
    at += 1u + hello[at];
    assert_int_equal(hello[at], 0);
    memcpy(out, hello, at);
    out[at] = (uint8_t)cookie_len;
    memcpy(out + at + 1, cookie, cookie_len);
    memcpy(out + at + 1 + cookie_len, hello + at + 1, len - at - 1);
    add16(out + 11, cookie_len);     /* record length */
    add16(out + 14 + 1, cookie_len); /* message length, low 16 bits */
    add16(out + 22 + 1, cookie_len); /* fragment length, low 16 bits */
    out[10]++;                       /* record sequence number */
    out[18]++;                       /* message_seq */
    return len + cookie_len;
}

size_t record_len(const uint8_t *record)
{
    return RECORD_HEADER + ((size_t)record[11] << 8 | record[12]);
}

int flight_find(const flight *f, size_t i, uint8_t type)
{
    const datagram *d = &f->at[i];
    for (size_t at = 0; at + RECORD_HEADER < d->len; at += record_len(d->bytes + at)) {
        const uint8_t *r = d->bytes + at;
        bool plain = r[3] == 0 && r[4] == 0;
        if (plain && r[0] == 22 && r[RECORD_HEADER] == type) {
            return (int)at;
        }
    }
    return -1;
}
