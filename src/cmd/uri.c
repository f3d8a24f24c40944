/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "uri.h"

#define SCHEME       "coaps://"
#define SCHEME_PLAIN "coap://"

static estoc_err wrong(estoc_why *why, const char *text, const char *what)
{
    estoc_why_set(why, "%.100s: %s; write coaps://HOST[:PORT][/ROOT]", text, what);
    return ESTOC_E_CONFIG;
}

static bool begins(const char *text, const char *scheme)
{
    return strncasecmp(text, scheme, strlen(scheme)) == 0;
}

/* RFC 6874: the zone stands behind %25; a bare % is what people write. */
static bool take_zone(estoc_uri *uri)
{
    char *zone = strchr(uri->host, '%');
    if (zone == NULL) {
        return true;
    }
    *zone++ = '\0';
    zone += strncmp(zone, "25", 2) == 0 && zone[2] != '\0' ? 2 : 0;
    size_t len = strlen(zone);
    if (len == 0 || len > ESTOC_URI_ZONE_MAX) {
        return false;
    }
    memcpy(uri->zone, zone, len + 1);
    return true;
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
    if (uri->literal6 && (!take_zone(uri) || inet_pton(AF_INET6, uri->host, &address) != 1)) {
        return NULL;
    }
    return strchr("/:", *after) != NULL ? after : NULL; /* the end counts: it is strchr's NUL */
}

static const char *take_port(const char *at, estoc_uri *uri)
{
    uri->port = uri->plain ? ESTOC_URI_PORT_COAP : ESTOC_URI_PORT;
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

/* What follows the scheme. */
static estoc_err parse(const char *text, const char *at, estoc_uri *uri, estoc_why *why)
{
    at = take_host(at, uri);
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
    uri->own_root = uri->segment_n > 0;
    if (!uri->own_root) {
        uri->segment[0] = estoc_slice_str(".well-known");
        uri->segment[1] = estoc_slice_str("est");
        uri->segment_n = 2;
    }
    return ESTOC_OK;
}

estoc_err estoc_uri_parse(const char *text, estoc_uri *uri, estoc_why *why)
{
    memset(uri, 0, sizeof *uri);
    if (begins(text, SCHEME_PLAIN)) {
        return wrong(why, text, "coap is not protected, EST needs coaps (RFC 9148 section 3)");
    }
    if (!begins(text, SCHEME)) {
        return wrong(why, text, "not a coaps URI");
    }
    return parse(text, text + strlen(SCHEME), uri, why);
}

estoc_err estoc_uri_parse_plain(const char *text, estoc_uri *uri, estoc_why *why)
{
    if (!begins(text, SCHEME_PLAIN)) {
        return estoc_uri_parse(text, uri, why);
    }
    memset(uri, 0, sizeof *uri);
    uri->plain = true;
    return parse(text, text + strlen(SCHEME_PLAIN), uri, why);
}
