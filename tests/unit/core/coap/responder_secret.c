/* SPDX-License-Identifier: MIT
 *
 * Answers that hold a private key: kept while their client may ask for them, then wiped (E5, X2, HC 327).
 */
#include "coap/responder_rig.h"

enum { CHANGED = ESTOC_COAP_CHANGED, CONTENT = ESTOC_COAP_CONTENT, WINDOW = 8 };

static void secret_says(size_t len)
{
    estoc_answer a = answer_of(CHANGED, len);
    a.secret = true;
    owner_answers(&a);
}

/* Places where the bytes go up in steps of 13, as they do in rig.answer and nowhere else. */
static unsigned traces_in(const void *memory, size_t len)
{
    const uint8_t *m = memory;
    unsigned n = 0;
    for (size_t at = 0; at + WINDOW <= len; at++) {
        size_t i = 1;
        while (i < WINDOW && (uint8_t)(m[at + i] - m[at + i - 1]) == 13) {
            i++;
        }
        n += i == WINDOW;
    }
    return n;
}

static unsigned traces(void)
{
    return traces_in(&rig.r, sizeof rig.r) + traces_in(rig.replies, rig.r.cfg.replies.cap);
}

static void assert_gone(void)
{
    assert_int_equal(traces(), 0);
    assert_int_equal(answers_out(), 0);
}

static void in_one_message(void **state)
{
    (void)state;
    ask("CON 1 POST /skg ct=286 +30");
    secret_says(500);
    assert_true(traces() > 0);
    output();
    uint8_t first[600];
    size_t len = rig.got_len;
    memcpy(first, rig.got, len);
    assert_int_equal(traces_in(rig.r.out, sizeof rig.r.out), 0);
    for (int i = 0; i < 3; i++) {
        ask_again();
        expect_bytes(estoc_slice_of(first, len));
    }
    assert_int_equal(answers_out(), 1);
    ask("CON 2 GET /a");
    assert_gone();
    owner_says(CONTENT, 0);
    output();
    ask("CON 1 POST /skg ct=286 +30"); /* too late, and it must not act again */
    expect_nothing();
    expect_no_request();
    assert_int_equal(rig.raised, 2);
}

static void in_blocks(void **state)
{
    (void)state;
    ask("CON 1 POST /skg ct=286 2:0/0/64 +30");
    secret_says(150);
    expect("ACK 1 2.04 etag=# ct=281 2:0/1/64 +64");
    ask_expect("CON 2 POST /skg 2:1/0/64", "ACK 2 2.04 etag=# ct=281 2:1/1/64 +64");
    ask("CON 3 GET /a"); /* the last block has not gone out */
    owner_says(CONTENT, 0);
    output();
    ask_expect("CON 4 POST /skg 2:2/0/64", "ACK 4 2.04 etag=# ct=281 2:2/0/64 +22");
    ask_again();
    expect("ACK 4 2.04 etag=# ct=281 2:2/0/64 +22");
    ask_expect("CON 5 POST /skg 2:1/0/64", "ACK 5 2.04 etag=# ct=281 2:1/1/64 +64");
    assert_int_equal(answers_out(), 1);
    ask_expect("CON 6 POST /other 2:1/0/64",
               "ACK 6 4.08 \"no answer is kept, send the request again\"");
    assert_gone();
    ask_expect("CON 7 POST /skg 2:2/0/64",
               "ACK 7 4.08 \"no answer is kept, send the request again\"");
}

/* X2: the same request under a new message ID is a new one. */
static void the_same_request_anew(void **state)
{
    (void)state;
    ask("CON 1 POST /skg ct=286 +30");
    secret_says(100);
    output();
    ask("CON 2 POST /skg ct=286 +30");
    expect_request("POST /skg ct=286 +30");
    assert_gone();
    secret_says(200);
    expect("ACK 2 2.04 ct=281 +200");
    assert_int_equal(answers_out(), 1);
}

/* X4: the last block of a request that came in blocks is not a new one. */
static void final_block_again(void **state)
{
    (void)state;
    ask_expect("CON 1 POST /skg ct=286 1:0/1/64 +64", "ACK 1 2.31 1:0/1/64");
    ask("CON 2 POST /skg ct=286 1:1/0/64 +20");
    secret_says(50);
    expect("ACK 2 2.04 ct=281 1:1/0/64 +50");
    ask_expect("CON 3 POST /skg ct=286 1:1/0/64 +20", "ACK 3 2.04 ct=281 1:1/0/64 +50");
    assert_int_equal(rig.raised, 1);
    ask("CON 4 GET /a");
    assert_gone();
    owner_says(CONTENT, 0);
    output();
}

static void in_a_separate_response(void **state)
{
    (void)state;
    ask("CON 1 POST /skg ct=286 +30");
    rig.now += 1000;
    expect("ACK 1 0.00");
    secret_says(100);
    expect("CON 20480 for 1 2.04 ct=281 +100");
    ask("CON 2 GET /a"); /* it may still be lost */
    owner_says(CONTENT, 0);
    output();
    assert_int_equal(answers_out(), 1);
    rig.now = rig.r.separate_due;
    expect("CON 20480 for 1 2.04 ct=281 +100");
    input(estoc_slice_of("\x60\x00\x50\x00", 4));
    assert_int_equal(traces_in(rig.r.separate, sizeof rig.r.separate), 0);
    ask("CON 3 GET /a");
    assert_gone();
    owner_says(CONTENT, 0);
    output();
}

