/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "text.h"

static void good(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "CN=*",
        "CN=sensor-*",
        "O=Example+CN=a*b?c",
        "serialNumber=4711",
        "DC=a+DC=b",
        "CN=a\\+b",
        "CN=\\\\",
        "CN==",
        "CN=a=b",
        "UID=\xc3\xa4",
    };
    static const char *const bad[] = {
        "",      "*",         "CN",     "CN=",     "=a",     "cn=a",  "X=a",   "CN=a+",
        "+CN=a", "CN=a++O=b", "CN=a+O", "CN=a+O=", "CN=a\\", " CN=a", "CN =a",
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (!estoc_subject_pattern_good(estoc_slice_str(rows[i]))) {
            fail_msg("refused \"%s\"", rows[i]);
        }
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (estoc_subject_pattern_good(estoc_slice_str(bad[i]))) {
            fail_msg("took \"%s\"", bad[i]);
        }
    }
}

static void matches(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *name;
        bool want;
    } rows[] = {
        /* clang-format off */
        {"CN=dev-1",        "CN=dev-1,O=Example",  true},
        {"CN=dev-1",        "CN=dev-10",           false},
        {"CN=dev-1",        "CN=dev-",             false},
        {"CN=dev-1",        "CN=Dev-1",            false},
        {"CN=dev-1",        "O=dev-1",             false},
        {"CN=dev-1",        "",                    false},
        {"CN=dev-*",        "CN=dev-",             true},
        {"CN=dev-*",        "CN=dev-1",            true},
        {"CN=dev-*",        "CN=xdev-1",           false},
        {"CN=*",            "CN=x",                true},
        {"CN=*",            "O=x",                 false},
        {"CN=**",           "CN=x",                true},
        {"CN=*-1",          "CN=a-1-1",            true},
        {"CN=*-1",          "CN=a-1-2",            false},
        {"CN=a*b*c",        "CN=abxbc",            true},
        {"CN=a*b*c",        "CN=acb",              false},
        {"CN=a?c",          "CN=abc",              true},
        {"CN=a?c",          "CN=ac",               false},
        {"CN=a?",           "CN=a",                false},
        {"CN=a?c",          "CN=a\xe2\x82\xac" "c", true}, /* one character */
        {"CN=*?c",          "CN=\xe2\x82\xac" "c", true},
        {"CN=??c",          "CN=\xe2\x82\xac" "c", false},
        {"CN=a\\*",         "CN=a*",               true},
        {"CN=a\\*",         "CN=ab",               false},
        {"CN=a\\?",         "CN=ab",               false},
        {"CN=a\\+O\\=b",    "CN=a\\+O\\=b",        true},
        {"CN=a\\\\b",       "CN=a\\\\b",           true},
        {"O=Example+CN=d*", "CN=dev,O=Example",    true},
        {"O=Example+CN=d*", "CN=dev,O=Examples",   false},
        {"O=Example+CN=d*", "CN=x,O=Example",      false},
        {"O=Example",       "CN=x\\,O\\=Example",  false}, /* what it says is no other attribute */
        {"CN=*Example",     "CN=x\\,O\\=Example",  true},
        {"OU=b",            "CN=x,OU=a,OU=b,OU=c", true},
        {"OU=a+OU=c",       "CN=x,OU=a,OU=b,OU=c", true},
        {"OU=a+OU=d",       "CN=x,OU=a,OU=b,OU=c", false},
        /* clang-format on */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t name[512];
        size_t len = 0;
        assert_int_equal(estoc_name_build(rows[i].name, (estoc_buf){name, sizeof name}, &len), 0);
        if (estoc_subject_matches(estoc_slice_str(rows[i].pattern), estoc_slice_of(name, len)) !=
            rows[i].want) {
            fail_msg("%s, %s", rows[i].pattern, rows[i].name);
        }
    }
}

/* Stars are no reason to try all ways to share out a long value between them. */
static void many_stars(void **state)
{
    (void)state;
    char pattern[200] = "O=", text[104] = "O=";
    uint8_t name[256];
    size_t len = 0;
    for (size_t i = 0; i < 90; i++) {
        strcat(pattern, "*a");
    }
    strcat(pattern, "b");
    memset(text + 2, 'a', 100);
    assert_int_equal(estoc_name_build(text, (estoc_buf){name, sizeof name}, &len), 0);
    assert_false(estoc_subject_matches(estoc_slice_str(pattern), estoc_slice_of(name, len)));
    pattern[strlen(pattern) - 1] = '\0';
    assert_true(estoc_subject_matches(estoc_slice_str(pattern), estoc_slice_of(name, len)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"what is a pattern", good, NULL, NULL, NULL},
        {"what it matches", matches, NULL, NULL, NULL},
        {"a pattern of many stars", many_stars, NULL, NULL, NULL},
    };
    return cmocka_run_group_tests_name("text/subject", tests, NULL, NULL);
}
