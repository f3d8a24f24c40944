/* SPDX-License-Identifier: MIT
 *
 * `estoc keygen`, in all four ways a key can travel.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/pem.h>

#include "device.h"
#include "keys.h"

#define KEK_128 "00112233445566778899aabbccddeeff"
#define KEK_256 "0123456789abcdef0123456789abcdeffedcba9876543210fedcba9876543210"

static const fixture *f;

static int start_with_keys(void **state)
{
    static const char keys[] = "6b31 " KEK_128 "\n6b32 " KEK_256 "\n";
    fixture_set_up(state);
    fixture *own = *state;
    f = server = own;
    write_file(path_in(own, "srv/decrypt.keys"), keys, sizeof keys - 1, "w");
    chmod(path_in(own, "srv/decrypt.keys"), 0600);
    fixture_conf(own, "ca", "decrypt-keys", "decrypt.keys");
    fixture_conf(own, "profile", "keygen", "yes");
    fixture_conf(own, "profile rsa", "keys", "RSA");
    fixture_conf(own, "profile rsa", "keygen", "yes");
    fixture_conf(own, "profile none", "keygen", "no");
    fixture_conf(own, "profile p384", "keys", "P-384");
    fixture_conf(own, "profile p384", "keygen", "yes");
    fixture_conf(own, "profile p384", "attributes", "ecPublicKey:secp384r1");
    fixture_device(own, "CN=dev", "agree");
    fixture_start(own);
    return 0;
}

static const char *private_file(const char *name, const char *line)
{
    const char *path = path_in(f, "%s", name);
    write_file(path, line, strlen(line), "w");
    chmod(path, 0600);
    return path;
}

static unsigned mode_of(const char *path)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    return (unsigned)st.st_mode & 0777;
}

/* Key and certificate belong together, lead to the anchors, and are what OpenSSL takes. */
static void expect_pair(const output *o, const char *prefix)
{
    if (o->code != 0) {
        fail_msg("%d: %s", o->code, o->err);
    }
    EVP_PKEY *key = key_read(path_in(f, "%s.key", prefix));
    X509 *cert = cert_read(path_in(f, "%s.crt", prefix));
    assert_int_equal(EVP_PKEY_eq(X509_get0_pubkey(cert), key), 1);
    assert_true(chains_to(cert, path_in(f, "%s.ta", prefix)));
    assert_int_equal(mode_of(path_in(f, "%s.key", prefix)), 0600);
    output list;
    BIGNUM *serial = ASN1_INTEGER_to_BN(X509_get0_serialNumber(cert), NULL);
    char *hex = BN_bn2hex(serial);
    run(&list, "estocd", "list", "--dir", f->srv, "--match", hex, NULL);
    assert_non_null(strstr(list.out, "valid"));
    OPENSSL_free(hex);
    BN_free(serial);
    EVP_PKEY_free(key);
    X509_free(cert);
}

static void plain(void **state)
{
    (void)state;
    output o;
    run_as(&o, f, "dev", "keygen", f->uri, "--subject", "CN=dev", "--out", path_in(f, "plain"),
           NULL);
    expect_pair(&o, "plain");
    run_as(&o, f, "dev", "keygen", f->uri, "--subject", "CN=dev", "--single", "--block-size", "64",
           "--out", path_in(f, "single"), NULL);
    expect_pair(&o, "single");
    run_as(&o, f, "dev", "keygen", f->uri, "--label", "p384", "--json", "--out", path_in(f, "p384"),
           NULL);
    expect_pair(&o, "p384");
    assert_non_null(strstr(o.out, "\"certificate\""));
    EVP_PKEY *key = key_read(path_in(f, "p384.key"));
    assert_int_equal(EVP_PKEY_get_bits(key), 384);
    EVP_PKEY_free(key);
}

