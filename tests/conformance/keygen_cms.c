/* SPDX-License-Identifier: MIT
 *
 * Keys made by the server and encrypted to the client, as `openssl cms` reads them.
 * RFC 9148 section 4.8, RFC 7030 section 4.4.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "device.h"
#include "keys.h"

#define AES128_CBC  "2.16.840.1.101.3.4.1.2"
#define AES128_WRAP "2.16.840.1.101.3.4.1.5"
#define AES192_WRAP "2.16.840.1.101.3.4.1.25"
#define AES256_CBC  "2.16.840.1.101.3.4.1.42"
#define AES256_WRAP "2.16.840.1.101.3.4.1.45"
#define RSA_OAEP    "1.2.840.113549.1.1.7"
#define DES3_CBC    "1.2.840.113549.3.7"
#define ALL_CAPS    AES128_CBC " " AES128_WRAP " " AES256_CBC " " AES256_WRAP " " RSA_OAEP

#define KEK_128 "00112233445566778899aabbccddeeff"
#define KEK_256 "0123456789abcdef0123456789abcdeffedcba9876543210fedcba9876543210"

static int start_with_keys(void **state)
{
    static const char keys[] = "# keys of a test\n6b656b31 " KEK_128 "\n6b656b32 " KEK_256 "\n";
    fixture_set_up(state);
    fixture *f = *state;
    write_file(path_in(f, "srv/decrypt.keys"), keys, sizeof keys - 1, "w");
    chmod(path_in(f, "srv/decrypt.keys"), 0600);
    fixture_conf(f, "ca", "decrypt-keys", "decrypt.keys");
    fixture_conf(f, "profile", "keygen", "yes");
    fixture_conf(f, "profile rsa", "keys", "RSA");
    fixture_conf(f, "profile rsa", "keygen", "yes");
    fixture_conf(f, "server", "log", "debug");
    fixture_device(f, "CN=dev", "agree"); /* its certificate may be encrypted to, unlike dev's */
    fixture_start(f);
    return 0;
}

/* ---- requests ---- */

static void wishing_csr(body *csr, const char *caps, const char *kind, const body *id)
{
    wishing_csr_of(path_in(server, "dev.crt"), caps, kind, id, csr);
}

static body text(const char *t)
{
    body b = {.len = strlen(t)};
    memcpy(b.bytes, t, b.len);
    return b;
}

static body ski_of(X509 *cert)
{
    const ASN1_OCTET_STRING *ski = X509_get0_subject_key_id(cert);
    assert_non_null(ski);
    body b = {.len = (size_t)ASN1_STRING_length(ski)};
    memcpy(b.bytes, ASN1_STRING_get0_data(ski), b.len);
    return b;
}

/* ---- `openssl cms` ---- */

static const char *file(const char *name)
{
    return path_in(server, "%s", name);
}

static void read_body(const char *name, body *b)
{
    FILE *in = fopen(file(name), "r");
    assert_non_null(in);
    b->len = fread(b->bytes, 1, sizeof b->bytes, in);
    fclose(in);
}

static void assert_ran(const output *o)
{
    if (o->code != 0) {
        fail_msg("openssl: %s%s", o->out, o->err);
    }
}

/* What is in the envelope is SignedData without its type. RFC 5652 section 6.3 */
static void add_type(const char *from, const char *to)
{
    static body b, info;
    read_body(from, &b);
    der_wrap(&b, 0xa0);
    info.len = 0;
    der_oid(&info, "1.2.840.113549.1.7.2");
    der_add(&info, b.bytes, b.len);
    der_wrap(&info, 0x30);
    write_file(file(to), info.bytes, info.len, "w");
}

/* Signed by the server, which leads to the CA; a package of one key. @return that */
static EVP_PKEY *verified(void)
{
    output o;
    body package, key = {.len = 0};
    add_type("made.sd", "made.p7s");
    run(&o, "openssl", "cms", "-verify", "-inform", "DER", "-in", file("made.p7s"), "-CAfile",
        file("dev.ta"), "-purpose", "any", "-binary", "-signer", file("made.signer"), "-out",
        file("made.pkg"), NULL);
    assert_ran(&o);
    X509 *signer = cert_read(file("made.signer"));
    X509 *own = cert_read(file("srv/server.crt"));
    assert_int_equal(X509_cmp(signer, own), 0);
    X509_free(signer);
    X509_free(own);
    read_body("made.pkg", &package);
    assert_int_equal(package.bytes[0], 0x30); /* AsymmetricKeyPackage */
    size_t head = package.bytes[1] < 0x80 ? 2 : 2 + (package.bytes[1] & 0x7f);
    der_add(&key, package.bytes + head, package.len - head);
    write_file(file("made.p8"), key.bytes, key.len, "w");
    run(&o, "openssl", "pkey", "-inform", "DER", "-in", file("made.p8"), "-check", "-noout", NULL);
    assert_ran(&o);
    return made_key(&key);
}

