/* SPDX-License-Identifier: MIT */
#include <fcntl.h>

#include "folder.h"

static estoc_passphrase p;
static estoc_why why;

static estoc_err read_from(const char *source)
{
    why.text[0] = '\0';
    memset(&p, 'x', sizeof p);
    return estoc_passphrase_read(source, &p, &why);
}

static void assert_refused(const char *source, estoc_err err, const char *words)
{
    static const estoc_passphrase nothing;
    assert_int_equal(read_from(source), err);
    if (strstr(why.text, words) == NULL) {
        fail_msg("%s: no \"%s\" in \"%s\"", source, words, why.text);
    }
    assert_memory_equal(&p, &nothing, sizeof p);
}

static const char *source_of(const char *name, estoc_slice text)
{
    static char source[600];
    snprintf(source, sizeof source, "file:%s", file_with(name, text));
    return source;
}

static void sources(void **state)
{
    (void)state;
    static const char *const good[] = {"fd:0",     "fd:3",         "fd:65535",      "file:a",
                                       "file:/a/", "credential:a", "credential:a.b"};
    static const char *const bad[] = {
        "",          "fd:",   "fd:-1",        "fd:65536", "fd:3 ",       "fd:x",
        "fd:999999", "file:", "secret",       "env:X",    "credential:", "credential:../a",
        "FD:3",      "file",  "credential:.a"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(estoc_passphrase_is_source(good[i]));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(estoc_passphrase_is_source(bad[i]));
        assert_refused(bad[i], ESTOC_E_USAGE, "a passphrase comes from file:PATH");
    }
    assert_string_equal(estoc_passphrase_path("file:a b"), "a b");
    assert_null(estoc_passphrase_path("fd:3"));
}

static void first_line_of_a_file(void **state)
{
    (void)state;
    static const char *const rows[] = {"open sesame", "open sesame\n", "open sesame\r\n",
                                       "open sesame\nand no more\n"};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(read_from(source_of("pass", estoc_slice_str(rows[i]))), 0);
        assert_string_equal(p.text, "open sesame");
        assert_int_equal(p.len, 11);
    }
    char text[ESTOC_PASSPHRASE_MAX + 3];
    memset(text, 'p', sizeof text);
    assert_int_equal(
        read_from(source_of("pass", estoc_slice_of((uint8_t *)text, ESTOC_PASSPHRASE_MAX))), 0);
    assert_int_equal(p.len, ESTOC_PASSPHRASE_MAX);
    assert_refused(source_of("pass", estoc_slice_of((uint8_t *)text, ESTOC_PASSPHRASE_MAX + 1)),
                   ESTOC_E_FILE, "too long");
    assert_refused(source_of("pass", estoc_slice_of((uint8_t *)text, sizeof text)), ESTOC_E_FILE,
                   "longer file");
    assert_refused(source_of("pass", estoc_slice_str("")), ESTOC_E_FILE, "empty");
    assert_refused(source_of("pass", estoc_slice_str("\nsecret\n")), ESTOC_E_FILE, "empty");
    assert_refused(source_of("pass", estoc_slice_of((const uint8_t *)"a\0b", 3)), ESTOC_E_FILE,
                   "no text");
    assert_refused("file:/nonexistent", ESTOC_E_FILE, "file:/nonexistent: no passphrase can be");
}

static void systemd_credential(void **state)
{
    (void)state;
    unsetenv("CREDENTIALS_DIRECTORY");
    assert_refused("credential:ca", ESTOC_E_FILE, "LoadCredentialEncrypted=ca:");
    file_with("ca", estoc_slice_str("from systemd\n"));
    setenv("CREDENTIALS_DIRECTORY", folder, 1);
    assert_int_equal(read_from("credential:ca"), 0);
    assert_string_equal(p.text, "from systemd");
    assert_refused("credential:other", ESTOC_E_FILE, "credential:other: no passphrase can be read");
    unsetenv("CREDENTIALS_DIRECTORY");
}

/* @return the source: a pipe with this in it, and its other end closed */
static const char *piped(const char *text, int *fd)
{
    static char source[16];
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(write(fds[1], text, strlen(text)), strlen(text));
    close(fds[1]);
    *fd = fds[0];
    snprintf(source, sizeof source, "fd:%d", fds[0]);
    return source;
}

static void descriptor_once(void **state)
{
    (void)state;
    int fd;
    char rest[16];
    const char *source = piped("first\nsecond\n", &fd);
    assert_int_equal(read_from(source), 0);
    assert_string_equal(p.text, "first");
    assert_int_equal(read_from(source), 0); /* again, as a reload does */
    assert_string_equal(p.text, "first");
    assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    assert_int_equal(read(fd, rest, sizeof rest), 7); /* the next line is not ours */
    assert_int_equal(read(fd, rest, sizeof rest), 0);
    assert_int_equal(read_from(source), 0);
    assert_string_equal(p.text, "first"); /* fd stays open: its number is not to be another's */
}

static void descriptors_of_no_use(void **state)
{
    (void)state;
    int fd;
    assert_refused("fd:65535", ESTOC_E_FILE, "fd:65535: no passphrase can be read: Bad file");
    const char *source = piped("", &fd);
    assert_refused(source, ESTOC_E_FILE, "empty");
    close(fd);
    source = piped("\n", &fd);
    assert_refused(source, ESTOC_E_FILE, "empty");
    close(fd);
}

static void so_many_descriptors(void **state)
{
    (void)state;
    int fd[5];
    for (size_t i = 0; i < 5; i++) { /* one is kept already */
        const char *source = piped("x\n", &fd[i]);
        if (i < 3) {
            assert_int_equal(read_from(source), 0);
        }
    }
    char source[16];
    snprintf(source, sizeof source, "fd:%d", fd[4]);
    assert_refused(source, ESTOC_E_FILE, "too many descriptors");
    for (size_t i = 0; i < 5; i++) {
        close(fd[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sources),
        cmocka_unit_test(first_line_of_a_file),
        cmocka_unit_test(systemd_credential),
        cmocka_unit_test(descriptor_once),
        cmocka_unit_test(descriptors_of_no_use),
        cmocka_unit_test(so_many_descriptors),
    };
    return cmocka_run_group_tests_name("crypto passphrase", tests, folder_make, folder_remove);
}
