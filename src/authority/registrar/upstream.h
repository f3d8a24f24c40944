/* SPDX-License-Identifier: MIT
 *
 * The client of EST servers over HTTPS (RFC 7030, RFC 8951) that stands behind the registrar: libcurl on
 * a thread of its own. It knows services, the servers each has, and what they said; it keeps nothing,
 * and decides nothing about devices. What a server answers is untrusted: its size is bounded, base64 and
 * MIME are taken off, but whether a certificate fits its request is for the caller to see.
 */
#ifndef ESTOC_UPSTREAM_H
#define ESTOC_UPSTREAM_H

#include <estoc/est.h>

#include "crypto.h"

#define ESTOC_UPSTREAM_URLS      4
#define ESTOC_UPSTREAM_BODY_MAX  262144u /* bytes of an HTTP body; more is no answer */
#define ESTOC_UPSTREAM_RETRY_S   60u /* G1: where a server names no time, or none that can be read */
#define ESTOC_UPSTREAM_RETRY_MAX 86400u /* and no more than this */

/** A service: servers with the same CA behind them, and our credential there. */
typedef struct estoc_upstream {
    const char *name; /* "" for the default; for the log */
    const char
        *url[ESTOC_UPSTREAM_URLS]; /* "https://HOST[:PORT]/.well-known/est", the best first */
    size_t url_n;
    const estoc_blobs *chain; /* our certificate first; may be empty: none is shown */
    const estoc_key *key;
    const estoc_blobs *anchors; /* whom to trust, and nobody else (G1) */
    uint32_t connect_ms;        /* until TLS is there */
    uint32_t answer_ms;         /* until the answer is there, in all */
    bool http1;                 /* HTTP/1.1 only; else HTTP/2 where the server has it */
} estoc_upstream;

typedef struct estoc_upstreams estoc_upstreams;

typedef struct estoc_upstreams_cfg {
    const estoc_upstream *at; /* what it points to must outlive it */
    size_t n;
    uint32_t connections_max; /* to all servers together; 16 if 0 */
    uint32_t queue_max;       /* calls that wait or are under way; 1,024 if 0 */
} estoc_upstreams_cfg;

typedef enum estoc_upstream_op {
    ESTOC_UPSTREAM_CACERTS,
    ESTOC_UPSTREAM_CSRATTRS,
    ESTOC_UPSTREAM_ENROLL,   /* simpleenroll */
    ESTOC_UPSTREAM_REENROLL, /* simplereenroll */
    ESTOC_UPSTREAM_KEYGEN    /* serverkeygen */
} estoc_upstream_op;

/** What came of a call. Valid during the callback only. */
typedef struct estoc_upstream_reply {
    estoc_err err;    /* 0: `body` is there; ESTOC_E_LATER: with `retry_s`; else ESTOC_E_UPSTREAM */
    uint8_t code;     /* with an error: the CoAP code that stands for it (G1) */
    const char *text; /* and what the client may read: static, at most 64 bytes */
    uint32_t retry_s; /* with 5.03 and 4.29: 1 to ESTOC_UPSTREAM_RETRY_MAX */
    unsigned status;  /* of HTTP; 0: there was none */
    bool accepted;    /* 202: the server has the request, and will decide (L2) */
    bool
        uncertain; /* the request may have been carried out: it was sent, and no whole answer came */
    const char *url; /* of the server that was asked last; lives as long as the estoc_upstream */
    estoc_slice
        body;        /* DER: certs-only CMS; CsrAttrs; may be empty for CSRATTRS: none (204, 404) */
    estoc_slice key; /* serverkeygen: as it came, but for its base64; wiped after the callback */
    uint16_t key_format; /* ESTOC_FORMAT_PKCS8 or ESTOC_FORMAT_CMS_KEY */
    int32_t fresh_s;     /* Cache-Control: max-age; -1: not said */
} estoc_upstream_reply;

typedef struct estoc_upstream_call {
    size_t upstream; /* which service: index into cfg.at */
    estoc_upstream_op op;
    const char *label; /* path segment before the operation; "" for none; copied */
    estoc_slice csr;   /* DER; copied */
    const char
        *url; /* this server first, which has seen the request before: compared as a text with
                          those of the service; NULL or another text: no preference */
    const char *about; /* for the log: who it is for; copied */
    void (*done)(void *ctx,
                 const estoc_upstream_reply *reply); /* exactly once, on the client's thread */
    void *ctx;
} estoc_upstream_call;

ESTOC_MUST_USE estoc_err estoc_upstreams_open(const estoc_upstreams_cfg *cfg, estoc_upstreams **out,
                                              estoc_why *why);
/** Any thread. A server that cannot be reached, or that says 503, makes way for the next one; a request
 *  that a server may have carried out is not sent to another.
 *  @return 0, and done() will be called; ESTOC_E_BUSY, ESTOC_E_MEMORY: it will not                 */
ESTOC_MUST_USE estoc_err estoc_upstreams_ask(estoc_upstreams *u, const estoc_upstream_call *call);

/** How a server does, since this client began. */
typedef struct estoc_upstream_state {
    const char *upstream, *url;
    bool up;                    /* the last call came to an answer, whatever it said */
    uint64_t calls, failures;   /* a failure: no answer, a useless one, or 5xx but 503 */
    int64_t ok_at, failed_at;   /* seconds since 1970; 0: never */
    uint32_t median_ms, p99_ms; /* of the last 256 answers */
    unsigned connections;       /* of all services, at this moment; the same in each */
    char why[128];              /* of the last failure */
} estoc_upstream_state;
/** Any thread. */
void estoc_upstreams_each(estoc_upstreams *u,
                          void (*each)(void *ctx, const estoc_upstream_state *s), void *ctx);
/** What is under way ends now, as not answered. */
void estoc_upstreams_hurry(estoc_upstreams *u);
/** As that, then stop and free. NULL is taken. */
void estoc_upstreams_close(estoc_upstreams *u);

#endif
