/* SPDX-License-Identifier: MIT
 *
 * DTLS 1.2 associations over "send this datagram". D1 to D10 of our statements; RFC 6347, RFC 7925.
 * No socket, no thread, no clock in here: datagrams and time come in, datagrams go out through a
 * callback. One association is used by one thread at a time; a server context by any number.
 */
#ifndef ESTOC_DTLS_H
#define ESTOC_DTLS_H

#include "cache.h"
#include "crypto.h"

#define ESTOC_DATAGRAM_MAX 2048 /* bytes of the largest UDP payload sent or received */
#define ESTOC_COOKIE_LEN   16   /* X12: at most 32 */
#define ESTOC_COOKIE_KEY   32   /* bytes of the secret behind it */

typedef struct estoc_dtls estoc_dtls;                   /* one association */
typedef struct estoc_dtls_server estoc_dtls_server;     /* credentials, anchors */
typedef struct estoc_dtls_listener estoc_dtls_listener; /* one per worker: the stateless part */

typedef struct estoc_dtls_out {
    void *ctx;
    void (*send)(void *ctx, estoc_slice datagram);
} estoc_dtls_out;

typedef enum estoc_dtls_state {
    ESTOC_DTLS_HANDSHAKE, /* until Finished of both sides is verified */
    ESTOC_DTLS_OPEN,
    ESTOC_DTLS_CLOSED, /* close_notify came or went */
    ESTOC_DTLS_FAILED  /* alert, refusal or too many retransmissions: estoc_dtls_why tells */
} estoc_dtls_state;

/** What makes the cookies of several nodes one: to each a client may come with another's. */
typedef struct estoc_dtls_cookies {
    uint8_t key[ESTOC_COOKIE_KEY];
    uint64_t offset_ms; /* added to `now` it is the time since 1970, as all nodes have it */
} estoc_dtls_cookies;

typedef struct estoc_dtls_server_cfg {
    const estoc_blobs *chain;   /* server certificate first; copied */
    const estoc_key *key;       /* used while the server lives */
    const estoc_blobs *anchors; /* client trust anchors; copied */
    const estoc_blobs *expired; /* further ones, below which a client's own certificate may have
                                   expired (D6); copied; or NULL */
    const estoc_blobs *denied;  /* certificates of clients that are refused; copied; or NULL */
    const estoc_blobs *crls; /* revocation lists of clients' CAs, each signed by one of the anchors:
                                   who is on one is refused (D6); copied; or NULL */
    size_t payload_max;      /* UDP payload bytes of the largest datagram; 208 and more (D7) */
    uint32_t timeout_ms;     /* first retransmission of a flight; X5 */
    bool let_strangers_in;   /* D4: the key of any certificate is enough for the handshake */
    uint32_t resume_s;       /* how long a session may be resumed; 0: never (D8) */
    estoc_dtls_cache *sessions; /* where they are kept for that; may be other servers' as well, and
                                   outlives all of them; NULL: none is */
    const estoc_dtls_cookies *cookies; /* copied; NULL: those of this process alone */
    /* How many seconds after its end a client's certificate is still taken, whatever its anchor: asked
     * if that is all that is wrong with it, from any thread. NULL: it is not */
    uint32_t (*leeway)(void *ctx, estoc_slice leaf);
    void *leeway_ctx;
    /* Whether a client's certificate that leads to an anchor is revoked: asked in a full handshake, and
     * before a session is resumed, from any thread. It is refused, also where strangers are let in.
     * NULL: none is */
    bool (*revoked)(void *ctx, estoc_slice leaf);
    void *revoked_ctx;
} estoc_dtls_server_cfg;

ESTOC_MUST_USE estoc_err estoc_dtls_server_new(const estoc_dtls_server_cfg *cfg,
                                               estoc_dtls_server **out, estoc_why *why);
/** Whether this client's certificate, which another server has verified, is denied here, or on a list
 *  of its issuer: for associations that are older than the configuration (D8). Any thread.           */
bool estoc_dtls_server_denies(const estoc_dtls_server *s, estoc_slice leaf);
/** What a server makes of a client's certificate. */
typedef struct estoc_dtls_peer {
    bool recognised;      /* it leads to an anchor, and nothing speaks against it */
    bool expired;         /* it is over, which is allowed below some anchors (D6) */
    bool revoked, denied; /* then it is not recognised */
    int64_t good_until;   /* the end of the first certificate in its chain to end; 0: not known */
    estoc_blob trail;     /* as of estoc_dtls_peer_trail */
    estoc_why why;        /* it is not recognised */
} estoc_dtls_peer;
#define ESTOC_JUDGE_MAX 10u /* certificates in a chain */
/** Judge a client's chain as in a handshake, outside of one: who proves that it has the key of the
 *  first is for the caller to see to. Any thread.
 *  @param chain  the client's certificate first, then what it sent with it
 *  @param[out] out  to be freed with estoc_dtls_peer_free in any case
 *  @return 0, whatever comes of it; ESTOC_E_MALFORMED (no certificate, or too many); ESTOC_E_MEMORY */
