/* SPDX-License-Identifier: MIT */
#include "coap/requester_rig.h"

/* ---- answers that do not fit together. Row 244 ---- */

/* What a second block must not be, after "ACK 2.05 etag=e ct=281 2:0/1/64 +64". */
static void faulty_second_block(void **state)
{
    (void)state;
    /* clang-format off */
    static const struct {
        const char *says;
        estoc_err err;
    } rows[] = {
        {"2.05 etag=f ct=281 2:1/0/64 +9",     ESTOC_E_BLOCK}, /* another ETag */
        {"2.05 etag=ee ct=281 2:1/0/64 +9",    ESTOC_E_BLOCK},
        {"2.05 ct=281 2:1/0/64 +9",            ESTOC_E_BLOCK}, /* none */
        {"2.05 etag=e ct=287 2:1/0/64 +9",     ESTOC_E_BLOCK}, /* another format */
        {"2.05 etag=e 2:1/0/64 +9",            ESTOC_E_BLOCK},
        {"2.04 etag=e ct=281 2:1/0/64 +9",     ESTOC_E_BLOCK}, /* another code */
        {"2.03 etag=e",                        ESTOC_E_BLOCK},
        {"2.05 etag=e ct=281 2:0/1/64 +64",    ESTOC_E_BLOCK}, /* another number */
        {"2.05 etag=e ct=281 2:2/1/64 +64",    ESTOC_E_BLOCK},
        {"2.05 etag=e ct=281 2:0/0/64 +64",    ESTOC_E_BLOCK},
        {"2.05 etag=e ct=281 2:1/0/32 +32",    ESTOC_E_BLOCK}, /* a smaller size, its number not adjusted */
        {"2.05 etag=e ct=281 2:1/0/128 +9",    ESTOC_E_BLOCK}, /* a larger size */
        {"2.05 etag=e ct=281 2:0/0/1024 +9",   ESTOC_E_BLOCK},
        {"2.05 etag=e ct=281 2:1/1/64 +63",    ESTOC_E_BLOCK}, /* more to come, but not a whole block */
        {"2.05 etag=e ct=281 2:1/1/64 +65",    ESTOC_E_BLOCK},
        {"2.05 etag=e ct=281 2:1/1/64",        ESTOC_E_BLOCK},
        {"2.05 etag=e ct=281 +9",              ESTOC_E_BLOCK}, /* no Block2 */
        {"2.05 etag=e ct=281 opt=23\x1f +9",   ESTOC_E_BLOCK}, /* size exponent 7 */
        {"2.05 etag=e ct=281 2:1/0/64 +37",    ESTOC_E_LIMIT}, /* 101 bytes, room for 100 */
        {"2.05 etag=e ct=281 2:1/1/64 +64",    ESTOC_E_LIMIT},
        {"2.31 1:0/1/64",                      ESTOC_E_PROTOCOL},
        {"2.05 etag=e ct=281 opt=19 2:1/0/64", ESTOC_E_OPTION},
    };
    /* clang-format on */
    for (size_t i = 0; i < COUNT(rows); i++) {
        char text[80];
        rig_make(100);
        rig_start();
        expect("CON 1234 GET /status");
        said("ACK 2.05 etag=e ct=281 2:0/1/64 +64");
        expect("CON 1235 GET /status 2:1/0/64");
        assert_int_equal(rig.room[1], rig.answer[1]);
        snprintf(text, sizeof text, "ACK %s", rows[i].says);
        if (says(text) != rows[i].err) {
            fail_msg("%s", rows[i].says);
        }
        assert_failed(rows[i].err);
        expect_nothing();
    }
}

