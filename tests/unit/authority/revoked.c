/* SPDX-License-Identifier: MIT */
#include "parties.h"

#include <unistd.h>

#include <sqlite3.h>

#include "revoked.h"

static struct party ca, devices[3];
static const char *url;
static estoc_store *store;
static estoc_why why;

static int set_up(void **state)
{
    static char text[600];
    int rc = folder_make(state);
    snprintf(text, sizeof text, "sqlite:%s", in_folder("ca.db"));
    url = text;
    party_make(&ca, (struct plan){.subject = "CN=CA", .ca = true});
    for (size_t i = 0; i < 3; i++) {
        party_make(&devices[i], (struct plan){.subject = "CN=dev", .issuer = &ca});
    }
    return rc;
}

static int tear_down(void **state)
{
    party_drop(&ca);
    for (size_t i = 0; i < 3; i++) {
        party_drop(&devices[i]);
    }
    return folder_remove(state);
}

static void put(estoc_slice serial, estoc_slice der)
{
    estoc_record rec = {.serial_len = serial.len,
                        .state = ESTOC_RECORD_ISSUED,
                        .profile = "",
                        .subject = "CN=dev",
                        .not_after = 5000,
                        .cert = der};
    memcpy(rec.serial, serial.ptr, serial.len);
    assert_int_equal(estoc_store_put(store, &rec), 0);
}

static int with_store(void **state)
{
    static const char *const files[] = {"ca.db", "ca.db-wal", "ca.db-shm"};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        unlink(in_folder(files[i]));
    }
    assert_int_equal(estoc_store_open(url, &store, &why), 0);
    for (size_t i = 0; i < 3; i++) {
        put(devices[i].cert.serial, devices[i].cert.der);
    }
    return 0;
}

static int without_store(void **state)
{
    (void)state;
    estoc_store_close(store);
    return 0;
}

static void revoke_at(size_t i)
{
    assert_int_equal(estoc_store_revoke(store, devices[i].cert.serial, ESTOC_CRL_UNSPECIFIED, 1000),
                     0);
}

static estoc_revoked *opened(void)
{
    estoc_revoked *r = NULL;
    if (estoc_revoked_open(url, &r, &why)) {
        fail_msg("%s", why.text);
    }
    return r;
}

/* A second is promised; a busy machine may take its time. */
static void await(estoc_revoked *r, size_t i)
{
    for (int n = 0; n < 1000 && !estoc_revoked_has(r, devices[i].cert.der); n++) {
        usleep(10000);
    }
    assert_true(estoc_revoked_has(r, devices[i].cert.der));
}

static void knows_from_the_start(void **state)
{
    (void)state;
    revoke_at(0);
    revoke_at(2);
    estoc_revoked *r = opened();
    assert_true(estoc_revoked_has(r, devices[0].cert.der));
    assert_false(estoc_revoked_has(r, devices[1].cert.der));
    assert_true(estoc_revoked_has(r, devices[2].cert.der));
    assert_false(estoc_revoked_has(r, ca.cert.der));
    estoc_revoked_close(r);
}

static void learns(void **state)
{
    (void)state;
    estoc_revoked *r = opened();
    assert_false(estoc_revoked_has(r, devices[1].cert.der));
    revoke_at(1);
    await(r, 1);
    assert_false(estoc_revoked_has(r, devices[0].cert.der));
    revoke_at(0);
    await(r, 0);
    estoc_revoked_close(r);
}

/* With the write lock held, it still reads. */
static void while_another_writes(void **state)
{
    (void)state;
    estoc_store *other = NULL;
    estoc_revoked *r = opened();
    revoke_at(1);
    assert_int_equal(estoc_store_open(url, &other, &why), 0);
    assert_int_equal(estoc_store_begin(other), 0);
    await(r, 1);
    estoc_store_rollback(other);
    estoc_store_close(other);
    estoc_revoked_close(r);
}

