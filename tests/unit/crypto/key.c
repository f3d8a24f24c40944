/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <pthread.h>

#include "folder.h"
#include "short_memory.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "text.h"

static const estoc_key_kind kinds[] = {ESTOC_KEY_P256, ESTOC_KEY_P384, ESTOC_KEY_ED25519,
                                       ESTOC_KEY_RSA};
#define KINDS (sizeof kinds / sizeof kinds[0])

static estoc_slice message(void)
{
    return estoc_slice_str("to be signed");
}

static void assert_signs_as(const estoc_key *key, const estoc_key *public_half)
{
    uint8_t sig[ESTOC_SIG_MAX];
    uint8_t der[ESTOC_SPKI_MAX];
    size_t sig_len = 0;
    size_t der_len = 0;
    estoc_spki spki;
    assert_int_equal(estoc_key_sign(key, message(), (estoc_buf){sig, sizeof sig}, &sig_len), 0);
    assert_int_equal(estoc_key_spki(public_half, (estoc_buf){der, sizeof der}, &der_len), 0);
    assert_int_equal(estoc_spki_parse(&spki, estoc_slice_of(der, der_len)), 0);
    assert_int_equal(
        estoc_verify(&spki, estoc_key_sig(key), message(), estoc_slice_of(sig, sig_len)), 0);
    assert_int_equal(ERR_peek_error(), 0);
}

/* The same of the digest alone, where the kind of key lets it. */
static void assert_signs_digest(const estoc_key *key)
{
    uint8_t digest[64], sig[ESTOC_SIG_MAX], der[ESTOC_SPKI_MAX];
    unsigned digest_len = 0;
    size_t len = 0, der_len = 0;
    estoc_spki spki;
    bool p384 = estoc_key_kind_of(key) == ESTOC_KEY_P384;
    const EVP_MD *md = p384 ? EVP_sha384() : EVP_sha256();
    assert_int_equal(EVP_Digest(message().ptr, message().len, digest, &digest_len, md, NULL), 1);
    estoc_err err = estoc_key_sign_digest(key, estoc_slice_of(digest, digest_len),
                                          (estoc_buf){sig, sizeof sig}, &len);
    if (estoc_key_kind_of(key) == ESTOC_KEY_ED25519) {
        assert_int_equal(err, ESTOC_E_UNSUPPORTED);
        return;
    }
    assert_int_equal(err, 0);
    assert_int_equal(estoc_key_spki(key, (estoc_buf){der, sizeof der}, &der_len), 0);
    assert_int_equal(estoc_spki_parse(&spki, estoc_slice_of(der, der_len)), 0);
    assert_int_equal(estoc_verify(&spki, estoc_key_sig(key), message(), estoc_slice_of(sig, len)),
                     0);
    assert_int_equal(estoc_key_sign_digest(key, estoc_slice_of(digest, digest_len - 1),
                                           (estoc_buf){sig, sizeof sig}, &len),
                     ESTOC_E_UNSUPPORTED);
    assert_int_equal(len, 0);
}

static estoc_key *generated(estoc_key_kind kind)
{
    estoc_key *key = NULL;
    assert_int_equal(estoc_key_generate(kind, &key), 0);
    assert_non_null(key);
    assert_int_equal(ERR_peek_error(), 0);
    return key;
}

/* Made, saved, loaded: the same key. */
static void every_kind(void **state)
{
    (void)state;
    static const struct {
        estoc_sig_kind sig;
        size_t spki_len;
    } want[KINDS] = {{ESTOC_SIG_ECDSA_SHA256, 91},
                     {ESTOC_SIG_ECDSA_SHA384, 120},
                     {ESTOC_SIG_ED25519, 44},
                     {ESTOC_SIG_RSA_SHA256, 422}}; /* 3,072 bits */
    for (size_t i = 0; i < KINDS; i++) {
        estoc_why why = {"untouched"};
        estoc_key *key = generated(kinds[i]);
        estoc_key *read = NULL;
        uint8_t der[ESTOC_SPKI_MAX];
        size_t len = 0;
        assert_int_equal(estoc_key_kind_of(key), kinds[i]);
        assert_int_equal(estoc_key_sig(key), want[i].sig);
        assert_int_equal(estoc_key_spki(key, (estoc_buf){der, sizeof der}, &len), 0);
        assert_int_equal(len, want[i].spki_len);
        assert_int_equal(estoc_key_save(key, in_folder("own.key")), 0);
        assert_int_equal(estoc_key_load(in_folder("own.key"), &read, &why), 0);
        assert_string_equal(why.text, "untouched");
        assert_int_equal(estoc_key_kind_of(read), kinds[i]);
        assert_signs_as(read, key);
        assert_signs_as(key, read);
        assert_signs_digest(read);
        estoc_key_free(read);
        estoc_key_free(key);
    }
}

