/* SPDX-License-Identifier: MIT
 *
 * 10,000 first datagrams of all kinds, each from an address of its own: no more comes back than was
 * sent, and the server remembers none of them. D5.
 */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "fixture.h"

enum { DATAGRAMS = 10000, AT_ONCE = 50, QUIET_MS = 8, ROOM = 1400, SESSIONS = 8 };

/* A deterministic generator, so that what fails can be repeated. */
static uint32_t random_next(uint32_t *s)
{
    *s ^= *s << 13;
    *s ^= *s >> 17;
    *s ^= *s << 5;
    return *s;
}

static void put_len(uint8_t *h, size_t n)
{
    h[AT_RECORD_LEN] = (uint8_t)((n - 13) >> 8);
    h[AT_RECORD_LEN + 1] = (uint8_t)(n - 13);
    h[AT_MESSAGE_LEN + 1] = h[AT_FRAGMENT_LEN + 1] = (uint8_t)((n - 25) >> 8);
    h[AT_MESSAGE_LEN + 2] = h[AT_FRAGMENT_LEN + 2] = (uint8_t)(n - 25);
}

static size_t anything(uint32_t *seed, uint8_t *out, size_t room)
{
    size_t n = 1 + random_next(seed) % room;
    for (size_t i = 0; i < n; i++) {
        out[i] = (uint8_t)random_next(seed);
    }
    return n;
}

static size_t with_wrong_cookie(uint32_t *seed, const uint8_t *hello, size_t len, uint8_t *out)
{
    uint8_t cookie[255];
    size_t n = anything(seed, cookie, sizeof cookie);
    if (random_next(seed) % 2 == 0) {
        n = 16; /* as long as a right one */
    }
    return client_hello_cookie(hello, len, cookie, n, out);
}

/* A hello, and behind it more records, or what looks like some. */
static size_t stacked(uint32_t *seed, const uint8_t *hello, size_t len, uint8_t *out)
{
    size_t n = len;
    memcpy(out, hello, len);
    while (n + len <= ROOM && random_next(seed) % 4 != 0) {
        memcpy(out + n, hello, len);
        out[n] = (uint8_t)(20 + random_next(seed) % 6);
        out[n + 4] = (uint8_t)(random_next(seed) % 2);
        out[n + 13] = (uint8_t)(random_next(seed) % 21);
        n += len;
    }
    return n;
}

static size_t coap(uint32_t *seed, uint8_t *out)
{
    static const char *const paths[] = {"/.well-known/core", "/.well-known/est/crts", "/est/sen"};
    wire_out o;
    wire_begin(&o, random_next(seed) % 4, random_next(seed) % 5, random_next(seed) & 0xffff, "tkn",
               3);
    wire_path(&o, paths[random_next(seed) % 3]);
    memcpy(out, o.bytes, o.len);
    return o.len;
}

static size_t any_datagram(uint32_t *seed, const uint8_t *hello, size_t len, uint8_t *out)
{
    size_t n = len;
    memcpy(out, hello, len);
    switch (random_next(seed) % 8) {
    case 0:
        return anything(seed, out, ROOM);
    case 1: /* the head of a hello, then anything */
        for (size_t i = random_next(seed) % 64; i < len; i++) {
            out[i] = (uint8_t)random_next(seed);
        }
        return len;
    case 2: /* one cut short, its lengths made to fit */
        n = 25 + random_next(seed) % (len - 25);
        put_len(out, n);
        return n;
    case 3:
        return with_wrong_cookie(seed, hello, len, out);
    case 4:
        return stacked(seed, hello, len, out);
    case 5:
        return coap(seed, out);
    case 6: /* a good one */
        for (size_t i = 0; i < 32; i++) {
            out[AT_RANDOM + i] = (uint8_t)random_next(seed);
        }
        return len;
    default: /* some bytes changed */
        for (uint32_t k = random_next(seed) % 8; k > 0; k--) {
            out[random_next(seed) % len] = (uint8_t)random_next(seed);
        }
        return len;
    }
}

typedef struct tally {
    size_t sent[AT_ONCE], got[AT_ONCE];
    unsigned answered;
} tally;

