/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "passage.h"

#define STORE_RETRY    10   /* seconds: Max-Age when the store fails */
#define BUSY_RETRY     2    /* while another node is at it */
#define PATIENCE_RETRY 5    /* while the upstream takes its time */
#define STORE_PAUSE_MS 1000 /* between two tries to save what came back */

/* --------------------------------------------------------------------------------------- the store */

bool estoc_passage_has_store(estoc_passage *d)
{
    estoc_why why = {""};
    if (d->store != NULL) {
        return true;
    }
    if (estoc_store_open_again(d->store_url, &d->store, &why)) {
        estoc_log(ESTOC_LOG_ERROR, "registrar", "event", "store", "why", why.text, NULL);
        d->failed_at = estoc_now_ms();
        return false;
    }
    estoc_log(ESTOC_LOG_WARN, "registrar", "event", "store", "result", "opened again", NULL);
    return true;
}

void estoc_passage_drop_store(estoc_passage *d)
{
    estoc_store_close(d->store);
    d->store = NULL;
    d->failed_at = estoc_now_ms();
}

static void store_failed(estoc_parcel *p)
{
    estoc_parcel_fail(p, ESTOC_E_STORE, STORE_RETRY, "the store is not available, try again later");
}

/* ----------------------------------------------------------------------------- what has come back */

/* @return false: the store has failed */
static bool save(estoc_passage *d, const estoc_parcels *list)
{
    size_t puts = 0, drops = 0;
    estoc_relay *put = calloc(list->n + 1, sizeof *put);
    estoc_relay *drop = calloc(list->n + 1, sizeof *drop);
    bool good = put != NULL && drop != NULL;
    for (const estoc_parcel *p = list->first; good && p != NULL; p = p->next) {
        if (p->fate == ESTOC_FATE_PUT) {
            put[puts++] = p->relay;
        } else if (p->fate == ESTOC_FATE_DROP) {
            drop[drops++] = p->relay;
        }
    }
    good = good && (puts == 0 || !estoc_relay_put(d->store, put, puts)) &&
           (drops == 0 || !estoc_relay_drop(d->store, drop, drops));
    free(put);
    free(drop);
    return good;
}

/* ---------------------------------------------------------------------------------- what is to be sent */

static const estoc_parcel *find_same(const estoc_parcels *list, const estoc_parcel *p)
{
    const estoc_parcel *at = list->first;
    while (at != NULL && !estoc_parcel_same(at, p)) {
        at = at->next;
    }
    return at;
}

static void take_again(estoc_parcel *p, estoc_relay_question *q)
{
    estoc_cert cert;
    p->cert = q->cert;
    q->cert = (estoc_blob){NULL, 0};
    p->again = true;
    memcpy(p->url, q->upstream, sizeof p->url);
    if (!estoc_cert_parse(&cert, estoc_blob_slice(p->cert))) {
        estoc_hex(cert.serial, p->serial, sizeof p->serial);
    }
}

static void come_later(estoc_parcel *p, int64_t wait_s, const char *text)
{
    uint32_t retry_s = wait_s < 1                                   ? 1
                       : wait_s < (int64_t)ESTOC_UPSTREAM_RETRY_MAX ? (uint32_t)wait_s
                                                                    : ESTOC_UPSTREAM_RETRY_MAX;
    estoc_parcel_fail(p, ESTOC_E_LATER, retry_s, text);
}

/* By what the store says. @return whether it is to be sent */
static bool decide(const estoc_passage *d, estoc_parcel *p, estoc_relay_question *q)
{
    bool known = q->found && q->state == ESTOC_RELAY_ISSUED && d->retry_window_s > 0 &&
                 q->changed_at >= d->now - (int64_t)d->retry_window_s && q->not_after > d->now;
    if (known && !estoc_parcel_has_key(p)) { /* E6; a key is never kept (X2) */
        take_again(p, q);
        return false;
    }
    if (q->found && q->state == ESTOC_RELAY_SENT && q->changed_at > d->now - (int64_t)d->stale_s) {
        come_later(p, BUSY_RETRY, "this request is being served, ask again");
        return false;
    }
    if (q->found && q->state == ESTOC_RELAY_WAITING) {
        p->waited = true;
        p->relay.state = ESTOC_RELAY_WAITING;
        memcpy(p->url, q->upstream, sizeof p->url);
        if (q->retry_at > d->now) { /* it was told when: no need to ask the upstream before */
            come_later(p, q->retry_at - d->now, "waits for a decision, come again");
            return false;
        }
    }
    if (q->found && q->state == ESTOC_RELAY_LOST) { /* whoever has issued it may know it again */
        memcpy(p->url, q->upstream, sizeof p->url);
    }
    return true;
}

