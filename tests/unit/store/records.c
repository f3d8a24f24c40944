/* SPDX-License-Identifier: MIT */
#include "folder.h"

static const uint8_t certificate[] = {0x30, 0x03, 0x02, 0x01, 0x07};

/* The n-th of a family: serial n, request n, key n, one identity. */
static estoc_record record(uint8_t n, const char *subject)
{
    estoc_record r = {.serial = {0x4a, n},
                      .state = ESTOC_RECORD_ISSUED,
                      .serial_len = 2,
                      .profile = "",
                      .subject = subject,
                      .identity = {1},
                      .csr = {n},
                      .key = {0xee, n},
                      .issued_at = 1000 + n,
                      .not_before = 900,
                      .not_after = 5000,
                      .cert = estoc_slice_of(certificate, sizeof certificate)};
    return r;
}

static void put(estoc_store *s, uint8_t n, const char *subject)
{
    estoc_record r = record(n, subject);
    assert_int_equal(estoc_store_put(s, &r), ESTOC_OK);
}

static uint64_t count(estoc_store *s)
{
    uint64_t n = 99;
    assert_int_equal(estoc_store_count(s, &n), ESTOC_OK);
    return n;
}

static void keeps_a_record(void **state)
{
    (void)state;
    estoc_store *s = open_store();
    estoc_record in = record(1, "CN=sensor-1");
    in.profile = "plant";
    in.revoked_at = 4711;
    in.reason = ESTOC_CRL_CESSATION;
    assert_int_equal(estoc_store_put(s, &in), ESTOC_OK);
    estoc_store_close(s);
    s = open_store();
    estoc_record out;
    estoc_blob cert;
    assert_int_equal(estoc_store_by_serial(s, estoc_slice_of("\x4a\x01", 2), &out, &cert),
                     ESTOC_OK);
    assert_memory_equal(out.serial, in.serial, sizeof in.serial);
    assert_int_equal(out.serial_len, 2);
    assert_string_equal(out.profile, "plant");
    assert_string_equal(out.subject, "CN=sensor-1");
    assert_memory_equal(out.identity, in.identity, 32);
    assert_memory_equal(out.csr, in.csr, 32);
    assert_memory_equal(out.key, in.key, 32);
    assert_int_equal(out.issued_at, 1001);
    assert_int_equal(out.not_before, 900);
    assert_int_equal(out.not_after, 5000);
    assert_int_equal(out.revoked_at, 4711);
    assert_int_equal(out.reason, ESTOC_CRL_CESSATION);
    assert_int_equal(cert.len, sizeof certificate);
    assert_memory_equal(cert.ptr, certificate, sizeof certificate);
    assert_ptr_equal(out.cert.ptr, cert.ptr);
    estoc_blob_free(&cert);
    estoc_store_close(s);
}

static void unknown_serial(void **state)
{
    (void)state;
    estoc_store *s = open_store();
    put(s, 1, "CN=a");
    estoc_record out;
    estoc_blob cert;
    assert_int_equal(estoc_store_by_serial(s, estoc_slice_of("\x4a", 1), &out, &cert),
                     ESTOC_E_NOT_FOUND);
    assert_null(cert.ptr);
    estoc_store_close(s);
}

static void serial_only_once(void **state)
{
    (void)state;
    estoc_store *s = open_store();
    put(s, 1, "CN=a");
    estoc_record again = record(1, "CN=b");
    assert_int_equal(estoc_store_begin(s), ESTOC_OK);
    put(s, 2, "CN=c");
    assert_int_equal(estoc_store_put(s, &again), ESTOC_E_STATE);
    /* the rest of the transaction stands */
    assert_int_equal(estoc_store_commit(s), ESTOC_OK);
    assert_int_equal(count(s), 2);
    estoc_store_close(s);
}

static void rollback_undoes(void **state)
{
    (void)state;
    estoc_store *s = open_store();
    assert_int_equal(estoc_store_begin(s), ESTOC_OK);
    put(s, 1, "CN=a");
    estoc_store_rollback(s);
    estoc_store_rollback(s); /* nothing to undo: no harm */
    assert_int_equal(count(s), 0);
    estoc_store_close(s);
}

