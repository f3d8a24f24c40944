/* SPDX-License-Identifier: MIT
 *
 * What takes the values of estocd.conf into their fields: numbers, times, files, addresses, words.
 */
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

void estoc_conf_take_number(estoc_conf_reading *r, const estoc_conf_key *k, void *to,
                            const char *value)
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
void estoc_conf_take_time(estoc_conf_reading *r, const estoc_conf_key *k, void *to,
                          const char *value)
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

void estoc_conf_take_bits(estoc_conf_reading *r, const estoc_conf_key *k, void *to,
                          const char *value)
{
    uint32_t bits;
    if (!estoc_conf_bits(value, &bits) || (bits != 0 && (bits < k->min || bits > k->max))) {
        estoc_conf_fault(r, "%s = %.40s: must be bits a second from 4k to 4G, such as 100k, or 0",
                         k->name, value);
        return;
    }
    *(uint32_t *)to = bits;
}

void estoc_conf_take_path(estoc_conf_reading *r, const estoc_conf_key *k, void *to,
                          const char *value)
{
    if (value[0] == '\0' || estoc_path_join(to, sizeof r->c->ca_key, r->c->dir, value)) {
        estoc_conf_fault(
            r, "%s = %.40s: must be the path of a file, under %zu bytes with the directory's",
            k->name, value, sizeof r->c->ca_key);
    }
}

void estoc_conf_take_no_path(estoc_conf_reading *r, const estoc_conf_key *k, void *to,
                             const char *value)
{
    if (value[0] == '\0') {
        *(char *)to = '\0';
    } else {
        estoc_conf_take_path(r, k, to, value);
    }
}

void estoc_conf_take_key(estoc_conf_reading *r, const estoc_conf_key *k, void *to,
                         const char *value)
{
    size_t len = strlen(value);
    if (!estoc_key_is_uri(value)) {
        estoc_conf_take_path(r, k, to, value);
    } else if (len < sizeof r->c->ca_key) {
        memcpy(to, value, len + 1);
    } else {
        estoc_conf_fault(r, "%s: a URI has at most %zu bytes", k->name, sizeof r->c->ca_key - 1);
    }
}

void estoc_conf_take_no_key(estoc_conf_reading *r, const estoc_conf_key *k, void *to,
                            const char *value)
{
    if (value[0] == '\0') {
        *(char *)to = '\0';
    } else {
        estoc_conf_take_key(r, k, to, value);
    }
}

void estoc_conf_take_passphrase(estoc_conf_reading *r, const estoc_conf_key *k, void *to,
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

void estoc_conf_take_store(estoc_conf_reading *r, const estoc_conf_key *k, void *to,
                           const char *value)
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
void estoc_conf_take_url(estoc_conf_reading *r, const estoc_conf_key *k, void *to,
                         const char *value)
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

/* More of them. @return false: a fault was told */
static bool take_addresses(estoc_conf_reading *r, const char *key, char (*to)[64], size_t *n,
                           const char *value)
{
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

void estoc_conf_take_one_address(estoc_conf_reading *r, const estoc_conf_key *k, void *to,
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

void estoc_conf_take_listen(estoc_conf_reading *r, const estoc_conf_key *k, void *to,
                            const char *value)
{
    estoc_config *c = to; /* the whole: a list and its length */
    c->listen_n = 0;
    if (take_addresses(r, k->name, c->listen, &c->listen_n, value) && c->listen_n == 0) {
        estoc_conf_fault(r, "%s: no address; leave the line out to listen on [::]:5684", k->name);
    }
}

void estoc_conf_take_discovery(estoc_conf_reading *r, const estoc_conf_key *k, void *to,
                               const char *value)
{
    estoc_config *c = to;
    c->discovery_n = 0;
    (void)take_addresses(r, k->name, c->discovery, &c->discovery_n, value);
}

/* A list as well, and of several lines. */
void estoc_conf_take_https(estoc_conf_reading *r, const estoc_conf_key *k, void *to,
                           const char *value)
{
    estoc_config *c = to;
    (void)take_addresses(r, k->name, c->https, &c->https_n, value);
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

void estoc_conf_take_node(estoc_conf_reading *r, const estoc_conf_key *k, void *to,
                          const char *value)
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

void estoc_conf_take_root(estoc_conf_reading *r, const estoc_conf_key *k, void *to,
                          const char *value)
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

void estoc_conf_take_word(estoc_conf_reading *r, const estoc_conf_key *k, void *to,
                          const char *value, const char *words)
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
void estoc_conf_take_level(estoc_conf_reading *r, const estoc_conf_key *k, void *to,
                           const char *value)
{
    estoc_conf_take_word(r, k, to, value, "error, warn, info or debug");
}

_Static_assert(ESTOC_AUTHORITY_CA == 0 && ESTOC_AUTHORITY_REGISTRAR == 1, "in this order");
void estoc_conf_take_authority(estoc_conf_reading *r, const estoc_conf_key *k, void *to,
                               const char *value)
{
    estoc_conf_take_word(r, k, to, value, "ca or registrar");
}

_Static_assert(ESTOC_REFUSE == 0 && ESTOC_ANSWER == 1, "in this order");
void estoc_conf_take_unrecognised(estoc_conf_reading *r, const estoc_conf_key *k, void *to,
                                  const char *value)
{
    estoc_conf_take_word(r, k, to, value, "refuse or answer");
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

void estoc_conf_take_yes(estoc_conf_reading *r, const estoc_conf_key *k, void *to,
                         const char *value)
{
    take_either(r, k, to, value, "yes", "no");
}

void estoc_conf_take_names(estoc_conf_reading *r, const estoc_conf_key *k, void *to,
                           const char *value)
{
    take_either(r, k, to, value, "any", "own");
}

_Static_assert(ESTOC_POP_OFF == 0 && ESTOC_POP_REQUIRED == 2, "in this order");
void estoc_conf_take_pop(estoc_conf_reading *r, const estoc_conf_key *k, void *to,
                         const char *value)
{
    estoc_conf_take_word(r, k, to, value, "off, optional or required");
}

void estoc_conf_take_profiles(estoc_conf_reading *r, const estoc_conf_key *k, void *to,
                              const char *value)
{
    take_either(r, k, to, value, "store", "file");
}

_Static_assert(ESTOC_APPROVER_NONE == 0 && ESTOC_APPROVER_COMMAND == 2, "in this order");
void estoc_conf_take_approval(estoc_conf_reading *r, const estoc_conf_key *k, void *to,
                              const char *value)
{
    estoc_conf_take_word(r, k, to, value, "auto, manual or command");
}
