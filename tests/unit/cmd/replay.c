/* SPDX-License-Identifier: MIT */
#include "../store/folder.h"

#include <estoc/cert.h>

#include "crypto.h"
#include "mint.h"
#include "replay.h"

static estoc_key *key;
static estoc_blob der;
static estoc_cert cert;
static estoc_replay replay;
static const uint8_t identity[32] = {1};
static const uint8_t csr[32] = {2};

static int begin(void **state)
{
    uint8_t name[64];
    estoc_mint mint = {.life_s = 3600};
    int rc = make_folder(state);
    estoc_log_file(fopen("/dev/null", "w"));
    if (estoc_key_generate(ESTOC_KEY_P256, &key) ||
        estoc_mint_name("dev", (estoc_buf){name, sizeof name}, &mint.subject.len)) {
        return -1;
    }
    mint.subject.ptr = name;
    mint.key = key;
    if (estoc_mint_cert(&mint, &der) || estoc_cert_parse(&cert, estoc_blob_slice(der))) {
        return -1;
    }
    replay = (estoc_replay){.store = open_store()};
    return rc;
}

static int end(void **state)
{
    estoc_store_close(replay.store);
    estoc_key_free(key);
    estoc_blob_free(&der);
    return remove_folder(state);
}

static estoc_audit_entry issued(void)
{
    return (estoc_audit_entry){.seq = 1,
                               .at = 1795600000,
                               .op = "sen",
                               .result = "issued",
                               .profile = "meters",
                               .policy = 1,
                               .subject = "CN=dev",
                               .serial = cert.serial,
                               .client_sha256 = {identity, 32},
                               .csr_sha256 = {csr, 32},
                               .cert = {der.ptr, der.len}};
}

static estoc_audit_entry revoked(void)
{
    return (estoc_audit_entry){.seq = 2,
                               .at = 1795600007,
                               .op = "revoke",
                               .result = "revoked",
                               .serial = cert.serial,
                               .reason = "keyCompromise"};
}

static void stored(estoc_record *rec, estoc_blob *bytes)
{
    assert_int_equal(estoc_store_by_serial(replay.store, cert.serial, rec, bytes), 0);
}

static void as_it_was(void **state)
{
    (void)state;
    estoc_record rec;
    estoc_blob bytes;
    uint8_t digest[32];
    estoc_audit_entry e = issued();
    assert_int_equal(estoc_replay_entry(&replay, &e), 0);
    stored(&rec, &bytes);
    assert_int_equal(rec.state, ESTOC_RECORD_ISSUED);
    assert_string_equal(rec.profile, "meters");
    assert_string_equal(rec.subject, "CN=dev");
    assert_int_equal(rec.policy, 0); /* this store has no such version */
    assert_int_equal(rec.issued_at, 1795600000);
    assert_int_equal(rec.not_before, cert.not_before);
    assert_int_equal(rec.not_after, cert.not_after);
    assert_memory_equal(rec.identity, identity, 32);
    assert_memory_equal(rec.csr, csr, 32);
    assert_int_equal(estoc_sha256(cert.spki.der, digest), 0);
    assert_memory_equal(rec.key, digest, 32);
    assert_true(estoc_slice_eq(estoc_blob_slice(bytes), estoc_blob_slice(der)));
    estoc_blob_free(&bytes);
    e = revoked();
    assert_int_equal(estoc_replay_entry(&replay, &e), 0);
    stored(&rec, &bytes);
    assert_int_equal(rec.revoked_at, 1795600007);
    assert_int_equal(rec.reason, ESTOC_CRL_KEY_COMPROMISE);
    estoc_blob_free(&bytes);
    e = issued(); /* again: nothing changes */
    assert_int_equal(estoc_replay_entry(&replay, &e), 0);
    e = revoked();
    assert_int_equal(estoc_replay_entry(&replay, &e), 0);
    assert_int_equal(replay.issued, 1);
    assert_int_equal(replay.issued_there, 1);
    assert_int_equal(replay.revoked, 1);
    assert_int_equal(replay.revoked_there, 1);
}

static void by_its_policy(void **state)
{
    (void)state;
    estoc_record rec;
    estoc_blob bytes;
    uint8_t digest[32] = {3};
    int64_t version;
    assert_int_equal(estoc_store_policy(replay.store, digest, "text", 1, &version), 0);
    estoc_audit_entry e = issued();
    e.policy = version;
    assert_int_equal(estoc_replay_entry(&replay, &e), 0);
    stored(&rec, &bytes);
    assert_int_equal(rec.policy, version);
    estoc_blob_free(&bytes);
}

