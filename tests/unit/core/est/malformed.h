/* SPDX-License-Identifier: MIT
 *
 * Names, keys and certification requests that must be refused, and those that must be taken. The
 * unit tests run over the tables, and they seed the fuzz corpora. Numbers are those of the hard cases.
 */
#ifndef TESTS_EST_MALFORMED_H
#define TESTS_EST_MALFORMED_H

#include <estoc/csr.h>

#include "coap/malformed.h"

#include "../../../vectors/requests.h"

/* An element with its length, for contents of less than 128 bytes; and of 128 to 255. */
#define TLV(tag, ...)    (tag), (uint8_t)sizeof((const uint8_t[]){__VA_ARGS__}), __VA_ARGS__
#define TLV_81(tag, ...) (tag), 0x81, (uint8_t)sizeof((const uint8_t[]){__VA_ARGS__}), __VA_ARGS__
#define SEQ(...)         BYTES(TLV(0x30, __VA_ARGS__))
#define NOTHING          TEXT("") /* where {NULL, 0} would mean what is usual */
#define VECTOR(array)        \
    {                        \
        array, sizeof(array) \
    }

/* clang-format off */

/* ---- names: RFC 5280 section 4.1.2.4 and appendix A ---- */

#define OID_CN     TLV(0x06, 0x55, 0x04, 0x03)
#define OID_O      TLV(0x06, 0x55, 0x04, 0x0a)
#define OID_EMAIL  TLV(0x06, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x01)
#define OID_SERIAL TLV(0x06, 0x55, 0x04, 0x05)
#define RDN(...)   TLV(0x31, TLV(0x30, __VA_ARGS__))
#define CN(...)    RDN(OID_CN, TLV(0x0c, __VA_ARGS__))
#define X16        'x', 'x', 'x', 'x', 'x', 'x', 'x', 'x', 'x', 'x', 'x', 'x', 'x', 'x', 'x', 'x'

