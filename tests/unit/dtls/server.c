/* SPDX-License-Identifier: MIT
 *
 * The cookie exchange.
 */
#include "pair.h"

enum { HELLO_VERIFY_LEN = 28 + ESTOC_COOKIE_LEN, MINUTE = 60000 };

typedef struct hello {
    uint8_t bytes[ESTOC_DATAGRAM_MAX];
    size_t len;
} hello;

static const estoc_slice other_address = {(const uint8_t *)"\x7f\0\0\1\x16\x35", 6};
static estoc_dtls *accepted;

static void discard(void *ctx, estoc_slice dg)
{
    (void)dg;
    *(size_t *)ctx += 1;
}

/* What the listener makes of a datagram; never more out than in (D5). */
static estoc_dtls_verdict hear_at(estoc_dtls_listener *l, estoc_slice from, estoc_ms now,
                                  const void *bytes, size_t len, hello *reply)
{
    static size_t sent;
    uint8_t *exact = malloc(len > 0 ? len : 1); /* so that a read past the end is seen */
    assert_non_null(exact);
    memcpy(exact, bytes, len);
    sent = 0;
    estoc_dtls_verdict v = estoc_dtls_listen(
        l, from, now, estoc_slice_of(exact, len), (estoc_buf){reply->bytes, sizeof reply->bytes},
        &reply->len, (estoc_dtls_out){&sent, discard}, &accepted);
    free(exact);
    assert_true(reply->len <= len);
    assert_int_equal(reply->len > 0, v == ESTOC_DTLS_REPLY);
    assert_int_equal(accepted != NULL, v == ESTOC_DTLS_ACCEPT);
    assert_true(v == ESTOC_DTLS_ACCEPT || sent == 0);
    if (v == ESTOC_DTLS_ACCEPT) {
        estoc_dtls_free(accepted);
    }
    return v;
}

static estoc_dtls_verdict hear(pair *p, const void *bytes, size_t len, hello *reply)
{
    return hear_at(p->listener, address, p->now, bytes, len, reply);
}

/* The first ClientHello of a client; the server has not seen it. */
static pair *with_hello(hello *h)
{
    pair *p = pair_new();
    p->passes = pass_nothing;
    pair_connect(p);
    h->len = p->log[0].len;
    memcpy(h->bytes, p->log[0].bytes, h->len);
    return p;
}

static void add16(uint8_t *at, size_t n)
{
    size_t v = ((size_t)at[0] << 8 | at[1]) + n;
    at[0] = (uint8_t)(v >> 8);
    at[1] = (uint8_t)v;
}

enum { AT_COOKIE = 60 }; /* the session ID before it is empty */

static hello with_cookie(const hello *h, const uint8_t *cookie, size_t len)
{
    hello out = {.len = h->len + len};
    assert_int_equal(h->bytes[AT_COOKIE - 1], 0);
    memcpy(out.bytes, h->bytes, AT_COOKIE);
    out.bytes[AT_COOKIE] = (uint8_t)len;
    memcpy(out.bytes + AT_COOKIE + 1, cookie, len);
    memcpy(out.bytes + AT_COOKIE + 1 + len, h->bytes + AT_COOKIE + 1, h->len - AT_COOKIE - 1);
    add16(out.bytes + 11, len);
    add16(out.bytes + 15, len);
    add16(out.bytes + 23, len);
    out.bytes[10]++;
    out.bytes[18]++;
    return out;
}

static void expect_verify(pair *p, const hello *h, hello *reply)
{
    assert_int_equal(hear(p, h->bytes, h->len, reply), ESTOC_DTLS_REPLY);
    assert_int_equal(reply->len, HELLO_VERIFY_LEN);
}

/* ---- cookies ---- */

