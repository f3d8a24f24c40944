/* SPDX-License-Identifier: MIT
 *
 * What `openssl cms` makes of it is tested over the wire (tests/conformance/keygen_cms.c).
 */
#include "folder.h"

#include <openssl/asn1.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "cms.h"

struct party {
    estoc_key *key;
    estoc_blobs chain; /* its certificate, signed by itself */
};

static struct party server, server_384, server_ed, ec, ec_384, rsa, other;
static const estoc_shared_key kek_128 = {{'a'}, 1, {1, 2, 3}, 16};
static const estoc_shared_key kek_256 = {{'b', 'b'}, 2, {4, 5, 6}, 32};
static uint8_t made[ESTOC_PKCS8_MAX];
static estoc_slice secret;

static void add_ext(X509 *x, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, x, x, NULL, NULL, 0);
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    assert_non_null(ext);
    assert_int_equal(X509_add_ext(x, ext, -1), 1);
    X509_EXTENSION_free(ext);
}

/* @param usage  NULL: none. @param ski  whether it has one */
static estoc_blob cert_of(const estoc_key *key, const char *usage, bool ski)
{
    static long serial;
    estoc_blob out;
    uint8_t *der = NULL;
    EVP_PKEY *native = estoc_key_native(key);
    X509 *x = X509_new();
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), ++serial);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_UTF8,
                               (const unsigned char *)"x", -1, -1, 0);
    X509_set_issuer_name(x, X509_get_subject_name(x));
    X509_gmtime_adj(X509_getm_notBefore(x), -60);
    X509_gmtime_adj(X509_getm_notAfter(x), 3600);
    X509_set_pubkey(x, native);
    if (usage != NULL) {
        add_ext(x, NID_key_usage, usage);
    }
    if (ski) {
        add_ext(x, NID_subject_key_identifier, "hash");
    }
    bool pure = estoc_key_kind_of(key) == ESTOC_KEY_ED25519;
    assert_true(X509_sign(x, native, pure ? NULL : EVP_sha256()) > 0);
    int len = i2d_X509(x, &der);
    assert_int_equal(estoc_blob_copy(estoc_slice_of(der, (size_t)len), &out), 0);
    OPENSSL_free(der);
    X509_free(x);
    return out;
}

static void party(struct party *p, estoc_key_kind kind, const char *usage)
{
    assert_int_equal(estoc_key_generate(kind, &p->key), 0);
    estoc_blob der = cert_of(p->key, usage, true);
    assert_int_equal(estoc_blobs_add(&p->chain, estoc_blob_slice(der)), 0);
    estoc_blob_free(&der);
}

static int set_up(void **state)
{
    size_t len;
    party(&server, ESTOC_KEY_P256, "digitalSignature");
    party(&server_384, ESTOC_KEY_P384, "digitalSignature");
    party(&server_ed, ESTOC_KEY_ED25519, "digitalSignature");
    party(&ec, ESTOC_KEY_P256, NULL);
    party(&ec_384, ESTOC_KEY_P384, "digitalSignature,keyAgreement");
    party(&rsa, ESTOC_KEY_RSA, "keyEncipherment");
    party(&other, ESTOC_KEY_P256, NULL);
    estoc_key *key;
    assert_int_equal(estoc_key_generate(ESTOC_KEY_P256, &key), 0);
    assert_int_equal(estoc_key_pkcs8(key, (estoc_buf){made, sizeof made}, &len), 0);
    secret = estoc_slice_of(made, len);
    estoc_key_free(key);
    return folder_make(state);
}

static int tear_down(void **state)
{
    struct party *const all[] = {&server, &server_384, &server_ed, &ec, &ec_384, &rsa, &other};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        estoc_key_free(all[i]->key);
        estoc_blobs_free(&all[i]->chain);
    }
    return folder_remove(state);
}

static estoc_slice cert(const struct party *p)
{
    return estoc_blob_slice(p->chain.at[0]);
}

static estoc_cms_from from(const struct party *p)
{
    return (estoc_cms_from){p->key, &p->chain};
}

static estoc_blob sealed(const struct party *by, estoc_cms_to to)
{
    estoc_blob out;
    estoc_cms_from f = from(by);
    assert_int_equal(estoc_cms_seal(secret, &f, &to, &out), 0);
    assert_int_equal(ERR_peek_error(), 0);
    return out;
}

