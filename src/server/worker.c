/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "udp.h"
#include "worker.h"

#define BURST         64 /* datagrams read from a socket before the others get their turn */
#define POLL_DRAIN_MS 50

/* ------------------------------------------------------------------------------------- sessions */

static void transmit(estoc_worker *w, const estoc_path *path, estoc_slice dg)
{
    estoc_udp_send(w->sockets[path->socket], w->ipv6[path->socket], path, dg);
}

/* Now, if it is small or nobody waits, and the budget has room; else in its turn. */
static void send_datagram(void *ctx, estoc_slice dg)
{
    estoc_session *s = ctx;
    estoc_worker *w = s->worker;
    estoc_us now = estoc_now_us();
    size_t bytes = dg.len + estoc_path_header(&s->entry.path);
    bool small = dg.len <= ESTOC_EGRESS_SMALL;
    bool first = !estoc_lane_waits(&s->lane) && (small || w->queue.bytes == 0);
    if (first && (small ? estoc_egress_take_small(w->queue.egress, now, bytes)
                        : estoc_egress_take(w->queue.egress, now, bytes, 0))) {
        estoc_egress_count(w->queue.egress, now, bytes, s->again);
        transmit(w, &s->entry.path, dg);
    } else {
        (void)estoc_queue_put(&w->queue, &s->lane,
                              s->open == NULL ? ESTOC_LANE_HANDSHAKE : ESTOC_LANE_ANSWER, now, dg,
                              estoc_path_header(&s->entry.path), s->again);
    }
}

/* What belongs to no session is sent at once or not at all (D5). */
static void send_stateless(estoc_worker *w, const estoc_path *path, estoc_slice dg)
{
    estoc_us now = estoc_now_us();
    size_t bytes = dg.len + estoc_path_header(path);
    if (estoc_egress_take_small(w->queue.egress, now, bytes)) {
        estoc_egress_count(w->queue.egress, now, bytes, false);
        transmit(w, path, dg);
    }
}

static void end_session(estoc_worker *w, estoc_session *s)
{
    estoc_crowd_leave(&w->crowd, &s->member);
    estoc_table_remove(&w->table, &s->entry);
    estoc_session_end(s);
}

static void settle(estoc_worker *w, estoc_session *s, bool alive)
{
    if (alive) {
        estoc_dtls_rest(s->dtls);
        estoc_table_move(&w->table, &s->entry, estoc_session_deadline(s));
    } else {
        end_session(w, s);
    }
}

/* A worker's part of a limit for the whole server. */
static size_t part(const estoc_worker *w, uint32_t limit)
{
    return (limit + w->of - 1) / w->of;
}

static estoc_session *oldest_of(const estoc_session *s)
{
    estoc_member *oldest = estoc_crowd_oldest(&s->member);
    return (estoc_session *)((uint8_t *)oldest - offsetof(estoc_session, member));
}

/* Handshakes, and strangers, are counted by where they come from: one place cannot take all the room,
 * and those who come now find some. Row 271. */
static void join_prefix(estoc_worker *w, estoc_session *s)
{
    uint64_t prefix = estoc_path_prefix(&s->entry.path, true);
    size_t n = estoc_crowd_join(&w->crowd, &s->member, estoc_table_hash(&w->table, prefix, 1));
    if (n > part(w, s->generation->conf.half_open_max)) {
        end_session(w, oldest_of(s));
    }
}

/* Then by who they are. Row 272. */
static void join_identity(estoc_worker *w, estoc_session *s)
{
    size_t n = estoc_crowd_join(&w->crowd, &s->member, s->open->identity);
    if (n > part(w, s->generation->conf.identity_sessions)) {
        estoc_session *old = oldest_of(s);
        char peer[ESTOC_PATH_TEXT_MAX], subject[ESTOC_SUBJECT_MAX];
        estoc_log(ESTOC_LOG_INFO, "worker", "peer",
                  estoc_path_text(&old->entry.path, peer, sizeof peer), "result", "closed", "why",
                  "identity-sessions", "subject", estoc_session_subject(old, subject), NULL);
        estoc_dtls_close(old->dtls);
        end_session(w, old);
    }
}

/* The address has shown that it can receive: a new association, and whatever was there before at
 * this address is over and leaves nothing behind (D10, X7). */
