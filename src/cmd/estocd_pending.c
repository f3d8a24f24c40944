/* SPDX-License-Identifier: MIT
 *
 * estocd pending, approve, reject: a person decides about a request, here or upstream. A running server sees it in the
 * store when the device asks again.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "books.h"
#include "crypto.h"
#include "estocd.h"
#include "relayed.h"
#include "text.h"

/* ------------------------------------------------------------------------------------ one request */

bool estocd_request_parse(const char *text, int64_t *id)
{
    char *end;
    text += *text == 'r' || *text == 'R';
    *id = isdigit((unsigned char)*text) ? strtoll(text, &end, 10) : 0;
    return *id > 0 && *id < INT64_MAX && *end == '\0';
}

static const char *state_of(const estoc_pending *p)
{
    return p->decision == ESTOC_UNDECIDED  ? "pending"
           : p->decision == ESTOC_REJECTED ? "rejected"
           : p->serial_len > 0             ? "issued"
                                           : "approved";
}

/* As the commands write and take it: no serial number begins with an r. */
static const char *name_of(const estoc_pending *p, char out[24])
{
    snprintf(out, 24, "r%lld", (long long)p->id);
    return out;
}

static void add_digest(cJSON *json, const char *name, const uint8_t digest[32])
{
    char hex[65];
    cJSON_AddStringToObject(json, name, estoc_hex(estoc_slice_of(digest, 32), hex, sizeof hex));
}

static cJSON *json_of(const estoc_pending *p)
{
    char text[2 * ESTOC_SERIAL_MAX + 1];
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "id", name_of(p, text));
    cJSON_AddStringToObject(json, "state", state_of(p));
    cJSON_AddStringToObject(json, "op", p->op);
    cJSON_AddStringToObject(json, "profile", p->profile);
    cJSON_AddStringToObject(json, "subject", p->subject);
    cJSON_AddStringToObject(json, "asked_at", estoc_time_text(p->asked_at, text, sizeof text));
    if (p->decision != ESTOC_UNDECIDED) {
        cJSON_AddStringToObject(json, "decided_at",
                                estoc_time_text(p->decided_at, text, sizeof text));
    }
    if (p->serial_len > 0) {
        estoc_slice serial = estoc_slice_of(p->serial, p->serial_len);
        cJSON_AddStringToObject(json, "serial", estoc_hex(serial, text, sizeof text));
    }
    add_digest(json, "identity_sha256", p->identity);
    uint8_t digest[32]; /* that in the store tells /skg from /sen as well */
    if (estoc_sha256(p->request, digest) == ESTOC_OK) {
        add_digest(json, "request_sha256", digest);
    }
    return json;
}

/* The key asked for, which a person can compare. */
static bool key_digest(const estoc_pending *p, uint8_t out[32])
{
    estoc_csr csr;
    return estoc_csr_parse(&csr, p->request) == ESTOC_OK &&
           estoc_sha256(csr.spki.der, out) == ESTOC_OK;
}

struct view {
    const char *command;
    bool json, found;
    int code;
};

static int print_request(const struct view *v, const estoc_pending *p, const char *pem)
{
    char text[65];
    uint8_t key[32];
    bool has_key = key_digest(p, key);
    if (v->json) {
        cJSON *json = json_of(p);
        if (has_key) {
            add_digest(json, "key_sha256", key);
        }
        cJSON_AddStringToObject(json, "pem", pem);
        return estocd_print_json(v->command, json);
    }
    printf("request   %s, to %s\n", name_of(p, text), p->op);
    printf("subject   %s\n", p->subject);
    printf("profile   %s\n", p->profile[0] != '\0' ? p->profile : "-");
    printf("state     %s\n", state_of(p));
    printf("asked     %s\n", estoc_time_text(p->asked_at, text, sizeof text));
    if (p->decision != ESTOC_UNDECIDED) {
        printf("decided   %s\n", estoc_time_text(p->decided_at, text, sizeof text));
    }
    if (p->serial_len > 0) {
        estoc_slice serial = estoc_slice_of(p->serial, p->serial_len);
        printf("serial    %s\n", estoc_hex(serial, text, sizeof text));
    }
    printf("asked by  %s (SHA-256 of the certificate)\n",
           estoc_hex(estoc_slice_of(p->identity, 32), text, sizeof text));
    if (has_key) {
        printf("key       %s (SHA-256)\n", estoc_hex(estoc_slice_of(key, 32), text, sizeof text));
    }
    printf("\n%s", pem);
    return estocd_finish(v->command);
}

/* The request, then the certificate that asked. */
static bool show_one(void *ctx, const estoc_pending *p)
{
    struct view *v = ctx;
    char pem[65536];
    estoc_blob csr = {NULL, 0};
    estoc_blob client = {NULL, 0};
    v->found = true;
    if (estoc_csr_pem(p->request, &csr) || estoc_certs_pem(&p->client, 1, &client)) {
        v->code = estocd_say(v->command, "%s", estoc_err_text(ESTOC_E_MEMORY));
    } else {
        snprintf(pem, sizeof pem, "%.*s%.*s", (int)csr.len, (const char *)csr.ptr, (int)client.len,
                 (const char *)client.ptr);
        v->code = print_request(v, p, pem);
    }
    estoc_blob_free(&csr);
    estoc_blob_free(&client);
    return false;
}