/* HC 1, 2; RFC 6347 section 4.2.1 */
static void hello_verify_request(void **state)
{
    (void)state;
    hello h, r;
    pair *p = with_hello(&h);
    memcpy(h.bytes + 5, "\1\2\3\4\5\6", 6);
    expect_verify(p, &h, &r);
    assert_memory_equal(r.bytes, "\x16\xfe\xff", 3);         /* handshake, DTLS 1.0 as it must be */
    assert_memory_equal(r.bytes + 3, "\0\0\1\2\3\4\5\6", 8); /* epoch 0, sequence copied */
    assert_memory_equal(r.bytes + 11, "\0\x1f", 2);          /* 31 bytes of message */
    assert_memory_equal(r.bytes + 13, "\3\0\0\x13\0\0", 6);  /* HelloVerifyRequest, seq 0 */
    assert_memory_equal(r.bytes + 19, "\0\0\0\0\0\x13", 6);  /* in one piece */
    assert_int_equal(r.bytes[27], ESTOC_COOKIE_LEN);
    hello again;
    expect_verify(p, &h, &again); /* HC 7: byte for byte the same */
    assert_memory_equal(again.bytes, r.bytes, r.len);
    pair_free(p);
}

static void good_cookie(void **state)
{
    (void)state;
    hello h, r;
    pair *p = with_hello(&h);
    expect_verify(p, &h, &r);
    hello c = with_cookie(&h, r.bytes + 28, ESTOC_COOKIE_LEN);
    for (int i = 0; i < 3; i++) { /* the listener goes on */
        assert_int_equal(hear(p, c.bytes, c.len, &r), ESTOC_DTLS_ACCEPT);
        expect_verify(p, &h, &r);
    }
    pair_free(p);
}

/* HC 4 */
static void wrong_cookies(void **state)
{
    (void)state;
    hello h, r;
    pair *p = with_hello(&h);
    expect_verify(p, &h, &r);
    uint8_t good[ESTOC_COOKIE_LEN], wrong[255] = {0};
    memcpy(good, r.bytes + 28, sizeof good);
    for (size_t i = 0; i < sizeof good; i++) {
        memcpy(wrong, good, sizeof good);
        wrong[i] ^= 0x80;
        hello c = with_cookie(&h, wrong, sizeof good);
        expect_verify(p, &c, &r);
    }
    memcpy(wrong, good, sizeof good);
    static const size_t lengths[] = {1, 15, 17, 32, 255};
    for (size_t i = 0; i < 5; i++) {
        hello c = with_cookie(&h, wrong, lengths[i]);
        expect_verify(p, &c, &r);
    }
    memset(wrong, 0, sizeof good);
    hello c = with_cookie(&h, wrong, sizeof good);
    expect_verify(p, &c, &r);
    c = with_cookie(&h, good, sizeof good); /* the right one of another address */
    assert_int_equal(hear_at(p->listener, other_address, p->now, c.bytes, c.len, &r),
                     ESTOC_DTLS_REPLY);
    assert_memory_not_equal(r.bytes + 28, good, sizeof good);
    pair_free(p);
}

/* HC 6: at most 60 s after the secret changed. */
static void rotation(void **state)
{
    (void)state;
    hello h, r;
    pair *p = with_hello(&h);
    p->now = 100 * MINUTE + 59000;
    expect_verify(p, &h, &r);
    hello c = with_cookie(&h, r.bytes + 28, ESTOC_COOKIE_LEN), fresh;
    p->now = 101 * MINUTE;
    expect_verify(p, &h, &fresh);
    assert_memory_not_equal(fresh.bytes, r.bytes, r.len);
    assert_int_equal(hear(p, c.bytes, c.len, &r), ESTOC_DTLS_ACCEPT);
    p->now = 102 * MINUTE - 1;
    assert_int_equal(hear(p, c.bytes, c.len, &r), ESTOC_DTLS_ACCEPT);
    p->now = 102 * MINUTE;
    expect_verify(p, &c, &r);
    p->now = 99 * MINUTE; /* not yet made */
    expect_verify(p, &c, &r);
    p->now = 0;
    expect_verify(p, &h, &r);
    c = with_cookie(&h, r.bytes + 28, ESTOC_COOKIE_LEN);
    assert_int_equal(hear(p, c.bytes, c.len, &r), ESTOC_DTLS_ACCEPT);
    pair_free(p);
}

