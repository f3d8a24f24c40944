/* SPDX-License-Identifier: MIT
 *
 * Values of estocd.conf as text: numbers, times, keys, CSR attributes. No value has decoration that
 * is not spelled out here: no sign, no blanks inside, nothing behind.
 */
#ifndef ESTOC_CONF_VALUE_H
#define ESTOC_CONF_VALUE_H

#include <estoc/bytes.h>

/** The next word of a list, without the blanks around it, and `*text` behind its separator, or NULL.
 *  @return false: the list is over                                                                 */
bool estoc_conf_word(const char **text, char separator, estoc_slice *word);
/** An OID's value bytes from one of the names known here, or from dotted text.
 *  @return 0; ESTOC_E_MALFORMED; ESTOC_E_LIMIT; ESTOC_E_SPACE                                      */
ESTOC_MUST_USE estoc_err estoc_conf_oid(estoc_slice word, estoc_buf out, size_t *len);
/** A decimal number. @return whether it is one from min to max */
bool estoc_conf_number(const char *text, uint64_t min, uint64_t max, uint64_t *out);
/** A number and its unit, "90d"; without a unit, seconds. Units: ms, s, m, h, d, w, y (365 days).
 *  @return whether it is one; in milliseconds, below 2^63                                          */
bool estoc_conf_time(const char *text, uint64_t *ms);
/** Bits a second, "100k": a number, and k, M or G for thousands, millions, thousands of them. "0" is
 *  one. @return whether it is a number of at most 32 bits                                           */
bool estoc_conf_bits(const char *text, uint32_t *bits);
/** A time the other way, in the largest unit that divides it: "90d". @return out */
const char *estoc_conf_time_text(uint64_t ms, char *out, size_t cap);

/** Copy the URL of an EST server, without the slashes at its end: https, a host, perhaps a port, and a
 *  path. @return whether it is such a one, without user, query or fragment, and fits            */
bool estoc_conf_https(const char *text, char *out, size_t cap);

#define ESTOC_CONF_KEYS "P-256, P-384, Ed25519, RSA, or RSA-3072 for the least bits, 2048 to 4096"
/** A list such as "P-256, RSA-3072", as ESTOC_KEY_BITs. @return whether it is one
 *  @param[out] rsa_bits  the least of an RSA key; 0: none is named                                  */
bool estoc_conf_keys(const char *text, unsigned *bits, uint32_t *rsa_bits);

/** CSR attributes in DER from text: OIDs by name or by number, separated by commas; after an OID and
 *  a colon each, the values of an attribute: OIDs, or a number. RFC 7030 section 4.5.2
 *      challengePassword, ecPublicKey:secp256r1, rsaEncryption:3072, 1.2.3.4
 *  @param[out] what  on failure the part that is wrong; static until the next call
 *  @return 0; ESTOC_E_MALFORMED (no such name, no OID); ESTOC_E_STATE (given twice); ESTOC_E_LIMIT
 *          (over 16 attributes, 8 values of one, or 64 characters of a name); ESTOC_E_SPACE        */
ESTOC_MUST_USE estoc_err estoc_conf_attributes(const char *text, estoc_buf out, size_t *len,
                                               const char **what);
/** The template of a request, the attribute with its OID and value, in DER, from text. Parts separated
 *  by commas; what has no value is for the client to fill in. RFC 9908 section 3.4
 *      CN, OU=Sensors, P-256, SAN=dns:, SAN=ip:192.0.2.1, KU=digitalSignature, EKU
 *  @param[out] what  on failure the part that is wrong; static until the next call
 *  @return 0; ESTOC_E_MALFORMED; ESTOC_E_STATE (given twice); ESTOC_E_LIMIT; ESTOC_E_SPACE          */
ESTOC_MUST_USE estoc_err estoc_conf_request(const char *text, estoc_buf out, size_t *len,
                                            const char **what);

#endif
