/* SPDX-License-Identifier: MIT */
#include "coap/requester_rig.h"

/* ---- the examples of RFC 7959 section 3. Size1 is ours (section 4) ---- */

static void figure_2(void **state)
{
    (void)state;
    rig_make(300);
    rig_start();
    expect("CON 1234 GET /status");
    said("ACK 2.05 2:0/1/128 +128");
    expect("CON 1235 GET /status 2:1/0/128");
    said("ACK 2.05 2:1/1/128 +128");
    expect("CON 1236 GET /status 2:2/0/128");
    said("ACK 2.05 2:2/0/128 +44");
    assert_done(ESTOC_COAP_CONTENT, 300);
    expect_nothing();
}

static void figure_3(void **state)
{
    (void)state;
    rig_make(400);
    rig.cfg.szx = 2;
    rig_start();
    expect("CON 1234 GET /status 2:0/0/64");
    said("ACK 2.05 2:0/1/64 +64");
    expect("CON 1235 GET /status 2:1/0/64");
    said("ACK 2.05 2:1/1/64 +64");
    expect("CON 1236 GET /status 2:2/0/64");
    said("ACK 2.05 2:2/1/64 +64");
    expect("CON 1237 GET /status 2:3/0/64");
    said("ACK 2.05 2:3/1/64 +64");
    expect("CON 1238 GET /status 2:4/0/64");
    said("ACK 2.05 2:4/1/64 +64");
    expect("CON 1239 GET /status 2:5/0/64");
    said("ACK 2.05 2:5/0/64 +1");
    assert_done(ESTOC_COAP_CONTENT, 321);
}

/* With the size asked for from the start, where the figures let the client be surprised. */
static void figures_5_and_6(void **state)
{
    (void)state;
    rig_make(400);
    rig.cfg.szx = 3;
    rig_start();
    expect("CON 1234 GET /status 2:0/0/128");
    said("ACK 2.05 2:0/1/128 +128");
    expect("CON 1235 GET /status 2:1/0/128"); /* lost, or its answer is */
    rig.now += 2000;
    expect("CON 1235 GET /status 2:1/0/128");
    said("ACK 2.05 2:1/1/128 +128");
    said_again(); /* the first answer was only slow */
    expect("CON 1236 GET /status 2:2/0/128");
    said_again();
    expect_nothing();
    said("ACK 2.05 2:2/0/128 +2");
    assert_done(ESTOC_COAP_CONTENT, 258);
}

static void figure_7(void **state)
{
    (void)state;
    rig_put(300, 3);
    expect("CON 1234 PUT /options 1:0/1/128 size1=300 +128");
    said("ACK 2.31 1:0/1/128");
    expect("CON 1235 PUT /options 1:1/1/128 +128");
    said("ACK 2.31 1:1/1/128");
    expect("CON 1236 PUT /options 2:0/0/128 1:2/0/128 +44");
    said("ACK 2.04 1:2/0/128");
    assert_done(ESTOC_COAP_CHANGED, 0);
}

static void figure_8(void **state)
{
    (void)state;
    rig_put(300, 3);
    expect("CON 1234 PUT /options 1:0/1/128 size1=300 +128");
    said("ACK 2.04 1:0/0/128");
    assert_waiting();
    expect("CON 1235 PUT /options 1:1/1/128 +128");
    said("ACK 2.04 1:1/0/128");
    expect("CON 1236 PUT /options 2:0/0/128 1:2/0/128 +44");
    said("ACK 2.04 1:2/0/128");
    assert_done(ESTOC_COAP_CHANGED, 0);
}

