/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "attributes.h"
#include "template.h"
#include "text.h"

#define OID_MAX 16

/* clang-format off */
static const struct {
    uint8_t len;
    uint8_t oid[OID_MAX];
    uint8_t what; /* estoc_oid_what */
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
    {9,  {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x0e}, OID_EXTENSIONS, "extensionRequest"},
    {9,  {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b}, OID_RS256,     "sha256WithRSAEncryption"},
    {8,  {0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02},       OID_ES256,     "ecdsa-with-SHA256"},
    {8,  {0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03},       OID_ES384,     "ecdsa-with-SHA384"},
    {8,  {0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x04},       OID_SIG,       "ecdsa-with-SHA512"},
    {7,  {0x2b, 0x06, 0x01, 0x01, 0x01, 0x01, 0x16},             OID_OTHER,     "macAddress"},
    {3,  {0x55, 0x04, 0x03},                                     OID_NAME,      "commonName"},
    {3,  {0x55, 0x04, 0x05},                                     OID_NAME,      "serialNumber"},
    {3,  {0x55, 0x04, 0x06},                                     OID_NAME,      "countryName"},
    {3,  {0x55, 0x04, 0x07},                                     OID_NAME,      "localityName"},
    {3,  {0x55, 0x04, 0x08},                                     OID_NAME,      "stateOrProvinceName"},
    {3,  {0x55, 0x04, 0x0a},                                     OID_NAME,      "organizationName"},
    {3,  {0x55, 0x04, 0x0b},                                     OID_NAME,      "organizationalUnitName"},
    {10, {0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x01}, OID_NAME, "userId"},
    {10, {0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x19}, OID_NAME, "domainComponent"},
    {9,  {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x01}, OID_NAME,      "emailAddress"},
    {8,  {0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01},       OID_OTHER,     "serverAuth"},
    {8,  {0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x02},       OID_OTHER,     "clientAuth"},
    {3,  {0x55, 0x1d, 0x0f},                                     OID_USAGE,     "keyUsage"},
    {3,  {0x55, 0x1d, 0x11},                                     OID_SAN,       "subjectAltName"},
    {3,  {0x55, 0x1d, 0x25},                                     OID_PURPOSES,  "extendedKeyUsage"},
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

unsigned estoc_oid_what(estoc_slice oid)
{
    size_t i = row_of(oid);
    return i < sizeof names / sizeof names[0] ? names[i].what : (unsigned)OID_OTHER;
}

const char *estoc_oid_name(estoc_slice oid)
{
    size_t i = row_of(oid);
    return i < sizeof names / sizeof names[0] ? names[i].name : NULL;
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

/* ---- the template: a line for each part ---- */

struct lines {
    void (*line)(void *ctx, const char *text);
    void *ctx;
};

/* What is left open. */
static const char open_value[] = "?";

static void line_subject(const struct lines *to, const estoc_template *t)
{
    estoc_reader r = estoc_reader_of(t->subject);
    estoc_slice type, value;
    char name[64], text[256], line[340];
    while (estoc_template_rdn_next(&r, &type, &value)) {
        snprintf(line, sizeof line, "subject: %s=%s", oid_text(type, name, sizeof name),
                 value.len > 0 ? estoc_value_text(value, text, sizeof text) : open_value);
        to->line(to->ctx, line);
    }
}

static void line_key(const struct lines *to, const estoc_template *t)
{
    char algorithm[64], parameters[64] = "", line[200], bits[24] = "";
    estoc_reader r;
    if (t->algorithm.len == 0 || estoc_der_begin(t->algorithm, &r)) {
        return;
    }
    (void)oid_text(estoc_der_oid(&r), algorithm, sizeof algorithm);
    if (estoc_der_peek(&r) == ESTOC_DER_OID) {
        (void)oid_text(estoc_der_oid(&r), parameters, sizeof parameters);
    }
    if (t->key.len > 0) {
        snprintf(bits, sizeof bits, " %u bits", (unsigned)estoc_template_rsa_bits(t->key));
    }
    snprintf(line, sizeof line, "key: %s%s%s%s", algorithm, parameters[0] != '\0' ? " " : "",
             parameters, bits);
    to->line(to->ctx, line);
}

/* RFC 5280 section 4.2.1.3 */
static void usage_text(estoc_slice value, char *out, size_t cap)
{
    static const char *const bits[] = {"digitalSignature", "nonRepudiation", "keyEncipherment",
                                       "dataEncipherment", "keyAgreement",   "keyCertSign",
                                       "cRLSign",          "encipherOnly"};
    estoc_reader r = estoc_reader_of(value);
    estoc_slice octets = estoc_der_expect(&r, ESTOC_DER_BIT_STRING);
    size_t n = 0;
    out[0] = '\0';
    for (unsigned i = 0; i < 8 && octets.len >= 2 && n + 1 < cap; i++) {
        if ((octets.ptr[1] & 0x80u >> i) != 0) {
            int more = snprintf(out + n, cap - n, "%s%s", n > 0 ? ", " : "", bits[i]);
            n += more > 0 ? (size_t)more : 0;
        }
    }
}

/* Each alternative name, each purpose; for other extensions, what there is. */
static void ext_values(estoc_slice value, bool san, char *out, size_t cap)
{
    estoc_reader r;
    estoc_der el;
    size_t n = 0;
    char text[128];
    if (estoc_der_begin(value, &r)) {
        (void)estoc_value_text(value, out, cap);
        return;
    }
    out[0] = '\0';
    while (estoc_der_more(&r, &el) && n + 1 < cap) {
        int more = snprintf(out + n, cap - n, "%s%s%s", n > 0 ? ", " : "",
                            san ? estoc_san_text(&el, text, sizeof text)
                                : estoc_value_text(el.whole, text, sizeof text),
                            san && el.value.len == 0 ? open_value : "");
        n += more > 0 ? (size_t)more : 0;
    }
}

static void line_extensions(const struct lines *to, const estoc_template *t)
{
    estoc_reader r = estoc_reader_of(t->extensions);
    estoc_ext ext;
    char name[64], text[256], line[400];
    while (estoc_template_ext_next(&r, &ext)) {
        snprintf(text, sizeof text, "%s", open_value);
        if (ext.value.len > 0 && estoc_oid_what(ext.oid) == OID_USAGE) {
            usage_text(ext.value, text, sizeof text);
        } else if (ext.value.len > 0) {
            ext_values(ext.value, estoc_oid_what(ext.oid) == OID_SAN, text, sizeof text);
        }
        snprintf(line, sizeof line, "%s%s: %s", oid_text(ext.oid, name, sizeof name),
                 ext.critical ? " (critical)" : "", text);
        to->line(to->ctx, line);
    }
}

void estoc_template_lines(estoc_slice der, void (*line)(void *ctx, const char *text), void *ctx)
{
    estoc_template t;
    const struct lines to = {line, ctx};
    if (estoc_template_parse(&t, der)) {
        line(ctx, "malformed");
        return;
    }
    line_subject(&to, &t);
    line_key(&to, &t);
    line_extensions(&to, &t);
}

static void print_line(void *ctx, const char *text)
{
    fprintf(ctx, "  %s\n", text);
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
        if (estoc_slice_eq(attr.oid, ESTOC_OID_TEMPLATE)) {
            fputc('\n', f);
            estoc_template_lines(attr.values, print_line, f);
            continue;
        }
        estoc_der el;
        for (bool first = true; estoc_der_peek(&values) != 0 && estoc_der_next(&values, &el);
             first = false) {
            fprintf(f, "%s%s", first ? ": " : ", ", estoc_value_text(el.whole, text, sizeof text));
        }
        fputc('\n', f);
    }
    return err ? err : r.err;
}
