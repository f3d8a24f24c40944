/* SPDX-License-Identifier: MIT
 *
 * CoAP's message layer, over an association of a known device.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "device.h"

static void tokens(void **state)
{
    (void)state;
    static const size_t lens[] = {0, 1, 4, 8};
    for (size_t i = 0; i < 4; i++) {
        wire_out o;
        reply r;
        wire_begin(&o, CON, GET, 0x7d00 + (unsigned)i, "\0\xffzero..", lens[i]);
        wire_path(&o, "/.well-known/core");
        answer_to(dev, &o, &r);
        assert_int_equal(r.m.code, CODE(2, 5));
        assert_int_equal(r.m.type, ACK);
    }
}

static void long_token(void **state)
{
    (void)state;
    for (unsigned tkl = 9; tkl <= 15; tkl++) {
        uint8_t b[24] = {(uint8_t)(0x40 | tkl), GET, 0x33, (uint8_t)tkl};
        expect_reset(dev, b, sizeof b);
    }
    expect_alive(dev);
}

static void ping(void **state)
{
    (void)state;
    expect_reset(dev, "\x40\x00\x12\x34", 4);
    expect_alive(dev);
}

static void fat_ping(void **state)
{
    (void)state;
    expect_reset(dev, "\x41\x00\x12\x35\xaa", 5);     /* a token */
    expect_reset(dev, "\x40\x00\x12\x36\xff", 5);     /* a byte behind it */
    expect_reset(dev, "\x40\x00\x12\x37\xb1\x61", 6); /* an option */
    expect_alive(dev);
}

static void wrong_version(void **state)
{
    (void)state;
    wire_out o;
    static const uint8_t versions[] = {0x00, 0x80, 0xc0};
    for (size_t i = 0; i < 3; i++) {
        get_crts(&o);
        o.bytes[0] = (uint8_t)((o.bytes[0] & 0x3f) | versions[i]);
        expect_silence(dev, o.bytes, o.len);
    }
    expect_alive(dev);
}

static void too_short(void **state)
{
    (void)state;
    expect_silence(dev, "\x40", 1);
    expect_silence(dev, "\x40\x01", 2);
    expect_silence(dev, "\x40\x01\x00", 3);
    expect_alive(dev);
}

/* A header (CON GET, no token) and these bytes behind it. */
static size_t with_tail(uint8_t *b, unsigned type, const char *tail, size_t len)
{
    static unsigned mid = 0x4400;
    mid++;
    b[0] = (uint8_t)(0x40 | type << 4);
    b[1] = GET;
    b[2] = (uint8_t)(mid >> 8);
    b[3] = (uint8_t)mid;
    memcpy(b + 4, tail, len);
    return 4 + len;
}

static void format_errors(void **state)
{
    (void)state;
    static const struct {
        const char *tail;
        size_t len;
    } bad[] = {
        {"\xf0", 1},                 /* delta 15 that is no payload marker */
        {"\xbf", 1},                 /* length 15 */
        {"\xf1\x61", 2},             /* both */
        {"\xb4\x63", 2},             /* a value longer than the message */
        {"\xd0", 1},                 /* an extended delta that is missing */
        {"\xe0\x01", 2},             /* half an extended delta */
        {"\xbd", 1},                 /* an extended length that is missing */
        {"\xbe\x00", 2},             /* half an extended length */
        {"\xbe\xff\xff\x61", 4},     /* 65,804 bytes */
        {"\xb1\x61\xff", 3},         /* a marker and no payload */
        {"\xe0\xff\xf2\xb1\x61", 5}, /* number 65,535 + 269 - 14 and on, past 65,535: HC 71 */
        {"\xe0\xfe\xf2\xe0\xfe\xfe\xb1\x61", 8}, /* wraps to a small number */
    };
    uint8_t b[32];
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        expect_reset(dev, b, with_tail(b, CON, bad[i].tail, bad[i].len));
        expect_silence(dev, b, with_tail(b, NON, bad[i].tail, bad[i].len));
    }
    expect_reset(dev, "\x44\x01\x12\x44\x01", 5); /* HC 67: a token cut short */
    expect_reset(dev, "\x48\x01\x12\x45", 4);
    expect_alive(dev);
}

static void reserved_classes(void **state)
{
    (void)state;
    static const uint8_t codes[] = {CODE(1, 1), CODE(1, 31), CODE(6, 0), CODE(7, 1), CODE(7, 31)};
    for (size_t i = 0; i < sizeof codes; i++) {
        uint8_t b[4] = {0x40, codes[i], 0x21, (uint8_t)i};
        expect_reset(dev, b, sizeof b);
        b[0] = 0x50;
        b[2] = 0x22;
        expect_silence(dev, b, sizeof b);
    }
    expect_alive(dev);
}

static void unsolicited(void **state)
{
    (void)state;
    expect_silence(dev, "\x60\x00\x44\x01", 4);             /* empty ACK */
    expect_silence(dev, "\x70\x00\x44\x02", 4);             /* RST */
    expect_silence(dev, "\x61\x45\x44\x03\x01\xff\x61", 7); /* 2.05 on an ACK */
    expect_silence(dev, "\x60\x01\x44\x04", 4);             /* a request on an ACK */
    expect_silence(dev, "\x70\x01\x44\x05", 4);             /* a request on a RST */
    uint8_t in[DATAGRAM_MAX];
    peer_send(dev, "\x41\x45\x44\x06\x01\xff\x61", 7); /* 2.05 in a CON: RST or nothing */
    size_t n = peer_recv(dev, in, sizeof in, SILENCE_MS);
    assert_true(n == 0 || (n == 4 && in[0] == 0x70));
    peer_send(dev, "\x51\x45\x44\x07\x01\xff\x61", 7); /* in a NON */
    n = peer_recv(dev, in, sizeof in, SILENCE_MS);
    assert_true(n == 0 || (n == 4 && in[0] == 0x70));
    expect_alive(dev);
}

