/* SPDX-License-Identifier: MIT */
#include "relayed.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto.h"
#include "text.h"

/* ------------------------------------------------------------------------------------------- texts */

const char *estocd_relay_state(const estoc_relay *r)
{
    switch (r->state) {
    case ESTOC_RELAY_SENT:
        return "sent";
    case ESTOC_RELAY_WAITING:
        return "waiting";
    case ESTOC_RELAY_LOST:
        return "lost";
    case ESTOC_RELAY_ISSUED:
        break;
    }
    return r->not_after < estoc_unix_s() ? "expired" : "valid";
}

bool estocd_relay_parse(const char *text, int64_t *id)
{
    char *end;
    bool numbered = (*text == 'u' || *text == 'U') && isdigit((unsigned char)text[1]);
    *id = numbered ? strtoll(text + 1, &end, 10) : 0;
    return *id > 0 && *id < INT64_MAX && *end == '\0';
}

const char *estocd_relay_name(const estoc_relay *r, char out[24])
{
    snprintf(out, 24, "u%lld", (long long)r->id);
    return out;
}

static const char *serial_text(const estoc_relay *r, char out[2 * ESTOC_SERIAL_MAX + 1])
{
    return estoc_hex(estoc_slice_of(r->serial, r->serial_len), out, 2 * ESTOC_SERIAL_MAX + 1);
}

static const char *digest_text(const uint8_t digest[32], char out[65])
{
    return estoc_hex(estoc_slice_of(digest, 32), out, 65);
}

/* The key that was certified. */
static bool key_digest(const estoc_relay *r, uint8_t out[32])
{
    estoc_cert cert;
    return estoc_cert_parse(&cert, r->cert) == ESTOC_OK &&
           estoc_sha256(cert.spki.der, out) == ESTOC_OK;
}

/* -------------------------------------------------------------------------------------------- JSON */

static void add_time(cJSON *json, const char *name, int64_t at)
{
    char text[32];
    cJSON_AddStringToObject(json, name, estoc_time_text(at, text, sizeof text));
}

static void add_digest(cJSON *json, const char *name, const uint8_t digest[32])
{
    char hex[65];
    cJSON_AddStringToObject(json, name, digest_text(digest, hex));
}

cJSON *estocd_relay_json(const estoc_relay *r)
{
    char hex[2 * ESTOC_SERIAL_MAX + 1];
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "serial", serial_text(r, hex));
    cJSON_AddStringToObject(json, "subject", r->subject);
    cJSON_AddStringToObject(json, "profile", r->profile);
    cJSON_AddStringToObject(json, "state", estocd_relay_state(r));
    add_time(json, "issued_at", r->changed_at);
    add_time(json, "not_before", r->not_before);
    add_time(json, "not_after", r->not_after);
    cJSON_AddStringToObject(json, "upstream", r->upstream);
    return json;
}

cJSON *estocd_relay_request_json(const estoc_relay *r)
{
    char name[24];
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "id", estocd_relay_name(r, name));
    cJSON_AddStringToObject(json, "state", estocd_relay_state(r));
    cJSON_AddStringToObject(json, "op", r->op);
    cJSON_AddStringToObject(json, "profile", r->profile);
    cJSON_AddStringToObject(json, "subject", r->subject);
    cJSON_AddStringToObject(json, "upstream", r->upstream);
    cJSON_AddStringToObject(json, "node", r->node);
    add_time(json, "asked_at", r->asked_at);
    add_time(json, "changed_at", r->changed_at);
    if (r->state == ESTOC_RELAY_WAITING) {
        add_time(json, "retry_at", r->retry_at);
    }
    add_digest(json, "identity_sha256", r->identity);
    add_digest(json, "request_sha256", r->csr);
    return json;
}

static cJSON *whole_json(const estoc_relay *r, const char *pem)
{
    uint8_t key[32];
    cJSON *json = estocd_relay_json(r);
    cJSON_AddStringToObject(json, "op", r->op);
    cJSON_AddStringToObject(json, "node", r->node);
    add_time(json, "asked_at", r->asked_at);
    add_digest(json, "identity_sha256", r->identity);
    add_digest(json, "request_sha256", r->csr);
    if (key_digest(r, key)) {
        add_digest(json, "key_sha256", key);
    }
    cJSON_AddStringToObject(json, "pem", pem);
    return json;
}

