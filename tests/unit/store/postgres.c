/* SPDX-License-Identifier: MIT
 *
 * What is so of a store in a PostgreSQL database only.
 */
#include "folder.h"
#include "relay.h"

#include <sys/resource.h>
#include <sys/time.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED
#endif

static FILE *null;

static int quiet(void **state)
{
    null = fopen("/dev/null", "w");
    estoc_log_file(null);
    return make_folder(state);
}

static int loud(void **state)
{
    estoc_log_file(NULL);
    fclose(null);
    return remove_folder(state);
}

/* clang-format off */
#define QUIET(name, f) {name, f, quiet, loud, NULL}
/* clang-format on */

static const uint8_t run_1[ESTOC_RUN_LEN] = {1};

static estoc_record intent(uint8_t n)
{
    static const uint8_t tbs[] = {0x30, 0x00};
    return (estoc_record){.serial = {0x4a, n},
                          .serial_len = 2,
                          .profile = "",
                          .subject = "CN=a",
                          .identity = {1},
                          .csr = {1},
                          .key = {n},
                          .issued_at = 1000,
                          .not_after = 5000,
                          .cert = estoc_slice_of(tbs, sizeof tbs)};
}

static uint64_t count(estoc_store *s)
{
    uint64_t n = 99;
    assert_int_equal(estoc_store_count(s, &n), ESTOC_OK);
    return n;
}

static void script(const char *what)
{
    char command[256];
    const char *dir = getenv("ESTOC_TEST_POSTGRES");
    assert_non_null(dir);
    snprintf(command, sizeof command, "%s %s %s", getenv("ESTOC_POSTGRES"), what, dir);
    assert_int_equal(system(command), 0);
}

/* It is stopped and started again: what was begun fails, and a new handle works. */
static void stopped(void **state)
{
    (void)state;
    estoc_record rec = intent(1);
    estoc_intent in = {.rec = &rec, .only = true};
    uint64_t n;
    estoc_why why = {""};
    estoc_store *other;
    estoc_store *s = open_store();
    assert_int_equal(estoc_store_begin(s), ESTOC_OK);
    assert_int_equal(estoc_store_intend(s, "n", run_1, &in, 1), ESTOC_OK);
    script("kill");
    assert_int_equal(estoc_store_commit(s), ESTOC_E_STORE);
    assert_true(strlen(estoc_store_why(s)) > 0);
    assert_int_equal(estoc_store_count(s, &n), ESTOC_E_STORE);
    estoc_store_rollback(s);
    assert_int_equal(estoc_store_open(url, &other, &why), ESTOC_E_STORE);
    assert_non_null(strstr(why.text, "PostgreSQL"));
    script("again");
    assert_int_equal(estoc_store_count(s, &n), ESTOC_E_STORE); /* broken for good */
    estoc_store_close(s);
    s = open_store();
    assert_int_equal(count(s), 0);
    assert_int_equal(estoc_store_void(s, NULL, NULL, INT64_MAX, &n), ESTOC_OK);
    assert_int_equal(n, 0); /* it was not committed */
    estoc_store_close(s);
}

