/* SPDX-License-Identifier: MIT */
#include "coap/requester_rig.h"

/* ---- retransmission. C6 ---- */

static void retransmission_times(void **state)
{
    (void)state;
    /* RFC 7252 section 4.8: 2 s, times a factor of 1 to 1.5 */
    static const struct {
        uint16_t jitter;
        uint32_t first_ms;
    } rows[] = {{0, 2000}, {32768, 2500}, {65535, 3000}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        rig_make(64);
        rig.jitter = rows[i].jitter;
        rig_start();
        expect("CON 1234 GET /status");
        uint8_t first[64];
        size_t len = rig.sent_len;
        memcpy(first, rig.sent, len);
        estoc_ms due = rig.now;
        for (unsigned n = 0; n < 4; n++) {
            due += rows[i].first_ms << n;
            assert_int_equal(estoc_requester_deadline(&rig.q), due);
            rig.now = due - 1;
            expect_nothing();
            rig.now = due;
            expect_bytes(estoc_slice_of(first, len)); /* the same message */
            expect_nothing();
        }
        assert_int_equal(estoc_requester_deadline(&rig.q), due + (rows[i].first_ms << 4));
        rig.now = estoc_requester_deadline(&rig.q) - 1;
        expect_nothing();
        assert_waiting();
        rig.now++;
        assert_int_equal(output(&len), ESTOC_E_TIMEOUT);
        assert_int_equal(len, 0);
        assert_failed(ESTOC_E_TIMEOUT);
        assert_true(estoc_requester_deadline(&rig.q) == ESTOC_NEVER);
        assert_int_equal(output(&len), ESTOC_E_TIMEOUT);
        assert_int_equal(estoc_requester_traffic(&rig.q)->sent, 5);
        assert_int_equal(estoc_requester_traffic(&rig.q)->retransmitted, 4);
        assert_int_equal(estoc_requester_traffic(&rig.q)->sent_bytes, 5 * sizeof "xxxxxxxxstatus");
    }
}

/* Copies stay on the first plan: inside MAX_TRANSMIT_SPAN, and ACK_TIMEOUT apart. */
static void late_caller(void **state)
{
    (void)state;
    rig_get(); /* due at 2, 6, 14, 30 s; given up at 62 s */
    expect("CON 1234 GET /status");
    rig.now = 1000 + 7000; /* two are due: one goes */
    expect("CON 1234 GET /status");
    expect_nothing();
    assert_int_equal(estoc_requester_deadline(&rig.q), 1000 + 14000);
    rig.now = 1000 + 13000;
    expect_nothing();
    rig.now = 1000 + 29000; /* that of 30 s would come too soon after this */
    expect("CON 1234 GET /status");
    assert_int_equal(estoc_requester_deadline(&rig.q), 1000 + 62000);
    rig.now = 1000 + 61999;
    expect_nothing();
    rig.now++;
    size_t len;
    assert_int_equal(output(&len), ESTOC_E_TIMEOUT);

    rig_get();
    expect("CON 1234 GET /status");
    rig.now += 3600000; /* asleep */
    assert_int_equal(output(&len), ESTOC_E_TIMEOUT);
    assert_int_equal(len, 0);
    assert_int_equal(estoc_requester_traffic(&rig.q)->retransmitted, 0);
}

/* The last copy went late: that does not put off the end. */
static void late_for_the_last_copy(void **state)
{
    (void)state;
    size_t len;
    rig_make(64);
    rig.cfg.tx.max_retransmit = 1;
    rig_start();
    expect("CON 1234 GET /status");
    rig.now += 5000;
    expect("CON 1234 GET /status");
    rig.now += 1000;
    assert_int_equal(output(&len), ESTOC_E_TIMEOUT);
}

static void the_answer_comes_late(void **state)
{
    (void)state;
    rig_get();
    expect("CON 1234 GET /status");
    rig.now += 100000; /* the deadlines are over, but nobody has looked */
    said("ACK 2.05 +5");
    assert_done(ESTOC_COAP_CONTENT, 5);
    expect_nothing();
}

