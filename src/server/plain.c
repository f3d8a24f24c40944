/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dispatch.h"
#include "plain.h"
#include "udp.h"

#define BURST      16    /* datagrams read from a socket before CoAPS gets its turn */
#define WAITING    16    /* multicast queries that wait for their answer; others are not answered */
#define LEISURE_MS 5000u /* DEFAULT_LEISURE.                              RFC 7252 section 4.8 */
#define BASE_MAX   80

/* Where CoAPS is served. IPv4 in its IPv6-mapped form. */
typedef struct place {
    struct in6_addr address;
    uint16_t port;
    bool any4, any6;
} place;

typedef struct waiting {
    estoc_path path;
    estoc_ms due; /* ESTOC_NEVER: free */
    uint8_t bytes[ESTOC_PLAIN_MAX];
    size_t len;
} waiting;

struct estoc_plain {
    int fd[ESTOC_LISTEN_MAX];
    bool ipv6[ESTOC_LISTEN_MAX];
    char address[ESTOC_LISTEN_MAX][80];
    size_t n;
    estoc_egress *egress;
    bool groups; /* multicast = yes */
    place places[ESTOC_LISTEN_MAX];
    size_t places_n;
    waiting waiting[WAITING];
    estoc_responder responder;
    uint8_t replies[ESTOC_REPLIES_MIN];
};

/* ------------------------------------------------------------------------------------- the answer */

/* coaps://[ADDRESS]:PORT of the place that answers on this address of ours.
 * @return false: none does */
static bool base_of(const estoc_plain *p, const uint8_t local[16], char *out, size_t cap)
{
    struct in6_addr at;
    memcpy(&at, local, sizeof at);
    bool v4 = IN6_IS_ADDR_V4MAPPED(&at);
    const place *found = NULL;
    for (size_t i = 0; found == NULL && i < p->places_n; i++) {
        const place *c = &p->places[i];
        found = c->any6 || (c->any4 && v4) || IN6_ARE_ADDR_EQUAL(&c->address, &at) ? c : NULL;
    }
    for (size_t i = 0; found == NULL && i < p->places_n; i++) { /* on another address, then */
        const place *c = &p->places[i];
        if (!c->any4) {
            found = c;
            at = c->address;
            v4 = IN6_IS_ADDR_V4MAPPED(&at);
        }
    }
    if (found == NULL) {
        return false;
    }
    char text[INET6_ADDRSTRLEN] = "";
    inet_ntop(v4 ? AF_INET : AF_INET6, at.s6_addr + (v4 ? 12 : 0), text, sizeof text);
    snprintf(out, cap, v4 ? "coaps://%s:%u" : "coaps://[%s]:%u", text, found->port);
    return true;
}

static bool is_core(const estoc_request *req)
{
    return req->path_n == 2 && estoc_slice_eq(req->path[0], estoc_slice_str(".well-known")) &&
           estoc_slice_eq(req->path[1], estoc_slice_str("core"));
}

/* What a datagram is answered from. */
typedef struct asked {
    const estoc_plain *p;
    const estoc_generation *g;
    const estoc_path *path;
} asked;

static bool admit(void *ctx, const estoc_request *req, estoc_answer *refusal)
{
    const asked *a = ctx;
    estoc_route route;
    if (!is_core(req)) { /* whether it exists is not told here */
        estoc_refuse(refusal, ESTOC_COAP_NOT_FOUND, "only /.well-known/core here; EST is on coaps");
        return false;
    }
    return estoc_route_find(a->g, req, &route, refusal);
}

static bool no_room(void *ctx, size_t need, estoc_buf *body)
{
    (void)ctx;
    (void)need;
    (void)body;
    return false;
}

static void no_body(void *ctx, estoc_buf body)
{
    (void)ctx;
    (void)body;
}

static void put_answer(void *ctx, void *owner)
{
    (void)ctx;
    estoc_body_free(owner);
}