/* And what it may be. */
static void good_second_block(void **state)
{
    (void)state;
    /* clang-format off */
    static const struct {
        const char *says;
        size_t len;
    } rows[] = {
        {"ACK 2.05 etag=e ct=281 2:1/0/64 +36",        100},
        {"ACK 2.05 etag=e ct=281 2:1/0/64 +1",         65},
        {"ACK 2.05 etag=e ct=281 2:1/0/64",            64},
        {"ACK 2.05 etag=e ct=281 2:2/0/32 +32",        96}, /* smaller, its number adjusted */
        {"ACK 2.05 etag=e ct=281 2:4/0/16 +3",         67},
        {"ACK 2.05 etag=e ct=281 2:1/0/64 1:9/0/64 +3", 67}, /* Block1 has no meaning here */
        {"NON 2.05 etag=e ct=281 2:1/0/64 +3",         67},
    };
    /* clang-format on */
    for (size_t i = 0; i < COUNT(rows); i++) {
        rig_make(100);
        rig_start();
        expect("CON 1234 GET /status");
        said("ACK 2.05 etag=e ct=281 2:0/1/64 +64");
        expect("CON 1235 GET /status 2:1/0/64");
        said(rows[i].says);
        assert_done(ESTOC_COAP_CONTENT, rows[i].len);
    }
}

static void faulty_first_block(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "ACK 2.05 2:1/0/64 +9",   "ACK 2.05 2:1/1/64 +64",  "ACK 2.05 2:0/1/64 +63",
        "ACK 2.05 2:0/1/128 +64", "ACK 2.05 2:0/0/128 +64", /* larger than asked for */
        "ACK 2.05 2:0/1/64",      "ACK 2.05 opt=23\x07 +9",
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        rig_make(200);
        rig.cfg.szx = 2;
        rig_start();
        expect("CON 1234 GET /status 2:0/0/64");
        assert_int_equal(says(rows[i]), ESTOC_E_BLOCK);
        assert_failed(ESTOC_E_BLOCK);
    }
}

/* An ETag that comes only with the second block vouches for nothing. */
static void etag_only_later(void **state)
{
    (void)state;
    rig_make(200);
    rig_start();
    expect("CON 1234 GET /status");
    said("ACK 2.05 2:0/1/64 +64");
    expect("CON 1235 GET /status 2:1/0/64");
    assert_int_equal(says("ACK 2.05 etag=e 2:1/0/64 +1"), ESTOC_E_BLOCK);
}

static void endless(void **state)
{
    (void)state;
    rig_make(ROOM_MAX - 1);
    rig_start();
    estoc_err err = ESTOC_OK;
    unsigned blocks = 0;
    while (!err) {
        char text[40];
        size_t len;
        assert_int_equal(output(&len), 0);
        assert_true(len > 0);
        assert_int_equal(estoc_coap_parse(&rig.req, estoc_slice_of(rig.sent, len)), 0);
        snprintf(text, sizeof text, "ACK 2.05 2:%u/1/16 +16", blocks);
        err = says(text);
        blocks += err == ESTOC_OK;
    }
    assert_int_equal(err, ESTOC_E_LIMIT);
    assert_int_equal(blocks, (ROOM_MAX - 1) / 16);
    assert_failed(ESTOC_E_LIMIT);
}

/* Past number 2^20 - 1 there is none, however large the room. */
static void last_number(void **state)
{
    (void)state;
    size_t room = ((size_t)1 << 24) + 64;
    rig_make(room);
    rig_start();
    expect("CON 1234 GET /status");
    said("ACK 2.05 2:0/1/16 +16");
    expect("CON 1235 GET /status 2:1/0/16");
    rig.q.answer_len = ((uint32_t)1 << 24) - 32; /* 1,048,574 blocks later */
    uint8_t zeros[16] = {0};
    for (uint32_t num = 0xffffe; num <= 0xfffff; num++) {
        uint8_t dg[64];
        size_t len;
        estoc_coap_writer cw =
            estoc_coap_write_begin((estoc_buf){dg, sizeof dg}, ESTOC_COAP_ACK, ESTOC_COAP_CONTENT,
                                   rig.req.mid, estoc_slice_of(rig.req.token, 4));
        estoc_coap_write_uint(&cw, ESTOC_OPT_BLOCK2,
                              estoc_block_value((estoc_block){num, true, 0}));
        estoc_coap_write_payload(&cw, SLICE(zeros));
        assert_int_equal(estoc_coap_write_end(&cw, &len), 0);
        estoc_err err = input(estoc_slice_of(dg, len));
        if (num == 0xffffe) {
            assert_int_equal(err, 0);
            expect("CON 1236 GET /status 2:1048575/0/16");
        } else {
            assert_int_equal(err, ESTOC_E_LIMIT);
        }
    }
}

