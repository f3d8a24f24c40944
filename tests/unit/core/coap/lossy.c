/* SPDX-License-Identifier: MIT
 *
 * The requester against the responder in one process, over a link that loses, doubles, delays and
 * reorders datagrams, with a virtual clock. A seed decides everything: the link, the sizes, how long the
 * owner of the responder takes. ESTOC_LOSSY_SEED=n runs that one alone.
 *
 * What must hold: the body that arrives is the body that was sent, the answer that arrives is the
 * answer to it, a POST is executed once or the requester gave up, and then never twice; every body and
 * every answer is given back once. C1, C6, B1, L1.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <estoc/requester.h>
#include <estoc/responder.h>

enum {
    SEEDS = 1000,
    EXCHANGES = 16, /* per seed, on one association */
    BODY_MAX = 3000,
    ANSWER_MAX = 3000,
    FLIGHT = 256, /* datagrams on their way */
    WINDOW = 64,  /* DTLS drops a record that comes this far behind. RFC 6347 section 4.1.2.6 */
    STEPS_MAX = 200000
};

struct datagram {
    estoc_ms at;
    uint64_t number;
    size_t len;
    bool to_server;
    uint8_t bytes[ESTOC_MESSAGE_MAX];
};

struct owner {
    unsigned puts;
    uint8_t *body;
};

struct world {
    unsigned seed;
    uint64_t rng;
    estoc_ms now;
    uint64_t trace; /* a digest of all that went over the link, and when */
    /* the link */
    struct datagram flight[FLIGHT];
    size_t flight_n;
    uint64_t sent[2], highest[2];
    unsigned lose_permil, double_permil, late_permil, base_ms;
    /* the two ends */
    estoc_requester q;
    estoc_responder r;
    uint8_t replies[2560];
    /* the exchange */
    unsigned id;
    bool post;
    size_t body_len, answer_len;
    uint8_t body[BODY_MAX], answer[ANSWER_MAX], got[ANSWER_MAX];
    unsigned executed[EXCHANGES];
    /* the owner */
    estoc_ms answer_at; /* ESTOC_NEVER: nothing to answer */
    unsigned asked_id;
    struct owner owners[4096];
    size_t owners_n;
    unsigned bodies;
    unsigned slow_permil;
};

static struct world w;

static struct {
    unsigned done[2], gave_up, told_to_wait, separate, retransmitted, doubled;
} total;

#define HOLDS(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fail_msg("seed %u, exchange %u, %llu ms: %s", w.seed, w.id, (unsigned long long)w.now, \
                     #condition);                                                                  \
        }                                                                                          \
    } while (0)

/* ---- chance ---- */

