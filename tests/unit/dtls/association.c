/* SPDX-License-Identifier: MIT */
#include <sys/time.h>
#include <time.h>

#include "pair.h"

/* The clock OpenSSL looks at; HC 322. */
static time_t wall_offset;

int gettimeofday(struct timeval *restrict tv, void *restrict tz)
{
    struct timespec ts;
    (void)tz;
    clock_gettime(CLOCK_REALTIME, &ts);
    tv->tv_sec = ts.tv_sec + wall_offset;
    tv->tv_usec = ts.tv_nsec / 1000;
    return 0;
}

static size_t count(const pair *p, int way)
{
    size_t n = 0;
    for (size_t i = 0; i < p->logged; i++) {
        n += p->log[i].way == way;
    }
    return n;
}

/* ---- a handshake and what follows ---- */

static void opens(void **state)
{
    (void)state;
    pair *p = pair_new();
    pair_connect(p);
    assert_int_equal(estoc_dtls_state_of(p->c), ESTOC_DTLS_HANDSHAKE);
    assert_int_equal(estoc_dtls_peer_cert(p->c).len, 0);
    assert_int_equal(estoc_dtls_message_max(p->c), 0);
    assert_int_equal(estoc_dtls_deadline(p->c), p->now + 1000);
    pair_run(p, p->now); /* no time passes */
    assert_int_equal(estoc_dtls_state_of(p->c), ESTOC_DTLS_OPEN);
    assert_int_equal(estoc_dtls_state_of(p->s), ESTOC_DTLS_OPEN);
    assert_int_equal(estoc_dtls_deadline(p->c), ESTOC_NEVER);
    assert_int_equal(estoc_dtls_deadline(p->s), ESTOC_NEVER);
    assert_true(estoc_slice_eq(estoc_dtls_peer_cert(p->s), estoc_blob_slice(device.cert)));
    assert_true(estoc_slice_eq(estoc_dtls_peer_cert(p->c), estoc_blob_slice(server_cred.cert)));
    assert_string_equal(estoc_dtls_cipher(p->c), "ECDHE-ECDSA-AES128-CCM8");
    assert_string_equal(estoc_dtls_cipher(p->s), "ECDHE-ECDSA-AES128-CCM8");
    assert_string_equal(SSL_get_version(p->c->ssl), "DTLSv1.2");
    assert_string_equal(estoc_dtls_why(p->c), "");
    assert_string_equal(estoc_dtls_why(p->s), "");
    assert_int_equal(count(p, UP), 3); /* hello, hello with cookie, the rest in one datagram */
    assert_int_equal(count(p, DOWN), 3);
    expect_alive(p);
    pair_free(p);
}

static void messages(void **state)
{
    (void)state;
    pair *p = pair_new();
    uint8_t big[ESTOC_DATAGRAM_MAX], in[ESTOC_DATAGRAM_MAX];
    size_t n;
    pair_open(p);
    size_t most = estoc_dtls_message_max(p->c);
    assert_int_equal(most, p->payload_max - 13 - 8 - 8); /* header, nonce, tag of CCM-8 */
    assert_int_equal(estoc_dtls_message_max(p->s), most);
    memset(big, 'x', sizeof big);
    assert_int_equal(estoc_dtls_write(p->c, estoc_slice_of(big, most + 1)), ESTOC_E_LIMIT);
    assert_int_equal(estoc_dtls_write(p->c, estoc_slice_of(big, 0)), ESTOC_E_LIMIT);
    p->longest = 0;
    assert_int_equal(estoc_dtls_write(p->c, estoc_slice_of(big, most)), 0);
    assert_int_equal(p->longest, p->payload_max); /* it fills the datagram */
    pair_deliver(p);
    assert_int_equal(estoc_dtls_read(p->s, (estoc_buf){in, 100}, &n), ESTOC_E_SPACE);
    assert_int_equal(n, 0);
    assert_int_equal(estoc_dtls_read(p->s, (estoc_buf){in, sizeof in}, &n), 0);
    assert_int_equal(n, most);
    assert_memory_equal(in, big, most);
    expect_silence(p->s);
    expect_silence(p->c);
    pair_free(p);
}

