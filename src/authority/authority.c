/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "authority.h"
#include "text.h"

uint8_t estoc_verdict_code(const estoc_verdict *v)
{
    return v->code != 0 ? v->code : estoc_err_coap_code(v->err);
}

static size_t peer_size(const estoc_enrollment *e)
{
    return e->peer != NULL ? strlen(e->peer) + 1 : 1;
}

size_t estoc_enrollment_size(const estoc_enrollment *e)
{
    return e->client_cert.len + e->csr.len + e->unique.len + peer_size(e);
}

static estoc_slice put(uint8_t **at, estoc_slice s)
{
    uint8_t *to = *at;
    if (s.len > 0) {
        memcpy(to, s.ptr, s.len);
    }
    *at += s.len;
    return estoc_slice_of(to, s.len);
}

estoc_enrollment estoc_enrollment_keep(const estoc_enrollment *e, uint8_t *room)
{
    estoc_enrollment kept = *e;
    kept.client_cert = put(&room, e->client_cert);
    kept.csr = put(&room, e->csr);
    kept.unique = put(&room, e->unique);
    kept.peer = memcpy(room, e->peer != NULL ? e->peer : "", peer_size(e));
    return kept;
}
