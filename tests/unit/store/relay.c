/* SPDX-License-Identifier: MIT */
#include "relay.h"
#include "folder.h"

static const uint8_t der[] = {0x30, 0x03, 0x02, 0x01, 0x07};

/* The n-th request of a device, at this time. */
static estoc_relay relay(uint8_t n, estoc_relay_state state, const char *node, int64_t at)
{
    return (estoc_relay){.identity = {1},
                         .csr = {n},
                         .profile = "plant",
                         .op = "sen",
                         .state = state,
                         .subject = "CN=Pump",
                         .upstream = "https://One/",
                         .node = node,
                         .asked_at = at,
                         .changed_at = at};
}

static estoc_relay issued(uint8_t n, uint8_t serial, const char *node, int64_t at)
{
    estoc_relay r = relay(n, ESTOC_RELAY_ISSUED, node, at);
    r.serial[0] = 0x4a;
    r.serial[1] = serial;
    r.serial_len = 2;
    r.not_before = at - 10;
    r.not_after = at + 1000;
    r.cert = estoc_slice_of(der, sizeof der);
    return r;
}

static bool claim(estoc_store *s, estoc_relay r, int64_t stale, int64_t since)
{
    estoc_relay_claim one = {.relay = &r};
    assert_int_equal(estoc_relay_claim_all(s, &one, 1, stale, since), ESTOC_OK);
    return one.taken;
}

/* By another node's hand, what is SENT is stale before 500. */
static bool claim_sent(estoc_store *s, uint8_t n, const char *node, int64_t at)
{
    return claim(s, relay(n, ESTOC_RELAY_SENT, node, at), 500, 500);
}

static void put(estoc_store *s, estoc_relay r)
{
    assert_int_equal(estoc_relay_put(s, &r, 1), ESTOC_OK);
}

static void drop(estoc_store *s, estoc_relay r)
{
    assert_int_equal(estoc_relay_drop(s, &r, 1), ESTOC_OK);
}

static estoc_relay_question ask(estoc_store *s, uint8_t n)
{
    const uint8_t identity[32] = {1};
    const uint8_t csr[32] = {n};
    estoc_relay_question q = {.identity = identity, .csr = csr, .profile = "plant", .op = "sen"};
    assert_int_equal(estoc_relay_ask(s, &q, 1), ESTOC_OK);
    q.identity = q.csr = NULL;
    estoc_relay_question_free(&q);
    return q;
}

static bool known(estoc_store *s, uint8_t n)
{
    return ask(s, n).found;
}

static void answered(void **state)
{
    (void)state;
    estoc_store *s = open_store();
    const uint8_t identity[32] = {1};
    const uint8_t csr[2][32] = {{1}, {2}};
    estoc_relay_question q[2] = {
        {.identity = identity, .csr = csr[0], .profile = "plant", .op = "sen"},
        {.identity = identity, .csr = csr[1], .profile = "plant", .op = "sen"}};
    assert_true(claim_sent(s, 1, "n1", 1000));
    assert_true(claim_sent(s, 2, "n2", 1001));
    estoc_relay_question got = ask(s, 1);
    assert_int_equal(got.state, ESTOC_RELAY_SENT);
    assert_string_equal(got.node, "n1");
    put(s, issued(1, 7, "n1", 1005));
    estoc_relay later = relay(2, ESTOC_RELAY_WAITING, "n2", 1006);
    later.retry_at = 1066;
    later.upstream = "https://two";
    put(s, later);
    estoc_store_close(s); /* L2: a restart in between */
    s = open_store();
    assert_int_equal(estoc_relay_ask(s, q, 2), ESTOC_OK);
    assert_true(q[0].found);
    assert_int_equal(q[0].state, ESTOC_RELAY_ISSUED);
    assert_string_equal(q[0].upstream, "https://One/");
    assert_string_equal(q[0].node, "n1");
    assert_int_equal(q[0].asked_at, 1000);
    assert_int_equal(q[0].changed_at, 1005);
    assert_int_equal(q[0].not_after, 2005);
    assert_int_equal(q[0].cert.len, sizeof der);
    assert_memory_equal(q[0].cert.ptr, der, sizeof der);
    assert_true(q[1].found);
    assert_int_equal(q[1].state, ESTOC_RELAY_WAITING);
    assert_string_equal(q[1].upstream, "https://two");
    assert_int_equal(q[1].retry_at, 1066);
    assert_int_equal(q[1].cert.len, 0);
    estoc_relay_question_free(&q[0]);
    estoc_relay_question_free(&q[1]);
    assert_int_equal(estoc_relay_ask(s, NULL, 0), ESTOC_OK);
    estoc_store_close(s);
}

