/* SPDX-License-Identifier: MIT
 *
 * Certificates as RFC 5280 profiles them: built, then signed where they stand.
 */
#include <string.h>

#include "ca.h"
#include "text.h"

/* clang-format off */
/* Value bytes of OIDs: id-ce (RFC 5280 section 4.2.1), id-kp (sections 4.2.1.12; RFC 6402 2.10). */
static const uint8_t ce_ski[]         = {0x55, 0x1d, 0x0e};
static const uint8_t ce_key_usage[]   = {0x55, 0x1d, 0x0f};
static const uint8_t ce_san[]         = {0x55, 0x1d, 0x11};
static const uint8_t ce_basic[]       = {0x55, 0x1d, 0x13};
static const uint8_t ce_crl_points[]  = {0x55, 0x1d, 0x1f};
static const uint8_t ce_aki[]         = {0x55, 0x1d, 0x23};
static const uint8_t ce_ext_usage[]   = {0x55, 0x1d, 0x25};
static const uint8_t kp_server_auth[] = {0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01};
static const uint8_t kp_client_auth[] = {0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x02};
static const uint8_t kp_cmc_ra[]      = {0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x1c};
/* KeyUsage BIT STRINGs: digitalSignature; keyCertSign and cRLSign. */
static const uint8_t usage_leaf[]     = {0x03, 0x02, 0x07, 0x80};
static const uint8_t usage_agree[]    = {0x03, 0x02, 0x03, 0x88}; /* and keyAgreement */
static const uint8_t usage_encipher[] = {0x03, 0x02, 0x05, 0xa0}; /* and keyEncipherment */
static const uint8_t usage_ca[]       = {0x03, 0x02, 0x01, 0x06};

#define BYTES(array) estoc_slice_of(array, sizeof(array))
/* clang-format on */

#define KEY_ID_LEN 20

struct ext {
    size_t sequence, octets; /* marks of what is open */
};

static struct ext ext_open(estoc_writer *w, estoc_slice oid, bool critical)
{
    struct ext e;
    e.sequence = estoc_der_open(w, ESTOC_DER_SEQUENCE);
    estoc_der_put(w, ESTOC_DER_OID, oid);
    if (critical) {
        estoc_der_put_bool(w, true);
    }
    e.octets = estoc_der_open(w, ESTOC_DER_OCTET_STRING);
    return e;
}

static void ext_close(estoc_writer *w, struct ext e)
{
    estoc_der_close(w, e.octets);
    estoc_der_close(w, e.sequence);
}

static void put_ext(estoc_writer *w, estoc_slice oid, bool critical, estoc_slice der)
{
    struct ext e = ext_open(w, oid, critical);
    estoc_der_put_raw(w, der);
    ext_close(w, e);
}

/* The first 160 bits of SHA-256 over the key's bits.                     RFC 7093 section 2, method 1 */
static estoc_err key_id(estoc_slice spki, uint8_t digest[32])
{
    estoc_reader outer = estoc_reader_of(spki);
    estoc_reader r = estoc_der_enter(&outer, ESTOC_DER_SEQUENCE);
    (void)estoc_der_expect(&r, ESTOC_DER_SEQUENCE);
    estoc_slice bits = estoc_der_bits(&r);
    estoc_err err = estoc_reader_end(&r);
    err = err ? err : estoc_reader_end(&outer);
    return err ? err : estoc_sha256(bits, digest);
}

static void put_key_ids(estoc_writer *w, estoc_slice issuers, estoc_slice own)
{
    struct ext e = ext_open(w, BYTES(ce_aki), false);
    size_t mark = estoc_der_open(w, ESTOC_DER_SEQUENCE);
    estoc_der_put(w, ESTOC_DER_CONTEXT(0), issuers);
    estoc_der_close(w, mark);
    ext_close(w, e);
    e = ext_open(w, BYTES(ce_ski), false);
    estoc_der_put(w, ESTOC_DER_OCTET_STRING, own);
    ext_close(w, e);
}

