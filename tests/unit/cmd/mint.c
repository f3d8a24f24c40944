/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "mint.h"

static uint8_t der[1024];
static size_t len;

static estoc_err name(const char *text)
{
    len = 77;
    return estoc_mint_name(text, (estoc_buf){der, sizeof der}, &len);
}

static void names(void **state)
{
    (void)state;
    static const uint8_t want[] = {0x30, 0x11, 0x31, 0x0f, 0x30, 0x0d, 0x06, 0x03, 0x55, 0x04,
                                   0x03, 0x0c, 0x06, 'a',  ',',  '/',  '\\', '+',  '='};
    assert_int_equal(name("a,/\\+="), 0); /* no escapes: every character is itself */
    assert_int_equal(len, sizeof want);
    assert_memory_equal(der, want, sizeof want);
    char text[140] = "";
    for (int i = 0; i < 64; i++) {
        strcat(text, "\xc3\xa4");
    }
    assert_int_equal(name(text), 0); /* characters count, not bytes */
    strcat(text, "x");
    assert_int_equal(name(text), ESTOC_E_LIMIT);
    assert_int_equal(len, 0);
    assert_int_equal(name(""), ESTOC_E_MALFORMED);
    assert_int_equal(name("a\nb"), ESTOC_E_MALFORMED);
    assert_int_equal(name("\xff"), ESTOC_E_MALFORMED);
    assert_int_equal(estoc_mint_name("abc", (estoc_buf){der, 8}, &len), ESTOC_E_SPACE);
}

static void hosts(void **state)
{
    (void)state;
    static const char *const good[] = {
        "localhost", "est.example",   "A-1.b",    "1a.example",  "127.0.0.1",
        "::1",       "[2001:db8::1]", "3com.com", "1.2.3.4.5.a", "xn--9ca.example"};
    static const char *const bad[] = {
        "",      ".",   "a.",          ".a",  "a..b",     "-a",       "a-",
        "a_b",   "*.a", "a b",         "a:1", "[::1",     "[]",       "127.0.0.256",
        "1.2.3", "7",   "[127.0.0.1]", "::g", "http://a", "\xc3\xa4", "a.-b.c"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        if (!estoc_mint_is_host(good[i])) {
            fail_msg("refused \"%s\"", good[i]);
        }
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (estoc_mint_is_host(bad[i])) {
            fail_msg("took \"%s\"", bad[i]);
        }
    }
    char label[80];
    memset(label, 'a', 64);
    strcpy(label + 64, ".example");
    assert_false(estoc_mint_is_host(label));
    assert_true(estoc_mint_is_host(label + 1));
    char longest[300] = "";
    for (int i = 0; i < 127; i++) {
        strcat(longest, "a.");
    }
    longest[253] = '\0';
    assert_true(estoc_mint_is_host(longest));
    strcat(longest, "a");
    assert_false(estoc_mint_is_host(longest));
}

static void alternative_names(void **state)
{
    (void)state;
    static const char *const list[] = {"a.b", "192.0.2.1", "[::1]", "::2"};
    static const uint8_t want[] = {0x30, 0x2f, 0x82, 0x03, 'a', '.', 'b', /* dNSName */
                                   0x87, 0x04, 192,  0,    2,   1,        /* iPAddress */
                                   0x87, 0x10, 0,    0,    0,   0,   0,    0,    0, 0, 0, 0,
                                   0,    0,    0,    0,    0,   1,   0x87, 0x10, 0, 0, 0, 0,
                                   0,    0,    0,    0,    0,   0,   0,    0,    0, 0, 0, 2};
    assert_int_equal(estoc_mint_hosts(list, 4, (estoc_buf){der, sizeof der}, &len), 0);
    assert_int_equal(len, sizeof want);
    assert_memory_equal(der, want, sizeof want);
    assert_int_equal(estoc_mint_hosts(list, 4, (estoc_buf){der, sizeof want - 1}, &len),
                     ESTOC_E_SPACE);
    static const char *const wrong[] = {"a.b", "a_b"};
    assert_int_equal(estoc_mint_hosts(wrong, 2, (estoc_buf){der, sizeof der}, &len),
                     ESTOC_E_MALFORMED);
    assert_int_equal(len, 0);
}

struct pair {
    uint8_t name[128];
    size_t name_len;
    estoc_key *key;
    estoc_blob cert;
    estoc_cert parsed;
};

