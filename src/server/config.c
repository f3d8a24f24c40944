/* SPDX-License-Identifier: MIT
 *
 * estocd.conf, read with inih: it takes lines apart, and we feed it one at a time, so as to know the
 * line of each fault, and of each section, with or without keys in it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <ini.h>

#include "conf_keys.h"
#include "config.h"
#include "policy.h"
#include "text.h"

#define FILE_MAX 262144
#define LINE_BUF 1024           /* inih's, with the line's end */
#define LINE_LEN (LINE_BUF - 3) /* bytes of the longest line */
#define BLANKS   " \t\r\v\f"

struct parser {
    estoc_conf_reading r;
    estoc_slice rest;
    bool open; /* this line should have a key, and inih has not given it yet */
};

/* ------------------------------------------------------------------------------------------- lines */

static void section_line(struct parser *p, char *line)
{
    char *end = strchr(line, ']');
    const char *behind = end != NULL ? end + 1 + strspn(end + 1, BLANKS) : "";
    if (end == NULL || (*behind != '\0' && *behind != ';' && *behind != '#')) {
        estoc_conf_fault(&p->r, "a section is [NAME], and nothing but a comment behind it");
        p->r.section = ESTOC_CONF_UNKNOWN;
        return;
    }
    *end = '\0';
    estoc_conf_enter(&p->r, line + 1);
    *end = ']';
}

static int on_key(void *user, const char *section, const char *name, const char *value)
{
    struct parser *p = user;
    (void)section; /* inih shortens it silently: ours is in the parser */
    p->open = false;
    if (p->r.section == ESTOC_CONF_NOWHERE) {
        estoc_conf_fault(&p->r, "%.40s stands before any [section]", name);
    } else if (p->r.section != ESTOC_CONF_UNKNOWN) {
        estoc_conf_key_line(&p->r, name, value);
    }
    return 1;
}

/* ------------------------------------------------------------------------------------------- lines */

/* inih reports the first line that is nothing to it, and no other: what it passed over is found here. */
static void end_line(struct parser *p)
{
    if (p->open) {
        estoc_conf_fault(&p->r, "neither KEY = VALUE, [SECTION] nor a comment");
        p->open = false;
    }
}

/* The next line, without the blanks around it: to inih an indented line would continue the last one. */
static estoc_slice take_line(struct parser *p)
{
    const uint8_t *end = memchr(p->rest.ptr, '\n', p->rest.len);
    size_t len = end != NULL ? (size_t)(end - p->rest.ptr) : p->rest.len;
    estoc_slice line = estoc_slice_of(p->rest.ptr, len);
    p->rest = estoc_slice_sub(p->rest, len + 1, p->rest.len);
    p->r.line++;
    while (line.len > 0 && line.ptr[0] != '\0' && strchr(BLANKS, line.ptr[0]) != NULL) {
        line = estoc_slice_sub(line, 1, line.len);
    }
    while (line.len > 0 && line.ptr[line.len - 1] != '\0' &&
           strchr(BLANKS, line.ptr[line.len - 1]) != NULL) {
        line.len--;
    }
    if (line.len > LINE_LEN) {
        estoc_conf_fault(&p->r, "longer than %d bytes", LINE_LEN);
        line.len = 0;
    } else if (line.len > 0 && memchr(line.ptr, '\0', line.len) != NULL) {
        estoc_conf_fault(&p->r, "has a NUL byte");
        line.len = 0;
    }
    return line;
}

static char *next_line(char *out, int cap, void *stream)
{
    struct parser *p = stream;
    end_line(p);
    if (p->rest.len == 0 || cap < LINE_BUF) {
        return NULL;
    }
    estoc_slice line = take_line(p);
    if (line.len > 0) {
        memcpy(out, line.ptr, line.len);
    }
    memcpy(out + line.len, "\n", 2);
    if (out[0] == '[') {
        out[line.len] = '\0';
        section_line(p, out);
        out[line.len] = '\n';
    }
    p->open = line.len > 0 && strchr("[;#", out[0]) == NULL;
    return out;
}

