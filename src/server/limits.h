/* SPDX-License-Identifier: MIT
 *
 * How many requests an identity, or an address, may make: token buckets in a table of fixed size, one
 * for each worker. What has not been heard of for long makes room for what has; nothing is allocated
 * for a request. (C4, X11)
 */
#ifndef ESTOC_LIMITS_H
#define ESTOC_LIMITS_H

#include "egress.h"

typedef struct estoc_limit {
    uint32_t per_minute; /* in the long run; 0: no limit */
    uint32_t burst;      /* at once, after a quiet time; 1 and more */
} estoc_limit;

typedef struct estoc_bucket {
    uint64_t key;
    estoc_us full_at; /* when it has all its tokens again */
} estoc_bucket;

#define ESTOC_BUCKETS 8192u /* in a table: 128 KiB */

typedef struct estoc_limits {
    estoc_bucket *buckets;
} estoc_limits;

ESTOC_MUST_USE estoc_err estoc_limits_init(estoc_limits *l);
void estoc_limits_free(estoc_limits *l);
/** One request more under this key, which is hard to guess. @return 0: it may go on, and counts; else it does not, and the
 *  milliseconds until it might                                                                      */
uint32_t estoc_limits_take(estoc_limits *l, uint64_t key, estoc_limit limit, estoc_us now);

#endif
