/* SPDX-License-Identifier: MIT */
#include "token.h"
#include "folder.h"

#include <openssl/err.h>
#include <openssl/evp.h>

#include <estoc/csr.h>

static estoc_token_uri uri;
static estoc_why why;

static void takes_apart(void **state)
{
    (void)state;
    static const struct {
        const char *text, *object, *module, *pin_source;
    } rows[] = {
        {"pkcs11:token=dev;object=op", "pkcs11:token=dev;object=op", "", ""},
        {"pkcs11:object=a%20b", "pkcs11:object=a%20b", "", ""},
        {"pkcs11:id=%01?pin-source=file:/run/pin", "pkcs11:id=%01", "", "/run/pin"},
        {"pkcs11:id=%01?pin-source=/run/pin", "pkcs11:id=%01", "", "/run/pin"},
        {"pkcs11:id=%01?pin-source=file:///run/pin", "pkcs11:id=%01", "", "/run/pin"},
        {"pkcs11:id=%01?pin-source=file:/a%20b%3F", "pkcs11:id=%01", "", "/a b?"},
        {"pkcs11:id=%01?pin-source=p&module-path=/m.so", "pkcs11:id=%01", "/m.so", "p"},
        {"pkcs11:id=%01?module-path=/m%2eso", "pkcs11:id=%01", "/m.so", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(estoc_token_uri_parse(rows[i].text, &uri, &why), 0);
        assert_string_equal(uri.object, rows[i].object);
        assert_string_equal(uri.module, rows[i].module);
        assert_string_equal(uri.pin_source, rows[i].pin_source);
    }
}

static void refuses(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",
        "pkcs11",
        "pkcs11:",
        "pkcs11:?pin-source=x",
        "PKCS11:object=x",
        "file:object=x",
        "pkcs11:object=x?pin-value=1234",
        "pkcs11:object=x?pin-value",
        "pkcs11:object=x?",
        "pkcs11:object=x?pin-source",
        "pkcs11:object=x?pin-source=",
        "pkcs11:object=x?pin-source=file:",
        "pkcs11:object=x?pin-source=|/bin/pin", /* no commands */
        "pkcs11:object=x?pin-source=a%",
        "pkcs11:object=x?pin-source=a%4",
        "pkcs11:object=x?pin-source=a%4g",
        "pkcs11:object=x?pin-source=a%00",
        "pkcs11:object=x?module-path=",
        "pkcs11:object=x?module-name=y",
        "pkcs11:object=x?pin-source=a&",
        "pkcs11:object=x?pin-source=a&&module-path=b",
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        why.text[0] = '\0';
        if (estoc_token_uri_parse(rows[i], &uri, &why) != ESTOC_E_KEY) {
            fail_msg("taken: %s", rows[i]);
        }
        assert_int_not_equal(why.text[0], '\0');
        assert_null(strstr(why.text, "1234"));
    }
}

static void longest(void **state)
{
    (void)state;
    char text[ESTOC_KEY_URI_MAX + 2] = "pkcs11:object=";
    memset(text + 14, 'x', sizeof text - 15);
    assert_int_equal(strlen(text), ESTOC_KEY_URI_MAX + 1);
    assert_int_equal(estoc_token_uri_parse(text, &uri, &why), ESTOC_E_KEY);
    text[ESTOC_KEY_URI_MAX] = '\0';
    assert_int_equal(estoc_token_uri_parse(text, &uri, &why), 0);
    assert_string_equal(uri.object, text);
}

/* ---- with a token ---- */

#define PIN "31415926"

static estoc_key *original; /* what was put into the token */
static char the_uri[ESTOC_KEY_URI_MAX + 1];

