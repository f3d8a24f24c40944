/* SPDX-License-Identifier: MIT
 *
 * Runs a fuzz target over its corpus, without a fuzzer, as a TAP test: one result per input. Each
 * input is copied to a block of its exact size, so that a sanitizer sees a read past its end.
 */
#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t big[1 << 20];

/* @return NULL, or why it failed */
static const char *replay(const char *folder, const char *name)
{
    char path[4096];
    int n = snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = n > 0 && (size_t)n < sizeof path ? fopen(path, "rb") : NULL;
    if (f == NULL) {
        return "cannot be opened";
    }
    size_t len = fread(big, 1, sizeof big, f);
    bool whole = ferror(f) == 0 && feof(f) != 0;
    fclose(f);
    uint8_t *exact = whole ? malloc(len > 0 ? len : 1) : NULL;
    if (exact == NULL) {
        return "cannot be read as a whole";
    }
    memcpy(exact, big, len);
    int rc = LLVMFuzzerTestOneInput(exact, len);
    free(exact);
    return rc == 0 ? NULL : "the target refused it";
}

static int is_input(const struct dirent *e)
{
    return e->d_name[0] != '.';
}

int main(int argc, char **argv)
{
    struct dirent **names = NULL;
    int n = argc == 2 ? scandir(argv[1], &names, is_input, alphasort) : -1;
    if (n <= 0) {
        /* an empty corpus is a missing one */
        printf("1..1\nnot ok 1 - the corpus is %s\n", n < 0 ? "not readable" : "empty");
        free(names);
        return 1;
    }
    int failed = 0;
    printf("1..%d\n", n);
    for (int i = 0; i < n; i++) {
        /* said before, so that after a crash the culprit is the last name in the output */
        printf("# %s\n", names[i]->d_name);
        fflush(stdout);
        const char *why = replay(argv[1], names[i]->d_name);
        failed += why != NULL;
        printf("%s %d - %s%s%s\n", why != NULL ? "not ok" : "ok", i + 1, names[i]->d_name,
               why != NULL ? ": " : "", why != NULL ? why : "");
        free(names[i]);
    }
    free(names);
    return failed != 0;
}
