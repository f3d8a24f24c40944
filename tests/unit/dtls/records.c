/* SPDX-License-Identifier: MIT
 *
 * What anybody can send who knows an address and a port, and what a peer may send too early.
 */
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include "pair.h"

enum { RECORD_APPLICATION = 23 };

/* The client has said its last flight, which is lost on its way. */
static pair *half_open(void)
{
    pair *p = pair_new();
    p->passes = pass_but_one;
    p->lose[UP] = 3;
    pair_connect(p);
    pair_run(p, p->now);
    assert_int_equal(estoc_dtls_state_of(p->s), ESTOC_DTLS_HANDSHAKE);
    assert_int_equal(estoc_dtls_state_of(p->c), ESTOC_DTLS_HANDSHAKE);
    return p;
}

/* HC 34, 36, 37, 56: nothing of it shows. */
static void forged_records(void **state)
{
    (void)state;
    /* clang-format off */
    static const uint8_t forged[][20] = {
        {15, 21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 99, 0, 2, 2, 40},        /* fatal alert */
        {15, 21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 98, 0, 2, 1, 0},         /* close_notify */
        {15, 21, 254, 253, 0, 1, 0, 0, 0, 0, 9, 99, 0, 2, 2, 40},        /* in epoch 1 */
        {14, 20, 254, 253, 0, 0, 0, 0, 0, 0, 0, 97, 0, 1, 1},            /* ChangeCipherSpec */
        {16, 23, 254, 253, 0, 0, 0, 0, 0, 0, 0, 96, 0, 3, 'a', 'b', 'c'},
        {19, 25, 254, 253, 0, 1, 0, 0, 0, 0, 0, 96, 1, 2, 3, 4, 0, 2, 9, 9}, /* connection ID */
        {3, 1, 2, 3},
    };
    /* clang-format on */
    pair *p = pair_new();
    pair_open(p);
    size_t up = p->sent[UP], down = p->sent[DOWN];
    for (size_t i = 0; i < sizeof forged / sizeof forged[0]; i++) {
        estoc_slice dg = estoc_slice_of(forged[i] + 1, forged[i][0]);
        assert_int_equal(estoc_dtls_input(p->s, p->now, dg), ESTOC_DTLS_OPEN);
        assert_int_equal(estoc_dtls_input(p->c, p->now, dg), ESTOC_DTLS_OPEN);
        expect_silence(p->s);
        expect_silence(p->c);
    }
    uint8_t long_one[ESTOC_DATAGRAM_MAX + 1] = {23, 254, 253};
    estoc_dtls_input(p->s, p->now, estoc_slice_of(long_one, sizeof long_one));
    estoc_dtls_input(p->s, p->now, estoc_slice_of(NULL, 0));
    assert_int_equal(p->sent[UP], up);
    assert_int_equal(p->sent[DOWN], down);
    expect_alive(p);
    pair_free(p);
}

static void replayed_records(void **state)
{
    (void)state;
    pair *p = pair_new();
    pair_open(p);
    expect_message(p, p->c, p->s, "once");
    for (size_t i = 0; i < p->logged; i++) {
        if (p->log[i].way == UP) {
            estoc_slice dg = estoc_slice_of(p->log[i].bytes, p->log[i].len);
            assert_int_equal(estoc_dtls_input(p->s, p->now, dg), ESTOC_DTLS_OPEN);
            expect_silence(p->s);
        }
    }
    expect_alive(p);
    pair_free(p);
}

static void altered_records(void **state)
{
    (void)state;
    pair *p = pair_new();
    pair_open(p);
    assert_int_equal(estoc_dtls_write(p->c, estoc_slice_str("request")), 0);
    datagram d = p->queue[0];
    p->queued = 0;
    for (size_t i = 0; i < d.len; i++) {
        d.bytes[i] ^= 1;
        assert_int_equal(estoc_dtls_input(p->s, p->now, estoc_slice_of(d.bytes, d.len)),
                         ESTOC_DTLS_OPEN);
        d.bytes[i] ^= 1;
        if (i != 2) { /* the minor version of a record is not part of what is protected */
            expect_silence(p->s);
        }
    }
    expect_alive(p);
    pair_free(p);
}

