/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "program.h"

#define WORDS_MAX 32

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
static bool start(estoc_program *p, char *const words[])
{
    int in[2] = {-1, -1}, out[2] = {-1, -1};
    p->in = p->out = p->end = -1;
    bool good = pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0 &&
                spawn(words, in[0], out[1], &p->pid) == 0;
    close_fd(&in[0]);
    close_fd(&out[1]);
    if (!good) {
        p->pid = 0;
        close_fd(&in[1]);
        close_fd(&out[0]);
        return false;
    }
    p->in = in[1];
    p->out = out[0];
    p->end = pidfd_open(p->pid, 0);
    if (p->end < 0 || fcntl(p->in, F_SETFL, O_NONBLOCK) != 0 ||
        fcntl(p->out, F_SETFL, O_NONBLOCK) != 0) {
        kill(-p->pid, SIGKILL);
        waitpid(p->pid, NULL, 0);
        p->pid = 0;
        close_fd(&p->in);
        close_fd(&p->out);
        close_fd(&p->end);
        return false;
    }
    return true;
}

bool estoc_program_start(estoc_program *p, char *command, estoc_slice question)
{
    char *words[WORDS_MAX + 1];
    memset(p, 0, sizeof *p);
    p->question = question;
    return split(command, words) && start(p, words);
}

void estoc_program_feed(estoc_program *p)
{
    while (p->written < p->question.len) {
        ssize_t n = write(p->in, p->question.ptr + p->written, p->question.len - p->written);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0 && errno == EAGAIN) {
            return;
        }
        if (n < 0) { /* it does not want to know: that is up to it */
            break;
        }
        p->written += (size_t)n;
    }
    close_fd(&p->in);
}

bool estoc_program_listen(estoc_program *p)
{
    while (p->out >= 0) {
        ssize_t n = read(p->out, p->answer + p->got, sizeof p->answer - p->got);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0 && errno == EAGAIN) {
            return true;
        }
        if (n <= 0) {
            close_fd(&p->out);
            return true;
        }
        p->got += (size_t)n;
        if (p->got > ESTOC_ADVICE_MAX) {
            return false;
        }
    }
    return true;
}

void estoc_program_kill(estoc_program *p)
{
    kill(-p->pid, SIGKILL);
    close_fd(&p->in);
    close_fd(&p->out);
}

void estoc_program_end(estoc_program *p, estoc_advice *advice)
{
    int status = 0;
    /* what it has left behind; until it is waited for nobody else has its number */
    kill(-p->pid, SIGKILL);
    waitpid(p->pid, &status, 0);
    bool whole = estoc_program_listen(p);
    if (!WIFEXITED(status)) {
        estoc_advice_fail(advice, "it was ended by a signal");
    } else if (WEXITSTATUS(status) != 0) {
        char reason[40];
        snprintf(reason, sizeof reason, "its exit status is %d", WEXITSTATUS(status));
        estoc_advice_fail(advice, reason);
    } else if (!whole) {
        estoc_advice_fail(advice, "its answer is too long");
    } else {
        estoc_advice_parse(estoc_slice_of(p->answer, p->got), advice);
    }
    close_fd(&p->in);
    close_fd(&p->out);
    close_fd(&p->end);
    p->pid = 0;
}
