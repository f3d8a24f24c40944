/* SPDX-License-Identifier: MIT
 *
 * estocd ca: an offline root, an issuing CA below it, a change of either, and devices that follow.
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

#include "device.h"

static void ok(const output *o)
{
    if (o->code != 0) {
        print_error("%s", o->err);
    }
    assert_int_equal(o->code, 0);
}

static void refused(const output *o, const char *words)
{
    assert_int_equal(o->code, 1);
    if (strstr(o->err, words) == NULL) {
        fail_msg("no \"%s\" in: %s", words, o->err);
    }
    const char *end = strchr(o->err, '\n');
    assert_true(end != NULL && end[1] == '\0'); /* one line */
}

static void reload(const fixture *f)
{
    static char log[262144];
    unsigned before = 0, now = 0;
    long long end = now_ms() + 20000;
    read_file(path_in(f, "estocd.log"), log, sizeof log);
    for (const char *at = log; (at = strstr(at, "event=reload")) != NULL; at++) {
        before++;
    }
    assert_int_equal(kill(f->pid, SIGHUP), 0);
    do {
        usleep(10000);
        now = 0;
        read_file(path_in(f, "estocd.log"), log, sizeof log);
        for (const char *at = log; (at = strstr(at, "event=reload")) != NULL; at++) {
            now++;
        }
    } while (now == before && now_ms() < end);
    if (strstr(log, "nothing changed") != NULL) {
        print_error("%s", log);
    }
    assert_null(strstr(log, "nothing changed"));
    assert_int_equal(now, before + 1);
}

static void check_good(const fixture *f)
{
    output o;
    run(&o, "estocd", "check", "--dir", f->srv, NULL);
    ok(&o);
}

static void make_root(const fixture *f, const char *name)
{
    output o;
    run(&o, "estocd", "ca", "root", "--out", path_in(f, "%s", name), "--name", name, "--passphrase",
        "file:/dev/stdin", NULL);
    refused(&o, "the first line is the passphrase, and it is empty");
    char source[PATH_LEN];
    snprintf(source, sizeof source, "file:%s", path_in(f, "pass"));
    write_file(path_in(f, "pass"), "open sesame\n", 12, "w");
    run(&o, "estocd", "ca", "root", "--out", path_in(f, "%s", name), "--name", name, "--passphrase",
        source, NULL);
    ok(&o);
}

/* What stands behind "key  " in what a verb says. */
static void fingerprint(const output *o, char out[80])
{
    const char *at = strstr(o->err, "\nkey  ");
    assert_non_null(at);
    size_t n = strcspn(at + 6, "\n");
    assert_int_equal(n, 71);
    memcpy(out, at + 6, n);
    out[n] = '\0';
}

static void sign_issuing(const fixture *f, const char *root, const char *name)
{
    output o;
    char asked[80], signed_[80], source[PATH_LEN];
    snprintf(source, sizeof source, "file:%s", path_in(f, "pass"));
    run(&o, "estocd", "ca", "csr", "--dir", f->srv, "--out", path_in(f, "%s.csr", name), "--name",
        name, NULL);
    ok(&o);
    fingerprint(&o, asked);
    run(&o, "estocd", "ca", "sign", "--root", path_in(f, "%s", root), "--csr",
        path_in(f, "%s.csr", name), "--out", path_in(f, "%s.pem", name), "--path-len", "0",
        "--passphrase", source, NULL);
    ok(&o);
    fingerprint(&o, signed_);
    assert_string_equal(asked, signed_);
}

static void import(const fixture *f, const char *name)
{
    output o;
    run(&o, "estocd", "ca", "import", "--dir", f->srv, "--chain", path_in(f, "%s.pem", name), NULL);
    ok(&o);
    check_good(f);
}

/* The key is the certificate's, which leads over what is behind it to what the device trusts. */
static void pair_leads(const fixture *f, const char *name)
{
    output o;
    X509 *cert = cert_read(path_in(f, "%s.crt", name));
    EVP_PKEY *key = key_read(path_in(f, "%s.key", name));
    assert_int_equal(X509_check_private_key(cert, key), 1);
    run(&o, "openssl", "verify", "-CAfile", path_in(f, "%s.ta", name), "-untrusted",
        path_in(f, "%s.crt", name), path_in(f, "%s.crt", name), NULL);
    ok(&o);
    X509_free(cert);
    EVP_PKEY_free(key);
}

