/* SPDX-License-Identifier: MIT */
#include "coap/requester_rig.h"

/* RFC 9148 Appendix A.1 without Uri-Host and Uri-Port, which it lets one omit; our token is longer. */
static void rfc9148_a1(void **state)
{
    (void)state;
    /* clang-format off */
    static const uint8_t request[] = {
        0x44,                   /* version 1, CON, token of 4 */
        0x01,                   /* 0.01 GET */
        0x04, 0xd2,             /* message ID 1234 */
        0xa0, 0xa1, 0xa2, 0xa3, /* token */
        0xb3, 'e', 's', 't',    /* option 11 Uri-Path */
        0x04, 'c', 'r', 't', 's', /* option 11 Uri-Path */
        0x62, 0x01, 0x19,       /* option 17 Accept, 2 bytes: 281 */
    };
    static const uint8_t head[] = {
        0x64,                   /* version 1, ACK, token of 4 */
        0x45,                   /* 2.05 Content */
        0x04, 0xd2, 0xa0, 0xa1, 0xa2, 0xa3,
        0xc2, 0x01, 0x19,       /* option 12 Content-Format, 2 bytes: 281 */
        0xff, 0x30, 0x82, 0x02, 0x7a,
    };
    /* clang-format on */
    rig_make(700);
    rig.call.path[0] = estoc_slice_str("est");
    rig.call.path[1] = estoc_slice_str("crts");
    rig.call.path_n = 2;
    rig.call.accept = ESTOC_FORMAT_CERTS;
    rig_start();
    expect_bytes(SLICE(request));
    assert_int_equal(input(SLICE(head)), 0);
    const estoc_reply *reply = estoc_requester_reply(&rig.q);
    assert_int_equal(estoc_requester_state(&rig.q), ESTOC_REQUESTER_DONE);
    assert_int_equal(reply->code, ESTOC_COAP_CONTENT);
    assert_int_equal(reply->content_format, 281);
    assert_true(estoc_slice_eq(reply->body, estoc_slice_of("\x30\x82\x02\x7a", 4)));
}

/* RFC 9148 Appendix A.2, the first bytes of the CSR. */
static void rfc9148_a2(void **state)
{
    (void)state;
    static const uint8_t csr[] = {0x30, 0x82, 0x01, 0x8b};
    /* clang-format off */
    static const uint8_t request[] = {
        0x44, 0x02, 0x04, 0xd2, 0xa0, 0xa1, 0xa2, 0xa3, /* CON 0.02 POST, token of 4 */
        0xb3, 'e', 's', 't',    /* option 11 Uri-Path */
        0x03, 's', 'e', 'n',    /* option 11 Uri-Path */
        0x12, 0x01, 0x1e,       /* option 12 Content-Format: 286 */
        0x52, 0x01, 0x19,       /* option 17 Accept: 281 */
        0xff, 0x30, 0x82, 0x01, 0x8b,
    };
    /* clang-format on */
    rig_make(700);
    rig.call.method = ESTOC_COAP_POST;
    rig.call.path[0] = estoc_slice_str("est");
    rig.call.path[1] = estoc_slice_str("sen");
    rig.call.path_n = 2;
    rig.call.content_format = ESTOC_FORMAT_PKCS10;
    rig.call.accept = ESTOC_FORMAT_CERTS;
    rig.call.body = SLICE(csr);
    rig_start();
    expect_bytes(SLICE(request));
    said("ACK 2.04 ct=281 +100");
    assert_done(ESTOC_COAP_CHANGED, 100);
}

static void every_option(void **state)
{
    (void)state;
    rig_make(64);
    rig.call.path[1] = estoc_slice_str("");
    rig.call.path[2] = estoc_slice_str("x");
    rig.call.path_n = 3;
    rig.call.etag = estoc_slice_str("12345678");
    rig.call.query = estoc_slice_str("rt=ace.est*");
    rig.call.content_format = ESTOC_FORMAT_TEXT;
    rig.call.accept = ESTOC_FORMAT_LINK;
    rig_start();
    expect("CON 1234 GET etag=12345678 /status / /x ct=0 ?rt=ace.est* accept=40");
    said("ACK 2.03 etag=12345678");
    const estoc_reply *reply = assert_done(ESTOC_COAP_VALID, 0);
    assert_int_equal(reply->etag_len, 8);
    assert_memory_equal(reply->etag, "12345678", 8);
}

