/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "ca.h"
#include "conf_value.h"
#include "generation.h"
#include "store.h"
#include "text.h"

/* UDP payload of the largest datagram: an IPv6 header is the longer one. D7. */
#define IP_UDP_BYTES 48u

/* It still says who was revoked, and who is since it does not. */
static void warn_of_old_lists(const estoc_generation *g)
{
    for (size_t i = 0; i < g->crls.n; i++) {
        estoc_crl_head head;
        if (!estoc_crl_read(estoc_blob_slice(g->crls.at[i]), &head) && head.next != 0 &&
            head.next < estoc_unix_s()) {
            char issuer[256], end[32];
            estoc_log(ESTOC_LOG_WARN, "server", "event", "client-crls", "why",
                      "a list is out of date; put a newer one in the file and reload", "issuer",
                      estoc_name_text(head.issuer, (estoc_buf){(uint8_t *)issuer, sizeof issuer}),
                      "until", estoc_time_text(head.next, end, sizeof end), NULL);
        }
    }
}

static estoc_err load_credentials(estoc_generation *g, estoc_why *why)
{
    const estoc_config *c = &g->conf;
    estoc_err err = ESTOC_OK;
    if (c->authority == ESTOC_AUTHORITY_CA) {
        err = estoc_certs_load(c->ca_chain, &g->ca_chain, why);
        err = err ? err : estoc_key_load_sealed(c->ca_key, c->ca_passphrase, &g->ca_key, why);
    }
    err = err ? err : estoc_services_load(&g->services, c, why);
    err = err ? err : estoc_certs_load(c->server_chain, &g->server_chain, why);
    err = err ? err : estoc_key_load(c->server_key, &g->server_key, why);
    err = err ? err : estoc_certs_load(c->client_anchors, &g->anchors, why);
    if (!err && c->expired_anchors[0] != '\0') {
        err = estoc_certs_load(c->expired_anchors, &g->expired, why);
    }
    if (!err && c->denied[0] != '\0') {
        err = estoc_certs_load(c->denied, &g->denied, why);
    }
    if (!err && c->client_crls[0] != '\0') {
        err = estoc_crls_load(c->client_crls, &g->crls, why);
        warn_of_old_lists(g);
    }
    if (!err && c->rollover[0] != '\0') {
        err = estoc_certs_load(c->rollover, &g->rollover, why);
    }
    if (!err && c->decrypt_keys[0] != '\0') {
        err = estoc_shared_keys_load(c->decrypt_keys, &g->decrypt_keys, why);
    }
    return err;
}

static void ask_for_password(estoc_profile_conf *p)
{
    const char *what;
    estoc_buf room = {p->attributes, sizeof p->attributes};
    estoc_err ignored =
        estoc_conf_attributes("challengePassword", room, &p->profile.attributes.len, &what);
    (void)ignored; /* there is room for one OID */
}

/* The first fault of a text that another node has published. */
static void take_fault(void *ctx, int line, const char *text)
{
    estoc_why *why = ctx;
    if (why->text[0] == '\0') {
        estoc_why_set(why, "the published profiles, line %d: %.180s", line, text);
    }
}

static estoc_err take_published(estoc_generation *g, estoc_store *store, estoc_why *why)
{
    estoc_blob text;
    estoc_err err = estoc_store_policy_published(store, &g->policy, &text);
    if (err == ESTOC_E_NOT_FOUND) {
        estoc_why_set(why, "profiles = store, but none are published; see `estocd profiles "
                           "publish --dir DIR`");
        return ESTOC_E_CONFIG;
    }
    if (!err) {
        why->text[0] = '\0';
        err = estoc_config_profiles(&g->conf, estoc_blob_slice(text), take_fault, why);
        estoc_blob_free(&text);
    }
    return err;
}

/* Which profiles these are: what each certificate is noted down with (X9). */
static estoc_err take_profiles(estoc_generation *g, estoc_why *why)
{
    estoc_store *store;
    uint8_t digest[32];
    const char *text = g->conf.policy;
    estoc_err err = estoc_store_open(g->conf.store, &store, why);
    if (err) {
        return err;
    }
    if (g->conf.profiles_in_store) {
        err = take_published(g, store, why);
    } else {
        err = estoc_sha256(estoc_slice_str(text), digest);
        err = err ? err : estoc_store_policy(store, digest, text, estoc_unix_s(), &g->policy);
    }
    if (err == ESTOC_E_STORE) {
        estoc_why_set(why, "store: %.200s", estoc_store_why(store));
    }
    estoc_store_close(store);
    return err;
}

