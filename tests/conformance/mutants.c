/* SPDX-License-Identifier: MIT
 *
 * Requests altered at random, always in the same way: what is served, OpenSSL finds right too, and
 * all else is refused in the same manner. Half of them are signed anew after the change, so that
 * what stands behind the signature is reached.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "device.h"

enum { MUTANTS = 1500 };

static uint32_t seed;

static uint32_t next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 17;
    seed ^= seed << 5;
    return seed;
}

/* One to three changes: a byte replaced, a bit flipped, bytes taken out, put in or doubled. */
static void mutate(body *b)
{
    for (unsigned n = 1 + next_random() % 3; n > 0; n--) {
        size_t at = next_random() % b->len;
        size_t some = 1 + next_random() % 4;
        switch (next_random() % 4) {
        case 0:
            b->bytes[at] = (uint8_t)next_random();
            break;
        case 1:
            b->bytes[at] ^= (uint8_t)(1u << next_random() % 8);
            break;
        case 2:
            if (at + some < b->len) {
                memmove(b->bytes + at, b->bytes + at + some, b->len - at - some);
                b->len -= some;
            }
            break;
        default:
            memmove(b->bytes + at + some, b->bytes + at, b->len - at);
            b->len += some;
        }
    }
}

static bool openssl_accepts(const body *csr)
{
    const unsigned char *at = csr->bytes;
    X509_REQ *req = d2i_X509_REQ(NULL, &at, (long)csr->len);
    bool ok = req != NULL && at == csr->bytes + csr->len &&
              X509_REQ_verify(req, X509_REQ_get0_pubkey(req)) == 1;
    X509_REQ_free(req);
    return ok;
}

/* The first value in the request: what is signed. */
static void signed_part(const body *csr, body *out)
{
    const unsigned char *at = csr->bytes;
    long len;
    int tag, class;
    ASN1_get_object(&at, &len, &tag, &class, (long)csr->len);
    const unsigned char *from = at;
    ASN1_get_object(&at, &len, &tag, &class, (long)(csr->bytes + csr->len - at));
    out->len = 0;
    der_add(out, from, (size_t)(at + len - from));
}

static void sign_anew(body *info, EVP_PKEY *key)
{
    static const uint8_t ecdsa_sha256[] = {0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86,
                                           0x48, 0xce, 0x3d, 0x04, 0x03, 0x02};
    uint8_t signature[81] = {0}; /* no unused bits */
    size_t len = sizeof signature - 1;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key), 1);
    assert_int_equal(EVP_DigestSign(ctx, signature + 1, &len, info->bytes, info->len), 1);
    EVP_MD_CTX_free(ctx);
    der_add(info, ecdsa_sha256, sizeof ecdsa_sha256);
    der_tlv(info, 0x03, signature, len + 1);
    der_wrap(info, 0x30);
}

static void try(const body *csr, unsigned n, unsigned *served)
{
    static body answer;
    uint8_t code = enroll(dev, EST "/sen", csr, -1, csr->len > 900 ? 6 : -1, &answer);
    if (code == CODE(2, 4)) {
        (*served)++;
        if (!openssl_accepts(csr)) {
            fail_msg("mutant %u is served, and OpenSSL refuses it", n);
        }
    } else if (code != CODE(4, 0) && code != CODE(4, 3)) {
        fail_msg("mutant %u: code %u.%02u", n, code >> 5, code & 31);
    }
}

static void mutants(bool anew)
{
    static body good, csr;
    unsigned served = 0;
    EVP_PKEY *key = key_new("P-256");
    seed = anew ? 20100813 : 20220427;
    csr_new(key, "CN=dev", "DNS:dev.example", &good);
    assert_true(openssl_accepts(&good));
    for (unsigned n = 0; n < MUTANTS; n++) {
        if (anew) {
            signed_part(&good, &csr);
            mutate(&csr);
            sign_anew(&csr, key);
        } else {
            csr = good;
            mutate(&csr);
        }
        try(&csr, n, &served);
    }
    assert_in_range(served, 0, MUTANTS / 10);
    EVP_PKEY_free(key);
    expect_alive(dev);
}

static void altered(void **state)
{
    (void)state;
    mutants(false);
}

static void altered_and_signed(void **state)
{
    (void)state;
    mutants(true);
}

/* Thousands of requests by one device: more than the limits have room for. X11 */
static int start_unlimited(void **state)
{
    fixture_set_up(state);
    fixture_conf(*state, "server", "identity-rate", "0");
    fixture_start(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OVER_DTLS("E4 HC 232 requests altered at random", altered),
        OVER_DTLS("E4 HC 232 requests altered at random and signed anew", altered_and_signed),
    };
    return cmocka_run_group_tests_name("mutants", tests, start_unlimited, group_stop);
}
