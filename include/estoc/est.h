/* estoc: EST over CoAPS (RFC 9148).  SPDX-License-Identifier: MIT
 *
 * RFC 9148 as tables: resources, their methods and formats, content-format numbers.
 */
#ifndef ESTOC_EST_H
#define ESTOC_EST_H

#include <estoc/bytes.h>

#ifdef __cplusplus
extern "C" {
#endif

/* clang-format off */
/** Content-Format numbers.             RFC 9148 section 8.1 (Table 5), RFC 7252 section 12.3, RFC 8710 */
enum {
    ESTOC_FORMAT_TEXT      = 0,
    ESTOC_FORMAT_LINK      = 40,
    ESTOC_FORMAT_MULTIPART = 62,
    ESTOC_FORMAT_CMS_KEY   = 280, /**< smime-type=server-generated-key */
    ESTOC_FORMAT_CERTS     = 281, /**< smime-type=certs-only */
    ESTOC_FORMAT_PKCS8     = 284,
    ESTOC_FORMAT_CSRATTRS  = 285,
    ESTOC_FORMAT_PKCS10    = 286,
    ESTOC_FORMAT_CERT      = 287, /**< one DER certificate */
    ESTOC_FORMAT_NONE      = 0xffff /**< the option is absent */
};

typedef enum estoc_op {
    ESTOC_OP_NONE = 0,
    ESTOC_OP_CRTS, /**< trust anchors              GET  */
    ESTOC_OP_SEN,  /**< simple enrollment          POST */
    ESTOC_OP_SREN, /**< simple re-enrollment       POST */
    ESTOC_OP_ATT,  /**< CSR attributes             GET  */
    ESTOC_OP_SKG,  /**< server key generation      POST, certs-only */
    ESTOC_OP_SKC   /**< server key generation      POST, one certificate */
} estoc_op;
/* clang-format on */

/** One EST resource.                                   RFC 9148 Table 1, section 4.1, section 8.2 */
typedef struct estoc_resource {
    estoc_op op;
    const char *name; /**< last path segment: "crts" */
    const char *rt;   /**< "ace.est.crts" */
    const char *ct;   /**< link attribute value: "281 287" */
    uint8_t method;   /**< ESTOC_COAP_GET or ESTOC_COAP_POST */
    uint16_t request; /**< Content-Format of the request, or ESTOC_FORMAT_NONE */
    uint16_t
        response[2]; /**< formats of the answer, the default first; unused: ESTOC_FORMAT_NONE */
} estoc_resource;

#define ESTOC_RESOURCES 6
/** @param i  0 to ESTOC_RESOURCES - 1, in the order of RFC 9148 section 4.1 */
const estoc_resource *estoc_resource_at(size_t i);
/** @return NULL for a name that is no EST resource (exact bytes, short names only) */
const estoc_resource *estoc_resource_named(estoc_slice name);
const estoc_resource *estoc_resource_for(estoc_op op);

#ifdef __cplusplus
}
#endif
#endif