/* -------------------------------------------------------------------------------------- everything */

/* The host's name, as far as it is one that `node` takes. */
static void name_node(estoc_config *c)
{
    if (gethostname(c->node, sizeof c->node - 1) != 0 || !estoc_conf_node(c->node)) {
        snprintf(c->node, sizeof c->node, "%s", "node");
    }
}

/* The defaults, nothing read yet. */
static void begin(struct parser *p, const char *dir, unsigned authority)
{
    estoc_config *c = p->r.c;
    memset(c, 0, sizeof *c);
    memcpy(c->dir, dir, strlen(dir) + 1);
    c->authority = authority;
    name_node(c);
    snprintf(c->listen[0], sizeof c->listen[0], "%s", "[::]:5684");
    c->listen_n = 1;
    c->max_age_s = 86400;
    c->mtu = 1280;
    c->idle_s = 60;
    c->handshake_s = 60;
    c->answer_delay_ms = 1000;
    c->resume_s = 86400;
    c->dtls_timeout_ms = 1000;
    c->sessions_max = 20000;
    c->half_open_max = 1000;
    c->identity_sessions = 256;
    c->identity = (estoc_limit){60, 1000};
    c->address = (estoc_limit){6000, 10000};
    c->body_max = 8192;
    c->bodies_max = 1000;
    snprintf(c->root, sizeof c->root, "%s", "est");
    c->log_level = ESTOC_LOG_INFO;
    c->retry_window_s = 86400;
    c->crl_good_s = 7 * 86400;
    c->commands_max = 16;
    c->connections_max = 16;
    c->queue_max = 1024;
    c->patience_s = 15;
    c->refresh_s = 3600;
    c->pending = (estoc_pending_rules){.max = 10000, .per_client = 4, .keep_s = 30 * 86400};
    bool bad = !estoc_conf_store(c, "sqlite:store.db");
    const struct {
        char *out;
        const char *name;
    } files[] = {{c->server_chain, "server.crt"},
                 {c->server_key, "server.key"},
                 {c->client_anchors, "client-anchors.pem"},
                 /* and of a CA */
                 {c->ca_chain, "ca.crt"},
                 {c->ca_key, "ca.key"},
                 {c->audit, "audit.log"}};
    size_t n = c->authority == ESTOC_AUTHORITY_CA ? sizeof files / sizeof files[0] : 3;
    for (size_t i = 0; i < n; i++) {
        bad |= estoc_path_join(files[i].out, sizeof c->ca_key, c->dir, files[i].name) != ESTOC_OK;
    }
    if (bad) {
        estoc_conf_fault(&p->r, "the path of the directory is too long");
    }
    estoc_conf_enter_profile(&p->r, "");
    p->r.section = ESTOC_CONF_NOWHERE;
}

/* Names by rule, and then others by the same profile: the rule would be none. Nobody to ask. */
static void check_profile(struct parser *p, const estoc_profile *profile)
{
    if (profile->approver == ESTOC_APPROVER_COMMAND && profile->command[0] == '\0') {
        p->r.line = 0;
        estoc_conf_fault(&p->r, "[profile %s]: approval = command needs approval-command",
                         profile->name);
    }
    if (profile->change_subject && estoc_policy_gives_names(profile)) {
        p->r.line = 0;
        estoc_conf_fault(&p->r, "[profile %s]: change-subject = yes undoes subject and san",
                         profile->name);
    }
}

/* What no single line shows. */
static void check_whole(struct parser *p)
{
    const estoc_config *c = p->r.c;
    bool any = false;
    for (size_t i = 0; i < c->discovery_n; i++) {
        any |= strncmp(c->discovery[i], "[::]:", 5) == 0 ||
               strncmp(c->discovery[i], "0.0.0.0:", 8) == 0;
    }
    for (size_t i = 0; i < c->profiles_n; i++) {
        check_profile(p, &c->profiles[i].profile);
    }
    estoc_conf_check_upstreams(&p->r);
    if (c->multicast && !any) { /* a socket on one address gets no datagrams for groups */
        p->r.line = 0;
        estoc_conf_fault(&p->r, "multicast = yes: needs discovery on all addresses, "
                                "such as discovery = [::]:5683");
    }
}

