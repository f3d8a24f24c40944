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
        estoc_reader_fail(r, ESTOC_E_MALFORMED);
        return false;
    }
    if (first < 0x80) {
        return true;
    }
    size_t n = first & 0x7fu;
    if (n == 0 || n > 4) { /* indefinite, or over 4 GiB */
        estoc_reader_fail(r, ESTOC_E_MALFORMED);
        return false;
    }
    uint32_t v = 0;
    for (size_t i = 0; i < n; i++) {
        v = v << 8 | estoc_read_u8(r);
    }
    if (!r->err && (v < 0x80 || v >> (8 * (n - 1)) == 0)) { /* not the shortest form */
        estoc_reader_fail(r, ESTOC_E_MALFORMED);
    }
    *len = v;
    return !r->err;
}

bool estoc_der_next(estoc_reader *r, estoc_der *el)
{
    memset(el, 0, sizeof *el);
    estoc_slice from = r->rest;
    uint8_t tag;
    size_t len;
    if (!read_header(r, &tag, &len)) {
        return false;
    }
    estoc_slice value = estoc_read_bytes(r, len);
    if (r->err) {
        return false;
    }
    el->tag = tag;
    el->value = value;
    el->whole = estoc_slice_of(from.ptr, from.len - r->rest.len);
    return true;
}

estoc_slice estoc_der_expect(estoc_reader *r, uint8_t tag)
{
    estoc_der el;
    if (estoc_der_next(r, &el) && el.tag != tag) {
        estoc_reader_fail(r, ESTOC_E_MALFORMED);
        el.value = estoc_slice_of(NULL, 0);
    }
    return el.value;
}

estoc_reader estoc_der_enter(estoc_reader *r, uint8_t tag)
{
    estoc_reader inner = estoc_reader_of(estoc_der_expect(r, tag));
    inner.err = r->err; /* so that reading inside what is not there fails too */
    return inner;
}

uint8_t estoc_der_peek(const estoc_reader *r)
{
    return r->err || r->rest.len == 0 ? 0 : r->rest.ptr[0];
}

