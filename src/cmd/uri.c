/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "uri.h"

#define SCHEME "coaps://"

static estoc_err wrong(estoc_why *why, const char *text, const char *what)
{
    estoc_why_set(why, "%.100s: %s; write coaps://HOST[:PORT][/ROOT]", text, what);
    return ESTOC_E_CONFIG;
}

static const char *scheme_fault(const char *text)
{
    if (strncasecmp(text, "coap://", 7) == 0) {
        return "coap is not protected, EST needs coaps (RFC 9148 section 3)";
    }
    return strncasecmp(text, SCHEME, strlen(SCHEME)) != 0 ? "not a coaps URI" : NULL;
}

/* The host, and what follows it. NULL if it is none. */
static const char *take_host(const char *at, estoc_uri *uri)
{
    size_t len;
    const char *after;
    if (*at == '[') {
        const char *close = strchr(at, ']');
        if (close == NULL) {
            return NULL;
        }
        at++;
        len = (size_t)(close - at);
        after = close + 1;
        uri->literal6 = true;
    } else {
        len = strcspn(at, ":/?#@[]");
        after = at + len;
    }
    if (len == 0 || len > ESTOC_URI_HOST_MAX) {
        return NULL;
    }
    memcpy(uri->host, at, len);
    uri->host[len] = '\0';
    struct in6_addr address;
    if (uri->literal6 && inet_pton(AF_INET6, uri->host, &address) != 1) {
        return NULL;
    }
    return strchr("/:", *after) != NULL ? after : NULL; /* the end counts: it is strchr's NUL */
}

static const char *take_port(const char *at, estoc_uri *uri)
{
    uri->port = ESTOC_URI_PORT;
    if (*at != ':') {
        return at;
    }
    size_t digits = strspn(++at, "0123456789");
    unsigned long port = strtoul(at, NULL, 10);
    if (digits > 5 || (digits > 0 && (port == 0 || port > 65535))) {
        return NULL;
    }
    if (digits > 0) { /* "host:" means the default. RFC 3986 section 3.2.3 */
        uri->port = (uint16_t)port;
    }
    return at[digits] == '/' || at[digits] == '\0' ? at + digits : NULL;
}

static int hex_digit(char c)
{
    static const char digits[] = "0123456789abcdefABCDEF";
    const char *found = c != '\0' ? strchr(digits, c) : NULL;
    if (found == NULL) {
        return -1;
    }
    int at = (int)(found - digits);
    return at < 16 ? at : at - 6;
}

/* One character of a path, percent-decoded; 0 if it is not one.       RFC 3986 section 2.1 */
static char take_char(const char **at)
{
    char c = *(*at)++;
    if (c != '%') {
        return c == '?' || c == '#' || (unsigned char)c <= ' ' || (unsigned char)c >= 0x7f ? '\0'
                                                                                           : c;
    }
    int high = hex_digit((*at)[0]);
    int low = high >= 0 ? hex_digit((*at)[1]) : -1;
    if (low < 0) {
        return '\0';
    }
    *at += 2;
    return (char)(high << 4 | low);
}

/* The root's segments; a slash at the end adds none. */
static bool take_root(const char *at, estoc_uri *uri)
{
    size_t used = 0;
    while (*at == '/' && at[1] != '\0') {
        size_t start = used;
        for (at++; *at != '/' && *at != '\0';) {
            char c = take_char(&at);
            if (c == '\0' || used == sizeof uri->root) {
                return false;
            }
            uri->root[used++] = c;
        }
        estoc_slice segment = estoc_slice_of(uri->root + start, used - start);
        if (uri->segment_n == ESTOC_URI_ROOT_MAX || segment.len == 0 ||
            estoc_slice_eq(segment, estoc_slice_str(".")) ||
            estoc_slice_eq(segment, estoc_slice_str(".."))) {
            return false;
        }
        uri->segment[uri->segment_n++] = segment;
    }
    return true;
}

estoc_err estoc_uri_parse(const char *text, estoc_uri *uri, estoc_why *why)
{
    memset(uri, 0, sizeof *uri);
    const char *fault = scheme_fault(text);
    if (fault != NULL) {
        return wrong(why, text, fault);
    }
    const char *at = take_host(text + strlen(SCHEME), uri);
    if (at == NULL) {
        return wrong(why, text, "no host, or not one (IPv6 stands in brackets)");
    }
    at = take_port(at, uri);
    if (at == NULL) {
        return wrong(why, text, "the port is not a number from 1 to 65535");
    }
    if (!take_root(at, uri)) {
        return wrong(why, text, "the root has an empty segment, is too long, or has a query");
    }
    if (uri->segment_n == 0) {
        uri->segment[0] = estoc_slice_str(".well-known");
        uri->segment[1] = estoc_slice_str("est");
        uri->segment_n = 2;
    }
    return ESTOC_OK;
}