/* Two records in one datagram are two messages; one with nothing in it is none. */
static void stacked_records(void **state)
{
    (void)state;
    pair *p = pair_new();
    uint8_t in[ESTOC_DATAGRAM_MAX], both[ESTOC_DATAGRAM_MAX];
    size_t n, len;
    pair_open(p);
    assert_int_equal(estoc_dtls_write(p->c, estoc_slice_str("one")), 0);
    assert_int_equal(estoc_dtls_write(p->c, estoc_slice_str("two!")), 0);
    len = p->queue[0].len;
    memcpy(both, p->queue[0].bytes, len);
    memcpy(both + len, p->queue[1].bytes, p->queue[1].len);
    len += p->queue[1].len;
    p->queued = 0;
    assert_int_equal(estoc_dtls_input(p->s, p->now, estoc_slice_of(both, len)), ESTOC_DTLS_OPEN);
    assert_int_equal(estoc_dtls_read(p->s, (estoc_buf){in, sizeof in}, &n), 0);
    assert_int_equal(n, 3);
    assert_int_equal(estoc_dtls_read(p->s, (estoc_buf){in, sizeof in}, &n), 0);
    assert_int_equal(n, 4);
    expect_silence(p->s);
    expect_alive(p);
    pair_free(p);
}

static void unique(void **state)
{
    (void)state;
    pair *p = pair_new();
    uint8_t c[64], s[64];
    size_t c_len = 1, s_len = 1;
    pair_connect(p);
    assert_int_equal(estoc_dtls_unique(p->c, (estoc_buf){c, sizeof c}, &c_len), ESTOC_E_STATE);
    assert_int_equal(c_len, 0);
    pair_run(p, ESTOC_NEVER);
    assert_int_equal(estoc_dtls_unique(p->c, (estoc_buf){c, 11}, &c_len), ESTOC_E_SPACE);
    assert_int_equal(estoc_dtls_unique(p->c, (estoc_buf){c, sizeof c}, &c_len), 0);
    assert_int_equal(estoc_dtls_unique(p->s, (estoc_buf){s, sizeof s}, &s_len), 0);
    assert_int_equal(c_len, 12);
    assert_int_equal(s_len, 12);
    assert_memory_equal(c, s, 12);
    uint8_t finished[12]; /* the client's: RFC 5929 section 3.1 */
    assert_int_equal(SSL_get_finished(p->c->ssl, finished, sizeof finished), 12);
    assert_memory_equal(c, finished, 12);
    pair *other = pair_new();
    pair_open(other);
    assert_int_equal(estoc_dtls_unique(other->c, (estoc_buf){s, sizeof s}, &s_len), 0);
    assert_memory_not_equal(c, s, 12);
    pair_free(other);
    pair_free(p);
}

/* ---- loss, time ---- */

static void each_datagram_lost(void **state)
{
    (void)state;
    size_t sent[2] = {4, 4};
    for (int way = UP; way <= DOWN; way++) {
        for (size_t n = 1; n <= sent[way]; n++) {
            pair *p = pair_new();
            p->payload_max = 400; /* several datagrams in a flight */
            p->passes = pass_but_one;
            p->lose[way] = n;
            pair_open(p);
            p->passes = NULL;
            expect_alive(p);
            sent[way] = p->sent[way] - 2 > sent[way] ? p->sent[way] - 2 : sent[way];
            pair_free(p);
        }
        assert_true(sent[way] > 4);
    }
}

/* HC 41. The server is open already; it says its last words again when the client does. */
static void last_flight_lost(void **state)
{
    (void)state;
    pair *p = pair_new();
    p->passes = pass_but_one;
    p->lose[DOWN] = 3;
    pair_connect(p);
    pair_run(p, p->now);
    assert_int_equal(estoc_dtls_state_of(p->s), ESTOC_DTLS_OPEN);
    assert_int_equal(estoc_dtls_state_of(p->c), ESTOC_DTLS_HANDSHAKE);
    pair_run(p, p->now + 1000);
    assert_int_equal(estoc_dtls_state_of(p->c), ESTOC_DTLS_OPEN);
    assert_int_equal(p->sent[DOWN], 4);
    expect_alive(p);
    pair_free(p);
}

