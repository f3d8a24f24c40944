/* SPDX-License-Identifier: MIT
 *
 * The sections of estocd.conf, and where each key goes (X8).
 */
#include <stdio.h>
#include <string.h>

#include "conf_keys.h"

#define BLANKS        " \t\r\v\f"
#define VALIDITY_S    (365u * 86400u)
#define RETRY_AFTER_S 60u
#define COMMAND_S     10u
#define KEY_MAX       40 /* bytes of a key's name: longer ones are unknown */

static const char *const section_name[] = {[ESTOC_CONF_NOWHERE] = "",
                                           [ESTOC_CONF_UNKNOWN] = "",
                                           [ESTOC_CONF_SERVER] = "server",
                                           [ESTOC_CONF_CA] = "ca",
                                           [ESTOC_CONF_REGISTRAR] = "registrar",
                                           [ESTOC_CONF_UPSTREAM] = "upstream",
                                           [ESTOC_CONF_PROFILE] = "profile"};

/* ---- sections ---- */

void estoc_conf_enter_profile(estoc_conf_reading *r, const char *label)
{
    estoc_config *c = r->c;
    size_t i = 0;
    while (i < c->profiles_n && strcmp(c->profiles[i].profile.name, label) != 0) {
        i++;
    }
    if (i == ESTOC_PROFILES_MAX) {
        estoc_conf_fault(r, "[profile %s]: at most %d profiles", label, ESTOC_PROFILES_MAX);
        return;
    }
    if (i == c->profiles_n) {
        estoc_profile *profile = &c->profiles[i].profile;
        profile->validity_s = VALIDITY_S;
        profile->retry_after_s = RETRY_AFTER_S;
        profile->command_s = COMMAND_S;
        profile->keys = ESTOC_KEY_BIT(ESTOC_KEY_P256);
        profile->attributes = estoc_slice_of(c->profiles[i].attributes, 0);
        snprintf(profile->name, sizeof profile->name, "%s", label);
        c->profiles_n++;
    }
    if (r->lines.profile[i] == 0) {
        r->lines.profile[i] = r->line;
    }
    r->section = ESTOC_CONF_PROFILE;
    r->at = i;
}

static void enter_upstream(estoc_conf_reading *r, const char *label)
{
    estoc_config *c = r->c;
    size_t i = 0;
    while (i < c->upstreams_n && strcmp(c->upstreams[i].name, label) != 0) {
        i++;
    }
    if (i == ESTOC_UPSTREAMS_MAX) {
        estoc_conf_fault(r, "[upstream %s]: at most %d services", label, ESTOC_UPSTREAMS_MAX);
        return;
    }
    if (i == c->upstreams_n) {
        estoc_upstream_conf *u = &c->upstreams[c->upstreams_n++];
        u->connect_ms = 5000;
        u->answer_ms = 60000;
        snprintf(u->name, sizeof u->name, "%s", label);
        r->lines.upstream[i] = r->line;
    }
    r->section = ESTOC_CONF_UPSTREAM;
    r->at = i;
}

/* Whether it has a meaning here; otherwise a fault was told. */
static bool is_meant(estoc_conf_reading *r, estoc_conf_section s)
{
    bool registrar = r->c->authority == ESTOC_AUTHORITY_REGISTRAR;
    if (r->profiles_alone && s != ESTOC_CONF_PROFILE) {
        estoc_conf_fault(r, "[%s]: nothing but profiles may stand here", section_name[s]);
        return false;
    }
    if (registrar ? s == ESTOC_CONF_CA : s == ESTOC_CONF_REGISTRAR || s == ESTOC_CONF_UPSTREAM) {
        estoc_conf_fault(r, "[%s]: has no meaning with authority = %s", section_name[s],
                         registrar ? "registrar" : "ca");
        return false;
    }
    return true;
}

/* Sections whose name may have a label behind it. @return ESTOC_CONF_UNKNOWN: this is none */
static estoc_conf_section labelled(const char *name, const char **label)
{
    for (estoc_conf_section s = ESTOC_CONF_UPSTREAM; s <= ESTOC_CONF_PROFILE; s++) {
        size_t len = strlen(section_name[s]);
        if (strncmp(name, section_name[s], len) == 0 && strspn(name + len, BLANKS) > 0) {
            *label = name + len + strspn(name + len, BLANKS);
            return s;
        }
    }
    return ESTOC_CONF_UNKNOWN;
}

