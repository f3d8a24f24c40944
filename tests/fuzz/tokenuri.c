/* SPDX-License-Identifier: MIT
 *
 * Input: a pkcs11: URI.
 */
#include <string.h>

#include "check.h"
#include "token.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    estoc_token_uri uri;
    estoc_why why = {""};
    CHECK(text != NULL);
    if (size > 0) {
        memcpy(text, data, size);
    }
    text[size] = '\0';
    estoc_err err = estoc_token_uri_parse(text, &uri, &why);
    CHECK(err == ESTOC_OK || (err == ESTOC_E_KEY && why.text[0] != '\0'));
    if (!err) {
        CHECK(strncmp(uri.object, "pkcs11:", 7) == 0 && strchr(uri.object, '?') == NULL);
        CHECK(strncmp(text, uri.object, strlen(uri.object)) == 0);
        CHECK(strlen(uri.module) <= strlen(text) && strlen(uri.pin_source) <= strlen(text));
        CHECK(strncmp(text + strlen(uri.object), "?pin-value=", 11) != 0);
    }
    free(text);
    return 0;
}
