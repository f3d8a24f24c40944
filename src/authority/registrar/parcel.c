/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "keymaker.h"
#include "parcel.h"
#include "text.h"

/* ------------------------------------------------------------------------------------------- lists */

void estoc_parcels_put(estoc_parcels *list, estoc_parcel *p)
{
    p->next = NULL;
    if (list->last != NULL) {
        list->last->next = p;
    } else {
        list->first = p;
    }
    list->last = p;
    list->n++;
}

estoc_parcel *estoc_parcels_take(estoc_parcels *list)
{
    estoc_parcel *p = list->first;
    if (p != NULL) {
        list->first = p->next;
        list->last = list->first != NULL ? list->last : NULL;
        list->n--;
        p->next = NULL;
    }
    return p;
}

void estoc_parcels_move(estoc_parcels *from, estoc_parcels *to)
{
    estoc_parcel *p;
    while ((p = estoc_parcels_take(from)) != NULL) {
        estoc_parcels_put(to, p);
    }
}

/* --------------------------------------------------------------------------------- birth and death */

estoc_parcel *estoc_parcel_new(const estoc_errand *errand, const estoc_enrollment *e)
{
    estoc_parcel *p = calloc(1, sizeof *p + estoc_enrollment_size(e));
    if (p == NULL) {
        return NULL;
    }
    const estoc_enrollment kept = estoc_enrollment_keep(e, p->bytes);
    p->client_cert = kept.client_cert;
    p->csr = kept.csr;
    p->unique = kept.unique;
    p->peer = kept.peer;
    p->op = kept.op;
    p->errand = errand;
    p->done = kept.done;
    p->ctx = kept.ctx;
    p->began = estoc_now_ms();
    return p;
}

void estoc_parcel_free(estoc_parcel *p)
{
    estoc_blob_free(&p->request);
    estoc_blob_free(&p->made);
    estoc_blob_free(&p->body);
    estoc_blob_free(&p->key);
    estoc_blob_free(&p->cert);
    free(p);
}

bool estoc_parcel_same(const estoc_parcel *a, const estoc_parcel *b)
{
    return a->op == b->op && a->errand == b->errand &&
           memcmp(a->relay.identity, b->relay.identity, sizeof a->relay.identity) == 0 &&
           memcmp(a->relay.csr, b->relay.csr, sizeof a->relay.csr) == 0;
}

void estoc_parcel_fail(estoc_parcel *p, estoc_err err, uint32_t retry_s, const char *text)
{
    p->err = err;
    p->code = 0;
    p->retry_s = retry_s;
    p->ruling = (estoc_ruling){NULL, text};
}

bool estoc_parcel_has_key(const estoc_parcel *p)
{
    return estoc_op_makes_key(p->op);
}

bool estoc_parcel_waits(const estoc_parcel *p)
{
    return p->err == ESTOC_E_LATER && p->relay.state == ESTOC_RELAY_WAITING;
}

const char *estoc_parcel_result(const estoc_parcel *p)
{
    bool no = p->err == ESTOC_E_UPSTREAM && ESTOC_COAP_CLASS(p->code) == 4;
    bool ours = p->err == ESTOC_E_STORE || p->err == ESTOC_E_MEMORY || p->err == ESTOC_E_CRYPTO ||
                p->err == ESTOC_E_LATER || p->err == ESTOC_E_BUSY || p->err == ESTOC_E_UPSTREAM;
    return estoc_parcel_waits(p) ? "waiting"
           : ours && !no         ? "failed"
           : p->err              ? "refused"
           : p->again            ? "again"
                                 : "issued";
}

/* ---------------------------------------------------------------------------------- the key of /skg */

/* Extensions with the alternative names, critical beside an empty subject. RFC 5280 section 4.2.1.6 */
static void put_names(estoc_writer *w, estoc_slice san, bool critical)
{
    static const uint8_t oid[] = {0x55, 0x1d, 0x11};
    size_t list = estoc_der_open(w, ESTOC_DER_SEQUENCE);
    size_t one = estoc_der_open(w, ESTOC_DER_SEQUENCE);
    estoc_der_put(w, ESTOC_DER_OID, estoc_slice_of(oid, sizeof oid));
    if (critical) {
        estoc_der_put_bool(w, true);
    }
    estoc_der_put(w, ESTOC_DER_OCTET_STRING, san);
    estoc_der_close(w, one);
    estoc_der_close(w, list);
}