__attribute__((format(printf, 1, 2))) static int shell(const char *format, ...)
{
    char command[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    return system(command);
}

static int make_token(void **state)
{
    char conf[256];
    int rc = folder_make(state);
    int n = snprintf(conf, sizeof conf, "directories.tokendir = %s/tokens\nlog.level = ERROR\n",
                     folder);
    setenv("SOFTHSM2_CONF", file_with("conf", estoc_slice_of(conf, (size_t)n)), 1);
    file_with("pin", estoc_slice_str(PIN));
    rc = rc == 0 ? estoc_key_generate(ESTOC_KEY_P256, &original) != ESTOC_OK : rc;
    rc = rc == 0 ? estoc_key_save(original, in_folder("key.pem")) != ESTOC_OK : rc;
    rc = rc == 0 ? mkdir(in_folder("tokens"), 0700) : rc;
    rc = rc == 0 ? shell("softhsm2-util --init-token --free --label dev --pin " PIN
                         " --so-pin 12345678 >/dev/null")
                 : rc;
    rc = rc == 0 ? shell("softhsm2-util --import %s --token dev --label op --id 01 --pin " PIN
                         " >/dev/null",
                         in_folder("key.pem"))
                 : rc;
    snprintf(the_uri, sizeof the_uri,
             "pkcs11:token=dev;object=op;type=private?pin-source=file:%.64s/pin", folder);
    return rc;
}

static int remove_token(void **state)
{
    estoc_key_free(original);
    int rc = shell("rm -rf %s/tokens", folder);
    return rc == 0 ? folder_remove(state) : rc;
}

static estoc_key *from_token(void)
{
    estoc_key *key = NULL;
    estoc_err err = estoc_key_load(the_uri, &key, &why);
    if (err) {
        fail_msg("%s", why.text);
    }
    assert_true(estoc_key_in_token(key));
    return key;
}

/* The core's signing callback (estoc_signer) with a key that nobody can read: what firmware does
 * with a secure element. */
static void signs_a_request(void **state)
{
    (void)state;
    uint8_t spki[ESTOC_SPKI_MAX], want[ESTOC_SPKI_MAX], der[1024];
    size_t spki_len = 0, want_len = 0, len = 0;
    estoc_key *key = from_token();
    assert_int_equal(estoc_key_spki(key, (estoc_buf){spki, sizeof spki}, &spki_len), 0);
    assert_int_equal(estoc_key_spki(original, (estoc_buf){want, sizeof want}, &want_len), 0);
    assert_int_equal(spki_len, want_len);
    assert_memory_equal(spki, want, want_len);
    static const uint8_t no_name[] = {0x30, 0x00};
    estoc_csr_plan plan = {.subject = {no_name, sizeof no_name}, .spki = {spki, spki_len}};
    estoc_signer signer = estoc_key_signer(key);
    assert_int_equal(estoc_csr_build(&plan, &signer, (estoc_buf){der, sizeof der}, &len), 0);
    estoc_csr csr;
    assert_int_equal(estoc_csr_parse(&csr, estoc_slice_of(der, len)), 0);
    assert_int_equal(estoc_verify(&csr.spki, csr.sig, csr.info, csr.signature), 0);
    estoc_key_free(key);
}

static void saved_is_where_it_is(void **state)
{
    (void)state;
    estoc_blob text;
    estoc_key *key = from_token();
    estoc_key *again = NULL;
    assert_int_equal(estoc_key_save(key, in_folder("ref")), 0);
    assert_int_equal(estoc_file_read(in_folder("ref"), 4096, &text), 0);
    assert_int_equal(text.len, strlen(the_uri));
    assert_memory_equal(text.ptr, the_uri, text.len);
    estoc_blob_free(&text);
    assert_int_equal(estoc_key_load(in_folder("ref"), &again, &why), 0);
    assert_true(estoc_key_in_token(again));
    estoc_key_free(again);
    estoc_key_free(key);
    /* with a line's end, as an editor leaves it; and not among other lines */
    char line[ESTOC_KEY_URI_MAX + 16];
    snprintf(line, sizeof line, "%s\r\n", the_uri);
    assert_int_equal(estoc_key_load(file_with("ref", estoc_slice_str(line)), &again, &why), 0);
    estoc_key_free(again);
    snprintf(line, sizeof line, "%s\nx\n", the_uri);
    assert_int_equal(estoc_key_load(file_with("ref", estoc_slice_str(line)), &again, &why),
                     ESTOC_E_KEY);
    assert_false(estoc_key_in_token(original));
}

/* By the functions that OpenSSL itself calls, in handshakes and for CMS. */
static void assert_signs(const char *label, const char *id, estoc_key *whole)
{
    char uri_text[ESTOC_KEY_URI_MAX + 1];
    uint8_t sig[ESTOC_SIG_MAX];
    size_t len = sizeof sig;
    estoc_key *key = NULL;
    assert_int_equal(estoc_key_save(whole, in_folder("more.pem")), 0);
    assert_int_equal(shell("softhsm2-util --import %s --token dev --label %s --id %s --pin " PIN
                           " >/dev/null",
                           in_folder("more.pem"), label, id),
                     0);
    snprintf(uri_text, sizeof uri_text,
             "pkcs11:token=dev;object=%s;type=private?pin-source=file:%.64s/pin", label, folder);
    assert_int_equal(estoc_key_load(uri_text, &key, &why), 0);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, estoc_key_native(key)), 1);
    estoc_key_free(key); /* an association may hold it longer */
    assert_int_equal(EVP_DigestSign(ctx, sig, &len, (const uint8_t *)"text", 4), 1);
    EVP_MD_CTX_free(ctx);
    ctx = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, estoc_key_native(whole)),
                     1);
    assert_int_equal(EVP_DigestVerify(ctx, sig, len, (const uint8_t *)"text", 4), 1);
    EVP_MD_CTX_free(ctx);
    estoc_key_free(whole);
}

