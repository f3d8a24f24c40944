/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "udp.h"

#define RECEIVE_BUFFER (4 << 20) /* bytes the kernel holds while a worker signs and verifies */

estoc_err estoc_address_split(const char *text, char *host, size_t host_cap, uint16_t *port)
{
    const char *colon = strrchr(text, ':');
    if (colon == NULL) {
        return ESTOC_E_CONFIG;
    }
    const char *from = text;
    size_t len = (size_t)(colon - text);
    if (len >= 2 && text[0] == '[' && text[len - 1] == ']') {
        from++;
        len -= 2;
    } else if (memchr(text, ':', len) != NULL) {
        return ESTOC_E_CONFIG; /* an IPv6 address without brackets */
    }
    char *end;
    long value = strtol(colon + 1, &end, 10);
    if (colon[1] < '0' || colon[1] > '9' || *end != '\0' || value > 65535 || len == 0 ||
        len >= host_cap) {
        return ESTOC_E_CONFIG;
    }
    memcpy(host, from, len);
    host[len] = '\0';
    *port = (uint16_t)value;
    return ESTOC_OK;
}

estoc_err estoc_address_parse(const char *text, uint16_t port, struct sockaddr_storage *ss,
                              socklen_t *len)
{
    char host[INET6_ADDRSTRLEN];
    uint16_t own;
    if (estoc_address_split(text, host, sizeof host, &own)) {
        return ESTOC_E_CONFIG;
    }
    uint16_t be = htons(port != 0 ? port : own);
    memset(ss, 0, sizeof *ss);
    struct sockaddr_in *v4 = (struct sockaddr_in *)ss;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ss;
    if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = be;
        *len = sizeof *v4;
        return ESTOC_OK;
    }
    if (inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = be;
        *len = sizeof *v6;
        return ESTOC_OK;
    }
    return ESTOC_E_CONFIG;
}

static bool set_options(int fd, bool ipv6)
{
    int one = 1, zero = 0, size = RECEIVE_BUFFER;
    /* a smaller buffer than asked for is no error: the system's limit rules */
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) != 0) {
        return false;
    }
    if (!ipv6) {
        return setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &one, sizeof one) == 0;
    }
    return setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero) == 0 &&
           setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &one, sizeof one) == 0;
}

estoc_err estoc_udp_open(const char *text, uint16_t port, int *fd, bool *ipv6, uint16_t *actual)
{
    struct sockaddr_storage ss;
    socklen_t len;
    *fd = -1;
    if (estoc_address_parse(text, port, &ss, &len)) {
        return ESTOC_E_CONFIG;
    }
    *ipv6 = ss.ss_family == AF_INET6;
    int s = socket(ss.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s < 0) {
        return ESTOC_E_SYSTEM;
    }
    if (!set_options(s, *ipv6) || bind(s, (struct sockaddr *)&ss, len) != 0 ||
        getsockname(s, (struct sockaddr *)&ss, &len) != 0) {
        int saved = errno;
        close(s);
        errno = saved;
        return ESTOC_E_SYSTEM;
    }
    *actual = ntohs(*ipv6 ? ((struct sockaddr_in6 *)&ss)->sin6_port
                          : ((struct sockaddr_in *)&ss)->sin_port);
    *fd = s;
    return ESTOC_OK;
}

static void set_mapped(uint8_t out[16], const struct in_addr *v4)
{
    memset(out, 0, 10);
    out[10] = out[11] = 0xff;
    memcpy(out + 12, v4, 4);
}

static void read_control(struct msghdr *m, estoc_path *path)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof info);
            set_mapped(path->local, &info.ipi_spec_dst);
            path->multicast = IN_MULTICAST(ntohl(info.ipi_addr.s_addr));
        } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof info);
            memcpy(path->local, &info.ipi6_addr, sizeof path->local);
            path->interface = IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr) ? info.ipi6_ifindex : 0;
            path->multicast = IN6_IS_ADDR_MULTICAST(&info.ipi6_addr) ||
                              (IN6_IS_ADDR_V4MAPPED(&info.ipi6_addr) &&
                               IN_MULTICAST((uint32_t)info.ipi6_addr.s6_addr[12] << 24));
        }
    }
}

bool estoc_udp_receive(int fd, estoc_path *path, estoc_buf buf, size_t *len)
{
    struct sockaddr_storage ss;
    union {
        struct cmsghdr align;
        char bytes[256];
    } control;
    struct iovec io = {buf.ptr, buf.cap};
    struct msghdr m = {.msg_name = &ss,
                       .msg_namelen = sizeof ss,
                       .msg_iov = &io,
                       .msg_iovlen = 1,
                       .msg_control = &control,
                       .msg_controllen = sizeof control};
    ssize_t n;
    do {
        /* an error here is an ICMP report about an earlier answer: not ours to act on */
        n = recvmsg(fd, &m, MSG_DONTWAIT);
    } while (n < 0 && (errno == EINTR || errno == ECONNREFUSED));
    if (n < 0) {
        return false;
    }
    *len = (m.msg_flags & MSG_TRUNC) != 0 ? 0 : (size_t)n;
    if (ss.ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&ss;
        memcpy(path->peer, &v6->sin6_addr, sizeof path->peer);
        path->port = ntohs(v6->sin6_port);
        path->scope = v6->sin6_scope_id;
    } else {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)&ss;
        set_mapped(path->peer, &v4->sin_addr);
        path->port = ntohs(v4->sin_port);
    }
    read_control(&m, path);
    return true;
}

static void add_control(struct msghdr *m, int level, int type, const void *data, size_t len)
{
    struct cmsghdr *c = CMSG_FIRSTHDR(m);
    c->cmsg_level = level;
    c->cmsg_type = type;
    c->cmsg_len = CMSG_LEN(len);
    memcpy(CMSG_DATA(c), data, len);
    m->msg_controllen = CMSG_SPACE(len);
}

void estoc_udp_send(int fd, bool ipv6, const estoc_path *path, estoc_slice dg)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(path->port)};
    struct sockaddr_in6 v6 = {
        .sin6_family = AF_INET6, .sin6_port = htons(path->port), .sin6_scope_id = path->scope};
    union {
        struct cmsghdr align;
        char bytes[256];
    } control = {.bytes = {0}};
    struct iovec io = {(void *)(uintptr_t)dg.ptr, dg.len};
    struct msghdr m = {
        .msg_iov = &io, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    if (ipv6) {
        struct in6_pktinfo info = {.ipi6_ifindex = path->interface};
        memcpy(&v6.sin6_addr, path->peer, sizeof path->peer);
        memcpy(&info.ipi6_addr, path->local, sizeof path->local);
        m.msg_name = &v6;
        m.msg_namelen = sizeof v6;
        add_control(&m, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info);
    } else {
        struct in_pktinfo info = {0};
        memcpy(&v4.sin_addr, path->peer + 12, 4);
        memcpy(&info.ipi_spec_dst, path->local + 12, 4);
        m.msg_name = &v4;
        m.msg_namelen = sizeof v4;
        add_control(&m, IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
    }
    if (sendmsg(fd, &m, MSG_DONTWAIT) < 0) {
        return; /* lost, as any datagram may be: retransmission mends it */
    }
}