/* ---- answers ---- */

static void separate(void **state)
{
    (void)state;
    static const uint8_t ack[] = {0x60, 0x00, PEER_MID_BYTES};
    rig_get();
    expect("CON 1234 GET /status");
    said("ACK 0.00");
    assert_waiting();
    assert_int_equal(estoc_requester_deadline(&rig.q), rig.now + 247000);
    rig.now += 246999;
    expect_nothing(); /* no more copies */
    said("CON 2.05 ct=0 +9");
    assert_done(ESTOC_COAP_CONTENT, 9);
    assert_int_equal(estoc_requester_deadline(&rig.q), 0);
    expect_bytes(SLICE(ack));
    expect_nothing();
    assert_true(estoc_requester_deadline(&rig.q) == ESTOC_NEVER);
    for (int i = 0; i < 3; i++) { /* the acknowledgement was lost: HC 82 */
        said_again();
        expect_bytes(SLICE(ack));
        expect_nothing();
    }
    assert_done(ESTOC_COAP_CONTENT, 9);
    /* and also during the next exchange */
    assert_int_equal(estoc_requester_start(&rig.q, rig.now, &rig.call), 0);
    said_again();
    expect_bytes(SLICE(ack));
    expect("CON 1235 GET /status");
    said_again();
    expect_bytes(SLICE(ack));
    assert_waiting();
}

static void separate_before_its_acknowledgement(void **state)
{
    (void)state;
    rig_get();
    expect("CON 1234 GET /status");
    said("CON 2.05 +9");
    assert_done(ESTOC_COAP_CONTENT, 9);
    expect("ACK 7000 EMPTY");
    said("ACK 0.00");
    assert_done(ESTOC_COAP_CONTENT, 9);
    expect_nothing();
}

static void separate_non(void **state)
{
    (void)state;
    for (int acked = 0; acked < 2; acked++) {
        rig_get();
        expect("CON 1234 GET /status");
        if (acked) {
            said("ACK 0.00");
        }
        said("NON 2.05 +9");
        assert_done(ESTOC_COAP_CONTENT, 9);
        expect_nothing();
    }
}

static void piggybacked_after_an_empty_acknowledgement(void **state)
{
    (void)state;
    rig_get();
    expect("CON 1234 GET /status");
    said("ACK 0.00");
    said("ACK 2.05 +9"); /* no server may do so; nothing is won by refusing it */
    assert_done(ESTOC_COAP_CONTENT, 9);
}

static void nothing_after_an_empty_acknowledgement(void **state)
{
    (void)state;
    size_t len;
    rig_make(64);
    rig.cfg.tx.response_ms = 5000;
    rig_start();
    expect("CON 1234 GET /status");
    said("ACK 0.00");
    rig.now += 4000;
    said("ACK 0.00"); /* it does not prolong the wait */
    rig.now += 999;
    expect_nothing();
    assert_waiting();
    rig.now++;
    assert_int_equal(output(&len), ESTOC_E_TIMEOUT);
    assert_failed(ESTOC_E_TIMEOUT);
}

static void reset_by_the_peer(void **state)
{
    (void)state;
    rig_get();
    expect("CON 1234 GET /status");
    static const uint8_t other[] = {0x70, 0x00, 0x04, 0xd3};
    assert_int_equal(input(SLICE(other)), 0);
    assert_waiting();
    assert_int_equal(says("RST 0.00"), ESTOC_E_RESET);
    assert_failed(ESTOC_E_RESET);
    expect_nothing();
    assert_int_equal(says("ACK 2.05 +3"), 0);
    assert_failed(ESTOC_E_RESET);

    rig_get();
    expect("CON 1234 GET /status");
    said("ACK 0.00");
    assert_int_equal(says("RST 0.00"), ESTOC_E_RESET);
}

