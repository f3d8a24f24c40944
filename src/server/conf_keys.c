/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <estoc/est.h>

#include "conf_keys.h"
#include "conf_value.h"
#include "store.h"
#include "udp.h"

#define FAULT_MAX 512

void estoc_conf_fault(estoc_conf_reading *r, const char *fmt, ...)
{
    char text[FAULT_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    r->err = r->err ? r->err : ESTOC_E_CONFIG;
    if (r->report != NULL) {
        r->report(r->ctx, r->line, text);
    }
}

static void take_number(estoc_conf_reading *r, const estoc_conf_key *k, void *to, const char *value)
{
    uint64_t n;
    if (!estoc_conf_number(value, k->min, k->max, &n)) {
        estoc_conf_fault(r, "%s = %.40s: must be a number from %llu to %llu", k->name, value,
                         (unsigned long long)k->min, (unsigned long long)k->max);
        return;
    }
    *(uint32_t *)to = (uint32_t)n;
}

/* min and max are milliseconds, and so is the field if the least is below a second */
static void take_time(estoc_conf_reading *r, const estoc_conf_key *k, void *to, const char *value)
{
    uint64_t ms;
    bool fine = k->min % 1000 != 0;
    char least[24], most[24];
    if (!estoc_conf_time(value, &ms) || ms < k->min || ms > k->max || (!fine && ms % 1000 != 0)) {
        estoc_conf_fault(r, "%s = %.40s: must be a time from %s to %s, such as 90s, 12h, 30d or 1y",
                         k->name, value, estoc_conf_time_text(k->min, least, sizeof least),
                         estoc_conf_time_text(k->max, most, sizeof most));
        return;
    }
    *(uint32_t *)to = (uint32_t)(fine ? ms : ms / 1000);
}

static void take_bits(estoc_conf_reading *r, const estoc_conf_key *k, void *to, const char *value)
{
    uint32_t bits;
    if (!estoc_conf_bits(value, &bits) || (bits != 0 && (bits < k->min || bits > k->max))) {
        estoc_conf_fault(r, "%s = %.40s: must be bits a second from 4k to 4G, such as 100k, or 0",
                         k->name, value);
        return;
    }
    *(uint32_t *)to = bits;
}

static void take_path(estoc_conf_reading *r, const estoc_conf_key *k, void *to, const char *value)
{
    if (value[0] == '\0' || estoc_path_join(to, sizeof r->c->ca_key, r->c->dir, value)) {
        estoc_conf_fault(
            r, "%s = %.40s: must be the path of a file, under %zu bytes with the directory's",
            k->name, value, sizeof r->c->ca_key);
    }
}

static void take_no_path(estoc_conf_reading *r, const estoc_conf_key *k, void *to,
                         const char *value)
{
    if (value[0] == '\0') {
        *(char *)to = '\0';
    } else {
        take_path(r, k, to, value);
    }
}

static void take_key(estoc_conf_reading *r, const estoc_conf_key *k, void *to, const char *value)
{
    size_t len = strlen(value);
    if (!estoc_key_is_uri(value)) {
        take_path(r, k, to, value);
    } else if (len < sizeof r->c->ca_key) {
        memcpy(to, value, len + 1);
    } else {
        estoc_conf_fault(r, "%s: a URI has at most %zu bytes", k->name, sizeof r->c->ca_key - 1);
    }
}

static void take_passphrase(estoc_conf_reading *r, const estoc_conf_key *k, void *to,
                            const char *value)
{
    const char *path = estoc_passphrase_path(value);
    size_t room = sizeof r->c->ca_passphrase;
    size_t len = path != NULL ? (size_t)(path - value) : strlen(value);
    bool good = value[0] == '\0' || (estoc_passphrase_is_source(value) && len < room);
    if (good) {
        memcpy(to, value, len);
        ((char *)to)[len] = '\0';
    }
    if (good && path != NULL) {
        good = !estoc_path_join((char *)to + len, room - len, r->c->dir, path);
    }
    if (!good) { /* what it says may be the passphrase itself */
        estoc_conf_fault(r,
                         "%s: must be " ESTOC_PASSPHRASE_SOURCES
                         ", or nothing; the passphrase itself does not stand here",
                         k->name);
    }
}

bool estoc_conf_store(estoc_config *c, const char *value)
{
    const char *path = estoc_store_path(value);
    size_t scheme = path != NULL ? (size_t)(path - value) : 0;
    if (path == NULL) {
        size_t len = strlen(value);
        bool fits = estoc_store_is_shared(value) && len < sizeof c->store;
        memcpy(c->store, value, fits ? len + 1 : 0);
        return fits;
    }
    if (*path == '\0' ||
        estoc_path_join(c->store + scheme, sizeof c->store - scheme, c->dir, path)) {
        return false;
    }
    memcpy(c->store, value, scheme);
    return true;
}

static void take_store(estoc_conf_reading *r, const estoc_conf_key *k, void *to, const char *value)
{
    (void)to;
    if (!estoc_conf_store(r->c, value)) {
        estoc_conf_fault(r,
                         "%s = %.40s: must be sqlite:PATH or postgresql://..., under %zu bytes "
                         "with the directory's",
                         k->name, value, sizeof r->c->store);
    }
}

/* Not https, whose own certificate would have to be verified first. RFC 5280 section 8 */
static void take_url(estoc_conf_reading *r, const estoc_conf_key *k, void *to, const char *value)
{
    static const char scheme[] = "http://";
    size_t len = strlen(value);
    bool good = len < sizeof r->c->crl_url &&
                (len == 0 || (strncmp(value, scheme, sizeof scheme - 1) == 0 &&
                              len > sizeof scheme - 1 && value[sizeof scheme - 1] != '/'));
    for (size_t i = 0; i < len; i++) {
        good &= value[i] > ' ' && value[i] < 0x7f;
    }
    if (!good) {
        estoc_conf_fault(r,
                         "%s = %.60s: must be http://HOST/PATH, under %zu characters, or nothing",
                         k->name, value, sizeof r->c->crl_url);
        return;
    }
    memcpy(to, value, len + 1);
}

static bool is_address(const char *text)
{
    char host[INET6_ADDRSTRLEN];
    uint16_t port;
    struct in6_addr address;
    return !estoc_address_split(text, host, sizeof host, &port) &&
           (inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1);
}

/* @return false: a fault was told */
static bool take_addresses(estoc_conf_reading *r, const char *key, char (*to)[64], size_t *n,
                           const char *value)
{
    *n = 0;
    for (const char *at = value + strspn(value, ", \t"); *at != '\0'; at += strspn(at, ", \t")) {
        size_t len = strcspn(at, ", \t");
        if (*n == ESTOC_LISTEN_MAX) {
            estoc_conf_fault(r, "%s: at most %d addresses", key, ESTOC_LISTEN_MAX);
            return false;
        }
        char *out = to[*n];
        snprintf(out, sizeof to[0], "%.*s", (int)len, at);
        if (len >= sizeof to[0] || !is_address(out)) {
            estoc_conf_fault(
                r, "%s = %.60s: must be ADDRESS:PORT, such as 192.0.2.1:5684 or [::]:5684", key,
                out);
            return false;
        }
        (*n)++;
        at += len;
    }
    return true;
}

static void take_one_address(estoc_conf_reading *r, const estoc_conf_key *k, void *to,
                             const char *value)
{
    size_t len = strlen(value);
    if (len >= sizeof r->c->crl_listen || (len > 0 && !is_address(value))) {
        estoc_conf_fault(r, "%s = %.60s: must be ADDRESS:PORT, such as [::]:8080, or nothing",
                         k->name, value);
        return;
    }
    memcpy(to, value, len + 1);
}

static void take_listen(estoc_conf_reading *r, const estoc_conf_key *k, void *to, const char *value)
{
    estoc_config *c = to; /* the whole: a list and its length */
    if (take_addresses(r, k->name, c->listen, &c->listen_n, value) && c->listen_n == 0) {
        estoc_conf_fault(r, "%s: no address; leave the line out to listen on [::]:5684", k->name);
    }
}

static void take_discovery(estoc_conf_reading *r, const estoc_conf_key *k, void *to,
                           const char *value)
{
    estoc_config *c = to;
    (void)take_addresses(r, k->name, c->discovery, &c->discovery_n, value);
}

bool estoc_conf_segment(const char *text)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~";
    return text[0] != '\0' && text[0] != '.' && text[strspn(text, plain)] == '\0' &&
           estoc_resource_named(estoc_slice_str(text)) == NULL;
}

