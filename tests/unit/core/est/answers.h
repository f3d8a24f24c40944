/* SPDX-License-Identifier: MIT
 *
 * What servers answer: certificates, certs-only CMS, CSR attributes, multipart. Inputs that must be
 * refused and inputs that must be taken; the unit tests run over them, and they seed the corpora.
 * A certificate or a CMS is a good one in which a row replaces one piece.
 */
#ifndef TESTS_ANSWERS_H
#define TESTS_ANSWERS_H

#include <estoc/der.h>

#include "../../../vectors/rfc7030.h"
#include "../../../vectors/rfc9148.h"
#include "coap/malformed.h"
#include "coap/wellformed.h"

/* clang-format off */
/* DER of less than 128 bytes. */
#define DER(tag, ...) tag, (uint8_t)sizeof((const uint8_t[]){__VA_ARGS__}), __VA_ARGS__
#define NIL(tag)      tag, 0
#define NOTHING       {NULL, 0}
#define COPIES_10(...) __VA_ARGS__, __VA_ARGS__, __VA_ARGS__, __VA_ARGS__, __VA_ARGS__, \
                       __VA_ARGS__, __VA_ARGS__, __VA_ARGS__, __VA_ARGS__, __VA_ARGS__

/* ---- certificates: RFC 5280 section 4.1 ---- */

enum cert_piece {
    C_VERSION, C_SERIAL, C_ALG, C_ISSUER, C_VALIDITY, C_SUBJECT, C_SPKI, C_UIDS,
    C_TAGGED, /* [3] Extensions as a whole, instead of the list below */
    C_LIST,   /* the Extensions' inside */
    C_OUTER_ALG, C_SIGNATURE, C_AFTER, C_TRAILING,
    C_PIECES
};

struct cert_row {
    const char *name;
    estoc_err err;
    enum cert_piece piece;
    estoc_slice bytes;
};

#define OID_CE(n)    DER(0x06, 0x55, 0x1d, n)
#define EXT(n, ...)  DER(0x30, OID_CE(n), DER(0x04, __VA_ARGS__))
#define SKI          EXT(0x0e, DER(0x04, 1, 2, 3, 4))
#define BASIC(...)   EXT(0x13, __VA_ARGS__)
#define SAN(...)     EXT(0x11, DER(0x30, __VA_ARGS__))
#define DNS          DER(0x82, 'a', '.', 'b')
#define CN(c)        DER(0x30, DER(0x31, DER(0x30, DER(0x06, 0x55, 0x04, 0x03), DER(0x0c, c))))
#define ECDSA_SHA256 DER(0x30, DER(0x06, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02))
#define ECDSA_SHA384 DER(0x30, DER(0x06, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03))
#define ED25519_ID   DER(0x30, DER(0x06, 0x2b, 0x65, 0x70))
#define X25519_ID    DER(0x30, DER(0x06, 0x2b, 0x65, 0x6e))
#define BITS_32      DER(0x03, 0, COPIES_10(1, 2, 3), 31, 32)
#define UTC(...)     DER(0x17, __VA_ARGS__)
#define UTC_2019     UTC('1', '9', '0', '1', '3', '1', '1', '1', '2', '7', '0', '3', 'Z')
#define UTC_2049     UTC('4', '9', '1', '2', '3', '1', '2', '3', '5', '9', '5', '9', 'Z')
#define UTC_1950     UTC('5', '0', '0', '1', '0', '1', '0', '0', '0', '0', '0', '0', 'Z')
#define GENERALIZED(a, b, c, d) \
    DER(0x18, a, b, c, d, '0', '1', '0', '1', '0', '0', '0', '0', '0', '0', 'Z')

static const estoc_slice good_cert[C_PIECES] = {
    [C_VERSION]   = BYTES(DER(0xa0, DER(0x02, 2))),
    [C_SERIAL]    = BYTES(DER(0x02, 5)),
    [C_ALG]       = BYTES(ECDSA_SHA256),
    [C_ISSUER]    = BYTES(CN('R')),
    [C_VALIDITY]  = BYTES(DER(0x30, UTC_2019, UTC_2049)),
    [C_SUBJECT]   = BYTES(CN('d')),
    [C_SPKI]      = BYTES(DER(0x30, ED25519_ID, BITS_32)),
    [C_LIST]      = BYTES(BASIC(DER(0x30, DER(0x01, 0xff))), SKI),
    [C_OUTER_ALG] = BYTES(ECDSA_SHA256),
    [C_SIGNATURE] = BYTES(DER(0x03, 0, 0xaa, 0xbb)),
};

