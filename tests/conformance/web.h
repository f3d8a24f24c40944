/* SPDX-License-Identifier: MIT
 *
 * A client of EST over HTTPS for the conformance tests: OpenSSL's TLS, and requests written by hand.
 */
#ifndef ESTOC_TEST_WEB_H
#define ESTOC_TEST_WEB_H

#include "fixture.h"

typedef struct web_cfg {
    uint16_t port;    /* of the server, on 127.0.0.1 */
    const char *cert; /* PEM files; NULL: no certificate is shown */
    const char *key;
    X509 *own; /* or these, from memory */
    EVP_PKEY *own_key;
    X509 *between;       /* sent with it; NULL: nothing */
    const char *ta;      /* PEM: the server must lead there, and be 127.0.0.1 */
    int version;         /* TLS1_2_VERSION, ...; 0: the best */
    const char *ciphers; /* of TLS 1.2; NULL: OpenSSL's */
} web_cfg;

typedef struct web {
    SSL_CTX *ctx;
    SSL *ssl;
    int fd;
} web;

/** @return NULL: the handshake failed */
web *web_try(const web_cfg *cfg);
/** The same; fails the test then. */
web *web_open(const web_cfg *cfg);
void web_free(web *w);

typedef struct web_answer {
    unsigned status;
    char head[4096];
    char text[65536]; /* the body, with a NUL */
    size_t len;
} web_answer;

void web_send(web *w, const void *bytes, size_t len);
/** The next answer on the connection. @return false: it was closed */
bool web_hear(web *w, web_answer *a);
/** Value of a header; NULL: there is none. */
const char *web_header(const web_answer *a, const char *name);
/** One request and its answer. @param text  the body; NULL: GET. @return the status */
unsigned web_ask(web *w, const char *path, const char *text, web_answer *a);
/** POST a CSR as base64. */
unsigned web_post(web *w, const char *path, const body *csr, web_answer *a);
/** The body, taken out of its base64. */
void web_der(const char *text, size_t len, body *out);

/* ---- the server of a fixture ---- */

extern web_answer got;    /* the last one, of what is below */
extern uint16_t web_port; /* of HTTPS */

/** fixture_start, with HTTPS. */
void web_serve(fixture *f);
/** With NAME.crt and NAME.key. @param name  NULL: no certificate */
web_cfg web_as(const fixture *f, const char *name);
web *web_open_as(const fixture *f, const char *name);
web *web_open_with(const fixture *f, X509 *cert, EVP_PKEY *key);
/** A request for a fresh key. */
EVP_PKEY *web_csr(const char *subject, body *csr);
/** The same, sent. @return the status */
unsigned web_enroll(web *w, const char *path, const char *subject);
/** The certificate of the last answer, which is for this key and leads to our CA. */
X509 *web_cert(const fixture *f, EVP_PKEY *key);
/** NAME.crt and NAME.key. */
void web_write_pair(const fixture *f, const char *name, X509 *cert, EVP_PKEY *key);
/** The same, of our CA, by the device. */
void web_enroll_as(const fixture *f, const char *name);
/** The last answer has this status, and tells why in a line. */
void web_refused(unsigned status);

#endif
