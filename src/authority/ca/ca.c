/* SPDX-License-Identifier: MIT
 *
 * The embedded CA's thread. It takes all that waits to the desk, round by round, and gives the answers.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "adviser.h"
#include "desk.h"
#include "revoked.h"
#include "text.h"

#define QUEUE_MAX    1024 /* unless configured */
#define COMMANDS_MAX 16   /* likewise */
#define BATCH_MAX    128  /* so that the first of a batch does not wait long for the last */
#define LINGER_MS    4    /* between rounds, where there are several jobs about */
#define LINGER_JOBS  32   /* enough for a round */

struct ca {
    estoc_authority base;
    estoc_profile *profiles;
    size_t profiles_n;
    estoc_blobs anchors;
    uint32_t queue_max;
    char *store_url, *node;
    estoc_revoked *revoked;
    estoc_adviser *adviser; /* NULL: no profile has a command */
    pthread_t thread;
    estoc_desk desk; /* the thread's own, once it runs */
    /* shared, under the lock */
    pthread_mutex_t lock;
    pthread_cond_t wake;
    estoc_jobs queue;
    size_t coming; /* jobs that are being prepared */
    size_t asking; /* jobs that programs are asked about */
    bool lingers;  /* the thread waits for more */
    bool stop;
};

/* ---------------------------------------------------------------------------------- the thread */

static const char *profile_text(const estoc_job *j)
{
    return j->profile->name[0] != '\0' ? j->profile->name : NULL;
}

/* For a person (L2). */
static bool waits(const estoc_job *j)
{
    return j->err == ESTOC_E_LATER && j->pending != 0;
}

static void log_verdict(const estoc_job *j)
{
    const estoc_resource *r = estoc_resource_for(j->op);
    bool bad = j->err && !waits(j);
    char request[24];
    snprintf(request, sizeof request, "r%lld", (long long)j->pending);
    estoc_log(bad ? ESTOC_LOG_WARN : ESTOC_LOG_INFO, "ca", "peer", j->peer, "op",
              r != NULL ? r->name : NULL, "profile", profile_text(j), "subject",
              j->parsed ? j->subject : NULL, "result", estoc_job_result(j), "request",
              j->pending != 0 ? request : NULL, "serial", j->err ? NULL : j->serial, "supersedes",
              !j->err && j->superseded[0] != '\0' ? j->superseded : NULL, "client_ca",
              j->own      ? "own"
              : j->parsed ? j->issuer
                          : NULL,
              "registrar", j->registrar[0] != '\0' ? j->registrar : NULL, "rule",
              bad ? j->ruling.rule : NULL, "why", bad ? j->ruling.text : NULL, NULL);
}

/* On any thread: a program has spoken, and the job comes again. */
static void take_advice(void *ctx, const estoc_advice *advice)
{
    estoc_job *j = ctx;
    struct ca *ca = j->ca;
    j->advice = *advice;
    pthread_mutex_lock(&ca->lock);
    estoc_jobs_put(&ca->queue, j); /* it has had its place before */
    ca->asking--;
    pthread_cond_signal(&ca->wake);
    pthread_mutex_unlock(&ca->lock);
}

/* The job waits for its answer elsewhere: others go on. */
static void ask_command(struct ca *ca, estoc_job *j)
{
    estoc_blob question = j->question;
    j->question = (estoc_blob){NULL, 0};
    j->asking = false;
    j->ca = ca;
    pthread_mutex_lock(&ca->lock);
    ca->asking++;
    pthread_mutex_unlock(&ca->lock);
    const estoc_ask ask = {.command = j->profile->command,
                           .timeout_s = j->profile->command_s,
                           .question = estoc_blob_slice(question),
                           .done = take_advice,
                           .ctx = j};
    estoc_adviser_ask(ca->adviser, &ask);
    estoc_blob_free(&question);
}

static void answer_all(struct ca *ca, estoc_jobs *answered)
{
    estoc_job *j;
    while ((j = estoc_jobs_take(answered)) != NULL) {
        if (j->asking && !j->err) {
            ask_command(ca, j);
            continue;
        }
        log_verdict(j);
        estoc_verdict verdict = {.err = j->err, .retry_s = j->retry_s, .accepted = waits(j)};
        if (j->err) {
            verdict.text = j->ruling.text;
        } else {
            verdict.cert = estoc_blob_slice(j->cert);
            verdict.key = estoc_blob_slice(j->key);
            verdict.key_format = j->key_format;
        }
        j->done(j->ctx, &verdict);
        estoc_blob_free(&j->cert);
        estoc_blob_free(&j->key);
        estoc_blob_free(&j->question);
        free(j);
    }
}

