/* SPDX-License-Identifier: MIT */
#include <string.h>

#include <estoc/csrattrs.h>

/* SET SIZE (1..MAX); nothing hangs on the order DER asks for. RFC 7030 section 4.5.2 */
static bool values_good(estoc_slice values)
{
    estoc_reader r = estoc_reader_of(values);
    estoc_der el;
    do {
        if (!estoc_der_next(&r, &el)) {
            return false;
        }
    } while (estoc_reader_left(&r) > 0);
    return true;
}

estoc_err estoc_csrattrs_begin(estoc_slice der, estoc_reader *r)
{
    estoc_reader outer = estoc_reader_of(der);
    *r = estoc_der_enter(&outer, ESTOC_DER_SEQUENCE);
    estoc_err err = estoc_reader_end(&outer);
    if (err) {
        estoc_reader_fail(r, err);
    }
    return err;
}

bool estoc_csrattrs_next(estoc_reader *r, estoc_csrattr *attr)
{
    memset(attr, 0, sizeof *attr);
    if (r->err || estoc_reader_left(r) == 0) {
        return false;
    }
    estoc_csrattr got = {.is_attribute = estoc_der_peek(r) != ESTOC_DER_OID};
    bool good = true;
    if (got.is_attribute) {
        estoc_reader in = estoc_der_enter(r, ESTOC_DER_SEQUENCE);
        got.oid = estoc_der_oid(&in);
        got.values = estoc_der_expect(&in, ESTOC_DER_SET);
        good = !estoc_reader_end(&in) && values_good(got.values);
    } else {
        got.oid = estoc_der_oid(r);
    }
    if (!good || r->err) {
        /* the list is all there: what ends too early within it is malformed */
        *r = (estoc_reader){{NULL, 0}, ESTOC_E_MALFORMED};
        return false;
    }
    *attr = got;
    return true;
}

static void put_attr(estoc_writer *w, const estoc_csrattr *attr)
{
    bool good = attr->is_attribute ? values_good(attr->values) : attr->values.len == 0;
    if (!good || !estoc_der_oid_valid(attr->oid)) {
        estoc_writer_fail(w, ESTOC_E_MALFORMED);
        return;
    }
    if (!attr->is_attribute) {
        estoc_der_put(w, ESTOC_DER_OID, attr->oid);
        return;
    }
    size_t mark = estoc_der_open(w, ESTOC_DER_SEQUENCE);
    estoc_der_put(w, ESTOC_DER_OID, attr->oid);
    estoc_der_put(w, ESTOC_DER_SET, attr->values);
    estoc_der_close(w, mark);
}

estoc_err estoc_csrattrs_build(const estoc_csrattr *attrs, size_t n, estoc_buf out, size_t *len)
{
    estoc_writer w = estoc_writer_of(out);
    size_t mark = estoc_der_open(&w, ESTOC_DER_SEQUENCE);
    for (size_t i = 0; i < n; i++) {
        put_attr(&w, &attrs[i]);
    }
    estoc_der_close(&w, mark);
    return estoc_writer_end(&w, len);
}

/* ---- OIDs as text: X.690 section 8.19 ---- */

/* In steps of 32 bits: the division of 64 bits is a library's function on small machines. */
static uint8_t divide_by_10(uint64_t *v)
{
    uint32_t high = (uint32_t)(*v >> 32);
    uint32_t low = (uint32_t)*v;
    uint32_t middle = (high % 10) << 16 | low >> 16;
    uint32_t last = (middle % 10) << 16 | (low & 0xffff);
    *v = (uint64_t)(high / 10) << 32 | ((uint64_t)(middle / 10) << 16) | last / 10;
    return (uint8_t)(last % 10);
}

static void put_number(estoc_writer *w, uint64_t v)
{
    uint8_t digits[20];
    size_t n = 0;
    do {
        digits[n++] = (uint8_t)('0' + divide_by_10(&v));
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
