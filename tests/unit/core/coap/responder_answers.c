/* SPDX-License-Identifier: MIT
 *
 * The responder's answers in blocks.                                         RFC 7959 section 2.4
 */
#include "coap/responder_rig.h"

enum { CHANGED = ESTOC_COAP_CHANGED, CONTENT = ESTOC_COAP_CONTENT };

/* ---- Block2 ---- */

/* RFC 7959 Figure 4: late negotiation. HC 121, 122. */
static void figure_4(void **state)
{
    (void)state;
    rig.cfg.message_max = 200;
    rig_start();
    ask("CON 1234 GET /status");
    owner_says(CONTENT, 300);
    expect("ACK 1234 2.05 etag=# ct=281 2:0/1/128 +128");
    ask_expect("CON 1235 GET /status 2:2/0/64", "ACK 1235 2.05 etag=# ct=281 2:2/1/64 +64");
    ask_expect("CON 1236 GET /status 2:3/0/64", "ACK 1236 2.05 etag=# ct=281 2:3/1/64 +64");
    ask_expect("CON 1237 GET /status 2:4/1/64", /* its M bit is ignored */
               "ACK 1237 2.05 etag=# ct=281 2:4/0/64 +44");
    ask_expect("CON 1238 GET T=other /status ct=40 2:18/0/16", /* another token, a Content-Format */
               "ACK 1238 T=other 2.05 etag=# ct=281 2:18/0/16 +12");
    assert_int_equal(rig.raised, 1);
    assert_int_equal(rig.admitted, 1);
}

/* B4: every message size, every wish, bodies around the borders. All blocks of an answer have one
 * size, whatever token, Block1 and Size2 do to the room. */
static void every_size_down(void **state)
{
    (void)state;
    static const size_t rooms[] = {96, 97, 128, 150, 190, 300, 512, 576, 1000, 1100, 1200, 5000};
    char text[80];
    unsigned mid = 0;
    for (size_t m = 0; m < COUNT(rooms); m++) {
        for (size_t wish = 8; wish <= 1024; wish *= 2) { /* 8: none */
            const size_t lens[] = {1, wish, wish + 1, 1030, 2048};
            for (size_t i = 0; i < COUNT(lens); i++) {
                estoc_responder_close(&rig.r);
                rig.owners_n = 0;
                memset(rig.owners, 0, sizeof rig.owners);
                rig.cfg.message_max = rooms[m];
                rig.etag_len = 0;
                rig_start();
                snprintf(text, sizeof text,
                         wish > 8 ? "CON %u GET T=a /a 2:0/0/%zu size2=0"
                                  : "CON %u GET T=a /a size2=0",
                         ++mid, wish);
                ask(text);
                owner_says(CONTENT, lens[i]);
                size_t got = 0, size = 0;
                for (size_t num = 0;; num++) {
                    estoc_coap_msg msg;
                    estoc_slice value;
                    estoc_block b;
                    output();
                    assert_in_range(rig.got_len, 5, rooms[m]);
                    assert_int_equal(estoc_coap_parse(&msg, estoc_slice_of(rig.got, rig.got_len)),
                                     0);
                    (void)describe(&msg); /* compares the payload */
                    got += msg.payload.len;
                    if (!estoc_coap_opt_find(msg.options, ESTOC_OPT_BLOCK2, &value)) {
                        assert_int_equal(wish, 8);
                        break;
                    }
                    assert_int_equal(estoc_block_parse(value, &b), 0);
                    size = num == 0 ? ESTOC_BLOCK_SIZE(b.szx) : size;
                    assert_int_equal(b.num, num);
                    assert_int_equal(ESTOC_BLOCK_SIZE(b.szx), size);
                    if (!b.more) {
                        break;
                    }
                    assert_int_equal(msg.payload.len, size);
                    snprintf(text, sizeof text, "CON %u GET T=12345678 /a 2:%zu/0/%zu size2=0",
                             ++mid, num + 1, size);
                    ask(text);
                }
                assert_int_equal(got, lens[i]);
                assert_true(wish == 8 || size <= wish);
                /* not smaller than need be: twice the block would not fit or is not wanted */
                assert_true(size == 0 || size == wish || size == 1024 || 2 * size + 50 > rooms[m]);
            }
        }
    }
}

