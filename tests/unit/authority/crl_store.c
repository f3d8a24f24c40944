/* SPDX-License-Identifier: MIT */
#include "parties.h"

#include <errno.h>
#include <pthread.h>

#include <libpq-fe.h>
#include <openssl/x509.h>
#include <sqlite3.h>

#include "crl_store.h"

#define NOW  INT64_C(1750000000)
#define GOOD (7 * DAY)

static struct party ca, other;
static const char *url;
static estoc_store *store;
static estoc_why why;

static const char *database(void)
{
    return getenv("ESTOC_TEST_STORE");
}

static int set_up(void **state)
{
    static char text[600];
    int rc = folder_make(state);
    if (database() != NULL) {
        snprintf(text, sizeof text, "%s?options=-csearch_path%%3Dlists", database());
    } else {
        snprintf(text, sizeof text, "sqlite:%s", in_folder("ca.db"));
    }
    url = text;
    party_make(&ca, (struct plan){.subject = "CN=CA", .ca = true});
    party_make(&other, (struct plan){.subject = "CN=Other CA", .ca = true});
    return rc;
}

static int tear_down(void **state)
{
    party_drop(&ca);
    party_drop(&other);
    return folder_remove(state);
}

/* Past the store. */
static void alter(const char *statement)
{
    sqlite3 *db;
    if (database() != NULL) {
        PGconn *conn = PQconnectdb(strncmp(statement, "DROP", 4) == 0 ? database() : url);
        PGresult *res = PQexec(conn, statement);
        assert_int_equal(PQresultStatus(res), PGRES_COMMAND_OK);
        PQclear(res);
        PQfinish(conn);
        return;
    }
    assert_int_equal(sqlite3_open(in_folder("ca.db"), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, statement, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static int with_store(void **state)
{
    static const char *const files[] = {"ca.db", "ca.db-wal", "ca.db-shm"};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        unlink(in_folder(files[i]));
    }
    if (database() != NULL) {
        alter("DROP SCHEMA IF EXISTS lists CASCADE; CREATE SCHEMA lists");
    }
    assert_int_equal(estoc_store_open(url, &store, &why), 0);
    return 0;
}

static int without_store(void **state)
{
    (void)state;
    estoc_store_close(store);
    return 0;
}

static estoc_crl_rules rules_of(const struct party *issuer)
{
    return (estoc_crl_rules){.issuer = issuer->cert, .key = issuer->key, .good_s = GOOD};
}

/* A record of a certificate by this CA, revoked. @param n  its serial number, up to 127 */
static void put_revoked(const struct party *issuer, uint8_t n, estoc_record_state state,
                        int64_t not_after)
{
    static struct party device;
    device.key = issuer->key; /* saves making keys */
    party_make(&device, (struct plan){.subject = "CN=dev", .issuer = issuer});
    estoc_record rec = {.serial = {n},
                        .serial_len = 1,
                        .state = state,
                        .profile = "",
                        .subject = "CN=dev",
                        .csr = {n},
                        .not_after = not_after,
                        .cert = state == ESTOC_RECORD_ISSUED ? device.cert.der : device.cert.tbs};
    assert_int_equal(estoc_store_put(store, &rec), 0);
    assert_int_equal(
        estoc_store_revoke(store, estoc_slice_of(&n, 1), ESTOC_CRL_SUPERSEDED, NOW - 5), 0);
}

/* The serial numbers on a list, one character each. */
static const char *entries(estoc_slice der)
{
    static char text[300];
    const uint8_t *p = der.ptr;
    X509_CRL *crl = d2i_X509_CRL(NULL, &p, (long)der.len);
    STACK_OF(X509_REVOKED) *list = X509_CRL_get_REVOKED(crl);
    int n = list != NULL ? sk_X509_REVOKED_num(list) : 0;
    for (int i = 0; i < n; i++) {
        text[i] =
            (char)ASN1_INTEGER_get(X509_REVOKED_get0_serialNumber(sk_X509_REVOKED_value(list, i)));
    }
    text[n] = '\0';
    X509_CRL_free(crl);
    return text;
}

static int64_t made(const struct party *issuer, int64_t now, const char *want)
{
    estoc_crl_rules rules = rules_of(issuer);
    estoc_crl_record crl;
    estoc_blob der;
    assert_int_equal(estoc_crl_make(store, &rules, now, &crl, &der), 0);
    assert_ptr_equal(crl.der.ptr, der.ptr);
    assert_string_equal(entries(crl.der), want);
    assert_int_equal(crl.this_update, now);
    assert_int_equal(crl.next_update, now + GOOD);
    estoc_blob_free(&der);
    return crl.number;
}

/* @return the number of the list that will do; 0: none */
static int64_t found(const struct party *issuer, int64_t now)
{
    estoc_crl_rules rules = rules_of(issuer);
    estoc_crl_record crl;
    estoc_blob der;
    estoc_err err = estoc_crl_find(store, &rules, now, &crl, &der);
    assert_true(!err || err == ESTOC_E_NOT_FOUND);
    assert_true(err ? der.ptr == NULL && crl.number == 0 : crl.der.len == der.len);
    estoc_blob_free(&der);
    return crl.number;
}

static void as_long_as_it_will_do(void **state)
{
    (void)state;
    assert_int_equal(found(&ca, NOW), 0);
    assert_int_equal(made(&ca, NOW, ""), NOW); /* a time: no list of a lost store had more */
    assert_int_equal(found(&ca, NOW), NOW);
    assert_int_equal(found(&ca, NOW + GOOD / 2 - 1), NOW);
    assert_int_equal(found(&ca, NOW + GOOD / 2), 0);
    assert_int_equal(found(&ca, NOW - 1), 0); /* nobody takes it: the clock went back */
    put_revoked(&ca, 'a', ESTOC_RECORD_ISSUED, NOW + DAY);
    assert_int_equal(found(&ca, NOW), 0);
    assert_int_equal(made(&ca, NOW, "a"), NOW + 1);
    assert_int_equal(found(&ca, NOW), NOW + 1);
    assert_int_equal(made(&ca, NOW - 1000, "a"), NOW + 2); /* HC 287: never back */
    assert_int_equal(made(&ca, NOW + 1000, "a"), NOW + 1000);
}

static void whose_it_is(void **state)
{
    (void)state;
    put_revoked(&ca, 'a', ESTOC_RECORD_ISSUED, NOW + DAY);
    put_revoked(&other, 'b', ESTOC_RECORD_ISSUED, NOW + DAY);
    put_revoked(&ca, 'c', ESTOC_RECORD_VOID, NOW + DAY); /* HC 321: it may have been signed */
    put_revoked(&ca, 'd', ESTOC_RECORD_INTENT, NOW + DAY);
    int64_t n = made(&ca, NOW, "acd");
    assert_int_equal(found(&ca, NOW), n);
    assert_int_equal(found(&other, NOW), 0); /* another name */
    assert_true(made(&other, NOW, "b") > n);
    assert_int_equal(found(&ca, NOW), 0);
    /* a new key of the same name: its list has the old key's certificates as well */
    struct party next = {.key = NULL};
    party_make(&next, (struct plan){.subject = "CN=CA", .ca = true});
    n = made(&ca, NOW, "acd");
    assert_int_equal(found(&ca, NOW), n);
    assert_int_equal(found(&next, NOW), 0);
    assert_true(made(&next, NOW, "acd") > n);
    party_drop(&next);
}

/* RFC 5280 section 3.3 */
static void what_has_expired(void **state)
{
    (void)state;
    put_revoked(&ca, 'a', ESTOC_RECORD_ISSUED, NOW - 10); /* over before it was ever on a list */
    put_revoked(&ca, 'b', ESTOC_RECORD_ISSUED, NOW + 10);
    put_revoked(&ca, 'c', ESTOC_RECORD_ISSUED, NOW + DAY);
    (void)made(&ca, NOW, "abc");
    (void)made(&ca, NOW + 20, "bc"); /* b: for the first time since its end */
    put_revoked(&ca, 'd', ESTOC_RECORD_ISSUED, NOW + 5);
    (void)made(&ca, NOW + 30, "cd");
    (void)made(&ca, NOW + 40, "c");
    (void)made(&ca, NOW + 2 * DAY, "c"); /* the clock runs ahead, */
    (void)made(&ca, NOW + 2 * DAY + 1, "");
    (void)made(&ca, NOW + 50, "c"); /* and is put right */
    (void)made(&other, NOW + 60, "");
    (void)made(&ca, NOW + 70, "abcd"); /* who knows what was on the last one of this name */
}

static void given_up(void **state)
{
    (void)state;
    atomic_bool give_up = true;
    estoc_crl_rules rules = rules_of(&ca);
    estoc_crl_record crl;
    estoc_blob der;
    rules.give_up = &give_up;
    put_revoked(&ca, 'a', ESTOC_RECORD_ISSUED, NOW + DAY);
    assert_int_equal(estoc_crl_make(store, &rules, NOW, &crl, &der), ESTOC_E_BUSY);
    assert_null(der.ptr);
    give_up = false;
    assert_int_equal(estoc_crl_make(store, &rules, NOW, &crl, &der), 0);
    assert_int_equal(crl.number, NOW); /* none was lost */
    estoc_blob_free(&der);
}

/* A time that cannot be written: like a key that cannot sign, it fails after the number was taken. */
static void not_signed(void **state)
{
    (void)state;
    estoc_crl_record crl;
    estoc_blob der;
    estoc_crl_rules rules = rules_of(&ca);
    assert_int_equal(estoc_crl_make(store, &rules, INT64_C(300000000000), &crl, &der),
                     ESTOC_E_USAGE);
    assert_null(der.ptr);
    assert_int_equal(made(&ca, NOW, ""), NOW);
}

static void store_fails(void **state)
{
    (void)state;
    estoc_crl_record crl;
    estoc_blob der = {(uint8_t *)&crl, 1};
    estoc_crl_rules rules = rules_of(&ca);
    FILE *log = tmpfile();
    estoc_log_file(log);
    alter("ALTER TABLE counter RENAME TO gone");
    assert_int_equal(estoc_crl_find(store, &rules, NOW, &crl, &der), ESTOC_E_STORE);
    assert_null(der.ptr);
    assert_int_equal(estoc_crl_make(store, &rules, NOW, &crl, &der), ESTOC_E_STORE);
    assert_null(der.ptr);
    alter("ALTER TABLE gone RENAME TO counter");
    alter("ALTER TABLE crl RENAME TO gone");
    assert_int_equal(estoc_crl_make(store, &rules, NOW, &crl, &der), ESTOC_E_STORE);
    alter("ALTER TABLE gone RENAME TO crl");
    assert_int_equal(made(&ca, NOW, ""), NOW);
    estoc_log_file(NULL);
    fclose(log);
}

/* ---- several at once ---- */

enum { MAKERS = 3, ROUNDS = 25 };

static void *maker(void *arg)
{
    estoc_store *s;
    int64_t *taken = arg, number = 0, revision = 0;
    estoc_crl_rules rules = rules_of(&ca);
    assert_int_equal(estoc_store_open(url, &s, &why), 0);
    for (int i = 0; i < ROUNDS; i++) {
        estoc_crl_record crl;
        estoc_blob der;
        int64_t before = 0;
        assert_int_equal(estoc_store_revision(s, &before), 0);
        assert_int_equal(estoc_crl_make(s, &rules, NOW, &crl, &der), 0);
        assert_true(crl.number > number);
        assert_true(crl.revision >= before && crl.revision >= revision);
        number = crl.number;
        revision = crl.revision;
        estoc_blob_free(&der);
        *taken = number;
    }
    estoc_store_close(s);
    return NULL;
}

static void at_once(void **state)
{
    (void)state;
    pthread_t threads[MAKERS];
    int64_t taken[MAKERS];
    for (size_t i = 0; i < MAKERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, maker, &taken[i]), 0);
    }
    char want[32] = "";
    for (uint8_t i = 0; i < 20; i++) {
        put_revoked(&ca, (uint8_t)('a' + i), ESTOC_RECORD_ISSUED, NOW + DAY);
        want[i] = (char)('a' + i);
    }
    for (size_t i = 0; i < MAKERS; i++) {
        pthread_join(threads[i], NULL);
    }
    int64_t last = made(&ca, NOW, want);
    for (size_t i = 0; i < MAKERS; i++) {
        assert_true(last > taken[i]);
    }
}

