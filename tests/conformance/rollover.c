/* SPDX-License-Identifier: MIT
 *
 * A change of the CA's root, as devices see it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "device.h"

typedef struct roots {
    EVP_PKEY *old_key, *new_key;
    X509 *old, *fresh, *old_with_new, *new_with_old;
} roots;

static X509 *crossed(EVP_PKEY *key, const char *cn, X509 *issuer, EVP_PKEY *issuer_key)
{
    return cert_new(key,
                    &(cert_cfg){.cn = cn, .issuer = issuer, .issuer_key = issuer_key, .ca = true});
}

static roots roots_of(const fixture *f)
{
    roots r = {.old_key = key_read(ca_key_file(f)), .new_key = key_new("P-256")};
    r.old = cert_read(path_in(f, "srv/ca.crt"));
    r.fresh = cert_new(r.new_key, &(cert_cfg){.cn = "Second CA", .ca = true});
    r.old_with_new = crossed(r.old_key, "Test CA", r.fresh, r.new_key);
    r.new_with_old = crossed(r.new_key, "Second CA", r.old, r.old_key);
    return r;
}

static void roots_free(roots *r)
{
    X509_free(r->old);
    X509_free(r->fresh);
    X509_free(r->old_with_new);
    X509_free(r->new_with_old);
    EVP_PKEY_free(r->old_key);
    EVP_PKEY_free(r->new_key);
}

/* What /crts gives besides the root in force. */
static void write_rollover(const fixture *f, const roots *r, X509 *other_root)
{
    const char *file = path_in(f, "srv/rollover.pem");
    cert_write(other_root, file, "w");
    cert_write(r->old_with_new, file, "a");
    cert_write(r->new_with_old, file, "a");
}

/* The new CA issues, and has issued the server's certificate. */
static void switch_over(fixture *f, const roots *r)
{
    EVP_PKEY *key = key_new("P-256");
    X509 *server_cert = cert_new(key, &(cert_cfg){.cn = "server",
                                                  .issuer = r->fresh,
                                                  .issuer_key = r->new_key,
                                                  .san = "IP:127.0.0.1",
                                                  .eku = "serverAuth"});
    cert_write(server_cert, path_in(f, "srv/server.crt"), "w");
    cert_write(r->new_with_old, path_in(f, "srv/server.crt"), "a");
    key_write(key, path_in(f, "srv/server.key"));
    cert_write(r->fresh, path_in(f, "srv/ca.crt"), "w");
    fixture_ca_key(f, r->new_key);
    cert_write(r->fresh, path_in(f, "srv/client-anchors.pem"), "a");
    write_rollover(f, r, r->old);
    X509_free(server_cert);
    EVP_PKEY_free(key);
}

static void config_is_good(const fixture *f)
{
    output o;
    run(&o, "estocd", "check", "--dir", f->srv, NULL);
    if (o.code != 0) {
        print_error("%s\n", o.err);
    }
    assert_int_equal(o.code, 0);
}

static void expect_crts(const fixture *f, X509 *const *expected)
{
    body crts;
    peer *p = connect_as(f, "dev");
    fetch(p, EST "/crts", 281, -1, &crts);
    STACK_OF(X509) *got = certs_of(&crts);
    assert_int_equal(sk_X509_num(got), 4);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(X509_cmp(sk_X509_value(got, i), expected[i]), 0);
    }
    sk_X509_pop_free(got, X509_free);
    peer_free(p);
}

static void enroll_as(const fixture *f, const char *name)
{
    output o;
    run_as(&o, f, "dev", "enroll", f->uri, "--out", path_in(f, "%s", name), NULL);
    assert_int_equal(o.code, 0);
}

static void renew(const fixture *f, const char *name)
{
    output o;
    run(&o, "estoc", "renew", f->uri, "--out", path_in(f, "%s", name), NULL);
    if (o.code != 0) {
        print_error("%s\n", o.err);
    }
    assert_int_equal(o.code, 0);
    check_pair(f, name);
}

static bool issued_by(const fixture *f, const char *name, X509 *issuer)
{
    X509 *cert = cert_read(path_in(f, "%s.crt", name));
    bool is = X509_NAME_cmp(X509_get_issuer_name(cert), X509_get_subject_name(issuer)) == 0;
    X509_free(cert);
    return is;
}

static unsigned anchors_of(const fixture *f, const char *name)
{
    static char text[65536];
    unsigned n = 0;
    read_file(path_in(f, "%s.ta", name), text, sizeof text);
    for (const char *at = text; (at = strstr(at, "BEGIN CERTIFICATE")) != NULL; at++) {
        n++;
    }
    return n;
}

static void change(void **state)
{
    fixture *f = *state;
    roots r = roots_of(f);
    fixture_start(f);
    enroll_as(f, "early");
    enroll_as(f, "late");
    assert_int_equal(anchors_of(f, "early"), 1);
    fixture_stop(f);

    fixture_conf(f, "ca", "rollover", "rollover.pem");
    write_rollover(f, &r, r.fresh);
    config_is_good(f);
    fixture_start(f);
    expect_crts(f, (X509 *[]){r.old, r.fresh, r.old_with_new, r.new_with_old});
    renew(f, "early"); /* this one hears of it in time */
    assert_int_equal(anchors_of(f, "early"), 2);
    assert_true(issued_by(f, "early", r.old));
    fixture_stop(f);

    switch_over(f, &r);
    config_is_good(f);
    fixture_start(f);
    expect_crts(f, (X509 *[]){r.fresh, r.old, r.old_with_new, r.new_with_old});
    renew(f, "early");
    renew(f, "late"); /* that one knows the old root only */
    assert_true(issued_by(f, "early", r.fresh));
    assert_true(issued_by(f, "late", r.fresh));
    assert_int_equal(anchors_of(f, "late"), 2);
    fixture_stop(f);

    fixture_conf(f, "ca", "rollover", "");
    fixture_start(f);
    renew(f, "late"); /* and it is over */
    assert_int_equal(anchors_of(f, "late"), 1);
    roots_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        NAMED_ALONE("E2 K1 the root changes, and devices take up the new one on the way", change),
    };
    return cmocka_run_group_tests_name("rollover", tests, NULL, NULL);
}
