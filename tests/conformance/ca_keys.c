/* SPDX-License-Identifier: MIT
 *
 * The CA's key: encrypted in its file, proven at start.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "device.h"

#define PASSPHRASE "Schwefelhoelzer"

static void ok(const output *o)
{
    if (o->code != 0) {
        print_error("%s", o->err);
    }
    assert_int_equal(o->code, 0);
}

/* The key encrypted by another's hand; the file of the passphrase is DIR/pass. */
static void encrypt_key(fixture *f)
{
    output o;
    char pass[PATH_LEN];
    write_file(path_in(f, "pass"), PASSPHRASE "\n", sizeof PASSPHRASE, "w");
    snprintf(pass, sizeof pass, "file:%s", path_in(f, "pass"));
    run(&o, "openssl", "pkcs8", "-topk8", "-v2", "aes-256-cbc", "-in", path_in(f, "srv/ca.key"),
        "-out", path_in(f, "srv/ca.sealed"), "-passout", pass, NULL);
    ok(&o);
    assert_int_equal(rename(path_in(f, "srv/ca.sealed"), path_in(f, "srv/ca.key")), 0);
}

static void enrolls(const fixture *f)
{
    output o;
    unsigned before = issued(f);
    run_as(&o, f, "dev", "enroll", f->uri, "--out", path_in(f, "op%u", before), NULL);
    ok(&o);
    assert_int_equal(issued(f), before + 1);
}

static const char *log_of(const fixture *f)
{
    static char log[65536];
    read_file(path_in(f, "estocd.log"), log, sizeof log);
    return log;
}

/* Until the log has these words, which take the server no time. */
static void wait_for(const fixture *f, const char *words)
{
    for (int i = 0; strstr(log_of(f), words) == NULL; i++) {
        if (i == 2000) {
            fail_msg("no \"%s\" in the log: %s", words, log_of(f));
        }
        usleep(10000);
    }
}

/* What `ps` and /proc show of the server, and its log: none of it. */
static void shows_nothing(const fixture *f)
{
    static const char *const files[] = {"cmdline", "environ"};
    for (size_t i = 0; i < 2; i++) {
        static char text[65536];
        char path[64];
        snprintf(path, sizeof path, "/proc/%d/%s", (int)f->pid, files[i]);
        size_t n = read_file(path, text, sizeof text);
        assert_true(n > 0);
        assert_null(memmem(text, n, PASSPHRASE, sizeof PASSPHRASE - 1));
    }
    assert_null(strstr(log_of(f), PASSPHRASE));
}

static void by_file(void **state)
{
    fixture *f = *state;
    output o;
    encrypt_key(f);
    fixture_conf(f, "ca", "key-passphrase", "file:../pass");
    fixture_start(f);
    enrolls(f);
    shows_nothing(f);
    run(&o, "estocd", "crl", "--dir", f->srv, "--out", path_in(f, "list.crl"), NULL);
    ok(&o);
    run(&o, "estocd", "check", "--dir", f->srv, NULL);
    ok(&o);
}

static void by_credential(void **state)
{
    fixture *f = *state;
    encrypt_key(f);
    fixture_conf(f, "ca", "key-passphrase", "credential:pass");
    setenv("CREDENTIALS_DIRECTORY", f->dir, 1);
    fixture_start(f);
    unsetenv("CREDENTIALS_DIRECTORY");
    enrolls(f);
    shows_nothing(f);
}

/* A descriptor gives it once. */
static void by_descriptor(void **state)
{
    fixture *f = *state;
    int fds[2];
    char source[16];
    encrypt_key(f);
    assert_int_equal(pipe(fds), 0); /* which the server inherits */
    assert_int_equal(fcntl(fds[1], F_SETFD, FD_CLOEXEC), 0);
    assert_int_equal(write(fds[1], PASSPHRASE "\n", sizeof PASSPHRASE), sizeof PASSPHRASE);
    snprintf(source, sizeof source, "fd:%d", fds[0]);
    fixture_conf(f, "ca", "key-passphrase", source);
    fixture_start(f);
    close(fds[0]);
    close(fds[1]);
    enrolls(f);
    assert_int_equal(kill(f->pid, SIGHUP), 0);
    wait_for(f, "event=reload result=done");
    enrolls(f);
    shows_nothing(f);
}

