/* SPDX-License-Identifier: MIT
 *
 * Discovery without DTLS, over plain CoAP and over multicast; and nothing else without DTLS.
 */
#include <arpa/inet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "fixture.h"

enum { ANSWER_MAX = 136, LEISURE_MS = 5000, ON_THE_WAY_MS = 1500 };

/* Without DTLS. */
typedef struct plain {
    int fd;
    unsigned mid;
    reply r;
} plain;

static fixture *server;
static uint16_t port; /* of its plain CoAP */

static plain to_server(void)
{
    return (plain){.fd = udp_open(port), .mid = 1000};
}

static void ask_plain(plain *p, wire_out *o, unsigned type, unsigned method)
{
    p->mid++;
    wire_begin(o, type, method, p->mid, "tok", 3);
}

/* @return whether there was an answer: a well-formed one, to this token, within the bound */
static bool receive(plain *p, int timeout_ms)
{
    p->r.len = udp_recv(p->fd, p->r.bytes, sizeof p->r.bytes, timeout_ms);
    if (p->r.len == 0) {
        return false;
    }
    assert_true(wire_parse(&p->r.m, p->r.bytes, p->r.len));
    assert_in_range(p->r.len, 4, ANSWER_MAX);
    if (p->r.m.code != 0) {
        assert_int_equal(p->r.m.token_len, 3);
        assert_memory_equal(p->r.m.token, "tok", 3);
    }
    return true;
}

static uint8_t code_for(plain *p, const wire_out *o)
{
    assert_int_equal(send(p->fd, o->bytes, o->len, 0), o->len);
    assert_true(receive(p, ANSWER_MS));
    assert_int_equal(p->r.m.type, ACK);
    assert_int_equal(p->r.m.mid, p->mid);
    if (p->r.m.code >= CODE(4, 0)) {
        check_diagnostic(&p->r.m);
    }
    return (uint8_t)p->r.m.code;
}

/* The whole list, in blocks of what size the server likes. */
static void links(plain *p, const char *query, char *text, size_t room)
{
    wire_out o;
    size_t len = 0;
    unsigned szx = 6;
    for (unsigned num = 0;; num++) {
        ask_plain(p, &o, CON, GET);
        wire_path(&o, "/.well-known/core");
        if (query[0] != '\0') {
            wire_text(&o, OPT_URI_QUERY, query);
        }
        if (num > 0) {
            wire_block(&o, OPT_BLOCK2, num, false, szx);
        }
        assert_int_equal(code_for(p, &o), CODE(2, 5));
        wire_blk b = wire_block_of(&p->r.m, OPT_BLOCK2);
        assert_int_equal(b.num, num);
        assert_true(len + p->r.m.payload_len < room);
        if (p->r.m.payload_len > 0) {
            memcpy(text + len, p->r.m.payload, p->r.m.payload_len);
            len += p->r.m.payload_len;
        }
        szx = b.szx;
        if (!b.more) {
            break;
        }
        assert_int_equal(p->r.m.payload_len, 16u << szx);
    }
    text[len] = '\0';
}

static unsigned count(const char *text, const char *what)
{
    unsigned n = 0;
    for (; (text = strstr(text, what)) != NULL; text++) {
        n++;
    }
    return n;
}

/* ------------------------------------------------------------------------------------- plain CoAP */

static void listed(void **state)
{
    (void)state;
    char text[4096], base[64];
    plain p = to_server();
    links(&p, "rt=ace.est*", text, sizeof text);
    snprintf(base, sizeof base, "<coaps://127.0.0.1:%u/est/", server->port);
    assert_int_equal(count(text, base), count(text, "<"));
    assert_int_equal(count(text, "rt=\"ace.est.crts\""), 2); /* the default and L1 */
    assert_int_equal(count(text, "/est/L1/"), count(text, "<") / 2);
    assert_int_equal(wire_uint_of(&p.r.m, OPT_FORMAT, 0), 40);
    close(p.fd);
    /* what they lead to is there */
    peer *dtls = connect_as(server, "dev");
    body b;
    fetch(dtls, "/est/crts", -1, -1, &b);
    peer_free(dtls);
}

