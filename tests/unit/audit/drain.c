/* SPDX-License-Identifier: MIT
 *
 * Lines from a store to a file, and what is wrong between the two.
 */
#include <errno.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "../store/folder.h"

#include "lines.h"
#include "trail.h"

static char file[96];
static estoc_store *store;
static estoc_trail trail;
static int64_t written;
static FILE *log_file;

static int begin(void **state)
{
    int rc = make_folder(state);
    snprintf(file, sizeof file, "%s/audit.log", folder);
    estoc_trail_init(&trail, file, false);
    store = open_store();
    written = 0;
    log_file = tmpfile();
    estoc_log_file(log_file);
    return rc;
}

static int end(void **state)
{
    char other[128];
    estoc_trail_close(&trail);
    estoc_store_close(store);
    unlink(file);
    snprintf(other, sizeof other, "%s.1", file);
    unlink(other);
    estoc_log_file(NULL);
    fclose(log_file);
    return remove_folder(state);
}

static void decide(const char *node, unsigned n)
{
    estoc_audit_batch b;
    assert_int_equal(estoc_store_begin(store), 0);
    estoc_audit_begin(&b, store, node);
    for (unsigned i = 0; i < n; i++) {
        estoc_audit_entry e = {
            .at = 1795600000, .op = "sen", .result = "issued", .subject = "CN=d"};
        estoc_audit_put(&b, &e);
    }
    assert_int_equal(estoc_audit_end(&b, written), 0);
    assert_int_equal(estoc_store_commit(store), 0);
}

static void drained(const char *node)
{
    estoc_why why = {""};
    if (estoc_audit_drain(&trail, store, node, &written, &why)) {
        fail_msg("%s", why.text);
    }
}

static void started(const char *node)
{
    estoc_why why = {""};
    if (estoc_audit_start(&trail, store, node, &why)) {
        fail_msg("%s", why.text);
    }
}

static void not_started(const char *node, const char *words)
{
    estoc_why why = {""};
    assert_int_equal(estoc_audit_start(&trail, store, node, &why), ESTOC_E_STATE);
    if (strstr(why.text, words) == NULL) {
        fail_msg("%s", why.text);
    }
}

/* The file is a whole chain from `first` to `last`. */
static void holds(int64_t first, int64_t last)
{
    estoc_audit_reader r;
    estoc_audit_chain c = {.lines = 0};
    estoc_slice text;
    estoc_why why = {""};
    estoc_err err;
    assert_int_equal(estoc_audit_open(file, &r), 0);
    while ((err = estoc_audit_next(&r, &text)) == ESTOC_OK) {
        estoc_audit_parsed l;
        if (estoc_audit_parse(text, &l, &why) || estoc_audit_follow(&c, &l, &why)) {
            fail_msg("line %d: %s", (int)r.n, why.text);
        }
        estoc_audit_free(&l);
    }
    assert_int_equal(err, ESTOC_E_NOT_FOUND);
    estoc_audit_close(&r);
    assert_int_equal(c.first, first);
    assert_int_equal(c.last, last);
}

static bool count(void *ctx, const estoc_audit_line *l)
{
    (void)l;
    ++*(unsigned *)ctx;
    return true;
}

static unsigned kept(const char *node)
{
    unsigned n = 0;
    assert_int_equal(estoc_store_audit_each(store, node, 0, count, &n), 0);
    return n;
}

static int64_t size_of_file(void)
{
    struct stat st;
    assert_int_equal(stat(file, &st), 0);
    return st.st_size;
}

static void append(const void *bytes, size_t len)
{
    FILE *f = fopen(file, "a");
    assert_int_equal(fwrite(bytes, 1, len, f), len);
    fclose(f);
}

/* ------------------------------------------------------------------------------------- everyday */

static void to_the_file(void **state)
{
    (void)state;
    struct stat st;
    started("n1");
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(st.st_size, 0);
    decide("n1", 3);
    drained("n1");
    assert_int_equal(written, 3);
    holds(1, 3);
    assert_int_equal(kept("n1"), 3);
    decide("n1", 2); /* and what is in the file goes */
    assert_int_equal(kept("n1"), 2);
    drained("n1");
    drained("n1");
    holds(1, 5);
    /* of another node, which has its own file */
    int64_t keep = written;
    written = 0;
    decide("n2", 4);
    drained("n1");
    assert_int_equal(written, keep);
    holds(1, 5);
}

