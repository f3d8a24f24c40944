/* SPDX-License-Identifier: MIT
 *
 * The template of a request from a line of estocd.conf.                     RFC 9908 section 3.4
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "ca.h"
#include "conf_value.h"
#include "template.h"
#include "text.h"

#define PART_MAX     160 /* characters of one part */
#define PARTS_MAX    32
#define OID_MAX      64
#define NAMES_MAX    1024 /* bytes of alternative names */
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const uint8_t oid_san[] = {0x55, 0x1d, 0x11};
static const uint8_t oid_ku[] = {0x55, 0x1d, 0x0f};
static const uint8_t oid_eku[] = {0x55, 0x1d, 0x25};

/* What the parts ask for, each kind in DER of its own. */
struct request {
    uint8_t subject[512], key[600], san[NAMES_MAX], usage[8], purposes[256];
    estoc_writer subject_w, san_w, purposes_w;
    size_t key_len, usage_len;
    bool has_san, has_usage, has_purposes, blank;
};

/* ---- the key ---- */

/* A public key of that size which is none: only its length is looked at. */
static void put_placeholder(estoc_writer *w, uint32_t bits)
{
    static const uint8_t exponent[] = {1, 0, 1};
    uint8_t modulus[ESTOC_RSA_MAX_BITS / 8];
    uint8_t key[sizeof modulus + 32];
    memset(modulus, 0xff, sizeof modulus);
    estoc_writer k = estoc_writer_of((estoc_buf){key, sizeof key});
    size_t mark = estoc_der_open(&k, ESTOC_DER_SEQUENCE);
    estoc_der_put_unsigned(&k, estoc_slice_of(modulus, bits / 8));
    estoc_der_put_unsigned(&k, estoc_slice_of(exponent, sizeof exponent));
    estoc_der_close(&k, mark);
    estoc_der_put_bits(w, estoc_writer_slice(&k));
}

static estoc_err put_key(struct request *q, const char *algorithm, const char *curve, uint32_t bits)
{
    uint8_t oid[OID_MAX];
    size_t len;
    if (q->key_len > 0) {
        return ESTOC_E_STATE;
    }
    estoc_writer w = estoc_writer_of((estoc_buf){q->key, sizeof q->key});
    size_t whole = estoc_der_open(&w, ESTOC_DER_CONTEXT_CONSTRUCTED(0));
    size_t mark = estoc_der_open(&w, ESTOC_DER_SEQUENCE);
    estoc_err err = estoc_oid_build(algorithm, (estoc_buf){oid, sizeof oid}, &len);
    estoc_der_put(&w, ESTOC_DER_OID, estoc_slice_of(oid, len));
    if (!err && curve != NULL) {
        err = estoc_oid_build(curve, (estoc_buf){oid, sizeof oid}, &len);
        estoc_der_put(&w, ESTOC_DER_OID, estoc_slice_of(oid, len));
    } else if (bits > 0) { /* RFC 3279 section 2.3.1 */
        estoc_der_put(&w, ESTOC_DER_NULL, estoc_slice_of(NULL, 0));
    }
    estoc_der_close(&w, mark);
    if (bits > 0) {
        put_placeholder(&w, bits);
    }
    estoc_der_close(&w, whole);
    return err ? err : estoc_writer_end(&w, &q->key_len);
}

/* @return false: the part names no key */
static bool is_key(struct request *q, const char *name, estoc_err *err)
{
    /* clang-format off */
    static const struct {
        const char *name, *algorithm, *curve;
        uint32_t bits;
    } kinds[] = {
        {"P-256",    "1.2.840.10045.2.1", "1.2.840.10045.3.1.7", 0},
        {"P-384",    "1.2.840.10045.2.1", "1.3.132.0.34",        0},
        {"Ed25519",  "1.3.101.112",       NULL,                  0},
        {"RSA-2048", "1.2.840.113549.1.1.1", NULL,            2048},
        {"RSA-3072", "1.2.840.113549.1.1.1", NULL,            3072},
        {"RSA-4096", "1.2.840.113549.1.1.1", NULL,            4096},
    };
    /* clang-format on */
    for (size_t i = 0; i < COUNT(kinds); i++) {
        if (strcasecmp(name, kinds[i].name) == 0) {
            *err = put_key(q, kinds[i].algorithm, kinds[i].curve, kinds[i].bits);
            return true;
        }
    }
    return false;
}

/* ---- extensions ---- */