static void accept_session(estoc_worker *w, estoc_session *fresh, estoc_session *old, estoc_ms now)
{
    if (old != NULL) {
        end_session(w, old);
    }
    if (estoc_table_add(&w->table, &fresh->entry, estoc_session_deadline(fresh))) {
        if (!w->table_full_logged) {
            estoc_log(ESTOC_LOG_WARN, "worker", "result", "no room for more sessions", "key",
                      "sessions_max", NULL);
            w->table_full_logged = true;
        }
        estoc_session_end(fresh);
        return;
    }
    w->table_full_logged = false;
    join_prefix(w, fresh);
    /* the ClientHello may have been all that was needed to fail */
    settle(w, fresh, estoc_session_tick(fresh, now));
}

/* A ClientHello from an address without a session, or that is not the one its session began with. */
static void listen_datagram(estoc_worker *w, const estoc_path *path, estoc_session *old,
                            estoc_ms now, estoc_slice dg)
{
    /* on a busy way out a handshake would only be tried twice: its client asks again later */
    if (w->stop_by != ESTOC_NEVER ||
        estoc_egress_wait_ms(w->queue.egress, estoc_now_us()) > ESTOC_EGRESS_HELLO_MS) {
        return;
    }
    uint8_t peer[20];
    memcpy(peer, path->peer, 16);
    peer[16] = (uint8_t)(path->port >> 8);
    peer[17] = (uint8_t)path->port;
    peer[18] = (uint8_t)(path->socket >> 8);
    peer[19] = (uint8_t)path->socket;
    /* one session is kept ready, so that an unverified datagram allocates nothing (D5) */
    if (w->spare == NULL) {
        w->spare = estoc_session_new(w, w->generation);
        if (w->spare == NULL) {
            return;
        }
    }
    estoc_session *fresh = w->spare;
    fresh->entry.path = *path;
    uint8_t reply[ESTOC_DATAGRAM_MAX];
    size_t reply_len = 0;
    estoc_dtls_out out = {fresh, send_datagram};
    estoc_dtls_verdict v =
        estoc_dtls_listen(w->listener, (estoc_slice){peer, sizeof peer}, now, dg,
                          (estoc_buf){reply, sizeof reply}, &reply_len, out, &fresh->dtls);
    if (v == ESTOC_DTLS_ACCEPT) {
        w->spare = NULL;
        estoc_session_begin(fresh, now, dg);
        accept_session(w, fresh, old, now);
        return;
    }
    /* D5: never more out than in, whatever the library says */
    if (v == ESTOC_DTLS_REPLY && reply_len <= dg.len) {
        send_stateless(w, path, (estoc_slice){reply, reply_len});
    }
}

static void take_datagram(estoc_worker *w, const estoc_path *path, estoc_ms now, estoc_slice dg)
{
    estoc_session *s = (estoc_session *)estoc_table_find(&w->table, path);
    bool hello = estoc_dtls_is_client_hello(dg);
    if (s != NULL && (!hello || estoc_session_same_hello(s, dg))) {
        bool was_open = s->open != NULL;
        bool alive = estoc_session_input(s, now, dg);
        if (alive && !was_open && s->open != NULL && s->open->identity != 0) {
            join_identity(w, s);
        }
        settle(w, s, alive);
    } else if (hello) {
        listen_datagram(w, path, s, now, dg);
    }
}

static void read_socket(estoc_worker *w, size_t i)
{
    uint8_t dg[ESTOC_DATAGRAM_MAX];
    for (int n = 0; n < BURST; n++) {
        estoc_path path = {.socket = (uint16_t)i};
        size_t len;
        if (!estoc_udp_receive(w->sockets[i], &path, (estoc_buf){dg, sizeof dg}, &len)) {
            return;
        }
        take_datagram(w, &path, estoc_now_ms(), (estoc_slice){dg, len});
    }
}

/* Whose turn it is, as far as the budget goes. */
static void run_queue(estoc_worker *w)
{
    estoc_slice dg;
    estoc_lane *l;
    while ((l = estoc_queue_next(&w->queue, estoc_now_us(), &dg)) != NULL) {
        estoc_session *s = (estoc_session *)((uint8_t *)l - offsetof(estoc_session, lane));
        transmit(w, &s->entry.path, dg);
        estoc_queue_left(&w->queue, l);
        if (!estoc_lane_waits(l)) {
            estoc_session_sent(s, estoc_now_ms());
            estoc_table_move(&w->table, &s->entry, estoc_session_deadline(s));
        }
    }
}

