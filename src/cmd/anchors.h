/* SPDX-License-Identifier: MIT
 *
 * What /crts returned: roots to trust, and the certificates between.      RFC 7030 section 4.1.3
 */
#ifndef ESTOC_ANCHORS_H
#define ESTOC_ANCHORS_H

#include "crypto.h"

#define ESTOC_ANSWER_CERTS_MAX 16

/** The certificates of an answer, in its order, each parsed once.
 *  @param[out] certs  slices into `answer`; room for ESTOC_ANSWER_CERTS_MAX
 *  @return 0; the errors of estoc_certs_parse and estoc_cert_parse                                 */
ESTOC_MUST_USE estoc_err estoc_answer_certs(estoc_slice answer, uint16_t format, estoc_slice *certs,
                                            size_t *n);

typedef struct estoc_anchors {
    estoc_blobs roots;   /* signed by themselves */
    estoc_blobs between; /* that lead to one of them */
} estoc_anchors;

/** Take an answer of /crts: at least one root, and everything else must lead to one at this time
 *  (seconds since 1970). Nothing is held on failure.
 *  @return 0; ESTOC_E_UNTRUSTED, or an error of parsing, with `why` filled                         */
ESTOC_MUST_USE estoc_err estoc_anchors_take(estoc_slice answer, uint16_t format, int64_t at,
                                            estoc_anchors *out, estoc_why *why);
void estoc_anchors_free(estoc_anchors *a);

/** Find the certificate made for this key in an answer of /sen or /sren, and put the intermediates
 *  that came with it behind it (roots are left out: they would travel in each handshake).
 *  @param[out] chain  slices into `answer`; room for ESTOC_ANSWER_CERTS_MAX
 *  @return 0; ESTOC_E_KEY (none is for this key); the errors of estoc_answer_certs                 */
ESTOC_MUST_USE estoc_err estoc_issued_take(estoc_slice answer, uint16_t format, estoc_slice spki,
                                           estoc_slice *chain, size_t *n);

#endif
