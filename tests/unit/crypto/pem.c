/* SPDX-License-Identifier: MIT */
#include "folder.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "text.h"

#define CERTS 3

static EVP_PKEY *key;
static estoc_blob certs[CERTS];
static estoc_blob request;

static void make_cert(size_t i)
{
    X509 *x = X509_new();
    uint8_t *der = NULL;
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), (long)i + 1);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                               (const unsigned char *)"device", -1, -1, 0);
    X509_set_issuer_name(x, X509_get_subject_name(x));
    X509_gmtime_adj(X509_getm_notBefore(x), 0);
    X509_gmtime_adj(X509_getm_notAfter(x), 3600);
    X509_set_pubkey(x, key);
    assert_true(X509_sign(x, key, EVP_sha256()) > 0);
    int len = i2d_X509(x, &der);
    assert_int_equal(estoc_blob_copy(estoc_slice_of(der, (size_t)len), &certs[i]), 0);
    OPENSSL_free(der);
    X509_free(x);
}

static int make(void **state)
{
    key = EVP_EC_gen("P-256");
    for (size_t i = 0; i < CERTS; i++) {
        make_cert(i);
    }
    X509_REQ *req = X509_REQ_new();
    uint8_t *der = NULL;
    X509_REQ_set_pubkey(req, key);
    assert_true(X509_REQ_sign(req, key, EVP_sha256()) > 0);
    int len = i2d_X509_REQ(req, &der);
    assert_int_equal(estoc_blob_copy(estoc_slice_of(der, (size_t)len), &request), 0);
    OPENSSL_free(der);
    X509_REQ_free(req);
    return folder_make(state);
}

static int drop(void **state)
{
    EVP_PKEY_free(key);
    for (size_t i = 0; i < CERTS; i++) {
        estoc_blob_free(&certs[i]);
    }
    estoc_blob_free(&request);
    return folder_remove(state);
}

static void assert_blob(estoc_blob got, estoc_blob want)
{
    assert_int_equal(got.len, want.len);
    assert_memory_equal(got.ptr, want.ptr, want.len);
}

/* PEM of one certificate as a C string. */
static const char *pem_of(size_t i)
{
    static char text[CERTS][4096];
    estoc_blob pem;
    estoc_slice der = estoc_blob_slice(certs[i]);
    assert_int_equal(estoc_certs_pem(&der, 1, &pem), 0);
    snprintf(text[i], sizeof text[i], "%.*s", (int)pem.len, (const char *)pem.ptr);
    estoc_blob_free(&pem);
    return text[i];
}

static void assert_loads(const char *path, size_t n)
{
    estoc_blobs list;
    estoc_why why = {""};
    memset(&list, 0xa5, sizeof list);
    estoc_err err = estoc_certs_load(path, &list, &why);
    if (err) {
        fail_msg("%#x %s", err, why.text);
    }
    assert_int_equal(list.n, n);
    for (size_t i = 0; i < n; i++) {
        assert_blob(list.at[i], certs[i]);
    }
    assert_int_equal(ERR_peek_error(), 0);
    estoc_blobs_free(&list);
}

static void written_and_read(void **state)
{
    (void)state;
    estoc_slice list[CERTS];
    estoc_blob pem;
    for (size_t i = 0; i < CERTS; i++) {
        list[i] = estoc_blob_slice(certs[i]);
    }
    assert_int_equal(estoc_certs_pem(list, CERTS, &pem), 0);
    assert_loads(file_with("three.crt", estoc_blob_slice(pem)), CERTS);
    estoc_blob_free(&pem);
    assert_int_equal(ERR_peek_error(), 0);
}

static void text_between(void **state)
{
    (void)state;
    char text[12000];
    int n = snprintf(text, sizeof text,
                     "subject=CN = device\n\n%s\n i:-- CN = device\nnot -----BEGIN anything\n%s"
                     "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n%sthe end",
                     pem_of(0), pem_of(1), pem_of(2));
    assert_loads(file_with("text.crt", estoc_slice_of(text, (size_t)n)), CERTS);
}

