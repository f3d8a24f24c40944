/* SPDX-License-Identifier: MIT
 *
 * The client against the real responder in one process: a scripted application behind it, a virtual
 * clock, and a link that may lose datagrams.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <estoc/estoc.h>

#define SEEN_MAX 32

/* One answer of the scripted application, in the order the requests come. */
struct line {
    const char *name; /* last path segment expected */
    uint8_t code;
    uint16_t format;
    const char *body;
    bool has_max_age;
    uint32_t max_age_s;
};

struct world {
    estoc_ms now;
    uint32_t seed;
    unsigned loss_percent;
    unsigned sent; /* datagrams the client gave */
    estoc_client client;
    uint8_t room[2048];
    estoc_responder server;
    uint8_t replies[4096];
    uint8_t body[4096];
    const struct line *script;
    size_t script_n, script_at;
    struct {
        char path[64];
        uint16_t format, accept;
        uint8_t body[1500];
        size_t body_len;
        estoc_ms at;
    } seen[SEEN_MAX];
    size_t seen_n;
};

static struct world w; /* large; a test starts it anew */

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

static bool fill(void *ctx, uint8_t *out, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        out[i] = (uint8_t)next_random(ctx);
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

static bool admit(void *ctx, const estoc_request *req, estoc_answer *refusal)
{
    (void)ctx;
    (void)req;
    (void)refusal;
    return true;
}

static bool body_room(void *ctx, size_t need, estoc_buf *body)
{
    struct world *world = ctx;
    *body = (estoc_buf){world->body, sizeof world->body};
    return need <= sizeof world->body;
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

static void begin_server(const struct line *script, size_t n)
{
    memset(&w, 0, sizeof w);
    w.now = 5000;
    w.seed = 7;
    w.script = script;
    w.script_n = n;
    estoc_responder_cfg cfg = {.ops = &ops,
                               .ctx = &w,
                               .random = {&w.seed, fill},
                               .tx = estoc_transmission_default(),
                               .replies = {w.replies, sizeof w.replies},
                               .message_max = 1200};
    assert_int_equal(estoc_responder_init(&w.server, &cfg), ESTOC_OK);
}

static estoc_client_cfg config(unsigned steps)
{
    estoc_client_cfg cfg = {.requester = {.random = {&w.seed, fill},
                                          .tx = estoc_transmission_default(),
                                          .message_max = 1200,
                                          .szx = 6},
                            .root_n = 2,
                            .steps = steps,
                            .cert_format = ESTOC_FORMAT_NONE,
                            .room = {w.room, sizeof w.room},
                            .wait_max_s = 600};
    cfg.root[0] = estoc_slice_str(".well-known");
    cfg.root[1] = estoc_slice_str("est");
    return cfg;
}

static void begin(unsigned steps, const struct line *script, size_t n)
{
    begin_server(script, n);
    estoc_client_cfg cfg = config(steps);
    assert_int_equal(estoc_client_start(&w.client, w.now, &cfg), ESTOC_OK);
}

static void note(const estoc_request *req)
{
    assert_true(w.seen_n < SEEN_MAX);
    size_t len = 0;
    for (size_t i = 0; i < req->path_n; i++) {
        w.seen[w.seen_n].path[len++] = '/';
        memcpy(w.seen[w.seen_n].path + len, req->path[i].ptr, req->path[i].len);
        len += req->path[i].len;
    }
    w.seen[w.seen_n].format = req->content_format;
    w.seen[w.seen_n].accept = req->accept;
    assert_true(req->body.len <= sizeof w.seen[0].body);
    if (req->body.len > 0) {
        memcpy(w.seen[w.seen_n].body, req->body.ptr, req->body.len);
    }
    w.seen[w.seen_n].body_len = req->body.len;
    w.seen[w.seen_n++].at = w.now;
}

static void serve(void)
{
    const estoc_request *req = estoc_responder_request(&w.server);
    assert_true(w.script_at < w.script_n);
    const struct line *line = &w.script[w.script_at++];
    assert_true(estoc_slice_eq(req->path[req->path_n - 1], estoc_slice_str(line->name)));
    note(req);
    estoc_answer answer = {.code = line->code,
                           .format = line->format,
                           .body = estoc_slice_str(line->body),
                           .has_max_age = line->has_max_age,
                           .max_age_s = line->max_age_s};
    assert_int_equal(estoc_responder_answer(&w.server, w.now, &answer), ESTOC_OK);
}

static bool lost(void)
{
    return next_random(&w.seed) % 100 < w.loss_percent;
}

static void server_sends(void)
{
    uint8_t dg[1280];
    size_t len = 0;
    while (estoc_responder_output(&w.server, w.now, (estoc_buf){dg, sizeof dg}, &len) == 0 &&
           len > 0) {
        if (!lost()) {
            (void)!estoc_client_input(&w.client, w.now, estoc_slice_of(dg, len));
        }
    }
}

static void client_sends(void)
{
    uint8_t dg[1280];
    size_t len = 0;
    (void)!estoc_client_output(&w.client, w.now, (estoc_buf){dg, sizeof dg}, &len);
    if (len == 0) {
        return;
    }
    w.sent++;
    if (lost()) {
        return;
    }
    assert_int_equal(estoc_responder_input(&w.server, w.now, estoc_slice_of(dg, len)), ESTOC_OK);
    if ((estoc_responder_state(&w.server) & ESTOC_RESPONDER_REQUEST) != 0) {
        serve();
    }
    server_sends();
}

/* Until the client wants something of its owner, or has ended. @return its state */
static unsigned run(void)
{
    for (int turn = 0; turn < 100000; turn++) {
        unsigned state = estoc_client_state(&w.client);
        if ((state & ESTOC_CLIENT_WANT_SEND) != 0) {
            client_sends();
            continue;
        }
        if ((state & ESTOC_CLIENT_WAITING) == 0) {
            return state;
        }
        estoc_ms due = estoc_client_deadline(&w.client);
        assert_true(due != ESTOC_NEVER);
        w.now = due > w.now ? due : w.now;
        client_sends();
    }
    fail_msg("no end in sight");
    return 0;
}

static void assert_answer(const char *body, uint16_t format)
{
    uint16_t got = 0;
    estoc_slice answer = estoc_client_answer(&w.client, &got);
    assert_int_equal(got, format);
    assert_true(estoc_slice_eq(answer, estoc_slice_str(body)));
}

/* clang-format off */
#define CRTS_OK { .name = "crts", .code = ESTOC_COAP_CONTENT, .format = ESTOC_FORMAT_CERTS, .body = "anchors" }
#define ATT_OK  { .name = "att", .code = ESTOC_COAP_CONTENT, .format = ESTOC_FORMAT_CSRATTRS, .body = "attributes" }
#define SEN_OK  { .name = "sen", .code = ESTOC_COAP_CHANGED, .format = ESTOC_FORMAT_CERTS, .body = "certificate" }
#define SREN_OK { .name = "sren", .code = ESTOC_COAP_CHANGED, .format = ESTOC_FORMAT_CERTS, .body = "renewed" }
#define ERROR(n, c) { .name = (n), .code = (c), .format = ESTOC_FORMAT_NONE, .body = "as it was said" }
#define WAIT(n, c, age) { .name = (n), .code = (c), .format = ESTOC_FORMAT_NONE, .body = "later", .has_max_age = true, .max_age_s = (age) }
/* clang-format on */
#define LINES(script) (script), sizeof(script) / sizeof *(script)
#define ENROLL        (ESTOC_STEP_CRTS | ESTOC_STEP_ATT | ESTOC_STEP_SEN)

static void enrolls(void **unused)
{
    (void)unused;
    static const struct line script[] = {CRTS_OK, ATT_OK, SEN_OK};
    begin(ENROLL, LINES(script));
    assert_int_equal(run(), ESTOC_CLIENT_WANT_TRUST);
    assert_answer("anchors", ESTOC_FORMAT_CERTS);
    assert_int_equal(w.seen_n, 1); /* no request goes out before trusted() */
    assert_int_equal(estoc_client_trusted(&w.client, w.now, true), ESTOC_OK);
    assert_int_equal(run(), ESTOC_CLIENT_WANT_CSR);
    assert_answer("attributes", ESTOC_FORMAT_CSRATTRS);
    assert_int_equal(estoc_client_csr(&w.client, w.now, estoc_slice_str("request")), ESTOC_OK);
    assert_int_equal(run(), ESTOC_CLIENT_WANT_INSTALL);
    assert_answer("certificate", ESTOC_FORMAT_CERTS);
    assert_int_equal(estoc_client_installed(&w.client, w.now, true), ESTOC_OK);
    assert_int_equal(run(), ESTOC_CLIENT_DONE);
    assert_int_equal(estoc_client_error(&w.client), ESTOC_OK);
    assert_int_equal(estoc_client_refusal(&w.client)->code, 0);
    assert_int_equal(estoc_client_deadline(&w.client), ESTOC_NEVER);
    assert_string_equal(w.seen[0].path, "/.well-known/est/crts");
    assert_string_equal(w.seen[1].path, "/.well-known/est/att");
    assert_string_equal(w.seen[2].path, "/.well-known/est/sen");
    assert_int_equal(w.seen[2].format, ESTOC_FORMAT_PKCS10);
    assert_int_equal(w.seen[2].accept, ESTOC_FORMAT_NONE);
    assert_memory_equal(w.seen[2].body, "request", 7);
    assert_int_equal(estoc_client_traffic(&w.client)->sent, 3);
}

static void renews_under_a_label(void **unused)
{
    (void)unused;
    static const struct line script[] = {SREN_OK};
    begin_server(LINES(script));
    estoc_client_cfg cfg = config(ESTOC_STEP_SREN);
    cfg.root[0] = estoc_slice_str("est");
    cfg.root_n = 1;
    cfg.label = estoc_slice_str("meters");
    assert_int_equal(estoc_client_start(&w.client, w.now, &cfg), ESTOC_OK);
    assert_int_equal(run(), ESTOC_CLIENT_WANT_CSR);
    assert_answer("", ESTOC_FORMAT_NONE);
    assert_int_equal(estoc_client_csr(&w.client, w.now, estoc_slice_str("request")), ESTOC_OK);
    assert_int_equal(run(), ESTOC_CLIENT_WANT_INSTALL);
    assert_answer("renewed", ESTOC_FORMAT_CERTS);
    assert_string_equal(w.seen[0].path, "/est/meters/sren");
}

static void makes_only_the_steps_asked_for(void **unused)
{
    (void)unused;
    static const struct line crts[] = {CRTS_OK};
    begin(ESTOC_STEP_CRTS, LINES(crts));
    assert_int_equal(run(), ESTOC_CLIENT_WANT_TRUST);
    assert_int_equal(estoc_client_trusted(&w.client, w.now, true), ESTOC_OK);
    assert_int_equal(run(), ESTOC_CLIENT_DONE);
    assert_answer("anchors", ESTOC_FORMAT_CERTS);
    static const struct line att[] = {ATT_OK};
    begin(ESTOC_STEP_ATT, LINES(att));
    assert_int_equal(run(), ESTOC_CLIENT_DONE);
    assert_answer("attributes", ESTOC_FORMAT_CSRATTRS);
    static const struct line both[] = {CRTS_OK, SEN_OK};
    begin(ESTOC_STEP_CRTS | ESTOC_STEP_SEN, LINES(both));
    assert_int_equal(run(), ESTOC_CLIENT_WANT_TRUST);
    assert_int_equal(estoc_client_trusted(&w.client, w.now, true), ESTOC_OK);
    assert_int_equal(estoc_client_state(&w.client), ESTOC_CLIENT_WANT_CSR);
}

static void untrusted_ends_in_silence(void **unused)
{
    (void)unused;
    static const struct line script[] = {CRTS_OK};
    begin(ENROLL, LINES(script));
    assert_int_equal(run(), ESTOC_CLIENT_WANT_TRUST);
    unsigned sent = w.sent;
    assert_int_equal(estoc_client_trusted(&w.client, w.now, false), ESTOC_E_UNTRUSTED);
    assert_int_equal(estoc_client_state(&w.client), ESTOC_CLIENT_FAILED);
    assert_int_equal(estoc_client_error(&w.client), ESTOC_E_UNTRUSTED);
    assert_int_equal(estoc_client_refusal(&w.client)->code, 0);
    /* a CoAP ping: any live endpoint would answer it with RST */
    static const uint8_t ping[] = {0x40, 0x00, 0x12, 0x34};
    assert_int_equal(estoc_client_input(&w.client, w.now, estoc_slice_of(ping, sizeof ping)), 0);
    w.now += 300000;
    uint8_t dg[1280];
    size_t len = 1;
    assert_int_equal(estoc_client_output(&w.client, w.now, (estoc_buf){dg, sizeof dg}, &len),
                     ESTOC_E_UNTRUSTED);
    assert_int_equal(len, 0);
    assert_int_equal(estoc_client_deadline(&w.client), ESTOC_NEVER);
    assert_int_equal(w.sent, sent);
    assert_int_equal(estoc_client_trusted(&w.client, w.now, true), ESTOC_E_STATE);
}

static void certificate_not_installed_is_a_failure(void **unused)
{
    (void)unused;
    static const struct line script[] = {SEN_OK};
    begin(ESTOC_STEP_SEN, LINES(script));
    assert_int_equal(run(), ESTOC_CLIENT_WANT_CSR);
    assert_int_equal(estoc_client_csr(&w.client, w.now, estoc_slice_str("request")), ESTOC_OK);
    assert_int_equal(run(), ESTOC_CLIENT_WANT_INSTALL);
    assert_int_equal(estoc_client_installed(&w.client, w.now, false), ESTOC_E_UNTRUSTED);
    assert_int_equal(run(), ESTOC_CLIENT_FAILED);
}

static void no_attributes_is_an_empty_answer(void **unused)
{
    (void)unused;
    static const struct line script[] = {ERROR("att", ESTOC_COAP_NOT_FOUND)};
    begin(ESTOC_STEP_ATT | ESTOC_STEP_SEN, LINES(script));
    assert_int_equal(run(), ESTOC_CLIENT_WANT_CSR);
    assert_answer("", ESTOC_FORMAT_NONE);
    /* for any other resource 4.04 is a refusal */
    static const struct line crts[] = {ERROR("crts", ESTOC_COAP_NOT_FOUND)};
    begin(ENROLL, LINES(crts));
    assert_int_equal(run(), ESTOC_CLIENT_FAILED);
    assert_int_equal(estoc_client_error(&w.client), ESTOC_E_REFUSED);
}

/* Until the answer of the one /sen after `script` told the client to wait. */
static unsigned enroll_once(const struct line *script, size_t n, uint32_t wait_max_s)
{
    begin_server(script, n);
    estoc_client_cfg cfg = config(ESTOC_STEP_SEN);
    cfg.wait_max_s = wait_max_s;
    assert_int_equal(estoc_client_start(&w.client, w.now, &cfg), ESTOC_OK);
    assert_int_equal(run(), ESTOC_CLIENT_WANT_CSR);
    assert_int_equal(estoc_client_csr(&w.client, w.now, estoc_slice_str("request")), ESTOC_OK);
    return run();
}

static void assert_waited(size_t i, uint32_t seconds)
{
    assert_true(w.seen[i + 1].at - w.seen[i].at == seconds * 1000u);
    assert_int_equal(w.seen[i].body_len, w.seen[i + 1].body_len);
    assert_memory_equal(w.seen[i].body, w.seen[i + 1].body, w.seen[i].body_len);
}

static void waits_out_503_and_429(void **unused)
{
    (void)unused;
    static const struct line script[] = {
        WAIT("sen", ESTOC_COAP_UNAVAILABLE, 120), WAIT("sen", ESTOC_COAP_TOO_MANY_REQUESTS, 1),
        ERROR("sen", ESTOC_COAP_UNAVAILABLE), /* no Max-Age: 60 s */
        WAIT("sen", ESTOC_COAP_UNAVAILABLE, 0), SEN_OK};
    assert_int_equal(enroll_once(LINES(script), 600), ESTOC_CLIENT_WANT_INSTALL);
    assert_int_equal(w.seen_n, 5);
    assert_waited(0, 120);
    assert_waited(1, 1);
    assert_waited(2, 60);
    assert_waited(3, 1); /* Max-Age 0 never spins */
}

static void waits_out_503_of_crts(void **unused)
{
    (void)unused;
    static const struct line script[] = {WAIT("crts", ESTOC_COAP_UNAVAILABLE, 5), CRTS_OK};
    begin(ENROLL, LINES(script));
    assert_int_equal(run(), ESTOC_CLIENT_WANT_TRUST);
    assert_waited(0, 5);
}

static void a_wait_shows(void **unused)
{
    (void)unused;
    static const struct line script[] = {WAIT("crts", ESTOC_COAP_UNAVAILABLE, 5)};
    begin(ENROLL, LINES(script));
    client_sends();
    assert_int_equal(estoc_client_state(&w.client), ESTOC_CLIENT_WAITING);
    assert_int_equal(estoc_client_deadline(&w.client), w.now + 5000);
    assert_int_equal(estoc_client_wait_s(&w.client, w.now), 5);
    assert_int_equal(estoc_client_wait_s(&w.client, w.now + 4999), 1);
    assert_int_equal(estoc_client_wait_s(&w.client, w.now + 5000), 0);
    unsigned sent = w.sent;
    w.now += 4999;
    client_sends();
    assert_int_equal(w.sent, sent); /* not a moment earlier */
}

static void waiting_is_bounded(void **unused)
{
    (void)unused;
    static const struct line huge[] = {WAIT("sen", ESTOC_COAP_UNAVAILABLE, UINT32_MAX)};
    assert_int_equal(enroll_once(LINES(huge), 600), ESTOC_CLIENT_FAILED);
    assert_int_equal(estoc_client_error(&w.client), ESTOC_E_LATER);
    assert_int_equal(estoc_client_refusal(&w.client)->code, ESTOC_COAP_UNAVAILABLE);
    assert_true(estoc_client_refusal(&w.client)->max_age_s == UINT32_MAX);
    static const struct line sum[] = {WAIT("sen", ESTOC_COAP_UNAVAILABLE, 300),
                                      WAIT("sen", ESTOC_COAP_UNAVAILABLE, 300),
                                      WAIT("sen", ESTOC_COAP_UNAVAILABLE, 0)};
    assert_int_equal(enroll_once(LINES(sum), 600), ESTOC_CLIENT_FAILED);
    assert_int_equal(estoc_client_error(&w.client), ESTOC_E_LATER);
    assert_int_equal(w.seen_n, 3);
    static const struct line none[] = {WAIT("sen", ESTOC_COAP_TOO_MANY_REQUESTS, 1)};
    assert_int_equal(enroll_once(LINES(none), 0), ESTOC_CLIENT_FAILED);
    assert_int_equal(estoc_client_error(&w.client), ESTOC_E_LATER);
}

static void errors_of_the_server(void **unused)
{
    (void)unused;
    static const struct {
        struct line line;
        estoc_err err;
    } cases[] = {
        {ERROR("sen", ESTOC_COAP_BAD_REQUEST), ESTOC_E_REFUSED},
        {ERROR("sen", ESTOC_COAP_FORBIDDEN), ESTOC_E_REFUSED},
        {ERROR("sen", ESTOC_COAP_NOT_FOUND), ESTOC_E_REFUSED},
        {ERROR("sen", ESTOC_COAP_INTERNAL_ERROR), ESTOC_E_PEER},
        {ERROR("sen", ESTOC_COAP_GATEWAY_TIMEOUT), ESTOC_E_PEER},
        /* 2.05 answers GET, 2.04 answers POST: C5 */
        {{"sen", ESTOC_COAP_CONTENT, ESTOC_FORMAT_CERTS, "c", false, 0}, ESTOC_E_PROTOCOL},
        {{"sen", ESTOC_COAP_CHANGED, ESTOC_FORMAT_CERT, "c", false, 0}, ESTOC_E_FORMAT},
        {{"sen", ESTOC_COAP_CHANGED, ESTOC_FORMAT_NONE, "c", false, 0}, ESTOC_E_FORMAT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(enroll_once(&cases[i].line, 1, 600), ESTOC_CLIENT_FAILED);
        assert_int_equal(estoc_client_error(&w.client), cases[i].err);
        const estoc_reply *said = estoc_client_refusal(&w.client);
        assert_int_equal(said->code, cases[i].line.code);
        if (ESTOC_COAP_CLASS(said->code) != 2) {
            assert_true(estoc_slice_eq(said->body, estoc_slice_str("as it was said")));
        }
    }
}

static void asks_for_the_format_and_checks_it(void **unused)
{
    (void)unused;
    static const struct line one[] = {
        {"crts", ESTOC_COAP_CONTENT, ESTOC_FORMAT_CERT, "root", false, 0}, ATT_OK, SEN_OK};
    begin_server(LINES(one));
    estoc_client_cfg cfg = config(ENROLL);
    cfg.cert_format = ESTOC_FORMAT_CERT;
    assert_int_equal(estoc_client_start(&w.client, w.now, &cfg), ESTOC_OK);
    assert_int_equal(run(), ESTOC_CLIENT_WANT_TRUST);
    assert_answer("root", ESTOC_FORMAT_CERT);
    assert_int_equal(w.seen[0].accept, ESTOC_FORMAT_CERT);
    assert_int_equal(estoc_client_trusted(&w.client, w.now, true), ESTOC_OK);
    assert_int_equal(run(), ESTOC_CLIENT_WANT_CSR);
    assert_int_equal(w.seen[1].accept, ESTOC_FORMAT_NONE);
    assert_int_equal(estoc_client_csr(&w.client, w.now, estoc_slice_str("request")), ESTOC_OK);
    assert_int_equal(run(), ESTOC_CLIENT_FAILED); /* 281 came, 287 was asked for */
    assert_int_equal(estoc_client_error(&w.client), ESTOC_E_FORMAT);
    assert_int_equal(w.seen[2].accept, ESTOC_FORMAT_CERT);
    static const struct line att[] = {
        {"att", ESTOC_COAP_CONTENT, ESTOC_FORMAT_TEXT, "attributes", false, 0}};
    begin(ESTOC_STEP_ATT, LINES(att));
    assert_int_equal(run(), ESTOC_CLIENT_FAILED);
    assert_int_equal(estoc_client_error(&w.client), ESTOC_E_FORMAT);
}

static void calls_out_of_turn_are_refused(void **unused)
{
    (void)unused;
    static const struct line script[] = {CRTS_OK, ATT_OK, SEN_OK};
    estoc_slice csr = estoc_slice_str("request");
    begin(ENROLL, LINES(script));
    for (int i = 0; i < 5; i++) {
        unsigned state = i == 0 ? estoc_client_state(&w.client) : run();
        if (state != ESTOC_CLIENT_WANT_TRUST) {
            assert_int_equal(estoc_client_trusted(&w.client, w.now, true), ESTOC_E_STATE);
            assert_int_equal(estoc_client_trusted(&w.client, w.now, false), ESTOC_E_STATE);
        }
        if (state != ESTOC_CLIENT_WANT_CSR) {
            assert_int_equal(estoc_client_csr(&w.client, w.now, csr), ESTOC_E_STATE);
        }
        if (state != ESTOC_CLIENT_WANT_INSTALL) {
            assert_int_equal(estoc_client_installed(&w.client, w.now, true), ESTOC_E_STATE);
        }
        if (state == ESTOC_CLIENT_WANT_TRUST) {
            assert_int_equal(estoc_client_trusted(&w.client, w.now, true), ESTOC_OK);
        } else if (state == ESTOC_CLIENT_WANT_CSR) {
            assert_int_equal(estoc_client_csr(&w.client, w.now, estoc_slice_of(NULL, 0)),
                             ESTOC_E_USAGE);
            assert_int_equal(estoc_client_csr(&w.client, w.now, csr), ESTOC_OK);
        } else if (state == ESTOC_CLIENT_WANT_INSTALL) {
            assert_int_equal(estoc_client_installed(&w.client, w.now, true), ESTOC_OK);
        }
    }
    assert_int_equal(estoc_client_state(&w.client), ESTOC_CLIENT_DONE);
}

static void a_zeroed_client_refuses_all(void **unused)
{
    (void)unused;
    static estoc_client zero;
    size_t len = 1;
    uint8_t dg[1280];
    assert_int_equal(estoc_client_state(&zero), 0);
    assert_int_equal(estoc_client_deadline(&zero), ESTOC_NEVER);
    assert_int_equal(estoc_client_output(&zero, 1, (estoc_buf){dg, sizeof dg}, &len), ESTOC_OK);
    assert_int_equal(len, 0);
    assert_int_equal(estoc_client_input(&zero, 1, estoc_slice_str("xxxxxxxx")), ESTOC_OK);
    assert_int_equal(estoc_client_trusted(&zero, 1, true), ESTOC_E_STATE);
    assert_int_equal(estoc_client_csr(&zero, 1, estoc_slice_str("r")), ESTOC_E_STATE);
    assert_int_equal(estoc_client_installed(&zero, 1, true), ESTOC_E_STATE);
}

static void assert_not_started(const estoc_client_cfg *cfg, estoc_err err)
{
    assert_int_equal(estoc_client_start(&w.client, w.now, cfg), err);
    assert_int_equal(estoc_client_state(&w.client) & ~(unsigned)ESTOC_CLIENT_FAILED, 0);
}

static void configuration_is_checked(void **unused)
{
    (void)unused;
    begin_server(NULL, 0);
    estoc_client_cfg cfg = config(0);
    assert_not_started(&cfg, ESTOC_E_USAGE);
    cfg = config(ESTOC_STEP_SEN | ESTOC_STEP_SREN);
    assert_not_started(&cfg, ESTOC_E_USAGE);
    cfg = config(16);
    assert_not_started(&cfg, ESTOC_E_USAGE);
    cfg = config(ENROLL);
    cfg.root_n = ESTOC_CALL_PATH_MAX - 1;
    assert_not_started(&cfg, ESTOC_E_USAGE);
    cfg = config(ENROLL);
    cfg.room.cap = 1023;
    assert_not_started(&cfg, ESTOC_E_USAGE);
    cfg = config(ENROLL);
    cfg.room.ptr = NULL;
    assert_not_started(&cfg, ESTOC_E_USAGE);
    cfg = config(ENROLL);
    cfg.cert_format = ESTOC_FORMAT_PKCS8;
    assert_not_started(&cfg, ESTOC_E_USAGE);
    cfg = config(ENROLL);
    cfg.requester.random.fill = fill_fails;
    assert_not_started(&cfg, ESTOC_E_RANDOM);
}

static void silence_ends_in_a_time_out(void **unused)
{
    (void)unused;
    begin(ENROLL, NULL, 0);
    w.loss_percent = 100;
    assert_int_equal(run(), ESTOC_CLIENT_FAILED);
    assert_int_equal(estoc_client_error(&w.client), ESTOC_E_TIMEOUT);
    assert_int_equal(estoc_client_refusal(&w.client)->code, 0);
    assert_int_equal(w.sent, 5); /* MAX_RETRANSMIT 4: one and four copies */
}

static void an_answer_too_large_for_the_room_fails(void **unused)
{
    (void)unused;
    static char large[3000];
    memset(large, 'x', sizeof large - 1);
    struct line script[] = {{"crts", ESTOC_COAP_CONTENT, ESTOC_FORMAT_CERTS, large, false, 0}};
    begin(ENROLL, LINES(script));
    assert_int_equal(run(), ESTOC_CLIENT_FAILED);
    assert_int_not_equal(estoc_client_error(&w.client), ESTOC_OK);
}

/* Bodies of several blocks both ways, over a link that loses every fifth datagram. */
static void enrolls_whatever_is_lost(void **unused)
{
    (void)unused;
    static char request[900], certificate[1100];
    memset(request, 'r', sizeof request - 1);
    memset(certificate, 'c', sizeof certificate - 1);
    struct line script[] = {CRTS_OK,
                            ERROR("att", ESTOC_COAP_NOT_FOUND),
                            WAIT("sen", ESTOC_COAP_UNAVAILABLE, 30),
                            {"sen", ESTOC_COAP_CHANGED, ESTOC_FORMAT_CERTS, certificate, false, 0}};
    unsigned done = 0;
    for (uint32_t seed = 1; seed <= 400; seed++) {
        begin_server(LINES(script));
        w.seed = seed * 2654435761u;
        w.loss_percent = 20;
        estoc_client_cfg cfg = config(ENROLL);
        cfg.requester.szx = (uint8_t)(2 + seed % 5);
        assert_int_equal(estoc_client_start(&w.client, w.now, &cfg), ESTOC_OK);
        unsigned state = run();
        while ((state & (ESTOC_CLIENT_DONE | ESTOC_CLIENT_FAILED)) == 0) {
            if (state == ESTOC_CLIENT_WANT_TRUST) {
                assert_int_equal(estoc_client_trusted(&w.client, w.now, true), ESTOC_OK);
            } else if (state == ESTOC_CLIENT_WANT_CSR) {
                assert_int_equal(estoc_client_csr(&w.client, w.now, estoc_slice_str(request)), 0);
            } else {
                assert_answer(certificate, ESTOC_FORMAT_CERTS);
                assert_int_equal(estoc_client_installed(&w.client, w.now, true), ESTOC_OK);
            }
            state = run();
        }
        assert_true(w.seen_n <= 4); /* C1: however often sent, served once */
        if (state == ESTOC_CLIENT_DONE) {
            done++;
            assert_int_equal(w.seen[3].body_len, sizeof request - 1);
            assert_memory_equal(w.seen[3].body, request, sizeof request - 1);
        } else {
            assert_int_equal(estoc_client_error(&w.client), ESTOC_E_TIMEOUT);
        }
    }
    /* a message is lost for good with probability 0.36^5, under 1 in 100 */
    assert_true(done > 300);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"K2 crts, att, csr, sen, install", enrolls, NULL, NULL, NULL},
        {"K2 renewal under a label and a short root", renews_under_a_label, NULL, NULL, NULL},
        {"only the steps asked for are made", makes_only_the_steps_asked_for, NULL, NULL, NULL},
        {"K1 row 241 an untrusted server: nothing more is sent", untrusted_ends_in_silence, NULL,
         NULL, NULL},
        {"K2 a certificate that is not installed", certificate_not_installed_is_a_failure, NULL,
         NULL, NULL},
        {"4.04 for att is an empty answer", no_attributes_is_an_empty_answer, NULL, NULL, NULL},
        {"K3 row 246 5.03 and 4.29 are waited out, the request repeated", waits_out_503_and_429,
         NULL, NULL, NULL},
        {"K3 5.03 for crts", waits_out_503_of_crts, NULL, NULL, NULL},
        {"K3 a wait shows, and is kept", a_wait_shows, NULL, NULL, NULL},
        {"K3 row 246 waiting is bounded", waiting_is_bounded, NULL, NULL, NULL},
        {"4.xx, 5.xx, wrong codes and formats", errors_of_the_server, NULL, NULL, NULL},
        {"the format asked for is the format taken", asks_for_the_format_and_checks_it, NULL, NULL,
         NULL},
        {"calls out of turn are refused", calls_out_of_turn_are_refused, NULL, NULL, NULL},
        {"a zeroed client refuses everything", a_zeroed_client_refuses_all, NULL, NULL, NULL},
        {"row 252 the configuration is checked", configuration_is_checked, NULL, NULL, NULL},
        {"silence ends in a time-out", silence_ends_in_a_time_out, NULL, NULL, NULL},
        {"row 244 an answer larger than the room", an_answer_too_large_for_the_room_fails, NULL,
         NULL, NULL},
        {"C1 C6 an enrollment over a lossy link", enrolls_whatever_is_lost, NULL, NULL, NULL},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
