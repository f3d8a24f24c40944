/* SPDX-License-Identifier: MIT
 *
 * A CA with its store, and what comes of handing requests in.
 */
#ifndef ESTOC_TEST_OFFICE_H
#define ESTOC_TEST_OFFICE_H

#include <pthread.h>
#include <time.h>

#include "parties.h"

#include <sqlite3.h>

#include "store.h"

static struct party root, ca, device, other;
static FILE *log_file;

static inline const char *url(void)
{
    static char text[600];
    snprintf(text, sizeof text, "sqlite:%s", in_folder("ca.db"));
    return text;
}

static inline int set_up(void **state)
{
    int rc = folder_make(state);
    log_file = tmpfile();
    estoc_log_file(log_file);
    party_make(&root, (struct plan){.subject = "CN=Root", .ca = true});
    party_make(&ca, (struct plan){.subject = "CN=CA", .issuer = &root, .ca = true});
    party_make(&device, (struct plan){.subject = "CN=dev-1", .issuer = &root});
    party_make(&other, (struct plan){.subject = "CN=dev-2", .issuer = &root});
    return rc;
}

static inline int tear_down(void **state)
{
    party_drop(&root);
    party_drop(&ca);
    party_drop(&device);
    party_drop(&other);
    estoc_log_file(NULL);
    fclose(log_file);
    return folder_remove(state);
}

/* ------------------------------------------------------------------------------ opening and waiting */

static const uint8_t some_attributes[] = {0x30, 0x00};
static estoc_profile profiles[2];
static estoc_blobs chain;
static estoc_why why;

/* A configuration that is good; a test then spoils it. */
static inline estoc_ca_cfg good_cfg(void)
{
    static const char *const files[] = {"ca.db", "ca.db-wal", "ca.db-shm"};
    for (size_t i = 0; i < 3; i++) {
        unlink(in_folder(files[i]));
    }
    estoc_blobs_free(&chain);
    assert_int_equal(estoc_blobs_add(&chain, ca.cert.der), 0);
    assert_int_equal(estoc_blobs_add(&chain, root.cert.der), 0);
    profiles[0] = (estoc_profile){.name = "", .validity_s = HOUR};
    profiles[1] = (estoc_profile){.name = "meters",
                                  .validity_s = 10 * DAY,
                                  .attributes = {some_attributes, sizeof some_attributes}};
    memset(&why, 0, sizeof why);
    return (estoc_ca_cfg){.store_url = url(),
                          .chain = &chain,
                          .key = ca.key,
                          .profiles = profiles,
                          .profiles_n = 2,
                          .retry_window_s = HOUR,
                          .pending = {.max = 10, .per_client = 3, .keep_s = DAY}};
}

static inline estoc_authority *opened(const estoc_ca_cfg *cfg)
{
    estoc_authority *a = NULL;
    if (estoc_ca_open(cfg, &a, &why)) {
        fail_msg("%s", why.text);
    }
    return a;
}

static inline void closed(estoc_authority *a)
{
    a->ops->close(a);
    estoc_blobs_free(&chain);
}

/* What came of one enrollment. */
struct outcome {
    unsigned calls;
    estoc_err err;
    uint32_t retry_s;
    char text[80];
    struct bytes cert;
    bool durable; /* another handle saw the certificate while done() ran */
    bool hold;    /* done() waits until this is false */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

static inline bool in_store(estoc_slice der)
{
    estoc_store *s = NULL;
    estoc_cert cert;
    estoc_record rec;
    estoc_blob found;
    if (estoc_cert_parse(&cert, der) || estoc_store_open(url(), &s, NULL)) {
        return false;
    }
    bool there = !estoc_store_by_serial(s, cert.serial, &rec, &found) &&
                 estoc_slice_eq(estoc_blob_slice(found), der);
    estoc_blob_free(&found);
    estoc_store_close(s);
    return there;
}

static inline void done(void *ctx, const estoc_verdict *v)
{
    struct outcome *o = ctx;
    bool durable = v->err == ESTOC_OK && in_store(v->cert);
    pthread_mutex_lock(&lock);
    o->calls++;
    o->err = v->err;
    o->retry_s = v->retry_s;
    o->durable = durable;
    snprintf(o->text, sizeof o->text, "%s", v->text != NULL ? v->text : "");
    o->cert.len = v->cert.len < sizeof o->cert.ptr ? v->cert.len : 0;
    if (o->cert.len > 0) {
        memcpy(o->cert.ptr, v->cert.ptr, o->cert.len);
    }
    pthread_cond_broadcast(&changed);
    while (o->hold) {
        pthread_cond_wait(&changed, &lock);
    }
    pthread_mutex_unlock(&lock);
}

static inline void await(const struct outcome *o)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 30;
    pthread_mutex_lock(&lock);
    while (o->calls == 0) {
        assert_int_equal(pthread_cond_timedwait(&changed, &lock, &until), 0);
    }
    pthread_mutex_unlock(&lock);
}

static inline void let_go(struct outcome *o)
{
    pthread_mutex_lock(&lock);
    o->hold = false;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static inline estoc_err hand_in(estoc_authority *a, estoc_op op, const char *profile,
                                estoc_slice client_cert, const struct bytes *csr, struct outcome *o)
{
    const estoc_enrollment e = {.op = op,
                                .profile = profile,
                                .client_cert = client_cert,
                                .csr = bytes_slice(csr),
                                .peer = "[::1]:7",
                                .done = done,
                                .ctx = o};
    return a->ops->enroll(a, &e);
}

static inline struct outcome enroll(estoc_authority *a, estoc_op op, const char *profile,
                                    estoc_slice client_cert, const struct bytes *csr)
{
    struct outcome o = {.calls = 0};
    assert_int_equal(hand_in(a, op, profile, client_cert, csr, &o), 0);
    await(&o);
    assert_int_equal(o.calls, 1);
    if (o.err) {
        assert_int_equal(o.cert.len, 0);
        assert_in_range(strlen(o.text), 1, 64);
    } else {
        assert_true(o.durable);
        assert_string_equal(o.text, "");
    }
    return o;
}

static inline uint64_t stored(void)
{
    uint64_t n = 0;
    estoc_store *s = NULL;
    assert_int_equal(estoc_store_open(url(), &s, &why), 0);
    assert_int_equal(estoc_store_count(s, &n), 0);
    estoc_store_close(s);
    return n;
}

/* Whether a line of the log says all of these; the log is empty afterwards. */
static inline bool logged(const char *a, const char *b, const char *c)
{
    char line[1024];
    bool found = false;
    fflush(log_file);
    rewind(log_file);
    while (fgets(line, sizeof line, log_file) != NULL) {
        found |= strstr(line, a) != NULL && strstr(line, b) != NULL && strstr(line, c) != NULL;
    }
    rewind(log_file);
    assert_int_equal(ftruncate(fileno(log_file), 0), 0);
    return found;
}

#define SEN  ESTOC_OP_SEN
#define SREN ESTOC_OP_SREN

/* Past the store. */
static inline void alter(const char *statement)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(in_folder("ca.db"), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, statement, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

#endif
