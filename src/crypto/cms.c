/* SPDX-License-Identifier: MIT
 *
 * OpenSSL's own loop over the content (CMS_final, CMS_encrypt) leaves a copy of it on the stack: here
 * the bytes go into its filters directly, and what it keeps of them is wiped.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/cms.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "cms.h"

#define CERTS_MAX 16
#define EXTRA     64 /* bytes of headers around what is wrapped once more */

/* id-ct-KP-aKeyPackage. RFC 5958 section 6 */
#define KEY_PACKAGE "2.16.840.1.101.2.1.2.78.5"

static X509 *parse_cert(estoc_slice der)
{
    const unsigned char *p = der.ptr;
    return der.len <= LONG_MAX ? d2i_X509(NULL, &p, (long)der.len) : NULL;
}

estoc_cms_way estoc_cms_way_to(estoc_slice cert)
{
    estoc_cms_way way = ESTOC_CMS_NO_WAY;
    estoc_cert parsed;
    X509 *x = parse_cert(cert);
    if (x != NULL && !estoc_cert_parse(&parsed, cert) && parsed.ski.len > 0) {
        uint32_t usage = X509_get_key_usage(x); /* all bits if there is none */
        estoc_key_kind kind = parsed.spki.kind;
        if ((kind == ESTOC_KEY_P256 || kind == ESTOC_KEY_P384) && (usage & KU_KEY_AGREEMENT) != 0) {
            way = ESTOC_CMS_AGREEMENT;
        } else if (kind == ESTOC_KEY_RSA && (usage & KU_KEY_ENCIPHERMENT) != 0) {
            way = ESTOC_CMS_TRANSPORT;
        }
    }
    X509_free(x);
    ERR_clear_error();
    return way;
}

/* ---- writing ---- */

/* The content through a CMS that has been set up. */
static bool fill(CMS_ContentInfo *cms, estoc_slice content)
{
    BIO *bio = CMS_dataInit(cms, NULL);
    bool good = bio != NULL && BIO_write(bio, content.ptr, (int)content.len) == (int)content.len &&
                BIO_flush(bio) == 1 && CMS_dataFinal(cms, bio) == 1;
    BIO_free_all(bio);
    return good;
}

static estoc_err encode(const CMS_ContentInfo *cms, estoc_blob *out)
{
    int len = i2d_CMS_ContentInfo((CMS_ContentInfo *)(uintptr_t)cms, NULL);
    uint8_t *p = len > 0 ? malloc((size_t)len) : NULL;
    if (p == NULL) {
        return len > 0 ? ESTOC_E_MEMORY : ESTOC_E_CRYPTO;
    }
    *out = (estoc_blob){p, (size_t)len};
    if (i2d_CMS_ContentInfo((CMS_ContentInfo *)(uintptr_t)cms, &p) != len) {
        estoc_blob_free(out);
        return ESTOC_E_CRYPTO;
    }
    return ESTOC_OK;
}

/* AsymmetricKeyPackage of one key. */
static estoc_err put_package(estoc_slice pkcs8, estoc_blob *out)
{
    size_t room = pkcs8.len + EXTRA;
    *out = (estoc_blob){malloc(room), 0};
    if (out->ptr == NULL) {
        return ESTOC_E_MEMORY;
    }
    estoc_writer w = estoc_writer_of((estoc_buf){out->ptr, room});
    estoc_der_put(&w, ESTOC_DER_SEQUENCE, pkcs8);
    return estoc_writer_end(&w, &out->len);
}

static bool add_certs(CMS_ContentInfo *cms, const estoc_blobs *chain)
{
    bool good = true;
    for (size_t i = 1; good && i < chain->n; i++) {
        X509 *x = parse_cert(estoc_blob_slice(chain->at[i]));
        good = x != NULL && CMS_add1_cert(cms, x) == 1;
        X509_free(x);
    }
    return good;
}

