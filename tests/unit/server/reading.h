/* SPDX-License-Identifier: MIT
 *
 * For tests of estocd.conf: a file from text, read, and what was reported about it.
 */
#ifndef ESTOC_TEST_READING_H
#define ESTOC_TEST_READING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "conf_keys.h"
#include "config.h"

/* A folder with an estocd.conf, and what was reported about it. */
static char dir[] = "/tmp/estoc-config-XXXXXX";
static char path[64];
static estoc_config c;
static struct {
    size_t n;
    int line[64];
    char text[64][512];
} told;

static inline void report(void *ctx, int line, const char *text)
{
    assert_ptr_equal(ctx, &told);
    assert_true(told.n < 64);
    assert_null(strchr(text, '\n'));
    told.line[told.n] = line;
    snprintf(told.text[told.n], sizeof told.text[0], "%s", text);
    told.n++;
}

static inline int set_up(void **state)
{
    (void)state;
    if (mkdtemp(dir) == NULL) {
        return -1;
    }
    snprintf(path, sizeof path, "%s/estocd.conf", dir);
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(dir);
}

static inline estoc_err load_bytes(const void *bytes, size_t len)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, len, f), len);
    fclose(f);
    told.n = 0;
    memset(&c, 0xa5, sizeof c);
    return estoc_config_load(dir, &c, report, &told);
}

static inline estoc_err load(const char *text)
{
    return load_bytes(text, strlen(text));
}

static inline void assert_loads(const char *text)
{
    estoc_err err = load(text);
    if (told.n > 0) {
        fail_msg("line %d of \"%.60s\": %s", told.line[0], text, told.text[0]);
    }
    assert_int_equal(err, 0);
}

/* dir/name */
static inline void assert_path(const char *got, const char *name)
{
    char want[128];
    snprintf(want, sizeof want, "%s/%s", dir, name);
    assert_string_equal(got, want);
}

/* One fault, on this line, in these words. */
static inline void assert_fault(const char *text, int line, const char *words)
{
    assert_int_equal(load(text), ESTOC_E_CONFIG);
    if (told.n != 1 || told.line[0] != line || strstr(told.text[0], words) == NULL) {
        fail_msg("\"%s\": %zu faults, the first: %d: %s", text, told.n, told.line[0], told.text[0]);
    }
}

#endif
