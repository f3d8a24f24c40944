/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <estoc/block.h>

#include "crypto.h"
#include "search.h"
#include "text.h"

#define GROUP_MS  7000u /* for answers of a group: DEFAULT_LEISURE and two seconds on the way */
#define NODES_MAX 64    /* of a group that are listened to */
#define TOKEN_LEN 4
#define HOP_LIMIT 8 /* of a multicast query: as far as its scope, and a few routers */

/* Somebody who has answered the group's query. */
typedef struct node {
    struct sockaddr_storage at;
    socklen_t len;
    estoc_blob list; /* empty: to be fetched */
} node;

typedef struct search {
    const estoc_options *opt;
    estoc_tracer tracer;
    estoc_search_take take;
    void *ctx;
    uint8_t token[TOKEN_LEN];
    node nodes[NODES_MAX];
    size_t nodes_n;
    estoc_requester requester;
    uint8_t room[ESTOC_ROOM];
} search;

static int say_silence(const search *s, const char *from, const char *why)
{
    return estoc_say(s->opt->command, ESTOC_EXIT_SILENCE, "%s: %s", from, why);
}

static const char *text_of(const struct sockaddr_storage *at, socklen_t len, char *out, size_t cap)
{
    char host[NI_MAXHOST] = "?";
    char port[NI_MAXSERV] = "?";
    (void)getnameinfo((const struct sockaddr *)at, len, host, sizeof host, port, sizeof port,
                      NI_NUMERICHOST | NI_NUMERICSERV | NI_DGRAM);
    snprintf(out, cap, at->ss_family == AF_INET6 ? "[%.*s]:%s" : "%.*s:%s",
             ESTOC_SEARCH_TEXT_MAX - 16, host, port);
    return out;
}

static estoc_call the_call(void)
{
    return (estoc_call){.method = ESTOC_COAP_GET,
                        .path = {estoc_slice_str(".well-known"), estoc_slice_str("core")},
                        .path_n = 2,
                        .query = estoc_slice_str("rt=ace.est*"),
                        .content_format = ESTOC_FORMAT_NONE,
                        .accept = ESTOC_FORMAT_NONE};
}

/* ----------------------------------------------------------------------------------------- one node */

static bool wait_for(int fd, estoc_ms due)
{
    estoc_ms now = estoc_now_ms();
    struct pollfd p = {fd, POLLIN, 0};
    estoc_ms wait = due > now ? due - now : 0;
    return poll(&p, 1, wait < 1000 ? (int)wait : 1000) > 0;
}

static void give(search *s, int fd, estoc_ms now)
{
    uint8_t message[ESTOC_MESSAGE_MAX];
    size_t len;
    while (
        !estoc_requester_output(&s->requester, now, (estoc_buf){message, sizeof message}, &len) &&
        len > 0) {
        estoc_slice out = estoc_slice_of(message, len);
        estoc_tracer_message(&s->tracer, true, out);
        (void)send(fd, out.ptr, out.len, MSG_DONTWAIT); /* lost, then: it is repeated */
    }
}

/* Until the requester has come to an end, or nothing has come for --timeout. */
static estoc_err exchange(search *s, int fd)
{
    static const unsigned ends = ESTOC_REQUESTER_DONE | ESTOC_REQUESTER_FAILED;
    uint8_t dg[ESTOC_DATAGRAM_MAX];
    estoc_ms give_up = estoc_now_ms() + s->opt->timeout_s * 1000u;
    give(s, fd, estoc_now_ms());
    while ((estoc_requester_state(&s->requester) & ends) == 0) {
        estoc_ms now = estoc_now_ms();
        if (now >= give_up) {
            return ESTOC_E_TIMEOUT;
        }
        if (wait_for(fd, estoc_requester_deadline(&s->requester))) {
            ssize_t n = recv(fd, dg, sizeof dg, MSG_DONTWAIT);
            if (n < 0 && errno == ECONNREFUSED) {
                return ESTOC_E_RESET;
            }
            if (n >= 0) {
                estoc_tracer_message(&s->tracer, false, estoc_slice_of(dg, (size_t)n));
                give_up = estoc_now_ms() + s->opt->timeout_s * 1000u;
                estoc_err ignored = estoc_requester_input(&s->requester, estoc_now_ms(),
                                                          estoc_slice_of(dg, (size_t)n));
                (void)ignored; /* it shows in the state */
            }
        }
        give(s, fd, estoc_now_ms());
    }
    return estoc_requester_error(&s->requester);
}

