/* SPDX-License-Identifier: MIT
 *
 * Input: certs-only CMS. What is taken is built again, and is then the same certificates.
 */
#include <string.h>

#include <estoc/cert.h>

#include "check.h"

enum { CERTS = 8 };

static void check_refused(const estoc_slice *certs, size_t n, estoc_err err)
{
    CHECK(err == ESTOC_E_TRUNCATED || err == ESTOC_E_MALFORMED || err == ESTOC_E_TRAILING ||
          err == ESTOC_E_LIMIT);
    CHECK(n == 0);
    for (size_t i = 0; i < CERTS; i++) {
        CHECK(certs[i].ptr == NULL && certs[i].len == 0);
    }
}

/* In a block of `cap` bytes, so that a sanitizer sees a write past it. */
static void check_room(const estoc_slice *certs, size_t n, size_t cap, size_t need)
{
    uint8_t *room = malloc(cap);
    CHECK(room != NULL);
    size_t len;
    estoc_err err = estoc_certs_build(certs, n, (estoc_buf){room, cap}, &len);
    CHECK(err == (cap < need ? ESTOC_E_SPACE : ESTOC_OK) && len == (cap < need ? 0 : need));
    if (!err) {
        estoc_slice again[CERTS];
        size_t got = n;
        CHECK(estoc_certs_parse(estoc_slice_of(room, len), again, &got) == ESTOC_OK && got == n);
        for (size_t i = 0; i < n; i++) {
            CHECK(estoc_slice_eq(certs[i], again[i]));
        }
    }
    free(room);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    estoc_slice input = estoc_slice_of(data, size);
    estoc_slice certs[CERTS];
    size_t n = CERTS;
    memset(certs, 0xa5, sizeof certs);
    estoc_err err = estoc_certs_parse(input, certs, &n);
    if (err != ESTOC_OK) {
        check_refused(certs, n, err);
        return 0;
    }
    CHECK(n >= 1 && n <= CERTS);
    size_t all = 0;
    for (size_t i = 0; i < n; i++) {
        CHECK(check_inside(certs[i], input) && estoc_cert_length(certs[i]) == certs[i].len);
        CHECK(i == 0 || certs[i].ptr == certs[i - 1].ptr + certs[i - 1].len);
        all += certs[i].len;
    }
    size_t need = 0;
    uint8_t *room = malloc(all + 64);
    CHECK(room != NULL);
    CHECK(estoc_certs_build(certs, n, (estoc_buf){room, all + 64}, &need) == ESTOC_OK);
    free(room);
    check_room(certs, n, need, need);
    check_room(certs, n, need - 1, need);
    return 0;
}
