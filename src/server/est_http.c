/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <estoc/cert.h>
#include <estoc/coap.h>
#include <estoc/mime.h>

#include "est_http.h"
#include "text.h"

#define ROOT          "/.well-known/est/"
#define CERTS_EXTRA   128 /* bytes around a certificate */
#define PARTS_EXTRA   512 /* around two parts */
#define RETRY_S       5u  /* where the authority names no time */
#define TYPE_CERTS    "application/pkcs7-mime; smime-type=certs-only"
#define TYPE_CMS_KEY  "application/pkcs7-mime; smime-type=server-generated-key"
#define TYPE_PKCS8    "application/pkcs8"
#define TYPE_CSRATTRS "application/csrattrs"
#define TYPE_ERROR    "text/plain; charset=utf-8"
#define BOUNDARY      "estServerKeyGen" /* base64 has no "--" */
#define TYPE_PARTS    "multipart/mixed; boundary=" BOUNDARY

enum { STATUS_OK = 200, STATUS_ACCEPTED = 202, STATUS_NO_CONTENT = 204 };

/* RFC 7030 section 3.2.2. /fullcmc is not here. */
/* clang-format off */
static const struct operation {
    const char *name;
    estoc_op op;
    bool post;
} operations[] = {
    {"cacerts",        ESTOC_OP_CRTS, false},
    {"simpleenroll",   ESTOC_OP_SEN,  true},
    {"simplereenroll", ESTOC_OP_SREN, true},
    {"csrattrs",       ESTOC_OP_ATT,  false},
    {"serverkeygen",   ESTOC_OP_SKG,  true},
};
/* clang-format on */
#define OPERATIONS (sizeof operations / sizeof operations[0])

/* ----------------------------------------------------------------------------------------- errors */

void estoc_est_answer_free(estoc_est_answer *a)
{
    estoc_body_free(a->body);
    memset(a, 0, sizeof *a);
}

void estoc_est_refuse(estoc_est_answer *a, unsigned status, const char *text)
{
    estoc_est_answer_free(a);
    a->status = status;
    a->wants_cert = status == 401;
    snprintf(a->why, sizeof a->why, "%s", text);
    a->len = strlen(a->why) + 1;
    a->body = estoc_body_new(a->len + 1);
    if (a->body == NULL) {
        a->len = 0;
        return;
    }
    snprintf((char *)a->body->bytes, a->len + 1, "%s\n", a->why);
    a->type = TYPE_ERROR;
}

void estoc_est_refuse_later(estoc_est_answer *a, unsigned status, const char *text,
                            uint32_t retry_s)
{
    estoc_est_refuse(a, status, text);
    if (status == STATUS_ACCEPTED || status == 503 || status == 429) {
        a->retry_s = retry_s > 0 ? retry_s : RETRY_S;
    }
}

/* The classes of CoAP's errors are those of HTTP; what HTTP has no number for is a request that is bad. */
static unsigned status_of(uint8_t coap)
{
    unsigned status = ESTOC_COAP_CLASS(coap) * 100u + ESTOC_COAP_DETAIL(coap);
    return status == 402 || status == 408 ? 400 : status;
}

void estoc_est_refuse_for(estoc_est_answer *a, estoc_err err)
{
    estoc_est_refuse_later(a, status_of(estoc_err_coap_code(err)), estoc_err_text(err), 0);
}

/* ------------------------------------------------------------------------------------------ routes */

static const struct operation *find_operation(estoc_slice name)
{
    for (size_t i = 0; i < OPERATIONS; i++) {
        if (estoc_slice_eq(name, estoc_slice_str(operations[i].name))) {
            return &operations[i];
        }
    }
    return NULL;
}

const char *estoc_est_name(estoc_op op)
{
    for (size_t i = 0; i < OPERATIONS; i++) {
        if (operations[i].op == op) {
            return operations[i].name;
        }
    }
    return "none";
}

/* Label, or none, and operation. @return false: it is another path */
static bool split(const char *path, estoc_slice *label, estoc_slice *name)
{
    size_t root = strlen(ROOT);
    *label = (estoc_slice){NULL, 0};
    if (strncmp(path, ROOT, root) != 0) {
        return false;
    }
    *name = estoc_slice_str(path + root);
    const char *slash = strchr(path + root, '/');
    if (slash != NULL) {
        *label = estoc_slice_of(name->ptr, (size_t)(slash - path) - root);
        *name = estoc_slice_str(slash + 1);
    }
    return slash == NULL || label->len > 0;
}

static bool allows(const struct operation *o, const char *method)
{
    return o->post ? strcmp(method, "POST") == 0
                   : strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
}

bool estoc_est_route(const estoc_generation *g, const char *method, const char *path,
                     estoc_route *route, estoc_est_answer *refusal)
{
    estoc_slice label, name;
    const struct operation *o = split(path, &label, &name) ? find_operation(name) : NULL;
    *route = (estoc_route){ESTOC_OP_NONE, NULL, ESTOC_FORMAT_NONE};
    const estoc_served *served = o != NULL ? estoc_generation_served(g, label) : NULL;
    if (served == NULL || (o->op == ESTOC_OP_SKG && !served->keygen)) {
        estoc_est_refuse(refusal, 404, "no such resource");
        return false;
    }
    if (!allows(o, method)) {
        estoc_est_refuse(refusal, 405, o->post ? "only POST here" : "only GET here");
        refusal->allow = o->post ? "POST" : "GET, HEAD";
        return false;
    }
    *route = (estoc_route){o->op, served, ESTOC_FORMAT_NONE};
    return true;
}

