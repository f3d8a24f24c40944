/* SPDX-License-Identifier: MIT */
#include "parties.h"

#include <unistd.h>

#include <sqlite3.h>

#include "approval.h"

#define NOW INT64_C(1000000)

static struct party ca, device;
static estoc_store *store;
static estoc_profile profile;
static estoc_pending_rules rules;
static estoc_why why;
static estoc_ruling ruling;
static estoc_advice advice; /* of a program, if one is asked */

static int set_up(void **state)
{
    int rc = folder_make(state);
    party_make(&ca, (struct plan){.subject = "CN=CA", .ca = true});
    party_make(&device, (struct plan){.subject = "CN=dev", .issuer = &ca});
    return rc;
}

static int tear_down(void **state)
{
    party_drop(&ca);
    party_drop(&device);
    return folder_remove(state);
}

static int with_store(void **state)
{
    static const char *const files[] = {"ca.db", "ca.db-wal", "ca.db-shm"};
    char url[600];
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        unlink(in_folder(files[i]));
    }
    snprintf(url, sizeof url, "sqlite:%s", in_folder("ca.db"));
    profile = (estoc_profile){.name = "", .approver = ESTOC_APPROVER_PERSON, .retry_after_s = 60};
    rules = (estoc_pending_rules){.max = 100, .per_client = 10, .keep_s = 1000};
    return estoc_store_open(url, &store, &why) ? -1 : 0;
}

static int without_store(void **state)
{
    (void)state;
    estoc_store_close(store);
    return 0;
}

/* The n-th request of the i-th identity, at a time. */
static estoc_record record(uint8_t i, uint8_t n)
{
    return (estoc_record){.state = ESTOC_RECORD_ISSUED,
                          .profile = "",
                          .subject = "CN=dev",
                          .identity = {i},
                          .csr = {n}};
}

static estoc_err consult_as(estoc_op op, uint8_t i, uint8_t n, int64_t now, estoc_approval *out)
{
    const estoc_record rec = record(i, n);
    static const uint8_t request[] = {0x30, 0x00};
    const estoc_petition p = {.op = op,
                              .profile = &profile,
                              .client = &device.cert,
                              .issuer = &ca.cert,
                              .csr = estoc_slice_of(request, sizeof request)};
    return estoc_approval_consult(&p, store, &rules, &rec, now, &advice, out, &ruling);
}

static estoc_err consult(uint8_t i, uint8_t n, int64_t now, estoc_approval *out)
{
    return consult_as(ESTOC_OP_SEN, i, n, now, out);
}

static void decided(int64_t id, estoc_decision decision, int64_t at)
{
    assert_int_equal(estoc_store_decide(store, id, decision, at), 0);
}

static void waits(void **state)
{
    (void)state;
    estoc_approval a;
    assert_int_equal(consult(1, 1, NOW, &a), ESTOC_E_LATER);
    int64_t id = a.id;
    assert_true(id > 0);
    assert_int_equal(a.retry_s, 60);
    assert_in_range(strlen(ruling.text), 1, 64);
    /* what is left, and never nothing; a clock that was set back does no harm */
    static const struct {
        int64_t past;
        uint32_t left;
    } rows[] = {{0, 60}, {1, 59}, {59, 1}, {60, 60}, {61, 59}, {119, 1}, {-500, 60}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(consult(1, 1, NOW + rows[i].past, &a), ESTOC_E_LATER);
        assert_int_equal(a.id, id);
        assert_int_equal(a.retry_s, rows[i].left);
    }
}

static void approved(void **state)
{
    (void)state;
    estoc_approval a;
    assert_int_equal(consult(1, 1, NOW, &a), ESTOC_E_LATER);
    int64_t id = a.id;
    decided(id, ESTOC_APPROVED, NOW);
    assert_int_equal(consult(1, 1, NOW + 1, &a), 0);
    assert_int_equal(a.id, id);
    assert_int_equal(a.cert.len, 0);
    /* of nobody else, for nothing else (181) */
    assert_int_equal(consult(2, 1, NOW + 1, &a), ESTOC_E_LATER);
    assert_int_equal(consult(1, 2, NOW + 1, &a), ESTOC_E_LATER);
    assert_int_equal(consult_as(ESTOC_OP_SREN, 1, 1, NOW + 1, &a), ESTOC_E_LATER);
}

