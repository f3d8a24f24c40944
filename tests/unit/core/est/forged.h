/* SPDX-License-Identifier: MIT
 *
 * Certification requests put together from parts of which one is odd. The unit test of csr runs over
 * the tables, and they seed its fuzz corpus. The numbers are those of the hard cases.
 */
#ifndef TESTS_FORGED_H
#define TESTS_FORGED_H

#include <estoc/der.h>

#include "malformed.h"

/* What is left out of a row is as usual. NOTHING leaves the part out of the request. */
struct forged {
    const char *name;
    estoc_err err;
    estoc_slice version, subject, spki;
    estoc_slice attributes;     /* the inside of [0] */
    estoc_slice attributes_der; /* instead of [0] as a whole */
    estoc_slice info_tail;      /* within the info, behind the attributes */
    estoc_slice algorithm, signature;
    estoc_slice tail;   /* within the request, behind the signature */
    estoc_slice behind; /* the request */
};

/* clang-format off */

#define OID_PASSWORD TLV(0x06, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x07)
#define OID_REQUEST  TLV(0x06, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x0e)
#define OID_GATEWAY  TLV(0x06, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x02)
#define OID_SAN      TLV(0x06, 0x55, 0x1d, 0x11)
#define OID_BC       TLV(0x06, 0x55, 0x1d, 0x13)
#define OID_EKU      TLV(0x06, 0x55, 0x1d, 0x25)
#define OID_CMC_RA   TLV(0x06, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x1c)
#define OID_ECDSA    TLV(0x06, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02)
#define ATTR(...)    TLV(0x30, __VA_ARGS__)
#define PASSWORD(...)   ATTR(OID_PASSWORD, TLV(0x31, __VA_ARGS__))
#define GATEWAY(...)    ATTR(OID_GATEWAY, TLV(0x31, __VA_ARGS__))
#define EXTENSIONS(...) ATTR(OID_REQUEST, TLV(0x31, TLV(0x30, __VA_ARGS__)))
#define EXT(...)     TLV(0x30, __VA_ARGS__)
#define BC           EXT(OID_BC, TLV(0x04, 0x30, 0x00))
#define SAN(...)     EXTENSIONS(EXT(OID_SAN, TLV(0x04, TLV(0x30, __VA_ARGS__))))
#define SECRET       TLV(0x0c, 's', 'e', 'c', 'r', 'e', 't')
#define NULL_DER     0x05, 0x00