/* Row 149 */
static void figure_9(void **state)
{
    (void)state;
    rig_put(200, 3);
    expect("CON 1234 PUT /options 1:0/1/128 size1=200 +128");
    said("ACK 2.31 1:0/1/32");
    expect("CON 1235 PUT /options 1:4/1/32 +32");
    said("ACK 2.31 1:4/1/32");
    expect("CON 1236 PUT /options 1:5/1/32 +32");
    said("ACK 2.31 1:5/1/32");
    expect("CON 1237 PUT /options 2:0/0/128 1:6/0/32 +8");
    said("ACK 2.04 1:6/0/32");
    assert_done(ESTOC_COAP_CHANGED, 0);
}

/* Block1, then Block2; in the second half no payload and no Block1. */
static void figure_11(void **state)
{
    (void)state;
    rig_make(300);
    rig_post(300);
    rig.cfg.szx = 3;
    rig_start();
    expect("CON 1234 POST /soap 1:0/1/128 size1=300 +128");
    said("ACK 2.31 1:0/1/128");
    expect("CON 1235 POST /soap 1:1/1/128 +128");
    said("ACK 2.31 1:1/1/128");
    expect("CON 1236 POST /soap 2:0/0/128 1:2/0/128 +44");
    said("ACK 2.04 2:0/1/64 1:2/0/128 +64");
    expect("CON 1237 POST /soap 2:1/0/64");
    said("ACK 2.04 2:1/1/64 +64");
    expect("CON 1238 POST /soap 2:2/0/64");
    said("ACK 2.04 2:2/1/64 +64");
    expect("CON 1239 POST /soap 2:3/0/64");
    said("ACK 2.04 2:3/0/64 +64");
    assert_done(ESTOC_COAP_CHANGED, 256);
}

/* The body is through: what a later answer says of its blocks has no meaning. */
static void block1_in_a_later_answer(void **state)
{
    (void)state;
    rig_make(100);
    rig_post(100);
    rig.cfg.szx = 2;
    rig_start();
    expect("CON 1234 POST /soap 1:0/1/64 size1=100 +64");
    said("ACK 2.31 1:0/1/64");
    expect("CON 1235 POST /soap 2:0/0/64 1:1/0/64 +36");
    said("ACK 2.04 2:0/1/64 1:1/0/64 +64");
    expect("CON 1236 POST /soap 2:1/0/64");
    said("ACK 2.04 2:1/0/64 1:9/0/64 +3");
    assert_done(ESTOC_COAP_CHANGED, 67);
}

/* Whatever came before, in whatever state it was left. */
static void the_next_call_begins_afresh(void **state)
{
    (void)state;
    size_t len;
    rig_make(100);
    rig_post(100);
    rig.cfg.szx = 2;
    rig_start();
    expect("CON 1234 POST /soap 1:0/1/64 size1=100 +64");
    said("ACK 2.31 1:0/1/64");
    expect("CON 1235 POST /soap 2:0/0/64 1:1/0/64 +36");
    said("ACK 2.04 etag=e ct=281 2:0/1/64 1:1/0/64 +64");
    estoc_call small = rig.call;
    small.body = estoc_slice_of(rig.body, 10);
    assert_int_equal(estoc_requester_start(&rig.q, rig.now, &small), 0);
    expect("CON 1237 POST /soap 2:0/0/64 +10");
    rig.now += 62000;
    assert_int_equal(output(&len), ESTOC_E_TIMEOUT);
    assert_int_equal(estoc_requester_start(&rig.q, rig.now, &small), 0);
    assert_waiting();
    expect("CON 1238 POST /soap 2:0/0/64 +10");
    for (int i = 0; i < 4; i++) { /* as many copies as ever */
        rig.now += 2000u << i;
        expect("CON 1238 POST /soap 2:0/0/64 +10");
    }
    said("ACK 2.04 +100");
    const estoc_reply *reply = assert_done(ESTOC_COAP_CHANGED, 100);
    assert_int_equal(reply->etag_len, 0);
    assert_int_equal(reply->content_format, ESTOC_FORMAT_NONE);
    assert_int_equal(estoc_requester_start(&rig.q, rig.now, &rig.call), 0);
    expect("CON 1239 POST /soap 1:0/1/64 size1=100 +64");
    said("ACK 2.31 1:0/1/64");
    expect("CON 1240 POST /soap 2:0/0/64 1:1/0/64 +36");
    said("ACK 2.04 1:1/0/64 +100"); /* all the room is there again */
    assert_done(ESTOC_COAP_CHANGED, 100);
}