static void filters(void **state)
{
    (void)state;
    char text[4096];
    plain p = to_server();
    links(&p, "rt=ace.est.crts", text, sizeof text);
    assert_int_equal(count(text, "<"), 2);
    links(&p, "rt=ace.est.x", text, sizeof text);
    assert_string_equal(text, "");
    links(&p, "href=/est/crts", text, sizeof text); /* the path, */
    assert_int_equal(count(text, "<"), 1);
    links(&p, "href=coaps://127.0.0.1*", text, sizeof text); /* or the whole */
    assert_int_equal(count(text, "rt=\"ace.est.crts\""), 2);
    links(&p, "ct=281", text, sizeof text);
    assert_int_equal(count(text, "<"), 6);
    close(p.fd);
}

/* Whatever the token, and whatever block size is asked for. */
static void bounded(void **state)
{
    (void)state;
    plain p = to_server();
    wire_out o;
    for (unsigned szx = 0; szx <= 6; szx++) {
        ask_plain(&p, &o, CON, GET);
        wire_path(&o, "/.well-known/core");
        wire_block(&o, OPT_BLOCK2, 0, false, szx);
        wire_uint(&o, OPT_SIZE2, 0);
        assert_int_equal(code_for(&p, &o), CODE(2, 5));
        assert_true(wire_block_of(&p.r.m, OPT_BLOCK2).more);
    }
    wire_begin(&o, CON, GET, 7, "12345678", 8);
    wire_path(&o, "/.well-known/core?rt=ace.est*");
    send(p.fd, o.bytes, o.len, 0);
    size_t len = udp_recv(p.fd, p.r.bytes, sizeof p.r.bytes, ANSWER_MS);
    assert_in_range(len, 64, ANSWER_MAX);
    close(p.fd);
}

static void nothing_else(void **state)
{
    (void)state;
    static const char *const paths[] = {"/.well-known/est/crts",    "/est/crts",    "/est/att",
                                        "/.well-known/est/L1/crts", "/.well-known", "/"};
    plain p = to_server();
    wire_out o;
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        ask_plain(&p, &o, CON, GET);
        wire_path(&o, paths[i]);
        assert_int_equal(code_for(&p, &o), CODE(4, 4));
    }
    unsigned before = issued(server);
    EVP_PKEY *key = key_new("P-256");
    body csr;
    device_csr(server, "CN=dev", key, &csr);
    static const char *const posts[] = {"/.well-known/est/sen", "/est/sren", "/est/skg"};
    for (size_t i = 0; i < sizeof posts / sizeof posts[0]; i++) {
        ask_plain(&p, &o, CON, POST);
        wire_path(&o, posts[i]);
        wire_uint(&o, OPT_FORMAT, 286);
        wire_payload(&o, csr.bytes, csr.len);
        assert_int_equal(code_for(&p, &o), CODE(4, 4));
        ask_plain(&p, &o, CON, POST);
        wire_path(&o, posts[i]);
        wire_uint(&o, OPT_FORMAT, 286);
        wire_block(&o, OPT_BLOCK1, 0, true, 2);
        wire_payload(&o, csr.bytes, 64);
        assert_int_equal(code_for(&p, &o), CODE(4, 4)); /* no body is even begun */
    }
    EVP_PKEY_free(key);
    assert_int_equal(issued(server), before);
    close(p.fd);
}

static void wrong_questions(void **state)
{
    (void)state;
    plain p = to_server();
    wire_out o;
    ask_plain(&p, &o, CON, POST);
    wire_path(&o, "/.well-known/core");
    assert_int_equal(code_for(&p, &o), CODE(4, 5));
    ask_plain(&p, &o, CON, GET);
    wire_path(&o, "/.well-known/core");
    wire_uint(&o, OPT_ACCEPT, 60);
    assert_int_equal(code_for(&p, &o), CODE(4, 6));
    ask_plain(&p, &o, CON, GET);
    wire_opt(&o, OPT_OSCORE, NULL, 0);
    wire_path(&o, "/.well-known/core");
    assert_int_equal(code_for(&p, &o), CODE(4, 2));
    ask_plain(&p, &o, CON, GET);
    wire_path(&o, "/.well-known/core");
    wire_block(&o, OPT_BLOCK2, 1000, false, 6);
    assert_int_equal(code_for(&p, &o), CODE(4, 0));
    wire_begin(&o, CON, 0, 77, NULL, 0); /* a ping */
    send(p.fd, o.bytes, o.len, 0);
    assert_true(receive(&p, ANSWER_MS));
    assert_int_equal(p.r.m.type, RST);
    ask_plain(&p, &o, NON, GET); /* NON for NON */
    wire_path(&o, "/.well-known/core?rt=ace.est.x");
    send(p.fd, o.bytes, o.len, 0);
    assert_true(receive(&p, ANSWER_MS));
    assert_int_equal(p.r.m.type, NON);
    assert_int_equal(p.r.m.code, CODE(2, 5));
    assert_int_equal(p.r.m.payload_len, 0);
    close(p.fd);
}

