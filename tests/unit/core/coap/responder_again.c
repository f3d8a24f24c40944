/* SPDX-License-Identifier: MIT
 *
 * What comes again: duplicates, and the last block of a body under a new message ID.
 *                                                              RFC 7252 sections 4.2 and 4.5
 */
#include "coap/responder_rig.h"

enum { CHANGED = ESTOC_COAP_CHANGED, CONTENT = ESTOC_COAP_CONTENT };

#define MISSING "\"earlier blocks are missing, start again\""

/* ---- C1: duplicates ---- */

static void duplicate_post(void **state)
{
    (void)state;
    ask("CON 1 POST /a +30");
    owner_says(CHANGED, 500);
    output();
    uint8_t first[600];
    size_t len = rig.got_len;
    memcpy(first, rig.got, len);
    for (unsigned i = 1; i <= 5; i++) {
        ask_again();
        expect_bytes(estoc_slice_of(first, len));
        expect_nothing();
        assert_int_equal(rig.r.traffic.retransmitted, i);
    }
    assert_int_equal(rig.raised, 1);
    rig.now += ESTOC_LIFETIME_MS - 1;
    ask_again();
    expect_bytes(estoc_slice_of(first, len));
    rig.now += 1; /* after EXCHANGE_LIFETIME a message ID may come anew */
    ask_again();
    assert_int_equal(rig.raised, 2);
    owner_says(CHANGED, 0);
}

/* HC 77 */
static void duplicate_while_pending(void **state)
{
    (void)state;
    ask("CON 1 POST /a +30");
    for (int i = 0; i < 4; i++) {
        ask_again();
        expect_nothing();
    }
    wait_until_deadline(1000);
    expect("ACK 1 0.00");
    ask_again();
    expect("ACK 1 0.00");
    rig.now += 2 * ESTOC_LIFETIME_MS; /* however long it takes */
    ask_again();
    expect("ACK 1 0.00");
    expect_nothing();
    owner_says(CHANGED, 30);
    expect("CON 20480 for 1 2.04 ct=281 +30");
    assert_int_equal(rig.raised, 1);
}

/* Row 82: once it is acknowledged, the answer never comes in an ACK. */
static void duplicate_after_separate(void **state)
{
    (void)state;
    ask("CON 1 POST /a 1:0/0/64 +30");
    rig.now += 1000;
    expect("ACK 1 0.00");
    owner_says(CHANGED, 100);
    expect("CON 20480 for 1 2.04 etag=# ct=281 2:0/1/64 1:0/0/64 +64");
    ask_again();
    expect("ACK 1 0.00");
    input(estoc_slice_of("\x60\x00\x50\x00", 4));
    ask_again();
    expect("ACK 1 0.00");
    assert_int_equal(rig.raised, 1);
}

/* Far more message IDs than are remembered: those of requests that changed something stay longest. */
static void many_messages(void **state)
{
    (void)state;
    char text[60];
    for (unsigned mid = 0; mid < 40; mid++) {
        snprintf(text, sizeof text, "CON %u POST /a +1", mid);
        rig.now++;
        ask(text);
        owner_says(CHANGED, 0);
        output();
    }
    for (unsigned mid = 1000; mid < 3000; mid++) {
        snprintf(text, sizeof text, "CON %u GET /a", mid);
        rig.now++;
        ask(text);
        owner_says(CONTENT, 0);
        output();
        if (rig.owners_n + 2 > OWNERS_MAX) {
            assert_int_equal(answers_out(), 0);
            rig.owners_n = 0;
            memset(rig.owners, 0, sizeof rig.owners);
        }
    }
    assert_int_equal(rig.raised, 2040);
    for (unsigned mid = 0; mid < 40; mid++) {
        snprintf(text, sizeof text, "CON %u POST /a +1", mid);
        ask(text);
        output();
        expect_no_request();
    }
    for (unsigned mid = 2976; mid < 3000; mid++) { /* and the latest of the others */
        snprintf(text, sizeof text, "CON %u GET /a", mid);
        ask(text);
        output();
        expect_no_request();
    }
    assert_int_equal(rig.raised, 2040);
    for (unsigned mid = 5000; mid < 5070; mid++) { /* only then the oldest of them go */
        snprintf(text, sizeof text, "CON %u POST /a +1", mid);
        ask(text);
        expect_request("POST /a +1");
        rig.now++;
        owner_says(CHANGED, 0);
        output();
    }
    ask("CON 5006 POST /a +1");
    expect("ACK 5006 2.04 ct=281");
    assert_int_equal(rig.raised, 2110);
}

