/* SPDX-License-Identifier: MIT
 *
 * Whom a server lets in, as a digest. What decides is in verify.c: anchors, those below which a
 * certificate may have expired, who is denied, and lists of the revoked. (A leeway for expired certificates is not in it: the
 * sessions of those are not kept at all.)
 */
#include <stdlib.h>
#include <string.h>

#include "association.h"

static int compare(const void *a, const void *b)
{
    return memcmp(a, b, ESTOC_TRUST_LEN); /* nothing secret */
}

/* One digest for a list, whatever its order. */
static estoc_err digest_list(const estoc_blobs *list, uint8_t out[ESTOC_TRUST_LEN])
{
    size_t n = list != NULL ? list->n : 0;
    uint8_t *all = malloc(n > 0 ? n * ESTOC_TRUST_LEN : 1);
    estoc_err err = all != NULL ? ESTOC_OK : ESTOC_E_MEMORY;
    for (size_t i = 0; !err && i < n; i++) {
        err = estoc_sha256(estoc_blob_slice(list->at[i]), all + i * ESTOC_TRUST_LEN);
    }
    if (!err && n > 0) {
        qsort(all, n, ESTOC_TRUST_LEN, compare);
    }
    err = err ? err : estoc_sha256(estoc_slice_of(all, n * ESTOC_TRUST_LEN), out);
    free(all);
    return err;
}

estoc_err estoc_dtls_trust(const estoc_dtls_credentials *id, uint8_t out[ESTOC_TRUST_LEN])
{
    const estoc_blobs *lists[] = {id->anchors, id->expired, id->denied, id->crls};
    enum { LISTS = sizeof lists / sizeof lists[0] };
    uint8_t all[LISTS * ESTOC_TRUST_LEN];
    estoc_err err = ESTOC_OK;
    for (size_t i = 0; !err && i < LISTS; i++) {
        err = digest_list(lists[i], all + i * ESTOC_TRUST_LEN);
    }
    return err ? err : estoc_sha256(estoc_slice_of(all, sizeof all), out);
}
