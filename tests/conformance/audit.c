/* SPDX-License-Identifier: MIT
 *
 * The log of decisions: a line for each, whatever becomes of the server; and a store that is put back
 * from a backup, which has forgotten what the log has.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "device.h"

enum { SOON_MS = 15000 }; /* a second is promised; this only bounds the test */

static const char *says(const char *text, const char *words)
{
    const char *at = strstr(text, words);
    if (at == NULL) {
        fail_msg("no \"%s\" in: %s", words, text);
    }
    return at;
}

/* `estocd audit VERB --dir DIR`, with what else there is. */
static output *audit(const fixture *f, int code, const char *verb, const char *option,
                     const char *value)
{
    static output o;
    run(&o, "estocd", "audit", verb, "--dir", f->srv, option, value, NULL);
    if (o.code != code) {
        fail_msg("audit %s: %d: %s", verb, o.code, o.err);
    }
    return &o;
}

/* The last line that has these words, once it is there. */
static const char *line_with(const fixture *f, const char *words)
{
    static char line[8192];
    long long end = now_ms() + SOON_MS;
    for (;;) {
        const output *o = audit(f, 0, "show", "--json", NULL);
        line[0] = '\0';
        for (const char *at = o->out; *at != '\0'; at += strcspn(at, "\n") + 1) {
            char one[8192];
            snprintf(one, sizeof one, "%.*s", (int)strcspn(at, "\n"), at);
            if (strstr(one, words) != NULL) {
                strcpy(line, one);
            }
        }
        if (line[0] != '\0') {
            return line;
        }
        if (now_ms() > end) {
            fail_msg("no line with %s: %s", words, o->out);
        }
        usleep(50000);
    }
}

static const char *verified(const fixture *f)
{
    return audit(f, 0, "verify", NULL, NULL)->out;
}

static int64_t last_line(const fixture *f)
{
    return strtoll(says(audit(f, 0, "verify", "--json", NULL)->out, "\"last\":") + 7, NULL, 10);
}

static void enroll_as(const fixture *f, const char *name)
{
    output o;
    run_as(&o, f, "dev", "enroll", f->uri, "--out", path_in(f, "%s", name), NULL);
    if (o.code != 0) {
        fail_msg("%s", o.err);
    }
}

static const char *serial_of(const fixture *f, const char *name)
{
    static char texts[8][64];
    static unsigned next;
    char *text = texts[next++ % 8];
    X509 *cert = cert_read(path_in(f, "%s.crt", name));
    BIGNUM *n = ASN1_INTEGER_to_BN(X509_get0_serialNumber(cert), NULL);
    char *hex = BN_bn2hex(n);
    size_t i = 0;
    for (; hex[i] != '\0'; i++) {
        text[i] = (char)(hex[i] >= 'A' ? hex[i] + 32 : hex[i]);
    }
    text[i] = '\0';
    OPENSSL_free(hex);
    BN_free(n);
    X509_free(cert);
    return text;
}

static void revoked(const fixture *f, const char *serial, const char *reason)
{
    output o;
    run(&o, "estocd", "revoke", serial, "--dir", f->srv, "--reason", reason, NULL);
    if (o.code != 0) {
        fail_msg("%s", o.err);
    }
}

static uint8_t post(peer *p, const char *path, const body *csr, body *out)
{
    return enroll(p, path, csr, 287, -1, out);
}

/* ------------------------------------------------------------------------------------- its lines */