static const struct malformed_value malformed_names[] = {
    {"no bytes",                     ESTOC_E_TRUNCATED, {NULL, 0}},
    {"cut",                          ESTOC_E_TRUNCATED, BYTES(0x30, 0x0e, CN('d'))},
    {"a byte behind",                ESTOC_E_MALFORMED, BYTES(TLV(0x30, CN('d')), 0)},
    {"SET instead of SEQUENCE",      ESTOC_E_MALFORMED, BYTES(TLV(0x31, CN('d')))},
    {"RDN is a SEQUENCE",            ESTOC_E_MALFORMED,
     SEQ(TLV(0x30, TLV(0x30, OID_CN, TLV(0x0c, 'd'))))},
    {"RDN empty",                    ESTOC_E_MALFORMED, BYTES(0x30, 0x02, 0x31, 0x00)},
    {"no value",                     ESTOC_E_MALFORMED, SEQ(RDN(OID_CN))},
    {"no type",                      ESTOC_E_MALFORMED, SEQ(RDN(TLV(0x0c, 'd')))},
    {"type is no OID",               ESTOC_E_MALFORMED,
     SEQ(RDN(TLV(0x0c, 'C', 'N'), TLV(0x0c, 'd')))},
    {"227 type begins with 0x80",    ESTOC_E_MALFORMED,
     SEQ(RDN(TLV(0x06, 0x80, 0x55, 0x04, 0x03), TLV(0x0c, 'd')))},
    {"two values",                   ESTOC_E_MALFORMED,
     SEQ(RDN(OID_CN, TLV(0x0c, 'd'), TLV(0x0c, 'e')))},
    {"201 indefinite length",        ESTOC_E_MALFORMED, BYTES(0x30, 0x80, CN('d'), 0, 0)},
    {"201 length in two bytes",      ESTOC_E_MALFORMED, BYTES(0x30, 0x81, 0x0c, CN('d'))},
    {"212 multi-valued RDN",         ESTOC_E_MALFORMED,
     SEQ(TLV(0x31, TLV(0x30, OID_CN, TLV(0x0c, 'd')), TLV(0x30, OID_O, TLV(0x0c, 'o'))))},
    {"212 CN twice",                 ESTOC_E_MALFORMED, SEQ(CN('d'), CN('e'))},
    {"212 CN twice, not side by side", ESTOC_E_MALFORMED,
     SEQ(CN('d'), RDN(OID_O, TLV(0x0c, 'o')), CN('d'))},
    {"212 T61String",                ESTOC_E_MALFORMED, SEQ(RDN(OID_CN, TLV(0x14, 'd')))},
    {"212 BMPString",                ESTOC_E_MALFORMED, SEQ(RDN(OID_CN, TLV(0x1e, 0, 'd')))},
    {"212 BMPString, odd",           ESTOC_E_MALFORMED, SEQ(RDN(OID_CN, TLV(0x1e, 0, 'd', 0)))},
    {"212 UniversalString",          ESTOC_E_MALFORMED, SEQ(RDN(OID_CN, TLV(0x1c, 0, 0, 0, 'd')))},
    {"212 VisibleString",            ESTOC_E_MALFORMED, SEQ(RDN(OID_CN, TLV(0x1a, 'd')))},
    {"212 INTEGER",                  ESTOC_E_MALFORMED, SEQ(RDN(OID_CN, TLV(0x02, 1)))},
    {"212 SEQUENCE",                 ESTOC_E_MALFORMED,
     SEQ(RDN(OID_CN, TLV(0x30, TLV(0x0c, 'd'))))},
    {"212 empty value",              ESTOC_E_MALFORMED, SEQ(RDN(OID_CN, 0x0c, 0x00))},
    {"212 UTF-8, 0xff",              ESTOC_E_MALFORMED, SEQ(CN('d', 0xff))},
    {"212 UTF-8, begins in the middle", ESTOC_E_MALFORMED, SEQ(CN(0xa9, 'd'))},
    {"212 UTF-8, ends in the middle", ESTOC_E_MALFORMED, SEQ(CN('d', 0xc3))},
    {"212 UTF-8, no continuation",   ESTOC_E_MALFORMED, SEQ(CN(0xc3, 'd'))},
    {"212 UTF-8, overlong slash",        ESTOC_E_MALFORMED, SEQ(CN(0xc0, 0xaf))},
    {"212 UTF-8, overlong, 3 bytes", ESTOC_E_MALFORMED, SEQ(CN(0xe0, 0x9f, 0xbf))},
    {"212 UTF-8, overlong, 4 bytes", ESTOC_E_MALFORMED, SEQ(CN(0xf0, 0x8f, 0xbf, 0xbf))},
    {"212 UTF-8, surrogate D800",    ESTOC_E_MALFORMED, SEQ(CN(0xed, 0xa0, 0x80))},
    {"212 UTF-8, surrogate DFFF",    ESTOC_E_MALFORMED, SEQ(CN(0xed, 0xbf, 0xbf))},
    {"212 UTF-8, U-110000",          ESTOC_E_MALFORMED, SEQ(CN(0xf4, 0x90, 0x80, 0x80))},
    {"212 UTF-8, 5 bytes",           ESTOC_E_MALFORMED, SEQ(CN(0xf8, 0x88, 0x80, 0x80, 0x80))},
    {"212 NUL",                      ESTOC_E_MALFORMED, SEQ(CN('d', 0, 'e'))},
    {"212 newline",                  ESTOC_E_MALFORMED, SEQ(CN('d', '\n'))},
    {"212 escape",                   ESTOC_E_MALFORMED, SEQ(CN(0x1b, '[', 'm'))},
    {"212 DEL",                      ESTOC_E_MALFORMED, SEQ(CN('d', 0x7f))},
    {"212 U-0085",                   ESTOC_E_MALFORMED, SEQ(CN(0xc2, 0x85))},
    {"212 right-to-left mark",       ESTOC_E_MALFORMED, SEQ(CN(0xe2, 0x80, 0x8f))},
    {"212 right-to-left override",   ESTOC_E_MALFORMED, SEQ(CN(0xe2, 0x80, 0xae, 'v', 'e', 'd'))},
    {"212 isolate",                  ESTOC_E_MALFORMED, SEQ(CN(0xe2, 0x81, 0xa6))},
    {"212 line separator",           ESTOC_E_MALFORMED, SEQ(CN(0xe2, 0x80, 0xa8))},
    {"212 byte order mark",          ESTOC_E_MALFORMED, SEQ(CN(0xef, 0xbb, 0xbf, 'd'))},
    {"212 PrintableString with at sign",   ESTOC_E_MALFORMED, SEQ(RDN(OID_CN, TLV(0x13, 'd', '@')))},
    {"212 PrintableString with asterisk",   ESTOC_E_MALFORMED, SEQ(RDN(OID_CN, TLV(0x13, '*')))},
    {"212 PrintableString with underscore",   ESTOC_E_MALFORMED, SEQ(RDN(OID_CN, TLV(0x13, '_')))},
    {"212 PrintableString with e-acute", ESTOC_E_MALFORMED,
     SEQ(RDN(OID_CN, TLV(0x13, 0xc3, 0xa9)))},
    {"212 IA5String with e-acute",   ESTOC_E_MALFORMED, SEQ(RDN(OID_CN, TLV(0x16, 0xc3, 0xa9)))},
    {"209 CN of 65",                 ESTOC_E_LIMIT,     SEQ(CN(X16, X16, X16, X16, 'x'))},
    {"209 CN of 65, PrintableString", ESTOC_E_LIMIT,
     SEQ(RDN(OID_CN, TLV(0x13, X16, X16, X16, X16, 'x')))},
};

