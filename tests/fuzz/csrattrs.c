/* SPDX-License-Identifier: MIT
 *
 * Input: CSR attributes. What is taken is built again byte for byte, and so is each OID from its text.
 */
#include <string.h>

#include <estoc/csrattrs.h>

#include "check.h"
#include "text.h"

enum { ATTRS = 64, OID_LEN = 128 };

/* The text of an OID in a block of `cap` bytes is the beginning of all of it. */
static void check_cut(estoc_slice oid, const char *whole, size_t cap)
{
    uint8_t *room = malloc(cap);
    CHECK(room != NULL);
    const char *text = estoc_oid_text(oid, (estoc_buf){room, cap});
    size_t len = strlen(whole) < cap ? strlen(whole) : cap - 1;
    CHECK(strlen(text) == len && memcmp(text, whole, len) == 0);
    free(room);
}

static void check_oid(estoc_slice oid)
{
    uint8_t text[OID_LEN * 4];
    uint8_t back[OID_LEN];
    size_t len;
    const char *whole = estoc_oid_text(oid, (estoc_buf){text, sizeof text});
    CHECK(whole == (char *)text && strlen(whole) >= 3 && strlen(whole) < sizeof text - 1);
    CHECK(estoc_oid_build(whole, (estoc_buf){back, sizeof back}, &len) == ESTOC_OK);
    CHECK(estoc_slice_eq(estoc_slice_of(back, len), oid));
    check_cut(oid, whole, 1);
    check_cut(oid, whole, strlen(whole));
    check_cut(oid, whole, strlen(whole) + 1);
}

/* Any bytes as text. */
static void check_text(estoc_slice input)
{
    char text[256];
    uint8_t oid[OID_LEN];
    size_t len = input.len < sizeof text - 1 ? input.len : sizeof text - 1;
    if (len > 0) {
        memcpy(text, input.ptr, len);
    }
    text[len] = '\0';
    estoc_err err = estoc_oid_build(text, (estoc_buf){oid, sizeof oid}, &len);
    if (err != ESTOC_OK) {
        CHECK(len == 0 && (err == ESTOC_E_MALFORMED || err == ESTOC_E_SPACE));
        return;
    }
    uint8_t again[OID_LEN * 4];
    CHECK(estoc_der_oid_valid(estoc_slice_of(oid, len)));
    const char *t = estoc_oid_text(estoc_slice_of(oid, len), (estoc_buf){again, sizeof again});
    CHECK(strcmp(t, text) == 0);
}

static void check_room(const estoc_csrattr *attrs, size_t n, estoc_slice der, size_t cap)
{
    uint8_t *room = malloc(cap);
    CHECK(room != NULL);
    size_t len;
    estoc_err err = estoc_csrattrs_build(attrs, n, (estoc_buf){room, cap}, &len);
    if (cap < der.len) {
        CHECK(err == ESTOC_E_SPACE && len == 0);
    } else {
        CHECK(err == ESTOC_OK && estoc_slice_eq(estoc_slice_of(room, len), der));
    }
    free(room);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    estoc_slice input = estoc_slice_of(data, size);
    estoc_csrattr attrs[ATTRS];
    estoc_csrattr attr;
    estoc_reader r;
    size_t n = 0;
    check_text(input);
    estoc_err err = estoc_csrattrs_begin(input, &r);
    CHECK(err == r.err);
    while (estoc_csrattrs_next(&r, &attr)) {
        CHECK(!err && check_inside(attr.oid, input) && check_inside(attr.values, input));
        CHECK(attr.is_attribute == (attr.values.len > 0));
        check_oid(attr.oid);
        if (n < ATTRS) {
            attrs[n] = attr;
        }
        n++;
    }
    CHECK(attr.oid.len == 0 && attr.values.len == 0 && !attr.is_attribute && r.rest.len == 0);
    CHECK(!r.err || r.err == ESTOC_E_MALFORMED || r.err == err);
    if (!r.err && n <= ATTRS) {
        check_room(attrs, n, input, size);
        check_room(attrs, n, input, size - 1);
    }
    return 0;
}
