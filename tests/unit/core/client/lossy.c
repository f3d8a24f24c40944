/* SPDX-License-Identifier: MIT
 *
 * The client and a responder in one process, a virtual clock, and a link between them that loses,
 * repeats and delays datagrams. Each run is repeatable by its seed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <estoc/estoc.h>

enum { ON_THE_WAY = 16, CSR_LEN = 900, CERT_LEN = 1100 };

struct datagram {
    estoc_ms at; /* when it arrives; 0: this place is free */
    bool to_server;
    size_t len;
    uint8_t bytes[ESTOC_MESSAGE_MAX];
};

struct world {
    estoc_ms now, answer_at; /* ESTOC_NEVER: nothing to answer */
    uint32_t random;
    unsigned loss, again; /* per cent */
    uint32_t delay_ms;    /* longest */
    estoc_client client;
    estoc_responder server;
    uint8_t room[2048], replies[4096], body[4096];
    struct datagram link[ON_THE_WAY];
    unsigned crts, att, sen, issued; /* requests that were served */
    bool later;                      /* the first /sen gets 5.03 */
};

static struct world w;
static uint8_t csr[CSR_LEN], cert[CERT_LEN];

static uint32_t roll(uint32_t below)
{
    w.random = w.random * 1664525u + 1013904223u;
    return (w.random >> 8) % below;
}

static bool fill(void *ctx, uint8_t *out, size_t len)
{
    (void)ctx;
    for (size_t i = 0; i < len; i++) {
        out[i] = (uint8_t)roll(256);
    }
    return true;
}

/* ---- the server ---- */

static bool admit(void *ctx, const estoc_request *req, estoc_answer *refusal)
{
    (void)ctx;
    (void)req;
    (void)refusal;
    return true;
}

static bool body_room(void *ctx, size_t need, estoc_buf *body)
{
    (void)ctx;
    *body = (estoc_buf){w.body, sizeof w.body};
    return need <= sizeof w.body;
}

static void body_put(void *ctx, estoc_buf body)
{
    (void)ctx;
    (void)body;
}

static void answer_put(void *ctx, void *owner)
{
    (void)ctx;
    (void)owner;
}

static const estoc_responder_ops ops = {admit, body_room, body_put, answer_put};

static void answer_sen(const estoc_request *req, estoc_answer *a)
{
    assert_true(estoc_slice_eq(req->body, estoc_slice_of(csr, sizeof csr)));
    w.sen++;
    if (w.later) {
        w.later = false;
        *a = (estoc_answer){.code = ESTOC_COAP_UNAVAILABLE,
                            .format = ESTOC_FORMAT_NONE,
                            .has_max_age = true,
                            .max_age_s = 30};
        return;
    }
    w.issued++;
    *a = (estoc_answer){.code = ESTOC_COAP_CHANGED,
                        .format = ESTOC_FORMAT_CERTS,
                        .body = estoc_slice_of(cert, sizeof cert)};
}

static void serve(void)
{
    const estoc_request *req = estoc_responder_request(&w.server);
    assert_non_null(req);
    estoc_slice name = req->path[req->path_n - 1];
    estoc_answer a = {.code = ESTOC_COAP_NOT_FOUND, .format = ESTOC_FORMAT_NONE};
    if (estoc_slice_eq(name, estoc_slice_str("sen"))) {
        answer_sen(req, &a);
    } else if (estoc_slice_eq(name, estoc_slice_str("crts"))) {
        w.crts++;
        a = (estoc_answer){.code = ESTOC_COAP_CONTENT,
                           .format = ESTOC_FORMAT_CERTS,
                           .body = estoc_slice_of(cert, 700)};
    } else {
        w.att++;
    }
    w.answer_at = ESTOC_NEVER;
    assert_int_equal(estoc_responder_answer(&w.server, w.now, &a), 0);
}

/* ---- the link ---- */

