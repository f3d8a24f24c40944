/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "text.h"

/* NUL is none. */
static bool is_one_of(uint8_t c, const char *set)
{
    return c != '\0' && strchr(set, c) != NULL;
}

static bool is_letter_or_digit(uint8_t c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

/* Labels of letters, digits and hyphens; the first may be a star.   RFC 1123 section 2.1, RFC 6125 */
bool estoc_text_is_host(estoc_slice name)
{
    size_t label = 0;
    if (name.len > 253) {
        return false;
    }
    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = name.ptr[i];
        bool ends = i + 1 == name.len || name.ptr[i + 1] == '.';
        bool star = c == '*' && i == 0 && ends;
        if (c == '.' ? label == 0 || i + 1 == name.len
                     : !star && !is_letter_or_digit(c) && (c != '-' || label == 0 || ends)) {
            return false;
        }
        label = c == '.' ? 0 : label + 1;
        if (label > 63) {
            return false;
        }
    }
    return name.len > 0;
}

/* SCHEME:something, of characters that may stand in one.                    RFC 3986 section 3 */
bool estoc_text_is_uri(estoc_slice text)
{
    size_t scheme = 0;
    while (scheme < text.len && (is_letter_or_digit(text.ptr[scheme]) ||
                                 (scheme > 0 && is_one_of(text.ptr[scheme], "+-.")))) {
        scheme++;
    }
    if (scheme == 0 || text.ptr[0] <= '9' || scheme + 1 >= text.len || text.ptr[scheme] != ':') {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];
        if (c <= ' ' || c >= 0x7f || is_one_of(c, "\"<>\\^`{|}")) {
            return false;
        }
    }
    return true;
}

bool estoc_text_is_mailbox(estoc_slice text)
{
    const uint8_t *at = text.len > 0 ? memchr(text.ptr, '@', text.len) : NULL;
    size_t len = at != NULL ? (size_t)(at - text.ptr) : 0;
    estoc_slice local = estoc_slice_sub(text, 0, len);
    estoc_slice host = estoc_slice_sub(text, len + 1, text.len);
    if (len == 0 || !estoc_text_is_host(host) || host.ptr[0] == '*') {
        return false;
    }
    for (size_t i = 0; i < local.len; i++) {
        if (!is_letter_or_digit(local.ptr[i]) && !is_one_of(local.ptr[i], "-._+")) {
            return false;
        }
    }
    return true;
}
