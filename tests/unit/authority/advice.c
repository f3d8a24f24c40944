/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "advice.h"

#define LINE(text) (text), sizeof(text) - 1
#define X64        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static void answers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t len;
        estoc_advice_kind want;
        uint32_t retry_s;
        const char *reason;
    } rows[] = {
        /* clang-format off */
        {LINE("yes"),               ESTOC_ADVICE_YES,    0, ""},
        {LINE("yes\n"),             ESTOC_ADVICE_YES,    0, ""},
        {LINE("yes  \r\n"),         ESTOC_ADVICE_YES,    0, ""},
        {LINE("no"),                ESTOC_ADVICE_NO,     0, "this request was refused"},
        {LINE("no\n"),              ESTOC_ADVICE_NO,     0, "this request was refused"},
        {LINE("no  not on site 3\n"), ESTOC_ADVICE_NO,   0, "not on site 3"},
        {LINE("no \033[31m\xc3\xa4\x00\n"), ESTOC_ADVICE_NO, 0, "?[31m???"},
        {LINE("no " X64 "y\n"),     ESTOC_ADVICE_NO,     0, X64},
        {LINE("later"),             ESTOC_ADVICE_LATER,  0, ""},
        {LINE("later 1\n"),         ESTOC_ADVICE_LATER,  1, ""},
        {LINE("later 604800\n"),    ESTOC_ADVICE_LATER,  604800, ""},
        {LINE(""),                  ESTOC_ADVICE_FAILED, 0, "its answer is not one line"},
        {LINE("\n"),                ESTOC_ADVICE_FAILED, 0, "its answer is not one line"},
        {LINE("yes\nno\n"),         ESTOC_ADVICE_FAILED, 0, "its answer is not one line"},
        {LINE("yes\n\n"),           ESTOC_ADVICE_FAILED, 0, "its answer is not one line"},
        {LINE("\nyes\n"),           ESTOC_ADVICE_FAILED, 0, "its answer is not one line"},
        {LINE("Yes\n"),             ESTOC_ADVICE_FAILED, 0, "its answer is neither yes, no [REASON] nor later [SECONDS]"},
        {LINE(" yes\n"),            ESTOC_ADVICE_FAILED, 0, "its answer is neither yes, no [REASON] nor later [SECONDS]"},
        {LINE("yes please\n"),      ESTOC_ADVICE_FAILED, 0, "its answer is neither yes, no [REASON] nor later [SECONDS]"},
        {LINE("yes\0\n"),           ESTOC_ADVICE_FAILED, 0, "its answer is neither yes, no [REASON] nor later [SECONDS]"},
        {LINE("yesno"),             ESTOC_ADVICE_FAILED, 0, "its answer is neither yes, no [REASON] nor later [SECONDS]"},
        {LINE("none"),              ESTOC_ADVICE_FAILED, 0, "its answer is neither yes, no [REASON] nor later [SECONDS]"},
        {LINE("later 0\n"),         ESTOC_ADVICE_FAILED, 0, "its answer is neither yes, no [REASON] nor later [SECONDS]"},
        {LINE("later 604801\n"),    ESTOC_ADVICE_FAILED, 0, "its answer is neither yes, no [REASON] nor later [SECONDS]"},
        {LINE("later 99999999999999999999\n"), ESTOC_ADVICE_FAILED, 0, "its answer is neither yes, no [REASON] nor later [SECONDS]"},
        {LINE("later 1h\n"),        ESTOC_ADVICE_FAILED, 0, "its answer is neither yes, no [REASON] nor later [SECONDS]"},
        {LINE("later -1\n"),        ESTOC_ADVICE_FAILED, 0, "its answer is neither yes, no [REASON] nor later [SECONDS]"},
        /* clang-format on */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        estoc_advice a;
        memset(&a, 0xa5, sizeof a);
        estoc_advice_parse(estoc_slice_of(rows[i].text, rows[i].len), &a);
        if (a.kind != rows[i].want || strcmp(a.reason, rows[i].reason) != 0 ||
            (a.kind != ESTOC_ADVICE_FAILED && a.retry_s != rows[i].retry_s)) {
            fail_msg("row %zu: %d %u \"%s\"", i, (int)a.kind, a.retry_s, a.reason);
        }
    }
}

static void long_lines(void **state)
{
    (void)state;
    char text[ESTOC_ADVICE_MAX + 8] = "no ";
    estoc_advice a;
    memset(text + 3, 'x', sizeof text - 3);
    estoc_advice_parse(estoc_slice_of(text, ESTOC_ADVICE_MAX - 1), &a);
    assert_int_equal(a.kind, ESTOC_ADVICE_NO);
    assert_int_equal(strlen(a.reason), 64);
    estoc_advice_parse(estoc_slice_of(text, ESTOC_ADVICE_MAX), &a);
    assert_int_equal(a.kind, ESTOC_ADVICE_FAILED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"what a program may say", answers, NULL, NULL, NULL},
        {"and how much", long_lines, NULL, NULL, NULL},
    };
    return cmocka_run_group_tests_name("authority advice", tests, NULL, NULL);
}