static void visible_only_after_commit(void **state)
{
    (void)state;
    estoc_store *s = open_store();
    estoc_store *other = open_store();
    assert_int_equal(estoc_store_begin(s), ESTOC_OK);
    put(s, 1, "CN=a");
    assert_int_equal(count(other), 0); /* reads while another writes */
    assert_int_equal(estoc_store_commit(s), ESTOC_OK);
    assert_int_equal(count(other), 1);
    estoc_store_close(other);
    estoc_store_close(s);
}

static void survives_a_kill(void **state)
{
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        estoc_store *s = NULL;
        estoc_record kept = record(1, "CN=committed");
        estoc_record lost = record(2, "CN=not committed");
        bool ok = estoc_store_open(url, &s, NULL) == ESTOC_OK && estoc_store_begin(s) == ESTOC_OK &&
                  estoc_store_put(s, &kept) == ESTOC_OK && estoc_store_commit(s) == ESTOC_OK &&
                  estoc_store_begin(s) == ESTOC_OK && estoc_store_put(s, &lost) == ESTOC_OK;
        _exit(ok ? 0 : 1); /* neither closed nor rolled back */
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    estoc_store *s = open_store();
    assert_int_equal(count(s), 1);
    put(s, 3, "CN=after");
    estoc_store_close(s);
}

/* What the store knows about an enrollment. */
static void ask(estoc_store *s, estoc_question *q)
{
    static const uint8_t none[32] = {0};
    q->identity = q->identity != NULL ? q->identity : none;
    q->csr = q->csr != NULL ? q->csr : none;
    q->profile = q->profile != NULL ? q->profile : "";
    q->subject = q->subject != NULL ? q->subject : "";
    assert_int_equal(estoc_store_ask(s, q, 1), ESTOC_OK);
}

static size_t again(estoc_store *s, const uint8_t identity[32], const char *profile,
                    const uint8_t csr[32], int64_t since)
{
    estoc_question q = {.identity = identity, .profile = profile, .csr = csr, .since = since};
    ask(s, &q);
    size_t len = q.again.len;
    estoc_question_free(&q);
    return len;
}

static void newest_for_a_request(void **state)
{
    (void)state;
    estoc_store *s = open_store();
    static const uint8_t second[] = {0x30, 0x00};
    estoc_record r = record(1, "CN=a");
    assert_int_equal(estoc_store_put(s, &r), ESTOC_OK);
    r.serial[1] = 9;
    r.issued_at = 2000;
    r.cert = estoc_slice_of(second, sizeof second);
    assert_int_equal(estoc_store_put(s, &r), ESTOC_OK);
    assert_int_equal(again(s, r.identity, "", r.csr, 1000), sizeof second);
    assert_int_equal(again(s, r.identity, "", r.csr, 2000), sizeof second);
    assert_int_equal(again(s, r.identity, "", r.csr, 2001), 0);
    estoc_store_close(s);
}

static void request_of_another(void **state)
{
    (void)state;
    estoc_store *s = open_store();
    static const uint8_t other[32] = {0xff};
    estoc_record r = record(1, "CN=a");
    assert_int_equal(estoc_store_put(s, &r), ESTOC_OK);
    assert_int_equal(again(s, other, "", r.csr, 0), 0);
    assert_int_equal(again(s, r.identity, "x", r.csr, 0), 0);
    assert_int_equal(again(s, r.identity, "", other, 0), 0);
    r.serial[1] = 2;
    r.csr[0] = 2;
    r.revoked_at = 1500;
    assert_int_equal(estoc_store_put(s, &r), ESTOC_OK);
    assert_int_equal(again(s, r.identity, "", r.csr, 0), 0);
    estoc_store_close(s);
}

static bool key_used(estoc_store *s, const uint8_t key[32], const char *subject, int64_t at)
{
    estoc_question q = {.key = key, .subject = subject, .now = at};
    ask(s, &q);
    estoc_question_free(&q);
    return q.key_used;
}

