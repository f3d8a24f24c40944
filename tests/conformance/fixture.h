/* SPDX-License-Identifier: MIT
 *
 * A directory of its own, an estocd in it, and the programs run as a user would. $ESTOCD and $ESTOC
 * name them.
 */
#ifndef ESTOC_TEST_FIXTURE_H
#define ESTOC_TEST_FIXTURE_H

#include <sys/types.h>

#include "pki.h"

#define PATH_LEN 256

/** A test by a name that begins with what it is about. */
#define NAMED(name, function)            \
    {                                    \
        name, function, NULL, NULL, NULL \
    }
/** The same with a directory and configuration of its own, and no server started yet. */
#define NAMED_ALONE(name, function)                             \
    {                                                           \
        name, function, fixture_set_up, fixture_tear_down, NULL \
    }

/** KiB that may come and go in a server that keeps nothing of what it gets: pages of its allocator,
 *  and more of them under a sanitizer. An association has some 10 KiB.                          */
extern const size_t memory_slack_kb;

typedef struct fixture {
    char dir[64];       /* temporary; everything of the test is in it */
    char srv[PATH_LEN]; /* --dir of estocd */
    pid_t pid;          /* 0: not running */
    int out;            /* its stdout */
    const char *listen; /* NULL: 127.0.0.1:0 */
    uint16_t port;
    char uri[64];        /* coaps://127.0.0.1:PORT */
    EVP_PKEY *maker_key; /* of a manufacturer whose devices the server knows */
    X509 *maker;
    char maker_file[PATH_LEN];
    unsigned ca_keys; /* that were put into a token */
} fixture;

/** `estocd init`, the device "dev" (CN=dev, bootstrap credential), and the manufacturer's anchor
 *  among the client anchors. With $ESTOC_TEST_CA "token", the CA's key is in a token of SoftHSM2 then,
 *  and no more where estocd looks for it.                                                          */
void fixture_init(fixture *f);
/** The CA's key in a file, wherever estocd has it. */
const char *ca_key_file(const fixture *f);
/** Give the CA another key; its certificate is the caller's to write. */
void fixture_ca_key(fixture *f, EVP_PKEY *key);
/** A folder for tokens of SoftHSM2, which $SOFTHSM2_CONF names from now on. */
void fixture_tokens(fixture *f);
/** Set a key of estocd.conf; the section is made if needed. */
void fixture_conf(fixture *f, const char *section, const char *key, const char *value);
/** `estocd run` on 127.0.0.1 port 0, until it is ready. */
void fixture_start(fixture *f);
/** After fixture_start: the port of the next "ready coap://" line. */
uint16_t fixture_plain_port(fixture *f);
/** After that: the port of the "ready http://" line. */
uint16_t fixture_http_port(fixture *f);
/** The port of the "ready https://" line, likewise. */
uint16_t fixture_https_port(fixture *f);
/** SIGTERM; fails the test unless it ends with 0 in time. */
void fixture_stop(fixture *f);
void fixture_restart(fixture *f);
void fixture_free(fixture *f);

/** cmocka group set-up and tear-down of a server with the defaults. */
int group_start(void **state);
int group_stop(void **state);
/** For a test that begins with nothing: fixture_init and no server. */
int fixture_set_up(void **state);
int fixture_tear_down(void **state);

/** Path of a file in the fixture's directory; one of 16 rotating buffers. */
const char *path_in(const fixture *f, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/** `estocd device`: NAME.crt, NAME.key, NAME.ta in the fixture's directory. */
void fixture_device(fixture *f, const char *subject, const char *name);
/** A certificate by the manufacturer for a fresh P-256 key. */
X509 *maker_cert(const fixture *f, const cert_cfg *cfg, EVP_PKEY **key);

/** Configuration of a peer with the device's credential. */
peer_cfg device_cfg(const fixture *f, const char *name);
peer *connect_as(const fixture *f, const char *name);
/** DER of a request for the key with the certificate subject of this device. */
void device_csr(const fixture *f, const char *subject, EVP_PKEY *key, body *out);

typedef struct output {
    int code; /* exit status; 128 + signal */
    char out[65536];
    char err[65536];
} output;
/** Run $ESTOCD ("estocd") or $ESTOC ("estoc") with these arguments, NULL at the end. */
void run(output *o, const char *program, ...) __attribute__((sentinel));
/** The same with the arguments in an array. */
void runv(output *o, const char *const *argv);
/** The same in the background. @return the process; give it to run_wait */
pid_t run_start(const char *program, ...) __attribute__((sentinel));
int run_wait(pid_t pid, int timeout_ms);
/** The device's credential as estoc's arguments after the fixed ones. */
void run_as(output *o, const fixture *f, const char *name, const char *command, const char *uri,
            ...) __attribute__((sentinel));

/** How many certificates `estocd list` shows, without what was never signed. */
unsigned issued(const fixture *f);
/** A usable pair: key and certificate belong together, the key is its owner's alone, and the
 *  certificate leads to the anchor kept with them.                                                */
void check_pair(const fixture *f, const char *prefix);
size_t read_file(const char *file, char *text, size_t room);
void write_file(const char *file, const void *bytes, size_t len, const char *mode);

#endif
