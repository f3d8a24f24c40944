/* SPDX-License-Identifier: MIT */
#include <string.h>

#include <estoc/der.h>

#define OID_MAX 128 /* bytes of the value: what is longer is made to cost time */

/* ---- reading ---- */

/* Of the universal types only EXTERNAL, EMBEDDED PDV, SEQUENCE, SET and CHARACTER STRING are
 * constructed; a string in pieces is BER. Tag 0 ends an indefinite length, tag 31 stands for a
 * longer tag. X.690 sections 8.1 and 10.2 */
static bool tag_good(uint8_t tag)
{
    uint8_t number = tag & 0x1f;
    bool constructed = (tag & 0x20) != 0;
    bool container = number == 8 || number == 11 || number == 16 || number == 17 || number == 29;
    return tag != 0 && number != 0x1f && ((tag & 0xc0) != 0 || constructed == container);
}

/* Tag and length. False with the error set; then nothing is consumed that matters. X.690 10.1 */
static bool read_header(estoc_reader *r, uint8_t *tag, size_t *len)
{
    *tag = estoc_read_u8(r);
    uint8_t first = estoc_read_u8(r);
    *len = first;
    if (r->err) {
        return false;
    }
    if (!tag_good(*tag)) {
        estoc_reader_malformed(r);
        return false;
    }
    if (first < 0x80) {
        return true;
    }
    size_t n = first & 0x7fu;
    if (n == 0 || n > 4) { /* indefinite, or over 4 GiB */
        estoc_reader_malformed(r);
        return false;
    }
    uint32_t v = estoc_read_uint(r, n);
    if (!r->err && (v < 0x80 || v >> (8 * (n - 1)) == 0)) { /* not the shortest form */
        estoc_reader_malformed(r);
    }
    *len = v;
    return !r->err;
}

/* The next element; `tag` 0 takes any. */
static bool next(estoc_reader *r, uint8_t tag, estoc_der *el)
{
    memset(el, 0, sizeof *el);
    estoc_slice from = r->rest;
    uint8_t got;
    size_t len;
    if (!read_header(r, &got, &len)) {
        return false;
    }
    estoc_slice value = estoc_read_bytes(r, len);
    if (tag != 0 && got != tag) {
        estoc_reader_malformed(r);
    }
    if (r->err) {
        return false;
    }
    el->tag = got;
    el->value = value;
    el->whole = estoc_slice_of(from.ptr, (size_t)(value.ptr + len - from.ptr));
    return true;
}

bool estoc_der_next(estoc_reader *r, estoc_der *el)
{
    return next(r, 0, el);
}

bool estoc_der_more(estoc_reader *r, estoc_der *el)
{
    return r->rest.len > 0 && next(r, 0, el);
}

estoc_slice estoc_der_expect(estoc_reader *r, uint8_t tag)
{
    estoc_der el;
    next(r, tag, &el);
    return el.value;
}

estoc_slice estoc_der_whole(estoc_reader *r, uint8_t tag)
{
    estoc_der el;
    next(r, tag, &el);
    return el.whole;
}

estoc_reader estoc_der_enter(estoc_reader *r, uint8_t tag)
{
    estoc_reader inner = estoc_reader_of(estoc_der_expect(r, tag));
    inner.err = r->err; /* so that reading inside what is not there fails too */
    return inner;
}

estoc_err estoc_der_end(estoc_reader *inner)
{
    estoc_err err = estoc_reader_end(inner);
    return err == ESTOC_E_TRUNCATED || err == ESTOC_E_TRAILING ? ESTOC_E_MALFORMED : err;
}

void estoc_der_leave(estoc_reader *outer, estoc_reader *inner)
{
    estoc_err err = estoc_der_end(inner);
    if (err) {
        estoc_reader_fail(outer, err);
    }
}

estoc_err estoc_der_begin(estoc_slice der, estoc_reader *inner)
{
    estoc_reader outer = estoc_reader_of(der);
    *inner = estoc_der_enter(&outer, ESTOC_DER_SEQUENCE);
    estoc_err err = estoc_reader_end(&outer);
    if (err) {
        estoc_reader_fail(inner, err);
    }
    return err;
}

uint8_t estoc_der_peek(const estoc_reader *r)
{
    return r->err || r->rest.len == 0 ? 0 : r->rest.ptr[0];
}