static void line_ends_of_windows(void **state)
{
    (void)state;
    char text[8192];
    size_t n = 0;
    for (const char *p = pem_of(0); *p != '\0'; p++) {
        if (*p == '\n') {
            text[n++] = '\r';
        }
        text[n++] = *p;
    }
    assert_loads(file_with("crlf.crt", estoc_slice_of(text, n)), 1);
}

static void one_in_der(void **state)
{
    (void)state;
    assert_loads(file_with("one.der", estoc_blob_slice(certs[0])), 1);
}

static void assert_refused(const char *path, estoc_err want, const char *with)
{
    estoc_blobs list = {NULL, 7};
    estoc_why why = {""};
    assert_int_equal(estoc_certs_load(path, &list, &why), want);
    assert_null(list.at);
    assert_int_equal(list.n, 0);
    if (strstr(why.text, with) == NULL || strncmp(why.text, path, strlen(path)) != 0) {
        fail_msg("\"%s\" does not say \"%s\"", why.text, with);
    }
    assert_int_equal(ERR_peek_error(), 0);
    assert_int_equal(estoc_certs_load(path, &list, NULL), want);
}

static void not_a_file(void **state)
{
    (void)state;
    static char large[1100000];
    assert_refused("/nonexistent/x.crt", ESTOC_E_FILE, "No such file");
    assert_refused(file_with("large.crt", estoc_slice_of(large, sizeof large)), ESTOC_E_FILE,
                   estoc_err_text(ESTOC_E_LIMIT));
}

static void none_inside(void **state)
{
    (void)state;
    assert_refused(file_with("none.crt", estoc_slice_str("")), ESTOC_E_MALFORMED,
                   "holds no certificate");
    assert_refused(file_with("none.crt", estoc_slice_str("0")), ESTOC_E_MALFORMED,
                   "holds no certificate");
    assert_refused(file_with("none.crt", estoc_slice_str("-----BEGIN PRIVATE KEY-----\nMAA=\n"
                                                         "-----END PRIVATE KEY-----\n")),
                   ESTOC_E_MALFORMED, "holds no certificate");
}

/* Good ones before a bad one do not count: a file is taken whole or not. */
static void damaged_inside(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n", "is not a certificate"},
        {"-----BEGIN CERTIFICATE-----\nM%A=\n-----END CERTIFICATE-----\n", "damaged"},
        {"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE REQUEST-----\n", "damaged"},
        {"-----BEGIN CERTIFICATE-----\nMAA=\n", "damaged"},
        {"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n", "damaged"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[8192];
        int n = snprintf(text, sizeof text, "%s%s", pem_of(0), rows[i][0]);
        assert_refused(file_with("bad.crt", estoc_slice_of(text, (size_t)n)), ESTOC_E_MALFORMED,
                       rows[i][1]);
    }
}

static void damaged_der(void **state)
{
    (void)state;
    uint8_t der[4096] = {0};
    memcpy(der, certs[0].ptr, certs[0].len);
    for (size_t len = 2; len < certs[0].len; len++) {
        assert_refused(file_with("bad.der", estoc_slice_of(der, len)), ESTOC_E_MALFORMED,
                       "not one certificate");
    }
    assert_refused(file_with("bad.der", estoc_slice_of(der, certs[0].len + 1)), ESTOC_E_MALFORMED,
                   "not one certificate");
    memcpy(der + certs[0].len, certs[1].ptr, certs[1].len);
    assert_refused(file_with("bad.der", estoc_slice_of(der, certs[0].len + certs[1].len)),
                   ESTOC_E_MALFORMED, "not one certificate");
    assert_refused(file_with("bad.der", estoc_blob_slice(request)), ESTOC_E_MALFORMED,
                   "not one certificate");
}

static void too_many(void **state)
{
    (void)state;
    estoc_slice list[257];
    estoc_blob pem;
    for (size_t i = 0; i < 257; i++) {
        list[i] = estoc_blob_slice(certs[0]);
    }
    assert_int_equal(estoc_certs_pem(list, 257, &pem), 0);
    assert_refused(file_with("many.crt", estoc_blob_slice(pem)), ESTOC_E_LIMIT, "more than 256");
    estoc_blob_free(&pem);
}

