/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "approval.h"
#include "desk.h"
#include "keymaker.h"
#include "text.h"

#define BACKDATE_S  300 /* clients' clocks may be slow */
#define STORE_RETRY 10  /* seconds: Max-Age when the store fails */
#define SIGN_RETRY  30
#define TIME_RETRY  3600 /* the CA's certificate, or our clock, is not right */
#define SERIAL_TRY  3

/* ------------------------------------------------------------------------------------- the decision */

static void fail(estoc_job *j, estoc_err err, uint32_t retry_s, const char *text)
{
    j->err = err;
    j->retry_s = retry_s;
    j->ruling = (estoc_ruling){NULL, text};
}

/* The store is not to be trusted any more in this state: none of the batch will count as issued. */
static void store_failed(estoc_desk *d, estoc_job *j)
{
    d->broken = true;
    fail(j, ESTOC_E_STORE, STORE_RETRY, "the store is not available, try again later");
}

static bool begin(estoc_desk *d)
{
    if (d->store == NULL) {
        estoc_why why = {""};
        if (estoc_store_open(d->store_url, &d->store, &why)) {
            estoc_log(ESTOC_LOG_ERROR, "ca", "event", "store", "why", why.text, NULL);
            return false;
        }
        estoc_log(ESTOC_LOG_WARN, "ca", "event", "store", "result", "opened again", NULL);
    }
    if (!d->in_transaction) {
        d->in_transaction = estoc_store_begin(d->store) == ESTOC_OK;
    }
    return d->in_transaction;
}

static void note_cert(estoc_job *j, const estoc_cert *cert)
{
    estoc_hex(cert->serial, j->serial, sizeof j->serial);
}

/* E6: what this identity got for the same bytes, if it still is of use. @return false: nothing */
static bool find_again(estoc_desk *d, estoc_job *j, const estoc_record *rec)
{
    estoc_cert cert;
    if (d->retry_window_s == 0) {
        return false;
    }
    estoc_err err = estoc_store_by_csr(d->store, rec->identity, rec->profile, rec->csr,
                                       d->now - (int64_t)d->retry_window_s, &j->cert);
    if (err == ESTOC_E_NOT_FOUND) {
        return false;
    }
    if (err) {
        store_failed(d, j);
        return true;
    }
    if (estoc_cert_parse(&cert, estoc_blob_slice(j->cert)) || cert.not_after <= d->now) {
        estoc_blob_free(&j->cert);
        return false;
    }
    note_cert(j, &cert);
    j->again = true;
    return true;
}

/* Build and sign one certificate, and what the store is to keep of it. */
static estoc_err sign(estoc_desk *d, estoc_job *j, const estoc_grant *grant, estoc_record *rec)
{
    const estoc_cert *issuer = &d->issuer;
    estoc_cert_plan plan = {.serial_len = 16,
                            .issuer = issuer->subject,
                            .subject = grant->subject,
                            .spki = grant->spki,
                            .not_before = d->now - BACKDATE_S,
                            .not_after = d->now + (int64_t)j->profile->validity_s,
                            .san = grant->san,
                            .encrypt = j->profile->keygen,
                            .usage = grant->usage,
                            .purposes = grant->purposes,
                            .extensions = estoc_slice_of(j->profile->contents.extensions,
                                                         j->profile->contents.extensions_len),
                            .authority_key_id = issuer->ski,
                            .crl_url = d->crl_url};
    /* never beyond the CA's own life: 167, 196 */
    plan.not_before = plan.not_before > issuer->not_before ? plan.not_before : issuer->not_before;
    plan.not_after = plan.not_after < issuer->not_after ? plan.not_after : issuer->not_after;
    size_t room = 512 + ESTOC_SIG_MAX + issuer->subject.len + grant->subject.len + grant->spki.len +
                  grant->san.len + issuer->ski.len + d->crl_url.len + plan.purposes.len +
                  plan.extensions.len;
    estoc_blob_free(&j->cert);
    j->cert.ptr = malloc(room);
    if (j->cert.ptr == NULL) {
        return ESTOC_E_MEMORY;
    }
    estoc_err err = estoc_serial_random(plan.serial);
    err = err ? err : estoc_cert_issue(&plan, d->key, (estoc_buf){j->cert.ptr, room}, &j->cert.len);
    memcpy(rec->serial, plan.serial, plan.serial_len);
    rec->serial_len = plan.serial_len;
    rec->not_before = plan.not_before;
    rec->not_after = plan.not_after;
    rec->cert = estoc_blob_slice(j->cert);
    return err;
}

