/* SPDX-License-Identifier: MIT */
#include <estoc/cert.h>

#include "coap/rows.h"
#include "est/answers.h"
#include "text.h"

enum { CERTS = 4 };
static uint8_t room[300000];
static estoc_slice certs[CERTS];

static estoc_err parse(estoc_slice cms, size_t *n)
{
    memset(certs, 0xa5, sizeof certs);
    *n = CERTS;
    return estoc_certs_parse(cms, certs, n);
}

static void assert_none(size_t n)
{
    assert_int_equal(n, 0);
    for (size_t i = 0; i < CERTS; i++) {
        assert_null(certs[i].ptr);
        assert_int_equal(certs[i].len, 0);
    }
}

/* In memory of the exact size. */
static estoc_err parse_exact(estoc_slice cms, size_t *n)
{
    uint8_t *exact = exact_copy(cms);
    estoc_err err = parse(estoc_slice_of(exact, cms.len), n);
    for (size_t i = 0; i < *n; i++) {
        assert_true(certs[i].ptr >= exact && certs[i].ptr + certs[i].len <= exact + cms.len);
    }
    if (err) {
        assert_none(*n);
    }
    free(exact);
    return err;
}

static void assert_built(estoc_slice expected, size_t n)
{
    size_t len = 9;
    assert_int_equal(estoc_certs_build(certs, n, (estoc_buf){room, sizeof room}, &len), 0);
    assert_bytes(estoc_slice_of(room, len), expected);
}

/* The answers have one certificate each, and are DER: built of it again they are the same bytes. */
static void one_certificate(void **state)
{
    (void)state;
    const estoc_slice vectors[] = {
        SLICE(rfc9148_a1_crts), SLICE(rfc9148_a2_sen),
        estoc_slice_sub(SLICE(rfc9148_a3_skg), sizeof rfc9148_a3_skg - 467, 467)};
    for (size_t i = 0; i < COUNT(vectors); i++) {
        size_t n;
        estoc_cert cert;
        assert_int_equal(parse(vectors[i], &n), 0);
        assert_int_equal(n, 1);
        assert_int_equal(certs[0].len, vectors[i].len - 49);
        assert_int_equal(estoc_cert_parse(&cert, certs[0]), 0);
        assert_built(vectors[i], n);
    }
}

static void root_change(void **state)
{
    (void)state;
    static const char *const subjects[] = {"CN=estExampleCA OwO", "CN=estExampleCA NwO",
                                           "CN=estExampleCA OwN", "CN=estExampleCA NwN"};
    size_t n;
    assert_int_equal(parse(SLICE(rfc7030_a1_cacerts), &n), 0);
    assert_int_equal(n, 4);
    for (size_t i = 0; i < n; i++) {
        estoc_cert cert;
        uint8_t text[64];
        assert_int_equal(estoc_cert_parse(&cert, certs[i]), 0);
        assert_string_equal(estoc_name_text(cert.subject, (estoc_buf){text, sizeof text}),
                            subjects[i]);
    }
    assert_built(SLICE(rfc7030_a1_cacerts), n);
}

static void every_room(void **state)
{
    (void)state;
    for (size_t n = 0; n < CERTS; n++) {
        memset(certs, 0xa5, sizeof certs);
        size_t got = n;
        assert_int_equal(estoc_certs_parse(SLICE(rfc7030_a1_cacerts), certs, &got), ESTOC_E_LIMIT);
        assert_int_equal(got, 0);
        for (size_t i = 0; i < CERTS; i++) { /* emptied, and nothing behind the room touched */
            assert_int_equal(certs[i].len == 0, i < n);
        }
    }
}

static void every_truncation(void **state)
{
    (void)state;
    for (size_t len = 0; len < sizeof rfc9148_a1_crts; len++) {
        size_t n;
        assert_int_equal(parse_exact(estoc_slice_of(rfc9148_a1_crts, len), &n), ESTOC_E_TRUNCATED);
    }
}

static void malformed(void **state)
{
    const struct cms_row *row = *state;
    size_t n;
    assert_int_equal(parse_exact(cms_of_row(row, (estoc_buf){room, sizeof room}), &n), row->err);
}

static void malformed_other(void **state)
{
    const struct malformed_value *row = *state;
    size_t n;
    assert_int_equal(parse_exact(row->bytes, &n), row->err);
}

static void wellformed(void **state)
{
    static const uint8_t first[] = {CERT_2};
    static const uint8_t second[] = {CERT_1};
    size_t n;
    assert_int_equal(parse_exact(cms_of_row(*state, (estoc_buf){room, sizeof room}), &n), 0);
    assert_int_equal(n, 2);
    assert_int_equal(parse(cms_of_row(*state, (estoc_buf){room, sizeof room}), &n), 0);
    assert_bytes(certs[0], SLICE(first));
    assert_bytes(certs[1], SLICE(second));
}

