/* SPDX-License-Identifier: MIT
 *
 * The responder's bodies in blocks.                                          RFC 7959 section 2.5
 */
#include "coap/responder_rig.h"

enum { CHANGED = ESTOC_COAP_CHANGED, CONTENT = ESTOC_COAP_CONTENT };

#define MISSING "\"earlier blocks are missing, start again\""
#define NOT_ONE "\"the payload is not one block long\""

/* ---- Block1 ---- */

/* RFC 7959 Figure 7 as a POST, the first exchange byte for byte. */
static void figure_7(void **state)
{
    (void)state;
    uint8_t request[4 + 2 + 5 + 3 + 1 + 128] = {
        0x42, 0x02, 0x04, 0xd2, 0x04, 0xd2, /* CON POST 1234, token of 2 */
        0xb4, 's',  'o',  'a',  'p',        /* option 11 Uri-Path */
        0xd1, 0x03, 0x0b,                   /* option 27 Block1: 0, more, 128 */
        0xff,                               /* and 128 bytes */
    };
    static const uint8_t answer[] = {
        0x62, 0x5f, 0x04, 0xd2, 0x04, 0xd2, /* ACK 2.31 */
        0xd1, 0x0e, 0x0b,                   /* option 27 Block1: 0, more, 128 */
    };
    memcpy(request + 15, rig.body, 128);
    input(SLICE(request));
    expect_bytes(SLICE(answer));
    ask_expect("CON 1235 POST /soap 1:1/1/128 +128", "ACK 1235 2.31 1:1/1/128");
    expect_no_request();
    ask("CON 1236 POST /soap 1:2/0/128 +5");
    expect_request("POST /soap +261");
    assert_int_equal(rig.admitted, 1); /* at the first block only */
    owner_says(CHANGED, 0);
    expect("ACK 1236 2.04 ct=281 1:2/0/128");
    assert_int_equal(rig.bodies, 0);
}

/* RFC 7959 Figure 10: both ways, without a word about Block2 the answer has Block1's size. */
static void figure_10(void **state)
{
    (void)state;
    ask_expect("CON 1234 POST /soap 1:0/1/128 +128", "ACK 1234 2.31 1:0/1/128");
    ask_expect("CON 1235 POST /soap 1:1/1/128 +128", "ACK 1235 2.31 1:1/1/128");
    ask("CON 1236 POST /soap 1:2/0/128 +128");
    expect_request("POST /soap +384");
    owner_says(CHANGED, 400);
    expect("ACK 1236 2.04 etag=# ct=281 2:0/1/128 1:2/0/128 +128");
    ask_expect("CON 1237 POST /soap 2:1/0/128", "ACK 1237 2.04 etag=# ct=281 2:1/1/128 +128");
    ask_expect("CON 1238 POST /soap 2:2/0/128", "ACK 1238 2.04 etag=# ct=281 2:2/1/128 +128");
    ask_expect("CON 1239 POST /soap 2:3/0/128", "ACK 1239 2.04 etag=# ct=281 2:3/0/128 +16");
    assert_int_equal(rig.raised, 1);
    assert_int_equal(answers_out(), 1); /* until nobody reads it any more */
}

/* RFC 7959 Figure 11: early negotiation. */
static void figure_11(void **state)
{
    (void)state;
    ask_expect("CON 1234 POST /soap 1:0/1/128 +128", "ACK 1234 2.31 1:0/1/128");
    ask("CON 1236 POST /soap 2:0/0/64 1:1/0/128 +128");
    owner_says(CHANGED, 100);
    expect("ACK 1236 2.04 etag=# ct=281 2:0/1/64 1:1/0/128 +64");
    ask_expect("CON 1237 POST /soap 2:1/0/64", "ACK 1237 2.04 etag=# ct=281 2:1/0/64 +36");
}

