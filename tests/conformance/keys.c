/* SPDX-License-Identifier: MIT */
#include "keys.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

/* ---- answers ---- */

static size_t head(const body *b, size_t *at, unsigned major)
{
    assert_true(*at + 3 <= b->len);
    unsigned initial = b->bytes[(*at)++];
    assert_int_equal(initial >> 5, major);
    unsigned info = initial & 0x1f;
    if (info < 24) {
        return info;
    }
    assert_in_range(info, 24, 25); /* no longer than needed, and none is over 65,535 */
    size_t v = b->bytes[(*at)++];
    if (info == 25) {
        v = v << 8 | b->bytes[(*at)++];
    }
    assert_true(v >= (info == 25 ? 256 : 24));
    return v;
}

static int part(const body *b, size_t *at, body *out)
{
    int format = (int)head(b, at, 0);
    out->len = head(b, at, 2);
    assert_true(out->len <= b->len - *at);
    memcpy(out->bytes, b->bytes + *at, out->len);
    *at += out->len;
    return format;
}

void made_read(const body *answer, made *m)
{
    size_t at = 1;
    assert_int_equal(answer->bytes[0], 0x84); /* an array of four */
    m->key_format = part(answer, &at, &m->key);
    m->cert_format = part(answer, &at, &m->cert);
    assert_int_equal(at, answer->len);
}

EVP_PKEY *made_key(const body *pkcs8)
{
    const unsigned char *at = pkcs8->bytes;
    PKCS8_PRIV_KEY_INFO *info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &at, (long)pkcs8->len);
    assert_non_null(info);
    assert_ptr_equal(at, pkcs8->bytes + pkcs8->len);
    EVP_PKEY *key = EVP_PKCS82PKEY(info);
    PKCS8_PRIV_KEY_INFO_free(info);
    assert_non_null(key);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
    assert_int_equal(EVP_PKEY_check(ctx), 1);
    EVP_PKEY_CTX_free(ctx);
    return key;
}

X509 *made_cert(const made *m, EVP_PKEY *key, const char *ta_file)
{
    X509 *cert = cert_for(&m->cert, m->cert_format, key);
    assert_true(chains_to(cert, ta_file));
    return cert;
}

/* ---- requests ---- */

static void attribute(body *out, const char *oid, unsigned tag, const body *value)
{
    static body a, set;
    set.len = 0;
    der_tlv(&set, tag, value->bytes, value->len);
    der_wrap(&set, 0x31);
    a.len = 0;
    der_oid(&a, oid);
    der_add(&a, set.bytes, set.len);
    der_wrap(&a, 0x30);
    der_add(out, a.bytes, a.len);
}

/* Two attributes in the order of a SET. */
static void in_order(body *out, const body *a, const body *b)
{
    size_t n = a->len < b->len ? a->len : b->len;
    bool swap = b->len > 0 && memcmp(a->bytes, b->bytes, n) > 0;
    *out = swap ? *b : *a;
    der_add(out, (swap ? a : b)->bytes, (swap ? a : b)->len);
}

void wishing_csr_of(const char *own_file, const char *caps, const char *kind, const body *id,
                    body *csr)
{
    static body list, one, attrs, cap_attr, id_attr, subject;
    list.len = attrs.len = cap_attr.len = id_attr.len = 0;
    for (const char *at = caps; at != NULL && *at != '\0'; at += strspn(at, " ")) {
        char oid[64] = "";
        size_t len = strcspn(at, " ");
        memcpy(oid, at, len);
        one.len = 0;
        der_oid(&one, oid);
        der_wrap(&one, 0x30);
        der_add(&list, one.bytes, one.len);
        at += len;
    }
    if (caps != NULL) {
        attribute(&cap_attr, "1.2.840.113549.1.9.15", 0x30, &list);
    }
    if (kind != NULL) {
        attribute(&id_attr, kind, 0x04, id);
    }
    in_order(&attrs, &cap_attr, &id_attr);
    X509 *own = cert_read(own_file);
    EVP_PKEY *key = key_new("P-256");
    subject_of(own, &subject);
    csr_build(&(csr_parts){.key = key, .subject = &subject, .attrs = &attrs}, csr);
    EVP_PKEY_free(key);
    X509_free(own);
}

void made_get(peer *p, const char *path, const body *csr, int szx, made *m)
{
    body answer;
    reply r;
    transfer t = {.method = POST,
                  .path = path,
                  .format = 286,
                  .accept = -1,
                  .data = csr->bytes,
                  .len = csr->len,
                  .szx = szx};
    assert_int_equal(transact(p, &t, &answer, &r), CODE(2, 4));
    assert_int_equal(wire_uint_of(&r.m, OPT_FORMAT, 0), 62);
    made_read(&answer, m);
}

/* ---- searching ---- */

