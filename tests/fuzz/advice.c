/* SPDX-License-Identifier: MIT
 *
 * Input: what a program has written that was asked about a request.
 */
#include <string.h>

#include "advice.h"
#include "check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    estoc_advice a;
    memset(&a, 0xa5, sizeof a);
    estoc_advice_parse(estoc_slice_of(data, size), &a);
    CHECK(a.kind == ESTOC_ADVICE_YES || a.kind == ESTOC_ADVICE_NO || a.kind == ESTOC_ADVICE_LATER ||
          a.kind == ESTOC_ADVICE_FAILED);
    CHECK(a.kind != ESTOC_ADVICE_YES || (size >= 3 && memcmp(data, "yes", 3) == 0));
    CHECK(a.retry_s <= 604800 && (a.retry_s == 0 || a.kind == ESTOC_ADVICE_LATER));
    CHECK(memchr(a.reason, '\0', sizeof a.reason) != NULL);
    bool says = a.kind == ESTOC_ADVICE_NO || a.kind == ESTOC_ADVICE_FAILED;
    CHECK((a.reason[0] != '\0') == says);
    for (const char *c = a.reason; *c != '\0'; c++) {
        CHECK(*c >= ' ' && *c < 0x7f);
    }
    return 0;
}
