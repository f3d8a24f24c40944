/* SPDX-License-Identifier: MIT
 *
 * Input: DER elements one after another, and, taken as a whole, a Name, a key, an AlgorithmIdentifier and
 * a name as text. What is taken is written again byte for byte.
 */
#include <string.h>

#include <estoc/csr.h>

#include "check.h"
#include "text.h"

static uint8_t room[1 << 20];

/* The value read as its type, and written. */
static void check_value(const estoc_der *el)
{
    estoc_reader r = estoc_reader_of(el->whole);
    estoc_writer w = estoc_writer_of((estoc_buf){room, sizeof room});
    int64_t t = 0;
    switch (el->tag) {
    case ESTOC_DER_INTEGER:
        estoc_der_put_u32(&w, estoc_der_u32(&r));
        break;
    case ESTOC_DER_BIT_STRING:
        estoc_der_put_bits(&w, estoc_der_bits(&r));
        break;
    case ESTOC_DER_OID: {
        estoc_slice oid = estoc_der_oid(&r);
        CHECK(r.err != ESTOC_OK || (oid.len > 0 && oid.len <= 128 && estoc_der_oid_valid(oid)));
        estoc_der_put(&w, ESTOC_DER_OID, oid);
        break;
    }
    case ESTOC_DER_BOOLEAN:
        estoc_der_put_bool(&w, estoc_der_bool(&r));
        break;
    case ESTOC_DER_UTC_TIME:
    case ESTOC_DER_GENERALIZED_TIME:
        t = estoc_der_time(&r);
        if (r.err == ESTOC_OK && (t >= 2524608000) != (el->tag == ESTOC_DER_GENERALIZED_TIME)) {
            return; /* well formed, but 2050 decides which of the two is written */
        }
        estoc_der_put_time(&w, t);
        break;
    default:
        return;
    }
    if (r.err != ESTOC_OK) {
        CHECK(r.err == ESTOC_E_MALFORMED);
        return;
    }
    CHECK(estoc_reader_end(&r) == ESTOC_OK && w.err == ESTOC_OK);
    CHECK(estoc_slice_eq(estoc_writer_slice(&w), el->whole));
}

/* Put in one go, and opened and closed. */
static void check_written(const estoc_der *el)
{
    estoc_writer w = estoc_writer_of((estoc_buf){room, el->whole.len});
    estoc_der_put(&w, el->tag, el->value);
    CHECK(estoc_slice_eq(estoc_writer_slice(&w), el->whole));
    memset(room, 0, el->whole.len);
    w = estoc_writer_of((estoc_buf){room, el->whole.len});
    size_t mark = estoc_der_open(&w, el->tag);
    estoc_der_put_raw(&w, el->value);
    estoc_der_close(&w, mark);
    CHECK(estoc_slice_eq(estoc_writer_slice(&w), el->whole));
    w = estoc_writer_of((estoc_buf){room, el->whole.len - 1});
    estoc_der_put(&w, el->tag, el->value);
    CHECK(w.err == ESTOC_E_SPACE);
}

/* The elements, and those in the first constructed one, and so on. */
static void check_elements(estoc_slice input)
{
    estoc_der el;
    while (input.len > 0) {
        estoc_reader r = estoc_reader_of(input);
        estoc_slice deeper = {NULL, 0};
        while (estoc_reader_left(&r) > 0) {
            CHECK(estoc_der_peek(&r) == r.rest.ptr[0]);
            if (!estoc_der_next(&r, &el)) {
                CHECK(r.err == ESTOC_E_MALFORMED || r.err == ESTOC_E_TRUNCATED);
                CHECK(el.tag == 0 && el.value.len == 0 && el.whole.len == 0);
                break;
            }
            CHECK(check_inside(el.whole, input) && check_inside(el.value, el.whole));
            check_value(&el);
            check_written(&el);
            deeper = deeper.len == 0 && (el.tag & 0x20) != 0 ? el.value : deeper;
        }
        input = deeper;
    }
}

/* Its text fits or is cut, and what is built from the whole of it is the same name if it is of types
 * and strings that the builder writes. */
static void check_name(estoc_slice name)
{
    static char text[1 << 16];
    char again[1 << 9];
    size_t len;
    estoc_err err = estoc_name_check(name);
    estoc_name_text(name, (estoc_buf){(uint8_t *)text, sizeof text});
    if (err != ESTOC_OK) {
        CHECK(err == ESTOC_E_TRUNCATED || err == ESTOC_E_MALFORMED || err == ESTOC_E_LIMIT);
        CHECK(strcmp(text, "?") == 0);
        return;
    }
    CHECK(memchr(text, 0, sizeof text) != NULL);
    for (size_t cap = 1; cap < sizeof again; cap = cap * 2 + 1) {
        estoc_name_text(name, (estoc_buf){(uint8_t *)again, cap});
        CHECK(memchr(again, 0, cap) != NULL && strncmp(again, text, strlen(again)) == 0);
    }
    if (estoc_name_build(text, (estoc_buf){room, sizeof room}, &len) == ESTOC_OK) {
        CHECK(estoc_name_check(estoc_slice_of(room, len)) == ESTOC_OK);
        static char built[1 << 16];
        estoc_name_text(estoc_slice_of(room, len), (estoc_buf){(uint8_t *)built, sizeof built});
        CHECK(strcmp(built, text) == 0);
    }
}

static void check_text(estoc_slice input)
{
    char text[513];
    size_t len, again;
    size_t n = input.len < sizeof text ? input.len : sizeof text - 1;
    if (n > 0) {
        memcpy(text, input.ptr, n);
    }
    text[n] = '\0';
    estoc_err err = estoc_name_build(text, (estoc_buf){room, sizeof room}, &len);
    if (err != ESTOC_OK) {
        CHECK(err == ESTOC_E_MALFORMED || err == ESTOC_E_LIMIT);
        CHECK(len == 0);
        return;
    }
    CHECK(estoc_name_check(estoc_slice_of(room, len)) == ESTOC_OK);
    CHECK(estoc_name_build(text, (estoc_buf){room, len}, &again) == ESTOC_OK && again == len);
    CHECK(estoc_name_build(text, (estoc_buf){room, len - 1}, &again) == ESTOC_E_SPACE);
}

static void check_key(estoc_slice der)
{
    estoc_spki spki;
    estoc_sig_kind sig;
    memset(&spki, 0xa5, sizeof spki);
    estoc_err err = estoc_spki_parse(&spki, der);
    CHECK((err == ESTOC_OK) == (spki.kind != ESTOC_KEY_UNKNOWN));
    CHECK(spki.der.len == (err == ESTOC_OK ? der.len : 0) && check_inside(spki.key, der));
    if (estoc_sig_alg_parse(der, &sig) == ESTOC_OK && sig != ESTOC_SIG_UNKNOWN) {
        estoc_writer w = estoc_writer_of((estoc_buf){room, sizeof room});
        estoc_sig_alg_put(&w, sig);
        CHECK(estoc_slice_eq(estoc_writer_slice(&w), der));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > sizeof room) {
        return 0;
    }
    estoc_slice input = estoc_slice_of(data, size);
    check_elements(input);
    check_name(input);
    check_text(input);
    check_key(input);
    return 0;
}
