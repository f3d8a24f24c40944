/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "keymaker.h"

static estoc_err encode(const estoc_key *key, estoc_blob *spki, estoc_blob *pkcs8)
{
    spki->ptr = malloc(ESTOC_SPKI_MAX);
    pkcs8->ptr = malloc(ESTOC_PKCS8_MAX);
    if (spki->ptr == NULL || pkcs8->ptr == NULL) {
        return ESTOC_E_MEMORY;
    }
    estoc_err err = estoc_key_spki(key, (estoc_buf){spki->ptr, ESTOC_SPKI_MAX}, &spki->len);
    return err ? err : estoc_key_pkcs8(key, (estoc_buf){pkcs8->ptr, ESTOC_PKCS8_MAX}, &pkcs8->len);
}

estoc_err estoc_made_key(const estoc_grant *grant, estoc_blob *spki, estoc_blob *body,
                         uint16_t *format)
{
    estoc_key *key = NULL;
    *spki = (estoc_blob){NULL, 0};
    *body = (estoc_blob){NULL, 0};
    *format = ESTOC_FORMAT_PKCS8;
    estoc_err err = estoc_key_generate(grant->make, &key);
    err = err ? err : encode(key, spki, body);
    estoc_key_free(key);
    if (err) {
        estoc_blob_free(spki);
        estoc_blob_free(body);
    }
    return err;
}
