/* SPDX-License-Identifier: MIT
 *
 * The keys of estocd.conf: a table of names, and for each what takes its value.
 */
#ifndef ESTOC_CONF_KEYS_H
#define ESTOC_CONF_KEYS_H

#include "config.h"

typedef enum estoc_conf_section {
    ESTOC_CONF_NOWHERE, /* before the first section */
    ESTOC_CONF_UNKNOWN, /* told already: its keys are passed over */
    ESTOC_CONF_SERVER,
    ESTOC_CONF_CA,
    ESTOC_CONF_PROFILE
} estoc_conf_section;

/** One reading of a file: what is made of it, and where its faults go. */
typedef struct estoc_conf_reading {
    estoc_config *c;
    void (*report)(void *ctx, int line, const char *text); /* or NULL */
    void *ctx;
    int line;      /* the present one; 0: the file as a whole */
    estoc_err err; /* of the first fault */
} estoc_conf_reading;
void estoc_conf_fault(estoc_conf_reading *r, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

typedef struct estoc_conf_key estoc_conf_key;
struct estoc_conf_key {
    estoc_conf_section section;
    const char *name;
    /* takes `value` into the field, or reports a fault and leaves it */
    void (*take)(estoc_conf_reading *r, const estoc_conf_key *k, void *field, const char *value);
    size_t at; /* the field in estoc_config, or in estoc_profile_conf */
    uint64_t min, max;
};

/* What takes values: each one that stands in the table of keys. */
typedef void estoc_conf_take(estoc_conf_reading *r, const estoc_conf_key *k, void *field,
                             const char *value);
/* numbers, files, addresses, words (conf_take.c) */
estoc_conf_take estoc_conf_take_number, estoc_conf_take_time, estoc_conf_take_bits;
estoc_conf_take estoc_conf_take_path, estoc_conf_take_no_path, estoc_conf_take_key;
estoc_conf_take estoc_conf_take_passphrase, estoc_conf_take_store, estoc_conf_take_url;
estoc_conf_take estoc_conf_take_listen, estoc_conf_take_discovery, estoc_conf_take_one_address;
estoc_conf_take estoc_conf_take_node, estoc_conf_take_root, estoc_conf_take_level;
estoc_conf_take estoc_conf_take_unrecognised, estoc_conf_take_profiles, estoc_conf_take_yes;
estoc_conf_take estoc_conf_take_names, estoc_conf_take_pop, estoc_conf_take_approval;
/* the rules of a profile (conf_profile.c) */
estoc_conf_take estoc_conf_take_keys, estoc_conf_take_eku, estoc_conf_take_usage;
estoc_conf_take estoc_conf_take_policies, estoc_conf_take_extensions;
estoc_conf_take estoc_conf_take_patterns, estoc_conf_take_subject, estoc_conf_take_san;
estoc_conf_take estoc_conf_take_command, estoc_conf_take_window;
estoc_conf_take estoc_conf_take_attributes, estoc_conf_take_template;

#define ESTOC_CONF_KEYS_MAX 96
/** @return NULL past the last one */
const estoc_conf_key *estoc_conf_key_at(size_t i);

/** Values of profiles as they stand in a file. Zeroed is empty. */
typedef struct estoc_conf_values {
    char *at[ESTOC_PROFILES_MAX][ESTOC_CONF_KEYS_MAX]; /* by the numbers of profile and key */
} estoc_conf_values;
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
