/* SPDX-License-Identifier: MIT
 *
 * What estocd says to an address it has not verified: one HelloVerifyRequest, no state, no gain.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "fixture.h"

enum { HELLO_VERIFY = 3, QUIET_MS = 200 };

typedef struct cookie {
    uint8_t bytes[255];
    size_t len;
} cookie;

/* A HelloVerifyRequest alone in its datagram, to the letter of RFC 6347 section 4.2.1. */
static void check_verify(const uint8_t *r, size_t len, cookie *c)
{
    assert_true(len >= 28);
    assert_int_equal(r[0], 22); /* handshake */
    assert_int_equal(r[1], 254);
    assert_true(r[2] == 255 || r[2] == 253);
    assert_int_equal(record_len(r), len); /* nothing behind it */
    assert_int_equal(r[13], HELLO_VERIFY);
    assert_int_equal(r[AT_MESSAGE_SEQ] << 8 | r[AT_MESSAGE_SEQ + 1], 0);
    assert_int_equal(r[25], 254);
    assert_true(r[26] == 255 || r[26] == 253);
    c->len = r[27];
    assert_in_range(c->len, 1, 32); /* X12 */
    assert_int_equal(28 + c->len, len);
    memcpy(c->bytes, r + 28, c->len);
}

/* Send, and expect exactly one HelloVerifyRequest that is not longer. */
static void expect_verify(int fd, const uint8_t *hello, size_t len, cookie *c)
{
    uint8_t in[DATAGRAM_MAX];
    assert_int_equal(send(fd, hello, len, 0), len);
    size_t n = udp_recv(fd, in, sizeof in, 5000);
    assert_in_range(n, 1, len);
    check_verify(in, n, c);
    assert_memory_equal(in + AT_RECORD_SEQ - 2, hello + AT_RECORD_SEQ - 2, 8); /* epoch, sequence */
    assert_int_equal(udp_recv(fd, in, sizeof in, QUIET_MS), 0);
}

static size_t all_bytes(int fd, int timeout_ms)
{
    uint8_t in[DATAGRAM_MAX];
    size_t n, sum = 0;
    while ((n = udp_recv(fd, in, sizeof in, timeout_ms)) > 0) {
        sum += n;
    }
    return sum;
}

/* Whatever it is, no more comes back than went out. */
static size_t expect_no_gain(const fixture *f, const uint8_t *bytes, size_t len)
{
    int fd = udp_open(f->port);
    send(fd, bytes, len, 0);
    size_t got = all_bytes(fd, 30);
    assert_true(got <= len);
    close(fd);
    return got;
}

static void one_verify_request(void **state)
{
    const fixture *f = *state;
    uint8_t hello[DATAGRAM_MAX];
    cookie c;
    size_t len = client_hello(hello, sizeof hello);
    int fd = udp_open(f->port);
    expect_verify(fd, hello, len, &c);
    close(fd);
}

static void copies_record_sequence(void **state)
{
    const fixture *f = *state;
    uint8_t hello[DATAGRAM_MAX];
    cookie c;
    size_t len = client_hello(hello, sizeof hello);
    int fd = udp_open(f->port);
    hello[AT_RECORD_SEQ + 4] = 0x12;
    hello[AT_RECORD_SEQ + 5] = 0x34;
    expect_verify(fd, hello, len, &c);
    close(fd);
}

static void smallest_hello(void **state)
{
    const fixture *f = *state;
    /* clang-format off */
    static const uint8_t hello[67] = {
        22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 54,    /* record: handshake, 54 bytes */
        1, 0, 0, 42, 0, 0, 0, 0, 0, 0, 0, 42,           /* ClientHello, 42 bytes, one fragment */
        254, 253,                                       /* DTLS 1.2 */
        1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
        17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32,
        0, 0,                                           /* no session ID, no cookie */
        0, 2, 0xc0, 0xae,                               /* one suite: CCM-8 */
        1, 0                                            /* no compression */
    };
    /* clang-format on */
    assert_true(expect_no_gain(f, hello, sizeof hello) > 0);
}

/* The same hello with a cookie that must not be taken. */
static void again(int fd, const uint8_t *hello, size_t len, const cookie *wrong, cookie *fresh)
{
    uint8_t out[DATAGRAM_MAX];
    size_t n = client_hello_cookie(hello, len, wrong->bytes, wrong->len, out);
    expect_verify(fd, out, n, fresh);
}

