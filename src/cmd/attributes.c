/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "attributes.h"
#include "text.h"

#define OID_MAX 16

/* clang-format off */
enum {
    OID_OTHER, OID_EC, OID_P256, OID_P384, OID_ED25519, OID_RSA, OID_CHALLENGE, OID_CURVE
};
static const struct {
    uint8_t len;
    uint8_t oid[OID_MAX];
    uint8_t what;
    const char *name;
} names[] = {
    {7,  {0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01},             OID_EC,        "ecPublicKey"},
    {8,  {0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07},       OID_P256,      "secp256r1"},
    {5,  {0x2b, 0x81, 0x04, 0x00, 0x22},                         OID_P384,      "secp384r1"},
    {5,  {0x2b, 0x81, 0x04, 0x00, 0x23},                         OID_CURVE,     "secp521r1"},
    {9,  {0x2b, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01, 0x07}, OID_CURVE,     "brainpoolP256r1"},
    {3,  {0x2b, 0x65, 0x70},                                     OID_ED25519,   "Ed25519"},
    {3,  {0x2b, 0x65, 0x71},                                     OID_CURVE,     "Ed448"},
    {9,  {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01}, OID_RSA,       "rsaEncryption"},
    {9,  {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x07}, OID_CHALLENGE, "challengePassword"},
    {9,  {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x0e}, OID_OTHER,     "extensionRequest"},
    {9,  {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b}, OID_OTHER,     "sha256WithRSAEncryption"},
    {8,  {0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02},       OID_OTHER,     "ecdsa-with-SHA256"},
    {8,  {0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03},       OID_OTHER,     "ecdsa-with-SHA384"},
    {8,  {0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x04},       OID_OTHER,     "ecdsa-with-SHA512"},
    {7,  {0x2b, 0x06, 0x01, 0x01, 0x01, 0x01, 0x16},             OID_OTHER,     "macAddress"},
    {3,  {0x55, 0x04, 0x03},                                     OID_OTHER,     "commonName"},
    {3,  {0x55, 0x04, 0x05},                                     OID_OTHER,     "serialNumber"},
    {3,  {0x55, 0x1d, 0x0f},                                     OID_OTHER,     "keyUsage"},
    {3,  {0x55, 0x1d, 0x11},                                     OID_OTHER,     "subjectAltName"},
    {3,  {0x55, 0x1d, 0x25},                                     OID_OTHER,     "extendedKeyUsage"},
    {11, {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x02, 0x3d}, OID_OTHER,
         "certificationRequestInfoTemplate"},
    {11, {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x02, 0x3e}, OID_OTHER,
         "extensionReqTemplate"},
};
/* clang-format on */

static size_t row_of(estoc_slice oid)
{
    size_t i = 0;
    while (i < sizeof names / sizeof names[0] &&
           !estoc_slice_eq(oid, estoc_slice_of(names[i].oid, names[i].len))) {
        i++;
    }
    return i;
}

static unsigned what_of(estoc_slice oid)
{
    size_t i = row_of(oid);
    return i < sizeof names / sizeof names[0] ? names[i].what : (unsigned)OID_OTHER;
}

const char *estoc_oid_name(estoc_slice oid)
{
    size_t i = row_of(oid);
    return i < sizeof names / sizeof names[0] ? names[i].name : NULL;
}

/* The first OID among an attribute's values; empty if there is none. */
static estoc_slice first_oid(const estoc_csrattr *attr)
{
    estoc_reader r = estoc_reader_of(attr->values);
    return estoc_der_peek(&r) == ESTOC_DER_OID ? estoc_der_oid(&r) : estoc_slice_of(NULL, 0);
}

static void wish_key(estoc_wishes *w, estoc_key_kind kind)
{
    if (w->key == ESTOC_KEY_UNKNOWN) { /* the first one named is the preferred one */
        w->key = kind;
    }
}

