/* SPDX-License-Identifier: MIT */
#include "upstream.h"

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
#include <openssl/sha.h>

enum { START_MS = 20000, LOG_MS = 3000, UNTIL_MS = 15000 };

/* ---- the scripted server ---- */

static void read_ready(upstream *u)
{
    long long end = now_ms() + START_MS;
    size_t n = 0;
    while (n + 1 < sizeof u->ready && now_ms() < end) {
        struct pollfd p = {.fd = u->out, .events = POLLIN};
        if (poll(&p, 1, 100) > 0) {
            ssize_t got = read(u->out, u->ready + n, 1);
            if (got <= 0 || u->ready[n] == '\n') {
                break;
            }
            n++;
        }
    }
    u->ready[n] = '\0';
    if (strncmp(u->ready, "ready ", 6) != 0) {
        fail_msg("the scripted upstream is not ready: %s", u->ready);
    }
}

void upstream_start(upstream *u, const char *dir)
{
    int fds[2];
    const char *program = getenv("ESTOC_SCRIPTED");
    if (program == NULL) {
        fail_msg("set ESTOC_SCRIPTED to tests/registrar/scripted.py");
    }
    if (dir != u->dir) {
        snprintf(u->dir, sizeof u->dir, "%s", dir);
    }
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    u->pid = fork();
    assert_true(u->pid >= 0);
    if (u->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(fds[1], 1);
        execl(program, program, "--dir", u->dir, (char *)NULL);
        _exit(127);
    }
    close(fds[1]);
    u->out = fds[0];
    read_ready(u);
}

void upstream_kill(upstream *u)
{
    if (u->pid != 0) {
        kill(u->pid, SIGKILL);
        waitpid(u->pid, NULL, 0);
        close(u->out);
        u->pid = 0;
    }
}

uint16_t upstream_port(const upstream *u, const char *name)
{
    char field[64];
    unsigned port = 0;
    const char *at = u->ready + strlen("ready ");
    if (strcmp(name, "main") != 0) {
        snprintf(field, sizeof field, " %s=", name);
        at = strstr(u->ready, field);
        assert_non_null(at);
        at += strlen(field);
    }
    assert_int_equal(sscanf(at, "%u", &port), 1);
    return (uint16_t)port;
}

void upstream_put(const upstream *u, const char *file, const void *bytes, size_t len)
{
    char path[PATH_LEN + 64], fresh[PATH_LEN + 64];
    snprintf(path, sizeof path, "%s/%s", u->dir, file);
    snprintf(fresh, sizeof fresh, "%s/%s.new", u->dir, file);
    write_file(fresh, bytes, len, "w");
    assert_int_equal(rename(fresh, path), 0);
}

void upstream_does(const upstream *u, const char *behaviour)
{
    char line[128];
    int n = behaviour != NULL ? snprintf(line, sizeof line, "* %s\n", behaviour) : 0;
    upstream_put(u, "override", line, (size_t)n);
}

static bool has(const char *line, const char *text)
{
    return text == NULL || strstr(line, text) != NULL;
}

static void each_line(const upstream *u, void (*take)(void *ctx, const char *line), void *ctx)
{
    char path[PATH_LEN + 16], *line = NULL;
    size_t room = 0;
    snprintf(path, sizeof path, "%s/journal", u->dir);
    FILE *in = fopen(path, "r");
    assert_non_null(in);
    while (getline(&line, &room, in) > 0) {
        take(ctx, line);
    }
    free(line);
    fclose(in);
}

struct counting {
    const char *a, *b;
    unsigned n;
};

static void count_line(void *ctx, const char *line)
{
    struct counting *c = ctx;
    c->n += has(line, c->a) && has(line, c->b);
}

unsigned upstream_count(const upstream *u, const char *a, const char *b)
{
    struct counting c = {.a = a, .b = b};
    each_line(u, count_line, &c);
    return c.n;
}

struct at_a_time {
    unsigned now, most;
};

static void count_connection(void *ctx, const char *line)
{
    struct at_a_time *c = ctx;
    if (has(line, "\"port\":\"main\"")) {
        c->now += has(line, "\"event\":\"open\"");
        c->now -= has(line, "\"event\":\"close\"");
        c->most = c->now > c->most ? c->now : c->most;
    }
}