/* @return false: there is nothing to tell */
static bool answer_request(const asked *a, const estoc_request *req, estoc_answer *answer)
{
    char base[BASE_MAX];
    if (!base_of(a->p, a->path->local, base, sizeof base)) {
        estoc_refuse(answer, ESTOC_COAP_NOT_FOUND, "nothing is served for this address");
        return false;
    }
    if (estoc_route_core(a->g, base, req, answer)) {
        estoc_refuse(answer, ESTOC_COAP_INTERNAL_ERROR, "out of memory");
        return false;
    }
    return answer->body.len > 0;
}

/* A responder for one datagram. @return bytes of its answer; 0: silence, also for all that lists
 * nothing, with `only_links` */
static size_t respond(estoc_plain *p, const asked *a, estoc_ms now, estoc_slice dg, bool only_links,
                      uint8_t out[ESTOC_PLAIN_MAX])
{
    static const estoc_responder_ops ops = {admit, no_room, no_body, put_answer};
    estoc_responder_cfg cfg = {.ops = &ops,
                               .ctx = (void *)(uintptr_t)a,
                               .random = estoc_random_system(),
                               .replies = {p->replies, sizeof p->replies},
                               .message_max = ESTOC_PLAIN_MAX};
    size_t len = 0;
    estoc_responder *r = &p->responder;
    if (estoc_responder_init(r, &cfg) || estoc_responder_input(r, now, dg)) {
        return 0;
    }
    const estoc_request *req = estoc_responder_request(r);
    bool tells = false;
    if (req != NULL) {
        estoc_answer answer;
        tells = answer_request(a, req, &answer);
        tells = estoc_responder_answer(r, now, &answer) == ESTOC_OK && tells;
    }
    if ((tells || !only_links) &&
        estoc_responder_output(r, now, (estoc_buf){out, ESTOC_PLAIN_MAX}, &len)) {
        len = 0;
    }
    estoc_responder_close(r);
    return len;
}

/* -------------------------------------------------------------------------------------- multicast */

/* Our address toward this peer: what an answer to a group's query leaves from. */
static bool find_local(estoc_path *path)
{
    struct sockaddr_in6 to = {
        .sin6_family = AF_INET6, .sin6_port = htons(path->port), .sin6_scope_id = path->scope};
    memcpy(&to.sin6_addr, path->peer, sizeof to.sin6_addr);
    socklen_t len = sizeof to;
    int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return false;
    }
    bool ok = connect(fd, (struct sockaddr *)&to, sizeof to) == 0 &&
              getsockname(fd, (struct sockaddr *)&to, &len) == 0;
    close(fd);
    memcpy(path->local, &to.sin6_addr, sizeof path->local);
    return ok;
}

static estoc_ms leisure(void)
{
    uint16_t n;
    estoc_random random = estoc_random_system();
    return random.fill(random.ctx, (uint8_t *)&n, sizeof n) ? n % LEISURE_MS : LEISURE_MS;
}

/* Only what was sent as RFC 7252 section 8.1 asks, and only if there is something to list. */
static void take_multicast(estoc_plain *p, estoc_path *path, const estoc_generation *g,
                           estoc_ms now, estoc_slice dg)
{
    estoc_coap_msg msg;
    waiting *free_one = NULL;
    for (size_t i = 0; i < WAITING; i++) {
        waiting *w = &p->waiting[i];
        if (w->due == ESTOC_NEVER) {
            free_one = w;
        } else if (w->path.port == path->port &&
                   memcmp(w->path.peer, path->peer, sizeof path->peer) == 0) {
            return; /* one at a time for each peer */
        }
    }
    if (free_one == NULL || estoc_coap_parse(&msg, dg) || msg.type != ESTOC_COAP_NON ||
        !find_local(path)) {
        return;
    }
    asked a = {p, g, path};
    free_one->len = respond(p, &a, now, dg, true, free_one->bytes);
    if (free_one->len > 0) {
        free_one->path = *path;
        free_one->due = now + leisure();
    }
}

