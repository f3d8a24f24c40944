/* SPDX-License-Identifier: MIT */
#include "folder.h"
#include "relay.h"

static void crls(void **state)
{
    (void)state;
    estoc_store *s = open_store();
    estoc_crl_record crl;
    estoc_blob der;
    int64_t n[3];
    assert_int_equal(estoc_store_crl_newest(s, &crl, &der), ESTOC_E_NOT_FOUND);
    assert_null(der.ptr);
    assert_int_equal(estoc_store_crl_number(s, 1000, &n[0]), ESTOC_OK);
    assert_int_equal(estoc_store_crl_number(s, 1000, &n[1]), ESTOC_OK);
    assert_int_equal(estoc_store_crl_number(s, 10, &n[2]), ESTOC_OK); /* the clock went back */
    assert_true(n[0] >= 1000 && n[1] > n[0] && n[2] > n[1]);
    for (uint8_t i = 0; i < 3; i++) {
        const estoc_crl_record put = {.number = n[i],
                                      .this_update = i,
                                      .next_update = 10 + i,
                                      .revision = 20 + i,
                                      .der = estoc_slice_of(&i, 1)};
        assert_int_equal(estoc_store_crl_put(s, &put), ESTOC_OK);
    }
    assert_int_equal(estoc_store_crl_newest(s, &crl, &der), ESTOC_OK);
    assert_int_equal(crl.number, n[2]);
    assert_int_equal(crl.this_update, 2);
    assert_int_equal(crl.next_update, 12);
    assert_int_equal(crl.revision, 22);
    assert_int_equal(der.len, 1);
    assert_int_equal(der.ptr[0], 2);
    assert_ptr_equal(crl.der.ptr, der.ptr);
    assert_int_equal(estoc_store_crl_newest(s, &crl, NULL), ESTOC_OK);
    assert_int_equal(crl.number, n[2]);
    assert_int_equal(crl.revision, 22);
    assert_int_equal(crl.der.len, 0);
    estoc_blob_free(&der);
    estoc_store_close(s);
}

struct seen {
    char text[64];
    int64_t last;
};

static bool see_line(void *ctx, const estoc_audit_line *l)
{
    struct seen *seen = ctx;
    strcat(seen->text, l->text);
    assert_int_equal(l->hash[0], l->seq);
    seen->last = l->seq;
    return strcmp(l->text, "stop") != 0;
}

static void audit(void **state)
{
    (void)state;
    estoc_store *s = open_store();
    uint8_t hash[32];
    int64_t seq = 9;
    estoc_audit_line lines[3] = {{1, {1}, "a"}, {2, {2}, "b"}, {3, {3}, "c"}};
    assert_int_equal(estoc_store_audit_head(s, "n1", &seq, hash), ESTOC_OK);
    assert_int_equal(seq, 0);
    assert_int_equal(estoc_store_begin(s), ESTOC_OK);
    assert_int_equal(estoc_store_audit_head(s, "n1", &seq, hash), ESTOC_OK);
    assert_int_equal(seq, 0);
    assert_int_equal(estoc_store_audit_add(s, "n1", lines, 2), ESTOC_OK);
    assert_int_equal(estoc_store_audit_add(s, "n1", lines + 2, 1), ESTOC_OK);
    assert_int_equal(estoc_store_audit_add(s, "n1", NULL, 0), ESTOC_OK);
    assert_int_equal(estoc_store_commit(s), ESTOC_OK);
    assert_int_equal(estoc_store_audit_head(s, "n1", &seq, hash), ESTOC_OK);
    assert_int_equal(seq, 3);
    assert_int_equal(hash[0], 3);
    assert_int_equal(estoc_store_audit_head(s, "n2", &seq, hash), ESTOC_OK);
    assert_int_equal(seq, 0); /* a chain for each node */
    struct seen seen = {.last = 0};
    assert_int_equal(estoc_store_audit_each(s, "n1", 1, see_line, &seen), ESTOC_OK);
    assert_string_equal(seen.text, "bc");
    assert_int_equal(estoc_store_audit_trim(s, "n1", 2), ESTOC_OK);
    assert_int_equal(estoc_store_audit_each(s, "n1", 0, see_line, &seen), ESTOC_OK);
    assert_string_equal(seen.text, "bcc");
    assert_int_equal(estoc_store_audit_each(s, "n2", 0, see_line, &seen), ESTOC_OK);
    assert_string_equal(seen.text, "bcc");
    estoc_store_close(s);
}

