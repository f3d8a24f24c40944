/* SPDX-License-Identifier: MIT
 *
 * The life of a credential in files: replaced, renewed when due, and never half of it. (K1 to K3)
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <cmocka.h>

#include "hostile.h"

#define STEPS_MAX 200

/* ---- killed at each step ---- */

static void run_killed(output *o, const fixture *f, unsigned step, const char *command,
                       const char *prefix)
{
    char at[16];
    snprintf(at, sizeof at, "%u", step);
    setenv("ESTOC_KILL_AT", at, 1);
    setenv("LD_PRELOAD", getenv("ESTOC_KILLER"), 1);
    if (strcmp(command, "enroll") == 0) {
        run_as(o, f, "dev", "enroll", f->uri, "--out", prefix, NULL);
    } else {
        run(o, "estoc", "renew", f->uri, "--out", prefix, NULL);
    }
    unsetenv("LD_PRELOAD");
    unsetenv("ESTOC_KILL_AT");
}

static void ok(const output *o)
{
    if (o->code != 0) {
        print_error("%s", o->err);
    }
    assert_int_equal(o->code, 0);
}

static void copy_pair(const fixture *f, const char *from, const char *to)
{
    static const char *const ends[] = {"crt", "key", "ta"};
    for (size_t i = 0; i < 3; i++) {
        output o;
        run(&o, "cp", path_in(f, "%s.%s", from, ends[i]), path_in(f, "%s.%s", to, ends[i]), NULL);
        ok(&o);
    }
}

/* What runs to its end has taken all its steps: so many, and each was the last of one run. */
static void check_steps(unsigned step)
{
    assert_in_range(step, 20, STEPS_MAX - 1);
}

static void enroll_killed(void **state)
{
    const fixture *f = *state;
    output o;
    unsigned step = 0;
    do {
        char prefix[16];
        snprintf(prefix, sizeof prefix, "e%u", ++step);
        unsigned before = issued(f);
        run_killed(&o, f, step, "enroll", path_in(f, "%s", prefix));
        bool whole = o.code == 0;
        if (access(path_in(f, "%s.crt", prefix), F_OK) == 0) {
            check_pair(f, prefix);
        }
        run_as(&o, f, "dev", "enroll", f->uri, "--out", path_in(f, "%s", prefix), NULL);
        ok(&o);
        check_pair(f, prefix);
        assert_in_range(issued(f) - before, 1, 2); /* 2: the first run's was in place */
        o.code = whole ? 0 : 137;
    } while (o.code != 0 && step < STEPS_MAX);
    check_steps(step);
}

/* From plain files, as `estocd device` or a person leaves them, and from those of an earlier run. */
static void renew_killed(void **state)
{
    const fixture *f = *state;
    for (int plain = 0; plain < 2; plain++) {
        output o;
        unsigned step = 0;
        run_as(&o, f, "dev", "enroll", f->uri, "--out", path_in(f, "r%d", plain), NULL);
        ok(&o);
        do {
            char prefix[16];
            snprintf(prefix, sizeof prefix, "r%d", plain);
            if (plain) {
                snprintf(prefix, sizeof prefix, "p%u", step);
                copy_pair(f, "r1", prefix);
            }
            run_killed(&o, f, ++step, "renew", path_in(f, "%s", prefix));
            bool whole = o.code == 0;
            check_pair(f, prefix); /* the old pair or the new one, before anything mends it */
            run(&o, "estoc", "renew", f->uri, "--out", path_in(f, "%s", prefix), NULL);
            ok(&o);
            check_pair(f, prefix);
            o.code = whole ? 0 : 137;
        } while (o.code != 0 && step < STEPS_MAX);
        check_steps(step);
    }
}

/* ---- one run at a time ---- */

static void locked(void **state)
{
    const fixture *f = *state;
    output o;
    run_as(&o, f, "dev", "enroll", f->uri, "--out", path_in(f, "l"), NULL);
    ok(&o);
    FILE *lock = fopen(path_in(f, "l.d/lock"), "r+");
    assert_non_null(lock);
    assert_int_equal(flock(fileno(lock), LOCK_EX | LOCK_NB), 0);
    run(&o, "estoc", "renew", f->uri, "--out", path_in(f, "l"), NULL);
    assert_int_equal(o.code, 75);
    assert_non_null(strstr(o.err, "another run"));
    fclose(lock);
    run(&o, "estoc", "renew", f->uri, "--out", path_in(f, "l"), NULL);
    ok(&o);
    check_pair(f, "l");
}

