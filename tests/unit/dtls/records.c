/* SPDX-License-Identifier: MIT
 *
 * What anybody can send who knows an address and a port, and what a peer may send too early.
 */
#include "pair.h"

enum { RECORD_APPLICATION = 23 };

/* The client has said its last flight, which is lost on its way. */
static pair *half_open(void)
{
    pair *p = pair_new();
    p->passes = pass_but_one;
    p->lose[UP] = 3;
    pair_connect(p);
    pair_run(p, p->now);
    assert_int_equal(estoc_dtls_state_of(p->s), ESTOC_DTLS_HANDSHAKE);
    assert_int_equal(estoc_dtls_state_of(p->c), ESTOC_DTLS_HANDSHAKE);
    return p;
}

/* HC 34, 36, 37, 56: nothing of it shows. */
static void forged_records(void **state)
{
    (void)state;
    /* clang-format off */
    static const uint8_t forged[][20] = {
        {15, 21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 99, 0, 2, 2, 40},        /* fatal alert */
        {15, 21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 98, 0, 2, 1, 0},         /* close_notify */
        {15, 21, 254, 253, 0, 1, 0, 0, 0, 0, 9, 99, 0, 2, 2, 40},        /* in epoch 1 */
        {14, 20, 254, 253, 0, 0, 0, 0, 0, 0, 0, 97, 0, 1, 1},            /* ChangeCipherSpec */
        {16, 23, 254, 253, 0, 0, 0, 0, 0, 0, 0, 96, 0, 3, 'a', 'b', 'c'},
        {19, 25, 254, 253, 0, 1, 0, 0, 0, 0, 0, 96, 1, 2, 3, 4, 0, 2, 9, 9}, /* connection ID */
        {3, 1, 2, 3},
    };
    /* clang-format on */
    pair *p = pair_new();
    pair_open(p);
    size_t up = p->sent[UP], down = p->sent[DOWN];
    for (size_t i = 0; i < sizeof forged / sizeof forged[0]; i++) {
        estoc_slice dg = estoc_slice_of(forged[i] + 1, forged[i][0]);
        assert_int_equal(estoc_dtls_input(p->s, p->now, dg), ESTOC_DTLS_OPEN);
        assert_int_equal(estoc_dtls_input(p->c, p->now, dg), ESTOC_DTLS_OPEN);
        expect_silence(p->s);
        expect_silence(p->c);
    }
    uint8_t long_one[ESTOC_DATAGRAM_MAX + 1] = {23, 254, 253};
    estoc_dtls_input(p->s, p->now, estoc_slice_of(long_one, sizeof long_one));
    estoc_dtls_input(p->s, p->now, estoc_slice_of(NULL, 0));
    assert_int_equal(p->sent[UP], up);
    assert_int_equal(p->sent[DOWN], down);
    expect_alive(p);
    pair_free(p);
}

static void replayed_records(void **state)
{
    (void)state;
    pair *p = pair_new();
    pair_open(p);
    expect_message(p, p->c, p->s, "once");
    for (size_t i = 0; i < p->logged; i++) {
        if (p->log[i].way == UP) {
            estoc_slice dg = estoc_slice_of(p->log[i].bytes, p->log[i].len);
            assert_int_equal(estoc_dtls_input(p->s, p->now, dg), ESTOC_DTLS_OPEN);
            expect_silence(p->s);
        }
    }
    expect_alive(p);
    pair_free(p);
}

static void altered_records(void **state)
{
    (void)state;
    pair *p = pair_new();
    pair_open(p);
    assert_int_equal(estoc_dtls_write(p->c, estoc_slice_str("request")), 0);
    datagram d = p->queue[0];
    p->queued = 0;
    for (size_t i = 0; i < d.len; i++) {
        d.bytes[i] ^= 1;
        assert_int_equal(estoc_dtls_input(p->s, p->now, estoc_slice_of(d.bytes, d.len)),
                         ESTOC_DTLS_OPEN);
        d.bytes[i] ^= 1;
        if (i != 2) { /* the minor version of a record is not part of what is protected */
            expect_silence(p->s);
        }
    }
    expect_alive(p);
    pair_free(p);
}

static bool hold_last_flight(pair *p, int way, size_t n, estoc_slice dg)
{
    (void)p;
    (void)dg;
    return way == UP || n != 3;
}

/* The server's first message overtakes its Finished: not before it, and not lost. HC 26 */
static void overtaken_finished(void **state)
{
    (void)state;
    pair *p = pair_new();
    p->passes = hold_last_flight;
    pair_connect(p);
    pair_run(p, p->now);
    assert_int_equal(estoc_dtls_state_of(p->s), ESTOC_DTLS_OPEN);
    datagram finished = p->log[p->logged - 1];
    assert_int_equal(estoc_dtls_write(p->s, estoc_slice_str("early")), 0);
    pair_deliver(p);
    assert_int_equal(estoc_dtls_state_of(p->c), ESTOC_DTLS_HANDSHAKE);
    expect_silence(p->c);
    assert_int_equal(estoc_dtls_input(p->c, p->now, estoc_slice_of(finished.bytes, finished.len)),
                     ESTOC_DTLS_OPEN);
    uint8_t in[ESTOC_DATAGRAM_MAX];
    size_t n;
    assert_int_equal(estoc_dtls_read(p->c, (estoc_buf){in, sizeof in}, &n), 0);
    assert_int_equal(n, 5);
    p->passes = NULL;
    expect_alive(p);
    pair_free(p);
}

