/* SPDX-License-Identifier: MIT
 *
 * What a registrar must not lose: requests that an upstream will decide, certificates that come when the device
 * has gone, and what was under way when it ended. The upstream is scripted, and its journal is the witness.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "upstream.h"

enum { SEEN_MS = 8000, AT_ONCE = 8 };

static registrar *reg;

static int start(void **state)
{
    static const registrar_cfg cfg = {.patience = "1s", .timeout = "5s"};
    reg = calloc(1, sizeof *reg);
    *state = reg;
    registrar_init(reg, &cfg);
    fixture_start(&reg->f);
    return 0;
}

static int begin(void **state)
{
    upstream_does(&reg->u, NULL);
    return connect_dev(state);
}
#define LATER(name, function)                 \
    {                                         \
        name, function, begin, drop_dev, NULL \
    }

static void reconnect(void)
{
    peer_free(dev);
    dev = NULL;
    dev = connect_as(&reg->f, "dev");
}

static void restart(void)
{
    peer_free(dev);
    dev = NULL;
    fixture_restart(&reg->f);
    dev = connect_as(&reg->f, "dev");
}

static void kill_and_start(void)
{
    peer_free(dev);
    dev = NULL;
    registrar_kill(reg);
    fixture_start(&reg->f);
    dev = connect_as(&reg->f, "dev");
}

/* Until the upstream has noted this about the request so many times. */
static void wait_for(const char *event, const body *csr, unsigned n)
{
    long long end = now_ms() + SEEN_MS;
    while (upstream_saw(&reg->u, event, csr) < n) {
        if (now_ms() > end) {
            fail_msg("the upstream has not %s it %u times", event, n);
        }
        usleep(10000);
    }
}

static uint8_t repeat(const body *csr, reply *r)
{
    return post(dev, EST "/sen", csr, 287, r);
}

/* The request gets its certificate in the end, again and again the same one, from one issuance. */
static void expect_one(EVP_PKEY *key, const body *csr)
{
    reply r, again;
    uint8_t code = post_until(dev, EST "/sen", csr, 287, &r);
    if (code != CODE(2, 4)) {
        fail_msg("%u.%02u", code >> 5, code & 31u);
    }
    body answer = {.len = r.m.payload_len};
    memcpy(answer.bytes, r.m.payload, r.m.payload_len);
    X509_free(cert_for(&answer, 287, key));
    unsigned seen = upstream_saw(&reg->u, "request", csr);
    assert_int_equal(repeat(csr, &again), CODE(2, 4));
    assert_int_equal(again.m.payload_len, answer.len);
    assert_memory_equal(again.m.payload, answer.bytes, answer.len);
    assert_int_equal(upstream_saw(&reg->u, "request", csr), seen); /* E6: nobody is asked again */
    assert_int_equal(upstream_saw(&reg->u, "issued", csr), 1);
}

static EVP_PKEY *request(const char *behaviour, body *csr)
{
    EVP_PKEY *key = key_new("P-256");
    csr_new(key, "CN=dev", NULL, csr);
    upstream_does(&reg->u, behaviour);
    return key;
}

/* ---- 202 ---- */

static void pending(void **state)
{
    (void)state;
    body csr;
    reply r;
    EVP_PKEY *key = request("first-2.status-202-2", &csr);
    assert_int_equal(repeat(&csr, &r), CODE(5, 3));
    assert_in_range(max_age(&r), 1, 2);
    /* before it is time the upstream is left alone */
    assert_int_equal(repeat(&csr, &r), CODE(5, 3));
    assert_in_range(max_age(&r), 1, 2);
    assert_int_equal(upstream_saw(&reg->u, "request", &csr), 1);
    sleep(2);
    assert_int_equal(repeat(&csr, &r), CODE(5, 3));
    assert_int_equal(upstream_saw(&reg->u, "request", &csr), 2);
    expect_one(key, &csr);
    assert_int_equal(upstream_saw(&reg->u, "request", &csr), 3);
    EVP_PKEY_free(key);
}

