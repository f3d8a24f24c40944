/* SPDX-License-Identifier: MIT
 *
 * Private keys in a PKCS#11 token, by SoftHSM2: at the client, and at the server.
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
#include <openssl/bn.h>

#include "web.h"

#define PIN "4815162342"

static void ok(const output *o)
{
    if (o->code != 0) {
        print_error("%s", o->err);
    }
    assert_int_equal(o->code, 0);
}

/* The PIN is told to nobody, whatever happens. */
static void no_pin(const output *o)
{
    assert_null(strstr(o->out, PIN));
    assert_null(strstr(o->err, PIN));
}

/* A key in the token under this label, which can be used and not be read; its public half is kept. */
static EVP_PKEY *key_in_token(const fixture *f, const char *label, const char *id, const char *kind)
{
    output o;
    EVP_PKEY *key = key_new(kind);
    key_write(key, path_in(f, "%s.once", label));
    run(&o, "softhsm2-util", "--import", path_in(f, "%s.once", label), "--token", "dev", "--label",
        label, "--id", id, "--pin", PIN, NULL);
    ok(&o);
    assert_int_equal(remove(path_in(f, "%s.once", label)), 0);
    return key;
}

static const char *uri_of(const fixture *f, const char *label)
{
    static char uris[4][300];
    static unsigned next;
    char *uri = uris[next++ % 4];
    snprintf(uri, sizeof uris[0], "pkcs11:token=dev;object=%s;type=private?pin-source=file:%s",
             label, path_in(f, "pin"));
    return uri;
}

/* A manufacturer's certificate for a key that is only in the token. */
static int set_up(void **state)
{
    output o;
    fixture_set_up(state);
    fixture *f = *state;
    fixture_tokens(f);
    unsetenv("ESTOC_PIN_FILE");
    run(&o, "softhsm2-util", "--init-token", "--free", "--label", "dev", "--pin", PIN, "--so-pin",
        "98765432", NULL);
    ok(&o);
    write_file(path_in(f, "pin"), PIN "\n", sizeof PIN, "w");
    EVP_PKEY *key = key_in_token(f, "boot", "01", "P-256");
    X509 *cert =
        cert_new(key, &(cert_cfg){.cn = "dev", .issuer = f->maker, .issuer_key = f->maker_key});
    cert_write(cert, path_in(f, "tok.crt"), "w");
    X509_free(cert);
    EVP_PKEY_free(key);
    return 0;
}

#define TOKEN(name, function)                           \
    {                                                   \
        name, function, set_up, fixture_tear_down, NULL \
    }

static void enroll_as(output *o, const fixture *f, const char *key, const char *more,
                      const char *value)
{
    run(o, "estoc", "enroll", f->uri, "--cert", path_in(f, "tok.crt"), "--key", key, "--ta",
        path_in(f, "dev.ta"), "--out", path_in(f, "op"), more, value, NULL);
    no_pin(o);
}

static void assert_key_of(const fixture *f, const char *cert_name, EVP_PKEY *key)
{
    X509 *cert = cert_read(path_in(f, "%s", cert_name));
    assert_int_equal(EVP_PKEY_eq(X509_get0_pubkey(cert), key), 1);
    X509_free(cert);
}

static void bootstrap(void **state)
{
    fixture *f = *state;
    output o;
    fixture_start(f);
    enroll_as(&o, f, uri_of(f, "boot"), NULL, NULL);
    ok(&o);
    EVP_PKEY *key = key_read(path_in(f, "op.key")); /* a new one, in a file */
    assert_key_of(f, "op.crt", key);
    EVP_PKEY_free(key);
}

/* PREFIX.key says where the key is, so that renewal needs no more than PREFIX. */
static void new_key_in_token(void **state)
{
    fixture *f = *state;
    output o;
    char text[1024];
    fixture_start(f);
    EVP_PKEY *key = key_in_token(f, "op", "02", "P-256");
    enroll_as(&o, f, uri_of(f, "boot"), "--new-key", uri_of(f, "op"));
    ok(&o);
    assert_key_of(f, "op.crt", key);
    read_file(path_in(f, "op.key"), text, sizeof text);
    assert_string_equal(text, uri_of(f, "op"));
    unsigned before = issued(f);
    run(&o, "estoc", "renew", f->uri, "--out", path_in(f, "op"), NULL); /* not into a file */
    assert_int_equal(o.code, 1);
    assert_non_null(strstr(o.err, "--same-key"));
    assert_int_equal(issued(f), before);
    run(&o, "estoc", "renew", f->uri, "--out", path_in(f, "op"), "--same-key", "-v", NULL);
    ok(&o);
    no_pin(&o);
    assert_int_equal(issued(f), before + 1);
    assert_key_of(f, "op.crt", key);
    read_file(path_in(f, "op.key"), text, sizeof text);
    assert_string_equal(text, uri_of(f, "op"));
    /* and on to the next one */
    EVP_PKEY *next = key_in_token(f, "next", "03", "P-256");
    run(&o, "estoc", "renew", f->uri, "--out", path_in(f, "op"), "--new-key", uri_of(f, "next"),
        NULL);
    ok(&o);
    assert_key_of(f, "op.crt", next);
    EVP_PKEY_free(next);
    EVP_PKEY_free(key);
}