#define NO_SUCH_REQUEST "there is no such request; `estocd pending --all` has them"

int estocd_show_request(const char *command, estoc_store *store, int64_t id, bool json)
{
    struct view v = {.command = command, .json = json};
    estoc_err err = estoc_store_pending_each(store, id, show_one, &v);
    return err        ? estocd_store_failed(command, store, err)
           : !v.found ? estocd_say(command, "r%lld: " NO_SUCH_REQUEST, (long long)id)
                      : v.code;
}

/* ---------------------------------------------------------------------------------------- pending */

struct listing {
    bool json, all, failed;
    size_t n;
};

struct row {
    const char *name, *state, *op, *profile, *subject;
    int64_t asked_at;
    const char *upstream; /* where it waits; "": here */
};

static bool print_row(const struct listing *l, const struct row *r)
{
    char asked[32];
    if (l->n == 0) {
        printf("%-8s  %-20s  %-8s  %-4s  %-12s  %s\n", "ID", "ASKED", "STATE", "OP", "PROFILE",
               "SUBJECT");
    }
    return printf("%-8s  %-20s  %-8s  %-4s  %-12s  %s%s%s\n", r->name,
                  estoc_time_text(r->asked_at, asked, sizeof asked), r->state, r->op,
                  r->profile[0] != '\0' ? r->profile : "-", r->subject,
                  r->upstream[0] != '\0' ? "  at " : "", r->upstream) >= 0;
}

static bool each(void *ctx, const estoc_pending *p)
{
    struct listing *l = ctx;
    char name[24];
    const struct row row = {.name = name_of(p, name),
                            .state = state_of(p),
                            .op = p->op,
                            .profile = p->profile,
                            .subject = p->subject,
                            .asked_at = p->asked_at,
                            .upstream = ""};
    if (!l->all && p->decision != ESTOC_UNDECIDED) {
        return true;
    }
    l->failed = l->json ? !estocd_print_element(l->n, json_of(p)) : !print_row(l, &row);
    l->n++;
    return !l->failed;
}

static bool each_relayed(void *ctx, const estoc_relay *r)
{
    struct listing *l = ctx;
    char name[24];
    const struct row row = {.name = estocd_relay_name(r, name),
                            .state = estocd_relay_state(r),
                            .op = r->op,
                            .profile = r->profile,
                            .subject = r->subject,
                            .asked_at = r->asked_at,
                            .upstream = r->upstream};
    if (r->state == ESTOC_RELAY_ISSUED || (!l->all && r->state == ESTOC_RELAY_SENT)) {
        return true;
    }
    l->failed =
        l->json ? !estocd_print_element(l->n, estocd_relay_request_json(r)) : !print_row(l, &row);
    l->n++;
    return !l->failed;
}

static int list(const char *dir, bool all, bool json)
{
    struct listing l = {.all = all, .json = json};
    estoc_store *store = estocd_open_store("pending", dir);
    if (store == NULL) {
        return 1;
    }
    estoc_err err = estoc_store_pending_each(store, 0, each, &l);
    if (!err && !l.failed) {
        err = estoc_relay_each(store, NULL, each_relayed, &l);
    }
    if (json && !l.failed) {
        estocd_print_end(l.n);
    } else if (l.n == 0 && !err) {
        fprintf(stderr, "estocd pending: no request%s\n", all ? " so far" : " waits");
    }
    int code = err ? estocd_store_failed("pending", store, err) : estocd_finish("pending");
    estoc_store_close(store);
    return code;
}

int estocd_pending(int argc, char **argv)
{
    const char *dir = NULL;
    const char *unused;
    bool json = false;
    bool all = false;
    const estoc_arg options[] = {
        ESTOCD_DIR_OPTION(&dir),
        {.name = "all",
         .kind = ESTOC_ARG_FLAG,
         .help = "those that were decided, or are just being sent, too",
         .to.flag = &all},
        ESTOCD_JSON_OPTION("an array of objects", &json),
        {.kind = ESTOC_ARG_END},
    };
    const estoc_usage usage = {
        .program = "estocd",
        .command = "pending",
        .summary = "list the requests that wait for a decision",
        .description =
            "One line each, the oldest first: number, time (UTC), state (pending, approved,\n"
            "rejected, issued), resource, profile (- is the default), subject. There are some\n"
            "where a profile in estocd.conf has `approval = manual`. `estocd show ID` shows one\n"
            "in full, `estocd approve ID` and `estocd reject ID` decide. Works while estocd\n"
            "runs, and when it does not.\n\n"
            "Where estocd is a registrar, also those that wait at an upstream, where somebody\n"
            "else decides, and those that were sent and got no answer (waiting, lost).",
        .example = "  estocd pending --dir ~/est\n"
                   "  estocd pending --dir ~/est --json | jq -r '.[].id'",
        .options = options,
    };
    int code = estoc_args_parse(&usage, argc, argv, &unused);
    return code == ESTOC_ARGS_RUN ? list(dir, all, json) : code;
}