/* Each of the four parts of its name. */
static void its_name(void **state)
{
    (void)state;
    estoc_store *s = open_store();
    const uint8_t name[2][32] = {{1}, {2}};
    estoc_relay_question q[] = {
        {.identity = name[1], .csr = name[0], .profile = "plant", .op = "sen", .found = true},
        {.identity = name[0], .csr = name[1], .profile = "plant", .op = "sen", .found = true},
        {.identity = name[0], .csr = name[0], .profile = "", .op = "sen", .found = true},
        {.identity = name[0], .csr = name[0], .profile = "plant", .op = "sren", .found = true},
        {.identity = name[0], .csr = name[0], .profile = "plant", .op = "sen"},
    };
    assert_true(claim_sent(s, 1, "n1", 1000));
    assert_int_equal(estoc_relay_ask(s, q, 5), ESTOC_OK);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(q[i].found, i == 4);
        estoc_relay_question_free(&q[i]);
    }
    estoc_relay other = relay(1, ESTOC_RELAY_SENT, "n1", 1000);
    other.op = "sren";
    assert_true(claim(s, other, 500, 500));
    drop(s, relay(1, ESTOC_RELAY_SENT, "n1", 1000));
    assert_false(known(s, 1));
    assert_false(claim(s, other, 500, 500)); /* that one is still there */
    estoc_store_close(s);
}

/* What stands there decides who may send. */
static void claimed(void **state)
{
    (void)state;
    estoc_store *s = open_store();
    estoc_store *other = open_store();
    assert_true(claim_sent(s, 1, "n1", 1000));
    assert_false(claim(other, relay(1, ESTOC_RELAY_SENT, "n2", 1010), 1000, 500));
    assert_true(claim(other, relay(1, ESTOC_RELAY_SENT, "n2", 1010), 1001, 500)); /* stale */
    estoc_relay_question q = ask(s, 1);
    assert_string_equal(q.node, "n2");
    assert_int_equal(q.asked_at, 1000);
    assert_int_equal(q.changed_at, 1010);
    put(other, relay(1, ESTOC_RELAY_WAITING, "n2", 1020));
    estoc_relay again = relay(1, ESTOC_RELAY_SENT, "n1", 1030);
    again.upstream = "";
    assert_true(claim(s, again, 500, 500));
    q = ask(s, 1);
    assert_int_equal(q.state, ESTOC_RELAY_SENT);
    assert_string_equal(q.upstream, "https://One/"); /* as it was */
    assert_false(claim_sent(other, 1, "n2", 1030));
    put(s, relay(1, ESTOC_RELAY_LOST, "n1", 1040));
    assert_true(claim_sent(other, 1, "n2", 1050));
    put(other, issued(1, 7, "n2", 1060));
    assert_false(claim(s, relay(1, ESTOC_RELAY_SENT, "n1", 1070), INT64_MAX, 1060));
    assert_int_equal(ask(s, 1).asked_at, 1000);
    /* E6: a new one, once it is issued too long ago */
    assert_true(claim(s, relay(1, ESTOC_RELAY_SENT, "n1", 1070), 500, 1061));
    q = ask(s, 1);
    assert_int_equal(q.state, ESTOC_RELAY_SENT);
    assert_int_equal(q.asked_at, 1070);
    assert_false(claim(other, relay(1, ESTOC_RELAY_SENT, "n2", 1070), 500, 1061));
    /* or is over */
    put(s, issued(1, 8, "n1", 1080)); /* until 2080 */
    assert_false(claim(s, relay(1, ESTOC_RELAY_SENT, "n1", 2079), 500, 0));
    assert_true(claim(s, relay(1, ESTOC_RELAY_SENT, "n1", 2080), 500, 0));
    estoc_store_close(other);
    estoc_store_close(s);
}

