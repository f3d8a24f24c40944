/* SPDX-License-Identifier: MIT
 *
 * Other ends for the client: a scripted server that need not be nice, and a link that loses and
 * alters datagrams. Each is a process of its own, ended by hostile_stop or link_stop.
 */
#ifndef ESTOC_TEST_HOSTILE_H
#define ESTOC_TEST_HOSTILE_H

#include "fixture.h"

typedef enum fault {
    NO_FAULT,
    ETAG_CHANGES, /* from the second block on */
    WRONG_NUM,    /* the second block says it is the first */
    SIZE_GROWS,   /* blocks of 16 bytes, then of 1024 */
    ENDLESS,      /* there is always one more block */
    WRONG_TOKEN,
    WRONG_MID,
    RENEGOTIATE, /* asks for a new handshake after its answer; "renegotiated" if it gets one */
    SILENT       /* no answer at all */
} fault;

/** What is said to a request for a resource; the first that matches and is not used up. */
typedef struct script {
    const char *name; /* last segment of the path */
    uint8_t code;
    int format;          /* -1: none */
    const body *payload; /* NULL: for sen, a certificate for the key of the request */
    int64_t max_age;     /* -1: none */
    unsigned times;      /* 0: always */
    fault fault;
} script;

typedef struct hostile_cfg {
    X509 *cert; /* of the server */
    EVP_PKEY *key;
    X509 *issuer; /* of what it issues */
    EVP_PKEY *issuer_key;
    const script *scripts;
    size_t scripts_n;
    unsigned cookie_len; /* 0: no HelloVerifyRequest */
    const char *root;    /* where the resources are; NULL: everywhere */
} hostile_cfg;

typedef struct hostile {
    pid_t pid;
    char uri[64];
    char log[PATH_LEN];
} hostile;

void hostile_start(hostile *h, const fixture *f, const hostile_cfg *cfg);
void hostile_stop(hostile *h);
/** How many requests for this resource came. */
unsigned hostile_asked(const hostile *h, const char *name);

/** Between the client and a real server. */
typedef struct link_cfg {
    uint16_t to;
    unsigned lose_up, lose_down; /* the datagram of this number, from 1; 0: none */
    bool spoil_key_exchange;     /* alter the signature in ServerKeyExchange */
} link_cfg;
typedef struct test_link {
    pid_t pid;
    char uri[64];
} test_link;
void link_start(test_link *l, const link_cfg *cfg);
void link_stop(test_link *l);

#endif