unsigned upstream_connections(const upstream *u)
{
    struct at_a_time c = {.now = 0};
    each_line(u, count_connection, &c);
    return c.most;
}

unsigned upstream_saw(const upstream *u, const char *event, const body *csr)
{
    uint8_t digest[SHA256_DIGEST_LENGTH];
    char hex[2 * sizeof digest + 1], field[64];
    SHA256(csr->bytes, csr->len, digest);
    for (size_t i = 0; i < sizeof digest; i++) {
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    }
    snprintf(field, sizeof field, "\"event\":\"%s\"", event);
    return upstream_count(u, field, hex);
}

unsigned upstream_posts(const upstream *u)
{
    return upstream_count(u, "\"event\":\"request\"", "\"method\":\"POST\"");
}

/* ---- the registrar ---- */

/* What stands for something else in `more`. @return bytes written */
static size_t expand(const registrar *r, const char *more, char *out, size_t room)
{
    size_t n = 0;
    for (const char *at = more; *at != '\0'; at++) {
        char name[32] = "";
        assert_true(n + PATH_LEN < room);
        if (at[0] != '%') {
            out[n++] = *at;
        } else if (at[1] == 'U') {
            n += (size_t)sprintf(out + n, "%s", r->u.dir);
            at++;
        } else if (at[1] == 'P') {
            n += (size_t)sprintf(out + n, "%u", upstream_port(&r->u, "main"));
            at++;
        } else {
            assert_int_equal(sscanf(at, "%%{%31[^}]}", name), 1);
            n += (size_t)sprintf(out + n, "%u", upstream_port(&r->u, name));
            at += strlen(name) + 2;
        }
    }
    out[n] = '\0';
    return n;
}

void registrar_conf(registrar *r, const registrar_cfg *cfg)
{
    static const char always[] = "[upstream]\n"
                                 "url = https://127.0.0.1:%P/.well-known/est\n"
                                 "anchors = %U/upstream.ta\n"
                                 "certificate = %U/registrar.crt\n"
                                 "key = %U/registrar.key\n"
                                 "connect-timeout = 1s\n";
    static char text[16384];
    size_t n = expand(r, always, text, sizeof text);
    n += (size_t)snprintf(text + n, sizeof text - n,
                          "timeout = %s\n"
                          "[server]\n"
                          "authority = registrar\n"
                          "answer-delay = 200ms\n"
                          "[registrar]\n"
                          "%s\n"
                          "patience = %s\n",
                          cfg->timeout != NULL ? cfg->timeout : "2s", r->store,
                          cfg->patience != NULL ? cfg->patience : "1s");
    n += expand(r, cfg->more != NULL ? cfg->more : "", text + n, sizeof text - n);
    write_file(path_in(&r->f, "srv/estocd.conf"), text, n, "w");
}

/* Who enrolled by the upstream may come back: its root is one of the client anchors. */
static void trust_upstream(const registrar *r)
{
    char pem[4096], file[PATH_LEN + 16];
    snprintf(file, sizeof file, "%s/root.crt", r->u.dir);
    size_t n = read_file(file, pem, sizeof pem);
    write_file(path_in(&r->f, "srv/client-anchors.pem"), pem, n, "a");
    snprintf(file, sizeof file, "%s/issuing.crt", r->u.dir);
    n = read_file(file, pem, sizeof pem);
    write_file(path_in(&r->f, "srv/client-anchors.pem"), pem, n, "a");
}

/* The database that the fixture has chosen, if it has. */
static void keep_store(registrar *r)
{
    static char text[65536];
    read_file(path_in(&r->f, "srv/estocd.conf"), text, sizeof text);
    const char *at = strstr(text, "\nstore = ");
    if (at != NULL) {
        snprintf(r->store, sizeof r->store, "%.*s", (int)strcspn(at + 1, "\n"), at + 1);
    }
}

void registrar_init(registrar *r, const registrar_cfg *cfg)
{
    memset(r, 0, sizeof *r);
    fixture_init(&r->f);
    fixture_device(&r->f, "CN=sensor-1", "sensor");
    upstream_start(&r->u, path_in(&r->f, "upstream"));
    trust_upstream(r);
    (void)unlink(path_in(&r->f, "srv/store.db")); /* it was the CA's */
    keep_store(r);
    registrar_conf(r, cfg);
}