static void wish_curve(estoc_wishes *w, estoc_slice curve)
{
    unsigned what = what_of(curve);
    if (what == OID_P256) {
        wish_key(w, ESTOC_KEY_P256);
    } else if (what == OID_P384) {
        wish_key(w, ESTOC_KEY_P384);
    } else if (curve.len > 0) {
        w->unsupported_key = true;
    }
}

static void wish(estoc_wishes *w, const estoc_csrattr *attr)
{
    switch (what_of(attr->oid)) {
    case OID_EC:
        wish_curve(w, first_oid(attr));
        break;
    case OID_P256:
    case OID_P384:
    case OID_CURVE:
        wish_curve(w, attr->oid);
        break;
    case OID_ED25519:
        wish_key(w, ESTOC_KEY_ED25519);
        break;
    case OID_RSA:
        wish_key(w, ESTOC_KEY_RSA);
        break;
    case OID_CHALLENGE:
        w->challenge_password = true;
        break;
    default:
        break;
    }
}

estoc_err estoc_wishes_read(estoc_slice der, estoc_wishes *out)
{
    memset(out, 0, sizeof *out);
    if (der.len == 0) {
        return ESTOC_OK;
    }
    estoc_reader r;
    estoc_csrattr attr;
    estoc_err err = estoc_csrattrs_begin(der, &r);
    while (!err && estoc_csrattrs_next(&r, &attr)) {
        wish(out, &attr);
    }
    out->unsupported_key = out->unsupported_key && out->key == ESTOC_KEY_UNKNOWN;
    return err ? err : r.err;
}

static void print_text(estoc_slice s, char *out, size_t cap)
{
    size_t len = s.len < cap - 1 ? s.len : cap - 1;
    for (size_t i = 0; i < len; i++) {
        bool plain = s.ptr[i] >= 0x20 && s.ptr[i] < 0x7f;
        out[i] = plain ? (char)s.ptr[i] : '.';
    }
    out[len] = '\0';
}

static const char *oid_text(estoc_slice oid, char *out, size_t cap)
{
    const char *name = estoc_oid_name(oid);
    if (name != NULL) {
        snprintf(out, cap, "%s", name);
        return out;
    }
    return estoc_oid_text(oid, (estoc_buf){(uint8_t *)out, cap});
}

const char *estoc_value_text(estoc_slice der, char *out, size_t cap)
{
    estoc_reader r = estoc_reader_of(der);
    estoc_reader peek = r;
    estoc_der el;
    if (!estoc_der_next(&peek, &el)) {
        snprintf(out, cap, "?");
        return out;
    }
    switch (el.tag) {
    case ESTOC_DER_OID:
        return oid_text(el.value, out, cap);
    case ESTOC_DER_INTEGER:
        snprintf(out, cap, "%lu", (unsigned long)estoc_der_u32(&r));
        if (r.err) {
            snprintf(out, cap, "a large number");
        }
        break;
    case ESTOC_DER_UTF8_STRING:
    case ESTOC_DER_PRINTABLE_STRING:
    case ESTOC_DER_IA5_STRING:
        print_text(el.value, out, cap);
        break;
    default:
        snprintf(out, cap, "%zu bytes of DER with tag %02x", el.whole.len, el.tag);
        break;
    }
    return out;
}

estoc_err estoc_attributes_print(estoc_slice der, FILE *f)
{
    estoc_reader r;
    estoc_csrattr attr;
    char text[256];
    estoc_err err = estoc_csrattrs_begin(der, &r);
    while (!err && estoc_csrattrs_next(&r, &attr)) {
        fputs(oid_text(attr.oid, text, sizeof text), f);
        estoc_reader values = estoc_reader_of(attr.values);
        estoc_der el;
        for (bool first = true; estoc_der_peek(&values) != 0 && estoc_der_next(&values, &el);
             first = false) {
            fprintf(f, "%s%s", first ? ": " : ", ", estoc_value_text(el.whole, text, sizeof text));
        }
        fputc('\n', f);
    }
    return err ? err : r.err;
}
