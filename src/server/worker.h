/* SPDX-License-Identifier: MIT
 *
 * One thread, its own sockets (SO_REUSEPORT), its own sessions. No lock on a packet's way; the
 * authority's verdicts and the server's wishes come through one queue.
 */
#ifndef ESTOC_WORKER_H
#define ESTOC_WORKER_H

#include <pthread.h>

#include "crowd.h"
#include "limits.h"
#include "plain.h"
#include "session.h"

#define ESTOC_DRAIN_MS 4000u /* a stop waits this long for what is in flight */

typedef struct estoc_worker {
    unsigned number;
    pthread_t thread;
    bool started;
    int sockets[ESTOC_LISTEN_MAX];
    bool ipv6[ESTOC_LISTEN_MAX];
    size_t sockets_n;
    estoc_plain *plain;  /* discovery without DTLS, borrowed; NULL on all workers but one */
    int wake;            /* eventfd */
    estoc_queue queue;   /* what waits to be sent; its budget is the server's */
    estoc_crowd crowd;   /* the table's sessions, by prefix and by identity */
    estoc_limits limits; /* on requests */
    unsigned of;         /* workers in all */
    estoc_table table;
    estoc_dtls_listener *listener;
    estoc_generation *generation;
    estoc_session *spare; /* for the next ClientHello */
    size_t pending;       /* verdicts the authority owes this worker's sessions */
    /* shared with other threads, under the lock */
    pthread_mutex_t lock;
    estoc_late *late_first, *late_last;
    estoc_generation *next_generation;
    bool stop_asked;
    /* */
    estoc_ms stop_by; /* ESTOC_NEVER while serving */
    bool table_full_logged;
} estoc_worker;

/** First of all, on zeroed memory: makes the worker safe to free. */
void estoc_worker_prepare(estoc_worker *w);
/** The sockets are set already; from here on they are the worker's. @return 0; ESTOC_E_MEMORY; ESTOC_E_SYSTEM */
ESTOC_MUST_USE estoc_err estoc_worker_init(estoc_worker *w, estoc_generation *g,
                                           size_t sessions_max);
ESTOC_MUST_USE estoc_err estoc_worker_start(estoc_worker *w);
/** Any thread: a verdict for one of the worker's sessions. */
void estoc_worker_late(estoc_worker *w, estoc_late *late);
/** Any thread: use this generation from now on (takes over the reference). */
void estoc_worker_reload(estoc_worker *w, estoc_generation *g);
/** Any thread: finish what is in flight, close all, end the thread. */
void estoc_worker_stop(estoc_worker *w);
/** After the thread was joined, or was never started. Waits for verdicts still to come. */
void estoc_worker_free(estoc_worker *w);
#endif
