/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "text.h"

/* clang-format off */
/* Attribute types by their text. Those without a name in RFC 4514 have the one in common use. */
static const struct {
    char name[13];
    uint8_t oid_len;
    uint8_t oid[10];
    uint8_t tag; /* to write with */
} types[] = {
    {"CN",           3,  {0x55, 0x04, 0x03}, ESTOC_DER_UTF8_STRING},
    {"serialNumber", 3,  {0x55, 0x04, 0x05}, ESTOC_DER_PRINTABLE_STRING},
    {"SN",           3,  {0x55, 0x04, 0x05}, ESTOC_DER_PRINTABLE_STRING},
    {"O",            3,  {0x55, 0x04, 0x0a}, ESTOC_DER_UTF8_STRING},
    {"OU",           3,  {0x55, 0x04, 0x0b}, ESTOC_DER_UTF8_STRING},
    {"C",            3,  {0x55, 0x04, 0x06}, ESTOC_DER_PRINTABLE_STRING},
    {"ST",           3,  {0x55, 0x04, 0x08}, ESTOC_DER_UTF8_STRING},
    {"L",            3,  {0x55, 0x04, 0x07}, ESTOC_DER_UTF8_STRING},
    {"DC",           10, {0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x19},
                         ESTOC_DER_IA5_STRING},
    {"UID",          10, {0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x01},
                         ESTOC_DER_UTF8_STRING},
    {"emailAddress", 9,  {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x01},
                         ESTOC_DER_IA5_STRING},
};
/* clang-format on */

#define TYPES (sizeof types / sizeof types[0])

static size_t type_of(estoc_slice oid)
{
    size_t i = 0;
    while (i < TYPES && !estoc_slice_eq(oid, estoc_slice_of(types[i].oid, types[i].oid_len))) {
        i++;
    }
    return i;
}

estoc_slice estoc_name_type(estoc_slice name)
{
    for (size_t i = 0; i < TYPES; i++) {
        if (estoc_slice_eq(name, estoc_slice_str(types[i].name))) {
            return estoc_slice_of(types[i].oid, types[i].oid_len);
        }
    }
    return estoc_slice_of(NULL, 0);
}

/* ---- as text ---- */

/* Of a name that has been checked, the attribute of its next RDN. */
static estoc_slice take_rdn(estoc_reader *r, estoc_slice *oid)
{
    estoc_der value;
    estoc_reader set = estoc_der_enter(r, ESTOC_DER_SET);
    estoc_reader pair = estoc_der_enter(&set, ESTOC_DER_SEQUENCE);
    *oid = estoc_der_oid(&pair);
    estoc_der_next(&pair, &value);
    return value.value;
}

size_t estoc_name_find(estoc_slice name, estoc_slice type, estoc_slice *value)
{
    size_t n = 0;
    estoc_reader outer = estoc_reader_of(name);
    estoc_reader r = estoc_der_enter(&outer, ESTOC_DER_SEQUENCE);
    *value = estoc_slice_of(NULL, 0);
    while (!r.err && estoc_reader_left(&r) > 0) {
        estoc_slice oid;
        estoc_slice v = take_rdn(&r, &oid);
        if (estoc_slice_eq(oid, type) && n++ == 0) {
            *value = v;
        }
    }
    return n;
}

static void put_text(estoc_writer *w, const char *s)
{
    estoc_write_bytes(w, estoc_slice_str(s));
}

/* Bytes of the UTF-8 character that begins with this one. */
static size_t character_len(uint8_t first)
{
    return first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

/* RFC 4514 section 2.4. A character and its escape are written together or not at all. */
static void put_value(estoc_writer *w, estoc_slice v)
{
    for (estoc_slice rest = v; rest.len > 0;) {
        uint8_t c = rest.ptr[0];
        size_t n = character_len(c);
        bool first = rest.len == v.len;
        bool edge = c == ' ' && (first || rest.len == 1);
        bool escaped = edge || (c == '#' && first) || c == ',' || c == '+' || c == '"' ||
                       c == '\\' || c == '<' || c == '>' || c == ';' || c == '=';
        uint8_t unit[5] = {'\\'};
        memcpy(unit + escaped, rest.ptr, n);
        estoc_write_bytes(w, estoc_slice_of(unit, n + escaped));
        rest = estoc_slice_sub(rest, n, rest.len);
    }
}

static void put_rdn(estoc_writer *w, estoc_slice oid, estoc_slice value)
{
    static const char digits[] = "0123456789abcdef";
    size_t i = type_of(oid);
    if (i < TYPES) {
        put_text(w, types[i].name);
    } else {
        put_text(w, "OID.");
        for (size_t b = 0; b < oid.len; b++) {
            estoc_write_u8(w, (uint8_t)digits[oid.ptr[b] >> 4]);
            estoc_write_u8(w, (uint8_t)digits[oid.ptr[b] & 15]);
        }
    }
    estoc_write_u8(w, '=');
    put_value(w, value);
}

const char *estoc_name_text(estoc_slice name, estoc_buf out)
{
    if (out.cap == 0) {
        return "";
    }
    estoc_writer w = estoc_writer_of((estoc_buf){out.ptr, out.cap - 1});
    size_t n = 0;
    if (estoc_name_check(name)) {
        put_text(&w, "?");
    } else {
        estoc_slice rdns[ESTOC_NAME_RDNS_MAX], oid;
        estoc_reader outer = estoc_reader_of(name);
        estoc_reader r = estoc_der_enter(&outer, ESTOC_DER_SEQUENCE);
        while (estoc_reader_left(&r) > 0) {
            rdns[n++] = r.rest;
            take_rdn(&r, &oid);
        }
        for (size_t i = n; i > 0; i--) { /* last one first */
            estoc_reader one = estoc_reader_of(rdns[i - 1]);
            estoc_slice value = take_rdn(&one, &oid);
            if (i < n) {
                estoc_write_u8(&w, ',');
            }
            put_rdn(&w, oid, value);
        }
    }
    out.ptr[w.len] = 0; /* a writer that failed keeps what fitted */
    return (const char *)out.ptr;
}

/* ---- from text ---- */

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'                     ? c - '0'
           : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
                                                    : -1;
}

