/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "access.h"
#include "dtls.h"
#include "roster.h"
#include "text.h"

typedef uint8_t step[ESTOC_TRAIL_STEP];

struct estoc_access {
    bool anchored; /* the client's certificate is to have come by one of these */
    step *anchors;
    size_t anchors_n;
    estoc_roster *allow, *deny;           /* or NULL */
    char *allow_subjects, *deny_subjects; /* or NULL */
};

/* --------------------------------------------------------------------------------------- the rules */

/* The anchors of the profile, and those of the server that lead to one of them: where the server trusts
 * a CA below the profile's, a client's way ends there. */
static estoc_err take_anchors(estoc_access *a, const char *path, const estoc_blobs *named,
                              const estoc_blobs *servers, estoc_why *why)
{
    estoc_err err = ESTOC_OK;
    a->anchored = true;
    a->anchors = calloc(named->n + servers->n, sizeof *a->anchors);
    if (a->anchors == NULL) {
        estoc_why_set(why, "%s: %s", path, estoc_err_text(ESTOC_E_MEMORY));
        return ESTOC_E_MEMORY;
    }
    for (size_t i = 0; !err && i < named->n + servers->n; i++) {
        estoc_cert cert;
        estoc_slice der = estoc_blob_slice(i < named->n ? named->at[i] : servers->at[i - named->n]);
        if (i >= named->n &&
            estoc_chain_verify(der, servers, named, ESTOC_PURPOSE_ANY, estoc_unix_s(), NULL)) {
            continue;
        }
        err = estoc_cert_parse(&cert, der);
        err = err ? err : estoc_dtls_trail_step(&cert, a->anchors[a->anchors_n]);
        a->anchors_n++;
    }
    if (err) {
        estoc_why_set(why, "%s: a certificate in it: %s", path, estoc_err_text(err));
    }
    return err;
}

static estoc_err load_anchors(estoc_access *a, const char *path, const estoc_blobs *anchors,
                              estoc_why *why)
{
    estoc_blobs own = {NULL, 0};
    estoc_err err = estoc_certs_load(path, &own, why);
    err = err ? err : take_anchors(a, path, &own, anchors, why);
    estoc_blobs_free(&own);
    return err;
}

static estoc_err copy_text(const char *text, char **out)
{
    *out = text[0] != '\0' ? strdup(text) : NULL;
    return text[0] != '\0' && *out == NULL ? ESTOC_E_MEMORY : ESTOC_OK;
}

static estoc_err load_all(estoc_access *a, const estoc_profile_conf *conf,
                          const estoc_blobs *anchors, estoc_why *why)
{
    estoc_err err = copy_text(conf->allow_subjects, &a->allow_subjects);
    err = err ? err : copy_text(conf->deny_subjects, &a->deny_subjects);
    if (err) {
        estoc_why_set(why, "%s", estoc_err_text(err));
    }
    if (!err && conf->client_anchors[0] != '\0') {
        err = load_anchors(a, conf->client_anchors, anchors, why);
    }
    if (!err && conf->allow[0] != '\0') {
        err = estoc_roster_load(conf->allow, false, &a->allow, why);
    }
    if (!err && conf->deny[0] != '\0') {
        err = estoc_roster_load(conf->deny, true, &a->deny, why);
    }
    return err;
}

estoc_err estoc_access_load(const estoc_profile_conf *conf, const estoc_blobs *anchors,
                            estoc_access **out, estoc_why *why)
{
    *out = NULL;
    if (conf->client_anchors[0] == '\0' && conf->allow[0] == '\0' && conf->deny[0] == '\0' &&
        conf->allow_subjects[0] == '\0' && conf->deny_subjects[0] == '\0') {
        return ESTOC_OK;
    }
    estoc_access *a = calloc(1, sizeof *a);
    if (a == NULL) {
        estoc_why_set(why, "%s", estoc_err_text(ESTOC_E_MEMORY));
        return ESTOC_E_MEMORY;
    }
    estoc_err err = load_all(a, conf, anchors, why);
    if (err) {
        estoc_access_free(a);
        return err;
    }
    *out = a;
    return ESTOC_OK;
}

void estoc_access_free(estoc_access *a)
{
    if (a != NULL) {
        estoc_roster_free(a->allow);
        estoc_roster_free(a->deny);
        free(a->allow_subjects);
        free(a->deny_subjects);
        free(a->anchors);
        free(a);
    }
}

/* --------------------------------------------------------------------------------------- the answer */

static bool came_by(const estoc_access *a, estoc_slice trail)
{
    for (size_t at = 0; at + ESTOC_TRAIL_STEP <= trail.len; at += ESTOC_TRAIL_STEP) {
        for (size_t i = 0; i < a->anchors_n; i++) {
            if (memcmp(trail.ptr + at, a->anchors[i], ESTOC_TRAIL_STEP) == 0) {
                return true;
            }
        }
    }
    return false;
}

/* @param[in] good  the subject has been checked */
static bool matches(const char *patterns, estoc_slice subject, bool good)
{
    estoc_slice pattern;
    while (good && patterns != NULL && estoc_patterns_next(&patterns, &pattern)) {
        if (estoc_subject_matches(pattern, subject)) {
            return true;
        }
    }
    return false;
}

const char *estoc_access_refusal(const estoc_access *a, const estoc_cert *client, estoc_slice trail)
{
    if (a == NULL) {
        return NULL;
    }
    bool good = estoc_name_check(client->subject) == ESTOC_OK;
    if (a->deny_subjects != NULL && !good) {
        return "your certificate's subject cannot be taken";
    }
    if (estoc_roster_has(a->deny, client) || matches(a->deny_subjects, client->subject, good)) {
        return "your certificate is denied here";
    }
    if (a->anchored && !came_by(a, trail)) {
        return "your certificate's CA is none of those for this path";
    }
    if ((a->allow != NULL || a->allow_subjects != NULL) && !estoc_roster_has(a->allow, client) &&
        !matches(a->allow_subjects, client->subject, good)) {
        return "your certificate is none of those for this path";
    }
    return NULL;
}
