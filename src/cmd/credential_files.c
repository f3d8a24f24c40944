/* SPDX-License-Identifier: MIT
 *
 * How a pair is replaced: credential.h tells the form.                                    K2
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "credential.h"

#define FILE_MAX  65536
#define BELOW_MAX 16 /* bytes of the longest path below PREFIX.d, such as "/a/csr" */
#define LINK_MAX_ 64 /* bytes of our own links' targets behind the base name */

struct files {
    const char *prefix;
    const char *base; /* of the prefix: what our links begin with */
    char crt[ESTOC_PATH_MAX], key[ESTOC_PATH_MAX];
    char folder[ESTOC_PATH_MAX]; /* PREFIX.d */
    char now;                    /* 'a' or 'b'; 0: none yet */
    char next;                   /* the other one */
};

/* A file in a slot, or with slot 0 in PREFIX.d itself. @return out: files_of() saw to its length */
static char *in(const struct files *f, char slot, const char *name, char out[ESTOC_PATH_MAX])
{
    size_t n = strlen(f->folder);
    memcpy(out, f->folder, n);
    out[n++] = '/';
    if (slot != '\0') {
        out[n++] = slot;
        out[n++] = '/';
    }
    memcpy(out + n, name, strlen(name) + 1);
    return out;
}

static char read_now(const struct files *f)
{
    char path[ESTOC_PATH_MAX], to[2];
    bool one = readlink(in(f, 0, "now", path), to, sizeof to) == 1;
    return one && (to[0] == 'a' || to[0] == 'b') ? to[0] : '\0';
}

static estoc_err files_of(const char *prefix, struct files *f, estoc_why *why)
{
    const char *slash = strrchr(prefix, '/');
    f->prefix = prefix;
    f->base = slash != NULL ? slash + 1 : prefix;
    if (estoc_credential_path(prefix, ".crt", f->crt) ||
        estoc_credential_path(prefix, ".key", f->key) ||
        estoc_credential_path(prefix, ".d", f->folder) ||
        strlen(f->folder) + BELOW_MAX >= ESTOC_PATH_MAX) {
        estoc_why_set(why, "%s: too long a path", prefix);
        return ESTOC_E_LIMIT;
    }
    f->now = read_now(f);
    f->next = f->now == 'a' ? 'b' : 'a';
    return ESTOC_OK;
}

static estoc_err unwritable(estoc_why *why, const char *path)
{
    estoc_why_set(why, "%s: cannot be written: %s", path, strerror(errno));
    return ESTOC_E_FILE;
}

static bool has(const struct files *f, char slot, const char *name)
{
    char path[ESTOC_PATH_MAX];
    return estoc_file_exists(in(f, slot, name, path));
}

/* A folder of the slot, with nothing in it: also what a run killed while it wrote has left. */
static estoc_err clear(const struct files *f, char slot, estoc_why *why)
{
    char path[ESTOC_PATH_MAX];
    const struct dirent *e;
    if (mkdir(in(f, slot, "", path), 0755) != 0 && errno != EEXIST) {
        return unwritable(why, path);
    }
    DIR *d = opendir(path);
    if (d == NULL) {
        return unwritable(why, path);
    }
    int rc = 0;
    while (rc == 0 && (e = readdir(d)) != NULL) {
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) {
            rc = unlinkat(dirfd(d), e->d_name, 0);
        }
    }
    rc = rc == 0 ? fsync(dirfd(d)) : rc;
    int saved = errno;
    closedir(d);
    errno = saved;
    return rc == 0 ? ESTOC_OK : unwritable(why, path);
}

/* Whether both files are there and belong together. */
static bool is_pair(const char *crt, const char *key)
{
    estoc_blobs chain;
    estoc_key *loaded;
    estoc_why ignored;
    if (!estoc_file_exists(crt) || !estoc_file_exists(key) ||
        estoc_credential_load(crt, key, &chain, &loaded, &ignored)) {
        return false;
    }
    estoc_blobs_free(&chain);
    estoc_key_free(loaded);
    return true;
}

