/* SPDX-License-Identifier: MIT
 *
 * estocd stats: how many of what the store has. Whether estocd runs or not.
 */
#include <stdio.h>
#include <stdlib.h>

#include "args.h"
#include "counts.h"
#include "estocd.h"
#include "text.h"
#include "upstreams.h"

#define COMMAND "stats"
#define DAY_S   86400

struct stats {
    bool json;
    bool upstreams; /* there are some */
    estocd_table own;
};

static void each(void *ctx, const estoc_tally_row *t)
{
    const estocd_counts counts = {.issued = t->issued,
                                  .valid = t->valid,
                                  .expired = t->expired,
                                  .more = {t->revoked, t->voids},
                                  .recent = t->recent};
    estocd_table_add(ctx, t->profile, &counts);
}

static cJSON *own_json(struct stats *s, uint64_t pending, const estoc_crl_record *crl)
{
    char until[32];
    cJSON *json = cJSON_CreateObject();
    estocd_table_json_all(&s->own, json);
    cJSON_AddNumberToObject(json, "pending", (double)pending);
    if (crl->number > 0) {
        cJSON_AddNumberToObject(json, "crl_number", (double)crl->number);
        cJSON_AddStringToObject(json, "crl_next_update",
                                estoc_time_text(crl->next_update, until, sizeof until));
    }
    cJSON_AddItemToObject(json, "profiles", s->own.profiles);
    s->own.profiles = NULL;
    return json;
}

static void print_own(const struct stats *s, uint64_t pending, const estoc_crl_record *crl)
{
    char until[32];
    if (s->upstreams && s->own.n == 0 && pending == 0 && crl->number == 0) {
        return; /* a registrar */
    }
    if (s->own.n != 1) {
        estocd_table_print_all(&s->own);
    }
    printf("waiting for a person: %llu\n", (unsigned long long)pending);
    if (crl->number > 0) {
        printf("list of the revoked: number %lld, until %s\n", (long long)crl->number,
               estoc_time_text(crl->next_update, until, sizeof until));
    }
    if (s->upstreams) {
        puts("");
    }
}

static int finish(struct stats *s, estoc_store *store, int64_t now, uint64_t pending,
                  const estoc_crl_record *crl)
{
    cJSON *json = NULL;
    if (s->json) {
        json = own_json(s, pending, crl);
    } else {
        print_own(s, pending, crl);
    }
    estoc_err err = estocd_upstreams_stats(store, now, now - DAY_S, json);
    if (err) {
        cJSON_Delete(json);
        return estocd_store_failed(COMMAND, store, err);
    }
    return json != NULL ? estocd_print_json(COMMAND, json) : estocd_finish(COMMAND);
}

static int stats(const char *dir, bool json)
{
    estoc_crl_record crl;
    estoc_blob der = {NULL, 0};
    uint64_t pending = 0;
    estoc_store *store = estocd_open_store(COMMAND, dir);
    if (store == NULL) {
        return 1;
    }
    struct stats s = {.json = json,
                      .own = {.head = "PROFILE",
                              .column = {"REVOKED", "VOID"},
                              .member = {"revoked", "void"},
                              .profiles = json ? cJSON_CreateArray() : NULL}};
    int64_t now = estoc_unix_s();
    estoc_err err = estoc_store_tally(store, now, now - DAY_S, each, &s.own);
    err = err ? err : estoc_store_pending_count(store, NULL, &pending);
    if (!err) {
        err = estoc_store_crl_newest(store, &crl, &der);
        err = err == ESTOC_E_NOT_FOUND ? ESTOC_OK : err;
    }
    err = err ? err : estocd_upstreams_any(store, &s.upstreams);
    int code =
        err ? estocd_store_failed(COMMAND, store, err) : finish(&s, store, now, pending, &crl);
    cJSON_Delete(s.own.profiles);
    estoc_blob_free(&der);
    estoc_store_close(store);
    return code;
}

int estocd_stats(int argc, char **argv)
{
    const char *dir = NULL;
    const char *unused;
    bool json = false;
    const estoc_arg options[] = {
        ESTOCD_DIR_OPTION(&dir),
        ESTOCD_JSON_OPTION("print an object", &json),
        {.kind = ESTOC_ARG_END},
    };
    const estoc_usage usage = {
        .program = "estocd",
        .command = COMMAND,
        .summary = "count certificates and requests",
        .description =
            "For each profile (- is the default): certificates issued, and of them valid, expired\n"
            "and revoked; void are those that were about to be signed when a server ended; and\n"
            "what was issued in the last 24 hours. Then the requests that wait for a person, and\n"
            "the newest list of the revoked.\n\n"
            "Where estocd is a registrar: the same for what upstreams have issued, waiting are\n"
            "the requests they decide about later, lost those that got no answer; and for each\n"
            "server, as each node sees it, whether its last call came to an answer, its calls\n"
            "and those that failed since the node read its configuration, and how long the last\n"
            "answers took.",
        .example = "  estocd stats --dir ~/est\n"
                   "  estocd stats --dir ~/est --json | jq .issued_last_day",
        .options = options,
    };
    int code = estoc_args_parse(&usage, argc, argv, &unused);
    return code == ESTOC_ARGS_RUN ? stats(dir, json) : code;
}