static void pending_in_blocks(void **state)
{
    (void)state;
    body csr, answer;
    reply r;
    EVP_PKEY *key = request("pending-1", &csr);
    assert_int_equal(enroll(dev, EST "/sen", &csr, 281, 2, &answer), CODE(5, 3));
    assert_int_equal(post_until(dev, EST "/sen", &csr, 287, &r), CODE(2, 4));
    assert_int_equal(enroll(dev, EST "/sen", &csr, 281, 2, &answer), CODE(2, 4));
    X509_free(cert_for(&answer, 281, key));
    assert_int_equal(upstream_saw(&reg->u, "issued", &csr), 1);
    EVP_PKEY_free(key);
}

static void then_refused(void **state)
{
    (void)state;
    body csr;
    reply r;
    EVP_PKEY *key = request("status-202-1", &csr);
    assert_int_equal(repeat(&csr, &r), CODE(5, 3));
    upstream_does(&reg->u, "status-403");
    assert_int_equal(post_until(dev, EST "/sen", &csr, 287, &r), CODE(4, 3));
    assert_int_equal(upstream_saw(&reg->u, "issued", &csr), 0);
    EVP_PKEY_free(key);
}

static void over_a_restart(void **state)
{
    (void)state;
    body csr, other;
    reply r;
    EVP_PKEY *key = request("status-202-2", &csr);
    EVP_PKEY *second = request("status-202-2", &other);
    assert_int_equal(repeat(&csr, &r), CODE(5, 3));
    assert_int_equal(repeat(&other, &r), CODE(5, 3));
    kill_and_start();
    assert_int_equal(repeat(&csr, &r), CODE(5, 3)); /* it was kept before it was told */
    assert_in_range(max_age(&r), 1, 2);
    assert_int_equal(upstream_saw(&reg->u, "request", &csr), 1);
    restart();
    upstream_does(&reg->u, NULL);
    expect_one(key, &csr);
    expect_one(second, &other);
    EVP_PKEY_free(second);
    EVP_PKEY_free(key);
}

static void upstream_goes_away(void **state)
{
    (void)state;
    body csr, fresh;
    reply r;
    EVP_PKEY *key = request("status-202-1", &csr);
    assert_int_equal(repeat(&csr, &r), CODE(5, 3));
    upstream_kill(&reg->u);
    sleep(1);
    assert_int_equal(repeat(&csr, &r), CODE(5, 3)); /* asked, and not reached */
    assert_in_range(max_age(&r), 1, 86400);
    assert_int_equal(post_fresh(dev, &fresh, &r), CODE(5, 3));
    assert_in_range(max_age(&r), 1, 86400);
    upstream_start(&reg->u, reg->u.dir);
    upstream_does(&reg->u, NULL);
    expect_one(key, &csr);
    assert_int_equal(post_until(dev, EST "/sen", &fresh, 287, &r), CODE(2, 4));
    EVP_PKEY_free(key);
}

/* ---- certificates that come late ---- */

static void after_the_exchange(void **state)
{
    (void)state;
    body csr;
    reply r;
    EVP_PKEY *key = request("slow-2", &csr);
    long long began = now_ms();
    assert_int_equal(repeat(&csr, &r), CODE(5, 3));
    assert_in_range(now_ms() - began, 900, 1900); /* its patience; the call goes on */
    assert_in_range(max_age(&r), 1, 60);
    assert_int_equal(repeat(&csr, &r), CODE(5, 3)); /* meanwhile it is not asked twice */
    wait_for("answered", &csr, 1);
    expect_one(key, &csr);
    assert_int_equal(upstream_saw(&reg->u, "request", &csr), 1);
    EVP_PKEY_free(key);
}

static void device_gone(void **state)
{
    (void)state;
    body csr;
    wire_out o;
    EVP_PKEY *key = request("delay-600", &csr);
    post_sen(&o, &csr);
    peer_send(dev, o.bytes, o.len);
    peer_flush(dev);
    wait_for("request", &csr, 1);
    peer_close(dev);
    reconnect();
    wait_for("answered", &csr, 1);
    expect_one(key, &csr);
    assert_int_equal(upstream_saw(&reg->u, "request", &csr), 1);
    EVP_PKEY_free(key);
}

