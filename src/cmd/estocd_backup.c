/* SPDX-License-Identifier: MIT
 *
 * estocd backup: all that is needed to carry on, in one file, while the server runs.
 */
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
#include "crypto.h"
#include "estocd.h"
#include "progress.h"
#include "text.h"
#include "trail.h"
#include "upstreams.h"

#define COMMAND "backup"

struct backup {
    const char *dir, *out;
    char temp[4096];
    estoc_config conf;
    estoc_store *from;
    estoc_archive *archive;
    estocd_progress progress;
    uint64_t certificates, files;
    /* the log, as far as the store's snapshot goes */
    estoc_trail trail;
    int64_t log_bytes; /* -1: there is none */
    int64_t line;
    struct stat log, key; /* that file, and that of the passphrase: 0 if there is none */
};

static int failed(const struct backup *b, estoc_err err)
{
    return estocd_say(COMMAND, "%s: cannot be written: %s", b->out,
                      err == ESTOC_E_STORE && b->archive != NULL ? estoc_archive_why(b->archive)
                      : err == ESTOC_E_FILE                      ? strerror(errno)
                                                                 : estoc_err_text(err));
}

/* -------------------------------------------------------------------------------------- the store */

/* While the log is locked, no line is brought to it: what it has, the snapshot knows; and what the
 * snapshot has not any more, it has. */
static int take_snapshot(struct backup *b)
{
    estoc_why why = {""};
    uint8_t hash[32];
    estoc_trail_init(&b->trail, b->conf.audit, false);
    b->log_bytes = -1;
    estoc_err err = estoc_trail_lock(&b->trail, false, &why);
    bool locked = !err;
    if (err && err != ESTOC_E_NOT_FOUND) {
        return estocd_say(COMMAND, "%s", why.text);
    }
    err = estoc_store_begin_snapshot(b->from);
    err = err ? err : estoc_store_audit_head(b->from, b->conf.node, &b->line, hash);
    if (locked) {
        b->log_bytes = b->trail.end.at;
        if (fstat(b->trail.fd, &b->log) != 0) {
            b->log_bytes = -1;
        }
        estoc_trail_unlock(&b->trail);
    }
    err = err ? err : estocd_issued(b->from, &b->certificates);
    return err ? estocd_store_failed(COMMAND, b->from, err) : 0;
}

static void step(void *ctx, uint64_t rows)
{
    struct backup *b = ctx;
    estocd_progress_at(&b->progress, rows, 0);
}

static int copy_store(struct backup *b)
{
    char url[sizeof b->temp + 8];
    estoc_store *to = NULL;
    estoc_why why = {""};
    snprintf(url, sizeof url, "sqlite:%s", b->temp);
    estoc_err err = estoc_store_open(url, &to, &why);
    if (err) {
        return estocd_say(COMMAND, "%s", why.text);
    }
    estocd_progress_begin(&b->progress, "rows");
    err = estoc_store_begin(to);
    err = err ? err : estoc_store_copy(b->from, to, step, b);
    err = err ? err : estoc_store_commit(to);
    estocd_progress_end(&b->progress);
    int code =
        !err ? 0
             : estocd_say(COMMAND, "the store cannot be copied: %s%s%s",
                          err == ESTOC_E_STORE ? estoc_store_why(b->from) : estoc_err_text(err),
                          err == ESTOC_E_STORE ? "; " : "",
                          err == ESTOC_E_STORE ? estoc_store_why(to) : "");
    estoc_store_close(to);
    return code;
}

/* -------------------------------------------------------------------------------------- the files */

