/* SPDX-License-Identifier: MIT
 *
 * estocd profiles: which there have been, by version, and which all nodes are to serve.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "books.h"
#include "crypto.h"
#include "estocd.h"
#include "text.h"

#define PROFILES "profiles"
#define PUBLISH  PROFILES " publish"
#define LIST     PROFILES " list"
#define SHOW     PROFILES " show"

static int tell_version(const char *command, int64_t version, bool json)
{
    if (!json) {
        fprintf(stderr, "version %lld is published: nodes with `profiles = store` serve it now\n",
                (long long)version);
        return 0;
    }
    cJSON *object = cJSON_CreateObject();
    cJSON_AddNumberToObject(object, "version", (double)version);
    return estocd_print_json(command, object);
}

static int publish(const char *dir, bool json)
{
    static estocd_books books;
    uint8_t digest[32];
    if (!estocd_books_open(PUBLISH, dir, &books)) {
        return 1;
    }
    const char *text = books.conf.policy;
    estoc_audit_entry entry = {.op = PROFILES, .result = "published"};
    estoc_err err = estoc_sha256(estoc_slice_str(text), digest);
    err =
        err ? err
            : estoc_store_policy_publish(books.store, digest, text, estoc_unix_s(), &entry.policy);
    err = estocd_books_enter(&books, err, &entry);
    int code = err ? estocd_store_failed(PUBLISH, books.store, err)
                   : tell_version(PUBLISH, entry.policy, json);
    estocd_books_close(&books);
    return code;
}

struct listing {
    int64_t published;
    size_t n;
    bool json;
};

static bool print_version(void *ctx, int64_t version, int64_t made_at)
{
    struct listing *l = ctx;
    char at[32];
    bool published = version == l->published;
    estoc_time_text(made_at, at, sizeof at);
    if (l->json) {
        cJSON *object = cJSON_CreateObject();
        cJSON_AddNumberToObject(object, "version", (double)version);
        cJSON_AddStringToObject(object, "made", at);
        cJSON_AddBoolToObject(object, "published", published);
        return estocd_print_element(l->n++, object);
    }
    if (l->n++ == 0) {
        printf("%-8s  %-20s  %s\n", "VERSION", "MADE", "PUBLISHED");
    }
    return printf("%-8lld  %-20s  %s\n", (long long)version, at, published ? "yes" : "no") >= 0;
}

static estoc_store *open_store(const char *command, const char *dir)
{
    static estoc_config conf;
    return estocd_configure_ca(command, dir, &conf) ? estocd_open_store_of(command, &conf) : NULL;
}

static int list(const char *dir, bool json)
{
    struct listing l = {.json = json};
    estoc_store *store = open_store(LIST, dir);
    if (store == NULL) {
        return 1;
    }
    estoc_err err = estoc_store_policy_published(store, &l.published, NULL);
    err = err == ESTOC_E_NOT_FOUND ? ESTOC_OK : err;
    err = err ? err : estoc_store_policy_each(store, print_version, &l);
    if (!err && json) {
        estocd_print_end(l.n);
    }
    int code = err ? estocd_store_failed(LIST, store, err) : estocd_finish(LIST);
    estoc_store_close(store);
    return code;
}

static int show(const char *dir, const char *which)
{
    bool published = strcmp(which, "published") == 0;
    char *end;
    long long number = strtoll(which, &end, 10);
    int64_t version = number;
    if (!published && (which[0] < '0' || which[0] > '9' || *end != '\0')) {
        return estocd_say(SHOW,
                          "%.40s: neither a version, as `estocd profiles list` has them, nor "
                          "`published`",
                          which);
    }
    estoc_store *store = open_store(SHOW, dir);
    if (store == NULL) {
        return 1;
    }
    estoc_blob text;
    estoc_err err = published ? estoc_store_policy_published(store, &version, &text)
                              : estoc_store_policy_text(store, version, &text);
    int code;
    if (err == ESTOC_E_NOT_FOUND) {
        code = published
                   ? estocd_say(SHOW, "none are published; `estocd " PUBLISH "` does")
                   : estocd_say(SHOW, "%.40s: no such version; `estocd " LIST "` has them", which);
    } else if (err) {
        code = estocd_store_failed(SHOW, store, err);
    } else {
        (void)fwrite(text.ptr, 1, text.len, stdout);
        code = estocd_finish(SHOW);
    }
    estoc_blob_free(&text);
    estoc_store_close(store);
    return code;
}

/* -------------------------------------------------------------------------------- the command lines */

static int run_publish(int argc, char **argv)
{
    const char *dir = NULL;
    const char *unused;
    bool json = false;
    const estoc_arg options[] = {
        ESTOCD_DIR_OPTION(&dir),
        ESTOCD_JSON_OPTION("print the version as an object", &json),
        {.kind = ESTOC_ARG_END},
    };
    const estoc_usage usage = {
        .program = "estocd",
        .command = PUBLISH,
        .summary = "make the profiles of a configuration those of all nodes",
        .description =
            "The [profile] sections of DIR/estocd.conf go into the store, as a version of\n"
            "their own, and all servers on it that have `profiles = store` serve them within\n"
            "a second: a request that is under way goes by the old ones, the next one of the\n"
            "same association by the new.",
        .example = "  estocd profiles publish --dir ~/est",
        .options = options,
    };
    int code = estoc_args_parse(&usage, argc, argv, &unused);
    return code == ESTOC_ARGS_RUN ? publish(dir, json) : code;
}

static int run_list(int argc, char **argv)
{
    const char *dir = NULL;
    const char *unused;
    bool json = false;
    const estoc_arg options[] = {
        ESTOCD_DIR_OPTION(&dir),
        ESTOCD_JSON_OPTION("an array of objects", &json),
        {.kind = ESTOC_ARG_END},
    };
    const estoc_usage usage = {
        .program = "estocd",
        .command = LIST,
        .summary = "list the versions that profiles have had",
        .description = "Each set of profiles that a server on this store has served has a number, "
                       "which stands\n"
                       "with each certificate that was issued by it (`estocd show`).",
        .example = "  estocd profiles list --dir ~/est",
        .options = options,
    };
    int code = estoc_args_parse(&usage, argc, argv, &unused);
    return code == ESTOC_ARGS_RUN ? list(dir, json) : code;
}

static int run_show(int argc, char **argv)
{
    const char *dir = NULL;
    const char *version;
    const estoc_arg options[] = {
        ESTOCD_DIR_OPTION(&dir),
        {.kind = ESTOC_ARG_END},
    };
    const estoc_usage usage = {
        .program = "estocd",
        .command = SHOW,
        .positional = "VERSION",
        .summary = "print the profiles of a version",
        .description = "As they would stand in estocd.conf; what is not there had its default.\n"
                       "VERSION: a number, or `published`.",
        .example = "  estocd profiles show 3 --dir ~/est\n"
                   "  estocd profiles show published --dir ~/est",
        .options = options,
    };
    int code = estoc_args_parse(&usage, argc, argv, &version);
    return code == ESTOC_ARGS_RUN ? show(dir, version) : code;
}

int estocd_profiles(int argc, char **argv)
{
    static const estoc_command commands[] = {
        {"publish", "make the profiles of a configuration those of all nodes", run_publish},
        {"list", "list the versions that profiles have had", run_list},
        {"show", "print the profiles of a version", run_show},
        {NULL, NULL, NULL}};
    return estoc_args_main("estocd " PROFILES, "the rules by which certificates are issued",
                           commands, argc, argv);
}