/* @return false: the store has failed */
static bool decide_all(estoc_passage *d, estoc_parcels *asking, estoc_parcels *going,
                       estoc_parcels *decided)
{
    size_t n = asking->n;
    size_t i = 0;
    estoc_parcel *p;
    estoc_relay_question *q = calloc(n + 1, sizeof *q);
    if (q == NULL) {
        return false;
    }
    for (p = asking->first; p != NULL; p = p->next, i++) {
        q[i] = (estoc_relay_question){.identity = p->relay.identity,
                                      .csr = p->relay.csr,
                                      .profile = p->relay.profile,
                                      .op = p->relay.op};
    }
    bool good = n == 0 || !estoc_relay_ask(d->store, q, n);
    for (i = 0; good && (p = estoc_parcels_take(asking)) != NULL; i++) {
        if (find_same(&d->away, p) != NULL || find_same(going, p) != NULL) {
            estoc_parcels_put(&d->behind, p);
        } else if (decide(d, p, &q[i]) &&
                   estoc_parcel_make_key(p, &d->keygen_signer, d->decrypt_keys, d->store, d->now)) {
            estoc_parcels_put(going, p);
        } else {
            estoc_parcels_put(decided, p);
        }
    }
    for (i = 0; i < n; i++) {
        estoc_relay_question_free(&q[i]);
    }
    free(q);
    return good;
}

/* @param since  what was issued then or later is not to be asked for again
 * @return false: the store has failed */
static bool claim(estoc_passage *d, estoc_parcels *list, int64_t since, estoc_parcels *going,
                  estoc_parcels *decided)
{
    estoc_parcel *p;
    size_t i = 0;
    estoc_relay_claim *claims = calloc(list->n + 1, sizeof *claims);
    if (claims == NULL) {
        return false;
    }
    for (p = list->first; p != NULL; p = p->next, i++) {
        p->relay.state = ESTOC_RELAY_SENT;
        p->relay.node = d->node;
        p->relay.asked_at = p->relay.changed_at = d->now;
        p->relay.retry_at = 0;
        claims[i].relay = &p->relay;
    }
    int64_t stale = d->now - (int64_t)d->stale_s;
    bool good = list->n == 0 || !estoc_relay_claim_all(d->store, claims, list->n, stale, since);
    for (i = 0; good && (p = estoc_parcels_take(list)) != NULL; i++) {
        if (!claims[i].taken) {
            come_later(p, BUSY_RETRY, "this request is being served, ask again");
        }
        estoc_parcels_put(claims[i].taken ? going : decided, p);
    }
    free(claims);
    return good;
}

/* A key may be asked for again and again, for it is not kept (X2). */
static bool claim_all(estoc_passage *d, estoc_parcels *going, estoc_parcels *decided)
{
    estoc_parcels keys = {NULL, NULL, 0}, others = keys;
    estoc_parcel *p;
    int64_t since = d->retry_window_s > 0 ? d->now - (int64_t)d->retry_window_s : INT64_MAX;
    while ((p = estoc_parcels_take(going)) != NULL) {
        estoc_parcels_put(estoc_parcel_has_key(p) ? &keys : &others, p);
    }
    bool good =
        claim(d, &others, since, going, decided) && claim(d, &keys, INT64_MAX, going, decided);
    estoc_parcels_move(&others, going); /* where it has failed, they fail with it */
    estoc_parcels_move(&keys, going);
    return good;
}

/* ---------------------------------------------------------------------------------------- the round */

static bool transact(estoc_passage *d, estoc_parcels *came, estoc_parcels *asking,
                     estoc_parcels *going, estoc_parcels *decided)
{
    return estoc_passage_has_store(d) && !estoc_store_begin(d->store) && save(d, came) &&
           decide_all(d, asking, going, decided) && claim_all(d, going, decided) &&
           !estoc_store_commit(d->store);
}

/* What came back stays until the store can take it; the devices need not wait. */
static void put_by(estoc_passage *d, estoc_parcels *came, estoc_parcels *answered)
{
    estoc_parcel *p;
    while ((p = estoc_parcels_take(came)) != NULL) {
        bool keep = p->fate == ESTOC_FATE_PUT;
        if (!p->answered && keep) {
            estoc_verdict v = {.err = ESTOC_E_STORE,
                               .retry_s = STORE_RETRY,
                               .text = "the store is not available, try again later"};
            p->done(p->ctx, &v);
            p->answered = true;
        }
        estoc_parcels_put(keep ? &d->unsaved : answered, p);
    }
}

