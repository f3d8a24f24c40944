/* SPDX-License-Identifier: MIT
 *
 * estoc crts, att, sen, sren: one request each.
 */
#include <stdio.h>
#include <string.h>

#include "anchors.h"
#include "attributes.h"
#include "credential.h"
#include "estoc.h"
#include "output.h"
#include "template.h"
#include "text.h"

/* What went over the wire, for those who want to see it: the result itself is on stdout. */
static void tell_figures(const estoc_talk *t)
{
    char figures[160];
    if (t->opt->verbose) {
        (void)estoc_say(t->opt->command, 0, "%s", estoc_talk_figures(t, figures, sizeof figures));
    }
}

static int crts_answer(estoc_talk *t)
{
    uint16_t format;
    estoc_slice answer = estoc_talk_answer(t, &format);
    estoc_slice certs[ESTOC_ANSWER_CERTS_MAX];
    size_t n = 0;
    estoc_anchors anchors;
    estoc_why why = {""};
    estoc_err err = estoc_anchors_take(answer, format, estoc_unix_s(), &anchors, &why);
    if (err) {
        return estoc_talk_fail(t, err, why.text);
    }
    /* K1: anchors that do not vouch for who sent them are not to be kept. */
    err = estoc_dtls_recheck(t->conn.dtls, &anchors.roots, &why);
    estoc_anchors_free(&anchors);
    if (err) {
        return estoc_say(t->opt->command, ESTOC_EXIT_IDENTITY,
                         "%s: the server does not chain to the anchors it sent: %s; nothing kept",
                         t->opt->uri, why.text);
    }
    estoc_talk_remember(t);
    err = estoc_answer_certs(answer, format, certs, &n);
    return err ? estoc_talk_fail(t, err, "") : estoc_put_certs(t, certs, n);
}

static void json_line(void *ctx, const char *text)
{
    cJSON_AddItemToArray(ctx, cJSON_CreateString(text));
}

static cJSON *json_attribute(const estoc_csrattr *attr)
{
    char text[256];
    cJSON *json = cJSON_CreateObject();
    const char *name = estoc_oid_name(attr->oid);
    cJSON_AddStringToObject(json, "oid",
                            estoc_oid_text(attr->oid, (estoc_buf){(uint8_t *)text, sizeof text}));
    if (name != NULL) {
        cJSON_AddStringToObject(json, "name", name);
    }
    cJSON *values = cJSON_AddArrayToObject(json, "values");
    estoc_reader r = estoc_reader_of(attr->values);
    estoc_der el;
    if (estoc_slice_eq(attr->oid, ESTOC_OID_TEMPLATE)) {
        estoc_template_lines(attr->values, json_line, values);
        return json;
    }
    while (estoc_der_peek(&r) != 0 && estoc_der_next(&r, &el)) {
        cJSON_AddItemToArray(values,
                             cJSON_CreateString(estoc_value_text(el.whole, text, sizeof text)));
    }
    return json;
}

static int json_attributes(const estoc_talk *t, estoc_slice answer)
{
    cJSON *json = cJSON_CreateObject();
    cJSON *list = cJSON_AddArrayToObject(json, "attributes");
    estoc_reader r;
    estoc_csrattr attr;
    estoc_err err = ESTOC_OK;
    if (answer.len > 0) {
        err = estoc_csrattrs_begin(answer, &r);
        while (!err && estoc_csrattrs_next(&r, &attr)) {
            cJSON_AddItemToArray(list, json_attribute(&attr));
        }
        err = err ? err : r.err;
    }
    if (err) {
        cJSON_Delete(json);
        return estoc_talk_fail(t, err, "in the attributes");
    }
    cJSON_AddBoolToObject(json, "unchanged", estoc_client_unchanged(&t->client));
    cJSON_AddItemToObject(json, "traffic", estoc_json_traffic(t));
    return estoc_json_print(t->opt->command, json);
}

static int att_answer(estoc_talk *t)
{
    uint16_t format;
    estoc_slice answer = estoc_talk_answer(t, &format);
    if (t->opt->json) {
        int code = json_attributes(t, answer);
        if (!code) {
            estoc_talk_remember(t);
        }
        return code;
    }
    if (answer.len == 0) {
        return estoc_say("att", ESTOC_EXIT_DONE, "%s: 4.04: the server asks for nothing",
                         t->opt->uri);
    }
    estoc_err err = estoc_attributes_print(answer, stdout);
    if (err) {
        return estoc_talk_fail(t, err, "in the attributes");
    }
    estoc_talk_remember(t);
    return ESTOC_EXIT_DONE;
}

