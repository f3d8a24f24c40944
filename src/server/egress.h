/* SPDX-License-Identifier: MIT
 *
 * The way out. All datagrams the server sends pass here and are counted; with a budget (`egress`, bits
 * a second for the whole server, IP and UDP headers included) they leave at its pace.
 *
 * Small datagrams (cookies, acknowledgements, Finished, errors) go at once, on credit, or not at all
 * if they belong to no association (D5). Larger ones wait in their association's lane. Associations
 * take turns, of about a datagram's bytes each; of two kinds that wait, handshakes get three parts in
 * four and answers the rest: who waits for an answer has it acknowledged and asks no more, who waits
 * for a handshake asks again after a second.
 *
 * The budget is shared by all workers without a lock; a queue belongs to one of them.
 */
#ifndef ESTOC_EGRESS_H
#define ESTOC_EGRESS_H

#include <stdatomic.h>

#include <estoc/bytes.h>

/** Microseconds, monotonic: milliseconds are too coarse to pace by. */
typedef uint64_t estoc_us;
estoc_us estoc_now_us(void);

#define ESTOC_EGRESS_SMALL     160u     /* bytes of UDP payload that need not wait their turn */
#define ESTOC_EGRESS_HELLO_MS  2000u    /* no new handshakes while more than this waits */
#define ESTOC_EGRESS_ACK_MS    500u     /* larger answers are acknowledged first while this waits */
#define ESTOC_EGRESS_BUSY_MS   10000u   /* requests are told to come later while this waits */
#define ESTOC_EGRESS_LANE_MAX  16384u   /* bytes that wait in one lane */
#define ESTOC_EGRESS_QUEUE_MAX 4194304u /* and in one worker's queue */
#define ESTOC_EGRESS_QUEUE_MS  30000u   /* nor is queued what would leave later than this */

/** Shared by the workers. */
typedef struct estoc_egress {
    _Atomic uint64_t bits;    /* a second; 0: no budget */
    _Atomic uint64_t free_at; /* when all that has left has its time on the wire behind it */
    _Atomic uint64_t waiting; /* bytes in the queues of all workers */
    /* for the log */
    _Atomic uint64_t datagrams, bytes, again_bytes, dropped;
    _Atomic uint64_t first_at, last_at;
} estoc_egress;

/** May a datagram of so many bytes, headers included, leave now? Then it counts.
 *  @param ahead_us  how far it may run ahead of the budget                                         */
bool estoc_egress_take(estoc_egress *e, estoc_us now, size_t bytes, estoc_us ahead_us);
/** Room for a small one. */
bool estoc_egress_take_small(estoc_egress *e, estoc_us now, size_t bytes);
/** How long what is queued now would wait. 0 without a budget. */
uint32_t estoc_egress_wait_ms(const estoc_egress *e, estoc_us now);
/** It has left. @param again  a retransmission */
void estoc_egress_count(estoc_egress *e, estoc_us now, size_t bytes, bool again);
/** One line with all the figures. */
void estoc_egress_log(const estoc_egress *e);

typedef struct estoc_parcel estoc_parcel;

typedef enum estoc_lane_kind {
    ESTOC_LANE_HANDSHAKE,
    ESTOC_LANE_ANSWER,
    ESTOC_LANES
} estoc_lane_kind;

/** What waits of one association. Zeroed: nothing. */
typedef struct estoc_lane {
    estoc_parcel *first, *last;
    struct estoc_lane *before, *behind; /* in the turns of its kind */
    estoc_lane_kind kind;
    uint32_t bytes, turn; /* waiting; sent in this turn */
} estoc_lane;

typedef struct estoc_queue {
    estoc_egress *egress;
    estoc_lane *next[ESTOC_LANES], *last[ESTOC_LANES];
    uint64_t spent[ESTOC_LANES]; /* what each kind has had, weighed */
    size_t bytes;
} estoc_queue;

static inline bool estoc_lane_waits(const estoc_lane *l)
{
    return l->first != NULL;
}
/** A copy of the datagram waits in the lane. @return false: no room, it is dropped and counted */
bool estoc_queue_put(estoc_queue *q, estoc_lane *l, estoc_lane_kind kind, estoc_us now,
                     estoc_slice dg, size_t header, bool again);
/** The next datagram that may leave now, for its lane; it has been counted. The lane must be given
 *  to estoc_queue_left() once it has been sent. @return NULL: none may                              */
estoc_lane *estoc_queue_next(estoc_queue *q, estoc_us now, estoc_slice *dg);
void estoc_queue_left(estoc_queue *q, estoc_lane *l);
/** The association has ended: what waits will not be sent. */
void estoc_queue_drop(estoc_queue *q, estoc_lane *l);
/** When estoc_queue_next() may give something; UINT64_MAX if nothing waits. */
estoc_us estoc_queue_due(const estoc_queue *q);

#endif