/* And then it is a credential like any other. */
static void renewed(void **state)
{
    (void)state;
    output o;
    run_as(&o, f, "dev", "keygen", f->uri, "--subject", "CN=dev", "--out", path_in(f, "again"),
           NULL);
    expect_pair(&o, "again");
    run(&o, "estoc", "renew", f->uri, "--out", path_in(f, "again"), NULL);
    expect_pair(&o, "again");
}

static void symmetric(void **state)
{
    (void)state;
    output o;
    run_as(&o, f, "dev", "keygen", f->uri, "--out", path_in(f, "kek1"), "--decrypt-key",
           private_file("k1", "6b31 " KEK_128 "\n"), NULL);
    expect_pair(&o, "kek1");
    run_as(&o, f, "dev", "keygen", f->uri, "--out", path_in(f, "kek2"), "--single", "--decrypt-key",
           private_file("k2", "# mine\n6B32 " KEK_256), NULL);
    expect_pair(&o, "kek2");
}

static void agreement(void **state)
{
    (void)state;
    output o;
    run_as(&o, f, "agree", "keygen", f->uri, "--out", path_in(f, "kari"), "--decrypt-key",
           path_in(f, "agree.key"), NULL);
    expect_pair(&o, "kari");
}

/* The RSA key has a certificate of its own, in the same file. */
static void transport(void **state)
{
    (void)state;
    output o;
    body csr;
    static char pem[8192];
    EVP_PKEY *key = key_new("RSA2048");
    csr_new(key, "CN=dev", NULL, &csr);
    write_file(path_in(f, "rsa.csr"), csr.bytes, csr.len, "w");
    run_as(&o, f, "dev", "sen", f->uri, "--label", "rsa", "--csr", path_in(f, "rsa.csr"), "--out",
           path_in(f, "rsa.crt"), NULL);
    assert_int_equal(o.code, 0);
    key_write(key, path_in(f, "rsa.pem"));
    size_t len = read_file(path_in(f, "rsa.crt"), pem, sizeof pem);
    write_file(path_in(f, "rsa.pem"), pem, len, "a");
    run_as(&o, f, "dev", "keygen", f->uri, "--out", path_in(f, "ktri"), "--decrypt-key",
           path_in(f, "rsa.pem"), NULL);
    expect_pair(&o, "ktri");
    EVP_PKEY_free(key);
}

static void expect_failure(const output *o, const char *prefix, int code, const char *words)
{
    if (o->code != code || strstr(o->err, words) == NULL) {
        fail_msg("%d, %s: %s", o->code, words, o->err);
    }
    assert_int_not_equal(access(path_in(f, "%s.key", prefix), F_OK), 0);
    assert_int_not_equal(access(path_in(f, "%s.crt", prefix), F_OK), 0);
}

/* What the other side does not know, or cannot use. */
static void refusals(void **state)
{
    (void)state;
    output o;
    run_as(&o, f, "dev", "keygen", f->uri, "--out", path_in(f, "no"), "--decrypt-key",
           private_file("k3", "6b33 " KEK_128), NULL);
    expect_failure(&o, "no", 4, "the decryption key you name is not known here");
    run_as(&o, f, "dev", "keygen", f->uri, "--out", path_in(f, "no"), "--decrypt-key",
           path_in(f, "dev.key"), NULL);
    expect_failure(&o, "no", 1, "is not for encryption");
    run_as(&o, f, "dev", "keygen", f->uri, "--out", path_in(f, "no"), "--decrypt-key",
           path_in(f, "agree.key"), NULL);
    expect_failure(&o, "no", 1, "belongs to this key");
    run_as(&o, f, "dev", "keygen", f->uri, "--out", path_in(f, "no"), "--decrypt-key",
           private_file("k4", "6b31 " KEK_128 "\n6b32 " KEK_256 "\n"), NULL);
    expect_failure(&o, "no", 1, "has several keys");
    run_as(&o, f, "dev", "keygen", f->uri, "--out", path_in(f, "no"), "--decrypt-key",
           private_file("k5", "nonsense"), NULL);
    expect_failure(&o, "no", 1, "line 1: must be IDENTIFIER-HEX KEY-HEX");
    run_as(&o, f, "dev", "keygen", f->uri, "--out", path_in(f, "no"), "--decrypt-key",
           path_in(f, "nowhere"), NULL);
    expect_failure(&o, "no", 1, "cannot be read");
    run_as(&o, f, "dev", "keygen", f->uri, "--label", "none", "--out", path_in(f, "no"), NULL);
    expect_failure(&o, "no", 4, "4.04");
    run_as(&o, f, "dev", "keygen", f->uri, "--subject", "CN=other", "--out", path_in(f, "no"),
           NULL);
    expect_failure(&o, "no", 4, "4.03");
}

