/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include <estoc/cert.h>
#include <estoc/multipart.h>

#include "text.h"
#include "verdict.h"

#define CERTS_EXTRA 128 /* bytes around a certificate */

/* The certificate as the route wants it. */
static estoc_err encode_cert(const estoc_verdict *v, uint16_t format, estoc_buf out, size_t *len)
{
    if (format == ESTOC_FORMAT_CERTS) {
        return estoc_certs_build(&v->cert, 1, out, len);
    }
    estoc_writer w = estoc_writer_of(out);
    estoc_write_bytes(&w, v->cert);
    return estoc_writer_end(&w, len);
}

/* E5: the key, then the certificate, as in RFC 9148 Appendix A.3. */
static estoc_err encode_key(const estoc_verdict *v, estoc_op op, estoc_buf out, size_t *len)
{
    uint16_t format = op == ESTOC_OP_SKG ? ESTOC_FORMAT_CERTS : ESTOC_FORMAT_CERT;
    size_t room = v->cert.len + CERTS_EXTRA;
    uint8_t *cert = malloc(room);
    size_t cert_len = 0;
    estoc_err err =
        cert != NULL ? encode_cert(v, format, (estoc_buf){cert, room}, &cert_len) : ESTOC_E_MEMORY;
    const estoc_part parts[] = {{.format = v->key_format, .body = v->key},
                                {.format = format, .body = {cert, cert_len}}};
    err = err ? err : estoc_multipart_build(parts, 2, out, len);
    free(cert);
    return err;
}

static estoc_err encode(const estoc_verdict *v, const estoc_route *route, estoc_answer *a)
{
    bool key = route->format == ESTOC_FORMAT_MULTIPART;
    estoc_body *body = estoc_body_new(v->cert.len + v->key.len + 2 * CERTS_EXTRA);
    if (body == NULL) {
        return ESTOC_E_MEMORY;
    }
    size_t len = 0;
    estoc_buf out = {body->bytes, body->cap};
    estoc_err err =
        key ? encode_key(v, route->op, out, &len) : encode_cert(v, route->format, out, &len);
    if (err) {
        estoc_body_free(body);
        return err;
    }
    *a = (estoc_answer){.code = ESTOC_COAP_CHANGED,
                        .format = route->format,
                        .body = {body->bytes, len},
                        .owner = body,
                        .secret = key};
    return ESTOC_OK;
}

#define RETRY_S 5u /* Max-Age where the authority names none */

/* C4: only 5.03 and 4.29 say when to come again. */
void estoc_refuse_later(estoc_answer *a, uint8_t code, const char *text, uint32_t retry_s)
{
    estoc_refuse(a, code, text);
    a->has_max_age = a->code == ESTOC_COAP_UNAVAILABLE || a->code == ESTOC_COAP_TOO_MANY_REQUESTS;
    a->max_age_s = retry_s > 0 ? retry_s : RETRY_S;
}

void estoc_refuse_for(estoc_answer *a, estoc_err err, const char *text, uint32_t retry_s)
{
    estoc_refuse_later(a, estoc_err_coap_code(err), text, retry_s);
}

void estoc_verdict_answer(const estoc_verdict *v, estoc_late *late)
{
    estoc_answer *a = &late->answer;
    if (v->err == ESTOC_OK) {
        estoc_err err = encode(v, &late->route, a);
        if (err) {
            estoc_refuse_for(a, err, estoc_err_text(err), 0);
        }
    } else {
        snprintf(late->text, sizeof late->text, "%s", v->text != NULL ? v->text : "");
        estoc_refuse_later(a, estoc_verdict_code(v), late->text, v->retry_s);
    }
}
