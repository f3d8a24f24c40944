/* SPDX-License-Identifier: MIT
 *
 * Programs that answer, and ones that do not: real ones, made of sh.
 */
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>

#include "../crypto/folder.h"

#include "adviser.h"

enum { LONG_S = 60, SHORT_S = 1, MANY = 40 };

/* What came of one question. */
struct outcome {
    unsigned calls;
    estoc_advice advice;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

static void done(void *ctx, const estoc_advice *advice)
{
    struct outcome *o = ctx;
    pthread_mutex_lock(&lock);
    o->calls++;
    o->advice = *advice;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static void await(const struct outcome *o)
{
    pthread_mutex_lock(&lock);
    while (o->calls == 0) {
        pthread_cond_wait(&changed, &lock);
    }
    pthread_mutex_unlock(&lock);
    assert_int_equal(o->calls, 1);
}

static estoc_adviser *adviser;

static int open_two(void **state)
{
    (void)state;
    return estoc_adviser_open(2, MANY, &adviser) ? -1 : 0;
}

static int close_it(void **state)
{
    (void)state;
    estoc_adviser_close(adviser);
    adviser = NULL;
    return 0;
}

/* A script of this name; its path is the first word of a command. */
static const char *script(const char *name, const char *body)
{
    char text[1024];
    snprintf(text, sizeof text, "#!/bin/sh\n%s\n", body);
    const char *path = file_with(name, estoc_slice_str(text));
    assert_int_equal(chmod(path, 0700), 0);
    return path;
}

static void ask(const char *command, uint32_t timeout_s, const char *question, struct outcome *o)
{
    memset(o, 0, sizeof *o);
    const estoc_ask a = {command, timeout_s, estoc_slice_str(question), done, o};
    estoc_adviser_ask(adviser, &a);
}

static struct outcome asked(const char *command, uint32_t timeout_s, const char *question)
{
    struct outcome o;
    ask(command, timeout_s, question, &o);
    await(&o);
    return o;
}

static void assert_failed(const struct outcome *o, const char *reason)
{
    assert_int_equal(o->advice.kind, ESTOC_ADVICE_FAILED);
    assert_string_equal(o->advice.reason, reason);
}

static void answers(void **state)
{
    (void)state;
    struct outcome o = asked(script("yes", "cat >/dev/null; echo yes"), LONG_S, "{}\n");
    assert_int_equal(o.advice.kind, ESTOC_ADVICE_YES);
    o = asked(script("no", "read line; echo no $line"), LONG_S, "because\n");
    assert_int_equal(o.advice.kind, ESTOC_ADVICE_NO);
    assert_string_equal(o.advice.reason, "because");
    o = asked(script("later", "echo later 17"), LONG_S, "{}\n"); /* it does not even read */
    assert_int_equal(o.advice.kind, ESTOC_ADVICE_LATER);
    assert_int_equal(o.advice.retry_s, 17);
}

/* Arguments are words, whatever is in them; there is no shell to expand them. */
static void arguments(void **state)
{
    (void)state;
    char command[600];
    snprintf(command, sizeof command, "%s  a\t$HOME;x \"b c\"",
             script("args", "echo no $#: \"$1\" \"$2\" \"$3\" \"$4\""));
    struct outcome o = asked(command, LONG_S, "");
    assert_string_equal(o.advice.reason, "4: a $HOME;x \"b c\"");
}

/* More than a pipe holds goes in while nothing comes out. */
static void long_question(void **state)
{
    (void)state;
    static char question[300001];
    memset(question, 'q', sizeof question - 1);
    struct outcome o = asked(script("count", "sleep 0.1; echo no $(wc -c)"), LONG_S, question);
    assert_string_equal(o.advice.reason, "300000");
}

/* It sees nothing of ours, and ends like any other program. */
static void surroundings(void **state)
{
    (void)state;
    int fd = open("/dev/null", O_RDONLY); /* none of these is closed on exec */
    assert_int_equal(dup2(fd, 77), 77);
    setenv("ESTOC_TEST_SECRET", "secret", 1);
    struct outcome o =
        asked(script("look", "for f in 3 4 5 6 7 8 9 77; do [ -e /proc/$$/fd/$f ] && fds=$fds:$f\n"
                             "done; echo no ${fds:-none} ${ESTOC_TEST_SECRET:-none} $PATH"),
              LONG_S, "");
    unsetenv("ESTOC_TEST_SECRET");
    close(fd);
    close(77);
    assert_memory_equal(o.advice.reason, "none none /usr/local/sbin:", 26);
    o = asked(script("signals", "grep -q '^SigBlk:.0*$' /proc/self/status && "
                                "grep -q '^SigIgn:.*0000000$' /proc/self/status && echo yes"),
              LONG_S, "");
    assert_int_equal(o.advice.kind, ESTOC_ADVICE_YES);
}

static void no_answers(void **state)
{
    (void)state;
    struct outcome o = asked(script("status", "echo yes; exit 3"), LONG_S, "");
    assert_failed(&o, "its exit status is 3");
    o = asked(script("killed", "echo yes; kill -9 $$"), LONG_S, "");
    assert_failed(&o, "it was ended by a signal");
    o = asked(script("silent", "exit 0"), LONG_S, "");
    assert_failed(&o, "its answer is not one line");
    o = asked(script("endless", "while :; do echo yes; done"), LONG_S, "");
    assert_failed(&o, "its answer is too long");
    o = asked(script("long", "printf %600d 1"), LONG_S, "");
    assert_failed(&o, "its answer is too long");
    o = asked("/nonexistent/program", LONG_S, "");
    assert_failed(&o, "it cannot be run");
    o = asked(" ", LONG_S, "");
    assert_failed(&o, "it cannot be run");
    o = asked(file_with("no-mode", estoc_slice_str("#!/bin/sh\necho yes\n")), LONG_S, "");
    assert_failed(&o, "it cannot be run");
}

static bool runs(pid_t pid)
{
    for (int i = 0; i < 400; i++) { /* it may be a zombie of init's for a moment */
        char path[64], stat[256] = "";
        snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
        FILE *f = fopen(path, "r");
        size_t n = f != NULL ? fread(stat, 1, sizeof stat - 1, f) : 0;
        if (f != NULL) {
            fclose(f);
        }
        const char *state = strrchr(stat, ')');
        if (n == 0 || state == NULL || state[2] == 'Z') {
            return false;
        }
        usleep(25000);
    }
    return true;
}

static pid_t pid_in(const char *name)
{
    estoc_blob text;
    pid_t pid = 0;
    assert_int_equal(estoc_file_read(in_folder(name), 100, &text), 0);
    char digits[32];
    snprintf(digits, sizeof digits, "%.*s", (int)text.len, text.ptr);
    pid = (pid_t)atoi(digits);
    estoc_blob_free(&text);
    assert_true(pid > 1);
    return pid;
}

/* Its time is over: it goes, and those it has begun. */
static void too_late(void **state)
{
    (void)state;
    char body[700];
    snprintf(body, sizeof body, "sleep 1000 & echo $! >%s; wait; echo yes", in_folder("sleeper"));
    struct outcome o = asked(script("slow", body), SHORT_S, "");
    assert_failed(&o, "no answer in time");
    assert_false(runs(pid_in("sleeper")));
}

/* It has ended, and left somebody behind who holds on to its output. */
static void left_behind(void **state)
{
    (void)state;
    char body[700];
    snprintf(body, sizeof body, "sleep 1000 & echo $! >%s; echo yes", in_folder("sleeper"));
    struct outcome o = asked(script("parent", body), LONG_S, "");
    assert_int_equal(o.advice.kind, ESTOC_ADVICE_YES);
    assert_false(runs(pid_in("sleeper")));
}

/* Two at a time; each gets its own answer, and all have one. */
static void many(void **state)
{
    (void)state;
    static struct outcome o[MANY];
    char number[MANY][16];
    char command[600];
    snprintf(command, sizeof command, "%s", script("echo", "read n; echo no $n"));
    for (int i = 0; i < MANY; i++) {
        snprintf(number[i], sizeof number[i], "%d\n", i);
        ask(command, LONG_S, number[i], &o[i]);
    }
    for (int i = 0; i < MANY; i++) {
        await(&o[i]);
        assert_int_equal(atoi(o[i].advice.reason), i);
    }
}

/* Those that run take all the time: who waits for a place does not wait for ever. */
static void no_place(void **state)
{
    (void)state;
    struct outcome slow[2], waits;
    char command[600];
    snprintf(command, sizeof command, "%s", script("block", "sleep 1000"));
    ask(command, LONG_S, "", &slow[0]);
    ask(command, LONG_S, "", &slow[1]);
    ask(command, SHORT_S, "", &waits);
    await(&waits);
    assert_failed(&waits, "no place was free in time");
    assert_int_equal(slow[0].calls, 0);
    estoc_adviser_stop(adviser); /* and all ends at once */
    await(&slow[0]);
    await(&slow[1]);
    assert_failed(&slow[0], "the server ends");
    ask(command, LONG_S, "", &waits);
    await(&waits);
    assert_failed(&waits, "the server ends");
}

static void too_many(void **state)
{
    (void)state;
    static struct outcome o[MANY + 3];
    char command[600];
    unsigned full = 0;
    snprintf(command, sizeof command, "%s", script("block", "sleep 1000"));
    for (int i = 0; i < MANY + 3; i++) {
        ask(command, LONG_S, "", &o[i]);
    }
    await(&o[MANY + 2]); /* the last one at least */
    assert_failed(&o[MANY + 2], "too many questions wait");
    estoc_adviser_close(adviser);
    for (int i = 0; i < MANY + 3; i++) {
        assert_int_equal(o[i].calls, 1);
        full += strcmp(o[i].advice.reason, "too many questions wait") == 0;
    }
    assert_in_range(full, 1, 3);
    adviser = NULL;
}

#define ALONE(function) cmocka_unit_test_setup_teardown(function, open_two, close_it)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ALONE(answers),    ALONE(arguments), ALONE(long_question), ALONE(surroundings),
        ALONE(no_answers), ALONE(too_late),  ALONE(left_behind),   ALONE(many),
        ALONE(no_place),   ALONE(too_many),
    };
    return cmocka_run_group_tests_name("authority adviser", tests, folder_make, folder_remove);
}
