/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <estoc/block.h>
#include <estoc/client.h>

/* The server's side is a script: the test reads what the client sent, and answers with bytes. */

static uint8_t counter;

static bool fill(void *ctx, uint8_t *out, size_t len)
{
    (void)ctx;
    for (size_t i = 0; i < len; i++) {
        out[i] = ++counter;
    }
    return true;
}

static bool fill_fails(void *ctx, uint8_t *out, size_t len)
{
    (void)ctx;
    (void)out;
    (void)len;
    return false;
}

struct rig {
    estoc_client c;
    estoc_client_cfg cfg;
    estoc_ms now;
    uint8_t room[2048];
    uint8_t sent[ESTOC_MESSAGE_MAX]; /* the client's last request */
    estoc_coap_msg req;
};

static struct rig rig;

static const uint8_t csr[] = {0x30, 0x03, 0x02, 0x01, 0x07};
static const uint8_t some_certs[] = {0x30, 0x02, 0x05, 0x00};

#define SLICE(array) estoc_slice_of((array), sizeof(array))

static void rig_make(unsigned steps)
{
    counter = 0;
    memset(&rig, 0, sizeof rig);
    rig.now = 1000;
    rig.cfg.requester.random = (estoc_random){NULL, fill};
    rig.cfg.requester.tx = estoc_transmission_default();
    rig.cfg.requester.szx = ESTOC_SZX_MAX;
    rig.cfg.root[0] = estoc_slice_str(".well-known");
    rig.cfg.root[1] = estoc_slice_str("est");
    rig.cfg.root_n = 2;
    rig.cfg.steps = steps;
    rig.cfg.cert_format = ESTOC_FORMAT_NONE;
    rig.cfg.room = (estoc_buf){rig.room, sizeof rig.room};
}

static void rig_start(unsigned steps)
{
    rig_make(steps);
    assert_int_equal(estoc_client_start(&rig.c, rig.now, &rig.cfg), 0);
}

static size_t take(void)
{
    size_t len = 77;
    assert_int_equal(
        estoc_client_output(&rig.c, rig.now, (estoc_buf){rig.sent, sizeof rig.sent}, &len), 0);
    return len;
}

/* The client's next message must be a confirmable request with this method and path. */
static void expect_request(uint8_t method, const char *path)
{
    assert_true((estoc_client_state(&rig.c) & ESTOC_CLIENT_WANT_SEND) != 0);
    size_t len = take();
    assert_true(len > 0);
    assert_int_equal(estoc_coap_parse(&rig.req, estoc_slice_of(rig.sent, len)), 0);
    assert_int_equal(rig.req.type, ESTOC_COAP_CON);
    assert_int_equal(rig.req.code, method);
    char got[128] = "";
    estoc_coap_opts it = estoc_coap_opts_of(rig.req.options);
    estoc_coap_opt opt;
    while (estoc_coap_opts_next(&it, &opt)) {
        if (opt.number == ESTOC_OPT_URI_PATH) {
            size_t at = strlen(got);
            snprintf(got + at, sizeof got - at, "/%.*s", (int)opt.value.len,
                     (const char *)opt.value.ptr);
        }
    }
    assert_string_equal(got, path);
    assert_int_equal(take(), 0);
    assert_int_equal(estoc_client_state(&rig.c), ESTOC_CLIENT_WAITING);
}

static uint32_t option_of_request(uint16_t number)
{
    estoc_slice value;
    uint32_t v = 0;
    if (!estoc_coap_opt_find(rig.req.options, number, &value)) {
        return ESTOC_FORMAT_NONE;
    }
    assert_int_equal(estoc_coap_uint(value, &v), 0);
    return v;
}

static const uint64_t none = UINT64_MAX;

