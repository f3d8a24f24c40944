/* SPDX-License-Identifier: MIT
 *
 * What the registrar sees to itself: who asks for what, before anything is sent, for upstream sees
 * the registrar's certificate and not the device's; and whether what comes back is what was asked for.
 */
#include <stdlib.h>
#include <string.h>

#include "pace.h"
#include "parcel.h"
#include "text.h"

#define ISSUED_MAX 16 /* certificates in an answer */

static void refuse(estoc_parcel *p, estoc_err err, const char *rule, const char *text)
{
    p->err = err;
    p->ruling = (estoc_ruling){rule, text};
}

/* ------------------------------------------------------------------------------------- on the way up */

/* E4: what is renewed is a certificate of the CA that is asked. */
static bool issued_by(const estoc_cert *client, const estoc_blobs *issuers)
{
    for (size_t i = 0; i < issuers->n; i++) {
        estoc_cert ca;
        if (!estoc_cert_parse(&ca, estoc_blob_slice(issuers->at[i])) && ca.ca &&
            estoc_slice_eq(client->issuer, ca.subject) &&
            !estoc_verify(&ca.spki, client->sig, client->tbs, client->signature)) {
            return true;
        }
    }
    return false;
}

/* It cannot be filled in here, and whoever fills it in upstream would take the registrar's. */
static bool subject_missing(const estoc_parcel *p)
{
    bool made_here = estoc_parcel_has_key(p) && p->errand->keygen == ESTOC_KEYGEN_HERE;
    estoc_csr csr;
    return !made_here &&
           (estoc_csr_parse_keyless(&csr, p->csr) || estoc_name_is_empty(csr.subject));
}

static void set_name(estoc_parcel *p)
{
    const estoc_resource *r = estoc_resource_for(p->op);
    p->relay.profile = p->errand->profile.name;
    p->relay.op = r != NULL ? r->name : "";
    p->relay.subject = p->subject;
    p->relay.upstream = p->url;
    estoc_err err = estoc_sha256(p->client_cert, p->relay.identity);
    err = err ? err : estoc_sha256(p->csr, p->relay.csr);
    if (err) {
        refuse(p, err, "G2", "the request cannot be looked at");
    }
}

void estoc_parcel_examine(estoc_parcel *p, const estoc_blobs *issuers)
{
    static const estoc_cert nobody;
    if (estoc_cert_parse(&p->client, p->client_cert)) {
        refuse(p, ESTOC_E_FORBIDDEN, "X10", "your certificate cannot be read");
        return;
    }
    p->parsed = true;
    estoc_name_text(p->client.subject, (estoc_buf){(uint8_t *)p->subject, sizeof p->subject});
    estoc_name_text(p->client.issuer, (estoc_buf){(uint8_t *)p->issuer, sizeof p->issuer});
    p->petition =
        (estoc_petition){p->op, &p->errand->profile, &p->client, &nobody, p->csr, p->unique};
    p->err = estoc_policy_grant(&p->petition, &p->grant, &p->ruling);
    if (p->err) {
        return;
    }
    estoc_name_text(p->grant.subject, (estoc_buf){(uint8_t *)p->subject, sizeof p->subject});
    if (subject_missing(p)) {
        refuse(p, ESTOC_E_FORBIDDEN, "G2", "the request lacks its subject; name it in the request");
    } else if (p->op == ESTOC_OP_SREN && issuers->n == 0) {
        estoc_parcel_fail(p, ESTOC_E_LATER, 10, "the CA is not known yet, try again later");
    } else if (p->op == ESTOC_OP_SREN && !issued_by(&p->client, issuers)) {
        refuse(p, ESTOC_E_FORBIDDEN, "E4",
               "your certificate is not from this CA; enroll with /sen");
    } else {
        p->err = estoc_pace_renewal(&p->petition, estoc_unix_s(), p->said, &p->ruling);
    }
    if (!p->err) {
        set_name(p);
    }
}

/* ------------------------------------------------------------------------------------- on the way down */

void estoc_parcel_keep(estoc_parcel *p, const estoc_upstream_reply *reply)
{
    p->reply = *reply;
    estoc_err err = reply->err ? ESTOC_OK : estoc_blob_copy(reply->body, &p->body);
    if (!err && reply->key.len > 0) {
        err = estoc_blob_copy(reply->key, &p->key);
    }
    if (err) {
        p->reply.err = ESTOC_E_LATER;
        p->reply.code = ESTOC_COAP_UNAVAILABLE;
        p->reply.text = "out of memory, try again later";
        p->reply.retry_s = 10;
        p->reply.uncertain = true;
    }
    p->reply.body = estoc_blob_slice(p->body);
    p->reply.key = estoc_blob_slice(p->key);
}