static CMS_ContentInfo *new_signed(const estoc_cms_from *from, X509 *cert)
{
    enum { FLAGS = CMS_BINARY | CMS_PARTIAL | CMS_NOSMIMECAP };
    EVP_PKEY *key = estoc_key_native(from->key);
    ASN1_OBJECT *type = OBJ_txt2obj(KEY_PACKAGE, 1);
    const EVP_MD *md = estoc_key_kind_of(from->key) == ESTOC_KEY_P384 ? EVP_sha384() : EVP_sha256();
    CMS_ContentInfo *cms = CMS_sign(NULL, NULL, NULL, NULL, FLAGS);
    bool good = cms != NULL && type != NULL && CMS_set1_eContentType(cms, type) == 1 &&
                CMS_add1_signer(cms, cert, key, md, FLAGS) != NULL && add_certs(cms, from->chain);
    ASN1_OBJECT_free(type);
    if (!good) {
        CMS_ContentInfo_free(cms);
        cms = NULL;
    }
    return cms;
}

static estoc_err put_signed(estoc_slice package, const estoc_cms_from *from, estoc_blob *out)
{
    if (estoc_key_kind_of(from->key) == ESTOC_KEY_ED25519) {
        return ESTOC_E_UNSUPPORTED; /* OpenSSL 3.0 has no RFC 8419 */
    }
    X509 *cert = from->chain->n > 0 ? parse_cert(estoc_blob_slice(from->chain->at[0])) : NULL;
    CMS_ContentInfo *cms = cert != NULL ? new_signed(from, cert) : NULL;
    estoc_err err = cms != NULL && fill(cms, package) ? ESTOC_OK : ESTOC_E_CRYPTO;
    err = err ? err : encode(cms, out);
    ASN1_OCTET_STRING **content = cms != NULL ? CMS_get0_content(cms) : NULL;
    if (content != NULL && *content != NULL) {
        OPENSSL_cleanse((*content)->data, (size_t)(*content)->length);
    }
    CMS_ContentInfo_free(cms);
    X509_free(cert);
    return err;
}

/* The content of a ContentInfo, without its type: what is encrypted.        RFC 5652 section 6.3 */
static estoc_slice content_of(estoc_slice info)
{
    estoc_reader r = estoc_reader_of(info);
    estoc_reader in = estoc_der_enter(&r, ESTOC_DER_SEQUENCE);
    (void)estoc_der_oid(&in);
    return estoc_der_expect(&in, ESTOC_DER_CONTEXT_CONSTRUCTED(0));
}

/* OpenSSL takes the copies over. */
static bool add_shared(CMS_ContentInfo *cms, const estoc_shared_key *shared)
{
    int wrap = shared->key_len == 32 ? NID_id_aes256_wrap : NID_id_aes128_wrap;
    uint8_t *key = OPENSSL_memdup(shared->key, shared->key_len);
    uint8_t *id = OPENSSL_memdup(shared->id, shared->id_len);
    if (key != NULL && id != NULL &&
        CMS_add0_recipient_key(cms, wrap, key, shared->key_len, id, shared->id_len, NULL, NULL,
                               NULL) != NULL) {
        return true;
    }
    OPENSSL_clear_free(key, shared->key_len);
    OPENSSL_free(id);
    return false;
}

static bool add_cert(CMS_ContentInfo *cms, estoc_slice der, estoc_cms_way way)
{
    X509 *x = parse_cert(der);
    CMS_RecipientInfo *to =
        x != NULL ? CMS_add1_recipient_cert(cms, x, CMS_USE_KEYID | CMS_KEY_PARAM) : NULL;
    EVP_PKEY_CTX *ctx = to != NULL ? CMS_RecipientInfo_get0_pkey_ctx(to) : NULL;
    X509_free(x);
    if (ctx == NULL) {
        return false;
    }
    return way == ESTOC_CMS_AGREEMENT
               ? EVP_PKEY_CTX_set_ecdh_kdf_md(ctx, EVP_sha256()) == 1
               : EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) == 1 &&
                     EVP_PKEY_CTX_set_rsa_oaep_md(ctx, EVP_sha256()) == 1 &&
                     EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, EVP_sha256()) == 1;
}

static estoc_err put_enveloped(estoc_slice content, const estoc_cms_to *to, estoc_blob *out)
{
    estoc_cms_way way = to->shared == NULL ? estoc_cms_way_to(to->cert) : ESTOC_CMS_NO_WAY;
    if (to->shared == NULL && way == ESTOC_CMS_NO_WAY) {
        return ESTOC_E_KEY;
    }
    CMS_ContentInfo *cms =
        CMS_EnvelopedData_create(to->aes256 ? EVP_aes_256_cbc() : EVP_aes_128_cbc());
    bool good = cms != NULL && CMS_set_detached(cms, 0) == 1 &&
                CMS_set1_eContentType(cms, OBJ_nid2obj(NID_pkcs7_signed)) == 1 &&
                (to->shared != NULL ? add_shared(cms, to->shared) : add_cert(cms, to->cert, way)) &&
                fill(cms, content);
    estoc_err err = good ? encode(cms, out) : ESTOC_E_CRYPTO;
    CMS_ContentInfo_free(cms);
    return err;
}

