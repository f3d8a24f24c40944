/* SPDX-License-Identifier: MIT
 *
 * Passphrases, from where others do not see them: never a command line, nor the environment.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "crypto.h"

#define FD         "fd:"
#define FILE_      "file:"
#define CREDENTIAL "credential:"
#define FDS_MAX    4
#define FD_MAX     65535
#define FILE_MAX   (ESTOC_PASSPHRASE_MAX + 2) /* with the line's end */

/* A descriptor gives it once; a reload needs it again. In memory that is neither swapped, as far as we may
 * say so, nor dumped; wiped when the process ends. */
struct kept {
    int fd;
    estoc_passphrase passphrase;
};
static struct kept *kept; /* FDS_MAX of them, or none yet */
static size_t kept_n;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void forget(void)
{
    estoc_wipe(kept, FDS_MAX * sizeof *kept);
}

static bool have_room(void)
{
    size_t len = FDS_MAX * sizeof *kept;
    if (kept == NULL) {
        void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED) {
            return false;
        }
        (void)mlock(p, len);
        (void)madvise(p, len, MADV_DONTDUMP);
        kept = p;
        (void)atexit(forget);
    }
    return kept_n < FDS_MAX;
}

/* What stands behind the scheme. @return NULL: it is another */
static const char *behind(const char *source, const char *scheme)
{
    size_t len = strlen(scheme);
    return strncmp(source, scheme, len) == 0 ? source + len : NULL;
}

/* @return -1: none */
static int descriptor(const char *text)
{
    size_t len = strlen(text);
    long n = len > 0 && len <= 5 && strspn(text, "0123456789") == len ? strtol(text, NULL, 10) : -1;
    return n <= FD_MAX ? (int)n : -1;
}

bool estoc_passphrase_is_source(const char *text)
{
    const char *fd = behind(text, FD);
    const char *file = behind(text, FILE_);
    const char *name = behind(text, CREDENTIAL);
    return fd != NULL ? descriptor(fd) >= 0
           : file != NULL
               ? file[0] != '\0'
               : name != NULL && name[0] != '\0' && name[0] != '.' && strchr(name, '/') == NULL;
}

const char *estoc_passphrase_path(const char *source)
{
    return behind(source, FILE_);
}

static estoc_err take_line(const char *source, estoc_slice text, estoc_passphrase *out,
                           estoc_why *why)
{
    size_t n = 0;
    while (n < text.len && text.ptr[n] != '\n' && text.ptr[n] != '\r') {
        n++;
    }
    if (n == 0 || n > ESTOC_PASSPHRASE_MAX || memchr(text.ptr, '\0', n) != NULL) {
        estoc_why_set(why, "%s: the first line is the passphrase, and it is %s", source,
                      n == 0                      ? "empty"
                      : n <= ESTOC_PASSPHRASE_MAX ? "no text"
                                                  : "too long");
        return ESTOC_E_FILE;
    }
    memcpy(out->text, text.ptr, n);
    out->text[n] = '\0';
    out->len = n;
    return ESTOC_OK;
}

static estoc_err from_file(const char *source, const char *path, estoc_passphrase *out,
                           estoc_why *why)
{
    estoc_blob text;
    estoc_err err = estoc_file_read(path, FILE_MAX, &text);
    if (err) {
        estoc_why_set(why, "%s: no passphrase can be read: %s", source,
                      err == ESTOC_E_FILE    ? strerror(errno)
                      : err == ESTOC_E_LIMIT ? "it is a longer file"
                                             : "no memory");
        return ESTOC_E_FILE;
    }
    err = take_line(source, estoc_blob_slice(text), out, why);
    estoc_blob_free(&text);
    return err;
}

static estoc_err from_credential(const char *source, const char *name, estoc_passphrase *out,
                                 estoc_why *why)
{
    char path[4096];
    const char *dir = getenv("CREDENTIALS_DIRECTORY");
    if (dir == NULL || estoc_path_join(path, sizeof path, dir, name)) {
        estoc_why_set(why,
                      "%s: systemd has given no credentials; put LoadCredentialEncrypted=%s:FILE "
                      "into the unit",
                      source, name);
        return ESTOC_E_FILE;
    }
    return from_file(source, path, out, why);
}

/* One line and no more: what follows it is for others. @return how many bytes; -1: errno tells */
static ssize_t read_line(int fd, uint8_t *line, size_t room)
{
    size_t n = 0;
    while (n < room) {
        ssize_t got = read(fd, line + n, 1);
        if (got == 0 || (got == 1 && line[n] == '\n')) {
            break;
        }
        if (got < 0 && errno != EINTR) {
            return -1;
        }
        n += got == 1;
    }
    return (ssize_t)n;
}

static estoc_err from_descriptor(const char *source, int fd, estoc_passphrase *out, estoc_why *why)
{
    uint8_t line[FILE_MAX];
    for (size_t i = 0; i < kept_n; i++) {
        if (kept[i].fd == fd) {
            *out = kept[i].passphrase;
            return ESTOC_OK;
        }
    }
    bool room = have_room();
    ssize_t n = room ? read_line(fd, line, sizeof line) : -1;
    estoc_err err =
        n >= 0 ? take_line(source, estoc_slice_of(line, (size_t)n), out, why) : ESTOC_E_FILE;
    if (n < 0) {
        estoc_why_set(why, "%s: no passphrase can be read: %s", source,
                      room ? strerror(errno) : "too many descriptors");
    }
    estoc_wipe(line, sizeof line);
    if (!err) {
        if (fd > 2) {
            (void)fcntl(fd, F_SETFD, FD_CLOEXEC); /* not for programs that we run */
        }
        kept[kept_n].fd = fd;
        kept[kept_n++].passphrase = *out;
    }
    return err;
}

estoc_err estoc_passphrase_read(const char *source, estoc_passphrase *out, estoc_why *why)
{
    const char *fd = behind(source, FD);
    const char *file = behind(source, FILE_);
    estoc_err err;
    *out = (estoc_passphrase){.len = 0};
    if (!estoc_passphrase_is_source(source)) {
        /* not what was given: it may be the passphrase itself */
        estoc_why_set(why, "a passphrase comes from " ESTOC_PASSPHRASE_SOURCES);
        return ESTOC_E_USAGE;
    }
    if (fd != NULL) {
        pthread_mutex_lock(&lock);
        err = from_descriptor(source, descriptor(fd), out, why);
        pthread_mutex_unlock(&lock);
    } else if (file != NULL) {
        err = from_file(source, file, out, why);
    } else {
        err = from_credential(source, behind(source, CREDENTIAL), out, why);
    }
    if (err) {
        estoc_wipe(out, sizeof *out);
    }
    return err;
}