static const struct forged forged_bad[] = {
    /* RFC 2986 section 4.1 */
    {"version 1", ESTOC_E_MALFORMED, .version = BYTES(TLV(0x02, 1))},
    {"version -1", ESTOC_E_MALFORMED, .version = BYTES(TLV(0x02, 0xff))},
    {"version 0, padded", ESTOC_E_MALFORMED, .version = BYTES(TLV(0x02, 0, 0))},
    {"version empty", ESTOC_E_MALFORMED, .version = BYTES(0x02, 0x00)},
    {"version tagged as in a certificate", ESTOC_E_MALFORMED,
     .version = BYTES(TLV(0xa0, TLV(0x02, 0)))},
    {"no version", ESTOC_E_MALFORMED, .version = NOTHING},
    {"no subject", ESTOC_E_MALFORMED, .subject = NOTHING},
    {"no key", ESTOC_E_MALFORMED, .spki = NOTHING},
    {"no attributes, not even none", ESTOC_E_MALFORMED, .attributes_der = NOTHING},
    {"attributes in a SET", ESTOC_E_MALFORMED, .attributes_der = BYTES(0x31, 0x00)},
    {"attributes in tag 1", ESTOC_E_MALFORMED, .attributes_der = BYTES(0xa1, 0x00)},
    {"attributes in tag 0, primitive", ESTOC_E_MALFORMED, .attributes_der = BYTES(0x80, 0x00)},
    {"attributes twice", ESTOC_E_MALFORMED, .attributes_der = BYTES(0xa0, 0x00, 0xa0, 0x00)},
    {"NULL behind the attributes", ESTOC_E_MALFORMED, .info_tail = BYTES(NULL_DER)},
    {"NULL behind the signature", ESTOC_E_MALFORMED, .tail = BYTES(NULL_DER)},
    {"221 a byte behind", ESTOC_E_TRAILING, .behind = BYTES(0)},
    {"221 a newline behind", ESTOC_E_TRAILING, .behind = BYTES('\n')},
    {"no algorithm", ESTOC_E_MALFORMED, .algorithm = NOTHING},
    {"no signature", ESTOC_E_MALFORMED, .signature = NOTHING},
    /* the subject; more of them in malformed_names */
    {"212 multi-valued RDN", ESTOC_E_MALFORMED,
     .subject = SEQ(TLV(0x31, TLV(0x30, OID_CN, TLV(0x0c, 'd')), TLV(0x30, OID_O, TLV(0x0c, 'o'))))},
    {"212 CN twice", ESTOC_E_MALFORMED, .subject = SEQ(CN('d'), CN('e'))},
    {"212 T61String", ESTOC_E_MALFORMED, .subject = SEQ(RDN(OID_CN, TLV(0x14, 'd')))},
    {"212 overlong UTF-8", ESTOC_E_MALFORMED, .subject = SEQ(CN(0xc0, 0xaf))},
    {"212 right-to-left override", ESTOC_E_MALFORMED, .subject = SEQ(CN(0xe2, 0x80, 0xae, 'v'))},
    {"209 CN of 65", ESTOC_E_LIMIT, .subject = SEQ(CN(X16, X16, X16, X16, 'x'))},
    {"subject cut within", ESTOC_E_MALFORMED, .subject = BYTES(0x30, 0x02, 0x31, 0x05)},
    /* the key; more of them in malformed_keys */
    {"202 compressed point", ESTOC_E_UNSUPPORTED, .spki = P256(BITS(0x02, X32))},
    {"202 hybrid point", ESTOC_E_UNSUPPORTED, .spki = P256(BITS(0x06, POINT))},
    {"202 infinity", ESTOC_E_UNSUPPORTED, .spki = P256(BITS(0x00))},
    {"204 explicit parameters", ESTOC_E_UNSUPPORTED,
     .spki = SEQ(EC(TLV(0x30, TLV(0x02, 1))), UNCOMPRESSED)},
    {"206 X25519", ESTOC_E_UNSUPPORTED,
     .spki = SEQ(TLV(0x30, TLV(0x06, 0x2b, 0x65, 0x6e)), BITS(X32))},
    {"229 a key of unused bits", ESTOC_E_MALFORMED, .spki = P256(TLV(0x03, 0x01, 0x04, POINT))},
    {"key cut within", ESTOC_E_MALFORMED, .spki = SEQ(ALG_P256)},
    /* 199 */
    {"199 RSA on a P-256 key", ESTOC_E_UNSUPPORTED,
     .algorithm = SEQ(TLV(0x06, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b), NULL_DER)},
    {"199 Ed25519 on a P-256 key", ESTOC_E_UNSUPPORTED, .algorithm = SEQ(OID_ED25519)},
    {"199 ECDSA on an Ed25519 key", ESTOC_E_UNSUPPORTED,
     .spki = SEQ(TLV(0x30, OID_ED25519), BITS(X32))},
    {"199 ECDSA with NULL", ESTOC_E_UNSUPPORTED, .algorithm = SEQ(OID_ECDSA, NULL_DER)},
    {"199 ECDSA with SHA-1", ESTOC_E_UNSUPPORTED,
     .algorithm = SEQ(TLV(0x06, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01))},
    {"199 an unknown algorithm", ESTOC_E_UNSUPPORTED, .algorithm = SEQ(TLV(0x06, 0x2a))},
    {"199 an empty algorithm", ESTOC_E_MALFORMED, .algorithm = BYTES(0x30, 0x00)},
    {"199 an OID as algorithm", ESTOC_E_MALFORMED, .algorithm = BYTES(OID_ECDSA)},
    /* 229 */
    {"229 signature, 1 unused bit", ESTOC_E_MALFORMED, .signature = BYTES(TLV(0x03, 0x01, 0x02))},
    {"229 signature, 7 unused bits", ESTOC_E_MALFORMED, .signature = BYTES(TLV(0x03, 0x07, 0x80))},
    {"229 signature, 8 unused bits", ESTOC_E_MALFORMED, .signature = BYTES(TLV(0x03, 0x08, 0x00))},
    {"229 signature, empty BIT STRING", ESTOC_E_MALFORMED, .signature = BYTES(0x03, 0x00)},
    {"229 signature in pieces", ESTOC_E_MALFORMED, .signature = BYTES(TLV(0x23, BITS(1)))},
    {"201 signature, indefinite length", ESTOC_E_MALFORMED,
     .signature = BYTES(0x23, 0x80, BITS(1), 0, 0)},
    {"signature in an OCTET STRING", ESTOC_E_MALFORMED, .signature = BYTES(TLV(0x04, 0, 1))},
    /* attributes: X.501 section 8.2 */
    {"an attribute that is a SET", ESTOC_E_MALFORMED,
     .attributes = BYTES(TLV(0x31, OID_GATEWAY, TLV(0x31, SECRET)))},
    {"an attribute without values", ESTOC_E_MALFORMED, .attributes = BYTES(ATTR(OID_GATEWAY))},
    {"an attribute of no values", ESTOC_E_MALFORMED,
     .attributes = BYTES(ATTR(OID_GATEWAY, 0x31, 0x00))},
    {"an attribute, its values in a SEQUENCE", ESTOC_E_MALFORMED,
     .attributes = BYTES(ATTR(OID_GATEWAY, TLV(0x30, SECRET)))},
    {"an attribute with more than values", ESTOC_E_MALFORMED,
     .attributes = BYTES(ATTR(OID_GATEWAY, TLV(0x31, SECRET), NULL_DER))},
    {"an attribute cut within", ESTOC_E_MALFORMED,
     .attributes = BYTES(ATTR(OID_GATEWAY, TLV(0x31, 0x0c, 0x07, 'c', 'u', 't')))},
    {"201 an attribute of indefinite length", ESTOC_E_MALFORMED,
     .attributes = BYTES(ATTR(OID_GATEWAY, TLV(0x31, 0x24, 0x80, 0x00, 0x00)))},
    {"227 attribute OID begins with 0x80", ESTOC_E_MALFORMED,
     .attributes = BYTES(ATTR(TLV(0x06, 0x80, 0x01), TLV(0x31, NULL_DER)))},
    {"227 attribute OID does not end", ESTOC_E_MALFORMED,
     .attributes = BYTES(ATTR(TLV(0x06, 0x2a, 0x81), TLV(0x31, NULL_DER)))},
    {"227 attribute OID with 2^63", ESTOC_E_MALFORMED,
     .attributes = BYTES(ATTR(TLV(0x06, 0x2a, 0x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0),
                              TLV(0x31, NULL_DER)))},
    {"217 values not in order", ESTOC_E_MALFORMED,
     .attributes = BYTES(ATTR(OID_GATEWAY, TLV(0x31, TLV(0x0c, 'b'), TLV(0x0c, 'a'))))},
    {"217 a value twice", ESTOC_E_MALFORMED,
     .attributes = BYTES(ATTR(OID_GATEWAY, TLV(0x31, TLV(0x0c, 'a'), TLV(0x0c, 'a'))))},
    {"217 attributes not in order", ESTOC_E_MALFORMED,
     .attributes = BYTES(EXTENSIONS(BC), ATTR(OID_GATEWAY, TLV(0x31, NULL_DER)))},
    {"217 attributes of one length not in order", ESTOC_E_MALFORMED,
     .attributes = BYTES(PASSWORD(SECRET), ATTR(OID_GATEWAY, TLV(0x31, SECRET)))},
    {"217 an unknown attribute twice", ESTOC_E_MALFORMED,
     .attributes = BYTES(ATTR(OID_GATEWAY, TLV(0x31, TLV(0x0c, 'a'))),
                         ATTR(OID_GATEWAY, TLV(0x31, TLV(0x0c, 'b'))))},
    {"232 a value of BOOLEAN 1", ESTOC_E_MALFORMED, .attributes = BYTES(GATEWAY(TLV(0x01, 1)))},
    {"232 a value of an empty INTEGER", ESTOC_E_MALFORMED, .attributes = BYTES(GATEWAY(0x02, 0x00))},
    {"232 a value of a padded INTEGER", ESTOC_E_MALFORMED,
     .attributes = BYTES(GATEWAY(TLV(0x02, 0, 0x7f)))},
    {"232 a value of a padded negative INTEGER", ESTOC_E_MALFORMED,
     .attributes = BYTES(GATEWAY(TLV(0x02, 0xff, 0x80)))},
    {"229 a value of an empty BIT STRING", ESTOC_E_MALFORMED, .attributes = BYTES(GATEWAY(0x03, 0x00))},
    {"229 a value of 8 unused bits", ESTOC_E_MALFORMED,
     .attributes = BYTES(GATEWAY(TLV(0x03, 0x08, 0)))},
    {"229 a value of unused bits of none", ESTOC_E_MALFORMED,
     .attributes = BYTES(GATEWAY(TLV(0x03, 0x01)))},
    {"229 a value of unused bits that are set", ESTOC_E_MALFORMED,
     .attributes = BYTES(GATEWAY(TLV(0x03, 0x07, 0xc0)))},
    {"232 a value of NULL with a byte", ESTOC_E_MALFORMED, .attributes = BYTES(GATEWAY(TLV(0x05, 0)))},
    {"227 a value of an OID that does not end", ESTOC_E_MALFORMED,
     .attributes = BYTES(GATEWAY(TLV(0x06, 0x2a, 0x81)))},
    {"232 a value of an odd BMPString", ESTOC_E_MALFORMED,
     .attributes = BYTES(GATEWAY(TLV(0x1e, 0, 'a', 0)))},
    {"232 a value of no time", ESTOC_E_MALFORMED, .attributes = BYTES(GATEWAY(TLV(0x17, '2', '5')))},
    {"232 a value of no GeneralizedTime", ESTOC_E_MALFORMED,
     .attributes = BYTES(GATEWAY(TLV(0x18, '2', '5')))},
    {"232 a value of UniversalString", ESTOC_E_MALFORMED,
     .attributes = BYTES(GATEWAY(TLV(0x1c, 0, 0, 0)))},
    {"232 a value of CHARACTER STRING", ESTOC_E_MALFORMED,
     .attributes = BYTES(GATEWAY(TLV(0x3d, 'a')))},
    {"232 a value of tag 0", ESTOC_E_MALFORMED, .attributes = BYTES(GATEWAY(TLV(0x80, 'a')))},
    /* challengePassword: RFC 2985 section 5.4.1 */
    {"217 a password twice", ESTOC_E_MALFORMED,
     .attributes = BYTES(PASSWORD(SECRET), PASSWORD(SECRET))},
    {"217 two passwords", ESTOC_E_MALFORMED,
     .attributes = BYTES(PASSWORD(TLV(0x0c, 'a')), PASSWORD(TLV(0x0c, 'b')))},
    {"217 a password of two values", ESTOC_E_MALFORMED,
     .attributes = BYTES(PASSWORD(TLV(0x0c, 'a'), TLV(0x0c, 'b')))},
    {"174 a password that is empty", ESTOC_E_MALFORMED, .attributes = BYTES(PASSWORD(0x0c, 0x00))},
    {"a password in a BMPString", ESTOC_E_MALFORMED,
     .attributes = BYTES(PASSWORD(TLV(0x1e, 0, 's')))},
    {"a password in an IA5String", ESTOC_E_MALFORMED,
     .attributes = BYTES(PASSWORD(TLV(0x16, 's')))},
    {"a password in a T61String", ESTOC_E_MALFORMED, .attributes = BYTES(PASSWORD(TLV(0x14, 's')))},
    {"a password in an OCTET STRING", ESTOC_E_MALFORMED,
     .attributes = BYTES(PASSWORD(TLV(0x04, 's')))},
    /* extensionRequest: RFC 2985 section 5.4.2, RFC 5280 section 4.2 */
    {"216 extensionRequest twice", ESTOC_E_MALFORMED,
     .attributes = BYTES(EXTENSIONS(BC), EXTENSIONS(BC))},
    {"216 two extensionRequests", ESTOC_E_MALFORMED,
     .attributes = BYTES(EXTENSIONS(BC), SAN(TLV(0x82, 'd')))},
    {"216 extensionRequest of two values", ESTOC_E_MALFORMED,
     .attributes = BYTES(ATTR(OID_REQUEST,
                              TLV(0x31, TLV(0x30, BC), TLV(0x30, EXT(OID_EKU, TLV(0x04, 0))))))},
    {"216 an extension twice", ESTOC_E_MALFORMED, .attributes = BYTES(EXTENSIONS(BC, BC))},
    {"216 an extension twice, values differ", ESTOC_E_MALFORMED,
     .attributes = BYTES(EXTENSIONS(BC, EXT(OID_EKU, TLV(0x04, 0)), EXT(OID_BC, TLV(0x04, 1))))},
    {"no extensions in the request for them", ESTOC_E_MALFORMED,
     .attributes = BYTES(ATTR(OID_REQUEST, TLV(0x31, 0x30, 0x00)))},
    {"extensions in a SET", ESTOC_E_MALFORMED,
     .attributes = BYTES(ATTR(OID_REQUEST, TLV(0x31, TLV(0x31, BC))))},
    {"an extension that is a SET", ESTOC_E_MALFORMED,
     .attributes = BYTES(EXTENSIONS(TLV(0x31, OID_BC, TLV(0x04, 0x30, 0x00))))},
    {"an extension without a value", ESTOC_E_MALFORMED,
     .attributes = BYTES(EXTENSIONS(EXT(OID_BC)))},
    {"an extension without an OID", ESTOC_E_MALFORMED,
     .attributes = BYTES(EXTENSIONS(EXT(TLV(0x04, 0x30, 0x00))))},
    {"an extension, its value not in an OCTET STRING", ESTOC_E_MALFORMED,
     .attributes = BYTES(EXTENSIONS(EXT(OID_BC, 0x30, 0x00)))},
    {"an extension, FALSE written out", ESTOC_E_MALFORMED,
     .attributes = BYTES(EXTENSIONS(EXT(OID_BC, TLV(0x01, 0x00), TLV(0x04, 0x30, 0x00))))},
    {"an extension, critical 0x01", ESTOC_E_MALFORMED,
     .attributes = BYTES(EXTENSIONS(EXT(OID_BC, TLV(0x01, 0x01), TLV(0x04, 0x30, 0x00))))},
    {"an extension, critical behind", ESTOC_E_MALFORMED,
     .attributes = BYTES(EXTENSIONS(EXT(OID_BC, TLV(0x04, 0x30, 0x00), TLV(0x01, 0xff))))},
    {"an extension, critical twice", ESTOC_E_MALFORMED,
     .attributes = BYTES(EXTENSIONS(EXT(OID_BC, TLV(0x01, 0xff), TLV(0x01, 0xff), TLV(0x04, 0))))},
    {"an extension, its last byte missing", ESTOC_E_MALFORMED,
     .attributes = BYTES(EXTENSIONS(EXT(OID_BC, 0x04, 0x03, 0x30, 0x00)))},
    {"an extension cut within", ESTOC_E_MALFORMED,
     .attributes = BYTES(EXTENSIONS(BC, 0x30, 0x09, OID_EKU))},
    {"227 extension OID begins with 0x80", ESTOC_E_MALFORMED,
     .attributes = BYTES(EXTENSIONS(EXT(TLV(0x06, 0x80, 0x1d), TLV(0x04, 0))))},
    /* subjectAltName: RFC 5280 section 4.2.1.6 */
    {"SAN, its value empty", ESTOC_E_MALFORMED,
     .attributes = BYTES(EXTENSIONS(EXT(OID_SAN, 0x04, 0x00)))},
    {"SAN of no names", ESTOC_E_MALFORMED,
     .attributes = BYTES(EXTENSIONS(EXT(OID_SAN, TLV(0x04, 0x30, 0x00))))},
    {"SAN in a SET", ESTOC_E_MALFORMED,
     .attributes = BYTES(EXTENSIONS(EXT(OID_SAN, TLV(0x04, TLV(0x31, TLV(0x82, 'd'))))))},
    {"SAN with a byte behind", ESTOC_E_MALFORMED,
     .attributes = BYTES(EXTENSIONS(EXT(OID_SAN, TLV(0x04, TLV(0x30, TLV(0x82, 'd')), 0))))},
    {"SAN cut within", ESTOC_E_MALFORMED, .attributes = BYTES(SAN(0x82, 0x03, 'd'))},
    {"SAN, a host name with NUL", ESTOC_E_MALFORMED,
     .attributes = BYTES(SAN(TLV(0x82, 'd', 0, 'e')))},
    {"SAN, a host name that is empty", ESTOC_E_MALFORMED, .attributes = BYTES(SAN(0x82, 0x00))},
    {"SAN, a host name that is a space", ESTOC_E_MALFORMED,
     .attributes = BYTES(SAN(TLV(0x82, ' ')))},
    {"SAN, a host name outside ASCII", ESTOC_E_MALFORMED,
     .attributes = BYTES(SAN(TLV(0x82, 0xc3, 0xa9)))},
    {"SAN, a second name that is bad", ESTOC_E_MALFORMED,
     .attributes = BYTES(SAN(TLV(0x82, 'd'), TLV(0x82, '\n')))},
    {"SAN, an address with a newline", ESTOC_E_MALFORMED,
     .attributes = BYTES(SAN(TLV(0x81, 'a', '@', 'b', '\n')))},
    {"SAN, a URI with DEL", ESTOC_E_MALFORMED, .attributes = BYTES(SAN(TLV(0x86, 'a', ':', 0x7f)))},
    {"SAN, a constructed host name", ESTOC_E_MALFORMED,
     .attributes = BYTES(SAN(TLV(0xa2, TLV(0x16, 'd'))))},
    {"SAN, a host name not tagged", ESTOC_E_MALFORMED, .attributes = BYTES(SAN(TLV(0x16, 'd')))},
    {"SAN, an IP address of 5", ESTOC_E_MALFORMED,
     .attributes = BYTES(SAN(TLV(0x87, 192, 0, 2, 7, 0)))},
    {"SAN, an IP network", ESTOC_E_MALFORMED,
     .attributes = BYTES(SAN(TLV(0x87, 192, 0, 2, 0, 255, 255, 255, 0)))},
    {"SAN, an IP address of none", ESTOC_E_MALFORMED, .attributes = BYTES(SAN(0x87, 0x00))},
    {"SAN, a registered ID that is no OID", ESTOC_E_MALFORMED,
     .attributes = BYTES(SAN(TLV(0x88, 0x80, 0x01)))},
    {"SAN, tag 9", ESTOC_E_MALFORMED, .attributes = BYTES(SAN(TLV(0x89, 'd')))},
    {"SAN, a directory name that is none", ESTOC_E_MALFORMED,
     .attributes = BYTES(SAN(TLV(0xa4, TLV(0x0c, 'd'))))},
    {"SAN, a directory name of control characters", ESTOC_E_MALFORMED,
     .attributes = BYTES(SAN(TLV(0xa4, TLV(0x30, CN('d', 0x1b)))))},
    {"SAN, two directory names in one", ESTOC_E_MALFORMED,
     .attributes = BYTES(SAN(TLV(0xa4, 0x30, 0x00, 0x30, 0x00)))},
    {"SAN, another name without a value", ESTOC_E_MALFORMED,
     .attributes = BYTES(SAN(TLV(0xa0, TLV(0x06, 0x2a))))},
    {"SAN, another name with an empty value", ESTOC_E_MALFORMED,
     .attributes = BYTES(SAN(TLV(0xa0, TLV(0x06, 0x2a), 0xa0, 0x00)))},
    {"SAN, another name with two values", ESTOC_E_MALFORMED,
     .attributes = BYTES(SAN(TLV(0xa0, TLV(0x06, 0x2a), TLV(0xa0, NULL_DER, NULL_DER))))},
    {"SAN, another name with more behind", ESTOC_E_MALFORMED,
     .attributes = BYTES(SAN(TLV(0xa0, TLV(0x06, 0x2a), TLV(0xa0, NULL_DER), NULL_DER)))},
    {"SAN, another name without a type", ESTOC_E_MALFORMED,
     .attributes = BYTES(SAN(TLV(0xa0, TLV(0xa0, NULL_DER))))},
};

