/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <estoc/mime.h>

#include "est_http.h"

/* The default profile, and "meters", which has attributes, makes keys, and wants tls-unique. */
static estoc_generation g;
static uint8_t certs[] = "certs";
static uint8_t attributes[] = "attributes";
static bool lacking;

static bool lacks(estoc_authority *a, const char *profile, estoc_op op, estoc_verdict *v)
{
    (void)a;
    (void)profile;
    (void)op;
    *v = (estoc_verdict){.err = ESTOC_E_UPSTREAM, .code = ESTOC_COAP_UNAVAILABLE, .retry_s = 17};
    return lacking;
}

static int set_up(void **state)
{
    static const estoc_authority_ops ops = {.lacks = lacks};
    static estoc_authority authority = {&ops};
    (void)state;
    memset(&g, 0, sizeof g);
    lacking = false;
    g.authority = &authority;
    g.max_age_s = 300;
    g.conf.body_max = 1000;
    g.served[0] = (estoc_served){.profile = "", .certs = {certs, sizeof certs - 1}};
    g.served[1] = (estoc_served){.profile = "meters",
                                 .certs = {certs, sizeof certs - 1},
                                 .attributes = {attributes, sizeof attributes - 1},
                                 .keygen = true};
    g.served_n = 2;
    snprintf(g.conf.profiles[1].profile.name, sizeof g.conf.profiles[1].profile.name, "meters");
    g.conf.profiles[1].profile.pop = ESTOC_POP_REQUIRED;
    g.conf.profiles_n = 2;
    return 0;
}

static void text_is(const estoc_est_answer *a, const char *text)
{
    assert_non_null(a->body);
    assert_int_equal(a->len, strlen(text));
    assert_memory_equal(a->body->bytes, text, a->len);
}

/* ---- routes ---- */

