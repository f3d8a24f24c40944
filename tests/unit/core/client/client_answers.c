/* SPDX-License-Identifier: MIT */
#include "client/client_rig.h"

static void crts_not_found(void **state)
{
    (void)state;
    rig_start(ESTOC_STEP_CRTS | ESTOC_STEP_SEN);
    expect_request(ESTOC_COAP_GET, "/.well-known/est/crts");
    assert_int_equal(answer_with(ESTOC_COAP_NOT_FOUND, none, none, estoc_slice_str("who?")),
                     ESTOC_E_REFUSED);
    assert_failed(ESTOC_E_REFUSED);
    assert_int_equal(estoc_client_refusal(&rig.c)->code, ESTOC_COAP_NOT_FOUND);
    assert_true(estoc_slice_eq(estoc_client_refusal(&rig.c)->body, estoc_slice_str("who?")));
}

static void waits_max_age(void **state)
{
    (void)state;
    rig_make(ESTOC_STEP_SEN);
    rig.cfg.wait_max_s = 100;
    assert_int_equal(estoc_client_start(&rig.c, rig.now, &rig.cfg), 0);
    assert_int_equal(estoc_client_csr(&rig.c, rig.now, SLICE(csr)), 0);
    expect_request(ESTOC_COAP_POST, "/.well-known/est/sen");
    uint16_t first = rig.req.mid;
    assert_int_equal(answer_with(ESTOC_COAP_UNAVAILABLE, none, 30, estoc_slice_of(NULL, 0)), 0);
    assert_int_equal(estoc_client_state(&rig.c), ESTOC_CLIENT_WAITING);
    assert_true(estoc_client_deadline(&rig.c) == rig.now + 30000);
    assert_int_equal(estoc_client_wait_s(&rig.c, rig.now), 30);
    rig.now += 29999;
    assert_int_equal(estoc_client_wait_s(&rig.c, rig.now), 1);
    assert_int_equal(take(), 0);
    rig.now += 1;
    assert_int_equal(estoc_client_wait_s(&rig.c, rig.now), 0);
    size_t len = take();
    assert_int_equal(estoc_coap_parse(&rig.req, estoc_slice_of(rig.sent, len)), 0);
    assert_int_not_equal(rig.req.mid, first);
    assert_true(estoc_slice_eq(rig.req.payload, SLICE(csr)));
    answer(ESTOC_COAP_CHANGED, ESTOC_FORMAT_CERTS, SLICE(some_certs));
    assert_int_equal(estoc_client_state(&rig.c), ESTOC_CLIENT_WANT_INSTALL);
}

static void wait_sum_is_bounded(void **state)
{
    (void)state;
    rig_make(ESTOC_STEP_CRTS);
    rig.cfg.wait_max_s = 100;
    assert_int_equal(estoc_client_start(&rig.c, rig.now, &rig.cfg), 0);
    expect_request(ESTOC_COAP_GET, "/.well-known/est/crts");
    /* Max-Age absent is 60 seconds. RFC 7252 section 5.10.5 */
    assert_int_equal(answer_with(ESTOC_COAP_UNAVAILABLE, none, none, estoc_slice_of(NULL, 0)), 0);
    assert_int_equal(estoc_client_wait_s(&rig.c, rig.now), 60);
    rig.now += 60000;
    size_t len = take();
    assert_int_equal(estoc_coap_parse(&rig.req, estoc_slice_of(rig.sent, len)), 0);
    assert_int_equal(answer_with(ESTOC_COAP_TOO_MANY_REQUESTS, none, 41, estoc_slice_of(NULL, 0)),
                     ESTOC_E_LATER);
    assert_failed(ESTOC_E_LATER);
    assert_int_equal(estoc_client_refusal(&rig.c)->max_age_s, 41);
    assert_int_equal(estoc_client_wait_s(&rig.c, rig.now), 0);
}

static void max_age_zero_does_not_spin(void **state)
{
    (void)state;
    rig_make(ESTOC_STEP_CRTS);
    rig.cfg.wait_max_s = 2;
    assert_int_equal(estoc_client_start(&rig.c, rig.now, &rig.cfg), 0);
    for (int i = 0; i < 2; i++) {
        size_t len = take();
        assert_int_equal(estoc_coap_parse(&rig.req, estoc_slice_of(rig.sent, len)), 0);
        assert_int_equal(answer_with(ESTOC_COAP_UNAVAILABLE, none, 0, estoc_slice_of(NULL, 0)), 0);
        assert_int_equal(estoc_client_wait_s(&rig.c, rig.now), 1);
        assert_int_equal(take(), 0);
        rig.now += 1000;
    }
    size_t len = take();
    assert_int_equal(estoc_coap_parse(&rig.req, estoc_slice_of(rig.sent, len)), 0);
    assert_int_equal(answer_with(ESTOC_COAP_UNAVAILABLE, none, 0, estoc_slice_of(NULL, 0)),
                     ESTOC_E_LATER);
}