static estoc_err add_bytes(struct backup *b, int fd, int64_t most)
{
    uint8_t *part = malloc(ESTOC_ARCHIVE_PART);
    estoc_err err = part != NULL ? ESTOC_OK : ESTOC_E_MEMORY;
    int64_t at = 0;
    while (!err && at < most) {
        size_t want = most - at < ESTOC_ARCHIVE_PART ? (size_t)(most - at) : ESTOC_ARCHIVE_PART;
        ssize_t n = pread(fd, part, want, (off_t)at);
        if (n == 0) {
            break;
        }
        if (n > 0) {
            err = estoc_archive_add(b->archive, estoc_slice_of(part, (size_t)n));
            at += n;
            estocd_progress_at(&b->progress, (uint64_t)at, 0);
        } else if (errno != EINTR) {
            err = ESTOC_E_FILE;
        }
    }
    if (part != NULL) {
        estoc_wipe(part, ESTOC_ARCHIVE_PART);
    }
    free(part);
    return err;
}

static estoc_err add_file(struct backup *b, const char *path, estoc_archive_entry *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return errno == ENOENT ? ESTOC_OK : ESTOC_E_FILE; /* gone meanwhile */
    }
    estoc_err err = estoc_archive_put(b->archive, e);
    err = err ? err : add_bytes(b, fd, INT64_MAX);
    close(fd);
    b->files += !err;
    return err;
}

static estoc_err add_link(struct backup *b, const char *path, estoc_archive_entry *e)
{
    char target[4096];
    ssize_t n = readlink(path, target, sizeof target - 1);
    if (n < 0) {
        return ESTOC_E_FILE;
    }
    target[n] = '\0';
    e->kind = ESTOC_ARCHIVE_LINK;
    e->link = target;
    b->files++;
    return estoc_archive_put(b->archive, e);
}

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_ino != 0 && a->st_ino == b->st_ino && a->st_dev == b->st_dev;
}

/* The store's own, which is in the backup already; other backups; what is kept apart on purpose. */
static bool is_left_out(const struct backup *b, const FTSENT *f)
{
    static const char *const ends[] = {"", "-wal", "-shm", "-journal", "-lock"};
    const char *store = estoc_store_path(b->conf.store);
    char path[4096];
    struct stat st;
    for (size_t i = 0; store != NULL && i < sizeof ends / sizeof ends[0]; i++) {
        snprintf(path, sizeof path, "%s%s", store, ends[i]);
        if (stat(path, &st) == 0 && same_file(&st, f->fts_statp)) {
            return true;
        }
    }
    size_t len = strlen(b->temp);
    return same_file(&b->log, f->fts_statp) || same_file(&b->key, f->fts_statp) ||
           strncmp(f->fts_path, b->temp, len) == 0 || estoc_archive_is(f->fts_path);
}

static estoc_err add_entry(struct backup *b, const FTSENT *f)
{
    const char *name = f->fts_path + strlen(b->dir);
    name += strspn(name, "/");
    estoc_archive_entry e = {
        .name = name, .kind = ESTOC_ARCHIVE_FILE, .mode = (unsigned)f->fts_statp->st_mode & 0777};
    switch (f->fts_info) {
    case FTS_D:
        e.kind = ESTOC_ARCHIVE_FOLDER;
        return f->fts_level > 0 ? estoc_archive_put(b->archive, &e) : ESTOC_OK;
    case FTS_F:
        return is_left_out(b, f) ? ESTOC_OK : add_file(b, f->fts_accpath, &e);
    case FTS_SL:
    case FTS_SLNONE:
        return add_link(b, f->fts_accpath, &e);
    case FTS_DNR:
    case FTS_ERR:
    case FTS_NS:
        errno = f->fts_errno;
        return ESTOC_E_FILE;
    default: /* a folder from behind; sockets and the like */
        return ESTOC_OK;
    }
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

static int add_folder(struct backup *b)
{
    char root[4096];
    snprintf(root, sizeof root, "%s", b->dir);
    char *const roots[] = {root, NULL};
    FTS *fts = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, by_name);
    estoc_err err = fts != NULL ? ESTOC_OK : ESTOC_E_FILE;
    FTSENT *f;
    int code = err ? estocd_say(COMMAND, "%s: cannot be read: %s", b->dir, strerror(errno)) : 0;
    while (!code && (f = fts_read(fts)) != NULL) {
        err = add_entry(b, f);
        if (err) {
            code = err == ESTOC_E_FILE
                       ? estocd_say(COMMAND, "%s: cannot be read: %s", f->fts_path, strerror(errno))
                       : failed(b, err);
        }
    }
    if (fts != NULL) {
        fts_close(fts);
    }
    return code;
}

