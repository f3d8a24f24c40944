/* SPDX-License-Identifier: MIT
 *
 * Keys made by the server: its answers taken apart, and a process searched for what must not be in it.
 */
#ifndef ESTOC_TEST_KEYS_H
#define ESTOC_TEST_KEYS_H

#include "fixture.h"

/** A multipart-core answer with a key and a certificate. */
typedef struct made {
    body key, cert;
    int key_format, cert_format;
} made;
/** Take [format, key, format, certificate] apart, to the byte. Fails the test if it is anything else. */
void made_read(const body *answer, made *m);
/** The PKCS#8 key of format 284. */
EVP_PKEY *made_key(const body *pkcs8);
/** The certificate, which must be for this key and lead to the anchors. */
X509 *made_cert(const made *m, EVP_PKEY *key, const char *ta_file);
/** POST a CSR to /skg or /skc, which must be answered 2.04 in format 62. */
void made_get(peer *p, const char *path, const body *csr, int szx, made *m);

/* How a request names the key to which the new one is to be encrypted. */
#define SYMMETRIC  "1.2.840.113549.1.9.16.2.37"
#define ASYMMETRIC "1.2.840.113549.1.9.16.2.54"
/** A request of the owner of a certificate, for a key that is encrypted to another. RFC 7030 section 4.4.1
 *  @param caps  OIDs with blanks between; NULL: no SMIMECapabilities
 *  @param kind  SYMMETRIC, ASYMMETRIC, or NULL: no key named */
void wishing_csr_of(const char *own_file, const char *caps, const char *kind, const body *id,
                    body *csr);

/** How often the private key stands in a process's memory, in either order of bytes. */
unsigned key_in_process(pid_t pid, EVP_PKEY *key);
/** The same for a file; DER and PEM too. */
unsigned key_in_file(const char *file, EVP_PKEY *key);

#endif
