/* SPDX-License-Identifier: MIT
 *
 * Block-wise answers, right and wrong.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "device.h"

static void all_sizes(void **state)
{
    (void)state;
    body whole, b;
    fetch(dev, EST "/crts", -1, -1, &whole);
    for (int szx = 0; szx <= 6; szx++) {
        fetch(dev, EST "/crts", -1, szx, &b);
        assert_int_equal(b.len, whole.len);
        assert_memory_equal(b.bytes, whole.bytes, b.len);
    }
}

static void smaller_in_the_middle(void **state)
{
    (void)state;
    body whole;
    reply r;
    fetch(dev, EST "/crts", -1, -1, &whole);
    assert_true(whole.len > 256 + 32);
    assert_int_equal(get_block(EST "/crts", 0, 4, &r), CODE(2, 5));
    assert_int_equal(get_block(EST "/crts", 8, 1, &r), CODE(2, 5)); /* 32 bytes at 256 */
    assert_int_equal(r.m.payload_len, 32);
    assert_memory_equal(r.m.payload, whole.bytes + 256, 32);
    wire_blk b = wire_block_of(&r.m, OPT_BLOCK2);
    assert_true(b.present && b.num == 8 && b.szx == 1);
}

static void past_the_end(void **state)
{
    (void)state;
    reply r;
    static const unsigned nums[] = {200, 4096, 0xfffff};
    for (size_t i = 0; i < 3; i++) {
        uint8_t code = get_block(EST "/crts", nums[i], 2, &r);
        assert_true(code == CODE(4, 0) || code == CODE(4, 2) || code == CODE(4, 8));
        check_diagnostic(&r.m);
    }
    expect_alive(dev);
}

static void szx_7(void **state)
{
    (void)state;
    reply r;
    body csr;
    fresh_csr(&csr);
    assert_int_equal(get_block(EST "/crts", 0, 7, &r), CODE(4, 0));
    assert_int_equal(
        put_block(&(piece){.at = csr.bytes, .len = 64, .num = 0, .szx = 7, .more = true}, &r),
        CODE(4, 0));
}

static void long_block_option(void **state)
{
    (void)state;
    wire_out o;
    get_crts(&o);
    wire_opt(&o, OPT_BLOCK2, "\0\0\0\2", 4);
    expect_code(dev, &o, CODE(4, 2));
    ask(dev, &o, POST);
    wire_path(&o, EST "/sen");
    wire_uint(&o, OPT_FORMAT, 286);
    wire_opt(&o, OPT_BLOCK1, "\0\0\0\xa", 4);
    wire_payload(&o, "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", 64);
    expect_code(dev, &o, CODE(4, 2));
}

static void size2(void **state)
{
    (void)state;
    wire_out o;
    reply r;
    body whole;
    fetch(dev, EST "/crts", -1, -1, &whole);
    get_crts(&o);
    wire_block(&o, OPT_BLOCK2, 0, false, 2);
    wire_uint(&o, OPT_SIZE2, 0);
    answer_to(dev, &o, &r);
    assert_int_equal(r.m.code, CODE(2, 5));
    assert_int_equal(wire_uint_of(&r.m, OPT_SIZE2, (uint32_t)whole.len), whole.len);
}

/* One client on two resources at once: neither disturbs the other. */
static void two_resources(void **state)
{
    (void)state;
    body crts, csr, got = {.len = 0};
    reply r;
    EVP_PKEY *key = key_new("P-256");
    fetch(dev, EST "/crts", -1, -1, &crts);
    csr_new(key, "CN=dev", NULL, &csr);
    unsigned last = (unsigned)((csr.len - 1) / 64), n = 0;
    for (unsigned k = 0; (size_t)k * 64 < crts.len; k++) {
        assert_int_equal(get_block(EST "/crts", k, 2, &r), CODE(2, 5));
        memcpy(got.bytes + got.len, r.m.payload, r.m.payload_len);
        got.len += r.m.payload_len;
        if (n < last) {
            assert_int_equal(put64(&csr, n++, &r), CODE(2, 31));
        }
    }
    while (n <= last) {
        put64(&csr, n++, &r);
    }
    assert_int_equal(r.m.code, CODE(2, 4));
    assert_int_equal(got.len, crts.len);
    assert_memory_equal(got.bytes, crts.bytes, got.len);
    EVP_PKEY_free(key);
}

