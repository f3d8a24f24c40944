/* SPDX-License-Identifier: MIT
 *
 * For tests that are about what is said over an association: the device "dev", connected anew for
 * each test to the server of the group.
 */
#ifndef ESTOC_TEST_DEVICE_H
#define ESTOC_TEST_DEVICE_H

#include "fixture.h"

#define EST "/.well-known/est"

extern const fixture *server;
extern peer *dev;

int connect_dev(void **state);
int drop_dev(void **state);
#define OVER_DTLS(name, function)                   \
    {                                               \
        name, function, connect_dev, drop_dev, NULL \
    }

/** GET /crts, without a payload; more options may follow. */
void get_crts(wire_out *o);
/** POST /sen in one message. */
void post_sen(wire_out *o, const body *csr);
/** A request for the device itself, for a key nobody keeps. */
void fresh_csr(body *csr);

/** One block of a body to /sen, alone. */
typedef struct piece {
    peer *p;          /* default: dev */
    const char *path; /* default: /sen */
    int accept;       /* 0: none */
    const char *tag;  /* Request-Tag */
    const uint8_t *at;
    size_t len;
    unsigned num, szx;
    bool more;
} piece;
/** @return the code of the answer, whose diagnostic is checked if it is an error */
uint8_t put_block(const piece *b, reply *r);
/** Block `num` of 64 bytes of a request, as it should be. */
uint8_t put64(const body *csr, unsigned num, reply *r);
uint8_t get_block(const char *path, unsigned num, unsigned szx, reply *r);

#endif
