/* SPDX-License-Identifier: MIT
 *
 * URLs of EST servers, as estocd.conf has them.                          RFC 3986 section 3
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

#include "conf_value.h"
#include "text.h"

#define SCHEME "https://"

/* The host, and what stands behind it. @return NULL: it is none */
static const char *pass_host(const char *at)
{
    char host[INET6_ADDRSTRLEN];
    struct in6_addr address;
    const char *end = at + strcspn(at, ":/");
    if (*at != '[') {
        estoc_slice name = estoc_slice_of(at, (size_t)(end - at));
        return *at != '*' && estoc_text_is_host(name) ? end : NULL;
    }
    end = strchr(++at, ']');
    size_t len = end != NULL ? (size_t)(end - at) : sizeof host;
    if (len >= sizeof host) {
        return NULL;
    }
    memcpy(host, at, len);
    host[len] = '\0';
    return inet_pton(AF_INET6, host, &address) == 1 ? end + 1 : NULL;
}

static const char *pass_port(const char *at)
{
    uint32_t port = 0;
    if (*at != ':') {
        return at;
    }
    size_t len = strspn(++at, "0123456789");
    for (size_t i = 0; i < len && port <= UINT16_MAX; i++) {
        port = 10 * port + (uint32_t)(at[i] - '0');
    }
    return port > 0 && port <= UINT16_MAX ? at + len : NULL;
}

/* One segment at least, and each says something.                       RFC 3986 section 3.3 */
static bool is_path(const char *at, size_t len)
{
    static const char plain[] = "-._~!$&'()*+,;=:@";
    const char *end = at + len;
    if (len < 2 || *at != '/') {
        return false;
    }
    while (at < end) {
        const char *segment = ++at; /* behind the slash */
        for (; at < end && *at != '/'; at++) {
            unsigned char c = (unsigned char)*at;
            if (c == '%') {
                if (end - at < 3 || !isxdigit((unsigned char)at[1]) ||
                    !isxdigit((unsigned char)at[2])) {
                    return false;
                }
                at += 2;
            } else if (c >= 0x80 || (!isalnum(c) && strchr(plain, c) == NULL)) {
                return false;
            }
        }
        size_t n = (size_t)(at - segment);
        if (n == 0 || strspn(segment, ".") >= n) {
            return false;
        }
    }
    return true;
}

bool estoc_conf_https(const char *text, char *out, size_t cap)
{
    size_t len = strlen(text);
    if (strncmp(text, SCHEME, strlen(SCHEME)) != 0) {
        return false;
    }
    while (len > 0 && text[len - 1] == '/') {
        len--;
    }
    const char *at = pass_host(text + strlen(SCHEME));
    at = at != NULL ? pass_port(at) : NULL;
    if (at == NULL || at > text + len || !is_path(at, (size_t)(text + len - at)) || len >= cap) {
        return false;
    }
    memcpy(out, text, len);
    out[len] = '\0';
    return true;
}