/* The store was copied while the certificate was only an intent. */
static void an_intent(void **state)
{
    (void)state;
    estoc_blob bytes;
    uint8_t run[ESTOC_RUN_LEN] = {1};
    estoc_record rec = {.state = ESTOC_RECORD_INTENT,
                        .profile = "meters",
                        .subject = "CN=dev",
                        .issued_at = 1795600000,
                        .not_after = cert.not_after,
                        .cert = cert.tbs,
                        .serial_len = cert.serial.len};
    memcpy(rec.serial, cert.serial.ptr, cert.serial.len);
    estoc_intent intent = {.rec = &rec};
    assert_int_equal(estoc_store_intend(replay.store, "n1", run, &intent, 1), 0);
    assert_true(intent.taken);
    estoc_audit_entry e = issued();
    assert_int_equal(estoc_replay_entry(&replay, &e), 0);
    assert_int_equal(replay.issued, 1);
    stored(&rec, &bytes);
    assert_int_equal(rec.state, ESTOC_RECORD_ISSUED);
    assert_true(estoc_slice_eq(estoc_blob_slice(bytes), estoc_blob_slice(der)));
    estoc_blob_free(&bytes);
}

static void nothing_to_put(void **state)
{
    (void)state;
    static const char *const results[] = {"refused", "again",    "pending",  "failed",
                                          "renamed", "replayed", "a new one"};
    uint64_t n;
    for (size_t i = 0; i < sizeof results / sizeof results[0]; i++) {
        estoc_audit_entry e = issued();
        e.result = results[i];
        assert_int_equal(estoc_replay_entry(&replay, &e), 0);
    }
    assert_int_equal(estoc_store_count(replay.store, &n), 0);
    assert_int_equal(n, 0);
    estoc_audit_entry e = {.result = "approved"};
    assert_int_equal(estoc_replay_entry(&replay, &e), 0);
    e.result = "rejected";
    assert_int_equal(estoc_replay_entry(&replay, &e), 0);
    assert_int_equal(replay.decided, 2);
}

static void wrong(void **state)
{
    (void)state;
    static const uint8_t other[1] = {7};
    estoc_audit_entry e = issued();
    e.cert.len--;
    assert_int_equal(estoc_replay_entry(&replay, &e), ESTOC_E_MALFORMED);
    e = issued();
    e.cert = (estoc_slice){NULL, 0};
    assert_int_equal(estoc_replay_entry(&replay, &e), ESTOC_E_MALFORMED);
    e = issued();
    e.serial = estoc_slice_of(other, 1);
    assert_int_equal(estoc_replay_entry(&replay, &e), ESTOC_E_MALFORMED);
    e = issued();
    e.client_sha256.len = 0;
    assert_int_equal(estoc_replay_entry(&replay, &e), ESTOC_E_MALFORMED);
    e = issued();
    e.csr_sha256.len = 0;
    assert_int_equal(estoc_replay_entry(&replay, &e), ESTOC_E_MALFORMED);
    e = revoked();
    assert_int_equal(estoc_replay_entry(&replay, &e), ESTOC_E_NOT_FOUND);
    assert_int_equal(replay.unknown, 1);
    e.reason = "just so";
    assert_int_equal(estoc_replay_entry(&replay, &e), ESTOC_E_MALFORMED);
    e.reason = NULL;
    assert_int_equal(estoc_replay_entry(&replay, &e), ESTOC_E_MALFORMED);
    e = revoked();
    e.serial.len = 0;
    assert_int_equal(estoc_replay_entry(&replay, &e), ESTOC_E_MALFORMED);
    alter("DROP TABLE cert");
    e = issued();
    assert_int_equal(estoc_replay_entry(&replay, &e), ESTOC_E_STORE);
    e = revoked();
    assert_int_equal(estoc_replay_entry(&replay, &e), ESTOC_E_STORE);
}

#define IN_STORE(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_STORE(as_it_was),      IN_STORE(by_its_policy), IN_STORE(an_intent),
        IN_STORE(nothing_to_put), IN_STORE(wrong),
    };
    return cmocka_run_group_tests_name("cmd replay", tests, NULL, NULL);
}