/* Max-Age counts from the last block on. RFC 7959 section 2.10 */
static void max_age_of_blocks(void **state)
{
    (void)state;
    rig_make(200);
    rig_start();
    expect("CON 1234 GET /status");
    said("ACK 2.05 age=100 2:0/1/64 +64");
    expect("CON 1235 GET /status 2:1/0/64");
    said("ACK 2.05 age=90 2:1/0/64 +1");
    assert_int_equal(assert_done(ESTOC_COAP_CONTENT, 65)->max_age_s, 90);
}

/* An error in the midst is the answer; what came before it is gone. */
static void refused_in_the_midst(void **state)
{
    (void)state;
    static const struct {
        const char *says;
        uint8_t code;
    } rows[] = {{"ACK 4.08 +5", ESTOC_COAP_INCOMPLETE},
                {"ACK 4.13 +5", ESTOC_COAP_TOO_LARGE},
                {"ACK 4.04 2:1/1/64 +5", ESTOC_COAP_NOT_FOUND},
                {"ACK 5.03 age=3 +5", ESTOC_COAP_UNAVAILABLE}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        rig_make(200);
        rig_post(40);
        rig_start();
        expect("CON 1234 POST /soap +40");
        said("ACK 2.04 etag=e ct=281 2:0/1/64 +64");
        expect("CON 1235 POST /soap 2:1/0/64");
        size_t from = strstr(rows[i].says, "2:") != NULL ? 64 : 0;
        said(rows[i].says);
        const estoc_reply *reply = estoc_requester_reply(&rig.q);
        assert_int_equal(reply->code, rows[i].code);
        assert_true(estoc_slice_eq(reply->body, estoc_slice_of(rig.answer + from, 5)));
        assert_int_equal(reply->content_format, ESTOC_FORMAT_NONE);
        assert_int_equal(reply->etag_len, 0);
        assert_int_equal(rig.room[1], 0);
        expect_nothing();
    }
}

/* ---- answers to blocks of the body ---- */

static void faulty_continue(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "ACK 2.31",          /* of which block? */
        "ACK 2.31 1:0/1/64", /* not of this one */
        "ACK 2.31 1:2/1/64",
        "ACK 2.31 2:0/0/64 1:1/1/64", /* row 131: no Block2 here */
        "ACK 2.31 opt=27\x1f",
        "ACK 2.04 +9", /* done, with half of the body? */
        "ACK 2.04 2:0/0/64 1:1/0/64 +9",
        "ACK 2.05 1:2/0/64 +9",
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        rig_put(300, 2);
        expect("CON 1234 PUT /options 1:0/1/64 size1=300 +64");
        said("ACK 2.31 1:0/1/64");
        expect("CON 1235 PUT /options 1:1/1/64 +64");
        if (says(rows[i]) != ESTOC_E_BLOCK) {
            fail_msg("%s", rows[i]);
        }
        assert_failed(ESTOC_E_BLOCK);
    }
}

/* Of which block, even if it can only be the first? */
static void continue_without_block1(void **state)
{
    (void)state;
    rig_put(300, 2);
    expect("CON 1234 PUT /options 1:0/1/64 size1=300 +64");
    assert_int_equal(says("ACK 2.31"), ESTOC_E_BLOCK);
}

static void faulty_end(void **state)
{
    (void)state;
    static const struct {
        const char *says;
        estoc_err err;
    } rows[] = {{"ACK 2.31 1:1/1/64", ESTOC_E_PROTOCOL},
                {"ACK 2.31", ESTOC_E_PROTOCOL},
                {"ACK 2.04 1:0/0/64", ESTOC_E_BLOCK},
                {"ACK 2.04 2:1/0/64 1:1/0/64 +3", ESTOC_E_BLOCK}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        rig_put(100, 2);
        expect("CON 1234 PUT /options 1:0/1/64 size1=100 +64");
        said("ACK 2.31 1:0/1/64");
        expect("CON 1235 PUT /options 2:0/0/64 1:1/0/64 +36");
        assert_int_equal(says(rows[i].says), rows[i].err);
    }
}

