/* SPDX-License-Identifier: MIT
 *
 * Limits that an abuser meets. (C4 4.29, X11, D10, rows 271 and 272)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "device.h"

static uint8_t get(peer *p, reply *r)
{
    wire_out o;
    ask(p, &o, GET);
    wire_path(&o, EST "/crts");
    answer_to(p, &o, r);
    return (uint8_t)r->m.code;
}

static void expect_later(const reply *r)
{
    assert_int_equal(r->m.code, CODE(4, 29));
    check_diagnostic(&r->m);
    uint32_t max_age = wire_uint_of(&r->m, OPT_MAX_AGE, 0);
    assert_in_range(max_age, 1, 1000);
}

static void start(fixture *f)
{
    fixture_conf(f, "server", "workers", "1");
    fixture_device(f, "CN=dev2", "dev2");
    fixture_start(f);
}

static void of_an_identity(void **state)
{
    fixture *f = *state;
    reply r;
    fixture_conf(f, "server", "identity-rate", "1");
    fixture_conf(f, "server", "identity-burst", "3");
    start(f);
    peer *p = connect_as(f, "dev");
    peer *again = connect_as(f, "dev");
    peer *other = connect_as(f, "dev2");
    assert_int_equal(get(p, &r), CODE(2, 5));
    assert_int_equal(get(again, &r), CODE(2, 5));
    assert_int_equal(get(p, &r), CODE(2, 5));
    get(p, &r);
    expect_later(&r);
    get(again, &r); /* another association is no way around it */
    expect_later(&r);
    assert_int_equal(get(other, &r), CODE(2, 5));
    peer_free(p);
    p = connect_as(f, "dev");
    get(p, &r);
    expect_later(&r);
    peer_free(p);
    peer_free(again);
    peer_free(other);
}

static void of_an_address(void **state)
{
    fixture *f = *state;
    reply r;
    fixture_conf(f, "server", "address-rate", "1");
    fixture_conf(f, "server", "address-burst", "2");
    start(f);
    peer *p = connect_as(f, "dev");
    peer *other = connect_as(f, "dev2");
    assert_int_equal(get(p, &r), CODE(2, 5));
    assert_int_equal(get(other, &r), CODE(2, 5));
    get(p, &r);
    expect_later(&r);
    get(other, &r);
    expect_later(&r);
    peer_free(p);
    peer_free(other);
}

/* Before the authority is asked, and with the first block; what repeats a message does not count. */
static void before_the_authority(void **state)
{
    fixture *f = *state;
    body csr;
    reply r;
    wire_out o;
    fixture_conf(f, "server", "identity-rate", "1");
    fixture_conf(f, "server", "identity-burst", "2");
    start(f);
    peer *p = connect_as(f, "dev");
    EVP_PKEY *key = key_new("P-256");
    device_csr(f, "CN=dev", key, &csr);
    ask(p, &o, POST);
    wire_path(&o, EST "/sen");
    wire_uint(&o, OPT_FORMAT, 286);
    wire_payload(&o, csr.bytes, csr.len);
    for (int i = 0; i < 8; i++) { /* one message eight times */
        answer_to(p, &o, &r);
        assert_int_equal(r.m.code, CODE(2, 4));
    }
    assert_int_equal(get(p, &r), CODE(2, 5)); /* the second one */
    const piece first = {.p = p, .at = csr.bytes, .len = 64, .num = 0, .szx = 2, .more = true};
    put_block(&first, &r);
    expect_later(&r);
    assert_int_equal(issued(f), 1);
    EVP_PKEY_free(key);
    peer_free(p);
}

/* estoc waits as it is told. */
static void client_waits(void **state)
{
    fixture *f = *state;
    output o;
    fixture_conf(f, "server", "identity-rate", "120");
    fixture_conf(f, "server", "identity-burst", "1");
    start(f);
    run_as(&o, f, "dev", "bench", f->uri, "--count", "2", "--concurrency", "2", "--wait", "60",
           NULL);
    assert_int_equal(o.code, 0);
    fixture_conf(f, "server", "identity-rate", "1");
    fixture_restart(f);
    run_as(&o, f, "dev", "crts", f->uri, NULL);
    assert_int_equal(o.code, 0);
    run_as(&o, f, "dev", "crts", f->uri, NULL);
    assert_int_equal(o.code, 75);
    assert_non_null(strstr(o.err, "4.29"));
}

