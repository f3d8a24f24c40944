/* SPDX-License-Identifier: MIT
 *
 * By a client that writes its requests by hand.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "http.h"

enum { WAIT_MS = 20000, BIG = 4 << 20 };

static estoc_http *http;
static estoc_why why;

static int set_up(void **state)
{
    (void)state;
    return estoc_http_open("127.0.0.1:0", &http, &why) == ESTOC_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    estoc_http_close(http);
    return 0;
}

static estoc_document document(const char *path, const char *text)
{
    return (estoc_document){.path = path,
                            .type = "application/pkix-crl",
                            .bytes = estoc_slice_str(text),
                            .modified = 1750000000,
                            .until = estoc_unix_s() + 86400};
}

static void put(const estoc_document *doc)
{
    assert_int_equal(estoc_http_put(http, doc), 0);
}

static int connect_to(const char *address)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    to.sin_port = htons((uint16_t)atoi(strrchr(address, ':') + 1));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

static void say(int fd, const char *text)
{
    (void)send(fd, text, strlen(text), MSG_NOSIGNAL); /* it may be closed already */
}

struct got {
    char head[4096];
    char *body;
    size_t len;
};

static size_t receive(int fd, void *to, size_t room)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    if (poll(&p, 1, WAIT_MS) != 1) {
        fail_msg("no answer");
    }
    ssize_t n = recv(fd, to, room, 0);
    return n > 0 ? (size_t)n : 0;
}

static const char *header(const struct got *g, const char *name)
{
    static char value[256];
    size_t len = strlen(name);
    for (const char *line = g->head; line != NULL && *line != '\0'; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncasecmp(line, name, len) == 0 && line[len] == ':') {
            snprintf(value, sizeof value, "%.*s", (int)strcspn(line + len + 2, "\r\n"),
                     line + len + 2);
            return value;
        }
    }
    return NULL;
}

/* One answer; the connection may stay. @return the status; 0: it was closed */
static int hear(int fd, struct got *g, bool has_body)
{
    size_t n = 0;
    int status = 0;
    free(g->body);
    *g = (struct got){.body = NULL};
    while (strstr(g->head, "\r\n\r\n") == NULL) {
        assert_true(n + 1 < sizeof g->head);
        if (receive(fd, g->head + n, 1) == 0) {
            return 0;
        }
        n++;
    }
    assert_int_equal(sscanf(g->head, "HTTP/1.1 %d", &status), 1);
    size_t want = has_body && status != 304 ? (size_t)atol(header(g, "Content-Length")) : 0;
    g->body = malloc(want + 1);
    while (g->len < want) {
        size_t more = receive(fd, g->body + g->len, want - g->len);
        assert_true(more > 0);
        g->len += more;
    }
    g->body[g->len] = '\0';
    return status;
}

static int ask(const char *request, struct got *g)
{
    int fd = connect_to(estoc_http_address(http));
    say(fd, request);
    int status = hear(fd, g, strncmp(request, "HEAD", 4) != 0);
    close(fd);
    return status;
}

static int get(const char *path, struct got *g)
{
    char request[256];
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path);
    return ask(request, g);
}

static void whole(void **state)
{
    (void)state;
    struct got g = {.body = NULL};
    estoc_document d = document("/crl", "a list");
    assert_int_equal(get("/crl", &g), 404);
    put(&d);
    assert_int_equal(get("/crl", &g), 200);
    assert_string_equal(g.body, "a list");
    assert_string_equal(header(&g, "Content-Type"), "application/pkix-crl");
    assert_string_equal(header(&g, "Last-Modified"), "Sun, 15 Jun 2025 15:06:40 GMT");
    assert_string_equal(header(&g, "Cache-Control"), "public, max-age=3600, must-revalidate");
    char tag[64];
    strcpy(tag, header(&g, "ETag"));
    assert_int_equal(tag[0], '"');
    assert_int_equal(ask("HEAD /crl HTTP/1.1\r\nHost: x\r\n\r\n", &g), 200);
    assert_string_equal(header(&g, "ETag"), tag);
    assert_string_equal(header(&g, "Content-Length"), "6");
    free(g.body);
}