static void audit_many(void **state)
{
    (void)state;
    estoc_store *s = open_store();
    estoc_audit_line lines[150];
    struct seen seen = {.last = 0};
    for (uint8_t i = 0; i < 150; i++) {
        lines[i] = (estoc_audit_line){i + 1, {(uint8_t)(i + 1)}, ""};
    }
    assert_int_equal(estoc_store_audit_add(s, "n", lines, 150), ESTOC_OK);
    assert_int_equal(estoc_store_audit_each(s, "n", 0, see_line, &seen), ESTOC_OK);
    assert_int_equal(seen.last, 150);
    estoc_store_close(s);
}

static void secrets(void **state)
{
    (void)state;
    estoc_store *s = open_store();
    estoc_store *other = open_store();
    uint8_t a[32] = {1};
    uint8_t b[32] = {2};
    uint8_t c[32] = {3};
    assert_int_equal(estoc_store_secret(s, "cookie", a), ESTOC_OK);
    assert_int_equal(a[0], 1);
    assert_int_equal(estoc_store_secret(other, "cookie", b), ESTOC_OK);
    assert_int_equal(b[0], 1);
    assert_int_equal(estoc_store_secret(other, "another", c), ESTOC_OK);
    assert_int_equal(c[0], 3);
    estoc_store_close(other);
    estoc_store_close(s);
}

static bool see_session(void *ctx, const estoc_kept_session *k)
{
    struct seen *seen = ctx;
    char one[] = {(char)k->id[0], '\0'};
    strcat(seen->text, one);
    assert_int_equal(k->bytes.len, 2);
    assert_true(k->until >= 100);
    return one[0] != 'y';
}

static void sessions(void **state)
{
    (void)state;
    estoc_store *s = open_store();
    const uint8_t run[2][ESTOC_RUN_LEN] = {{1}, {2}};
    const estoc_slice bytes = estoc_slice_of("ab", 2);
    const estoc_kept_session ours[] = {{0, {'a'}, 100, bytes}, {0, {'b'}, 200, bytes}};
    const estoc_kept_session theirs[] = {
        {0, {'x'}, 100, bytes}, {0, {'y'}, 200, bytes}, {0, {'z'}, 200, bytes}};
    struct seen seen = {.last = 0};
    int64_t seq = 0;
    assert_int_equal(estoc_store_sessions_put(s, "n1", run[0], ours, 2), ESTOC_OK);
    assert_int_equal(estoc_store_sessions_put(s, "n2", run[1], theirs, 3), ESTOC_OK);
    assert_int_equal(estoc_store_sessions_put(s, "n2", run[1], NULL, 0), ESTOC_OK);
    assert_int_equal(estoc_store_sessions_each(s, run[0], &seq, 99, see_session, &seen), ESTOC_OK);
    assert_string_equal(seen.text, "xy"); /* stopped */
    assert_int_equal(estoc_store_sessions_each(s, run[0], &seq, 99, see_session, &seen), ESTOC_OK);
    assert_string_equal(seen.text, "xyz");
    assert_int_equal(estoc_store_sessions_each(s, run[0], &seq, 99, see_session, &seen), ESTOC_OK);
    assert_string_equal(seen.text, "xyz");
    seq = 0;
    assert_int_equal(estoc_store_sessions_each(s, run[1], &seq, 100, see_session, &seen), ESTOC_OK);
    assert_string_equal(seen.text, "xyzb"); /* what is not over */
    assert_int_equal(estoc_store_sessions_expire(s, 100, 0), ESTOC_OK);
    seq = 0;
    assert_int_equal(estoc_store_sessions_each(s, run[0], &seq, 0, see_session, &seen), ESTOC_OK);
    assert_int_equal(estoc_store_sessions_each(s, run[0], &seq, 0, see_session, &seen), ESTOC_OK);
    assert_string_equal(seen.text, "xyzbyz");
    assert_int_equal(seq, 5);
    assert_int_equal(estoc_store_sessions_expire(s, 100, 4), ESTOC_OK);
    seq = 0;
    assert_int_equal(estoc_store_sessions_each(s, run[0], &seq, 0, see_session, &seen), ESTOC_OK);
    assert_string_equal(seen.text, "xyzbyzz");
    assert_int_equal(estoc_store_sessions_last(s, &seq), ESTOC_OK);
    assert_int_equal(seq, 5);
    estoc_store_close(s);
}

