/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <estoc/csrattrs.h>

#include "ca.h"
#include "conf_value.h"
#include "text.h"

#define ATTRIBUTES_MAX 16
#define VALUES_MAX     8
#define OID_MAX        64 /* bytes of an OID's value */
#define WORD_MAX       64 /* characters of a name */
#define COUNT(array)   (sizeof(array) / sizeof((array)[0]))

/* ------------------------------------------------------------------------------- numbers and times */

/* The digits at the front, as a number below 2^63. @return what follows them; NULL: no number */
static const char *take_digits(const char *text, uint64_t *out)
{
    uint64_t v = 0;
    const char *at = text;
    for (; *at >= '0' && *at <= '9'; at++) {
        unsigned digit = (unsigned)(*at - '0');
        if (v > ((uint64_t)INT64_MAX - digit) / 10) {
            return NULL;
        }
        v = v * 10 + digit;
    }
    *out = v;
    return at > text ? at : NULL;
}

bool estoc_conf_number(const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
    const char *end = take_digits(text, out);
    return end != NULL && *end == '\0' && *out >= min && *out <= max;
}

static const struct {
    const char *name;
    uint64_t ms;
} units[] = {
    {"ms", 1},       {"s", 1000},      {"m", 60000},        {"h", 3600000},
    {"d", 86400000}, {"w", 604800000}, {"y", 31536000000u},
};

bool estoc_conf_time(const char *text, uint64_t *ms)
{
    uint64_t n;
    const char *unit = take_digits(text, &n);
    if (unit == NULL) {
        return false;
    }
    for (size_t i = 0; i < COUNT(units); i++) {
        if (strcmp(*unit != '\0' ? unit : "s", units[i].name) == 0) {
            *ms = n * units[i].ms;
            return n <= (uint64_t)INT64_MAX / units[i].ms;
        }
    }
    return false;
}

bool estoc_conf_bits(const char *text, uint32_t *bits)
{
    static const char prefixes[] = "kMG";
    uint64_t n;
    const char *prefix = take_digits(text, &n);
    if (prefix == NULL || n > UINT32_MAX || (prefix[0] != '\0' && prefix[1] != '\0')) {
        return false;
    }
    if (prefix[0] != '\0') {
        const char *at = strchr(prefixes, prefix[0]);
        for (const char *p = prefixes; at != NULL && p <= at; p++) {
            n *= 1000u;
        }
        if (at == NULL) {
            return false;
        }
    }
    *bits = (uint32_t)n;
    return n <= UINT32_MAX;
}

const char *estoc_conf_time_text(uint64_t ms, char *out, size_t cap)
{
    size_t unit = 0;
    for (size_t i = 1; i < COUNT(units); i++) {
        unit = ms > 0 && ms % units[i].ms == 0 ? i : unit;
    }
    snprintf(out, cap, "%llu%s", (unsigned long long)(ms / units[unit].ms), units[unit].name);
    return out;
}

/* ------------------------------------------------------------------------------------------- lists */

bool estoc_conf_word(const char **text, char separator, estoc_slice *word)
{
    if (*text == NULL) {
        return false;
    }
    const char *end = strchr(*text, separator);
    size_t len = end != NULL ? (size_t)(end - *text) : strlen(*text);
    const char *from = *text;
    *text = end != NULL ? end + 1 : NULL;
    for (; len > 0 && (*from == ' ' || *from == '\t'); from++) {
        len--;
    }
    while (len > 0 && (from[len - 1] == ' ' || from[len - 1] == '\t')) {
        len--;
    }
    *word = estoc_slice_of(from, len);
    return true;
}

static bool same(estoc_slice word, const char *name)
{
    return strlen(name) == word.len && strncasecmp(name, (const char *)word.ptr, word.len) == 0;
}

/* "RSA-3072" */
static bool rsa_of(estoc_slice word, uint32_t *bits)
{
    static const char prefix[] = "RSA-";
    size_t len = sizeof prefix - 1;
    char number[8];
    uint64_t n;
    if (word.len <= len || word.len - len >= sizeof number ||
        strncasecmp((const char *)word.ptr, prefix, len) != 0) {
        return false;
    }
    memcpy(number, word.ptr + len, word.len - len);
    number[word.len - len] = '\0';
    if (!estoc_conf_number(number, ESTOC_RSA_MIN_BITS, ESTOC_RSA_MAX_BITS, &n)) {
        return false;
    }
    *bits = (uint32_t)n;
    return true;
}