/* RFC 9110 section 13 */
static void had_before(void **state)
{
    (void)state;
    struct got g = {.body = NULL};
    estoc_document d = document("/crl", "a list");
    put(&d);
    assert_int_equal(get("/crl", &g), 200);
    char tag[64], request[256];
    strcpy(tag, header(&g, "ETag"));
    const struct {
        const char *line, *more; /* and the tag between them, if both are there */
        int status;
    } rows[] = {{"If-None-Match: ", "", 304},
                {"If-None-Match: \"other\", W/", "", 304},
                {"If-None-Match: *", NULL, 304},
                {"If-None-Match: \"other\"", NULL, 200},
                {"If-Modified-Since: Sun, 15 Jun 2025 15:06:40 GMT", NULL, 304},
                {"If-Modified-Since: Sun, 15 Jun 2025 15:06:39 GMT", NULL, 200},
                {"If-Modified-Since: whenever", NULL, 200}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        snprintf(request, sizeof request, "GET /crl HTTP/1.1\r\nHost: x\r\n%s%s%s\r\n\r\n",
                 rows[i].line, rows[i].more != NULL ? tag : "",
                 rows[i].more != NULL ? rows[i].more : "");
        assert_int_equal(ask(request, &g), rows[i].status);
        assert_string_equal(header(&g, "ETag"), tag);
        assert_int_equal(g.len, rows[i].status == 200 ? 6 : 0);
    }
    free(g.body);
}

static void nothing_else(void **state)
{
    (void)state;
    static const char *const methods[] = {"POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"};
    static const char *const paths[] = {"/",     "/crl/",   "/CRL",          "/crl/../crl",
                                        "//crl", "/crl%0a", "/../etc/passwd"};
    struct got g = {.body = NULL};
    estoc_document d = document("/crl", "a list");
    put(&d);
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        char request[256];
        snprintf(request, sizeof request,
                 "%s /crl HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", methods[i]);
        assert_int_equal(ask(request, &g), 405);
        assert_string_equal(header(&g, "Allow"), "GET, HEAD");
    }
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        assert_int_equal(get(paths[i], &g), 404);
    }
    assert_int_equal(get("/crl?x=1", &g), 200);
    assert_int_equal(ask("GET /crl HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", &g),
                     200);
    /* nonsense closes its own connection, and no other */
    static const char *const nonsense[] = {"\r\n\r\n\r\n", "GET\r\n\r\n", "\x16\x03\x01\x02",
                                           "GET /crl HTTP/9.9\r\n\r\n"};
    for (size_t i = 0; i < sizeof nonsense / sizeof nonsense[0]; i++) {
        int fd = connect_to(estoc_http_address(http));
        say(fd, nonsense[i]);
        close(fd);
    }
    char *long_one = calloc(1, 100000);
    memset(long_one, 'a', 99999);
    memcpy(long_one, "GET /", 5);
    int fd = connect_to(estoc_http_address(http));
    say(fd, long_one);
    int status = hear(fd, &g, false);
    assert_true(status == 0 || status >= 400);
    close(fd);
    free(long_one);
    assert_int_equal(get("/crl", &g), 200);
    free(g.body);
}

static void replaced(void **state)
{
    (void)state;
    struct got g = {.body = NULL};
    estoc_document first = document("/crl", "first"), second = document("/crl", "second");
    estoc_document other = document("/ca.crt", "other");
    put(&first);
    put(&other);
    int fd = connect_to(estoc_http_address(http)); /* one connection for all */
    static const char request[] = "GET /crl HTTP/1.1\r\nHost: x\r\n\r\n";
    say(fd, request);
    assert_int_equal(hear(fd, &g, true), 200);
    assert_string_equal(g.body, "first");
    put(&second);
    say(fd, request);
    assert_int_equal(hear(fd, &g, true), 200);
    assert_string_equal(g.body, "second");
    close(fd);
    assert_int_equal(get("/ca.crt", &g), 200);
    assert_string_equal(g.body, "other");
    free(g.body);
}

/* An answer that is on its way stays what it was. */
static void replaced_on_the_way(void **state)
{
    (void)state;
    struct got g = {.body = NULL};
    char *big = malloc(BIG + 1);
    memset(big, 'b', BIG);
    big[BIG] = '\0';
    estoc_document first = document("/crl", big), second = document("/crl", "second");
    put(&first);
    int fd = connect_to(estoc_http_address(http));
    say(fd, "GET /crl HTTP/1.1\r\nHost: x\r\n\r\n");
    char byte;
    assert_int_equal(receive(fd, &byte, 1), 1);
    put(&second);
    assert_int_equal(get("/crl", &g), 200);
    assert_string_equal(g.body, "second");
    free(g.body);
    g.body = NULL;
    strcpy(g.head, "");
    char *rest = malloc(BIG + 4096);
    size_t n = 0, more;
    shutdown(fd, SHUT_WR);
    while ((more = receive(fd, rest + n, BIG + 4096 - n)) > 0) {
        n += more;
    }
    assert_true(n > BIG);
    assert_memory_equal(rest + n - BIG, big, BIG);
    close(fd);
    free(rest);
    free(big);
}