static void post(bool to_server, const uint8_t *bytes, size_t len)
{
    if (roll(100) < w.loss) {
        return;
    }
    unsigned copies = roll(100) < w.again ? 2 : 1;
    for (size_t i = 0; i < ON_THE_WAY && copies > 0; i++) {
        if (w.link[i].at == 0) {
            w.link[i].at = w.now + 1 + roll(w.delay_ms);
            w.link[i].to_server = to_server;
            w.link[i].len = len;
            memcpy(w.link[i].bytes, bytes, len);
            copies--;
        }
    }
}

static void client_gives(void)
{
    uint8_t dg[ESTOC_MESSAGE_MAX];
    size_t len;
    while (!estoc_client_output(&w.client, w.now, (estoc_buf){dg, sizeof dg}, &len) && len > 0) {
        post(true, dg, len);
    }
}

static void server_gives(void)
{
    uint8_t dg[ESTOC_MESSAGE_MAX];
    size_t len;
    while (!estoc_responder_output(&w.server, w.now, (estoc_buf){dg, sizeof dg}, &len) && len > 0) {
        post(false, dg, len);
    }
}

static void deliver(struct datagram *d)
{
    estoc_slice dg = estoc_slice_of(d->bytes, d->len);
    d->at = 0;
    if (!d->to_server) {
        (void)!estoc_client_input(&w.client, w.now, dg);
        return;
    }
    assert_int_equal(estoc_responder_input(&w.server, w.now, dg), 0);
    bool asked = (estoc_responder_state(&w.server) & ESTOC_RESPONDER_REQUEST) != 0;
    if (asked && w.answer_at == ESTOC_NEVER) {
        w.answer_at = w.now + (roll(3) == 0 ? 4000 : 0); /* some answers are separate: L1 */
    }
}

static estoc_ms earlier(estoc_ms a, estoc_ms b)
{
    return a < b ? a : b;
}

static void step(void)
{
    estoc_ms due = earlier(estoc_client_deadline(&w.client), estoc_responder_deadline(&w.server));
    due = earlier(due, w.answer_at);
    for (size_t i = 0; i < ON_THE_WAY; i++) {
        due = w.link[i].at > 0 ? earlier(due, w.link[i].at) : due;
    }
    assert_true(due != ESTOC_NEVER);
    w.now = due > w.now ? due : w.now;
    for (size_t i = 0; i < ON_THE_WAY; i++) {
        if (w.link[i].at > 0 && w.link[i].at <= w.now) {
            deliver(&w.link[i]);
            server_gives();
            client_gives();
        }
    }
    if (w.answer_at <= w.now) {
        serve();
    }
    server_gives();
    client_gives();
}

static bool on_the_way(void)
{
    for (size_t i = 0; i < ON_THE_WAY; i++) {
        if (w.link[i].at > 0) {
            return true;
        }
    }
    return false;
}

/* ---- runs ---- */

static void begin(uint32_t seed)
{
    memset(&w, 0, sizeof w);
    w.now = 1000;
    w.answer_at = ESTOC_NEVER;
    w.random = seed * 2654435761u;
    w.delay_ms = 100;
    estoc_responder_cfg server = {.ops = &ops,
                                  .random = {NULL, fill},
                                  .tx = estoc_transmission_default(),
                                  .replies = {w.replies, sizeof w.replies},
                                  .message_max = 1200};
    assert_int_equal(estoc_responder_init(&w.server, &server), 0);
    estoc_client_cfg cfg = {.requester = {.random = {NULL, fill},
                                          .tx = estoc_transmission_default(),
                                          .message_max = 1200,
                                          .szx = (uint8_t)(2 + seed % 5)},
                            .root_n = 1,
                            .steps = ESTOC_STEP_CRTS | ESTOC_STEP_ATT | ESTOC_STEP_SEN,
                            .cert_format = ESTOC_FORMAT_NONE,
                            .room = {w.room, sizeof w.room},
                            .wait_max_s = 600};
    cfg.root[0] = estoc_slice_str("est");
    for (size_t i = 0; i < sizeof csr; i++) {
        csr[i] = (uint8_t)(i * 7);
    }
    for (size_t i = 0; i < sizeof cert; i++) {
        cert[i] = (uint8_t)(i * 11 + (i >> 8));
    }
    assert_int_equal(estoc_client_start(&w.client, w.now, &cfg), 0);
}

