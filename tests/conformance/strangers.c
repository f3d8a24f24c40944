/* SPDX-License-Identifier: MIT
 *
 * `unrecognised = answer`: clients whose certificates lead to no anchor get through the handshake, and
 * no further.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "device.h"

enum { COAP_MAX = 64, LOG_ROOM = 1 << 20 };

typedef struct stranger {
    EVP_PKEY *key;
    X509 *cert;
    peer *p;
} stranger;

static stranger meet(const fixture *f, X509 *cert, EVP_PKEY *key)
{
    peer_cfg cfg = {.port = f->port, .ta = path_in(f, "dev.ta"), .own = cert, .own_key = key};
    return (stranger){key, cert, peer_connect(&cfg)};
}

/* Somebody who calls himself "dev", and nobody vouches for it. */
static stranger meet_anybody(const fixture *f)
{
    EVP_PKEY *key = key_new("P-256");
    return meet(f, cert_new(key, &(cert_cfg){.cn = "dev"}), key);
}

static void part(stranger *s)
{
    peer_free(s->p);
    X509_free(s->cert);
    EVP_PKEY_free(s->key);
}

static void check_refusal(const reply *r)
{
    assert_int_equal(r->m.code, CODE(4, 1));
    assert_true(r->len <= COAP_MAX);
    check_diagnostic(&r->m);
}

static void expect_unauthorized(peer *p, const wire_out *o)
{
    reply r;
    answer_to(p, o, &r);
    check_refusal(&r);
}

static void request(peer *p, wire_out *o, unsigned method, const char *path)
{
    ask(p, o, method);
    wire_path(o, path);
    if (method == POST) {
        wire_uint(o, OPT_FORMAT, 286);
    }
}

static void every_resource(void **state)
{
    static const struct {
        unsigned method;
        const char *path;
    } asked[] = {
        {GET, EST "/crts"},  {GET, "/est/crts"}, {GET, EST "/att"},     {POST, EST "/sen"},
        {POST, EST "/sren"}, {POST, "/est/sen"}, {POST, EST "/skg"},    {POST, EST "/skc"},
        {GET, EST "/sen"},   {PUT, EST "/crts"}, {GET, EST "/label/x"}, {GET, "/nothing"},
        {GET, "/"},
    };
    stranger s = meet_anybody(*state);
    for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
        wire_out o;
        body csr;
        request(s.p, &o, asked[i].method, asked[i].path);
        if (asked[i].method == POST) {
            fresh_csr(&csr);
            wire_payload(&o, csr.bytes, csr.len);
        }
        expect_unauthorized(s.p, &o);
    }
    wire_out o;
    body links;
    fetch(s.p, "/.well-known/core?rt=ace.est*", 40, 2, &links);
    assert_non_null(memmem(links.bytes, links.len, "ace.est.sen", 11));
    request(s.p, &o, PUT, "/.well-known/core");
    expect_code(s.p, &o, CODE(4, 5));
    part(&s);
}

/* The longest token, and options that are echoed. */
static void longest_answer(void **state)
{
    stranger s = meet_anybody(*state);
    wire_out o;
    reply r;
    uint8_t block[1024] = {0};
    wire_begin(&o, CON, POST, ++s.p->mid, "12345678", 8);
    wire_path(&o, EST "/sen");
    wire_uint(&o, OPT_FORMAT, 286);
    wire_block(&o, OPT_BLOCK1, 0, true, 6);
    wire_uint(&o, OPT_SIZE1, 4096);
    wire_payload(&o, block, sizeof block);
    answer_to(s.p, &o, &r);
    check_refusal(&r);
    part(&s);
}

/* All records of a flight in one datagram. */
static void in_one_datagram(peer *p, flight *f)
{
    (void)p;
    for (size_t i = 1; i < f->n; i++) {
        datagram *first = &f->at[0];
        assert_true(first->len + f->at[i].len <= sizeof first->bytes);
        memcpy(first->bytes + first->len, f->at[i].bytes, f->at[i].len);
        first->len += f->at[i].len;
        f->at[i].len = 0;
    }
}