static void max_age_huge(void **state)
{
    (void)state;
    rig_make(ESTOC_STEP_CRTS);
    rig.cfg.wait_max_s = UINT32_MAX;
    assert_int_equal(estoc_client_start(&rig.c, rig.now, &rig.cfg), 0);
    expect_request(ESTOC_COAP_GET, "/.well-known/est/crts");
    assert_int_equal(answer_with(ESTOC_COAP_UNAVAILABLE, none, UINT32_MAX, estoc_slice_of(NULL, 0)),
                     0);
    assert_true(estoc_client_deadline(&rig.c) == rig.now + UINT64_C(4294967295000));
    assert_int_equal(estoc_client_wait_s(&rig.c, rig.now), UINT32_MAX);
}

static void no_wait_allowed(void **state)
{
    (void)state;
    reach_sen();
    assert_int_equal(answer_with(ESTOC_COAP_UNAVAILABLE, none, 1, estoc_slice_of(NULL, 0)),
                     ESTOC_E_LATER);
    assert_failed(ESTOC_E_LATER);
    assert_int_equal(estoc_client_refusal(&rig.c)->code, ESTOC_COAP_UNAVAILABLE);
}

static void refusals(void **state)
{
    (void)state;
    /* clang-format off */
    static const struct {
        uint8_t code;
        estoc_err err;
    } rows[] = {
        {ESTOC_COAP_BAD_REQUEST,        ESTOC_E_REFUSED},
        {ESTOC_COAP_UNAUTHORIZED,       ESTOC_E_REFUSED},
        {ESTOC_COAP_FORBIDDEN,          ESTOC_E_REFUSED},
        {ESTOC_COAP_NOT_FOUND,          ESTOC_E_REFUSED},
        {ESTOC_COAP_NOT_ACCEPTABLE,     ESTOC_E_REFUSED},
        {ESTOC_COAP_UNSUPPORTED_FORMAT, ESTOC_E_REFUSED},
        {ESTOC_COAP_INTERNAL_ERROR,     ESTOC_E_PEER},
        {ESTOC_COAP_BAD_GATEWAY,        ESTOC_E_PEER},
        {ESTOC_COAP_GATEWAY_TIMEOUT,    ESTOC_E_PEER},
        {ESTOC_COAP_CONTENT,            ESTOC_E_PROTOCOL}, /* C5: 2.04 for a POST */
        {ESTOC_COAP_VALID,              ESTOC_E_PROTOCOL},
        {ESTOC_COAP_CODE(2, 1),         ESTOC_E_PROTOCOL},
    };
    /* clang-format on */
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        reach_sen();
        assert_int_equal(answer_with(rows[i].code, ESTOC_FORMAT_CERTS, none, estoc_slice_str("no")),
                         rows[i].err);
        assert_failed(rows[i].err);
        assert_int_equal(estoc_client_refusal(&rig.c)->code, rows[i].code);
    }
}

static void get_answered_like_a_post(void **state)
{
    (void)state;
    rig_start(ESTOC_STEP_CRTS);
    expect_request(ESTOC_COAP_GET, "/.well-known/est/crts");
    assert_int_equal(answer_with(ESTOC_COAP_CHANGED, ESTOC_FORMAT_CERTS, none, SLICE(some_certs)),
                     ESTOC_E_PROTOCOL);
}

static void wrong_formats(void **state)
{
    (void)state;
    static const struct {
        unsigned step;
        uint16_t asked;
        uint64_t got;
    } rows[] = {
        {ESTOC_STEP_CRTS, ESTOC_FORMAT_NONE, ESTOC_FORMAT_CERT},
        {ESTOC_STEP_CRTS, ESTOC_FORMAT_CERTS, ESTOC_FORMAT_CERT},
        {ESTOC_STEP_CRTS, ESTOC_FORMAT_CERT, ESTOC_FORMAT_CERTS},
        {ESTOC_STEP_CRTS, ESTOC_FORMAT_NONE, ESTOC_FORMAT_TEXT},
        {ESTOC_STEP_CRTS, ESTOC_FORMAT_NONE, UINT64_MAX}, /* absent */
        {ESTOC_STEP_ATT, ESTOC_FORMAT_NONE, ESTOC_FORMAT_CERTS},
        {ESTOC_STEP_ATT, ESTOC_FORMAT_NONE, UINT64_MAX},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        rig_make(rows[i].step);
        rig.cfg.cert_format = rows[i].asked;
        assert_int_equal(estoc_client_start(&rig.c, rig.now, &rig.cfg), 0);
        expect_request(ESTOC_COAP_GET, rows[i].step == ESTOC_STEP_CRTS ? "/.well-known/est/crts"
                                                                       : "/.well-known/est/att");
        assert_int_equal(answer_with(ESTOC_COAP_CONTENT, rows[i].got, none, SLICE(some_certs)),
                         ESTOC_E_FORMAT);
        assert_failed(ESTOC_E_FORMAT);
        assert_answer(ESTOC_FORMAT_NONE, estoc_slice_of(NULL, 0));
    }
}

