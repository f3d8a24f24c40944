/* SPDX-License-Identifier: MIT
 *
 * Object identifiers. X.690 section 8.19
 */
#include "text.h"

static void put_number(estoc_writer *w, uint64_t v)
{
    uint8_t digits[20];
    size_t n = 0;
    do {
        digits[n++] = (uint8_t)('0' + v % 10);
        v /= 10;
    } while (v > 0);
    while (n > 0) {
        estoc_write_u8(w, digits[--n]);
    }
}

/* The first sub-identifier is two numbers: 40 times the first of them, which is at most 2, and the
 * second. */
static uint64_t put_first(estoc_writer *w, uint64_t v)
{
    uint8_t first = v < 40 ? 0 : v < 80 ? 1 : 2;
    estoc_write_u8(w, (uint8_t)('0' + first));
    return v - 40u * first;
}

const char *estoc_oid_text(estoc_slice oid, estoc_buf out)
{
    if (out.cap == 0) {
        return "";
    }
    estoc_writer w = estoc_writer_of((estoc_buf){out.ptr, out.cap - 1});
    if (!estoc_der_oid_valid(oid)) {
        estoc_write_u8(&w, '?');
        oid.len = 0;
    }
    uint64_t v = 0;
    bool first = true;
    for (size_t i = 0; i < oid.len && !w.err; i++) {
        v = v << 7 | (oid.ptr[i] & 0x7f);
        if ((oid.ptr[i] & 0x80) != 0) {
            continue;
        }
        v = first ? put_first(&w, v) : v;
        estoc_write_u8(&w, '.');
        put_number(&w, v);
        first = false;
        v = 0;
    }
    out.ptr[w.len] = 0; /* a writer that failed keeps what fitted */
    return (const char *)out.ptr;
}

/* Digits without a zero in front, below 2^63; the text is moved past them. */
static bool read_number(const char **text, uint64_t *v)
{
    const char *s = *text;
    bool padded = s[0] == '0' && s[1] >= '0' && s[1] <= '9';
    *v = 0;
    while (*s >= '0' && *s <= '9') {
        if (*v > INT64_MAX / 10) {
            return false;
        }
        *v = *v * 10 + (uint64_t)(*s++ - '0');
    }
    bool good = s != *text && !padded && *v <= INT64_MAX;
    *text = s;
    return good;
}

static void put_base_128(estoc_writer *w, uint64_t v)
{
    uint8_t octets[9];
    size_t at = sizeof octets;
    octets[--at] = v & 0x7f;
    while ((v >>= 7) > 0) {
        octets[--at] = (uint8_t)(0x80 | (v & 0x7f));
    }
    estoc_write_bytes(w, estoc_slice_of(octets + at, sizeof octets - at));
}

estoc_err estoc_oid_build(const char *text, estoc_buf out, size_t *len)
{
    uint64_t first, v;
    *len = 0;
    if (!read_number(&text, &first) || first > 2 || *text != '.') {
        return ESTOC_E_MALFORMED;
    }
    estoc_writer w = estoc_writer_of(out);
    for (bool second = true; *text == '.'; second = false) {
        text++;
        if (!read_number(&text, &v) || (second && first < 2 && v >= 40)) {
            return ESTOC_E_MALFORMED;
        }
        v = second ? 40 * first + v : v;
        if (v > INT64_MAX) {
            return ESTOC_E_MALFORMED;
        }
        put_base_128(&w, v);
    }
    if (*text != '\0' || (!w.err && !estoc_der_oid_valid(estoc_writer_slice(&w)))) { /* too long */
        return ESTOC_E_MALFORMED;
    }
    return estoc_writer_end(&w, len);
}
