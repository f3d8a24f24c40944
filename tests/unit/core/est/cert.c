/* SPDX-License-Identifier: MIT */
#include <estoc/cert.h>

#include "coap/rows.h"
#include "est/answers.h"
#include "text.h"

static uint8_t room[4096];

static void assert_zeroed(const estoc_cert *c)
{
    static const estoc_cert zero;
    assert_memory_equal(c, &zero, sizeof zero);
}

static bool inside(estoc_slice part, estoc_slice all)
{
    return part.len == 0 ||
           (part.ptr >= all.ptr && part.len <= all.len && part.ptr + part.len <= all.ptr + all.len);
}

static void assert_inside(const estoc_cert *c, estoc_slice der)
{
    const estoc_slice parts[] = {c->der,     c->tbs,      c->serial,   c->issuer,
                                 c->subject, c->spki.der, c->spki.key, c->extensions,
                                 c->san,     c->ski,      c->signature};
    for (size_t i = 0; i < COUNT(parts); i++) {
        assert_true(inside(parts[i], der));
    }
}

/* In memory of the exact size; the fields that are left point nowhere. */
static estoc_err parse_exact(estoc_slice der)
{
    estoc_cert c;
    uint8_t *exact = exact_copy(der);
    memset(&c, 0xa5, sizeof c);
    estoc_err err = estoc_cert_parse(&c, estoc_slice_of(exact, der.len));
    if (err) {
        assert_zeroed(&c);
    } else {
        assert_inside(&c, estoc_slice_of(exact, der.len));
    }
    free(exact);
    return err;
}

static estoc_cert parse_good(estoc_slice der)
{
    estoc_cert c;
    assert_int_equal(estoc_cert_parse(&c, der), 0);
    assert_inside(&c, der);
    assert_bytes(c.der, der);
    return c;
}

/* The certificate of a vector, which stands in it from `at` on. */
static estoc_slice cert_at(estoc_slice vector, size_t at)
{
    size_t len = estoc_cert_length(estoc_slice_sub(vector, at, vector.len));
    assert_true(len > 0);
    return estoc_slice_sub(vector, at, len);
}

static void assert_name(estoc_slice name, const char *text)
{
    uint8_t out[200];
    assert_string_equal(estoc_name_text(name, (estoc_buf){out, sizeof out}), text);
}

/* Appendix C.1 of RFC 9148 */
static void rfc9148_a1(void **state)
{
    (void)state;
    static const char name[] = "CN=Root CA,OU=certification,O=Example Inc,L=LA,ST=CA,C=US";
    static const uint8_t ski[] = {0x1d, 0xf1, 0x20, 0x89, 0x44, 0xd7, 0x7b, 0x5f, 0x1d, 0x9d,
                                  0xcb, 0x51, 0xee, 0x24, 0x4a, 0x52, 0x3f, 0x3e, 0xf5, 0xde};
    static const uint8_t serial[] = {0x0b, 0x8b, 0xb0, 0xfe, 0x60, 0x4f, 0x6a, 0x1e};
    estoc_slice der = cert_at(SLICE(rfc9148_a1_crts), 45);
    estoc_cert c = parse_good(der);
    assert_int_equal(der.len, 589);
    assert_int_equal(c.tbs.len, 499);
    assert_bytes(c.serial, SLICE(serial));
    assert_name(c.issuer, name);
    assert_name(c.subject, name);
    assert_true(estoc_cert_self_issued(&c));
    assert_int_equal(c.not_before, 1548934023); /* 2019-01-31 11:27:03 */
    assert_int_equal(c.not_after, 2179654023);  /* 2039-01-26 11:27:03 */
    assert_int_equal(c.spki.kind, ESTOC_KEY_P256);
    assert_int_equal(c.spki.der.len, 91);
    assert_int_equal(c.spki.key.len, 65);
    assert_int_equal(c.spki.key.ptr[1], 0x0c);
    assert_int_equal(c.extensions.len, 0x84);
    assert_bytes(c.ski, SLICE(ski));
    assert_true(c.ca);
    assert_false(c.cmc_ra);
    assert_int_equal(c.san.len, 23);
    assert_text(estoc_slice_sub(c.san, 4, 99), "certify@example.com");
    assert_int_equal(c.sig, ESTOC_SIG_ECDSA_SHA256);
    assert_int_equal(c.signature.len, 71);
    assert_int_equal(c.signature.ptr[70], 0x96);
}