/* The request has led to this certificate. */
static int64_t issued(int64_t not_after)
{
    estoc_approval a;
    estoc_record rec = record(1, 1);
    assert_int_equal(consult(1, 1, NOW, &a), ESTOC_E_LATER);
    decided(a.id, ESTOC_APPROVED, NOW);
    rec.serial[0] = 7;
    rec.serial_len = 1;
    rec.not_after = not_after;
    rec.cert = device.cert.der;
    assert_int_equal(estoc_store_put(store, &rec), 0);
    assert_int_equal(estoc_store_pending_issued(store, a.id, estoc_slice_of(rec.serial, 1)), 0);
    return a.id;
}

static void the_same_certificate(void **state)
{
    (void)state;
    estoc_approval a;
    int64_t id = issued(NOW + 100);
    assert_int_equal(consult(1, 1, NOW + 99, &a), 0);
    assert_int_equal(a.id, id);
    assert_slice(estoc_blob_slice(a.cert), device.cert.der);
    estoc_blob_free(&a.cert);
}

static void expired(void **state)
{
    (void)state;
    estoc_approval a;
    int64_t id = issued(NOW + 100);
    assert_int_equal(consult(1, 1, NOW + 100, &a), ESTOC_E_LATER);
    assert_true(a.id > id); /* asked anew */
    assert_int_equal(a.cert.len, 0);
}

static void revoked(void **state)
{
    (void)state;
    estoc_approval a;
    int64_t id = issued(NOW + 100);
    assert_int_equal(
        estoc_store_revoke(store, estoc_slice_of("\x07", 1), ESTOC_CRL_KEY_COMPROMISE, NOW), 0);
    assert_int_equal(consult(1, 1, NOW + 1, &a), ESTOC_E_LATER);
    assert_true(a.id > id);
    assert_int_equal(a.cert.len, 0);
}

static void gone(void **state)
{
    (void)state;
    estoc_approval a;
    assert_int_equal(consult(1, 1, NOW, &a), ESTOC_E_LATER);
    int64_t id = a.id;
    decided(id, ESTOC_APPROVED, NOW);
    assert_int_equal(estoc_store_pending_issued(store, id, estoc_slice_of("\x09", 1)), 0);
    assert_int_equal(consult(1, 1, NOW, &a), ESTOC_E_LATER);
    assert_true(a.id > id);
}

/* X2: another key each time, as long as the approval holds. */
static void a_key(void **state)
{
    (void)state;
    estoc_approval a;
    estoc_record rec = record(1, 1);
    assert_int_equal(consult_as(ESTOC_OP_SKG, 1, 1, NOW, &a), ESTOC_E_LATER);
    decided(a.id, ESTOC_APPROVED, NOW);
    rec.serial[0] = 7;
    rec.serial_len = 1;
    rec.not_after = NOW + 100;
    rec.cert = device.cert.der;
    assert_int_equal(estoc_store_put(store, &rec), 0);
    assert_int_equal(estoc_store_pending_issued(store, a.id, estoc_slice_of("\x07", 1)), 0);
    assert_int_equal(consult_as(ESTOC_OP_SKG, 1, 1, NOW + 1, &a), 0);
    assert_int_equal(a.cert.len, 0);
    assert_int_equal(
        estoc_store_revoke(store, estoc_slice_of("\x07", 1), ESTOC_CRL_KEY_COMPROMISE, NOW), 0);
    assert_int_equal(consult_as(ESTOC_OP_SKG, 1, 1, NOW + 1, &a), ESTOC_E_LATER);
}

static void rejected(void **state)
{
    (void)state;
    estoc_approval a;
    assert_int_equal(consult(1, 1, NOW, &a), ESTOC_E_LATER);
    int64_t id = a.id;
    decided(id, ESTOC_REJECTED, NOW + 5);
    assert_int_equal(consult(1, 1, NOW + 1005, &a), ESTOC_E_FORBIDDEN);
    assert_int_equal(a.id, id);
    assert_in_range(strlen(ruling.text), 1, 64);
    assert_int_equal(consult(1, 1, NOW + 1006, &a), ESTOC_E_LATER); /* forgotten */
    assert_true(a.id > id);
}

