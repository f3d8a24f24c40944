/* SPDX-License-Identifier: MIT
 *
 * Requests and answers over a peer: one exchange, or a whole block-wise transfer.
 */
#ifndef ESTOC_TEST_EXCHANGE_H
#define ESTOC_TEST_EXCHANGE_H

#include "peer.h"
#include "wire.h"

enum { ANSWER_MS = 8000, SILENCE_MS = 300 };

/** An answer with the bytes it stands in. */
typedef struct reply {
    wire_msg m;
    uint8_t bytes[DATAGRAM_MAX];
    size_t len;
} reply;

/** A CON request with the peer's next message ID and token; options and payload follow. */
void ask(peer *p, wire_out *o, unsigned method);
/** Send and wait. A separate answer is acknowledged and given as it came (a CON). Fails the test
 *  if there is no well-formed answer that matches in token, and in message ID if piggybacked.      */
void answer_to(peer *p, const wire_out *o, reply *r);
/** Send and expect this code; an error must have a short diagnostic (C4). */
void expect_code(peer *p, const wire_out *o, uint8_t code);
/** Send these bytes and expect nothing back. */
void expect_silence(peer *p, const void *bytes, size_t len);
/** Send these bytes and expect RST of 4 bytes with their message ID. */
void expect_reset(peer *p, const void *bytes, size_t len);
/** The session still answers. */
void expect_alive(peer *p);
/** What the error's payload must be: UTF-8 text, at most 64 bytes, no paths (C4, HC 114). */
void check_diagnostic(const wire_msg *m);

/** A body, a request or an answer. */
typedef struct body {
    uint8_t bytes[16384];
    size_t len;
} body;

typedef struct transfer {
    unsigned method;
    const char *path;
    int format; /* Content-Format of the request; -1: none */
    int accept; /* -1: none */
    const uint8_t *data;
    size_t len;
    int szx; /* both ways; -1: leave it to the server (the request is then one datagram) */
} transfer;

/** The whole of it: Block1, Block2. @return the last code; the body is complete if it is 2.xx.
 *  Checks 2.31s, block numbers, equal Content-Format and ETag on the way. */
uint8_t transact(peer *p, const transfer *t, body *out, reply *last);
/** GET without options: expects 2.05. */
void fetch(peer *p, const char *path, int accept, int szx, body *out);
/** POST a CSR. @return the code */
uint8_t enroll(peer *p, const char *path, const body *csr, int accept, int szx, body *out);

#endif