/* What stands behind a backslash: two hexadecimal digits for a byte, or the character itself. Moves
 * `*s` to the last one used. RFC 4514 section 2.4 */
static uint8_t unescape(const char **s)
{
    int high = hex_digit((*s)[0]);
    int low = high < 0 ? -1 : hex_digit((*s)[1]);
    if (low < 0) {
        return (uint8_t) * *s;
    }
    ++*s;
    return (uint8_t)(high << 4 | low);
}

/* One "TYPE=value" of the text, unescaped into `value`. Moves `*text` past its separator. A plus would
 * join two attributes into one RDN. */
static estoc_err parse_rdn(const char **text, char separator, size_t *type, estoc_writer *value)
{
    const char *s = *text;
    size_t len = 0;
    while (s[len] != '\0' && s[len] != '=') {
        len++;
    }
    *type = 0;
    while (*type < TYPES &&
           !(strlen(types[*type].name) == len && memcmp(types[*type].name, s, len) == 0)) {
        ++*type;
    }
    if (*type == TYPES || s[len] != '=') {
        return ESTOC_E_MALFORMED;
    }
    for (s += len + 1; *s != '\0' && *s != separator; s++) {
        bool escape = *s == '\\';
        s += escape;
        if (*s == '\0' || (*s == '+' && !escape)) {
            return ESTOC_E_MALFORMED;
        }
        estoc_write_u8(value, escape ? unescape(&s) : (uint8_t)*s);
    }
    if (*s == separator && *++s == '\0') {
        return ESTOC_E_MALFORMED;
    }
    *text = s;
    return value->err ? ESTOC_E_LIMIT : ESTOC_OK;
}

static void write_rdn(estoc_writer *w, size_t type, estoc_slice value)
{
    size_t set = estoc_der_open(w, ESTOC_DER_SET);
    size_t pair = estoc_der_open(w, ESTOC_DER_SEQUENCE);
    estoc_der_put(w, ESTOC_DER_OID, estoc_slice_of(types[type].oid, types[type].oid_len));
    estoc_der_put(w, types[type].tag, value);
    estoc_der_close(w, pair);
    estoc_der_close(w, set);
}

void estoc_name_put(estoc_writer *w, estoc_slice type, estoc_slice value)
{
    size_t i = type_of(type);
    if (i == TYPES) {
        estoc_writer_fail(w, ESTOC_E_USAGE);
        return;
    }
    write_rdn(w, i, value);
}

/* The n-th RDN of the text, counted from its beginning; how many there are in *total. */
static estoc_err write_nth(const char *text, char separator, size_t n, size_t *total,
                           estoc_writer *w)
{
    uint8_t room[128];
    *total = 0;
    while (*text != '\0') {
        estoc_writer value = estoc_writer_of((estoc_buf){room, sizeof room});
        size_t type;
        estoc_err err = parse_rdn(&text, separator, &type, &value);
        if (err) {
            return err;
        }
        if ((*total)++ == n) {
            write_rdn(w, type, estoc_writer_slice(&value));
        }
    }
    return *total > ESTOC_NAME_RDNS_MAX ? ESTOC_E_LIMIT : ESTOC_OK;
}

estoc_err estoc_name_build(const char *text, estoc_buf out, size_t *len)
{
    *len = 0;
    bool slashes = text[0] == '/';
    char separator = slashes ? '/' : ',';
    text += slashes;
    size_t total;
    estoc_writer w = estoc_writer_of(out);
    size_t mark = estoc_der_open(&w, ESTOC_DER_SEQUENCE);
    estoc_err err = write_nth(text, separator, SIZE_MAX, &total, &w);
    for (size_t i = 0, n = total; !err && i < n; i++) {
        err = write_nth(text, separator, slashes ? i : n - 1 - i, &total, &w);
    }
    estoc_der_close(&w, mark);
    err = err ? err : w.err;
    err = err ? err : estoc_name_check(estoc_writer_slice(&w));
    return err ? err : estoc_writer_end(&w, len);
}