static void found(void **state)
{
    (void)state;
    static const struct {
        const char *method, *path;
        estoc_op op;
        size_t served;
    } cases[] = {
        {"GET", "/.well-known/est/cacerts", ESTOC_OP_CRTS, 0},
        {"HEAD", "/.well-known/est/csrattrs", ESTOC_OP_ATT, 0},
        {"POST", "/.well-known/est/simpleenroll", ESTOC_OP_SEN, 0},
        {"POST", "/.well-known/est/meters/simplereenroll", ESTOC_OP_SREN, 1},
        {"POST", "/.well-known/est/meters/serverkeygen", ESTOC_OP_SKG, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        estoc_route route;
        estoc_est_answer refusal = {0};
        assert_true(estoc_est_route(&g, cases[i].method, cases[i].path, &route, &refusal));
        assert_int_equal(route.op, cases[i].op);
        assert_ptr_equal(route.served, &g.served[cases[i].served]);
        assert_non_null(strstr(cases[i].path, estoc_est_name(route.op)));
        assert_int_equal(refusal.status, 0);
    }
    assert_string_equal(estoc_est_name(ESTOC_OP_NONE), "none");
}

static void not_found(void **state)
{
    (void)state;
    static const struct {
        const char *method, *path;
        unsigned status;
        const char *allow;
    } cases[] = {
        {"GET", "", 404, NULL},
        {"GET", "/", 404, NULL},
        {"GET", "/.well-known/est", 404, NULL},
        {"GET", "/.well-known/est/", 404, NULL},
        {"GET", "/.well-known/est//cacerts", 404, NULL},
        {"GET", "/.well-known/est/cacert", 404, NULL},
        {"GET", "/.well-known/est/CACERTS", 404, NULL},
        {"GET", "/.well-known/est/meters", 404, NULL},
        {"GET", "/.well-known/est/meters/", 404, NULL},
        {"GET", "/.well-known/est/meter/cacerts", 404, NULL},
        {"GET", "/.well-known/est/meters/cacerts/", 404, NULL},
        {"GET", "/.well-known/est/meters/meters/cacerts", 404, NULL},
        {"POST", "/.well-known/est/serverkeygen", 404, NULL},
        {"POST", "/.well-known/est/fullcmc", 404, NULL},
        {"get", "/.well-known/est/cacerts", 405, "GET, HEAD"},
        {"POST", "/.well-known/est/cacerts", 405, "GET, HEAD"},
        {"HEAD", "/.well-known/est/simpleenroll", 405, "POST"},
        {"PATCH", "/.well-known/est/meters/serverkeygen", 405, "POST"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        estoc_route route;
        estoc_est_answer a = {0};
        assert_false(estoc_est_route(&g, cases[i].method, cases[i].path, &route, &a));
        assert_int_equal(a.status, cases[i].status);
        assert_int_equal(a.allow != NULL, cases[i].allow != NULL);
        if (a.allow != NULL) {
            assert_string_equal(a.allow, cases[i].allow);
        }
        assert_non_null(a.body);
        estoc_est_answer_free(&a);
    }
}

static void requests(void **state)
{
    (void)state;
    assert_true(estoc_est_is_csr("application/pkcs10"));
    assert_true(estoc_est_is_csr("Application/PKCS10 ; x=y"));
    assert_false(estoc_est_is_csr("application/pkcs1"));
    assert_false(estoc_est_is_csr("application/pkcs100"));
    assert_false(estoc_est_is_csr(""));
    assert_false(estoc_est_is_csr(NULL));
    assert_true(estoc_est_text_max(&g) >= 1000 / 3 * 4 + 1000 / 48 * 2);
    const estoc_route plain = {.served = &g.served[0]}, wanting = {.served = &g.served[1]};
    assert_false(estoc_est_wants_unique(&g, &plain));
    assert_true(estoc_est_wants_unique(&g, &wanting));
}

/* ---- answers ---- */

static void documents(void **state)
{
    (void)state;
    estoc_route route = {.op = ESTOC_OP_CRTS, .served = &g.served[1]};
    estoc_est_answer a = {0};
    estoc_est_get(&g, &route, &a);
    assert_int_equal(a.status, 200);
    assert_string_equal(a.type, "application/pkcs7-mime; smime-type=certs-only");
    text_is(&a, "Y2VydHM=\n");
    assert_true(a.may_be_kept);
    assert_int_equal(a.max_age_s, 300);
    estoc_est_answer_free(&a);
    route.op = ESTOC_OP_ATT;
    estoc_est_get(&g, &route, &a);
    assert_string_equal(a.type, "application/csrattrs");
    text_is(&a, "YXR0cmlidXRlcw==\n");
    estoc_est_answer_free(&a);
    route.served = &g.served[0];
    estoc_est_get(&g, &route, &a);
    assert_int_equal(a.status, 204);
    assert_null(a.body);
    assert_null(a.type);
    estoc_est_answer_free(&a);
    lacking = true;
    estoc_est_get(&g, &route, &a);
    assert_int_equal(a.status, 503);
    assert_int_equal(a.retry_s, 17);
    assert_false(a.may_be_kept);
    estoc_est_answer_free(&a);
}

/* Each code that an authority may give. RFC 8075 section 7, the other way */
static void errors(void **state)
{
    (void)state;
    static const struct {
        estoc_verdict v;
        unsigned status;
        bool retry;
    } cases[] = {
        {{.err = ESTOC_E_MALFORMED}, 400, false},
        {{.err = ESTOC_E_UNTRUSTED}, 401, false},
        {{.err = ESTOC_E_FORBIDDEN}, 403, false},
        {{.err = ESTOC_E_NOT_FOUND}, 404, false},
        {{.err = ESTOC_E_LIMIT}, 413, false},
        {{.err = ESTOC_E_QUOTA, .retry_s = 9}, 429, true},
        {{.err = ESTOC_E_QUOTA}, 429, true},
        {{.err = ESTOC_E_INTERNAL}, 500, false},
        {{.err = ESTOC_E_LATER, .retry_s = 9}, 503, true},
        {{.err = ESTOC_E_LATER, .retry_s = 9, .accepted = true}, 202, true},
        {{.err = ESTOC_E_UPSTREAM, .code = ESTOC_COAP_BAD_GATEWAY, .retry_s = 9}, 502, false},
        {{.err = ESTOC_E_UPSTREAM, .code = ESTOC_COAP_GATEWAY_TIMEOUT}, 504, false},
        {{.err = ESTOC_E_BLOCK}, 400, false}, /* 4.08 is not 408 */
        {{.err = ESTOC_E_OPTION}, 400, false},
    };
    const estoc_route route = {.op = ESTOC_OP_SEN, .served = &g.served[0]};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        estoc_verdict v = cases[i].v;
        estoc_est_answer a = {0};
        v.text = "a reason";
        estoc_est_verdict(&v, &route, &a);
        assert_int_equal(a.status, cases[i].status);
        text_is(&a, "a reason\n");
        assert_string_equal(a.why, "a reason");
        assert_string_equal(a.type, "text/plain; charset=utf-8");
        assert_int_equal(a.retry_s > 0, cases[i].retry);
        assert_true(v.retry_s == 0 || !cases[i].retry || a.retry_s == v.retry_s);
        assert_int_equal(a.wants_cert, a.status == 401);
        estoc_est_answer_free(&a);
        v.text = NULL; /* there is always some text */
        estoc_est_verdict(&v, &route, &a);
        assert_true(a.len > 1);
        estoc_est_answer_free(&a);
    }
}

static void certificates(void **state)
{
    (void)state;
    static const uint8_t cert[] = {0x30, 0x03, 0x02, 0x01, 0x05};
    uint8_t der[64];
    size_t len = 0;
    const estoc_route route = {.op = ESTOC_OP_SEN, .served = &g.served[0]};
    const estoc_verdict v = {.cert = {cert, sizeof cert}};
    estoc_est_answer a = {0};
    estoc_est_verdict(&v, &route, &a);
    assert_int_equal(a.status, 200);
    assert_string_equal(a.type, "application/pkcs7-mime; smime-type=certs-only");
    assert_false(a.may_be_kept);
    assert_int_equal(
        estoc_base64_read(estoc_slice_of(a.body->bytes, a.len), (estoc_buf){der, sizeof der}, &len),
        0);
    estoc_slice all = estoc_slice_of(der, len);
    bool inside = false;
    for (size_t i = 0; i + sizeof cert <= all.len; i++) {
        inside |= memcmp(all.ptr + i, cert, sizeof cert) == 0;
    }
    assert_true(inside);
    estoc_est_answer_free(&a);
}

static void part_is(const estoc_mime_part *part, const char *type, const char *smime)
{
    char value[64];
    size_t len = 0;
    assert_true(estoc_media_is(part->type, type));
    bool has = estoc_media_param(part->type, "smime-type",
                                 (estoc_buf){(uint8_t *)value, sizeof value}, &len);
    assert_int_equal(has, smime[0] != '\0');
    assert_int_equal(len, strlen(smime));
    assert_memory_equal(value, smime, len);
}

static void keys(void **state)
{
    (void)state;
    static const uint8_t cert[] = {0x30, 0x03, 0x02, 0x01, 0x05};
    const estoc_route route = {.op = ESTOC_OP_SKG, .served = &g.served[1]};
    for (int cms = 0; cms < 2; cms++) {
        const estoc_verdict v = {.cert = {cert, sizeof cert},
                                 .key = estoc_slice_str("the key"),
                                 .key_format = cms ? ESTOC_FORMAT_CMS_KEY : ESTOC_FORMAT_PKCS8};
        estoc_est_answer a = {0};
        estoc_mime_part parts[3];
        size_t n = 3, len = 0;
        uint8_t key[16];
        estoc_est_verdict(&v, &route, &a);
        assert_int_equal(a.status, 200);
        assert_int_equal(estoc_mime_parse(estoc_slice_str(a.type),
                                          estoc_slice_of(a.body->bytes, a.len), parts, &n),
                         0);
        assert_int_equal(n, 2);
        part_is(&parts[0], cms ? "application/pkcs7-mime" : "application/pkcs8",
                cms ? "server-generated-key" : "");
        part_is(&parts[1], "application/pkcs7-mime", "certs-only");
        assert_int_equal(estoc_base64_read(parts[0].body, (estoc_buf){key, sizeof key}, &len), 0);
        assert_true(estoc_slice_eq(estoc_slice_of(key, len), v.key));
        estoc_est_answer_free(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(found),     cmocka_unit_test(not_found), cmocka_unit_test(requests),
        cmocka_unit_test(documents), cmocka_unit_test(errors),    cmocka_unit_test(certificates),
        cmocka_unit_test(keys),
    };
    return cmocka_run_group_tests_name("server est_http", tests, set_up, NULL);
}
