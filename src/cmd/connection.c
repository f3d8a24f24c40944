/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "connection.h"
#include "text.h"

enum { UDP_OVER_IPV4 = 28, UDP_OVER_IPV6 = 48 };

estoc_err estoc_resolve(const estoc_uri *uri, estoc_addresses *out, estoc_why *why)
{
    memset(out, 0, sizeof *out);
    char port[6];
    snprintf(port, sizeof port, "%u", uri->port);
    char host[sizeof uri->host + sizeof uri->zone + 1];
    snprintf(host, sizeof host, "%s%s%s", uri->host, uri->zone[0] != '\0' ? "%" : "", uri->zone);
    struct addrinfo hints = {.ai_socktype = SOCK_DGRAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *list = NULL;
    int rc = getaddrinfo(host, port, &hints, &list);
    if (rc != 0) {
        estoc_why_set(why, "%s: %s; check the host in the URI", host, gai_strerror(rc));
        return ESTOC_E_NOT_FOUND;
    }
    for (struct addrinfo *a = list; a != NULL && out->n < ESTOC_ADDRESSES; a = a->ai_next) {
        memcpy(&out->at[out->n], a->ai_addr, a->ai_addrlen);
        out->len[out->n] = a->ai_addrlen;
        out->n++;
    }
    freeaddrinfo(list);
    return ESTOC_OK;
}

static estoc_err client_input(void *self, estoc_ms now, estoc_slice dg)
{
    return estoc_client_input(self, now, dg);
}

static estoc_err client_output(void *self, estoc_ms now, estoc_buf out, size_t *len)
{
    return estoc_client_output(self, now, out, len);
}

static estoc_ms client_deadline(const void *self)
{
    return estoc_client_deadline(self);
}

static const estoc_traffic *client_traffic(const void *self)
{
    return estoc_client_traffic(self);
}

estoc_machine estoc_machine_client(estoc_client *c)
{
    return (estoc_machine){c, client_input, client_output, client_deadline, client_traffic};
}

static estoc_err requester_input(void *self, estoc_ms now, estoc_slice dg)
{
    return estoc_requester_input(self, now, dg);
}

static estoc_err requester_output(void *self, estoc_ms now, estoc_buf out, size_t *len)
{
    return estoc_requester_output(self, now, out, len);
}

static estoc_ms requester_deadline(const void *self)
{
    return estoc_requester_deadline(self);
}

static const estoc_traffic *requester_traffic(const void *self)
{
    return estoc_requester_traffic(self);
}

estoc_machine estoc_machine_requester(estoc_requester *q)
{
    return (estoc_machine){q, requester_input, requester_output, requester_deadline,
                           requester_traffic};
}

static void watch(const estoc_connection *c, bool sent, estoc_slice message)
{
    if (c->watch != NULL) {
        c->watch(c->watch_ctx, sent, message);
    }
}

static void watch_datagram(const estoc_connection *c, bool sent, estoc_slice datagram)
{
    if (c->watch_datagram != NULL) {
        c->watch_datagram(c->watch_ctx, sent, datagram);
    }
}

/* For DTLS. What cannot be sent now counts as lost on the way: both layers above repeat. */
static void send_datagram(void *ctx, estoc_slice dg)
{
    estoc_connection *c = ctx;
    watch_datagram(c, true, dg);
    ssize_t n = send(c->fd, dg.ptr, dg.len, MSG_DONTWAIT);
    if (n < 0 && errno == ECONNREFUSED) {
        c->refused = true; /* that was the datagram before; this one has not been sent */
        n = send(c->fd, dg.ptr, dg.len, MSG_DONTWAIT);
    }
    c->send_errno = n < 0 ? errno : 0;
    if (n >= 0) {
        c->figures.sent++;
        c->figures.sent_bytes += dg.len + c->header;
        c->figures.again_bytes += c->again ? dg.len + c->header : 0;
    }
}

estoc_err estoc_connection_open(estoc_connection *c, const estoc_addresses *to, size_t i,
                                estoc_dtls_client *dtls, estoc_ms now, estoc_why *why)
{
    c->dtls = NULL;
    c->heard = now;
    c->refused = false;
    c->send_errno = 0;
    c->header = to->at[i].ss_family == AF_INET6 ? UDP_OVER_IPV6 : UDP_OVER_IPV4;
    c->fd = socket(to->at[i].ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (const struct sockaddr *)&to->at[i], to->len[i]) != 0) {
        estoc_why_set(why, "%s", strerror(errno));
        estoc_connection_close(c);
        return ESTOC_E_SYSTEM;
    }
    estoc_err err = estoc_dtls_connect(dtls, now, (estoc_dtls_out){c, send_datagram}, &c->dtls);
    if (err) {
        estoc_why_set(why, "%s", estoc_err_text(err));
        estoc_connection_close(c);
    }
    return err;
}

