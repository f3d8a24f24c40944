/* SPDX-License-Identifier: MIT
 *
 * A folder of the test's own, and files in it.
 */
#ifndef ESTOC_TEST_FOLDER_H
#define ESTOC_TEST_FOLDER_H

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "crypto.h"

static char folder[64];

static inline const char *in_folder(const char *name)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static inline const char *file_with(const char *name, estoc_slice data)
{
    const char *path = in_folder(name);
    assert_int_equal(estoc_file_write(path, data, 0644), 0);
    return path;
}

static inline int folder_make(void **state)
{
    (void)state;
    const char *tmp = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%.40s/estoc-XXXXXX", tmp != NULL ? tmp : "/tmp");
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static inline int folder_remove(void **state)
{
    (void)state;
    DIR *d = opendir(folder);
    struct dirent *e;
    while (d != NULL && (e = readdir(d)) != NULL) {
        if (e->d_name[0] != '.') {
            unlink(in_folder(e->d_name));
        }
    }
    if (d != NULL) {
        closedir(d);
    }
    return rmdir(folder);
}

#endif