/* The longest options there can be, and bodies around what fits beside them. */
static void longest_options(void **state)
{
    (void)state;
    char text[80];
    unsigned mid = 0;
    for (size_t m = ESTOC_RESPONDER_MESSAGE_MIN; m < 330; m++) {
        rig.cfg.message_max = m;
        rig_start();
        for (size_t len = m - 60; len < m; len++) {
            snprintf(text, sizeof text, "CON %u POST T=12345678 /a 1:0/0/1024 size2=0 +10", ++mid);
            ask(text);
            estoc_answer a = {.code = CHANGED,
                              .format = 60000,
                              .body = {rig.answer, len},
                              .etag = "8 bytes",
                              .etag_len = 8,
                              .has_max_age = true,
                              .max_age_s = UINT32_MAX};
            owner_answers(&a);
            output();
            assert_in_range(rig.got_len, 40, m);
            rig.now += ESTOC_LIFETIME_MS;
        }
        estoc_responder_close(&rig.r);
    }
}

/* A client that asks for more than fits gets the same place in smaller blocks. */
static void larger_than_fits(void **state)
{
    (void)state;
    rig.cfg.message_max = 200;
    rig_start();
    ask("CON 1 GET /a 2:0/0/1024");
    owner_says(CONTENT, 3000);
    expect("ACK 1 2.05 etag=# ct=281 2:0/1/128 +128");
    ask_expect("CON 2 GET /a 2:1/0/1024", "ACK 2 2.05 etag=# ct=281 2:8/1/128 +128");
}

static void size_of_block1(void **state)
{
    (void)state;
    ask("CON 1 POST /a 1:0/0/64 +10");
    owner_says(CHANGED, 64);
    expect("ACK 1 2.04 ct=281 1:0/0/64 +64"); /* it fits */
    ask("CON 2 POST /a 1:0/0/64 +10");
    owner_says(CHANGED, 65);
    expect("ACK 2 2.04 etag=# ct=281 2:0/1/64 1:0/0/64 +64");
    rig.etag_len = 0;
    ask("CON 3 POST /a 2:0/0/256 1:0/0/64 +10"); /* said is said */
    owner_says(CHANGED, 300);
    expect("ACK 3 2.04 etag=# ct=281 2:0/1/256 1:0/0/64 +256");
    rig.etag_len = 0;
    ask("CON 4 POST /a 1:0/0/1024 +10");
    owner_says(CHANGED, 1100);
    expect("ACK 4 2.04 ct=281 1:0/0/1024 +1100");
}

/* HC 124 */
static void past_the_end(void **state)
{
    (void)state;
    static const unsigned nums[] = {4, 5, 4096, 0xfffff};
    char text[80];
    ask("CON 1 GET /a 2:0/0/64");
    owner_says(CONTENT, 256);
    expect("ACK 1 2.05 etag=# ct=281 2:0/1/64 +64");
    for (unsigned i = 0; i < COUNT(nums); i++) {
        snprintf(text, sizeof text, "CON %u GET /a 2:%u/0/64", 10 + i, nums[i]);
        ask(text);
        snprintf(text, sizeof text, "ACK %u 4.00 \"the answer has no such block\"", 10 + i);
        expect(text);
        snprintf(text, sizeof text, "CON %u GET /b 2:%u/0/64", 20 + i, nums[i]);
        ask(text);
        expect_request("GET /b"); /* without a snapshot the owner is asked again */
        owner_says(CONTENT, i == 0 ? 0 : 256);
        snprintf(text, sizeof text, "ACK %u 4.00 \"the answer has no such block\"", 20 + i);
        expect(text);
        assert_int_equal(answers_out(), 1);
    }
    ask_expect("CON 50 GET /a 2:3/0/64", "ACK 50 2.05 etag=# ct=281 2:3/0/64 +64");
}