static bool hold_last_flight(pair *p, int way, size_t n, estoc_slice dg)
{
    (void)p;
    (void)dg;
    return way == UP || n != 3;
}

/* The server's first message overtakes its Finished: not before it, and not lost. HC 26 */
static void overtaken_finished(void **state)
{
    (void)state;
    pair *p = pair_new();
    p->passes = hold_last_flight;
    pair_connect(p);
    pair_run(p, p->now);
    assert_int_equal(estoc_dtls_state_of(p->s), ESTOC_DTLS_OPEN);
    datagram finished = p->log[p->logged - 1];
    assert_int_equal(estoc_dtls_write(p->s, estoc_slice_str("early")), 0);
    pair_deliver(p);
    assert_int_equal(estoc_dtls_state_of(p->c), ESTOC_DTLS_HANDSHAKE);
    expect_silence(p->c);
    assert_int_equal(estoc_dtls_input(p->c, p->now, estoc_slice_of(finished.bytes, finished.len)),
                     ESTOC_DTLS_OPEN);
    uint8_t in[ESTOC_DATAGRAM_MAX];
    size_t n;
    assert_int_equal(estoc_dtls_read(p->c, (estoc_buf){in, sizeof in}, &n), 0);
    assert_int_equal(n, 5);
    p->passes = NULL;
    expect_alive(p);
    pair_free(p);
}

/* HC 26, 32: records of an epoch that is still to come are not piled up. */
static void early_records(void **state)
{
    (void)state;
    pair *p = half_open();
    for (unsigned i = 0; i < 1000; i++) {
        uint8_t r[2 * 33] = {RECORD_APPLICATION, 254, 253, 0, 1};
        r[9] = (uint8_t)(i >> 8);
        r[10] = (uint8_t)i;
        r[12] = 20;
        memcpy(r + 33, r, 33);
        r[33 + 8] = 1;
        estoc_dtls_input(p->s, p->now, estoc_slice_of(r, sizeof r));
    }
    assert_int_equal(p->s->early, 16);
    assert_int_equal(estoc_dtls_state_of(p->s), ESTOC_DTLS_HANDSHAKE);
    pair_free(p);
}

static void early_records_do_not_stop(void **state)
{
    (void)state;
    pair *p = half_open();
    for (uint8_t i = 0; i < 8; i++) {
        uint8_t r[33] = {RECORD_APPLICATION, 254, 253, 0, 1, 0, 0, 0, 0, 0, i, 0, 20};
        estoc_dtls_input(p->s, p->now, estoc_slice_of(r, sizeof r));
    }
    pair_run(p, ESTOC_NEVER);
    assert_int_equal(estoc_dtls_state_of(p->s), ESTOC_DTLS_OPEN);
    expect_alive(p);
    pair_free(p);
}

/* Each of these ends a handshake inside OpenSSL. */
static void junk_in_handshake(void **state)
{
    (void)state;
    /* clang-format off */
    static const uint8_t junk[][32] = {
        {16, 23, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 0, 3, 'a', 'b', 'c'},   /* data in the clear */
        {14, 24, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 0, 1, 1},               /* heartbeat */
        {17, 22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 0, 4, 11, 0, 0, 1},     /* a piece of a header */
        {26, 22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 0, 13,
             11, 0, 0, 9, 0, 2, 0, 0, 0, 0, 0, 2, 0},                      /* longer than its record */
        {26, 22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 0, 13,
             11, 0, 0, 9, 0, 2, 0, 0, 9, 0, 0, 1, 0},                      /* past its message */
    };
    /* clang-format on */
    pair *p = half_open();
    size_t up = p->sent[UP], down = p->sent[DOWN];
    for (size_t i = 0; i < sizeof junk / sizeof junk[0]; i++) {
        estoc_slice dg = estoc_slice_of(junk[i] + 1, junk[i][0]);
        assert_int_equal(estoc_dtls_input(p->s, p->now, dg), ESTOC_DTLS_HANDSHAKE);
        assert_int_equal(estoc_dtls_input(p->c, p->now, dg), ESTOC_DTLS_HANDSHAKE);
    }
    assert_int_equal(p->sent[UP], up);
    assert_int_equal(p->sent[DOWN], down);
    pair_run(p, ESTOC_NEVER);
    assert_int_equal(estoc_dtls_state_of(p->s), ESTOC_DTLS_OPEN);
    expect_alive(p);
    pair_free(p);
}

