/* SPDX-License-Identifier: MIT
 *
 * Who may use a profile: 4.03 for everybody else, on each resource of its path, and in associations and
 * sessions that are older than the rule. (D4, D8)
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "device.h"

static void append(const fixture *f, const char *file, const char *text)
{
    write_file(path_in(f, "%s", file), text, strlen(text), "a");
}

static void append_cert(const fixture *f, const char *file, const char *name)
{
    X509 *cert = cert_read(path_in(f, "%s.crt", name));
    cert_write(cert, path_in(f, "%s", file), "a");
    X509_free(cert);
}

/* NAME.crt with the CA between it and the manufacturer behind it, NAME.key. */
static void device_below(const fixture *f, const char *name)
{
    EVP_PKEY *ca_key, *key = key_new("P-256");
    X509 *ca = maker_cert(f, &(cert_cfg){.cn = "Maker's line 1", .ca = true}, &ca_key);
    X509 *cert = cert_new(key, &(cert_cfg){.cn = name, .issuer = ca, .issuer_key = ca_key});
    cert_write(cert, path_in(f, "%s.crt", name), "w");
    cert_write(ca, path_in(f, "%s.crt", name), "a");
    key_write(key, path_in(f, "%s.key", name));
    cert_write(f->maker, path_in(f, "%s.ta", name), "w");
    X509_free(cert);
    X509_free(ca);
    EVP_PKEY_free(ca_key);
    EVP_PKEY_free(key);
}

static const char *serial_of(const fixture *f, const char *name)
{
    static char text[64];
    X509 *cert = cert_read(path_in(f, "%s.crt", name));
    BIGNUM *n = ASN1_INTEGER_to_BN(X509_get0_serialNumber(cert), NULL);
    char *hex = BN_bn2hex(n);
    snprintf(text, sizeof text, "%s", hex);
    OPENSSL_free(hex);
    BN_free(n);
    X509_free(cert);
    return text;
}

static int start(void **state)
{
    char line[96];
    fixture_set_up(state);
    fixture *f = *state;
    fixture_device(f, "CN=sensor-1,O=Example", "sensor");
    fixture_device(f, "CN=sensor-bad,O=Example", "bad");
    device_below(f, "made");
    fixture_conf(f, "profile maker", "client-anchors", f->maker_file);
    append_cert(f, "srv/both.pem", "srv/ca");
    cert_write(f->maker, path_in(f, "srv/both.pem"), "a");
    fixture_conf(f, "profile both", "client-anchors", "both.pem");
    fixture_conf(f, "profile sensors", "allow-subjects", "O=Example+CN=sensor-*");
    fixture_conf(f, "profile sensors", "deny-subjects", "CN=*-bad");
    fixture_conf(f, "profile sensors", "keygen", "yes");
    fixture_conf(f, "profile sensors", "attributes", "challengePassword");
    fixture_conf(f, "profile listed", "allow", "allowed");
    append_cert(f, "srv/allowed", "sensor");
    snprintf(line, sizeof line, "# by its number\nserial %s\n", serial_of(f, "made"));
    append(f, "srv/allowed", line);
    fixture_conf(f, "profile open", "deny", "denied");
    append(f, "srv/denied", "# nobody yet\n");
    fixture_start(f);
    server = f;
    return 0;
}

/* --------------------------------------------------------------------------- what a client may have */

static uint8_t get(peer *p, const char *label, const char *resource)
{
    wire_out o;
    reply r;
    char path[64];
    snprintf(path, sizeof path, EST "/%s/%s", label, resource);
    ask(p, &o, GET);
    wire_path(&o, path);
    answer_to(p, &o, &r);
    if (r.m.code >= CODE(4, 0)) {
        check_diagnostic(&r.m);
    }
    return (uint8_t)r.m.code;
}

/* An empty subject is filled in with the client's. */
static uint8_t post(peer *p, const char *label, const char *resource)
{
    body csr, answer;
    char path[64];
    EVP_PKEY *key = key_new("P-256");
    snprintf(path, sizeof path, EST "/%s/%s", label, resource);
    csr_new(key, "", NULL, &csr);
    EVP_PKEY_free(key);
    return enroll(p, path, &csr, -1, -1, &answer);
}

