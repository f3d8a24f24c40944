/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "auditor.h"
#include "text.h"
#include "trail.h"

#define GATHER_MS 200  /* so that many decisions share a write */
#define RETRY_MS  2000 /* after a failure */
#define LOOK_MS   5000 /* for lines of commands that could not bring theirs */

struct estoc_auditor {
    char *store_url, *node;
    estoc_trail trail;
    estoc_store *store; /* NULL: failed, to be opened again */
    bool failing;       /* and this was told */
    _Atomic int64_t written;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool running, news, stop; /* under the lock */
};

static estoc_err drain(estoc_auditor *a, estoc_why *why)
{
    int64_t written = 0;
    estoc_err err =
        a->store == NULL ? estoc_store_open_again(a->store_url, &a->store, why) : ESTOC_OK;
    err = err ? err : estoc_audit_drain(&a->trail, a->store, a->node, &written, why);
    if (written > 0) {
        atomic_store(&a->written, written);
    }
    if (err == ESTOC_E_STORE) {
        estoc_store_close(a->store);
        a->store = NULL;
    }
    return err;
}

/* Told once, and once when it is over. */
static bool drained(estoc_auditor *a)
{
    estoc_why why = {""};
    estoc_err err = drain(a, &why);
    if (err && !a->failing) {
        estoc_log(ESTOC_LOG_ERROR, "audit", "event", "behind", "why",
                  why.text[0] != '\0' ? why.text : estoc_err_text(err), "result",
                  "lines wait in the store", NULL);
    } else if (!err && a->failing) {
        estoc_log(ESTOC_LOG_WARN, "audit", "event", "behind", "result", "all is written", NULL);
    }
    a->failing = err != ESTOC_OK;
    return !err;
}

/* @param news  or until there are some */
static void wait(estoc_auditor *a, unsigned ms, bool news)
{
    estoc_ms at = estoc_now_ms() + ms;
    while (!a->stop && !(news && a->news) && estoc_wait_until(&a->wake, &a->lock, at)) {
    }
}

static void *run(void *arg)
{
    estoc_auditor *a = arg;
    pthread_mutex_lock(&a->lock);
    while (!a->stop) {
        wait(a, LOOK_MS, true);
        wait(a, a->failing ? RETRY_MS : GATHER_MS, false);
        a->news = false;
        pthread_mutex_unlock(&a->lock);
        bool good = drained(a);
        pthread_mutex_lock(&a->lock);
        a->news |= !good;
    }
    pthread_mutex_unlock(&a->lock);
    drained(a);
    return NULL;
}

static estoc_err init(estoc_auditor *a, const estoc_auditor_cfg *cfg)
{
    pthread_mutex_init(&a->lock, NULL);
    estoc_wait_init(&a->wake);
    estoc_trail_init(&a->trail, cfg->path, cfg->syslog);
    a->store_url = strdup(cfg->store_url);
    a->node = strdup(cfg->node);
    return a->store_url != NULL && a->node != NULL ? ESTOC_OK : ESTOC_E_MEMORY;
}

estoc_err estoc_auditor_open(const estoc_auditor_cfg *cfg, estoc_auditor **out, estoc_why *why)
{
    *out = NULL;
    estoc_auditor *a = calloc(1, sizeof *a);
    if (a == NULL) {
        return ESTOC_E_MEMORY;
    }
    estoc_err err = init(a, cfg);
    err = err ? err : estoc_store_open(a->store_url, &a->store, why);
    err = err ? err : estoc_audit_start(&a->trail, a->store, a->node, why);
    atomic_init(&a->written, a->trail.end.seq);
    if (!err && pthread_create(&a->thread, NULL, run, a) != 0) {
        estoc_why_set(why, "audit: no thread");
        err = ESTOC_E_SYSTEM;
    }
    a->running = !err;
    if (err) {
        estoc_auditor_close(a);
        return err;
    }
    *out = a;
    return ESTOC_OK;
}

void estoc_auditor_wake(estoc_auditor *a)
{
    pthread_mutex_lock(&a->lock);
    a->news = true;
    pthread_cond_signal(&a->wake);
    pthread_mutex_unlock(&a->lock);
}

int64_t estoc_auditor_written(const estoc_auditor *a)
{
    return atomic_load(&a->written);
}

void estoc_auditor_close(estoc_auditor *a)
{
    if (a == NULL) {
        return;
    }
    pthread_mutex_lock(&a->lock);
    a->stop = true;
    pthread_cond_signal(&a->wake);
    pthread_mutex_unlock(&a->lock);
    if (a->running) {
        pthread_join(a->thread, NULL);
    }
    estoc_trail_close(&a->trail);
    estoc_store_close(a->store);
    pthread_cond_destroy(&a->wake);
    pthread_mutex_destroy(&a->lock);
    free(a->store_url);
    free(a->node);
    free(a);
}
