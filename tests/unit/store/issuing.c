/* SPDX-License-Identifier: MIT */
#include "folder.h"

static const uint8_t tbs[] = {0x30, 0x01, 0x00};
static const uint8_t certificate[] = {0x30, 0x03, 0x02, 0x01, 0x07};
static const uint8_t run_1[ESTOC_RUN_LEN] = {1};
static const uint8_t run_2[ESTOC_RUN_LEN] = {2};

/* Number n, for request 1. */
static estoc_record intent(uint8_t n)
{
    return (estoc_record){.serial = {0x4a, n},
                          .serial_len = 2,
                          .profile = "",
                          .policy = 3,
                          .subject = "CN=a",
                          .identity = {1},
                          .csr = {1},
                          .key = {n},
                          .issued_at = 1000,
                          .not_before = 900,
                          .not_after = 5000,
                          .cert = estoc_slice_of(tbs, sizeof tbs)};
}

static bool intend(estoc_store *s, const estoc_record *rec, const uint8_t *run, bool only,
                   int64_t since)
{
    estoc_intent in = {.rec = rec, .only = only, .since = since};
    assert_int_equal(estoc_store_intend(s, "node", run, &in, 1), ESTOC_OK);
    return in.taken;
}

static bool issue(estoc_store *s, const estoc_record *rec)
{
    estoc_signed one = {.serial = estoc_slice_of(rec->serial, rec->serial_len),
                        .cert = estoc_slice_of(certificate, sizeof certificate)};
    assert_int_equal(estoc_store_issue(s, &one, 1), ESTOC_OK);
    return one.kept;
}

static estoc_record kept(estoc_store *s, const estoc_record *rec, size_t *len)
{
    estoc_record out;
    estoc_blob cert;
    assert_int_equal(
        estoc_store_by_serial(s, estoc_slice_of(rec->serial, rec->serial_len), &out, &cert),
        ESTOC_OK);
    *len = cert.len;
    estoc_blob_free(&cert);
    return out;
}

static uint64_t give_up(estoc_store *s, const char *node, const uint8_t *run, int64_t before)
{
    uint64_t n = 99;
    assert_int_equal(estoc_store_void(s, node, run, before, &n), ESTOC_OK);
    return n;
}

static void becomes_a_certificate(void **state)
{
    (void)state;
    estoc_store *s = open_store();
    estoc_record rec = intent(1);
    estoc_record out;
    uint64_t n = 9;
    size_t len = 0;
    assert_true(intend(s, &rec, run_1, true, 0));
    out = kept(s, &rec, &len);
    assert_int_equal(out.state, ESTOC_RECORD_INTENT);
    assert_int_equal(out.policy, 3);
    assert_int_equal(len, sizeof tbs);
    assert_int_equal(estoc_store_count(s, &n), ESTOC_OK);
    assert_int_equal(n, 0); /* none is issued */
    assert_true(issue(s, &rec));
    assert_false(issue(s, &rec)); /* once */
    out = kept(s, &rec, &len);
    assert_int_equal(out.state, ESTOC_RECORD_ISSUED);
    assert_int_equal(len, sizeof certificate);
    assert_int_equal(estoc_store_count(s, &n), ESTOC_OK);
    assert_int_equal(n, 1);
    estoc_store_close(s);
}

static void one_serial_one_intent(void **state)
{
    (void)state;
    estoc_store *s = open_store();
    estoc_record rec = intent(1);
    estoc_record twin = intent(1);
    twin.csr[0] = 2;
    assert_true(intend(s, &rec, run_1, true, 0));
    assert_false(intend(s, &twin, run_1, true, 0));
    assert_false(intend(s, &twin, run_1, false, 0));
    estoc_store_close(s);
}

/* E6: whoever comes second finds what the first has, whichever node each is at. */
static void one_request_one_intent(void **state)
{
    (void)state;
    estoc_store *s = open_store();
    estoc_store *other = open_store();
    estoc_record first = intent(1);
    estoc_record second = intent(2);
    assert_true(intend(s, &first, run_1, true, 500));
    assert_false(intend(other, &second, run_2, true, 500));
    assert_true(issue(s, &first));
    assert_false(intend(other, &second, run_2, true, 500));
    assert_false(intend(other, &second, run_2, true, 1000));
    assert_true(intend(other, &second, run_2, true, 1001)); /* too long ago */
    estoc_record third = intent(3);
    assert_false(intend(s, &third, run_1, true, 1001));
    assert_true(intend(s, &third, run_1, false, 0)); /* each has a new one */
    estoc_store_close(other);
    estoc_store_close(s);
}

