/* SPDX-License-Identifier: MIT
 *
 * Certificate requests that must not be served: 4.00, and nothing issued. (E4, X3)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "device.h"

static EVP_PKEY *key;
static body subject; /* the device's, which is what it may ask for */

static int set_up(void **state)
{
    X509 *cert = cert_read(path_in(*state, "dev.crt"));
    subject_of(cert, &subject);
    X509_free(cert);
    key = key_new("P-256");
    return connect_dev(state);
}

static int tear_down(void **state)
{
    EVP_PKEY_free(key);
    return drop_dev(state);
}

#define ON_CSR(name, function)                  \
    {                                           \
        name, function, set_up, tear_down, NULL \
    }

static uint8_t code_for(const body *csr)
{
    body answer;
    return enroll(dev, EST "/sen", csr, -1, csr->len > 900 ? 6 : -1, &answer);
}

static void refused(const csr_parts *parts)
{
    static body csr;
    csr_parts p = *parts;
    p.key = p.key != NULL ? p.key : key;
    p.subject = p.subject != NULL ? p.subject : &subject;
    csr_build(&p, &csr);
    assert_int_equal(code_for(&csr), CODE(4, 0));
}

/* The hand-made request is good when nothing is wrong with it: what follows means something. */
static void nothing_wrong(void **state)
{
    (void)state;
    static body csr;
    csr_build(&(csr_parts){.key = key, .subject = &subject}, &csr);
    assert_int_equal(code_for(&csr), CODE(2, 4));
}

static body bytes_of(const char *b, size_t len)
{
    body out = {.len = len};
    memcpy(out.bytes, b, len);
    return out;
}

#define BYTES(text) bytes_of(text, sizeof(text) - 1)

static void wrong_algorithm(void **state)
{
    (void)state;
    const body algorithms[] = {
        /* sha256WithRSAEncryption with an EC key */
        BYTES("\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b\x05\x00"),
        BYTES("\x30\x05\x06\x03\x2b\x65\x70"),                             /* Ed25519 */
        BYTES("\x30\x09\x06\x07\x2a\x86\x48\xce\x3d\x04\x01"),             /* ecdsa-with-SHA1 */
        BYTES("\x30\x0c\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02\x05\x00"), /* with NULL */
        BYTES("\x30\x03\x06\x01\x2a"),                                     /* nothing known */
        BYTES("\x30\x00"),
    };
    for (size_t i = 0; i < sizeof algorithms / sizeof algorithms[0]; i++) {
        refused(&(csr_parts){.algorithm = &algorithms[i]});
    }
}

static void wrong_signature(void **state)
{
    (void)state;
    const body signatures[] = {
        BYTES("\x00\x30\x06\x02\x01\x00\x02\x01\x00"),     /* r = 0, s = 0 */
        BYTES("\x00\x30\x06\x02\x01\x01\x02\x01\x01"),     /* r = 1, s = 1 */
        BYTES("\x00\x30\x06\x02\x01\xff\x02\x01\x01"),     /* r negative */
        BYTES("\x00\x30\x81\x06\x02\x01\x01\x02\x01\x01"), /* a length that is not DER */
        BYTES("\x00\x30\x80\x02\x01\x01\x02\x01\x01\x00\x00"),
        BYTES("\x00\x30\x06\x02\x01\x01\x02\x01\x01\x00"), /* a byte behind it */
        BYTES("\x00\x30\x00"),
        BYTES("\x00"),
        BYTES(""),     /* not even the number of unused bits */
        BYTES("\x08"), /* 8 of them */
    };
    for (size_t i = 0; i < sizeof signatures / sizeof signatures[0]; i++) {
        refused(&(csr_parts){.signature = &signatures[i]});
    }
    EVP_PKEY *other = key_new("P-256"); /* a good one by another key */
    body spki = {.len = 0};
    unsigned char *at = spki.bytes;
    spki.len = (size_t)i2d_PUBKEY(other, &at);
    refused(&(csr_parts){.spki = &spki});
    EVP_PKEY_free(other);
}

/* A right signature in wrong clothes: unused bits, and every byte of the request flipped. */
static void altered(void **state)
{
    (void)state;
    static body csr, bad;
    unsigned before = issued(server);
    csr_build(&(csr_parts){.key = key, .subject = &subject}, &csr);
    for (size_t i = 0; i < csr.len; i++) {
        bad = csr;
        bad.bytes[i] ^= 1;
        uint8_t code = code_for(&bad);
        assert_true(code == CODE(4, 0) || code == CODE(4, 3));
    }
    assert_int_equal(issued(server), before);
}

