/* SPDX-License-Identifier: MIT
 *
 * estoc discover: what a server offers, from /.well-known/core.        RFC 9148 section 4.1
 */
#include <stdio.h>
#include <string.h>

#include <estoc/link.h>

#include "estoc.h"
#include "output.h"
#include "search.h"
#include "text.h"

static const char *text_of(estoc_slice s, char *out, size_t cap)
{
    return estoc_plain_text(s, out, cap);
}

/* What one list is shown as, and the place of each in the JSON of a group. */
typedef struct view {
    const estoc_options *opt;
    bool group;
    cJSON *servers; /* with --json, of a group */
} view;

static int bad_list(const estoc_options *opt, const char *from, estoc_err err)
{
    return estoc_say(opt->command, estoc_exit_code(err), "%s: %s: in the list of resources", from,
                     estoc_err_text(err));
}

static int print_links(const view *v, const char *from, estoc_slice document)
{
    estoc_reader r = estoc_reader_of(document);
    estoc_link link;
    char target[256];
    char rt[64];
    char ct[64];
    size_t n = 0;
    if (v->group) {
        printf("%s\n", from);
    }
    while (estoc_link_next(&r, &link)) {
        printf("%-40s %-16s %s\n", text_of(link.target, target, sizeof target),
               text_of(link.rt, rt, sizeof rt), text_of(link.ct, ct, sizeof ct));
        n++;
    }
    if (r.err) {
        return bad_list(v->opt, from, r.err);
    }
    return n > 0 ? ESTOC_EXIT_DONE
                 : estoc_say(v->opt->command, ESTOC_EXIT_REFUSED,
                             "%s: the server offers no EST resource", from);
}

/* @return {"resources": [...]}; NULL at a fault, which is told then */
static cJSON *json_links(const view *v, const char *from, estoc_slice document, int *code)
{
    estoc_reader r = estoc_reader_of(document);
    estoc_link link;
    char text[256];
    cJSON *json = cJSON_CreateObject();
    cJSON *list = cJSON_AddArrayToObject(json, "resources");
    while (estoc_link_next(&r, &link)) {
        cJSON *one = cJSON_CreateObject();
        cJSON_AddStringToObject(one, "target", text_of(link.target, text, sizeof text));
        cJSON_AddStringToObject(one, "rt", text_of(link.rt, text, sizeof text));
        cJSON_AddStringToObject(one, "ct", text_of(link.ct, text, sizeof text));
        cJSON_AddItemToArray(list, one);
    }
    *code = ESTOC_EXIT_DONE;
    if (r.err) {
        cJSON_Delete(json);
        *code = bad_list(v->opt, from, r.err);
        return NULL;
    }
    return json;
}

static int take_reply(const estoc_talk *t, const estoc_reply *reply)
{
    if (reply->code != ESTOC_COAP_CONTENT) {
        return estoc_talk_refused(t, reply);
    }
    if (reply->content_format != ESTOC_FORMAT_LINK) {
        return estoc_talk_fail(t, ESTOC_E_FORMAT, "a list of links was expected");
    }
    view v = {.opt = t->opt};
    if (!t->opt->json) {
        return print_links(&v, t->opt->uri, reply->body);
    }
    int code;
    cJSON *json = json_links(&v, t->opt->uri, reply->body, &code);
    if (json == NULL) {
        return code;
    }
    cJSON_AddItemToObject(json, "traffic", estoc_json_traffic(t));
    return estoc_json_print(t->opt->command, json);
}

/* ------------------------------------------------------------------------------------ without DTLS */

static int take_list(void *ctx, const char *from, estoc_slice document)
{
    view *v = ctx;
    if (!v->opt->json) {
        return print_links(v, from, document);
    }
    int code;
    cJSON *json = json_links(v, from, document, &code);
    if (json == NULL) {
        return code;
    }
    if (!v->group) {
        return estoc_json_print(v->opt->command, json);
    }
    cJSON_AddStringToObject(json, "from", from);
    cJSON_AddItemToArray(v->servers, json);
    return ESTOC_EXIT_DONE;
}

static int discover_plain(const estoc_options *opt, const estoc_uri *uri)
{
    view v = {.opt = opt, .group = estoc_uri_is_group(uri)};
    cJSON *json = NULL;
    if (opt->json && v.group) {
        json = cJSON_CreateObject();
        v.servers = cJSON_AddArrayToObject(json, "servers");
    }
    int code = estoc_search(opt, uri, take_list, &v);
    if (json != NULL && cJSON_GetArraySize(v.servers) > 0) {
        int printed = estoc_json_print(opt->command, json);
        return code ? code : printed;
    }
    cJSON_Delete(json);
    return code;
}

int estoc_cmd_discover(estoc_options *opt)
{
    estoc_identity id;
    estoc_talk *t = NULL;
    estoc_uri uri;
    estoc_why why = {""};
    const estoc_reply *reply = NULL;
    if (estoc_uri_parse_plain(opt->uri, &uri, &why)) {
        return estoc_say(opt->command, ESTOC_EXIT_LOCAL, "%s", why.text);
    }
    if (uri.plain) {
        return discover_plain(opt, &uri);
    }
    int code = estoc_identity_load(opt, &id);
    if (code) {
        return code;
    }
    estoc_call call = {.method = ESTOC_COAP_GET,
                       .path = {estoc_slice_str(".well-known"), estoc_slice_str("core")},
                       .path_n = 2,
                       .query = estoc_slice_str("rt=ace.est*"),
                       .content_format = ESTOC_FORMAT_NONE,
                       .accept = ESTOC_FORMAT_NONE};
    code = estoc_talk_open(opt, &id, &t);
    code = code ? code : estoc_talk_call(t, &call, &reply);
    code = code ? code : take_reply(t, reply);
    estoc_talk_close(t);
    estoc_identity_free(&id);
    return code;
}