static void builds_into_every_room(void **state)
{
    (void)state;
    static uint8_t small[sizeof rfc9148_a1_crts];
    estoc_slice cert = estoc_slice_sub(SLICE(rfc9148_a1_crts), 45, 589);
    for (size_t cap = 0; cap <= sizeof small; cap++) {
        uint8_t *exact = malloc(cap > 0 ? cap : 1);
        assert_non_null(exact);
        size_t len = 9;
        estoc_err err = estoc_certs_build(&cert, 1, (estoc_buf){exact, cap}, &len);
        assert_int_equal(err, cap < sizeof small ? ESTOC_E_SPACE : ESTOC_OK);
        assert_int_equal(len, cap < sizeof small ? 0 : sizeof small);
        free(exact);
    }
}

/* Certificates of sizes around those where another length byte is needed. */
static void builds_every_length(void **state)
{
    (void)state;
    static uint8_t in[70000];
    static const uint8_t zeros[65536];
    static const size_t sizes[] = {0,   1,   70,  90,  110,   126,   127,  128,
                                   200, 230, 255, 256, 65500, 65535, 65536};
    for (size_t i = 0; i < COUNT(sizes); i++) {
        estoc_writer w = estoc_writer_of((estoc_buf){in, sizeof in});
        size_t len = 9, n;
        estoc_der_put(&w, ESTOC_DER_SEQUENCE, estoc_slice_of(zeros, sizes[i]));
        const estoc_slice three[] = {estoc_writer_slice(&w), estoc_writer_slice(&w),
                                     estoc_writer_slice(&w)};
        assert_int_equal(estoc_certs_build(three, 3, (estoc_buf){room, sizeof room}, &len), 0);
        assert_int_equal(parse(estoc_slice_of(room, len), &n), 0);
        assert_int_equal(n, 3);
        assert_bytes(certs[2], three[2]);
    }
}

static void builds_no_nonsense(void **state)
{
    (void)state;
    static const uint8_t good[] = {CERT_1};
    static const uint8_t two[] = {CERT_1, CERT_2};
    static const uint8_t set[] = {DER(0x31, 1)};
    const estoc_slice bad[] = {{NULL, 0}, SLICE(two), SLICE(set), estoc_slice_of(good, 4)};
    estoc_buf out = {room, sizeof room};
    size_t len = 9;
    assert_int_equal(estoc_certs_build(NULL, 0, out, &len), ESTOC_E_USAGE);
    assert_int_equal(len, 0);
    for (size_t i = 0; i < COUNT(bad); i++) {
        const estoc_slice list[] = {SLICE(good), bad[i]};
        len = 9;
        assert_int_equal(estoc_certs_build(list, 2, out, &len), ESTOC_E_USAGE);
        assert_int_equal(len, 0);
    }
    const estoc_slice list[] = {SLICE(good), SLICE(good)};
    assert_int_equal(estoc_certs_build(list, 2, out, &len), 0);
}

/* clang-format off */
static const struct CMUnitTest tests[] = {
    {"E1 RFC 9148 A.1 to A.3: read, and built byte for byte",  one_certificate, NULL, NULL, NULL},
    {"E2 RFC 7030 A.1: four, read and built byte for byte",    root_change, NULL, NULL, NULL},
    {"every room that is too small",                           every_room, NULL, NULL, NULL},
    {"cut at every byte",                                      every_truncation, NULL, NULL, NULL},
    {"built into every size of buffer",                        builds_into_every_room, NULL, NULL, NULL},
    {"built with lengths of one to four bytes",                builds_every_length, NULL, NULL, NULL},
    {"built of no certificate, or of what is none",            builds_no_nonsense, NULL, NULL, NULL},
};
/* clang-format on */

int main(void)
{
    for (size_t i = 0; i < COUNT(malformed_cms); i++) {
        rows_add("E1 refused:", malformed_cms[i].name, malformed, &malformed_cms[i]);
    }
    for (size_t i = 0; i < COUNT(malformed_ber); i++) {
        rows_add("E1 refused:", malformed_ber[i].name, malformed_other, &malformed_ber[i]);
    }
    for (size_t i = 0; i < COUNT(wellformed_cms); i++) {
        rows_add("E1 taken:", wellformed_cms[i].name, wellformed, &wellformed_cms[i]);
    }
    return rows_run("certs", tests, COUNT(tests));
}
