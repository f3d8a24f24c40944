/* SPDX-License-Identifier: MIT
 *
 * A CA, devices and their requests, made with the code under test and checked with OpenSSL's eyes
 * (estoc_chain_verify, estoc_cert_text).
 */
#ifndef ESTOC_TEST_PARTIES_H
#define ESTOC_TEST_PARTIES_H

#include "../crypto/folder.h"

#include <estoc/coap.h>

#include <estoc/csr.h>

#include "ca.h"
#include "text.h"

#define HOUR 3600
#define DAY  (24 * HOUR)

/* A key and a certificate for it. */
struct party {
    estoc_key *key;
    uint8_t der[2048];
    size_t len;
    estoc_cert cert;
};

/* DER that a test made, in room of its own. */
struct bytes {
    uint8_t ptr[4096];
    size_t len;
};

static inline estoc_slice bytes_slice(const struct bytes *b)
{
    return estoc_slice_of(b->ptr, b->len);
}

static inline struct bytes name_of(const char *text)
{
    struct bytes b = {.len = 0};
    assert_int_equal(estoc_name_build(text, (estoc_buf){b.ptr, sizeof b.ptr}, &b.len), 0);
    return b;
}

/* GeneralNames of DNS names: "a.example b.example". NULL: empty */
static inline struct bytes dns_names(const char *text)
{
    struct bytes b = {.len = 0};
    if (text == NULL) {
        return b;
    }
    estoc_writer w = estoc_writer_of((estoc_buf){b.ptr, sizeof b.ptr});
    size_t mark = estoc_der_open(&w, ESTOC_DER_SEQUENCE);
    while (*text != '\0') {
        size_t len = strcspn(text, " ");
        estoc_der_put(&w, ESTOC_DER_CONTEXT(2), estoc_slice_of(text, len));
        text += len + (text[len] == ' ');
    }
    estoc_der_close(&w, mark);
    assert_int_equal(estoc_writer_end(&w, &b.len), 0);
    return b;
}

struct plan {
    const struct party *issuer; /* NULL: itself */
    const char *subject;        /* "": none */
    const char *dns;            /* or NULL */
    estoc_slice san;            /* in place of it */
    int64_t from, to;           /* 0, 0: an hour back and a day on */
    bool ca;
};

static inline void party_make(struct party *p, struct plan plan)
{
    uint8_t spki[ESTOC_SPKI_MAX];
    size_t spki_len = 0;
    int64_t now = estoc_unix_s();
    if (p->key == NULL) {
        assert_int_equal(estoc_key_generate(ESTOC_KEY_P256, &p->key), 0);
    }
    assert_int_equal(estoc_key_spki(p->key, (estoc_buf){spki, sizeof spki}, &spki_len), 0);
    struct bytes subject = plan.subject[0] != '\0' ? name_of(plan.subject)
                                                   : (struct bytes){.ptr = {0x30, 0}, .len = 2};
    struct bytes san = dns_names(plan.dns);
    estoc_cert_plan c = {
        .serial_len = 16,
        .issuer = plan.issuer != NULL ? plan.issuer->cert.subject : bytes_slice(&subject),
        .subject = bytes_slice(&subject),
        .spki = estoc_slice_of(spki, spki_len),
        .not_before = plan.from != 0 || plan.to != 0 ? plan.from : now - HOUR,
        .not_after = plan.from != 0 || plan.to != 0 ? plan.to : now + DAY,
        .ca = plan.ca,
        .san = plan.san.len > 0 ? plan.san : bytes_slice(&san),
        .authority_key_id = plan.issuer != NULL ? plan.issuer->cert.ski : estoc_slice_of(NULL, 0),
    };
    assert_int_equal(estoc_serial_random(c.serial), 0);
    assert_int_equal(estoc_cert_issue(&c, plan.issuer != NULL ? plan.issuer->key : p->key,
                                      (estoc_buf){p->der, sizeof p->der}, &p->len),
                     0);
    assert_int_equal(estoc_cert_parse(&p->cert, estoc_slice_of(p->der, p->len)), 0);
}