bool estoc_conf_keys(const char *text, unsigned *bits, uint32_t *rsa_bits)
{
    static const struct {
        const char *name;
        estoc_key_kind kind;
    } kinds[] = {
        {"P-256", ESTOC_KEY_P256},      {"P-384", ESTOC_KEY_P384},
        {"Ed25519", ESTOC_KEY_ED25519}, {"RSA", ESTOC_KEY_RSA},
        {"secp256r1", ESTOC_KEY_P256},  {"prime256v1", ESTOC_KEY_P256},
        {"secp384r1", ESTOC_KEY_P384},
    };
    estoc_slice word;
    *bits = 0;
    *rsa_bits = 0;
    while (estoc_conf_word(&text, ',', &word)) {
        uint32_t least = ESTOC_RSA_MIN_BITS;
        size_t i = 0;
        while (i < COUNT(kinds) && !same(word, kinds[i].name)) {
            i++;
        }
        if (i == COUNT(kinds) && !rsa_of(word, &least)) {
            return false;
        }
        estoc_key_kind kind = i < COUNT(kinds) ? kinds[i].kind : ESTOC_KEY_RSA;
        if (kind == ESTOC_KEY_RSA && *rsa_bits != 0) {
            return false; /* which of the two? */
        }
        *bits |= ESTOC_KEY_BIT(kind);
        *rsa_bits = kind == ESTOC_KEY_RSA ? least : *rsa_bits;
    }
    return true;
}

/* ---------------------------------------------------------------------------------- CSR attributes */

/* clang-format off */
static const struct {
    const char *name, *oid;
} oids[] = {
    {"ecPublicKey",             "1.2.840.10045.2.1"},
    {"secp256r1",               "1.2.840.10045.3.1.7"},
    {"prime256v1",              "1.2.840.10045.3.1.7"},
    {"P-256",                   "1.2.840.10045.3.1.7"},
    {"secp384r1",               "1.3.132.0.34"},
    {"P-384",                   "1.3.132.0.34"},
    {"Ed25519",                 "1.3.101.112"},
    {"rsaEncryption",           "1.2.840.113549.1.1.1"},
    {"challengePassword",       "1.2.840.113549.1.9.7"},
    {"extensionRequest",        "1.2.840.113549.1.9.14"},
    {"ecdsa-with-SHA256",       "1.2.840.10045.4.3.2"},
    {"ecdsa-with-SHA384",       "1.2.840.10045.4.3.3"},
    {"ecdsa-with-SHA512",       "1.2.840.10045.4.3.4"},
    {"sha256WithRSAEncryption", "1.2.840.113549.1.1.11"},
    {"macAddress",              "1.3.6.1.1.1.1.22"},
    {"commonName",              "2.5.4.3"},
    {"serialNumber",            "2.5.4.5"},
    {"keyUsage",                "2.5.29.15"},
    {"subjectAltName",          "2.5.29.17"},
    {"extendedKeyUsage",        "2.5.29.37"},
    {"clientAuth",              "1.3.6.1.5.5.7.3.2"},
    {"serverAuth",              "1.3.6.1.5.5.7.3.1"},
    {"codeSigning",             "1.3.6.1.5.5.7.3.3"},
    {"emailProtection",         "1.3.6.1.5.5.7.3.4"},
    {"timeStamping",            "1.3.6.1.5.5.7.3.8"},
    {"OCSPSigning",             "1.3.6.1.5.5.7.3.9"},
    {"cmcRA",                   "1.3.6.1.5.5.7.3.28"},
};
/* clang-format on */

struct attributes {
    estoc_csrattr at[ATTRIBUTES_MAX];
    size_t n;
    uint8_t oid[ATTRIBUTES_MAX][OID_MAX];
    uint8_t values[ATTRIBUTES_MAX][VALUES_MAX * (OID_MAX + 2)];
};

static char wrong_word[WORD_MAX + 4];

static estoc_err wrong(estoc_err err, estoc_slice word)
{
    bool cut = word.len > WORD_MAX;
    snprintf(wrong_word, sizeof wrong_word, "%.*s%s", cut ? WORD_MAX : (int)word.len,
             (const char *)word.ptr, cut ? "..." : "");
    return err;
}

estoc_err estoc_conf_oid(estoc_slice word, estoc_buf out, size_t *len)
{
    char text[WORD_MAX + 1];
    *len = 0;
    if (word.len > WORD_MAX) {
        return ESTOC_E_LIMIT;
    }
    memcpy(text, word.ptr, word.len);
    text[word.len] = '\0';
    const char *dotted = text;
    for (size_t i = 0; i < COUNT(oids); i++) {
        dotted = same(word, oids[i].name) ? oids[i].oid : dotted;
    }
    return estoc_oid_build(dotted, out, len);
}

