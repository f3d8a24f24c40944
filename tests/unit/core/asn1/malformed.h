/* SPDX-License-Identifier: MIT
 *
 * DER elements, and values of the types that DER fixes. They seed the fuzz corpus of der.
 */
#ifndef TESTS_DER_MALFORMED_H
#define TESTS_DER_MALFORMED_H

#include "coap/malformed.h"

/* clang-format off */

/* Not even an element. X.690 sections 8.1 and 10.1 */
static const struct malformed_value malformed_elements[] = {
    {"no bytes",                     ESTOC_E_TRUNCATED, {NULL, 0}},
    {"a tag alone",                  ESTOC_E_TRUNCATED, BYTES(0x30)},
    {"value cut",                    ESTOC_E_TRUNCATED, BYTES(0x04, 0x02, 0x00)},
    {"value missing",                ESTOC_E_TRUNCATED, BYTES(0x04, 0x01)},
    {"long length cut",              ESTOC_E_TRUNCATED, BYTES(0x04, 0x82, 0x01)},
    {"long length missing",          ESTOC_E_TRUNCATED, BYTES(0x04, 0x81)},
    {"long value missing",           ESTOC_E_TRUNCATED, BYTES(0x04, 0x81, 0x80)},
    {"4 GiB less a byte",            ESTOC_E_TRUNCATED, BYTES(0x04, 0x84, 0xff, 0xff, 0xff, 0xff)},
    {"length of five bytes",         ESTOC_E_MALFORMED, BYTES(0x04, 0x85, 0x01, 0, 0, 0, 0)},
    {"length of 127 bytes",          ESTOC_E_MALFORMED, BYTES(0x04, 0xff, 0x01)},
    {"201 long form of 0",           ESTOC_E_MALFORMED, BYTES(0x04, 0x81, 0x00)},
    {"201 long form of 1",           ESTOC_E_MALFORMED, BYTES(0x04, 0x81, 0x01, 0xaa)},
    {"201 long form of 127",         ESTOC_E_MALFORMED, BYTES(0x04, 0x81, 0x7f)},
    {"201 two bytes for 128",        ESTOC_E_MALFORMED, BYTES(0x04, 0x82, 0x00, 0x80)},
    {"201 two bytes for 255",        ESTOC_E_MALFORMED, BYTES(0x04, 0x82, 0x00, 0xff)},
    {"201 three bytes for 65535",    ESTOC_E_MALFORMED, BYTES(0x04, 0x83, 0x00, 0xff, 0xff)},
    {"201 four bytes for 2^24-1",    ESTOC_E_MALFORMED, BYTES(0x04, 0x84, 0x00, 0xff, 0xff, 0xff)},
    {"201 indefinite SEQUENCE",      ESTOC_E_MALFORMED, BYTES(0x30, 0x80, 0x00, 0x00)},
    {"indefinite OCTET STRING",      ESTOC_E_MALFORMED, BYTES(0x24, 0x80, 0x04, 0x00, 0x00, 0x00)},
    {"end of contents",              ESTOC_E_MALFORMED, BYTES(0x00, 0x00)},
    {"tag of two bytes",             ESTOC_E_MALFORMED, BYTES(0x1f, 0x21, 0x00)},
    {"tag of two bytes in context",  ESTOC_E_MALFORMED, BYTES(0xbf, 0x1f, 0x00)},
    {"constructed BOOLEAN",          ESTOC_E_MALFORMED, BYTES(0x21, 0x00)},
    {"constructed BIT STRING",       ESTOC_E_MALFORMED, BYTES(0x23, 0x04, 0x03, 0x02, 0x00, 0xaa)},
    {"constructed OCTET STRING",     ESTOC_E_MALFORMED, BYTES(0x24, 0x03, 0x04, 0x01, 0xaa)},
    {"constructed UTF8String",       ESTOC_E_MALFORMED, BYTES(0x2c, 0x03, 0x0c, 0x01, 'a')},
    {"constructed IA5String",        ESTOC_E_MALFORMED, BYTES(0x36, 0x00)},
    {"primitive SEQUENCE",           ESTOC_E_MALFORMED, BYTES(0x10, 0x00)},
    {"primitive SET",                ESTOC_E_MALFORMED, BYTES(0x11, 0x00)},
    {"primitive EXTERNAL",           ESTOC_E_MALFORMED, BYTES(0x08, 0x00)},
    {"primitive EMBEDDED PDV",       ESTOC_E_MALFORMED, BYTES(0x0b, 0x00)},
    {"primitive CHARACTER STRING",   ESTOC_E_MALFORMED, BYTES(0x1d, 0x00)},
};