/* The envelope says all of these. */
static void assert_says(const char *const *words)
{
    output o;
    run(&o, "openssl", "cms", "-cmsout", "-print", "-noout", "-inform", "DER", "-in",
        file("made.p7m"), NULL);
    assert_ran(&o);
    for (; *words != NULL; words++) {
        if (strstr(o.out, *words) == NULL) {
            fail_msg("no %s in %s", *words, o.out);
        }
    }
}

/* Ask, and write what came to made.p7m. */
static void get_sealed(const char *path, const body *csr, made *m)
{
    made_get(dev, path, csr, csr->len > 900 ? 6 : -1, m);
    assert_int_equal(m->key_format, 280);
    write_file(file("made.p7m"), m->key.bytes, m->key.len, "w");
}

static void finish(const made *m)
{
    EVP_PKEY *key = verified();
    X509_free(made_cert(m, key, file("dev.ta")));
    expect_alive(dev);
    assert_int_equal(key_in_process(server->pid, key), 0); /* HC 327 */
    assert_int_equal(key_in_file(file("estocd.log"), key), 0);
    EVP_PKEY_free(key);
}

static void decrypt_with(const char *key, const char *id)
{
    output o;
    run(&o, "openssl", "cms", "-decrypt", "-inform", "DER", "-in", file("made.p7m"), "-binary",
        "-secretkey", key, "-secretkeyid", id, "-out", file("made.sd"), NULL);
    assert_ran(&o);
}

static void decrypt_by(const char *cert, const char *key)
{
    output o;
    run(&o, "openssl", "cms", "-decrypt", "-inform", "DER", "-in", file("made.p7m"), "-binary",
        "-recip", file(cert), "-inkey", file(key), "-out", file("made.sd"), NULL);
    assert_ran(&o);
}

/* ---- the tests ---- */

