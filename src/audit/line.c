/* SPDX-License-Identifier: MIT
 *
 * Lines of the audit log, as text and back: one table of members for both ways.
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cjson/cJSON.h>

#include "audit.h"
#include "crypto.h"
#include "text.h"

#define DIGEST      32
#define SERIAL_MAX  20
#define MEMBERS_MAX 48                /* of a line, unknown ones included */
#define NUMBER_MAX  999999999999999.0 /* cJSON writes so many digits */

enum kind { TEXT, NUMBER, TIME, SERIAL, HASH, DER };

/* clang-format off */
#define OF(field) offsetof(estoc_audit_entry, field)
static const struct member {
    const char *name;
    enum kind kind;
    size_t at;
    bool required;
} members[] = {
    {"seq",           NUMBER, OF(seq),           true},
    {"time",          TIME,   OF(at),            true},
    {"node",          TEXT,   OF(node),          true},
    {"op",            TEXT,   OF(op),            true},
    {"result",        TEXT,   OF(result),        true},
    {"profile",       TEXT,   OF(profile),       false},
    {"policy",        NUMBER, OF(policy),        false},
    {"subject",       TEXT,   OF(subject),       false},
    {"serial",        SERIAL, OF(serial),        false},
    {"not_after",     TIME,   OF(not_after),     false},
    {"reason",        TEXT,   OF(reason),        false},
    {"supersedes",    SERIAL, OF(supersedes),    false},
    {"request",       NUMBER, OF(request),       false},
    {"client",        TEXT,   OF(client),        false},
    {"client_issuer", TEXT,   OF(client_issuer), false},
    {"client_sha256", HASH,   OF(client_sha256), false},
    {"csr_sha256",    HASH,   OF(csr_sha256),    false},
    {"peer",          TEXT,   OF(peer),          false},
    {"by",            TEXT,   OF(by),            false},
    {"ms",            NUMBER, OF(ms),            false},
    {"rule",          TEXT,   OF(rule),          false},
    {"why",           TEXT,   OF(why),           false},
    {"cert",          DER,    OF(cert),          false},
    {"prev",          HASH,   OF(prev),          true},
};
/* clang-format on */
#define MEMBERS (sizeof members / sizeof members[0])

static void *field(void *entry, const struct member *m)
{
    return (uint8_t *)entry + m->at;
}

/* ---------------------------------------------------------------------------------------- writing */

static bool put_bytes(cJSON *json, const struct member *m, estoc_slice s)
{
    if (s.len == 0) {
        return true;
    }
    bool der = m->kind == DER;
    size_t room = der ? ESTOC_BASE64_LEN(s.len) : 2 * s.len + 1;
    char *text = malloc(room);
    if (text == NULL) {
        return false;
    }
    if (der) {
        estoc_base64(s, text);
    } else {
        estoc_hex(s, text, room);
    }
    bool put = cJSON_AddStringToObject(json, m->name, text) != NULL;
    free(text);
    return put;
}

static bool put_time(cJSON *json, const struct member *m, int64_t at)
{
    char text[32];
    return (at == 0 && !m->required) ||
           cJSON_AddStringToObject(json, m->name, estoc_time_text(at, text, sizeof text)) != NULL;
}

static bool put_member(cJSON *json, const struct member *m, const estoc_audit_entry *e)
{
    const void *from = (const uint8_t *)e + m->at;
    const char *text;
    int64_t n;
    estoc_slice s;
    switch (m->kind) {
    case TEXT:
        memcpy(&text, from, sizeof text);
        return text == NULL || cJSON_AddStringToObject(json, m->name, text) != NULL;
    case NUMBER:
        memcpy(&n, from, sizeof n);
        return n == 0 || cJSON_AddNumberToObject(json, m->name, (double)n) != NULL;
    case TIME:
        memcpy(&n, from, sizeof n);
        return put_time(json, m, n);
    case SERIAL:
    case HASH:
    case DER:
        memcpy(&s, from, sizeof s);
        return put_bytes(json, m, s);
    }
    return false;
}

