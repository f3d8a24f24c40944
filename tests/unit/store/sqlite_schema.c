/* SPDX-License-Identifier: MIT */
#include "folder.h"
#include "relay.h"

static void assert_refused(const char *word)
{
    estoc_store *s = (estoc_store *)&s;
    estoc_why why = {""};
    assert_int_equal(estoc_store_open(url, &s, &why), ESTOC_E_STORE);
    assert_null(s);
    assert_non_null(strstr(why.text, word));
}

static void later_schema(void **state)
{
    (void)state;
    estoc_store_close(open_store());
    alter("PRAGMA user_version = 999");
    assert_refused("schema 999");
}

static void another_database(void **state)
{
    (void)state;
    alter("CREATE TABLE recipes (id)");
    assert_refused("something else");
}

/* What estocd 0.1.0 wrote first, with a valid and a revoked certificate in it. */
static const char version_1[] =
    "CREATE TABLE cert (id INTEGER PRIMARY KEY, serial BLOB NOT NULL UNIQUE, profile TEXT NOT NULL,"
    " subject TEXT NOT NULL, identity BLOB NOT NULL, csr BLOB NOT NULL, key BLOB NOT NULL,"
    " issued_at INTEGER NOT NULL, not_before INTEGER NOT NULL, not_after INTEGER NOT NULL,"
    " revoked_at INTEGER NOT NULL, der BLOB NOT NULL);"
    "CREATE INDEX cert_request ON cert (identity, csr, profile, issued_at);"
    "CREATE INDEX cert_key ON cert (key);"
    "INSERT INTO cert VALUES (1, x'4a01', '', 'CN=a', zeroblob(32), zeroblob(32), zeroblob(32), "
    "1000,"
    " 900, 5000, 0, x'3000');"
    "INSERT INTO cert VALUES (2, x'4a02', 'p', 'CN=b', zeroblob(32), zeroblob(32), zeroblob(32), "
    "1001,"
    " 900, 5000, 1500, x'3000');"
    "PRAGMA user_version = 1;";

static void assert_migrated(estoc_store *s)
{
    estoc_record rec;
    estoc_blob cert;
    uint64_t n = 0;
    assert_int_equal(estoc_store_count(s, &n), ESTOC_OK);
    assert_int_equal(n, 2);
    int64_t revision = 0;
    assert_int_equal(estoc_store_revision(s, &revision), ESTOC_OK);
    assert_int_equal(revision, 2);
    assert_int_equal(estoc_store_by_serial(s, estoc_slice_of("\x4a\x02", 2), &rec, &cert),
                     ESTOC_OK);
    assert_string_equal(rec.subject, "CN=b");
    assert_int_equal(rec.revoked_at, 1500);
    assert_int_equal(rec.reason, ESTOC_CRL_UNSPECIFIED);
    estoc_blob_free(&cert);
    assert_int_equal(estoc_store_pending_count(s, NULL, &n), ESTOC_OK);
    assert_int_equal(n, 0);
}

static void from_version_1(void **state)
{
    (void)state;
    alter(version_1);
    estoc_store *s = open_store();
    assert_migrated(s);
    assert_int_equal(estoc_store_revoke(s, estoc_slice_of("\x4a\x01", 2), ESTOC_CRL_SUPERSEDED, 7),
                     ESTOC_OK);
    estoc_store_close(s);
    s = open_store(); /* and once only */
    estoc_store_close(s);
}

static void from_version_1_by_many(void **state)
{
    (void)state;
    pid_t children[4];
    alter(version_1);
    for (size_t i = 0; i < 4; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            estoc_store *s = NULL;
            _exit(estoc_store_open(url, &s, NULL) == ESTOC_OK ? 0 : 1);
        }
    }
    for (size_t i = 0; i < 4; i++) {
        int status = -1;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    estoc_store *s = open_store();
    assert_migrated(s);
    estoc_store_close(s);
}

/* What is new with version 4 is tables of its own. */
static void from_version_3(void **state)
{
    (void)state;
    alter(version_1);
    estoc_store_close(open_store());
    alter("DROP TABLE relay; DROP TABLE document; DROP TABLE health; PRAGMA user_version = 3");
    estoc_store *s = open_store();
    assert_migrated(s);
    assert_int_equal(estoc_relay_expire(s, INT64_MAX), ESTOC_OK);
    assert_int_equal(estoc_health_expire(s, "n", INT64_MAX), ESTOC_OK);
    assert_int_equal(estoc_document_put(s, "crts", &(estoc_document_kept){.none = true},
                                        estoc_slice_of(NULL, 0)),
                     ESTOC_OK);
    estoc_store_close(s);
}

/* A step that cannot be taken leaves what was there. */
static void half_a_step(void **state)
{
    (void)state;
    alter(version_1);
    alter("CREATE TABLE pending (id)");
    assert_refused("pending");
    alter("DROP TABLE pending");
    estoc_store *s = open_store();
    assert_migrated(s);
    estoc_store_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER("291 a later schema is refused", later_schema),
        IN_FOLDER("a database of something else is refused", another_database),
        IN_FOLDER("291 a store of version 1 is brought up to date", from_version_1),
        IN_FOLDER("291 a store of version 3, too", from_version_3),
        IN_FOLDER("291 by several at once", from_version_1_by_many),
        IN_FOLDER("291 all of it, or nothing", half_a_step),
    };
    return cmocka_run_group_tests_name("store/sqlite_schema", tests, NULL, NULL);
}