static void terminated(void **state)
{
    (void)state;
    estoc_record rec = intent(1);
    estoc_intent in = {.rec = &rec, .only = true};
    estoc_store *s = open_store();
    assert_int_equal(estoc_store_begin(s), ESTOC_OK);
    assert_int_equal(estoc_store_intend(s, "n", run_1, &in, 1), ESTOC_OK);
    assert_int_equal(tell_database("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                                   " WHERE application_name = 'estocd'"),
                     0);
    assert_int_equal(estoc_store_commit(s), ESTOC_E_STORE);
    estoc_store_rollback(s);
    estoc_store_close(s);
}

/* A transaction in which a statement has failed commits nothing, and says so. */
static void failed_transaction(void **state)
{
    (void)state;
    estoc_record rec = intent(1);
    estoc_intent in = {.rec = &rec, .only = true};
    uint64_t n;
    estoc_store *s = open_store();
    assert_int_equal(estoc_store_begin(s), ESTOC_OK);
    assert_int_equal(estoc_store_intend(s, "n", run_1, &in, 1), ESTOC_OK);
    const estoc_audit_line twice[] = {{1, {1}, "a"}, {1, {1}, "a"}, {2, {2}, "b"}};
    assert_int_equal(estoc_store_audit_add(s, "n", twice, 3), ESTOC_E_STORE);
    assert_non_null(strstr(estoc_store_why(s), "duplicate"));
    assert_int_equal(estoc_store_commit(s), ESTOC_E_STORE);
    estoc_store_rollback(s);
    assert_int_equal(estoc_store_void(s, NULL, NULL, INT64_MAX, &n), ESTOC_OK); /* and goes on */
    assert_int_equal(n, 0);
    estoc_store_close(s);
}

/* E6, X9: of two nodes that have the same request at the same time, one has it. */
static void two_at_once(void **state)
{
    (void)state;
    enum { ROUNDS = 40 };
    int back[2];
    pid_t children[2];
    assert_int_equal(pipe(back), 0);
    estoc_store_close(open_store()); /* the tables */
    for (uint8_t c = 0; c < 2; c++) {
        children[c] = fork();
        if (children[c] == 0) {
            estoc_store *s = NULL;
            uint8_t won[ROUNDS];
            bool ok = estoc_store_open(url, &s, NULL) == ESTOC_OK;
            for (uint8_t i = 0; ok && i < ROUNDS; i++) {
                estoc_record rec = intent((uint8_t)(2 * i + c));
                estoc_intent in = {.rec = &rec, .only = true};
                rec.csr[0] = i;
                ok = !estoc_store_begin(s) && !estoc_store_intend(s, "n", run_1, &in, 1) &&
                     !estoc_store_commit(s);
                won[i] = in.taken;
            }
            ok = ok && write(back[1], won, sizeof won) == (ssize_t)sizeof won;
            _exit(ok ? 0 : 1);
        }
    }
    uint8_t won[2][ROUNDS];
    for (size_t c = 0; c < 2; c++) {
        int status = -1;
        assert_int_equal(waitpid(children[c], &status, 0), children[c]);
        assert_int_equal(status, 0);
        assert_int_equal(read(back[0], won[c], ROUNDS), ROUNDS);
    }
    for (size_t i = 0; i < ROUNDS; i++) {
        assert_int_equal(won[0][i] + won[1][i], 1);
    }
    close(back[0]);
    close(back[1]);
}

struct rows {
    size_t n;
    long kib;
};

static bool see(void *ctx, const estoc_record *rec)
{
    struct rows *rows = ctx;
    struct rusage usage;
    assert_int_equal(rec->cert.len, 600);
    rows->n++;
    getrusage(RUSAGE_SELF, &usage);
    rows->kib = usage.ru_maxrss;
    return rows->n < 50000;
}

/* A million of them are never in memory: 60,000 would be 40 MiB. */
static void many_rows(void **state)
{
    (void)state;
    struct rows rows = {0, 0};
    struct rusage usage;
    estoc_store *s = open_store();
    assert_int_equal(
        tell_database(
            "INSERT INTO unit.cert (serial, profile, subject, identity, csr, key, issued_at,"
            " not_before, not_after, revoked_at, der, reason, state, policy, revision, slot, node,"
            " run) SELECT int8send(n), '', 'CN=x', sha256(int8send(n)), sha256(int8send(n)),"
            " sha256(int8send(n)), 1, 1, 1, 0, decode(repeat('00', 600), 'hex'), 0, 1, 0, 0, 0, '',"
            " '' FROM generate_series(1, 60000) AS n"),
        0);
    getrusage(RUSAGE_SELF, &usage);
    assert_int_equal(estoc_store_each(s, NULL, see, &rows), ESTOC_OK);
    assert_int_equal(rows.n, 50000);
#ifndef SANITIZED /* there, what was freed stays for a while */
    assert_in_range(rows.kib - usage.ru_maxrss, 0, 8192);
#endif
    assert_int_equal(count(s), 60000); /* and it goes on */
    estoc_store_close(s);
}

/* More runs than go into one round trip. */
static void many_runs(void **state)
{
    (void)state;
    enum { N = 200 };
    static estoc_record rec[N];
    static estoc_intent in[N];
    static estoc_signed list[N];
    estoc_store *s = open_store();
    for (uint8_t i = 0; i < N; i++) {
        rec[i] = intent(i);
        rec[i].csr[0] = (uint8_t)(i / 2); /* every second one comes second */
        in[i] = (estoc_intent){.rec = &rec[i], .only = true};
        list[i] = (estoc_signed){.serial = estoc_slice_of(rec[i].serial, 2), .cert = rec[i].cert};
    }
    assert_int_equal(estoc_store_begin(s), ESTOC_OK);
    assert_int_equal(estoc_store_intend(s, "n", run_1, in, N), ESTOC_OK);
    assert_int_equal(estoc_store_issue(s, list, N), ESTOC_OK);
    assert_int_equal(estoc_store_commit(s), ESTOC_OK);
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(in[i].taken, i % 2 == 0);
        assert_int_equal(list[i].kept, i % 2 == 0);
    }
    assert_int_equal(count(s), N / 2);
    estoc_store_close(s);
}

static void refuse_open(const char *at, const char *word)
{
    estoc_store *s = (estoc_store *)&s;
    estoc_why why = {""};
    assert_int_equal(estoc_store_open(at, &s, &why), ESTOC_E_STORE);
    assert_null(s);
    if (strstr(why.text, word) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", why.text, word);
    }
    assert_null(strstr(why.text, "hunter2"));
}

static void refusals(void **state)
{
    (void)state;
    refuse_open("postgresql://estoc:hunter2@127.0.0.1:1/x", "127.0.0.1");
    refuse_open("postgresql://127.0.0.1:99999/x", "port");
    assert_int_equal(tell_database("CREATE TABLE unit.cert (recipe TEXT)"), 0);
    refuse_open(url, "something else");
    assert_int_equal(tell_database("DROP TABLE unit.cert"), 0);
    estoc_store_close(open_store());
    estoc_store_close(open_store()); /* nothing to do for the second */
    assert_int_equal(tell_database("UPDATE unit.estoc_schema SET version = 999"), 0);
    refuse_open(url, "schema 999");
    assert_int_equal(tell_database("DELETE FROM unit.estoc_schema"), 0);
    refuse_open(url, "something else");
}