bool estoc_conf_node(const char *text)
{
    size_t len = strlen(text);
    return len > 0 && len < ESTOC_NODE_MAX &&
           strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == len;
}

static void take_node(estoc_conf_reading *r, const estoc_conf_key *k, void *to, const char *value)
{
    if (value[0] == '\0') {
        return; /* the default stands there */
    }
    if (!estoc_conf_node(value)) {
        estoc_conf_fault(r, "%s = %.40s: must be at most %d letters, digits, - _ and .", k->name,
                         value, ESTOC_NODE_MAX - 1);
        return;
    }
    memcpy(to, value, strlen(value) + 1);
}

static void take_root(estoc_conf_reading *r, const estoc_conf_key *k, void *to, const char *value)
{
    size_t len = strlen(value);
    if (len >= sizeof r->c->root || (len > 0 && !estoc_conf_segment(value))) {
        estoc_conf_fault(
            r,
            "%s = %.64s: must be one path segment of letters, digits, - _ . or ~, or nothing "
            "for no short root",
            k->name, value);
        return;
    }
    memcpy(to, value, len + 1);
}

/* One of several words, listed as in "a, b or c": the field gets its number, from 0. */
static void take_word(estoc_conf_reading *r, const estoc_conf_key *k, void *to, const char *value,
                      const char *words)
{
    unsigned n = 0;
    for (const char *at = words; *at != '\0'; n++) {
        size_t len = strcspn(at, ", ");
        if (strlen(value) == len && memcmp(at, value, len) == 0) {
            *(unsigned *)to = n;
            return;
        }
        at += len + strspn(at + len, ", ");
        at += strncmp(at, "or ", 3) == 0 ? 3 : 0;
    }
    estoc_conf_fault(r, "%s = %.40s: must be %s", k->name, value, words);
}