static void make(struct pair *p, const char *common_name, const struct pair *issuer, estoc_mint m)
{
    assert_int_equal(
        estoc_mint_name(common_name, (estoc_buf){p->name, sizeof p->name}, &p->name_len), 0);
    assert_int_equal(estoc_key_generate(ESTOC_KEY_P256, &p->key), 0);
    m.subject = estoc_slice_of(p->name, p->name_len);
    m.key = p->key;
    if (issuer != NULL) {
        m.issuer_key = issuer->key;
        m.issuer = estoc_blob_slice(issuer->cert);
    }
    assert_int_equal(estoc_mint_cert(&m, &p->cert), 0);
    assert_int_equal(estoc_cert_parse(&p->parsed, estoc_blob_slice(p->cert)), 0);
}

static void drop(struct pair *p)
{
    estoc_key_free(p->key);
    estoc_blob_free(&p->cert);
}

static void certificates(void **state)
{
    (void)state;
    static const char *const list[] = {"est.example"};
    struct pair root, server, device, other;
    const int64_t now = estoc_unix_s();
    assert_int_equal(estoc_mint_hosts(list, 1, (estoc_buf){der, sizeof der}, &len), 0);
    make(&root, "Root", NULL, (estoc_mint){.life_s = 1000, .ca = true});
    make(&server, "est.example", &root,
         (estoc_mint){.life_s = 500, .server = true, .san = estoc_slice_of(der, len)});
    make(&device, "dev", &root, (estoc_mint){.life_s = 9999}); /* would outlive its CA */
    make(&other, "Root", NULL, (estoc_mint){.life_s = 1000, .ca = true});

    assert_true(root.parsed.ca);
    assert_true(estoc_cert_self_issued(&root.parsed));
    assert_true(root.parsed.not_before < now);
    assert_in_range(root.parsed.not_after - now, 1000, 1060);
    assert_true(server.parsed.cmc_ra);
    assert_false(server.parsed.ca);
    assert_true(estoc_cert_names_host(estoc_blob_slice(server.cert), "est.example"));
    assert_in_range(server.parsed.not_after - now, 500, 560);
    assert_false(device.parsed.cmc_ra);
    assert_true(device.parsed.not_after == root.parsed.not_after);
    assert_false(estoc_slice_eq(server.parsed.serial, device.parsed.serial));

    const estoc_blobs anchors = {&root.cert, 1}, wrong = {&other.cert, 1}, none = {NULL, 0};
    assert_int_equal(estoc_chain_verify(estoc_blob_slice(server.cert), &none, &anchors,
                                        ESTOC_PURPOSE_SERVER, now, NULL),
                     0);
    assert_int_equal(estoc_chain_verify(estoc_blob_slice(device.cert), &none, &anchors,
                                        ESTOC_PURPOSE_CLIENT, now, NULL),
                     0);
    assert_int_equal(estoc_chain_verify(estoc_blob_slice(device.cert), &none, &anchors,
                                        ESTOC_PURPOSE_SERVER, now, NULL),
                     ESTOC_E_UNTRUSTED);
    assert_int_equal(estoc_chain_verify(estoc_blob_slice(device.cert), &none, &wrong,
                                        ESTOC_PURPOSE_CLIENT, now, NULL),
                     ESTOC_E_UNTRUSTED);
    drop(&root);
    drop(&server);
    drop(&device);
    drop(&other);
}

static void refused(void **state)
{
    (void)state;
    struct pair p;
    estoc_blob cert;
    make(&p, "dev", NULL, (estoc_mint){.life_s = 1000});
    estoc_mint m = {.subject = p.parsed.subject, .key = p.key, .life_s = 1000};
    m.issuer = estoc_slice_of("\x30\x00", 2); /* no certificate */
    assert_int_not_equal(estoc_mint_cert(&m, &cert), 0);
    assert_null(cert.ptr);
    m.issuer = estoc_slice_of(NULL, 0);
    m.subject = estoc_slice_of("\x30\x00", 2); /* no name at all */
    assert_int_equal(estoc_mint_cert(&m, &cert), ESTOC_E_USAGE);
    assert_null(cert.ptr);
    drop(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"a common name of any characters", names, NULL, NULL, NULL},
        {"what is a host", hosts, NULL, NULL, NULL},
        {"hosts as subjectAltName", alternative_names, NULL, NULL, NULL},
        {"roots, servers and devices, in their issuer's life", certificates, NULL, NULL, NULL},
        {"no certificate without a name or from a broken issuer", refused, NULL, NULL, NULL},
    };
    return cmocka_run_group_tests_name("cmd/mint", tests, NULL, NULL);
}