/* Two that bring lines, as a server and a command do. */
static void by_two(void **state)
{
    (void)state;
    estoc_trail other;
    estoc_why why = {""};
    estoc_trail_init(&other, file, false);
    started("n1");
    for (int i = 0; i < 5; i++) {
        decide("n1", 2);
        drained("n1");
        decide("n1", 1);
        assert_int_equal(estoc_audit_drain(&other, store, "n1", &written, &why), 0);
    }
    holds(1, 15);
    estoc_trail_close(&other);
}

static void many_at_once(void **state)
{
    (void)state;
    started("n1");
    for (int i = 0; i < 20; i++) {
        decide("n1", 500); /* more than is written at once */
    }
    drained("n1");
    assert_true(size_of_file() > 1048576);
    holds(1, 10000);
    started("n1");
}

static void put_aside(void **state)
{
    (void)state;
    char other[128];
    started("n1");
    decide("n1", 3);
    drained("n1");
    snprintf(other, sizeof other, "%s.1", file);
    assert_int_equal(rename(file, other), 0);
    decide("n1", 2);
    drained("n1"); /* the open file has another name: a new one */
    holds(4, 5);
    decide("n1", 1);
    drained("n1");
    holds(4, 6);
    started("n1");
}

static void renamed(void **state)
{
    (void)state;
    started("n1");
    decide("n1", 1);
    drained("n1");
    decide("n1", 2); /* still in the store when the name changes */
    written = 0;
    started("n2");
    holds(1, 4);
    decide("n2", 2);
    drained("n2");
    holds(1, 6);
    started("n1"); /* and back */
    holds(1, 7);
    decide("n1", 1);
    drained("n1");
    holds(1, 8);
}

/* ---------------------------------------------------------------------------------- after a crash */

/* The last line cut at each of its bytes: gone on with, not written anew. */
static void half_a_line(void **state)
{
    (void)state;
    started("n1");
    decide("n1", 4);
    drained("n1");
    int64_t four = size_of_file();
    decide("n1", 1);
    drained("n1");
    int64_t five = size_of_file();
    char line[1024];
    FILE *f = fopen(file, "r");
    fseek(f, (long)four, SEEK_SET);
    assert_int_equal(fread(line, 1, sizeof line, f), five - four);
    fclose(f);
    for (int64_t cut = four; cut < five; cut++) {
        assert_int_equal(truncate(file, cut), 0);
        started("n1");
        assert_int_equal(size_of_file(), five);
        holds(1, 5);
    }
    /* and of the very first line */
    assert_int_equal(truncate(file, 0), 0);
}

static void first_line_cut(void **state)
{
    (void)state;
    started("n1");
    decide("n1", 1);
    drained("n1");
    for (int64_t cut = size_of_file() - 1; cut >= 0; cut -= 7) {
        assert_int_equal(truncate(file, cut), 0);
        started("n1");
        holds(1, 1);
    }
    assert_int_equal(truncate(file, 10), 0);
    append("zzz", 3);
    started("n1");
    holds(1, 1);
}

/* What came to the disk in another order than it was written in. */
static void holes(void **state)
{
    (void)state;
    static const char zeros[200];
    started("n1");
    decide("n1", 4);
    drained("n1");
    int64_t four = size_of_file();
    decide("n1", 6); /* these are still in the store */
    drained("n1");
    int64_t ten = size_of_file();
    for (int i = 0; i < 3; i++) {
        FILE *f = fopen(file, "r+");
        fseek(f, (long)(i == 0 ? four : i == 1 ? ten - 200 : four + 300), SEEK_SET);
        fwrite(zeros, 1, sizeof zeros, f);
        fclose(f);
        estoc_trail_close(&trail); /* a process of its own */
        started("n1");
        assert_int_equal(size_of_file(), ten);
        holds(1, 10);
    }
    append(zeros, 50);
    decide("n1", 1);
    drained("n1");
    holds(1, 11);
    append(zeros, 50);
    append("\n", 1);
    decide("n1", 1);
    drained("n1");
    holds(1, 12);
}

