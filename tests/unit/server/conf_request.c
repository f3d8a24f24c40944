/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../../vectors/rfc9908.h"
#include "conf_value.h"
#include "template.h"

static uint8_t der[2048];
static size_t len;
static const char *what;

static estoc_err build(const char *text)
{
    len = 77;
    return estoc_conf_request(text, (estoc_buf){der, sizeof der}, &len, &what);
}

/* The one attribute, parsed again. */
static estoc_template built(const char *text)
{
    uint8_t list[2048 + 8];
    static uint8_t kept[2048];
    estoc_template t;
    estoc_slice found;
    size_t list_len;
    assert_int_equal(build(text), 0);
    estoc_writer w = estoc_writer_of((estoc_buf){list, sizeof list});
    estoc_der_put(&w, ESTOC_DER_SEQUENCE, estoc_slice_of(der, len));
    assert_int_equal(estoc_writer_end(&w, &list_len), 0);
    assert_int_equal(estoc_template_find(estoc_slice_of(list, list_len), &found), 0);
    memcpy(kept, found.ptr, found.len);
    assert_int_equal(estoc_template_parse(&t, estoc_slice_of(kept, found.len)), 0);
    return t;
}

static void rfc9908(void **state)
{
    (void)state;
    assert_int_equal(build("CN, OU=myDept, OU=myGroup, P-256, SAN=dns:www.myServer.com, SAN=ip:, "
                           "KU=digitalSignature+keyAgreement, EKU"),
                     0);
    assert_int_equal(len, sizeof rfc9908_template - 3);
    assert_memory_equal(der, rfc9908_template + 3, len);
}

static void parts(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t rdns, exts;
        bool key, blank;
    } rows[] = {
        {"CN", 1, 0, false, false},
        {" serialNumber , O=A b c ", 2, 0, false, false},
        {"C, ST, L, DC, UID, emailAddress, OU", 7, 0, false, false},
        {"Ed25519", 0, 0, true, false},
        {"p-384, SAN", 0, 1, true, true},
        {"EKU=clientAuth+serverAuth", 0, 1, false, false},
        {"EKU=1.2.3, KU=digitalSignature, SAN=a.example", 0, 3, false, false},
        {"KU=keyEncipherment, EKU", 0, 2, false, true},
        {"SAN=ip:2001:db8::1, SAN=uri:coaps://a, SAN=email:a@b", 0, 1, false, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        estoc_template t = built(rows[i].text);
        estoc_slice type, value;
        estoc_ext ext;
        size_t rdns = 0, exts = 0;
        bool blank = false;
        estoc_reader r = estoc_reader_of(t.subject);
        while (estoc_template_rdn_next(&r, &type, &value)) {
            rdns++;
        }
        r = estoc_reader_of(t.extensions);
        while (estoc_template_ext_next(&r, &ext)) {
            exts++;
            blank |= ext.value.len == 0;
        }
        assert_int_equal(rdns, rows[i].rdns);
        assert_int_equal(exts, rows[i].exts);
        assert_int_equal(t.algorithm.len > 0, rows[i].key);
        assert_int_equal(blank, rows[i].blank);
        /* what leaves nothing open is an extensionRequest, which older clients know */
        assert_int_equal(memmem(der, len, ESTOC_OID_EXT_TEMPLATE.ptr, 11) != NULL, blank);
    }
    static const uint32_t sizes[] = {2048, 3072, 4096};
    for (size_t i = 0; i < 3; i++) {
        char text[16];
        snprintf(text, sizeof text, "RSA-%u", (unsigned)sizes[i]);
        assert_int_equal(estoc_template_rsa_bits(built(text).key), sizes[i]);
    }
}

static void faults(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        estoc_err want;
        const char *what;
    } rows[] = {
        {"CN,", ESTOC_E_MALFORMED, ""},
        {"CN, FOO", ESTOC_E_MALFORMED, "FOO"},
        {"FOO=1", ESTOC_E_MALFORMED, "FOO=1"},
        {"CN=", ESTOC_E_MALFORMED, "CN="},
        {"C=a_b", ESTOC_E_MALFORMED, "C=a_b"},
        {"P-256, P-384", ESTOC_E_STATE, "P-384"},
        {"P-256=1", ESTOC_E_MALFORMED, "P-256=1"},
        {"RSA-1024", ESTOC_E_MALFORMED, "RSA-1024"},
        {"SAN, SAN", ESTOC_E_STATE, "SAN"},
        {"SAN, SAN=a.b", ESTOC_E_STATE, "SAN=a.b"},
        {"SAN=", ESTOC_E_MALFORMED, "SAN="},
        {"SAN=ip:a.b", ESTOC_E_MALFORMED, "SAN=ip:a.b"},
        {"KU, KU=digitalSignature", ESTOC_E_STATE, "KU=digitalSignature"},
        {"KU=keyCertSign", ESTOC_E_MALFORMED, "KU=keyCertSign"},
        {"KU=", ESTOC_E_MALFORMED, "KU="},
        {"EKU, EKU", ESTOC_E_STATE, "EKU"},
        {"EKU=all", ESTOC_E_MALFORMED, "EKU=all"},
        {"EKU=clientAuth+", ESTOC_E_MALFORMED, "EKU=clientAuth+"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        estoc_err err = build(rows[i].text);
        if (err != rows[i].want || strcmp(what, rows[i].what) != 0) {
            fail_msg("\"%s\": %#x \"%s\"", rows[i].text, err, what);
        }
        assert_int_equal(len, 0);
    }
}

static void too_much(void **state)
{
    (void)state;
    char text[4096] = "OU=x";
    for (int i = 0; i < 31; i++) {
        strcat(text, ", OU=x");
    }
    assert_int_equal(build(text), 0);
    strcat(text, ", OU=x");
    assert_int_equal(build(text), ESTOC_E_LIMIT);
    memset(text, 'a', sizeof text);
    memcpy(text, "SAN=", 4);
    text[160] = '\0';
    assert_int_equal(build(text), 0);
    text[160] = 'a';
    text[161] = '\0';
    assert_int_equal(build(text), ESTOC_E_LIMIT);
    assert_int_equal(build("CN"), 0);
    for (size_t cap = 0; cap < len; cap++) {
        size_t none = 1;
        assert_int_equal(estoc_conf_request("CN", (estoc_buf){der, cap}, &none, &what),
                         ESTOC_E_SPACE);
        assert_int_equal(none, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"E3 the template of RFC 9908 section 3.4, byte for byte", rfc9908, NULL, NULL, NULL},
        {"E3 each part of a template", parts, NULL, NULL, NULL},
        {"E3 X8 parts that are none", faults, NULL, NULL, NULL},
        {"E3 X8 too much of it", too_much, NULL, NULL, NULL},
    };
    return cmocka_run_group_tests_name("server/conf_request", tests, NULL, NULL);
}
