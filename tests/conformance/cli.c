/* SPDX-License-Identifier: MIT
 *
 * Commands, outputs and exit codes.
 */
#include <arpa/inet.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "fixture.h"

static void usage(void **state)
{
    (void)state;
    static const char *const wrong[][6] = {
        {"estocd"},
        {"estocd", "nonsense"},
        {"estocd", "run"},
        {"estocd", "run", "--dir"},
        {"estocd", "run", "--nonsense", "x"},
        {"estocd", "init"},
        {"estocd", "device", "--dir", "/nonexistent", "--subject"},
        {"estoc"},
        {"estoc", "nonsense"},
        {"estoc", "crts"},
        {"estoc", "crts", "http://127.0.0.1"},
        {"estoc", "crts", "coap://127.0.0.1"},
        {"estoc", "crts", "coaps://127.0.0.1:99999"},
        {"estoc", "crts", "coaps://127.0.0.1", "--block-size", "17"},
        {"estoc", "crts", "coaps://127.0.0.1", "--block-size", "2048"},
        {"estoc", "crts", "coaps://127.0.0.1", "--format", "999"},
        {"estoc", "crts", "coaps://127.0.0.1", "--nonsense", "x"},
        {"estoc", "sen", "coaps://127.0.0.1"},
        {"estoc", "enroll", "coaps://127.0.0.1"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        output o;
        const char *argv[7] = {NULL};
        memcpy(argv, wrong[i], sizeof wrong[i]);
        runv(&o, argv);
        assert_int_equal(o.code, 1);
        assert_true(strlen(o.err) > 0);
        assert_int_equal(strlen(o.out), 0);
    }
}

static void help(void **state)
{
    (void)state;
    static const char *const commands[][3] = {
        {"estocd", "--help"},           {"estocd", "init", "--help"},
        {"estocd", "run", "--help"},    {"estocd", "check", "--help"},
        {"estocd", "device", "--help"}, {"estocd", "list", "--help"},
        {"estocd", "--version"},        {"estoc", "--help"},
        {"estoc", "--version"},         {"estoc", "discover", "--help"},
        {"estoc", "crts", "--help"},    {"estoc", "att", "--help"},
        {"estoc", "enroll", "--help"},  {"estoc", "renew", "--help"},
        {"estoc", "sen", "--help"},     {"estoc", "sren", "--help"},
        {"estoc", "bench", "--help"},
    };
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        output o;
        const char *argv[4] = {NULL};
        memcpy(argv, commands[i], sizeof commands[i]);
        runv(&o, argv);
        assert_int_equal(o.code, 0);
        assert_true(strlen(o.out) > 5);
    }
}

static void init_files(void **state)
{
    const fixture *f = *state;
    output o;
    struct stat st;
    char before[65536], after[65536];
    static const char *const secret[] = {"ca.key", "server.key"};
    run(&o, "estocd", "init", "--dir", path_in(f, "made"), NULL);
    assert_int_equal(o.code, 0);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(stat(path_in(f, "made/%s", secret[i]), &st), 0);
        assert_int_equal(st.st_mode & 077, 0);
    }
    assert_int_equal(stat(path_in(f, "dev.key"), &st), 0);
    assert_int_equal(st.st_mode & 077, 0);
    read_file(path_in(f, "made/ca.key"), before, sizeof before);
    run(&o, "estocd", "init", "--dir", path_in(f, "made"), NULL); /* refuses to overwrite */
    assert_int_equal(o.code, 1);
    assert_true(strlen(o.err) > 0);
    read_file(path_in(f, "made/ca.key"), after, sizeof after);
    assert_string_equal(before, after);
}

static void device_keeps(void **state)
{
    const fixture *f = *state;
    output o;
    char before[4096], after[4096];
    read_file(path_in(f, "dev.key"), before, sizeof before);
    run(&o, "estocd", "device", "--dir", f->srv, "--subject", "CN=dev", "--out", path_in(f, "dev"),
        NULL);
    read_file(path_in(f, "dev.key"), after, sizeof after);
    assert_int_equal(o.code, 1);
    assert_string_equal(before, after);
    run(&o, "estocd", "device", "--dir", f->srv, "--subject", "nonsense", "--out",
        path_in(f, "dev3"), NULL);
    assert_int_equal(o.code, 1);
    run(&o, "estocd", "device", "--dir", path_in(f, "none"), "--subject", "CN=x", "--out",
        path_in(f, "dev4"), NULL);
    assert_int_equal(o.code, 1);
}

static void append_conf(const fixture *f, const char *text)
{
    write_file(path_in(f, "srv/estocd.conf"), text, strlen(text), "a");
}

