/* SPDX-License-Identifier: MIT
 *
 * Runs a fuzz target over its corpus, without a fuzzer, as a TAP test: one result per input. Each
 * input is copied to a block of its exact size, so that a sanitizer sees a read past its end.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay(const char *folder, const char *name)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        return -1;
    }
    static uint8_t big[1 << 20];
    size_t len = fread(big, 1, sizeof big, f);
    fclose(f);
    uint8_t *exact = malloc(len ? len : 1);
    if (exact == NULL) {
        return -1;
    }
    memcpy(exact, big, len);
    int rc = LLVMFuzzerTestOneInput(exact, len);
    free(exact);
    return rc;
}

int main(int argc, char **argv)
{
    struct dirent **names = NULL;
    int n = argc == 2 ? scandir(argv[1], &names, NULL, alphasort) : -1;
    if (n < 0) {
        printf("1..1\nnot ok 1 - cannot read the corpus\n");
        return 1;
    }
    int count = 0;
    int failed = 0;
    for (int i = 0; i < n; i++) {
        if (names[i]->d_name[0] != '.') {
            int rc = replay(argv[1], names[i]->d_name);
            failed += rc != 0;
            printf("%sok %d - %s\n", rc == 0 ? "" : "not ", ++count, names[i]->d_name);
        }
        free(names[i]);
    }
    free(names);
    /* an empty corpus is a missing one */
    if (count == 0) {
        printf("not ok %d - the corpus is empty\n", ++count);
        failed++;
    }
    printf("1..%d\n", count);
    return failed != 0;
}
