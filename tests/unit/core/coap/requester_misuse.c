/* SPDX-License-Identifier: MIT */
#include "coap/requester_rig.h"

/* ---- misuse, and sources that fail ---- */

static void init_refuses(void **state)
{
    (void)state;
    rig_make(64);
    estoc_requester_cfg cfg = rig.cfg;
    cfg.random.fill = NULL;
    assert_int_equal(estoc_requester_init(&rig.q, &cfg), ESTOC_E_USAGE);
    assert_int_equal(estoc_requester_start(&rig.q, 0, &rig.call), ESTOC_E_USAGE);
    cfg = rig.cfg;
    cfg.szx = 7;
    assert_int_equal(estoc_requester_init(&rig.q, &cfg), ESTOC_E_USAGE);
    cfg = rig.cfg;
    cfg.tx.ack_timeout_ms = 0;
    assert_int_equal(estoc_requester_init(&rig.q, &cfg), ESTOC_E_USAGE);
    cfg = rig.cfg;
    cfg.tx.ack_random_permil = 999;
    assert_int_equal(estoc_requester_init(&rig.q, &cfg), ESTOC_E_USAGE);
    static const size_t maxima[] = {1, 63, ESTOC_MESSAGE_MAX + 1};
    for (size_t i = 0; i < COUNT(maxima); i++) {
        cfg = rig.cfg;
        cfg.message_max = maxima[i];
        assert_int_equal(estoc_requester_init(&rig.q, &cfg), ESTOC_E_USAGE);
    }
    rig.random_left = 0;
    assert_int_equal(estoc_requester_init(&rig.q, &rig.cfg), ESTOC_E_RANDOM);
    assert_int_equal(estoc_requester_start(&rig.q, 0, &rig.call), ESTOC_E_USAGE);
}

static void not_started(const estoc_call *call, estoc_err err)
{
    assert_int_equal(estoc_requester_start(&rig.q, rig.now, call), err);
    assert_int_equal(estoc_requester_state(&rig.q), 0);
    assert_true(estoc_requester_deadline(&rig.q) == ESTOC_NEVER);
    assert_int_equal(estoc_requester_reply(&rig.q)->code, 0);
    expect_nothing();
}

static void start_refuses(void **state)
{
    (void)state;
    static uint8_t nine[9];
    static uint8_t long_segment[256];
    rig_make(64);
    assert_int_equal(estoc_requester_init(&rig.q, &rig.cfg), 0);
    static const uint8_t no_methods[] = {ESTOC_COAP_EMPTY, ESTOC_COAP_CONTENT, 0xff};
    for (size_t i = 0; i < COUNT(no_methods); i++) {
        estoc_call call = rig.call;
        call.method = no_methods[i];
        not_started(&call, ESTOC_E_USAGE);
    }
    estoc_call call = rig.call;
    call.path_n = ESTOC_CALL_PATH_MAX + 1;
    not_started(&call, ESTOC_E_USAGE);
    call = rig.call;
    call.path[0] = SLICE(long_segment);
    not_started(&call, ESTOC_E_USAGE);
    call = rig.call;
    call.query = SLICE(long_segment);
    not_started(&call, ESTOC_E_USAGE);
    call = rig.call;
    call.etag = SLICE(nine);
    not_started(&call, ESTOC_E_USAGE);
    call = rig.call;
    call.body = estoc_slice_of(nine, ((size_t)1 << 24) + 1); /* it is not looked at */
    not_started(&call, ESTOC_E_USAGE);
    call = rig.call;
    call.answer.ptr = NULL;
    not_started(&call, ESTOC_E_USAGE);
    rig.random_left = 0;
    not_started(&rig.call, ESTOC_E_RANDOM);
    rig.random_left = -1;
    assert_int_equal(estoc_requester_start(&rig.q, rig.now, &rig.call), 0);
}

/* It fails while another is in flight: that one is dropped all the same. */
static void start_fails_in_flight(void **state)
{
    (void)state;
    rig_get();
    expect("CON 1234 GET /status");
    rig.random_left = 0;
    not_started(&rig.call, ESTOC_E_RANDOM);
    said("ACK 2.05 +3");
    assert_int_equal(estoc_requester_state(&rig.q), 0);
}

static void small_output(void **state)
{
    (void)state;
    uint8_t out[100];
    size_t len = 77;
    rig_make(64);
    rig.cfg.message_max = 100;
    rig_start();
    assert_int_equal(estoc_requester_output(&rig.q, rig.now, (estoc_buf){out, 99}, &len),
                     ESTOC_E_SPACE);
    assert_int_equal(len, 0);
    assert_int_equal(estoc_requester_output(&rig.q, rig.now, (estoc_buf){NULL, 0}, &len),
                     ESTOC_E_SPACE);
    assert_int_equal(estoc_requester_output(&rig.q, rig.now, (estoc_buf){out, 100}, &len), 0);
    assert_true(len > 0); /* nothing was lost by it */
    assert_int_equal(estoc_requester_traffic(&rig.q)->sent, 1);
}

static void zeroed(void **state)
{
    (void)state;
    static const uint8_t ping[] = {0x40, 0x00, 0x11, 0x22};
    static estoc_requester zero;
    uint8_t out[64];
    size_t len = 77;
    rig_make(64);
    assert_int_equal(estoc_requester_state(&zero), 0);
    assert_true(estoc_requester_deadline(&zero) == ESTOC_NEVER);
    assert_int_equal(estoc_requester_start(&zero, 1, &rig.call), ESTOC_E_USAGE);
    assert_int_equal(estoc_requester_output(&zero, 1, (estoc_buf){out, sizeof out}, &len), 0);
    assert_int_equal(len, 0);
    assert_int_equal(estoc_requester_reply(&zero)->code, 0);
    assert_int_equal(estoc_requester_error(&zero), 0);
    assert_int_equal(estoc_requester_input(&zero, 1, SLICE(ping)), 0);
    assert_int_equal(estoc_requester_output(&zero, 1, (estoc_buf){out, 3}, &len), ESTOC_E_SPACE);
    assert_int_equal(estoc_requester_traffic(&zero)->received, 1);
}

static void traffic(void **state)
{
    (void)state;
    rig_get();
    expect("CON 1234 GET /status"); /* 15 bytes */
    rig.now += 2000;
    expect("CON 1234 GET /status");
    said("ACK 0.00");    /* 4 */
    said("CON 2.05 +9"); /* 18 */
    expect("ACK 7000 EMPTY");
    const estoc_traffic *t = estoc_requester_traffic(&rig.q);
    assert_int_equal(t->sent, 3);
    assert_int_equal(t->sent_bytes, 15 + 15 + 4);
    assert_int_equal(t->retransmitted, 1);
    assert_int_equal(t->received, 2);
    assert_int_equal(t->received_bytes, 4 + 18);
    assert_int_equal(estoc_requester_start(&rig.q, rig.now, &rig.call), 0);
    expect("CON 1235 GET /status");
    assert_int_equal(t->sent, 4); /* since init */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST("init refuses", init_refuses),
        TEST("start refuses", start_refuses),
        TEST("start fails while another is in flight", start_fails_in_flight),
        TEST("a small output buffer", small_output),
        TEST("a zeroed requester", zeroed),
        TEST("traffic", traffic),
    };
    return cmocka_run_group_tests_name("requester misuse", tests, NULL, NULL);
}
