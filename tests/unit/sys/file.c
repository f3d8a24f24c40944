/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "sys.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static char folder[] = "/tmp/estoc-file-XXXXXX";
static char path[64]; /* a file in it */

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    if (mkdtemp(folder) == NULL) {
        return -1;
    }
    snprintf(path, sizeof path, "%s/file", folder);
    return 0;
}

/* Removes the folder. @return how many entries it had */
static int remove_folder(void)
{
    DIR *d = opendir(folder);
    int n = 0;
    for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;) {
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) {
            char entry[400];
            snprintf(entry, sizeof entry, "%s/%s", folder, e->d_name);
            remove(entry);
            n++;
        }
    }
    closedir(d);
    return rmdir(folder) == 0 ? n : -1;
}

static int drop_folder(void **state)
{
    (void)state;
    return remove_folder() < 0 ? -1 : 0;
}

static void put(const char *text, unsigned mode)
{
    assert_int_equal(estoc_file_write(path, estoc_slice_str(text), mode), 0);
}

static void assert_content(const char *expected)
{
    estoc_blob b;
    assert_int_equal(estoc_file_read(path, 100, &b), 0);
    assert_int_equal(b.len, strlen(expected));
    assert_memory_equal(b.ptr, expected, b.len);
    estoc_blob_free(&b);
}

static int entries(void)
{
    DIR *d = opendir(folder);
    int n = -2; /* . and .. */
    while (readdir(d) != NULL) {
        n++;
    }
    closedir(d);
    return n;
}

static void there_and_back(void **state)
{
    (void)state;
    assert_false(estoc_file_exists(path));
    put("first", 0600);
    assert_true(estoc_file_exists(path));
    assert_content("first");
    put("second, longer", 0600);
    assert_content("second, longer");
    put("", 0600);
    assert_content("");
    assert_int_equal(entries(), 1);
}

static void links(void **state)
{
    (void)state;
    char to[16];
    put("a file", 0600);
    for (int i = 0; i < 2; i++) { /* a file is replaced, and so is a link */
        assert_int_equal(estoc_file_link(i == 0 ? "one" : "other", path), 0);
        ssize_t n = readlink(path, to, sizeof to);
        assert_int_equal(n, i == 0 ? 3 : 5);
        assert_memory_equal(to, i == 0 ? "one" : "other", (size_t)n);
        assert_int_equal(entries(), 1);
    }
    assert_int_equal(estoc_file_link("one", "/nonexistent/link"), ESTOC_E_FILE);
    static char endless[5000];
    memset(endless, 'x', sizeof endless - 1);
    assert_int_equal(estoc_file_link("one", endless), ESTOC_E_FILE);
    assert_int_equal(estoc_file_remove(path), 0);
    assert_int_equal(entries(), 0);
    assert_int_equal(estoc_file_remove(path), 0);
    assert_int_equal(estoc_file_remove("/proc/self/stat"), ESTOC_E_FILE);
}

static void modes(void **state)
{
    (void)state;
    static const unsigned rows[] = {0600, 0644, 0640, 0600};
    mode_t before = umask(077);
    for (size_t i = 0; i < COUNT(rows); i++) {
        put("x", rows[i]);
        struct stat st;
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 07777, rows[i]);
    }
    umask(before);
}

static void sizes(void **state)
{
    (void)state;
    static const size_t rows[] = {0, 1, 4095, 4096, 4097, 8192, 100000};
    static uint8_t data[100000];
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = (uint8_t)(i * 7 + i / 256);
    }
    for (size_t i = 0; i < COUNT(rows); i++) {
        size_t len = rows[i];
        estoc_blob b;
        assert_int_equal(estoc_file_write(path, estoc_slice_of(data, len), 0600), 0);
        assert_int_equal(estoc_file_read(path, len, &b), 0);
        assert_int_equal(b.len, len);
        assert_memory_equal(b.ptr, data, len);
        estoc_blob_free(&b);
        if (len > 0) {
            assert_int_equal(estoc_file_read(path, len - 1, &b), ESTOC_E_LIMIT);
            assert_null(b.ptr);
            assert_int_equal(b.len, 0);
        }
    }
}

static void endless_file(void **state)
{
    (void)state;
    estoc_blob b;
    assert_int_equal(estoc_file_read("/dev/zero", 100000, &b), ESTOC_E_LIMIT);
    assert_null(b.ptr);
}

static void unreadable(void **state)
{
    (void)state;
    estoc_blob b = {(uint8_t *)path, 9};
    assert_int_equal(estoc_file_read(path, 100, &b), ESTOC_E_FILE);
    assert_null(b.ptr);
    assert_int_equal(b.len, 0);
    assert_int_equal(estoc_file_read(folder, 100, &b), ESTOC_E_FILE);
    assert_null(b.ptr);
    assert_int_equal(estoc_file_read("", 100, &b), ESTOC_E_FILE);
}

