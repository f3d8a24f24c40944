/* SPDX-License-Identifier: MIT
 *
 * The estocd that $ESTOCD names, run as a user would, in a folder of its own for each test.
 */
#ifndef ESTOC_TEST_CMD_WHOLE_H
#define ESTOC_TEST_CMD_WHOLE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "crypto.h"
#include "store.h"

static char top[] = "/tmp/estocd-test-XXXXXX";
static char dir[64];
static char out[65536], err[65536];

static inline const char *path(const char *name)
{
    static char paths[4][128];
    static unsigned next;
    char *p = paths[next++ % 4];
    snprintf(p, sizeof paths[0], "%s/%s", dir, name);
    return p;
}

static inline void slurp(const char *file, char *text, size_t room)
{
    estoc_blob b;
    assert_int_equal(estoc_file_read(file, room - 1, &b), 0);
    memcpy(text, b.ptr, b.len);
    text[b.len] = '\0';
    estoc_blob_free(&b);
}

static inline void spit(const char *file, const char *text)
{
    assert_int_equal(estoc_file_write(file, estoc_slice_str(text), 0644), 0);
}

/* @return its exit code; what it wrote is in `out` and `err` */
static inline int estocd(const char *command)
{
    char line[1024];
    snprintf(line, sizeof line, "cd %s && \"$ESTOCD\" %s >%s/out 2>%s/err </dev/null", top, command,
             top, top);
    int status = system(line);
    char file[64];
    snprintf(file, sizeof file, "%s/out", top);
    slurp(file, out, sizeof out);
    snprintf(file, sizeof file, "%s/err", top);
    slurp(file, err, sizeof err);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static inline void assert_says(const char *words)
{
    if (strstr(err, words) == NULL) {
        fail_msg("no \"%s\" in: %s", words, err);
    }
}

/* One line on stderr with these words, nothing on stdout, exit code 1. */
static inline void assert_fails(const char *command, const char *words)
{
    assert_int_equal(estocd(command), 1);
    assert_string_equal(out, "");
    assert_says(words);
    if (strchr(err, '\n') != err + strlen(err) - 1) {
        fail_msg("not one line: %s", err);
    }
}

static inline void assert_good(const char *command)
{
    if (estocd(command) != 0) {
        fail_msg("estocd %s: %s", command, err);
    }
}

static inline int set_up(void **state)
{
    (void)state;
    strcpy(top, "/tmp/estocd-test-XXXXXX");
    if (mkdtemp(top) == NULL) {
        return -1;
    }
    snprintf(dir, sizeof dir, "%s/srv", top);
    return estocd("init --dir srv --name Test --host localhost");
}

static inline int tear_down(void **state)
{
    (void)state;
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", top);
    return system(command);
}

static inline void assert_prints(const char *words)
{
    if (strstr(out, words) == NULL) {
        fail_msg("no \"%s\" in: %s", words, out);
    }
}

static inline const char *text_of(const cJSON *json, const char *name)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, name));
}

/* clang-format off */
#define ALONE(name, function) {name, function, set_up, tear_down, NULL}
/* clang-format on */

#endif
