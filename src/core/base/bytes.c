/* SPDX-License-Identifier: MIT */
#include <string.h>

#include <estoc/bytes.h>

bool estoc_bytes_eq(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
    return a_len == b_len && (a_len == 0 || memcmp(a, b, a_len) == 0);
}

bool estoc_slice_eq_secret(estoc_slice a, estoc_slice b)
{
    if (a.len != b.len) {
        return false;
    }
    volatile uint8_t diff = 0;
    for (size_t i = 0; i < a.len; i++) {
        diff |= (uint8_t)(a.ptr[i] ^ b.ptr[i]);
    }
    return diff == 0;
}

estoc_slice estoc_slice_sub(estoc_slice s, size_t from, size_t len)
{
    if (from >= s.len) {
        return (estoc_slice){NULL, 0};
    }
    size_t left = s.len - from;
    return (estoc_slice){s.ptr + from, len < left ? len : left};
}

uint64_t estoc_divide(uint64_t v, uint16_t by)
{
    uint32_t rest = 0;
    for (int i = 0; i < 4;
         i++) { /* digits of 16 bits leave in front, those of the result come in */
        rest = rest << 16 | (uint32_t)(v >> 48);
        v = v << 16 | rest / by;
        rest %= by;
    }
    return v;
}

void estoc_wipe(void *ptr, size_t len)
{
#if defined(__GNUC__) /* and clang: what is said to read the bytes keeps the memset before it */
    if (len > 0) {
        memset(ptr, 0, len);
        __asm__ volatile("" : : "r"(ptr) : "memory");
    }
#else
    volatile uint8_t *p = ptr;
    while (len-- > 0) {
        *p++ = 0;
    }
#endif
}

void estoc_reader_fail(estoc_reader *r, estoc_err err)
{
    if (r->err == ESTOC_OK) {
        r->err = err;
    }
    r->rest = (estoc_slice){NULL, 0};
}

void estoc_reader_malformed(estoc_reader *r)
{
    estoc_reader_fail(r, ESTOC_E_MALFORMED);
}

/* NULL if there are not so many. */
static const uint8_t *take(estoc_reader *r, size_t len)
{
    const uint8_t *ptr = r->rest.ptr;
    if (len > r->rest.len) {
        estoc_reader_fail(r, ESTOC_E_TRUNCATED);
        return NULL;
    }
    if (len > 0) {
        r->rest.ptr += len;
        r->rest.len -= len;
    }
    return ptr;
}

estoc_slice estoc_read_bytes(estoc_reader *r, size_t len)
{
    const uint8_t *ptr = take(r, len);
    return estoc_slice_of(ptr, ptr != NULL ? len : 0);
}

uint32_t estoc_read_uint(estoc_reader *r, size_t n)
{
    const uint8_t *b = take(r, n);
    uint32_t v = 0;
    for (; b != NULL && n > 0; n--) {
        v = v << 8 | *b++;
    }
    return v;
}

estoc_err estoc_reader_end(estoc_reader *r)
{
    if (r->err == ESTOC_OK && r->rest.len > 0) {
        estoc_reader_fail(r, ESTOC_E_TRAILING);
    }
    return r->err;
}

estoc_writer estoc_writer_of(estoc_buf b)
{
    estoc_writer w = {b.ptr, b.cap, 0, ESTOC_OK};
    if (b.ptr == NULL) {
        w.err = ESTOC_E_SPACE;
    }
    return w;
}

estoc_writer estoc_writer_counting(void)
{
    return (estoc_writer){NULL, SIZE_MAX, 0, ESTOC_OK};
}

void estoc_writer_fail(estoc_writer *w, estoc_err err)
{
    if (w->err == ESTOC_OK) {
        w->err = err;
    }
}

void estoc_write(estoc_writer *w, const uint8_t *ptr, size_t len)
{
    if (w->err != ESTOC_OK || len == 0) {
        return;
    }
    if (len > w->cap - w->len) {
        w->err = ESTOC_E_SPACE;
        return;
    }
    if (w->ptr != NULL) {
        memcpy(w->ptr + w->len, ptr, len);
    }
    w->len += len;
}

void estoc_write_uint(estoc_writer *w, uint32_t v, size_t n)
{
    uint8_t b[4];
    for (size_t i = n; i > 0; i--) {
        b[i - 1] = (uint8_t)v;
        v >>= 8;
    }
    estoc_write(w, b, n);
}

estoc_slice estoc_writer_slice(const estoc_writer *w)
{
    if (w->ptr == NULL || w->err != ESTOC_OK) {
        return (estoc_slice){NULL, 0};
    }
    return (estoc_slice){w->ptr, w->len};
}

estoc_err estoc_writer_end(const estoc_writer *w, size_t *len)
{
    *len = w->err == ESTOC_OK ? w->len : 0;
    return w->err;
}