static void answer_twice(void **state)
{
    (void)state;
    body csr, first, second;
    unsigned before = issued(server);
    fresh_csr(&csr);
    assert_int_equal(enroll(dev, EST "/sen", &csr, -1, 2, &first), CODE(2, 4));
    assert_int_equal(enroll(dev, EST "/sen", &csr, -1, 4, &second), CODE(2, 4));
    assert_int_equal(first.len, second.len);
    assert_memory_equal(first.bytes, second.bytes, first.len);
    assert_int_equal(issued(server), before + 1);
}

/* Blocks of the answer in any order, twice, and each with another token. HC 129, 152. */
static void answer_blocks_again(void **state)
{
    (void)state;
    body csr, whole;
    reply r;
    wire_out o;
    fresh_csr(&csr);
    assert_int_equal(enroll(dev, EST "/sen", &csr, -1, 2, &whole), CODE(2, 4));
    assert_true(whole.len > 192);
    static const unsigned order[] = {2, 1, 2, 1};
    for (size_t i = 0; i < 4; i++) {
        ask(dev, &o, POST);
        wire_path(&o, EST "/sen");
        wire_uint(&o, OPT_FORMAT, 286);
        wire_block(&o, OPT_BLOCK2, order[i], false, 2);
        answer_to(dev, &o, &r);
        assert_int_equal(r.m.code, CODE(2, 4));
        assert_int_equal(r.m.payload_len, 64);
        assert_memory_equal(r.m.payload, whole.bytes + order[i] * 64, 64);
    }
}

static void answer_abandoned(void **state)
{
    (void)state;
    body csr, whole;
    wire_out o;
    reply r;
    unsigned before = issued(server);
    EVP_PKEY *key = key_new("P-256");
    csr_new(key, "CN=dev", NULL, &csr);
    ask(dev, &o, POST);
    wire_path(&o, EST "/sen");
    wire_uint(&o, OPT_FORMAT, 286);
    wire_block(&o, OPT_BLOCK2, 0, false, 2);
    wire_payload(&o, csr.bytes, csr.len);
    answer_to(dev, &o, &r);
    assert_int_equal(r.m.code, CODE(2, 4));
    peer_free(dev);
    dev = connect_as(server, "dev"); /* much later, say */
    assert_int_equal(enroll(dev, EST "/sen", &csr, -1, 2, &whole), CODE(2, 4));
    assert_memory_equal(whole.bytes, r.m.payload, 64);
    X509_free(cert_for(&whole, 281, key));
    assert_int_equal(issued(server), before + 1);
    EVP_PKEY_free(key);
}

static void answer_of_nothing(void **state)
{
    (void)state;
    wire_out o;
    reply r;
    ask(dev, &o, POST);
    wire_path(&o, EST "/sen");
    wire_uint(&o, OPT_FORMAT, 286);
    wire_block(&o, OPT_BLOCK2, 1, false, 2);
    answer_to(dev, &o, &r);
    assert_true(r.m.code == CODE(4, 8) || r.m.code == CODE(4, 0));
    check_diagnostic(&r.m);
}

/* Block `num` of 64 bytes of /crts, with its ETag. */
static void crts_block(peer *p, unsigned num, reply *r, const wire_field **etag)
{
    wire_out o;
    ask(p, &o, GET);
    wire_path(&o, EST "/crts");
    wire_block(&o, OPT_BLOCK2, num, false, 2);
    answer_to(p, &o, r);
    assert_int_equal(r->m.code, CODE(2, 5));
    *etag = wire_find(&r->m, OPT_ETAG);
    assert_non_null(*etag);
    assert_in_range((*etag)->len, 1, 8);
}

static void etag_on_every_block(void **state)
{
    (void)state;
    body whole;
    reply first, r;
    const wire_field *a, *b;
    fetch(dev, EST "/crts", -1, -1, &whole);
    crts_block(dev, 0, &first, &a);
    for (unsigned n = 1; n * 64 < whole.len; n++) {
        crts_block(dev, n, &r, &b);
        assert_int_equal(a->len, b->len);
        assert_memory_equal(a->value, b->value, a->len);
    }
    peer *other = connect_as(server, "dev"); /* the same bytes, the same tag */
    crts_block(other, 0, &r, &b);
    assert_int_equal(a->len, b->len);
    assert_memory_equal(a->value, b->value, a->len);
    peer_free(other);
}

