/* SPDX-License-Identifier: MIT
 *
 * What an upstream says, and what is no answer, as the device gets it. The upstream is scripted.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "upstream.h"

#define ANY_AGE (-1)

static registrar *reg;

static int start(void **state)
{
    static const registrar_cfg cfg = {.patience = "10s", /* what comes late is told as what it is */
                                      .timeout = "1s",
                                      .more =
                                          "[upstream wrong-name]\n"
                                          "url = https://127.0.0.1:%{wrong-name}/.well-known/est\n"
                                          "anchors = %U/upstream.ta\n"
                                          "[upstream expired]\n"
                                          "url = https://127.0.0.1:%{expired}/.well-known/est\n"
                                          "anchors = %U/upstream.ta\n"
                                          "[upstream unknown-ca]\n"
                                          "url = https://127.0.0.1:%{unknown-ca}/.well-known/est\n"
                                          "anchors = %U/upstream.ta\n"
                                          "[upstream no-tls]\n"
                                          "url = https://127.0.0.1:%{plain}/.well-known/est\n"
                                          "anchors = %U/upstream.ta\n"
                                          "[upstream silent]\n"
                                          "url = https://127.0.0.1:%{silent}/.well-known/est\n"
                                          "anchors = %U/upstream.ta\n"
                                          "connect-timeout = 1s\n"
                                          "[upstream refused]\n"
                                          "url = https://127.0.0.1:1/.well-known/est\n"
                                          "anchors = %U/upstream.ta\n"
                                          "[upstream tls12]\n"
                                          "url = https://127.0.0.1:%{tls12}/.well-known/est\n"
                                          "anchors = %U/upstream.ta\n"
                                          "certificate = %U/registrar.crt\n"
                                          "key = %U/registrar.key\n"
                                          "[profile wrong-name]\nupstream = wrong-name\n"
                                          "[profile expired]\nupstream = expired\n"
                                          "[profile unknown-ca]\nupstream = unknown-ca\n"
                                          "[profile no-tls]\nupstream = no-tls\n"
                                          "[profile silent]\nupstream = silent\n"
                                          "[profile refused]\nupstream = refused\n"
                                          "[profile tls12]\nupstream = tls12\nupstream-label =\n"};
    reg = calloc(1, sizeof *reg);
    *state = reg;
    registrar_init(reg, &cfg);
    fixture_start(&reg->f);
    return 0;
}

static int connect_and_reset(void **state)
{
    upstream_does(&reg->u, NULL);
    return connect_dev(state);
}
#define CODES(name, function)                             \
    {                                                     \
        name, function, connect_and_reset, drop_dev, NULL \
    }

typedef struct row {
    const char *does;
    uint8_t code;
    int64_t age_min, age_max; /* ANY_AGE: none is asked for */
} row;

/* One fresh request, which the upstream sees once and answers that way. */
static void one_row(const row *want)
{
    body csr;
    reply r;
    char url[64];
    snprintf(url, sizeof url, "https://127.0.0.1:%u/", upstream_port(&reg->u, "main"));
    size_t from = log_end(&reg->f);
    upstream_does(&reg->u, want->does);
    uint8_t code = post_fresh(dev, &csr, &r);
    if (code != want->code) {
        fail_msg("%s: %u.%02u", want->does, code >> 5, code & 31u);
    }
    if (want->age_min != ANY_AGE && (max_age(&r) < want->age_min || max_age(&r) > want->age_max)) {
        fail_msg("%s: Max-Age %lld", want->does, (long long)max_age(&r));
    }
    if (upstream_saw(&reg->u, "request", &csr) != 1) {
        fail_msg("%s: seen %u times", want->does, upstream_saw(&reg->u, "request", &csr));
    }
    if (want->code != CODE(2, 4) && strncmp(want->does, "status-202", 10) != 0 &&
        !log_says(&reg->f, from, " upstream", url)) {
        fail_msg("%s: the upstream is not named", want->does);
    }
}

static void all_rows(const row *at, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        one_row(&at[i]);
    }
}