static void burst(stranger *s, unsigned n)
{
    body csr;
    fresh_csr(&csr);
    for (unsigned i = 0; i < n; i++) {
        wire_out o;
        request(s->p, &o, i % 2 == 0 ? GET : POST, i % 2 == 0 ? EST "/crts" : EST "/sen");
        if (i % 2 != 0) {
            wire_payload(&o, csr.bytes, csr.len);
        }
        assert_int_equal(SSL_write(s->p->ssl, o.bytes, (int)o.len), (int)o.len);
    }
    s->p->cfg.out = in_one_datagram;
    peer_flush(s->p);
    s->p->cfg.out = NULL;
    for (unsigned i = 0; i < n; i++) {
        reply r;
        r.len = peer_recv(s->p, r.bytes, sizeof r.bytes, ANSWER_MS);
        assert_true(wire_parse(&r.m, r.bytes, r.len));
        check_refusal(&r);
    }
}

static void pipelined(void **state)
{
    stranger s = meet_anybody(*state);
    for (int i = 0; i < 50; i++) {
        burst(&s, 6);
    }
    wire_out o;
    request(s.p, &o, GET, EST "/crts");
    expect_unauthorized(s.p, &o);
    part(&s);
}

/* The server has room for one body in assembly: a stranger does not take it. */
static void uploads(void **state)
{
    server = *state;
    reply r;
    body csr;
    fresh_csr(&csr);
    stranger s = meet_anybody(*state);
    for (unsigned i = 0; i < 200; i++) {
        piece b = {.p = s.p, .at = csr.bytes, .len = 64, .num = i % 40, .szx = 2, .more = true};
        assert_int_equal(put_block(&b, &r), CODE(4, 1));
        check_refusal(&r);
        assert_null(wire_find(&r.m, OPT_SIZE1));
    }
    wire_out o; /* and a later block of an answer */
    request(s.p, &o, GET, EST "/crts");
    wire_block(&o, OPT_BLOCK2, 3, false, 2);
    expect_unauthorized(s.p, &o);
    request(s.p, &o, POST, EST "/sen");
    wire_block(&o, OPT_BLOCK2, 3, false, 2);
    expect_unauthorized(s.p, &o);
    dev = connect_as(server, "dev");
    body answer;
    assert_int_equal(enroll(dev, EST "/sen", &csr, 281, 2, &answer), CODE(2, 4));
    drop_dev(NULL);
    part(&s);
    assert_int_equal(issued(server), 1);
}

static void confirmable_or_not(void **state)
{
    stranger s = meet_anybody(*state);
    wire_out o;
    reply r;
    wire_begin(&o, NON, GET, 77, "t", 1);
    wire_path(&o, EST "/crts");
    answer_to(s.p, &o, &r);
    assert_int_equal(r.m.type, NON);
    check_refusal(&r);
    part(&s);
}

static const char *log_since(const fixture *f, size_t before, const char *words)
{
    static char log[LOG_ROOM];
    for (int i = 0; i < 200; i++) {
        read_file(path_in(f, "estocd.log"), log, sizeof log);
        char *at = strstr(log + before, words);
        if (at != NULL && strchr(at, '\n') != NULL) {
            *strchr(at, '\n') = '\0';
            return at;
        }
        usleep(20000);
    }
    fail_msg("no \"%s\" in the log", words);
    return NULL;
}

static size_t log_len(const fixture *f)
{
    static char log[LOG_ROOM];
    return read_file(path_in(f, "estocd.log"), log, sizeof log);
}