/* Before ServerHello no suite is agreed on, so nothing can be protected. */
static void protected_before_hello(void **state)
{
    (void)state;
    pair *p = pair_new();
    pair_connect(p);
    for (uint8_t i = 0; i < 20; i++) {
        uint8_t r[45] = {RECORD_APPLICATION, 254, 253, 0, 1, 0, 0, 0, 0, 0, i, 0, 32};
        estoc_dtls_input(p->c, p->now, estoc_slice_of(r, sizeof r));
    }
    assert_int_equal(p->c->early, 0);
    pair_run(p, ESTOC_NEVER);
    assert_int_equal(estoc_dtls_state_of(p->c), ESTOC_DTLS_OPEN);
    expect_alive(p);
    pair_free(p);
}

/* HC 31, 32, 37: OpenSSL keeps ten messages ahead and no more. */
static void messages_far_ahead(void **state)
{
    (void)state;
    pair *p = half_open();
    for (unsigned i = 0; i < 65536; i += 7) {
        uint8_t r[13 + 13] = {22, 254, 253, 0, 0, 0, 0, 0, 1, 0, 0, 0, 13, 11, 0, 0, 9};
        r[9] = (uint8_t)(i >> 8);
        r[10] = (uint8_t)i;
        r[17] = (uint8_t)(i >> 8);
        r[18] = (uint8_t)i;
        r[24] = 1;
        if (i > 2) { /* not one of those it waits for */
            assert_int_equal(estoc_dtls_input(p->s, p->now, estoc_slice_of(r, sizeof r)),
                             ESTOC_DTLS_HANDSHAKE);
        }
    }
    uint8_t many[13 + 100 * 12] = {22, 254, 253, 0, 0, 0, 0, 0, 2, 0, 0, 1200 >> 8, 1200 & 0xff};
    assert_int_equal(estoc_dtls_input(p->s, p->now, estoc_slice_of(many, sizeof many)),
                     ESTOC_DTLS_HANDSHAKE);
    pair_free(p);
}

/* The client's key and the four bytes of its nonce. RFC 5246 section 6.3 */
static void client_keys(const pair *p, uint8_t key[16], uint8_t iv[4])
{
    uint8_t master[48], random[64], block[40];
    SSL *ssl = p->c->ssl;
    assert_int_equal(SSL_SESSION_get_master_key(SSL_get_session(ssl), master, sizeof master), 48);
    SSL_get_server_random(ssl, random, 32);
    SSL_get_client_random(ssl, random + 32, 32);
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "TLS1-PRF", NULL);
    EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);
    char sha256[] = "SHA256", label[] = "key expansion";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, sha256, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SECRET, master, sizeof master),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, label, strlen(label)),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, random, sizeof random),
        OSSL_PARAM_construct_end()};
    assert_int_equal(EVP_KDF_derive(ctx, block, sizeof block, params), 1);
    EVP_KDF_CTX_free(ctx);
    EVP_KDF_free(kdf);
    memcpy(key, block, 16);
    memcpy(iv, block + 32, 4);
}

