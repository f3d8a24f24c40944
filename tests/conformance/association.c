/* SPDX-License-Identifier: MIT
 *
 * The life of an association: lost, altered and replayed datagrams, size, idleness, replacement.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "fixture.h"

enum { CERTIFICATE = 11, CERTIFICATE_VERIFY = 15, KEY_EXCHANGE = 16, FATAL = 2 };

/* Counts datagrams, and loses the one whose number it is. */
typedef struct loss {
    size_t out, in; /* so far */
    size_t lose_out, lose_in;
} loss;

static void lose_out(peer *p, flight *fl)
{
    loss *l = p->cfg.ctx;
    for (size_t i = 0; i < fl->n; i++) {
        if (++l->out == l->lose_out) {
            fl->at[i].len = 0;
        }
    }
}

static bool lose_in(peer *p, const uint8_t *bytes, size_t len)
{
    loss *l = p->cfg.ctx;
    (void)bytes;
    (void)len;
    return ++l->in != l->lose_in;
}

static loss handshake_with(const fixture *f, loss l)
{
    peer_cfg cfg = device_cfg(f, "dev");
    cfg.out = lose_out;
    cfg.in = lose_in;
    cfg.ctx = &l;
    peer *p = peer_connect(&cfg);
    expect_alive(p);
    peer_free(p);
    return l;
}

static void each_datagram_lost_once(void **state)
{
    const fixture *f = *state;
    peer_cfg cfg = device_cfg(f, "dev");
    loss count = {0};
    cfg.out = lose_out;
    cfg.in = lose_in;
    cfg.ctx = &count;
    peer *p = peer_connect(&cfg);
    size_t out = count.out, in = count.in;
    peer_free(p);
    for (size_t n = 1; n <= out; n++) {
        handshake_with(f, (loss){.lose_out = n});
    }
    for (size_t n = 1; n <= in; n++) { /* the last: the server's Finished, HC 41 */
        handshake_with(f, (loss){.lose_in = n});
    }
}

static void reverse(peer *p, flight *fl)
{
    (void)p;
    for (size_t i = 0; i < fl->n / 2; i++) {
        datagram d = fl->at[i];
        fl->at[i] = fl->at[fl->n - 1 - i];
        fl->at[fl->n - 1 - i] = d;
    }
}

static void fragments_in_reverse(void **state)
{
    peer_cfg cfg = device_cfg(*state, "dev");
    cfg.mtu = 228;
    cfg.out = reverse;
    peer *p = peer_connect(&cfg);
    assert_true(p->sent_n > 4); /* it was in fragments */
    expect_alive(p);
    peer_free(p);
}

static void duplicate(peer *p, flight *fl)
{
    (void)p;
    size_t n = fl->n;
    for (size_t i = 0; i < n && fl->n < FLIGHT_MAX; i++) {
        fl->at[fl->n++] = fl->at[i];
    }
}

static void every_datagram_twice(void **state)
{
    peer_cfg cfg = device_cfg(*state, "dev");
    cfg.out = duplicate;
    peer *p = peer_connect(&cfg);
    expect_alive(p);
    expect_alive(p);
    peer_free(p);
}

/* Handshakes with messages altered on their way: never usable. */

static void flip_signature(peer *p, flight *fl)
{
    (void)p;
    for (size_t i = 0; i < fl->n; i++) {
        int at = flight_find(fl, i, CERTIFICATE_VERIFY);
        if (at >= 0) {
            uint8_t *r = fl->at[i].bytes + at;
            r[record_len(r) - 3] ^= 1; /* in s */
        }
    }
}

/* Certificate and CertificateVerify taken out, and the gap in message_seq closed. */
static void skip_certificate(peer *p, flight *fl)
{
    (void)p;
    static const uint8_t types[] = {CERTIFICATE, CERTIFICATE_VERIFY};
    for (size_t i = 0; i < fl->n; i++) {
        for (size_t t = 0; t < sizeof types; t++) {
            int at = flight_find(fl, i, types[t]);
            if (at >= 0) {
                uint8_t *r = fl->at[i].bytes + at;
                size_t n = record_len(r);
                memmove(r, r + n, fl->at[i].len - (size_t)at - n);
                fl->at[i].len -= n;
            }
        }
        int at = flight_find(fl, i, KEY_EXCHANGE);
        if (at >= 0) {
            fl->at[i].bytes[at + 13 + 5]--;
        }
    }
}

