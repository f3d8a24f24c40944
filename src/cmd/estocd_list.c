/* SPDX-License-Identifier: MIT
 *
 * estocd list: the certificates issued, here and by upstreams, oldest first. Reads the store, whether estocd runs or not.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "crypto.h"
#include "estocd.h"
#include "relayed.h"
#include "text.h"

#define COMMAND "list"

const char *estocd_record_state(const estoc_record *rec)
{
    return rec->revoked_at != 0                ? "revoked"
           : rec->state == ESTOC_RECORD_VOID   ? "void"
           : rec->state == ESTOC_RECORD_INTENT ? "intent"
           : rec->not_after < estoc_unix_s()   ? "expired"
                                               : "valid";
}

static void add_time(cJSON *json, const char *name, int64_t at)
{
    char text[32];
    cJSON_AddStringToObject(json, name, estoc_time_text(at, text, sizeof text));
}

cJSON *estocd_record_json(const estoc_record *rec)
{
    char hex[2 * ESTOC_SERIAL_MAX + 1];
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(
        json, "serial", estoc_hex(estoc_slice_of(rec->serial, rec->serial_len), hex, sizeof hex));
    cJSON_AddStringToObject(json, "subject", rec->subject);
    cJSON_AddStringToObject(json, "profile", rec->profile);
    cJSON_AddNumberToObject(json, "policy", (double)rec->policy);
    cJSON_AddStringToObject(json, "state", estocd_record_state(rec));
    add_time(json, "issued_at", rec->issued_at);
    add_time(json, "not_before", rec->not_before);
    add_time(json, "not_after", rec->not_after);
    if (rec->revoked_at != 0) {
        add_time(json, "revoked_at", rec->revoked_at);
        cJSON_AddStringToObject(json, "reason", estocd_reason_name(rec->reason));
    }
    return json;
}

int estocd_print_json(const char *command, cJSON *json)
{
    char *text = cJSON_Print(json);
    cJSON_Delete(json);
    if (text == NULL) {
        return estocd_say(command, "%s", estoc_err_text(ESTOC_E_MEMORY));
    }
    puts(text);
    free(text);
    return estocd_finish(command);
}

bool estocd_print_element(size_t i, cJSON *json)
{
    char *text = cJSON_PrintUnformatted(json);
    cJSON_Delete(json);
    bool printed = text != NULL && printf("%s%s", i > 0 ? ",\n " : "[", text) >= 0;
    free(text);
    return printed;
}

void estocd_print_end(size_t n)
{
    printf(n > 0 ? "]\n" : "[]\n");
}

struct listing {
    bool json, digests;
    bool failed;
    size_t n;
};

struct row {
    estoc_slice serial;
    int64_t issued_at, not_after;
    const char *state, *profile, *subject;
    const char *upstream; /* NULL: it is ours */
};

static bool print_row(const struct listing *l, const struct row *r)
{
    char hex[2 * ESTOC_SERIAL_MAX + 1], issued[32], end[32];
    if (l->n == 0) {
        printf("%-32s  %-10s  %-10s  %-7s  %-12s  %s\n", "SERIAL", "ISSUED", "EXPIRES", "STATE",
               "PROFILE", "SUBJECT");
    }
    estoc_hex(r->serial, hex, sizeof hex);
    estoc_time_text(r->issued_at, issued, sizeof issued);
    estoc_time_text(r->not_after, end, sizeof end);
    return printf("%-32s  %-10.10s  %-10.10s  %-7s  %-12s  %s%s%s\n", hex, issued, end, r->state,
                  r->profile[0] != '\0' ? r->profile : "-", r->subject,
                  r->upstream != NULL ? "  by " : "", r->upstream != NULL ? r->upstream : "") >= 0;
}

static void add_digest(cJSON *json, const char *name, const uint8_t digest[32])
{
    char hex[2 * 32 + 1];
    cJSON_AddStringToObject(json, name, estoc_hex(estoc_slice_of(digest, 32), hex, sizeof hex));
}

