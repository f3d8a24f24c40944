/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <pthread.h>
#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "sys.h"

static FILE *file;
static char text[1 << 20];

static int open_log(void **state)
{
    (void)state;
    file = tmpfile();
    estoc_log_file(file);
    estoc_log_level(ESTOC_LOG_INFO);
    return file != NULL ? 0 : -1;
}

static int close_log(void **state)
{
    (void)state;
    estoc_log_file(NULL);
    return fclose(file);
}

/* What was logged so far. @return its length */
static size_t logged(void)
{
    ssize_t n = pread(fileno(file), text, sizeof text - 1, 0);
    assert_true(n >= 0);
    text[n] = '\0';
    return (size_t)n;
}

/* Everything behind the time of the only line. */
static void assert_line(const char *expected)
{
    size_t n = logged();
    assert_true(n > 25);
    assert_string_equal(text + 25, expected);
}

static void a_line(void **state)
{
    (void)state;
    estoc_log(ESTOC_LOG_INFO, "enroll", "peer", "[2001:db8::1]:5684", "op", "sen", NULL);
    assert_line("info enroll peer=[2001:db8::1]:5684 op=sen\n");
    regex_t re;
    assert_int_equal(regcomp(&re,
                             "^2[0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z ",
                             REG_EXTENDED | REG_NOSUB),
                     0);
    assert_int_equal(regexec(&re, text, 0, NULL, 0), 0);
    regfree(&re);
}

static void levels(void **state)
{
    (void)state;
    estoc_log_level(ESTOC_LOG_WARN);
    estoc_log(ESTOC_LOG_DEBUG, "s", "n", "1", NULL);
    estoc_log(ESTOC_LOG_INFO, "s", "n", "2", NULL);
    assert_int_equal(logged(), 0);
    estoc_log(ESTOC_LOG_WARN, "s", "n", "3", NULL);
    assert_line("warn s n=3\n");
    estoc_log(ESTOC_LOG_ERROR, "s", "n", "4", NULL);
    logged();
    assert_non_null(strstr(text, "error s n=4\n"));
    estoc_log_level(ESTOC_LOG_DEBUG);
    estoc_log(ESTOC_LOG_DEBUG, "s", "n", "5", NULL);
    logged();
    assert_non_null(strstr(text, "debug s n=5\n"));
}

static void absent_values(void **state)
{
    (void)state;
    const char *none = NULL;
    estoc_log(ESTOC_LOG_INFO, "s", "a", none, "b", "", "c", "1", NULL);
    assert_line("info s b=\"\" c=1\n");
}

/* A value of the peer's making neither ends the line nor forges a pair. */
static void hostile_values(void **state)
{
    (void)state;
    estoc_log(ESTOC_LOG_INFO, "s", "a", "x\n2026-01-01T00:00:00.000Z error s", "b", "1 c=2", "d",
              "say \"no\" \\", "e", "\x1b[2J", "f", "\xc3\xa9\x7f", "g", "\t", NULL);
    assert_line("info s a=\"x\\x0a2026-01-01T00:00:00.000Z error s\" b=\"1 c=2\" "
                "d=\"say \\\"no\\\" \\\\\" e=\"\\x1b[2J\" f=\"\\xc3\\xa9\\x7f\" g=\"\\x09\"\n");
}

enum { THREADS = 8, LINES = 300 };

static void *write_lines(void *arg)
{
    for (int i = 0; i < LINES; i++) {
        estoc_log(ESTOC_LOG_INFO, "thread", "from", arg, "and", "some more of it", NULL);
    }
    return NULL;
}

static void threads(void **state)
{
    (void)state;
    pthread_t t[THREADS];
    static char names[THREADS][2];
    for (int i = 0; i < THREADS; i++) {
        names[i][0] = (char)('a' + i);
        assert_int_equal(pthread_create(&t[i], NULL, write_lines, names[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(t[i], NULL);
    }
    logged();
    unsigned count[THREADS] = {0};
    char *rest = NULL;
    for (char *l = strtok_r(text, "\n", &rest); l != NULL; l = strtok_r(NULL, "\n", &rest)) {
        assert_int_equal(strlen(l), 25 + strlen("info thread from=a and=\"some more of it\""));
        char who = l[25 + strlen("info thread from=")];
        assert_in_range(who, 'a', 'a' + THREADS - 1);
        count[who - 'a']++;
    }
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(count[i], LINES);
    }
}

static void on_stderr(void **state)
{
    (void)state;
    estoc_log_file(NULL);
    int saved = dup(STDERR_FILENO);
    assert_true(dup2(fileno(file), STDERR_FILENO) >= 0);
    estoc_log(ESTOC_LOG_INFO, "s", "a", "1", NULL);
    dup2(saved, STDERR_FILENO);
    close(saved);
    assert_line("info s a=1\n");
}

static void full_log(void **state)
{
    (void)state;
    FILE *full = fopen("/dev/full", "w");
    assert_non_null(full);
    estoc_log_file(full);
    estoc_log(ESTOC_LOG_ERROR, "s", "a", "1", NULL);
    estoc_log_file(file);
    fclose(full);
    estoc_log(ESTOC_LOG_ERROR, "s", "a", "2", NULL);
    assert_line("error s a=2\n");
}

int main(void)
{
    /* clang-format off */
    const struct CMUnitTest tests[] = {
        {"a line is time, level, source, pairs",     a_line, open_log, close_log, NULL},
        {"levels",                                   levels, open_log, close_log, NULL},
        {"absent and empty values",                  absent_values, open_log, close_log, NULL},
        {"hostile values cannot forge a line",       hostile_values, open_log, close_log, NULL},
        {"lines of several threads do not mix",      threads, open_log, close_log, NULL},
        {"stderr is the default",                    on_stderr, open_log, close_log, NULL},
        {"a full log stops nobody",                  full_log, open_log, close_log, NULL},
    };
    /* clang-format on */
    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
