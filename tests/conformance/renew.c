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

int main(void)
{
    const struct CMUnitTest tests[] = {
        NAMED("K2 HC 251 enroll killed at each step leaves nothing or a usable pair",
              enroll_killed),
        NAMED("K2 HC 251 renew killed at each step leaves a usable pair", renew_killed),
        NAMED("K2 two runs do not meet", locked),
        NAMED("K2 a pair replaced by hand is kept", replaced_by_hand),
    };
    return cmocka_run_group_tests_name("renew", tests, group_start, group_stop);
}
