/* SPDX-License-Identifier: MIT
 *
 * What the request of `enroll` and `renew` is to say: from the credential, the command line, and what
 * the server asks for.
 */
#ifndef ESTOC_PLAN_H
#define ESTOC_PLAN_H

#include "attributes.h"
#include "request.h"
#include "talk.h"

#define ESTOC_PLAN_NAME_MAX 1024 /* bytes of a subject, or of the alternative names */

typedef struct estoc_plan {
    estoc_request_plan request; /* its slices point into what follows, and into the identity */
    estoc_slice wanted;         /* the subject that the certificate is to have */
    estoc_slice held_san;       /* of the credential: to fill in what the server asks for */
    uint8_t subject[ESTOC_PLAN_NAME_MAX], san[ESTOC_PLAN_NAME_MAX];
    uint8_t filled_subject[ESTOC_PLAN_NAME_MAX], filled_san[ESTOC_PLAN_NAME_MAX];
    uint8_t extensions[ESTOC_PLAN_NAME_MAX];
    uint8_t attributes[2 * ESTOC_PLAN_NAME_MAX + 64];
} estoc_plan;

/** The names: the credential's, or what --subject and --san say. In a renewal the request keeps the
 *  names of the credential, and others are asked for by ChangeSubjectName (E4).
 *                                                  RFC 7030 section 4.2.2, RFC 6402 section 2.8
 *  @return 0 or an exit code; what is wrong is told on stderr                                      */
ESTOC_MUST_USE int estoc_plan_begin(estoc_plan *p, const estoc_options *opt,
                                    const estoc_identity *id, bool renew);

/** Do as the server asks: the subject as its template has it, alternative names, other extensions.
 *  What it leaves open is filled in from --subject and --san, else from the credential. RFC 9908 3.4
 *  @return 0 or an exit code; what is missing is told on stderr                                    */
ESTOC_MUST_USE int estoc_plan_honour(estoc_plan *p, const estoc_options *opt,
                                     const estoc_wishes *wishes);

#endif
