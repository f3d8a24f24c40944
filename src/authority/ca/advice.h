/* SPDX-License-Identifier: MIT
 *
 * What a program says about a request that it was asked about: one line,
 *     yes
 *     no [REASON]
 *     later [SECONDS]
 */
#ifndef ESTOC_ADVICE_H
#define ESTOC_ADVICE_H

#include <estoc/bytes.h>

#define ESTOC_ADVICE_MAX 512 /* bytes of a line, with its end */

typedef enum estoc_advice_kind {
    ESTOC_ADVICE_NONE, /* nobody was asked so far */
    ESTOC_ADVICE_YES,
    ESTOC_ADVICE_NO,
    ESTOC_ADVICE_LATER,
    ESTOC_ADVICE_FAILED /* no answer, or none that means something */
} estoc_advice_kind;

typedef struct estoc_advice {
    estoc_advice_kind kind;
    uint32_t retry_s; /* of LATER; 0: as the profile has it */
    char reason[65];  /* of NO and FAILED: visible ASCII, never empty */
} estoc_advice;

/** Parse all that a program has written.
 *  @param[out] advice  FAILED, with a reason, if it is nothing of the above                        */
void estoc_advice_parse(estoc_slice text, estoc_advice *advice);
/** FAILED, for this reason. */
void estoc_advice_fail(estoc_advice *advice, const char *reason);

#endif
