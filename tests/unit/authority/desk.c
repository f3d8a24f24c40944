/* SPDX-License-Identifier: MIT */
#include "office.h"

/* clang-format off */
#define NAMED(name, f) {name, f, NULL, NULL, NULL}
/* clang-format on */

static void decided(estoc_decision decision)
{
    estoc_store *s = NULL;
    assert_int_equal(estoc_store_open(url(), &s, &why), 0);
    assert_int_equal(estoc_store_decide(s, 1, decision, estoc_unix_s()), 0);
    estoc_store_close(s);
}

static uint64_t waiting(void)
{
    uint64_t n = 0;
    estoc_store *s = NULL;
    assert_int_equal(estoc_store_open(url(), &s, &why), 0);
    assert_int_equal(estoc_store_pending_count(s, NULL, &n), 0);
    estoc_store_close(s);
    return n;
}

/* L2, hard cases 177 to 182. */
static void by_a_person(void **state)
{
    (void)state;
    estoc_ca_cfg cfg = good_cfg();
    cfg.retry_window_s = 0; /* the approval remembers, too */
    profiles[1].approver = ESTOC_APPROVER_PERSON;
    profiles[1].retry_after_s = 60;
    estoc_authority *a = opened(&cfg);
    struct bytes csr = csr_of(device.key, "", NULL);
    struct bytes bad = csr_of(device.key, "CN=dev-9", NULL);
    struct outcome o = enroll(a, SEN, "meters", device.cert.der, &csr);
    assert_int_equal(o.err, ESTOC_E_LATER);
    assert_in_range(o.retry_s, 1, 60);
    assert_int_equal(waiting(), 1); /* before the answer went out */
    assert_true(logged("result=pending", "request=r1", "subject=CN=dev-1"));
    assert_int_equal(enroll(a, SEN, "meters", device.cert.der, &bad).err, ESTOC_E_FORBIDDEN);
    assert_int_equal(waiting(), 1);
    decided(ESTOC_REJECTED);
    assert_int_equal(enroll(a, SEN, "meters", device.cert.der, &csr).err, ESTOC_E_FORBIDDEN);
    assert_true(logged("result=refused", "request=r1", "rule=L2"));
    decided(ESTOC_APPROVED);
    o = enroll(a, SEN, "meters", device.cert.der, &csr);
    assert_int_equal(o.err, 0);
    assert_true(logged("result=issued", "request=r1", "serial="));
    struct outcome again = enroll(a, SEN, "meters", device.cert.der, &csr);
    assert_slice(bytes_slice(&again.cert), bytes_slice(&o.cert));
    assert_true(logged("result=again", "request=r1", "serial="));
    assert_int_equal(stored(), 1);
    assert_int_equal(enroll(a, SEN, "", device.cert.der, &csr).err, 0); /* the other profile */
    closed(a);
}

/* X9: what is not committed was not kept, and nobody is told that it waits. */
static void kept_or_not(void **state)
{
    (void)state;
    estoc_ca_cfg cfg = good_cfg();
    profiles[1].approver = ESTOC_APPROVER_PERSON;
    profiles[1].retry_after_s = 60;
    estoc_authority *a = opened(&cfg);
    struct bytes csr = csr_of(device.key, "", NULL);
    struct bytes bad = csr_of(device.key, "CN=dev-9", NULL);
    struct outcome gate = {.hold = true};
    struct outcome pending = {.calls = 0};
    struct outcome issued = {.calls = 0};
    alter("CREATE TRIGGER full BEFORE INSERT ON cert BEGIN SELECT RAISE(ABORT, 'full'); END");
    assert_int_equal(hand_in(a, SEN, "", device.cert.der, &bad, &gate), 0);
    await(&gate);
    assert_int_equal(hand_in(a, SEN, "meters", device.cert.der, &csr, &pending), 0);
    assert_int_equal(hand_in(a, SEN, "", device.cert.der, &csr, &issued), 0);
    let_go(&gate);
    await(&pending);
    await(&issued);
    assert_int_equal(issued.err, ESTOC_E_STORE);
    assert_int_equal(pending.err, ESTOC_E_STORE);
    assert_int_equal(waiting(), 0);
    assert_true(logged("profile=meters", "result=failed", ""));
    alter("DROP TRIGGER full");
    assert_int_equal(enroll(a, SEN, "meters", device.cert.der, &csr).err, ESTOC_E_LATER);
    assert_int_equal(waiting(), 1);
    closed(a);
}

/* ------------------------------------------------------------------------------ X9: intents, rounds */

