/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "question.h"
#include "template.h"
#include "text.h"

#define NAME_MAX 2048

static bool put_name(cJSON *to, const char *key, estoc_slice name)
{
    char text[NAME_MAX];
    estoc_name_text(name, (estoc_buf){(uint8_t *)text, sizeof text});
    return cJSON_AddStringToObject(to, key, text) != NULL;
}

/* "dns:a.example". What is no such text is told by its number. */
static bool put_names(cJSON *to, const char *key, estoc_slice names)
{
    estoc_reader r;
    estoc_der el;
    cJSON *list = cJSON_AddArrayToObject(to, key);
    if (list == NULL) {
        return false;
    }
    if (names.len == 0 || estoc_der_begin(names, &r)) {
        return true;
    }
    while (estoc_der_more(&r, &el)) {
        char text[NAME_MAX];
        cJSON *one = cJSON_CreateString(estoc_san_text(&el, text, sizeof text));
        if (one == NULL || !cJSON_AddItemToArray(list, one)) {
            cJSON_Delete(one);
            return false;
        }
    }
    return true;
}

static bool put_hex(cJSON *to, const char *key, estoc_slice bytes)
{
    char text[2 * 32 + 1];
    return cJSON_AddStringToObject(to, key, estoc_hex(bytes, text, sizeof text)) != NULL;
}

static bool put_client(cJSON *to, const estoc_cert *client, bool own)
{
    uint8_t digest[32];
    cJSON *c = cJSON_AddObjectToObject(to, "client");
    return c != NULL && !estoc_sha256(client->der, digest) &&
           put_name(c, "subject", client->subject) && put_names(c, "names", client->san) &&
           put_name(c, "issuer", client->issuer) && put_hex(c, "serial", client->serial) &&
           put_hex(c, "fingerprint", estoc_slice_of(digest, sizeof digest)) &&
           cJSON_AddBoolToObject(c, "own", own) != NULL;
}

/* "P-256", "RSA-3072" */
static bool put_key(cJSON *to, const estoc_petition *p, const estoc_grant *grant)
{
    static const char *const kinds[] = {[ESTOC_KEY_UNKNOWN] = "",
                                        [ESTOC_KEY_P256] = "P-256",
                                        [ESTOC_KEY_P384] = "P-384",
                                        [ESTOC_KEY_ED25519] = "Ed25519",
                                        [ESTOC_KEY_RSA] = "RSA"};
    char text[16];
    estoc_spki spki;
    estoc_key_kind kind = grant->make;
    uint32_t bits = grant->make_bits;
    if (!estoc_op_makes_key(p->op)) {
        kind = !estoc_spki_parse(&spki, grant->spki) ? spki.kind : ESTOC_KEY_UNKNOWN;
        bits = kind == ESTOC_KEY_RSA ? estoc_template_rsa_bits(spki.key) : 0;
    }
    if (kind == ESTOC_KEY_RSA) {
        snprintf(text, sizeof text, "RSA-%u", bits);
    } else {
        snprintf(text, sizeof text, "%s", kinds[kind]);
    }
    return cJSON_AddStringToObject(to, "key", text) != NULL;
}

static bool put_base64(cJSON *to, const char *key, estoc_slice bytes)
{
    char *text = malloc(ESTOC_BASE64_LEN(bytes.len));
    if (text != NULL) {
        estoc_base64(bytes, text);
    }
    bool good = text != NULL && cJSON_AddStringToObject(to, key, text) != NULL;
    free(text);
    return good;
}

static bool put_request(cJSON *to, const estoc_petition *p, const estoc_grant *grant)
{
    estoc_csr csr;
    estoc_err err = estoc_op_makes_key(p->op) ? estoc_csr_parse_keyless(&csr, p->csr)
                                              : estoc_csr_parse(&csr, p->csr);
    cJSON *c = cJSON_AddObjectToObject(to, "request");
    return !err && c != NULL && put_name(c, "subject", csr.subject) &&
           put_names(c, "names", csr.san) && put_key(c, p, grant) && put_base64(c, "csr", p->csr);
}

static bool put_grant(cJSON *to, const estoc_grant *grant)
{
    cJSON *c = cJSON_AddObjectToObject(to, "grant");
    return c != NULL && put_name(c, "subject", grant->subject) && put_names(c, "names", grant->san);
}

estoc_err estoc_question_write(const estoc_petition *p, const estoc_grant *grant, const char *peer,
                               bool own, estoc_blob *out)
{
    *out = (estoc_blob){NULL, 0};
    cJSON *q = cJSON_CreateObject();
    bool good = q != NULL && cJSON_AddNumberToObject(q, "version", 1) != NULL &&
                cJSON_AddStringToObject(q, "op", estoc_resource_for(p->op)->name) != NULL &&
                cJSON_AddStringToObject(q, "profile", p->profile->name) != NULL &&
                cJSON_AddStringToObject(q, "peer", peer) != NULL && put_client(q, p->client, own) &&
                put_request(q, p, grant) && put_grant(q, grant);
    char *text = good ? cJSON_PrintUnformatted(q) : NULL;
    cJSON_Delete(q);
    if (text == NULL) {
        return ESTOC_E_MEMORY;
    }
    size_t len = strlen(text);
    text[len] = '\n'; /* in place of its NUL */
    *out = (estoc_blob){(uint8_t *)text, len + 1};
    return ESTOC_OK;
}