static estoc_err open_ca(estoc_generation *g, const char *node, estoc_why *why)
{
    estoc_profile profiles[ESTOC_PROFILES_MAX];
    for (size_t i = 0; i < g->conf.profiles_n; i++) {
        estoc_profile_conf *p = &g->conf.profiles[i];
        if (p->profile.pop == ESTOC_POP_REQUIRED && p->profile.attributes.len == 0) {
            ask_for_password(p); /* devices know by /att */
        }
        profiles[i] = p->profile;
    }
    estoc_ca_cfg cfg = {.store_url = g->conf.store,
                        .node = node,
                        .policy = g->policy,
                        .chain = &g->ca_chain,
                        .key = g->ca_key,
                        .keygen_signer = {g->server_key, &g->server_chain},
                        .decrypt_keys = &g->decrypt_keys,
                        .profiles = profiles,
                        .profiles_n = g->conf.profiles_n,
                        .retry_window_s = g->conf.retry_window_s,
                        .pending = g->conf.pending,
                        .commands_max = g->conf.commands_max,
                        .audit = g->conf.audit,
                        .audit_syslog = g->conf.audit_syslog,
                        .crl_url = g->conf.crl_url};
    return estoc_ca_open(&cfg, &g->authority, why);
}

static estoc_err open_authority(estoc_generation *g, const estoc_common *common, estoc_why *why)
{
    const estoc_config *c = &g->conf;
    for (size_t i = 0; i < c->profiles_n; i++) {
        /* the copy of the configuration moved the bytes the slice points to */
        g->conf.profiles[i].profile.attributes.ptr = c->profiles[i].attributes;
    }
    g->max_age_s = c->max_age_s;
    if (c->authority == ESTOC_AUTHORITY_CA) {
        return open_ca(g, common->node, why);
    }
    g->max_age_s = c->refresh_s < c->max_age_s ? c->refresh_s : c->max_age_s; /* G3 */
    return estoc_services_open(&g->services, c, common->node,
                               (estoc_cms_from){g->server_key, &g->server_chain}, &g->decrypt_keys,
                               common->news, common->news_ctx, &g->authority, why);
}

#define CRTS_MAX 16 /* certificates in an answer of /crts */

/* An ETag for what these bytes are, the same at every node and after every start. */
static estoc_err make_etag(estoc_slice bytes, uint8_t etag[ESTOC_ETAG_LEN])
{
    uint8_t digest[32];
    estoc_err err = estoc_sha256(bytes, digest);
    memcpy(etag, digest, err ? 0 : ESTOC_ETAG_LEN);
    return err;
}

/* Each once: a file for the change of the root may have both roots. @return false: too many */
static bool add_certs(const estoc_blobs *certs, estoc_slice list[CRTS_MAX], size_t *n)
{
    for (size_t i = 0; i < certs->n; i++) {
        estoc_slice cert = estoc_blob_slice(certs->at[i]);
        size_t at = 0;
        while (at < *n && !estoc_slice_eq(list[at], cert)) {
            at++;
        }
        if (at == CRTS_MAX) {
            return false;
        }
        list[at] = cert;
        *n += at == *n;
    }
    return true;
}

/* What /crts answers, root first; nothing is made of no certificates (HC 326). */
static estoc_err serve_certs(estoc_served *s, const estoc_slice *list, size_t n)
{
    size_t room = 64;
    if (n == 0) {
        s->lacks_certs = true;
        return ESTOC_OK;
    }
    for (size_t i = 0; i < n; i++) {
        room += list[i].len;
    }
    s->cert = n == 1 ? list[0] : (estoc_slice){NULL, 0};
    s->certs.ptr = malloc(room);
    if (s->certs.ptr == NULL) {
        return ESTOC_E_MEMORY;
    }
    estoc_err err = estoc_certs_build(list, n, (estoc_buf){s->certs.ptr, room}, &s->certs.len);
    err = err ? err : make_etag(estoc_blob_slice(s->certs), s->certs_etag);
    return err ? err : make_etag(s->cert, s->cert_etag);
}

static estoc_err serve_profile(estoc_generation *g, const estoc_profile_conf *conf, estoc_why *why)
{
    estoc_authority *a = g->authority;
    const char *profile = conf->profile.name;
    estoc_served *s = &g->served[g->served_n++];
    estoc_slice list[CRTS_MAX];
    size_t n = 0;
    estoc_verdict lack;
    s->profile = profile;
    s->grace_s = conf->profile.grace_s;
    s->attributes = a->ops->attributes(a, profile);
    s->lacks_attributes = s->attributes.len == 0 && a->ops->lacks(a, profile, ESTOC_OP_ATT, &lack);
    s->keygen = a->ops->makes_keys(a, profile);
    bool fits = add_certs(a->ops->anchors(a, profile), list, &n) &&
                add_certs(&g->rollover, list, &n); /* E2 */
    if (!fits) {
        estoc_why_set(why, "%s: more than %d certificates, rollover included", g->conf.ca_chain,
                      CRTS_MAX);
        return ESTOC_E_LIMIT;
    }
    estoc_err err = serve_certs(s, list, n);
    err = err ? err : estoc_access_load(conf, &g->anchors, &s->access, why);
    return err ? err : make_etag(s->attributes, s->attributes_etag);
}

