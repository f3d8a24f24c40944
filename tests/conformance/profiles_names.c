/* SPDX-License-Identifier: MIT
 *
 * Names by a profile's rules, out of the client's certificate and the request. (X10, E4)
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
    fixture_device(f, "CN=unit-7,serialNumber=47-11,O=Maker", "unit");
    fixture_device(f, "CN=x\\,O\\=Root,serialNumber=1", "sly");
    fixture_conf(f, "profile made", "subject", "CN=${client.serialNumber}, O=Example");
    fixture_conf(f, "profile made", "san",
                 "dns:${client.CN}.devices.example, uri:urn:dev:${client.serialNumber}");
    fixture_conf(f, "profile named", "subject", "CN=${request.CN}, O=Example");
    fixture_conf(f, "profile named", "keygen", "yes");
    fixture_conf(f, "profile quoted", "san", "uri:urn:dev:${client.CN}");
    fixture_start(f);
    server = f;
    return 0;
}

/* What comes of a request with these names. */
static uint8_t ask_as(peer *p, const char *path, const char *subject, const char *san, X509 **cert)
{
    body csr, answer;
    EVP_PKEY *key = key_new("P-256");
    csr_new(key, subject, san, &csr);
    uint8_t code = enroll(p, path, &csr, 287, -1, &answer);
    *cert = code == CODE(2, 4) ? cert_for(&answer, 287, key) : NULL;
    EVP_PKEY_free(key);
    return code;
}

static uint8_t code_as(const char *name, const char *label, const char *subject, const char *san)
{
    char path[64];
    X509 *cert;
    peer *p = connect_as(server, name);
    snprintf(path, sizeof path, EST "/%s/sen", label);
    uint8_t code = ask_as(p, path, subject, san, &cert);
    X509_free(cert);
    peer_free(p);
    return code;
}

static void assert_subject(const X509 *cert, const char *want)
{
    char text[256];
    BIO *b = BIO_new(BIO_s_mem());
    X509_NAME_print_ex(b, X509_get_subject_name(cert), 0, XN_FLAG_RFC2253);
    int len = BIO_read(b, text, sizeof text - 1);
    text[len > 0 ? len : 0] = '\0';
    BIO_free(b);
    assert_string_equal(text, want);
}

/* The n-th alternative name, which must be text. */
static void assert_name(X509 *cert, int n, int type, const char *want)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    assert_non_null(names);
    const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, n);
    assert_non_null(name);
    assert_int_equal(name->type, type);
    assert_int_equal(ASN1_STRING_length(name->d.ia5), strlen(want));
    assert_memory_equal(ASN1_STRING_get0_data(name->d.ia5), want, strlen(want));
    GENERAL_NAMES_free(names);
}

static void made(void **state)
{
    (void)state;
    X509 *cert;
    peer *p = connect_as(server, "unit");
    assert_int_equal(ask_as(p, EST "/made/sen", "", NULL, &cert), CODE(2, 4));
    assert_subject(cert, "CN=47-11,O=Example");
    assert_name(cert, 0, GEN_DNS, "unit-7.devices.example");
    assert_name(cert, 1, GEN_URI, "urn:dev:47-11");
    assert_true(chains_to(cert, path_in(server, "unit.ta")));
    X509_free(cert);
    peer_free(p);
    /* and asked for */
    assert_int_equal(code_as("unit", "made", "O=Example,CN=47-11", "DNS:unit-7.devices.example"),
                     CODE(2, 4));
}

static void lacking(void **state)
{
    (void)state;
    unsigned before = issued(server);
    assert_int_equal(code_as("dev", "made", "", NULL), CODE(4, 3)); /* no serialNumber */
    assert_int_equal(issued(server), before);
}

static void asked_for_more(void **state)
{
    (void)state;
    unsigned before = issued(server);
    assert_int_equal(code_as("unit", "made", "O=Example,CN=47-12", NULL), CODE(4, 3));
    assert_int_equal(code_as("unit", "made", "", "DNS:unit-8.devices.example"), CODE(4, 3));
    assert_int_equal(issued(server), before);
}

/* HC 212: what a name says is no part of another. */
static void no_way_out(void **state)
{
    (void)state;
    X509 *cert;
    peer *p = connect_as(server, "sly");
    assert_int_equal(ask_as(p, EST "/made/sen", "", NULL, &cert), CODE(4, 3));
    assert_int_equal(ask_as(p, EST "/quoted/sen", "", NULL, &cert), CODE(2, 4));
    assert_name(cert, 0, GEN_URI, "urn:dev:x%2CO%3DRoot");
    X509_free(cert);
    peer_free(p);
}