void registrar_kill(registrar *r)
{
    kill(r->f.pid, SIGKILL);
    waitpid(r->f.pid, NULL, 0);
    close(r->f.out);
    r->f.pid = 0;
}

void registrar_free(registrar *r)
{
    upstream_kill(&r->u);
    fixture_free(&r->f);
}

int registrar_set_up(void **state)
{
    registrar *r = calloc(1, sizeof *r);
    *state = r;
    registrar_init(r, &(registrar_cfg){.more = NULL});
    return 0;
}

int registrar_tear_down(void **state)
{
    registrar *r = *state;
    fixture_stop(&r->f);
    registrar_free(r);
    free(r);
    return 0;
}

/* ---- requests ---- */

uint8_t post(peer *p, const char *path, const body *csr, int accept, reply *r)
{
    wire_out o;
    ask(p, &o, POST);
    wire_path(&o, path);
    wire_uint(&o, OPT_FORMAT, 286);
    if (accept >= 0) {
        wire_uint(&o, OPT_ACCEPT, (uint32_t)accept);
    }
    wire_payload(&o, csr->bytes, csr->len);
    answer_to(p, &o, r);
    if (r->m.code >= CODE(4, 0)) {
        check_diagnostic(&r->m);
    }
    return (uint8_t)r->m.code;
}

uint8_t post_fresh(peer *p, body *csr, reply *r)
{
    fresh_csr(csr);
    return post(p, EST "/sen", csr, 287, r);
}

uint8_t post_until(peer *p, const char *path, const body *csr, int accept, reply *r)
{
    long long end = now_ms() + UNTIL_MS;
    uint8_t code;
    while ((code = post(p, path, csr, accept, r)) == CODE(5, 3) && now_ms() < end) {
        assert_true(max_age(r) >= 1);
        usleep(200000);
    }
    return code;
}

int64_t max_age(const reply *r)
{
    const wire_field *field = wire_find(&r->m, OPT_MAX_AGE);
    int64_t n = 0;
    if (field == NULL) {
        return -1;
    }
    for (size_t i = 0; i < field->len; i++) {
        n = n << 8 | field->value[i];
    }
    return n;
}

void openssl_verify(const fixture *f, X509 *cert, const char *root, const char *untrusted)
{
    output o;
    const char *file = path_in(f, "verify.pem");
    cert_write(cert, file, "w");
    run(&o, "openssl", "verify", "-x509_strict", "-purpose", "sslclient", "-CAfile", root,
        "-untrusted", untrusted != NULL ? untrusted : root, file, NULL);
    if (o.code != 0) {
        print_error("openssl verify: %s%s\n", o.out, o.err);
    }
    assert_int_equal(o.code, 0);
}

/* ---- the process ---- */

size_t log_end(const fixture *f)
{
    struct stat st;
    return stat(path_in(f, "estocd.log"), &st) == 0 ? (size_t)st.st_size : 0;
}

static bool log_has(const fixture *f, size_t from, const char *a, const char *b)
{
    char *line = NULL;
    size_t room = 0;
    bool found = false;
    FILE *in = fopen(path_in(f, "estocd.log"), "r");
    assert_non_null(in);
    assert_int_equal(fseek(in, (long)from, SEEK_SET), 0);
    while (!found && getline(&line, &room, in) > 0) {
        found = strstr(line, a) != NULL && strstr(line, b) != NULL;
    }
    free(line);
    fclose(in);
    return found;
}

bool log_says(const fixture *f, size_t from, const char *a, const char *b)
{
    long long end = now_ms() + LOG_MS;
    while (!log_has(f, from, a, b)) {
        if (now_ms() > end) {
            print_error("no line in the log with \"%s\" and \"%s\"\n", a, b);
            return false;
        }
        usleep(20000);
    }
    return true;
}

size_t memory_kb(const fixture *f, const char *what)
{
    char path[64], text[8192];
    size_t kb = 0;
    snprintf(path, sizeof path, "/proc/%d/status", (int)f->pid);
    read_file(path, text, sizeof text);
    const char *at = strstr(text, what);
    assert_non_null(at);
    assert_int_equal(sscanf(at + strlen(what), ": %zu", &kb), 1);
    return kb;
}
