/* estoc: EST over CoAPS (RFC 9148).  SPDX-License-Identifier: MIT
 *
 * The server's side of CoAP for one DTLS association: deduplication, Block1 assembly, Block2 from a
 * fixed snapshot, piggybacked and separate answers.        RFC 7252 sections 4 and 5, RFC 7959.
 *
 * Drive it: hand each datagram to input(); if state then has REQUEST, decide and call answer(), now
 * or later; after either, call output() until it gives 0 bytes; call output() also at the deadline.
 * Everything here belongs to one association and dies with it: two clients never meet (X7).
 *
 * A secret answer is kept while its client may still ask for it, and no longer. It goes back to its
 * owner, and what was kept of it for duplicates is wiped, when its last block has gone out and then
 * another request comes (a new message ID) that does not ask for a part of it again; where the last
 * block went as a separate response, not before that is acknowledged. In any case
 * ESTOC_SECRET_MS after a part of it last went out, and at close(). A later duplicate gets no answer.
 * Not checked here: who the peer is, and what the body means.
 */
#ifndef ESTOC_RESPONDER_H
#define ESTOC_RESPONDER_H

#include <estoc/block.h>
#include <estoc/coap.h>
#include <estoc/est.h>
#include <estoc/requester.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ESTOC_REQUEST_PATH_MAX  8
#define ESTOC_REQUEST_QUERY_MAX 4
#define ESTOC_REQUEST_ETAG_MAX  4
/** Bytes of options that identify a request: all but Block, Content-Format, Observe and those that
 *  are no cache key (Size, Echo). More: 4.00.                           RFC 7252 section 5.4.6 */
#define ESTOC_REQUEST_KEY_MAX 192

/** A request whose body is complete. Slices live until answer() is called. */
typedef struct estoc_request {
    uint8_t type;            /**< ESTOC_COAP_CON or _NON */
    uint8_t method;          /**< code */
    uint16_t content_format; /**< or ESTOC_FORMAT_NONE */
    uint16_t accept;         /**< or ESTOC_FORMAT_NONE */
    estoc_slice path[ESTOC_REQUEST_PATH_MAX];
    size_t path_n; /**< may exceed the array: then only the first ones are kept */
    estoc_slice query[ESTOC_REQUEST_QUERY_MAX];
    size_t query_n; /**< likewise */
    /** ETags of what the client has; none beside a later block, which is not asked for by condition */
    estoc_slice etag[ESTOC_REQUEST_ETAG_MAX];
    size_t etag_n; /**< at most that many, the first ones */
    estoc_slice body;
} estoc_request;

/** An answer. */
typedef struct estoc_answer {
    uint8_t code;
    uint16_t format;  /**< or ESTOC_FORMAT_NONE */
    estoc_slice body; /**< for an error code: a diagnostic text of at most 64 bytes, copied. Else it
                             must live until answer_put() is called with `owner` */
    void *owner;      /**< passed to answer_put(); NULL: the body is static */
    uint8_t etag[8];
    uint8_t etag_len; /**< 0: none */
    bool has_max_age;
    uint32_t max_age_s;
    bool secret; /**< wiped as soon as it is delivered: see above. Not for error codes */
} estoc_answer;

/** What the responder asks of its owner. All are called from within input(), answer(), output() and
 *  close(); none may call back into the responder.                                                 */
typedef struct estoc_responder_ops {
    /** Called with the first block of each request, before any body is kept, and with a later block
     *  that continues nothing we know: may this method, path and format go on? The request's `body` is not complete. On false, `*refusal`
     *  (zeroed before the call) is sent and the body is not taken. */
    bool (*admit)(void *ctx, const estoc_request *req, estoc_answer *refusal);
    /** Make `*body` at least `need` bytes large and keep what is in it. False: no room now (5.03). */
    bool (*body_room)(void *ctx, size_t need, estoc_buf *body);
    /** The body is no longer needed. */
    void (*body_put)(void *ctx, estoc_buf body);
    /** The answer with this owner is no longer needed. Never called with NULL. */
    void (*answer_put)(void *ctx, void *owner);
} estoc_responder_ops;

typedef struct estoc_responder_cfg {
    const estoc_responder_ops *ops;
    void *ctx;
    estoc_random random;   /**< first message ID and the jitter of retransmissions */
    estoc_transmission tx; /**< of separate responses */
    estoc_buf replies;     /**< room to keep sent replies for duplicates; at least 1,280 bytes */
    size_t message_max;    /**< bytes of CoAP message that fit a datagram of this association; at
                                least ESTOC_RESPONDER_MESSAGE_MIN */
    size_t body_max;       /**< largest request body; 8,192 if 0. More: 4.13 with Size1 */
    uint32_t ack_delay_ms; /**< an answer later than this is separate (L1); 1,000 if 0 */
    uint32_t block_ms;     /**< a body in assembly without a next block for this long is dropped;
                                   247,000 if 0 */
    uint32_t body_ms;      /**< and in any case this long after its first block; 600,000 if 0 */
    uint32_t answer_ms;    /**< a snapshot is kept this long after it was made or last read;
                                247,000 if 0 */
} estoc_responder_cfg;

#define ESTOC_RESPONDER_SEEN 64      /**< message IDs remembered for deduplication */
#define ESTOC_LIFETIME_MS    247000u /**< EXCHANGE_LIFETIME.               RFC 7252 section 4.8.2 */
#define ESTOC_SECRET_MS      93000u  /**< MAX_TRANSMIT_WAIT: a client has given up by then. Ibid. */
/** Room for every option an answer may have and a diagnostic text, or a block of 16 bytes. */
#define ESTOC_RESPONDER_MESSAGE_MIN 96
#define ESTOC_REPLIES_MIN           1280