/* CertificateVerify and ClientKeyExchange change places (and numbers). */
static void swap_verify(peer *p, flight *fl)
{
    (void)p;
    for (size_t i = 0; i < fl->n; i++) {
        int key = flight_find(fl, i, KEY_EXCHANGE);
        for (size_t k = 0; key >= 0 && k < fl->n; k++) {
            int verify = flight_find(fl, k, CERTIFICATE_VERIFY);
            if (verify >= 0) {
                fl->at[i].bytes[key + 13 + 5]++;
                fl->at[k].bytes[verify + 13 + 5]--;
            }
        }
    }
}

static int broken_handshake(const fixture *f, void (*out)(peer *, flight *))
{
    peer_cfg cfg = device_cfg(f, "dev");
    cfg.out = out;
    peer *p = peer_new(&cfg);
    assert_false(peer_handshake(p, 3000));
    int alert = p->alert_in;
    peer_free(p);
    return alert;
}

static void bad_signature(void **state)
{
    int alert = broken_handshake(*state, flip_signature);
    assert_int_equal(alert >> 8, FATAL);
    assert_int_equal(alert & 0xff, 51); /* decrypt_error */
}

static void certificate_skipped(void **state)
{
    int alert = broken_handshake(*state, skip_certificate);
    assert_true(alert == 0 || alert >> 8 == FATAL);
}

static void verify_before_key(void **state)
{
    int alert = broken_handshake(*state, swap_verify);
    assert_true(alert == 0 || alert >> 8 == FATAL);
}

/* Sizes. */

/* A client that says nothing of blocks gets the first, of a size that fits. B4. */
static void check_block_chosen(peer *p, size_t largest)
{
    wire_out o;
    reply r;
    ask(p, &o, GET);
    wire_path(&o, "/.well-known/est/crts");
    answer_to(p, &o, &r);
    assert_int_equal(r.m.code, CODE(2, 5));
    wire_blk b = wire_block_of(&r.m, OPT_BLOCK2);
    assert_true(b.present && b.num == 0 && b.more);
    assert_int_equal(r.m.payload_len, 16u << b.szx);
    assert_true((32u << b.szx) + 4 + 29 > largest || b.szx == 6); /* and no smaller than need be */
}

static void check_sizes(const char *mtu, size_t largest)
{
    void *state;
    fixture_set_up(&state);
    fixture *f = state;
    body crts, csr;
    fixture_conf(f, "server", "mtu", mtu);
    fixture_start(f);
    peer_cfg cfg = device_cfg(f, "dev");
    cfg.mtu = (unsigned)largest;
    peer *p = peer_connect(&cfg);
    for (int szx = -1; szx <= 6; szx++) {
        fetch(p, "/.well-known/est/crts", -1, szx, &crts);
        fetch(p, "/.well-known/core", -1, szx, &crts);
    }
    EVP_PKEY *key = key_new("P-256");
    device_csr(f, "CN=dev", key, &csr);
    assert_int_equal(enroll(p, "/.well-known/est/sen", &csr, -1, 2, &crts), CODE(2, 4));
    EVP_PKEY_free(key);
    if (largest < 512) {
        check_block_chosen(p, largest);
    }
    assert_in_range(p->longest, 1, largest);
    peer_free(p);
    fixture_tear_down(&state);
}

static void mtu_256(void **state)
{
    (void)state;
    check_sizes("256", 256 - 28);
}

static void mtu_576(void **state)
{
    (void)state;
    check_sizes("576", 576 - 28);
}

static void default_mtu(void **state)
{
    body crts;
    peer *p = connect_as(*state, "dev");
    fetch(p, "/.well-known/est/crts", -1, -1, &crts);
    assert_in_range(p->longest, 1, 1280 - 28);
    peer_free(p);
}

static void max_fragment(void **state)
{
    body crts;
    peer_cfg cfg = device_cfg(*state, "dev");
    cfg.max_fragment = TLSEXT_max_fragment_length_512;
    peer *p = peer_connect(&cfg);
    fetch(p, "/.well-known/est/crts", -1, -1, &crts);
    assert_in_range(p->longest_record, 1, 512 + 8 + 16); /* plaintext, nonce, tag */
    peer_free(p);
}

/* Records on an established association. */

typedef struct capture {
    datagram last;
    bool hold; /* keep what is sent from going out */
} capture;

static void capture_out(peer *p, flight *fl)
{
    capture *c = p->cfg.ctx;
    if (fl->n > 0) {
        c->last = fl->at[fl->n - 1];
        if (c->hold) {
            fl->n = 0;
        }
    }
}

