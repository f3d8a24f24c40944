/* SPDX-License-Identifier: MIT
 *
 * Lists by OpenSSL, read.
 */
#include "folder.h"

#include <openssl/ec.h>

#include "lists.h"

static EVP_PKEY *key;
static X509 *ca;

static int make(void **state)
{
    key = EVP_EC_gen("P-256");
    ca = X509_new();
    X509_set_version(ca, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(ca), 5);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(ca), "CN", MBSTRING_ASC,
                               (const unsigned char *)"CA", -1, -1, 0);
    X509_set_issuer_name(ca, X509_get_subject_name(ca));
    X509_gmtime_adj(X509_getm_notBefore(ca), 0);
    X509_gmtime_adj(X509_getm_notAfter(ca), 3600);
    X509_set_pubkey(ca, key);
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, ca, ca, NULL, NULL, 0);
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ctx, NID_subject_key_identifier, "ab:cd:ef");
    X509_add_ext(ca, ext, -1);
    X509_EXTENSION_free(ext);
    assert_true(X509_sign(ca, key, EVP_sha256()) > 0);
    return folder_make(state);
}

static int drop(void **state)
{
    X509_free(ca);
    EVP_PKEY_free(key);
    return folder_remove(state);
}

static estoc_blob list_with(struct list_plan p)
{
    p.issuer = ca;
    p.key = key;
    return list_new(&p);
}

static estoc_crl_head head_of(estoc_blob der)
{
    estoc_crl_head head;
    assert_int_equal(estoc_crl_read(estoc_blob_slice(der), &head), 0);
    uint8_t *name = NULL;
    int len = i2d_X509_NAME(X509_get_subject_name(ca), &name);
    assert_true(estoc_slice_eq(head.issuer, estoc_slice_of(name, (size_t)len)));
    OPENSSL_free(name);
    return head;
}

static void near(int64_t t, int64_t from_now)
{
    int64_t off = t - estoc_unix_s() - from_now;
    assert_true(off > -60 && off < 60);
}

static void heads(void **state)
{
    (void)state;
    estoc_blob der = list_with(
        (struct list_plan){.listed = {ca}, .ext = NID_authority_key_identifier, .value = "keyid"});
    estoc_crl_head head = head_of(der);
    near(head.at, -3600);
    near(head.next, 86400);
    assert_true(estoc_slice_eq(head.key_id, estoc_slice_of("\xab\xcd\xef", 3)));
    estoc_blob_free(&der);
    der = list_with((struct list_plan){.ext = NID_authority_key_identifier,
                                       .value = "issuer:always"}); /* no key identifier in it */
    assert_int_equal(head_of(der).key_id.len, 0);
    estoc_blob_free(&der);
    der = list_with((struct list_plan){.endless = true});
    head = head_of(der);
    near(head.at, -3600);
    assert_int_equal(head.next, 0);
    assert_int_equal(head.key_id.len, 0);
    estoc_blob_free(&der);
    for (int i = 0; i < 2; i++) { /* with entries, and with none */
        der = list_with((struct list_plan){.old = true, .listed = {i == 0 ? ca : NULL}});
        near(head_of(der).next, 86400);
        estoc_blob_free(&der);
    }
}

/* Cut anywhere, with a byte behind, and with every byte altered: an error or a head, nothing worse. */
static void damaged(void **state)
{
    (void)state;
    estoc_blob der = list_with(
        (struct list_plan){.listed = {ca}, .ext = NID_authority_key_identifier, .value = "keyid"});
    estoc_crl_head head;
    uint8_t *copy = malloc(der.len + 1);
    for (size_t n = 0; n < der.len; n++) {
        uint8_t *exact = malloc(n > 0 ? n : 1);
        memcpy(exact, der.ptr, n);
        assert_int_equal(estoc_crl_read(estoc_slice_of(exact, n), &head), ESTOC_E_TRUNCATED);
        assert_int_equal(head.issuer.len, 0);
        free(exact);
    }
    memcpy(copy, der.ptr, der.len);
    copy[der.len] = 0;
    assert_int_equal(estoc_crl_read(estoc_slice_of(copy, der.len + 1), &head), ESTOC_E_TRAILING);
    for (size_t i = 0; i < der.len; i++) {
        copy[i] ^= 0x11;
        if (estoc_crl_read(estoc_slice_of(copy, der.len), &head)) {
            assert_int_equal(head.issuer.len + head.key_id.len, 0);
        }
        copy[i] ^= 0x11;
    }
    free(copy);
    assert_int_equal(estoc_crl_read(estoc_slice_of("\x30\x02\x30\x00", 4), &head),
                     ESTOC_E_MALFORMED);
    estoc_blob_free(&der);
}

static void files(void **state)
{
    (void)state;
    estoc_why why = {""};
    estoc_blob first = list_with((struct list_plan){.listed = {ca}});
    estoc_blob second = list_with((struct list_plan){.endless = true});
    estoc_blob pem, more;
    estoc_blobs lists;
    const char *path = file_with("one.der", estoc_blob_slice(first));
    assert_int_equal(estoc_crls_load(path, &lists, &why), 0);
    assert_int_equal(lists.n, 1);
    assert_true(estoc_slice_eq(estoc_blob_slice(lists.at[0]), estoc_blob_slice(first)));
    estoc_blobs_free(&lists);
    assert_int_equal(estoc_crl_pem(estoc_blob_slice(first), &pem), 0);
    assert_memory_equal(pem.ptr, "-----BEGIN X509 CRL-----\n", 25);
    assert_int_equal(estoc_crl_pem(estoc_blob_slice(second), &more), 0);
    estoc_blob both = {malloc(pem.len + more.len), pem.len + more.len};
    memcpy(both.ptr, pem.ptr, pem.len);
    memcpy(both.ptr + pem.len, more.ptr, more.len);
    path = file_with("two.pem", estoc_blob_slice(both));
    assert_int_equal(estoc_crls_load(path, &lists, &why), 0);
    assert_int_equal(lists.n, 2);
    assert_true(estoc_slice_eq(estoc_blob_slice(lists.at[1]), estoc_blob_slice(second)));
    estoc_blobs_free(&lists);
    assert_int_equal(estoc_certs_load(path, &lists, &why), ESTOC_E_MALFORMED);
    assert_non_null(strstr(why.text, "holds no certificate"));
    path = file_with("cut.der", estoc_slice_of(first.ptr, first.len - 1));
    assert_int_equal(estoc_crls_load(path, &lists, &why), ESTOC_E_MALFORMED);
    assert_non_null(strstr(why.text, "cut.der: looks like DER, but is not one revocation list"));
    path = file_with("none.pem", estoc_slice_str("nothing\n"));
    assert_int_equal(estoc_crls_load(path, &lists, &why), ESTOC_E_MALFORMED);
    assert_non_null(strstr(why.text, "holds no revocation list"));
    assert_int_equal(estoc_crls_load(in_folder("missing"), &lists, &why), ESTOC_E_FILE);
    estoc_blob_free(&both);
    estoc_blob_free(&pem);
    estoc_blob_free(&more);
    estoc_blob_free(&first);
    estoc_blob_free(&second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads),
        cmocka_unit_test(damaged),
        cmocka_unit_test(files),
    };
    return cmocka_run_group_tests_name("crypto crl", tests, make, drop);
}
