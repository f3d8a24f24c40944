/* SPDX-License-Identifier: MIT
 *
 * What the desk has decided, as lines of the audit log, in the transaction that makes it last.
 */
#include "desk.h"
#include "text.h"
#include "trail.h"

/* For a person (L2). */
static bool waits(const estoc_job *j)
{
    return j->err == ESTOC_E_LATER && j->pending != 0;
}

const char *estoc_job_result(const estoc_job *j)
{
    bool ours = j->err == ESTOC_E_STORE || j->err == ESTOC_E_LATER || j->err == ESTOC_E_MEMORY ||
                j->err == ESTOC_E_CRYPTO;
    return waits(j)   ? "pending"
           : ours     ? "failed"
           : j->err   ? "refused"
           : j->again ? "again"
                      : "issued";
}

static const char *op_name(const estoc_job *j)
{
    const estoc_resource *r = estoc_resource_for(j->op);
    return r != NULL ? r->name : "";
}

static void put_job(const estoc_desk *d, estoc_audit_batch *b, const estoc_job *j)
{
    char client[512];
    uint8_t identity[32], csr[32];
    estoc_cert cert = {.not_after = 0};
    estoc_audit_entry e = {.at = d->now,
                           .op = op_name(j),
                           .result = estoc_job_result(j),
                           .profile = j->profile->name,
                           .policy = d->policy,
                           .request = j->pending,
                           .peer = j->peer,
                           .ms = (int64_t)(estoc_now_ms() - j->began),
                           .rule = j->err ? j->ruling.rule : NULL,
                           .why = j->err ? j->ruling.text : NULL};
    if (j->parsed) {
        e.subject = j->subject;
        e.client =
            estoc_name_text(j->client.subject, (estoc_buf){(uint8_t *)client, sizeof client});
        e.client_issuer = j->issuer;
    }
    if (!estoc_sha256(j->client_cert, identity)) {
        e.client_sha256 = estoc_slice_of(identity, sizeof identity);
    }
    if (!estoc_job_request_digest(j, csr)) {
        e.csr_sha256 = estoc_slice_of(csr, sizeof csr);
    }
    if (!j->err && !estoc_cert_parse(&cert, estoc_blob_slice(j->cert))) {
        e.serial = cert.serial;
        e.not_after = cert.not_after;
        e.cert = j->again ? (estoc_slice){NULL, 0} : estoc_blob_slice(j->cert);
        e.supersedes = estoc_slice_of(j->old, j->old_len);
    }
    estoc_audit_put(b, &e);
}

/* Of one that waits for a person, once: a device asks again and again (182). One that a program is
 * asked about is not decided. */
static void put_jobs(const estoc_desk *d, estoc_audit_batch *b, const estoc_jobs *list)
{
    for (const estoc_job *j = list->first; j != NULL; j = j->next) {
        if (!j->asking && (!waits(j) || j->asked)) {
            put_job(d, b, j);
        }
    }
}

/* X2: revoked in this transaction already, while the one in its place is only an intent. */
static void put_superseded(const estoc_desk *d, estoc_audit_batch *b, const estoc_jobs *list)
{
    for (estoc_job *j = list->first; j != NULL; j = j->next) {
        if (j->old_len > 0 && !j->old_told) {
            estoc_audit_entry e = {.at = d->now,
                                   .op = op_name(j),
                                   .result = "revoked",
                                   .profile = j->profile->name,
                                   .subject = j->subject,
                                   .serial = estoc_slice_of(j->old, j->old_len),
                                   .reason = "superseded",
                                   .peer = j->peer};
            estoc_audit_put(b, &e);
            j->old_told = true;
        }
    }
}

bool estoc_desk_tell(estoc_desk *d, const estoc_round *r)
{
    estoc_audit_batch b;
    if (d->auditor == NULL) {
        return true;
    }
    estoc_audit_begin(&b, d->store, d->node);
    put_jobs(d, &b, &d->signed_);
    put_jobs(d, &b, &d->unable);
    put_jobs(d, &b, &r->refused);
    put_jobs(d, &b, &r->decided);
    put_superseded(d, &b, &r->planned);
    put_superseded(d, &b, &d->waiting);
    put_superseded(d, &b, &r->decided);
    estoc_err err = estoc_audit_end(&b, estoc_auditor_written(d->auditor));
    if (err == ESTOC_E_STATE) {
        estoc_log(ESTOC_LOG_ERROR, "ca", "event", "store", "why",
                  "older than its audit log: put back while estocd runs? Start it again", NULL);
    }
    return !err;
}