static void assert_opens(estoc_slice cms, estoc_cms_opener with, const struct party *by)
{
    estoc_blob pkcs8;
    estoc_blobs signer;
    assert_int_equal(estoc_cms_open(cms, &with, &pkcs8, &signer), 0);
    assert_true(estoc_slice_eq(estoc_blob_slice(pkcs8), secret));
    assert_int_equal(signer.n, by->chain.n);
    for (size_t i = 0; i < signer.n; i++) {
        assert_true(
            estoc_slice_eq(estoc_blob_slice(signer.at[i]), estoc_blob_slice(by->chain.at[i])));
    }
    estoc_blob_free(&pkcs8);
    estoc_blobs_free(&signer);
    assert_int_equal(ERR_peek_error(), 0);
}

static void assert_closed(estoc_slice cms, estoc_cms_opener with, estoc_err want)
{
    estoc_blob pkcs8 = {made, 1};
    estoc_blobs signer;
    assert_int_equal(estoc_cms_open(cms, &with, &pkcs8, &signer), want);
    assert_null(pkcs8.ptr);
    assert_null(signer.at);
    assert_int_equal(ERR_peek_error(), 0);
}

static void every_way(void **state)
{
    (void)state;
    const struct party *const to[] = {&ec, &ec_384, &rsa};
    for (int aes256 = 0; aes256 < 2; aes256++) {
        const estoc_shared_key *const shared[] = {&kek_128, &kek_256};
        for (size_t i = 0; i < 2; i++) {
            estoc_blob cms = sealed(&server, (estoc_cms_to){.shared = shared[i], .aes256 = aes256});
            assert_opens(estoc_blob_slice(cms), (estoc_cms_opener){.shared = shared[i]}, &server);
            estoc_blob_free(&cms);
        }
        for (size_t i = 0; i < 3; i++) {
            estoc_blob cms =
                sealed(&server_384, (estoc_cms_to){.cert = cert(to[i]), .aes256 = aes256});
            assert_opens(estoc_blob_slice(cms),
                         (estoc_cms_opener){.key = to[i]->key, .cert = cert(to[i])}, &server_384);
            estoc_blob_free(&cms);
        }
    }
}

/* Intermediates go along. */
static void a_chain(void **state)
{
    (void)state;
    assert_int_equal(estoc_blobs_add(&server.chain, cert(&other)), 0);
    estoc_blob cms = sealed(&server, (estoc_cms_to){.shared = &kek_128});
    assert_opens(estoc_blob_slice(cms), (estoc_cms_opener){.shared = &kek_128}, &server);
    estoc_blob_free(&cms);
    estoc_blob_free(&server.chain.at[--server.chain.n]);
}

static void not_for_this_key(void **state)
{
    (void)state;
    estoc_shared_key wrong = kek_128;
    wrong.key[0] ^= 1;
    estoc_blob cms = sealed(&server, (estoc_cms_to){.shared = &kek_128});
    assert_closed(estoc_blob_slice(cms), (estoc_cms_opener){.shared = &kek_256}, ESTOC_E_KEY);
    assert_closed(estoc_blob_slice(cms), (estoc_cms_opener){.shared = &wrong}, ESTOC_E_KEY);
    assert_closed(estoc_blob_slice(cms), (estoc_cms_opener){.key = ec.key, .cert = cert(&ec)},
                  ESTOC_E_KEY);
    estoc_blob_free(&cms);
    cms = sealed(&server, (estoc_cms_to){.cert = cert(&ec)});
    assert_closed(estoc_blob_slice(cms), (estoc_cms_opener){.key = other.key, .cert = cert(&other)},
                  ESTOC_E_KEY);
    assert_closed(estoc_blob_slice(cms), (estoc_cms_opener){.shared = &kek_128}, ESTOC_E_KEY);
    estoc_blob_free(&cms);
}