static estoc_err parse_lines(struct parser *p, estoc_slice text)
{
    static const uint8_t bom[] = {0xef, 0xbb, 0xbf};
    if (estoc_slice_eq(estoc_slice_sub(text, 0, 3), estoc_slice_of(bom, 3))) {
        text = estoc_slice_sub(text, 3, text.len);
    }
    p->rest = text;
    ini_use_stack = false;
    ini_max_line = LINE_BUF;
    ini_initial_alloc = LINE_BUF;
    int rc = ini_parse_stream(next_line, p, on_key, p);
    if (rc == -2) {
        return ESTOC_E_MEMORY;
    }
    if (rc != 0 && !p->r.err) { /* a line that is a fault to inih and not to us */
        p->r.line = rc;
        estoc_conf_fault(&p->r, "neither KEY = VALUE, [SECTION] nor a comment");
    }
    if (!p->r.err) {
        check_whole(p);
    }
    return p->r.err;
}

static estoc_err parse(struct parser *p, estoc_slice text)
{
    estoc_err err = parse_lines(p, text);
    if (!err && estoc_conf_policy(p->r.c, &p->r.values, p->r.c->policy, sizeof p->r.c->policy)) {
        p->r.line = 0;
        estoc_conf_fault(&p->r, "the profiles are more than %zu bytes", sizeof p->r.c->policy - 1);
        err = p->r.err;
    }
    estoc_conf_values_free(&p->r.values);
    return err;
}

estoc_err estoc_config_profiles(estoc_config *out, estoc_slice text,
                                void (*report)(void *ctx, int line, const char *text), void *ctx)
{
    struct parser p = {.r = {.c = out, .report = report, .ctx = ctx, .profiles_alone = true}};
    memset(out->profiles, 0, sizeof out->profiles);
    out->profiles_n = 0;
    estoc_conf_enter_profile(&p.r, "");
    p.r.section = ESTOC_CONF_NOWHERE;
    return parse(&p, text);
}

/* Which kind of authority it is for: what may stand in it depends on that. */
static unsigned find_authority(const char *dir, estoc_config *scratch, estoc_slice text)
{
    struct parser p = {.r = {.c = scratch}};
    begin(&p, dir, ESTOC_AUTHORITY_CA);
    estoc_err faults_are_told_later = parse_lines(&p, text);
    (void)faults_are_told_later;
    estoc_conf_values_free(&p.r.values);
    return scratch->authority;
}

estoc_err estoc_config_load(const char *dir, estoc_config *out,
                            void (*report)(void *ctx, int line, const char *text), void *ctx)
{
    struct parser p = {.r = {.c = out, .report = report, .ctx = ctx}};
    char path[sizeof out->dir + 16];
    estoc_blob text;
    memset(out, 0, sizeof *out);
    if (strlen(dir) >= sizeof out->dir) {
        estoc_conf_fault(&p.r, "the path of the directory is too long");
        return p.r.err;
    }
    begin(&p, dir, ESTOC_AUTHORITY_CA);
    if (p.r.err || estoc_path_join(path, sizeof path, dir, "estocd.conf")) {
        return p.r.err ? p.r.err : ESTOC_E_CONFIG;
    }
    estoc_err err = estoc_file_read(path, FILE_MAX, &text);
    if (err) {
        estoc_conf_fault(&p.r, "cannot be read: %s",
                         err == ESTOC_E_FILE ? strerror(errno) : estoc_err_text(err));
        return err == ESTOC_E_FILE ? err : ESTOC_E_CONFIG;
    }
    begin(&p, dir, find_authority(dir, out, estoc_blob_slice(text)));
    err = parse(&p, estoc_blob_slice(text));
    estoc_blob_free(&text);
    return err;
}