/* ---- what does not belong ---- */

static void strangers(void **state)
{
    (void)state;
    /* clang-format off */
    static const struct {
        const char *name;
        uint8_t bytes[12];
        size_t len;
        bool reset;
    } rows[] = {
        {"empty datagram",                 {0}, 0, false},
        {"three bytes",                    {0x40, 0x45, 0x11}, 3, false},
        {"61 ping",                        {0x40, 0x00, 0x11, 0x22}, 4, true},
        {"62 ping with a token",           {0x41, 0x00, 0x11, 0x22, 0x01}, 5, true},
        {"62 ping with a tail",            {0x40, 0x00, 0x11, 0x22, 0xff, 0x01}, 6, true},
        {"empty NON",                      {0x50, 0x00, 0x11, 0x22}, 4, false},
        {"64 version 2",                   {0x80, 0x00, 0x11, 0x22}, 4, false},
        {"67 malformed CON",               {0x48, 0x45, 0x11, 0x22}, 4, true},
        {"67 malformed NON",               {0x58, 0x45, 0x11, 0x22}, 4, false},
        {"67 malformed ACK",               {0x68, 0x45, 0x04, 0xd2}, 4, false},
        {"69 CON, our token, bad option",  {0x44, 0x45, 0x11, 0x22, TOKEN, 0xf0}, 9, true},
        {"69 ACK, our token, bad option",  {0x64, 0x45, 0x04, 0xd2, TOKEN, 0xf0}, 9, false},
        {"72 class 1 in CON",              {0x40, 0x20, 0x11, 0x22}, 4, true},
        {"72 class 7 in NON",              {0x50, 0xe0, 0x11, 0x22}, 4, false},
        {"74 2.05 in CON, no token",       {0x40, 0x45, 0x11, 0x22}, 4, true},
        {"74 2.05 in CON, another token",  {0x44, 0x45, 0x11, 0x22, 0xa0, 0xa1, 0xa2, 0xa4}, 8, true},
        {"74 2.05 in CON, longer token",   {0x45, 0x45, 0x11, 0x22, TOKEN, 0x00}, 9, true},
        {"74 2.05 in CON, shorter token",  {0x43, 0x45, 0x11, 0x22, 0xa0, 0xa1, 0xa2}, 7, true},
        {"74 2.05 in NON, another token",  {0x54, 0x45, 0x11, 0x22, 0xa0, 0xa1, 0xa2, 0xa4}, 8, false},
        {"74 2.05 in ACK, another token",  {0x64, 0x45, 0x04, 0xd2, 0xa0, 0xa1, 0xa2, 0xa4}, 8, false},
        {"74 2.05 in ACK, another ID",     {0x64, 0x45, 0x04, 0xd3, TOKEN}, 8, false},
        {"empty ACK, another ID",          {0x60, 0x00, 0x04, 0xd3}, 4, false},
        {"RST, another ID",                {0x70, 0x00, 0x04, 0xd3}, 4, false},
        {"RST that is not empty",          {0x74, 0x45, 0x04, 0xd2, TOKEN}, 8, false},
        {"request in CON, our token",      {0x44, 0x01, 0x11, 0x22, TOKEN}, 8, true},
        {"request in NON, our token",      {0x54, 0x01, 0x11, 0x22, TOKEN}, 8, false},
        {"request in ACK",                 {0x64, 0x01, 0x04, 0xd2, TOKEN}, 8, false},
    };
    /* clang-format on */
    static const uint8_t rst[] = {0x70, 0x00, 0x11, 0x22};
    rig_get();
    expect("CON 1234 GET /status");
    estoc_ms due = estoc_requester_deadline(&rig.q);
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_int_equal(input(estoc_slice_of(rows[i].bytes, rows[i].len)), 0);
        bool wants = (estoc_requester_state(&rig.q) & ESTOC_REQUESTER_WANT_SEND) != 0;
        if (wants != rows[i].reset) {
            fail_msg("%s", rows[i].name);
        }
        if (rows[i].reset) {
            expect_bytes(SLICE(rst));
        }
        expect_nothing();
        assert_waiting();
        assert_int_equal(estoc_requester_deadline(&rig.q), due); /* nor does the timer move */
    }
    assert_int_equal(estoc_requester_traffic(&rig.q)->received, COUNT(rows));
    said("ACK 2.05 +9");
    assert_done(ESTOC_COAP_CONTENT, 9);
}