/* ----------------------------------------------------------------------------------------- in full */

struct view {
    const char *command;
    estoc_slice serial; /* the one wanted; or */
    int64_t id;
    bool json;
    size_t n;    /* how many there will be */
    size_t seen; /* so far */
    int code;
    char url[256]; /* of the first */
    estoc_relay_state state;
};

static void print_common(const estoc_relay *r)
{
    char hex[65], at[32];
    printf("upstream  %s\n", r->upstream[0] != '\0' ? r->upstream : "-");
    printf("node      %s\n", r->node);
    printf("asked     %s, to %s\n", estoc_time_text(r->asked_at, at, sizeof at), r->op);
    printf("asked by  %s (SHA-256 of the certificate)\n", digest_text(r->identity, hex));
    printf("request   %s (SHA-256)\n", digest_text(r->csr, hex));
}

static int print_cert(const struct view *v, const estoc_relay *r, const char *pem)
{
    char hex[65], at[32];
    uint8_t key[32];
    estoc_blob text;
    if (v->json && v->n > 1) {
        return estocd_print_element(v->seen, whole_json(r, pem))
                   ? 0
                   : estocd_say(v->command, "stdout cannot be written, or no memory");
    }
    if (v->json) {
        return estocd_print_json(v->command, whole_json(r, pem));
    }
    printf("%sserial    %s\n", v->seen > 0 ? "\n" : "", serial_text(r, hex));
    printf("subject   %s\n", r->subject);
    printf("profile   %s\n", r->profile[0] != '\0' ? r->profile : "-");
    printf("state     %s\n", estocd_relay_state(r));
    printf("issued    %s\n", estoc_time_text(r->changed_at, at, sizeof at));
    printf("valid     %s", estoc_time_text(r->not_before, at, sizeof at));
    printf(" to %s\n", estoc_time_text(r->not_after, at, sizeof at));
    print_common(r);
    if (key_digest(r, key)) {
        printf("key       %s (SHA-256)\n", digest_text(key, hex));
    }
    estoc_err err = estoc_cert_text(r->cert, &text);
    if (err) {
        return estocd_say(v->command, "the certificate as text: %s", estoc_err_text(err));
    }
    printf("\n%.*s%s", (int)text.len, (const char *)text.ptr, pem);
    estoc_blob_free(&text);
    return 0;
}

static int show_cert(const struct view *v, const estoc_relay *r)
{
    estoc_blob pem = {NULL, 0};
    estoc_err err = estoc_certs_pem(&r->cert, 1, &pem);
    char *text = err ? NULL : strndup((const char *)pem.ptr, pem.len);
    int code = text != NULL ? print_cert(v, r, text)
                            : estocd_say(v->command, "%s", estoc_err_text(ESTOC_E_MEMORY));
    free(text);
    estoc_blob_free(&pem);
    return code;
}

static int show_request(const struct view *v, const estoc_relay *r)
{
    static const char *const means[] = {
        [ESTOC_RELAY_SENT] = "sent: on its way to the upstream",
        [ESTOC_RELAY_WAITING] = "waiting: the upstream has it, and decides",
        [ESTOC_RELAY_LOST] = "lost: no answer came, and the upstream may have issued",
    };
    char text[32];
    if (v->json) {
        return estocd_print_json(v->command, estocd_relay_request_json(r));
    }
    printf("request   %s\n", estocd_relay_name(r, text));
    printf("subject   %s\n", r->subject);
    printf("profile   %s\n", r->profile[0] != '\0' ? r->profile : "-");
    printf("state     %s\n", means[r->state]);
    printf("changed   %s\n", estoc_time_text(r->changed_at, text, sizeof text));
    if (r->state == ESTOC_RELAY_WAITING) {
        printf("again     %s, at the earliest\n", estoc_time_text(r->retry_at, text, sizeof text));
    }
    print_common(r);
    return 0;
}

/* --------------------------------------------------------------------------------------- by number */