/* An association that slept repeats its last flight from its own memory, and is as good as before. */
static void sleeps(void **state)
{
    (void)state;
    pair *p = pair_new();
    p->passes = pass_but_one;
    p->lose[DOWN] = 3;
    pair_connect(p);
    estoc_dtls_sleep(p->s != NULL ? p->s : p->c); /* too early: nothing happens */
    pair_run(p, p->now);
    assert_int_equal(estoc_dtls_state_of(p->s), ESTOC_DTLS_OPEN);
    assert_non_null(p->s->scratch);
    memset(p->s->scratch, 0xaa, SSL3_RT_MAX_PLAIN_LENGTH);
    const uint8_t *page = (const uint8_t *)p->s->scratch + SSL3_RT_MAX_PLAIN_LENGTH / 2;
    assert_int_equal(*page, 0xaa);
    estoc_dtls_rest(p->s);
    estoc_dtls_sleep(p->s);
    assert_int_equal(*page, 0);
    pair_run(p, p->now + 1000);
    assert_int_equal(estoc_dtls_state_of(p->c), ESTOC_DTLS_OPEN);
    assert_int_equal(p->sent[DOWN], 4);
    expect_alive(p);
    estoc_dtls_sleep(p->s);
    expect_alive(p);
    pair_free(p);
}

static void random_loss(void **state)
{
    (void)state;
    unsigned open = 0;
    for (uint32_t seed = 1; seed <= 60; seed++) {
        pair *p = pair_new();
        p->payload_max = 208 + seed % 7 * 100;
        p->passes = pass_by_chance;
        p->seed = seed * 2654435761u;
        pair_connect(p);
        pair_run(p, ESTOC_NEVER);
        assert_true(estoc_dtls_state_of(p->c) != ESTOC_DTLS_HANDSHAKE);
        if (estoc_dtls_state_of(p->c) == ESTOC_DTLS_OPEN) {
            open++;
            p->passes = NULL;
            expect_alive(p);
        } else {
            assert_string_equal(estoc_dtls_why(p->c), "no answer");
        }
        pair_free(p);
    }
    assert_true(open > 40);
}

/* X5: five copies, each after twice the time, at most a minute. */
static void silent_server(void **state)
{
    (void)state;
    static const struct {
        uint32_t timeout_ms;
        uint32_t wait_s[5];
    } rows[] = {{1000, {1, 2, 4, 8, 16}}, {9000, {9, 18, 36, 60, 60}}};
    for (size_t i = 0; i < 2; i++) {
        pair *p = pair_new();
        p->timeout_ms = rows[i].timeout_ms;
        p->passes = pass_nothing;
        pair_connect(p);
        estoc_ms at = p->now;
        pair_run(p, ESTOC_NEVER);
        assert_int_equal(p->sent[UP], 5);
        for (size_t n = 0; n < 5; n++) {
            assert_int_equal(p->log_at[n], at);
            at += (estoc_ms)rows[i].wait_s[n] * 1000;
        }
        assert_int_equal(p->now, at);
        assert_int_equal(estoc_dtls_state_of(p->c), ESTOC_DTLS_FAILED);
        assert_string_equal(estoc_dtls_why(p->c), "no answer");
        assert_int_equal(estoc_dtls_deadline(p->c), ESTOC_NEVER);
        assert_int_equal(estoc_dtls_tick(p->c, p->now + 100000), ESTOC_DTLS_FAILED);
        assert_int_equal(p->sent[UP], 5);
        pair_free(p);
    }
}

static bool server_unheard(pair *p, int way, size_t n, estoc_slice dg)
{
    (void)p;
    (void)dg;
    return way == UP || n == 1; /* the HelloVerifyRequest is */
}

static void client_falls_silent(size_t payload_max, size_t more)
{
    pair *p = pair_new();
    p->payload_max = payload_max;
    p->passes = server_unheard;
    pair_connect(p);
    pair_run(p, p->now);
    assert_non_null(p->s);
    estoc_ms start = p->now;
    estoc_dtls_close(p->c); /* nothing more from there */
    pair_run(p, ESTOC_NEVER);
    assert_int_equal(p->now, start + 31000);
    size_t flight = 0;
    for (size_t i = 0; i < p->logged; i++) {
        flight += p->log[i].way == DOWN && p->log_at[i] == start;
    }
    /* the HelloVerifyRequest, and five times the flight: OpenSSL cuts copies a little worse */
    assert_in_range(p->sent[DOWN], 1 + 5 * (flight - 1), 1 + 5 * (flight - 1) + 4 * more);
    assert_int_equal(estoc_dtls_state_of(p->s), ESTOC_DTLS_FAILED);
    assert_string_equal(estoc_dtls_why(p->s), "no answer");
    assert_true(estoc_dtls_unanswered(p->s));
    assert_false(estoc_dtls_unanswered(p->c));
    pair_free(p);
}