static inline void party_drop(struct party *p)
{
    estoc_key_free(p->key);
    p->key = NULL;
}

/* One extension of a request. */
struct asked {
    const char *oid; /* value bytes, with `oid_len` */
    size_t oid_len;
    bool critical;
    estoc_slice value;
};
#define OID(text) (text), sizeof(text) - 1
#define CE_SAN    OID("\x55\x1d\x11")

/* Extensions, DER. */
static inline struct bytes extensions_of(const struct asked *list, size_t n)
{
    struct bytes b = {.len = 0};
    estoc_writer w = estoc_writer_of((estoc_buf){b.ptr, sizeof b.ptr});
    size_t all = estoc_der_open(&w, ESTOC_DER_SEQUENCE);
    for (size_t i = 0; i < n; i++) {
        size_t one = estoc_der_open(&w, ESTOC_DER_SEQUENCE);
        estoc_der_put(&w, ESTOC_DER_OID, estoc_slice_of(list[i].oid, list[i].oid_len));
        if (list[i].critical) {
            estoc_der_put_bool(&w, true);
        }
        estoc_der_put(&w, ESTOC_DER_OCTET_STRING, list[i].value);
        estoc_der_close(&w, one);
    }
    estoc_der_close(&w, all);
    assert_int_equal(estoc_writer_end(&w, &b.len), 0);
    return b;
}

static inline struct bytes csr_with_more(estoc_key *key, estoc_slice subject,
                                         estoc_slice extensions, estoc_slice attributes)
{
    struct bytes b = {.len = 0};
    uint8_t spki[ESTOC_SPKI_MAX];
    size_t spki_len = 0;
    assert_int_equal(estoc_key_spki(key, (estoc_buf){spki, sizeof spki}, &spki_len), 0);
    const estoc_csr_plan plan = {.subject = subject,
                                 .spki = estoc_slice_of(spki, spki_len),
                                 .extensions = extensions,
                                 .more_attributes = attributes};
    estoc_signer signer = estoc_key_signer(key);
    assert_int_equal(estoc_csr_build(&plan, &signer, (estoc_buf){b.ptr, sizeof b.ptr}, &b.len), 0);
    return b;
}

static inline struct bytes csr_with(estoc_key *key, estoc_slice subject, estoc_slice extensions)
{
    return csr_with_more(key, subject, extensions, estoc_slice_of(NULL, 0));
}

/* A request for a subject ("": none) and DNS names (NULL: none). */
static inline struct bytes csr_of(estoc_key *key, const char *subject, const char *dns)
{
    struct bytes name = {.len = 0};
    if (subject[0] != '\0') {
        name = name_of(subject);
    }
    struct bytes san = dns_names(dns);
    const struct asked one = {CE_SAN, false, bytes_slice(&san)};
    struct bytes ext = {.len = 0};
    if (dns != NULL) {
        ext = extensions_of(&one, 1);
    }
    return csr_with(key, bytes_slice(&name), bytes_slice(&ext));
}

/* Whether OpenSSL takes a certificate as issued by this CA. */
static inline void assert_chains(estoc_slice der, const struct party *ca, estoc_purpose purpose)
{
    estoc_blobs anchors = {NULL, 0};
    estoc_why why = {""};
    assert_int_equal(estoc_blobs_add(&anchors, ca->cert.der), 0);
    if (estoc_chain_verify(der, NULL, &anchors, purpose, estoc_unix_s(), &why)) {
        fail_msg("%s", why.text);
    }
    estoc_blobs_free(&anchors);
}

static inline void assert_slice(estoc_slice got, estoc_slice want)
{
    assert_int_equal(got.len, want.len);
    if (want.len > 0) {
        assert_memory_equal(got.ptr, want.ptr, want.len);
    }
}

#endif
