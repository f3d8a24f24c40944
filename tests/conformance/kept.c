/* SPDX-License-Identifier: MIT
 *
 * Answers that are kept: ETag, 2.03, Max-Age. (E2)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "device.h"

static void ask_kept(reply *r, const char *path, int accept, const wire_field *etags, size_t n)
{
    wire_out o;
    ask(dev, &o, GET);
    for (size_t i = 0; i < n; i++) {
        wire_opt(&o, OPT_ETAG, etags[i].value, etags[i].len);
    }
    wire_path(&o, path);
    if (accept >= 0) {
        wire_uint(&o, OPT_ACCEPT, (uint32_t)accept);
    }
    answer_to(dev, &o, r);
}

/* The ETag of an answer, and its Max-Age is the configured one. */
static wire_field etag_of(const reply *r, uint8_t copy[8])
{
    const wire_field *f = wire_find(&r->m, OPT_ETAG);
    assert_non_null(f);
    assert_in_range(f->len, 1, 8);
    assert_int_equal(wire_uint_of(&r->m, OPT_MAX_AGE, 60), 7200);
    memcpy(copy, f->value, f->len);
    return (wire_field){OPT_ETAG, copy, f->len};
}

static void expect_valid(const reply *r, const wire_field *etag)
{
    const wire_field *f = wire_find(&r->m, OPT_ETAG);
    assert_int_equal(r->m.code, CODE(2, 3));
    assert_int_equal(r->m.payload_len, 0);
    assert_null(wire_find(&r->m, OPT_FORMAT));
    assert_non_null(f);
    assert_int_equal(f->len, etag->len);
    assert_memory_equal(f->value, etag->value, f->len);
    assert_int_equal(wire_uint_of(&r->m, OPT_MAX_AGE, 60), 7200);
}

static void revalidated(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        int accept;
    } rows[] = {{EST "/crts", -1}, {EST "/crts", 287}, {"/est/crts", 281}, {EST "/att", -1}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        reply r;
        uint8_t copy[8];
        ask_kept(&r, rows[i].path, rows[i].accept, NULL, 0);
        assert_int_equal(r.m.code, CODE(2, 5));
        assert_true(r.m.payload_len > 0);
        wire_field mine = etag_of(&r, copy);
        ask_kept(&r, rows[i].path, rows[i].accept, &mine, 1);
        expect_valid(&r, &mine);
        /* among others, and not there at all */
        const wire_field three[] = {
            {OPT_ETAG, (const uint8_t *)"x", 1}, {OPT_ETAG, (const uint8_t *)"12345678", 8}, mine};
        ask_kept(&r, rows[i].path, rows[i].accept, three, 3);
        expect_valid(&r, &mine);
        ask_kept(&r, rows[i].path, rows[i].accept, three, 2);
        assert_int_equal(r.m.code, CODE(2, 5));
        assert_true(r.m.payload_len > 0);
    }
}

/* One resource, two representations: the ETag of one says nothing of the other. */
static void of_one_format(void **state)
{
    (void)state;
    reply r;
    uint8_t copy[8];
    ask_kept(&r, EST "/crts", 281, NULL, 0);
    wire_field mine = etag_of(&r, copy);
    ask_kept(&r, EST "/crts", 287, &mine, 1);
    assert_int_equal(r.m.code, CODE(2, 5));
}

static void in_blocks(void **state)
{
    (void)state;
    reply r;
    uint8_t copy[8];
    assert_int_equal(get_block(EST "/crts", 0, 2, &r), CODE(2, 5));
    wire_field mine = etag_of(&r, copy);
    for (unsigned num = 0; num < 2; num++) {
        wire_out o;
        ask(dev, &o, GET);
        wire_opt(&o, OPT_ETAG, mine.value, mine.len);
        wire_path(&o, EST "/crts");
        wire_block(&o, OPT_BLOCK2, num, false, 2);
        answer_to(dev, &o, &r);
        if (num == 0) {
            expect_valid(&r, &mine);
            assert_null(wire_find(&r.m, OPT_BLOCK2));
        } else { /* which block it wants does not depend on what it has */
            assert_int_equal(r.m.code, CODE(2, 5));
            assert_int_equal(r.m.payload_len, 64);
        }
    }
}

/* Other nodes, and this one after a restart, know the same ETag. */
static void after_a_restart(void **state)
{
    fixture *f = *state;
    uint8_t copy[8];
    reply r;
    ask_kept(&r, EST "/crts", -1, NULL, 0);
    wire_field mine = etag_of(&r, copy);
    fixture_restart(f);
    peer_free(dev);
    dev = connect_as(f, "dev");
    ask_kept(&r, EST "/crts", -1, &mine, 1);
    expect_valid(&r, &mine);
}

/* Issue 6 counts them: a check that finds nothing new, in an open association. */
static void bytes_of_a_check(void **state)
{
    (void)state;
    enum { IP_UDP = 28 };
    reply r;
    uint8_t copy[8];
    ask_kept(&r, "/est/crts", -1, NULL, 0);
    wire_field mine = etag_of(&r, copy);
    size_t before = dev->sent + dev->got + IP_UDP * (dev->sent_n + dev->got_n);
    ask_kept(&r, "/est/crts", -1, &mine, 1);
    expect_valid(&r, &mine);
    size_t bytes = dev->sent + dev->got + IP_UDP * (dev->sent_n + dev->got_n) - before;
    assert_in_range(bytes, 1, 160);
}

static int start_kept(void **state)
{
    fixture_set_up(state);
    fixture_conf(*state, "server", "max-age", "2h");
    fixture_conf(*state, "profile", "attributes", "ecPublicKey:secp256r1");
    fixture_start(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OVER_DTLS("E2 2.03 to who shows the ETag, and Max-Age", revalidated),
        OVER_DTLS("E2 an ETag is that of one format", of_one_format),
        OVER_DTLS("E2 B3 an ETag beside Block2", in_blocks),
        OVER_DTLS("E2 the ETag is the same after a restart", after_a_restart),
        OVER_DTLS("E2 a check that finds nothing new is at most 160 bytes of IP", bytes_of_a_check),
    };
    return cmocka_run_group_tests_name("kept", tests, start_kept, group_stop);
}