/* ---- the examples of RFC 9148 ---- */

static void rfc9148_b1(void **state)
{
    (void)state;
    rig_make(639);
    rig.call.path[0] = estoc_slice_str("est");
    rig.call.path[1] = estoc_slice_str("crts");
    rig.call.path_n = 2;
    rig.call.accept = ESTOC_FORMAT_CERTS;
    rig.cfg.szx = 2;
    rig_start();
    for (unsigned num = 0; num < 10; num++) {
        char text[80];
        snprintf(text, sizeof text, "CON %u GET /est /crts accept=281 2:%u/0/64", 1234 + num, num);
        expect(text);
        snprintf(text, sizeof text, "ACK 2.05 ct=281 2:%u/%d/64 +%d", num, num < 9,
                 num < 9 ? 64 : 63);
        said(text);
    }
    assert_int_equal(assert_done(ESTOC_COAP_CONTENT, 639)->content_format, 281);
}

/* The second request and the header of its answer, byte for byte. */
static void rfc9148_b1_bytes(void **state)
{
    (void)state;
    /* clang-format off */
    static const uint8_t request[] = {
        0x44, 0x01, 0x04, 0xd3, 0xa0, 0xa1, 0xa2, 0xa4, /* CON 0.01 GET, token of 4 */
        0xb3, 'e', 's', 't',
        0x04, 'c', 'r', 't', 's',
        0x62, 0x01, 0x19,       /* option 17 Accept: 281 */
        0x61, 0x12,             /* option 23 Block2: number 1, 64 bytes */
    };
    static const uint8_t answer_head[] = {
        0x64, 0x45, 0x04, 0xd3, 0xa0, 0xa1, 0xa2, 0xa4, /* ACK 2.05 Content */
        0xc2, 0x01, 0x19,       /* option 12 Content-Format: 281 */
        0xb1, 0x1a,             /* option 23 Block2: number 1, more, 64 bytes */
        0xff,
    };
    /* clang-format on */
    uint8_t dg[sizeof answer_head + 64];
    memcpy(dg, answer_head, sizeof answer_head);
    rig_make(639);
    rig.call.path[0] = estoc_slice_str("est");
    rig.call.path[1] = estoc_slice_str("crts");
    rig.call.path_n = 2;
    rig.call.accept = ESTOC_FORMAT_CERTS;
    rig.cfg.szx = 2;
    memcpy(dg + sizeof answer_head, rig.answer + 64, 64);
    rig_start();
    expect("CON 1234 GET /est /crts accept=281 2:0/0/64");
    said("ACK 2.05 ct=281 2:0/1/64 +64");
    expect_bytes(SLICE(request));
    assert_int_equal(input(SLICE(dg)), 0);
    expect("CON 1236 GET /est /crts accept=281 2:2/0/64");
}

static void sen(size_t csr_len, size_t room)
{
    rig_make(room);
    rig_post(csr_len);
    rig.call.path[0] = estoc_slice_str("est");
    rig.call.path[1] = estoc_slice_str("sen");
    rig.call.path_n = 2;
    rig.call.content_format = ESTOC_FORMAT_PKCS10;
    rig.cfg.szx = 4;
    rig_start();
}

