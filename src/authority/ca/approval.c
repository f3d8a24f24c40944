/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "approval.h"

/* Counted from when it was asked for: nothing is written because a device asks again (182). */
static uint32_t retry_after(const estoc_petition *p, int64_t asked_at, int64_t now)
{
    uint32_t every = p->profile->retry_after_s > 0 ? p->profile->retry_after_s : 1;
    int64_t past = now > asked_at ? now - asked_at : 0;
    return every - (uint32_t)(past % (int64_t)every);
}

static estoc_err wait(const estoc_petition *p, int64_t asked_at, int64_t now, estoc_approval *out,
                      estoc_ruling *why)
{
    out->retry_s = retry_after(p, asked_at, now);
    *why = (estoc_ruling){"L2", "waits for approval by a person, ask again later"};
    return ESTOC_E_LATER;
}

static estoc_err too_many(const estoc_petition *p, estoc_err err, estoc_approval *out,
                          estoc_ruling *why, const char *text)
{
    out->retry_s = retry_after(p, 0, 0);
    *why = (estoc_ruling){"X11", text};
    return err;
}

/* A new one. */
static estoc_err keep(const estoc_petition *p, estoc_store *store, const estoc_pending_rules *rules,
                      estoc_pending *pending, estoc_approval *out, estoc_ruling *why)
{
    uint64_t own = 0;
    uint64_t all = 0;
    estoc_err err = estoc_store_pending_count(store, pending->identity, &own);
    err = err ? err : estoc_store_pending_count(store, NULL, &all);
    if (err) {
        return err;
    }
    if (own >= rules->per_client) {
        return too_many(p, ESTOC_E_QUOTA, out, why, "too many of your requests wait for approval");
    }
    if (all >= rules->max) {
        return too_many(p, ESTOC_E_BUSY, out, why, "too many requests wait for approval");
    }
    err = estoc_store_pend(store, pending, &out->id);
    out->asked = !err;
    return err ? err : wait(p, pending->asked_at, pending->asked_at, out, why);
}

/* What the approval led to. @param[out] over  it is of no use any more */
static estoc_err find_issued(estoc_store *store, const estoc_pending *pending, int64_t now,
                             bool *over, estoc_blob *cert)
{
    estoc_record rec;
    estoc_err err = estoc_store_by_serial(
        store, estoc_slice_of(pending->serial, pending->serial_len), &rec, cert);
    *over = err == ESTOC_E_NOT_FOUND || (!err && (rec.revoked_at != 0 || rec.not_after <= now));
    if (*over) {
        estoc_blob_free(cert);
    }
    return *over ? ESTOC_OK : err;
}

/* @param[in] pending  as the store has it */
static estoc_err follow(const estoc_petition *p, estoc_store *store, const estoc_pending *pending,
                        int64_t now, bool *over, estoc_approval *out, estoc_ruling *why)
{
    *over = false;
    if (pending->decision == ESTOC_UNDECIDED) {
        return wait(p, pending->asked_at, now, out, why);
    }
    if (pending->decision == ESTOC_REJECTED) {
        *why = (estoc_ruling){"L2", "this request was rejected"};
        return ESTOC_E_FORBIDDEN;
    }
    if (pending->serial_len == 0) {
        return ESTOC_OK;
    }
    estoc_err err = find_issued(store, pending, now, over, &out->cert);
    if (estoc_op_makes_key(p->op)) { /* X2: another key each time, under the same approval */
        estoc_blob_free(&out->cert);
    }
    return err;
}