static void wrong_cookie(void **state)
{
    const fixture *f = *state;
    uint8_t hello[DATAGRAM_MAX];
    cookie good, wrong, fresh;
    size_t len = client_hello(hello, sizeof hello);
    int fd = udp_open(f->port);
    expect_verify(fd, hello, len, &good);

    wrong = good; /* one bit */
    wrong.bytes[wrong.len - 1] ^= 1;
    again(fd, hello, len, &wrong, &fresh);
    wrong = good; /* one byte short, one byte more */
    wrong.len--;
    again(fd, hello, len, &wrong, &fresh);
    wrong.len += 2;
    wrong.bytes[wrong.len - 1] = 0;
    again(fd, hello, len, &wrong, &fresh);
    memset(wrong.bytes, 0, sizeof wrong.bytes); /* all zero, of the right length and of 255 */
    wrong.len = good.len;
    again(fd, hello, len, &wrong, &fresh);
    wrong.len = sizeof wrong.bytes;
    again(fd, hello, len, &wrong, &fresh);
    close(fd);
}

static void cookie_of_another_address(void **state)
{
    const fixture *f = *state;
    uint8_t hello[DATAGRAM_MAX];
    cookie good, fresh;
    size_t len = client_hello(hello, sizeof hello);
    int fd = udp_open(f->port), other = udp_open(f->port);
    expect_verify(fd, hello, len, &good);
    again(other, hello, len, &good, &fresh);
    close(fd);
    close(other);
}

static void cookie_of_another_hello(void **state)
{
    const fixture *f = *state;
    uint8_t hello[DATAGRAM_MAX];
    cookie good, fresh;
    size_t len = client_hello(hello, sizeof hello);
    int fd = udp_open(f->port);
    expect_verify(fd, hello, len, &good);
    /* RFC 6347 section 4.2.1: the parameters must be those of the hello that got the cookie. A
     * server that binds only the address may go on: then there must be no more than its flight. */
    hello[27] ^= 1; /* in the random */
    uint8_t out[DATAGRAM_MAX], in[DATAGRAM_MAX];
    size_t n = client_hello_cookie(hello, len, good.bytes, good.len, out);
    send(fd, out, n, 0);
    size_t got = udp_recv(fd, in, sizeof in, 5000);
    assert_true(got > 13);
    if (in[13] == HELLO_VERIFY) {
        check_verify(in, got, &fresh);
    }
    close(fd);
}

static void first_answer_lost(void **state)
{
    const fixture *f = *state;
    uint8_t hello[DATAGRAM_MAX];
    cookie c;
    size_t len = client_hello(hello, sizeof hello);
    int fd = udp_open(f->port);
    expect_verify(fd, hello, len, &c);
    expect_verify(fd, hello, len, &c); /* byte for byte the same datagram */
    hello[AT_RECORD_SEQ + 5] = 1;      /* in a new record */
    expect_verify(fd, hello, len, &c);
    close(fd);
}

static void fragmented_hello(void **state)
{
    const fixture *f = *state;
    uint8_t hello[DATAGRAM_MAX], part[DATAGRAM_MAX];
    size_t len = client_hello(hello, sizeof hello);
    int fd = udp_open(f->port);
    size_t whole = len - 25, first = whole / 2, sent = 0;
    for (size_t at = 0; at < whole; at += first) {
        size_t n = whole - at < first ? whole - at : first;
        memcpy(part, hello, 25);
        part[AT_RECORD_LEN] = (uint8_t)((n + 12) >> 8);
        part[AT_RECORD_LEN + 1] = (uint8_t)(n + 12);
        part[AT_FRAGMENT_OFFSET + 1] = (uint8_t)(at >> 8);
        part[AT_FRAGMENT_OFFSET + 2] = (uint8_t)at;
        part[AT_FRAGMENT_LEN + 1] = (uint8_t)(n >> 8);
        part[AT_FRAGMENT_LEN + 2] = (uint8_t)n;
        memcpy(part + 25, hello + 25 + at, n);
        send(fd, part, 25 + n, 0);
        sent += 25 + n;
    }
    assert_true(all_bytes(fd, QUIET_MS) <= sent);
    close(fd);
}

static void stacked_hellos(void **state)
{
    const fixture *f = *state;
    uint8_t hello[DATAGRAM_MAX], stack[20000], in[DATAGRAM_MAX];
    size_t len = client_hello(hello, sizeof hello), n = 0;
    for (int i = 0; i < 10; i++) {
        memcpy(stack + n, hello, len);
        stack[n + AT_RECORD_SEQ + 5] = (uint8_t)i;
        n += len;
    }
    int fd = udp_open(f->port);
    send(fd, stack, n, 0);
    size_t got = udp_recv(fd, in, sizeof in, QUIET_MS); /* none, or one */
    assert_true(got <= n);
    assert_int_equal(udp_recv(fd, in, sizeof in, QUIET_MS), 0);
    close(fd);
}

