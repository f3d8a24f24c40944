/* SPDX-License-Identifier: MIT
 *
 * Keys made for devices behind a registrar: by it, or by the upstream and passed on. (E5, G2)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "keys.h"
#include "upstream.h"

#define CAPS "2.16.840.1.101.3.4.1.2 2.16.840.1.101.3.4.1.5" /* aes128-CBC, aes128-wrap */

static registrar *reg;

static int start(void **state)
{
    static const registrar_cfg cfg = {.patience = "5s",
                                      .more = "[server]\nlog = debug\n"
                                              "[profile made]\nkeygen = yes\nupstream-label =\n"
                                              "[profile passed]\nkeygen = upstream\n"
                                              "upstream-label =\n"
                                              "[profile none]\nupstream-label =\n"};
    reg = calloc(1, sizeof *reg);
    *state = reg;
    registrar_init(reg, &cfg);
    fixture_start(&reg->f);
    return 0;
}

static int begin(void **state)
{
    upstream_does(&reg->u, NULL);
    return connect_dev(state);
}
#define KEYS(name, function)                  \
    {                                         \
        name, function, begin, drop_dev, NULL \
    }

static const char *up(const char *name)
{
    return path_in(&reg->f, "upstream/%s", name);
}

static void expect_nowhere(EVP_PKEY *key)
{
    long long end = now_ms() + 5000;
    while (key_in_process(reg->f.pid, key) > 0) {
        assert_true(now_ms() < end);
        usleep(20000);
    }
    assert_int_equal(key_in_file(path_in(&reg->f, "estocd.log"), key), 0);
    assert_int_equal(key_in_file(path_in(&reg->f, "srv/store.db"), key), 0);
    assert_int_equal(key_in_file(path_in(&reg->f, "srv/store.db-wal"), key), 0);
}

/* Both resources, in blocks of 64 bytes; the certificate is for the key and leads to the upstream's root. */
static void get_and_check(const char *path, int format)
{
    body csr;
    made m;
    EVP_PKEY *mine = key_new("P-256");
    csr_new(mine, "CN=dev", NULL, &csr);
    made_get(dev, path, &csr, 2, &m);
    assert_int_equal(m.key_format, 284);
    assert_int_equal(m.cert_format, format);
    EVP_PKEY *key = made_key(&m.key);
    X509 *cert = cert_for(&m.cert, m.cert_format, key);
    assert_int_not_equal(EVP_PKEY_eq(key, mine), 1);
    openssl_verify(&reg->f, cert, up("root.crt"), up("issuing.crt"));
    expect_alive(dev); /* a later message ID: the last block has arrived */
    expect_nowhere(key);
    X509_free(cert);
    EVP_PKEY_free(key);
    EVP_PKEY_free(mine);
}

static void made_here(void **state)
{
    (void)state;
    unsigned keygen = upstream_count(&reg->u, "/serverkeygen", NULL);
    get_and_check(EST "/made/skg", 281);
    get_and_check(EST "/made/skc", 287);
    assert_int_equal(upstream_count(&reg->u, "/serverkeygen", NULL), keygen);
}

static void by_upstream(void **state)
{
    (void)state;
    static const char *const kinds[] = {NULL, "crlf", "spaces", "oneline", "swapped", "more"};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        upstream_does(&reg->u, kinds[i]);
        unsigned before = upstream_count(&reg->u, "/serverkeygen", "\"event\":\"issued\"");
        get_and_check(EST "/passed/skg", 281);
        get_and_check(EST "/passed/skc", 287);
        assert_int_equal(upstream_count(&reg->u, "/serverkeygen", "\"event\":\"issued\""),
                         before + 2);
    }
}

static void encrypted_by_upstream(void **state)
{
    (void)state;
    body csr, id = {.bytes = {0xa1}, .len = 1};
    made m;
    char sent[4096];
    /* the key's name is the upstream's business: nothing of that name is known here */
    wishing_csr_of(path_in(&reg->f, "dev.crt"), CAPS, SYMMETRIC, &id, &csr);
    upstream_does(&reg->u, "cms");
    made_get(dev, EST "/passed/skg", &csr, 2, &m);
    assert_int_equal(m.key_format, 280);
    assert_int_equal(upstream_saw(&reg->u, "request", &csr), 1);
    size_t len = read_file(up("last-key"), sent, sizeof sent);
    assert_int_equal(m.key.len, len);
    assert_memory_equal(m.key.bytes, sent, len);
    made_get(dev, EST "/passed/skc", &csr, 2, &m);
    assert_int_equal(m.key_format, 280);
    assert_int_equal(m.cert_format, 287);
}

