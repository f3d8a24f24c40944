/* estoc: EST over CoAPS (RFC 9148).  SPDX-License-Identifier: MIT
 *
 * The options of a message as both ends of an exchange judge and read them.
 */
#ifndef ESTOC_OPTIONS_H
#define ESTOC_OPTIONS_H

#include <estoc/coap.h>

/* Those whose values are numbers. */
enum { FORMAT, MAX_AGE, ACCEPT, BLOCK2, BLOCK1, SIZE2, SIZE1, NUMBERS };

typedef struct estoc_opt_numbers {
    uint32_t v[NUMBERS]; /* unchanged where there is none */
    bool has[NUMBERS];
} estoc_opt_numbers;

/** Whether an option is known, of a length its rule allows, and no repetition that its rule does not
 *  allow of the one before it.                            RFC 7252 sections 5.4.3 and 5.4.5 */
bool estoc_opt_recognised(const estoc_coap_opt *opt, uint32_t before);
/** Take the value of a recognised option, if it is one of those above.
 *  @return false for a Block of the reserved size, which is not taken                              */
bool estoc_opt_take(estoc_opt_numbers *n, const estoc_coap_opt *opt);

#endif