/* The log, up to where the snapshot goes; by its name in DIR, if it is there. */
static int add_log(struct backup *b)
{
    size_t len = strlen(b->dir);
    const char *name = b->conf.audit + len;
    bool inside = strncmp(b->conf.audit, b->dir, len) == 0 && strspn(name, "/") > 0;
    if (b->log_bytes < 0 || !inside) {
        return 0;
    }
    name += strspn(name, "/");
    const estoc_archive_entry e = {
        .name = name, .kind = ESTOC_ARCHIVE_FILE, .mode = (unsigned)b->log.st_mode & 0777};
    estoc_err err = estoc_archive_put(b->archive, &e);
    err = err ? err : add_bytes(b, b->trail.fd, b->log_bytes);
    b->files += !err;
    return err ? failed(b, err) : 0;
}

static int add_notes(struct backup *b)
{
    char at[32], line[24];
    snprintf(line, sizeof line, "%lld", (long long)b->line);
    estoc_err err =
        estoc_archive_note(b->archive, "made_at", estoc_time_text(estoc_unix_s(), at, sizeof at));
    err = err ? err : estoc_archive_note(b->archive, "version", ESTOC_VERSION);
    err = err ? err : estoc_archive_note(b->archive, "node", b->conf.node);
    err = err ? err : estoc_archive_note(b->archive, "line", line);
    return err ? failed(b, err) : 0;
}

static int add_all(struct backup *b)
{
    estoc_why why = {""};
    const char *passphrase = estoc_passphrase_path(b->conf.ca_passphrase);
    if (passphrase == NULL || stat(passphrase, &b->key) != 0) {
        b->key.st_ino = 0;
    }
    estoc_err err = estoc_archive_create(b->temp, &b->archive, &why);
    if (err) {
        return estocd_say(COMMAND, "%s", why.text);
    }
    estocd_progress_begin(&b->progress, "bytes");
    int code = add_folder(b);
    code = code ? code : add_log(b);
    code = code ? code : add_notes(b);
    estocd_progress_end(&b->progress);
    if (!code) {
        err = estoc_archive_finish(b->archive);
        code = err ? failed(b, err) : 0;
    }
    estoc_archive_close(b->archive);
    b->archive = NULL;
    return code;
}

/* ------------------------------------------------------------------------------------ the command */

static void tell_outside(void *ctx, const char *key, const char *path)
{
    const struct backup *b = ctx;
    size_t len = strlen(b->dir);
    if (strncmp(path, b->dir, len) != 0 || path[len] != '/') {
        fprintf(stderr, "estocd " COMMAND ": note: not in it, for it is outside of %s: %s (%s)\n",
                b->dir, path, key);
    }
}

static int tell(const struct backup *b)
{
    struct stat st = {.st_size = 0};
    char log[64] = ""; /* a registrar keeps none */
    if (b->conf.audit[0] != '\0') {
        snprintf(log, sizeof log, ", the log up to line %lld", (long long)b->line);
    }
    estoc_config_files(&b->conf, tell_outside, (void *)(uintptr_t)b);
    if (b->key.st_ino != 0) {
        fprintf(stderr, "estocd " COMMAND ": note: not in it, for the CA's key is: %s\n",
                estoc_passphrase_path(b->conf.ca_passphrase));
    }
    (void)stat(b->out, &st);
    fprintf(stderr,
            "%s: %llu certificates, %llu files%s; %lld bytes. Who has it has the keys that are in "
            "%s\n",
            b->out, (unsigned long long)b->certificates, (unsigned long long)b->files, log,
            (long long)st.st_size, b->dir);
    return 0;
}