/* An answer of 30 MB has blocks whose numbers no option can hold. */
static void number_too_large(void **state)
{
    (void)state;
    rig.cfg.message_max = 96;
    rig_start();
    ask("CON 1 GET /a 2:16384/0/1024"); /* 16 MiB from the start: 524,288 in blocks of 32 */
    estoc_answer a = {.code = CONTENT, .format = ESTOC_FORMAT_NONE};
    static uint8_t huge[(1u << 25) + 33];
    a.body = SLICE(huge);
    memset(rig.answer, 0, sizeof rig.answer);
    owner_answers(&a);
    output();
    assert_int_equal(rig.got[1], CONTENT);
    ask("CON 2 GET /a 2:32767/0/1024"); /* 1,048,544 of 32 */
    output();
    assert_int_equal(rig.got[1], CONTENT);
    ask_expect("CON 3 GET /a 2:32768/0/1024", "ACK 3 4.00 \"the answer has no such block\"");
}

static void size2(void **state)
{
    (void)state;
    ask("CON 1 GET /a 2:0/0/64 size2=0");
    owner_says(CONTENT, 200);
    expect("ACK 1 2.05 etag=# ct=281 2:0/1/64 size2=200 +64");
    ask_expect("CON 2 GET /a 2:1/0/64", "ACK 2 2.05 etag=# ct=281 2:1/1/64 +64");
    ask("CON 3 GET /a size2=0");
    owner_refuses(ESTOC_COAP_NOT_FOUND, "gone");
    expect("ACK 3 4.04 \"gone\"");
    ask_expect("CON 4 POST /a 1:0/1/16 size2=0 +16", "ACK 4 2.31 1:0/1/16");
}

/* B3: blocks come from the answer as it was; asked for anew, the content is the new one. */
static void fixed_snapshot(void **state)
{
    (void)state;
    ask("CON 1 GET /a 2:0/0/64");
    estoc_answer a = answer_of(CONTENT, 200);
    a.etag[0] = 'v';
    a.etag_len = 1;
    a.has_max_age = true;
    a.max_age_s = 60;
    owner_answers(&a);
    expect("ACK 1 2.05 etag=v ct=281 age=60 2:0/1/64 +64");
    ask_expect("CON 2 GET /a 2:1/0/64", "ACK 2 2.05 etag=v ct=281 age=60 2:1/1/64 +64");
    assert_int_equal(answers_out(), 1);
    ask("CON 3 GET /a 2:0/0/64"); /* block 0 is always asked for anew */
    expect_request("GET /a");
    rig.answer[70] ^= 1;
    owner_says(CONTENT, 210);
    assert_int_equal(answers_out(), 1); /* the old one is gone */
    expect("ACK 3 2.05 etag=# ct=281 2:0/1/64 +64");
    ask_expect("CON 4 GET /a 2:1/0/64", "ACK 4 2.05 etag=# ct=281 2:1/1/64 +64");
    ask_expect("CON 5 GET /a 2:3/0/64", "ACK 5 2.05 etag=# ct=281 2:3/0/64 +18");
    ask("CON 6 GET /b"); /* small: no snapshot, and no reason to drop one */
    owner_says(CONTENT, 5);
    output();
    ask_expect("CON 7 GET /a 2:3/0/64", "ACK 7 2.05 etag=# ct=281 2:3/0/64 +18");
}