static void enroll_as(const fixture *f, const char *device, const char *out)
{
    output o;
    run_as(&o, f, device, "enroll", f->uri, "--out", path_in(f, "%s", out), NULL);
    ok(&o);
    pair_leads(f, out);
}

static void renew(const fixture *f, const char *name)
{
    output o;
    run(&o, "estoc", "renew", f->uri, "--out", path_in(f, "%s", name), NULL);
    ok(&o);
    pair_leads(f, name);
}

/* By another's eyes. */
static void verifies(const fixture *f, const char *root, const char *issuing, const char *name)
{
    output o;
    run(&o, "openssl", "verify", "-x509_strict", "-CAfile", path_in(f, "%s.crt", root),
        "-untrusted", path_in(f, "%s.pem", issuing), path_in(f, "%s.crt", name), NULL);
    ok(&o);
}

static bool is_named(X509_NAME *name, const char *cn)
{
    char text[128] = "";
    X509_NAME_get_text_by_NID(name, NID_commonName, text, sizeof text);
    return strcmp(text, cn) == 0;
}

static void issued_by(const fixture *f, const char *name, const char *cn)
{
    X509 *cert = cert_read(path_in(f, "%s.crt", name));
    assert_true(is_named(X509_get_issuer_name(cert), cn));
    X509_free(cert);
}

/* The subjects of /crts, in their order. */
static void expect_crts(const fixture *f, const char *device, const char *const *names, int n)
{
    body crts;
    peer *p = connect_as(f, device);
    fetch(p, EST "/crts", 281, -1, &crts);
    STACK_OF(X509) *got = certs_of(&crts);
    assert_int_equal(sk_X509_num(got), n);
    for (int i = 0; i < n; i++) {
        assert_true(is_named(X509_get_subject_name(sk_X509_value(got, i)), names[i]));
    }
    sk_X509_pop_free(got, X509_free);
    peer_free(p);
}

/* Set up, enroll, renew; then another root, which the same devices follow, and those that slept. */
static void offline_root(void **state)
{
    fixture *f = *state;
    output o;
    make_root(f, "Root");
    sign_issuing(f, "Root", "Issuing");
    fixture_start(f); /* with the CA of init */
    import(f, "Issuing");
    reload(f);
    fixture_device(f, "CN=dev2", "dev2"); /* knows the root */
    fixture_device(f, "CN=dev3", "dev3");
    expect_crts(f, "dev2", (const char *const[]){"Root", "Issuing"}, 2);
    enroll_as(f, "dev2", "op");
    issued_by(f, "op", "Issuing");
    verifies(f, "Root", "Issuing", "op");
    renew(f, "op");

    make_root(f, "Root2");
    char source[PATH_LEN];
    snprintf(source, sizeof source, "file:%s", path_in(f, "pass"));
    run(&o, "estocd", "ca", "cross", "--root", path_in(f, "Root"), "--next", path_in(f, "Root2"),
        "--out", path_in(f, "srv/rollover.pem"), "--passphrase", source, NULL);
    ok(&o);
    fixture_conf(f, "ca", "rollover", "rollover.pem");
    check_good(f);
    reload(f);
    expect_crts(f, "dev2", (const char *const[]){"Root", "Issuing", "Root2", "Root", "Root2"}, 5);
    renew(f, "op"); /* hears of Root2 */
    sign_issuing(f, "Root2", "Issuing2");
    import(f, "Issuing2");
    reload(f);
    renew(f, "op");
    issued_by(f, "op", "Issuing2");
    verifies(f, "Root2", "Issuing2", "op");
    enroll_as(f, "dev3", "op3"); /* heard of Root only, when it was made */
    issued_by(f, "op3", "Issuing2");
    renew(f, "op3");
    fixture_conf(f, "ca", "rollover", "");
    reload(f);
    renew(f, "op");
    run(&o, "estocd", "ca", "show", "--dir", f->srv, NULL);
    ok(&o);
    assert_non_null(strstr(o.out, "ca       CN=Issuing2, until "));
    assert_non_null(strstr(o.out, "root     CN=Root2, until "));
    assert_null(strstr(o.out, "next"));
}