/* Of two at once one has each, and a late answer does not undo a better one. */
static void too_late(void **state)
{
    (void)state;
    estoc_store *s = open_store();
    assert_true(claim_sent(s, 1, "n1", 1000));
    assert_true(claim(s, relay(1, ESTOC_RELAY_SENT, "n2", 1100), 1001, 500));
    put(s, relay(1, ESTOC_RELAY_LOST, "n1", 1101));
    drop(s, relay(1, ESTOC_RELAY_SENT, "n1", 1101));
    estoc_relay_question q = ask(s, 1);
    assert_int_equal(q.state, ESTOC_RELAY_SENT);
    assert_string_equal(q.node, "n2");
    put(s, issued(1, 7, "n1", 1102)); /* what is issued counts, whoever has it */
    put(s, relay(1, ESTOC_RELAY_LOST, "n2", 1103));
    put(s, relay(1, ESTOC_RELAY_WAITING, "n1", 1103));
    drop(s, relay(1, ESTOC_RELAY_SENT, "n2", 1103));
    assert_int_equal(ask(s, 1).state, ESTOC_RELAY_ISSUED);
    put(s, relay(2, ESTOC_RELAY_WAITING, "n1", 1104)); /* not there: dropped meanwhile */
    assert_int_equal(ask(s, 2).state, ESTOC_RELAY_WAITING);
    drop(s, relay(2, ESTOC_RELAY_WAITING, "n2", 0));
    assert_false(known(s, 2));
    estoc_store_close(s);
}

static bool note(void *ctx, const estoc_relay *r)
{
    char *seen = ctx;
    sprintf(seen + strlen(seen), "%d/%d:%d ", r->csr[0], (int)r->state, r->serial[1]);
    assert_string_equal(r->profile, "plant");
    assert_string_equal(r->op, "sen");
    assert_string_equal(r->subject, "CN=Pump");
    assert_int_equal(r->identity[0], 1);
    assert_int_equal(r->cert.len, r->state == ESTOC_RELAY_ISSUED ? sizeof der : 0);
    assert_int_equal(r->not_after, r->state == ESTOC_RELAY_ISSUED ? r->changed_at + 1000 : 0);
    return seen[0] != '?' || strlen(seen) < 8;
}

static const char *list(estoc_store *s, const char *match)
{
    static char seen[128];
    seen[0] = '\0';
    assert_int_equal(estoc_relay_each(s, match, note, seen), ESTOC_OK);
    return seen;
}

static void listed(void **state)
{
    (void)state;
    estoc_store *s = open_store();
    assert_string_equal(list(s, NULL), "");
    put(s, issued(3, 7, "n1", 1000));
    put(s, relay(1, ESTOC_RELAY_WAITING, "n1", 1001));
    put(s, issued(2, 0xbc, "n1", 1002));
    assert_string_equal(list(s, NULL), "3/2:7 1/1:0 2/2:188 "); /* oldest first */
    assert_string_equal(list(s, "4ABC"), "2/2:188 ");
    assert_string_equal(list(s, "pump"), "3/2:7 1/1:0 2/2:188 ");
    assert_string_equal(list(s, "//ONE"), "3/2:7 1/1:0 2/2:188 ");
    assert_string_equal(list(s, "valve"), "");
    char first[64] = "?"; /* until told to stop */
    assert_int_equal(estoc_relay_each(s, NULL, note, first), ESTOC_OK);
    assert_string_equal(first, "?3/2:7 1/1:0 ");
    /* what was issued stays in the list: before a new request of this name, beside another's answer */
    assert_true(claim(s, relay(3, ESTOC_RELAY_SENT, "n1", 1100), 500, 1050));
    put(s, issued(3, 8, "n1", 1101));
    put(s, issued(3, 8, "n1", 1101)); /* once */
    put(s, issued(2, 9, "n2", 1102));
    assert_string_equal(list(s, NULL), "3/2:7 1/1:0 2/2:188 3/2:8 2/2:9 ");
    drop(s, issued(3, 8, "n1", 1101));
    assert_string_equal(list(s, "4a08"), "3/2:8 ");
    estoc_store_close(s);
}

/* A node that ends in the middle does not know what came of it. */
static void lost(void **state)
{
    (void)state;
    estoc_store *s = open_store();
    uint64_t n = 9;
    assert_true(claim_sent(s, 1, "n1", 1000));
    assert_true(claim_sent(s, 2, "n2", 1000));
    assert_true(claim_sent(s, 3, "n1", 1000));
    put(s, issued(3, 7, "n1", 1001));
    put(s, relay(4, ESTOC_RELAY_WAITING, "n1", 1001));
    assert_int_equal(estoc_relay_lose(s, "n1", 1100, &n), ESTOC_OK);
    assert_int_equal(n, 1);
    assert_string_equal(list(s, NULL), "1/3:0 2/0:0 3/2:7 4/1:0 ");
    assert_int_equal(ask(s, 1).changed_at, 1100);
    assert_int_equal(estoc_relay_lose(s, "n1", 1200, NULL), ESTOC_OK);
    assert_int_equal(ask(s, 1).changed_at, 1100);
    estoc_store_close(s);
}