static void cut_short(void **state)
{
    (void)state;
    static body csr, bad;
    csr_build(&(csr_parts){.key = key, .subject = &subject}, &csr);
    for (size_t n = 0; n < csr.len; n++) {
        bad = csr;
        bad.len = n;
        assert_int_equal(code_for(&bad), CODE(4, 0));
    }
}

static void too_much(void **state)
{
    (void)state;
    static body csr, bad;
    csr_build(&(csr_parts){.key = key, .subject = &subject}, &csr);
    bad = csr;
    bad.bytes[bad.len++] = 0;
    assert_int_equal(code_for(&bad), CODE(4, 0));
    bad = csr;
    memset(bad.bytes + bad.len, 0, 1024);
    bad.len += 1024;
    assert_int_equal(code_for(&bad), CODE(4, 0));
    bad = csr;
    memcpy(bad.bytes + bad.len, csr.bytes, csr.len); /* HC 222: twice */
    bad.len *= 2;
    assert_int_equal(code_for(&bad), CODE(4, 0));
}

/* SubjectPublicKeyInfo of id-ecPublicKey with these parameters and point. */
static body ec_spki(const body *parameters, const body *point)
{
    body algorithm = {.len = 0}, out = {.len = 0};
    der_oid(&algorithm, "1.2.840.10045.2.1");
    der_add(&algorithm, parameters->bytes, parameters->len);
    der_wrap(&algorithm, 0x30);
    der_add(&out, algorithm.bytes, algorithm.len);
    der_tlv(&out, 0x03, point->bytes, point->len);
    der_wrap(&out, 0x30);
    return out;
}

static void wrong_point(void **state)
{
    (void)state;
    static body p256, spki, points[8];
    unsigned char raw[65];
    size_t len, n = 0;
    p256.len = 0;
    der_oid(&p256, "1.2.840.10045.3.1.7");
    assert_int_equal(EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, raw,
                                                     sizeof raw, &len),
                     1);
    points[n] = bytes_of("\0", 1);
    der_add(&points[n], raw, 65);
    points[n++].bytes[65] ^= 1;  /* not on the curve */
    points[n++] = BYTES("\0\0"); /* infinity */
    points[n] = bytes_of("\0", 1);
    der_add(&points[n], raw, 33);
    points[n++].bytes[1] = (uint8_t)(2 + (raw[64] & 1)); /* compressed: X3 */
    points[n] = bytes_of("\0", 1);
    der_add(&points[n], raw, 65);
    points[n++].bytes[1] = (uint8_t)(6 + (raw[64] & 1)); /* hybrid: X3 */
    points[n] = bytes_of("\1", 1);                       /* an unused bit */
    der_add(&points[n++], raw, 65);
    points[n] = bytes_of("\0", 1);
    der_add(&points[n++], raw, 64); /* a byte short */
    points[n] = bytes_of("\0", 1);
    der_add(&points[n], raw, 65);
    der_add(&points[n++], "", 1); /* a byte more */
    points[n++] = BYTES("\0");
    for (size_t i = 0; i < n; i++) {
        spki = ec_spki(&p256, &points[i]);
        refused(&(csr_parts){.spki = &spki});
    }
}

static void wrong_curve(void **state)
{
    (void)state;
    body spki;
    body point = BYTES("\0\4");
    point.len += 64;
    const body parameters[] = {
        BYTES(""),                             /* none */
        BYTES("\x05\x00"),                     /* implicitCA */
        BYTES("\x06\x05\x2b\x81\x04\x00\x0a"), /* secp256k1 */
        BYTES("\x06\x05\x2b\x81\x04\x00\x21"), /* P-224 */
        BYTES("\x30\x03\x02\x01\x01"),         /* explicit, and nothing */
    };
    for (size_t i = 0; i < sizeof parameters / sizeof parameters[0]; i++) {
        spki = ec_spki(&parameters[i], &point);
        refused(&(csr_parts){.spki = &spki});
    }
}

static void explicit_parameters(void **state)
{
    (void)state;
    static body csr;
    EVP_PKEY *odd = key_new("P-256");
    EVP_PKEY_set_utf8_string_param(odd, OSSL_PKEY_PARAM_EC_ENCODING,
                                   OSSL_PKEY_EC_ENCODING_EXPLICIT);
    csr_build(&(csr_parts){.key = odd, .subject = &subject}, &csr);
    assert_true(csr.len > 400); /* they are in it */
    long long start = now_ms();
    assert_int_equal(code_for(&csr), CODE(4, 0));
    assert_true(now_ms() - start < 1000);
    EVP_PKEY_free(odd);
}

