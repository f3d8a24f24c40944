/* SPDX-License-Identifier: MIT
 *
 * The audit log: one line of JSON for each decision. Each line has the SHA-256 of the one before, so
 * that none can be changed, taken out or put in without all behind it being written again. Who can
 * write the file can do just that: its last hash is worth keeping elsewhere.
 */
#ifndef ESTOC_AUDIT_H
#define ESTOC_AUDIT_H

#include "sys.h"

#define ESTOC_AUDIT_LINE_MAX 131072 /* bytes of a line, its end not counted */
#define ESTOC_AUDIT_NODE_MAX 64     /* of a node's name, with its NUL */

/** What was decided. Texts that are NULL, slices that are empty and numbers that are 0 are left out,
 *  but for `seq` and `at`.                                                                         */
typedef struct estoc_audit_entry {
    int64_t seq;
    int64_t at; /* seconds since 1970 */
    const char *node;
    const char *op;     /* the resource, or what a person did: "sen", "revoke" */
    const char *result; /* "issued", "again", "pending", "refused", "failed", "revoked", ... */
    const char *profile;
    int64_t policy; /* version of the profiles it was decided by */
    const char *subject;
    estoc_slice serial;
    int64_t not_after;
    const char *reason;     /* of a revocation */
    estoc_slice supersedes; /* a serial number */
    int64_t request;        /* that waits, or waited, for a person */
    const char *client, *client_issuer;
    estoc_slice client_sha256, csr_sha256; /* 32 bytes each */
    const char *peer;
    const char *by; /* a person */
    int64_t ms;     /* how long it took */
    const char *rule, *why;
    estoc_slice cert; /* DER, of what was issued: replay puts it back */
    estoc_slice prev; /* 32 bytes: the hash of the line before; zeros before the first */
} estoc_audit_entry;

/** Write an entry as a line, without its end. The caller frees it.
 *  @param[out] hash  of the line: `prev` of the next one
 *  @return 0; ESTOC_E_LIMIT; ESTOC_E_MEMORY; ESTOC_E_CRYPTO                                        */
ESTOC_MUST_USE estoc_err estoc_audit_write(const estoc_audit_entry *e, estoc_blob *line,
                                           uint8_t hash[32]);

typedef struct estoc_audit_parsed {
    estoc_audit_entry entry; /* points into the two below */
    void *json;
    estoc_blob bytes;
    uint8_t hash[32];
} estoc_audit_parsed;
/** The other way. Members that are not known are passed over; none may stand there twice.
 *  @param[out] out  to be freed with estoc_audit_free; `why` says what is wrong
 *  @return 0; ESTOC_E_MALFORMED; ESTOC_E_LIMIT; ESTOC_E_MEMORY; ESTOC_E_CRYPTO. Nothing is held then */
ESTOC_MUST_USE estoc_err estoc_audit_parse(estoc_slice line, estoc_audit_parsed *out,
                                           estoc_why *why);
void estoc_audit_free(estoc_audit_parsed *l);

/* -------------------------------------------------------------------------------- reading a file */

typedef struct estoc_audit_reader {
    int fd;
    char *buf;
    size_t from, to;  /* what of it is not used yet */
    uint64_t n;       /* of the line that was given last, from 1 */
    int64_t at, size; /* behind that line; of the file when it was opened: no more of it is read */
    int64_t taken;    /* bytes of the file that have been read */
} estoc_audit_reader;
/** Read what is there now: lines that are being added wait for it, or come too late.
 *  @return 0; ESTOC_E_FILE (errno tells); ESTOC_E_MEMORY                                            */
ESTOC_MUST_USE estoc_err estoc_audit_open(const char *path, estoc_audit_reader *r);
void estoc_audit_close(estoc_audit_reader *r);
/** @param[out] line  without its end; until the next call
 *  @return 0; ESTOC_E_NOT_FOUND (no more); ESTOC_E_TRUNCATED (the last one has no end: `line` is what
 *          there is of it); ESTOC_E_LIMIT (longer than any line); ESTOC_E_FILE                       */
ESTOC_MUST_USE estoc_err estoc_audit_next(estoc_audit_reader *r, estoc_slice *line);

/** How far a chain has been followed. */
typedef struct estoc_audit_chain {
    uint64_t lines;      /* 0: not begun */
    int64_t first, last; /* numbers */
    int64_t since, until;
    uint8_t hash[32]; /* of the last one */
    char node[ESTOC_AUDIT_NODE_MAX];
} estoc_audit_chain;
/** Whether this line may come next. The first may have any number: what was before it is elsewhere.
 *  @return 0; ESTOC_E_MALFORMED (not the next), with `why`                                          */
ESTOC_MUST_USE estoc_err estoc_audit_follow(estoc_audit_chain *c, const estoc_audit_parsed *l,
                                            estoc_why *why);

#endif