static estoc_err oid_of(estoc_slice word, estoc_buf out, size_t *len)
{
    estoc_err err = estoc_conf_oid(word, out, len);
    return err ? wrong(err == ESTOC_E_LIMIT ? err : ESTOC_E_MALFORMED, word) : ESTOC_OK;
}

/* One value of an attribute: an OID, or an INTEGER for a bare number such as a key size. */
static estoc_err value_of(estoc_slice word, estoc_writer *w)
{
    uint8_t oid[OID_MAX];
    size_t len;
    uint64_t number;
    char text[12];
    if (word.len < sizeof text) {
        memcpy(text, word.ptr, word.len);
        text[word.len] = '\0';
        if (estoc_conf_number(text, 0, UINT32_MAX, &number)) {
            estoc_der_put_u32(w, (uint32_t)number);
            return w->err;
        }
    }
    estoc_err err = oid_of(word, (estoc_buf){oid, sizeof oid}, &len);
    estoc_der_put(w, ESTOC_DER_OID, estoc_slice_of(oid, len));
    return err ? err : w->err;
}

static int order(estoc_slice a, estoc_slice b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int c = memcmp(a.ptr, b.ptr, len);
    return c != 0 ? c : (a.len > b.len) - (a.len < b.len);
}

/* The values behind the first colon, sorted as DER sorts a SET OF.           X.690 section 11.6 */
static estoc_err values_of(const char *text, estoc_csrattr *attr, uint8_t *room, size_t cap)
{
    uint8_t bytes[VALUES_MAX][OID_MAX + 2];
    estoc_slice sorted[VALUES_MAX], word;
    size_t n = 0;
    while (estoc_conf_word(&text, ':', &word)) {
        if (n == VALUES_MAX) {
            return wrong(ESTOC_E_LIMIT, word);
        }
        estoc_writer one = estoc_writer_of((estoc_buf){bytes[n], sizeof bytes[n]});
        estoc_err err = value_of(word, &one);
        if (err) {
            return err;
        }
        size_t at = n++;
        for (; at > 0 && order(estoc_writer_slice(&one), sorted[at - 1]) < 0; at--) {
            sorted[at] = sorted[at - 1];
        }
        sorted[at] = estoc_writer_slice(&one);
        if (at > 0 && order(sorted[at - 1], sorted[at]) == 0) {
            return wrong(ESTOC_E_STATE, word);
        }
    }
    estoc_writer w = estoc_writer_of((estoc_buf){room, cap});
    for (size_t i = 0; i < n; i++) {
        estoc_write_bytes(&w, sorted[i]);
    }
    attr->values = estoc_writer_slice(&w);
    attr->is_attribute = true;
    return w.err;
}

static estoc_err add_attribute(struct attributes *a, estoc_slice part)
{
    char text[VALUES_MAX * (WORD_MAX + 4)];
    if (a->n == ATTRIBUTES_MAX || part.len >= sizeof text) {
        return wrong(ESTOC_E_LIMIT, part);
    }
    memcpy(text, part.ptr, part.len);
    text[part.len] = '\0';
    const char *rest = text;
    estoc_slice name;
    estoc_csrattr *attr = &a->at[a->n];
    memset(attr, 0, sizeof *attr);
    (void)estoc_conf_word(&rest, ':', &name);
    size_t len;
    estoc_err err = oid_of(name, (estoc_buf){a->oid[a->n], OID_MAX}, &len);
    if (err) {
        return err;
    }
    attr->oid = estoc_slice_of(a->oid[a->n], len);
    for (size_t i = 0; i < a->n; i++) {
        if (estoc_slice_eq(a->at[i].oid, attr->oid)) {
            return wrong(ESTOC_E_STATE, name);
        }
    }
    err = rest != NULL ? values_of(rest, attr, a->values[a->n], sizeof a->values[0]) : ESTOC_OK;
    a->n++;
    return err;
}

estoc_err estoc_conf_attributes(const char *text, estoc_buf out, size_t *len, const char **what)
{
    struct attributes a;
    estoc_slice part;
    a.n = 0;
    *len = 0;
    *what = wrong_word;
    wrong_word[0] = '\0';
    while (estoc_conf_word(&text, ',', &part)) {
        estoc_err err = add_attribute(&a, part);
        if (err) {
            return err;
        }
    }
    estoc_err err = estoc_csrattrs_build(a.at, a.n, out, len);
    return err ? wrong(err, estoc_slice_str("the whole")) : ESTOC_OK;
}
