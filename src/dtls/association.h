/* SPDX-License-Identifier: MIT
 *
 * Inside of src/dtls: what its files share. OpenSSL stays in here.
 */
#ifndef ESTOC_DTLS_ASSOCIATION_H
#define ESTOC_DTLS_ASSOCIATION_H

#include <sys/time.h>

#include <openssl/ssl.h>

#include "dtls.h"

enum { RECORD_HEADER_LEN = 13 }; /* type, version, epoch, sequence number, length */

typedef struct estoc_dtls_crls estoc_dtls_crls;

/** What every association of one server, or of one client, has in common. */
typedef struct estoc_dtls_context {
    void *lib; /* OSSL_LIB_CTX; NULL: the usual one */
    SSL_CTX *ssl;
    BIO_METHOD *bio;
    bool server;
    size_t payload_max;
    uint32_t timeout_ms;
    char *host; /* client only; NULL: not checked */
    bool accept_ra;
    /* server only */
    estoc_blobs expired; /* anchors */
    estoc_blobs denied;
    estoc_dtls_crls *crls; /* NULL: none */
    bool let_strangers_in;
    uint32_t (*leeway)(void *ctx, estoc_slice leaf);
    void *leeway_ctx;
    bool (*revoked)(void *ctx, estoc_slice leaf);
    void *revoked_ctx;
    uint32_t resume_s;
    estoc_dtls_cache *sessions; /* borrowed; NULL: none are kept */
    estoc_dtls_cookies cookies;
    bool cookies_shared;
    /* client only */
    SSL_SESSION *session;      /* to be resumed, or NULL */
    estoc_blobs session_chain; /* what the server sent with its certificate in the full handshake */
} estoc_dtls_context;

typedef struct estoc_dtls_credentials {
    const estoc_blobs *chain; /* may be empty at a client */
    const estoc_key *key;
    const estoc_blobs *anchors;
    const estoc_blobs *expired, *denied, *crls; /* or NULL */
} estoc_dtls_credentials;

/** `server`, `payload_max` and `timeout_ms` are set. @return 0; ESTOC_E_USAGE; ESTOC_E_KEY;
 *  ESTOC_E_MALFORMED (a certificate); ESTOC_E_CRYPTO. To be freed in any case                      */
ESTOC_MUST_USE estoc_err estoc_dtls_context_init(estoc_dtls_context *c,
                                                 const estoc_dtls_credentials *id, estoc_why *why);
void estoc_dtls_context_free(estoc_dtls_context *c);

/** A certificate, in the context's library. @return NULL: it is none, or there is no memory */
X509 *estoc_dtls_decode(const estoc_dtls_context *c, estoc_slice der);

struct estoc_dtls {
    const estoc_dtls_context *context;
    SSL *ssl;
    estoc_dtls_out out; /* send is NULL while the address is not verified */
    estoc_dtls_state state;
    bool verified;      /* that the peer holds the key of its certificate: a complete handshake */
    bool expired;       /* its certificate, and that was let pass: D6 */
    bool stranger;      /* and the certificate leads to no anchor: D4 */
    bool revoked;       /* it is: it makes no stranger either */
    size_t message_max; /* 0 before */
    uint64_t question;  /* about the session it names; 0: none so far */
    estoc_ms ask_until; /* an answer is waited for */
    bool address_good;  /* its cookie came back */
    bool held;          /* until then, or `deadline`, the handshake stands still */
    unsigned early;     /* records of the next epoch taken in during the handshake */
    estoc_blob cert;    /* the peer's */
    estoc_blob trail;   /* server: by which certificates it led to an anchor */
    int64_t good_until; /* the end of the first certificate in its chain to end; 0: not known */
    estoc_why why;
    /* during a call */
    estoc_ms now;
    estoc_slice in;      /* the datagram to be read next, or empty */
    void *scratch;       /* where OpenSSL puts handshake messages together; NULL: not known */
    uint8_t *room;       /* payload_max bytes where the next datagram is put together */
    size_t used;         /* of it */
    estoc_slice address; /* what a cookie is bound to, while listening */
    /* the flight that waits for an answer */
    bool waiting;
    unsigned copies; /* sent of it */
    uint32_t timeout_ms;
    estoc_ms deadline;
    struct timeval *openssl_timer;
};

ESTOC_MUST_USE estoc_err estoc_dtls_new(const estoc_dtls_context *c, estoc_dtls **out);
/** Around every use of OpenSSL: `room` has ESTOC_DATAGRAM_MAX bytes and lives until the end.
 *  @return false: out of memory, the association has failed, and there is nothing to end          */
