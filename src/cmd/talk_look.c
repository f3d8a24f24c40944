/* SPDX-License-Identifier: MIT
 *
 * A server whose resources are not under the default root: look where they are.         R1
 */
#include <netdb.h>
#include <string.h>

#include "talk.h"

static estoc_op first_op(unsigned steps)
{
    return (steps & ESTOC_STEP_CRTS) != 0  ? ESTOC_OP_CRTS
           : (steps & ESTOC_STEP_ATT) != 0 ? ESTOC_OP_ATT
           : (steps & ESTOC_STEP_SEN) != 0 ? ESTOC_OP_SEN
                                           : ESTOC_OP_SREN;
}

bool estoc_talk_not_there(const estoc_talk *t, unsigned wants)
{
    uint16_t format;
    if (t->looked || t->answered || t->uri.own_root) {
        return false;
    }
    if ((wants & ESTOC_CLIENT_FAILED) != 0) {
        return estoc_client_refusal(&t->client)->code == ESTOC_COAP_NOT_FOUND;
    }
    /* alone, /att does not fail: 4.04 may mean that the server asks for nothing */
    return (wants & ESTOC_CLIENT_DONE) != 0 && t->steps == ESTOC_STEP_ATT &&
           !estoc_client_unchanged(&t->client) &&
           estoc_client_answer(&t->client, &format).len == 0 && format == ESTOC_FORMAT_NONE;
}

int estoc_talk_look(estoc_talk *t)
{
    struct sockaddr_storage at;
    socklen_t len = sizeof at;
    char address[NI_MAXHOST] = "";
    const estoc_reply *reply;
    estoc_call call = {.method = ESTOC_COAP_GET,
                       .path = {estoc_slice_str(".well-known"), estoc_slice_str("core")},
                       .path_n = 2,
                       .query = estoc_slice_str("rt=ace.est*"),
                       .content_format = ESTOC_FORMAT_NONE,
                       .accept = ESTOC_FORMAT_NONE};
    t->looked = true;
    int code = estoc_talk_call(t, &call, &reply);
    if (code || reply->code != ESTOC_COAP_CONTENT || reply->content_format != ESTOC_FORMAT_LINK) {
        return code;
    }
    if (getpeername(t->conn.fd, (struct sockaddr *)&at, &len) != 0 ||
        getnameinfo((struct sockaddr *)&at, len, address, sizeof address, NULL, 0,
                    NI_NUMERICHOST) != 0) {
        address[0] = '\0';
    }
    t->has_found = estoc_root_find(reply->body, first_op(t->steps), t->opt->label, &t->uri,
                                   address[0] != '\0' ? address : NULL, &t->found);
    estoc_tracer_note(&t->tracer, t->has_found ? "-- the server has another root, used from here on"
                                               : "-- the server lists no other root for it");
    return ESTOC_EXIT_DONE;
}
