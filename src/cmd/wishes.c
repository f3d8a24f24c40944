/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "attributes.h"
#include "template.h"

static void wish_key(estoc_wishes *w, estoc_key_kind kind)
{
    if (w->key == ESTOC_KEY_UNKNOWN) { /* the first one named is the preferred one */
        w->key = kind;
    }
}

static void wish_curve(estoc_wishes *w, estoc_slice curve)
{
    unsigned what = estoc_oid_what(curve);
    if (what == OID_P256) {
        wish_key(w, ESTOC_KEY_P256);
    } else if (what == OID_P384) {
        wish_key(w, ESTOC_KEY_P384);
    } else if (curve.len > 0) {
        w->unsupported_key = true;
    }
}

/* A key by its algorithm, and what may stand behind that: a curve, or a size. */
static void wish_algorithm(estoc_wishes *w, estoc_slice oid, estoc_reader parameters)
{
    uint8_t tag = estoc_der_peek(&parameters);
    switch (estoc_oid_what(oid)) {
    case OID_EC:
        if (tag == ESTOC_DER_OID) {
            wish_curve(w, estoc_der_oid(&parameters));
        } else {
            wish_key(w, ESTOC_KEY_P256);
        }
        break;
    case OID_P256:
    case OID_P384:
    case OID_CURVE:
        wish_curve(w, oid);
        break;
    case OID_ED25519:
        wish_key(w, ESTOC_KEY_ED25519);
        break;
    case OID_RSA:
        wish_key(w, ESTOC_KEY_RSA);
        if (tag == ESTOC_DER_INTEGER) {
            w->rsa_bits = estoc_der_u32(&parameters);
        }
        break;
    default:
        break;
    }
}

static void wish_sig(estoc_wishes *w, estoc_sig_kind kind)
{
    w->unsupported_sig |= kind == ESTOC_SIG_UNKNOWN;
    if (w->sig == ESTOC_SIG_UNKNOWN) {
        w->sig = kind;
    }
}

static estoc_err wish_ext(estoc_wishes *w, const estoc_ext *ext)
{
    for (size_t i = 0; i < w->extensions_n; i++) {
        if (estoc_slice_eq(w->extensions[i].oid, ext->oid)) {
            return ESTOC_OK; /* by its OID alone, and in an extensionRequest */
        }
    }
    if (w->extensions_n == ESTOC_WISHES_MAX) {
        return ESTOC_E_LIMIT;
    }
    w->extensions[w->extensions_n++] = *ext;
    return ESTOC_OK;
}

static estoc_err wish_exts(estoc_wishes *w, estoc_slice list)
{
    estoc_reader r = estoc_reader_of(list);
    estoc_ext ext;
    while (estoc_template_ext_next(&r, &ext)) {
        estoc_err err = wish_ext(w, &ext);
        if (err) {
            return err;
        }
    }
    return r.err;
}

/* Extensions (RFC 9908 section 3.2), or only their OIDs as in the example of RFC 7030. */
static estoc_err wish_request(estoc_wishes *w, estoc_slice values)
{
    estoc_reader r = estoc_reader_of(values);
    estoc_der el;
    estoc_err err = ESTOC_OK;
    while (!err && estoc_der_more(&r, &el)) {
        unsigned what = el.tag == ESTOC_DER_OID ? estoc_oid_what(el.value) : OID_OTHER;
        if (el.tag == ESTOC_DER_SEQUENCE) {
            err = wish_exts(w, el.value);
        } else if (what == OID_SAN || what == OID_USAGE || what == OID_PURPOSES) {
            err = wish_ext(w, &(estoc_ext){.oid = el.value});
        }
    }
    return err ? err : r.err;
}

static estoc_err wish_type(estoc_wishes *w, estoc_slice type)
{
    if (w->types_n == ESTOC_WISHES_MAX) {
        return ESTOC_E_LIMIT;
    }
    w->types[w->types_n++] = type;
    return ESTOC_OK;
}

static estoc_err wish(estoc_wishes *w, const estoc_csrattr *attr)
{
    switch (estoc_oid_what(attr->oid)) {
    case OID_CHALLENGE:
        w->challenge_password = true;
        return ESTOC_OK;
    case OID_ES256:
        wish_sig(w, ESTOC_SIG_ECDSA_SHA256);
        return ESTOC_OK;
    case OID_ES384:
        wish_sig(w, ESTOC_SIG_ECDSA_SHA384);
        return ESTOC_OK;
    case OID_RS256:
        wish_sig(w, ESTOC_SIG_RSA_SHA256);
        return ESTOC_OK;
    case OID_SIG:
        wish_sig(w, ESTOC_SIG_UNKNOWN);
        return ESTOC_OK;
    case OID_EXTENSIONS:
        return wish_request(w, attr->values);
    case OID_SAN:
    case OID_USAGE:
    case OID_PURPOSES:
        return wish_ext(w, &(estoc_ext){.oid = attr->oid});
    case OID_NAME:
        return wish_type(w, attr->oid);
    default:
        wish_algorithm(w, attr->oid, estoc_reader_of(attr->values));
        return ESTOC_OK;
    }
}

static estoc_err read_list(estoc_slice der, estoc_wishes *out)
{
    estoc_reader r;
    estoc_csrattr attr;
    estoc_err err = estoc_csrattrs_begin(der, &r);
    while (!err && estoc_csrattrs_next(&r, &attr)) {
        err = wish(out, &attr);
    }
    return err ? err : r.err;
}

static estoc_err read_template(estoc_slice der, estoc_wishes *out)
{
    estoc_template t;
    estoc_reader r;
    estoc_csrattr attr;
    estoc_err err = estoc_template_parse(&t, der);
    if (err) {
        return err;
    }
    out->subject = t.subject;
    if (t.algorithm.len > 0 && !estoc_der_begin(t.algorithm, &r)) {
        estoc_slice oid = estoc_der_oid(&r);
        wish_algorithm(out, oid, r);
        out->unsupported_key |= out->key == ESTOC_KEY_UNKNOWN; /* it is asked for, and not known */
        out->rsa_bits = t.key.len > 0 ? estoc_template_rsa_bits(t.key) : 0;
    }
    r = estoc_reader_of(t.attributes);
    while (estoc_csrattrs_next(&r, &attr)) {
        out->challenge_password |= estoc_oid_what(attr.oid) == OID_CHALLENGE;
    }
    return wish_exts(out, t.extensions);
}

estoc_err estoc_wishes_read(estoc_slice der, estoc_wishes *out)
{
    estoc_slice template;
    memset(out, 0, sizeof *out);
    if (der.len == 0) {
        return ESTOC_OK;
    }
    estoc_err err = estoc_template_find(der, &template);
    if (!err) {
        err = template.len > 0 ? read_template(template, out) : read_list(der, out);
    }
    out->unsupported_key = out->unsupported_key && out->key == ESTOC_KEY_UNKNOWN;
    out->unsupported_sig = out->unsupported_sig && out->sig == ESTOC_SIG_UNKNOWN;
    return err;
}