static void rollover(void **state)
{
    fixture *f = *state;
    output o;
    fixture_start(f);
    enroll_as(f, "dev", "early");
    fixture_device(f, "CN=late", "late");
    run(&o, "estocd", "ca", "rollover", "--dir", f->srv, "--switch", NULL);
    refused(&o, "nothing is announced");
    run(&o, "estocd", "ca", "rollover", "--dir", f->srv, NULL);
    refused(&o, "--name: the next root needs one");
    run(&o, "estocd", "ca", "rollover", "--dir", f->srv, "--name", "Test CA", NULL);
    refused(&o, "so is the present root called");
    for (unsigned again = 0; again < 2; again++) {
        run(&o, "estocd", "ca", "rollover", "--dir", f->srv, "--name", "Second CA", NULL);
        ok(&o);
        assert_non_null(strstr(o.err, "rollover = rollover.pem"));
    }
    run(&o, "estocd", "ca", "rollover", "--dir", f->srv, "--switch", NULL);
    refused(&o, "`rollover` set in estocd.conf");
    fixture_conf(f, "ca", "rollover", "rollover.pem");
    check_good(f);
    reload(f);
    expect_crts(f, "dev", (const char *const[]){"Test CA", "Second CA", "Test CA", "Second CA"}, 4);
    renew(f, "early");
    issued_by(f, "early", "Test CA");
    run(&o, "estocd", "ca", "rollover", "--dir", f->srv, "--switch", NULL);
    ok(&o);
    check_good(f);
    reload(f);
    expect_crts(f, "late", (const char *const[]){"Second CA", "Test CA", "Test CA", "Second CA"},
                4);
    renew(f, "early");
    issued_by(f, "early", "Second CA");
    enroll_as(f, "late", "op"); /* knows the old root only */
    issued_by(f, "op", "Second CA");
    run(&o, "estocd", "ca", "rollover", "--dir", f->srv, "--switch", NULL);
    ok(&o); /* it is done */
    fixture_conf(f, "ca", "rollover", "");
    reload(f);
    renew(f, "early");
    renew(f, "op");
}

static void encrypted(void **state)
{
    fixture *f = *state;
    output o;
    char source[PATH_LEN], text[64];
    fixture other = *f;
    snprintf(source, sizeof source, "file:%s", path_in(f, "pass"));
    snprintf(other.srv, sizeof other.srv, "%s/srv2", f->dir);
    write_file(path_in(f, "pass"), "open sesame\n", 12, "w");
    run(&o, "estocd", "init", "--dir", other.srv, "--host", "localhost", "--passphrase", source,
        NULL);
    ok(&o);
    make_root(f, "Root");
    sign_issuing(&other, "Root", "Issuing");
    read_file(path_in(f, "srv2/ca.key.next"), text, sizeof text);
    assert_memory_equal(text, "-----BEGIN ENCRYPTED PRIVATE KEY-----", 37);
    import(&other, "Issuing");
    read_file(path_in(f, "srv2/ca.key"), text, sizeof text);
    assert_memory_equal(text, "-----BEGIN ENCRYPTED PRIVATE KEY-----", 37);
}

/* A program killed as it begins its n-th step; then run again. */
static void run_killed(output *o, unsigned step, const char *const *argv)
{
    char at[16];
    snprintf(at, sizeof at, "%u", step);
    setenv("ESTOC_KILL_AT", at, 1);
    setenv("LD_PRELOAD", getenv("ESTOC_KILLER"), 1);
    runv(o, argv);
    unsetenv("LD_PRELOAD");
    unsetenv("ESTOC_KILL_AT");
}

static void copy_dir(const fixture *f, const char *from, const char *to)
{
    output o;
    run(&o, "rm", "-rf", path_in(f, "%s", to), NULL);
    ok(&o);
    run(&o, "cp", "-a", path_in(f, "%s", from), path_in(f, "%s", to), NULL);
    ok(&o);
}

