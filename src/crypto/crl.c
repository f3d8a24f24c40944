/* SPDX-License-Identifier: MIT
 *
 * The ends of a revocation list, with a look at neither the entries nor the signature: they may be many
 * megabytes.
 */
#include <limits.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "crypto.h"

static bool is_time(uint8_t tag)
{
    return tag == ESTOC_DER_UTC_TIME || tag == ESTOC_DER_GENERALIZED_TIME;
}

static void take_key_id(estoc_slice value, estoc_crl_head *head)
{
    estoc_reader outer = estoc_reader_of(value);
    estoc_reader r = estoc_der_enter(&outer, ESTOC_DER_SEQUENCE);
    if (estoc_der_peek(&r) == ESTOC_DER_CONTEXT(0)) {
        head->key_id = estoc_der_expect(&r, ESTOC_DER_CONTEXT(0));
    }
}

static void read_extensions(estoc_reader *r, estoc_crl_head *head)
{
    static const uint8_t aki[] = {0x55, 0x1d, 0x23};
    estoc_reader tag = estoc_der_enter(r, ESTOC_DER_CONTEXT_CONSTRUCTED(0));
    estoc_reader list = estoc_der_enter(&tag, ESTOC_DER_SEQUENCE);
    while (!list.err && estoc_reader_left(&list) > 0) {
        estoc_reader one = estoc_der_enter(&list, ESTOC_DER_SEQUENCE);
        estoc_slice oid = estoc_der_oid(&one);
        if (estoc_der_peek(&one) == ESTOC_DER_BOOLEAN) {
            (void)estoc_der_bool(&one);
        }
        estoc_slice value = estoc_der_expect(&one, ESTOC_DER_OCTET_STRING);
        estoc_der_leave(&list, &one);
        if (estoc_slice_eq(oid, estoc_slice_of(aki, sizeof aki))) {
            take_key_id(value, head);
        }
    }
    estoc_der_leave(&tag, &list);
    estoc_der_leave(r, &tag);
}

static void read_tbs(estoc_reader *r, estoc_crl_head *head)
{
    if (estoc_der_peek(r) == ESTOC_DER_INTEGER) { /* version 1 is not written */
        (void)estoc_der_u32(r);
    }
    (void)estoc_der_whole(r, ESTOC_DER_SEQUENCE);
    head->issuer = estoc_der_whole(r, ESTOC_DER_SEQUENCE);
    head->at = estoc_der_time(r);
    if (is_time(estoc_der_peek(r))) {
        head->next = estoc_der_time(r);
    }
    if (estoc_der_peek(r) == ESTOC_DER_SEQUENCE) {
        (void)estoc_der_whole(r, ESTOC_DER_SEQUENCE);
    }
    if (estoc_der_peek(r) == ESTOC_DER_CONTEXT_CONSTRUCTED(0)) {
        read_extensions(r, head);
    }
}

estoc_err estoc_crl_read(estoc_slice der, estoc_crl_head *head)
{
    estoc_reader r;
    *head = (estoc_crl_head){.at = 0};
    estoc_err err = estoc_der_begin(der, &r);
    if (!err) {
        estoc_reader tbs = estoc_der_enter(&r, ESTOC_DER_SEQUENCE);
        read_tbs(&tbs, head);
        estoc_der_leave(&r, &tbs);
        (void)estoc_der_whole(&r, ESTOC_DER_SEQUENCE);
        (void)estoc_der_bits(&r);
        err = estoc_der_end(&r);
    }
    if (err) {
        *head = (estoc_crl_head){.at = 0};
    }
    return err;
}

bool estoc_cert_signs_crls(estoc_slice der)
{
    const uint8_t *p = der.ptr;
    X509 *x = der.len > 0 && der.len <= LONG_MAX ? d2i_X509(NULL, &p, (long)der.len) : NULL;
    bool signs = x != NULL && (X509_get_key_usage(x) & KU_CRL_SIGN) != 0;
    X509_free(x);
    ERR_clear_error();
    return signs;
}
