/* SPDX-License-Identifier: MIT
 *
 * Methods, options and formats, over an association of a known device.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "device.h"

static void wrong_methods(void **state)
{
    (void)state;
    static const struct {
        unsigned method;
        const char *path;
    } wrong[] = {
        {POST, EST "/crts"},
        {PUT, EST "/crts"},
        {DELETE, EST "/crts"},
        {GET, EST "/sen"},
        {PUT, EST "/sen"},
        {DELETE, EST "/sen"},
        {GET, EST "/sren"},
        {PUT, EST "/sren"},
        {5, EST "/crts"},
        {7, EST "/sen"},
        {31, EST "/crts"},
        {31, EST "/sen"},
        {POST, "/.well-known/core"},
        {31, "/.well-known/core"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        wire_out o;
        ask(dev, &o, wrong[i].method);
        wire_path(&o, wrong[i].path);
        expect_code(dev, &o, CODE(4, 5));
    }
}

static void unknown_options(void **state)
{
    (void)state;
    wire_out o;
    static const unsigned critical[] = {9, 21, 65001}; /* OSCORE, and two that nobody has */
    for (size_t i = 0; i < 3; i++) {
        ask(dev, &o, GET);
        if (critical[i] < OPT_URI_PATH) {
            wire_opt(&o, critical[i], "x", 1);
        }
        wire_path(&o, EST "/crts");
        if (critical[i] > OPT_URI_PATH) {
            wire_opt(&o, critical[i], "x", 1);
        }
        expect_code(dev, &o, CODE(4, 2));
    }
    static const unsigned elective[] = {OPT_HOP_LIMIT, 2048, 65000};
    for (size_t i = 0; i < 3; i++) {
        get_crts(&o);
        wire_opt(&o, elective[i], "x", 1);
        expect_code(dev, &o, CODE(2, 5));
    }
}

static void critical_post_issues_nothing(void **state)
{
    (void)state;
    body csr;
    wire_out o;
    unsigned before = issued(server);
    fresh_csr(&csr);
    ask(dev, &o, POST);
    wire_path(&o, EST "/sen");
    wire_uint(&o, OPT_FORMAT, 286);
    wire_opt(&o, 21, "x", 1);
    wire_payload(&o, csr.bytes, csr.len);
    expect_code(dev, &o, CODE(4, 2));
    assert_int_equal(issued(server), before);
}

static void critical_in_non(void **state)
{
    (void)state;
    wire_out o;
    wire_msg m;
    uint8_t in[DATAGRAM_MAX];
    get_crts(&o);
    wire_opt(&o, 21, "x", 1);
    o.bytes[0] = (uint8_t)(o.bytes[0] | 0x10);
    peer_send(dev, o.bytes, o.len);
    size_t n = peer_recv(dev, in, sizeof in, SILENCE_MS);
    if (n > 0) {
        assert_true(wire_parse(&m, in, n));
        assert_true(m.type == RST || m.code == CODE(4, 2));
    }
    expect_alive(dev);
}

static void repeated_options(void **state)
{
    (void)state;
    body csr;
    wire_out o;
    fresh_csr(&csr);
    ask(dev, &o, POST);
    wire_path(&o, EST "/sen");
    wire_uint(&o, OPT_FORMAT, 286);
    wire_uint(&o, OPT_FORMAT, 60); /* elective: the second does not count */
    wire_payload(&o, csr.bytes, csr.len);
    expect_code(dev, &o, CODE(2, 4));
    get_crts(&o);
    wire_uint(&o, OPT_ACCEPT, 281);
    wire_uint(&o, OPT_ACCEPT, 281); /* critical */
    expect_code(dev, &o, CODE(4, 2));
    ask(dev, &o, POST);
    wire_path(&o, EST "/sen");
    wire_uint(&o, OPT_FORMAT, 286);
    wire_block(&o, OPT_BLOCK1, 0, false, 6);
    wire_block(&o, OPT_BLOCK1, 0, false, 6);
    wire_payload(&o, csr.bytes, csr.len);
    expect_code(dev, &o, CODE(4, 2));
}