static void never_acknowledged(void **state)
{
    (void)state;
    ask("CON 1 POST /skg ct=286 +30");
    rig.now += 1000;
    expect("ACK 1 0.00");
    secret_says(100);
    output();
    for (int i = 0; i < 4; i++) {
        rig.now = rig.r.separate_due;
        expect("CON 20480 for 1 2.04 ct=281 +100");
    }
    rig.now = rig.r.separate_due;
    expect_nothing();
    assert_int_equal(traces_in(rig.r.separate, sizeof rig.r.separate), 0);
    ask("CON 2 GET /a");
    assert_gone();
    owner_says(CONTENT, 0);
    output();
}

static void for_a_non(void **state)
{
    (void)state;
    ask("NON 1 POST /skg ct=286 +30");
    secret_says(100);
    expect("NON 20480 for 1 2.04 ct=281 +100");
    assert_int_equal(traces(), 0);
    ask("NON 2 GET /a");
    assert_gone();
    owner_says(CONTENT, 0);
    output();
}

static void nothing_more_comes(void **state)
{
    (void)state;
    ask("CON 1 POST /skg ct=286 2:0/0/64 +30");
    secret_says(100);
    output();
    rig.now += 90000;
    ask_expect("CON 2 POST /skg 2:1/0/64", "ACK 2 2.04 etag=# ct=281 2:1/0/64 +36");
    wait_until_deadline(ESTOC_SECRET_MS);
    expect_nothing();
    assert_gone();
    ask_again();
    expect("ACK 2 4.08 \"no answer is kept, send the request again\"");
}

static void shorter_if_all_answers_are(void **state)
{
    (void)state;
    rig.cfg.answer_ms = 5000;
    rig_start();
    ask("CON 1 POST /skg ct=286 +30");
    secret_says(100);
    output();
    wait_until_deadline(5000);
    expect_nothing();
    assert_gone();
}

static void closed(void **state)
{
    (void)state;
    ask("CON 1 POST /skg ct=286 +30");
    secret_says(100); /* not even sent */
    estoc_responder_close(&rig.r);
    assert_int_equal(traces_in(&rig.r, sizeof rig.r), 0);
    assert_int_equal(traces_in(rig.replies, REPLIES_LEN), 0);
    assert_int_equal(answers_out(), 0);
}

/* A reply that has to make room leaves no remains between the others. */
static void overwritten(void **state)
{
    (void)state;
    rig.cfg.replies.cap = ESTOC_REPLIES_MIN;
    rig_start();
    ask("CON 1 POST /skg ct=286 2:0/0/1024 +30");
    secret_says(1100);
    expect("ACK 1 2.04 etag=# ct=281 2:0/1/1024 +1024");
    assert_true(traces_in(rig.replies, ESTOC_REPLIES_MIN) > 0);
    for (unsigned mid = 2; mid <= 6; mid++) { /* the last one from the beginning of the room */
        char text[60];
        snprintf(text, sizeof text, "CON %u GET /a", mid);
        ask(text);
        owner_refuses(ESTOC_COAP_NOT_FOUND, "fifty bytes or so to fill what is left of the room");
        output();
    }
    assert_int_equal(traces_in(rig.replies, ESTOC_REPLIES_MIN), 0);
    assert_int_equal(answers_out(), 1);
}

/* Nor does one whose message ID is forgotten for others. */
static void forgotten(void **state)
{
    (void)state;
    char text[60];
    ask("CON 1 POST /skg ct=286 2:0/0/64 +30");
    secret_says(100);
    output();
    for (unsigned mid = 2; mid <= ESTOC_RESPONDER_SEEN + 1; mid++) {
        assert_true(traces_in(rig.replies, REPLIES_LEN) > 0);
        snprintf(text, sizeof text, "CON %u POST /a +1", mid);
        rig.now++;
        ask(text);
        owner_says(CHANGED, 0);
        output();
    }
    assert_int_equal(traces_in(rig.replies, REPLIES_LEN), 0);
    ask_expect("CON 99 POST /skg 2:1/0/64", "ACK 99 2.04 etag=# ct=281 2:1/0/64 +36");
}

/* What is no secret is kept as ever. */
static void others_stay(void **state)
{
    (void)state;
    ask("CON 1 POST /sen ct=286 +30");
    owner_says(CHANGED, 100);
    output();
    ask("CON 2 POST /skg ct=286 +30");
    secret_says(100);
    output();
    ask("CON 3 GET /a");
    owner_says(CONTENT, 0);
    output();
    assert_int_equal(answers_out(), 0);
    ask("CON 1 POST /sen ct=286 +30");
    expect("ACK 1 2.04 ct=281 +100");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_RIG("E5 HC 327 X2 in one message: kept for duplicates, gone with the next request",
               in_one_message),
        IN_RIG("E5 HC 327 in blocks: gone once the last is out and something else is asked",
               in_blocks),
        IN_RIG("X2 the same request anew: the first answer is gone", the_same_request_anew),
        IN_RIG("X4 E5 a copy of the last block of the request gets it", final_block_again),
        IN_RIG("E5 a separate response is kept until it is acknowledged", in_a_separate_response),
        IN_RIG("E5 a separate response that is never acknowledged", never_acknowledged),
        IN_RIG("E5 HC 327 an answer to a NON is not kept for duplicates", for_a_non),
        IN_RIG("E5 HC 327 gone in time if nothing more comes", nothing_more_comes),
        IN_RIG("E5 never kept longer than other answers", shorter_if_all_answers_are),
        IN_RIG("E5 HC 327 gone with the association", closed),
        IN_RIG("E5 HC 327 a kept reply that is overwritten in part leaves nothing", overwritten),
        IN_RIG("E5 HC 327 a kept reply whose message ID is forgotten leaves nothing", forgotten),
        IN_RIG("E5 other answers stay for their duplicates", others_stay),
    };
    return cmocka_run_group_tests_name("coap/responder secrets", tests, NULL, NULL);
}