static void a_line_each(void **state)
{
    fixture *f = *state;
    body csr, bad, first, second;
    struct stat st;
    EVP_PKEY *key = key_new("P-256");
    fixture_start(f);
    peer *p = connect_as(f, "dev");
    csr_new(key, "CN=dev", NULL, &csr);
    csr_new(key, "CN=other", NULL, &bad);
    assert_int_equal(post(p, EST "/sen", &csr, &first), CODE(2, 4));
    const char *line = line_with(f, "\"result\":\"issued\"");
    says(line, "{\"seq\":1,");
    says(line, "\"op\":\"sen\"");
    says(line, "\"subject\":\"CN=dev\"");
    says(line, "\"client\":\"CN=dev\"");
    says(line, "\"client_issuer\":\"CN=Stand-in manufacturer\"");
    says(line, "\"peer\":\"127.0.0.1:");
    says(line, "\"cert\":\"MII");
    assert_int_equal(post(p, EST "/sen", &csr, &second), CODE(2, 4));
    line = line_with(f, "\"result\":\"again\"");
    assert_null(strstr(line, "\"cert\""));
    assert_int_equal(post(p, EST "/sen", &bad, &second), CODE(4, 3));
    line = line_with(f, "\"result\":\"refused\"");
    says(line, "\"rule\":\"X10\",\"why\":\"");
    assert_null(strstr(line, "\"serial\""));
    fixture_stop(f); /* and what a person does, with no server running */
    char serial[64];
    const char *at = says(line_with(f, "\"result\":\"issued\""), "\"serial\":\"") + 10;
    snprintf(serial, sizeof serial, "%.*s", (int)strcspn(at, "\""), at);
    revoked(f, serial, "keyCompromise");
    line = line_with(f, "\"op\":\"revoke\"");
    says(line, "\"seq\":4,");
    says(line, "\"reason\":\"keyCompromise\"");
    says(line, "\"subject\":\"CN=dev\"");
    says(line, "\"by\":\"");
    says(verified(f), "lines 1 to 4");
    assert_int_equal(stat(path_in(f, "srv/audit.log"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    const output *o = audit(f, 0, "show", "--match", "KEYcompromise");
    says(o->out, "revoked   revoke");
    assert_null(strchr(strchr(o->out, '\n') + 1, '\n'));
    says(audit(f, 0, "show", "--since", "9999")->err, "no such line");
    EVP_PKEY_free(key);
    peer_free(p);
}

static void by_a_person(void **state)
{
    fixture *f = *state;
    body csr, out;
    output o;
    EVP_PKEY *key = key_new("P-256");
    fixture_conf(f, "profile", "approval", "manual");
    fixture_start(f);
    peer *p = connect_as(f, "dev");
    csr_new(key, "CN=dev", NULL, &csr);
    for (int i = 0; i < 3; i++) { /* HC 182: asking again is no new decision */
        assert_int_equal(post(p, EST "/sen", &csr, &out), CODE(5, 3));
    }
    says(line_with(f, "\"result\":\"pending\""), "\"request\":1,");
    run(&o, "estocd", "reject", "r1", "--dir", f->srv, NULL);
    assert_int_equal(o.code, 0);
    says(line_with(f, "\"result\":\"rejected\""), "\"subject\":\"CN=dev\"");
    assert_int_equal(post(p, EST "/sen", &csr, &out), CODE(4, 3));
    says(line_with(f, "\"result\":\"refused\""), "\"rule\":\"L2\"");
    run(&o, "estocd", "approve", "r1", "--dir", f->srv, NULL);
    assert_int_equal(o.code, 0);
    says(line_with(f, "\"op\":\"approve\""), "\"request\":1,");
    assert_int_equal(post(p, EST "/sen", &csr, &out), CODE(2, 4));
    says(line_with(f, "\"result\":\"issued\""), "\"request\":1,");
    assert_int_equal(last_line(f), 5);
    EVP_PKEY_free(key);
    peer_free(p);
}

/* X2: what was made before is revoked when it is made again. */
static void superseded(void **state)
{
    fixture *f = *state;
    body csr, out;
    EVP_PKEY *key = key_new("P-256");
    fixture_conf(f, "profile", "keygen", "yes");
    fixture_start(f);
    peer *p = connect_as(f, "dev");
    csr_new(key, "CN=dev", NULL, &csr);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(enroll(p, EST "/skg", &csr, -1, -1, &out), CODE(2, 4));
    }
    const char *line = line_with(f, "\"supersedes\":\"");
    says(line, "\"result\":\"issued\"");
    char old[64];
    snprintf(old, sizeof old, "%.32s", says(line, "\"supersedes\":\"") + 14);
    line = line_with(f, "\"result\":\"revoked\"");
    says(line, old);
    says(line, "\"reason\":\"superseded\"");
    EVP_PKEY_free(key);
    peer_free(p);
}

/* The same lines to the system's log: not the certificate, but the hash. */
static void to_syslog(void **state)
{
    fixture *f = *state;
    static char text[65536];
    char hash[96];
    fixture_conf(f, "ca", "audit-syslog", "yes");
    setenv("LD_PRELOAD", getenv("ESTOC_WITNESS"), 1);
    setenv("ESTOC_JOURNAL", path_in(f, "journal"), 1);
    fixture_start(f);
    unsetenv("LD_PRELOAD");
    unsetenv("ESTOC_JOURNAL");
    enroll_as(f, "a");
    fixture_stop(f);
    read_file(path_in(f, "journal"), text, sizeof text);
    const char *line = says(text, "syslog 86 {\"seq\":1,"); /* authpriv, info */
    says(line, "\"subject\":\"CN=dev\"");
    snprintf(hash, sizeof hash, "\"hash\":\"%.64s\"}\n",
             says(verified(f), "last hash  ") + strlen("last hash  "));
    says(line, hash);
    assert_null(strstr(text, "\"cert\""));
}

static unsigned lines_that_have(const fixture *f, const char *words)
{
    static char text[4 * 1024 * 1024];
    unsigned n = 0;
    read_file(path_in(f, "srv/audit.log"), text, sizeof text);
    for (const char *at = text; (at = strstr(at, words)) != NULL; at++) {
        n++;
    }
    return n;
}

static unsigned in_store(const fixture *f)
{
    output o;
    run(&o, "estocd", "check", "--dir", f->srv, NULL);
    return (unsigned)strtoul(strchr(says(o.out, "store "), ',') + 1, NULL, 10);
}

/* At any moment: what was issued has its line, and what has a line was issued. */
static void killed(void **state)
{
    fixture *f = *state;
    fixture_start(f);
    for (int i = 0; i < 5; i++) {
        pid_t load = run_start("estoc", "bench", f->uri, "--cert", path_in(f, "dev.crt"), "--key",
                               path_in(f, "dev.key"), "--ta", path_in(f, "dev.ta"), "--count",
                               "300", "--concurrency", "8", "--timeout", "1", NULL);
        usleep(200000 + 70000 * (useconds_t)i);
        kill(f->pid, SIGKILL);
        waitpid(f->pid, NULL, 0);
        close(f->out);
        f->pid = 0;
        kill(load, SIGKILL);
        run_wait(load, SOON_MS);
        fixture_start(f);
        assert_int_equal(lines_that_have(f, "\"result\":\"issued\""), in_store(f));
        verified(f);
    }
    assert_in_range(in_store(f), 5, 2000);
}

/* ------------------------------------------------------------------------------- is it whole */

static void broken(const fixture *f, const char *words)
{
    output o;
    run(&o, "estocd", "audit", "verify", "--file", path_in(f, "copy"), NULL);
    assert_int_equal(o.code, 1);
    assert_string_equal(o.out, "");
    says(o.err, words);
    assert_ptr_equal(strchr(o.err, '\n'), o.err + strlen(o.err) - 1); /* one line */
}

static void tampered(void **state)
{
    fixture *f = *state;
    static char text[65536], copy[65536];
    output o;
    fixture_start(f);
    for (int i = 0; i < 5; i++) {
        enroll_as(f, "a");
    }
    fixture_stop(f);
    says(verified(f), "whole      lines 1 to 5 of node ");
    char hash[65];
    snprintf(hash, sizeof hash, "%.64s", says(verified(f), "last hash  ") + 11);
    size_t len = read_file(path_in(f, "srv/audit.log"), text, sizeof text);
    char *third = strstr(text, "{\"seq\":3");
    char *fourth = strstr(text, "{\"seq\":4");
    /* one byte of a certificate */
    memcpy(copy, text, len);
    copy[strstr(third, "\"cert\":\"") - text + 100] ^= 1;
    write_file(path_in(f, "copy"), copy, len, "w");
    broken(f, "copy:4: does not belong behind the line before it: one of them was changed");
    /* a line taken out */
    size_t gone = (size_t)(fourth - third);
    memcpy(copy, text, (size_t)(third - text));
    memcpy(copy + (third - text), fourth, len - (size_t)(fourth - text));
    write_file(path_in(f, "copy"), copy, len - gone, "w");
    broken(f, "copy:3: has the number 4, after 2");
    write_file(path_in(f, "copy"), text, len - 10, "w");
    broken(f, "copy:5: half a line, ");
    /* nor does what it says reach a terminal as it is */
    static const char escape[] =
        "{\"seq\":1,\"time\":\"2026-01-01T00:00:00Z\",\"node\":\"n\",\"op\":\"sen\",\"result\":"
        "\"issued\",\"subject\":\"CN=\\u001b[2J\",\"prev\":"
        "\"0000000000000000000000000000000000000000000000000000000000000000\"}\n";
    write_file(path_in(f, "copy"), escape, sizeof escape - 1, "w");
    run(&o, "estocd", "audit", "show", "--file", path_in(f, "copy"), NULL);
    assert_int_equal(o.code, 0);
    says(o.out, "CN=.[2J");
    write_file(path_in(f, "copy"), "what is this\n", 13, "w");
    broken(f, "copy:1: not a line of JSON");
    /* the file in parts, and an anchor that was kept elsewhere */
    write_file(path_in(f, "one"), text, (size_t)(third - text), "w");
    write_file(path_in(f, "two"), third, len - (size_t)(third - text), "w");
    run(&o, "estocd", "audit", "verify", "--file", path_in(f, "one"), "--file", path_in(f, "two"),
        "--expect", hash, NULL);
    assert_int_equal(o.code, 0);
    says(o.out, "lines 1 to 5");
    says(o.out, "that is line 5");
    run(&o, "estocd", "audit", "verify", "--file", path_in(f, "two"), NULL);
    assert_int_equal(o.code, 0);
    says(o.err, "the first line is number 3");
    run(&o, "estocd", "audit", "verify", "--file", path_in(f, "one"), "--expect", hash, NULL);
    assert_int_equal(o.code, 1);
    says(o.err, "no line has the hash ");
    run(&o, "estocd", "audit", "verify", NULL);
    assert_int_equal(o.code, 1);
    says(o.err, "--dir DIR or --file FILE is missing");
}

/* --------------------------------------------------------------------------------- put back */

static void copy_file(const fixture *f, const char *from, const char *to)
{
    static char bytes[4 * 1024 * 1024];
    FILE *in = fopen(path_in(f, "%s", from), "r");
    assert_non_null(in);
    size_t len = fread(bytes, 1, sizeof bytes, in);
    fclose(in);
    write_file(path_in(f, "%s", to), bytes, len, "w");
}

static void not_run(const fixture *f, const char *words)
{
    output o;
    run(&o, "estocd", "run", "--dir", f->srv, "--listen", "127.0.0.1:0", NULL);
    assert_int_equal(o.code, 1);
    says(o.err, words);
    run(&o, "estocd", "check", "--dir", f->srv, NULL);
    assert_int_equal(o.code, 1);
    says(o.err, words);
}

/* HC 286: a day passes between the copy and its return. */
static void yesterday(void **state)
{
    fixture *f = *state;
    static char before[65536];
    output o;
    body csr, mine, again;
    EVP_PKEY *key = key_new("P-256");
    csr_new(key, "CN=dev", NULL, &csr);
    fixture_start(f);
    enroll_as(f, "old");
    enroll_as(f, "old2");
    fixture_stop(f);
    copy_file(f, "srv/store.db", "yesterday.db");
    fixture_start(f);
    enroll_as(f, "new");
    enroll_as(f, "new2");
    peer *p = connect_as(f, "dev");
    assert_int_equal(post(p, EST "/sen", &csr, &mine), CODE(2, 4));
    peer_free(p);
    revoked(f, serial_of(f, "old"), "keyCompromise");
    revoked(f, serial_of(f, "new"), "superseded");
    fixture_stop(f);
    run(&o, "estocd", "list", "--dir", f->srv, "--json", NULL);
    strcpy(before, o.out);
    copy_file(f, "yesterday.db", "srv/store.db");
    not_run(f, "5 decisions in it are not in the store, which was put back; `estocd audit replay "
               "--dir DIR` puts them in");
    o = *audit(f, 1, "verify", NULL, NULL);
    says(o.err, "5 decisions in it are not in the store");
    o = *audit(f, 0, "replay", NULL, NULL);
    says(o.err, "put in: 3 certificates, 2 revocations; 0 and 0 were there");
    run(&o, "estocd", "list", "--dir", f->srv, "--json", NULL);
    assert_string_equal(o.out, before); /* in all that a list has */
    o = *audit(f, 0, "replay", NULL, NULL);
    says(o.err, "nothing to put in");
    says(verified(f), "lines 1 to 8");
    says(line_with(f, "\"result\":\"replayed\""), "3 certificates and 2 revocations");
    fixture_start(f);
    /* what was issued since is known: the same request gets the same */
    p = connect_as(f, "dev");
    assert_int_equal(post(p, EST "/sen", &csr, &again), CODE(2, 4));
    assert_int_equal(again.len, mine.len);
    assert_memory_equal(again.bytes, mine.bytes, mine.len);
    peer_free(p);
    /* and who was revoked since still is */
    run(&o, "estoc", "renew", f->uri, "--out", path_in(f, "old"), NULL);
    assert_in_range(o.code, 3, 4);
    run(&o, "estoc", "renew", f->uri, "--out", path_in(f, "new"), NULL);
    assert_in_range(o.code, 3, 4);
    run(&o, "estoc", "renew", f->uri, "--out", path_in(f, "new2"), NULL);
    assert_int_equal(o.code, 0);
    EVP_PKEY_free(key);
}

/* The store that was put back went on; then the log of before was found. */
static void found_later(void **state)
{
    fixture *f = *state;
    output o;
    fixture_start(f);
    enroll_as(f, "old");
    fixture_stop(f);
    copy_file(f, "srv/store.db", "yesterday.db");
    copy_file(f, "srv/audit.log", "yesterday.log");
    fixture_start(f);
    enroll_as(f, "lost");
    revoked(f, serial_of(f, "old"), "keyCompromise");
    fixture_stop(f);
    copy_file(f, "srv/audit.log", "found.log");
    copy_file(f, "yesterday.db", "srv/store.db");
    copy_file(f, "yesterday.log", "srv/audit.log");
    fixture_start(f);
    enroll_as(f, "newer");
    enroll_as(f, "newer2");
    enroll_as(f, "newer3");
    fixture_stop(f);
    copy_file(f, "srv/audit.log", "own.log");
    /* in the place of the store's own it is refused */
    copy_file(f, "found.log", "srv/audit.log");
    not_run(f, "it is of another history than the store");
    o = *audit(f, 1, "replay", NULL, NULL);
    says(o.err, "of another history");
    copy_file(f, "own.log", "srv/audit.log");
    o = *audit(f, 0, "replay", "--file", path_in(f, "found.log"));
    says(o.err, "put in: 1 certificates, 1 revocations; 1 and 0 were there");
    o = *audit(f, 0, "replay", "--file", path_in(f, "found.log"));
    says(o.err, "put in: 0 certificates, 0 revocations; 2 and 1 were there");
    assert_int_equal(issued(f), 5);
    says(verified(f), "lines 1 to 6");
    fixture_start(f);
    run(&o, "estoc", "renew", f->uri, "--out", path_in(f, "old"), NULL);
    assert_in_range(o.code, 3, 4);
    run(&o, "estoc", "renew", f->uri, "--out", path_in(f, "lost"), NULL);
    assert_int_equal(o.code, 0);
}

/* The log was put aside since the backup: both parts are needed. */
static void in_parts(void **state)
{
    fixture *f = *state;
    output o;
    fixture_start(f);
    enroll_as(f, "a");
    fixture_stop(f);
    copy_file(f, "srv/store.db", "yesterday.db");
    fixture_start(f);
    enroll_as(f, "b");
    line_with(f, "\"seq\":2,");
    assert_int_equal(rename(path_in(f, "srv/audit.log"), path_in(f, "part1")), 0);
    write_file(path_in(f, "srv/audit.log"), "", 0, "w");
    enroll_as(f, "c");
    line_with(f, "\"seq\":3,");
    fixture_stop(f);
    copy_file(f, "yesterday.db", "srv/store.db");
    not_run(f, "2 decisions in it are not in the store");
    o = *audit(f, 1, "replay", NULL, NULL);
    says(o.err, "begins with line 3, and the store knows 1: give the part between");
    o = *audit(f, 0, "replay", "--file", path_in(f, "part1"));
    says(o.err, "put in: 2 certificates");
    assert_int_equal(issued(f), 3);
    fixture_start(f);
    enroll_as(f, "d");
    line_with(f, "\"seq\":5,");
}

static void not_believed(void **state)
{
    fixture *f = *state;
    static char text[65536];
    output o;
    fixture_start(f);
    enroll_as(f, "a");
    fixture_stop(f);
    copy_file(f, "srv/store.db", "yesterday.db");
    fixture_start(f);
    enroll_as(f, "b");
    enroll_as(f, "c");
    fixture_stop(f);
    copy_file(f, "yesterday.db", "srv/store.db");
    copy_file(f, "srv/audit.log", "good.log");
    size_t len = read_file(path_in(f, "srv/audit.log"), text, sizeof text);
    text[strstr(text, "{\"seq\":2") - text + 80] ^= 1;
    write_file(path_in(f, "srv/audit.log"), text, len, "w");
    o = *audit(f, 1, "replay", NULL, NULL);
    says(o.err, "audit.log:");
    assert_int_equal(issued(f), 1);
    /* half a line at its end is none */
    copy_file(f, "good.log", "srv/audit.log");
    write_file(path_in(f, "srv/audit.log"), "{\"seq\":4,", 9, "a");
    not_run(f, "2 decisions in it are not in the store");
    o = *audit(f, 0, "replay", NULL, NULL);
    says(o.err, "put in: 2 certificates");
    says(verified(f), "lines 1 to 4");
    /* no log at all */
    fixture_start(f);
    enroll_as(f, "d");
    fixture_stop(f);
    fixture_start(f);
    enroll_as(f, "e"); /* what was written before is taken from the store */
    fixture_stop(f);
    assert_int_equal(unlink(path_in(f, "srv/audit.log")), 0);
    not_run(f, "not there, and the store has written");
    write_file(path_in(f, "srv/audit.log"), "", 0, "w");
    fixture_start(f);
    enroll_as(f, "g");
    line_with(f, "\"result\":\"issued\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        NAMED_ALONE("X9 each decision is a line of the audit log", a_line_each),
        NAMED_ALONE("L2 what a person decides is a line, and asking again is none", by_a_person),
        NAMED_ALONE("X2 what a new key takes the place of is a line of its own", superseded),
        NAMED_ALONE("X9 audit-syslog: each line with its hash, without the certificate", to_syslog),
        NAMED_ALONE("X9 HC 279 killed at any moment: a line for each certificate, and no other",
                    killed),
        NAMED_ALONE("cli audit verify: changed, missing, cut, foreign, in parts", tampered),
        NAMED_ALONE("X9 HC 286 yesterday's store is not served from until the log is replayed",
                    yesterday),
        NAMED_ALONE("X9 HC 286 yesterday's store went on, and the log was found later",
                    found_later),
        NAMED_ALONE("X9 HC 286 a log in two parts", in_parts),
        NAMED_ALONE("X9 HC 286 a log that is changed, cut or lost", not_believed),
    };
    return cmocka_run_group_tests_name("audit", tests, NULL, NULL);
}