/* HC 26, 32: records of an epoch that is still to come are not piled up. */
static void early_records(void **state)
{
    (void)state;
    pair *p = half_open();
    for (unsigned i = 0; i < 1000; i++) {
        uint8_t r[2 * 33] = {RECORD_APPLICATION, 254, 253, 0, 1};
        r[9] = (uint8_t)(i >> 8);
        r[10] = (uint8_t)i;
        r[12] = 20;
        memcpy(r + 33, r, 33);
        r[33 + 8] = 1;
        estoc_dtls_input(p->s, p->now, estoc_slice_of(r, sizeof r));
    }
    assert_int_equal(p->s->early, 16);
    assert_int_equal(estoc_dtls_state_of(p->s), ESTOC_DTLS_HANDSHAKE);
    pair_free(p);
}

static void early_records_do_not_stop(void **state)
{
    (void)state;
    pair *p = half_open();
    for (uint8_t i = 0; i < 8; i++) {
        uint8_t r[33] = {RECORD_APPLICATION, 254, 253, 0, 1, 0, 0, 0, 0, 0, i, 0, 20};
        estoc_dtls_input(p->s, p->now, estoc_slice_of(r, sizeof r));
    }
    pair_run(p, ESTOC_NEVER);
    assert_int_equal(estoc_dtls_state_of(p->s), ESTOC_DTLS_OPEN);
    expect_alive(p);
    pair_free(p);
}

/* Each of these ends a handshake inside OpenSSL. */
static void junk_in_handshake(void **state)
{
    (void)state;
    /* clang-format off */
    static const uint8_t junk[][32] = {
        {16, 23, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 0, 3, 'a', 'b', 'c'},   /* data in the clear */
        {14, 24, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 0, 1, 1},               /* heartbeat */
        {17, 22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 0, 4, 11, 0, 0, 1},     /* a piece of a header */
        {26, 22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 0, 13,
             11, 0, 0, 9, 0, 2, 0, 0, 0, 0, 0, 2, 0},                      /* longer than its record */
        {26, 22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 0, 13,
             11, 0, 0, 9, 0, 2, 0, 0, 9, 0, 0, 1, 0},                      /* past its message */
    };
    /* clang-format on */
    pair *p = half_open();
    size_t up = p->sent[UP], down = p->sent[DOWN];
    for (size_t i = 0; i < sizeof junk / sizeof junk[0]; i++) {
        estoc_slice dg = estoc_slice_of(junk[i] + 1, junk[i][0]);
        assert_int_equal(estoc_dtls_input(p->s, p->now, dg), ESTOC_DTLS_HANDSHAKE);
        assert_int_equal(estoc_dtls_input(p->c, p->now, dg), ESTOC_DTLS_HANDSHAKE);
    }
    assert_int_equal(p->sent[UP], up);
    assert_int_equal(p->sent[DOWN], down);
    pair_run(p, ESTOC_NEVER);
    assert_int_equal(estoc_dtls_state_of(p->s), ESTOC_DTLS_OPEN);
    expect_alive(p);
    pair_free(p);
}

/* Before ServerHello no suite is agreed on, so nothing can be protected. */
static void protected_before_hello(void **state)
{
    (void)state;
    pair *p = pair_new();
    pair_connect(p);
    for (uint8_t i = 0; i < 20; i++) {
        uint8_t r[45] = {RECORD_APPLICATION, 254, 253, 0, 1, 0, 0, 0, 0, 0, i, 0, 32};
        estoc_dtls_input(p->c, p->now, estoc_slice_of(r, sizeof r));
    }
    assert_int_equal(p->c->early, 0);
    pair_run(p, ESTOC_NEVER);
    assert_int_equal(estoc_dtls_state_of(p->c), ESTOC_DTLS_OPEN);
    expect_alive(p);
    pair_free(p);
}

/* HC 31, 32, 37: OpenSSL keeps ten messages ahead and no more. */
static void messages_far_ahead(void **state)
{
    (void)state;
    pair *p = half_open();
    for (unsigned i = 0; i < 65536; i += 7) {
        uint8_t r[13 + 13] = {22, 254, 253, 0, 0, 0, 0, 0, 1, 0, 0, 0, 13, 11, 0, 0, 9};
        r[9] = (uint8_t)(i >> 8);
        r[10] = (uint8_t)i;
        r[17] = (uint8_t)(i >> 8);
        r[18] = (uint8_t)i;
        r[24] = 1;
        if (i > 2) { /* not one of those it waits for */
            assert_int_equal(estoc_dtls_input(p->s, p->now, estoc_slice_of(r, sizeof r)),
                             ESTOC_DTLS_HANDSHAKE);
        }
    }
    uint8_t many[13 + 100 * 12] = {22, 254, 253, 0, 0, 0, 0, 0, 2, 0, 0, 1200 >> 8, 1200 & 0xff};
    assert_int_equal(estoc_dtls_input(p->s, p->now, estoc_slice_of(many, sizeof many)),
                     ESTOC_DTLS_HANDSHAKE);
    pair_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forged_records),     cmocka_unit_test(replayed_records),
        cmocka_unit_test(altered_records),    cmocka_unit_test(overtaken_finished),
        cmocka_unit_test(early_records),      cmocka_unit_test(early_records_do_not_stop),
        cmocka_unit_test(junk_in_handshake),  cmocka_unit_test(protected_before_hello),
        cmocka_unit_test(messages_far_ahead),
    };
    return cmocka_run_group_tests_name("dtls records", tests, pki_set_up, pki_tear_down);
}