static const struct cert_row malformed_certs[] = {
    {"version 1 written out",       ESTOC_E_MALFORMED, C_VERSION,   BYTES(DER(0xa0, DER(0x02, 0)))},
    {"version 4",                   ESTOC_E_MALFORMED, C_VERSION,   BYTES(DER(0xa0, DER(0x02, 3)))},
    {"version 257",                 ESTOC_E_MALFORMED, C_VERSION,   BYTES(DER(0xa0, DER(0x02, 1, 0)))},
    {"version below zero",          ESTOC_E_MALFORMED, C_VERSION,   BYTES(DER(0xa0, DER(0x02, 0xff)))},
    {"version of nothing",          ESTOC_E_MALFORMED, C_VERSION,   BYTES(NIL(0xa0))},
    {"version and more",            ESTOC_E_MALFORMED, C_VERSION,   BYTES(DER(0xa0, DER(0x02, 2), NIL(0x05)))},
    {"version without its tag",     ESTOC_E_MALFORMED, C_VERSION,   BYTES(DER(0x02, 2))},
    {"version 1 with extensions",   ESTOC_E_MALFORMED, C_VERSION,   NOTHING},
    {"version 2 with extensions",   ESTOC_E_MALFORMED, C_VERSION,   BYTES(DER(0xa0, DER(0x02, 1)))},
    {"serial of nothing",           ESTOC_E_MALFORMED, C_SERIAL,    BYTES(NIL(0x02))},
    {"serial below zero",           ESTOC_E_MALFORMED, C_SERIAL,    BYTES(DER(0x02, 0x80))},
    {"serial below zero, long",     ESTOC_E_MALFORMED, C_SERIAL,    BYTES(DER(0x02, 0xff, 0x00, 0x01))},
    {"serial padded",               ESTOC_E_MALFORMED, C_SERIAL,    BYTES(DER(0x02, 0x00, 0x7f))},
    {"serial of 21 bytes",          ESTOC_E_MALFORMED, C_SERIAL,
     BYTES(DER(0x02, 0x00, COPIES_10(0x80, 0x01)))},
    {"serial missing",              ESTOC_E_MALFORMED, C_SERIAL,    NOTHING},
    {"serial as a BOOLEAN",         ESTOC_E_MALFORMED, C_SERIAL,    BYTES(DER(0x01, 0xff))},
    {"algorithm unlike the outer",  ESTOC_E_MALFORMED, C_ALG,       BYTES(ECDSA_SHA384)},
    {"algorithm as a SET",          ESTOC_E_MALFORMED, C_ALG,       BYTES(DER(0x31, DER(0x06, 0x2b)))},
    {"issuer empty",                ESTOC_E_MALFORMED, C_ISSUER,    BYTES(NIL(0x30))},
    {"issuer as a SET",             ESTOC_E_MALFORMED, C_ISSUER,    BYTES(NIL(0x31))},
    {"issuer missing",              ESTOC_E_MALFORMED, C_ISSUER,    NOTHING},
    {"one time",                    ESTOC_E_MALFORMED, C_VALIDITY,  BYTES(DER(0x30, UTC_2019))},
    {"three times",                 ESTOC_E_MALFORMED, C_VALIDITY,  BYTES(DER(0x30, UTC_2019, UTC_2049, UTC_2049))},
    {"times in a SET",              ESTOC_E_MALFORMED, C_VALIDITY,  BYTES(DER(0x31, UTC_2019, UTC_2049))},
    {"time without seconds",        ESTOC_E_MALFORMED, C_VALIDITY,
     BYTES(DER(0x30, UTC('1', '9', '0', '1', '3', '1', '1', '1', '2', '7', 'Z'), UTC_2049))},
    {"time of a zone",              ESTOC_E_MALFORMED, C_VALIDITY,
     BYTES(DER(0x30, UTC_2019, UTC('4', '9', '1', '2', '3', '1', '2', '3', '5', '9', '5', '9', '+', '0', '1', '0', '0')))},
    {"time of month 13",            ESTOC_E_MALFORMED, C_VALIDITY,
     BYTES(DER(0x30, UTC_2019, UTC('4', '9', '1', '3', '0', '1', '0', '0', '0', '0', '0', '0', 'Z')))},
    {"time as text",                ESTOC_E_MALFORMED, C_VALIDITY,
     BYTES(DER(0x30, UTC_2019, DER(0x13, '4', '9', '1', '2', '3', '1', '2', '3', '5', '9', '5', '9', 'Z')))},
    {"subject as a SET",            ESTOC_E_MALFORMED, C_SUBJECT,   BYTES(NIL(0x31))},
    {"subject missing",             ESTOC_E_MALFORMED, C_SUBJECT,   NOTHING},
    {"key with unused bits",        ESTOC_E_MALFORMED, C_SPKI,      BYTES(DER(0x30, ED25519_ID, DER(0x03, 1, 2)))},
    {"key missing",                 ESTOC_E_MALFORMED, C_SPKI,      BYTES(DER(0x30, ED25519_ID))},
    {"key and more",                ESTOC_E_MALFORMED, C_SPKI,      BYTES(DER(0x30, ED25519_ID, BITS_32, NIL(0x05)))},
    {"key info missing",            ESTOC_E_MALFORMED, C_SPKI,      NOTHING},
    {"unique id empty",             ESTOC_E_MALFORMED, C_UIDS,      BYTES(NIL(0x81))},
    {"unique id with 8 unused",     ESTOC_E_MALFORMED, C_UIDS,      BYTES(DER(0x81, 8, 1))},
    {"unique ids turned round",     ESTOC_E_MALFORMED, C_UIDS,      BYTES(DER(0x82, 0, 1), DER(0x81, 0, 1))},
    {"unique id constructed",       ESTOC_E_MALFORMED, C_UIDS,      BYTES(DER(0xa1, DER(0x03, 0, 1)))},
    {"extensions of nothing",       ESTOC_E_MALFORMED, C_TAGGED,    BYTES(NIL(0xa3))},
    {"extensions empty",            ESTOC_E_MALFORMED, C_TAGGED,    BYTES(DER(0xa3, NIL(0x30)))},
    {"extensions as a SET",         ESTOC_E_MALFORMED, C_TAGGED,    BYTES(DER(0xa3, DER(0x31, SKI)))},
    {"extensions and more",         ESTOC_E_MALFORMED, C_TAGGED,    BYTES(DER(0xa3, DER(0x30, SKI), NIL(0x05)))},
    {"extensions twice",            ESTOC_E_MALFORMED, C_TAGGED,
     BYTES(DER(0xa3, DER(0x30, SKI)), DER(0xa3, DER(0x30, SAN(DNS))))},
    {"extensions, another field",   ESTOC_E_MALFORMED, C_TAGGED,    BYTES(DER(0xa3, DER(0x30, SKI)), NIL(0x05))},
    {"extensions under tag 4",      ESTOC_E_MALFORMED, C_TAGGED,    BYTES(DER(0xa4, DER(0x30, SKI)))},
    {"216 an extension twice",      ESTOC_E_MALFORMED, C_LIST,      BYTES(SKI, SAN(DNS), SKI)},
    {"216 an unknown one twice",    ESTOC_E_MALFORMED, C_LIST,      BYTES(EXT(0x63, 1), EXT(0x63, 2))},
    {"extension as a SET",          ESTOC_E_MALFORMED, C_LIST,      BYTES(DER(0x31, OID_CE(0x0e), DER(0x04, 1)))},
    {"extension without a value",   ESTOC_E_MALFORMED, C_LIST,      BYTES(DER(0x30, OID_CE(0x63)))},
    {"extension without an OID",    ESTOC_E_MALFORMED, C_LIST,      BYTES(DER(0x30, DER(0x04, 1)))},
    {"extension and more",          ESTOC_E_MALFORMED, C_LIST,      BYTES(DER(0x30, OID_CE(0x63), DER(0x04, 1), NIL(0x05)))},
    {"extension critical FALSE",    ESTOC_E_MALFORMED, C_LIST,      BYTES(DER(0x30, OID_CE(0x63), DER(0x01, 0), DER(0x04, 1)))},
    {"extension critical 1",        ESTOC_E_MALFORMED, C_LIST,      BYTES(DER(0x30, OID_CE(0x63), DER(0x01, 1), DER(0x04, 1)))},
    {"key identifier as an INTEGER", ESTOC_E_MALFORMED, C_LIST,     BYTES(EXT(0x0e, DER(0x02, 1)))},
    {"key identifier and more",     ESTOC_E_MALFORMED, C_LIST,      BYTES(EXT(0x0e, DER(0x04, 1), NIL(0x05)))},
    {"key identifier cut",          ESTOC_E_MALFORMED, C_LIST,      BYTES(EXT(0x0e, 0x04, 2, 1))},
    {"names empty",                 ESTOC_E_MALFORMED, C_LIST,      BYTES(EXT(0x11, NIL(0x30)))},
    {"names as a SET",              ESTOC_E_MALFORMED, C_LIST,      BYTES(EXT(0x11, DER(0x31, DNS)))},
    {"names and more",              ESTOC_E_MALFORMED, C_LIST,      BYTES(EXT(0x11, DER(0x30, DNS), NIL(0x05)))},
    {"name cut",                    ESTOC_E_MALFORMED, C_LIST,      BYTES(SAN(0x82, 4, 'a', '.', 'b'))},
    {"name of a universal type",    ESTOC_E_MALFORMED, C_LIST,      BYTES(SAN(DER(0x16, 'a')))},
    {"name of kind 9",              ESTOC_E_MALFORMED, C_LIST,      BYTES(SAN(DER(0x89, 'a')))},
    {"name of a host, constructed", ESTOC_E_MALFORMED, C_LIST,      BYTES(SAN(DER(0xa2, DER(0x16, 'a'))))},
    {"name of a directory, primitive", ESTOC_E_MALFORMED, C_LIST,   BYTES(SAN(DER(0x84, 'a')))},
    {"basic constraints as a SET",  ESTOC_E_MALFORMED, C_LIST,      BYTES(BASIC(NIL(0x31)))},
    {"basic constraints, cA 1",     ESTOC_E_MALFORMED, C_LIST,      BYTES(BASIC(DER(0x30, DER(0x01, 1))))},
    {"basic constraints, length below zero", ESTOC_E_MALFORMED, C_LIST,
     BYTES(BASIC(DER(0x30, DER(0x01, 0xff), DER(0x02, 0xff))))},
    {"basic constraints turned round", ESTOC_E_MALFORMED, C_LIST,
     BYTES(BASIC(DER(0x30, DER(0x02, 0), DER(0x01, 0xff))))},
    {"basic constraints and more",  ESTOC_E_MALFORMED, C_LIST,      BYTES(BASIC(NIL(0x30), NIL(0x05)))},
    {"extended usage empty",        ESTOC_E_MALFORMED, C_LIST,      BYTES(EXT(0x25, NIL(0x30)))},
    {"extended usage of a padded OID", ESTOC_E_MALFORMED, C_LIST,   BYTES(EXT(0x25, DER(0x30, DER(0x06, 0x80, 0x01))))},
    {"extended usage of an INTEGER", ESTOC_E_MALFORMED, C_LIST,     BYTES(EXT(0x25, DER(0x30, DER(0x02, 1))))},
    {"extended usage and more",     ESTOC_E_MALFORMED, C_LIST,
     BYTES(EXT(0x25, DER(0x30, DER(0x06, 0x2b)), NIL(0x05)))},
    {"outer algorithm unlike the inner", ESTOC_E_MALFORMED, C_OUTER_ALG, BYTES(ECDSA_SHA384)},
    {"outer algorithm of nothing",  ESTOC_E_MALFORMED, C_OUTER_ALG, BYTES(NIL(0x30))},
    {"outer algorithm missing",     ESTOC_E_MALFORMED, C_OUTER_ALG, NOTHING},
    {"signature with unused bits",  ESTOC_E_MALFORMED, C_SIGNATURE, BYTES(DER(0x03, 1, 0xaa))},
    {"signature of nothing",        ESTOC_E_MALFORMED, C_SIGNATURE, BYTES(NIL(0x03))},
    {"signature as an OCTET STRING", ESTOC_E_MALFORMED, C_SIGNATURE, BYTES(DER(0x04, 0xaa))},
    {"signature missing",           ESTOC_E_MALFORMED, C_SIGNATURE, NOTHING},
    {"a field behind the signature", ESTOC_E_MALFORMED, C_AFTER,    BYTES(NIL(0x05))},
    {"a byte behind it",            ESTOC_E_TRAILING,  C_TRAILING,  BYTES(0)},
    {"another certificate behind it", ESTOC_E_TRAILING, C_TRAILING, BYTES(DER(0x30, NIL(0x30)))},
};