/* RFC 9148 Figure 3. */
static void short_wait(void **state)
{
    (void)state;
    ask_expect("CON 1 POST /est/sen ct=286 1:0/1/256 +256", "ACK 1 2.31 1:0/1/256");
    ask("CON 2 POST /est/sen ct=286 1:1/0/256 +100");
    expect_request("POST /est/sen ct=286 +356");
    rig.now += 1000;
    expect("ACK 2 0.00");
    owner_says(CHANGED, 500);
    expect("CON 20480 for 2 2.04 etag=# ct=281 2:0/1/256 1:1/0/256 +256");
    ask_expect("CON 3 POST /est/sen ct=286 2:1/0/256", /* the ACK was lost or comes later */
               "ACK 3 2.04 etag=# ct=281 2:1/0/256 +244");
    input(estoc_slice_of("\x60\x00\x50\x00", 4));
    expect_nothing();
    assert_int_equal(rig.raised, 1);
    rig.now += 100000;
    expect_nothing();
}

/* RFC 9148 Figure 4, HC 319. */
static void long_wait(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        char text[80];
        snprintf(text, sizeof text, "CON %d POST /est/sen ct=286 1:0/1/256 +256", 10 * i + 1);
        ask(text);
        snprintf(text, sizeof text, "ACK %d 2.31 1:0/1/256", 10 * i + 1);
        expect(text);
        snprintf(text, sizeof text, "CON %d POST /est/sen ct=286 1:1/0/256 +100", 10 * i + 2);
        ask(text);
        expect_request("POST /est/sen ct=286 +356");
        if (i == 0) {
            estoc_answer a =
                owned(ESTOC_COAP_UNAVAILABLE, ESTOC_FORMAT_NONE, estoc_slice_str("not yet"));
            a.has_max_age = true;
            a.max_age_s = 120;
            owner_answers(&a);
            expect("ACK 2 5.03 age=120 1:1/0/256 \"not yet\"");
            rig.now += 120000;
        }
    }
    owner_says(CHANGED, 300);
    expect("ACK 12 2.04 etag=# ct=281 2:0/1/256 1:1/0/256 +256");
}

/* Each block size, bodies around the borders of blocks. */
static void every_size_up(void **state)
{
    (void)state;
    unsigned mid = 0;
    for (size_t size = 16; size <= 1024; size *= 2) {
        const size_t lens[] = {1, size - 1, size, size + 1, 3 * size, 3 * size + 1, 7 * size};
        for (size_t i = 0; i < COUNT(lens); i++) {
            for (size_t at = 0, num = 0; at < lens[i]; at += size, num++) {
                char text[80];
                bool more = lens[i] - at > size;
                snprintf(text, sizeof text, "CON %u POST /a 1:%zu/%d/%zu +%zu", ++mid, num, more,
                         size, more ? size : lens[i] - at);
                ask(text);
                assert_int_equal(estoc_responder_request(&rig.r) == NULL, more);
                if (more) {
                    snprintf(text, sizeof text, "ACK %u 2.31 1:%zu/1/%zu", mid, num, size);
                    expect(text);
                }
            }
            char text[80];
            snprintf(text, sizeof text, "POST /a +%zu", lens[i]);
            expect_request(text);
            owner_says(CHANGED, 0);
            output();
        }
    }
}

static void smaller_in_the_middle(void **state)
{
    (void)state;
    ask_expect("CON 1 POST /a 1:0/1/128 +128", "ACK 1 2.31 1:0/1/128");
    ask_expect("CON 2 POST /a 1:8/1/16 +16", "ACK 2 2.31 1:8/1/16");
    ask_expect("CON 3 POST /a 1:9/1/16 +16", "ACK 3 2.31 1:9/1/16");
    ask_expect("CON 4 POST /a 1:3/1/32 +32", "ACK 4 2.31 1:3/1/32"); /* there already */
    ask_expect("CON 5 POST /a 1:5/1/32 +32", "ACK 5 2.31 1:5/1/32");
    ask("CON 6 POST /a 1:3/0/64 +9");
    expect_request("POST /a +201");
    owner_says(CHANGED, 0);
    expect("ACK 6 2.04 ct=281 1:3/0/64");
}

