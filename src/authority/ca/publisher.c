/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "crl_store.h"
#include "publisher.h"
#include "text.h"

#define LOOK_MS  500
#define LEAST_MS 1000 /* between two lists */
#define SHARE    10   /* at most this part of the time goes into lists */
#define RETRY_MS 5000

struct estoc_publisher {
    estoc_publisher_cfg cfg;
    estoc_crl_rules rules;
    estoc_store *store;         /* NULL: failed, to be opened again */
    int64_t number;             /* of the list that was published last */
    int64_t revision, at, half; /* what it covers, and when the next one is due */
    bool file_due;              /* it could not be written */
    bool failed;                /* and that was told */
    estoc_ms not_before;        /* when the next try may be */
    atomic_bool stop;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
};

/* ----------------------------------------------------------------------------------- what it publishes */

static void log_list(const estoc_crl_record *crl)
{
    char number[24], until[32], bytes[24];
    snprintf(number, sizeof number, "%lld", (long long)crl->number);
    snprintf(bytes, sizeof bytes, "%zu", crl->der.len);
    estoc_log(ESTOC_LOG_INFO, "ca", "event", "crl", "number", number, "until",
              estoc_time_text(crl->next_update, until, sizeof until), "bytes", bytes, NULL);
}

/* Told once, until it is well again. */
static void tell_failure(estoc_publisher *p, const char *what, const char *why)
{
    if (!p->failed) {
        estoc_log(ESTOC_LOG_ERROR, "ca", "event", "crl", "result", what, "why", why, "retry",
                  "every 5s", NULL);
    }
    p->failed = true;
    p->not_before = estoc_now_ms() + RETRY_MS;
}

static void write_file(estoc_publisher *p, estoc_slice der)
{
    const char *file = p->cfg.file;
    p->file_due = false;
    if (file != NULL && file[0] != '\0') {
        estoc_err err = estoc_crl_write(file, der);
        if (err) {
            char why[640];
            snprintf(why, sizeof why, "%s: %s", file,
                     err == ESTOC_E_FILE ? strerror(errno) : estoc_err_text(err));
            p->file_due = true;
            tell_failure(p, "not written", why);
        }
    }
}

static void publish(estoc_publisher *p, const estoc_crl_record *crl)
{
    if (crl->number != p->number) {
        log_list(crl);
        if (p->cfg.published != NULL) {
            p->cfg.published(p->cfg.ctx, crl);
        }
    }
    p->number = crl->number;
    p->revision = crl->revision;
    p->at = crl->this_update;
    p->half = crl->this_update + (crl->next_update - crl->this_update + 1) / 2;
    write_file(p, crl->der);
    p->failed &= p->file_due;
}

/* ------------------------------------------------------------------------------------------ the thread */

/* Whether there may be something to do: a cheap question, asked twice a second. */
static estoc_err look(estoc_publisher *p, int64_t now, bool *due)
{
    int64_t revision = 0;
    estoc_err err = estoc_store_revision(p->store, &revision);
    *due = p->number == 0 || p->file_due || revision > p->revision || now >= p->half || now < p->at;
    return err;
}

/* The next list is as long away as this one's making was long, ten times. */
static estoc_err renew(estoc_publisher *p, int64_t now)
{
    estoc_crl_record crl;
    estoc_blob der;
    estoc_ms begun = estoc_now_ms();
    estoc_err err = estoc_crl_find(p->store, &p->rules, now, &crl, &der);
    if (err == ESTOC_E_NOT_FOUND) {
        err = estoc_crl_make(p->store, &p->rules, now, &crl, &der);
    }
    estoc_ms took = (estoc_now_ms() - begun) * SHARE;
    p->not_before = estoc_now_ms() + (took > LEAST_MS ? took : LEAST_MS);
    if (!err) {
        publish(p, &crl);
    }
    estoc_blob_free(&der);
    return err;
}

static void step(estoc_publisher *p)
{
    estoc_why why = {""};
    int64_t now = estoc_unix_s();
    bool due = false;
    estoc_err err = ESTOC_OK;
    if (p->store == NULL) {
        err = estoc_store_open_again(p->cfg.store_url, &p->store, &why);
    }
    err = err ? err : look(p, now, &due);
    if (!err && due) {
        err = renew(p, now);
    }
    if (err && err != ESTOC_E_BUSY) { /* busy: told to stop */
        tell_failure(p, "not made", why.text[0] != '\0' ? why.text : estoc_err_text(err));
        if (err == ESTOC_E_STORE) {
            estoc_store_close(p->store);
            p->store = NULL;
        }
    }
}

static void *run(void *arg)
{
    estoc_publisher *p = arg;
    pthread_mutex_lock(&p->lock);
    while (!atomic_load(&p->stop)) {
        (void)estoc_wait_until(&p->wake, &p->lock, estoc_now_ms() + LOOK_MS);
        if (!atomic_load(&p->stop) && estoc_now_ms() >= p->not_before) {
            pthread_mutex_unlock(&p->lock);
            step(p);
            pthread_mutex_lock(&p->lock);
        }
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* ------------------------------------------------------------------------------------ birth and death */

static void free_publisher(estoc_publisher *p)
{
    estoc_store_close(p->store);
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

static estoc_err take_issuer(estoc_publisher *p, estoc_why *why)
{
    const estoc_blobs *chain = p->cfg.chain;
    estoc_slice der = chain->n > 0 ? estoc_blob_slice(chain->at[0]) : estoc_slice_of(NULL, 0);
    if (estoc_cert_parse(&p->rules.issuer, der) || !estoc_cert_signs_crls(der)) {
        estoc_why_set(why,
                      "CA certificate: its key usage does not allow revocation lists (cRLSign)");
        return ESTOC_E_CONFIG;
    }
    return ESTOC_OK;
}

estoc_err estoc_publisher_open(const estoc_publisher_cfg *cfg, estoc_publisher **out,
                               estoc_why *why)
{
    *out = NULL;
    estoc_publisher *p = calloc(1, sizeof *p);
    if (p == NULL) {
        return ESTOC_E_MEMORY;
    }
    pthread_mutex_init(&p->lock, NULL);
    estoc_wait_init(&p->wake);
    p->cfg = *cfg;
    p->rules = (estoc_crl_rules){.key = cfg->key, .good_s = cfg->good_s, .give_up = &p->stop};
    estoc_err err = take_issuer(p, why);
    if (!err) {
        step(p);
        if (pthread_create(&p->thread, NULL, run, p) != 0) {
            estoc_why_set(why, "CA: no thread");
            err = ESTOC_E_SYSTEM;
        }
    }
    if (err) {
        free_publisher(p);
        return err;
    }
    *out = p;
    return ESTOC_OK;
}

void estoc_publisher_close(estoc_publisher *p)
{
    if (p == NULL) {
        return;
    }
    pthread_mutex_lock(&p->lock);
    atomic_store(&p->stop, true);
    pthread_cond_signal(&p->wake);
    pthread_mutex_unlock(&p->lock);
    pthread_join(p->thread, NULL);
    free_publisher(p);
}