/* Appendix C.2: a device's certificate, without an end (802.1AR) */
static void rfc9148_a2(void **state)
{
    (void)state;
    estoc_slice der = cert_at(SLICE(rfc9148_a2_sen), 45);
    estoc_cert c = parse_good(der);
    assert_name(c.issuer, "CN=802.1AR CA,OU=certification,O=Example Inc,ST=CA,C=US");
    assert_name(c.subject, "serialNumber=Wt1234,OU=IoT,O=example Inc,L=LA,ST=CA,C=US");
    assert_false(estoc_cert_self_issued(&c));
    assert_int_equal(c.not_before, 1548934156);  /* 2019-01-31 11:29:16 */
    assert_int_equal(c.not_after, 253402300799); /* 9999-12-31 23:59:59 */
    assert_false(c.ca);
    assert_int_equal(c.ski.len, 20);
    assert_int_equal(c.san.len, 35);
    assert_int_equal(c.san.ptr[2], 0xa0); /* otherName: a hardware module */
}

/* Appendix C.3: a serial number whose first byte is zero */
static void rfc9148_a3(void **state)
{
    (void)state;
    static const uint8_t serial[] = {0x00, 0xb3, 0x31, 0x3e, 0x8f, 0x3f, 0xc9, 0x53, 0x8e};
    estoc_slice vector = SLICE(rfc9148_a3_skg);
    estoc_cert c = parse_good(cert_at(vector, vector.len - 467 + 45));
    assert_bytes(c.serial, SLICE(serial));
    assert_name(c.subject, "O=skg example");
    assert_true(estoc_cert_self_issued(&c));
    assert_int_equal(c.not_before, 1567583043); /* 2019-09-04 07:44:03 */
    assert_int_equal(c.not_after, 2198303043);  /* 2039-08-30 07:44:03 */
    assert_false(c.ca);
    assert_int_equal(c.san.len, 0);
}

/* RSA keys, signatures we do not know (SHA-1), one root change */
static void rfc7030_a1(void **state)
{
    (void)state;
    static const struct {
        size_t at;
        const char *issuer, *subject;
        bool ca;
    } certs[] = {
        {45, "CN=estExampleCA OwO", "CN=estExampleCA OwO", true},
        {812, "CN=estExampleCA OwO", "CN=estExampleCA NwO", false},
        {1587, "CN=estExampleCA NwN", "CN=estExampleCA OwN", false},
        {2362, "CN=estExampleCA NwN", "CN=estExampleCA NwN", true},
    };
    for (size_t i = 0; i < COUNT(certs); i++) {
        estoc_cert c = parse_good(cert_at(SLICE(rfc7030_a1_cacerts), certs[i].at));
        assert_name(c.issuer, certs[i].issuer);
        assert_name(c.subject, certs[i].subject);
        assert_int_equal(c.ca, certs[i].ca);
        assert_int_equal(estoc_cert_self_issued(&c), certs[i].ca);
        assert_int_equal(c.spki.kind, ESTOC_KEY_RSA);
        assert_int_equal(c.sig, ESTOC_SIG_UNKNOWN);
        assert_int_equal(c.signature.len, 256);
    }
}

static void malformed(void **state)
{
    assert_int_equal(parse_exact(cert_of_row(*state, (estoc_buf){room, sizeof room})),
                     ((const struct cert_row *)*state)->err);
}

static void wellformed(void **state)
{
    assert_int_equal(parse_exact(cert_of_row(*state, (estoc_buf){room, sizeof room})), 0);
}

static const struct cert_row *row_named(const char *name)
{
    for (size_t i = 0; i < COUNT(wellformed_certs); i++) {
        if (strcmp(wellformed_certs[i].name, name) == 0) {
            return &wellformed_certs[i];
        }
    }
    fail_msg("no row %s", name);
    return NULL;
}

static estoc_cert parse_row(const char *name)
{
    return parse_good(cert_of_row(row_named(name), (estoc_buf){room, sizeof room}));
}

