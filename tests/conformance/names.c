/* SPDX-License-Identifier: MIT
 *
 * Resource names, labels, the short root, and discovery.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fixture.h"

static const fixture *server;

static void links(const char *query, char *text, size_t room)
{
    body b;
    char path[128];
    snprintf(path, sizeof path, "/.well-known/core%s%s", query[0] != '\0' ? "?" : "", query);
    peer *p = connect_as(server, "dev");
    fetch(p, path, -1, -1, &b);
    peer_free(p);
    assert_true(b.len < room);
    memcpy(text, b.bytes, b.len);
    text[b.len] = '\0';
}

static unsigned count(const char *text, const char *what)
{
    unsigned n = 0;
    for (; (text = strstr(text, what)) != NULL; text++) {
        n++;
    }
    return n;
}

static uint8_t code_of(unsigned method, const char *path)
{
    peer *p = connect_as(server, "dev");
    wire_out o;
    reply r;
    ask(p, &o, method);
    wire_path(&o, path);
    answer_to(p, &o, &r);
    peer_free(p);
    return (uint8_t)r.m.code;
}

static void offered(void **state)
{
    (void)state;
    char text[4096];
    links("", text, sizeof text);
    assert_int_equal(count(text, "rt=\"ace.est.crts\""), 2); /* the default and L1 */
    assert_int_equal(count(text, "rt=\"ace.est.sen\""), 2);
    assert_int_equal(count(text, "rt=\"ace.est.sren\""), 2);
    assert_int_equal(count(text, "ct=\"281 287\""), 6);
    assert_null(strstr(text, "ace.est.att")); /* none configured: X1 */
    assert_null(strstr(text, "ace.est.skg")); /* only what there is */
}

static void format_40(void **state)
{
    (void)state;
    peer *p = connect_as(server, "dev");
    wire_out o;
    reply r;
    ask(p, &o, GET);
    wire_path(&o, "/.well-known/core?rt=ace.est*");
    answer_to(p, &o, &r);
    assert_int_equal(r.m.code, CODE(2, 5));
    assert_int_equal(wire_uint_of(&r.m, OPT_FORMAT, 0), 40);
    assert_int_equal(r.m.payload[0], '<');
    peer_free(p);
}

/* HC 156. What is listed must also answer: the next test. */
static void filters(void **state)
{
    (void)state;
    char text[4096];
    links("rt=ace.est*", text, sizeof text);
    assert_int_equal(count(text, "<"), 6);
    links("rt=ace.est.crts", text, sizeof text);
    assert_int_equal(count(text, "<"), 2);
    links("rt=ace.est.s*", text, sizeof text);
    assert_int_equal(count(text, "<"), 4);
    links("rt=ace.est.x", text, sizeof text);
    assert_string_equal(text, "");
    links("rt=ace.est", text, sizeof text); /* no asterisk: not a prefix */
    assert_string_equal(text, "");
    links("rt=*", text, sizeof text);
    assert_int_equal(count(text, "<"), 6);
    links("href=/est/*", text, sizeof text);
    assert_int_equal(count(text, "<"), 6);
    links("href=/est/crts", text, sizeof text);
    assert_int_equal(count(text, "<"), 1);
    links("href=/nothing*", text, sizeof text);
    assert_string_equal(text, "");
    links("ct=281", text, sizeof text);
    assert_int_equal(count(text, "<"), 6);
    links("rt=ace.est.crts&rt=ace.est.sen", text, sizeof text); /* both must match: none does */
    assert_string_equal(text, "");
}

static void listed_answers(void **state)
{
    (void)state;
    char text[4096];
    links("rt=ace.est.crts", text, sizeof text);
    for (char *at = text; (at = strchr(at, '<')) != NULL; at++) {
        char path[128];
        assert_int_equal(sscanf(at, "<%127[^>]>", path), 1);
        assert_int_equal(path[0], '/');
        assert_int_equal(code_of(GET, path), CODE(2, 5));
    }
}

static void small_blocks(void **state)
{
    (void)state;
    body whole, parts;
    peer *p = connect_as(server, "dev");
    fetch(p, "/.well-known/core", -1, 6, &whole);
    for (int szx = 0; szx < 6; szx++) {
        fetch(p, "/.well-known/core", -1, szx, &parts);
        assert_int_equal(parts.len, whole.len);
        assert_memory_equal(parts.bytes, whole.bytes, whole.len);
    }
    peer_free(p);
}

