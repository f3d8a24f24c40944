/* SPDX-License-Identifier: MIT
 *
 * estoc discover: what a server offers, from /.well-known/core.        RFC 9148 section 4.1
 */
#include <stdio.h>
#include <string.h>

#include <estoc/link.h>

#include "estoc.h"
#include "output.h"

static const char *text_of(estoc_slice s, char *out, size_t cap)
{
    return estoc_plain_text(s, out, cap);
}

static int print_links(const estoc_talk *t, estoc_slice document)
{
    estoc_reader r = estoc_reader_of(document);
    estoc_link link;
    char target[256];
    char rt[64];
    char ct[64];
    size_t n = 0;
    while (estoc_link_next(&r, &link)) {
        printf("%-40s %-16s %s\n", text_of(link.target, target, sizeof target),
               text_of(link.rt, rt, sizeof rt), text_of(link.ct, ct, sizeof ct));
        n++;
    }
    if (r.err) {
        return estoc_talk_fail(t, r.err, "in the list of resources");
    }
    return n > 0 ? ESTOC_EXIT_DONE
                 : estoc_say(t->opt->command, ESTOC_EXIT_REFUSED,
                             "%s: the server offers no EST resource", t->opt->uri);
}

static int json_links(const estoc_talk *t, estoc_slice document)
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
    if (r.err) {
        cJSON_Delete(json);
        return estoc_talk_fail(t, r.err, "in the list of resources");
    }
    cJSON_AddItemToObject(json, "traffic", estoc_json_traffic(t));
    return estoc_json_print(t->opt->command, json);
}

static int take_reply(const estoc_talk *t, const estoc_reply *reply)
{
    if (reply->code != ESTOC_COAP_CONTENT) {
        return estoc_talk_refused(t, reply);
    }
    if (reply->content_format != ESTOC_FORMAT_LINK) {
        return estoc_talk_fail(t, ESTOC_E_FORMAT, "a list of links was expected");
    }
    return t->opt->json ? json_links(t, reply->body) : print_links(t, reply->body);
}

int estoc_cmd_discover(estoc_options *opt)
{
    estoc_identity id;
    estoc_talk *t = NULL;
    const estoc_reply *reply = NULL;
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