static void told_why(void **state)
{
    const fixture *f = *state;
    const struct {
        cert_cfg cfg;
        const char *why;
    } cases[] = {
        {{.cn = "odd", .until_s = -60}, "expired"},
        {{.cn = "odd", .from_s = 3600}, "not yet valid"},
        {{.cn = "odd", .eku = "serverAuth"}, "purpose"},
        {{.cn = "odd", .key_usage = "keyAgreement"}, "key usage"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t before = log_len(f);
        EVP_PKEY *key;
        X509 *cert = maker_cert(f, &cases[i].cfg, &key);
        stranger s = meet(f, cert, key);
        wire_out o;
        request(s.p, &o, GET, EST "/crts");
        expect_unauthorized(s.p, &o);
        const char *line = log_since(f, before, "result=unrecognised");
        assert_non_null(strstr(line, "subject=CN=odd"));
        assert_non_null(strstr(line, cases[i].why));
        part(&s);
    }
}

static void bad_signature(peer *p, flight *f)
{
    (void)p;
    for (size_t i = 0; i < f->n; i++) {
        int at = flight_find(f, i, 15); /* CertificateVerify */
        if (at >= 0) {
            f->at[i].bytes[(size_t)at + record_len(f->at[i].bytes + at) - 1] ^= 1;
        }
    }
}

static void no_key_no_entry(void **state)
{
    const fixture *f = *state;
    EVP_PKEY *key = key_new("P-256");
    X509 *cert = cert_new(key, &(cert_cfg){.cn = "dev"});
    peer_cfg cfg = {.port = f->port, .own = cert, .own_key = key, .out = bad_signature};
    peer *p = peer_new(&cfg);
    assert_false(peer_handshake(p, 5000));
    assert_int_equal(p->alert_in >> 8, 2);
    peer_free(p);
    size_t before = log_len(f);
    p = peer_new(&(peer_cfg){.port = f->port}); /* no certificate at all */
    assert_false(peer_handshake(p, 5000));
    assert_int_equal(p->alert_in >> 8, 2);
    log_since(f, before, "result=refused why=\"no certificate\"");
    peer_free(p);
    X509_free(cert);
    EVP_PKEY_free(key);
}

static void no_resumption(void **state)
{
    const fixture *f = *state;
    stranger s = meet_anybody(f);
    SSL_SESSION *session = SSL_get1_session(s.p->ssl);
    peer_close(s.p);
    peer_cfg cfg = {.port = f->port, .own = s.cert, .own_key = s.key, .session = session};
    for (int i = 0; i < 3; i++) {
        peer *p = peer_connect(&cfg);
        assert_false(SSL_session_reused(p->ssl));
        wire_out o;
        request(p, &o, GET, EST "/crts");
        expect_unauthorized(p, &o);
        peer_close(p);
        peer_free(p);
    }
    SSL_SESSION_free(session);
    part(&s);
}

static void the_client_says_so(void **state)
{
    const fixture *f = *state;
    output o;
    stranger s = meet_anybody(f);
    key_write(s.key, path_in(f, "odd.key"));
    cert_write(s.cert, path_in(f, "odd.crt"), "w");
    run(&o, "estoc", "crts", f->uri, "--cert", path_in(f, "odd.crt"), "--key",
        path_in(f, "odd.key"), "--ta", path_in(f, "dev.ta"), NULL);
    assert_int_equal(o.code, 4);
    assert_non_null(strstr(o.err, "4.01"));
    part(&s);
}

static void not_its_right(void **state)
{
    server = *state;
    dev = connect_as(server, "dev");
    EVP_PKEY *key = key_new("P-256");
    body csr, answer;
    csr_new(key, "CN=somebody else", NULL, &csr);
    assert_int_equal(enroll(dev, EST "/sen", &csr, 281, -1, &answer), CODE(4, 3));
    EVP_PKEY_free(key);
    drop_dev(NULL);
}

static int start(void **state)
{
    fixture_set_up(state);
    fixture_conf(*state, "server", "unrecognised", "answer");
    fixture_conf(*state, "server", "bodies-max", "1");
    fixture_start(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        NAMED("D4 each EST resource is 4.01 to a stranger, discovery is served", every_resource),
        NAMED("D4 the longest 4.01 is at most 64 bytes", longest_answer),
        NAMED("D4 300 requests pipelined, six in a datagram, are 300 times 4.01", pipelined),
        NAMED("D4 B2 blocks of strangers are 4.01, and take no room", uploads),
        NAMED("D4 a NON request is 4.01 too", confirmable_or_not),
        NAMED("D4 HC 51 the log says why a certificate is not recognised", told_why),
        NAMED("D4 D2 without the key, or a certificate, the handshake fails", no_key_no_entry),
        NAMED("D4 D8 a stranger's session is not resumed", no_resumption),
        NAMED("D4 cli estoc says 4.01 and ends with 4", the_client_says_so),
        NAMED("D4 who is recognised and may not is told 4.03", not_its_right),
    };
    return cmocka_run_group_tests_name("strangers", tests, start, group_stop);
}