/* The upstream's answer is here and kept; the device has not seen it. */
static void killed_before_delivery(void **state)
{
    (void)state;
    body csr;
    reply r;
    EVP_PKEY *key = request("slow-2", &csr);
    assert_int_equal(repeat(&csr, &r), CODE(5, 3));
    wait_for("answered", &csr, 1);
    usleep(500000);
    kill_and_start();
    expect_one(key, &csr);
    assert_int_equal(upstream_saw(&reg->u, "request", &csr), 1);
    EVP_PKEY_free(key);
}

/* The answer is nowhere: the same server is asked again, and knows the request. */
static void killed_before_the_answer(void **state)
{
    (void)state;
    body csr;
    reply r;
    EVP_PKEY *key = request("same.late-2", &csr);
    assert_int_equal(repeat(&csr, &r), CODE(5, 3));
    assert_int_equal(upstream_saw(&reg->u, "issued", &csr), 1);
    upstream_does(&reg->u, "same");
    kill_and_start();
    expect_one(key, &csr);
    assert_int_equal(upstream_saw(&reg->u, "request", &csr), 2);
    EVP_PKEY_free(key);
}

static void stopped_before_the_answer(void **state)
{
    (void)state;
    body csr;
    EVP_PKEY *key = request("same.late-2", &csr);
    wire_out o;
    reply r;
    post_sen(&o, &csr);
    peer_send(dev, o.bytes, o.len);
    peer_flush(dev);
    wait_for("issued", &csr, 1);
    kill(reg->f.pid, SIGTERM); /* the device is told something before the end */
    do {
        r.len = peer_recv(dev, r.bytes, sizeof r.bytes, ANSWER_MS);
        assert_true(r.len > 0 && wire_parse(&r.m, r.bytes, r.len));
    } while (r.m.code == 0);
    assert_int_equal(r.m.code, CODE(5, 3));
    assert_in_range(max_age(&r), 1, 86400);
    assert_int_equal(run_wait(reg->f.pid, 15000), 0);
    close(reg->f.out);
    upstream_does(&reg->u, "same");
    peer_free(dev);
    dev = NULL;
    fixture_start(&reg->f);
    dev = connect_as(&reg->f, "dev");
    expect_one(key, &csr);
    EVP_PKEY_free(key);
}

/* Issued, and the connection broke. */
static void answer_lost(void **state)
{
    (void)state;
    body csr, other;
    reply r;
    EVP_PKEY *key = request("same.first-1.drop", &csr);
    assert_int_equal(repeat(&csr, &r), CODE(5, 3));
    assert_int_equal(upstream_saw(&reg->u, "request", &csr), 1); /* not by itself once more */
    EVP_PKEY *second = request("same.first-1.truncated", &other);
    assert_int_equal(repeat(&other, &r), CODE(5, 3));
    upstream_does(&reg->u, "same");
    expect_one(key, &csr);
    expect_one(second, &other);
    EVP_PKEY_free(second);
    EVP_PKEY_free(key);
}

/* ---- one identity, one request, many associations ---- */

static void at_once(void **state)
{
    (void)state;
    body csr;
    peer *p[AT_ONCE];
    reply r[AT_ONCE];
    wire_out o;
    EVP_PKEY *key = request("delay-500", &csr);
    for (size_t i = 0; i < AT_ONCE; i++) {
        p[i] = connect_as(&reg->f, "dev");
        ask(p[i], &o, POST);
        wire_path(&o, EST "/sen");
        wire_uint(&o, OPT_FORMAT, 286);
        wire_uint(&o, OPT_ACCEPT, 287);
        wire_payload(&o, csr.bytes, csr.len);
        peer_send(p[i], o.bytes, o.len);
        peer_flush(p[i]);
    }
    for (size_t i = 0; i < AT_ONCE; i++) {
        do {
            r[i].len = peer_recv(p[i], r[i].bytes, sizeof r[i].bytes, ANSWER_MS);
            assert_true(r[i].len > 0 && wire_parse(&r[i].m, r[i].bytes, r[i].len));
        } while (r[i].m.code == 0);
        /* all wait for the one, or are told to come again */
        assert_true(r[i].m.code == CODE(2, 4) || r[i].m.code == CODE(5, 3));
        peer_free(p[i]);
    }
    expect_one(key, &csr);
    assert_int_equal(upstream_saw(&reg->u, "request", &csr), 1);
    EVP_PKEY_free(key);
}

