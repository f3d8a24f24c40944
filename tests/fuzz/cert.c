/* SPDX-License-Identifier: MIT
 *
 * Input: one certificate. What is taken lies inside, and is one SEQUENCE whose fields add up.
 */
#include <string.h>

#include <estoc/cert.h>

#include "check.h"

static void check_refused(const estoc_cert *cert, estoc_err err)
{
    static const estoc_cert zero;
    CHECK(err == ESTOC_E_TRUNCATED || err == ESTOC_E_MALFORMED || err == ESTOC_E_TRAILING ||
          err == ESTOC_E_LIMIT);
    CHECK(memcmp(cert, &zero, sizeof zero) == 0);
}

/* Each once, and those that were understood among them. */
static void check_extensions(const estoc_cert *cert)
{
    estoc_reader outer = estoc_reader_of(cert->extensions);
    estoc_reader r = estoc_der_enter(&outer, ESTOC_DER_SEQUENCE);
    estoc_ext ext, other;
    size_t n = 0;
    bool san = false;
    while (estoc_ext_next(&r, &ext)) {
        CHECK(check_inside(ext.whole, cert->extensions) && ++n <= 64);
        san = san || (ext.value.ptr == cert->san.ptr && ext.value.len == cert->san.len);
        estoc_reader rest = r;
        while (estoc_ext_next(&rest, &other)) {
            CHECK(!estoc_slice_eq(ext.oid, other.oid));
        }
    }
    CHECK(estoc_reader_end(&r) == ESTOC_OK && estoc_reader_end(&outer) == ESTOC_OK && n > 0);
    CHECK(san || cert->san.len == 0);
    CHECK(check_inside(cert->san, cert->extensions) && check_inside(cert->ski, cert->extensions));
}

/* The three fields of the outer SEQUENCE, written again. */
static void check_written(const estoc_cert *cert)
{
    uint8_t *room = malloc(cert->der.len);
    CHECK(room != NULL);
    size_t alg_at = (size_t)(cert->tbs.ptr - cert->der.ptr) + cert->tbs.len;
    estoc_slice behind = estoc_slice_sub(cert->der, alg_at, cert->der.len);
    estoc_writer w = estoc_writer_of((estoc_buf){room, cert->der.len});
    size_t mark = estoc_der_open(&w, ESTOC_DER_SEQUENCE);
    estoc_der_put_raw(&w, cert->tbs);
    estoc_der_put_raw(&w, estoc_slice_sub(behind, 0, estoc_cert_length(behind)));
    estoc_der_put_bits(&w, cert->signature);
    estoc_der_close(&w, mark);
    CHECK(estoc_slice_eq(estoc_writer_slice(&w), cert->der));
    free(room);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    estoc_slice input = estoc_slice_of(data, size);
    estoc_cert cert;
    memset(&cert, 0xa5, sizeof cert);
    estoc_err err = estoc_cert_parse(&cert, input);
    size_t len = estoc_cert_length(input);
    CHECK(len <= size);
    if (err != ESTOC_OK) {
        check_refused(&cert, err);
        return 0;
    }
    CHECK(len == size && cert.der.ptr == data && cert.der.len == size);
    CHECK(check_inside(cert.tbs, input) && check_inside(cert.signature, input));
    CHECK(check_inside(cert.serial, cert.tbs) && cert.serial.len >= 1 && cert.serial.len <= 20);
    CHECK(cert.serial.ptr[0] < 0x80);
    CHECK(check_inside(cert.issuer, cert.tbs) && check_inside(cert.subject, cert.tbs));
    CHECK(check_inside(cert.spki.der, cert.tbs) && check_inside(cert.spki.key, cert.spki.der));
    CHECK(check_inside(cert.extensions, cert.tbs) && cert.spki.der.len > 0);
    CHECK(estoc_cert_self_issued(&cert) == estoc_slice_eq(cert.issuer, cert.subject));
    if (cert.extensions.len > 0) {
        check_extensions(&cert);
    } else {
        CHECK(!cert.ca && !cert.cmc_ra && cert.san.len == 0 && cert.ski.len == 0);
    }
    check_written(&cert);
    return 0;
}