/* ---------------------------------------------------------------------------------------- requests */

bool estoc_est_is_csr(const char *content_type)
{
    return content_type != NULL &&
           estoc_media_is(estoc_slice_str(content_type), "application/pkcs10");
}

/* Base64, with a line's end for each 48 bytes or more. */
size_t estoc_est_text_max(const estoc_generation *g)
{
    return (size_t)g->conf.body_max * 3 / 2 + 64;
}

bool estoc_est_wants_unique(const estoc_generation *g, const estoc_route *route)
{
    bool wants = false;
    for (size_t i = 0; i < g->conf.profiles_n; i++) {
        const estoc_profile *p = &g->conf.profiles[i].profile;
        wants |= strcmp(p->name, route->served->profile) == 0 && p->pop == ESTOC_POP_REQUIRED;
    }
    return wants;
}

/* ----------------------------------------------------------------------------------------- answers */

static estoc_err put_text(estoc_est_answer *a, const char *type, estoc_slice der)
{
    size_t room = der.len / 3 * 4 + 8;
    estoc_body *body = estoc_body_new(room);
    if (body == NULL) {
        return ESTOC_E_MEMORY;
    }
    estoc_writer w = estoc_writer_of((estoc_buf){body->bytes, room});
    estoc_base64_put(&w, der);
    estoc_write_bytes(&w, estoc_slice_str("\n"));
    estoc_err err = estoc_writer_end(&w, &a->len);
    if (err) {
        estoc_body_free(body);
        return err;
    }
    a->status = STATUS_OK;
    a->type = type;
    a->body = body;
    return ESTOC_OK;
}

static void put_verdict_error(const estoc_verdict *v, estoc_est_answer *a)
{
    const char *text = v->text != NULL && v->text[0] != '\0' ? v->text : estoc_err_text(v->err);
    estoc_est_refuse_later(a, v->accepted ? STATUS_ACCEPTED : status_of(estoc_verdict_code(v)),
                           text, v->retry_s);
}

void estoc_est_get(const estoc_generation *g, const estoc_route *route, estoc_est_answer *a)
{
    const estoc_served *s = route->served;
    estoc_verdict lacks = {.err = ESTOC_OK};
    estoc_err err;
    if (g->authority->ops->lacks(g->authority, s->profile, route->op, &lacks)) {
        put_verdict_error(&lacks, a);
        return;
    }
    if (route->op == ESTOC_OP_CRTS) {
        err = put_text(a, TYPE_CERTS, estoc_blob_slice(s->certs));
    } else if (s->attributes.len > 0) {
        err = put_text(a, TYPE_CSRATTRS, s->attributes);
    } else { /* RFC 7030 section 4.5.2 */
        a->status = STATUS_NO_CONTENT;
        err = ESTOC_OK;
    }
    if (err) {
        estoc_est_refuse_for(a, err);
        return;
    }
    a->may_be_kept = true;
    a->max_age_s = g->max_age_s;
}

/* E5 over HTTP: the key, then the certificate.                       RFC 7030 section 4.4.2 */
static estoc_err put_parts(const estoc_verdict *v, estoc_slice certs, estoc_est_answer *a)
{
    bool cms = v->key_format == ESTOC_FORMAT_CMS_KEY;
    const estoc_mime_part parts[] = {
        {.type = estoc_slice_str(cms ? TYPE_CMS_KEY : TYPE_PKCS8), .body = v->key},
        {.type = estoc_slice_str(TYPE_CERTS), .body = certs}};
    size_t room = (v->key.len + certs.len) * 3 / 2 + PARTS_EXTRA;
    estoc_body *body = estoc_body_new(room);
    if (body == NULL) {
        return ESTOC_E_MEMORY;
    }
    estoc_err err = estoc_mime_build(parts, 2, BOUNDARY, (estoc_buf){body->bytes, room}, &a->len);
    if (err) {
        estoc_body_free(body);
        return err;
    }
    a->status = STATUS_OK;
    a->type = TYPE_PARTS;
    a->body = body;
    return ESTOC_OK;
}

void estoc_est_verdict(const estoc_verdict *v, const estoc_route *route, estoc_est_answer *a)
{
    if (v->err) {
        put_verdict_error(v, a);
        return;
    }
    size_t room = v->cert.len + CERTS_EXTRA;
    size_t len = 0;
    uint8_t *certs = malloc(room);
    estoc_err err = certs != NULL ? estoc_certs_build(&v->cert, 1, (estoc_buf){certs, room}, &len)
                                  : ESTOC_E_MEMORY;
    if (!err) {
        const estoc_slice cms = estoc_slice_of(certs, len);
        err = route->op == ESTOC_OP_SKG ? put_parts(v, cms, a) : put_text(a, TYPE_CERTS, cms);
    }
    free(certs);
    if (err) {
        estoc_est_refuse_for(a, err);
    }
}