/* At each instant key and chain belong together, and the verb ends well when it is run again. */
static void killed_at_each_step(fixture *f, const char *const *argv, const char *ca)
{
    output o;
    unsigned step = 0;
    copy_dir(f, "srv", "before");
    do {
        copy_dir(f, "before", "srv");
        run_killed(&o, ++step, argv);
        if (o.code != 0) {
            assert_int_equal(o.code, 128 + SIGKILL);
            check_good(f);
            runv(&o, argv);
            ok(&o);
            o.code = 1;
        }
        output shown; /* key and chain fit, or there is none */
        run(&shown, "estocd", "ca", "show", "--dir", f->srv, NULL);
        ok(&shown);
        assert_non_null(strstr(shown.out, ca));
        assert_null(strstr(shown.out, "next"));
        assert_int_not_equal(access(path_in(f, "srv/ca.key.next"), F_OK), 0);
    } while (o.code != 0);
    check_good(f);
    assert_in_range(step, 10, 80);
}

static void import_killed(void **state)
{
    fixture *f = *state;
    make_root(f, "Root");
    sign_issuing(f, "Root", "Issuing");
    char chain[PATH_LEN];
    strcpy(chain, path_in(f, "Issuing.pem"));
    killed_at_each_step(
        f, (const char *const[]){"estocd", "ca", "import", "--dir", f->srv, "--chain", chain, NULL},
        "CN=Issuing,");
}

static void rollover_killed(void **state)
{
    fixture *f = *state;
    output o;
    run(&o, "estocd", "ca", "rollover", "--dir", f->srv, "--name", "Second CA", NULL);
    ok(&o);
    fixture_conf(f, "ca", "rollover", "rollover.pem");
    killed_at_each_step(
        f, (const char *const[]){"estocd", "ca", "rollover", "--dir", f->srv, "--switch", NULL},
        "CN=Second CA,");
    assert_int_not_equal(access(path_in(f, "srv/ca.crt.next"), F_OK), 0);
}

static void write_chain(const fixture *f, X509 *const *certs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        cert_write(certs[i], path_in(f, "bad.pem"), i == 0 ? "w" : "a");
    }
}

static void import_bad(const fixture *f, X509 *const *certs, size_t n, const char *words)
{
    output o;
    write_chain(f, certs, n);
    run(&o, "estocd", "ca", "import", "--dir", f->srv, "--chain", path_in(f, "bad.pem"), NULL);
    refused(&o, words);
}

static void import_refused(void **state)
{
    fixture *f = *state;
    output o;
    static char before[8192], after[8192];
    read_file(path_in(f, "srv/ca.crt"), before, sizeof before);
    run(&o, "estocd", "ca", "csr", "--dir", f->srv, "--out", path_in(f, "ca.csr"), NULL);
    ok(&o);
    EVP_PKEY *key = key_read(path_in(f, "srv/ca.key.next"));
    EVP_PKEY *root_key = key_new("P-256"), *other = key_new("P-256");
    X509 *root = cert_new(root_key, &(cert_cfg){.cn = "Root", .ca = true});
#define ISSUING .cn = "Issuing", .issuer = root, .issuer_key = root_key
    X509 *good = cert_new(key, &(cert_cfg){ISSUING, .ca = true});
    X509 *leaf = cert_new(key, &(cert_cfg){ISSUING});
    X509 *expired = cert_new(key, &(cert_cfg){ISSUING, .ca = true, .from_s = -99, .until_s = -9});
    X509 *no_lists = cert_new(key, &(cert_cfg){ISSUING, .ca = true, .key_usage = "keyCertSign"});
    X509 *not_ours = cert_new(other, &(cert_cfg){ISSUING, .ca = true});
    X509 *forged = cert_new(
        key, &(cert_cfg){.cn = "Issuing", .issuer = root, .issuer_key = other, .ca = true});
    import_bad(f, (X509 *[]){good}, 1, "certificate 1, the last, is no root");
    import_bad(f, (X509 *[]){root, good}, 2, "certificate 1 is not signed by the one behind it");
    import_bad(f, (X509 *[]){leaf, root}, 2, "is not that of a CA");
    import_bad(f, (X509 *[]){expired, root}, 2, "has expired");
    import_bad(f, (X509 *[]){no_lists, root}, 2, "cRLSign");
    import_bad(f, (X509 *[]){not_ours, root}, 2, "is for another key than");
    import_bad(f, (X509 *[]){forged, root}, 2, "is not signed by the one behind it");
    run(&o, "estocd", "ca", "import", "--dir", f->srv, "--chain", path_in(f, "none.pem"), NULL);
    refused(&o, "none.pem");
    read_file(path_in(f, "srv/ca.crt"), after, sizeof after);
    assert_string_equal(before, after);
    write_chain(f, (X509 *[]){good, root}, 2);
    fixture_conf(f, "ca", "key", "pkcs11:token=x;object=y");
    run(&o, "estocd", "ca", "import", "--dir", f->srv, "--chain", path_in(f, "bad.pem"), NULL);
    assert_int_equal(o.code, 1);
    X509_free(root);
    X509_free(good);
    X509_free(leaf);
    X509_free(expired);
    X509_free(no_lists);
    X509_free(not_ours);
    X509_free(forged);
    EVP_PKEY_free(key);
    EVP_PKEY_free(root_key);
    EVP_PKEY_free(other);
}