static bool print_element(const struct listing *l, cJSON *json, const uint8_t csr[32],
                          estoc_slice der)
{
    uint8_t cert[32];
    if (l->digests && !estoc_sha256(der, cert)) {
        add_digest(json, "request_sha256", csr);
        add_digest(json, "sha256", cert);
    }
    return estocd_print_element(l->n, json);
}

static bool each(void *ctx, const estoc_record *rec)
{
    struct listing *l = ctx;
    const struct row row = {.serial = estoc_slice_of(rec->serial, rec->serial_len),
                            .issued_at = rec->issued_at,
                            .not_after = rec->not_after,
                            .state = estocd_record_state(rec),
                            .profile = rec->profile,
                            .subject = rec->subject};
    l->failed = l->json ? !print_element(l, estocd_record_json(rec), rec->csr, rec->cert)
                        : !print_row(l, &row);
    l->n++;
    return !l->failed;
}

static bool each_relayed(void *ctx, const estoc_relay *r)
{
    struct listing *l = ctx;
    const struct row row = {.serial = estoc_slice_of(r->serial, r->serial_len),
                            .issued_at = r->changed_at,
                            .not_after = r->not_after,
                            .state = estocd_relay_state(r),
                            .profile = r->profile,
                            .subject = r->subject,
                            .upstream = r->upstream};
    if (r->state != ESTOC_RELAY_ISSUED) {
        return true; /* `estocd pending` has it */
    }
    l->failed =
        l->json ? !print_element(l, estocd_relay_json(r), r->csr, r->cert) : !print_row(l, &row);
    l->n++;
    return !l->failed;
}

static int list(const char *dir, const char *match, bool json, bool digests)
{
    struct listing l = {.json = json, .digests = digests};
    estoc_store *store = estocd_open_store(COMMAND, dir);
    if (store == NULL) {
        return 1;
    }
    estoc_err err = estoc_store_each(store, match, each, &l);
    if (!err && !l.failed) {
        err = estoc_relay_each(store, match, each_relayed, &l);
    }
    if (json && !l.failed) {
        estocd_print_end(l.n);
    } else if (l.n == 0 && !err) {
        fprintf(stderr, "estocd " COMMAND ": no certificate%s%s\n",
                match != NULL ? " that has " : " so far", match != NULL ? match : "");
    }
    int code = err ? estocd_store_failed(COMMAND, store, err) : estocd_finish(COMMAND);
    estoc_store_close(store);
    return code;
}

int estocd_list(int argc, char **argv)
{
    const char *dir = NULL;
    const char *match = NULL;
    const char *unused;
    bool json = false;
    bool digests = false;
    const estoc_arg options[] = {
        ESTOCD_DIR_OPTION(&dir),
        {.name = "match",
         .kind = ESTOC_ARG_TEXT,
         .metavar = "TEXT",
         .help = "only those with this in their subject, serial number or upstream",
         .to.text = &match},
        ESTOCD_JSON_OPTION("an array of objects", &json),
        {.name = "digests",
         .kind = ESTOC_ARG_FLAG,
         .help = "with --json: those of request and certificate, too",
         .to.flag = &digests},
        {.kind = ESTOC_ARG_END},
    };
    const estoc_usage usage = {
        .program = "estocd",
        .command = COMMAND,
        .summary = "list the certificates issued",
        .description =
            "One line each, the oldest first: serial number, days of issue and of expiry (UTC),\n"
            "state, profile (- is the default), subject, and by which upstream, where estocd is\n"
            "a registrar. Works while estocd runs, and when it does not. `estocd show SERIAL`\n"
            "shows one in full.",
        .example = "  estocd list --dir ~/est --match CN=sensor\n"
                   "  estocd list --dir ~/est --json | jq -r '.[].serial'",
        .options = options,
    };
    int code = estoc_args_parse(&usage, argc, argv, &unused);
    return code == ESTOC_ARGS_RUN ? list(dir, match, json, digests) : code;
}
