/* SPDX-License-Identifier: MIT */
#include "coap/requester_rig.h"

/* ---- options of an answer ---- */

static void critical_options(void **state)
{
    (void)state;
    /* clang-format off */
    static const char *const options[] = {
        "opt=1", "opt=3x", "opt=5", "opt=7", "opt=9", "opt=11x", "opt=15x", "opt=17", "opt=35x",
        "opt=39x", "opt=65001", "opt=2051xyz",
        "2:0/0/64 2:0/0/64",         /* the second is unrecognised: RFC 7252 section 5.4.5 */
        "1:0/0/64 1:0/0/64",
        "opt=23aaaa", "opt=27aaaa",  /* row 127 */
        "opt=23\x07 opt=27aaaa",     /* size exponent 7 too */
    };
    /* clang-format on */
    for (size_t i = 0; i < COUNT(options); i++) {
        char text[64];
        rig_get();
        expect("CON 1234 GET /status");
        snprintf(text, sizeof text, "ACK 2.05 %s +9", options[i]);
        assert_int_equal(says(text), ESTOC_E_OPTION);
        assert_failed(ESTOC_E_OPTION);
        expect_nothing();

        rig_get();
        expect("CON 1234 GET /status");
        memcpy(text, "CON", 3);
        assert_int_equal(says(text), ESTOC_E_OPTION);
        expect("RST 7000 EMPTY"); /* rejected: RFC 7252 section 5.4.1 */
        said_again();
        expect("RST 7000 EMPTY");
        assert_failed(ESTOC_E_OPTION);

        rig_get();
        expect("CON 1234 GET /status");
        memcpy(text, "NON", 3);
        assert_int_equal(says(text), ESTOC_E_OPTION);
        expect_nothing();
    }
}

static void elective_options(void **state)
{
    (void)state;
    /* clang-format off */
    static const char *const options[] = {
        "opt=0", "opt=2", "opt=6abc", "opt=8path", "opt=20q", "opt=252echo", "opt=65000x",
        "opt=4", "opt=4:123456789",                     /* ETags of 0 and 9 bytes */
        "opt=12abc", "opt=14abcde", "size2=4000000000",
    };
    /* clang-format on */
    for (size_t i = 0; i < COUNT(options); i++) {
        char text[64];
        rig_get();
        expect("CON 1234 GET /status");
        snprintf(text, sizeof text, "ACK 2.05 %s +9", options[i]);
        said(text);
        const estoc_reply *reply = assert_done(ESTOC_COAP_CONTENT, 9);
        assert_int_equal(reply->content_format, ESTOC_FORMAT_NONE);
        assert_int_equal(reply->etag_len, 0);
        assert_false(reply->has_max_age);
        assert_int_equal(reply->max_age_s, 60);
    }
}

/* Of an elective option that may stand once the first counts. Row 99. */
static void repeated_elective_options(void **state)
{
    (void)state;
    rig_get();
    expect("CON 1234 GET /status");
    said("ACK 2.05 etag=one etag=two ct=281 ct=287 age=7 age=8 +9");
    const estoc_reply *reply = assert_done(ESTOC_COAP_CONTENT, 9);
    assert_int_equal(reply->content_format, 281);
    assert_int_equal(reply->max_age_s, 7);
    assert_int_equal(reply->etag_len, 3);
    assert_memory_equal(reply->etag, "one", 3);
}

/* Row 246 */
static void max_age(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool has;
        uint32_t seconds;
    } rows[] = {
        {"ACK 5.03", false, 60},
        {"ACK 5.03 age=0", true, 0},
        {"ACK 5.03 age=1", true, 1},
        {"ACK 5.03 age=120", true, 120},
        {"ACK 4.29 age=4294967295", true, 4294967295},
        {"ACK 2.05 age=3600", true, 3600},
        {"ACK 5.03 opt=14\x01\x02", true, 258},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        rig_get();
        expect("CON 1234 GET /status");
        said(rows[i].text);
        const estoc_reply *reply = estoc_requester_reply(&rig.q);
        assert_int_equal(estoc_requester_state(&rig.q), ESTOC_REQUESTER_DONE);
        assert_true(reply->has_max_age == rows[i].has);
        assert_true(reply->max_age_s == rows[i].seconds);
        assert_int_equal(reply->body.len, 0);
    }
}

/* Row 101 */
static void leading_zeros(void **state)
{
    (void)state;
    static const uint8_t tail[] = {0x45, 0x04, 0xd2, TOKEN, 0xc2, 0x00, 0x28, 0x23, 0x00,
                                   0x00, 0x07, 0x93, 0x00,  0x00, 0x01, 0xff, 0x51};
    uint8_t dg[1 + sizeof tail] = {0x64};
    memcpy(dg + 1, tail, sizeof tail); /* 40, Max-Age 7, Block2 0/0/32 */
    rig_get();
    expect("CON 1234 GET /status");
    assert_int_equal(input(SLICE(dg)), 0);
    const estoc_reply *reply = estoc_requester_reply(&rig.q);
    assert_int_equal(estoc_requester_state(&rig.q), ESTOC_REQUESTER_DONE);
    assert_int_equal(reply->content_format, 40);
    assert_int_equal(reply->max_age_s, 7);
    assert_int_equal(reply->body.len, 1);
}