static void other_keys(void **state)
{
    (void)state;
    static const char *const kinds[] = {"RSA1024", "X25519", "secp256k1", "P-224", "P-521"};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        EVP_PKEY *odd = key_new(kinds[i]);
        unsigned char *der = NULL;
        body spki = {.len = (size_t)i2d_PUBKEY(odd, &der)};
        memcpy(spki.bytes, der, spki.len);
        refused(&(csr_parts){.spki = &spki});
        if (strcmp(kinds[i], "X25519") != 0 && kinds[i][0] != 'R') {
            refused(&(csr_parts){.key = odd}); /* rightly signed, too */
        }
        OPENSSL_free(der);
        EVP_PKEY_free(odd);
    }
}

static void small_rsa(void **state)
{
    (void)state;
    EVP_PKEY *rsa = key_new("RSA1024");
    body csr;
    csr_new(rsa, "CN=dev", NULL, &csr);
    assert_int_equal(code_for(&csr), CODE(4, 0));
    EVP_PKEY_free(rsa);
}

static void add_rdn(body *name, unsigned tag, const char *text, size_t len)
{
    static body atv, value;
    atv.len = 0;
    value.len = 0;
    der_oid(&atv, "2.5.4.3");
    der_tlv(&value, tag, text, len);
    der_add(&atv, value.bytes, value.len);
    der_wrap(&atv, 0x30);
    der_wrap(&atv, 0x31);
    der_add(name, atv.bytes, atv.len);
}

/* Names nobody may have: malformed is 4.00, merely not the device's is 4.03; never a certificate. */
static void odd_names(void **state)
{
    (void)state;
    static body name, csr;
    static char long_text[6000];
    memset(long_text, 'a', sizeof long_text);
    const struct {
        unsigned tag;
        const char *text;
        size_t len;
        int n;
    } names[] = {
        {0x0c, long_text, 65, 1},        {0x0c, long_text, 6000, 1}, {0x0c, "dev", 3, 100},
        {0x1e, "\0d\0e\0", 5, 1},        {0x14, "dev", 3, 1},        {0x0c, "dev\xff", 4, 1},
        {0x0c, "\xc0\xaf", 2, 1},        {0x0c, "de\0v", 4, 1},      {0x0c, "dev\n", 4, 1},
        {0x0c, "\xe2\x80\xaevve", 6, 1}, {0x0c, "", 0, 1},           {0x0c, "dev", 3, 2},
    };
    unsigned before = issued(server);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        name.len = 0;
        for (int k = 0; k < names[i].n; k++) {
            add_rdn(&name, names[i].tag, names[i].text, names[i].len);
        }
        der_wrap(&name, 0x30);
        csr_build(&(csr_parts){.key = key, .subject = &name}, &csr);
        uint8_t code = code_for(&csr);
        if (code != CODE(4, 0) && code != CODE(4, 3)) {
            fail_msg("name %zu: %u.%02u", i, code >> 5, code & 31);
        }
    }
    assert_int_equal(issued(server), before);
}

/* One extension asked for: it is dropped or refused, but never in the certificate. */
static void never_given(const char *oid, const void *value, size_t len)
{
    static body attrs, csr, answer;
    attrs.len = 0;
    attr_extension(&attrs, oid, value, len);
    EVP_PKEY *fresh = key_new("P-256");
    csr_build(&(csr_parts){.key = fresh, .subject = &subject, .attrs = &attrs}, &csr);
    uint8_t code = enroll(dev, EST "/sen", &csr, 287, -1, &answer);
    if (code == CODE(2, 4)) {
        X509 *cert = cert_for(&answer, 287, fresh);
        assert_int_equal(X509_check_ca(cert), 0);
        uint32_t eku = X509_get_extended_key_usage(cert);
        assert_int_equal(eku & ~(uint32_t)XKU_SSL_CLIENT, 0);
        assert_false(X509_get_key_usage(cert) & (KU_KEY_CERT_SIGN | KU_CRL_SIGN));
        assert_int_equal(X509_get_ext_by_NID(cert, NID_name_constraints, -1), -1);
        assert_int_equal(X509_get_ext_by_NID(cert, NID_certificate_policies, -1), -1);
        const ASN1_OCTET_STRING *ski = X509_get0_subject_key_id(cert);
        assert_true(ski == NULL || ASN1_STRING_length(ski) != 3);
        STACK_OF(ASN1_OBJECT) *all = X509_get_ext_d2i(cert, NID_ext_key_usage, NULL, NULL);
        assert_true(all == NULL || sk_ASN1_OBJECT_num(all) == 1); /* clientAuth alone */
        sk_ASN1_OBJECT_pop_free(all, ASN1_OBJECT_free);
        X509_free(cert);
    } else {
        assert_true(code == CODE(4, 0) || code == CODE(4, 3));
    }
    EVP_PKEY_free(fresh);
}

