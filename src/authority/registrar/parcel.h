/* SPDX-License-Identifier: MIT
 *
 * One enrollment on its way through the registrar: examined, sent upstream, taken back, answered.
 */
#ifndef ESTOC_PARCEL_H
#define ESTOC_PARCEL_H

#include <estoc/coap.h>

#include "policy.h"
#include "registrar.h"
#include "relay.h"

/** What the store is told about it. */
typedef enum estoc_fate {
    ESTOC_FATE_NONE, /* nothing */
    ESTOC_FATE_PUT,  /* `relay` as it is */
    ESTOC_FATE_DROP  /* there is none: refused, or never sent */
} estoc_fate;

typedef struct estoc_parcel {
    struct estoc_parcel *next;
    struct estoc_parcel *back; /* the next of those that have a reply */
    bool came;                 /* it is one of those */
    void *registrar;           /* whose it is */
    estoc_op op;
    const estoc_errand *errand;
    estoc_slice client_cert, csr, unique;
    const char *peer;
    void (*done)(void *ctx, const estoc_verdict *verdict);
    void *ctx;
    estoc_ms began;
    /* examined */
    bool parsed; /* the client's certificate: `subject` is known */
    estoc_petition petition;
    estoc_cert client;
    estoc_grant grant;
    estoc_relay relay; /* its name, and what is to stand in the store */
    char subject[512];
    char issuer[256]; /* of the client's certificate */
    char url[256];    /* of the server that has the request, or was asked last; or "" */
    bool waited;      /* the store has it as WAITING */
    /* to be sent, where it is not `csr`: the key is made here */
    estoc_blob request;
    estoc_blob made;
    uint16_t made_format;
    /* what came back, until it is taken in */
    estoc_upstream_reply reply; /* its slices are those of the next two */
    estoc_blob body, key;
    /* the outcome */
    estoc_err err;
    uint8_t code; /* 0: that of the error */
    uint32_t retry_s;
    estoc_ruling ruling;
    char said[65];
    estoc_blob cert;
    char serial[2 * ESTOC_SERIAL_MAX + 1];
    bool again; /* E6: it was issued before */
    estoc_fate fate;
    bool answered;   /* the device was told to come again, or left */
    uint8_t bytes[]; /* what the slices and `peer` point to */
} estoc_parcel;

typedef struct estoc_parcels {
    estoc_parcel *first, *last;
    size_t n;
} estoc_parcels;
void estoc_parcels_put(estoc_parcels *list, estoc_parcel *p);
/** @return NULL: there is none */
estoc_parcel *estoc_parcels_take(estoc_parcels *list);
void estoc_parcels_move(estoc_parcels *from, estoc_parcels *to);

/** @return NULL: no memory */
estoc_parcel *estoc_parcel_new(const estoc_errand *errand, const estoc_enrollment *e);
void estoc_parcel_free(estoc_parcel *p);
/** Whether two ask for the same: then one is enough to be sent. */
bool estoc_parcel_same(const estoc_parcel *a, const estoc_parcel *b);
void estoc_parcel_fail(estoc_parcel *p, estoc_err err, uint32_t retry_s, const char *text);
/** The private key must not be kept, so that its device has to wait for it (E5). */
bool estoc_parcel_has_key(const estoc_parcel *p);

/** Before it is sent, on any thread: who asks, and for what (G1, G2, X10, E4, D9).
 *  @param[in] issuers  the upstream's certificates, by which a client's is one of its own          */
void estoc_parcel_examine(estoc_parcel *p, const estoc_blobs *issuers);
/** Make the key, and the request for it, where keys are made here. @return false: it has failed */
bool estoc_parcel_make_key(estoc_parcel *p, const estoc_cms_from *signer,
                           const estoc_shared_keys *keys, estoc_store *store, int64_t now);
/** What is to be sent. */
estoc_slice estoc_parcel_request(const estoc_parcel *p);
estoc_upstream_op estoc_parcel_operation(const estoc_parcel *p);
/** Keep a reply. It is untrusted. */
void estoc_parcel_keep(estoc_parcel *p, const estoc_upstream_reply *reply);
/** See what became of it: the outcome, and what the store is to be told. */
void estoc_parcel_receive(estoc_parcel *p, int64_t now);
/** Whether it has been accepted upstream, to be decided (L2). */
bool estoc_parcel_waits(const estoc_parcel *p);
/** "issued", "again", "waiting", "refused" or "failed". */
const char *estoc_parcel_result(const estoc_parcel *p);

#endif
