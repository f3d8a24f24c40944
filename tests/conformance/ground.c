/* SPDX-License-Identifier: MIT
 *
 * The server when what it stands on gives way: what is on disk when an answer leaves, a clock that
 * jumps, a CA that has expired or is not there, a library that fails.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "device.h"

/* A server with the witness in it. */
static void start_watched(fixture *f)
{
    const char *witness = getenv("ESTOC_WITNESS");
    assert_non_null(witness);
    setenv("LD_PRELOAD", witness, 1);
    setenv("ESTOC_SHIFT", path_in(f, "shift"), 1);
    setenv("ESTOC_JOURNAL", path_in(f, "journal"), 1);
    setenv("ESTOC_BROKEN", path_in(f, "broken"), 1);
    fixture_start(f);
    unsetenv("ESTOC_BROKEN");
    unsetenv("LD_PRELOAD");
    unsetenv("ESTOC_SHIFT");
    unsetenv("ESTOC_JOURNAL");
}

static void shift_clock(const fixture *f, const char *seconds)
{
    write_file(path_in(f, "shift.new"), seconds, strlen(seconds), "w");
    assert_int_equal(rename(path_in(f, "shift.new"), path_in(f, "shift")), 0);
}

/* POST /sen for a key nobody keeps. */
static void ask_for_one(peer *p, wire_out *o)
{
    body csr;
    fresh_csr(&csr);
    ask(p, o, POST);
    wire_path(o, EST "/sen");
    wire_uint(o, OPT_FORMAT, 286);
    wire_payload(o, csr.bytes, csr.len);
}

static void enroll_over(peer *p, reply *r)
{
    wire_out o;
    ask_for_one(p, &o);
    answer_to(p, &o, r);
}

static void synced_before_sent(void **state)
{
    fixture *f = *state;
    static char text[65536];
    reply r;
    start_watched(f);
    peer *p = connect_as(f, "dev");
    size_t before = read_file(path_in(f, "journal"), text, sizeof text);
    enroll_over(p, &r);
    assert_int_equal(r.m.code, CODE(2, 4));
    size_t after = read_file(path_in(f, "journal"), text, sizeof text);
    assert_true(after > before && after < sizeof text - 1);
    const char *at = text + before;
    const char *received = strstr(at, "receive\n");
    assert_non_null(received);
    const char *sync = strstr(received, "sync\n");
    assert_non_null(sync);
    const char *sent = strstr(received, "send\n");
    assert_non_null(sent);
    assert_true(sync < sent);
    assert_null(strstr(sent, "sync\n")); /* and nothing it promises is synced later */
    assert_null(strstr(at, "sync failed"));
    peer_free(p);
}

/* Timers do not run by the clock of the day. */
static void jumps_of_an_hour(void **state)
{
    fixture *f = *state;
    static const char *const jumps[] = {"3600", "-3600", "0"};
    fixture_conf(f, "server", "idle", "30s");
    start_watched(f);
    peer *p = connect_as(f, "dev");
    for (size_t i = 0; i < sizeof jumps / sizeof jumps[0]; i++) {
        wire_out o;
        reply first, again;
        ask_for_one(p, &o);
        answer_to(p, &o, &first);
        unsigned held = issued(f);
        shift_clock(f, jumps[i]);
        answer_to(p, &o, &again); /* a duplicate still is one */
        assert_int_equal(again.len, first.len);
        assert_memory_equal(again.bytes, first.bytes, first.len);
        assert_int_equal(issued(f), held);
        expect_alive(p);
    }
    peer_free(p);
    p = connect_as(f, "dev");
    expect_alive(p);
    peer_free(p);
}