static void the_timer_starts_with_the_first_copy(void **state)
{
    (void)state;
    rig_get();
    rig.now += 50000;
    expect("CON 1234 GET /status");
    assert_int_equal(estoc_requester_deadline(&rig.q), rig.now + 2000);
}

static void other_parameters(void **state)
{
    (void)state;
    size_t len;
    rig_make(64);
    rig.cfg.tx = (estoc_transmission){500, 1000, 0, 247000};
    rig.jitter = 65535; /* of nothing */
    rig_start();
    expect("CON 1234 GET /status");
    rig.now += 499;
    expect_nothing();
    rig.now++;
    assert_int_equal(output(&len), ESTOC_E_TIMEOUT);

    rig_make(64);
    rig.cfg.tx = (estoc_transmission){UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX};
    rig.jitter = 65535;
    rig_start();
    expect("CON 1234 GET /status");
    for (int i = 0; i < 3; i++) { /* as long as the number holds, but not shorter */
        assert_true(estoc_requester_deadline(&rig.q) == rig.now + UINT32_MAX);
        rig.now = estoc_requester_deadline(&rig.q);
        expect("CON 1234 GET /status");
    }
}

static void the_defaults(void **state)
{
    (void)state;
    estoc_transmission tx = estoc_transmission_default();
    assert_int_equal(tx.ack_timeout_ms, 2000);
    assert_int_equal(tx.ack_random_permil, 1500);
    assert_int_equal(tx.max_retransmit, 4);
    assert_int_equal(tx.response_ms, 247000);
}

/* RFC 7252 section 4.2 */
static void the_first_timeout(void **state)
{
    (void)state;
    estoc_transmission tx = estoc_transmission_default();
    assert_int_equal(estoc_transmission_first_ms(&tx, 0), 2000);
    assert_int_equal(estoc_transmission_first_ms(&tx, 32768), 2500);
    assert_int_equal(estoc_transmission_first_ms(&tx, 65534), 2999);
    assert_int_equal(estoc_transmission_first_ms(&tx, 65535), 3000);
    tx.ack_random_permil = 0; /* as 1,000: never before ACK_TIMEOUT */
    assert_int_equal(estoc_transmission_first_ms(&tx, 65535), 2000);
    tx = (estoc_transmission){UINT32_MAX, UINT32_MAX, 0, 0};
    assert_true(estoc_transmission_first_ms(&tx, 65535) == UINT32_MAX);
}

/* Each message has a token of its own, and the next message ID. */
static void tokens_and_message_ids(void **state)
{
    (void)state;
    rig_make(64);
    rig_start();
    rig.q.mid = 0xffff; /* no test waits for 64,000 messages */
    assert_int_equal(estoc_requester_start(&rig.q, rig.now, &rig.call), 0);
    expect("CON 0 GET /status");
    assert_memory_equal(rig.req.token, "\xa0\xa1\xa2\xa4", 4);
    assert_int_equal(estoc_requester_start(&rig.q, rig.now, &rig.call), 0);
    expect("CON 1 GET /status");
    assert_memory_equal(rig.req.token, "\xa0\xa1\xa2\xa5", 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST("C6 times of retransmission", retransmission_times),
        TEST("C6 a late caller misses what was due", late_caller),
        TEST("C6 a caller late for the last copy", late_for_the_last_copy),
        TEST("an answer that comes late", the_answer_comes_late),
        TEST("the timer starts with the first copy", the_timer_starts_with_the_first_copy),
        TEST("other transmission parameters", other_parameters),
        TEST("C6 the RFC's parameters", the_defaults),
        TEST("C6 the first time-out", the_first_timeout),
        TEST("C6 tokens and message IDs", tokens_and_message_ids),
    };
    return cmocka_run_group_tests_name("requester times", tests, NULL, NULL);
}