/* Workers share the secret, and so does the server that a reload makes: HC 276. */
static void whose_secret(void **state)
{
    (void)state;
    hello h, r;
    estoc_dtls_listener *second;
    pair *p = with_hello(&h), *q = with_hello(&h);
    assert_int_equal(estoc_dtls_listener_new(p->server, &second), 0);
    expect_verify(p, &h, &r);
    hello c = with_cookie(&h, r.bytes + 28, ESTOC_COOKIE_LEN);
    assert_int_equal(hear_at(second, address, p->now, c.bytes, c.len, &r), ESTOC_DTLS_ACCEPT);
    assert_int_equal(hear(q, c.bytes, c.len, &r), ESTOC_DTLS_ACCEPT);
    estoc_dtls_listener_free(second);
    pair_free(p);
    pair_free(q);
}

/* Two nodes that have been up for different times, with clocks a minute apart at most. */
static void of_several_nodes(void **state)
{
    (void)state;
    hello h, r;
    estoc_dtls_cookies a = {.key = {1, 2, 3}, .offset_ms = 1000 * (uint64_t)MINUTE};
    estoc_dtls_cookies b = {.key = {1, 2, 3}, .offset_ms = 3000 * (uint64_t)MINUTE};
    estoc_dtls_cookies c = {.key = {1, 2, 4}, .offset_ms = 1000 * (uint64_t)MINUTE};
    pair *p = pair_new(), *q = pair_new(), *other = pair_new(), *alone = with_hello(&h);
    p->cookies = &a;
    q->cookies = &b;
    other->cookies = &c;
    pair_prepare(p);
    pair_prepare(q);
    pair_prepare(other);
    p->now = other->now = alone->now = 5000 * (estoc_ms)MINUTE + 30000;
    expect_verify(p, &h, &r);
    hello k = with_cookie(&h, r.bytes + 28, ESTOC_COOKIE_LEN);
    for (int minutes = -2; minutes <= 2; minutes++) {
        q->now = (estoc_ms)(3000 + minutes) * MINUTE + 30000;
        assert_int_equal(hear(q, k.bytes, k.len, &r),
                         minutes >= -1 && minutes <= 1 ? ESTOC_DTLS_ACCEPT : ESTOC_DTLS_REPLY);
    }
    expect_verify(other, &k, &r);
    expect_verify(alone, &k, &r);
    assert_int_equal(hear_at(q->listener, other_address, q->now, k.bytes, k.len, &r),
                     ESTOC_DTLS_REPLY);
    pair_free(p);
    pair_free(q);
    pair_free(other);
    pair_free(alone);
}

static void arguments_of_listen(void **state)
{
    (void)state;
    static const uint8_t long_address[33];
    hello h, r;
    pair *p = with_hello(&h);
    estoc_slice lengths[] = {{long_address, 33}, {long_address, 0}};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(hear_at(p->listener, lengths[i], p->now, h.bytes, h.len, &r),
                         ESTOC_DTLS_DROP);
    }
    assert_int_equal(
        hear_at(p->listener, estoc_slice_of(long_address, 32), p->now, h.bytes, h.len, &r),
        ESTOC_DTLS_REPLY);
    size_t sent = 0, n = 1;
    uint8_t small[HELLO_VERIFY_LEN];
    estoc_slice dg = estoc_slice_of(h.bytes, h.len);
    estoc_dtls_out out = {&sent, discard};
    assert_int_equal(estoc_dtls_listen(p->listener, address, p->now, dg,
                                       (estoc_buf){small, sizeof small - 1}, &n, out, &accepted),
                     ESTOC_DTLS_DROP);
    assert_int_equal(n, 0);
    assert_int_equal(estoc_dtls_listen(p->listener, address, p->now, dg,
                                       (estoc_buf){small, sizeof small}, &n, out, &accepted),
                     ESTOC_DTLS_REPLY);
    pair_free(p);
}

/* ---- what is no ClientHello, or not one alone and whole ---- */

