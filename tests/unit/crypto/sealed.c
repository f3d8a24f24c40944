/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "folder.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

static char source[600];
static estoc_why why;

static int set_up(void **state)
{
    int rc = folder_make(state);
    snprintf(source, sizeof source, "file:%s",
             file_with("pass", estoc_slice_str("open sesame\nno part of it\n")));
    return rc;
}

static estoc_key *generated(estoc_key_kind kind)
{
    estoc_key *key = NULL;
    assert_int_equal(estoc_key_generate(kind, &key), 0);
    return key;
}

static void assert_same(const estoc_key *a, const estoc_key *b)
{
    uint8_t one[ESTOC_SPKI_MAX], other[ESTOC_SPKI_MAX];
    size_t one_len = 0, other_len = 0;
    assert_int_equal(estoc_key_spki(a, (estoc_buf){one, sizeof one}, &one_len), 0);
    assert_int_equal(estoc_key_spki(b, (estoc_buf){other, sizeof other}, &other_len), 0);
    assert_int_equal(one_len, other_len);
    assert_memory_equal(one, other, one_len);
}

static void assert_refused(const char *path, const char *passphrase, estoc_err err,
                           const char *words)
{
    estoc_key *key = (estoc_key *)&why; /* what it must not stay */
    why.text[0] = '\0';
    assert_int_equal(estoc_key_load_sealed(path, passphrase, &key, &why), err);
    assert_null(key);
    if (strstr(why.text, words) == NULL) {
        fail_msg("no \"%s\" in \"%s\"", words, why.text);
    }
    assert_null(strstr(why.text, "sesame"));
    assert_int_equal(ERR_peek_error(), 0);
}

static void every_kind(void **state)
{
    (void)state;
    static const estoc_key_kind kinds[] = {ESTOC_KEY_P256, ESTOC_KEY_P384, ESTOC_KEY_ED25519,
                                           ESTOC_KEY_RSA};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        estoc_key *key = generated(kinds[i]);
        estoc_key *read = NULL;
        struct stat st;
        const char *path = in_folder("own.key");
        assert_int_equal(estoc_key_save_sealed(key, path, source, &why), 0);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
        assert_int_equal(estoc_key_load_sealed(in_folder("own.key"), source, &read, &why), 0);
        assert_same(key, read);
        estoc_key_free(read);
        estoc_key_free(key);
    }
}

/* What stands in the file, by another's eyes: PBES2, PBKDF2 with SHA-256 and enough rounds, AES-256. */
static void how_it_is_encrypted(void **state)
{
    (void)state;
    char text[8192], command[700];
    estoc_key *key = generated(ESTOC_KEY_P256);
    assert_int_equal(estoc_key_save_sealed(key, in_folder("own.key"), source, &why), 0);
    snprintf(command, sizeof command, "openssl asn1parse -in %s", in_folder("own.key"));
    FILE *in = popen(command, "r");
    assert_non_null(in);
    size_t n = fread(text, 1, sizeof text - 1, in);
    text[n] = '\0';
    assert_int_equal(pclose(in), 0);
    assert_non_null(strstr(text, ":PBES2"));
    assert_non_null(strstr(text, ":PBKDF2"));
    assert_non_null(strstr(text, ":hmacWithSHA256"));
    assert_non_null(strstr(text, ":0927C0")); /* 600,000 */
    assert_non_null(strstr(text, ":aes-256-cbc"));
    estoc_key_free(key);
}

static void of_others(void **state)
{
    (void)state;
    estoc_key *key = NULL;
    EVP_PKEY *ec = EVP_EC_gen("P-256");
    BIO *out = BIO_new_file(in_folder("other.key"), "w");
    assert_int_equal(
        PEM_write_bio_PKCS8PrivateKey(out, ec, EVP_aes_128_cbc(), "open sesame", 11, NULL, NULL),
        1);
    BIO_free(out);
    assert_int_equal(estoc_key_load_sealed(in_folder("other.key"), source, &key, &why), 0);
    estoc_key_free(key);
    out = BIO_new_file(in_folder("other.key"), "w");
    assert_int_equal(PEM_write_bio_PKCS8PrivateKey_nid(out, ec,
                                                       NID_pbe_WithSHA1And3_Key_TripleDES_CBC,
                                                       "open sesame", 11, NULL, NULL),
                     1);
    BIO_free(out);
    assert_refused(in_folder("other.key"), source, ESTOC_E_KEY, "encrypted in the old way");
    out = BIO_new_file(in_folder("other.key"), "w");
    assert_int_equal(
        PEM_write_bio_PrivateKey_traditional(
            out, ec, EVP_aes_128_cbc(), (unsigned char *)(uintptr_t) "open sesame", 11, NULL, NULL),
        1);
    BIO_free(out);
    EVP_PKEY_free(ec);
    assert_refused(in_folder("other.key"), source, ESTOC_E_KEY, "encrypted in the old way");
}

static void not_opened(void **state)
{
    (void)state;
    char wrong[600];
    estoc_key *key = generated(ESTOC_KEY_P256);
    assert_int_equal(estoc_key_save_sealed(key, in_folder("own.key"), source, &why), 0);
    estoc_key_free(key);
    key = NULL;
    snprintf(wrong, sizeof wrong, "file:%s", file_with("wrong", estoc_slice_str("open barley\n")));
    const char *path = in_folder("own.key");
    assert_refused(path, wrong, ESTOC_E_KEY, "does not open it");
    assert_refused(path, "", ESTOC_E_KEY, "no passphrase is named; see key-passphrase");
    assert_refused(path, "file:/nonexistent", ESTOC_E_FILE, "no passphrase can be read");
    assert_refused(path, "open sesame", ESTOC_E_USAGE, "a passphrase comes from");
}

static void damaged(void **state)
{
    (void)state;
    static const char text[] = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAUCAQACAQA=\n"
                               "-----END ENCRYPTED PRIVATE KEY-----\n";
    assert_refused(file_with("bad.key", estoc_slice_str(text)), source, ESTOC_E_KEY,
                   "encrypted private key that cannot be read");
}

/* A key that is not encrypted needs no passphrase, not even a readable one. */
static void not_encrypted(void **state)
{
    (void)state;
    estoc_key *key = generated(ESTOC_KEY_P256);
    estoc_key *read = NULL;
    assert_int_equal(estoc_key_save_sealed(key, in_folder("own.key"), "", &why), 0);
    assert_int_equal(estoc_key_load_sealed(in_folder("own.key"), "file:/nonexistent", &read, &why),
                     0);
    assert_same(key, read);
    estoc_key_free(read);
    assert_int_equal(estoc_key_load(in_folder("own.key"), &read, &why), 0);
    estoc_key_free(read);
    estoc_key_free(key);
}

static void not_written(void **state)
{
    (void)state;
    estoc_key *key = generated(ESTOC_KEY_P256);
    assert_int_equal(estoc_key_save_sealed(key, "/nonexistent/own.key", source, &why),
                     ESTOC_E_FILE);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(estoc_key_save_sealed(key, in_folder("none.key"), "file:/nonexistent", &why),
                     ESTOC_E_FILE);
    assert_false(estoc_file_exists(in_folder("none.key")));
    estoc_key_free(key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind),  cmocka_unit_test(how_it_is_encrypted),
        cmocka_unit_test(of_others),   cmocka_unit_test(not_opened),
        cmocka_unit_test(damaged),     cmocka_unit_test(not_encrypted),
        cmocka_unit_test(not_written),
    };
    return cmocka_run_group_tests_name("crypto sealed", tests, set_up, folder_remove);
}
