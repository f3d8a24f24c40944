/* SPDX-License-Identifier: MIT
 *
 * Private keys: made, read, written, used. OpenSSL.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "key_parts.h"
#include "sealed.h"
#include "text.h"

#define SCHEME       "pkcs11:"
#define FILE_MAX     65536
#define RSA_NEW_BITS 3072 /* 112 bits of security, what 2,048 give, are said to do until 2030 */

/* Takes a reference of its own. */
static estoc_err adopt(EVP_PKEY *native, estoc_key **out)
{
    uint8_t *der = NULL;
    estoc_spki spki;
    estoc_key *key = NULL;
    estoc_err err = ESTOC_E_KEY;
    if (EVP_PKEY_is_a(native, "EC")) { /* a file may hold its point compressed */
        EVP_PKEY_set_utf8_string_param(native, OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT,
                                       "uncompressed");
    }
    int len = i2d_PUBKEY(native, &der);
    if (len > 0 && len <= ESTOC_SPKI_MAX &&
        !estoc_spki_parse(&spki, estoc_slice_of(der, (size_t)len))) {
        key = calloc(1, sizeof *key);
        err = key != NULL ? ESTOC_OK : ESTOC_E_MEMORY;
    }
    if (key != NULL) {
        EVP_PKEY_up_ref(native);
        *key = (estoc_key){.native = native, .kind = spki.kind, .spki_len = (size_t)len};
        memcpy(key->spki, der, (size_t)len);
    }
    OPENSSL_free(der);
    *out = key;
    return err;
}

estoc_err estoc_key_generate(estoc_key_kind kind, estoc_key **out)
{
    EVP_PKEY *native = NULL;
    *out = NULL;
    switch (kind) {
    case ESTOC_KEY_P256:
        native = EVP_EC_gen("P-256");
        break;
    case ESTOC_KEY_P384:
        native = EVP_EC_gen("P-384");
        break;
    case ESTOC_KEY_ED25519:
        native = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
        break;
    case ESTOC_KEY_RSA:
        native = EVP_RSA_gen(RSA_NEW_BITS);
        break;
    case ESTOC_KEY_UNKNOWN:
        return ESTOC_E_UNSUPPORTED;
    }
    estoc_err err = native != NULL ? adopt(native, out) : ESTOC_E_CRYPTO;
    EVP_PKEY_free(native);
    ERR_clear_error();
    return err;
}

estoc_err estoc_key_generate_rsa(uint32_t bits, estoc_key **out)
{
    *out = NULL;
    if (bits < ESTOC_RSA_MIN_BITS || bits > ESTOC_RSA_MAX_BITS) {
        return ESTOC_E_UNSUPPORTED;
    }
    EVP_PKEY *native = EVP_RSA_gen(bits);
    estoc_err err = native != NULL ? adopt(native, out) : ESTOC_E_CRYPTO;
    EVP_PKEY_free(native);
    ERR_clear_error();
    return err;
}

/* Whether the private half belongs to the public one, and both are of use: by using them. */
static estoc_err try_out(const estoc_key *key)
{
    estoc_slice msg = estoc_slice_str("estoc: is this key of use?");
    uint8_t sig[ESTOC_SIG_MAX];
    size_t len = 0;
    estoc_spki spki;
    estoc_err err = estoc_spki_parse(&spki, estoc_slice_of(key->spki, key->spki_len));
    err = err ? err : estoc_key_sign(key, msg, (estoc_buf){sig, sizeof sig}, &len);
    err = err ? err : estoc_verify(&spki, estoc_key_sig(key), msg, estoc_slice_of(sig, len));
    return err ? ESTOC_E_KEY : ESTOC_OK;
}

static void tell_kind(const char *path, const EVP_PKEY *native, estoc_why *why)
{
    int bits = EVP_PKEY_get_bits(native);
    if (EVP_PKEY_is_a(native, "RSA")) {
        estoc_why_set(why,
                      "%s: an RSA key of %d bits; from %d to %d with a small exponent can be used",
                      path, bits, ESTOC_RSA_MIN_BITS, ESTOC_RSA_MAX_BITS);
        return;
    }
    char group[32] = "";
    size_t len = 0;
    (void)EVP_PKEY_get_group_name(native, group, sizeof group, &len);
    const char *type = EVP_PKEY_get0_type_name(native);
    estoc_why_set(why,
                  "%s: a key of a kind that cannot be used (%s %.31s); make one on the named curve "
                  "P-256",
                  path, type != NULL ? type : "unknown", group);
}