static void nobody_answers(void **state)
{
    (void)state;
    rig_start(ESTOC_STEP_CRTS);
    size_t sent = 0;
    for (int i = 0; i < 20 && estoc_client_state(&rig.c) != ESTOC_CLIENT_FAILED; i++) {
        size_t len = 0;
        estoc_err err =
            estoc_client_output(&rig.c, rig.now, (estoc_buf){rig.sent, sizeof rig.sent}, &len);
        if (err) {
            assert_int_equal(err, ESTOC_E_TIMEOUT);
            assert_int_equal(len, 0);
            break;
        }
        sent += len > 0 ? 1 : 0;
        if (len == 0) {
            assert_true(estoc_client_deadline(&rig.c) > rig.now);
            rig.now = estoc_client_deadline(&rig.c);
        }
    }
    assert_failed(ESTOC_E_TIMEOUT);
    assert_int_equal(sent, 5); /* and four repetitions. RFC 7252 section 4.8 */
    assert_true(rig.now - 1000 >= 62000 && rig.now - 1000 <= 93000);
    assert_int_equal(estoc_client_refusal(&rig.c)->code, 0);
}

static void reset_by_peer(void **state)
{
    (void)state;
    reach_sen();
    const uint8_t rst[] = {0x70, 0x00, (uint8_t)(rig.req.mid >> 8), (uint8_t)rig.req.mid};
    assert_int_equal(estoc_client_input(&rig.c, rig.now, SLICE(rst)), ESTOC_E_RESET);
    assert_failed(ESTOC_E_RESET);
}

static void separate_answer_is_acknowledged(void **state)
{
    (void)state;
    reach_sen();
    const uint8_t empty[] = {0x60, 0x00, (uint8_t)(rig.req.mid >> 8), (uint8_t)rig.req.mid};
    assert_int_equal(estoc_client_input(&rig.c, rig.now, SLICE(empty)), 0);
    rig.now += 90000; /* the server takes its time: L1 */
    assert_int_equal(take(), 0);
    uint8_t dg[64];
    size_t len = 0;
    estoc_coap_writer cw =
        estoc_coap_write_begin((estoc_buf){dg, sizeof dg}, ESTOC_COAP_CON, ESTOC_COAP_CHANGED,
                               0x4321, estoc_slice_of(rig.req.token, rig.req.token_len));
    estoc_coap_write_uint(&cw, ESTOC_OPT_CONTENT_FORMAT, ESTOC_FORMAT_CERTS);
    estoc_coap_write_payload(&cw, SLICE(some_certs));
    assert_int_equal(estoc_coap_write_end(&cw, &len), 0);
    assert_int_equal(estoc_client_input(&rig.c, rig.now, estoc_slice_of(dg, len)), 0);
    assert_int_equal(estoc_client_state(&rig.c),
                     ESTOC_CLIENT_WANT_INSTALL | ESTOC_CLIENT_WANT_SEND);
    const uint8_t ack[] = {0x60, 0x00, 0x43, 0x21};
    assert_int_equal(take(), sizeof ack);
    assert_memory_equal(rig.sent, ack, sizeof ack);
    assert_int_equal(estoc_client_installed(&rig.c, rig.now, true), 0);
    /* the acknowledgement was lost: the server repeats, and is acknowledged again */
    assert_int_equal(estoc_client_input(&rig.c, rig.now, estoc_slice_of(dg, len)), 0);
    assert_int_equal(estoc_client_state(&rig.c), ESTOC_CLIENT_DONE | ESTOC_CLIENT_WANT_SEND);
    assert_int_equal(take(), sizeof ack);
    assert_memory_equal(rig.sent, ack, sizeof ack);
}