static void expired(void **state)
{
    (void)state;
    const int64_t day = 86400;
    estoc_store *s = open_store();
    put(s, relay(1, ESTOC_RELAY_WAITING, "n1", 1000));
    put(s, relay(2, ESTOC_RELAY_LOST, "n1", 1000));
    put(s, issued(3, 7, "n1", 1000));
    put(s, relay(4, ESTOC_RELAY_SENT, "n1", 1000));
    put(s, relay(5, ESTOC_RELAY_WAITING, "n1", 1001));
    assert_int_equal(estoc_relay_expire(s, 1000), ESTOC_OK);
    assert_string_equal(list(s, NULL), "1/1:0 2/3:0 3/2:7 4/0:0 5/1:0 ");
    assert_int_equal(estoc_relay_expire(s, 1001), ESTOC_OK);
    assert_string_equal(list(s, NULL), "3/2:7 4/0:0 5/1:0 ");
    assert_int_equal(estoc_relay_expire(s, 1000 + day), ESTOC_OK);
    assert_string_equal(list(s, NULL), "3/2:7 4/0:0 ");
    assert_int_equal(estoc_relay_expire(s, 1001 + day), ESTOC_OK);
    assert_string_equal(list(s, NULL), "3/2:7 ");
    estoc_store_close(s);
}

static void note_tally(void *ctx, const estoc_relay_tally *t)
{
    char *seen = ctx;
    sprintf(seen + strlen(seen), "%s:%d=%d+%d %d %d %d ", t->profile, (int)t->issued, (int)t->valid,
            (int)t->expired, (int)t->recent, (int)t->waiting, (int)t->lost);
}

static void counted(void **state)
{
    (void)state;
    estoc_store *s = open_store();
    char seen[128] = "";
    assert_int_equal(estoc_relay_count(s, 2000, 1500, note_tally, seen), ESTOC_OK);
    assert_string_equal(seen, "");
    put(s, issued(1, 1, "n1", 999)); /* until 1999 */
    put(s, issued(2, 2, "n1", 1000));
    put(s, issued(3, 3, "n1", 1500));
    put(s, relay(4, ESTOC_RELAY_WAITING, "n1", 1600));
    put(s, relay(5, ESTOC_RELAY_SENT, "n1", 1600));
    estoc_relay other = relay(6, ESTOC_RELAY_LOST, "n1", 1600);
    other.profile = "";
    put(s, other);
    assert_int_equal(estoc_relay_count(s, 2000, 1500, note_tally, seen), ESTOC_OK);
    assert_string_equal(seen, ":0=0+0 0 0 1 plant:3=2+1 1 1 0 ");
    estoc_store_close(s);
}

static bool note_id(void *ctx, const estoc_relay *r)
{
    *(int64_t *)ctx = r->id;
    return true;
}

/* What a person saw under a number is never another one's. */
static void numbers(void **state)
{
    (void)state;
    estoc_store *s = open_store();
    int64_t first = 0, second = 0;
    put(s, relay(1, ESTOC_RELAY_WAITING, "n1", 1000));
    assert_int_equal(estoc_relay_each(s, NULL, note_id, &first), ESTOC_OK);
    assert_true(first > 0);
    drop(s, relay(1, ESTOC_RELAY_WAITING, "n1", 1000));
    put(s, relay(2, ESTOC_RELAY_WAITING, "n1", 1000));
    assert_int_equal(estoc_relay_each(s, NULL, note_id, &second), ESTOC_OK);
    assert_true(second > first);
    estoc_store_close(s);
}

static void with_the_rest(void **state)
{
    (void)state;
    estoc_store *s = open_store();
    put(s, relay(2, ESTOC_RELAY_WAITING, "n1", 1000));
    assert_int_equal(estoc_store_begin(s), ESTOC_OK);
    assert_true(claim_sent(s, 1, "n1", 1000));
    put(s, issued(1, 7, "n1", 1001));
    drop(s, relay(2, ESTOC_RELAY_WAITING, "n1", 1000));
    estoc_store_rollback(s);
    assert_string_equal(list(s, NULL), "2/1:0 ");
    estoc_store_close(s);
}