/* Piggybacked answer to the request taken last; options that are `none` are left out. */
static estoc_err answer_with(uint8_t code, uint64_t format, uint64_t max_age, estoc_slice body)
{
    uint8_t dg[1200];
    size_t len = 0;
    estoc_coap_writer cw =
        estoc_coap_write_begin((estoc_buf){dg, sizeof dg}, ESTOC_COAP_ACK, code, rig.req.mid,
                               estoc_slice_of(rig.req.token, rig.req.token_len));
    if (format != none) {
        estoc_coap_write_uint(&cw, ESTOC_OPT_CONTENT_FORMAT, (uint32_t)format);
    }
    if (max_age != none) {
        estoc_coap_write_uint(&cw, ESTOC_OPT_MAX_AGE, (uint32_t)max_age);
    }
    estoc_coap_write_payload(&cw, body);
    assert_int_equal(estoc_coap_write_end(&cw, &len), 0);
    return estoc_client_input(&rig.c, rig.now, estoc_slice_of(dg, len));
}

static void answer(uint8_t code, uint64_t format, estoc_slice body)
{
    assert_int_equal(answer_with(code, format, none, body), 0);
}

static void assert_failed(estoc_err err)
{
    assert_int_equal(estoc_client_state(&rig.c) & ~(unsigned)ESTOC_CLIENT_WANT_SEND,
                     ESTOC_CLIENT_FAILED);
    assert_int_equal(estoc_client_error(&rig.c), err);
    assert_true(estoc_client_deadline(&rig.c) == ESTOC_NEVER);
}

static void assert_answer(uint16_t format, estoc_slice body)
{
    uint16_t got = 1;
    assert_true(estoc_slice_eq(estoc_client_answer(&rig.c, &got), body));
    assert_int_equal(got, format);
}

/* Up to the wait for the answer of /sen. */
static void reach_sen(void)
{
    rig_start(ESTOC_STEP_SEN);
    assert_int_equal(estoc_client_state(&rig.c), ESTOC_CLIENT_WANT_CSR);
    assert_int_equal(estoc_client_csr(&rig.c, rig.now, SLICE(csr)), 0);
    expect_request(ESTOC_COAP_POST, "/.well-known/est/sen");
}

/* Up to WANT_TRUST. */
static void reach_trust(unsigned steps)
{
    rig_start(steps);
    expect_request(ESTOC_COAP_GET, "/.well-known/est/crts");
    answer(ESTOC_COAP_CONTENT, ESTOC_FORMAT_CERTS, SLICE(some_certs));
    assert_int_equal(estoc_client_state(&rig.c), ESTOC_CLIENT_WANT_TRUST);
}

static void whole_run(void **state)
{
    (void)state;
    static const uint8_t attributes[] = {0x30, 0x00};
    reach_trust(ESTOC_STEP_CRTS | ESTOC_STEP_ATT | ESTOC_STEP_SEN);
    assert_answer(ESTOC_FORMAT_CERTS, SLICE(some_certs));
    assert_true(estoc_client_deadline(&rig.c) == ESTOC_NEVER);
    assert_int_equal(estoc_client_trusted(&rig.c, rig.now, true), 0);

    expect_request(ESTOC_COAP_GET, "/.well-known/est/att");
    assert_int_equal(option_of_request(ESTOC_OPT_ACCEPT), ESTOC_FORMAT_NONE);
    answer(ESTOC_COAP_CONTENT, ESTOC_FORMAT_CSRATTRS, SLICE(attributes));
    assert_int_equal(estoc_client_state(&rig.c), ESTOC_CLIENT_WANT_CSR);
    assert_answer(ESTOC_FORMAT_CSRATTRS, SLICE(attributes));

    assert_int_equal(estoc_client_csr(&rig.c, rig.now, SLICE(csr)), 0);
    expect_request(ESTOC_COAP_POST, "/.well-known/est/sen");
    assert_int_equal(option_of_request(ESTOC_OPT_CONTENT_FORMAT), ESTOC_FORMAT_PKCS10);
    assert_true(estoc_slice_eq(rig.req.payload, SLICE(csr)));
    answer(ESTOC_COAP_CHANGED, ESTOC_FORMAT_CERTS, SLICE(some_certs));
    assert_int_equal(estoc_client_state(&rig.c), ESTOC_CLIENT_WANT_INSTALL);
    assert_answer(ESTOC_FORMAT_CERTS, SLICE(some_certs));

    assert_int_equal(estoc_client_installed(&rig.c, rig.now, true), 0);
    assert_int_equal(estoc_client_state(&rig.c), ESTOC_CLIENT_DONE);
    assert_int_equal(estoc_client_error(&rig.c), 0);
    assert_int_equal(estoc_client_refusal(&rig.c)->code, 0);
    assert_int_equal(estoc_client_traffic(&rig.c)->sent, 3);
    assert_int_equal(estoc_client_traffic(&rig.c)->received, 3);
}

