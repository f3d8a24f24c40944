/* SPDX-License-Identifier: MIT
 *
 * The folder of a registrar: checked, copied, served from; and what commands say that have nothing to do
 * there.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "registrar_folder.h"

/* ---- check ---- */

static void faults_in_the_file(void **state)
{
    const fixture *f = *state;
    output o;
    made_folder(f, "reg");
    put_conf(f, "reg",
             "[ca]\n"
             "key = x\n"
             "[upstream]\n"
             "url = http://h/e\n"
             "anchors = upstream.ta\n"
             "[profile]\n"
             "validity = 1d\n"
             "reenroll = yes\n"
             "[server]\n"
             "authority = registrar\n");
    check_folder(f, &o, "reg");
    assert_int_equal(o.code, 1);
    const char *at = says(o.err, "estocd.conf:1: [ca]: has no meaning with authority = registrar");
    at = says(at, "estocd.conf:4: url: must be https://");
    at = says(at, "estocd.conf:7: validity has no meaning with authority = registrar");
    says(at, "estocd.conf:8: reenroll = yes: must be");
    run(&o, "estocd", "run", "--dir", path_in(f, "reg"), NULL);
    assert_int_equal(o.code, 1); /* and it does not start */
    says(o.err, "estocd.conf:1: [ca]");
    put_conf(f, "reg", "[server]\nauthority = registrar\n");
    check_folder(f, &o, "reg");
    bad(&o, "estocd.conf:2: authority = registrar: needs a section [upstream]");
}

static void faults_in_files(void **state)
{
    const fixture *f = *state;
    output o;
    made_folder(f, "reg");
    credential(f, "reg/registrar", "serverAuth", LONG_S);
    check_folder(f, &o, "reg");
    good(&o);
    says(o.err, "registrar.crt: is not for clients (clientAuth)");
    says(o.err, "registrar.crt: has no id-kp-cmcRA");
    credential(f, "reg/registrar", ALL_PURPOSES, 86400);
    check_folder(f, &o, "reg");
    good(&o);
    says(o.err, "registrar.crt: ends within 30 days");
    credential(f, "reg/registrar", ALL_PURPOSES, -60);
    check_folder(f, &o, "reg");
    assert_int_equal(o.code, 1);
    says(o.err, "registrar.crt: not valid since");
    unlink(path_in(f, "reg/upstream.ta"));
    check_folder(f, &o, "reg");
    assert_int_equal(o.code, 1);
    says(o.err, "upstream.ta");
    run(&o, "estocd", "run", "--dir", path_in(f, "reg"), "--listen", "127.0.0.1:0", NULL);
    assert_int_equal(o.code, 1);
    says(o.err, "estocd run: ");
    says(o.err, "upstream.ta: cannot be read");
    /* without a credential, and a key of another */
    run(&o, "cp", path_in(f, "srv/ca.crt"), path_in(f, "reg/upstream.ta"), NULL);
    credential(f, "reg/registrar", ALL_PURPOSES, LONG_S);
    fixture_device((fixture *)(uintptr_t)f, "CN=x", "x");
    put_conf(f, "reg",
             "[server]\n"
             "authority = registrar\n"
             "certificate = registrar.crt\n"
             "key = registrar.key\n"
             "[upstream]\n"
             "url = " URL "\n"
             "anchors = upstream.ta\n"
             "[upstream b]\n"
             "url = " URL "\n"
             "anchors = upstream.ta\n"
             "certificate = registrar.crt\n"
             "key = ../x.key\n"
             "[profile]\n"
             "pop = required\n"
             "[profile b]\n"
             "pop = required\n"
             "attributes = challengePassword\n");
    check_folder(f, &o, "reg");
    assert_int_equal(o.code, 1);
    says(o.err, URL ": no certificate is shown there");
    says(o.err, "do not belong together");
    says(o.err, "the default profile: has pop = required");
    says_not(o.err, "note: b: has pop = required");
}

/* ---- check --online ---- */

typedef struct scripted {
    pid_t pid;
    char line[512];
} scripted;

/* tests/registrar/scripted.py in the fixture's folder "up". */
static void start_server(const fixture *f, scripted *s)
{
    int out[2];
    ssize_t n = 0;
    assert_int_equal(pipe(out), 0);
    s->pid = fork();
    if (s->pid == 0) {
        dup2(out[1], STDOUT_FILENO);
        close(out[0]);
        close(out[1]);
        execlp("python3", "python3", getenv("ESTOC_SCRIPTED"), "--dir", path_in(f, "up"),
               (char *)NULL);
        _exit(127);
    }
    close(out[1]);
    while (strchr(s->line, '\n') == NULL) {
        ssize_t got = read(out[0], s->line + n, sizeof s->line - 1 - (size_t)n);
        assert_true(got > 0);
        n += got;
        s->line[n] = '\0';
    }
    close(out[0]);
}

