/* SPDX-License-Identifier: MIT
 *
 * Sessions that have something in common, an address prefix or an identity: how many there are, and
 * which is the oldest. Intrusive: a session lends its `estoc_member`. Used by one thread.
 */
#ifndef ESTOC_CROWD_H
#define ESTOC_CROWD_H

#include <estoc/bytes.h>

typedef struct estoc_group estoc_group;

typedef struct estoc_member {
    estoc_group *group; /* NULL: in none */
    struct estoc_member *older, *newer;
} estoc_member;

typedef struct estoc_crowd {
    estoc_group **buckets;
    size_t buckets_n; /* a power of two */
} estoc_crowd;

/** @param max  members at most, in all groups; for speed only */
ESTOC_MUST_USE estoc_err estoc_crowd_init(estoc_crowd *c, size_t max);
/** After all members have left. */
void estoc_crowd_free(estoc_crowd *c);
/** Become the newest of the group with this key, which is hard to guess; out of the one before.
 *  @return how many it has; 0 if there is no memory for the group: the member is in none           */
size_t estoc_crowd_join(estoc_crowd *c, estoc_member *m, uint64_t key);
void estoc_crowd_leave(estoc_crowd *c, estoc_member *m);
/** Of the member's group. */
estoc_member *estoc_crowd_oldest(const estoc_member *m);

#endif