/* With their text. RFC 4514 */
struct wellformed_name {
    const char *name;
    const char *text;
    estoc_slice bytes;
};

static const struct wellformed_name wellformed_names[] = {
    {"empty",                "",                   BYTES(0x30, 0x00)},
    {"one CN",               "CN=dev-1",           SEQ(CN('d', 'e', 'v', '-', '1'))},
    {"last RDN first",       "CN=d,O=o",           SEQ(RDN(OID_O, TLV(0x0c, 'o')), CN('d'))},
    {"O twice",              "O=a,O=b",
     SEQ(RDN(OID_O, TLV(0x0c, 'b')), RDN(OID_O, TLV(0x0c, 'a')))},
    {"serialNumber",         "serialNumber=1 '()\\+\\,-./:\\=?",
     SEQ(RDN(OID_SERIAL,
             TLV(0x13, '1', ' ', '\'', '(', ')', '+', ',', '-', '.', '/', ':', '=', '?')))},
    {"IA5String",            "emailAddress=a@b",
     SEQ(RDN(OID_EMAIL, TLV(0x16, 'a', '@', 'b')))},
    {"2, 3 and 4 bytes",     "CN=\xc3\xa9\xe2\x82\xac\xf0\x9f\x94\x91",
     SEQ(CN(0xc3, 0xa9, 0xe2, 0x82, 0xac, 0xf0, 0x9f, 0x94, 0x91))},
    {"first of each size",   "CN=\\ \xc2\xa0\xe0\xa0\x80\xee\x80\x80\xf0\x90\x80\x80",
     SEQ(CN(0x20, 0xc2, 0xa0, 0xe0, 0xa0, 0x80, 0xee, 0x80, 0x80, 0xf0, 0x90, 0x80, 0x80))},
    {"last of each size",    "CN=~\xdf\xbf\xed\x9f\xbf\xef\xbf\xbf\xf4\x8f\xbf\xbf",
     SEQ(CN(0x7e, 0xdf, 0xbf, 0xed, 0x9f, 0xbf, 0xef, 0xbf, 0xbf, 0xf4, 0x8f, 0xbf, 0xbf))},
    {"209 CN of 64",         "CN=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
     SEQ(CN(X16, X16, X16, X16))},
    {"unknown type",         "OID.2a0305=d",
     SEQ(RDN(TLV(0x06, 0x2a, 0x03, 0x05), TLV(0x0c, 'd')))},
    {"escapes",              "CN=\\#\\,\\+\\\"\\\\\\<\\>\\;\\=#",
     SEQ(CN('#', ',', '+', '"', '\\', '<', '>', ';', '=', '#'))},
    {"spaces at the ends",   "CN=\\  d \\ ",       SEQ(CN(' ', ' ', 'd', ' ', ' '))},
    {"one space",            "CN=\\ ",             SEQ(CN(' '))},
};

