/* SPDX-License-Identifier: MIT */
#include "parties.h"

#include <stdatomic.h>

#include <openssl/x509v3.h>
#include <sqlite3.h>

#include "publisher.h"

static struct party ca;
static const char *url;
static estoc_store *store;
static estoc_why why;
static estoc_blobs chain;

/* What was published, by the publisher's thread. */
static struct {
    atomic_uint n;
    atomic_llong number, revision;
    atomic_size_t bytes;
} seen;

static int set_up(void **state)
{
    static char text[600];
    int rc = folder_make(state);
    snprintf(text, sizeof text, "sqlite:%s", in_folder("ca.db"));
    url = text;
    party_make(&ca, (struct plan){.subject = "CN=CA", .ca = true});
    assert_int_equal(estoc_blobs_add(&chain, ca.cert.der), 0);
    return rc;
}

static int tear_down(void **state)
{
    estoc_blobs_free(&chain);
    party_drop(&ca);
    return folder_remove(state);
}

static int with_store(void **state)
{
    static const char *const files[] = {"ca.db", "ca.db-wal", "ca.db-shm", "crl.der"};
    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        unlink(in_folder(files[i]));
    }
    seen.n = 0;
    assert_int_equal(estoc_store_open(url, &store, &why), 0);
    return 0;
}

static int without_store(void **state)
{
    (void)state;
    estoc_store_close(store);
    return 0;
}

static void published(void *ctx, const estoc_crl_record *crl)
{
    assert_ptr_equal(ctx, &seen);
    seen.number = crl->number;
    seen.revision = crl->revision;
    seen.bytes = crl->der.len;
    seen.n++;
}

static estoc_publisher *opened(const char *file, uint32_t good_s)
{
    const estoc_publisher_cfg cfg = {.store_url = url,
                                     .chain = &chain,
                                     .key = ca.key,
                                     .good_s = good_s,
                                     .file = file,
                                     .published = published,
                                     .ctx = &seen};
    estoc_publisher *p = NULL;
    if (estoc_publisher_open(&cfg, &p, &why)) {
        fail_msg("%s", why.text);
    }
    return p;
}

static void revoke_one(uint8_t n)
{
    struct party device = {.key = ca.key}; /* saves making keys */
    party_make(&device, (struct plan){.subject = "CN=dev", .issuer = &ca});
    const estoc_record rec = {.serial = {n},
                              .serial_len = 1,
                              .state = ESTOC_RECORD_ISSUED,
                              .profile = "",
                              .subject = "CN=dev",
                              .csr = {n},
                              .not_after = device.cert.not_after,
                              .cert = device.cert.der};
    assert_int_equal(estoc_store_put(store, &rec), 0);
    assert_int_equal(
        estoc_store_revoke(store, estoc_slice_of(&n, 1), ESTOC_CRL_UNSPECIFIED, estoc_unix_s()), 0);
}

/* A second or two is promised; a busy machine may take its time. */
#define AWAIT(condition)                                    \
    do {                                                    \
        for (int n_ = 0; n_ < 2000 && !(condition); n_++) { \
            usleep(10000);                                  \
        }                                                   \
        assert_true(condition);                             \
    } while (0)

static size_t entries_in(const char *file)
{
    estoc_blob der;
    if (estoc_file_read(file, 1 << 20, &der)) {
        return SIZE_MAX;
    }
    const uint8_t *p = der.ptr;
    X509_CRL *crl = d2i_X509_CRL(NULL, &p, (long)der.len);
    assert_non_null(crl);
    STACK_OF(X509_REVOKED) *list = X509_CRL_get_REVOKED(crl);
    size_t n = list != NULL ? (size_t)sk_X509_REVOKED_num(list) : 0;
    X509_CRL_free(crl);
    estoc_blob_free(&der);
    return n;
}

static void after_each_revocation(void **state)
{
    (void)state;
    char file[512];
    snprintf(file, sizeof file, "%s", in_folder("crl.der"));
    estoc_publisher *p = opened(file, DAY);
    assert_int_equal(seen.n, 1); /* before anybody can ask for it */
    assert_int_equal(entries_in(file), 0);
    long long number = seen.number;
    for (uint8_t i = 1; i <= 3; i++) {
        revoke_one(i);
        AWAIT(seen.revision == i);
        assert_true(seen.number > number);
        number = seen.number;
        AWAIT(entries_in(file) == i);
    }
    assert_int_equal(seen.n, 4);
    estoc_publisher_close(p);
    /* the next one goes on with it, and writes it anew */
    unlink(file);
    p = opened(file, DAY);
    assert_int_equal(seen.n, 5);
    assert_int_equal(seen.number, number);
    assert_int_equal(entries_in(file), 3);
    estoc_publisher_close(p);
}