static void privileges(void **state)
{
    (void)state;
    never_given("2.5.29.19", "\x30\x03\x01\x01\xff", 5);             /* CA:TRUE */
    never_given("2.5.29.15", "\x03\x02\x01\x06", 4);                 /* keyCertSign, cRLSign */
    never_given("2.5.29.37", "\x30\x06\x06\x04\x55\x1d\x25\x00", 8); /* anyExtendedKeyUsage */
    never_given("2.5.29.37", "\x30\x0a\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x1c", 12); /* cmcRA */
    never_given("2.5.29.37", "\x30\x0a\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x01", 12); /* server */
    never_given("2.5.29.37", "\x30\x0a\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x09", 12); /* OCSP */
    never_given("2.5.29.37", "\x30\x0a\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x03", 12); /* code */
    never_given("2.5.29.14", "\x04\x03\x01\x02\x03", 5); /* an SKI of its own */
    never_given("2.5.29.30", "\x30\x00", 2);             /* nameConstraints */
    never_given("2.5.29.32", "\x30\x08\x30\x06\x06\x04\x55\x1d\x20\x00", 10); /* anyPolicy */
}

static void duplicates(void **state)
{
    (void)state;
    static body attrs, csr;
    static const char san[] = "\x30\x05\x82\x03\x64\x65\x76"; /* DNS:dev */
    attrs.len = 0;                                            /* HC 216 */
    attr_extension(&attrs, "2.5.29.17", san, 7);
    attr_extension(&attrs, "2.5.29.17", san, 7);
    csr_build(&(csr_parts){.key = key, .subject = &subject, .attrs = &attrs}, &csr);
    assert_int_equal(code_for(&csr), CODE(4, 0));
    /* HC 217: challengePassword twice */
    static const char password[] = "\x30\x16\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x09\x07\x31\x09"
                                   "\x0c\x07secret1";
    attrs.len = 0;
    der_add(&attrs, password, sizeof password - 1);
    der_add(&attrs, password, sizeof password - 1);
    csr_build(&(csr_parts){.key = key, .subject = &subject, .attrs = &attrs}, &csr);
    assert_int_equal(code_for(&csr), CODE(4, 0));
    attrs.len = 0; /* HC 217: the longer one first is not the order of DER */
    attr_extension(&attrs, "2.5.29.15", "\x03\x02\x07\x80", 4);
    assert_true(attrs.len > sizeof password - 1);
    der_add(&attrs, password, sizeof password - 1);
    csr_build(&(csr_parts){.key = key, .subject = &subject, .attrs = &attrs}, &csr);
    assert_int_equal(code_for(&csr), CODE(4, 0));
}

static void nesting(void **state)
{
    (void)state;
    static body deep;
    deep.len = 0;
    while (deep.len < 7900) { /* the limit of a body */
        der_wrap(&deep, 0x30);
    }
    assert_int_equal(code_for(&deep), CODE(4, 0));
    static body name, attrs, csr;
    name.len = 0;
    for (int i = 0; i < 500; i++) {
        der_wrap(&name, 0x30);
    }
    csr_build(&(csr_parts){.key = key, .subject = &name}, &csr);
    assert_int_equal(code_for(&csr), CODE(4, 0));
    attrs = name;
    csr_build(&(csr_parts){.key = key, .subject = &subject, .attrs = &attrs}, &csr);
    assert_int_equal(code_for(&csr), CODE(4, 0));
}

