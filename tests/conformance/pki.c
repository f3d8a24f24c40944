/* SPDX-License-Identifier: MIT */
#include "pki.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/pem.h>
#include <openssl/pkcs7.h>
#include <openssl/x509v3.h>

EVP_PKEY *key_new(const char *group)
{
    EVP_PKEY *key;
    if (strncmp(group, "RSA", 3) == 0) {
        key = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)strtoul(group + 3, NULL, 10));
    } else if (strcmp(group, "ED25519") == 0 || strcmp(group, "X25519") == 0) {
        key = EVP_PKEY_Q_keygen(NULL, NULL, group);
    } else {
        key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", group);
    }
    assert_non_null(key);
    return key;
}

EVP_PKEY *key_read(const char *file)
{
    BIO *b = BIO_new_file(file, "r");
    assert_non_null(b);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(b, NULL, NULL, NULL);
    BIO_free(b);
    assert_non_null(key);
    return key;
}

X509 *cert_read(const char *file)
{
    BIO *b = BIO_new_file(file, "r");
    assert_non_null(b);
    X509 *cert = PEM_read_bio_X509(b, NULL, NULL, NULL);
    BIO_free(b);
    assert_non_null(cert);
    return cert;
}

void key_write(EVP_PKEY *key, const char *file)
{
    BIO *b = BIO_new_file(file, "w");
    assert_non_null(b);
    assert_int_equal(PEM_write_bio_PrivateKey(b, key, NULL, NULL, 0, NULL, NULL), 1);
    BIO_free(b);
}

void cert_write(X509 *cert, const char *file, const char *mode)
{
    BIO *b = BIO_new_file(file, mode);
    assert_non_null(b);
    assert_int_equal(PEM_write_bio_X509(b, cert), 1);
    BIO_free(b);
}

static const EVP_MD *digest_for(EVP_PKEY *key)
{
    return EVP_PKEY_is_a(key, "ED25519") ? NULL : EVP_sha256();
}

static void extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    assert_non_null(ext);
    assert_int_equal(X509_add_ext(cert, ext, -1), 1);
    X509_EXTENSION_free(ext);
}

static void extensions(X509 *cert, const cert_cfg *c)
{
    X509 *issuer = c->issuer != NULL ? c->issuer : cert;
    const char *usage = c->key_usage != NULL ? c->key_usage
                        : c->ca              ? "critical,keyCertSign,cRLSign"
                                             : "critical,digitalSignature";
    const char *eku = c->eku != NULL ? c->eku : c->ca ? "" : "clientAuth";
    if (c->ca) {
        extension(cert, issuer, NID_basic_constraints, "critical,CA:TRUE");
    }
    if (*usage != '\0') {
        extension(cert, issuer, NID_key_usage, usage);
    }
    if (*eku != '\0') {
        extension(cert, issuer, NID_ext_key_usage, eku);
    }
    extension(cert, issuer, NID_subject_key_identifier, c->ski_hex != NULL ? c->ski_hex : "hash");
    if (c->issuer != NULL) {
        extension(cert, issuer, NID_authority_key_identifier, "keyid:always");
    }
    if (c->san != NULL) {
        extension(cert, issuer, NID_subject_alt_name, c->san);
    }
}

X509 *cert_new(EVP_PKEY *key, const cert_cfg *c)
{
    static long serial = 4096;
    X509 *cert = X509_new();
    X509_NAME *name = X509_get_subject_name(cert);
    assert_int_equal(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                                                (const unsigned char *)c->cn, -1, -1, 0),
                     1);
    X509_set_version(cert, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(cert), c->from_s != 0 ? c->from_s : -3600);
    X509_gmtime_adj(X509_getm_notAfter(cert), c->until_s != 0 ? c->until_s : 86400);
    X509_set_issuer_name(cert, c->issuer != NULL ? X509_get_subject_name(c->issuer) : name);
    X509_set_pubkey(cert, key);
    extensions(cert, c);
    EVP_PKEY *signer = c->issuer_key != NULL ? c->issuer_key : key;
    assert_true(X509_sign(cert, signer, digest_for(signer)) > 0);
    return cert;
}

static X509_NAME *name_of(const char *subject)
{
    X509_NAME *name = X509_NAME_new();
    char text[256];
    assert_true(strlen(subject) < sizeof text);
    strcpy(text, subject);
    for (char *part = strtok(text, ","); part != NULL; part = strtok(NULL, ",")) {
        char *value = strchr(part, '=');
        assert_non_null(value);
        *value++ = '\0';
        assert_int_equal(X509_NAME_add_entry_by_txt(name, part, MBSTRING_UTF8,
                                                    (unsigned char *)value, -1, -1, 0),
                         1);
    }
    return name;
}

