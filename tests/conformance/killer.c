/* SPDX-License-Identifier: MIT
 *
 * Loaded into a program before the C library (LD_PRELOAD): each call that changes a file is a step,
 * and the process is killed as it begins step number $ESTOC_KILL_AT.
 */
#include <dlfcn.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

int fchmod(int fd, mode_t mode);
int fsync(int fd);
int mkdir(const char *path, mode_t mode);
int mkostemp(char *path, int flags);
int rename(const char *from, const char *to);

static unsigned long step;

static void *next(const char *name)
{
    const char *at = getenv("ESTOC_KILL_AT");
    if (at != NULL && ++step == strtoul(at, NULL, 10)) {
        raise(SIGKILL);
    }
    return dlsym(RTLD_NEXT, name);
}

#define STEP(name, parameters, arguments) \
    int name parameters                   \
    {                                     \
        union {                           \
            void *object;                 \
            int(*call) parameters;        \
        } real = {next(#name)};           \
        return real.call arguments;       \
    }

STEP(fchmod, (int fd, mode_t mode), (fd, mode))
STEP(fsync, (int fd), (fd))
STEP(mkdir, (const char *path, mode_t mode), (path, mode))
STEP(mkostemp, (char *path, int flags), (path, flags))
STEP(rename, (const char *from, const char *to), (from, to))
STEP(symlink, (const char *target, const char *path), (target, path))
STEP(unlink, (const char *path), (path))
STEP(unlinkat, (int fd, const char *path, int flags), (fd, path, flags))