static int take_reply(search *s, const char *from)
{
    const estoc_reply *reply = estoc_requester_reply(&s->requester);
    if (reply->code == ESTOC_COAP_CONTENT && reply->content_format == ESTOC_FORMAT_LINK) {
        return s->take(s->ctx, from, reply->body);
    }
    char words[96];
    bool error = ESTOC_COAP_CLASS(reply->code) >= 4;
    return estoc_say(s->opt->command,
                     ESTOC_COAP_CLASS(reply->code) == 4 ? ESTOC_EXIT_REFUSED : ESTOC_EXIT_SERVER,
                     "%s: no list of links but %u.%02u \"%s\"; try coaps", from,
                     ESTOC_COAP_CLASS(reply->code), ESTOC_COAP_DETAIL(reply->code),
                     error ? estoc_plain_text(reply->body, words, sizeof words) : "");
}

static int ask_node(search *s, const struct sockaddr_storage *at, socklen_t len)
{
    char from[ESTOC_SEARCH_TEXT_MAX];
    text_of(at, len, from, sizeof from);
    estoc_requester_cfg cfg = {.random = estoc_random_system(),
                               .tx = estoc_transmission_default(),
                               .szx = estoc_block_szx_for(s->opt->block_size)};
    cfg.tx.response_ms = s->opt->timeout_s * 1000u;
    estoc_call call = the_call();
    call.answer = (estoc_buf){s->room, sizeof s->room};
    int fd = socket(at->ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)at, len) != 0) {
        int code = say_silence(s, from, strerror(errno));
        if (fd >= 0) {
            close(fd);
        }
        return code;
    }
    estoc_err err = estoc_requester_init(&s->requester, &cfg);
    err = err ? err : estoc_requester_start(&s->requester, estoc_now_ms(), &call);
    err = err ? err : exchange(s, fd);
    close(fd);
    if (err == ESTOC_E_TIMEOUT || err == ESTOC_E_RESET) {
        return say_silence(s, from,
                           "no answer; is discovery without DTLS switched on there "
                           "(estocd.conf: discovery)?");
    }
    return err ? estoc_say(s->opt->command, estoc_exit_code(err), "%s: %s", from,
                           estoc_err_text(err))
               : take_reply(s, from);
}

/* ------------------------------------------------------------------------------------------- a group */

bool estoc_uri_is_group(const estoc_uri *uri)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, uri->host, &v4) == 1) {
        return IN_MULTICAST(ntohl(v4.s_addr));
    }
    return inet_pton(AF_INET6, uri->host, &v6) == 1 && IN6_IS_ADDR_MULTICAST(&v6);
}

static estoc_err build_query(search *s, estoc_buf out, size_t *len)
{
    uint8_t mid[2];
    estoc_random random = estoc_random_system();
    if (!random.fill(random.ctx, s->token, sizeof s->token) ||
        !random.fill(random.ctx, mid, sizeof mid)) {
        return ESTOC_E_RANDOM;
    }
    const estoc_call call = the_call();
    estoc_coap_writer w = estoc_coap_write_begin(out, ESTOC_COAP_NON, ESTOC_COAP_GET,
                                                 (uint16_t)(mid[0] << 8 | mid[1]),
                                                 estoc_slice_of(s->token, sizeof s->token));
    for (size_t i = 0; i < call.path_n; i++) {
        estoc_coap_write_option(&w, ESTOC_OPT_URI_PATH, call.path[i]);
    }
    estoc_coap_write_option(&w, ESTOC_OPT_URI_QUERY, call.query);
    return estoc_coap_write_end(&w, len);
}

/* A whole list, and not the first block of one. */
static bool is_whole(const estoc_coap_msg *msg)
{
    estoc_slice value;
    uint32_t format;
    estoc_block b;
    if (msg->code != ESTOC_COAP_CONTENT ||
        !estoc_coap_opt_find(msg->options, ESTOC_OPT_CONTENT_FORMAT, &value) ||
        estoc_coap_uint(value, &format) || format != ESTOC_FORMAT_LINK) {
        return false;
    }
    return !estoc_coap_opt_find(msg->options, ESTOC_OPT_BLOCK2, &value) ||
           (!estoc_block_parse(value, &b) && b.num == 0 && !b.more);
}

