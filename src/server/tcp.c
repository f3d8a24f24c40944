/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tcp.h"
#include "udp.h"

#define BACKLOG 128

static estoc_err listen_at(const char *address, int *fd, char *text, size_t cap)
{
    struct sockaddr_storage ss;
    socklen_t len;
    char host[64];
    int one = 1, zero = 0;
    uint16_t port;
    if (estoc_address_parse(address, 0, &ss, &len) ||
        estoc_address_split(address, host, sizeof host, &port)) {
        return ESTOC_E_CONFIG;
    }
    bool ipv6 = ss.ss_family == AF_INET6;
    *fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (*fd < 0 || setsockopt(*fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
        (ipv6 && setsockopt(*fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero) != 0) ||
        bind(*fd, (struct sockaddr *)&ss, len) != 0 || listen(*fd, BACKLOG) != 0 ||
        getsockname(*fd, (struct sockaddr *)&ss, &len) != 0) {
        return ESTOC_E_SYSTEM;
    }
    port = ntohs(ipv6 ? ((struct sockaddr_in6 *)&ss)->sin6_port
                      : ((struct sockaddr_in *)&ss)->sin_port);
    snprintf(text, cap, ipv6 ? "[%s]:%u" : "%s:%u", host, port);
    return ESTOC_OK;
}

estoc_err estoc_tcp_listen(const char *address, int *fd, char *text, size_t cap, estoc_why *why)
{
    *fd = -1;
    estoc_err err = listen_at(address, fd, text, cap);
    if (err) {
        estoc_why_set(why, "cannot listen on %s: %s", address,
                      err == ESTOC_E_CONFIG ? "not ADDRESS:PORT" : strerror(errno));
        if (*fd >= 0) {
            close(*fd);
        }
        *fd = -1;
    }
    return err;
}

void estoc_tcp_path(const struct sockaddr *from, estoc_path *path)
{
    memset(path, 0, sizeof *path);
    if (from->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)from;
        path->peer[10] = path->peer[11] = 0xff;
        memcpy(path->peer + 12, &v4->sin_addr, 4);
        path->port = ntohs(v4->sin_port);
    } else if (from->sa_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)from;
        memcpy(path->peer, &v6->sin6_addr, sizeof path->peer);
        path->port = ntohs(v6->sin6_port);
        path->scope = v6->sin6_scope_id;
    }
}