static estoc_err put_san(struct request *q, const char *value)
{
    if (value == NULL) {
        bool twice = q->has_san;
        q->has_san = q->blank = true;
        return twice ? ESTOC_E_STATE : ESTOC_OK;
    }
    if (q->has_san && q->san_w.len == 0) {
        return ESTOC_E_STATE; /* names that are open, and one that is not */
    }
    q->has_san = true;
    q->blank |= value[0] != '\0' && value[strlen(value) - 1] == ':';
    return estoc_san_put(&q->san_w, value, true) ? q->san_w.err : ESTOC_E_MALFORMED;
}

/* RFC 5280 section 4.2.1.3 */
static estoc_err put_usage(struct request *q, const char *value)
{
    static const char *const bits[] = {"digitalSignature", "nonRepudiation", "keyEncipherment",
                                       "dataEncipherment", "keyAgreement"};
    estoc_slice word;
    uint8_t octets[2] = {7, 0};
    if (q->has_usage) {
        return ESTOC_E_STATE;
    }
    q->has_usage = true;
    q->blank |= value == NULL;
    while (value != NULL && estoc_conf_word(&value, '+', &word)) {
        uint8_t i = 0;
        while (i < COUNT(bits) && !estoc_slice_eq(word, estoc_slice_str(bits[i]))) {
            i++;
        }
        if (i == COUNT(bits)) {
            return ESTOC_E_MALFORMED;
        }
        octets[1] = (uint8_t)(octets[1] | 0x80u >> i);
        octets[0] = octets[0] < 7 - i ? octets[0] : (uint8_t)(7 - i);
    }
    estoc_writer w = estoc_writer_of((estoc_buf){q->usage, sizeof q->usage});
    if (octets[1] != 0) {
        estoc_der_put(&w, ESTOC_DER_BIT_STRING, estoc_slice_of(octets, 2));
    }
    return estoc_writer_end(&w, &q->usage_len);
}

static estoc_err put_purposes(struct request *q, const char *value)
{
    estoc_slice word;
    uint8_t oid[OID_MAX];
    size_t len;
    if (q->has_purposes) {
        return ESTOC_E_STATE;
    }
    q->has_purposes = true;
    q->blank |= value == NULL;
    while (value != NULL && estoc_conf_word(&value, '+', &word)) {
        estoc_err err = estoc_conf_oid(word, (estoc_buf){oid, sizeof oid}, &len);
        if (err) {
            return err;
        }
        estoc_der_put(&q->purposes_w, ESTOC_DER_OID, estoc_slice_of(oid, len));
    }
    return q->purposes_w.err;
}

/* ---- the subject ---- */

/* One RDN; estoc_name_build knows the types, and how each is written. */
static estoc_err put_rdn(struct request *q, const char *part, const char *value)
{
    char text[PART_MAX + 8];
    uint8_t name[PART_MAX + 64];
    size_t len;
    snprintf(text, sizeof text, "%s%s", part, value == NULL ? "=XX" : "");
    estoc_err err = estoc_name_build(text, (estoc_buf){name, sizeof name}, &len);
    if (err) {
        return err;
    }
    estoc_reader r;
    estoc_slice type, whole;
    err = estoc_der_begin(estoc_slice_of(name, len), &r);
    if (err || !estoc_template_rdn_next(&r, &type, &whole) || estoc_reader_left(&r) > 0) {
        return ESTOC_E_MALFORMED; /* a slash makes two */
    }
    size_t set = estoc_der_open(&q->subject_w, ESTOC_DER_SET);
    size_t pair = estoc_der_open(&q->subject_w, ESTOC_DER_SEQUENCE);
    estoc_der_put(&q->subject_w, ESTOC_DER_OID, type);
    if (value != NULL) {
        estoc_der_put_raw(&q->subject_w, whole);
    }
    estoc_der_close(&q->subject_w, pair);
    estoc_der_close(&q->subject_w, set);
    return q->subject_w.err;
}

static estoc_err take_part(struct request *q, char *part)
{
    estoc_err err = ESTOC_OK;
    char *value = strchr(part, '=');
    char name[PART_MAX + 1];
    snprintf(name, sizeof name, "%.*s", value != NULL ? (int)(value - part) : PART_MAX, part);
    value = value != NULL ? value + 1 : NULL;
    if (strcasecmp(name, "SAN") == 0) {
        return put_san(q, value);
    }
    if (strcasecmp(name, "KU") == 0) {
        return put_usage(q, value);
    }
    if (strcasecmp(name, "EKU") == 0) {
        return put_purposes(q, value);
    }
    return value == NULL && is_key(q, name, &err) ? err : put_rdn(q, part, value);
}

