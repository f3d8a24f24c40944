/* SPDX-License-Identifier: MIT
 *
 * The file: SHA-256 over resource, NUL and what follows; content format in 2 bytes; length of the
 * ETag in 1; ETag; body.
 */
#include <stdlib.h>
#include <string.h>

#include "kept.h"

enum { DIGEST_LEN = 32, HEAD_LEN = DIGEST_LEN + 3, ETAG_MAX = 8, FILE_MAX = 65536 };

static estoc_err digest_of(const char *where, estoc_slice rest, uint8_t out[DIGEST_LEN])
{
    size_t len = strlen(where) + 1;
    uint8_t *all = malloc(len + rest.len);
    if (all == NULL) {
        return ESTOC_E_MEMORY;
    }
    memcpy(all, where, len);
    memcpy(all + len, rest.ptr, rest.len);
    estoc_err err = estoc_sha256(estoc_slice_of(all, len + rest.len), out);
    free(all);
    return err;
}

static bool take(estoc_kept *k, const char *where, uint16_t format)
{
    estoc_slice all = estoc_blob_slice(k->file);
    uint8_t digest[DIGEST_LEN];
    if (all.len < HEAD_LEN || digest_of(where, estoc_slice_sub(all, DIGEST_LEN, all.len), digest) ||
        memcmp(digest, all.ptr, DIGEST_LEN) != 0) {
        return false;
    }
    const uint8_t *head = all.ptr + DIGEST_LEN;
    size_t etag_len = head[2];
    if ((head[0] << 8 | head[1]) != format || etag_len == 0 || etag_len > ETAG_MAX ||
        all.len <= HEAD_LEN + etag_len) {
        return false;
    }
    k->etag = estoc_slice_sub(all, HEAD_LEN, etag_len);
    k->body = estoc_slice_sub(all, HEAD_LEN + etag_len, all.len);
    return true;
}

void estoc_kept_load(const char *path, const char *where, uint16_t format, estoc_kept *out)
{
    memset(out, 0, sizeof *out);
    if (estoc_file_read(path, FILE_MAX, &out->file) || !take(out, where, format)) {
        estoc_kept_free(out);
    }
}

void estoc_kept_free(estoc_kept *k)
{
    estoc_blob_free(&k->file);
    memset(k, 0, sizeof *k);
}

estoc_err estoc_kept_store(const char *path, const char *where, uint16_t format, estoc_slice etag,
                           estoc_slice body)
{
    size_t len = HEAD_LEN + etag.len + body.len;
    if (etag.len == 0 || etag.len > ETAG_MAX || body.len == 0 || len > FILE_MAX) {
        return ESTOC_E_LIMIT;
    }
    uint8_t *all = malloc(len);
    if (all == NULL) {
        return ESTOC_E_MEMORY;
    }
    all[DIGEST_LEN] = (uint8_t)(format >> 8);
    all[DIGEST_LEN + 1] = (uint8_t)format;
    all[DIGEST_LEN + 2] = (uint8_t)etag.len;
    memcpy(all + HEAD_LEN, etag.ptr, etag.len);
    memcpy(all + HEAD_LEN + etag.len, body.ptr, body.len);
    estoc_err err = digest_of(where, estoc_slice_of(all + DIGEST_LEN, len - DIGEST_LEN), all);
    err = err ? err : estoc_file_write(path, estoc_slice_of(all, len), 0644);
    free(all);
    return err;
}
