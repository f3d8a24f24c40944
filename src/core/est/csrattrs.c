/* SPDX-License-Identifier: MIT */
#include <string.h>

#include <estoc/csrattrs.h>

/* SET SIZE (1..MAX); nothing hangs on the order DER asks for. RFC 7030 section 4.5.2 */
static bool values_good(estoc_slice values)
{
    estoc_reader r = estoc_reader_of(values);
    estoc_der el;
    do {
        if (!estoc_der_next(&r, &el)) {
            return false;
        }
    } while (estoc_reader_left(&r) > 0);
    return true;
}

estoc_err estoc_csrattrs_begin(estoc_slice der, estoc_reader *r)
{
    return estoc_der_begin(der, r);
}

bool estoc_csrattrs_next(estoc_reader *r, estoc_csrattr *attr)
{
    memset(attr, 0, sizeof *attr);
    if (estoc_reader_left(r) == 0) {
        return false;
    }
    attr->is_attribute = estoc_der_peek(r) != ESTOC_DER_OID;
    if (attr->is_attribute) {
        estoc_reader in = estoc_der_enter(r, ESTOC_DER_SEQUENCE);
        attr->oid = estoc_der_oid(&in);
        attr->values = estoc_der_expect(&in, ESTOC_DER_SET);
        if (!values_good(attr->values)) {
            estoc_reader_malformed(&in);
        }
        estoc_der_leave(r, &in);
    } else {
        attr->oid = estoc_der_oid(r);
    }
    if (r->err) {
        r->err = ESTOC_E_MALFORMED; /* the list is all there: what ends too early within it, too */
        memset(attr, 0, sizeof *attr);
    }
    return !r->err;
}

static void put_attr(estoc_writer *w, const estoc_csrattr *attr)
{
    bool good = attr->is_attribute ? values_good(attr->values) : attr->values.len == 0;
    if (!good || !estoc_der_oid_valid(attr->oid)) {
        estoc_writer_fail(w, ESTOC_E_MALFORMED);
        return;
    }
    if (!attr->is_attribute) {
        estoc_der_put(w, ESTOC_DER_OID, attr->oid);
        return;
    }
    size_t mark = estoc_der_open(w, ESTOC_DER_SEQUENCE);
    estoc_der_put(w, ESTOC_DER_OID, attr->oid);
    estoc_der_put(w, ESTOC_DER_SET, attr->values);
    estoc_der_close(w, mark);
}

estoc_err estoc_csrattrs_build(const estoc_csrattr *attrs, size_t n, estoc_buf out, size_t *len)
{
    estoc_writer w = estoc_writer_of(out);
    size_t mark = estoc_der_open(&w, ESTOC_DER_SEQUENCE);
    for (size_t i = 0; i < n; i++) {
        put_attr(&w, &attrs[i]);
    }
    estoc_der_close(&w, mark);
    return estoc_writer_end(&w, len);
}
