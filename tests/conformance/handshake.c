/* SPDX-License-Identifier: MIT
 *
 * Handshakes in an order no client of good will would send: application data too early, fragments of
 * two messages.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include "fixture.h"

enum {
    CERTIFICATE = 11,
    APPLICATION_DATA = 23,
    RECORD_HEADER = 13,
    MESSAGE_HEADER = 12,
    EPOCH_AT = 3,
    KEY_LEN = 16,
    IV_LEN = 4,
    TAG_LEN = 8
};

/* --------------------------------------------------------------- application data before Finished */

/* What the client has to say once it has said that it is done, kept back. */
typedef struct held {
    flight finished;
    bool hold;
    unsigned heard; /* datagrams with application data */
} held;

static bool hear(peer *p, const uint8_t *bytes, size_t len)
{
    held *h = p->cfg.ctx;
    h->heard += len > 0 && bytes[0] == APPLICATION_DATA;
    return true;
}

static bool has_finished(const datagram *d)
{
    for (size_t at = 0; at + RECORD_HEADER <= d->len; at += record_len(d->bytes + at)) {
        if (d->bytes[at + EPOCH_AT + 1] == 1) {
            return true;
        }
    }
    return false;
}

/* The last record of the datagram with Finished in it stays here; the others go. */
static void hold_finished(peer *p, flight *f)
{
    held *h = p->cfg.ctx;
    for (size_t i = 0; h->hold && i < f->n; i++) {
        datagram *d = &f->at[i];
        if (!has_finished(d)) {
            continue;
        }
        size_t at = 0;
        while (d->bytes[at + EPOCH_AT + 1] != 1) {
            at += record_len(d->bytes + at);
        }
        datagram *kept = &h->finished.at[0];
        h->finished.n = 1;
        kept->len = d->len - at;
        memcpy(kept->bytes, d->bytes + at, kept->len);
        d->len = at;
    }
}

/* The client's write key and IV. RFC 5246 section 6.3, for an AEAD with an IV of four bytes */
static void client_keys(SSL *ssl, uint8_t key[KEY_LEN], uint8_t iv[IV_LEN])
{
    uint8_t master[48], seed[64], block[2 * (KEY_LEN + IV_LEN)];
    assert_int_equal(SSL_SESSION_get_master_key(SSL_get_session(ssl), master, sizeof master), 48);
    assert_int_equal(SSL_get_server_random(ssl, seed, 32), 32);
    assert_int_equal(SSL_get_client_random(ssl, seed + 32, 32), 32);
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "TLS1-PRF", NULL);
    EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);
    char digest[] = "SHA256", label[] = "key expansion";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SECRET, master, sizeof master),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, label, strlen(label)),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, seed, sizeof seed),
        OSSL_PARAM_construct_end(),
    };
    assert_int_equal(EVP_KDF_derive(ctx, block, sizeof block, params), 1);
    memcpy(key, block, KEY_LEN);
    memcpy(iv, block + 2 * KEY_LEN, IV_LEN);
    EVP_KDF_CTX_free(ctx);
    EVP_KDF_free(kdf);
}

/* A record of epoch 1 as the client would write it after Finished. RFC 6655, RFC 6347 section 4.1.2 */
static size_t seal(SSL *ssl, const uint8_t *text, size_t len, uint8_t *out)
{
    uint8_t key[KEY_LEN], nonce[12], aad[13];
    const uint8_t number[8] = {0, 1, 0, 0, 0, 0, 0, 1};
    int n;
    client_keys(ssl, key, nonce);
    memcpy(nonce + IV_LEN, number, 8);
    memcpy(aad, number, 8);
    memcpy(aad + 8, (const uint8_t[]){23, 0xfe, 0xfd, (uint8_t)(len >> 8), (uint8_t)len}, 5);
    size_t sealed = 8 + len + TAG_LEN;
    memcpy(out, (const uint8_t[]){23, 0xfe, 0xfd}, 3);
    memcpy(out + 3, number, 8);
    out[11] = (uint8_t)(sealed >> 8);
    out[12] = (uint8_t)sealed;
    memcpy(out + RECORD_HEADER, number, 8);
    uint8_t *at = out + RECORD_HEADER + 8;
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    assert_int_equal(EVP_EncryptInit_ex(c, EVP_aes_128_ccm(), NULL, NULL, NULL), 1);
    EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_IVLEN, 12, NULL);
    EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, TAG_LEN, NULL);
    assert_int_equal(EVP_EncryptInit_ex(c, NULL, NULL, key, nonce), 1);
    assert_int_equal(EVP_EncryptUpdate(c, NULL, &n, NULL, (int)len), 1);
    assert_int_equal(EVP_EncryptUpdate(c, NULL, &n, aad, sizeof aad), 1);
    assert_int_equal(EVP_EncryptUpdate(c, at, &n, text, (int)len), 1);
    assert_int_equal(EVP_EncryptFinal_ex(c, at + n, &n), 1);
    assert_int_equal(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, TAG_LEN, at + len), 1);
    EVP_CIPHER_CTX_free(c);
    return RECORD_HEADER + sealed;
}

