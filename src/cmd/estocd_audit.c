/* SPDX-License-Identifier: MIT
 *
 * estocd audit: the log of decisions, followed from line to line, and shown.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "estocd_audit.h"
#include "progress.h"
#include "text.h"

/* ------------------------------------------------------------------------------------- the files */

int estocd_audit_files(const char *command, const char *dir, const estoc_args_list *given,
                       estoc_config *conf, estoc_args_list *files)
{
    *files = *given;
    if (dir == NULL && given->n == 0) {
        return estocd_say(command, "--dir DIR or --file FILE is missing");
    }
    if (dir == NULL) {
        return 0;
    }
    if (!estocd_configure_ca(command, dir, conf)) {
        return 1;
    }
    if (files->n == ESTOC_ARGS_LIST_MAX) {
        return estocd_say(command, "--file: at most %d files", ESTOC_ARGS_LIST_MAX);
    }
    files->at[files->n++] = conf->audit;
    return 0;
}

static int file_failed(const char *command, const char *file, estoc_err err)
{
    return estocd_say(command, "%s: cannot be read: %s", file,
                      err == ESTOC_E_FILE ? strerror(errno) : estoc_err_text(err));
}

/* Where a line is wrong. */
static int line_failed(const char *command, const char *file, uint64_t n, const char *what)
{
    return estocd_say(command, "%s:%llu: %s", file, (unsigned long long)n, what);
}

static int ended(const char *command, const char *file, const estoc_audit_reader *r,
                 estoc_slice rest, estoc_err err)
{
    char text[96];
    if (err == ESTOC_E_NOT_FOUND) {
        return 0;
    }
    if (err == ESTOC_E_TRUNCATED) {
        snprintf(text, sizeof text, "half a line, %zu bytes, and nothing behind it: %s", rest.len,
                 "a write was cut off");
        return line_failed(command, file, r->n + 1, text);
    }
    if (err == ESTOC_E_LIMIT) {
        return line_failed(command, file, r->n + 1, "longer than any line of an audit log");
    }
    return file_failed(command, file, err);
}

int estocd_audit_walk(const char *command, const char *file, bool half, estocd_audit_each each,
                      void *ctx)
{
    estoc_audit_reader r;
    estoc_slice line;
    estocd_progress progress;
    int code = 0;
    estoc_err err = estoc_audit_open(file, &r);
    if (err) {
        return file_failed(command, file, err);
    }
    estocd_progress_begin(&progress, "bytes");
    while (!code && (err = estoc_audit_next(&r, &line)) == ESTOC_OK) {
        estoc_audit_parsed l;
        estoc_why why = {""};
        err = estoc_audit_parse(line, &l, &why);
        if (!err) {
            err = each(ctx, line, &l, &why);
            estoc_audit_free(&l);
        }
        if (err) {
            estocd_progress_end(&progress);
            code = line_failed(command, file, r.n,
                               why.text[0] != '\0' ? why.text : estoc_err_text(err));
        }
        estocd_progress_at(&progress, (uint64_t)r.at, (uint64_t)r.size);
    }
    estocd_progress_end(&progress);
    if (!code && !(half && err == ESTOC_E_TRUNCATED)) {
        code = ended(command, file, &r, line, err);
    }
    estoc_audit_close(&r);
    return code;
}

/* ----------------------------------------------------------------------------------------- verify */

#define VERIFY "audit verify"

struct verify {
    estoc_audit_chain chain;
    const char *wanted; /* a hash in hexadecimal, or NULL */
    int64_t wanted_at;  /* the line that has it; 0: none so far */
};

static estoc_err verify_line(void *ctx, estoc_slice line, const estoc_audit_parsed *l,
                             estoc_why *why)
{
    struct verify *v = ctx;
    char hex[65];
    (void)line;
    estoc_err err = estoc_audit_follow(&v->chain, l, why);
    if (!err && v->wanted != NULL &&
        strcasecmp(v->wanted, estoc_hex(estoc_slice_of(l->hash, 32), hex, sizeof hex)) == 0) {
        v->wanted_at = l->entry.seq;
    }
    return err;
}

/* How the store stands to the file: on stderr if it does not agree. */
static int look_at_store(const estoc_config *conf, estoc_audit_position *pos)
{
    estoc_trail trail;
    estoc_why why = {""};
    estoc_store *store = estocd_open_store_of(VERIFY, conf);
    if (store == NULL) {
        return 1;
    }
    estoc_trail_init(&trail, conf->audit, false);
    estoc_err err = estoc_trail_lock(&trail, false, &why);
    err = err ? err : estoc_audit_look(&trail, store, conf->node, pos, &why);
    if (!err) {
        estoc_audit_explain(&trail, pos, &why);
    }
    estoc_trail_close(&trail);
    estoc_store_close(store);
    return why.text[0] != '\0' ? estocd_say(VERIFY, "%s", why.text) : 0;
}