static void offline_refused(void **state)
{
    fixture *f = *state;
    output o;
    body csr;
    make_root(f, "Root");
    char root[PATH_LEN], pass[PATH_LEN], out[PATH_LEN], file[PATH_LEN];
    strcpy(root, path_in(f, "Root"));
    strcpy(out, path_in(f, "ca.pem"));
    strcpy(file, path_in(f, "ca.csr"));
    snprintf(pass, sizeof pass, "file:%s", path_in(f, "pass"));
    run(&o, "estocd", "ca", "root", "--out", root, "--name", "Root", NULL);
    refused(&o, "Root.crt is there already, nothing was changed");
    run(&o, "estocd", "ca", "root", "--out", path_in(f, "R"), "--name", "", NULL);
    refused(&o, "must be 1 to 64 characters");
    run(&o, "estocd", "ca", "root", "--out", path_in(f, "R"), "--name", "R", "--key", "R.key",
        NULL);
    refused(&o, "must be the pkcs11: URI");
    /* a key without its certificate: of a run that was cut off */
    assert_int_equal(remove(path_in(f, "Root.crt")), 0);
    run(&o, "estocd", "ca", "root", "--out", root, "--name", "Root", NULL);
    refused(&o, "is encrypted");
    run(&o, "estocd", "ca", "root", "--out", root, "--name", "Root", "--passphrase", pass, NULL);
    ok(&o);
#define SIGN(...) \
    run(&o, "estocd", "ca", "sign", "--root", root, "--csr", file, "--out", out, __VA_ARGS__)
    SIGN("--passphrase", pass, NULL);
    refused(&o, "ca.csr");
    EVP_PKEY *key = key_new("P-256");
    csr_new(key, "CN=Root", NULL, &csr);
    write_file(file, csr.bytes, csr.len, "w");
    SIGN("--passphrase", pass, NULL);
    refused(&o, "has the name of the root");
    csr_new(key, "CN=Issuing", NULL, &csr);
    csr.bytes[csr.len - 1] ^= 1;
    write_file(file, csr.bytes, csr.len, "w");
    SIGN("--passphrase", pass, NULL);
    refused(&o, "ca.csr: ");
    csr.bytes[csr.len - 1] ^= 1;
    write_file(file, csr.bytes, csr.len, "w");
    SIGN(NULL);
    refused(&o, "is encrypted");
    SIGN("--passphrase", pass, "--years", "1", NULL);
    ok(&o);
    SIGN("--passphrase", pass, NULL);
    refused(&o, "ca.pem is there already");
    EVP_PKEY_free(key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        NAMED_ALONE(
            "E2 K1 an offline root and an issuing CA below it; another root, and all follow",
            offline_root),
        NAMED_ALONE("E2 K1 estocd ca rollover: devices follow, early ones and late ones", rollover),
        NAMED_ALONE("cli ca csr and import: the next key is encrypted as the present one is",
                    encrypted),
        NAMED_ALONE("cli ca import killed at each step: what is there goes on, and it ends well",
                    import_killed),
        NAMED_ALONE("cli ca rollover --switch killed at each step, likewise", rollover_killed),
        NAMED_ALONE("cli ca import of what does not fit changes nothing", import_refused),
        NAMED_ALONE("cli ca root and sign: what is refused", offline_refused),
    };
    return cmocka_run_group_tests_name("ceremony", tests, NULL, NULL);
}