static void key_of_another(void **state)
{
    (void)state;
    estoc_store *s = open_store();
    estoc_record r = record(1, "CN=a");
    estoc_record revoked = record(2, "CN=a");
    revoked.revoked_at = 1200;
    assert_int_equal(estoc_store_put(s, &r), ESTOC_OK);
    assert_int_equal(estoc_store_put(s, &revoked), ESTOC_OK);
    assert_true(key_used(s, r.key, "CN=b", 5000));
    assert_false(key_used(s, r.key, "CN=a", 5000)); /* its own */
    assert_false(key_used(s, r.key, "CN=b", 5001)); /* over */
    assert_false(key_used(s, revoked.key, "CN=b", 2000));
    assert_false(key_used(s, r.csr, "CN=b", 2000));
    estoc_store_close(s);
}

struct seen {
    size_t n, most;
    char subjects[64];
};

static bool see(void *ctx, const estoc_record *rec)
{
    struct seen *seen = ctx;
    strcat(seen->subjects, rec->subject);
    strcat(seen->subjects, " ");
    return ++seen->n < seen->most;
}

static void revokes_once(void **state)
{
    (void)state;
    estoc_store *s = open_store();
    estoc_record out;
    estoc_blob cert;
    estoc_slice serial = estoc_slice_of("\x4a\x01", 2);
    put(s, 1, "CN=a");
    put(s, 2, "CN=b");
    assert_int_equal(estoc_store_revoke(s, serial, ESTOC_CRL_SUPERSEDED, 4000), ESTOC_OK);
    assert_int_equal(estoc_store_revoke(s, serial, ESTOC_CRL_SUPERSEDED, 4001), ESTOC_E_STATE);
    assert_int_equal(
        estoc_store_revoke(s, estoc_slice_of("\x4a\x03", 2), ESTOC_CRL_SUPERSEDED, 4000),
        ESTOC_E_NOT_FOUND);
    assert_int_equal(estoc_store_by_serial(s, serial, &out, &cert), ESTOC_OK);
    assert_int_equal(out.revoked_at, 4000);
    assert_int_equal(out.reason, ESTOC_CRL_SUPERSEDED);
    estoc_blob_free(&cert);
    assert_int_equal(estoc_store_by_serial(s, estoc_slice_of("\x4a\x02", 2), &out, &cert),
                     ESTOC_OK);
    assert_int_equal(out.revoked_at, 0);
    estoc_blob_free(&cert);
    estoc_store_close(s);
}

static void the_revoked(void **state)
{
    (void)state;
    estoc_store *s = open_store();
    estoc_store *other = open_store();
    struct seen seen = {.most = 9};
    int64_t n = 9;
    put(s, 1, "CN=a");
    put(s, 2, "CN=b");
    put(s, 3, "CN=c");
    assert_int_equal(estoc_store_revision(s, &n), ESTOC_OK);
    assert_int_equal(n, 0);
    assert_int_equal(estoc_store_each_revoked(s, 0, see, &seen), ESTOC_OK);
    assert_int_equal(seen.n, 0);
    for (char i = 2; i <= 3; i++) {
        const char serial[] = {0x4a, i};
        assert_int_equal(
            estoc_store_revoke(s, estoc_slice_of(serial, 2), ESTOC_CRL_KEY_COMPROMISE, 4000),
            ESTOC_OK);
    }
    /* as another process sees it */
    assert_int_equal(estoc_store_revision(other, &n), ESTOC_OK);
    assert_int_equal(n, 2);
    assert_int_equal(estoc_store_each_revoked(other, 0, see, &seen), ESTOC_OK);
    assert_string_equal(seen.subjects, "CN=b CN=c ");
    assert_int_equal(estoc_store_each_revoked(other, 1, see, &seen), ESTOC_OK);
    assert_string_equal(seen.subjects, "CN=b CN=c CN=c ");
    estoc_store_close(other);
    estoc_store_close(s);
}