estoc_err estoc_key_take_native(const char *path, EVP_PKEY *native, estoc_key **out, estoc_why *why)
{
    estoc_err err = adopt(native, out);
    if (err) {
        tell_kind(path, native, why);
        return err;
    }
    int bits = EVP_PKEY_get_bits(native);
    if ((*out)->kind == ESTOC_KEY_RSA && (bits < ESTOC_RSA_MIN_BITS || bits > ESTOC_RSA_MAX_BITS)) {
        tell_kind(path, native, why);
        return ESTOC_E_KEY;
    }
    if (try_out(*out)) {
        estoc_why_set(why, "%s: the private key does not fit its own public key", path);
        return ESTOC_E_KEY;
    }
    return ESTOC_OK;
}

/* The reference is used up. */
static estoc_err take_whole(const char *path, EVP_PKEY *native, estoc_key **out, estoc_why *why)
{
    estoc_err err = estoc_key_take_native(path, native, out, why);
    if (err) {
        estoc_key_free(*out);
        *out = NULL;
    }
    EVP_PKEY_free(native);
    return err;
}

static estoc_err take_der(const char *path, const uint8_t *der, long len, estoc_key **out,
                          estoc_why *why)
{
    EVP_PKEY *native = d2i_AutoPrivateKey(NULL, &der, len);
    if (native == NULL) {
        estoc_why_set(why, "%s: holds a private key that cannot be read", path);
        return ESTOC_E_KEY;
    }
    return take_whole(path, native, out, why);
}

/* @param passphrase  NULL: there is no way to name one */
static estoc_err take_sealed(const char *path, const uint8_t *der, long len, const char *passphrase,
                             estoc_key **out, estoc_why *why)
{
    EVP_PKEY *native;
    if (passphrase == NULL || passphrase[0] == '\0') {
        estoc_why_set(why,
                      passphrase == NULL
                          ? "%s: the key is encrypted; decrypt it with `openssl pkey`"
                          : "%s: the key is encrypted, and no passphrase is named; see "
                            "key-passphrase in estocd.conf",
                      path);
        return ESTOC_E_KEY;
    }
    estoc_err err = estoc_sealed_open(path, der, len, passphrase, &native, why);
    return err ? err : take_whole(path, native, out, why);
}

/* What one PEM block says about itself. */
enum block { OTHER, PLAIN, ENCRYPTED, ENCRYPTED_OF_OLD };
static enum block block_of(const char *name, const char *header)
{
    if (strcmp(name, PEM_STRING_PKCS8) == 0) {
        return ENCRYPTED;
    }
    if (strcmp(name, PEM_STRING_PKCS8INF) != 0 && strcmp(name, PEM_STRING_ECPRIVATEKEY) != 0 &&
        strcmp(name, PEM_STRING_RSA) != 0) {
        return OTHER;
    }
    return strstr(header, "ENCRYPTED") != NULL ? ENCRYPTED_OF_OLD : PLAIN;
}

/* The first private key in the file; "EC PARAMETERS" before it, and certificates, are passed over. */
static estoc_err take_pem(const char *path, BIO *in, const char *passphrase, estoc_key **out,
                          estoc_why *why)
{
    estoc_err err = ESTOC_E_KEY;
    enum block block = OTHER;
    while (block == OTHER) {
        char *name = NULL;
        char *header = NULL;
        unsigned char *der = NULL;
        long len = 0;
        /* secure: what it holds in between is wiped */
        if (PEM_read_bio_ex(in, &name, &header, &der, &len, PEM_FLAG_SECURE) != 1) {
            break;
        }
        block = block_of(name, header);
        if (block == PLAIN) {
            err = take_der(path, der, len, out, why);
        } else if (block == ENCRYPTED) {
            err = take_sealed(path, der, len, passphrase, out, why);
        } else if (block == ENCRYPTED_OF_OLD) {
            estoc_why_set(why, "%s: the key is encrypted in the old way; " ESTOC_SEALED_ANEW, path);
        }
        OPENSSL_secure_free(name);
        OPENSSL_secure_free(header);
        OPENSSL_secure_clear_free(der, (size_t)len);
    }
    if (block == OTHER) {
        bool ended = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
        estoc_why_set(why, ended ? "%s: holds no private key in PEM" : "%s: is damaged PEM", path);
    }
    return err;
}

