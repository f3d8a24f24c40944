/* estoc: EST over CoAPS (RFC 9148).  SPDX-License-Identifier: MIT
 *
 * What a request for a server-made key says about its encryption: three attributes of PKCS#10.
 * RFC 9148 section 4.8, RFC 7030 section 4.4.1, RFC 4108 section 2.2.5, RFC 8551 section 2.5.2.
 * Not checked here: whether there is such a key, and parameters of algorithms.
 */
#ifndef ESTOC_KEYGEN_H
#define ESTOC_KEYGEN_H

#include <estoc/der.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ESTOC_KEYGEN_ID_MAX  64 /**< bytes of an identifier of a key */
#define ESTOC_KEYGEN_CAP_MAX 32 /**< capabilities looked at */

/* clang-format off */
/** How the private key travels, inside DTLS. */
typedef enum estoc_key_cover {
    ESTOC_COVER_NONE = 0,   /**< PKCS#8 (284) */
    ESTOC_COVER_SYMMETRIC,  /**< CMS (280) for an AES key that both sides have */
    ESTOC_COVER_ASYMMETRIC  /**< CMS (280) for the key of a certificate */
} estoc_key_cover;

/** SMIMECapabilities, as far as they are known here. */
enum {
    ESTOC_CAP_AES128_CBC  = 1,
    ESTOC_CAP_AES256_CBC  = 2,
    ESTOC_CAP_AES128_WRAP = 4,
    ESTOC_CAP_AES256_WRAP = 8,
    ESTOC_CAP_RSA_OAEP    = 16
};
/* clang-format on */

typedef struct estoc_key_wish {
    estoc_key_cover cover;
    estoc_slice
        id; /**< of the key to encrypt to, 1 to ESTOC_KEYGEN_ID_MAX bytes; for a certificate's
                            its subjectKeyIdentifier */
    unsigned caps;     /**< ESTOC_CAP_*; 0 without cover */
    bool aes256_first; /**< the AES capability liked best is one of 256 bits */
} estoc_key_wish;

/** Read it from a request's attributes (estoc_csr.attributes). One that names a key must have
 *  SMIMECapabilities too; these alone ask for nothing.
 *  @param[out] wish  points into `attributes`; zeroed on failure
 *  @return 0; ESTOC_E_MALFORMED (an attribute without its one value, both kinds of key, a key without
 *          SMIMECapabilities); ESTOC_E_LIMIT (an identifier or a list that is too long)            */
ESTOC_MUST_USE estoc_err estoc_key_wish_parse(estoc_slice attributes, estoc_key_wish *wish);
/** Write the attributes of a wish, for estoc_csr_plan.more_attributes; nothing without cover. The
 *  capabilities stand with 256 bits first if `aes256_first`.                                      */
void estoc_key_wish_put(estoc_writer *w, const estoc_key_wish *wish);

#ifdef __cplusplus
}
#endif
#endif