static void fields_of_rows(void **state)
{
    (void)state;
    estoc_cert c = parse_row("nothing replaced");
    assert_true(c.ca);
    assert_false(c.cmc_ra);
    assert_bytes(c.ski, estoc_slice_of("\1\2\3\4", 4));
    assert_bytes(c.signature, estoc_slice_of("\xaa\xbb", 2));
    assert_int_equal(c.spki.kind, ESTOC_KEY_ED25519);
    assert_int_equal(c.extensions.ptr[0], ESTOC_DER_SEQUENCE);
    c = parse_row("version 3 without extensions");
    assert_int_equal(c.extensions.len, 0);
    assert_int_equal(c.ski.len, 0);
    assert_false(c.ca);
    c = parse_row("a key of another kind");
    assert_int_equal(c.spki.kind, ESTOC_KEY_UNKNOWN);
    assert_int_equal(c.spki.der.len, 44);
    assert_int_equal(c.spki.key.len, 0);
    assert_true(estoc_cert_self_issued(&(estoc_cert){.issuer = c.issuer, .subject = c.issuer}));
    assert_false(estoc_cert_self_issued(&(estoc_cert){.sig = ESTOC_SIG_UNKNOWN}));
    c = parse_row("issued by itself");
    assert_true(estoc_cert_self_issued(&c));
    c = parse_row("names of every kind");
    assert_int_equal(c.san.len, (size_t)c.san.ptr[1] + 2);
    assert_false(parse_row("basic constraints empty").ca);
    assert_false(parse_row("cA FALSE written out").ca);
    assert_true(parse_row("a path length").ca);
    assert_true(parse_row("cmcRA among the usages").cmc_ra);
    assert_false(parse_row("usages without cmcRA").cmc_ra);
}

static void times(void **state)
{
    (void)state;
    estoc_cert c = parse_row("times from 1950 to 2049");
    assert_int_equal(c.not_before, -631152000);
    assert_int_equal(c.not_after, 2524607999);
    c = parse_row("times from 2050");
    assert_int_equal(c.not_before, 2524608000);
    assert_int_equal(c.not_after, 253370764800);
    c = parse_row("a GeneralizedTime too early");
    assert_int_equal(c.not_before, 1546300800);
}

/* A certificate of a version, with unique identifiers or not; no extensions. */
static estoc_err parse_version(estoc_slice version, estoc_slice unique_ids)
{
    estoc_writer w = estoc_writer_of((estoc_buf){room, sizeof room});
    size_t outer = estoc_der_open(&w, ESTOC_DER_SEQUENCE);
    size_t tbs = estoc_der_open(&w, ESTOC_DER_SEQUENCE);
    estoc_write_bytes(&w, version);
    for (int i = C_SERIAL; i <= C_SPKI; i++) {
        estoc_write_bytes(&w, good_cert[i]);
    }
    estoc_write_bytes(&w, unique_ids);
    estoc_der_close(&w, tbs);
    estoc_write_bytes(&w, good_cert[C_OUTER_ALG]);
    estoc_write_bytes(&w, good_cert[C_SIGNATURE]);
    estoc_der_close(&w, outer);
    return parse_exact(estoc_writer_slice(&w));
}

static void versions(void **state)
{
    (void)state;
    static const uint8_t v2[] = {DER(0xa0, DER(0x02, 1))};
    static const uint8_t ids[] = {DER(0x81, 0, 1)};
    static const uint8_t v1[] = {DER(0xa0, DER(0x02, 0))};
    static const uint8_t v4[] = {DER(0xa0, DER(0x02, 3))};
    estoc_slice none = {NULL, 0};
    assert_int_equal(parse_version(none, none), 0);
    assert_int_equal(parse_version(SLICE(v2), none), 0);
    assert_int_equal(parse_version(SLICE(v2), SLICE(ids)), 0);
    assert_int_equal(parse_version(none, SLICE(ids)), ESTOC_E_MALFORMED);
    assert_int_equal(parse_version(SLICE(v1), none), ESTOC_E_MALFORMED); /* the default, written */
    assert_int_equal(parse_version(SLICE(v4), none), ESTOC_E_MALFORMED);
}

static void unknown_signature(void **state)
{
    (void)state;
    static const uint8_t unsigned_alg[] = {
        DER(0x30, DER(0x06, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x06, 0x24))};
    estoc_slice der = cert_of_row(NULL, (estoc_buf){room, sizeof room});
    size_t n = 0;
    for (size_t i = 0; i + sizeof unsigned_alg <= der.len; i++) {
        if (memcmp(room + i, good_cert[C_ALG].ptr, sizeof unsigned_alg) == 0) {
            memcpy(room + i, unsigned_alg, sizeof unsigned_alg);
            n++;
        }
    }
    assert_int_equal(n, 2);
    estoc_cert c = parse_good(der);
    assert_int_equal(c.sig, ESTOC_SIG_UNKNOWN);
}

