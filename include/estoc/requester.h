/* estoc: EST over CoAPS (RFC 9148).  SPDX-License-Identifier: MIT
 *
 * The client's side of a CoAP exchange: one request at a time (NSTART 1), confirmable, retransmitted
 * with exponential back-off, in blocks both ways, with a separate response if the server is slow.
 * RFC 7252 sections 4 and 5, RFC 7959.
 *
 * Any response is the answer, errors included, but for two that RFC 7959 section 2.9 gives a meaning:
 * 4.08 to a body in blocks sends it once more from its start; 4.13 that leaves room for blocks, or
 * asks for smaller ones, sends it in such.
 *
 * Drive it: start() once; then whenever state has WANT_SEND or the deadline has passed, call
 * output() until it gives 0 bytes; hand each datagram that arrives to input(). Done or failed shows
 * in the state. The object is the caller's memory; its fields are off limits.
 * Not checked here: who the peer is (DTLS does that), and what the body means.
 */
#ifndef ESTOC_REQUESTER_H
#define ESTOC_REQUESTER_H

#include <estoc/coap.h>
#include <estoc/est.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Transmission parameters.                                           RFC 7252 section 4.8 */
typedef struct estoc_transmission {
    uint32_t ack_timeout_ms;    /**< 2,000 */
    uint32_t ack_random_permil; /**< ACK_RANDOM_FACTOR in thousandths: 1,500 */
    uint32_t max_retransmit;    /**< 4 */
    uint32_t
        response_ms; /**< how long to wait for a separate response after an empty ACK; 247,000 */
} estoc_transmission;

/** The RFC's defaults. */
estoc_transmission estoc_transmission_default(void);
/** The first time-out, between ACK_TIMEOUT and ACK_TIMEOUT * ACK_RANDOM_FACTOR: the shortest for
 *  `random` 0, the longest for 65,535.                                    RFC 7252 section 4.2 */
uint32_t estoc_transmission_first_ms(const estoc_transmission *tx, uint16_t random);

#define ESTOC_CALL_PATH_MAX 8
#define ESTOC_MESSAGE_MAX   1280 /**< bytes of the largest CoAP message a requester builds */

/** A request to make. All slices stay the caller's and must live until the exchange ends. */
typedef struct estoc_call {
    uint8_t method;
    uint16_t content_format; /**< of the body, or ESTOC_FORMAT_NONE */
    uint16_t accept;         /**< or ESTOC_FORMAT_NONE */
    estoc_slice body;        /**< empty for GET */
    estoc_buf answer;        /**< room for the whole answer body */
    estoc_slice etag;        /**< of the stored answer, 1 to 8 bytes, or empty */
    estoc_slice query;       /**< one Uri-Query, or empty */
    size_t path_n;
    estoc_slice path[ESTOC_CALL_PATH_MAX]; /**< segments, without slashes */
} estoc_call;

/** What the server said. Slices point into the call's `answer` room or the requester itself. */
typedef struct estoc_reply {
    uint8_t code;
    uint16_t content_format; /**< ESTOC_FORMAT_NONE if absent */
    estoc_slice body;        /**< for an error: the diagnostic text */
    uint32_t max_age_s;      /**< 60 if the option is absent. RFC 7252 section 5.10.5 */
    bool has_max_age;
    uint8_t etag[8];
    uint8_t etag_len;
} estoc_reply;

typedef struct estoc_requester_cfg {
    estoc_random random;
    estoc_transmission tx;
    size_t message_max; /**< bytes of CoAP message that fit the association's datagrams; 64 to
                             ESTOC_MESSAGE_MAX, or 0 for that */
    uint8_t szx;        /**< preferred block size exponent, 0 to 6. Below 6, larger bodies go in
                             blocks of that size, and the server is asked for such from the start; 6:
                             a body that fits message_max goes whole. Lowered to fit message_max */
} estoc_requester_cfg;

/* clang-format off */
enum {
    ESTOC_REQUESTER_WANT_SEND = 1, /**< output() has a datagram */
    ESTOC_REQUESTER_WAITING   = 2, /**< for a datagram or the deadline */
    ESTOC_REQUESTER_DONE      = 4, /**< reply() tells; any code, 4.xx and 5.xx included */
    ESTOC_REQUESTER_FAILED    = 8  /**< error() tells */
};
/* clang-format on */

