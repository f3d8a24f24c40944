/* SPDX-License-Identifier: MIT */
#include "folder.h"

static const uint8_t client[] = {0x30, 0x01, 0x00};
static const uint8_t request[] = {0x30, 0x02, 0x05, 0x00};

/* The n-th request of the i-th identity. */
static estoc_pending pending(uint8_t i, uint8_t n)
{
    return (estoc_pending){.identity = {i},
                           .csr = {n},
                           .profile = "plant",
                           .op = "sen",
                           .subject = "CN=pump",
                           .asked_at = 1000 + n,
                           .client = estoc_slice_of(client, sizeof client),
                           .request = estoc_slice_of(request, sizeof request)};
}

static int64_t pend(estoc_store *s, uint8_t i, uint8_t n)
{
    estoc_pending p = pending(i, n);
    int64_t id = 0;
    assert_int_equal(estoc_store_pend(s, &p, &id), ESTOC_OK);
    assert_true(id > 0);
    return id;
}

static estoc_err find(estoc_store *s, uint8_t i, uint8_t n, estoc_pending *out)
{
    *out = pending(i, n);
    out->asked_at = 0;
    return estoc_store_pending_find(s, out);
}

static bool copy(void *ctx, const estoc_pending *p)
{
    estoc_pending *out = ctx;
    *out = *p;
    assert_string_equal(p->profile, "plant");
    assert_string_equal(p->op, "sen");
    assert_string_equal(p->subject, "CN=pump");
    assert_int_equal(p->client.len, sizeof client);
    assert_memory_equal(p->client.ptr, client, sizeof client);
    assert_int_equal(p->request.len, sizeof request);
    assert_memory_equal(p->request.ptr, request, sizeof request);
    return true;
}

static void kept(void **state)
{
    (void)state;
    estoc_store *s = open_store();
    int64_t id = pend(s, 1, 7);
    estoc_store_close(s); /* L2: a restart in between */
    s = open_store();
    estoc_pending p;
    assert_int_equal(find(s, 1, 7, &p), ESTOC_OK);
    assert_int_equal(p.id, id);
    assert_int_equal(p.asked_at, 1007);
    assert_int_equal(p.decision, ESTOC_UNDECIDED);
    assert_int_equal(p.decided_at, 0);
    assert_int_equal(p.serial_len, 0);
    memset(&p, 0xa5, sizeof p);
    assert_int_equal(estoc_store_pending_each(s, id, copy, &p), ESTOC_OK);
    const estoc_pending want = pending(1, 7);
    assert_int_equal(p.id, id);
    assert_memory_equal(p.identity, want.identity, 32);
    assert_memory_equal(p.csr, want.csr, 32);
    assert_int_equal(p.asked_at, 1007);
    estoc_store_close(s);
}

/* Each of the four parts of its name, and no other's state. */
static void its_name(void **state)
{
    (void)state;
    estoc_store *s = open_store();
    int64_t id;
    pend(s, 1, 7);
    estoc_pending again = pending(1, 7);
    assert_int_equal(estoc_store_pend(s, &again, &id), ESTOC_E_STATE);
    assert_int_equal(id, 0);
    estoc_pending p;
    assert_int_equal(find(s, 2, 7, &p), ESTOC_E_NOT_FOUND);
    assert_int_equal(find(s, 1, 8, &p), ESTOC_E_NOT_FOUND);
    p = pending(1, 7);
    p.op = "sren";
    assert_int_equal(estoc_store_pending_find(s, &p), ESTOC_E_NOT_FOUND);
    p = pending(1, 7);
    p.profile = "";
    assert_int_equal(estoc_store_pending_find(s, &p), ESTOC_E_NOT_FOUND);
    estoc_store_close(s);
}

static void decided(void **state)
{
    (void)state;
    estoc_store *s = open_store();
    int64_t id = pend(s, 1, 7);
    estoc_pending p;
    assert_int_equal(estoc_store_decide(s, id + 1, ESTOC_APPROVED, 2000), ESTOC_E_NOT_FOUND);
    assert_int_equal(estoc_store_decide(s, 0, ESTOC_APPROVED, 2000), ESTOC_E_NOT_FOUND);
    assert_int_equal(estoc_store_decide(s, id, ESTOC_REJECTED, 2000), ESTOC_OK);
    assert_int_equal(find(s, 1, 7, &p), ESTOC_OK);
    assert_int_equal(p.decision, ESTOC_REJECTED);
    assert_int_equal(p.decided_at, 2000);
    assert_int_equal(p.asked_at, 1007);
    /* a person may think again, until there is a certificate */
    assert_int_equal(estoc_store_decide(s, id, ESTOC_APPROVED, 2001), ESTOC_OK);
    assert_int_equal(estoc_store_pending_issued(s, id, estoc_slice_of("\x4a\x07", 2)), ESTOC_OK);
    assert_int_equal(estoc_store_decide(s, id, ESTOC_REJECTED, 2002), ESTOC_E_STATE);
    assert_int_equal(find(s, 1, 7, &p), ESTOC_OK);
    assert_int_equal(p.decision, ESTOC_APPROVED);
    assert_int_equal(p.decided_at, 2001);
    assert_int_equal(p.serial_len, 2);
    assert_memory_equal(p.serial, "\x4a\x07", 2);
    estoc_store_close(s);
}

