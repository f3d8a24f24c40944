/* SPDX-License-Identifier: MIT
 *
 * Inputs that must be refused, one table per format. The unit tests run over them, and they seed the
 * fuzz corpora (tests/fuzz/seeds.c). A name starts with the row or section it comes from.
 */
#ifndef TESTS_MALFORMED_H
#define TESTS_MALFORMED_H

#include <estoc/bytes.h>

#define BYTES(...)                                                             \
    {                                                                          \
        (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}) \
    }
#define TEXT(s)                             \
    {                                       \
        (const uint8_t *)(s), sizeof(s) - 1 \
    }

/* What the peer may see of it: RFC 7252 sections 4.2 and 4.3. */
enum malformed_answer { SILENCE, RESET };

struct malformed_message {
    const char *name;
    estoc_err err;
    enum malformed_answer answer;
    estoc_slice bytes;
};

struct malformed_value {
    const char *name;
    estoc_err err;
    estoc_slice bytes;
};

/* clang-format off */
#define CON_GET 0x40, 0x01, 0x12, 0x34 /* version 1, CON, no token; GET; message ID */
#define NON_GET 0x50, 0x01, 0x12, 0x34

static const struct malformed_message malformed_messages[] = {
    /* RFC 7252 section 3: the header */
    {"66 no bytes",                ESTOC_E_TRUNCATED, SILENCE, {NULL, 0}},
    {"66 one byte",                ESTOC_E_TRUNCATED, SILENCE, BYTES(0x40)},
    {"66 two bytes",               ESTOC_E_TRUNCATED, SILENCE, BYTES(0x40, 0x01)},
    {"66 three bytes",             ESTOC_E_TRUNCATED, SILENCE, BYTES(0x40, 0x01, 0x12)},
    {"64 version 0",               ESTOC_E_MALFORMED, SILENCE, BYTES(0x00, 0x01, 0x12, 0x34)},
    {"64 version 2",               ESTOC_E_MALFORMED, SILENCE, BYTES(0x80, 0x01, 0x12, 0x34)},
    {"64 version 3",               ESTOC_E_MALFORMED, SILENCE, BYTES(0xc0, 0x01, 0x12, 0x34)},
    {"64 DTLS handshake record",   ESTOC_E_MALFORMED, SILENCE, BYTES(0x16, 0xfe, 0xfd, 0x00, 0x00)},
    {"67 token missing",           ESTOC_E_TRUNCATED, RESET,   BYTES(0x44, 0x01, 0x12, 0x34)},
    {"67 token cut",               ESTOC_E_TRUNCATED, RESET,   BYTES(0x44, 0x01, 0x12, 0x34, 1, 2, 3)},
    {"67 token cut in NON",        ESTOC_E_TRUNCATED, SILENCE, BYTES(0x54, 0x01, 0x12, 0x34, 1, 2, 3)},
    {"67 token of 9",              ESTOC_E_MALFORMED, RESET,
     BYTES(0x49, 0x01, 0x12, 0x34, 1, 2, 3, 4, 5, 6, 7, 8, 9)},
    {"67 token of 15",             ESTOC_E_MALFORMED, RESET,
     BYTES(0x4f, 0x01, 0x12, 0x34, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)},
    /* section 4.1: an empty message is four bytes */
    {"62 ping with a token",       ESTOC_E_MALFORMED, RESET,   BYTES(0x41, 0x00, 0x12, 0x34, 0xaa)},
    {"62 ping with an option",     ESTOC_E_MALFORMED, RESET,   BYTES(0x40, 0x00, 0x12, 0x34, 0xb0)},
    {"62 ping with a payload",     ESTOC_E_MALFORMED, RESET,   BYTES(0x40, 0x00, 0x12, 0x34, 0xff, 'a')},
    {"62 empty ACK with a byte",   ESTOC_E_MALFORMED, SILENCE, BYTES(0x60, 0x00, 0x12, 0x34, 0x00)},
    {"62 RST with a token",        ESTOC_E_MALFORMED, SILENCE, BYTES(0x71, 0x00, 0x12, 0x34, 0xaa)},
    /* section 4.3, Table 1; section 4.2: reserved classes */
    {"72 class 1 in CON",          ESTOC_E_MALFORMED, RESET,   BYTES(0x40, 0x20, 0x12, 0x34)},
    {"72 class 6 in CON",          ESTOC_E_MALFORMED, RESET,   BYTES(0x40, 0xc0, 0x12, 0x34)},
    {"72 class 7 in CON",          ESTOC_E_MALFORMED, RESET,   BYTES(0x40, 0xff, 0x12, 0x34)},
    {"72 class 1 in NON",          ESTOC_E_MALFORMED, SILENCE, BYTES(0x50, 0x20, 0x12, 0x34)},
    {"72 class 7 in ACK",          ESTOC_E_MALFORMED, SILENCE, BYTES(0x60, 0xe0, 0x12, 0x34)},
    {"4.3 empty NON",              ESTOC_E_MALFORMED, SILENCE, BYTES(0x50, 0x00, 0x12, 0x34)},
    {"4.2 request in ACK",         ESTOC_E_MALFORMED, SILENCE, BYTES(0x60, 0x01, 0x12, 0x34)},
    {"4.2 request in RST",         ESTOC_E_MALFORMED, SILENCE, BYTES(0x70, 0x02, 0x12, 0x34)},
    {"4.2 response in RST",        ESTOC_E_MALFORMED, SILENCE, BYTES(0x70, 0x45, 0x12, 0x34)},
    /* section 3.1: options */
    {"69 delta nibble 15",         ESTOC_E_MALFORMED, RESET,   BYTES(CON_GET, 0xf0)},
    {"69 delta nibble 15 in NON",  ESTOC_E_MALFORMED, SILENCE, BYTES(NON_GET, 0xf0, 0x00)},
    {"69 length nibble 15",        ESTOC_E_MALFORMED, RESET,   BYTES(CON_GET, 0xbf, 'c', 'r', 't', 's')},
    {"3.1 delta 13 cut",           ESTOC_E_TRUNCATED, RESET,   BYTES(CON_GET, 0xd0)},
    {"3.1 delta 14 cut",           ESTOC_E_TRUNCATED, RESET,   BYTES(CON_GET, 0xe0, 0x00)},
    {"3.1 length 13 cut",          ESTOC_E_TRUNCATED, RESET,   BYTES(CON_GET, 0xbd)},
    {"3.1 length 14 cut",          ESTOC_E_TRUNCATED, RESET,   BYTES(CON_GET, 0xbe, 0x00)},
    {"3.1 both extended, one there", ESTOC_E_TRUNCATED, RESET, BYTES(CON_GET, 0xdd, 0x00)},
    {"3.1 value cut",              ESTOC_E_TRUNCATED, RESET,   BYTES(CON_GET, 0xb4, 'c', 'r', 't')},
    {"3.1 value of 65804",         ESTOC_E_TRUNCATED, RESET,   BYTES(CON_GET, 0xbe, 0xff, 0xff, 'c')},
    {"71 number 65536",            ESTOC_E_MALFORMED, RESET,   BYTES(CON_GET, 0xe0, 0xfe, 0xf3)},
    {"71 number 65804",            ESTOC_E_MALFORMED, RESET,   BYTES(CON_GET, 0xe0, 0xff, 0xff)},
    {"71 number 65535, then 1",    ESTOC_E_MALFORMED, RESET,   BYTES(CON_GET, 0xe0, 0xfe, 0xf2, 0x10)},
    {"71 number wraps to Uri-Path", ESTOC_E_MALFORMED, RESET,  /* 65,535 + 12 = 65,536 + 11 */
     BYTES(CON_GET, 0xe0, 0xfe, 0xf2, 0xc4, 'c', 'r', 't', 's')},
    {"71 in NON",                  ESTOC_E_MALFORMED, SILENCE, BYTES(NON_GET, 0xe0, 0xff, 0xff)},
    /* section 3: a marker followed by nothing */
    {"3 marker alone",             ESTOC_E_MALFORMED, RESET,   BYTES(CON_GET, 0xff)},
    {"3 marker alone in NON",      ESTOC_E_MALFORMED, SILENCE, BYTES(NON_GET, 0xff)},
    {"3 option and marker alone",  ESTOC_E_MALFORMED, RESET,
     BYTES(CON_GET, 0xb4, 'c', 'r', 't', 's', 0xff)},
    {"3 token and marker alone",   ESTOC_E_MALFORMED, RESET,   BYTES(0x41, 0x01, 0x12, 0x34, 0xaa, 0xff)},
    {"3 HTTP",                     ESTOC_E_TRUNCATED, RESET,   TEXT("GET / HTTP/1.1")},
};

