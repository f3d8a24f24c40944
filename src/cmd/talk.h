/* SPDX-License-Identifier: MIT
 *
 * One command's conversation with a server: credentials, connection, client, time-outs, progress,
 * trace, and the one line that says what went wrong.
 */
#ifndef ESTOC_TALK_H
#define ESTOC_TALK_H

#include "args.h"
#include "connection.h"
#include "credential.h"
#include "kept.h"
#include "roots.h"
#include "tracer.h"

/* Exit codes of both programs. */
enum {
    ESTOC_EXIT_DONE = 0,
    ESTOC_EXIT_LOCAL = 1,    /* usage, files */
    ESTOC_EXIT_SILENCE = 2,  /* no answer */
    ESTOC_EXIT_IDENTITY = 3, /* authentication failed */
    ESTOC_EXIT_REFUSED = 4,  /* 4.xx */
    ESTOC_EXIT_SERVER = 5,   /* 5.xx, or an answer that is none */
    ESTOC_EXIT_LATER = 75    /* 5.03, 4.29 */
};

/** What the command line says; each command takes some of it (options.h). */
typedef struct estoc_options {
    const char *command; /* for messages: "enroll" */
    const char *uri;
    const char *cert, *key, *ta; /* files, or NULL; the key may be a pkcs11: URI */
    const char *label;           /* or NULL */
    const char *trace;           /* file, or NULL */
    const char *resume;          /* file, or NULL */
    uint32_t block_size;         /* 16 to 1,024 */
    uint32_t mtu;                /* bytes of the largest IP datagram */
    uint16_t format;             /* ESTOC_FORMAT_CERTS, _CERT or _NONE */
    uint32_t timeout_s, wait_s;
    bool verbose, json, pop;
    const char *out;     /* a file, or the prefix of a credential; or NULL */
    const char *cache;   /* file for an answer with its ETag, or NULL */
    const char *csr;     /* file */
    const char *subject; /* or NULL */
    estoc_args_list san;
    const char *new_key; /* file or pkcs11: URI of the key to certify, or NULL */
    bool same_key, if_due;
    const char *decrypt_key;     /* file of keygen, or NULL */
    bool single;                 /* keygen by /skc */
    uint32_t due_percent;        /* of a certificate's life, with --if-due */
    uint32_t count, concurrency; /* of bench */
    uint32_t retry_s;
    const char *journal; /* file, or NULL */
} estoc_options;

typedef struct estoc_identity {
    estoc_blobs chain;
    estoc_key *key;
    estoc_blobs anchors;
} estoc_identity;
/** Read the files of --cert, --key and --ta, and what is wrong with them to stderr.
 *  @return 0 or an exit code                                                                       */
ESTOC_MUST_USE int estoc_identity_load(const estoc_options *opt, estoc_identity *id);
void estoc_identity_free(estoc_identity *id);

#define ESTOC_ROOM 65536 /* bytes of the largest answer taken */

typedef struct estoc_talk {
    const estoc_options *opt;
    const estoc_identity *id;
    const estoc_blobs
        *roots; /* that /crts gave: another association must lead there, too; or NULL */
    estoc_uri uri;
    estoc_uri found; /* a root of the server's own, if has_found */
    estoc_dtls_client *dtls;
    estoc_connection conn;
    estoc_client client;
    estoc_requester requester;                                /* for what is no EST resource */
    estoc_kept crts, att;                                     /* from an earlier run */
    char crts_file[ESTOC_PATH_MAX], att_file[ESTOC_PATH_MAX]; /* empty: not kept */
    estoc_tracer tracer;
    estoc_ms started;
    estoc_ms waiting_until; /* already told about */
    unsigned steps;         /* of the client's run */
    bool answered;          /* the run has had an answer from a resource */
    bool looked;            /* for a root of the server's own */
    bool has_found;
    bool progress_shown;
    uint8_t room[ESTOC_ROOM];
} estoc_talk;

/** Connect: returns when the handshake is over. What fails is told on stderr. The options and the
 *  identity must outlive the talk.
 *  @return 0 or an exit code (the talk is closed then)                                             */
ESTOC_MUST_USE int estoc_talk_open(const estoc_options *opt, const estoc_identity *id,
                                   estoc_talk **out);
/** Keep the answers of /crts and /att in these files from run to run (E2); NULL: not. What is there
 *  is shown by its ETag. Before estoc_talk_start. @return 0 or an exit code                        */
ESTOC_MUST_USE int estoc_talk_keep(estoc_talk *t, const char *crts_file, const char *att_file);
/** The client's answer, or what was kept if that still holds. */
estoc_slice estoc_talk_answer(const estoc_talk *t, uint16_t *format);
/** The client's answer has been found good: keep it. */
void estoc_talk_remember(const estoc_talk *t);
/** Begin a run of the client with these ESTOC_STEP_*. @return 0 or an exit code */
ESTOC_MUST_USE int estoc_talk_start(estoc_talk *t, unsigned steps);
/** Go on until the client asks for something (`*wants` is one ESTOC_CLIENT_WANT_*, not SEND), or is
 *  done. @return 0 or an exit code; failures are told on stderr                                    */
ESTOC_MUST_USE int estoc_talk_run(estoc_talk *t, unsigned *wants);
/** One request outside the EST resources, such as discovery. @return 0 or an exit code */
ESTOC_MUST_USE int estoc_talk_call(estoc_talk *t, estoc_call *call, const estoc_reply **reply);
/** Whether the run has ended because the default root is not there, and the server may have another
 *  one: asked once, and only where the URI names none.                                             */
bool estoc_talk_not_there(const estoc_talk *t, unsigned wants);
/** Look for it in the server's list of links. RFC 9148 section 4.1
 *  @return 0, with `has_found` if there is one; an exit code                                       */
ESTOC_MUST_USE int estoc_talk_look(estoc_talk *t);
/** Say on stderr what failed and what to do about it. @return the exit code */
int estoc_talk_fail(const estoc_talk *t, estoc_err err, const char *why);
/** The same for an answer of class 4 or 5, with the server's words. @return the exit code */
int estoc_talk_refused(const estoc_talk *t, const estoc_reply *reply);
void estoc_talk_close(estoc_talk *t);

/** "12 datagrams, 3,834 bytes, 812 ms" */
const char *estoc_talk_figures(const estoc_talk *t, char *out, size_t cap);
/** One line on stderr: "estoc COMMAND: ...". @return `code` */
int estoc_say(const char *command, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/** Exit code of an error that is not an answer's. */
int estoc_exit_code(estoc_err err);
/** What to do after an answer with this CoAP code. */
const char *estoc_advice(uint8_t code);
/** A server's diagnostic text, made safe for a terminal. @return out */
const char *estoc_plain_text(estoc_slice s, char *out, size_t cap);
/** Settings of a requester for this association. */
estoc_requester_cfg estoc_requester_settings(const estoc_options *opt, const estoc_connection *c);
/** Largest UDP payload under the MTU toward this address. */
size_t estoc_payload_max(const estoc_options *opt, const struct sockaddr_storage *to);

#endif