/* ------------------------------------------------------------------------------ approve and reject */

static bool tell(void *ctx, const estoc_pending *p)
{
    struct view *v = ctx;
    char name[24];
    v->found = true;
    if (v->json) {
        v->code = estocd_print_json(v->command, json_of(p));
    } else {
        fprintf(stderr, "%s %s, %s; the device is told when it asks again\n", state_of(p),
                name_of(p, name), p->subject);
    }
    return false;
}

/* What a line says about a request; the store's own texts do not live that long. */
struct noted {
    char subject[512], profile[64];
    uint8_t identity[32], csr[32];
};

static bool note(void *ctx, const estoc_pending *p)
{
    struct noted *n = ctx;
    snprintf(n->subject, sizeof n->subject, "%s", p->subject);
    snprintf(n->profile, sizeof n->profile, "%s", p->profile);
    memcpy(n->identity, p->identity, sizeof n->identity);
    memcpy(n->csr, p->csr, sizeof n->csr);
    return false;
}

static estoc_err decide_noted(estocd_books *books, int64_t id, estoc_decision decision)
{
    struct noted n = {.subject = ""};
    estoc_audit_entry entry = {.op = books->command,
                               .result = decision == ESTOC_APPROVED ? "approved" : "rejected",
                               .profile = n.profile,
                               .subject = n.subject,
                               .request = id,
                               .client_sha256 = estoc_slice_of(n.identity, sizeof n.identity),
                               .csr_sha256 = estoc_slice_of(n.csr, sizeof n.csr)};
    estoc_err err = estoc_store_decide(books->store, id, decision, estoc_unix_s());
    err = err ? err : estoc_store_pending_each(books->store, id, note, &n);
    return estocd_books_enter(books, err, &entry);
}

static int decide(const char *command, const char *text, estoc_decision decision, const char *dir,
                  bool json)
{
    struct view v = {.command = command, .json = json};
    int64_t id;
    if (estocd_relay_parse(text, &id)) {
        return estocd_relay_is_not_ours(
            command, dir, id,
            decision == ESTOC_APPROVED
                ? "there is nothing to approve here"
                : "to keep the device out here, see `deny` in estocd.conf(5)");
    }
    if (!estocd_request_parse(text, &id)) {
        return estocd_say(command, "%.100s: not the number of a request; `estocd pending` has them",
                          text);
    }
    static estocd_books books;
    if (!estocd_books_open(command, dir, &books)) {
        return 1;
    }
    estoc_err err = decide_noted(&books, id, decision);
    bool issued = err == ESTOC_E_STATE;
    bool missing = err == ESTOC_E_NOT_FOUND;
    err = err ? err : estoc_store_pending_each(books.store, id, tell, &v);
    int code = issued    ? estocd_say(command,
                                      "%.100s: a certificate was issued already; `estocd show` has "
                                         "its serial number, `estocd revoke` takes it back",
                                      text)
               : missing ? estocd_say(command, "%.100s: " NO_SUCH_REQUEST, text)
               : err     ? estocd_store_failed(command, books.store, err)
                         : v.code;
    estocd_books_close(&books);
    return code;
}

/* `usage` says what is said of the one and not of the other. */
static int command(estoc_usage usage, estoc_decision decision, int argc, char **argv)
{
    const char *dir = NULL;
    const char *id;
    bool json = false;
    const estoc_arg options[] = {
        ESTOCD_DIR_OPTION(&dir),
        ESTOCD_JSON_OPTION("print the request as an object", &json),
        {.kind = ESTOC_ARG_END},
    };
    usage.program = "estocd";
    usage.positional = "ID";
    usage.options = options;
    int code = estoc_args_parse(&usage, argc, argv, &id);
    return code == ESTOC_ARGS_RUN ? decide(usage.command, id, decision, dir, json) : code;
}

int estocd_approve(int argc, char **argv)
{
    const estoc_usage usage = {
        .command = "approve",
        .summary = "let a request have its certificate",
        .description =
            "ID is what `estocd pending` lists. The certificate is issued when the device asks\n"
            "again, if the rules in estocd.conf and its own certificate still allow it then.\n"
            "Until that, `estocd reject` takes the approval back.",
        .example = "  estocd show r12 --dir ~/est && estocd approve r12 --dir ~/est",
    };
    return command(usage, ESTOC_APPROVED, argc, argv);
}

int estocd_reject(int argc, char **argv)
{
    const estoc_usage usage = {
        .command = "reject",
        .summary = "refuse a request its certificate",
        .description =
            "ID is what `estocd pending` lists. The device is answered 4.03 when it asks\n"
            "again. It may come with another request; to keep it out, take the CA that\n"
            "vouches for it from the client anchors, or revoke its certificate.",
        .example = "  estocd reject r12 --dir ~/est",
    };
    return command(usage, ESTOC_REJECTED, argc, argv);
}