static void renewal_with_label_and_format(void **state)
{
    (void)state;
    rig_make(ESTOC_STEP_SREN);
    rig.cfg.root[0] = estoc_slice_str("e");
    rig.cfg.root_n = 1;
    rig.cfg.label = estoc_slice_str("plant7");
    rig.cfg.cert_format = ESTOC_FORMAT_CERT;
    assert_int_equal(estoc_client_start(&rig.c, rig.now, &rig.cfg), 0);
    assert_int_equal(estoc_client_csr(&rig.c, rig.now, SLICE(csr)), 0);
    expect_request(ESTOC_COAP_POST, "/e/plant7/sren");
    assert_int_equal(option_of_request(ESTOC_OPT_ACCEPT), ESTOC_FORMAT_CERT);
    answer(ESTOC_COAP_CHANGED, ESTOC_FORMAT_CERT, SLICE(some_certs));
    assert_answer(ESTOC_FORMAT_CERT, SLICE(some_certs));
    assert_int_equal(estoc_client_installed(&rig.c, rig.now, true), 0);
    assert_int_equal(estoc_client_state(&rig.c), ESTOC_CLIENT_DONE);
}

static void crts_alone(void **state)
{
    (void)state;
    reach_trust(ESTOC_STEP_CRTS);
    assert_int_equal(estoc_client_trusted(&rig.c, rig.now, true), 0);
    assert_int_equal(estoc_client_state(&rig.c), ESTOC_CLIENT_DONE);
    assert_answer(ESTOC_FORMAT_CERTS, SLICE(some_certs));
}

static void att_not_found(void **state)
{
    (void)state;
    rig_start(ESTOC_STEP_ATT | ESTOC_STEP_SEN);
    expect_request(ESTOC_COAP_GET, "/.well-known/est/att");
    answer(ESTOC_COAP_NOT_FOUND, none, estoc_slice_str("none"));
    assert_int_equal(estoc_client_state(&rig.c), ESTOC_CLIENT_WANT_CSR);
    assert_answer(ESTOC_FORMAT_NONE, estoc_slice_of(NULL, 0));
    assert_int_equal(estoc_client_refusal(&rig.c)->code, 0);
}

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

static void untrusted_anchors(void **state)
{
    (void)state;
    size_t len = 77;
    reach_trust(ESTOC_STEP_CRTS | ESTOC_STEP_SEN);
    assert_int_equal(estoc_client_trusted(&rig.c, rig.now, false), ESTOC_E_UNTRUSTED);
    assert_failed(ESTOC_E_UNTRUSTED);
    assert_int_equal(estoc_client_refusal(&rig.c)->code, 0);
    assert_int_equal(
        estoc_client_output(&rig.c, rig.now, (estoc_buf){rig.sent, sizeof rig.sent}, &len),
        ESTOC_E_UNTRUSTED);
    assert_int_equal(len, 0);
    /* not even a reset for a ping that comes now */
    const uint8_t ping[] = {0x40, 0x00, 0x12, 0x34};
    assert_int_equal(estoc_client_input(&rig.c, rig.now, SLICE(ping)), 0);
    assert_int_equal(estoc_client_state(&rig.c), ESTOC_CLIENT_FAILED);
    assert_int_equal(estoc_client_csr(&rig.c, rig.now, SLICE(csr)), ESTOC_E_STATE);
}

