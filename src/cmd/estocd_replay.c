/* SPDX-License-Identifier: MIT
 *
 * estocd audit replay: a store that was put back learns what its audit log has.
 */
#include <stdio.h>
#include <string.h>

#include "args.h"
#include "books.h"
#include "estocd_audit.h"
#include "replay.h"
#include "text.h"

#define COMMAND "audit replay"

struct replaying {
    estocd_books books;
    estoc_audit_chain chain; /* of the whole log */
    int64_t head;            /* how far the store knows that chain */
    uint8_t head_hash[32];
    bool same; /* and its line of that number is the log's: what is before it is in the store */
    estoc_replay replay;
};

/* ------------------------------------------------------------------------------------- two readings */

/* The first: the log must be whole, before anything of it is believed. */
static estoc_err follow(void *ctx, estoc_slice line, const estoc_audit_parsed *l, estoc_why *why)
{
    struct replaying *r = ctx;
    (void)line;
    r->same |= l->entry.seq == r->head && memcmp(l->hash, r->head_hash, 32) == 0;
    return estoc_audit_follow(&r->chain, l, why);
}

static void tell_unknown(const estoc_audit_entry *e)
{
    char hex[2 * ESTOC_SERIAL_MAX + 1];
    fprintf(stderr,
            "estocd " COMMAND ": note: %s was revoked, and is in neither the log nor the store\n",
            estoc_hex(e->serial, hex, sizeof hex));
}

/* The second. */
static estoc_err put(void *ctx, estoc_slice line, const estoc_audit_parsed *l, estoc_why *why)
{
    struct replaying *r = ctx;
    (void)line;
    if (r->same && l->entry.seq <= r->head) {
        return ESTOC_OK;
    }
    estoc_err err = estoc_replay_entry(&r->replay, &l->entry);
    if (err == ESTOC_E_NOT_FOUND) {
        tell_unknown(&l->entry);
        return ESTOC_OK;
    }
    if (err) {
        estoc_why_set(why, "%s",
                      err == ESTOC_E_STORE       ? estoc_store_why(r->replay.store)
                      : err == ESTOC_E_MALFORMED ? "no certificate or revocation that could be "
                                                   "put into the store"
                                                 : estoc_err_text(err));
    }
    return err;
}

static int walk_all(const estoc_args_list *files, estocd_audit_each each, void *ctx)
{
    int code = 0;
    for (size_t i = 0; !code && i < files->n; i++) {
        code = estocd_audit_walk(COMMAND, files->at[i], i + 1 == files->n, each, ctx);
    }
    return code;
}

/* ---------------------------------------------------------------------------- what is to be read */

/* Whether the log of DIR goes on behind the files that were given: then they are parts of it. */
static bool goes_on(const struct replaying *r)
{
    estoc_audit_reader reader;
    estoc_audit_parsed l;
    estoc_slice line;
    estoc_why unused;
    estoc_audit_chain chain = r->chain;
    if (estoc_audit_open(r->books.conf.audit, &reader)) {
        return false;
    }
    bool good = !estoc_audit_next(&reader, &line) && !estoc_audit_parse(line, &l, &unused);
    if (good) {
        good = !estoc_audit_follow(&chain, &l, &unused);
        estoc_audit_free(&l);
    }
    estoc_audit_close(&reader);
    return good;
}

static int stand(const struct replaying *r, estoc_audit_position *pos, estoc_why *why)
{
    const estoc_config *conf = &r->books.conf;
    estoc_trail trail;
    estoc_trail_init(&trail, conf->audit, false);
    estoc_err err = estoc_trail_lock(&trail, false, why);
    if (!err || err == ESTOC_E_NOT_FOUND) {
        why->text[0] = '\0';
        err = estoc_audit_look(&trail, r->books.store, conf->node, pos, why);
    }
    if (!err) {
        estoc_audit_explain(&trail, pos, why);
    }
    estoc_trail_close(&trail);
    return err ? estocd_say(COMMAND, "%s", why->text) : 0;
}

/* How far the store knows the chain that the first file is of. */
static int find_head(struct replaying *r, const char *file)
{
    char node[ESTOC_AUDIT_NODE_MAX];
    estoc_audit_reader reader;
    estoc_audit_parsed l;
    estoc_slice line;
    estoc_why unused;
    snprintf(node, sizeof node, "%s", r->books.conf.node);
    if (!estoc_audit_open(file, &reader)) { /* else it is told when it is read */
        if (!estoc_audit_next(&reader, &line) && !estoc_audit_parse(line, &l, &unused)) {
            snprintf(node, sizeof node, "%s", l.entry.node);
            estoc_audit_free(&l);
        }
        estoc_audit_close(&reader);
    }
    estoc_err err = estoc_store_audit_head(r->books.store, node, &r->head, r->head_hash);
    return err ? estocd_store_failed(COMMAND, r->books.store, err) : 0;
}

/* The server's own log: the chain goes on behind its last line. */
static int take_own(struct replaying *r, const estoc_audit_position *pos)
{
    if (pos->standing != ESTOC_AUDIT_OLDER) {
        return 0;
    }
    if (r->chain.first > r->head + 1) {
        return estocd_say(COMMAND,
                          "the log begins with line %lld, and the store knows %lld: give the part "
                          "between, too, with --file",
                          (long long)r->chain.first, (long long)r->head);
    }
    if (r->head > 0 && !r->same) {
        return estocd_say(COMMAND,
                          "%s: it is of another history than the store, which went on without it; "
                          "move it away, make an empty file in its place, and give it with --file",
                          r->books.conf.audit);
    }
    r->books.behind = &r->chain;
    return 0;
}

