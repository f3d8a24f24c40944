/* SPDX-License-Identifier: MIT
 *
 * Answers that take their time: separate ones while another process holds the store, and those that
 * a person gives.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "device.h"

#define MANUAL "/est/manual"

enum { RETRY_S = 40 };

static int start(void **state)
{
    fixture_set_up(state);
    fixture *f = *state;
    fixture_conf(f, "server", "answer-delay", "500ms");
    fixture_conf(f, "profile manual", "approval", "manual");
    fixture_conf(f, "profile manual", "retry-after", "40s");
    fixture_conf(f, "profile manual", "keygen", "yes");
    fixture_start(f);
    return 0;
}

/* ------------------------------------------------------------------------------- a slow authority */

/* Nothing can be written to the store until it is let go. */
static sqlite3 *hold_store(const fixture *f)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path_in(f, "srv/store.db"), &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 5000);
    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    return db;
}

static void let_go(sqlite3 *db)
{
    assert_int_equal(sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void receive(peer *p, reply *r, int timeout_ms)
{
    r->len = peer_recv(p, r->bytes, sizeof r->bytes, timeout_ms);
    assert_int_not_equal(r->len, 0);
    assert_true(wire_parse(&r->m, r->bytes, r->len));
}

static void send_empty(peer *p, unsigned type, unsigned mid)
{
    wire_out o;
    wire_begin(&o, type, 0, mid, NULL, 0);
    peer_send(p, o.bytes, o.len);
}

static void post_csr(peer *p, wire_out *o, const char *path, const body *csr)
{
    ask(p, o, POST);
    wire_path(o, path);
    wire_uint(o, OPT_FORMAT, 286);
    wire_payload(o, csr->bytes, csr->len);
}

static void a_csr(body *csr)
{
    EVP_PKEY *key = key_new("P-256");
    csr_new(key, "CN=dev", NULL, csr);
    EVP_PKEY_free(key);
}

/* Ask while the store is held: an empty ACK; let go: the answer as a CON of the server's own. */
static void ask_slowly(const fixture *f, peer *p, const wire_out *o, reply *r)
{
    wire_msg request;
    sqlite3 *db = hold_store(f);
    assert_true(wire_parse(&request, o->bytes, o->len));
    peer_send(p, o->bytes, o->len);
    receive(p, r, ANSWER_MS);
    assert_int_equal(r->m.type, ACK);
    assert_int_equal(r->m.code, 0);
    assert_int_equal(r->m.mid, request.mid);
    assert_int_equal(r->len, 4);
    let_go(db);
    receive(p, r, ANSWER_MS);
    assert_int_equal(r->m.type, CON);
    assert_int_equal(r->m.token_len, request.token_len);
    assert_memory_equal(r->m.token, request.token, request.token_len);
}

static void separate(void **state)
{
    const fixture *f = *state;
    peer *p = connect_as(f, "dev");
    wire_out o;
    reply r;
    body csr;
    a_csr(&csr);
    unsigned before = issued(f);
    post_csr(p, &o, EST "/sen", &csr);
    ask_slowly(f, p, &o, &r);
    assert_int_equal(r.m.code, CODE(2, 4));
    reply first = r;
    /* a copy of the request gets the empty ACK again, and no answer in it */
    peer_send(p, o.bytes, o.len);
    receive(p, &r, ANSWER_MS);
    assert_int_equal(r.m.type, ACK);
    assert_int_equal(r.m.code, 0);
    /* not acknowledged: sent again, to the byte */
    receive(p, &r, ANSWER_MS);
    assert_int_equal(r.len, first.len);
    assert_memory_equal(r.bytes, first.bytes, r.len);
    send_empty(p, ACK, r.m.mid);
    expect_alive(p);
    assert_int_equal(issued(f), before + 1);
    peer_free(p);
}

/* An ACK that comes over another association is none, whatever its number. */
static void acknowledged_elsewhere(void **state)
{
    const fixture *f = *state;
    peer *p = connect_as(f, "dev");
    peer *other = connect_as(f, "dev");
    wire_out o;
    reply r;
    body csr;
    a_csr(&csr);
    post_csr(p, &o, EST "/sen", &csr);
    ask_slowly(f, p, &o, &r);
    reply first = r;
    send_empty(other, ACK, r.m.mid);
    send_empty(other, RST, r.m.mid);
    expect_alive(other);
    receive(p, &r, ANSWER_MS);
    assert_int_equal(r.len, first.len);
    assert_memory_equal(r.bytes, first.bytes, r.len);
    send_empty(p, ACK, r.m.mid);
    expect_alive(p);
    peer_free(other);
    peer_free(p);
}

/* Nothing to acknowledge: the answer comes when it is there, once. */
static void to_a_non(void **state)
{
    const fixture *f = *state;
    peer *p = connect_as(f, "dev");
    wire_out o;
    wire_msg request;
    reply r;
    body csr;
    uint8_t in[DATAGRAM_MAX];
    a_csr(&csr);
    unsigned before = issued(f);
    post_csr(p, &o, EST "/sen", &csr);
    o.bytes[0] = (uint8_t)((o.bytes[0] & 0xcf) | NON << 4);
    assert_true(wire_parse(&request, o.bytes, o.len));
    sqlite3 *db = hold_store(f);
    peer_send(p, o.bytes, o.len);
    assert_int_equal(peer_recv(p, in, sizeof in, 700), 0); /* also after the answer delay */
    let_go(db);
    receive(p, &r, ANSWER_MS);
    assert_int_equal(r.m.type, NON);
    assert_int_equal(r.m.code, CODE(2, 4));
    assert_int_equal(r.m.token_len, request.token_len);
    assert_memory_equal(r.m.token, request.token, request.token_len);
    peer_send(p, o.bytes, o.len); /* a copy leads to no second one */
    expect_alive(p);
    assert_int_equal(issued(f), before + 1);
    peer_free(p);
}

/* A timely answer rides on the ACK; the delay is configured. */
static void piggybacked(void **state)
{
    const fixture *f = *state;
    peer *p = connect_as(f, "dev");
    wire_out o;
    reply r;
    ask(p, &o, GET);
    wire_path(&o, EST "/crts");
    peer_send(p, o.bytes, o.len);
    receive(p, &r, ANSWER_MS);
    assert_int_equal(r.m.type, ACK);
    assert_int_equal(r.m.code, CODE(2, 5));
    peer_free(p);
}

static void reset(void **state)
{
    const fixture *f = *state;
    peer *p = connect_as(f, "dev");
    wire_out o;
    reply r;
    body csr, again;
    a_csr(&csr);
    unsigned before = issued(f);
    post_csr(p, &o, EST "/sen", &csr);
    ask_slowly(f, p, &o, &r);
    assert_int_equal(r.m.code, CODE(2, 4));
    send_empty(p, RST, r.m.mid);
    /* longer than the first retransmission could take (2 s to 3 s): nothing more of it */
    uint8_t in[DATAGRAM_MAX];
    assert_int_equal(peer_recv(p, in, sizeof in, 3500), 0);
    expect_alive(p);
    assert_int_equal(enroll(p, EST "/sen", &csr, -1, -1, &again), CODE(2, 4)); /* E6 */
    assert_int_equal(issued(f), before + 1);
    peer_free(p);
}

/* RFC 9148 Figure 3 */
static void separate_in_blocks(void **state)
{
    const fixture *f = *state;
    peer *p = connect_as(f, "dev");
    wire_out o;
    reply r;
    body csr, out = {.len = 0};
    a_csr(&csr);
    unsigned last = (unsigned)((csr.len - 1) / 64);
    for (unsigned num = 0; num < last; num++) {
        piece b = {
            .p = p, .at = csr.bytes + num * 64, .len = 64, .num = num, .szx = 2, .more = true};
        assert_int_equal(put_block(&b, &r), CODE(2, 31));
    }
    ask(p, &o, POST);
    wire_path(&o, EST "/sen");
    wire_uint(&o, OPT_FORMAT, 286);
    wire_block(&o, OPT_BLOCK1, last, false, 2);
    wire_payload(&o, csr.bytes + last * 64, csr.len - last * 64);
    ask_slowly(f, p, &o, &r);
    assert_int_equal(r.m.code, CODE(2, 4));
    wire_blk b1 = wire_block_of(&r.m, OPT_BLOCK1);
    wire_blk b2 = wire_block_of(&r.m, OPT_BLOCK2);
    assert_true(b1.present && b1.num == last && !b1.more && b1.szx == 2);
    assert_true(b2.present && b2.num == 0 && b2.more && b2.szx == 2);
    send_empty(p, ACK, r.m.mid);
    for (unsigned num = 1; b2.more; num++) { /* and the rest as usual */
        ask(p, &o, POST);
        wire_path(&o, EST "/sen");
        wire_uint(&o, OPT_FORMAT, 286);
        wire_block(&o, OPT_BLOCK2, num, false, 2);
        memcpy(out.bytes + out.len, r.m.payload, r.m.payload_len);
        out.len += r.m.payload_len;
        answer_to(p, &o, &r);
        assert_int_equal(r.m.type, ACK);
        assert_int_equal(r.m.code, CODE(2, 4));
        b2 = wire_block_of(&r.m, OPT_BLOCK2);
        assert_true(b2.present && b2.num == num);
    }
    peer_free(p);
}

/* ----------------------------------------------------------------------------------- by a person */

/* A whole number in an answer's option; -1: it is not there. */
static int64_t option_of(const reply *r, unsigned number)
{
    const wire_field *field = wire_find(&r->m, number);
    int64_t n = 0;
    if (field == NULL) {
        return -1;
    }
    for (size_t i = 0; i < field->len; i++) {
        n = n << 8 | field->value[i];
    }
    return n;
}

static uint8_t send_request(peer *p, const char *path, const body *csr, reply *r)
{
    wire_out o;
    post_csr(p, &o, path, csr);
    answer_to(p, &o, r);
    if (r->m.code >= CODE(4, 0)) {
        check_diagnostic(&r->m);
    }
    return (uint8_t)r->m.code;
}

static void expect_later(peer *p, const char *path, const body *csr)
{
    reply r;
    assert_int_equal(send_request(p, path, csr, &r), CODE(5, 3));
    assert_in_range(option_of(&r, OPT_MAX_AGE), 1, RETRY_S);
}

/* What `estocd pending --json` tells of the newest request: its ID and how many there are. */
static unsigned pending(const fixture *f, char id[24])
{
    output o;
    unsigned n = 0;
    run(&o, "estocd", "pending", "--dir", f->srv, "--json", NULL);
    assert_int_equal(o.code, 0);
    id[0] = '\0';
    for (const char *at = o.out; (at = strstr(at, "\"id\":\"")) != NULL; at++) {
        sscanf(at, "\"id\":\"%20[^\"]", id);
        n++;
    }
    return n;
}

static void decide(const fixture *f, const char *command, const char *id)
{
    output o;
    run(&o, "estocd", command, id, "--dir", f->srv, NULL);
    if (o.code != 0) {
        print_error("%s", o.err);
    }
    assert_int_equal(o.code, 0);
}

static void approved(void **state)
{
    const fixture *f = *state;
    peer *p = connect_as(f, "dev");
    reply r;
    body csr, first, again;
    char id[24];
    a_csr(&csr);
    unsigned before = issued(f);
    unsigned waiting = pending(f, id);
    assert_int_equal(send_request(p, MANUAL "/sen", &csr, &r), CODE(5, 3));
    assert_int_equal(r.m.type, ACK);
    assert_in_range(option_of(&r, OPT_MAX_AGE), 1, RETRY_S);
    assert_int_equal(pending(f, id), waiting + 1);
    for (int i = 0; i < 3; i++) {
        expect_later(p, MANUAL "/sen", &csr);
    }
    assert_int_equal(pending(f, id), waiting + 1); /* one, however often it is asked for */
    assert_int_equal(issued(f), before);
    decide(f, "approve", id);
    assert_int_equal(issued(f), before); /* not before the device comes */
    assert_int_equal(enroll(p, MANUAL "/sen", &csr, 287, -1, &first), CODE(2, 4));
    assert_int_equal(enroll(p, MANUAL "/sen", &csr, 287, -1, &again), CODE(2, 4));
    assert_int_equal(first.len, again.len);
    assert_memory_equal(first.bytes, again.bytes, first.len);
    assert_int_equal(issued(f), before + 1);
    assert_int_equal(pending(f, id), waiting);
    peer_free(p);
}

/* Max-Age is what is left of the time since it was asked. */
static void remaining(void **state)
{
    const fixture *f = *state;
    peer *p = connect_as(f, "dev");
    reply r;
    body csr;
    char id[24];
    a_csr(&csr);
    expect_later(p, MANUAL "/sen", &csr);
    sqlite3 *db = hold_store(f); /* it was asked half the time ago */
    assert_int_equal(
        sqlite3_exec(db, "UPDATE pending SET asked_at = asked_at - 20", NULL, NULL, NULL),
        SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    assert_int_equal(send_request(p, MANUAL "/sen", &csr, &r), CODE(5, 3));
    assert_in_range(option_of(&r, OPT_MAX_AGE), 1, RETRY_S / 2);
    pending(f, id);
    decide(f, "reject", id);
    peer_free(p);
}

static void rejected(void **state)
{
    const fixture *f = *state;
    peer *p = connect_as(f, "dev");
    reply r;
    body csr;
    char id[24];
    a_csr(&csr);
    unsigned before = issued(f);
    expect_later(p, MANUAL "/sen", &csr);
    pending(f, id);
    decide(f, "reject", id);
    assert_int_equal(send_request(p, MANUAL "/sen", &csr, &r), CODE(4, 3));
    assert_int_equal(send_request(p, MANUAL "/sen", &csr, &r), CODE(4, 3));
    decide(f, "approve", id); /* thought again */
    assert_int_equal(send_request(p, MANUAL "/sen", &csr, &r), CODE(2, 4));
    assert_int_equal(issued(f), before + 1);
    peer_free(p);
}

static void after_a_restart(void **state)
{
    fixture *f = *state;
    reply r;
    body one, two;
    char id[24];
    peer *p = connect_as(f, "dev");
    a_csr(&one);
    a_csr(&two);
    expect_later(p, MANUAL "/sen", &one);
    pending(f, id);
    peer_free(p);
    kill(f->pid, SIGKILL); /* it was kept before it was told */
    run_wait(f->pid, 10000);
    close(f->out);
    fixture_start(f);
    p = connect_as(f, "dev");
    expect_later(p, MANUAL "/sen", &one);
    peer_free(p);
    fixture_stop(f);
    decide(f, "approve", id); /* while no server runs */
    fixture_start(f);
    p = connect_as(f, "dev");
    assert_int_equal(send_request(p, MANUAL "/sen", &one, &r), CODE(2, 4));
    expect_later(p, MANUAL "/sen", &two);
    pending(f, id);
    decide(f, "reject", id);
    peer_free(p);
}

/* A request in blocks: Figure 4 of RFC 9148. */
static void in_blocks(void **state)
{
    const fixture *f = *state;
    peer *p = connect_as(f, "dev");
    reply r;
    body csr, out;
    char id[24];
    a_csr(&csr);
    transfer t = {.method = POST, .path = MANUAL "/sen", .format = 286, .accept = -1, .szx = 2};
    t.data = csr.bytes;
    t.len = csr.len;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(transact(p, &t, &out, &r), CODE(5, 3));
        assert_int_equal(r.m.type, ACK);
        wire_blk b = wire_block_of(&r.m, OPT_BLOCK1);
        assert_true(b.present && !b.more && b.num == (csr.len - 1) / 64 && b.szx == 2);
        assert_in_range(option_of(&r, OPT_MAX_AGE), 1, RETRY_S);
    }
    pending(f, id);
    decide(f, "approve", id);
    assert_int_equal(transact(p, &t, &out, &r), CODE(2, 4));
    peer_free(p);
}

/* The same bytes from another identity: an empty subject is filled in with its own. */
static void of_another(void **state)
{
    fixture *f = *state;
    body csr;
    reply r;
    char id[24];
    fixture_device(f, "CN=other", "other");
    peer *p = connect_as(f, "dev");
    peer *q = connect_as(f, "other");
    EVP_PKEY *key = key_new("P-256");
    csr_new(key, "", NULL, &csr);
    expect_later(p, MANUAL "/sen", &csr);
    pending(f, id);
    decide(f, "approve", id);
    unsigned waiting = pending(f, id);
    expect_later(q, MANUAL "/sen", &csr); /* nothing of the approval */
    assert_int_equal(pending(f, id), waiting + 1);
    decide(f, "reject", id);
    assert_int_equal(send_request(q, MANUAL "/sen", &csr, &r), CODE(4, 3));
    assert_int_equal(send_request(p, MANUAL "/sen", &csr, &r), CODE(2, 4));
    /* and with a subject it is none of the other's business */
    csr_new(key, "CN=dev", NULL, &csr);
    assert_int_equal(send_request(q, MANUAL "/sen", &csr, &r), CODE(4, 3));
    assert_int_equal(pending(f, id), waiting);
    EVP_PKEY_free(key);
    peer_free(p);
    peer_free(q);
}

static void renewal(void **state)
{
    const fixture *f = *state;
    output o;
    reply r;
    body csr;
    char id[24];
    run_as(&o, f, "dev", "enroll", f->uri, "--out", path_in(f, "own"), NULL);
    assert_int_equal(o.code, 0);
    peer *p = connect_as(f, "own");
    a_csr(&csr);
    unsigned before = issued(f);
    expect_later(p, MANUAL "/sren", &csr);
    assert_int_equal(issued(f), before);
    pending(f, id);
    decide(f, "approve", id);
    /* approved as a renewal, not as an enrollment */
    expect_later(p, MANUAL "/sen", &csr);
    assert_int_equal(send_request(p, MANUAL "/sren", &csr, &r), CODE(2, 4));
    assert_int_equal(issued(f), before + 1);
    pending(f, id);
    decide(f, "reject", id);
    peer_free(p);
}

/* What the rules refuse is no question for a person. */
static void not_even_asked(void **state)
{
    const fixture *f = *state;
    peer *p = connect_as(f, "dev");
    reply r;
    body csr;
    char id[24];
    unsigned waiting = pending(f, id);
    EVP_PKEY *key = key_new("P-256");
    csr_new(key, "CN=somebody-else", NULL, &csr);
    assert_int_equal(send_request(p, MANUAL "/sen", &csr, &r), CODE(4, 3));
    csr_new(key, "CN=dev", NULL, &csr);
    csr.bytes[csr.len - 1] ^= 1;
    assert_int_equal(send_request(p, MANUAL "/sen", &csr, &r), CODE(4, 0));
    assert_int_equal(pending(f, id), waiting);
    EVP_PKEY_free(key);
    peer_free(p);
}

static void a_key_from_the_server(void **state)
{
    const fixture *f = *state;
    peer *p = connect_as(f, "dev");
    reply r;
    body csr;
    char id[24];
    a_csr(&csr);
    unsigned before = issued(f);
    expect_later(p, MANUAL "/skg", &csr);
    expect_later(p, MANUAL "/skg", &csr);
    assert_int_equal(issued(f), before);
    pending(f, id);
    decide(f, "approve", id);
    assert_int_equal(send_request(p, MANUAL "/skg", &csr, &r), CODE(2, 4));
    assert_int_equal(issued(f), before + 1);
    peer_free(p);
}

static void too_many(void **state)
{
    fixture *f = *state;
    reply r;
    body csr;
    char id[24];
    fixture_conf(f, "ca", "pending-max", "3");
    fixture_conf(f, "ca", "pending-per-client", "2");
    fixture_conf(f, "profile manual", "approval", "manual");
    fixture_conf(f, "profile manual", "retry-after", "40s");
    fixture_start(f);
    fixture_device(f, "CN=other", "other");
    peer *p = connect_as(f, "dev");
    peer *q = connect_as(f, "other");
    for (int i = 0; i < 2; i++) {
        a_csr(&csr);
        expect_later(p, MANUAL "/sen", &csr);
    }
    body third;
    a_csr(&third);
    assert_int_equal(send_request(p, MANUAL "/sen", &third, &r), CODE(4, 29));
    assert_true(option_of(&r, OPT_MAX_AGE) > 0);
    assert_int_equal(pending(f, id), 2); /* not kept */
    for (int i = 0; i < 2; i++) {
        EVP_PKEY *key = key_new("P-256");
        csr_new(key, "CN=other", NULL, &csr);
        assert_int_equal(send_request(q, MANUAL "/sen", &csr, &r), CODE(5, 3));
        EVP_PKEY_free(key);
    }
    assert_int_equal(pending(f, id), 3);
    decide(f, "reject", id); /* makes room */
    assert_int_equal(send_request(p, MANUAL "/sen", &third, &r), CODE(4, 29));
    assert_int_equal(pending(f, id), 2); /* not for one that has two */
    decide(f, "reject", id);
    assert_int_equal(send_request(p, MANUAL "/sen", &third, &r), CODE(5, 3));
    assert_int_equal(pending(f, id), 2);
    peer_free(p);
    peer_free(q);
}

static void forgotten(void **state)
{
    fixture *f = *state;
    reply r;
    body csr;
    char id[24], old[24];
    fixture_conf(f, "ca", "pending-keep", "1h");
    fixture_conf(f, "profile manual", "approval", "manual");
    fixture_start(f);
    peer *p = connect_as(f, "dev");
    a_csr(&csr);
    assert_int_equal(send_request(p, MANUAL "/sen", &csr, &r), CODE(5, 3));
    pending(f, old);
    decide(f, "reject", old);
    assert_int_equal(send_request(p, MANUAL "/sen", &csr, &r), CODE(4, 3));
    sqlite3 *db = hold_store(f);
    assert_int_equal(
        sqlite3_exec(db, "UPDATE pending SET changed_at = changed_at - 3700", NULL, NULL, NULL),
        SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    assert_int_equal(send_request(p, MANUAL "/sen", &csr, &r), CODE(5, 3)); /* anew */
    assert_int_equal(pending(f, id), 1);
    assert_string_not_equal(id, old);
    peer_free(p);
}

/* -------------------------------------------------------------------------------- the programs */

/* In the background: COMMAND URI with the device's credential, or with what --out has. */
static pid_t start_waiting(const fixture *f, const char *command)
{
    if (strcmp(command, "renew") == 0) {
        return run_start("estoc", command, f->uri, "--out", path_in(f, "w"), "--wait", "60",
                         "--trace", path_in(f, "w.trace"), NULL);
    }
    return run_start("estoc", command, f->uri, "--cert", path_in(f, "dev.crt"), "--key",
                     path_in(f, "dev.key"), "--ta", path_in(f, "dev.ta"), "--out", path_in(f, "w"),
                     "--wait", "60", NULL);
}

static void approve_next(const fixture *f)
{
    char id[24] = "";
    long long end = now_ms() + 30000;
    while (pending(f, id) == 0) {
        assert_true(now_ms() < end);
        usleep(20000);
    }
    decide(f, "approve", id);
}

static void client_waits(void **state)
{
    fixture *f = *state;
    output o;
    fixture_conf(f, "profile", "approval", "manual");
    fixture_conf(f, "profile", "retry-after", "2s");
    fixture_conf(f, "server", "idle", "1s"); /* the association ends before the wait does */
    fixture_start(f);
    run_as(&o, f, "dev", "enroll", f->uri, "--out", path_in(f, "w"), NULL);
    assert_int_equal(o.code, 75); /* without --wait */
    assert_int_not_equal(access(path_in(f, "w.crt"), F_OK), 0);
    pid_t pid = start_waiting(f, "enroll"); /* goes on with the same request */
    approve_next(f);
    assert_int_equal(run_wait(pid, 60000), 0);
    assert_int_equal(issued(f), 1);
    X509 *first = cert_read(path_in(f, "w.crt"));
    assert_true(chains_to(first, path_in(f, "w.ta")));
    fixture_stop(f); /* and a wait for which the device leaves by itself */
    fixture_conf(f, "profile", "retry-after", "10s");
    fixture_conf(f, "server", "idle", "60s");
    fixture_start(f);
    pid = start_waiting(f, "renew");
    approve_next(f);
    assert_int_equal(run_wait(pid, 60000), 0);
    assert_int_equal(issued(f), 2);
    static char trace[65536];
    read_file(path_in(f, "w.trace"), trace, sizeof trace);
    const char *done = strstr(trace, "handshake done");
    assert_non_null(done);
    assert_non_null(strstr(done + 1, "handshake done"));
    X509 *second = cert_read(path_in(f, "w.crt"));
    assert_int_not_equal(X509_cmp(first, second), 0);
    run(&o, "estocd", "pending", "--dir", f->srv, "--all", NULL);
    assert_int_equal(o.code, 0);
    assert_non_null(strstr(o.out, "issued"));
    X509_free(first);
    X509_free(second);
}

static void client_is_patient(void **state)
{
    const fixture *f = *state;
    sqlite3 *db = hold_store(f);
    pid_t pid = run_start("estoc", "enroll", f->uri, "--cert", path_in(f, "dev.crt"), "--key",
                          path_in(f, "dev.key"), "--ta", path_in(f, "dev.ta"), "--out",
                          path_in(f, "patient"), NULL);
    usleep(1200000); /* most likely it has its empty ACK by then */
    let_go(db);
    assert_int_equal(run_wait(pid, 30000), 0);
    X509 *cert = cert_read(path_in(f, "patient.crt"));
    assert_true(chains_to(cert, path_in(f, "patient.ta")));
    X509_free(cert);
}

static void fails(const fixture *f, const char *command, const char *id, const char *word)
{
    output o;
    run(&o, "estocd", command, id, "--dir", f->srv, NULL);
    assert_int_equal(o.code, 1);
    assert_string_equal(o.out, "");
    if (strstr(o.err, word) == NULL) {
        print_error("%s", o.err);
    }
    assert_non_null(strstr(o.err, word));
    assert_ptr_equal(strchr(o.err, '\n'), o.err + strlen(o.err) - 1); /* one line */
}

static void the_commands(void **state)
{
    const fixture *f = *state;
    peer *p = connect_as(f, "dev");
    output o;
    reply r;
    body csr;
    char id[24];
    a_csr(&csr);
    expect_later(p, MANUAL "/sen", &csr);
    pending(f, id);
    run(&o, "estocd", "pending", "--dir", f->srv, NULL);
    assert_int_equal(o.code, 0);
    assert_non_null(strstr(o.out, id));
    assert_non_null(strstr(o.out, "manual"));
    assert_non_null(strstr(o.out, "CN=dev"));
    run(&o, "estocd", "show", id, "--dir", f->srv, NULL);
    assert_int_equal(o.code, 0);
    assert_non_null(strstr(o.out, "state     pending\n"));
    assert_non_null(strstr(o.out, "BEGIN CERTIFICATE REQUEST"));
    run(&o, "estocd", "show", id, "--dir", f->srv, "--json", NULL);
    assert_int_equal(o.code, 0);
    assert_non_null(strstr(o.out, "\"key_sha256\""));
    run(&o, "estocd", "approve", id + 1, "--dir", f->srv, "--json",
        NULL); /* the r may be left out */
    assert_int_equal(o.code, 0);
    assert_non_null(strstr(o.out, "\"approved\""));
    assert_int_equal(send_request(p, MANUAL "/sen", &csr, &r), CODE(2, 4));
    fails(f, "approve", id, "issued already");
    fails(f, "reject", id, "issued already");
    run(&o, "estocd", "show", id, "--dir", f->srv, NULL);
    assert_non_null(strstr(o.out, "state     issued\n"));
    assert_non_null(strstr(o.out, "serial    "));
    fails(f, "approve", "r999999", "no such request");
    fails(f, "reject", "999999", "no such request");
    fails(f, "show", "r999999", "no such request");
    fails(f, "approve", "r", "not the number of a request");
    fails(f, "approve", "r0", "not the number of a request");
    fails(f, "approve", "12x", "not the number of a request");
    fails(f, "approve", "99999999999999999999", "not the number of a request");
    sqlite3 *db = hold_store(f);
    fails(f, "reject", id, "the store: database is locked; try again");
    let_go(db);
    peer_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        NAMED("L1 HC 82 a slow answer: an empty ACK, then a CON until it is acknowledged",
              separate),
        NAMED("L1 HC 87 an ACK over another association is none", acknowledged_elsewhere),
        NAMED("L1 X1 a slow answer to a NON request", to_a_non),
        NAMED("L1 a timely answer rides on the ACK", piggybacked),
        NAMED("L1 HC 84 RST to the separate answer ends it, and nothing is issued twice", reset),
        NAMED("L1 HC 319 a separate answer after a request in blocks", separate_in_blocks),
        NAMED("L2 HC 177 179 5.03 until it is approved, then one certificate", approved),
        NAMED("L2 HC 182 asked again too early: 5.03 with what is left", remaining),
        NAMED("L2 rejected: 4.03", rejected),
        NAMED("L2 restarts in between, decided while no server runs", after_a_restart),
        NAMED("L2 HC 319 5.03 after a request in blocks", in_blocks),
        NAMED("L2 HC 181 the same bytes from another identity", of_another),
        NAMED("L2 HC 306 a renewal waits, too", renewal),
        NAMED("L2 what the rules refuse does not wait", not_even_asked),
        NAMED("L2 E5 a key made by the server waits, too", a_key_from_the_server),
        NAMED_ALONE("L2 C4 X11 few requests of one identity, and a limit to all", too_many),
        NAMED_ALONE("L2 requests are forgotten in the end", forgotten),
        NAMED("L1 K2 enroll, and a slow answer", client_is_patient),
        NAMED_ALONE("L2 K3 HC 306 enroll and renew --wait wait for the person", client_waits),
        NAMED("cli pending, approve, reject, show: what they say", the_commands),
    };
    return cmocka_run_group_tests_name("later", tests, start, group_stop);
}