estoc_slice estoc_der_integer(estoc_reader *r)
{
    estoc_slice v = estoc_der_expect(r, ESTOC_DER_INTEGER);
    /* the first nine bits are not all the same. X.690 section 8.3.2 */
    unsigned nine = v.len > 1 ? (unsigned)v.ptr[0] << 1 | v.ptr[1] >> 7 : 1;
    if (v.len == 0 || nine == 0 || nine == 0x1ff) {
        estoc_reader_malformed(r);
        v.len = 0;
    }
    return v;
}

uint32_t estoc_der_u32(estoc_reader *r)
{
    estoc_slice v = estoc_der_integer(r);
    if (v.len > 0 && ((v.ptr[0] & 0x80) != 0 || v.len > (v.ptr[0] == 0 ? 5 : 4))) {
        estoc_reader_malformed(r);
        v.len = 0;
    }
    uint32_t n = 0;
    for (size_t i = 0; i < v.len; i++) {
        n = n << 8 | v.ptr[i];
    }
    return n;
}

estoc_slice estoc_der_bits(estoc_reader *r)
{
    estoc_slice v = estoc_der_expect(r, ESTOC_DER_BIT_STRING);
    if (v.len == 0 || v.ptr[0] != 0) {
        estoc_reader_malformed(r);
        return estoc_slice_of(NULL, 0);
    }
    return estoc_slice_of(v.ptr + 1, v.len - 1);
}

bool estoc_der_oid_valid(estoc_slice value)
{
    unsigned bytes = 0; /* of the sub-identifier we are in */
    for (size_t i = 0; i < value.len && i < OID_MAX; i++) {
        uint8_t b = value.ptr[i];
        if ((bytes == 0 && b == 0x80) || ++bytes > 9) { /* padded, or over 63 bits */
            return false;
        }
        if ((b & 0x80) == 0) {
            bytes = 0;
        }
    }
    return value.len > 0 && value.len <= OID_MAX && bytes == 0;
}

estoc_slice estoc_der_oid(estoc_reader *r)
{
    estoc_slice v = estoc_der_expect(r, ESTOC_DER_OID);
    if (!estoc_der_oid_valid(v)) {
        estoc_reader_malformed(r);
        v = estoc_slice_of(NULL, 0);
    }
    return v;
}

bool estoc_der_oid_before(estoc_slice list, estoc_slice oid)
{
    estoc_reader r = estoc_reader_of(list);
    for (;;) {
        estoc_reader in = estoc_der_enter(&r, ESTOC_DER_SEQUENCE);
        estoc_slice earlier = estoc_der_oid(&in);
        if (in.err || earlier.ptr == oid.ptr) {
            return false;
        }
        if (estoc_slice_eq(earlier, oid)) {
            return true;
        }
    }
}

bool estoc_der_bool(estoc_reader *r)
{
    estoc_slice v = estoc_der_expect(r, ESTOC_DER_BOOLEAN);
    if (v.len != 1 || (v.ptr[0] != 0 && v.ptr[0] != 0xff)) {
        estoc_reader_malformed(r);
        return false;
    }
    return v.ptr[0] != 0;
}

/* Days are counted from a day long before year 0. A year begins in March here, so that the leap day
 * comes last. Divisions are of 32 bits: that of 64 is a library's function on small machines. */
#define EPOCH 865566u /* 1970-01-01 */

static uint32_t days_from_date(uint32_t year, uint32_t month, uint32_t day)
{
    year += 400;
    if (month < 3) {
        year--;
        month += 12;
    }
    return year * 365 + year / 4 - year / 100 + year / 400 + (153 * month - 457) / 5 + day;
}

static bool date_good(uint32_t year, uint32_t month, uint32_t day)
{
    return month >= 1 && month <= 12 && day >= 1 &&
           day <= days_from_date(year, month + 1, 1) - days_from_date(year, month, 1);
}