/* splitmix64 */
static uint64_t chance(void)
{
    w.rng += 0x9e3779b97f4a7c15u;
    uint64_t z = w.rng;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static unsigned below(unsigned n)
{
    return (unsigned)(chance() % n);
}

static bool permil(unsigned p)
{
    return below(1000) < p;
}

static bool fill(void *ctx, uint8_t *out, size_t len)
{
    (void)ctx;
    for (size_t i = 0; i < len; i++) {
        out[i] = (uint8_t)chance();
    }
    return true;
}

/* Contents that differ from exchange to exchange; the first bytes tell which it is. */
static void contents(uint8_t *out, size_t len, unsigned id, unsigned salt)
{
    for (size_t i = 0; i < len; i++) {
        out[i] = (uint8_t)(i < 4 ? id >> (8 * (3 - i)) : i * 7 + (i >> 8) + id * 31 + salt);
    }
}

static void trace(const void *bytes, size_t len)
{
    const uint8_t *b = bytes;
    for (size_t i = 0; i < len; i++) {
        w.trace = (w.trace ^ b[i]) * 1099511628211u;
    }
}

/* ---- the link ---- */

static void put_in_flight(bool to_server, estoc_slice bytes)
{
    HOLDS(w.flight_n < FLIGHT);
    struct datagram *d = &w.flight[w.flight_n++];
    d->to_server = to_server;
    d->number = w.sent[to_server];
    d->len = bytes.len;
    d->at = w.now + w.base_ms + below(w.base_ms + 1);
    if (permil(w.late_permil)) {
        d->at += below(3000);
    }
    memcpy(d->bytes, bytes.ptr, bytes.len);
}

static void send_over(bool to_server, estoc_slice bytes)
{
    trace(&w.now, sizeof w.now);
    trace(bytes.ptr, bytes.len);
    w.sent[to_server]++;
    if (permil(w.lose_permil)) {
        return;
    }
    put_in_flight(to_server, bytes);
    if (permil(w.double_permil)) {
        total.doubled++;
        put_in_flight(to_server, bytes);
    }
}

static struct datagram *first_to_arrive(void)
{
    struct datagram *first = NULL;
    for (size_t i = 0; i < w.flight_n; i++) {
        if (first == NULL || w.flight[i].at < first->at) {
            first = &w.flight[i];
        }
    }
    return first;
}

/* ---- the owner of the responder ---- */

static bool admit(void *ctx, const estoc_request *req, estoc_answer *refusal)
{
    (void)ctx;
    (void)refusal;
    HOLDS(req->path_n == 2);
    return true;
}

static bool body_room(void *ctx, size_t need, estoc_buf *body)
{
    (void)ctx;
    w.bodies += body->ptr == NULL;
    body->ptr = realloc(body->ptr, need);
    body->cap = need;
    return body->ptr != NULL;
}

static void body_put(void *ctx, estoc_buf body)
{
    (void)ctx;
    HOLDS(w.bodies > 0);
    w.bodies--;
    free(body.ptr);
}

static void answer_put(void *ctx, void *owner)
{
    (void)ctx;
    struct owner *o = owner;
    o->puts++;
    HOLDS(o->puts == 1);
    free(o->body);
    o->body = NULL;
}

/* A request has come: it is executed here and now, and answered in a while. */
static void execute(const estoc_request *req)
{
    w.asked_id = w.id; /* a GET is of what there is now */
    if (req->method == ESTOC_COAP_POST) {
        HOLDS(req->body.len >= 4);
        const uint8_t *b = req->body.ptr;
        w.asked_id = (unsigned)b[0] << 24 | (unsigned)b[1] << 16 | (unsigned)b[2] << 8 | b[3];
        HOLDS(w.asked_id < EXCHANGES);
        w.executed[w.asked_id]++;
        HOLDS(w.executed[w.asked_id] == 1);
        HOLDS(w.asked_id == w.id && w.post);
        HOLDS(estoc_slice_eq(req->body, estoc_slice_of(w.body, w.body_len)));
    }
    w.answer_at = w.now + (permil(w.slow_permil) ? below(6000) : 0);
}

static void give_answer(void)
{
    const estoc_request *req = estoc_responder_request(&w.r);
    HOLDS(req != NULL && w.owners_n < sizeof w.owners / sizeof w.owners[0]);
    bool post = req->method == ESTOC_COAP_POST;
    total.separate += w.r.asked.acked;
    struct owner *o = &w.owners[w.owners_n++];
    o->body = malloc(ANSWER_MAX);
    assert_non_null(o->body);
    contents(o->body, w.answer_len, w.asked_id, post);
    estoc_answer a = {.code = post ? ESTOC_COAP_CHANGED : ESTOC_COAP_CONTENT,
                      .format = ESTOC_FORMAT_CERTS,
                      .body = {o->body, w.answer_len},
                      .owner = o};
    w.answer_at = ESTOC_NEVER;
    HOLDS(estoc_responder_answer(&w.r, w.now, &a) == ESTOC_OK);
}

/* ---- one step of everything ---- */

static void flush_server(void)
{
    uint8_t out[ESTOC_MESSAGE_MAX];
    size_t len;
    do {
        HOLDS(estoc_responder_output(&w.r, w.now, (estoc_buf){out, sizeof out}, &len) == ESTOC_OK);
        HOLDS(len <= w.r.cfg.message_max);
        if (len > 0) {
            send_over(false, estoc_slice_of(out, len));
        }
    } while (len > 0);
}

static void flush_client(void)
{
    uint8_t out[ESTOC_MESSAGE_MAX];
    size_t len;
    do {
        estoc_err err = estoc_requester_output(&w.q, w.now, (estoc_buf){out, sizeof out}, &len);
        HOLDS(err == ESTOC_OK || err == ESTOC_E_TIMEOUT);
        if (len > 0) {
            send_over(true, estoc_slice_of(out, len));
        }
    } while (len > 0);
}

static void deliver(struct datagram *first)
{
    struct datagram d = *first;
    *first = w.flight[--w.flight_n];
    bool forgotten = d.number + WINDOW <= w.highest[d.to_server];
    if (d.number > w.highest[d.to_server]) {
        w.highest[d.to_server] = d.number;
    }
    estoc_slice dg = estoc_slice_of(d.bytes, d.len);
    if (forgotten) {
        return;
    }
    if (d.to_server) {
        bool awaiting = estoc_responder_request(&w.r) != NULL;
        HOLDS(estoc_responder_input(&w.r, w.now, dg) == ESTOC_OK);
        const estoc_request *req = estoc_responder_request(&w.r);
        if (!awaiting && req != NULL) {
            execute(req);
        }
    } else {
        HOLDS(estoc_requester_input(&w.q, w.now, dg) == ESTOC_OK);
    }
}

static estoc_ms next_event(void)
{
    const struct datagram *first = first_to_arrive();
    estoc_ms at = first != NULL ? first->at : ESTOC_NEVER;
    estoc_ms client = estoc_requester_deadline(&w.q);
    estoc_ms server = estoc_responder_deadline(&w.r);
    at = client < at ? client : at;
    at = server < at ? server : at;
    at = w.answer_at < at ? w.answer_at : at;
    return at > w.now ? at : w.now;
}

static void step(void)
{
    estoc_ms at = next_event();
    HOLDS(at != ESTOC_NEVER);
    w.now = at;
    struct datagram *first = first_to_arrive();
    if (first != NULL && first->at <= w.now) {
        deliver(first);
        flush_server();
    }
    if (w.answer_at <= w.now) {
        give_answer();
    }
    flush_server();
    flush_client();
}

/* ---- exchanges ---- */

static void start(void)
{
    estoc_call call = {.method = w.post ? ESTOC_COAP_POST : ESTOC_COAP_GET,
                       .path = {estoc_slice_str("est"), estoc_slice_str(w.post ? "sen" : "crts")},
                       .path_n = 2,
                       .content_format = w.post ? ESTOC_FORMAT_PKCS10 : ESTOC_FORMAT_NONE,
                       .accept = ESTOC_FORMAT_NONE,
                       .body = {w.body, w.body_len},
                       .answer = {w.got, sizeof w.got}};
    memset(w.got, 0, sizeof w.got);
    HOLDS(estoc_requester_start(&w.q, w.now, &call) == ESTOC_OK);
    flush_client();
}

static void finish(void)
{
    for (unsigned steps = 0;
         (estoc_requester_state(&w.q) & (ESTOC_REQUESTER_DONE | ESTOC_REQUESTER_FAILED)) == 0;
         steps++) {
        HOLDS(steps < STEPS_MAX);
        step();
    }
}

static void pass(estoc_ms ms)
{
    estoc_ms until = w.now + ms;
    while (next_event() < until) {
        step();
    }
    w.now = until;
}

/* A late copy of an earlier GET, whose reply is not kept any more, is served once more; who comes
 * while the owner is slow with that is told to come again. Nothing has been executed then. */
static bool told_to_wait(void)
{
    const estoc_reply *reply = estoc_requester_reply(&w.q);
    if (reply->code != ESTOC_COAP_UNAVAILABLE) {
        return false;
    }
    HOLDS(w.executed[w.id] == 0);
    HOLDS(reply->has_max_age && reply->max_age_s == 2);
    total.told_to_wait++;
    pass(2000);
    return true;
}

static void check_exchange(void)
{
    if ((estoc_requester_state(&w.q) & ESTOC_REQUESTER_FAILED) != 0) {
        HOLDS(estoc_requester_error(&w.q) == ESTOC_E_TIMEOUT);
        HOLDS(w.executed[w.id] <= 1);
        total.gave_up++;
        return;
    }
    const estoc_reply *reply = estoc_requester_reply(&w.q);
    HOLDS(reply->code == (w.post ? ESTOC_COAP_CHANGED : ESTOC_COAP_CONTENT));
    HOLDS(reply->content_format == ESTOC_FORMAT_CERTS);
    HOLDS(estoc_slice_eq(reply->body, estoc_slice_of(w.answer, w.answer_len)));
    HOLDS(w.executed[w.id] == (w.post ? 1 : 0));
    total.done[w.post]++;
}

static void run_exchange(unsigned id)
{
    w.id = id;
    w.post = permil(600);
    w.body_len = w.post ? 4 + below(permil(300) ? BODY_MAX - 4 : 500) : 0;
    w.answer_len = 4 + below(permil(300) ? ANSWER_MAX - 4 : 700);
    contents(w.body, w.body_len, id, 77);
    contents(w.answer, w.answer_len, id, w.post);
    do {
        start();
        finish();
    } while (told_to_wait());
    check_exchange();
    /* a client that gave up may have left a POST behind that is executed yet */
    while (w.answer_at != ESTOC_NEVER ||
           (estoc_requester_state(&w.q) & ESTOC_REQUESTER_WANT_SEND) != 0) {
        step();
    }
    if ((estoc_requester_state(&w.q) & ESTOC_REQUESTER_FAILED) != 0) {
        pass(10000);
    }
}

static void begin_world(unsigned seed)
{
    static const unsigned losses[] = {0, 20, 50, 100, 150};
    static const size_t sizes[] = {128, 200, 300, 576, 1100, 1200};
    memset(&w, 0, sizeof w);
    w.seed = seed;
    w.rng = seed;
    w.now = 1000;
    w.trace = 14695981039346656037u;
    w.answer_at = ESTOC_NEVER;
    w.lose_permil = losses[below(5)];
    w.double_permil = below(200);
    w.late_permil = below(100);
    w.base_ms = 10 + below(300);
    w.slow_permil = permil(500) ? 400 : 0;
    size_t message_max = sizes[below(6)];
    static const estoc_responder_ops ops = {admit, body_room, body_put, answer_put};
    estoc_requester_cfg q = {.random = {NULL, fill},
                             .tx = estoc_transmission_default(),
                             .message_max = message_max,
                             .szx = (uint8_t)(seed % 7)};
    estoc_responder_cfg r = {.ops = &ops,
                             .random = {NULL, fill},
                             .tx = estoc_transmission_default(),
                             .replies = {w.replies, sizeof w.replies},
                             .message_max = message_max};
    HOLDS(estoc_requester_init(&w.q, &q) == ESTOC_OK);
    HOLDS(estoc_responder_init(&w.r, &r) == ESTOC_OK);
}

static void run_seed(unsigned seed)
{
    begin_world(seed);
    for (unsigned id = 0; id < EXCHANGES; id++) {
        run_exchange(id);
    }
    total.retransmitted += w.q.traffic.retransmitted;
    estoc_responder_close(&w.r);
    HOLDS(w.bodies == 0);
    for (size_t i = 0; i < w.owners_n; i++) {
        HOLDS(w.owners[i].puts == 1);
    }
}

static void all_seeds(void **state)
{
    (void)state;
    const char *only = getenv("ESTOC_LOSSY_SEED");
    if (only != NULL) {
        run_seed((unsigned)strtoul(only, NULL, 10));
        return;
    }
    for (unsigned seed = 0; seed < SEEDS; seed++) {
        run_seed(seed);
    }
    print_message("# done: %u GET, %u POST; given up: %u; told to wait: %u; separate: %u; "
                  "retransmitted: %u; doubled: %u\n",
                  total.done[0], total.done[1], total.gave_up, total.told_to_wait, total.separate,
                  total.retransmitted, total.doubled);
    /* it was all there */
    assert_int_equal(total.done[0] + total.done[1] + total.gave_up, SEEDS * EXCHANGES);
    assert_true(total.done[0] > SEEDS * EXCHANGES / 5 && total.done[1] > SEEDS * EXCHANGES / 5);
    assert_true(total.gave_up > 0 && total.gave_up < SEEDS * EXCHANGES / 10);
    assert_true(total.told_to_wait < SEEDS * EXCHANGES / 1000);
    assert_true(total.separate > 100 && total.retransmitted > 100 && total.doubled > 100);
}

static void repeatable(void **state)
{
    (void)state;
    for (unsigned seed = 0; seed < 20; seed++) {
        run_seed(seed);
        uint64_t first = w.trace;
        run_seed(seed);
        HOLDS(w.trace == first);
        run_seed(seed + 1);
        HOLDS(w.trace != first);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_seeds),
        cmocka_unit_test(repeatable),
    };
    return cmocka_run_group_tests_name("lossy", tests, NULL, NULL);
}
