/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "crl.h"
#include "text.h"

/* clang-format off */
/* Value bytes of OIDs: id-ce. RFC 5280 sections 5.2 and 5.3 */
static const uint8_t ce_crl_number[] = {0x55, 0x1d, 0x14};
static const uint8_t ce_reason[]     = {0x55, 0x1d, 0x15};
static const uint8_t ce_aki[]        = {0x55, 0x1d, 0x23};
/* clang-format on */

#define DER_ENUMERATED 0x0a
#define ROOM           256 /* bytes that every step may need */

/* Room for so many more bytes, and for what closing adds. */
static void grow(estoc_crl *crl, size_t more)
{
    estoc_writer *w = &crl->w;
    if (w->err || w->cap - w->len >= more) {
        return;
    }
    size_t cap = w->cap + w->cap / 2 + more;
    uint8_t *ptr = realloc(w->ptr, cap);
    if (ptr == NULL) {
        estoc_writer_fail(w, ESTOC_E_MEMORY);
        return;
    }
    w->ptr = ptr;
    w->cap = cap;
}

void estoc_crl_begin(estoc_crl *crl, const estoc_cert *issuer, const estoc_key *key, int64_t at,
                     int64_t next)
{
    *crl = (estoc_crl){.key = key};
    grow(crl, ROOM + issuer->subject.len);
    crl->outer = estoc_der_open(&crl->w, ESTOC_DER_SEQUENCE);
    crl->tbs = estoc_der_open(&crl->w, ESTOC_DER_SEQUENCE);
    estoc_der_put_u32(&crl->w, 1); /* v2 */
    estoc_sig_alg_put(&crl->w, estoc_key_sig(key));
    estoc_der_put_raw(&crl->w, issuer->subject);
    estoc_der_put_time(&crl->w, at);
    estoc_der_put_time(&crl->w, next);
}

static void put_reason(estoc_writer *w, estoc_crl_reason reason)
{
    const uint8_t value = (uint8_t)reason;
    size_t list = estoc_der_open(w, ESTOC_DER_SEQUENCE);
    size_t one = estoc_der_open(w, ESTOC_DER_SEQUENCE);
    estoc_der_put(w, ESTOC_DER_OID, estoc_slice_of(ce_reason, sizeof ce_reason));
    size_t octets = estoc_der_open(w, ESTOC_DER_OCTET_STRING);
    estoc_der_put(w, DER_ENUMERATED, estoc_slice_of(&value, 1));
    estoc_der_close(w, octets);
    estoc_der_close(w, one);
    estoc_der_close(w, list);
}

bool estoc_crl_add(estoc_crl *crl, estoc_slice serial, int64_t revoked_at, estoc_crl_reason reason)
{
    estoc_writer *w = &crl->w;
    grow(crl, ROOM);
    if (serial.len == 0 || serial.len > ESTOC_SERIAL_MAX) {
        estoc_writer_fail(w, ESTOC_E_USAGE);
    }
    if (w->err) {
        return false;
    }
    if (crl->entries++ == 0) { /* an empty list is left out. Section 5.1.2.6 */
        crl->list = estoc_der_open(w, ESTOC_DER_SEQUENCE);
    }
    size_t entry = estoc_der_open(w, ESTOC_DER_SEQUENCE);
    estoc_der_put_unsigned(w, serial);
    estoc_der_put_time(w, revoked_at);
    if (reason != ESTOC_CRL_UNSPECIFIED) { /* which should be left out. Section 5.3.1 */
        put_reason(w, reason);
    }
    estoc_der_close(w, entry);
    return !w->err;
}

static void put_key_id(estoc_writer *w, estoc_slice id)
{
    size_t one = estoc_der_open(w, ESTOC_DER_SEQUENCE);
    estoc_der_put(w, ESTOC_DER_OID, estoc_slice_of(ce_aki, sizeof ce_aki));
    size_t octets = estoc_der_open(w, ESTOC_DER_OCTET_STRING);
    size_t inner = estoc_der_open(w, ESTOC_DER_SEQUENCE);
    estoc_der_put(w, ESTOC_DER_CONTEXT(0), id);
    estoc_der_close(w, inner);
    estoc_der_close(w, octets);
    estoc_der_close(w, one);
}

static void put_number(estoc_writer *w, int64_t number)
{
    uint8_t bytes[8];
    for (int i = 0; i < 8; i++) {
        bytes[i] = (uint8_t)((uint64_t)number >> (56 - 8 * i));
    }
    size_t one = estoc_der_open(w, ESTOC_DER_SEQUENCE);
    estoc_der_put(w, ESTOC_DER_OID, estoc_slice_of(ce_crl_number, sizeof ce_crl_number));
    size_t octets = estoc_der_open(w, ESTOC_DER_OCTET_STRING);
    estoc_der_put_unsigned(w, estoc_slice_of(bytes, sizeof bytes));
    estoc_der_close(w, octets);
    estoc_der_close(w, one);
}

static void put_extensions(estoc_writer *w, estoc_slice key_id, int64_t number)
{
    size_t tag = estoc_der_open(w, ESTOC_DER_CONTEXT_CONSTRUCTED(0));
    size_t list = estoc_der_open(w, ESTOC_DER_SEQUENCE);
    put_key_id(w, key_id);
    put_number(w, number);
    estoc_der_close(w, list);
    estoc_der_close(w, tag);
}

static estoc_err sign(estoc_crl *crl)
{
    uint8_t sig[ESTOC_SIG_MAX];
    size_t len = 0;
    estoc_writer *w = &crl->w;
    if (w->err) {
        return w->err;
    }
    estoc_err err =
        estoc_key_sign(crl->key, estoc_slice_of(w->ptr + crl->outer, w->len - crl->outer),
                       (estoc_buf){sig, sizeof sig}, &len);
    if (!err) {
        estoc_sig_alg_put(w, estoc_key_sig(crl->key));
        estoc_der_put_bits(w, estoc_slice_of(sig, len));
        estoc_der_close(w, crl->outer);
        err = w->err;
    }
    return err;
}

estoc_err estoc_crl_end(estoc_crl *crl, const estoc_cert *issuer, int64_t number, estoc_blob *out)
{
    *out = (estoc_blob){NULL, 0};
    grow(crl, ROOM + issuer->ski.len + ESTOC_SIG_MAX);
    if (number < 0) {
        estoc_writer_fail(&crl->w, ESTOC_E_USAGE);
    }
    if (!crl->w.err) {
        if (crl->entries > 0) {
            estoc_der_close(&crl->w, crl->list);
        }
        put_extensions(&crl->w, issuer->ski, number);
        estoc_der_close(&crl->w, crl->tbs);
    }
    estoc_err err = sign(crl);
    if (err) {
        estoc_crl_drop(crl);
        return err;
    }
    *out = (estoc_blob){crl->w.ptr, crl->w.len};
    crl->w = (estoc_writer){.ptr = NULL};
    return ESTOC_OK;
}

void estoc_crl_drop(estoc_crl *crl)
{
    free(crl->w.ptr);
    crl->w = (estoc_writer){.err = ESTOC_E_USAGE};
}