estoc_err estoc_cms_seal(estoc_slice pkcs8, const estoc_cms_from *from, const estoc_cms_to *to,
                         estoc_blob *out)
{
    estoc_blob package = {NULL, 0};
    estoc_blob signed_data = {NULL, 0};
    *out = (estoc_blob){NULL, 0};
    estoc_err err = put_package(pkcs8, &package);
    err = err ? err : put_signed(estoc_blob_slice(package), from, &signed_data);
    err = err ? err : put_enveloped(content_of(estoc_blob_slice(signed_data)), to, out);
    estoc_blob_free(&package);
    estoc_blob_free(&signed_data);
    ERR_clear_error();
    return err;
}

/* ---- reading ---- */

static CMS_ContentInfo *parse_cms(estoc_slice der, int type)
{
    const unsigned char *p = der.ptr;
    CMS_ContentInfo *cms =
        der.len <= LONG_MAX ? d2i_CMS_ContentInfo(NULL, &p, (long)der.len) : NULL;
    if (cms != NULL && (p != der.ptr + der.len || OBJ_obj2nid(CMS_get0_type(cms)) != type)) {
        CMS_ContentInfo_free(cms);
        cms = NULL;
    }
    return cms;
}

static bool unlock(CMS_ContentInfo *cms, const estoc_cms_opener *with)
{
    const estoc_shared_key *s = with->shared;
    if (s != NULL) { /* OpenSSL only reads key and identifier */
        return CMS_decrypt_set1_key(cms, (uint8_t *)(uintptr_t)s->key, s->key_len, s->id,
                                    s->id_len) == 1;
    }
    X509 *x = parse_cert(with->cert);
    bool good = x != NULL && CMS_decrypt_set1_pkey(cms, estoc_key_native(with->key), x) == 1;
    X509_free(x);
    return good;
}

static estoc_err take_memory(BIO *mem, estoc_blob *out)
{
    char *bytes;
    long len = BIO_get_mem_data(mem, &bytes);
    return estoc_blob_copy(estoc_slice_of(bytes, len > 0 ? (size_t)len : 0), out);
}

/* What was encrypted, as a ContentInfo of SignedData again. */
static estoc_err wrap_signed(estoc_slice content, estoc_blob *out)
{
    static const uint8_t signed_data[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02};
    size_t room = content.len + EXTRA;
    *out = (estoc_blob){malloc(room), 0};
    if (out->ptr == NULL) {
        return ESTOC_E_MEMORY;
    }
    estoc_writer w = estoc_writer_of((estoc_buf){out->ptr, room});
    size_t info = estoc_der_open(&w, ESTOC_DER_SEQUENCE);
    estoc_der_put(&w, ESTOC_DER_OID, estoc_slice_of(signed_data, sizeof signed_data));
    estoc_der_put(&w, ESTOC_DER_CONTEXT_CONSTRUCTED(0), content);
    estoc_der_close(&w, info);
    return estoc_writer_end(&w, &out->len);
}

static estoc_err open_envelope(estoc_slice der, const estoc_cms_opener *with, estoc_blob *out)
{
    estoc_blob content = {NULL, 0};
    CMS_ContentInfo *cms = parse_cms(der, NID_pkcs7_enveloped);
    BIO *mem = BIO_new(BIO_s_mem());
    estoc_err err = mem == NULL   ? ESTOC_E_MEMORY
                    : cms == NULL ? ESTOC_E_MALFORMED
                    : OBJ_obj2nid(CMS_get0_eContentType(cms)) != NID_pkcs7_signed
                        ? ESTOC_E_MALFORMED
                    : !unlock(cms, with)                                       ? ESTOC_E_KEY
                    : CMS_decrypt(cms, NULL, NULL, NULL, mem, CMS_BINARY) != 1 ? ESTOC_E_KEY
                                                                               : ESTOC_OK;
    err = err ? err : take_memory(mem, &content);
    err = err ? err : wrap_signed(estoc_blob_slice(content), out);
    estoc_blob_free(&content);
    BIO_free(mem); /* wipes */
    CMS_ContentInfo_free(cms);
    return err;
}