static void nothing_to_write(void **state)
{
    (void)state;
    estoc_slice empty = {NULL, 0};
    estoc_blob pem = {(uint8_t *)folder, 1};
    assert_int_equal(estoc_certs_pem(&empty, 1, &pem), ESTOC_E_CRYPTO);
    assert_null(pem.ptr);
    assert_int_equal(estoc_certs_pem(NULL, 0, &pem), 0);
    assert_int_equal(pem.len, 0);
    estoc_blob_free(&pem);
}

static void requests(void **state)
{
    (void)state;
    estoc_blob pem;
    estoc_blob der;
    estoc_why why = {""};
    assert_int_equal(estoc_csr_pem(estoc_blob_slice(request), &pem), 0);
    static const char begin[] = "-----BEGIN CERTIFICATE REQUEST-----\n"; /* RFC 7468 section 7 */
    assert_memory_equal(pem.ptr, begin, sizeof begin - 1);
    assert_int_equal(estoc_csr_load(file_with("a.csr", estoc_blob_slice(pem)), &der, &why), 0);
    assert_blob(der, request);
    estoc_blob_free(&der);
    char twice[8192];
    int n = snprintf(twice, sizeof twice, "%.*s%.*s", (int)pem.len, (const char *)pem.ptr,
                     (int)pem.len, (const char *)pem.ptr);
    estoc_blob_free(&pem);
    assert_int_equal(
        estoc_csr_load(file_with("b.csr", estoc_slice_of(twice, (size_t)n)), &der, &why),
        ESTOC_E_MALFORMED);
    assert_null(der.ptr);
    assert_non_null(strstr(why.text, "holds 2 certificate requests"));
    assert_int_equal(estoc_csr_load(file_with("a.der", estoc_blob_slice(request)), &der, &why), 0);
    assert_blob(der, request);
    estoc_blob_free(&der);
    assert_int_equal(estoc_csr_load(file_with("c.der", estoc_blob_slice(certs[0])), &der, &why),
                     ESTOC_E_MALFORMED);
    assert_int_equal(estoc_csr_load(file_with("c.crt", estoc_slice_str(pem_of(0))), &der, &why),
                     ESTOC_E_MALFORMED);
    assert_non_null(strstr(why.text, "holds no certificate request"));
    assert_int_equal(estoc_csr_load("/nonexistent/a.csr", &der, &why), ESTOC_E_FILE);
    assert_null(der.ptr);
    assert_int_equal(ERR_peek_error(), 0);
}

static void as_text(void **state)
{
    (void)state;
    estoc_blob text;
    uint8_t long_one[4096] = {0};
    assert_int_equal(estoc_cert_text(estoc_blob_slice(certs[1]), &text), 0);
    char copy[8192];
    snprintf(copy, sizeof copy, "%.*s", (int)text.len, (const char *)text.ptr);
    assert_non_null(strstr(copy, "Serial Number: 2 (0x2)"));
    assert_non_null(strstr(copy, "Subject: CN = device"));
    estoc_blob_free(&text);
    memcpy(long_one, certs[0].ptr, certs[0].len);
    assert_int_equal(estoc_cert_text(estoc_slice_of(long_one, certs[0].len + 1), &text),
                     ESTOC_E_MALFORMED);
    assert_null(text.ptr);
    assert_int_equal(estoc_cert_text(estoc_slice_of(long_one, 100), &text), ESTOC_E_MALFORMED);
    assert_int_equal(ERR_peek_error(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(written_and_read),
        cmocka_unit_test(text_between),
        cmocka_unit_test(line_ends_of_windows),
        cmocka_unit_test(one_in_der),
        cmocka_unit_test(not_a_file),
        cmocka_unit_test(none_inside),
        cmocka_unit_test(damaged_inside),
        cmocka_unit_test(damaged_der),
        cmocka_unit_test(too_many),
        cmocka_unit_test(nothing_to_write),
        cmocka_unit_test(requests),
        cmocka_unit_test(as_text),
    };
    return cmocka_run_group_tests_name("crypto pem", tests, make, drop);
}