/* Within one millisecond, too, the oldest goes first; and nothing is kept longer than it counts. */
static void many_at_once(void **state)
{
    (void)state;
    char text[60];
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned mid = 0; mid < 40; mid++) {
            snprintf(text, sizeof text, "CON %u POST /a +1", 1000 * round + mid);
            ask(text);
            owner_says(CHANGED, 0);
            output();
        }
        rig.now += ESTOC_LIFETIME_MS;
        unsigned raised = rig.raised;
        for (unsigned i = 0; i < 300; i++) {
            snprintf(text, sizeof text, "CON %u GET /a", 100 + i % 150);
            ask(text);
            if (estoc_responder_request(&rig.r) != NULL) {
                estoc_answer a = {.code = CONTENT, .format = ESTOC_FORMAT_NONE};
                owner_answers(&a);
            }
            output();
        }
        assert_int_equal(rig.raised, raised + 300); /* 150 are more than are remembered */
        for (unsigned mid = 250 - ESTOC_RESPONDER_SEEN; mid < 250; mid++) {
            snprintf(text, sizeof text, "CON %u GET /a", mid);
            ask(text);
            output();
            assert_int_not_equal(rig.got_len, 0);
        }
        assert_int_equal(rig.raised, raised + 300);
        rig.now += ESTOC_LIFETIME_MS;
    }
}

/* Each reply is whole or gone. */
static void replies_overwritten(void **state)
{
    (void)state;
    char text[60];
    rig.cfg.replies.cap = ESTOC_REPLIES_MIN;
    rig_start();
    for (unsigned mid = 1; mid <= 6;
         mid++) { /* 4 of 300 bytes fit: the last two overwrite 1 and 2 */
        snprintf(text, sizeof text, "CON %u POST /a +1", mid);
        ask(text);
        owner_says(CHANGED, 290);
        output();
        assert_int_equal(rig.got_len, 300);
    }
    for (unsigned mid = 1; mid <= 6; mid++) {
        snprintf(text, sizeof text, "CON %u POST /a +1", mid);
        ask(text);
        if (mid <= 2) {
            expect_nothing();
        } else {
            snprintf(text, sizeof text, "ACK %u 2.04 ct=281 +290", mid);
            expect(text);
        }
    }
}

/* The room for replies is smaller than what is sent. A POST does not act again for that. */
static void replies_gone(void **state)
{
    (void)state;
    rig.cfg.replies.cap = ESTOC_REPLIES_MIN;
    rig_start();
    ask("CON 1 POST /a +1");
    owner_says(CHANGED, 700);
    expect("ACK 1 2.04 ct=281 +700");
    ask("CON 2 GET /a");
    owner_says(CONTENT, 700);
    expect("ACK 2 2.05 ct=281 +700");
    ask("CON 3 GET /b");
    owner_says(CONTENT, 700);
    expect("ACK 3 2.05 ct=281 +700");
    ask_again(); /* the last one is there */
    expect("ACK 3 2.05 ct=281 +700");
    unsigned raised = rig.raised;
    ask("CON 1 POST /a +1");
    expect_nothing();
    expect_no_request();
    ask("CON 2 GET /a"); /* safe to serve anew */
    expect_request("GET /a");
    assert_int_equal(rig.raised, raised + 1);
    owner_says(CONTENT, 10);
    expect("ACK 2 2.05 ct=281 +10");
    ask_again();
    expect("ACK 2 2.05 ct=281 +10");
}

/* Replies of many sizes: no byte of what was kept before them is left. */
static void flood(unsigned mid)
{
    char text[60];
    for (size_t len = 300; len <= 900; len += 30) {
        snprintf(text, sizeof text, "CON %u GET /b", mid++);
        ask(text);
        owner_says(CONTENT, len);
        output();
    }
}