/* A request like the device's, for the key that was made for it. */
static estoc_err build_request(estoc_parcel *p, estoc_key *key, estoc_slice spki)
{
    const estoc_grant *g = &p->grant;
    size_t room = 256 + g->subject.len + 2 * g->san.len + spki.len + ESTOC_SIG_MAX;
    size_t names_room = g->san.len + 64;
    size_t len = 0;
    uint8_t *names = malloc(names_room);
    p->request.ptr = malloc(room);
    if (names == NULL || p->request.ptr == NULL) {
        free(names);
        return ESTOC_E_MEMORY;
    }
    p->request.len = room;
    estoc_csr_plan plan = {.subject = g->subject, .spki = spki};
    estoc_signer signer = estoc_key_signer(key);
    estoc_err err = ESTOC_OK;
    if (g->san.len > 0) {
        estoc_writer w = estoc_writer_of((estoc_buf){names, names_room});
        put_names(&w, g->san, estoc_name_is_empty(g->subject));
        err = estoc_writer_end(&w, &len);
        plan.extensions = estoc_slice_of(names, len);
    }
    err = err ? err : estoc_csr_build(&plan, &signer, (estoc_buf){p->request.ptr, room}, &len);
    p->request.len = err ? room : len;
    free(names);
    return err;
}

static estoc_err make_key(estoc_parcel *p, const estoc_key_reader *reader,
                          const estoc_cms_from *signer)
{
    estoc_key *key = NULL;
    estoc_blob spki = {NULL, 0};
    estoc_err err = estoc_key_make(p->grant.make, p->grant.make_bits, &key);
    err = err ? err : estoc_key_pack(key, reader, signer, &spki, &p->made, &p->made_format);
    err = err ? err : build_request(p, key, estoc_blob_slice(spki));
    estoc_key_free(key);
    estoc_blob_free(&spki);
    return err;
}

bool estoc_parcel_make_key(estoc_parcel *p, const estoc_cms_from *signer,
                           const estoc_shared_keys *keys, estoc_store *store, int64_t now)
{
    estoc_key_reader reader;
    const estoc_key_search search = {.wish = &p->grant.wish,
                                     .signer = signer,
                                     .keys = keys,
                                     .client = &p->client,
                                     .store = store,
                                     .identity = p->relay.identity,
                                     .now = now};
    if (!estoc_parcel_has_key(p) || p->errand->keygen != ESTOC_KEYGEN_HERE) {
        return true;
    }
    estoc_err err = estoc_key_reader_find(&search, &reader, &p->ruling);
    if (err == ESTOC_E_KEY) {
        p->err = err;
        return false;
    }
    if (!err) {
        err = make_key(p, &reader, signer);
        estoc_key_reader_free(&reader);
    }
    if (err) {
        estoc_log(ESTOC_LOG_ERROR, "registrar", "event", "keygen", "why", estoc_err_text(err),
                  NULL);
        estoc_parcel_fail(p, ESTOC_E_LATER, 30, "cannot make a key now, try again later");
    }
    return !err;
}

estoc_slice estoc_parcel_request(const estoc_parcel *p)
{
    return p->request.len > 0 ? estoc_blob_slice(p->request) : p->csr;
}

estoc_upstream_op estoc_parcel_operation(const estoc_parcel *p)
{
    if (estoc_parcel_has_key(p) && p->errand->keygen == ESTOC_KEYGEN_UPSTREAM) {
        return ESTOC_UPSTREAM_KEYGEN;
    }
    return p->op == ESTOC_OP_SREN && p->errand->reenroll ? ESTOC_UPSTREAM_REENROLL
                                                         : ESTOC_UPSTREAM_ENROLL;
}
