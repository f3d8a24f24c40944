/* SPDX-License-Identifier: MIT
 *
 * Lists as OpenSSL reads them.
 */
#include "parties.h"

#include <openssl/bn.h>
#include <openssl/x509v3.h>

#include "crl.h"

#define AT   INT64_C(1750000000) /* 2025-06-15T15:06:40Z */
#define NEXT (AT + 7 * DAY)

static struct party ca;

static int set_up(void **state)
{
    (void)state;
    party_make(&ca, (struct plan){.subject = "CN=Test CA,O=Example", .ca = true});
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    party_drop(&ca);
    return 0;
}

struct entry {
    const char *serial; /* hex */
    int64_t at;
    estoc_crl_reason reason;
};

static void add(estoc_crl *crl, const struct entry *e)
{
    long len;
    uint8_t *bytes = OPENSSL_hexstr2buf(e->serial, &len);
    assert_true(estoc_crl_add(crl, estoc_slice_of(bytes, (size_t)len), e->at, e->reason));
    OPENSSL_free(bytes);
}

static estoc_blob build(const struct party *issuer, const struct entry *list, size_t n,
                        int64_t number)
{
    estoc_crl crl;
    estoc_blob out;
    estoc_crl_begin(&crl, &issuer->cert, issuer->key, AT, NEXT);
    for (size_t i = 0; i < n; i++) {
        add(&crl, &list[i]);
    }
    assert_int_equal(estoc_crl_end(&crl, &issuer->cert, number, &out), 0);
    return out;
}

/* All of it is one list, which this CA has signed. */
static X509_CRL *parse(const struct party *issuer, estoc_blob der)
{
    const uint8_t *at = der.ptr;
    X509_CRL *crl = d2i_X509_CRL(NULL, &at, (long)der.len);
    assert_non_null(crl);
    assert_ptr_equal(at, der.ptr + der.len);
    at = issuer->der;
    X509 *cert = d2i_X509(NULL, &at, (long)issuer->len);
    assert_int_equal(X509_CRL_verify(crl, X509_get0_pubkey(cert)), 1);
    assert_int_equal(X509_NAME_cmp(X509_CRL_get_issuer(crl), X509_get_subject_name(cert)), 0);
    X509_free(cert);
    return crl;
}

static void assert_time(const ASN1_TIME *t, int64_t want)
{
    struct tm tm;
    assert_int_equal(ASN1_TIME_to_tm(t, &tm), 1);
    assert_int_equal(timegm(&tm), want);
}

static void assert_number(X509_CRL *crl, const char *hex)
{
    ASN1_INTEGER *n = X509_CRL_get_ext_d2i(crl, NID_crl_number, NULL, NULL);
    BIGNUM *b = ASN1_INTEGER_to_BN(n, NULL);
    char *got = BN_bn2hex(b);
    assert_string_equal(got, hex);
    OPENSSL_free(got);
    BN_free(b);
    ASN1_INTEGER_free(n);
}

static void assert_entry(X509_CRL *crl, int i, const struct entry *want)
{
    X509_REVOKED *r = sk_X509_REVOKED_value(X509_CRL_get_REVOKED(crl), i);
    BIGNUM *serial = ASN1_INTEGER_to_BN(X509_REVOKED_get0_serialNumber(r), NULL);
    BIGNUM *other = NULL;
    BN_hex2bn(&other, want->serial);
    assert_int_equal(BN_cmp(serial, other), 0);
    assert_false(BN_is_negative(serial));
    BN_free(serial);
    BN_free(other);
    assert_time(X509_REVOKED_get0_revocationDate(r), want->at);
    int critical = 0;
    ASN1_ENUMERATED *reason = X509_REVOKED_get_ext_d2i(r, NID_crl_reason, &critical, NULL);
    if (want->reason == ESTOC_CRL_UNSPECIFIED) {
        assert_null(reason);
        assert_int_equal(critical, -1); /* not there */
        assert_null(X509_REVOKED_get0_extensions(r));
    } else {
        assert_int_equal(ASN1_ENUMERATED_get(reason), (long)want->reason);
        assert_int_equal(critical, 0);
    }
    ASN1_ENUMERATED_free(reason);
}