ESTOC_MUST_USE estoc_err estoc_dtls_server_judge(const estoc_dtls_server *s,
                                                 const estoc_blobs *chain, estoc_dtls_peer *out);
void estoc_dtls_peer_free(estoc_dtls_peer *peer);
/** The caller first frees every listener and association made from it. */
void estoc_dtls_server_free(estoc_dtls_server *s);
ESTOC_MUST_USE estoc_err estoc_dtls_listener_new(estoc_dtls_server *s, estoc_dtls_listener **out);
void estoc_dtls_listener_free(estoc_dtls_listener *l);

/** Whether a datagram begins with a ClientHello in epoch 0: what may open a new association, even
 *  from an address that has one already (D10).                                                     */
bool estoc_dtls_is_client_hello(estoc_slice datagram);

typedef enum estoc_dtls_verdict {
    ESTOC_DTLS_DROP,  /* say nothing, keep nothing */
    ESTOC_DTLS_REPLY, /* send `reply` (HelloVerifyRequest), keep nothing; never longer than `dg` */
    ESTOC_DTLS_ACCEPT /* the cookie is good: `out` is a new association that has taken `dg` in */
} estoc_dtls_verdict;
/** The stateless cookie exchange (D5). A cookie is good at every server of this process (a reload makes
 *  a new one), in the minute of `now` it was made in and in the next. With `cookies` it is good at
 *  every node that has the same, in the minute before, too: their clocks may be that far apart.
 *  @param peer  address bytes the cookie is bound to (IP and port), at most 32
 *  @param[out] reply_len  bytes of the HelloVerifyRequest in `reply` (room: ESTOC_DATAGRAM_MAX)     */
estoc_dtls_verdict estoc_dtls_listen(estoc_dtls_listener *l, estoc_slice peer, estoc_ms now,
                                     estoc_slice dg, estoc_buf reply, size_t *reply_len,
                                     estoc_dtls_out send, estoc_dtls **out);

typedef struct estoc_dtls_client_cfg {
    const estoc_blobs *chain; /* may be empty: then no certificate is offered */
    const estoc_key *key;
    const estoc_blobs *anchors; /* whom to trust as a server */
    const char *host; /* name or address the server must have in its certificate, unless it
                                   has id-kp-cmcRA and `accept_ra`; NULL: not checked (tests only) */
    bool accept_ra;   /* RFC 7030 section 3.6.1: explicit anchors and id-kp-cmcRA */
    size_t payload_max;
    uint32_t timeout_ms;
} estoc_dtls_client_cfg;
/** A client's credentials and anchors, shared by any number of associations. */
typedef struct estoc_dtls_client estoc_dtls_client;
ESTOC_MUST_USE estoc_err estoc_dtls_client_new(const estoc_dtls_client_cfg *cfg,
                                               estoc_dtls_client **out, estoc_why *why);
void estoc_dtls_client_free(estoc_dtls_client *c);
/** Resume this session with each association made from now on, as long as the server agrees.
 *  @param[in] session  of estoc_dtls_session, untrusted; copied
 *  @param[in] anchors  the server's certificate in it must lead to one of them now, and name the host
 *  @return 0; ESTOC_E_MALFORMED; ESTOC_E_UNTRUSTED with `why` filled; ESTOC_E_MEMORY: then there will
 *          be full handshakes                                                                      */
ESTOC_MUST_USE estoc_err estoc_dtls_client_resume(estoc_dtls_client *c, estoc_slice session,
                                                  const estoc_blobs *anchors, estoc_why *why);
/** A new association; sends the first ClientHello at once. */
ESTOC_MUST_USE estoc_err estoc_dtls_connect(estoc_dtls_client *c, estoc_ms now, estoc_dtls_out send,
                                            estoc_dtls **out);

/** One datagram from the peer. What is not valid for this association is silently dropped.
 *  @return the state after it */
estoc_dtls_state estoc_dtls_input(estoc_dtls *d, estoc_ms now, estoc_slice dg);
/** Next application message that input() made available; read all before the next input().
 *  @param[in] out  ESTOC_DATAGRAM_MAX bytes and more  @param[out] len  0: none
 *  @return 0; ESTOC_E_SPACE                                                                        */