static const struct cert_row wellformed_certs[] = {
    {"nothing replaced",            ESTOC_OK, C_AFTER,     NOTHING},
    {"version 3 without extensions", ESTOC_OK, C_LIST,     NOTHING},
    {"serial 0",                    ESTOC_OK, C_SERIAL,    BYTES(DER(0x02, 0))},
    {"serial 128",                  ESTOC_OK, C_SERIAL,    BYTES(DER(0x02, 0x00, 0x80))},
    {"serial of 20 bytes",          ESTOC_OK, C_SERIAL,    BYTES(DER(0x02, COPIES_10(0x7f, 0xff)))},
    {"subject empty",               ESTOC_OK, C_SUBJECT,   BYTES(NIL(0x30))},
    {"issued by itself",            ESTOC_OK, C_SUBJECT,   BYTES(CN('R'))},
    {"times from 1950 to 2049",     ESTOC_OK, C_VALIDITY,  BYTES(DER(0x30, UTC_1950, UTC_2049))},
    {"times from 2050",             ESTOC_OK, C_VALIDITY,
     BYTES(DER(0x30, GENERALIZED('2', '0', '5', '0'), GENERALIZED('9', '9', '9', '9')))},
    {"a GeneralizedTime too early", ESTOC_OK, C_VALIDITY,  BYTES(DER(0x30, GENERALIZED('2', '0', '1', '9'), UTC_2049))},
    {"a key of another kind",       ESTOC_OK, C_SPKI,      BYTES(DER(0x30, X25519_ID, BITS_32))},
    {"unique ids",                  ESTOC_OK, C_UIDS,      BYTES(DER(0x81, 0, 1), DER(0x82, 7, 0x80))},
    {"subject's unique id",         ESTOC_OK, C_UIDS,      BYTES(DER(0x82, 0, 1))},
    {"an unknown critical extension", ESTOC_OK, C_LIST,    BYTES(DER(0x30, OID_CE(0x63), DER(0x01, 0xff), NIL(0x04)))},
    {"names of every kind",         ESTOC_OK, C_LIST,
     BYTES(SAN(DER(0xa0, DER(0x06, 0x2b), DER(0xa0, NIL(0x05))), DER(0x81, 'a', '@', 'b'), DNS, NIL(0xa3),
               DER(0xa4, CN('x')), DER(0xa5, NIL(0x81)), DER(0x86, 'a', ':'), DER(0x87, 10, 0, 0, 1),
               DER(0x88, 0x2b)))},
    {"basic constraints empty",     ESTOC_OK, C_LIST,      BYTES(BASIC(NIL(0x30)))},
    {"cA FALSE written out",        ESTOC_OK, C_LIST,      BYTES(BASIC(DER(0x30, DER(0x01, 0))))},
    {"a path length",               ESTOC_OK, C_LIST,      BYTES(BASIC(DER(0x30, DER(0x01, 0xff), DER(0x02, 0))))},
    {"cmcRA among the usages",      ESTOC_OK, C_LIST,
     BYTES(EXT(0x25, DER(0x30, DER(0x06, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01),
                               DER(0x06, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x1c))))},
    {"usages without cmcRA",        ESTOC_OK, C_LIST,
     BYTES(EXT(0x25, DER(0x30, DER(0x06, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x1d))))},
};