/* n extensions, each another. */
static estoc_err parse_extensions(size_t n)
{
    static uint8_t list[65 * 10];
    size_t len = 0;
    for (size_t i = 0; i < n; i++) {
        const uint8_t ext[] = {EXT(0x30, 0)};
        memcpy(list + len, ext, sizeof ext);
        list[len + 6] = (uint8_t)(0x30 + i);
        len += sizeof ext;
    }
    struct cert_row row = {"", ESTOC_OK, C_LIST, {list, len}};
    return parse_exact(cert_of_row(&row, (estoc_buf){room, sizeof room}));
}

static void many_extensions(void **state)
{
    (void)state;
    assert_int_equal(parse_extensions(64), 0);
    assert_int_equal(parse_extensions(65), ESTOC_E_LIMIT);
}

static void every_truncation(void **state)
{
    (void)state;
    estoc_slice der = cert_at(SLICE(rfc9148_a1_crts), 45);
    for (size_t len = 0; len < der.len; len++) {
        assert_int_equal(parse_exact(estoc_slice_sub(der, 0, len)), ESTOC_E_TRUNCATED);
        assert_int_equal(estoc_cert_length(estoc_slice_sub(der, 0, len)), 0);
    }
}

/* Any error will do, but none that reads outside (under a sanitizer) or leaves fields behind. */
static void every_byte_changed(void **state)
{
    (void)state;
    estoc_slice der = cert_at(SLICE(rfc9148_a2_sen), 45);
    memcpy(room, der.ptr, der.len);
    size_t taken = 0;
    for (size_t i = 0; i < der.len; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            room[i] ^= (uint8_t)(1u << bit);
            taken += parse_exact(estoc_slice_of(room, der.len)) == ESTOC_OK;
            room[i] ^= (uint8_t)(1u << bit);
        }
    }
    assert_in_range(taken, der.len, 8 * der.len - 1);
}

static void lengths(void **state)
{
    (void)state;
    static const uint8_t two[] = {DER(0x30, 1, 2), DER(0x30, 3)};
    static const uint8_t set[] = {DER(0x31, 1)};
    static const uint8_t indefinite[] = {0x30, 0x80, 0, 0};
    assert_int_equal(estoc_cert_length(SLICE(two)), 4);
    assert_int_equal(estoc_cert_length(estoc_slice_sub(SLICE(two), 4, 9)), 3);
    assert_int_equal(estoc_cert_length(SLICE(set)), 0);
    assert_int_equal(estoc_cert_length(SLICE(indefinite)), 0);
    assert_int_equal(estoc_cert_length(estoc_slice_of(NULL, 0)), 0);
}

/* clang-format off */
static const struct CMUnitTest tests[] = {
    {"RFC 9148 A.1: a root",                          rfc9148_a1, NULL, NULL, NULL},
    {"RFC 9148 A.2: a device's, until 9999",          rfc9148_a2, NULL, NULL, NULL},
    {"RFC 9148 A.3: a serial number with a zero",     rfc9148_a3, NULL, NULL, NULL},
    {"E2 RFC 7030 A.1: a change of root, RSA, SHA-1", rfc7030_a1, NULL, NULL, NULL},
    {"fields: cA, cmcRA, identifiers, keys",          fields_of_rows, NULL, NULL, NULL},
    {"236 times before and after 2050",               times, NULL, NULL, NULL},
    {"versions 1 and 2",                              versions, NULL, NULL, NULL},
    {"an unknown signature algorithm",                unknown_signature, NULL, NULL, NULL},
    {"64 extensions, and one more",                   many_extensions, NULL, NULL, NULL},
    {"224 cut at every byte",                         every_truncation, NULL, NULL, NULL},
    {"every bit turned",                              every_byte_changed, NULL, NULL, NULL},
    {"the length of the certificate at the front",    lengths, NULL, NULL, NULL},
};
/* clang-format on */

int main(void)
{
    for (size_t i = 0; i < COUNT(malformed_certs); i++) {
        rows_add("refused:", malformed_certs[i].name, malformed, &malformed_certs[i]);
    }
    for (size_t i = 0; i < COUNT(wellformed_certs); i++) {
        rows_add("taken:", wellformed_certs[i].name, wellformed, &wellformed_certs[i]);
    }
    return rows_run("cert", tests, COUNT(tests));
}
