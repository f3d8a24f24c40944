/* SPDX-License-Identifier: MIT
 *
 * Block-wise requests, right and wrong.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "device.h"

static void upload_all_sizes(void **state)
{
    (void)state;
    for (int szx = 0; szx <= 6; szx++) {
        EVP_PKEY *key = key_new("P-256");
        body csr, answer;
        csr_new(key, "CN=dev", NULL, &csr);
        assert_int_equal(enroll(dev, EST "/sen", &csr, -1, szx, &answer), CODE(2, 4));
        X509_free(cert_for(&answer, 281, key));
        EVP_PKEY_free(key);
    }
}

static void smaller_upload(void **state)
{
    (void)state;
    EVP_PKEY *key = key_new("P-256");
    body csr, answer;
    reply r;
    csr_new(key, "CN=dev", NULL, &csr);
    assert_true(csr.len > 160);
    assert_int_equal(
        put_block(&(piece){.at = csr.bytes, .len = 128, .num = 0, .szx = 3, .more = true}, &r),
        CODE(2, 31));
    for (size_t at = 128; at < csr.len; at += 16) {
        bool more = csr.len - at > 16;
        put_block(&(piece){.at = csr.bytes + at,
                           .len = more ? 16 : csr.len - at,
                           .num = (unsigned)(at / 16),
                           .szx = 0,
                           .more = more},
                  &r);
        assert_int_equal(r.m.code, more ? CODE(2, 31) : CODE(2, 4));
    }
    /* the answer may come in blocks of the size the client uses now: fetch it whole */
    assert_int_equal(enroll(dev, EST "/sen", &csr, -1, 6, &answer), CODE(2, 4));
    X509_free(cert_for(&answer, 281, key));
    EVP_PKEY_free(key);
}

static void missing_block(void **state)
{
    (void)state;
    body csr;
    reply r;
    unsigned before = issued(server);
    fresh_csr(&csr);
    unsigned last = (unsigned)((csr.len - 1) / 64);
    assert_true(last >= 2);
    assert_int_equal(put64(&csr, 0, &r), CODE(2, 31));
    assert_int_equal(put64(&csr, last, &r), CODE(4, 8));
    assert_int_equal(issued(server), before);
}

static void no_first_block(void **state)
{
    (void)state;
    body csr;
    reply r;
    fresh_csr(&csr);
    assert_int_equal(put64(&csr, 1, &r), CODE(4, 8));
    assert_int_equal(put64(&csr, (unsigned)((csr.len - 1) / 64), &r), CODE(4, 8));
}

static void block_again(void **state)
{
    (void)state;
    body csr, answer;
    reply r;
    EVP_PKEY *key = key_new("P-256");
    csr_new(key, "CN=dev", NULL, &csr);
    unsigned last = (unsigned)((csr.len - 1) / 64);
    for (unsigned n = 0; n <= last; n++) {
        uint8_t code = put64(&csr, n, &r);
        assert_int_equal(code, n < last ? CODE(2, 31) : CODE(2, 4));
        if (n == 1 && put64(&csr, n, &r) == CODE(4, 8)) { /* a new message ID: again, or refused */
            EVP_PKEY_free(key);
            return;
        }
    }
    /* X4: the final block once more gets the same certificate */
    unsigned now = issued(server);
    reply again;
    assert_int_equal(put64(&csr, last, &again), CODE(2, 4));
    assert_int_equal(again.m.payload_len, r.m.payload_len);
    assert_memory_equal(again.m.payload, r.m.payload, r.m.payload_len);
    assert_int_equal(enroll(dev, EST "/sen", &csr, -1, 6, &answer), CODE(2, 4));
    X509_free(cert_for(&answer, 281, key));
    assert_int_equal(issued(server), now);
    EVP_PKEY_free(key);
}

static void wrong_length(void **state)
{
    (void)state;
    body csr;
    reply r;
    unsigned before = issued(server);
    fresh_csr(&csr);
    static const size_t lens[] = {0, 1, 63, 65, 128};
    for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++) {
        uint8_t code = put_block(
            &(piece){.at = csr.bytes, .len = lens[i], .num = 0, .szx = 2, .more = true}, &r);
        assert_true(code == CODE(4, 0) || code == CODE(4, 8));
    }
    /* the last block may be shorter, never longer */
    uint8_t code =
        put_block(&(piece){.at = csr.bytes, .len = 65, .num = 0, .szx = 2, .more = false}, &r);
    assert_true(code == CODE(4, 0) || code == CODE(4, 8));
    assert_int_equal(issued(server), before);
}