static void stop_server(const scripted *s)
{
    kill(s->pid, SIGTERM);
    waitpid(s->pid, NULL, 0);
}

/* Of its line "ready PORT NAME=PORT ...". */
static unsigned port_of(const scripted *s, const char *name)
{
    return (unsigned)strtoul(says(s->line, name) + strlen(name), NULL, 10);
}

static void conf_for(const fixture *f, const char *upstreams)
{
    char text[8192];
    snprintf(text, sizeof text,
             "[server]\n"
             "authority = registrar\n"
             "certificate = registrar.crt\n"
             "key = registrar.key\n"
             "%s",
             upstreams);
    put_conf(f, "reg", text);
}

static void online(void **state)
{
    const fixture *f = *state;
    scripted s = {0};
    output o;
    char text[4096];
    made_folder(f, "reg");
    start_server(f, &s);
    unsigned port = port_of(&s, "ready ");
#define KNOWN                             \
    "anchors = ../up/upstream.ta\n"       \
    "certificate = ../up/registrar.crt\n" \
    "key = ../up/registrar.key\n"
    snprintf(text, sizeof text,
             "[upstream]\n"
             "url = https://localhost:%u/.well-known/est\n" KNOWN,
             port);
    conf_for(f, text);
    run(&o, "estocd", "check", "--dir", path_in(f, "reg"), "--online", NULL);
    good(&o);
    snprintf(text, sizeof text, "upstream https://localhost:%u/.well-known/est: 2 certificates, ",
             port);
    says(o.out, text);
    says(o.out, "no faults\n");
    says(o.err, "client-anchors.pem: has none of the certificates of https://localhost:");
    says(o.err, "registrar.crt: does not lead to the certificates of https://localhost:");
    /* devices of that CA, and a server's certificate by it */
    run(&o, "cp", path_in(f, "up/cacerts.pem"), path_in(f, "reg/client-anchors.pem"), NULL);
    good(&o);
    run(&o, "estocd", "check", "--dir", path_in(f, "reg"), "--online", NULL);
    good(&o);
    says_not(o.err, "client-anchors.pem");
    /* each URL, each label */
    snprintf(text, sizeof text,
             "[upstream]\n"
             "url = https://localhost:%u/.well-known/est\n"
             "url = https://localhost:%u/.well-known/est\n"
             "url = https://localhost:1/.well-known/est\n" KNOWN "[upstream b]\n"
             "url = https://localhost:%u/.well-known/est\n" KNOWN "timeout = 1s\n"
             "[profile get-status-404]\n"
             "[profile b]\n"
             "upstream = b\n"
             "upstream-label = get-garbage\n",
             port, port_of(&s, "wrong-name="), port);
    conf_for(f, text);
    run(&o, "estocd", "check", "--dir", path_in(f, "reg"), "--online", NULL);
    assert_int_equal(o.code, 1);
    snprintf(text, sizeof text, "upstream https://localhost:%u/.well-known/est: 2 certificates, ",
             port);
    says(o.out, text);
    assert_null(strstr(says(o.out, text) + 1, "upstream https://localhost:")); /* no other */
    snprintf(text, sizeof text,
             "check: https://localhost:%u/.well-known/est/get-status-404: HTTP 404", port);
    says(o.err, text);
    snprintf(text, sizeof text,
             "check: https://localhost:%u/.well-known/est: ", port_of(&s, "wrong-name="));
    says(o.err, text);
    says(o.err, "check: https://localhost:1/.well-known/est: ");
    says(o.err, "check: https://localhost:1/.well-known/est/get-status-404: ");
    snprintf(text, sizeof text, "check: https://localhost:%u/.well-known/est/get-garbage: ", port);
    says(o.err, text);
    says_not(o.out, "no faults");
    stop_server(&s);
    /* a CA has nobody to ask */
    run(&o, "estocd", "check", "--dir", f->srv, "--online", NULL);
    good(&o);
    says(o.err, "note: --online: there is nobody to ask");
}

/* ---- commands ---- */