/* Each byte, cut and altered: it never opens as something else. */
static void damaged(void **state)
{
    (void)state;
    estoc_blob cms = sealed(&server, (estoc_cms_to){.shared = &kek_128});
    for (size_t i = 0; i < cms.len; i++) {
        estoc_blob pkcs8;
        estoc_blobs signer;
        const estoc_cms_opener with = {.shared = &kek_128};
        cms.ptr[i] ^= 0x20;
        if (estoc_cms_open(estoc_blob_slice(cms), &with, &pkcs8, &signer) == ESTOC_OK) {
            assert_true(estoc_slice_eq(estoc_blob_slice(pkcs8), secret)); /* a name in a header */
        }
        estoc_blob_free(&pkcs8);
        estoc_blobs_free(&signer);
        cms.ptr[i] ^= 0x20;
        if (i % 16 == 0) {
            assert_closed(estoc_slice_of(cms.ptr, i), with, ESTOC_E_MALFORMED);
        }
    }
    estoc_blob_free(&cms);
    assert_closed(estoc_slice_str("no CMS"), (estoc_cms_opener){.shared = &kek_128},
                  ESTOC_E_MALFORMED);
}

static void ways(void **state)
{
    (void)state;
    static const struct {
        struct party *p;
        const char *usage;
        bool ski;
        estoc_cms_way way;
    } rows[] = {{&ec, NULL, true, ESTOC_CMS_AGREEMENT},
                {&ec, "keyAgreement", true, ESTOC_CMS_AGREEMENT},
                {&ec, "digitalSignature", true, ESTOC_CMS_NO_WAY},
                {&ec, "keyEncipherment", true, ESTOC_CMS_NO_WAY},
                {&ec, NULL, false, ESTOC_CMS_NO_WAY},
                {&ec_384, "digitalSignature,keyAgreement", true, ESTOC_CMS_AGREEMENT},
                {&rsa, NULL, true, ESTOC_CMS_TRANSPORT},
                {&rsa, "keyEncipherment", true, ESTOC_CMS_TRANSPORT},
                {&rsa, "digitalSignature,keyAgreement", true, ESTOC_CMS_NO_WAY},
                {&server_ed, NULL, true, ESTOC_CMS_NO_WAY}};
    estoc_cms_from f = from(&server);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        estoc_blob der = cert_of(rows[i].p->key, rows[i].usage, rows[i].ski);
        assert_int_equal(estoc_cms_way_to(estoc_blob_slice(der)), rows[i].way);
        estoc_blob out;
        const estoc_cms_to to = {.cert = estoc_blob_slice(der)};
        assert_int_equal(estoc_cms_seal(secret, &f, &to, &out),
                         rows[i].way == ESTOC_CMS_NO_WAY ? ESTOC_E_KEY : ESTOC_OK);
        estoc_blob_free(&out);
        estoc_blob_free(&der);
    }
    assert_int_equal(estoc_cms_way_to(estoc_slice_str("none")), ESTOC_CMS_NO_WAY);
    assert_int_equal(ERR_peek_error(), 0);
}

static void who_cannot_sign(void **state)
{
    (void)state;
    estoc_blob out = {made, 1};
    estoc_cms_from f = from(&server_ed);
    const estoc_cms_to to = {.shared = &kek_128};
    assert_int_equal(estoc_cms_seal(secret, &f, &to, &out), ESTOC_E_UNSUPPORTED);
    assert_null(out.ptr);
    f = (estoc_cms_from){server.key, &other.chain}; /* another's certificate */
    assert_int_equal(estoc_cms_seal(secret, &f, &to, &out), ESTOC_E_CRYPTO);
    const estoc_blobs none = {NULL, 0};
    f.chain = &none;
    assert_int_equal(estoc_cms_seal(secret, &f, &to, &out), ESTOC_E_CRYPTO);
    assert_int_equal(ERR_peek_error(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"E5 HC 189 sealed and opened: AES key, ECDH, RSA", every_way, NULL, NULL, NULL},
        {"E5 the signer's intermediates go along", a_chain, NULL, NULL, NULL},
        {"E5 another's key does not open it", not_for_this_key, NULL, NULL, NULL},
        {"E5 damaged, it does not open as something else", damaged, NULL, NULL, NULL},
        {"E5 HC 189 to which certificates, and how", ways, NULL, NULL, NULL},
        {"E5 who cannot sign", who_cannot_sign, NULL, NULL, NULL},
    };
    return cmocka_run_group_tests_name("crypto/cms", tests, set_up, tear_down);
}
