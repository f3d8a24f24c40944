/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <estoc/coap.h>
#include <estoc/est.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static void lookups_agree(void **state)
{
    (void)state;
    for (size_t i = 0; i < ESTOC_RESOURCES; i++) {
        const estoc_resource *r = estoc_resource_at(i);
        assert_non_null(r);
        assert_ptr_equal(estoc_resource_named(estoc_slice_str(r->name)), r);
        assert_ptr_equal(estoc_resource_for(r->op), r);
    }
}

static void outside(void **state)
{
    (void)state;
    assert_null(estoc_resource_at(ESTOC_RESOURCES));
    assert_null(estoc_resource_at(SIZE_MAX));
    assert_null(estoc_resource_for(ESTOC_OP_NONE));
}

static void other_names(void **state)
{
    (void)state;
    static const char *const names[] = {"",
                                        "c",
                                        "crt",
                                        "crtss",
                                        "CRTS",
                                        "Sen",
                                        "/crts",
                                        "sen/",
                                        "sen ",
                                        "%73en",
                                        "..",
                                        "cacerts",
                                        "simpleenroll",
                                        "simplereenroll",
                                        "csrattrs",
                                        "serverkeygen",
                                        "fullcmc"};
    for (size_t i = 0; i < COUNT(names); i++) {
        assert_null(estoc_resource_named(estoc_slice_str(names[i])));
    }
    assert_null(estoc_resource_named(estoc_slice_of("crts", 5))); /* NUL included */
    assert_null(estoc_resource_named(estoc_slice_of(NULL, 0)));
}

static void assert_resource(estoc_op op, uint8_t method, unsigned request, unsigned first,
                            unsigned second)
{
    const estoc_resource *r = estoc_resource_for(op);
    assert_int_equal(r->method, method);
    assert_int_equal(r->request, request);
    assert_int_equal(r->response[0], first);
    assert_int_equal(r->response[1], second);
}

static void methods_and_formats(void **state)
{
    (void)state;
    const uint8_t get = ESTOC_COAP_GET;
    const uint8_t post = ESTOC_COAP_POST;
    const unsigned none = ESTOC_FORMAT_NONE;
    assert_resource(ESTOC_OP_CRTS, get, none, 281, 287);
    assert_resource(ESTOC_OP_SEN, post, 286, 281, 287);
    assert_resource(ESTOC_OP_SREN, post, 286, 281, 287);
    assert_resource(ESTOC_OP_ATT, get, none, 285, none);
    assert_resource(ESTOC_OP_SKG, post, 286, 62, none);
    assert_resource(ESTOC_OP_SKC, post, 286, 62, none);
}

/* What discovery announces is what the resource can answer with. */
static void ct_is_what_is_served(void **state)
{
    (void)state;
    for (size_t i = 0; i < ESTOC_RESOURCES; i++) {
        const estoc_resource *r = estoc_resource_at(i);
        char ct[20];
        int n = snprintf(ct, sizeof ct, "%u", r->response[0]);
        if (r->response[1] != ESTOC_FORMAT_NONE) {
            snprintf(ct + n, sizeof ct - (size_t)n, " %u", r->response[1]);
        }
        assert_string_equal(r->ct, ct);
        char rt[20];
        snprintf(rt, sizeof rt, "ace.est.%s", r->name);
        assert_string_equal(r->rt, rt);
    }
}

int main(void)
{
    /* clang-format off */
    const struct CMUnitTest tests[] = {
        {"R1 by index, name and operation",               lookups_agree, NULL, NULL, NULL},
        {"R1 nothing outside the table",                  outside, NULL, NULL, NULL},
        {"R1 161 192 long and odd names are no resource", other_names, NULL, NULL, NULL},
        {"C5 E1 X1 methods and formats",                  methods_and_formats, NULL, NULL, NULL},
        {"R2 ct= and rt= say what is served",             ct_is_what_is_served, NULL, NULL, NULL},
    };
    /* clang-format on */
    return cmocka_run_group_tests_name("resources", tests, NULL, NULL);
}
