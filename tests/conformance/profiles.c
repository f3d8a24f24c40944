/* SPDX-License-Identifier: MIT
 *
 * What a profile lets into a certificate: keys, usages, extensions. Each rule once where it grants and
 * once where it refuses.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/x509v3.h>

#include "device.h"

static int start(void **state)
{
    fixture_set_up(state);
    fixture *f = *state;
    fixture_conf(f, "profile rsa", "keys", "P-384, RSA-3072");
    fixture_conf(f, "profile rsa", "keygen", "yes");
    fixture_conf(f, "profile server", "eku", "serverAuth, clientAuth, 1.3.6.1.4.1.32473.9");
    fixture_conf(f, "profile server", "keys", "P-256, Ed25519");
    fixture_conf(f, "profile server", "key-usage", "digitalSignature, keyAgreement");
    fixture_conf(f, "profile server", "policies", "1.3.6.1.4.1.32473.1, 2.5.29.32.0");
    fixture_conf(f, "profile server", "extensions", "1.3.6.1.4.1.32473.2:0c0673656e736f72");
    fixture_conf(f, "profile agree", "keys", "P-256, Ed25519");
    fixture_conf(f, "profile agree", "key-usage", "keyAgreement");
    fixture_start(f);
    server = f;
    return 0;
}

/* What comes of a request to a label. */
static uint8_t ask_for(const char *label, EVP_PKEY *key, const body *csr, X509 **cert)
{
    char path[64];
    body answer;
    snprintf(path, sizeof path, EST "/%s/sen", label);
    uint8_t code = enroll(dev, path, csr, 287, 6, &answer);
    *cert = code == CODE(2, 4) ? cert_for(&answer, 287, key) : NULL;
    return code;
}

/* ------------------------------------------------------------------------------------------- keys */

static uint8_t code_for_key(const char *label, const char *kind)
{
    body csr;
    X509 *cert;
    EVP_PKEY *key = key_new(kind);
    csr_new(key, "CN=dev", NULL, &csr);
    uint8_t code = ask_for(label, key, &csr, &cert);
    X509_free(cert);
    EVP_PKEY_free(key);
    return code;
}

static void least_bits(void **state)
{
    (void)state;
    assert_int_equal(code_for_key("rsa", "RSA3072"), CODE(2, 4));
    assert_int_equal(code_for_key("rsa", "P-384"), CODE(2, 4));
}

static void too_few_bits(void **state)
{
    (void)state;
    unsigned before = issued(server);
    assert_int_equal(code_for_key("rsa", "RSA2048"), CODE(4, 0));
    assert_int_equal(code_for_key("rsa", "P-256"), CODE(4, 0));
    assert_int_equal(issued(server), before);
}

/* ---------------------------------------------------------------------------------- usage, purposes */

#define KP(last) "\x06\x08\x2b\x06\x01\x05\x05\x07\x03" last

/* A request for these purposes; with none it asks for none. */
static void csr_for(EVP_PKEY *key, const char *purposes, size_t len, body *csr)
{
    body subject = {.len = 0}, value = {.len = 0}, attrs = {.len = 0};
    X509 *cert = cert_read(path_in(server, "dev.crt"));
    subject_of(cert, &subject);
    X509_free(cert);
    der_tlv(&value, 0x30, purposes, len);
    attr_extension(&attrs, "2.5.29.37", value.bytes, value.len);
    csr_build(&(csr_parts){.key = key, .subject = &subject, .attrs = len > 0 ? &attrs : NULL}, csr);
}

/* The purposes of the certificate: as many bits as there are, and how many it names. */
static int purposes_of(X509 *cert, unsigned *xku)
{
    EXTENDED_KEY_USAGE *eku = X509_get_ext_d2i(cert, NID_ext_key_usage, NULL, NULL);
    assert_non_null(eku);
    int n = sk_ASN1_OBJECT_num(eku);
    EXTENDED_KEY_USAGE_free(eku);
    *xku = X509_get_extended_key_usage(cert);
    return n;
}

static void all_purposes(void **state)
{
    (void)state;
    body csr;
    X509 *cert;
    unsigned xku;
    EVP_PKEY *key = key_new("P-256");
    csr_for(key, "", 0, &csr);
    assert_int_equal(ask_for("server", key, &csr, &cert), CODE(2, 4));
    assert_int_equal(purposes_of(cert, &xku), 3);
    assert_int_equal(xku, XKU_SSL_SERVER | XKU_SSL_CLIENT);
    assert_int_equal(X509_get_key_usage(cert), KU_DIGITAL_SIGNATURE | KU_KEY_AGREEMENT);
    assert_true(chains_to(cert, path_in(server, "dev.ta")));
    X509_free(cert);
    EVP_PKEY_free(key);
}