static void silence(void **state)
{
    (void)state;
    plain p = to_server();
    uint8_t hello[DATAGRAM_MAX];
    size_t len = client_hello(hello, sizeof hello);
    send(p.fd, hello, len, 0);                   /* DTLS is served elsewhere */
    send(p.fd, "", 0, 0);                        /* nothing */
    send(p.fd, "\x50\x01\x00", 3, 0);            /* cut */
    send(p.fd, "\x50\x45\x00\x01", 4, 0);        /* an answer, NON */
    send(p.fd, "\x60\x00\x00\x01", 4, 0);        /* ACK of nothing */
    send(p.fd, "\x5f\x01\x00\x01\xff", 5, 0);    /* token length 15 */
    send(p.fd, "\x90\x01\x00\x01", 4, 0);        /* version 2 */
    send(p.fd, "\x50\x01\x00\x01\xff", 5, 0);    /* marker and no payload */
    send(p.fd, "\x50\x01\x00\x01\xf0xyz", 8, 0); /* nibble 15 */
    assert_false(receive(&p, SILENCE_MS));
    char text[4096];
    links(&p, "rt=ace.est.crts", text, sizeof text);
    assert_int_equal(count(text, "<"), 2);
    close(p.fd);
}

/* And the other way round: plain CoAP where DTLS is. */
static void dtls_only(void **state)
{
    (void)state;
    plain p = {.fd = udp_open(server->port), .mid = 1};
    wire_out o;
    ask_plain(&p, &o, CON, GET);
    wire_path(&o, "/.well-known/core");
    send(p.fd, o.bytes, o.len, 0);
    assert_false(receive(&p, SILENCE_MS));
    close(p.fd);
}

static void by_estoc(void **state)
{
    (void)state;
    output o;
    char uri[64], line[128];
    snprintf(uri, sizeof uri, "coap://127.0.0.1:%u", port);
    run(&o, "estoc", "discover", uri, NULL);
    assert_int_equal(o.code, 0);
    snprintf(line, sizeof line, "coaps://127.0.0.1:%u/est/L1/sren", server->port);
    assert_non_null(strstr(o.out, line));
    assert_int_equal(count(o.out, "ace.est."), 6);
    run(&o, "estoc", "discover", uri, "--json", "--block-size", "16", NULL);
    assert_int_equal(o.code, 0);
    assert_int_equal(count(o.out, "\"rt\":"), 6);
    run(&o, "estoc", "discover", uri, "-v", NULL);
    assert_non_null(strstr(o.err, "GET /.well-known/core"));
    /* nothing else goes without DTLS */
    run(&o, "estoc", "crts", uri, "--ta", path_in(server, "dev.ta"), NULL);
    assert_int_equal(o.code, 1);
    assert_non_null(strstr(o.err, "coap is not protected"));
}

static void nobody_there(void **state)
{
    (void)state;
    output o;
    char uri[64];
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0); /* silent */
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t len = sizeof at;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    snprintf(uri, sizeof uri, "coap://127.0.0.1:%u", ntohs(at.sin_port));
    run(&o, "estoc", "discover", uri, "--timeout", "1", NULL);
    assert_int_equal(o.code, 2);
    assert_non_null(strstr(o.err, "no answer"));
    close(fd);
    run(&o, "estoc", "discover", uri, NULL); /* and closed: told at once */
    assert_int_equal(o.code, 2);
}

/* --------------------------------------------------------------------------------- configurations */

static void off_by_default(void **state)
{
    fixture *f = *state;
    fixture_start(f);
    struct pollfd out = {.fd = f->out, .events = POLLIN};
    assert_int_equal(poll(&out, 1, 200), 0); /* no "ready coap://" */
}

static void literal_v6(void **state)
{
    fixture *f = *state;
    char text[4096] = "", base[64], uri[64];
    output o;
    fixture_conf(f, "server", "discovery", "[::]:0");
    f->listen = "[::]:0";
    fixture_start(f);
    snprintf(uri, sizeof uri, "coap://[::1]:%u", fixture_plain_port(f));
    run(&o, "estoc", "discover", uri, NULL);
    assert_int_equal(o.code, 0);
    snprintf(base, sizeof base, "coaps://[::1]:%u/est/crts ", f->port);
    snprintf(text, sizeof text, "%.4000s", o.out);
    assert_non_null(strstr(text, base));
}