static bool count_session(void *ctx, const estoc_kept_session *k)
{
    int64_t *next = ctx;
    int64_t number = 0;
    memcpy(&number, k->id, sizeof number);
    assert_int_equal(number, *next);
    (*next)++;
    return true;
}

/* In portions; one's own, and those that are gone, are passed over. */
static void many_sessions(void **state)
{
    (void)state;
    enum { N = 2500 };
    estoc_store *s = open_store();
    const uint8_t run[2][ESTOC_RUN_LEN] = {{1}, {2}};
    static estoc_kept_session list[N];
    int64_t seq = 0, before = -1, next = 0;
    for (int64_t i = 0; i < N; i++) {
        list[i] = (estoc_kept_session){.until = 200, .bytes = estoc_slice_of("ab", 2)};
        memcpy(list[i].id, &i, sizeof i);
    }
    assert_int_equal(estoc_store_sessions_put(s, "n1", run[0], list, N), ESTOC_OK);
    assert_int_equal(estoc_store_sessions_put(s, "n2", run[1], list, N), ESTOC_OK);
    for (int turns = 0; seq != before; turns++) {
        before = seq;
        assert_true(turns < 10);
        assert_int_equal(estoc_store_sessions_each(s, run[1], &seq, 0, count_session, &next),
                         ESTOC_OK);
    }
    assert_int_equal(next, N);
    assert_int_equal(seq, 2 * N);
    estoc_store_close(s);
}

static void claims_of_nodes(void **state)
{
    (void)state;
    estoc_store *s = open_store(), *other = open_store();
    /* a file is one server's alone, and that has another guard */
    estoc_err want = estoc_store_path(url) != NULL ? ESTOC_OK : ESTOC_E_BUSY;
    assert_int_equal(estoc_store_claim_node(s, "n1"), ESTOC_OK);
    assert_int_equal(estoc_store_claim_node(s, "n1"), ESTOC_OK);
    assert_int_equal(estoc_store_claim_node(other, "n1"), want);
    assert_int_equal(estoc_store_claim_node(other, "n2"), ESTOC_OK);
    uint64_t n = 9;
    assert_int_equal(estoc_store_void_lost(s, "n1", INT64_MAX, &n), ESTOC_OK);
    assert_int_equal(n, 0);
    estoc_store_close(s);
    for (int i = 0; i < 100 && (want = estoc_store_claim_node(other, "n1")) != ESTOC_OK; i++) {
        usleep(100000); /* the database may take its time */
    }
    assert_int_equal(want, ESTOC_OK);
    estoc_store_close(other);
}

/* ------------------------------------------------------------------------------------------ a copy */

static bool note_node(void *ctx, const estoc_health *h)
{
    strcat(ctx, h->node);
    return true;
}

static void fill_relay(estoc_store *s, const uint8_t der[2])
{
    const estoc_relay relay = {.identity = {1},
                               .csr = {1},
                               .profile = "p",
                               .op = "sen",
                               .state = ESTOC_RELAY_ISSUED,
                               .subject = "CN=c",
                               .upstream = "https://u",
                               .node = "n",
                               .asked_at = 3,
                               .changed_at = 4,
                               .serial = {0x4b, 1},
                               .serial_len = 2,
                               .not_after = 9,
                               .cert = estoc_slice_of(der, 2)};
    const estoc_document_kept doc = {.fetched_at = 5, .good_until = 6};
    const estoc_health health = {.node = "n", .upstream = "", .url = "https://u", .why = ""};
    assert_int_equal(estoc_relay_put(s, &relay, 1), 0);
    assert_int_equal(estoc_document_put(s, "crts", &doc, estoc_slice_of(der, 2)), 0);
    assert_int_equal(estoc_health_put(s, &health, 1), 0);
}

