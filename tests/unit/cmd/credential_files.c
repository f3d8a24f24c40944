/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "credential.h"
#include "mint.h"

static char folder[64];
static char prefix[96];
static const estoc_slice request = {(const uint8_t *)"a request", 9};

static const char *path(const char *end)
{
    static char rooms[2][128];
    static unsigned turn;
    char *out = rooms[turn++ % 2];
    snprintf(out, sizeof rooms[0], "%s%s", prefix, end);
    return out;
}

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/estoc-XXXXXX");
    snprintf(prefix, sizeof prefix, "%s/dev", mkdtemp(folder));
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    static const char *const files[] = {".crt",     ".key",     ".d/now",   ".d/lock",  ".d/a/key",
                                        ".d/a/csr", ".d/a/crt", ".d/b/key", ".d/b/csr", ".d/b/crt",
                                        ".d/a",     ".d/b",     ".d"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        if (unlink(path(files[i])) != 0) {
            rmdir(path(files[i]));
        }
    }
    return rmdir(folder);
}

/* A key, and a certificate for it. */
static estoc_key *new_key(estoc_blob *cert)
{
    uint8_t name[64];
    size_t len;
    estoc_key *key;
    assert_int_equal(estoc_key_generate(ESTOC_KEY_P256, &key), 0);
    assert_int_equal(estoc_mint_name("dev", (estoc_buf){name, sizeof name}, &len), 0);
    estoc_mint m = {.subject = {name, len}, .key = key, .life_s = 3600};
    assert_int_equal(estoc_mint_cert(&m, cert), 0);
    return key;
}

static bool in_place(estoc_blob cert)
{
    estoc_blobs chain;
    estoc_key *key;
    estoc_why why;
    assert_int_equal(estoc_credential_load(path(".crt"), path(".key"), &chain, &key, &why), 0);
    bool same = estoc_slice_eq(estoc_blob_slice(chain.at[0]), estoc_blob_slice(cert));
    estoc_blobs_free(&chain);
    estoc_key_free(key);
    return same;
}

static void install(const estoc_key *key, estoc_blob cert)
{
    estoc_why why;
    estoc_slice der = estoc_blob_slice(cert);
    assert_int_equal(estoc_credential_prepare(prefix, key, request, &why), 0);
    assert_int_equal(estoc_credential_commit(prefix, &der, 1, &why), 0);
}

static void one_after_another(void **state)
{
    (void)state;
    estoc_why why = {""};
    assert_int_equal(estoc_credential_lock(prefix, &why), 0);
    assert_int_equal(estoc_credential_recover(prefix, &why), 0);
    for (int i = 0; i < 3; i++) {
        estoc_blob cert;
        estoc_key *key = new_key(&cert);
        install(key, cert);
        assert_true(in_place(cert));
        assert_int_equal(estoc_credential_recover(prefix, &why), 0);
        assert_true(in_place(cert));
        estoc_blob_free(&cert);
        estoc_key_free(key);
    }
}

static void pending(void **state)
{
    (void)state;
    estoc_why why = {""};
    estoc_key *key, *kept;
    estoc_blob cert, csr;
    assert_int_equal(estoc_credential_lock(prefix, &why), 0);
    assert_false(estoc_credential_pending(prefix, &kept, &csr));
    key = new_key(&cert);
    assert_int_equal(estoc_credential_prepare(prefix, key, request, &why), 0);
    assert_int_equal(estoc_credential_recover(prefix, &why), 0); /* keeps it */
    assert_true(estoc_credential_pending(prefix, &kept, &csr));
    assert_true(estoc_slice_eq(estoc_blob_slice(csr), request));
    assert_true(estoc_key_matches(kept, estoc_blob_slice(cert)));
    estoc_key_free(kept);
    estoc_blob_free(&csr);
    estoc_credential_forget(prefix);
    assert_false(estoc_credential_pending(prefix, &kept, &csr));
    estoc_blob_free(&cert);
    estoc_key_free(key);
}

static void same_key(void **state)
{
    (void)state;
    estoc_why why = {""};
    estoc_blob first, second, csr;
    estoc_key *key, *kept;
    assert_int_equal(estoc_credential_lock(prefix, &why), 0);
    assert_int_equal(estoc_credential_prepare(prefix, NULL, request, &why), ESTOC_E_FILE);
    key = new_key(&first);
    install(key, first);
    uint8_t name[64];
    size_t len;
    assert_int_equal(estoc_mint_name("dev", (estoc_buf){name, sizeof name}, &len), 0);
    estoc_mint m = {.subject = {name, len}, .key = key, .life_s = 7200};
    assert_int_equal(estoc_mint_cert(&m, &second), 0);
    assert_int_equal(estoc_credential_prepare(prefix, NULL, request, &why), 0);
    assert_true(estoc_credential_pending(prefix, &kept, &csr));
    assert_true(estoc_key_matches(kept, estoc_blob_slice(second)));
    assert_true(in_place(first));
    estoc_slice der = estoc_blob_slice(second);
    assert_int_equal(estoc_credential_commit(prefix, &der, 1, &why), 0);
    assert_true(in_place(second));
    estoc_key_free(kept);
    estoc_blob_free(&csr);
    estoc_blob_free(&first);
    estoc_blob_free(&second);
    estoc_key_free(key);
}