static void used_by_openssl(void **state)
{
    (void)state;
    estoc_key *key = NULL;
    assert_int_equal(estoc_key_generate(ESTOC_KEY_P256, &key), 0);
    assert_signs("p256", "11", key);
    assert_int_equal(estoc_key_generate(ESTOC_KEY_P384, &key), 0);
    assert_signs("p384", "12", key);
    assert_int_equal(estoc_key_generate_rsa(2048, &key), 0);
    assert_signs("rsa", "13", key);
}

static void decrypts(void **state)
{
    (void)state;
    char uri_text[ESTOC_KEY_URI_MAX + 1];
    uint8_t sealed[512], text[512];
    size_t sealed_len = sizeof sealed, len = sizeof text;
    estoc_key *key = NULL;
    snprintf(uri_text, sizeof uri_text,
             "pkcs11:token=dev;object=rsa;type=private?pin-source=file:%.64s/pin", folder);
    assert_int_equal(estoc_key_load(uri_text, &key, &why), 0);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(estoc_key_native(key), NULL);
    assert_int_equal(EVP_PKEY_encrypt_init(ctx), 1);
    assert_int_equal(EVP_PKEY_encrypt(ctx, sealed, &sealed_len, (const uint8_t *)"text", 4), 1);
    assert_int_equal(EVP_PKEY_decrypt_init(ctx), 1);
    assert_int_equal(EVP_PKEY_decrypt(ctx, text, &len, sealed, sealed_len), 1);
    assert_int_equal(len, 4);
    assert_memory_equal(text, "text", 4);
    EVP_PKEY_CTX_free(ctx);
    estoc_key_free(key);
}

/* What softhsm2-util imports may not agree on secrets: the token says so, and it signs as before. */
static void token_refuses(void **state)
{
    (void)state;
    uint8_t secret[64], sig[ESTOC_SIG_MAX];
    size_t secret_len = sizeof secret, len = 0;
    estoc_key *key = from_token();
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(estoc_key_native(key), NULL);
    assert_int_equal(EVP_PKEY_derive_init(ctx), 1);
    assert_int_equal(EVP_PKEY_derive_set_peer(ctx, estoc_key_native(original)), 1);
    assert_int_equal(EVP_PKEY_derive(ctx, secret, &secret_len), 0);
    assert_int_equal(ERR_GET_REASON(ERR_peek_error()), 0x68); /* CKR_KEY_FUNCTION_NOT_PERMITTED */
    ERR_clear_error();
    EVP_PKEY_CTX_free(ctx);
    assert_int_equal(
        estoc_key_sign(key, estoc_slice_str("text"), (estoc_buf){sig, sizeof sig}, &len), 0);
    assert_int_equal(estoc_sha256(estoc_slice_str("text"), secret), 0);
    assert_int_equal(
        estoc_key_sign_digest(key, estoc_slice_of(secret, 32), (estoc_buf){sig, sizeof sig}, &len),
        0);
    assert_int_equal(EVP_PKEY_verify_init(ctx = EVP_PKEY_CTX_new(estoc_key_native(key), NULL)), 1);
    assert_int_equal(EVP_PKEY_verify(ctx, sig, len, secret, 32), 1);
    EVP_PKEY_CTX_free(ctx);
    estoc_key_free(key);
}

static void faults(void **state)
{
    (void)state;
    estoc_key *key = NULL;
    static const struct {
        const char *text, *words;
        estoc_err err;
    } rows[] = {
        {"pkcs11:token=dev;object=none;type=private", "no such private key", ESTOC_E_KEY},
        {"pkcs11:token=dev;object=op?pin-source=/nonexistent", "no PIN can be read", ESTOC_E_FILE},
        {"pkcs11:token=dev;object=op?module-path=/nonexistent", "another module", ESTOC_E_KEY},
        {"pkcs11:token=dev;object=op?pin-value=" PIN, "no PIN in the URI", ESTOC_E_KEY},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(estoc_key_load(rows[i].text, &key, &why), rows[i].err);
        assert_null(key);
        if (strstr(why.text, rows[i].words) == NULL) {
            fail_msg("%s: %s", rows[i].text, why.text);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_apart),
        cmocka_unit_test(refuses),
        cmocka_unit_test(longest),
        cmocka_unit_test(signs_a_request),
        cmocka_unit_test(saved_is_where_it_is),
        cmocka_unit_test(used_by_openssl),
        cmocka_unit_test(decrypts),
        cmocka_unit_test(token_refuses),
        cmocka_unit_test(faults),
    };
    return cmocka_run_group_tests_name("crypto token", tests, make_token, remove_token);
}