static bool slot_is_pair(const struct files *f, char slot)
{
    char crt[ESTOC_PATH_MAX], key[ESTOC_PATH_MAX];
    return is_pair(in(f, slot, "crt", crt), in(f, slot, "key", key));
}

/* ---- PREFIX.crt and PREFIX.key ---- */

static const char *link_to(const struct files *f, const char *name, char *out, size_t cap)
{
    snprintf(out, cap, "%s.d/now/%s", f->base, name);
    return out;
}

static bool is_ours(const struct files *f, const char *path, const char *name)
{
    char want[ESTOC_PATH_MAX + LINK_MAX_], to[ESTOC_PATH_MAX + LINK_MAX_];
    ssize_t n = readlink(path, to, sizeof to - 1);
    return n > 0 && (size_t)n == strlen(link_to(f, name, want, sizeof want)) &&
           memcmp(to, want, (size_t)n) == 0;
}

static bool is_absent(const char *path)
{
    struct stat st;
    return lstat(path, &st) != 0;
}

/* Whether someone else has put files where our links belong. */
static bool is_plain(const struct files *f)
{
    return (!is_absent(f->crt) && !is_ours(f, f->crt, "crt")) ||
           (!is_absent(f->key) && !is_ours(f, f->key, "key"));
}

static estoc_err put_links(const struct files *f, estoc_why *why)
{
    static const char *const names[] = {"key", "crt"};
    char target[ESTOC_PATH_MAX + LINK_MAX_];
    for (size_t i = 0; i < 2; i++) {
        const char *path = i == 0 ? f->key : f->crt;
        if (!is_ours(f, path, names[i]) &&
            estoc_file_link(link_to(f, names[i], target, sizeof target), path)) {
            return unwritable(why, path);
        }
    }
    return ESTOC_OK;
}

/* From now on `next` is the pair. Each step may be the last of this run: recover() does the rest. */
static estoc_err turn_over(struct files *f, estoc_why *why)
{
    char now[ESTOC_PATH_MAX], csr[ESTOC_PATH_MAX];
    const char target[2] = {f->next, '\0'};
    in(f, f->next, "csr", csr);
    if (estoc_file_link(target, in(f, 0, "now", now))) {
        return unwritable(why, now);
    }
    f->next = f->now != '\0' ? f->now : f->next == 'a' ? 'b' : 'a';
    f->now = target[0];
    if (estoc_file_remove(csr)) {
        return unwritable(why, csr);
    }
    estoc_err err = put_links(f, why);
    return err ? err : clear(f, f->next, why);
}

static estoc_err copy(const struct files *f, const char *from, const char *name, unsigned mode,
                      estoc_why *why)
{
    char to[ESTOC_PATH_MAX];
    estoc_blob data;
    if (estoc_file_read(from, FILE_MAX, &data)) {
        estoc_why_set(why, "%s: cannot be read: %s", from, strerror(errno));
        return ESTOC_E_FILE;
    }
    estoc_err err = estoc_file_write(in(f, f->next, name, to), estoc_blob_slice(data), mode);
    estoc_blob_free(&data);
    return err ? unwritable(why, to) : ESTOC_OK;
}

/* A pair of plain files into `next`, which becomes `now`; then links in their place. At each step
 * what a reader finds has the same contents.                                                       */
static estoc_err adopt(struct files *f, estoc_why *why)
{
    estoc_err err = clear(f, f->next, why);
    err = err ? err : copy(f, f->key, "key", 0600, why);
    err = err ? err : copy(f, f->crt, "crt", 0644, why);
    return err ? err : turn_over(f, why);
}

/* ---- what the commands call ---- */

