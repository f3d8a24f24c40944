/* SPDX-License-Identifier: MIT
 *
 * What the authority decided, as a CoAP answer.
 */
#ifndef ESTOC_VERDICT_H
#define ESTOC_VERDICT_H

#include "session.h"

/** Fill the answer and the text of `late`, whose route is set: a certificate, alone or with its key, in
 *  the route's format (E1, E5), or an error (C4).                                                   */
void estoc_verdict_answer(const estoc_verdict *v, estoc_late *late);

/** An answer that tells a client what went wrong; `text` as for estoc_refuse.
 *  @param retry_s  Max-Age of 5.03 and 4.29; 0: a few seconds                                      */
void estoc_refuse_later(estoc_answer *a, uint8_t code, const char *text, uint32_t retry_s);
/** The same with the code of an error. */
void estoc_refuse_for(estoc_answer *a, estoc_err err, const char *text, uint32_t retry_s);

#endif
