/* SPDX-License-Identifier: MIT
 *
 * estocd run: serve until told to stop. This thread only waits for signals; the workers serve.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "args.h"
#include "estocd.h"
#include "server.h"
#include "text.h"

#define AGAIN_S 10u /* after what failed for now */

/* The file, with the addresses of the command line in place of its own. */
static estoc_err load(const char *dir, const estoc_args_list *listen, estoc_config *conf)
{
    if (!estocd_configure("run", dir, conf)) {
        return ESTOC_E_CONFIG;
    }
    if (listen->n == 0) {
        return ESTOC_OK;
    }
    conf->listen_n = 0;
    for (size_t i = 0; i < listen->n; i++) {
        size_t len = strlen(listen->at[i]);
        if (i == ESTOC_LISTEN_MAX || len >= sizeof conf->listen[0]) {
            fprintf(stderr, "estocd run: --listen: at most %d of ADDRESS:PORT\n", ESTOC_LISTEN_MAX);
            return ESTOC_E_USAGE;
        }
        memcpy(conf->listen[conf->listen_n++], listen->at[i], len + 1);
    }
    return ESTOC_OK;
}

static void reload(estoc_server *server, const char *dir, const estoc_args_list *listen)
{
    static estoc_config conf;
    estoc_why why = {""};
    estoc_err err = load(dir, listen, &conf);
    if (err) {
        estoc_why_set(&why, "%s", "the configuration has faults, named above");
    } else {
        err = estoc_server_reload(server, &conf, &why);
    }
    if (err) {
        estoc_log(ESTOC_LOG_ERROR, "server", "event", "reload", "result",
                  "refused, nothing changed", "why",
                  why.text[0] != '\0' ? why.text : estoc_err_text(err), NULL);
        return;
    }
    estoc_log_level(conf.log_level);
    estoc_log(ESTOC_LOG_INFO, "server", "event", "reload", "result", "done", NULL);
}

/* Other profiles have been published, or an upstream has other documents. Who told that tells it once; so
 * what failed for now, as the store was away, is tried again. */
static void follow(estoc_server *server)
{
    estoc_why why = {""};
    estoc_err err = estoc_server_follow(server, &why);
    if (err) {
        alarm(err == ESTOC_E_CONFIG ? 0 : AGAIN_S);
        estoc_log(ESTOC_LOG_ERROR, "server", "event", "profiles", "result",
                  "refused, nothing changed", "why",
                  why.text[0] != '\0' ? why.text : estoc_err_text(err), NULL);
    }
}

/* For the thread that waits for signals. */
static void tell(void *ctx)
{
    (void)ctx;
    (void)kill(getpid(), SIGUSR1);
}

static void print_ready(const estoc_server *server)
{
    for (size_t i = 0; estoc_server_address(server, i) != NULL; i++) {
        printf("ready coaps://%s\n", estoc_server_address(server, i));
    }
    for (size_t i = 0; estoc_server_plain_address(server, i) != NULL; i++) {
        printf("ready coap://%s\n", estoc_server_plain_address(server, i));
    }
    for (size_t i = 0; estoc_server_https_address(server, i) != NULL; i++) {
        printf("ready https://%s\n", estoc_server_https_address(server, i));
    }
    if (estoc_server_http_address(server) != NULL) {
        printf("ready http://%s/crl\n", estoc_server_http_address(server));
    }
    fflush(stdout);
}

static void serve(estoc_server *server, const char *dir, const estoc_args_list *listen,
                  const sigset_t *set)
{
    int sig = 0;
    print_ready(server);
    while (sigwait(set, &sig) == 0 && (sig == SIGHUP || sig == SIGUSR1 || sig == SIGALRM)) {
        if (sig == SIGHUP) {
            reload(server, dir, listen);
        } else {
            follow(server);
        }
    }
    estoc_log(ESTOC_LOG_INFO, "server", "event", "stop", "signal", strsignal(sig), NULL);
    estoc_server_stop(server);
}

/* Blocked before the workers start, so that only sigwait takes them. */
static void block_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGHUP);
    sigaddset(set, SIGUSR1);
    sigaddset(set, SIGALRM);
    pthread_sigmask(SIG_BLOCK, set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static int start(const char *dir, const estoc_args_list *listen)
{
    static estoc_config conf;
    if (load(dir, listen, &conf)) {
        fprintf(stderr, "estocd run: not started; `estocd check --dir %s` tells all faults\n", dir);
        return 1;
    }
    estoc_log_level(conf.log_level);
    sigset_t set;
    block_signals(&set);
    estoc_server *server;
    estoc_why why = {""};
    estoc_err err = estoc_server_start(&conf, tell, NULL, &server, &why);
    if (err) {
        fprintf(stderr, "estocd run: %s\n", why.text[0] != '\0' ? why.text : estoc_err_text(err));
        return 1;
    }
    serve(server, dir, listen, &set);
    return 0;
}

static int parse(int argc, char **argv, const char **dir, estoc_args_list *listen)
{
    const char *unused;
    const estoc_arg options[] = {
        ESTOCD_DIR_OPTION(dir),
        {.name = "listen",
         .kind = ESTOC_ARG_LIST,
         .metavar = "ADDR:PORT",
         .help = "instead of the configured ones; port 0: any free one; repeatable",
         .to.list = listen},
        {.kind = ESTOC_ARG_END},
    };
    const estoc_usage usage = {
        .program = "estocd",
        .command = "run",
        .summary = "serve enrollment over CoAPS",
        .description =
            "Prints `ready coaps://ADDR:PORT` for each socket once it answers, then `ready\n"
            "coap://ADDR:PORT` for each where discovery is, `ready https://ADDR:PORT` for each of\n"
            "EST over HTTPS, and `ready http://ADDR:PORT/crl`. SIGTERM and SIGINT finish what is\n"
            "in flight and stop; SIGHUP reads the configuration and the trust anchors again.\n"
            "The log goes to stderr.",
        .example = "  estocd run --dir /var/lib/estocd --listen [::]:5684",
        .options = options,
    };
    return estoc_args_parse(&usage, argc, argv, &unused);
}

int estocd_run(int argc, char **argv)
{
    const char *dir = "";
    estoc_args_list listen = {.n = 0};
    int code = parse(argc, argv, &dir, &listen);
    return code == ESTOC_ARGS_RUN ? start(dir, &listen) : code;
}