static void take_answers(const int *fds, tally *t)
{
    struct pollfd polled[AT_ONCE];
    uint8_t in[DATAGRAM_MAX];
    for (int i = 0; i < AT_ONCE; i++) {
        polled[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
    }
    while (poll(polled, AT_ONCE, QUIET_MS) > 0) {
        for (int i = 0; i < AT_ONCE; i++) {
            ssize_t n = recv(fds[i], in, sizeof in, MSG_DONTWAIT);
            t->got[i] += n > 0 ? (size_t)n : 0;
            t->answered += n > 0;
        }
    }
}

static void a_round(const fixture *f, uint32_t *seed, const uint8_t *hello, size_t len,
                    unsigned *answered)
{
    int fds[AT_ONCE];
    tally t = {.answered = 0};
    for (int i = 0; i < AT_ONCE; i++) {
        uint8_t out[2 * ROOM];
        fds[i] = udp_open(f->port);
        t.sent[i] = any_datagram(seed, hello, len, out);
        send(fds[i], out, t.sent[i], 0);
    }
    take_answers(fds, &t);
    for (int i = 0; i < AT_ONCE; i++) {
        if (t.got[i] > t.sent[i]) {
            fail_msg("%zu bytes for %zu; seed before: see random_next", t.got[i], t.sent[i]);
        }
        close(fds[i]);
    }
    *answered += t.answered;
}

static size_t resident_kb(pid_t pid)
{
    char file[64], text[4096];
    snprintf(file, sizeof file, "/proc/%d/status", (int)pid);
    read_file(file, text, sizeof text);
    const char *at = strstr(text, "VmRSS:");
    return at != NULL ? strtoul(at + 6, NULL, 10) : 0;
}

/* As many associations at a time as are configured: none is taken by who never came back. */
static void all_places_are_free(const fixture *f)
{
    peer *peers[SESSIONS];
    for (int i = 0; i < SESSIONS; i++) {
        peers[i] = connect_as(f, "dev");
    }
    for (int i = 0; i < SESSIONS; i++) {
        expect_alive(peers[i]);
        peer_close(peers[i]);
        peer_free(peers[i]);
    }
}

static void no_amplification(void **state)
{
    const fixture *f = *state;
    uint8_t hello[DATAGRAM_MAX];
    size_t len = client_hello(hello, sizeof hello), before = 0;
    uint32_t seed = 20240901;
    unsigned answered = 0;
    for (int i = 0; i < DATAGRAMS; i += AT_ONCE) {
        if (i == DATAGRAMS / 10) { /* warm */
            before = resident_kb(f->pid);
        }
        a_round(f, &seed, hello, len, &answered);
    }
    assert_true(answered > DATAGRAMS / 8); /* the good ones, and more */
    assert_true(before > 0);
    assert_true(resident_kb(f->pid) <= before + memory_slack_kb);
    all_places_are_free(f);
}

static void no_state(void **state)
{
    const fixture *f = *state;
    uint8_t hello[DATAGRAM_MAX], in[DATAGRAM_MAX];
    size_t len = client_hello(hello, sizeof hello);
    int fd = udp_open(f->port);
    size_t before = 0;
    for (unsigned i = 0; i < 6000; i++) {
        if (i == 1000) {
            before = resident_kb(f->pid);
        }
        memcpy(hello + AT_RANDOM, &i, sizeof i);
        send(fd, hello, len, 0);
        while (i % 16 == 0 && udp_recv(fd, in, sizeof in, 1) > 0) {
        }
    }
    while (udp_recv(fd, in, sizeof in, 200) > 0) {
    }
    assert_true(before > 0);
    assert_true(resident_kb(f->pid) <= before + memory_slack_kb);
    close(fd);
}

static int start(void **state)
{
    char sessions[8];
    snprintf(sessions, sizeof sessions, "%d", SESSIONS);
    fixture_set_up(state);
    fixture_conf(*state, "server", "unrecognised", "answer");
    fixture_conf(*state, "server", "workers", "1");
    fixture_conf(*state, "server", "sessions-max", sessions);
    fixture_start(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        NAMED("D5 HC 269 10,000 first datagrams: never more out than in, and no state",
              no_amplification),
        NAMED("D5 no state before the cookie: memory does not grow", no_state),
    };
    /* under ASan the server keeps what it has freed: little of it, or its memory tells nothing */
    setenv("ASAN_OPTIONS", "detect_leaks=1:quarantine_size_mb=1", 1);
    return cmocka_run_group_tests_name("unverified", tests, start, group_stop);
}