static void what_cannot_be_read(void **state)
{
    (void)state;
    static const uint8_t junk[] = {0x30, 0x01, 0x00};
    estoc_slice bytes = estoc_slice_of(junk, sizeof junk);
    estoc_revoked *r = opened();
    assert_false(estoc_revoked_has(r, bytes)); /* nothing is revoked at all */
    put(estoc_slice_of("\x01", 1), bytes);
    assert_int_equal(
        estoc_store_revoke(store, estoc_slice_of("\x01", 1), ESTOC_CRL_UNSPECIFIED, 1000), 0);
    revoke_at(1);
    await(r, 1); /* one that we cannot read hides no other */
    assert_true(estoc_revoked_has(r, bytes));
    assert_true(estoc_revoked_has(r, estoc_slice_of(NULL, 0)));
    assert_false(estoc_revoked_has(r, devices[0].cert.der));
    estoc_revoked_close(r);
}

/* More than the first room for them. */
static void many(void **state)
{
    (void)state;
    estoc_revoked *r = opened();
    assert_int_equal(estoc_store_begin(store), 0);
    for (uint8_t i = 0; i < 200; i++) {
        const uint8_t serial[] = {0x11, i};
        struct party p = {.key = ca.key}; /* saves making keys */
        party_make(&p, (struct plan){.subject = "CN=x", .issuer = &ca});
        put(estoc_slice_of(serial, 2), p.cert.der);
        assert_int_equal(
            estoc_store_revoke(store, estoc_slice_of(serial, 2), ESTOC_CRL_SUPERSEDED, 1000), 0);
    }
    revoke_at(2);
    assert_int_equal(estoc_store_commit(store), 0);
    await(r, 2);
    assert_false(estoc_revoked_has(r, devices[0].cert.der));
    estoc_revoked_close(r);
}

/* What was known stays known, and what comes after the failure is learned. */
static void store_fails(void **state)
{
    (void)state;
    sqlite3 *db;
    FILE *log = tmpfile();
    assert_non_null(log);
    estoc_log_file(log);
    revoke_at(0);
    estoc_revoked *r = opened();
    assert_int_equal(sqlite3_open(in_folder("ca.db"), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "ALTER TABLE counter RENAME TO gone", NULL, NULL, NULL),
                     SQLITE_OK);
    for (int n = 0; n < 1000 && ftell(log) == 0; n++) {
        usleep(10000);
        fseek(log, 0, SEEK_END);
    }
    assert_true(ftell(log) > 0);
    assert_true(estoc_revoked_has(r, devices[0].cert.der));
    assert_false(estoc_revoked_has(r, devices[1].cert.der));
    assert_int_equal(sqlite3_exec(db, "ALTER TABLE gone RENAME TO counter", NULL, NULL, NULL),
                     SQLITE_OK);
    sqlite3_close(db);
    revoke_at(1);
    await(r, 1);
    estoc_revoked_close(r);
    estoc_log_file(NULL);
    fclose(log);
}

static void no_store(void **state)
{
    (void)state;
    estoc_revoked *r = (estoc_revoked *)&r;
    assert_int_equal(estoc_revoked_open("sqlite:/nonexistent/x.db", &r, &why), ESTOC_E_STORE);
    assert_null(r);
    assert_non_null(strstr(why.text, "/nonexistent/x.db"));
    estoc_revoked_close(NULL);
}

#define WITH_STORE(name, f)                      \
    {                                            \
        name, f, with_store, without_store, NULL \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STORE("D8 the revoked are known from the start", knows_from_the_start),
        WITH_STORE("D8 and those that come", learns),
        WITH_STORE("D8 also while another process writes", while_another_writes),
        WITH_STORE("D8 what cannot be read is not trusted, and hides no other",
                   what_cannot_be_read),
        WITH_STORE("D8 many", many),
        WITH_STORE("D8 a store that fails takes nothing back", store_fails),
        WITH_STORE("D8 no store is an error", no_store),
    };
    return cmocka_run_group_tests_name("authority/ca/revoked", tests, set_up, tear_down);
}
