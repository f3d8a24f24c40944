/* SPDX-License-Identifier: MIT
 *
 * The file of an audit log: locked, read from behind, added to.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "crypto.h"
#include "text.h"
#include "trail.h"

#define WINDOW 1048576 /* bytes of a file's end in which its last line must be */

void estoc_trail_init(estoc_trail *t, const char *path, bool to_syslog)
{
    *t = (estoc_trail){.fd = -1, .syslog = to_syslog};
    snprintf(t->path, sizeof t->path, "%s", path);
    if (to_syslog) {
        openlog("estocd", LOG_PID, LOG_AUTHPRIV);
    }
}

void estoc_trail_close(estoc_trail *t)
{
    if (t->fd >= 0) {
        close(t->fd);
    }
    t->fd = -1;
    t->known = false;
}

static estoc_err failed(const estoc_trail *t, const char *what, estoc_why *why)
{
    estoc_why_set(why, "audit log %.120s: %s: %s", t->path, what, strerror(errno));
    return ESTOC_E_FILE;
}

/* -------------------------------------------------------------------------------------- the lock */

static estoc_err open_file(estoc_trail *t, bool create, estoc_why *why)
{
    int flags = O_RDWR | O_APPEND | O_CLOEXEC;
    t->known = false;
    t->size = 0;
    t->end = (estoc_trail_end){.seq = 0};
    t->fd = open(t->path, flags);
    if (t->fd < 0 && errno == ENOENT && create) {
        t->fd = open(t->path, flags | O_CREAT, 0600);
        if (t->fd >= 0 && estoc_file_sync_folder(t->path)) {
            estoc_trail_close(t);
        }
    }
    if (t->fd < 0) {
        bool missing = errno == ENOENT;
        estoc_err err = failed(t, "cannot be opened", why);
        return missing ? ESTOC_E_NOT_FOUND : err;
    }
    return ESTOC_OK;
}

/* Whether the name still means the file that is open: it may have been put aside for a new one. */
static bool is_current(const estoc_trail *t)
{
    struct stat open_one, named;
    return fstat(t->fd, &open_one) == 0 && stat(t->path, &named) == 0 &&
           open_one.st_ino == named.st_ino && open_one.st_dev == named.st_dev;
}

static estoc_err lock_file(estoc_trail *t, bool create, estoc_why *why)
{
    for (;;) {
        estoc_err err = t->fd < 0 ? open_file(t, create, why) : ESTOC_OK;
        if (err) {
            return err;
        }
        if (flock(t->fd, LOCK_EX) != 0) {
            err = failed(t, "cannot be locked", why);
            estoc_trail_close(t);
            return err;
        }
        if (is_current(t)) {
            return ESTOC_OK;
        }
        estoc_trail_close(t);
    }
}

void estoc_trail_unlock(estoc_trail *t)
{
    if (t->fd >= 0) {
        flock(t->fd, LOCK_UN);
    }
}

/* --------------------------------------------------------------------------------------- its end */

static bool take_line(estoc_slice line, estoc_trail_end *end)
{
    estoc_audit_parsed l;
    estoc_why unused;
    if (estoc_audit_parse(line, &l, &unused)) {
        return false;
    }
    end->seq = l.entry.seq;
    memcpy(end->hash, l.hash, sizeof end->hash);
    memcpy(end->node, l.entry.node, strlen(l.entry.node) + 1); /* its length was checked */
    estoc_audit_free(&l);
    return true;
}

/* The last line of what is in `text`, which begins at `from` of the file. @return false: none is whole */
static bool find_last(const char *text, size_t len, int64_t from, estoc_trail_end *end)
{
    for (size_t stop = len; stop > 0; stop--) {
        if (text[stop - 1] != '\n') {
            continue;
        }
        const char *before = memrchr(text, '\n', stop - 1);
        if (before == NULL && from > 0) {
            return false; /* its beginning is not in the window */
        }
        size_t start = before != NULL ? (size_t)(before - text) + 1 : 0;
        if (take_line(estoc_slice_of(text + start, stop - 1 - start), end)) {
            end->at = from + (int64_t)stop;
            return true;
        }
    }
    return false;
}

static bool read_at(int fd, char *to, size_t len, int64_t at)
{
    while (len > 0) {
        ssize_t n = pread(fd, to, len, (off_t)at);
        if (n == 0) {
            errno = EIO; /* it has become shorter under our lock */
        }
        if (n == 0 || (n < 0 && errno != EINTR)) {
            return false;
        }
        if (n > 0) {
            to += n;
            at += n;
            len -= (size_t)n;
        }
    }
    return true;
}

estoc_err estoc_trail_cut(estoc_trail *t, const estoc_trail_end *end, estoc_why *why)
{
    t->known = false;
    if (ftruncate(t->fd, (off_t)end->at) != 0) {
        return failed(t, "its end, which a power cut has damaged, cannot be cut off", why);
    }
    t->end = *end;
    t->end.behind = 0;
    t->size = end->at;
    t->known = true;
    t->in_doubt = false;
    return ESTOC_OK;
}

