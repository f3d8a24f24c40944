/* SPDX-License-Identifier: MIT
 *
 * What the bare cryptography of one enrollment costs the server here and now: P-256, OpenSSL, nothing
 * else. One key for the exchange, one ECDH, two signatures (its key exchange, the certificate), three
 * verifications (the client's chain, its proof, the request's). Rates are ratios to this.
 *
 *     bench-crypto ROUNDS      one JSON object with microseconds of CPU for each
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <openssl/evp.h>

#define TEXT_LEN      512 /* a request or a certificate, roughly */
#define SIGNATURE_MAX 80

enum { KEYGENS = 1, ECDHS = 1, SIGNATURES = 2, VERIFICATIONS = 3 };

struct work {
    EVP_PKEY *own, *peer;
    uint8_t text[TEXT_LEN];
    uint8_t signature[SIGNATURE_MAX];
    size_t signature_len;
};

static void must(int ok, const char *what)
{
    if (ok <= 0) {
        fprintf(stderr, "bench-crypto: %s failed\n", what);
        exit(1);
    }
}

static EVP_PKEY *new_key(void)
{
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    must(key != NULL, "key generation");
    return key;
}

static void keygen(struct work *w)
{
    (void)w;
    EVP_PKEY_free(new_key());
}

static void ecdh(struct work *w)
{
    uint8_t secret[32];
    size_t len = sizeof secret;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(w->own, NULL);
    must(ctx != NULL && EVP_PKEY_derive_init(ctx) > 0, "ECDH");
    must(EVP_PKEY_derive_set_peer(ctx, w->peer), "ECDH");
    must(EVP_PKEY_derive(ctx, secret, &len), "ECDH");
    EVP_PKEY_CTX_free(ctx);
}

static void sign(struct work *w)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    w->signature_len = sizeof w->signature;
    must(ctx != NULL && EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, w->own) > 0, "signing");
    must(EVP_DigestSign(ctx, w->signature, &w->signature_len, w->text, sizeof w->text), "signing");
    EVP_MD_CTX_free(ctx);
}

static void verify(struct work *w)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    must(ctx != NULL && EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, w->own) > 0,
         "verification");
    must(EVP_DigestVerify(ctx, w->signature, w->signature_len, w->text, sizeof w->text),
         "verification");
    EVP_MD_CTX_free(ctx);
}

static double cpu_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static double each_us(void (*op)(struct work *w), struct work *w, long rounds)
{
    op(w); /* what OpenSSL fetches and caches the first time is not the operation */
    double began = cpu_us();
    for (long i = 0; i < rounds; i++) {
        op(w);
    }
    return (cpu_us() - began) / (double)rounds;
}

int main(int argc, char **argv)
{
    long rounds = argc > 1 ? strtol(argv[1], NULL, 10) : 2000;
    if (rounds < 1) {
        fprintf(stderr, "usage: bench-crypto ROUNDS\n");
        return 1;
    }
    struct work w = {.own = new_key(), .peer = new_key()};
    for (size_t i = 0; i < sizeof w.text; i++) {
        w.text[i] = (uint8_t)(i * 7);
    }
    double key_us = each_us(keygen, &w, rounds);
    double ecdh_us = each_us(ecdh, &w, rounds);
    double sign_us = each_us(sign, &w, rounds);
    double verify_us = each_us(verify, &w, rounds);
    printf("{\"keygen_us\": %.2f, \"ecdh_us\": %.2f, \"sign_us\": %.2f, \"verify_us\": %.2f, "
           "\"enrollment_us\": %.2f}\n",
           key_us, ecdh_us, sign_us, verify_us,
           KEYGENS * key_us + ECDHS * ecdh_us + SIGNATURES * sign_us + VERIFICATIONS * verify_us);
    EVP_PKEY_free(w.own);
    EVP_PKEY_free(w.peer);
    return 0;
}
