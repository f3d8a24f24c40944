/* SPDX-License-Identifier: MIT
 *
 * One association: DTLS, then CoAP, then the EST resources. Lives on one worker; nothing in it
 * outlives it (X7). A late verdict of the authority finds it through the worker's queue.
 */
#ifndef ESTOC_SESSION_H
#define ESTOC_SESSION_H

#include <estoc/responder.h>

#include "crowd.h"
#include "dispatch.h"
#include "dtls.h"
#include "egress.h"
#include "table.h"

#define ESTOC_REPLIES_LEN 2560u /* bytes of sent replies kept for duplicates (C1) */

struct estoc_worker;

/** What it needs once it is spoken to. */
typedef struct estoc_talk {
    estoc_responder responder;
    uint8_t replies[ESTOC_REPLIES_LEN];
} estoc_talk;

/** What a session needs once its handshake is done; on the heap only then. */
typedef struct estoc_open {
    estoc_talk *talk;       /* NULL: nothing came so far */
    uint32_t retransmitted; /* of the responder, as it was when it last sent */
    uint64_t identity;      /* of who has shown its certificate; 0: not recognised */
    int64_t not_after;      /* of the client certificate */
} estoc_open;

typedef struct estoc_session {
    estoc_entry entry; /* first: the table gives entries back */
    struct estoc_worker *worker;
    estoc_generation *generation; /* it began under */
    estoc_generation *serving;    /* the newest, when the request in hand came */
    estoc_dtls *dtls;
    estoc_open *open;
    estoc_member member;      /* half open: of its prefix; then of its identity */
    estoc_lane lane;          /* what waits to be sent */
    estoc_route route;        /* of the request in hand */
    estoc_ms asked_at;        /* when it was handed on */
    uint8_t hello_random[32]; /* of the ClientHello that began it */
    estoc_ms idle_at;         /* closed when nothing has come until then */
    estoc_ms sleep_at; /* made small then; ESTOC_NEVER: it is, or has no handshake behind it */
    unsigned pending;  /* verdicts still to come */
    bool again;        /* what is sent now is a retransmission */
    bool gone;         /* out of the table, kept for its verdicts */
} estoc_session;

/** A verdict on its way from the authority's thread to the worker. */
typedef struct estoc_late {
    struct estoc_late *next;
    estoc_session *session;
    estoc_answer answer; /* owner: heap, or NULL */
    char text[65];       /* an error's diagnostic, what answer.body points to */
    estoc_route route;
} estoc_late;

/** An empty session that holds the generation; NULL if there is no memory. */
estoc_session *estoc_session_new(struct estoc_worker *w, estoc_generation *g);
/** Its `dtls` and path are set, and `hello` is the datagram that began it. */
void estoc_session_begin(estoc_session *s, estoc_ms now, estoc_slice hello);
/** Frees at once, or when the last verdict has come. Not in a table any more. */
void estoc_session_end(estoc_session *s);

/** Whether a datagram is a copy of the ClientHello that began this session. */
bool estoc_session_same_hello(const estoc_session *s, estoc_slice dg);

/** A datagram came. @return false: the session is over, end it */
bool estoc_session_input(estoc_session *s, estoc_ms now, estoc_slice dg);
/** Its deadline came. @return false: the session is over, end it */
bool estoc_session_tick(estoc_session *s, estoc_ms now);
/** A verdict came (the session is not gone). Takes over the answer's owner. */
bool estoc_session_answer(estoc_session *s, estoc_ms now, const estoc_late *late);
/** All that waited has left: time-outs count from here. */
void estoc_session_sent(estoc_session *s, estoc_ms now);
#define ESTOC_SUBJECT_MAX 256u
/** Of the client certificate, for the log. @return out; "" if it cannot be read */
const char *estoc_session_subject(const estoc_session *s, char out[ESTOC_SUBJECT_MAX]);
estoc_ms estoc_session_deadline(const estoc_session *s);
/** Whether something is under way that a clean stop should let finish. */
bool estoc_session_busy(const estoc_session *s, estoc_ms now);

#endif