static void fill(estoc_store *s)
{
    static const uint8_t der[] = {0x30, 0x00};
    const uint8_t run[ESTOC_RUN_LEN] = {7};
    const uint8_t digest[32] = {5};
    const estoc_audit_line line = {1, {1}, "x"};
    const estoc_crl_record crl = {5, 1, 2, 3, estoc_slice_of(der, 2)};
    estoc_record rec = {.serial = {0x4a, 1},
                        .serial_len = 2,
                        .state = ESTOC_RECORD_ISSUED,
                        .profile = "p",
                        .subject = "CN=a",
                        .identity = {1},
                        .csr = {2},
                        .key = {3},
                        .issued_at = 1,
                        .not_after = 9,
                        .cert = estoc_slice_of(der, 2)};
    estoc_record open = rec;
    estoc_intent in = {.rec = &open, .only = true};
    open.serial[1] = 2;
    open.csr[0] = 9;
    int64_t n;
    uint8_t hash[32], key[32] = {0};
    const estoc_pending p = {.identity = {1},
                             .csr = {2},
                             .profile = "p",
                             .op = "sen",
                             .subject = "CN=b",
                             .asked_at = 3,
                             .client = estoc_slice_of(der, 2),
                             .request = estoc_slice_of(der, 1)};
    assert_int_equal(estoc_store_put(s, &rec), 0);
    assert_int_equal(estoc_store_intend(s, "n", run, &in, 1), 0);
    assert_int_equal(estoc_store_revoke(s, estoc_slice_of(rec.serial, 2), ESTOC_CRL_SUPERSEDED, 8),
                     0);
    assert_int_equal(estoc_store_pend(s, &p, &n), 0);
    assert_int_equal(estoc_store_policy_publish(s, digest, "t", 1, &n), 0);
    assert_int_equal(estoc_store_crl_number(s, 5, &n), 0);
    assert_int_equal(estoc_store_crl_put(s, &crl), 0);
    assert_int_equal(estoc_store_begin(s), 0);
    assert_int_equal(estoc_store_audit_head(s, "n", &n, hash), 0);
    assert_int_equal(estoc_store_audit_add(s, "n", &line, 1), 0);
    assert_int_equal(estoc_store_commit(s), 0);
    assert_int_equal(estoc_store_secret(s, "cookie", key), 0);
    fill_relay(s, der);
}

static void check_relay(estoc_store *s)
{
    uint8_t name[32] = {1};
    estoc_relay_question q = {.identity = name, .csr = name, .profile = "p", .op = "sen"};
    estoc_document_kept doc;
    estoc_blob bytes;
    char text[64] = "";
    assert_int_equal(estoc_relay_ask(s, &q, 1), 0);
    assert_true(q.found);
    assert_int_equal(q.state, ESTOC_RELAY_ISSUED);
    assert_string_equal(q.upstream, "https://u");
    assert_int_equal(q.asked_at, 3);
    assert_int_equal(q.not_after, 9);
    assert_int_equal(q.cert.len, 2);
    estoc_relay_question_free(&q);
    assert_int_equal(estoc_document_get(s, "crts", &doc, &bytes), 0);
    assert_int_equal(doc.fetched_at, 5);
    assert_int_equal(bytes.len, 2);
    estoc_blob_free(&bytes);
    assert_int_equal(estoc_health_each(s, note_node, text), 0);
    assert_string_equal(text, ""); /* how they do is of that moment, and of that place */
}