static void from_the_start(void **state)
{
    (void)state;
    body first, second;
    reply r;
    unsigned before = issued(server);
    fresh_csr(&first);
    EVP_PKEY *key = key_new("P-256");
    csr_new(key, "CN=dev", NULL, &second);
    put64(&first, 0, &r);
    put64(&first, 1, &r);
    body answer;
    assert_int_equal(enroll(dev, EST "/sen", &second, -1, 2, &answer), CODE(2, 4));
    X509_free(cert_for(&answer, 281, key));
    assert_int_equal(issued(server), before + 1);
    EVP_PKEY_free(key);
}

/* What makes it another request makes it another body. HC 139. */
static void other_request(void **state)
{
    (void)state;
    body csr;
    reply r;
    unsigned before = issued(server);
    fresh_csr(&csr);
    const piece changed[] = {
        {.path = EST "/sren"}, {.path = "/est/sen"}, {.accept = 287}, {.tag = "b"}};
    for (size_t i = 0; i < sizeof changed / sizeof changed[0]; i++) {
        piece b = changed[i];
        unsigned last = (unsigned)((csr.len - 1) / 64);
        for (unsigned n = 0; n < last; n++) {
            assert_int_equal(put64(&csr, n, &r), CODE(2, 31));
        }
        b.at = csr.bytes + (size_t)last * 64;
        b.len = csr.len - (size_t)last * 64;
        b.num = last;
        b.szx = 2;
        assert_int_equal(put_block(&b, &r), CODE(4, 8));
    }
    assert_int_equal(issued(server), before);
}

static void two_clients(void **state)
{
    (void)state;
    enum { ROUNDS = 20 };
    peer *peers[2] = {dev, connect_as(server, "dev")};
    for (int round = 0; round < ROUNDS; round++) {
        body csrs[2], answer;
        EVP_PKEY *keys[2];
        reply r;
        peers[0]->token = peers[1]->token; /* the same tokens and message IDs */
        peers[0]->mid = peers[1]->mid;
        for (int i = 0; i < 2; i++) {
            keys[i] = key_new("P-256");
            csr_new(keys[i], "CN=dev", NULL, &csrs[i]);
        }
        size_t len = csrs[0].len < csrs[1].len ? csrs[0].len : csrs[1].len;
        for (unsigned n = 0; (n + 1) * 64 < len; n++) {
            for (int i = 0; i < 2; i++) {
                piece b = {.p = peers[i], .at = csrs[i].bytes + n * 64, .len = 64};
                b.num = n;
                b.szx = 2;
                b.more = true;
                assert_int_equal(put_block(&b, &r), CODE(2, 31));
            }
        }
        for (int i = 0; i < 2; i++) {
            unsigned n = (unsigned)((len - 1) / 64);
            for (; n * 64 < csrs[i].len; n++) {
                size_t left = csrs[i].len - n * 64;
                piece b = {.p = peers[i], .at = csrs[i].bytes + n * 64, .num = n, .szx = 2};
                b.more = left > 64;
                b.len = left > 64 ? 64 : left;
                put_block(&b, &r);
            }
            assert_int_equal(r.m.code, CODE(2, 4));
            assert_int_equal(enroll(peers[i], EST "/sen", &csrs[i], 287, 6, &answer), CODE(2, 4));
            X509_free(cert_for(&answer, 287, keys[i]));
            EVP_PKEY_free(keys[i]);
        }
    }
    peer_free(peers[1]);
}

/* Over the limit: 4.13 with the limit in Size1, when announced and when it comes. */
static void too_large(void **state)
{
    (void)state;
    static uint8_t junk[1024];
    reply r;
    unsigned n = 0;
    memset(junk, 0x30, sizeof junk);
    do {
        put_block(&(piece){.at = junk, .len = sizeof junk, .num = n, .szx = 6, .more = true}, &r);
    } while (r.m.code == CODE(2, 31) && ++n < 70);
    assert_int_equal(r.m.code, CODE(4, 13));
    assert_in_range(n, 4, 16);
    assert_in_range(wire_uint_of(&r.m, OPT_SIZE1, 0), 1024, 16384);
    /* it is gone: what follows does not continue it */
    assert_int_equal(
        put_block(&(piece){.at = junk, .len = 1024, .num = n + 1, .szx = 6, .more = true}, &r),
        CODE(4, 8));
    wire_out o;
    ask(dev, &o, POST);
    wire_path(&o, EST "/sen");
    wire_uint(&o, OPT_FORMAT, 286);
    wire_block(&o, OPT_BLOCK1, 0, true, 2);
    wire_uint(&o, OPT_SIZE1, 100000);
    wire_payload(&o, junk, 64);
    answer_to(dev, &o, &r);
    assert_int_equal(r.m.code, CODE(4, 13));
    expect_alive(dev);
}

