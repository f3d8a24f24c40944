/* SPDX-License-Identifier: MIT */
#include "folder.h"

#include <estoc/cert.h>

#include <openssl/err.h>
#include <openssl/x509.h>

enum { ROOM = 8192 };

/* Two certificates; their bytes are all that counts here. */
static size_t some_certs(estoc_blobs *certs)
{
    static const estoc_key_kind kinds[] = {ESTOC_KEY_P256, ESTOC_KEY_ED25519};
    for (size_t i = 0; i < 2; i++) {
        estoc_key *key = NULL;
        assert_int_equal(estoc_key_generate(kinds[i], &key), 0);
        X509 *cert = X509_new();
        EVP_PKEY *native = estoc_key_native(key);
        uint8_t *der = NULL;
        X509_set_version(cert, 2);
        ASN1_INTEGER_set(X509_get_serialNumber(cert), (long)i + 1);
        X509_gmtime_adj(X509_getm_notBefore(cert), 0);
        X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
        X509_set_pubkey(cert, native);
        assert_true(X509_sign(cert, native, i == 0 ? EVP_sha256() : NULL) > 0);
        int len = i2d_X509(cert, &der);
        assert_int_equal(estoc_blobs_add(certs, estoc_slice_of(der, (size_t)len)), 0);
        OPENSSL_free(der);
        X509_free(cert);
        estoc_key_free(key);
    }
    return 2;
}

static void put(uint8_t *to, size_t *n, const void *bytes, size_t len)
{
    assert_true(*n + len <= ROOM);
    memcpy(to + *n, bytes, len);
    *n += len;
}

/* SignedData in indefinite lengths. @param content  between the OID of the content and its end */
static size_t in_ber(const estoc_blobs *certs, const char *content, size_t content_len,
                     uint8_t *out)
{
    static const uint8_t head[] = {0x30, 0x80, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7,
                                   0x0d, 0x01, 0x07, 0x02, 0xa0, 0x80, 0x30, 0x80, 0x02,
                                   0x01, 0x01, 0x31, 0x00, 0x30, 0x80, 0x06, 0x09, 0x2a,
                                   0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01};
    static const uint8_t set[] = {0x00, 0x00, 0xa0, 0x80};
    static const uint8_t tail[] = {0x00, 0x00, 0x31, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00};
    size_t n = 0;
    put(out, &n, head, sizeof head);
    put(out, &n, content, content_len);
    put(out, &n, set, sizeof set);
    for (size_t i = 0; i < certs->n; i++) {
        put(out, &n, certs->at[i].ptr, certs->at[i].len);
    }
    put(out, &n, tail, sizeof tail);
    return n;
}

static void ber(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
    } contents[] = {
        {"", 0}, {"\xa0\x80\x04\x00\x00\x00", 6}, {"\xa0\x80\x24\x80\x00\x00\x00\x00", 8}};
    estoc_blobs certs = {NULL, 0};
    uint8_t room[ROOM], want[ROOM];
    estoc_slice list[2];
    size_t len, want_len, n = some_certs(&certs);
    for (size_t i = 0; i < n; i++) {
        list[i] = estoc_blob_slice(certs.at[i]);
    }
    assert_int_equal(estoc_certs_build(list, n, (estoc_buf){want, ROOM}, &want_len), 0);
    for (size_t i = 0; i < sizeof contents / sizeof contents[0]; i++) {
        estoc_slice cms = {room, in_ber(&certs, contents[i].bytes, contents[i].len, room)};
        size_t got_n = n;
        assert_int_not_equal(estoc_certs_parse(cms, list, &got_n), 0);
        assert_int_equal(estoc_certs_normalise(cms, (estoc_buf){room, ROOM}, &len),
                         0); /* in place */
        assert_int_equal(len, want_len);
        assert_memory_equal(room, want, len);
    }
    /* and what is as it should be stays so */
    assert_int_equal(
        estoc_certs_normalise(estoc_slice_of(want, want_len), (estoc_buf){room, ROOM}, &len), 0);
    assert_int_equal(len, want_len);
    assert_memory_equal(room, want, len);
    assert_int_equal(ERR_peek_error(), 0);
    estoc_blobs_free(&certs);
}

static void refused(void **state)
{
    (void)state;
    estoc_blobs certs = {NULL, 0}, none = {NULL, 0};
    uint8_t room[ROOM], out[ROOM];
    size_t len;
    some_certs(&certs);
    size_t n = in_ber(&certs, "", 0, room);
    for (size_t cut = 0; cut < n; cut++) {
        assert_int_equal(
            estoc_certs_normalise(estoc_slice_of(room, cut), (estoc_buf){out, ROOM}, &len),
            ESTOC_E_MALFORMED);
        assert_int_equal(len, 0);
    }
    room[n] = 0; /* and what follows */
    assert_int_equal(
        estoc_certs_normalise(estoc_slice_of(room, n + 1), (estoc_buf){out, ROOM}, &len),
        ESTOC_E_MALFORMED);
    assert_int_equal(estoc_certs_normalise(estoc_slice_of(room, n), (estoc_buf){out, 100}, &len),
                     ESTOC_E_SPACE);
    assert_int_equal(len, 0);
    assert_int_equal(
        estoc_certs_normalise(estoc_blob_slice(certs.at[0]), (estoc_buf){out, ROOM}, &len),
        ESTOC_E_MALFORMED);
    n = in_ber(&none, "", 0, room);
    assert_int_equal(estoc_certs_normalise(estoc_slice_of(room, n), (estoc_buf){out, ROOM}, &len),
                     ESTOC_E_MALFORMED);
    assert_int_equal(ERR_peek_error(), 0);
    estoc_blobs_free(&certs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"G1 HC 254 certs-only in BER, or with a content, as we write it", ber, NULL, NULL, NULL},
        {"G1 what is no certs-only CMS is none", refused, NULL, NULL, NULL},
    };
    return cmocka_run_group_tests_name("crypto/certs", tests, NULL, NULL);
}