/* By a day and back, again and again, while devices enroll. */
static void jumps_of_a_day(void **state)
{
    fixture *f = *state;
    start_watched(f);
    pid_t load = run_start("estoc", "bench", f->uri, "--count", "200", "--concurrency", "32",
                           "--cert", path_in(f, "dev.crt"), "--key", path_in(f, "dev.key"), "--ta",
                           path_in(f, "dev.ta"), NULL);
    bool ended = false;
    int code = -1;
    for (unsigned i = 0; !ended && i < 600; i++) {
        int status;
        shift_clock(f, i % 2 == 0 ? "86400" : "0");
        usleep(100000);
        ended = waitpid(load, &status, WNOHANG) == load;
        code = ended && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    }
    assert_true(ended);
    assert_int_equal(code, 0);
    assert_int_equal(issued(f), 200);
    shift_clock(f, "0");
}

/* No file can be opened any more: what is open goes on, what is answered is recorded, and a reload that
 * needs files changes nothing. */
static void no_files(void **state)
{
    fixture *f = *state;
    struct rlimit old;
    unsigned given = 0;
    static char log[65536];
    fixture_start(f);
    assert_int_equal(prlimit(f->pid, RLIMIT_NOFILE, NULL, &old), 0);
    const struct rlimit none = {3, old.rlim_max};
    assert_int_equal(prlimit(f->pid, RLIMIT_NOFILE, &none, NULL), 0);
    for (unsigned i = 0; i < 20; i++) {
        reply r;
        peer *p = connect_as(f, "dev");
        enroll_over(p, &r);
        assert_true(r.m.code == CODE(2, 4) || r.m.code == CODE(5, 3));
        given += r.m.code == CODE(2, 4);
        peer_free(p);
    }
    assert_int_equal(kill(f->pid, SIGHUP), 0);
    for (unsigned i = 0; i < 200 && strstr(log, "event=reload") == NULL; i++) {
        usleep(50000);
        read_file(path_in(f, "estocd.log"), log, sizeof log);
    }
    assert_non_null(strstr(log, "refused, nothing changed"));
    assert_int_equal(prlimit(f->pid, RLIMIT_NOFILE, &old, NULL), 0);
    assert_int_equal(issued(f), given);
    reply r;
    peer *p = connect_as(f, "dev");
    enroll_over(p, &r);
    assert_int_equal(r.m.code, CODE(2, 4));
    assert_int_equal(issued(f), given + 1);
    peer_free(p);
}

static void far_off(void **state)
{
    fixture *f = *state;
    static const char *const jumps[] = {"-86400", "662256000"}; /* a day back, 21 years on */
    start_watched(f);
    for (size_t i = 0; i < sizeof jumps / sizeof jumps[0]; i++) {
        reply r;
        shift_clock(f, "0");
        peer *p = connect_as(f, "dev");
        unsigned held = issued(f);
        shift_clock(f, jumps[i]);
        enroll_over(p, &r);
        /* a device whose certificate is over by then may hear that first */
        assert_true(r.m.code == CODE(5, 3) || (i == 1 && r.m.code == CODE(4, 3)));
        check_diagnostic(&r.m);
        assert_int_equal(issued(f), held);
        peer_free(p);
    }
}

static void ca_expired(void **state)
{
    fixture *f = *state;
    body crts;
    reply r;
    EVP_PKEY *key = key_new("P-256");
    X509 *ca =
        cert_new(key, &(cert_cfg){.cn = "Old CA", .ca = true, .from_s = -864000, .until_s = -3600});
    cert_write(ca, path_in(f, "srv/ca.crt"), "w");
    fixture_ca_key(f, key);
    fixture_start(f);
    peer *p = connect_as(f, "dev");
    unsigned held = issued(f);
    fetch(p, EST "/crts", 287, -1, &crts);
    unsigned char *der = NULL;
    int len = i2d_X509(ca, &der);
    assert_int_equal(crts.len, len);
    assert_memory_equal(crts.bytes, der, crts.len);
    OPENSSL_free(der);
    enroll_over(p, &r);
    assert_int_equal(r.m.code, CODE(5, 3));
    check_diagnostic(&r.m);
    assert_int_equal(issued(f), held);
    peer_free(p);
    X509_free(ca);
    EVP_PKEY_free(key);
}

