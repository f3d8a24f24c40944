/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "due.h"

static char folder[64];
static char prefix[96];

static int make_folder(void **state)
{
    (void)state;
    char d[100];
    snprintf(folder, sizeof folder, "/tmp/estoc-XXXXXX");
    snprintf(prefix, sizeof prefix, "%s/dev", mkdtemp(folder));
    snprintf(d, sizeof d, "%s.d", prefix);
    return mkdir(d, 0755);
}

static int remove_folder(void **state)
{
    (void)state;
    char d[100];
    estoc_tries_clear(prefix);
    snprintf(d, sizeof d, "%s.d", prefix);
    rmdir(d);
    return rmdir(folder);
}

static int64_t due(const char *der, int64_t from, int64_t to, uint32_t percent)
{
    int64_t at = 0;
    const estoc_cert cert = {.der = estoc_slice_str(der), .not_before = from, .not_after = to};
    assert_int_equal(estoc_due_at(&cert, percent, &at), 0);
    return at;
}

/* From the fraction on, within a quarter of the rest; certificates differ, and one does not. */
static void when(void **state)
{
    (void)state;
    static const int64_t lives[] = {1, 99, 3600, 86400 * 90, 86400 * INT64_C(36500), INT32_MAX};
    for (size_t i = 0; i < sizeof lives / sizeof lives[0]; i++) {
        for (uint32_t percent = 1; percent < 100; percent++) {
            int64_t at = due("a", 1000, 1000 + lives[i], percent);
            int64_t age = lives[i] * percent / 100;
            assert_true(at >= 1000 + age && at <= 1000 + age + (lives[i] - age) / 4);
        }
    }
    int64_t first = INT64_MAX, last = 0;
    for (int i = 0; i < 200; i++) {
        char der[8];
        snprintf(der, sizeof der, "%d", i);
        int64_t at = due(der, 0, 1000000, 66);
        assert_int_equal(at, due(der, 0, 1000000, 66));
        first = at < first ? at : first;
        last = at > last ? at : last;
    }
    assert_in_range(first, 660000, 665000);
    assert_in_range(last, 740000, 745000);
}

static void back_off(void **state)
{
    (void)state;
    static const int64_t waits[] = {300,   600,   1200,  2400,  4800, 9600,
                                    19200, 38400, 76800, 86400, 86400};
    assert_int_equal(estoc_tries_read(prefix).failed, 0);
    for (uint32_t i = 0; i < 30; i++) {
        assert_int_equal(estoc_tries_failed(prefix, 1000, 100000000, 0), 0);
        const estoc_tries tries = estoc_tries_read(prefix);
        assert_int_equal(tries.failed, i + 1);
        assert_int_equal(tries.next, 1000 + waits[i < 10 ? i : 10]);
    }
    estoc_tries_clear(prefix);
    assert_int_equal(estoc_tries_read(prefix).failed, 0);
}

static void near_the_end(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++) {
        assert_int_equal(estoc_tries_failed(prefix, 1000, 9000, 0), 0);
    }
    assert_int_equal(estoc_tries_read(prefix).next, 1000 + 2000); /* a quarter of what is left */
    assert_int_equal(estoc_tries_failed(prefix, 8900, 9000, 0), 0);
    assert_int_equal(estoc_tries_read(prefix).next, 8900 + 300);
    assert_int_equal(estoc_tries_failed(prefix, 10000, 9000, 0), 0); /* over: no hurry any more */
    assert_int_equal(estoc_tries_read(prefix).next, 10000 + 86400);
    assert_int_equal(estoc_tries_failed(prefix, 1000, 9000, 5000), 0); /* the server's own word */
    assert_int_equal(estoc_tries_read(prefix).next, 1000 + 5000);
    assert_int_equal(estoc_tries_failed(prefix, 1000, 9000, UINT32_MAX), 0);
    assert_int_equal(estoc_tries_read(prefix).next, INT64_C(1000) + UINT32_MAX);
}

static void spoilt_files(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "failed",
        "failed x next 5",
        "failed 1 next",
        "failed 1 next x",
        "failed 1 next 99999999999999999999999999999999999999999999"};
    char path[128];
    snprintf(path, sizeof path, "%s.d/tries", prefix);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert_int_equal(estoc_file_write(path, estoc_slice_str(texts[i]), 0644), 0);
        assert_true(estoc_tries_read(prefix).failed == 0 ||
                    estoc_tries_read(prefix).next <= 999999999999999999);
    }
    assert_int_equal(estoc_tries_failed("/nonexistent/dev", 1, 2, 0), ESTOC_E_FILE);
    static char endless[ESTOC_PATH_MAX + 1];
    for (size_t i = 0; i < ESTOC_PATH_MAX; i++) {
        endless[i] = 'x';
    }
    assert_int_equal(estoc_tries_failed(endless, 1, 2, 0), ESTOC_E_FILE);
    assert_int_equal(estoc_tries_read(endless).failed, 0);
    estoc_tries_clear(endless);
}

#define IN_FOLDER(name, test)                        \
    {                                                \
        name, test, make_folder, remove_folder, NULL \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"K3 due after a part of the life, spread by the certificate", when, NULL, NULL, NULL},
        IN_FOLDER("K3 tries wait longer and longer, a day at most", back_off),
        IN_FOLDER("K3 near the end tries come sooner, and the server is heard", near_the_end),
        IN_FOLDER("K3 a spoilt file says nothing", spoilt_files),
    };
    return cmocka_run_group_tests_name("cmd/due", tests, NULL, NULL);
}
