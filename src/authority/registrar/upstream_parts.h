/* SPDX-License-Identifier: MIT
 *
 * What the files of the upstreams' client share: upstream.c has the queue and the thread, upstream_wire.c
 * libcurl, upstream_answer.c what an answer means, upstream_health.c which server is asked.
 */
#ifndef ESTOC_UPSTREAM_PARTS_H
#define ESTOC_UPSTREAM_PARTS_H

#include <pthread.h>

#include "tls.h"
#include "upstream.h"

#define WHY_MAX     128
#define SAMPLES_MAX 256
enum { FIELD_MAX = 256 }; /* of a header that is looked at */

/* ---- what came over the wire ---- */

/** How an attempt ended. */
typedef enum estoc_upstream_end {
    ESTOC_END_ANSWERED,    /* there is a status, and all of the body that matters */
    ESTOC_END_UNREACHABLE, /* no address, refused, broken before TLS was there */
    ESTOC_END_TLS,         /* the server is not the one we trust, or it does not trust us */
    ESTOC_END_TIMEOUT,     /* before or after it was connected */
    ESTOC_END_BROKEN,      /* in the middle, after it was connected */
    ESTOC_END_LARGE,       /* over the limit */
    ESTOC_END_GARBAGE,     /* no HTTP */
    ESTOC_END_MEMORY,
    ESTOC_END_HURRIED /* by us */
} estoc_upstream_end;

typedef struct estoc_upstream_answer {
    estoc_upstream_end end;
    bool connected; /* and the request began to go out */
    bool sent;      /* all of its body did */
    unsigned status;
    char type[FIELD_MAX];
    char retry_after[FIELD_MAX], date[FIELD_MAX], cache_control[FIELD_MAX];
    uint8_t *body; /* decoded where it is */
    size_t body_len;
    const char *error; /* libcurl's text */
} estoc_upstream_answer;

/** What it means (G1). `r` points into the answer's body, which is decoded there; its url is left alone.
 *  @param[out] why  for the log; "" if nothing failed                                                */
void estoc_upstream_read(estoc_upstream_op op, estoc_upstream_answer *a, estoc_upstream_reply *r,
                         char why[WHY_MAX]);
/** Retry-After: seconds, or an HTTP-date, against the answer's own Date where it has one. */
uint32_t estoc_upstream_retry_s(const char *retry_after, const char *date);
/** Its path segment. */
const char *estoc_upstream_op_name(estoc_upstream_op op);
/** What it accepts. */
const char *estoc_upstream_accept(estoc_upstream_op op);
bool estoc_upstream_is_get(estoc_upstream_op op);

/* ---- servers ---- */

typedef struct estoc_upstream_server {
    const char *url;
    bool out;         /* others first, until then */
    bool unreachable; /* for that reason */
    bool http2;       /* as of the last answer */
    estoc_ms out_until;
    uint32_t backoff_ms;
    unsigned generation; /* connections of another one are not used any more */
    unsigned probes;     /* calls under way that were begun while it was out */
    estoc_upstream_state state;
    uint32_t ms[SAMPLES_MAX]; /* a ring */
    uint64_t answers;
} estoc_upstream_server;

typedef struct estoc_upstream_service {
    const estoc_upstream *cfg;
    size_t index;
    estoc_tls_client *tls;
    estoc_blob anchors; /* PEM */
    estoc_upstream_server at[ESTOC_UPSTREAM_URLS];
    struct call *first, *last; /* that wait */
    size_t calls;              /* that wait or are under way */
    size_t running;
    uint32_t used; /* of the room */
} estoc_upstream_service;

#define NO_SERVER ESTOC_UPSTREAM_URLS
/** The server to ask next.
 *  @param tried     bits of those that were asked already
 *  @param url       liked best, or NULL
 *  @param[in,out] until  made smaller to when it is worth another look
 *  @return index; NO_SERVER: none is left, or none may be asked now                                 */
size_t estoc_upstream_choose(const estoc_upstream_service *s, unsigned tried, const char *url,
                             estoc_ms now, estoc_ms *until);
bool estoc_upstream_all_out(const estoc_upstream_service *s);
/** What an attempt says about its server. @param ms  how long it took */
void estoc_upstream_note(estoc_upstream_server *s, const estoc_upstream_answer *a,
                         const estoc_upstream_reply *r, const char *why, estoc_ms now, uint32_t ms);
void estoc_upstream_median(const uint32_t *ms, size_t n, estoc_upstream_state *state);

/* ---- calls, and their way over the wire ---- */

typedef struct call {
    struct call *next;
    estoc_upstream_service *service;
    size_t server; /* being asked */
    unsigned tried;
    bool probe;
    uint32_t cost;
    estoc_ms begun, deadline; /* of this attempt; of all */
    estoc_upstream_op op;
    void (*done)(void *ctx, const estoc_upstream_reply *reply);
    void *ctx;
    const char *label, *url, *about; /* in `text`; url may be NULL */
    estoc_slice body;                /* base64, likewise */
    char text[];
} estoc_upstream_job;

typedef struct estoc_wires estoc_wires;

/** @param connections_max  to all servers together */
ESTOC_MUST_USE estoc_err estoc_wires_open(uint32_t connections_max, estoc_wires **out);
/** Ask job->server. @return 0, and estoc_wires_next will give it; ESTOC_E_MEMORY */
ESTOC_MUST_USE estoc_err estoc_wires_send(estoc_wires *w, estoc_upstream_job *job, uint32_t ms);
/** Move what can be moved. */
void estoc_wires_run(estoc_wires *w);
/** One that has ended. @param[out] answer  valid until it is given back by estoc_wires_forget
 *  @return NULL: none                                                                               */
estoc_upstream_job *estoc_wires_next(estoc_wires *w, estoc_upstream_answer **answer);
/** One that is under way, and ends now; NULL: none. */
estoc_upstream_job *estoc_wires_stop(estoc_wires *w, estoc_upstream_answer **answer);
void estoc_wires_forget(estoc_wires *w, estoc_upstream_answer *answer);
/** Wait for something to happen. */
void estoc_wires_wait(estoc_wires *w, int ms);
void estoc_wires_wake(estoc_wires *w);                  /* any thread */
unsigned estoc_wires_connections(const estoc_wires *w); /* any thread */
void estoc_wires_close(estoc_wires *w);

#endif
