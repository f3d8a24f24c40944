/* SPDX-License-Identifier: MIT
 *
 * What a request may ask to stand in its certificate besides names and key, and what comes of it: E4,
 * rows 214 and 219.
 */
#include "policy.h"

/* Each @return 0; ESTOC_E_FORBIDDEN; ESTOC_E_MALFORMED */

static estoc_err ignore(estoc_slice value, estoc_grant *grant)
{
    (void)value;
    (void)grant;
    return ESTOC_OK;
}

static estoc_err no_ca(estoc_slice value, estoc_grant *grant)
{
    (void)grant;
    estoc_reader outer = estoc_reader_of(value);
    estoc_reader r = estoc_der_enter(&outer, ESTOC_DER_SEQUENCE);
    bool ca = estoc_der_peek(&r) == ESTOC_DER_BOOLEAN && estoc_der_bool(&r);
    if (estoc_der_peek(&r) == ESTOC_DER_INTEGER) {
        (void)estoc_der_u32(&r);
    }
    if (estoc_reader_end(&r) || estoc_reader_end(&outer)) {
        return ESTOC_E_MALFORMED;
    }
    return ca ? ESTOC_E_FORBIDDEN : ESTOC_OK;
}

/* keyCertSign and cRLSign are a CA's. What else is asked for is dropped, but for digitalSignature. */
static estoc_err no_ca_usage(estoc_slice value, estoc_grant *grant)
{
    (void)grant;
    estoc_reader r = estoc_reader_of(value);
    estoc_slice bits = estoc_der_expect(&r, ESTOC_DER_BIT_STRING);
    if (estoc_reader_end(&r) || bits.len < 2 || bits.len > 3 || bits.ptr[0] > 7) {
        return ESTOC_E_MALFORMED;
    }
    return (bits.ptr[1] & 0x06) != 0 ? ESTOC_E_FORBIDDEN : ESTOC_OK;
}

static bool has_purpose(estoc_slice list, estoc_slice oid)
{
    estoc_reader r = estoc_reader_of(list);
    while (!r.err && estoc_reader_left(&r) > 0) {
        if (estoc_slice_eq(estoc_der_oid(&r), oid)) {
            return true;
        }
    }
    return false;
}

static estoc_slice purposes_of(const estoc_profile *profile)
{
    static const uint8_t client_auth[] = {ESTOC_DER_OID, 8, 0x2b, 0x06, 0x01,
                                          0x05,          5, 0x07, 0x03, 0x02};
    return profile->contents.purposes_len > 0
               ? estoc_slice_of(profile->contents.purposes, profile->contents.purposes_len)
               : estoc_slice_of(client_auth, sizeof client_auth);
}

/* Of what the profile has, that which is asked for, in the profile's order. */
static void pick_purposes(estoc_slice all, estoc_slice asked, estoc_grant *grant)
{
    estoc_reader r = estoc_reader_of(all);
    estoc_writer w = estoc_writer_of((estoc_buf){grant->picked, sizeof grant->picked});
    while (!r.err && estoc_reader_left(&r) > 0) {
        estoc_slice oid = estoc_der_oid(&r);
        if (has_purpose(asked, oid)) {
            estoc_der_put(&w, ESTOC_DER_OID, oid);
        }
    }
    grant->purposes = estoc_writer_slice(&w);
}

/* A privilege is not granted in silence, nor dropped in silence (214). */
static estoc_err check_purposes(estoc_slice value, estoc_grant *grant)
{
    estoc_reader outer = estoc_reader_of(value);
    estoc_reader r = estoc_der_enter(&outer, ESTOC_DER_SEQUENCE);
    estoc_slice asked = r.rest;
    bool more = false;
    size_t n = 0;
    while (!r.err && estoc_reader_left(&r) > 0) {
        more |= !has_purpose(grant->purposes, estoc_der_oid(&r));
        n++;
    }
    if (estoc_reader_end(&r) || estoc_reader_end(&outer) || n == 0) {
        return ESTOC_E_MALFORMED;
    }
    if (more) {
        return ESTOC_E_FORBIDDEN;
    }
    pick_purposes(grant->purposes, asked, grant);
    return ESTOC_OK;
}

