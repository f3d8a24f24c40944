/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "naming.h"
#include "text.h"

enum { KIND_EMAIL = 1, KIND_DNS = 2, KIND_URI = 6, KIND_IP = 7 }; /* [n] of GeneralName */

/* clang-format off */
#define LACKS(what) "your certificate has no " what ", which this path takes", \
                    "your certificate's issuer has no " what, \
                    "the request has no " what ", which this path takes"
static const struct {
    const char *type;
    const char *missing[3]; /* in the client's subject, in its issuer, in the request */
} attributes[] = {
    {"CN",           {LACKS("CN")}},
    {"serialNumber", {LACKS("serialNumber")}},
    {"O",            {LACKS("O")}},
    {"OU",           {LACKS("OU")}},
    {"C",            {LACKS("C")}},
    {"ST",           {LACKS("ST")}},
    {"L",            {LACKS("L")}},
    {"DC",           {LACKS("DC")}},
    {"UID",          {LACKS("UID")}},
    {"emailAddress", {LACKS("emailAddress")}},
};
static const struct {
    const char *name;
    uint8_t kind;
    const char *stand_in;
    const char *missing[3];
} alternatives[] = {
    {"dns",   KIND_DNS,   "xx.example",     {LACKS("DNS name")}},
    {"ip",    KIND_IP,    "192.0.2.1",      {LACKS("IP address")}},
    {"uri",   KIND_URI,   "urn:xx",         {LACKS("URI")}},
    {"email", KIND_EMAIL, "xx@xx.example",  {LACKS("email address")}},
};
/* clang-format on */

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { OF_CLIENT, OF_ISSUER, OF_REQUEST };

/* Of a value that does not fit, no part will do. */
static estoc_field_state put(estoc_field *f, estoc_slice value)
{
    if (value.len == 0 || value.len > ESTOC_FIELD_MAX) {
        return ESTOC_FIELD_MISSING;
    }
    memcpy(f->value, value.ptr, value.len);
    f->value[value.len] = '\0';
    f->len = value.len;
    return ESTOC_FIELD_FOUND;
}

/* What follows a prefix. @return false: it has another */
static bool after(estoc_slice *name, const char *prefix)
{
    estoc_slice p = estoc_slice_str(prefix);
    if (!estoc_slice_eq(estoc_slice_sub(*name, 0, p.len), p)) {
        return false;
    }
    *name = estoc_slice_sub(*name, p.len, name->len);
    return true;
}

static estoc_field_state find_attribute(estoc_slice type, const estoc_bearer *b, int of,
                                        estoc_field *f)
{
    size_t i = 0;
    while (i < COUNT(attributes) && !estoc_slice_eq(type, estoc_slice_str(attributes[i].type))) {
        i++;
    }
    if (i == COUNT(attributes)) {
        return ESTOC_FIELD_UNKNOWN;
    }
    f->missing = attributes[i].missing[of];
    if (b == NULL) {
        return put(f, estoc_slice_str("XX")); /* may be a country, too */
    }
    estoc_slice value, name = of == OF_CLIENT   ? b->client->subject
                              : of == OF_ISSUER ? b->client->issuer
                                                : b->csr->subject;
    if (estoc_name_check(name)) { /* an issuer's was not looked at before */
        return ESTOC_FIELD_MISSING;
    }
    size_t n = estoc_name_find(name, estoc_name_type(type), &value);
    return n > 1 ? ESTOC_FIELD_TWICE : put(f, value);
}

static estoc_field_state put_address(const estoc_der *el, estoc_field *f)
{
    char text[64];
    estoc_slice value = estoc_slice_str(estoc_san_text(el, text, sizeof text));
    return after(&value, "ip:") ? put(f, value) : ESTOC_FIELD_MISSING;
}

static estoc_field_state find_alternative(estoc_slice kind, const estoc_bearer *b, int of,
                                          estoc_field *f)
{
    size_t i = 0;
    estoc_reader r;
    estoc_der el;
    estoc_field_state state = ESTOC_FIELD_MISSING;
    while (i < COUNT(alternatives) &&
           !estoc_slice_eq(kind, estoc_slice_str(alternatives[i].name))) {
        i++;
    }
    if (i == COUNT(alternatives)) {
        return ESTOC_FIELD_UNKNOWN;
    }
    f->missing = alternatives[i].missing[of];
    f->kind = ESTOC_DER_CONTEXT(alternatives[i].kind);
    if (b == NULL) {
        return put(f, estoc_slice_str(alternatives[i].stand_in));
    }
    estoc_slice names = of == OF_CLIENT ? b->client->san : b->csr->san;
    if (!estoc_san_good(names) || estoc_der_begin(names, &r)) {
        return ESTOC_FIELD_MISSING;
    }
    while (estoc_der_more(&r, &el)) {
        if (el.tag != f->kind) {
            continue;
        }
        if (state == ESTOC_FIELD_FOUND) {
            return ESTOC_FIELD_TWICE;
        }
        state = alternatives[i].kind == KIND_IP ? put_address(&el, f) : put(f, el.value);
    }
    return state;
}

static estoc_field_state find_serial(const estoc_bearer *b, estoc_field *f)
{
    char text[2 * 20 + 1];
    f->missing = "your certificate has no serial number";
    return put(f, b != NULL ? estoc_slice_str(estoc_hex(b->client->serial, text, sizeof text))
                            : estoc_slice_str("00"));
}

estoc_field_state estoc_field_find(estoc_slice name, const estoc_bearer *bearer, estoc_field *f)
{
    memset(f, 0, sizeof *f);
    f->missing = "";
    if (estoc_slice_eq(name, estoc_slice_str("client.serial"))) {
        return find_serial(bearer, f);
    }
    if (after(&name, "client.san.")) {
        return find_alternative(name, bearer, OF_CLIENT, f);
    }
    if (after(&name, "request.san.")) {
        return find_alternative(name, bearer, OF_REQUEST, f);
    }
    if (after(&name, "client.issuer.")) {
        return find_attribute(name, bearer, OF_ISSUER, f);
    }
    if (after(&name, "client.")) {
        return find_attribute(name, bearer, OF_CLIENT, f);
    }
    return after(&name, "request.") ? find_attribute(name, bearer, OF_REQUEST, f)
                                    : ESTOC_FIELD_UNKNOWN;
}
