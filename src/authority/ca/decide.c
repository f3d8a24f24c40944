/* SPDX-License-Identifier: MIT
 *
 * What becomes of one enrollment: first what needs no store, then the rest.
 */
#include <stdlib.h>
#include <string.h>

#include "approval.h"
#include "desk.h"
#include "keymaker.h"
#include "pace.h"
#include "question.h"
#include "text.h"

#define BACKDATE_S  300 /* clients' clocks may be slow */
#define STORE_RETRY 10  /* seconds: Max-Age when the store fails */
#define SIGN_RETRY  30
#define TIME_RETRY  3600 /* the CA's certificate, or our clock, is not right */

void estoc_job_fail(estoc_job *j, estoc_err err, uint32_t retry_s, const char *text)
{
    j->err = err;
    j->retry_s = retry_s;
    j->ruling = (estoc_ruling){NULL, text};
}

void estoc_job_store_failed(estoc_desk *d, estoc_job *j)
{
    d->broken = true;
    estoc_job_fail(j, ESTOC_E_STORE, STORE_RETRY, "the store is not available, try again later");
}

static void note_cert(estoc_job *j, const estoc_cert *cert)
{
    estoc_hex(cert->serial, j->serial, sizeof j->serial);
}

/* ---------------------------------------------------------------------------- what needs no store */

estoc_err estoc_job_request_digest(const estoc_job *j, uint8_t out[32])
{
    uint8_t text[3 + 32] = "skg";
    estoc_err err = estoc_sha256(j->csr, text + 3);
    if (estoc_op_makes_key(j->op)) {
        return err ? err : estoc_sha256(estoc_slice_of(text, sizeof text), out);
    }
    memcpy(out, text + 3, 32);
    return err;
}

static void prepare_record(const estoc_desk *d, estoc_job *j)
{
    estoc_record *rec = &j->rec;
    int64_t now = estoc_unix_s();
    *rec = (estoc_record){
        .profile = j->profile->name, .policy = d->policy, .subject = j->subject, .serial_len = 16};
    estoc_err err = estoc_sha256(j->client_cert, rec->identity);
    err = err ? err : estoc_job_request_digest(j, rec->csr);
    err = err ? err : estoc_sha256(j->grant.spki, rec->key);
    if (err) {
        estoc_job_fail(j, ESTOC_E_LATER, SIGN_RETRY, "cannot sign now, try again later");
    } else if (now < d->issuer.not_before || now >= d->issuer.not_after) { /* 197 */
        estoc_job_fail(j, ESTOC_E_LATER, TIME_RETRY, "the CA's certificate is not valid now");
    }
}

void estoc_job_prepare(const estoc_desk *d, estoc_job *j)
{
    if (estoc_cert_parse(&j->client, j->client_cert)) {
        j->err = ESTOC_E_FORBIDDEN;
        j->ruling = (estoc_ruling){"X10", "your certificate cannot be read"};
        return;
    }
    estoc_slice holder = j->client.subject;
    j->parsed = true;
    estoc_name_text(holder, (estoc_buf){(uint8_t *)j->subject, sizeof j->subject});
    estoc_name_text(j->client.issuer, (estoc_buf){(uint8_t *)j->issuer, sizeof j->issuer});
    j->petition = (estoc_petition){j->op, j->profile, &j->client, &d->issuer, j->csr, j->unique};
    j->err = estoc_policy_grant(&j->petition, &j->grant, &j->ruling);
    if (j->err) {
        return;
    }
    if (!estoc_slice_eq(j->grant.subject, holder) && estoc_policy_is_registrar(&j->petition)) {
        estoc_name_text(holder, (estoc_buf){(uint8_t *)j->registrar, sizeof j->registrar});
    }
    estoc_name_text(j->grant.subject, (estoc_buf){(uint8_t *)j->subject, sizeof j->subject});
    prepare_record(d, j);
}

void estoc_job_question(const estoc_desk *d, const estoc_job *j, estoc_question *q)
{
    bool make = estoc_op_makes_key(j->op);
    *q = (estoc_question){.client_serial = j->client.serial,
                          .identity = j->rec.identity,
                          .csr = j->rec.csr,
                          .key = make ? NULL : j->rec.key,
                          .profile = j->rec.profile,
                          .subject = j->rec.subject,
                          .now = d->now,
                          .day_since = j->profile->per_day > 0 ? d->now - ESTOC_PACE_DAY_S + 1 : 0,
                          /* without a window, nothing was issued late enough */
                          .since = d->retry_window_s > 0 ? d->now - (int64_t)d->retry_window_s
                                                         : INT64_MAX};
}