/* ---- keys: X3 ---- */

#define OID_EC     TLV(0x06, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01)
#define OID_P256   TLV(0x06, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07)
#define OID_P384   TLV(0x06, 0x2b, 0x81, 0x04, 0x00, 0x22)
#define OID_RSA    TLV(0x06, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01)
#define OID_PSS    TLV(0x06, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a)
#define OID_ED25519 TLV(0x06, 0x2b, 0x65, 0x70)
#define X32        X16, X16
#define POINT      X32, X32 /* on no curve: that is for the cryptographic library to find */
#define EC(...)    TLV(0x30, OID_EC, __VA_ARGS__)
#define ALG_P256   EC(OID_P256)
#define ALG_RSA    TLV(0x30, OID_RSA, 0x05, 0x00)
#define BITS(...)  TLV(0x03, 0x00, __VA_ARGS__)
#define UNCOMPRESSED BITS(0x04, POINT)
#define P256(...)  SEQ(ALG_P256, __VA_ARGS__)
#define RSA(...)   SEQ(ALG_RSA, BITS(TLV(0x30, __VA_ARGS__)))

static const struct malformed_value malformed_keys[] = {
    {"no bytes",                     ESTOC_E_TRUNCATED,   {NULL, 0}},
    {"a byte behind",                ESTOC_E_TRAILING,
     BYTES(TLV(0x30, ALG_P256, UNCOMPRESSED), 0)},
    {"a byte behind the bits",       ESTOC_E_MALFORMED,   P256(UNCOMPRESSED, TLV(0x05, 0x00))},
    {"no key",                       ESTOC_E_MALFORMED,   SEQ(ALG_P256)},
    {"no algorithm",                 ESTOC_E_MALFORMED,   SEQ(UNCOMPRESSED)},
    {"algorithm is an OID",          ESTOC_E_MALFORMED,   SEQ(OID_P256, UNCOMPRESSED)},
    {"key in an OCTET STRING",       ESTOC_E_MALFORMED,   P256(TLV(0x04, 0x04, POINT))},
    {"SET instead of SEQUENCE",      ESTOC_E_MALFORMED,   BYTES(TLV(0x31, ALG_P256, UNCOMPRESSED))},
    {"229 1 unused bit",             ESTOC_E_MALFORMED,   P256(TLV(0x03, 0x01, 0x04, POINT))},
    {"229 7 unused bits",            ESTOC_E_MALFORMED,   P256(TLV(0x03, 0x07, 0x04, POINT))},
    {"229 8 unused bits",            ESTOC_E_MALFORMED,   P256(TLV(0x03, 0x08, 0x04, POINT))},
    {"229 BIT STRING empty",         ESTOC_E_MALFORMED,   P256(0x03, 0x00)},
    {"229 BIT STRING in pieces",     ESTOC_E_MALFORMED,   P256(TLV(0x23, UNCOMPRESSED))},
    {"202 compressed, even",         ESTOC_E_UNSUPPORTED, P256(BITS(0x02, X32))},
    {"202 compressed, odd",          ESTOC_E_UNSUPPORTED, P256(BITS(0x03, X32))},
    {"202 hybrid, even",             ESTOC_E_UNSUPPORTED, P256(BITS(0x06, POINT))},
    {"202 hybrid, odd",              ESTOC_E_UNSUPPORTED, P256(BITS(0x07, POINT))},
    {"202 infinity",                 ESTOC_E_UNSUPPORTED, P256(BITS(0x00))},
    {"202 infinity, long",           ESTOC_E_UNSUPPORTED, P256(BITS(0x00, POINT))},
    {"202 no bits",                  ESTOC_E_UNSUPPORTED, P256(TLV(0x03, 0x00))},
    {"202 a byte short",             ESTOC_E_UNSUPPORTED, P256(BITS(POINT))},
    {"202 a byte more",              ESTOC_E_UNSUPPORTED, P256(BITS(0x04, POINT, 0))},
    {"202 P-384 with a P-256 point", ESTOC_E_UNSUPPORTED, SEQ(EC(OID_P384), UNCOMPRESSED)},
    {"202 P-256 with a P-384 point", ESTOC_E_UNSUPPORTED, P256(BITS(0x04, POINT, X32))},
    {"204 explicit, nearly empty",   ESTOC_E_UNSUPPORTED,
     SEQ(EC(TLV(0x30, TLV(0x02, 1))), UNCOMPRESSED)},
    {"204 implicitCurve",            ESTOC_E_UNSUPPORTED, SEQ(EC(0x05, 0x00), UNCOMPRESSED)},
    {"204 no parameters",            ESTOC_E_UNSUPPORTED, SEQ(TLV(0x30, OID_EC), UNCOMPRESSED)},
    {"204 something behind the curve", ESTOC_E_UNSUPPORTED,
     SEQ(EC(OID_P256, 0x05, 0x00), UNCOMPRESSED)},
    {"206 secp256k1",                ESTOC_E_UNSUPPORTED,
     SEQ(EC(TLV(0x06, 0x2b, 0x81, 0x04, 0x00, 0x0a)), UNCOMPRESSED)},
    {"206 X25519",                   ESTOC_E_UNSUPPORTED,
     SEQ(TLV(0x30, TLV(0x06, 0x2b, 0x65, 0x6e)), BITS(X32))},
    {"206 Ed448",                    ESTOC_E_UNSUPPORTED,
     SEQ(TLV(0x30, TLV(0x06, 0x2b, 0x65, 0x71)), BITS(X32, X16, X16))},
    {"206 DSA",                      ESTOC_E_UNSUPPORTED,
     SEQ(TLV(0x30, TLV(0x06, 0x2a, 0x86, 0x48, 0xce, 0x38, 0x04, 0x01)), BITS(TLV(0x02, 2)))},
    {"206 DH",                       ESTOC_E_UNSUPPORTED,
     SEQ(TLV(0x30, TLV(0x06, 0x2a, 0x86, 0x48, 0xce, 0x3e, 0x02, 0x01)), BITS(TLV(0x02, 2)))},
    {"Ed25519 of 31 bytes",          ESTOC_E_UNSUPPORTED,
     SEQ(TLV(0x30, OID_ED25519), BITS(X16, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14))},
    {"Ed25519 of 33 bytes",          ESTOC_E_UNSUPPORTED,
     SEQ(TLV(0x30, OID_ED25519), BITS(X32, 0))},
    {"Ed25519 with parameters",      ESTOC_E_UNSUPPORTED,
     SEQ(TLV(0x30, OID_ED25519, 0x05, 0x00), BITS(X32))},
    {"RSA without NULL",             ESTOC_E_UNSUPPORTED,
     SEQ(TLV(0x30, OID_RSA), BITS(TLV(0x30, TLV(0x02, 5), TLV(0x02, 3))))},
    {"RSA-PSS key",                  ESTOC_E_UNSUPPORTED,
     SEQ(TLV(0x30, OID_PSS), BITS(TLV(0x30, TLV(0x02, 5), TLV(0x02, 3))))},
    {"RSA, no numbers",              ESTOC_E_UNSUPPORTED, SEQ(ALG_RSA, TLV(0x03, 0x00))},
    {"RSA, one number",              ESTOC_E_UNSUPPORTED, RSA(TLV(0x02, 5))},
    {"RSA, three numbers",           ESTOC_E_UNSUPPORTED,
     RSA(TLV(0x02, 5), TLV(0x02, 3), TLV(0x02, 1))},
    {"RSA, a negative modulus",      ESTOC_E_UNSUPPORTED, RSA(TLV(0x02, 0x80, 1), TLV(0x02, 3))},
    {"RSA, a padded modulus",        ESTOC_E_UNSUPPORTED, RSA(TLV(0x02, 0, 5), TLV(0x02, 3))},
    {"RSA, exponent 0",              ESTOC_E_UNSUPPORTED, RSA(TLV(0x02, 5), TLV(0x02, 0))},
    {"RSA, an empty exponent",       ESTOC_E_UNSUPPORTED, RSA(TLV(0x02, 5), 0x02, 0x00)},
    {"RSA, a byte behind",           ESTOC_E_UNSUPPORTED,
     SEQ(ALG_RSA, BITS(TLV(0x30, TLV(0x02, 5), TLV(0x02, 3)), 0))},
};

