/* SPDX-License-Identifier: MIT
 *
 * HTTP/2 between registrar and upstream: nghttpx, which we did not write, stands in front of the scripted server,
 * and its log says what was spoken.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "upstream.h"

enum { READY_MS = 10000 };

static registrar *reg;
static pid_t proxy;
static uint16_t front;

static bool reached(uint16_t port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool good = connect(fd, (struct sockaddr *)&to, sizeof to) == 0;
    close(fd);
    return good;
}

static uint16_t free_port(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t len = sizeof at;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    close(fd);
    return ntohs(at.sin_port);
}

static void exec_proxy(void)
{
    char listen[64], back[64], key[PATH_LEN + 64], cert[PATH_LEN + 64], ca[PATH_LEN + 64];
    char log[PATH_LEN + 64];
    const char *dir = reg->u.dir;
    snprintf(listen, sizeof listen, "-f127.0.0.1,%u", front);
    snprintf(back, sizeof back, "-b127.0.0.1,%u;;tls;proto=http/1.1",
             upstream_port(&reg->u, "main"));
    snprintf(key, sizeof key, "--client-private-key-file=%s/registrar.key", dir);
    snprintf(cert, sizeof cert, "--client-cert-file=%s/registrar.crt", dir);
    snprintf(ca, sizeof ca, "--verify-client-cacert=%s/client-ca.pem", dir);
    snprintf(log, sizeof log, "--accesslog-file=%s/access", dir);
    int out = open(path_in(&reg->f, "nghttpx.log"), O_WRONLY | O_CREAT | O_APPEND, 0600);
    dup2(out, 1);
    dup2(out, 2);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    execlp("nghttpx", "nghttpx", "--conf=/dev/null", "--no-ocsp", "--single-process", "-k", "-n1",
           listen, back, key, cert, "--verify-client", ca, log,
           "--accesslog-format=$alpn $status $request", path_in(&reg->f, "upstream/server.key"),
           path_in(&reg->f, "upstream/server.crt"), (char *)NULL);
    _exit(127);
}

static void start_proxy(void)
{
    long long end = now_ms() + READY_MS;
    proxy = fork();
    assert_true(proxy >= 0);
    if (proxy == 0) {
        exec_proxy();
    }
    while (!reached(front)) {
        if (now_ms() > end) {
            fail_msg("nghttpx (package nghttp2-proxy) is not there");
        }
        usleep(20000);
    }
}

static void stop_proxy(void)
{
    kill(proxy, SIGKILL);
    waitpid(proxy, NULL, 0);
}

static int start(void **state)
{
    static char more[1024];
    reg = calloc(1, sizeof *reg);
    *state = reg;
    front = free_port();
    snprintf(more, sizeof more,
             "[upstream two]\n"
             "url = https://127.0.0.1:%u/.well-known/est\n"
             "anchors = %%U/upstream.ta\n"
             "certificate = %%U/registrar.crt\n"
             "key = %%U/registrar.key\n"
             "timeout = 2s\n"
             "[upstream one]\n"
             "url = https://127.0.0.1:%u/.well-known/est\n"
             "anchors = %%U/upstream.ta\n"
             "certificate = %%U/registrar.crt\n"
             "key = %%U/registrar.key\n"
             "http = 1.1\n"
             "[profile two]\nupstream = two\nupstream-label =\nkeygen = upstream\n"
             "[profile one]\nupstream = one\nupstream-label =\n",
             front, front);
    registrar_init(reg, &(registrar_cfg){.patience = "5s", .more = more});
    start_proxy();
    fixture_start(&reg->f);
    return 0;
}

static int stop(void **state)
{
    stop_proxy();
    return registrar_tear_down(state);
}

static int begin(void **state)
{
    upstream_does(&reg->u, NULL);
    return connect_dev(state);
}
#define OVER_HTTP2(name, function)            \
    {                                         \
        name, function, begin, drop_dev, NULL \
    }

/* The proxy's log has a line that begins so. */
static bool spoke(const char *line)
{
    static char text[1 << 16];
    char want[256];
    snprintf(want, sizeof want, "\n%s", line);
    text[0] = '\n';
    read_file(path_in(&reg->f, "upstream/access"), text + 1, sizeof text - 1);
    return strstr(text, want) != NULL;
}

static uint8_t post_one(const char *path, const char *behaviour, reply *r)
{
    body csr;
    upstream_does(&reg->u, behaviour);
    fresh_csr(&csr);
    return post(dev, path, &csr, -1, r);
}

