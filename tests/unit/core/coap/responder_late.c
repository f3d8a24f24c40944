/* SPDX-License-Identifier: MIT
 *
 * Late answers, and what comes meanwhile.                                RFC 7252 section 5.2.2
 */
#include "coap/responder_rig.h"

enum { CHANGED = ESTOC_COAP_CHANGED, CONTENT = ESTOC_COAP_CONTENT };

/* ---- L1: separate responses ---- */

static void in_time(void **state)
{
    (void)state;
    ask("CON 1 GET /a");
    assert_int_equal(estoc_responder_deadline(&rig.r), rig.now + 1000);
    rig.now += 999;
    expect_nothing();
    owner_says(CONTENT, 10);
    expect("ACK 1 2.05 ct=281 +10");
    assert_int_equal(estoc_responder_deadline(&rig.r), ESTOC_NEVER);
    rig.now += 5000;
    expect_nothing();
}

static void late(void **state)
{
    (void)state;
    static const uint16_t jitter[] = {0, 0xffff, 0x8000};
    static const unsigned first[] = {2000, 3000, 2500};
    rig.cfg.ack_delay_ms = 50;
    for (unsigned i = 0; i < COUNT(jitter); i++) {
        rig_start();
        rig.jitter = jitter[i];
        ask("CON 1 GET /a");
        wait_until_deadline(50);
        expect("ACK 1 0.00");
        expect_nothing();
        assert_int_equal(estoc_responder_deadline(&rig.r), ESTOC_NEVER);
        rig.now += 7000;
        owner_says(CONTENT, 10);
        assert_int_equal(estoc_responder_state(&rig.r), ESTOC_RESPONDER_WANT_SEND);
        expect("CON 20480 for 1 2.05 ct=281 +10");
        expect_nothing();
        for (unsigned n = 0; n < 4; n++) { /* RFC 7252 section 4.2 */
            wait_until_deadline(first[i] << n);
            expect("CON 20480 for 1 2.05 ct=281 +10");
            expect_nothing();
        }
        assert_int_equal(rig.r.traffic.retransmitted, 4);
        wait_until_deadline(first[i] << 4);
        expect_nothing(); /* and no more: row 86 */
        assert_int_equal(estoc_responder_deadline(&rig.r), ESTOC_NEVER);
    }
}

static void late_without_random(void **state)
{
    (void)state;
    ask("CON 1 GET /a");
    rig.now += 1000;
    expect("ACK 1 0.00");
    rig.random_fails = true;
    owner_says(CONTENT, 10);
    expect("CON 20480 for 1 2.05 ct=281 +10");
    wait_until_deadline(3000);
    expect("CON 20480 for 1 2.05 ct=281 +10");
}

/* Times past what the numbers hold stay at the largest. */
static void very_patient(void **state)
{
    (void)state;
    rig.cfg.tx = (estoc_transmission){UINT32_MAX - 10, 1500, 3, 0};
    rig.jitter = 0xffff;
    rig_start();
    ask("CON 1 GET /a");
    rig.now += 1000;
    expect("ACK 1 0.00");
    owner_says(CONTENT, 10);
    expect("CON 20480 for 1 2.05 ct=281 +10");
    wait_until_deadline(UINT32_MAX);
    expect("CON 20480 for 1 2.05 ct=281 +10");
    wait_until_deadline(UINT32_MAX);
    expect("CON 20480 for 1 2.05 ct=281 +10");
    rig.cfg.tx = (estoc_transmission){2000, 0, 1, 0}; /* a factor below 1 is none */
    estoc_responder_close(&rig.r);
    rig_start();
    ask("CON 1 GET /a");
    rig.now += 1000;
    expect("ACK 1 0.00");
    owner_says(CONTENT, 10);
    expect("CON 20480 for 1 2.05 ct=281 +10");
    wait_until_deadline(2000);
    expect("CON 20480 for 1 2.05 ct=281 +10");
}