/* No path length unless it is asked for: a root certifies the one that comes after it (E2). */
static void put_basic(estoc_writer *w, const estoc_cert_plan *p)
{
    struct ext e = ext_open(w, BYTES(ce_basic), p->ca);
    size_t mark = estoc_der_open(w, ESTOC_DER_SEQUENCE);
    if (p->ca) {
        estoc_der_put_bool(w, true);
    }
    if (p->ca && p->path_limited) {
        estoc_der_put_u32(w, p->path_len);
    }
    estoc_der_close(w, mark);
    ext_close(w, e);
}

static void put_ext_usage(estoc_writer *w, const estoc_cert_plan *p)
{
    struct ext e = ext_open(w, BYTES(ce_ext_usage), false);
    size_t mark = estoc_der_open(w, ESTOC_DER_SEQUENCE);
    if (p->purposes.len > 0) {
        estoc_der_put_raw(w, p->purposes);
    } else if (p->server) {
        estoc_der_put(w, ESTOC_DER_OID, BYTES(kp_server_auth));
        estoc_der_put(w, ESTOC_DER_OID, BYTES(kp_cmc_ra));
    } else {
        estoc_der_put(w, ESTOC_DER_OID, BYTES(kp_client_auth));
    }
    estoc_der_close(w, mark);
    ext_close(w, e);
}

/* One DistributionPoint with one fullName. RFC 5280 section 4.2.1.13 */
static void put_crl_point(estoc_writer *w, estoc_slice url)
{
    struct ext e = ext_open(w, BYTES(ce_crl_points), false);
    size_t list = estoc_der_open(w, ESTOC_DER_SEQUENCE);
    size_t point = estoc_der_open(w, ESTOC_DER_SEQUENCE);
    size_t name = estoc_der_open(w, ESTOC_DER_CONTEXT_CONSTRUCTED(0));
    size_t full = estoc_der_open(w, ESTOC_DER_CONTEXT_CONSTRUCTED(0));
    estoc_der_put(w, ESTOC_DER_CONTEXT(6), url);
    estoc_der_close(w, full);
    estoc_der_close(w, name);
    estoc_der_close(w, point);
    estoc_der_close(w, list);
    ext_close(w, e);
}

static estoc_slice usage_of(const estoc_cert_plan *p)
{
    estoc_spki spki;
    if (p->ca) {
        return BYTES(usage_ca);
    }
    if (!p->encrypt || estoc_spki_parse(&spki, p->spki) || spki.kind == ESTOC_KEY_ED25519) {
        return BYTES(usage_leaf);
    }
    return spki.kind == ESTOC_KEY_RSA ? BYTES(usage_encipher) : BYTES(usage_agree);
}

/* A BIT STRING without the zeros at its end.                              X.690 section 11.2.2 */
static void put_usage(estoc_writer *w, const estoc_cert_plan *p)
{
    uint8_t bits[] = {0, p->usage};
    if (p->ca || p->usage == 0) {
        put_ext(w, BYTES(ce_key_usage), true, usage_of(p));
        return;
    }
    while ((p->usage >> bits[0] & 1) == 0) {
        bits[0]++;
    }
    struct ext e = ext_open(w, BYTES(ce_key_usage), true);
    estoc_der_put(w, ESTOC_DER_BIT_STRING, BYTES(bits));
    ext_close(w, e);
}

static void put_extensions(estoc_writer *w, const estoc_cert_plan *p, estoc_slice own_id)
{
    size_t tag = estoc_der_open(w, ESTOC_DER_CONTEXT_CONSTRUCTED(3));
    size_t list = estoc_der_open(w, ESTOC_DER_SEQUENCE);
    put_key_ids(w, p->authority_key_id.len > 0 ? p->authority_key_id : own_id, own_id);
    put_basic(w, p);
    put_usage(w, p);
    if (!p->ca) {
        put_ext_usage(w, p);
        estoc_der_put_raw(w, p->extensions);
    }
    if (p->san.len > 0) { /* critical where nothing else names it: RFC 5280 section 4.2.1.6 */
        put_ext(w, BYTES(ce_san), estoc_name_is_empty(p->subject), p->san);
    }
    if (p->crl_url.len > 0) {
        put_crl_point(w, p->crl_url);
    }
    estoc_der_close(w, list);
    estoc_der_close(w, tag);
}

