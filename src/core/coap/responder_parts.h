/* SPDX-License-Identifier: MIT
 *
 * The parts of the responder, and what they ask of each other:
 *   responder.c          messages: duplicates, acknowledgements, retransmission, time
 *   responder_request.c  one request taken apart, and what is wrong with it
 *   responder_body.c     what a request asks for: a new body, a block of one, a block of an answer
 *   responder_answer.c   answers written out, whole or in blocks, and kept for further blocks
 */
#ifndef ESTOC_RESPONDER_PARTS_H
#define ESTOC_RESPONDER_PARTS_H

#include <estoc/responder.h>

/** A request taken apart. Slices point into its datagram. */
typedef struct estoc_incoming {
    bool key_fits;
    bool again;    /* a duplicate whose reply is not kept any more */
    uint8_t fault; /* the code it must be answered with; 0: none */
    const char *why;
    uint32_t size1;
    struct estoc_asked asked;
    estoc_request req; /* its body: the payload */
    struct estoc_request_key key;
} estoc_incoming;

/* ------------------------------------------------------------------------- responder_request.c */

/** Options read, judged and gathered. */
void estoc_rsp_read(estoc_incoming *in, const estoc_coap_msg *msg);
/** Path, query and ETag of a request, as slices into `options`. */
void estoc_rsp_strings(estoc_request *req, estoc_slice options);
bool estoc_rsp_same_key(const struct estoc_request_key *a, const struct estoc_request_key *b);

/* ---------------------------------------------------------------------------- responder_body.c */

void estoc_rsp_request(estoc_responder *r, const estoc_incoming *in);
/** A new request has come: secret answers that are delivered, and that it does not ask for, go. */
void estoc_rsp_drop_delivered(estoc_responder *r, const estoc_incoming *in);
/** Give a body in assembly back, if there is one. */
void estoc_rsp_drop_body(estoc_responder *r);

/* -------------------------------------------------------------------------- responder_answer.c */

/** An error of the responder's own. */
void estoc_rsp_refuse(estoc_responder *r, const struct estoc_asked *asked, uint8_t code,
                      const char *why);
/** 2.31: the block is taken, go on. */
void estoc_rsp_continue(estoc_responder *r, const struct estoc_asked *asked);
/** Whole, or the block that is asked for; an error if there is no such block. An answer in blocks
 *  without an ETag gets one (B3).
 *  @return whether there is more of the body than was sent                                        */
bool estoc_rsp_respond(estoc_responder *r, const struct estoc_asked *asked, estoc_answer *a);
/** The snapshot for answers to this method. */
struct estoc_snapshot *estoc_rsp_snapshot(estoc_responder *r, uint8_t method);
void estoc_rsp_drop_snapshot(estoc_responder *r, struct estoc_snapshot *s);
/** An answer is kept, or a part of it went out: from here on its time runs. */
void estoc_rsp_hold(estoc_responder *r, struct estoc_snapshot *s);
/** FNV-1a: tells bodies apart where nobody gains by making two look the same. */
uint32_t estoc_rsp_sum(estoc_slice s);

/* --------------------------------------------------------------------------------- responder.c */

/** An empty ACK or RST. */
void estoc_rsp_empty(estoc_responder *r, uint8_t type, uint16_t mid);
/** What stands in r->out answers the message `mid`: keep it for duplicates. */
void estoc_rsp_keep_reply(estoc_responder *r, uint16_t mid);
/** The entry of a message ID that was seen within its lifetime, or NULL. */
struct estoc_seen *estoc_rsp_seen(estoc_responder *r, uint16_t mid);
/** Wipe the replies kept of secret answers. */
void estoc_rsp_forget_secrets(estoc_responder *r);
/** What stands in r->out is our own CON: send it until it is acknowledged. */
void estoc_rsp_start_separate(estoc_responder *r, uint16_t mid);

/** A time this far away. */
estoc_ms estoc_rsp_after(const estoc_responder *r, uint32_t ms);

#endif
