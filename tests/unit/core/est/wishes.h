/* SPDX-License-Identifier: MIT
 *
 * Attributes of requests that name a key to encrypt to: the content of [0] of a PKCS#10 request.
 */
#ifndef TESTS_WISHES_H
#define TESTS_WISHES_H

#include "est/answers.h"

/* clang-format off */
#define PKCS9(...)  DER(0x06, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, __VA_ARGS__)
#define CAPS_OID    PKCS9(0x0f)
#define SYMM_OID    PKCS9(0x10, 0x02, 0x25)
#define ASYMM_OID   PKCS9(0x10, 0x02, 0x36)
#define AES(n)      DER(0x30, DER(0x06, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, n))
#define OTHER_CAP   DER(0x30, DER(0x06, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x03, 0x02), DER(0x02, 0x28))
#define CAPS(...)   DER(0x30, CAPS_OID, DER(0x31, DER(0x30, __VA_ARGS__)))
#define SYMM(...)   DER(0x30, SYMM_OID, DER(0x31, DER(0x04, __VA_ARGS__)))
#define ASYMM(...)  DER(0x30, ASYMM_OID, DER(0x31, DER(0x04, __VA_ARGS__)))
#define PASSWORD    DER(0x30, CHALLENGE, DER(0x31, DER(0x0c, 'x')))

static const struct malformed_value malformed_wishes[] = {
    {"an OID alone",             ESTOC_E_MALFORMED, BYTES(CAPS_OID)},
    {"cut",                      ESTOC_E_MALFORMED, BYTES(CAPS(AES(2)), 0x30)},
    {"no SMIMECapabilities",     ESTOC_E_MALFORMED, BYTES(SYMM(1, 2, 3))},
    {"none for a certificate",   ESTOC_E_MALFORMED, BYTES(ASYMM(1, 2, 3))},
    {"both kinds of key",        ESTOC_E_MALFORMED, BYTES(CAPS(AES(2)), SYMM(1), ASYMM(1))},
    {"two keys",                 ESTOC_E_MALFORMED, BYTES(CAPS(AES(2)), SYMM(1), SYMM(2))},
    {"two lists",                ESTOC_E_MALFORMED, BYTES(CAPS(AES(2)), CAPS(AES(2)), SYMM(1))},
    {"an empty identifier",      ESTOC_E_MALFORMED, BYTES(CAPS(AES(2)), DER(0x30, SYMM_OID, DER(0x31, NIL(0x04))))},
    {"a text for identifier",    ESTOC_E_MALFORMED, BYTES(CAPS(AES(2)), DER(0x30, SYMM_OID, DER(0x31, DER(0x0c, 'x'))))},
    {"two identifiers",          ESTOC_E_MALFORMED, BYTES(CAPS(AES(2)), DER(0x30, SYMM_OID, DER(0x31, DER(0x04, 1), DER(0x04, 2))))},
    {"no value",                 ESTOC_E_MALFORMED, BYTES(CAPS(AES(2)), DER(0x30, SYMM_OID, NIL(0x31)))},
    {"no set",                   ESTOC_E_MALFORMED, BYTES(CAPS(AES(2)), DER(0x30, SYMM_OID))},
    {"more than a set",          ESTOC_E_MALFORMED, BYTES(CAPS(AES(2)), DER(0x30, SYMM_OID, DER(0x31, DER(0x04, 1)), NIL(0x05)))},
    {"capabilities in a set",    ESTOC_E_MALFORMED, BYTES(DER(0x30, CAPS_OID, DER(0x31, DER(0x31, AES(2)))), SYMM(1))},
    {"two lists in one",         ESTOC_E_MALFORMED, BYTES(DER(0x30, CAPS_OID, DER(0x31, DER(0x30, AES(2)), DER(0x30, AES(5)))), SYMM(1))},
    {"a capability of nothing",  ESTOC_E_MALFORMED, BYTES(CAPS(NIL(0x30)), SYMM(1))},
    {"a capability cut",         ESTOC_E_MALFORMED, BYTES(CAPS(AES(2), 0x30), SYMM(1))},
    {"a bare OID",               ESTOC_E_MALFORMED, BYTES(CAPS(DER(0x06, 0x2a)), SYMM(1))},
    {"two parameters",           ESTOC_E_MALFORMED, BYTES(CAPS(DER(0x30, DER(0x06, 0x2a), NIL(0x05), NIL(0x05))), SYMM(1))},
    {"an identifier of 65 bytes", ESTOC_E_LIMIT,
     BYTES(CAPS(AES(2)), SYMM(COPIES_10(1, 2, 3, 4, 5, 6), 1, 2, 3, 4, 5))},
    {"33 capabilities",          ESTOC_E_LIMIT,
     BYTES(0x30, 0x81, 182, CAPS_OID, 0x31, 0x81, 168, 0x30, 0x81, 165,
           COPIES_10(DER(0x30, DER(0x06, 0x2a))), COPIES_10(DER(0x30, DER(0x06, 0x2a))),
           COPIES_10(DER(0x30, DER(0x06, 0x2a))), DER(0x30, DER(0x06, 0x2a)),
           DER(0x30, DER(0x06, 0x2a)), DER(0x30, DER(0x06, 0x2a)), SYMM(1))},
};

static const struct wellformed wellformed_wishes[] = {
    {"none",                 NOTHING},
    {"others",               BYTES(PASSWORD)},
    {"capabilities alone",   BYTES(CAPS(AES(2)))},
    {"an AES key",           BYTES(CAPS(AES(2), AES(5)), SYMM('k', '1'))},
    {"an AES key of 256",    BYTES(CAPS(AES(0x2d), AES(0x2a)), SYMM('k', '2'))},
    {"a certificate",        BYTES(PASSWORD, CAPS(OTHER_CAP, AES(2), AES(5), AES(0x2a), AES(0x2d)), ASYMM(9, 8, 7))},
    {"key before the list",  BYTES(ASYMM(9), CAPS(AES(5)))},
    {"nothing known in it",  BYTES(CAPS(OTHER_CAP), ASYMM(9))},
    {"64 bytes of identifier", BYTES(CAPS(AES(2)), SYMM(COPIES_10(1, 2, 3, 4, 5, 6), 1, 2, 3, 4))},
};
/* clang-format on */

#endif
