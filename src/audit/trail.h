/* SPDX-License-Identifier: MIT
 *
 * The file that the lines of a node go to, and their way there: a decision's line is committed to the
 * store together with the decision, then brought to the file, and taken from the store once it is on
 * the disk. Several processes may bring lines: a server, and the commands of the same folder.
 */
#ifndef ESTOC_TRAIL_H
#define ESTOC_TRAIL_H

#include "audit.h"
#include "store.h"

/** How far a file goes. */
typedef struct estoc_trail_end {
    int64_t seq; /* of its last line; 0: it has none */
    uint8_t hash[32];
    char node[ESTOC_AUDIT_NODE_MAX];
    int64_t at;     /* bytes up to the end of that line */
    int64_t behind; /* and behind it, that are no line: a write was cut off */
} estoc_trail_end;

/** One thread uses it at a time. */
typedef struct estoc_trail {
    char path[512];
    bool syslog;   /* lines go there as well, but for certificates */
    int fd;        /* -1: not open */
    bool known;    /* `end` is of a file of `size` bytes */
    bool in_doubt; /* a file of that size may not be on the disk behind `end` */
    int64_t size;
    estoc_trail_end end;
} estoc_trail;

void estoc_trail_init(estoc_trail *t, const char *path, bool syslog);
/** Open the file if that is to be done, also if there is another one by its name now, wait until no
 *  other process has it, and see how far it goes.
 *  @param create  make one that is not there, with mode 0600
 *  @return 0; ESTOC_E_NOT_FOUND (not there); ESTOC_E_FILE; ESTOC_E_MALFORMED (no line in its last
 *          megabyte); ESTOC_E_MEMORY; `why` is filled, and it is not locked then                    */
ESTOC_MUST_USE estoc_err estoc_trail_lock(estoc_trail *t, bool create, estoc_why *why);
void estoc_trail_unlock(estoc_trail *t);
/** While it is locked: add lines, each with its end, in place of what is behind the last one; on the
 *  disk when this returns. `last` is the end that they make.
 *  @return 0; ESTOC_E_FILE with `why`                                                              */
ESTOC_MUST_USE estoc_err estoc_trail_append(estoc_trail *t, estoc_slice lines,
                                            const estoc_trail_end *last, estoc_why *why);
/** Whether this stands there in the file. */
bool estoc_trail_has(const estoc_trail *t, int64_t at, estoc_slice bytes);
/** Forget what is behind this end: it is written again. */
ESTOC_MUST_USE estoc_err estoc_trail_cut(estoc_trail *t, const estoc_trail_end *end,
                                         estoc_why *why);
void estoc_trail_close(estoc_trail *t);

/* --------------------------------------------------------------------------------- into the store */

/** Lines for the transaction in hand. */
typedef struct estoc_audit_batch {
    estoc_store *store;
    const char *node;
    bool begun;
    int64_t seq;
    uint8_t hash[32];
    estoc_audit_line *lines; /* those of the store */
    size_t n, room;
    estoc_err err; /* the first one */
} estoc_audit_batch;
void estoc_audit_begin(estoc_audit_batch *b, estoc_store *store, const char *node);
/** Go on behind another line than the node's last one. @return 0; ESTOC_E_STORE */
ESTOC_MUST_USE estoc_err estoc_audit_begin_behind(estoc_audit_batch *b, int64_t seq,
                                                  const uint8_t hash[32]);
/** Put an entry behind the last line of this node; its `seq`, `node` and `prev` are set here. From the
 *  first one on others wait for that line, so this comes late in a transaction.                    */
void estoc_audit_put(estoc_audit_batch *b, estoc_audit_entry *e);
/** Give them to the store, and free them.
 *  @param written  lines up to this one are on the disk, and the store need not keep them; 0: unknown
 *  @return 0; the first error: ESTOC_E_STORE; ESTOC_E_MEMORY; ESTOC_E_LIMIT; ESTOC_E_CRYPTO;
 *          ESTOC_E_STATE (the store is older than `written`: it was put back under our feet)        */
ESTOC_MUST_USE estoc_err estoc_audit_end(estoc_audit_batch *b, int64_t written);

/* ------------------------------------------------------------------------------------ to the file */

/** Before anything is decided: whether store and file are of one piece. What a power cut has left
 *  half written is written again, and what waits in the store is brought to the file.
 *  @return 0; ESTOC_E_STATE (they are not: `why` says what to do); what the others return          */
ESTOC_MUST_USE estoc_err estoc_audit_start(estoc_trail *t, estoc_store *store, const char *node,
                                           estoc_why *why);
/** How far the store is behind the file. */
typedef enum estoc_audit_standing {
    ESTOC_AUDIT_AGREES, /* the file is as far, or the store has the rest */
    ESTOC_AUDIT_OLDER,  /* the file has lines that the store does not know: it was restored */
    ESTOC_AUDIT_OTHER,  /* they have gone different ways */
    ESTOC_AUDIT_GAP,    /* lines between them are missing */
    ESTOC_AUDIT_NO_FILE /* there is none, and the store has had lines for it */
} estoc_audit_standing;
typedef struct estoc_audit_position {
    estoc_audit_standing standing;
    int64_t file, store; /* last numbers */
    int64_t waiting;     /* lines of the store that are not in the file */
} estoc_audit_position;
/** The same without changing anything; with the file locked, or not there. */
ESTOC_MUST_USE estoc_err estoc_audit_look(const estoc_trail *t, estoc_store *store,
                                          const char *node, estoc_audit_position *pos,
                                          estoc_why *why);
/** What is wrong and what to do, or nothing. */
void estoc_audit_explain(const estoc_trail *t, const estoc_audit_position *pos, estoc_why *why);

/** Bring what waits in the store to the file. Outside of transactions.
 *  @param[out] written  the number of the last line that is on the disk; untouched on failure
 *  @return 0; ESTOC_E_STORE; ESTOC_E_STATE (the lines of the store do not belong behind the file's
 *          last one); what estoc_trail_lock and _append return; `why` is filled                     */
ESTOC_MUST_USE estoc_err estoc_audit_drain(estoc_trail *t, estoc_store *store, const char *node,
                                           int64_t *written, estoc_why *why);

#endif