static void replayed_record(void **state)
{
    const fixture *f = *state;
    capture c = {0};
    peer_cfg cfg = device_cfg(f, "dev");
    cfg.out = capture_out;
    cfg.ctx = &c;
    peer *p = peer_connect(&cfg);
    unsigned before = issued(f);
    EVP_PKEY *key = key_new("P-256");
    body csr;
    reply r;
    wire_out o;
    csr_new(key, "CN=dev", NULL, &csr);
    ask(p, &o, POST);
    wire_path(&o, "/.well-known/est/sen");
    wire_uint(&o, OPT_FORMAT, 286);
    wire_payload(&o, csr.bytes, csr.len);
    answer_to(p, &o, &r);
    assert_int_equal(r.m.code, CODE(2, 4));
    datagram post = c.last;
    size_t got = p->got_n;
    for (int i = 0; i < 5; i++) {
        uint8_t in[DATAGRAM_MAX];
        peer_raw(p, post.bytes, post.len);
        assert_int_equal(udp_recv(p->fd, in, sizeof in, 100), 0);
    }
    assert_int_equal(p->got_n, got);
    assert_int_equal(issued(f), before + 1);
    expect_alive(p);
    peer_free(p);
    EVP_PKEY_free(key);
}

/* Anyone who can forge an address can send these: they must not matter. HC 36, 37, 42, 56. */
static void forged_plaintext(void **state)
{
    const fixture *f = *state;
    /* clang-format off */
    static const uint8_t fatal_alert[] = {21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 99, 0, 2, 2, 40};
    static const uint8_t close_alert[] = {21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 98, 0, 2, 1, 0};
    static const uint8_t epoch1_alert[] = {21, 254, 253, 0, 1, 0, 0, 0, 0, 9, 99, 0, 2, 2, 40};
    static const uint8_t change[] = {20, 254, 253, 0, 0, 0, 0, 0, 0, 0, 97, 0, 1, 1};
    static const uint8_t with_cid[] = {25, 254, 253, 0, 1, 0, 0, 0, 0, 0, 96, 1, 2, 3, 4, 0, 2, 9, 9};
    static const uint8_t hello_request[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    /* clang-format on */
    peer *p = connect_as(f, "dev");
    uint8_t many[13 + 100 * sizeof hello_request] = {22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 95};
    many[11] = (uint8_t)((sizeof many - 13) >> 8);
    many[12] = (uint8_t)(sizeof many - 13);
    peer_raw(p, fatal_alert, sizeof fatal_alert);
    expect_alive(p);
    peer_raw(p, close_alert, sizeof close_alert);
    peer_raw(p, epoch1_alert, sizeof epoch1_alert);
    peer_raw(p, change, sizeof change);
    peer_raw(p, with_cid, sizeof with_cid);
    peer_raw(p, many, sizeof many);
    expect_alive(p);
    peer_free(p);
}

static void spoofed_hello(void **state)
{
    const fixture *f = *state;
    uint8_t hello[DATAGRAM_MAX], with[DATAGRAM_MAX];
    size_t len = client_hello(hello, sizeof hello);
    size_t n = client_hello_cookie(hello, len, (const uint8_t *)"0123456789abcdef", 16, with);
    peer *p = connect_as(f, "dev");
    for (int i = 0; i < 20; i++) {
        peer_raw(p, hello, len);
        peer_raw(p, with, n);
        expect_alive(p);
    }
    peer_free(p);
}

/* The client lost its state: a new handshake from the same port takes the place of the old one. */
static void same_port_again(void **state)
{
    const fixture *f = *state;
    capture c = {.hold = false};
    wire_out o;
    peer_cfg cfg = device_cfg(f, "dev");
    cfg.out = capture_out;
    cfg.ctx = &c;
    peer *p = peer_connect(&cfg);
    expect_alive(p);
    c.hold = true; /* a record of the old association for later */
    ask(p, &o, GET);
    wire_path(&o, "/.well-known/core");
    peer_send(p, o.bytes, o.len);
    datagram old = c.last;
    c.hold = false;
    cfg.out = NULL;
    p = peer_again(p, &cfg);
    assert_true(peer_handshake(p, 10000));
    expect_alive(p);
    uint8_t in[DATAGRAM_MAX];
    peer_raw(p, old.bytes, old.len);
    assert_int_equal(udp_recv(p->fd, in, sizeof in, SILENCE_MS), 0);
    expect_alive(p);
    peer_free(p);
}

static void close_frees(void **state)
{
    const fixture *f = *state;
    capture c = {.hold = true};
    wire_out o;
    peer_cfg cfg = device_cfg(f, "dev");
    peer *p = peer_connect(&cfg);
    expect_alive(p);
    p->cfg.out = capture_out;
    p->cfg.ctx = &c;
    ask(p, &o, GET);
    wire_path(&o, "/.well-known/core");
    peer_send(p, o.bytes, o.len); /* held back */
    p->cfg.out = NULL;
    peer_close(p);
    uint8_t in[DATAGRAM_MAX];
    while (udp_recv(p->fd, in, sizeof in, SILENCE_MS) > 0) {
        /* its close_notify */
    }
    peer_raw(p, c.last.bytes, c.last.len);
    assert_int_equal(udp_recv(p->fd, in, sizeof in, SILENCE_MS), 0);
    peer_free(p);
}

static void idle(void **state)
{
    fixture *f = *state;
    fixture_conf(f, "server", "idle", "2");
    fixture_start(f);
    peer *p = connect_as(f, "dev");
    for (int i = 0; i < 4; i++) { /* four seconds, but never idle for two */
        usleep(1000000);
        expect_alive(p);
    }
    uint8_t in[DATAGRAM_MAX];
    long long start = now_ms();
    assert_int_equal(peer_recv(p, in, sizeof in, 8000), 0);
    assert_true(p->closed); /* close_notify */
    assert_true(SSL_get_shutdown(p->ssl) & SSL_RECEIVED_SHUTDOWN);
    assert_in_range(now_ms() - start, 1000, 6000);
    peer_free(p);
}

static void renegotiation(void **state)
{
    peer *p = connect_as(*state, "dev");
    expect_alive(p);
    SSL_renegotiate(p->ssl);
    bool done = peer_handshake(p, 2000);
    assert_true(!done || SSL_total_renegotiations(p->ssl) == 0);
    peer_free(p);
    p = connect_as(*state, "dev");
    expect_alive(p);
    peer_free(p);
}

/* Explicit nonces, the first 8 bytes of each protected record, only go up. HC 301. */
static bool nonces_go_up(peer *p, const uint8_t *b, size_t len)
{
    uint64_t *last = p->cfg.ctx;
    for (size_t at = 0; at + 21 <= len; at += record_len(b + at)) {
        if (b[at + 3] == 0 && b[at + 4] == 0) {
            continue;
        }
        uint64_t nonce = 0;
        for (size_t i = 0; i < 8; i++) {
            nonce = nonce << 8 | b[at + 13 + i];
        }
        assert_true(*last == 0 || nonce > *last);
        *last = nonce;
    }
    return true;
}

static void nonces(void **state)
{
    uint64_t last = 0;
    peer_cfg cfg = device_cfg(*state, "dev");
    cfg.in = nonces_go_up;
    cfg.ctx = &last;
    peer *p = peer_connect(&cfg);
    for (int i = 0; i < 300; i++) {
        expect_alive(p);
    }
    assert_true(last != 0);
    peer_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        NAMED("X5 HC 39 HC 41 each datagram of a handshake lost once", each_datagram_lost_once),
        NAMED("D7 HC 27 a flight in fragments, in reverse order", fragments_in_reverse),
        NAMED("D7 HC 27 every datagram twice", every_datagram_twice),
        NAMED("D2 HC 19 a client that skips its Certificate gets nowhere", certificate_skipped),
        NAMED("D2 HC 21 CertificateVerify before ClientKeyExchange", verify_before_key),
        NAMED("D2 HC 22 a wrong CertificateVerify is decrypt_error", bad_signature),
        NAMED("D7 B4 no datagram above an MTU of 256", mtu_256),
        NAMED("D7 B4 no datagram above an MTU of 576", mtu_576),
        NAMED("D7 B4 no datagram above the default MTU", default_mtu),
        NAMED("D7 HC 57 max_fragment_length 512 holds in every record", max_fragment),
        NAMED("C1 HC 34 a replayed POST record is dropped", replayed_record),
        NAMED("D10 HC 36 HC 37 HC 56 forged plaintext records are ignored", forged_plaintext),
        NAMED("D10 HC 42 a spoofed ClientHello does not disturb", spoofed_hello),
        NAMED("D10 a verified ClientHello from the same port replaces", same_port_again),
        NAMED("D10 close_notify frees at once", close_frees),
        NAMED_ALONE("D10 an idle association is closed", idle),
        NAMED("D8 HC 49 renegotiation is refused", renegotiation),
        NAMED("D1 HC 301 nonces never repeat", nonces),
    };
    return cmocka_run_group_tests_name("association", tests, group_start, group_stop);
}
