/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "adviser.h"

#define WORDS_MAX 32
#define REAP_MS   2000 /* for what was killed when all ends */

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

/* A program and its question; without one it was killed, and is waited for. */
struct child {
    pid_t pid;   /* 0: a free place */
    int end;     /* pidfd */
    int in, out; /* its standard input and output; -1: closed */
    struct question *question;
    size_t written, got;
    char answer[ESTOC_ADVICE_MAX + 1];
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

static bool split(char *command, char *words[WORDS_MAX + 1])
{
    char *save;
    size_t n = 0;
    for (char *word = strtok_r(command, " \t", &save); word != NULL;
         word = strtok_r(NULL, " \t", &save)) {
        if (n == WORDS_MAX) {
            return false;
        }
        words[n++] = word;
    }
    words[n] = NULL;
    return n > 0;
}

/* Nothing of ours goes along but standard error: files are closed, signals are as they come. */
static int spawn(char *const words[], int in, int out, pid_t *pid)
{
    static char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    char *const environment[] = {path, NULL};
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    if (posix_spawn_file_actions_init(&files) != 0) {
        return ENOMEM;
    }
    if (posix_spawnattr_init(&attr) != 0) {
        posix_spawn_file_actions_destroy(&files);
        return ENOMEM;
    }
    int rc = posix_spawn_file_actions_adddup2(&files, in, 0);
    rc = rc != 0 ? rc : posix_spawn_file_actions_adddup2(&files, out, 1);
    rc = rc != 0 ? rc : posix_spawn_file_actions_addclosefrom_np(&files, 3);
    rc = rc != 0 ? rc
                 : posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                                       POSIX_SPAWN_SETSIGDEF);
    rc = rc != 0 ? rc : posix_spawnattr_setpgroup(&attr, 0);
    rc = rc != 0 ? rc : posix_spawnattr_setsigmask(&attr, &none);
    rc = rc != 0 ? rc : posix_spawnattr_setsigdefault(&attr, &all);
    rc = rc != 0 ? rc : posix_spawn(pid, words[0], &files, &attr, words, environment);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&files);
    return rc;
}

static void close_fd(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}

/* @return false: no program runs, and nothing is held */
static bool start(struct child *c, char *const words[])
{
    int in[2] = {-1, -1}, out[2] = {-1, -1};
    c->in = c->out = c->end = -1;
    bool good = pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0 &&
                spawn(words, in[0], out[1], &c->pid) == 0;
    close_fd(&in[0]);
    close_fd(&out[1]);
    if (!good) {
        c->pid = 0;
        close_fd(&in[1]);
        close_fd(&out[0]);
        return false;
    }
    c->in = in[1];
    c->out = out[0];
    c->end = pidfd_open(c->pid, 0);
    if (c->end < 0 || fcntl(c->in, F_SETFL, O_NONBLOCK) != 0 ||
        fcntl(c->out, F_SETFL, O_NONBLOCK) != 0) {
        kill(-c->pid, SIGKILL);
        waitpid(c->pid, NULL, 0);
        c->pid = 0;
        close_fd(&c->in);
        close_fd(&c->out);
        close_fd(&c->end);
        return false;
    }
    return true;
}

static void begin(struct child *c, struct question *q, estoc_ms now)
{
    char *words[WORDS_MAX + 1];
    memset(c, 0, sizeof *c);
    if (!split(q->command, words) || !start(c, words)) {
        fail(q, "it cannot be run");
        return;
    }
    c->question = q;
    c->until = now + (estoc_ms)q->timeout_s * 1000u;
}

/* The group goes with its head, before that is waited for: until then nobody else has its number. */
static void give_up(struct child *c, const char *reason)
{
    kill(-c->pid, SIGKILL);
    close_fd(&c->in);
    close_fd(&c->out);
    if (c->question != NULL) {
        fail(c->question, reason);
        c->question = NULL;
    }
}

static void feed(struct child *c)
{
    while (c->written < c->question->text.len) {
        ssize_t n =
            write(c->in, c->question->text.ptr + c->written, c->question->text.len - c->written);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0 && errno == EAGAIN) {
            return;
        }
        if (n < 0) { /* it does not want to know: that is up to it */
            break;
        }
        c->written += (size_t)n;
    }
    close_fd(&c->in);
}

/* @return false: more than an answer may have */
static bool listen_to(struct child *c)
{
    while (c->out >= 0) {
        ssize_t n = read(c->out, c->answer + c->got, sizeof c->answer - c->got);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0 && errno == EAGAIN) {
            return true;
        }
        if (n <= 0) {
            close_fd(&c->out);
            return true;
        }
        c->got += (size_t)n;
        if (c->got > ESTOC_ADVICE_MAX) {
            return false;
        }
    }
    return true;
}

/* It has ended: what it wrote is its answer, if it says that all is well. */
static void settle(struct child *c)
{
    estoc_advice advice;
    int status = 0;
    kill(-c->pid, SIGKILL); /* what it has left behind */
    waitpid(c->pid, &status, 0);
    bool whole = c->question == NULL || listen_to(c);
    if (!WIFEXITED(status)) {
        estoc_advice_fail(&advice, "it was ended by a signal");
    } else if (WEXITSTATUS(status) != 0) {
        char reason[40];
        snprintf(reason, sizeof reason, "its exit status is %d", WEXITSTATUS(status));
        estoc_advice_fail(&advice, reason);
    } else if (!whole) {
        estoc_advice_fail(&advice, "its answer is too long");
    } else {
        estoc_advice_parse(estoc_slice_of(c->answer, c->got), &advice);
    }
    if (c->question != NULL) {
        answer(c->question, &advice);
    }
    close_fd(&c->in);
    close_fd(&c->out);
    close_fd(&c->end);
    c->pid = 0;
}

/* ----------------------------------------------------------------------------------------- the thread */

static struct child *free_place(estoc_adviser *a)
{
    for (size_t i = 0; i < a->most; i++) {
        if (a->children[i].pid == 0) {
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
        until = c->pid != 0 && c->question != NULL && c->until < until ? c->until : until;
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
        bool there = c->pid != 0;
        a->fds[1 + 3 * i] = (struct pollfd){.fd = there ? c->end : -1, .events = POLLIN};
        a->fds[2 + 3 * i] = (struct pollfd){.fd = there ? c->in : -1, .events = POLLOUT};
        a->fds[3 + 3 * i] = (struct pollfd){.fd = there ? c->out : -1, .events = POLLIN};
    }
    return (nfds_t)(1 + 3 * a->most);
}

static void attend(estoc_adviser *a, size_t i, estoc_ms now)
{
    struct child *c = &a->children[i];
    if (c->pid == 0) {
        return;
    }
    if (c->question != NULL && c->in >= 0 && a->fds[2 + 3 * i].revents != 0) {
        feed(c);
    }
    if (c->question != NULL && a->fds[3 + 3 * i].revents != 0 && !listen_to(c)) {
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
        if (c->pid == 0) {
            continue;
        }
        give_up(c, "the server ends");
        struct pollfd fd = {.fd = c->end, .events = POLLIN};
        if (poll(&fd, 1, REAP_MS) > 0) {
            waitpid(c->pid, NULL, 0);
        }
        close_fd(&c->end);
        c->pid = 0;
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
    close_fd(&a->wake);
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
