/* SPDX-License-Identifier: MIT
 *
 * Loaded into a program before the C library (LD_PRELOAD). The time of day is off by the seconds in
 * the file $ESTOC_SHIFT, read at each look at the clock; what is synced, received, sent and told to
 * syslog is noted in the file $ESTOC_JOURNAL, a line each, in the order it happened. While there is a
 * file $ESTOC_BROKEN, the cryptographic library makes no copy of a key.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

void *EVP_PKEY_dup(void *key);
int fdatasync(int fd);
int fsync(int fd);

static long shift(void)
{
    const char *file = getenv("ESTOC_SHIFT");
    char text[32] = "";
    int fd = file != NULL ? open(file, O_RDONLY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        ssize_t n = read(fd, text, sizeof text - 1);
        text[n > 0 ? n : 0] = '\0';
        close(fd);
    }
    return strtol(text, NULL, 10);
}

static void note(const char *what)
{
    const char *file = getenv("ESTOC_JOURNAL");
    int fd = file != NULL ? open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
    if (fd >= 0) {
        ssize_t n = write(fd, what, strlen(what));
        (void)n;
        close(fd);
    }
}

/* ISO C has no conversion from an object pointer to a function pointer. */
#define REAL(result, name, parameters) \
    union {                            \
        void *object;                  \
        result(*call) parameters;      \
    } real;                            \
    real.object = dlsym(RTLD_NEXT, name)

int clock_gettime(clockid_t id, struct timespec *ts)
{
    REAL(int, "clock_gettime", (clockid_t, struct timespec *));
    int rc = real.call(id, ts);
    if (rc == 0 && id == CLOCK_REALTIME) {
        ts->tv_sec += shift();
    }
    return rc;
}

time_t time(time_t *out)
{
    struct timespec ts = {0};
    clock_gettime(CLOCK_REALTIME, &ts);
    if (out != NULL) {
        *out = ts.tv_sec;
    }
    return ts.tv_sec;
}

int gettimeofday(struct timeval *tv, void *zone)
{
    struct timespec ts = {0};
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &ts);
    *tv = (struct timeval){.tv_sec = ts.tv_sec, .tv_usec = ts.tv_nsec / 1000};
    return 0;
}

/* A line of the system's log. */
__attribute__((format(printf, 2, 0))) static void note_syslog(int priority, const char *format,
                                                              va_list args)
{
    char line[8192];
    int n = snprintf(line, sizeof line, "syslog %d ", priority);
    vsnprintf(line + n, sizeof line - 1 - (size_t)n, format, args);
    strcat(line, "\n");
    note(line);
}

void syslog(int priority, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    note_syslog(priority, format, args);
    va_end(args);
}

void __syslog_chk(int priority, int flag, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void __syslog_chk(int priority, int flag, const char *format, ...)
{
    va_list args;
    (void)flag;
    va_start(args, format);
    note_syslog(priority, format, args);
    va_end(args);
}

static int synced(const char *name, int fd)
{
    REAL(int, name, (int));
    int rc = real.call(fd);
    note(rc == 0 ? "sync\n" : "sync failed\n");
    return rc;
}

int fsync(int fd)
{
    return synced("fsync", fd);
}

int fdatasync(int fd)
{
    return synced("fdatasync", fd);
}

ssize_t sendmsg(int fd, const struct msghdr *m, int flags)
{
    REAL(ssize_t, "sendmsg", (int, const struct msghdr *, int));
    note("send\n");
    return real.call(fd, m, flags);
}

ssize_t recvmsg(int fd, struct msghdr *m, int flags)
{
    REAL(ssize_t, "recvmsg", (int, struct msghdr *, int));
    ssize_t n = real.call(fd, m, flags);
    if (n > 0) {
        note("receive\n");
    }
    return n;
}

void *EVP_PKEY_dup(void *key)
{
    REAL(void *, "EVP_PKEY_dup", (void *));
    const char *file = getenv("ESTOC_BROKEN");
    return file != NULL && access(file, F_OK) == 0 ? NULL : real.call(key);
}