/* More than go into one round trip, every second one twice. */
static void many(void **state)
{
    (void)state;
    enum { N = 200 };
    static estoc_relay r[N];
    static estoc_relay_claim c[N];
    static estoc_relay_question q[N];
    estoc_store *s = open_store();
    for (uint8_t i = 0; i < (uint8_t)N; i++) {
        r[i] = relay((uint8_t)(i / 2), ESTOC_RELAY_SENT, "n1", 1000);
        c[i] = (estoc_relay_claim){.relay = &r[i], .taken = true};
        q[i] = (estoc_relay_question){
            .identity = r[i].identity, .csr = r[i].csr, .profile = "plant", .op = "sen"};
    }
    assert_int_equal(estoc_store_begin(s), ESTOC_OK);
    assert_int_equal(estoc_relay_claim_all(s, c, N, 500, 500), ESTOC_OK);
    assert_int_equal(estoc_store_commit(s), ESTOC_OK);
    for (uint8_t i = 0; i < (uint8_t)N; i++) {
        assert_int_equal(c[i].taken, i % 2 == 0);
        r[i] = issued((uint8_t)(i / 2), i / 2, "n1", 1001);
    }
    assert_int_equal(estoc_store_begin(s), ESTOC_OK);
    assert_int_equal(estoc_relay_put(s, r, N), ESTOC_OK);
    assert_int_equal(estoc_relay_ask(s, q, N), ESTOC_OK);
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(q[i].state, ESTOC_RELAY_ISSUED);
        assert_int_equal(q[i].cert.len, sizeof der);
        estoc_relay_question_free(&q[i]);
    }
    assert_int_equal(estoc_relay_drop(s, r, N), ESTOC_OK);
    assert_int_equal(estoc_store_commit(s), ESTOC_OK);
    assert_int_equal(estoc_relay_claim_all(s, NULL, 0, 0, 0), ESTOC_OK);
    assert_int_equal(estoc_relay_put(s, NULL, 0), ESTOC_OK);
    assert_int_equal(estoc_relay_drop(s, NULL, 0), ESTOC_OK);
    estoc_store_close(s);
}

#define ROUNDS 40

/* One of two, in a process of its own: over what is new, and over what was issued too long ago. */
static bool compete(const char *node, uint8_t won[ROUNDS])
{
    estoc_store *s = NULL;
    bool ok = estoc_store_open(url, &s, NULL) == ESTOC_OK;
    for (uint8_t i = 0; ok && i < ROUNDS; i++) {
        const estoc_relay r = relay(i, ESTOC_RELAY_SENT, node, 2000);
        estoc_relay_claim c = {.relay = &r};
        ok = !estoc_store_begin(s) && !estoc_relay_claim_all(s, &c, 1, 2000, 1500) &&
             !estoc_store_commit(s);
        won[i] = c.taken;
    }
    estoc_store_close(s);
    return ok;
}

static void two_at_once(void **state)
{
    (void)state;
    int back[2];
    pid_t children[2];
    uint8_t won[2][ROUNDS];
    estoc_store *s = open_store();
    for (uint8_t i = 0; i < ROUNDS; i += 2) {
        put(s, issued(i, i, "n1", 1000));
    }
    estoc_store_close(s);
    assert_int_equal(pipe(back), 0);
    for (uint8_t c = 0; c < 2; c++) {
        children[c] = fork();
        if (children[c] == 0) {
            bool ok = compete(c == 0 ? "n1" : "n2", won[c]) &&
                      write(back[1], won[c], ROUNDS) == (ssize_t)ROUNDS;
            _exit(ok ? 0 : 1);
        }
    }
    for (size_t c = 0; c < 2; c++) {
        int status = -1;
        assert_int_equal(waitpid(children[c], &status, 0), children[c]);
        assert_int_equal(status, 0);
        assert_int_equal(read(back[0], won[c], ROUNDS), ROUNDS);
    }
    for (size_t i = 0; i < ROUNDS; i++) {
        assert_int_equal(won[0][i] + won[1][i], 1);
    }
    close(back[0]);
    close(back[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER("L2 G3 a request passed on is kept, beyond a restart", answered),
        IN_FOLDER("181 identity, profile, request and operation name it", its_name),
        IN_FOLDER("E6 who may send it", claimed),
        IN_FOLDER("E6 two nodes with one request: one sends it", two_at_once),
        IN_FOLDER("E6 an answer that comes too late undoes nothing", too_late),
        IN_FOLDER("listing: oldest first, matched, until told to stop; what was issued stays",
                  listed),
        IN_FOLDER("G3 what was on its way when a node ended is lost", lost),
        IN_FOLDER("old ones are dropped, but for certificates", expired),
        IN_FOLDER("counted by profile", counted),
        IN_FOLDER("numbers are not used again", numbers),
        IN_FOLDER("it is part of the transaction", with_the_rest),
        IN_FOLDER("many at once, each with its answer", many),
    };
    return cmocka_run_group_tests_name("store/relay", tests, NULL, NULL);
}