static int tell(const struct verify *v, const estoc_audit_position *pos, bool json)
{
    const estoc_audit_chain *c = &v->chain;
    char from[32], to[32], hash[65];
    estoc_time_text(c->since, from, sizeof from);
    estoc_time_text(c->until, to, sizeof to);
    estoc_hex(estoc_slice_of(c->hash, 32), hash, sizeof hash);
    if (json) {
        cJSON *o = cJSON_CreateObject();
        cJSON_AddNumberToObject(o, "lines", (double)c->lines);
        cJSON_AddNumberToObject(o, "first", (double)c->first);
        cJSON_AddNumberToObject(o, "last", (double)c->last);
        cJSON_AddStringToObject(o, "from", c->lines > 0 ? from : "");
        cJSON_AddStringToObject(o, "to", c->lines > 0 ? to : "");
        cJSON_AddStringToObject(o, "node", c->node);
        cJSON_AddStringToObject(o, "hash", hash);
        if (pos != NULL) {
            cJSON_AddNumberToObject(o, "waiting", (double)pos->waiting);
        }
        return estocd_print_json(VERIFY, o);
    }
    if (c->lines == 0) {
        printf("no line so far\n");
    } else {
        printf("whole      lines %lld to %lld of node %s\n", (long long)c->first,
               (long long)c->last, c->node);
        printf("time       %s to %s\n", from, to);
        printf("last hash  %s\n", hash);
    }
    if (v->wanted != NULL) {
        printf("expected   that is line %lld\n", (long long)v->wanted_at);
    }
    if (pos != NULL) {
        printf("store      agrees, %lld lines on their way\n", (long long)pos->waiting);
    }
    return estocd_finish(VERIFY);
}

static int verify(const char *dir, const estoc_args_list *given, const char *wanted, bool json)
{
    static estoc_config conf;
    struct verify v = {.wanted = wanted};
    estoc_audit_position pos = {.waiting = 0};
    estoc_args_list files;
    int code = estocd_audit_files(VERIFY, dir, given, &conf, &files);
    for (size_t i = 0; !code && i < files.n; i++) {
        code = estocd_audit_walk(VERIFY, files.at[i], false, verify_line, &v);
    }
    if (!code && v.wanted != NULL && v.wanted_at == 0) {
        code = estocd_say(VERIFY,
                          "no line has the hash %.64s: this is another log, or what came "
                          "before that line was changed",
                          v.wanted);
    }
    if (!code && dir != NULL) {
        code = look_at_store(&conf, &pos);
    }
    if (!code && v.chain.first > 1) {
        fprintf(stderr,
                "estocd " VERIFY ": note: the first line is number %lld; give the files "
                "before it first, with --file\n",
                (long long)v.chain.first);
    }
    return code ? code : tell(&v, dir != NULL ? &pos : NULL, json);
}

static int verify_command(int argc, char **argv)
{
    const char *dir = NULL;
    const char *wanted = NULL;
    const char *unused;
    bool json = false;
    estoc_args_list files = {.n = 0};
    const estoc_arg options[] = {
        ESTOCD_AUDIT_DIR_OPTION(&dir),
        ESTOCD_AUDIT_FILE_OPTION(&files),
        {.name = "expect",
         .kind = ESTOC_ARG_TEXT,
         .metavar = "HASH",
         .help = "a line must have this hash, which was kept elsewhere",
         .to.text = &wanted},
        ESTOCD_JSON_OPTION("what was found as an object", &json),
        {.kind = ESTOC_ARG_END},
    };
    const estoc_usage usage = {
        .program = "estocd",
        .command = VERIFY,
        .summary = "whether an audit log is whole",
        .description =
            "Follows the lines: each must have the hash of the one before and the next number.\n"
            "The first that does not belong where it stands is told with its place in the file;\n"
            "it, or the one before, was changed, or lines were taken out or put in. With --dir\n"
            "the store is asked, too, whether it knows the last line.\n"
            "Who can write the file can write all of it anew. Keep the last hash elsewhere, now\n"
            "and then, and give it with --expect.",
        .example = "  estocd audit verify --dir ~/est\n"
                   "  estocd audit verify --file audit.log.1 --file audit.log",
        .options = options,
    };
    int code = estoc_args_parse(&usage, argc, argv, &unused);
    return code == ESTOC_ARGS_RUN ? verify(dir, &files, wanted, json) : code;
}

/* ------------------------------------------------------------------------------------------- show */

#define SHOW "audit show"

struct show {
    const char *match, *since;
    bool json;
    size_t n;
};