static void put_tbs(estoc_writer *w, const estoc_cert_plan *p, estoc_sig_kind sig,
                    estoc_slice own_id)
{
    size_t tbs = estoc_der_open(w, ESTOC_DER_SEQUENCE);
    size_t version = estoc_der_open(w, ESTOC_DER_CONTEXT_CONSTRUCTED(0));
    estoc_der_put_u32(w, 2); /* v3 */
    estoc_der_close(w, version);
    estoc_der_put_unsigned(w, estoc_slice_of(p->serial, p->serial_len));
    estoc_sig_alg_put(w, sig);
    estoc_der_put_raw(w, p->issuer);
    size_t validity = estoc_der_open(w, ESTOC_DER_SEQUENCE);
    estoc_der_put_time(w, p->not_before);
    estoc_der_put_time(w, p->not_after);
    estoc_der_close(w, validity);
    estoc_der_put_raw(w, p->subject);
    estoc_der_put_raw(w, p->spki);
    put_extensions(w, p, own_id);
    estoc_der_close(w, tbs);
}

estoc_err estoc_cert_tbs(const estoc_cert_plan *p, estoc_sig_kind sig, estoc_buf out, size_t *len)
{
    uint8_t digest[32];
    *len = 0;
    if (p->serial_len == 0 || p->serial_len > sizeof p->serial || (p->serial[0] & 0x80) != 0 ||
        p->not_after < p->not_before || (p->ca && p->server) ||
        (!p->ca && p->san.len == 0 && estoc_name_is_empty(p->subject))) {
        return ESTOC_E_USAGE;
    }
    estoc_err err = key_id(p->spki, digest);
    if (err) {
        return err;
    }
    estoc_writer w = estoc_writer_of(out);
    put_tbs(&w, p, sig,
            p->subject_key_id.len > 0 ? p->subject_key_id : estoc_slice_of(digest, KEY_ID_LEN));
    return estoc_writer_end(&w, len);
}

#define FRAME_LEN 2 /* bytes that stand in front of what is in an open SEQUENCE */

estoc_err estoc_cert_sign(const estoc_key *issuer_key, size_t tbs_len, estoc_buf io, size_t *len)
{
    uint8_t sig[ESTOC_SIG_MAX];
    size_t sig_len = 0;
    *len = 0;
    if (tbs_len > io.cap || io.cap - tbs_len < FRAME_LEN) {
        return ESTOC_E_SPACE;
    }
    estoc_err err = estoc_key_sign(issuer_key, estoc_slice_of(io.ptr, tbs_len),
                                   (estoc_buf){sig, sizeof sig}, &sig_len);
    if (err) {
        return err;
    }
    memmove(io.ptr + FRAME_LEN, io.ptr, tbs_len);
    estoc_writer w = estoc_writer_of(io);
    size_t outer = estoc_der_open(&w, ESTOC_DER_SEQUENCE);
    w.len = outer + tbs_len;
    estoc_sig_alg_put(&w, estoc_key_sig(issuer_key));
    estoc_der_put_bits(&w, estoc_slice_of(sig, sig_len));
    estoc_der_close(&w, outer);
    return estoc_writer_end(&w, len);
}

estoc_err estoc_cert_issue(const estoc_cert_plan *plan, const estoc_key *issuer_key, estoc_buf out,
                           size_t *len)
{
    estoc_err err = estoc_cert_tbs(plan, estoc_key_sig(issuer_key), out, len);
    return err ? err : estoc_cert_sign(issuer_key, *len, out, len);
}

estoc_err estoc_serial_random(uint8_t serial[16])
{
    estoc_random random = estoc_random_system();
    /* A zero in front would not be written, and the number not have the bytes it is stored under. */
    do {
        if (!random.fill(random.ctx, serial, 16)) {
            return ESTOC_E_RANDOM;
        }
        serial[0] &= 0x7f;
    } while (serial[0] == 0);
    return ESTOC_OK;
}