static estoc_err add_x509(X509 *x, estoc_blobs *list)
{
    uint8_t *der = NULL;
    int len = i2d_X509(x, &der);
    estoc_err err =
        len > 0 ? estoc_blobs_add(list, estoc_slice_of(der, (size_t)len)) : ESTOC_E_MALFORMED;
    OPENSSL_free(der);
    return err;
}

/* The one signer first, then whatever else came along. */
static estoc_err take_signer(CMS_ContentInfo *cms, estoc_blobs *out)
{
    STACK_OF(X509) *signers = CMS_get0_signers(cms);
    STACK_OF(X509) *all = CMS_get1_certs(cms);
    estoc_err err = sk_X509_num(signers) == 1 && sk_X509_num(all) <= CERTS_MAX
                        ? add_x509(sk_X509_value(signers, 0), out)
                        : ESTOC_E_MALFORMED;
    for (int i = 0; !err && i < sk_X509_num(all); i++) {
        if (X509_cmp(sk_X509_value(all, i), sk_X509_value(signers, 0)) != 0) {
            err = add_x509(sk_X509_value(all, i), out);
        }
    }
    sk_X509_pop_free(all, X509_free);
    sk_X509_free(signers);
    return err;
}

/* AsymmetricKeyPackage of one key. */
static estoc_err take_package(estoc_slice package, estoc_blob *pkcs8)
{
    estoc_der key;
    estoc_reader outer = estoc_reader_of(package);
    estoc_reader r = estoc_der_enter(&outer, ESTOC_DER_SEQUENCE);
    estoc_der_next(&r, &key);
    return estoc_reader_end(&outer) || estoc_reader_end(&r) ? ESTOC_E_MALFORMED
                                                            : estoc_blob_copy(key.whole, pkcs8);
}

static bool is_package(CMS_ContentInfo *cms)
{
    char type[64] = "";
    OBJ_obj2txt(type, sizeof type, CMS_get0_eContentType(cms), 1);
    return strcmp(type, KEY_PACKAGE) == 0;
}

static estoc_err open_signed(estoc_slice der, estoc_blob *pkcs8, estoc_blobs *signer)
{
    estoc_blob package = {NULL, 0};
    CMS_ContentInfo *cms = parse_cms(der, NID_pkcs7_signed);
    BIO *mem = BIO_new(BIO_s_mem());
    estoc_err err =
        mem == NULL                       ? ESTOC_E_MEMORY
        : cms == NULL || !is_package(cms) ? ESTOC_E_MALFORMED
        : CMS_verify(cms, NULL, NULL, NULL, mem, CMS_BINARY | CMS_NO_SIGNER_CERT_VERIFY) != 1
            ? ESTOC_E_SIGNATURE
            : ESTOC_OK;
    err = err ? err : take_memory(mem, &package);
    err = err ? err : take_signer(cms, signer);
    err = err ? err : take_package(estoc_blob_slice(package), pkcs8);
    ASN1_OCTET_STRING **content = cms != NULL ? CMS_get0_content(cms) : NULL;
    if (content != NULL && *content != NULL) {
        OPENSSL_cleanse((*content)->data, (size_t)(*content)->length);
    }
    estoc_blob_free(&package);
    BIO_free(mem);
    CMS_ContentInfo_free(cms);
    return err;
}

estoc_err estoc_cms_open(estoc_slice cms, const estoc_cms_opener *with, estoc_blob *pkcs8,
                         estoc_blobs *signer)
{
    estoc_blob signed_data = {NULL, 0};
    *pkcs8 = (estoc_blob){NULL, 0};
    *signer = (estoc_blobs){NULL, 0};
    estoc_err err = open_envelope(cms, with, &signed_data);
    err = err ? err : open_signed(estoc_blob_slice(signed_data), pkcs8, signer);
    estoc_blob_free(&signed_data);
    if (err) {
        estoc_blob_free(pkcs8);
        estoc_blobs_free(signer);
    }
    ERR_clear_error();
    return err;
}
