/* SPDX-License-Identifier: MIT
 *
 * The keys of estocd.conf: a table of names, and for each what takes its value.
 */
#ifndef ESTOC_CONF_KEYS_H
#define ESTOC_CONF_KEYS_H

#include "config.h"

#define ESTOC_CONF_KEYS_MAX 128

typedef enum estoc_conf_section {
    ESTOC_CONF_NOWHERE, /* before the first section */
    ESTOC_CONF_UNKNOWN, /* told already: its keys are passed over */
    ESTOC_CONF_SERVER,
    ESTOC_CONF_CA,
    ESTOC_CONF_REGISTRAR,
    ESTOC_CONF_UPSTREAM,
    ESTOC_CONF_PROFILE
} estoc_conf_section;

/** What holds for a key. */
enum {
    ESTOC_CONF_CA_ONLY = 1, /* has no meaning with another kind of authority */
    ESTOC_CONF_RA_ONLY = 2, /* likewise: only behind a registrar */
    ESTOC_CONF_REPEATS = 4  /* may be given several times */
};

/** On which lines things stand; 0: nowhere. */
typedef struct estoc_conf_lines {
    int key[ESTOC_PROFILES_MAX][ESTOC_CONF_KEYS_MAX]; /* by the numbers of label and key */
    int profile[ESTOC_PROFILES_MAX], upstream[ESTOC_UPSTREAMS_MAX];
} estoc_conf_lines;

/** Values of profiles as they stand in a file. Zeroed is empty. */
typedef struct estoc_conf_values {
    char *at[ESTOC_PROFILES_MAX][ESTOC_CONF_KEYS_MAX]; /* by the numbers of profile and key */
} estoc_conf_values;

/** One reading of a file: what is made of it, and where its faults go. */
typedef struct estoc_conf_reading {
    estoc_config *c;
    void (*report)(void *ctx, int line, const char *text); /* or NULL */
    void *ctx;
    int line;            /* the present one; 0: the file as a whole */
    estoc_err err;       /* of the first fault */
    bool profiles_alone; /* nothing else may stand there */
    estoc_conf_section section;
    size_t at; /* within [profile] and [upstream]: of which label */
    estoc_conf_lines lines;
    estoc_conf_values values;
} estoc_conf_reading;
void estoc_conf_fault(estoc_conf_reading *r, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

typedef struct estoc_conf_key estoc_conf_key;
struct estoc_conf_key {
    estoc_conf_section section;
    const char *name;
    /* takes `value` into the field, or reports a fault and leaves it */
    void (*take)(estoc_conf_reading *r, const estoc_conf_key *k, void *field, const char *value);
    size_t at; /* the field in estoc_config, or in that of its section's label */
    uint64_t min, max;
    unsigned rules; /* bits of these, or 0 */
};

/* What takes values: each one that stands in the table of keys. */
typedef void estoc_conf_take(estoc_conf_reading *r, const estoc_conf_key *k, void *field,
                             const char *value);
/* numbers, files, addresses, words (conf_take.c) */
estoc_conf_take estoc_conf_take_number, estoc_conf_take_time, estoc_conf_take_bits;
estoc_conf_take estoc_conf_take_path, estoc_conf_take_no_path, estoc_conf_take_key;
estoc_conf_take estoc_conf_take_passphrase, estoc_conf_take_store, estoc_conf_take_url;
estoc_conf_take estoc_conf_take_listen, estoc_conf_take_discovery, estoc_conf_take_https;
estoc_conf_take estoc_conf_take_one_address, estoc_conf_take_no_key, estoc_conf_take_authority;
estoc_conf_take estoc_conf_take_node, estoc_conf_take_root, estoc_conf_take_level;
estoc_conf_take estoc_conf_take_unrecognised, estoc_conf_take_profiles, estoc_conf_take_yes;
estoc_conf_take estoc_conf_take_names, estoc_conf_take_pop, estoc_conf_take_approval;
/* the rules of a profile (conf_profile.c) */
estoc_conf_take estoc_conf_take_keys, estoc_conf_take_eku, estoc_conf_take_usage;
estoc_conf_take estoc_conf_take_policies, estoc_conf_take_extensions;
estoc_conf_take estoc_conf_take_patterns, estoc_conf_take_subject, estoc_conf_take_san;
estoc_conf_take estoc_conf_take_command, estoc_conf_take_window;
estoc_conf_take estoc_conf_take_attributes, estoc_conf_take_template;
/* what is behind a registrar (conf_upstream.c) */
estoc_conf_take estoc_conf_take_upstream_url, estoc_conf_take_http, estoc_conf_take_upstream;
estoc_conf_take estoc_conf_take_label, estoc_conf_take_keygen, estoc_conf_take_reenroll;

/** @return NULL past the last one */
const estoc_conf_key *estoc_conf_key_at(size_t i);
/** Whether a key has a meaning with this kind of authority. */
bool estoc_conf_meant(const estoc_conf_key *k, unsigned authority);

/** What stands between the brackets of a section. */
void estoc_conf_enter(estoc_conf_reading *r, const char *name);
/** A profile, new or not; "" for the default. */
void estoc_conf_enter_profile(estoc_conf_reading *r, const char *label);
/** A key of the section entered last, and its value. */
void estoc_conf_key_line(estoc_conf_reading *r, const char *name, const char *value);
/** Of a registrar: that each service has what it needs, and each profile a service; finds it. */
void estoc_conf_check_upstreams(estoc_conf_reading *r);

/** One of several words, listed as in "a, b or c": the field gets its number, from 0. */
void estoc_conf_take_word(estoc_conf_reading *r, const estoc_conf_key *k, void *to,
                          const char *value, const char *words);

/** Keep a copy. @return false: no memory */
bool estoc_conf_values_set(estoc_conf_values *v, size_t profile, size_t key, const char *value);
void estoc_conf_values_free(estoc_conf_values *v);
/** The profiles as sections of a file: those of `c`, with these values. The same values give the same
 *  text, however they were written. @return 0; ESTOC_E_SPACE                                       */
ESTOC_MUST_USE estoc_err estoc_conf_policy(const estoc_config *c, const estoc_conf_values *v,
                                           char *out, size_t cap);

/** Whether this is one path segment, and not the name of an EST resource: what a label or a short
 *  root may be. R1, RFC 9148 section 4.1                                                           */
bool estoc_conf_segment(const char *text);
/** Whether this can be a node's name. */
bool estoc_conf_node(const char *text);
/** "sqlite:PATH" into config->store. @return false: it is no such thing, or too long */
bool estoc_conf_store(estoc_config *c, const char *value);

#endif