estoc_err estoc_audit_write(const estoc_audit_entry *e, estoc_blob *line, uint8_t hash[32])
{
    *line = (estoc_blob){NULL, 0};
    if (e->cert.len > ESTOC_AUDIT_LINE_MAX) {
        return ESTOC_E_LIMIT;
    }
    cJSON *json = cJSON_CreateObject();
    bool done = json != NULL;
    for (size_t i = 0; done && i < MEMBERS; i++) {
        done = put_member(json, &members[i], e);
    }
    char *text = done ? cJSON_PrintUnformatted(json) : NULL;
    cJSON_Delete(json);
    if (text == NULL) {
        return ESTOC_E_MEMORY;
    }
    *line = (estoc_blob){(uint8_t *)text, strlen(text)};
    estoc_err err = line->len > ESTOC_AUDIT_LINE_MAX ? ESTOC_E_LIMIT
                                                     : estoc_sha256(estoc_blob_slice(*line), hash);
    if (err) {
        estoc_blob_free(line);
    }
    return err;
}

/* ---------------------------------------------------------------------------------------- reading */

static bool hex_value(char c, uint8_t *out)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c != '\0' ? strchr(digits, c) : NULL;
    *out = at != NULL ? (uint8_t)(at - digits) : 0;
    return at != NULL;
}

/* Lower case only, as it is written. @return false: none, or not of so many bytes */
static bool take_hex(const char *text, size_t least, size_t most, estoc_writer *w)
{
    size_t len = strlen(text);
    bool good = len % 2 == 0 && len / 2 >= least && len / 2 <= most;
    for (size_t i = 0; good && i < len; i += 2) {
        uint8_t high = 0;
        uint8_t low = 0;
        good = hex_value(text[i], &high) && hex_value(text[i + 1], &low);
        estoc_write_u8(w, (uint8_t)(high << 4 | low));
    }
    return good && !w->err;
}

static bool take_der(const char *text, estoc_writer *w)
{
    size_t len = 0;
    estoc_buf room = {w->ptr + w->len, w->cap - w->len};
    bool good = !estoc_base64_decode(text, room, &len) && len > 0;
    w->len += len;
    return good;
}

/* As estoc_time_text writes it, and not otherwise. */
static bool take_time(const char *text, int64_t *at)
{
    struct tm tm = {.tm_isdst = 0};
    char again[32];
    const char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);
    if (end == NULL || *end != '\0') {
        return false;
    }
    *at = (int64_t)timegm(&tm);
    return strcmp(estoc_time_text(*at, again, sizeof again), text) == 0;
}

static bool take_bytes(const struct member *m, const char *text, estoc_writer *w, estoc_slice *out)
{
    size_t from = w->len;
    bool good = m->kind == DER    ? take_der(text, w)
                : m->kind == HASH ? take_hex(text, DIGEST, DIGEST, w)
                                  : take_hex(text, 1, SERIAL_MAX, w);
    *out = estoc_slice_of(w->ptr + from, good ? w->len - from : 0);
    return good;
}

static bool take_number(double value, int64_t *out)
{
    if (!(value >= 0 && value <= NUMBER_MAX)) {
        return false;
    }
    *out = (int64_t)value;
    return (double)*out == value; /* a whole one */
}

static bool take_member(const struct member *m, const cJSON *item, estoc_audit_entry *e,
                        estoc_writer *w)
{
    void *to = field(e, m);
    const char *text = item->valuestring;
    int64_t n = 0;
    estoc_slice s = {NULL, 0};
    bool good = m->kind == NUMBER ? cJSON_IsNumber(item) : cJSON_IsString(item);
    switch (m->kind) {
    case TEXT:
        memcpy(to, &text, sizeof text);
        return good;
    case NUMBER:
        good = good && take_number(item->valuedouble, &n);
        memcpy(to, &n, sizeof n);
        return good;
    case TIME:
        good = good && take_time(text, &n);
        memcpy(to, &n, sizeof n);
        return good;
    case SERIAL:
    case HASH:
    case DER:
        good = good && take_bytes(m, text, w, &s);
        memcpy(to, &s, sizeof s);
        return good;
    }
    return false;
}

