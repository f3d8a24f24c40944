/* SPDX-License-Identifier: MIT
 *
 * CSR attributes: what a profile asks for, and what estoc makes of it. (E3)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>

#include "device.h"
#include "hostile.h"

#include "../vectors/rfc9908.h"

static void get_att(const char *path, uint8_t code, reply *r)
{
    wire_out o;
    ask(dev, &o, GET);
    wire_path(&o, path);
    answer_to(dev, &o, r);
    assert_int_equal(r->m.code, code);
}

static void served(void **state)
{
    (void)state;
    /* SEQUENCE of ecPublicKey with secp256r1, and ecdsa-with-SHA256 */
    static const uint8_t plain[] = {0x30, 0x21, 0x30, 0x15, 0x06, 0x07, 0x2a, 0x86, 0x48,
                                    0xce, 0x3d, 0x02, 0x01, 0x31, 0x0a, 0x06, 0x08, 0x2a,
                                    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x06, 0x08,
                                    0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02};
    reply r;
    get_att(EST "/list/att", CODE(2, 5), &r);
    assert_int_equal(r.m.payload_len, sizeof plain);
    assert_memory_equal(r.m.payload, plain, sizeof plain);
    get_att(EST "/template/att", CODE(2, 5), &r); /* RFC 9908 section 3.4 */
    assert_int_equal(r.m.payload_len, sizeof rfc9908_template);
    assert_memory_equal(r.m.payload, rfc9908_template, sizeof rfc9908_template);
    get_att(EST "/both/att", CODE(2, 5), &r);
    assert_memory_equal(r.m.payload + 2, plain + 2, 8);
    get_att(EST "/att", CODE(4, 4), &r);
}

/* Runs `estoc enroll` for a profile. */
static void enroll_with(output *o, const fixture *f, const char *label, const char *option,
                        const char *value)
{
    static unsigned n;
    run_as(o, f, "dev", "enroll", f->uri, "--label", label, "--out", path_in(f, "e%u", ++n), option,
           value, NULL);
    if (o->code == 0) {
        char prefix[16];
        snprintf(prefix, sizeof prefix, "e%u", n);
        check_pair(f, prefix);
        run(o, "cp", "-L", path_in(f, "%s.crt", prefix), path_in(f, "last.crt"), NULL);
        assert_int_equal(o->code, 0);
    }
}

static void check_refused(const output *o, const char *words)
{
    assert_int_equal(o->code, 1);
    if (strstr(o->err, words) == NULL) {
        fail_msg("no \"%s\" in %s", words, o->err);
    }
}

static X509 *last(const fixture *f)
{
    return cert_read(path_in(f, "last.crt"));
}

static void check_key(const fixture *f, int type, int bits)
{
    X509 *cert = last(f);
    EVP_PKEY *key = X509_get0_pubkey(cert);
    assert_int_equal(EVP_PKEY_get_base_id(key), type);
    assert_true(bits == 0 || EVP_PKEY_get_bits(key) == bits);
    X509_free(cert);
}

static void keys(void **state)
{
    const fixture *f = *state;
    output o;
    enroll_with(&o, f, "list", NULL, NULL);
    check_key(f, EVP_PKEY_EC, 256);
    enroll_with(&o, f, "p384", NULL, NULL);
    check_key(f, EVP_PKEY_EC, 384);
    enroll_with(&o, f, "by-hash", NULL, NULL); /* only the signature is asked for */
    check_key(f, EVP_PKEY_EC, 384);
    enroll_with(&o, f, "rsa", NULL, NULL);
    check_key(f, EVP_PKEY_RSA, 2048);
    enroll_with(&o, f, "rsa-template", NULL, NULL);
    check_key(f, EVP_PKEY_RSA, 2048);
    enroll_with(&o, f, "wrong-hash", NULL, NULL);
    check_refused(&o, "does not make here");
    enroll_with(&o, f, "p521", NULL, NULL);
    check_refused(&o, "not made here");
    enroll_with(&o, f, "sha512", NULL, NULL);
    check_refused(&o, "not made here");
}