static void statuses(void **state)
{
    (void)state;
    static const row all[] = {
        {"ok", CODE(2, 4), ANY_AGE, 0},          {"status-204", CODE(4, 4), ANY_AGE, 0},
        {"status-400", CODE(4, 0), ANY_AGE, 0},  {"status-401", CODE(4, 1), ANY_AGE, 0},
        {"status-403", CODE(4, 3), ANY_AGE, 0},  {"status-404", CODE(4, 4), ANY_AGE, 0},
        {"status-405", CODE(4, 5), ANY_AGE, 0},  {"status-406", CODE(4, 6), ANY_AGE, 0},
        {"status-413", CODE(4, 13), ANY_AGE, 0}, {"status-415", CODE(4, 15), ANY_AGE, 0},
        {"status-429-7", CODE(4, 29), 7, 7},     {"status-429", CODE(4, 29), 60, 60},
        {"status-500", CODE(5, 0), ANY_AGE, 0},  {"status-502", CODE(5, 2), ANY_AGE, 0},
        {"status-503-9", CODE(5, 3), 9, 9},      {"status-503", CODE(5, 3), 60, 60},
        {"status-504", CODE(5, 4), ANY_AGE, 0},  {"status-402", CODE(4, 0), ANY_AGE, 0},
        {"status-410", CODE(4, 0), ANY_AGE, 0},  {"status-422", CODE(4, 0), ANY_AGE, 0},
        {"status-501", CODE(5, 0), ANY_AGE, 0},  {"status-507", CODE(5, 0), ANY_AGE, 0},
        {"ok", CODE(2, 4), ANY_AGE, 0},
    };
    all_rows(all, sizeof all / sizeof all[0]);
}

static void own_credential_failed(void **state)
{
    (void)state;
    size_t from = log_end(&reg->f);
    one_row(&(row){"status-401", CODE(4, 1), ANY_AGE, 0});
    assert_true(log_says(&reg->f, from, "HTTP 401", "own credential"));
}

static void retry_after(void **state)
{
    (void)state;
    static const row all[] = {
        {"status-202-30", CODE(5, 3), 30, 30},          {"status-202-date", CODE(5, 3), 110, 120},
        {"status-202-none", CODE(5, 3), 60, 60},        {"status-202-negative", CODE(5, 3), 60, 60},
        {"status-202-huge", CODE(5, 3), 60, 86400},     {"status-202-zero", CODE(5, 3), 1, 60},
        {"status-202-words", CODE(5, 3), 60, 60},       {"status-202-empty", CODE(5, 3), 60, 60},
        {"status-202-past", CODE(5, 3), 1, 60},         {"status-202-far", CODE(5, 3), 60, 86400},
        {"status-202-604800", CODE(5, 3), 86400, 86400}};
    all_rows(all, sizeof all / sizeof all[0]);
}

/* Base64, MIME and CMS as servers write them. */
static void kinds_of_base64(void **state)
{
    (void)state;
    static const char *const kinds[] = {
        "crlf",     "spaces",        "oneline",  "badcte",  "nocte", "oddtype",  "more",
        "ok.close", "oneline.nocte", "delay-50", "content", "ber",   "ber.more", "ber.oneline"};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        body csr, answer;
        EVP_PKEY *key = key_new("P-256");
        csr_new(key, "CN=dev", NULL, &csr);
        upstream_does(&reg->u, kinds[i]);
        uint8_t code = enroll(dev, EST "/sen", &csr, 281, 2, &answer);
        if (code != CODE(2, 4)) {
            fail_msg("%s: %u.%02u", kinds[i], code >> 5, code & 31u);
        }
        X509_free(cert_for(&answer, 281, key));
        EVP_PKEY_free(key);
    }
}

/* What comes before is answered over a connection that is used again, so that a client which tries again over
 * another would be seen. */
static void no_answers(void **state)
{
    (void)state;
    static const row all[] = {
        {"truncated", CODE(5, 3), 1, 86400},  {"ok", CODE(2, 4), ANY_AGE, 0},
        {"drop", CODE(5, 3), 1, 86400},       {"ok", CODE(2, 4), ANY_AGE, 0},
        {"drop-early", CODE(5, 3), 1, 86400}, {"ok", CODE(2, 4), ANY_AGE, 0},
        {"cut", CODE(5, 0), ANY_AGE, 0},      {"garbage", CODE(5, 0), ANY_AGE, 0},
        {"junk", CODE(5, 0), ANY_AGE, 0},     {"nothttp", CODE(5, 0), ANY_AGE, 0},
        {"badtype", CODE(5, 0), ANY_AGE, 0},  {"notype", CODE(5, 0), ANY_AGE, 0},
        {"wrongkey", CODE(5, 0), ANY_AGE, 0}, {"nocerts", CODE(5, 0), ANY_AGE, 0},
        {"halfopen", CODE(5, 4), ANY_AGE, 0}, {"slow-30", CODE(5, 4), ANY_AGE, 0},
        {"dribble", CODE(5, 4), ANY_AGE, 0},  {"ok", CODE(2, 4), ANY_AGE, 0}};
    all_rows(all, sizeof all / sizeof all[0]);
}