static void other_kinds(void **state)
{
    fixture *f = *state;
    output o;
    fixture_conf(f, "profile", "keys", "P-256, P-384, RSA");
    fixture_start(f);
    static const char *const kinds[] = {"P-384", "RSA2048"};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        const char id[] = {'1', (char)('0' + i), '\0'};
        EVP_PKEY *key = key_in_token(f, kinds[i], id, kinds[i]);
        run(&o, "estoc", "enroll", f->uri, "--cert", path_in(f, "tok.crt"), "--key",
            uri_of(f, "boot"), "--ta", path_in(f, "dev.ta"), "--out", path_in(f, "%s", kinds[i]),
            "--new-key", uri_of(f, kinds[i]), NULL);
        ok(&o);
        char name[32];
        snprintf(name, sizeof name, "%s.crt", kinds[i]);
        assert_key_of(f, name, key);
        EVP_PKEY_free(key);
    }
}

/* The PIN by other ways, and a module named instead of p11-kit's choice. */
static void pins_and_modules(void **state)
{
    fixture *f = *state;
    output o;
    char key[400];
    fixture_start(f);
    setenv("ESTOC_PIN_FILE", path_in(f, "pin"), 1);
    run(&o, "estoc", "crts", f->uri, "--cert", path_in(f, "tok.crt"), "--key",
        "pkcs11:token=dev;object=boot;type=private", "--ta", path_in(f, "dev.ta"), NULL);
    ok(&o);
    unsetenv("ESTOC_PIN_FILE");
    snprintf(key, sizeof key,
             "pkcs11:token=dev;id=%%01;type=private?module-path=/usr/lib/softhsm/libsofthsm2.so&"
             "pin-source=file://%s",
             path_in(f, "pin"));
    run(&o, "estoc", "crts", f->uri, "--cert", path_in(f, "tok.crt"), "--key", key, "--ta",
        path_in(f, "dev.ta"), NULL);
    ok(&o);
}