static void replies_gone_but_known(void **state)
{
    (void)state;
    rig.cfg.replies.cap = ESTOC_REPLIES_MIN;
    rig_start();
    ask_expect("CON 1 POST /a 1:0/1/64 +64", "ACK 1 2.31 1:0/1/64");
    flood(100);
    ask_expect("CON 1 POST /a 1:0/1/64 +64", "ACK 1 2.31 1:0/1/64");
    ask("CON 2 POST /a 2:0/0/32 1:1/0/64 +60");
    expect_request("POST /a +124");
    owner_says(CHANGED, 100);
    expect("ACK 2 2.04 etag=# ct=281 2:0/1/32 1:1/0/64 +32");
    flood(200);
    unsigned raised = rig.raised;
    ask_expect("CON 2 POST /a 2:0/0/32 1:1/0/64 +60",
               "ACK 2 2.04 etag=# ct=281 2:0/1/32 1:1/0/64 +32");
    ask("CON 1 POST /a 1:0/1/64 +64"); /* its body is not in assembly any more: no new one begins */
    expect_nothing();
    assert_int_equal(rig.bodies, 0);
    assert_int_equal(rig.raised, raised);
}

/* So many others came while it waited that its message ID is forgotten: it is still one request. */
static void forgotten_while_pending(void **state)
{
    (void)state;
    char text[60];
    ask("CON 1 GET /a");
    for (unsigned mid = 100; mid < 200; mid++) {
        snprintf(text, sizeof text, "CON %u GET /b", mid);
        rig.now += 5;
        ask(text);
        output();
    }
    ask("CON 1 GET /a");
    expect_nothing();
    rig.now += 1000;
    expect("ACK 1 0.00");
    ask("CON 1 GET /a");
    expect("ACK 1 0.00");
    owner_says(CONTENT, 10);
    expect("CON 20480 for 1 2.05 ct=281 +10");
    assert_int_equal(rig.raised, 1);
    ask("CON 2 GET /a");
    for (unsigned mid = 300; mid < 400; mid++) {
        snprintf(text, sizeof text, "CON %u GET /b", mid);
        rig.now += 5;
        ask(text);
        output();
    }
    owner_says(CONTENT, 10);
    expect("ACK 2 2.05 ct=281 +10"); /* not kept: there is no entry to keep it with */
    ask("CON 2 GET /a");
    assert_int_equal(rig.raised, 3);
    owner_says(CONTENT, 10);
}

/* More room than an entry can point into. */
static void much_room(void **state)
{
    (void)state;
    enum { MUCH = 70000 };
    char text[60];
    rig.replies = realloc(rig.replies, MUCH);
    assert_non_null(rig.replies);
    rig.cfg.replies = (estoc_buf){rig.replies, MUCH};
    rig_start();
    for (unsigned mid = 1; mid <= 120; mid++) {
        rig.now++;
        snprintf(text, sizeof text, "CON %u GET /a", mid);
        ask(text);
        owner_says(CONTENT, 1000 + mid);
        output();
        ask_again();
        snprintf(text, sizeof text, "ACK %u 2.05 ct=281 +%u", mid, 1000 + mid);
        expect(text);
    }
    for (unsigned mid = 66; mid <= 120; mid++) { /* 55 of some 1,100 bytes */
        snprintf(text, sizeof text, "CON %u GET /a", mid);
        ask(text);
        snprintf(text, sizeof text, "ACK %u 2.05 ct=281 +%u", mid, 1000 + mid);
        expect(text);
    }
}

/* ---- X4 ---- */

