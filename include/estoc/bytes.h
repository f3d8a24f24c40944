/* estoc: EST over CoAPS (RFC 9148).  SPDX-License-Identifier: MIT
 *
 * Slices, and the bounded reader and writer every parser and builder of the library is made of.
 * None of these functions allocates, blocks or keeps state; any thread may call them.
 * Not checked here: that the bytes a slice points to are alive. They are the caller's.
 */
#ifndef ESTOC_BYTES_H
#define ESTOC_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <estoc/err.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Milliseconds of a monotonic clock. Only differences matter. */
typedef uint64_t estoc_ms;
#define ESTOC_NEVER UINT64_MAX

/** Bytes somebody else owns, to read. `ptr` may be NULL only if `len` is 0. */
typedef struct estoc_slice {
    const uint8_t *ptr;
    size_t len;
} estoc_slice;

/** Room somebody else owns, to write into: `cap` bytes at `ptr`. */
typedef struct estoc_buf {
    uint8_t *ptr;
    size_t cap;
} estoc_buf;

/** Random bytes from the caller. `fill` returns false if it cannot fill all `len` bytes. */
typedef struct estoc_random {
    void *ctx;
    bool (*fill)(void *ctx, uint8_t *out, size_t len);
} estoc_random;

static inline estoc_slice estoc_slice_of(const void *ptr, size_t len)
{
    return (estoc_slice){(const uint8_t *)ptr, len};
}
/** The bytes of a C string, without its NUL. */
static inline estoc_slice estoc_slice_str(const char *s)
{
#if defined(__GNUC__) /* of a literal it is a constant then, freestanding or not */
    return estoc_slice_of(s, __builtin_strlen(s));
#else
    return estoc_slice_of(s, strlen(s));
#endif
}
bool estoc_bytes_eq(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len);
static inline bool estoc_slice_eq(estoc_slice a, estoc_slice b)
{
    return estoc_bytes_eq(a.ptr, a.len, b.ptr, b.len);
}
/** Equality in a time that depends on the lengths only. For secrets. */
bool estoc_slice_eq_secret(estoc_slice a, estoc_slice b);
/** At most `len` bytes of `s` from `from` on; empty past the end. */
estoc_slice estoc_slice_sub(estoc_slice s, size_t from, size_t len);

/** `v` / `by`, rounded down; `by` is not 0. C's own division of 64 bits is a library's function on
 *  small machines.                                                                                  */
uint64_t estoc_divide(uint64_t v, uint16_t by);

/** Overwrite with zeros, in a way the compiler does not remove. */
void estoc_wipe(void *ptr, size_t len);

/** A cursor that never passes the end of its slice. After the first failure `err` stays set,
 *  every later read gives zeros or an empty slice, and the caller checks once.                    */
typedef struct estoc_reader {
    estoc_slice rest;
    estoc_err err;
} estoc_reader;

static inline estoc_reader estoc_reader_of(estoc_slice s)
{
    return (estoc_reader){s, ESTOC_OK};
}
static inline size_t estoc_reader_left(const estoc_reader *r)
{
    return r->rest.len;
}
/** `n` bytes, at most 4, big-endian. */
uint32_t estoc_read_uint(estoc_reader *r, size_t n);
static inline uint8_t estoc_read_u8(estoc_reader *r)
{
    return (uint8_t)estoc_read_uint(r, 1);
}
static inline uint16_t estoc_read_u16(estoc_reader *r)
{
    return (uint16_t)estoc_read_uint(r, 2);
}
estoc_slice estoc_read_bytes(estoc_reader *r, size_t len);
/** Set the sticky error (the first one wins) and drop what is left. */
void estoc_reader_fail(estoc_reader *r, estoc_err err);
void estoc_reader_malformed(estoc_reader *r); /**< with ESTOC_E_MALFORMED */
/** 0 if nothing failed and nothing is left; ESTOC_E_TRAILING if bytes are left; else the error. */
ESTOC_MUST_USE estoc_err estoc_reader_end(estoc_reader *r);

/** A cursor over a caller's buffer. With `ptr` NULL it only counts (`cap` is then ignored). After
 *  the first failure `err` stays set and nothing more is written.                                 */
typedef struct estoc_writer {
    uint8_t *ptr;
    size_t cap;
    size_t len;
    estoc_err err;
} estoc_writer;

estoc_writer estoc_writer_of(estoc_buf b);
estoc_writer estoc_writer_counting(void);
/** The last `n` bytes of `v`, at most 4, big-endian. */
void estoc_write_uint(estoc_writer *w, uint32_t v, size_t n);
static inline void estoc_write_u8(estoc_writer *w, uint8_t v)
{
    estoc_write_uint(w, v, 1);
}
static inline void estoc_write_u16(estoc_writer *w, uint16_t v)
{
    estoc_write_uint(w, v, 2);
}
void estoc_write(estoc_writer *w, const uint8_t *ptr, size_t len);
static inline void estoc_write_bytes(estoc_writer *w, estoc_slice s)
{
    estoc_write(w, s.ptr, s.len);
}
void estoc_writer_fail(estoc_writer *w, estoc_err err);
/** What has been written so far (empty while counting or after a failure). */
estoc_slice estoc_writer_slice(const estoc_writer *w);
/** @param[out] len  bytes written or counted; 0 on failure */
ESTOC_MUST_USE estoc_err estoc_writer_end(const estoc_writer *w, size_t *len);

#ifdef __cplusplus
}
#endif
#endif
