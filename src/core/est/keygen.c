/* SPDX-License-Identifier: MIT */
#include <string.h>

#include <estoc/keygen.h>

/* clang-format off */
#define PKCS9 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09
#define AES   0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01
static const uint8_t smime_capabilities[] = {PKCS9, 0x0f};
static const uint8_t decrypt_key_id[]     = {PKCS9, 0x10, 0x02, 0x25}; /* id-aa 37 */
static const uint8_t asymm_key_id[]       = {PKCS9, 0x10, 0x02, 0x36}; /* id-aa 54 */

/* Within each strength the order they are written in. RFC 3565, RFC 8017 */
static const struct {
    uint8_t cap, oid_len, oid[9];
} caps[] = {
    {ESTOC_CAP_AES128_CBC,  9, {AES, 0x02}},
    {ESTOC_CAP_AES128_WRAP, 9, {AES, 0x05}},
    {ESTOC_CAP_AES256_CBC,  9, {AES, 0x2a}},
    {ESTOC_CAP_AES256_WRAP, 9, {AES, 0x2d}},
    {ESTOC_CAP_RSA_OAEP,    9, {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x07}},
};
#define CAPS (sizeof caps / sizeof caps[0])

enum {
    AES_256 = ESTOC_CAP_AES256_CBC | ESTOC_CAP_AES256_WRAP,
    AES_ANY = AES_256 | ESTOC_CAP_AES128_CBC | ESTOC_CAP_AES128_WRAP
};
/* clang-format on */

#define SLICE(array) estoc_slice_of((array), sizeof(array))

/* ---- reading ---- */

static unsigned cap_of(estoc_slice oid)
{
    for (size_t i = 0; i < CAPS; i++) {
        if (estoc_slice_eq(oid, estoc_slice_of(caps[i].oid, caps[i].oid_len))) {
            return caps[i].cap;
        }
    }
    return 0;
}

/* SEQUENCE OF SEQUENCE { capabilityID, parameters OPTIONAL }, the best first. */
static estoc_err read_caps(estoc_key_wish *wish, estoc_slice list)
{
    estoc_reader r = estoc_reader_of(list);
    for (size_t n = 0; estoc_reader_left(&r) > 0; n++) {
        if (n == ESTOC_KEYGEN_CAP_MAX) {
            return ESTOC_E_LIMIT;
        }
        estoc_der parameters;
        estoc_reader in = estoc_der_enter(&r, ESTOC_DER_SEQUENCE);
        unsigned cap = cap_of(estoc_der_oid(&in));
        estoc_der_more(&in, &parameters);
        if (r.err || estoc_reader_end(&in)) {
            return ESTOC_E_MALFORMED;
        }
        if ((wish->caps & AES_ANY) == 0) {
            wish->aes256_first = (cap & AES_256) != 0;
        }
        wish->caps |= cap;
    }
    return ESTOC_OK;
}

static estoc_err read_id(estoc_key_wish *wish, estoc_key_cover cover, estoc_slice id)
{
    if (wish->cover != ESTOC_COVER_NONE || id.len == 0) {
        return ESTOC_E_MALFORMED;
    }
    wish->cover = cover;
    wish->id = id;
    return id.len > ESTOC_KEYGEN_ID_MAX ? ESTOC_E_LIMIT : ESTOC_OK;
}

/* The one value of an attribute that has one, of this type. */
static bool only_value(estoc_reader *attribute, uint8_t tag, estoc_slice *value)
{
    estoc_reader set = estoc_der_enter(attribute, ESTOC_DER_SET);
    *value = estoc_der_expect(&set, tag);
    return !estoc_reader_end(&set) && !estoc_reader_end(attribute);
}

static estoc_err read_attribute(estoc_key_wish *wish, bool *capable, estoc_reader in)
{
    estoc_slice value;
    estoc_slice type = estoc_der_oid(&in);
    if (in.err) {
        return ESTOC_E_MALFORMED;
    }
    if (estoc_slice_eq(type, SLICE(smime_capabilities))) {
        if (*capable || !only_value(&in, ESTOC_DER_SEQUENCE, &value)) {
            return ESTOC_E_MALFORMED;
        }
        *capable = true;
        return read_caps(wish, value);
    }
    bool symmetric = estoc_slice_eq(type, SLICE(decrypt_key_id));
    if (!symmetric && !estoc_slice_eq(type, SLICE(asymm_key_id))) {
        return ESTOC_OK;
    }
    if (!only_value(&in, ESTOC_DER_OCTET_STRING, &value)) {
        return ESTOC_E_MALFORMED;
    }
    return read_id(wish, symmetric ? ESTOC_COVER_SYMMETRIC : ESTOC_COVER_ASYMMETRIC, value);
}

estoc_err estoc_key_wish_parse(estoc_slice attributes, estoc_key_wish *wish)
{
    estoc_reader r = estoc_reader_of(attributes);
    estoc_err err = ESTOC_OK;
    bool capable = false;
    memset(wish, 0, sizeof *wish);
    while (!err && estoc_reader_left(&r) > 0) {
        err = read_attribute(wish, &capable, estoc_der_enter(&r, ESTOC_DER_SEQUENCE));
    }
    if (!err && wish->cover != ESTOC_COVER_NONE && !capable) {
        err = ESTOC_E_MALFORMED; /* RFC 7030 section 4.4.1: it MUST be there */
    }
    if (err || wish->cover == ESTOC_COVER_NONE) {
        memset(wish, 0, sizeof *wish);
    }
    return err;
}

/* ---- writing ---- */

static void put_caps(estoc_writer *w, unsigned which)
{
    for (size_t i = 0; i < CAPS; i++) {
        if ((caps[i].cap & which) != 0) {
            size_t mark = estoc_der_open(w, ESTOC_DER_SEQUENCE);
            estoc_der_put(w, ESTOC_DER_OID, estoc_slice_of(caps[i].oid, caps[i].oid_len));
            estoc_der_close(w, mark);
        }
    }
}

void estoc_key_wish_put(estoc_writer *w, const estoc_key_wish *wish)
{
    if (wish->cover == ESTOC_COVER_NONE) {
        return;
    }
    unsigned first = wish->aes256_first ? AES_256 : (unsigned)AES_ANY & ~(unsigned)AES_256;
    size_t attribute = estoc_der_open(w, ESTOC_DER_SEQUENCE);
    estoc_der_put(w, ESTOC_DER_OID, SLICE(smime_capabilities));
    size_t set = estoc_der_open(w, ESTOC_DER_SET);
    size_t list = estoc_der_open(w, ESTOC_DER_SEQUENCE);
    put_caps(w, wish->caps & first);
    put_caps(w, wish->caps & ~first);
    estoc_der_close(w, list);
    estoc_der_close(w, set);
    estoc_der_close(w, attribute);
    attribute = estoc_der_open(w, ESTOC_DER_SEQUENCE);
    estoc_der_put(w, ESTOC_DER_OID,
                  wish->cover == ESTOC_COVER_SYMMETRIC ? SLICE(decrypt_key_id)
                                                       : SLICE(asymm_key_id));
    set = estoc_der_open(w, ESTOC_DER_SET);
    estoc_der_put(w, ESTOC_DER_OCTET_STRING, wish->id);
    estoc_der_close(w, set);
    estoc_der_close(w, attribute);
}
