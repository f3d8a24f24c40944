/* SPDX-License-Identifier: MIT
 *
 * Inputs that must be taken. The RFCs' own examples, and the corners of the formats. They seed the
 * fuzz corpora together with malformed.h.
 */
#ifndef TESTS_WELLFORMED_H
#define TESTS_WELLFORMED_H

#include "malformed.h"

/* clang-format off */

/* RFC 7252 Figure 16 */
static const uint8_t figure_16_request[] = {
    0x40,                   /* version 1, CON, no token */
    0x01,                   /* 0.01 GET */
    0x7d, 0x34,             /* message ID */
    0xbb,                   /* option 11 Uri-Path, 11 bytes */
    't', 'e', 'm', 'p', 'e', 'r', 'a', 't', 'u', 'r', 'e',
};
static const uint8_t figure_16_answer[] = {
    0x60,                   /* version 1, ACK, no token */
    0x45,                   /* 2.05 Content */
    0x7d, 0x34,             /* message ID */
    0xff,                   /* payload marker */
    '2', '2', '.', '3', ' ', 'C',
};

/* RFC 9148 Appendix A.1; the message ID is ours */
static const uint8_t crts_request[] = {
    0x41,                   /* version 1, CON, token of 1 */
    0x01,                   /* 0.01 GET */
    0x00, 0x01,             /* message ID */
    0x9a,                   /* token */
    0x3b,                   /* option 3 Uri-Host, 11 bytes */
    'e', 'x', 'a', 'm', 'p', 'l', 'e', '.', 'c', 'o', 'm',
    0x42, 0x23, 0x7d,       /* option 7 Uri-Port, 2 bytes: 9085 */
    0x43, 'e', 's', 't',    /* option 11 Uri-Path */
    0x04, 'c', 'r', 't', 's', /* option 11 Uri-Path */
    0x62, 0x01, 0x19,       /* option 17 Accept, 2 bytes: 281 */
};

/* RFC 9148 Appendix B.1, the second block */
static const uint8_t crts_second_block[] = {
    0x61,                   /* version 1, ACK, token of 1 */
    0x45,                   /* 2.05 Content */
    0x00, 0x02,             /* message ID */
    0x9a,                   /* token */
    0xc2, 0x01, 0x19,       /* option 12 Content-Format, 2 bytes: 281 */
    0xb1, 0x1a,             /* option 23 Block2, 1 byte: number 1, more, 64 bytes */
    0xff,                   /* payload marker */
    0xdf, 0x9c, 0x99, 0x24, 0x4b, 0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03,
    0x02, 0x30, 0x67, 0x31, 0x0b, 0x30, 0x09, 0x06, 0x03, 0x55, 0x04, 0x06, 0x13, 0x02, 0x55, 0x53,
    0x31, 0x0b, 0x30, 0x09, 0x06, 0x03, 0x55, 0x04, 0x08, 0x0c, 0x02, 0x43, 0x41, 0x31, 0x0b, 0x30,
    0x09, 0x06, 0x03, 0x55, 0x04, 0x07, 0x0c, 0x02, 0x4c, 0x41, 0x31, 0x14, 0x30, 0x12, 0x06, 0x03,
};

static const uint8_t sen_block1[] = {
    0x44,                   /* version 1, CON, token of 4 */
    0x02,                   /* 0.02 POST */
    0xbe, 0xef,             /* message ID */
    0x01, 0x02, 0x03, 0x04, /* token */
    0xbb, '.', 'w', 'e', 'l', 'l', '-', 'k', 'n', 'o', 'w', 'n', /* option 11 Uri-Path */
    0x03, 'e', 's', 't',    /* option 11 Uri-Path */
    0x03, 's', 'e', 'n',    /* option 11 Uri-Path */
    0x12, 0x01, 0x1e,       /* option 12 Content-Format, 2 bytes: 286 */
    0xd1, 0x02, 0x08,       /* option 12 + 13 + 2 = 27 Block1: number 0, more, 16 bytes */
    0xd2, 0x14, 0x01, 0x8f, /* option 27 + 13 + 20 = 60 Size1: 399 */
    0xff,                   /* payload marker */
    0x30, 0x82, 0x01, 0x8b, 0x30, 0x82, 0x01, 0x31, 0x02, 0x01, 0x00, 0x30, 0x5c, 0x31, 0x0b, 0x30,
};

