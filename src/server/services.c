/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include <estoc/cert.h>

#include "services.h"
#include "text.h"

static estoc_err check_pair(const estoc_upstream_conf *u, const estoc_blobs *chain,
                            const estoc_key *key, estoc_why *why)
{
    uint8_t spki[ESTOC_SPKI_MAX];
    size_t len = 0;
    estoc_cert cert;
    estoc_err err = estoc_cert_parse(&cert, estoc_blob_slice(chain->at[0]));
    if (err) {
        estoc_why_set(why, "%s: %s", u->chain, estoc_err_text(err));
        return err;
    }
    err = estoc_key_spki(key, (estoc_buf){spki, sizeof spki}, &len);
    if (!err && !estoc_slice_eq(cert.spki.der, estoc_slice_of(spki, len))) {
        estoc_why_set(why, "%s and %s do not belong together", u->chain, u->key);
        err = ESTOC_E_KEY;
    }
    return err;
}

static void drop(estoc_services *s, size_t i)
{
    estoc_blobs_free(&s->chain[i]);
    estoc_blobs_free(&s->anchors[i]);
    estoc_key_free(s->key[i]);
    s->key[i] = NULL;
}

estoc_err estoc_services_add(estoc_services *s, const estoc_upstream_conf *u, estoc_why *why)
{
    size_t i = s->n;
    if (i == ESTOC_UPSTREAMS_MAX) {
        return ESTOC_E_LIMIT;
    }
    estoc_err err = estoc_certs_load(u->anchors, &s->anchors[i], why);
    if (!err && u->chain[0] != '\0') {
        err = estoc_certs_load(u->chain, &s->chain[i], why);
        err = err ? err : estoc_key_load(u->key, &s->key[i], why);
        err = err ? err : check_pair(u, &s->chain[i], s->key[i], why);
    }
    if (err) {
        drop(s, i);
        return err;
    }
    s->at[i] = (estoc_upstream){.name = u->name,
                                .url_n = u->url_n,
                                .chain = &s->chain[i],
                                .key = s->key[i],
                                .anchors = &s->anchors[i],
                                .connect_ms = u->connect_ms,
                                .answer_ms = u->answer_ms,
                                .http1 = u->http1};
    for (size_t n = 0; n < u->url_n; n++) {
        s->at[i].url[n] = u->url[n];
    }
    s->n++;
    return ESTOC_OK;
}

estoc_err estoc_services_load(estoc_services *s, const estoc_config *c, estoc_why *why)
{
    estoc_err err = ESTOC_OK;
    for (size_t i = 0; !err && i < c->upstreams_n; i++) {
        err = estoc_services_add(s, &c->upstreams[i], why);
    }
    return err;
}

void estoc_services_free(estoc_services *s)
{
    for (size_t i = 0; i < s->n; i++) {
        drop(s, i);
    }
    s->n = 0;
}

estoc_err estoc_services_open(const estoc_services *s, const estoc_config *c, const char *node,
                              estoc_cms_from signer, const estoc_shared_keys *decrypt_keys,
                              void (*news)(void *ctx), void *news_ctx, estoc_authority **out,
                              estoc_why *why)
{
    *out = NULL;
    estoc_errand *errands = calloc(ESTOC_PROFILES_MAX, sizeof *errands);
    if (errands == NULL) {
        return ESTOC_E_MEMORY;
    }
    for (size_t i = 0; i < c->profiles_n; i++) {
        const estoc_profile_conf *p = &c->profiles[i];
        errands[i] = (estoc_errand){.profile = p->profile,
                                    .upstream = p->upstream_at,
                                    .keygen = p->keygen,
                                    .reenroll = p->reenroll};
        memcpy(errands[i].label, p->label, sizeof errands[i].label);
    }
    const estoc_registrar_cfg cfg = {.store_url = c->store,
                                     .node = node,
                                     .upstreams = s->at,
                                     .upstreams_n = s->n,
                                     .errands = errands,
                                     .errands_n = c->profiles_n,
                                     .keygen_signer = signer,
                                     .decrypt_keys = decrypt_keys,
                                     .connections_max = c->connections_max,
                                     .queue_max = c->queue_max,
                                     .patience_s = c->patience_s,
                                     .refresh_s = c->refresh_s,
                                     .retry_window_s = c->retry_window_s,
                                     .pending_keep_s = c->pending.keep_s,
                                     .news = news,
                                     .news_ctx = news_ctx};
    estoc_err err = estoc_registrar_open(&cfg, out, why);
    free(errands);
    return err;
}
