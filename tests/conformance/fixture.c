/* SPDX-License-Identifier: MIT */
#include "fixture.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED
#endif

#ifdef SANITIZED
const size_t memory_slack_kb = 8192;
#else
const size_t memory_slack_kb = 1024;
#endif

enum { READY_MS = 20000, STOP_MS = 15000 };

const char *path_in(const fixture *f, const char *format, ...)
{
    static char paths[16][PATH_LEN];
    static unsigned next;
    char *path = paths[next++ % 16];
    va_list ap;
    va_start(ap, format);
    int n = snprintf(path, PATH_LEN, "%s/", f->dir);
    vsnprintf(path + n, PATH_LEN - (size_t)n, format, ap);
    va_end(ap);
    return path;
}

size_t read_file(const char *file, char *text, size_t room)
{
    FILE *in = fopen(file, "r");
    if (in == NULL) {
        text[0] = '\0';
        return 0;
    }
    size_t n = fread(text, 1, room - 1, in);
    text[n] = '\0';
    fclose(in);
    return n;
}

void write_file(const char *file, const void *bytes, size_t len, const char *mode)
{
    FILE *out = fopen(file, mode);
    assert_non_null(out);
    assert_int_equal(fwrite(bytes, 1, len, out), len);
    assert_int_equal(fclose(out), 0);
}

/* A schema of its own in the PostgreSQL database that $ESTOC_TEST_STORE names. */
static void use_database(fixture *f)
{
    const char *base = getenv("ESTOC_TEST_STORE");
    char schema[64], command[PATH_LEN + 128], url[PATH_LEN + 64];
    if (base == NULL) {
        return;
    }
    snprintf(schema, sizeof schema, "test_%s", strrchr(f->dir, '-') + 1);
    snprintf(command, sizeof command, "psql -q -d '%s' -c 'CREATE SCHEMA \"%s\"'", base, schema);
    assert_int_equal(system(command), 0);
    snprintf(url, sizeof url, "%s?options=-csearch_path%%3D%%22%s%%22", base, schema);
    fixture_conf(f, "ca", "store", url);
}

/* ---- the CA's key ---- */

#define CA_PIN "2718281828"

static bool ca_in_token(void)
{
    const char *where = getenv("ESTOC_TEST_CA");
    return where != NULL && strcmp(where, "token") == 0;
}

const char *ca_key_file(const fixture *f)
{
    return path_in(f, ca_in_token() ? "ca.key" : "srv/ca.key");
}

void fixture_tokens(fixture *f)
{
    char conf[PATH_LEN];
    int n = snprintf(conf, sizeof conf, "directories.tokendir = %s/tokens\nlog.level = ERROR\n",
                     f->dir);
    write_file(path_in(f, "softhsm2.conf"), conf, (size_t)n, "w");
    (void)mkdir(path_in(f, "tokens"), 0700);
    assert_int_equal(access(path_in(f, "tokens"), W_OK), 0);
    setenv("SOFTHSM2_CONF", path_in(f, "softhsm2.conf"), 1);
}

static void softhsm(const char *const *argv)
{
    output o;
    runv(&o, argv);
    if (o.code != 0) {
        print_error("softhsm2-util: %s\n", o.err);
    }
    assert_int_equal(o.code, 0);
}

/* What is in the file goes into the token, and estocd.conf says so. */
static void import_ca_key(fixture *f)
{
    char label[16], id[16], uri[PATH_LEN + 128];
    snprintf(label, sizeof label, "ca%u", f->ca_keys);
    snprintf(id, sizeof id, "%02x", 0x40 + f->ca_keys);
    f->ca_keys++;
    softhsm((const char *const[]){"softhsm2-util", "--import", ca_key_file(f), "--token", "estocd",
                                  "--label", label, "--id", id, "--pin", CA_PIN, NULL});
    snprintf(uri, sizeof uri, "pkcs11:token=estocd;object=%s;type=private?pin-source=file:%s",
             label, path_in(f, "ca-pin"));
    fixture_conf(f, "ca", "key", uri);
}

static void use_token(fixture *f)
{
    if (!ca_in_token()) {
        return;
    }
    fixture_tokens(f);
    write_file(path_in(f, "ca-pin"), CA_PIN "\n", sizeof CA_PIN, "w");
    softhsm((const char *const[]){"softhsm2-util", "--init-token", "--free", "--label", "estocd",
                                  "--pin", CA_PIN, "--so-pin", "98765432", NULL});
    assert_int_equal(rename(path_in(f, "srv/ca.key"), ca_key_file(f)), 0);
    import_ca_key(f);
}

void fixture_ca_key(fixture *f, EVP_PKEY *key)
{
    const char *fresh = path_in(f, "ca.key.new");
    key_write(key, fresh);
    assert_int_equal(rename(fresh, ca_key_file(f)), 0);
    if (ca_in_token()) {
        import_ca_key(f);
    }
}

