/* SPDX-License-Identifier: MIT
 *
 * What an answer of an EST server means, for a CoAP client (G1) and for the log. Nothing of libcurl but
 * how it reads a date.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <curl/curl.h>

#include <estoc/cert.h>
#include <estoc/coap.h>
#include <estoc/csrattrs.h>
#include <estoc/mime.h>

#include "upstream_parts.h"

enum { CERTS_MAX = 64, TEXT_MAX = 80 };

/* clang-format off */
static const struct {
    unsigned status;
    uint8_t code;
    const char *text; /* for the client */
} statuses[] = {
    {204, ESTOC_COAP_NOT_FOUND,          "the CA has nothing there"},
    {400, ESTOC_COAP_BAD_REQUEST,        "the CA refused the request"},
    {401, ESTOC_COAP_UNAUTHORIZED,       "the CA does not accept this registrar"},
    {403, ESTOC_COAP_FORBIDDEN,          "the CA does not allow it"},
    {404, ESTOC_COAP_NOT_FOUND,          "the CA has nothing there"},
    {405, ESTOC_COAP_METHOD_NOT_ALLOWED, "the CA does not do that"},
    {406, ESTOC_COAP_NOT_ACCEPTABLE,     "the CA has no such format"},
    {413, ESTOC_COAP_TOO_LARGE,          "the request is too large for the CA"},
    {415, ESTOC_COAP_UNSUPPORTED_FORMAT, "the CA does not take this format"},
    {429, ESTOC_COAP_TOO_MANY_REQUESTS,  "too many requests, try again later"},
    {500, ESTOC_COAP_INTERNAL_ERROR,     "the CA failed"},
    {502, ESTOC_COAP_BAD_GATEWAY,        "the CA failed"},
    {503, ESTOC_COAP_UNAVAILABLE,        "the CA is not available, try again later"},
    {504, ESTOC_COAP_GATEWAY_TIMEOUT,    "the CA does not answer"},
};

static const struct {
    uint8_t code;
    const char *text, *why;
} ends[] = {
    [ESTOC_END_UNREACHABLE] = {ESTOC_COAP_UNAVAILABLE,     "the CA cannot be reached, try again later", "cannot be reached"},
    [ESTOC_END_TLS]         = {ESTOC_COAP_BAD_GATEWAY,     "the CA's server is not trusted",            "TLS failed"},
    [ESTOC_END_TIMEOUT]     = {ESTOC_COAP_GATEWAY_TIMEOUT, "the CA does not answer",                    "no answer in time"},
    [ESTOC_END_BROKEN]      = {ESTOC_COAP_UNAVAILABLE,     "the CA broke off, try again later",         "broke off"},
    [ESTOC_END_LARGE]       = {ESTOC_COAP_INTERNAL_ERROR,  "the CA's answer is useless",                "the answer is too large"},
    [ESTOC_END_GARBAGE]     = {ESTOC_COAP_INTERNAL_ERROR,  "the CA's answer is useless",                "the answer is no HTTP"},
    [ESTOC_END_MEMORY]      = {ESTOC_COAP_UNAVAILABLE,     "out of memory, try again later",            "out of memory"},
    [ESTOC_END_HURRIED]     = {ESTOC_COAP_UNAVAILABLE,     "the server ends, try again later",          "given up: the server ends"},
};

static const struct {
    const char *name, *accept;
} ops[] = {
    [ESTOC_UPSTREAM_CACERTS]  = {"cacerts", "application/pkcs7-mime"},
    [ESTOC_UPSTREAM_CSRATTRS] = {"csrattrs", "application/csrattrs"},
    [ESTOC_UPSTREAM_ENROLL]   = {"simpleenroll", "application/pkcs7-mime"},
    [ESTOC_UPSTREAM_REENROLL] = {"simplereenroll", "application/pkcs7-mime"},
    [ESTOC_UPSTREAM_KEYGEN]   = {"serverkeygen", "multipart/mixed"},
};
/* clang-format on */