/* HC 132 */
static void gaps(void **state)
{
    (void)state;
    ask_expect("CON 1 POST /a 1:1/1/64 +64", "ACK 1 4.08 1:1/0/64 " MISSING);
    ask_expect("CON 2 POST /a 1:5/0/64 +10", "ACK 2 4.08 1:5/0/64 " MISSING);
    assert_int_equal(rig.raised, 0);
    rig.refuse = "not recognised"; /* D4: who may not ask is told so */
    rig.refuse_code = ESTOC_COAP_UNAUTHORIZED;
    ask_expect("CON 11 POST /a 1:1/1/64 +64", "ACK 11 4.01 1:1/0/64 \"not recognised\"");
    assert_int_equal(rig.bodies, 0);
    rig.refuse = NULL;
    ask_expect("CON 3 POST /a 1:0/1/64 +64", "ACK 3 2.31 1:0/1/64");
    ask_expect("CON 4 POST /a 1:2/1/64 +64", "ACK 4 4.08 1:2/0/64 " MISSING);
    ask_expect("CON 5 POST /a 1:2/0/64 +10", "ACK 5 4.08 1:2/0/64 " MISSING);
    ask_expect("CON 6 POST /a 1:1048575/0/1024 +10", "ACK 6 4.08 1:1048575/0/1024 " MISSING);
    expect_no_request();
    ask("CON 7 POST /a 1:1/0/64 +10"); /* what is there is still good */
    expect_request("POST /a +74");
    owner_says(CHANGED, 0);
}

/* HC 136, HC 316 */
static void wrong_lengths(void **state)
{
    (void)state;
    static const char *const bad[] = {"1:0/1/64 +0",  "1:0/1/64 +1",  "1:0/1/64 +63",
                                      "1:0/1/64 +65", "1:0/0/64 +65", "1:0/1/64 +128"};
    char text[80];
    for (unsigned i = 0; i < COUNT(bad); i++) {
        snprintf(text, sizeof text, "CON %u POST /a %s", i, bad[i]);
        ask(text);
        snprintf(text, sizeof text, "ACK %u 4.00 1:0/0/64 " NOT_ONE, i);
        expect(text);
    }
    assert_int_equal(rig.admitted, 0);
    ask_expect("CON 10 POST /a 1:0/1/64 +64", "ACK 10 2.31 1:0/1/64");
    ask_expect("CON 11 POST /a 1:1/1/64 +63", "ACK 11 4.00 1:1/0/64 " NOT_ONE);
    ask_expect("CON 12 POST /a 1:1/1/64", "ACK 12 4.00 1:1/0/64 " NOT_ONE);
    ask("CON 13 POST /a 1:1/0/64"); /* a last block of nothing: the body is 64 bytes long */
    expect_request("POST /a +64");
    owner_says(CHANGED, 0);
    expect("ACK 13 2.04 ct=281 1:1/0/64");
    ask("CON 14 POST /a 1:0/0/64"); /* no body at all */
    expect_request("POST /a");
    owner_says(CHANGED, 0);
    expect("ACK 14 2.04 ct=281 1:0/0/64");
}

static void blocks_that_make_no_sense(void **state)
{
    (void)state;
    ask_expect("CON 1 GET /a 1:0/0/64", "ACK 1 4.00 1:0/0/64 \"a GET has no body\"");
    ask_expect("CON 2 POST /a 2:1/0/64 1:0/0/64 +9",
               "ACK 2 4.00 1:0/0/64 \"a later block of an answer not yet given\"");
    assert_int_equal(rig.admitted, 0);
    expect_no_request();
}