static void versions(void **state)
{
    (void)state;
    reply r;
    wire_out o;
    assert_int_equal(post_one(EST "/two/sen", NULL, &r), CODE(2, 4));
    assert_true(spoke("h2 200 POST /.well-known/est/simpleenroll HTTP/2"));
    assert_int_equal(post_one(EST "/two/skg", NULL, &r), CODE(2, 4));
    assert_true(
        spoke("http/1.1 200 POST /.well-known/est/serverkeygen")); /* alone, and then closed */
    ask(dev, &o, GET);
    wire_path(&o, EST "/two/crts");
    expect_code(dev, &o, CODE(2, 5));
    assert_true(spoke("h2 200 GET /.well-known/est/cacerts HTTP/2"));
    assert_false(spoke("http/1.1 200 POST /.well-known/est/simpleenroll"));
    assert_int_equal(post_one(EST "/one/sen", NULL, &r), CODE(2, 4));
    assert_true(spoke("http/1.1 200 POST /.well-known/est/simpleenroll HTTP/1.1"));
}

static void statuses(void **state)
{
    (void)state;
    static const struct {
        const char *does;
        uint8_t code;
        int64_t age;
    } rows[] = {{"status-403", CODE(4, 3), -1},    {"status-503-9", CODE(5, 3), 9},
                {"status-202-30", CODE(5, 3), 30}, {"status-500", CODE(5, 0), -1},
                {"garbage", CODE(5, 0), -1},       {"halfopen", CODE(5, 4), -1},
                {"redirect", CODE(5, 2), -1},      {"ok", CODE(2, 4), -1}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        reply r;
        uint8_t code = post_one(EST "/two/sen", rows[i].does, &r);
        if (code != rows[i].code || (rows[i].age >= 0 && max_age(&r) != rows[i].age)) {
            fail_msg("%s: %u.%02u, Max-Age %lld", rows[i].does, code >> 5, code & 31u,
                     (long long)max_age(&r));
        }
    }
}

static void too_big(void **state)
{
    (void)state;
    reply r;
    assert_int_equal(post_one(EST "/two/sen", "ok", &r), CODE(2, 4));
    size_t before = memory_kb(&reg->f, "VmHWM");
    for (int i = 0; i < 3; i++) {
        assert_int_equal(post_one(EST "/two/sen", "big-chunked", &r), CODE(5, 0));
    }
    assert_true(memory_kb(&reg->f, "VmHWM") < before + 4 * memory_slack_kb);
    assert_int_equal(post_one(EST "/two/sen", "ok", &r), CODE(2, 4));
}

/* The connection that all requests share goes away under them. */
static void proxy_restarts(void **state)
{
    (void)state;
    body csr;
    reply r;
    assert_int_equal(post_one(EST "/two/sen", "ok", &r), CODE(2, 4));
    stop_proxy();
    fresh_csr(&csr);
    assert_int_equal(post(dev, EST "/two/sen", &csr, -1, &r), CODE(5, 3));
    assert_true(max_age(&r) >= 1);
    start_proxy();
    assert_int_equal(post_until(dev, EST "/two/sen", &csr, -1, &r), CODE(2, 4));
    assert_int_equal(upstream_saw(&reg->u, "issued", &csr), 1);
}

static void crowd(void **state)
{
    (void)state;
    output o;
    unsigned before = upstream_count(&reg->u, "\"event\":\"issued\"", NULL);
    upstream_does(&reg->u, "delay-50");
    run_as(&o, &reg->f, "dev", "bench", reg->f.uri, "--label", "two", "--count", "30",
           "--concurrency", "30", NULL);
    if (o.code != 0) {
        print_error("%s%s", o.out, o.err);
    }
    assert_int_equal(o.code, 0);
    assert_int_equal(upstream_count(&reg->u, "\"event\":\"issued\"", NULL), before + 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OVER_HTTP2("G1 HTTP/2 where the upstream has it, HTTP/1.1 where it is configured",
                   versions),
        OVER_HTTP2("G1 statuses and no answers over HTTP/2", statuses),
        OVER_HTTP2("G1 100 MB over HTTP/2 is no answer, and takes no memory", too_big),
        OVER_HTTP2("G1 G3 the connection of all goes away", proxy_restarts),
        OVER_HTTP2("G1 30 devices at once over HTTP/2", crowd),
    };
    return cmocka_run_group_tests_name("registrar_http2", tests, start, stop);
}
