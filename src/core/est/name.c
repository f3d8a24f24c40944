/* SPDX-License-Identifier: MIT */
#include <string.h>

#include <estoc/csr.h>

#define CN_MAX 64 /* characters. RFC 5280 appendix A, ub-common-name */

static const uint8_t common_name[] = {0x55, 0x04, 0x03};

/* Bytes of the UTF-8 character at the front, 0 if it is none: overlong, surrogate, past U+10FFFF. */
static size_t utf8_next(estoc_slice s, uint32_t *c)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    uint8_t b = s.ptr[0];
    size_t n = b < 0x80 ? 1 : b >> 5 == 6 ? 2 : b >> 4 == 14 ? 3 : b >> 3 == 30 ? 4 : 0;
    if (n == 0 || n > s.len) {
        return 0;
    }
    *c = n == 1 ? b : b & (0xffu >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if (s.ptr[i] >> 6 != 2) {
            return 0;
        }
        *c = *c << 6 | (s.ptr[i] & 0x3f);
    }
    return *c < least[n] || *c > 0x10ffff || (*c >= 0xd800 && *c < 0xe000) ? 0 : n;
}

/* Control characters, and those that turn the reading direction: what a log must not take in. */
static bool harmless(uint32_t c)
{
    static const uint16_t bad[][2] = {{0x00, 0x1f},     {0x7f, 0x9f},     {0x200e, 0x200f},
                                      {0x2028, 0x202e}, {0x2066, 0x2069}, {0xfeff, 0xfeff}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (c >= bad[i][0] && c <= bad[i][1]) {
            return false;
        }
    }
    return true;
}

/* PrintableString's alphabet.                                                     X.680 section 41.4 */
static bool printable(uint8_t c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == ' ' ||
           c == '\'' || (c >= '(' && c <= '/' && c != '*') || c == ':' || c == '=' || c == '?';
}

/* One value: its characters are of its type. Counts them. */
static bool check_value(uint8_t tag, estoc_slice v, size_t *chars)
{
    *chars = 0;
    while (v.len > 0) {
        uint32_t c = 0;
        size_t n = utf8_next(v, &c);
        if (n == 0 || !harmless(c) || (tag == ESTOC_DER_PRINTABLE_STRING && !printable(v.ptr[0])) ||
            (tag == ESTOC_DER_IA5_STRING && c >= 0x80)) {
            return false;
        }
        v.ptr += n;
        v.len -= n;
        ++*chars;
    }
    return *chars > 0 && (tag == ESTOC_DER_UTF8_STRING || tag == ESTOC_DER_PRINTABLE_STRING ||
                          tag == ESTOC_DER_IA5_STRING);
}

/* The one attribute of the next RDN. False at the end, or with the reader's error set. */
static bool next_rdn(estoc_reader *r, estoc_slice *oid, estoc_der *value)
{
    if (estoc_reader_left(r) == 0) {
        return false;
    }
    estoc_reader set = estoc_der_enter(r, ESTOC_DER_SET);
    estoc_reader pair = estoc_der_enter(&set, ESTOC_DER_SEQUENCE);
    *oid = estoc_der_oid(&pair);
    estoc_der_next(&pair, value);
    estoc_der_leave(&set, &pair);
    estoc_der_leave(r, &set);
    return !r->err;
}

estoc_err estoc_name_check(estoc_slice name)
{
    estoc_reader r;
    estoc_err err = estoc_der_begin(name, &r);
    if (err) {
        return err == ESTOC_E_TRAILING ? ESTOC_E_MALFORMED : err;
    }
    estoc_slice oid;
    estoc_der value;
    size_t rdns = 0, cns = 0, chars = 0;
    while (next_rdn(&r, &oid, &value)) {
        bool cn = estoc_slice_eq(oid, estoc_slice_of(common_name, sizeof common_name));
        if (!check_value(value.tag, value.value, &chars) || (cn && cns++ > 0)) {
            return ESTOC_E_MALFORMED;
        }
        if (++rdns > ESTOC_NAME_RDNS_MAX || (cn && chars > CN_MAX)) {
            return ESTOC_E_LIMIT;
        }
    }
    return estoc_der_end(&r);
}

bool estoc_name_is_empty(estoc_slice name)
{
    return name.len == 2 && name.ptr[0] == ESTOC_DER_SEQUENCE && name.ptr[1] == 0;
}
