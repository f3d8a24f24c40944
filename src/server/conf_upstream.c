/* SPDX-License-Identifier: MIT
 *
 * What estocd.conf says of the servers behind a registrar (G1), and what profiles have of them.
 */
#include <string.h>

#include "conf_keys.h"
#include "conf_value.h"

/* What it says is not repeated: there may be a password in it. */
void estoc_conf_take_upstream_url(estoc_conf_reading *r, const estoc_conf_key *k, void *to,
                                  const char *value)
{
    estoc_upstream_conf *u = to; /* the whole: a list and its length */
    char url[ESTOC_URL_MAX];
    if (u->url_n == ESTOC_UPSTREAM_URLS) {
        estoc_conf_fault(r, "%s: at most %d servers of one service", k->name, ESTOC_UPSTREAM_URLS);
        return;
    }
    if (!estoc_conf_https(value, url, sizeof url)) {
        estoc_conf_fault(r,
                         "%s: must be https://HOST[:PORT]/PATH, such as "
                         "https://est.example/.well-known/est, without user, query and fragment, "
                         "under %d characters",
                         k->name, ESTOC_URL_MAX);
        return;
    }
    for (size_t i = 0; i < u->url_n; i++) {
        if (strcmp(u->url[i], url) == 0) {
            estoc_conf_fault(r, "%s = %s: is given twice", k->name, url);
            return;
        }
    }
    memcpy(u->url[u->url_n++], url, sizeof url);
}

/* ---- words ---- */

void estoc_conf_take_http(estoc_conf_reading *r, const estoc_conf_key *k, void *to,
                          const char *value)
{
    unsigned n = *(bool *)to ? 0 : 1;
    estoc_conf_take_word(r, k, &n, value, "1.1 or 2");
    *(bool *)to = n == 0;
}

void estoc_conf_take_reenroll(estoc_conf_reading *r, const estoc_conf_key *k, void *to,
                              const char *value)
{
    unsigned n = *(bool *)to ? 1 : 0;
    estoc_conf_take_word(r, k, &n, value, "simpleenroll or simplereenroll");
    *(bool *)to = n == 1;
}

_Static_assert(ESTOC_KEYGEN_NO == 0 && ESTOC_KEYGEN_UPSTREAM == 2, "in this order");
void estoc_conf_take_keygen(estoc_conf_reading *r, const estoc_conf_key *k, void *to,
                            const char *value)
{
    estoc_profile_conf *conf = to;
    unsigned n = conf->keygen;
    estoc_conf_take_word(r, k, &n, value,
                         r->c->authority == ESTOC_AUTHORITY_REGISTRAR ? "no, yes or upstream"
                                                                      : "no or yes");
    conf->keygen = (estoc_keygen)n;
    conf->profile.keygen = n == ESTOC_KEYGEN_HERE;
}

/* ---- names ---- */

/* @return false: a fault was told */
static bool take_segment(estoc_conf_reading *r, const estoc_conf_key *k, char to[32],
                         const char *value)
{
    size_t len = strlen(value);
    if (len >= 32 || (len > 0 && !estoc_conf_segment(value))) {
        estoc_conf_fault(r,
                         "%s = %.40s: must be at most 31 letters, digits, - _ . or ~, and not the "
                         "name of an EST resource",
                         k->name, value);
        return false;
    }
    memcpy(to, value, len + 1);
    return true;
}

void estoc_conf_take_upstream(estoc_conf_reading *r, const estoc_conf_key *k, void *to,
                              const char *value)
{
    (void)take_segment(r, k, to, value);
}

void estoc_conf_take_label(estoc_conf_reading *r, const estoc_conf_key *k, void *to,
                           const char *value)
{
    estoc_profile_conf *conf = to;
    conf->has_label = take_segment(r, k, conf->label, value);
}

/* ---- all of it ---- */

static int line_of(const estoc_conf_lines *lines, estoc_conf_section section, const char *name,
                   size_t at)
{
    const estoc_conf_key *k;
    size_t i = 0;
    while ((k = estoc_conf_key_at(i)) != NULL &&
           (k->section != section || strcmp(k->name, name) != 0)) {
        i++;
    }
    return lines->key[at][i];
}

static void check_upstream(estoc_conf_reading *r, const estoc_upstream_conf *u)
{
    const char *blank = u->name[0] != '\0' ? " " : "";
    if (u->url_n == 0) {
        estoc_conf_fault(r, "[upstream%s%s]: needs url = https://HOST/.well-known/est", blank,
                         u->name);
    }
    if (u->anchors[0] == '\0') {
        estoc_conf_fault(r, "[upstream%s%s]: needs anchors = FILE: whom to trust there", blank,
                         u->name);
    }
    if ((u->chain[0] == '\0') != (u->key[0] == '\0')) {
        estoc_conf_fault(r, "[upstream%s%s]: needs both certificate and key, or none", blank,
                         u->name);
    }
}

static void check_errand(estoc_conf_reading *r, size_t at)
{
    estoc_profile_conf *p = &r->c->profiles[at];
    size_t i = 0;
    while (i < r->c->upstreams_n && strcmp(r->c->upstreams[i].name, p->upstream) != 0) {
        i++;
    }
    p->upstream_at = i;
    if (!p->has_label) {
        memcpy(p->label, p->profile.name, sizeof p->label);
    }
    if (i < r->c->upstreams_n) {
        return;
    }
    r->line = line_of(&r->lines, ESTOC_CONF_PROFILE, "upstream", at);
    if (p->upstream[0] != '\0') {
        estoc_conf_fault(r, "upstream = %s: there is no section [upstream %s]", p->upstream,
                         p->upstream);
    } else {
        r->line = r->line != 0 ? r->line : r->lines.profile[at];
        estoc_conf_fault(r,
                         "[profile%s%s]: needs a section [upstream], or upstream = NAME for "
                         "[upstream NAME]",
                         p->profile.name[0] != '\0' ? " " : "", p->profile.name);
    }
}

void estoc_conf_check_upstreams(estoc_conf_reading *r)
{
    if (r->c->authority != ESTOC_AUTHORITY_REGISTRAR) {
        return;
    }
    if (r->c->upstreams_n == 0) {
        r->line = line_of(&r->lines, ESTOC_CONF_SERVER, "authority", 0);
        estoc_conf_fault(r, "authority = registrar: needs a section [upstream]");
        return;
    }
    for (size_t i = 0; i < r->c->upstreams_n; i++) {
        r->line = r->lines.upstream[i];
        check_upstream(r, &r->c->upstreams[i]);
    }
    for (size_t i = 0; i < r->c->profiles_n; i++) {
        check_errand(r, i);
    }
}
