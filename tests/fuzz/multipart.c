/* SPDX-License-Identifier: MIT
 *
 * Input: application/multipart-core. What is taken is built again in the fewest bytes, and is then the
 * same parts.
 */
#include <string.h>

#include <estoc/multipart.h>

#include "check.h"

enum { PARTS = 16 };

static void check_refused(const estoc_part *parts, size_t n, estoc_err err)
{
    CHECK(err == ESTOC_E_TRUNCATED || err == ESTOC_E_MALFORMED || err == ESTOC_E_TRAILING ||
          err == ESTOC_E_LIMIT);
    CHECK(n == 0);
    for (size_t i = 0; i < PARTS; i++) {
        CHECK(parts[i].format == 0 && parts[i].body.len == 0 && parts[i].body.ptr == NULL);
        CHECK(!parts[i].absent);
    }
}

static void check_same(const estoc_part *parts, size_t n, estoc_slice cbor)
{
    estoc_part again[PARTS];
    size_t got = n;
    CHECK(estoc_multipart_parse(cbor, again, &got) == ESTOC_OK && got == n);
    for (size_t i = 0; i < n; i++) {
        CHECK(parts[i].format == again[i].format && parts[i].absent == again[i].absent);
        CHECK(estoc_slice_eq(parts[i].body, again[i].body));
    }
}

/* In blocks of their exact size, so that a sanitizer sees a write past them. */
static void check_written(const estoc_part *parts, size_t n, size_t size)
{
    size_t need, len;
    uint8_t *room = malloc(size);
    CHECK(room != NULL);
    CHECK(estoc_multipart_build(parts, n, (estoc_buf){room, size}, &need) == ESTOC_OK);
    CHECK(need > 0 && need <= size);
    check_same(parts, n, estoc_slice_of(room, need));
    free(room);
    room = malloc(need - 1);
    CHECK(room != NULL || need == 1);
    CHECK(estoc_multipart_build(parts, n, (estoc_buf){room, need - 1}, &len) == ESTOC_E_SPACE);
    CHECK(len == 0);
    free(room);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    estoc_slice input = estoc_slice_of(data, size);
    estoc_part parts[PARTS];
    size_t n = PARTS;
    memset(parts, 0xa5, sizeof parts);
    estoc_err err = estoc_multipart_parse(input, parts, &n);
    if (err != ESTOC_OK) {
        check_refused(parts, n, err);
        return 0;
    }
    CHECK(n <= PARTS);
    for (size_t i = 0; i < n; i++) {
        CHECK(check_inside(parts[i].body, input) && (!parts[i].absent || parts[i].body.len == 0));
    }
    check_written(parts, n, size);
    return 0;
}