/* Elements of the tag that is asked for, each with a value that is none. The functions of der.h that
 * read a value take the tag's own. */
static const struct malformed_value malformed_values[] = {
    {"INTEGER empty",                ESTOC_E_MALFORMED, BYTES(0x02, 0x00)},
    {"INTEGER -1",                   ESTOC_E_MALFORMED, BYTES(0x02, 0x01, 0xff)},
    {"INTEGER -128",                 ESTOC_E_MALFORMED, BYTES(0x02, 0x01, 0x80)},
    {"INTEGER padded 0",             ESTOC_E_MALFORMED, BYTES(0x02, 0x02, 0x00, 0x00)},
    {"INTEGER padded 127",           ESTOC_E_MALFORMED, BYTES(0x02, 0x02, 0x00, 0x7f)},
    {"INTEGER padded -1",            ESTOC_E_MALFORMED, BYTES(0x02, 0x02, 0xff, 0xff)},
    {"INTEGER 2^32",                 ESTOC_E_MALFORMED, BYTES(0x02, 0x05, 0x01, 0, 0, 0, 0)},
    {"INTEGER 2^40",                 ESTOC_E_MALFORMED, BYTES(0x02, 0x06, 0x01, 0, 0, 0, 0, 0)},
    {"INTEGER 2^39 padded",          ESTOC_E_MALFORMED, BYTES(0x02, 0x06, 0x00, 0x80, 0, 0, 0, 0)},
    {"229 BIT STRING empty",         ESTOC_E_MALFORMED, BYTES(0x03, 0x00)},
    {"229 BIT STRING 1 unused",      ESTOC_E_MALFORMED, BYTES(0x03, 0x02, 0x01, 0x80)},
    {"229 BIT STRING 7 unused",      ESTOC_E_MALFORMED, BYTES(0x03, 0x02, 0x07, 0x80)},
    {"229 BIT STRING 8 unused",      ESTOC_E_MALFORMED, BYTES(0x03, 0x02, 0x08, 0x80)},
    {"229 BIT STRING unused of none", ESTOC_E_MALFORMED, BYTES(0x03, 0x01, 0x01)},
    {"227 OID empty",                ESTOC_E_MALFORMED, BYTES(0x06, 0x00)},
    {"227 OID begins with 0x80",     ESTOC_E_MALFORMED, BYTES(0x06, 0x02, 0x80, 0x01)},
    {"227 OID with 0x80 within",     ESTOC_E_MALFORMED, BYTES(0x06, 0x03, 0x2a, 0x80, 0x01)},
    {"227 OID that does not end",    ESTOC_E_MALFORMED, BYTES(0x06, 0x02, 0x2a, 0x86)},
    {"227 OID with 2^63",            ESTOC_E_MALFORMED,
     BYTES(0x06, 0x0b, 0x2a, 0x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00)},
    {"BOOLEAN empty",                ESTOC_E_MALFORMED, BYTES(0x01, 0x00)},
    {"BOOLEAN of two bytes",         ESTOC_E_MALFORMED, BYTES(0x01, 0x02, 0xff, 0xff)},
    {"BOOLEAN 1",                    ESTOC_E_MALFORMED, BYTES(0x01, 0x01, 0x01)},
    {"BOOLEAN 0x7f",                 ESTOC_E_MALFORMED, BYTES(0x01, 0x01, 0x7f)},
    /* RFC 5280 section 4.1.2.5 */
    {"236 UTCTime empty",            ESTOC_E_MALFORMED, BYTES(0x17, 0x00)},
    {"236 UTCTime, no seconds",      ESTOC_E_MALFORMED, TEXT("\x17\x0b" "2501311200Z")},
    {"236 UTCTime, no Z",            ESTOC_E_MALFORMED, TEXT("\x17\x0c" "250131120000")},
    {"236 UTCTime, offset",          ESTOC_E_MALFORMED, TEXT("\x17\x11" "250131120000+0100")},
    {"236 UTCTime, small z",         ESTOC_E_MALFORMED, TEXT("\x17\x0d" "250131120000z")},
    {"236 UTCTime, a letter",        ESTOC_E_MALFORMED, TEXT("\x17\x0d" "25013112o000Z")},
    {"236 UTCTime, a space",         ESTOC_E_MALFORMED, TEXT("\x17\x0d" "2501 1120000Z")},
    {"236 UTCTime, month 0",         ESTOC_E_MALFORMED, TEXT("\x17\x0d" "250031120000Z")},
    {"236 UTCTime, month 13",        ESTOC_E_MALFORMED, TEXT("\x17\x0d" "251301120000Z")},
    {"236 UTCTime, day 0",           ESTOC_E_MALFORMED, TEXT("\x17\x0d" "250100120000Z")},
    {"236 UTCTime, 31 April",        ESTOC_E_MALFORMED, TEXT("\x17\x0d" "250431120000Z")},
    {"236 UTCTime, 29 February",     ESTOC_E_MALFORMED, TEXT("\x17\x0d" "250229120000Z")},
    {"236 UTCTime, hour 24",         ESTOC_E_MALFORMED, TEXT("\x17\x0d" "250131240000Z")},
    {"236 UTCTime, minute 60",       ESTOC_E_MALFORMED, TEXT("\x17\x0d" "250131126000Z")},
    {"236 UTCTime, second 60",       ESTOC_E_MALFORMED, TEXT("\x17\x0d" "250131120060Z")},
    {"236 UTCTime of four digits",   ESTOC_E_MALFORMED, TEXT("\x17\x0f" "20250131120000Z")},
    {"236 GeneralizedTime of two",   ESTOC_E_MALFORMED, TEXT("\x18\x0d" "500131120000Z")},
    {"236 GeneralizedTime, fraction", ESTOC_E_MALFORMED, TEXT("\x18\x11" "20500131120000.5Z")},
    {"236 GeneralizedTime, 1900-02-29", ESTOC_E_MALFORMED, TEXT("\x18\x0f" "19000229120000Z")},
    {"236 GeneralizedTime, 2100-02-29", ESTOC_E_MALFORMED, TEXT("\x18\x0f" "21000229120000Z")},
};