static int put_in_place(struct backup *b)
{
    if (renameat2(AT_FDCWD, b->temp, AT_FDCWD, b->out, RENAME_NOREPLACE) != 0) {
        return errno == EEXIST
                   ? estocd_say(COMMAND, "%s: is there already; choose another name", b->out)
                   : failed(b, ESTOC_E_FILE);
    }
    b->temp[0] = '\0';
    estoc_err err = estoc_file_sync_folder(b->out);
    return err ? failed(b, err) : 0;
}

static int make_temp(struct backup *b)
{
    if (estoc_file_exists(b->out)) {
        return estocd_say(COMMAND, "%s: is there already; choose another name", b->out);
    }
    int n = snprintf(b->temp, sizeof b->temp, "%s.XXXXXX", b->out);
    int fd = n > 0 && (size_t)n + 16 < sizeof b->temp ? mkostemp(b->temp, O_CLOEXEC) : -1;
    if (fd < 0) {
        b->temp[0] = '\0';
        return failed(b, ESTOC_E_FILE);
    }
    close(fd);
    return 0;
}

static void drop_temp(const struct backup *b)
{
    static const char *const ends[] = {"", "-wal", "-shm", "-journal"};
    char path[sizeof b->temp + 16];
    for (size_t i = 0; b->temp[0] != '\0' && i < sizeof ends / sizeof ends[0]; i++) {
        snprintf(path, sizeof path, "%s%s", b->temp, ends[i]);
        unlink(path);
    }
}

static int backup(struct backup *b)
{
    if (!estocd_configure(COMMAND, b->dir, &b->conf)) {
        return 1;
    }
    int code = make_temp(b);
    if (code) {
        return code;
    }
    b->from = estocd_open_store_of(COMMAND, &b->conf);
    code = b->from == NULL ? 1 : take_snapshot(b);
    code = code ? code : copy_store(b);
    if (b->from != NULL) {
        estoc_store_rollback(b->from);
        estoc_store_close(b->from);
    }
    code = code ? code : add_all(b);
    code = code ? code : put_in_place(b);
    estoc_trail_close(&b->trail);
    drop_temp(b);
    return code ? code : tell(b);
}

int estocd_backup(int argc, char **argv)
{
    static struct backup b;
    static char dir[4096];
    const char *unused;
    b.trail.fd = -1;
    const estoc_arg options[] = {
        ESTOCD_DIR_OPTION(&b.dir),
        {.name = "out",
         .kind = ESTOC_ARG_TEXT,
         .metavar = "FILE",
         .help = "where to; it must not be there",
         .to.text = &b.out,
         .required = true},
        {.kind = ESTOC_ARG_END},
    };
    const estoc_usage usage = {
        .program = "estocd",
        .command = COMMAND,
        .summary = "copy all that is needed to carry on into one file",
        .description =
            "The store (of whatever kind) as it is at one moment, all files of DIR, the audit log "
            "up\n"
            "to that moment. estocd may run meanwhile. FILE is there when all of it is, mode "
            "0600.\n"
            "It has the private keys of DIR, as they are there: keep it as safe as those. A\n"
            "passphrase of the CA's key that is in a file is left out. `estocd restore` brings it\n"
            "back.",
        .example = "  estocd backup --dir ~/est --out /mnt/safe/est-$(date +%F).backup",
        .options = options,
    };
    int code = estoc_args_parse(&usage, argc, argv, &unused);
    if (code != ESTOC_ARGS_RUN) {
        return code;
    }
    snprintf(dir, sizeof dir, "%s", b.dir);
    for (size_t n = strlen(dir); n > 1 && dir[n - 1] == '/'; n--) {
        dir[n - 1] = '\0';
    }
    b.dir = dir;
    return backup(&b);
}
