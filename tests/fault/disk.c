/* SPDX-License-Identifier: MIT
 *
 * Loaded into a server before the C library (LD_PRELOAD): what it does to the files in $FAULT_DIR and
 * each datagram it sends is noted in $FAULT_LOG, in the order it happened, so that pages.py can tell
 * what a power cut would have left; and what $FAULT_CONTROL asks for goes wrong: see `control`.
 */
#undef _FILE_OFFSET_BITS /* or open and open64 would be one name; programs use either */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define PATH_ROOM  512
#define SEND_SHOWN 16

/* Shared with common.py, which has the same layout. */
struct control {
    atomic_uint kill_in;      /* the process is killed before this operation from now; 0: never */
    atomic_uint sync_fail_in; /* this sync from now fails with EIO, and none after it; 0: none */
    atomic_uint write_errno; /* while not 0: writes fail with it, and so does opening for writing */
    atomic_uint sync_ms;     /* each sync takes so much longer */
    atomic_uint operations, syncs_failed, writes_failed;
};

enum kind { WRITE = 1, TRUNCATE, SYNC_BEGIN, SYNC_END, CREATE, RENAME, UNLINK, SEND };

struct head {
    uint32_t magic;
    uint8_t kind;
    uint8_t ok;
    uint16_t path_len;
    uint64_t number; /* offset, size, ticket, or length of a datagram */
    uint32_t len;    /* of the data behind the path */
    uint32_t spare;
};

static struct control none, *control = &none;
static const char *dir = "";
static int log_fd = -1;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_uint_fast64_t tickets;

__attribute__((constructor)) static void start(void)
{
    const char *log = getenv("FAULT_LOG");
    const char *shared = getenv("FAULT_CONTROL");
    const char *in = getenv("FAULT_DIR");
    dir = in != NULL ? in : "";
    if (log != NULL) {
        log_fd = (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
                              0600);
    }
    int fd = shared != NULL ? (int)syscall(SYS_openat, AT_FDCWD, shared, O_RDWR | O_CLOEXEC) : -1;
    if (fd >= 0) {
        void *at = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        control = at != MAP_FAILED ? at : control;
        close(fd);
    }
    if (log_fd < 0 || control == &none || *dir == '\0') {
        static const char text[] = "FAULT_DIR, FAULT_LOG, FAULT_CONTROL: missing\n";
        (void)!syscall(SYS_write, 2, text, sizeof text - 1);
        _exit(99);
    }
}

/* ISO C has no conversion from an object pointer to a function pointer. */
#define REAL(result, name, ...)      \
    union {                          \
        void *object;                \
        result (*call)(__VA_ARGS__); \
    } real;                          \
    real.object = dlsym(RTLD_NEXT, name)

