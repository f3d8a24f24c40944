/* SPDX-License-Identifier: MIT
 *
 * Patterns for subjects. They are about one attribute at a time, not about the subject's text: what a
 * name's owner puts into one value cannot pass for another attribute.
 */
#include "text.h"

/* The next character of a pattern, as it stands or behind a backslash. */
struct unit {
    uint8_t c;
    bool plain; /* means itself */
};

/* @return false: the pattern is over, or ends in a backslash (and is not empty then) */
static bool next_unit(estoc_slice *pattern, struct unit *u)
{
    bool escaped = pattern->len > 0 && pattern->ptr[0] == '\\';
    if (pattern->len < 1u + escaped) {
        return false;
    }
    u->c = pattern->ptr[escaped];
    u->plain = escaped || (u->c != '*' && u->c != '?');
    *pattern = estoc_slice_sub(*pattern, 1u + escaped, pattern->len);
    return true;
}

/* Bytes of the character at the front of well-formed UTF-8. */
static size_t character(estoc_slice text)
{
    size_t n = 1;
    while (n < text.len && text.ptr[n] >> 6 == 2) {
        n++;
    }
    return n;
}

/* Each star begins anew where the one before it was enough: no more than one is ever tried again. */
static bool glob_matches(estoc_slice glob, estoc_slice text)
{
    estoc_slice after_star = {NULL, 0}, tried = {NULL, 0};
    bool star = false;
    for (;;) {
        estoc_slice rest = glob;
        struct unit u = {0, true};
        bool more = next_unit(&rest, &u);
        if (more && !u.plain && u.c == '*') {
            star = true;
            after_star = glob = rest;
            tried = text;
        } else if (more && text.len > 0 && (u.plain ? u.c == text.ptr[0] : u.c == '?')) {
            glob = rest;
            text = estoc_slice_sub(text, u.plain ? 1 : character(text), text.len);
        } else if (!more && text.len == 0) {
            return true;
        } else if (star && tried.len > 0) {
            tried = estoc_slice_sub(tried, character(tried), tried.len);
            glob = after_star;
            text = tried;
        } else {
            return false;
        }
    }
}

/* The next TYPE=GLOB of a pattern. @return false: there is none, or it is none (and *type is empty) */
static bool next_part(estoc_slice *pattern, estoc_slice *type, estoc_slice *glob)
{
    size_t name = 0, len = 0;
    *type = estoc_slice_of(NULL, 0);
    while (name < pattern->len && pattern->ptr[name] != '=') {
        name++;
    }
    if (name == pattern->len) {
        return false;
    }
    estoc_slice rest = estoc_slice_sub(*pattern, name + 1, pattern->len);
    while (len < rest.len && rest.ptr[len] != '+') {
        len += rest.ptr[len] == '\\' ? 2 : 1;
    }
    if (len == 0 || len > rest.len) { /* nothing, or a backslash at the end */
        return false;
    }
    *type = estoc_name_type(estoc_slice_sub(*pattern, 0, name));
    *glob = estoc_slice_sub(rest, 0, len);
    *pattern = estoc_slice_sub(rest, len + 1, rest.len);
    /* a plus has something behind it */
    if (len < rest.len && pattern->len == 0) {
        *type = estoc_slice_of(NULL, 0);
    }
    return type->len > 0;
}

bool estoc_subject_pattern_good(estoc_slice pattern)
{
    estoc_slice type, glob;
    do {
        if (!next_part(&pattern, &type, &glob)) {
            return false;
        }
    } while (pattern.len > 0);
    return true;
}

/* Whether some attribute of the type matches. */
static bool has(estoc_slice name, estoc_slice type, estoc_slice glob)
{
    estoc_reader outer = estoc_reader_of(name);
    estoc_reader r = estoc_der_enter(&outer, ESTOC_DER_SEQUENCE);
    while (!r.err && estoc_reader_left(&r) > 0) {
        estoc_der value;
        estoc_reader set = estoc_der_enter(&r, ESTOC_DER_SET);
        estoc_reader pair = estoc_der_enter(&set, ESTOC_DER_SEQUENCE);
        estoc_slice oid = estoc_der_oid(&pair);
        if (estoc_der_next(&pair, &value) && estoc_slice_eq(oid, type) &&
            glob_matches(glob, value.value)) {
            return true;
        }
    }
    return false;
}

bool estoc_subject_matches(estoc_slice pattern, estoc_slice name)
{
    estoc_slice type, glob;
    do {
        if (!next_part(&pattern, &type, &glob) || !has(name, type, glob)) {
            return false;
        }
    } while (pattern.len > 0);
    return true;
}
