/* SPDX-License-Identifier: MIT
 *
 * DER by hand: requests that OpenSSL would not make.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/objects.h>

#include "pki.h"

void der_add(body *b, const void *bytes, size_t len)
{
    assert_true(len <= sizeof b->bytes - b->len);
    if (len > 0) {
        memmove(b->bytes + b->len, bytes, len);
    }
    b->len += len;
}

void der_wrap(body *b, unsigned tag)
{
    uint8_t head[4] = {(uint8_t)tag};
    size_t n = 1;
    if (b->len >= 256) {
        head[n++] = 0x82;
        head[n++] = (uint8_t)(b->len >> 8);
    } else if (b->len >= 128) {
        head[n++] = 0x81;
    }
    head[n++] = (uint8_t)b->len;
    assert_true(n <= sizeof b->bytes - b->len);
    memmove(b->bytes + n, b->bytes, b->len);
    memcpy(b->bytes, head, n);
    b->len += n;
}

void der_tlv(body *b, unsigned tag, const void *content, size_t len)
{
    static body one;
    one.len = 0;
    der_add(&one, content, len);
    der_wrap(&one, tag);
    der_add(b, one.bytes, one.len);
}

void der_oid(body *out, const char *oid)
{
    ASN1_OBJECT *obj = OBJ_txt2obj(oid, 1);
    unsigned char der[128], *at = der;
    assert_non_null(obj);
    int len = i2d_ASN1_OBJECT(obj, NULL);
    assert_in_range(len, 1, (int)sizeof der);
    i2d_ASN1_OBJECT(obj, &at);
    der_add(out, der, (size_t)len);
    ASN1_OBJECT_free(obj);
}

static void sign(EVP_PKEY *key, const body *data, body *out)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool pure = EVP_PKEY_is_a(key, "ED25519");
    size_t len = sizeof out->bytes - 1;
    out->bytes[0] = 0; /* no unused bits */
    assert_int_equal(EVP_DigestSignInit(ctx, NULL, pure ? NULL : EVP_sha256(), NULL, key), 1);
    assert_int_equal(EVP_DigestSign(ctx, out->bytes + 1, &len, data->bytes, data->len), 1);
    out->len = len + 1;
    EVP_MD_CTX_free(ctx);
}

static void add_key(body *out, const csr_parts *p)
{
    if (p->spki != NULL) {
        der_add(out, p->spki->bytes, p->spki->len);
        return;
    }
    unsigned char *der = NULL;
    int len = i2d_PUBKEY(p->key, &der);
    assert_true(len > 0);
    der_add(out, der, (size_t)len);
    OPENSSL_free(der);
}

void csr_build(const csr_parts *p, body *out)
{
    static const uint8_t ecdsa_sha256[] = {0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86,
                                           0x48, 0xce, 0x3d, 0x04, 0x03, 0x02};
    static body signature;
    out->len = 0;
    der_tlv(out, 0x02, "\0", 1); /* version */
    der_add(out, p->subject->bytes, p->subject->len);
    add_key(out, p);
    der_tlv(out, 0xa0, p->attrs ? p->attrs->bytes : NULL, p->attrs ? p->attrs->len : 0);
    der_wrap(out, 0x30);
    if (p->signature != NULL) {
        signature = *p->signature;
    } else {
        sign(p->key, out, &signature);
    }
    if (p->algorithm != NULL) {
        der_add(out, p->algorithm->bytes, p->algorithm->len);
    } else {
        der_add(out, ecdsa_sha256, sizeof ecdsa_sha256);
    }
    der_tlv(out, 0x03, signature.bytes, signature.len);
    der_wrap(out, 0x30);
}

void attr_extension(body *out, const char *oid, const void *value, size_t len)
{
    static body a, type;
    a.len = 0;
    type.len = 0;
    der_oid(&a, oid);
    der_tlv(&a, 0x04, value, len);
    der_wrap(&a, 0x30); /* Extension */
    der_wrap(&a, 0x30); /* Extensions */
    der_wrap(&a, 0x31); /* SET of values */
    der_oid(&type, "1.2.840.113549.1.9.14");
    der_add(&type, a.bytes, a.len);
    der_wrap(&type, 0x30);
    der_add(out, type.bytes, type.len);
}