estoc_err estoc_credential_lock(const char *prefix, estoc_why *why)
{
    struct files f;
    char path[ESTOC_PATH_MAX];
    estoc_err err = files_of(prefix, &f, why);
    if (err) {
        return err;
    }
    if (mkdir(f.folder, 0755) != 0 && errno != EEXIST) {
        return unwritable(why, f.folder);
    }
    int fd = open(in(&f, 0, "lock", path), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        return unwritable(why, path);
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        int saved = errno;
        close(fd);
        if (saved == EWOULDBLOCK) {
            estoc_why_set(why, "%s: another run is at work on it; try later", prefix);
            return ESTOC_E_BUSY;
        }
        errno = saved;
        return unwritable(why, path);
    }
    return ESTOC_OK; /* the descriptor stays open, and the lock with it */
}

estoc_err estoc_credential_recover(const char *prefix, estoc_why *why)
{
    struct files f;
    char csr[ESTOC_PATH_MAX];
    estoc_err err = files_of(prefix, &f, why);
    if (err || !estoc_file_exists(f.folder)) {
        return err;
    }
    if (f.now != '\0' && estoc_file_remove(in(&f, f.now, "csr", csr))) {
        return unwritable(why, csr);
    }
    /* Plain files that are a pair came after it: prepare() leaves none. */
    if (has(&f, f.next, "csr") && slot_is_pair(&f, f.next) &&
        !(is_plain(&f) && is_pair(f.crt, f.key))) {
        return turn_over(&f, why);
    }
    if (f.now != '\0' && !is_plain(&f)) {
        err = put_links(&f, why);
    }
    return err || has(&f, f.next, "csr") ? err : clear(&f, f.next, why);
}

bool estoc_credential_pending(const char *prefix, estoc_key **key, estoc_blob *csr)
{
    struct files f;
    char path[ESTOC_PATH_MAX];
    *key = NULL;
    *csr = (estoc_blob){NULL, 0};
    /* A pair that someone else has put there since: what was asked for before is not for it. */
    if (files_of(prefix, &f, NULL) || is_plain(&f) ||
        estoc_file_read(in(&f, f.next, "csr", path), FILE_MAX, csr)) {
        return false;
    }
    if (estoc_key_load(in(&f, f.next, "key", path), key, NULL)) {
        estoc_blob_free(csr);
        return false;
    }
    return true;
}

estoc_err estoc_credential_prepare(const char *prefix, const estoc_key *key, estoc_slice csr,
                                   estoc_why *why)
{
    struct files f;
    char path[ESTOC_PATH_MAX];
    estoc_err err = files_of(prefix, &f, why);
    if (!err && is_plain(&f) && is_pair(f.crt, f.key)) {
        err = adopt(&f, why);
    }
    err = err ? err : clear(&f, f.next, why);
    if (err) {
        return err;
    }
    if (key == NULL) {
        err = copy(&f, f.key, "key", 0600, why);
    } else if (estoc_key_save(key, in(&f, f.next, "key", path))) {
        err = unwritable(why, path);
    }
    if (!err && estoc_file_write(in(&f, f.next, "csr", path), csr, 0600)) {
        err = unwritable(why, path);
    }
    return err;
}

void estoc_credential_forget(const char *prefix)
{
    struct files f;
    estoc_why ignored;
    if (!files_of(prefix, &f, &ignored) && has(&f, f.next, "csr")) {
        (void)clear(&f, f.next, &ignored);
    }
}

estoc_err estoc_credential_commit(const char *prefix, const estoc_slice *certs, size_t n,
                                  estoc_why *why)
{
    struct files f;
    estoc_blob pem;
    estoc_key *key = NULL;
    char path[ESTOC_PATH_MAX];
    estoc_err err = files_of(prefix, &f, why);
    if (err) {
        return err;
    }
    err = estoc_key_load(in(&f, f.next, "key", path), &key, why);
    if (!err && !estoc_key_matches(key, certs[0])) {
        estoc_why_set(why, "%s: the certificate is for another key", prefix);
        err = ESTOC_E_KEY;
    }
    estoc_key_free(key);
    err = err ? err : estoc_certs_pem(certs, n, &pem);
    if (err) {
        return err;
    }
    err = estoc_file_write(in(&f, f.next, "crt", path), estoc_blob_slice(pem), 0644);
    estoc_blob_free(&pem);
    return err ? unwritable(why, path) : turn_over(&f, why);
}