static void silent_client(void **state)
{
    (void)state;
    client_falls_silent(1232, 0);
    client_falls_silent(400, 0);
    client_falls_silent(208, 1);
}

/* A flight that left late is not sent again before its time. */
static void left_late(void **state)
{
    (void)state;
    pair *p = pair_new();
    p->passes = server_unheard;
    pair_connect(p);
    pair_run(p, p->now);
    assert_non_null(p->s);
    assert_true(estoc_dtls_deadline(p->s) == p->now + 1000);
    size_t down = p->sent[DOWN];
    estoc_dtls_restart(p->s, p->now + 700);
    assert_true(estoc_dtls_deadline(p->s) == p->now + 1700);
    estoc_dtls_tick(p->s, p->now + 1699);
    assert_int_equal(p->sent[DOWN], down);
    estoc_dtls_tick(p->s, p->now + 1700);
    assert_true(p->sent[DOWN] > down);
    assert_true(estoc_dtls_deadline(p->s) == p->now + 3700); /* doubled, as ever */
    pair_free(p);
    p = pair_new();
    pair_connect(p);
    pair_run(p, p->now);
    assert_int_equal(estoc_dtls_state_of(p->s), ESTOC_DTLS_OPEN);
    estoc_dtls_restart(p->s, p->now);
    assert_true(estoc_dtls_deadline(p->s) == ESTOC_NEVER);
    pair_free(p);
}

/* Deadlines are those of the caller's clock, however the wall clock jumps. */
static void wall_clock_steps(void **state)
{
    (void)state;
    static const time_t steps[] = {3600, -3600, 86400 * 400L, -86400 * 400L};
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        pair *p = pair_new();
        p->passes = pass_but_one;
        p->lose[UP] = 3;
        wall_offset = 0;
        pair_connect(p);
        pair_run(p, p->now);
        size_t up = p->sent[UP], down = p->sent[DOWN];
        wall_offset = steps[i];
        static const uint8_t noise[13] = {22, 254, 253}; /* something to read: OpenSSL looks up */
        estoc_dtls_input(p->c, p->now, estoc_slice_of(noise, sizeof noise));
        estoc_dtls_input(p->s, p->now, estoc_slice_of(noise, sizeof noise));
        estoc_dtls_tick(p->c, p->now + 999);
        estoc_dtls_tick(p->s, p->now + 999);
        assert_int_equal(p->sent[UP], up);
        assert_int_equal(p->sent[DOWN], down);
        pair_run(p, p->now + 1000);
        assert_int_equal(estoc_dtls_state_of(p->c), ESTOC_DTLS_OPEN);
        assert_int_equal(p->sent[UP], up + 1);
        expect_alive(p);
        pair_free(p);
    }
    wall_offset = 0;
}

static void sizes(void **state)
{
    (void)state;
    static const size_t payloads[] = {208, 228, 256, 300, 512, 548, 1024, 1232, 1452, 2048, 9000};
    for (size_t i = 0; i < sizeof payloads / sizeof payloads[0]; i++) {
        pair *p = pair_new();
        p->payload_max = payloads[i]; /* each datagram is compared with it */
        pair_open(p);
        expect_alive(p);
        assert_true(p->longest <= ESTOC_DATAGRAM_MAX);
        size_t n = estoc_dtls_message_max(p->s);
        size_t limit = payloads[i] < ESTOC_DATAGRAM_MAX ? payloads[i] : ESTOC_DATAGRAM_MAX;
        assert_int_equal(n, limit - 29);
        pair_free(p);
    }
}