uint32_t estoc_der_u32(estoc_reader *r)
{
    estoc_slice v = estoc_der_expect(r, ESTOC_DER_INTEGER);
    if (r->err) {
        return 0;
    }
    bool padded = v.len > 1 && v.ptr[0] == 0;
    if (v.len == 0 || (v.ptr[0] & 0x80) != 0 || v.len > 5 || (v.len == 5 && !padded) ||
        (padded && (v.ptr[1] & 0x80) == 0)) {
        estoc_reader_fail(r, ESTOC_E_MALFORMED);
        return 0;
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
    if (!r->err && (v.len == 0 || v.ptr[0] != 0)) {
        estoc_reader_fail(r, ESTOC_E_MALFORMED);
    }
    return r->err ? estoc_slice_of(NULL, 0) : estoc_slice_of(v.ptr + 1, v.len - 1);
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
    if (!r->err && !estoc_der_oid_valid(v)) {
        estoc_reader_fail(r, ESTOC_E_MALFORMED);
        return estoc_slice_of(NULL, 0);
    }
    return v;
}

bool estoc_der_bool(estoc_reader *r)
{
    estoc_slice v = estoc_der_expect(r, ESTOC_DER_BOOLEAN);
    if (r->err) {
        return false;
    }
    if (v.len != 1 || (v.ptr[0] != 0 && v.ptr[0] != 0xff)) {
        estoc_reader_fail(r, ESTOC_E_MALFORMED);
        return false;
    }
    return v.ptr[0] != 0;
}

/* Days from 1970-01-01 to the first of March of a year that begins in March: leap days come last. */
static int64_t days_to_march(int64_t year)
{
    year +=
        400; /* January of year 0 belongs to the year before: divisions must not see it negative */
    return year * 365 + year / 4 - year / 100 + year / 400 - 719468 - 146097;
}

static int64_t days_from_date(int64_t year, int64_t month, int64_t day)
{
    if (month < 3) {
        year--;
        month += 12;
    }
    return days_to_march(year) + (153 * (month - 3) + 2) / 5 + day - 1;
}

static int32_t month_length(int32_t year, int32_t month)
{
    static const uint8_t days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return days[month - 1] + (month == 2 && leap);
}

int64_t estoc_der_time(estoc_reader *r)
{
    uint8_t tag = estoc_der_peek(r);
    size_t years = tag == ESTOC_DER_GENERALIZED_TIME ? 2 : 1; /* pairs of digits */
    estoc_slice v =
        estoc_der_expect(r, years == 2 ? ESTOC_DER_GENERALIZED_TIME : ESTOC_DER_UTC_TIME);
    if (r->err) {
        return 0;
    }
    int32_t pair[7] = {0};
    bool good = v.len == 2 * (years + 5) + 1 && v.ptr[v.len - 1] == 'Z';
    for (size_t i = 0; good && i + 1 < v.len; i++) {
        good = v.ptr[i] >= '0' && v.ptr[i] <= '9';
        pair[i / 2] = pair[i / 2] * 10 + (v.ptr[i] - '0');
    }
    if (!good) {
        estoc_reader_fail(r, ESTOC_E_MALFORMED);
        return 0;
    }
    const int32_t *t = pair + years - 1; /* t[0]: the last two digits of the year */
    int32_t year = years == 2 ? pair[0] * 100 + pair[1] : t[0] + (t[0] < 50 ? 2000 : 1900);
    if (t[1] < 1 || t[1] > 12 || t[2] < 1 || t[2] > month_length(year, t[1]) || t[3] > 23 ||
        t[4] > 59 || t[5] > 59) {
        estoc_reader_fail(r, ESTOC_E_MALFORMED);
        return 0;
    }
    return days_from_date(year, t[1], t[2]) * 86400 + t[3] * 3600 + t[4] * 60 + t[5];
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

void estoc_der_put(estoc_writer *w, uint8_t tag, estoc_slice value)
{
    put_header(w, tag, value.len);
    estoc_write_bytes(w, value);
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

static void put_pair(uint8_t *text, int64_t v)
{
    text[0] = (uint8_t)('0' + v / 10 % 10);
    text[1] = (uint8_t)('0' + v % 10);
}

void estoc_der_put_time(estoc_writer *w, int64_t unix_s)
{
    const int64_t last = 253402300799; /* 9999-12-31T23:59:59Z */
    uint8_t text[15];
    if (unix_s < -631152000 || unix_s > last) { /* before 1950: no two digits say it */
        estoc_writer_fail(w, ESTOC_E_USAGE);
        return;
    }
    int64_t second = unix_s % 86400;
    int64_t day = unix_s / 86400;
    if (second < 0) {
        second += 86400;
        day--;
    }
    /* Years that begin in March; the guess is at most one too large. */
    int64_t year = (day + 719468) * 400 / 146097 + 1;
    while (days_to_march(year) > day) {
        year--;
    }
    int64_t of_year = day - days_to_march(year);
    int64_t month = (5 * of_year + 2) / 153;
    int64_t of_month = of_year - (153 * month + 2) / 5 + 1;
    month += 3;
    if (month > 12) {
        month -= 12;
        year++;
    }
    put_pair(text, year / 100);
    put_pair(text + 2, year);
    put_pair(text + 4, month);
    put_pair(text + 6, of_month);
    put_pair(text + 8, second / 3600);
    put_pair(text + 10, second / 60 % 60);
    put_pair(text + 12, second % 60);
    text[14] = 'Z';
    if (year < 2050) {
        estoc_der_put(w, ESTOC_DER_UTC_TIME, estoc_slice_of(text + 2, 13));
    } else {
        estoc_der_put(w, ESTOC_DER_GENERALIZED_TIME, estoc_slice_of(text, 15));
    }
}