static void entries(void **state)
{
    (void)state;
    static const struct entry list[] = {
        {"5C0FFEE0123456789ABCDEF012345678", AT - 10, ESTOC_CRL_UNSPECIFIED},
        {"01", AT - 9, ESTOC_CRL_KEY_COMPROMISE},
        {"80", AT - 8, ESTOC_CRL_AFFILIATION_CHANGED}, /* the top bit is no sign */
        {"7F", AT - 7, ESTOC_CRL_SUPERSEDED},
        {"7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF", AT - 6, ESTOC_CRL_CESSATION},
        {"0100", AT, ESTOC_CRL_PRIVILEGE_WITHDRAWN},
    };
    int n = sizeof list / sizeof list[0];
    estoc_blob der = build(&ca, list, (size_t)n, AT + 1);
    X509_CRL *crl = parse(&ca, der);
    assert_int_equal(X509_CRL_get_version(crl), X509_CRL_VERSION_2);
    assert_time(X509_CRL_get0_lastUpdate(crl), AT);
    assert_time(X509_CRL_get0_nextUpdate(crl), NEXT);
    assert_number(crl, "684EE181");
    assert_int_equal(X509_CRL_get_ext_count(crl), 2);
    int critical = 0;
    AUTHORITY_KEYID *id = X509_CRL_get_ext_d2i(crl, NID_authority_key_identifier, &critical, NULL);
    assert_int_equal(critical, 0);
    assert_slice(estoc_slice_of(id->keyid->data, (size_t)id->keyid->length), ca.cert.ski);
    AUTHORITY_KEYID_free(id);
    assert_int_equal(sk_X509_REVOKED_num(X509_CRL_get_REVOKED(crl)), n);
    for (int i = 0; i < n; i++) {
        assert_entry(crl, i, &list[i]);
    }
    X509_CRL_free(crl);
    estoc_blob_free(&der);
}

/* Section 5.1.2.6: absent, not empty. */
static void nobody(void **state)
{
    (void)state;
    estoc_blob der = build(&ca, NULL, 0, 0);
    X509_CRL *crl = parse(&ca, der);
    assert_null(X509_CRL_get_REVOKED(crl));
    assert_number(crl, "0");
    assert_true(der.len < 300);
    X509_CRL_free(crl);
    estoc_blob_free(&der);
}

static void numbers(void **state)
{
    (void)state;
    static const struct {
        int64_t n;
        const char *hex;
    } rows[] = {{1, "01"},
                {127, "7F"},
                {128, "80"},
                {0x123456789, "0123456789"},
                {INT64_MAX, "7FFFFFFFFFFFFFFF"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        estoc_blob der = build(&ca, NULL, 0, rows[i].n);
        X509_CRL *crl = parse(&ca, der);
        assert_number(crl, rows[i].hex);
        X509_CRL_free(crl);
        estoc_blob_free(&der);
    }
}

/* HC 236 */
static void around_2050(void **state)
{
    (void)state;
    estoc_crl crl;
    estoc_blob der;
    const struct entry e = {"02", 2524607999, ESTOC_CRL_UNSPECIFIED}; /* 2049-12-31T23:59:59Z */
    estoc_crl_begin(&crl, &ca.cert, ca.key, 2524607999, 2524608000);
    add(&crl, &e);
    assert_int_equal(estoc_crl_end(&crl, &ca.cert, 1, &der), 0);
    assert_non_null(memmem(der.ptr, der.len,
                           "\x17\x0d"
                           "491231235959Z\x18\x0f"
                           "20500101000000Z",
                           32));
    X509_CRL *parsed = parse(&ca, der);
    assert_time(X509_CRL_get0_nextUpdate(parsed), 2524608000);
    assert_entry(parsed, 0, &e);
    X509_CRL_free(parsed);
    estoc_blob_free(&der);
}

static void every_kind_of_issuer(void **state)
{
    (void)state;
    static const estoc_key_kind kinds[] = {ESTOC_KEY_P256, ESTOC_KEY_P384, ESTOC_KEY_ED25519,
                                           ESTOC_KEY_RSA};
    const struct entry e = {"77", AT, ESTOC_CRL_KEY_COMPROMISE};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct party issuer = {.key = NULL};
        assert_int_equal(estoc_key_generate(kinds[i], &issuer.key), 0);
        party_make(&issuer, (struct plan){.subject = "CN=CA", .ca = true});
        estoc_blob der = build(&issuer, &e, 1, 1);
        X509_CRL_free(parse(&issuer, der));
        estoc_blob_free(&der);
        party_drop(&issuer);
    }
}

