/* SPDX-License-Identifier: MIT
 *
 * What a fuzz target must find true. It holds in every build: NDEBUG does not remove it.
 */
#ifndef FUZZ_CHECK_H
#define FUZZ_CHECK_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <estoc/bytes.h>

#define CHECK(condition)                                                    \
    do {                                                                    \
        if (!(condition)) {                                                 \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                        \
        }                                                                   \
    } while (0)

/* Whether `part` lies inside `all` (an empty part may point anywhere). */
static inline bool check_inside(estoc_slice part, estoc_slice all)
{
    uintptr_t from = (uintptr_t)part.ptr;
    uintptr_t start = (uintptr_t)all.ptr;
    return part.len == 0 ||
           (from >= start && part.len <= all.len && from - start <= all.len - part.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
