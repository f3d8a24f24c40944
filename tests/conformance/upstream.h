/* SPDX-License-Identifier: MIT
 *
 * The scripted EST server over HTTPS (tests/registrar), and a registrar in front of it: an estocd in a
 * directory as the other tests have it, with `authority = registrar`.
 */
#ifndef ESTOC_TEST_UPSTREAM_H
#define ESTOC_TEST_UPSTREAM_H

#include "device.h"

typedef struct upstream {
    char dir[PATH_LEN]; /* everything of it; see tests/registrar/scripted.py */
    pid_t pid;          /* 0: not running */
    int out;
    char ready[512]; /* its line with the ports */
} upstream;

/** The same directory again has the same ports and CA. */
void upstream_start(upstream *u, const char *dir);
/** SIGKILL, as when the machine behind it goes away. */
void upstream_kill(upstream *u);
/** @param name  "main", "second", "expired", ... */
uint16_t upstream_port(const upstream *u, const char *name);
/** From now on labels count for nothing: each POST is answered that way. NULL: labels count again. */
void upstream_does(const upstream *u, const char *behaviour);
/** What is in a file of its directory from now on, all at once. */
void upstream_put(const upstream *u, const char *file, const void *bytes, size_t len);
/** Lines of its journal with both texts in them; NULL: any. */
unsigned upstream_count(const upstream *u, const char *a, const char *b);
/** Lines of an event ("request", "issued", "answered") about this request. */
unsigned upstream_saw(const upstream *u, const char *event, const body *csr);
/** How many connections it had at a time, at most, at its main port. */
unsigned upstream_connections(const upstream *u);
/** POSTs that arrived, whatever came of them. */
unsigned upstream_posts(const upstream *u);

typedef struct registrar {
    fixture f; /* first: a test that takes a fixture takes this */
    upstream u;
    char store[512]; /* line of its configuration; "" : the default */
} registrar;

/** What its configuration has besides the least. */
typedef struct registrar_cfg {
    const char *patience; /* default: 1s */
    const char *timeout;  /* of the upstream; default: 2s */
    /* Sections and keys. %P stands for the port "main", %{NAME} for another, %U for the scripted server's
     * directory. */
    const char *more;
} registrar_cfg;
/** Not started. Devices are "dev", and "sensor" (CN=sensor-1). */
void registrar_init(registrar *r, const registrar_cfg *cfg);
/** The configuration anew. */
void registrar_conf(registrar *r, const registrar_cfg *cfg);
/** kill -9 */
void registrar_kill(registrar *r);
void registrar_free(registrar *r);
/** cmocka tear-down. */
int registrar_tear_down(void **state);
/** A test with a registrar of its own, not started, with no more in its configuration than needed. */
int registrar_set_up(void **state);
#define REGISTRAR_ALONE(name, function)                             \
    {                                                               \
        name, function, registrar_set_up, registrar_tear_down, NULL \
    }

/** One POST of a request in one datagram. @return the code */
uint8_t post(peer *p, const char *path, const body *csr, int accept, reply *r);
/** A fresh request by "dev" for a key nobody keeps, to /sen. @return the code */
uint8_t post_fresh(peer *p, body *csr, reply *r);
/** Repeat until the code is another than 5.03, for some seconds. */
uint8_t post_until(peer *p, const char *path, const body *csr, int accept, reply *r);
/** Max-Age of an answer; -1: none */
int64_t max_age(const reply *r);
/** `openssl verify` up to a root, with the CA between from `untrusted`; NULL: none. */
void openssl_verify(const fixture *f, X509 *cert, const char *root, const char *untrusted);

/** How much of the server's log there is. */
size_t log_end(const fixture *f);
/** Whether there is a line behind that point with both texts; waits a moment for it. */
bool log_says(const fixture *f, size_t from, const char *a, const char *b);
/** KiB: "VmRSS", "VmHWM" */
size_t memory_kb(const fixture *f, const char *what);

#endif
