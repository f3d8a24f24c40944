/* SPDX-License-Identifier: MIT
 *
 * Private keys that stay in a PKCS#11 token, named by a pkcs11: URI.                       RFC 7512
 */
#ifndef ESTOC_TOKEN_H
#define ESTOC_TOKEN_H

#include <openssl/evp.h>

#include "crypto.h"

/** What behind the `?` of a URI concerns us; the token is found by what is before it. */
typedef struct estoc_token_uri {
    char object[ESTOC_KEY_URI_MAX + 1];     /* pkcs11: and the path attributes */
    char module[ESTOC_KEY_URI_MAX + 1];     /* module-path, or "" */
    char pin_source[ESTOC_KEY_URI_MAX + 1]; /* a file's path, or "" */
} estoc_token_uri;

/** Take a URI apart. A PIN in it (pin-value) is refused: command lines and files are read by many.
 *  @return 0; ESTOC_E_KEY with `why` filled                                                        */
ESTOC_MUST_USE estoc_err estoc_token_uri_parse(const char *text, estoc_token_uri *uri,
                                               estoc_why *why);
/** What a PIN was read from, as far as one can see whether it has changed. All zero: nothing. */
typedef struct estoc_pin_file {
    uint64_t device, inode, size, seconds, nanoseconds;
} estoc_pin_file;
void estoc_token_pin_file(const char *text, estoc_pin_file *out);

/** Find the key and log in: by the PIN in the file of pin-source, or of $ESTOC_PIN_FILE.
 *  @param[out] pin_refused  the token is there, and will lock itself after a few such tries
 *  @return 0 and a reference; ESTOC_E_KEY; ESTOC_E_FILE (of the PIN); with `why` filled            */
ESTOC_MUST_USE estoc_err estoc_token_key(const char *text, EVP_PKEY **out, bool *pin_refused,
                                         estoc_why *why);
/** Free the reference to a key that was found, or NULL. */
void estoc_token_give_back(EVP_PKEY *native);

/** Whether the module is open, and may remember what is not so any more. */
bool estoc_token_in_use(void);
/** Close the module, so that the next search starts it anew. Nothing happens as long as a key that was
 *  found is not given back.                                                                        */
void estoc_token_forget(void);

#endif