static void assert_answer(size_t len)
{
    uint16_t format;
    estoc_slice got = estoc_client_answer(&w.client, &format);
    assert_int_equal(format, ESTOC_FORMAT_CERTS);
    assert_true(estoc_slice_eq(got, estoc_slice_of(cert, len)));
}

/* @return whether it came to an end with a certificate; else it timed out */
static bool enroll(void)
{
    for (int turn = 0; turn < 20000; turn++) {
        unsigned state = estoc_client_state(&w.client);
        if ((state & ESTOC_CLIENT_DONE) != 0) {
            return true;
        }
        if ((state & ESTOC_CLIENT_FAILED) != 0) {
            assert_int_equal(estoc_client_error(&w.client), ESTOC_E_TIMEOUT);
            return false;
        }
        if ((state & ESTOC_CLIENT_WANT_TRUST) != 0) {
            assert_answer(700);
            assert_int_equal(estoc_client_trusted(&w.client, w.now, true), 0);
        } else if ((state & ESTOC_CLIENT_WANT_CSR) != 0) {
            assert_int_equal(estoc_client_csr(&w.client, w.now, estoc_slice_of(csr, sizeof csr)),
                             0);
        } else if ((state & ESTOC_CLIENT_WANT_INSTALL) != 0) {
            assert_answer(sizeof cert);
            assert_int_equal(estoc_client_installed(&w.client, w.now, true), 0);
        } else {
            step();
        }
    }
    fail_msg("no end in sight");
    return false;
}

static void nothing_lost(void **state)
{
    (void)state;
    for (uint32_t seed = 0; seed < 10; seed++) {
        begin(seed);
        assert_true(enroll());
        while (on_the_way()) { /* the last acknowledgement */
            step();
        }
        assert_int_equal(w.crts, 1);
        assert_int_equal(w.att, 1);
        assert_int_equal(w.sen, 1);
        const estoc_traffic *t = estoc_client_traffic(&w.client);
        assert_int_equal(t->sent, w.server.traffic.received);
        assert_int_equal(t->received, w.server.traffic.sent);
    }
}

static void waited_out(void **state)
{
    (void)state;
    begin(3);
    w.later = true;
    assert_true(enroll());
    assert_int_equal(w.sen, 2);
    assert_int_equal(w.issued, 1);
    assert_true(w.now >= 31000);
}

/* However often a request and its answer are repeated or overtaken, it is served once: C1. */
static void much_lost(void **state)
{
    (void)state;
    unsigned done = 0;
    for (uint32_t seed = 1; seed <= 500; seed++) {
        begin(seed);
        w.loss = 20;
        w.again = 10;
        w.later = seed % 2 == 0;
        bool ended = enroll();
        done += ended;
        assert_true(w.crts <= 1 && w.att <= 1 && w.issued <= 1);
        assert_int_equal(ended ? w.issued : 1, 1);
    }
    /* of some 30 messages each is lost for good with probability 0.36^5 */
    assert_true(done > 350);
}

/* Later than the first retransmissions: copies and answers cross. */
static void slow_link(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 200; seed++) {
        begin(seed);
        w.delay_ms = 5000;
        w.again = 5;
        assert_true(enroll());
        assert_int_equal(w.issued, 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"K2 an enrollment with nothing lost", nothing_lost, NULL, NULL, NULL},
        {"K3 5.03 is waited out", waited_out, NULL, NULL, NULL},
        {"C1 C6 much is lost", much_lost, NULL, NULL, NULL},
        {"C1 C6 a slow link", slow_link, NULL, NULL, NULL},
    };
    return cmocka_run_group_tests_name("client lossy", tests, NULL, NULL);
}
