/* SPDX-License-Identifier: MIT
 *
 * Templates of requests (RFC 9908 section 3.4), right and wrong: for the unit test, and seeds of the
 * corpus. Include est/answers.h first.
 */
#ifndef TESTS_TEMPLATES_H
#define TESTS_TEMPLATES_H

#define VERSION    0x02, 0x01, 0x00
#define NO_ATTRS   0xa1, 0x00
#define ONE_EXT(n) DER(0x30, DER(0x06, 0x55, 0x1d, n))
#define EXT_OID    0x06, 0x0b, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x02, 0x3e
#define REQ_OID    0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x0e
#define EXTS(...)  DER(0x30, EXT_OID, DER(0x31, DER(0x30, __VA_ARGS__)))
#define REQS(...)  DER(0x30, REQ_OID, DER(0x31, DER(0x30, __VA_ARGS__)))
#define ED25519    DER(0x30, DER(0x06, 0x2b, 0x65, 0x70))

/* clang-format off */
static const struct template_row {
    const char *name;
    estoc_err want;
    estoc_slice der;
} templates[] = {
    {"nothing asked for",            0, BYTES(DER(0x30, VERSION, NO_ATTRS))},
    {"an empty subject",             0, BYTES(DER(0x30, VERSION, NIL(0x30), NO_ATTRS))},
    {"a key",                        0, BYTES(DER(0x30, VERSION, DER(0xa0, ED25519), NO_ATTRS))},
    {"a key with a placeholder",     0, BYTES(DER(0x30, VERSION, DER(0xa0, ED25519, DER(0x03, 0, 1)), NO_ATTRS))},
    {"an attribute nobody knows",    0, BYTES(DER(0x30, VERSION, DER(0xa1, DER(0x30, DER(0x06, 0x2a, 0x03), DER(0x31, NIL(0x05))))))},
    {"extensions with values",       0, BYTES(DER(0x30, VERSION, DER(0xa1, REQS(DER(0x30, DER(0x06, 0x55, 0x1d, 0x25), DER(0x04, NIL(0x30)))))))},
    {"version 2",                    ESTOC_E_MALFORMED, BYTES(DER(0x30, 0x02, 0x01, 0x01, NO_ATTRS))},
    {"no version",                   ESTOC_E_MALFORMED, BYTES(DER(0x30, NO_ATTRS))},
    {"no attributes",                ESTOC_E_MALFORMED, BYTES(DER(0x30, VERSION))},
    {"attributes under [0]",         ESTOC_E_MALFORMED, BYTES(DER(0x30, VERSION, NIL(0xa0)))},
    {"a key under [2]",              ESTOC_E_MALFORMED, BYTES(DER(0x30, VERSION, DER(0xa2, ED25519), NO_ATTRS))},
    {"an empty key",                 ESTOC_E_MALFORMED, BYTES(DER(0x30, VERSION, NIL(0xa0), NO_ATTRS))},
    {"more behind the placeholder",  ESTOC_E_MALFORMED, BYTES(DER(0x30, VERSION, DER(0xa0, ED25519, DER(0x03, 0, 1), NIL(0x05)), NO_ATTRS))},
    {"more behind the attributes",   ESTOC_E_MALFORMED, BYTES(DER(0x30, VERSION, NO_ATTRS, NIL(0x05)))},
    {"an RDN of two attributes",     ESTOC_E_MALFORMED, BYTES(DER(0x30, VERSION, DER(0x30, DER(0x31, DER(0x30, DER(0x06, 0x55, 0x04, 0x03)), DER(0x30, DER(0x06, 0x55, 0x04, 0x05)))), NO_ATTRS))},
    {"an empty RDN",                 ESTOC_E_MALFORMED, BYTES(DER(0x30, VERSION, DER(0x30, NIL(0x31)), NO_ATTRS))},
    {"two values in an RDN",         ESTOC_E_MALFORMED, BYTES(DER(0x30, VERSION, DER(0x30, DER(0x31, DER(0x30, DER(0x06, 0x55, 0x04, 0x03), DER(0x0c, 'a'), DER(0x0c, 'b')))), NO_ATTRS))},
    {"a bare OID for an attribute",  ESTOC_E_MALFORMED, BYTES(DER(0x30, VERSION, DER(0xa1, DER(0x06, 0x2a, 0x03))))},
    {"no extension in the list",     ESTOC_E_MALFORMED, BYTES(DER(0x30, VERSION, DER(0xa1, DER(0x30, EXT_OID, DER(0x31, NIL(0x30))))))},
    {"two lists in one attribute",   ESTOC_E_MALFORMED, BYTES(DER(0x30, VERSION, DER(0xa1, DER(0x30, EXT_OID, DER(0x31, DER(0x30, ONE_EXT(0x11)), DER(0x30, ONE_EXT(0x25)))))))},
    {"an extension twice",           ESTOC_E_MALFORMED, BYTES(DER(0x30, VERSION, DER(0xa1, EXTS(ONE_EXT(0x11), ONE_EXT(0x11)))))},
    {"an empty value",               ESTOC_E_MALFORMED, BYTES(DER(0x30, VERSION, DER(0xa1, EXTS(DER(0x30, DER(0x06, 0x55, 0x1d, 0x11), NIL(0x04))))))},
    {"two templates of extensions",  ESTOC_E_MALFORMED, BYTES(DER(0x30, VERSION, DER(0xa1, EXTS(ONE_EXT(0x11)), EXTS(ONE_EXT(0x25)))))},
    {"both kinds of extensions",     ESTOC_E_MALFORMED, BYTES(DER(0x30, VERSION, DER(0xa1, REQS(ONE_EXT(0x11)), EXTS(ONE_EXT(0x25)))))},
};
/* clang-format on */

#endif
