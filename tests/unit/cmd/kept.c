/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <estoc/est.h>

#include "kept.h"

static char file[64];

static int make_file(void **state)
{
    (void)state;
    snprintf(file, sizeof file, "/tmp/estoc-kept-XXXXXX");
    int fd = mkstemp(file);
    return fd >= 0 ? close(fd) : -1;
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(file);
}

#define HERE  "est.example 5684/est//crts"
#define CERTS ESTOC_FORMAT_CERTS

static void store(void)
{
    assert_int_equal(
        estoc_kept_store(file, HERE, CERTS, estoc_slice_str("etag"), estoc_slice_str("the body")),
        0);
}

static void expect_none(const char *path, const char *where, uint16_t format)
{
    estoc_kept k;
    estoc_kept_load(path, where, format, &k);
    assert_int_equal(k.etag.len, 0);
    assert_int_equal(k.body.len, 0);
    assert_null(k.file.ptr);
}

static void round_trip(void **state)
{
    (void)state;
    estoc_kept k;
    struct stat st;
    store();
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0644);
    estoc_kept_load(file, HERE, CERTS, &k);
    assert_true(estoc_slice_eq(k.etag, estoc_slice_str("etag")));
    assert_true(estoc_slice_eq(k.body, estoc_slice_str("the body")));
    estoc_kept_free(&k);
    assert_int_equal(k.etag.len, 0);
}

static void of_another(void **state)
{
    (void)state;
    store();
    expect_none(file, "est.example 5684/est//att", CERTS);
    expect_none(file, "est.example 5685/est//crts", CERTS);
    expect_none(file, HERE "x", CERTS);
    expect_none(file, "", CERTS);
    expect_none(file, HERE, ESTOC_FORMAT_CERT);
    expect_none("/nonexistent", HERE, CERTS);
    expect_none("/tmp", HERE, CERTS);
}

/* Each byte altered, and each length too short. */
static void damaged(void **state)
{
    (void)state;
    estoc_blob whole;
    store();
    assert_int_equal(estoc_file_read(file, 1000, &whole), 0);
    for (size_t i = 0; i < whole.len; i++) {
        whole.ptr[i] ^= 1;
        assert_int_equal(estoc_file_write(file, estoc_blob_slice(whole), 0644), 0);
        expect_none(file, HERE, CERTS);
        whole.ptr[i] ^= 1;
        assert_int_equal(estoc_file_write(file, estoc_slice_of(whole.ptr, i), 0644), 0);
        expect_none(file, HERE, CERTS);
    }
    estoc_blob_free(&whole);
}

/* A digest that is right over lengths that are not. */
static void forged(void **state)
{
    (void)state;
    static const uint8_t etag_lens[] = {0, 4, 5, 9, 255};
    for (size_t i = 0; i < sizeof etag_lens; i++) {
        uint8_t all[200] = HERE;
        size_t head = sizeof HERE;
        const uint8_t rest[] = {1, 0x19, etag_lens[i], 'e', 't', 'a', 'g'};
        memcpy(all + head, rest, sizeof rest);
        uint8_t bytes[32 + sizeof rest];
        assert_int_equal(estoc_sha256(estoc_slice_of(all, head + sizeof rest), bytes), 0);
        memcpy(bytes + 32, rest, sizeof rest);
        assert_int_equal(estoc_file_write(file, estoc_slice_of(bytes, sizeof bytes), 0644), 0);
        expect_none(file, HERE, CERTS);
    }
}

static void not_kept(void **state)
{
    (void)state;
    static const uint8_t large[65536];
    estoc_slice etag = estoc_slice_str("etag");
    estoc_slice body = estoc_slice_str("body");
    estoc_slice nothing = estoc_slice_of(NULL, 0);
    assert_int_equal(estoc_kept_store(file, HERE, CERTS, nothing, body), ESTOC_E_LIMIT);
    assert_int_equal(estoc_kept_store(file, HERE, CERTS, estoc_slice_str("123456789"), body),
                     ESTOC_E_LIMIT);
    assert_int_equal(estoc_kept_store(file, HERE, CERTS, etag, nothing), ESTOC_E_LIMIT);
    assert_int_equal(estoc_kept_store(file, HERE, CERTS, etag, estoc_slice_of(large, sizeof large)),
                     ESTOC_E_LIMIT);
    assert_int_equal(estoc_kept_store("/nonexistent/file", HERE, CERTS, etag, body), ESTOC_E_FILE);
}

#define IN_FILE(name, function)                      \
    {                                                \
        name, function, make_file, remove_file, NULL \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FILE("E2 an answer and its ETag in a file", round_trip),
        IN_FILE("E2 kept for another server, path or format", of_another),
        IN_FILE("E2 a damaged file is none", damaged),
        IN_FILE("E2 lengths that lie", forged),
        IN_FILE("E2 what cannot be kept", not_kept),
    };
    return cmocka_run_group_tests_name("kept", tests, NULL, NULL);
}
