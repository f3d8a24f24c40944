/* SPDX-License-Identifier: MIT
 *
 * A copy of all that is needed to carry on, taken while the server works, and what comes of it. With
 * the store of the group in PostgreSQL this is also the way from there to a file.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "device.h"

enum { STEPS_MAX = 400 };

static const char *says(const char *text, const char *words)
{
    const char *at = strstr(text, words);
    if (at == NULL) {
        fail_msg("no \"%s\" in: %s", words, text);
    }
    return at;
}

static void good(const output *o)
{
    if (o->code != 0) {
        fail_msg("%d: %s", o->code, o->err);
    }
}

static void bad(const output *o, const char *words)
{
    assert_int_equal(o->code, 1);
    assert_string_equal(o->out, "");
    says(o->err, words);
    if (strchr(o->err, '\n') != o->err + strlen(o->err) - 1) {
        fail_msg("not one line: %s", o->err);
    }
}

static bool is_there(const fixture *f, const char *name)
{
    return access(path_in(f, "%s", name), F_OK) == 0;
}

static output *backup(const fixture *f, const char *name)
{
    static output o;
    run(&o, "estocd", "backup", "--dir", f->srv, "--out", path_in(f, "%s", name), NULL);
    good(&o);
    return &o;
}

/* Into a folder and a file of its own, whatever the store was. */
static output *restored(const fixture *f, const char *name, const char *dir)
{
    static output o;
    run(&o, "estocd", "restore", "--in", path_in(f, "%s", name), "--dir", path_in(f, "%s", dir),
        "--store", "sqlite:back.db", NULL);
    good(&o);
    return &o;
}

/* The fixture's server is that one from now on. */
static void move_to(fixture *f, const char *dir)
{
    snprintf(f->srv, sizeof f->srv, "%s", path_in(f, "%s", dir));
}

static void enroll_as(const fixture *f, const char *name)
{
    output o;
    run_as(&o, f, "dev", "enroll", f->uri, "--out", path_in(f, "%s", name), NULL);
    good(&o);
}

static const char *serial_of(const fixture *f, const char *name)
{
    static char texts[8][64];
    static unsigned next;
    char *text = texts[next++ % 8];
    X509 *cert = cert_read(path_in(f, "%s.crt", name));
    BIGNUM *n = ASN1_INTEGER_to_BN(X509_get0_serialNumber(cert), NULL);
    char *hex = BN_bn2hex(n);
    snprintf(text, sizeof texts[0], "%s", hex);
    OPENSSL_free(hex);
    BN_free(n);
    X509_free(cert);
    return text;
}

static void revoked(const fixture *f, const char *name)
{
    output o;
    run(&o, "estocd", "revoke", serial_of(f, name), "--dir", f->srv, NULL);
    good(&o);
}

static const char *list(const fixture *f)
{
    static output o;
    run(&o, "estocd", "list", "--dir", f->srv, "--json", "--digests", NULL);
    good(&o);
    return o.out;
}

static uint8_t renewed(const fixture *f, const char *name)
{
    output o;
    run(&o, "estoc", "renew", f->uri, "--out", path_in(f, "%s", name), NULL);
    return (uint8_t)o.code;
}

static void verified(const fixture *f)
{
    output o;
    run(&o, "estocd", "audit", "verify", "--dir", f->srv, NULL);
    good(&o);
    says(o.out, "store      agrees");
}

/* ------------------------------------------------------------------------------------ there and back */