/* A pair that someone puts there is the one that is renewed, whatever an earlier run had begun. */
static void replaced_by_hand(void **state)
{
    const fixture *f = *state;
    output o;
    run_as(&o, f, "dev", "enroll", f->uri, "--out", path_in(f, "h"), NULL);
    ok(&o);
    run_as(&o, f, "dev", "enroll", f->uri, "--out", path_in(f, "other"), NULL);
    ok(&o);
    run_killed(&o, f, 20, "renew", path_in(f, "h"));
    assert_int_equal(o.code, 137);
    unlink(path_in(f, "h.crt"));
    unlink(path_in(f, "h.key"));
    copy_pair(f, "other", "h");
    EVP_PKEY *given = key_read(path_in(f, "other.key"));
    run(&o, "estoc", "renew", f->uri, "--out", path_in(f, "h"), "--same-key", NULL);
    ok(&o);
    check_pair(f, "h");
    EVP_PKEY *kept = key_read(path_in(f, "h.key"));
    assert_int_equal(EVP_PKEY_eq(given, kept), 1);
    EVP_PKEY_free(given);
    EVP_PKEY_free(kept);
}

/* ---- only when due ---- */

static void enroll_at(output *o, const fixture *f, const char *label, const char *prefix)
{
    run_as(o, f, "dev", "enroll", f->uri, "--label", label, "--out", path_in(f, "%s", prefix),
           NULL);
    ok(o);
}

static void renew_if_due(output *o, const fixture *f, const char *uri, const char *prefix)
{
    run(o, "estoc", "renew", uri, "--out", path_in(f, "%s", prefix), "--if-due", "--due", "1",
        "--timeout", "2", NULL);
}

/* A certificate of a year just made. No packet goes: the port is closed. */
static void not_due(void **state)
{
    const fixture *f = *state;
    output o, again;
    enroll_at(&o, f, "long", "n");
    unsigned before = issued(f);
    renew_if_due(&o, f, "coaps://127.0.0.1:1", "n");
    ok(&o);
    assert_non_null(strstr(o.err, "not due before 20"));
    renew_if_due(&again, f, "coaps://127.0.0.1:1", "n");
    assert_string_equal(o.err, again.err); /* the same answer each time */
    run(&o, "estoc", "renew", "coaps://127.0.0.1:1", "--out", path_in(f, "n"), "--if-due", "--json",
        NULL);
    ok(&o);
    assert_non_null(strstr(o.out, "\"due\":"));
    assert_int_equal(issued(f), before);
    assert_int_not_equal(access(path_in(f, "n.d/tries"), F_OK), 0);
}

/* One of 800 s, made with 300 s for slow clocks before: with --due 1 it is due within 284 s. */
static void due(void **state)
{
    const fixture *f = *state;
    output o;
    enroll_at(&o, f, "short", "d");
    unsigned before = issued(f);
    renew_if_due(&o, f, f->uri, "d");
    ok(&o);
    assert_int_equal(issued(f), before + 1);
    check_pair(f, "d");
    renew_if_due(&o, f, f->uri, "d"); /* now it has one of a year */
    ok(&o);
    assert_non_null(strstr(o.err, "not due"));
    assert_int_equal(issued(f), before + 1);
}

static void check_tries(const fixture *f, const char *prefix, unsigned failed)
{
    char text[128], want[32];
    read_file(path_in(f, "%s.d/tries", prefix), text, sizeof text);
    snprintf(want, sizeof want, "failed %u next ", failed);
    assert_memory_equal(text, want, strlen(want));
}