static void in_one_batch(void **state)
{
    (void)state;
    estoc_store *s = open_store();
    estoc_record rec[] = {intent(1), intent(2), intent(3)};
    rec[2].csr[0] = 9;
    estoc_intent in[] = {
        {&rec[0], true, 0, false}, {&rec[1], true, 0, true}, {&rec[2], true, 0, false}};
    assert_int_equal(estoc_store_begin(s), ESTOC_OK);
    assert_int_equal(estoc_store_intend(s, "node", run_1, in, 3), ESTOC_OK);
    assert_true(in[0].taken);
    assert_false(in[1].taken);
    assert_true(in[2].taken);
    estoc_signed list[] = {{estoc_slice_of(rec[0].serial, 2), rec[0].cert, false},
                           {estoc_slice_of(rec[1].serial, 2), rec[1].cert, true},
                           {estoc_slice_of(rec[2].serial, 2), rec[2].cert, false}};
    assert_int_equal(estoc_store_issue(s, list, 3), ESTOC_OK);
    assert_true(list[0].kept);
    assert_false(list[1].kept);
    assert_true(list[2].kept);
    assert_int_equal(estoc_store_commit(s), ESTOC_OK);
    assert_int_equal(estoc_store_intend(s, "node", run_1, NULL, 0), ESTOC_OK);
    assert_int_equal(estoc_store_issue(s, NULL, 0), ESTOC_OK);
    estoc_store_close(s);
}

/* A request whose certificate is revoked, or over, gets another. */
static void makes_room(void **state)
{
    (void)state;
    estoc_store *s = open_store();
    estoc_record rec = intent(1);
    estoc_record next = intent(2);
    assert_true(intend(s, &rec, run_1, true, 0));
    assert_true(issue(s, &rec));
    assert_int_equal(
        estoc_store_revoke(s, estoc_slice_of(rec.serial, 2), ESTOC_CRL_UNSPECIFIED, 1100),
        ESTOC_OK);
    assert_true(intend(s, &next, run_1, true, 0));
    assert_true(issue(s, &next));
    estoc_record late = intent(3);
    late.issued_at = 5000; /* when the second ends */
    late.not_after = 9000;
    assert_true(intend(s, &late, run_1, true, 0));
    estoc_store_close(s);
}

/* X9: what came to nothing is listed and can be revoked, and makes room. */
static void given_up(void **state)
{
    (void)state;
    estoc_store *s = open_store();
    estoc_record rec = intent(1);
    estoc_record next = intent(2);
    size_t len;
    assert_true(intend(s, &rec, run_1, true, 0));
    assert_int_equal(give_up(s, "node", run_2, INT64_MAX), 0);
    assert_int_equal(give_up(s, "other", run_1, INT64_MAX), 0);
    assert_int_equal(give_up(s, NULL, NULL, 1000), 0); /* not before */
    assert_int_equal(give_up(s, "node", run_1, INT64_MAX), 1);
    assert_false(issue(s, &rec)); /* whoever has signed it meanwhile */
    assert_int_equal(kept(s, &rec, &len).state, ESTOC_RECORD_VOID);
    assert_true(intend(s, &next, run_2, true, 0));
    assert_int_equal(give_up(s, "node", NULL, INT64_MAX), 1);
    assert_int_equal(
        estoc_store_revoke(s, estoc_slice_of(rec.serial, 2), ESTOC_CRL_UNSPECIFIED, 1100),
        ESTOC_OK);
    estoc_record out = kept(s, &rec, &len);
    assert_int_equal(out.revoked_at, 1100);
    assert_int_equal(out.state, ESTOC_RECORD_VOID);
    estoc_store_close(s);
}

static bool see(void *ctx, const estoc_record *rec)
{
    *(uint8_t *)ctx = (uint8_t)(*(uint8_t *)ctx * 10 + rec->serial[1]);
    return true;
}

static void the_void(void **state)
{
    (void)state;
    estoc_store *s = open_store();
    for (uint8_t i = 1; i <= 3; i++) {
        estoc_record rec = intent(i);
        rec.csr[0] = i;
        assert_true(intend(s, &rec, run_1, true, 0));
        assert_true(i != 2 || issue(s, &rec));
    }
    uint8_t seen = 0;
    assert_int_equal(give_up(s, NULL, NULL, INT64_MAX), 2);
    assert_int_equal(estoc_store_each_void(s, 1001, see, &seen), ESTOC_OK);
    assert_int_equal(seen, 13);
    seen = 0;
    assert_int_equal(estoc_store_each_void(s, 1000, see, &seen), ESTOC_OK);
    assert_int_equal(seen, 0);
    estoc_store_close(s);
}