static void there_and_back(void **state)
{
    fixture *f = *state;
    static char before[65536];
    struct stat st;
    body csr, first, again;
    EVP_PKEY *key = key_new("P-256");
    fixture_conf(f, "profile manual", "approval", "manual");
    write_file(path_in(f, "srv/notes.txt"), "mine", 4, "w");
    assert_int_equal(mkdir(path_in(f, "srv/more"), 0750), 0);
    write_file(path_in(f, "srv/more/empty"), "", 0, "w");
    assert_int_equal(symlink("ca.crt", path_in(f, "srv/link")), 0);
    fixture_start(f);
    enroll_as(f, "a");
    enroll_as(f, "b");
    revoked(f, "b");
    peer *p = connect_as(f, "dev");
    csr_new(key, "CN=dev", NULL, &csr);
    assert_int_equal(enroll(p, EST "/sen", &csr, 287, -1, &first), CODE(2, 4));
    assert_int_equal(enroll(p, EST "/manual/sen", &csr, 287, -1, &again), CODE(5, 3));
    peer_free(p);
    const output *o = backup(f, "one");
    says(o->err, "3 certificates, ");
    assert_int_equal(stat(path_in(f, "one"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_false(is_there(f, "one-wal"));
    strcpy(before, list(f));
    fixture_stop(f);
    o = restored(f, "one", "new");
    says(o->err, "What was issued and revoked since is not in it.");
    move_to(f, "new");
    assert_string_equal(list(f), before);
    assert_int_equal(stat(path_in(f, "new"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(stat(path_in(f, "new/ca.key"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(stat(path_in(f, "new/more"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0750);
    char text[16];
    assert_int_equal(read_file(path_in(f, "new/notes.txt"), text, sizeof text), 4);
    assert_true(is_there(f, "new/more/empty"));
    assert_int_equal(readlink(path_in(f, "new/link"), text, sizeof text), 6);
    assert_false(is_there(f, "new/restore.unfinished"));
    assert_false(is_there(f, "new/restore.tmp"));
    fixture_start(f); /* and it serves on */
    assert_int_equal(renewed(f, "a"), 0);
    assert_in_range(renewed(f, "b"), 3, 4);
    p = connect_as(f, "dev");
    assert_int_equal(enroll(p, EST "/sen", &csr, 287, -1, &again), CODE(2, 4));
    assert_int_equal(again.len, first.len); /* E6 */
    assert_memory_equal(again.bytes, first.bytes, first.len);
    peer_free(p);
    output pending;
    run(&pending, "estocd", "approve", "r1", "--dir", f->srv, NULL);
    good(&pending);
    fixture_stop(f);
    verified(f);
    EVP_PKEY_free(key);
}

/* One moment of a server at work: what is in it has its line in the log, and no line is without. */
static void at_work(void **state)
{
    fixture *f = *state;
    output o;
    fixture_start(f);
    pid_t load = run_start("estoc", "bench", f->uri, "--cert", path_in(f, "dev.crt"), "--key",
                           path_in(f, "dev.key"), "--ta", path_in(f, "dev.ta"), "--count", "600",
                           "--concurrency", "8", NULL);
    char name[8], dir[8];
    unsigned last = 0;
    for (int i = 0; i < 3; i++) {
        usleep(150000);
        snprintf(name, sizeof name, "b%d", i);
        snprintf(dir, sizeof dir, "d%d", i);
        backup(f, name);
        restored(f, name, dir);
        run(&o, "estocd", "audit", "verify", "--dir", path_in(f, "%s", dir), NULL);
        good(&o);
        run(&o, "estocd", "check", "--dir", path_in(f, "%s", dir), NULL);
        good(&o);
        unsigned in_it = (unsigned)strtoul(strchr(says(o.out, "store "), ',') + 1, NULL, 10);
        unsigned lines = (unsigned)strtoul(
            says(backup(f, "x")->err, "up to line ") + strlen("up to line "), NULL, 10);
        assert_int_equal(unlink(path_in(f, "x")), 0);
        assert_in_range(in_it, last, lines);
        last = in_it;
    }
    assert_int_equal(run_wait(load, 60000), 0);
    backup(f, "all");
    restored(f, "all", "dall");
    run(&o, "estocd", "check", "--dir", path_in(f, "dall"), NULL);
    says(o.out, ", 600 issued");
    fixture_stop(f);
}

/* HC 286: yesterday's backup in place of a store that went on. */
static void yesterday(void **state)
{
    fixture *f = *state;
    static char before[65536];
    output o;
    fixture_start(f);
    enroll_as(f, "old");
    enroll_as(f, "stays");
    backup(f, "yesterday");
    enroll_as(f, "new");
    enroll_as(f, "gone");
    revoked(f, "old");
    revoked(f, "gone");
    fixture_stop(f);
    strcpy(before, list(f));
    restored(f, "yesterday", "again");
    /* the log of today beside the store of yesterday: it does not start */
    char command[3 * PATH_LEN];
    snprintf(command, sizeof command, "cp %s %s", path_in(f, "srv/audit.log"),
             path_in(f, "again/audit.log"));
    assert_int_equal(system(command), 0);
    run(&o, "estocd", "run", "--dir", path_in(f, "again"), "--listen", "127.0.0.1:0", NULL);
    assert_int_equal(o.code, 1);
    says(o.err, "4 decisions in it are not in the store, which was put back; `estocd audit replay "
                "--dir DIR` puts them in");
    run(&o, "estocd", "revoke", serial_of(f, "stays"), "--dir", path_in(f, "again"), NULL);
    bad(&o, "4 decisions in it are not in the store");
    run(&o, "estocd", "audit", "replay", "--dir", path_in(f, "again"), NULL);
    good(&o);
    says(o.err, "put in: 2 certificates, 2 revocations");
    move_to(f, "again");
    assert_string_equal(list(f), before);
    fixture_start(f);
    assert_in_range(renewed(f, "old"), 3, 4);
    assert_in_range(renewed(f, "gone"), 3, 4);
    assert_int_equal(renewed(f, "new"), 0);
    assert_int_equal(renewed(f, "stays"), 0);
    fixture_stop(f);
    verified(f);
    /* and without the log, which is found later, on a server that has gone on */
    restored(f, "yesterday", "third");
    move_to(f, "third");
    fixture_start(f);
    enroll_as(f, "more");
    run(&o, "estocd", "audit", "replay", "--dir", f->srv, "--file", path_in(f, "srv/audit.log"),
        NULL);
    good(&o);
    says(o.err, "put in: 2 certificates, 2 revocations");
    assert_int_equal(issued(f), 5);
    fixture_stop(f);
    fixture_start(f);
    assert_in_range(renewed(f, "old"), 3, 4);
    fixture_stop(f);
    verified(f);
}

/* --------------------------------------------------------------------------------------- other stores */

static void into_a_database(void **state)
{
    fixture *f = *state;
    const char *base = getenv("ESTOC_TEST_STORE");
    static char before[65536], conf[65536];
    char url[PATH_LEN + 64], command[2 * PATH_LEN];
    output o;
    assert_non_null(base);
    snprintf(command, sizeof command, "psql -q -d '%s' -c 'CREATE SCHEMA \"to_%s\"'", base,
             strrchr(f->dir, '-') + 1);
    assert_int_equal(system(command), 0);
    snprintf(url, sizeof url, "%s?options=-csearch_path%%3D%%22to_%s%%22", base,
             strrchr(f->dir, '-') + 1);
    fixture_start(f);
    enroll_as(f, "a");
    fixture_stop(f);
    backup(f, "one"); /* from a database */
    restored(f, "one", "file");
    move_to(f, "file"); /* on a file */
    fixture_start(f);
    enroll_as(f, "b");
    fixture_stop(f);
    strcpy(before, list(f));
    backup(f, "two");
    run(&o, "estocd", "restore", "--in", path_in(f, "two"), "--dir", path_in(f, "db"), "--store",
        url, NULL);
    good(&o);
    read_file(path_in(f, "db/estocd.conf"), conf, sizeof conf);
    says(conf, "\nstore = postgresql://");
    assert_null(strstr(conf, "\nstore = sqlite:"));
    assert_false(is_there(f, "db/back.db"));
    move_to(f, "db");
    assert_string_equal(list(f), before);
    fixture_start(f);
    assert_int_equal(renewed(f, "a"), 0);
    enroll_as(f, "c");
    fixture_stop(f);
    verified(f);
    run(&o, "estocd", "restore", "--in", path_in(f, "two"), "--dir", path_in(f, "db2"), "--store",
        url, NULL);
    bad(&o, "the store is not empty; give another one with --store URL");
    assert_false(is_there(f, "db2"));
}

/* ------------------------------------------------------------------------------------------ refused */

static void refused(void **state)
{
    fixture *f = *state;
    static char bytes[4 * 1024 * 1024];
    output o;
    fixture_start(f);
    enroll_as(f, "a");
    fixture_stop(f);
    backup(f, "one");
    run(&o, "estocd", "backup", "--dir", f->srv, "--out", path_in(f, "one"), NULL);
    bad(&o, "is there already; choose another name");
    run(&o, "estocd", "backup", "--dir", f->srv, "--out", "/nonexistent/one", NULL);
    bad(&o, "/nonexistent/one: cannot be written: No such file");
    run(&o, "estocd", "restore", "--in", path_in(f, "one"), "--dir", f->srv, NULL);
    bad(&o, "is not empty; choose another --dir");
    run(&o, "estocd", "restore", "--in", path_in(f, "none"), "--dir", path_in(f, "new"), NULL);
    bad(&o, "none: cannot be read: No such file");
    run(&o, "estocd", "restore", "--in", path_in(f, "srv/ca.crt"), "--dir", path_in(f, "new"),
        NULL);
    bad(&o, "not a backup that `estocd backup` has made");
    run(&o, "estocd", "restore", "--in", path_in(f, "one"), "--dir", path_in(f, "new"), "--store",
        "mysql:x", NULL);
    bad(&o, "--store mysql:x: must be sqlite:PATH or postgresql://...");
    run(&o, "estocd", "restore", "--in", path_in(f, "one"), "--dir", path_in(f, "new"), "--store",
        path_in(f, "sqlite:x"), NULL);
    bad(&o, "must be sqlite:PATH");
    char url[PATH_LEN];
    snprintf(url, sizeof url, "sqlite:%s", path_in(f, "one"));
    run(&o, "estocd", "restore", "--in", path_in(f, "one"), "--dir", path_in(f, "new"), "--store",
        url, NULL);
    bad(&o, "one: is there already; give another store with --store URL");
    assert_true(is_there(f, "one"));
    assert_false(is_there(f, "new")); /* nothing is left of what failed */
    FILE *in = fopen(path_in(f, "one"), "r");
    size_t len = fread(bytes, 1, sizeof bytes, in);
    fclose(in);
    write_file(path_in(f, "half"), bytes, len / 2, "w");
    run(&o, "estocd", "restore", "--in", path_in(f, "half"), "--dir", path_in(f, "new"), NULL);
    bad(&o, "half: damaged: ");
    assert_false(is_there(f, "new"));
    assert_int_equal(mkdir(path_in(f, "new"), 0700), 0); /* an empty one will do */
    restored(f, "one", "new");
    write_file(path_in(f, "new/restore.unfinished"), "", 0, "w");
    run(&o, "estocd", "run", "--dir", path_in(f, "new"), NULL);
    assert_int_equal(o.code, 1);
    says(o.err, "`estocd restore` was interrupted there");
}

/* A backup in DIR is not in the next one; nor is the passphrase that the key in it is encrypted by. */
static void left_out(void **state)
{
    fixture *f = *state;
    struct stat one, two;
    output o;
    run(&o, "estocd", "backup", "--dir", f->srv, "--out", path_in(f, "srv/first"), NULL);
    good(&o);
    run(&o, "estocd", "backup", "--dir", f->srv, "--out", path_in(f, "second"), NULL);
    good(&o);
    assert_int_equal(stat(path_in(f, "srv/first"), &one), 0);
    assert_int_equal(stat(path_in(f, "second"), &two), 0);
    assert_int_equal(one.st_size, two.st_size);
    write_file(path_in(f, "srv/secret"), "correct horse\n", 14, "w");
    fixture_conf(f, "ca", "key-passphrase", "file:secret");
    fixture_conf(f, "server", "client-anchors", path_in(f, "dev.ta"));
    const output *b = backup(f, "third");
    says(b->err, "note: not in it, for the CA's key is: ");
    says(b->err, "note: not in it, for it is outside of ");
    says(b->err, "dev.ta (client-anchors)");
    run(&o, "grep", "-c", "correct horse", path_in(f, "third"), NULL);
    assert_string_equal(o.out, "0\n");
    restored(f, "third", "new");
    assert_false(is_there(f, "new/secret"));
    assert_false(is_there(f, "new/first"));
}

/* ------------------------------------------------------------------------------------------- killed */

static bool killed_at(unsigned step, output *o, const fixture *f, const char *command,
                      const char *from, const char *to)
{
    char at[16];
    bool back = strcmp(command, "restore") == 0;
    snprintf(at, sizeof at, "%u", step);
    setenv("ESTOC_KILL_AT", at, 1);
    setenv("LD_PRELOAD", getenv("ESTOC_KILLER"), 1);
    run(o, "estocd", command, back ? "--in" : "--dir", path_in(f, "%s", from),
        back ? "--dir" : "--out", path_in(f, "%s", to), back ? "--store" : NULL, "sqlite:back.db",
        NULL);
    unsetenv("LD_PRELOAD");
    unsetenv("ESTOC_KILL_AT");
    return o->code == 128 + SIGKILL;
}

/* There is a whole backup, or none; a folder that was restored as a whole, or one that says so. */
static void killed(void **state)
{
    fixture *f = *state;
    static char before[65536];
    output o, check;
    fixture_start(f);
    enroll_as(f, "a");
    fixture_stop(f);
    strcpy(before, list(f));
    unsigned step = 1;
    for (; killed_at(step, &o, f, "backup", "srv", "b"); step += 2) {
        assert_in_range(step, 1, STEPS_MAX);
        if (is_there(f, "b")) {
            restored(f, "b", "whole");
            assert_int_equal(rename(path_in(f, "b"), path_in(f, "whole/b")), 0);
        }
    }
    good(&o);
    assert_in_range(step, 4, STEPS_MAX);
    for (step = 1; killed_at(step, &o, f, "restore", "b", "new"); step += 2) {
        assert_in_range(step, 1, STEPS_MAX);
        run(&check, "estocd", "check", "--dir", path_in(f, "new"), NULL);
        if (check.code == 0) {
            assert_true(is_there(f, "new/back.db"));
        }
        run(&check, "rm", "-rf", path_in(f, "new"), NULL);
    }
    good(&o);
    assert_in_range(step, 8, STEPS_MAX);
    move_to(f, "new");
    assert_string_equal(list(f), before);
}

int main(void)
{
    const struct CMUnitTest database[] = {
        NAMED_ALONE("cli restore from PostgreSQL to a file and back", into_a_database),
    };
    const struct CMUnitTest tests[] = {
        NAMED_ALONE("cli backup and restore: all that there was, and it serves on", there_and_back),
        NAMED_ALONE("cli backup of a server at work: one moment of it", at_work),
        NAMED_ALONE("X9 HC 286 yesterday's backup: no serial again, no revocation forgotten",
                    yesterday),
        NAMED_ALONE("cli backup and restore: what they refuse", refused),
        NAMED_ALONE("cli backup: what is not in it", left_out),
        NAMED_ALONE("cli backup and restore, killed at any step", killed),
    };
    return getenv("ESTOC_TEST_STORE") != NULL
               ? cmocka_run_group_tests_name("backup", database, NULL, NULL)
               : cmocka_run_group_tests_name("backup", tests, NULL, NULL);
}