/* X2: a key is made for one answer. */
static void again(void **state)
{
    (void)state;
    static const char *const paths[] = {EST "/made/skg", EST "/passed/skg"};
    for (size_t i = 0; i < 2; i++) {
        body csr;
        made first, second;
        fresh_csr(&csr);
        made_get(dev, paths[i], &csr, -1, &first);
        made_get(dev, paths[i], &csr, -1, &second);
        EVP_PKEY *one = made_key(&first.key), *two = made_key(&second.key);
        assert_int_not_equal(EVP_PKEY_eq(one, two), 1);
        EVP_PKEY_free(one);
        EVP_PKEY_free(two);
    }
}

static void expect(const char *path, const body *csr, const char *behaviour, uint8_t code)
{
    reply r;
    upstream_does(&reg->u, behaviour);
    uint8_t got = post(dev, path, csr, -1, &r);
    if (got != code) {
        fail_msg("%s, %s: %u.%02u", path, behaviour, got >> 5, got & 31u);
    }
}

static void refused(void **state)
{
    (void)state;
    body csr;
    EVP_PKEY *key = key_new("P-256");
    unsigned before = upstream_posts(&reg->u);
    fresh_csr(&csr);
    expect(EST "/none/skg", &csr, "ok", CODE(4, 4));
    csr_new(key, "CN=other", NULL, &csr);
    expect(EST "/made/skg", &csr, "ok", CODE(4, 3));
    expect(EST "/passed/skc", &csr, "ok", CODE(4, 3));
    csr_new(key, "", NULL, &csr);
    expect(EST "/passed/skg", &csr, "ok", CODE(4, 3)); /* G2, as at /sen */
    assert_int_equal(upstream_posts(&reg->u), before);
    expect(EST "/made/skg", &csr, "ok", CODE(2, 4)); /* here the subject is filled in */
    EVP_PKEY_free(key);
}

static void no_answers(void **state)
{
    (void)state;
    static const struct {
        const char *does;
        uint8_t code;
    } rows[] = {{"onlykey", CODE(5, 0)},    {"nocerts", CODE(5, 0)},    {"garbage", CODE(5, 0)},
                {"truncated", CODE(5, 3)},  {"status-403", CODE(4, 3)}, {"status-404", CODE(4, 4)},
                {"status-503", CODE(5, 3)}, {"halfopen", CODE(5, 4)},   {"drop", CODE(5, 3)}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        body csr;
        fresh_csr(&csr);
        expect(EST "/passed/skg", &csr, rows[i].does, rows[i].code);
        assert_int_equal(upstream_saw(&reg->u, "request", &csr), 1);
    }
}

/* L2: an upstream that decides later will have a key then. One made here would have to be kept: it is not. */
static void later(void **state)
{
    (void)state;
    body csr;
    reply r;
    fresh_csr(&csr);
    upstream_does(&reg->u, "pending-1");
    assert_int_equal(post(dev, EST "/passed/skg", &csr, -1, &r), CODE(5, 3));
    assert_int_equal(max_age(&r), 1);
    assert_int_equal(post_until(dev, EST "/passed/skg", &csr, -1, &r), CODE(2, 4));
    assert_int_equal(upstream_saw(&reg->u, "issued", &csr), 1);
    fresh_csr(&csr);
    expect(EST "/made/skg", &csr, "pending-1", CODE(5, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        KEYS("E5 G2 keys made at the registrar, certified upstream, nowhere afterwards", made_here),
        KEYS("E5 G1 G2 keys made upstream: multipart in, multipart-core out, nowhere afterwards",
             by_upstream),
        KEYS("E5 G2 HC 264 an encrypted key passes through to the byte", encrypted_by_upstream),
        KEYS("X2 E5 a repeated request gets another key", again),
        KEYS("E5 G2 X10 what is refused never reaches the upstream", refused),
        KEYS("E5 G1 serverkeygen that fails", no_answers),
        KEYS("L2 E5 a key that comes later", later),
    };
    return cmocka_run_group_tests_name("registrar_keys", tests, start, registrar_tear_down);
}