static void duplicate_post(void **state)
{
    (void)state;
    body csr;
    wire_out o;
    reply first, again;
    unsigned before = issued(server);
    fresh_csr(&csr);
    post_sen(&o, &csr);
    answer_to(dev, &o, &first);
    assert_int_equal(first.m.code, CODE(2, 4));
    for (int i = 0; i < 4; i++) {
        answer_to(dev, &o, &again);
        assert_int_equal(again.len, first.len);
        assert_memory_equal(again.bytes, first.bytes, first.len);
    }
    assert_int_equal(issued(server), before + 1);
}

static void duplicate_in_flight(void **state)
{
    (void)state;
    body csr;
    wire_out o;
    reply first, r;
    unsigned before = issued(server);
    fresh_csr(&csr);
    post_sen(&o, &csr);
    for (int i = 0; i < 4; i++) {
        peer_send(dev, o.bytes, o.len);
    }
    answer_to(dev, &o, &first);
    assert_int_equal(first.m.code, CODE(2, 4));
    while ((r.len = peer_recv(dev, r.bytes, sizeof r.bytes, SILENCE_MS)) > 0) {
        bool empty_ack = r.len == 4 && r.bytes[0] == 0x60 && r.bytes[1] == 0;
        assert_true(empty_ack || (r.len == first.len && memcmp(r.bytes, first.bytes, r.len) == 0));
    }
    assert_int_equal(issued(server), before + 1);
}

static void same_mid_two_peers(void **state)
{
    (void)state;
    peer *other = connect_as(server, "dev");
    wire_out a, b;
    reply ra, rb;
    wire_begin(&a, CON, GET, 0x6666, "same", 4);
    wire_path(&a, EST "/crts");
    wire_begin(&b, CON, GET, 0x6666, "same", 4);
    wire_path(&b, EST "/none");
    answer_to(dev, &a, &ra);
    answer_to(other, &b, &rb);
    assert_int_equal(ra.m.code, CODE(2, 5));
    assert_int_equal(rb.m.code, CODE(4, 4));
    peer_free(other);
}

/* X1: a NON POST is served, and deduplicated like a CON. */
static void non_post(void **state)
{
    (void)state;
    body csr;
    wire_out o;
    wire_msg m;
    uint8_t in[DATAGRAM_MAX];
    unsigned before = issued(server);
    fresh_csr(&csr);
    post_sen(&o, &csr);
    o.bytes[0] = (uint8_t)(o.bytes[0] | 0x10);
    peer_send(dev, o.bytes, o.len);
    size_t n = peer_recv(dev, in, sizeof in, ANSWER_MS);
    assert_true(wire_parse(&m, in, n));
    assert_int_equal(m.code, CODE(2, 4));
    assert_true(m.type == NON || m.type == CON);
    for (int i = 0; i < 3; i++) {
        peer_send(dev, o.bytes, o.len);
        peer_recv(dev, in, sizeof in, SILENCE_MS);
    }
    assert_int_equal(issued(server), before + 1);
}

static void pipelined(void **state)
{
    (void)state;
    wire_out a, b;
    unsigned seen = 0;
    get_crts(&a);
    ask(dev, &b, GET);
    wire_path(&b, EST "/none");
    peer_send(dev, a.bytes, a.len);
    peer_send(dev, b.bytes, b.len);
    for (int i = 0; i < 2; i++) {
        wire_msg m;
        uint8_t in[DATAGRAM_MAX];
        size_t n = peer_recv(dev, in, sizeof in, ANSWER_MS);
        assert_true(wire_parse(&m, in, n));
        bool is_a = memcmp(in + 2, a.bytes + 2, 2) == 0;
        assert_memory_equal(m.token, (is_a ? &a : &b)->bytes + 4, 4);
        assert_int_equal(m.code, is_a ? CODE(2, 5) : CODE(4, 4));
        seen |= is_a ? 1u : 2u;
    }
    assert_int_equal(seen, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OVER_DTLS("C1 HC 59 tokens of 0, 1, 4 and 8 bytes come back", tokens),
        OVER_DTLS("C2 a token length above 8 is a format error", long_token),
        OVER_DTLS("C2 HC 61 ping is answered with RST", ping),
        OVER_DTLS("C2 HC 62 an empty message with more in it is a format error", fat_ping),
        OVER_DTLS("C2 HC 64 another version is ignored", wrong_version),
        OVER_DTLS("C2 HC 66 messages of less than 4 bytes are ignored", too_short),
        OVER_DTLS("C2 HC 67 HC 69 HC 71 format errors: RST for CON, silence for NON",
                  format_errors),
        OVER_DTLS("C2 HC 72 reserved code classes: RST for CON, silence for NON", reserved_classes),
        OVER_DTLS("C2 HC 74 answers nobody asked for are ignored", unsolicited),
        OVER_DTLS("C1 HC 76 a repeated CON gets the identical bytes and one certificate",
                  duplicate_post),
        OVER_DTLS("C1 HC 77 a duplicate while signing makes no second certificate",
                  duplicate_in_flight),
        OVER_DTLS("C1 HC 79 the same message ID on two associations", same_mid_two_peers),
        OVER_DTLS("X1 HC 81 a NON POST is served once", non_post),
        OVER_DTLS("B1 HC 194 two requests at once do not mix", pipelined),
    };
    return cmocka_run_group_tests_name("message", tests, group_start, group_stop);
}
