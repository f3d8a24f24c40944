/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "roots.h"

#define CRTS(target) "<" target ">;rt=\"ace.est.crts\";ct=\"281 287\""

static estoc_uri server, root;

/* @return "/a/b", or "" if there is none */
static const char *found(const char *list, const char *label)
{
    static char text[512];
    estoc_why why;
    assert_int_equal(estoc_uri_parse("coaps://est.example:5684", &server, &why), 0);
    text[0] = '\0';
    if (!estoc_root_find(estoc_slice_str(list), ESTOC_OP_CRTS, label, &server, "2001:db8::1",
                         &root)) {
        return text;
    }
    for (size_t i = 0; i < root.segment_n; i++) {
        size_t n = strlen(text);
        snprintf(text + n, sizeof text - n, "/%.*s", (int)root.segment[i].len,
                 (const char *)root.segment[i].ptr);
    }
    return text;
}

static void roots(void **state)
{
    (void)state;
    static const struct {
        const char *list, *label, *root;
    } rows[] = {
        {CRTS("/est/crts"), NULL, "/est"},
        {CRTS("/.well-known/est/coap/crts"), NULL, "/.well-known/est/coap"},
        {CRTS("/a%20b/crts"), NULL, "/a b"},
        {CRTS("coaps://est.example/est/crts"), NULL, "/est"},
        {CRTS("coaps://EST.example:5684/est/crts"), NULL, "/est"},
        {CRTS("coaps://[2001:DB8::1]:5684/est/crts"), NULL, "/est"},
        {"</x>;rt=\"ace.est.sen\"," CRTS("/pki/crts"), NULL, "/pki"},
        {"</pki/crts>;rt=\"a ace.est.crts\"", NULL, "/pki"},
        /* of several, the shortest; the first of equals */
        {CRTS("/est/L1/crts") "," CRTS("/est/crts") "," CRTS("/pki/crts"), NULL, "/est"},
        {CRTS("/est/L1/crts") "," CRTS("/est/crts"), "L1", "/est/L1"},
        {CRTS("/est/crts"), "L1", ""},
        {CRTS("/L1/crts"), "L1", ""}, /* no root before it */
        /* elsewhere, or not what is asked for */
        {CRTS("coaps://est.example:5685/est/crts"), NULL, ""},
        {CRTS("coaps://other.example/est/crts"), NULL, ""},
        {CRTS("//other.example/est/crts"), NULL, ""},
        {CRTS("coap://est.example/est/crts"), NULL, ""},
        {CRTS("coaps://est.example"), NULL, ""},
        {CRTS("est/crts"), NULL, ""},
        {CRTS("/est/cacerts"), NULL, ""},
        {CRTS("/crts"), NULL, ""},
        {CRTS("/"), NULL, ""},
        {CRTS("/est/crts?x"), NULL, ""},
        {CRTS("/a/../crts"), NULL, ""},
        {CRTS("/1/2/3/4/5/6/crts"), NULL, ""},
        {"</est/crts>;rt=\"ace.est.crtsx\"", NULL, ""},
        {"</est/crts>", NULL, ""},
        {"", NULL, ""},
        {"junk", NULL, ""},
        {CRTS("/est/crts") ",junk", NULL, "/est"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *got = found(rows[i].list, rows[i].label);
        if (strcmp(got, rows[i].root) != 0) {
            fail_msg("%s: \"%s\"", rows[i].list, got);
        }
    }
}

static void too_long(void **state)
{
    (void)state;
    char list[1200] = "</";
    memset(list + 2, 'x', 900);
    strcpy(list + 902, "/crts>;rt=ace.est.crts");
    assert_string_equal(found(list, NULL), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(roots),
        cmocka_unit_test(too_long),
    };
    return cmocka_run_group_tests_name("roots", tests, NULL, NULL);
}