static void faults(void **state)
{
    fixture *f = *state;
    output o;
    fixture_conf(f, "server", "multicast", "yes");
    run(&o, "estocd", "check", "--dir", f->srv, NULL);
    assert_int_equal(o.code, 1);
    assert_non_null(strstr(o.err, "multicast = yes: needs discovery on all addresses"));
    fixture_conf(f, "server", "discovery", "127.0.0.1:5683");
    run(&o, "estocd", "check", "--dir", f->srv, NULL);
    assert_int_equal(o.code, 1);
    fixture_conf(f, "server", "discovery", "[::]:5683");
    run(&o, "estocd", "check", "--dir", f->srv, NULL);
    assert_int_equal(o.code, 0);
    fixture_conf(f, "server", "multicast", "maybe");
    run(&o, "estocd", "check", "--dir", f->srv, NULL);
    assert_int_equal(o.code, 1);
    assert_non_null(strstr(o.err, "must be yes or no"));
}

/* -------------------------------------------------------------------------------------- multicast */

/* A network of our own: two ends of a cable. @return false where that is not allowed */
static bool own_network(void)
{
    output o;
    if (unshare(CLONE_NEWNET) != 0) {
        return false;
    }
    run(&o, "sh", "-ec",
        "ip link set lo up; ip link add v0 type veth peer name v1;"
        "ip link set v0 up; ip link set v1 up; ip addr add 10.9.0.1/24 dev v0;"
        "ip -6 addr add fe80::a/64 dev v0 nodad; ip -6 addr add fe80::b/64 dev v1 nodad;"
        "ip route add 224.0.0.0/4 dev v0",
        NULL);
    if (o.code != 0) {
        print_message("# no network of our own: %s\n", o.err);
    }
    return o.code == 0;
}

static void send_group(plain *p, const char *group, uint16_t to, const wire_out *o)
{
    struct sockaddr_in6 v6 = {
        .sin6_family = AF_INET6, .sin6_port = htons(to), .sin6_scope_id = if_nametoindex("v0")};
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(to)};
    bool is6 = inet_pton(AF_INET6, group, &v6.sin6_addr) == 1;
    if (!is6) {
        assert_int_equal(inet_pton(AF_INET, group, &v4.sin_addr), 1);
    }
    p->fd = socket(is6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(sendto(p->fd, o->bytes, o->len, 0,
                            is6 ? (struct sockaddr *)&v6 : (struct sockaddr *)&v4,
                            is6 ? sizeof v6 : sizeof v4),
                     o->len);
}

typedef struct group_case {
    const char *group, *path;
    unsigned type, method;
    bool answers;
    bool other; /* to the server that does not listen to groups */
    int accept; /* if not 0, a format that is not there */
} group_case;

/* All at once, each from a socket of its own, since each answer takes its leisure. */
static void multicast_queries(uint16_t other)
{
    static const group_case cases[] = {
        {"ff02::fd", "/.well-known/core?rt=ace.est*", NON, GET, true, false, 0},
        {"ff05::fd", "/.well-known/core?rt=ace.est.crts", NON, GET, true, false, 0},
        {"224.0.1.187", "/.well-known/core", NON, GET, true, false, 0},
        {"ff02::fd", "/.well-known/core?rt=ace.est.x", NON, GET, false, false, 0},
        {"ff02::fd", "/.well-known/core?rt=core.rd*", NON, GET, false, false, 0},
        {"ff02::fd", "/.well-known/core", CON, GET, false, false, 0},
        {"ff02::fd", "/.well-known/core", NON, POST, false, false, 0},
        {"ff02::fd", "/.well-known/core", NON, GET, false, false, 60},
        {"ff02::fd", "/.well-known/est/crts", NON, GET, false, false, 0},
        {"ff02::fd", "/est/crts", NON, GET, false, false, 0},
        {"224.0.1.187", "/est/crts", NON, GET, false, false, 0},
        {"224.0.1.188", "/.well-known/core", NON, GET, false, false, 0}, /* another group */
        {"ff02::fd", "/.well-known/core", NON, GET, false, true, 0},
        {"224.0.1.187", "/.well-known/core", NON, GET, false, true, 0},
    };
    enum { N = sizeof cases / sizeof cases[0] };
    static plain p[N];
    long long start = now_ms();
    for (size_t i = 0; i < N; i++) {
        wire_out o;
        ask_plain(&p[i], &o, cases[i].type, cases[i].method);
        wire_path(&o, cases[i].path);
        if (cases[i].accept != 0) {
            wire_uint(&o, OPT_ACCEPT, (uint32_t)cases[i].accept);
        }
        send_group(&p[i], cases[i].group, cases[i].other ? other : port, &o);
    }
    for (size_t i = 0; i < N; i++) {
        long long left = start + LEISURE_MS + ON_THE_WAY_MS - now_ms();
        bool answered = receive(&p[i], left > 0 ? (int)left : 1);
        if (answered != cases[i].answers) {
            fail_msg("%s to %s: %s", cases[i].path, cases[i].group,
                     answered ? "an answer" : "no answer");
        }
        if (answered) {
            assert_int_equal(p[i].r.m.type, NON);
            assert_int_equal(p[i].r.m.code, CODE(2, 5));
            assert_memory_equal(p[i].r.m.payload, "<coaps://", 9);
        }
        assert_false(receive(&p[i], 1)); /* once */
        close(p[i].fd);
    }
}

