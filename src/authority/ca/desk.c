/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "desk.h"

#define TRIES      3  /* rounds in which a request may stand behind another's intent */
#define STALE_S    30 /* after which an intent is of a node that is no more */
#define BUSY_RETRY 2  /* seconds: Max-Age while another node is at it */

void estoc_jobs_put(estoc_jobs *list, estoc_job *j)
{
    j->next = NULL;
    if (list->last != NULL) {
        list->last->next = j;
    } else {
        list->first = j;
    }
    list->last = j;
    list->n++;
}

estoc_job *estoc_jobs_take(estoc_jobs *list)
{
    estoc_job *j = list->first;
    if (j != NULL) {
        list->first = j->next;
        list->last = list->first != NULL ? list->last : NULL;
        list->n--;
        j->next = NULL;
    }
    return j;
}

/* Behind what is there. */
static void move_all(estoc_jobs *from, estoc_jobs *to)
{
    estoc_job *j;
    while ((j = estoc_jobs_take(from)) != NULL) {
        estoc_jobs_put(to, j);
    }
}

bool estoc_desk_has_work(const estoc_desk *d)
{
    return d->waiting.n > 0 || d->signed_.n > 0 || d->unable.n > 0 ||
           (d->unsigned_ && d->store != NULL);
}

/* ---------------------------------------------------------------------------------- the transaction */

/* A store that was opened anew: what this run has begun came to nothing, whatever the last commit did
 * (X9). */
static bool open_again(estoc_desk *d)
{
    estoc_why why = {""};
    if (estoc_store_open_again(d->store_url, &d->store, &why)) {
        estoc_log(ESTOC_LOG_ERROR, "ca", "event", "store", "why", why.text, NULL);
        return false;
    }
    estoc_log(ESTOC_LOG_WARN, "ca", "event", "store", "result", "opened again", NULL);
    d->unsigned_ = true;
    return true;
}

static bool begin(estoc_desk *d)
{
    bool good = d->store != NULL || open_again(d);
    good = good && !estoc_store_begin(d->store);
    d->in_transaction = good;
    d->failed_at = good ? 0 : estoc_now_ms();
    return good;
}

/* A store that has failed is closed; what it may have kept in memory must not be built on. */
static void drop_store(estoc_desk *d)
{
    if (d->store != NULL && d->in_transaction) {
        estoc_store_rollback(d->store);
    }
    estoc_store_close(d->store);
    d->store = NULL;
}

/* ------------------------------------------------------------------- certificates of the last round */

static bool note_issued(estoc_desk *d, estoc_job *j, bool kept)
{
    if (!kept) { /* it took us so long that another node has given up the intent */
        estoc_job_fail(j, ESTOC_E_LATER, BUSY_RETRY, "cannot issue now, try again later");
        return true;
    }
    return j->pending == 0 ||
           !estoc_store_pending_issued(d->store, j->pending,
                                       estoc_slice_of(j->rec.serial, j->rec.serial_len));
}

/* @return false: the store has failed */
static bool commit_signed(estoc_desk *d)
{
    size_t i = 0;
    size_t n = d->signed_.n;
    estoc_signed *list = calloc(n > 0 ? n : 1, sizeof *list);
    bool good = list != NULL;
    for (estoc_job *j = d->signed_.first; good && j != NULL; j = j->next, i++) {
        list[i].serial = estoc_slice_of(j->rec.serial, j->rec.serial_len);
        list[i].cert = estoc_blob_slice(j->cert);
    }
    good = good && !estoc_store_issue(d->store, list, n);
    i = 0;
    for (estoc_job *j = d->signed_.first; good && j != NULL; j = j->next, i++) {
        good = note_issued(d, j, list[i].kept);
    }
    free(list);
    if (good && d->unsigned_) {
        good = !estoc_store_void(d->store, d->node, d->run, INT64_MAX, NULL);
        d->unsigned_ = !good;
    }
    return good;
}

/* ----------------------------------------------------------------------------- intents of this round */

/* Whether another job before this one has the same key for another name: neither is in the store. */
static bool key_taken(const estoc_jobs *planned, const estoc_job *j)
{
    for (const estoc_job *p = planned->first; p != NULL; p = p->next) {
        if (memcmp(p->rec.key, j->rec.key, sizeof j->rec.key) == 0 &&
            strcmp(p->subject, j->subject) != 0) {
            return true;
        }
    }
    return false;
}

/* Others for the same subject that the store does not know yet: for the limit of a day. */
static void count_planned(const estoc_desk *d, const estoc_jobs *planned, const estoc_job *j,
                          estoc_question *q)
{
    for (const estoc_job *p = planned->first; j->profile->per_day > 0 && p != NULL; p = p->next) {
        if (p->profile == j->profile && strcmp(p->subject, j->subject) == 0) {
            q->recent++;
            q->recent_from = q->recent_from > 0 ? q->recent_from : d->now;
        }
    }
}

static void decide(estoc_desk *d, estoc_job *j, estoc_question *q, estoc_jobs *planned,
                   estoc_jobs *decided)
{
    q->key_used |= key_taken(planned, j);
    count_planned(d, planned, j, q);
    bool go_on = !d->broken && estoc_job_decide(d, j, q);
    if (go_on || d->broken) { /* then it fails with all others */
        estoc_jobs_put(planned, j);
    } else {
        estoc_jobs_put(decided, j);
    }
}