static void names(void **state)
{
    (void)state;
    static const char *const roots[] = {"/.well-known/est", "/est", "/.well-known/est/L1",
                                        "/est/L1"};
    for (size_t i = 0; i < sizeof roots / sizeof roots[0]; i++) {
        char path[64];
        snprintf(path, sizeof path, "%s/crts", roots[i]);
        assert_int_equal(code_of(GET, path), CODE(2, 5));
        snprintf(path, sizeof path, "%s/sen", roots[i]);
        assert_int_equal(code_of(POST, path), CODE(4, 15)); /* there, but no format */
        snprintf(path, sizeof path, "%s/sren", roots[i]);
        assert_int_equal(code_of(POST, path), CODE(4, 15));
        snprintf(path, sizeof path, "%s/att", roots[i]);
        assert_int_equal(code_of(GET, path), CODE(4, 4)); /* none configured */
    }
}

static void not_there(void **state)
{
    (void)state;
    static const char *const paths[] = {
        "/.well-known/est/none/crts",
        "/est/none/crts",
        "/.well-known/est/L1",
        "/.well-known/est/l1/crts",
        "/.well-known/est/L1/L1/crts",
        "/.well-known/est/cacerts",
        "/.well-known/est/fullcmc",
        "/.well-known/est/L1/none",
        "/.well-known/est/crts/L1",
        "/L1/crts",
        "/.well-known",
    };
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        assert_int_equal(code_of(GET, paths[i]), CODE(4, 4));
    }
    assert_int_equal(code_of(POST, "/.well-known/est/simpleenroll"), CODE(4, 4));
    assert_int_equal(code_of(POST, "/.well-known/est/fullcmc"), CODE(4, 4));
}

/* There are no virtual hosts: whatever the name, it is this server's own CA that answers. */
static void virtual_host(void **state)
{
    (void)state;
    body own;
    peer *p = connect_as(server, "dev");
    fetch(p, "/.well-known/est/crts", -1, 6, &own);
    static const char *const hosts[] = {"other.example", "L1", "127.0.0.1", "est.example"};
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        wire_out o;
        reply answer;
        ask(p, &o, GET);
        wire_text(&o, OPT_URI_HOST, hosts[i]);
        wire_uint(&o, OPT_URI_PORT, 1);
        wire_path(&o, "/.well-known/est/crts");
        answer_to(p, &o, &answer);
        assert_int_equal(answer.m.code, CODE(2, 5));
        assert_int_equal(answer.m.payload_len, own.len);
        assert_memory_equal(answer.m.payload, own.bytes, own.len);
        ask(p, &o, GET);
        wire_text(&o, OPT_URI_HOST, hosts[i]);
        wire_path(&o, "/none/crts");
        expect_code(p, &o, CODE(4, 4));
    }
    peer_free(p);
}

static int start_with_label(void **state)
{
    fixture_set_up(state);
    fixture_conf(*state, "profile L1", "validity", "30d");
    fixture_start(*state);
    server = *state;
    return 0;
}

static void no_short_root(void **state)
{
    fixture *f = *state;
    const fixture *before = server;
    fixture_conf(f, "server", "root", "");
    fixture_start(f);
    server = f;
    assert_int_equal(code_of(GET, "/est/crts"), CODE(4, 4));
    assert_int_equal(code_of(GET, "/.well-known/est/crts"), CODE(2, 5));
    server = before;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        NAMED("R1 HC 159 names under both roots, with and without a label", names),
        NAMED("R1 HC 94 HC 161 HC 192 unknown labels and names are 4.04", not_there),
        NAMED("R1 C3 HC 112 another host in Uri-Host leads to no other CA", virtual_host),
        NAMED_ALONE("R1 no short root if none is configured", no_short_root),
        NAMED("R2 what is offered, and nothing else", offered),
        NAMED("R2 the link format is 40", format_40),
        NAMED("R2 HC 156 filters", filters),
        NAMED("R2 what is listed answers", listed_answers),
        NAMED("R2 HC 157 discovery in small blocks", small_blocks),
    };
    return cmocka_run_group_tests_name("names", tests, start_with_label, group_stop);
}
