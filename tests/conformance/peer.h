/* SPDX-License-Identifier: MIT
 *
 * A DTLS peer for the conformance tests: OpenSSL over a UDP socket on loopback, with a hand on every
 * datagram. What OpenSSL wants to send is collected, shown to a hook that may drop, reorder or alter
 * it, and goes out when the peer next waits.
 */
#ifndef ESTOC_TEST_PEER_H
#define ESTOC_TEST_PEER_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

#define DATAGRAM_MAX 2048
#define FLIGHT_MAX   64

typedef struct datagram {
    uint8_t bytes[DATAGRAM_MAX];
    size_t len;
} datagram;

typedef struct flight {
    datagram at[FLIGHT_MAX];
    size_t n;
} flight;

typedef struct peer peer;

typedef struct peer_cfg {
    uint16_t port;    /* of the server, on 127.0.0.1 */
    const char *cert; /* PEM files; NULL: no certificate is shown */
    const char *key;
    X509 *own; /* or these, from memory */
    EVP_PKEY *own_key;
    const char *ta;       /* PEM; NULL: the server is not verified */
    const char *ciphers;  /* default: the four of D1 */
    const char *groups;   /* default: OpenSSL's */
    int max_version;      /* default: DTLS 1.2 */
    unsigned mtu;         /* UDP payload bytes; default 1200 */
    uint8_t max_fragment; /* TLSEXT_max_fragment_length_...; 0: not offered */
    SSL_SESSION *session; /* to be resumed; NULL: none */
    bool no_ems;          /* do not offer the extended master secret */
    bool keep_ticket;     /* offer session tickets (default: not) */
    /* What OpenSSL sends, before it goes out; it may be called with an empty flight. */
    void (*out)(peer *p, flight *f);
    /* What came; false: it never did. */
    bool (*in)(peer *p, const uint8_t *bytes, size_t len);
    void *ctx;
} peer_cfg;

struct peer {
    peer_cfg cfg;
    int fd;
    SSL_CTX *ssl_ctx;
    SSL *ssl;
    flight queue;
    unsigned mid;          /* of the next request */
    unsigned token;        /* of the next request */
    int alert_in;          /* last alert received: level << 8 | description; 0: none */
    bool closed;           /* close_notify or a fatal error came */
    size_t sent, got;      /* UDP payload bytes */
    size_t sent_n, got_n;  /* datagrams */
    size_t longest;        /* datagram received */
    size_t longest_record; /* plaintext or ciphertext bytes in a record received */
    long reading_ms;       /* how long the next read may wait */
};

/** A UDP socket on 127.0.0.1, connected to the port. */
int udp_open(uint16_t port);
/** One datagram, or 0 after the time without any. */
size_t udp_recv(int fd, uint8_t *bytes, size_t room, int timeout_ms);
long long now_ms(void);

/** Makes the socket and the SSL object; nothing is sent. Fails the test if it cannot. */
peer *peer_new(const peer_cfg *cfg);
/** The same socket, so the same address and port, and everything else new. */
peer *peer_again(peer *old, const peer_cfg *cfg);
void peer_free(peer *p);

/** @return whether the handshake completed within the time */
bool peer_handshake(peer *p, int timeout_ms);
/** peer_new and peer_handshake; fails the test if it is refused. */
peer *peer_connect(const peer_cfg *cfg);

/** One record with these bytes, queued and sent. */
void peer_send(peer *p, const void *bytes, size_t len);
/** Next application message. @return its length; 0: none within the time, or closed */
size_t peer_recv(peer *p, uint8_t *bytes, size_t room, int timeout_ms);
/** Send what is queued now. */
void peer_flush(peer *p);
/** A datagram past OpenSSL and the hooks. */
void peer_raw(peer *p, const void *bytes, size_t len);
/** close_notify. */
void peer_close(peer *p);

/** Offsets in a ClientHello alone in its record, without session ID and cookie. */
enum {
    AT_RECORD_SEQ = 5,
    AT_RECORD_LEN = 11,
    AT_MESSAGE_LEN = 14,
    AT_MESSAGE_SEQ = 17,
    AT_FRAGMENT_OFFSET = 19,
    AT_FRAGMENT_LEN = 22,
    AT_RANDOM = 27,
    AT_SESSION = 59,
    AT_COOKIE = 60,
    AT_SUITES = 61
};
/** The first ClientHello OpenSSL would send; no socket involved. @return its length */
size_t client_hello(uint8_t *bytes, size_t room);
/** The same ClientHello with a cookie in it. */
size_t client_hello_cookie(const uint8_t *hello, size_t len, const uint8_t *cookie,
                           size_t cookie_len, uint8_t *out);

/** Walk the handshake messages in the clear of a flight (one message in one fragment).
 *  @return offset of the message of this type in datagram i, from its record header; or -1 */
int flight_find(const flight *f, size_t i, uint8_t type);
/** Length of the record that begins there, header included. */
size_t record_len(const uint8_t *record);

#endif