static void leading_zeros(void **state)
{
    (void)state;
    wire_out o;
    reply r;
    ask(dev, &o, GET);
    wire_path(&o, "/.well-known/core");
    wire_opt(&o, OPT_ACCEPT, "\x00\x28", 2); /* 40 */
    expect_code(dev, &o, CODE(2, 5));
    get_crts(&o);
    wire_opt(&o, OPT_BLOCK2, "\x00\x02", 2); /* block 0 of 64 bytes */
    answer_to(dev, &o, &r);
    assert_int_equal(r.m.code, CODE(2, 5));
    assert_int_equal(r.m.payload_len, 64);
    assert_int_equal(wire_block_of(&r.m, OPT_BLOCK2).szx, 2);
}

static void host_and_port(void **state)
{
    (void)state;
    wire_out o;
    ask(dev, &o, GET);
    wire_text(&o, OPT_URI_HOST, "127.0.0.1");
    wire_uint(&o, OPT_URI_PORT, server->port);
    wire_path(&o, EST "/crts");
    expect_code(dev, &o, CODE(2, 5));
    reply r;
    ask(dev, &o, GET);
    wire_text(&o, OPT_URI_HOST, "another.example"); /* HC 112: served or 4.04 */
    wire_path(&o, EST "/crts");
    answer_to(dev, &o, &r);
    assert_true(r.m.code == CODE(2, 5) || r.m.code == CODE(4, 4));
}

static void odd_paths(void **state)
{
    (void)state;
    static const char *const segments[][6] = {
        {".well-known", "est", ".", "crts"},
        {".well-known", "est", "..", "est", "crts"},
        {".well-known", "est", "", "crts"},
        {"", ".well-known", "est", "crts"},
        {".well-known", "est", "crts", ""},
        {".well-known", "est", "%63rts"},
        {".well-known", "%2e", "est", "crts"},
        {".well-known/est/crts"},
        {".well-known", "est/crts"},
        {".well-known", "est", "CRTS"},
        {".well-known", "EST", "crts"},
        {".well-known", "est"},
        {".well-known"},
        {"crts"},
        {".well-known", "est", "crt"},
        {".well-known", "est", "crtss"},
    };
    for (size_t i = 0; i < sizeof segments / sizeof segments[0]; i++) {
        wire_out o;
        reply r;
        ask(dev, &o, GET);
        for (size_t k = 0; k < 6 && segments[i][k] != NULL; k++) {
            wire_text(&o, OPT_URI_PATH, segments[i][k]);
        }
        answer_to(dev, &o, &r);
        assert_true(r.m.code == CODE(4, 4) || r.m.code == CODE(4, 0));
        check_diagnostic(&r.m);
    }
    wire_out o;
    char segment[256];
    memset(segment, 'a', 255);
    ask(dev, &o, GET); /* the root, no path at all */
    expect_code(dev, &o, CODE(4, 4));
    ask(dev, &o, GET);
    wire_text(&o, OPT_URI_PATH, ".well-known");
    wire_text(&o, OPT_URI_PATH, "est");
    wire_opt(&o, OPT_URI_PATH, segment, 255);
    expect_code(dev, &o, CODE(4, 4));
}

static void many_segments(void **state)
{
    (void)state;
    wire_out o;
    reply r;
    ask(dev, &o, GET);
    for (int i = 0; i < 40; i++) {
        wire_text(&o, OPT_URI_PATH, i < 20 ? ".well-known" : "est");
    }
    answer_to(dev, &o, &r);
    assert_true(r.m.code == CODE(4, 4) || r.m.code == CODE(4, 0) || r.m.code == CODE(4, 2));
    ask(dev, &o, GET); /* a value longer than an option of this kind may have: critical */
    char segment[300];
    memset(segment, 'a', sizeof segment);
    wire_opt(&o, OPT_URI_PATH, segment, 256);
    answer_to(dev, &o, &r);
    assert_true(r.m.code == CODE(4, 2) || r.m.code == CODE(4, 4) || r.m.code == CODE(4, 0));
    expect_alive(dev);
}