/* Answers are small, and lost where the way out is busy. */
static void send_answer(estoc_plain *p, const estoc_path *path, estoc_slice dg)
{
    estoc_us now = estoc_now_us();
    size_t bytes = dg.len + estoc_path_header(path);
    if (estoc_egress_take_small(p->egress, now, bytes)) {
        estoc_egress_count(p->egress, now, bytes, false);
        estoc_udp_send(p->fd[path->socket], p->ipv6[path->socket], path, dg);
    }
}

void estoc_plain_tick(estoc_plain *p, estoc_ms now)
{
    for (size_t i = 0; p != NULL && i < WAITING; i++) {
        waiting *w = &p->waiting[i];
        if (w->due <= now) {
            send_answer(p, &w->path, estoc_slice_of(w->bytes, w->len));
            w->due = ESTOC_NEVER;
        }
    }
}

estoc_ms estoc_plain_deadline(const estoc_plain *p)
{
    estoc_ms due = ESTOC_NEVER;
    for (size_t i = 0; p != NULL && i < WAITING; i++) {
        due = p->waiting[i].due < due ? p->waiting[i].due : due;
    }
    return due;
}

/* ---------------------------------------------------------------------------------------- sockets */

void estoc_plain_read(estoc_plain *p, size_t i, const estoc_generation *g, estoc_ms now)
{
    uint8_t dg[ESTOC_DATAGRAM_MAX];
    uint8_t out[ESTOC_PLAIN_MAX];
    for (int n = 0; n < BURST; n++) {
        estoc_path path = {.socket = (uint16_t)i};
        size_t len;
        if (!estoc_udp_receive(p->fd[i], &path, (estoc_buf){dg, sizeof dg}, &len)) {
            return;
        }
        if (path.port == 0) {
            continue;
        }
        if (path.multicast) {
            if (p->groups) { /* others on this host may have joined what we have not */
                take_multicast(p, &path, g, now, estoc_slice_of(dg, len));
            }
            continue;
        }
        asked a = {p, g, &path};
        len = respond(p, &a, now, estoc_slice_of(dg, len), false, out);
        if (len > 0) {
            send_answer(p, &path, estoc_slice_of(out, len));
        }
    }
}

size_t estoc_plain_fds(const estoc_plain *p, struct pollfd *fds)
{
    size_t n = p != NULL ? p->n : 0;
    for (size_t i = 0; i < n; i++) {
        fds[i] = (struct pollfd){.fd = p->fd[i], .events = POLLIN};
    }
    return n;
}

/* The groups "All CoAP Nodes" on one interface.                        RFC 7252 section 12.8 */
static bool join(int fd, bool ipv6, unsigned interface)
{
    struct ip_mreqn v4 = {.imr_ifindex = (int)interface};
    inet_pton(AF_INET, "224.0.1.187", &v4.imr_multiaddr);
    bool joined = setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &v4, sizeof v4) == 0;
    static const char *const groups[] = {"ff02::fd", "ff05::fd"};
    for (size_t i = 0; ipv6 && i < sizeof groups / sizeof groups[0]; i++) {
        struct ipv6_mreq v6 = {.ipv6mr_interface = interface};
        inet_pton(AF_INET6, groups[i], &v6.ipv6mr_multiaddr);
        joined |= setsockopt(fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, &v6, sizeof v6) == 0;
    }
    return joined;
}

/* On every interface there is now. getifaddrs lists one for each of its addresses: joining again
 * fails, and does no harm. */
