/* SPDX-License-Identifier: MIT */
#include "folder.h"

#include "archive.h"

static const char *file(void)
{
    return path;
}

static estoc_archive *created(void)
{
    estoc_archive *a;
    estoc_why why = {""};
    snprintf(url, sizeof url, "sqlite:%s", path);
    estoc_store_close(open_store());
    if (estoc_archive_create(file(), &a, &why)) {
        fail_msg("%s", why.text);
    }
    return a;
}

static estoc_archive *opened(void)
{
    estoc_archive *a;
    estoc_why why = {""};
    if (estoc_archive_open(file(), &a, &why)) {
        fail_msg("%s", why.text);
    }
    return a;
}

static void not_opened(estoc_err expected, const char *words)
{
    estoc_archive *a = (estoc_archive *)&a;
    estoc_why why = {""};
    assert_int_equal(estoc_archive_open(file(), &a, &why), expected);
    assert_null(a);
    if (strstr(why.text, words) == NULL) {
        fail_msg("%s", why.text);
    }
}

static void put(estoc_archive *a, const char *name, estoc_archive_kind kind, const char *link)
{
    const estoc_archive_entry e = {name, kind, 0640, link};
    assert_int_equal(estoc_archive_put(a, &e), 0);
}

static void simple(void)
{
    estoc_archive *a = created();
    put(a, "a", ESTOC_ARCHIVE_FILE, NULL);
    assert_int_equal(estoc_archive_add(a, estoc_slice_str("one")), 0);
    assert_int_equal(estoc_archive_finish(a), 0);
    estoc_archive_close(a);
}

struct seen {
    char text[512];
    size_t n;
};

static bool see(void *ctx, const estoc_archive_entry *e)
{
    struct seen *s = ctx;
    s->n += (size_t)snprintf(s->text + s->n, sizeof s->text - s->n, "%s:%d:%o:%s ", e->name,
                             (int)e->kind, e->mode, e->link != NULL ? e->link : "");
    return strcmp(e->name, "stop") != 0;
}

static bool see_bytes(void *ctx, estoc_slice bytes)
{
    struct seen *s = ctx;
    memcpy(s->text + s->n, bytes.ptr, bytes.len);
    s->n += bytes.len;
    s->text[s->n++] = '|';
    s->text[s->n] = '\0';
    return true;
}