/* A server that is sloppy, but clear. */
static void sloppy_continue(void **state)
{
    (void)state;
    rig_put(100, 1);
    expect("CON 1234 PUT /options 1:0/1/32 size1=100 +32");
    said("ACK 2.31 1:0/1/1024"); /* larger than ours: ours stays */
    expect("CON 1235 PUT /options 1:1/1/32 +32");
    said("ACK 2.31 1:1/0/32"); /* M is not set */
    expect("CON 1236 PUT /options 1:2/1/32 +32");
    said("ACK 2.31 1:2/1/32");
    expect("CON 1237 PUT /options 2:0/0/32 1:3/0/32 +4");
    said("ACK 2.04"); /* no Block1 */
    assert_done(ESTOC_COAP_CHANGED, 0);
}

static void refused_at_once(void **state)
{
    (void)state;
    static const char *const rows[] = {"ACK 4.15 +5", "ACK 4.08 1:0/0/64 +5", "ACK 5.03 +5",
                                       "ACK 4.13 size1=299 +5", "ACK 4.13 1:0/1/64 +5"};
    static const uint8_t codes[] = {ESTOC_COAP_UNSUPPORTED_FORMAT, ESTOC_COAP_INCOMPLETE,
                                    ESTOC_COAP_UNAVAILABLE, ESTOC_COAP_TOO_LARGE,
                                    ESTOC_COAP_TOO_LARGE};
    for (size_t i = 0; i < COUNT(rows); i++) {
        rig_put(300, 2);
        expect("CON 1234 PUT /options 1:0/1/64 size1=300 +64");
        said(rows[i]);
        assert_done(codes[i], 5);
        expect_nothing();
    }
}

/* RFC 7959 section 2.9.2: the server has lost the body. Once more from its start, once. */
static void incomplete(void **state)
{
    (void)state;
    rig_put(150, 2);
    expect("CON 1234 PUT /options 1:0/1/64 size1=150 +64");
    said("ACK 2.31 1:0/1/64");
    expect("CON 1235 PUT /options 1:1/1/64 +64");
    said("ACK 4.08 +5");
    assert_waiting();
    expect("CON 1236 PUT /options 1:0/1/64 size1=150 +64");
    said("ACK 2.31 1:0/1/64");
    expect("CON 1237 PUT /options 1:1/1/64 +64");
    said("ACK 2.31 1:1/1/64");
    expect("CON 1238 PUT /options 2:0/0/64 1:2/0/64 +22");
    said("CON 4.08 +5");
    expect("ACK 7000 EMPTY");
    assert_done(ESTOC_COAP_INCOMPLETE, 5);
    /* the next call has its own chance */
    assert_int_equal(estoc_requester_start(&rig.q, rig.now, &rig.call), 0);
    expect("CON 1239 PUT /options 1:0/1/64 size1=150 +64");
    said("ACK 2.31 1:0/1/64");
    expect("CON 1240 PUT /options 1:1/1/64 +64");
    said("ACK 4.08 +5");
    expect("CON 1241 PUT /options 1:0/1/64 size1=150 +64");
}

/* RFC 7959 section 2.9.3: smaller blocks, please. */
static void too_large_in_blocks(void **state)
{
    (void)state;
    rig_put(150, 2);
    expect("CON 1234 PUT /options 1:0/1/64 size1=150 +64");
    said("ACK 4.13 1:0/1/32");
    expect("CON 1235 PUT /options 1:0/1/32 size1=150 +32");
    said("ACK 2.31 1:0/1/32");
    expect("CON 1236 PUT /options 1:1/1/32 +32");
    said("ACK 4.13 1:1/1/16 size1=150"); /* also in the midst */
    expect("CON 1237 PUT /options 1:0/1/16 size1=150 +16");
    said("ACK 4.13 1:0/1/16 +5"); /* not smaller: no */
    assert_done(ESTOC_COAP_TOO_LARGE, 5);
}