/* A log that was tampered with must not reach the terminal as it is. */
static const char *plain(const char *text, char *out, size_t cap)
{
    size_t n = 0;
    for (; text != NULL && *text != '\0' && n + 1 < cap; text++) {
        unsigned char c = (unsigned char)*text;
        out[n++] = (char)(c < ' ' || c == 0x7f ? '.' : c);
    }
    out[n] = '\0';
    return out;
}

static void print_entry(const estoc_audit_entry *e)
{
    char at[32], result[16], op[16], subject[512], why[256], peer[64];
    char serial[64];
    const char *reason = e->why != NULL ? e->why : e->reason;
    const char *who = e->by != NULL ? e->by : e->peer;
    estoc_hex(e->serial, serial, sizeof serial);
    if (e->serial.len == 0 && e->request != 0) {
        snprintf(serial, sizeof serial, "r%lld", (long long)e->request);
    }
    printf("%s  %-8s  %-7s  %-32s  %s%s%s%s%s%s\n", estoc_time_text(e->at, at, sizeof at),
           plain(e->result, result, sizeof result), plain(e->op, op, sizeof op),
           serial[0] != '\0' ? serial : "-", plain(e->subject, subject, sizeof subject),
           who != NULL ? "  by " : "", plain(who, peer, sizeof peer), reason != NULL ? "  (" : "",
           plain(reason, why, sizeof why), reason != NULL ? ")" : "");
}

static bool has(estoc_slice line, const char *match)
{
    size_t len = strlen(match);
    for (size_t i = 0; len <= line.len && i <= line.len - len; i++) {
        if (strncasecmp((const char *)line.ptr + i, match, len) == 0) {
            return true;
        }
    }
    return false;
}

static estoc_err show_line(void *ctx, estoc_slice line, const estoc_audit_parsed *l, estoc_why *why)
{
    struct show *s = ctx;
    char at[32];
    (void)why;
    estoc_time_text(l->entry.at, at, sizeof at);
    if ((s->since != NULL && strncmp(at, s->since, strlen(s->since)) < 0) ||
        (s->match != NULL && !has(line, s->match))) {
        return ESTOC_OK;
    }
    s->n++;
    if (s->json) {
        printf("%.*s\n", (int)line.len, (const char *)line.ptr);
    } else {
        print_entry(&l->entry);
    }
    return ESTOC_OK;
}

static int show(const char *dir, const estoc_args_list *given, struct show *s)
{
    static estoc_config conf;
    estoc_args_list files;
    int code = estocd_audit_files(SHOW, dir, given, &conf, &files);
    for (size_t i = 0; !code && i < files.n; i++) {
        code = estocd_audit_walk(SHOW, files.at[i], true, show_line, s);
    }
    if (!code && s->n == 0 && !s->json) {
        fprintf(stderr, "estocd " SHOW ": no such line\n");
    }
    return code ? code : estocd_finish(SHOW);
}

static int show_command(int argc, char **argv)
{
    struct show s = {.match = NULL};
    const char *dir = NULL;
    const char *unused;
    estoc_args_list files = {.n = 0};
    const estoc_arg options[] = {
        ESTOCD_AUDIT_DIR_OPTION(&dir),
        ESTOCD_AUDIT_FILE_OPTION(&files),
        {.name = "match",
         .kind = ESTOC_ARG_TEXT,
         .metavar = "TEXT",
         .help = "only lines that have this anywhere",
         .to.text = &s.match},
        {.name = "since",
         .kind = ESTOC_ARG_TEXT,
         .metavar = "TIME",
         .help = "only those of this time (UTC) and later: 2026, 2026-11, 2026-11-25T07:00",
         .to.text = &s.since},
        ESTOCD_JSON_OPTION("the lines as they are", &s.json),
        {.kind = ESTOC_ARG_END},
    };
    const estoc_usage usage = {
        .program = "estocd",
        .command = SHOW,
        .summary = "the decisions, one a line",
        .description =
            "Time (UTC), result, resource or command, serial number or request, subject,\n"
            "address or person, reason. Whether the log is whole is for\n"
            "`estocd audit verify` to say.",
        .example = "  estocd audit show --dir ~/est --since 2026-11-25 --match revoked\n"
                   "  estocd audit show --dir ~/est --json | jq -r .subject",
        .options = options,
    };
    int code = estoc_args_parse(&usage, argc, argv, &unused);
    return code == ESTOC_ARGS_RUN ? show(dir, &files, &s) : code;
}

/* -------------------------------------------------------------------------------------- which one */

int estocd_audit(int argc, char **argv)
{
    static const estoc_command commands[] = {
        {"verify", "whether the log is whole, and the store agrees", verify_command},
        {"show", "the decisions, one a line", show_command},
        {"replay", "put what a store has forgotten into it", estocd_audit_replay},
        {NULL, NULL, NULL}};
    return estoc_args_main("estocd audit", "the log of decisions", commands, argc, argv);
}