static void foreign_datagrams(void **state)
{
    (void)state;
    static const uint8_t junk[] = {0xff, 0xff, 0xff};
    reach_sen();
    assert_int_equal(estoc_client_input(&rig.c, rig.now, SLICE(junk)), 0);
    assert_int_equal(estoc_client_input(&rig.c, rig.now, estoc_slice_of(NULL, 0)), 0);
    uint8_t wrong_token[] = {0x61, 0x44, (uint8_t)(rig.req.mid >> 8), (uint8_t)rig.req.mid, 0x00};
    assert_int_equal(estoc_client_input(&rig.c, rig.now, SLICE(wrong_token)), 0);
    assert_int_equal(estoc_client_state(&rig.c) & ESTOC_CLIENT_WAITING, ESTOC_CLIENT_WAITING);
    answer(ESTOC_COAP_CHANGED, ESTOC_FORMAT_CERTS, SLICE(some_certs));
    assert_int_equal(estoc_client_state(&rig.c), ESTOC_CLIENT_WANT_INSTALL);
}

static void answer_too_large(void **state)
{
    (void)state;
    uint8_t block[1024] = {0};
    rig_make(ESTOC_STEP_CRTS);
    rig.cfg.room.cap = 1024;
    assert_int_equal(estoc_client_start(&rig.c, rig.now, &rig.cfg), 0);
    estoc_err err = ESTOC_OK;
    for (uint32_t num = 0; num < 3 && !err; num++) {
        uint8_t dg[1200];
        size_t len = take();
        assert_int_equal(estoc_coap_parse(&rig.req, estoc_slice_of(rig.sent, len)), 0);
        estoc_coap_writer cw =
            estoc_coap_write_begin((estoc_buf){dg, sizeof dg}, ESTOC_COAP_ACK, ESTOC_COAP_CONTENT,
                                   rig.req.mid, estoc_slice_of(rig.req.token, rig.req.token_len));
        estoc_coap_write_uint(&cw, ESTOC_OPT_CONTENT_FORMAT, ESTOC_FORMAT_CERTS);
        estoc_coap_write_uint(&cw, ESTOC_OPT_BLOCK2,
                              estoc_block_value((estoc_block){num, true, ESTOC_SZX_MAX}));
        estoc_coap_write_payload(&cw, SLICE(block));
        assert_int_equal(estoc_coap_write_end(&cw, &len), 0);
        err = estoc_client_input(&rig.c, rig.now, estoc_slice_of(dg, len));
    }
    assert_true(err == ESTOC_E_SPACE || err == ESTOC_E_LIMIT);
    assert_failed(err);
}

/* ---- E2: what was kept from an earlier run ---- */

/* A piggybacked answer with an ETag, as answer_with(). */
static estoc_err answer_etag(uint8_t code, const char *etag, uint64_t format, estoc_slice body)
{
    uint8_t dg[1200];
    size_t len = 0;
    estoc_coap_writer cw =
        estoc_coap_write_begin((estoc_buf){dg, sizeof dg}, ESTOC_COAP_ACK, code, rig.req.mid,
                               estoc_slice_of(rig.req.token, rig.req.token_len));
    if (etag != NULL) {
        estoc_coap_write_option(&cw, ESTOC_OPT_ETAG, estoc_slice_str(etag));
    }
    if (format != none) {
        estoc_coap_write_uint(&cw, ESTOC_OPT_CONTENT_FORMAT, (uint32_t)format);
    }
    estoc_coap_write_payload(&cw, body);
    assert_int_equal(estoc_coap_write_end(&cw, &len), 0);
    return estoc_client_input(&rig.c, rig.now, estoc_slice_of(dg, len));
}

static void assert_shown(const char *etag)
{
    estoc_slice value;
    bool there = estoc_coap_opt_find(rig.req.options, ESTOC_OPT_ETAG, &value);
    assert_true(there == (etag != NULL));
    assert_true(!there || estoc_slice_eq(value, estoc_slice_str(etag)));
}

static void start_with_etags(const char *crts, const char *att)
{
    rig_make(ESTOC_STEP_CRTS | ESTOC_STEP_ATT | ESTOC_STEP_SEN);
    rig.cfg.crts_etag = estoc_slice_str(crts);
    rig.cfg.att_etag = estoc_slice_str(att);
    assert_int_equal(estoc_client_start(&rig.c, rig.now, &rig.cfg), 0);
    expect_request(ESTOC_COAP_GET, "/.well-known/est/crts");
}