_Static_assert(ESTOC_LOG_ERROR == 0 && ESTOC_LOG_DEBUG == 3, "in this order");
static void take_level(estoc_conf_reading *r, const estoc_conf_key *k, void *to, const char *value)
{
    take_word(r, k, to, value, "error, warn, info or debug");
}

_Static_assert(ESTOC_REFUSE == 0 && ESTOC_ANSWER == 1, "in this order");
static void take_unrecognised(estoc_conf_reading *r, const estoc_conf_key *k, void *to,
                              const char *value)
{
    take_word(r, k, to, value, "refuse or answer");
}

/* What /att serves: the list, and the template behind it. RFC 9908 section 4 lets both stand there. */
static void join_attributes(estoc_conf_reading *r, estoc_profile_conf *conf)
{
    estoc_reader list;
    size_t len = 0;
    estoc_writer w = estoc_writer_of((estoc_buf){conf->attributes, sizeof conf->attributes});
    if (conf->list_len + conf->request_len > 0) {
        size_t mark = estoc_der_open(&w, ESTOC_DER_SEQUENCE);
        if (!estoc_der_begin(estoc_slice_of(conf->list, conf->list_len), &list)) {
            estoc_der_put_raw(&w, list.rest);
        }
        estoc_der_put_raw(&w, estoc_slice_of(conf->request, conf->request_len));
        estoc_der_close(&w, mark);
    }
    if (estoc_writer_end(&w, &len)) {
        estoc_conf_fault(r, "attributes and template: more than there is room for");
    }
    conf->profile.attributes = estoc_slice_of(conf->attributes, len);
}

static void wrong_part(estoc_conf_reading *r, const estoc_conf_key *k, const char *what,
                       estoc_err err, const char *must)
{
    estoc_conf_fault(r, "%s: \"%s\" %s", k->name, what,
                     err == ESTOC_E_STATE       ? "is given twice"
                     : err == ESTOC_E_MALFORMED ? must
                                                : "is more than there is room for");
}

static void take_attributes(estoc_conf_reading *r, const estoc_conf_key *k, void *to,
                            const char *value)
{
    estoc_profile_conf *conf = to;
    const char *what = "";
    estoc_buf room = {conf->list, sizeof conf->list};
    estoc_err err = ESTOC_OK;
    conf->list_len = 0;
    if (value[0] != '\0') {
        err = estoc_conf_attributes(value, room, &conf->list_len, &what);
    }
    if (err) {
        wrong_part(r, k, what, err, "is neither a name known here nor an OID such as 1.2.3");
    }
    join_attributes(r, conf);
}