static const struct member *member_named(const char *name)
{
    for (size_t i = 0; i < MEMBERS; i++) {
        if (strcmp(members[i].name, name) == 0) {
            return &members[i];
        }
    }
    return NULL;
}

/* Two readers must not see two things in one line. */
static bool stands_twice(const cJSON *json, const cJSON *item)
{
    for (const cJSON *other = json->child; other != item; other = other->next) {
        if (strcmp(other->string, item->string) == 0) {
            return true;
        }
    }
    return false;
}

static estoc_err malformed(estoc_why *why, const char *text, const char *name)
{
    estoc_why_set(why, "%s%.40s", text, name);
    return ESTOC_E_MALFORMED;
}

static estoc_err take_members(const cJSON *json, estoc_audit_parsed *out, estoc_writer *w,
                              estoc_why *why)
{
    bool seen[MEMBERS] = {false};
    size_t n = 0;
    for (const cJSON *item = json->child; item != NULL; item = item->next) {
        const struct member *m = member_named(item->string);
        if (++n > MEMBERS_MAX) {
            return malformed(why, "more members than a line has", "");
        }
        if (stands_twice(json, item)) {
            return malformed(why, "stands there twice: ", m != NULL ? m->name : "a member");
        }
        if (m != NULL && !take_member(m, item, &out->entry, w)) {
            return malformed(why, "not what it must be: ", m->name);
        }
        if (m != NULL) {
            seen[m - members] = true;
        }
    }
    for (size_t i = 0; i < MEMBERS; i++) {
        if (members[i].required && !seen[i]) {
            return malformed(why, "is missing: ", members[i].name);
        }
    }
    if (out->entry.seq == 0 || strlen(out->entry.node) >= ESTOC_AUDIT_NODE_MAX) {
        return malformed(why, "not what it must be: ", out->entry.seq == 0 ? "seq" : "node");
    }
    return ESTOC_OK;
}

estoc_err estoc_audit_parse(estoc_slice line, estoc_audit_parsed *out, estoc_why *why)
{
    const char *end = NULL;
    memset(out, 0, sizeof *out);
    if (line.len > ESTOC_AUDIT_LINE_MAX) {
        estoc_why_set(why, "longer than %d bytes", ESTOC_AUDIT_LINE_MAX);
        return ESTOC_E_LIMIT;
    }
    if (line.len == 0 || memchr(line.ptr, '\0', line.len) != NULL) {
        return malformed(why, line.len == 0 ? "an empty line" : "has a NUL byte", "");
    }
    cJSON *json = cJSON_ParseWithLengthOpts((const char *)line.ptr, line.len, &end, false);
    out->json = json;
    /* no binary value is longer than its text */
    out->bytes = (estoc_blob){malloc(line.len), line.len};
    if (json == NULL || out->bytes.ptr == NULL) {
        bool memory = out->bytes.ptr == NULL;
        estoc_audit_free(out);
        return memory ? ESTOC_E_MEMORY : malformed(why, "not a line of JSON", "");
    }
    estoc_writer w = estoc_writer_of((estoc_buf){out->bytes.ptr, out->bytes.len});
    estoc_err err = !cJSON_IsObject(json) || end != (const char *)line.ptr + line.len
                        ? malformed(why, "not one JSON object", "")
                        : take_members(json, out, &w, why);
    err = err ? err : estoc_sha256(line, out->hash);
    if (err) {
        estoc_audit_free(out);
    }
    return err;
}

void estoc_audit_free(estoc_audit_parsed *l)
{
    cJSON_Delete(l->json);
    estoc_blob_free(&l->bytes);
    memset(l, 0, sizeof *l);
}