/* The journal has whether a server got rid of all of it. */
static void too_big(void **state)
{
    (void)state;
    static const row all[] = {{"big", CODE(5, 0), ANY_AGE, 0},
                              {"big-chunked", CODE(5, 0), ANY_AGE, 0},
                              {"bigheader", CODE(5, 0), ANY_AGE, 0}};
    one_row(&(row){"ok", CODE(2, 4), ANY_AGE, 0});
    size_t before = memory_kb(&reg->f, "VmHWM");
    for (size_t i = 0; i < 3; i++) {
        one_row(&all[i]);
        one_row(&all[i]);
    }
    size_t after = memory_kb(&reg->f, "VmHWM");
    if (after > before + memory_slack_kb + 4096) {
        fail_msg("memory went from %zu to %zu KiB", before, after);
    }
    assert_int_equal(upstream_count(&reg->u, "\"event\":\"flooded\"", "\"whole\":true"), 0);
    one_row(&(row){"ok", CODE(2, 4), ANY_AGE, 0});
}

static void redirects(void **state)
{
    (void)state;
    static const row all[] = {{"redirect", CODE(5, 2), ANY_AGE, 0},
                              {"redirect-plain", CODE(5, 2), ANY_AGE, 0}};
    unsigned second = upstream_count(&reg->u, "\"port\":\"second\"", NULL);
    unsigned plain = upstream_count(&reg->u, "\"port\":\"plain\"", NULL);
    all_rows(all, 2);
    assert_int_equal(upstream_count(&reg->u, "\"port\":\"second\"", NULL), second);
    assert_int_equal(upstream_count(&reg->u, "\"port\":\"plain\"", NULL), plain);
}

/* Not a byte of the request leaves, and the profile's other resources say the same. */
static void expect_unsent(const char *name, uint8_t code, uint8_t or_code)
{
    body csr;
    reply r;
    wire_out o;
    char path[64], named[64];
    snprintf(path, sizeof path, EST "/%s/sen", name);
    snprintf(named, sizeof named, "upstream=%s", name);
    size_t from = log_end(&reg->f);
    fresh_csr(&csr);
    uint8_t got = post(dev, path, &csr, -1, &r);
    if (got != code && got != or_code) {
        fail_msg("%s: %u.%02u", name, got >> 5, got & 31u);
    }
    if (got == CODE(5, 3)) {
        assert_in_range(max_age(&r), 1, 86400);
    }
    assert_int_equal(upstream_saw(&reg->u, "request", &csr), 0);
    assert_true(log_says(&reg->f, from, named, "why="));
    snprintf(path, sizeof path, EST "/%s/crts", name);
    ask(dev, &o, GET);
    wire_path(&o, path);
    answer_to(dev, &o, &r);
    assert_true(r.m.code == code || r.m.code == or_code);
    check_diagnostic(&r.m);
}

static void wrong_tls(void **state)
{
    (void)state;
    static const char *const names[] = {"wrong-name", "expired", "unknown-ca", "no-tls"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        expect_unsent(names[i], CODE(5, 2), CODE(5, 2));
    }
}

static void not_there(void **state)
{
    (void)state;
    expect_unsent("refused", CODE(5, 3), CODE(5, 3));
    /* while one call tries a server that was away, others are told that it is */
    expect_unsent("silent", CODE(5, 4), CODE(5, 3));
}

static void versions_of_tls(void **state)
{
    (void)state;
    body csr;
    reply r;
    fresh_csr(&csr);
    assert_int_equal(post(dev, EST "/tls12/sen", &csr, 287, &r), CODE(2, 4));
    assert_true(upstream_count(&reg->u, "\"port\":\"tls12\"", "TLSv1.2") > 0);
    assert_int_equal(post_fresh(dev, &csr, &r), CODE(2, 4));
    assert_true(upstream_count(&reg->u, "\"port\":\"main\"", "TLSv1.3") > 0);
}

/* RFC 8951 section 3.1 and RFC 7030 section 4.2.1 */
static void as_it_is_sent(void **state)
{
    (void)state;
    body csr;
    reply r;
    unsigned before = upstream_count(&reg->u, "\"event\":\"open\"", "\"port\":\"main\"");
    for (int i = 0; i < 3; i++) {
        assert_int_equal(post_fresh(dev, &csr, &r), CODE(2, 4));
        assert_int_equal(upstream_saw(&reg->u, "request", &csr), 1); /* to the bit */
    }
    assert_int_equal(upstream_count(&reg->u, "\"method\":\"POST\"", "\"type\":null"), 0);
    assert_true(upstream_count(&reg->u, "/simpleenroll", "\"type\":\"application/pkcs10\"") > 0);
    assert_true(upstream_count(&reg->u, "/simpleenroll", "commonName=registrar") > 0);
    /* one connection for all, if the last test left any */
    assert_in_range(upstream_count(&reg->u, "\"event\":\"open\"", "\"port\":\"main\""), before,
                    before + 1);
}

