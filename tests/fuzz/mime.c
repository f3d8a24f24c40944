/* SPDX-License-Identifier: MIT
 *
 * Input: the value of a Content-Type up to the first NUL, then a body of multipart/mixed. What is taken is
 * built again, and is the same parts.
 */
#include <string.h>

#include <estoc/mime.h>

#include "check.h"

enum { PARTS = 4, PARAM = 32 };

static void look_into(estoc_slice type)
{
    uint8_t value[PARAM];
    size_t len;
    bool there = estoc_media_param(type, "smime-type", (estoc_buf){value, sizeof value}, &len);
    CHECK(len <= sizeof value && (there || len == 0));
    CHECK(!estoc_media_is(type, "application/pkcs8") ||
          !estoc_media_is(type, "application/pkcs7-mime"));
}

static void build_again(const estoc_mime_part *parts, size_t n, size_t size)
{
    static const char outside[] = "multipart/mixed; boundary=abc";
    size_t room = 2 * size + 1024;
    size_t len;
    size_t got = PARTS;
    estoc_mime_part back[PARTS];
    estoc_mime_part plain[PARTS];
    uint8_t *out = malloc(room);
    uint8_t *body = malloc(size + 1);
    CHECK(out != NULL && body != NULL);
    for (size_t i = 0; i < n; i++) { /* a type of its own, for those that came may be none */
        plain[i] = (estoc_mime_part){estoc_slice_str("a/b"), parts[i].body};
    }
    CHECK(estoc_mime_build(plain, n, "abc", (estoc_buf){out, room}, &len) == ESTOC_OK);
    CHECK(estoc_mime_parse(estoc_slice_str(outside), estoc_slice_of(out, len), back, &got) ==
          ESTOC_OK);
    CHECK(got == n);
    for (size_t i = 0; i < n; i++) {
        CHECK(estoc_media_is(back[i].type, "a/b"));
        CHECK(estoc_base64_read(back[i].body, (estoc_buf){body, size + 1}, &len) == ESTOC_OK);
        CHECK(estoc_slice_eq(estoc_slice_of(body, len), parts[i].body));
    }
    free(out);
    free(body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *nul = size > 0 ? memchr(data, '\0', size) : NULL;
    size_t head = nul != NULL ? (size_t)(nul - data) : size;
    estoc_slice type = estoc_slice_of(data, head);
    estoc_slice body = estoc_slice_sub(estoc_slice_of(data, size), head + 1, size);
    estoc_mime_part parts[PARTS];
    size_t n = PARTS;
    memset(parts, 0xa5, sizeof parts);
    look_into(type);
    estoc_err err = estoc_mime_parse(type, body, parts, &n);
    CHECK(err == ESTOC_OK || err == ESTOC_E_TRUNCATED || err == ESTOC_E_MALFORMED ||
          err == ESTOC_E_LIMIT);
    CHECK((err == ESTOC_OK) == (n > 0) && n <= PARTS);
    for (size_t i = 0; i < PARTS; i++) {
        CHECK(check_inside(parts[i].type, body) && check_inside(parts[i].body, body));
        CHECK(i < n || (parts[i].type.ptr == NULL && parts[i].body.len == 0));
        look_into(parts[i].type);
    }
    if (err == ESTOC_OK) {
        build_again(parts, n, size);
    }
    return 0;
}
