/* estoc: EST over CoAPS (RFC 9148).  SPDX-License-Identifier: MIT
 *
 * Errors, names, alternative names, object identifiers and times in the text they have for people and
 * in certificates. For the programs: a device has nobody to read them and issues nothing. Nothing
 * here allocates or keeps state; any thread may call it.
 */
#ifndef ESTOC_TEXT_H
#define ESTOC_TEXT_H

#include <estoc/csr.h>

/** What went wrong, in words an operator or a device developer can act on.
 *  @return a static string, never NULL; "unknown error" for a number not listed above            */
const char *estoc_err_text(estoc_err err);

/** The CoAP response code that tells a client about `err`.                 RFC 9148 section 4.5
 *  @return a code of class 4 or 5 (never 0); 5.00 for anything that is our own failure            */
uint8_t estoc_err_coap_code(estoc_err err);

/** A Name as text, RFC 4514 order and escapes ("CN=a,O=b"), NUL-terminated; for logs and lists.
 *  What does not fit is cut, between characters; a malformed name gives "?".
 *  @return `out.ptr` as text                                                                       */
const char *estoc_name_text(estoc_slice name_der, estoc_buf out);
/** Build a Name from text such as "CN=dev-1,O=Example" or "/CN=dev-1/O=Example" ; attributes CN, SN
 *  (serialNumber as `serialNumber`), O, OU, C, ST, L, DC, UID, emailAddress. A backslash escapes the
 *  character behind it, or stands with two hexadecimal digits for a byte; a plus must be escaped.
 *  In the comma form the last RDN is written first (RFC 4514); in the slash form as they stand.
 *  @return 0; ESTOC_E_MALFORMED; ESTOC_E_LIMIT; ESTOC_E_SPACE                                       */
ESTOC_MUST_USE estoc_err estoc_name_build(const char *text, estoc_buf out, size_t *len);

/** The OID's value bytes of an attribute type by one of the names above; empty: there is no such. */
estoc_slice estoc_name_type(estoc_slice name);
/** How many attributes of this type a Name has that estoc_name_check has passed.
 *  @param[out] value  the first one's characters; empty if there is none                           */
size_t estoc_name_find(estoc_slice name_der, estoc_slice type, estoc_slice *value);
/** Put one RDN of a type that estoc_name_type gave. The value is taken as it is, as the kind of string
 *  that the type has; whether it can be one, estoc_name_check tells.                               */
void estoc_name_put(estoc_writer *w, estoc_slice type, estoc_slice value);

/** Whether a text is a pattern for subjects: TYPE=GLOB, or several joined by `+`, all of which are to
 *  match, each some attribute of its type. In a GLOB `*` is any characters, none included, and `?` is
 *  one; a backslash takes from the character behind it what it means.                              */
bool estoc_subject_pattern_good(estoc_slice pattern);
/** Whether a Name that estoc_name_check has passed matches a good pattern, to the letter. */
bool estoc_subject_matches(estoc_slice pattern, estoc_slice name_der);

/** Whether a text is a host's name: labels of letters, digits and hyphens; the first may be an asterisk.
 *                                                          RFC 1123 section 2.1, RFC 6125 section 6.4 */
bool estoc_text_is_host(estoc_slice text);
/** An absolute URI, of characters that may stand in one.                    RFC 3986 section 3 */
bool estoc_text_is_uri(estoc_slice text);
/** A mailbox of plain characters at a host without an asterisk. */
bool estoc_text_is_mailbox(estoc_slice text);

/** Put one GeneralName from text: `dns:NAME`, `ip:ADDRESS`, `uri:URI`, `email:ADDRESS`; without a
 *  prefix an address if it reads as one, else a DNS name.
 *  @param blank  a prefix alone is an empty name of that kind
 *  @return whether it is one                                                                       */
bool estoc_san_put(estoc_writer *w, const char *name, bool blank);
/** The same the other way, visible characters only, cut to fit; "[4]" for other kinds. @return out */
const char *estoc_san_text(const estoc_der *name, char *out, size_t cap);

/** An OID's dotted text, NUL-terminated, cut to fit; "?" for a malformed one. */
const char *estoc_oid_text(estoc_slice oid, estoc_buf out);
/** OID value bytes from dotted text: at most 128, numbers below 2^63.
 *  @return 0; ESTOC_E_MALFORMED; ESTOC_E_SPACE                                                   */
ESTOC_MUST_USE estoc_err estoc_oid_build(const char *text, estoc_buf out, size_t *len);

/** A time in DER: UTCTime to 2049, GeneralizedTime from 2050.           RFC 5280 section 4.1.2.5
 *  ESTOC_E_USAGE sticks before 1950 and after 9999.                                                */
void estoc_der_put_time(estoc_writer *w, int64_t unix_s);

#endif