static estoc_err join_all(const estoc_plain *p, estoc_why *why)
{
    struct ifaddrs *list;
    bool joined = false;
    if (getifaddrs(&list) != 0) {
        estoc_why_set(why, "multicast: no list of interfaces: %s", strerror(errno));
        return ESTOC_E_SYSTEM;
    }
    for (const struct ifaddrs *a = list; a != NULL; a = a->ifa_next) {
        bool fit =
            (a->ifa_flags & IFF_UP) != 0 && (a->ifa_flags & (IFF_MULTICAST | IFF_LOOPBACK)) != 0;
        for (size_t i = 0; fit && i < p->n; i++) {
            joined |= join(p->fd[i], p->ipv6[i], if_nametoindex(a->ifa_name));
        }
    }
    freeifaddrs(list);
    if (!joined) {
        estoc_why_set(why, "multicast: no interface can join the groups of CoAP nodes");
        return ESTOC_E_SYSTEM;
    }
    return ESTOC_OK;
}

static estoc_err add_place(estoc_plain *p, const char *text)
{
    char host[INET6_ADDRSTRLEN];
    place *c = &p->places[p->places_n];
    if (estoc_address_split(text, host, sizeof host, &c->port)) {
        return ESTOC_E_CONFIG;
    }
    struct in_addr v4;
    if (inet_pton(AF_INET, host, &v4) == 1) {
        c->any4 = v4.s_addr == htonl(INADDR_ANY);
        c->address.s6_addr[10] = c->address.s6_addr[11] = 0xff;
        memcpy(c->address.s6_addr + 12, &v4, sizeof v4);
    } else if (inet_pton(AF_INET6, host, &c->address) != 1) {
        return ESTOC_E_CONFIG;
    }
    c->any6 = IN6_IS_ADDR_UNSPECIFIED(&c->address);
    p->places_n++;
    return ESTOC_OK;
}

static estoc_err open_sockets(estoc_plain *p, const estoc_config *conf, estoc_why *why)
{
    for (size_t i = 0; i < conf->discovery_n; i++) {
        uint16_t port = 0;
        char host[64];
        estoc_err err = estoc_udp_open(conf->discovery[i], 0, &p->fd[i], &p->ipv6[i], &port);
        err =
            err ? err : estoc_address_split(conf->discovery[i], host, sizeof host, &(uint16_t){0});
        if (err) {
            estoc_why_set(why, "cannot listen on %s: %s", conf->discovery[i],
                          err == ESTOC_E_CONFIG ? "not ADDRESS:PORT" : strerror(errno));
            return err;
        }
        p->n++;
        snprintf(p->address[i], sizeof p->address[i],
                 strchr(host, ':') != NULL ? "[%s]:%u" : "%s:%u", host, port);
    }
    return ESTOC_OK;
}

estoc_err estoc_plain_open(const estoc_config *conf, const char (*listen)[80], size_t listen_n,
                           estoc_egress *egress, estoc_plain **out, estoc_why *why)
{
    *out = NULL;
    if (conf->discovery_n == 0) {
        return ESTOC_OK;
    }
    estoc_plain *p = calloc(1, sizeof *p);
    if (p == NULL) {
        return ESTOC_E_MEMORY;
    }
    for (size_t i = 0; i < WAITING; i++) {
        p->waiting[i].due = ESTOC_NEVER;
    }
    p->egress = egress;
    p->groups = conf->multicast;
    estoc_err err = ESTOC_OK;
    for (size_t i = 0; !err && i < listen_n; i++) {
        err = add_place(p, listen[i]);
    }
    err = err ? err : open_sockets(p, conf, why);
    err = err || !conf->multicast ? err : join_all(p, why);
    if (err) {
        estoc_plain_free(p);
        return err;
    }
    *out = p;
    return ESTOC_OK;
}

void estoc_plain_free(estoc_plain *p)
{
    for (size_t i = 0; p != NULL && i < p->n; i++) {
        close(p->fd[i]);
    }
    free(p);
}

const char *estoc_plain_address(const estoc_plain *p, size_t i)
{
    return p != NULL && i < p->n ? p->address[i] : NULL;
}
