/* SPDX-License-Identifier: MIT */
#include <string.h>

#include <estoc/cert.h>

#define SERIAL_MAX     20 /* bytes. RFC 5280 section 4.1.2.2 */
#define EXTENSIONS_MAX 64 /* each is compared with those before it */

/* The outer SEQUENCE is all there: whatever ends too early or too late within it is malformed. */
static estoc_err inside(estoc_err err)
{
    return err == ESTOC_E_TRUNCATED || err == ESTOC_E_TRAILING ? ESTOC_E_MALFORMED : err;
}

/* An inner reader must have come to its end; its error is the outer one's too. */
static void leave(estoc_reader *outer, estoc_reader *inner)
{
    estoc_err err = estoc_reader_end(inner);
    if (err) {
        estoc_reader_fail(outer, inside(err));
    }
}

/* The next element, header included, which must have this tag. */
static estoc_slice read_whole(estoc_reader *r, uint8_t tag)
{
    estoc_der el;
    if (estoc_der_next(r, &el) && el.tag != tag) {
        estoc_reader_fail(r, ESTOC_E_MALFORMED);
    }
    return r->err ? estoc_slice_of(NULL, 0) : el.whole;
}

/* ---- the fields, in their order ---- */

/* 1 to 3. Version 1 is the default, which DER does not write down. */
static uint32_t read_version(estoc_reader *r)
{
    if (estoc_der_peek(r) != ESTOC_DER_CONTEXT_CONSTRUCTED(0)) {
        return 1;
    }
    estoc_reader in = estoc_der_enter(r, ESTOC_DER_CONTEXT_CONSTRUCTED(0));
    uint32_t v = estoc_der_u32(&in);
    leave(r, &in);
    if (v < 1 || v > 2) {
        estoc_reader_fail(r, ESTOC_E_MALFORMED);
    }
    return v + 1;
}

/* Not negative. Zero is taken: old roots have it. */
static estoc_slice read_serial(estoc_reader *r)
{
    estoc_slice v = estoc_der_expect(r, ESTOC_DER_INTEGER);
    bool padded = v.len > 1 && v.ptr[0] == 0 && (v.ptr[1] & 0x80) == 0;
    if (!r->err && (v.len == 0 || v.len > SERIAL_MAX || padded || (v.ptr[0] & 0x80) != 0)) {
        estoc_reader_fail(r, ESTOC_E_MALFORMED);
    }
    return v;
}

static void read_validity(estoc_reader *r, estoc_cert *cert)
{
    estoc_reader in = estoc_der_enter(r, ESTOC_DER_SEQUENCE);
    cert->not_before = estoc_der_time(&in);
    cert->not_after = estoc_der_time(&in);
    leave(r, &in);
}

static void read_spki(estoc_reader *r, estoc_spki *spki)
{
    estoc_slice der = read_whole(r, ESTOC_DER_SEQUENCE);
    estoc_err err = r->err ? r->err : estoc_spki_parse(spki, der);
    if (err && err != ESTOC_E_UNSUPPORTED) {
        estoc_reader_fail(r, err);
    }
    spki->der = der;
}

/* Two identifiers nobody uses: passed over. RFC 5280 section 4.1.2.8 */
static void skip_unique_ids(estoc_reader *r)
{
    for (uint8_t n = 1; n <= 2; n++) {
        if (estoc_der_peek(r) == ESTOC_DER_CONTEXT(n)) {
            estoc_slice bits = estoc_der_expect(r, ESTOC_DER_CONTEXT(n));
            if (!r->err && (bits.len == 0 || bits.ptr[0] > 7)) {
                estoc_reader_fail(r, ESTOC_E_MALFORMED);
            }
        }
    }
}

/* ---- extensions: RFC 5280 section 4.2 ---- */

static void take_key_id(estoc_cert *cert, estoc_reader *r)
{
    cert->ski = estoc_der_expect(r, ESTOC_DER_OCTET_STRING);
}

static void take_alt_name(estoc_cert *cert, estoc_reader *r)
{
    static const unsigned constructed = 1 << 0 | 1 << 3 | 1 << 4 | 1 << 5; /* of the choices */
    cert->san = r->rest;
    estoc_reader in = estoc_der_enter(r, ESTOC_DER_SEQUENCE);
    size_t n = 0;
    estoc_der el;
    for (; estoc_reader_left(&in) > 0 && estoc_der_next(&in, &el); n++) {
        unsigned choice = el.tag & 0x1fu;
        if (el.tag >> 6 != 2 || choice > 8 || (el.tag >> 5 & 1u) != (constructed >> choice & 1u)) {
            estoc_reader_fail(&in, ESTOC_E_MALFORMED);
        }
    }
    leave(r, &in);
    if (n == 0) {
        estoc_reader_fail(r, ESTOC_E_MALFORMED);
    }
}

/* A FALSE that DER would leave out is taken: too many certificates have it. */
static void take_basic(estoc_cert *cert, estoc_reader *r)
{
    estoc_reader in = estoc_der_enter(r, ESTOC_DER_SEQUENCE);
    cert->ca = estoc_der_peek(&in) == ESTOC_DER_BOOLEAN && estoc_der_bool(&in);
    if (estoc_der_peek(&in) == ESTOC_DER_INTEGER) {
        (void)estoc_der_u32(&in);
    }
    leave(r, &in);
}