/* What an identity holds now, the newest first. */
static void lists_of_one(void **state)
{
    (void)state;
    estoc_store *s = open_store();
    put(s, 1, "CN=a");
    put(s, 2, "CN=b");
    put(s, 3, "CN=c");
    estoc_record r = record(4, "CN=another's");
    r.identity[0] = 2;
    assert_int_equal(estoc_store_put(s, &r), ESTOC_OK);
    r = record(5, "CN=over");
    r.not_after = 3999;
    assert_int_equal(estoc_store_put(s, &r), ESTOC_OK);
    assert_int_equal(
        estoc_store_revoke(s, estoc_slice_of("\x4a\x02", 2), ESTOC_CRL_UNSPECIFIED, 2000),
        ESTOC_OK);
    const uint8_t identity[32] = {1};
    struct seen seen = {.most = 9};
    assert_int_equal(estoc_store_each_of(s, identity, 4000, see, &seen), ESTOC_OK);
    assert_string_equal(seen.subjects, "CN=c CN=a ");
    seen = (struct seen){.most = 1};
    assert_int_equal(estoc_store_each_of(s, identity, 3999, see, &seen), ESTOC_OK);
    assert_string_equal(seen.subjects, "CN=over ");
    estoc_store_close(s);
}

static void lists(void **state)
{
    (void)state;
    estoc_store *s = open_store();
    put(s, 0x11, "CN=pump-1");
    put(s, 0x2b, "CN=valve");
    put(s, 0x13, "CN=Pump-2");
    static const struct {
        const char *match;
        size_t most;
        const char *want;
    } rows[] = {
        {NULL, 9, "CN=pump-1 CN=valve CN=Pump-2 "}, /* oldest first */
        {NULL, 2, "CN=pump-1 CN=valve "},           /* stopped */
        {"PUMP", 9, "CN=pump-1 CN=Pump-2 "},        /* part of the subject */
        {"4a2B", 9, "CN=valve "},                   /* serial in hex */
        {"%", 9, ""},                               /* no wildcard */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct seen seen = {.most = rows[i].most};
        assert_int_equal(estoc_store_each(s, rows[i].match, see, &seen), ESTOC_OK);
        assert_string_equal(seen.subjects, rows[i].want);
    }
    put(s, 0x44, "CN=still writable");
    estoc_store_close(s);
}

static void see_tally(void *ctx, const estoc_tally_row *t)
{
    char *text = ctx;
    sprintf(text + strlen(text), "%s %d %d %d %d %d %d;", t->profile, (int)t->issued, (int)t->valid,
            (int)t->expired, (int)t->revoked, (int)t->recent, (int)t->voids);
}

static void tally(void **state)
{
    (void)state;
    char text[128] = "";
    estoc_store *s = open_store();
    for (uint8_t i = 1; i <= 6; i++) {
        estoc_record r = record(i, "CN=a");
        r.profile = i == 6 ? "p" : "";
        r.not_after = i == 2 ? 1999 : 2000;
        r.revoked_at = i == 3 ? 1500 : 0;
        r.state = i == 4 ? ESTOC_RECORD_VOID : ESTOC_RECORD_ISSUED;
        assert_int_equal(estoc_store_put(s, &r), ESTOC_OK);
    }
    assert_int_equal(estoc_store_tally(s, 2000, 1003, see_tally, text), ESTOC_OK);
    assert_string_equal(text, " 4 2 1 1 2 1;p 1 1 0 0 1 0;");
    estoc_store_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER("a record comes back as it was, after reopening", keeps_a_record),
        IN_FOLDER("an unknown serial is not found", unknown_serial),
        IN_FOLDER("5280 4.1.2.2 a serial is taken only once", serial_only_once),
        IN_FOLDER("a rollback undoes", rollback_undoes),
        IN_FOLDER("another handle sees only what is committed", visible_only_after_commit),
        IN_FOLDER("279 what is committed survives a kill, nothing else does", survives_a_kill),
        IN_FOLDER("E6 the newest certificate for a request within the window",
                  newest_for_a_request),
        IN_FOLDER("181 a request of another identity or profile is another", request_of_another),
        IN_FOLDER("207 a live key of another subject is known", key_of_another),
        IN_FOLDER("X2 a certificate is revoked once", revokes_once),
        IN_FOLDER("D8 the revoked are counted and listed", the_revoked),
        IN_FOLDER("E5 what one identity holds, the newest first", lists_of_one),
        IN_FOLDER("listing: oldest first, by part, until told to stop", lists),
        IN_FOLDER("certificates are counted by profile", tally),
    };
    return cmocka_run_group_tests_name("store/records", tests, NULL, NULL);
}