bool estoc_key_is_uri(const char *text)
{
    return strncmp(text, SCHEME, sizeof SCHEME - 1) == 0;
}

/* A file that holds a URI and a line's end. */
static bool holds_uri(estoc_slice text, char uri[ESTOC_KEY_URI_MAX + 1])
{
    while (text.len > 0 && (text.ptr[text.len - 1] == '\n' || text.ptr[text.len - 1] == '\r')) {
        text.len--;
    }
    bool fits = text.len > 0 && text.len <= ESTOC_KEY_URI_MAX &&
                memchr(text.ptr, '\n', text.len) == NULL &&
                memchr(text.ptr, '\0', text.len) == NULL;
    if (fits) {
        memcpy(uri, text.ptr, text.len);
        uri[text.len] = '\0';
    }
    return fits && estoc_key_is_uri(uri);
}

static estoc_err load(const char *path, const char *passphrase, estoc_key **out, estoc_why *why)
{
    estoc_blob text;
    char uri[ESTOC_KEY_URI_MAX + 1];
    *out = NULL;
    if (estoc_key_is_uri(path)) {
        return estoc_key_take_token(path, out, why);
    }
    estoc_err err = estoc_file_read(path, FILE_MAX, &text);
    if (err) {
        estoc_why_set(why, "%s: cannot be read: %s", path,
                      err == ESTOC_E_FILE ? strerror(errno) : estoc_err_text(err));
        return ESTOC_E_FILE;
    }
    if (holds_uri(estoc_blob_slice(text), uri)) {
        estoc_blob_free(&text);
        return estoc_key_take_token(uri, out, why);
    }
    BIO *in = BIO_new_mem_buf(text.ptr, (int)text.len);
    err = in != NULL ? take_pem(path, in, passphrase, out, why) : ESTOC_E_MEMORY;
    BIO_free(in);
    estoc_blob_free(&text);
    ERR_clear_error();
    return err;
}

estoc_err estoc_key_load(const char *path, estoc_key **out, estoc_why *why)
{
    return load(path, NULL, out, why);
}

estoc_err estoc_key_load_sealed(const char *path, const char *passphrase, estoc_key **out,
                                estoc_why *why)
{
    return load(path, passphrase, out, why);
}

estoc_err estoc_key_parse(estoc_slice pkcs8, estoc_key **out, estoc_why *why)
{
    *out = NULL;
    estoc_err err = take_der("the key", pkcs8.ptr, (long)pkcs8.len, out, why);
    ERR_clear_error();
    return err;
}

/* @param p  NULL: not encrypted */
static estoc_err save(const estoc_key *key, const char *path, const estoc_passphrase *p)
{
    if (key->token != NULL) {
        return estoc_file_write(path, estoc_slice_str(estoc_key_uri(key)), 0600);
    }
    char *text = NULL;
    BIO *mem = BIO_new(BIO_s_secmem());
    estoc_err err = ESTOC_E_CRYPTO;
    if (mem != NULL && p != NULL) {
        err = estoc_sealed_write(mem, key, p);
    } else if (mem != NULL &&
               PEM_write_bio_PKCS8PrivateKey(mem, key->native, NULL, NULL, 0, NULL, NULL) == 1) {
        err = ESTOC_OK;
    }
    if (!err) {
        long len = BIO_get_mem_data(mem, &text);
        err = estoc_file_write(path, estoc_slice_of(text, (size_t)len), 0600);
    }
    int saved = errno;
    BIO_free(mem); /* wipes */
    ERR_clear_error();
    errno = saved;
    return err;
}

estoc_err estoc_key_save(const estoc_key *key, const char *path)
{
    return save(key, path, NULL);
}

estoc_err estoc_key_save_sealed(const estoc_key *key, const char *path, const char *passphrase,
                                estoc_why *why)
{
    estoc_passphrase p;
    if (passphrase[0] == '\0') {
        return save(key, path, NULL);
    }
    estoc_err err = estoc_passphrase_read(passphrase, &p, why);
    err = err ? err : save(key, path, &p);
    int saved = errno;
    estoc_wipe(&p, sizeof p);
    errno = saved;
    return err;
}

estoc_err estoc_key_spki(const estoc_key *key, estoc_buf out, size_t *len)
{
    *len = 0;
    if (out.cap < key->spki_len) {
        return ESTOC_E_SPACE;
    }
    memcpy(out.ptr, key->spki, key->spki_len);
    *len = key->spki_len;
    return ESTOC_OK;
}