static void unchanged(void **state)
{
    (void)state;
    start_with_etags("anchors", "a");
    assert_shown("anchors");
    assert_int_equal(answer_etag(ESTOC_COAP_VALID, "anchors", none, estoc_slice_of(NULL, 0)), 0);
    assert_int_equal(estoc_client_state(&rig.c), ESTOC_CLIENT_WANT_TRUST);
    assert_true(estoc_client_unchanged(&rig.c));
    assert_answer(ESTOC_FORMAT_CERTS, estoc_slice_of(NULL, 0));
    assert_int_equal(estoc_client_etag(&rig.c).len, 0); /* there is nothing new to keep */
    assert_int_equal(estoc_client_trusted(&rig.c, rig.now, true), 0);
    assert_false(estoc_client_unchanged(&rig.c));
    expect_request(ESTOC_COAP_GET, "/.well-known/est/att");
    assert_shown("a");
    assert_int_equal(answer_etag(ESTOC_COAP_VALID, "a", none, estoc_slice_of(NULL, 0)), 0);
    assert_int_equal(estoc_client_state(&rig.c), ESTOC_CLIENT_WANT_CSR);
    assert_true(estoc_client_unchanged(&rig.c));
    assert_answer(ESTOC_FORMAT_CSRATTRS, estoc_slice_of(NULL, 0));
    assert_int_equal(estoc_client_csr(&rig.c, rig.now, SLICE(csr)), 0);
    expect_request(ESTOC_COAP_POST, "/.well-known/est/sen");
    assert_shown(NULL);
    /* 2.03 has no meaning there */
    assert_int_equal(answer_etag(ESTOC_COAP_VALID, "a", none, estoc_slice_of(NULL, 0)),
                     ESTOC_E_PROTOCOL);
    assert_failed(ESTOC_E_PROTOCOL);
}

static void changed(void **state)
{
    (void)state;
    start_with_etags("old", "");
    assert_int_equal(answer_etag(ESTOC_COAP_CONTENT, "new", ESTOC_FORMAT_CERTS, SLICE(some_certs)),
                     0);
    assert_false(estoc_client_unchanged(&rig.c));
    assert_answer(ESTOC_FORMAT_CERTS, SLICE(some_certs));
    assert_true(estoc_slice_eq(estoc_client_etag(&rig.c), estoc_slice_str("new")));
    assert_int_equal(estoc_client_trusted(&rig.c, rig.now, true), 0);
    expect_request(ESTOC_COAP_GET, "/.well-known/est/att");
    assert_shown(NULL);
    answer(ESTOC_COAP_CONTENT, ESTOC_FORMAT_CSRATTRS, SLICE(some_certs));
    assert_int_equal(estoc_client_etag(&rig.c).len, 0); /* it has none */
}

/* 2.03 to a client that showed nothing, or something else. */
static void valid_unasked(void **state)
{
    (void)state;
    static const struct {
        const char *shown, *said;
    } rows[] = {{"", "e"}, {"", NULL}, {"e", "f"}, {"e", "ee"}, {"e", NULL}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        start_with_etags(rows[i].shown, "");
        assert_int_equal(answer_etag(ESTOC_COAP_VALID, rows[i].said, none, estoc_slice_of(NULL, 0)),
                         ESTOC_E_PROTOCOL);
        assert_failed(ESTOC_E_PROTOCOL);
        assert_false(estoc_client_unchanged(&rig.c));
    }
    rig_make(ESTOC_STEP_CRTS);
    rig.cfg.crts_etag = estoc_slice_str("123456789"); /* no ETag is as long */
    assert_int_equal(estoc_client_start(&rig.c, rig.now, &rig.cfg), ESTOC_E_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST("C4 4.04 on crts is a refusal with the server's words", crts_not_found),
        TEST("K3 5.03 is waited out, then the identical request", waits_max_age),
        TEST("K3 the sum of waits is bounded", wait_sum_is_bounded),
        TEST("246 Max-Age 0 does not spin", max_age_zero_does_not_spin),
        TEST("246 Max-Age 2^32-1 does not wrap", max_age_huge),
        TEST("K3 no wait allowed: later", no_wait_allowed),
        TEST("C5 each refusal and wrong code", refusals),
        TEST("C5 2.04 to a GET is a fault", get_answered_like_a_post),
        TEST("E1 unexpected or missing Content-Format", wrong_formats),
        TEST("C6 nobody answers", nobody_answers),
        TEST("RST ends the run", reset_by_peer),
        TEST("L1 a separate answer is acknowledged, twice", separate_answer_is_acknowledged),
        TEST("datagrams that do not belong to the exchange", foreign_datagrams),
        TEST("E2 what is kept still holds", unchanged),
        TEST("E2 what is kept has changed", changed),
        TEST("E2 2.03 without an ETag shown", valid_unasked),
        TEST("244 an answer larger than the room", answer_too_large),
    };
    return cmocka_run_group_tests_name("client answers", tests, NULL, NULL);
}