/* No more memory than the list and half of it, and the same bytes for each entry. */
static void many(void **state)
{
    (void)state;
    enum { N = 100000 };
    size_t before = 0;
    estoc_crl crl;
    estoc_blob der;
    estoc_crl_begin(&crl, &ca.cert, ca.key, AT, NEXT);
    for (uint32_t i = 0; i < N; i++) {
        uint8_t serial[16] = {0x40, 0, 0, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i};
        size_t len = crl.w.len;
        assert_true(estoc_crl_add(&crl, estoc_slice_of(serial, sizeof serial), AT - i,
                                  ESTOC_CRL_SUPERSEDED));
        assert_true(i == 0 || i == 1 || crl.w.len - len == before);
        before = crl.w.len - len;
        assert_true(crl.w.cap <= crl.w.len + crl.w.len / 2 + 1024);
    }
    assert_int_equal(before, 2 + 18 + 15 + 14);
    assert_int_equal(estoc_crl_end(&crl, &ca.cert, 5, &der), 0);
    assert_in_range(der.len, N * before, N * before + 300);
    X509_CRL *parsed = parse(&ca, der);
    STACK_OF(X509_REVOKED) *list = X509_CRL_get_REVOKED(parsed);
    assert_int_equal(sk_X509_REVOKED_num(list), N);
    const struct entry first = {"40000000000000000000000000000000", AT, ESTOC_CRL_SUPERSEDED};
    const struct entry last = {"40000001869F00000000000000000000", AT - N + 1,
                               ESTOC_CRL_SUPERSEDED};
    assert_entry(parsed, 0, &first);
    assert_entry(parsed, N - 1, &last);
    X509_CRL_free(parsed);
    estoc_blob_free(&der);
}

static void what_cannot_be_written(void **state)
{
    (void)state;
    static const uint8_t serial[21] = {1};
    estoc_crl crl;
    estoc_blob out = {(uint8_t *)&crl, 1};
    estoc_crl_begin(&crl, &ca.cert, ca.key, AT, NEXT);
    assert_int_equal(estoc_crl_end(&crl, &ca.cert, -1, &out), ESTOC_E_USAGE);
    assert_null(out.ptr);
    estoc_crl_begin(&crl, &ca.cert, ca.key, AT, INT64_MAX);
    assert_false(estoc_crl_add(&crl, estoc_slice_of(serial, 1), AT, ESTOC_CRL_UNSPECIFIED));
    assert_int_equal(estoc_crl_end(&crl, &ca.cert, 1, &out), ESTOC_E_USAGE);
    for (size_t len = 0; len <= 21; len += 21) {
        estoc_crl_begin(&crl, &ca.cert, ca.key, AT, NEXT);
        assert_false(estoc_crl_add(&crl, estoc_slice_of(serial, len), AT, ESTOC_CRL_UNSPECIFIED));
        assert_int_equal(estoc_crl_end(&crl, &ca.cert, 1, &out), ESTOC_E_USAGE);
    }
    estoc_crl_begin(&crl, &ca.cert, ca.key, AT, NEXT);
    assert_false(estoc_crl_add(&crl, estoc_slice_of(serial, 1), INT64_MIN, ESTOC_CRL_UNSPECIFIED));
    estoc_crl_drop(&crl);
    assert_int_equal(estoc_crl_end(&crl, &ca.cert, 1, &out), ESTOC_E_USAGE); /* it is over */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"HC 237 a list, as OpenSSL reads it", entries, NULL, NULL, NULL},
        {"HC 237 a list of nobody", nobody, NULL, NULL, NULL},
        {"HC 237 numbers", numbers, NULL, NULL, NULL},
        {"HC 236 times around 2050 in a list", around_2050, NULL, NULL, NULL},
        cmocka_unit_test(every_kind_of_issuer),
        {"HC 237 100,000 entries", many, NULL, NULL, NULL},
        cmocka_unit_test(what_cannot_be_written),
    };
    return cmocka_run_group_tests_name("authority crl", tests, set_up, tear_down);
}