static void run_deadlines(estoc_worker *w)
{
    estoc_ms now = estoc_now_ms();
    estoc_entry *e;
    while ((e = estoc_table_first(&w->table)) != NULL && e->deadline <= now) {
        estoc_session *s = (estoc_session *)e;
        settle(w, s, estoc_session_tick(s, now));
        /* a deadline that stays in the past would spin: give it the next millisecond */
        if (estoc_table_first(&w->table) == e && e->deadline <= now) {
            estoc_table_move(&w->table, e, now + 1);
        }
    }
}

/* ------------------------------------------------------------------------------------- the queue */

static void wake(estoc_worker *w)
{
    uint64_t one = 1;
    if (write(w->wake, &one, sizeof one) != sizeof one) {
        /* the counter is full: the worker is awake already */
        return;
    }
}

void estoc_worker_late(estoc_worker *w, estoc_late *late)
{
    late->next = NULL;
    pthread_mutex_lock(&w->lock);
    bool first = w->late_first == NULL;
    if (first) {
        w->late_first = late;
    } else {
        w->late_last->next = late;
    }
    w->late_last = late;
    if (first) {
        wake(w);
    }
    pthread_mutex_unlock(&w->lock);
}

void estoc_worker_reload(estoc_worker *w, estoc_generation *g)
{
    pthread_mutex_lock(&w->lock);
    estoc_generation_release(w->next_generation);
    w->next_generation = g;
    wake(w);
    pthread_mutex_unlock(&w->lock);
}

void estoc_worker_stop(estoc_worker *w)
{
    pthread_mutex_lock(&w->lock);
    w->stop_asked = true;
    wake(w);
    pthread_mutex_unlock(&w->lock);
}

static void take_late(estoc_worker *w, estoc_late *late, estoc_ms now)
{
    estoc_session *s = late->session;
    s->pending--;
    w->pending--;
    if (s->gone) {
        estoc_body_free(late->answer.owner);
        estoc_session_end(s);
    } else {
        settle(w, s, estoc_session_answer(s, now, late));
    }
    free(late);
}

static void take_generation(estoc_worker *w, estoc_generation *g)
{
    estoc_dtls_listener *l;
    if (estoc_dtls_listener_new(g->dtls, &l)) {
        estoc_log(ESTOC_LOG_ERROR, "worker", "result", "reload failed: out of memory", NULL);
        estoc_generation_release(g);
        return;
    }
    if (w->spare != NULL) {
        estoc_session_end(w->spare);
        w->spare = NULL;
    }
    estoc_dtls_listener_free(w->listener);
    estoc_generation_release(w->generation);
    w->listener = l;
    w->generation = g;
}

static void read_queue(estoc_worker *w)
{
    uint64_t count;
    if (read(w->wake, &count, sizeof count) < 0) {
        return;
    }
    pthread_mutex_lock(&w->lock);
    estoc_late *late = w->late_first;
    estoc_generation *g = w->next_generation;
    bool stop = w->stop_asked;
    w->late_first = w->late_last = NULL;
    w->next_generation = NULL;
    pthread_mutex_unlock(&w->lock);
    estoc_ms now = estoc_now_ms();
    while (late != NULL) {
        estoc_late *next = late->next;
        take_late(w, late, now);
        late = next;
    }
    if (g != NULL) {
        take_generation(w, g);
    }
    if (stop && w->stop_by == ESTOC_NEVER) {
        w->stop_by = now + ESTOC_DRAIN_MS;
    }
}

/* -------------------------------------------------------------------------------------- the loop */

static bool all_idle(const estoc_worker *w, estoc_ms now)
{
    for (size_t i = 0; i < w->table.n; i++) {
        if (estoc_session_busy((const estoc_session *)w->table.heap[i], now)) {
            return false;
        }
    }
    return true;
}

static bool stopped(const estoc_worker *w)
{
    estoc_ms now = estoc_now_ms();
    return w->stop_by != ESTOC_NEVER && (now >= w->stop_by || all_idle(w, now));
}

static int timeout_of(const estoc_worker *w)
{
    const estoc_entry *e = estoc_table_first(&w->table);
    estoc_ms now = estoc_now_ms();
    estoc_ms due = estoc_plain_deadline(w->plain);
    due = e != NULL && e->deadline < due ? e->deadline : due;
    estoc_us queue = estoc_queue_due(&w->queue);
    due = queue / 1000u + 1 < due ? queue / 1000u + 1 : due;
    estoc_ms wait = due > now ? due - now : 0;
    if (w->stop_by != ESTOC_NEVER && wait > POLL_DRAIN_MS) {
        wait = POLL_DRAIN_MS;
    }
    return wait < 3600000u ? (int)wait : 3600000;
}