static void too_large_as_a_whole(void **state)
{
    (void)state;
    /* clang-format off */
    static const struct {
        size_t body;
        const char *says, *next; /* NULL: that is the answer */
    } rows[] = {
        {500, "ACK 4.13 +5",                    "CON 1235 POST /soap 1:0/1/256 size1=500 +256"},
        {500, "ACK 4.13 1:0/0/64 +5",           "CON 1235 POST /soap 1:0/1/64 size1=500 +64"},
        {500, "ACK 4.13 1:0/0/1024 +5",         "CON 1235 POST /soap 1:0/1/256 size1=500 +256"},
        {500, "ACK 4.13 1:0/0/64 size1=500 +5", "CON 1235 POST /soap 1:0/1/64 size1=500 +64"},
        {500, "ACK 4.13 size1=499 +5",          NULL},
        {24,  "ACK 4.13 +5",                    "CON 1235 POST /soap 1:0/1/16 size1=24 +16"},
        {23,  "ACK 4.13 +5",                    NULL}, /* blocks would not make it smaller */
        {0,   "ACK 4.13 1:0/0/16 +5",           NULL},
    };
    /* clang-format on */
    for (size_t i = 0; i < COUNT(rows); i++) {
        char text[60];
        rig_make(64);
        rig_post(rows[i].body);
        rig_start();
        snprintf(text, sizeof text, "CON 1234 POST /soap +%zu", rows[i].body);
        expect(rows[i].body > 0 ? text : "CON 1234 POST /soap");
        said(rows[i].says);
        if (rows[i].next != NULL) {
            expect(rows[i].next);
        } else {
            assert_done(ESTOC_COAP_TOO_LARGE, 5);
        }
    }
}

/* It fails at the second message; the answer so far is wiped. */
static void random_fails_in_the_midst(void **state)
{
    (void)state;
    rig_make(200);
    rig.random_left = 2;
    rig_start();
    expect("CON 1234 GET /status");
    assert_int_equal(says("CON 2.05 2:0/1/64 +64"), ESTOC_E_RANDOM);
    assert_failed(ESTOC_E_RANDOM);
    expect("ACK 7000 EMPTY");
}

static void time_out_in_the_midst(void **state)
{
    (void)state;
    size_t len;
    rig_make(200);
    rig_start();
    expect("CON 1234 GET /status");
    said("ACK 2.05 2:0/1/64 +64");
    expect("CON 1235 GET /status 2:1/0/64");
    rig.now += 62000;
    assert_int_equal(output(&len), ESTOC_E_TIMEOUT);
    assert_failed(ESTOC_E_TIMEOUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST("244 a faulty second block", faulty_second_block),
        TEST("122 a good second block", good_second_block),
        TEST("244 a faulty first block", faulty_first_block),
        TEST("244 an ETag only later", etag_only_later),
        TEST("244 endless blocks", endless),
        TEST("244 the last block number", last_number),
        TEST("Max-Age of blocks", max_age_of_blocks),
        TEST("refused in the midst of an answer", refused_in_the_midst),
        TEST("131 a faulty answer to a block", faulty_continue),
        TEST("131 2.31 without Block1", continue_without_block1),
        TEST("a faulty answer to the last block", faulty_end),
        TEST("sloppy answers to blocks", sloppy_continue),
        TEST("refused at the first block", refused_at_once),
        TEST("4.08 begins again, once", incomplete),
        TEST("4.13 in smaller blocks", too_large_in_blocks),
        TEST("4.13 in blocks instead of whole", too_large_as_a_whole),
        TEST("random bytes fail in the midst", random_fails_in_the_midst),
        TEST("a time-out in the midst", time_out_in_the_midst),
    };
    return cmocka_run_group_tests_name("requester faults", tests, NULL, NULL);
}