static void fail_all(estoc_parcels *list, estoc_parcels *answered)
{
    estoc_parcel *p;
    while ((p = estoc_parcels_take(list)) != NULL) {
        if (!p->err) {
            store_failed(p);
            p->again = false;
        }
        estoc_parcels_put(answered, p);
    }
}

static void send_off(estoc_passage *d, estoc_parcels *going, estoc_parcel **leaving, size_t *n)
{
    estoc_parcel *p;
    while ((p = estoc_parcels_take(going)) != NULL) {
        leaving[(*n)++] = p;
        estoc_parcels_put(&d->away, p);
    }
}

/* What has come back is not away any more; and what stood behind it asks anew. */
static void take_back(estoc_passage *d, estoc_parcel *returned, estoc_parcels *came,
                      estoc_parcels *asking)
{
    estoc_parcels away = d->away;
    estoc_parcel *p;
    if (returned == NULL) {
        return;
    }
    estoc_parcels_move(&d->behind, asking);
    for (p = returned; p != NULL; p = p->back) {
        p->came = true;
    }
    d->away = (estoc_parcels){NULL, NULL, 0};
    while ((p = estoc_parcels_take(&away)) != NULL) {
        if (p->came) {
            estoc_parcel_receive(p, d->now);
        }
        estoc_parcels_put(p->came ? came : &d->away, p);
    }
}

void estoc_passage_round(estoc_passage *d, estoc_parcels *fresh, estoc_parcel *returned,
                         estoc_parcels *answered, estoc_parcel **leaving, size_t *leaving_n)
{
    estoc_parcels came = {NULL, NULL, 0}, asking = came, going = came, decided = came;
    estoc_parcel *p;
    *leaving_n = 0;
    d->now = estoc_unix_s();
    take_back(d, returned, &came, &asking);
    while ((p = estoc_parcels_take(fresh)) != NULL) {
        if (!p->err && p->began < d->failed_at) { /* came while the store was tried in vain */
            store_failed(p);
        }
        estoc_parcels_put(p->err ? &decided : &asking, p);
    }
    bool old = d->unsaved.n > 0 && estoc_now_ms() >= d->failed_at + STORE_PAUSE_MS;
    if (old || came.n > 0 || asking.n > 0) {
        estoc_parcels_move(&d->unsaved, &came);
        if (transact(d, &came, &asking, &going, &decided)) {
            d->failed_at = 0;
            estoc_parcels_move(&came, answered);
            send_off(d, &going, leaving, leaving_n);
        } else {
            if (d->store != NULL) {
                estoc_store_rollback(d->store);
            }
            estoc_passage_drop_store(d);
            put_by(d, &came, answered);
            fail_all(&asking, answered);
            fail_all(&going, answered);
        }
    }
    estoc_parcels_move(&decided, answered);
}

/* ------------------------------------------------------------------------------------------ patience */

static bool may_be_told(const estoc_parcel *p)
{
    return !p->answered && !estoc_parcel_has_key(p);
}

estoc_ms estoc_passage_deadline(const estoc_passage *d)
{
    estoc_ms at = d->unsaved.n > 0 ? d->failed_at + STORE_PAUSE_MS : ESTOC_NEVER;
    const estoc_parcels *lists[] = {&d->away, &d->behind};
    for (size_t i = 0; i < 2; i++) {
        for (const estoc_parcel *p = lists[i]->first; p != NULL; p = p->next) {
            estoc_ms end = p->began + (estoc_ms)d->patience_s * 1000u;
            at = may_be_told(p) && end < at ? end : at;
        }
    }
    return at;
}

static bool waited_enough(const estoc_passage *d, const estoc_parcel *p, estoc_ms now)
{
    return may_be_told(p) && now >= p->began + (estoc_ms)d->patience_s * 1000u;
}

static void lose_patience(estoc_parcel *p)
{
    estoc_parcel_fail(p, ESTOC_E_LATER, PATIENCE_RETRY, "the CA takes its time, come again");
}

void estoc_passage_lose_patience(estoc_passage *d, estoc_ms now, void (*tell)(estoc_parcel *p),
                                 estoc_parcels *answered)
{
    estoc_parcels behind = d->behind;
    estoc_parcel *p;
    for (p = d->away.first; p != NULL; p = p->next) {
        if (waited_enough(d, p, now)) {
            lose_patience(p);
            tell(p);
            estoc_parcel_fail(p, ESTOC_OK, 0, NULL);
            p->answered = true;
        }
    }
    d->behind = (estoc_parcels){NULL, NULL, 0};
    while ((p = estoc_parcels_take(&behind)) != NULL) {
        bool enough = waited_enough(d, p, now);
        if (enough) {
            lose_patience(p);
        }
        estoc_parcels_put(enough ? answered : &d->behind, p);
    }
}