/* The key that the certificate must be for. @return false: any will do, for there is no telling */
static bool asked_key(const estoc_parcel *p, uint8_t room[ESTOC_SPKI_MAX], estoc_slice *spki)
{
    estoc_csr csr;
    size_t len;
    *spki = estoc_slice_of(NULL, 0);
    if (estoc_parcel_operation(p) != ESTOC_UPSTREAM_KEYGEN) {
        *spki = !estoc_csr_parse(&csr, estoc_parcel_request(p)) ? csr.spki.der : *spki;
        return true;
    }
    if (p->reply.key_format != ESTOC_FORMAT_PKCS8) {
        return false; /* encrypted to the device: not for us to look at */
    }
    estoc_err err = estoc_pkcs8_public(p->reply.key, (estoc_buf){room, ESTOC_SPKI_MAX}, &len);
    *spki = estoc_slice_of(room, len);
    return err != ESTOC_E_NOT_FOUND;
}

/* @return false: there is none for this key */
static bool find_cert(const estoc_parcel *p, estoc_cert *cert)
{
    uint8_t room[ESTOC_SPKI_MAX];
    estoc_slice list[ISSUED_MAX], spki;
    size_t n = ISSUED_MAX;
    bool told = asked_key(p, room, &spki);
    if (estoc_certs_parse(p->reply.body, list, &n)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (!estoc_cert_parse(cert, list[i]) && cert->serial.len <= ESTOC_SERIAL_MAX &&
            (told ? estoc_slice_eq(cert->spki.der, spki) : !cert->ca)) {
            return true;
        }
    }
    return false;
}

static void take_cert(estoc_parcel *p, int64_t now)
{
    estoc_cert cert;
    estoc_relay *r = &p->relay;
    bool key_there = estoc_parcel_operation(p) != ESTOC_UPSTREAM_KEYGEN || p->reply.key.len > 0;
    if (!key_there || !find_cert(p, &cert) || estoc_blob_copy(cert.der, &p->cert)) {
        estoc_parcel_fail(p, ESTOC_E_UPSTREAM, 0, "the CA's answer does not fit the request");
        p->code = ESTOC_COAP_INTERNAL_ERROR;
        p->fate = ESTOC_FATE_PUT;
        r->state = ESTOC_RELAY_LOST; /* it has issued something */
        return;
    }
    p->err = ESTOC_OK;
    r->state = ESTOC_RELAY_ISSUED;
    r->changed_at = now;
    r->serial_len = cert.serial.len;
    memcpy(r->serial, cert.serial.ptr, cert.serial.len);
    r->not_before = cert.not_before;
    r->not_after = cert.not_after;
    r->cert = estoc_blob_slice(p->cert);
    estoc_hex(cert.serial, p->serial, sizeof p->serial);
    p->fate = ESTOC_FATE_PUT;
}

/* L2: it is the upstream's to decide now, and ours to ask again. */
static void wait_for_it(estoc_parcel *p, int64_t now)
{
    if (p->request.len > 0) { /* the key would have to be kept as long (E5) */
        estoc_parcel_fail(p, ESTOC_E_UPSTREAM, 0,
                          "the CA decides later; a key is not kept so long");
        p->code = ESTOC_COAP_INTERNAL_ERROR;
        p->fate = ESTOC_FATE_DROP;
        return;
    }
    p->relay.state = ESTOC_RELAY_WAITING;
    p->relay.changed_at = now;
    p->relay.retry_at = now + (int64_t)p->reply.retry_s;
    p->fate = ESTOC_FATE_PUT;
}

/* Whether the upstream has said no, and not just not now, or not to us. */
static bool is_final(uint8_t code)
{
    return ESTOC_COAP_CLASS(code) == 4 && code != ESTOC_COAP_TOO_MANY_REQUESTS &&
           code != ESTOC_COAP_UNAUTHORIZED;
}

static void take_failure(estoc_parcel *p, int64_t now)
{
    const estoc_upstream_reply *r = &p->reply;
    p->err = r->err;
    p->code = r->code;
    p->retry_s = r->retry_s;
    p->ruling = (estoc_ruling){"G1", r->text};
    if (r->accepted) {
        wait_for_it(p, now);
    } else if (r->uncertain) {
        p->relay.state = ESTOC_RELAY_LOST;
        p->relay.changed_at = now;
        p->fate = ESTOC_FATE_PUT;
    } else if (p->waited && !is_final(r->code)) { /* how long to wait is for the server to say */
        bool said = r->status > 0 && r->retry_s > 0;
        p->relay.state = ESTOC_RELAY_WAITING;
        p->relay.retry_at = now + (said ? (int64_t)r->retry_s : 1);
        p->fate = ESTOC_FATE_PUT;
    } else {
        p->fate = ESTOC_FATE_DROP;
    }
}

void estoc_parcel_receive(estoc_parcel *p, int64_t now)
{
    if (p->reply.url != NULL && strlen(p->reply.url) < sizeof p->url) {
        memcpy(p->url, p->reply.url, strlen(p->reply.url) + 1);
    }
    if (p->reply.err) {
        take_failure(p, now);
    } else {
        take_cert(p, now);
    }
}
