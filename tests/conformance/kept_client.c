/* SPDX-License-Identifier: MIT
 *
 * What the client keeps between runs: answers with their ETags. (E2)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "hostile.h"

static void expect_unchanged(const output *o, bool unchanged)
{
    assert_int_equal(o->code, 0);
    assert_non_null(strstr(o->out, unchanged ? "\"unchanged\":\ttrue" : "\"unchanged\":\tfalse"));
}

static void crts_cache(void **state)
{
    fixture *f = *state;
    output first, o;
    char cache[PATH_LEN]; /* path_in has a few buffers only */
    snprintf(cache, sizeof cache, "%s", path_in(f, "crts.kept"));
    fixture_start(f);
    run_as(&first, f, "dev", "crts", f->uri, "--cache", cache, NULL);
    assert_int_equal(first.code, 0);
    run_as(&o, f, "dev", "crts", f->uri, "--cache", cache, NULL);
    assert_int_equal(o.code, 0);
    assert_string_equal(o.out, first.out); /* the same certificates, and none was sent */
    run_as(&o, f, "dev", "crts", f->uri, "--cache", cache, "--json", NULL);
    expect_unchanged(&o, true);
    /* what is kept for one format is not shown for another */
    run_as(&o, f, "dev", "crts", f->uri, "--cache", cache, "--json", "--format", "287", NULL);
    expect_unchanged(&o, false);
    run_as(&o, f, "dev", "crts", f->uri, "--cache", cache, "--json", "--format", "287", NULL);
    expect_unchanged(&o, true);
    /* a file that is damaged, or cannot be written, costs a transfer and no more */
    write_file(cache, "x", 1, "a");
    run_as(&o, f, "dev", "crts", f->uri, "--cache", cache, "--json", "--format", "287", NULL);
    expect_unchanged(&o, false);
    run_as(&o, f, "dev", "crts", f->uri, "--cache", "/nonexistent/f", "--json", NULL);
    expect_unchanged(&o, false);
    assert_non_null(strstr(o.err, "/nonexistent/f"));
}

static void att_cache(void **state)
{
    fixture *f = *state;
    output first, o;
    char cache[PATH_LEN];
    snprintf(cache, sizeof cache, "%s", path_in(f, "att.kept"));
    fixture_conf(f, "profile", "attributes", "ecPublicKey:secp256r1");
    fixture_start(f);
    run_as(&first, f, "dev", "att", f->uri, "--cache", cache, NULL);
    assert_int_equal(first.code, 0);
    run_as(&o, f, "dev", "att", f->uri, "--cache", cache, NULL);
    assert_int_equal(o.code, 0);
    assert_string_equal(o.out, first.out);
    run_as(&o, f, "dev", "att", f->uri, "--cache", cache, "--json", NULL);
    expect_unchanged(&o, true);
    fixture_conf(f, "profile", "attributes", "ecPublicKey:secp384r1");
    fixture_restart(f);
    run_as(&o, f, "dev", "att", f->uri, "--cache", cache, "--json", NULL);
    expect_unchanged(&o, false);
    assert_non_null(strstr(o.out, "secp384r1"));
}

/* Bytes that came, by the client's own account. */
static long received(const output *o)
{
    const char *at = strstr(o->out, "\"bytes_received\":");
    assert_non_null(at);
    return strtol(at + strlen("\"bytes_received\":"), NULL, 10);
}

static void renew_keeps(void **state)
{
    fixture *f = *state;
    output o;
    char op[PATH_LEN];
    snprintf(op, sizeof op, "%s", path_in(f, "op"));
    fixture_start(f);
    run_as(&o, f, "dev", "enroll", f->uri, "--out", op, "--json", NULL);
    assert_int_equal(o.code, 0);
    assert_int_equal(access(path_in(f, "op.d/crts"), R_OK), 0);
    run(&o, "estoc", "renew", f->uri, "--out", op, "--json", NULL);
    assert_int_equal(o.code, 0);
    long with = received(&o);
    /* the anchors are kept in both files: one that is lost comes back */
    assert_int_equal(unlink(path_in(f, "op.ta")), 0);
    run(&o, "estoc", "renew", f->uri, "--out", op, "--ta", path_in(f, "dev.ta"), NULL);
    assert_int_equal(o.code, 0);
    assert_int_equal(access(path_in(f, "op.ta"), R_OK), 0);
    assert_int_equal(unlink(path_in(f, "op.d/crts")), 0);
    run(&o, "estoc", "renew", f->uri, "--out", op, "--json", NULL);
    assert_int_equal(o.code, 0);
    assert_true(received(&o) > with + 300); /* a certificate more */
}

/* A server that says "unchanged" to a client that has nothing. */
static void valid_unasked(void **state)
{
    fixture *f = *state;
    EVP_PKEY *key = key_new("P-256");
    X509 *ca = cert_new(key, &(cert_cfg){.cn = "Hostile CA", .ca = true});
    X509 *cert = cert_new(key, &(cert_cfg){.cn = "server",
                                           .issuer = ca,
                                           .issuer_key = key,
                                           .san = "IP:127.0.0.1",
                                           .eku = "serverAuth"});
    body nothing = {.len = 0};
    const script s[] = {
        {.name = "crts", .code = CODE(2, 3), .format = -1, .payload = &nothing, .max_age = -1}};
    hostile h;
    output o;
    cert_write(ca, path_in(f, "dev.ta"), "w");
    hostile_start(&h, f,
                  &(hostile_cfg){.cert = cert,
                                 .key = key,
                                 .issuer = ca,
                                 .issuer_key = key,
                                 .scripts = s,
                                 .scripts_n = 1});
    run_as(&o, f, "dev", "enroll", h.uri, "--out", path_in(f, "op"), "--timeout", "5", NULL);
    assert_int_equal(o.code, 5);
    assert_int_not_equal(access(path_in(f, "op.ta"), F_OK), 0);
    assert_int_equal(hostile_asked(&h, "sen"), 0);
    hostile_stop(&h);
    X509_free(cert);
    X509_free(ca);
    EVP_PKEY_free(key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        NAMED_ALONE("E2 estoc crts --cache", crts_cache),
        NAMED_ALONE("E2 estoc att --cache", att_cache),
        NAMED_ALONE("E2 enroll and renew keep the anchors", renew_keeps),
        NAMED_ALONE("E2 K1 2.03 without an ETag shown is no answer", valid_unasked),
    };
    return cmocka_run_group_tests_name("kept_client", tests, NULL, NULL);
}