/* Without a snapshot a GET for a later block is a request; its ETag tells if the content changed. */
static void snapshot_gone(void **state)
{
    (void)state;
    ask("CON 1 GET /a 2:0/0/64");
    owner_says(CONTENT, 200);
    expect("ACK 1 2.05 etag=# ct=281 2:0/1/64 +64");
    uint8_t first[8];
    memcpy(first, rig.etag, sizeof first);
    ask("CON 2 GET /b 2:0/0/64"); /* takes its place */
    rig.etag_len = 0;
    owner_says(CONTENT, 201);
    expect("ACK 2 2.05 etag=# ct=281 2:0/1/64 +64");
    assert_memory_not_equal(first, rig.etag, 4);
    ask("CON 3 GET /a 2:1/0/64");
    expect_request("GET /a");
    assert_int_equal(rig.admitted, 3);
    rig.etag_len = 0;
    owner_says(CONTENT, 200);
    expect("ACK 3 2.05 etag=# ct=281 2:1/1/64 +64");
    assert_memory_equal(first, rig.etag, 4); /* unchanged */
    ask_expect("CON 4 GET /a 2:2/0/64", "ACK 4 2.05 etag=# ct=281 2:2/1/64 +64");
    ask("CON 5 GET /b 2:1/0/64");
    rig.now += 1000; /* now slow */
    expect("ACK 5 0.00");
    rig.etag_len = 0;
    owner_says(CONTENT, 201);
    expect("CON 20480 for 5 2.05 etag=# ct=281 2:1/1/64 +64");
}

/* The same for a POST would be a second execution: 4.08. HC 317. */
static void post_answer_gone(void **state)
{
    (void)state;
    const char *gone = "ACK 1 4.08 \"no answer is kept, send the request again\"";
    ask_expect("CON 1 POST /a ct=286 2:1/0/64", gone);
    assert_int_equal(rig.raised, 0);
    rig.refuse = "not recognised"; /* D4: who may not ask is told so */
    rig.refuse_code = ESTOC_COAP_UNAUTHORIZED;
    ask_expect("CON 11 POST /a ct=286 2:1/0/64", "ACK 11 4.01 \"not recognised\"");
    rig.refuse = NULL;
    ask("CON 2 POST /a ct=286 2:0/0/64 +10");
    owner_says(CHANGED, 200);
    expect("ACK 2 2.04 etag=# ct=281 2:0/1/64 +64");
    ask_expect("CON 3 POST /a ct=286 2:1/0/64", "ACK 3 2.04 etag=# ct=281 2:1/1/64 +64");
    ask_expect("CON 4 POST /a 2:2/0/64", /* there is no payload to have a format */
               "ACK 4 2.04 etag=# ct=281 2:2/1/64 +64");
    ask_expect("CON 5 POST /a 2:1/0/64 +9", "ACK 5 2.04 etag=# ct=281 2:1/1/64 +64");
    ask_expect("CON 6 POST /a ct=286 accept=287 2:1/0/64",
               "ACK 6 4.08 \"no answer is kept, send the request again\"");
    ask_expect("CON 7 PUT /a ct=286 2:1/0/64",
               "ACK 7 4.08 \"no answer is kept, send the request again\"");
    for (unsigned i = 0; i < 3; i++) { /* counted from the last reading */
        char text[60];
        rig.now += ESTOC_LIFETIME_MS - 1;
        snprintf(text, sizeof text, "CON %u POST /a ct=286 2:3/0/64", 100 + i);
        ask(text);
        snprintf(text, sizeof text, "ACK %u 2.04 etag=# ct=281 2:3/0/64 +8", 100 + i);
        expect(text);
    }
    rig.now += ESTOC_LIFETIME_MS;
    ask_expect("CON 9 POST /a ct=286 2:1/0/64",
               "ACK 9 4.08 \"no answer is kept, send the request again\"");
    assert_int_equal(answers_out(), 0);
    assert_int_equal(rig.raised, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_RIG("B1 121 122 RFC 7959 Figure 4", figure_4),
        IN_RIG("B4 every block size down", every_size_down),
        IN_RIG("B4 the longest options", longest_options),
        IN_RIG("B4 a wish that does not fit", larger_than_fits),
        IN_RIG("B1 Block1's size holds for the answer", size_of_block1),
        IN_RIG("B1 124 a block past the end", past_the_end),
        IN_RIG("B1 a block number past 20 bits", number_too_large),
        IN_RIG("B1 154 Size2", size2),
        IN_RIG("B3 blocks come from one snapshot", fixed_snapshot),
        IN_RIG("B3 a GET without its snapshot", snapshot_gone),
        IN_RIG("B1 129 152 317 an answer to POST without its snapshot", post_answer_gone),
    };
    return cmocka_run_group_tests_name("responder_answers", tests, NULL, NULL);
}