const char *estoc_upstream_op_name(estoc_upstream_op op)
{
    return ops[op].name;
}

const char *estoc_upstream_accept(estoc_upstream_op op)
{
    return ops[op].accept;
}

bool estoc_upstream_is_get(estoc_upstream_op op)
{
    return op == ESTOC_UPSTREAM_CACERTS || op == ESTOC_UPSTREAM_CSRATTRS;
}

/* ---- times ---- */

static uint32_t clamp(int64_t s)
{
    return s < 1 ? 1 : s > ESTOC_UPSTREAM_RETRY_MAX ? ESTOC_UPSTREAM_RETRY_MAX : (uint32_t)s;
}

/* Of digits alone; what is over the limit is the limit. @return -1: another text, or none */
static int64_t seconds_of(const char *text)
{
    size_t n = strspn(text, "0123456789");
    int64_t s = 0;
    if (n == 0 || text[n] != '\0') {
        return -1;
    }
    for (size_t i = 0; i < n && s < INT32_MAX; i++) {
        s = s * 10 + (text[i] - '0');
    }
    return s < INT32_MAX ? s : INT32_MAX;
}

/* RFC 9110 section 5.6.7: all three forms begin with a day's name. */
static int64_t date_of(const char *text)
{
    bool letter = (text[0] >= 'A' && text[0] <= 'Z') || (text[0] >= 'a' && text[0] <= 'z');
    return letter && strlen(text) >= 24 ? (int64_t)curl_getdate(text, NULL) : -1;
}

uint32_t estoc_upstream_retry_s(const char *retry_after, const char *date)
{
    int64_t s = seconds_of(retry_after);
    int64_t at = s < 0 ? date_of(retry_after) : -1;
    if (at >= 0) {
        int64_t sent = date_of(date);
        return clamp(at - (sent >= 0 ? sent : estoc_unix_s()));
    }
    return s >= 0 ? clamp(s) : ESTOC_UPSTREAM_RETRY_S;
}

static int32_t fresh_s(const char *cache_control)
{
    uint8_t text[16];
    size_t len;
    estoc_slice value = estoc_slice_str(cache_control);
    if (!estoc_media_param(value, "max-age", (estoc_buf){text, sizeof text - 1}, &len)) {
        return -1;
    }
    text[len] = '\0';
    return (int32_t)seconds_of((const char *)text);
}

/* ---- bodies ---- */

/* Where it is. @return false: it is no base64 */
static bool decode(estoc_slice text, estoc_slice *out)
{
    uint8_t *at = (uint8_t *)text.ptr; /* of our own buffer */
    size_t len;
    bool good = !estoc_base64_read(text, (estoc_buf){at, text.len}, &len);
    *out = estoc_slice_of(at, good ? len : 0);
    return good;
}

static const char *read_certs(estoc_slice text, estoc_slice *out)
{
    estoc_slice certs[CERTS_MAX];
    size_t n = CERTS_MAX;
    if (!decode(text, out)) {
        return "the certificates are no base64";
    }
    if (!estoc_certs_parse(*out, certs, &n)) {
        return NULL;
    }
    /* not as it should be, but as it often is; where the text was there is room for it */
    uint8_t *at = (uint8_t *)text.ptr;
    size_t len;
    estoc_err err = estoc_certs_normalise(*out, (estoc_buf){at, text.len}, &len);
    *out = estoc_slice_of(at, len);
    return err ? "the answer is no certs-only CMS" : NULL;
}

static const char *read_attributes(estoc_slice text, estoc_slice *out)
{
    estoc_reader r;
    estoc_csrattr attr;
    if (!decode(text, out)) {
        return "the attributes are no base64";
    }
    if (out->len == 0) { /* none: RFC 7030 section 4.5.2 has 204 and 404 for that */
        return NULL;
    }
    estoc_err err = estoc_csrattrs_begin(*out, &r);
    while (!err && estoc_csrattrs_next(&r, &attr)) {
    }
    return err || r.err ? "the answer is no CSR attributes" : NULL;
}

