/* SPDX-License-Identifier: MIT
 *
 * What the files of the HTTPS server share: https.c has its listeners, https_link.c its connections and
 * who they are of, https_request.c what is asked on them. libmicrohttpd stays in these, and in http.c.
 * A connection belongs to one thread of it. While the authority decides, the connection is suspended; the
 * authority's thread puts the answer into the request and resumes it.
 */
#ifndef ESTOC_HTTPS_PARTS_H
#define ESTOC_HTTPS_PARTS_H

#include <pthread.h>
#include <sys/socket.h>

#include <microhttpd.h>

#include "est_http.h"
#include "https.h"
#include "https_tls.h"
#include "tcp.h"

struct estoc_https_listener {
    struct MHD_Daemon *daemon;
    char address[80];
};

struct estoc_https {
    struct estoc_https_listener at[ESTOC_LISTEN_MAX];
    size_t n;
    estoc_table keys; /* its seed only */
    pthread_mutex_t lock;
    pthread_cond_t less; /* of the next two */
    size_t active;       /* requests that are not answered yet */
    size_t asked;        /* of them with the authority */
    bool stopping, closing;
    estoc_limits limits;
    estoc_tls_identity *identity; /* for new connections */
    estoc_generation *newest;     /* for new requests */
};

/* A connection. */
struct estoc_https_link {
    estoc_https *https;
    void *session; /* of TLS */
    estoc_path path;
    estoc_tls_identity *identity;
    bool used;               /* there was a request */
    bool looked;             /* `chain` is what the client has shown */
    estoc_blobs chain;       /* empty: nothing */
    estoc_generation *judge; /* whose judgement this is: */
    estoc_dtls_peer peer;
    int64_t not_after;
    uint64_t key; /* of the client, for the limits */
};

struct estoc_https_request {
    struct MHD_Connection *connection;
    struct estoc_https_link *link;
    estoc_generation *generation; /* that serves it */
    estoc_route route;
    estoc_ms began_at;
    estoc_buf text;   /* of the body */
    size_t len, seen; /* taken of it; come of it */
    bool known;       /* who asks has shown a certificate that is recognised */
    bool answered;    /* `answer` is there */
    estoc_est_answer answer;
};

/* https_link.c */

void estoc_https_on_connection(void *ctx, struct MHD_Connection *c, void **link,
                               enum MHD_ConnectionNotificationCode what);
enum MHD_Result estoc_https_on_accept(void *ctx, const struct sockaddr *from, socklen_t len);
/** One more from this address, and of this client. @param key  0: only the address
 *  @return 0: it may; else how long to wait                                                        */
uint32_t estoc_https_wait_ms(estoc_https *h, const estoc_config *conf, const estoc_path *path,
                             uint64_t key);
/** The caller releases it. */
estoc_generation *estoc_https_newest(estoc_https *h);
/** Who the client is: `chain` and `peer` of the link. @return 0; ESTOC_E_MEMORY; what TLS said */
ESTOC_MUST_USE estoc_err estoc_https_judge(struct estoc_https_link *l, estoc_generation *g);
/** Why who asks may not, or NULL. @param[out] status  of the answer then */
const char *estoc_https_objection(const struct estoc_https_request *r, unsigned *status);

/* https_request.c */

enum MHD_Result estoc_https_on_request(void *ctx, struct MHD_Connection *c, const char *path,
                                       const char *method, const char *version, const char *body,
                                       size_t *body_len, void **request);
void estoc_https_on_completed(void *ctx, struct MHD_Connection *c, void **request,
                              enum MHD_RequestTerminationCode how);

#endif
