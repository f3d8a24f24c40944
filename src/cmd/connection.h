/* SPDX-License-Identifier: MIT
 *
 * One DTLS association over one UDP socket, and whatever speaks CoAP on it. Nothing here blocks: the
 * caller polls `fd` until the deadline and steps.
 */
#ifndef ESTOC_CONNECTION_H
#define ESTOC_CONNECTION_H

#include <sys/socket.h>

#include <estoc/client.h>

#include "dtls.h"
#include "uri.h"

#define ESTOC_ADDRESSES 4

/** Where a host name leads, in the resolver's order. */
typedef struct estoc_addresses {
    struct sockaddr_storage at[ESTOC_ADDRESSES];
    socklen_t len[ESTOC_ADDRESSES];
    size_t n;
} estoc_addresses;
/** @return 0; ESTOC_E_NOT_FOUND with `why` filled */
ESTOC_MUST_USE estoc_err estoc_resolve(const estoc_uri *uri, estoc_addresses *out, estoc_why *why);

/** A core machine that exchanges CoAP messages, a client or a requester, driven alike. */
typedef struct estoc_machine {
    void *self;
    estoc_err (*input)(void *self, estoc_ms now, estoc_slice dg);
    estoc_err (*output)(void *self, estoc_ms now, estoc_buf out, size_t *len);
    estoc_ms (*deadline)(const void *self);
    const estoc_traffic *(*traffic)(const void *self);
} estoc_machine;
estoc_machine estoc_machine_client(estoc_client *c);
estoc_machine estoc_machine_requester(estoc_requester *q);

/** What went over the wire: datagrams, and their bytes with IP and UDP headers. */
typedef struct estoc_figures {
    uint64_t sent, received;
    uint64_t sent_bytes, received_bytes;
    uint64_t again_bytes; /* sent, and retransmissions */
} estoc_figures;

typedef struct estoc_connection {
    int fd;
    estoc_dtls *dtls;
    size_t header; /* bytes of IP and UDP header before each payload */
    estoc_figures figures;
    estoc_ms heard;         /* when it was opened, or something last came */
    int send_errno;         /* of the last datagram that could not be sent; 0 if it went */
    bool again;             /* what is sent now is a retransmission */
    uint32_t retransmitted; /* by the machine, as it was when it last sent */
    bool refused;           /* the host says that nothing listens on the port */
    void *watch_ctx;        /* sees each CoAP message, and each datagram; may be NULL */
    void (*watch)(void *ctx, bool sent, estoc_slice message);
    void (*watch_datagram)(void *ctx, bool sent, estoc_slice datagram);
} estoc_connection;

/** Open a socket to address `i` and send the first ClientHello. `c` must not be moved until it is
 *  closed. The watcher is kept.
 *  @return 0; ESTOC_E_SYSTEM; what estoc_dtls_connect returns. Closed on failure                   */
ESTOC_MUST_USE estoc_err estoc_connection_open(estoc_connection *c, const estoc_addresses *to,
                                               size_t i, estoc_dtls_client *dtls, estoc_ms now,
                                               estoc_why *why);
/** Take in what has arrived, act on time-outs, send what is due. `m` may be NULL until the
 *  association is open.
 *  @return 0; ESTOC_E_TIMEOUT (nothing listens there, or the handshake was given up unanswered);
 *          ESTOC_E_UNTRUSTED (the handshake failed: estoc_dtls_why tells); ESTOC_E_CLOSED (it was
 *          open, and the server has ended it)                                                      */
ESTOC_MUST_USE estoc_err estoc_connection_step(estoc_connection *c, estoc_ms now,
                                               const estoc_machine *m);
/** When step() must be called even if nothing arrives. */
estoc_ms estoc_connection_deadline(const estoc_connection *c, const estoc_machine *m);
#define ESTOC_PASSWORD_LEN ESTOC_BASE64_LEN(ESTOC_UNIQUE_MAX)
/** The challengePassword that links a request to this association (D9), which is open; empty if it has
 *  none.                                                                RFC 7030 section 3.5          */
estoc_slice estoc_connection_password(const estoc_connection *c, char room[ESTOC_PASSWORD_LEN]);
bool estoc_connection_is_open(const estoc_connection *c);
/** Say goodbye and release everything; the figures stay. */
void estoc_connection_close(estoc_connection *c);

#endif