static void stopped_by(uint8_t first_byte, bool stops)
{
    rig_make(NULL);
    ask("CON 1 GET /a");
    rig.now += 1000;
    expect("ACK 1 0.00");
    owner_says(CONTENT, 10);
    expect("CON 20480 for 1 2.05 ct=281 +10");
    input(estoc_slice_of("\x60\x00\x50\x01", 4)); /* another message's */
    input(estoc_slice_of("\x60\x00\x4f\xff", 4));
    ask_expect("CON 9 EMPTY", "RST 9 0.00");
    wait_until_deadline(2000);
    expect("CON 20480 for 1 2.05 ct=281 +10");
    const uint8_t end[] = {first_byte, 0x00, 0x50, 0x00};
    input(SLICE(end));
    expect_nothing();
    assert_int_equal(estoc_responder_deadline(&rig.r), stops ? ESTOC_NEVER : rig.now + 4000);
    rig.now += 100000;
    output();
    assert_int_equal(rig.got_len > 0, !stops);
    rig_free(NULL);
}

static void acknowledged_or_reset(void **state)
{
    (void)state;
    stopped_by(0x60, true);
    stopped_by(0x70, true);  /* row 84 */
    stopped_by(0x61, false); /* malformed: with a token that is not there */
}

/* A later one takes the place of the one before: one outstanding interaction. */
static void two_late(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        char text[60];
        snprintf(text, sizeof text, "CON %u GET /a", i + 1);
        ask(text);
        rig.now += 1000;
        output();
        assert_int_equal(rig.got_len, 4);
        owner_says(CONTENT, 10);
        snprintf(text, sizeof text, "CON %u for %u 2.05 ct=281 +10", OUR_MID + i, i + 1);
        expect(text);
        if (i == 0) {
            continue;
        }
        for (unsigned n = 0; n < 4; n++) { /* each has all its retransmissions */
            wait_until_deadline(2000u << n);
            expect(text);
            expect_nothing();
        }
    }
}

/* HC 194 */
static void pipelined(void **state)
{
    (void)state;
    ask("CON 1 GET /a");
    ask_expect("CON 2 GET /b", "ACK 2 5.03 age=2 \"another request is being answered\"");
    ask_expect("CON 3 POST /b +10", "ACK 3 5.03 age=2 \"another request is being answered\"");
    ask_expect("CON 4 POST /b 1:0/1/64 +64",
               "ACK 4 5.03 age=2 1:0/0/64 \"another request is being answered\"");
    ask_expect("NON 5 GET /b", "NON 20480 for 5 5.03 age=2 \"another request is being answered\"");
    ask_expect("CON 6 EMPTY", "RST 6 0.00");
    assert_int_equal(rig.rooms, 0);
    rig.refuse = "no such resource";
    rig.refuse_code = ESTOC_COAP_NOT_FOUND;
    ask_expect("CON 7 GET /none", "ACK 7 4.04 \"no such resource\"");
    rig.refuse = NULL;
    expect_request("GET /a");
    owner_says(CONTENT, 10);
    expect("ACK 1 2.05 ct=281 +10");
    ask_expect("CON 2 GET /b", "ACK 2 5.03 age=2 \"another request is being answered\"");
    ask("CON 8 GET /b"); /* asked anew it is served */
    owner_says(CONTENT, 20);
    expect("ACK 8 2.05 ct=281 +20");
}

/* ---- two things at once ---- */

static void beside_a_body(void **state)
{
    (void)state;
    ask_expect("CON 1 POST /a 1:0/1/64 +64", "ACK 1 2.31 1:0/1/64");
    ask("CON 2 GET /b");
    expect_request("GET /b");
    ask_expect("CON 3 POST /a 1:1/1/64 +64", "ACK 3 2.31 1:1/1/64");
    expect_request("GET /b");
    /* the last block must wait, and may come again */
    ask_expect("CON 4 POST /a 1:2/0/64 +1",
               "ACK 4 5.03 age=2 1:2/0/64 \"another request is being answered\"");
    owner_says(CONTENT, 100);
    expect("ACK 2 2.05 ct=281 +100");
    ask("CON 5 POST /a 1:2/0/64 +1");
    expect_request("POST /a +129");
    assert_int_equal(rig.bodies, 1);
    owner_says(CHANGED, 0);
    expect("ACK 5 2.04 ct=281 1:2/0/64");
    ask_expect("CON 6 POST /a 1:0/1/64 +64", "ACK 6 2.31 1:0/1/64");
    ask("CON 7 POST /b +5"); /* a body in one message */
    expect_request("POST /b +5");
    assert_int_equal(rig.bodies, 2);
    owner_says(CHANGED, 0);
    expect("ACK 7 2.04 ct=281");
    assert_int_equal(rig.bodies, 1);
}