/* ---- certs-only CMS: RFC 5652 sections 3 and 5.1 ---- */

enum cms_piece {
    M_TYPE, M_VERSION, M_DIGESTS, M_CONTENT, M_CERTS, M_CRLS, M_SIGNERS,
    M_IN_DATA, M_IN_TAG, M_IN_INFO, /* behind SignedData's fields, behind it, behind its tag */
    M_TRAILING,
    M_PIECES
};

struct cms_row {
    const char *name;
    estoc_err err;
    enum cms_piece piece;
    estoc_slice bytes;
};

#define PKCS7(n)   DER(0x06, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, n)
#define CERT_1     DER(0x30, DER(0x02, 1)) /* nobody looks into them */
#define CERT_2     DER(0x30, DER(0x02, 2))

static const estoc_slice good_cms[M_PIECES] = {
    [M_TYPE]    = BYTES(PKCS7(2)),
    [M_VERSION] = BYTES(DER(0x02, 1)),
    [M_DIGESTS] = BYTES(NIL(0x31)),
    [M_CONTENT] = BYTES(DER(0x30, PKCS7(1))),
    [M_CERTS]   = BYTES(DER(0xa0, CERT_2, CERT_1)),
    [M_CRLS]    = BYTES(NIL(0xa1)),
    [M_SIGNERS] = BYTES(NIL(0x31)),
};

