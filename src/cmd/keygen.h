/* SPDX-License-Identifier: MIT
 *
 * estoc keygen: what a request for a key asks for, and the key taken out of the answer (E5).
 */
#ifndef ESTOC_CMD_KEYGEN_H
#define ESTOC_CMD_KEYGEN_H

#include "anchors.h"
#include "cms.h"
#include "request.h"
#include "talk.h"

typedef struct estoc_keygen {
    estoc_key_wish wish; /* its slice points into what follows, or into the identity */
    estoc_shared_keys shared;
    estoc_key *key; /* that decrypts, and its certificate */
    estoc_blobs own;
    estoc_slice cert;
    uint8_t attributes[2048];
} estoc_keygen;

/** Read --decrypt-key: an AES key with its identifier, or a private key in PEM, whose certificate stands
 *  beside it or is that of --cert. Without it the key is to come as it is. The identity must outlive it.
 *  @return 0 or an exit code; what is wrong is told on stderr                                      */
ESTOC_MUST_USE int estoc_keygen_begin(estoc_keygen *k, const estoc_options *opt,
                                      const estoc_identity *id);
void estoc_keygen_end(estoc_keygen *k);

/** Add to the attributes of a plan; once, or once more after it was made anew.
 *  @return 0; ESTOC_E_SPACE                                                                        */
ESTOC_MUST_USE estoc_err estoc_keygen_ask(estoc_keygen *k, estoc_request_plan *plan);

/** What came. */
typedef struct estoc_made {
    estoc_key *key;   /* the caller frees */
    estoc_slice cert; /* the part with the certificate; points into the answer */
    uint16_t format;
} estoc_made;

/** Take an answer apart; if the key was to come encrypted, decrypt it and check who signed it: the
 *  server itself, a CA, or a registration authority (id-kp-cmcRA), that leads to the anchors.
 *  @param server  the certificate it has shown, DER
 *  @return 0; ESTOC_E_FORMAT (not these two parts); ESTOC_E_UNTRUSTED; the errors of estoc_cms_open
 *          and estoc_key_parse. `why` may be filled, and nothing is held then                       */
ESTOC_MUST_USE estoc_err estoc_keygen_take(const estoc_keygen *k, const estoc_anchors *anchors,
                                           estoc_slice server, estoc_slice answer, estoc_made *out,
                                           estoc_why *why);

#endif
