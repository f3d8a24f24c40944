/* SPDX-License-Identifier: MIT
 *
 * estocd restore: what `estocd backup` has copied, into a folder of its own.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive.h"
#include "args.h"
#include "estocd.h"
#include "progress.h"
#include "text.h"

#define COMMAND "restore"
#define COPY    "restore.tmp" /* of the backup, to be opened as a store */

struct restore {
    const char *in, *dir, *url;
    estoc_archive *archive;
    estoc_config conf;
    estocd_progress progress;
    bool made; /* DIR */
    /* of the file in hand */
    int fd;
    estoc_err err;
    char path[4096];
};

static const char *in_dir(const struct restore *r, const char *name)
{
    static char path[4096];
    if (estoc_path_join(path, sizeof path, r->dir, name)) {
        path[0] = '\0';
    }
    return path;
}

static int cannot_write(const char *path)
{
    return estocd_say(COMMAND, "%s: cannot be written: %s", path, strerror(errno));
}

/* ------------------------------------------------------------------------------------- the folder */

static bool is_empty(const char *dir)
{
    DIR *d = opendir(dir);
    const struct dirent *e;
    bool empty = d != NULL;
    while (empty && (e = readdir(d)) != NULL) {
        empty = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0;
    }
    if (d != NULL) {
        closedir(d);
    }
    return empty;
}

static int make_dir(struct restore *r)
{
    r->made = mkdir(r->dir, 0700) == 0;
    if (!r->made && errno != EEXIST) {
        return estocd_say(COMMAND, "%s: cannot be made: %s", r->dir, strerror(errno));
    }
    if (!r->made && !is_empty(r->dir)) {
        return estocd_say(COMMAND, "%s: is not empty; choose another --dir, or move it away",
                          r->dir);
    }
    int fd = open(in_dir(r, ESTOCD_RESTORING), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        return cannot_write(in_dir(r, ESTOCD_RESTORING));
    }
    return close(fd) == 0 ? 0 : cannot_write(in_dir(r, ESTOCD_RESTORING));
}

static bool write_all(int fd, estoc_slice bytes)
{
    while (bytes.len > 0) {
        ssize_t n = write(fd, bytes.ptr, bytes.len);
        if (n < 0 && errno != EINTR) {
            return false;
        }
        bytes = n > 0 ? estoc_slice_sub(bytes, (size_t)n, bytes.len) : bytes;
    }
    return true;
}

static bool put_part(void *ctx, estoc_slice bytes)
{
    struct restore *r = ctx;
    if (!write_all(r->fd, bytes)) {
        r->err = ESTOC_E_FILE;
    }
    return !r->err;
}