/* As the certificate has it, but for the zero in front of what would be negative. */
static bool has_serial(const estoc_relay *r, estoc_slice serial)
{
    estoc_slice own = estoc_slice_of(r->serial, r->serial_len);
    while (own.len > 0 && own.ptr[0] == 0) {
        own = estoc_slice_sub(own, 1, own.len);
    }
    return r->state == ESTOC_RELAY_ISSUED && own.len == serial.len &&
           memcmp(own.ptr, serial.ptr, serial.len) == 0;
}

static bool count_one(void *ctx, const estoc_relay *r)
{
    struct view *v = ctx;
    if (has_serial(r, v->serial) && v->n++ == 0) {
        snprintf(v->url, sizeof v->url, "%s", r->upstream);
    }
    return true;
}

estoc_err estocd_relay_count(estoc_store *store, estoc_slice serial, size_t *n, char url[256])
{
    char hex[2 * ESTOC_SERIAL_MAX + 1];
    struct view v = {.serial = serial};
    estoc_err err = estoc_relay_each(store, estoc_hex(serial, hex, sizeof hex), count_one, &v);
    *n = v.n;
    memcpy(url, v.url, sizeof v.url);
    return err;
}

static bool show_serial(void *ctx, const estoc_relay *r)
{
    struct view *v = ctx;
    if (has_serial(r, v->serial)) {
        v->code = show_cert(v, r);
        v->seen++;
    }
    return !v->code;
}

int estocd_show_relayed(const char *command, estoc_store *store, estoc_slice serial, size_t n,
                        bool json)
{
    char hex[2 * ESTOC_SERIAL_MAX + 1];
    struct view v = {.command = command, .serial = serial, .n = n, .json = json};
    estoc_err err = estoc_relay_each(store, estoc_hex(serial, hex, sizeof hex), show_serial, &v);
    if (!err && !v.code && json && n > 1) {
        estocd_print_end(v.seen);
    }
    return err      ? estocd_store_failed(command, store, err)
           : v.code ? v.code
                    : estocd_finish(command);
}

static bool show_id(void *ctx, const estoc_relay *r)
{
    struct view *v = ctx;
    if (r->id != v->id) {
        return true;
    }
    v->code = r->state == ESTOC_RELAY_ISSUED ? show_cert(v, r) : show_request(v, r);
    v->seen = 1;
    return false;
}

#define NO_SUCH_REQUEST "there is no such request; `estocd pending` has them"

int estocd_show_relay(const char *command, estoc_store *store, int64_t id, bool json)
{
    struct view v = {.command = command, .id = id, .n = 1, .json = json};
    estoc_err err = estoc_relay_each(store, NULL, show_id, &v);
    return err           ? estocd_store_failed(command, store, err)
           : v.seen == 0 ? estocd_say(command, "u%lld: " NO_SUCH_REQUEST, (long long)id)
           : v.code      ? v.code
                         : estocd_finish(command);
}

static bool note_id(void *ctx, const estoc_relay *r)
{
    struct view *v = ctx;
    if (r->id == v->id) {
        v->seen = 1;
        v->state = r->state;
        snprintf(v->url, sizeof v->url, "%s", r->upstream);
    }
    return v->seen == 0;
}

int estocd_relay_is_not_ours(const char *command, const char *dir, int64_t id, const char *advice)
{
    static const char *const how[] = {
        [ESTOC_RELAY_SENT] = "is on its way to",
        [ESTOC_RELAY_WAITING] = "waits at",
        [ESTOC_RELAY_ISSUED] = "has a certificate of",
        [ESTOC_RELAY_LOST] = "was sent, without an answer, to",
    };
    struct view v = {.id = id};
    estoc_store *store = estocd_open_store(command, dir);
    if (store == NULL) {
        return 1;
    }
    estoc_err err = estoc_relay_each(store, NULL, note_id, &v);
    int code = err ? estocd_store_failed(command, store, err)
               : v.seen == 0
                   ? estocd_say(command, "u%lld: " NO_SUCH_REQUEST, (long long)id)
                   : estocd_say(command, "u%lld: %s %s, and whoever runs that server decides; %s",
                                (long long)id, how[v.state],
                                v.url[0] != '\0' ? v.url : "an upstream", advice);
    estoc_store_close(store);
    return code;
}