static void check(void **state)
{
    fixture *f = *state;
    output o;
    run(&o, "estocd", "check", "--dir", f->srv, NULL);
    assert_int_equal(o.code, 0);
    char conf[65536];
    size_t n = read_file(path_in(f, "srv/estocd.conf"), conf, sizeof conf - 64);
    unsigned lines = 0;
    for (size_t i = 0; i < n; i++) {
        lines += conf[i] == '\n';
    }
    append_conf(f, "\n[server]\nnonsense = 1\nmtu = 100\n");
    run(&o, "estocd", "check", "--dir", f->srv, NULL);
    assert_int_equal(o.code, 1);
    char unknown[32], range[32];
    snprintf(unknown, sizeof unknown, ":%u:", lines + 3);
    snprintf(range, sizeof range, ":%u:", lines + 4);
    assert_non_null(strstr(o.err, unknown)); /* X8 */
    assert_non_null(strstr(o.err, "nonsense"));
    assert_non_null(strstr(o.err, range)); /* all faults, not the first alone */
    run(&o, "estocd", "run", "--dir", f->srv, "--listen", "127.0.0.1:0", NULL);
    assert_int_equal(o.code, 1); /* and it does not start */
    assert_non_null(strstr(o.err, unknown));
}

static void missing_files(void **state)
{
    fixture *f = *state;
    output o;
    run(&o, "estocd", "run", "--dir", path_in(f, "none"), NULL);
    assert_int_equal(o.code, 1);
    run(&o, "estocd", "check", "--dir", path_in(f, "none"), NULL);
    assert_int_equal(o.code, 1);
    assert_int_equal(unlink(path_in(f, "srv/server.key")), 0);
    run(&o, "estocd", "run", "--dir", f->srv, "--listen", "127.0.0.1:0", NULL);
    assert_int_equal(o.code, 1);
    assert_non_null(strstr(o.err, "server.key"));
}

static void listen_taken(void **state)
{
    fixture *f = *state;
    output o;
    run(&o, "estocd", "run", "--dir", f->srv, "--listen", "192.0.2.1:5684", NULL);
    assert_int_equal(o.code, 1); /* not an address of this host */
    run(&o, "estocd", "run", "--dir", f->srv, "--listen", "nonsense", NULL);
    assert_int_equal(o.code, 1);
}

static void start_and_stop(void **state)
{
    fixture *f = *state;
    fixture_start(f); /* the ready line, the real port */
    peer *p = connect_as(f, "dev");
    expect_alive(p);
    fixture_stop(f); /* exit 0, though an association is open */
    assert_int_equal(peer_recv(p, (uint8_t[16]){0}, 16, 2000), 0);
    assert_true(p->closed); /* and it was told */
    peer_free(p);
    fixture_start(f);
    kill(f->pid, SIGINT);
    assert_int_equal(run_wait(f->pid, 10000), 0);
    f->pid = 0;
    close(f->out);
}

static void ipv6(void **state)
{
    fixture *f = *state;
    output o;
    char script[1024];
    snprintf(script, sizeof script,
             "\"$ESTOCD\" run --dir %s --listen '[::1]:0' >%s/out 2>/dev/null & p=$!; "
             "for i in $(seq 100); do grep -q ready %s/out && break; sleep 0.1; done; "
             "cat %s/out; kill $p; wait $p",
             f->srv, f->dir, f->dir, f->dir);
    run(&o, "sh", "-c", script, NULL);
    assert_int_equal(o.code, 0);
    assert_non_null(strstr(o.out, "ready coaps://[::1]:"));
}

static void hang_up(void **state)
{
    fixture *f = *state;
    output o;
    EVP_PKEY *late_key = key_new("P-256"), *device_key = key_new("P-256");
    fixture_start(f);
    peer *p = connect_as(f, "dev");
    /* a manufacturer that is not known yet */
    X509 *late = cert_new(late_key, &(cert_cfg){.cn = "Late", .ca = true});
    X509 *device =
        cert_new(device_key, &(cert_cfg){.cn = "late-1", .issuer = late, .issuer_key = late_key});
    peer_cfg cfg = {.port = f->port, .own = device, .own_key = device_key};
    peer *q = peer_new(&cfg);
    assert_false(peer_handshake(q, 5000));
    peer_free(q);
    cert_write(late, path_in(f, "srv/client-anchors.pem"), "a");
    kill(f->pid, SIGHUP);
    bool in = false;
    for (int i = 0; i < 50 && !in; i++) {
        usleep(100000);
        q = peer_new(&cfg);
        in = peer_handshake(q, 5000);
        peer_free(q);
    }
    assert_true(in);
    expect_alive(p); /* reload without dropping associations */
    /* a faulty configuration is refused, and nothing changes */
    append_conf(f, "\n[server]\nnonsense = 1\n");
    kill(f->pid, SIGHUP);
    usleep(500000);
    expect_alive(p);
    q = peer_connect(&cfg);
    expect_alive(q);
    peer_free(q);
    peer_free(p);
    run(&o, "grep", "-q", "refused", path_in(f, "estocd.log"), NULL);
    assert_int_equal(o.code, 0);
    X509_free(late);
    X509_free(device);
    EVP_PKEY_free(late_key);
    EVP_PKEY_free(device_key);
}