/* One line, which says what to do; and a server that runs goes on with what it has. */
static void of_no_use(void **state)
{
    fixture *f = *state;
    output o;
    fixture_start(f);
    encrypt_key(f);
    assert_int_equal(kill(f->pid, SIGHUP), 0);
    wait_for(f, "refused, nothing changed");
    assert_non_null(strstr(log_of(f), "see key-passphrase in estocd.conf"));
    enrolls(f);
    fixture_stop(f);
    static const struct {
        const char *source, *words;
    } rows[] = {
        {"", "ca.key: the key is encrypted, and no passphrase is named; see key-passphrase"},
        {"file:../wrong", "wrong does not open it; is it the one that the key was written with?"},
        {"file:../nothing", "no passphrase can be read: No such file or directory"},
        {"file:../empty", "the first line is the passphrase, and it is empty"},
        {"credential:ca", "put LoadCredentialEncrypted=ca:FILE into the unit"},
        {"fd:42", "fd:42: no passphrase can be read: Bad file descriptor"},
        {PASSPHRASE, "key-passphrase: must be file:PATH, credential:NAME"},
    };
    write_file(path_in(f, "wrong"), "Streichhoelzer\n", 15, "w");
    write_file(path_in(f, "empty"), "\n", 1, "w");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        fixture_conf(f, "ca", "key-passphrase", rows[i].source);
        run(&o, "estocd", "run", "--dir", f->srv, "--listen", "127.0.0.1:0", NULL);
        assert_int_equal(o.code, 1);
        assert_string_equal(o.out, "");
        if (strstr(o.err, rows[i].words) == NULL) {
            fail_msg("no \"%s\" in: %s", rows[i].words, o.err);
        }
        assert_null(strstr(o.err, PASSPHRASE));
        assert_null(strstr(o.err, "Streich"));
    }
}

/* The key of srv/ca.key in a token of its own. */
static void into_token(fixture *f, const char *token)
{
    output o;
    char uri[PATH_LEN + 64];
    fixture_tokens(f);
    write_file(path_in(f, "pin"), "27182818\n", 9, "w");
    run(&o, "softhsm2-util", "--init-token", "--free", "--label", token, "--pin", "27182818",
        "--so-pin", "98765432", NULL);
    ok(&o);
    run(&o, "softhsm2-util", "--import", path_in(f, "srv/ca.key"), "--token", token, "--label",
        "ca", "--id", "01", "--pin", "27182818", NULL);
    ok(&o);
    snprintf(uri, sizeof uri, "pkcs11:token=%s;object=ca;type=private?pin-source=file:%s", token,
             path_in(f, "pin"));
    fixture_conf(f, "ca", "key", uri);
}

/* ECDSA takes another random number each time, RSA none. */
static void determinism(void **state)
{
    fixture *f = *state;
    static const struct {
        const char *kind, *words;
        bool token;
    } rows[] = {{"P-256", "result=proven in=file signatures=random", false},
                {"RSA2048", "result=proven in=file signatures=repeatable", false},
                {"ED25519", "result=proven in=file signatures=repeatable", false},
                {"P-256", "result=proven in=token signatures=random", true},
                {"RSA2048", "result=proven in=token signatures=repeatable", true}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        EVP_PKEY *key = key_new(rows[i].kind);
        X509 *ca = cert_new(key, &(cert_cfg){.cn = "Test CA", .ca = true});
        cert_write(ca, path_in(f, "srv/ca.crt"), "w");
        key_write(key, path_in(f, "srv/ca.key"));
        if (rows[i].token) {
            into_token(f, rows[i].kind);
        }
        write_file(path_in(f, "estocd.log"), "", 0, "w");
        fixture_start(f);
        wait_for(f, rows[i].words);
        fixture_stop(f);
        X509_free(ca);
        EVP_PKEY_free(key);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        NAMED_ALONE("cli HC 294 an encrypted CA key, its passphrase in a file", by_file),
        NAMED_ALONE("cli HC 294 an encrypted CA key, its passphrase from systemd", by_credential),
        NAMED_ALONE("cli HC 294 an encrypted CA key, its passphrase from a descriptor; reloaded",
                    by_descriptor),
        NAMED_ALONE("X9 HC 312 whether the CA's key signs the same way twice is seen at start",
                    determinism),
        NAMED_ALONE("cli a passphrase that is missing or wrong is one line, without it", of_no_use),
    };
    return cmocka_run_group_tests_name("ca_keys", tests, NULL, NULL);
}
