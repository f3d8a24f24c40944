/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "text.h"

struct row {
    const char *text;
    bool want;
};

static void assert_rows(const struct row *list, size_t n, bool (*is)(estoc_slice text))
{
    for (size_t i = 0; i < n; i++) {
        if (is(estoc_slice_str(list[i].text)) != list[i].want) {
            fail_msg("\"%s\"", list[i].text);
        }
    }
}

#define LABEL63 "a234567890123456789012345678901234567890123456789012345678901bc"

static void hosts(void **state)
{
    (void)state;
    static const struct row list[] = {
        {"a", true},
        {"a.b", true},
        {"a-1.B", true},
        {"1.2", true},
        {"*.a", true},
        {LABEL63, true},
        {"", false},
        {".", false},
        {"a.", false},
        {".a", false},
        {"a..b", false},
        {"-a", false},
        {"a-", false},
        {"a-.b", false},
        {"a.-b", false},
        {"a_b", false},
        {"a b", false},
        {"*", true},
        {"**.a", false},
        {"*a.b", false},
        {"a.*", false},
        {"a*.b", false},
        {LABEL63 "d", false},
        {"a\xc3\xa4", false},
        {LABEL63 "." LABEL63 "." LABEL63 "." LABEL63, false},
    };
    assert_rows(list, sizeof list / sizeof list[0], estoc_text_is_host);
    assert_false(estoc_text_is_host(estoc_slice_of("a\0b", 3)));
}

static void uris(void **state)
{
    (void)state;
    static const struct row list[] = {
        {"urn:dev:1", true}, {"coaps://a/b?c#d", true}, {"a+b.c-1:x", true},
        {"", false},         {"urn:", false},           {":a", false},
        {"urn", false},      {"1a:b", false},           {"+a:b", false},
        {"a b:c", false},    {"urn:a b", false},        {"urn:a<b", false},
        {"urn:\x7f", false}, {"urn:\xc3\xa4", false},   {"urn:%20", true},
    };
    assert_rows(list, sizeof list / sizeof list[0], estoc_text_is_uri);
    assert_false(estoc_text_is_uri(estoc_slice_of("urn:a\0b", 7)));
}

static void mailboxes(void **state)
{
    (void)state;
    static const struct row list[] = {
        {"a@b", true},    {"a.b+c_d-e@f.g", true}, {"", false},      {"a", false},
        {"@b", false},    {"a@", false},           {"a@b@c", false}, {"a b@c", false},
        {"a@*.b", false}, {"a,b@c", false},
    };
    assert_rows(list, sizeof list / sizeof list[0], estoc_text_is_mailbox);
    assert_false(estoc_text_is_mailbox(estoc_slice_of("a\0b@c", 5)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"names of hosts", hosts, NULL, NULL, NULL},
        {"URIs", uris, NULL, NULL, NULL},
        {"mailboxes", mailboxes, NULL, NULL, NULL},
    };
    return cmocka_run_group_tests_name("text/host", tests, NULL, NULL);
}