static void some_purposes(void **state)
{
    (void)state;
    body csr;
    X509 *cert;
    unsigned xku;
    EVP_PKEY *key = key_new("P-256");
    csr_for(key, KP("\x02"), 10, &csr);
    assert_int_equal(ask_for("server", key, &csr, &cert), CODE(2, 4));
    assert_int_equal(purposes_of(cert, &xku), 1);
    assert_int_equal(xku, XKU_SSL_CLIENT);
    X509_free(cert);
    EVP_PKEY_free(key);
}

/* HC 214: also where there are others that are granted. */
static void other_purposes(void **state)
{
    (void)state;
    body csr;
    X509 *cert;
    EVP_PKEY *key = key_new("P-256");
    unsigned before = issued(server);
    csr_for(key, KP("\x02") KP("\x03"), 20, &csr); /* codeSigning */
    assert_int_equal(ask_for("server", key, &csr, &cert), CODE(4, 3));
    csr_for(key, KP("\x01"), 10, &csr); /* serverAuth, where there is no such rule */
    assert_int_equal(ask_for("rsa", key, &csr, &cert), CODE(4, 3));
    assert_int_equal(issued(server), before);
    EVP_PKEY_free(key);
}

static void usage_of_a_key(void **state)
{
    (void)state;
    body csr;
    X509 *cert;
    EVP_PKEY *key = key_new("ED25519");
    csr_new(key, "CN=dev", NULL, &csr);
    assert_int_equal(ask_for("server", key, &csr, &cert), CODE(2, 4));
    assert_int_equal(X509_get_key_usage(cert), KU_DIGITAL_SIGNATURE); /* it agrees on nothing */
    X509_free(cert);
    EVP_PKEY_free(key);
}

static void no_usage(void **state)
{
    (void)state;
    assert_int_equal(code_for_key("agree", "ED25519"), CODE(4, 0));
    assert_int_equal(code_for_key("agree", "P-256"), CODE(2, 4));
}

/* ------------------------------------------------------------------------------------- extensions */

static const ASN1_OCTET_STRING *extension_of(X509 *cert, const char *oid)
{
    ASN1_OBJECT *object = OBJ_txt2obj(oid, 1);
    int at = X509_get_ext_by_OBJ(cert, object, -1);
    ASN1_OBJECT_free(object);
    return at >= 0 ? X509_EXTENSION_get_data(X509_get_ext(cert, at)) : NULL;
}

static void more_extensions(void **state)
{
    (void)state;
    body csr;
    X509 *cert;
    EVP_PKEY *key = key_new("P-256");
    csr_new(key, "CN=dev", NULL, &csr);
    assert_int_equal(ask_for("server", key, &csr, &cert), CODE(2, 4));
    const ASN1_OCTET_STRING *own = extension_of(cert, "1.3.6.1.4.1.32473.2");
    assert_non_null(own);
    assert_int_equal(ASN1_STRING_length(own), 8);
    assert_memory_equal(ASN1_STRING_get0_data(own), "\x0c\x06sensor", 8);
    CERTIFICATEPOLICIES *list = X509_get_ext_d2i(cert, NID_certificate_policies, NULL, NULL);
    assert_int_equal(sk_POLICYINFO_num(list), 2);
    CERTIFICATEPOLICIES_free(list);
    X509_free(cert);
    EVP_PKEY_free(key);
}

/* HC 219: what the profile does not have, a request does not bring in. */
static void no_extensions(void **state)
{
    (void)state;
    static const char policy[] = "\x30\x06\x30\x04\x06\x02\x2a\x03";
    body csr, attrs = {.len = 0}, subject = {.len = 0};
    X509 *cert = cert_read(path_in(server, "dev.crt"));
    EVP_PKEY *key = key_new("P-256");
    subject_of(cert, &subject);
    X509_free(cert);
    attr_extension(&attrs, "2.5.29.32", policy, sizeof policy - 1);
    csr_build(&(csr_parts){.key = key, .subject = &subject, .attrs = &attrs}, &csr);
    assert_int_equal(ask_for("agree", key, &csr, &cert), CODE(2, 4));
    assert_null(extension_of(cert, "2.5.29.32"));
    assert_null(extension_of(cert, "1.3.6.1.4.1.32473.2"));
    X509_free(cert);
    EVP_PKEY_free(key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OVER_DTLS("X3 an RSA key of the least bits", least_bits),
        OVER_DTLS("X3 an RSA key of fewer bits is 4.00", too_few_bits),
        OVER_DTLS("E4 the purposes of the profile", all_purposes),
        OVER_DTLS("E4 some of them, on request", some_purposes),
        OVER_DTLS("E4 HC 214 others are 4.03", other_purposes),
        OVER_DTLS("E4 the usages that a kind of key can have", usage_of_a_key),
        OVER_DTLS("E4 a key that can have none of them is 4.00", no_usage),
        OVER_DTLS("E4 policies and extensions of the profile", more_extensions),
        OVER_DTLS("E4 HC 219 none but the profile's", no_extensions),
    };
    return cmocka_run_group_tests_name("conformance profiles", tests, start, group_stop);
}
