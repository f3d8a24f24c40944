/* SPDX-License-Identifier: MIT */
#include <stdatomic.h>

#include "../store/folder.h"

#include "auditor.h"
#include "lines.h"
#include "trail.h"

enum { SOON_MS = 20000 };

static char sub[80], file[96];
static FILE *log_file;
static estoc_store *store;
static estoc_auditor *auditor;

static int begin(void **state)
{
    int rc = make_folder(state);
    snprintf(sub, sizeof sub, "%s/log", folder);
    snprintf(file, sizeof file, "%s/audit.log", sub);
    log_file = tmpfile();
    estoc_log_file(log_file);
    store = open_store();
    return rc == 0 ? mkdir(sub, 0700) : rc;
}

static int end(void **state)
{
    char command[256];
    estoc_log_file(NULL);
    fclose(log_file);
    estoc_store_close(store);
    snprintf(command, sizeof command, "rm -rf %s %s.away", sub, sub);
    return system(command) == 0 ? remove_folder(state) : -1;
}

static estoc_err opened(estoc_why *why)
{
    const estoc_auditor_cfg cfg = {.store_url = url, .node = "n1", .path = file};
    return estoc_auditor_open(&cfg, &auditor, why);
}

static void decide(unsigned n)
{
    estoc_audit_batch b;
    assert_int_equal(estoc_store_begin(store), 0);
    estoc_audit_begin(&b, store, "n1");
    for (unsigned i = 0; i < n; i++) {
        estoc_audit_entry e = {.at = 1795600000, .op = "sen", .result = "issued"};
        estoc_audit_put(&b, &e);
    }
    assert_int_equal(estoc_audit_end(&b, estoc_auditor_written(auditor)), 0);
    assert_int_equal(estoc_store_commit(store), 0);
    estoc_auditor_wake(auditor);
}

static bool soon(bool (*holds)(void))
{
    for (estoc_ms end_at = estoc_now_ms() + SOON_MS; estoc_now_ms() < end_at;) {
        if (holds()) {
            return true;
        }
        usleep(10000);
    }
    return false;
}

static int64_t wanted;
static bool written(void)
{
    return estoc_auditor_written(auditor) == wanted;
}

static const char *words;
static bool logged(void)
{
    static char text[65536];
    long at = ftell(log_file);
    rewind(log_file);
    size_t n = fread(text, 1, sizeof text - 1, log_file);
    text[n] = '\0';
    fseek(log_file, at, SEEK_SET);
    return strstr(text, words) != NULL;
}

static unsigned lines(void)
{
    estoc_audit_reader r;
    estoc_slice text;
    assert_int_equal(estoc_audit_open(file, &r), 0);
    while (estoc_audit_next(&r, &text) == ESTOC_OK) {
    }
    unsigned n = (unsigned)r.n;
    estoc_audit_close(&r);
    return n;
}

static void follows(void **state)
{
    (void)state;
    estoc_why why = {""};
    assert_int_equal(opened(&why), 0);
    assert_int_equal(estoc_auditor_written(auditor), 0);
    decide(3);
    wanted = 3;
    assert_true(soon(written));
    assert_int_equal(lines(), 3);
    decide(2);
    estoc_auditor_close(auditor); /* what is there is brought first */
    assert_int_equal(lines(), 5);
    assert_int_equal(opened(&why), 0);
    assert_int_equal(estoc_auditor_written(auditor), 5);
    estoc_auditor_close(auditor);
}

/* Lines of another process, that does not wake this one. */
static void of_others(void **state)
{
    (void)state;
    estoc_why why = {""};
    assert_int_equal(opened(&why), 0);
    estoc_auditor *mine = auditor;
    decide(1);
    wanted = 1;
    assert_true(soon(written));
    estoc_audit_batch b;
    estoc_audit_entry e = {.at = 1795600000, .op = "revoke", .result = "revoked"};
    assert_int_equal(estoc_store_begin(store), 0);
    estoc_audit_begin(&b, store, "n1");
    estoc_audit_put(&b, &e);
    assert_int_equal(estoc_audit_end(&b, 0), 0);
    assert_int_equal(estoc_store_commit(store), 0);
    wanted = 2;
    assert_true(soon(written));
    estoc_auditor_close(mine);
}

/* The folder is away for a while: told once, and nothing is lost. */
static void behind(void **state)
{
    (void)state;
    char away[96];
    estoc_why why = {""};
    snprintf(away, sizeof away, "%s.away", sub);
    assert_int_equal(opened(&why), 0);
    decide(1);
    wanted = 1;
    assert_true(soon(written));
    assert_int_equal(rename(sub, away), 0);
    decide(1);
    words = "event=behind why=";
    assert_true(soon(logged));
    decide(1);
    assert_int_equal(estoc_auditor_written(auditor), 1);
    assert_int_equal(rename(away, sub), 0);
    wanted = 3; /* by itself */
    assert_true(soon(written));
    words = "event=behind result=\"all is written\"";
    assert_true(soon(logged));
    estoc_auditor_close(auditor);
    assert_int_equal(lines(), 3);
}

static void not_opened(void **state)
{
    (void)state;
    estoc_why why = {""};
    assert_int_equal(opened(&why), 0);
    decide(1);
    wanted = 1;
    assert_true(soon(written));
    decide(1);
    estoc_auditor_close(auditor);
    assert_int_equal(unlink(file), 0);
    assert_int_equal(opened(&why), ESTOC_E_STATE);
    assert_null(auditor);
    assert_non_null(strstr(why.text, "not there, and the store has written 2 lines"));
    snprintf(url, sizeof url, "nothing:x");
    assert_int_equal(opened(&why), ESTOC_E_CONFIG);
    assert_null(auditor);
}

#define IN_LOG(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_LOG(follows),
        IN_LOG(of_others),
        IN_LOG(behind),
        IN_LOG(not_opened),
    };
    return cmocka_run_group_tests_name("audit auditor", tests, NULL, NULL);
}