/* A line that was changed, and is in the store no more, is nothing that starting would mend. */
static void changed_long_ago(void **state)
{
    (void)state;
    started("n1");
    decide("n1", 3);
    drained("n1");
    int64_t three = size_of_file();
    decide("n1", 1);
    drained("n1");
    FILE *f = fopen(file, "r+");
    fseek(f, 20, SEEK_SET);
    fputc('x', f);
    fclose(f);
    estoc_trail_close(&trail);
    started("n1");
    f = fopen(file, "r");
    fseek(f, 20, SEEK_SET);
    assert_int_equal(fgetc(f), 'x');
    fclose(f);
    assert_true(size_of_file() > three);
}

static void full_disk(void **state)
{
    (void)state;
    estoc_why why = {""};
    struct rlimit old;
    started("n1");
    decide("n1", 20);
    getrlimit(RLIMIT_FSIZE, &old);
    struct rlimit limit = {.rlim_cur = 1000, .rlim_max = old.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    estoc_err err = estoc_audit_drain(&trail, store, "n1", &written, &why);
    estoc_err again = estoc_audit_drain(&trail, store, "n1", &written, &why);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_int_equal(err, ESTOC_E_FILE);
    assert_int_equal(again, ESTOC_E_FILE);
    assert_non_null(strstr(why.text, "cannot be written: File too large"));
    assert_int_equal(written, 0);
    assert_int_equal(size_of_file(), 1000);
    decide("n1", 1);
    drained("n1");
    holds(1, 21);
}

/* ------------------------------------------------------------------------------ not of one piece */

/* Yesterday's store. */
static void set_back(int64_t seq, const uint8_t hash[32])
{
    char text[256], hex[65];
    estoc_hex(estoc_slice_of(hash, 32), hex, sizeof hex);
    snprintf(text, sizeof text,
             database() != NULL ? "SET search_path TO unit; DELETE FROM audit;"
                                  "UPDATE audit_head SET seq = %d, hash = decode('%s', 'hex')"
                                : "DELETE FROM audit; UPDATE audit_head SET seq = %d, hash = X'%s'",
             (int)seq, hex);
    if (database() != NULL) {
        assert_int_equal(tell_database(text), 0);
    } else {
        alter(text);
    }
}

static void head_now(int64_t *seq, uint8_t hash[32])
{
    assert_int_equal(estoc_store_audit_head(store, "n1", seq, hash), 0);
}

static void older(void **state)
{
    (void)state;
    int64_t seq;
    uint8_t hash[32];
    started("n1");
    decide("n1", 3);
    drained("n1");
    head_now(&seq, hash);
    decide("n1", 5);
    drained("n1");
    set_back(seq, hash);
    not_started("n1", ": 5 decisions in it are not in the store, which was put back; "
                      "`estocd audit replay --dir DIR` puts them in");
    not_started("n2", ": 5 decisions in it are not in the store"); /* whatever its name is now */
    holds(1, 8);
    /* and under the feet of a server */
    estoc_audit_batch b;
    estoc_audit_entry e = {.at = 1795600000, .op = "sen", .result = "issued"};
    assert_int_equal(estoc_store_begin(store), 0);
    estoc_audit_begin(&b, store, "n1");
    estoc_audit_put(&b, &e);
    assert_int_equal(estoc_audit_end(&b, written), ESTOC_E_STATE);
    estoc_store_rollback(store);
}

static void of_another_history(void **state)
{
    (void)state;
    int64_t seq;
    uint8_t hash[32];
    estoc_why why = {""};
    started("n1");
    decide("n1", 3);
    drained("n1");
    head_now(&seq, hash);
    decide("n1", 5);
    drained("n1");
    set_back(seq, hash);
    for (unsigned more = 1; more < 8; more++) { /* it went on without the file */
        estoc_audit_entry e = {.at = 1795700000, .op = "sen", .result = "issued"};
        estoc_audit_batch b;
        assert_int_equal(estoc_store_begin(store), 0);
        estoc_audit_begin(&b, store, "n1");
        estoc_audit_put(&b, &e);
        assert_int_equal(estoc_audit_end(&b, 0), 0);
        assert_int_equal(estoc_store_commit(store), 0);
        not_started("n1", more < 5 ? "are not in the store" : "of another history than the store");
    }
    assert_int_equal(estoc_audit_drain(&trail, store, "n1", &written, &why), ESTOC_E_STATE);
    assert_non_null(strstr(why.text, "of another history"));
    assert_int_equal(written, 8);
    head_now(&seq, hash); /* the same, with nothing left in the store */
    set_back(8, hash);
    not_started("n1", "of another history than the store");
    holds(1, 8);
}

static void lines_gone(void **state)
{
    (void)state;
    int64_t seq;
    uint8_t hash[32];
    estoc_why why = {""};
    started("n1");
    decide("n1", 3);
    drained("n1");
    int64_t three = size_of_file();
    decide("n1", 5);
    drained("n1");
    head_now(&seq, hash);
    assert_int_equal(truncate(file, three), 0); /* an old copy of the file */
    started("n1");                              /* the store had them still */
    holds(1, 8);
    assert_int_equal(truncate(file, three), 0);
    set_back(seq, hash);
    not_started("n1", "ends with line 3, and the lines behind it are gone");
    decide("n1", 1);
    not_started("n1", "ends with line 3, and the lines behind it are gone");
    assert_int_equal(estoc_audit_drain(&trail, store, "n1", &written, &why), ESTOC_E_STATE);
    assert_non_null(strstr(why.text, "lines between it and the store are missing"));
}

static void no_file(void **state)
{
    (void)state;
    int64_t seq;
    uint8_t hash[32];
    started("n1");
    decide("n1", 3);
    drained("n1");
    unlink(file);
    started("n1"); /* nothing is lost: the store has them all */
    holds(1, 3);
    decide("n1", 1);
    drained("n1");
    unlink(file);
    not_started("n1", "not there, and the store has written 4 lines to it; put it back, or make "
                      "an empty file to begin a new one");
    assert_int_equal(access(file, F_OK), -1);
    append("", 0);
    head_now(&seq, hash);
    set_back(seq, hash);
    started("n1");
    decide("n1", 1);
    drained("n1");
    holds(5, 5);
}

static void nothing_of_ours(void **state)
{
    (void)state;
    static char junk[1100000];
    estoc_why why = {""};
    started("n1");
    memset(junk, 'a', sizeof junk);
    append(junk, sizeof junk);
    assert_int_equal(estoc_audit_start(&trail, store, "n1", &why), ESTOC_E_MALFORMED);
    assert_non_null(strstr(why.text, "no line in its last megabyte"));
    estoc_trail dir;
    estoc_trail_init(&dir, folder, false);
    assert_int_equal(estoc_audit_start(&dir, store, "n1", &why), ESTOC_E_FILE);
    assert_non_null(strstr(why.text, "cannot be opened: Is a directory"));
    estoc_trail_init(&dir, "/nonexistent/audit.log", false);
    assert_int_equal(estoc_audit_start(&dir, store, "n1", &why), ESTOC_E_NOT_FOUND);
    assert_non_null(strstr(why.text, "cannot be opened: No such file"));
}

#define IN_TRAIL(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_TRAIL(to_the_file),    IN_TRAIL(by_two),  IN_TRAIL(many_at_once),
        IN_TRAIL(put_aside),      IN_TRAIL(renamed), IN_TRAIL(half_a_line),
        IN_TRAIL(first_line_cut), IN_TRAIL(holes),   IN_TRAIL(changed_long_ago),
        IN_TRAIL(full_disk),      IN_TRAIL(older),   IN_TRAIL(of_another_history),
        IN_TRAIL(lines_gone),     IN_TRAIL(no_file), IN_TRAIL(nothing_of_ours),
    };
    return cmocka_run_group_tests_name("audit drain", tests, NULL, NULL);
}