static void no_ca_here(void **state)
{
    const fixture *f = *state;
    made_folder(f, "reg");
    const char *dir = path_in(f, "reg");
    const char *out = path_in(f, "out");
    const char *const rows[][10] = {
        {"estocd", "device", "--dir", dir, "--subject", "CN=x", "--out", out},
        {"estocd", "crl", "--dir", dir, "--out", out},
        {"estocd", "approve", "--dir", dir, "r1"},
        {"estocd", "reject", "--dir", dir, "r1"},
        {"estocd", "profiles", "publish", "--dir", dir},
        {"estocd", "profiles", "list", "--dir", dir},
        {"estocd", "profiles", "show", "--dir", dir, "1"},
        {"estocd", "audit", "verify", "--dir", dir},
        {"estocd", "audit", "show", "--dir", dir},
        {"estocd", "audit", "replay", "--dir", dir, "--file", out},
        {"estocd", "ca", "show", "--dir", dir},
        {"estocd", "ca", "csr", "--dir", dir, "--out", out},
        {"estocd", "ca", "import", "--dir", dir, "--chain", out},
        {"estocd", "ca", "rollover", "--dir", dir},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        output o;
        runv(&o, rows[i]);
        bad(&o, "is a registrar, whose CA is elsewhere: ");
    }
    assert_int_equal(access(out, F_OK), -1);
    output o;
    run(&o, "estocd", "revoke", "--dir", dir, "0102", NULL);
    bad(&o, "no certificate has this serial number");
    /* and those that look */
    run(&o, "estocd", "list", "--dir", dir, NULL);
    good(&o);
    run(&o, "estocd", "pending", "--dir", dir, NULL);
    good(&o);
    run(&o, "estocd", "stats", "--dir", dir, NULL);
    good(&o);
}

static void back_up(void **state)
{
    const fixture *f = *state;
    output o;
    char conf[65536];
    made_folder(f, "reg");
    run(&o, "estocd", "backup", "--dir", path_in(f, "reg"), "--out", path_in(f, "b"), NULL);
    good(&o);
    says(o.err, "b: 0 certificates, 5 files; ");
    says_not(o.err, "note:");
    run(&o, "estocd", "restore", "--in", path_in(f, "b"), "--dir", path_in(f, "back"), NULL);
    good(&o);
    check_folder(f, &o, "back");
    good(&o);
    assert_string_equal(o.err, "");
    run(&o, "estocd", "restore", "--in", path_in(f, "b"), "--dir", path_in(f, "again"), "--store",
        "sqlite:other.db", NULL);
    good(&o);
    read_file(path_in(f, "again/estocd.conf"), conf, sizeof conf);
    says(says(conf, "[registrar]\n"), "store = sqlite:other.db\n");
    says_not(conf, "\n[ca]");
    assert_int_equal(access(path_in(f, "again/other.db"), F_OK), 0);
    check_folder(f, &o, "again");
    good(&o);
    says(o.out, "again/other.db, 0 issued\n");
}

/* ---- run ---- */

static void reload(void **state)
{
    fixture *f = *state;
    output o;
    char conf[65536];
    made_folder(f, "reg");
    size_t n = read_file(path_in(f, "reg/estocd.conf"), conf, sizeof conf);
    snprintf(f->srv, sizeof f->srv, "%s", path_in(f, "reg"));
    fixture_start(f); /* the usual ready line, though nobody is upstream */
    run_as(&o, f, "dev", "discover", f->uri, NULL);
    good(&o);
    says(o.out, "/est/crts");
    says_not(o.out, "/est/att");
    run_as(&o, f, "dev", "crts", f->uri, NULL);
    assert_int_equal(o.code, 75); /* later */
    says(o.err, "5.03");
    /* another kind of authority takes a new start; what is there goes on */
    put_conf(f, "reg", "");
    run(&o, "cp", path_in(f, "srv/ca.crt"), path_in(f, "srv/ca.key"), path_in(f, "reg"), NULL);
    good(&o);
    kill(f->pid, SIGHUP);
    usleep(300000);
    run_as(&o, f, "dev", "crts", f->uri, NULL);
    says(o.err, "5.03");
    write_file(path_in(f, "reg/estocd.conf"), conf, n, "w");
    write_file(path_in(f, "reg/estocd.conf"), "\n[profile more]\n", 16, "a");
    kill(f->pid, SIGHUP);
    for (int i = 0; i < 100; i++) { /* it asks upstream first, which is not there */
        run_as(&o, f, "dev", "discover", f->uri, NULL);
        good(&o);
        if (strstr(o.out, "/est/more/sen") != NULL) {
            break;
        }
        usleep(100000);
    }
    says(o.out, "/est/more/sen");
    fixture_stop(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        NAMED_ALONE("X8 cli check tells a registrar's faults with their lines", faults_in_the_file),
        NAMED_ALONE("cli check looks at what upstreams know a registrar by", faults_in_files),
        NAMED_ALONE("cli G1 check --online tells of each server, by each label", online),
        NAMED_ALONE("cli commands that need a CA say where it is", no_ca_here),
        NAMED_ALONE("cli backup and restore of a registrar's folder", back_up),
        NAMED_ALONE("G1 HC 266 a registrar starts alone, and stays one over a reload", reload),
    };
    return cmocka_run_group_tests_name("conformance registrar_cli", tests, NULL, NULL);
}