struct wellformed {
    const char *name;
    estoc_slice bytes;
};

#define ARRAY(a) {(a), sizeof(a)}

static const struct wellformed wellformed_messages[] = {
    {"RFC 7252 figure 16 request", ARRAY(figure_16_request)},
    {"RFC 7252 figure 16 answer",  ARRAY(figure_16_answer)},
    {"RFC 9148 A.1 request",       ARRAY(crts_request)},
    {"RFC 9148 B.1 second block",  ARRAY(crts_second_block)},
    {"sen with Block1 and Size1",  ARRAY(sen_block1)},
    {"C2 ping",                    BYTES(0x40, 0x00, 0x12, 0x34)},
    {"C2 empty ACK",               BYTES(0x60, 0x00, 0x12, 0x34)},
    {"C2 RST",                     BYTES(0x70, 0x00, 0x12, 0x34)},
    {"59 token of 8",              BYTES(0x48, 0x01, 0x12, 0x34, 1, 2, 3, 4, 5, 6, 7, 8)},
    {"92 method 0.31",             BYTES(0x40, 0x1f, 0x12, 0x34)},
    {"97 option 65000",            BYTES(CON_GET, 0xe0, 0xfc, 0xdb)},
    {"71 option 65535",            BYTES(CON_GET, 0xe0, 0xfe, 0xf2)},
    {"101 Block2 in two bytes",    BYTES(CON_GET, 0xd2, 0x0a, 0x00, 0x04)},
    {"255 as payload",             BYTES(0x50, 0x45, 0x12, 0x34, 0xff, 0xff)},
};

static const struct wellformed wellformed_blocks[] = {
    {"0 of 16, empty value",       {NULL, 0}},
    {"RFC 9148 B.1 first",         BYTES(0x0a)},
    {"RFC 9148 B.1 second",        BYTES(0x1a)},
    {"RFC 9148 B.1 tenth",         BYTES(0x92)},
    {"101 leading zero",           BYTES(0x00, 0x04)},
    {"two bytes",                  BYTES(0x01, 0x0e)},
    {"largest number",             BYTES(0xff, 0xff, 0xfe)},
    {"0 of 1024",                  BYTES(0x06)},
};

/* RFC 9148 section 4.1 */
#define DISCOVERY \
    "</est/crts>;rt=\"ace.est.crts\";ct=\"281 287\"," \
    "</est/sen>;rt=\"ace.est.sen\";ct=\"281 287\"," \
    "</est/sren>;rt=\"ace.est.sren\";ct=\"281 287\"," \
    "</est/att>;rt=\"ace.est.att\";ct=285," \
    "</est/skg>;rt=\"ace.est.skg\";ct=62," \
    "</est/skc>;rt=\"ace.est.skc\";ct=62"

static const struct wellformed wellformed_links[] = {
    {"nothing",                    {NULL, 0}},
    {"RFC 9148 4.1",               TEXT(DISCOVERY)},
    {"164 port",                   TEXT("<coaps://[2001:db8:3::123]:61617/est/att>;rt=\"ace.est.att\";ct=285")},
    {"RFC 6690 example",           /* section 5 */
     TEXT("</sensors>;ct=40;title=\"Sensor Index\",</sensors/temp>;rt=\"temperature-c\";if=\"sensor\","
          "<http://www.example.com/sensors/t123>;anchor=\"/sensors/temp\";rel=\"describedby\","
          "</t>;anchor=\"/sensors/temp\";rel=\"alternate\"")},
    {"empty target",               TEXT("<>")},
    {"first and last character",   TEXT("</!~>;!~=!~;rt=\"~\"")},
    {"attribute without a value",  TEXT("</a>;obs;rt=x")},
    {"empty string",               TEXT("</a>;rt=\"\"")},
    {"escapes",                    TEXT("</a>;title=\"a\\\"b\\\\c,d;e<f>\";rt=x")},
    {"several words",              TEXT("</a>;rt=\"one two three\"")},
    {"spaces around words",        TEXT("</a>;rt=\"  one  two  \"")},
    {"rt twice",                   TEXT("</a>;rt=one;rt=two")},
    {"high bytes in a string",     TEXT("</a>;title=\"\xc3\xa9\"")},
};
/* clang-format on */

#endif
