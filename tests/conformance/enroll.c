/* SPDX-License-Identifier: MIT
 *
 * estoc against estocd: the whole of enrollment and renewal, on good and bad links. (K1, K2)
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/pem.h>

#include "hostile.h"

static void enroll_ok(const fixture *f, const char *uri, const char *prefix)
{
    output o;
    run_as(&o, f, "dev", "enroll", uri, "--out", path_in(f, "%s", prefix), NULL);
    if (o.code != 0) {
        print_error("%s", o.err);
    }
    assert_int_equal(o.code, 0);
    check_pair(f, prefix);
}

static void enroll_and_renew(void **state)
{
    const fixture *f = *state;
    output o;
    enroll_ok(f, f->uri, "a");
    X509 *first = cert_read(path_in(f, "a.crt"));
    EVP_PKEY *first_key = key_read(path_in(f, "a.key"));
    run(&o, "estoc", "renew", f->uri, "--out", path_in(f, "a"), NULL);
    if (o.code != 0) {
        print_error("%s", o.err);
    }
    assert_int_equal(o.code, 0);
    check_pair(f, "a");
    X509 *second = cert_read(path_in(f, "a.crt"));
    EVP_PKEY *second_key = key_read(path_in(f, "a.key"));
    assert_int_not_equal(X509_cmp(first, second), 0);
    assert_int_not_equal(EVP_PKEY_eq(first_key, second_key), 1);
    assert_int_equal(X509_NAME_cmp(X509_get_subject_name(first), X509_get_subject_name(second)), 0);
    run(&o, "estoc", "renew", f->uri, "--out", path_in(f, "a"), "--same-key", NULL);
    assert_int_equal(o.code, 0);
    check_pair(f, "a");
    EVP_PKEY *third_key = key_read(path_in(f, "a.key"));
    assert_int_equal(EVP_PKEY_eq(second_key, third_key), 1);
    X509_free(first);
    X509_free(second);
    EVP_PKEY_free(first_key);
    EVP_PKEY_free(second_key);
    EVP_PKEY_free(third_key);
}

static void block_sizes(void **state)
{
    const fixture *f = *state;
    static const char *const sizes[] = {"16", "32", "64", "128", "256", "512", "1024"};
    for (size_t i = 0; i < 7; i++) {
        output o;
        run_as(&o, f, "dev", "enroll", f->uri, "--out", path_in(f, "b%s", sizes[i]), "--block-size",
               sizes[i], "--format", i % 2 == 0 ? "281" : "287", NULL);
        assert_int_equal(o.code, 0);
        check_pair(f, path_in(f, "b%s", sizes[i]) + strlen(f->dir) + 1);
    }
}

static void small_mtu(void **state)
{
    const fixture *f = *state;
    output o;
    run_as(&o, f, "dev", "enroll", f->uri, "--out", path_in(f, "m"), "--mtu", "256", NULL);
    assert_int_equal(o.code, 0);
    check_pair(f, "m");
}

/* Each of the first datagrams lost, in both directions. */
static void lost_datagrams(void **state)
{
    const fixture *f = *state;
    for (unsigned n = 1; n <= 8; n++) {
        for (int down = 0; down < 2; down++) {
            test_link l;
            char prefix[16];
            snprintf(prefix, sizeof prefix, "l%u%d", n, down);
            link_start(
                &l, &(link_cfg){.to = f->port, .lose_up = down ? 0 : n, .lose_down = down ? n : 0});
            enroll_ok(f, l.uri, prefix);
            link_stop(&l);
        }
    }
}

static void spoiled_key_exchange(void **state)
{
    const fixture *f = *state;
    output o;
    test_link l;
    unsigned before = issued(f);
    link_start(&l, &(link_cfg){.to = f->port, .spoil_key_exchange = true});
    run_as(&o, f, "dev", "enroll", l.uri, "--out", path_in(f, "s"), "--timeout", "5", NULL);
    link_stop(&l);
    assert_int_equal(o.code, 3);
    assert_int_not_equal(access(path_in(f, "s.crt"), F_OK), 0);
    assert_int_equal(issued(f), before);
}