int64_t estoc_der_time(estoc_reader *r)
{
    bool utc = estoc_der_peek(r) != ESTOC_DER_GENERALIZED_TIME;
    size_t left_out = utc ? 2 : 0; /* digits of the century */
    estoc_slice v = estoc_der_expect(r, utc ? ESTOC_DER_UTC_TIME : ESTOC_DER_GENERALIZED_TIME);
    uint8_t t[7] = {0}; /* pairs of digits */
    bool good = v.len == 15 - left_out && v.ptr[v.len - 1] == 'Z';
    for (size_t i = left_out; good && i < 14; i++) {
        unsigned digit = v.ptr[i - left_out] - (unsigned)'0';
        good = digit <= 9;
        t[i / 2] = (uint8_t)(t[i / 2] * 10 + digit);
    }
    if (utc) {
        t[0] = t[1] < 50 ? 20 : 19;
    }
    uint32_t year = t[0] * 100u + t[1];
    if (!good || !date_good(year, t[2], t[3]) || t[4] > 23 || t[5] > 59 || t[6] > 59) {
        estoc_reader_malformed(r);
        return 0;
    }
    int32_t days = (int32_t)(days_from_date(year, t[2], t[3]) - EPOCH);
    return (int64_t)days * 86400 + (t[4] * 60 + t[5]) * 60 + t[6];
}

/* ---- writing ---- */

static size_t length_size(size_t len)
{
    size_t n = 1;
    if (len >= 0x80) {
        for (size_t rest = len; rest > 0; rest >>= 8) {
            n++;
        }
    }
    return n;
}

/* The length octets of `len`, at most 5. */
static size_t encode_length(uint8_t out[5], size_t len)
{
    size_t n = length_size(len);
    if (n == 1) {
        out[0] = (uint8_t)len;
        return 1;
    }
    out[0] = (uint8_t)(0x80 | (n - 1));
    for (size_t i = n - 1; i > 0; i--) {
        out[i] = (uint8_t)len;
        len >>= 8;
    }
    return n;
}

static void put_header(estoc_writer *w, uint8_t tag, size_t len)
{
    uint8_t octets[5];
    if (len > UINT32_MAX) {
        estoc_writer_fail(w, ESTOC_E_LIMIT);
        return;
    }
    estoc_write_u8(w, tag);
    estoc_write_bytes(w, estoc_slice_of(octets, encode_length(octets, len)));
}

size_t estoc_der_open(estoc_writer *w, uint8_t tag)
{
    estoc_write_u8(w, tag);
    estoc_write_u8(w, 0);
    return w->len;
}

void estoc_der_close(estoc_writer *w, size_t mark)
{
    if (w->err) {
        return;
    }
    uint8_t octets[5];
    size_t len = w->len - mark;
    size_t more = length_size(len) - 1;
    static const uint8_t zeros[4];
    if (len > UINT32_MAX) {
        estoc_writer_fail(w, ESTOC_E_LIMIT);
        return;
    }
    estoc_write_bytes(w, estoc_slice_of(zeros, more)); /* room, and the check for it */
    if (w->err || w->ptr == NULL) {
        return;
    }
    memmove(w->ptr + mark + more, w->ptr + mark, len);
    memcpy(w->ptr + mark - 1, octets, encode_length(octets, len));
}

void estoc_der_write(estoc_writer *w, uint8_t tag, const uint8_t *value, size_t len)
{
    put_header(w, tag, len);
    estoc_write(w, value, len);
}

void estoc_der_put_raw(estoc_writer *w, estoc_slice der)
{
    estoc_write_bytes(w, der);
}

void estoc_der_put_u32(estoc_writer *w, uint32_t v)
{
    const uint8_t big_endian[4] = {(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8),
                                   (uint8_t)v};
    estoc_der_put_unsigned(w, estoc_slice_of(big_endian, 4));
}

void estoc_der_put_unsigned(estoc_writer *w, estoc_slice v)
{
    while (v.len > 0 && v.ptr[0] == 0) {
        v.ptr++;
        v.len--;
    }
    bool zero = v.len == 0 || (v.ptr[0] & 0x80) != 0;
    put_header(w, ESTOC_DER_INTEGER, v.len + zero);
    if (zero) {
        estoc_write_u8(w, 0);
    }
    estoc_write_bytes(w, v);
}

void estoc_der_put_bits(estoc_writer *w, estoc_slice bits)
{
    put_header(w, ESTOC_DER_BIT_STRING, bits.len + 1);
    estoc_write_u8(w, 0);
    estoc_write_bytes(w, bits);
}

void estoc_der_put_bool(estoc_writer *w, bool v)
{
    uint8_t octet = v ? 0xff : 0;
    estoc_der_put(w, ESTOC_DER_BOOLEAN, estoc_slice_of(&octet, 1));
}