static const struct malformed_value malformed_algorithms[] = {
    {"no bytes",                     ESTOC_E_TRUNCATED,   {NULL, 0}},
    {"empty SEQUENCE",               ESTOC_E_MALFORMED,   BYTES(0x30, 0x00)},
    {"an OID alone",                 ESTOC_E_MALFORMED,   BYTES(OID_ED25519)},
    {"a byte behind",                ESTOC_E_TRAILING,
     BYTES(TLV(0x30, OID_ED25519), 0)},
    {"cut",                          ESTOC_E_TRUNCATED,
     BYTES(0x30, 0x05, 0x06, 0x03, 0x2b, 0x65)},
    {"NULL instead of the OID",      ESTOC_E_MALFORMED,   SEQ(0x05, 0x00)},
    {"227 OID begins with 0x80",     ESTOC_E_MALFORMED,   SEQ(TLV(0x06, 0x80, 0x65, 0x70))},
};

/* ---- requests: bytes that are none; more of them in forged.h ---- */

static const struct malformed_value malformed_requests[] = {
    {"no bytes",                     ESTOC_E_TRUNCATED,   {NULL, 0}},
    {"a tag alone",                  ESTOC_E_TRUNCATED,   BYTES(0x30)},
    {"4 GiB less a byte",            ESTOC_E_TRUNCATED,   BYTES(0x30, 0x84, 0xff, 0xff, 0xff, 0xff)},
    {"an empty SEQUENCE",            ESTOC_E_MALFORMED,   BYTES(0x30, 0x00)},
    {"an empty SET",                 ESTOC_E_MALFORMED,   BYTES(0x31, 0x00)},
    {"201 indefinite length",        ESTOC_E_MALFORMED,   BYTES(0x30, 0x80, 0x00, 0x00)},
    {"201 length in two bytes",      ESTOC_E_MALFORMED,   BYTES(0x30, 0x81, 0x02, 0x05, 0x00)},
    {"three NULLs",                  ESTOC_E_MALFORMED,   SEQ(0x05, 0x00, 0x05, 0x00, 0x05, 0x00)},
    {"info empty",                   ESTOC_E_MALFORMED,   SEQ(0x30, 0x00, 0x30, 0x00, BITS(0))},
    {"info in a SET",                ESTOC_E_MALFORMED,   SEQ(0x31, 0x00, 0x30, 0x00, BITS(0))},
    {"PEM",                          ESTOC_E_MALFORMED,   TEXT("-----BEGIN CERTIFICATE REQUEST-----\nMIIB")},
    {"base64",                       ESTOC_E_TRUNCATED,   TEXT("MIIBizCCATECAQAwXDEL")},
    {"231 a certificate",            ESTOC_E_MALFORMED,   VECTOR(openssl_certificate)},
    {"231 an OCSP request",          ESTOC_E_MALFORMED,   VECTOR(openssl_ocsp)},
    {"231 a private key in PKCS 8",  ESTOC_E_MALFORMED,   VECTOR(openssl_pkcs8)},
    {"204 P-256 by parameters",      ESTOC_E_UNSUPPORTED, VECTOR(openssl_explicit)},
    {"202 P-256 compressed",         ESTOC_E_UNSUPPORTED, VECTOR(openssl_compressed)},
    {"206 P-521",                    ESTOC_E_UNSUPPORTED, VECTOR(openssl_p521)},
    {"206 secp256k1",                ESTOC_E_UNSUPPORTED, VECTOR(openssl_secp256k1)},
    {"206 DSA",                      ESTOC_E_UNSUPPORTED, VECTOR(openssl_dsa)},
    {"199 ECDSA with SHA-1",         ESTOC_E_UNSUPPORTED, VECTOR(openssl_sha1)},
    {"199 RSASSA-PSS",               ESTOC_E_UNSUPPORTED, VECTOR(openssl_rsa_pss)},
};

