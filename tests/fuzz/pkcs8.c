/* SPDX-License-Identifier: MIT
 *
 * Input: a private key as PKCS#8, whose public half is wanted.
 */
#include "check.h"
#include "crypto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t spki[ESTOC_SPKI_MAX];
    size_t len;
    estoc_reader r;
    estoc_der el;
    estoc_err err =
        estoc_pkcs8_public(estoc_slice_of(data, size), (estoc_buf){spki, sizeof spki}, &len);
    CHECK((err == ESTOC_OK) == (len > 0));
    CHECK(len <= size + 32); /* nothing in it that was not there */
    if (!err) {
        CHECK(estoc_der_begin(estoc_slice_of(spki, len), &r) == ESTOC_OK);
        CHECK(estoc_der_next(&r, &el) && el.tag == ESTOC_DER_SEQUENCE);
        CHECK(estoc_der_bits(&r).len > 0 && estoc_der_end(&r) == ESTOC_OK);
    }
    return 0;
}
