/* SPDX-License-Identifier: MIT
 *
 * TLS for EST over HTTPS: what a generation shows to its clients, and what they show. GnuTLS, as
 * libmicrohttpd has it, stays in here; keys stay with src/crypto, in files or tokens alike.
 */
#ifndef ESTOC_HTTPS_TLS_H
#define ESTOC_HTTPS_TLS_H

#include "generation.h"

/** TLS 1.2 and 1.3, ephemeral keys and authenticated ciphers only, in GnuTLS' words. RFC 9325 */
#define ESTOC_TLS_PRIORITIES                                                                \
    "SECURE128:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-KX-ALL:+ECDHE-ECDSA:-MAC-ALL:+AEAD:"    \
    "-CIPHER-ALL:+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305:-GROUP-ALL:+GROUP-SECP256R1:" \
    "+GROUP-X25519:+GROUP-SECP384R1"

/** Certificate and key of a generation; counted references, any thread. */
typedef struct estoc_tls_identity estoc_tls_identity;
/** @param g  held as long as it lives
 *  @return 0 with one reference; ESTOC_E_KEY (no key that TLS can use here), ESTOC_E_MALFORMED (a
 *          certificate), `why` is filled; ESTOC_E_MEMORY                                           */
ESTOC_MUST_USE estoc_err estoc_tls_identity_new(estoc_generation *g, estoc_tls_identity **out,
                                                estoc_why *why);
estoc_tls_identity *estoc_tls_identity_hold(estoc_tls_identity *id);
/** NULL is taken. */
void estoc_tls_identity_release(estoc_tls_identity *id);

/* `session` is a gnutls_session_t in all of these. */

/** Before the handshake: show this identity, which outlives the session, and ask for a certificate.
 *  @return false: no memory                                                                        */
bool estoc_tls_prepare(void *session, const estoc_tls_identity *id);
/** After it: the client's chain, as it came, its own certificate first; empty if it has shown none. It
 *  has proven its key; nothing else is checked. @return 0; ESTOC_E_MEMORY                           */
ESTOC_MUST_USE estoc_err estoc_tls_chain(void *session, estoc_blobs *chain);
/** tls-unique (D9). @param[out] len  0: there is none, as with TLS 1.3 */
void estoc_tls_unique(void *session, estoc_buf out, size_t *len);
/** "TLS1.3", for the log. */
const char *estoc_tls_version(void *session);

#endif
