/* SPDX-License-Identifier: MIT
 *
 * Sessions resumed: by a peer, and by estoc --resume.
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

static peer *connect_with(const fixture *f, const char *name, SSL_SESSION *session)
{
    peer_cfg cfg = device_cfg(f, name);
    cfg.session = session;
    return peer_connect(&cfg);
}

/* A full handshake and its session. */
static SSL_SESSION *session_of(const fixture *f, const char *name)
{
    peer *p = connect_as(f, name);
    expect_alive(p);
    SSL_SESSION *session = SSL_get1_session(p->ssl);
    peer_close(p);
    peer_free(p);
    return session;
}

static bool resumes(const fixture *f, const char *name, SSL_SESSION *session)
{
    peer *p = connect_with(f, name, session);
    bool resumed = SSL_session_reused(p->ssl) == 1;
    expect_alive(p);
    peer_close(p);
    peer_free(p);
    return resumed;
}

static void fewer_bytes(void **state)
{
    peer *p = connect_as(*state, "dev");
    size_t up = p->sent, down = p->got;
    SSL_SESSION *session = SSL_get1_session(p->ssl);
    unsigned id_len;
    SSL_SESSION_get_id(session, &id_len);
    assert_int_equal(id_len, 16);
    assert_false(SSL_SESSION_has_ticket(session));
    peer_close(p);
    peer_free(p);
    p = connect_with(*state, "dev", session);
    assert_true(SSL_session_reused(p->ssl));
    expect_alive(p);
    assert_true(p->sent < up / 2);
    assert_true(p->got < down / 2);
    peer_free(p);
    SSL_SESSION_free(session);
}

/* The kernel spreads addresses over the workers: each of them knows the session. */
static void every_worker(void **state)
{
    fixture *f = *state;
    fixture_conf(f, "server", "workers", "4");
    fixture_start(f);
    SSL_SESSION *session = session_of(f, "dev");
    for (int i = 0; i < 20; i++) {
        assert_true(resumes(f, "dev", session));
    }
    SSL_SESSION_free(session);
}

/* HC 304 */
static void same_identity(void **state)
{
    fixture *f = *state;
    output o;
    run_as(&o, f, "dev", "enroll", f->uri, "--out", path_in(f, "op"), NULL);
    assert_int_equal(o.code, 0);
    SSL_SESSION *session = session_of(f, "op");
    /* no certificate is shown any more: the server has the one of the first handshake */
    peer *p = peer_connect(&(peer_cfg){.port = f->port, .session = session});
    assert_true(SSL_session_reused(p->ssl));
    EVP_PKEY *key = key_new("P-256");
    body csr, answer;
    csr_new(key, "CN=somebody else", NULL, &csr);
    assert_int_equal(enroll(p, EST "/sren", &csr, -1, -1, &answer), CODE(4, 3));
    csr_new(key, "CN=dev", NULL, &csr);
    assert_int_equal(enroll(p, EST "/sren", &csr, -1, -1, &answer), CODE(2, 4));
    EVP_PKEY_free(key);
    peer_free(p);
    SSL_SESSION_free(session);
}

static char *serial_of(const char *file, char *out, size_t room)
{
    X509 *cert = cert_read(file);
    BIGNUM *n = ASN1_INTEGER_to_BN(X509_get0_serialNumber(cert), NULL);
    char *hex = BN_bn2hex(n);
    snprintf(out, room, "%s", hex);
    OPENSSL_free(hex);
    BN_free(n);
    X509_free(cert);
    return out;
}

/* HC 47 */
static void revoked_since(void **state)
{
    fixture *f = *state;
    output o;
    char serial[64];
    run_as(&o, f, "dev", "enroll", f->uri, "--out", path_in(f, "gone"), NULL);
    assert_int_equal(o.code, 0);
    SSL_SESSION *session = session_of(f, "gone");
    unsigned before = issued(f);
    run(&o, "estocd", "revoke", serial_of(path_in(f, "gone.crt"), serial, sizeof serial), "--dir",
        f->srv, NULL);
    assert_int_equal(o.code, 0);
    sleep(2); /* a second is promised */
    peer_cfg cfg = device_cfg(f, "gone");
    cfg.session = session;
    peer *p = peer_new(&cfg);
    assert_false(peer_handshake(p, 10000));
    assert_int_equal(p->alert_in, 2 << 8 | 44); /* fatal, certificate_revoked */
    assert_int_equal(issued(f), before);
    peer_free(p);
    SSL_SESSION_free(session);
}

