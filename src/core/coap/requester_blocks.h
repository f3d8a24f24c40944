/* estoc: EST over CoAPS (RFC 9148).  SPDX-License-Identifier: MIT
 *
 * What a requester sends next, and what an answer means for the bodies; requester.c moves messages.
 */
#ifndef ESTOC_REQUESTER_BLOCKS_H
#define ESTOC_REQUESTER_BLOCKS_H

#include <estoc/requester.h>

/** Choose block sizes for q->call, and whether its body goes in blocks.
 *  @return 0; ESTOC_E_SPACE (the options do not fit q->cfg.message_max)                            */
ESTOC_MUST_USE estoc_err estoc_requester_plan(estoc_requester *q);
/** Write the request that is due into q->message, with q->mid and q->token.
 *  @return 0; ESTOC_E_SPACE                                                                        */
ESTOC_MUST_USE estoc_err estoc_requester_build(estoc_requester *q);
/** Take a response to the request in flight.
 *  @param[out] more  another request is due; else q->reply is complete
 *  @return 0; an error that ends the exchange                                                      */
ESTOC_MUST_USE estoc_err estoc_requester_take(estoc_requester *q, const estoc_coap_msg *msg,
                                              bool *more);
/** Forget what has been received of the answer. */
void estoc_requester_drop(estoc_requester *q);

#endif