/* JSON without what is there for the eye. */
static void pack(char *json)
{
    char *to = json;
    for (const char *at = json; *at != '\0'; at++) {
        if (*at != '\t' && *at != '\n') {
            *to++ = *at;
        }
    }
    *to = '\0';
}

/* What a command says of the registrar's books. */
static void books(output *o, const char *command)
{
    run(o, "estocd", command, "--dir", reg->f.srv, "--json", NULL);
    assert_int_equal(o->code, 0);
    pack(o->out);
}

/* The object of an upstream in `estocd stats --json`, as text. */
static void stats_of(const char *name, char *out, size_t room)
{
    output o;
    char field[64];
    books(&o, "stats");
    snprintf(field, sizeof field, "{\"upstream\":\"%s\"", name);
    const char *at = strstr(o.out, field);
    assert_non_null(at);
    snprintf(out, room, "%.*s", (int)strcspn(at, "}"), at);
}

static uint64_t number_in(const char *object, const char *name)
{
    char field[64];
    unsigned long long n = 0;
    snprintf(field, sizeof field, "\"%s\":", name);
    const char *at = strstr(object, field);
    assert_non_null(at);
    assert_int_equal(sscanf(at + strlen(field), "%llu", &n), 1);
    return n;
}

static void health(void **state)
{
    (void)state;
    char main_one[1024], refused[1024];
    body csr;
    reply r;
    one_row(&(row){"status-500", CODE(5, 0), ANY_AGE, 0});
    one_row(&(row){"delay-30", CODE(2, 4), ANY_AGE, 0});
    fresh_csr(&csr);
    assert_int_equal(post(dev, EST "/refused/sen", &csr, -1, &r), CODE(5, 3));
    sleep(3); /* it is noted now and then */
    stats_of("", main_one, sizeof main_one);
    assert_non_null(strstr(main_one, "\"state\":\"up\""));
    assert_true(number_in(main_one, "calls") >= 2);
    assert_true(number_in(main_one, "failures") >= 1);
    assert_true(number_in(main_one, "p99_ms") >= 30);
    assert_true(number_in(main_one, "median_ms") <= number_in(main_one, "p99_ms"));
    assert_non_null(strstr(main_one, "HTTP 500"));
    stats_of("refused", refused, sizeof refused);
    assert_non_null(strstr(refused, "\"state\":\"down\""));
    assert_int_equal(number_in(refused, "calls"), number_in(refused, "failures"));
    assert_non_null(strstr(refused, "https://127.0.0.1:1/"));
}

static void listed(void **state)
{
    (void)state;
    output o;
    char url[64];
    snprintf(url, sizeof url, "\"upstream\":\"https://127.0.0.1:%u/",
             upstream_port(&reg->u, "main"));
    one_row(&(row){"ok", CODE(2, 4), ANY_AGE, 0});
    books(&o, "list");
    assert_non_null(strstr(o.out, "CN=dev"));
    assert_non_null(strstr(o.out, url));
    one_row(&(row){"status-202-600", CODE(5, 3), 600, 600});
    books(&o, "pending");
    assert_non_null(strstr(o.out, "\"state\":\"waiting\""));
    assert_non_null(strstr(o.out, url));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CODES("G1 each HTTP status as its CoAP code, with Max-Age", statuses),
        CODES("G1 401 is our own credential: an operator's line", own_credential_failed),
        CODES("G1 L2 HC 256 202 with Retry-After in seconds, as a date, missing, wrong, huge",
              retry_after),
        CODES("G1 HC 254 base64 with and without line breaks, whatever the headers say; CMS in BER",
              kinds_of_base64),
        CODES("G1 half-open, slow, garbage, truncated: a clear code, sent once", no_answers),
        CODES("G1 100 MB is no answer, and takes no memory", too_big),
        CODES("G1 HC 257 a redirect is not followed", redirects),
        CODES("G1 HC 257 wrong name, expired, unknown CA, no TLS: the request never leaves",
              wrong_tls),
        CODES("G1 an upstream that is not there, or says nothing", not_there),
        CODES("G1 TLS 1.2 and 1.3", versions_of_tls),
        CODES("G1 the request's bytes as they came, over a connection that is kept", as_it_is_sent),
        CODES("G1 G3 cli estocd stats: how upstreams do", health),
        CODES("G1 L2 cli estocd list and pending: what upstreams issued, and what waits there",
              listed),
    };
    return cmocka_run_group_tests_name("registrar_codes", tests, start, registrar_tear_down);
}