static void check_copy(estoc_store *s)
{
    estoc_record rec;
    estoc_blob cert;
    estoc_crl_record crl;
    int64_t n = 0;
    uint64_t count = 0;
    uint8_t hash[32];
    uint8_t key[32] = {4};
    assert_int_equal(estoc_store_by_serial(s, estoc_slice_of("\x4a\x01", 2), &rec, &cert), 0);
    assert_int_equal(rec.revoked_at, 8);
    assert_int_equal(rec.reason, ESTOC_CRL_SUPERSEDED);
    assert_string_equal(rec.profile, "p");
    assert_string_equal(rec.subject, "CN=a");
    assert_int_equal(cert.len, 2);
    estoc_blob_free(&cert);
    assert_int_equal(estoc_store_by_serial(s, estoc_slice_of("\x4a\x02", 2), &rec, &cert), 0);
    assert_int_equal(rec.state, ESTOC_RECORD_INTENT);
    estoc_blob_free(&cert);
    assert_int_equal(estoc_store_revision(s, &n), 0);
    assert_int_equal(n, 1);
    assert_int_equal(estoc_store_pending_count(s, NULL, &count), 0);
    assert_int_equal(count, 1);
    assert_int_equal(estoc_store_policy_published(s, &n, &cert), 0);
    assert_memory_equal(cert.ptr, "t", 1);
    estoc_blob_free(&cert);
    assert_int_equal(estoc_store_crl_newest(s, &crl, &cert), 0);
    assert_int_equal(crl.number, 5);
    estoc_blob_free(&cert);
    assert_int_equal(estoc_store_audit_head(s, "n", &n, hash), 0);
    assert_int_equal(n, 1);
    assert_int_equal(estoc_store_secret(s, "cookie", key), 0);
    assert_int_equal(key[0], 4); /* secrets are not copied */
    check_relay(s);
}

/* Of whatever kind the other is. */
static void copy_over(estoc_store *from, estoc_store *to)
{
    fill(from);
    assert_int_equal(estoc_store_begin_snapshot(from), 0);
    assert_int_equal(estoc_store_begin(to), 0);
    assert_int_equal(estoc_store_copy(from, to, NULL, NULL), 0);
    assert_int_equal(estoc_store_commit(to), 0);
    estoc_store_rollback(from);
    check_copy(to);
    assert_int_equal(estoc_store_copy(from, to, NULL, NULL), ESTOC_E_STATE); /* not empty */
    /* what comes after has numbers of its own */
    const estoc_pending p = {
        .identity = {1}, .csr = {3}, .profile = "p", .op = "sen", .subject = "CN=b"};
    int64_t n = 0;
    assert_int_equal(estoc_store_pend(to, &p, &n), 0);
    assert_int_equal(n, 2);
    estoc_relay next = {
        .csr = {5}, .profile = "p", .op = "sen", .subject = "", .upstream = "", .node = "n"};
    assert_int_equal(estoc_relay_put(to, &next, 1), 0);
    estoc_store_close(to);
    estoc_store_close(from);
    static const char *const ends[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < 3; i++) {
        char name[160];
        snprintf(name, sizeof name, "%s-copy%s", path, ends[i]);
        unlink(name);
    }
}

static estoc_store *open_file(void)
{
    char second[160];
    estoc_store *s;
    estoc_why why = {""};
    snprintf(second, sizeof second, "sqlite:%s-copy", path);
    assert_int_equal(estoc_store_open(second, &s, &why), 0);
    return s;
}

static void copy(void **state)
{
    (void)state;
    copy_over(open_store(), open_file());
}

static void copy_back(void **state)
{
    (void)state;
    copy_over(open_file(), open_store());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER("5280 5.2.3 numbers of CRLs never go back", crls),
        IN_FOLDER("a chain of lines for each node", audit),
        IN_FOLDER("many lines at once", audit_many),
        IN_FOLDER("D8 a secret that nodes share", secrets),
        IN_FOLDER("D8 sessions that nodes share", sessions),
        IN_FOLDER("D8 many sessions come in portions", many_sessions),
        IN_FOLDER("X9 a node's name on a store of its own", claims_of_nodes),
        IN_FOLDER("286 a copy of all but secrets", copy),
        IN_FOLDER("286 and from a file", copy_back),
    };
    return cmocka_run_group_tests_name("store/shared", tests, NULL, NULL);
}
