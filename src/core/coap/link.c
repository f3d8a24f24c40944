/* SPDX-License-Identifier: MIT */
#include <string.h>

#include <estoc/link.h>

/* Characters that end what RFC 6690 section 2 calls a URI-Reference, a parmname and a ptoken. None
 * of these holds a space, a control character or a byte above 0x7e.                               */
#define NOT_TARGET "<>\"\\"
#define NOT_NAME   "\",;\\<>="
#define NOT_TOKEN  "\",;\\"

static bool is_in(uint8_t c, const char *set)
{
    while (*set != '\0' && c != (uint8_t)*set) {
        set++;
    }
    return *set != '\0';
}

/* Length of the run at the start of `s` of bytes from `low` to 0x7e that are not in `stop`. */
static size_t span(estoc_slice s, uint8_t low, const char *stop)
{
    size_t n = 0;
    while (n < s.len && s.ptr[n] >= low && s.ptr[n] <= 0x7e && !is_in(s.ptr[n], stop)) {
        n++;
    }
    return n;
}

static estoc_slice take(estoc_reader *r, const char *stop)
{
    return estoc_read_bytes(r, span(r->rest, '!', stop));
}

static bool skip(estoc_reader *r, char c)
{
    bool there = r->rest.len > 0 && r->rest.ptr[0] == (uint8_t)c;
    if (there) {
        r->rest.ptr++;
        r->rest.len--;
    }
    return there;
}

/* A quoted-string of RFC 2616 section 2.2 behind its first quote; pairs keep their backslash. */
static estoc_slice take_quoted(estoc_reader *r)
{
    estoc_slice s = r->rest;
    size_t n = 0;
    while (n < s.len && s.ptr[n] != '"') {
        if (s.ptr[n] == '\\' && n + 1 < s.len) {
            n++;
        }
        if ((s.ptr[n] < ' ' && s.ptr[n] != '\t') || s.ptr[n] == 0x7f) {
            break;
        }
        n++;
    }
    estoc_slice value = estoc_read_bytes(r, n);
    if (!skip(r, '"')) {
        estoc_reader_malformed(r);
    }
    return value;
}

/* `;name`, `;name=token` or `;name="string"`. False where no attribute starts, and at a fault. */
static bool next_attribute(estoc_reader *r, estoc_slice *name, estoc_slice *value)
{
    if (!skip(r, ';')) {
        return false;
    }
    *name = take(r, NOT_NAME);
    *value = (estoc_slice){NULL, 0};
    bool empty = name->len == 0;
    if (skip(r, '=')) {
        if (skip(r, '"')) {
            *value = take_quoted(r);
        } else {
            *value = take(r, NOT_TOKEN);
            empty = empty || value->len == 0;
        }
    }
    if (empty) {
        estoc_reader_malformed(r);
    }
    return r->err == ESTOC_OK;
}

static bool named(estoc_slice name, const char *s)
{
    return estoc_slice_eq(name, estoc_slice_str(s));
}

bool estoc_link_next(estoc_reader *r, estoc_link *link)
{
    memset(link, 0, sizeof *link);
    if (r->rest.len == 0) {
        return false;
    }
    estoc_link l = {0};
    bool target = skip(r, '<');
    l.target = take(r, NOT_TARGET);
    target = target && skip(r, '>');
    l.attributes = r->rest;
    estoc_slice name, value;
    while (next_attribute(r, &name, &value)) {
        /* rt must not come twice (RFC 6690 section 3.1): the first one counts */
        if (l.rt.len == 0 && named(name, "rt")) {
            l.rt = value;
        } else if (l.ct.len == 0 && named(name, "ct")) {
            l.ct = value;
        }
    }
    l.attributes.len -= r->rest.len;
    bool last = r->rest.len == 0;
    if (!target || (!last && (!skip(r, ',') || r->rest.len == 0))) {
        estoc_reader_malformed(r);
    }
    if (r->err != ESTOC_OK) {
        return false;
    }
    *link = l;
    return true;
}

static void put_value(estoc_writer *w, const char *before, estoc_slice value, bool quoted)
{
    if (value.len == 0) {
        return;
    }
    if (span(value, ' ', "\"\\") != value.len) {
        estoc_writer_fail(w, ESTOC_E_USAGE);
    }
    estoc_write_bytes(w, estoc_slice_str(before));
    estoc_slice quote = {(const uint8_t *)"\"", quoted ? 1 : 0};
    estoc_write_bytes(w, quote);
    estoc_write_bytes(w, value);
    estoc_write_bytes(w, quote);
}

void estoc_link_put(estoc_writer *w, estoc_slice target, estoc_slice rt, estoc_slice ct)
{
    if (span(target, '!', NOT_TARGET) != target.len) {
        estoc_writer_fail(w, ESTOC_E_USAGE);
    }
    estoc_write_bytes(w, estoc_slice_str(w->len > 0 ? ",<" : "<"));
    estoc_write_bytes(w, target);
    estoc_write_u8(w, '>');
    put_value(w, ";rt=", rt, true);
    put_value(w, ";ct=", ct, span(ct, '!', NOT_TOKEN) != ct.len);
}

/* Bitwise, with quoted pairs taken for what they quote. */
static bool value_matches(estoc_slice value, estoc_slice pattern, bool prefix)
{
    size_t p = 0;
    for (size_t i = 0; i < value.len; i++) {
        if (p == pattern.len) {
            return prefix;
        }
        if (value.ptr[i] == '\\' && i + 1 < value.len) {
            i++;
        }
        if (value.ptr[i] != pattern.ptr[p++]) {
            return false;
        }
    }
    return p == pattern.len;
}

/* Each word is a value of its own. RFC 6690 section 4.1 */
static bool word_matches(estoc_slice words, estoc_slice pattern, bool prefix)
{
    for (size_t from = 0; from < words.len; from++) {
        size_t n = 0;
        while (from + n < words.len && words.ptr[from + n] != ' ') {
            n++;
        }
        if (n > 0 && value_matches(estoc_slice_sub(words, from, n), pattern, prefix)) {
            return true;
        }
        from += n;
    }
    return false;
}

bool estoc_link_matches(const estoc_link *link, estoc_slice query)
{
    estoc_reader q = estoc_reader_of(query);
    estoc_slice wanted = take(&q, NOT_NAME);
    if (!skip(&q, '=')) {
        return false;
    }
    estoc_slice pattern = q.rest;
    bool prefix = pattern.len > 0 && pattern.ptr[pattern.len - 1] == '*';
    pattern.len -= prefix;
    if (named(wanted, "href")) {
        return value_matches(link->target, pattern, prefix);
    }
    if (named(wanted, "rt")) {
        return word_matches(link->rt, pattern, prefix);
    }
    if (named(wanted, "ct")) {
        return word_matches(link->ct, pattern, prefix);
    }
    bool words = named(wanted, "if") || named(wanted, "rel") || named(wanted, "rev");
    estoc_reader r = estoc_reader_of(link->attributes);
    estoc_slice name, value;
    while (next_attribute(&r, &name, &value)) {
        if (estoc_slice_eq(name, wanted) &&
            (words ? word_matches : value_matches)(value, pattern, prefix)) {
            return true;
        }
    }
    return false;
}