static void in_and_out(void **state)
{
    (void)state;
    struct stat st;
    char wal[128], text[32];
    struct seen s = {.n = 0};
    estoc_archive *a = created();
    put(a, "f", ESTOC_ARCHIVE_FOLDER, NULL);
    put(a, "f/a", ESTOC_ARCHIVE_FILE, NULL);
    assert_int_equal(estoc_archive_add(a, estoc_slice_str("one")), 0);
    assert_int_equal(estoc_archive_add(a, estoc_slice_str("two")), 0);
    put(a, "empty", ESTOC_ARCHIVE_FILE, NULL);
    put(a, "l", ESTOC_ARCHIVE_LINK, "../x");
    put(a, "stop", ESTOC_ARCHIVE_FILE, NULL);
    put(a, "z", ESTOC_ARCHIVE_FILE, NULL);
    assert_int_equal(estoc_archive_note(a, "made_at", "now"), 0);
    assert_false(estoc_archive_is(file())); /* not before it is finished */
    assert_int_equal(estoc_archive_finish(a), 0);
    estoc_archive_close(a);
    snprintf(wal, sizeof wal, "%s-wal", file());
    assert_int_equal(stat(wal, &st), -1); /* one file */
    assert_int_equal(stat(file(), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_true(estoc_archive_is(file()));
    a = opened();
    assert_int_equal(estoc_archive_each(a, see, &s), 0);
    assert_string_equal(s.text, "f:1:640: f/a:0:640: empty:0:640: l:2:640:../x stop:0:640: ");
    s = (struct seen){.n = 0};
    assert_int_equal(estoc_archive_parts(a, "f/a", see_bytes, &s), 0);
    assert_string_equal(s.text, "one|two|");
    s = (struct seen){.n = 0};
    assert_int_equal(estoc_archive_parts(a, "empty", see_bytes, &s), 0);
    assert_int_equal(s.n, 0);
    assert_string_equal(estoc_archive_noted(a, "made_at", text, sizeof text), "now");
    assert_string_equal(estoc_archive_noted(a, "nothing", text, sizeof text), "");
    assert_string_equal(estoc_archive_noted(a, "made_at", text, 3), "no");
    estoc_archive_close(a);
    estoc_store_close(open_store()); /* and it is a store, still */
}

static void twice(void **state)
{
    (void)state;
    estoc_archive *a = created();
    const estoc_archive_entry e = {"a", ESTOC_ARCHIVE_FILE, 0600, NULL};
    assert_int_equal(estoc_archive_put(a, &e), 0);
    assert_int_equal(estoc_archive_put(a, &e), ESTOC_E_STORE);
    assert_non_null(strstr(estoc_archive_why(a), "UNIQUE"));
    estoc_archive_close(a);
}

static void no_backup(void **state)
{
    (void)state;
    estoc_archive *a;
    estoc_why why = {""};
    not_opened(ESTOC_E_FILE, "cannot be read: No such file");
    assert_int_equal(estoc_archive_create(file(), &a, &why), ESTOC_E_STORE);
    assert_non_null(strstr(why.text, "unable to open"));
    assert_int_equal(estoc_file_write(file(), estoc_slice_str("-----BEGIN"), 0600), 0);
    not_opened(ESTOC_E_MALFORMED, "not a backup that `estocd backup` has made");
    unlink(file());
    snprintf(url, sizeof url, "sqlite:%s", path);
    estoc_store_close(open_store());
    not_opened(ESTOC_E_MALFORMED, "not a backup"); /* a store */
}

/* Cut, and changed, anywhere. */
static void damaged(void **state)
{
    (void)state;
    struct stat st;
    unsigned refused = 0;
    simple();
    assert_int_equal(stat(file(), &st), 0);
    estoc_blob whole;
    assert_int_equal(estoc_file_read(file(), 10000000, &whole), 0);
    for (size_t len = 0; len < whole.len; len += 4096) {
        assert_int_equal(estoc_file_write(file(), estoc_slice_of(whole.ptr, len), 0600), 0);
        not_opened(ESTOC_E_MALFORMED, len == 0 ? "not a backup" : "damaged: ");
    }
    for (size_t at = 4096; at < whole.len; at += 4096) { /* the head of each page */
        uint8_t keep = whole.ptr[at];
        whole.ptr[at] = 0xee;
        assert_int_equal(estoc_file_write(file(), estoc_blob_slice(whole), 0600), 0);
        estoc_archive *a;
        estoc_why why = {""};
        estoc_err err = estoc_archive_open(file(), &a, &why);
        refused += err == ESTOC_E_MALFORMED;
        estoc_archive_close(a);
        whole.ptr[at] = keep;
    }
    assert_int_equal(refused, whole.len / 4096 - 1);
    estoc_blob_free(&whole);
}

/* Names that would lead elsewhere are not given to anybody. */
static void names(void **state)
{
    (void)state;
    static const char *const bad[] = {"",     "/etc/passwd", "..",    "../x", "a/../x", "a/..",
                                      "a//b", "./a",         "a/./b", "a/",   "."};
    static const char *const good[] = {"a", "..a", "a/..b/c", ".hidden", "a b"};
    char text[128];
    simple();
    for (size_t i = 0; i < sizeof bad / sizeof bad[0] + sizeof good / sizeof good[0]; i++) {
        bool is_bad = i < sizeof bad / sizeof bad[0];
        struct seen s = {.n = 0};
        snprintf(text, sizeof text, "UPDATE archive_file SET name = '%s'",
                 is_bad ? bad[i] : good[i - sizeof bad / sizeof bad[0]]);
        alter(text);
        estoc_archive *a = opened();
        assert_int_equal(estoc_archive_each(a, see, &s), is_bad ? ESTOC_E_MALFORMED : 0);
        assert_int_equal(s.n == 0, is_bad);
        estoc_archive_close(a);
    }
    alter("UPDATE archive_file SET name = 'a', kind = 3");
    estoc_archive *a = opened();
    struct seen s = {.n = 0};
    assert_int_equal(estoc_archive_each(a, see, &s), ESTOC_E_MALFORMED);
    estoc_archive_close(a);
    alter("UPDATE archive_file SET kind = 2"); /* a link without an end */
    a = opened();
    assert_int_equal(estoc_archive_each(a, see, &s), ESTOC_E_MALFORMED);
    estoc_archive_close(a);
    alter("DROP TABLE archive_file; DROP TABLE archive_part;");
    a = opened();
    assert_int_equal(estoc_archive_each(a, see, &s), ESTOC_E_STORE);
    assert_int_equal(estoc_archive_parts(a, "a", see_bytes, &s), ESTOC_E_STORE);
    assert_non_null(strstr(estoc_archive_why(a), "no such table"));
    estoc_archive_close(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER("in and out", in_and_out), IN_FOLDER("a name twice", twice),
        IN_FOLDER("no backup", no_backup),   IN_FOLDER("damaged", damaged),
        IN_FOLDER("names", names),
    };
    return cmocka_run_group_tests_name("store archive", tests, NULL, NULL);
}