static void take_template(estoc_conf_reading *r, const estoc_conf_key *k, void *to,
                          const char *value)
{
    estoc_profile_conf *conf = to;
    const char *what = "";
    estoc_buf room = {conf->request, sizeof conf->request};
    estoc_err err = ESTOC_OK;
    conf->request_len = 0;
    if (value[0] != '\0') {
        err = estoc_conf_request(value, room, &conf->request_len, &what);
    }
    if (err) {
        wrong_part(r, k, what, err,
                   "is neither a part of a name such as CN or O=Example, a key, SAN, KU nor EKU");
    }
    join_attributes(r, conf);
}

static void take_either(estoc_conf_reading *r, const estoc_conf_key *k, bool *to, const char *value,
                        const char *yes, const char *no)
{
    if (strcmp(value, no) != 0 && strcmp(value, yes) != 0) {
        estoc_conf_fault(r, "%s = %.40s: must be %s or %s", k->name, value, yes, no);
        return;
    }
    *to = strcmp(value, yes) == 0;
}

static void take_yes(estoc_conf_reading *r, const estoc_conf_key *k, void *to, const char *value)
{
    take_either(r, k, to, value, "yes", "no");
}

static void take_names(estoc_conf_reading *r, const estoc_conf_key *k, void *to, const char *value)
{
    take_either(r, k, to, value, "any", "own");
}

_Static_assert(ESTOC_POP_OFF == 0 && ESTOC_POP_REQUIRED == 2, "in this order");
static void take_pop(estoc_conf_reading *r, const estoc_conf_key *k, void *to, const char *value)
{
    take_word(r, k, to, value, "off, optional or required");
}

static void take_profiles(estoc_conf_reading *r, const estoc_conf_key *k, void *to,
                          const char *value)
{
    take_either(r, k, to, value, "store", "file");
}

_Static_assert(ESTOC_APPROVER_NONE == 0 && ESTOC_APPROVER_COMMAND == 2, "in this order");
static void take_approval(estoc_conf_reading *r, const estoc_conf_key *k, void *to,
                          const char *value)
{
    take_word(r, k, to, value, "auto, manual or command");
}

#define SECOND UINT64_C(1000)
#define DAY    (86400 * SECOND)
#define YEAR   (365 * DAY)