/* Each failure is noted, and tried again only later; a success forgets them. */
static void tries(void **state)
{
    const fixture *f = *state;
    output o;
    enroll_at(&o, f, "short", "t");
    for (unsigned i = 1; i <= 3; i++) {
        renew_if_due(&o, f, "coaps://127.0.0.1:1", "t");
        assert_int_equal(o.code, 2);
        check_tries(f, "t", i);
        renew_if_due(&o, f, "coaps://127.0.0.1:1", "t");
        assert_int_equal(o.code, 75);
        assert_non_null(strstr(o.err, i == 1 ? "1 try failed" : " tries failed"));
        check_tries(f, "t", i);
        char past[32];
        snprintf(past, sizeof past, "failed %u next 5\n", i);
        write_file(path_in(f, "t.d/tries"), past, strlen(past), "w");
    }
    run(&o, "estoc", "renew", "https://wrong", "--out", path_in(f, "t"), "--if-due", "--due", "1",
        NULL);
    assert_int_equal(o.code, 1); /* a mistake of ours is none of the network's */
    unsigned before = issued(f);
    renew_if_due(&o, f, f->uri, "t");
    ok(&o);
    assert_int_equal(issued(f), before + 1);
    assert_int_not_equal(access(path_in(f, "t.d/tries"), F_OK), 0);
    check_pair(f, "t");
}

/* Without --if-due nothing waits, and a refusal counts as a try, too. */
static void tries_refused(void **state)
{
    const fixture *f = *state;
    output o;
    enroll_at(&o, f, "short", "w");
    run(&o, "estoc", "renew", f->uri, "--out", path_in(f, "w"), "--if-due", "--due", "1",
        "--subject", "CN=x", NULL);
    assert_int_equal(o.code, 4);
    check_tries(f, "w", 1);
    run(&o, "estoc", "renew", f->uri, "--out", path_in(f, "w"), NULL);
    ok(&o);
    assert_int_not_equal(access(path_in(f, "w.d/tries"), F_OK), 0);
}

/* The command of the systemd unit, with the folder of the test in place of /var/lib/estoc. */
static void unit(void **state)
{
    const fixture *f = *state;
    static char text[8192];
    char line[512] = "", *words[16], *rest = line;
    const char *argv[20];
    output o;
    size_t n = 0;
    enroll_at(&o, f, "short", "u");
    assert_true(read_file(getenv("ESTOC_UNIT"), text, sizeof text) > 0);
    const char *at = strstr(text, "\nExecStart=");
    assert_non_null(at);
    assert_int_equal(sscanf(at, "\nExecStart=%511[^\n]", line), 1);
    for (char *word; n < 16 && (word = strsep(&rest, " ")) != NULL; n++) {
        words[n] = word;
    }
    assert_non_null(strstr(words[0], "/bin/estoc"));
    size_t argc = 0;
    argv[argc++] = "estoc";
    for (size_t i = 1; i < n; i++) {
        if (strcmp(words[i], "${ESTOC_URI}") == 0) {
            argv[argc++] = f->uri;
        } else if (strcmp(words[i], "/var/lib/estoc/%i") == 0) {
            argv[argc++] = path_in(f, "u");
        } else if (strcmp(words[i], "$ESTOC_OPTIONS") == 0) {
            argv[argc++] = "--due";
            argv[argc++] = "1";
        } else {
            argv[argc++] = words[i];
        }
    }
    argv[argc] = NULL;
    unsigned before = issued(f);
    runv(&o, argv);
    ok(&o);
    assert_int_equal(issued(f), before + 1);
    runv(&o, argv);
    ok(&o);
    assert_int_equal(issued(f), before + 1);
    assert_non_null(strstr(text, "\nSuccessExitStatus=75\n"));
}

static int start(void **state)
{
    fixture_set_up(state);
    fixture_conf(*state, "profile short", "validity", "800s");
    fixture_conf(*state, "profile long", "validity", "1y");
    fixture_start(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        NAMED("K2 HC 251 enroll killed at each step leaves nothing or a usable pair",
              enroll_killed),
        NAMED("K2 HC 251 renew killed at each step leaves a usable pair", renew_killed),
        NAMED("K2 two runs do not meet", locked),
        NAMED("K2 a pair replaced by hand is kept", replaced_by_hand),
        NAMED("K3 renew --if-due when it is not", not_due),
        NAMED("K3 renew --if-due when it is", due),
        NAMED("K3 failures are tried again later and later", tries),
        NAMED("K3 a refusal counts as a failure; without --if-due nothing waits", tries_refused),
        NAMED("K3 the systemd unit renews once", unit),
    };
    return cmocka_run_group_tests_name("renew", tests, start, group_stop);
}