static void many_begun(void **state)
{
    (void)state;
    body csr;
    reply r;
    char tag[8];
    fresh_csr(&csr);
    for (int i = 0; i < 500; i++) { /* of a known device, and never finished */
        snprintf(tag, sizeof tag, "%d", i);
        put_block(&(piece){.at = csr.bytes, .len = 64, .szx = 2, .more = true, .tag = tag}, &r);
        assert_true(r.m.code == CODE(2, 31) || r.m.code == CODE(4, 29) || r.m.code == CODE(5, 3) ||
                    r.m.code == CODE(4, 8));
    }
    body answer;
    assert_int_equal(enroll(dev, EST "/sen", &csr, -1, 2, &answer), CODE(2, 4));
}

/* The same address and port, another association: nothing is inherited. HC 89, X7. */
static void other_association(void **state)
{
    (void)state;
    body csr;
    reply r;
    unsigned before = issued(server);
    fresh_csr(&csr);
    unsigned last = (unsigned)((csr.len - 1) / 64);
    for (unsigned n = 0; n < last; n++) {
        assert_int_equal(put64(&csr, n, &r), CODE(2, 31));
    }
    peer_cfg cfg = device_cfg(server, "dev2");
    unsigned mid = dev->mid, token = dev->token;
    dev = peer_again(dev, &cfg);
    dev->mid = mid;
    dev->token = token;
    assert_true(peer_handshake(dev, 10000));
    assert_int_equal(put64(&csr, last, &r), CODE(4, 8));
    assert_int_equal(issued(server), before);
}

/* Nor does an old answer reach the new association: Block2 of a POST it never made. */
static void other_association_answer(void **state)
{
    (void)state;
    body csr;
    reply r;
    wire_out o;
    fresh_csr(&csr);
    post_sen(&o, &csr);
    answer_to(dev, &o, &r);
    assert_int_equal(r.m.code, CODE(2, 4));
    datagram same = {.len = o.len};
    memcpy(same.bytes, o.bytes, o.len);
    peer_cfg cfg = device_cfg(server, "dev2");
    dev = peer_again(dev, &cfg);
    assert_true(peer_handshake(dev, 10000));
    peer_send(dev, same.bytes, same.len); /* the same message ID, token and request */
    r.len = peer_recv(dev, r.bytes, sizeof r.bytes, ANSWER_MS);
    assert_true(wire_parse(&r.m, r.bytes, r.len));
    assert_int_equal(r.m.code, CODE(4, 3)); /* CN=dev is not dev2: X10 */
}

/* Block1 of one datagram gets Block1 in the answer. RFC 7959 section 2.3. */
static void block1_answered(void **state)
{
    (void)state;
    body csr;
    reply r;
    fresh_csr(&csr);
    assert_int_equal(
        put_block(&(piece){.at = csr.bytes, .len = csr.len, .num = 0, .szx = 6, .more = false}, &r),
        CODE(2, 4));
    wire_blk b = wire_block_of(&r.m, OPT_BLOCK1);
    assert_true(b.present && b.num == 0 && !b.more);
    assert_int_equal(put64(&csr, 0, &r), CODE(2, 31));
    b = wire_block_of(&r.m, OPT_BLOCK1);
    assert_true(b.present && b.num == 0 && b.more && b.szx == 2);
    assert_false(wire_block_of(&r.m, OPT_BLOCK2).present);
    assert_int_equal(r.m.payload_len, 0);
}

static int start_with_dev2(void **state)
{
    group_start(state);
    fixture_device(*state, "CN=dev2", "dev2");
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OVER_DTLS("B1 sen in blocks of 16 to 1024, both ways", upload_all_sizes),
        OVER_DTLS("B1 smaller Block1 in the middle", smaller_upload),
        OVER_DTLS("B1 HC 131 Block1 is answered by Block1", block1_answered),
        OVER_DTLS("B1 HC 132 a missing block is 4.08", missing_block),
        OVER_DTLS("B1 a transfer that begins in the middle is 4.08", no_first_block),
        OVER_DTLS("B1 X4 HC 134 a block sent again under a new message ID", block_again),
        OVER_DTLS("B1 HC 136 HC 316 a block of the wrong length", wrong_length),
        OVER_DTLS("B1 HC 137 block 0 starts anew", from_the_start),
        OVER_DTLS("B1 HC 139 HC 142 blocks of different requests are not joined", other_request),
        OVER_DTLS("B1 HC 141 two clients with the same tokens never mix", two_clients),
        OVER_DTLS("B2 C4 HC 144 a body over the limit is 4.13 with Size1", too_large),
        OVER_DTLS("B2 HC 146 transfers begun and left do not add up", many_begun),
        OVER_DTLS("X7 HC 89 another association from the same port continues nothing",
                  other_association),
        OVER_DTLS("X7 another association from the same port gets no old answer",
                  other_association_answer),
    };
    return cmocka_run_group_tests_name("block1", tests, start_with_dev2, group_stop);
}