/* Every size: the last record of a flight may or may not fit. */
static void every_size(void **state)
{
    (void)state;
    for (size_t size = 208; size < 460; size++) {
        pair *p = pair_new();
        p->payload_max = size;
        p->passes = pass_but_one;
        p->lose[size % 2] = 3; /* copies too */
        pair_open(p);
        pair_free(p);
    }
}

/* HC 57 */
static void max_fragment(void **state)
{
    (void)state;
    pair *p = pair_new();
    pair_prepare(p);
    assert_int_equal(
        SSL_CTX_set_tlsext_max_fragment_length(client_ssl(p), TLSEXT_max_fragment_length_512), 1);
    pair_open(p);
    assert_int_equal(estoc_dtls_message_max(p->s), 512);
    assert_int_equal(estoc_dtls_message_max(p->c), 512);
    for (size_t i = 0; i < p->logged; i++) {
        const datagram *d = &p->log[i];
        for (size_t at = 0; at + 13 <= d->len;) {
            size_t n = (size_t)d->bytes[at + 11] << 8 | d->bytes[at + 12];
            assert_in_range(n, 1, 512 + 16);
            at += 13 + n;
        }
    }
    expect_alive(p);
    pair_free(p);
}

static void renegotiate(estoc_dtls *d)
{
    uint8_t room[ESTOC_DATAGRAM_MAX];
    SSL_clear_options(d->ssl, SSL_OP_NO_RENEGOTIATION);
    assert_true(estoc_dtls_begin(d, d->now, room));
    assert_int_equal(SSL_renegotiate(d->ssl), 1);
    SSL_do_handshake(d->ssl);
    estoc_dtls_end(d);
}

/* D8, HC 49: whoever asks is refused by a warning, and what was open stays open. */
static void renegotiation(void **state)
{
    (void)state;
    for (int way = UP; way <= DOWN; way++) {
        pair *p = pair_new();
        pair_open(p);
        estoc_dtls *asks = way == UP ? p->c : p->s, *other = way == UP ? p->s : p->c;
        renegotiate(asks);
        assert_int_equal(p->queued, 1);
        datagram hello = p->queue[0];
        p->queued = 0;
        assert_int_equal(hello.bytes[0], SSL3_RT_HANDSHAKE);
        assert_int_equal(estoc_dtls_input(other, p->now, estoc_slice_of(hello.bytes, hello.len)),
                         ESTOC_DTLS_OPEN);
        assert_int_equal(p->queued, 1);
        assert_int_equal(p->queue[0].bytes[0], SSL3_RT_ALERT);
        pair_deliver(p);
        assert_int_equal(SSL_total_renegotiations(other->ssl), 0);
        assert_string_equal(estoc_dtls_why(asks), "no renegotiation");
        pair_free(p);
    }
}

/* ---- the end ---- */

static void closes(void **state)
{
    (void)state;
    pair *p = pair_new();
    uint8_t unique[12];
    size_t n;
    pair_open(p);
    assert_int_equal(estoc_dtls_write(p->c, estoc_slice_str("late")), 0);
    datagram late = p->queue[0];
    p->queued = 0;
    size_t down = p->sent[DOWN];
    estoc_dtls_close(p->c);
    assert_int_equal(estoc_dtls_state_of(p->c), ESTOC_DTLS_CLOSED);
    assert_int_equal(p->queued, 1);
    pair_deliver(p);
    assert_int_equal(estoc_dtls_state_of(p->s), ESTOC_DTLS_CLOSED);
    assert_int_equal(p->sent[DOWN], down + 1); /* its own close_notify */
    assert_string_equal(estoc_dtls_why(p->s), "");
    assert_int_equal(estoc_dtls_deadline(p->s), ESTOC_NEVER);
    assert_int_equal(estoc_dtls_input(p->s, p->now, estoc_slice_of(late.bytes, late.len)),
                     ESTOC_DTLS_CLOSED);
    expect_silence(p->s);
    assert_int_equal(estoc_dtls_write(p->s, estoc_slice_str("x")), ESTOC_E_STATE);
    assert_int_equal(estoc_dtls_write(p->c, estoc_slice_str("x")), ESTOC_E_STATE);
    assert_int_equal(estoc_dtls_unique(p->s, (estoc_buf){unique, 12}, &n), ESTOC_E_STATE);
    assert_true(estoc_dtls_peer_cert(p->s).len > 0);
    size_t up = p->sent[UP];
    estoc_dtls_close(p->c);
    estoc_dtls_close(p->s);
    assert_int_equal(p->sent[UP], up);
    assert_int_equal(p->sent[DOWN], down + 1);
    pair_free(p);
}