static const struct cms_row malformed_cms[] = {
    {"data instead",                ESTOC_E_MALFORMED, M_TYPE,     BYTES(PKCS7(1))},
    {"enveloped data instead",      ESTOC_E_MALFORMED, M_TYPE,     BYTES(PKCS7(3))},
    {"no type",                     ESTOC_E_MALFORMED, M_TYPE,     NOTHING},
    {"version 0",                   ESTOC_E_MALFORMED, M_VERSION,  BYTES(DER(0x02, 0))},
    {"version 3",                   ESTOC_E_MALFORMED, M_VERSION,  BYTES(DER(0x02, 3))},
    {"version 1 padded",            ESTOC_E_MALFORMED, M_VERSION,  BYTES(DER(0x02, 0, 1))},
    {"no version",                  ESTOC_E_MALFORMED, M_VERSION,  NOTHING},
    {"a digest algorithm",          ESTOC_E_MALFORMED, M_DIGESTS,
     BYTES(DER(0x31, DER(0x30, DER(0x06, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01))))},
    {"digest algorithms as a SEQUENCE", ESTOC_E_MALFORMED, M_DIGESTS, BYTES(NIL(0x30))},
    {"content of another type",     ESTOC_E_MALFORMED, M_CONTENT,  BYTES(DER(0x30, PKCS7(2)))},
    {"content of no type",          ESTOC_E_MALFORMED, M_CONTENT,  BYTES(NIL(0x30))},
    {"content",                     ESTOC_E_MALFORMED, M_CONTENT,
     BYTES(DER(0x30, PKCS7(1), DER(0xa0, DER(0x04, 'x'))))},
    {"empty content",               ESTOC_E_MALFORMED, M_CONTENT,  BYTES(DER(0x30, PKCS7(1), DER(0xa0, NIL(0x04))))},
    {"326 no certificates",         ESTOC_E_MALFORMED, M_CERTS,    NOTHING},
    {"326 an empty set of them",    ESTOC_E_MALFORMED, M_CERTS,    BYTES(NIL(0xa0))},
    {"certificates in a SET",       ESTOC_E_MALFORMED, M_CERTS,    BYTES(DER(0xa0, DER(0x31, CERT_1)))},
    {"an attribute certificate",    ESTOC_E_MALFORMED, M_CERTS,    BYTES(DER(0xa0, CERT_1, DER(0xa1, DER(0x02, 1))))},
    {"certificate cut",             ESTOC_E_MALFORMED, M_CERTS,    BYTES(DER(0xa0, CERT_1, 0x30, 4, 0x02, 1, 2))},
    {"certificates twice",          ESTOC_E_MALFORMED, M_CERTS,    BYTES(DER(0xa0, CERT_1), DER(0xa0, CERT_2))},
    {"more certificates than room", ESTOC_E_LIMIT,     M_CERTS,    BYTES(DER(0xa0, CERT_1, CERT_2, CERT_1, CERT_2, CERT_1))},
    {"a revocation info of another kind", ESTOC_E_MALFORMED, M_CRLS, BYTES(DER(0xa1, DER(0xa1, DER(0x06, 0x2b))))},
    {"a CRL cut",                   ESTOC_E_MALFORMED, M_CRLS,     BYTES(DER(0xa1, 0x30, 1))},
    {"a signer",                    ESTOC_E_MALFORMED, M_SIGNERS,  BYTES(DER(0x31, DER(0x30, DER(0x02, 1))))},
    {"no signers field",            ESTOC_E_MALFORMED, M_SIGNERS,  NOTHING},
    {"a field behind the signers",  ESTOC_E_MALFORMED, M_IN_DATA,  BYTES(NIL(0x05))},
    {"something behind the data",   ESTOC_E_MALFORMED, M_IN_TAG,   BYTES(NIL(0x05))},
    {"something behind the tag",    ESTOC_E_MALFORMED, M_IN_INFO,  BYTES(NIL(0x05))},
    {"a byte behind it",            ESTOC_E_TRAILING,  M_TRAILING, BYTES(0)},
};

