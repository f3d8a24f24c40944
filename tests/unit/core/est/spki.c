/* SPDX-License-Identifier: MIT */
#include <estoc/csr.h>

#include "coap/rows.h"

#include "malformed.h"

static void malformed_key(void **state)
{
    const struct malformed_value *row = *state;
    static const estoc_spki zero;
    uint8_t *exact = exact_copy(row->bytes);
    estoc_spki spki;
    memset(&spki, 0xa5, sizeof spki);
    assert_int_equal(estoc_spki_parse(&spki, estoc_slice_of(exact, row->bytes.len)), row->err);
    assert_memory_equal(&spki, &zero, sizeof spki);
    free(exact);
}

static void malformed_algorithm(void **state)
{
    const struct malformed_value *row = *state;
    uint8_t *exact = exact_copy(row->bytes);
    estoc_sig_kind kind = ESTOC_SIG_ED25519;
    assert_int_equal(estoc_sig_alg_parse(estoc_slice_of(exact, row->bytes.len), &kind), row->err);
    assert_int_equal(kind, ESTOC_SIG_UNKNOWN);
    free(exact);
}

/* In requests made by OpenSSL: where the key lies, and how long it and its bits are. */
static const struct {
    const char *name;
    estoc_slice csr;
    size_t at, len, bits;
    estoc_key_kind kind;
} keys[] = {
    {"P-256", VECTOR(openssl_p256), 80, 91, 65, ESTOC_KEY_P256},
    {"P-384", VECTOR(openssl_p384_san), 81, 120, 97, ESTOC_KEY_P384},
    {"Ed25519", VECTOR(openssl_ed25519_san), 80, 44, 32, ESTOC_KEY_ED25519},
    {"RSA 2048", VECTOR(openssl_rsa2048_all), 81, 294, 270, ESTOC_KEY_RSA},
};

static void keys_of_openssl(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(keys); i++) {
        estoc_slice der = estoc_slice_sub(keys[i].csr, keys[i].at, keys[i].len);
        estoc_spki spki;
        assert_int_equal(estoc_spki_parse(&spki, der), 0);
        assert_int_equal(spki.kind, keys[i].kind);
        assert_bytes(spki.der, der);
        assert_int_equal(spki.key.len, keys[i].bits);
        assert_ptr_equal(spki.key.ptr + spki.key.len, der.ptr + der.len);
    }
}

static void every_truncation(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(keys); i++) {
        for (size_t len = 0; len < keys[i].len; len++) {
            uint8_t *exact = exact_copy(estoc_slice_sub(keys[i].csr, keys[i].at, len));
            estoc_spki spki;
            assert_int_equal(estoc_spki_parse(&spki, estoc_slice_of(exact, len)),
                             ESTOC_E_TRUNCATED);
            free(exact);
        }
    }
}

/* clang-format off */
/* RFC 5758 section 3.2, RFC 8410 section 3, RFC 4055 section 5 */
static const struct {
    estoc_sig_kind kind;
    estoc_slice der;
} algorithms[] = {
    {ESTOC_SIG_ECDSA_SHA256, BYTES(TLV(0x30, TLV(0x06, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02)))},
    {ESTOC_SIG_ECDSA_SHA384, BYTES(TLV(0x30, TLV(0x06, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03)))},
    {ESTOC_SIG_ED25519,      BYTES(TLV(0x30, OID_ED25519))},
    {ESTOC_SIG_RSA_SHA256,
     BYTES(TLV(0x30, TLV(0x06, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b), 0x05, 0x00))},
    {ESTOC_SIG_RSA_SHA384,
     BYTES(TLV(0x30, TLV(0x06, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0c), 0x05, 0x00))},
    {ESTOC_SIG_RSA_SHA512,
     BYTES(TLV(0x30, TLV(0x06, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0d), 0x05, 0x00))},
};

/* Well formed, and not ours: other parameters, other digests, keys' algorithms. */
static const estoc_slice unknown[] = {
    BYTES(TLV(0x30, TLV(0x06, 0x2a))),
    BYTES(TLV(0x30, TLV(0x06, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01))),             /* SHA-1 */
    BYTES(TLV(0x30, TLV(0x06, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x04))),       /* SHA-512 */
    BYTES(TLV(0x30, TLV(0x06, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02), 0x05, 0x00)),
    BYTES(TLV(0x30, OID_ED25519, 0x05, 0x00)),
    BYTES(TLV(0x30, TLV(0x06, 0x2b, 0x65, 0x71))),                                     /* Ed448 */
    BYTES(TLV(0x30, TLV(0x06, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b))), /* no NULL */
    BYTES(TLV(0x30, TLV(0x06, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x05), 0x05, 0x00)),
    BYTES(TLV(0x30, OID_PSS, TLV(0x30, 0x05, 0x00))),
    BYTES(ALG_P256),
    BYTES(ALG_RSA),
};
/* clang-format on */