/* HC 46 */
static void without_ems(void **state)
{
    const fixture *f = *state;
    SSL_SESSION *session = session_of(f, "dev");
    peer_cfg cfg = device_cfg(f, "dev");
    cfg.session = session;
    cfg.no_ems = true;
    peer *p = peer_new(&cfg);
    assert_false(peer_handshake(p, 5000));
    assert_int_equal(p->alert_in >> 8, 2);
    peer_free(p);
    cfg.session = NULL; /* and no full handshake either */
    p = peer_new(&cfg);
    assert_false(peer_handshake(p, 5000));
    peer_free(p);
    SSL_SESSION_free(session);
}

static unsigned reloads(const fixture *f)
{
    static char log[65536];
    unsigned n = 0;
    read_file(path_in(f, "estocd.log"), log, sizeof log);
    for (const char *at = log; (at = strstr(at, "event=reload result=done")) != NULL; at++) {
        n++;
    }
    return n;
}

/* A reload that changes whom the server trusts is one no session outlives; any other is nothing to a
 * device. */
static void over_a_reload(void **state)
{
    fixture *f = *state;
    fixture_device(f, "CN=other", "other");
    fixture_start(f);
    SSL_SESSION *session = session_of(f, "dev");
    kill(f->pid, SIGHUP);
    for (int i = 0; i < 200 && reloads(f) == 0; i++) {
        usleep(50000);
    }
    assert_int_equal(reloads(f), 1);
    usleep(300000); /* most likely all workers have it by then */
    assert_true(resumes(f, "dev", session));
    fixture_conf(f, "server", "deny", path_in(f, "other.crt"));
    kill(f->pid, SIGHUP);
    bool resumed = true;
    for (int i = 0; i < 100 && resumed; i++) {
        usleep(50000);
        resumed = resumes(f, "dev", session);
    }
    assert_false(resumed);
    SSL_SESSION_free(session);
}

/* A device that restarts says nothing, and comes back from the same port. */
static void same_port(void **state)
{
    const fixture *f = *state;
    peer *p = connect_as(f, "dev");
    peer_cfg cfg = device_cfg(f, "dev");
    cfg.session = SSL_get1_session(p->ssl);
    for (int i = 0; i < 3; i++) {
        SSL_set_shutdown(p->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN); /* says nothing */
        p = peer_again(p, &cfg);
        assert_true(peer_handshake(p, 10000));
        assert_true(SSL_session_reused(p->ssl));
        expect_alive(p);
    }
    peer_close(p);
    peer_free(p);
    assert_true(resumes(f, "dev", cfg.session));
    SSL_SESSION_free(cfg.session);
}

/* A forged hello with the session's ID and without its secret: the device's association goes on. */
static void stolen_id(void **state)
{
    const fixture *f = *state;
    peer *p = connect_as(f, "dev");
    SSL_SESSION *session = SSL_get1_session(p->ssl);
    SSL_SESSION *stolen = SSL_SESSION_dup(session);
    uint8_t secret[48] = {0};
    assert_int_equal(SSL_SESSION_set1_master_key(stolen, secret, sizeof secret), 1);
    peer_cfg cfg = device_cfg(f, "dev");
    cfg.session = stolen;
    peer *thief = peer_new(&cfg);
    assert_false(peer_handshake(thief, 1500));
    peer_free(thief);
    expect_alive(p);
    peer_free(p);
    SSL_SESSION_free(session);
    SSL_SESSION_free(stolen);
}

/* The longest one is forgotten; the others are not. */
static void bounded(void **state)
{
    fixture *f = *state;
    fixture_conf(f, "server", "sessions-max", "4");
    fixture_start(f);
    SSL_SESSION *first = session_of(f, "dev");
    SSL_SESSION *next = session_of(f, "dev");
    for (int i = 0; i < 3; i++) {
        SSL_SESSION_free(session_of(f, "dev"));
    }
    assert_true(resumes(f, "dev", next));
    assert_false(resumes(f, "dev", first));
    SSL_SESSION_free(first);
    SSL_SESSION_free(next);
}

static void switched_off(void **state)
{
    fixture *f = *state;
    fixture_conf(f, "server", "resume", "0");
    fixture_start(f);
    SSL_SESSION *session = session_of(f, "dev");
    unsigned id_len;
    SSL_SESSION_get_id(session, &id_len);
    assert_int_equal(id_len, 0);
    assert_false(resumes(f, "dev", session));
    SSL_SESSION_free(session);
}

static void over(void **state)
{
    fixture *f = *state;
    fixture_conf(f, "server", "resume", "1s");
    fixture_start(f);
    SSL_SESSION *session = session_of(f, "dev");
    sleep(2);
    assert_false(resumes(f, "dev", session));
    SSL_SESSION_free(session);
}