void fixture_init(fixture *f)
{
    output o;
    memset(f, 0, sizeof *f);
    strcpy(f->dir, "/tmp/estoc-test-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->srv, sizeof f->srv, "%s/srv", f->dir);
    run(&o, "estocd", "init", "--dir", f->srv, "--name", "Test CA", "--host", "127.0.0.1", "--host",
        "localhost", NULL);
    if (o.code != 0) {
        print_error("estocd init: %s\n", o.err);
    }
    assert_int_equal(o.code, 0);
    use_database(f);
    use_token(f);
    fixture_device(f, "CN=dev", "dev");
    f->maker_key = key_new("P-256");
    f->maker = cert_new(f->maker_key, &(cert_cfg){.cn = "Maker", .ca = true});
    snprintf(f->maker_file, sizeof f->maker_file, "%s/maker.pem", f->dir);
    cert_write(f->maker, f->maker_file, "w");
    cert_write(f->maker, path_in(f, "srv/client-anchors.pem"), "a");
}

void fixture_device(fixture *f, const char *subject, const char *name)
{
    output o;
    run(&o, "estocd", "device", "--dir", f->srv, "--subject", subject, "--out",
        path_in(f, "%s", name), NULL);
    if (o.code != 0) {
        print_error("estocd device: %s\n", o.err);
    }
    assert_int_equal(o.code, 0);
}

X509 *maker_cert(const fixture *f, const cert_cfg *cfg, EVP_PKEY **key)
{
    cert_cfg c = *cfg;
    c.issuer = f->maker;
    c.issuer_key = f->maker_key;
    *key = key_new("P-256");
    return cert_new(*key, &c);
}

/* The file without the key's line in that section, and the new line after the section's head. */
void fixture_conf(fixture *f, const char *section, const char *key, const char *value)
{
    static char old[65536], new[70000];
    const char *file = path_in(f, "srv/estocd.conf");
    char head[64];
    bool in_section = false, done = false;
    size_t n = 0;
    snprintf(head, sizeof head, "[%s]", section);
    read_file(file, old, sizeof old);
    for (char *line = old, *end; *line != '\0'; line = end) {
        end = line + strcspn(line, "\n");
        end += *end == '\n';
        size_t len = (size_t)(end - line);
        if (*line == '[') {
            in_section = strncmp(line, head, strlen(head)) == 0;
        }
        size_t k = strlen(key);
        if (in_section && strncmp(line, key, k) == 0 && line[k + strspn(line + k, " ")] == '=') {
            continue;
        }
        memcpy(new + n, line, len);
        n += len;
        if (in_section && *line == '[' && !done) {
            n += (size_t)sprintf(new + n, "%s = %s\n", key, value);
            done = true;
        }
    }
    if (!done) {
        n += (size_t)sprintf(new + n, "\n[%s]\n%s = %s\n", section, key, value);
    }
    write_file(file, new, n, "w");
}

static void read_line(int fd, char *line, size_t room, int timeout_ms)
{
    long long end = now_ms() + timeout_ms;
    size_t n = 0;
    while (n + 1 < room && now_ms() < end) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (poll(&p, 1, 100) > 0) {
            ssize_t got = read(fd, line + n, 1);
            if (got <= 0 || line[n] == '\n') {
                break;
            }
            n++;
        }
    }
    line[n] = '\0';
}

static const char *program_path(const char *program)
{
    const char *path = getenv(strcmp(program, "estocd") == 0 ? "ESTOCD" : "ESTOC");
    if (path == NULL) {
        fail_msg("set ESTOCD and ESTOC to the programs under test");
    }
    return path;
}

void fixture_start(fixture *f)
{
    int fds[2];
    char line[256];
    unsigned port = 0;
    const char *program = program_path("estocd");
    if (ca_in_token()) { /* another fixture may have set its own */
        fixture_tokens(f);
    }
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    f->pid = fork();
    assert_true(f->pid >= 0);
    if (f->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that is killed leaves no server behind */
        int log = open(path_in(f, "estocd.log"), O_WRONLY | O_CREAT | O_APPEND, 0600);
        dup2(fds[1], 1);
        dup2(log, 2);
        execl(program, program, "run", "--dir", f->srv, "--listen",
              f->listen != NULL ? f->listen : "127.0.0.1:0", (char *)NULL);
        _exit(127);
    }
    close(fds[1]);
    f->out = fds[0];
    read_line(f->out, line, sizeof line, READY_MS);
    const char *colon = strrchr(line, ':');
    if (strncmp(line, "ready coaps://", 14) != 0 || sscanf(colon, ":%u", &port) != 1) {
        static char log[8192];
        read_file(path_in(f, "estocd.log"), log, sizeof log);
        print_error("no ready line but \"%s\"; the log: %s\n", line, log);
    }
    assert_in_range(port, 1, 65535);
    f->port = (uint16_t)port;
    snprintf(f->uri, sizeof f->uri, "coaps://127.0.0.1:%u", port);
}

