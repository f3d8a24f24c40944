/* SPDX-License-Identifier: MIT */
#include <estoc/multipart.h>

/* The major types of CBOR that are used, and null. RFC 8949 section 3.1 */
enum { CBOR_UINT = 0, CBOR_BYTES = 2, CBOR_ARRAY = 4, CBOR_NULL = 0xf6 };

#define DEFINITE_MAX 27 /* 28 to 30 are reserved, 31 is of indefinite length */

/* An initial byte of this major type and its argument. A longer form than needed is well-formed. What
 * 32 bits do not hold becomes larger than anything can be here, and stays odd or even. */
static uint32_t read_head(estoc_reader *r, unsigned major)
{
    uint8_t initial = estoc_read_u8(r);
    unsigned info = initial & 0x1fu;
    if (!r->err && (initial >> 5 != major || info > DEFINITE_MAX)) {
        estoc_reader_malformed(r);
    }
    if (info < 24) {
        return info;
    }
    uint32_t high = info == DEFINITE_MAX ? estoc_read_uint(r, 4) : 0;
    uint32_t v = estoc_read_uint(r, info == 24 ? 1 : info == 25 ? 2 : 4);
    return high == 0 ? v : v | ~1u;
}

static void read_part(estoc_reader *r, estoc_part *part)
{
    uint32_t format = read_head(r, CBOR_UINT);
    if (format > UINT16_MAX) {
        estoc_reader_malformed(r);
    }
    *part = (estoc_part){.format = (uint16_t)format};
    part->absent = estoc_reader_left(r) > 0 && r->rest.ptr[0] == CBOR_NULL;
    if (part->absent) {
        (void)estoc_read_u8(r);
        return;
    }
    part->body = estoc_read_bytes(r, read_head(r, CBOR_BYTES));
}

estoc_err estoc_multipart_parse(estoc_slice cbor, estoc_part *parts, size_t *n)
{
    size_t room = *n;
    *n = 0;
    estoc_reader r = estoc_reader_of(cbor);
    uint32_t items = read_head(&r, CBOR_ARRAY);
    if (items % 2 != 0) {
        estoc_reader_malformed(&r);
    }
    if (items > estoc_reader_left(&r)) { /* each is a byte at least */
        estoc_reader_fail(&r, ESTOC_E_TRUNCATED);
    }
    if (items / 2 > room) {
        estoc_reader_fail(&r, ESTOC_E_LIMIT);
    }
    while (!r.err && *n < items / 2) {
        read_part(&r, &parts[(*n)++]);
    }
    estoc_err err = estoc_reader_end(&r);
    if (err) {
        *n = 0;
        for (size_t i = 0; i < room; i++) {
            parts[i] = (estoc_part){.format = 0};
        }
    }
    return err;
}

/* In the fewest bytes. */
static void put_head(estoc_writer *w, unsigned major, size_t v)
{
    size_t n = v < 24 ? 0 : v <= UINT8_MAX ? 1 : v <= UINT16_MAX ? 2 : 4;
    size_t info = n == 0 ? v : 24 + n / 2;
    if (v > UINT32_MAX) {
        estoc_writer_fail(w, ESTOC_E_LIMIT);
    }
    estoc_write_u8(w, (uint8_t)(major << 5 | info));
    estoc_write_uint(w, (uint32_t)v, n);
}

estoc_err estoc_multipart_build(const estoc_part *parts, size_t n, estoc_buf out, size_t *len)
{
    estoc_writer w = estoc_writer_of(out);
    put_head(&w, CBOR_ARRAY, n * 2);
    for (size_t i = 0; i < n; i++) {
        put_head(&w, CBOR_UINT, parts[i].format);
        if (parts[i].absent) {
            estoc_write_u8(&w, CBOR_NULL);
        } else {
            put_head(&w, CBOR_BYTES, parts[i].body.len);
            estoc_write_bytes(&w, parts[i].body);
        }
    }
    return estoc_writer_end(&w, len);
}