/* clang-format off */
enum {
    ESTOC_RESPONDER_WANT_SEND = 1, /**< output() has a datagram */
    ESTOC_RESPONDER_REQUEST   = 2  /**< request() tells; answer() is awaited */
};
/* clang-format on */

struct estoc_seen {
    estoc_ms at;
    uint16_t mid;
    uint16_t reply_off, reply_len; /* in cfg.replies; length 0: gone, or none yet */
    bool valid;
    bool acted;  /* reached the owner and is no GET: forgotten last */
    bool acked;  /* got an empty ACK, and a duplicate gets that again, never the answer */
    bool secret; /* the reply is of a secret answer */
};

/* The options that identify a request, to tell whether two messages belong to one. As an option part
 * of its own, which also holds the strings of the request that awaits its answer. */
struct estoc_request_key {
    uint8_t bytes[ESTOC_REQUEST_KEY_MAX];
    uint16_t len;
    uint8_t method;
};

/* Whom an answer goes to, and what was asked about blocks. */
struct estoc_asked {
    uint8_t type;
    uint8_t token[ESTOC_COAP_TOKEN_MAX];
    uint8_t token_len;
    uint16_t mid;
    estoc_block block1, block2;
    bool has_block1, has_block2, has_size2;
    bool acked; /* an empty ACK went out: the answer comes as its own CON */
};

/* The last block of a request's body: a copy of it under a new message ID is known by this (X4). */
struct estoc_final {
    estoc_block block;
    size_t len;
    uint32_t sum;
};

/* An answer being fetched in blocks. Slot 0: GET, slot 1: all others. */
struct estoc_snapshot {
    bool valid;
    bool done;    /* the last block of a secret answer has gone out */
    uint16_t mid; /* of the request it answers */
    estoc_ms expires;
    struct estoc_final final; /* block number 0: none */
    estoc_answer answer;
    struct estoc_request_key key;
};

/* Small fields first: those far from the start cost an instruction more on small machines. */
typedef struct estoc_responder {
    bool assembling;      /* a body: key, body... are its */
    bool awaiting;        /* an answer to the request: request, request_key... are its */
    bool separate_active; /* our own confirmable message: a separate response */
    bool separate_secret;
    bool out_secret, out_last; /* of a secret answer; the end of an answer */
    uint16_t out_len;
    uint16_t next_mid;
    uint16_t seen_next;
    uint16_t replies_next;
    uint16_t body_format;
    uint16_t separate_len;
    uint16_t separate_mid;
    /* the body in assembly */
    size_t body_len;
    estoc_buf body;
    estoc_buf request_body; /* of the request; a body in assembly goes on beside it */
    uint32_t separate_timeout_ms, separate_retransmits;
    estoc_ms now; /* of the call under way */
    estoc_ms body_expires, block_expires;
    estoc_ms ack_due;
    estoc_ms separate_due;
    estoc_responder_cfg cfg;
    estoc_traffic traffic;
    struct estoc_asked asked;
    struct estoc_final request_final;
    estoc_request request;
    struct estoc_request_key request_key;
    struct estoc_request_key key;
    struct estoc_snapshot snapshot[2];
    struct estoc_seen seen[ESTOC_RESPONDER_SEEN];
    uint8_t separate[ESTOC_MESSAGE_MAX];
    uint8_t out[ESTOC_MESSAGE_MAX]; /* what output() gives next */
} estoc_responder;

/** @return 0; ESTOC_E_USAGE (a callback or the random source is missing, message_max or replies too
 *          small); ESTOC_E_RANDOM (first message ID)                                               */
ESTOC_MUST_USE estoc_err estoc_responder_init(estoc_responder *r, const estoc_responder_cfg *cfg);
/** One datagram from the peer, untrusted. While a request awaits its answer, a second one that would
 *  need one too is told 5.03; blocks of earlier answers and duplicates are served.
 *  @return 0 always, unless the responder is misused (ESTOC_E_STATE: input while output is pending,
 *          or after close)                                                                         */
ESTOC_MUST_USE estoc_err estoc_responder_input(estoc_responder *r, estoc_ms now, estoc_slice dg);
unsigned estoc_responder_state(const estoc_responder *r);
/** The request that awaits an answer; NULL if none does. */
const estoc_request *estoc_responder_request(const estoc_responder *r);
/** Answer it. On any return the responder owns `a->owner`.
 *  @return 0; ESTOC_E_STATE if no request waits or output is pending (the owner is put at once)    */
ESTOC_MUST_USE estoc_err estoc_responder_answer(estoc_responder *r, estoc_ms now,
                                                const estoc_answer *a);
/** Acknowledge the request that awaits its answer, which then comes as a message of its own: for an
 *  answer that will be slow to leave (L1). Call output() after it.                                 */
void estoc_responder_acknowledge(estoc_responder *r);
/** What output() gave last has only now left: the wait for its acknowledgement begins here. */
void estoc_responder_restart(estoc_responder *r, estoc_ms now);
/** Next datagram to send, if any. Acknowledges and retransmits what is due at `now`, and gives back
 *  bodies and answers whose time is over.
 *  @param[out] len  0: nothing to send
 *  @return 0; ESTOC_E_SPACE (`out` too small: the datagram stays pending)                          */
ESTOC_MUST_USE estoc_err estoc_responder_output(estoc_responder *r, estoc_ms now, estoc_buf out,
                                                size_t *len);
/** When output() must be called even if nothing arrives; ESTOC_NEVER if not needed, 0 if at once. */
estoc_ms estoc_responder_deadline(const estoc_responder *r);
/** Give back all bodies and answers. The object may be initialised again after that. */
void estoc_responder_close(estoc_responder *r);

#ifdef __cplusplus
}
#endif
#endif