/* Certs-only may say so; the older of the two types for a key in CMS is seen in practice. */
static bool is_certs(estoc_slice type)
{
    uint8_t smime[32];
    size_t len;
    return estoc_media_is(type, "application/pkcs7-mime") &&
           (!estoc_media_param(type, "smime-type", (estoc_buf){smime, sizeof smime}, &len) ||
            estoc_slice_eq(estoc_slice_of(smime, len), estoc_slice_str("certs-only")));
}

static bool is_cms_key(estoc_slice type)
{
    uint8_t smime[32];
    size_t len;
    if (!estoc_media_is(type, "application/pkcs7-mime") ||
        !estoc_media_param(type, "smime-type", (estoc_buf){smime, sizeof smime}, &len)) {
        return false;
    }
    estoc_slice got = estoc_slice_of(smime, len);
    return estoc_slice_eq(got, estoc_slice_str("server-generated-key")) ||
           estoc_slice_eq(got, estoc_slice_str("enveloped-data"));
}

static const char *read_key(estoc_slice text, bool cms, estoc_upstream_reply *r)
{
    if (!decode(text, &r->key) || r->key.len == 0) {
        return "the key is no base64";
    }
    r->key_format = cms ? ESTOC_FORMAT_CMS_KEY : ESTOC_FORMAT_PKCS8;
    return cms || estoc_cert_length(r->key) == r->key.len ? NULL : "the key is no PKCS #8";
}

/* RFC 7030 section 4.4.2 */
static const char *read_mixed(const char *type, estoc_slice text, estoc_upstream_reply *r)
{
    estoc_mime_part parts[2];
    size_t n = 2;
    estoc_err err = estoc_mime_parse(estoc_slice_str(type), text, parts, &n);
    if (err || n != 2) {
        return "the answer is not multipart/mixed of two parts";
    }
    const char *why = NULL;
    unsigned keys = 0;
    unsigned certs = 0;
    for (size_t i = 0; why == NULL && i < n; i++) {
        bool cms = is_cms_key(parts[i].type);
        if (cms || estoc_media_is(parts[i].type, "application/pkcs8")) {
            keys++;
            why = read_key(parts[i].body, cms, r);
        } else if (is_certs(parts[i].type)) {
            certs++;
            why = read_certs(parts[i].body, &r->body);
        }
    }
    return why != NULL               ? why
           : keys == 1 && certs == 1 ? NULL
                                     : "the answer is not a key and its certificate";
}

/* @return NULL, or what is wrong */
static const char *read_body(estoc_upstream_op op, const estoc_upstream_answer *a,
                             estoc_upstream_reply *r)
{
    estoc_slice type = estoc_slice_str(a->type);
    estoc_slice text = estoc_slice_of(a->body, a->body_len);
    bool good = op == ESTOC_UPSTREAM_CSRATTRS
                    ? estoc_media_is(type, ops[op].accept) || text.len == 0
                : op == ESTOC_UPSTREAM_KEYGEN ? estoc_media_is(type, ops[op].accept)
                                              : is_certs(type);
    if (!good) {
        return "the answer's Content-Type is wrong";
    }
    return op == ESTOC_UPSTREAM_CSRATTRS ? read_attributes(text, &r->body)
           : op == ESTOC_UPSTREAM_KEYGEN ? read_mixed(a->type, text, r)
                                         : read_certs(text, &r->body);
}

/* ---- all of it ---- */

static void fail(estoc_upstream_reply *r, uint8_t code, const char *text)
{
    bool later = code == ESTOC_COAP_UNAVAILABLE || code == ESTOC_COAP_TOO_MANY_REQUESTS;
    r->err = later ? ESTOC_E_LATER : ESTOC_E_UPSTREAM;
    r->code = code;
    r->text = text;
    r->retry_s = later ? ESTOC_UPSTREAM_RETRY_S : 0;
    r->body = (estoc_slice){NULL, 0};
    r->key = (estoc_slice){NULL, 0};
}