static void too_early(void **state)
{
    held h = {.hold = true};
    uint8_t record[DATAGRAM_MAX];
    wire_out o;
    peer_cfg cfg = device_cfg(*state, "dev");
    cfg.ciphers = "ECDHE-ECDSA-AES128-CCM8:@SECLEVEL=0";
    cfg.out = hold_finished;
    cfg.in = hear;
    cfg.ctx = &h;
    peer *p = peer_new(&cfg);
    assert_false(peer_handshake(p, 700));
    assert_int_equal(h.finished.n, 1);
    ask(p, &o, GET);
    wire_path(&o, "/.well-known/est/crts");
    size_t len = seal(p->ssl, o.bytes, o.len, record);
    for (int i = 0; i < 3; i++) {
        peer_raw(p, record, len);
    }
    assert_false(peer_handshake(p, 700)); /* the server does not answer, and goes on waiting */
    assert_int_equal(h.heard, 0);
    h.hold = false;
    peer_raw(p, h.finished.at[0].bytes, h.finished.at[0].len);
    assert_true(peer_handshake(p, ANSWER_MS));
    /* Now it is in time, and was right to the bit: it is answered, if it was not before. Its number
     * is the one this end would take next. */
    uint8_t in[DATAGRAM_MAX];
    peer_raw(p, record, len);
    while (peer_recv(p, in, sizeof in, SILENCE_MS) > 0) {
    }
    assert_int_not_equal(h.heard, 0);
    peer_send(p, "", 0);
    expect_alive(p);
    peer_free(p);
}

/* -------------------------------------------------------------------- fragments of two messages */

static void put24(uint8_t *at, size_t v)
{
    at[0] = (uint8_t)(v >> 16);
    at[1] = (uint8_t)(v >> 8);
    at[2] = (uint8_t)v;
}

/* Part of a handshake message as a record of its own. */
static void add_fragment(datagram *d, const uint8_t *record, uint8_t number, size_t from,
                         size_t len)
{
    size_t whole = record_len(record) - RECORD_HEADER - MESSAGE_HEADER;
    uint8_t *r = d->bytes + d->len;
    memcpy(r, record, RECORD_HEADER + MESSAGE_HEADER);
    r[9] = (uint8_t)(r[9] + number); /* record numbers far enough apart from the real ones */
    r[11] = (uint8_t)((MESSAGE_HEADER + len) >> 8);
    r[12] = (uint8_t)(MESSAGE_HEADER + len);
    assert_true(from + len <= whole);
    put24(r + RECORD_HEADER + 6, from);
    put24(r + RECORD_HEADER + 9, len);
    memcpy(r + RECORD_HEADER + MESSAGE_HEADER, record + RECORD_HEADER + MESSAGE_HEADER + from, len);
    d->len += RECORD_HEADER + MESSAGE_HEADER + len;
}

/* Instead of its Certificate: the first half, and the second half under the next message's number
 * and with another length of the whole. */
static void halves_of_two(peer *p, flight *f)
{
    (void)p;
    static datagram forged;
    for (size_t i = 0; i < f->n; i++) {
        int at = flight_find(f, i, CERTIFICATE);
        if (at < 0 || f->n == FLIGHT_MAX) {
            continue;
        }
        uint8_t *record = f->at[i].bytes + at;
        size_t whole = record_len(record) - RECORD_HEADER - MESSAGE_HEADER;
        forged.len = 0;
        add_fragment(&forged, record, 1, 0, whole / 2);
        size_t second = forged.len;
        add_fragment(&forged, record, 2, whole / 2, whole - whole / 2);
        forged.bytes[second + RECORD_HEADER + 5]++; /* message_seq */
        put24(forged.bytes + second + RECORD_HEADER + 1, whole + 1);
        f->at[i] = forged;
    }
}

static void never_merged(void **state)
{
    const fixture *f = *state;
    peer_cfg cfg = device_cfg(f, "dev");
    cfg.mtu = 228; /* each message in a datagram of its own, or nearly */
    cfg.out = halves_of_two;
    peer *p = peer_new(&cfg);
    assert_false(peer_handshake(p, 2500));
    peer_free(p);
    p = connect_as(f, "dev"); /* and nobody else suffers */
    expect_alive(p);
    peer_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        NAMED("D2 HC 26 requests before Finished are not answered", too_early),
        NAMED("D2 HC 29 fragments of two messages do not make one", never_merged),
    };
    return cmocka_run_group_tests_name("handshake", tests, group_start, group_stop);
}