bool estoc_trail_has(const estoc_trail *t, int64_t at, estoc_slice bytes)
{
    char part[4096];
    while (bytes.len > 0) {
        size_t n = bytes.len < sizeof part ? bytes.len : sizeof part;
        if (!read_at(t->fd, part, n, at) || memcmp(part, bytes.ptr, n) != 0) {
            return false;
        }
        at += (int64_t)n;
        bytes = estoc_slice_sub(bytes, n, bytes.len);
    }
    return true;
}

static estoc_err find_end(estoc_trail *t, estoc_why *why)
{
    struct stat st;
    if (fstat(t->fd, &st) != 0) {
        return failed(t, "cannot be read", why);
    }
    if (t->in_doubt && st.st_size == t->size) {
        return estoc_trail_cut(t, &t->end, why);
    }
    if (t->known && st.st_size == t->size) {
        return ESTOC_OK;
    }
    t->in_doubt = false;
    t->size = st.st_size;
    t->end = (estoc_trail_end){.seq = 0};
    size_t len = t->size < WINDOW ? (size_t)t->size : WINDOW;
    char *text = malloc(len + 1);
    if (text == NULL) {
        estoc_why_set(why, "%s", estoc_err_text(ESTOC_E_MEMORY));
        return ESTOC_E_MEMORY;
    }
    int64_t from = t->size - (int64_t)len;
    estoc_err err = read_at(t->fd, text, len, from) ? ESTOC_OK : failed(t, "cannot be read", why);
    if (!err && !find_last(text, len, from, &t->end) && from > 0) {
        estoc_why_set(why,
                      "audit log %.120s: there is no line in its last megabyte; see what "
                      "`estocd audit verify` says, and put a good copy in its place",
                      t->path);
        err = ESTOC_E_MALFORMED;
    }
    t->end.behind = t->size - t->end.at;
    t->known = !err;
    free(text);
    return err;
}

estoc_err estoc_trail_lock(estoc_trail *t, bool create, estoc_why *why)
{
    estoc_err err = lock_file(t, create, why);
    if (err) {
        return err;
    }
    err = find_end(t, why);
    if (err) {
        estoc_trail_unlock(t);
    }
    return err;
}

/* ---------------------------------------------------------------------------------------- adding */

/* What stands behind the last line is the beginning of what comes: then it is gone on with, for the
 * file may be one that can only be appended to (chattr +a). Else it is cut off.
 * @param[out] done  how much of `lines` is there                                                   */
static estoc_err go_on(estoc_trail *t, estoc_slice lines, size_t *done, estoc_why *why)
{
    size_t behind = (size_t)t->end.behind;
    *done = 0;
    if (behind == 0) {
        return ESTOC_OK;
    }
    bool same =
        behind <= lines.len && estoc_trail_has(t, t->end.at, estoc_slice_of(lines.ptr, behind));
    if (same) {
        *done = behind;
        return ESTOC_OK;
    }
    return estoc_trail_cut(t, &t->end, why);
}

/* Without the certificate, which is long and not needed there; with the hash of the whole line, which
 * is worth having elsewhere. */
static void tell_syslog(estoc_slice line)
{
    uint8_t hash[32];
    char hex[65];
    cJSON *json = cJSON_ParseWithLength((const char *)line.ptr, line.len);
    if (json == NULL || estoc_sha256(line, hash)) {
        cJSON_Delete(json);
        return;
    }
    cJSON_DeleteItemFromObjectCaseSensitive(json, "cert");
    cJSON_AddStringToObject(json, "hash",
                            estoc_hex(estoc_slice_of(hash, sizeof hash), hex, sizeof hex));
    char *text = cJSON_PrintUnformatted(json);
    if (text != NULL) {
        syslog(LOG_AUTHPRIV | LOG_INFO, "%s", text);
    }
    free(text);
    cJSON_Delete(json);
}

static void tell_syslog_all(estoc_slice lines)
{
    const uint8_t *end;
    while (lines.len > 0 && (end = memchr(lines.ptr, '\n', lines.len)) != NULL) {
        size_t len = (size_t)(end - lines.ptr);
        tell_syslog(estoc_slice_of(lines.ptr, len));
        lines = estoc_slice_sub(lines, len + 1, lines.len);
    }
}

estoc_err estoc_trail_append(estoc_trail *t, estoc_slice lines, const estoc_trail_end *last,
                             estoc_why *why)
{
    size_t done;
    estoc_err err = go_on(t, lines, &done, why);
    if (err) {
        return err;
    }
    int64_t all = t->end.at + (int64_t)lines.len;
    t->known = false;
    while (done < lines.len) {
        ssize_t n = write(t->fd, lines.ptr + done, lines.len - done);
        if (n < 0 && errno != EINTR) {
            return failed(t, "cannot be written", why);
        }
        done += n > 0 ? (size_t)n : 0;
    }
    if (fsync(t->fd) != 0) { /* what the system has in memory of it must not be taken for written */
        t->in_doubt = true;
        t->size = all;
        return failed(t, "cannot be written", why);
    }
    t->end = *last;
    t->end.at = all;
    t->end.behind = 0;
    t->size = all;
    t->known = true;
    if (t->syslog) {
        tell_syslog_all(lines);
    }
    return ESTOC_OK;
}