/* The kernel has no memory, or the limit of descriptors was lowered: it may pass. */
static void poll_failed(void)
{
    const struct timespec pause = {1, 0};
    estoc_log(ESTOC_LOG_ERROR, "worker", "result", "poll failed", "why", strerror(errno), NULL);
    nanosleep(&pause, NULL);
}

static void *run(void *ctx)
{
    estoc_worker *w = ctx;
    struct pollfd fds[2 * ESTOC_LISTEN_MAX + 1];
    for (size_t i = 0; i < w->sockets_n; i++) {
        fds[i] = (struct pollfd){.fd = w->sockets[i], .events = POLLIN};
    }
    fds[w->sockets_n] = (struct pollfd){.fd = w->wake, .events = POLLIN};
    struct pollfd *plain = &fds[w->sockets_n + 1];
    size_t plain_n = estoc_plain_fds(w->plain, plain);
    while (!stopped(w)) {
        int n = poll(fds, (nfds_t)(w->sockets_n + 1 + plain_n), timeout_of(w));
        if (n < 0 && errno != EINTR) {
            poll_failed();
        }
        for (size_t i = 0; n > 0 && i < w->sockets_n; i++) {
            if (fds[i].revents != 0) {
                read_socket(w, i);
            }
        }
        if (n > 0 && fds[w->sockets_n].revents != 0) {
            read_queue(w);
        }
        for (size_t i = 0; n > 0 && i < plain_n; i++) {
            if (plain[i].revents != 0) {
                estoc_plain_read(w->plain, i, w->generation, estoc_now_ms());
            }
        }
        estoc_plain_tick(w->plain, estoc_now_ms());
        run_deadlines(w);
        run_queue(w);
    }
    while (w->table.n > 0) {
        estoc_session *s = (estoc_session *)w->table.heap[0];
        estoc_dtls_close(s->dtls);
        end_session(w, s);
    }
    return NULL;
}

/* ------------------------------------------------------------------------------- birth and death */

void estoc_worker_prepare(estoc_worker *w)
{
    w->wake = -1;
    w->stop_by = ESTOC_NEVER;
    pthread_mutex_init(&w->lock, NULL);
}

estoc_err estoc_worker_init(estoc_worker *w, estoc_generation *g, size_t sessions_max)
{
    uint64_t seed;
    estoc_random random = estoc_random_system();
    if (!random.fill(random.ctx, (uint8_t *)&seed, sizeof seed)) {
        return ESTOC_E_RANDOM;
    }
    estoc_err err = estoc_table_init(&w->table, sessions_max, seed);
    err = err ? err : estoc_crowd_init(&w->crowd, sessions_max);
    err = err ? err : estoc_limits_init(&w->limits);
    err = err ? err : estoc_dtls_listener_new(g->dtls, &w->listener);
    if (err) {
        return err;
    }
    w->generation = estoc_generation_hold(g);
    w->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return w->wake >= 0 ? ESTOC_OK : ESTOC_E_SYSTEM;
}

estoc_err estoc_worker_start(estoc_worker *w)
{
    w->started = pthread_create(&w->thread, NULL, run, w) == 0;
    return w->started ? ESTOC_OK : ESTOC_E_SYSTEM;
}

void estoc_worker_free(estoc_worker *w)
{
    /* the authority gives every verdict it owes; nobody is left to hear these */
    while (w->pending > 0) {
        struct pollfd fd = {.fd = w->wake, .events = POLLIN};
        if (poll(&fd, 1, -1) > 0) {
            read_queue(w);
        }
    }
    if (w->spare != NULL) {
        estoc_session_end(w->spare);
    }
    if (w->listener != NULL) {
        estoc_dtls_listener_free(w->listener);
    }
    estoc_generation_release(w->generation);
    estoc_generation_release(w->next_generation);
    estoc_table_free(&w->table);
    estoc_crowd_free(&w->crowd);
    estoc_limits_free(&w->limits);
    for (size_t i = 0; i < w->sockets_n; i++) {
        close(w->sockets[i]);
    }
    if (w->wake >= 0) {
        close(w->wake);
    }
    /* whoever put the last verdict has let go of the lock */
    pthread_mutex_lock(&w->lock);
    pthread_mutex_unlock(&w->lock);
    pthread_mutex_destroy(&w->lock);
}