static void final_again(void **state)
{
    (void)state;
    ask_expect("CON 1 POST /a ct=286 1:0/1/64 +64", "ACK 1 2.31 1:0/1/64");
    ask("CON 2 POST /a ct=286 1:1/0/64 +10");
    owner_says(CHANGED, 20);
    expect("ACK 2 2.04 ct=281 1:1/0/64 +20");
    ask_expect("CON 3 POST /a ct=286 1:1/0/64 +10", "ACK 3 2.04 ct=281 1:1/0/64 +20");
    ask_expect("NON 4 POST /a ct=286 1:1/0/64 +10", "NON 20480 for 4 2.04 ct=281 1:1/0/64 +20");
    ask_expect("CON 5 POST /a ct=286 2:0/0/16 1:1/0/64 size2=0 +10",
               "ACK 5 2.04 etag=# ct=281 2:0/1/16 1:1/0/64 size2=20 +16");
    assert_int_equal(rig.raised, 1);
    /* these are not that block */
    ask_expect("CON 10 POST /a ct=286 1:1/0/64 +11", "ACK 10 4.08 1:1/0/64 " MISSING);
    ask_expect("CON 11 POST /a ct=286 1:2/0/64 +10", "ACK 11 4.08 1:2/0/64 " MISSING);
    ask_expect("CON 12 POST /b ct=286 1:1/0/64 +10", "ACK 12 4.08 1:1/0/64 " MISSING);
    ask_expect("CON 13 POST /a ct=286 1:1/1/64 +64", "ACK 13 4.08 1:1/0/64 " MISSING);
    rig.body[64] ^= 1;
    ask_expect("CON 14 POST /a ct=286 1:1/0/64 +10", "ACK 14 4.08 1:1/0/64 " MISSING);
    rig.body[64] ^= 1;
    rig.now += ESTOC_LIFETIME_MS - 1;
    ask_expect("CON 20 POST /a ct=286 1:1/0/64 +10", "ACK 20 2.04 etag=# ct=281 1:1/0/64 +20");
    rig.now += ESTOC_LIFETIME_MS;
    ask_expect("CON 21 POST /a ct=286 1:1/0/64 +10", "ACK 21 4.08 1:1/0/64 " MISSING);
}

/* The whole once more is a new request, and its answer takes the place of the old one. */
static void whole_again(void **state)
{
    (void)state;
    char text[80];
    for (unsigned i = 0; i < 3; i++) {
        snprintf(text, sizeof text, "CON %u POST /a 1:0/1/64 +64", 10 * i);
        ask(text);
        output();
        snprintf(text, sizeof text, "CON %u POST /a 1:1/0/64 +10", 10 * i + 1);
        ask(text);
        expect_request("POST /a +74");
        assert_int_equal(answers_out(), 0); /* it is no answer to this one */
        if (i < 2) {
            owner_says(CHANGED, 20 + i);
            snprintf(text, sizeof text, "ACK %u 2.04 ct=281 1:1/0/64 +%u", 10 * i + 1, 20 + i);
        } else {
            owner_refuses(ESTOC_COAP_FORBIDDEN, "no more");
            snprintf(text, sizeof text, "ACK %u 4.03 1:1/0/64 \"no more\"", 10 * i + 1);
        }
        expect(text);
        assert_int_equal(answers_out(), i < 2);
    }
    ask_expect("CON 50 POST /a 1:1/0/64 +10", "ACK 50 4.08 1:1/0/64 " MISSING);
    ask("CON 51 POST /a 1:0/0/64 +10"); /* a body of one block is whole, too */
    owner_says(CHANGED, 10);
    output();
    ask("CON 52 POST /a 1:0/0/64 +10");
    expect_request("POST /a +10");
    owner_says(CHANGED, 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_RIG("C1 76 a repeated CON gets the identical bytes", duplicate_post),
        IN_RIG("C1 77 duplicates while the answer is pending", duplicate_while_pending),
        IN_RIG("L1 82 duplicates after a separate response", duplicate_after_separate),
        IN_RIG("C1 more messages than are remembered", many_messages),
        IN_RIG("C1 more messages in one millisecond", many_at_once),
        IN_RIG("C1 replies overwritten by later ones", replies_overwritten),
        IN_RIG("C1 a reply that is not kept any more", replies_gone),
        IN_RIG("C1 a reply that is not kept but known", replies_gone_but_known),
        IN_RIG("C1 a request forgotten while it is pending", forgotten_while_pending),
        IN_RIG("C1 more room for replies than is used", much_room),
        IN_RIG("X4 the last block again", final_again),
        IN_RIG("X2 the whole body again", whole_again),
    };
    return cmocka_run_group_tests_name("responder_again", tests, NULL, NULL);
}
