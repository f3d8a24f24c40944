/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "pace.h"

/* When the window of renewals opens. */
static int64_t opens(const estoc_profile *profile, const estoc_cert *cert)
{
    int64_t life = cert->not_after - cert->not_before;
    int64_t window = profile->renew_percent > 0
                         ? life / 100 * (int64_t)profile->renew_percent +
                               life % 100 * (int64_t)profile->renew_percent / 100
                         : (int64_t)profile->renew_s;
    return cert->not_after - (window < life ? window : life);
}

estoc_err estoc_pace_renewal(const estoc_petition *p, int64_t now, char said[65], estoc_ruling *why)
{
    char at[32];
    if (p->op != ESTOC_OP_SREN || (p->profile->renew_s == 0 && p->profile->renew_percent == 0) ||
        now >= opens(p->profile, p->client)) {
        return ESTOC_OK;
    }
    snprintf(said, 65, "too early to renew, come back after %s",
             estoc_time_text(opens(p->profile, p->client), at, sizeof at));
    return estoc_policy_refuse(why, ESTOC_E_FORBIDDEN, "X11", said);
}

estoc_err estoc_pace_limit(const estoc_petition *p, const estoc_question *q, uint32_t *retry_s,
                           estoc_ruling *why)
{
    if (p->profile->per_day == 0 || q->recent < p->profile->per_day) {
        return ESTOC_OK;
    }
    /* when the first of the day is a day old: then there is room for one, if they are not too many */
    int64_t wait = q->recent_from + ESTOC_PACE_DAY_S - q->now;
    wait = q->recent_from > 0 && wait <= ESTOC_PACE_DAY_S ? wait : ESTOC_PACE_DAY_S;
    *retry_s = wait > 0 ? (uint32_t)wait : 1;
    return estoc_policy_refuse(why, ESTOC_E_QUOTA, "X11",
                               "too many certificates for this subject today");
}