/* What the machine makes of its messages shows in its own state. */
static void take_messages(estoc_connection *c, estoc_ms now, const estoc_machine *m)
{
    uint8_t message[ESTOC_DATAGRAM_MAX];
    size_t len = 0;
    while (!estoc_dtls_read(c->dtls, (estoc_buf){message, sizeof message}, &len) && len > 0) {
        watch(c, false, estoc_slice_of(message, len));
        if (m != NULL) {
            estoc_err ignored = m->input(m->self, now, estoc_slice_of(message, len));
            (void)ignored;
        }
    }
}

static void give_messages(estoc_connection *c, estoc_ms now, const estoc_machine *m)
{
    uint8_t message[ESTOC_MESSAGE_MAX];
    size_t len = 0;
    while (!m->output(m->self, now, (estoc_buf){message, sizeof message}, &len) && len > 0) {
        watch(c, true, estoc_slice_of(message, len));
        c->again = m->traffic(m->self)->retransmitted > c->retransmitted;
        c->retransmitted = m->traffic(m->self)->retransmitted;
        estoc_err err = estoc_dtls_write(c->dtls, estoc_slice_of(message, len));
        c->again = false;
        if (err) {
            return; /* as if it were lost: the machine repeats, or the association has ended */
        }
    }
}

static void receive(estoc_connection *c, estoc_ms now, const estoc_machine *m)
{
    uint8_t dg[ESTOC_DATAGRAM_MAX];
    for (;;) {
        ssize_t n = recv(c->fd, dg, sizeof dg, MSG_DONTWAIT);
        if (n < 0 && errno == ECONNREFUSED) {
            c->refused = true;
            continue;
        }
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return;
        }
        c->figures.received++;
        c->figures.received_bytes += (size_t)n + c->header;
        c->heard = now;
        watch_datagram(c, false, estoc_slice_of(dg, (size_t)n));
        (void)estoc_dtls_input(c->dtls, now, estoc_slice_of(dg, (size_t)n));
        take_messages(c, now, m);
    }
}

/* Anyone who knows the ports can forge an ICMP error: it counts only while nobody has answered. */
static estoc_err verdict(const estoc_connection *c)
{
    estoc_dtls_state state = estoc_dtls_state_of(c->dtls);
    bool answered = c->figures.received > 0;
    bool opened = estoc_dtls_peer_cert(c->dtls).len > 0;
    if (state == ESTOC_DTLS_CLOSED || (state == ESTOC_DTLS_FAILED && opened)) {
        return ESTOC_E_CLOSED;
    }
    if (state == ESTOC_DTLS_FAILED) {
        return answered && !estoc_dtls_unanswered(c->dtls) ? ESTOC_E_UNTRUSTED : ESTOC_E_TIMEOUT;
    }
    return c->refused && !answered ? ESTOC_E_TIMEOUT : ESTOC_OK;
}

estoc_err estoc_connection_step(estoc_connection *c, estoc_ms now, const estoc_machine *m)
{
    receive(c, now, m);
    if (estoc_dtls_deadline(c->dtls) <= now) {
        c->again = true;
        (void)estoc_dtls_tick(c->dtls, now);
        c->again = false;
    }
    if (m != NULL && estoc_connection_is_open(c)) {
        give_messages(c, now, m);
    }
    estoc_dtls_rest(c->dtls);
    return verdict(c);
}

estoc_ms estoc_connection_deadline(const estoc_connection *c, const estoc_machine *m)
{
    estoc_ms due = estoc_dtls_deadline(c->dtls);
    estoc_ms machine = m != NULL ? m->deadline(m->self) : ESTOC_NEVER;
    return machine < due ? machine : due;
}

bool estoc_connection_is_open(const estoc_connection *c)
{
    return c->dtls != NULL && estoc_dtls_state_of(c->dtls) == ESTOC_DTLS_OPEN;
}

estoc_slice estoc_connection_password(const estoc_connection *c, char room[ESTOC_PASSWORD_LEN])
{
    uint8_t unique[ESTOC_UNIQUE_MAX];
    size_t len = 0;
    if (estoc_dtls_unique(c->dtls, (estoc_buf){unique, sizeof unique}, &len)) {
        return estoc_slice_of(NULL, 0);
    }
    len = estoc_base64(estoc_slice_of(unique, len), room);
    estoc_wipe(unique, sizeof unique);
    return estoc_slice_of(room, len);
}

void estoc_connection_close(estoc_connection *c)
{
    if (c->dtls != NULL) {
        estoc_dtls_close(c->dtls);
        estoc_dtls_free(c->dtls);
        c->dtls = NULL;
    }
    if (c->fd >= 0) {
        close(c->fd);
        c->fd = -1;
    }
}
