/* SPDX-License-Identifier: MIT
 *
 * A server with a budget of bits a second: never more than that leaves, nobody is left out, and what
 * waits is not sent twice. (E2, L1, rows 86, 274)
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "device.h"

enum { BITS = 200000 };

typedef struct figures {
    unsigned long datagrams, bytes, again, dropped, ms;
} figures;

/* What the server says at its end. */
static void figures_of(const fixture *f, figures *out)
{
    static char log[1 << 20];
    read_file(path_in(f, "estocd.log"), log, sizeof log);
    const char *line = strstr(log, " egress datagrams=");
    assert_non_null(line);
    assert_int_equal(sscanf(line, " egress datagrams=%lu bytes=%lu again=%lu dropped=%lu ms=%lu",
                            &out->datagrams, &out->bytes, &out->again, &out->dropped, &out->ms),
                     5);
}

/* Over the whole run; and a few datagrams may be on their way at its end. */
static void within_budget(const figures *g)
{
    enum { ON_THE_WAY = 4000 };
    assert_true(g->ms > 0);
    if (g->bytes > ON_THE_WAY + BITS / 8 * g->ms / 1000) {
        fail_msg("%lu bytes in %lu ms", g->bytes, g->ms);
    }
}

static void bench(output *o, const fixture *f, const char *count, const char *concurrency,
                  const char *block)
{
    run_as(o, f, "dev", "bench", f->uri, "--count", count, "--concurrency", concurrency, "--wait",
           "60", "--block-size", block, NULL);
}

static void load(void **state)
{
    fixture *f = *state;
    output o;
    figures g;
    fixture_conf(f, "server", "egress", "200k");
    fixture_start(f);
    bench(&o, f, "24", "12", "1024");
    assert_int_equal(o.code, 0); /* every one of them */
    assert_int_equal(issued(f), 24);
    fixture_stop(f);
    figures_of(f, &g);
    within_budget(&g);
    assert_int_equal(g.dropped, 0);
    assert_true(g.bytes > 24 * 1200);
}

/* Small blocks are answers by the dozen: they share, too. */
static void small_blocks(void **state)
{
    fixture *f = *state;
    output o;
    figures g;
    fixture_conf(f, "server", "egress", "200k");
    fixture_conf(f, "server", "mtu", "256");
    fixture_start(f);
    bench(&o, f, "6", "6", "64");
    assert_int_equal(o.code, 0);
    fixture_stop(f);
    figures_of(f, &g);
    within_budget(&g);
}

/* An answer that must wait is acknowledged first, and comes once, as a message of its own. */
static void acknowledged_first(void **state)
{
    fixture *f = *state;
    enum { N = 5 };
    peer *p[N];
    reply r[N];
    figures g;
    for (int i = 0; i < N; i++) {
        p[i] = NULL;
    }
    fixture_conf(f, "server", "egress", "8k"); /* each answer takes most of a second */
    fixture_start(f);
    for (int i = 0; i < N; i++) {
        p[i] = connect_as(f, "dev");
    }
    for (int i = 0; i < N; i++) {
        wire_out o;
        ask(p[i], &o, GET);
        wire_path(&o, EST "/crts");
        peer_send(p[i], o.bytes, o.len);
        peer_send(p[i], o.bytes, o.len); /* and the same again: it is answered once */
    }
    unsigned acked = 0;
    for (int i = 0; i < N; i++) {
        do {
            r[i].len = peer_recv(p[i], r[i].bytes, sizeof r[i].bytes, ANSWER_MS);
            assert_true(wire_parse(&r[i].m, r[i].bytes, r[i].len));
            acked += i == N - 1 && r[i].m.code == 0;
        } while (r[i].m.code == 0);
        assert_int_equal(r[i].m.code, CODE(2, 5));
    }
    assert_true(acked > 0);
    assert_int_equal(r[N - 1].m.type, CON);
    for (int i = 0; i < N; i++) {
        wire_out o;
        wire_begin(&o, ACK, 0, r[i].m.mid, NULL, 0);
        peer_send(p[i], o.bytes, o.len);
        peer_free(p[i]);
    }
    fixture_stop(f);
    figures_of(f, &g);
    assert_true(g.again < g.bytes / 4);
}

/* Taken away by a reload: what waits goes out at once. */
static void reload(void **state)
{
    fixture *f = *state;
    output o;
    fixture_conf(f, "server", "egress", "4k");
    fixture_start(f);
    fixture_conf(f, "server", "egress", "0");
    kill(f->pid, SIGHUP);
    bench(&o, f, "40", "10", "1024"); /* 60 KB: two minutes of that budget */
    assert_int_equal(o.code, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        NAMED_ALONE("E2 HC 274 an egress budget holds, and every client finishes", load),
        NAMED_ALONE("E2 HC 274 an egress budget and blocks of 64 bytes", small_blocks),
        NAMED_ALONE("L1 HC 274 what must wait is acknowledged first, and sent once",
                    acknowledged_first),
        NAMED_ALONE("X8 an egress budget taken away by a reload", reload),
    };
    return cmocka_run_group_tests_name("egress", tests, NULL, NULL);
}