/* @return false: the store has failed */
static bool decide_all(estoc_desk *d, estoc_jobs *asking, estoc_jobs *planned, estoc_jobs *decided)
{
    size_t n = asking->n;
    size_t i = 0;
    estoc_question *q = calloc(n > 0 ? n : 1, sizeof *q);
    if (q == NULL) {
        return false;
    }
    for (const estoc_job *j = asking->first; j != NULL; j = j->next, i++) {
        estoc_job_question(d, j, &q[i]);
    }
    bool good = !estoc_store_ask(d->store, q, n);
    estoc_job *taken;
    for (i = 0; good && (taken = estoc_jobs_take(asking)) != NULL; i++) {
        decide(d, taken, &q[i], planned, decided);
    }
    for (i = 0; i < n; i++) {
        estoc_question_free(&q[i]);
    }
    free(q);
    return good && !d->broken;
}

/* It comes again in the next round: what stood in its way is a certificate by then, or given up. */
static void stand_behind(estoc_desk *d, estoc_job *j, estoc_jobs *decided)
{
    estoc_blob_free(&j->cert);
    estoc_blob_free(&j->key);
    j->superseded[0] = '\0';
    j->pending = 0;
    if (++j->tries < TRIES) {
        estoc_jobs_put(&d->waiting, j);
        return;
    }
    estoc_job_fail(j, ESTOC_E_LATER, BUSY_RETRY, "this request is being served, ask again");
    estoc_jobs_put(decided, j);
}

/* @return false: the store has failed */
static bool intend_all(estoc_desk *d, estoc_jobs *planned, estoc_jobs *decided)
{
    estoc_jobs list = *planned;
    estoc_job *j;
    size_t i = 0;
    bool stale = false;
    estoc_intent *intents = calloc(list.n > 0 ? list.n : 1, sizeof *intents);
    if (intents == NULL) {
        return false;
    }
    for (j = list.first; j != NULL; j = j->next, i++) {
        intents[i] = (estoc_intent){.rec = &j->rec,
                                    .only = d->retry_window_s > 0,
                                    .since = d->now - (int64_t)d->retry_window_s};
    }
    bool good = !estoc_store_intend(d->store, d->node, d->run, intents, list.n);
    if (good) {
        *planned = (estoc_jobs){NULL, NULL, 0};
        for (i = 0; (j = estoc_jobs_take(&list)) != NULL; i++) {
            if (intents[i].taken) {
                estoc_jobs_put(planned, j);
            } else {
                stale |= j->tries > 0;
                stand_behind(d, j, decided);
            }
        }
    }
    free(intents);
    return good && (!stale || !estoc_store_void(d->store, NULL, NULL, d->now - STALE_S, NULL));
}

/* ---------------------------------------------------------------------------------------- the round */

static void sign_all(estoc_desk *d, estoc_jobs *planned)
{
    estoc_job *j;
    while ((j = estoc_jobs_take(planned)) != NULL) {
        estoc_job_sign(d, j);
        d->unsigned_ |= j->err != ESTOC_OK;
        estoc_jobs_put(j->err ? &d->unable : &d->signed_, j);
    }
}

/* Nothing of a round that failed was issued, nor kept for a person. */
static void fail_all(estoc_desk *d, estoc_jobs *list, estoc_jobs *answered)
{
    estoc_job *j;
    while ((j = estoc_jobs_take(list)) != NULL) {
        if (!j->err || j->pending != 0) {
            j->pending = 0;
            estoc_job_store_failed(d, j);
        }
        estoc_jobs_put(answered, j);
    }
}

static bool transact(estoc_desk *d, estoc_round *r)
{
    return begin(d) && commit_signed(d) && decide_all(d, &r->asking, &r->planned, &r->decided) &&
           intend_all(d, &r->planned, &r->decided) && estoc_desk_tell(d, r) &&
           !estoc_store_commit(d->store);
}

void estoc_desk_round(estoc_desk *d, estoc_jobs *batch, estoc_jobs *answered)
{
    estoc_round r = {.asking = d->waiting};
    estoc_job *j;
    d->now = estoc_unix_s();
    d->waiting = (estoc_jobs){NULL, NULL, 0};
    while ((j = estoc_jobs_take(batch)) != NULL) {
        /* who came while it was tried in vain, for seconds maybe, does not wait for another try */
        if (!j->err && j->began < d->failed_at) {
            estoc_job_store_failed(d, j);
            estoc_jobs_put(answered, j);
        } else {
            estoc_jobs_put(j->err ? &r.refused : &r.asking, j);
        }
    }
    d->broken = d->in_transaction = false;
    if (r.asking.n == 0 && r.refused.n == 0 && d->unable.n == 0 && d->signed_.n == 0 &&
        !d->unsigned_) {
        return;
    }
    if (transact(d, &r)) {
        move_all(&d->signed_, answered);
        move_all(&d->unable, answered);
        move_all(&r.refused, answered);
        move_all(&r.decided, answered);
        sign_all(d, &r.planned);
        if (d->auditor != NULL) {
            estoc_auditor_wake(d->auditor);
        }
        return;
    }
    drop_store(d);
    move_all(&r.refused, answered); /* they do not depend on it; the log has them */
    fail_all(d, &d->signed_, answered);
    fail_all(d, &d->unable, answered);
    fail_all(d, &r.asking, answered);
    fail_all(d, &r.planned, answered);
    fail_all(d, &d->waiting, answered);
    fail_all(d, &r.decided, answered);
}
