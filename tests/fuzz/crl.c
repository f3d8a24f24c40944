/* SPDX-License-Identifier: MIT
 *
 * Input: a revocation list.
 */
#include "check.h"
#include "crypto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    estoc_slice der = estoc_slice_of(data, size);
    estoc_crl_head head;
    estoc_err err = estoc_crl_read(der, &head);
    CHECK(check_inside(head.issuer, der) && check_inside(head.key_id, der));
    CHECK(err == ESTOC_OK ? head.issuer.len >= 2
                          : head.issuer.len == 0 && head.key_id.len == 0 && head.next == 0);
    return 0;
}
