/* SPDX-License-Identifier: MIT
 *
 * What commands say of all that a registrar's upstreams do: numbers.
 */
#ifndef ESTOC_CMD_UPSTREAMS_H
#define ESTOC_CMD_UPSTREAMS_H

#include "estocd.h"

/** How many certificates there are: our own, and those of upstreams. */
ESTOC_MUST_USE estoc_err estocd_issued(estoc_store *store, uint64_t *n);
/** Whether anything went through one, or one was asked. */
ESTOC_MUST_USE estoc_err estocd_upstreams_any(estoc_store *store, bool *any);
/** Print it, what was issued since `since` as the last day's.
 *  @param json  put it into this object instead; NULL: print */
ESTOC_MUST_USE estoc_err estocd_upstreams_stats(estoc_store *store, int64_t now, int64_t since,
                                                cJSON *json);

#endif