/* clang-format off */
#define OF(field)         offsetof(estoc_config, field)
#define OF_PROFILE(field) offsetof(estoc_profile_conf, field)
static const estoc_conf_key keys[] = {
    {ESTOC_CONF_SERVER, "listen",         take_listen, 0,                        0, 0},
    {ESTOC_CONF_SERVER, "discovery",      take_discovery, 0,                     0, 0},
    {ESTOC_CONF_SERVER, "multicast",      take_yes,    OF(multicast),            0, 0},
    {ESTOC_CONF_SERVER, "node",           take_node,   OF(node),                 0, 0},
    {ESTOC_CONF_SERVER, "certificate",    take_path,   OF(server_chain),         0, 0},
    {ESTOC_CONF_SERVER, "key",            take_key,    OF(server_key),           0, 0},
    {ESTOC_CONF_SERVER, "client-anchors", take_path,   OF(client_anchors),       0, 0},
    {ESTOC_CONF_SERVER, "expired-client-anchors", take_no_path, OF(expired_anchors), 0, 0},
    {ESTOC_CONF_SERVER, "deny",           take_no_path, OF(denied),              0, 0},
    {ESTOC_CONF_SERVER, "client-crls",    take_no_path, OF(client_crls),         0, 0},
    {ESTOC_CONF_SERVER, "unrecognised",   take_unrecognised, OF(unrecognised),   0, 0},
    {ESTOC_CONF_SERVER, "root",           take_root,   OF(root),                 0, 0},
    {ESTOC_CONF_SERVER, "log",            take_level,  OF(log_level),            0, 0},
    {ESTOC_CONF_SERVER, "max-age",        take_time,   OF(max_age_s),            0, YEAR},
    {ESTOC_CONF_SERVER, "egress",         take_bits,   OF(egress),               4000, UINT64_C(4000000000)},
    {ESTOC_CONF_SERVER, "mtu",            take_number, OF(mtu),                  256, 1500},
    {ESTOC_CONF_SERVER, "idle",           take_time,   OF(idle_s),               SECOND, 7 * DAY},
    {ESTOC_CONF_SERVER, "handshake",      take_time,   OF(handshake_s),          SECOND, DAY},
    {ESTOC_CONF_SERVER, "resume",         take_time,   OF(resume_s),             0, 7 * DAY},
    {ESTOC_CONF_SERVER, "answer-delay",   take_time,   OF(answer_delay_ms),      10, 60 * SECOND},
    {ESTOC_CONF_SERVER, "dtls-timeout",   take_time,   OF(dtls_timeout_ms),      50, 60 * SECOND},
    {ESTOC_CONF_SERVER, "workers",        take_number, OF(workers),              0, 256},
    {ESTOC_CONF_SERVER, "sessions-max",   take_number, OF(sessions_max),         1, 10000000},
    {ESTOC_CONF_SERVER, "half-open-max",  take_number, OF(half_open_max),        1, 10000000},
    {ESTOC_CONF_SERVER, "identity-sessions", take_number, OF(identity_sessions), 1, 10000000},
    {ESTOC_CONF_SERVER, "identity-rate",  take_number, OF(identity.per_minute),  0, 1000000},
    {ESTOC_CONF_SERVER, "identity-burst", take_number, OF(identity.burst),       1, 1000000},
    {ESTOC_CONF_SERVER, "address-rate",   take_number, OF(address.per_minute),   0, 1000000},
    {ESTOC_CONF_SERVER, "address-burst",  take_number, OF(address.burst),        1, 1000000},
    {ESTOC_CONF_SERVER, "body-max",       take_number, OF(body_max),             256, 65536},
    {ESTOC_CONF_SERVER, "bodies-max",     take_number, OF(bodies_max),           1, 1000000},
    {ESTOC_CONF_CA,     "certificate",    take_path,   OF(ca_chain),             0, 0},
    {ESTOC_CONF_CA,     "key",            take_key,    OF(ca_key),               0, 0},
    {ESTOC_CONF_CA,     "key-passphrase", take_passphrase, OF(ca_passphrase),    0, 0},
    {ESTOC_CONF_CA,     "rollover",       take_no_path, OF(rollover),            0, 0},
    {ESTOC_CONF_CA,     "decrypt-keys",   take_no_path, OF(decrypt_keys),         0, 0},
    {ESTOC_CONF_CA,     "store",          take_store,  OF(store),                0, 0},
    {ESTOC_CONF_CA,     "crl-file",       take_no_path, OF(crl_file),            0, 0},
    {ESTOC_CONF_CA,     "crl-listen",     take_one_address, OF(crl_listen),      0, 0},
    {ESTOC_CONF_CA,     "crl-next-update", take_time,  OF(crl_good_s),           10 * SECOND, YEAR},
    {ESTOC_CONF_CA,     "crl-url",        take_url,    OF(crl_url),              0, 0},
    {ESTOC_CONF_CA,     "profiles",       take_profiles, OF(profiles_in_store),  0, 0},
    {ESTOC_CONF_CA,     "audit",          take_path,   OF(audit),                0, 0},
    {ESTOC_CONF_CA,     "audit-syslog",   take_yes,    OF(audit_syslog),         0, 0},
    {ESTOC_CONF_CA,     "retry-window",   take_time,   OF(retry_window_s),       0, YEAR},
    {ESTOC_CONF_CA,     "approval-max",   take_number, OF(commands_max),         1, 256},
    {ESTOC_CONF_CA,     "pending-max",    take_number, OF(pending.max),          1, 1000000},
    {ESTOC_CONF_CA,     "pending-per-client", take_number, OF(pending.per_client), 1, 1000000},
    {ESTOC_CONF_CA,     "pending-keep",   take_time,   OF(pending.keep_s),       SECOND, 10 * YEAR},
    {ESTOC_CONF_PROFILE, "validity",   take_time,       OF_PROFILE(profile.validity_s), SECOND, 100 * YEAR},
    {ESTOC_CONF_PROFILE, "keys",       estoc_conf_take_keys, OF_PROFILE(profile), 0, 0},
    {ESTOC_CONF_PROFILE, "eku",        estoc_conf_take_eku, OF_PROFILE(profile.contents), 0, 0},
    {ESTOC_CONF_PROFILE, "key-usage",  estoc_conf_take_usage, OF_PROFILE(profile.contents), 0, 0},
    {ESTOC_CONF_PROFILE, "policies",   estoc_conf_take_policies, OF_PROFILE(profile.contents), 0, 0},
    {ESTOC_CONF_PROFILE, "extensions", estoc_conf_take_extensions, OF_PROFILE(profile.contents), 0, 0},
    {ESTOC_CONF_PROFILE, "client-anchors", take_no_path, OF_PROFILE(client_anchors), 0, 0},
    {ESTOC_CONF_PROFILE, "allow",      take_no_path,    OF_PROFILE(allow), 0, 0},
    {ESTOC_CONF_PROFILE, "allow-subjects", estoc_conf_take_patterns, OF_PROFILE(allow_subjects), 0, 0},
    {ESTOC_CONF_PROFILE, "deny",       take_no_path,    OF_PROFILE(deny), 0, 0},
    {ESTOC_CONF_PROFILE, "deny-subjects", estoc_conf_take_patterns, OF_PROFILE(deny_subjects), 0, 0},
    {ESTOC_CONF_PROFILE, "names",      take_names,      OF_PROFILE(profile.any_names), 0, 0},
    {ESTOC_CONF_PROFILE, "subject",    estoc_conf_take_subject, OF_PROFILE(profile.subject), 0, 0},
    {ESTOC_CONF_PROFILE, "san",        estoc_conf_take_san, OF_PROFILE(profile.san), 0, 0},
    {ESTOC_CONF_PROFILE, "change-subject", take_yes,    OF_PROFILE(profile.change_subject), 0, 0},
    {ESTOC_CONF_PROFILE, "grace",      take_time,       OF_PROFILE(profile.grace_s), 0, 90 * DAY},
    {ESTOC_CONF_PROFILE, "renew-window", estoc_conf_take_window, OF_PROFILE(profile), 0, 0},
    {ESTOC_CONF_PROFILE, "per-day",    take_number,     OF_PROFILE(profile.per_day), 0, 1000000},
    {ESTOC_CONF_PROFILE, "pop",        take_pop,        OF_PROFILE(profile.pop), 0, 0},
    {ESTOC_CONF_PROFILE, "registrars", take_yes,        OF_PROFILE(profile.registrars), 0, 0},
    {ESTOC_CONF_PROFILE, "approval",   take_approval,   OF_PROFILE(profile.approver), 0, 0},
    {ESTOC_CONF_PROFILE, "approval-command", estoc_conf_take_command, OF_PROFILE(profile.command), 0, 0},
    {ESTOC_CONF_PROFILE, "approval-timeout", take_time, OF_PROFILE(profile.command_s), SECOND, 60 * SECOND},
    {ESTOC_CONF_PROFILE, "retry-after", take_time,      OF_PROFILE(profile.retry_after_s), SECOND, 7 * DAY},
    {ESTOC_CONF_PROFILE, "keygen",     take_yes,        OF_PROFILE(profile.keygen), 0, 0},
    {ESTOC_CONF_PROFILE, "attributes", take_attributes, 0,                        0, 0},
    {ESTOC_CONF_PROFILE, "template",   take_template,   0,                        0, 0},
};
/* clang-format on */