static void refuse_with(estoc_slice text)
{
    uint8_t dg[400];
    size_t len;
    rig_get();
    expect("CON 1234 GET /status");
    estoc_coap_writer cw =
        estoc_coap_write_begin((estoc_buf){dg, sizeof dg}, ESTOC_COAP_ACK, ESTOC_COAP_FORBIDDEN,
                               rig.req.mid, estoc_slice_of(rig.req.token, 4));
    estoc_coap_write_payload(&cw, text);
    assert_int_equal(estoc_coap_write_end(&cw, &len), 0);
    assert_int_equal(input(estoc_slice_of(dg, len)), 0);
    assert_int_equal(estoc_requester_reply(&rig.q)->code, ESTOC_COAP_FORBIDDEN);
}

static void diagnostics(void **state)
{
    (void)state;
    char text[200];
    memset(text, 'x', sizeof text);
    for (size_t len = 0; len <= sizeof text; len++) {
        refuse_with(estoc_slice_of(text, len));
        estoc_slice got = estoc_requester_reply(&rig.q)->body;
        assert_true(estoc_slice_eq(got, estoc_slice_of(text, len < 128 ? len : 128)));
        assert_true(len == 0 || got.ptr == rig.q.diagnostic); /* the datagram is gone */
    }
    memcpy(text + 126, "\xe2\x82\xac", 3); /* a character that ends past the limit */
    refuse_with(estoc_slice_of(text, sizeof text));
    assert_int_equal(estoc_requester_reply(&rig.q)->body.len, 126);
    memcpy(text + 125, "\xe2\x82\xacx", 4);
    refuse_with(estoc_slice_of(text, 150));
    assert_int_equal(estoc_requester_reply(&rig.q)->body.len, 128);
    memset(text, 0x80, sizeof text); /* no character at all */
    refuse_with(estoc_slice_of(text, sizeof text));
    assert_int_equal(estoc_requester_reply(&rig.q)->body.len, 0);
}

static void valid_has_no_payload(void **state)
{
    (void)state;
    static const char *const answers[] = {"ACK 2.03 etag=e1 age=9", "ACK 2.03 etag=e1 age=9 +9",
                                          "ACK 2.03 etag=e1 age=9 2:0/1/16 +16"};
    for (size_t i = 0; i < COUNT(answers); i++) {
        rig_make(64);
        rig.call.etag = estoc_slice_str("e1");
        rig_start();
        expect("CON 1234 GET etag=e1 /status");
        said(answers[i]);
        const estoc_reply *reply = assert_done(ESTOC_COAP_VALID, 0);
        assert_int_equal(reply->max_age_s, 9);
        assert_int_equal(rig.room[0], 0x5a);
    }
    /* nor has it that of the call before */
    rig_get();
    expect("CON 1234 GET /status");
    said("ACK 2.05 +9");
    assert_int_equal(estoc_requester_start(&rig.q, rig.now, &rig.call), 0);
    expect("CON 1235 GET /status");
    said("ACK 2.03");
    assert_done(ESTOC_COAP_VALID, 0);
}

static void continue_with_nothing_to_continue(void **state)
{
    (void)state;
    rig_get();
    expect("CON 1234 GET /status");
    assert_int_equal(says("ACK 2.31 1:0/1/16"), ESTOC_E_PROTOCOL);
    assert_failed(ESTOC_E_PROTOCOL);
}

static void answer_and_room(void **state)
{
    (void)state;
    for (size_t len = 63; len <= 65; len++) {
        char text[32];
        rig_get();
        expect("CON 1234 GET /status");
        snprintf(text, sizeof text, "CON 2.05 +%zu", len);
        if (len <= 64) {
            said(text);
            assert_done(ESTOC_COAP_CONTENT, len);
        } else {
            assert_int_equal(says(text), ESTOC_E_LIMIT);
            assert_failed(ESTOC_E_LIMIT);
        }
        expect("ACK 7000 EMPTY"); /* it was understood: no more copies, please */
    }
    rig_make(0);
    rig.call.answer.ptr = NULL;
    rig_start();
    expect("CON 1234 GET /status");
    said("ACK 2.04");
    assert_done(ESTOC_COAP_CHANGED, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST("critical options", critical_options),
        TEST("elective options", elective_options),
        TEST("99 repeated elective options", repeated_elective_options),
        TEST("246 Max-Age", max_age),
        TEST("101 leading zeros", leading_zeros),
        TEST("diagnostic texts", diagnostics),
        TEST("E2 2.03 has no payload", valid_has_no_payload),
        TEST("2.31 with nothing to continue", continue_with_nothing_to_continue),
        TEST("244 answers as large as the room, and larger", answer_and_room),
    };
    return cmocka_run_group_tests_name("requester answers", tests, NULL, NULL);
}
