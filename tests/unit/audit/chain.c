/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "lines.h"

static char path[] = "/tmp/estoc-chain-XXXXXX";
static char text[65536];
static size_t len;

static int begin(void **state)
{
    (void)state;
    strcpy(path + strlen(path) - 6, "XXXXXX");
    int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int end(void **state)
{
    (void)state;
    return unlink(path);
}

static void ten_lines(void)
{
    uint8_t hash[32] = {0};
    len = lines_of(1, 10, "n1", hash, text);
}

static void save(void)
{
    assert_int_equal(estoc_file_write(path, estoc_slice_of(text, len), 0600), 0);
}

/* Read what is there, line by line. @return how it ended; `*n` is the line it ended at */
static estoc_err walk(estoc_audit_chain *c, uint64_t *n, estoc_why *why)
{
    estoc_audit_reader r;
    estoc_slice line;
    estoc_err err;
    save();
    *c = (estoc_audit_chain){.lines = 0};
    assert_int_equal(estoc_audit_open(path, &r), 0);
    assert_int_equal(r.size, len);
    while ((err = estoc_audit_next(&r, &line)) == ESTOC_OK) {
        estoc_audit_parsed l;
        err = estoc_audit_parse(line, &l, why);
        if (!err) {
            err = estoc_audit_follow(c, &l, why);
            estoc_audit_free(&l);
        }
        if (err) {
            break;
        }
    }
    *n = r.n;
    estoc_audit_close(&r);
    return err;
}

static void broken_at(uint64_t where, const char *words)
{
    estoc_audit_chain c;
    estoc_why why = {""};
    uint64_t n;
    assert_int_equal(walk(&c, &n, &why), ESTOC_E_MALFORMED);
    assert_int_equal(n, where);
    if (strstr(why.text, words) == NULL) {
        fail_msg("%s", why.text);
    }
}

/* Where line `n` begins; line 11 is the end. */
static char *line(int n)
{
    char *at = text;
    while (--n > 0) {
        at = strchr(at, '\n') + 1;
    }
    return at;
}

static void drop(int n)
{
    size_t gone = (size_t)(line(n + 1) - line(n));
    memmove(line(n), line(n) + gone, len - (size_t)(line(n) - text) - gone);
    len -= gone;
    text[len] = '\0';
}

static void whole(void **state)
{
    (void)state;
    estoc_audit_chain c;
    estoc_why why;
    uint64_t n;
    uint8_t hash[32] = {0};
    ten_lines();
    lines_of(1, 10, "n1", hash, text);
    assert_int_equal(walk(&c, &n, &why), ESTOC_E_NOT_FOUND);
    assert_int_equal(c.lines, 10);
    assert_int_equal(c.first, 1);
    assert_int_equal(c.last, 10);
    assert_int_equal(c.until - c.since, 9);
    assert_string_equal(c.node, "n1");
    assert_memory_equal(c.hash, hash, 32);
    /* a file that was begun later; and the node got another name */
    len = lines_of(11, 13, "n2", hash, text);
    assert_int_equal(walk(&c, &n, &why), ESTOC_E_NOT_FOUND);
    assert_int_equal(c.first, 11);
    assert_string_equal(c.node, "n2");
    len = 0;
    assert_int_equal(walk(&c, &n, &why), ESTOC_E_NOT_FOUND);
    assert_int_equal(c.lines, 0);
}

static void changed(void **state)
{
    (void)state;
    ten_lines();
    memcpy(strstr(line(4), "CN=dev"), "CN=evl", 6);
    broken_at(5, "one of them was changed");
    /* the last one has nothing behind it: its hash must be known from elsewhere */
    estoc_audit_chain good, bad;
    estoc_why why;
    uint64_t n;
    ten_lines();
    assert_int_equal(walk(&good, &n, &why), ESTOC_E_NOT_FOUND);
    memcpy(strstr(line(10), "CN=dev"), "CN=evl", 6);
    assert_int_equal(walk(&bad, &n, &why), ESTOC_E_NOT_FOUND);
    assert_memory_not_equal(good.hash, bad.hash, 32);
    ten_lines();
    line(4)[0] = 'x';
    broken_at(4, "not a line of JSON");
    ten_lines();
    memset(line(4), 0, 20);
    broken_at(4, "has a NUL byte");
    ten_lines();
    line(2)[-1] = ' ';
    broken_at(1, "not one JSON object");
}

static void missing(void **state)
{
    (void)state;
    ten_lines();
    drop(4);
    broken_at(4, "has the number 5, after 3");
    /* in front: what is left is a chain that begins later */
    estoc_audit_chain c;
    estoc_why why;
    uint64_t n;
    ten_lines();
    drop(1);
    assert_int_equal(walk(&c, &n, &why), ESTOC_E_NOT_FOUND);
    assert_int_equal(c.first, 2);
}

static void twice_and_swapped(void **state)
{
    (void)state;
    char keep[1024];
    ten_lines();
    size_t one = (size_t)(line(4) - line(3));
    size_t two = (size_t)(line(5) - line(4));
    memcpy(keep, line(3), one + two);
    memcpy(line(3), keep + one, two);
    memcpy(line(3) + two, keep, one);
    broken_at(3, "has the number 4, after 2");
    ten_lines();
    memmove(line(4), line(3), len - (size_t)(line(3) - text));
    len += one;
    broken_at(4, "has the number 3, after 3");
}

static void two_chains(void **state)
{
    (void)state;
    uint8_t a[32] = {0};
    uint8_t b[32] = {1};
    len = lines_of(1, 5, "n1", a, text);
    len += lines_of(6, 9, "n1", b, text + len);
    broken_at(6, "one of them was changed");
    /* a chain that says it is the beginning, with something before it */
    len = lines_of(1, 5, "n1", a, text);
    broken_at(1, "one of them was changed");
}

static void cut(void **state)
{
    (void)state;
    estoc_audit_chain c;
    estoc_why why;
    uint64_t n;
    ten_lines();
    size_t all = len;
    size_t nine = (size_t)(line(10) - text);
    for (len = nine + 1; len < all; len++) {
        assert_int_equal(walk(&c, &n, &why), ESTOC_E_TRUNCATED);
        assert_int_equal(n, 9);
        assert_int_equal(c.last, 9);
    }
    len = nine;
    assert_int_equal(walk(&c, &n, &why), ESTOC_E_NOT_FOUND);
    assert_int_equal(c.last, 9);
}

/* Lines around the size of the buffer, and past what a line may be. */
static void long_lines(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, ESTOC_AUDIT_LINE_MAX - 1, ESTOC_AUDIT_LINE_MAX, 0,
                                   ESTOC_AUDIT_LINE_MAX};
    static char big[4 * ESTOC_AUDIT_LINE_MAX];
    estoc_audit_reader r;
    estoc_slice got;
    size_t at = 0;
    memset(big, 'a', sizeof big);
    for (size_t i = 0; i < 5; i++) {
        at += sizes[i];
        big[at++] = '\n';
    }
    assert_int_equal(estoc_file_write(path, estoc_slice_of(big, at), 0600), 0);
    assert_int_equal(estoc_audit_open(path, &r), 0);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(estoc_audit_next(&r, &got), 0);
        assert_int_equal(got.len, sizes[i]);
        assert_int_equal(r.n, i + 1);
    }
    assert_int_equal(r.at, at);
    assert_int_equal(estoc_audit_next(&r, &got), ESTOC_E_NOT_FOUND);
    estoc_audit_close(&r);
    memset(big, 'a', sizeof big);
    big[ESTOC_AUDIT_LINE_MAX + 1] = '\n';
    for (int i = 0; i < 2; i++) { /* with an end, and without one for long */
        assert_int_equal(estoc_file_write(path, estoc_slice_of(big, sizeof big), 0600), 0);
        assert_int_equal(estoc_audit_open(path, &r), 0);
        assert_int_equal(estoc_audit_next(&r, &got), ESTOC_E_LIMIT);
        estoc_audit_close(&r);
        big[ESTOC_AUDIT_LINE_MAX + 1] = 'a';
    }
}

static void not_to_be_read(void **state)
{
    (void)state;
    estoc_audit_reader r;
    estoc_slice got;
    errno = 0;
    assert_int_equal(estoc_audit_open("/nonexistent/audit.log", &r), ESTOC_E_FILE);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(estoc_audit_open("/tmp", &r), 0);
    assert_int_equal(estoc_audit_next(&r, &got), ESTOC_E_FILE);
    assert_int_equal(errno, EISDIR);
    estoc_audit_close(&r);
}

#define IN_FILE(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FILE(whole),      IN_FILE(changed), IN_FILE(missing),    IN_FILE(twice_and_swapped),
        IN_FILE(two_chains), IN_FILE(cut),     IN_FILE(long_lines), IN_FILE(not_to_be_read),
    };
    return cmocka_run_group_tests_name("audit chain", tests, NULL, NULL);
}