static void rfc9148_b2(void **state)
{
    (void)state;
    sen(600, 600);
    expect("CON 1234 POST /est /sen ct=286 1:0/1/256 size1=600 +256");
    said("ACK 2.31 1:0/1/256");
    expect("CON 1235 POST /est /sen ct=286 1:1/1/256 +256");
    said("ACK 2.31 1:1/1/256");
    expect("CON 1236 POST /est /sen ct=286 2:0/0/256 1:2/0/256 +88");
    said("ACK 2.04 ct=281 2:0/1/256 1:2/0/256 +256");
    expect("CON 1237 POST /est /sen ct=286 2:1/0/256");
    said("ACK 2.04 ct=281 2:1/1/256 +256");
    expect("CON 1238 POST /est /sen ct=286 2:2/0/256");
    said("ACK 2.04 ct=281 2:2/0/256 +88");
    assert_int_equal(assert_done(ESTOC_COAP_CHANGED, 600)->content_format, 281);
}

/* RFC 9148 Figures 3 and 4, row 319 */
static void answers_after_a_while(void **state)
{
    (void)state;
    sen(300, 300);
    expect("CON 1234 POST /est /sen ct=286 1:0/1/256 size1=300 +256");
    said("ACK 2.31 1:0/1/256");
    expect("CON 1235 POST /est /sen ct=286 2:0/0/256 1:1/0/256 +44");
    said("ACK 0.00");
    rig.now += 30000;
    expect_nothing();
    said("CON 2.04 ct=281 2:0/1/256 1:1/0/256 +256");
    expect("ACK 7000 EMPTY"); /* before the next request */
    expect("CON 1236 POST /est /sen ct=286 2:1/0/256");
    said_again(); /* the acknowledgement was lost */
    expect("ACK 7000 EMPTY");
    assert_waiting();
    said("ACK 0.00");
    said("CON 2.04 ct=281 2:1/0/256 +44");
    expect("ACK 7001 EMPTY");
    assert_done(ESTOC_COAP_CHANGED, 300);

    sen(300, 300);
    expect("CON 1234 POST /est /sen ct=286 1:0/1/256 size1=300 +256");
    said("ACK 2.31 1:0/1/256");
    expect("CON 1235 POST /est /sen ct=286 2:0/0/256 1:1/0/256 +44");
    said("ACK 5.03 age=120 1:1/0/256");
    assert_int_equal(assert_done(ESTOC_COAP_UNAVAILABLE, 0)->max_age_s, 120);
}

/* ---- sizes ---- */