/* clang-format off */
static const struct {
    uint8_t oid_len;
    uint8_t oid[8];
    estoc_err (*check)(estoc_slice value, estoc_grant *grant);
    const char *text; /* of a refusal */
} known[] = {
    {3, {0x55, 0x1d, 0x13}, no_ca,            "a CA certificate is not issued"},
    {3, {0x55, 0x1d, 0x0f}, no_ca_usage,      "the usage of a CA's key is not granted"},
    {3, {0x55, 0x1d, 0x25}, check_purposes,   "an extended key usage that is not granted"},
    {3, {0x55, 0x1d, 0x11}, ignore, NULL}, /* subjectAltName: names.c */
    /* the CA's values win (219) */
    {3, {0x55, 0x1d, 0x0e}, ignore, NULL}, /* subjectKeyIdentifier */
    {3, {0x55, 0x1d, 0x23}, ignore, NULL}, /* authorityKeyIdentifier */
    {3, {0x55, 0x1d, 0x1e}, ignore, NULL}, /* nameConstraints */
    {3, {0x55, 0x1d, 0x1f}, ignore, NULL}, /* cRLDistributionPoints */
    {3, {0x55, 0x1d, 0x20}, ignore, NULL}, /* certificatePolicies */
    {8, {0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x01, 0x01}, ignore, NULL}, /* authorityInfoAccess */
};
/* clang-format on */

#define KNOWN (sizeof known / sizeof known[0])

static estoc_err check_extension(const estoc_ext *ext, estoc_grant *grant, estoc_ruling *why)
{
    size_t i = 0;
    while (i < KNOWN && !estoc_slice_eq(ext->oid, estoc_slice_of(known[i].oid, known[i].oid_len))) {
        i++;
    }
    if (i == KNOWN) {
        return ext->critical ? estoc_policy_refuse(why, ESTOC_E_FORBIDDEN, "E4",
                                                   "a critical extension that is not granted")
                             : ESTOC_OK;
    }
    estoc_err err = known[i].check(ext->value, grant);
    if (err == ESTOC_E_MALFORMED) {
        return estoc_policy_refuse(why, err, "E4", "an extension in the request is malformed");
    }
    return err ? estoc_policy_refuse(why, err, "214", known[i].text) : ESTOC_OK;
}

static estoc_err check_all(estoc_slice extensions, estoc_grant *grant, estoc_ruling *why)
{
    estoc_ext ext;
    estoc_reader outer = estoc_reader_of(extensions);
    estoc_reader r = estoc_der_enter(&outer, ESTOC_DER_SEQUENCE);
    while (!r.err && estoc_reader_left(&r) > 0 && estoc_ext_next(&r, &ext)) {
        estoc_err err = check_extension(&ext, grant, why);
        if (err) {
            return err;
        }
    }
    return estoc_reader_end(&r) ? estoc_policy_refuse(why, ESTOC_E_MALFORMED, "E4",
                                                      "an extension in the request is malformed")
                                : ESTOC_OK;
}

/* What a key of this kind can be used for.             RFC 3279 section 2.3.1, RFC 5480, RFC 8410 */
static uint8_t possible(estoc_key_kind kind)
{
    unsigned bits = ESTOC_USAGE_SIGNATURE | ESTOC_USAGE_NON_REPUDIATION;
    if (kind == ESTOC_KEY_RSA) {
        bits |= ESTOC_USAGE_KEY_ENCIPHERMENT | ESTOC_USAGE_DATA_ENCIPHERMENT;
    } else if (kind != ESTOC_KEY_ED25519) {
        bits |= ESTOC_USAGE_KEY_AGREEMENT;
    }
    return (uint8_t)bits;
}

estoc_err estoc_policy_extensions(const estoc_petition *p, estoc_slice asked, estoc_grant *grant,
                                  estoc_ruling *why)
{
    grant->purposes = purposes_of(p->profile);
    return asked.len > 0 ? check_all(asked, grant, why) : ESTOC_OK;
}

estoc_err estoc_policy_usage(const estoc_profile *profile, estoc_key_kind kind, estoc_grant *grant,
                             estoc_ruling *why)
{
    grant->usage = profile->contents.usage & possible(kind);
    return profile->contents.usage != 0 && grant->usage == 0
               ? estoc_policy_refuse(why, ESTOC_E_KEY, "X3",
                                     "this kind of key cannot be used as this profile wants")
               : ESTOC_OK;
}