void csr_new(EVP_PKEY *key, const char *subject, const char *san, body *out)
{
    X509_REQ *req = X509_REQ_new();
    X509_NAME *name = name_of(subject);
    X509_REQ_set_subject_name(req, name);
    X509_REQ_set_pubkey(req, key);
    if (san != NULL) {
        STACK_OF(X509_EXTENSION) *exts = sk_X509_EXTENSION_new_null();
        X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, san);
        assert_non_null(ext);
        sk_X509_EXTENSION_push(exts, ext);
        X509_REQ_add_extensions(req, exts);
        sk_X509_EXTENSION_pop_free(exts, X509_EXTENSION_free);
    }
    assert_true(X509_REQ_sign(req, key, digest_for(key)) > 0);
    unsigned char *at = out->bytes;
    int len = i2d_X509_REQ(req, NULL);
    assert_in_range(len, 1, (int)sizeof out->bytes);
    out->len = (size_t)i2d_X509_REQ(req, &at);
    X509_NAME_free(name);
    X509_REQ_free(req);
}

void subject_of(const X509 *cert, body *out)
{
    unsigned char *at = out->bytes;
    out->len = (size_t)i2d_X509_NAME(X509_get_subject_name(cert), &at);
}

STACK_OF(X509) * certs_of(const body *cms)
{
    const unsigned char *at = cms->bytes;
    PKCS7 *p7 = d2i_PKCS7(NULL, &at, (long)cms->len);
    assert_non_null(p7);
    assert_ptr_equal(at, cms->bytes + cms->len); /* nothing behind it */
    assert_true(PKCS7_type_is_signed(p7));
    const PKCS7_SIGNED *s = p7->d.sign;
    assert_int_equal(sk_PKCS7_SIGNER_INFO_num(s->signer_info), 0);
    assert_int_equal(OBJ_obj2nid(s->contents->type), NID_pkcs7_data);
    assert_true(s->contents->d.data == NULL); /* no eContent */
    assert_non_null(s->cert);
    STACK_OF(X509) *certs = X509_chain_up_ref(s->cert);
    PKCS7_free(p7);
    return certs;
}

X509 *cert_for(const body *answer, int format, EVP_PKEY *key)
{
    X509 *found = NULL;
    if (format == 287) {
        const unsigned char *at = answer->bytes;
        found = d2i_X509(NULL, &at, (long)answer->len);
        assert_non_null(found);
        assert_ptr_equal(at, answer->bytes + answer->len);
        assert_int_equal(EVP_PKEY_eq(X509_get0_pubkey(found), key), 1);
        return found;
    }
    STACK_OF(X509) *certs = certs_of(answer);
    for (int i = 0; i < sk_X509_num(certs); i++) {
        X509 *cert = sk_X509_value(certs, i);
        if (EVP_PKEY_eq(X509_get0_pubkey(cert), key) == 1) {
            X509_up_ref(cert);
            found = cert;
        }
    }
    sk_X509_pop_free(certs, X509_free);
    assert_non_null(found);
    return found;
}

bool chains_to(X509 *cert, const char *ta_file)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    assert_int_equal(X509_STORE_load_file(store, ta_file), 1);
    assert_int_equal(X509_STORE_CTX_init(ctx, store, cert, NULL), 1);
    bool good = X509_verify_cert(ctx) == 1;
    X509_STORE_CTX_free(ctx);
    X509_STORE_free(store);
    return good;
}

void cert_turn_signature(X509 *cert)
{
    const ASN1_BIT_STRING *bits;
    X509_get0_signature(&bits, NULL, cert);
    const uint8_t *at = bits->data;
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &at, bits->length);
    EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    BIGNUM *s = BN_new();
    assert_int_equal(BN_sub(s, EC_GROUP_get0_order(group), ECDSA_SIG_get0_s(sig)), 1);
    assert_int_equal(ECDSA_SIG_set0(sig, BN_dup(ECDSA_SIG_get0_r(sig)), s), 1);
    uint8_t der[128];
    uint8_t *end = der;
    int len = i2d_ECDSA_SIG(sig, &end);
    assert_true(len > 0);
    assert_int_equal(ASN1_STRING_set((ASN1_STRING *)(uintptr_t)bits, der, len), 1);
    ECDSA_SIG_free(sig);
    EC_GROUP_free(group);
}