/* A fleet does not notice: 300 enrollments from one address and one certificate. */
static void defaults(void **state)
{
    fixture *f = *state;
    output o;
    fixture_start(f);
    run_as(&o, f, "dev", "bench", f->uri, "--count", "300", "--concurrency", "50", "--same-key",
           NULL);
    assert_int_equal(o.code, 0);
}

static bool is_open(peer *p)
{
    uint8_t in[DATAGRAM_MAX];
    if (!p->closed) {
        (void)peer_recv(p, in, sizeof in, SILENCE_MS);
    }
    return !p->closed;
}

/* Row 272: the oldest is closed for the next, with close_notify; others are not touched. */
static void associations_of_one(void **state)
{
    enum { N = 5, CAP = 3 };
    fixture *f = *state;
    peer *p[N];
    fixture_conf(f, "server", "identity-sessions", "3");
    start(f);
    peer *other = connect_as(f, "dev2");
    for (int i = 0; i < N; i++) {
        p[i] = connect_as(f, "dev");
        expect_alive(p[i]); /* its handshake is over for the server, too */
    }
    for (int i = 0; i < N - CAP; i++) {
        assert_false(is_open(p[i]));
        assert_int_equal(p[i]->alert_in, 1 << 8 | 0);
    }
    for (int i = N - CAP; i < N; i++) {
        expect_alive(p[i]);
    }
    expect_alive(other);
    /* one that leaves makes room */
    peer_close(p[2]);
    peer *next = connect_as(f, "dev");
    expect_alive(next);
    expect_alive(p[3]);
    expect_alive(other);
    for (int i = 0; i < N; i++) {
        peer_free(p[i]);
    }
    peer_free(next);
    peer_free(other);
}

/* What is longer than a HelloVerifyRequest never arrives: the handshake stays half open. */
static bool deaf(peer *p, const uint8_t *bytes, size_t len)
{
    (void)p;
    (void)bytes;
    return len < 100;
}

/* Row 271: half-open handshakes of one prefix do not take all the room there is. */
static void half_open(void **state)
{
    enum { N = 12 };
    fixture *f = *state;
    peer *stuck[N];
    fixture_conf(f, "server", "half-open-max", "3");
    fixture_conf(f, "server", "sessions-max", "8");
    start(f);
    peer *before = connect_as(f, "dev2");
    for (int i = 0; i < N; i++) {
        peer_cfg cfg = device_cfg(f, "dev");
        cfg.in = deaf;
        stuck[i] = peer_new(&cfg);
        assert_false(peer_handshake(stuck[i], 150));
    }
    peer *p = connect_as(f, "dev");
    expect_alive(p);
    expect_alive(before);
    for (int i = 0; i < N; i++) {
        peer_free(stuck[i]);
    }
    peer_free(p);
    peer_free(before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        NAMED_ALONE("C4 X11 too many requests of one identity are 4.29 with Max-Age",
                    of_an_identity),
        NAMED_ALONE("C4 X11 too many requests from one address are 4.29 with Max-Age",
                    of_an_address),
        NAMED_ALONE("C4 X11 4.29 comes before the authority, and never for a copy",
                    before_the_authority),
        NAMED_ALONE("K3 C4 estoc waits out 4.29, or exits with 75", client_waits),
        NAMED_ALONE("X11 a fleet does not notice the defaults", defaults),
        NAMED_ALONE("X11 D10 HC 272 associations of one identity are bounded", associations_of_one),
        NAMED_ALONE("X11 D5 HC 271 half-open handshakes of one prefix are bounded", half_open),
    };
    return cmocka_run_group_tests_name("limits", tests, NULL, NULL);
}
