/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "uri.h"

static estoc_uri uri;
static estoc_why why;

static void parse(const char *text)
{
    assert_int_equal(estoc_uri_parse(text, &uri, &why), 0);
}

static void refuse(const char *text)
{
    why.text[0] = '\0';
    assert_int_equal(estoc_uri_parse(text, &uri, &why), ESTOC_E_CONFIG);
    assert_non_null(strstr(why.text, "coaps://HOST[:PORT][/ROOT]"));
}

static void assert_root(const char *expected)
{
    char got[512] = "";
    for (size_t i = 0; i < uri.segment_n; i++) {
        size_t at = strlen(got);
        snprintf(got + at, sizeof got - at, "/%.*s", (int)uri.segment[i].len,
                 (const char *)uri.segment[i].ptr);
    }
    assert_string_equal(got, expected);
}

static void defaults(void **state)
{
    (void)state;
    parse("coaps://est.example");
    assert_string_equal(uri.host, "est.example");
    assert_int_equal(uri.port, 5684);
    assert_false(uri.literal6);
    assert_root("/.well-known/est");
    parse("COAPS://est.example/");
    assert_root("/.well-known/est");
    parse("coaps://est.example:");
    assert_int_equal(uri.port, 5684);
}

static void ports(void **state)
{
    (void)state;
    parse("coaps://h:1");
    assert_int_equal(uri.port, 1);
    parse("coaps://h:65535/est");
    assert_int_equal(uri.port, 65535);
    refuse("coaps://h:0");
    refuse("coaps://h:65536");
    refuse("coaps://h:100000");
    refuse("coaps://h:-1");
    refuse("coaps://h:12x");
    refuse("coaps://h:12?x");
}

static void hosts(void **state)
{
    (void)state;
    parse("coaps://127.0.0.1:15684");
    assert_string_equal(uri.host, "127.0.0.1");
    parse("coaps://[::1]");
    assert_string_equal(uri.host, "::1");
    assert_true(uri.literal6);
    parse("coaps://[fe80::1]:99/e");
    assert_string_equal(uri.host, "fe80::1");
    assert_int_equal(uri.port, 99);
    assert_root("/e");
    refuse("coaps://");
    refuse("coaps:///est");
    refuse("coaps://:5684");
    refuse("coaps://[::1");
    refuse("coaps://[]");
    refuse("coaps://[est.example]");
    refuse("coaps://[::1]x");
    refuse("coaps://::1");
    refuse("coaps://user@host");
    refuse("coaps://host?x");
    refuse("coaps://host#x");
    char longest[300] = "coaps://";
    memset(longest + 8, 'h', 255);
    parse(longest);
    longest[8 + 255] = 'h';
    refuse(longest);
}

static void roots(void **state)
{
    (void)state;
    parse("coaps://h/est");
    assert_root("/est");
    assert_true(uri.own_root);
    parse("coaps://h/");
    assert_false(uri.own_root);
    parse("coaps://h/est/");
    assert_root("/est");
    parse("coaps://h/a%2Fb/%c3%A9");
    assert_int_equal(uri.segment_n, 2);
    assert_memory_equal(uri.segment[0].ptr, "a/b", 3);
    assert_memory_equal(uri.segment[1].ptr, "\xc3\xa9", 2);
    parse("coaps://h/1/2/3/4/5/6");
    assert_root("/1/2/3/4/5/6");
    refuse("coaps://h/1/2/3/4/5/6/7");
    refuse("coaps://h//est");
    refuse("coaps://h/./est");
    refuse("coaps://h/a/..");
    refuse("coaps://h/%2e%2E");
    refuse("coaps://h/est?rt=x");
    refuse("coaps://h/est#x");
    refuse("coaps://h/a b");
    refuse("coaps://h/%");
    refuse("coaps://h/%4");
    refuse("coaps://h/%4g");
    refuse("coaps://h/%00");
    refuse("coaps://h/\xc3\xa9");
    char longest[300] = "coaps://h/";
    memset(longest + 10, 'x', 256);
    parse(longest);
    longest[10 + 256] = 'x';
    refuse(longest);
}

static void schemes(void **state)
{
    (void)state;
    refuse("");
    refuse("est.example");
    refuse("https://est.example");
    refuse("coap://est.example");
    assert_non_null(strstr(why.text, "coap is not protected"));
}

static void without_dtls(void **state)
{
    (void)state;
    assert_int_equal(estoc_uri_parse_plain("coap://est.example", &uri, &why), 0);
    assert_true(uri.plain);
    assert_int_equal(uri.port, 5683);
    assert_int_equal(estoc_uri_parse_plain("CoAP://[ff02::fd]:9", &uri, &why), 0);
    assert_string_equal(uri.host, "ff02::fd");
    assert_int_equal(uri.port, 9);
    assert_int_equal(estoc_uri_parse_plain("coaps://est.example", &uri, &why), 0);
    assert_false(uri.plain);
    assert_int_equal(uri.port, 5684);
    assert_int_equal(estoc_uri_parse_plain("http://est.example", &uri, &why), ESTOC_E_CONFIG);
    assert_int_equal(estoc_uri_parse_plain("coap://", &uri, &why), ESTOC_E_CONFIG);
}

/* RFC 6874 */
static void zones(void **state)
{
    (void)state;
    parse("coaps://[fe80::1%25eth0]:99");
    assert_string_equal(uri.host, "fe80::1");
    assert_string_equal(uri.zone, "eth0");
    parse("coaps://[fe80::1%eth0]");
    assert_string_equal(uri.zone, "eth0");
    parse("coaps://[fe80::1%25]"); /* the 25th interface */
    assert_string_equal(uri.zone, "25");
    parse("coaps://[fe80::1]");
    assert_string_equal(uri.zone, "");
    parse("coaps://[fe80::1%25123456789012345]");
    assert_string_equal(uri.zone, "123456789012345");
    refuse("coaps://[fe80::1%251234567890123456]");
    refuse("coaps://[fe80::1%]");
    refuse("coaps://[%25eth0]");
    refuse("coaps://fe80%25eth0/%");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults), cmocka_unit_test(ports),   cmocka_unit_test(hosts),
        cmocka_unit_test(roots),    cmocka_unit_test(schemes), cmocka_unit_test(without_dtls),
        cmocka_unit_test(zones),
    };
    return cmocka_run_group_tests_name("uri", tests, NULL, NULL);
}