static void enter_labelled(estoc_conf_reading *r, const char *name)
{
    const size_t room = sizeof r->c->profiles[0].profile.name;
    const char *label = "";
    estoc_conf_section s = labelled(name, &label);
    if (s == ESTOC_CONF_UNKNOWN) {
        estoc_conf_fault(r,
                         "unknown section [%.40s]; there are [server], [ca] or [registrar] and "
                         "[upstream], [profile] and [profile LABEL]",
                         name);
    } else if (!is_meant(r, s)) {
        return;
    } else if (strlen(label) >= room || !estoc_conf_segment(label)) {
        estoc_conf_fault(r,
                         "[%s %.40s]: a label is at most %zu letters, digits, - _ . or ~, and "
                         "not the name of an EST resource",
                         section_name[s], label, room - 1);
    } else if (s == ESTOC_CONF_PROFILE) {
        estoc_conf_enter_profile(r, label);
    } else {
        enter_upstream(r, label);
    }
}

void estoc_conf_enter(estoc_conf_reading *r, const char *name)
{
    r->section = ESTOC_CONF_UNKNOWN;
    r->at = 0;
    estoc_conf_section s = ESTOC_CONF_SERVER;
    while (s <= ESTOC_CONF_PROFILE && strcmp(name, section_name[s]) != 0) {
        s++;
    }
    if (s > ESTOC_CONF_PROFILE) {
        enter_labelled(r, name);
    } else if (!is_meant(r, s)) {
        return;
    } else if (s == ESTOC_CONF_UPSTREAM) {
        enter_upstream(r, "");
    } else if (s == ESTOC_CONF_PROFILE) {
        estoc_conf_enter_profile(r, "");
    } else {
        r->section = s;
    }
}

/* ---- keys ---- */

static void unknown_key(estoc_conf_reading *r, const char *name)
{
    char known[448] = "";
    const estoc_conf_key *k;
    size_t n = 0;
    for (size_t i = 0; (k = estoc_conf_key_at(i)) != NULL; i++) {
        if (k->section == r->section && estoc_conf_meant(k, r->c->authority) && n < sizeof known) {
            n += (size_t)snprintf(known + n, sizeof known - n, "%s%s", n > 0 ? ", " : "", k->name);
        }
    }
    estoc_conf_fault(r, "unknown key %.40s; [%s] has: %s", name, section_name[r->section],
                     known); /* X8 */
}

/* Where fields of this section are. */
static uint8_t *base_of(estoc_conf_reading *r)
{
    estoc_config *c = r->c;
    return r->section == ESTOC_CONF_PROFILE    ? (uint8_t *)&c->profiles[r->at]
           : r->section == ESTOC_CONF_UPSTREAM ? (uint8_t *)&c->upstreams[r->at]
                                               : (uint8_t *)c;
}

/* `_` is another way to write `-`. @return the key's number; one past the last: there is none */
static size_t find_key(const estoc_conf_reading *r, const char *name)
{
    char plain[KEY_MAX + 1];
    const estoc_conf_key *k;
    size_t i = 0;
    snprintf(plain, sizeof plain, "%s", name);
    for (char *at = plain; (at = strchr(at, '_')) != NULL;) {
        *at = '-';
    }
    while ((k = estoc_conf_key_at(i)) != NULL &&
           (k->section != r->section || strcmp(k->name, plain) != 0)) {
        i++;
    }
    return i;
}

void estoc_conf_key_line(estoc_conf_reading *r, const char *name, const char *value)
{
    size_t i = find_key(r, name);
    const estoc_conf_key *k = estoc_conf_key_at(i);
    if (k == NULL) {
        unknown_key(r, name);
        return;
    }
    if (!estoc_conf_meant(k, r->c->authority)) {
        estoc_conf_fault(r, "%s has no meaning with authority = %s", k->name,
                         r->c->authority == ESTOC_AUTHORITY_CA ? "ca" : "registrar");
        return;
    }
    int *line = &r->lines.key[r->at][i];
    if (*line != 0 && (k->rules & ESTOC_CONF_REPEATS) == 0) {
        estoc_conf_fault(r, "%s stands on line %d already", k->name, *line);
    }
    *line = r->line;
    if (r->section == ESTOC_CONF_PROFILE && !estoc_conf_values_set(&r->values, r->at, i, value)) {
        r->err = ESTOC_E_MEMORY;
        return;
    }
    k->take(r, k, base_of(r) + k->at, value);
}
