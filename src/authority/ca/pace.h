/* SPDX-License-Identifier: MIT
 *
 * How often a device may have a certificate: not long before it needs one, and not too many a day.
 */
#ifndef ESTOC_PACE_H
#define ESTOC_PACE_H

#include "policy.h"

#define ESTOC_PACE_DAY_S 86400 /* what a day is to the limit, from now back */

/** Whether the client's certificate is to be renewed already.
 *  @param[out] said  what `why` says then
 *  @return 0; ESTOC_E_FORBIDDEN with `why` filled                                                  */
ESTOC_MUST_USE estoc_err estoc_pace_renewal(const estoc_petition *p, int64_t now, char said[65],
                                            estoc_ruling *why);
/** Whether there may be one more for this subject today.                  X11, RFC 8516
 *  @param[in]  q        what the store says, with those of this round added
 *  @param[out] retry_s  when there may be
 *  @return 0; ESTOC_E_QUOTA with `why` filled                                                      */
ESTOC_MUST_USE estoc_err estoc_pace_limit(const estoc_petition *p, const estoc_question *q,
                                          uint32_t *retry_s, estoc_ruling *why);

#endif