/* Requests of others, and what is in them. */
struct wellformed_request {
    const char *name;
    estoc_slice bytes;
    estoc_key_kind key;
    estoc_sig_kind sig;
    const char *subject;
    const char *password; /* NULL: none */
    size_t extensions, san_len, signature_len;
};

#define SUBJECT "serialNumber=0042,CN=dev-1,O=Beispiel GmbH,C=DE"
#define LINKED  "J3VhGNiXoPdmdeE3RyVz5qwA5Sk0eYO9mNhVYW+hFwI="

static const struct wellformed_request wellformed_requests[] = {
    {"RFC 9148 A.2", VECTOR(rfc9148_a2_request), ESTOC_KEY_P256, ESTOC_SIG_ECDSA_SHA256,
     "serialNumber=Wt1234,OU=IoT,O=example Inc,L=LA,ST=CA,C=US",
     "vCv0)*&JKJ;\xc3\xa2\xc2\x80\xc2\x99/><.,=knv43##@= Nx~`", 1, 35, 71},
    {"RFC 9148 A.3", VECTOR(rfc9148_a3_request), ESTOC_KEY_P256, ESTOC_SIG_ECDSA_SHA256,
     "O=skg example", NULL, 0, 0, 71},
    {"OpenSSL P-256", VECTOR(openssl_p256), ESTOC_KEY_P256, ESTOC_SIG_ECDSA_SHA256,
     SUBJECT, NULL, 0, 0, 72},
    {"OpenSSL P-256, an empty subject", VECTOR(openssl_p256_empty), ESTOC_KEY_P256,
     ESTOC_SIG_ECDSA_SHA256, "", NULL, 0, 0, 71},
    {"OpenSSL P-256, SAN", VECTOR(openssl_p256_san), ESTOC_KEY_P256, ESTOC_SIG_ECDSA_SHA256,
     SUBJECT, NULL, 1, 89, 72},
    {"OpenSSL P-256, password", VECTOR(openssl_p256_password), ESTOC_KEY_P256,
     ESTOC_SIG_ECDSA_SHA256, SUBJECT, LINKED, 0, 0, 72},
    {"OpenSSL P-256, all", VECTOR(openssl_p256_all), ESTOC_KEY_P256, ESTOC_SIG_ECDSA_SHA256,
     SUBJECT, LINKED, 4, 50, 70},
    {"OpenSSL P-384, SAN", VECTOR(openssl_p384_san), ESTOC_KEY_P384, ESTOC_SIG_ECDSA_SHA384,
     SUBJECT, NULL, 1, 89, 104},
    {"OpenSSL Ed25519, SAN", VECTOR(openssl_ed25519_san), ESTOC_KEY_ED25519, ESTOC_SIG_ED25519,
     SUBJECT, NULL, 1, 89, 64},
    {"OpenSSL Ed25519, all", VECTOR(openssl_ed25519_all), ESTOC_KEY_ED25519, ESTOC_SIG_ED25519,
     SUBJECT, LINKED, 4, 50, 64},
    {"OpenSSL RSA 2048, all", VECTOR(openssl_rsa2048_all), ESTOC_KEY_RSA, ESTOC_SIG_RSA_SHA256,
     SUBJECT, LINKED, 1, 89, 256},
};

/* clang-format on */

#endif