static uint8_t code_of(unsigned status, const char **text)
{
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
        if (statuses[i].status == status) {
            *text = statuses[i].text;
            return statuses[i].code;
        }
    }
    *text = status < 400   ? "the CA sends elsewhere"
            : status < 500 ? "the CA refused the request"
                           : "the CA failed";
    return status < 300   ? ESTOC_COAP_INTERNAL_ERROR
           : status < 400 ? ESTOC_COAP_BAD_GATEWAY
           : status < 500 ? ESTOC_COAP_BAD_REQUEST
                          : ESTOC_COAP_INTERNAL_ERROR;
}

/* What a server says in words helps whoever reads the log. The log escapes it. */
static void tell_status(const estoc_upstream_answer *a, char why[WHY_MAX])
{
    bool words = estoc_media_is(estoc_slice_str(a->type), "text/plain") && a->body_len > 0;
    size_t len = a->body_len < TEXT_MAX ? a->body_len : TEXT_MAX;
    while (words && len > 0 && a->body[len - 1] <= ' ') {
        len--;
    }
    snprintf(why, WHY_MAX, "HTTP %u%s%.*s", a->status, words ? ": " : "", words ? (int)len : 0,
             words ? (const char *)a->body : "");
}

static void read_status(const estoc_upstream_answer *a, estoc_upstream_reply *r, char why[WHY_MAX])
{
    const char *text;
    uint8_t code = code_of(a->status, &text);
    fail(r, code, text);
    if (r->err == ESTOC_E_LATER) {
        r->retry_s = estoc_upstream_retry_s(a->retry_after, a->date);
    }
    tell_status(a, why);
}

static void read_end(const estoc_upstream_answer *a, estoc_upstream_reply *r, char why[WHY_MAX])
{
    bool detail = a->error != NULL && a->error[0] != '\0' && a->end != ESTOC_END_LARGE &&
                  a->end != ESTOC_END_HURRIED;
    const char *told =
        a->end == ESTOC_END_TIMEOUT && !a->connected ? "no connection in time" : ends[a->end].why;
    fail(r, ends[a->end].code, ends[a->end].text);
    snprintf(why, WHY_MAX, "%s%s%s", told, detail ? ": " : "", detail ? a->error : "");
}

static void read_accepted(const estoc_upstream_answer *a, estoc_upstream_reply *r)
{
    fail(r, ESTOC_COAP_UNAVAILABLE, "the CA has the request, try again later");
    r->retry_s = estoc_upstream_retry_s(a->retry_after, a->date);
    r->accepted = true;
}

static void read_good(estoc_upstream_op op, const estoc_upstream_answer *a, estoc_upstream_reply *r,
                      char why[WHY_MAX])
{
    const char *fault = read_body(op, a, r);
    if (fault != NULL) {
        fail(r, ESTOC_COAP_INTERNAL_ERROR, "the CA's answer is useless");
        snprintf(why, WHY_MAX, "%s", fault);
    }
    r->fresh_s = fresh_s(a->cache_control);
}

void estoc_upstream_read(estoc_upstream_op op, estoc_upstream_answer *a, estoc_upstream_reply *r,
                         char why[WHY_MAX])
{
    const char *url = r->url;
    bool none = op == ESTOC_UPSTREAM_CSRATTRS && (a->status == 204 || a->status == 404);
    *r = (estoc_upstream_reply){.url = url, .status = a->status, .fresh_s = -1};
    why[0] = '\0';
    if (none) {
        r->fresh_s = fresh_s(a->cache_control);
    } else if (a->status == 202 && !estoc_upstream_is_get(op)) { /* it says all, text or not */
        read_accepted(a, r);
    } else if (a->status < 300 && a->end != ESTOC_END_ANSWERED) {
        read_end(a, r, why);
    } else if (a->status == 200) {
        read_good(op, a, r, why);
    } else { /* likewise, even if its text was cut */
        read_status(a, r, why);
    }
    /* a gateway's 502 and 504 say nothing about who is behind it */
    r->uncertain = r->err && !r->accepted && a->sent &&
                   (a->status < 300 || a->status == 502 || a->status == 504);
}