const estoc_served *estoc_generation_served(const estoc_generation *g, estoc_slice profile)
{
    for (size_t i = 0; i < g->served_n; i++) {
        if (estoc_slice_eq(profile, estoc_slice_str(g->served[i].profile))) {
            return &g->served[i];
        }
    }
    return NULL;
}

bool estoc_generation_signed(const estoc_generation *g, estoc_slice cert)
{
    estoc_cert leaf, ca;
    return g->ca_chain.n > 0 && !estoc_cert_parse(&leaf, cert) &&
           !estoc_cert_parse(&ca, estoc_blob_slice(g->ca_chain.at[0])) &&
           estoc_slice_eq(leaf.issuer, ca.subject) &&
           !estoc_verify(&ca.spki, leaf.sig, leaf.tbs, leaf.signature);
}

/* Of all profiles: which one a client means shows in its requests. */
static uint32_t leeway(void *ctx, estoc_slice leaf)
{
    const estoc_generation *g = ctx;
    uint32_t most = 0;
    for (size_t i = 0; i < g->served_n; i++) {
        most = g->served[i].grace_s > most ? g->served[i].grace_s : most;
    }
    return most > 0 && estoc_generation_signed(g, leaf) ? most : 0;
}

static bool revoked(void *ctx, estoc_slice leaf)
{
    const estoc_generation *g = ctx;
    return g->authority->ops->revoked(g->authority, leaf);
}

static estoc_err open_dtls(estoc_generation *g, const estoc_common *common, estoc_why *why)
{
    estoc_dtls_server_cfg cfg = {.chain = &g->server_chain,
                                 .key = g->server_key,
                                 .anchors = &g->anchors,
                                 .expired = &g->expired,
                                 .denied = &g->denied,
                                 .crls = &g->crls,
                                 .payload_max = g->conf.mtu - IP_UDP_BYTES,
                                 .timeout_ms = g->conf.dtls_timeout_ms,
                                 .let_strangers_in = g->conf.unrecognised == ESTOC_ANSWER,
                                 .resume_s = g->conf.resume_s,
                                 .sessions = common->sessions,
                                 .cookies = common->cookies,
                                 .leeway = leeway,
                                 .leeway_ctx = g,
                                 .revoked = revoked,
                                 .revoked_ctx = g};
    return estoc_dtls_server_new(&cfg, &g->dtls, why);
}

estoc_err estoc_generation_new(const estoc_config *conf, const estoc_common *common,
                               estoc_generation **out, estoc_why *why)
{
    *out = NULL;
    estoc_generation *g = calloc(1, sizeof *g);
    if (g == NULL) {
        return ESTOC_E_MEMORY;
    }
    g->conf = *conf;
    atomic_init(&g->refs, 1);
    estoc_err err = load_credentials(g, why);
    if (!err && conf->authority == ESTOC_AUTHORITY_CA) {
        err = take_profiles(g, why);
    }
    err = err ? err : open_authority(g, common, why);
    for (size_t i = 0; !err && i < g->conf.profiles_n; i++) {
        err = serve_profile(g, &g->conf.profiles[i], why);
    }
    err = err ? err : open_dtls(g, common, why);
    if (err) {
        estoc_generation_release(g);
        return err;
    }
    *out = g;
    return ESTOC_OK;
}

estoc_generation *estoc_generation_hold(estoc_generation *g)
{
    atomic_fetch_add(&g->refs, 1);
    return g;
}

void estoc_generation_release(estoc_generation *g)
{
    if (g == NULL || atomic_fetch_sub(&g->refs, 1) != 1) {
        return;
    }
    if (g->authority != NULL) {
        g->authority->ops->close(g->authority);
    }
    if (g->dtls != NULL) {
        estoc_dtls_server_free(g->dtls);
    }
    for (size_t i = 0; i < g->served_n; i++) {
        estoc_blob_free(&g->served[i].certs);
        estoc_access_free(g->served[i].access);
    }
    estoc_key_free(g->ca_key);
    estoc_key_free(g->server_key);
    estoc_services_free(&g->services);
    estoc_shared_keys_free(&g->decrypt_keys);
    estoc_blobs_free(&g->ca_chain);
    estoc_blobs_free(&g->server_chain);
    estoc_blobs_free(&g->anchors);
    estoc_blobs_free(&g->expired);
    estoc_blobs_free(&g->rollover);
    estoc_blobs_free(&g->denied);
    estoc_blobs_free(&g->crls);
    free(g);
}