static void formats(void **state)
{
    (void)state;
    body csr;
    wire_out o;
    unsigned before = issued(server);
    fresh_csr(&csr);
    static const uint32_t wrong[] = {0, 60, 281, 287, 65535};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        ask(dev, &o, POST);
        wire_path(&o, EST "/sen");
        wire_uint(&o, OPT_FORMAT, wrong[i]);
        wire_payload(&o, csr.bytes, csr.len);
        expect_code(dev, &o, CODE(4, 15));
    }
    ask(dev, &o, POST); /* X1, HC 107: none at all */
    wire_path(&o, EST "/sen");
    wire_payload(&o, csr.bytes, csr.len);
    expect_code(dev, &o, CODE(4, 15));
    ask(dev, &o, POST);
    wire_path(&o, EST "/sen");
    wire_uint(&o, OPT_FORMAT, 286);
    wire_uint(&o, OPT_ACCEPT, 60);
    wire_payload(&o, csr.bytes, csr.len);
    expect_code(dev, &o, CODE(4, 6));
    assert_int_equal(issued(server), before);
    get_crts(&o);
    wire_uint(&o, OPT_ACCEPT, 286);
    expect_code(dev, &o, CODE(4, 6));
    ask(dev, &o, GET);
    wire_path(&o, "/.well-known/core");
    wire_uint(&o, OPT_ACCEPT, 281);
    expect_code(dev, &o, CODE(4, 6));
}

static void default_format(void **state)
{
    (void)state;
    wire_out o;
    reply r;
    get_crts(&o);
    answer_to(dev, &o, &r);
    assert_int_equal(r.m.code, CODE(2, 5));
    assert_int_equal(wire_uint_of(&r.m, OPT_FORMAT, 0), 281);
}

static void base64(void **state)
{
    (void)state;
    wire_out o;
    body csr, text = {.len = 0};
    unsigned before = issued(server);
    fresh_csr(&csr);
    text.len = (size_t)EVP_EncodeBlock(text.bytes, csr.bytes, (int)csr.len);
    post_sen(&o, &text);
    expect_code(dev, &o, CODE(4, 0));
    static const char head[] = "-----BEGIN CERTIFICATE REQUEST-----\n";
    memmove(text.bytes + sizeof head - 1, text.bytes, text.len);
    memcpy(text.bytes, head, sizeof head - 1);
    text.len += sizeof head - 1;
    post_sen(&o, &text);
    expect_code(dev, &o, CODE(4, 0));
    text.len = 0;
    post_sen(&o, &text);
    expect_code(dev, &o, CODE(4, 0));
    assert_int_equal(issued(server), before);
}

/* No-Response and Echo are elective: neither costs the certificate. HC 116, 117. */
static void no_response(void **state)
{
    (void)state;
    body csr, answer;
    wire_out o;
    uint8_t in[DATAGRAM_MAX];
    unsigned before = issued(server);
    fresh_csr(&csr);
    ask(dev, &o, POST);
    wire_path(&o, EST "/sen");
    wire_uint(&o, OPT_FORMAT, 286);
    wire_opt(&o, OPT_ECHO, "unasked", 7);
    wire_uint(&o, OPT_NO_RESPONSE, 26);
    wire_payload(&o, csr.bytes, csr.len);
    peer_send(dev, o.bytes, o.len);
    peer_recv(dev, in, sizeof in, 2000); /* the answer, or at least an ACK */
    assert_int_equal(enroll(dev, EST "/sen", &csr, -1, 5, &answer), CODE(2, 4));
    assert_int_equal(issued(server), before + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OVER_DTLS("C3 unknown critical option is 4.02, unknown elective is ignored (HC 97, 119)",
                  unknown_options),
        OVER_DTLS("C3 a POST with an unknown critical option issues nothing",
                  critical_post_issues_nothing),
        OVER_DTLS("C3 HC 96 an unknown critical option in a NON is not served", critical_in_non),
        OVER_DTLS("C3 HC 99 options that may not repeat", repeated_options),
        OVER_DTLS("C3 HC 101 leading zeros in unsigned options", leading_zeros),
        OVER_DTLS("C3 HC 112 Uri-Host and Uri-Port are accepted", host_and_port),
        OVER_DTLS("C4 X6 HC 91 HC 92 a wrong method is 4.05", wrong_methods),
        OVER_DTLS("C4 X6 HC 111 odd paths are never another resource", odd_paths),
        OVER_DTLS("C4 HC 111 many and long segments", many_segments),
        OVER_DTLS("C4 X1 HC 106 HC 107 wrong formats are 4.15 and 4.06", formats),
        OVER_DTLS("C5 E1 HC 102 crts without Accept is 2.05 in 281", default_format),
        OVER_DTLS("C4 HC 109 base64, PEM and nothing are 4.00", base64),
        OVER_DTLS("C3 HC 116 HC 117 No-Response and Echo do not cost the certificate", no_response),
    };
    return cmocka_run_group_tests_name("coap", tests, group_start, group_stop);
}