static void two_are_not_alike(void **state)
{
    (void)state;
    estoc_key *a = generated(ESTOC_KEY_P256);
    estoc_key *b = generated(ESTOC_KEY_P256);
    uint8_t spki_a[ESTOC_SPKI_MAX];
    uint8_t spki_b[ESTOC_SPKI_MAX];
    size_t len = 0;
    assert_int_equal(estoc_key_spki(a, (estoc_buf){spki_a, sizeof spki_a}, &len), 0);
    assert_int_equal(estoc_key_spki(b, (estoc_buf){spki_b, sizeof spki_b}, &len), 0);
    assert_memory_not_equal(spki_a, spki_b, len);
    estoc_key_free(a);
    estoc_key_free(b);
}

static void saved_for_the_owner_only(void **state)
{
    (void)state;
    estoc_key *key = generated(ESTOC_KEY_P256);
    struct stat st;
    file_with("mode.key", estoc_slice_str("readable by all before"));
    assert_int_equal(estoc_key_save(key, in_folder("mode.key")), 0);
    assert_int_equal(stat(in_folder("mode.key"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    estoc_blob text;
    assert_int_equal(estoc_file_read(in_folder("mode.key"), 4096, &text), 0);
    static const char begin[] = "-----BEGIN PRIVATE KEY-----\n"; /* PKCS#8: RFC 7468 section 10 */
    assert_memory_equal(text.ptr, begin, sizeof begin - 1);
    estoc_blob_free(&text);
    assert_int_equal(estoc_key_save(key, "/nonexistent/own.key"), ESTOC_E_FILE);
    assert_int_equal(errno, ENOENT);
    estoc_key_free(key);
}

static void rooms_too_small(void **state)
{
    (void)state;
    for (size_t i = 0; i < KINDS; i++) {
        estoc_key *key = generated(kinds[i]);
        uint8_t room[ESTOC_SPKI_MAX];
        size_t len = 0;
        size_t less = 0;
        assert_int_equal(estoc_key_spki(key, (estoc_buf){room, sizeof room}, &len), 0);
        less = len;
        assert_int_equal(estoc_key_spki(key, (estoc_buf){room, len - 1}, &less), ESTOC_E_SPACE);
        assert_int_equal(less, 0);
        memset(room, 0xa5, sizeof room);
        less = 7;
        assert_int_equal(estoc_key_sign(key, message(), (estoc_buf){room, 60}, &less),
                         ESTOC_E_SPACE);
        assert_int_equal(less, 0);
        assert_int_equal(room[0], 0xa5);
        assert_int_equal(ERR_peek_error(), 0);
        estoc_key_free(key);
    }
}

static void no_such_kind(void **state)
{
    (void)state;
    estoc_key *key = (estoc_key *)folder;
    assert_int_equal(estoc_key_generate(ESTOC_KEY_UNKNOWN, &key), ESTOC_E_UNSUPPORTED);
    assert_null(key);
    estoc_key_free(NULL);
}

static void as_a_signer(void **state)
{
    (void)state;
    estoc_key *key = generated(ESTOC_KEY_P384);
    estoc_signer signer = estoc_key_signer(key);
    uint8_t sig[ESTOC_SIG_MAX];
    size_t len = 0;
    assert_int_equal(signer.kind, ESTOC_SIG_ECDSA_SHA384);
    assert_int_equal(signer.sign(signer.ctx, message(), (estoc_buf){sig, sizeof sig}, &len), 0);
    assert_in_range(len, 96, 104);
    assert_true(EVP_PKEY_is_a(estoc_key_native(key), "EC"));
    estoc_key_free(key);
}

/* What other programs write. */

static const char *write_native(const char *name, EVP_PKEY *key, bool traditional)
{
    const char *path = in_folder(name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    BIO *out = BIO_new_fp(f, BIO_NOCLOSE);
    fputs("Bag Attributes\n    text between is passed over\n", f);
    fflush(f);
    int done = traditional
                   ? PEM_write_bio_PrivateKey_traditional(out, key, NULL, NULL, 0, NULL, NULL)
                   : PEM_write_bio_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL);
    assert_int_equal(done, 1);
    BIO_free(out);
    fclose(f);
    return path;
}

static void load_good(const char *path, EVP_PKEY *native, estoc_key_kind kind)
{
    estoc_key *key = NULL;
    estoc_why why = {""};
    estoc_err err = estoc_key_load(path, &key, &why);
    if (err) {
        fail_msg("%s", why.text);
    }
    assert_int_equal(estoc_key_kind_of(key), kind);
    assert_int_equal(EVP_PKEY_eq(estoc_key_native(key), native), 1);
    assert_signs_as(key, key);
    estoc_key_free(key);
}

static void traditional_forms(void **state)
{
    (void)state;
    EVP_PKEY *ec = EVP_EC_gen("P-256");
    load_good(write_native("sec1.key", ec, true), ec, ESTOC_KEY_P256);
    load_good(write_native("p8.key", ec, false), ec, ESTOC_KEY_P256);
    EVP_PKEY_free(ec);
    EVP_PKEY *rsa = EVP_RSA_gen(2048);
    load_good(write_native("pkcs1.key", rsa, true), rsa, ESTOC_KEY_RSA);
    EVP_PKEY_free(rsa);
}

/* `openssl ecparam -genkey` writes the curve's name first. */
static void ec_parameters_before(void **state)
{
    (void)state;
    EVP_PKEY *ec = EVP_EC_gen("P-384");
    estoc_blob key;
    assert_int_equal(estoc_file_read(write_native("sec1.key", ec, true), 4096, &key), 0);
    char text[4096];
    int n = snprintf(text, sizeof text,
                     "-----BEGIN EC PARAMETERS-----\nBgUrgQQAIg==\n-----END EC PARAMETERS-----\n"
                     "%.*s",
                     (int)key.len, (const char *)key.ptr);
    load_good(file_with("params.key", estoc_slice_of(text, (size_t)n)), ec, ESTOC_KEY_P384);
    estoc_blob_free(&key);
    EVP_PKEY_free(ec);
}

static void compressed_point_inside(void **state)
{
    (void)state;
    EVP_PKEY *ec = EVP_EC_gen("P-256");
    assert_int_equal(EVP_PKEY_set_utf8_string_param(ec, OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT,
                                                    "compressed"),
                     1);
    load_good(write_native("compressed.key", ec, true), ec, ESTOC_KEY_P256);
    EVP_PKEY_free(ec);
}

static void assert_refused(const char *path, estoc_err want, const char *with)
{
    estoc_key *key = (estoc_key *)folder;
    estoc_why why = {""};
    assert_int_equal(estoc_key_load(path, &key, &why), want);
    assert_null(key);
    if (strstr(why.text, with) == NULL || strncmp(why.text, path, strlen(path)) != 0) {
        fail_msg("\"%s\" does not say \"%s\"", why.text, with);
    }
    assert_null(strchr(why.text, '\n'));
    assert_int_equal(ERR_peek_error(), 0);
    assert_int_equal(estoc_key_load(path, &key, NULL), want); /* nobody asks why */
}

static void not_a_file(void **state)
{
    (void)state;
    assert_refused("/nonexistent/own.key", ESTOC_E_FILE, "No such file");
    assert_refused(folder, ESTOC_E_FILE, "directory");
    static char large[70000];
    memset(large, '-', sizeof large);
    assert_refused(file_with("large.key", estoc_slice_of(large, sizeof large)), ESTOC_E_FILE,
                   estoc_err_text(ESTOC_E_LIMIT));
}

static void not_a_key(void **state)
{
    (void)state;
    static const char *const none[] = {
        "",
        "hello",
        "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n",
        "-----BEGIN EC PARAMETERS-----\nBgUrgQQAIg==\n-----END EC PARAMETERS-----\n",
    };
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        assert_refused(file_with("none.key", estoc_slice_str(none[i])), ESTOC_E_KEY,
                       "holds no private key");
    }
    static const char *const damaged_pem[] = {
        "-----BEGIN PRIVATE KEY-----\nMAA=\n", /* no end */
        "-----BEGIN PRIVATE KEY-----\nM%A=\n-----END PRIVATE KEY-----\n",
        "-----BEGIN RSA PRIVATE KEY-----\n\n-----END RSA PRIVATE KEY-----\n",
    };
    for (size_t i = 0; i < sizeof damaged_pem / sizeof damaged_pem[0]; i++) {
        assert_refused(file_with("none.key", estoc_slice_str(damaged_pem[i])), ESTOC_E_KEY,
                       "is damaged PEM");
    }
    static const char *const damaged[] = {
        "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n",
        "-----BEGIN EC PRIVATE KEY-----\nMAMCAQE=\n-----END EC PRIVATE KEY-----\n",
    };
    for (size_t i = 0; i < sizeof damaged / sizeof damaged[0]; i++) {
        assert_refused(file_with("none.key", estoc_slice_str(damaged[i])), ESTOC_E_KEY,
                       "cannot be read");
    }
}

static void encrypted(void **state)
{
    (void)state;
    EVP_PKEY *ec = EVP_EC_gen("P-256");
    unsigned char pass[] = "password";
    for (int traditional = 0; traditional < 2; traditional++) {
        const char *path = in_folder("encrypted.key");
        BIO *out = BIO_new_file(path, "w");
        assert_int_equal((traditional ? PEM_write_bio_PrivateKey_traditional
                                      : PEM_write_bio_PrivateKey)(out, ec, EVP_aes_128_cbc(), pass,
                                                                  8, NULL, NULL),
                         1);
        BIO_free(out);
        assert_refused(path, ESTOC_E_KEY, "is encrypted");
    }
    EVP_PKEY_free(ec);
}

static void wrong_kinds(void **state)
{
    (void)state;
    EVP_PKEY *key = EVP_RSA_gen(1024);
    assert_refused(write_native("kind.key", key, false), ESTOC_E_KEY, "an RSA key of 1024 bits");
    EVP_PKEY_free(key);
    key = EVP_EC_gen("P-521");
    assert_refused(write_native("kind.key", key, false), ESTOC_E_KEY, "secp521r1");
    EVP_PKEY_free(key);
    key = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
    assert_refused(write_native("kind.key", key, false), ESTOC_E_KEY, "X25519");
    EVP_PKEY_free(key);
}

/* X3, CVE-2022-0778: the curve's numbers instead of its name. */
static void explicit_parameters(void **state)
{
    (void)state;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    assert_int_equal(EVP_PKEY_set_utf8_string_param(key, OSSL_PKEY_PARAM_EC_ENCODING, "explicit"),
                     1);
    assert_refused(write_native("explicit.key", key, false), ESTOC_E_KEY, "named curve");
    assert_refused(write_native("explicit.key", key, true), ESTOC_E_KEY, "named curve");
    EVP_PKEY_free(key);
}

/* A modulus of a size that is taken, and an exponent that is not. */
static void oversized_exponent(void **state)
{
    (void)state;
    static uint8_t number[384];
    uint8_t der[1200];
    memset(number, 0xff, sizeof number);
    estoc_writer w = estoc_writer_of((estoc_buf){der, sizeof der});
    size_t mark = estoc_der_open(&w, ESTOC_DER_SEQUENCE); /* RFC 8017 appendix A.1.2 */
    estoc_der_put_u32(&w, 0);
    estoc_der_put_unsigned(&w, estoc_slice_of(number, sizeof number));
    estoc_der_put_unsigned(&w, estoc_slice_of(number, 300));
    for (int i = 0; i < 6; i++) {
        estoc_der_put_u32(&w, 3);
    }
    estoc_der_close(&w, mark);
    BIO *out = BIO_new_file(in_folder("exponent.key"), "w");
    assert_true(PEM_write_bio(out, PEM_STRING_RSA, "", der, (long)w.len) > 0);
    BIO_free(out);
    assert_refused(in_folder("exponent.key"), ESTOC_E_KEY, "an RSA key of 3072 bits");
}

/* A private number beside another key's point. */
static void halves_that_do_not_fit(void **state)
{
    (void)state;
    EVP_PKEY *a = EVP_EC_gen("P-256");
    EVP_PKEY *b = EVP_EC_gen("P-256");
    unsigned char *der_a = NULL;
    unsigned char *der_b = NULL;
    int len_a = i2d_PrivateKey(a, &der_a); /* ends with the 65 bytes of the point */
    int len_b = i2d_PrivateKey(b, &der_b);
    assert_int_equal(len_a, len_b);
    memcpy(der_a + len_a - 65, der_b + len_b - 65, 65);
    BIO *out = BIO_new_file(in_folder("mixed.key"), "w");
    assert_true(PEM_write_bio(out, PEM_STRING_ECPRIVATEKEY, "", der_a, len_a) > 0);
    BIO_free(out);
    assert_refused(in_folder("mixed.key"), ESTOC_E_KEY, "does not fit");
    OPENSSL_free(der_a);
    OPENSSL_free(der_b);
    EVP_PKEY_free(a);
    EVP_PKEY_free(b);
}

/* Whatever is refused to OpenSSL: an error and nothing else, or all is well. */
static void no_memory(void **state)
{
    (void)state;
    uint8_t sig[ESTOC_SIG_MAX];
    unsigned failures[4] = {0};
    estoc_key *key = generated(ESTOC_KEY_P256);
    assert_int_equal(estoc_key_save(key, in_folder("short.key")), 0);
    for (long n = 1; n < 20000; n += n < 200 ? 1 : 397) {
        estoc_err err[4];
        estoc_key *made = NULL;
        estoc_key *read = NULL;
        size_t len = 0;
        allocations_left = n;
        err[0] = estoc_key_generate(ESTOC_KEY_P256, &made);
        allocations_left = n;
        err[1] = estoc_key_load(in_folder("short.key"), &read, NULL);
        allocations_left = n;
        err[2] = estoc_key_sign(key, message(), (estoc_buf){sig, sizeof sig}, &len);
        allocations_left = n;
        err[3] = estoc_key_save(key, in_folder("other.key"));
        allocations_left = -1;
        assert_int_equal(err[0] != 0, made == NULL);
        assert_int_equal(err[1] != 0, read == NULL);
        assert_int_equal(err[2] != 0, len == 0);
        assert_true(err[2] == 0 || err[2] == ESTOC_E_CRYPTO);
        assert_true(err[3] == 0 || err[3] == ESTOC_E_CRYPTO);
        assert_int_equal(ERR_peek_error(), 0);
        for (size_t i = 0; i < 4; i++) {
            failures[i] += err[i] != 0;
        }
        if (made != NULL) {
            assert_signs_as(made, made);
        }
        estoc_key_free(made);
        estoc_key_free(read);
    }
    for (size_t i = 0; i < 4; i++) {
        assert_in_range(failures[i], 10, 230);
    }
    estoc_key_free(key);
}

static void *sign_often(void *key)
{
    uint8_t sig[ESTOC_SIG_MAX];
    uint8_t der[ESTOC_SPKI_MAX];
    size_t len = 0;
    estoc_spki spki;
    uintptr_t failures = estoc_key_spki(key, (estoc_buf){der, sizeof der}, &len) != 0 ||
                         estoc_spki_parse(&spki, estoc_slice_of(der, len)) != 0;
    for (int i = 0; i < 100 && failures == 0; i++) {
        failures += estoc_key_sign(key, message(), (estoc_buf){sig, sizeof sig}, &len) != 0 ||
                    estoc_verify(&spki, estoc_key_sig(key), message(), estoc_slice_of(sig, len));
    }
    return (void *)failures;
}

static void one_key_two_threads(void **state)
{
    (void)state;
    for (size_t i = 0; i < KINDS; i++) {
        estoc_key *key = generated(kinds[i]);
        pthread_t threads[2];
        for (size_t t = 0; t < 2; t++) {
            assert_int_equal(pthread_create(&threads[t], NULL, sign_often, key), 0);
        }
        for (size_t t = 0; t < 2; t++) {
            void *failures = NULL;
            assert_int_equal(pthread_join(threads[t], &failures), 0);
            assert_null(failures);
        }
        estoc_key_free(key);
    }
}

int main(void)
{
    if (!short_memory_ready()) {
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_key_two_threads),
        cmocka_unit_test(every_kind),
        cmocka_unit_test(two_are_not_alike),
        cmocka_unit_test(saved_for_the_owner_only),
        cmocka_unit_test(rooms_too_small),
        cmocka_unit_test(no_such_kind),
        cmocka_unit_test(as_a_signer),
        cmocka_unit_test(traditional_forms),
        cmocka_unit_test(ec_parameters_before),
        cmocka_unit_test(compressed_point_inside),
        cmocka_unit_test(not_a_file),
        cmocka_unit_test(not_a_key),
        cmocka_unit_test(encrypted),
        cmocka_unit_test(wrong_kinds),
        cmocka_unit_test(explicit_parameters),
        cmocka_unit_test(oversized_exponent),
        cmocka_unit_test(halves_that_do_not_fit),
        cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests_name("crypto key", tests, folder_make, folder_remove);
}
