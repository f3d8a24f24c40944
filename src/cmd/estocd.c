/* SPDX-License-Identifier: MIT
 *
 * estocd: the server. Its subcommands, and what they share.
 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "args.h"
#include "estocd.h"
#include "text.h"

int estocd_say(const char *command, const char *fmt, ...)
{
    char line[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    fprintf(stderr, "estocd %s: %s\n", command, line);
    return 1;
}

int estocd_finish(const char *command)
{
    return fflush(stdout) == 0 && !ferror(stdout)
               ? 0
               : estocd_say(command, "stdout cannot be written: %s", strerror(errno));
}

struct place {
    const char *command, *dir;
};

static void report(void *ctx, int line, const char *text)
{
    const struct place *at = ctx;
    if (line > 0) {
        estocd_say(at->command, "%s/" ESTOCD_CONF ":%d: %s", at->dir, line, text);
    } else {
        estocd_say(at->command, "%s/" ESTOCD_CONF ": %s", at->dir, text);
    }
}

static bool is_in(const char *dir, const char *name)
{
    char path[4096];
    return !estoc_path_join(path, sizeof path, dir, name) && estoc_file_exists(path);
}

bool estocd_configure(const char *command, const char *dir, estoc_config *conf)
{
    struct place at = {command, dir};
    if (is_in(dir, ESTOCD_UNFINISHED) && !is_in(dir, ESTOCD_CONF)) {
        estocd_say(command,
                   "%s: `estocd init` was interrupted there; run it again, it tells what to remove",
                   dir);
        return false;
    }
    if (is_in(dir, ESTOCD_RESTORING)) {
        estocd_say(
            command,
            "%s: `estocd restore` was interrupted there, or is at work; if it is not, remove "
            "%s and run it again",
            dir, dir);
        return false;
    }
    if (!is_in(dir, ESTOCD_CONF) && errno == ENOENT) {
        estocd_say(command, "%s: has no " ESTOCD_CONF "; make it with `estocd init --dir %s`", dir,
                   dir);
        return false;
    }
    return estoc_config_load(dir, conf, report, &at) == ESTOC_OK;
}

/* What to do where there is no CA. */
static const char *instead_of(const char *command)
{
    static const struct {
        const char *command, *text;
    } rows[] = {
        {"device", "make the device's credential by a CA that is in its client-anchors"},
        {"crl", "the CA behind it makes the lists"},
        {"approve", "what waits, see `estocd pending`, is decided there"},
        {"reject", "what waits, see `estocd pending`, is decided there; to keep a device out here, "
                   "see `deny` in estocd.conf(5)"},
        {"profiles", "its profiles are those of its estocd.conf, and are not kept in the store"},
        {"audit", "what it decides is in the log of `estocd run`"},
        {"ca", "the CA's keys are there, and not here"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t len = strlen(rows[i].command);
        if (strncmp(command, rows[i].command, len) == 0 &&
            (command[len] == '\0' || command[len] == ' ')) {
            return rows[i].text;
        }
    }
    return "ask for it there";
}

bool estocd_configure_ca(const char *command, const char *dir, estoc_config *conf)
{
    if (!estocd_configure(command, dir, conf)) {
        return false;
    }
    if (conf->authority != ESTOC_AUTHORITY_CA) {
        estocd_say(command, "%s: is a registrar, whose CA is elsewhere: %s", dir,
                   instead_of(command));
        return false;
    }
    return true;
}

estoc_store *estocd_open_store_of(const char *command, const estoc_config *conf)
{
    estoc_store *store = NULL;
    estoc_why why = {""};
    const char *path = estoc_store_path(conf->store);
    if (path != NULL && !estoc_file_exists(path)) {
        estocd_say(command, "%s: %s; is `store` in estocd.conf right?", path, strerror(errno));
        return NULL;
    }
    /* The store logs what fails as well; here that is told once, by estocd_store_failed(). */
    estoc_log_file(fopen("/dev/null", "w"));
    estoc_err err = estoc_store_open(conf->store, &store, &why);
    if (err) {
        estocd_say(command, "%s", why.text[0] != '\0' ? why.text : estoc_err_text(err));
    }
    return store;
}

estoc_store *estocd_open_store(const char *command, const char *dir)
{
    static estoc_config conf;
    return estocd_configure(command, dir, &conf) ? estocd_open_store_of(command, &conf) : NULL;
}

int estocd_store_failed(const char *command, const estoc_store *store, estoc_err err)
{
    return err == ESTOC_E_STORE ? estocd_say(command,
                                             "the store: %s; try again, or see what "
                                             "`estocd check` says about it",
                                             estoc_store_why(store))
                                : estocd_say(command, "%s", estoc_err_text(err));
}

int main(int argc, char **argv)
{
    /* clang-format off */
    static const estoc_command commands[] = {
        {"init",    "make a CA, a server credential, a store and a configuration", estocd_init},
        {"run",     "serve enrollment over CoAPS", estocd_run},
        {"check",   "tell all faults of a configuration", estocd_check},
        {"device",  "make a bootstrap credential for a device", estocd_device},
        {"list",    "list the certificates issued", estocd_list},
        {"show",    "show one certificate, or one request", estocd_show},
        {"pending", "list the requests that wait for a decision", estocd_pending},
        {"approve", "let a request have its certificate", estocd_approve},
        {"reject",  "refuse a request its certificate", estocd_reject},
        {"revoke",  "revoke a certificate", estocd_revoke},
        {"ca",      "the CA's keys: offline root, issuing CA, change of the root", estocd_ca},
        {"profiles", "publish profiles to all nodes; list and show their versions", estocd_profiles},
        {"audit",   "verify and show the log of decisions", estocd_audit},
        {"crl",     "write the list of revoked certificates", estocd_crl},
        {"stats",   "count certificates and requests", estocd_stats},
        {"backup",  "copy all that is needed to carry on into one file", estocd_backup},
        {"restore", "bring back what `estocd backup` has copied", estocd_restore},
        {NULL, NULL, NULL}};
    /* clang-format on */
    signal(SIGPIPE, SIG_IGN); /* stdout closed early is an error to report, not to die of */
    return estoc_args_main("estocd", "enrollment server: EST over CoAPS (RFC 9148)", commands, argc,
                           argv);
}