static void take_ext_usage(estoc_cert *cert, estoc_reader *r)
{
    static const uint8_t cmc_ra[] = {0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x1c};
    estoc_reader in = estoc_der_enter(r, ESTOC_DER_SEQUENCE);
    do {
        estoc_slice oid = estoc_der_oid(&in);
        cert->cmc_ra |= estoc_slice_eq(oid, estoc_slice_of(cmc_ra, sizeof cmc_ra));
    } while (estoc_reader_left(&in) > 0);
    leave(r, &in);
}

/* id-ce is 2.5.29: the last byte tells. */
static const struct {
    uint8_t oid[3];
    void (*take)(estoc_cert *cert, estoc_reader *r);
} known[] = {
    {{0x55, 0x1d, 0x0e}, take_key_id},
    {{0x55, 0x1d, 0x11}, take_alt_name},
    {{0x55, 0x1d, 0x13}, take_basic},
    {{0x55, 0x1d, 0x25}, take_ext_usage},
};

static estoc_err take_known(estoc_cert *cert, const estoc_ext *ext)
{
    estoc_reader r = estoc_reader_of(ext->value);
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (estoc_slice_eq(ext->oid, estoc_slice_of(known[i].oid, sizeof known[i].oid))) {
            known[i].take(cert, &r);
            return estoc_reader_end(&r);
        }
    }
    return ESTOC_OK;
}

/* Whether one of the first `n` extensions of the list has this OID. */
static bool among(estoc_slice list, size_t n, estoc_slice oid)
{
    estoc_reader r = estoc_reader_of(list);
    estoc_ext ext;
    while (n-- > 0 && estoc_ext_next(&r, &ext)) {
        if (estoc_slice_eq(ext.oid, oid)) {
            return true;
        }
    }
    return false;
}

static void read_extensions(estoc_reader *r, estoc_cert *cert)
{
    estoc_reader tagged = estoc_der_enter(r, ESTOC_DER_CONTEXT_CONSTRUCTED(3));
    cert->extensions = tagged.rest;
    estoc_reader in = estoc_der_enter(&tagged, ESTOC_DER_SEQUENCE);
    leave(r, &tagged);
    estoc_slice list = in.rest;
    estoc_ext ext;
    size_t n = 0;
    for (; estoc_ext_next(&in, &ext); n++) {
        estoc_err err = n == EXTENSIONS_MAX       ? ESTOC_E_LIMIT
                        : among(list, n, ext.oid) ? ESTOC_E_MALFORMED
                                                  : take_known(cert, &ext);
        if (err) {
            estoc_reader_fail(&in, inside(err));
        }
    }
    leave(r, &in);
    if (n == 0) {
        estoc_reader_fail(r, ESTOC_E_MALFORMED);
    }
}

/* ---- the certificate: RFC 5280 section 4.1 ---- */

static void read_tbs(estoc_reader *r, estoc_cert *cert, estoc_slice *alg)
{
    uint32_t version = read_version(r);
    cert->serial = read_serial(r);
    *alg = read_whole(r, ESTOC_DER_SEQUENCE);
    cert->issuer = read_whole(r, ESTOC_DER_SEQUENCE);
    read_validity(r, cert);
    cert->subject = read_whole(r, ESTOC_DER_SEQUENCE);
    read_spki(r, &cert->spki);
    if (version >= 2) {
        skip_unique_ids(r);
    }
    if (version == 3 && estoc_der_peek(r) == ESTOC_DER_CONTEXT_CONSTRUCTED(3)) {
        read_extensions(r, cert);
    }
    if (estoc_name_is_empty(cert->issuer)) {
        estoc_reader_fail(r, ESTOC_E_MALFORMED);
    }
}

estoc_err estoc_cert_parse(estoc_cert *cert, estoc_slice der)
{
    memset(cert, 0, sizeof *cert);
    estoc_reader outer = estoc_reader_of(der);
    estoc_reader r = estoc_der_enter(&outer, ESTOC_DER_SEQUENCE);
    estoc_err err = estoc_reader_end(&outer);
    if (err) {
        return err;
    }
    estoc_slice inner_alg = {NULL, 0};
    cert->der = der;
    cert->tbs = read_whole(&r, ESTOC_DER_SEQUENCE);
    estoc_reader whole = estoc_reader_of(cert->tbs);
    estoc_reader tbs = estoc_der_enter(&whole, ESTOC_DER_SEQUENCE);
    read_tbs(&tbs, cert, &inner_alg);
    leave(&r, &tbs);
    estoc_slice alg = read_whole(&r, ESTOC_DER_SEQUENCE);
    cert->signature = estoc_der_bits(&r);
    err = estoc_reader_end(&r);
    err = err ? err : estoc_sig_alg_parse(alg, &cert->sig);
    if (!err && !estoc_slice_eq(alg, inner_alg)) { /* RFC 5280 section 4.1.1.2 */
        err = ESTOC_E_MALFORMED;
    }
    if (err) {
        memset(cert, 0, sizeof *cert);
    }
    return inside(err);
}

bool estoc_cert_self_issued(const estoc_cert *cert)
{
    return cert->issuer.len > 0 && estoc_slice_eq(cert->issuer, cert->subject);
}

size_t estoc_cert_length(estoc_slice der)
{
    estoc_reader r = estoc_reader_of(der);
    estoc_der el;
    return estoc_der_next(&r, &el) && el.tag == ESTOC_DER_SEQUENCE ? el.whole.len : 0;
}
