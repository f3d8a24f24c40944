/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "due.h"

#define FILE_MAX    64
#define FAILED      "failed "
#define NEXT        " next "
#define FAILED_MAX  999999999u
#define FIRST_S     300
#define LONGEST_S   86400
#define DOUBLES_MAX 16 /* beyond it is LONGEST_S anyway */

estoc_err estoc_due_at(const estoc_cert *cert, uint32_t percent, int64_t *at)
{
    uint8_t hash[32];
    estoc_err err = estoc_sha256(cert->der, hash);
    int64_t life = cert->not_after - cert->not_before;
    int64_t age = life / 100 * percent + life % 100 * percent / 100;
    uint32_t part = (uint32_t)hash[0] << 8 | hash[1]; /* of 65,536 */
    int64_t spread = (life - age) / 4;
    *at = cert->not_before + age + spread / 65536 * part + spread % 65536 * part / 65536;
    return err;
}

static bool path_of(const char *prefix, char path[ESTOC_PATH_MAX])
{
    return !estoc_credential_path(prefix, ".d/tries", path);
}

estoc_tries estoc_tries_read(const char *prefix)
{
    char path[ESTOC_PATH_MAX], text[FILE_MAX + 1];
    estoc_blob data;
    if (!path_of(prefix, path) || estoc_file_read(path, FILE_MAX, &data)) {
        return (estoc_tries){0, 0};
    }
    snprintf(text, sizeof text, "%.*s", (int)data.len, (const char *)data.ptr);
    estoc_blob_free(&data);
    char *at = text + strlen(FAILED);
    if (strncmp(text, FAILED, strlen(FAILED)) != 0) {
        return (estoc_tries){0, 0};
    }
    unsigned long failed = strtoul(at, &at, 10);
    if (failed > FAILED_MAX || strncmp(at, NEXT, strlen(NEXT)) != 0) {
        return (estoc_tries){0, 0};
    }
    long long next = strtoll(at + strlen(NEXT), &at, 10);
    return *at == '\n' ? (estoc_tries){(uint32_t)failed, next} : (estoc_tries){0, 0};
}

estoc_err estoc_tries_failed(const char *prefix, int64_t now, int64_t not_after, uint32_t ask_s)
{
    char path[ESTOC_PATH_MAX], text[FILE_MAX];
    estoc_tries tries = estoc_tries_read(prefix);
    int64_t wait = tries.failed < DOUBLES_MAX ? (int64_t)FIRST_S << tries.failed : LONGEST_S;
    int64_t most = not_after > now ? (not_after - now) / 4 : LONGEST_S;
    most = most < FIRST_S ? FIRST_S : most < LONGEST_S ? most : LONGEST_S;
    wait = wait < most ? wait : most;
    wait = wait > ask_s ? wait : ask_s;
    unsigned failed = tries.failed < FAILED_MAX ? (unsigned)tries.failed + 1 : FAILED_MAX;
    int n = snprintf(text, sizeof text, FAILED "%u" NEXT "%lld\n", failed, (long long)(now + wait));
    if (!path_of(prefix, path)) {
        return ESTOC_E_FILE;
    }
    return estoc_file_write(path, estoc_slice_of(text, (size_t)n), 0644);
}

void estoc_tries_clear(const char *prefix)
{
    char path[ESTOC_PATH_MAX];
    if (path_of(prefix, path)) {
        (void)unlink(path);
    }
}