/* A message and close_notify in one datagram: first the one, then the other. */
static void last_words(void **state)
{
    (void)state;
    pair *p = pair_new();
    uint8_t in[ESTOC_DATAGRAM_MAX], both[ESTOC_DATAGRAM_MAX];
    size_t n;
    pair_open(p);
    assert_int_equal(estoc_dtls_write(p->c, estoc_slice_str("bye")), 0);
    estoc_dtls_close(p->c);
    assert_int_equal(p->queued, 2);
    size_t len = p->queue[0].len;
    memcpy(both, p->queue[0].bytes, len);
    memcpy(both + len, p->queue[1].bytes, p->queue[1].len);
    len += p->queue[1].len;
    p->queued = 0;
    assert_int_equal(estoc_dtls_input(p->s, p->now, estoc_slice_of(both, len)), ESTOC_DTLS_OPEN);
    assert_int_equal(estoc_dtls_read(p->s, (estoc_buf){in, sizeof in}, &n), 0);
    assert_int_equal(n, 3);
    assert_int_equal(estoc_dtls_read(p->s, (estoc_buf){in, sizeof in}, &n), 0);
    assert_int_equal(n, 0);
    assert_int_equal(estoc_dtls_state_of(p->s), ESTOC_DTLS_CLOSED);
    pair_free(p);
}

static void given_up(void **state)
{
    (void)state;
    pair *p = pair_new();
    pair_connect(p);
    assert_int_equal(estoc_dtls_write(p->c, estoc_slice_str("x")), ESTOC_E_STATE);
    size_t up = p->sent[UP];
    estoc_dtls_close(p->c);
    assert_int_equal(p->sent[UP], up);
    assert_int_equal(estoc_dtls_state_of(p->c), ESTOC_DTLS_FAILED);
    assert_string_equal(estoc_dtls_why(p->c), "handshake not finished in time");
    pair_run(p, ESTOC_NEVER); /* the server's answer changes nothing */
    assert_int_equal(estoc_dtls_state_of(p->c), ESTOC_DTLS_FAILED);
    pair_free(p);
}

/* In the handshake an alert still comes in the clear. */
static void closed_in_handshake(void **state)
{
    (void)state;
    static const uint8_t bye[] = {21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 1, 0};
    static const uint8_t no[] = {21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40};
    pair *p = pair_new();
    pair_connect(p);
    estoc_dtls_input(p->c, p->now, estoc_slice_of(bye, sizeof bye));
    assert_int_equal(estoc_dtls_state_of(p->c), ESTOC_DTLS_FAILED);
    assert_string_equal(estoc_dtls_why(p->c), "closed by the peer");
    pair_free(p);
    p = pair_new();
    pair_connect(p);
    estoc_dtls_input(p->c, p->now, estoc_slice_of(no, sizeof no));
    assert_int_equal(estoc_dtls_state_of(p->c), ESTOC_DTLS_FAILED);
    assert_string_equal(estoc_dtls_why(p->c), "refused by the peer: handshake failure");
    pair_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opens),
        cmocka_unit_test(messages),
        cmocka_unit_test(stacked_records),
        cmocka_unit_test(unique),
        cmocka_unit_test(each_datagram_lost),
        cmocka_unit_test(last_flight_lost),
        cmocka_unit_test(sleeps),
        cmocka_unit_test(random_loss),
        cmocka_unit_test(silent_server),
        cmocka_unit_test(left_late),
        cmocka_unit_test(silent_client),
        cmocka_unit_test(wall_clock_steps),
        cmocka_unit_test(sizes),
        cmocka_unit_test(every_size),
        cmocka_unit_test(max_fragment),
        cmocka_unit_test(renegotiation),
        cmocka_unit_test(closes),
        cmocka_unit_test(last_words),
        cmocka_unit_test(given_up),
        cmocka_unit_test(closed_in_handshake),
    };
    return cmocka_run_group_tests_name("dtls association", tests, pki_set_up, pki_tear_down);
}