/* A round costs the store the same for one certificate as for ten, nearly. If the last one had several jobs,
 * the next waits a moment, so that others come along; who is alone is not kept waiting. Under the lock. */
static void linger(struct ca *ca)
{
    estoc_ms until = estoc_now_ms() + LINGER_MS;
    ca->lingers = true;
    while (ca->queue.n < LINGER_JOBS && !ca->stop &&
           estoc_wait_until(&ca->wake, &ca->lock, until)) {
    }
    ca->lingers = false;
}

/* Waits for work, unless the desk has some.
 * @param several  the last round had several jobs
 * @return false: there is none, and there will be none */
static bool take(struct ca *ca, estoc_jobs *batch, bool several)
{
    pthread_mutex_lock(&ca->lock);
    if (several) {
        linger(ca);
    }
    while (ca->queue.n == 0 && !(ca->stop && ca->asking == 0) && !estoc_desk_has_work(&ca->desk)) {
        pthread_cond_wait(&ca->wake, &ca->lock);
    }
    while (ca->queue.n > 0 && batch->n < BATCH_MAX) {
        estoc_jobs_put(batch, estoc_jobs_take(&ca->queue));
    }
    pthread_mutex_unlock(&ca->lock);
    return batch->n > 0 || estoc_desk_has_work(&ca->desk);
}

static void *serve(void *arg)
{
    struct ca *ca = arg;
    estoc_jobs batch = {NULL, NULL, 0};
    estoc_jobs answered = {NULL, NULL, 0};
    bool several = false;
    while (take(ca, &batch, several)) {
        several = batch.n + ca->desk.signed_.n > 1;
        estoc_desk_round(&ca->desk, &batch, &answered);
        answer_all(ca, &answered);
    }
    return NULL;
}

/* -------------------------------------------------------------------------- what the server calls */

static const estoc_profile *find_profile(const struct ca *ca, const char *name)
{
    for (size_t i = 0; i < ca->profiles_n; i++) {
        if (strcmp(ca->profiles[i].name, name) == 0) {
            return &ca->profiles[i];
        }
    }
    return NULL;
}

static bool has_profile(estoc_authority *a, const char *profile)
{
    return find_profile((struct ca *)a, profile) != NULL;
}

static bool makes_keys(estoc_authority *a, const char *profile)
{
    const estoc_profile *p = find_profile((struct ca *)a, profile);
    return p != NULL && p->keygen;
}

static const estoc_blobs *anchors(estoc_authority *a, const char *profile)
{
    (void)profile; /* one CA for all */
    return &((struct ca *)a)->anchors;
}

static estoc_slice attributes(estoc_authority *a, const char *profile)
{
    const estoc_profile *p = find_profile((struct ca *)a, profile);
    return p != NULL ? p->attributes : estoc_slice_of(NULL, 0);
}

/* They are configured, or there are none. */
static bool lacks(estoc_authority *a, const char *profile, estoc_op op, estoc_verdict *v)
{
    (void)a;
    (void)profile;
    (void)op;
    (void)v;
    return false;
}

static bool revoked(estoc_authority *a, estoc_slice client_cert)
{
    return estoc_revoked_has(((struct ca *)a)->revoked, client_cert);
}

static estoc_job *new_job(const estoc_profile *profile, const estoc_enrollment *e)
{
    estoc_job *j = calloc(1, sizeof *j + estoc_enrollment_size(e));
    if (j == NULL) {
        return NULL;
    }
    const estoc_enrollment kept = estoc_enrollment_keep(e, j->bytes);
    j->client_cert = kept.client_cert;
    j->csr = kept.csr;
    j->unique = kept.unique;
    j->peer = kept.peer;
    j->op = kept.op;
    j->profile = profile;
    j->done = kept.done;
    j->ctx = kept.ctx;
    j->began = estoc_now_ms();
    return j;
}