/* What is new with version 4 is tables of its own. */
static void from_version_3(void **state)
{
    (void)state;
    estoc_record rec = intent(1);
    rec.state = ESTOC_RECORD_ISSUED;
    estoc_store *s = open_store();
    assert_int_equal(estoc_store_put(s, &rec), ESTOC_OK);
    estoc_store_close(s);
    assert_int_equal(tell_database("DROP TABLE unit.relay, unit.document, unit.health;"
                                   " UPDATE unit.estoc_schema SET version = 3"),
                     0);
    s = open_store();
    assert_int_equal(count(s), 1);
    assert_int_equal(estoc_relay_expire(s, INT64_MAX), ESTOC_OK);
    assert_int_equal(estoc_health_expire(s, "n", INT64_MAX), ESTOC_OK);
    assert_int_equal(estoc_document_put(s, "crts", &(estoc_document_kept){.none = true},
                                        estoc_slice_of(NULL, 0)),
                     ESTOC_OK);
    estoc_store_close(s);
}

/* All or nothing: what an interrupted set-up leaves is nothing. */
static void by_many(void **state)
{
    (void)state;
    pid_t children[4];
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
    assert_int_equal(count(s), 0);
    estoc_store_close(s);
}

/* X9: whoever set it so, what is committed is on the disk; and a node that stands still in a transaction
 * does not keep its rows from the others. */
static void durable(void **state)
{
    (void)state;
    char lazy[320];
    estoc_store *s;
    estoc_why why = {""};
    snprintf(lazy, sizeof lazy, "%s%%20-csynchronous_commit%%3Doff", url);
    assert_int_equal(estoc_store_open(lazy, &s, &why), ESTOC_OK);
    assert_int_equal(
        tell_database("CREATE FUNCTION unit.tell() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                      " NEW.text := current_setting('synchronous_commit') || ' ' ||"
                      " current_setting('idle_in_transaction_session_timeout') || ' ' ||"
                      " current_setting('tcp_keepalives_idle'); RETURN NEW; END $$;"
                      "CREATE TRIGGER tell BEFORE INSERT ON unit.policy"
                      " FOR EACH ROW EXECUTE FUNCTION unit.tell()"),
        0);
    const uint8_t digest[32] = {1};
    int64_t version;
    estoc_blob text;
    assert_int_equal(estoc_store_policy(s, digest, "", 1, &version), ESTOC_OK);
    assert_int_equal(estoc_store_policy_text(s, version, &text), ESTOC_OK);
    static const char settings[] = "on 30s 10";
    assert_int_equal(text.len, sizeof settings - 1);
    assert_memory_equal(text.ptr, settings, sizeof settings - 1);
    estoc_blob_free(&text);
    estoc_store_close(s);
}

/* Somebody runs it without a net. */
static void risks(void **state)
{
    (void)state;
    char text[4096] = "";
    FILE *log = tmpfile();
    assert_non_null(log);
    assert_int_equal(tell_database("ALTER SYSTEM SET full_page_writes = off"), 0);
    assert_int_equal(tell_database("SELECT pg_reload_conf(), pg_sleep(0.2)"), 0);
    for (int i = 0; i < 100 && strstr(text, "full_page_writes") == NULL; i++) {
        estoc_log_file(log); /* the server takes it up in its time */
        estoc_store_close(open_store());
        estoc_log_file(null);
        rewind(log);
        text[fread(text, 1, sizeof text - 1, log)] = '\0';
        usleep(50000);
    }
    assert_non_null(strstr(text, "event=full_page_writes"));
    assert_null(strstr(text, "event=fsync"));
    assert_int_equal(tell_database("ALTER SYSTEM RESET full_page_writes"), 0);
    assert_int_equal(tell_database("SELECT pg_reload_conf()"), 0);
    fclose(log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        QUIET("X9 stopped and started: calls fail, a new handle works", stopped),
        QUIET("X9 a connection that is gone commits nothing", terminated),
        QUIET("X9 a failed transaction is not taken for committed", failed_transaction),
        QUIET("E6 X9 two nodes with one request: one has it", two_at_once),
        QUIET("many rows, little memory", many_rows),
        QUIET("many runs, each with its answer", many_runs),
        QUIET("291 what is no store of ours is refused, without a password in the text", refusals),
        QUIET("291 a store of version 3 is brought up to date", from_version_3),
        QUIET("291 set up by several at once", by_many),
        QUIET("X9 a server that may lose what it has is told of", risks),
        QUIET("X9 commits are durable, whatever the server's default, and no node blocks for long",
              durable),
    };
    return cmocka_run_group_tests_name("store/postgres", tests, NULL, NULL);
}