ESTOC_MUST_USE bool estoc_dtls_begin(estoc_dtls *d, estoc_ms now, uint8_t *room);
void estoc_dtls_end(estoc_dtls *d);
/** As far as the handshake goes with what has come. */
void estoc_dtls_handshake(estoc_dtls *d);
/** OpenSSL starts (again) or stops (zero) waiting for an answer to a flight. */
void estoc_dtls_timer(estoc_dtls *d, struct timeval *next);

/** SSL_CTX_set_msg_callback: notes `scratch`. */
void estoc_dtls_note_scratch(int written, int version, int type, const void *bytes, size_t len,
                             SSL *ssl, void *arg);

/** The BIO under every association: datagrams, no socket. NULL: no memory */
BIO_METHOD *estoc_dtls_bio(void);
/** Send what was put together, if anything. */
void estoc_dtls_flush(estoc_dtls *d);

/** The records of a datagram that may be read in this state, into `out` (room for all). */
size_t estoc_dtls_sift(estoc_dtls *d, estoc_slice dg, uint8_t *out);
/** Whether the first record holds one handshake message, in one piece. */
bool estoc_dtls_is_whole_message(estoc_slice dg);

/** SSL_CTX_set_cert_verify_callback; arg is the context. */
int estoc_dtls_verify(X509_STORE_CTX *store, void *arg);

/** Lists in DER, each signed by one of the anchors. @param[out] out  NULL if there are none
 *  @return 0; ESTOC_E_MALFORMED, ESTOC_E_UNTRUSTED, ESTOC_E_UNSUPPORTED, `why` is filled;
 *          ESTOC_E_MEMORY                                                                          */
ESTOC_MUST_USE estoc_err estoc_dtls_crls_new(const estoc_blobs *lists, X509_STORE *anchors,
                                             estoc_dtls_crls **out, estoc_why *why);
void estoc_dtls_crls_free(estoc_dtls_crls *crls);
/** @param crls  or NULL  @param chain  to an anchor  @return the first that is on a list, or NULL */
X509 *estoc_dtls_crls_find(const estoc_dtls_crls *crls, STACK_OF(X509) * chain);

/** Whether a list of an issuer of that name has it, where the chain is not at hand any more. */
bool estoc_dtls_crls_name(const estoc_dtls_crls *crls, const X509 *x);

struct estoc_dtls_server {
    estoc_dtls_context context;
};

struct estoc_dtls_client {
    estoc_dtls_context context;
};
/** What the peer sent with its certificate, in this handshake or in the one it resumes. */
ESTOC_MUST_USE estoc_err estoc_dtls_peer_chain(const estoc_dtls *d, estoc_blobs *chain);
/** Whether a server with this certificate is the one meant. RFC 7030 section 3.6.1 */
bool estoc_dtls_is_host(const estoc_dtls_context *c, const estoc_cert *cert);

#define ESTOC_TRUST_LEN 32
/** What tells servers apart that would not let the same clients in: a digest of their anchors, of
 *  who is denied and of revocation lists, in whatever order. A session of one is none to the other (D8).
 *  @return 0; ESTOC_E_MEMORY; ESTOC_E_CRYPTO                                                       */
ESTOC_MUST_USE estoc_err estoc_dtls_trust(const estoc_dtls_credentials *id,
                                          uint8_t out[ESTOC_TRUST_LEN]);
/** A server that lets sessions be resumed, if `resume_s` and `sessions` are set.
 *  @return 0; ESTOC_E_MEMORY; ESTOC_E_CRYPTO                                                       */
ESTOC_MUST_USE estoc_err estoc_dtls_keep_sessions(estoc_dtls_context *c,
                                                  const estoc_dtls_credentials *id);
#define ESTOC_TRAIL_MAX (10 * ESTOC_TRAIL_STEP) /* bytes */
/** Note by which certificates a peer's has led to an anchor. @param[out] out  the caller's */
void estoc_dtls_note_trail(STACK_OF(X509) * chain, estoc_blob *out);
/** The same from a session that is resumed. @return false: it is none, or there is no memory */
bool estoc_dtls_take_trail(estoc_dtls *d, estoc_slice steps);
/** Whether the ClientHello names a session that another node may have: then the handshake waits for
 *  what is on its way from there, a moment at most.                                                */
bool estoc_dtls_hold(estoc_dtls *d, estoc_slice id);
/** The peer of a resumed session, from the full handshake. @return false: it was not kept */
bool estoc_dtls_take_peer(estoc_dtls *d);

#endif
