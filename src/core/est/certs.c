/* SPDX-License-Identifier: MIT */
#include <string.h>

#include <estoc/cert.h>

static const uint8_t signed_data[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02};
static const uint8_t id_data[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01};

/* ---- reading ---- */

static void expect_oid(estoc_reader *r, const uint8_t oid[9])
{
    estoc_slice got = estoc_der_expect(r, ESTOC_DER_OID);
    if (!estoc_slice_eq(got, estoc_slice_of(oid, 9))) {
        estoc_reader_malformed(r);
    }
}

static void expect_empty_set(estoc_reader *r)
{
    if (estoc_der_expect(r, ESTOC_DER_SET).len > 0) {
        estoc_reader_malformed(r);
    }
}

/* Version 1 has X.509 certificates only, and CRLs only: a SEQUENCE each. RFC 5652 section 5.1 */
static bool next_sequence(estoc_reader *r, estoc_slice *whole)
{
    estoc_der el;
    if (!estoc_der_more(r, &el)) {
        return false;
    }
    if (el.tag != ESTOC_DER_SEQUENCE) {
        estoc_reader_malformed(r);
    }
    *whole = el.whole;
    return !r->err;
}

/* A SET OF, of which DER fixes the order and CMS does not: RFC 7030 appendix A.1 is not sorted. */
static void read_certs(estoc_reader *r, estoc_slice *certs, size_t room, size_t *n)
{
    estoc_reader in = estoc_der_enter(r, ESTOC_DER_CONTEXT_CONSTRUCTED(0));
    estoc_slice cert;
    while (next_sequence(&in, &cert)) {
        if (*n == room) {
            estoc_reader_fail(&in, ESTOC_E_LIMIT);
            break;
        }
        certs[(*n)++] = cert;
    }
    estoc_der_leave(r, &in);
    if (*n == 0) {
        estoc_reader_malformed(r);
    }
}

static void skip_crls(estoc_reader *r)
{
    if (estoc_der_peek(r) == ESTOC_DER_CONTEXT_CONSTRUCTED(1)) {
        estoc_reader in = estoc_der_enter(r, ESTOC_DER_CONTEXT_CONSTRUCTED(1));
        estoc_slice crl;
        while (next_sequence(&in, &crl)) {
        }
        estoc_der_leave(r, &in);
    }
}

static void read_signed_data(estoc_reader *r, estoc_slice *certs, size_t room, size_t *n)
{
    if (estoc_der_u32(r) != 1) {
        estoc_reader_malformed(r);
    }
    expect_empty_set(r); /* digestAlgorithms */
    estoc_reader content = estoc_der_enter(r, ESTOC_DER_SEQUENCE);
    expect_oid(&content, id_data);
    estoc_der_leave(r, &content);
    read_certs(r, certs, room, n);
    skip_crls(r);
    expect_empty_set(r); /* signerInfos */
}

estoc_err estoc_certs_parse(estoc_slice cms, estoc_slice *certs, size_t *n)
{
    size_t room = *n;
    *n = 0;
    estoc_reader info;
    estoc_err err = estoc_der_begin(cms, &info);
    if (!err) {
        expect_oid(&info, signed_data);
        estoc_reader tagged = estoc_der_enter(&info, ESTOC_DER_CONTEXT_CONSTRUCTED(0));
        estoc_reader r = estoc_der_enter(&tagged, ESTOC_DER_SEQUENCE);
        read_signed_data(&r, certs, room, n);
        estoc_der_leave(&tagged, &r);
        estoc_der_leave(&info, &tagged);
        err = estoc_der_end(&info);
    }
    if (err) {
        *n = 0;
        for (size_t i = 0; i < room; i++) {
            certs[i] = estoc_slice_of(NULL, 0);
        }
    }
    return err;
}

/* ---- writing ---- */

/* The set of CRLs is there, and empty, as in the appendices of RFC 7030 and RFC 9148. */
static void put_signed_data(estoc_writer *w, const estoc_slice *certs, size_t n)
{
    estoc_slice none = {NULL, 0};
    estoc_der_put_u32(w, 1);
    estoc_der_put(w, ESTOC_DER_SET, none);
    size_t content = estoc_der_open(w, ESTOC_DER_SEQUENCE);
    estoc_der_put(w, ESTOC_DER_OID, estoc_slice_of(id_data, sizeof id_data));
    estoc_der_close(w, content);
    size_t set = estoc_der_open(w, ESTOC_DER_CONTEXT_CONSTRUCTED(0));
    for (size_t i = 0; i < n; i++) {
        estoc_der_put_raw(w, certs[i]);
    }
    estoc_der_close(w, set);
    estoc_der_put(w, ESTOC_DER_CONTEXT_CONSTRUCTED(1), none);
    estoc_der_put(w, ESTOC_DER_SET, none);
}

estoc_err estoc_certs_build(const estoc_slice *certs, size_t n, estoc_buf out, size_t *len)
{
    *len = 0;
    for (size_t i = 0; i < n; i++) {
        if (certs[i].len == 0 || estoc_cert_length(certs[i]) != certs[i].len) {
            return ESTOC_E_USAGE;
        }
    }
    if (n == 0) {
        return ESTOC_E_USAGE;
    }
    estoc_writer w = estoc_writer_of(out);
    size_t info = estoc_der_open(&w, ESTOC_DER_SEQUENCE);
    estoc_der_put(&w, ESTOC_DER_OID, estoc_slice_of(signed_data, sizeof signed_data));
    size_t tagged = estoc_der_open(&w, ESTOC_DER_CONTEXT_CONSTRUCTED(0));
    size_t sequence = estoc_der_open(&w, ESTOC_DER_SEQUENCE);
    put_signed_data(&w, certs, n);
    estoc_der_close(&w, sequence);
    estoc_der_close(&w, tagged);
    estoc_der_close(&w, info);
    return estoc_writer_end(&w, len);
}