static void two_of_them(void **state)
{
    (void)state;
    estoc_publisher *p = opened("", DAY), *q = opened(NULL, DAY);
    assert_int_equal(seen.n, 2);
    revoke_one(1);
    AWAIT(seen.n >= 4);
    sleep(2);
    assert_int_equal(seen.n, 4); /* the same list, or one each, and then no more */
    estoc_publisher_close(q);
    estoc_publisher_close(p);
}

static void at_half_time(void **state)
{
    (void)state;
    estoc_publisher *p = opened("", 4);
    assert_int_equal(seen.n, 1);
    long long number = seen.number;
    AWAIT(seen.n >= 2);
    assert_true(seen.number >= number + 2);
    estoc_publisher_close(p);
}

static size_t lines_in(FILE *log)
{
    char line[1024];
    size_t n = 0;
    rewind(log);
    while (fgets(line, sizeof line, log) != NULL) {
        n += strstr(line, " error ") != NULL;
    }
    return n;
}

static void no_file(void **state)
{
    (void)state;
    char dir[512], file[600];
    FILE *log = tmpfile();
    estoc_log_file(log);
    snprintf(dir, sizeof dir, "%s", in_folder("sub"));
    snprintf(file, sizeof file, "%s/crl.der", dir);
    estoc_publisher *p = opened(file, DAY);
    assert_int_equal(seen.n, 1); /* all the same */
    estoc_log_file(NULL);
    assert_int_equal(lines_in(log), 1);
    estoc_log_file(log);
    assert_int_equal(mkdir(dir, 0700), 0);
    AWAIT(entries_in(file) == 0);
    assert_int_equal(seen.n, 1);
    estoc_publisher_close(p);
    estoc_log_file(NULL);
    fclose(log);
    unlink(file);
    rmdir(dir);
}

static void alter(const char *statement)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(in_folder("ca.db"), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, statement, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

/* From the start, and then as if nothing had been. */
static void store_fails(void **state)
{
    (void)state;
    FILE *log = tmpfile();
    estoc_log_file(log);
    alter("ALTER TABLE counter RENAME TO gone");
    estoc_publisher *p = opened("", DAY);
    assert_int_equal(seen.n, 0);
    alter("ALTER TABLE gone RENAME TO counter");
    AWAIT(seen.n == 1);
    estoc_publisher_close(p);
    estoc_log_file(NULL);
    assert_true(lines_in(log) > 0);
    fclose(log);
}

static void no_right_to(void **state)
{
    (void)state;
    struct party device = {.key = NULL};
    party_make(&device, (struct plan){.subject = "CN=dev", .issuer = &ca});
    estoc_blobs wrong = {NULL, 0};
    estoc_publisher_cfg cfg = {.store_url = url, .chain = &wrong, .key = device.key, .good_s = DAY};
    estoc_publisher *p = (estoc_publisher *)&cfg;
    assert_int_equal(estoc_publisher_open(&cfg, &p, &why), ESTOC_E_CONFIG);
    assert_null(p);
    assert_int_equal(estoc_blobs_add(&wrong, device.cert.der), 0);
    assert_int_equal(estoc_publisher_open(&cfg, &p, &why), ESTOC_E_CONFIG);
    assert_non_null(strstr(why.text, "cRLSign"));
    estoc_blobs_free(&wrong);
    party_drop(&device);
    estoc_publisher_close(NULL);
}

#define WITH_STORE(name, f)                      \
    {                                            \
        name, f, with_store, without_store, NULL \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STORE("HC 237 a list after each revocation, and after a restart",
                   after_each_revocation),
        WITH_STORE("HC 237 two on one store", two_of_them),
        WITH_STORE("HC 237 a list at half of its time", at_half_time),
        WITH_STORE("a file that cannot be written", no_file),
        WITH_STORE("a store that fails", store_fails),
        WITH_STORE("a certificate that may not sign lists", no_right_to),
    };
    return cmocka_run_group_tests_name("authority publisher", tests, set_up, tear_down);
}
