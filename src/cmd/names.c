/* SPDX-License-Identifier: MIT */
#include <string.h>
#include <strings.h>

#include "estocd.h"

static int hex_digit(char c)
{
    static const char digits[] = "0123456789abcdefABCDEF";
    const char *at = c != '\0' ? strchr(digits, c) : NULL;
    int v = at != NULL ? (int)(at - digits) : -1;
    return v < 16 ? v : v - 6;
}

size_t estocd_serial_parse(const char *text, uint8_t out[ESTOC_SERIAL_MAX])
{
    uint8_t digits[2 * ESTOC_SERIAL_MAX];
    size_t n = 0;
    text += strncasecmp(text, "0x", 2) == 0 ? 2 : 0;
    for (; *text != '\0'; text++) {
        int v = hex_digit(*text);
        if (v < 0 && *text != ':') {
            return 0;
        }
        if (v < 0 || (v == 0 && n == 0)) {
            continue;
        }
        if (n == sizeof digits) {
            return 0;
        }
        digits[n++] = (uint8_t)v;
    }
    size_t odd = n % 2;
    for (size_t i = 0; i < (n + odd) / 2; i++) {
        size_t low = 2 * i + 1 - odd;
        out[i] = (uint8_t)((low > 0 ? digits[low - 1] << 4 : 0) | digits[low]);
    }
    return (n + odd) / 2;
}

/* As RFC 5280 section 5.3.1 has them, and OpenSSL. */
static const struct {
    estoc_crl_reason reason;
    const char *name;
} reasons[] = {
    {ESTOC_CRL_UNSPECIFIED, "unspecified"},
    {ESTOC_CRL_KEY_COMPROMISE, "keyCompromise"},
    {ESTOC_CRL_AFFILIATION_CHANGED, "affiliationChanged"},
    {ESTOC_CRL_SUPERSEDED, "superseded"},
    {ESTOC_CRL_CESSATION, "cessationOfOperation"},
    {ESTOC_CRL_PRIVILEGE_WITHDRAWN, "privilegeWithdrawn"},
};

#define REASONS (sizeof reasons / sizeof reasons[0])

bool estocd_reason_parse(const char *text, estoc_crl_reason *out)
{
    for (size_t i = 0; i < REASONS; i++) {
        if (strcasecmp(text, reasons[i].name) == 0) {
            *out = reasons[i].reason;
            return true;
        }
    }
    return false;
}

const char *estocd_reason_name(estoc_crl_reason reason)
{
    for (size_t i = 0; i < REASONS; i++) {
        if (reasons[i].reason == reason) {
            return reasons[i].name;
        }
    }
    return "unspecified";
}
