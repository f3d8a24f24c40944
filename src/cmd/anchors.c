/* SPDX-License-Identifier: MIT */
#include <string.h>

#include <estoc/est.h>

#include "anchors.h"
#include "text.h"

estoc_err estoc_answer_certs(estoc_slice answer, uint16_t format, estoc_slice *certs, size_t *n)
{
    estoc_err err = ESTOC_OK;
    *n = ESTOC_ANSWER_CERTS_MAX;
    if (format == ESTOC_FORMAT_CERT) {
        certs[0] = answer;
        *n = 1;
    } else {
        err = estoc_certs_parse(answer, certs, n);
    }
    for (size_t i = 0; !err && i < *n; i++) {
        estoc_cert cert;
        err = estoc_cert_parse(&cert, certs[i]);
    }
    if (err) {
        *n = 0;
    }
    return err;
}

/* Issuer and subject alone do not make a root: a link certificate of a changing root has them too. */
static bool signed_by_itself(estoc_slice der)
{
    estoc_cert cert;
    return !estoc_cert_parse(&cert, der) && cert.ca && estoc_cert_self_issued(&cert) &&
           !estoc_verify(&cert.spki, cert.sig, cert.tbs, cert.signature);
}

static estoc_err check_between(const estoc_anchors *a, int64_t at, estoc_why *why)
{
    for (size_t i = 0; i < a->between.n; i++) {
        estoc_why inner = {""};
        estoc_err err = estoc_chain_verify(estoc_blob_slice(a->between.at[i]), &a->between,
                                           &a->roots, ESTOC_PURPOSE_ANY, at, &inner);
        if (err) {
            estoc_why_set(why, "a certificate of /crts does not lead to a root in it: %.180s",
                          inner.text);
            return err;
        }
    }
    return ESTOC_OK;
}

estoc_err estoc_anchors_take(estoc_slice answer, uint16_t format, int64_t at, estoc_anchors *out,
                             estoc_why *why)
{
    estoc_slice certs[ESTOC_ANSWER_CERTS_MAX];
    size_t n = 0;
    memset(out, 0, sizeof *out);
    estoc_err err = estoc_answer_certs(answer, format, certs, &n);
    if (err) {
        estoc_why_set(why, "the answer of /crts is not %s: %s",
                      format == ESTOC_FORMAT_CERT ? "a certificate" : "a list of certificates",
                      estoc_err_text(err));
        return err;
    }
    for (size_t i = 0; !err && i < n; i++) {
        err = estoc_blobs_add(signed_by_itself(certs[i]) ? &out->roots : &out->between, certs[i]);
    }
    if (!err && out->roots.n == 0) {
        estoc_why_set(why, "the answer of /crts holds no root certificate");
        err = ESTOC_E_UNTRUSTED;
    }
    err = err ? err : check_between(out, at, why);
    if (err) {
        estoc_anchors_free(out);
    }
    return err;
}

void estoc_anchors_free(estoc_anchors *a)
{
    estoc_blobs_free(&a->roots);
    estoc_blobs_free(&a->between);
}

estoc_err estoc_issued_take(estoc_slice answer, uint16_t format, estoc_slice spki,
                            estoc_slice *chain, size_t *n)
{
    estoc_slice certs[ESTOC_ANSWER_CERTS_MAX];
    size_t have = 0;
    *n = 0;
    estoc_err err = estoc_answer_certs(answer, format, certs, &have);
    if (err) {
        return err;
    }
    size_t ours = have;
    for (size_t i = 0; i < have && ours == have; i++) {
        estoc_cert cert;
        if (!estoc_cert_parse(&cert, certs[i]) && estoc_slice_eq(cert.spki.der, spki)) {
            ours = i;
        }
    }
    if (ours == have) {
        return ESTOC_E_KEY;
    }
    chain[(*n)++] = certs[ours];
    for (size_t i = 0; i < have; i++) {
        if (i != ours && !signed_by_itself(certs[i])) {
            chain[(*n)++] = certs[i];
        }
    }
    return ESTOC_OK;
}