static int inside(const char *path)
{
    size_t n = strlen(dir);
    return strncmp(path, dir, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

/* @return whether this descriptor is of a file that counts */
static int path_of(int fd, char path[PATH_ROOM])
{
    char link[64];
    int saved = errno;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, PATH_ROOM - 1);
    errno = saved;
    path[n > 0 ? n : 0] = '\0';
    return n > 0 && inside(path);
}

/* An operation that counts is about to begin. */
static void step(void)
{
    atomic_fetch_add(&control->operations, 1);
    unsigned left = atomic_load(&control->kill_in);
    while (left > 0 && !atomic_compare_exchange_weak(&control->kill_in, &left, left - 1)) {
    }
    if (left == 1) {
        (void)syscall(SYS_kill, getpid(), SIGKILL);
    }
}

static void note(enum kind kind, int ok, const char *path, uint64_t number, const void *data,
                 size_t len)
{
    int saved = errno;
    struct head h = {.magic = 0x4c554146,
                     .kind = (uint8_t)kind,
                     .ok = (uint8_t)ok,
                     .path_len = (uint16_t)strlen(path),
                     .number = number,
                     .len = (uint32_t)len};
    struct iovec parts[] = {
        {&h, sizeof h}, {(void *)(uintptr_t)path, h.path_len}, {(void *)(uintptr_t)data, len}};
    (void)!syscall(SYS_writev, log_fd, parts, 3);
    errno = saved;
}

static int refused(const char *path)
{
    unsigned error = inside(path) ? atomic_load(&control->write_errno) : 0;
    if (error != 0) {
        atomic_fetch_add(&control->writes_failed, 1);
        errno = (int)error;
    }
    return error != 0;
}

/* ----------------------------------------------------------------------------------------- writing */

static ssize_t written(ssize_t n, const char *path, off64_t at, const void *bytes)
{
    if (n > 0) {
        note(WRITE, 1, path, (uint64_t)at, bytes, (size_t)n);
    }
    pthread_mutex_unlock(&lock);
    return n;
}

static ssize_t put_at(int fd, const void *bytes, size_t len, off64_t at)
{
    char path[PATH_ROOM];
    REAL(ssize_t, "pwrite64", int, const void *, size_t, off64_t);
    if (!path_of(fd, path)) {
        return real.call(fd, bytes, len, at);
    }
    step();
    if (refused(path)) {
        return -1;
    }
    pthread_mutex_lock(&lock);
    return written(real.call(fd, bytes, len, at), path, at, bytes);
}

ssize_t pwrite64(int fd, const void *bytes, size_t len, off64_t at)
{
    return put_at(fd, bytes, len, at);
}

ssize_t pwrite(int fd, const void *bytes, size_t len, off_t at)
{
    return put_at(fd, bytes, len, at);
}

ssize_t write(int fd, const void *bytes, size_t len)
{
    char path[PATH_ROOM];
    REAL(ssize_t, "write", int, const void *, size_t);
    if (!path_of(fd, path)) {
        return real.call(fd, bytes, len);
    }
    step();
    if (refused(path)) {
        return -1;
    }
    pthread_mutex_lock(&lock);
    ssize_t n = real.call(fd, bytes, len);
    return written(n, path, lseek64(fd, 0, SEEK_CUR) - (n > 0 ? n : 0), bytes);
}

static int cut(int fd, off64_t size)
{
    char path[PATH_ROOM];
    REAL(int, "ftruncate64", int, off64_t);
    if (!path_of(fd, path)) {
        return real.call(fd, size);
    }
    step();
    if (refused(path)) {
        return -1;
    }
    pthread_mutex_lock(&lock);
    int rc = real.call(fd, size);
    if (rc == 0) {
        note(TRUNCATE, 1, path, (uint64_t)size, NULL, 0);
    }
    pthread_mutex_unlock(&lock);
    return rc;
}

int ftruncate64(int fd, off64_t size)
{
    return cut(fd, size);
}

int ftruncate(int fd, off_t size)
{
    return cut(fd, size);
}

/* ----------------------------------------------------------------------------------------- syncing */

static int sync_fails(void)
{
    unsigned left = atomic_load(&control->sync_fail_in);
    while (left > 0 && !atomic_compare_exchange_weak(&control->sync_fail_in, &left, left - 1)) {
    }
    return left == 1;
}

static int synced(const char *name, int fd)
{
    char path[PATH_ROOM];
    REAL(int, name, int);
    if (!path_of(fd, path)) {
        return real.call(fd);
    }
    step();
    uint64_t ticket = atomic_fetch_add(&tickets, 1);
    pthread_mutex_lock(&lock);
    note(SYNC_BEGIN, 1, path, ticket, NULL, 0);
    pthread_mutex_unlock(&lock);
    unsigned ms = atomic_load(&control->sync_ms);
    if (ms > 0) {
        usleep(ms * 1000);
    }
    int rc = -1;
    if (sync_fails()) {
        atomic_fetch_add(&control->syncs_failed, 1);
        errno = EIO;
    } else {
        rc = real.call(fd);
        step();
    }
    pthread_mutex_lock(&lock);
    note(SYNC_END, rc == 0, path, ticket, NULL, 0);
    pthread_mutex_unlock(&lock);
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

/* ------------------------------------------------------------------------------------------- names */

static int opened(const char *name, const char *path, int flags, mode_t mode)
{
    REAL(int, name, const char *, int, ...);
    if (!inside(path) || (flags & O_ACCMODE) == O_RDONLY) {
        return real.call(path, flags, mode);
    }
    if (refused(path)) {
        return -1;
    }
    pthread_mutex_lock(&lock);
    int isnew = (flags & O_CREAT) != 0 && access(path, F_OK) != 0;
    if (isnew) {
        step();
    }
    int fd = real.call(path, flags, mode);
    if (fd >= 0 && isnew) {
        note(CREATE, 1, path, 0, NULL, 0);
    } else if (fd >= 0 && (flags & O_TRUNC) != 0) {
        note(TRUNCATE, 1, path, 0, NULL, 0);
    }
    pthread_mutex_unlock(&lock);
    return fd;
}

#define OPEN(name)                               \
    int name(const char *path, int flags, ...)   \
    {                                            \
        va_list ap;                              \
        va_start(ap, flags);                     \
        mode_t mode = va_arg(ap, mode_t);        \
        va_end(ap);                              \
        return opened(#name, path, flags, mode); \
    }
OPEN(open)
OPEN(open64)

int mkostemp(char *path, int flags)
{
    REAL(int, "mkostemp", char *, int);
    if (refused(path)) {
        return -1;
    }
    pthread_mutex_lock(&lock);
    int fd = real.call(path, flags);
    if (fd >= 0 && inside(path)) {
        note(CREATE, 1, path, 0, NULL, 0);
    }
    pthread_mutex_unlock(&lock);
    return fd;
}

int rename(const char *from, const char *to)
{
    REAL(int, "rename", const char *, const char *);
    if (!inside(from) && !inside(to)) {
        return real.call(from, to);
    }
    step();
    if (refused(to)) {
        return -1;
    }
    pthread_mutex_lock(&lock);
    int rc = real.call(from, to);
    if (rc == 0) {
        note(RENAME, 1, from, 0, to, strlen(to));
    }
    pthread_mutex_unlock(&lock);
    return rc;
}

int unlink(const char *path)
{
    REAL(int, "unlink", const char *);
    if (!inside(path)) {
        return real.call(path);
    }
    step();
    pthread_mutex_lock(&lock);
    int rc = real.call(path);
    if (rc == 0) {
        note(UNLINK, 1, path, 0, NULL, 0);
    }
    pthread_mutex_unlock(&lock);
    return rc;
}

/* --------------------------------------------------------------------------------------- datagrams */

ssize_t sendmsg(int fd, const struct msghdr *m, int flags)
{
    REAL(ssize_t, "sendmsg", int, const struct msghdr *, int);
    size_t len = 0;
    for (size_t i = 0; i < m->msg_iovlen; i++) {
        len += m->msg_iov[i].iov_len;
    }
    const struct iovec *first = m->msg_iov;
    size_t shown = m->msg_iovlen > 0 ? first->iov_len : 0;
    step();
    pthread_mutex_lock(&lock);
    note(SEND, 1, "", len, shown > 0 ? first->iov_base : NULL,
         shown < SEND_SHOWN ? shown : SEND_SHOWN);
    pthread_mutex_unlock(&lock);
    return real.call(fd, m, flags);
}
