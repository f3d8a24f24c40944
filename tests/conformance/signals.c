/* SPDX-License-Identifier: MIT
 *
 * The server's signals while it works. HC 276.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "device.h"

/* Send the signal so many times, from beside. */
static pid_t signals(const fixture *f, int sig, int times, useconds_t every_us)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        for (int i = 0; i < times; i++) {
            usleep(every_us);
            kill(f->pid, sig);
        }
        _exit(0);
    }
    return pid;
}

static unsigned number_after(const char *text, const char *key)
{
    const char *at = strstr(text, key);
    assert_non_null(at);
    return (unsigned)strtoul(at + strlen(key), NULL, 10);
}

static void hup_under_load(void **state)
{
    fixture *f = *state;
    output o;
    fixture_start(f);
    peer *p = connect_as(f, "dev");
    pid_t beside = signals(f, SIGHUP, 5, 60000);
    run_as(&o, f, "dev", "bench", f->uri, "--count", "200", "--concurrency", "8", "--json", NULL);
    run_wait(beside, 10000);
    assert_int_equal(o.code, 0);
    assert_int_equal(issued(f), 200);
    expect_alive(p); /* opened before, by the configuration of then */
    peer_free(p);
}

/* What a client was given is in the store, whenever the server is told to stop. */
static void term_under_load(void **state)
{
    fixture *f = *state;
    output o;
    fixture_start(f);
    pid_t beside = signals(f, SIGTERM, 1, 300000);
    run_as(&o, f, "dev", "bench", f->uri, "--count", "280", "--concurrency", "8", "--timeout", "2",
           "--json", NULL);
    run_wait(beside, 10000);
    fixture_stop(f); /* with 0 */
    unsigned done = number_after(o.out, "\"done\":");
    unsigned held = issued(f);
    assert_in_range(held, done, done + 8);
}

/* The client goes on over the kill, and finds the same request's certificate if there is one. */
static void killed_under_load(void **state)
{
    fixture *f = *state;
    static char journal[65536];
    static output o;
    char listen[32];
    char serial[64];
    fixture_start(f);
    snprintf(listen, sizeof listen, "127.0.0.1:%u", f->port);
    const char *journal_file = path_in(f, "journal");
    pid_t load = run_start("estoc", "bench", f->uri, "--cert", path_in(f, "dev.crt"), "--key",
                           path_in(f, "dev.key"), "--ta", path_in(f, "dev.ta"), "--count", "100",
                           "--concurrency", "8", "--timeout", "2", "--retry", "120", "--journal",
                           journal_file, NULL);
    usleep(100000);
    kill(f->pid, SIGKILL);
    waitpid(f->pid, NULL, 0);
    close(f->out);
    f->listen = listen;
    fixture_start(f);
    assert_int_equal(run_wait(load, 120000), 0);
    read_file(journal_file, journal, sizeof journal);
    run(&o, "estocd", "list", "--dir", f->srv, NULL);
    unsigned lines = 0;
    for (const char *at = journal; *at != '\0'; at += strcspn(at, "\n") + 1) {
        assert_int_equal(sscanf(at, "%*64s %63s", serial), 1);
        assert_non_null(strstr(o.out, serial));
        lines++;
    }
    assert_int_equal(lines, 100);
}

static void bad_configuration(void **state)
{
    fixture *f = *state;
    static char log[65536];
    fixture_start(f);
    peer *p = connect_as(f, "dev");
    fixture_conf(f, "server", "no-such-key", "1");
    kill(f->pid, SIGHUP);
    for (int i = 0; i < 100 && strstr(log, "no-such-key") == NULL; i++) {
        usleep(50000);
        read_file(path_in(f, "estocd.log"), log, sizeof log);
    }
    assert_non_null(strstr(log, "no-such-key"));
    expect_alive(p);
    peer_free(p);
    p = connect_as(f, "dev");
    expect_alive(p);
    peer_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        NAMED_ALONE("D10 HC 276 SIGHUP under load loses nobody", hup_under_load),
        NAMED_ALONE("X9 HC 276 SIGTERM under load: what was given is in the store",
                    term_under_load),
        NAMED_ALONE("X9 HC 279 killed under load: what was given is in the store",
                    killed_under_load),
        NAMED_ALONE("X8 a bad configuration at SIGHUP changes nothing", bad_configuration),
    };
    return cmocka_run_group_tests_name("signals", tests, NULL, NULL);
}