static void from_the_request(void **state)
{
    (void)state;
    X509 *cert;
    assert_int_equal(ask_as(dev, EST "/named/sen", "O=Other,CN=roof", NULL, &cert), CODE(2, 4));
    assert_subject(cert, "CN=roof,O=Example");
    X509_free(cert);
}

static void not_in_the_request(void **state)
{
    (void)state;
    X509 *cert;
    assert_int_equal(ask_as(dev, EST "/named/sen", "O=Other", NULL, &cert), CODE(4, 3));
}

/* E5: a certificate for a key made here has its names by the same rule. */
static void with_a_key(void **state)
{
    (void)state;
    body csr, answer;
    EVP_PKEY *key = key_new("P-256");
    csr_new(key, "CN=made here", NULL, &csr);
    assert_int_equal(enroll(dev, EST "/named/skg", &csr, -1, 6, &answer), CODE(2, 4));
    assert_non_null(memmem(answer.bytes, answer.len, "made here", 9));
    assert_non_null(memmem(answer.bytes, answer.len, "Example", 7));
    csr_new(key, "", NULL, &csr);
    assert_int_equal(enroll(dev, EST "/named/skg", &csr, -1, 6, &answer), CODE(4, 3));
    EVP_PKEY_free(key);
}

/* Under the certificate with the names by rule, which is all there is of the first one then. */
static void renewed(void **state)
{
    (void)state;
    body csr, answer;
    X509 *cert, *other;
    EVP_PKEY *key = key_new("P-256");
    peer *p = connect_as(server, "unit");
    csr_new(key, "", NULL, &csr);
    assert_int_equal(enroll(p, EST "/made/sen", &csr, 287, -1, &answer), CODE(2, 4));
    cert = cert_for(&answer, 287, key);
    peer_free(p);
    p = peer_connect(&(peer_cfg){.port = server->port, .own = cert, .own_key = key});
    assert_int_equal(ask_as(p, EST "/made/sren", "O=Example,CN=47-11",
                            "DNS:unit-7.devices.example,URI:urn:dev:47-11", &other),
                     CODE(2, 4));
    assert_subject(other, "CN=47-11,O=Example");
    assert_name(other, 0, GEN_DNS, "unit-7.devices.example");
    X509_free(other);
    /* not with other names, and not there where others are given */
    assert_int_equal(ask_as(p, EST "/made/sren", "O=Example,CN=47-12",
                            "DNS:unit-7.devices.example,URI:urn:dev:47-11", &other),
                     CODE(4, 3));
    assert_int_equal(ask_as(p, EST "/named/sren", "O=Example,CN=47-11",
                            "DNS:unit-7.devices.example,URI:urn:dev:47-11", &other),
                     CODE(4, 3));
    peer_free(p);
    X509_free(cert);
    EVP_PKEY_free(key);
}

/* estoc asks with the subject it has, and takes the one it gets. */
static void with_estoc(void **state)
{
    (void)state;
    output o;
    run_as(&o, server, "unit", "enroll", server->uri, "--label", "made", "--out",
           path_in(server, "new"), NULL);
    assert_int_equal(o.code, 0);
    check_pair(server, "new");
    X509 *cert = cert_read(path_in(server, "new.crt"));
    assert_subject(cert, "CN=47-11,O=Example");
    X509_free(cert);
    run(&o, "estoc", "renew", server->uri, "--label", "made", "--out", path_in(server, "new"),
        NULL);
    assert_int_equal(o.code, 0);
    run_as(&o, server, "dev", "enroll", server->uri, "--label", "made", "--out",
           path_in(server, "none"), NULL);
    assert_int_equal(o.code, 4);
    assert_non_null(strstr(o.err, "your certificate has no serialNumber"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        NAMED("X10 names by the profile's rules", made),
        NAMED("X10 a client that lacks a part is 4.03", lacking),
        NAMED("X10 other names than the rules' are 4.03", asked_for_more),
        NAMED("X10 HC 212 a value is no more than a value", no_way_out),
        OVER_DTLS("X10 a part from the request", from_the_request),
        OVER_DTLS("X10 a request that lacks it is 4.03", not_in_the_request),
        OVER_DTLS("E5 and for keys made here", with_a_key),
        NAMED("E4 a renewal keeps them, and to the profile", renewed),
        NAMED("cli enroll and renew where names are given", with_estoc),
    };
    return cmocka_run_group_tests_name("conformance profiles_names", tests, start, group_stop);
}