static void list_and_show(void **state)
{
    fixture *f = *state;
    output o;
    fixture_start(f);
    run(&o, "estocd", "list", "--dir", f->srv, NULL);
    assert_int_equal(o.code, 0);
    assert_null(strstr(o.out, "CN=dev"));
    run_as(&o, f, "dev", "enroll", f->uri, "--out", path_in(f, "op"), NULL);
    assert_int_equal(o.code, 0);
    X509 *cert = cert_read(path_in(f, "op.crt"));
    BIGNUM *bn = ASN1_INTEGER_to_BN(X509_get0_serialNumber(cert), NULL);
    char *serial = BN_bn2hex(bn);
    for (char *c = serial; *c != '\0'; c++) {
        *c = (char)(*c >= 'A' && *c <= 'F' ? *c - 'A' + 'a' : *c);
    }
    for (int running = 1; running >= 0; running--) { /* while it runs, and when it doesn't */
        run(&o, "estocd", "list", "--dir", f->srv, NULL);
        assert_int_equal(o.code, 0);
        assert_non_null(strstr(o.out, "CN=dev"));
        run(&o, "estocd", "list", "--dir", f->srv, "--json", NULL);
        assert_int_equal(o.code, 0);
        assert_non_null(strcasestr(o.out, serial));
        run(&o, "estocd", "show", serial, "--dir", f->srv, NULL);
        assert_int_equal(o.code, 0);
        assert_non_null(strcasestr(o.out, serial));
        if (running) {
            fixture_stop(f);
        }
    }
    run(&o, "estocd", "show", "0123456789abcdef", "--dir", f->srv, NULL);
    assert_int_equal(o.code, 1);
    OPENSSL_free(serial);
    BN_free(bn);
    X509_free(cert);
}

static void no_answer(void **state)
{
    const fixture *f = *state;
    output o;
    char uri[64];
    int fd = udp_open(9); /* bound to a port where nobody answers, by its own connect */
    struct sockaddr_in at;
    socklen_t len = sizeof at;
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    snprintf(uri, sizeof uri, "coaps://127.0.0.1:%u", ntohs(at.sin_port));
    run_as(&o, f, "dev", "crts", uri, "--timeout", "2", NULL);
    assert_int_equal(o.code, 2);
    assert_true(strlen(o.err) > 0);
    close(fd);
}

static void exit_codes(void **state)
{
    fixture *f = *state;
    output o;
    EVP_PKEY *key = key_new("P-256"), *ca_key = key_new("P-256");
    X509 *ca = cert_new(ca_key, &(cert_cfg){.cn = "Nobody", .ca = true});
    X509 *cert = cert_new(key, &(cert_cfg){.cn = "dev", .issuer = ca, .issuer_key = ca_key});
    cert_write(cert, path_in(f, "stranger.crt"), "w");
    key_write(key, path_in(f, "stranger.key"));
    cert_write(ca, path_in(f, "nobody.ta"), "w");
    fixture_start(f);
    run(&o, "cp", path_in(f, "dev.ta"), path_in(f, "stranger.ta"), NULL);
    run_as(&o, f, "stranger", "crts", f->uri, NULL);
    assert_int_equal(o.code, 3); /* the server refuses the client */
    run(&o, "estoc", "crts", f->uri, "--ta", path_in(f, "dev.ta"), NULL);
    assert_int_equal(o.code, 3); /* no certificate at all */
    run(&o, "estoc", "crts", f->uri, "--cert", path_in(f, "dev.crt"), "--key",
        path_in(f, "dev.key"), "--ta", path_in(f, "nobody.ta"), NULL);
    assert_int_equal(o.code, 3); /* the client refuses the server */
    run_as(&o, f, "dev", "enroll", f->uri, "--subject", "CN=somebody", "--out", path_in(f, "x"),
           NULL);
    assert_int_equal(o.code, 4); /* refused by the server */
    run_as(&o, f, "dev", "crts", f->uri, "--label", "none", NULL);
    assert_int_equal(o.code, 4);
    run_as(&o, f, "missing", "crts", f->uri, NULL);
    assert_int_equal(o.code, 1);
    run(&o, "estoc", "crts", f->uri, "--cert", path_in(f, "dev.crt"), "--key",
        path_in(f, "stranger.key"), "--ta", path_in(f, "dev.ta"), NULL);
    assert_int_equal(o.code, 1); /* a pair that is none */
    assert_int_equal(issued(f), 0);
    X509_free(ca);
    X509_free(cert);
    EVP_PKEY_free(key);
    EVP_PKEY_free(ca_key);
}