/* The certificate made for the key in our request, and what came with it. */
static int issued_answer(estoc_talk *t, estoc_slice der)
{
    uint16_t format;
    estoc_slice answer = estoc_client_answer(&t->client, &format);
    estoc_slice chain[ESTOC_ANSWER_CERTS_MAX];
    size_t n = 0;
    estoc_csr csr;
    estoc_err err = estoc_csr_parse(&csr, der);
    err = err ? err : estoc_issued_take(answer, format, csr.spki.der, chain, &n);
    if (err == ESTOC_E_KEY) {
        return estoc_say(t->opt->command, ESTOC_EXIT_SERVER,
                         "%s: the certificate that came is for another key; tell the operator",
                         t->opt->uri);
    }
    return err ? estoc_talk_fail(t, err, "in the answer") : estoc_put_certs(t, chain, n);
}

/* One step, and whatever the client asks for on the way. */
static int converse(estoc_talk *t, unsigned step, estoc_slice csr)
{
    unsigned wants = 0;
    int code = estoc_talk_start(t, step);
    while (!code) {
        code = estoc_talk_run(t, &wants);
        estoc_err err = ESTOC_OK;
        if (code || wants == ESTOC_CLIENT_DONE) {
            break;
        }
        if (wants == ESTOC_CLIENT_WANT_TRUST) {
            code = crts_answer(t);
            err = estoc_client_trusted(&t->client, estoc_now_ms(), code == 0);
        } else if (wants == ESTOC_CLIENT_WANT_CSR) {
            err = estoc_client_csr(&t->client, estoc_now_ms(), csr);
        } else {
            code = issued_answer(t, csr);
            err = estoc_client_installed(&t->client, estoc_now_ms(), code == 0);
        }
        if (err && !code) {
            code = estoc_talk_fail(t, err, "");
        }
    }
    if (!code && step == ESTOC_STEP_ATT) {
        code = att_answer(t);
    }
    return code;
}

static int one_request(estoc_options *opt, unsigned step, estoc_slice csr)
{
    estoc_identity id;
    estoc_talk *t = NULL;
    int code = estoc_identity_load(opt, &id);
    if (code) {
        return code;
    }
    code = estoc_talk_open(opt, &id, &t);
    if (!code && opt->cache != NULL) {
        bool att = step == ESTOC_STEP_ATT;
        code = estoc_talk_keep(t, att ? NULL : opt->cache, att ? opt->cache : NULL);
    }
    if (!code) {
        code = converse(t, step, csr);
        tell_figures(t);
    }
    estoc_talk_close(t);
    estoc_identity_free(&id);
    return code;
}

static int with_csr(estoc_options *opt, unsigned step)
{
    estoc_why why = {""};
    estoc_blob der;
    if (opt->csr == NULL) {
        return estoc_say(opt->command, ESTOC_EXIT_LOCAL,
                         "no request to send; give --csr FILE, or let `estoc enroll` make one");
    }
    estoc_err err = estoc_csr_load(opt->csr, &der, &why);
    if (err) {
        return estoc_say(opt->command, ESTOC_EXIT_LOCAL, "%s",
                         why.text[0] != '\0' ? why.text : estoc_err_text(err));
    }
    int code = one_request(opt, step, estoc_blob_slice(der));
    estoc_blob_free(&der);
    return code;
}

int estoc_cmd_crts(estoc_options *opt)
{
    return one_request(opt, ESTOC_STEP_CRTS, estoc_slice_of(NULL, 0));
}

int estoc_cmd_att(estoc_options *opt)
{
    return one_request(opt, ESTOC_STEP_ATT, estoc_slice_of(NULL, 0));
}

int estoc_cmd_sen(estoc_options *opt)
{
    return with_csr(opt, ESTOC_STEP_SEN);
}

int estoc_cmd_sren(estoc_options *opt)
{
    return with_csr(opt, ESTOC_STEP_SREN);
}