static const struct forged forged_good[] = {
    {"as usual", ESTOC_OK, .version = BYTES(0x02, 0x01, 0x00)},
    {"211 an empty subject, and another name", ESTOC_OK, .subject = BYTES(0x30, 0x00),
     .attributes = BYTES(SAN(TLV(0x82, 'd')))},
    {"201 r and s zero, not decided here", ESTOC_OK,
     .signature = BYTES(BITS(TLV(0x30, TLV(0x02, 0), TLV(0x02, 0))))},
    {"187 a signature of no bytes, not decided here", ESTOC_OK,
     .signature = BYTES(TLV(0x03, 0x00))},
    {"202 a point that is on no curve, not decided here", ESTOC_OK, .spki = P256(UNCOMPRESSED)},
    {"214 cA TRUE, not decided here", ESTOC_OK,
     .attributes = BYTES(EXTENSIONS(EXT(OID_BC, TLV(0x01, 0xff), TLV(0x04, TLV(0x30, TLV(0x01, 0xff))))))},
    {"214 id-kp-cmcRA, not decided here", ESTOC_OK,
     .attributes = BYTES(EXTENSIONS(EXT(OID_EKU, TLV(0x04, TLV(0x30, OID_CMC_RA)))))},
    {"219 an extension that is no DER inside", ESTOC_OK,
     .attributes = BYTES(EXTENSIONS(EXT(TLV(0x06, 0x55, 0x1d, 0x1e), TLV(0x04, 0xff))))},
    {"a password in a PrintableString", ESTOC_OK,
     .attributes = BYTES(PASSWORD(TLV(0x13, 's', 'e', 'c', 'r', 'e', 't')))},
    {"an unknown attribute of three values", ESTOC_OK,
     .attributes = BYTES(ATTR(OID_GATEWAY,
                              TLV(0x31, TLV(0x0c, 'a'), TLV(0x0c, 'b'), TLV(0x0c, 'a', 'a'))))},
    {"an unknown attribute of every type", ESTOC_OK,
     .attributes = BYTES(GATEWAY(
         TLV(0x01, 0), TLV(0x01, 0xff), TLV(0x02, 0), TLV(0x02, 0x80), TLV(0x02, 0, 0x80),
         TLV(0x02, 0xff, 0x7f), TLV(0x03, 0), TLV(0x03, 7, 0x80), 0x04, 0x00, NULL_DER, TLV(0x06, 0x2a),
         0x0c, 0x00, 0x13, 0x00, 0x14, 0x00, 0x16, 0x00,
         TLV(0x17, '2', '5', '0', '1', '0', '1', '0', '0', '0', '0', '0', '0', 'Z'), TLV(0x1e, 0, 'a'),
         0x30, 0x00, TLV(0x31, 0xff)))},
    {"SAN of every kind", ESTOC_OK,
     .attributes = BYTES(SAN(TLV(0xa0, TLV(0x06, 0x2a), TLV(0xa0, NULL_DER)),
                             TLV(0x81, 'a', '@', 'b'), TLV(0x82, '*', '.', 'd'), 0xa3, 0x00,
                             TLV(0xa4, TLV(0x30, CN('d'))), 0xa5, 0x00, TLV(0x86, 'u', ':', '~'),
                             TLV(0x87, 192, 0, 2, 7), TLV(0x87, X16), TLV(0x88, 0x2a)))},
};

