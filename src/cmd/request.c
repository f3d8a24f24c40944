/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "request.h"
#include "text.h"

static const uint8_t san_oid[] = {0x55, 0x1d, 0x11};

estoc_err estoc_san_build(const char *const *names, size_t n, estoc_buf out, size_t *len,
                          estoc_why *why)
{
    *len = 0;
    if (n == 0) {
        return ESTOC_OK;
    }
    estoc_writer w = estoc_writer_of(out);
    size_t mark = estoc_der_open(&w, ESTOC_DER_SEQUENCE);
    for (size_t i = 0; i < n; i++) {
        if (!estoc_san_put(&w, names[i], false)) {
            estoc_why_set(why, "--san %s: write dns:NAME, ip:ADDRESS, uri:URI or email:ADDRESS",
                          names[i]);
            return ESTOC_E_CONFIG;
        }
    }
    estoc_der_close(&w, mark);
    return estoc_writer_end(&w, len);
}

/* subjectAltName, critical where there is no subject (RFC 5280 section 4.2.1.6), and the others. */
static estoc_err build_extensions(const estoc_request_plan *plan, estoc_buf out, size_t *len)
{
    *len = 0;
    if (plan->san.len + plan->extensions.len == 0) {
        return ESTOC_OK;
    }
    estoc_writer w = estoc_writer_of(out);
    size_t list = estoc_der_open(&w, ESTOC_DER_SEQUENCE);
    if (plan->san.len > 0) {
        size_t ext = estoc_der_open(&w, ESTOC_DER_SEQUENCE);
        estoc_der_put(&w, ESTOC_DER_OID, estoc_slice_of(san_oid, sizeof san_oid));
        if (plan->san_critical || estoc_name_is_empty(plan->subject)) {
            estoc_der_put_bool(&w, true);
        }
        estoc_der_put(&w, ESTOC_DER_OCTET_STRING, plan->san);
        estoc_der_close(&w, ext);
    }
    estoc_der_put_raw(&w, plan->extensions);
    estoc_der_close(&w, list);
    return estoc_writer_end(&w, len);
}

estoc_err estoc_request_build(const estoc_request_plan *plan, estoc_key *key, estoc_buf out,
                              size_t *len)
{
    uint8_t spki[ESTOC_SPKI_MAX];
    uint8_t extensions[ESTOC_CSR_MAX / 2];
    size_t spki_len = 0;
    size_t extensions_len = 0;
    *len = 0;
    estoc_err err = estoc_key_spki(key, (estoc_buf){spki, sizeof spki}, &spki_len);
    if (!err) {
        err = build_extensions(plan, (estoc_buf){extensions, sizeof extensions}, &extensions_len);
    }
    if (err) {
        return err;
    }
    estoc_csr_plan csr = {.subject = plan->subject,
                          .spki = estoc_slice_of(spki, spki_len),
                          .extensions = estoc_slice_of(extensions, extensions_len),
                          .challenge_password = plan->password,
                          .more_attributes = plan->attributes};
    estoc_signer signer = estoc_key_signer(key);
    return estoc_csr_build(&csr, &signer, out, len);
}

/* How many attributes there are; each of `list` must be among those of `in`. */
static bool attributes_within(estoc_slice list, estoc_slice in, size_t *n)
{
    estoc_reader r = estoc_reader_of(list);
    estoc_der one, other = {0};
    *n = 0;
    while (estoc_reader_left(&r) > 0 && estoc_der_next(&r, &one)) {
        estoc_reader all = estoc_reader_of(in);
        bool found = false;
        while (!found && estoc_reader_left(&all) > 0 && estoc_der_next(&all, &other)) {
            found = estoc_slice_eq(other.whole, one.whole);
        }
        if (!found) {
            return false;
        }
        (*n)++;
    }
    return r.err == ESTOC_OK;
}

bool estoc_request_same(estoc_slice der, const estoc_request_plan *plan, const estoc_key *key)
{
    static const uint8_t empty_name[] = {0x30, 0x00};
    uint8_t spki[ESTOC_SPKI_MAX], extensions[ESTOC_CSR_MAX / 2];
    size_t spki_len = 0, extensions_len = 0, wanted = 0, has = 0;
    estoc_csr csr;
    if (estoc_csr_parse(&csr, der) ||
        estoc_key_spki(key, (estoc_buf){spki, sizeof spki}, &spki_len) ||
        build_extensions(plan, (estoc_buf){extensions, sizeof extensions}, &extensions_len) ||
        !attributes_within(plan->attributes, csr.attributes, &wanted) ||
        !attributes_within(csr.attributes, csr.attributes, &has)) {
        return false;
    }
    estoc_slice subject =
        plan->subject.len > 0 ? plan->subject : estoc_slice_of(empty_name, sizeof empty_name);
    return estoc_slice_eq(csr.subject, subject) &&
           estoc_slice_eq(csr.extensions, estoc_slice_of(extensions, extensions_len)) &&
           has == wanted + (extensions_len > 0) + csr.has_challenge_password &&
           estoc_slice_eq(csr.spki.der, estoc_slice_of(spki, spki_len));
}

bool estoc_request_linked(estoc_slice der, estoc_slice password)
{
    estoc_csr csr;
    return !estoc_csr_parse(&csr, der) && csr.has_challenge_password == (password.len > 0) &&
           estoc_slice_eq_secret(csr.challenge_password, password);
}