static void snapshot_while_pending(void **state)
{
    (void)state;
    ask("CON 1 GET /a 2:0/0/64");
    owner_says(CONTENT, 200);
    expect("ACK 1 2.05 etag=# ct=281 2:0/1/64 +64");
    ask("CON 2 POST /b +5");
    ask_expect("CON 3 GET /a 2:1/0/64", "ACK 3 2.05 etag=# ct=281 2:1/1/64 +64");
    expect_request("POST /b +5");
    owner_says(CHANGED, 10);
    expect("ACK 2 2.04 ct=281 +10");
    ask_expect("CON 4 GET /a 2:3/0/64", "ACK 4 2.05 etag=# ct=281 2:3/0/64 +8");
    rig.etag_len = 0;
    ask("CON 5 POST /a 2:0/0/64 +5");
    owner_says(CHANGED, 210);
    expect("ACK 5 2.04 etag=# ct=281 2:0/1/64 +64");
    ask("CON 6 POST /b +5"); /* another request: the answer to the first stays until it is answered */
    ask_expect("CON 7 POST /a 2:1/0/64", "ACK 7 2.04 etag=# ct=281 2:1/1/64 +64");
    owner_says(CHANGED, 10);
    expect("ACK 6 2.04 ct=281 +10");
}

/* Where answers are slow to leave, they are acknowledged first. */
static void acknowledged_first(void **state)
{
    (void)state;
    estoc_responder_acknowledge(&rig.r); /* nothing is asked: nothing happens */
    expect_nothing();
    ask("CON 1 POST /a +5");
    estoc_responder_acknowledge(&rig.r);
    assert_int_equal(estoc_responder_deadline(&rig.r), 0);
    expect("ACK 1 0.00");
    estoc_responder_acknowledge(&rig.r); /* once is enough */
    expect_nothing();
    owner_says(CHANGED, 100);
    expect("CON 20480 for 1 2.04 ct=281 +100");
    ask("NON 2 GET /a");
    estoc_responder_acknowledge(&rig.r);
    expect_nothing();
    owner_says(CONTENT, 10);
    expect("NON 20481 for 2 2.05 ct=281 +10");
}

/* What has only now left is not repeated before its time, and the wait stays as long as it was. */
static void left_late(void **state)
{
    (void)state;
    rig.jitter = 0;
    estoc_responder_restart(&rig.r, rig.now);
    assert_int_equal(estoc_responder_deadline(&rig.r), ESTOC_NEVER);
    ask("CON 1 GET /a");
    estoc_responder_acknowledge(&rig.r);
    expect("ACK 1 0.00");
    owner_says(CONTENT, 10);
    expect("CON 20480 for 1 2.05 ct=281 +10");
    rig.now += 1900;
    estoc_responder_restart(&rig.r, rig.now);
    wait_until_deadline(2000);
    expect("CON 20480 for 1 2.05 ct=281 +10");
    rig.now += 3000;
    estoc_responder_restart(&rig.r, rig.now);
    wait_until_deadline(4000);
    expect("CON 20480 for 1 2.05 ct=281 +10");
    assert_int_equal(rig.r.traffic.retransmitted, 2);
}

/* A clock at its end does not wrap. */
static void end_of_time(void **state)
{
    (void)state;
    rig.now = ESTOC_NEVER - 10;
    ask("CON 1 GET /a");
    assert_int_equal(estoc_responder_deadline(&rig.r), ESTOC_NEVER);
    expect_nothing();
    owner_says(CONTENT, 10);
    expect("ACK 1 2.05 ct=281 +10");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_RIG("L1 an answer in time rides on the ACK", in_time),
        IN_RIG("L1 86 a late answer is a CON, sent until acknowledged", late),
        IN_RIG("L1 a late answer without a random source", late_without_random),
        cmocka_unit_test(acknowledged_or_reset),
        IN_RIG("L1 time-outs that overflow", very_patient),
        IN_RIG("L1 a second late answer", two_late),
        IN_RIG("194 a second request meanwhile", pipelined),
        IN_RIG("B1 other requests beside a body in assembly", beside_a_body),
        IN_RIG("B1 blocks of an answer while another is pending", snapshot_while_pending),
        IN_RIG("L1 acknowledged first, where the way out is busy", acknowledged_first),
        IN_RIG("L1 a late answer that left late", left_late),
        IN_RIG("the end of time", end_of_time),
    };
    return cmocka_run_group_tests_name("responder_late", tests, NULL, NULL);
}
