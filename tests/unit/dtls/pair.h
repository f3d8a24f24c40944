/* SPDX-License-Identifier: MIT
 *
 * A client and a server in one process, with certificates, a network that loses what the test wants,
 * and a clock that only the test moves.
 */
#ifndef ESTOC_TEST_PAIR_H
#define ESTOC_TEST_PAIR_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "association.h"

/* ---- certificates ---- */

typedef struct credential {
    estoc_key *key;
    EVP_PKEY *foreign; /* instead of it: a key that estoc does not take */
    estoc_blob cert;
} credential;

/** What a certificate is to have; zero means an ordinary device. */
typedef struct cert_cfg {
    const char *cn;
    const credential *issuer; /* NULL: itself */
    estoc_key_kind kind;      /* default P-256 */
    const char *curve;        /* of a foreign key */
    const char *san;          /* "DNS:x,IP:127.0.0.1" */
    const char *key_usage;    /* default digitalSignature, or keyCertSign for a CA; "": none */
    const char *eku;          /* default clientAuth; "": none */
    bool ca, sha1, explicit_curve;
    long from_s, until_s; /* from now; default an hour ago until tomorrow */
} cert_cfg;
credential cred_new(const cert_cfg *cfg);
void cred_free(credential *c);
estoc_blobs blobs_of(const credential *const *list, size_t n);

/* ---- the two ends and what is between them ---- */

enum { UP, DOWN, QUEUE_MAX = 512, LOG_MAX = 256 };

typedef struct datagram {
    int way;
    uint8_t bytes[ESTOC_DATAGRAM_MAX];
    size_t len;
} datagram;

typedef struct pair {
    /* of the test, before pair_open */
    const credential *server_id, *server_chain, *server_anchor;
    const credential *client_id, *client_chain, *client_anchor;
    const char *host;
    const credential *expired_anchor, *denied; /* of the server; or NULL */
    const estoc_blobs *crls;                   /* of the server; or NULL */
    bool accept_ra, let_strangers_in;
    uint32_t leeway_s; /* after the end of a certificate, if not 0 */
    unsigned *leeway_asked;
    const credential *revoked; /* it may change on the way; NULL: none is */
    bool ask_revoked;          /* the server has somebody to ask */
    unsigned revoked_asked;
    size_t payload_max;
    uint32_t timeout_ms;
    uint32_t resume_s; /* of the server */
    size_t resume_max;
    const estoc_dtls_cookies *cookies;
    /* NULL, or: whether this datagram, the n-th of its way from 1 on, arrives */
    bool (*passes)(struct pair *p, int way, size_t n, estoc_slice dg);
    size_t lose[2]; /* for pass_but_one */
    uint32_t seed;  /* for pass_by_chance */
    /* */
    estoc_dtls_cache *sessions;
    estoc_dtls_server *server;
    estoc_dtls_listener *listener;
    estoc_dtls_client *client;
    estoc_dtls *s, *c;
    estoc_ms now;
    uint8_t random[32]; /* of the hello that opened the server's end */
    datagram queue[QUEUE_MAX];
    size_t queued;
    datagram log[LOG_MAX]; /* all that was sent */
    estoc_ms log_at[LOG_MAX];
    size_t logged;
    size_t sent[2];
    size_t longest;
} pair;

/** One device, one server called "server.example" and 127.0.0.1, and one CA over both. */
int pki_set_up(void **state);
int pki_tear_down(void **state);
extern credential ca, other_ca, device, server_cred;

/** Defaults: the credentials above. Free with pair_free. */
pair *pair_new(void);
/** Server and client are made; nothing is sent. */
void pair_prepare(pair *p);
/** A new listener, that knows what was changed in server_ssl(). */
void pair_listen(pair *p);
void pair_connect(pair *p);
/** Deliver and let time pass until nothing is left to happen, or until that time. */
void pair_run(pair *p, estoc_ms until);
/** Deliver only what is under way; no time passes. */
void pair_deliver(pair *p);
/** All of it; fails the test unless both ends are open. */
void pair_open(pair *p);
void pair_free(pair *p);
/** pair_free sees to it that estoc_dtls_server_judge finds what the handshake has found. */
extern bool pair_judges;
SSL_CTX *client_ssl(const pair *p);
SSL_CTX *server_ssl(const pair *p);

bool pass_but_one(pair *p, int way, size_t n, estoc_slice dg);
bool pass_by_chance(pair *p, int way, size_t n, estoc_slice dg);
bool pass_nothing(pair *p, int way, size_t n, estoc_slice dg);

/** The last datagram that went this way is a fatal alert. @return its description */
int alert_of(const pair *p, int way);
/** The server refuses, says why in its log and by an alert, and the client knows. Frees the pair.
 *  @return the alert's description */
int refused(pair *p, const char *why);
/** `text` goes from one end to the other. */
void expect_message(pair *p, estoc_dtls *from, estoc_dtls *to, const char *text);
void expect_alive(pair *p);
void expect_silence(estoc_dtls *d);
uint32_t random_next(uint32_t *s);

extern const estoc_slice address; /* of the client, for cookies */

#endif