static void refused(void **state)
{
    fixture *f = *state;
    output o;
    char wrong_pin[400], empty[400], no_module[400];
    fixture_start(f);
    write_file(path_in(f, "wrong"), "1111111\n", 8, "w");
    write_file(path_in(f, "empty"), "\n", 1, "w");
    snprintf(wrong_pin, sizeof wrong_pin, "pkcs11:token=dev;object=boot?pin-source=file:%s",
             path_in(f, "wrong"));
    snprintf(empty, sizeof empty, "pkcs11:token=dev;object=boot?pin-source=file:%s",
             path_in(f, "empty"));
    snprintf(no_module, sizeof no_module, "%s&module-path=/nonexistent.so", uri_of(f, "boot"));
    const struct {
        const char *key, *words;
    } rows[] = {
        {"pkcs11:token=dev;object=boot?pin-value=" PIN, "no PIN in the URI"},
        {"pkcs11:token=dev;object=boot;type=private", "no such private key, or no PIN"},
        {wrong_pin, "no such private key, or no PIN"},
        {empty, "is empty"},
        {uri_of(f, "nothing"), "no such private key"},
        {"pkcs11:token=dev;object=boot?pin-source=file:/nonexistent", "no PIN can be read"},
        {no_module, "/nonexistent.so: there is no such module"},
        {"pkcs11:", "write pkcs11:token=LABEL"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        enroll_as(&o, f, rows[i].key, NULL, NULL);
        assert_int_equal(o.code, 1);
        if (strstr(o.err, rows[i].words) == NULL) {
            fail_msg("%s: %s", rows[i].key, o.err);
        }
        const char *end = strchr(o.err, '\n');
        assert_true(end != NULL && end[1] == '\0'); /* one line */
    }
    /* the certificate is for another key */
    EVP_PKEY *other = key_in_token(f, "other", "09", "P-256");
    enroll_as(&o, f, uri_of(f, "other"), NULL, NULL);
    assert_int_equal(o.code, 1);
    assert_non_null(strstr(o.err, "do not belong together"));
    EVP_PKEY_free(other);
}

/* Move the server's key, or the CA's, to the token; estocd.conf names it, and that is all. */
static void move_key(fixture *f, const char *section, const char *id)
{
    output o;
    const char *file =
        strcmp(section, "ca") == 0 ? ca_key_file(f) : path_in(f, "srv/%s.key", section);
    run(&o, "softhsm2-util", "--import", file, "--token", "dev", "--label", section, "--id", id,
        "--pin", PIN, NULL);
    ok(&o);
    assert_int_equal(remove(file), 0);
    fixture_conf(f, section, "key", uri_of(f, section));
}

/* How many are on the list, which the CA's key in the token has signed. */
static int listed(const fixture *f, const char *file)
{
    char path[PATH_LEN];
    snprintf(path, sizeof path, "%s", file);
    FILE *in = fopen(path, "r");
    assert_non_null(in);
    X509_CRL *crl = d2i_X509_CRL_fp(in, NULL);
    fclose(in);
    assert_non_null(crl);
    X509 *ca = cert_read(path_in(f, "srv/ca.crt"));
    assert_int_equal(X509_CRL_verify(crl, X509_get0_pubkey(ca)), 1);
    STACK_OF(X509_REVOKED) *entries = X509_CRL_get_REVOKED(crl);
    int n = entries != NULL ? sk_X509_REVOKED_num(entries) : 0;
    X509_free(ca);
    X509_CRL_free(crl);
    return n;
}

static void revoke_cert(const fixture *f, const char *file)
{
    output o;
    X509 *cert = cert_read(file);
    BIGNUM *n = ASN1_INTEGER_to_BN(X509_get0_serialNumber(cert), NULL);
    char *hex = BN_bn2hex(n);
    run(&o, "estocd", "revoke", hex, "--dir", f->srv, NULL);
    ok(&o);
    OPENSSL_free(hex);
    BN_free(n);
    X509_free(cert);
}

static void server_keys(void **state)
{
    fixture *f = *state;
    output o;
    move_key(f, "server", "20");
    move_key(f, "ca", "21");
    run(&o, "estocd", "check", "--dir", f->srv, NULL);
    ok(&o);
    fixture_start(f);
    for (unsigned n = 0; n < 3; n++) {
        run_as(&o, f, "dev", "enroll", f->uri, "--out", path_in(f, "dev%u", n), NULL);
        ok(&o);
    }
    fixture_stop(f); /* cleanly */
    revoke_cert(f, path_in(f, "dev1.crt"));
    run(&o, "estocd", "crl", "--dir", f->srv, "--out", path_in(f, "crl.der"), NULL);
    ok(&o);
    no_pin(&o);
    assert_int_equal(listed(f, path_in(f, "crl.der")), 1);
    static char log[65536];
    read_file(path_in(f, "estocd.log"), log, sizeof log);
    assert_null(strstr(log, PIN));
}

static void over_https(void **state)
{
    fixture *f = *state;
    move_key(f, "server", "20");
    web_serve(f);
    for (int v = TLS1_2_VERSION; v <= TLS1_3_VERSION; v++) {
        web_cfg cfg = web_as(f, "dev");
        cfg.version = v;
        web *w = web_open(&cfg);
        assert_int_equal(web_enroll(w, "/.well-known/est/simpleenroll", "CN=dev"), 200);
        web_free(w);
    }
    fixture_stop(f); /* cleanly */
}

/* Each object of the token away: it is there, but cannot sign any more. */
static void lost_key(void **state)
{
    fixture *f = *state;
    output o;
    body csr, answer;
    move_key(f, "ca", "21");
    fixture_start(f);
    peer *p = connect_as(f, "dev");
    EVP_PKEY *key = key_new("P-256");
    csr_new(key, "CN=dev", NULL, &csr);
    EVP_PKEY_free(key);
    run(&o, "find", path_in(f, "tokens"), "-name", "*.object", "-not", "-name", "token.object",
        "-delete", NULL);
    ok(&o);
    assert_int_equal(enroll(p, "/.well-known/est/sen", &csr, -1, -1, &answer), CODE(5, 3));
    assert_int_equal(issued(f), 0);
    expect_alive(p); /* /crts takes no key */
    peer_free(p);
}

static void enrolls_at_last(const fixture *f)
{
    output o;
    long long end = now_ms() + 20000;
    do {
        run_as(&o, f, "dev", "enroll", f->uri, "--out", path_in(f, "dev2"), NULL);
    } while (o.code == 75 && now_ms() < end);
    ok(&o);
}

/* Pulled, and back: without a restart. The PIN is asked for again, and nobody else is told it. */
static void pulled(void **state)
{
    fixture *f = *state;
    output o;
    char uri[512];
    static char log[65536];
    move_key(f, "ca", "21");
    snprintf(uri, sizeof uri, "%s&module-path=%s", uri_of(f, "ca"), getenv("ESTOC_MODULE"));
    fixture_conf(f, "ca", "key", uri);
    fixture_conf(f, "ca", "crl-file", "crl.der");
    setenv("ESTOC_TOKEN_AWAY", path_in(f, "away"), 1);
    fixture_start(f);
    run_as(&o, f, "dev", "enroll", f->uri, "--out", path_in(f, "dev1"), NULL);
    ok(&o);
    for (unsigned outage = 0; outage < 2; outage++) {
        write_file(path_in(f, "away"), "", 0, "w");
        for (unsigned n = 0; n < 3; n++) {
            run_as(&o, f, "dev", "enroll", f->uri, "--out", path_in(f, "dev2"), NULL);
            assert_int_equal(o.code, 75);
            assert_non_null(strstr(o.err, "5.03"));
        }
        assert_int_equal(issued(f), 1 + outage);
        run(&o, "estocd", "list", "--dir", f->srv, "--json", NULL); /* none is left open */
        assert_null(strstr(o.out, "\"state\":\"intent\""));
        if (outage == 1) {
            revoke_cert(f, path_in(f, "dev1.crt"));
        }
        assert_int_equal(remove(path_in(f, "away")), 0);
        enrolls_at_last(f); /* it is looked for once a second */
        assert_int_equal(issued(f), 2 + outage);
    }
    long long end = now_ms() + 30000;
    while (listed(f, path_in(f, "srv/crl.der")) == 0) {
        assert_true(now_ms() < end);
        usleep(50000);
    }
    fixture_stop(f);
    unsetenv("ESTOC_TOKEN_AWAY");
    read_file(path_in(f, "estocd.log"), log, sizeof log);
    assert_non_null(strstr(log, "event=token result=gone"));
    assert_non_null(strstr(log, "event=token result=back"));
    assert_null(strstr(log, PIN));
}

/* Back with another PIN. Tokens lock themselves after three wrong ones, or ten. */
static void refused_pin(void **state)
{
    fixture *f = *state;
    output o;
    char uri[512], text[64];
    static char log[65536];
    move_key(f, "ca", "21");
    snprintf(uri, sizeof uri, "%s&module-path=%s", uri_of(f, "ca"), getenv("ESTOC_MODULE"));
    fixture_conf(f, "ca", "key", uri);
    setenv("ESTOC_TOKEN_AWAY", path_in(f, "away"), 1);
    setenv("ESTOC_TOKEN_LOGINS", path_in(f, "logins"), 1);
    fixture_start(f);
    write_file(path_in(f, "away"), "", 0, "w");
    run_as(&o, f, "dev", "enroll", f->uri, "--out", path_in(f, "dev1"), NULL);
    assert_int_equal(o.code, 75);
    write_file(path_in(f, "pin"), "1111111\n", 8, "w");
    size_t before = read_file(path_in(f, "logins"), text, sizeof text);
    assert_int_equal(remove(path_in(f, "away")), 0);
    long long end = now_ms() + 5000; /* it would be tried five times */
    while (now_ms() < end) {
        run_as(&o, f, "dev", "enroll", f->uri, "--out", path_in(f, "dev1"), NULL);
        assert_int_equal(o.code, 75);
        usleep(100000);
    }
    size_t after = read_file(path_in(f, "logins"), text, sizeof text);
    assert_in_range(after - before, 1, 2); /* one look may ask twice */
    assert_int_equal(issued(f), 0);
    write_file(path_in(f, "pin.new"), PIN "\n", sizeof PIN, "w");
    assert_int_equal(rename(path_in(f, "pin.new"), path_in(f, "pin")), 0);
    enrolls_at_last(f);
    fixture_stop(f);
    unsetenv("ESTOC_TOKEN_AWAY");
    unsetenv("ESTOC_TOKEN_LOGINS");
    read_file(path_in(f, "estocd.log"), log, sizeof log);
    const char *told = strstr(log, "the PIN is refused; not tried again until its file changes");
    assert_non_null(told);
    assert_null(strstr(told + 1, "the PIN is refused")); /* once */
    assert_non_null(strstr(told, "event=token result=back"));
}

/* The URI by the module whose token can be pulled. */
static void use_module(fixture *f, const char *section)
{
    char uri[512];
    snprintf(uri, sizeof uri, "%s&module-path=%s", uri_of(f, section), getenv("ESTOC_MODULE"));
    fixture_conf(f, section, "key", uri);
}

static void start_with_both(fixture *f)
{
    move_key(f, "ca", "21");
    move_key(f, "server", "20");
    use_module(f, "ca");
    use_module(f, "server");
    setenv("ESTOC_TOKEN_AWAY", path_in(f, "away"), 1);
    fixture_start(f);
    unsetenv("ESTOC_TOKEN_AWAY");
}

/* @return the code of an enrollment over this association */
static int enroll_over(peer *p)
{
    body csr, answer;
    EVP_PKEY *key = key_new("P-256");
    csr_new(key, "CN=dev", NULL, &csr);
    EVP_PKEY_free(key);
    return enroll(p, "/.well-known/est/sen", &csr, -1, -1, &answer);
}

static void reload(const fixture *f, const char *result)
{
    static char log[262144];
    long long end = now_ms() + 20000;
    assert_int_equal(kill(f->pid, SIGHUP), 0);
    do {
        usleep(20000);
        read_file(path_in(f, "estocd.log"), log, sizeof log);
    } while (strstr(log, result) == NULL && now_ms() < end);
    if (strstr(log, result) == NULL) {
        fail_msg("no \"%s\" in %s", result, log);
    }
}

/* @return the exit code of `estoc crts`, which takes a handshake and no signature of the CA */
static int shakes_hands(const fixture *f)
{
    output o;
    run_as(&o, f, "dev", "crts", f->uri, NULL);
    return o.code;
}

/* Both keys heal themselves, each when it is wanted: in associations that there are, and in handshakes. */
static void both_pulled(void **state)
{
    fixture *f = *state;
    start_with_both(f);
    peer *p = connect_as(f, "dev");
    for (unsigned outage = 1; outage <= 2; outage++) {
        assert_int_equal(enroll_over(p), CODE(2, 4));
        write_file(path_in(f, "away"), "", 0, "w");
        for (unsigned n = 0; n < 2; n++) {
            assert_int_equal(enroll_over(p), CODE(5, 3));
            assert_int_equal(shakes_hands(f), 3);
            usleep(1100000); /* each is a look of its own */
        }
        assert_int_equal(remove(path_in(f, "away")), 0);
        long long end = now_ms() + 20000;
        int code, hands;
        do {
            usleep(200000);
            code = enroll_over(p);
            hands = shakes_hands(f);
        } while ((code == CODE(5, 3) || hands != 0) && now_ms() < end);
        assert_int_equal(code, CODE(2, 4));
        assert_int_equal(hands, 0);
    }
    reload(f, "event=reload result=done");
    assert_int_equal(enroll_over(p), CODE(2, 4));
    assert_int_equal(shakes_hands(f), 0);
    peer_free(p);
}

/* Nobody had asked for a signature while it was away. */
static void pulled_unseen(void **state)
{
    fixture *f = *state;
    output o;
    start_with_both(f);
    write_file(path_in(f, "away"), "", 0, "w");
    reload(f, "nothing changed");
    assert_int_equal(remove(path_in(f, "away")), 0);
    run_as(&o, f, "dev", "enroll", f->uri, "--out", path_in(f, "dev1"), NULL);
    ok(&o);
    reload(f, "event=reload result=done");
    run_as(&o, f, "dev", "enroll", f->uri, "--out", path_in(f, "dev2"), NULL);
    ok(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TOKEN("K2 D2 enroll with a bootstrap key that stays in a PKCS#11 token", bootstrap),
        TOKEN("K2 E4 a new key in the token, renewed with --same-key and replaced with --new-key",
              new_key_in_token),
        TOKEN("K2 X3 keys on P-384 and of RSA in the token", other_kinds),
        TOKEN("cli the PIN from a file, and a module by its path", pins_and_modules),
        TOKEN("cli what is wrong with a pkcs11: URI is told in one line, without the PIN", refused),
        TOKEN("cli the server's and the CA's key in the token", server_keys),
        TOKEN("X9 HC 292 a token that is pulled: 5.03, and on without a restart when it is back",
              pulled),
        TOKEN("X9 HC 292 a PIN that the token refuses is not tried again until it is another",
              refused_pin),
        TOKEN("D1 HTTPS: the server's key in the token", over_https),
        TOKEN("X9 HC 292 the server's key in the same token: handshakes and signatures go on, too",
              both_pulled),
        TOKEN("X9 HC 292 a token that was away unseen, and a reload meanwhile", pulled_unseen),
        TOKEN("C4 a CA's key that is gone from the token is 5.03, and nothing is issued", lost_key),
    };
    return cmocka_run_group_tests_name("token", tests, NULL, NULL);
}