/* Answers to what has not been sent, to what is over, and to what was given up. */
static void answers_out_of_time(void **state)
{
    (void)state;
    rig_get();
    memcpy(rig.req.token, "\xa0\xa1\xa2\xa3", 4);
    rig.req.token_len = 4;
    rig.req.mid = FIRST_MID;
    said("ACK 2.05 +9");
    said("RST 0.00");
    assert_waiting();
    said("CON 2.05 +9");
    expect("RST 7000 EMPTY");
    expect("CON 1234 GET /status");
    assert_int_equal(estoc_requester_start(&rig.q, rig.now, &rig.call), 0);
    said("ACK 2.05 +9"); /* to the one dropped */
    said("CON 2.05 +9");
    expect("RST 7001 EMPTY");
    expect("CON 1235 GET /status");
    said("ACK 2.05 +9");
    assert_done(ESTOC_COAP_CONTENT, 9);
    said("ACK 4.04 +3");
    said("RST 0.00");
    assert_done(ESTOC_COAP_CONTENT, 9);
    said("CON 4.04 +3");
    expect("RST 7002 EMPTY");
    assert_done(ESTOC_COAP_CONTENT, 9);
}

/* Nothing has been acknowledged yet, not even number 0. */
static void message_id_zero(void **state)
{
    (void)state;
    rig_get();
    expect("CON 1234 GET /status");
    static const uint8_t stranger[] = {0x41, 0x45, 0x00, 0x00, 0x01};
    assert_int_equal(input(SLICE(stranger)), 0);
    expect("RST 0 EMPTY");
}

/* One ID, first of a response, then of other messages: only the response is a duplicate. */
static void reused_message_id(void **state)
{
    (void)state;
    static const uint8_t ping[] = {0x40, 0x00, PEER_MID_BYTES};
    static const uint8_t request[] = {0x40, 0x01, PEER_MID_BYTES};
    rig_get();
    expect("CON 1234 GET /status");
    said("CON 2.05 +9");
    expect("ACK 7000 EMPTY");
    assert_int_equal(input(SLICE(ping)), 0);
    expect("RST 7000 EMPTY");
    assert_int_equal(input(SLICE(request)), 0);
    expect("RST 7000 EMPTY");
    expect_nothing();
}

/* A ping between does not cost the acknowledgement. */
static void acknowledgement_and_reset_at_once(void **state)
{
    (void)state;
    static const uint8_t ping[] = {0x40, 0x00, 0x11, 0x22};
    rig_get();
    expect("CON 1234 GET /status");
    said("CON 2.05 +9");
    assert_int_equal(input(SLICE(ping)), 0);
    expect("ACK 7000 EMPTY");
    expect("RST 4386 EMPTY");
    expect_nothing();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST("RFC 9148 A.1 /crts", rfc9148_a1),
        TEST("RFC 9148 A.2 /sen", rfc9148_a2),
        TEST("every option of a request", every_option),
        TEST("82 L1 a separate answer is acknowledged, and each copy", separate),
        TEST("a separate answer before its acknowledgement", separate_before_its_acknowledgement),
        TEST("a separate answer in NON", separate_non),
        TEST("an answer in a second acknowledgement", piggybacked_after_an_empty_acknowledgement),
        TEST("nothing after an empty acknowledgement", nothing_after_an_empty_acknowledgement),
        TEST("reset by the peer", reset_by_the_peer),
        TEST("C2 what does not belong is reset or ignored", strangers),
        TEST("74 answers out of time", answers_out_of_time),
        TEST("74 a stranger with message ID 0", message_id_zero),
        TEST("a message ID used again", reused_message_id),
        TEST("an acknowledgement and a reset at once", acknowledgement_and_reset_at_once),
    };
    return cmocka_run_group_tests_name("requester", tests, NULL, NULL);
}