/* B2, C4 */
static void too_large(void **state)
{
    (void)state;
    rig.cfg.body_max = 200;
    rig_start();
    ask("CON 1 POST /a +200");
    expect_request("POST /a +200");
    owner_says(CHANGED, 0);
    expect("ACK 1 2.04 ct=281");
    unsigned rooms = rig.rooms;
    ask_expect("CON 2 POST /a +201", "ACK 2 4.13 size1=200 \"the body is too large\"");
    ask_expect("CON 3 POST /a 1:0/1/64 size1=201 +64",
               "ACK 3 4.13 1:0/0/64 size1=200 \"the body is too large\"");
    assert_int_equal(rig.rooms, rooms);
    ask_expect("CON 4 POST /a 1:1/1/64 +64", "ACK 4 4.08 1:1/0/64 " MISSING);
    ask_expect("CON 5 POST /a 1:0/1/64 size1=200 +64", "ACK 5 2.31 1:0/1/64");
    ask_expect("CON 6 POST /a 1:1/1/64 +64", "ACK 6 2.31 1:1/1/64");
    ask_expect("CON 7 POST /a 1:2/1/64 +64", "ACK 7 2.31 1:2/1/64");
    ask_expect("CON 8 POST /a 1:3/0/64 +9",
               "ACK 8 4.13 1:3/0/64 size1=200 \"the body is too large\"");
    assert_int_equal(rig.bodies, 0);
    ask_expect("CON 9 POST /a 1:3/0/64 +8", "ACK 9 4.08 1:3/0/64 " MISSING);
    expect_no_request();
    ask("CON 10 GET /a size1=300"); /* says nothing in a GET */
    expect_request("GET /a");
    owner_says(CONTENT, 0);
    expect("ACK 10 2.05 ct=281");
}

static void default_limit(void **state)
{
    (void)state;
    char text[80];
    for (unsigned n = 0; n < 8; n++) {
        snprintf(text, sizeof text, "CON %u POST /a 1:%u/1/1024 +1024", n, n);
        ask(text);
        snprintf(text, sizeof text, "ACK %u 2.31 1:%u/1/1024", n, n);
        expect(text);
    }
    ask_expect("CON 8 POST /a 1:8/0/1024 +1",
               "ACK 8 4.13 1:8/0/1024 size1=8192 \"the body is too large\"");
}

static void no_room(void **state)
{
    (void)state;
    rig.no_room = true;
    ask_expect("CON 1 POST /a +10", "ACK 1 5.03 age=2 \"no room for the body now\"");
    ask_expect("CON 2 POST /a 1:0/1/64 +64",
               "ACK 2 5.03 age=2 1:0/0/64 \"no room for the body now\"");
    rig.no_room = false;
    ask_expect("CON 3 POST /a 1:0/1/64 +64", "ACK 3 2.31 1:0/1/64");
    rig.no_room = true;
    ask_expect("CON 4 POST /a 1:1/1/64 +64",
               "ACK 4 5.03 age=2 1:1/0/64 \"no room for the body now\"");
    assert_int_equal(rig.bodies, 0);
    rig.no_room = false;
    ask_expect("CON 5 POST /a 1:1/1/64 +64", "ACK 5 4.08 1:1/0/64 " MISSING);
}

/* HC 139, HC 142: what makes it another request makes it another body. */
static void other_request(void **state)
{
    (void)state;
    static const char *const other[] = {
        "CON 10 POST /b ct=286 accept=287 1:1/0/64 tag=a +9",
        "CON 11 POST /a ct=286 1:1/0/64 tag=a +9",
        "CON 12 POST /a ct=286 accept=281 1:1/0/64 tag=a +9",
        "CON 13 POST /a ct=286 accept=287 1:1/0/64 tag=b +9",
        "CON 14 POST /a ct=286 accept=287 1:1/0/64 +9",
        "CON 15 POST /a ct=60 accept=287 1:1/0/64 tag=a +9",
        "CON 16 POST /a accept=287 1:1/0/64 tag=a +9",
        "CON 17 PUT /a ct=286 accept=287 1:1/0/64 tag=a +9",
        "CON 18 POST /a ct=286 ?x accept=287 1:1/0/64 tag=a +9",
        "CON 19 POST /a /c ct=286 accept=287 1:1/0/64 tag=a +9",
    };
    ask_expect("CON 1 POST /a ct=286 accept=287 1:0/1/64 tag=a +64", "ACK 1 2.31 1:0/1/64");
    for (unsigned i = 0; i < COUNT(other); i++) {
        char text[80];
        ask(other[i]);
        expect_no_request();
        snprintf(text, sizeof text, "ACK %u 4.08 1:1/0/64 " MISSING, 10 + i);
        expect(text);
    }
    /* Size1 and Echo identify nothing, and the token is free: row 152 */
    ask("CON 30 POST T=abc /a ct=286 accept=287 1:1/0/64 size1=73 opt=252x tag=a +9");
    expect_request("POST /a ct=286 accept=287 +73");
    owner_says(CHANGED, 0);
    expect("ACK 30 T=abc 2.04 ct=281 1:1/0/64");
}

