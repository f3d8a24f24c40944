/* SPDX-License-Identifier: MIT */
#include <string.h>

#include <estoc/csr.h>

/* clang-format off */
/* AlgorithmIdentifiers in DER. Only these parameters are right for them. RFC 5480, 8410, 4055, 5758 */
static const uint8_t ec_p256[] = {0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
                                  0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
static const uint8_t ec_p384[] = {0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
                                  0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22};
static const uint8_t ed25519[] = {0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70};
static const uint8_t rsa[]     = {0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01,
                                  0x01, 0x01, 0x05, 0x00};

static const struct {
    const uint8_t *alg;
    uint8_t alg_len, key_len, first; /* of the key bits; 0: not checked here */
} keys[] = {
    [ESTOC_KEY_UNKNOWN] = {NULL, 0, 0, 0},
    [ESTOC_KEY_P256]    = {ec_p256, sizeof ec_p256, 65, 4}, /* uncompressed only: X3 */
    [ESTOC_KEY_P384]    = {ec_p384, sizeof ec_p384, 97, 4},
    [ESTOC_KEY_ED25519] = {ed25519, sizeof ed25519, 32, 0},
    [ESTOC_KEY_RSA]     = {rsa, sizeof rsa, 0, 0},
};

/* ecdsa-with-SHA2 is 1.2.840.10045.4.3.x, RSA with SHA-2 is 1.2.840.113549.1.1.x: the last byte tells. */
static const uint8_t sig_ecdsa[] = {0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03};
static const uint8_t sig_rsa[]   = {0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01,
                                    0x01};

static const struct {
    const uint8_t *prefix;
    uint8_t prefix_len, last, null, key; /* `null`: parameters are a NULL after it */
} sigs[] = {
    [ESTOC_SIG_UNKNOWN]      = {NULL, 0, 0, 0, ESTOC_KEY_UNKNOWN},
    [ESTOC_SIG_ECDSA_SHA256] = {sig_ecdsa, sizeof sig_ecdsa, 2, 0, ESTOC_KEY_P256},
    [ESTOC_SIG_ECDSA_SHA384] = {sig_ecdsa, sizeof sig_ecdsa, 3, 0, ESTOC_KEY_P256},
    [ESTOC_SIG_ED25519]      = {ed25519, sizeof ed25519 - 1, 0x70, 0, ESTOC_KEY_ED25519},
    [ESTOC_SIG_RSA_SHA256]   = {sig_rsa, sizeof sig_rsa, 11, 1, ESTOC_KEY_RSA},
    [ESTOC_SIG_RSA_SHA384]   = {sig_rsa, sizeof sig_rsa, 12, 1, ESTOC_KEY_RSA},
    [ESTOC_SIG_RSA_SHA512]   = {sig_rsa, sizeof sig_rsa, 13, 1, ESTOC_KEY_RSA},
};
/* clang-format on */

#define KEYS (sizeof keys / sizeof keys[0])
#define SIGS (sizeof sigs / sizeof sigs[0])

/* RSAPublicKey: two positive integers and nothing else. RFC 8017 appendix A.1.1 */
static bool rsa_key_good(estoc_slice key)
{
    estoc_reader in;
    if (estoc_der_begin(key, &in)) {
        return false;
    }
    for (int i = 0; i < 2; i++) {
        estoc_slice v = estoc_der_integer(&in);
        if (v.len == 0 || (v.ptr[0] & 0x80) != 0 || (v.len == 1 && v.ptr[0] == 0)) {
            return false;
        }
    }
    return !estoc_reader_end(&in);
}

static bool key_good(estoc_key_kind kind, estoc_slice key)
{
    if (kind == ESTOC_KEY_RSA) {
        return rsa_key_good(key);
    }
    return key.len == keys[kind].key_len &&
           (keys[kind].first == 0 || key.ptr[0] == keys[kind].first);
}

estoc_err estoc_spki_parse(estoc_spki *spki, estoc_slice der)
{
    memset(spki, 0, sizeof *spki);
    estoc_reader in;
    estoc_err err = estoc_der_begin(der, &in);
    if (err) {
        return err;
    }
    estoc_slice alg = estoc_der_whole(&in, ESTOC_DER_SEQUENCE);
    estoc_slice key = estoc_der_bits(&in);
    if (estoc_reader_end(&in)) {
        return ESTOC_E_MALFORMED;
    }
    for (size_t i = 1; i < KEYS; i++) {
        if (estoc_slice_eq(alg, estoc_slice_of(keys[i].alg, keys[i].alg_len)) &&
            key_good((estoc_key_kind)i, key)) {
            *spki = (estoc_spki){(estoc_key_kind)i, der, key};
            return ESTOC_OK;
        }
    }
    return ESTOC_E_UNSUPPORTED;
}

estoc_err estoc_sig_alg_parse(estoc_slice der, estoc_sig_kind *kind)
{
    *kind = ESTOC_SIG_UNKNOWN;
    estoc_reader in;
    estoc_err err = estoc_der_begin(der, &in);
    estoc_der_oid(&in);
    err = !err && in.err ? ESTOC_E_MALFORMED : err;
    for (size_t i = 1; !err && i < SIGS; i++) {
        uint8_t own[20];
        estoc_writer w = estoc_writer_of((estoc_buf){own, sizeof own});
        estoc_sig_alg_put(&w, (estoc_sig_kind)i);
        if (estoc_slice_eq(der, estoc_writer_slice(&w))) {
            *kind = (estoc_sig_kind)i;
        }
    }
    return err;
}

void estoc_sig_alg_put(estoc_writer *w, estoc_sig_kind kind)
{
    if (kind == ESTOC_SIG_UNKNOWN || (size_t)kind >= SIGS) {
        estoc_writer_fail(w, ESTOC_E_UNSUPPORTED);
        return;
    }
    estoc_write_bytes(w, estoc_slice_of(sigs[kind].prefix, sigs[kind].prefix_len));
    estoc_write_u8(w, sigs[kind].last);
    if (sigs[kind].null) {
        estoc_write_u16(w, ESTOC_DER_NULL << 8);
    }
}

bool estoc_sig_fits_key(estoc_sig_kind sig, estoc_key_kind key)
{
    if (key == ESTOC_KEY_P384) {
        key = ESTOC_KEY_P256; /* either curve with either digest */
    }
    return key != ESTOC_KEY_UNKNOWN && (size_t)sig < SIGS && sigs[sig].key == key;
}
