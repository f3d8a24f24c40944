/* SPDX-License-Identifier: MIT
 *
 * OpenSSL's memory, which ends when the test says so.
 */
#ifndef ESTOC_TEST_SHORT_MEMORY_H
#define ESTOC_TEST_SHORT_MEMORY_H

#include <stdbool.h>
#include <stdlib.h>

#include <openssl/crypto.h>

/* Requests that are still granted to this thread, and one more; -1: no end. */
static __thread long allocations_left = -1;

static inline bool refuse(void)
{
    if (allocations_left > 0) {
        allocations_left--;
    }
    return allocations_left == 0;
}

static inline void *may_malloc(size_t n, const char *file, int line)
{
    (void)file;
    (void)line;
    return refuse() || n == 0 ? NULL : malloc(n);
}

static inline void plain_free(void *p, const char *file, int line)
{
    (void)file;
    (void)line;
    free(p);
}

static inline void *may_realloc(void *p, size_t n, const char *file, int line)
{
    if (n == 0) {
        plain_free(p, file, line);
        return NULL;
    }
    return refuse() ? NULL : realloc(p, n);
}

/* Before anything of OpenSSL. */
static inline bool short_memory_ready(void)
{
    return CRYPTO_set_mem_functions(may_malloc, may_realloc, plain_free) == 1;
}

#endif
