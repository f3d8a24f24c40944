/* SPDX-License-Identifier: MIT */
#include "coap/rows.h"

#include "text.h"

static uint8_t room[32];

/* Every day that can be written, counted by a calendar of the plain kind. */
static void calendar(void **state)
{
    (void)state;
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t t = -631152000;
    for (int year = 1950; year < 10000; year++) {
        bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
        for (int month = 1; month <= 12; month++) {
            int length = days[month - 1] + (leap && month == 2);
            for (int day = 1; day <= length; day++, t += 86400) {
                char text[32];
                bool utc = year < 2050;
                int64_t second = t + (day * 3571 + month * 7919 + year) % 86400;
                int s = (int)(second - t);
                snprintf(text, sizeof text, "%04d%02d%02d%02d%02d%02dZ", year, month, day, s / 3600,
                         s / 60 % 60, s % 60);
                estoc_writer w = estoc_writer_of((estoc_buf){room, sizeof room});
                estoc_der_put_time(&w, second);
                assert_int_equal(w.len, utc ? 15 : 17);
                assert_int_equal(room[0], utc ? ESTOC_DER_UTC_TIME : ESTOC_DER_GENERALIZED_TIME);
                assert_memory_equal(room + 2, text + (utc ? 2 : 0), w.len - 2);
            }
        }
    }
    assert_true(t == INT64_C(253402300800));
}

static void times_not_written(void **state)
{
    (void)state;
    static const int64_t past[] = {INT64_MIN, -631152001, 253402300800, INT64_MAX};
    for (size_t i = 0; i < COUNT(past); i++) {
        estoc_writer w = estoc_writer_of((estoc_buf){room, sizeof room});
        estoc_der_put_time(&w, past[i]);
        size_t len = 9;
        assert_int_equal(estoc_writer_end(&w, &len), ESTOC_E_USAGE);
        assert_int_equal(len, 0);
    }
}

/* clang-format off */
static const struct CMUnitTest tests[] = {
    {"every day",                    calendar, NULL, NULL, NULL},
    {"times that cannot be written", times_not_written, NULL, NULL, NULL},
};
/* clang-format on */

int main(void)
{
    return rows_run("time", tests, COUNT(tests));
}