static void is_client_hello(void **state)
{
    (void)state;
    hello h;
    pair *p = with_hello(&h);
    assert_true(estoc_dtls_is_client_hello(estoc_slice_of(h.bytes, h.len)));
    assert_true(estoc_dtls_is_client_hello(estoc_slice_of(h.bytes, 25)));
    for (size_t n = 0; n < 25; n++) {
        assert_false(estoc_dtls_is_client_hello(estoc_slice_of(h.bytes, n)));
    }
    static const size_t fixed[] = {0, 1, 3, 4, 13}; /* type, version, epoch, message type */
    for (size_t i = 0; i < 5; i++) {
        h.bytes[fixed[i]] ^= 2;
        assert_false(estoc_dtls_is_client_hello(estoc_slice_of(h.bytes, h.len)));
        h.bytes[fixed[i]] ^= 2;
    }
    h.bytes[2] = 255; /* DTLS 1.0 in the record of a first hello */
    assert_true(estoc_dtls_is_client_hello(estoc_slice_of(h.bytes, h.len)));
    pair_free(p);
}

/* HC 9: nothing is kept of a piece. */
static void pieces(void **state)
{
    (void)state;
    hello h, r;
    pair *p = with_hello(&h);
    for (size_t first = 1; first + 25 < h.len; first += 7) {
        hello piece = h;
        piece.len = 25 + first;
        piece.bytes[11] = (uint8_t)((first + 12) >> 8);
        piece.bytes[12] = (uint8_t)(first + 12);
        piece.bytes[23] = (uint8_t)(first >> 8);
        piece.bytes[24] = (uint8_t)first;
        assert_int_equal(hear(p, piece.bytes, piece.len, &r), ESTOC_DTLS_DROP);
    }
    pair_free(p);
}

/* HC 309 */
static void stacked(void **state)
{
    (void)state;
    hello h, r, stack = {.len = 0};
    pair *p = with_hello(&h);
    while (stack.len + h.len <= sizeof stack.bytes) {
        memcpy(stack.bytes + stack.len, h.bytes, h.len);
        stack.len += h.len;
    }
    assert_true(stack.len >= 5 * h.len);
    expect_verify(p, &stack, &r);
    pair_free(p);
}

/* HC 11, 12, 24, 56 */
static void malformed(void **state)
{
    (void)state;
    static const struct {
        size_t at;
        uint8_t value;
    } faults[] = {
        {0, 20},   /* ChangeCipherSpec first */
        {0, 21},   /* an alert */
        {0, 23},   /* application data */
        {0, 25},   /* a connection ID */
        {1, 3},    /* TLS */
        {4, 1},    /* epoch 1 */
        {11, 255}, /* a record past the end */
        {12, 0},   /* a record shorter than its message */
        {13, 0},   /* a HelloRequest */
        {13, 16},  /* a ClientKeyExchange */
        {14, 255}, /* a message of 16 MB */
        {16, 0},   /* shorter than it is */
        {18, 2},   /* the third message */
        {19, 255}, /* a fragment past the end */
        {22, 255}, /* a fragment of 16 MB */
        {24, 255}, /* longer than its record */
        {59, 255}, /* a session ID past the end */
        {60, 255}, /* a cookie past the end */
    };
    hello h, r;
    pair *p = with_hello(&h);
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        hello bad = h;
        bad.bytes[faults[i].at] = faults[i].value;
        assert_int_equal(hear(p, bad.bytes, bad.len, &r), ESTOC_DTLS_DROP);
    }
    for (size_t n = 0; n < h.len; n++) {
        assert_int_equal(hear(p, h.bytes, n, &r), ESTOC_DTLS_DROP);
    }
    uint8_t large[ESTOC_DATAGRAM_MAX + 1];
    memset(large, 0, sizeof large);
    memcpy(large, h.bytes, h.len);
    assert_int_equal(hear(p, large, sizeof large, &r), ESTOC_DTLS_DROP);
    expect_verify(p, &h, &r);
    pair_free(p);
}