#define KEYS (sizeof keys / sizeof keys[0])
_Static_assert(KEYS <= ESTOC_CONF_KEYS_MAX, "callers have an array for them");
_Static_assert(sizeof(unsigned) == sizeof(uint32_t), "take_number writes both");

static void give_file(const estoc_conf_key *k, const void *base,
                      void (*each)(void *ctx, const char *key, const char *path), void *ctx)
{
    const char *path = (const char *)base + k->at;
    bool is_file = k->take == take_path || k->take == take_no_path ||
                   (k->take == take_key && !estoc_key_is_uri(path));
    if (is_file && path[0] != '\0') {
        each(ctx, k->name, path);
    }
}

void estoc_config_files(const estoc_config *c,
                        void (*each)(void *ctx, const char *key, const char *path), void *ctx)
{
    for (size_t i = 0; i < KEYS; i++) {
        const estoc_conf_key *k = &keys[i];
        if (k->section != ESTOC_CONF_PROFILE) {
            give_file(k, c, each, ctx);
        }
        for (size_t p = 0; k->section == ESTOC_CONF_PROFILE && p < c->profiles_n; p++) {
            give_file(k, &c->profiles[p], each, ctx);
        }
    }
}

const estoc_conf_key *estoc_conf_key_at(size_t i)
{
    return i < KEYS ? &keys[i] : NULL;
}