/* HC 134 */
static void block_again(void **state)
{
    (void)state;
    ask_expect("CON 1 POST /a 1:0/1/64 +64", "ACK 1 2.31 1:0/1/64");
    ask_expect("CON 2 POST /a 1:1/1/64 +64", "ACK 2 2.31 1:1/1/64");
    ask_expect("CON 3 POST /a 1:1/1/64 +64", "ACK 3 2.31 1:1/1/64");
    ask_expect("CON 4 POST /a 1:2/1/64 +64", "ACK 4 2.31 1:2/1/64");
    ask_expect("CON 5 POST /a 1:1/1/64 +64", "ACK 5 2.31 1:1/1/64");
    rig.body[64] ^= 1; /* not the same block */
    ask_expect("CON 6 POST /a 1:1/1/64 +64", "ACK 6 4.08 1:1/0/64 " MISSING);
    rig.body[64] ^= 1;
    ask_expect("CON 7 POST /a 1:1/0/64 +64", "ACK 7 4.08 1:1/0/64 " MISSING); /* it was not last */
    ask("CON 8 POST /a 1:3/0/64 +1");
    expect_request("POST /a +193");
    owner_says(CHANGED, 0);
}

/* HC 137 */
static void block_0_again(void **state)
{
    (void)state;
    ask_expect("CON 1 POST /a 1:0/1/64 +64", "ACK 1 2.31 1:0/1/64");
    ask_expect("CON 2 POST /a 1:1/1/64 +64", "ACK 2 2.31 1:1/1/64");
    memset(rig.body, 0xaa, 64);
    ask_expect("CON 3 POST /a 1:0/1/64 +64", "ACK 3 2.31 1:0/1/64");
    assert_int_equal(rig.admitted, 2);
    assert_int_equal(rig.bodies, 1);
    ask_expect("CON 4 POST /a 1:2/0/64 +4", "ACK 4 4.08 1:2/0/64 " MISSING);
    ask_expect("CON 2 POST /a 1:1/1/64 +64", "ACK 2 2.31 1:1/1/64"); /* a duplicate adds nothing */
    ask("CON 5 POST /a 1:1/0/64 +4");
    expect_request("POST /a +68");
    owner_says(CHANGED, 0);
    /* HC 146: begun and left */
    for (unsigned i = 0; i < 300; i++) {
        char text[80];
        output();
        snprintf(text, sizeof text, "CON %u POST /a 1:0/1/64 tag=%u +64", 100 + i, i);
        ask(text);
        assert_int_equal(rig.bodies, 1);
    }
}

/* HC 147 */
static void slow_body(void **state)
{
    (void)state;
    rig.cfg.block_ms = 1000;
    rig.cfg.body_ms = 2500;
    rig_start();
    ask_expect("CON 1 POST /a 1:0/1/16 +16", "ACK 1 2.31 1:0/1/16");
    assert_int_equal(rig.bodies, 1);
    wait_until_deadline(1000);
    expect_nothing();
    assert_int_equal(rig.bodies, 0); /* no need for another datagram */
    ask_expect("CON 2 POST /a 1:1/0/16 +3", "ACK 2 4.08 1:1/0/16 " MISSING);
    ask_expect("CON 3 POST /a 1:0/1/16 +16", "ACK 3 2.31 1:0/1/16");
    rig.now += 999;
    ask_expect("CON 4 POST /a 1:1/1/16 +16", "ACK 4 2.31 1:1/1/16");
    rig.now += 999;
    ask_expect("CON 5 POST /a 1:2/1/16 +16", "ACK 5 2.31 1:2/1/16");
    assert_int_equal(estoc_responder_deadline(&rig.r), rig.now + 502);
    rig.now += 502; /* whatever still comes */
    ask_expect("CON 6 POST /a 1:3/0/16 +3", "ACK 6 4.08 1:3/0/16 " MISSING);
    assert_int_equal(rig.bodies, 0);
    assert_int_equal(estoc_responder_deadline(&rig.r), ESTOC_NEVER);
}