/* ---------------------------------------------------------------------------------- with the answers */

/* E6: what this identity got for the same bytes, if it still is of use. */
static bool find_again(const estoc_desk *d, estoc_job *j, estoc_question *q)
{
    estoc_cert cert;
    if (q->again.len == 0 || estoc_cert_parse(&cert, estoc_blob_slice(q->again)) ||
        cert.not_after <= d->now) {
        return false;
    }
    j->cert = q->again;
    q->again = (estoc_blob){NULL, 0};
    note_cert(j, &cert);
    j->again = true;
    return true;
}

/* The certificate as it will be, into `cert`, where there is room for its signature, too. */
static bool plan(const estoc_desk *d, estoc_job *j, estoc_slice spki)
{
    const estoc_cert *issuer = &d->issuer;
    const estoc_grant *grant = &j->grant;
    estoc_record *rec = &j->rec;
    estoc_cert_plan plan = {.serial_len = rec->serial_len,
                            .issuer = issuer->subject,
                            .subject = grant->subject,
                            .spki = spki,
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
    size_t room = 512 + ESTOC_SIG_MAX + issuer->subject.len + grant->subject.len + spki.len +
                  grant->san.len + issuer->ski.len + d->crl_url.len + plan.purposes.len +
                  plan.extensions.len;
    size_t len = 0;
    estoc_blob_free(&j->cert);
    j->cert.ptr = malloc(room);
    if (j->cert.ptr == NULL) {
        estoc_job_fail(j, ESTOC_E_MEMORY, SIGN_RETRY, "out of memory, try again later");
        return false;
    }
    j->cert.len = room;
    estoc_err err = estoc_serial_random(rec->serial);
    memcpy(plan.serial, rec->serial, rec->serial_len);
    err = err ? err
              : estoc_cert_tbs(&plan, estoc_key_sig(d->key), (estoc_buf){j->cert.ptr, room}, &len);
    if (err) {
        estoc_log(ESTOC_LOG_ERROR, "ca", "event", "sign", "why", estoc_err_text(err), NULL);
        estoc_job_fail(j, ESTOC_E_LATER, SIGN_RETRY, "cannot sign now, try again later");
        return false;
    }
    rec->issued_at = d->now;
    rec->not_before = plan.not_before;
    rec->not_after = plan.not_after;
    rec->cert = estoc_slice_of(j->cert.ptr, len);
    return true;
}

static void ask_command(estoc_job *j)
{
    estoc_err err = estoc_question_write(&j->petition, &j->grant, j->peer, j->own, &j->question);
    if (err) {
        estoc_job_fail(j, err, SIGN_RETRY, "out of memory, try again later");
    }
    j->asking = !err;
}

/* What a program that was to decide has not done is an operator's business. */
static void tell_failure(const estoc_job *j)
{
    if (j->advice.kind == ESTOC_ADVICE_FAILED) {
        estoc_log(ESTOC_LOG_WARN, "ca", "event", "approval", "profile",
                  j->profile->name[0] != '\0' ? j->profile->name : NULL, "peer", j->peer, "subject",
                  j->subject, "command", j->profile->command, "why", j->advice.reason, NULL);
    }
}

/* L2. @return whether there is a decision to issue, and nothing was issued after it yet */
static bool approved(estoc_desk *d, estoc_job *j)
{
    estoc_approval approval;
    estoc_cert cert;
    if (j->profile->approver == ESTOC_APPROVER_NONE) {
        return true;
    }
    estoc_err err = estoc_approval_consult(&j->petition, d->store, &d->pending, &j->rec, d->now,
                                           &j->advice, &approval, &j->ruling);
    j->pending = approval.id;
    j->asked = approval.asked;
    j->cert = approval.cert;
    if (err == ESTOC_E_STORE || err == ESTOC_E_MEMORY) {
        estoc_job_store_failed(d, j);
    } else if (err && approval.ask) {
        ask_command(j);
    } else if (err) {
        tell_failure(j);
        j->err = err;
        j->retry_s = approval.retry_s;
    } else if (j->cert.len > 0 && !estoc_cert_parse(&cert, estoc_blob_slice(j->cert))) {
        note_cert(j, &cert);
        j->again = true;
    }
    return !j->err && !j->again && !j->asking;
}

/* X2: what was made for the same request before has not arrived, or it would not come again. */
static bool supersede(estoc_desk *d, estoc_job *j, const estoc_question *q)
{
    estoc_cert cert;
    if (q->again.len == 0) {
        return true;
    }
    estoc_err err = estoc_cert_parse(&cert, estoc_blob_slice(q->again));
    err = err ? err : estoc_store_revoke(d->store, cert.serial, ESTOC_CRL_SUPERSEDED, d->now);
    if (err) {
        estoc_job_store_failed(d, j);
        return false;
    }
    estoc_hex(cert.serial, j->superseded, sizeof j->superseded);
    j->old_len = cert.serial.len; /* the store had it, so there is room */
    memcpy(j->old, cert.serial.ptr, j->old_len);
    j->old_told = false;
    return true;
}

/* The key, and a certificate for it. */
static bool plan_made(const estoc_desk *d, estoc_job *j, const estoc_key_reader *reader)
{
    estoc_blob spki = {NULL, 0};
    estoc_key *key = NULL;
    estoc_err err = estoc_key_make(j->grant.make, j->grant.make_bits, &key);
    err =
        err ? err : estoc_key_pack(key, reader, &d->keygen_signer, &spki, &j->key, &j->key_format);
    estoc_key_free(key);
    err = err ? err : estoc_sha256(estoc_blob_slice(spki), j->rec.key);
    if (err) {
        estoc_log(ESTOC_LOG_ERROR, "ca", "event", "keygen", "why", estoc_err_text(err), NULL);
        estoc_job_fail(j, ESTOC_E_LATER, SIGN_RETRY, "cannot make a key now, try again later");
    }
    bool planned = !err && plan(d, j, estoc_blob_slice(spki));
    estoc_blob_free(&spki);
    return planned;
}

/* E5 */
static bool decide_key(estoc_desk *d, estoc_job *j, const estoc_question *q)
{
    estoc_key_reader reader;
    const estoc_key_search search = {.wish = &j->grant.wish,
                                     .signer = &d->keygen_signer,
                                     .keys = d->decrypt_keys,
                                     .client = &j->client,
                                     .store = d->store,
                                     .identity = j->rec.identity,
                                     .now = d->now};
    bool planned = false;
    estoc_blob_free(&j->key);
    estoc_err err = estoc_key_reader_find(&search, &reader, &j->ruling);
    if (err == ESTOC_E_KEY) {
        j->err = err;
    } else if (err) {
        estoc_job_store_failed(d, j);
    } else if (approved(d, j)) {
        planned = plan_made(d, j, &reader) && supersede(d, j, q);
    }
    estoc_key_reader_free(&reader);
    return planned;
}

/* Whether it is time for another certificate. */
static bool in_time(estoc_job *j, const estoc_question *q)
{
    j->err = estoc_pace_renewal(&j->petition, q->now, j->said, &j->ruling);
    j->err = j->err ? j->err : estoc_pace_limit(&j->petition, q, &j->retry_s, &j->ruling);
    return !j->err;
}

bool estoc_job_decide(estoc_desk *d, estoc_job *j, estoc_question *q)
{
    j->err = estoc_policy_recorded(&j->petition, q, &j->own, &j->ruling);
    if (j->err) {
        return false;
    }
    if (estoc_op_makes_key(j->op)) {
        return in_time(j, q) && decide_key(d, j, q);
    }
    return !find_again(d, j, q) && in_time(j, q) && approved(d, j) && plan(d, j, j->grant.spki);
}

void estoc_job_sign(const estoc_desk *d, estoc_job *j)
{
    size_t len = 0;
    estoc_err err =
        estoc_cert_sign(d->key, j->rec.cert.len, (estoc_buf){j->cert.ptr, j->cert.len}, &len);
    if (err) {
        estoc_log(ESTOC_LOG_ERROR, "ca", "event", "sign", "why", estoc_err_text(err), NULL);
        estoc_job_fail(j, ESTOC_E_LATER, SIGN_RETRY, "cannot sign now, try again later");
        return;
    }
    j->cert.len = len;
    estoc_hex(estoc_slice_of(j->rec.serial, j->rec.serial_len), j->serial, sizeof j->serial);
}