static void malformed_hellos(void **state)
{
    const fixture *f = *state;
    uint8_t hello[DATAGRAM_MAX], h[DATAGRAM_MAX];
    size_t len = client_hello(hello, sizeof hello);
    static const struct {
        size_t at;
        uint8_t value;
        const char *what;
    } faults[] = {
        {AT_SUITES + 1, 0, "no cipher suites"},
        {AT_SUITES + 1, 9, "an odd length of cipher suites"},
        {AT_SUITES, 0xff, "cipher suites past the end"},
        {AT_SESSION, 33, "a session ID that is too long"},
        {AT_SESSION, 255, "a session ID past the end"},
        {AT_COOKIE, 255, "a cookie past the end"},
        {AT_MESSAGE_LEN + 2, 0, "a message shorter than it says"},
        {AT_MESSAGE_LEN, 0xff, "a message of 16 MB"},
        {AT_FRAGMENT_LEN, 0xff, "a fragment of 16 MB"},
        {AT_FRAGMENT_LEN + 2, 0xff, "a fragment longer than its record"},
        {AT_FRAGMENT_OFFSET, 0xff, "a fragment past the end"},
        {AT_RECORD_LEN, 0xff, "a record longer than its datagram"},
        {AT_RECORD_LEN + 1, 0, "a record shorter than its message"},
        {1, 3, "the version of TLS"},
        {0, 20, "a ChangeCipherSpec first (HC 24)"},
        {0, 21, "an alert first"},
        {0, 23, "application data first"},
        {0, 25, "a record with a connection ID (HC 56)"},
        {13, 0, "a HelloRequest"},
        {13, 2, "a ServerHello"},
        {13, 16, "a ClientKeyExchange first"},
        {4, 1, "epoch 1"},
    };
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        memcpy(h, hello, len);
        h[faults[i].at] = faults[i].value;
        if (faults[i].at == AT_MESSAGE_LEN + 2) {
            h[AT_MESSAGE_LEN + 1] = 0; /* length 0 altogether (HC 12) */
        }
        expect_no_gain(f, h, len);
    }
    for (size_t n = 0; n < len; n++) {
        int fd = udp_open(f->port); /* cut short at every byte */
        send(fd, hello, n, 0);
        assert_true(all_bytes(fd, 1) <= n);
        close(fd);
    }
    cookie c;
    int fd = udp_open(f->port);
    expect_verify(fd, hello, len, &c); /* and still there */
    close(fd);
}

static void burst_beside_others(void **state)
{
    const fixture *f = *state;
    uint8_t hello[DATAGRAM_MAX], with[DATAGRAM_MAX];
    cookie c;
    peer *others[10];
    size_t len = client_hello(hello, sizeof hello);
    for (int i = 0; i < 10; i++) {
        others[i] = connect_as(f, "dev");
    }
    int fd = udp_open(f->port);
    expect_verify(fd, hello, len, &c);
    size_t n = client_hello_cookie(hello, len, c.bytes, c.len, with);
    for (int i = 0; i < 1000; i++) {
        send(fd, i % 2 == 0 ? hello : with, i % 2 == 0 ? len : n, 0);
        if (i % 100 == 0) {
            expect_alive(others[i / 100]);
        }
    }
    for (int i = 0; i < 10; i++) {
        expect_alive(others[i]);
        peer_free(others[i]);
    }
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        NAMED("D5 HC 1 a first ClientHello gets one HelloVerifyRequest, not longer than itself",
              one_verify_request),
        NAMED("D5 HC 2 HelloVerifyRequest copies the record sequence number",
              copies_record_sequence),
        NAMED("D5 X12 the smallest ClientHello gets no more than its 67 bytes", smallest_hello),
        NAMED("D5 HC 4 wrong, short, long and zero cookies are no cookie", wrong_cookie),
        NAMED("D5 a cookie is bound to its address", cookie_of_another_address),
        NAMED("D5 a cookie with another ClientHello", cookie_of_another_hello),
        NAMED("D5 HC 7 a ClientHello sent again is answered again", first_answer_lost),
        NAMED("D5 HC 9 a fragmented ClientHello without a cookie gains nothing", fragmented_hello),
        NAMED("D5 HC 309 ten ClientHellos in a datagram get at most one answer", stacked_hellos),
        NAMED("D5 HC 11 HC 12 HC 24 HC 56 malformed first datagrams", malformed_hellos),
        NAMED("D5 HC 302 a burst from one address does not disturb others", burst_beside_others),
    };
    return cmocka_run_group_tests_name("cookie", tests, group_start, group_stop);
}
