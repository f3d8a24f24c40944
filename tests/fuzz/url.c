/* SPDX-License-Identifier: MIT
 *
 * Input: the URL of an EST server.
 */
#include <string.h>

#include "check.h"
#include "conf_value.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char out[256], again[256];
    char *text = malloc(size + 1);
    CHECK(text != NULL);
    if (size > 0) {
        memcpy(text, data, size);
    }
    text[size] = '\0';
    if (estoc_conf_https(text, out, sizeof out)) {
        size_t len = strlen(out);
        CHECK(strncmp(out, "https://", 8) == 0 && strncmp(text, out, len) == 0);
        CHECK(out[len - 1] != '/' && strchr(out + 8, '/') != NULL);
        CHECK(strpbrk(out, "?#\\\"<> ") == NULL);
        CHECK(memchr(out, '@', strcspn(out + 8, "/") + 8) ==
              NULL); /* no password goes into a log */
        CHECK(estoc_conf_https(out, again, sizeof again) && strcmp(out, again) == 0);
    }
    free(text);
    return 0;
}