/* Elements that are well formed: the corners, and types the library has no use for. */
static const struct {
    const char *name;
    estoc_slice bytes;
} wellformed_elements[] = {
    {"NULL",                         BYTES(0x05, 0x00)},
    {"SEQUENCE empty",               BYTES(0x30, 0x00)},
    {"SEQUENCE of SEQUENCE",         BYTES(0x30, 0x02, 0x30, 0x00)},
    {"context 30",                   BYTES(0xbe, 0x00)},
    {"application 1",                BYTES(0x41, 0x01, 0xff)},
    {"private 2, constructed",       BYTES(0xe2, 0x00)},
    {"ENUMERATED",                   BYTES(0x0a, 0x01, 0x05)},
    {"EXTERNAL",                     BYTES(0x28, 0x00)},
    {"EMBEDDED PDV",                 BYTES(0x2b, 0x00)},
    {"CHARACTER STRING",             BYTES(0x3d, 0x00)},
    {"INTEGER 0",                    BYTES(0x02, 0x01, 0x00)},
    {"INTEGER 127",                  BYTES(0x02, 0x01, 0x7f)},
    {"INTEGER 128",                  BYTES(0x02, 0x02, 0x00, 0x80)},
    {"INTEGER 2^31",                 BYTES(0x02, 0x05, 0x00, 0x80, 0x00, 0x00, 0x00)},
    {"INTEGER 2^32-1",               BYTES(0x02, 0x05, 0x00, 0xff, 0xff, 0xff, 0xff)},
    {"BOOLEAN true",                 BYTES(0x01, 0x01, 0xff)},
    {"BOOLEAN false",                BYTES(0x01, 0x01, 0x00)},
    {"BIT STRING of no bits",        BYTES(0x03, 0x01, 0x00)},
    {"OID 0.0",                      BYTES(0x06, 0x01, 0x00)},
    {"OID with 2^63-1",
     BYTES(0x06, 0x0a, 0x2a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f)},
    {"UTCTime 1950",                 TEXT("\x17\x0d" "500101000000Z")},
    {"UTCTime 2049",                 TEXT("\x17\x0d" "491231235959Z")},
    {"UTCTime 29 February",          TEXT("\x17\x0d" "240229000000Z")},
    {"GeneralizedTime 0000",         TEXT("\x18\x0f" "00000101000000Z")},
    {"GeneralizedTime 1969",         TEXT("\x18\x0f" "19691231235959Z")},
    {"GeneralizedTime 2000-02-29",   TEXT("\x18\x0f" "20000229000000Z")},
    {"GeneralizedTime 2050",         TEXT("\x18\x0f" "20500101000000Z")},
    {"GeneralizedTime 9999",         TEXT("\x18\x0f" "99991231235959Z")},
};
/* clang-format on */

#endif
