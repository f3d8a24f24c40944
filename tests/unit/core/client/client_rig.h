/* SPDX-License-Identifier: MIT
 *
 * The server's side is a script: the test reads what the client sent, and answers with bytes.
 */
#ifndef TESTS_CLIENT_RIG_H
#define TESTS_CLIENT_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <estoc/block.h>
#include <estoc/client.h>

static uint8_t counter;

static inline bool fill(void *ctx, uint8_t *out, size_t len)
{
    (void)ctx;
    for (size_t i = 0; i < len; i++) {
        out[i] = ++counter;
    }
    return true;
}

static inline bool fill_fails(void *ctx, uint8_t *out, size_t len)
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

static inline void rig_make(unsigned steps)
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

static inline void rig_start(unsigned steps)
{
    rig_make(steps);
    assert_int_equal(estoc_client_start(&rig.c, rig.now, &rig.cfg), 0);
}

static inline size_t take(void)
{
    size_t len = 77;
    assert_int_equal(
        estoc_client_output(&rig.c, rig.now, (estoc_buf){rig.sent, sizeof rig.sent}, &len), 0);
    return len;
}

/* The client's next message must be a confirmable request with this method and path. */
static inline void expect_request(uint8_t method, const char *path)
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

static inline uint32_t option_of_request(uint16_t number)
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
static inline estoc_err answer_with(uint8_t code, uint64_t format, uint64_t max_age,
                                    estoc_slice body)
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

static inline void answer(uint8_t code, uint64_t format, estoc_slice body)
{
    assert_int_equal(answer_with(code, format, none, body), 0);
}

static inline void assert_failed(estoc_err err)
{
    assert_int_equal(estoc_client_state(&rig.c) & ~(unsigned)ESTOC_CLIENT_WANT_SEND,
                     ESTOC_CLIENT_FAILED);
    assert_int_equal(estoc_client_error(&rig.c), err);
    assert_true(estoc_client_deadline(&rig.c) == ESTOC_NEVER);
}

static inline void assert_answer(uint16_t format, estoc_slice body)
{
    uint16_t got = 1;
    assert_true(estoc_slice_eq(estoc_client_answer(&rig.c, &got), body));
    assert_int_equal(got, format);
}

/* Up to the wait for the answer of /sen. */
static inline void reach_sen(void)
{
    rig_start(ESTOC_STEP_SEN);
    assert_int_equal(estoc_client_state(&rig.c), ESTOC_CLIENT_WANT_CSR);
    assert_int_equal(estoc_client_csr(&rig.c, rig.now, SLICE(csr)), 0);
    expect_request(ESTOC_COAP_POST, "/.well-known/est/sen");
}

/* Up to WANT_TRUST. */
static inline void reach_trust(unsigned steps)
{
    rig_start(steps);
    expect_request(ESTOC_COAP_GET, "/.well-known/est/crts");
    answer(ESTOC_COAP_CONTENT, ESTOC_FORMAT_CERTS, SLICE(some_certs));
    assert_int_equal(estoc_client_state(&rig.c), ESTOC_CLIENT_WANT_TRUST);
}

#define TEST(name, function)             \
    {                                    \
        name, function, NULL, NULL, NULL \
    }

#endif