/* The anchors change between two blocks: what was begun goes on with the old bytes, or begins anew
 * with the new ones; a mixture never comes. */
static void changed_in_the_middle(void **state)
{
    fixture *f = *state;
    body old, new = {.len = 0};
    reply first, r;
    const wire_field *a, *b;
    fixture_start(f);
    peer *p = connect_as(f, "dev");
    fetch(p, EST "/crts", -1, -1, &old);
    crts_block(p, 0, &first, &a);
    cert_write(f->maker, path_in(f, "srv/ca.crt"), "a");
    assert_int_equal(kill(f->pid, SIGHUP), 0);
    for (int i = 0; i < 100 && (new.len == 0 || new.len == old.len); i++) {
        usleep(50000);
        peer *other = connect_as(f, "dev");
        fetch(other, EST "/crts", -1, -1, &new);
        crts_block(other, 1, &r, &b);
        peer_free(other);
    }
    assert_true(new.len > old.len);
    assert_true(a->len != b->len || memcmp(a->value, b->value, a->len) != 0);
    crts_block(p, 2, &r, &b);
    bool same = a->len == b->len && memcmp(a->value, b->value, a->len) == 0;
    assert_memory_equal(r.m.payload, (same ? old : new).bytes + 128, 64);
    peer_free(p);
}

/* A profile that a reload adds is there for an association that was open before. */
static void add_profile(fixture *f, peer *p, const char *label)
{
    char section[32], path[64];
    uint8_t code = 0;
    body out;
    reply r;
    snprintf(section, sizeof section, "profile %s", label);
    snprintf(path, sizeof path, EST "/%s/crts", label);
    transfer t = {.method = GET, .path = path, .format = -1, .accept = -1, .szx = -1};
    assert_int_equal(transact(p, &t, &out, &r), CODE(4, 4));
    fixture_conf(f, section, "validity", "1d");
    assert_int_equal(kill(f->pid, SIGHUP), 0);
    for (int i = 0; i < 200 && code != CODE(2, 5); i++) {
        usleep(50000);
        code = transact(p, &t, &out, &r);
    }
    assert_int_equal(code, CODE(2, 5));
}

/* Each request of an old association goes by the newest configuration; an answer that is half given
 * does not go away with the one it came from. */
static void over_reloads(void **state)
{
    fixture *f = *state;
    body whole;
    reply r;
    const wire_field *a;
    fixture_start(f);
    peer *p = connect_as(f, "dev");
    add_profile(f, p, "second");
    fetch(p, EST "/crts", -1, -1, &whole);
    assert_true(whole.len > 192);
    crts_block(p, 0, &r, &a);
    assert_memory_equal(r.m.payload, whole.bytes, 64);
    add_profile(f, p, "third");
    add_profile(f, p, "fourth");
    for (unsigned n = 1; n < 3; n++) {
        crts_block(p, n, &r, &a);
        assert_memory_equal(r.m.payload, whole.bytes + (size_t)n * 64, 64);
    }
    peer_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OVER_DTLS("B1 crts is the same in blocks of 16 to 1024", all_sizes),
        OVER_DTLS("B1 HC 122 smaller Block2 in the middle", smaller_in_the_middle),
        OVER_DTLS("B1 HC 124 a block past the end is an error", past_the_end),
        OVER_DTLS("B1 HC 126 SZX 7 is 4.00", szx_7),
        OVER_DTLS("B1 HC 127 a Block option of 4 bytes is 4.02", long_block_option),
        OVER_DTLS("B1 HC 154 Size2", size2),
        OVER_DTLS("B3 the same ETag on every block", etag_on_every_block),
        NAMED_ALONE("B3 anchors that change between two blocks", changed_in_the_middle),
        NAMED_ALONE("D8 B3 HC 276 an association over several reloads", over_reloads),
        OVER_DTLS("B1 one client on two resources", two_resources),
        OVER_DTLS("B1 E6 HC 129 an identical request gets the identical answer", answer_twice),
        OVER_DTLS("B1 HC 129 HC 152 blocks of an answer, again and in any order",
                  answer_blocks_again),
        OVER_DTLS("B1 HC 151 an answer left half-way is there later", answer_abandoned),
        OVER_DTLS("B1 HC 317 a later block of an answer nobody asked for", answer_of_nothing),
    };
    return cmocka_run_group_tests_name("block2", tests, group_start, group_stop);
}