static void over(void **state)
{
    (void)state;
    struct got g = {.body = NULL};
    estoc_document d = document("/crl", "a list");
    d.until = estoc_unix_s() + 100;
    put(&d);
    assert_int_equal(get("/crl", &g), 200);
    int age = 0;
    assert_int_equal(sscanf(header(&g, "Cache-Control"), "public, max-age=%d", &age), 1);
    assert_in_range(age, 80, 100);
    d.until = estoc_unix_s();
    put(&d);
    assert_int_equal(get("/crl", &g), 503);
    assert_non_null(header(&g, "Retry-After"));
    free(g.body);
}

/* Those of one address that say nothing leave room for others of it, and to whom it was given before. */
static void crowded(void **state)
{
    (void)state;
    enum { MANY = 60 };
    int fds[MANY];
    struct got g = {.body = NULL};
    estoc_document d = document("/crl", "a list");
    put(&d);
    int first = connect_to(estoc_http_address(http));
    say(first, "GET /crl HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_int_equal(hear(first, &g, true), 200);
    for (size_t i = 0; i < MANY; i++) {
        fds[i] = connect_to(estoc_http_address(http));
        say(fds[i], "GET /crl HTTP/1.1\r\n");
    }
    struct got refused = {.body = NULL};
    assert_int_equal(hear(fds[MANY - 1], &refused, false), 0); /* one too many: closed */
    say(first, "GET /crl HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_int_equal(hear(first, &g, true), 200);
    say(fds[0], "Host: x\r\n\r\n");
    assert_int_equal(hear(fds[0], &g, true), 200);
    for (size_t i = 0; i < MANY; i++) {
        close(fds[i]);
    }
    close(first);
    free(g.body);
}

static void limits(void **state)
{
    (void)state;
    static const char *const paths[] = {"/1", "/2", "/3", "/4", "/5"};
    for (size_t i = 0; i < 5; i++) {
        estoc_document d = document(paths[i], "x");
        assert_int_equal(estoc_http_put(http, &d), i < 4 ? ESTOC_OK : ESTOC_E_LIMIT);
    }
}

static void addresses(void **state)
{
    (void)state;
    estoc_http *h = (estoc_http *)&h;
    assert_int_equal(estoc_http_open("somewhere", &h, &why), ESTOC_E_CONFIG);
    assert_null(h);
    assert_string_equal(why.text, "cannot listen on somewhere: not ADDRESS:PORT");
    assert_int_equal(estoc_http_open("192.0.2.1:80", &h, &why), ESTOC_E_SYSTEM); /* nobody's */
    assert_non_null(strstr(why.text, "192.0.2.1:80"));
    assert_int_equal(estoc_http_open(estoc_http_address(http), &h, &why), ESTOC_E_SYSTEM);
    assert_non_null(strstr(why.text, "in use"));
    assert_int_equal(estoc_http_open("[::]:0", &h, &why), 0);
    assert_memory_equal(estoc_http_address(h), "[::]:", 5);
    struct got g = {.body = NULL};
    int fd = connect_to(estoc_http_address(h)); /* by IPv4 */
    say(fd, "GET / HTTP/1.0\r\n\r\n");
    assert_int_equal(hear(fd, &g, true), 404);
    close(fd);
    free(g.body);
    estoc_http_close(h);
    estoc_http_close(NULL);
}

#define SERVED(name, f)                  \
    {                                    \
        name, f, set_up, tear_down, NULL \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVED("a document, whole", whole),
        SERVED("a document the client has already", had_before),
        SERVED("other methods, other paths, nonsense", nothing_else),
        SERVED("a document in place of another", replaced),
        SERVED("replaced while an answer is on its way", replaced_on_the_way),
        SERVED("a document whose time is over", over),
        SERVED("too many of one address", crowded),
        SERVED("four documents", limits),
        SERVED("addresses", addresses),
    };
    return cmocka_run_group_tests_name("server http", tests, NULL, NULL);
}
