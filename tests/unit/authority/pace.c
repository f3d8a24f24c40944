/* SPDX-License-Identifier: MIT */
#include "petition.h"

#include "pace.h"

#define NOW INT64_C(1767225600) /* 2026-01-01 */

static char said[65];

static estoc_err renew(estoc_op op, int64_t from, int64_t to, int64_t now)
{
    estoc_cert cert = plain.cert;
    cert.not_before = from;
    cert.not_after = to;
    const estoc_petition p = {op, &profile, &cert, &ca.cert, {NULL, 0}, unique};
    memset(said, 0, sizeof said);
    why = (estoc_ruling){"", ""};
    return estoc_pace_renewal(&p, now, said, &why);
}

static int reset(void **state)
{
    (void)state;
    profile.renew_s = profile.renew_percent = profile.per_day = 0;
    return 0;
}

static void windows(void **state)
{
    (void)state;
    static const struct {
        uint32_t s, percent;
        int64_t opens; /* after the beginning of 1000 s */
    } rows[] = {{0, 0, 0},     {0, 50, 500}, {0, 1, 990},  {0, 99, 10},
                {100, 0, 900}, {1, 0, 999},  {1000, 0, 0}, {UINT32_MAX, 0, 0}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        profile.renew_s = rows[i].s;
        profile.renew_percent = rows[i].percent;
        assert_int_equal(renew(SREN, NOW, NOW + 1000, NOW + rows[i].opens), 0);
        assert_int_equal(renew(SREN, NOW, NOW + 1000, NOW + 1000), 0);
        assert_int_equal(renew(SREN, NOW, NOW + 1000, NOW + 2000), 0); /* in a grace */
        if (rows[i].opens == 0) {
            continue;
        }
        assert_int_equal(renew(SREN, NOW, NOW + 1000, NOW + rows[i].opens - 1), ESTOC_E_FORBIDDEN);
        assert_string_equal(why.rule, "X11");
        assert_ptr_equal(why.text, said);
        assert_in_range(strlen(said), 1, 64);
        /* nothing else is a renewal */
        assert_int_equal(renew(SEN, NOW, NOW + 1000, NOW), 0);
        assert_int_equal(renew(ESTOC_OP_SKG, NOW, NOW + 1000, NOW), 0);
    }
}

static void when_to_come(void **state)
{
    (void)state;
    profile.renew_s = 86400;
    assert_int_equal(renew(SREN, NOW, NOW + 10 * 86400, NOW), ESTOC_E_FORBIDDEN);
    assert_string_equal(why.text, "too early to renew, come back after 2026-01-10T00:00:00Z");
    /* of the longest life there is */
    profile.renew_percent = 99;
    assert_int_equal(renew(SREN, 0, INT64_C(253402300799), 1), ESTOC_E_FORBIDDEN);
    assert_in_range(strlen(said), 1, 64);
}

static estoc_err limit(uint64_t recent, int64_t from, uint32_t *retry_s)
{
    const estoc_petition p = {SEN, &profile, &plain.cert, &ca.cert, {NULL, 0}, unique};
    const estoc_question q = {.now = NOW, .recent = recent, .recent_from = from};
    why = (estoc_ruling){"", ""};
    *retry_s = 0;
    return estoc_pace_limit(&p, &q, retry_s, &why);
}

static void a_day(void **state)
{
    (void)state;
    uint32_t retry_s;
    assert_int_equal(limit(1000000, NOW, &retry_s), 0); /* none is set */
    profile.per_day = 3;
    assert_int_equal(limit(0, 0, &retry_s), 0);
    assert_int_equal(limit(2, NOW, &retry_s), 0);
    static const struct {
        int64_t from;
        uint32_t retry_s;
    } rows[] = {{NOW, 86400},     {NOW - 1, 86399}, {NOW - 86399, 1},
                {NOW - 90000, 1}, {0, 86400},       {NOW + 50, 86400}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(limit(3, rows[i].from, &retry_s), ESTOC_E_QUOTA);
        assert_int_equal(retry_s, rows[i].retry_s);
        assert_in_range(strlen(why.text), 1, 64);
        assert_int_equal(estoc_err_coap_code(ESTOC_E_QUOTA), ESTOC_COAP_TOO_MANY_REQUESTS);
    }
    assert_int_equal(limit(4, NOW, &retry_s), ESTOC_E_QUOTA);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(windows, reset),
        cmocka_unit_test_setup(when_to_come, reset),
        cmocka_unit_test_setup(a_day, reset),
    };
    return cmocka_run_group_tests_name("authority pace", tests, set_up, tear_down);
}
