/* SPDX-License-Identifier: MIT
 *
 * CoAP messages as text, for -v and --trace. Never a payload: a CSR or an error text may pass, keys
 * could too; lengths and formats are enough to follow an exchange.
 */
#ifndef ESTOC_TRACE_H
#define ESTOC_TRACE_H

#include <estoc/coap.h>

/** One line without its end: type, message ID, code, path, token, options by their names, bytes of
 *  the payload and of all. For an error answer its diagnostic text, printable characters only. Cut to
 *  fit. @return out                                                                                */
const char *estoc_trace_text(estoc_slice message, char *out, size_t cap);
/** The same for a DTLS datagram: names of handshake messages, alerts, bytes.
 *  @return false: there is nothing in it but application data, which is CoAP and shown as such     */
bool estoc_trace_dtls(estoc_slice datagram, char *out, size_t cap);

#endif