/* ---- all of it ---- */

static void put_ext(estoc_writer *w, estoc_slice oid, bool critical, estoc_slice value, uint8_t tag)
{
    size_t ext = estoc_der_open(w, ESTOC_DER_SEQUENCE);
    estoc_der_put(w, ESTOC_DER_OID, oid);
    if (critical) {
        estoc_der_put_bool(w, true);
    }
    if (value.len > 0) {
        size_t octets = estoc_der_open(w, ESTOC_DER_OCTET_STRING);
        if (tag != 0) {
            estoc_der_put(w, tag, value);
        } else {
            estoc_der_put_raw(w, value);
        }
        estoc_der_close(w, octets);
    }
    estoc_der_close(w, ext);
}

#define OID(array) estoc_slice_of((array), sizeof(array))

/* Extensions where all have their values, else the kind that may leave some open. */
static void put_extensions(estoc_writer *w, const struct request *q)
{
    if (!q->has_san && !q->has_usage && !q->has_purposes) {
        return;
    }
    size_t attribute = estoc_der_open(w, ESTOC_DER_SEQUENCE);
    estoc_der_put(w, ESTOC_DER_OID, q->blank ? ESTOC_OID_EXT_TEMPLATE : ESTOC_OID_EXT_REQUEST);
    size_t set = estoc_der_open(w, ESTOC_DER_SET);
    size_t list = estoc_der_open(w, ESTOC_DER_SEQUENCE);
    if (q->has_san) {
        put_ext(w, OID(oid_san), false, estoc_writer_slice(&q->san_w), ESTOC_DER_SEQUENCE);
    }
    if (q->has_usage) {
        put_ext(w, OID(oid_ku), true, estoc_slice_of(q->usage, q->usage_len), 0);
    }
    if (q->has_purposes) {
        put_ext(w, OID(oid_eku), false, estoc_writer_slice(&q->purposes_w), ESTOC_DER_SEQUENCE);
    }
    estoc_der_close(w, list);
    estoc_der_close(w, set);
    estoc_der_close(w, attribute);
}

static estoc_err put_all(const struct request *q, estoc_buf out, size_t *len)
{
    estoc_writer w = estoc_writer_of(out);
    size_t attribute = estoc_der_open(&w, ESTOC_DER_SEQUENCE);
    estoc_der_put(&w, ESTOC_DER_OID, ESTOC_OID_TEMPLATE);
    size_t set = estoc_der_open(&w, ESTOC_DER_SET);
    size_t info = estoc_der_open(&w, ESTOC_DER_SEQUENCE);
    estoc_der_put_u32(&w, 0);
    if (q->subject_w.len > 0) {
        estoc_der_put(&w, ESTOC_DER_SEQUENCE, estoc_writer_slice(&q->subject_w));
    }
    estoc_der_put_raw(&w, estoc_slice_of(q->key, q->key_len));
    size_t attributes = estoc_der_open(&w, ESTOC_DER_CONTEXT_CONSTRUCTED(1));
    put_extensions(&w, q);
    estoc_der_close(&w, attributes);
    estoc_der_close(&w, info);
    estoc_der_close(&w, set);
    estoc_der_close(&w, attribute);
    return estoc_writer_end(&w, len);
}

estoc_err estoc_conf_request(const char *text, estoc_buf out, size_t *len, const char **what)
{
    static char part[PART_MAX + 1];
    struct request q = {.key_len = 0};
    estoc_slice word;
    q.subject_w = estoc_writer_of((estoc_buf){q.subject, sizeof q.subject});
    q.san_w = estoc_writer_of((estoc_buf){q.san, sizeof q.san});
    q.purposes_w = estoc_writer_of((estoc_buf){q.purposes, sizeof q.purposes});
    *len = 0;
    *what = part;
    for (size_t n = 0; estoc_conf_word(&text, ',', &word); n++) {
        snprintf(part, sizeof part, "%.*s", (int)(word.len < PART_MAX ? word.len : PART_MAX),
                 (const char *)word.ptr);
        estoc_err err = n == PARTS_MAX || word.len > PART_MAX ? ESTOC_E_LIMIT : take_part(&q, part);
        if (err) {
            return err;
        }
    }
    snprintf(part, sizeof part, "the whole");
    return put_all(&q, out, len);
}
