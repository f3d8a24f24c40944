/* SPDX-License-Identifier: MIT */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "adviser.h"
#include "program.h"

#define REAP_MS 2000 /* for what was killed when all ends */

/* A question that waits, or is with a program. */
struct question {
    struct question *next;
    char *command;
    estoc_blob text;
    uint32_t timeout_s;
    estoc_ms until; /* it has begun by then */
    void (*done)(void *ctx, const estoc_advice *advice);
    void *ctx;
};

/* A place for a program, and its question; without one it was killed, and is waited for. */
struct child {
    estoc_program program;
    struct question *question;
    estoc_ms until;
};

struct estoc_adviser {
    pthread_t thread;
    int wake; /* eventfd */
    size_t most, waiting_max;
    struct child *children; /* the thread's own */
    struct pollfd *fds;
    /* shared, under the lock */
    pthread_mutex_t lock;
    struct question *first, *last;
    size_t waiting;
    bool stop;
};

/* ------------------------------------------------------------------------------------- the questions */

static void answer(struct question *q, const estoc_advice *advice)
{
    q->done(q->ctx, advice);
    estoc_blob_free(&q->text);
    free(q->command);
    free(q);
}

static void fail(struct question *q, const char *reason)
{
    estoc_advice advice;
    estoc_advice_fail(&advice, reason);
    answer(q, &advice);
}

static struct question *new_question(const estoc_ask *ask)
{
    struct question *q = calloc(1, sizeof *q);
    if (q == NULL) {
        return NULL;
    }
    q->command = strdup(ask->command);
    q->timeout_s = ask->timeout_s;
    q->until = estoc_now_ms() + (estoc_ms)ask->timeout_s * 1000u;
    q->done = ask->done;
    q->ctx = ask->ctx;
    if (q->command == NULL || estoc_blob_copy(ask->question, &q->text)) {
        free(q->command);
        free(q);
        return NULL;
    }
    return q;
}

static void wake(const estoc_adviser *a)
{
    uint64_t one = 1;
    ssize_t ignored = write(a->wake, &one, sizeof one);
    (void)ignored; /* it wakes already */
}

void estoc_adviser_ask(estoc_adviser *a, const estoc_ask *ask)
{
    estoc_advice advice;
    struct question *q = new_question(ask);
    if (q == NULL) {
        estoc_advice_fail(&advice, "out of memory");
        ask->done(ask->ctx, &advice);
        return;
    }
    pthread_mutex_lock(&a->lock);
    bool stop = a->stop;
    bool room = !stop && a->waiting < a->waiting_max;
    if (room) {
        if (a->last != NULL) {
            a->last->next = q;
        } else {
            a->first = q;
        }
        a->last = q;
        a->waiting++;
        wake(a);
    }
    pthread_mutex_unlock(&a->lock);
    if (!room) {
        fail(q, stop ? "the server ends" : "too many questions wait");
    }
}

/* The first that waits, if there is one that is late, or a place is free. */
static struct question *take(estoc_adviser *a, bool place, estoc_ms now)
{
    pthread_mutex_lock(&a->lock);
    struct question *q = a->first;
    if (q != NULL && (place || q->until <= now)) {
        a->first = q->next;
        a->last = a->first != NULL ? a->last : NULL;
        a->waiting--;
        q->next = NULL;
    } else {
        q = NULL;
    }
    pthread_mutex_unlock(&a->lock);
    return q;
}

/* --------------------------------------------------------------------------------------- the programs */

static void begin(struct child *c, struct question *q, estoc_ms now)
{
    if (!estoc_program_start(&c->program, q->command, estoc_blob_slice(q->text))) {
        c->program.pid = 0;
        fail(q, "it cannot be run");
        return;
    }
    c->question = q;
    c->until = now + (estoc_ms)q->timeout_s * 1000u;
}

static void give_up(struct child *c, const char *reason)
{
    estoc_program_kill(&c->program);
    if (c->question != NULL) {
        fail(c->question, reason);
        c->question = NULL;
    }
}

static void settle(struct child *c)
{
    estoc_advice advice;
    estoc_program_end(&c->program, &advice);
    if (c->question != NULL) {
        answer(c->question, &advice);
        c->question = NULL;
    }
}

/* ----------------------------------------------------------------------------------------- the thread */

static struct child *free_place(estoc_adviser *a)
{
    for (size_t i = 0; i < a->most; i++) {
        if (a->children[i].program.pid == 0) {
            return &a->children[i];
        }
    }
    return NULL;
}

static void begin_all(estoc_adviser *a, estoc_ms now)
{
    struct child *place = free_place(a);
    struct question *q;
    while ((q = take(a, place != NULL, now)) != NULL) {
        if (q->until <= now) {
            fail(q, "no place was free in time");
        } else {
            begin(place, q, now);
            place = free_place(a);
        }
    }
}

