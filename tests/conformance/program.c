/* SPDX-License-Identifier: MIT
 *
 * The programs run as a user would: arguments in, exit code and both outputs back.
 */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "fixture.h"

enum { ARGS_MAX = 48, RUN_MS = 60000 };

static const char *program_path(const char *program)
{
    if (strcmp(program, "estocd") == 0) {
        return getenv("ESTOCD");
    }
    return strcmp(program, "estoc") == 0 ? getenv("ESTOC") : program;
}

static size_t collect(const char **argv, size_t n, va_list ap)
{
    const char *arg;
    while ((arg = va_arg(ap, const char *)) != NULL) {
        assert_true(n + 1 < ARGS_MAX);
        argv[n++] = arg;
    }
    argv[n] = NULL;
    return n;
}

static pid_t spawn(const char *const *argv, int out, int err)
{
    const char *path = program_path(argv[0]);
    assert_non_null(path);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR);
        dup2(null, 0);
        dup2(out >= 0 ? out : null, 1);
        dup2(err >= 0 ? err : null, 2);
        execvp(path, (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    return pid;
}

/* What comes from both pipes until both end. */
static void drain(int fds[2], char *texts[2], size_t room)
{
    size_t n[2] = {0, 0};
    struct pollfd p[2] = {{.fd = fds[0], .events = POLLIN}, {.fd = fds[1], .events = POLLIN}};
    long long end = now_ms() + RUN_MS;
    while ((p[0].fd >= 0 || p[1].fd >= 0) && now_ms() < end) {
        poll(p, 2, 1000);
        for (int i = 0; i < 2; i++) {
            if (p[i].fd < 0 || p[i].revents == 0) {
                continue;
            }
            ssize_t got = read(p[i].fd, texts[i] + n[i], room - 1 - n[i]);
            if (got <= 0) {
                p[i].fd = -1;
            } else {
                n[i] += (size_t)got;
            }
        }
    }
    texts[0][n[0]] = '\0';
    texts[1][n[1]] = '\0';
}

void runv(output *o, const char *const *argv)
{
    int out[2], err[2];
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    assert_int_equal(pipe2(err, O_CLOEXEC), 0);
    pid_t pid = spawn(argv, out[1], err[1]);
    close(out[1]);
    close(err[1]);
    drain((int[2]){out[0], err[0]}, (char *[2]){o->out, o->err}, sizeof o->out);
    close(out[0]);
    close(err[0]);
    o->code = run_wait(pid, RUN_MS);
}

void run(output *o, const char *program, ...)
{
    const char *argv[ARGS_MAX] = {program};
    va_list ap;
    va_start(ap, program);
    collect(argv, 1, ap);
    va_end(ap);
    runv(o, argv);
}

pid_t run_start(const char *program, ...)
{
    const char *argv[ARGS_MAX] = {program};
    va_list ap;
    va_start(ap, program);
    collect(argv, 1, ap);
    va_end(ap);
    return spawn(argv, -1, -1);
}

void run_as(output *o, const fixture *f, const char *name, const char *command, const char *uri,
            ...)
{
    const char *argv[ARGS_MAX] = {"estoc",
                                  command,
                                  uri,
                                  "--cert",
                                  path_in(f, "%s.crt", name),
                                  "--key",
                                  path_in(f, "%s.key", name),
                                  "--ta",
                                  path_in(f, "%s.ta", name)};
    va_list ap;
    va_start(ap, uri);
    collect(argv, 9, ap);
    va_end(ap);
    runv(o, argv);
}
