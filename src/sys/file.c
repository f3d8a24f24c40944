/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys.h"

static estoc_err read_all(int fd, size_t max, estoc_blob *out)
{
    size_t cap = 4096;
    size_t len = 0;
    uint8_t *p = malloc(cap);
    estoc_err err = p != NULL ? ESTOC_OK : ESTOC_E_MEMORY;
    while (!err) {
        if (len == cap) {
            /* not realloc: what was read may be a key, and the old block must be wiped */
            uint8_t *more = malloc(cap * 2);
            if (more == NULL) {
                err = ESTOC_E_MEMORY;
                break;
            }
            memcpy(more, p, len);
            estoc_wipe(p, len);
            free(p);
            p = more;
            cap *= 2;
        }
        ssize_t n = read(fd, p + len, cap - len);
        if (n == 0) {
            *out = (estoc_blob){p, len};
            return ESTOC_OK;
        }
        if (n < 0 && errno != EINTR) {
            err = ESTOC_E_FILE;
        } else if (n > 0) {
            len += (size_t)n;
            err = len > max ? ESTOC_E_LIMIT : ESTOC_OK;
        }
    }
    estoc_blob waste = {p, len};
    estoc_blob_free(&waste);
    return err;
}

estoc_err estoc_file_read(const char *path, size_t max, estoc_blob *out)
{
    *out = (estoc_blob){NULL, 0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return ESTOC_E_FILE;
    }
    estoc_err err = read_all(fd, max, out);
    int saved = errno;
    close(fd);
    errno = saved;
    return err;
}

static estoc_err write_all(int fd, estoc_slice data)
{
    size_t done = 0;
    while (done < data.len) {
        ssize_t n = write(fd, data.ptr + done, data.len - done);
        if (n < 0 && errno != EINTR) {
            return ESTOC_E_FILE;
        }
        done += n > 0 ? (size_t)n : 0;
    }
    return ESTOC_OK;
}

static estoc_err write_durably(int fd, estoc_slice data)
{
    estoc_err err = write_all(fd, data);
    return err ? err : fsync(fd) == 0 ? ESTOC_OK : ESTOC_E_FILE;
}

/* The rename is durable only when the folder is. */
estoc_err estoc_file_sync_folder(const char *path)
{
    char folder[4096];
    const char *slash = strrchr(path, '/');
    size_t len = slash == NULL ? 0 : (size_t)(slash - path);
    if (len >= sizeof folder) {
        return ESTOC_E_FILE;
    }
    if (slash == NULL) {
        strcpy(folder, ".");
    } else {
        memcpy(folder, path, len);
        folder[len] = '\0';
    }
    int fd = open(folder[0] != '\0' ? folder : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return ESTOC_E_FILE;
    }
    estoc_err err = fsync(fd) == 0 ? ESTOC_OK : ESTOC_E_FILE;
    close(fd);
    return err;
}

/* What is no file is not replaced by one: a device, a pipe. */
static bool write_through(const char *path, estoc_slice data, estoc_err *err)
{
    struct stat st;
    if (stat(path, &st) != 0 || S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)) {
        return false;
    }
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    *err = fd >= 0 ? write_all(fd, data) : ESTOC_E_FILE;
    if (fd >= 0 && close(fd) != 0) {
        *err = ESTOC_E_FILE;
    }
    return true;
}

estoc_err estoc_file_write(const char *path, estoc_slice data, unsigned mode)
{
    char temp[4096];
    estoc_err through;
    if (write_through(path, data, &through)) {
        return through;
    }
    int n = snprintf(temp, sizeof temp, "%s.XXXXXX", path);
    if (n < 0 || (size_t)n >= sizeof temp) {
        return ESTOC_E_FILE;
    }
    int fd = mkostemp(temp, O_CLOEXEC);
    if (fd < 0) {
        return ESTOC_E_FILE;
    }
    estoc_err err = fchmod(fd, (mode_t)mode) == 0 ? write_durably(fd, data) : ESTOC_E_FILE;
    if (close(fd) != 0) {
        err = ESTOC_E_FILE;
    }
    if (!err && rename(temp, path) != 0) {
        err = ESTOC_E_FILE;
    }
    if (err) {
        int saved = errno;
        unlink(temp);
        errno = saved;
        return err;
    }
    return estoc_file_sync_folder(path);
}

bool estoc_file_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

estoc_err estoc_file_link(const char *target, const char *path)
{
    char temp[4096];
    int n = snprintf(temp, sizeof temp, "%s.new", path);
    if (n < 0 || (size_t)n >= sizeof temp) {
        return ESTOC_E_FILE;
    }
    (void)unlink(temp); /* of a run that was killed */
    if (symlink(target, temp) != 0 || rename(temp, path) != 0) {
        return ESTOC_E_FILE;
    }
    return estoc_file_sync_folder(path);
}

estoc_err estoc_file_remove(const char *path)
{
    if (unlink(path) != 0) {
        return errno == ENOENT ? ESTOC_OK : ESTOC_E_FILE;
    }
    return estoc_file_sync_folder(path);
}

estoc_err estoc_path_join(char *out, size_t cap, const char *dir, const char *name)
{
    size_t len = strlen(dir);
    const char *slash = len > 0 && dir[len - 1] != '/' && name[0] != '/' ? "/" : "";
    int n = snprintf(out, cap, "%s%s%s", name[0] == '/' ? "" : dir, slash, name);
    return n >= 0 && (size_t)n < cap ? ESTOC_OK : ESTOC_E_SPACE;
}
