/* SPDX-License-Identifier: MIT
 *
 * Profiles by version: noted with each certificate, published through the store, and followed.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "device.h"

static void publish(const fixture *f)
{
    output o;
    run(&o, "estocd", "profiles", "publish", "--dir", f->srv, NULL);
    if (o.code != 0) {
        print_error("%s", o.err);
    }
    assert_int_equal(o.code, 0);
}

static bool logs(const fixture *f, const char *words)
{
    static char log[262144];
    for (int i = 0; i < 400; i++) {
        read_file(path_in(f, "estocd.log"), log, sizeof log);
        if (strstr(log, words) != NULL) {
            return true;
        }
        usleep(50000);
    }
    return false;
}

/* A request for another name than its own, which only `names = any` grants. */
static uint8_t ask_for_another_name(peer *p)
{
    EVP_PKEY *key = key_new("P-256");
    body csr, out;
    csr_new(key, "CN=somebody else", NULL, &csr);
    uint8_t code = enroll(p, EST "/sen", &csr, -1, -1, &out);
    EVP_PKEY_free(key);
    return code;
}

/* The version noted with the certificate issued last. */
static int version_of_last(const fixture *f)
{
    output o;
    int version = -1;
    run(&o, "estocd", "list", "--dir", f->srv, "--json", NULL);
    assert_int_equal(o.code, 0);
    for (const char *at = o.out; (at = strstr(at, "\"policy\":")) != NULL; at++) {
        version = atoi(at + 9);
    }
    return version;
}

static void expect_shown(const fixture *f, const char *version, const char *text)
{
    output o;
    run(&o, "estocd", "profiles", "show", version, "--dir", f->srv, NULL);
    assert_int_equal(o.code, 0);
    assert_string_equal(o.out, text);
}

static void noted(void **state)
{
    fixture *f = *state;
    output o;
    fixture_conf(f, "profile", "validity", "90d");
    fixture_start(f);
    peer *p = connect_as(f, "dev");
    body csr, out;
    fresh_csr(&csr);
    assert_int_equal(enroll(p, EST "/sen", &csr, -1, -1, &out), CODE(2, 4));
    assert_int_equal(version_of_last(f), 1);
    fixture_conf(f, "profile", "names", "any");
    kill(f->pid, SIGHUP);
    assert_true(logs(f, "event=profiles version=2 from=file"));
    uint8_t code = 0;
    for (int i = 0; i < 100 && code != CODE(2, 4); i++) { /* until all workers have it */
        code = ask_for_another_name(p);
        usleep(50000);
    }
    assert_int_equal(code, CODE(2, 4));
    assert_int_equal(version_of_last(f), 2);
    expect_shown(f, "1", "[profile]\nvalidity = 90d\n");
    expect_shown(f, "2", "[profile]\nvalidity = 90d\nnames = any\n");
    fixture_restart(f); /* the same profiles are the same version */
    peer_free(p);
    p = connect_as(f, "dev");
    assert_int_equal(ask_for_another_name(p), CODE(2, 4));
    assert_int_equal(version_of_last(f), 2);
    run(&o, "estocd", "profiles", "list", "--dir", f->srv, NULL);
    assert_int_equal(o.code, 0);
    assert_non_null(strstr(o.out, "\n2 "));
    assert_null(strstr(o.out, "\n3 "));
    assert_null(strstr(o.out, "yes")); /* none is published */
    peer_free(p);
}

static void followed(void **state)
{
    fixture *f = *state;
    output o;
    fixture_conf(f, "ca", "profiles", "store");
    run(&o, "estocd", "run", "--dir", f->srv, "--listen", "127.0.0.1:0", NULL);
    assert_int_equal(o.code, 1);
    assert_non_null(strstr(o.err, "none are published"));
    run(&o, "estocd", "check", "--dir", f->srv, NULL);
    assert_int_equal(o.code, 1);
    assert_non_null(strstr(o.err, "none are published"));
    publish(f);
    fixture_start(f);
    peer *p = connect_as(f, "dev");
    assert_int_equal(ask_for_another_name(p), CODE(4, 3));
    fixture_conf(f, "profile", "names", "any"); /* in the file is not published */
    kill(f->pid, SIGHUP);
    assert_true(logs(f, "event=reload result=done"));
    assert_int_equal(ask_for_another_name(p), CODE(4, 3));
    publish(f);
    uint8_t code = 0;
    for (int i = 0; i < 100 && code != CODE(2, 4); i++) {
        usleep(100000);
        code = ask_for_another_name(p); /* in the association that was there before */
    }
    assert_int_equal(code, CODE(2, 4));
    assert_int_equal(version_of_last(f), 2);
    peer_free(p);
}