static void trace(void **state)
{
    fixture *f = *state;
    output o;
    char text[65536];
    fixture_start(f);
    run_as(&o, f, "dev", "crts", f->uri, "-v", "--trace", path_in(f, "trace"), NULL);
    assert_int_equal(o.code, 0);
    assert_true(strlen(o.err) > 0);
    assert_true(read_file(path_in(f, "trace"), text, sizeof text) > 0);
    assert_non_null(strstr(text, "crts"));
}

/* A line each: milliseconds, a direction, a message. What came answers what went, by its token. */
static void check_trace(const char *line, char token[32])
{
    unsigned ms;
    char direction[4], now[32] = "";
    assert_int_equal(sscanf(line, "%u ms %3s ", &ms, direction), 2);
    if (strcmp(direction, "--") == 0) {
        return;
    }
    assert_true(strcmp(direction, "->") == 0 || strcmp(direction, "<-") == 0);
    assert_non_null(strstr(line, " bytes="));
    const char *at = strstr(line, " token=");
    assert_true(at != NULL || strstr(line, " dtls ") != NULL);
    if (at != NULL) {
        assert_int_equal(sscanf(at, " token=%16[0-9a-f]", now), 1);
        if (direction[0] == '<') {
            assert_string_equal(now, token);
        }
        strcpy(token, now);
    }
}

static void trace_of_enrollment(void **state)
{
    fixture *f = *state;
    output o;
    static char text[65536];
    char token[32] = "";
    fixture_start(f);
    run_as(&o, f, "dev", "enroll", f->uri, "--trace", path_in(f, "trace"), "--block-size", "64",
           "--out", path_in(f, "op"), NULL);
    assert_int_equal(o.code, 0);
    assert_null(strstr(o.err, " ms -> ")); /* that is -v's */
    read_file(path_in(f, "trace"), text, sizeof text);
    static const char *const wanted[] = {
        "-- enroll coaps://",
        "-> dtls ClientHello bytes=",
        "<- dtls HelloVerifyRequest bytes=",
        "-> CON ",
        " GET /.well-known/est/crts token=",
        " 2.05 token=",
        " format=281 ",
        " block2=1/1/64 ",
        " POST /.well-known/est/sen token=",
        " format=286 block1=0/1/64 size1=",
        "<- ACK ",
        " 2.31 token=",
        " 2.04 token=",
        "-> dtls alert(encrypted) bytes=",
    };
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        if (strstr(text, wanted[i]) == NULL) {
            fail_msg("no \"%s\" in: %s", wanted[i], text);
        }
    }
    for (const char *line = text; *line != '\0'; line += strcspn(line, "\n") + 1) {
        char one[512];
        assert_true(strcspn(line, "\n") < sizeof one);
        snprintf(one, sizeof one, "%.*s", (int)strcspn(line, "\n"), line);
        check_trace(one, token);
    }
    run_as(&o, f, "dev", "crts", f->uri, "--trace", "/nonexistent/trace", NULL);
    assert_int_equal(o.code, 1);
    assert_non_null(strstr(o.err, "/nonexistent/trace: cannot be written"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        NAMED("cli usage errors exit with 1", usage),
        NAMED("cli --help and --version everywhere", help),
        NAMED_ALONE("cli init keeps keys to itself and never overwrites", init_files),
        NAMED_ALONE("cli device never overwrites", device_keeps),
        NAMED_ALONE("X8 cli check tells all faults with their lines", check),
        NAMED_ALONE("cli missing files", missing_files),
        NAMED_ALONE("cli addresses that cannot be listened on", listen_taken),
        NAMED_ALONE("cli ready line, real port, SIGTERM and SIGINT exit with 0", start_and_stop),
        NAMED_ALONE("cli ready line of an IPv6 address", ipv6),
        NAMED_ALONE("cli SIGHUP takes new anchors, and keeps the old with a faulty file", hang_up),
        NAMED_ALONE("cli list and show, with and without the server", list_and_show),
        NAMED_ALONE("cli no answer exits with 2", no_answer),
        NAMED_ALONE("cli exit codes 3, 4 and 1", exit_codes),
        NAMED_ALONE("cli -v and --trace", trace),
        NAMED_ALONE("cli --trace lets a person follow an enrollment", trace_of_enrollment),
    };
    return cmocka_run_group_tests_name("cli", tests, NULL, NULL);
}