static void certificate_rejected(void **state)
{
    (void)state;
    reach_sen();
    answer(ESTOC_COAP_CHANGED, ESTOC_FORMAT_CERTS, SLICE(some_certs));
    assert_int_equal(estoc_client_installed(&rig.c, rig.now, false), ESTOC_E_UNTRUSTED);
    assert_failed(ESTOC_E_UNTRUSTED);
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

static void misuse(void **state)
{
    (void)state;
    rig_start(ESTOC_STEP_CRTS | ESTOC_STEP_SEN);
    /* every call that answers a wish nobody has expressed */
    assert_int_equal(estoc_client_trusted(&rig.c, rig.now, true), ESTOC_E_STATE);
    assert_int_equal(estoc_client_trusted(&rig.c, rig.now, false), ESTOC_E_STATE);
    assert_int_equal(estoc_client_csr(&rig.c, rig.now, SLICE(csr)), ESTOC_E_STATE);
    assert_int_equal(estoc_client_csr(&rig.c, rig.now, estoc_slice_of(NULL, 0)), ESTOC_E_STATE);
    assert_int_equal(estoc_client_installed(&rig.c, rig.now, true), ESTOC_E_STATE);
    assert_int_equal(estoc_client_installed(&rig.c, rig.now, false), ESTOC_E_STATE);
    expect_request(ESTOC_COAP_GET, "/.well-known/est/crts");
    answer(ESTOC_COAP_CONTENT, ESTOC_FORMAT_CERTS, SLICE(some_certs));
    assert_int_equal(estoc_client_csr(&rig.c, rig.now, SLICE(csr)), ESTOC_E_STATE);
    assert_int_equal(estoc_client_trusted(&rig.c, rig.now, true), 0);
    assert_int_equal(estoc_client_trusted(&rig.c, rig.now, true), ESTOC_E_STATE);
    assert_int_equal(estoc_client_state(&rig.c), ESTOC_CLIENT_WANT_CSR);
    assert_int_equal(estoc_client_csr(&rig.c, rig.now, estoc_slice_of(csr, 0)), ESTOC_E_USAGE);
    assert_int_equal(estoc_client_state(&rig.c), ESTOC_CLIENT_WANT_CSR);
    assert_int_equal(estoc_client_csr(&rig.c, rig.now, SLICE(csr)), 0);
}

static void start_refuses(void **state)
{
    (void)state;
    static const unsigned bad_steps[] = {0, 16, ESTOC_STEP_SEN | ESTOC_STEP_SREN};
    for (size_t i = 0; i < sizeof bad_steps / sizeof bad_steps[0]; i++) {
        rig_make(bad_steps[i]);
        assert_int_equal(estoc_client_start(&rig.c, rig.now, &rig.cfg), ESTOC_E_USAGE);
        assert_int_equal(estoc_client_state(&rig.c), 0);
    }
    rig_make(ESTOC_STEP_CRTS);
    rig.cfg.root_n = ESTOC_CALL_PATH_MAX - 1;
    assert_int_equal(estoc_client_start(&rig.c, rig.now, &rig.cfg), ESTOC_E_USAGE);
    rig_make(ESTOC_STEP_CRTS);
    rig.cfg.room.cap = 1023;
    assert_int_equal(estoc_client_start(&rig.c, rig.now, &rig.cfg), ESTOC_E_USAGE);
    rig_make(ESTOC_STEP_CRTS);
    rig.cfg.room.ptr = NULL;
    assert_int_equal(estoc_client_start(&rig.c, rig.now, &rig.cfg), ESTOC_E_USAGE);
    rig_make(ESTOC_STEP_CRTS);
    rig.cfg.cert_format = ESTOC_FORMAT_PKCS8;
    assert_int_equal(estoc_client_start(&rig.c, rig.now, &rig.cfg), ESTOC_E_USAGE);
    rig_make(ESTOC_STEP_CRTS);
    rig.cfg.requester.random.fill = fill_fails;
    assert_int_equal(estoc_client_start(&rig.c, rig.now, &rig.cfg), ESTOC_E_RANDOM);
}

static void path_that_does_not_fit(void **state)
{
    (void)state;
    static char segment[256];
    memset(segment, 'x', sizeof segment - 1);
    rig_make(ESTOC_STEP_CRTS);
    rig.cfg.requester.message_max = 64;
    rig.cfg.root[0] = estoc_slice_str(segment);
    assert_int_equal(estoc_client_start(&rig.c, rig.now, &rig.cfg), ESTOC_E_SPACE);
}

/* A zeroed object, and one whose start failed, refuse everything and say nothing. */
static void unused(void **state)
{
    (void)state;
    size_t len = 77;
    uint16_t format = 1;
    static const uint8_t ping[] = {0x40, 0x00, 0x12, 0x34};
    rig_make(0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(estoc_client_state(&rig.c), 0);
        assert_int_equal(estoc_client_input(&rig.c, 0, SLICE(ping)), 0);
        assert_int_equal(
            estoc_client_output(&rig.c, 0, (estoc_buf){rig.sent, sizeof rig.sent}, &len), 0);
        assert_int_equal(len, 0);
        assert_true(estoc_client_deadline(&rig.c) == ESTOC_NEVER);
        assert_int_equal(estoc_client_trusted(&rig.c, 0, true), ESTOC_E_STATE);
        assert_int_equal(estoc_client_csr(&rig.c, 0, SLICE(csr)), ESTOC_E_STATE);
        assert_int_equal(estoc_client_installed(&rig.c, 0, true), ESTOC_E_STATE);
        assert_int_equal(estoc_client_answer(&rig.c, &format).len, 0);
        assert_int_equal(estoc_client_refusal(&rig.c)->code, 0);
        assert_int_equal(estoc_client_wait_s(&rig.c, 0), 0);
        assert_int_equal(estoc_client_start(&rig.c, 0, &rig.cfg), ESTOC_E_USAGE);
    }
}

static void small_output_buffer(void **state)
{
    (void)state;
    size_t len = 77;
    uint8_t small[8];
    rig_start(ESTOC_STEP_CRTS);
    assert_int_equal(estoc_client_output(&rig.c, rig.now, (estoc_buf){small, sizeof small}, &len),
                     ESTOC_E_SPACE);
    assert_int_equal(len, 0);
    expect_request(ESTOC_COAP_GET, "/.well-known/est/crts"); /* nothing is lost by it */
}

int main(void)
{
    /* clang-format off */
    const struct CMUnitTest tests[] = {
        {"K2 crts, att, sen, install in this order",               whole_run, NULL, NULL, NULL},
        {"sren with root, label and format 287",      renewal_with_label_and_format, NULL, NULL, NULL},
        {"crts alone ends with its answer",                        crts_alone, NULL, NULL, NULL},
        {"E3 4.04 on att means nothing is asked",                  att_not_found, NULL, NULL, NULL},
        {"C4 4.04 on crts is a refusal with the server's words",   crts_not_found, NULL, NULL, NULL},
        {"K1 trusted(false) ends the run in silence",              untrusted_anchors, NULL, NULL, NULL},
        {"K2 installed(false) fails",                              certificate_rejected, NULL, NULL, NULL},
        {"K3 5.03 is waited out, then the identical request",      waits_max_age, NULL, NULL, NULL},
        {"K3 the sum of waits is bounded",                         wait_sum_is_bounded, NULL, NULL, NULL},
        {"246 Max-Age 0 does not spin",                max_age_zero_does_not_spin, NULL, NULL, NULL},
        {"246 Max-Age 2^32-1 does not wrap",                       max_age_huge, NULL, NULL, NULL},
        {"K3 no wait allowed: later",                              no_wait_allowed, NULL, NULL, NULL},
        {"C5 each refusal and wrong code",                         refusals, NULL, NULL, NULL},
        {"C5 2.04 to a GET is a fault",                  get_answered_like_a_post, NULL, NULL, NULL},
        {"E1 unexpected or missing Content-Format",                wrong_formats, NULL, NULL, NULL},
        {"C6 nobody answers",                                      nobody_answers, NULL, NULL, NULL},
        {"RST ends the run",                                       reset_by_peer, NULL, NULL, NULL},
        {"L1 a separate answer is acknowledged, twice", separate_answer_is_acknowledged, NULL, NULL, NULL},
        {"datagrams that do not belong to the exchange",           foreign_datagrams, NULL, NULL, NULL},
        {"244 an answer larger than the room",                     answer_too_large, NULL, NULL, NULL},
        {"calls out of turn",                                      misuse, NULL, NULL, NULL},
        {"start refuses a bad configuration",                      start_refuses, NULL, NULL, NULL},
        {"start refuses a path that does not fit",         path_that_does_not_fit, NULL, NULL, NULL},
        {"a zeroed client refuses everything",                     unused, NULL, NULL, NULL},
        {"a small output buffer",                                  small_output_buffer, NULL, NULL, NULL},
    };
    /* clang-format on */
    return cmocka_run_group_tests_name("client", tests, NULL, NULL);
}