static void change_text_in_database(const fixture *f, const char *base, const char *text)
{
    char command[PATH_LEN + 512];
    snprintf(command, sizeof command,
             "psql -q -d '%s?options=-csearch_path%%3D%%22test_%s%%22' -v ON_ERROR_STOP=1 -c \""
             "WITH added AS (INSERT INTO policy (digest, text, made_at)"
             " VALUES (sha256('other'), '%s', 1) RETURNING version)"
             " UPDATE counter SET value = added.version FROM added WHERE name = 'policy'\"",
             base, strrchr(f->dir, '-') + 1, text);
    assert_int_equal(system(command), 0);
}

static void change_text(const fixture *f, const char *text)
{
    sqlite3 *db;
    char sql[256];
    const char *base = getenv("ESTOC_TEST_STORE");
    if (base != NULL) {
        change_text_in_database(f, base, text);
        return;
    }
    assert_int_equal(sqlite3_open(path_in(f, "srv/store.db"), &db), SQLITE_OK);
    snprintf(sql, sizeof sql,
             "BEGIN; INSERT INTO policy (digest, text, made_at) VALUES (randomblob(32), '%s', 1);"
             "UPDATE counter SET value = last_insert_rowid() WHERE name = 'policy'; COMMIT",
             text);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

/* Of a later program, say. */
static void not_understood(void **state)
{
    fixture *f = *state;
    output o;
    fixture_conf(f, "ca", "profiles", "store");
    fixture_conf(f, "profile", "names", "any");
    publish(f);
    fixture_start(f);
    peer *p = connect_as(f, "dev");
    assert_int_equal(ask_for_another_name(p), CODE(2, 4));
    change_text(f, "[profile]\nmind-reading = yes\n");
    assert_true(logs(f, "result=\"refused, nothing changed\" why=\"the published profiles, line 2: "
                        "unknown key mind-reading"));
    assert_int_equal(ask_for_another_name(p), CODE(2, 4));
    assert_int_equal(version_of_last(f), 1);
    run(&o, "estocd", "check", "--dir", f->srv, NULL);
    assert_int_equal(o.code, 1);
    assert_non_null(strstr(o.err, "line 2: unknown key mind-reading"));
    fixture_conf(f, "profile", "names", "own");
    publish(f);
    assert_true(logs(f, "event=profiles version=3 from=store"));
    uint8_t code = 0;
    for (int i = 0; i < 100 && code != CODE(4, 3); i++) {
        code = ask_for_another_name(p);
        usleep(50000);
    }
    assert_int_equal(code, CODE(4, 3));
    run(&o, "estocd", "check", "--dir", f->srv, NULL);
    assert_int_equal(o.code, 0);
    peer_free(p);
}

static void fails(const fixture *f, const char *verb, const char *which, const char *words)
{
    output o;
    run(&o, "estocd", "profiles", verb, which, "--dir", f->srv, NULL);
    assert_int_equal(o.code, 1);
    assert_string_equal(o.out, "");
    if (strstr(o.err, words) == NULL) {
        print_error("%s", o.err);
    }
    assert_non_null(strstr(o.err, words));
}

static void the_commands(void **state)
{
    fixture *f = *state;
    output o;
    fails(f, "show", "published", "none are published");
    fails(f, "show", "1", "no such version");
    fails(f, "show", "one", "neither a version");
    fails(f, "show", "-1", "unknown option");
    fails(f, "list", "1", "unexpected argument");
    fails(f, "publish", "1", "unexpected argument");
    fails(f, "forget", "1", "unknown command forget");
    run(&o, "estocd", "profiles", "publish", "--json", "--dir", f->srv, NULL);
    assert_int_equal(o.code, 0);
    assert_non_null(strstr(o.out, "\"version\":\t1"));
    publish(f); /* again */
    run(&o, "estocd", "audit", "show", "--json", "--dir", f->srv, NULL);
    assert_int_equal(o.code, 0);
    const char *line = strstr(o.out, "\"op\":\"profiles\",\"result\":\"published\"");
    assert_non_null(line);
    assert_non_null(strstr(line, "\"policy\":1"));
    expect_shown(f, "published", "[profile]\n");
    run(&o, "estocd", "profiles", "list", "--json", "--dir", f->srv, NULL);
    assert_int_equal(o.code, 0);
    assert_non_null(strstr(o.out, "{\"version\":1,"));
    assert_non_null(strstr(o.out, "\"published\":true}]"));
    fixture_conf(f, "profile", "nonsense", "1");
    run(&o, "estocd", "profiles", "publish", "--dir", f->srv, NULL);
    assert_int_equal(o.code, 1);
    assert_non_null(strstr(o.err, "unknown key nonsense"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        NAMED_ALONE("X9 the version of the profiles is noted with each certificate", noted),
        NAMED_ALONE("D8 X9 profiles that are published are followed, in open associations, too",
                    followed),
        NAMED_ALONE("X8 profiles that are not understood change nothing", not_understood),
        NAMED_ALONE("cli profiles: what it says", the_commands),
    };
    return cmocka_run_group_tests_name("policies", tests, NULL, NULL);
}