/* As encoders of BER that do not know the length write it: to the end-of-contents. */
static const struct malformed_value malformed_ber[] = {
    {"all of it indefinite",        ESTOC_E_MALFORMED,
     BYTES(0x30, 0x80, PKCS7(2), 0xa0, 0x80, 0x30, 0x80, DER(0x02, 1), NIL(0x31), 0x30, 0x80, PKCS7(1), 0, 0,
           0xa0, 0x80, CERT_1, 0, 0, NIL(0x31), 0, 0, 0, 0, 0, 0)},
    {"certificates indefinite",     ESTOC_E_MALFORMED,
     BYTES(DER(0x30, PKCS7(2), DER(0xa0, DER(0x30, DER(0x02, 1), NIL(0x31), DER(0x30, PKCS7(1)),
               0xa0, 0x80, CERT_1, 0, 0, NIL(0x31)))))},
    {"a length longer than needed", ESTOC_E_MALFORMED,
     BYTES(DER(0x30, PKCS7(2), DER(0xa0, DER(0x30, DER(0x02, 1), NIL(0x31), DER(0x30, PKCS7(1)),
               0xa0, 0x81, 5, CERT_1, NIL(0x31)))))},
    {"no bytes",                    ESTOC_E_TRUNCATED, NOTHING},
    {"PEM",                         ESTOC_E_MALFORMED, TEXT("-----BEGIN PKCS7-----\n")},
    {"base64",                      ESTOC_E_TRUNCATED, TEXT("MIICegYJKoZIhvcNAQcCoIICazCCAmcCAQEx")},
};

static const struct cms_row wellformed_cms[] = {
    {"nothing replaced",            ESTOC_OK, M_CRLS, BYTES(NIL(0xa1))},
    {"no set of CRLs",              ESTOC_OK, M_CRLS, NOTHING}, /* OpenSSL 3, crl2pkcs7 -nocrl */
    {"two CRLs",                    ESTOC_OK, M_CRLS, BYTES(DER(0xa1, NIL(0x30), DER(0x30, NIL(0x30))))},
};

/* ---- CSR attributes: RFC 7030 section 4.5.2 ---- */

#define CHALLENGE DER(0x06, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x07)

static const struct malformed_value malformed_attrs[] = {
    {"no bytes",                    ESTOC_E_TRUNCATED, NOTHING},
    {"one byte",                    ESTOC_E_TRUNCATED, BYTES(0x30)},
    {"a SET",                       ESTOC_E_MALFORMED, BYTES(DER(0x31, CHALLENGE))},
    {"an OID alone",                ESTOC_E_MALFORMED, BYTES(CHALLENGE)},
    {"base64",                      ESTOC_E_TRUNCATED, TEXT("MEEGCSqGSIb3DQEJBzASBgcqhkjOPQIB")},
    {"a byte behind it",            ESTOC_E_TRAILING,  BYTES(DER(0x30, CHALLENGE), 0)},
    {"indefinite length",           ESTOC_E_MALFORMED, BYTES(0x30, 0x80, CHALLENGE, 0, 0)},
    {"a length longer than needed", ESTOC_E_MALFORMED, BYTES(0x30, 0x81, 3, DER(0x06, 0x2b))},
    {"an INTEGER",                  ESTOC_E_MALFORMED, BYTES(DER(0x30, CHALLENGE, DER(0x02, 1)))},
    {"OID of nothing",              ESTOC_E_MALFORMED, BYTES(DER(0x30, NIL(0x06)))},
    {"227 OID padded",              ESTOC_E_MALFORMED, BYTES(DER(0x30, DER(0x06, 0x2b, 0x80, 0x01)))},
    {"227 OID cut",                 ESTOC_E_MALFORMED, BYTES(DER(0x30, DER(0x06, 0x2b, 0x81)))},
    {"227 OID with 2^63",           ESTOC_E_MALFORMED,
     BYTES(DER(0x30, DER(0x06, 0x2b, 0x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00)))},
    {"OID longer than the list",    ESTOC_E_MALFORMED, BYTES(DER(0x30, 0x06, 2, 0x2b))},
    {"attribute of nothing",        ESTOC_E_MALFORMED, BYTES(DER(0x30, NIL(0x30)))},
    {"attribute without values",    ESTOC_E_MALFORMED, BYTES(DER(0x30, DER(0x30, CHALLENGE)))},
    {"attribute with no value",     ESTOC_E_MALFORMED, BYTES(DER(0x30, DER(0x30, CHALLENGE, NIL(0x31))))},
    {"attribute of two sets",       ESTOC_E_MALFORMED,
     BYTES(DER(0x30, DER(0x30, CHALLENGE, DER(0x31, NIL(0x05)), DER(0x31, NIL(0x05)))))},
    {"attribute of a bad OID",      ESTOC_E_MALFORMED, BYTES(DER(0x30, DER(0x30, DER(0x06, 0x80), DER(0x31, NIL(0x05)))))},
    {"values in a SEQUENCE",        ESTOC_E_MALFORMED, BYTES(DER(0x30, DER(0x30, CHALLENGE, DER(0x30, NIL(0x05)))))},
    {"value cut",                   ESTOC_E_MALFORMED, BYTES(DER(0x30, DER(0x30, CHALLENGE, DER(0x31, 0x02, 2, 1))))},
    {"second value cut",            ESTOC_E_MALFORMED, BYTES(DER(0x30, DER(0x30, CHALLENGE, DER(0x31, NIL(0x05), 0x02))))},
    {"the second element bad",      ESTOC_E_MALFORMED, BYTES(DER(0x30, CHALLENGE, NIL(0x06)))},
};