/* An AES key that is not the one the server has under this name. */
static void wrong_key(void **state)
{
    (void)state;
    output o;
    run_as(&o, f, "dev", "keygen", f->uri, "--out", path_in(f, "wrong"), "--decrypt-key",
           private_file("k6", "6b31 ff112233445566778899aabbccddeeff"), NULL);
    expect_failure(&o, "wrong", 5, "the key that came cannot be taken");
}

/* A pair that is there stays, whatever becomes of the new one. */
static void old_pair_stays(void **state)
{
    (void)state;
    output o;
    char before[4096], after[4096];
    run_as(&o, f, "dev", "keygen", f->uri, "--out", path_in(f, "stay"), NULL);
    expect_pair(&o, "stay");
    read_file(path_in(f, "stay.key"), before, sizeof before);
    run_as(&o, f, "dev", "keygen", f->uri, "--out", path_in(f, "stay"), "--decrypt-key",
           private_file("k7", "6b31 ff112233445566778899aabbccddeeff"), NULL);
    assert_int_equal(o.code, 5);
    read_file(path_in(f, "stay.key"), after, sizeof after);
    assert_string_equal(before, after);
    run_as(&o, f, "dev", "keygen", f->uri, "--out", path_in(f, "stay"), NULL);
    expect_pair(&o, "stay");
    read_file(path_in(f, "stay.key"), after, sizeof after);
    assert_string_not_equal(before, after);
}

/* Neither -v nor --trace show a key. */
static void not_shown(void **state)
{
    (void)state;
    output o;
    static char text[65536];
    run_as(&o, f, "dev", "keygen", f->uri, "--out", path_in(f, "shown"), "-v", "--trace",
           path_in(f, "trace"), NULL);
    expect_pair(&o, "shown");
    EVP_PKEY *key = key_read(path_in(f, "shown.key"));
    assert_true(read_file(path_in(f, "trace"), text, sizeof text) > 0);
    assert_int_equal(key_in_file(path_in(f, "trace"), key), 0);
    uint8_t der[256];
    unsigned char *at = der;
    int len = i2d_PrivateKey(key, &at);
    char hex[17];
    for (int i = 7; i + 8 <= len && i < 40; i++) { /* the private number, in hexadecimal */
        for (int j = 0; j < 8; j++) {
            snprintf(hex + 2 * j, 3, "%02x", der[i + j]);
        }
        assert_null(strcasestr(text, hex));
        assert_null(strcasestr(o.err, hex));
    }
    EVP_PKEY_free(key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        NAMED("E5 K2 keygen: PKCS#8, certs-only and single, the kind that /att asks for", plain),
        NAMED("E5 K3 what keygen got is renewed like any other", renewed),
        NAMED("E5 keygen with an AES key that both have", symmetric),
        NAMED("E5 HC 189 keygen by key agreement", agreement),
        NAMED("E5 HC 189 keygen by key transport", transport),
        NAMED("E5 keygen says what cannot be", refusals),
        NAMED("E5 K2 keygen with another AES key than the server's", wrong_key),
        NAMED("E5 K2 keygen leaves the old pair until the new one is whole", old_pair_stays),
        NAMED("E5 HC 294 keygen shows no key", not_shown),
    };
    return cmocka_run_group_tests_name("keygen_client", tests, start_with_keys, group_stop);
}