/* RFC 7959 section 2.2 */
static const struct malformed_value malformed_blocks[] = {
    {"126 SZX 7",                  ESTOC_E_MALFORMED, BYTES(0x07)},
    {"126 SZX 7 and more",         ESTOC_E_MALFORMED, BYTES(0x0f)},
    {"126 SZX 7 in two bytes",     ESTOC_E_MALFORMED, BYTES(0x01, 0x17)},
    {"126 SZX 7 in three bytes",   ESTOC_E_MALFORMED, BYTES(0xff, 0xff, 0xff)},
    {"127 four bytes",             ESTOC_E_OPTION,    BYTES(0x00, 0x00, 0x00, 0x06)},
    {"127 four bytes with SZX 7",  ESTOC_E_OPTION,    BYTES(0x00, 0x00, 0x00, 0x07)},
    {"127 number above 2^20",      ESTOC_E_OPTION,    BYTES(0x01, 0x00, 0x00, 0x06)},
    {"127 five bytes",             ESTOC_E_OPTION,    BYTES(0x00, 0x00, 0x00, 0x00, 0x06)},
};

/* RFC 6690 section 2 */
static const struct malformed_value malformed_links[] = {
    {"target not opened",          ESTOC_E_MALFORMED, TEXT("/est/crts>;rt=\"ace.est.crts\"")},
    {"target not closed",          ESTOC_E_MALFORMED, TEXT("</est/crts")},
    {"only an opening",            ESTOC_E_MALFORMED, TEXT("<")},
    {"target with a quote",        ESTOC_E_MALFORMED, TEXT("</est\"/crts>")},
    {"target with a space",        ESTOC_E_MALFORMED, TEXT("</est/ crts>")},
    {"target with a backslash",    ESTOC_E_MALFORMED, TEXT("</est\\crts>")},
    {"target in a target",         ESTOC_E_MALFORMED, TEXT("</est<a>>")},
    {"target with NUL",            ESTOC_E_MALFORMED, TEXT("</est\0>")},
    {"target outside ASCII",       ESTOC_E_MALFORMED, TEXT("</\xc3\xa9>")},
    {"space first",                ESTOC_E_MALFORMED, TEXT(" </a>")},
    {"space last",                 ESTOC_E_MALFORMED, TEXT("</a> ")},
    {"newline between links",      ESTOC_E_MALFORMED, TEXT("</a>,\n</b>")},
    {"comma first",                ESTOC_E_MALFORMED, TEXT(",</a>")},
    {"comma last",                 ESTOC_E_MALFORMED, TEXT("</a>,")},
    {"two commas",                 ESTOC_E_MALFORMED, TEXT("</a>,,</b>")},
    {"no comma",                   ESTOC_E_MALFORMED, TEXT("</a></b>")},
    {"semicolon last",             ESTOC_E_MALFORMED, TEXT("</a>;")},
    {"name missing",               ESTOC_E_MALFORMED, TEXT("</a>;=1")},
    {"name with a space",          ESTOC_E_MALFORMED, TEXT("</a>;r t=1")},
    {"token missing",              ESTOC_E_MALFORMED, TEXT("</a>;ct=;rt=x")},
    {"token with a space",         ESTOC_E_MALFORMED, TEXT("</a>;ct=281 287")},
    {"token with a quote",         ESTOC_E_MALFORMED, TEXT("</a>;rt=x\"y")},
    {"quoted string not closed",   ESTOC_E_MALFORMED, TEXT("</a>;rt=\"ace.est.crts")},
    {"quoted string, text behind", ESTOC_E_MALFORMED, TEXT("</a>;rt=\"x\"y")},
    {"backslash last",             ESTOC_E_MALFORMED, TEXT("</a>;rt=\"x\\")},
    {"closing quote escaped",      ESTOC_E_MALFORMED, TEXT("</a>;rt=\"x\\\"")},
    {"control in a string",        ESTOC_E_MALFORMED, TEXT("</a>;rt=\"x\ny\"")},
    {"DEL in a string",            ESTOC_E_MALFORMED, TEXT("</a>;rt=\"x\177\"")},
    {"escaped control",            ESTOC_E_MALFORMED, TEXT("</a>;rt=\"x\\\n\"")},
    {"second link bad",            ESTOC_E_MALFORMED, TEXT("</a>;rt=x,</b")},
};
/* clang-format on */

#endif
