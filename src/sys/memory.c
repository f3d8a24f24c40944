/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "sys.h"

estoc_slice estoc_blob_slice(estoc_blob b)
{
    return (estoc_slice){b.ptr, b.len};
}

estoc_err estoc_blob_copy(estoc_slice s, estoc_blob *out)
{
    *out = (estoc_blob){NULL, 0};
    uint8_t *p = malloc(s.len > 0 ? s.len : 1);
    if (p == NULL) {
        return ESTOC_E_MEMORY;
    }
    if (s.len > 0) {
        memcpy(p, s.ptr, s.len);
    }
    *out = (estoc_blob){p, s.len};
    return ESTOC_OK;
}

void estoc_blob_free(estoc_blob *b)
{
    if (b->ptr != NULL) {
        estoc_wipe(b->ptr, b->len);
        free(b->ptr);
    }
    *b = (estoc_blob){NULL, 0};
}

estoc_err estoc_blobs_add(estoc_blobs *list, estoc_slice s)
{
    estoc_blob copy;
    estoc_err err = estoc_blob_copy(s, &copy);
    if (err) {
        return err;
    }
    estoc_blob *more = realloc(list->at, (list->n + 1) * sizeof *more);
    if (more == NULL) {
        estoc_blob_free(&copy);
        return ESTOC_E_MEMORY;
    }
    more[list->n] = copy;
    list->at = more;
    list->n++;
    return ESTOC_OK;
}

void estoc_blobs_free(estoc_blobs *list)
{
    for (size_t i = 0; i < list->n; i++) {
        estoc_blob_free(&list->at[i]);
    }
    free(list->at);
    *list = (estoc_blobs){NULL, 0};
}

void estoc_why_set(estoc_why *why, const char *fmt, ...)
{
    if (why == NULL) {
        return;
    }
    va_list args;
    va_start(args, fmt);
    vsnprintf(why->text, sizeof why->text, fmt, args);
    va_end(args);
}

const char *estoc_hex(estoc_slice s, char *out, size_t cap)
{
    static const char digits[] = "0123456789abcdef";
    size_t at = 0;
    for (size_t i = 0; i < s.len && at + 2 < cap; i++) {
        out[at++] = digits[s.ptr[i] >> 4];
        out[at++] = digits[s.ptr[i] & 15];
    }
    if (cap > 0) {
        out[at] = '\0';
    }
    return out;
}