/* What the policy wants to know, of two enrollments at once. */
static void questions(void **state)
{
    (void)state;
    estoc_store *s = open_store();
    estoc_record rec = intent(1);
    const uint8_t other[32] = {9};
    estoc_question q[2] = {{.client_serial = estoc_slice_of(rec.serial, 2),
                            .identity = rec.identity,
                            .csr = rec.csr,
                            .key = rec.key,
                            .profile = "",
                            .subject = "CN=b",
                            .now = 2000,
                            .since = 500,
                            .day_since = 1000},
                           {.client_serial = estoc_slice_of("x", 1),
                            .identity = other,
                            .csr = rec.csr,
                            .key = NULL,
                            .profile = "",
                            .subject = "CN=a",
                            .now = 2000,
                            .since = 500,
                            .day_since = 1000}};
    assert_true(intend(s, &rec, run_1, true, 0));
    assert_int_equal(estoc_store_ask(s, q, 2), ESTOC_OK);
    assert_false(q[0].own_found); /* nobody can have an intent */
    assert_int_equal(q[0].again.len, 0);
    assert_true(q[0].key_used);
    assert_int_equal(q[0].recent, 0);
    assert_false(q[1].key_used);
    assert_int_equal(q[1].recent, 1);
    assert_true(q[1].recent_from > 0);
    assert_true(issue(s, &rec));
    assert_int_equal(estoc_store_ask(s, q, 2), ESTOC_OK);
    assert_true(q[0].own_found);
    assert_int_equal(q[0].own_revoked_at, 0);
    assert_int_equal(q[0].own.len, sizeof certificate);
    assert_int_equal(q[0].again.len, sizeof certificate);
    assert_int_equal(q[1].own.len + q[1].again.len, 0);
    estoc_question_free(&q[0]);
    q[1].day_since = 1001;
    assert_int_equal(
        estoc_store_revoke(s, estoc_slice_of(rec.serial, 2), ESTOC_CRL_UNSPECIFIED, 1100),
        ESTOC_OK);
    assert_int_equal(estoc_store_ask(s, q, 2), ESTOC_OK);
    assert_int_equal(q[0].own_revoked_at, 1100);
    assert_int_equal(q[0].again.len, 0);
    assert_false(q[0].key_used);
    assert_int_equal(q[1].recent, 0);
    estoc_question_free(&q[0]);
    assert_int_equal(estoc_store_ask(s, NULL, 0), ESTOC_OK);
    estoc_store_close(s);
}

static bool see_version(void *ctx, int64_t version, int64_t made_at)
{
    char *seen = ctx;
    snprintf(seen + strlen(seen), 64 - strlen(seen), "%d@%d ", (int)version, (int)made_at);
    return true;
}

static void profiles(void **state)
{
    (void)state;
    estoc_store *s = open_store();
    const uint8_t first[32] = {1};
    const uint8_t second[32] = {2};
    int64_t v[3];
    char want[64];
    estoc_blob text;
    assert_int_equal(estoc_store_policy_published(s, &v[0], &text), ESTOC_E_NOT_FOUND);
    assert_int_equal(estoc_store_policy(s, first, "one", 10, &v[0]), ESTOC_OK);
    assert_int_equal(estoc_store_policy(s, second, "two", 11, &v[1]), ESTOC_OK);
    assert_int_equal(estoc_store_policy(s, first, "one", 12, &v[2]), ESTOC_OK);
    assert_true(v[0] > 0);
    assert_int_equal(v[2], v[0]);
    assert_int_not_equal(v[1], v[0]);
    assert_int_equal(estoc_store_policy_text(s, v[1], &text), ESTOC_OK);
    assert_memory_equal(text.ptr, "two", 3);
    estoc_blob_free(&text);
    assert_int_equal(estoc_store_policy_text(s, 77, &text), ESTOC_E_NOT_FOUND);
    assert_int_equal(estoc_store_policy_publish(s, second, "two", 13, &v[2]), ESTOC_OK);
    assert_int_equal(v[2], v[1]);
    assert_int_equal(estoc_store_policy_published(s, &v[2], NULL), ESTOC_OK);
    assert_int_equal(v[2], v[1]);
    assert_int_equal(estoc_store_policy_publish(s, first, "one", 14, &v[2]), ESTOC_OK);
    assert_int_equal(estoc_store_policy_published(s, &v[2], &text), ESTOC_OK);
    assert_int_equal(v[2], v[0]);
    assert_memory_equal(text.ptr, "one", 3);
    estoc_blob_free(&text);
    char seen[64] = "";
    assert_int_equal(estoc_store_policy_each(s, see_version, seen), ESTOC_OK);
    snprintf(want, sizeof want, "%d@10 %d@11 ", (int)v[0], (int)v[1]);
    assert_string_equal(seen, want);
    estoc_store_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER("X9 an intent becomes a certificate, once", becomes_a_certificate),
        IN_FOLDER("5280 4.1.2.2 a serial is intended only once", one_serial_one_intent),
        IN_FOLDER("E6 X9 one intent for a request, at all nodes", one_request_one_intent),
        IN_FOLDER("X9 several at once, each with its answer", in_one_batch),
        IN_FOLDER("E6 what is revoked, or over, makes room", makes_room),
        IN_FOLDER("X9 321 an intent that came to nothing", given_up),
        IN_FOLDER("X9 321 which came to nothing", the_void),
        IN_FOLDER("E6 207 what is known about enrollments", questions),
        IN_FOLDER("X9 profiles by version", profiles),
    };
    return cmocka_run_group_tests_name("store/issuing", tests, NULL, NULL);
}
