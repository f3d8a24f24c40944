/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "bench.h"

static const estoc_figures one = {
    .sent = 5, .received = 4, .sent_bytes = 1600, .received_bytes = 1400};

static void percentiles(void **state)
{
    (void)state;
    estoc_tally t;
    assert_int_equal(estoc_tally_make(&t, 100), 0);
    for (unsigned i = 100; i > 0; i--) { /* 1 to 100 ms, last first */
        estoc_tally_done(&t, (uint64_t)i * 1000, &one);
    }
    estoc_tally_sort(&t);
    assert_true(estoc_tally_ms(&t, 500) == 50.0);
    assert_true(estoc_tally_ms(&t, 900) == 90.0);
    assert_true(estoc_tally_ms(&t, 990) == 99.0);
    assert_true(estoc_tally_ms(&t, 1000) == 100.0);
    assert_true(estoc_tally_ms(&t, 0) == 1.0);
    t.elapsed_us = 2000000;
    assert_true(estoc_tally_rate(&t) == 50.0);
    assert_int_equal(estoc_tally_code(&t), 0);
    estoc_tally_free(&t);
}

static void nothing_done(void **state)
{
    (void)state;
    estoc_tally t;
    assert_int_equal(estoc_tally_make(&t, 1), 0);
    estoc_tally_failed(&t, 2, "no answer");
    estoc_tally_sort(&t);
    assert_true(estoc_tally_ms(&t, 500) == 0);
    assert_true(estoc_tally_rate(&t) == 0);
    cJSON *json = estoc_tally_json(&t);
    assert_true(cJSON_GetObjectItem(json, "failed")->valueint == 1);
    assert_true(
        cJSON_GetObjectItem(cJSON_GetObjectItem(json, "per_enrollment"), "sent")->valuedouble == 0);
    cJSON_Delete(json);
    estoc_tally_free(&t);
}

static void reasons(void **state)
{
    (void)state;
    estoc_tally t;
    assert_int_equal(estoc_tally_make(&t, 1), 0);
    estoc_tally_failed(&t, 2, "no answer");
    estoc_tally_failed(&t, 75, "5.03");
    estoc_tally_failed(&t, 75, "5.03");
    assert_int_equal(t.reasons, 2);
    assert_int_equal(estoc_tally_code(&t), 75);
    /* more kinds than there is room for */
    for (int i = 0; i < 100; i++) {
        char text[16];
        snprintf(text, sizeof text, "reason %d", i);
        estoc_tally_failed(&t, 5, text);
    }
    assert_int_equal(t.failed, 103);
    assert_int_equal(t.reasons, ESTOC_REASONS_MAX);
    assert_string_equal(t.reason[ESTOC_REASONS_MAX - 1].text, "other");
    uint32_t sum = 0;
    for (size_t i = 0; i < t.reasons; i++) {
        sum += t.reason[i].n;
    }
    assert_int_equal(sum, 103);
    estoc_tally_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(percentiles),
        cmocka_unit_test(nothing_done),
        cmocka_unit_test(reasons),
    };
    return cmocka_run_group_tests_name("bench", tests, NULL, NULL);
}