static const struct wellformed wellformed_attrs[] = {
    {"RFC 9148 A.4",                {rfc9148_a4_att, sizeof rfc9148_a4_att}},
    {"RFC 7030 4.5.2",              {rfc7030_4_5_2, sizeof rfc7030_4_5_2}},
    {"nothing asked for",           BYTES(NIL(0x30))},
    {"values not in DER's order",   BYTES(DER(0x30, DER(0x30, DER(0x06, 0x2b), DER(0x31, DER(0x13, 'a'), DER(0x02, 1)))))},
    {"a value twice",               BYTES(DER(0x30, DER(0x30, DER(0x06, 0x2b), DER(0x31, NIL(0x05), NIL(0x05)))))},
    {"an OID twice",                BYTES(DER(0x30, CHALLENGE, CHALLENGE))},
    {"OID with 2^63 - 1",           BYTES(DER(0x30, DER(0x06, 0x2b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f)))},
};

/* ---- multipart: RFC 8710 section 2, RFC 8949 ---- */

static const struct malformed_value malformed_parts[] = {
    {"no bytes",                    ESTOC_E_TRUNCATED, NOTHING},
    {"a map",                       ESTOC_E_MALFORMED, BYTES(0xa1, 0x00, 0x41, 'a')},
    {"a byte string",               ESTOC_E_MALFORMED, BYTES(0x42, 0x00, 0x40)},
    {"a tagged array",              ESTOC_E_MALFORMED, BYTES(0xd9, 0xd9, 0xf7, 0x80)},
    {"array of indefinite length",  ESTOC_E_MALFORMED, BYTES(0x9f, 0x00, 0x41, 'a', 0xff)},
    {"array of a reserved length",  ESTOC_E_MALFORMED, BYTES(0x9c, 0x00, 0x41, 'a')},
    {"array's length cut",          ESTOC_E_TRUNCATED, BYTES(0x99, 0x00)},
    {"an odd number",               ESTOC_E_MALFORMED, BYTES(0x83, 0x00, 0x41, 'a', 0x00)},
    {"a format alone",              ESTOC_E_MALFORMED, BYTES(0x81, 0x00)},
    {"two items, none there",       ESTOC_E_TRUNCATED, BYTES(0x82)},
    {"two items, one there",        ESTOC_E_TRUNCATED, BYTES(0x82, 0x00)},
    {"2^32 items",                  ESTOC_E_TRUNCATED, BYTES(0x9b, 0, 0, 0, 1, 0, 0, 0, 0, 0x00, 0x41, 'a')},
    {"2^64 - 2 items",              ESTOC_E_TRUNCATED,
     BYTES(0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, 0x00, 0x40)},
    {"more parts than room",        ESTOC_E_LIMIT,
     BYTES(0x8a, 0x00, 0x40, 0x00, 0x40, 0x00, 0x40, 0x00, 0x40, 0x00, 0x40)},
    {"format 65536",                ESTOC_E_MALFORMED, BYTES(0x82, 0x1a, 0, 1, 0, 0, 0x41, 'a')},
    {"format 2^32 + 1",             ESTOC_E_MALFORMED, BYTES(0x82, 0x1b, 0, 0, 0, 1, 0, 0, 0, 1, 0x41, 'a')},
    {"format below zero",           ESTOC_E_MALFORMED, BYTES(0x82, 0x20, 0x41, 'a')},
    {"format as text",              ESTOC_E_MALFORMED, BYTES(0x82, 0x62, '6', '2', 0x41, 'a')},
    {"format of a reserved length", ESTOC_E_MALFORMED, BYTES(0x82, 0x1c, 0x41, 'a')},
    {"format of length 31",         ESTOC_E_MALFORMED, BYTES(0x82, 0x1f, 0x41, 'a')},
    {"format cut",                  ESTOC_E_TRUNCATED, BYTES(0x82, 0x19, 0x01)},
    {"format null",                 ESTOC_E_MALFORMED, BYTES(0x82, 0xf6, 0x41, 'a')},
    {"body as text",                ESTOC_E_MALFORMED, BYTES(0x82, 0x00, 0x61, 'a')},
    {"body undefined",              ESTOC_E_MALFORMED, BYTES(0x82, 0x00, 0xf7)},
    {"body of indefinite length",   ESTOC_E_MALFORMED, BYTES(0x82, 0x00, 0x5f, 0x41, 'a', 0xff)},
    {"body of a reserved length",   ESTOC_E_MALFORMED, BYTES(0x82, 0x00, 0x5d, 'a')},
    {"body cut",                    ESTOC_E_TRUNCATED, BYTES(0x82, 0x00, 0x42, 'a')},
    {"body of 2^32 bytes",          ESTOC_E_TRUNCATED, BYTES(0x82, 0x00, 0x5b, 0, 0, 0, 1, 0, 0, 0, 0, 'a')},
    {"body of 2^64 - 1 bytes",      ESTOC_E_TRUNCATED,
     BYTES(0x82, 0x00, 0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 'a')},
    {"parts in an array each",      ESTOC_E_MALFORMED, BYTES(0x82, 0x82, 0x00, 0x41, 'a', 0x82, 0x00, 0x41, 'b')},
    {"a byte behind it",            ESTOC_E_TRAILING,  BYTES(0x82, 0x00, 0x41, 'a', 0x00)},
    {"a byte behind nothing",       ESTOC_E_TRAILING,  BYTES(0x80, 0x80)},
};