static void default_times(void **state)
{
    (void)state;
    ask_expect("CON 1 POST /a 1:0/1/16 +16", "ACK 1 2.31 1:0/1/16");
    wait_until_deadline(ESTOC_LIFETIME_MS);
    expect_nothing();
    ask("CON 2 GET /a");
    owner_says(CONTENT, 2000);
    expect("ACK 2 2.05 etag=# ct=281 2:0/1/1024 +1024");
    wait_until_deadline(ESTOC_LIFETIME_MS);
    assert_int_equal(answers_out(), 1);
    expect_nothing();
    assert_int_equal(answers_out(), 0);
    assert_int_equal(estoc_responder_deadline(&rig.r), ESTOC_NEVER);
    ask_expect("CON 3 POST /a 1:0/1/16 +16", "ACK 3 2.31 1:0/1/16");
    for (unsigned n = 1; n <= 5; n++) {
        char text[60];
        rig.now += 119999;
        snprintf(text, sizeof text, "CON %u POST /a 1:%u/1/16 +16", 10 + n, n);
        ask(text);
        output();
        assert_int_equal(rig.got[1], ESTOC_COAP_CONTINUE);
    }
    rig.now += 4; /* ten minutes are only just not over */
    ask("CON 30 POST /a 1:6/1/16 +16");
    expect("ACK 30 2.31 1:6/1/16");
    rig.now += 1;
    expect_nothing();
    assert_int_equal(rig.bodies, 0);
}

static void non_blocks(void **state)
{
    (void)state;
    ask_expect("NON 1 POST /a 1:0/1/64 +64", "NON 20480 for 1 2.31 1:0/1/64");
    ask_again();
    expect_nothing();
    ask("NON 2 POST /a 1:1/0/64 +1");
    expect_request("POST /a +65");
    owner_says(CHANGED, 100);
    expect("NON 20481 for 2 2.04 etag=# ct=281 2:0/1/64 1:1/0/64 +64");
    ask_expect("NON 3 POST /a 2:1/0/64", "NON 20482 for 3 2.04 etag=# ct=281 2:1/0/64 +36");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_RIG("B1 RFC 7959 Figure 7", figure_7),
        IN_RIG("B1 RFC 7959 Figure 10", figure_10),
        IN_RIG("B1 RFC 7959 Figure 11", figure_11),
        IN_RIG("L1 319 RFC 9148 Figure 3", short_wait),
        IN_RIG("L2 319 RFC 9148 Figure 4", long_wait),
        IN_RIG("B1 every block size up", every_size_up),
        IN_RIG("B1 smaller Block1 in the middle", smaller_in_the_middle),
        IN_RIG("B1 132 gaps are 4.08", gaps),
        IN_RIG("B1 136 316 blocks of a wrong length", wrong_lengths),
        IN_RIG("B1 blocks that make no sense", blocks_that_make_no_sense),
        IN_RIG("B2 C4 144 a body over the limit", too_large),
        IN_RIG("B2 8,192 bytes by default", default_limit),
        IN_RIG("B2 no room for a body", no_room),
        IN_RIG("B1 139 142 blocks of different requests", other_request),
        IN_RIG("B1 134 a block again under a new message ID", block_again),
        IN_RIG("B1 137 146 block 0 begins anew", block_0_again),
        IN_RIG("B2 147 a body that comes too slowly", slow_body),
        IN_RIG("B2 how long by default", default_times),
        IN_RIG("X1 blocks in NON", non_blocks),
    };
    return cmocka_run_group_tests_name("responder_blocks", tests, NULL, NULL);
}
