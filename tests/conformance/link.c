/* SPDX-License-Identifier: MIT
 *
 * A link between the client and a server, in a process of its own.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "hostile.h"

enum { SERVER_KEY_EXCHANGE = 12 };

static void spoil(flight *f)
{
    int at = flight_find(f, 0, SERVER_KEY_EXCHANGE);
    if (at >= 0) {
        uint8_t *r = f->at[0].bytes + at;
        r[record_len(r) - 3] ^= 1; /* the last fragment ends with the signature */
    }
}

static void carry(const link_cfg *cfg, int down)
{
    static flight f = {.n = 1};
    struct sockaddr_in client = {.sin_port = 0}, from;
    unsigned n_up = 0, n_down = 0;
    int up = -1;
    datagram *d = &f.at[0];
    for (;;) {
        struct pollfd p[2] = {{.fd = down, .events = POLLIN}, {.fd = up, .events = POLLIN}};
        poll(p, 2, -1);
        if (p[0].revents != 0) {
            socklen_t len = sizeof from;
            ssize_t n =
                recvfrom(down, d->bytes, sizeof d->bytes, 0, (struct sockaddr *)&from, &len);
            if (up < 0 || from.sin_port != client.sin_port) { /* a new association */
                if (up >= 0) {
                    close(up);
                }
                up = udp_open(cfg->to);
                client = from;
            }
            if (n > 0 && ++n_up != cfg->lose_up) {
                send(up, d->bytes, (size_t)n, 0);
            }
        }
        if (p[1].fd >= 0 && p[1].fd == up && p[1].revents != 0) {
            ssize_t n = recv(up, d->bytes, sizeof d->bytes, 0);
            d->len = n > 0 ? (size_t)n : 0;
            if (cfg->spoil_key_exchange) {
                spoil(&f);
            }
            if (n > 0 && ++n_down != cfg->lose_down) {
                sendto(down, d->bytes, d->len, 0, (struct sockaddr *)&client, sizeof client);
            }
        }
    }
}

void link_start(test_link *l, const link_cfg *cfg)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t len = sizeof at;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    snprintf(l->uri, sizeof l->uri, "coaps://127.0.0.1:%u", ntohs(at.sin_port));
    l->pid = fork();
    assert_true(l->pid >= 0);
    if (l->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        carry(cfg, fd);
    }
    close(fd);
}

void link_stop(test_link *l)
{
    kill(l->pid, SIGKILL);
    waitpid(l->pid, NULL, 0);
    l->pid = 0;
}