/* The only record, or the last. */
static estoc_record last_record(void)
{
    static char subject[64];
    static uint8_t der[2048];
    sqlite3 *db;
    sqlite3_stmt *st;
    estoc_record rec = {.subject = subject};
    assert_int_equal(sqlite3_open(in_folder("ca.db"), &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db,
                                        "SELECT state, policy, subject, der, revoked_at FROM cert"
                                        " ORDER BY id DESC LIMIT 1",
                                        -1, &st, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    rec.state = (estoc_record_state)sqlite3_column_int(st, 0);
    rec.policy = sqlite3_column_int64(st, 1);
    snprintf(subject, sizeof subject, "%s", (const char *)sqlite3_column_text(st, 2));
    size_t len = (size_t)sqlite3_column_bytes(st, 3);
    assert_in_range(len, 1, sizeof der);
    memcpy(der, sqlite3_column_blob(st, 3), len);
    rec.cert = estoc_slice_of(der, len);
    rec.revoked_at = sqlite3_column_int64(st, 4);
    sqlite3_finalize(st);
    sqlite3_close(db);
    return rec;
}

/* The certificate cannot be written: what was to be signed is in the store, and nothing was given. */
static void certificate_not_kept(void **state)
{
    (void)state;
    estoc_ca_cfg cfg = good_cfg();
    cfg.policy = 7;
    estoc_authority *a = opened(&cfg);
    struct bytes csr = csr_of(device.key, "", NULL);
    alter("CREATE TRIGGER full BEFORE UPDATE ON cert WHEN NEW.state = 1"
          " BEGIN SELECT RAISE(ABORT, 'full'); END");
    assert_int_equal(enroll(a, SEN, "", device.cert.der, &csr).err, ESTOC_E_STORE);
    estoc_record rec = last_record();
    assert_int_not_equal(rec.state, ESTOC_RECORD_ISSUED);
    assert_int_equal(rec.policy, 7);
    assert_string_equal(rec.subject, "CN=dev-1");
    estoc_reader r = estoc_reader_of(rec.cert); /* a TBSCertificate begins with its version */
    estoc_reader tbs = estoc_der_enter(&r, ESTOC_DER_SEQUENCE);
    assert_int_equal(estoc_der_peek(&tbs), ESTOC_DER_CONTEXT_CONSTRUCTED(0));
    alter("DROP TRIGGER full");
    struct outcome o = enroll(a, SEN, "", device.cert.der, &csr);
    assert_int_equal(o.err, 0);
    assert_int_equal(last_record().state, ESTOC_RECORD_ISSUED);
    assert_int_equal(stored(), 1); /* the first came to nothing */
    closed(a);
}

/* Somebody has given up the intent while it was being signed: that certificate is nobody's. */
static void taken_away(void **state)
{
    (void)state;
    estoc_ca_cfg cfg = good_cfg();
    estoc_authority *a = opened(&cfg);
    struct bytes csr = csr_of(device.key, "", NULL);
    alter("CREATE TRIGGER away AFTER INSERT ON cert"
          " BEGIN UPDATE cert SET state = 2, slot = id; END");
    struct outcome o = enroll(a, SEN, "", device.cert.der, &csr);
    assert_int_equal(o.err, ESTOC_E_LATER);
    assert_true(o.retry_s > 0);
    assert_int_equal(stored(), 0);
    alter("DROP TRIGGER away");
    assert_int_equal(enroll(a, SEN, "", device.cert.der, &csr).err, 0);
    assert_int_equal(stored(), 1);
    closed(a);
}

/* 289: the same request several times in one batch, and in the rounds around it. */
static void twins(void **state)
{
    enum { N = 5 };
    (void)state;
    estoc_ca_cfg cfg = good_cfg();
    estoc_authority *a = opened(&cfg);
    struct bytes csr = csr_of(device.key, "", NULL);
    struct bytes bad = csr_of(device.key, "CN=dev-9", NULL);
    struct outcome gate = {.hold = true};
    static struct outcome o[N];
    memset(o, 0, sizeof o);
    assert_int_equal(hand_in(a, SEN, "", device.cert.der, &bad, &gate), 0);
    await(&gate);
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(hand_in(a, SEN, "", device.cert.der, &csr, &o[i]), 0);
    }
    let_go(&gate);
    for (size_t i = 0; i < N; i++) {
        await(&o[i]);
        assert_int_equal(o[i].err, 0);
        assert_true(o[i].durable);
        assert_slice(bytes_slice(&o[i].cert), bytes_slice(&o[0].cert));
    }
    assert_int_equal(stored(), 1);
    closed(a);
}

/* 207: one key for two names in one batch: neither is in the store when the other is decided. */
static void one_key_two_names(void **state)
{
    (void)state;
    estoc_ca_cfg cfg = good_cfg();
    estoc_authority *a = opened(&cfg);
    struct bytes csr = csr_of(device.key, "", NULL);
    struct bytes bad = csr_of(device.key, "CN=dev-9", NULL);
    struct outcome gate = {.hold = true};
    static struct outcome o[2];
    memset(o, 0, sizeof o);
    assert_int_equal(hand_in(a, SEN, "", device.cert.der, &bad, &gate), 0);
    await(&gate);
    assert_int_equal(hand_in(a, SEN, "", device.cert.der, &csr, &o[0]), 0);
    assert_int_equal(hand_in(a, SEN, "", other.cert.der, &csr, &o[1]), 0);
    let_go(&gate);
    await(&o[0]);
    await(&o[1]);
    assert_int_equal(o[0].err, 0);
    assert_int_equal(o[1].err, ESTOC_E_FORBIDDEN);
    assert_string_equal(o[1].text, "the key is another device's");
    assert_int_equal(stored(), 1);
    closed(a);
}

/* Of another node, for the same request. */
static void put_intent(const struct bytes *csr, int64_t age_s)
{
    static const uint8_t run[ESTOC_RUN_LEN] = {9};
    static const uint8_t tbs[] = {0x30, 0x00};
    estoc_store *s = NULL;
    estoc_record rec = {.serial = {0x77, (uint8_t)age_s},
                        .serial_len = 2,
                        .profile = "",
                        .subject = "CN=dev-1",
                        .issued_at = estoc_unix_s() - age_s,
                        .not_after = estoc_unix_s() + HOUR,
                        .cert = estoc_slice_of(tbs, sizeof tbs)};
    estoc_intent in = {.rec = &rec, .only = true};
    assert_int_equal(estoc_sha256(device.cert.der, rec.identity), 0);
    assert_int_equal(estoc_sha256(bytes_slice(csr), rec.csr), 0);
    assert_int_equal(estoc_store_open(url(), &s, &why), 0);
    assert_int_equal(estoc_store_intend(s, "other", run, &in, 1), 0);
    assert_true(in.taken);
    estoc_store_close(s);
}

static void another_node_is_at_it(void **state)
{
    (void)state;
    estoc_ca_cfg cfg = good_cfg();
    estoc_authority *a = opened(&cfg);
    struct bytes csr = csr_of(device.key, "", NULL);
    put_intent(&csr, 0);
    struct outcome o = enroll(a, SEN, "", device.cert.der, &csr);
    assert_int_equal(o.err, ESTOC_E_LATER);
    assert_in_range(o.retry_s, 1, 10);
    assert_int_equal(stored(), 0);
    assert_int_equal(last_record().state, ESTOC_RECORD_INTENT); /* not ours to give up */
    closed(a);
}

/* 321: it began long ago, and will not finish. */
static void another_node_is_gone(void **state)
{
    (void)state;
    estoc_ca_cfg cfg = good_cfg();
    estoc_authority *a = opened(&cfg);
    struct bytes csr = csr_of(device.key, "", NULL);
    put_intent(&csr, 120);
    struct outcome o = enroll(a, SEN, "", device.cert.der, &csr);
    assert_int_equal(o.err, 0);
    assert_int_equal(stored(), 1);
    closed(a);
}

/* A window of nothing: each time another. */
static void no_window(void **state)
{
    (void)state;
    estoc_ca_cfg cfg = good_cfg();
    cfg.retry_window_s = 0;
    estoc_authority *a = opened(&cfg);
    struct bytes csr = csr_of(device.key, "", NULL);
    assert_int_equal(enroll(a, SEN, "", device.cert.der, &csr).err, 0);
    assert_int_equal(enroll(a, SEN, "", device.cert.der, &csr).err, 0);
    assert_int_equal(stored(), 2);
    closed(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_a_person),
        cmocka_unit_test(kept_or_not),
        NAMED("X9 a certificate that is not kept is given to nobody", certificate_not_kept),
        NAMED("X9 an intent that another has given up", taken_away),
        NAMED("E6 289 the same request several times at once", twins),
        NAMED("207 one key, two names, at once", one_key_two_names),
        NAMED("X9 E6 another node has the same request", another_node_is_at_it),
        NAMED("X9 321 another node that is gone had it", another_node_is_gone),
        NAMED("E6 without a window, each has a new one", no_window),
    };
    return cmocka_run_group_tests_name("authority/ca/desk", tests, set_up, tear_down);
}
