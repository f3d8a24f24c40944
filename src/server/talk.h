/* SPDX-License-Identifier: MIT
 *
 * What an association is spoken to with: its responder, and what that asks for. For session.c.
 */
#ifndef ESTOC_TALK_H
#define ESTOC_TALK_H

#include "session.h"

/** The responder of an open session that has none. @return false: no memory, or no random bytes */
ESTOC_MUST_USE bool estoc_talk_begin(estoc_session *s);
/** A request is judged by the rules that hold when it comes, however old the association is (D8). */
void estoc_talk_follow(estoc_session *s);
/** Who may ask what, and where it goes. A stranger may look at /.well-known/core (D4).
 *  @param[out] refusal  filled, if it may not                                                       */
bool estoc_talk_permit(const estoc_session *s, const estoc_request *req, estoc_route *route,
                       estoc_answer *refusal);
/** "2.04". @return out */
const char *estoc_talk_code(uint8_t code, char out[8]);

#endif