/* The folder was empty: nothing is overwritten, and no link leads out of it yet. */
static estoc_err put_file(struct restore *r, const estoc_archive_entry *e)
{
    r->fd = open(r->path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (r->fd < 0) {
        return ESTOC_E_FILE;
    }
    estoc_err err = estoc_archive_parts(r->archive, e->name, put_part, r);
    err = err ? err : r->err;
    if (!err && (fchmod(r->fd, (mode_t)e->mode) != 0 || fsync(r->fd) != 0)) {
        err = ESTOC_E_FILE;
    }
    if (close(r->fd) != 0) {
        err = err ? err : ESTOC_E_FILE;
    }
    return err;
}

static bool put_entry(void *ctx, const estoc_archive_entry *e)
{
    struct restore *r = ctx;
    if (estoc_path_join(r->path, sizeof r->path, r->dir, e->name)) {
        r->err = ESTOC_E_SPACE;
    } else if (e->kind == ESTOC_ARCHIVE_FILE) {
        r->err = put_file(r, e);
    } else if (e->kind == ESTOC_ARCHIVE_FOLDER && mkdir(r->path, (mode_t)e->mode | 0700) != 0) {
        r->err = ESTOC_E_FILE;
    }
    return !r->err;
}

static bool put_link(void *ctx, const estoc_archive_entry *e)
{
    struct restore *r = ctx;
    if (e->kind == ESTOC_ARCHIVE_LINK &&
        (estoc_path_join(r->path, sizeof r->path, r->dir, e->name) ||
         symlink(e->link, r->path) != 0)) {
        r->err = ESTOC_E_FILE;
    }
    return !r->err;
}

static int put_files(struct restore *r)
{
    estoc_err err = estoc_archive_each(r->archive, put_entry, r);
    if (!err && !r->err) {
        err = estoc_archive_each(r->archive, put_link, r);
    }
    if (r->err) {
        return cannot_write(r->path);
    }
    return err ? estocd_say(COMMAND, "%s: damaged: %s", r->in, estoc_archive_why(r->archive)) : 0;
}

/* What was made: DIR was empty. */
static void undo(const struct restore *r)
{
    char root[4096];
    snprintf(root, sizeof root, "%s", r->dir);
    char *const roots[] = {root, NULL};
    FTS *fts = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    const FTSENT *f;
    while (fts != NULL && (f = fts_read(fts)) != NULL) {
        bool root_itself = f->fts_level == 0;
        if (f->fts_info == FTS_DP && (!root_itself || r->made)) {
            rmdir(f->fts_path);
        } else if (f->fts_info != FTS_D && f->fts_info != FTS_DP) {
            unlink(f->fts_path);
        }
    }
    if (fts != NULL) {
        fts_close(fts);
    }
}

/* ------------------------------------------------------------------------------ the configuration */

/* The line that names the store, in the section of the authority; NULL: there is none. */
static const char *find_store(const char *text, const char *name, const char **section)
{
    bool inside = false;
    *section = NULL;
    for (const char *at = text; *at != '\0'; at += strcspn(at, "\n"), at += *at == '\n') {
        const char *word = at + strspn(at, " \t");
        if (*word == '[') {
            inside = strncmp(word, name, strlen(name)) == 0;
            *section = inside ? at + strcspn(at, "\n") : *section;
        } else if (inside && strncmp(word, "store", 5) == 0 &&
                   (word[5] == '=' || word[5 + strspn(word + 5, " \t")] == '=')) {
            return at;
        }
    }
    return NULL;
}

/* Another store than the one it had. */
static int set_store(struct restore *r)
{
    const char *path = in_dir(r, ESTOCD_CONF);
    estoc_blob text = {NULL, 0};
    estoc_err err = estoc_file_read(path, 1048576, &text);
    char *old = err ? NULL : strndup((const char *)text.ptr, text.len);
    char *new = NULL;
    const char *section;
    const char *name = r->conf.authority == ESTOC_AUTHORITY_REGISTRAR ? "[registrar]" : "[ca]";
    estoc_blob_free(&text);
    if (old == NULL) {
        return cannot_write(path);
    }
    const char *line = find_store(old, name, &section);
    const char *behind = line != NULL ? line + strcspn(line, "\n") : section;
    int n = line != NULL
                ? asprintf(&new, "%.*sstore = %s%s", (int)(line - old), old, r->url, behind)
            : section != NULL
                ? asprintf(&new, "%.*s\nstore = %s%s", (int)(section - old), old, r->url, behind)
                : asprintf(&new, "%s\n%s\nstore = %s\n", old, name, r->url);
    err = n < 0 ? ESTOC_E_MEMORY : estoc_file_write(path, estoc_slice_str(new), 0600);
    free(n < 0 ? NULL : new);
    free(old);
    return err ? cannot_write(path) : 0;
}

/* -------------------------------------------------------------------------------------- the store */

static int copy_archive(const struct restore *r)
{
    static uint8_t part[65536];
    int from = open(r->in, O_RDONLY | O_CLOEXEC);
    int to = open(in_dir(r, COPY), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    ssize_t n = from >= 0 && to >= 0 ? 1 : -1;
    while (n > 0 && (n = read(from, part, sizeof part)) > 0) {
        n = write_all(to, estoc_slice_of(part, (size_t)n)) ? n : -1;
    }
    int code = n == 0 ? 0 : cannot_write(in_dir(r, COPY));
    estoc_wipe(part, sizeof part);
    close(from);
    close(to);
    return code;
}

static void drop_copy(const struct restore *r)
{
    static const char *const names[] = {COPY, COPY "-wal", COPY "-shm"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        unlink(in_dir(r, names[i]));
    }
}

static void step(void *ctx, uint64_t rows)
{
    struct restore *r = ctx;
    estocd_progress_at(&r->progress, rows, 0);
}

static int copy_rows(struct restore *r, estoc_store *from, estoc_store *to)
{
    estocd_progress_begin(&r->progress, "rows");
    estoc_err err = estoc_store_begin_snapshot(from);
    err = err ? err : estoc_store_begin(to);
    err = err ? err : estoc_store_copy(from, to, step, r);
    err = err ? err : estoc_store_commit(to);
    estocd_progress_end(&r->progress);
    estoc_store_rollback(from);
    if (err) {
        estoc_store_rollback(to);
    }
    return err == ESTOC_E_STATE
               ? estocd_say(COMMAND, "the store is not empty; give another one with --store URL")
           : err == ESTOC_E_STORE ? estocd_say(COMMAND, "the store cannot be copied: %s; %s",
                                               estoc_store_why(from), estoc_store_why(to))
           : err                  ? estocd_say(COMMAND, "%s", estoc_err_text(err))
                                  : 0;
}

static int open_both(struct restore *r)
{
    char url[4200];
    estoc_why why = {""};
    estoc_store *from = NULL;
    estoc_store *to = NULL;
    const char *path = estoc_store_path(r->conf.store);
    if (path != NULL && estoc_file_exists(path)) {
        return estocd_say(COMMAND, "%s: is there already; give another store with --store URL",
                          path);
    }
    snprintf(url, sizeof url, "sqlite:%s", in_dir(r, COPY));
    estoc_err err = estoc_store_open(url, &from, &why);
    err = err ? err : estoc_store_open(r->conf.store, &to, &why);
    int code = err ? estocd_say(COMMAND, "%s", why.text) : copy_rows(r, from, to);
    estoc_store_close(from);
    estoc_store_close(to);
    if (code && path != NULL) { /* it was made here */
        unlink(path);
    }
    return code;
}

static int configure(struct restore *r)
{
    return estoc_config_load(r->dir, &r->conf, NULL, NULL)
               ? estocd_say(COMMAND, "%s: is not to be read; see what `estocd check --dir %s` says",
                            in_dir(r, ESTOCD_CONF), r->dir)
               : 0;
}

static int put_store(struct restore *r)
{
    estoc_log_file(fopen("/dev/null", "w")); /* what fails is told here */
    int code = configure(r);
    if (!code && r->url != NULL) {
        code = set_store(r);
        code = code ? code : configure(r);
    }
    code = code ? code : copy_archive(r);
    code = code ? code : open_both(r);
    drop_copy(r);
    return code;
}

/* ------------------------------------------------------------------------------------ the command */

static int tell(const struct restore *r)
{
    char at[64], line[32];
    estoc_archive_noted(r->archive, "made_at", at, sizeof at);
    estoc_archive_noted(r->archive, "line", line, sizeof line);
    if (r->conf.authority == ESTOC_AUTHORITY_REGISTRAR) {
        fprintf(stderr,
                "%s: as of %s\n"
                "Devices that were served since get another certificate if they ask again.\n"
                "next:\n"
                "  estocd check --dir %s\n"
                "  estocd run --dir %s\n",
                r->dir, at, r->dir, r->dir);
        return 0;
    }
    fprintf(
        stderr,
        "%s: as of %s, line %s of the audit log\n"
        "What was issued and revoked since is not in it. If the log of then can be had, also in\n"
        "part, put that in before the server starts:\n"
        "  estocd audit replay --dir %s --file OLD/audit.log\n"
        "next:\n"
        "  estocd check --dir %s\n"
        "  estocd run --dir %s\n",
        r->dir, at, line, r->dir, r->dir, r->dir);
    return 0;
}

static int finish(const struct restore *r)
{
    if (unlink(in_dir(r, ESTOCD_RESTORING)) != 0 ||
        estoc_file_sync_folder(in_dir(r, ESTOCD_CONF))) {
        return cannot_write(r->dir);
    }
    return 0;
}

static int restore(struct restore *r)
{
    estoc_why why = {""};
    if (r->url != NULL && estoc_store_path(r->url) == NULL && !estoc_store_is_shared(r->url)) {
        return estocd_say(COMMAND, "--store %.40s: must be sqlite:PATH or postgresql://...",
                          r->url);
    }
    if (estoc_archive_open(r->in, &r->archive, &why)) {
        return estocd_say(COMMAND, "%s", why.text);
    }
    int code = make_dir(r);
    if (!code) {
        code = put_files(r);
        code = code ? code : put_store(r);
        code = code ? code : finish(r);
        if (code) {
            undo(r);
        }
    }
    code = code ? code : tell(r);
    estoc_archive_close(r->archive);
    return code;
}

int estocd_restore(int argc, char **argv)
{
    static struct restore r;
    const char *unused;
    const estoc_arg options[] = {
        {.name = "in",
         .kind = ESTOC_ARG_TEXT,
         .metavar = "FILE",
         .help = "what `estocd backup` made",
         .to.text = &r.in,
         .required = true},
        {.name = "dir",
         .kind = ESTOC_ARG_TEXT,
         .metavar = "DIR",
         .help = "where to; made, or empty",
         .to.text = &r.dir,
         .required = true},
        {.name = "store",
         .kind = ESTOC_ARG_TEXT,
         .metavar = "URL",
         .help = "into this store, empty, and not the one of then; estocd.conf is changed",
         .to.text = &r.url},
        {.kind = ESTOC_ARG_END},
    };
    const estoc_usage usage = {
        .program = "estocd",
        .command = COMMAND,
        .summary = "bring back what `estocd backup` has copied",
        .description =
            "Puts the files into DIR and the rows into the store that estocd.conf names, or that\n"
            "is given: this is also the way from SQLite to PostgreSQL. Nothing is overwritten.\n"
            "What was decided after the backup is not in it, but in the audit log of then: see\n"
            "`estocd audit replay`.",
        .example = "  estocd restore --in est-2026-11-25.backup --dir ~/est\n"
                   "  estocd restore --in est.backup --dir ~/est --store "
                   "postgresql://estoc@db/estoc",
        .options = options,
    };
    int code = estoc_args_parse(&usage, argc, argv, &unused);
    return code == ESTOC_ARGS_RUN ? restore(&r) : code;
}