/** Traffic since init, for figures and progress. */
typedef struct estoc_traffic {
    uint32_t sent, received;             /**< messages */
    uint32_t sent_bytes, received_bytes; /**< CoAP bytes */
    uint32_t retransmitted;              /**< messages */
} estoc_traffic;

/* Small fields first: those far from the start cost an instruction more on small machines. */
typedef struct estoc_requester {
    uint8_t phase; /* requester.c names them */
    uint8_t szx;   /* block size of the body now, after negotiation */
    uint8_t szx2;  /* of the answer */
    bool blockwise1, blockwise2;
    bool restarted; /* the body, after 4.08 */
    bool send_ack, send_rst;
    bool has_last_peer_mid;
    uint8_t token[4]; /* a new one for each message: a late answer never meets the next block */
    uint16_t last_peer_mid; /* of the separate response acknowledged last */
    uint16_t peer_mid;      /* to reset */
    uint16_t mid;
    uint16_t message_len;
    estoc_err err;
    uint32_t timeout_ms; /* current retransmission interval */
    uint32_t retransmits;
    uint32_t sent_off;   /* of the body: where the block in flight starts */
    uint32_t answer_len; /* of the answer: what we have */
    estoc_ms now;        /* of the call under way */
    estoc_ms deadline;   /* retransmit, or give up on a separate response */
    estoc_reply reply;
    estoc_requester_cfg cfg;
    estoc_traffic traffic;
    estoc_call call;
    uint8_t diagnostic[128];
    uint8_t message[ESTOC_MESSAGE_MAX]; /* in flight, for retransmission */
} estoc_requester;

/** @return 0; ESTOC_E_USAGE (no random, a szx or message_max out of range, ack_timeout_ms 0,
 *          ack_random_permil below 1,000); ESTOC_E_RANDOM (first message ID)                       */
ESTOC_MUST_USE estoc_err estoc_requester_init(estoc_requester *q, const estoc_requester_cfg *cfg);
/** Begin a request; an unfinished one is dropped.
 *  @return 0; ESTOC_E_USAGE (no method, too long a path, query, ETag or body: 16 MiB);
 *          ESTOC_E_RANDOM; ESTOC_E_SPACE (the options do not fit message_max). On failure nothing is
 *          in flight                                                                               */
ESTOC_MUST_USE estoc_err estoc_requester_start(estoc_requester *q, estoc_ms now,
                                               const estoc_call *call);
/** One datagram from the peer, untrusted. What does not belong to the exchange is ignored or reset,
 *  as RFC 7252 section 4.2 says.
 *  @return 0 always, unless the exchange failed by it: then that error, also kept for error().
 *          ESTOC_E_RESET; ESTOC_E_OPTION (a critical option that is unknown or repeated; the message
 *          is reset); ESTOC_E_BLOCK (blocks that do not make one body); ESTOC_E_LIMIT (an answer
 *          larger than its room); ESTOC_E_PROTOCOL (2.31 with nothing to continue); ESTOC_E_RANDOM.
 *          What was received of the answer is wiped then                                           */
ESTOC_MUST_USE estoc_err estoc_requester_input(estoc_requester *q, estoc_ms now, estoc_slice dg);
/** Next datagram to send, if any. Time-outs act here.
 *  @param[out] len  0: nothing to send
 *  @return 0; ESTOC_E_SPACE (`out` under message_max); ESTOC_E_TIMEOUT once the exchange is given up */
ESTOC_MUST_USE estoc_err estoc_requester_output(estoc_requester *q, estoc_ms now, estoc_buf out,
                                                size_t *len);
/** When output() must be called even if nothing arrives; ESTOC_NEVER if not needed. */
estoc_ms estoc_requester_deadline(const estoc_requester *q);
unsigned estoc_requester_state(const estoc_requester *q);
/** Never NULL; code 0 unless the exchange is done. */
const estoc_reply *estoc_requester_reply(const estoc_requester *q);
estoc_err estoc_requester_error(const estoc_requester *q);
const estoc_traffic *estoc_requester_traffic(const estoc_requester *q);

#ifdef __cplusplus
}
#endif
#endif