static void another_key(void **state)
{
    (void)state;
    estoc_why why = {""};
    estoc_blob first, second;
    estoc_key *key, *other;
    assert_int_equal(estoc_credential_lock(prefix, &why), 0);
    key = new_key(&first);
    other = new_key(&second);
    install(key, first);
    estoc_slice der = estoc_blob_slice(first);
    assert_int_equal(estoc_credential_prepare(prefix, other, request, &why), 0);
    assert_int_equal(estoc_credential_commit(prefix, &der, 1, &why), ESTOC_E_KEY);
    assert_non_null(strstr(why.text, "another key"));
    assert_true(in_place(first));
    estoc_blob_free(&first);
    estoc_blob_free(&second);
    estoc_key_free(key);
    estoc_key_free(other);
}

/* What is complete goes into place, unless other files have come there since. */
static void recovered(void **state)
{
    (void)state;
    estoc_why why = {""};
    assert_int_equal(estoc_credential_lock(prefix, &why), 0);
    assert_int_equal(estoc_credential_lock(prefix, &why), ESTOC_E_BUSY);
    for (int by_hand = 0; by_hand < 2; by_hand++) {
        estoc_blob first, second, pem;
        estoc_key *key, *other;
        key = new_key(&first);
        other = new_key(&second);
        install(key, first);
        assert_int_equal(estoc_credential_prepare(prefix, other, request, &why), 0);
        estoc_slice der = estoc_blob_slice(second);
        assert_int_equal(estoc_certs_pem(&der, 1, &pem), 0);
        bool a = access(path(".d/a/csr"), F_OK) == 0;
        assert_int_equal(
            estoc_file_write(path(a ? ".d/a/crt" : ".d/b/crt"), estoc_blob_slice(pem), 0644), 0);
        if (by_hand) {
            estoc_blob again;
            der = estoc_blob_slice(first);
            assert_int_equal(estoc_certs_pem(&der, 1, &again), 0);
            assert_int_equal(estoc_file_write(path(".crt"), estoc_blob_slice(again), 0644), 0);
            assert_int_equal(estoc_key_save(key, path(".key")), 0);
            estoc_blob_free(&again);
        }
        assert_int_equal(estoc_credential_recover(prefix, &why), 0);
        assert_true(in_place(by_hand ? first : second));
        estoc_blob_free(&pem);
        estoc_blob_free(&first);
        estoc_blob_free(&second);
        estoc_key_free(key);
        estoc_key_free(other);
    }
}

static void unwritable(void **state)
{
    (void)state;
    static char nowhere[ESTOC_PATH_MAX + 8];
    estoc_why why = {""};
    estoc_key *key;
    estoc_blob csr;
    assert_int_equal(estoc_credential_lock("/nonexistent/dev", &why), ESTOC_E_FILE);
    assert_non_null(strstr(why.text, "/nonexistent/dev.d: cannot be written: No such file"));
    assert_int_equal(estoc_credential_recover("/nonexistent/dev", &why), 0);
    assert_int_equal(estoc_credential_prepare("/nonexistent/dev", NULL, request, &why),
                     ESTOC_E_FILE);
    memset(nowhere, 'x', sizeof nowhere - 1);
    for (size_t len = ESTOC_PATH_MAX - 24; len < sizeof nowhere; len++) {
        estoc_err want = len + strlen(".d") + 16 >= ESTOC_PATH_MAX ? ESTOC_E_LIMIT : ESTOC_E_FILE;
        nowhere[len] = '\0';
        assert_int_equal(estoc_credential_lock(nowhere, &why), want);
        nowhere[len] = 'x';
    }
    nowhere[ESTOC_PATH_MAX] = '\0';
    assert_int_equal(estoc_credential_recover(nowhere, &why), ESTOC_E_LIMIT);
    assert_int_equal(estoc_credential_prepare(nowhere, NULL, request, &why), ESTOC_E_LIMIT);
    assert_int_equal(estoc_credential_commit(nowhere, &request, 1, &why), ESTOC_E_LIMIT);
    assert_false(estoc_credential_pending(nowhere, &key, &csr));
    estoc_credential_forget(nowhere);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(one_after_another), IN_FOLDER(pending),   IN_FOLDER(same_key),
        IN_FOLDER(another_key),       IN_FOLDER(recovered), IN_FOLDER(unwritable),
    };
    return cmocka_run_group_tests_name("cmd/credential_files", tests, NULL, NULL);
}