static void algorithms_known(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(algorithms); i++) {
        uint8_t room[32];
        estoc_sig_kind kind = ESTOC_SIG_UNKNOWN;
        assert_int_equal(estoc_sig_alg_parse(algorithms[i].der, &kind), 0);
        assert_int_equal(kind, algorithms[i].kind);
        estoc_writer w = estoc_writer_of((estoc_buf){room, sizeof room});
        estoc_sig_alg_put(&w, kind);
        assert_bytes(estoc_writer_slice(&w), algorithms[i].der);
        for (size_t cap = 0; cap < algorithms[i].der.len; cap++) {
            w = estoc_writer_of((estoc_buf){room, cap});
            estoc_sig_alg_put(&w, kind);
            assert_int_equal(w.err, ESTOC_E_SPACE);
        }
    }
    assert_int_equal(COUNT(algorithms), ESTOC_SIG_RSA_SHA512);
}

static void algorithms_unknown(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(unknown); i++) {
        estoc_sig_kind kind = ESTOC_SIG_ED25519;
        assert_int_equal(estoc_sig_alg_parse(unknown[i], &kind), 0);
        assert_int_equal(kind, ESTOC_SIG_UNKNOWN);
    }
    static const int none[] = {ESTOC_SIG_UNKNOWN, ESTOC_SIG_RSA_SHA512 + 1, 255};
    for (size_t i = 0; i < COUNT(none); i++) {
        uint8_t room[32];
        estoc_writer w = estoc_writer_of((estoc_buf){room, sizeof room});
        estoc_sig_alg_put(&w, (estoc_sig_kind)none[i]);
        assert_int_equal(w.err, ESTOC_E_UNSUPPORTED);
        assert_int_equal(w.len, 0);
    }
}

/* 199: a column for each key, UNKNOWN first. */
static void fits(void **state)
{
    (void)state;
    static const char table[][6] = {
        [ESTOC_SIG_UNKNOWN] = ".....",      [ESTOC_SIG_ECDSA_SHA256] = ".xx..",
        [ESTOC_SIG_ECDSA_SHA384] = ".xx..", [ESTOC_SIG_ED25519] = "...x.",
        [ESTOC_SIG_RSA_SHA256] = "....x",   [ESTOC_SIG_RSA_SHA384] = "....x",
        [ESTOC_SIG_RSA_SHA512] = "....x",
    };
    for (size_t sig = 0; sig < COUNT(table); sig++) {
        for (size_t key = 0; key <= ESTOC_KEY_RSA; key++) {
            assert_int_equal(estoc_sig_fits_key((estoc_sig_kind)sig, (estoc_key_kind)key),
                             table[sig][key] == 'x');
        }
    }
    assert_false(estoc_sig_fits_key((estoc_sig_kind)COUNT(table), ESTOC_KEY_P256));
}

/* clang-format off */
static const struct CMUnitTest tests[] = {
    {"keys in requests of OpenSSL",                 keys_of_openssl, NULL, NULL, NULL},
    {"E4 HC 224 a key cut at every byte",           every_truncation, NULL, NULL, NULL},
    {"signature algorithms read and written",       algorithms_known, NULL, NULL, NULL},
    {"signature algorithms that are unknown",       algorithms_unknown, NULL, NULL, NULL},
    {"E4 HC 199 which signature fits which key",    fits, NULL, NULL, NULL},
};
/* clang-format on */

int main(void)
{
    for (size_t i = 0; i < COUNT(malformed_keys); i++) {
        rows_add("X3 no key:", malformed_keys[i].name, malformed_key, &malformed_keys[i]);
    }
    for (size_t i = 0; i < COUNT(malformed_algorithms); i++) {
        rows_add("E4 no algorithm:", malformed_algorithms[i].name, malformed_algorithm,
                 &malformed_algorithms[i]);
    }
    return rows_run("spki", tests, COUNT(tests));
}