static estoc_err enroll(estoc_authority *a, const estoc_enrollment *e)
{
    struct ca *ca = (struct ca *)a;
    const estoc_profile *profile = find_profile(ca, e->profile);
    if (profile == NULL) {
        return ESTOC_E_NOT_FOUND;
    }
    if (e->client_cert.len == 0) { /* D2: the handshake should not have let this come so far */
        return ESTOC_E_UNTRUSTED;
    }
    if (e->csr.len == 0) {
        return ESTOC_E_TRUNCATED;
    }
    pthread_mutex_lock(&ca->lock);
    bool room = ca->queue.n + ca->coming < ca->queue_max && !ca->stop;
    ca->coming += room;
    pthread_mutex_unlock(&ca->lock);
    if (!room) {
        return ESTOC_E_BUSY;
    }
    estoc_job *j = new_job(profile, e);
    if (j != NULL) { /* here, where there are several threads, not on the one that all wait for */
        estoc_job_prepare(&ca->desk, j);
    }
    pthread_mutex_lock(&ca->lock);
    ca->coming--;
    if (j != NULL) {
        estoc_jobs_put(&ca->queue, j);
        if (!ca->lingers || ca->queue.n >= LINGER_JOBS) {
            pthread_cond_signal(&ca->wake);
        }
    }
    pthread_mutex_unlock(&ca->lock);
    return j != NULL ? ESTOC_OK : ESTOC_E_MEMORY;
}

/* --------------------------------------------------------------------------------- birth and death */

static void free_ca(struct ca *ca)
{
    estoc_adviser_close(ca->adviser);
    estoc_revoked_close(ca->revoked);
    estoc_auditor_close(ca->desk.auditor);
    estoc_store_close(ca->desk.store);
    estoc_blobs_free(&ca->anchors);
    pthread_cond_destroy(&ca->wake);
    pthread_mutex_destroy(&ca->lock);
    free(ca->store_url);
    free(ca->node);
    free(ca->profiles);
    free(ca);
}

static void hurry(estoc_authority *a)
{
    struct ca *ca = (struct ca *)a;
    if (ca->adviser != NULL) {
        estoc_adviser_stop(ca->adviser);
    }
}

static void close_ca(estoc_authority *a)
{
    struct ca *ca = (struct ca *)a;
    hurry(a);
    pthread_mutex_lock(&ca->lock);
    ca->stop = true;
    pthread_cond_signal(&ca->wake);
    pthread_mutex_unlock(&ca->lock);
    pthread_join(ca->thread, NULL);
    free_ca(ca);
}

static const estoc_authority_ops ops = {
    .has_profile = has_profile,
    .makes_keys = makes_keys,
    .anchors = anchors,
    .attributes = attributes,
    .lacks = lacks,
    .revoked = revoked,
    .enroll = enroll,
    .hurry = hurry,
    .close = close_ca,
};

/* Whether a second signature over the same is the same. Nothing here signs anew what it has signed once, so
 * nothing hangs on it (X9); what the log says is for who looks for the cause of something. HC 312 */
static void log_key(const struct ca *ca, estoc_slice text, estoc_slice sig)
{
    uint8_t again[ESTOC_SIG_MAX];
    size_t len = 0;
    bool made = !estoc_key_sign(ca->desk.key, text, (estoc_buf){again, sizeof again}, &len);
    estoc_log(ESTOC_LOG_INFO, "ca", "event", "key", "result", "proven", "in",
              estoc_key_in_token(ca->desk.key) ? "token" : "file", "signatures",
              made && estoc_slice_eq(sig, estoc_slice_of(again, len)) ? "repeatable" : "random",
              NULL);
}

/* A key beside the wrong certificate would issue what nobody can verify. */
static estoc_err prove_key(const struct ca *ca, estoc_why *why)
{
    estoc_slice text = estoc_slice_str("estoc: does this key belong to this certificate?");
    uint8_t sig[ESTOC_SIG_MAX];
    size_t len = 0;
    estoc_err err = estoc_key_sign(ca->desk.key, text, (estoc_buf){sig, sizeof sig}, &len);
    if (err) {
        estoc_why_set(why, "CA key: cannot sign: %s", estoc_err_text(err));
        return err;
    }
    err = estoc_verify(&ca->desk.issuer.spki, estoc_key_sig(ca->desk.key), text,
                       estoc_slice_of(sig, len));
    if (err) {
        estoc_why_set(why, "CA key: it does not belong to the CA certificate");
        return ESTOC_E_KEY;
    }
    log_key(ca, text, estoc_slice_of(sig, len));
    return ESTOC_OK;
}