static uint8_t code_for(const char *name, const char *label)
{
    peer_cfg cfg = device_cfg(server, name);
    cfg.ta = NULL; /* "made" has no anchor of ours */
    peer *p = peer_connect(&cfg);
    uint8_t code = post(p, label, "sen");
    assert_int_equal(get(p, label, "crts"), code == CODE(2, 4) ? CODE(2, 5) : CODE(4, 3));
    peer_free(p);
    return code;
}

static void its_anchor(void **state)
{
    (void)state;
    assert_int_equal(code_for("made", "maker"), CODE(2, 4));
}

static void another_anchor(void **state)
{
    (void)state;
    unsigned before = issued(server);
    assert_int_equal(code_for("sensor", "maker"), CODE(4, 3));
    assert_int_equal(issued(server), before);
}

/* The rules are about the certificate that is shown: after the first time it is one of ours. */
static void renewed(void **state)
{
    (void)state;
    body csr, answer;
    EVP_PKEY *key = key_new("P-256");
    peer_cfg cfg = device_cfg(server, "made");
    cfg.ta = NULL;
    peer *p = peer_connect(&cfg);
    csr_new(key, "", NULL, &csr);
    assert_int_equal(enroll(p, EST "/both/sen", &csr, 287, -1, &answer), CODE(2, 4));
    X509 *cert = cert_for(&answer, 287, key);
    peer_free(p);
    p = peer_connect(&(peer_cfg){.port = server->port, .own = cert, .own_key = key});
    csr_new(key, "CN=made", NULL, &csr);
    assert_int_equal(enroll(p, EST "/both/sren", &csr, -1, -1, &answer), CODE(2, 4));
    assert_int_equal(enroll(p, EST "/maker/sren", &csr, -1, -1, &answer), CODE(4, 3));
    peer_free(p);
    X509_free(cert);
    EVP_PKEY_free(key);
}

static void its_subject(void **state)
{
    (void)state;
    assert_int_equal(code_for("sensor", "sensors"), CODE(2, 4));
}

static void another_subject(void **state)
{
    (void)state;
    unsigned before = issued(server);
    assert_int_equal(code_for("dev", "sensors"), CODE(4, 3));
    assert_int_equal(code_for("bad", "sensors"), CODE(4, 3));
    assert_int_equal(issued(server), before);
}

static void in_the_list(void **state)
{
    (void)state;
    assert_int_equal(code_for("sensor", "listed"), CODE(2, 4));
    assert_int_equal(code_for("made", "listed"), CODE(2, 4));
}

static void not_in_the_list(void **state)
{
    (void)state;
    assert_int_equal(code_for("dev", "listed"), CODE(4, 3));
}

static void each_resource(void **state)
{
    (void)state;
    static const char *const posts[] = {"sen", "sren", "skg", "skc"};
    unsigned before = issued(server);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(post(dev, "sensors", posts[i]), CODE(4, 3));
    }
    assert_int_equal(get(dev, "sensors", "crts"), CODE(4, 3));
    assert_int_equal(get(dev, "sensors", "att"), CODE(4, 3));
    assert_int_equal(issued(server), before);
    /* and who may has them all */
    peer *p = connect_as(server, "sensor");
    assert_int_equal(post(p, "sensors", "skg"), CODE(2, 4));
    assert_int_equal(get(p, "sensors", "att"), CODE(2, 5));
    peer_free(p);
    /* what has no rules is everybody's */
    assert_int_equal(get(dev, "open", "crts"), CODE(2, 5));
}

/* ------------------------------------------------------------------------------- rules that change */

static void reload(const fixture *f)
{
    static char log[262144];
    static unsigned done;
    done++;
    kill(f->pid, SIGHUP);
    for (int i = 0; i < 400; i++) {
        unsigned n = 0;
        read_file(path_in(f, "estocd.log"), log, sizeof log);
        for (const char *at = log; (at = strstr(at, "event=reload result=done")) != NULL; at++) {
            n++;
        }
        if (n == done) {
            return;
        }
        usleep(25000);
    }
    fail_msg("no reload");
}

/* A worker takes what was read anew when it wakes. */
static void await(peer *p, const char *label, uint8_t want)
{
    uint8_t code = 0;
    for (int i = 0; i < 100 && code != want; i++) {
        code = get(p, label, "crts");
        usleep(25000);
    }
    assert_int_equal(code, want);
}