static uint64_t count(estoc_store *s, const uint8_t *identity)
{
    uint64_t n = 99;
    assert_int_equal(estoc_store_pending_count(s, identity, &n), ESTOC_OK);
    return n;
}

static void counted(void **state)
{
    (void)state;
    estoc_store *s = open_store();
    const estoc_pending one = pending(1, 0);
    const estoc_pending three = pending(3, 0);
    pend(s, 1, 1);
    int64_t id = pend(s, 1, 2);
    pend(s, 2, 1);
    assert_int_equal(count(s, NULL), 3);
    assert_int_equal(count(s, one.identity), 2);
    assert_int_equal(count(s, three.identity), 0);
    assert_int_equal(estoc_store_decide(s, id, ESTOC_APPROVED, 2000), ESTOC_OK);
    assert_int_equal(count(s, NULL), 2);
    assert_int_equal(count(s, one.identity), 1);
    estoc_store_close(s);
}

static bool note(void *ctx, const estoc_pending *p)
{
    char *ids = ctx;
    sprintf(ids + strlen(ids), "%d/%d ", p->identity[0], p->csr[0]);
    return strlen(ids) < 8;
}

static void listed(void **state)
{
    (void)state;
    estoc_store *s = open_store();
    char ids[64] = "";
    assert_int_equal(estoc_store_pending_each(s, 0, note, ids), ESTOC_OK);
    assert_string_equal(ids, "");
    pend(s, 3, 1);
    int64_t id = pend(s, 1, 2);
    pend(s, 2, 1);
    assert_int_equal(estoc_store_pending_each(s, 0, note, ids), ESTOC_OK);
    assert_string_equal(ids, "3/1 1/2 "); /* oldest first, until told to stop */
    ids[0] = '\0';
    assert_int_equal(estoc_store_pending_each(s, id, note, ids), ESTOC_OK);
    assert_string_equal(ids, "1/2 ");
    estoc_store_close(s);
}

static void dropped(void **state)
{
    (void)state;
    estoc_store *s = open_store();
    estoc_pending p;
    int64_t first = pend(s, 1, 1);
    int64_t late = pend(s, 1, 2);
    int64_t last = pend(s, 1, 3);
    assert_int_equal(estoc_store_decide(s, late, ESTOC_REJECTED, 2000), ESTOC_OK);
    assert_int_equal(estoc_store_pending_expire(s, 1001), ESTOC_OK);
    assert_int_equal(find(s, 1, 1, &p), ESTOC_OK);
    assert_int_equal(estoc_store_pending_expire(s, 2000), ESTOC_OK);
    assert_int_equal(find(s, 1, 1, &p), ESTOC_E_NOT_FOUND);
    assert_int_equal(find(s, 1, 3, &p), ESTOC_E_NOT_FOUND);
    assert_int_equal(find(s, 1, 2, &p), ESTOC_OK); /* by when it was decided */
    assert_int_equal(estoc_store_pending_drop(s, late), ESTOC_OK);
    assert_int_equal(find(s, 1, 2, &p), ESTOC_E_NOT_FOUND);
    /* a number a person has seen does not come again */
    int64_t fresh = pend(s, 1, 1);
    assert_true(fresh > last && last > first);
    estoc_store_close(s);
}

static void with_the_rest(void **state)
{
    (void)state;
    estoc_store *s = open_store();
    estoc_pending p;
    assert_int_equal(estoc_store_begin(s), ESTOC_OK);
    pend(s, 1, 1);
    estoc_store_rollback(s);
    assert_int_equal(find(s, 1, 1, &p), ESTOC_E_NOT_FOUND);
    estoc_store_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER("L2 a request is kept, beyond a restart", kept),
        IN_FOLDER("181 identity, profile, request and operation name it", its_name),
        IN_FOLDER("L2 decided, and anew, until a certificate is issued", decided),
        IN_FOLDER("the undecided are counted, of one or of all", counted),
        IN_FOLDER("listing: oldest first, one, until told to stop", listed),
        IN_FOLDER("old ones are dropped, numbers are not used again", dropped),
        IN_FOLDER("it is part of the transaction", with_the_rest),
    };
    return cmocka_run_group_tests_name("store/pending", tests, NULL, NULL);
}