/* Nobody has decided. @param[in] kept  the request as the store has it; NULL: it has not */
static estoc_err take_advice(const estoc_petition *p, estoc_store *store, const estoc_pending *kept,
                             int64_t now, const estoc_advice *advice, estoc_approval *out,
                             estoc_ruling *why)
{
    estoc_err err;
    switch (advice->kind) {
    case ESTOC_ADVICE_NONE:
        *out = (estoc_approval){.ask = true};
        return ESTOC_E_LATER;
    case ESTOC_ADVICE_YES:
        err = kept != NULL ? estoc_store_decide(store, kept->id, ESTOC_APPROVED, now) : ESTOC_OK;
        return err == ESTOC_E_STORE ? err : ESTOC_OK; /* one that is gone needs no approval */
    case ESTOC_ADVICE_NO:
        *out = (estoc_approval){.id = 0};
        *why = (estoc_ruling){"L2", advice->reason};
        err = kept != NULL ? estoc_store_pending_drop(store, kept->id) : ESTOC_OK;
        return err ? err : ESTOC_E_FORBIDDEN;
    case ESTOC_ADVICE_LATER:
    case ESTOC_ADVICE_FAILED:
        break;
    }
    *why = (estoc_ruling){"L2", "waits for approval, ask again later"};
    out->retry_s = advice->retry_s > 0 ? advice->retry_s : retry_after(p, 0, 0);
    return ESTOC_E_LATER;
}

/* About a request that the store has. */
static estoc_err consult_kept(const estoc_petition *p, estoc_store *store,
                              const estoc_pending *kept, int64_t now, const estoc_advice *advice,
                              bool *over, estoc_approval *out, estoc_ruling *why)
{
    out->id = kept->id;
    if (kept->decision == ESTOC_UNDECIDED && p->profile->approver == ESTOC_APPROVER_COMMAND) {
        *over = false;
        return take_advice(p, store, kept, now, advice, out, why);
    }
    return follow(p, store, kept, now, over, out, why);
}

/* About one that it has not, or not any more. */
static estoc_err consult_new(const estoc_petition *p, estoc_store *store,
                             const estoc_pending_rules *rules, estoc_pending *pending,
                             const estoc_advice *advice, estoc_approval *out, estoc_ruling *why)
{
    estoc_ruling said = {"", ""};
    estoc_approval asked = {.id = 0};
    if (p->profile->approver != ESTOC_APPROVER_COMMAND) {
        return keep(p, store, rules, pending, out, why);
    }
    estoc_err err = take_advice(p, store, NULL, pending->asked_at, advice, &asked, &said);
    if (err != ESTOC_E_LATER || asked.ask) {
        *out = asked;
        *why = said;
        return err;
    }
    err = keep(p, store, rules, pending, out, why);
    if (err == ESTOC_E_LATER) {
        out->retry_s = asked.retry_s;
        *why = said;
    }
    return err;
}

estoc_err estoc_approval_consult(const estoc_petition *p, estoc_store *store,
                                 const estoc_pending_rules *rules, const estoc_record *rec,
                                 int64_t now, const estoc_advice *advice, estoc_approval *out,
                                 estoc_ruling *why)
{
    estoc_pending pending = {.profile = rec->profile,
                             .op = estoc_resource_for(p->op)->name,
                             .subject = rec->subject,
                             .asked_at = now,
                             .client = p->client->der,
                             .request = p->csr};
    memcpy(pending.identity, rec->identity, sizeof pending.identity);
    memcpy(pending.csr, rec->csr, sizeof pending.csr);
    *out = (estoc_approval){.id = 0};
    *why = (estoc_ruling){"", ""};
    estoc_pending found = pending;
    bool over = false;
    estoc_err err = estoc_store_pending_expire(store, now - (int64_t)rules->keep_s);
    err = err ? err : estoc_store_pending_find(store, &found);
    if (err == ESTOC_E_NOT_FOUND) {
        return consult_new(p, store, rules, &pending, advice, out, why);
    }
    err = err ? err : consult_kept(p, store, &found, now, advice, &over, out, why);
    if (!err && over) { /* revoked, or expired: that approval is used up */
        out->id = 0;
        err = estoc_store_pending_drop(store, found.id);
        err = err ? err : consult_new(p, store, rules, &pending, advice, out, why);
    }
    return err;
}