static void too_many(void **state)
{
    (void)state;
    estoc_approval a;
    rules.max = 3;
    rules.per_client = 2;
    assert_int_equal(consult(1, 1, NOW, &a), ESTOC_E_LATER);
    int64_t first = a.id;
    assert_int_equal(consult(1, 2, NOW, &a), ESTOC_E_LATER);
    assert_int_equal(consult(1, 3, NOW, &a), ESTOC_E_QUOTA);
    assert_int_equal(a.id, 0);
    assert_int_equal(a.retry_s, 60);
    assert_in_range(strlen(ruling.text), 1, 64);
    assert_int_equal(consult(2, 1, NOW, &a), ESTOC_E_LATER);
    assert_int_equal(consult(2, 2, NOW, &a), ESTOC_E_BUSY);
    assert_int_equal(a.id, 0);
    assert_in_range(strlen(ruling.text), 1, 64);
    assert_int_equal(consult(1, 1, NOW, &a), ESTOC_E_LATER); /* no new one */
    decided(first, ESTOC_REJECTED, NOW);
    assert_int_equal(consult(1, 3, NOW, &a), ESTOC_E_LATER);
    /* those that nobody decides make room in the end */
    assert_int_equal(consult(3, 1, NOW, &a), ESTOC_E_BUSY);
    assert_int_equal(consult(3, 1, NOW + 1001, &a), ESTOC_E_LATER);
}