static void issue(estoc_desk *d, estoc_job *j, const estoc_grant *grant, estoc_record *rec)
{
    estoc_err err = ESTOC_E_STATE;
    for (int i = 0; i < SERIAL_TRY && err == ESTOC_E_STATE; i++) {
        err = sign(d, j, grant, rec);
        if (err == ESTOC_E_MEMORY) {
            fail(j, err, SIGN_RETRY, "out of memory, try again later");
            return;
        }
        if (err) {
            estoc_log(ESTOC_LOG_ERROR, "ca", "event", "sign", "why", estoc_err_text(err), NULL);
            fail(j, ESTOC_E_LATER, SIGN_RETRY, "cannot sign now, try again later");
            return;
        }
        err = estoc_store_put(d->store, rec);
    }
    if (err) {
        store_failed(d, j);
        return;
    }
    estoc_hex(estoc_slice_of(rec->serial, rec->serial_len), j->serial, sizeof j->serial);
}

/* L2. @return whether there is a decision to issue, and nothing was issued after it yet */
static bool approved(estoc_desk *d, estoc_job *j, const estoc_petition *p, const estoc_record *rec)
{
    estoc_approval approval;
    estoc_cert cert;
    if (!j->profile->manual) {
        return true;
    }
    estoc_err err =
        estoc_approval_consult(p, d->store, &d->pending, rec, d->now, &approval, &j->ruling);
    j->pending = approval.id;
    j->cert = approval.cert;
    if (err == ESTOC_E_STORE || err == ESTOC_E_MEMORY) {
        store_failed(d, j);
    } else if (err) {
        j->err = err;
        j->retry_s = approval.retry_s;
    } else if (j->cert.len > 0 && !estoc_cert_parse(&cert, estoc_blob_slice(j->cert))) {
        note_cert(j, &cert);
        j->again = true;
    }
    return !j->err && !j->again;
}

static void note_issued(estoc_desk *d, estoc_job *j, const estoc_record *rec)
{
    if (!j->err && j->pending != 0 &&
        estoc_store_pending_issued(d->store, j->pending,
                                   estoc_slice_of(rec->serial, rec->serial_len))) {
        store_failed(d, j);
    }
}

/* The key, and a certificate for it. */
static void issue_made(estoc_desk *d, estoc_job *j, const estoc_grant *grant,
                       const estoc_key_reader *reader, estoc_record *rec)
{
    estoc_blob spki;
    estoc_grant whole = *grant;
    estoc_err err = estoc_made_key(grant->make, grant->make_bits, reader, &d->keygen_signer, &spki,
                                   &j->key, &j->key_format);
    err = err ? err : estoc_sha256(estoc_blob_slice(spki), rec->key);
    if (err) {
        estoc_log(ESTOC_LOG_ERROR, "ca", "event", "keygen", "why", estoc_err_text(err), NULL);
        fail(j, ESTOC_E_LATER, SIGN_RETRY, "cannot make a key now, try again later");
    } else {
        whole.spki = estoc_blob_slice(spki);
        issue(d, j, &whole, rec);
    }
    estoc_blob_free(&spki);
}

static void supersede(estoc_desk *d, estoc_job *j, estoc_slice old)
{
    estoc_cert cert;
    estoc_err err = estoc_cert_parse(&cert, old);
    err = err ? err : estoc_store_revoke(d->store, cert.serial, ESTOC_CRL_SUPERSEDED, d->now);
    if (err) {
        store_failed(d, j);
    } else {
        estoc_hex(cert.serial, j->superseded, sizeof j->superseded);
    }
}

/* X2: what was made for the same request before has not arrived, or it would not come again. */
static void issue_key(estoc_desk *d, estoc_job *j, const estoc_grant *grant,
                      const estoc_key_reader *reader, estoc_record *rec)
{
    estoc_blob old;
    estoc_err err = estoc_store_by_csr(d->store, rec->identity, rec->profile, rec->csr,
                                       d->now - (int64_t)d->retry_window_s, &old);
    if (err && err != ESTOC_E_NOT_FOUND) {
        store_failed(d, j);
    } else {
        issue_made(d, j, grant, reader, rec);
    }
    if (!j->err && old.len > 0) {
        supersede(d, j, estoc_blob_slice(old));
    }
    estoc_blob_free(&old);
}

/* E5 */
static void decide_key(estoc_desk *d, estoc_job *j, const estoc_petition *p,
                       const estoc_grant *grant, estoc_record *rec)
{
    estoc_key_reader reader;
    const estoc_key_search search = {.wish = &grant->wish,
                                     .signer = &d->keygen_signer,
                                     .keys = d->decrypt_keys,
                                     .client = p->client,
                                     .store = d->store,
                                     .identity = rec->identity,
                                     .now = d->now};
    estoc_err err = estoc_key_reader_find(&search, &reader, &j->ruling);
    if (err == ESTOC_E_KEY) {
        j->err = err;
    } else if (err) {
        store_failed(d, j);
    } else if (approved(d, j, p, rec)) {
        issue_key(d, j, grant, &reader, rec);
        note_issued(d, j, rec);
    }
    estoc_key_reader_free(&reader);
}

