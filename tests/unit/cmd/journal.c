/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "crypto.h"
#include "journal.h"
#include "mint.h"

static void make_cert(estoc_blob *cert)
{
    estoc_key *key = NULL;
    uint8_t name[64];
    size_t len = 0;
    assert_int_equal(estoc_key_generate(ESTOC_KEY_P256, &key), 0);
    assert_int_equal(estoc_mint_name("dev", (estoc_buf){name, sizeof name}, &len), 0);
    estoc_mint m = {.subject = {name, len}, .key = key, .life_s = 3600};
    assert_int_equal(estoc_mint_cert(&m, cert), 0);
    estoc_key_free(key);
}

/* Whoever else reads the file sees the line at once, and another run adds to it. */
static void lines(void **state)
{
    (void)state;
    char file[] = "/tmp/estoc-journal-XXXXXX";
    char text[1024], want[65];
    uint8_t digest[32];
    estoc_blob cert;
    int fd = mkstemp(file);
    assert_true(fd >= 0);
    make_cert(&cert);
    for (size_t runs = 1; runs <= 2; runs++) {
        FILE *journal = NULL;
        assert_int_equal(estoc_journal_open(file, &journal), 0);
        assert_int_equal(
            estoc_journal_note(journal, estoc_slice_str("request"), estoc_blob_slice(cert)), 0);
        ssize_t n = pread(fd, text, sizeof text - 1, 0);
        assert_true(n > 0);
        text[n] = '\0';
        assert_int_equal((size_t)n, runs * (64 + 1 + 32 + 1 + 64 + 1));
        fclose(journal);
    }
    assert_int_equal(estoc_sha256(estoc_slice_str("request"), digest), 0);
    assert_memory_equal(text, estoc_hex(estoc_slice_of(digest, 32), want, sizeof want), 64);
    assert_int_equal(estoc_sha256(estoc_blob_slice(cert), digest), 0);
    estoc_hex(estoc_slice_of(digest, 32), want, sizeof want);
    assert_memory_equal(text + 64 + 1 + 32 + 1, want, 64);
    estoc_blob_free(&cert);
    close(fd);
    unlink(file);
}

static void failures(void **state)
{
    (void)state;
    FILE *journal = NULL;
    estoc_blob cert;
    assert_int_equal(estoc_journal_open("/nonexistent/journal", &journal), ESTOC_E_SYSTEM);
    assert_null(journal);
    assert_int_equal(estoc_journal_open("/dev/full", &journal), 0);
    make_cert(&cert);
    assert_int_equal(
        estoc_journal_note(journal, estoc_slice_str("request"), estoc_blob_slice(cert)),
        ESTOC_E_SYSTEM);
    assert_int_not_equal(
        estoc_journal_note(journal, estoc_slice_str("request"), estoc_slice_str("no cert")), 0);
    fclose(journal);
    estoc_blob_free(&cert);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines),
        cmocka_unit_test(failures),
    };
    return cmocka_run_group_tests_name("journal", tests, NULL, NULL);
}
