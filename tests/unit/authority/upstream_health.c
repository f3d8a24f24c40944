/* SPDX-License-Identifier: MIT
 *
 * Which of a service's servers is asked, with times of the test's own.
 */
#include "parties.h"

#include "upstream_parts.h"

#define A "https://a.example"
#define B "https://b.example"

static const estoc_upstream cfg = {.name = "", .url = {A, B}, .url_n = 2};
static const estoc_upstream single = {.name = "", .url = {A}, .url_n = 1};
static estoc_upstream_service s;
static estoc_ms until;

static int fresh(void **state)
{
    (void)state;
    s = (estoc_upstream_service){.cfg = &cfg, .at = {{.url = A}, {.url = B}}};
    until = ESTOC_NEVER;
    return 0;
}

static size_t choose(unsigned tried, const char *url, estoc_ms now)
{
    until = ESTOC_NEVER;
    return estoc_upstream_choose(&s, tried, url, now, &until);
}

/* What an attempt at a server came to. */
static void note(size_t i, estoc_upstream_end end, bool connected, unsigned status, estoc_ms now)
{
    const estoc_upstream_answer a = {.end = end, .connected = connected, .status = status};
    const estoc_upstream_reply r = {.err = status == 200 ? ESTOC_OK : ESTOC_E_UPSTREAM,
                                    .status = status};
    static const char why[WHY_MAX] = "why";
    estoc_upstream_note(&s.at[i], &a, &r, why, now, 5);
}

static void refused(size_t i, estoc_ms now)
{
    note(i, ESTOC_END_UNREACHABLE, false, 0, now);
}

static void in_their_order(void **state)
{
    (void)state;
    assert_int_equal(choose(0, NULL, 1000), 0);
    assert_int_equal(choose(1, NULL, 1000), 1);
    assert_int_equal(choose(3, NULL, 1000), NO_SERVER);
    assert_int_equal(choose(0, B, 1000), 1);
    assert_int_equal(choose(2, B, 1000), 0);
    assert_int_equal(choose(0, "https://c.example", 1000), 0);
}

/* 1 s, then twice as long each time, to a minute; one call finds out. */
static void left_out(void **state)
{
    (void)state;
    estoc_ms now = 1000;
    for (estoc_ms wait = 1000; wait <= 256000; wait *= 2) {
        estoc_ms out = wait < 60000 ? wait : 60000;
        refused(0, now);
        refused(0, now); /* of another call, at the same time: counts once */
        assert_int_equal(choose(0, NULL, now + out - 1), 1);
        assert_int_equal(choose(0, A, now + out - 1), 1);
        assert_int_equal(choose(0, NULL, now + out), 0);
        s.at[0].probes = 1;
        assert_int_equal(choose(0, NULL, now + out), 1);
        s.at[0].probes = 0;
        now += out;
    }
    note(0, ESTOC_END_ANSWERED, true, 500, now); /* whatever it says */
    assert_int_equal(choose(0, NULL, now), 0);
    refused(0, now);
    assert_int_equal(choose(0, NULL, now + 1000), 0); /* from the beginning */
}

static void slow_or_bad(void **state)
{
    (void)state;
    note(0, ESTOC_END_TIMEOUT, true, 0, 1000);
    assert_int_equal(s.at[0].generation, 1); /* its connection is not used again */
    assert_int_equal(choose(0, NULL, 1500), 1);
    note(1, ESTOC_END_TLS, false, 0, 1000);
    assert_int_equal(s.at[1].generation, 0);
    assert_false(estoc_upstream_all_out(&s)); /* the first one is there, only slow */
    assert_int_equal(choose(0, NULL, 1500), 0);
    fresh(NULL);
    note(0, ESTOC_END_BROKEN, true, 0, 1000);
    note(0, ESTOC_END_LARGE, true, 0, 1000);
    note(0, ESTOC_END_HURRIED, true, 0, 1000);
    note(0, ESTOC_END_ANSWERED, true, 503, 1000);
    assert_int_equal(choose(0, NULL, 1000), 0);
    assert_int_equal(s.at[0].state.calls, 4);
    assert_int_equal(s.at[0].state.failures, 2);
}

/* One asks, the others wait for what it finds. */
static void none_left(void **state)
{
    (void)state;
    refused(0, 1000);
    refused(1, 1200);
    assert_true(estoc_upstream_all_out(&s));
    assert_int_equal(choose(0, NULL, 1300), 0);
    assert_int_equal(choose(0, B, 1300), 1);
    s.at[0].probes = 1;
    s.running = 1;
    assert_int_equal(choose(0, NULL, 1300), NO_SERVER);
    assert_int_equal(choose(1, NULL, 1300), 1); /* that one goes on to the next */
    s.at[0].probes = 0;
    /* others are under way still: it looks again when a server's time is over */
    assert_int_equal(choose(0, NULL, 1300), NO_SERVER);
    assert_int_equal(until, 2000);
    assert_int_equal(choose(0, NULL, 2000), 0);
    s.running = 0;
    assert_int_equal(choose(0, NULL, 1300), 0);
}

static void only_one(void **state)
{
    (void)state;
    s.cfg = &single;
    refused(0, 1000);
    assert_true(estoc_upstream_all_out(&s));
    assert_int_equal(choose(0, NULL, 1000), 0);
    assert_int_equal(choose(1, NULL, 1000), NO_SERVER);
    note(0, ESTOC_END_ANSWERED, true, 200, 1000);
    assert_false(estoc_upstream_all_out(&s));
}

static void numbers(void **state)
{
    (void)state;
    estoc_upstream_state state_of = {.calls = 0};
    static uint32_t ms[SAMPLES_MAX];
    estoc_upstream_median(ms, 0, &state_of);
    assert_int_equal(state_of.median_ms + state_of.p99_ms, 0);
    for (uint32_t i = 0; i < SAMPLES_MAX; i++) {
        ms[i] = (i * 37 + 11) % SAMPLES_MAX + 1; /* 1 to 256, in some order */
    }
    estoc_upstream_median(ms, SAMPLES_MAX, &state_of);
    assert_int_equal(state_of.median_ms, 129);
    assert_int_equal(state_of.p99_ms, 254);
    estoc_upstream_median(ms, 1, &state_of);
    assert_int_equal(state_of.median_ms, 12);
    assert_int_equal(state_of.p99_ms, 12);
    note(0, ESTOC_END_ANSWERED, true, 200, 1000);
    assert_true(s.at[0].state.up && s.at[0].state.ok_at > 0 && s.at[0].state.failed_at == 0);
    refused(0, 1000);
    assert_true(!s.at[0].state.up && s.at[0].state.failed_at > 0);
    assert_string_equal(s.at[0].state.why, "why");
    assert_int_equal(s.at[0].answers, 1);
}

int main(void)
{
    /* clang-format off */
    const struct CMUnitTest tests[] = {
        {"G1 servers in their order, but who has seen it first", in_their_order, fresh, NULL, NULL},
        {"G1 left out for longer and longer",                    left_out, fresh, NULL, NULL},
        {"G1 slow, not to be trusted, broken, busy",             slow_or_bad, fresh, NULL, NULL},
        {"G3 none can be reached: one asks, others wait",        none_left, fresh, NULL, NULL},
        {"G3 the only one is asked all the same",                only_one, fresh, NULL, NULL},
        {"G1 how a server does, in numbers",                     numbers, fresh, NULL, NULL},
    };
    /* clang-format on */
    return cmocka_run_group_tests_name("upstream_health", tests, NULL, NULL);
}
