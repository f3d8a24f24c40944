/* SPDX-License-Identifier: MIT */
#include "client/client_rig.h"

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

/* E5: whatever certificates come in, a key and its certificate have one format only. */
static void key_of_the_server(void **state)
{
    (void)state;
    static const struct {
        unsigned step;
        const char *path;
    } rows[] = {{ESTOC_STEP_SKG, "/.well-known/est/skg"}, {ESTOC_STEP_SKC, "/.well-known/est/skc"}};
    for (size_t i = 0; i < 2; i++) {
        rig_make(rows[i].step);
        rig.cfg.cert_format = ESTOC_FORMAT_CERT;
        assert_int_equal(estoc_client_start(&rig.c, rig.now, &rig.cfg), 0);
        assert_int_equal(estoc_client_csr(&rig.c, rig.now, SLICE(csr)), 0);
        expect_request(ESTOC_COAP_POST, rows[i].path);
        assert_int_equal(option_of_request(ESTOC_OPT_CONTENT_FORMAT), ESTOC_FORMAT_PKCS10);
        assert_int_equal(option_of_request(ESTOC_OPT_ACCEPT), ESTOC_FORMAT_NONE);
        answer(ESTOC_COAP_CHANGED, ESTOC_FORMAT_MULTIPART, SLICE(some_certs));
        assert_int_equal(estoc_client_state(&rig.c), ESTOC_CLIENT_WANT_INSTALL);
        assert_answer(ESTOC_FORMAT_MULTIPART, SLICE(some_certs));
        assert_int_equal(estoc_client_installed(&rig.c, rig.now, true), 0);
        assert_int_equal(estoc_client_state(&rig.c), ESTOC_CLIENT_DONE);
    }
    rig_make(ESTOC_STEP_SKG);
    assert_int_equal(estoc_client_start(&rig.c, rig.now, &rig.cfg), 0);
    assert_int_equal(estoc_client_csr(&rig.c, rig.now, SLICE(csr)), 0);
    expect_request(ESTOC_COAP_POST, "/.well-known/est/skg");
    assert_int_equal(answer_with(ESTOC_COAP_CHANGED, ESTOC_FORMAT_CERTS, none, SLICE(some_certs)),
                     ESTOC_E_FORMAT);
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
    static const unsigned bad_steps[] = {0, 64, ESTOC_STEP_SEN | ESTOC_STEP_SREN,
                                         ESTOC_STEP_SKG | ESTOC_STEP_SKC,
                                         ESTOC_STEP_CRTS | ESTOC_STEP_SEN | ESTOC_STEP_SKC};
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
    const struct CMUnitTest tests[] = {
        TEST("K2 crts, att, sen, install in this order", whole_run),
        TEST("sren with root, label and format 287", renewal_with_label_and_format),
        TEST("crts alone ends with its answer", crts_alone),
        TEST("E3 4.04 on att means nothing is asked", att_not_found),
        TEST("K1 trusted(false) ends the run in silence", untrusted_anchors),
        TEST("K2 installed(false) fails", certificate_rejected),
        TEST("calls out of turn", misuse),
        TEST("start refuses a bad configuration", start_refuses),
        TEST("E5 a key that the server makes: one format, no Accept", key_of_the_server),
        TEST("start refuses a path that does not fit", path_that_does_not_fit),
        TEST("a zeroed client refuses everything", unused),
        TEST("a small output buffer", small_output_buffer),
    };
    return cmocka_run_group_tests_name("client", tests, NULL, NULL);
}