/* clang-format on */

/* The length of the request put into `out`, 0 if there is no room. */
static inline size_t forge(const struct forged *f, uint8_t *out, size_t cap)
{
    static const uint8_t version[] = {0x02, 0x01, 0x00};
    static const uint8_t subject[] = {TLV(0x30, CN('d', 'e', 'v'))};
    static const uint8_t spki[] = {TLV(0x30, ALG_P256, UNCOMPRESSED)};
    static const uint8_t algorithm[] = {TLV(0x30, OID_ECDSA)};
    static const uint8_t signature[] = {BITS(TLV(0x30, TLV(0x02, 1), TLV(0x02, 2)))};
#define PART(part) (f->part.ptr != NULL ? f->part : estoc_slice_of(part, sizeof part))
    size_t len;
    estoc_writer w = estoc_writer_of((estoc_buf){out, cap});
    size_t all = estoc_der_open(&w, ESTOC_DER_SEQUENCE);
    size_t info = estoc_der_open(&w, ESTOC_DER_SEQUENCE);
    estoc_der_put_raw(&w, PART(version));
    estoc_der_put_raw(&w, PART(subject));
    estoc_der_put_raw(&w, PART(spki));
    if (f->attributes_der.ptr != NULL) {
        estoc_der_put_raw(&w, f->attributes_der);
    } else {
        estoc_der_put(&w, ESTOC_DER_CONTEXT_CONSTRUCTED(0), f->attributes);
    }
    estoc_der_put_raw(&w, f->info_tail);
    estoc_der_close(&w, info);
    estoc_der_put_raw(&w, PART(algorithm));
    estoc_der_put_raw(&w, PART(signature));
    estoc_der_put_raw(&w, f->tail);
    estoc_der_close(&w, all);
    estoc_der_put_raw(&w, f->behind);
#undef PART
    return estoc_writer_end(&w, &len) ? 0 : len;
}

#endif