static void anything(void **state)
{
    (void)state;
    hello h, r;
    pair *p = with_hello(&h);
    uint32_t seed = 20240901;
    unsigned replies = 0;
    for (unsigned i = 0; i < 20000; i++) {
        hello d = h;
        for (uint32_t k = 1 + random_next(&seed) % 6; k > 0; k--) {
            d.bytes[random_next(&seed) % d.len] = (uint8_t)random_next(&seed);
        }
        if (random_next(&seed) % 4 == 0) {
            d.len = random_next(&seed) % (d.len + 1);
        }
        estoc_dtls_verdict v = hear(p, d.bytes, d.len, &r);
        assert_true(v != ESTOC_DTLS_ACCEPT);
        replies += v == ESTOC_DTLS_REPLY;
    }
    assert_true(replies > 1000);
    expect_verify(p, &h, &r);
    pair_free(p);
}

/* HC 44: a hello with a good cookie that cannot be answered costs its association, nothing more. */
static void accepted_and_refused(void **state)
{
    (void)state;
    hello h, r;
    pair *p = with_hello(&h);
    expect_verify(p, &h, &r);
    hello c = with_cookie(&h, r.bytes + 28, ESTOC_COOKIE_LEN);
    size_t suites = AT_COOKIE + 1 + ESTOC_COOKIE_LEN;
    c.bytes[suites + 1] -= 1; /* an odd number of bytes of cipher suites; HC 11 */
    size_t sent = 0;
    estoc_slice dg = estoc_slice_of(c.bytes, c.len);
    for (int i = 0; i < 50; i++) {
        assert_int_equal(estoc_dtls_listen(p->listener, address, p->now, dg,
                                           (estoc_buf){r.bytes, sizeof r.bytes}, &r.len,
                                           (estoc_dtls_out){&sent, discard}, &accepted),
                         ESTOC_DTLS_ACCEPT);
        assert_int_equal(estoc_dtls_state_of(accepted), ESTOC_DTLS_FAILED);
        assert_true(estoc_dtls_why(accepted)[0] != '\0');
        assert_int_equal(estoc_dtls_tick(accepted, p->now + 100000), ESTOC_DTLS_FAILED);
        estoc_dtls_free(accepted);
    }
    assert_int_equal(sent, 50); /* one alert each */
    p->passes = NULL;
    estoc_dtls_free(p->c);
    pair_open(p);
    pair_free(p);
}

/* HC 42, 302: what others send in its name does not reach an association, nor the listener's others. */
static void beside_open_ones(void **state)
{
    (void)state;
    hello h, r;
    pair *p = pair_new(), *other = with_hello(&h);
    pair_open(p);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(hear(p, h.bytes, h.len, &r), ESTOC_DTLS_REPLY);
        if (i % 2 == 1) {
            hello c = with_cookie(&h, r.bytes + 28, ESTOC_COOKIE_LEN);
            assert_int_equal(hear(p, c.bytes, c.len, &r), ESTOC_DTLS_ACCEPT);
        }
    }
    expect_alive(p);
    pair_free(other);
    pair_free(p);
}

/* D10: the client starts again from the same port. */
static void same_address_again(void **state)
{
    (void)state;
    pair *p = pair_new();
    pair_open(p);
    estoc_dtls *old = p->s;
    estoc_dtls_free(p->c);
    pair_open(p);
    assert_ptr_not_equal(p->s, old);
    expect_alive(p);
    pair_free(p);
}

/* What is freed twice or was never made does no harm. */
static void free_nothing(void **state)
{
    (void)state;
    estoc_dtls_free(NULL);
    estoc_dtls_listener_free(NULL);
    estoc_dtls_server_free(NULL);
    estoc_dtls_client_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hello_verify_request),
        cmocka_unit_test(good_cookie),
        cmocka_unit_test(wrong_cookies),
        cmocka_unit_test(rotation),
        cmocka_unit_test(whose_secret),
        cmocka_unit_test(of_several_nodes),
        cmocka_unit_test(arguments_of_listen),
        cmocka_unit_test(is_client_hello),
        cmocka_unit_test(pieces),
        cmocka_unit_test(stacked),
        cmocka_unit_test(malformed),
        cmocka_unit_test(anything),
        cmocka_unit_test(accepted_and_refused),
        cmocka_unit_test(beside_open_ones),
        cmocka_unit_test(same_address_again),
        cmocka_unit_test(free_nothing),
    };
    return cmocka_run_group_tests_name("dtls server", tests, pki_set_up, pki_tear_down);
}