/* @param[out] nothing  the store knows all of it */
static int read_all(struct replaying *r, estoc_args_list *files, bool *nothing)
{
    estoc_audit_position pos = {.waiting = 0};
    estoc_why why = {""};
    int code = stand(r, &pos, &why);
    bool own = files->n == 0;
    if (own) {
        files->at[files->n++] = r->books.conf.audit;
    }
    code = code ? code : find_head(r, files->at[0]);
    code = code ? code : walk_all(files, follow, r);
    if (!code && !own && files->n < ESTOC_ARGS_LIST_MAX && goes_on(r)) {
        own = true;
        code = estocd_audit_walk(COMMAND, r->books.conf.audit, true, follow, r);
        files->at[files->n++] = r->books.conf.audit;
    }
    if (code) {
        return code;
    }
    if (why.text[0] != '\0' && (!own || pos.standing != ESTOC_AUDIT_OLDER)) {
        return estocd_say(COMMAND, "%s", why.text);
    }
    *nothing = own && pos.standing == ESTOC_AUDIT_AGREES;
    return own ? take_own(r, &pos) : 0;
}

/* ------------------------------------------------------------------------------------ the command */

static int tell(const struct replaying *r, bool json)
{
    const estoc_replay *p = &r->replay;
    if (json) {
        cJSON *o = cJSON_CreateObject();
        cJSON_AddNumberToObject(o, "certificates", (double)p->issued);
        cJSON_AddNumberToObject(o, "revocations", (double)p->revoked);
        cJSON_AddNumberToObject(o, "unknown", (double)p->unknown);
        cJSON_AddNumberToObject(o, "decisions", (double)p->decided);
        return estocd_print_json(COMMAND, o);
    }
    fprintf(stderr, "put in: %llu certificates, %llu revocations; %llu and %llu were there\n",
            (unsigned long long)p->issued, (unsigned long long)p->revoked,
            (unsigned long long)p->issued_there, (unsigned long long)p->revoked_there);
    if (p->decided > 0) {
        fprintf(stderr,
                "%llu times a person decided about a request: those that still wait are in "
                "`estocd pending`\n",
                (unsigned long long)p->decided);
    }
    return 0;
}

static int put_all(struct replaying *r, const estoc_args_list *files, bool json)
{
    char why[160];
    estoc_audit_entry e = {.op = "audit", .result = "replayed", .why = why};
    r->replay.store = r->books.store;
    estoc_err err = estoc_store_begin(r->books.store);
    if (err) {
        return estocd_store_failed(COMMAND, r->books.store, err);
    }
    if (walk_all(files, put, r)) {
        estoc_store_rollback(r->books.store);
        return 1;
    }
    snprintf(why, sizeof why, "%llu certificates and %llu revocations, of lines %lld to %lld",
             (unsigned long long)r->replay.issued, (unsigned long long)r->replay.revoked,
             (long long)r->chain.first, (long long)r->chain.last);
    if (r->books.behind != NULL) { /* those before are in the file */
        err = estoc_store_audit_trim(r->books.store, r->chain.node, r->chain.last);
    }
    err = estocd_books_enter(&r->books, err, &e);
    return err ? estocd_store_failed(COMMAND, r->books.store, err) : tell(r, json);
}

static int replay(const char *dir, estoc_args_list *files, bool json)
{
    static struct replaying r;
    bool nothing = false;
    r.books.command = COMMAND;
    if (!estocd_configure_ca(COMMAND, dir, &r.books.conf)) {
        return 1;
    }
    r.books.store = estocd_open_store_of(COMMAND, &r.books.conf);
    if (r.books.store == NULL) {
        return 1;
    }
    int code = read_all(&r, files, &nothing);
    if (!code && nothing) {
        fprintf(stderr, "nothing to put in: the store knows all that the log has\n");
    } else if (!code) {
        code = put_all(&r, files, json);
    }
    estocd_books_close(&r.books);
    return code;
}

int estocd_audit_replay(int argc, char **argv)
{
    const char *dir = NULL;
    const char *unused;
    bool json = false;
    estoc_args_list files = {.n = 0};
    const estoc_arg options[] = {
        ESTOCD_DIR_OPTION(&dir),
        {.name = "file",
         .kind = ESTOC_ARG_LIST,
         .metavar = "FILE",
         .help = "another log, or older parts of DIR's; repeatable, the oldest first",
         .to.list = &files},
        ESTOCD_JSON_OPTION("what was put in as an object", &json),
        {.kind = ESTOC_ARG_END},
    };
    const estoc_usage usage = {
        .program = "estocd",
        .command = COMMAND,
        .summary = "put what a store has forgotten into it",
        .description =
            "A store that was put back from a backup does not know what was issued and revoked\n"
            "since, and `estocd run` does not start with it. The audit log knows: certificates\n"
            "come back as they were, revocations with their time and reason. All or nothing is\n"
            "put in; what is there stays; done twice, it does nothing more.\n"
            "A log that is not whole is not believed. With --file, the log of a machine that is\n"
            "no more can be given; if DIR's log goes on behind it, both are taken as one.",
        .example = "  estocd audit replay --dir ~/est\n"
                   "  estocd audit replay --dir ~/est --file old-machine/audit.log",
        .options = options,
    };
    int code = estoc_args_parse(&usage, argc, argv, &unused);
    return code == ESTOC_ARGS_RUN ? replay(dir, &files, json) : code;
}