/* Each but the first three is one part of format 284 with the body "a". */
static const struct wellformed wellformed_parts[] = {
    {"RFC 9148 A.3",                {rfc9148_a3_skg, sizeof rfc9148_a3_skg}},
    {"RFC 8710 section 2",
     BYTES(0x84, 0x18, 0x2a, 0x48, 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0x00, 0x45, 0x30, 0x31, 0x32, 0x33, 0x34)},
    {"no parts",                    BYTES(0x80)},
    {"in the fewest bytes",         BYTES(0x82, 0x19, 0x01, 0x1c, 0x41, 'a')},
    {"array longer than needed",    BYTES(0x98, 0x02, 0x19, 0x01, 0x1c, 0x41, 'a')},
    {"format longer than needed",   BYTES(0x82, 0x1a, 0, 0, 0x01, 0x1c, 0x41, 'a')},
    {"body longer than needed",     BYTES(0x82, 0x19, 0x01, 0x1c, 0x58, 0x01, 'a')},
    {"all in eight bytes",
     BYTES(0x9b, 0, 0, 0, 0, 0, 0, 0, 2, 0x1b, 0, 0, 0, 0, 0, 0, 0x01, 0x1c, 0x5b, 0, 0, 0, 0, 0, 0, 0, 1, 'a')},
};
/* clang-format on */

/* One piece, or what the row puts in its place. */
static inline void put_piece(estoc_writer *w, const estoc_slice *good, int piece, int replaced,
                             estoc_slice bytes)
{
    estoc_write_bytes(w, piece == replaced ? bytes : good[piece]);
}

/* The certificate of a row, or with `row` NULL the good one. */
static inline estoc_slice cert_of_row(const struct cert_row *row, estoc_buf out)
{
    int piece = row != NULL ? (int)row->piece : C_PIECES;
    estoc_slice bytes = row != NULL ? row->bytes : estoc_slice_of(NULL, 0);
    estoc_writer w = estoc_writer_of(out);
    size_t outer = estoc_der_open(&w, ESTOC_DER_SEQUENCE);
    size_t tbs = estoc_der_open(&w, ESTOC_DER_SEQUENCE);
    for (int i = C_VERSION; i <= C_TAGGED; i++) {
        put_piece(&w, good_cert, i, piece, bytes);
    }
    if (piece != C_TAGGED && (piece != C_LIST || bytes.len > 0)) {
        size_t tagged = estoc_der_open(&w, ESTOC_DER_CONTEXT_CONSTRUCTED(3));
        size_t list = estoc_der_open(&w, ESTOC_DER_SEQUENCE);
        put_piece(&w, good_cert, C_LIST, piece, bytes);
        estoc_der_close(&w, list);
        estoc_der_close(&w, tagged);
    }
    estoc_der_close(&w, tbs);
    for (int i = C_OUTER_ALG; i <= C_AFTER; i++) {
        put_piece(&w, good_cert, i, piece, bytes);
    }
    estoc_der_close(&w, outer);
    put_piece(&w, good_cert, C_TRAILING, piece, bytes);
    return estoc_writer_slice(&w);
}

static inline estoc_slice cms_of_row(const struct cms_row *row, estoc_buf out)
{
    int piece = (int)row->piece;
    estoc_writer w = estoc_writer_of(out);
    size_t info = estoc_der_open(&w, ESTOC_DER_SEQUENCE);
    put_piece(&w, good_cms, M_TYPE, piece, row->bytes);
    size_t tagged = estoc_der_open(&w, ESTOC_DER_CONTEXT_CONSTRUCTED(0));
    size_t data = estoc_der_open(&w, ESTOC_DER_SEQUENCE);
    for (int i = M_VERSION; i <= M_IN_DATA; i++) {
        put_piece(&w, good_cms, i, piece, row->bytes);
    }
    estoc_der_close(&w, data);
    put_piece(&w, good_cms, M_IN_TAG, piece, row->bytes);
    estoc_der_close(&w, tagged);
    put_piece(&w, good_cms, M_IN_INFO, piece, row->bytes);
    estoc_der_close(&w, info);
    put_piece(&w, good_cms, M_TRAILING, piece, row->bytes);
    return estoc_writer_slice(&w);
}

#endif
