/* SPDX-License-Identifier: MIT */
#include <string.h>

#include <estoc/cert.h>

#define SERIAL_MAX     20 /* bytes. RFC 5280 section 4.1.2.2 */
#define EXTENSIONS_MAX 64 /* each is compared with those before it */

/* ---- the fields, in their order ---- */

/* 1 to 3. Version 1 is the default, which DER does not write down. */
static uint32_t read_version(estoc_reader *r)
{
    if (estoc_der_peek(r) != ESTOC_DER_CONTEXT_CONSTRUCTED(0)) {
        return 1;
    }
    estoc_reader in = estoc_der_enter(r, ESTOC_DER_CONTEXT_CONSTRUCTED(0));
    uint32_t v = estoc_der_u32(&in);
    estoc_der_leave(r, &in);
    if (v < 1 || v > 2) {
        estoc_reader_malformed(r);
    }
    return v + 1;
}

/* Not negative. Zero is taken: old roots have it. */
static estoc_slice read_serial(estoc_reader *r)
{
    estoc_slice v = estoc_der_integer(r);
    if (v.len > SERIAL_MAX || (v.len > 0 && (v.ptr[0] & 0x80) != 0)) {
        estoc_reader_malformed(r);
    }
    return v;
}

static void read_validity(estoc_reader *r, estoc_cert *cert)
{
    estoc_reader in = estoc_der_enter(r, ESTOC_DER_SEQUENCE);
    cert->not_before = estoc_der_time(&in);
    cert->not_after = estoc_der_time(&in);
    estoc_der_leave(r, &in);
}

static void read_spki(estoc_reader *r, estoc_spki *spki)
{
    estoc_slice der = estoc_der_whole(r, ESTOC_DER_SEQUENCE);
    estoc_err err = estoc_spki_parse(spki, der);
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
                estoc_reader_malformed(r);
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
    for (; estoc_der_more(&in, &el); n++) {
        unsigned choice = el.tag & 0x1fu;
        if (el.tag >> 6 != 2 || choice > 8 || (el.tag >> 5 & 1u) != (constructed >> choice & 1u)) {
            estoc_reader_malformed(&in);
        }
    }
    estoc_der_leave(r, &in);
    if (n == 0) {
        estoc_reader_malformed(r);
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
    estoc_der_leave(r, &in);
}

static void take_ext_usage(estoc_cert *cert, estoc_reader *r)
{
    static const uint8_t cmc_ra[] = {0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x1c};
    estoc_reader in = estoc_der_enter(r, ESTOC_DER_SEQUENCE);
    do {
        estoc_slice oid = estoc_der_oid(&in);
        cert->cmc_ra |= estoc_slice_eq(oid, estoc_slice_of(cmc_ra, sizeof cmc_ra));
    } while (estoc_reader_left(&in) > 0);
    estoc_der_leave(r, &in);
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

static void take_known(estoc_cert *cert, const estoc_ext *ext, estoc_reader *list)
{
    estoc_reader r = estoc_reader_of(ext->value);
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (estoc_slice_eq(ext->oid, estoc_slice_of(known[i].oid, sizeof known[i].oid))) {
            known[i].take(cert, &r);
            estoc_der_leave(list, &r);
        }
    }
}

static void read_extensions(estoc_reader *r, estoc_cert *cert)
{
    estoc_reader tagged = estoc_der_enter(r, ESTOC_DER_CONTEXT_CONSTRUCTED(3));
    cert->extensions = tagged.rest;
    estoc_reader in = estoc_der_enter(&tagged, ESTOC_DER_SEQUENCE);
    estoc_der_leave(r, &tagged);
    estoc_slice list = in.rest;
    estoc_ext ext;
    size_t n = 0;
    for (; estoc_ext_next(&in, &ext); n++) {
        if (n == EXTENSIONS_MAX) {
            estoc_reader_fail(&in, ESTOC_E_LIMIT);
        } else if (estoc_der_oid_before(list, ext.oid)) {
            estoc_reader_malformed(&in);
        } else {
            take_known(cert, &ext, &in);
        }
    }
    estoc_der_leave(r, &in);
    if (n == 0) {
        estoc_reader_malformed(r);
    }
}

/* ---- the certificate: RFC 5280 section 4.1 ---- */

static void read_tbs(estoc_reader *r, estoc_cert *cert, estoc_slice *alg)
{
    uint32_t version = read_version(r);
    cert->serial = read_serial(r);
    *alg = estoc_der_whole(r, ESTOC_DER_SEQUENCE);
    cert->issuer = estoc_der_whole(r, ESTOC_DER_SEQUENCE);
    read_validity(r, cert);
    cert->subject = estoc_der_whole(r, ESTOC_DER_SEQUENCE);
    read_spki(r, &cert->spki);
    if (version >= 2) {
        skip_unique_ids(r);
    }
    if (version == 3 && estoc_der_peek(r) == ESTOC_DER_CONTEXT_CONSTRUCTED(3)) {
        read_extensions(r, cert);
    }
    if (estoc_name_is_empty(cert->issuer)) {
        estoc_reader_malformed(r);
    }
}

estoc_err estoc_cert_parse(estoc_cert *cert, estoc_slice der)
{
    memset(cert, 0, sizeof *cert);
    estoc_reader r;
    estoc_err err = estoc_der_begin(der, &r);
    if (err) {
        return err;
    }
    estoc_slice inner_alg = {NULL, 0};
    cert->der = der;
    cert->tbs = estoc_der_whole(&r, ESTOC_DER_SEQUENCE);
    estoc_reader tbs;
    if (!estoc_der_begin(cert->tbs, &tbs)) {
        read_tbs(&tbs, cert, &inner_alg);
    }
    estoc_der_leave(&r, &tbs);
    estoc_slice alg = estoc_der_whole(&r, ESTOC_DER_SEQUENCE);
    cert->signature = estoc_der_bits(&r);
    err = estoc_der_end(&r);
    err = err ? err : estoc_sig_alg_parse(alg, &cert->sig);
    if (!err && !estoc_slice_eq(alg, inner_alg)) { /* RFC 5280 section 4.1.1.2 */
        err = ESTOC_E_MALFORMED;
    }
    if (err) {
        memset(cert, 0, sizeof *cert);
    }
    return err;
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
