/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "limits.h"

#define WAYS 4u /* places a key may have */

estoc_err estoc_limits_init(estoc_limits *l)
{
    l->buckets = calloc(ESTOC_BUCKETS, sizeof *l->buckets);
    return l->buckets != NULL ? ESTOC_OK : ESTOC_E_MEMORY;
}

void estoc_limits_free(estoc_limits *l)
{
    free(l->buckets);
    l->buckets = NULL;
}

/* The key's own bucket, or the one that is, or will be, full first: the least is lost with it. */
static estoc_bucket *bucket_of(const estoc_limits *l, uint64_t key)
{
    estoc_bucket *set = l->buckets + key % (ESTOC_BUCKETS / WAYS) * WAYS;
    estoc_bucket *best = set;
    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].key == key) {
            return &set[i];
        }
        best = set[i].full_at < best->full_at ? &set[i] : best;
    }
    *best = (estoc_bucket){key, 0};
    return best;
}

uint32_t estoc_limits_take(estoc_limits *l, uint64_t key, estoc_limit limit, estoc_us now)
{
    if (limit.per_minute == 0) {
        return 0;
    }
    estoc_bucket *b = bucket_of(l, key);
    estoc_us token = 60000000u / limit.per_minute;
    estoc_us full_at = (b->full_at > now ? b->full_at : now) + token;
    estoc_us most = now + token * limit.burst;
    if (full_at <= most) {
        b->full_at = full_at;
        return 0;
    }
    return (uint32_t)((full_at - most + 999u) / 1000u);
}
