/* SPDX-License-Identifier: MIT */
#include <stddef.h>

#include <estoc/coap.h>
#include <estoc/est.h>

/* RFC 9148 Table 1 and section 4.1. Accept 287 is section 4.3; /skg and /skc answer with multipart
 * only, and the path chooses what is inside. In the order of estoc_op.                            */
/* clang-format off */
#define GET   ESTOC_COAP_GET, ESTOC_FORMAT_NONE
#define POST  ESTOC_COAP_POST, ESTOC_FORMAT_PKCS10
#define CERTS {ESTOC_FORMAT_CERTS, ESTOC_FORMAT_CERT}
#define NAMES(name) &("ace.est." name)[8], "ace.est." name /* the same string */
#define ONLY(format) {(format), ESTOC_FORMAT_NONE}
static const estoc_resource resources[ESTOC_RESOURCES] = {
    {ESTOC_OP_CRTS, NAMES("crts"), "281 287", GET,  CERTS},
    {ESTOC_OP_SEN, NAMES("sen"), "281 287", POST, CERTS},
    {ESTOC_OP_SREN, NAMES("sren"), "281 287", POST, CERTS},
    {ESTOC_OP_ATT, NAMES("att"), "285",     GET,  ONLY(ESTOC_FORMAT_CSRATTRS)},
    {ESTOC_OP_SKG, NAMES("skg"), "62",      POST, ONLY(ESTOC_FORMAT_MULTIPART)},
    {ESTOC_OP_SKC, NAMES("skc"), "62",      POST, ONLY(ESTOC_FORMAT_MULTIPART)},
};
/* clang-format on */

const estoc_resource *estoc_resource_at(size_t i)
{
    return i < ESTOC_RESOURCES ? &resources[i] : NULL;
}

const estoc_resource *estoc_resource_named(estoc_slice name)
{
    for (size_t i = 0; i < ESTOC_RESOURCES; i++) {
        if (estoc_slice_eq(name, estoc_slice_str(resources[i].name))) {
            return &resources[i];
        }
    }
    return NULL;
}

const estoc_resource *estoc_resource_for(estoc_op op)
{
    return op != ESTOC_OP_NONE ? estoc_resource_at((size_t)op - ESTOC_OP_CRTS) : NULL;
}