static void files(void **state)
{
    (void)state;
    estoc_slice bytes = estoc_slice_str("0 a list");
    char text[256] = "";
    assert_int_equal(estoc_crl_write(in_folder("x.der"), bytes), 0);
    FILE *f = fopen(in_folder("x.der"), "r");
    assert_int_equal(fread(text, 1, sizeof text, f), bytes.len);
    assert_memory_equal(text, bytes.ptr, bytes.len);
    fclose(f);
    struct stat st;
    assert_int_equal(stat(in_folder("x.der"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0644);
    assert_int_equal(estoc_crl_write(in_folder("x.pem"), bytes), 0);
    f = fopen(in_folder("x.pem"), "r");
    assert_non_null(fgets(text, sizeof text, f));
    assert_string_equal(text, "-----BEGIN X509 CRL-----\n");
    fclose(f);
    assert_int_equal(estoc_crl_write("/nonexistent/x.pem", bytes), ESTOC_E_FILE);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(estoc_crl_write("/nonexistent/x", bytes), ESTOC_E_FILE);
}

#define WITH_STORE(name, f)                      \
    {                                            \
        name, f, with_store, without_store, NULL \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STORE("HC 237 HC 287 a list, as long as it will do", as_long_as_it_will_do),
        WITH_STORE("HC 237 HC 321 whose certificates are on it", whose_it_is),
        WITH_STORE("HC 237 what has expired is on one more list", what_has_expired),
        WITH_STORE("a list that is given up", given_up),
        WITH_STORE("a list that is not signed takes no number", not_signed),
        WITH_STORE("a store that fails", store_fails),
        WITH_STORE("HC 287 several make lists at once", at_once),
        cmocka_unit_test(files),
    };
    return cmocka_run_group_tests_name("authority crl_store", tests, set_up, tear_down);
}