/* Killed at any moment and run again: one usable pair, and never more than one certificate. */
static void interrupted(void **state)
{
    const fixture *f = *state;
    for (int i = 0; i < 10; i++) {
        char prefix[16];
        snprintf(prefix, sizeof prefix, "k%d", i);
        unsigned before = issued(f);
        pid_t pid = run_start("estoc", "enroll", f->uri, "--cert", path_in(f, "dev.crt"), "--key",
                              path_in(f, "dev.key"), "--ta", path_in(f, "dev.ta"), "--out",
                              path_in(f, "%s", prefix), NULL);
        usleep((useconds_t)i * 4000);
        kill(pid, SIGKILL);
        run_wait(pid, 5000);
        enroll_ok(f, f->uri, prefix);
        assert_in_range(issued(f) - before, 1, 2); /* 2: it had come to its end when it was run */
    }
}

static void crts_and_discover(void **state)
{
    const fixture *f = *state;
    output o;
    char text[4096];
    run_as(&o, f, "dev", "crts", f->uri, NULL);
    assert_int_equal(o.code, 0);
    assert_non_null(strstr(o.out, "-----BEGIN CERTIFICATE-----"));
    run_as(&o, f, "dev", "crts", f->uri, "--out", path_in(f, "ca.pem"), NULL);
    assert_int_equal(o.code, 0);
    assert_true(read_file(path_in(f, "ca.pem"), text, sizeof text) > 0);
    run_as(&o, f, "dev", "discover", f->uri, NULL);
    assert_int_equal(o.code, 0);
    assert_non_null(strstr(o.out, "ace.est.sen"));
    run_as(&o, f, "dev", "att", f->uri, NULL);
    assert_int_equal(o.code, 0);
}

static void own_csr(void **state)
{
    const fixture *f = *state;
    output o;
    body csr;
    EVP_PKEY *key = key_new("P-256");
    csr_new(key, "CN=dev", NULL, &csr);
    write_file(path_in(f, "own.der"), csr.bytes, csr.len, "w");
    run_as(&o, f, "dev", "sen", f->uri, "--csr", path_in(f, "own.der"), NULL);
    assert_int_equal(o.code, 0);
    write_file(path_in(f, "own.crt"), o.out, strlen(o.out), "w");
    X509 *cert = cert_read(path_in(f, "own.crt"));
    assert_int_equal(X509_check_private_key(cert, key), 1);
    X509_free(cert);
    key_write(key, path_in(f, "own.key"));
    run(&o, "cp", path_in(f, "dev.ta"), path_in(f, "own.ta"), NULL);
    run_as(&o, f, "own", "sren", f->uri, "--csr", path_in(f, "own.der"), NULL);
    assert_int_equal(o.code, 0);
    run_as(&o, f, "dev", "sren", f->uri, "--csr", path_in(f, "own.der"), NULL);
    assert_int_equal(o.code, 4); /* a bootstrap credential renews nothing */
    EVP_PKEY_free(key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        NAMED("K2 enroll, renew, renew with the same key", enroll_and_renew),
        NAMED("K2 B1 enroll with blocks of 16 to 1024", block_sizes),
        NAMED("K2 D7 enroll with an MTU of 256", small_mtu),
        NAMED("C6 K2 HC 39 enroll while each datagram is lost once", lost_datagrams),
        NAMED("K1 HC 297 a spoiled ServerKeyExchange ends the handshake", spoiled_key_exchange),
        NAMED("K2 enroll killed at any moment and run again", interrupted),
        NAMED("K2 crts, discover and att", crts_and_discover),
        NAMED("K2 sen and sren with a request of one's own", own_csr),
    };
    return cmocka_run_group_tests_name("enroll", tests, group_start, group_stop);
}