/* ---- a reload ---- */

static void reload(void **state)
{
    (void)state;
    body csr, other;
    reply r;
    EVP_PKEY *key = request("slow-2", &csr);
    EVP_PKEY *second = request("slow-2", &other);
    wire_out o;
    assert_int_equal(repeat(&other, &r), CODE(5, 3)); /* told to come again */
    post_sen(&o, &csr);
    peer_send(dev, o.bytes, o.len); /* waits */
    peer_flush(dev);
    wait_for("request", &csr, 1);
    size_t from = log_end(&reg->f);
    kill(reg->f.pid, SIGHUP);
    assert_true(log_says(&reg->f, from, "reload", ""));
    reconnect();
    expect_one(key, &csr);
    expect_one(second, &other);
    assert_int_equal(upstream_saw(&reg->u, "request", &csr), 1);
    assert_int_equal(upstream_saw(&reg->u, "request", &other), 1);
    EVP_PKEY_free(second);
    EVP_PKEY_free(key);
}

/* ---- a crowd ---- */

static int start_few(void **state)
{
    static const registrar_cfg cfg = {.patience = "15s", .more = "[registrar]\nconnections = 4\n"};
    reg = calloc(1, sizeof *reg);
    *state = reg;
    registrar_init(reg, &cfg);
    upstream_does(&reg->u, "delay-50");
    fixture_start(&reg->f);
    return 0;
}

static void crowd(void **state)
{
    (void)state;
    output o;
    run_as(&o, &reg->f, "dev", "bench", reg->f.uri, "--count", "50", "--concurrency", "50", NULL);
    if (o.code != 0) {
        print_error("%s%s", o.out, o.err);
    }
    assert_int_equal(o.code, 0);
    assert_int_equal(upstream_count(&reg->u, "\"event\":\"issued\"", NULL), 50);
    assert_in_range(upstream_connections(&reg->u), 2, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LATER("G1 L2 202, and a certificate when the request is repeated", pending),
        LATER("G1 L2 202, in blocks", pending_in_blocks),
        LATER("G1 L2 202, and refused when the request is repeated: 4.03", then_refused),
        LATER("G1 L2 E6 what waits upstream survives kill -9 and a restart", over_a_restart),
        LATER("G3 L2 an upstream that goes away: devices are told when, nothing is lost",
              upstream_goes_away),
        LATER("L2 E6 HC 261 a slow upstream: the certificate is kept for the repeated request",
              after_the_exchange),
        LATER("E6 HC 261 a device that is gone: the same", device_gone),
        LATER("E6 G3 HC 262 kill -9 between the upstream's answer and the device",
              killed_before_delivery),
        LATER("E6 G3 HC 262 kill -9 before the upstream's answer: the same server is asked again",
              killed_before_the_answer),
        LATER("G3 HC 276 a stop tells who waits, and the next start knows",
              stopped_before_the_answer),
        LATER("G1 E6 an answer that breaks off is not asked for again by itself", answer_lost),
        LATER("E6 HC 289 the same request over many associations at once goes upstream once",
              at_once),
        LATER("G3 HC 276 a reload while the upstream works: it is not asked twice", reload),
        {"G1 X11 50 devices at once share 4 connections", crowd, start_few, registrar_tear_down,
         NULL},
    };
    return cmocka_run_group_tests_name("registrar_later", tests, start, registrar_tear_down);
}