/* RFC 7252 section 8.2: the token says that it is for us, its source does not matter. */
static void take_answer(search *s, const struct sockaddr_storage *at, socklen_t len, estoc_slice dg)
{
    estoc_coap_msg msg;
    if (estoc_coap_parse(&msg, dg) || ESTOC_COAP_CLASS(msg.code) < 2 ||
        !estoc_slice_eq(estoc_slice_of(msg.token, msg.token_len),
                        estoc_slice_of(s->token, sizeof s->token))) {
        return;
    }
    for (size_t i = 0; i < s->nodes_n; i++) {
        if (s->nodes[i].len == len && memcmp(&s->nodes[i].at, at, len) == 0) {
            return;
        }
    }
    if (s->nodes_n == NODES_MAX) {
        return;
    }
    node *n = &s->nodes[s->nodes_n++];
    n->at = *at;
    n->len = len;
    if (is_whole(&msg) && estoc_blob_copy(msg.payload, &n->list)) {
        n->list = (estoc_blob){NULL, 0}; /* no memory: fetched later, or not */
    }
}

static void collect(search *s, int fd)
{
    estoc_ms most = s->opt->timeout_s * 1000u;
    estoc_ms until = estoc_now_ms() + (most < GROUP_MS ? most : GROUP_MS);
    while (estoc_now_ms() < until) {
        uint8_t dg[ESTOC_DATAGRAM_MAX];
        struct sockaddr_storage at;
        memset(&at, 0, sizeof at);
        socklen_t len = sizeof at;
        if (!wait_for(fd, until)) {
            continue;
        }
        ssize_t n = recvfrom(fd, dg, sizeof dg, MSG_DONTWAIT, (struct sockaddr *)&at, &len);
        if (n > 0) {
            estoc_tracer_message(&s->tracer, false, estoc_slice_of(dg, (size_t)n));
            take_answer(s, &at, len, estoc_slice_of(dg, (size_t)n));
        }
    }
}

static int ask_group(search *s, const struct sockaddr_storage *at, socklen_t len)
{
    uint8_t query[128];
    size_t query_len = 0;
    int hops = HOP_LIMIT;
    int fd = socket(at->ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    estoc_err err = build_query(s, (estoc_buf){query, sizeof query}, &query_len);
    if (err) {
        close(fd);
        return estoc_say(s->opt->command, ESTOC_EXIT_LOCAL, "%s", estoc_err_text(err));
    }
    bool v6 = at->ss_family == AF_INET6;
    bool sent = fd >= 0 &&
                setsockopt(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP,
                           v6 ? IPV6_MULTICAST_HOPS : IP_MULTICAST_TTL, &hops, sizeof hops) == 0 &&
                sendto(fd, query, query_len, 0, (const struct sockaddr *)at, len) >= 0;
    if (!sent) {
        int why = errno;
        if (fd >= 0) {
            close(fd);
        }
        return estoc_say(s->opt->command, ESTOC_EXIT_SILENCE,
                         "%s: %s; name the interface, such as coap://[ff02::fd%%25eth0]",
                         s->opt->uri, strerror(why));
    }
    estoc_tracer_message(&s->tracer, true, estoc_slice_of(query, query_len));
    collect(s, fd);
    close(fd);
    int code = s->nodes_n > 0 ? ESTOC_EXIT_DONE
                              : say_silence(s, s->opt->uri,
                                            "no answer; no server there has multicast = yes, or "
                                            "the datagrams do not pass");
    for (size_t i = 0; i < s->nodes_n; i++) {
        node *n = &s->nodes[i];
        char from[ESTOC_SEARCH_TEXT_MAX];
        int one = n->list.ptr != NULL ? s->take(s->ctx, text_of(&n->at, n->len, from, sizeof from),
                                                estoc_blob_slice(n->list))
                                      : ask_node(s, &n->at, n->len);
        code = code ? code : one;
        estoc_blob_free(&n->list);
    }
    return code;
}

int estoc_search(const estoc_options *opt, const estoc_uri *uri, estoc_search_take take, void *ctx)
{
    estoc_why why = {""};
    estoc_addresses to;
    if (estoc_resolve(uri, &to, &why)) {
        return estoc_say(opt->command, ESTOC_EXIT_SILENCE, "%s", why.text);
    }
    search *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return estoc_say(opt->command, ESTOC_EXIT_LOCAL, "out of memory");
    }
    s->opt = opt;
    s->take = take;
    s->ctx = ctx;
    int code = estoc_tracer_open(&s->tracer, opt->verbose, opt->trace, estoc_now_ms())
                   ? estoc_say(opt->command, ESTOC_EXIT_LOCAL, "%s: cannot be written: %s",
                               opt->trace, strerror(errno))
               : estoc_uri_is_group(uri) ? ask_group(s, &to.at[0], to.len[0])
                                         : ask_node(s, &to.at[0], to.len[0]);
    estoc_tracer_close(&s->tracer);
    free(s);
    return code;
}
