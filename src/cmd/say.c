/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stdio.h>

#include "talk.h"

int estoc_say(const char *command, int code, const char *fmt, ...)
{
    char line[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    fprintf(stderr, "estoc %s: %s\n", command, line);
    return code;
}

int estoc_exit_code(estoc_err err)
{
    /* clang-format off */
    static const struct {
        estoc_err err;
        int code;
    } table[] = {
        {ESTOC_OK,          ESTOC_EXIT_DONE},
        {ESTOC_E_TIMEOUT,   ESTOC_EXIT_SILENCE},
        {ESTOC_E_CLOSED,    ESTOC_EXIT_SILENCE},
        {ESTOC_E_RESET,     ESTOC_EXIT_SILENCE},
        {ESTOC_E_NOT_FOUND, ESTOC_EXIT_SILENCE}, /* the host */
        {ESTOC_E_UNTRUSTED, ESTOC_EXIT_IDENTITY},
        {ESTOC_E_REFUSED,   ESTOC_EXIT_REFUSED},
        {ESTOC_E_PEER,      ESTOC_EXIT_SERVER},
        {ESTOC_E_PROTOCOL,  ESTOC_EXIT_SERVER},
        {ESTOC_E_OPTION,    ESTOC_EXIT_SERVER},
        {ESTOC_E_BLOCK,     ESTOC_EXIT_SERVER},
        {ESTOC_E_FORMAT,    ESTOC_EXIT_SERVER},
        {ESTOC_E_TRUNCATED, ESTOC_EXIT_SERVER},
        {ESTOC_E_MALFORMED, ESTOC_EXIT_SERVER},
        {ESTOC_E_TRAILING,  ESTOC_EXIT_SERVER},
        {ESTOC_E_SPACE,     ESTOC_EXIT_SERVER},
        {ESTOC_E_LIMIT,     ESTOC_EXIT_SERVER},
        {ESTOC_E_LATER,     ESTOC_EXIT_LATER},
    };
    /* clang-format on */
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (table[i].err == err) {
            return table[i].code;
        }
    }
    return ESTOC_EXIT_LOCAL;
}

const char *estoc_advice(uint8_t code)
{
    /* clang-format off */
    static const struct {
        uint8_t code;
        const char *text;
    } table[] = {
        {ESTOC_COAP_BAD_REQUEST,        "check the request's subject, names and key"},
        {ESTOC_COAP_UNAUTHORIZED,       "give a certificate from a CA this server recognises (--cert, --key)"},
        {ESTOC_COAP_BAD_OPTION,         "the server does not take an option of this request; see -v"},
        {ESTOC_COAP_FORBIDDEN,          "ask the operator what this identity may have"},
        {ESTOC_COAP_NOT_FOUND,          "check the root in the URI and --label: estoc discover lists them"},
        {ESTOC_COAP_METHOD_NOT_ALLOWED, "check the root in the URI: estoc discover lists it"},
        {ESTOC_COAP_NOT_ACCEPTABLE,     "try the other --format, or none"},
        {ESTOC_COAP_INCOMPLETE,         "run it again"},
        {ESTOC_COAP_TOO_LARGE,          "make the request smaller"},
        {ESTOC_COAP_UNSUPPORTED_FORMAT, "the server does not take PKCS#10 there; check the root in the URI"},
        {ESTOC_COAP_TOO_MANY_REQUESTS,  "run it again later, or give --wait SECONDS"},
        {ESTOC_COAP_UNAVAILABLE,        "run it again later, or give --wait SECONDS"},
        {ESTOC_COAP_BAD_GATEWAY,        "the server behind this one failed; ask the operator"},
        {ESTOC_COAP_GATEWAY_TIMEOUT,    "the server behind this one does not answer; run it again later"},
    };
    /* clang-format on */
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (table[i].code == code) {
            return table[i].text;
        }
    }
    return ESTOC_COAP_CLASS(code) == 5 ? "look into the server's log" : "see -v";
}

const char *estoc_plain_text(estoc_slice s, char *out, size_t cap)
{
    size_t len = s.len < cap - 1 ? s.len : cap - 1;
    for (size_t i = 0; i < len; i++) {
        bool plain = s.ptr[i] >= 0x20 && s.ptr[i] < 0x7f;
        out[i] = plain ? (char)s.ptr[i] : '.';
    }
    out[len] = '\0';
    return out;
}