ESTOC_MUST_USE estoc_err estoc_dtls_read(estoc_dtls *d, estoc_buf out, size_t *len);
/** One application message as one record in one datagram.
 *  @return 0; ESTOC_E_STATE (not open); ESTOC_E_LIMIT (empty, or over
 *          estoc_dtls_message_max); ESTOC_E_CRYPTO                                                 */
ESTOC_MUST_USE estoc_err estoc_dtls_write(estoc_dtls *d, estoc_slice msg);
/** Nothing more to do for now: OpenSSL's buffers go, 20 KB. They come again with the next call. */
void estoc_dtls_rest(estoc_dtls *d);
/** Nobody has spoken for a while: what OpenSSL keeps of a handshake that is over, and does not need, goes
 *  back to the system, up to 16 KB. It costs more than rest(), when it goes and when it comes again.     */
void estoc_dtls_sleep(estoc_dtls *d);
/** Largest application message that fits one datagram of this association (and its negotiated
 *  maximum fragment length). Valid once open.                                                      */
size_t estoc_dtls_message_max(const estoc_dtls *d);
/** When tick() must be called; ESTOC_NEVER outside a handshake. */
estoc_ms estoc_dtls_deadline(const estoc_dtls *d);
/** What was sent last has only now left: the wait for its answer begins here. */
void estoc_dtls_restart(estoc_dtls *d, estoc_ms now);
estoc_dtls_state estoc_dtls_tick(estoc_dtls *d, estoc_ms now);
estoc_dtls_state estoc_dtls_state_of(const estoc_dtls *d);
/** Whether the peer's certificate leads to an anchor. Server: false at an open association that
 *  `let_strangers_in` allowed, for all of its life; estoc_dtls_why tells the reason (D4).          */
bool estoc_dtls_recognised(const estoc_dtls *d);
/** Server: whether the peer's certificate had expired when it was verified, which is allowed below some
 *  anchors (D6). What it may do is for the owner to decide.                                         */
bool estoc_dtls_expired(const estoc_dtls *d);
/** Whether an open association has resumed an earlier one's session: same peer, same certificate. */
bool estoc_dtls_resumed(const estoc_dtls *d);
/** Client: what a later association needs to resume this session, with the server's chain. A secret;
 *  good for a client with the same certificate only, which the caller sees to.
 *  @return 0 and `out` is the caller's; ESTOC_E_STATE (not open, or the server keeps no sessions);
 *          ESTOC_E_MEMORY                                                                          */
ESTOC_MUST_USE estoc_err estoc_dtls_session(const estoc_dtls *d, estoc_blob *out);
/** Peer's leaf certificate, DER; empty before it is verified. Lives as long as the association. */
estoc_slice estoc_dtls_peer_cert(const estoc_dtls *d);
#define ESTOC_TRAIL_STEP 32 /* bytes */
/** Server: by which certificates the peer's led to an anchor, itself first and the anchor last, a step
 *  each; of a resumed session, in the handshake it began with. Empty: it led to none, or there was no
 *  memory to note it. Lives as long as the association.                                            */
estoc_slice estoc_dtls_peer_trail(const estoc_dtls *d);
/** A certificate as such a step: by its subject and key. @return 0; ESTOC_E_CRYPTO */
ESTOC_MUST_USE estoc_err estoc_dtls_trail_step(const estoc_cert *cert,
                                               uint8_t out[ESTOC_TRAIL_STEP]);
/** Client: check the server's chain again, against new anchors (K1; RFC 9148 section 9.1). */
ESTOC_MUST_USE estoc_err estoc_dtls_recheck(const estoc_dtls *d, const estoc_blobs *anchors,
                                            estoc_why *why);
/** tls-unique of this connection.                     RFC 5929 section 3. @return 0; ESTOC_E_STATE */
ESTOC_MUST_USE estoc_err estoc_dtls_unique(const estoc_dtls *d, estoc_buf out, size_t *len);
/** Why a handshake failed, or the peer is not recognised, in one line ("certificate has expired");
 *  else "".                                                                                        */
const char *estoc_dtls_why(const estoc_dtls *d);
/** Whether it failed because the last flight was not answered, however often it was sent. */
bool estoc_dtls_unanswered(const estoc_dtls *d);
/** Name of the cipher suite, for -v. */
const char *estoc_dtls_cipher(const estoc_dtls *d);
/** Send close_notify if open; in a handshake nothing is said, and it has failed. */
void estoc_dtls_close(estoc_dtls *d);
void estoc_dtls_free(estoc_dtls *d);

#endif