estoc_key_kind estoc_key_kind_of(const estoc_key *key)
{
    return key->kind;
}

estoc_sig_kind estoc_key_sig(const estoc_key *key)
{
    static const estoc_sig_kind by_key[] = {[ESTOC_KEY_UNKNOWN] = ESTOC_SIG_UNKNOWN,
                                            [ESTOC_KEY_P256] = ESTOC_SIG_ECDSA_SHA256,
                                            [ESTOC_KEY_P384] = ESTOC_SIG_ECDSA_SHA384,
                                            [ESTOC_KEY_ED25519] = ESTOC_SIG_ED25519,
                                            [ESTOC_KEY_RSA] = ESTOC_SIG_RSA_SHA256};
    return by_key[key->kind];
}

static const EVP_MD *digest_for(estoc_key_kind kind)
{
    if (kind == ESTOC_KEY_ED25519) {
        return NULL; /* hashes by itself */
    }
    return kind == ESTOC_KEY_P384 ? EVP_sha384() : EVP_sha256();
}

/* @param[in,out] len  room; what was made */
static bool sign_message(const estoc_key *key, estoc_slice msg, uint8_t *out, size_t *len)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool made = ctx != NULL &&
                EVP_DigestSignInit(ctx, NULL, digest_for(key->kind), NULL, key->native) == 1 &&
                EVP_DigestSign(ctx, out, len, msg.ptr, msg.len) == 1;
    EVP_MD_CTX_free(ctx);
    return made;
}

static bool sign_digest(const estoc_key *key, estoc_slice digest, uint8_t *out, size_t *len)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key->native, NULL);
    bool made = ctx != NULL && EVP_PKEY_sign_init(ctx) == 1 &&
                EVP_PKEY_CTX_set_signature_md(ctx, digest_for(key->kind)) == 1 &&
                EVP_PKEY_sign(ctx, out, len, digest.ptr, digest.len) == 1;
    EVP_PKEY_CTX_free(ctx);
    return made;
}

/* @param made  its first `len` bytes are the signature, if it is `good` */
static estoc_err hand_over(bool good, const uint8_t *made, size_t len, estoc_buf sig,
                           size_t *sig_len)
{
    estoc_err err = ESTOC_E_CRYPTO;
    *sig_len = 0;
    if (good && len > 0 && len <= ESTOC_SIG_MAX) { /* out of memory, ECDSA says 2^32 - 1 bytes */
        err = len <= sig.cap ? ESTOC_OK : ESTOC_E_SPACE;
    }
    if (!err) {
        memcpy(sig.ptr, made, len);
        *sig_len = len;
    }
    ERR_clear_error();
    return err;
}

estoc_err estoc_key_sign(const estoc_key *key, estoc_slice msg, estoc_buf sig, size_t *sig_len)
{
    uint8_t made[ESTOC_SIG_MAX];
    size_t len = sizeof made;
    bool good = sign_message(key, msg, made, &len);
    return hand_over(good, made, len, sig, sig_len);
}

estoc_err estoc_key_sign_digest(const estoc_key *key, estoc_slice digest, estoc_buf sig,
                                size_t *sig_len)
{
    uint8_t made[ESTOC_SIG_MAX];
    size_t len = sizeof made;
    const EVP_MD *md = digest_for(key->kind);
    *sig_len = 0;
    if (md == NULL || digest.len != (size_t)EVP_MD_get_size(md)) {
        return ESTOC_E_UNSUPPORTED;
    }
    bool good = sign_digest(key, digest, made, &len);
    return hand_over(good, made, len, sig, sig_len);
}

static estoc_err sign(void *ctx, estoc_slice msg, estoc_buf sig, size_t *sig_len)
{
    return estoc_key_sign(ctx, msg, sig, sig_len);
}

estoc_signer estoc_key_signer(estoc_key *key)
{
    return (estoc_signer){key, estoc_key_sig(key), sign};
}

void *estoc_key_native(const estoc_key *key)
{
    return key->native;
}

void estoc_key_free(estoc_key *key)
{
    if (key == NULL) {
        return;
    }
    EVP_PKEY_free(key->native);
    if (key->token != NULL) {
        estoc_key_token_release(key->token);
    }
    estoc_wipe(key, sizeof *key);
    free(key);
}