/* A request for a key is another than the same bytes to /sen, which must not find each other: its
 * digest is that of "skg" and the other. */
static estoc_err request_digest(const estoc_job *j, uint8_t out[32])
{
    uint8_t text[3 + 32] = "skg";
    estoc_err err = estoc_sha256(j->csr, text + 3);
    if (estoc_op_makes_key(j->op)) {
        return err ? err : estoc_sha256(estoc_slice_of(text, sizeof text), out);
    }
    memcpy(out, text + 3, 32);
    return err;
}

static void decide_granted(estoc_desk *d, estoc_job *j, const estoc_petition *p,
                           const estoc_grant *grant)
{
    estoc_record rec = {.profile = j->profile->name, .subject = j->subject, .issued_at = d->now};
    estoc_err err = estoc_sha256(j->client_cert, rec.identity);
    err = err ? err : request_digest(j, rec.csr);
    err = err ? err : estoc_sha256(grant->spki, rec.key);
    if (err) {
        fail(j, ESTOC_E_LATER, SIGN_RETRY, "cannot sign now, try again later");
        return;
    }
    if (d->now < d->issuer.not_before || d->now >= d->issuer.not_after) { /* 197 */
        fail(j, ESTOC_E_LATER, TIME_RETRY, "the CA's certificate is not valid now");
        return;
    }
    if (d->broken || !begin(d)) {
        store_failed(d, j);
        return;
    }
    bool make = estoc_op_makes_key(j->op);
    err = estoc_policy_recorded(p, d->store, make ? NULL : rec.key, j->subject, d->now, &j->own,
                                &j->ruling);
    if (err == ESTOC_E_FORBIDDEN) {
        j->err = err;
    } else if (err) {
        store_failed(d, j);
    } else if (make) {
        decide_key(d, j, p, grant, &rec);
    } else if (!find_again(d, j, &rec) && approved(d, j, p, &rec)) {
        issue(d, j, grant, &rec);
        note_issued(d, j, &rec);
    }
}

static void decide(estoc_desk *d, estoc_job *j)
{
    estoc_cert client;
    estoc_grant grant;
    if (estoc_cert_parse(&client, j->client_cert)) {
        j->err = ESTOC_E_FORBIDDEN;
        j->ruling = (estoc_ruling){"X10", "your certificate cannot be read"};
        return;
    }
    j->parsed = true;
    estoc_name_text(client.subject, (estoc_buf){(uint8_t *)j->subject, sizeof j->subject});
    estoc_name_text(client.issuer, (estoc_buf){(uint8_t *)j->issuer, sizeof j->issuer});
    const estoc_petition p = {j->op, j->profile, &client, &d->issuer, j->csr, j->unique};
    j->err = estoc_policy_grant(&p, &grant, &j->ruling);
    if (!j->err && !estoc_slice_eq(grant.subject, client.subject) &&
        estoc_policy_is_registrar(&p)) {
        estoc_name_text(client.subject, (estoc_buf){(uint8_t *)j->registrar, sizeof j->registrar});
    }
    if (!j->err) {
        estoc_name_text(grant.subject, (estoc_buf){(uint8_t *)j->subject, sizeof j->subject});
        decide_granted(d, j, &p, &grant);
    }
}

/* -------------------------------------------------------------------------------------- one batch */

/* X9: a store that has failed is closed; what it may have kept in memory must not be built on. */
static void drop_store(estoc_desk *d, estoc_job *batch)
{
    for (estoc_job *j = batch; j != NULL; j = j->next) {
        if (!j->err || j->pending != 0) { /* neither issued nor kept */
            j->pending = 0;
            store_failed(d, j);
        }
    }
    if (d->store != NULL && d->in_transaction) {
        estoc_store_rollback(d->store);
    }
    estoc_store_close(d->store);
    d->store = NULL;
}

void estoc_desk_decide(estoc_desk *d, estoc_job *batch)
{
    d->now = estoc_unix_s();
    d->in_transaction = false;
    d->broken = false;
    for (estoc_job *j = batch; j != NULL; j = j->next) {
        decide(d, j);
    }
    if (!d->broken && d->in_transaction) {
        d->broken = estoc_store_commit(d->store) != ESTOC_OK;
    }
    if (d->broken) {
        drop_store(d, batch);
    }
}