static void fails(void **state)
{
    (void)state;
    estoc_approval a;
    FILE *null = fopen("/dev/null", "w");
    assert_non_null(null);
    estoc_log_file(null);
    assert_int_equal(consult(1, 1, NOW, &a), ESTOC_E_LATER);
    sqlite3 *db;
    assert_int_equal(sqlite3_open(in_folder("ca.db"), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "DROP TABLE pending", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    assert_int_equal(consult(1, 1, NOW, &a), ESTOC_E_STORE);
    estoc_log_file(NULL);
    fclose(null);
}

#define WITH_STORE(name, f)                      \
    {                                            \
        name, f, with_store, without_store, NULL \
    }

/* ------------------------------------------------------------------------------- with a program's word */

static estoc_err consult_said(estoc_advice_kind kind, uint32_t retry_s, int64_t now,
                              estoc_approval *out)
{
    profile.approver = ESTOC_APPROVER_COMMAND;
    advice = (estoc_advice){.kind = kind, .retry_s = retry_s, .reason = "not here"};
    estoc_err err = consult(1, 1, now, out);
    advice.kind = ESTOC_ADVICE_NONE; /* the ruling may point to its reason */
    return err;
}

static uint64_t kept(void)
{
    uint64_t n = 0;
    assert_int_equal(estoc_store_pending_count(store, NULL, &n), 0);
    return n;
}

static void asked_first(void **state)
{
    (void)state;
    estoc_approval a;
    assert_int_equal(consult_said(ESTOC_ADVICE_NONE, 0, NOW, &a), ESTOC_E_LATER);
    assert_true(a.ask);
    assert_int_equal(a.id, 0);
    assert_int_equal(kept(), 0);
    assert_int_equal(consult_said(ESTOC_ADVICE_YES, 0, NOW, &a), 0);
    assert_false(a.ask);
    assert_int_equal(a.id, 0);
    assert_int_equal(consult_said(ESTOC_ADVICE_NO, 0, NOW, &a), ESTOC_E_FORBIDDEN);
    assert_string_equal(ruling.text, "not here");
    assert_int_equal(a.id, 0);
    assert_int_equal(kept(), 0); /* neither is for ever */
    assert_int_equal(consult_said(ESTOC_ADVICE_NONE, 0, NOW, &a), ESTOC_E_LATER);
    assert_true(a.ask);
}

/* Then it waits as for a person; and the program is asked again. */
static void left_open(void **state)
{
    (void)state;
    estoc_approval a;
    assert_int_equal(consult_said(ESTOC_ADVICE_LATER, 17, NOW, &a), ESTOC_E_LATER);
    int64_t id = a.id;
    assert_true(id > 0 && !a.ask);
    assert_int_equal(a.retry_s, 17);
    assert_in_range(strlen(ruling.text), 1, 64);
    assert_int_equal(consult_said(ESTOC_ADVICE_NONE, 0, NOW + 1, &a), ESTOC_E_LATER);
    assert_true(a.ask);
    assert_int_equal(consult_said(ESTOC_ADVICE_FAILED, 0, NOW + 1, &a), ESTOC_E_LATER);
    assert_int_equal(a.id, id);
    assert_int_equal(a.retry_s, 60);
    assert_int_equal(kept(), 1);
    assert_int_equal(consult_said(ESTOC_ADVICE_YES, 0, NOW + 2, &a), 0);
    assert_int_equal(a.id, id);
    assert_int_equal(kept(), 0);
    /* that was an approval like a person's */
    assert_int_equal(consult_said(ESTOC_ADVICE_NONE, 0, NOW + 3, &a), 0);
    assert_int_equal(a.id, id);
}

static void refused_after_all(void **state)
{
    (void)state;
    estoc_approval a;
    assert_int_equal(consult_said(ESTOC_ADVICE_FAILED, 0, NOW, &a), ESTOC_E_LATER);
    assert_int_equal(kept(), 1);
    assert_int_equal(consult_said(ESTOC_ADVICE_NO, 0, NOW, &a), ESTOC_E_FORBIDDEN);
    assert_int_equal(a.id, 0);
    assert_int_equal(kept(), 0);
}

/* What a person has decided the program is not asked about. */
static void by_a_person(void **state)
{
    (void)state;
    estoc_approval a;
    assert_int_equal(consult_said(ESTOC_ADVICE_LATER, 0, NOW, &a), ESTOC_E_LATER);
    decided(a.id, ESTOC_REJECTED, NOW);
    assert_int_equal(consult_said(ESTOC_ADVICE_NONE, 0, NOW, &a), ESTOC_E_FORBIDDEN);
    assert_int_equal(consult_said(ESTOC_ADVICE_YES, 0, NOW, &a), ESTOC_E_FORBIDDEN);
    decided(a.id, ESTOC_APPROVED, NOW);
    assert_int_equal(consult_said(ESTOC_ADVICE_NO, 0, NOW, &a), 0);
}

/* The limits of what waits hold for it, too. */
static void no_room_to_wait(void **state)
{
    (void)state;
    estoc_approval a;
    rules.per_client = 0;
    assert_int_equal(consult_said(ESTOC_ADVICE_LATER, 0, NOW, &a), ESTOC_E_QUOTA);
    rules.per_client = 1;
    rules.max = 0;
    assert_int_equal(consult_said(ESTOC_ADVICE_LATER, 0, NOW, &a), ESTOC_E_BUSY);
    assert_int_equal(consult_said(ESTOC_ADVICE_YES, 0, NOW, &a), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STORE("L2 182 it waits, and is told for how long", waits),
        WITH_STORE("L2 181 approved, and nothing but that", approved),
        WITH_STORE("L2 179 the same certificate again", the_same_certificate),
        WITH_STORE("L2 an expired one has used the approval up", expired),
        WITH_STORE("L2 and so has a revoked one", revoked),
        WITH_STORE("L2 and one that is not in the store", gone),
        WITH_STORE("L2 X2 an approval of a key", a_key),
        WITH_STORE("L2 rejected, and forgotten", rejected),
        WITH_STORE("L2 X11 too many of one, or of all", too_many),
        WITH_STORE("L2 a program is asked first, and its word is good once", asked_first),
        WITH_STORE("L2 what it leaves open waits", left_open),
        WITH_STORE("L2 what it refuses then waits no more", refused_after_all),
        WITH_STORE("L2 a person's decision comes before it", by_a_person),
        WITH_STORE("L2 X11 and what waits has its limits", no_room_to_wait),
        WITH_STORE("L2 a store that fails is an error", fails),
    };
    return cmocka_run_group_tests_name("authority/ca/approval", tests, set_up, tear_down);
}