enum { SECRET_LEN = 32, PART_LEN = 16, NEEDLES = 4, LARGEST = 256 << 20 };

/* Two parts of the private number, in both orders: big-endian as in DER, little-endian as in a
 * BIGNUM. */
typedef struct needles {
    uint8_t at[NEEDLES][PART_LEN];
} needles;

/* The first bytes of the scalar, of the seed, or of a prime. */
static void secret_of(EVP_PKEY *key, uint8_t secret[SECRET_LEN])
{
    uint8_t number[512];
    BIGNUM *b = NULL;
    size_t len = SECRET_LEN;
    if (EVP_PKEY_is_a(key, "ED25519")) {
        assert_int_equal(EVP_PKEY_get_raw_private_key(key, secret, &len), 1);
        return;
    }
    bool rsa = EVP_PKEY_is_a(key, "RSA");
    const char *name = rsa ? OSSL_PKEY_PARAM_RSA_FACTOR1 : OSSL_PKEY_PARAM_PRIV_KEY;
    assert_int_equal(EVP_PKEY_get_bn_param(key, name, &b), 1);
    int bytes = rsa ? BN_num_bytes(b) : (EVP_PKEY_get_bits(key) + 7) / 8;
    assert_in_range(bytes, SECRET_LEN, (int)sizeof number);
    assert_int_equal(BN_bn2binpad(b, number, bytes), bytes);
    memcpy(secret, number, SECRET_LEN);
    BN_clear_free(b);
}

static needles needles_of(EVP_PKEY *key)
{
    needles n;
    uint8_t secret[SECRET_LEN];
    secret_of(key, secret);
    for (size_t i = 0; i < SECRET_LEN; i++) {
        size_t mirrored = SECRET_LEN - 1 - i;
        n.at[i / PART_LEN][i % PART_LEN] = secret[i];
        n.at[2 + mirrored / PART_LEN][mirrored % PART_LEN] = secret[i];
    }
    return n;
}

static unsigned count(const uint8_t *memory, size_t len, const needles *n)
{
    unsigned found = 0;
    for (size_t i = 0; i < NEEDLES; i++) {
        const uint8_t *at = memory;
        while ((at = memmem(at, len - (size_t)(at - memory), n->at[i], PART_LEN)) != NULL) {
            found++;
            at++;
        }
    }
    return found;
}

unsigned key_in_process(pid_t pid, EVP_PKEY *key)
{
    char path[64], line[512];
    needles n = needles_of(key);
    unsigned found = 0;
    size_t searched = 0;
    snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
    FILE *maps = fopen(path, "r");
    assert_non_null(maps);
    snprintf(path, sizeof path, "/proc/%d/mem", (int)pid);
    int mem = open(path, O_RDONLY);
    assert_true(mem >= 0);
    while (fgets(line, sizeof line, maps) != NULL) {
        unsigned long from, to;
        char may[5];
        assert_int_equal(sscanf(line, "%lx-%lx %4s", &from, &to, may), 3);
        if (may[1] != 'w' || to - from > LARGEST) { /* a sanitizer's shadow */
            continue;
        }
        uint8_t *copy = malloc(to - from);
        assert_non_null(copy);
        ssize_t got = pread(mem, copy, to - from, (off_t)from);
        if (got > 0) {
            searched += (size_t)got;
            unsigned here = count(copy, (size_t)got, &n);
            if (here > 0 && getenv("ESTOC_TEST_KEEP") != NULL) {
                print_message("%u in %s", here, line);
            }
            found += here;
        }
        free(copy);
    }
    close(mem);
    fclose(maps);
    assert_true(searched > 1 << 20);
    return found;
}

/* A line of the key's PEM: that in its middle, which has nothing public in it. */
static unsigned pem_in(const uint8_t *bytes, size_t len, EVP_PKEY *key)
{
    BIO *b = BIO_new(BIO_s_mem());
    char *text;
    assert_int_equal(PEM_write_bio_PrivateKey(b, key, NULL, NULL, 0, NULL, NULL), 1);
    long pem_len = BIO_get_mem_data(b, &text);
    assert_true(pem_len > 100);
    size_t at = EVP_PKEY_is_a(key, "RSA") ? (size_t)pem_len / 2 : 28 + 40;
    bool found = memmem(bytes, len, text + at, 20) != NULL;
    BIO_free(b);
    return found;
}

unsigned key_in_file(const char *file, EVP_PKEY *key)
{
    static uint8_t bytes[8 << 20];
    needles n = needles_of(key);
    FILE *f = fopen(file, "r");
    if (f == NULL) {
        return 0;
    }
    size_t len = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    assert_true(len < sizeof bytes);
    unsigned found = count(bytes, len, &n);
    return found + pem_in(bytes, len, key);
}
