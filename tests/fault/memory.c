/* SPDX-License-Identifier: MIT
 *
 * Loaded into a server before the C library (LD_PRELOAD): one allocation fails, the one that
 * $FAULT_CONTROL asks for.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* The C library's own, by which these do their work. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *old, size_t size);

/* Shared with common.py, which has the same layout. */
struct control {
    atomic_uint fail_in; /* this allocation from now fails, and none after it; 0: none */
    atomic_uint allocations, failed;
};

static struct control none, *control = &none;

__attribute__((constructor)) static void start(void)
{
    const char *file = getenv("FAULT_CONTROL");
    int fd = file != NULL ? open(file, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0) {
        _exit(99);
    }
    void *at = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (at == MAP_FAILED) {
        _exit(99);
    }
    control = at;
}

static int fails(void)
{
    atomic_fetch_add(&control->allocations, 1);
    unsigned left = atomic_load(&control->fail_in);
    while (left > 0 && !atomic_compare_exchange_weak(&control->fail_in, &left, left - 1)) {
    }
    if (left == 1) {
        atomic_fetch_add(&control->failed, 1);
        errno = ENOMEM;
    }
    return left == 1;
}

void *malloc(size_t size)
{
    return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
    return fails() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *old, size_t size)
{
    return fails() ? NULL : __libc_realloc(old, size);
}