static unsigned refused_reloads(const fixture *f)
{
    static char log[65536];
    unsigned n = 0;
    read_file(path_in(f, "estocd.log"), log, sizeof log);
    for (const char *at = log; (at = strstr(at, "refused, nothing changed")) != NULL; at++) {
        n++;
    }
    return n;
}

static void expect_crts(const fixture *f, const body *expected)
{
    body crts;
    peer *p = connect_as(f, "dev");
    fetch(p, EST "/crts", -1, -1, &crts);
    assert_int_equal(crts.len, expected->len);
    assert_memory_equal(crts.bytes, expected->bytes, crts.len);
    peer_free(p);
}

/* Empty, no certificate, not to be read, not there: who serves goes on with what it has, and nobody
 * begins to. */
static void ca_missing(void **state)
{
    fixture *f = *state;
    body before;
    output o;
    char file[PATH_LEN];
    strcpy(file, path_in(f, "srv/ca.crt"));
    fixture_start(f);
    peer *p = connect_as(f, "dev");
    fetch(p, EST "/crts", -1, -1, &before);
    peer_free(p);
    for (unsigned n = 0; n < 4; n++) {
        if (n < 2) {
            write_file(file, "no certificate\n", n == 0 ? 0 : 15, "w");
        } else {
            assert_int_equal(remove(file), 0);
            assert_int_equal(n == 2 ? mkdir(file, 0700) : 0, 0); /* root, too, cannot read that */
        }
        assert_int_equal(kill(f->pid, SIGHUP), 0);
        long long end = now_ms() + 20000;
        while (refused_reloads(f) < n + 1 && now_ms() < end) {
            usleep(10000);
        }
        assert_int_equal(refused_reloads(f), n + 1);
        expect_crts(f, &before);
        run(&o, "estocd", "check", "--dir", f->srv, NULL);
        assert_int_equal(o.code, 1);
        assert_non_null(strstr(o.err, "ca.crt"));
    }
    fixture_stop(f);
    run(&o, "estocd", "run", "--dir", f->srv, "--listen", "127.0.0.1:0", NULL);
    assert_int_equal(o.code, 1);
    assert_non_null(strstr(o.err, "ca.crt"));
}

static void library_fails(void **state)
{
    fixture *f = *state;
    reply r;
    start_watched(f);
    peer *p = connect_as(f, "dev");
    unsigned held = issued(f);
    write_file(path_in(f, "broken"), "", 0, "w");
    enroll_over(p, &r);
    assert_int_equal(r.m.code, CODE(5, 0));
    check_diagnostic(&r.m);
    assert_int_equal(issued(f), held);
    assert_int_equal(unlink(path_in(f, "broken")), 0);
    enroll_over(p, &r);
    assert_int_equal(r.m.code, CODE(2, 4));
    assert_int_equal(issued(f), held + 1);
    peer_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        NAMED_ALONE("X9 HC 314 the certificate is synced before the datagram with it leaves",
                    synced_before_sent),
        NAMED_ALONE("C1 D10 HC 322 the clock of the day jumps by an hour", jumps_of_an_hour),
        NAMED_ALONE("X9 HC 277 no file can be opened any more", no_files),
        NAMED_ALONE("X9 HC 322 the clock jumps by a day and back under 32 enrollments",
                    jumps_of_a_day),
        NAMED_ALONE("C4 HC 196 a clock a day or 21 years off: nothing is issued", far_off),
        NAMED_ALONE("C4 HC 197 the CA has expired: /sen is 5.03, /crts is served", ca_expired),
        NAMED_ALONE("C4 a failure of the server's own is 5.00, and nothing is issued",
                    library_fails),
        NAMED_ALONE(
            "E2 HC 326 a CA certificate that is empty, damaged, unreadable or gone: never an "
            "empty /crts",
            ca_missing),
    };
    return cmocka_run_group_tests_name("ground", tests, NULL, NULL);
}