/* A record with nothing in it, which OpenSSL does not write. RFC 6655 section 3 */
static void seal_empty(const pair *p, uint8_t seq, uint8_t r[13 + 16])
{
    uint8_t key[16], nonce[12], aad[13] = {0, 1, 0, 0, 0, 0, 0, seq, 23, 254, 253, 0, 0}, none[1];
    int n;
    client_keys(p, key, nonce);
    memcpy(r, "\x17\xfe\xfd\0\1\0\0\0\0\0\0\0\x10", 13);
    r[10] = seq;
    memcpy(r + 13, r + 3, 8);
    memcpy(nonce + 4, r + 3, 8);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    assert_int_equal(EVP_EncryptInit_ex(ctx, EVP_aes_128_ccm(), NULL, NULL, NULL), 1);
    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_IVLEN, 12, NULL);
    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, 8, NULL);
    assert_int_equal(EVP_EncryptInit_ex(ctx, NULL, NULL, key, nonce), 1);
    assert_int_equal(EVP_EncryptUpdate(ctx, NULL, &n, NULL, 0), 1);
    assert_int_equal(EVP_EncryptUpdate(ctx, NULL, &n, aad, sizeof aad), 1);
    assert_int_equal(EVP_EncryptUpdate(ctx, none, &n, none, 0), 1);
    assert_int_equal(EVP_EncryptFinal_ex(ctx, none, &n), 1);
    assert_int_equal(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, 8, r + 21), 1);
    EVP_CIPHER_CTX_free(ctx);
}

/* No message, and no end: what follows in the datagram is read. */
static void empty_records(void **state)
{
    (void)state;
    pair *p = pair_new();
    uint8_t in[ESTOC_DATAGRAM_MAX], dg[ESTOC_DATAGRAM_MAX];
    size_t n;
    pair_open(p);
    seal_empty(p, 20, dg);
    assert_int_equal(estoc_dtls_input(p->s, p->now, estoc_slice_of(dg, 29)), ESTOC_DTLS_OPEN);
    expect_silence(p->s);
    seal_empty(p, 21, dg);
    assert_int_equal(estoc_dtls_write(p->c, estoc_slice_str("one")), 0);
    assert_int_equal(estoc_dtls_write(p->c, estoc_slice_str("more")), 0);
    size_t first = p->queue[0].len, second = p->queue[1].len;
    memcpy(dg + 29, p->queue[0].bytes, first);
    seal_empty(p, 22, dg + 29 + first);
    memcpy(dg + 58 + first, p->queue[1].bytes, second);
    p->queued = 0;
    assert_int_equal(estoc_dtls_input(p->s, p->now, estoc_slice_of(dg, 58 + first + second)),
                     ESTOC_DTLS_OPEN);
    assert_int_equal(estoc_dtls_read(p->s, (estoc_buf){in, sizeof in}, &n), 0);
    assert_int_equal(n, 3);
    assert_int_equal(estoc_dtls_read(p->s, (estoc_buf){in, sizeof in}, &n), 0);
    assert_int_equal(n, 4);
    expect_silence(p->s);
    expect_alive(p);
    seal_empty(p, 23, dg);
    estoc_dtls_close(p->c);
    memcpy(dg + 29, p->queue[0].bytes, p->queue[0].len);
    assert_int_equal(estoc_dtls_input(p->s, p->now, estoc_slice_of(dg, 29 + p->queue[0].len)),
                     ESTOC_DTLS_CLOSED);
    p->queued = 0;
    pair_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forged_records),         cmocka_unit_test(replayed_records),
        cmocka_unit_test(altered_records),        cmocka_unit_test(overtaken_finished),
        cmocka_unit_test(early_records),          cmocka_unit_test(early_records_do_not_stop),
        cmocka_unit_test(empty_records),          cmocka_unit_test(junk_in_handshake),
        cmocka_unit_test(protected_before_hello), cmocka_unit_test(messages_far_ahead),
    };
    return cmocka_run_group_tests_name("dtls records", tests, pki_set_up, pki_tear_down);
}
