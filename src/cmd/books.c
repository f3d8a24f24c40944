/* SPDX-License-Identifier: MIT */
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "books.h"
#include "text.h"

/* Who sits there, as far as the system knows. */
static const char *person(char *out, size_t cap)
{
    const struct passwd *user = getpwuid(getuid());
    const char *sudo = getenv("SUDO_USER");
    if (user == NULL) {
        snprintf(out, cap, "uid %lu", (unsigned long)getuid());
    } else if (sudo != NULL && sudo[0] != '\0') {
        snprintf(out, cap, "%.60s, by sudo of %.60s", user->pw_name, sudo);
    } else {
        snprintf(out, cap, "%.60s", user->pw_name);
    }
    return out;
}

static estoc_err bring(const estocd_books *b, estoc_why *why)
{
    estoc_trail trail;
    estoc_trail_init(&trail, b->conf.audit, b->conf.audit_syslog);
    estoc_err err = estoc_audit_start(&trail, b->store, b->conf.node, why);
    if (err && why->text[0] == '\0') {
        estoc_why_set(why, "%s", estoc_err_text(err));
    }
    estoc_trail_close(&trail);
    return err;
}

/* A store that is older than its log is not decided in; a log that cannot be written can wait. */
static int check_log(const estocd_books *b)
{
    estoc_why why = {""};
    return bring(b, &why) == ESTOC_E_STATE ? estocd_say(b->command, "%s", why.text) : 0;
}

bool estocd_books_open(const char *command, const char *dir, estocd_books *b)
{
    b->command = command;
    b->store = NULL;
    b->behind = NULL;
    if (!estocd_configure_ca(command, dir, &b->conf)) {
        return false;
    }
    b->store = estocd_open_store_of(command, &b->conf);
    if (b->store == NULL) {
        return false;
    }
    int code = check_log(b);
    estoc_err err = code ? ESTOC_E_STATE : estoc_store_begin(b->store);
    if (err) {
        code = code ? code : estocd_store_failed(command, b->store, err);
        estocd_books_close(b);
    }
    return !code;
}

static estoc_err note(const estocd_books *b, const estoc_audit_entry *e)
{
    estoc_audit_batch batch;
    estoc_audit_entry entry = *e;
    char who[160];
    estoc_err err = ESTOC_OK;
    entry.at = estoc_unix_s();
    entry.by = person(who, sizeof who);
    estoc_audit_begin(&batch, b->store, b->behind != NULL ? b->behind->node : b->conf.node);
    if (b->behind != NULL) {
        err = estoc_audit_begin_behind(&batch, b->behind->last, b->behind->hash);
    }
    if (!err) {
        estoc_audit_put(&batch, &entry);
    }
    estoc_err last = estoc_audit_end(&batch, 0);
    return err ? err : last;
}

estoc_err estocd_books_enter(estocd_books *b, estoc_err err, const estoc_audit_entry *e)
{
    err = err ? err : note(b, e);
    err = err ? err : estoc_store_commit(b->store);
    if (err) {
        estoc_store_rollback(b->store);
        return err;
    }
    estoc_why why = {""};
    if (bring(b, &why)) {
        fprintf(stderr, "estocd %s: note: done, but not written to the audit log yet: %s\n",
                b->command, why.text);
    }
    return ESTOC_OK;
}

void estocd_books_close(estocd_books *b)
{
    estoc_store_close(b->store);
    b->store = NULL;
}
