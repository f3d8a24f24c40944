/* SPDX-License-Identifier: MIT
 *
 * What is so of a store in a file only.
 */
#include "folder.h"

static void files_are_private(void **state)
{
    (void)state;
    mode_t old = umask(0);
    estoc_store *s = open_store();
    int64_t version;
    const uint8_t digest[32] = {1};
    assert_int_equal(estoc_store_policy(s, digest, "", 1, &version), ESTOC_OK); /* any change */
    umask(old);
    static const char *const ends[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        char name[128];
        struct stat st;
        snprintf(name, sizeof name, "%s%s", path, ends[i]);
        assert_int_equal(stat(name, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
    }
    estoc_store_close(s);
}

static void refuse_open(const char *at, estoc_err want, const char *word)
{
    estoc_store *s = (estoc_store *)&s;
    estoc_why why = {""};
    assert_int_equal(estoc_store_open(at, &s, &why), want);
    assert_null(s);
    assert_non_null(strstr(why.text, word));
}

static void not_a_database(void **state)
{
    (void)state;
    static const char text[] = "this is a text file, and longer than a header of a database file "
                               "would be, so that nothing takes it for a new one: it is none.";
    assert_int_equal(estoc_file_write(path, estoc_slice_str(text), 0600), ESTOC_OK);
    refuse_open(url, ESTOC_E_STORE, "not a database");
}

static void no_folder(void **state)
{
    (void)state;
    refuse_open("sqlite:/nonexistent/store.db", ESTOC_E_STORE, "No such file");
}

static void other_kinds(void **state)
{
    (void)state;
    refuse_open("postgres:host", ESTOC_E_CONFIG, "sqlite:PATH");
    refuse_open("sqlite:", ESTOC_E_CONFIG, "sqlite:PATH");
    refuse_open("/tmp/x", ESTOC_E_CONFIG, "sqlite:PATH");
}

static void write_lock_held(void **state)
{
    (void)state;
    estoc_store *s = open_store();
    estoc_store *other = open_store();
    FILE *null = fopen("/dev/null", "w");
    assert_non_null(null);
    estoc_log_file(null);
    assert_int_equal(estoc_store_begin(other), ESTOC_OK);
    assert_int_equal(estoc_store_begin(s), ESTOC_E_STORE);
    assert_int_equal(estoc_store_commit(other), ESTOC_OK);
    assert_int_equal(estoc_store_begin(s), ESTOC_OK);
    estoc_store_rollback(s);
    estoc_log_file(NULL);
    fclose(null);
    estoc_store_close(other);
    estoc_store_close(s);
}

static void claims(void **state)
{
    (void)state;
    estoc_store_claim first, second;
    char lock[128];
    estoc_why why = {""};
    assert_int_equal(estoc_store_claim_url(url, &first, &why), 0);
    assert_int_equal(estoc_store_claim_url(url, &second, &why), ESTOC_E_BUSY);
    assert_non_null(strstr(why.text, "another estocd"));
    estoc_store_unclaim(&second);
    estoc_store_unclaim(&first);
    assert_int_equal(estoc_store_claim_url(url, &second, &why), 0);
    estoc_store_unclaim(&second);
    assert_int_equal(estoc_store_claim_url("sqlite:/nonexistent/x", &first, &why), ESTOC_E_STORE);
    assert_int_equal(estoc_store_claim_url("postgresql://h/d", &first, &why), 0);
    assert_int_equal(first.fd, -1);
    snprintf(lock, sizeof lock, "%s-lock", path);
    assert_int_equal(unlink(lock), 0);
}

static bool count_pending(void *ctx, const estoc_pending *p)
{
    (void)p;
    ++*(unsigned *)ctx;
    return true;
}

static void spoiled(void **state)
{
    (void)state;
    estoc_store *s = open_store();
    FILE *null = fopen("/dev/null", "w");
    assert_non_null(null);
    estoc_log_file(null);
    unsigned seen = 0;
    int64_t id;
    estoc_pending p = {.identity = {1}, .csr = {1}, .profile = "", .op = "sen", .subject = "CN=a"};
    assert_int_equal(estoc_store_pend(s, &p, &id), ESTOC_OK);
    alter("UPDATE pending SET serial = zeroblob(21)");
    assert_int_equal(estoc_store_pending_find(s, &p), ESTOC_E_STORE);
    assert_int_equal(estoc_store_pending_each(s, 0, count_pending, &seen), ESTOC_E_STORE);
    alter("UPDATE pending SET serial = x'', identity = x'00'");
    assert_int_equal(estoc_store_pending_each(s, 0, count_pending, &seen), ESTOC_E_STORE);
    assert_int_equal(seen, 0);
    alter("DROP TABLE pending");
    uint64_t n;
    assert_int_equal(estoc_store_pend(s, &p, &id), ESTOC_E_STORE);
    assert_int_equal(estoc_store_pending_count(s, NULL, &n), ESTOC_E_STORE);
    assert_int_equal(estoc_store_decide(s, 1, ESTOC_APPROVED, 1), ESTOC_E_STORE);
    assert_int_equal(estoc_store_pending_issued(s, 1, estoc_slice_of("a", 1)), ESTOC_E_STORE);
    assert_int_equal(estoc_store_pending_drop(s, 1), ESTOC_E_STORE);
    assert_int_equal(estoc_store_pending_expire(s, 1), ESTOC_E_STORE);
    estoc_log_file(NULL);
    fclose(null);
    estoc_store_close(s);
}

static bool count_records(void *ctx, const estoc_record *rec)
{
    (void)rec;
    ++*(unsigned *)ctx;
    return true;
}

static void spoiled_record(void **state)
{
    (void)state;
    estoc_store *s = open_store();
    FILE *null = fopen("/dev/null", "w");
    assert_non_null(null);
    estoc_log_file(null);
    unsigned seen = 0;
    estoc_record out;
    estoc_blob cert;
    const estoc_record rec = {.serial = {0x4a}, .serial_len = 1, .profile = "", .subject = "CN=a"};
    assert_int_equal(estoc_store_put(s, &rec), ESTOC_OK);
    alter("UPDATE cert SET identity = x'00'");
    assert_int_equal(estoc_store_by_serial(s, estoc_slice_of(rec.serial, 1), &out, &cert),
                     ESTOC_E_STORE);
    assert_int_equal(estoc_store_each(s, NULL, count_records, &seen), ESTOC_E_STORE);
    assert_int_equal(seen, 0);
    assert_non_null(strstr(estoc_store_why(s), "has not written"));
    estoc_log_file(NULL);
    fclose(null);
    estoc_store_close(s);
}

/* The file may come back, or not: nothing is written where nobody looks for it. */
static void moved(void **state)
{
    (void)state;
    char away[128];
    estoc_store *s = open_store();
    estoc_store *again = NULL;
    estoc_why why = {""};
    FILE *null = fopen("/dev/null", "w");
    assert_non_null(null);
    estoc_log_file(null);
    snprintf(away, sizeof away, "%s.away", path);
    assert_int_equal(estoc_store_begin(s), ESTOC_OK);
    assert_int_equal(rename(path, away), 0);
    assert_int_equal(estoc_store_commit(s), ESTOC_E_STORE);
    assert_non_null(strstr(estoc_store_why(s), "moved"));
    estoc_store_rollback(s);
    assert_int_equal(estoc_store_begin(s), ESTOC_E_STORE);
    assert_int_equal(estoc_store_begin_snapshot(s), ESTOC_E_STORE);
    assert_int_equal(estoc_store_open_again(url, &again, &why), ESTOC_E_STORE);
    assert_null(again);
    assert_non_null(strstr(why.text, "put it back"));
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(rename(away, path), 0);
    assert_int_equal(estoc_store_begin(s), ESTOC_OK);
    estoc_store_rollback(s);
    assert_int_equal(estoc_store_open_again(url, &again, &why), ESTOC_OK);
    estoc_store_close(again);
    estoc_log_file(NULL);
    fclose(null);
    estoc_store_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER("the files are for their owner only", files_are_private),
        IN_FOLDER("a file that is no database is refused", not_a_database),
        IN_FOLDER("no folder is an error that names the file", no_folder),
        IN_FOLDER("other kinds of store are refused", other_kinds),
        IN_FOLDER("284 a held write lock is an error, and passes", write_lock_held),
        IN_FOLDER("284 one server on a store", claims),
        IN_FOLDER("284 a file that is moved away is an error until it is back", moved),
        IN_FOLDER("a request that was not written by us, or is gone, is an error", spoiled),
        IN_FOLDER("a record that was not written by us is an error", spoiled_record),
    };
    return cmocka_run_group_tests_name("store/sqlite", tests, NULL, NULL);
}