static estoc_err take_chain(struct ca *ca, const estoc_blobs *chain, estoc_why *why)
{
    estoc_err err = chain->n > 0
                        ? estoc_cert_parse(&ca->desk.issuer, estoc_blob_slice(chain->at[0]))
                        : ESTOC_E_CONFIG;
    if (err) {
        estoc_why_set(why, "CA certificate: %s", chain->n > 0 ? estoc_err_text(err) : "missing");
        return err;
    }
    if (!ca->desk.issuer.ca || ca->desk.issuer.ski.len == 0) {
        estoc_why_set(why, "CA certificate: %s",
                      ca->desk.issuer.ca ? "it has no subjectKeyIdentifier"
                                         : "it is not a CA's (basicConstraints)");
        return ESTOC_E_CONFIG;
    }
    for (size_t i = chain->n; !err && i > 0; i--) { /* root first: E2 */
        err = estoc_blobs_add(&ca->anchors, estoc_blob_slice(chain->at[i - 1]));
    }
    return err;
}

static estoc_err take_profiles(struct ca *ca, const estoc_ca_cfg *cfg, estoc_why *why)
{
    ca->profiles = calloc(cfg->profiles_n > 0 ? cfg->profiles_n : 1, sizeof *ca->profiles);
    ca->store_url = strdup(cfg->store_url);
    ca->node = strdup(cfg->node != NULL ? cfg->node : "");
    if (ca->profiles == NULL || ca->store_url == NULL || ca->node == NULL) {
        return ESTOC_E_MEMORY;
    }
    for (size_t i = 0; i < cfg->profiles_n; i++) {
        ca->profiles[i] = cfg->profiles[i];
        if (cfg->profiles[i].validity_s == 0) {
            estoc_why_set(why, "profile %s: no validity", cfg->profiles[i].name);
            return ESTOC_E_CONFIG;
        }
    }
    ca->profiles_n = cfg->profiles_n;
    return ESTOC_OK;
}

static estoc_err open_adviser(struct ca *ca, const estoc_ca_cfg *cfg, estoc_why *why)
{
    bool wanted = false;
    for (size_t i = 0; i < ca->profiles_n; i++) {
        wanted |= ca->profiles[i].approver == ESTOC_APPROVER_COMMAND;
    }
    estoc_err err =
        wanted ? estoc_adviser_open(cfg->commands_max > 0 ? cfg->commands_max : COMMANDS_MAX,
                                    ca->queue_max, &ca->adviser)
               : ESTOC_OK;
    if (err) {
        estoc_why_set(why, "CA: approval by a program: %s", estoc_err_text(err));
    }
    return err;
}

estoc_err estoc_ca_open(const estoc_ca_cfg *cfg, estoc_authority **out, estoc_why *why)
{
    *out = NULL;
    struct ca *ca = calloc(1, sizeof *ca);
    if (ca == NULL) {
        return ESTOC_E_MEMORY;
    }
    ca->base.ops = &ops;
    ca->desk.key = cfg->key;
    ca->queue_max = cfg->queue_max > 0 ? cfg->queue_max : QUEUE_MAX;
    ca->desk.retry_window_s = cfg->retry_window_s;
    ca->desk.pending = cfg->pending;
    ca->desk.crl_url = estoc_slice_str(cfg->crl_url != NULL ? cfg->crl_url : "");
    ca->desk.keygen_signer = cfg->keygen_signer;
    ca->desk.decrypt_keys = cfg->decrypt_keys;
    pthread_mutex_init(&ca->lock, NULL);
    estoc_wait_init(&ca->wake);
    estoc_err err = take_profiles(ca, cfg, why);
    err = err ? err : take_chain(ca, cfg->chain, why);
    err = err ? err : prove_key(ca, why);
    ca->desk.store_url = ca->store_url;
    ca->desk.node = ca->node;
    ca->desk.policy = cfg->policy;
    estoc_random random = estoc_random_system();
    if (!err && !random.fill(random.ctx, ca->desk.run, sizeof ca->desk.run)) {
        err = ESTOC_E_RANDOM;
    }
    err = err ? err : estoc_store_open(ca->store_url, &ca->desk.store, why);
    if (!err && cfg->audit != NULL) {
        const estoc_auditor_cfg audit = {ca->store_url, ca->node, cfg->audit, cfg->audit_syslog};
        err = estoc_auditor_open(&audit, &ca->desk.auditor, why);
    }
    err = err ? err : estoc_revoked_open(ca->store_url, &ca->revoked, why);
    err = err ? err : open_adviser(ca, cfg, why);
    if (!err && pthread_create(&ca->thread, NULL, serve, ca) != 0) {
        estoc_why_set(why, "CA: no thread");
        err = ESTOC_E_SYSTEM;
    }
    if (err) {
        free_ca(ca);
        return err;
    }
    *out = &ca->base;
    return ESTOC_OK;
}
