/* SPDX-License-Identifier: MIT */
#include <string.h>

#include <estoc/cert.h>

#include "crypto.h"
#include "estocd.h"
#include "replay.h"

static estoc_err has_serial(const estoc_replay *r, estoc_slice serial, bool *has,
                            estoc_record_state *state)
{
    estoc_record rec;
    estoc_blob cert;
    estoc_err err = estoc_store_by_serial(r->store, serial, &rec, &cert);
    *has = !err;
    *state = err ? ESTOC_RECORD_VOID : rec.state;
    estoc_blob_free(&cert);
    return err == ESTOC_E_NOT_FOUND ? ESTOC_OK : err;
}

/* The numbers of an older store may go on with other profiles: a version it does not have is none. */
static estoc_err policy_of(estoc_replay *r, int64_t version, int64_t *out)
{
    if (version != r->policy) {
        estoc_blob text;
        estoc_err err = estoc_store_policy_text(r->store, version, &text);
        if (err && err != ESTOC_E_NOT_FOUND) {
            return err;
        }
        r->policy = version;
        r->has_policy = !err;
        estoc_blob_free(&text);
    }
    *out = r->has_policy ? version : 0;
    return ESTOC_OK;
}

/* The store was copied between the intent and the certificate. */
static estoc_err finish_intent(estoc_replay *r, const estoc_audit_entry *e)
{
    estoc_signed one = {.serial = e->serial, .cert = e->cert};
    estoc_err err = estoc_store_issue(r->store, &one, 1);
    r->issued += !err && one.kept;
    return err;
}

static estoc_err put(estoc_replay *r, const estoc_audit_entry *e, const estoc_cert *cert)
{
    estoc_record rec = {.state = ESTOC_RECORD_ISSUED,
                        .profile = e->profile != NULL ? e->profile : "",
                        .subject = e->subject != NULL ? e->subject : "",
                        .issued_at = e->at,
                        .not_before = cert->not_before,
                        .not_after = cert->not_after,
                        .cert = e->cert,
                        .serial_len = e->serial.len};
    memcpy(rec.serial, e->serial.ptr, e->serial.len);
    memcpy(rec.identity, e->client_sha256.ptr, sizeof rec.identity);
    memcpy(rec.csr, e->csr_sha256.ptr, sizeof rec.csr);
    estoc_err err = policy_of(r, e->policy, &rec.policy);
    err = err ? err : estoc_sha256(cert->spki.der, rec.key);
    err = err ? err : estoc_store_put(r->store, &rec);
    r->issued += !err;
    return err;
}

static estoc_err put_issued(estoc_replay *r, const estoc_audit_entry *e)
{
    estoc_cert cert;
    bool has = false;
    estoc_record_state state;
    if (estoc_cert_parse(&cert, e->cert) || !estoc_slice_eq(cert.serial, e->serial) ||
        e->client_sha256.len == 0 || e->csr_sha256.len == 0) {
        return ESTOC_E_MALFORMED;
    }
    estoc_err err = has_serial(r, e->serial, &has, &state);
    if (err || !has) {
        return err ? err : put(r, e, &cert);
    }
    if (state == ESTOC_RECORD_INTENT) {
        return finish_intent(r, e);
    }
    r->issued_there++;
    return ESTOC_OK;
}

static estoc_err put_revoked(estoc_replay *r, const estoc_audit_entry *e)
{
    estoc_crl_reason reason = ESTOC_CRL_UNSPECIFIED;
    if (e->reason == NULL || !estocd_reason_parse(e->reason, &reason) || e->serial.len == 0) {
        return ESTOC_E_MALFORMED;
    }
    estoc_err err = estoc_store_revoke(r->store, e->serial, reason, e->at);
    r->revoked += !err;
    r->revoked_there += err == ESTOC_E_STATE;
    r->unknown += err == ESTOC_E_NOT_FOUND;
    return err == ESTOC_E_STATE ? ESTOC_OK : err;
}

estoc_err estoc_replay_entry(estoc_replay *r, const estoc_audit_entry *e)
{
    if (strcmp(e->result, "issued") == 0) {
        return put_issued(r, e);
    }
    if (strcmp(e->result, "revoked") == 0) {
        return put_revoked(r, e);
    }
    r->decided += strcmp(e->result, "approved") == 0 || strcmp(e->result, "rejected") == 0;
    return ESTOC_OK;
}