static bool crts_resumed(const fixture *f, const char *name, const char *file)
{
    output o;
    run_as(&o, f, name, "crts", f->uri, "--resume", file, "-v", NULL);
    if (o.code != 0) {
        print_error("%s", o.err);
    }
    assert_int_equal(o.code, 0);
    return strstr(o.err, "handshake done (session resumed)") != NULL;
}

static void by_command(void **state)
{
    fixture *f = *state;
    fixture_start(f);
    char file[PATH_LEN]; /* longer than path_in keeps it */
    strcpy(file, path_in(f, "session"));
    struct stat st;
    assert_false(crts_resumed(f, "dev", file));
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_true(crts_resumed(f, "dev", file));
    assert_true(crts_resumed(f, "dev", file));
    /* another client */
    fixture_device(f, "CN=dev2", "dev2");
    assert_false(crts_resumed(f, "dev2", file));
    assert_true(crts_resumed(f, "dev2", file));
    assert_false(crts_resumed(f, "dev", file));
    /* HC 296: other anchors, though they trust this server, too */
    cert_write(f->maker, path_in(f, "dev.ta"), "a");
    assert_false(crts_resumed(f, "dev", file));
    assert_true(crts_resumed(f, "dev", file));
    /* a server that has forgotten, unless it keeps them where other nodes find them, too */
    fixture_restart(f);
    assert_int_equal(crts_resumed(f, "dev", file), getenv("ESTOC_TEST_STORE") != NULL);
    /* no session at all */
    write_file(file, "estoc session 1\nand then something else than a session, whatever it may be",
               72, "w");
    assert_false(crts_resumed(f, "dev", file));
    truncate(file, 60);
    assert_false(crts_resumed(f, "dev", file));
    assert_true(crts_resumed(f, "dev", file));
    output o;
    run_as(&o, f, "dev", "crts", f->uri, "--resume", path_in(f, "no/such/folder"), NULL);
    assert_int_equal(o.code, 0);
    assert_non_null(strstr(o.err, "the session cannot be kept"));
}

/* The whole of an enrollment, and its renewal, in resumed sessions; then as a load. */
static void enroll_and_renew(void **state)
{
    fixture *f = *state;
    output o;
    fixture_start(f);
    char file[PATH_LEN], op[PATH_LEN];
    strcpy(file, path_in(f, "session"));
    strcpy(op, path_in(f, "op"));
    (void)crts_resumed(f, "dev", file);
    run_as(&o, f, "dev", "enroll", f->uri, "--out", op, "--resume", file, "-v", NULL);
    assert_int_equal(o.code, 0);
    assert_non_null(strstr(o.err, "session resumed"));
    for (int i = 0; i < 3; i++) {
        run(&o, "estoc", "renew", f->uri, "--out", op, "--resume", file, "-v", NULL);
        assert_int_equal(o.code, 0); /* a new certificate each time: no session fits */
        assert_null(strstr(o.err, "session resumed"));
    }
    (void)crts_resumed(f, "dev", file);
    run_as(&o, f, "dev", "bench", f->uri, "--count", "20", "--concurrency", "4", "--resume", file,
           "--json", NULL);
    assert_int_equal(o.code, 0);
    assert_int_equal(issued(f), 24);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        NAMED("D8 a session resumed by its ID takes less than half the bytes", fewer_bytes),
        NAMED("D8 HC 304 a resumed session has the identity of the first", same_identity),
        NAMED("D8 HC 47 who is revoked gets nothing in a resumed session", revoked_since),
        NAMED("D8 HC 46 no resumption without the extended master secret", without_ems),
        NAMED("D8 D10 a device that restarts resumes from the same port", same_port),
        NAMED("D8 the ID without the secret gets nowhere", stolen_id),
        NAMED_ALONE("D8 every worker resumes", every_worker),
        NAMED_ALONE("D8 HC 276 a session outlives a reload, unless another is trusted",
                    over_a_reload),
        NAMED_ALONE("D8 as many sessions as configured, the oldest go first", bounded),
        NAMED_ALONE("D8 no session ID where resumption is off", switched_off),
        NAMED_ALONE("D8 a session whose time is over is a full handshake", over),
        NAMED_ALONE("D8 HC 296 cli estoc --resume, and what makes it a full handshake", by_command),
        NAMED_ALONE("D8 cli enroll, renew and bench with --resume", enroll_and_renew),
    };
    return cmocka_run_group_tests_name("resume", tests, group_start, group_stop);
}