/* The template counts, not the list beside it; blanks are filled in. */
static void template(void **state)
{
    const fixture *f = *state;
    output o;
    char text[256];
    enroll_with(&o, f, "template", NULL, NULL);
    check_refused(&o, "asks for ip:");
    enroll_with(&o, f, "template", "--san", "ip:192.0.2.7");
    assert_int_equal(o.code, 0);
    X509 *cert = last(f);
    X509_NAME_oneline(X509_get_subject_name(cert), text, sizeof text);
    assert_string_equal(text, "/CN=dev/OU=myDept/OU=myGroup");
    assert_int_equal(X509_check_host(cert, "www.myServer.com", 0, 0, NULL), 1);
    assert_int_equal(X509_check_ip_asc(cert, "192.0.2.7", 0), 1);
    X509_free(cert);
    enroll_with(&o, f, "both", NULL, NULL);
    check_key(f, EVP_PKEY_ED25519, 0); /* the list says P-256 */
    enroll_with(&o, f, "place", NULL, NULL);
    check_refused(&o, "asks for localityName");
    enroll_with(&o, f, "place", "--subject", "L=Here,O=ignored");
    assert_int_equal(o.code, 0);
    cert = last(f);
    X509_NAME_oneline(X509_get_subject_name(cert), text, sizeof text);
    assert_string_equal(text, "/L=Here");
    X509_free(cert);
}

/* By their OIDs alone: parts of the subject, extensions. */
static void list(void **state)
{
    const fixture *f = *state;
    output o;
    enroll_with(&o, f, "oids", NULL, NULL);
    check_refused(&o, "asks for serialNumber");
    enroll_with(&o, f, "oids", "--subject", "serialNumber=7");
    check_refused(&o, "asks for subjectAltName");
    run_as(&o, f, "dev", "enroll", f->uri, "--label", "oids", "--out", path_in(f, "o"), "--subject",
           "serialNumber=7", "--san", "a.example", NULL);
    assert_int_equal(o.code, 0);
    check_pair(f, "o");
}

static void shown(void **state)
{
    const fixture *f = *state;
    output o;
    run_as(&o, f, "dev", "att", f->uri, "--label", "template", NULL);
    assert_int_equal(o.code, 0);
    assert_string_equal(o.out, "certificationRequestInfoTemplate\n"
                               "  subject: commonName=?\n"
                               "  subject: organizationalUnitName=myDept\n"
                               "  subject: organizationalUnitName=myGroup\n"
                               "  key: ecPublicKey secp256r1\n"
                               "  subjectAltName: dns:www.myServer.com, ip:?\n"
                               "  keyUsage (critical): digitalSignature, keyAgreement\n"
                               "  extendedKeyUsage: ?\n");
    run_as(&o, f, "dev", "att", f->uri, "--label", "template", "--json", NULL);
    assert_int_equal(o.code, 0);
    assert_non_null(strstr(o.out, "\"subject: commonName=?\""));
}

static int start(void **state)
{
    static const struct {
        const char *label, *key, *value;
    } conf[] = {
        {"list", "attributes", "ecPublicKey:secp256r1, ecdsa-with-SHA256"},
        {"template", "template",
         "CN, OU=myDept, OU=myGroup, P-256, SAN=dns:www.myServer.com, SAN=ip:, "
         "KU=digitalSignature+keyAgreement, EKU"},
        {"template", "names", "any"},
        {"both", "attributes", "ecPublicKey:secp256r1, ecdsa-with-SHA256"},
        {"both", "template", "Ed25519"},
        {"both", "keys", "Ed25519"},
        {"p384", "attributes", "ecPublicKey:secp384r1, ecdsa-with-SHA384"},
        {"p384", "keys", "P-384"},
        {"by-hash", "attributes", "ecdsa-with-SHA384"},
        {"by-hash", "keys", "P-384"},
        {"rsa", "attributes", "rsaEncryption:2048"},
        {"rsa", "keys", "RSA"},
        {"rsa-template", "template", "RSA-2048"},
        {"rsa-template", "keys", "RSA"},
        {"wrong-hash", "attributes", "ecPublicKey:secp256r1, ecdsa-with-SHA384"},
        {"p521", "attributes", "ecPublicKey:1.3.132.0.35"},
        {"sha512", "attributes", "ecdsa-with-SHA512"},
        {"oids", "attributes", "serialNumber, subjectAltName, extensionRequest:extendedKeyUsage"},
        {"oids", "names", "any"},
        {"place", "template", "L"},
        {"place", "names", "any"},
    };
    fixture_set_up(state);
    for (size_t i = 0; i < sizeof conf / sizeof conf[0]; i++) {
        char section[40];
        snprintf(section, sizeof section, "profile %s", conf[i].label);
        fixture_conf(*state, section, conf[i].key, conf[i].value);
    }
    fixture_start(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OVER_DTLS("E3 att: the list and the template of a profile, byte for byte", served),
        NAMED("E3 enroll makes the key and the signature that are asked for", keys),
        NAMED("E3 enroll fills in a template", template),
        NAMED("E3 enroll gives what is asked for by OID", list),
        NAMED("E3 att shows a template", shown),
    };
    return cmocka_run_group_tests_name("att", tests, start, group_stop);
}