static void whole_or_in_blocks(void **state)
{
    (void)state;
    static const struct {
        size_t message_max, body;
        uint8_t szx;
        const char *first;
    } rows[] = {
        /* 4 header, 4 token, 5 path, 1 marker: 14 bytes before the payload */
        {0, 1266, 6, "CON 1234 POST /soap +1266"}, /* ESTOC_MESSAGE_MAX */
        {0, 1267, 6, "CON 1234 POST /soap 1:0/1/1024 size1=1267 +1024"},
        {0, 1024, 6, "CON 1234 POST /soap +1024"},
        {0, 512, 5, "CON 1234 POST /soap 2:0/0/512 +512"},
        {0, 513, 5, "CON 1234 POST /soap 1:0/1/512 size1=513 +512"},
        {0, 16, 0, "CON 1234 POST /soap 2:0/0/16 +16"},
        {0, 17, 0, "CON 1234 POST /soap 1:0/1/16 size1=17 +16"},
        {200, 183, 6, "CON 1234 POST /soap 2:0/0/128 +183"},
        {200, 184, 6, "CON 1234 POST /soap 2:0/0/128 +184"},
        {200, 185, 6, "CON 1234 POST /soap 1:0/1/128 size1=185 +128"},
        {200, 500, 3, "CON 1234 POST /soap 1:0/1/128 size1=500 +128"},
        {64, 500, 6, "CON 1234 POST /soap 1:0/1/32 size1=500 +32"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        rig_make(64);
        rig_post(rows[i].body);
        rig.cfg.message_max = rows[i].message_max;
        rig.cfg.szx = rows[i].szx;
        rig_start();
        expect(rows[i].first);
    }
}

/* B1: a peer behind small datagrams asks for small blocks from the first on. */
static void sizes_asked_for(void **state)
{
    (void)state;
    static const struct {
        size_t message_max;
        uint8_t szx;
        const char *first;
    } rows[] = {
        {0, 6, "CON 1234 GET /status"},
        {1056, 6, "CON 1234 GET /status"},
        {1055, 6, "CON 1234 GET /status 2:0/0/512"},
        {544, 6, "CON 1234 GET /status 2:0/0/512"},
        {543, 6, "CON 1234 GET /status 2:0/0/256"},
        {64, 6, "CON 1234 GET /status 2:0/0/32"},
        {64, 0, "CON 1234 GET /status 2:0/0/16"},
        {0, 5, "CON 1234 GET /status 2:0/0/512"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        rig_make(64);
        rig.cfg.message_max = rows[i].message_max;
        rig.cfg.szx = rows[i].szx;
        rig_start();
        expect(rows[i].first);
    }
}

static void options_that_do_not_fit(void **state)
{
    (void)state;
    static uint8_t segment[200];
    memset(segment, 'x', sizeof segment);
    estoc_err last = ESTOC_E_SPACE;
    for (size_t len = 0; len < 100; len++) {
        for (int post = 0; post < 2; post++) {
            rig_make(64);
            if (post) {
                rig_post(500);
            }
            rig.cfg.message_max = 64;
            rig.call.path[0] = estoc_slice_of(segment, len);
            assert_int_equal(estoc_requester_init(&rig.q, &rig.cfg), 0);
            last = estoc_requester_start(&rig.q, rig.now, &rig.call);
            /* 8 header and token, 1 path, and a Block2 of 4 or else Block1 of 3, Size1 of 4, the
             * marker and 16; the path's length takes another byte from 13 on */
            size_t most = post ? 64 - 8 - 1 - 3 - 4 - 1 - 16 - 1 : 64 - 8 - 1 - 4 - 1;
            if (len <= most - 1) {
                assert_int_equal(last, 0);
            } else if (len > most + 1) {
                assert_int_equal(last, ESTOC_E_SPACE);
                assert_int_equal(estoc_requester_state(&rig.q), 0);
            }
        }
    }
    assert_int_equal(last, ESTOC_E_SPACE);
}

/* A server that does what it should: takes blocks of at most `szx1`, gives such of at most `szx2`. */
static void serve_one(uint8_t szx1, uint8_t szx2, uint8_t *got, size_t *got_len, size_t answer_len)
{
    size_t len = 0;
    assert_int_equal(output(&len), 0);
    assert_true(len > 0 && len <= rig.q.cfg.message_max);
    assert_int_equal(estoc_coap_parse(&rig.req, estoc_slice_of(rig.sent, len)), 0);
    estoc_slice v;
    estoc_block b1 = {0, false, szx1}, b2 = {0, false, szx2};
    bool has1 = estoc_coap_opt_find(rig.req.options, ESTOC_OPT_BLOCK1, &v);
    assert_int_equal(has1 ? estoc_block_parse(v, &b1) : 0, 0);
    bool has2 = estoc_coap_opt_find(rig.req.options, ESTOC_OPT_BLOCK2, &v);
    assert_int_equal(has2 ? estoc_block_parse(v, &b2) : 0, 0);
    if (b2.num == 0) {
        assert_int_equal(estoc_block_offset(b1), *got_len);
        if (rig.req.payload.len > 0) {
            memcpy(got + *got_len, rig.req.payload.ptr, rig.req.payload.len);
        }
        *got_len += rig.req.payload.len;
    } else {
        assert_int_equal(rig.req.payload.len, 0);
    }
    char text[100];
    unsigned size1 = 16u << (b1.szx < szx1 ? b1.szx : szx1);
    if (b1.more) {
        snprintf(text, sizeof text, "ACK 2.31 1:%u/1/%u", (unsigned)b1.num, size1);
    } else {
        b2.szx = b2.num == 0 && b2.szx > szx2 ? szx2 : b2.szx;
        size_t from = estoc_block_offset(b2), size = 16u << b2.szx;
        size_t part = answer_len - from < size ? answer_len - from : size;
        snprintf(text, sizeof text, "ACK 2.04 etag=e ct=281 2:%u/%d/%zu", (unsigned)b2.num,
                 from + part < answer_len, size);
        if (has1) {
            add(text, sizeof text, " 1:%u/0/%u", (unsigned)b1.num, size1);
        }
        add(text, sizeof text, " +%zu", part);
    }
    said(text);
}

/* Any sizes lead to the whole bodies, in messages that fit. */
static void every_size(void **state)
{
    (void)state;
    static uint8_t got[BODY_MAX];
    for (uint32_t i = 0; i < 3000; i++) {
        uint32_t r = i * 2654435761u;
        size_t got_len = 0;
        size_t answer_len = r >> 4 & 1023;
        rig_make(answer_len);
        rig_post((r >> 20) % 1500);
        rig.cfg.szx = (uint8_t)(i % 7);
        rig.cfg.message_max = 64 + (r >> 9) % (ESTOC_MESSAGE_MAX - 63);
        rig_start();
        unsigned messages = 0;
        while ((estoc_requester_state(&rig.q) & ESTOC_REQUESTER_WAITING) != 0) {
            serve_one((uint8_t)(i / 7 % 7), (uint8_t)(i / 49 % 7), got, &got_len, answer_len);
            assert_true(++messages < 300);
        }
        assert_true(estoc_slice_eq(estoc_slice_of(got, got_len), rig.call.body));
        assert_done(ESTOC_COAP_CHANGED, answer_len);
    }
}

/* Numbers of 20 bits: the largest body in the smallest blocks starts and ends well. */
static void largest_body(void **state)
{
    (void)state;
    size_t len = (size_t)1 << 24;
    uint8_t *body = calloc(1, len);
    assert_non_null(body);
    rig_make(64);
    rig_post(0);
    rig.call.body = estoc_slice_of(body, len);
    rig.cfg.szx = 0;
    rig.cfg.message_max = 64;
    rig_start();
    expect("CON 1234 POST /soap 1:0/1/16 size1=16777216 +16");
    rig.q.sent_off = (uint32_t)len - 32; /* not all of it is sent here */
    said("ACK 2.31 1:1048574/1/16");
    expect("CON 1235 POST /soap 2:0/0/16 1:1048575/0/16 +16");
    free(body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST("RFC 7959 Figure 2", figure_2),
        TEST("RFC 7959 Figure 3", figure_3),
        TEST("RFC 7959 Figures 5 and 6", figures_5_and_6),
        TEST("RFC 7959 Figure 7", figure_7),
        TEST("RFC 7959 Figure 8", figure_8),
        TEST("149 RFC 7959 Figure 9", figure_9),
        TEST("RFC 7959 Figure 11", figure_11),
        TEST("Block1 in a later answer", block1_in_a_later_answer),
        TEST("the next call begins afresh", the_next_call_begins_afresh),
        TEST("RFC 9148 B.1", rfc9148_b1),
        TEST("RFC 9148 B.1 in bytes", rfc9148_b1_bytes),
        TEST("RFC 9148 B.2", rfc9148_b2),
        TEST("319 L1 L2 RFC 9148 Figures 3 and 4", answers_after_a_while),
        TEST("B1 whole, or in blocks", whole_or_in_blocks),
        TEST("B1 sizes asked for", sizes_asked_for),
        TEST("options that do not fit", options_that_do_not_fit),
        TEST("B1 every size", every_size),
        TEST("the largest body", largest_body),
    };
    return cmocka_run_group_tests_name("requester blocks", tests, NULL, NULL);
}
