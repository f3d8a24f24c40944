/* SPDX-License-Identifier: MIT */
#include <string.h>

#include <estoc/csrattrs.h>

#include "template.h"

#define RDNS_MAX       16
#define EXTENSIONS_MAX 32

estoc_err estoc_template_find(estoc_slice csrattrs, estoc_slice *der)
{
    estoc_reader r;
    estoc_csrattr attr;
    *der = estoc_slice_of(NULL, 0);
    estoc_err err = estoc_csrattrs_begin(csrattrs, &r);
    while (!err && estoc_csrattrs_next(&r, &attr)) {
        if (!estoc_slice_eq(attr.oid, ESTOC_OID_TEMPLATE) || !attr.is_attribute) {
            continue;
        }
        estoc_reader values = estoc_reader_of(attr.values);
        estoc_slice one = estoc_der_whole(&values, ESTOC_DER_SEQUENCE);
        if (estoc_der_end(&values) || der->len > 0) {
            err = ESTOC_E_MALFORMED;
        }
        *der = one;
    }
    err = err ? err : r.err;
    if (err) {
        *der = estoc_slice_of(NULL, 0);
    }
    return err;
}

bool estoc_template_rdn_next(estoc_reader *r, estoc_slice *type, estoc_slice *value)
{
    estoc_der el;
    *type = *value = estoc_slice_of(NULL, 0);
    if (r->err || estoc_reader_left(r) == 0) {
        return false;
    }
    estoc_reader set = estoc_der_enter(r, ESTOC_DER_SET);
    estoc_reader pair = estoc_der_enter(&set, ESTOC_DER_SEQUENCE);
    *type = estoc_der_oid(&pair);
    if (estoc_der_more(&pair, &el)) {
        *value = el.whole;
    }
    estoc_der_leave(&set, &pair);
    estoc_der_leave(r, &set);
    if (r->err) {
        *type = *value = estoc_slice_of(NULL, 0);
    }
    return !r->err;
}

bool estoc_template_ext_next(estoc_reader *r, estoc_ext *ext)
{
    memset(ext, 0, sizeof *ext);
    if (r->err || estoc_reader_left(r) == 0) {
        return false;
    }
    estoc_ext got = {.critical = false};
    estoc_reader all = *r;
    got.whole = estoc_der_whole(&all, ESTOC_DER_SEQUENCE);
    estoc_reader in = estoc_der_enter(r, ESTOC_DER_SEQUENCE);
    got.oid = estoc_der_oid(&in);
    if (estoc_der_peek(&in) == ESTOC_DER_BOOLEAN) {
        got.critical = estoc_der_bool(&in); /* that FALSE is not written in DER matters to nobody */
    }
    if (!in.err && estoc_reader_left(&in) > 0) {
        got.value = estoc_der_expect(&in, ESTOC_DER_OCTET_STRING);
        if (got.value.len == 0) { /* no extension has such a value */
            estoc_reader_fail(&in, ESTOC_E_MALFORMED);
        }
    }
    estoc_der_leave(r, &in);
    if (!r->err) {
        *ext = got;
    }
    return !r->err;
}

static estoc_err check_subject(estoc_slice subject)
{
    estoc_reader r = estoc_reader_of(subject);
    estoc_slice type, value;
    size_t n = 0;
    while (estoc_template_rdn_next(&r, &type, &value)) {
        if (++n > RDNS_MAX) {
            return ESTOC_E_LIMIT;
        }
    }
    return r.err;
}

static estoc_err check_extensions(estoc_slice list)
{
    estoc_reader r = estoc_reader_of(list);
    estoc_ext ext;
    size_t n = 0;
    while (estoc_template_ext_next(&r, &ext)) {
        if (++n > EXTENSIONS_MAX) {
            return ESTOC_E_LIMIT;
        }
        if (estoc_der_oid_before(list, ext.oid)) {
            return ESTOC_E_MALFORMED;
        }
    }
    return r.err ? r.err : n == 0 ? ESTOC_E_MALFORMED : ESTOC_OK;
}

/* Attributes have values, all of them; one of them may ask for extensions. */
static estoc_err take_attributes(estoc_template *t)
{
    estoc_reader r = estoc_reader_of(t->attributes);
    estoc_csrattr attr;
    while (estoc_csrattrs_next(&r, &attr)) {
        if (!attr.is_attribute) {
            return ESTOC_E_MALFORMED;
        }
        if (!estoc_slice_eq(attr.oid, ESTOC_OID_EXT_REQUEST) &&
            !estoc_slice_eq(attr.oid, ESTOC_OID_EXT_TEMPLATE)) {
            continue;
        }
        estoc_reader values = estoc_reader_of(attr.values);
        estoc_slice list = estoc_der_expect(&values, ESTOC_DER_SEQUENCE);
        estoc_err err = estoc_der_end(&values);
        if (!err && t->extensions.len > 0) {
            err = ESTOC_E_MALFORMED;
        }
        t->extensions = list;
        err = err ? err : check_extensions(list);
        if (err) {
            return err;
        }
    }
    return r.err;
}

static void take_key(estoc_template *t, estoc_reader *r)
{
    if (estoc_der_peek(r) != ESTOC_DER_CONTEXT_CONSTRUCTED(0)) {
        return;
    }
    estoc_reader in = estoc_der_enter(r, ESTOC_DER_CONTEXT_CONSTRUCTED(0));
    t->algorithm = estoc_der_whole(&in, ESTOC_DER_SEQUENCE);
    if (!in.err && estoc_reader_left(&in) > 0) {
        t->key = estoc_der_bits(&in);
    }
    estoc_der_leave(r, &in);
}

estoc_err estoc_template_parse(estoc_template *t, estoc_slice der)
{
    estoc_reader r;
    estoc_template got = {.subject = {NULL, 0}};
    memset(t, 0, sizeof *t);
    estoc_err err = estoc_der_begin(der, &r);
    if (err) {
        return err;
    }
    if (estoc_der_u32(&r) != 0) {
        estoc_reader_fail(&r, ESTOC_E_MALFORMED);
    }
    if (estoc_der_peek(&r) == ESTOC_DER_SEQUENCE) {
        got.subject = estoc_der_expect(&r, ESTOC_DER_SEQUENCE);
    }
    take_key(&got, &r);
    got.attributes = estoc_der_expect(&r, ESTOC_DER_CONTEXT_CONSTRUCTED(1));
    err = estoc_der_end(&r);
    err = err ? err : check_subject(got.subject);
    err = err ? err : take_attributes(&got);
    if (!err) {
        *t = got;
    }
    return err;
}

uint32_t estoc_template_rsa_bits(estoc_slice rsa_public_key)
{
    estoc_reader r;
    if (estoc_der_begin(rsa_public_key, &r)) {
        return 0;
    }
    estoc_slice n = estoc_der_integer(&r);
    if (r.err || n.len == 0 || n.len > 1024 || n.ptr[0] >= 0x80) {
        return 0;
    }
    while (n.len > 0 && n.ptr[0] == 0) {
        n = estoc_slice_sub(n, 1, n.len);
    }
    uint32_t bits = (uint32_t)n.len * 8;
    for (uint8_t top = n.len > 0 ? n.ptr[0] : 0x80; top < 0x80; top = (uint8_t)(top << 1)) {
        bits--;
    }
    return bits;
}