static uint16_t start_in_network(fixture *f, const char *groups)
{
    fixture_conf(f, "server", "discovery", "[::]:0");
    fixture_conf(f, "server", "multicast", groups);
    f->listen = "[::]:0";
    fixture_start(f);
    return fixture_plain_port(f);
}

/* Both groups at a time, since each takes its leisure. */
static void groups_by_estoc(const fixture *f)
{
    output o;
    char command[1024], link[64];
    snprintf(command, sizeof command,
             "$ESTOC discover 'coap://[ff02::fd%%25v0]:%u' & "
             "$ESTOC discover coap://224.0.1.187:%u --json & wait %%1 && wait %%2",
             port, port);
    run(&o, "sh", "-c", command, NULL);
    assert_int_equal(o.code, 0);
    snprintf(link, sizeof link, "coaps://[fe80::a]:%u/est/sen ", f->port);
    assert_non_null(strstr(o.out, link));
    snprintf(link, sizeof link, "\"coaps://10.9.0.1:%u/est/sen\"", f->port);
    assert_non_null(strstr(o.out, link));
    assert_int_equal(count(o.out, "\"from\":"), 1);
}

static void multicast(void **state)
{
    fixture *f = *state;
    fixture other;
    output o;
    char uri[64];
    if (!own_network()) {
        skip();
    }
    fixture_init(&other);
    uint16_t other_port = start_in_network(&other, "no");
    port = start_in_network(f, "yes");
    multicast_queries(other_port);
    snprintf(uri, sizeof uri, "coap://[fe80::b%%25v0]:%u", other_port); /* to itself it answers */
    run(&o, "estoc", "discover", uri, NULL);
    assert_int_equal(o.code, 0);
    fixture_stop(&other);
    fixture_free(&other);
    groups_by_estoc(f);
    run(&o, "estoc", "discover", "coap://[ff02::fd%25v0]:9", "--timeout", "1", NULL);
    assert_int_equal(o.code, 2);
    assert_non_null(strstr(o.err, "no answer"));
}

static int start(void **state)
{
    fixture_set_up(state);
    server = *state;
    fixture_conf(server, "server", "discovery", "127.0.0.1:0");
    fixture_conf(server, "profile L1", "validity", "30d");
    fixture_start(server);
    port = fixture_plain_port(server);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        NAMED("R2 HC 157 over plain CoAP: links to coaps with the port, in blocks", listed),
        NAMED("R2 HC 156 filters over plain CoAP, on paths and whole links", filters),
        NAMED("R2 HC 162 each answer without DTLS within 136 bytes", bounded),
        NAMED("R2 D2 HC 162 no EST resource without DTLS", nothing_else),
        NAMED("R2 C3 C4 wrong questions over plain CoAP have their codes", wrong_questions),
        NAMED("R2 C2 silence for what is no request over plain CoAP", silence),
        NAMED("R2 no plain CoAP where DTLS is", dtls_only),
        NAMED("R2 cli estoc discover over plain CoAP", by_estoc),
        NAMED("R2 cli estoc discover where nobody answers", nobody_there),
        NAMED_ALONE("R2 X6 discovery without DTLS is off by default", off_by_default),
        NAMED_ALONE("R2 HC 164 links for an IPv6 address have it in brackets", literal_v6),
        NAMED_ALONE("R2 X8 multicast where it cannot be is a fault", faults),
        /* it changes the network of this process: last */
        NAMED_ALONE("R2 multicast: only matches answer, NON, once, if switched on", multicast),
    };
    return cmocka_run_group_tests_name("discovery", tests, start, group_stop);
}
