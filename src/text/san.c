/* SPDX-License-Identifier: MIT
 *
 * Alternative names as people write them.                              RFC 5280 section 4.2.1.6
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "text.h"

enum { NAME_EMAIL = 1, NAME_DNS = 2, NAME_URI = 6, NAME_IP = 7 }; /* [n] of GeneralName */

static const struct {
    const char *prefix;
    uint8_t kind;
} kinds[] = {{"dns:", NAME_DNS}, {"ip:", NAME_IP}, {"uri:", NAME_URI}, {"email:", NAME_EMAIL}};

#define KINDS (sizeof kinds / sizeof kinds[0])

static bool put_address(estoc_writer *w, const char *text)
{
    uint8_t address[16];
    size_t len = 0;
    if (inet_pton(AF_INET, text, address) == 1) {
        len = 4;
    } else if (inet_pton(AF_INET6, text, address) == 1) {
        len = 16;
    }
    if (len > 0) {
        estoc_der_put(w, ESTOC_DER_CONTEXT(NAME_IP), estoc_slice_of(address, len));
    }
    return len > 0;
}

/* IA5String: anything else would be refused, or worse, understood differently. */
static bool put_text(estoc_writer *w, uint8_t kind, const char *text)
{
    size_t len = strlen(text);
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)text[i] <= ' ' || (unsigned char)text[i] >= 0x7f) {
            return false;
        }
    }
    estoc_der_put(w, ESTOC_DER_CONTEXT(kind), estoc_slice_of(text, len));
    return len > 0;
}

bool estoc_san_put(estoc_writer *w, const char *name, bool blank)
{
    for (size_t i = 0; i < KINDS; i++) {
        size_t len = strlen(kinds[i].prefix);
        if (strncmp(name, kinds[i].prefix, len) != 0) {
            continue;
        }
        if (blank && name[len] == '\0') {
            estoc_der_put(w, ESTOC_DER_CONTEXT(kinds[i].kind), estoc_slice_of(NULL, 0));
            return true;
        }
        return kinds[i].kind == NAME_IP ? put_address(w, name + len)
                                        : put_text(w, kinds[i].kind, name + len);
    }
    return put_address(w, name) || put_text(w, NAME_DNS, name);
}

const char *estoc_san_text(const estoc_der *name, char *out, size_t cap)
{
    char address[INET6_ADDRSTRLEN];
    size_t i = 0;
    while (i < KINDS && name->tag != ESTOC_DER_CONTEXT(kinds[i].kind)) {
        i++;
    }
    if (i == KINDS) {
        snprintf(out, cap, "[%u]", name->tag & 0x1fu);
        return out;
    }
    size_t n = name->value.len;
    if (kinds[i].kind == NAME_IP && (n == 4 || n == 16)) {
        snprintf(out, cap, "ip:%s",
                 inet_ntop(n == 4 ? AF_INET : AF_INET6, name->value.ptr, address, sizeof address));
        return out;
    }
    size_t len = (size_t)snprintf(out, cap, "%s", kinds[i].prefix);
    for (size_t k = 0; k < n && len + 1 < cap; k++) {
        uint8_t c = name->value.ptr[k];
        out[len++] = c > ' ' && c < 0x7f ? (char)c : '.';
        out[len] = '\0';
    }
    return out;
}