static void symmetric(void **state)
{
    (void)state;
    static const struct {
        const char *path, *id, *hex, *key, *caps;
        const char *says[6];
    } rows[] = {
        {EST "/skg",
         "kek1",
         "6b656b31",
         KEK_128,
         AES128_CBC " " AES128_WRAP,
         {"d.kekri", "version: 4", "id-aes128-wrap", "aes-128-cbc", "pkcs7-signedData", NULL}},
        {EST "/skc",
         "kek2",
         "6b656b32",
         KEK_256,
         AES256_WRAP,
         {"d.kekri", "id-aes256-wrap", "aes-256-cbc", NULL}},
        {EST "/skg",
         "kek2",
         "6b656b32",
         KEK_256,
         DES3_CBC " " AES128_CBC " " AES256_WRAP,
         {"d.kekri", "id-aes256-wrap", "aes-128-cbc", NULL}},
        {EST "/skc",
         "kek1",
         "6b656b31",
         KEK_128,
         AES256_CBC " " AES128_CBC " " AES128_WRAP,
         {"d.kekri", "id-aes128-wrap", "aes-256-cbc", NULL}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        body csr;
        made m;
        const body id = text(rows[i].id);
        wishing_csr(&csr, rows[i].caps, SYMMETRIC, &id);
        get_sealed(rows[i].path, &csr, &m);
        assert_int_equal(m.cert_format, i % 2 == 0 ? 281 : 287);
        assert_says(rows[i].says);
        decrypt_with(rows[i].key, rows[i].hex);
        finish(&m);
    }
}

/* The association's own certificate. */
static void agreement(void **state)
{
    (void)state;
    static const struct {
        const char *group, *usage, *caps;
        const char *says[6];
    } rows[] = {
        {"P-256",
         "",
         ALL_CAPS,
         {"d.kari", "rKeyId", "dhSinglePass-stdDH-sha256kdf-scheme", "aes-128-cbc", NULL}},
        {"P-256",
         "critical,digitalSignature,keyAgreement",
         AES256_CBC " " AES256_WRAP,
         {"d.kari", "rKeyId", "dhSinglePass-stdDH-sha256kdf-scheme", "aes-256-cbc", NULL}},
        {"P-384",
         "keyAgreement,digitalSignature",
         AES256_WRAP " " AES128_WRAP,
         {"d.kari", "rKeyId", "dhSinglePass-stdDH-sha256kdf-scheme", "aes-256-cbc", NULL}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        body csr;
        made m;
        EVP_PKEY *key = key_new(rows[i].group);
        X509 *cert = cert_new(key, &(cert_cfg){.cn = "dev",
                                               .issuer = server->maker,
                                               .issuer_key = server->maker_key,
                                               .key_usage = rows[i].usage});
        cert_write(cert, file("own.crt"), "w");
        key_write(key, file("own.key"));
        peer_free(dev);
        dev = peer_connect(&(peer_cfg){.port = server->port, .own = cert, .own_key = key});
        const body id = ski_of(cert);
        wishing_csr(&csr, rows[i].caps, ASYMMETRIC, &id);
        get_sealed(EST "/skg", &csr, &m);
        assert_says(rows[i].says);
        decrypt_by("own.crt", "own.key");
        finish(&m);
        X509_free(cert);
        EVP_PKEY_free(key);
    }
}

/* `estocd device` makes certificates that may be encrypted to, where keys are made. */
static void agreement_with_device(void **state)
{
    (void)state;
    body csr;
    made m;
    X509 *cert = cert_read(file("agree.crt"));
    peer_free(dev);
    dev = connect_as(server, "agree");
    const body id = ski_of(cert);
    wishing_csr(&csr, ALL_CAPS, ASYMMETRIC, &id);
    get_sealed(EST "/skc", &csr, &m);
    decrypt_by("agree.crt", "agree.key");
    finish(&m);
    X509_free(cert);
}

static X509 *enrolled(const char *path, EVP_PKEY *key)
{
    body csr, answer;
    csr_new(key, "CN=dev", NULL, &csr);
    assert_int_equal(enroll(dev, path, &csr, 287, csr.len > 900 ? 6 : -1, &answer), CODE(2, 4));
    return cert_for(&answer, 287, key);
}

/* A certificate that was issued to this identity: an RSA key cannot be shown in the handshake. */
static void transport(void **state)
{
    (void)state;
    static const char *const says[] = {"d.ktri",      "subjectKeyIdentifier", "rsaesOaep",
                                       "aes-128-cbc", "version: 2",           NULL};
    body csr;
    made m;
    EVP_PKEY *key = key_new("RSA2048");
    X509 *cert = enrolled(EST "/rsa/sen", key);
    cert_write(cert, file("own.crt"), "w");
    key_write(key, file("own.key"));
    const body id = ski_of(cert);
    wishing_csr(&csr, ALL_CAPS, ASYMMETRIC, &id);
    get_sealed(EST "/skg", &csr, &m);
    assert_says(says);
    decrypt_by("own.crt", "own.key");
    finish(&m);
    get_sealed(EST "/rsa/skg", &csr, &m); /* and an RSA key inside */
    decrypt_by("own.crt", "own.key");
    finish(&m);
    X509_free(cert);
    EVP_PKEY_free(key);
}

static void expect_refused(peer *p, const char *caps, const char *kind, const body *id)
{
    body csr, answer;
    unsigned before = issued(server);
    wishing_csr(&csr, caps, kind, id);
    assert_int_equal(enroll(p, EST "/skg", &csr, -1, -1, &answer), CODE(4, 0));
    assert_int_equal(issued(server), before);
}

static void unknown_keys(void **state)
{
    (void)state;
    const body none = text("kek3"), prefix = text("kek"), empty = text("");
    X509 *cert = cert_read(file("srv/server.crt"));
    const body foreign = ski_of(cert);
    expect_refused(dev, ALL_CAPS, SYMMETRIC, &none);
    expect_refused(dev, ALL_CAPS, SYMMETRIC, &prefix);
    expect_refused(dev, ALL_CAPS, SYMMETRIC, &empty);
    expect_refused(dev, ALL_CAPS, ASYMMETRIC, &none);
    expect_refused(dev, ALL_CAPS, ASYMMETRIC, &foreign);
    X509_free(cert);
    /* another identity's */
    EVP_PKEY *key = key_new("RSA2048");
    cert = enrolled(EST "/rsa/sen", key);
    const body id = ski_of(cert);
    peer *other = connect_as(server, "agree");
    expect_refused(other, ALL_CAPS, ASYMMETRIC, &id);
    peer_free(other);
    X509_free(cert);
    EVP_PKEY_free(key);
}

/* RFC 7030 section 4.4.1.2: its usage must allow it. */
static void signing_keys(void **state)
{
    (void)state;
    X509 *cert = cert_read(file("dev.crt"));
    assert_false(X509_get_key_usage(cert) & KU_KEY_AGREEMENT);
    const body id = ski_of(cert);
    expect_refused(dev, ALL_CAPS, ASYMMETRIC, &id);
    X509_free(cert);
}

static void nothing_in_common(void **state)
{
    (void)state;
    const body kek = text("kek1");
    expect_refused(dev, NULL, SYMMETRIC, &kek); /* no SMIMECapabilities */
    expect_refused(dev, AES128_CBC, SYMMETRIC, &kek);
    expect_refused(dev, AES192_WRAP " " DES3_CBC, SYMMETRIC, &kek);
    expect_refused(dev, AES256_CBC " " AES256_WRAP, SYMMETRIC, &kek);
    X509 *cert = cert_read(file("agree.crt"));
    const body id = ski_of(cert);
    peer *p = connect_as(server, "agree");
    expect_refused(p, AES128_CBC " " AES256_WRAP, ASYMMETRIC, &id);
    expect_refused(p, AES128_CBC " " RSA_OAEP, ASYMMETRIC, &id);
    expect_refused(p, NULL, ASYMMETRIC, &id);
    peer_free(p);
    X509_free(cert);
    EVP_PKEY *key = key_new("RSA2048");
    cert = enrolled(EST "/rsa/sen", key);
    const body rsa = ski_of(cert);
    expect_refused(dev, AES128_CBC " " AES128_WRAP, ASYMMETRIC, &rsa);
    X509_free(cert);
    EVP_PKEY_free(key);
}

static void capabilities_alone(void **state)
{
    (void)state;
    body csr;
    made m;
    wishing_csr(&csr, ALL_CAPS, NULL, NULL);
    made_get(dev, EST "/skg", &csr, -1, &m);
    assert_int_equal(m.key_format, 284);
    EVP_PKEY_free(made_key(&m.key));
}

static void bad_key_files(void **state)
{
    fixture *f = *state;
    output o;
    write_file(path_in(f, "srv/decrypt.keys"), "6b " KEK_128 "\n", 36, "w");
    fixture_conf(f, "ca", "decrypt-keys", "decrypt.keys");
    chmod(path_in(f, "srv/decrypt.keys"), 0644);
    run(&o, "estocd", "check", "--dir", f->srv, NULL);
    assert_int_equal(o.code, 1);
    assert_non_null(strstr(o.err, "others may read it"));
    run(&o, "estocd", "run", "--dir", f->srv, "--listen", "127.0.0.1:0", NULL);
    assert_int_equal(o.code, 1);
    assert_non_null(strstr(o.err, "others may read it"));
    chmod(path_in(f, "srv/decrypt.keys"), 0600);
    run(&o, "estocd", "check", "--dir", f->srv, NULL);
    assert_int_equal(o.code, 0);
    write_file(path_in(f, "srv/decrypt.keys"), "6b 00\n", 6, "w");
    run(&o, "estocd", "check", "--dir", f->srv, NULL);
    assert_int_equal(o.code, 1);
    assert_non_null(strstr(o.err, "line 1: the key must be 16 or 32 bytes long"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OVER_DTLS("E5 HC 186 a key that both have: KEKRecipientInfo", symmetric),
        OVER_DTLS("E5 HC 189 the client's EC certificate: KeyAgreeRecipientInfo", agreement),
        OVER_DTLS("E5 HC 189 a certificate of `estocd device`", agreement_with_device),
        OVER_DTLS("E5 HC 189 an RSA certificate issued to it: KeyTransRecipientInfo", transport),
        OVER_DTLS("E5 C4 a key that is unknown, or another's, is 4.00", unknown_keys),
        OVER_DTLS("E5 C4 a certificate only for signatures is 4.00", signing_keys),
        OVER_DTLS("E5 C4 no algorithm in common is 4.00", nothing_in_common),
        OVER_DTLS("E5 SMIMECapabilities without a key ask for nothing", capabilities_alone),
        NAMED_ALONE("E5 X8 faults of decrypt-keys are told", bad_key_files),
    };
    return cmocka_run_group_tests_name("keygen_cms", tests, start_with_keys, group_stop);
}