static void denied_meanwhile(void **state)
{
    (void)state;
    const fixture *f = server;
    peer *p = connect_as(f, "sensor");
    assert_int_equal(post(p, "open", "sen"), CODE(2, 4));
    SSL_SESSION *session = SSL_get1_session(p->ssl);
    append(f, "srv/denied", "subject CN=sensor-1\n");
    reload(f);
    await(p, "open", CODE(4, 3)); /* in the association that is open */
    assert_int_equal(post(p, "open", "sen"), CODE(4, 3));
    assert_int_equal(get(p, "sensors", "crts"), CODE(2, 5)); /* there it may still */
    peer_close(p);
    peer_free(p);
    peer_cfg cfg = device_cfg(f, "sensor");
    cfg.session = session;
    p = peer_connect(&cfg);
    assert_true(SSL_session_reused(p->ssl)); /* and in one that resumes it */
    assert_int_equal(post(p, "open", "sen"), CODE(4, 3));
    peer_free(p);
    write_file(path_in(f, "srv/denied"), "#\n", 2, "w");
    reload(f);
    p = peer_connect(&cfg);
    assert_int_equal(post(p, "open", "sen"), CODE(2, 4));
    peer_free(p);
    SSL_SESSION_free(session);
}

/* A session that is resumed leads where the client's chain led, which does not travel again. */
static void anchor_of_a_session(void **state)
{
    (void)state;
    peer_cfg cfg = device_cfg(server, "made");
    cfg.ta = NULL;
    peer *p = peer_connect(&cfg);
    expect_alive(p);
    cfg.session = SSL_get1_session(p->ssl);
    peer_close(p);
    peer_free(p);
    p = peer_connect(&cfg);
    assert_true(SSL_session_reused(p->ssl));
    assert_int_equal(post(p, "maker", "sen"), CODE(2, 4));
    assert_int_equal(get(p, "sensors", "crts"), CODE(4, 3));
    peer_free(p);
    SSL_SESSION_free(cfg.session);
}

/* D6: whom the server denies now is out of the associations it let in before. */
static void denied_by_the_server(void **state)
{
    (void)state;
    fixture *f = (fixture *)(uintptr_t)server;
    peer *p = connect_as(f, "bad");
    assert_int_equal(post(p, "open", "sen"), CODE(2, 4));
    append_cert(f, "srv/lost.pem", "bad");
    fixture_conf(f, "server", "deny", "lost.pem");
    reload(f);
    await(p, "open", CODE(4, 3));
    assert_int_equal(post(p, "open", "sen"), CODE(4, 3));
    peer_free(p);
}

static void faulty_rules(void **state)
{
    fixture *f = *state;
    output o;
    fixture_conf(f, "profile a", "allow", "allowed");
    fixture_conf(f, "profile b", "deny", "denied");
    append(f, "srv/allowed", "serial 12\n\ndev-1\n");
    append(f, "srv/denied", "sha256 00\n");
    run(&o, "estocd", "check", "--dir", f->srv, NULL);
    assert_int_equal(o.code, 1);
    assert_non_null(strstr(o.err, "allowed: line 3: neither serial HEX, sha256 HEX"));
    assert_non_null(strstr(o.err, "denied: line 1: a fingerprint denies nobody for sure"));
    run(&o, "estocd", "run", "--dir", f->srv, "--listen", "127.0.0.1:0", NULL);
    assert_int_equal(o.code, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        NAMED("D4 a client below the profile's anchor", its_anchor),
        NAMED("D4 a client below another anchor is 4.03", another_anchor),
        NAMED("D4 a client that comes back with our certificate, if our CA is named, too", renewed),
        NAMED("D4 a client of a subject that may", its_subject),
        NAMED("D4 a client of another subject, or of one that may not, is 4.03", another_subject),
        NAMED("D4 a client in the list", in_the_list),
        NAMED("D4 a client that is not in it is 4.03", not_in_the_list),
        OVER_DTLS("D4 it holds for each resource of the path", each_resource),
        NAMED("D8 denied meanwhile: in open associations and resumed ones", denied_meanwhile),
        NAMED("D8 the anchor of a session that is resumed", anchor_of_a_session),
        NAMED("D6 denied by the server: in open associations", denied_by_the_server),
        NAMED_ALONE("X8 faults in the lists are told with their line", faulty_rules),
    };
    return cmocka_run_group_tests_name("conformance profiles_access", tests, start, group_stop);
}