static void unwritable(void **state)
{
    (void)state;
    char deep[100];
    snprintf(deep, sizeof deep, "%s/no/such", folder);
    assert_int_equal(estoc_file_write(deep, estoc_slice_str("x"), 0600), ESTOC_E_FILE);
    char longest[5000];
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    assert_int_equal(estoc_file_write(longest, estoc_slice_str("x"), 0600), ESTOC_E_FILE);
    /* a folder stands where the file should be: nothing is left beside it */
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(estoc_file_write(path, estoc_slice_str("x"), 0600), ESTOC_E_FILE);
    assert_int_equal(entries(), 1);
}

/* A disk that takes 10 bytes and no more: the old content stays, and no temporary file. */
static void full_disk(void **state)
{
    (void)state;
    put("old", 0600);
    struct rlimit before;
    getrlimit(RLIMIT_FSIZE, &before);
    struct rlimit small = {10, before.rlim_max};
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    estoc_err err = estoc_file_write(path, estoc_slice_str("new and too long for it"), 0600);
    setrlimit(RLIMIT_FSIZE, &before);
    signal(SIGXFSZ, handler);
    assert_int_equal(err, ESTOC_E_FILE);
    assert_content("old");
    assert_int_equal(entries(), 1);
}

/* Root could put a file in the place of /dev/null. */
static void devices(void **state)
{
    (void)state;
    struct stat st;
    const char *const targets[] = {"/dev/null", "/dev/full"};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(symlink(targets[i], path), 0);
        assert_int_equal(estoc_file_write(path, estoc_slice_str("text"), 0600),
                         i == 0 ? ESTOC_OK : ESTOC_E_FILE);
        assert_int_equal(lstat(path, &st), 0);
        assert_true(S_ISLNK(st.st_mode));
        assert_int_equal(stat(targets[i], &st), 0);
        assert_true(S_ISCHR(st.st_mode));
        unlink(path);
    }
    char got[8] = "";
    assert_int_equal(mkfifo(path, 0600), 0);
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(estoc_file_write(path, estoc_slice_str("text"), 0600), ESTOC_OK);
    assert_int_equal(read(fd, got, sizeof got), 4);
    assert_string_equal(got, "text");
    close(fd);
    assert_int_equal(lstat(path, &st), 0);
    assert_true(S_ISFIFO(st.st_mode));
}

static void in_the_current_folder(void **state)
{
    (void)state;
    char *home = getcwd(NULL, 0);
    assert_non_null(home);
    assert_int_equal(chdir(folder), 0);
    estoc_err err = estoc_file_write("file", estoc_slice_str("here"), 0600);
    assert_int_equal(chdir(home), 0);
    free(home);
    assert_int_equal(err, 0);
    assert_content("here");
}

/* Who has the file open goes on reading the old content: it is replaced, never rewritten. */
static void replaced_not_rewritten(void **state)
{
    (void)state;
    put("old", 0600);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    put("new", 0600);
    char got[8] = "";
    assert_int_equal(fread(got, 1, sizeof got, f), 3);
    fclose(f);
    assert_memory_equal(got, "old", 3);
    assert_content("new");
}

static void join(const char *dir, const char *name, const char *expected)
{
    char out[64];
    assert_int_equal(estoc_path_join(out, sizeof out, dir, name), 0);
    assert_string_equal(out, expected);
    /* exactly enough room, and one byte too little */
    size_t need = strlen(expected) + 1;
    assert_int_equal(estoc_path_join(out, need, dir, name), 0);
    assert_string_equal(out, expected);
    assert_int_equal(estoc_path_join(out, need - 1, dir, name), ESTOC_E_SPACE);
}

static void joins(void **state)
{
    (void)state;
    join("a", "b", "a/b");
    join("a/", "b", "a/b");
    join("/", "b", "/b");
    join("", "b", "b");
    join("a", "b/c", "a/b/c");
    join("a", "/etc/estoc", "/etc/estoc");
}

int main(void)
{
    /* clang-format off */
    const struct CMUnitTest tests[] = {
        {"a file is written and read",                  there_and_back, make_folder, drop_folder, NULL},
        {"links replace files, and are removed",        links, make_folder, drop_folder, NULL},
        {"the mode does not depend on the umask",       modes, make_folder, drop_folder, NULL},
        {"sizes, and the limit to a byte",              sizes, make_folder, drop_folder, NULL},
        {"a file without end stops at the limit",       endless_file, NULL, NULL, NULL},
        {"what cannot be read",                         unreadable, make_folder, drop_folder, NULL},
        {"what cannot be written",                      unwritable, make_folder, drop_folder, NULL},
        {"a full disk leaves the old file",             full_disk, make_folder, drop_folder, NULL},
        {"what is no file is written to",               devices, make_folder, drop_folder, NULL},
        {"a path without a folder",                     in_the_current_folder, make_folder, drop_folder, NULL},
        {"a reader of the old file is not disturbed",   replaced_not_rewritten, make_folder, drop_folder, NULL},
        {"paths are joined",                            joins, NULL, NULL, NULL},
    };
    /* clang-format on */
    return cmocka_run_group_tests_name("file", tests, NULL, NULL);
}