static uint16_t next_port(fixture *f, const char *begins)
{
    char line[256];
    unsigned port = 0;
    read_line(f->out, line, sizeof line, READY_MS);
    assert_memory_equal(line, begins, strlen(begins));
    assert_int_equal(sscanf(strrchr(line, ':'), ":%u", &port), 1);
    return (uint16_t)port;
}

uint16_t fixture_plain_port(fixture *f)
{
    return next_port(f, "ready coap://");
}

uint16_t fixture_http_port(fixture *f)
{
    return next_port(f, "ready http://");
}

uint16_t fixture_https_port(fixture *f)
{
    return next_port(f, "ready https://");
}

int run_wait(pid_t pid, int timeout_ms)
{
    long long end = now_ms() + timeout_ms;
    int status;
    while (waitpid(pid, &status, WNOHANG) == 0) {
        if (now_ms() > end) {
            kill(pid, SIGKILL);
            waitpid(pid, &status, 0);
            return -1;
        }
        usleep(5000);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void fixture_stop(fixture *f)
{
    if (f->pid == 0) {
        return;
    }
    pid_t pid = f->pid;
    f->pid = 0;
    kill(pid, SIGTERM);
    int code = run_wait(pid, STOP_MS);
    close(f->out);
    if (code != 0) {
        static char log[65536];
        read_file(path_in(f, "estocd.log"), log, sizeof log);
        print_error("estocd ended with %d; the log: %s\n", code, log);
    }
    assert_int_equal(code, 0);
}

void fixture_restart(fixture *f)
{
    fixture_stop(f);
    fixture_start(f);
}

void fixture_free(fixture *f)
{
    if (f->pid != 0) { /* a test failed half-way */
        kill(f->pid, SIGKILL);
        waitpid(f->pid, NULL, 0);
        close(f->out);
    }
    EVP_PKEY_free(f->maker_key);
    X509_free(f->maker);
    if (getenv("ESTOC_TEST_KEEP") == NULL) {
        char *const argv[] = {(char *)"rm", (char *)"-rf", f->dir, NULL};
        pid_t pid = fork();
        if (pid == 0) {
            execvp(argv[0], argv);
            _exit(127);
        }
        waitpid(pid, NULL, 0);
    } else {
        print_message("kept: %s\n", f->dir);
    }
}

int fixture_set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    *state = f;
    fixture_init(f);
    return 0;
}

int fixture_tear_down(void **state)
{
    fixture *f = *state;
    fixture_stop(f);
    fixture_free(f);
    free(f);
    return 0;
}

int group_start(void **state)
{
    fixture_set_up(state);
    fixture_start(*state);
    return 0;
}

int group_stop(void **state)
{
    return fixture_tear_down(state);
}

peer_cfg device_cfg(const fixture *f, const char *name)
{
    return (peer_cfg){.port = f->port,
                      .cert = path_in(f, "%s.crt", name),
                      .key = path_in(f, "%s.key", name),
                      .ta = path_in(f, "%s.ta", name)};
}

peer *connect_as(const fixture *f, const char *name)
{
    peer_cfg cfg = device_cfg(f, name);
    return peer_connect(&cfg);
}

void device_csr(const fixture *f, const char *subject, EVP_PKEY *key, body *out)
{
    (void)f;
    csr_new(key, subject, NULL, out);
}

unsigned issued(const fixture *f)
{
    output o;
    unsigned lines = 0;
    run(&o, "estocd", "list", "--dir", f->srv, "--json", NULL);
    assert_int_equal(o.code, 0);
    for (const char *at = o.out; (at = strstr(at, "\"state\"")) != NULL; at++) {
        lines += strncmp(at, "\"state\":\"void\"", 14) != 0 &&
                 strncmp(at, "\"state\":\"intent\"", 16) != 0;
    }
    return lines;
}

void check_pair(const fixture *f, const char *prefix)
{
    struct stat st;
    X509 *cert = cert_read(path_in(f, "%s.crt", prefix));
    EVP_PKEY *key = key_read(path_in(f, "%s.key", prefix));
    assert_int_equal(X509_check_private_key(cert, key), 1);
    assert_true(chains_to(cert, path_in(f, "%s.ta", prefix)));
    assert_int_equal(stat(path_in(f, "%s.key", prefix), &st), 0);
    assert_int_equal(st.st_mode & 077, 0);
    X509_free(cert);
    EVP_PKEY_free(key);
}