static void odd_oids(void **state)
{
    (void)state;
    static body oid, attrs, csr;
    static const char *const contents[] = {"\x80\x01", "\x2a\x80\x01", "\x2a\x81", ""};
    static const size_t lens[] = {2, 3, 2, 0};
    for (size_t i = 0; i < 5; i++) {
        static char huge[6000];
        memset(huge, 0xff, sizeof huge);
        attrs.len = 0;
        oid.len = 0;
        der_tlv(&attrs, 0x06, i < 4 ? contents[i] : huge, i < 4 ? lens[i] : sizeof huge);
        der_tlv(&oid, 0x31, "\x05\x00", 2);
        der_add(&attrs, oid.bytes, oid.len);
        der_wrap(&attrs, 0x30);
        csr_build(&(csr_parts){.key = key, .subject = &subject, .attrs = &attrs}, &csr);
        long long start = now_ms();
        assert_int_equal(code_for(&csr), CODE(4, 0));
        assert_true(now_ms() - start < 2000);
    }
}

static void something_else(void **state)
{
    (void)state;
    static body b, crts;
    char pem[8192];
    X509 *cert = cert_read(path_in(server, "dev.crt"));
    EVP_PKEY *own = key_read(path_in(server, "dev.key"));
    unsigned char *at = b.bytes;
    b.len = (size_t)i2d_X509(cert, &at);
    assert_int_equal(code_for(&b), CODE(4, 0));
    fetch(dev, EST "/crts", -1, -1, &crts);
    assert_int_equal(code_for(&crts), CODE(4, 0));
    PKCS8_PRIV_KEY_INFO *p8 = EVP_PKEY2PKCS8(own);
    at = b.bytes;
    b.len = (size_t)i2d_PKCS8_PRIV_KEY_INFO(p8, &at);
    assert_int_equal(code_for(&b), CODE(4, 0));
    /* and what was sent by mistake is not in the log, in any of the usual forms */
    static char log[1 << 20];
    size_t n = read_file(path_in(server, "estocd.log"), log, sizeof log);
    for (size_t i = 0; i + 16 <= n; i++) {
        assert_int_not_equal(memcmp(log + i, b.bytes + 40, 16), 0);
    }
    char *hex = OPENSSL_buf2hexstr(b.bytes + 40, 16);
    assert_null(strstr(log, hex));
    EVP_EncodeBlock((unsigned char *)pem, b.bytes + 39, 18);
    assert_null(strstr(log, pem));
    OPENSSL_free(hex);
    PKCS8_PRIV_KEY_INFO_free(p8);
    EVP_PKEY_free(own);
    X509_free(cert);
}

/* Ed25519 or P-384 keys, only if the profile has them: refused or served, never a crash. X3. */
static void keys_by_profile(void **state)
{
    (void)state;
    static const char *const kinds[] = {"P-384", "ED25519", "RSA2048"};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        static body csr;
        EVP_PKEY *k = key_new(kinds[i]);
        csr_new(k, "CN=dev", NULL, &csr);
        uint8_t code = code_for(&csr);
        assert_true(code == CODE(2, 4) || code == CODE(4, 0));
        EVP_PKEY_free(k);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_CSR("E4 a request made by hand is as good as any", nothing_wrong),
        ON_CSR("E4 HC 199 the signature's algorithm is not the key's", wrong_algorithm),
        ON_CSR("E4 HC 201 HC 229 wrong signatures", wrong_signature),
        ON_CSR("E4 every byte of a request altered", altered),
        ON_CSR("E4 HC 224 cut short at every byte", cut_short),
        ON_CSR("E4 HC 221 HC 222 more behind the request", too_much),
        ON_CSR("X3 HC 202 HC 229 points not on the curve, compressed, hybrid", wrong_point),
        ON_CSR("X3 HC 204 curves by parameters or not at all", wrong_curve),
        ON_CSR("X3 HC 204 explicit parameters, quickly", explicit_parameters),
        ON_CSR("X3 HC 206 keys that are not for signing here", other_keys),
        ON_CSR("X3 RSA of 1024 bits", small_rsa),
        ON_CSR("X3 keys that depend on the profile", keys_by_profile),
        ON_CSR("E4 HC 209 HC 212 odd names are never issued", odd_names),
        ON_CSR("E4 HC 214 HC 219 privileges are never given", privileges),
        ON_CSR("E4 HC 216 HC 217 doubled attributes", duplicates),
        ON_CSR("E4 HC 226 deep nesting", nesting),
        ON_CSR("E4 HC 227 odd object identifiers", odd_oids),
        ON_CSR("E4 HC 231 a certificate, a CMS or a private key instead", something_else),
    };
    return cmocka_run_group_tests_name("csr", tests, group_start, group_stop);
}