static int wait_ms(estoc_adviser *a, estoc_ms now)
{
    estoc_ms until = ESTOC_NEVER;
    for (size_t i = 0; i < a->most; i++) {
        const struct child *c = &a->children[i];
        until = c->program.pid != 0 && c->question != NULL && c->until < until ? c->until : until;
    }
    pthread_mutex_lock(&a->lock);
    until = a->first != NULL && a->first->until < until ? a->first->until : until;
    pthread_mutex_unlock(&a->lock);
    return until == ESTOC_NEVER ? -1 : until <= now ? 0 : (int)(until - now) + 1;
}

/* One place for each: its end, what goes in, what comes out. */
static nfds_t watch(estoc_adviser *a)
{
    a->fds[0] = (struct pollfd){.fd = a->wake, .events = POLLIN};
    for (size_t i = 0; i < a->most; i++) {
        const struct child *c = &a->children[i];
        bool there = c->program.pid != 0;
        a->fds[1 + 3 * i] = (struct pollfd){.fd = there ? c->program.end : -1, .events = POLLIN};
        a->fds[2 + 3 * i] = (struct pollfd){.fd = there ? c->program.in : -1, .events = POLLOUT};
        a->fds[3 + 3 * i] = (struct pollfd){.fd = there ? c->program.out : -1, .events = POLLIN};
    }
    return (nfds_t)(1 + 3 * a->most);
}

static void attend(estoc_adviser *a, size_t i, estoc_ms now)
{
    struct child *c = &a->children[i];
    if (c->program.pid == 0) {
        return;
    }
    if (c->question != NULL && c->program.in >= 0 && a->fds[2 + 3 * i].revents != 0) {
        estoc_program_feed(&c->program);
    }
    if (c->question != NULL && a->fds[3 + 3 * i].revents != 0 &&
        !estoc_program_listen(&c->program)) {
        give_up(c, "its answer is too long");
    }
    if (a->fds[1 + 3 * i].revents != 0) {
        settle(c);
    } else if (c->question != NULL && c->until <= now) {
        give_up(c, "no answer in time");
    }
}

static bool stopping(estoc_adviser *a)
{
    pthread_mutex_lock(&a->lock);
    bool stop = a->stop;
    pthread_mutex_unlock(&a->lock);
    return stop;
}

static void stop_all(estoc_adviser *a)
{
    struct question *q;
    for (size_t i = 0; i < a->most; i++) {
        struct child *c = &a->children[i];
        if (c->program.pid == 0) {
            continue;
        }
        give_up(c, "the server ends");
        struct pollfd fd = {.fd = c->program.end, .events = POLLIN};
        if (poll(&fd, 1, REAP_MS) > 0) {
            settle(c);
        } else { /* a kernel that does not let it go: whoever comes after us waits for it */
            close(c->program.end);
            c->program.pid = 0;
        }
    }
    while ((q = take(a, true, 0)) != NULL) {
        fail(q, "the server ends");
    }
}

static void *run(void *ctx)
{
    estoc_adviser *a = ctx;
    while (!stopping(a)) {
        uint64_t count;
        begin_all(a, estoc_now_ms());
        nfds_t n = watch(a);
        if (poll(a->fds, n, wait_ms(a, estoc_now_ms())) < 0) {
            continue;
        }
        ssize_t ignored = read(a->wake, &count, sizeof count);
        (void)ignored;
        estoc_ms now = estoc_now_ms();
        for (size_t i = 0; i < a->most; i++) {
            attend(a, i, now);
        }
    }
    stop_all(a);
    return NULL;
}

/* -------------------------------------------------------------------------------------- birth and death */

static void free_adviser(estoc_adviser *a)
{
    if (a->wake >= 0) {
        close(a->wake);
    }
    pthread_mutex_destroy(&a->lock);
    free(a->children);
    free(a->fds);
    free(a);
}

/* Signals are for others; one that a pipe's end would bring is for nobody. */
static bool start_thread(estoc_adviser *a)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int rc = pthread_create(&a->thread, NULL, run, a);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return rc == 0;
}

estoc_err estoc_adviser_open(size_t most, size_t waiting, estoc_adviser **out)
{
    *out = NULL;
    estoc_adviser *a = calloc(1, sizeof *a);
    if (a == NULL) {
        return ESTOC_E_MEMORY;
    }
    a->most = most > 0 ? most : 1;
    a->waiting_max = waiting;
    pthread_mutex_init(&a->lock, NULL);
    a->children = calloc(a->most, sizeof *a->children);
    a->fds = calloc(1 + 3 * a->most, sizeof *a->fds);
    a->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (a->children == NULL || a->fds == NULL || a->wake < 0 || !start_thread(a)) {
        free_adviser(a);
        return ESTOC_E_SYSTEM;
    }
    *out = a;
    return ESTOC_OK;
}

void estoc_adviser_stop(estoc_adviser *a)
{
    pthread_mutex_lock(&a->lock);
    a->stop = true;
    wake(a);
    pthread_mutex_unlock(&a->lock);
}

void estoc_adviser_close(estoc_adviser *a)
{
    if (a != NULL) {
        estoc_adviser_stop(a);
        pthread_join(a->thread, NULL);
        free_adviser(a);
    }
}
